//! From the text of C to its tokens, as the preprocessor sees them: comments and blanks are gone, directives are not yet.

use crate::span::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word,
    /// What begins like a number.
    Number,
    /// Text between double quotes, with them.
    Str,
    /// A character between single quotes, with them.
    Char,
    /// An operator or bracket, or a character that means nothing in C.
    Punct,
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tok<'a> {
    pub(super) kind: Kind,
    pub(crate) text: &'a str,
    /// Its place in the script; for what a macro or header gave, the place of their use.
    pub(crate) span: Span,
    /// Blanks stand before it.
    pub(super) blank: bool,
    /// It is the first of its line.
    pub(super) starts_line: bool,
    /// The name of a macro that stands in what the macro became: it stays a name.
    pub(super) painted: bool,
}

impl Tok<'_> {
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Punct)
    }

    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// Reads tokens from a text.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// Where the next token is looked for.
    pub(crate) pos: usize,
    /// The span of all tokens, when the text is not the script's.
    place: Option<Span>,
    starts_line: bool,
}

impl<'a> Reader<'a> {
    /// Reads the script from `pos` on.
    pub(crate) fn of_script(text: &'a str, pos: usize) -> Self {
        let starts_line = text[..pos].trim_end_matches([' ', '\t']).ends_with(['\n', '\r']) || pos == 0;
        Self { text, pos, place: None, starts_line }
    }

    /// Reads a text that `place` of the script brought in.
    pub(crate) fn of_other(text: &'a str, place: Span) -> Self {
        Self { text, pos: 0, place: Some(place), starts_line: true }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.pos + ahead).copied().unwrap_or(0)
    }

    /// Steps over blanks, comments and continued lines.
    fn skip_blanks(&mut self) -> bool {
        let start = self.pos;
        while self.pos < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\n', _) => {
                    self.pos += 1;
                    self.starts_line = true;
                }
                (b' ' | b'\t' | b'\r' | 0x0b | 0x0c, _) => self.pos += 1,
                (b'\\', b'\n') => self.pos += 2,
                (b'\\', b'\r') if self.peek(2) == b'\n' => self.pos += 3,
                (b'/', b'/') => self.pos += self.text[self.pos..].find('\n').unwrap_or(self.text.len() - self.pos),
                (b'/', b'*') => {
                    let length = self.text[self.pos + 2..].find("*/");
                    self.pos = length.map_or(self.text.len(), |length| self.pos + length + 4);
                }
                _ => break,
            }
        }
        self.pos > start
    }

    /// Whether a comment that is not closed stands between `pos` and the next token.
    pub(crate) fn open_comment(&self) -> Option<usize> {
        let mut rest = &self.text[self.pos..];
        loop {
            rest = rest.trim_start();
            let at = self.text.len() - rest.len();
            if let Some(comment) = rest.strip_prefix("/*") {
                rest = match comment.find("*/") {
                    Some(length) => &comment[length + 2..],
                    None => return Some(at),
                };
            } else if rest.starts_with("//") {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            } else {
                return None;
            }
        }
    }

    /// Whether the text before `pos` ends with the word `__attribute__`.
    pub(super) fn last_word_is_attribute(&self) -> bool {
        let before = self.text[..self.pos].trim_end();
        before.ends_with("__attribute__") || before.ends_with("__attribute")
    }

    /// The next token, without taking it.
    pub(crate) fn peek_token(&self) -> Option<Tok<'a>> {
        self.clone().next()
    }

    /// The rest of the line as tokens.
    pub(super) fn line(&mut self) -> Vec<Tok<'a>> {
        let mut tokens = Vec::new();
        self.starts_line = false;
        while let Some(token) = self.peek_token() {
            if token.starts_line {
                break;
            }
            self.next();
            tokens.push(token);
        }
        tokens
    }

    fn take(&mut self, kind: Kind, length: usize, blank: bool) -> Tok<'a> {
        let start = self.pos;
        self.pos += length;
        let span = self.place.unwrap_or(Span::new(start as u32, self.pos as u32));
        let starts_line = std::mem::take(&mut self.starts_line);
        Tok { kind, text: &self.text[start..self.pos], span, blank, starts_line, painted: false }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Tok<'a>;

    fn next(&mut self) -> Option<Tok<'a>> {
        let blank = self.skip_blanks();
        let rest = &self.text[self.pos..];
        let first = rest.chars().next()?;
        let (kind, length) = match first {
            'A'..='Z' | 'a'..='z' | '_' => {
                (Kind::Word, rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()))
            }
            '$' | '@' => {
                let name = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len() - 1);
                (Kind::Punct, 1 + name)
            }
            '0'..='9' => (Kind::Number, number(rest.as_bytes())),
            '"' => (Kind::Str, quoted(rest, b'"')),
            '\'' => (Kind::Char, quoted(rest, b'\'')),
            _ => (Kind::Punct, punct(rest).unwrap_or(first.len_utf8())),
        };
        Some(self.take(kind, length, blank))
    }
}

/// How many bytes belong to the number at the beginning: all that a preprocessor takes for one.
fn number(text: &[u8]) -> usize {
    let mut length = 1;
    while let Some(byte) = text.get(length) {
        let exponent = matches!(byte, b'+' | b'-')
            && matches!(text[length - 1], b'e' | b'E' | b'p' | b'P')
            && !text.starts_with(b"0x")
            && !text.starts_with(b"0X");
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || exponent) {
            break;
        }
        length += 1;
    }
    length
}

/// How many bytes belong to the quoted text at the beginning; it ends with its line at the latest.
fn quoted(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut i = 1;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'\n' => return i,
            b'\\' if bytes.get(i + 1).is_some_and(|next| *next != b'\n') => {
                i += 1 + text[i + 1..].chars().next().map_or(1, char::len_utf8);
            }
            byte if *byte == quote => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

const PUNCTS: &[&str] = &[
    "...", "<<=", ">>=", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "##",
];

fn punct(text: &str) -> Option<usize> {
    PUNCTS.iter().find(|punct| text.starts_with(**punct)).map(|punct| punct.len())
}

/// The value of an integer of C; `None` if it is something else, such as a fraction.
pub(super) fn integer(text: &str) -> Option<Integer> {
    let (digits, base) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', b'b' | b'B', ..] => (&text[2..], 2),
        [b'0', ..] => (text, 8),
        _ => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    let value = u64::from_str_radix(digits, base).ok()?;
    let suffix = suffix.to_ascii_lowercase();
    let unsigned = suffix.contains('u');
    let long = match suffix.trim_matches('u') {
        "" => false,
        "l" | "ll" => true,
        _ => return None,
    };
    let fits = suffix.matches('u').count() <= 1;
    fits.then_some(Integer { value, unsigned, long })
}

/// An integer of C with what its suffix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) value: u64,
    pub(super) unsigned: bool,
    pub(super) long: bool,
}

/// The value of a character constant, given with its quotes.
pub(super) fn character(text: &str) -> Option<i64> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let bytes = inner.as_bytes();
    let value = match bytes {
        [b'\\', b'x', ..] => i64::from(u8::from_str_radix(&inner[2..], 16).ok()? as i8),
        [b'\\', b'0'..=b'7', ..] => i64::from(u8::from_str_radix(&inner[1..], 8).ok()? as i8),
        [b'\\', escape] => match escape {
            b'n' => 10,
            b't' => 9,
            b'r' => 13,
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'e' => 27,
            other => i64::from(*other),
        },
        [only] => i64::from(*only),
        _ => return None,
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        Reader::of_script(text, 0).map(|token| token.text.to_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tokens_of_c() {
        assert_eq!(show("struct a{int x:3;}/* c */;// d\ne"), "struct a { int x : 3 ; } ; e");
        assert_eq!(show("a\\\nb <<= 0x1fUL+1.5e-3 'x' \"a\\\"b\" ..."), "a b <<= 0x1fUL + 1.5e-3 'x' \"a\\\"b\" ...");
        assert_eq!(show("\"open\né '\\é"), "\"open é '\\é");
        assert_eq!(show("/* open"), "");
    }

    #[test]
    fn values_of_numbers() {
        let value = |text| integer(text).map(|integer| (integer.value, integer.unsigned, integer.long));
        assert_eq!(value("10"), Some((10, false, false)));
        assert_eq!(value("0x1FuLL"), Some((31, true, true)));
        assert_eq!(value("017L"), Some((15, false, true)));
        assert_eq!(value("0b101"), Some((5, false, false)));
        for bad in ["08", "1.5", "0x", "1uu", "1lul", "99999999999999999999", "1x"] {
            assert_eq!(value(bad), None, "{bad}");
        }
        assert_eq!(character("'a'"), Some(97));
        assert_eq!(character("'\\0'"), Some(0));
        assert_eq!(character("'\\x41'"), Some(65));
        assert_eq!(character("'\\n'"), Some(10));
        for bad in ["'", "''", "'ab'", "'é'", "'\\400'"] {
            assert_eq!(character(bad), None, "{bad}");
        }
    }
}
