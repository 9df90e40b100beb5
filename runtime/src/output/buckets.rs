//! Which values a histogram's bucket holds: the one definition of index and bounds.
//!
//! The program in the kernel counts by index and the reader shows bounds, so both must mean the same by an index.
//!
//! `hist` with `k` extra bits:
//! - index 0: negative values, which are those with the top bit set whatever the argument's type;
//! - index `1 + v`: the single value `v`, for `v` below `2^k`;
//! - above, with `p = floor(log2 v)`: index `1 + ((p - k + 1) << k) + ((v >> (p - k)) & (2^k - 1))`. So each power of
//!   two has `2^k` buckets, each `2^(p - k)` wide. The highest is reached by `2^63 - 1`.
//!
//! `lhist` from `min` to `max` in steps of `step`:
//! - index 0: below `min`, negative values too;
//! - index `1 + (v - min) / step` for `v` below `max`;
//! - the last index: `max` and above.
//!
//! When `max - min` is no multiple of `step`, the last bucket below `max` is a narrow one. bpftrace has none: it counts
//! these values with those above. The rows do the same, whichever index the program chose for them.

use lang::types::{Aggregate, hist_buckets};

use super::number::words;

/// The values of a bucket: from `low` up to, not including, `end`. Without a bound it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest value.
    pub low: Option<u64>,
    /// The value after the largest.
    pub end: Option<u64>,
}

/// A row of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its values.
    pub bounds: Bounds,
    /// How many there were.
    pub count: u64,
}

/// The bucket of a `hist` with `bits` extra bits that takes `value`.
pub fn hist_index(value: u64, bits: u8) -> u32 {
    if value >> 63 != 0 {
        return 0;
    }
    match value.checked_ilog2() {
        Some(power) if power >= u32::from(bits) => {
            let shift = power - u32::from(bits);
            let part = (value >> shift) & ((1 << bits) - 1);
            1 + ((shift + 1) << bits) + part as u32
        }
        _ => 1 + value as u32,
    }
}

/// The values that [`hist_index`] puts into a bucket.
pub fn hist_bounds(index: u32, bits: u8) -> Bounds {
    let Some(position) = index.checked_sub(1) else { return Bounds { low: None, end: Some(0) } };
    let (group, part) = (position >> bits, u64::from(position & ((1 << bits) - 1)));
    let (first, shift) = match group {
        0 => (part, 0),
        _ => ((1 << bits) + part, group - 1),
    };
    Bounds { low: Some(first << shift), end: Some((first + 1) << shift) }
}

/// The bucket of an `lhist` that takes `value`.
pub fn lhist_index(value: u64, min: u64, max: u64, step: u64) -> u32 {
    match value {
        _ if value >> 63 != 0 || value < min => 0,
        _ if value >= max => Aggregate::LHist { min, max, step }.words() - 1,
        _ => 1 + ((value - min) / step) as u32,
    }
}

/// The rows of a histogram, from the first to the last that has a count; none for another aggregate.
pub fn rows(aggregate: Aggregate, state: &[u8]) -> Vec<Row> {
    match aggregate {
        Aggregate::Hist { bits } => used(words(state).take(hist_buckets(bits) as usize))
            .map(|(index, count)| Row { bounds: hist_bounds(index as u32, bits), count })
            .collect(),
        Aggregate::LHist { min, max, step } => lhist_rows(min, max, step.max(1), state),
        _ => Vec::new(),
    }
}

fn lhist_rows(min: u64, max: u64, step: u64, state: &[u8]) -> Vec<Row> {
    let whole = (max.saturating_sub(min) / step) as usize;
    let start = |bucket: usize| min + bucket as u64 * step;
    let above = words(state).skip(whole + 1).fold(0, u64::wrapping_add);
    used(words(state).take(whole + 1).chain([above]))
        .map(|(index, count)| {
            let low = index.checked_sub(1).map(start);
            let end = (index <= whole).then(|| start(index));
            Row { bounds: Bounds { low, end }, count }
        })
        .collect()
}

/// The counts with their indices, from the first to the last that is not zero.
fn used(counts: impl Iterator<Item = u64> + Clone) -> impl Iterator<Item = (usize, u64)> {
    let mut nonzero = counts.clone().enumerate().filter(|(_, count)| *count != 0).map(|(index, _)| index);
    let first = nonzero.next();
    let end = nonzero.last().or(first).map_or(0, |last| last + 1);
    let first = first.unwrap_or(0);
    counts.enumerate().take(end).skip(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values around every power of two, where a mistake would show.
    fn interesting() -> impl Iterator<Item = u64> {
        let near = |power: u32| (-70i64..=70).map(move |offset| (1u64 << power).wrapping_add_signed(offset));
        (0..=300).chain((0..64).flat_map(near)).chain([u64::MAX, i64::MAX as u64, i64::MIN as u64])
    }

    #[test]
    fn hist_bounds_hold_what_the_index_says() {
        for bits in 0..=5 {
            for value in interesting() {
                let index = hist_index(value, bits);
                assert!(index < hist_buckets(bits), "{value} of {bits}");
                let Bounds { low, end } = hist_bounds(index, bits);
                match low {
                    Some(low) => assert!(low <= value && Some(value) < end, "{value} of {bits}: {low}, {end:?}"),
                    None => assert!((value as i64) < 0 && end == Some(0)),
                }
            }
        }
    }

    #[test]
    fn hist_buckets_follow_each_other_and_end_at_two_to_the_63() {
        for bits in 0..=5 {
            for index in 0..hist_buckets(bits) {
                let Bounds { low, end } = hist_bounds(index, bits);
                assert_eq!(
                    end,
                    if index + 1 == hist_buckets(bits) { Some(1 << 63) } else { hist_bounds(index + 1, bits).low }
                );
                // Both ends of the bucket map back to it.
                for value in low.into_iter().chain(low.and(end).map(|end| end - 1)) {
                    assert_eq!(hist_index(value, bits), index, "{value} of {bits}");
                }
            }
        }
    }

    fn state(counts: &[u64]) -> Vec<u8> {
        counts.iter().flat_map(|count| count.to_ne_bytes()).collect()
    }

    fn row(low: Option<u64>, end: Option<u64>, count: u64) -> Row {
        Row { bounds: Bounds { low, end }, count }
    }

    #[test]
    fn linear_rows_hold_what_the_index_says() {
        for (min, max, step) in [(0, 10, 3), (0, 10, 5), (2, 7, 1), (5, 10, 20), (1 << 40, (1 << 40) + 9, 4)] {
            let lhist = Aggregate::LHist { min, max, step };
            for value in (0..30).map(|offset| (min + offset).wrapping_sub(10)) {
                let mut counts = vec![0; lhist.words() as usize];
                counts[lhist_index(value, min, max, step) as usize] = 1;
                let rows = rows(lhist, &state(&counts));
                assert_eq!(rows.len(), 1);
                let Bounds { low, end } = rows[0].bounds;
                let value = value as i64;
                assert!(low.is_none_or(|low| low as i64 <= value), "{value} in {:?}", rows[0]);
                assert!(end.is_none_or(|end| value < end as i64), "{value} in {:?}", rows[0]);
            }
        }
    }

    #[test]
    fn what_does_not_fill_a_step_is_counted_above() {
        let lhist = Aggregate::LHist { min: 0, max: 10, step: 3 };
        assert_eq!(rows(lhist, &state(&[0, 0, 0, 2, 3, 4])), [row(Some(6), Some(9), 2), row(Some(9), None, 7)]);
    }

    #[test]
    fn rows_run_from_the_first_to_the_last_count() {
        let hist = Aggregate::Hist { bits: 0 };
        let mut counts = vec![0; 65];
        assert_eq!(rows(hist, &state(&counts)), []);
        counts[2] = 1;
        counts[4] = 7;
        let expected = [row(Some(1), Some(2), 1), row(Some(2), Some(4), 0), row(Some(4), Some(8), 7)];
        assert_eq!(rows(hist, &state(&counts)), expected);
        assert_eq!(rows(hist, &state(&counts)[..30]), expected[..1], "bytes are missing");
    }
}
