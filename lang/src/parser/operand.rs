//! Operands: literals, names, calls, maps, whatever stands in brackets, and the words that take a type.

use super::error::{Expect, ParseError};
use super::expr::condition;
use super::input::{Node, Rule, sym, word};
use super::{skip, types};
use crate::ast::{BinaryOp, Block, Expr, ExprKind, Name, ValueBlock};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token, string};
use crate::span::Span;
use crate::words::is_reserved;
use chumsky::prelude::*;

/// What operators stand between.
pub(super) fn operand<'a>(expression: impl Rule<'a, Expr>, block: impl Rule<'a, ValueBlock>) -> impl Rule<'a, Expr> {
    let leaf = select! {
        Token::Int(value, suffix) => ExprKind::Int(value, suffix),
        Token::Address(address) => ExprKind::Address(address),
        Token::Str(raw) => ExprKind::Str(string::unescape(raw)),
        Token::Var(name) => ExprKind::Var(name.to_owned()),
        Token::Param(number) => ExprKind::Param(number),
        Token::Ident("true") => ExprKind::Bool(true),
        Token::Ident("false") => ExprKind::Bool(false),
        Token::Bad => ExprKind::Error,
    };
    let leaf = leaf.map_with(|kind, e| Expr { kind, span: e.span() });
    let as_value = block.clone().map(|block| Expr { span: block.block.span, kind: ExprKind::Block(block) });
    choice((
        leaf,
        named(expression.clone()),
        map(expression.clone()),
        type_words(expression.clone()),
        parenthesis(expression.clone()),
        as_value,
        conditional(expression, block),
    ))
}

/// `name`, `name(...)`.
fn named<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let name = select! { Token::Ident(name) if !is_reserved(name) => name.to_owned() };
    let name = name.map_with(|text, e| Name { text, span: e.span() });
    let args = skip::committed(expression.separated_by(sym(Sym::Comma)).collect(), Sym::CloseParen)
        .delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen));
    name.then(args.or_not()).map_with(|(name, args), e| {
        let kind = match args {
            Some(Some(args)) => ExprKind::Call { name, args },
            Some(None) => ExprKind::Error,
            None => ExprKind::Ident(name.text),
        };
        Expr { kind, span: e.span() }
    })
}

/// `@name`, `@name[key, ...]`.
fn map<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let name = select! { Token::Map(name) => name.to_owned() };
    let name = name.map_with(|text, e| Name { text, span: e.span() });
    let keys = expression.separated_by(sym(Sym::Comma)).at_least(1).collect();
    let keys = skip::committed(keys, Sym::CloseSquare).delimited_by(sym(Sym::OpenSquare), sym(Sym::CloseSquare));
    name.then(keys.or_not()).map_with(|(map, keys), e| {
        let kind = match keys {
            Some(Some(keys)) => ExprKind::MapKey { map, keys },
            Some(None) => ExprKind::Error,
            None => ExprKind::Map(map.text),
        };
        Expr { kind, span: e.span() }
    })
}

/// `sizeof(x)`, `offsetof(x, a.b)`, `typeof(x)` and `typeinfo(x)`, where `x` is a type or an expression.
fn type_words<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let of = types::type_or_expression(expression).map(Box::new).boxed();
    let in_parens = of.clone().delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen));
    let member = select! { Token::Ident(name) => name.to_owned() }
        .labelled(Expect::Name)
        .map_with(|text, e| Name { text, span: e.span() });
    let path = member.separated_by(sym(Sym::Dot)).at_least(1).collect::<Vec<_>>();
    let offset_args = of.then_ignore(sym(Sym::Comma)).then(path);
    let offset_args = offset_args.delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen));
    choice((
        word("sizeof").ignore_then(in_parens.clone()).map(ExprKind::SizeOf),
        word("typeof").ignore_then(in_parens.clone()).map(ExprKind::TypeOf),
        word("typeinfo").ignore_then(in_parens).map(ExprKind::TypeInfo),
        word("offsetof").ignore_then(offset_args).map(|(of, path)| ExprKind::OffsetOf { of, path }),
    ))
    .map_with(|kind, e| Expr { kind, span: e.span() })
}

/// `if`, any number of `else if`, `else`.
pub(super) fn conditional<'a>(
    expression: impl Rule<'a, Expr>,
    block: impl Rule<'a, ValueBlock>,
) -> impl Rule<'a, Expr> {
    let branch = word("if")
        .map_with(|_, e| -> Span { e.span() })
        // A block is no condition, though `{` may begin an expression.
        .then_ignore(none_of(Token::Sym(Sym::OpenBrace)).labelled(Expect::Expression).rewind())
        .then(condition(expression))
        .then(block.clone())
        .map(|((start, cond), then)| (start, Box::new(cond), then))
        .boxed();
    let more = word("else").ignore_then(branch.clone()).repeated().collect::<Vec<_>>();
    let last = word("else").ignore_then(block).or_not();
    // An `else` that is still there is broken; without this it would be taken for one that has no `if`.
    let complete = word("else").not();
    branch.then(more).then(last).then_ignore(complete).map_with(|(((_, cond, then), more), last), e| {
        // From the last branch to the first, each the value of the block before it.
        let otherwise = more.into_iter().rev().fold(last, |otherwise, (start, cond, then)| {
            let end = otherwise.as_ref().map_or(then.block.span, |block| block.block.span);
            let span = start.to(end);
            let inner = Expr { kind: ExprKind::If { cond, then, otherwise }, span };
            Some(ending_with(Block { stmts: Vec::new(), span }, Some(inner)))
        });
        Expr { kind: ExprKind::If { cond, then, otherwise }, span: e.span() }
    })
}

/// A block with its last expression. A block or an `if` that has no value gives it none.
pub(super) fn ending_with(mut block: Block, value: Option<Expr>) -> ValueBlock {
    let has_value = |block: &ValueBlock| block.value.is_some();
    let value = value.and_then(|value| {
        let is_value = match &value.kind {
            ExprKind::Block(block) => has_value(block),
            ExprKind::If { then, otherwise, .. } => has_value(then) || otherwise.as_ref().is_some_and(has_value),
            _ => true,
        };
        if is_value {
            return Some(Box::new(value));
        }
        block.stmts.push(value.into_stmt());
        None
    });
    ValueBlock { block, value }
}

/// One part of what stands in parentheses.
enum Part {
    /// `name = value`.
    Named(Name, Expr),
    /// `value`, or `value = value` with the place of the sign.
    Value(Expr, Option<(Span, Expr)>),
}

/// `(a)`, `(a, b)`, `(a,)`, `()`, `(a=1, b=2)`.
fn parenthesis<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let name = select! { Token::Ident(name) if !types::is_builtin(name) => name.to_owned() };
    let name = name.map_with(|text, e| Name { text, span: e.span() });
    // Looked at beforehand, so that what follows is read once however broken it is.
    let begins_named = name.then(sym(Sym::Assign)).rewind();
    let named = begins_named
        .ignore_then(name.then_ignore(sym(Sym::Assign)))
        .then(expression.clone())
        .map(|(name, value)| Part::Named(name, value));
    let value =
        begins_named.not().ignore_then(maybe_assigned(expression)).map(|(left, right)| Part::Value(left, right));
    let part = named.or(value).boxed();
    let rest = part.clone().separated_by(sym(Sym::Comma)).allow_trailing().collect::<Vec<_>>();
    let rest = sym(Sym::Comma).ignore_then(rest).or_not();
    let content = skip::committed(part.then(rest).or_not(), Sym::CloseParen);
    // A cast that nothing follows is broken behind its parenthesis, not within.
    let tag = select! { Token::Ident("struct" | "union" | "enum") => () };
    let group = content.delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen));
    sym(Sym::OpenParen).then(tag).not().ignore_then(group).map_with(|content, e| {
        let kind = match content {
            None => ExprKind::Error,
            Some(None) => ExprKind::Tuple(Vec::new()),
            Some(Some((Part::Value(first, assigned), None))) => compared(first, assigned, e).kind,
            Some(Some((first, rest))) => several(std::iter::once(first).chain(rest.into_iter().flatten()).collect(), e),
        };
        Expr { kind, span: e.span() }
    })
}

/// Several parts, or one with a name: a record if they have names, else a tuple.
fn several(parts: Vec<Part>, e: &mut Node<'_, '_>) -> ExprKind {
    if parts.iter().any(|part| matches!(part, Part::Named(..))) {
        return record(parts, e);
    }
    let values = parts.into_iter().map(|part| match part {
        Part::Value(left, assigned) => compared(left, assigned, e),
        Part::Named(_, value) => value,
    });
    ExprKind::Tuple(values.collect())
}

fn record(parts: Vec<Part>, e: &mut Node<'_, '_>) -> ExprKind {
    let mut fields: Vec<(Name, Expr)> = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Named(name, value) => match fields.iter().find(|(first, _)| first.text == name.text) {
                Some((first, _)) => {
                    let title = format!("this record has a `{}` already", name.text);
                    let told = Diagnostic::error(name.span, title).with_related(first.span, "first here");
                    e.emit(ParseError::from(told));
                }
                None => fields.push((name, value)),
            },
            Part::Value(value, _) => {
                let told = Diagnostic::error(value.span, "this part of the record has no name")
                    .with_help("name all parts of a record, (x=1, y=2), or none, (1, 2)");
                e.emit(ParseError::from(told));
            }
        }
    }
    ExprKind::Record(fields)
}

/// `left`, or `left = right` with the place of the sign.
pub(super) type MaybeAssigned = (Expr, Option<(Span, Expr)>);

pub(super) fn maybe_assigned<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, MaybeAssigned> {
    let assigned = sym(Sym::Assign).map_with(|_, e| -> Span { e.span() }).then(expression.clone());
    expression.then(assigned.or_not())
}

/// Reads an assignment as the comparison that was meant.
pub(super) fn compared(left: Expr, assigned: Option<(Span, Expr)>, e: &mut Node<'_, '_>) -> Expr {
    let Some((equals, right)) = assigned else { return left };
    let told =
        Diagnostic::error(equals, "`=` assigns, and nothing can be assigned here").with_help("write == to compare");
    e.emit(ParseError::from(told));
    let kind = ExprKind::Binary { op: BinaryOp::Eq, left: Box::new(left), right: Box::new(right) };
    Expr { kind, span: e.span() }
}
