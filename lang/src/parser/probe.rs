//! Probes, macros and the script around them. The lexer has made sure of their frames, so nothing here can go wrong but
//! what stands inside.

use super::error::{Expect, ParseError};
use super::expr::{condition, expression};
use super::input::{Rule, sym, word};
use super::items::{self, Item};
use super::{skip, stmt};
use crate::ast::{AttachPoint, Expr, Macro, MacroParam, MacroParamKind, Name, Probe, Script};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use chumsky::prelude::*;

/// A whole script.
pub(super) fn script<'a>() -> impl Rule<'a, Script> {
    let expression = expression();
    let probe = probe(expression.clone()).map(Item::Probe);
    let item = choice((probe, macro_item(expression).map(Item::Macro), items::item()));
    item.repeated()
        .collect::<Vec<_>>()
        .then_ignore(end())
        .validate(|items, _, emitter| items::assemble(items, |diagnostic| emitter.emit(ParseError::from(diagnostic))))
}

/// `point, point /predicate/ { body }`
fn probe<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Probe> {
    let point = select! { Token::Point(text) => text.to_owned() }
        .labelled(Expect::Probe)
        .map_with(|text, e| AttachPoint { text, span: e.span() });
    let points = point.separated_by(sym(Sym::Comma)).allow_trailing().at_least(1).collect();
    let predicate = condition(expression.clone())
        .then_ignore(sym(Sym::ClosePredicate).rewind())
        .recover_with(via_parser(skip::predicate()))
        .delimited_by(sym(Sym::OpenPredicate), sym(Sym::ClosePredicate));
    points.then(predicate.or_not()).then(stmt::body(expression)).map_with(|((points, predicate), body), e| Probe {
        points,
        predicate,
        body,
        span: e.span(),
    })
}

/// `macro name(a, $b, @c) { body }`
fn macro_item<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Macro> {
    let name = select! { Token::Ident(name) => name.to_owned() };
    let name = name.map_with(|text, e| Name { text, span: e.span() });
    let param = select! {
        Token::Ident(name) => (MacroParamKind::Expr, name.to_owned()),
        Token::Var(name) => (MacroParamKind::Var, name.to_owned()),
        Token::Map(name) => (MacroParamKind::Map, name.to_owned()),
    };
    let param = param.labelled(Expect::Name).map_with(|(kind, text), e| {
        if kind == MacroParamKind::Expr && is_reserved(&text) {
            let told = Diagnostic::error(e.span(), format!("`{text}` is a builtin, so it cannot be a parameter"));
            e.emit(ParseError::from(told));
        }
        MacroParam { kind, name: Name { text, span: e.span() } }
    });
    let params = param
        .separated_by(sym(Sym::Comma))
        .collect::<Vec<_>>()
        .delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen))
        .recover_with(via_parser(skip::parentheses().to(Vec::new())));
    word("macro")
        .ignore_then(name)
        .then(params)
        .then(stmt::block(expression))
        .map_with(|((name, params), body), e| Macro { name, params, body, span: e.span() })
}

/// Words that mean the same everywhere, even in a macro.
fn is_reserved(name: &str) -> bool {
    let number = name.strip_prefix("sarg").or_else(|| name.strip_prefix("arg"));
    matches!(name, "args" | "ctx" | "kstack" | "nsecs" | "pid" | "tid" | "ustack")
        || name.starts_with("__builtin_")
        || number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        || crate::words::is_reserved(name)
}
