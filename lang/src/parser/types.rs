//! Types as written, and where a parenthesis holds one.

use super::error::{Expect, ParseError};
use super::input::{Rule, sym, word};
use crate::ast::{TypeBase, TypeName, TypeSuffix, TypeTag};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use chumsky::prelude::*;

/// Whether `name` alone is known to be a type.
fn is_type_word(name: &str) -> bool {
    matches!(
        name,
        "bool" | "string" | "void" | "inet" | "mac_address" | "cgroup_path_t" | "strerror_t" | "timestamp" | "username"
    ) || matches!(name, "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64")
        || is_c_word(name)
        || name.ends_with("_t")
}

/// Words that C joins into one type: `unsigned long int`.
fn is_c_word(name: &str) -> bool {
    matches!(name, "char" | "short" | "int" | "long" | "unsigned" | "signed")
}

/// `struct NAME`.
fn tagged<'a>() -> impl Rule<'a, (Option<TypeTag>, String)> {
    let tag = select! {
        Token::Ident("struct") => TypeTag::Struct,
        Token::Ident("union") => TypeTag::Union,
        Token::Ident("enum") => TypeTag::Enum,
    };
    let name = select! { Token::Ident(name) => name }.labelled(Expect::Name);
    tag.then(name).map(|(tag, name)| (Some(tag), name.to_owned()))
}

/// `uint8`, `unsigned long`.
fn known<'a>() -> impl Rule<'a, (Option<TypeTag>, String)> {
    let c_words = select! { Token::Ident(name) if is_c_word(name) => name }
        .repeated()
        .at_least(1)
        .collect::<Vec<_>>()
        .map(|words| (None, words.join(" ")));
    let single = select! { Token::Ident(name) if is_type_word(name) => (None, name.to_owned()) };
    c_words.or(single)
}

/// `typeof(...)`, which is not here yet.
fn type_of<'a>() -> impl Rule<'a, (Option<TypeTag>, String)> {
    word("typeof").then(super::skip::group(Sym::OpenParen)).validate(|_, e, emitter| {
        emitter.emit(ParseError::from(Diagnostic::error(e.span(), "`typeof` is not supported yet")));
        (None, "typeof".to_owned())
    })
}

fn any_name<'a>() -> impl Rule<'a, (Option<TypeTag>, String)> {
    select! { Token::Ident(name) => (None, name.to_owned()) }
}

/// A name with the pointers and array lengths behind it.
fn with_suffixes<'a>(name: impl Rule<'a, (Option<TypeTag>, String)>, least_pointers: usize) -> impl Rule<'a, TypeName> {
    let pointer = sym(Sym::Star).to(TypeSuffix::Pointer);
    let length = select! { Token::Int(length, _) => length }.or_not();
    let array = length.delimited_by(sym(Sym::OpenSquare), sym(Sym::CloseSquare)).map(TypeSuffix::Array);
    let least = pointer.clone().repeated().exactly(least_pointers).collect::<Vec<_>>();
    let more = pointer.or(array).repeated().collect::<Vec<_>>();
    name.then(least).then(more).map_with(|(((tag, name), mut suffixes), more), e| {
        suffixes.extend(more);
        TypeName { base: TypeBase::Named { tag, name }, suffixes, span: e.span() }
    })
}

/// A type where only a type may stand: after `let $x:`.
pub(super) fn type_name<'a>() -> impl Rule<'a, TypeName> {
    with_suffixes(choice((tagged(), known(), type_of(), any_name())), 0).labelled(Expect::Type)
}

/// A type that cannot be taken for an expression: a known word, a tag, or a name with pointers behind it.
pub(super) fn certain_type<'a>() -> impl Rule<'a, TypeName> {
    choice((with_suffixes(choice((tagged(), known(), type_of())), 0), with_suffixes(any_name(), 1)))
        .then_ignore(sym(Sym::CloseParen).rewind())
}

/// `(type)` before an operand.
///
/// A single unknown name in parentheses is a type only if an operand follows that could not follow an expression:
/// `(foo)$x` casts, `(pid) - 1` subtracts.
pub(super) fn cast<'a>() -> impl Rule<'a, TypeName> {
    let operand = select! {
        Token::Int(..) | Token::Str(_) | Token::Ident(_) | Token::Var(_) | Token::Map(_) | Token::Param(_) => (),
        Token::Sym(Sym::OpenParen | Sym::Bang | Sym::Tilde) => (),
    };
    let certain = certain_type().then_ignore(sym(Sym::CloseParen));
    let unknown = with_suffixes(any_name(), 0).then_ignore(sym(Sym::CloseParen)).then_ignore(operand.rewind());
    sym(Sym::OpenParen).ignore_then(certain.or(unknown))
}
