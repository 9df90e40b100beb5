//! Statements and blocks.

use super::error::{Expect, ParseError};
use super::expr::condition;
use super::input::{Node, Rule, look_ahead, sym, word};
use super::operand::{conditional, ending_with};
use super::{skip, types};
use crate::ast::{BinaryOp, Block, Expr, ExprKind, ForOver, Name, Stmt, StmtKind, ValueBlock};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use crate::span::Span;
use chumsky::prelude::*;

/// A probe's body, in braces or angle brackets.
pub(super) fn body<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Block> {
    let braces = block(expression.clone()).map(ValueBlock::into_block);
    let inner = block(expression.clone());
    let angles = contents(expression, inner)
        .delimited_by(sym(Sym::OpenAngle), sym(Sym::CloseAngle))
        .map_with(|(stmts, value), e| ending_with(Block { stmts, span: e.span() }, value).into_block());
    braces.or(angles)
}

/// Statements in braces, with a value at their end if no semicolon follows the last.
pub(super) fn block<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, ValueBlock> {
    recursive(|block| {
        contents(expression, block)
            .delimited_by(sym(Sym::OpenBrace), sym(Sym::CloseBrace))
            .map_with(|(stmts, value), e| ending_with(Block { stmts, span: e.span() }, value))
    })
    .boxed()
}

/// Statements up to a closing bracket, and the last expression apart if no semicolon follows it.
fn contents<'a>(
    expression: impl Rule<'a, Expr>,
    block: impl Rule<'a, ValueBlock>,
) -> impl Rule<'a, (Vec<Stmt>, Option<Expr>)> {
    let node = |kind, e: &mut Node<'a, '_>| Stmt { kind, span: e.span() };
    let plain_block = block.clone().map(ValueBlock::into_block).boxed();
    let as_value = block.clone().map(|block| Expr { span: block.block.span, kind: ExprKind::Block(block) });
    // What ends by itself; a semicolon may follow. A block or an `if` may turn out to be the value at the end.
    let maybe_value = choice((conditional(expression.clone(), block), as_value)).map(StmtKind::Expr).map_with(node);
    let maybe_value = block_goes_on().not().ignore_then(maybe_value);
    let with_block = choice((
        while_loop(expression.clone(), plain_block.clone()),
        for_loop(expression.clone(), plain_block.clone()),
        unroll(expression.clone(), plain_block),
        lone_else(),
    ))
    .map_with(node);
    let with_block = maybe_value.or(with_block).then(sym(Sym::Semicolon).or_not().map(|ended| ended.is_some()));
    // What ends by a semicolon, or with the block.
    let end =
        choice((sym(Sym::Semicolon).to(true), choice((sym(Sym::CloseBrace), sym(Sym::CloseAngle))).rewind().to(false)));
    let simple = choice((
        declaration(expression.clone()),
        return_statement(expression.clone()),
        jump(),
        // What begins with a block and has an error in it is not an expression instead.
        block_goes_on().or(begins_with_block().not()).ignore_then(assignment_or_expression(expression)),
    ))
    .map_with(node)
    .then(end);
    let statement = choice((with_block, simple)).labelled(Expect::Statement).map(Some);
    choice((statement, empty_statement().to(None)))
        .recover_with(via_parser(skip::statement().map(|stmt| Some((stmt, true)))))
        .boxed()
        .repeated()
        .collect::<Vec<Option<(Stmt, bool)>>>()
        .map(|stmts| split_value(stmts.into_iter().flatten().collect()))
}

/// Takes the value off the end of statements, of which it is known whether a semicolon follows each.
fn split_value(mut stmts: Vec<(Stmt, bool)>) -> (Vec<Stmt>, Option<Expr>) {
    let value = match stmts.pop() {
        Some((Stmt { kind: StmtKind::Expr(value), .. }, false)) => Some(value),
        last => {
            stmts.extend(last);
            None
        }
    };
    let settle = |(stmt, _): (Stmt, bool)| match stmt.kind {
        StmtKind::Expr(value) => value.into_stmt(),
        _ => stmt,
    };
    (stmts.into_iter().map(settle).collect(), value)
}

/// Looks whether a block or an `if` comes.
fn begins_with_block<'a>() -> impl Rule<'a, ()> {
    look_ahead(|input| matches!(input.peek(), Some(Token::Sym(Sym::OpenBrace) | Token::Ident("if"))))
}

/// Looks whether a block or an `if` comes that is only the first operand of an expression: `{ 1 } + 2`.
fn block_goes_on<'a>() -> impl Rule<'a, ()> {
    look_ahead(|input| {
        let is_if = match input.peek() {
            Some(Token::Ident("if")) => true,
            Some(Token::Sym(Sym::OpenBrace)) => false,
            _ => return false,
        };
        loop {
            // Over the condition, if there is one, and the block.
            while input.peek().is_some_and(|token| token != Token::Sym(Sym::OpenBrace)) {
                if skip::at_statement_end(input) {
                    return false;
                }
                skip::step(input);
            }
            skip::step(input);
            match input.peek() {
                // The block was in the condition, or one branch of several.
                Some(Token::Ident("else") | Token::Sym(Sym::OpenBrace)) if is_if => {}
                Some(Token::Sym(sym)) => return goes_on_after_block(sym),
                _ => return false,
            }
        }
    })
}

/// Whether what follows a block makes it an operand. `++@x` and `(...)` begin a statement of their own, and nobody writes
/// one that begins with `*`, `-` or `&`.
fn goes_on_after_block(sym: Sym) -> bool {
    use Sym::*;
    let operator =
        matches!(sym, Plus | Minus | Star | Slash | Percent | Ampersand | Pipe | Caret | Shl | Shr | AndAnd | OrOr);
    let comparison = matches!(sym, EqEq | NotEq | Less | LessEq | Greater | GreaterEq);
    operator || comparison || matches!(sym, Question | Dot | Arrow | OpenSquare)
}

/// `;` without a statement.
fn empty_statement<'a>() -> impl Rule<'a, ()> {
    sym(Sym::Semicolon).validate(|_, e, emitter| {
        let told = Diagnostic::error(e.span(), "expected a statement, found `;`").with_help("leave this `;` out");
        emitter.emit(ParseError::from(told));
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
    let ty = sym(Sym::Colon).ignore_then(types::type_name(expression.clone())).or_not();
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

/// `while cond { }`
fn while_loop<'a>(expression: impl Rule<'a, Expr>, block: impl Rule<'a, Block>) -> impl Rule<'a, StmtKind> {
    let head = word("while").ignore_then(condition_before_block(expression));
    head.then(block).map(|(cond, body)| StmtKind::While { cond, body })
}

/// `unroll count { }`
fn unroll<'a>(expression: impl Rule<'a, Expr>, block: impl Rule<'a, Block>) -> impl Rule<'a, StmtKind> {
    let head = word("unroll").ignore_then(condition_before_block(expression));
    head.then(block).map(|(count, body)| StmtKind::Unroll { count, body })
}

/// A condition, which is no block, though `{` may begin an expression.
fn condition_before_block<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, Expr> {
    let no_block = none_of(Token::Sym(Sym::OpenBrace)).labelled(Expect::Expression).rewind();
    no_block.ignore_then(condition(expression))
}

/// `for ($x : from..to) { }`, `for ($kv : @map) { }`, with or without the parentheses.
fn for_loop<'a>(expression: impl Rule<'a, Expr>, block: impl Rule<'a, Block>) -> impl Rule<'a, StmtKind> {
    let variable = select! { Token::Var(name) => name.to_owned() }
        .labelled(Expect::Variable)
        .map_with(|text, e| Name { text, span: e.span() });
    let bound = expression.map_with(|bound: Expr, e| {
        if let Some(operator) = bare_operator(&bound) {
            let told = Diagnostic::error(bound.span, format!("{operator} needs parentheses here"))
                .with_help("write it as for ($i : (1 + 2)..(-$n)), or keep it in a variable");
            e.emit(ParseError::from(told));
        }
        bound
    });
    let over = bound.clone().then(sym(Sym::DotDot).ignore_then(bound).or_not()).map(|(first, last)| match last {
        Some(last) => ForOver::Range(first, last),
        None => ForOver::Entries(first),
    });
    let head = variable.then_ignore(sym(Sym::Colon)).then(over).boxed();
    let head = head.clone().delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen)).or(head);
    word("for").ignore_then(head).then(block).map(|((var, over), body)| StmtKind::For { var, over, body })
}

/// What to call the operator of an expression that has no parentheses around it. Parentheses widen a span, so that the
/// whole is no longer where its parts are.
fn bare_operator(value: &Expr) -> Option<&'static str> {
    let (part, text) = match &value.kind {
        ExprKind::Unary(_, part) | ExprKind::IncDec { place: part, .. } | ExprKind::Comptime(part) => {
            (part, "an operator before a value")
        }
        ExprKind::Binary { left, .. } => (left, "an operator between values"),
        ExprKind::Ternary { cond, .. } => (cond, "a `? :`"),
        _ => return None,
    };
    (part.span.start == value.span.start || part.span.end == value.span.end).then_some(text)
}

/// `break` and `continue`.
fn jump<'a>() -> impl Rule<'a, StmtKind> {
    select! { Token::Ident("break") => StmtKind::Break, Token::Ident("continue") => StmtKind::Continue }
}

/// `else` where no `if` came before.
fn lone_else<'a>() -> impl Rule<'a, StmtKind> {
    let keyword = word("else").map_with(|_, e| -> Span { e.span() });
    keyword.then_ignore(skip::rest_of_statement()).map_with(|span, e| {
        e.emit(ParseError::from(Diagnostic::error(span, "`else` without an `if` before it")));
        StmtKind::Error
    })
}
