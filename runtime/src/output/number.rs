//! An integer out of eight bytes of a record, with the sign that its type gives it.
//!
//! All forms of a number start here: printed, divided for `print(@m, 0, div)`, and compared for the order of a map.

use lang::types::IntType;

/// A 64-bit integer that knows whether it has a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Of a signed type.
    Signed(i64),
    /// Of an unsigned type, an address or a count.
    Unsigned(u64),
}

impl Number {
    /// The value of a word.
    pub fn new(word: u64, signed: bool) -> Self {
        match signed {
            true => Self::Signed(word as i64),
            false => Self::Unsigned(word),
        }
    }

    /// The low bits of a word that the type has, extended again. A slot holds them extended already unless the program
    /// that filled it is at fault; then at least what is shown fits the type.
    pub fn of_type(word: u64, int: IntType) -> Self {
        Self::low_bits(word, int.bits, int.signed)
    }

    /// The low `bits` bits of a word.
    pub fn low_bits(word: u64, bits: u8, signed: bool) -> Self {
        let unused = 64 - u32::from(bits.clamp(1, 64));
        match signed {
            true => Self::Signed(((word << unused) as i64) >> unused),
            false => Self::Unsigned((word << unused) >> unused),
        }
    }

    /// The quotient, cut off towards zero. A signed value reads the divisor as signed, so that -1 negates it; by zero
    /// nothing is divided.
    pub fn divided_by(self, div: u64) -> Self {
        match (self, div) {
            (_, 0 | 1) => self,
            (Self::Signed(value), _) => Self::Signed(value.wrapping_div(div as i64)),
            (Self::Unsigned(value), _) => Self::Unsigned(value / div),
        }
    }

    /// A key that sorts as the numbers do, among numbers of one sign.
    pub fn order(self) -> u64 {
        match self {
            Self::Signed(value) => (value as u64) ^ (1 << 63),
            Self::Unsigned(value) => value,
        }
    }

    /// Appends its decimal digits; with `plus`, a signed number that is not negative begins with a plus.
    pub fn write(self, out: &mut Vec<u8>, plus: bool) {
        match self {
            Self::Signed(value) => {
                match value {
                    ..0 => out.push(b'-'),
                    _ if plus => out.push(b'+'),
                    _ => {}
                }
                push_decimal(out, value.unsigned_abs());
            }
            Self::Unsigned(value) => push_decimal(out, value),
        }
    }

    /// Whether a reader that keeps numbers as doubles, as JavaScript does, would get it unchanged.
    pub fn is_exact_double(self) -> bool {
        match self {
            Self::Signed(value) => value as f64 as i128 == i128::from(value),
            Self::Unsigned(value) => value as f64 as i128 == i128::from(value),
        }
    }
}

/// Appends decimal digits. A long map has hundreds of thousands of numbers, which `write!` takes several times as long for.
fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    /// Digits of the largest number.
    const MOST: usize = 20;
    let mut digits = [0; MOST];
    let mut start = MOST;
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// The word at the start of some bytes, if there are eight.
pub fn first_word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// All whole words of some bytes.
pub fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> + DoubleEndedIterator + Clone + '_ {
    bytes.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_values_extend_by_their_sign() {
        let int = |bits, signed| IntType { bits, signed };
        assert_eq!(Number::of_type(0x1ff, int(8, true)), Number::Signed(-1));
        assert_eq!(Number::of_type(0x1ff, int(8, false)), Number::Unsigned(255));
        assert_eq!(Number::of_type(u64::MAX, int(64, true)), Number::Signed(-1));
    }

    #[test]
    fn division_follows_the_sign_of_the_value() {
        assert_eq!(Number::Signed(-7).divided_by(2), Number::Signed(-3));
        assert_eq!(Number::Signed(1).divided_by(u64::MAX), Number::Signed(-1));
        assert_eq!(Number::Signed(i64::MIN).divided_by(u64::MAX), Number::Signed(i64::MIN));
        assert_eq!(Number::Unsigned(u64::MAX).divided_by(2), Number::Unsigned(i64::MAX as u64));
        assert_eq!(Number::Unsigned(5).divided_by(0), Number::Unsigned(5));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let text = |number: Number, plus| {
            let mut out = Vec::new();
            number.write(&mut out, plus);
            String::from_utf8(out).unwrap()
        };
        for value in [0, 1, -1, 9, 10, -10, 99, 100, 12345, i64::MAX, i64::MIN] {
            assert_eq!(text(Number::Signed(value), false), value.to_string());
            assert_eq!(text(Number::Signed(value), true), format!("{value:+}"));
            assert_eq!(text(Number::Unsigned(value as u64), true), (value as u64).to_string());
        }
    }

    #[test]
    fn doubles_hold_what_bpftrace_writes_as_a_json_number() {
        for exact in [0, 1 << 53, 3 << 52, 1 << 63] {
            assert!(Number::Unsigned(exact).is_exact_double(), "{exact}");
        }
        for other in [(1 << 53) + 1, (1 << 54) - 1, i64::MAX as u64, u64::MAX] {
            assert!(!Number::Unsigned(other).is_exact_double(), "{other}");
        }
        assert!(!Number::Signed(-(1 << 53) - 1).is_exact_double());
        assert!(Number::Signed(i64::MIN).is_exact_double());
    }
}
