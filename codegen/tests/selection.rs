//! What small functions become, and what each idiom of lowering costs.

mod common;

use codegen::allocate::allocate;
use codegen::encode::encode;
use codegen::error::CodegenError;
use codegen::insn::listing;
use codegen::optimise::{optimise, prepare};
use codegen::select::{Features, select};
use codegen::symbol::{Section, Symbol};
use common::generate::{build, function, symbol_address};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Value, types};
use cranelift_frontend::FunctionBuilder;

/// What a function becomes, before and after registers are given out.
fn compiled(body: impl FnOnce(&mut FunctionBuilder, Value) -> Value) -> String {
    compiled_for(Features { alu_v4: true }, body)
}

fn compiled_for(features: Features, body: impl FnOnce(&mut FunctionBuilder, Value) -> Value) -> String {
    let func = optimise(build(body)).expect("the function is well formed");
    let selected = select(&func, &features).expect("the function can be selected");
    let text = selected.to_string();
    let allocated = allocate(selected).expect("the function can be allocated");
    let code = encode(&allocated, &features).expect("the function is short");
    format!("{text}---\n{}", listing(&code.insns))
}

fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

#[test]
fn a_chain_of_additions_is_an_offset() {
    insta::assert_snapshot!(compiled(|b, context| {
        let eight = b.ins().iconst(types::I64, 8);
        let next = b.ins().iadd(context, eight);
        let four = b.ins().iconst(types::I64, 4);
        let next = b.ins().iadd(next, four);
        b.ins().uload32(trusted(), next, 4)
    }));
}

#[test]
fn a_context_field_that_is_a_pointer_is_not_truncated() {
    insta::assert_snapshot!(compiled(|b, context| {
        let data = b.ins().load(types::I32, trusted(), context, 0);
        let end = b.ins().load(types::I32, trusted(), context, 4);
        let (data, end) = (b.ins().uextend(types::I64, data), b.ins().uextend(types::I64, end));
        let zero = b.ins().iconst(types::I64, 0);
        let data = b.ins().uadd_overflow(data, zero).0;
        let length = b.ins().iconst(types::I64, 14);
        let behind = b.ins().iadd(data, length);
        let [inside, outside] = [(); 2].map(|()| b.create_block());
        let is_inside = b.ins().icmp(IntCC::UnsignedLessThanOrEqual, behind, end);
        b.ins().brif(is_inside, inside, &[], outside, &[]);
        b.switch_to_block(outside);
        b.ins().return_(&[zero]);
        b.switch_to_block(inside);
        let protocol = b.ins().load(types::I16, trusted(), data, 12);
        b.ins().uextend(types::I64, protocol)
    }));
}

#[test]
fn a_lookup_is_laundered_for_nothing() {
    insta::assert_snapshot!(compiled(|b, _| {
        let slot = b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3));
        let key = b.ins().stack_addr(types::I64, slot, 0);
        let zero = b.ins().iconst(types::I64, 0);
        b.ins().store(trusted(), zero, key, 0);
        let map = symbol_address(b, Symbol::Map(3));
        let lookup = function(b, Symbol::Helper(1), 2);
        let call = b.ins().call(lookup, &[map, key]);
        let found = b.inst_results(call)[0];
        let found = b.ins().uadd_overflow(found, zero).0;
        let [hit, miss] = [(); 2].map(|()| b.create_block());
        b.ins().brif(found, hit, &[], miss, &[]);
        b.switch_to_block(hit);
        let one = b.ins().iconst(types::I64, 1);
        b.ins().atomic_rmw(types::I64, trusted(), ir::AtomicRmwOp::Add, found, one);
        b.ins().jump(miss, &[]);
        b.switch_to_block(miss);
        zero
    }));
}

#[test]
fn data_is_addressed_by_the_load_of_its_section() {
    insta::assert_snapshot!(compiled(|b, _| {
        let bss = symbol_address(b, Symbol::Data(Section::Bss));
        let sixteen = b.ins().iconst(types::I64, 16);
        let place = b.ins().iadd(bss, sixteen);
        let old = b.ins().load(types::I64, trusted(), place, 8);
        let value = b.ins().iconst(types::I32, 0xffff_ffff);
        b.ins().store(trusted(), value, place, 0);
        old
    }));
}

#[test]
fn an_old_kernel_divides_by_signs() {
    insta::assert_snapshot!(compiled_for(Features { alu_v4: false }, |b, context| {
        let a = b.ins().load(types::I64, trusted(), context, 0);
        let c = b.ins().load(types::I64, trusted(), context, 8);
        b.ins().sdiv(a, c)
    }));
}

#[test]
fn a_frame_that_is_too_big_is_an_error() {
    let func = build(|b, _| {
        let slot = b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 520, 3));
        let address = b.ins().stack_addr(types::I64, slot, 0);
        b.ins().load(types::I64, trusted(), address, 0)
    });
    let selected = select(&prepare(func).unwrap(), &Features { alu_v4: true }).unwrap();
    assert_eq!(allocate(selected).unwrap_err(), CodegenError::TooBig { used: 520, limit: 512 });
}

#[test]
fn a_trap_is_refused() {
    let func = build(|b, context| {
        b.ins().trapz(context, ir::TrapCode::unwrap_user(1));
        context
    });
    let error = select(&prepare(func).unwrap(), &Features { alu_v4: true }).unwrap_err();
    assert!(matches!(error, CodegenError::Unsupported { what, .. } if what.contains("trapz")));
}

/// A function so long that a jump over its middle does not fit 16 bits.
fn long() -> ir::Function {
    build(|b, context| {
        let [middle, end] = [(); 2].map(|()| b.create_block());
        let result = b.append_block_param(end, types::I64);
        let number = b.ins().load(types::I64, trusted(), context, 0);
        b.ins().brif(number, middle, &[], end, &[ir::BlockArg::Value(number)]);
        b.switch_to_block(middle);
        let mut sum = number;
        for n in 0..17_000 {
            let constant = b.ins().iconst(types::I64, n % 1000 + 3);
            sum = b.ins().imul(sum, constant);
            sum = b.ins().bxor(sum, number);
        }
        b.ins().jump(end, &[ir::BlockArg::Value(sum)]);
        b.switch_to_block(end);
        result
    })
}

#[test]
fn a_far_jump_is_a_long_one_or_an_error() {
    let prepared = prepare(long()).unwrap();
    let compile = |alu_v4| {
        let features = Features { alu_v4 };
        encode(&allocate(select(&prepared, &features).unwrap()).unwrap(), &features)
    };
    let code = compile(true).unwrap();
    assert!(code.insns.iter().any(|insn| insn.code == 0x06));
    for number in [0, 77] {
        let expected = common::evaluate::evaluate(&prepared, &[number]);
        let region = (common::evaluate::CONTEXT, number.to_le_bytes().to_vec());
        let found = codegen::interp::Machine::new(vec![region]).run(&code.insns, common::evaluate::CONTEXT);
        assert_eq!(found, Ok(expected));
    }
    assert!(matches!(compile(false), Err(CodegenError::TooLong { .. })));
}

/// Reads a byte of the stack at an index that is checked first, in a block of its own, each side adding the same 4.
fn checked_index() -> ir::Function {
    build(|b, context| {
        let slot = b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 16, 3));
        let zero = b.ins().iconst(types::I64, 0);
        for offset in [0, 8] {
            let address = b.ins().stack_addr(types::I64, slot, offset);
            let number = b.ins().load(types::I64, trusted(), context, 8 + offset);
            b.ins().store(trusted(), number, address, 0);
        }
        let raw = b.ins().load(types::I64, trusted(), context, 0);
        let index = b.ins().uadd_overflow(raw, zero).0;
        let four = b.ins().iconst(types::I64, 4);
        let moved = b.ins().iadd(index, four);
        let [inside, outside] = [(); 2].map(|()| b.create_block());
        let limit = b.ins().iconst(types::I64, 16);
        let is_inside = b.ins().icmp(IntCC::UnsignedLessThan, moved, limit);
        b.ins().brif(is_inside, inside, &[], outside, &[]);
        b.switch_to_block(outside);
        b.ins().return_(&[zero]);
        b.switch_to_block(inside);
        let four = b.ins().iconst(types::I64, 4);
        let moved = b.ins().iadd(index, four);
        let start = b.ins().stack_addr(types::I64, slot, 0);
        let address = b.ins().iadd(start, moved);
        b.ins().uload8(types::I64, trusted(), address, 0)
    })
}

#[test]
fn a_bound_that_was_checked_survives_the_mid_end() {
    if !common::kernel::is_available() {
        eprintln!("skipped: this process may not load eBPF programs");
        return;
    }
    let features = Features { alu_v4: true };
    let compiled = codegen::backend::compile(checked_index(), &features, codegen::backend::Options::default()).unwrap();
    let program = common::kernel::load(&compiled.code.insns)
        .unwrap_or_else(|log| panic!("{log}\n{}", listing(&compiled.code.insns)));
    let bytes = 0x0807_0605_0403_0201;
    assert_eq!(common::kernel::run(&program, &[3, bytes, bytes]).unwrap(), 8);
    assert_eq!(common::kernel::run(&program, &[12, bytes, bytes]).unwrap(), 0);
}
