//! What stands between tokens: blanks, line breaks, comments, and text that the lexer leaves to others.

use crate::lexer::Token;

/// A token and its place in the text.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) token: Token<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trivia<'a> {
    /// Line breaks, so many.
    Lines(usize),
    /// `// text`
    Comment(&'a str),
    /// `/* text */`
    Block(&'a str),
    /// Lines that are copied as they are: `#!`, `#include`, a definition in C.
    Copied(&'a str),
}

impl Trivia<'_> {
    /// Whether it ends a line.
    pub(super) fn is_line(&self) -> bool {
        !matches!(self, Trivia::Block(_))
    }
}

/// The pieces of `text`.
pub(super) fn read(text: &str) -> Vec<Trivia<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (piece, length) = match bytes[at] {
            b'\n' => {
                let blank = rest.len() - rest.trim_start().len();
                (Some(Trivia::Lines(rest[..blank].matches('\n').count())), blank)
            }
            _ if rest.starts_with("//") => {
                let length = line_length(rest);
                (Some(Trivia::Comment(&rest[..length])), length)
            }
            _ if rest.starts_with("/*") => {
                let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
                (Some(Trivia::Block(&rest[..length])), length)
            }
            byte if byte.is_ascii_whitespace() || byte == 0x0b => (None, 1),
            byte => {
                let length = if byte == b'#' { directive_length(rest) } else { definition_length(rest) };
                (Some(Trivia::Copied(&rest[..length])), length)
            }
        };
        found.extend(piece);
        at += length;
    }
    found
}

fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The length of a line that a backslash at its end continues.
fn directive_length(text: &str) -> usize {
    let mut length = 0;
    loop {
        length += line_length(&text[length..]);
        if length == text.len() || !text[..length].trim_end_matches('\r').ends_with('\\') {
            return length;
        }
        length += 1;
    }
}

/// The length of a definition in C: to a semicolon outside of braces, or to the line's end behind the last brace.
fn definition_length(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return at + 1,
            b'\n' if depth == 0 && text[..at].contains('}') => return at,
            _ => {}
        }
    }
    text.len()
}
