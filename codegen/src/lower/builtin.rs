//! Builtins that are numbers, and what they are made of.

use super::memory::Addr;
use super::{Lowering, Stable};
use crate::helpers::Helper;
use crate::layout::{CHILD_PID, START_TIME};
use cranelift_codegen::ir::{InstBuilder, Value};
use lang::builtins::{BuiltinId, COMM_LEN};

impl Lowering<'_, '_> {
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
    pub(super) fn own_pid_tgid(&mut self) -> Value {
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

    pub(super) fn uid_gid(&mut self) -> Value {
        self.stable(Stable::UidGid, |this| this.call(Helper::GetCurrentUidGid, &[]))
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
