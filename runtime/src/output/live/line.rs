//! What may stand on a line of the screen: text that does nothing to the terminal, cut to the columns that there are.

use lang::types::Type;
use unicode_width::UnicodeWidthChar;

use super::super::Settings;
use super::super::value::{self, Slots, Style};

/// The columns of a text, without what is in it of colours.
pub fn columns_of(text: &str) -> usize {
    pieces(text).map(|piece| piece.columns()).sum()
}

/// The beginning of a text that has at most so many columns. What is cut off is told by two dots, if there is room.
/// Colours end at the end.
pub fn fit(text: &str, columns: usize) -> String {
    if columns_of(text) <= columns {
        return text.to_owned();
    }
    let dots = if columns >= 4 { ".." } else { "" };
    let (mut kept, mut room, mut is_colored) = (String::new(), columns - dots.len(), false);
    for piece in pieces(text) {
        match piece {
            Piece::Color(sequence) => {
                is_colored = sequence != RESET;
                kept.push_str(sequence);
            }
            Piece::Letter(letter) => match room.checked_sub(piece.columns()) {
                Some(left) => {
                    room = left;
                    kept.push(letter);
                }
                None => break,
            },
        }
    }
    kept.push_str(dots);
    if is_colored {
        kept.push_str(RESET);
    }
    kept
}

/// A text followed by blanks to so many columns, or cut to them.
pub fn padded(text: &str, columns: usize) -> String {
    let mut text = fit(text, columns);
    let blanks = columns.saturating_sub(columns_of(&text));
    text.extend(std::iter::repeat_n(' ', blanks));
    text
}

const RESET: &str = "\x1b[0m";

enum Piece<'a> {
    Color(&'a str),
    Letter(char),
}

impl Piece<'_> {
    fn columns(&self) -> usize {
        match self {
            Self::Color(_) => 0,
            Self::Letter(letter) => letter.width().unwrap_or(0),
        }
    }
}

/// The letters of a text, and its colours, which are the only sequences that there are.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let Some(end) = rest.strip_prefix("\x1b[").and_then(|body| body.find('m')) {
            let (sequence, behind) = rest.split_at("\x1b[".len() + end + 1);
            rest = behind;
            return Some(Piece::Color(sequence));
        }
        let letter = rest.chars().next()?;
        rest = &rest[letter.len_utf8()..];
        Some(Piece::Letter(letter))
    })
}

/// A text that moves no cursor, clears no screen and turns no line around, whoever has sent it.
pub fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if letter.is_control() => out += &format!("\\x{:02x}", u32::from(letter)),
            // They are not seen, and change how the rest is.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                out += &format!("\\u{{{:x}}}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out
}

/// A key on one line. The frames of a stack stand one behind the other, the innermost first.
pub fn key(parts: &[Type], bytes: &[u8], settings: &Settings) -> String {
    let parts = match parts {
        [Type::Tuple(items)] => items,
        parts => parts,
    };
    let mut slots = Slots::new(bytes);
    let texts: Vec<String> = parts.iter().map_while(|part| Some(one_line(part, slots.take(part)?, settings))).collect();
    texts.join(", ")
}

/// A value on one line.
pub fn one_line(ty: &Type, bytes: &[u8], settings: &Settings) -> String {
    let mut out = Vec::new();
    value::write(&mut out, ty, bytes, Style::plain(settings));
    match has_stack(ty) {
        true => {
            let frames = out.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|frame| !frame.is_empty());
            frames.map(harmless).collect::<Vec<_>>().join(" < ")
        }
        false => harmless(&out),
    }
}

/// Whether a stack is in it, which takes many lines.
fn has_stack(ty: &Type) -> bool {
    match ty {
        Type::Stack(_) => true,
        Type::Tuple(_) | Type::Record(_) => ty.items().any(has_stack),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_the_window_ends() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdef", 5), "abc..");
        assert_eq!(fit("abcdef", 3), "abc");
        assert_eq!(fit("", 0), "");
        assert_eq!(fit("ab", 0), "");
        // Two columns each; the one that would be cut in halves is left out.
        assert_eq!(fit("漢字漢字", 8), "漢字漢字");
        assert_eq!(fit("漢字漢字", 7), "漢字..");
        assert_eq!(fit("漢字漢字", 5), "漢..");
        assert_eq!(padded("漢字漢字", 5), "漢.. ");
        assert_eq!(columns_of("e\u{301}a"), 2, "the accent stands above");
    }

    #[test]
    fn colours_take_no_columns_and_end_where_the_text_is_cut() {
        let text = "\x1b[1mab\x1b[0mcd\x1b[36mef\x1b[0m";
        assert_eq!(columns_of(text), 6);
        assert_eq!(fit(text, 6), text);
        assert_eq!(fit(text, 3), "\x1b[1mab\x1b[0mc");
        assert_eq!(fit(text, 5), "\x1b[1mab\x1b[0mc..");
        assert_eq!(fit("\x1b[36mabcdef\x1b[0m", 5), "\x1b[36mabc..\x1b[0m");
    }

    #[test]
    fn nothing_in_a_text_is_for_the_terminal() {
        assert_eq!(harmless(b"a\x1b[2Jb\nc\td\x7f"), "a\\x1b[2Jb\\nc\\td\\x7f");
        assert_eq!(harmless("\u{9b}2J\u{202e}cba\u{feff}".as_bytes()), "\\x9b2J\\u{202e}cba\\u{feff}");
        assert_eq!(harmless(b"ok \xff\xc3"), "ok \u{fffd}\u{fffd}");
        assert_eq!(harmless("grüße 漢字".as_bytes()), "grüße 漢字");
    }
}
