//! What stands outside of probes, and the order in which it may stand there.
//!
//! The lexer has made sure of the frame of each item and of the `;` behind it; see `lexer::items`.

use super::error::ParseError;
use super::input::{Rule, sym, word};
use super::skip;
use crate::ast::{ConfigItem, ConfigValue, Import, Macro, MapDecl, Name, Probe, Script};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token, string};
use crate::span::Span;
use chumsky::prelude::*;

/// One item of a script.
#[derive(Clone)]
pub(super) enum Item {
    Config(Vec<ConfigItem>, Span),
    Import(Import),
    Map(MapDecl),
    Macro(Macro),
    Probe(Probe),
    /// Could not be understood; a diagnostic tells why.
    Broken,
}

/// An item that is no probe.
pub(super) fn item<'a>() -> impl Rule<'a, Item> {
    let with_end = choice((config(), import())).then_ignore(sym(Sym::Semicolon));
    let item = with_end.or(map_declaration()).recover_with(via_parser(broken()));
    // What the lexer leaves of a broken frame.
    item.or(sym(Sym::Semicolon).to(Item::Broken)).boxed()
}

/// Steps over an item with an error in it. Probes have no such errors: theirs stand in statements.
fn broken<'a>() -> impl Rule<'a, Item> {
    let keyword = choice((word("config"), word("import"), word("let")));
    keyword.then(skip::rest_of_statement()).then(sym(Sym::Semicolon).or_not()).to(Item::Broken)
}

/// `config = { name = value; name = value }`
fn config<'a>() -> impl Rule<'a, Item> {
    let assignment = assignment()
        .then_ignore(choice((sym(Sym::Semicolon), sym(Sym::CloseBrace).rewind())))
        .map(Some)
        .recover_with(via_parser(skip::statement().to(None)));
    let keyword = word("config").map_with(|_, e| -> Span { e.span() });
    let block = assignment
        .repeated()
        .collect::<Vec<_>>()
        .delimited_by(sym(Sym::OpenBrace), sym(Sym::CloseBrace))
        .map(|items| items.into_iter().flatten().collect());
    keyword.then_ignore(sym(Sym::Assign)).then(block).map(|(span, items)| Item::Config(items, span))
}

fn assignment<'a>() -> impl Rule<'a, ConfigItem> {
    let name = select! { Token::Ident(name) => name.to_owned() };
    let name = name.or(anything("expected the name of a config variable").to(String::new()));
    let value = select! {
        Token::Int(value, _) => ConfigValue::Number(value),
        Token::Str(raw) => ConfigValue::Text(String::from_utf8_lossy(&string::unescape(raw)).into_owned()),
        Token::Ident("true") => ConfigValue::Number(1),
        Token::Ident("false") => ConfigValue::Number(0),
        Token::Ident(word) => ConfigValue::Text(word.to_owned()),
    };
    let value = value.or(anything("expected string, int, boolean, or ident").to(ConfigValue::Number(0)));
    name.map_with(|text, e| Name { text, span: e.span() })
        .then_ignore(sym(Sym::Assign))
        .then(value)
        .map_with(|(name, value), e| ConfigItem { name, value, span: e.span() })
}

/// Takes what is there up to the next sign of the block and tells that it should be something else.
fn anything<'a>(title: &'static str) -> impl Rule<'a, ()> {
    let sign = choice((sym(Sym::Semicolon), sym(Sym::CloseBrace), sym(Sym::Assign)));
    let tokens = sign.not().ignore_then(any()).repeated().at_least(1).collect::<Vec<_>>();
    tokens.validate(move |tokens, e, emitter| {
        // Of what is no token the lexer has told.
        if !tokens.contains(&Token::Bad) {
            emitter.emit(ParseError::from(Diagnostic::error(e.span(), title)));
        }
    })
}

/// `import "path";`
fn import<'a>() -> impl Rule<'a, Item> {
    let path = select! { Token::Str(raw) => String::from_utf8_lossy(&string::unescape(raw)).into_owned() };
    word("import").ignore_then(path).map_with(|path, e| Item::Import(Import { path, span: e.span() }))
}

/// `let @name = kind(entries);`
fn map_declaration<'a>() -> impl Rule<'a, Item> {
    let name = select! { Token::Map(name) => name.to_owned() }.map_with(|text, e| Name { text, span: e.span() });
    let kind = select! { Token::Ident(name) => name.to_owned() }.map_with(|text, e| Name { text, span: e.span() });
    let number = select! { Token::Int(entries, _) => entries };
    let nothing = sym(Sym::CloseParen).map_with(|_, e| -> Span { e.span() }).rewind();
    let something = skip::inside_brackets().map_with(|(), e| -> Span { e.span() });
    let entries = number.or(nothing.or(something).validate(|span, _, emitter| {
        // A bracket that the lexer has added is told of.
        if span.start < span.end {
            let title = "expected positive integer for map declaration max entries";
            emitter.emit(ParseError::from(Diagnostic::error(span, title)));
        }
        1
    }));
    let head = word("let").ignore_then(name).then_ignore(sym(Sym::Assign)).then(kind);
    let entries = entries.delimited_by(sym(Sym::OpenParen), sym(Sym::CloseParen));
    head.then(entries).then_ignore(sym(Sym::Semicolon)).map_with(|((name, kind), entries), e| {
        let span: Span = e.span();
        Item::Map(MapDecl { name, kind, entries, span })
    })
}

/// Puts the items where they belong, and tells of those that stand in the wrong order.
pub(super) fn assemble(items: Vec<Item>, mut report: impl FnMut(Diagnostic)) -> Script {
    let mut script = Script::default();
    let mut has_config = false;
    // Probes, macros and map declarations come after config and imports.
    let mut in_main_part = false;
    for item in items {
        match item {
            Item::Config(..) if in_main_part => {
                let Item::Config(_, span) = item else { continue };
                report(Diagnostic::error(span, "config must appear before probes and functions"));
            }
            Item::Config(_, span) if has_config => report(Diagnostic::error(span, "duplicate config block")),
            Item::Config(items, _) => {
                has_config = true;
                script.config = items;
            }
            Item::Import(import) => {
                if in_main_part {
                    report(Diagnostic::error(import.span, "root imports must appear before probes and functions"));
                }
                script.imports.push(import);
            }
            Item::Map(map) => {
                in_main_part = true;
                script.maps.push(map);
            }
            Item::Macro(found) => {
                in_main_part = true;
                script.macros.push(found);
            }
            Item::Probe(probe) => {
                in_main_part = true;
                script.probes.push(probe);
            }
            Item::Broken => {}
        }
    }
    script
}
