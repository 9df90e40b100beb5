//! The checker as a whole: what it tells of mistakes, and which types it finds.

mod calls;
mod entries;
mod inference;
mod members;
mod messages;
mod packets;
mod verdicts;

use super::{Checked, Settings, check as check_script};
use crate::carets;
use crate::parse;
use crate::target::fake::FakeTarget;

fn checked(text: &str, settings: &Settings) -> Checked {
    let parsed = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    check_script(&parsed.script, &FakeTarget, settings)
}

/// Checks the diagnostics of a script against the remarks in it.
#[track_caller]
fn check(marked: &str) {
    check_with(&[], marked);
}

/// The same for a script with positional parameters.
#[track_caller]
fn check_with(params: &[&str], marked: &str) {
    let params = params.iter().map(|param| param.to_string()).collect();
    carets::check(marked, |text| {
        let checked = checked(text, &Settings { params, ..Settings::default() });
        ((), checked.diagnostics)
    });
}
