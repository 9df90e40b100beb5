//! Operators: arithmetic, comparisons, and the choices that conditions make.

use super::Lowering;
use super::call::known;
use crate::layout::SiteKind;
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::ast::{BinaryOp, UnaryOp};
use lang::functions::FunctionId;
use lang::typed::{Expr, ExprKind};
use lang::types::Type;

impl Lowering<'_, '_> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &Expr) -> Value {
        let value = self.scalar(operand);
        let result = match op {
            UnaryOp::Neg => self.builder.ins().ineg(value),
            UnaryOp::BitNot => self.builder.ins().bnot(value),
            UnaryOp::Not => {
                let zero = self.compare(IntCC::Equal, value, 0);
                return self.builder.ins().uextend(types::I64, zero);
            }
            UnaryOp::Deref | UnaryOp::AddressOf => unreachable!("checked: refused"),
        };
        match operand.ty.as_int() {
            // An unsigned operand keeps its width: `~(uint8)5` is 250.
            Some(int) if !int.signed && !int.suits_both_signs() => self.convert(result, &operand.ty),
            _ => result,
        }
    }

    pub(super) fn arithmetic(&mut self, op: BinaryOp, left: &Expr, right: &Expr, whole: &Expr) -> Value {
        let a = self.scalar(left);
        let b = self.scalar(right);
        self.at(whole.span);
        let signed = left.ty.is_signed() || right.ty.is_signed();
        match op {
            BinaryOp::Add => self.builder.ins().iadd(a, b),
            BinaryOp::Sub => self.builder.ins().isub(a, b),
            BinaryOp::Mul => self.builder.ins().imul(a, b),
            BinaryOp::BitAnd => self.builder.ins().band(a, b),
            BinaryOp::BitOr => self.builder.ins().bor(a, b),
            BinaryOp::BitXor => self.builder.ins().bxor(a, b),
            BinaryOp::Shl => self.builder.ins().ishl(a, b),
            BinaryOp::Shr if left.ty.is_signed() => self.builder.ins().sshr(a, b),
            BinaryOp::Shr => self.builder.ins().ushr(a, b),
            BinaryOp::Div | BinaryOp::Rem => {
                let constant = match right.kind {
                    ExprKind::Int(value) => Some(value),
                    _ => None,
                };
                self.divide(op == BinaryOp::Rem, a, b, signed, constant, whole)
            }
            _ => unreachable!("comparisons and logic are lowered elsewhere"),
        }
    }

    /// Division; by zero it gives 1 and says so.
    pub(super) fn divide(
        &mut self,
        modulo: bool,
        a: Value,
        b: Value,
        signed: bool,
        by: Option<i64>,
        whole: &Expr,
    ) -> Value {
        // A divisor that the mid-end can see becomes a multiplication, which gains nothing here.
        let b = self.launder(b);
        if by.is_some_and(|by| by != 0) {
            return self.quotient(modulo, a, b, signed);
        }
        let (divide, zero, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let is_zero = self.compare(IntCC::Equal, b, 0);
        self.builder.ins().brif(is_zero, zero, &[], divide, &[]);
        self.builder.switch_to_block(divide);
        let quotient = self.quotient(modulo, a, b, signed);
        self.builder.ins().jump(done, &[quotient.into()]);
        self.builder.switch_to_block(zero);
        self.in_branch(|this| this.report_site(SiteKind::DivisionByZero, whole.span));
        let one = self.int(1);
        self.builder.ins().jump(done, &[one.into()]);
        self.builder.switch_to_block(done);
        result
    }

    pub(super) fn quotient(&mut self, modulo: bool, a: Value, b: Value, signed: bool) -> Value {
        match (modulo, signed) {
            (false, true) => self.builder.ins().sdiv(a, b),
            (false, false) => self.builder.ins().udiv(a, b),
            (true, true) => self.builder.ins().srem(a, b),
            (true, false) => self.builder.ins().urem(a, b),
        }
    }

    pub(super) fn comparison(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Value {
        let flag = self.comparison_flag(op, left, right);
        self.builder.ins().uextend(types::I64, flag)
    }

    /// A comparison as Cranelift's 8-bit truth.
    pub(super) fn comparison_flag(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Value {
        if matches!(left.ty, Type::Inet | Type::MacAddr) {
            let equal = if op == BinaryOp::Eq { IntCC::Equal } else { IntCC::NotEqual };
            return self.addresses_compared(equal, left, right);
        }
        if !left.ty.is_scalar() {
            let difference = match left.ty {
                Type::Str(_) => self.text_difference(left, right),
                _ => self.slot_difference(left, right),
            };
            let condition = if op == BinaryOp::Eq { IntCC::Equal } else { IntCC::NotEqual };
            return self.compare(condition, difference, 0);
        }
        let a = self.scalar(left);
        let b = self.scalar(right);
        let signed = left.ty.is_signed() || right.ty.is_signed();
        let condition = match (op, signed) {
            (BinaryOp::Eq, _) => IntCC::Equal,
            (BinaryOp::Ne, _) => IntCC::NotEqual,
            (BinaryOp::Lt, true) => IntCC::SignedLessThan,
            (BinaryOp::Le, true) => IntCC::SignedLessThanOrEqual,
            (BinaryOp::Gt, true) => IntCC::SignedGreaterThan,
            (BinaryOp::Ge, true) => IntCC::SignedGreaterThanOrEqual,
            (BinaryOp::Lt, false) => IntCC::UnsignedLessThan,
            (BinaryOp::Le, false) => IntCC::UnsignedLessThanOrEqual,
            (BinaryOp::Gt, false) => IntCC::UnsignedGreaterThan,
            (BinaryOp::Ge, false) => IntCC::UnsignedGreaterThanOrEqual,
            _ => unreachable!("only comparisons come here"),
        };
        self.builder.ins().icmp(condition, a, b)
    }

    /// A value that is zero exactly when two tuples, records or arrays are equal.
    pub(super) fn slot_difference(&mut self, left: &Expr, right: &Expr) -> Value {
        let ty = left.ty.join(&right.ty).expect("checked: they can be compared");
        let mark = self.mark();
        let [a, b] = [left, right].map(|side| {
            let to = self.temporary(ty.slot_size());
            self.store(side, &ty, to);
            to
        });
        let difference =
            self.difference(ty.slot_size(), |this, at| (this.load_word(a.plus(at)), this.load_word(b.plus(at))));
        self.reset(mark);
        difference
    }

    /// Jumps to `yes` or `no` as the condition says. Both blocks are left to be filled.
    pub fn branch(&mut self, cond: &Expr, yes: Block, no: Block) {
        match &cond.kind {
            ExprKind::Unary(UnaryOp::Not, operand) => self.branch(operand, no, yes),
            ExprKind::Call(FunctionId::Filter, args) => {
                self.at(cond.span);
                self.filter_branch(known(&args[0]), yes, no);
            }
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
                let more = self.builder.create_block();
                match op {
                    BinaryOp::And => self.branch(left, more, no),
                    _ => self.branch(left, yes, more),
                }
                self.builder.switch_to_block(more);
                self.in_branch(|this| this.branch(right, yes, no));
            }
            ExprKind::Binary(op, left, right) if op.is_comparison() => {
                let flag = self.comparison_flag(*op, left, right);
                self.builder.ins().brif(flag, yes, &[], no, &[]);
            }
            ExprKind::InSubnet { address, subnet } => {
                let flag = self.in_subnet(address, *subnet);
                self.builder.ins().brif(flag, yes, &[], no, &[]);
            }
            _ => {
                let value = self.scalar(cond);
                let flag = self.compare(IntCC::NotEqual, value, 0);
                self.builder.ins().brif(flag, yes, &[], no, &[]);
            }
        }
    }

    /// A condition with branches in it as 0 or 1.
    pub(super) fn truth(&mut self, cond: &Expr) -> Value {
        self.choose(cond, |this| this.int(1), |this| this.int(0))
    }

    /// The value unless it is zero; it is computed once.
    pub(super) fn or_else(&mut self, value: &Expr, other: &Expr) -> Value {
        let (other_block, done) = (self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let value = self.scalar(value);
        let is_set = self.compare(IntCC::NotEqual, value, 0);
        self.builder.ins().brif(is_set, done, &[value.into()], other_block, &[]);
        self.builder.switch_to_block(other_block);
        let other = self.in_branch(|this| this.scalar(other));
        self.builder.ins().jump(done, &[other.into()]);
        self.builder.switch_to_block(done);
        result
    }

    pub(super) fn choose(
        &mut self,
        cond: &Expr,
        yes: impl FnOnce(&mut Self) -> Value,
        no: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (yes_block, no_block, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        self.branch(cond, yes_block, no_block);
        self.builder.switch_to_block(yes_block);
        let value = self.in_branch(yes);
        self.builder.ins().jump(done, &[value.into()]);
        self.builder.switch_to_block(no_block);
        let value = self.in_branch(no);
        self.builder.ins().jump(done, &[value.into()]);
        self.builder.switch_to_block(done);
        result
    }

    pub(super) fn choose_unit(&mut self, cond: &Expr, yes: impl FnOnce(&mut Self), no: impl FnOnce(&mut Self)) {
        let (yes_block, no_block, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        self.branch(cond, yes_block, no_block);
        self.builder.switch_to_block(yes_block);
        self.in_branch(yes);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(no_block);
        self.in_branch(no);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }
}
