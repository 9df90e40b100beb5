//! Expressions: a scalar becomes a value, anything else is stored where it is wanted.

use super::Lowering;
use super::memory::Addr;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::ast::BinaryOp;
use lang::builtins::BuiltinId;
use lang::typed::{Expr, ExprKind, Stmt};
use lang::types::{IntType, Type};

impl Lowering<'_, '_> {
    /// The value of a scalar expression.
    pub fn scalar(&mut self, expr: &Expr) -> Value {
        debug_assert!(expr.ty.is_scalar(), "{} is not a scalar", expr.ty);
        match &expr.kind {
            ExprKind::Int(value) => self.int(*value),
            ExprKind::Var(var) => self.variable_value(self.variables[var.index()]),
            ExprKind::MapGet(map, keys) => self.map_get(*map, keys, expr.span),
            ExprKind::Delete(map, keys) => self.map_delete(*map, keys, expr.span),
            ExprKind::Builtin(BuiltinId::Retval) => {
                let access = self.unit.context.retval.as_ref().expect("checked: it returns a value").1;
                self.event_value(&access, &expr.ty)
            }
            ExprKind::Builtin(id) => self.builtin(*id),
            ExprKind::Call(id, args) => self.call_scalar(*id, args, expr),
            ExprKind::HasKey(map, keys) => self.map_has(*map, keys),
            ExprKind::Find { map, keys, var } => self.map_find(*map, keys, *var),
            ExprKind::MapLen(map) => self.map_length(*map, expr.span),
            ExprKind::EventField(index) => {
                let access = self.field(*index).access;
                self.event_value(&access, &expr.ty)
            }
            ExprKind::EventArg(number) => {
                let access = self.unit.context.args[usize::from(*number)];
                self.event_value(&access, &expr.ty)
            }
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..) => self.truth(expr),
            ExprKind::Binary(op, left, right) if op.is_comparison() => self.comparison(*op, left, right),
            ExprKind::Binary(op, left, right) => self.arithmetic(*op, left, right, expr),
            ExprKind::Ternary(cond, yes, no) => self.choose(cond, |this| this.scalar(yes), |this| this.scalar(no)),
            ExprKind::OrElse(value, other) => self.or_else(value, other),
            ExprKind::Item(tuple, index) => {
                let mark = self.mark();
                let item = self.item(tuple, *index);
                let value = self.load_word(item);
                self.reset(mark);
                value
            }
            ExprKind::Cast(value) if value.ty.is_scalar() => {
                let from = self.scalar(value);
                match (&expr.ty, value.ty.as_int()) {
                    // A number that becomes an address is not extended by its sign.
                    (Type::Pointer(..), Some(int)) => self.convert(from, &Type::Int(IntType { signed: false, ..int })),
                    (ty, _) => self.convert(from, ty),
                }
            }
            // The bytes of an array.
            ExprKind::Cast(value) => {
                let mark = self.mark();
                let place = self.place(value);
                let number = self.load_place(place, &expr.ty, None);
                self.reset(mark);
                number
            }
            ExprKind::StepVar { var, step, postfix } => {
                let place = self.variables[var.index()];
                let old = self.variable_value(place);
                let step = self.int(*step);
                let new = self.builder.ins().iadd(old, step);
                let new = self.convert(new, &self.unit.probe.vars[var.index()].ty.clone());
                self.set_variable_value(place, new);
                if *postfix { old } else { new }
            }
            ExprKind::StepMap { map, keys, step, postfix } => {
                let delta = self.int(*step);
                let old = self.map_add(*map, keys, delta, expr.span);
                if *postfix { old } else { self.builder.ins().iadd(old, delta) }
            }
            ExprKind::Deref(_) | ExprKind::Member { .. } | ExprKind::Element { .. } => {
                let mark = self.mark();
                let place = self.place(expr);
                self.at_read(expr);
                let bits = match expr.kind {
                    ExprKind::Member { bits, .. } => bits,
                    _ => None,
                };
                let value = self.load_place(place, &expr.ty, bits);
                self.reset(mark);
                value
            }
            ExprKind::AddressOf(place) => {
                let address = self.address_of(place);
                self.forget_target(address)
            }
            ExprKind::Block(stmts, value) => {
                self.block(stmts);
                self.scalar(value)
            }
            ExprKind::ReadAggregate(map, keys) => self.read_aggregate(*map, keys, expr.span),
            ExprKind::PacketByte(at) => self.packet_byte(at),
            ExprKind::InSubnet { address, subnet } => {
                let flag = self.in_subnet(address, *subnet);
                self.builder.ins().uextend(types::I64, flag)
            }
            ExprKind::Str(_) | ExprKind::Tuple(_) | ExprKind::Address(_) | ExprKind::ReadStr { .. } => {
                unreachable!("checked: texts and tuples are not scalars")
            }
        }
    }

    /// Stores the value of any expression at `to`, in slot layout and with its padding zeroed, for a slot of type `ty`
    /// (the expression's own, or one that is wider).
    pub fn store(&mut self, expr: &Expr, ty: &Type, to: Addr) {
        match (&expr.kind, ty) {
            (ExprKind::Block(stmts, value), _) => {
                self.block(stmts);
                self.store(value, ty, to);
            }
            (_, Type::Tuple(_) | Type::Record(_)) => self.store_items(expr, ty, to),
            (_, Type::Str(size)) => self.store_text(expr, *size, to),
            (ExprKind::Call(..), Type::Array(..)) => self.store_opaque(expr, ty, to),
            (ExprKind::Address(words), _) => self.store_address(words, to),
            (_, ty) if ty.is_opaque() => self.store_opaque(expr, ty, to),
            (ExprKind::Cast(value), Type::Array(..)) => self.store_as_array(value, ty, to),
            (_, Type::Array(..) | Type::Struct(_)) => self.store_whole(expr, ty, to),
            _ if expr.ty.is_scalar() => {
                let value = self.scalar(expr);
                self.store_word(value, to);
            }
            _ => unreachable!("checked: a value of type {} has no slot", expr.ty),
        }
    }

    /// Stores a value that only user space can show, or an array that a function gives.
    fn store_opaque(&mut self, expr: &Expr, ty: &Type, to: Addr) {
        match &expr.kind {
            ExprKind::Call(id, args) => {
                self.at(expr.span);
                self.call_store(*id, args, expr, &expr.ty, to);
                self.zero(to.plus(expr.ty.slot_size()), ty.slot_size() - expr.ty.slot_size());
            }
            ExprKind::Builtin(BuiltinId::Username) => {
                let user = self.builtin(BuiltinId::Uid);
                self.store_word(user, to);
            }
            _ => self.store_whole(expr, ty, to),
        }
    }

    /// Statements within an expression.
    fn block(&mut self, stmts: &[Stmt]) {
        self.stmts(stmts);
        if self.returned {
            // What would follow is never run, but it has to stand somewhere.
            let unreachable = self.builder.create_block();
            self.resume(unreachable);
        }
    }

    /// Stores a tuple or record. The items are computed in the order they are written, wherever their place is.
    fn store_items(&mut self, expr: &Expr, ty: &Type, to: Addr) {
        match &expr.kind {
            ExprKind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    let (item_ty, offset) = slot_of(ty, &expr.ty, index);
                    let item_ty = item_ty.clone();
                    self.store(item, &item_ty, to.plus(offset));
                }
            }
            _ => self.store_whole(expr, ty, to),
        }
    }

    /// Stores a value that is copied from somewhere as it is.
    pub fn store_whole(&mut self, expr: &Expr, ty: &Type, to: Addr) {
        match &expr.kind {
            ExprKind::Var(var) => {
                let from = self.variable_address(self.variables[var.index()]);
                self.copy_widening(from, &expr.ty, to, ty);
            }
            ExprKind::MapGet(map, keys) => {
                if let Some(from) = self.global_address(*map) {
                    return self.copy_widening(from, &expr.ty, to, ty);
                }
                let (there, missing, done) =
                    (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
                let from = self.map_address(*map, keys, there, missing, expr.span);
                self.copy_widening(Addr::new(from), &expr.ty, to, ty);
                self.builder.ins().jump(done, &[]);
                self.builder.switch_to_block(missing);
                self.zero_value(ty, to);
                self.builder.ins().jump(done, &[]);
                self.builder.switch_to_block(done);
            }
            ExprKind::ReadAggregate(map, keys) => self.store_stats(*map, keys, expr.span, to),
            ExprKind::Item(tuple, index) => {
                let from = self.item(tuple, *index);
                self.copy_widening(from, &expr.ty, to, ty);
            }
            ExprKind::Ternary(cond, yes, no) => {
                self.choose_unit(cond, |this| this.store(yes, ty, to), |this| this.store(no, ty, to));
            }
            ExprKind::Deref(_) | ExprKind::Member { .. } | ExprKind::Element { .. } | ExprKind::EventField(_) => {
                let mark = self.mark();
                let place = self.place(expr);
                self.at_read(expr);
                // What a pointer to a value of the script points to is a slot.
                let size = match &expr.ty {
                    Type::Tuple(_) | Type::Record(_) => expr.ty.slot_size(),
                    ty => ty.size_of() as u32,
                };
                self.store_place(place, size, ty.slot_size().max(size), to);
                self.reset(mark);
            }
            _ => unreachable!("checked: {} is no value that is copied", expr.ty),
        }
    }

    /// Where an item of a tuple lies, until the temporaries are given back.
    pub fn item(&mut self, tuple: &Expr, index: usize) -> Addr {
        let offset = tuple.ty.item_offset(index).expect("checked: the tuple has the item");
        let whole = match &tuple.kind {
            ExprKind::Var(var) => self.variable_address(self.variables[var.index()]),
            _ => {
                let to = self.temporary(tuple.ty.slot_size());
                self.store(tuple, &tuple.ty, to);
                to
            }
        };
        whole.plus(offset)
    }

    /// Copies between slots whose texts may differ in size.
    pub fn copy_widening(&mut self, from: Addr, from_ty: &Type, to: Addr, ty: &Type) {
        match (from_ty, ty) {
            (Type::Tuple(_), Type::Tuple(_)) | (Type::Record(_), Type::Record(_)) => {
                let mut at = 0;
                for (index, old) in from_ty.items().enumerate() {
                    let (new, offset) = slot_of(ty, from_ty, index);
                    self.copy_widening(from.plus(at), old, to.plus(offset), new);
                    at += old.slot_size();
                }
            }
            (Type::Named(names), Type::Str(_)) => {
                let number = self.load_word(from);
                self.name_of_number(number, *names, ty.slot_size(), to);
            }
            _ => {
                let size = from_ty.slot_size().min(ty.slot_size());
                self.copy(from, to, size);
                self.zero(to.plus(size), ty.slot_size() - size);
            }
        }
    }

    pub fn shifted(&mut self, value: Value, bits: i64) -> Value {
        let bits = self.int(bits);
        self.builder.ins().ushr(value, bits)
    }

    pub fn low_half(&mut self, value: Value) -> Value {
        let half = self.builder.ins().ireduce(types::I32, value);
        self.builder.ins().uextend(types::I64, half)
    }

    /// Cuts a value to a type and widens it again by the type's sign.
    pub fn convert(&mut self, value: Value, ty: &Type) -> Value {
        let narrow = match ty {
            Type::Bool => {
                let truth = self.compare(IntCC::NotEqual, value, 0);
                return self.builder.ins().uextend(types::I64, truth);
            }
            Type::Int(IntType { bits: 8, .. }) => types::I8,
            Type::Int(IntType { bits: 16, .. }) => types::I16,
            Type::Int(IntType { bits: 32, .. }) => types::I32,
            _ => return value,
        };
        let cut = self.builder.ins().ireduce(narrow, value);
        match ty.is_signed() {
            true => self.builder.ins().sextend(types::I64, cut),
            false => self.builder.ins().uextend(types::I64, cut),
        }
    }
}

/// Type and offset in a slot of type `to` of what is the item of this number in a slot of type `from`. Items of tuples
/// go by number, those of records by name.
fn slot_of<'t>(to: &'t Type, from: &Type, index: usize) -> (&'t Type, u32) {
    let number = match (to, from) {
        (Type::Record(to), Type::Record(from)) => {
            let (name, _) = &from[index];
            to.iter().position(|(known, _)| known == name).unwrap_or(index)
        }
        _ => index,
    };
    let ty = to.items().nth(number).expect("checked: both have the same items");
    (ty, to.items().take(number).map(Type::slot_size).sum())
}
