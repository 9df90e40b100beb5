//! Format strings: from the text in the script to pieces that need no further parsing when an event arrives.

use crate::span::Span;
use crate::typed::MapId;
use crate::types::Type;

/// One kind of record that a program sends to be printed: the pieces of its text and the types of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The function that sends it.
    pub origin: Origin,
    /// In order.
    pub pieces: Vec<Piece>,
    /// Types of the values in the record, one for each [`Piece::Value`].
    pub args: Vec<Type>,
}

/// The function that sends records of a format. Text output makes no difference between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `printf(...)`
    Printf,
    /// `print(value)`
    Print,
    /// `print(@map[key])` of a histogram or time series: the values are the key.
    Entry(MapId),
    /// `time("format")`: the text is a format of strftime(3).
    Time,
    /// `cat("path")`: the text is a path.
    Cat,
    /// `system("command")`: the text is a command.
    System,
    /// `join(array)`
    Join,
    /// `errorf(...)` and where it stands.
    Errorf(Span),
    /// `warnf(...)` and where it stands.
    Warnf(Span),
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Printed as it is.
    Text(Vec<u8>),
    /// Prints the next value.
    Value(Conversion),
}

/// `%-08.3lx`, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The letter at the end.
    pub verb: Verb,
    /// How many low bits of an integer are shown.
    pub bits: u8,
    /// `-`
    pub left: bool,
    /// `0`
    pub zero: bool,
    /// `+`
    pub plus: bool,
    /// blank
    pub blank: bool,
    /// `#`
    pub alternate: bool,
    /// Least number of columns.
    pub width: u32,
    /// Digits of a number at least, bytes of text at most.
    pub precision: Option<u32>,
}

impl Conversion {
    /// `%s` without flags.
    pub const PLAIN: Self = Self {
        verb: Verb::Text,
        bits: 32,
        left: false,
        zero: false,
        plus: false,
        blank: false,
        alternate: false,
        width: 0,
        precision: None,
    };
}

impl Piece {
    /// The conversion, if it is one.
    pub fn as_value(&self) -> Option<Conversion> {
        match self {
            Self::Value(conversion) => Some(*conversion),
            Self::Text(_) => None,
        }
    }
}

/// What a conversion makes of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `%d`, `%i`
    Signed,
    /// `%u`
    Unsigned,
    /// `%x`
    Hex,
    /// `%X`
    UpperHex,
    /// `%o`
    Octal,
    /// `%c`
    Char,
    /// `%s`: any value in its usual form.
    Text,
    /// `%p`
    Pointer,
    /// `%r`: bytes, text where they are text.
    Bytes,
    /// `%rx`: bytes as `\xNN`.
    EscapedBytes,
    /// `%rh`: bytes in hexadecimal with blanks between.
    HexBytes,
    /// `%gr`: the names of the kernel's flags for getting pages.
    PageFlags,
}

impl Verb {
    /// As in the format.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Signed => "d",
            Self::Unsigned => "u",
            Self::Hex => "x",
            Self::UpperHex => "X",
            Self::Octal => "o",
            Self::Char => "c",
            Self::Text => "s",
            Self::Pointer => "p",
            Self::Bytes => "r",
            Self::EscapedBytes => "rx",
            Self::HexBytes => "rh",
            Self::PageFlags => "gr",
        }
    }

    /// Whether values of this type can be shown so.
    pub fn accepts(self, ty: &Type) -> bool {
        let of_bytes = matches!(self, Self::Bytes | Self::EscapedBytes | Self::HexBytes);
        match ty {
            Type::Unknown => true,
            Type::Buffer(_) => of_bytes || self == Self::Text,
            _ if of_bytes => false,
            Type::Bool if self == Self::PageFlags => false,
            ty if ty.is_opaque() => self == Self::Text,
            Type::Void | Type::Aggregate(_) => false,
            Type::Str(_) | Type::Tuple(_) | Type::Record(_) | Type::Array(..) | Type::Struct(_) => self == Self::Text,
            _ => true,
        }
    }
}

/// A fault in a format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// Bytes of the format it is about.
    pub range: std::ops::Range<usize>,
    /// One line.
    pub title: String,
    /// What would work.
    pub help: &'static str,
}

/// A format string, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// In order.
    pub pieces: Vec<Piece>,
    /// Where in the format each conversion stands.
    pub places: Vec<std::ops::Range<usize>>,
}

/// What can be written.
const CONVERSIONS: &str =
    "there are %d %i %u %x %X %o %c %s %p, %r %rx %rh for buffers and %gr; a percent sign is written %%";
const PERCENT: &str = "a percent sign is written %%";

/// Splits a format string into pieces.
pub fn parse(format: &[u8]) -> Result<Parsed, FormatError> {
    let mut places = Vec::new();
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while at < format.len() {
        if format[at] != b'%' {
            text.push(format[at]);
            at += 1;
        } else if format.get(at + 1) == Some(&b'%') {
            text.push(b'%');
            at += 2;
        } else {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            let (conversion, end) = conversion(format, at)?;
            pieces.push(Piece::Value(conversion));
            places.push(at..end);
            at = end;
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(Parsed { pieces, places })
}

/// The conversion that starts with the `%` at `start`, and where it ends.
fn conversion(format: &[u8], start: usize) -> Result<(Conversion, usize), FormatError> {
    let mut at = start + 1;
    let mut conversion = Conversion::PLAIN;
    loop {
        match format.get(at) {
            Some(b'-') => conversion.left = true,
            Some(b'0') => conversion.zero = true,
            Some(b'+') => conversion.plus = true,
            Some(b' ') => conversion.blank = true,
            Some(b'#') => conversion.alternate = true,
            _ => break,
        }
        at += 1;
    }
    conversion.width = number(format, &mut at)?.unwrap_or(0);
    if format.get(at) == Some(&b'.') {
        at += 1;
        conversion.precision = Some(number(format, &mut at)?.unwrap_or(0));
    }
    let length_start = at;
    while matches!(format.get(at), Some(b'h' | b'l' | b'j' | b'z' | b't')) {
        at += 1;
    }
    let length = &format[length_start..at];
    let end = (at + 1).min(format.len());
    let unknown = |title: String| {
        let help = match format.get(at) {
            Some(b'*') => "the width is written in the format: %8d",
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'$') => CONVERSIONS,
            _ => PERCENT,
        };
        FormatError { range: start..end, title, help }
    };
    conversion.bits = match length {
        b"" => 32,
        b"hh" => 8,
        b"h" => 16,
        b"l" | b"ll" | b"j" | b"z" | b"t" => 64,
        _ => return Err(unknown(format!("unknown length `{}` in the format", String::from_utf8_lossy(length)))),
    };
    conversion.verb = match format.get(at) {
        Some(b'd' | b'i') => Verb::Signed,
        Some(b'u') => Verb::Unsigned,
        Some(b'x') => Verb::Hex,
        Some(b'X') => Verb::UpperHex,
        Some(b'o') => Verb::Octal,
        Some(b'c') => Verb::Char,
        Some(b's') => Verb::Text,
        Some(b'p') => Verb::Pointer,
        Some(b'r') => match format.get(at + 1) {
            Some(b'x') => Verb::EscapedBytes,
            Some(b'h') => Verb::HexBytes,
            _ => Verb::Bytes,
        },
        Some(b'g') if format.get(at + 1) == Some(&b'r') => Verb::PageFlags,
        Some(_) => {
            let shown = String::from_utf8_lossy(&format[start..end]).into_owned();
            return Err(unknown(format!("unknown conversion `{shown}` in the format")));
        }
        None => return Err(unknown("the format ends within a conversion".into())),
    };
    let end = end + usize::from(matches!(conversion.verb, Verb::EscapedBytes | Verb::HexBytes | Verb::PageFlags));
    Ok((conversion, end))
}

/// Decimal digits at `at`, if any.
fn number(format: &[u8], at: &mut usize) -> Result<Option<u32>, FormatError> {
    let start = *at;
    let mut value: Option<u32> = None;
    while let Some(digit) = format.get(*at).filter(|b| b.is_ascii_digit()) {
        *at += 1;
        let next = value.unwrap_or(0) * 10 + u32::from(digit - b'0');
        if next > 4096 {
            return Err(FormatError {
                range: start..*at,
                title: "a field this wide makes no sense (at most 4096)".into(),
                help: "write a smaller number",
            });
        }
        value = Some(next);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctypes::{Enum, Struct};
    use crate::types::IntType;
    use std::sync::Arc;

    #[test]
    fn text_and_conversions_alternate() {
        let Parsed { pieces, places } = parse(b"a %5d|%-08lx%%b").unwrap();
        assert_eq!(places, [2..5, 6..12]);
        assert_eq!(pieces.len(), 5);
        assert_eq!(pieces[0], Piece::Text(b"a ".to_vec()));
        let Piece::Value(hex) = pieces[3].clone() else { panic!("{pieces:?}") };
        assert!(hex.left && hex.zero && hex.width == 8 && hex.bits == 64 && hex.verb == Verb::Hex);
        assert_eq!(pieces[4], Piece::Text(b"%b".to_vec()));
    }

    #[test]
    fn composite_values_are_text_and_enums_numbers_too() {
        let accepted = |ty: Type| -> String {
            let verbs = [Verb::Signed, Verb::Unsigned, Verb::Hex, Verb::Char, Verb::Text, Verb::Pointer];
            verbs.into_iter().filter(|verb| verb.accepts(&ty)).map(Verb::letter).collect()
        };
        let of = Enum { name: "enum e".into(), int: IntType { bits: 32, signed: false }, values: Vec::new() };
        assert_eq!(accepted(Type::Enum(Arc::new(of))), "duxcsp");
        assert_eq!(accepted(Type::Array(Box::new(Type::U64), 2)), "s");
        assert_eq!(accepted(Type::Record(vec![("a".into(), Type::U64)])), "s");
        assert_eq!(accepted(Type::Struct(Struct::new("struct s", 4, 4, Vec::new))), "s");
        assert_eq!(accepted(Type::Void), "");
    }

    #[test]
    fn misuse_points_into_the_format() {
        assert_eq!(parse(b"ab %y").unwrap_err().range, 3..5);
        assert_eq!(parse(b"%*d").unwrap_err().range, 0..2);
        assert_eq!(parse(b"100%").unwrap_err().title, "the format ends within a conversion");
        assert_eq!(parse(b"100%").unwrap_err().help, PERCENT);
        assert_eq!(parse(b"%5").unwrap_err().help, PERCENT);
        assert_eq!(parse(b"100% by").unwrap_err().help, CONVERSIONS);
        assert_eq!(parse(b"%g").unwrap_err().range, 0..2);
        assert!(parse(b"%99999999999d").is_err());
    }
}
