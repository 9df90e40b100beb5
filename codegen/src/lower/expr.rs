//! Expressions: a scalar becomes a value, anything else is stored where it is wanted.

use super::call::known;
use super::memory::Addr;
use super::{Lowering, Stable, flags};
use crate::helpers::Helper;
use crate::layout::{CHILD_PID, START_TIME, SiteKind};
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::ast::{BinaryOp, UnaryOp};
use lang::builtins::{BuiltinId, COMM_LEN};
use lang::functions::FunctionId;
use lang::target::{Access, Attach, Base, UserAddress};
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

    /// A builtin that is a number.
    pub fn builtin(&mut self, id: BuiltinId) -> Value {
        match id {
            BuiltinId::Pid => {
                let both = self.own_pid_tgid();
                self.shifted(both, 32)
            }
            BuiltinId::Tid => {
                let both = self.own_pid_tgid();
                self.low_half(both)
            }
            BuiltinId::Uid => {
                let both = self.uid_gid();
                self.low_half(both)
            }
            BuiltinId::Gid => {
                let both = self.uid_gid();
                self.shifted(both, 32)
            }
            BuiltinId::Cpu => self.stable(Stable::Cpu, |this| this.call(Helper::GetSmpProcessorId, &[])),
            BuiltinId::Nsecs => self.call(Helper::KtimeGetBootNs, &[]),
            BuiltinId::Elapsed => {
                let now = self.call(Helper::KtimeGetBootNs, &[]);
                let bss = self.bss();
                let start = self.load_word(Addr::new(bss).plus(START_TIME));
                self.builder.ins().isub(now, start)
            }
            BuiltinId::Cpid => {
                let bss = self.bss();
                self.load_word(Addr::new(bss).plus(CHILD_PID))
            }
            BuiltinId::Retval => {
                let access = self.unit.context.retval.as_ref().expect("checked: it returns a value").1;
                self.read_access(&access)
            }
            BuiltinId::Ncpus => self.int(i64::from(self.target.cpus())),
            BuiltinId::Numaid => self.call(Helper::GetNumaNodeId, &[]),
            BuiltinId::Rand => {
                let random = self.call(Helper::GetPrandomU32, &[]);
                self.low_half(random)
            }
            BuiltinId::FuncAddress => self.call(Helper::GetFuncIp, &[self.event]),
            BuiltinId::Jiffies => self.call(Helper::Jiffies64, &[]),
            BuiltinId::Cgroup => self.call(Helper::GetCurrentCgroupId, &[]),
            BuiltinId::Context => self.event,
            BuiltinId::Curtask => {
                let task = self.task_address();
                self.forget_target(task)
            }
            BuiltinId::Usermode => self.user_mode(),
            BuiltinId::HasCpid => unreachable!("checked: known when compiling"),
            BuiltinId::Comm | BuiltinId::Probe | BuiltinId::Func | BuiltinId::Probetype | BuiltinId::Username => {
                unreachable!("checked: a text is no scalar")
            }
            BuiltinId::Arg(number) => {
                match self.unit.context.args.get(usize::from(number)).copied() {
                    Some(access) => self.read_access(&access),
                    // One of several usdt probes does not pass it.
                    None => self.int(0),
                }
            }
        }
    }

    /// Process and thread as the kernel's first namespace counts them.
    pub fn pid_tgid(&mut self) -> Value {
        self.stable(Stable::PidTgid, |this| this.call(Helper::GetCurrentPidTgid, &[]))
    }

    /// Process and thread as rtrace's own namespace counts them; zeros for what is not in it.
    fn own_pid_tgid(&mut self) -> Value {
        let Some(namespace) = self.target.process_namespace() else { return self.pid_tgid() };
        self.stable(Stable::OwnPidTgid, |this| {
            let mark = this.mark();
            let to = this.temporary(8);
            this.zero(to, 8);
            let [device, inode] = [namespace.device, namespace.inode].map(|number| this.int(number as i64));
            let (address, size) = (this.address(to), this.int(8));
            this.call(Helper::GetNsCurrentPidTgid, &[device, inode, address, size]);
            let both = this.load_word(to);
            this.reset(mark);
            both
        })
    }

    fn uid_gid(&mut self) -> Value {
        self.stable(Stable::UidGid, |this| this.call(Helper::GetCurrentUidGid, &[]))
    }

    pub fn shifted(&mut self, value: Value, bits: i64) -> Value {
        let bits = self.int(bits);
        self.builder.ins().ushr(value, bits)
    }

    pub fn low_half(&mut self, value: Value) -> Value {
        let half = self.builder.ins().ireduce(types::I32, value);
        self.builder.ins().uextend(types::I64, half)
    }

    /// The field of `args` that has this index at the probe's first attach point.
    pub fn field(&self, index: usize) -> &lang::target::Field {
        let name = &self.unit.probe.points[0].context.fields[index].name;
        let fields = &self.unit.context.fields;
        fields.iter().find(|field| field.name == *name).expect("checked: every attach point has the field")
    }

    /// A value of the event for an expression to use as it likes.
    fn event_value(&mut self, access: &Access, ty: &Type) -> Value {
        let value = self.read_access(access);
        let has_types = match self.unit.point.attach {
            Attach::Fentry { .. } => matches!(ty, Type::Pointer(..)),
            // What a raw tracepoint's `argN` is the verifier knows, if nobody else does.
            Attach::BtfTracepoint { .. } => matches!(ty, Type::Pointer(..)) || access.bytes == 8 && ty.is_scalar(),
            _ => false,
        };
        match has_types && access.base == Base::Context {
            true => self.forget_target(value),
            false => value,
        }
    }

    /// A value of the event.
    pub fn read_access(&mut self, access: &Access) -> Value {
        if self.in_part {
            let saved = *self.saved.get(access).expect("what a part reads of the event has been saved");
            let from = self.scratch_address(saved);
            return self.load_word(from);
        }
        let offset = access.offset as i32;
        let base = match access.base {
            Base::Context => self.event,
            Base::Btf { word } => self.event_word(word),
            Base::Kernel { word } => {
                let pointer = self.event_word(word);
                return self.probe_read(Helper::ProbeReadKernel, pointer, access);
            }
            Base::DataLoc { from } => return self.data_location(from, access),
            Base::Number(number) => return self.int(number),
            Base::Address(address) => return self.user_address(&address),
            Base::User(address) => {
                let pointer = self.user_address(&address);
                return self.probe_read(Helper::ProbeReadUser, pointer, access);
            }
        };
        match (access.bytes, access.signed) {
            (1, false) => self.builder.ins().uload8(types::I64, flags(), base, offset),
            (1, true) => self.builder.ins().sload8(types::I64, flags(), base, offset),
            (2, false) => self.builder.ins().uload16(types::I64, flags(), base, offset),
            (2, true) => self.builder.ins().sload16(types::I64, flags(), base, offset),
            (4, false) => self.builder.ins().uload32(flags(), base, offset),
            (4, true) => self.builder.ins().sload32(flags(), base, offset),
            _ => self.builder.ins().load(types::I64, flags(), base, offset),
        }
    }

    /// A pointer that is an argument of the event.
    fn event_word(&mut self, word: u32) -> Value {
        self.stable(Stable::EventWord(word), |this| {
            this.builder.ins().load(types::I64, flags(), this.event, word as i32)
        })
    }

    /// The address of a text that the event's record carries behind its fields.
    fn data_location(&mut self, from: u32, access: &Access) -> Value {
        let field = self.builder.ins().uload32(flags(), self.event, access.offset as i32);
        let mask = self.int(0xffff);
        let distance = self.builder.ins().band(field, mask);
        let from = self.address(Addr { base: self.event, offset: from as i32 });
        self.builder.ins().iadd(from, distance)
    }

    /// An address made of registers.
    fn user_address(&mut self, address: &UserAddress) -> Value {
        let mut sum = self.int(address.distance);
        if let Some(base) = address.base {
            let base = self.read_access(&base.into());
            sum = self.builder.ins().iadd(base, sum);
        }
        if let Some((index, bits)) = address.index {
            let index = self.read_access(&index.into());
            let bits = self.int(i64::from(bits));
            let shifted = self.builder.ins().ishl(index, bits);
            sum = self.builder.ins().iadd(sum, shifted);
        }
        sum
    }

    fn probe_read(&mut self, helper: Helper, pointer: Value, access: &Access) -> Value {
        let mark = self.mark();
        let to = self.temporary(8);
        self.zero(to, 8);
        let from = self.address(Addr { base: pointer, offset: access.offset as i32 });
        let size = self.int(i64::from(access.bytes));
        let to_pointer = self.address(to);
        self.call(helper, &[to_pointer, size, from]);
        let value = self.load_word(to);
        self.reset(mark);
        match access.bytes {
            8 => value,
            bytes => self.convert(value, &Type::Int(IntType { bits: (bytes * 8) as u8, signed: access.signed })),
        }
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

    fn unary(&mut self, op: UnaryOp, operand: &Expr) -> Value {
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

    fn arithmetic(&mut self, op: BinaryOp, left: &Expr, right: &Expr, whole: &Expr) -> Value {
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
    fn divide(&mut self, modulo: bool, a: Value, b: Value, signed: bool, by: Option<i64>, whole: &Expr) -> Value {
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

    fn quotient(&mut self, modulo: bool, a: Value, b: Value, signed: bool) -> Value {
        match (modulo, signed) {
            (false, true) => self.builder.ins().sdiv(a, b),
            (false, false) => self.builder.ins().udiv(a, b),
            (true, true) => self.builder.ins().srem(a, b),
            (true, false) => self.builder.ins().urem(a, b),
        }
    }

    fn comparison(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Value {
        let flag = self.comparison_flag(op, left, right);
        self.builder.ins().uextend(types::I64, flag)
    }

    /// A comparison as Cranelift's 8-bit truth.
    fn comparison_flag(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Value {
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
    fn slot_difference(&mut self, left: &Expr, right: &Expr) -> Value {
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
    fn truth(&mut self, cond: &Expr) -> Value {
        self.choose(cond, |this| this.int(1), |this| this.int(0))
    }

    /// The value unless it is zero; it is computed once.
    fn or_else(&mut self, value: &Expr, other: &Expr) -> Value {
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

    fn choose(
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

    fn choose_unit(&mut self, cond: &Expr, yes: impl FnOnce(&mut Self), no: impl FnOnce(&mut Self)) {
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

    /// The text of `comm` in memory whose target the verifier knows, if this kernel has it so.
    pub fn task_comm(&mut self) -> Option<Addr> {
        if !self.features.current_task_btf {
            return None;
        }
        let offset = self.target.task_member("comm")?;
        let task = self.current_task();
        debug_assert_eq!(COMM_LEN % 8, 0);
        Some(Addr::new(task).plus(offset))
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
