//! The current task and its relatives, clocks, registers, signals.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::builtins::COMM_LEN;
use lang::functions::FunctionId;
use lang::target::{Attach, Base};
use lang::typed::Expr;
use lang::types::{IntType, Type};

/// A task, or a structure that one leads to, and whether the verifier knows what its address points to.
pub struct Task {
    /// Where it is.
    pub address: Value,
    /// It can be read by plain loads.
    pub is_known: bool,
}

impl Lowering<'_, '_> {
    /// A clock of `nsecs()`, by its number in the checker's list.
    pub fn clock(&mut self, number: i64) -> Value {
        match number {
            0 => self.call(Helper::KtimeGetNs, &[]),
            1 => self.call(Helper::KtimeGetBootNs, &[]),
            2 => self.call(Helper::KtimeGetTaiNs, &[]),
            _ => {
                let now = self.call(Helper::KtimeGetBootNs, &[]);
                let offset = self.layout.use_tai_offset();
                let bss = self.bss();
                let offset = self.load_word(Addr::new(bss).plus(offset));
                self.builder.ins().iadd(now, offset)
            }
        }
    }

    /// `curtask`
    pub fn task_address(&mut self) -> Value {
        match self.features.current_task_btf {
            true => self.current_task(),
            false => self.call(Helper::GetCurrentTask, &[]),
        }
    }

    /// The parent or the leader of a task, of the current one if none is given.
    fn relative(&mut self, id: FunctionId, task: Option<&Expr>) -> Task {
        let member = match id {
            FunctionId::Ppid | FunctionId::Pcomm => "real_parent",
            _ => "group_leader",
        };
        let task = match task {
            Some(task) => Task { address: self.scalar(task), is_known: false },
            None => Task { address: self.task_address(), is_known: self.features.current_task_btf },
        };
        let address = self.task_word(&task, member, 8);
        Task { address, ..task }
    }

    /// A number in a task.
    fn task_word(&mut self, task: &Task, member: &str, bytes: u32) -> Value {
        let offset = self.target.task_member(member).expect("checked: the kernel tells where it is");
        self.kernel_word(task, Addr::new(task.address).plus(offset), bytes)
    }

    /// A number at a place in a structure of the kernel.
    pub fn kernel_word(&mut self, of: &Task, at: Addr, bytes: u32) -> Value {
        if of.is_known {
            return match bytes {
                4 => self.builder.ins().sload32(flags(), at.base, at.offset),
                _ => self.load_word(at),
            };
        }
        let mark = self.mark();
        let to = self.temporary(8);
        self.zero(to, 8);
        let (address, size, from) = (self.address(to), self.int(i64::from(bytes)), self.address(at));
        self.call(Helper::ProbeReadKernel, &[address, size, from]);
        let value = self.load_word(to);
        self.reset(mark);
        self.convert(value, &Type::Int(IntType { bits: (bytes * 8) as u8, signed: true }))
    }

    /// `ppid` and `leader_tid`
    pub fn relative_id(&mut self, id: FunctionId, task: Option<&Expr>) -> Value {
        let relative = self.relative(id, task);
        // `pid` of a task is its thread's number, which is its process's for a leader, but not for any thread that
        // starts a process.
        let member = if id == FunctionId::Ppid { "tgid" } else { "pid" };
        self.task_word(&relative, member, 4)
    }

    /// `pcomm` and `leader_comm`
    pub fn relative_name(&mut self, id: FunctionId, task: Option<&Expr>, ty: &Type, to: Addr) {
        let relative = self.relative(id, task);
        let offset = self.target.task_member("comm").expect("checked: the kernel tells where it is");
        let name = Addr::new(relative.address).plus(offset);
        match relative.is_known {
            true => self.copy(name, to, COMM_LEN),
            false => {
                self.zero(to, COMM_LEN);
                let (to, size, from) = (self.address(to), self.int(i64::from(COMM_LEN)), self.address(name));
                self.call(Helper::ProbeReadKernelStr, &[to, size, from]);
            }
        }
        self.zero(to.plus(COMM_LEN), ty.slot_size() - COMM_LEN);
    }

    /// `reg("name")`
    pub fn register(&mut self, offset: i64, bytes: i64) -> Value {
        let access =
            lang::target::Access { base: Base::Context, offset: offset as u32, bytes: bytes as u32, signed: false };
        self.read_access(&access)
    }

    /// `usermode`: where the event came with registers, what they say. `begin` and its like are run by rtrace's
    /// own code, the others in the kernel's.
    pub fn user_mode(&mut self) -> Value {
        if !self.unit.context.has_registers() {
            let mut points = self.unit.probe.points.iter().map(|point| &point.attach);
            let is_ours = points.all(Attach::is_run_by_us);
            return self.int(i64::from(is_ours));
        }
        // The privilege level: 3 in the low bits of `cs` on x86, 0 in `pstate` on aarch64.
        let (access, mask, user) = match (self.target.register("cs"), self.target.register("pstate")) {
            (Ok(access), _) => (access, 3, 3),
            (_, Ok(access)) => (access, 0xf, 0),
            _ => return self.int(0),
        };
        let value = self.read_access(&access);
        let mask = self.int(mask);
        let level = self.builder.ins().band(value, mask);
        let is_user = self.compare(IntCC::Equal, level, user);
        self.builder.ins().uextend(types::I64, is_user)
    }

    /// `signal(number)`
    pub fn signal(&mut self, id: FunctionId, number: &Expr) -> Value {
        let number = self.scalar(number);
        let helper = if id == FunctionId::Signal { Helper::SendSignal } else { Helper::SendSignalThread };
        let result = self.call(helper, &[number]);
        let span = self.here();
        let (bad, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(result, bad, &[], done, &[]);
        self.builder.switch_to_block(bad);
        self.in_branch(|this| this.report_failure(SiteKind::Failed(helper), span, result));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
        result
    }
}
