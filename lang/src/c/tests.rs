//! What declarations become.

mod layout;
mod messages;
mod preprocess;
mod robust;

use super::lex::{Reader, Tok};
use super::{Definitions, declare, tree};
use crate::ast::TypeTag;
use crate::ctypes::Struct;
use crate::diag::Diagnostic;
use crate::target::fake::FakeTarget;
use crate::types::Type;
use std::sync::Arc;

/// The definitions that a text makes, and what is wrong with it.
fn define(text: &str) -> (Definitions, Vec<Diagnostic>) {
    let tokens: Vec<Tok<'_>> = Reader::of_script(text, 0).collect();
    let mut declarations = tree::Declarations::default();
    let mut diagnostics = declare::declarations(&tokens, false, &mut declarations);
    let (definitions, found) = Definitions::new(&declarations, &FakeTarget);
    diagnostics.extend(found);
    (definitions, diagnostics)
}

/// The same for a text that is right.
#[track_caller]
fn defined(text: &str) -> Definitions {
    let (definitions, diagnostics) = define(text);
    assert_eq!(diagnostics, [], "{text}");
    definitions
}

#[track_caller]
fn record(definitions: &Definitions, tag: TypeTag, name: &str) -> Arc<Struct> {
    match definitions.find(Some(tag), name) {
        Some(Type::Struct(found)) => found,
        other => panic!("{name} is {other:?}"),
    }
}
