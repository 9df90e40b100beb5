//! The parser as a whole: trees, messages, and what it does with text that nobody would write.

mod deep;
mod messages;
pub(crate) mod robust;
mod trees;

use super::{Parse, parse};
use crate::carets;

/// Checks the diagnostics of a script against the remarks in it.
#[track_caller]
fn check(marked: &str) -> Parse {
    carets::check(marked, |text| {
        let parsed = parse(text);
        let diagnostics = parsed.diagnostics.clone();
        (parsed, diagnostics)
    })
}
