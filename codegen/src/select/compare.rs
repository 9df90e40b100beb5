//! Selection of comparisons and of what hangs on them: flags, `select`, minima and maxima.

use super::{Selector, signed, width_of};
use crate::error::CodegenError;
use crate::vcode::{Alu, Cond, Inst, Operand, Test, Unary, Virtual, Width};
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{self, InstructionData, Opcode, Value, types};

impl Selector<'_> {
    /// Comparisons as values, and values that depend on one.
    pub(super) fn conditional(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let Some(dst) = self.result(inst, 0) else {
            return Ok(());
        };
        let ty = self.ty(self.func.dfg.first_result(inst));
        match self.func.dfg.insts[inst] {
            InstructionData::IntCompare { cond, args: [a, b], .. } => {
                let test = self.compare(cond, a, b);
                self.emit(Inst::SetIf { test, dst });
            }
            InstructionData::Unary { opcode: Opcode::Bmask, arg } => {
                let test = self.test(arg);
                let flag = self.fresh();
                self.emit(Inst::SetIf { test, dst: flag });
                let mask = self.fresh();
                self.emit(Inst::Unary { op: Unary::Neg(width_of(ty)), dst: mask, src: flag });
                self.truncate_into(ty, dst, mask);
            }
            InstructionData::Ternary { args: [condition, yes, no], .. } => {
                let test = self.test(condition);
                self.select_into(dst, test, yes, no);
            }
            _ => return Err(self.unsupported(inst, "no such instruction")),
        }
        Ok(())
    }

    fn select_into(&mut self, dst: Virtual, test: Test<Virtual>, yes: Value, no: Value) {
        // The second choice may be an immediate, so a constant first choice takes its place.
        match test.cond.inverse() {
            Some(inverse) if self.constant(yes).is_some() && self.constant(no).is_none() => {
                let test = Test { cond: inverse, ..test };
                let (yes, no) = (self.reg(no), self.operand(yes, Width::W64));
                self.emit(Inst::Select { test, dst, yes, no });
            }
            _ => {
                let (yes, no) = (self.reg(yes), self.operand(no, Width::W64));
                self.emit(Inst::Select { test, dst, yes, no });
            }
        }
    }

    pub(super) fn min_max(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let Some(dst) = self.result(inst, 0) else {
            return Ok(());
        };
        let InstructionData::Binary { opcode, args: [a, b] } = self.func.dfg.insts[inst] else {
            return Err(self.unsupported(inst, "no such instruction"));
        };
        let (a, b) = if self.constant(a).is_some() { (b, a) } else { (a, b) };
        let cond = match opcode {
            Opcode::Umin => IntCC::UnsignedLessThanOrEqual,
            Opcode::Umax => IntCC::UnsignedGreaterThanOrEqual,
            Opcode::Smin => IntCC::SignedLessThanOrEqual,
            _ => IntCC::SignedGreaterThanOrEqual,
        };
        let test = self.compare(cond, a, b);
        self.select_into(dst, test, a, b);
        Ok(())
    }

    /// The question whether a value is not 0. A comparison is asked again rather than looked up: the verifier learns
    /// bounds from comparisons, and nothing from flags.
    pub(super) fn test(&mut self, mut value: Value) -> Test<Virtual> {
        let mut is_inverted = false;
        while let Some((_, data)) = self.definition(value) {
            match *data {
                InstructionData::Unary { opcode: Opcode::Uextend, arg } => value = arg,
                InstructionData::IntCompare {
                    cond: cond @ (IntCC::Equal | IntCC::NotEqual),
                    args: [flag, zero],
                    ..
                } if self.constant(zero) == Some(0) && self.is_flag(flag) => {
                    is_inverted ^= cond == IntCC::Equal;
                    value = flag;
                }
                InstructionData::Binary { opcode: Opcode::Bxor, args: [flag, one] }
                    if self.constant(one) == Some(1) && self.is_flag(flag) =>
                {
                    is_inverted = !is_inverted;
                    value = flag;
                }
                InstructionData::IntCompare { cond, args: [a, b], .. } => {
                    let cond = if is_inverted { cond.complement() } else { cond };
                    return self.compare(cond, a, b);
                }
                _ => break,
            }
        }
        let cond = if is_inverted { Cond::Eq } else { Cond::Ne };
        Test { cond, width: Width::W64, lhs: self.reg(value), rhs: Operand::Imm(0) }
    }

    /// Whether a value is a comparison's result, perhaps extended.
    fn is_flag(&self, value: Value) -> bool {
        match self.definition(value) {
            Some((_, &InstructionData::Unary { opcode: Opcode::Uextend, arg })) => self.is_flag(arg),
            Some((_, data)) => data.opcode() == Opcode::Icmp,
            None => false,
        }
    }

    /// A comparison with its operands brought into shape.
    pub(super) fn compare(&mut self, cond: IntCC, a: Value, b: Value) -> Test<Virtual> {
        let (cond, a, b) = match (self.constant(a), self.constant(b)) {
            (Some(_), None) => (cond.swap_args(), b, a),
            _ => (cond, a, b),
        };
        let ty = self.ty(a);
        let is_signed = cond != cond.unsigned();
        let cond = translate(cond);
        match (ty, is_signed) {
            (types::I64, _) => self.test_of(cond, Width::W64, a, b),
            (types::I32, true) => self.test_of(cond, Width::W32, a, b),
            // The sign goes where a 32-bit comparison looks for it; shifting both sides keeps their order.
            (_, true) => {
                let shift = 32 - ty.bits() as i64;
                let lhs = self.reg(a);
                let lhs = self.alu_imm(Alu::Lsh, Width::W32, lhs, shift);
                let rhs = match self.constant(b) {
                    Some(constant) => Operand::Imm((signed(constant, ty) << shift) as i32),
                    None => {
                        let rhs = self.reg(b);
                        Operand::Reg(self.alu_imm(Alu::Lsh, Width::W32, rhs, shift))
                    }
                };
                Test { cond, width: Width::W32, lhs, rhs }
            }
            // Zeros above make the 64-bit comparison right, and the verifier learns more from it. Only a constant that
            // would be taken for a negative number needs the other.
            (_, false) => {
                let is_small = self.constant(b).is_none_or(|constant| i32::try_from(constant).is_ok());
                let width = if is_small { Width::W64 } else { Width::W32 };
                self.test_of(cond, width, a, b)
            }
        }
    }

    fn test_of(&mut self, cond: Cond, width: Width, a: Value, b: Value) -> Test<Virtual> {
        let lhs = self.reg(a);
        let rhs = self.operand(b, width);
        Test { cond, width, lhs, rhs }
    }
}

fn translate(cond: IntCC) -> Cond {
    match cond {
        IntCC::Equal => Cond::Eq,
        IntCC::NotEqual => Cond::Ne,
        IntCC::UnsignedGreaterThan => Cond::Gt,
        IntCC::UnsignedGreaterThanOrEqual => Cond::Ge,
        IntCC::UnsignedLessThan => Cond::Lt,
        IntCC::UnsignedLessThanOrEqual => Cond::Le,
        IntCC::SignedGreaterThan => Cond::Sgt,
        IntCC::SignedGreaterThanOrEqual => Cond::Sge,
        IntCC::SignedLessThan => Cond::Slt,
        IntCC::SignedLessThanOrEqual => Cond::Sle,
    }
}
