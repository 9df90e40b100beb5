//! Selection of arithmetic: one or two instructions for most, more where the kernel is old or the type narrow.

use super::{Selector, signed, width_of};
use crate::error::CodegenError;
use crate::vcode::{Alu, Cond, Inst, Operand, Size, Test, Unary, Virtual, Width};
use cranelift_codegen::ir::{self, Opcode, Type, Value, types};

impl Selector<'_> {
    pub(super) fn arithmetic(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let opcode = self.func.dfg.insts[inst].opcode();
        let args: Vec<Value> = self.func.dfg.inst_args(inst).to_vec();
        if opcode == Opcode::UaddOverflow {
            self.add_overflow(inst, args[0], args[1]);
            return Ok(());
        }
        let Some(dst) = self.result(inst, 0) else {
            return Ok(());
        };
        let ty = self.ty(self.func.dfg.first_result(inst));
        match (opcode, &args[..]) {
            (Opcode::Iadd, &[a, b]) => self.commutative(dst, ty, Alu::Add, a, b),
            (Opcode::Imul, &[a, b]) => self.commutative(dst, ty, Alu::Mul, a, b),
            (Opcode::Band, &[a, b]) => self.and(dst, ty, a, b),
            (Opcode::Bor, &[a, b]) => self.commutative(dst, ty, Alu::Or, a, b),
            (Opcode::Bxor, &[a, b]) => self.commutative(dst, ty, Alu::Xor, a, b),
            (Opcode::Isub, &[a, b]) => self.sub(dst, ty, a, b),
            (Opcode::Udiv, &[a, b]) => self.divide(dst, ty, Alu::Div, a, b),
            (Opcode::Urem, &[a, b]) => self.divide(dst, ty, Alu::Mod, a, b),
            (Opcode::Sdiv, &[a, b]) => self.divide_signed(dst, ty, Alu::Sdiv, a, b),
            (Opcode::Srem, &[a, b]) => self.divide_signed(dst, ty, Alu::Smod, a, b),
            (Opcode::Ishl, &[a, b]) => self.shift(dst, ty, Alu::Lsh, a, b),
            (Opcode::Ushr, &[a, b]) => self.shift(dst, ty, Alu::Rsh, a, b),
            (Opcode::Sshr, &[a, b]) => self.shift(dst, ty, Alu::Arsh, a, b),
            (Opcode::Ineg, &[a]) => {
                let src = self.reg(a);
                self.narrow(dst, ty, |s, dst| s.emit(Inst::Unary { op: Unary::Neg(width_of(ty)), dst, src }));
            }
            (Opcode::Bnot, &[a]) => {
                let src = self.reg(a);
                let mask = Operand::Imm(if ty.bits() < 32 { (1 << ty.bits()) - 1 } else { -1 });
                self.alu_into(dst, Alu::Xor, width_of(ty), src, mask);
            }
            (Opcode::Iabs, &[a]) => {
                let src = self.sign_extended(a);
                let width = width_of(ty);
                let sign = self.sign_mask(src, width);
                self.narrow(dst, ty, |s, dst| s.conditional_negate_into(dst, src, sign, width));
            }
            (Opcode::Ireduce, &[a]) => {
                let src = self.reg(a);
                self.truncate_into(ty, dst, src);
            }
            // Reached only if a value is wanted by its own name.
            (Opcode::Uextend, &[a]) => {
                let src = self.reg(a);
                self.move_into(dst, src);
            }
            (Opcode::Sextend, &[a]) => {
                let src = self.reg(a);
                let from = self.ty(a);
                self.narrow(dst, ty, |s, dst| s.sign_extend_into(dst, width_of(ty), from, src));
            }
            (Opcode::Iconst | Opcode::StackAddr | Opcode::SymbolValue | Opcode::FuncAddr, _) => {
                let value = self.func.dfg.first_result(inst);
                let src = self.reg(value);
                self.move_into(dst, src);
            }
            _ => return Err(self.unsupported(inst, "no such instruction")),
        }
        Ok(())
    }

    /// Emits into `dst` what `body` computes, with the bits above a narrow type cleared.
    fn narrow(&mut self, dst: Virtual, ty: Type, body: impl FnOnce(&mut Self, Virtual)) {
        if ty.bits() >= 32 {
            body(self, dst);
        } else {
            let raw = self.fresh();
            body(self, raw);
            self.truncate_into(ty, dst, raw);
        }
    }

    fn commutative(&mut self, dst: Virtual, ty: Type, op: Alu, a: Value, b: Value) {
        let (a, b) = if self.constant(a).is_some() { (b, a) } else { (a, b) };
        let width = width_of(ty);
        let lhs = self.reg(a);
        let rhs = self.operand(b, width);
        match op {
            // These cannot carry into the bits above.
            Alu::Or | Alu::Xor => self.alu_into(dst, op, width, lhs, rhs),
            _ => self.narrow(dst, ty, |s, dst| s.alu_into(dst, op, width, lhs, rhs)),
        }
    }

    fn and(&mut self, dst: Virtual, ty: Type, a: Value, b: Value) {
        let (a, b) = if self.constant(a).is_some() { (b, a) } else { (a, b) };
        let lhs = self.reg(a);
        if self.constant(b) == Some(0xffff_ffff) {
            return self.emit(Inst::Move { width: Width::W32, dst, src: lhs });
        }
        let rhs = self.operand(b, width_of(ty));
        self.alu_into(dst, Alu::And, width_of(ty), lhs, rhs);
    }

    fn sub(&mut self, dst: Virtual, ty: Type, a: Value, b: Value) {
        let width = width_of(ty);
        let lhs = self.reg(a);
        let (op, rhs) = match self.constant(b) {
            Some(constant) => (Alu::Add, self.immediate(signed(constant, ty).wrapping_neg(), width)),
            None => (Alu::Sub, Operand::Reg(self.reg(b))),
        };
        self.narrow(dst, ty, |s, dst| s.alu_into(dst, op, width, lhs, rhs));
    }

    /// Unsigned division. The kernel refuses an immediate 0, so what a division by 0 gives is spelled out.
    fn divide(&mut self, dst: Virtual, ty: Type, op: Alu, a: Value, b: Value) {
        if self.constant(b) == Some(0) {
            return self.divide_by_zero(dst, op, a);
        }
        let lhs = self.reg(a);
        let rhs = self.operand(b, width_of(ty));
        self.alu_into(dst, op, width_of(ty), lhs, rhs);
    }

    fn divide_by_zero(&mut self, dst: Virtual, op: Alu, a: Value) {
        match op {
            Alu::Div | Alu::Sdiv => self.emit(Inst::Constant { dst, value: 0 }),
            _ => {
                let src = self.reg(a);
                self.move_into(dst, src);
            }
        }
    }

    fn divide_signed(&mut self, dst: Virtual, ty: Type, op: Alu, a: Value, b: Value) {
        let width = width_of(ty);
        let constant = self.constant(b).map(|constant| signed(constant, ty));
        match (constant, op) {
            (Some(0), _) => return self.divide_by_zero(dst, op, a),
            // The smallest number divided by -1 is an exception on some machines, which old kernels do not catch.
            (Some(-1), Alu::Smod) => return self.emit(Inst::Constant { dst, value: 0 }),
            (Some(-1), _) => {
                let src = self.reg(a);
                return self.narrow(dst, ty, |s, dst| s.emit(Inst::Unary { op: Unary::Neg(width), dst, src }));
            }
            _ => {}
        }
        let lhs = self.sign_extended(a);
        let rhs = match constant {
            Some(constant) => self.immediate(constant, width),
            None => Operand::Reg(self.sign_extended(b)),
        };
        self.narrow(dst, ty, |s, dst| {
            if s.features.alu_v4 {
                s.alu_into(dst, op, width, lhs, rhs);
            } else {
                s.divide_by_signs(dst, width, op, lhs, rhs);
            }
        });
    }

    /// Signed division for kernels that have none: divide the absolute values and give the result its sign.
    fn divide_by_signs(&mut self, dst: Virtual, width: Width, op: Alu, lhs: Virtual, rhs: Operand<Virtual>) {
        let rhs = match rhs {
            Operand::Reg(rhs) => rhs,
            Operand::Imm(imm) => self.constant_reg(imm.into()),
        };
        let lhs_sign = self.sign_mask(lhs, width);
        let rhs_sign = self.sign_mask(rhs, width);
        let lhs = self.conditional_negate(lhs, lhs_sign, width);
        let rhs = self.conditional_negate(rhs, rhs_sign, width);
        let (op, sign) = match op {
            Alu::Sdiv => (Alu::Div, self.alu_reg(Alu::Xor, width, lhs_sign, rhs_sign)),
            _ => (Alu::Mod, lhs_sign),
        };
        let magnitude = self.alu_reg(op, width, lhs, rhs);
        self.conditional_negate_into(dst, magnitude, sign, width);
    }

    /// All ones if a number is negative, else 0.
    pub(super) fn sign_mask(&mut self, src: Virtual, width: Width) -> Virtual {
        let last = if width == Width::W64 { 63 } else { 31 };
        self.alu_imm(Alu::Arsh, width, src, last)
    }

    fn conditional_negate(&mut self, src: Virtual, sign: Virtual, width: Width) -> Virtual {
        let dst = self.fresh();
        self.conditional_negate_into(dst, src, sign, width);
        dst
    }

    /// `src` where `sign` is 0, `-src` where it is all ones.
    fn conditional_negate_into(&mut self, dst: Virtual, src: Virtual, sign: Virtual, width: Width) {
        let flipped = self.alu_reg(Alu::Xor, width, src, sign);
        self.alu_into(dst, Alu::Sub, width, flipped, Operand::Reg(sign));
    }

    fn shift(&mut self, dst: Virtual, ty: Type, op: Alu, a: Value, b: Value) {
        let width = width_of(ty);
        let src = if op == Alu::Arsh { self.sign_extended(a) } else { self.reg(a) };
        let amount = match self.shift_amount(ty, b) {
            Operand::Imm(0) => {
                let src = self.reg(a);
                return self.move_into(dst, src);
            }
            amount => amount,
        };
        match op {
            Alu::Rsh => self.alu_into(dst, op, width, src, amount),
            _ => self.narrow(dst, ty, |s, dst| s.alu_into(dst, op, width, src, amount)),
        }
    }

    /// How far to shift: Cranelift takes the amount modulo the type's width, eBPF modulo 32 or 64.
    fn shift_amount(&mut self, ty: Type, amount: Value) -> Operand<Virtual> {
        let mask = ty.bits() as i32 - 1;
        if let Some(constant) = self.constant(amount) {
            return Operand::Imm(constant as i32 & mask);
        }
        let reg = self.reg(amount);
        if ty.bits() >= 32 {
            Operand::Reg(reg)
        } else {
            Operand::Reg(self.alu(Alu::And, Width::W32, reg, Operand::Imm(mask)))
        }
    }

    /// A register that holds a value of a narrow type with its sign extended to 32 bits; wider ones are as they are.
    pub(super) fn sign_extended(&mut self, value: Value) -> Virtual {
        let ty = self.ty(value);
        if let Some(constant) = self.constant(value) {
            return self.constant_reg(signed(constant, ty));
        }
        let src = self.reg(value);
        if ty.bits() >= 32 {
            return src;
        }
        let dst = self.fresh();
        self.sign_extend_into(dst, Width::W32, ty, src);
        dst
    }

    /// Extends the sign of a value of type `from` to a whole width.
    pub(super) fn sign_extend_into(&mut self, dst: Virtual, width: Width, from: Type, src: Virtual) {
        let size = match from {
            types::I8 => Size::B8,
            types::I16 => Size::B16,
            _ => Size::B32,
        };
        if self.features.alu_v4 {
            return self.emit(Inst::SignExtend { width, from: size, dst, src });
        }
        let unused = if width == Width::W64 { 64 } else { 32 } - from.bits() as i32;
        let high = self.alu(Alu::Lsh, width, src, Operand::Imm(unused));
        self.alu_into(dst, Alu::Arsh, width, high, Operand::Imm(unused));
    }

    /// An addition that also tells whether it overflowed.
    fn add_overflow(&mut self, inst: ir::Inst, a: Value, b: Value) {
        let ty = self.ty(a);
        let (sum, carry) = (self.result(inst, 0), self.result(inst, 1));
        if self.constant(b) == Some(0) {
            let src = self.reg(a);
            if let Some(sum) = sum {
                self.move_into(sum, src);
            }
            if let Some(carry) = carry {
                self.emit(Inst::Constant { dst: carry, value: 0 });
            }
            return;
        }
        let sum = sum.unwrap_or_else(|| self.fresh());
        self.commutative(sum, ty, Alu::Add, a, b);
        if let Some(dst) = carry {
            let rhs = self.operand(b, Width::W64);
            self.emit(Inst::SetIf { test: Test { cond: Cond::Lt, width: Width::W64, lhs: sum, rhs }, dst });
        }
    }
}
