//! Random functions mean the same to an evaluator of Cranelift IR, to an interpreter of what we compile them to, and to
//! the kernel.
//!
//! `RTRACE_DIFFERENTIAL=<count>` runs more of them, `RTRACE_DIFFERENTIAL_SEED=<first>` starts elsewhere.

mod common;

use codegen::backend::{Options, compile};
use codegen::insn::listing;
use codegen::interp::Machine;
use codegen::select::Features;
use common::evaluate::{CONTEXT, evaluate};
use common::generate::{CONTEXT_ARGS, Numbers, random};
use common::kernel;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn evaluator_interpreter_and_kernel_agree() {
    let count = from_environment("RTRACE_DIFFERENTIAL", 300);
    let first = from_environment("RTRACE_DIFFERENTIAL_SEED", 1);
    let has_kernel = kernel::is_available();
    if !has_kernel {
        eprintln!("skipped: this process may not load eBPF programs, so the kernel was not asked");
    }
    let mut rejected = Vec::new();
    for seed in first..first + count {
        check_seed(seed, has_kernel, &mut rejected);
    }
    assert!(rejected.is_empty(), "{} rejected, first:\n{}", rejected.len(), rejected[0]);
}

fn check_seed(seed: u64, has_kernel: bool, rejected: &mut Vec<String>) {
    let func = random(seed);
    let mut numbers = Numbers::new(seed ^ 0x5555);
    for optimise in [true, false] {
        for alu_v4 in [true, false] {
            let options = Options { optimise, keep_clif: true };
            let compiled = match compile(func.clone(), &Features { alu_v4 }, options) {
                Ok(compiled) => compiled,
                Err(error) => panic!("seed {seed}: {error}\n{}", func.display()),
            };
            let text = || {
                let clif = compiled.clif.as_deref().unwrap_or_default();
                format!("{}\n{clif}\n{}", func.display(), listing(&compiled.code.insns))
            };
            let program = match has_kernel.then(|| kernel::load(&compiled.code.insns)).transpose() {
                Ok(program) => program,
                Err(log) => {
                    rejected.push(format!("seed {seed} optimise {optimise} v4 {alu_v4}: {log}\n{}", text()));
                    None
                }
            };
            for _ in 0..3 {
                let args: [u64; CONTEXT_ARGS] = std::array::from_fn(|_| numbers.constant());
                let expected = evaluate(&func, &args);
                let bytes = args.iter().flat_map(|arg| arg.to_le_bytes()).collect();
                let mut machine = Machine::new(vec![(CONTEXT, bytes)]);
                let found = machine.run(&compiled.code.insns, CONTEXT);
                assert_eq!(found, Ok(expected), "seed {seed} optimise {optimise} v4 {alu_v4} {args:x?}\n{}", text());
                if let Some(program) = &program {
                    let found = kernel::run(program, &args).expect("a loaded raw tracepoint program can be run");
                    assert_eq!(found, expected as u32, "kernel: seed {seed} {args:x?}\n{}", text());
                }
            }
        }
    }
}
