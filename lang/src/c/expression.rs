//! Constant expressions: array lengths, widths of bit-fields, values of enums, conditions of `#if`.

use super::declare::{Parsed, Parser};
use super::lex::{self, Kind, Tok};
use super::number::{INT, LONG, UINT, ULONG};
use super::tree::{Declarations, Expr, ExprKind, Op, TypeRef};
use crate::diag::Diagnostic;
use crate::types::IntType;

/// An expression may have this many operators: its tree is walked recursively.
const MOST_OPERATORS: usize = 300;

/// The expression at the parser's place.
pub(super) fn constant(parser: &mut Parser<'_, '_>) -> Parsed<Expr> {
    let mut left = MOST_OPERATORS;
    ternary(parser, &mut left)
}

/// All of `tokens` as one expression.
pub(super) fn whole(tokens: &[Tok<'_>]) -> Parsed<Expr> {
    let mut declarations = Declarations::default();
    let mut parser = Parser::over(tokens, &mut declarations);
    let expr = constant(&mut parser)?;
    match parser.peek(0) {
        None => Ok(expr),
        Some(_) => parser.expected("an operator"),
    }
}

fn take(parser: &Parser<'_, '_>, left: &mut usize) -> Parsed<()> {
    match left.checked_sub(1) {
        Some(rest) => *left = rest,
        None => return Err(Diagnostic::error(parser.place(), "this expression is too long")),
    }
    Ok(())
}

fn ternary(parser: &mut Parser<'_, '_>, left: &mut usize) -> Parsed<Expr> {
    let cond = binary(parser, 1, left)?;
    if !parser.accept("?") {
        return Ok(cond);
    }
    take(parser, left)?;
    let yes = parser.deeper(|parser| ternary(parser, left))?;
    parser.expect(":")?;
    let no = parser.deeper(|parser| ternary(parser, left))?;
    let span = cond.span.to(no.span);
    Ok(Expr { kind: ExprKind::Ternary(Box::new(cond), Box::new(yes), Box::new(no)), span })
}

fn binary(parser: &mut Parser<'_, '_>, loosest: u8, left: &mut usize) -> Parsed<Expr> {
    let mut expr = unary(parser, left)?;
    while let Some((op, binds)) = parser.peek(0).filter(|t| t.kind == Kind::Punct).and_then(|t| Op::of(t.text)) {
        if binds < loosest {
            break;
        }
        take(parser, left)?;
        parser.at += 1;
        let right = binary(parser, binds + 1, left)?;
        let span = expr.span.to(right.span);
        expr = Expr { kind: ExprKind::Binary(op, Box::new(expr), Box::new(right)), span };
    }
    Ok(expr)
}

fn unary(parser: &mut Parser<'_, '_>, left: &mut usize) -> Parsed<Expr> {
    let start = parser.place();
    let Some(token) = parser.peek(0).copied() else { return parser.expected("an expression") };
    match token.kind {
        Kind::Punct => match token.text {
            "-" | "~" | "!" | "+" => {
                take(parser, left)?;
                parser.at += 1;
                let operand = parser.deeper(|parser| unary(parser, left))?;
                let op = token.text.chars().next().unwrap_or('+');
                let span = start.to(operand.span);
                Ok(Expr { kind: ExprKind::Unary(op, Box::new(operand)), span })
            }
            "(" => {
                take(parser, left)?;
                parser.at += 1;
                if is_cast(parser) {
                    let ty = parser.type_name()?;
                    parser.expect(")")?;
                    let operand = parser.deeper(|parser| unary(parser, left))?;
                    let span = start.to(operand.span);
                    return Ok(Expr { kind: ExprKind::Cast(ty, Box::new(operand)), span });
                }
                let inner = parser.deeper(|parser| ternary(parser, left))?;
                parser.expect(")")?;
                Ok(inner)
            }
            _ => parser.expected("an expression"),
        },
        Kind::Number => {
            parser.at += 1;
            let Some(number) = lex::integer(token.text) else {
                return Err(Diagnostic::error(start, format!("`{}` is not an integer", token.text)));
            };
            Ok(Expr { kind: ExprKind::Number(number.value as i64, literal_type(token.text, number)), span: start })
        }
        Kind::Char => {
            parser.at += 1;
            match lex::character(token.text) {
                Some(value) => Ok(Expr { kind: ExprKind::Number(value, INT), span: start }),
                None => Err(Diagnostic::error(start, "this is not a character of C")),
            }
        }
        Kind::Str => parser.expected("a number"),
        Kind::Word => word(parser, token),
    }
}

/// The first of `int`, `long` and their unsigned kin that holds the number.
fn literal_type(text: &str, number: lex::Integer) -> IntType {
    let decimal = !text.starts_with('0');
    let signed = |most: u64| !number.unsigned && number.value <= most;
    let unsigned = |most: u64| (number.unsigned || !decimal) && number.value <= most;
    match number.long {
        false if signed(i32::MAX as u64) => INT,
        false if unsigned(u32::MAX.into()) => UINT,
        _ if signed(i64::MAX as u64) => LONG,
        _ => ULONG,
    }
}

fn word(parser: &mut Parser<'_, '_>, token: Tok<'_>) -> Parsed<Expr> {
    parser.at += 1;
    let span = token.span;
    let kind = match token.text {
        "sizeof" => ExprKind::SizeOf(in_parentheses(parser)?),
        "_Alignof" | "alignof" | "__alignof__" => ExprKind::AlignOf(in_parentheses(parser)?),
        "offsetof" | "__builtin_offsetof" => {
            parser.expect("(")?;
            let ty = parser.type_name()?;
            parser.expect(",")?;
            let mut path = Vec::new();
            loop {
                let Some(name) = parser.peek(0).copied().filter(Tok::is_word) else {
                    return parser.expected("a member's name");
                };
                parser.at += 1;
                path.push(name.text.to_owned());
                if !parser.accept(".") {
                    break;
                }
            }
            parser.expect(")")?;
            ExprKind::OffsetOf(ty, path)
        }
        name => ExprKind::Name(name.to_owned()),
    };
    Ok(Expr { kind, span })
}

fn in_parentheses(parser: &mut Parser<'_, '_>) -> Parsed<TypeRef> {
    parser.expect("(")?;
    let ty = parser.type_name()?;
    parser.expect(")")?;
    Ok(ty)
}

/// Whether what follows `(` is a type: by a keyword, or a lone name (with stars) behind which an operand begins.
fn is_cast(parser: &Parser<'_, '_>) -> bool {
    if parser.type_begins() {
        return true;
    }
    if !parser.peek(0).is_some_and(Tok::is_word) {
        return false;
    }
    let stars = (1..).take_while(|i| parser.peek(*i).is_some_and(|token| token.is("*"))).count();
    let operand = |token: &Tok<'_>| !matches!(token.kind, Kind::Punct) || matches!(token.text, "(" | "~" | "!");
    parser.peek(1 + stars).is_some_and(|token| token.is(")")) && parser.peek(2 + stars).is_some_and(operand)
}
