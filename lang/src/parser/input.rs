//! How chumsky sees our tokens, and the helpers that every rule uses.

use super::error::ParseError;
use crate::lexer::{Sym, Token};
use crate::span::Span;
use chumsky::extra;
use chumsky::input::MappedInput;
use chumsky::prelude::*;

/// A slice of tokens with their spans.
pub(super) type Tokens<'a> = MappedInput<'a, Token<'a>, Span, &'a [(Token<'a>, Span)]>;
/// Our errors; no state, no context.
pub(super) type Extra = extra::Err<ParseError>;
/// What a rule builds its node with.
pub(super) type Node<'a, 'b> = chumsky::input::MapExtra<'a, 'b, Tokens<'a>, Extra>;

/// What a rule written by hand reads from.
pub(super) type Cursor<'a, 'p> = chumsky::input::InputRef<'a, 'p, Tokens<'a>, Extra>;

/// A rule of the grammar that gives an `O`.
pub(super) trait Rule<'a, O>: Parser<'a, Tokens<'a>, O, Extra> + Clone + 'a {}
impl<'a, O, P: Parser<'a, Tokens<'a>, O, Extra> + Clone + 'a> Rule<'a, O> for P {}

impl chumsky::span::Span for Span {
    type Context = ();
    type Offset = u32;

    fn new((): (), range: std::ops::Range<u32>) -> Self {
        Span { start: range.start, end: range.end }
    }

    fn context(&self) {}

    fn start(&self) -> u32 {
        self.start
    }

    fn end(&self) -> u32 {
        self.end
    }
}

/// Just this symbol.
pub(super) fn sym<'a>(sym: Sym) -> impl Rule<'a, Token<'a>> + Copy {
    just(Token::Sym(sym))
}

/// Just this word.
pub(super) fn word<'a>(word: &'static str) -> impl Rule<'a, Token<'a>> + Copy {
    just(Token::Ident(word))
}

/// Succeeds, without having moved, if `look` likes what comes.
pub(super) fn look_ahead<'a>(look: fn(&mut Cursor<'a, '_>) -> bool) -> impl Rule<'a, ()> + Copy {
    custom(move |input: &mut Cursor<'a, '_>| {
        let (start, checkpoint) = (input.cursor(), input.save());
        let found = look(input);
        input.rewind(checkpoint);
        match found {
            true => Ok(()),
            false => Err(ParseError::at(input.span_since(&start))),
        }
    })
}
