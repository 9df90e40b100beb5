//! Numbers: decimal, hexadecimal, octal and scientific integers, their suffixes, and durations.
//!
//! A number takes in every letter, digit and underscore that follows its first digit, so that `0b101` or `5foo` is one
//! mistake with one message instead of a number and a stray word.

use crate::ast::IntSuffix;
use std::ops::Range;

/// What is wrong with a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadNumber {
    /// The bytes to point at, counted from the number's first.
    pub(super) range: Range<usize>,
    /// One line.
    pub(super) title: String,
    /// What would work.
    pub(super) help: Option<String>,
}

/// Nanoseconds of each duration suffix.
const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// How many bytes of `text`, which starts with a digit, belong to the number.
pub(super) fn length(text: &[u8]) -> usize {
    let word = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    // `1e-3` is no number here, but it was meant as one.
    let negative_exponent = text[..word].ends_with(b"e") && text[..word - 1].iter().all(u8::is_ascii_digit);
    match &text[word..] {
        [b'-', rest @ ..] if negative_exponent => match rest.iter().take_while(|b| b.is_ascii_digit()).count() {
            0 => word,
            digits => word + 1 + digits,
        },
        _ => word,
    }
}

/// The value of `text`, which holds exactly the number.
pub(crate) fn parse(text: &str) -> Result<(u64, IntSuffix), BadNumber> {
    let bad = |range, title: String| Err(BadNumber { range, title, help: None });
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        if digits.is_empty() {
            return bad(0..text.len(), "expected hexadecimal digits after `0x`".into());
        }
        return match digits.find(|c: char| !c.is_ascii_hexdigit() && c != '_') {
            Some(at) => bad(2 + at..text.len(), format!("`{}` is not a hexadecimal digit", &digits[at..at + 1])),
            None => value(text, digits, 16).map(|n| (n, IntSuffix::None)),
        };
    }
    if text.starts_with("0b") || text.starts_with("0B") {
        return Err(BadNumber {
            range: 0..text.len(),
            title: "numbers in base 2 are not known".into(),
            help: binary_help(&text[2..]),
        });
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits);
    if suffix.starts_with(['e', 'E']) {
        return scientific(text, digits, &suffix[1..]).map(|n| (n, IntSuffix::None));
    }
    if digits.ends_with('_') && suffix.is_empty() {
        return bad(digits.len() - 1..digits.len(), "a number cannot end in `_`".into());
    }
    let octal = digits.len() > 1 && digits.starts_with('0');
    if octal && let Some(at) = digits.find(['8', '9']) {
        return Err(BadNumber {
            range: 0..text.len(),
            title: format!("`{}` is not an octal digit", &digits[at..at + 1]),
            help: Some("a number that starts with 0 is octal; leave the 0 out for a decimal one".into()),
        });
    }
    let n = value(text, digits, if octal { 8 } else { 10 })?;
    if let Some((_, unit)) = DURATIONS.iter().find(|(name, _)| *name == suffix) {
        return match n.checked_mul(*unit) {
            Some(n) => Ok((n, IntSuffix::Duration)),
            None => bad(0..text.len(), "this duration is more nanoseconds than 64 bits can hold".into()),
        };
    }
    let most = match suffix {
        "u" => u64::from(u32::MAX),
        "l" | "ll" => i64::MAX as u64,
        _ => u64::MAX,
    };
    if n > most {
        return bad(0..text.len(), format!("overflow error, maximum value is {most}: {text}"));
    }
    Ok(match suffix {
        "" => (n, IntSuffix::None),
        "u" => (n, IntSuffix::U),
        "ul" | "ull" => (n, IntSuffix::Ul),
        "l" | "ll" => (n, IntSuffix::L),
        _ => {
            return Err(BadNumber {
                range: digits.len()..text.len(),
                title: format!("`{suffix}` is not a suffix of a number"),
                help: Some("suffixes are u, ul, ull, l, ll and the durations ns, us, ms, s, m, h, d".into()),
            });
        }
    })
}

/// `<digit>e<exponent>`: the digit 1 to 9, the exponent from 1 on.
fn scientific(text: &str, mantissa: &str, exponent: &str) -> Result<u64, BadNumber> {
    let digits = exponent.replace('_', "");
    let is_number = exponent.starts_with(|c: char| c.is_ascii_digit()) && !exponent.ends_with('_');
    let value = match (mantissa.as_bytes(), digits.parse::<u32>()) {
        ([digit @ b'1'..=b'9'], Ok(e @ 1..)) if is_number => {
            10u64.checked_pow(e).and_then(|power| power.checked_mul(u64::from(digit - b'0'))).ok_or("is too large")
        }
        _ => Err("is not a number"),
    };
    value.map_err(|what| BadNumber {
        range: 0..text.len(),
        title: format!("`{text}` {what}"),
        help: Some("the form is one digit from 1 to 9, `e`, and an exponent from 1 to 19: 5e3".into()),
    })
}

/// The digits in the given base; the caller has checked that they are digits of it.
fn value(text: &str, digits: &str, base: u32) -> Result<u64, BadNumber> {
    digits
        .chars()
        .filter_map(|c| c.to_digit(base))
        .try_fold(0u64, |n, digit| n.checked_mul(base.into())?.checked_add(digit.into()))
        .ok_or_else(|| BadNumber {
            range: 0..text.len(),
            title: "this number is too large for 64 bits".into(),
            help: Some(format!("the largest is {}", u64::MAX)),
        })
}

fn binary_help(digits: &str) -> Option<String> {
    let n = u64::from_str_radix(digits, 2).ok()?;
    Some(format!("write it in base 16: {n:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_values() {
        let cases = [
            ("0", 0, IntSuffix::None),
            ("42", 42, IntSuffix::None),
            ("1_000_0", 10_000, IntSuffix::None),
            ("0x1f", 31, IntSuffix::None),
            ("0XfF", 255, IntSuffix::None),
            ("010", 8, IntSuffix::None),
            ("1e6", 1_000_000, IntSuffix::None),
            ("9E2", 900, IntSuffix::None),
            ("010u", 8, IntSuffix::U),
            ("5u", 5, IntSuffix::U),
            ("5ull", 5, IntSuffix::Ul),
            ("5ll", 5, IntSuffix::L),
            ("10ms", 10_000_000, IntSuffix::Duration),
            ("2d", 172_800_000_000_000, IntSuffix::Duration),
            ("18446744073709551615", u64::MAX, IntSuffix::None),
        ];
        for (text, value, suffix) in cases {
            assert_eq!(length(text.as_bytes()), text.len(), "{text}");
            assert_eq!(parse(text), Ok((value, suffix)), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_as_a_whole() {
        let cases = [
            "089",
            "0b101",
            "12e3",
            "5e0",
            "1_000e3",
            "1e-3",
            "1e20",
            "9e19",
            "123UL",
            "0x10ul",
            "1_",
            "5foo",
            "4294967296u",
            "9223372036854775808l",
            "0x",
            "0xg",
            "18446744073709551616",
            "0x10000000000000000",
            "300000d",
            "1e",
            "0e5",
            "1e+",
        ];
        for text in cases.iter().filter(|text| !text.ends_with('+')) {
            assert_eq!(length(text.as_bytes()), text.len(), "{text}");
            let bad = parse(text).expect_err(text);
            assert!(bad.range.end <= text.len() && bad.range.start < bad.range.end, "{text}");
        }
    }
}
