//! From text to tokens, brackets balanced.
//!
//! What a character means depends on where it stands: a probe's first line is attach-point text, `/` opens and closes
//! predicates or divides, `>` compares or closes a block that `<` opened. The lexer settles all of that, and it repairs
//! brackets: whatever the text, the tokens it gives are balanced, each probe is points, predicate and body in that
//! order, and a token that it had to add has a span of no width. So the parser meets broken statements, never a broken
//! frame, and a bracket that is missing is told of once, here.
//!
//! The parts: [`script`] reads what stands outside of bodies, [`items`] what of that is no probe, [`body`] what stands
//! inside, [`brackets`] keeps the stack, [`angle`] finds out when a `>` was meant as greater-than, [`macros`] hands what
//! is C's to [`crate::c`] and puts what a macro stands for in its place.

mod angle;
mod body;
mod brackets;
mod items;
mod macros;
pub(crate) mod number;
mod points;
mod script;
pub(crate) mod string;
mod token;

pub(crate) use angle::greater_closes;
pub(crate) use script::{EXAMPLE, is_script};
pub(crate) use token::{Sym, Token};

use crate::c::{Headers, Preprocessor, Texts, Unread, tree::Declarations};
use crate::diag::Diagnostic;
use crate::span::Span;
use brackets::Open;
use std::ops::Range;

/// The most brackets that may stand within one another.
pub(crate) const MAX_BRACKETS: usize = 200;

/// What [`lex`] gives.
pub(crate) struct Lexed<'a> {
    /// Balanced; see the module's text.
    pub(crate) tokens: Vec<(Token<'a>, Span)>,
    /// In the order they were found.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The text was given up as too deep; the tokens are of no use.
    pub(crate) too_deep: bool,
    /// What the script and its headers say in C.
    pub(crate) declarations: Declarations,
    /// What the script says in C, as it is written.
    pub(crate) c: String,
}

/// Reads a whole script. What its macros become is kept in `texts`.
pub(crate) fn lex<'a>(text: &'a str, texts: &'a Texts, headers: &'a dyn Headers) -> Lexed<'a> {
    let mut lexer = Lexer::over(text);
    lexer.preprocessor = Some(Box::new(Preprocessor::new(texts, headers)));
    lexer.script();
    let declarations = lexer.end_preprocessing();
    let Lexer { tokens, diagnostics, too_deep, c, .. } = lexer;
    Lexed { tokens, diagnostics, too_deep, declarations, c }
}

/// Reads a piece of a script by itself, as the inside of a body.
pub(crate) fn lex_inside(text: &str) -> Vec<(Token<'_>, Span)> {
    let mut lexer = Lexer::over(text);
    lexer.everything();
    if lexer.too_deep { Vec::new() } else { lexer.tokens }
}

/// Where each item of a script is.
pub(crate) fn item_ranges(text: &str) -> Vec<Range<usize>> {
    let texts = Texts::default();
    let mut lexer = Lexer::over(text);
    lexer.preprocessor = Some(Box::new(Preprocessor::new(&texts, &Unread)));
    lexer.interpreter();
    let mut items: Vec<Range<usize>> = Vec::new();
    while lexer.next_item() {
        let start = lexer.pos;
        lexer.item();
        let end = start + text[start..lexer.pos].trim_end().len();
        items.push(start..end);
    }
    items
}

/// The places of a script's tokens.
#[cfg(fuzzing)]
pub fn spans(text: &str) -> Vec<Span> {
    let texts = Texts::default();
    lex(text, &texts, &crate::c::NoHeaders).tokens.into_iter().map(|(_, span)| span).collect()
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    tokens: Vec<(Token<'a>, Span)>,
    /// Brackets open at `pos`.
    stack: Vec<Open>,
    diagnostics: Vec<Diagnostic>,
    too_deep: bool,
    /// A repair left closing brackets over; further ones are no news.
    stray_closers_told: bool,
    /// The last `>` that closed a block, in case that was not what it was for.
    angle_close: Option<angle::AngleClose>,
    /// A `>` in a brace block that looks as if it should close it.
    brace_close: Option<angle::BraceClose>,
    /// None in what a macro has become.
    preprocessor: Option<Box<Preprocessor<'a>>>,
    /// Directives and definitions of C so far, as they are written.
    c: String,
}

impl<'a> Lexer<'a> {
    fn over(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            tokens: Vec::with_capacity(text.len() / 3 + 8),
            stack: Vec::new(),
            diagnostics: Vec::new(),
            too_deep: false,
            stray_closers_told: false,
            angle_close: None,
            brace_close: None,
            preprocessor: None,
            c: String::new(),
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    fn span_from(&self, start: usize) -> Span {
        Span::new(start as u32, self.pos as u32)
    }

    fn push(&mut self, token: Token<'a>, start: usize) {
        self.tokens.push((token, self.span_from(start)));
    }

    /// A token that is not in the text.
    fn push_missing(&mut self, sym: Sym) {
        // Behind the last real token, so that spans that end with it end there too.
        let at = self.tokens.last().map_or(self.pos as u32, |(_, span)| span.end);
        self.tokens.push((Token::Sym(sym), Span::new(at, at)));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The place behind the last character that is not blank: where more text would go.
    fn end_of_input(&self) -> Span {
        let end = self.text.trim_end().len() as u32;
        Span::new(end, end)
    }

    /// Skips blanks and comments.
    fn skip_trivia(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.pos += 1,
                (b'/', b'/') => self.skip_line(),
                (b'/', b'*') => {
                    let start = self.pos;
                    match self.text[start + 2..].find("*/") {
                        Some(length) => self.pos += length + 4,
                        None => {
                            self.pos = self.bytes.len();
                            self.report(
                                Diagnostic::error(
                                    Span::new(start as u32, start as u32 + 2),
                                    "this comment is not closed by `*/`",
                                )
                                .at_end_of_input(),
                            );
                        }
                    }
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        self.pos += self.bytes[self.pos..].iter().take_while(|b| **b != b'\n').count();
    }

    /// The first byte after blanks and comments; 0 at the end of the input.
    fn peek_after_trivia(&mut self) -> u8 {
        let (pos, told) = (self.pos, self.diagnostics.len());
        self.skip_trivia();
        let byte = self.peek(0);
        self.pos = pos;
        self.diagnostics.truncate(told);
        byte
    }

    /// Reads a word: a letter or `_`, then letters, digits and `_`. Empty if there is none.
    fn word(&mut self) -> &'a str {
        let start = self.pos;
        if is_word_start(self.peek(0)) {
            self.pos += self.bytes[start..].iter().take_while(|b| is_word(**b)).count();
        }
        &self.text[start..self.pos]
    }

    /// Steps over one character, whatever its length.
    fn step(&mut self) {
        self.pos += self.text[self.pos..].chars().next().map_or(0, char::len_utf8);
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `text` is a probe that has no parts.
fn is_lone_probe(text: &str) -> bool {
    ["begin", "end"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
