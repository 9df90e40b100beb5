//! What a histogram says of its values as a whole: how many there were, about how large on average, and where the
//! percentiles lie.
//!
//! A histogram knows of a value only its bucket. Within a bucket values are taken to be spread evenly, so the mean is an
//! estimate. A percentile is the value of nearest rank: the smallest that so many percent of all values do not exceed.
//! Its bucket is exact, its place within the bucket an estimate, and so in a bucket of one value nothing is. A bucket
//! without an end counts as the value next to its bound.

use super::buckets::{Bounds, Row};

/// The percentiles that are shown.
pub const PERCENTILES: [u8; 3] = [50, 90, 99];

/// A histogram as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outline {
    /// How many values there were.
    pub count: u64,
    /// What is known of them, if there were any.
    pub values: Option<Values>,
}

/// What is known of a histogram's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// About their average.
    pub mean: f64,
    /// About the [`PERCENTILES`].
    pub percentiles: [i64; PERCENTILES.len()],
}

impl Outline {
    /// Of a histogram with these rows.
    pub fn of(rows: &[Row]) -> Self {
        let count: u128 = rows.iter().map(|row| u128::from(row.count)).sum();
        let values = (count > 0).then(|| Values {
            mean: rows.iter().map(|row| middle(row.bounds) * row.count as f64).sum::<f64>() / count as f64,
            percentiles: PERCENTILES.map(|percent| percentile(rows, count, percent)),
        });
        Self { count: u64::try_from(count).unwrap_or(u64::MAX), values }
    }
}

/// The smallest and the largest value of a bucket.
fn ends(bounds: Bounds) -> (i128, i128) {
    let low = bounds.low.map(i128::from);
    let last = bounds.end.map(|end| i128::from(end) - 1);
    match (low, last) {
        (Some(low), Some(last)) => (low, last.max(low)),
        (Some(only), None) | (None, Some(only)) => (only, only),
        (None, None) => (0, 0),
    }
}

fn middle(bounds: Bounds) -> f64 {
    let (low, last) = ends(bounds);
    (low + last) as f64 / 2.0
}

fn percentile(rows: &[Row], count: u128, percent: u8) -> i64 {
    let rank = (count * u128::from(percent)).div_ceil(100).max(1);
    let mut before = 0;
    for row in rows {
        let in_row = u128::from(row.count);
        if rank <= before + in_row {
            let (low, last) = ends(row.bounds);
            // Each value has its share of the bucket, and stands in the middle of it.
            let share = (rank - before) as f64 - 0.5;
            let estimate = low + ((last - low) as f64 * share / in_row as f64).round() as i128;
            return i64::try_from(estimate.clamp(low, last)).unwrap_or(i64::MAX);
        }
        before += in_row;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::buckets::{hist_bounds, hist_index};
    use super::*;

    fn row(low: Option<u64>, end: Option<u64>, count: u64) -> Row {
        Row { bounds: Bounds { low, end }, count }
    }

    #[test]
    fn single_values_are_exact() {
        let rows: Vec<Row> = (0..100).map(|value| row(Some(value), Some(value + 1), 1)).collect();
        let expected = Values { mean: 49.5, percentiles: [49, 89, 98] };
        assert_eq!(Outline::of(&rows), Outline { count: 100, values: Some(expected) });
        assert_eq!(Outline::of(&[]), Outline { count: 0, values: None });
        assert_eq!(Outline::of(&[row(Some(5), Some(6), 0)]).values, None);
    }

    #[test]
    fn open_buckets_count_as_their_bounds() {
        let rows = [row(None, Some(0), 1), row(Some(0), Some(10), 0), row(Some(100), None, 3)];
        let expected = Values { mean: 74.75, percentiles: [100, 100, 100] };
        assert_eq!(Outline::of(&rows), Outline { count: 4, values: Some(expected) });
        assert_eq!(Outline::of(&rows[..1]).values, Some(Values { mean: -1.0, percentiles: [-1; 3] }));
    }

    #[test]
    fn an_estimate_lies_in_the_bucket_of_the_exact_percentile() {
        for bits in 0..=5 {
            for seed in 1..40u64 {
                let mut values: Vec<u64> =
                    (0..seed * 7).map(|i| (i * i * 2_654_435_761 + seed) >> (i % 40)).map(|v| v & 0xff_ffff).collect();
                values.sort_unstable();
                let mut counts = std::collections::BTreeMap::new();
                values.iter().for_each(|value| *counts.entry(hist_index(*value, bits)).or_insert(0) += 1);
                let rows: Vec<Row> = counts
                    .iter()
                    .map(|(index, count)| Row { bounds: hist_bounds(*index, bits), count: *count })
                    .collect();
                let found = Outline::of(&rows).values.unwrap();
                for (percent, estimate) in PERCENTILES.into_iter().zip(found.percentiles) {
                    let rank = (values.len() * usize::from(percent)).div_ceil(100);
                    let exact = hist_index(values[rank - 1], bits);
                    assert_eq!(hist_index(estimate as u64, bits), exact, "p{percent} of {values:?}");
                }
                let exact = values.iter().sum::<u64>() as f64 / values.len() as f64;
                assert!(
                    found.mean >= exact / 2.0 && found.mean <= exact * 2.0 + 1.0,
                    "{} is about {exact}",
                    found.mean
                );
            }
        }
    }
}
