//! `print(@map, "pct")`: each value of a map beside its share of the total of all values.

use lang::typed::Map;
use lang::types::Type;

use super::aggregate::{Summary, summary};
use super::map::{Entries, sorted};
use super::number::{Number, first_word};
use super::push_fmt;

/// A map's values with their shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Of all entries, shown or not.
    pub total: i128,
    /// The entries that are shown, in the order of the map: their indices, values and shares.
    pub entries: Vec<(usize, Number, Share)>,
}

/// A value's share of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// In tenths of a percent, rounded; none where the total is 0.
    pub per_mille: Option<i128>,
}

impl Shares {
    /// Of the last `top` entries of a map, or of all when it is 0.
    pub fn of(map: &Map, entries: &Entries, top: u64) -> Self {
        let total = (0..entries.len()).map(|index| exact(number(map, entries.value(index)))).sum();
        let shown = sorted(map, entries, top).into_iter().map(|index| {
            let number = number(map, entries.value(index));
            (index, number, Share::of(exact(number), total))
        });
        Self { total, entries: shown.collect() }
    }
}

impl Share {
    /// The share of `value`. Halves are rounded away from zero.
    pub fn of(value: i128, total: i128) -> Self {
        if total == 0 {
            return Self { per_mille: None };
        }
        let (doubled, total) = ((2000 * value).saturating_mul(total.signum()), total.abs());
        let rounded = (doubled + doubled.signum() * total) / (2 * total);
        Self { per_mille: Some(rounded) }
    }

    /// Appends it in percent, with one digit after the point; false if there is nothing to append.
    pub fn write(self, out: &mut Vec<u8>) -> bool {
        let Some(per_mille) = self.per_mille else { return false };
        let sign = if per_mille < 0 { "-" } else { "" };
        push_fmt(out, format_args!("{sign}{}.{}", per_mille.abs() / 10, per_mille.abs() % 10));
        true
    }
}

fn exact(number: Number) -> i128 {
    match number {
        Number::Signed(value) => value.into(),
        Number::Unsigned(value) => value.into(),
    }
}

/// The number that an entry holds. The checker lets no other maps through; they would count as zeros.
fn number(map: &Map, value: &[u8]) -> Number {
    match &map.value {
        Type::Int(int) => Number::of_type(first_word(value).unwrap_or(0), *int),
        Type::Aggregate(aggregate) => match summary(*aggregate, value) {
            Summary::Number(number) => number,
            _ => Number::Unsigned(0),
        },
        _ => Number::Unsigned(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: i128, total: i128) -> String {
        let mut out = Vec::new();
        assert_eq!(Share::of(value, total).write(&mut out), total != 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn shares_are_rounded_to_tenths_of_a_percent() {
        assert_eq!(text(1, 3), "33.3");
        assert_eq!(text(2, 3), "66.7");
        assert_eq!(text(1, 2000), "0.1", "a half goes up");
        assert_eq!(text(1, 2001), "0.0");
        assert_eq!(text(5, 5), "100.0");
        assert_eq!(text(0, 5), "0.0");
    }

    #[test]
    fn negative_values_and_totals() {
        assert_eq!(text(-1, 3), "-33.3");
        assert_eq!(text(-1, 2000), "-0.1");
        assert_eq!(text(-1, -2), "50.0");
        assert_eq!(text(3, -2), "-150.0");
        assert_eq!(text(3, 0), "");
        assert_eq!(text(u64::MAX.into(), i128::from(u64::MAX) * 1_000_000), "0.0");
        assert_eq!(text(i64::MIN.into(), i64::MIN.into()), "100.0");
    }
}
