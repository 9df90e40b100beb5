//! The builtins: one row each, read by the checker, the code generator, the REPL and the reference.

use crate::types::{IntType, Type};

/// Which builtin. The code generator's `match` over it has no catch-all arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the rows below document each
pub enum BuiltinId {
    Pid,
    Tid,
    Uid,
    Gid,
    Comm,
    Cpu,
    Nsecs,
    Elapsed,
    Probe,
    Cpid,
    Func,
    /// The address of the traced function: what `func` is where the kernel tells. It has no name of its own.
    FuncAddress,
    Probetype,
    Retval,
    HasCpid,
    Ncpus,
    Numaid,
    Rand,
    Jiffies,
    Cgroup,
    Curtask,
    /// `ctx`
    Context,
    Usermode,
    Username,
    /// `arg0` to `arg11`.
    Arg(u8),
}

/// What the checker, the reference and completion know of a builtin.
#[derive(Debug)]
pub struct Builtin {
    /// As written.
    pub name: &'static str,
    /// Which one.
    pub id: BuiltinId,
    /// Its type; the text of `probe` is as long as its probe's name, so its size is found by the checker.
    pub ty: Type,
    /// One sentence.
    pub doc: &'static str,
    /// A script that uses it and compiles.
    pub example: &'static str,
}

/// Length of a task's name in the kernel, the closing zero included (`TASK_COMM_LEN`, include/linux/sched.h).
pub const COMM_LEN: u32 = 16;

/// Room for the longest name of a kind of probe and a closing zero.
pub const PROBETYPE_LEN: u32 = 16;

const fn row(name: &'static str, id: BuiltinId, ty: Type, doc: &'static str, example: &'static str) -> Builtin {
    Builtin { name, id, ty, doc, example }
}

const ARG: &str = "Argument of the traced function by position, as unsigned 64 bits; at `kprobe:sys_NAME` the system call's own argument; at `usdt` what the program passes, as signed 64 bits.";
const ARG_EXAMPLE: &str = "kprobe:vfs_read { @[arg2] = count(); }";
// Only what passes many arguments in registers, or an array of them, has these.
const ARG_LATE_EXAMPLE: &str = "rawtracepoint:ext4_mb_free_group { @[arg6, arg7, arg8, arg9] = count(); }";

// Only usdt probes have as many.
const ARG_LAST_EXAMPLE: &str = "usdt:./server:shop:order { @[arg10, arg11] = count(); }";

/// All builtins.
#[rustfmt::skip]
pub static BUILTINS: &[Builtin] = &[
    row("pid", BuiltinId::Pid, Type::U32, "Process id (thread group id) of the current task as rtrace's own namespace of processes counts; 0 for what is not in it.", "interval:s:1 { print(pid); }"),
    row("tid", BuiltinId::Tid, Type::U32, "Thread id of the current task as rtrace's own namespace of processes counts; 0 for what is not in it.", "interval:s:1 { print(tid); }"),
    row("uid", BuiltinId::Uid, Type::U64, "User id of the current task.", "tracepoint:syscalls:sys_enter_write { @[uid] = count(); }"),
    row("gid", BuiltinId::Gid, Type::U64, "Group id of the current task.", "tracepoint:syscalls:sys_enter_write { @[gid] = count(); }"),
    row("comm", BuiltinId::Comm, Type::Str(COMM_LEN), "Name of the current task, at most 15 bytes.", "tracepoint:syscalls:sys_enter_write { @[comm] = count(); }"),
    row("cpu", BuiltinId::Cpu, Type::U64, "Number of the CPU the probe runs on.", "tracepoint:syscalls:sys_enter_write { @[cpu] = count(); }"),
    row("nsecs", BuiltinId::Nsecs, Type::U64, "Nanoseconds since boot, time spent suspended included.", "begin { print(nsecs); }"),
    row("elapsed", BuiltinId::Elapsed, Type::U64, "Nanoseconds since rtrace started tracing.", "interval:s:1 { print(elapsed); }"),
    row("probe", BuiltinId::Probe, Type::Str(0), "Full name of the probe that fired.", "interval:s:1 { print(probe); }"),
    row("cpid", BuiltinId::Cpid, Type::U32, "Process id of the command started by `-c`; 0 without one.", "tracepoint:syscalls:sys_enter_write /pid == cpid/ { @ = count(); }"),
    row("func", BuiltinId::Func, Type::Str(0), "Name of the traced function: in kprobe, fentry and their returns as ksym() gives it, in uprobe as text.", "kprobe:vfs_read, kprobe:vfs_write { @[func] = count(); }"),
    row("probetype", BuiltinId::Probetype, Type::Str(PROBETYPE_LEN), "Kind of the probe that fired, such as `kprobe`.", "interval:s:1 { print(probetype); }"),
    row("retval", BuiltinId::Retval, Type::U64, "What the traced function returns, as unsigned 64 bits; with its own type at fexit.", "kretprobe:vfs_read { @[retval] = count(); }"),
    row("has_cpid", BuiltinId::HasCpid, Type::Bool, "Whether a command was started by `-c`.", "begin { print(has_cpid); }"),
    row("ncpus", BuiltinId::Ncpus, Type::U64, "How many CPUs the machine may have.", "begin { print(ncpus); }"),
    row("numaid", BuiltinId::Numaid, Type::U64, "Number of the memory node of the CPU the probe runs on.", "begin { @[numaid] = count(); }"),
    row("rand", BuiltinId::Rand, Type::U64, "A random number of 32 bits.", "interval:ms:1 { @ = lhist(rand % 10, 0, 10, 1); }"),
    row("jiffies", BuiltinId::Jiffies, Type::U64, "The kernel's ticks since boot.", "begin { print(jiffies); }"),
    row("cgroup", BuiltinId::Cgroup, Type::U64, "Number of the current task's control group, in the unified hierarchy.", "tracepoint:syscalls:sys_enter_write { @[cgroup] = count(); }"),
    row("curtask", BuiltinId::Curtask, Type::U64, "The current task: a pointer to its `struct task_struct`.", "begin { print(curtask); }"),
    row("ctx", BuiltinId::Context, Type::U64, "What the kernel hands to the program: at `iter` a pointer to the `struct bpf_iter__KIND` with the object at hand, at kprobes and uprobes to a `struct pt_regs`.", "iter:task { print(ctx.task.pid); }"),
    row("usermode", BuiltinId::Usermode, Type::Int(IntType { bits: 8, signed: false }), "1 when the event came while the process's own code ran, else 0.", "interval:s:1 { print(usermode); }"),
    row("username", BuiltinId::Username, Type::Username, "Name of the current task's user, found when it is printed.", "tracepoint:syscalls:sys_enter_write { @[username] = count(); }"),
    row("arg0", BuiltinId::Arg(0), Type::U64, ARG, ARG_EXAMPLE),
    row("arg1", BuiltinId::Arg(1), Type::U64, ARG, ARG_EXAMPLE),
    row("arg2", BuiltinId::Arg(2), Type::U64, ARG, ARG_EXAMPLE),
    row("arg3", BuiltinId::Arg(3), Type::U64, ARG, ARG_EXAMPLE),
    row("arg4", BuiltinId::Arg(4), Type::U64, ARG, ARG_EXAMPLE),
    row("arg5", BuiltinId::Arg(5), Type::U64, ARG, ARG_EXAMPLE),
    row("arg6", BuiltinId::Arg(6), Type::U64, ARG, ARG_LATE_EXAMPLE),
    row("arg7", BuiltinId::Arg(7), Type::U64, ARG, ARG_LATE_EXAMPLE),
    row("arg8", BuiltinId::Arg(8), Type::U64, ARG, ARG_LATE_EXAMPLE),
    row("arg9", BuiltinId::Arg(9), Type::U64, ARG, ARG_LATE_EXAMPLE),
    row("arg10", BuiltinId::Arg(10), Type::U64, ARG, ARG_LAST_EXAMPLE),
    row("arg11", BuiltinId::Arg(11), Type::U64, ARG, ARG_LAST_EXAMPLE),
];

/// The builtin of that name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|row| row.name == name)
}
