//! How long a function takes to compile. Prints, and fails only if something has gone badly wrong.

mod common;

use codegen::backend::{Options, compile};
use codegen::select::Features;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

#[test]
fn a_function_compiles_in_well_under_a_millisecond() {
    let funcs: Vec<_> = (1..=100).map(common::generate::random).collect();
    let mut insns = 0;
    // The processor's, of this thread: the machine may be busy.
    let time = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let start = time();
    for func in &funcs {
        let compiled = compile(func.clone(), &Features { alu_v4: true }, Options::default());
        insns += compiled.expect("a generated function is well formed").code.insns.len();
    }
    let each = (time() - start) / funcs.len() as u32;
    eprintln!("{each:?} for a function of {} instructions on average", insns / funcs.len());
    // A debug build checks everything twice, in a tenth of this.
    assert!(each.as_millis() < 30);
}
