//! Selection of loads, stores and atomics, and of the addresses they use.

use super::{Root, Selector};
use crate::error::CodegenError;
use crate::vcode::{Address, Alu, Inst, Operand, Rmw, Size, Unary, Virtual, Width};
use cranelift_codegen::ir::{self, AtomicRmwOp, InstructionData, Opcode, Type, Value, types};

impl Selector<'_> {
    pub(super) fn load(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let Some(dst) = self.result(inst, 0) else {
            return Ok(());
        };
        let (opcode, base, offset) = match self.func.dfg.insts[inst] {
            InstructionData::Load { opcode, arg, offset, .. } => (opcode, arg, i64::from(offset)),
            InstructionData::LoadNoOffset { opcode, arg, .. } => (opcode, arg, 0),
            _ => return Err(self.unsupported(inst, "no such load")),
        };
        let ty = self.ty(self.func.dfg.first_result(inst));
        let from = self.address(base, offset);
        let narrow = match opcode {
            Opcode::Sload8 => types::I8,
            Opcode::Sload16 => types::I16,
            Opcode::Sload32 => types::I32,
            _ => {
                let size = access_size(opcode, ty);
                self.emit(Inst::Load { size, signed: false, dst, from });
                return Ok(());
            }
        };
        self.load_signed(dst, ty, narrow, from);
        Ok(())
    }

    fn load_signed(&mut self, dst: Virtual, ty: Type, narrow: Type, from: Address<Virtual>) {
        let size = size_of(narrow);
        let whole = if ty == types::I64 { dst } else { self.fresh() };
        if self.features.alu_v4 {
            self.emit(Inst::Load { size, signed: true, dst: whole, from });
        } else {
            let raw = self.fresh();
            self.emit(Inst::Load { size, signed: false, dst: raw, from });
            self.sign_extend_into(whole, Width::W64, narrow, raw);
        }
        if ty != types::I64 {
            self.truncate_into(ty, dst, whole);
        }
    }

    pub(super) fn store(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let (opcode, [value, base], offset) = match self.func.dfg.insts[inst] {
            InstructionData::Store { opcode, args, offset, .. } => (opcode, args, i64::from(offset)),
            InstructionData::StoreNoOffset { opcode, args, .. } => (opcode, args, 0),
            _ => return Err(self.unsupported(inst, "no such store")),
        };
        let size = access_size(opcode, self.ty(value));
        let value = match self.constant(value) {
            // What lies above the stored bits does not matter, so any constant of up to 32 bits fits.
            Some(constant) if size != Size::B64 => Operand::Imm(constant as i32),
            Some(constant) => self.immediate(constant, Width::W64),
            None => {
                let value = self.low_part(value, size.bits());
                Operand::Reg(self.reg(value))
            }
        };
        let to = self.address(base, offset);
        self.emit(Inst::Store { size, to, value });
        Ok(())
    }

    /// A value with the same low bits and fewer conversions.
    fn low_part(&self, mut value: Value, bits: u32) -> Value {
        loop {
            match self.definition(value) {
                Some((_, &InstructionData::Unary { opcode: Opcode::Ireduce, arg })) => value = arg,
                Some((_, &InstructionData::Unary { opcode: Opcode::Uextend | Opcode::Sextend, arg }))
                    if self.ty(arg).bits() >= bits =>
                {
                    value = arg
                }
                _ => return value,
            }
        }
    }

    /// The address `base + offset`, with as much as possible in the instruction.
    pub(super) fn address(&mut self, base: Value, offset: i64) -> Address<Virtual> {
        match self.root(base) {
            Some((Root::Slot(slot), start)) => {
                if let Ok(offset) = i32::try_from(start + offset) {
                    return Address::Slot(slot, offset);
                }
            }
            Some((root, start)) if (0..super::MAX_ADDEND).contains(&(start + offset)) => {
                let reg = self.fresh();
                self.emit_root(reg, root, start + offset);
                return Address::Base(reg, 0);
            }
            _ => {}
        }
        let (mut base, mut offset) = (base, offset);
        while let Some((next, constant)) = self.plus_constant(base) {
            if i16::try_from(offset.wrapping_add(constant)).is_err() {
                break;
            }
            offset = offset.wrapping_add(constant);
            base = next;
        }
        let reg = self.reg(base);
        match i16::try_from(offset) {
            Ok(offset) => Address::Base(reg, offset),
            Err(_) => Address::Base(self.alu_imm(Alu::Add, Width::W64, reg, offset), 0),
        }
    }

    /// The parts of `x + constant` and `x - constant`.
    fn plus_constant(&self, value: Value) -> Option<(Value, i64)> {
        let (_, data) = self.definition(value)?;
        match *data {
            InstructionData::Binary { opcode: Opcode::Iadd, args: [a, b] } => {
                match (self.constant(a), self.constant(b)) {
                    (_, Some(constant)) => Some((a, constant)),
                    (Some(constant), _) => Some((b, constant)),
                    _ => None,
                }
            }
            InstructionData::Binary { opcode: Opcode::Isub, args: [a, b] } => {
                Some((a, self.constant(b)?.wrapping_neg()))
            }
            _ => None,
        }
    }

    pub(super) fn atomic_rmw(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let InstructionData::AtomicRmw { op, args: [base, value], .. } = self.func.dfg.insts[inst] else {
            return Err(self.unsupported(inst, "no such atomic"));
        };
        let size = self.atomic_size(inst, value)?;
        let mut value = self.reg(value);
        let op = match op {
            AtomicRmwOp::Add => Rmw::Add,
            AtomicRmwOp::And => Rmw::And,
            AtomicRmwOp::Or => Rmw::Or,
            AtomicRmwOp::Xor => Rmw::Xor,
            AtomicRmwOp::Xchg => Rmw::Xchg,
            AtomicRmwOp::Sub => {
                let negative = self.fresh();
                self.emit(Inst::Unary { op: Unary::Neg(Width::W64), dst: negative, src: value });
                value = negative;
                Rmw::Add
            }
            _ => {
                return Err(self.unsupported(inst, "eBPF has only add, sub, and, or, xor and xchg"));
            }
        };
        let to = self.address(base, 0);
        let dst = match (self.result(inst, 0), op) {
            // An exchange always gives the old value.
            (None, Rmw::Xchg) => Some(self.fresh()),
            (dst, _) => dst,
        };
        self.emit(Inst::Atomic { op, size, to, value, dst });
        Ok(())
    }

    pub(super) fn atomic_cas(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let InstructionData::AtomicCas { args: [base, expected, value], .. } = self.func.dfg.insts[inst] else {
            return Err(self.unsupported(inst, "no such atomic"));
        };
        let size = self.atomic_size(inst, value)?;
        let dst = self.result(inst, 0).unwrap_or_else(|| self.fresh());
        let expected = self.reg(expected);
        let value = self.reg(value);
        let to = self.address(base, 0);
        self.emit(Inst::CompareExchange { size, to, expected, value, dst });
        Ok(())
    }

    fn atomic_size(&self, inst: ir::Inst, value: Value) -> Result<Size, CodegenError> {
        match size_of(self.ty(value)) {
            size @ (Size::B32 | Size::B64) => Ok(size),
            _ => Err(self.unsupported(inst, "atomics work on 32 and 64 bits")),
        }
    }
}

/// How much a load or store of a value of this type touches.
fn access_size(opcode: Opcode, ty: Type) -> Size {
    match opcode {
        Opcode::Uload8 | Opcode::Istore8 => Size::B8,
        Opcode::Uload16 | Opcode::Istore16 => Size::B16,
        Opcode::Uload32 | Opcode::Istore32 => Size::B32,
        _ => size_of(ty),
    }
}

pub(super) fn size_of(ty: Type) -> Size {
    match ty {
        types::I8 => Size::B8,
        types::I16 => Size::B16,
        types::I32 => Size::B32,
        _ => Size::B64,
    }
}
