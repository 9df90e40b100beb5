//! What only the kernel can answer: a file's path, another task's name, what each processor has of its own.
//!
//! Some helpers take only pointers of which the verifier knows what they point to. Those are followed by plain loads
//! from the event on, each by itself: what has been in a variable is a number like any other, unless the variable only ever
//! holds an argument of the event.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::builtins::{BuiltinId, COMM_LEN};
use lang::target::{Base, TASK_FROM_ID, TASK_RELEASE};
use lang::typed::{Expr, ExprKind, Stmt, StmtKind, VarId, any_in};
use lang::types::Type;

impl Lowering<'_, '_> {
    /// `path(path)`: the kernel writes it from the end of its room on.
    pub fn file_path(&mut self, path: &Expr, ty: &Type, whole: &Expr, to: Addr) {
        let Type::Str(room) = whole.ty else { unreachable!("checked: a text") };
        let slot = ty.slot_size();
        self.zero(to, slot);
        let [missing, done] = [(); 2].map(|()| self.builder.create_block());
        let place = match path.ty {
            Type::Pointer(..) => self.known_pointer(path, missing).map(Addr::new),
            _ => self.known_place(path, missing),
        };
        match place {
            Some(place) => {
                let mark = self.mark();
                let written = self.temporary(room);
                self.zero(written, room.next_multiple_of(8));
                let (from, buffer, size) = (self.address(place), self.address(written), self.int(i64::from(room)));
                // Where there is no room for all of it, its end is there all the same.
                self.call(Helper::DPath, &[from, buffer, size]);
                let to = self.address(to);
                let size = self.int(i64::from(room.min(slot)));
                self.call(Helper::ProbeReadKernelStr, &[to, size, buffer]);
                self.reset(mark);
            }
            None => self.refuse(
                path.span,
                "path() can only follow pointers from the event on",
                "write the whole way to it: path(args.file.f_path), or path(ctx.file.f_path)",
            ),
        }
        self.jump(done);
        self.builder.switch_to_block(missing);
        self.jump(done);
        self.builder.switch_to_block(done);
    }

    /// `socket_cookie(socket)`
    pub fn socket_cookie(&mut self, socket: &Expr) -> Value {
        self.call_with_known(socket, 0, |this, socket| this.call(Helper::GetSocketCookie, &[socket]))
    }

    /// What `call` gives for a pointer whose target the verifier knows; `otherwise` where there is none.
    pub fn call_with_known(
        &mut self,
        pointer: &Expr,
        otherwise: i64,
        call: impl FnOnce(&mut Self, Value) -> Value,
    ) -> Value {
        let [missing, done] = [(); 2].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let known = self.known_pointer(pointer, missing);
        let pointer = known.unwrap_or_else(|| self.scalar(pointer));
        let given = call(self, pointer);
        self.builder.ins().jump(done, &[given.into()]);
        self.builder.switch_to_block(missing);
        let otherwise = self.int(otherwise);
        self.builder.ins().jump(done, &[otherwise.into()]);
        self.builder.switch_to_block(done);
        result
    }

    /// A pointer whose target the verifier knows; goes to `missing` if it, or one on the way to it, is null. None if it
    /// does not come from the event.
    pub fn known_pointer(&mut self, expr: &Expr, missing: Block) -> Option<Value> {
        let is_word = |bytes, base| bytes == 8 && base == Base::Context;
        let pointer = match &expr.kind {
            ExprKind::Builtin(BuiltinId::Context) => return Some(self.event),
            ExprKind::Builtin(BuiltinId::Curtask) if self.features.current_task_btf => {
                return Some(self.current_task());
            }
            ExprKind::Builtin(BuiltinId::Retval) => {
                let access = self.unit.context.retval.as_ref()?.1;
                is_word(access.bytes, access.base).then(|| self.read_access(&access))?
            }
            ExprKind::EventField(index) => {
                let access = self.field(*index).access;
                is_word(access.bytes, access.base).then(|| self.read_access(&access))?
            }
            ExprKind::EventArg(number) => {
                let access = self.unit.context.args[usize::from(*number)];
                is_word(access.bytes, access.base).then(|| self.read_access(&access))?
            }
            ExprKind::Cast(inner) if inner.ty.is_scalar() => return self.known_pointer(inner, missing),
            ExprKind::Var(var) => {
                let argument = self.held_argument(*var)?;
                return self.known_pointer(&argument, missing);
            }
            ExprKind::AddressOf(place) => {
                let place = self.known_place(place, missing)?;
                return Some(self.address(place));
            }
            _ => {
                let Addr { base, offset } = self.known_place(expr, missing)?;
                self.builder.ins().load(types::I64, flags(), base, offset)
            }
        };
        let pointer = self.launder(pointer);
        let there = self.builder.create_block();
        let is_there = self.compare(IntCC::NotEqual, pointer, 0);
        self.builder.ins().brif(is_there, there, &[], missing, &[]);
        self.builder.switch_to_block(there);
        Some(pointer)
    }

    /// The argument of the event that a variable holds, if it never holds anything else.
    fn held_argument(&self, var: VarId) -> Option<Expr> {
        let mut value = only_value(var, &self.unit.probe.body)?;
        while let ExprKind::Cast(inner) = value.kind {
            value = *inner;
        }
        matches!(value.kind, ExprKind::EventField(_) | ExprKind::EventArg(_)).then_some(value)
    }

    fn known_place(&mut self, expr: &Expr, missing: Block) -> Option<Addr> {
        match &expr.kind {
            ExprKind::Deref(pointer) => self.known_pointer(pointer, missing).map(Addr::new),
            ExprKind::Member { base, offset, bits: None } => Some(self.known_place(base, missing)?.plus(*offset)),
            _ => None,
        }
    }

    /// `comm(pid)`: of the task with this id in the kernel's first namespace.
    pub fn other_name(&mut self, id: &Expr, whole: &Expr, ty: &Type, to: Addr) {
        let id = self.scalar(id);
        let task = self.call_kfunc(TASK_FROM_ID, &[id]);
        let task = self.launder(task);
        let [there, missing, done] = [(); 3].map(|()| self.builder.create_block());
        let is_there = self.compare(IntCC::NotEqual, task, 0);
        self.builder.ins().brif(is_there, there, &[], missing, &[]);
        self.builder.switch_to_block(there);
        let offset = self.target.task_member("comm").expect("checked: the kernel tells where it is");
        self.copy(Addr::new(task).plus(offset), to, COMM_LEN);
        self.call_kfunc(TASK_RELEASE, &[task]);
        self.jump(done);
        self.builder.switch_to_block(missing);
        self.store_literal(b"N/A", COMM_LEN, to);
        self.in_branch(|this| this.report_site(SiteKind::NoSuchTask, whole.span));
        self.jump(done);
        self.builder.switch_to_block(done);
        self.zero(to.plus(COMM_LEN), ty.slot_size() - COMM_LEN);
    }

    /// `percpu_kaddr("symbol", cpu)`: by the kernel's own table of where each processor's memory begins.
    pub fn per_cpu_address(&mut self, address: i64, offsets: i64, cpu: Option<&Expr>) -> Value {
        let cpu = match cpu {
            Some(cpu) => self.scalar(cpu),
            None => self.builtin(BuiltinId::Cpu),
        };
        let done = self.builder.create_block();
        let result = self.builder.append_block_param(done, types::I64);
        let there = self.builder.create_block();
        let cpu = self.launder(cpu);
        let is_there = self.compare(IntCC::UnsignedLessThan, cpu, i64::from(self.features.cpus));
        let zero = self.int(0);
        self.builder.ins().brif(is_there, there, &[], done, &[zero.into()]);
        self.builder.switch_to_block(there);
        let mark = self.mark();
        let to = self.temporary(8);
        self.zero(to, 8);
        if offsets != 0 {
            let (three, offsets) = (self.int(3), self.int(offsets));
            let distance = self.builder.ins().ishl(cpu, three);
            let from = self.builder.ins().iadd(offsets, distance);
            let (to, size) = (self.address(to), self.int(8));
            self.call(Helper::ProbeReadKernel, &[to, size, from]);
        }
        let offset = self.load_word(to);
        self.reset(mark);
        let address = self.int(address);
        let sum = self.builder.ins().iadd(address, offset);
        self.builder.ins().jump(done, &[sum.into()]);
        self.builder.switch_to_block(done);
        result
    }
}

/// What a variable is set to, if that is one thing only.
fn only_value(var: VarId, body: &[Stmt]) -> Option<Expr> {
    let mut found = Vec::new();
    values_of(var, body, &mut found);
    let changes = any_in(body, &mut |expr| match &expr.kind {
        ExprKind::Block(stmts, _) => {
            values_of(var, stmts, &mut found);
            false
        }
        ExprKind::StepVar { var: changed, .. } | ExprKind::Find { var: changed, .. } => *changed == var,
        _ => false,
    });
    found.pop().filter(|_| found.is_empty() && !changes)
}

/// What statements set a variable to; blocks within expressions are left out.
fn values_of(var: VarId, stmts: &[Stmt], found: &mut Vec<Expr>) {
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::SetVar(set, value) if *set == var => found.push(value.clone()),
            StmtKind::If(_, then, otherwise) => {
                values_of(var, then, found);
                values_of(var, otherwise, found);
            }
            StmtKind::While(_, body)
            | StmtKind::Unroll(_, body)
            | StmtKind::ForRange { body, .. }
            | StmtKind::ForMap { body, .. } => values_of(var, body, found),
            _ => {}
        }
    }
}
