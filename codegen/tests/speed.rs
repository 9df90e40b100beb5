//! How long a function takes to compile. Prints, and fails only if something has gone badly wrong.

mod common;

use codegen::backend::{Options, compile};
use codegen::select::Features;
use std::time::Instant;

#[test]
fn a_function_compiles_in_well_under_a_millisecond() {
    let funcs: Vec<_> = (1..=100).map(common::generate::random).collect();
    let mut insns = 0;
    let start = Instant::now();
    for func in &funcs {
        let compiled = compile(func.clone(), &Features { alu_v4: true }, Options::default());
        insns += compiled.expect("a generated function is well formed").code.insns.len();
    }
    let each = start.elapsed() / funcs.len() as u32;
    eprintln!("{each:?} for a function of {} instructions on average", insns / funcs.len());
    // Debug builds check everything twice, and the machine may be busy.
    assert!(each.as_millis() < 200);
}
