//! Expressions: the operators of C around operands.

use super::error::{Expect, ParseError};
use super::input::{Node, Rule, sym};
use super::operand::{compared, maybe_assigned, operand};
use super::{skip, stmt, types};
use crate::ast::{BinaryOp, Expr, ExprKind, Name, TypeName, UnaryOp};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use crate::span::Span;
use chumsky::pratt::{infix, left, postfix, prefix};
use chumsky::prelude::*;

/// Any expression.
pub(super) fn expression<'a>() -> impl Rule<'a, Expr> {
    recursive(|expression| {
        let block = stmt::block(expression.clone());
        let operand = operand(expression.clone(), block).labelled(Expect::Expression).boxed();
        let operators = operators(operand, expression.clone()).boxed();
        // The ternary is not one of the operators: chumsky would read its middle before it knows whether it binds
        // tightly enough, at each level again.
        let middle = expression.clone().or_not().map(|yes| yes.map(Box::new));
        let branches = middle.delimited_by(sym(Sym::Question), sym(Sym::Colon)).then(expression);
        operators.then(branches.or_not()).map_with(|(cond, branches), e| match branches {
            None => cond,
            Some((yes, no)) => {
                let kind = ExprKind::Ternary { cond: Box::new(cond), yes, no: Box::new(no) };
                Expr { kind, span: e.span() }
            }
        })
    })
    .labelled(Expect::Expression)
    .boxed()
}

/// An expression where a comparison is meant: `=` in it is told of, and read as `==`.
pub(super) fn condition<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    maybe_assigned(expression).map_with(|(left, assigned), e| match left.kind {
        // `(x=1)` has been read as a record.
        ExprKind::Record(mut parts) if parts.len() == 1 && assigned.is_none() => {
            let Some((name, right)) = parts.pop() else { return Expr { kind: ExprKind::Error, span: left.span } };
            let equals = Span::new(name.span.end, right.span.start);
            let left = Expr { kind: ExprKind::Ident(name.text), span: name.span };
            compared(left, Some((equals, right)), e)
        }
        _ => compared(left, assigned, e),
    })
}

/// What may stand before an operand.
#[derive(Clone)]
enum Prefix {
    Unary(UnaryOp),
    Cast(TypeName),
    Comptime,
    IncDec { increment: bool, operator: Span },
}

/// What may stand behind an operand.
#[derive(Clone)]
enum Postfix {
    IncDec { increment: bool, operator: Span },
    Field { name: Name, arrow: bool },
    Index(Box<Expr>),
}

/// Operands with the operators of C around them, by precedence.
fn operators<'a>(operand: impl Rule<'a, Expr>, expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    use BinaryOp::*;
    let unary = |op| Prefix::Unary(op);
    let before = select! {
        Token::Sym(Sym::Minus) => unary(UnaryOp::Neg),
        Token::Sym(Sym::Bang) => unary(UnaryOp::Not),
        Token::Sym(Sym::Tilde) => unary(UnaryOp::BitNot),
        Token::Sym(Sym::Star) => unary(UnaryOp::Deref),
        Token::Sym(Sym::Ampersand) => unary(UnaryOp::AddressOf),
        Token::Ident("comptime") => Prefix::Comptime,
        Token::Sym(Sym::Increment) = e => Prefix::IncDec { increment: true, operator: e.span() },
        Token::Sym(Sym::Decrement) = e => Prefix::IncDec { increment: false, operator: e.span() },
    };
    let before = before.or(types::cast(expression.clone()).map(Prefix::Cast));

    let inc_dec = select! {
        Token::Sym(Sym::Increment) = e => Postfix::IncDec { increment: true, operator: e.span() },
        Token::Sym(Sym::Decrement) = e => Postfix::IncDec { increment: false, operator: e.span() },
    };
    let member = select! { Token::Ident(name) => name.to_owned(), Token::Int(index, _) => index.to_string() }
        .labelled(Expect::Name)
        .map_with(|text, e| Name { text, span: e.span() });
    let arrow = select! { Token::Sym(Sym::Dot) => false, Token::Sym(Sym::Arrow) => true };
    let field = arrow.then(member).map(|(arrow, name)| Postfix::Field { name, arrow });
    let index = skip::committed(expression, Sym::CloseSquare)
        .delimited_by(sym(Sym::OpenSquare), sym(Sym::CloseSquare))
        .map_with(|index, e| {
            let broken = Expr { kind: ExprKind::Error, span: e.span() };
            Postfix::Index(Box::new(index.unwrap_or(broken)))
        });
    let after = choice((inc_dec, field, index));

    macro_rules! binary {
        ($level:literal, $($sym:ident => $op:ident),+) => {
            infix(left($level), select! { $(Token::Sym(Sym::$sym) => $op),+ }, join)
        };
    }
    let tight = (
        postfix(14, after, with_postfix),
        prefix(12, before, with_prefix),
        binary!(11, Star => Mul, Slash => Div, Percent => Rem),
        binary!(10, Plus => Add, Minus => Sub),
        binary!(9, Shl => Shl, Shr => Shr),
        binary!(8, Less => Lt, LessEq => Le, Greater => Gt, GreaterEq => Ge),
        binary!(7, EqEq => Eq, NotEq => Ne),
        binary!(6, Ampersand => BitAnd),
        binary!(5, Caret => BitXor),
        binary!(4, Pipe => BitOr),
        binary!(3, AndAnd => And),
        binary!(2, OrOr => Or),
    );
    operand.pratt(tight)
}

fn join<'a>(left: Expr, op: BinaryOp, right: Expr, e: &mut Node<'a, '_>) -> Expr {
    Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span: e.span() }
}

fn with_prefix<'a>(prefix: Prefix, value: Expr, e: &mut Node<'a, '_>) -> Expr {
    let kind = match prefix {
        Prefix::Unary(UnaryOp::AddressOf) => address(value, e),
        Prefix::Unary(op) => ExprKind::Unary(op, Box::new(value)),
        Prefix::Comptime => ExprKind::Comptime(Box::new(value)),
        Prefix::Cast(ty) => ExprKind::Cast { ty, value: Box::new(value) },
        Prefix::IncDec { increment, operator } => inc_dec(value, increment, operator, false, e),
    };
    Expr { kind, span: e.span() }
}

fn with_postfix<'a>(base: Expr, postfix: Postfix, e: &mut Node<'a, '_>) -> Expr {
    let kind = match postfix {
        Postfix::Field { name, arrow } => ExprKind::Field { base: Box::new(base), name, arrow },
        Postfix::Index(index) => ExprKind::Index { base: Box::new(base), index },
        Postfix::IncDec { increment, operator } => inc_dec(base, increment, operator, true, e),
    };
    Expr { kind, span: e.span() }
}

/// `&value`: only variables and maps are at a place that can be pointed to.
fn address(value: Expr, e: &mut Node<'_, '_>) -> ExprKind {
    if !matches!(value.kind, ExprKind::Var(_) | ExprKind::Map(_) | ExprKind::Error) {
        let told = Diagnostic::error(e.span(), "`&` needs a variable or a map")
            .with_help("keep the value in a variable: $x = ...; &$x");
        e.emit(ParseError::from(told));
        return ExprKind::Error;
    }
    ExprKind::Unary(UnaryOp::AddressOf, Box::new(value))
}

fn inc_dec(place: Expr, increment: bool, operator: Span, postfix: bool, e: &mut Node<'_, '_>) -> ExprKind {
    let is_place =
        matches!(place.kind, ExprKind::Var(_) | ExprKind::Map(_) | ExprKind::MapKey { .. } | ExprKind::Error);
    if !is_place {
        let text = if increment { "++" } else { "--" };
        let help = match &place.kind {
            ExprKind::Ident(name) => Some(format!("did you mean `${name}`?")),
            ExprKind::Int(..) if !postfix && !increment => Some("to negate twice, write -(-5)".to_owned()),
            _ => None,
        };
        let told = Diagnostic::error(operator, format!("`{text}` needs a variable or a map")).with_maybe_help(help);
        e.emit(ParseError::from(told));
        return ExprKind::Error;
    }
    ExprKind::IncDec { place: Box::new(place), increment, postfix }
}
