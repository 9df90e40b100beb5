//! Strings and their escapes.

use std::ops::Range;

/// What is wrong with an escape: where, counted from the first byte after the quote, and one line about it.
pub(super) struct BadEscape {
    pub(super) range: Range<usize>,
    pub(super) title: String,
}

/// How the text after an opening quote ends.
pub(crate) enum Ending {
    /// By a quote at this offset.
    Quote(usize),
    /// By a line break at this offset; a string may not go over it.
    LineBreak(usize),
    /// By the end of the input.
    Input,
}

/// Finds the end of a string, given the text after its opening quote.
pub(crate) fn end(text: &[u8]) -> Ending {
    let mut i = 0;
    while let Some(byte) = text.get(i) {
        match byte {
            b'"' => return Ending::Quote(i),
            b'\n' => return Ending::LineBreak(i),
            b'\\' if text.get(i + 1).is_some_and(|next| *next != b'\n') => i += 2,
            _ => i += 1,
        }
    }
    Ending::Input
}

/// The bytes that `raw`, the text between the quotes, stands for. A wrong escape stands for itself, and is told of.
pub(crate) fn unescape(raw: &str) -> Vec<u8> {
    resolve(raw, |_| ())
}

/// Tells of each wrong escape in `raw`.
pub(super) fn check(raw: &str, report: impl FnMut(BadEscape)) {
    if raw.contains('\\') {
        resolve(raw, report);
    }
}

fn resolve(raw: &str, mut report: impl FnMut(BadEscape)) -> Vec<u8> {
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        if byte != b'\\' {
            out.push(byte);
            i += 1;
            continue;
        }
        let start = i;
        let rest = &bytes[i + 1..];
        let (length, value) = match rest.first() {
            Some(b'n') => (1, Some(b'\n')),
            Some(b't') => (1, Some(b'\t')),
            Some(b'r') => (1, Some(b'\r')),
            Some(b'\\') => (1, Some(b'\\')),
            Some(b'"') => (1, Some(b'"')),
            Some(b'x') => {
                let digits = digits(&rest[1..], 2, 16);
                (1 + digits.len(), number(digits, 16))
            }
            Some(b'0'..=b'7') => {
                let digits = digits(rest, 3, 8);
                (digits.len(), number(digits, 8))
            }
            _ => (raw[i + 1..].chars().next().map_or(0, char::len_utf8), None),
        };
        i += 1 + length;
        match value {
            Some(value) => out.push(value),
            None => {
                let text = &raw[start..i];
                out.extend_from_slice(text.as_bytes());
                let title = match text.as_bytes().get(1) {
                    Some(b'x') => "expected hexadecimal digits after `\\x`".to_owned(),
                    Some(b'0'..=b'7') => format!("the octal escape `{text}` is larger than a byte"),
                    _ => format!("`{text}` is not an escape"),
                };
                report(BadEscape { range: start..i, title });
            }
        }
    }
    out
}

fn digits(text: &[u8], most: usize, base: u32) -> &[u8] {
    let count = text.iter().take(most).take_while(|b| char::from(**b).is_digit(base)).count();
    &text[..count]
}

fn number(digits: &[u8], base: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(r#"a\n\t\r\\\"b"#), b"a\n\t\r\\\"b");
        assert_eq!(unescape(r"\x41\x4z\xff"), b"A\x04z\xff");
        assert_eq!(unescape(r"\0612\08\7"), b"12\x008\x07");
        assert_eq!(unescape("é"), "é".as_bytes());
    }

    #[test]
    fn wrong_escapes_are_told_of_with_their_place() {
        let mut found = Vec::new();
        check(r"ab\q \xz \400 \é", |bad| found.push((bad.range, bad.title)));
        let places: Vec<_> = found.iter().map(|(range, _)| range.clone()).collect();
        assert_eq!(places, [2..4, 5..7, 9..13, 14..17]);
    }
}
