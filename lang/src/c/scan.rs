//! Names in headers of the kernel that were included but not read.
//!
//! Such headers are made for the kernel's own compilation, and BTF has their types. What it lacks are numbers with names
//! that are macros. A name that looks like one is looked for in the lines `#define` of these headers and of those that
//! they include, whatever the conditions around them.

use super::constants;
use super::lex::{Kind, Reader, Tok};
use super::preprocess::{Macro, Preprocessor, definition};
use crate::span::Span;
use hashbrown::{HashMap, HashSet};

/// This many headers are looked through.
const MOST_HEADERS: usize = 300;

/// The macro of this name in one of the headers.
pub(super) fn find<'p, 'a>(preprocessor: &'p mut Preprocessor<'a>, name: &str) -> Option<&'p Macro<'a>> {
    let looks_like_constant = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.len() > 2
        && !name.contains(|c: char| c.is_ascii_lowercase());
    if !looks_like_constant || preprocessor.deferred.is_empty() || constants::find(name).is_some() {
        return None;
    }
    if preprocessor.weak.is_none() {
        let found = read(preprocessor);
        preprocessor.weak = Some(found);
    }
    preprocessor.weak.as_ref()?.get(name)
}

/// All macros of the headers.
fn read<'a>(preprocessor: &Preprocessor<'a>) -> HashMap<&'a str, Macro<'a>> {
    let mut macros = HashMap::new();
    let mut seen = HashSet::new();
    let mut names: Vec<String> = preprocessor.deferred.iter().rev().cloned().collect();
    while let Some(name) = names.pop() {
        if seen.len() >= MOST_HEADERS || !seen.insert(name.clone()) {
            continue;
        }
        let Some(header) = preprocessor.headers.machine_header(&name) else { continue };
        let Some(text) = preprocessor.texts.keep(header.text) else { break };
        let mut included = Vec::new();
        let mut reader = Reader::of_other(text, Span::default());
        while let Some(token) = reader.next() {
            if !(token.starts_line && token.is("#")) {
                continue;
            }
            let line = reader.line();
            match line.split_first() {
                Some((word, rest)) if word.is("define") => {
                    if let Ok((name, definition)) = definition(rest)
                        && !definition.body.is_empty()
                    {
                        macros.entry(name).or_insert(definition);
                    }
                }
                Some((word, rest)) if word.is("include") => included.extend(named(rest, &name)),
                _ => {}
            }
        }
        names.extend(included.into_iter().rev());
    }
    macros
}

/// The header that a line `#include` of the header `from` names.
fn named(line: &[Tok<'_>], from: &str) -> Option<String> {
    let first = line.first()?;
    if first.is("<") {
        return Some(line[1..].iter().take_while(|token| !token.is(">")).map(|token| token.text).collect());
    }
    let beside = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    (first.kind == Kind::Str).then(|| format!("{beside}/{}", first.text.trim_matches('"')))
}
