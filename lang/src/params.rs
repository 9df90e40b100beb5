//! Positional parameters: what `$1` stands for.
//!
//! A parameter that reads as a number is one, in every spelling that numbers have in C and here; anything else is text.
//! `str($1)` asks for the text whatever it reads as.

use crate::lexer::number;

/// What a parameter's text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// Not given, or empty.
    Missing,
    /// A number that fits 64 bits, signed or unsigned.
    Number(i128),
    /// Anything else.
    Text(&'a str),
}

impl<'a> Param<'a> {
    /// Understands one argument of the command line.
    pub fn read(text: Option<&'a str>) -> Self {
        match text {
            None | Some("") => Self::Missing,
            Some(text) => parse(text).map_or(Self::Text(text), Self::Number),
        }
    }
}

/// The number that all of `text` spells. Blanks before it, a sign and base 2 are for arguments only: in a script they
/// are other tokens or mistakes.
fn parse(text: &str) -> Option<i128> {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = match digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")) {
        Some(bits) if bits.bytes().all(|bit| matches!(bit, b'0' | b'1')) => u64::from_str_radix(bits, 2).ok()?,
        Some(_) => return None,
        None => number::parse(digits).ok()?.0,
    };
    let value = if negative { -i128::from(value) } else { i128::from(value) };
    (value >= i128::from(i64::MIN)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_spelling() {
        let cases = [
            ("5", 5),
            ("-5", -5),
            ("+5", 5),
            (" 5", 5),
            ("0x10", 16),
            ("017", 15),
            ("0b101", 5),
            ("1e3", 1000),
            ("5ul", 5),
            ("5s", 5_000_000_000),
            ("1_000", 1000),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
        ];
        for (text, value) in cases {
            assert_eq!(Param::read(Some(text)), Param::Number(value), "{text}");
        }
    }

    #[test]
    fn anything_else_is_text() {
        for text in
            ["foo", "5x", "12e3", "-", "--5", "- 5", "0b2", "0b", "0x", "é", " ", "99999999999999999999", "0b+1"]
        {
            assert_eq!(Param::read(Some(text)), Param::Text(text), "{text}");
        }
        assert_eq!(Param::read(Some("-9223372036854775809")), Param::Text("-9223372036854775809"));
        assert_eq!(Param::read(Some("")), Param::Missing);
        assert_eq!(Param::read(None), Param::Missing);
    }
}
