//! Selection of what eBPF has no instruction for: rotations, bit counts, byte order, the upper half of a product.
//!
//! All of it is straight-line code. Counting bits by branches would be shorter to run but costs the verifier a state
//! for each path.

use super::{Selector, memory, width_of};
use crate::error::CodegenError;
use crate::vcode::{Alu, Inst, Operand, Unary, Virtual, Width};
use cranelift_codegen::ir::{self, Opcode, Type, Value, types};

impl Selector<'_> {
    pub(super) fn bits(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let Some(dst) = self.result(inst, 0) else {
            return Ok(());
        };
        let ty = self.ty(self.func.dfg.first_result(inst));
        let opcode = self.func.dfg.insts[inst].opcode();
        match (opcode, self.func.dfg.inst_args(inst)) {
            (Opcode::Rotl | Opcode::Rotr, &[a, b]) => self.rotate(dst, ty, opcode, a, b),
            (Opcode::Popcnt, &[a]) => {
                let src = self.reg(a);
                self.count_into(dst, src, width_of(ty));
            }
            (Opcode::Clz, &[a]) => self.leading_zeros(dst, ty, a),
            (Opcode::Ctz, &[a]) => self.trailing_zeros(dst, ty, a),
            (Opcode::Bswap, &[a]) => {
                let src = self.reg(a);
                self.emit(Inst::Unary { op: Unary::Swap(memory::size_of(ty)), dst, src });
            }
            (Opcode::Umulhi, &[a, b]) => self.high_product(dst, ty, a, b),
            (Opcode::Smulhi, &[a, b]) => self.high_product_signed(dst, ty, a, b),
            _ => return Err(self.unsupported(inst, "no such instruction")),
        }
        Ok(())
    }

    fn rotate(&mut self, dst: Virtual, ty: Type, opcode: Opcode, a: Value, b: Value) {
        let width = width_of(ty);
        let src = self.reg(a);
        // A narrow value repeated to fill 32 bits rotates like a wide one.
        let src = match ty {
            types::I8 => self.alu_imm(Alu::Mul, Width::W32, src, 0x0101_0101),
            types::I16 => self.alu_imm(Alu::Mul, Width::W32, src, 0x0001_0001),
            _ => src,
        };
        let (forth, back) = match opcode {
            Opcode::Rotl => (Alu::Lsh, Alu::Rsh),
            _ => (Alu::Rsh, Alu::Lsh),
        };
        let bits = ty.bits().max(32) as i64;
        let (forth_by, back_by) = match self.constant(b) {
            Some(amount) => {
                let amount = amount & (ty.bits() as i64 - 1);
                if amount == 0 {
                    let src = self.reg(a);
                    return self.move_into(dst, src);
                }
                (Operand::Imm(amount as i32), Operand::Imm((bits - amount) as i32))
            }
            None => {
                // Shifts look at the low bits of the amount only, so the rest of the way round is its negative.
                let amount = self.reg(b);
                let negative = self.fresh();
                self.emit(Inst::Unary { op: Unary::Neg(Width::W64), dst: negative, src: amount });
                (Operand::Reg(amount), Operand::Reg(negative))
            }
        };
        let high = self.alu(forth, width, src, forth_by);
        let low = self.alu(back, width, src, back_by);
        let whole = self.alu_reg(Alu::Or, width, high, low);
        self.truncate_into(ty, dst, whole);
    }

    /// The number of bits set: sums of neighbours, in pairs, fours, eights, then all bytes by one multiplication.
    fn count_into(&mut self, dst: Virtual, src: Virtual, width: Width) {
        let spread = |byte: u64| match width {
            Width::W64 => (byte * 0x0101_0101_0101_0101) as i64,
            Width::W32 => (byte * 0x0101_0101) as i64,
        };
        let half = self.alu_imm(Alu::Rsh, width, src, 1);
        let half = self.alu_imm(Alu::And, width, half, spread(0x55));
        let pairs = self.alu_reg(Alu::Sub, width, src, half);
        let low = self.alu_imm(Alu::And, width, pairs, spread(0x33));
        let high = self.alu_imm(Alu::Rsh, width, pairs, 2);
        let high = self.alu_imm(Alu::And, width, high, spread(0x33));
        let fours = self.alu_reg(Alu::Add, width, low, high);
        let high = self.alu_imm(Alu::Rsh, width, fours, 4);
        let eights = self.alu_reg(Alu::Add, width, fours, high);
        let eights = self.alu_imm(Alu::And, width, eights, spread(0x0f));
        let sum = self.alu_imm(Alu::Mul, width, eights, spread(0x01));
        let top = if width == Width::W64 { 56 } else { 24 };
        self.alu_into(dst, Alu::Rsh, width, sum, Operand::Imm(top));
    }

    /// The bits above the highest one set: spread that one downwards, then count the rest.
    fn leading_zeros(&mut self, dst: Virtual, ty: Type, a: Value) {
        let width = width_of(ty);
        let bits = ty.bits() as i64;
        let mut smeared = self.reg(a);
        let mut shift = 1;
        while shift < bits {
            let shifted = self.alu_imm(Alu::Rsh, width, smeared, shift);
            smeared = self.alu_reg(Alu::Or, width, smeared, shifted);
            shift *= 2;
        }
        let mask = if bits < 32 { (1 << bits) - 1 } else { -1 };
        let rest = self.alu_imm(Alu::Xor, width, smeared, mask);
        self.count_into(dst, rest, width);
    }

    /// The bits below the lowest one set: `(x - 1) & !x` is exactly those.
    fn trailing_zeros(&mut self, dst: Virtual, ty: Type, a: Value) {
        let width = width_of(ty);
        let src = self.reg(a);
        // A bit just above a narrow type stops the count there.
        let src = if ty.bits() < 32 { self.alu_imm(Alu::Or, width, src, 1 << ty.bits()) } else { src };
        let below = self.alu_imm(Alu::Add, width, src, -1);
        let clear = self.alu_imm(Alu::Xor, width, src, -1);
        let ones = self.alu_reg(Alu::And, width, below, clear);
        self.count_into(dst, ones, width);
    }

    fn high_product(&mut self, dst: Virtual, ty: Type, a: Value, b: Value) {
        let (a, b) = (self.reg(a), self.reg(b));
        if ty == types::I64 {
            return self.high_product_into(dst, a, b);
        }
        let product = self.alu_reg(Alu::Mul, Width::W64, a, b);
        self.alu_into(dst, Alu::Rsh, Width::W64, product, Operand::Imm(ty.bits() as i32));
    }

    /// The upper half of a 128-bit product, from the four products of the halves of its factors.
    fn high_product_into(&mut self, dst: Virtual, a: Virtual, b: Virtual) {
        let w = Width::W64;
        let (a_low, b_low) = (self.low_half(a), self.low_half(b));
        let (a_high, b_high) = (self.alu_imm(Alu::Rsh, w, a, 32), self.alu_imm(Alu::Rsh, w, b, 32));
        let low = self.alu_reg(Alu::Mul, w, a_low, b_low);
        let cross_a = self.alu_reg(Alu::Mul, w, a_high, b_low);
        let cross_b = self.alu_reg(Alu::Mul, w, a_low, b_high);
        let high = self.alu_reg(Alu::Mul, w, a_high, b_high);
        // Neither sum can overflow: a product of halves leaves room for two more halves.
        let carry = self.alu_imm(Alu::Rsh, w, low, 32);
        let middle = self.alu_reg(Alu::Add, w, cross_a, carry);
        let middle_low = self.low_half(middle);
        let middle_high = self.alu_imm(Alu::Rsh, w, middle, 32);
        let other = self.alu_reg(Alu::Add, w, cross_b, middle_low);
        let other_high = self.alu_imm(Alu::Rsh, w, other, 32);
        let sum = self.alu_reg(Alu::Add, w, high, middle_high);
        self.alu_into(dst, Alu::Add, w, sum, Operand::Reg(other_high));
    }

    fn low_half(&mut self, src: Virtual) -> Virtual {
        let dst = self.fresh();
        self.emit(Inst::Move { width: Width::W32, dst, src });
        dst
    }

    fn high_product_signed(&mut self, dst: Virtual, ty: Type, a: Value, b: Value) {
        let w = Width::W64;
        if ty != types::I64 {
            let (a, b) = (self.sign_extended_to_64(a), self.sign_extended_to_64(b));
            let product = self.alu_reg(Alu::Mul, w, a, b);
            let high = self.alu_imm(Alu::Arsh, w, product, ty.bits() as i64);
            return self.truncate_into(ty, dst, high);
        }
        // A negative factor, read as unsigned, is too large by 2^64, which adds the other factor to the upper half.
        let (a, b) = (self.reg(a), self.reg(b));
        let unsigned = self.fresh();
        self.high_product_into(unsigned, a, b);
        let a_sign = self.sign_mask(a, w);
        let a_excess = self.alu_reg(Alu::And, w, a_sign, b);
        let b_sign = self.sign_mask(b, w);
        let b_excess = self.alu_reg(Alu::And, w, b_sign, a);
        let partly = self.alu_reg(Alu::Sub, w, unsigned, a_excess);
        self.alu_into(dst, Alu::Sub, w, partly, Operand::Reg(b_excess));
    }

    fn sign_extended_to_64(&mut self, value: Value) -> Virtual {
        let ty = self.ty(value);
        let src = self.reg(value);
        let dst = self.fresh();
        self.sign_extend_into(dst, Width::W64, ty, src);
        dst
    }
}
