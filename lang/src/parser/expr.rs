//! Expressions: operands, and the operators of C around them.

use super::error::{Expect, ParseError};
use super::input::{Node, Rule, sym, word};
use super::types;
use crate::ast::{BinaryOp, Expr, ExprKind, Name, TypeName, TypeOf, UnaryOp};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token, string};
use crate::span::Span;
use chumsky::pratt::{infix, left, postfix, prefix};
use chumsky::prelude::*;

/// Words that cannot be names.
pub(super) fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "else"
            | "let"
            | "return"
            | "while"
            | "for"
            | "unroll"
            | "break"
            | "continue"
            | "true"
            | "false"
            | "sizeof"
            | "offsetof"
            | "typeof"
            | "struct"
            | "union"
            | "enum"
            | "import"
            | "macro"
    )
}

/// Any expression.
pub(super) fn expression<'a>() -> impl Rule<'a, Expr> {
    recursive(|expression| {
        let operators =
            operators(operand(expression.clone()).labelled(Expect::Expression).boxed(), expression.clone()).boxed();
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
    maybe_assigned(expression).map_with(|(left, assigned), e| compared(left, assigned, e))
}

/// `left`, or `left = right` with the place of the sign.
type MaybeAssigned = (Expr, Option<(Span, Expr)>);

fn maybe_assigned<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, MaybeAssigned> {
    let assigned = sym(Sym::Assign).map_with(|_, e| -> Span { e.span() }).then(expression.clone());
    expression.then(assigned.or_not())
}

/// Reads an assignment as the comparison that was meant.
fn compared(left: Expr, assigned: Option<(Span, Expr)>, e: &mut Node<'_, '_>) -> Expr {
    let Some((equals, right)) = assigned else { return left };
    let told =
        Diagnostic::error(equals, "`=` assigns, and nothing can be assigned here").with_help("write == to compare");
    e.emit(ParseError::from(told));
    let kind = ExprKind::Binary { op: BinaryOp::Eq, left: Box::new(left), right: Box::new(right) };
    Expr { kind, span: e.span() }
}

/// What operators stand between: literals, names, calls, maps, parentheses.
fn operand<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let leaf = select! {
        Token::Int(value, suffix) => ExprKind::Int(value, suffix),
        Token::Str(raw) => ExprKind::Str(string::unescape(raw)),
        Token::Var(name) => ExprKind::Var(name.to_owned()),
        Token::Param(number) => ExprKind::Param(number),
        Token::Ident("true") => ExprKind::Bool(true),
        Token::Ident("false") => ExprKind::Bool(false),
        Token::Bad => ExprKind::Error,
    };
    let leaf = leaf.map_with(|kind, e| Expr { kind, span: e.span() });
    choice((
        leaf,
        named(expression.clone()),
        map(expression.clone()),
        sizeof(expression.clone()),
        parenthesis(expression),
        unsupported(),
    ))
}

/// `name`, `name(...)`.
fn named<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let name = select! { Token::Ident(name) if !is_keyword(name) => name.to_owned() };
    let name = name.map_with(|text, e| Name { text, span: e.span() });
    let args =
        expression.separated_by(sym(Sym::Comma)).collect().delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen));
    name.then(args.or_not()).map_with(|(name, args), e| {
        let kind = match args {
            Some(args) => ExprKind::Call { name, args },
            None => ExprKind::Ident(name.text),
        };
        Expr { kind, span: e.span() }
    })
}

/// `@name`, `@name[key, ...]`.
fn map<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let name = select! { Token::Map(name) => name.to_owned() };
    let name = name.map_with(|text, e| Name { text, span: e.span() });
    let keys = expression
        .separated_by(sym(Sym::Comma))
        .at_least(1)
        .collect()
        .delimited_by(sym(Sym::OpenSquare), sym(Sym::CloseSquare));
    name.then(keys.or_not()).map_with(|(map, keys), e| {
        let kind = match keys {
            Some(keys) => ExprKind::MapKey { map, keys },
            None => ExprKind::Map(map.text),
        };
        Expr { kind, span: e.span() }
    })
}

/// `sizeof(type)`, `sizeof(expression)`.
fn sizeof<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let of_type = types::certain_type().map(TypeOf::Type);
    let of_expression = expression.map(TypeOf::Expr);
    word("sizeof")
        .ignore_then(of_type.or(of_expression).delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen)))
        .map_with(|of, e| Expr { kind: ExprKind::SizeOf(Box::new(of)), span: e.span() })
}

/// `(a)`, `(a, b)`, `(a,)`, `()`.
fn parenthesis<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let part = maybe_assigned(expression);
    let rest = part.clone().separated_by(sym(Sym::Comma)).allow_trailing().collect::<Vec<_>>();
    let rest = sym(Sym::Comma).ignore_then(rest).or_not();
    let content = part.then(rest).or_not();
    content.delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen)).map_with(|content, e| {
        let kind = match content {
            None => ExprKind::Tuple(Vec::new()),
            Some(((first, assigned), None)) => compared(first, assigned, e).kind,
            Some((first, Some(rest))) => tuple(std::iter::once(first).chain(rest).collect(), e),
        };
        Expr { kind, span: e.span() }
    })
}

/// Several parts: a tuple, unless they have names.
fn tuple(parts: Vec<MaybeAssigned>, e: &mut Node<'_, '_>) -> ExprKind {
    if parts.iter().any(|(_, assigned)| assigned.is_some()) {
        let told = Diagnostic::error(e.span(), "a record is not supported yet");
        e.emit(ParseError::from(told));
        return ExprKind::Error;
    }
    ExprKind::Tuple(parts.into_iter().map(|(part, _)| part).collect())
}

/// `offsetof(...)`, `typeof(...)`, and `{ ... }` and `if` as values: parts of the language that are not here yet.
fn unsupported<'a>() -> impl Rule<'a, Expr> {
    let call = select! { Token::Ident(name @ ("offsetof" | "typeof")) => name }
        .then_ignore(super::skip::group(Sym::OpenParen))
        .map_with(|name, e| (format!("`{name}` is not supported yet"), e.span()));
    let block = super::skip::group(Sym::OpenBrace)
        .map_with(|(), e| ("a block as a value is not supported yet".to_owned(), e.span()));
    let conditional = word("if")
        .then(super::skip::rest_of_statement())
        .map_with(|_, e| ("`if` as a value is not supported yet".to_owned(), e.span()));
    choice((call, block, conditional)).map_with(|(title, span), e| {
        e.emit(ParseError::from(Diagnostic::error(span, title)));
        Expr { kind: ExprKind::Error, span }
    })
}

/// What may stand before an operand.
#[derive(Clone)]
enum Prefix {
    Unary(UnaryOp),
    Cast(TypeName),
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
        Token::Sym(Sym::Increment) = e => Prefix::IncDec { increment: true, operator: e.span() },
        Token::Sym(Sym::Decrement) = e => Prefix::IncDec { increment: false, operator: e.span() },
    };
    let before = before.or(types::cast().map(Prefix::Cast));

    let inc_dec = select! {
        Token::Sym(Sym::Increment) = e => Postfix::IncDec { increment: true, operator: e.span() },
        Token::Sym(Sym::Decrement) = e => Postfix::IncDec { increment: false, operator: e.span() },
    };
    let member = select! { Token::Ident(name) => name.to_owned(), Token::Int(index, _) => index.to_string() }
        .labelled(Expect::Name)
        .map_with(|text, e| Name { text, span: e.span() });
    let arrow = select! { Token::Sym(Sym::Dot) => false, Token::Sym(Sym::Arrow) => true };
    let field = arrow.then(member).map(|(arrow, name)| Postfix::Field { name, arrow });
    let index = expression
        .delimited_by(sym(Sym::OpenSquare), sym(Sym::CloseSquare))
        .map(|index| Postfix::Index(Box::new(index)));
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
        Prefix::Unary(op) => ExprKind::Unary(op, Box::new(value)),
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
