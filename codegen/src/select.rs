//! Instruction selection: Cranelift IR to eBPF with virtual registers.
//!
//! Blocks are visited in postorder and each one backwards, so every use of a value is seen before its definition. An
//! instruction is translated only if it has an effect or somebody has asked for its result; constants, stack addresses
//! and symbols are never asked for by name but made anew at each use.
//!
//! INVARIANT: a register that holds an I8, I16 or I32 has zeros above. So `uextend` costs nothing, and a 32-bit context
//! field that the kernel turns into a pointer is never truncated by a move.

mod arithmetic;
mod bits;
mod compare;
mod control;
mod memory;

use crate::error::CodegenError;
use crate::symbol::Symbol;
use crate::vcode::{Alu, Block, Func, Inst, Label, Operand, Slot, Virtual, Width};
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{self, GlobalValueData, InstructionData, Opcode, SourceLoc, Type, Value, ValueDef, types};

/// What the kernel that will run the program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Signed division, sign-extending loads and moves, and long jumps (Linux 6.6).
    pub alu_v4: bool,
}

/// Translates a function. It must have been through `optimise` or `prepare`.
pub fn select(func: &ir::Function, features: &Features) -> Result<Func<Virtual>, CodegenError> {
    let cfg = ControlFlowGraph::with_function(func);
    let domtree = DominatorTree::with_function(func, &cfg);
    let mut selector = Selector::new(func, *features);
    selector.count_edges();
    for &block in domtree.cfg_postorder() {
        selector.block(block)?;
    }
    selector.lay_out(&domtree)
}

/// The state of selection.
struct Selector<'f> {
    func: &'f ir::Function,
    features: Features,
    /// The register of each value that somebody has asked for.
    wanted: SecondaryMap<Value, Option<Virtual>>,
    registers: u32,
    /// What the current instruction has become so far, in order.
    here: Vec<(Inst<Virtual>, SourceLoc)>,
    loc: SourceLoc,
    /// How many edges lead to each block.
    edges: SecondaryMap<ir::Block, u32>,
    /// Finished blocks. The label of a Cranelift block is its number; blocks made here come after.
    blocks: Vec<Option<Block<Virtual>>>,
    /// The blocks that were made for the edges and tables of each block.
    extra: SecondaryMap<ir::Block, Vec<Label>>,
    current: ir::Block,
}

/// An address that is known at compile time, but for where its object lies.
enum Root {
    Slot(Slot),
    Symbol(Symbol),
}

/// The largest offset into a data section that the kernel accepts.
const MAX_ADDEND: i64 = 1 << 29;

impl<'f> Selector<'f> {
    fn new(func: &'f ir::Function, features: Features) -> Self {
        Selector {
            func,
            features,
            wanted: SecondaryMap::new(),
            registers: 0,
            here: Vec::new(),
            loc: SourceLoc::default(),
            edges: SecondaryMap::new(),
            blocks: vec![None; func.dfg.num_blocks()],
            extra: SecondaryMap::new(),
            current: ir::Block::from_u32(0),
        }
    }

    /// Translates one block, from its end to its start.
    fn block(&mut self, block: ir::Block) -> Result<(), CodegenError> {
        self.current = block;
        let mut backwards = Vec::new();
        let mut args = Vec::new();
        for inst in self.func.layout.block_insts(block).rev() {
            self.loc = self.func.srcloc(inst);
            self.check_types(inst)?;
            if self.func.dfg.insts[inst].opcode().is_terminator() {
                args = self.terminator(inst)?;
            } else {
                self.inst(inst)?;
            }
            backwards.extend(self.here.drain(..).rev());
        }
        let params = self.params(block)?;
        backwards.extend(self.here.drain(..).rev());
        backwards.reverse();
        self.blocks[block.as_u32() as usize] = Some(Block { params, args, insts: backwards });
        Ok(())
    }

    /// The registers of a block's parameters. Those of the entry block are the function's and come from r1 to r5.
    fn params(&mut self, block: ir::Block) -> Result<Vec<Virtual>, CodegenError> {
        let params = self.func.dfg.block_params(block);
        if self.func.layout.entry_block() != Some(block) {
            return Ok(params.iter().map(|&param| self.named(param)).collect());
        }
        if params.len() > 5 {
            return Err(CodegenError::TooManyArguments { given: params.len() });
        }
        let mut entry = Vec::new();
        let mut narrow = Vec::new();
        for &param in params {
            let reg = self.named(param);
            let ty = self.ty(param);
            if ty == types::I64 {
                entry.push(reg);
            } else {
                let raw = self.fresh();
                entry.push(raw);
                narrow.push((ty, reg, raw));
            }
        }
        self.emit(Inst::Entry { params: entry });
        for (ty, reg, raw) in narrow {
            self.truncate_into(ty, reg, raw);
        }
        Ok(Vec::new())
    }

    /// Translates an instruction that does not end its block.
    fn inst(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let data = &self.func.dfg.insts[inst];
        let has_effect = data.opcode().can_store() || data.opcode().is_call() || data.opcode().other_side_effects();
        let is_wanted = self.func.dfg.inst_results(inst).iter().any(|&result| self.wanted[result].is_some());
        if !has_effect && !is_wanted && !data.opcode().can_trap() {
            return Ok(());
        }
        match data.opcode() {
            Opcode::Nop | Opcode::Fence | Opcode::SequencePoint => Ok(()),
            Opcode::Load
            | Opcode::Uload8
            | Opcode::Sload8
            | Opcode::Uload16
            | Opcode::Sload16
            | Opcode::Uload32
            | Opcode::Sload32
            | Opcode::AtomicLoad => self.load(inst),
            Opcode::Store | Opcode::Istore8 | Opcode::Istore16 | Opcode::Istore32 | Opcode::AtomicStore => {
                self.store(inst)
            }
            Opcode::AtomicRmw => self.atomic_rmw(inst),
            Opcode::AtomicCas => self.atomic_cas(inst),
            Opcode::Call => self.call(inst),
            Opcode::Trapz | Opcode::Trapnz | Opcode::Debugtrap | Opcode::UaddOverflowTrap => {
                Err(self.unsupported(inst, "eBPF cannot trap; return instead"))
            }
            _ if !is_wanted => Ok(()),
            Opcode::Icmp | Opcode::Select | Opcode::SelectSpectreGuard | Opcode::Bmask => self.conditional(inst),
            Opcode::Umin | Opcode::Umax | Opcode::Smin | Opcode::Smax => self.min_max(inst),
            Opcode::Rotl
            | Opcode::Rotr
            | Opcode::Clz
            | Opcode::Cls
            | Opcode::Ctz
            | Opcode::Popcnt
            | Opcode::Bswap
            | Opcode::Umulhi
            | Opcode::Smulhi => self.bits(inst),
            _ => self.arithmetic(inst),
        }
    }

    /// Only integers of 8 to 64 bits have a place in a register.
    fn check_types(&self, inst: ir::Inst) -> Result<(), CodegenError> {
        let dfg = &self.func.dfg;
        let is_fine =
            |value: &Value| matches!(dfg.value_type(*value), types::I8 | types::I16 | types::I32 | types::I64);
        if dfg.inst_results(inst).iter().chain(dfg.inst_args(inst)).all(is_fine) {
            Ok(())
        } else {
            Err(self.unsupported(inst, "only integers of 8, 16, 32 and 64 bits exist"))
        }
    }

    fn unsupported(&self, inst: ir::Inst, why: &'static str) -> CodegenError {
        CodegenError::Unsupported { what: self.func.dfg.display_inst(inst).to_string(), why }
    }

    fn emit(&mut self, inst: Inst<Virtual>) {
        self.here.push((inst, self.loc));
    }

    fn fresh(&mut self) -> Virtual {
        self.registers += 1;
        Virtual(self.registers - 1)
    }

    fn ty(&self, value: Value) -> Type {
        self.func.dfg.value_type(value)
    }

    /// The instruction that defines a value as its only result.
    fn definition(&self, value: Value) -> Option<(ir::Inst, &'f InstructionData)> {
        match self.func.dfg.value_def(self.func.dfg.resolve_aliases(value)) {
            ValueDef::Result(inst, _) => Some((inst, &self.func.dfg.insts[inst])),
            _ => None,
        }
    }

    /// The arguments of a value's definition, if that is an `opcode`.
    fn matches<const N: usize>(&self, value: Value, opcode: Opcode) -> Option<[Value; N]> {
        let (inst, data) = self.definition(value)?;
        if data.opcode() != opcode {
            return None;
        }
        self.func.dfg.inst_args(inst).try_into().ok()
    }

    /// The `n`th result of an instruction, if somebody wants it.
    fn result(&self, inst: ir::Inst, n: usize) -> Option<Virtual> {
        self.wanted[*self.func.dfg.inst_results(inst).get(n)?]
    }

    /// The register that a value has by name; from now on it is wanted.
    fn named(&mut self, value: Value) -> Virtual {
        let value = self.func.dfg.resolve_aliases(value);
        if let Some(reg) = self.wanted[value] {
            return reg;
        }
        let reg = self.fresh();
        self.wanted[value] = Some(reg);
        reg
    }

    /// A register that holds a value now.
    fn reg(&mut self, value: Value) -> Virtual {
        if let Some(constant) = self.constant(value) {
            return self.constant_reg(constant);
        }
        if let Some((root, offset)) = self.root(value) {
            let dst = self.fresh();
            self.emit_root(dst, root, offset);
            return dst;
        }
        if let Some(hidden) = self.laundered(value) {
            return self.reg(hidden);
        }
        if let Some([narrow]) = self.matches(value, Opcode::Uextend) {
            return self.reg(narrow);
        }
        if let Some([wide]) = self.matches(value, Opcode::Ireduce)
            && self.significant_bits(wide) <= self.ty(value).bits()
        {
            return self.reg(wide);
        }
        self.named(value)
    }

    /// The value behind a launder: lowering adds 0 with `uadd_overflow` to hide a value from the mid-end, as no pass
    /// merges or moves an instruction with two results. Here both are one register, so that whatever the verifier
    /// learns of one it knows of the other. What is made anew at each use keeps a register of its own.
    fn laundered(&self, value: Value) -> Option<Value> {
        let value = self.func.dfg.resolve_aliases(value);
        let (inst, _) = self.definition(value)?;
        let [hidden, zero] = self.matches(value, Opcode::UaddOverflow)?;
        let is_sum = self.func.dfg.first_result(inst) == value;
        let is_remade = self.constant(hidden).is_some() || self.root(hidden).is_some();
        (is_sum && self.constant(zero) == Some(0) && !is_remade).then_some(hidden)
    }

    /// A register that holds a constant.
    fn constant_reg(&mut self, value: i64) -> Virtual {
        let dst = self.fresh();
        self.emit(Inst::Constant { dst, value });
        dst
    }

    /// The value, if it is known at compile time, as its register holds it.
    fn constant(&self, value: Value) -> Option<i64> {
        let (_, data) = self.definition(value)?;
        match *data {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(truncate(imm.bits(), self.ty(value))),
            InstructionData::Unary { opcode: Opcode::Uextend, arg } => self.constant(arg),
            InstructionData::Unary { opcode: Opcode::Ireduce, arg } => {
                Some(truncate(self.constant(arg)?, self.ty(value)))
            }
            _ => None,
        }
    }

    /// The stack slot or symbol that a value is the address of, and how far behind its start.
    fn root(&self, value: Value) -> Option<(Root, i64)> {
        let (_, data) = self.definition(value)?;
        match *data {
            InstructionData::StackAddr { stack_slot, offset, .. } => {
                Some((Root::Slot(Slot(stack_slot.as_u32())), i64::from(offset)))
            }
            InstructionData::UnaryGlobalValue { opcode: Opcode::SymbolValue, global_value } => {
                match self.func.global_values[global_value] {
                    GlobalValueData::Symbol { ref name, offset, .. } => {
                        Some((Root::Symbol(Symbol::resolve(self.func, name)?), offset.bits()))
                    }
                    _ => None,
                }
            }
            InstructionData::FuncAddr { func_ref, .. } => {
                let name = &self.func.dfg.ext_funcs[func_ref].name;
                Some((Root::Symbol(Symbol::resolve(self.func, name)?), 0))
            }
            InstructionData::Binary { opcode: Opcode::Iadd, args: [left, right] } => {
                let (base, constant) = match (self.constant(left), self.constant(right)) {
                    (_, Some(constant)) => (left, constant),
                    (Some(constant), _) => (right, constant),
                    _ => return None,
                };
                let (root, offset) = self.root(base)?;
                let offset = offset.checked_add(constant)?;
                let is_in_reach = match root {
                    // The kernel checks that it is in the frame; nothing farther away could be.
                    Root::Slot(_) => offset.abs() < 1 << 15,
                    Root::Symbol(Symbol::Data(_)) => (0..MAX_ADDEND).contains(&offset),
                    Root::Symbol(_) => offset == 0,
                };
                is_in_reach.then_some((root, offset))
            }
            _ => None,
        }
    }

    fn emit_root(&mut self, dst: Virtual, root: Root, offset: i64) {
        // `root` has checked the range of the offset.
        let offset = offset as i32;
        self.emit(match root {
            Root::Slot(slot) => Inst::SlotAddress { dst, slot, offset },
            Root::Symbol(symbol) => Inst::SymbolAddress { dst, symbol, addend: offset },
        });
    }

    /// The second operand of an instruction: an immediate where it fits.
    fn operand(&mut self, value: Value, width: Width) -> Operand<Virtual> {
        match self.constant(value) {
            Some(constant) => self.immediate(constant, width),
            None => Operand::Reg(self.reg(value)),
        }
    }

    /// A constant as second operand: in the instruction where it fits, else in a register.
    fn immediate(&mut self, constant: i64, width: Width) -> Operand<Virtual> {
        match (width, i32::try_from(constant)) {
            (_, Ok(imm)) => Operand::Imm(imm),
            (Width::W32, Err(_)) => Operand::Imm(constant as i32),
            (Width::W64, Err(_)) => Operand::Reg(self.constant_reg(constant)),
        }
    }

    fn alu_into(&mut self, dst: Virtual, op: Alu, width: Width, lhs: Virtual, rhs: Operand<Virtual>) {
        self.emit(Inst::Alu { op, width, dst, lhs, rhs });
    }

    fn alu(&mut self, op: Alu, width: Width, lhs: Virtual, rhs: Operand<Virtual>) -> Virtual {
        let dst = self.fresh();
        self.alu_into(dst, op, width, lhs, rhs);
        dst
    }

    fn alu_imm(&mut self, op: Alu, width: Width, lhs: Virtual, imm: i64) -> Virtual {
        let rhs = self.immediate(imm, width);
        self.alu(op, width, lhs, rhs)
    }

    fn alu_reg(&mut self, op: Alu, width: Width, lhs: Virtual, rhs: Virtual) -> Virtual {
        self.alu(op, width, lhs, Operand::Reg(rhs))
    }

    fn move_into(&mut self, dst: Virtual, src: Virtual) {
        self.emit(Inst::Move { width: Width::W64, dst, src });
    }

    /// Clears whatever lies above a type's bits.
    fn truncate_into(&mut self, ty: Type, dst: Virtual, src: Virtual) {
        match ty.bits() {
            64 => self.move_into(dst, src),
            32 => self.emit(Inst::Move { width: Width::W32, dst, src }),
            bits => self.alu_into(dst, Alu::And, Width::W32, src, Operand::Imm((1 << bits) - 1)),
        }
    }

    /// How many low bits of a value's register can differ from 0.
    fn significant_bits(&self, value: Value) -> u32 {
        let all = self.ty(value).bits();
        if let Some(constant) = self.constant(value) {
            return 64 - (constant as u64).leading_zeros();
        }
        let Some((inst, data)) = self.definition(value) else {
            return all;
        };
        let args = self.func.dfg.inst_args(inst);
        match data.opcode() {
            Opcode::Uload8 => 8,
            Opcode::Uload16 => 16,
            Opcode::Uload32 => 32,
            Opcode::Icmp => 1,
            Opcode::Uextend => self.significant_bits(args[0]),
            Opcode::Band => self.significant_bits(args[0]).min(self.significant_bits(args[1])),
            Opcode::Ushr => match self.constant(args[1]) {
                Some(amount) => all - (amount as u32 & (all - 1)),
                None => all,
            },
            _ => all,
        }
    }
}

/// The width that arithmetic on a type is done in.
fn width_of(ty: Type) -> Width {
    if ty == types::I64 { Width::W64 } else { Width::W32 }
}

/// A constant as the register of its type holds it.
fn truncate(constant: i64, ty: Type) -> i64 {
    match ty.bits() {
        64 => constant,
        bits => constant & ((1 << bits) - 1),
    }
}

/// A constant in a register of its type as a signed number.
fn signed(constant: i64, ty: Type) -> i64 {
    let unused = 64 - ty.bits();
    constant << unused >> unused
}
