//! Statements and blocks.

use super::error::{Expect, ParseError};
use super::expr::condition;
use super::input::{Node, Rule, sym, word};
use super::{skip, types};
use crate::ast::{BinaryOp, Block, Expr, ExprKind, Name, Stmt, StmtKind};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use crate::span::Span;
use chumsky::prelude::*;

/// A probe's body, in braces or angle brackets.
pub(super) fn body<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Block> {
    let block = block(expression);
    let braces = block.clone().delimited_by(sym(Sym::OpenBrace), sym(Sym::CloseBrace));
    let angles = block.delimited_by(sym(Sym::OpenAngle), sym(Sym::CloseAngle));
    braces.or(angles).map_with(|stmts, e| Block { stmts, span: e.span() })
}

/// Statements up to a closing bracket.
fn block<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Vec<Stmt>> {
    recursive(|block| {
        let inner = block
            .delimited_by(sym(Sym::OpenBrace), sym(Sym::CloseBrace))
            .map_with(|stmts, e| Block { stmts, span: e.span() })
            .boxed();
        let node = |kind, e: &mut Node<'a, '_>| Stmt { kind, span: e.span() };
        // Ends by itself; a semicolon may follow.
        let with_block = choice((
            conditional(expression.clone(), inner.clone()),
            inner.map(StmtKind::Block),
            loop_statement(),
            lone_else(),
        ))
        .map_with(node)
        .then_ignore(sym(Sym::Semicolon).or_not());
        // Ends by a semicolon, or with the block.
        let end = choice((sym(Sym::Semicolon), sym(Sym::CloseBrace).rewind(), sym(Sym::CloseAngle).rewind()));
        let simple = choice((
            declaration(expression.clone()),
            return_statement(expression.clone()),
            jump(),
            // An `if` with an error in it is not an expression instead.
            word("if").not().ignore_then(assignment_or_expression(expression)),
        ))
        .map_with(node)
        .then_ignore(end);
        let statement = choice((with_block, simple)).labelled(Expect::Statement).map(Some);
        choice((statement, empty_statement().to(None)))
            .recover_with(via_parser(skip::statement().map(Some)))
            .boxed()
            .repeated()
            .collect::<Vec<Option<Stmt>>>()
            .map(|stmts| stmts.into_iter().flatten().collect())
    })
    .boxed()
}

/// `;` without a statement.
fn empty_statement<'a>() -> impl Rule<'a, ()> {
    sym(Sym::Semicolon).validate(|_, e, emitter| {
        let told = Diagnostic::error(e.span(), "expected a statement, found `;`").with_help("leave this `;` out");
        emitter.emit(ParseError::from(told));
    })
}

/// `if`, any number of `else if`, `else`.
fn conditional<'a>(expression: impl Rule<'a, Expr>, block: impl Rule<'a, Block>) -> impl Rule<'a, StmtKind> {
    let branch = word("if")
        .map_with(|_, e| -> Span { e.span() })
        // A block is no condition, though `{` may begin an expression.
        .then_ignore(none_of(Token::Sym(Sym::OpenBrace)).labelled(Expect::Expression).rewind())
        .then(condition(expression))
        .then(block.clone())
        .map(|((start, cond), then)| (start, cond, then))
        .boxed();
    let more = word("else").ignore_then(branch.clone()).repeated().collect::<Vec<_>>();
    let last = word("else").ignore_then(block).or_not();
    // An `else` that is still there is broken; without this it would be taken for one that has no `if`.
    let complete = word("else").not();
    branch.then(more).then(last).then_ignore(complete).map(|(((_, cond, then), more), last)| {
        // From the last branch to the first, each the only statement of the block before it.
        let otherwise = more.into_iter().rev().fold(last, |otherwise, (start, cond, then)| {
            let end = otherwise.as_ref().map_or(then.span, |block| block.span);
            let span = start.to(end);
            let stmts = vec![Stmt { kind: StmtKind::If { cond, then, otherwise }, span }];
            Some(Block { stmts, span })
        });
        StmtKind::If { cond, then, otherwise }
    })
}

/// `let $x`, with a type and a value if wanted.
fn declaration<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, StmtKind> {
    let variable = select! { Token::Var(name) => name.to_owned() };
    let bare = select! { Token::Ident(name) => name.to_owned() }.map_with(|name, e| {
        let told = Diagnostic::error(e.span(), format!("expected a variable after `let`, found `{name}`"))
            .with_help(format!("did you mean `${name}`?"));
        e.emit(ParseError::from(told));
        name
    });
    let name = variable.or(bare).labelled(Expect::Variable).map_with(|text, e| Name { text, span: e.span() });
    let ty = sym(Sym::Colon).ignore_then(types::type_name()).or_not();
    let value = sym(Sym::Assign).ignore_then(expression).or_not();
    word("let").ignore_then(name).then(ty).then(value).map(|((name, ty), value)| StmtKind::Let { name, ty, value })
}

fn return_statement<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, StmtKind> {
    word("return").ignore_then(expression.or_not()).map(StmtKind::Return)
}

fn assignment_or_expression<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, StmtKind> {
    use BinaryOp::*;
    let operator = select! {
        Token::Sym(Sym::Assign) => None,
        Token::Sym(Sym::AddAssign) => Some(Add),
        Token::Sym(Sym::SubAssign) => Some(Sub),
        Token::Sym(Sym::MulAssign) => Some(Mul),
        Token::Sym(Sym::DivAssign) => Some(Div),
        Token::Sym(Sym::RemAssign) => Some(Rem),
        Token::Sym(Sym::AndAssign) => Some(BitAnd),
        Token::Sym(Sym::OrAssign) => Some(BitOr),
        Token::Sym(Sym::XorAssign) => Some(BitXor),
        Token::Sym(Sym::ShlAssign) => Some(Shl),
        Token::Sym(Sym::ShrAssign) => Some(Shr),
    };
    expression.clone().then(operator.then(expression).or_not()).map_with(|(left, assigned), e| match assigned {
        None => expression_statement(left, e),
        Some((op, value)) => assignment(left, op, value, e),
    })
}

fn assignment(place: Expr, op: Option<BinaryOp>, value: Expr, e: &mut Node<'_, '_>) -> StmtKind {
    match &place.kind {
        // `_ = f()`: the value is not wanted.
        ExprKind::Ident(name) if name == "_" && op.is_none() => StmtKind::Discard(value),
        ExprKind::Ident(name) => {
            let told = Diagnostic::error(place.span, format!("`{name}` cannot be assigned to"))
                .with_help(format!("did you mean `${name}`?"));
            e.emit(ParseError::from(told));
            StmtKind::Error
        }
        _ => StmtKind::Assign { place, op, value },
    }
}

/// bpftrace takes `$a == 1 ? f() : g();` for a statement that ends before the `?`, and refuses it; so do we.
fn expression_statement(value: Expr, e: &mut Node<'_, '_>) -> StmtKind {
    let span: Span = e.span();
    if matches!(value.kind, ExprKind::Ternary { .. }) && value.span == span && begins_with_place(&value) {
        let told = Diagnostic::error(span, "a `? :` statement cannot begin with a variable or a map")
            .with_help("put its condition in parentheses: ($a == 1) ? f() : g()");
        e.emit(ParseError::from(told));
        return StmtKind::Error;
    }
    StmtKind::Expr(value)
}

/// Whether the first token of `value` is a variable or a map. Parentheses widen a span, so that what stands behind one
/// begins later than the whole.
fn begins_with_place(value: &Expr) -> bool {
    let mut first = value;
    loop {
        first = match &first.kind {
            ExprKind::Binary { left, .. } => left,
            ExprKind::Ternary { cond, .. } => cond,
            ExprKind::Field { base, .. } | ExprKind::Index { base, .. } => base,
            ExprKind::IncDec { place, postfix: true, .. } => place,
            ExprKind::Var(_) | ExprKind::Map(_) | ExprKind::MapKey { .. } => {
                return first.span.start == value.span.start;
            }
            _ => return false,
        };
    }
}

/// `while`, `for` and `unroll`, which are not here yet.
fn loop_statement<'a>() -> impl Rule<'a, StmtKind> {
    let keyword = select! { Token::Ident(name @ ("while" | "for" | "unroll")) => name };
    keyword.then_ignore(skip::rest_of_statement()).map_with(not_supported)
}

/// `break` and `continue`, which are not here yet either.
fn jump<'a>() -> impl Rule<'a, StmtKind> {
    select! { Token::Ident(name @ ("break" | "continue")) => name }.map_with(not_supported)
}

fn not_supported<'a>(name: &'a str, e: &mut Node<'a, '_>) -> StmtKind {
    let told = Diagnostic::error(e.span(), format!("`{name}` is not supported yet"));
    e.emit(ParseError::from(told));
    StmtKind::Error
}

/// `else` where no `if` came before.
fn lone_else<'a>() -> impl Rule<'a, StmtKind> {
    let keyword = word("else").map_with(|_, e| -> Span { e.span() });
    keyword.then_ignore(skip::rest_of_statement()).map_with(|span, e| {
        e.emit(ParseError::from(Diagnostic::error(span, "`else` without an `if` before it")));
        StmtKind::Error
    })
}
