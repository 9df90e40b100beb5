//! The mid-end: Cranelift's own passes, and a repair of what they do to the verifier.
//!
//! Cranelift copies an addition or mask with a constant into each block that uses it, which is good for a CPU and bad
//! for the verifier: a bound that was checked on one copy is unknown of the other. So equal copies are merged again
//! wherever one dominates the other.

use crate::error::CodegenError;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{self, InstructionData, Opcode, Type, Value, ValueDef};
use cranelift_codegen::settings::{self, Configurable, Flags};
use hashbrown::HashMap;

/// Optimises a function.
pub fn optimise(func: ir::Function) -> Result<ir::Function, CodegenError> {
    let flags = flags();
    let mut context = start(func, &flags)?;
    context.egraph_pass(&flags, &mut ControlPlane::default()).map_err(verifier)?;
    // Cranelift's verifier refuses the blocks that folded branches have left behind.
    context.eliminate_unreachable_code(&flags).map_err(verifier)?;
    merge_copies(&mut context);
    finish(context, &flags)
}

/// Brings a function into the form that selection expects, and leaves it as it is otherwise. For a program that the
/// verifier refuses after `optimise`.
pub fn prepare(func: ir::Function) -> Result<ir::Function, CodegenError> {
    let flags = flags();
    let context = start(func, &flags)?;
    finish(context, &flags)
}

fn flags() -> Flags {
    let mut builder = settings::builder();
    // The verifier of the IR finds mistakes of ours, so it runs where we look for them.
    let enable = if cfg!(debug_assertions) { "true" } else { "false" };
    builder.set("enable_verifier", enable).expect("Cranelift has this setting");
    Flags::new(builder)
}

fn verifier(error: cranelift_codegen::CodegenError) -> CodegenError {
    CodegenError::Verifier(error.to_string())
}

fn start(func: ir::Function, flags: &Flags) -> Result<Context, CodegenError> {
    let mut context = Context::for_function(func);
    context.verify_if(flags).map_err(|error| describe(error, &context.func))?;
    context.compute_cfg();
    context.compute_domtree();
    context.eliminate_unreachable_code(flags).map_err(verifier)?;
    context.remove_constant_phis(flags).map_err(verifier)?;
    context.func.dfg.resolve_all_aliases();
    Ok(context)
}

fn describe(error: cranelift_codegen::CodegenError, func: &ir::Function) -> CodegenError {
    CodegenError::Verifier(match error {
        cranelift_codegen::CodegenError::Verifier(errors) => {
            cranelift_codegen::print_errors::pretty_verifier_error(func, None, errors)
        }
        error => error.to_string(),
    })
}

fn finish(context: Context, flags: &Flags) -> Result<ir::Function, CodegenError> {
    context.verify_if(flags).map_err(|error| describe(error, &context.func))?;
    Ok(context.func)
}

/// One side of an operation: constants are equal by value, everything else by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Constant(i64),
    Value(Value),
}

/// What an operation does, on what type, to what.
type Key = (Opcode, Type, Side, Side);

/// Merges operations on a value and a constant that are equal and of which one dominates the other.
fn merge_copies(context: &mut Context) {
    let mut known: HashMap<Key, Vec<(ir::Block, ir::Inst)>> = HashMap::new();
    let order: Vec<ir::Block> = context.domtree.cfg_rpo().copied().collect();
    let mut has_changed = false;
    for block in order {
        let mut next = context.func.layout.first_inst(block);
        while let Some(inst) = next {
            next = context.func.layout.next_inst(inst);
            let Some(key) = key(&context.func, inst) else {
                continue;
            };
            let earlier = known.entry(key).or_default();
            let dominating = earlier.iter().find(|(other, _)| context.domtree.block_dominates(*other, block));
            if let Some(&(_, original)) = dominating {
                context.func.dfg.replace_with_aliases(inst, original);
                context.func.layout.remove_inst(inst);
                has_changed = true;
            } else {
                earlier.push((block, inst));
            }
        }
    }
    if has_changed {
        context.func.dfg.resolve_all_aliases();
    }
}

/// What makes two copies of an operation equal; nothing if it is not one that Cranelift copies.
fn key(func: &ir::Function, inst: ir::Inst) -> Option<Key> {
    let side = |value: Value| {
        let value = func.dfg.resolve_aliases(value);
        match func.dfg.value_def(value) {
            ValueDef::Result(inst, _) => match func.dfg.insts[inst] {
                InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Side::Constant(imm.bits()),
                _ => Side::Value(value),
            },
            _ => Side::Value(value),
        }
    };
    let (opcode, left, right) = match func.dfg.insts[inst] {
        InstructionData::Binary {
            opcode: opcode @ (Opcode::Iadd | Opcode::Isub | Opcode::Band | Opcode::Bor | Opcode::Bxor),
            args: [left, right],
        } => (opcode, side(left), side(right)),
        InstructionData::Unary { opcode: Opcode::Bnot, arg } => (Opcode::Bnot, side(arg), Side::Constant(0)),
        _ => return None,
    };
    let has_constant = matches!(left, Side::Constant(_)) || matches!(right, Side::Constant(_));
    has_constant.then(|| (opcode, func.dfg.value_type(func.dfg.first_result(inst)), left, right))
}
