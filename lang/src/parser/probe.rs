//! Probes. The lexer has made sure of their frame, so nothing here can go wrong but what stands inside.

use super::error::Expect;
use super::expr::{condition, expression};
use super::input::{Rule, sym};
use super::{skip, stmt};
use crate::ast::{AttachPoint, Probe, Script};
use crate::lexer::{Sym, Token};
use chumsky::prelude::*;

/// A whole script.
pub(super) fn script<'a>() -> impl Rule<'a, Script> {
    let expression = expression();
    let point = select! { Token::Point(text) => text.to_owned() }
        .labelled(Expect::Probe)
        .map_with(|text, e| AttachPoint { text, span: e.span() });
    let points = point.separated_by(sym(Sym::Comma)).allow_trailing().at_least(1).collect();
    let predicate = condition(expression.clone())
        .then_ignore(sym(Sym::ClosePredicate).rewind())
        .recover_with(via_parser(skip::predicate()))
        .delimited_by(sym(Sym::OpenPredicate), sym(Sym::ClosePredicate));
    let probe = points
        .then(predicate.or_not())
        .then(stmt::body(expression))
        .map_with(|((points, predicate), body), e| Probe { points, predicate, body, span: e.span() });
    probe.repeated().collect().then_ignore(end()).map(|probes| Script { probes, ..Script::default() })
}
