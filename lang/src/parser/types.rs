//! Types as written, and where one stands although an expression might.
//!
//! Whether brackets hold a type or an expression is found by looking ahead over the tokens, never by trying both ways:
//! what stands within is read once, however deep it nests.

use super::error::Expect;
use super::input::{Cursor, Rule, look_ahead, sym, word};
use super::skip::step;
use crate::ast::{Expr, TypeBase, TypeName, TypeOf, TypeSuffix, TypeTag};
use crate::builtins;
use crate::lexer::{Sym, Token};
use crate::words::is_reserved;
use chumsky::prelude::*;

/// Whether `name` alone is known to be a type.
pub(crate) fn is_type_word(name: &str) -> bool {
    matches!(
        name,
        "bool"
            | "string"
            | "buffer"
            | "void"
            | "inet"
            | "mac_address"
            | "cgroup_path_t"
            | "strerror_t"
            | "timestamp"
            | "username"
    ) || matches!(name, "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64")
        || is_c_word(name)
        || name.ends_with("_t")
}

/// Words that C joins into one type: `unsigned long int`.
fn is_c_word(name: &str) -> bool {
    matches!(name, "char" | "short" | "int" | "long" | "unsigned" | "signed")
}

/// Whether `name` is a builtin, so that it means its value in parentheses too.
pub(super) fn is_builtin(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    builtins::builtin(name).is_some()
        || matches!(name, "args" | "kstack" | "ustack")
        || numbered("arg")
        || numbered("sarg")
        || name.starts_with("__builtin_")
}

/// What the tokens ahead say of a type.
enum Ahead {
    /// One name that no table knows: a type, or anything else.
    Name,
    /// A name with nothing but array lengths behind it.
    Array,
    /// `typeof(...)`
    TypeOf,
    /// A known type, or a name with stars behind it.
    Certain,
    /// `struct NAME`, which cannot be anything else.
    Tagged,
}

/// Steps over a type. What it steps over may still turn out to be an expression.
fn type_ahead<'a>(input: &mut Cursor<'a, '_>) -> Option<Ahead> {
    let Some(Token::Ident(name)) = input.next() else { return None };
    let mut ahead = match name {
        "struct" | "union" | "enum" => {
            if matches!(input.peek(), Some(Token::Ident(_))) {
                input.skip();
            }
            Ahead::Tagged
        }
        "typeof" => {
            input.peek().filter(|token| *token == Token::Sym(Sym::OpenParen))?;
            step(input);
            Ahead::TypeOf
        }
        _ if is_c_word(name) => {
            while matches!(input.peek(), Some(Token::Ident(name)) if is_c_word(name)) {
                input.skip();
            }
            Ahead::Certain
        }
        _ if is_reserved(name) || is_builtin(name) => return None,
        _ if is_type_word(name) => Ahead::Certain,
        _ => Ahead::Name,
    };
    loop {
        match input.peek() {
            Some(Token::Sym(Sym::Star)) => {
                input.skip();
                if !matches!(ahead, Ahead::TypeOf | Ahead::Tagged) {
                    ahead = Ahead::Certain;
                }
            }
            Some(Token::Sym(Sym::OpenSquare)) => {
                input.skip();
                if matches!(input.peek(), Some(Token::Int(..))) {
                    input.skip();
                }
                input.next().filter(|token| *token == Token::Sym(Sym::CloseSquare))?;
                if matches!(ahead, Ahead::Name) {
                    ahead = Ahead::Array;
                }
            }
            _ => return Some(ahead),
        }
    }
}

/// `[n]`, `[]`.
fn length<'a>() -> impl Rule<'a, Option<u64>> {
    let length = select! { Token::Int(length, _) => length };
    length.or_not().delimited_by(sym(Sym::OpenSquare), sym(Sym::CloseSquare))
}

/// Whether an operand may begin with `token`, given that a name in parentheses stands before it.
fn begins_operand(token: Token<'_>) -> bool {
    use Sym::*;
    match token {
        Token::Sym(sym) => matches!(sym, OpenParen | Bang | Tilde | Minus | Star | Ampersand),
        Token::Point(_) | Token::Bad => false,
        Token::Int(..)
        | Token::Address(_)
        | Token::Str(_)
        | Token::Ident(_)
        | Token::Var(_)
        | Token::Map(_)
        | Token::Param(_) => true,
    }
}

/// Looks whether a type in parentheses comes, with something behind it to cast.
///
/// `(foo)$x`, and `(foo) - 1` too, casts whatever `foo` may be; `(pid) - 1` subtracts, because `pid` is a builtin.
fn cast_ahead<'a>() -> impl Rule<'a, ()> {
    look_ahead(|input| {
        if input.next() != Some(Token::Sym(Sym::OpenParen)) {
            return false;
        }
        let Some(ahead) = type_ahead(input) else { return false };
        let closed = input.next() == Some(Token::Sym(Sym::CloseParen));
        closed && (matches!(ahead, Ahead::Certain | Ahead::Tagged) || input.peek().is_some_and(begins_operand))
    })
}

/// Looks whether a type comes where an expression may stand as well, up to a closing parenthesis or a comma. A name that
/// no table knows is left to the checker.
fn argument_ahead<'a>() -> impl Rule<'a, ()> {
    look_ahead(|input| {
        match type_ahead(input) {
            Some(Ahead::Tagged) => true,
            // `foo_t()` and `foo * 2` are expressions.
            Some(Ahead::Certain | Ahead::Array | Ahead::TypeOf) => {
                matches!(input.peek(), Some(Token::Sym(Sym::CloseParen | Sym::Comma)))
            }
            Some(Ahead::Name) | None => false,
        }
    })
}

/// `struct NAME`.
fn tagged<'a>() -> impl Rule<'a, TypeBase> {
    let tag = select! {
        Token::Ident("struct") => TypeTag::Struct,
        Token::Ident("union") => TypeTag::Union,
        Token::Ident("enum") => TypeTag::Enum,
    };
    let name = select! { Token::Ident(name) => name }.labelled(Expect::Name);
    tag.then(name).map(|(tag, name)| TypeBase::Named { tag: Some(tag), name: name.to_owned() })
}

/// `uint8`, `unsigned long`, `foo`.
fn named<'a>() -> impl Rule<'a, TypeBase> {
    let c_words = select! { Token::Ident(name) if is_c_word(name) => name }
        .repeated()
        .at_least(1)
        .collect::<Vec<_>>()
        .map(|words| words.join(" "));
    let single = select! { Token::Ident(name) if !is_reserved(name) => name.to_owned() };
    c_words.or(single).map(|name| TypeBase::Named { tag: None, name })
}

/// A type where nothing else may stand: after `let $x:`, or when the look ahead has found one.
pub(super) fn type_name<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, TypeName> {
    whole_type(type_or_expression(expression)).labelled(Expect::Type)
}

/// A type with the pointers and array lengths behind it; `of` is what stands in `typeof(...)`.
fn whole_type<'a>(of: impl Rule<'a, TypeOf>) -> impl Rule<'a, TypeName> {
    let type_of = word("typeof")
        .ignore_then(of.delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen)))
        .map(|of| TypeBase::TypeOf(Box::new(of)));
    let base = choice((tagged(), type_of, named()));
    let pointer = sym(Sym::Star).to(TypeSuffix::Pointer);
    let suffixes = pointer.or(length().map(TypeSuffix::Array)).repeated().collect::<Vec<_>>();
    base.then(suffixes).map_with(|(base, suffixes), e| TypeName { base, suffixes, span: e.span() })
}

/// What stands in `sizeof(...)` and its like.
pub(super) fn type_or_expression<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, TypeOf> {
    // A `typeof` within reads the same again, so this rule contains itself.
    recursive(|type_or_expression| {
        let ty = argument_ahead().ignore_then(whole_type(type_or_expression)).map(TypeOf::Type);
        ty.or(argument_ahead().not().ignore_then(expression).map(TypeOf::Expr))
    })
    .boxed()
}

/// `(type)` before an operand.
pub(super) fn cast<'a>(expression: impl Rule<'a, Expr>) -> impl Rule<'a, TypeName> {
    cast_ahead().ignore_then(type_name(expression).delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen)))
}
