//! From text to the syntax tree.
//!
//! [`parse`] always gives a tree and tells of what is wrong besides: the lexer repairs brackets, so each mistake stays
//! within its statement, which becomes [`crate::ast::StmtKind::Error`], and the rest of the script is read as usual.
//! One mistake gives one diagnostic. The grammar is in `probe`, `items`, `stmt`, `expr`, `operand` and `types`, the words for its
//! errors in `message`.
//!
//! INVARIANT: no tree is deeper than [`MAX_DEPTH`], so that those who walk it may recurse.

mod depth;
pub mod entry;
mod error;
mod expr;
mod input;
mod items;
mod message;
mod operand;
mod probe;
mod skip;
mod stmt;
mod types;

pub use depth::MAX_DEPTH;
pub(crate) use types::is_type_word;

use crate::ast::Script;
use crate::c::{Headers, NoHeaders, Texts};
use crate::diag::Diagnostic;
use crate::lexer::{self, Token};
use crate::span::Span;
use chumsky::Parser;
use chumsky::input::Input;

/// What [`parse`] gives.
#[derive(Clone, Debug, Default)]
pub struct Parse {
    /// What could be understood.
    pub script: Script,
    /// What could not, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Its directives and definitions of C as they are written, and those of the scripts that it imports before them.
    pub c: String,
}

impl Parse {
    /// Whether the only trouble is that the text ended too soon: more of it could make it right.
    pub fn is_incomplete(&self) -> bool {
        let mut errors = self.diagnostics.iter().filter(|d| d.is_error()).peekable();
        errors.peek().is_some() && errors.all(|d| d.incomplete)
    }
}

/// Reads a script that is the only source there is and includes no headers.
pub fn parse(text: &str) -> Parse {
    parse_at(text, 0, &NoHeaders)
}

/// Reads a source that begins at the position `base` of all sources' positions ([`crate::span::SourceMap`]), and the
/// headers that it includes.
pub fn parse_at(text: &str, base: u32, headers: &dyn Headers) -> Parse {
    let texts = Texts::default();
    let mut lexed = lexer::lex(text, &texts, headers);
    lexed.tokens.iter_mut().for_each(|(_, span)| *span = span.moved_by(base));
    lexed.declarations.move_by(base);
    let mut diagnostics = lexed.diagnostics;
    diagnostics.iter_mut().for_each(|diagnostic| diagnostic.move_by(base));
    let source = Text { text, base };
    let is_root = base == 0;
    if is_root && lexed.tokens.is_empty() && diagnostics.is_empty() {
        let at = Span::new(source.end(), source.end());
        let empty = Diagnostic::error(at, "no probes: the script is empty");
        diagnostics.push(empty.with_help(lexer::EXAMPLE));
    }
    if !lexed.too_deep {
        match depth::check(&lexed.tokens) {
            Err(too_deep) => diagnostics.push(too_deep),
            Ok(depth) => {
                let (mut script, mut found) = depth::with_stack_for(depth, || parse_tokens(source, &lexed.tokens));
                script.c = lexed.declarations;
                let cut = cut_token(source, &diagnostics, &lexed.tokens);
                found.retain(|d| Some(d.span) != cut && !shares_statement(d.span, &diagnostics, &lexed.tokens));
                diagnostics.extend(found);
                diagnostics.sort_by_key(|d| d.span);
                return Parse { script, diagnostics, c: lexed.c };
            }
        }
    }
    Parse { script: Script::default(), diagnostics, c: lexed.c }
}

/// A source's text and where it begins among all positions.
#[derive(Clone, Copy)]
struct Text<'a> {
    text: &'a str,
    base: u32,
}

impl<'a> Text<'a> {
    /// The text from one position to another.
    fn between(self, start: u32, end: u32) -> Option<&'a str> {
        self.text.get(start.checked_sub(self.base)? as usize..end.checked_sub(self.base)? as usize)
    }

    /// One past its last position that is not blank.
    fn end(self) -> u32 {
        self.base + self.text.trim_end().len() as u32
    }
}

/// More than these nobody reads.
const MOST_ERRORS: usize = 100;

fn parse_tokens(text: Text<'_>, tokens: &[(Token<'_>, Span)]) -> (Script, Vec<Diagnostic>) {
    let end = text.base + text.text.len() as u32;
    let parsed = probe::script().parse(tokens.split_token_span(Span::new(end, end)));
    let (script, errors) = parsed.into_output_errors();
    let told = errors.into_iter().filter_map(|error| message::explain(error, text, tokens));
    let diagnostics = told.take(MOST_ERRORS).collect();
    (script.unwrap_or_default(), diagnostics)
}

/// The last token if the text ends with it, and too soon: more text could make another token of it, or give it a
/// meaning, as with `!` and `else`.
fn cut_token(text: Text<'_>, told: &[Diagnostic], tokens: &[(Token<'_>, Span)]) -> Option<Span> {
    let (_, last) = tokens.iter().rev().find(|(_, span)| span.start < span.end)?;
    let at_end = last.end == text.end() && told.iter().any(|d| d.incomplete);
    at_end.then_some(*last)
}

/// Whether one of `told`, which the lexer told, stands in the same statement as `span`: then it is the cause of what
/// the parser found there. That the input ends too soon causes nothing.
fn shares_statement(span: Span, told: &[Diagnostic], tokens: &[(Token<'_>, Span)]) -> bool {
    if told.iter().all(|d| d.incomplete) {
        return false;
    }
    let separates = |token: &Token<'_>| {
        use lexer::Sym::*;
        matches!(token, Token::Point(_) | Token::Sym(Semicolon | OpenBrace | CloseBrace | OpenAngle | CloseAngle))
    };
    let at = tokens.partition_point(|(_, token)| token.start < span.start);
    let start = tokens[..at].iter().rev().find(|(token, _)| separates(token)).map_or(0, |(_, span)| span.end);
    let end = tokens[at..].iter().find(|(token, _)| separates(token)).map_or(u32::MAX, |(_, span)| span.end);
    told.iter().any(|d| !d.incomplete && (start..end).contains(&d.span.start))
}

#[cfg(test)]
pub(crate) use tests::robust::SCRIPTS;

#[cfg(test)]
mod tests;
