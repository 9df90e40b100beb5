//! Stepping over what is not understood. Brackets are balanced by now, so a group has an end.

use super::error::ParseError;
use super::input::{Cursor, Rule};
use crate::ast::{Expr, ExprKind, Stmt, StmtKind};
use crate::lexer::{Sym, Token};
use crate::span::Span;
use chumsky::prelude::*;

fn is_opener(token: Token<'_>) -> bool {
    use Sym::*;
    matches!(token, Token::Sym(OpenParen | OpenSquare | OpenBrace | OpenAngle | OpenPredicate))
}

fn is_closer(token: Token<'_>) -> bool {
    use Sym::*;
    matches!(token, Token::Sym(CloseParen | CloseSquare | CloseBrace | CloseAngle | ClosePredicate))
}

/// Steps over one token, or a whole group if it opens one.
pub(super) fn step(input: &mut Cursor<'_, '_>) {
    let mut depth = 0usize;
    while let Some(token) = input.next() {
        if is_opener(token) {
            depth += 1;
        } else if is_closer(token) {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            return;
        }
    }
}

/// Whether a statement ends here: by a semicolon, or with what is around it.
pub(super) fn at_statement_end(input: &mut Cursor<'_, '_>) -> bool {
    input.peek().is_none_or(|token| token == Token::Sym(Sym::Semicolon) || is_closer(token))
}

/// Steps to the end of a statement: before its `;` or the end of the block, or behind a block and all its `else`.
fn to_statement_end(input: &mut Cursor<'_, '_>) {
    while let Some(token) = input.peek() {
        if token == Token::Sym(Sym::Semicolon) || is_closer(token) {
            return;
        }
        step(input);
        if token == Token::Sym(Sym::OpenBrace) && !input.peek().is_some_and(continues_statement) {
            return;
        }
    }
}

/// Whether a statement that has come to the end of a block goes on: what follows cannot begin one.
fn continues_statement(token: Token<'_>) -> bool {
    use Sym::*;
    match token {
        Token::Sym(sym) => !matches!(sym, OpenParen | OpenBrace | Increment | Decrement | Star | Minus | Bang | Tilde),
        other => other == Token::Ident("else"),
    }
}

/// A parser's function that skips and always succeeds.
fn skip_with<'a>(skip: fn(&mut Cursor<'a, '_>)) -> impl Fn(&mut Cursor<'a, '_>) -> Result<(), ParseError> + Clone + 'a {
    move |input| {
        skip(input);
        Ok(())
    }
}

/// A group in parentheses.
pub(super) fn parentheses<'a>() -> impl Rule<'a, ()> {
    just(Token::Sym(Sym::OpenParen)).rewind().then(custom(skip_with(step))).ignored()
}

/// The rest of a statement, without its semicolon. May be empty.
pub(super) fn rest_of_statement<'a>() -> impl Rule<'a, ()> {
    custom(skip_with(to_statement_end))
}

/// A statement with an error in it, and its semicolon.
pub(super) fn statement<'a>() -> impl Rule<'a, Stmt> {
    custom(|input: &mut Cursor<'a, '_>| {
        let start = input.cursor();
        match input.peek() {
            Some(token) if !is_closer(token) => {}
            _ => return Err(ParseError::at(input.span_since(&start))),
        }
        to_statement_end(input);
        let span: Span = input.span_since(&start);
        if input.peek() == Some(Token::Sym(Sym::Semicolon)) {
            input.skip();
        }
        Ok(Stmt { kind: StmtKind::Error, span })
    })
}

/// What stands between brackets, up to the closing one; `None` if it cannot be read, which is told here.
///
/// Nobody takes another look at it then. If this failed instead, every operator in front of the brackets would try them
/// again, and those inside every time: twenty brackets within each other would never end.
pub(super) fn committed<'a, T: 'a>(content: impl Rule<'a, T>, close: Sym) -> impl Rule<'a, Option<T>> {
    let content = content.then_ignore(just(Token::Sym(close)).rewind());
    content.map(Some).recover_with(via_parser(inside_brackets().map(|()| None)))
}

/// What stands in brackets, up to the one that closes them. May be nothing.
pub(super) fn inside_brackets<'a>() -> impl Rule<'a, ()> {
    custom(skip_with(|input| {
        while input.peek().is_some_and(|token| !is_closer(token)) {
            step(input);
        }
    }))
}

/// A predicate with an error in it.
pub(super) fn predicate<'a>() -> impl Rule<'a, Expr> {
    custom(|input: &mut Cursor<'a, '_>| {
        let start = input.cursor();
        while input.peek().is_some_and(|token| !is_closer(token)) {
            step(input);
        }
        let span: Span = input.span_since(&start);
        // Of nothing, chumsky says that it begins with the next token and ends with the last one.
        Ok(Expr { kind: ExprKind::Error, span: Span { start: span.start.min(span.end), ..span } })
    })
}
