//! Aggregates: what each CPU gathered becomes one state, and a state becomes what is shown.
//!
//! A state is the words that `Aggregate::words` counts. Merging does not depend on the order of the CPUs, and all zeros,
//! which is what `zero()` leaves, is a state like any other.

use lang::types::Aggregate;

use super::number::{Number, words};
use super::series;

/// Appends the merged state of all CPUs. `per_cpu` is their states one after the other, as the kernel copies them out.
pub fn merge(aggregate: Aggregate, per_cpu: &[u8], merged: &mut Vec<u8>) {
    let size = aggregate.words() as usize * 8;
    let start = merged.len();
    merged.resize(start + size, 0);
    let total = &mut merged[start..];
    for cpu in per_cpu.chunks_exact(size) {
        match aggregate {
            Aggregate::Min { signed } => merge_extreme(total, cpu, |old, new| order(new, signed) < order(old, signed)),
            Aggregate::Max { signed } => merge_extreme(total, cpu, |old, new| order(new, signed) > order(old, signed)),
            Aggregate::TSeries { of, signed, .. } => series::merge(of, signed, total, cpu),
            _ => add_words(total, cpu),
        }
    }
}

fn order(word: u64, signed: bool) -> u64 {
    Number::new(word, signed).order()
}

fn add_words(total: &mut [u8], cpu: &[u8]) {
    for (total, word) in total.as_chunks_mut().0.iter_mut().zip(words(cpu)) {
        // Most buckets of most CPUs are empty.
        if word != 0 {
            *total = u64::from_ne_bytes(*total).wrapping_add(word).to_ne_bytes();
        }
    }
}

/// Takes over a CPU's value if it has one and it is better than the one so far.
fn merge_extreme(total: &mut [u8], cpu: &[u8], better: impl Fn(u64, u64) -> bool) {
    let ((old, had), (new, has)) = (two_words(total), two_words(cpu));
    if has != 0 && (had == 0 || better(old, new)) {
        total.copy_from_slice(cpu);
    }
}

/// A merged state as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// count, sum, min, max, avg
    Number(Number),
    /// stats
    Stats {
        /// How many values there were.
        count: u64,
        /// Their sum over their number, cut off towards zero.
        average: Number,
        /// Their sum.
        total: Number,
    },
    /// hist, lhist; see [`super::buckets::rows`].
    Histogram,
    /// tseries; see [`series::points`].
    Series,
}

/// What a merged state amounts to. Missing words are zeros.
pub fn summary(aggregate: Aggregate, state: &[u8]) -> Summary {
    let (first, second) = two_words(state);
    match aggregate {
        Aggregate::Count => Summary::Number(Number::Unsigned(first)),
        Aggregate::Sum { signed } | Aggregate::Min { signed } | Aggregate::Max { signed } => {
            Summary::Number(Number::new(first, signed))
        }
        Aggregate::Avg { signed } => Summary::Number(average(first, second, signed)),
        Aggregate::Stats { signed } => {
            Summary::Stats { count: second, average: average(first, second, signed), total: Number::new(first, signed) }
        }
        Aggregate::Hist { .. } | Aggregate::LHist { .. } => Summary::Histogram,
        Aggregate::TSeries { .. } => Summary::Series,
    }
}

/// Before any value the average is 0, which dividing by nothing gives too.
fn average(total: u64, count: u64, signed: bool) -> Number {
    Number::new(total, signed).divided_by(count)
}

/// What a map of this aggregate is sorted by: the number, the average, or how many values a histogram has. Time series
/// are sorted by key.
pub fn order_of(aggregate: Aggregate, state: &[u8]) -> u64 {
    match summary(aggregate, state) {
        Summary::Number(number) => number.order(),
        Summary::Stats { average, .. } => average.order(),
        Summary::Series => 0,
        Summary::Histogram => words(state).fold(0, u64::wrapping_add),
    }
}

fn two_words(state: &[u8]) -> (u64, u64) {
    let mut words = words(state);
    (words.next().unwrap_or(0), words.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[i64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn merged(aggregate: Aggregate, words: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        merge(aggregate, &bytes(words), &mut out);
        out
    }

    #[test]
    fn sums_wrap_and_add_up() {
        assert_eq!(merged(Aggregate::Count, &[1, 0, 2]), bytes(&[3]));
        assert_eq!(merged(Aggregate::Sum { signed: true }, &[i64::MAX, 1]), bytes(&[i64::MIN]));
        assert_eq!(merged(Aggregate::Stats { signed: true }, &[-5, 1, 2, 1]), bytes(&[-3, 2]));
        assert_eq!(merged(Aggregate::LHist { min: 0, max: 2, step: 2 }, &[1, 2, 3, 4, 5, 6]), bytes(&[5, 7, 9]));
    }

    #[test]
    fn extremes_follow_the_sign_and_skip_cpus_without_a_value() {
        let cpus = [0, 0, -3, 1, 5, 1, 0, 0];
        assert_eq!(merged(Aggregate::Min { signed: true }, &cpus), bytes(&[-3, 1]));
        assert_eq!(merged(Aggregate::Min { signed: false }, &cpus), bytes(&[5, 1]));
        assert_eq!(merged(Aggregate::Max { signed: true }, &cpus), bytes(&[5, 1]));
        assert_eq!(merged(Aggregate::Max { signed: false }, &cpus), bytes(&[-3, 1]));
        assert_eq!(merged(Aggregate::Min { signed: true }, &[0, 0]), bytes(&[0, 0]));
    }

    #[test]
    fn the_order_of_cpus_does_not_matter() {
        let kinds = [true, false].into_iter().flat_map(|signed| {
            [
                Aggregate::Sum { signed },
                Aggregate::Min { signed },
                Aggregate::Max { signed },
                Aggregate::Avg { signed },
                Aggregate::Stats { signed },
            ]
        });
        for aggregate in kinds.chain([Aggregate::Count, Aggregate::LHist { min: 0, max: 9, step: 4 }]) {
            let width = aggregate.words() as usize;
            // Any words do, only the flag of min and max is 0 or 1.
            let cpu = |seed: i64| -> Vec<i64> {
                (0..width as i64)
                    .map(|word| match word {
                        1 if width == 2 => seed & 1,
                        _ => (seed + word).wrapping_mul(0x2545_f491_4f6c_dd1d),
                    })
                    .collect()
            };
            let forwards: Vec<i64> = (0..7).flat_map(cpu).collect();
            for turn in 1..7 {
                let turned: Vec<i64> = (0..7).map(|i| (i * 3 + turn) % 7).flat_map(cpu).collect();
                assert_eq!(merged(aggregate, &forwards), merged(aggregate, &turned), "{aggregate:?}");
            }
        }
    }

    #[test]
    fn averages_cut_off_towards_zero() {
        let avg = |signed, state: &[i64]| summary(Aggregate::Avg { signed }, &bytes(state));
        assert_eq!(avg(true, &[-3, 2]), Summary::Number(Number::Signed(-1)));
        assert_eq!(avg(false, &[-2, 1]), Summary::Number(Number::Unsigned(u64::MAX - 1)));
        assert_eq!(avg(true, &[0, 0]), Summary::Number(Number::Signed(0)));
        assert_eq!(avg(true, &[]), Summary::Number(Number::Signed(0)), "bytes are missing");
    }
}
