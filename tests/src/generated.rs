//! Pages of the manual that are made by a test: what the repository has is what is made, or `RTRACE_BLESS=1` writes it.

use std::fs;

/// Compares a page in `docs` with what is made for it; with `RTRACE_BLESS` in the environment it is written first.
///
/// # Panics
/// If they differ, with the first lines that do.
#[track_caller]
pub fn compare(name: &str, made: &str) {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RTRACE_BLESS").is_some() {
        fs::write(&path, made).expect("the page can be written");
    }
    let there = fs::read_to_string(&path).expect("the page can be read");
    let differs = there.lines().zip(made.lines()).find(|(there, made)| there != made);
    assert!(there == made, "docs/{name} is not what is made of its source; RTRACE_BLESS=1 writes it anew: {differs:?}");
}
