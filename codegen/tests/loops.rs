//! Loops: the instruction at their head, and bodies that become functions of their own.

mod common;

use codegen::allocate::allocate;
use codegen::backend;
use codegen::encode::{Code, encode};
use codegen::interp::Machine;
use codegen::object::{Object, Options, compile};
use codegen::optimise::prepare;
use codegen::select::{Features, select};
use codegen::symbol::Symbol;
use common::evaluate::CONTEXT;
use common::generate::{build, function};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, MemFlagsData, types};
use lang::target::fake::FakeTarget;
use lang::{Settings, check, parse};

/// Adds up the numbers below the context's first; each turn begins with `may_goto`, and is `length` operations longer
/// than it needs to be.
fn counting(length: i64) -> ir::Function {
    build(|b, context| {
        let may_goto = function(b, Symbol::MayGoto, 0);
        let [head, check, turn, done] = [(); 4].map(|()| b.create_block());
        let [number, sum] = [(); 2].map(|()| b.append_block_param(head, types::I64));
        let end = b.ins().load(types::I64, MemFlagsData::trusted(), context, 0);
        let zero = b.ins().iconst(types::I64, 0);
        b.ins().jump(head, &[BlockArg::Value(zero), BlockArg::Value(zero)]);
        b.switch_to_block(head);
        let call = b.ins().call(may_goto, &[]);
        let is_used_up = b.inst_results(call)[0];
        b.ins().brif(is_used_up, done, &[], check, &[]);
        b.switch_to_block(check);
        let goes_on = b.ins().icmp(IntCC::UnsignedLessThan, number, end);
        b.ins().brif(goes_on, turn, &[], done, &[]);
        b.switch_to_block(turn);
        let mut term = number;
        for n in 0..length {
            let constant = b.ins().iconst(types::I64, n | 1);
            let mixed = b.ins().imul(term, constant);
            let mixed = b.ins().bxor(mixed, number);
            term = b.ins().bxor(mixed, mixed);
            term = b.ins().bxor(term, number);
        }
        let sum_now = b.ins().iadd(sum, term);
        let one = b.ins().iconst(types::I64, 1);
        let next = b.ins().iadd(number, one);
        b.ins().jump(head, &[BlockArg::Value(next), BlockArg::Value(sum_now)]);
        b.switch_to_block(done);
        sum
    })
}

fn run(code: &Code, end: u64) -> u64 {
    let region = (CONTEXT, end.to_le_bytes().to_vec());
    Machine::new(vec![region]).run(&code.insns, CONTEXT).expect("the program ends")
}

#[test]
fn a_loop_asks_at_its_head() {
    let features = Features { alu_v4: true };
    for optimise in [true, false] {
        let options = backend::Options { optimise, keep_clif: false };
        let code = backend::compile(counting(0), &features, options).expect("the function is well formed").code;
        assert_eq!(code.insns.iter().filter(|insn| insn.code == 0xe5).count(), 1);
        assert!(code.insns.iter().all(|insn| insn.code != 0x85), "nothing is called");
        assert_eq!([run(&code, 0), run(&code, 1), run(&code, 101)], [0, 0, 5050]);
    }
}

#[test]
fn the_end_of_a_long_loop_is_in_reach() {
    let features = Features { alu_v4: true };
    let selected = select(&prepare(counting(10_000)).expect("well formed"), &features).expect("can be selected");
    let code = encode(&allocate(selected).expect("can be allocated"), &features).expect("has long jumps");
    let at = code.insns.iter().position(|insn| insn.code == 0xe5).expect("it asks");
    let codes: Vec<u8> = code.insns[at..at + 3].iter().map(|insn| insn.code).collect();
    assert_eq!((codes, code.insns[at].off, code.insns[at + 1].off), (vec![0xe5, 0x05, 0x06], 1, 1));
    assert_eq!(run(&code, 10), 45);
}

#[test]
fn only_a_branch_can_ask() {
    let func = build(|b, _| {
        let may_goto = function(b, Symbol::MayGoto, 0);
        let call = b.ins().call(may_goto, &[]);
        b.inst_results(call)[0]
    });
    assert!(select(&prepare(func).expect("well formed"), &Features { alu_v4: true }).is_err());
}

fn compiled(script: &str) -> Object {
    let parsed = parse(script);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let checked = check(&parsed.script, &FakeTarget, &Settings::default());
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    compile(&checked.program, &FakeTarget, &Options::default()).expect("it can be compiled")
}

#[test]
fn bodies_that_are_called_follow_the_program_with_their_lines() {
    let script = "begin { @m[1] = 1; for ($a : @m) { for ($b : @m) { @x = 77; } } for ($c : @m) { @y = 88; } }
        end { for ($d : @m) { @z = 99; } }";
    let object = compiled(script);
    let functions: Vec<Vec<u32>> = object
        .programs
        .iter()
        .map(|program| program.linked().iter().map(|function| function.number).collect())
        .collect();
    assert_eq!(functions, [vec![0, 1, 2], vec![3]]);
    for program in &object.programs {
        let mut slot = program.code.insns.len();
        let mut lines = Vec::new();
        for function in program.linked() {
            let spans = (slot..slot + function.code.insns.len()).filter_map(|slot| program.span_at(slot as u32));
            lines.push(spans.map(|span| &script[span.start as usize..span.end as usize]).collect::<Vec<_>>());
            slot += function.code.insns.len();
        }
        assert_eq!(program.span_at(slot as u32), None, "nothing follows");
        let expected = if program.functions.len() == 3 { vec!["", "@x = 77", "@y = 88"] } else { vec!["@z = 99"] };
        for (lines, expected) in lines.iter().zip(expected) {
            assert!(expected.is_empty() || lines.contains(&expected), "{expected} in {lines:?}");
        }
    }
}

#[test]
fn a_program_has_no_more_functions_than_the_kernel_allows() {
    let script = "begin { @m[1] = 1; unroll(100) { for ($a : @m) { for ($b : @m) { for ($c : @m) { @x++; } } } } }";
    let parsed = parse(script);
    let checked = check(&parsed.script, &FakeTarget, &Settings::default());
    let refusal = compile(&checked.program, &FakeTarget, &Options::default()).expect_err("300 functions");
    assert!(refusal.title.contains("300 functions"), "{}", refusal.title);
}

#[test]
fn a_long_probe_becomes_parts() {
    let stmts: String = (0..1000).map(|n| format!("@m[{n}] = {n}; ")).collect();
    let object = compiled(&format!("begin {{ {stmts} }}"));
    let [program] = &object.programs[..] else { panic!("one program") };
    assert!(program.functions.len() > 5 && program.functions.iter().all(|function| function.is_global));
    let short = compiled("begin { @m[1] = 1; unroll(100) { @m[2] = 2; } }");
    assert!(short.programs[0].functions.is_empty());
}
