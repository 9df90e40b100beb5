//! The functions: one row each, read by the checker, the code generator, the REPL and the reference.

use crate::types::{Names, Type};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the rows below document each
pub enum FunctionId {
    Printf,
    Print,
    Clear,
    Zero,
    Delete,
    Exit,
    Str,
    Getopt,
    Count,
    Sum,
    Min,
    Max,
    Avg,
    Stats,
    Hist,
    LHist,
    TSeries,
    HasKey,
    Len,
    Time,
    Strftime,
    Cat,
    System,
    Join,
    Errorf,
    Warnf,
    Fail,
    Assert,
    StaticAssert,
    Nsecs,
    Pid,
    Tid,
    Ppid,
    Pcomm,
    LeaderTid,
    LeaderComm,
    Ksym,
    Usym,
    Kaddr,
    Kstack,
    Ustack,
    DwUstack,
    Reg,
    Kptr,
    Uptr,
    Ntop,
    Pton,
    Macaddr,
    Buf,
    Bswap,
    Strlen,
    Strncmp,
    Strcontains,
    Strstr,
    Strcap,
    Memcmp,
    Strerror,
    SignalName,
    SyscallName,
    CgroupPath,
    Cgroupid,
    Signal,
    SignalThread,
    IsStr,
    IsPtr,
    IsInteger,
    IsUnsignedInteger,
    IsArray,
    IsLiteral,
    IsErr,
    Debugf,
    WriteUser,
    Override,
    SocketCookie,
    Skboutput,
    Capture,
    Filter,
    Uaddr,
    Unwatch,
    Comm,
    ContainerOf,
    Find,
    KfuncAllowed,
    KfuncExist,
    Path,
    PercpuKaddr,
    StrConcat,
    AssertStr,
    DefaultStrLength,
    Config,
    Redirect,
}

impl FunctionId {
    /// Functions that give a value and may be named without parentheses.
    pub const VALUES: [Self; 9] = [
        Self::Kstack,
        Self::Ustack,
        Self::DwUstack,
        Self::Ppid,
        Self::Pcomm,
        Self::LeaderTid,
        Self::LeaderComm,
        Self::DefaultStrLength,
        Self::Config,
    ];
}

/// What the checker, the reference and completion know of a function.
#[derive(Debug)]
pub struct Function {
    /// As written.
    pub name: &'static str,
    /// Which one.
    pub id: FunctionId,
    /// Fewest arguments.
    pub min_args: usize,
    /// Most arguments.
    pub max_args: usize,
    /// How it is called, for help and error messages.
    pub usage: &'static str,
    /// May only stand on the right of `@map = `.
    pub aggregation: bool,
    /// Changes what it traces, or runs commands: only with `--unsafe`.
    pub is_unsafe: bool,
    /// What it takes and gives, where that is all there is to check.
    pub signature: Option<Signature>,
    /// One sentence.
    pub doc: &'static str,
    /// A script that uses it and compiles.
    pub example: &'static str,
}

/// A meaning that needs no checks of its own.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// What each argument must be.
    pub params: &'static [Param],
    /// What the call gives.
    pub result: fn() -> Type,
}

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// An integer.
    Integer,
    /// An integer or a pointer.
    Address,
    /// A text.
    Text,
}

const fn call(
    id: FunctionId,
    name: &'static str,
    (min_args, max_args): (usize, usize),
    usage: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function {
        name,
        id,
        min_args,
        max_args,
        usage,
        aggregation: false,
        is_unsafe: false,
        signature: None,
        doc,
        example,
    }
}

const fn aggregation(
    id: FunctionId,
    name: &'static str,
    args: (usize, usize),
    usage: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function { aggregation: true, ..call(id, name, args, usage, doc, example) }
}

const fn fixed(
    id: FunctionId,
    name: &'static str,
    (params, result): (&'static [Param], fn() -> Type),
    usage: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Function {
    let signature = Some(Signature { params, result });
    Function { signature, ..call(id, name, (params.len(), params.len()), usage, doc, example) }
}

const fn dangerous(function: Function) -> Function {
    Function { is_unsafe: true, ..function }
}

/// All functions.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    call(FunctionId::Printf, "printf", (1, 100), "printf(\"format\", args...)", "Prints text as C's printf does.", r#"begin { printf("hello %d %s\n", 1 + 2, comm); }"#),
    call(FunctionId::Print, "print", (1, 3), "print(value), print(@map), print(@map, top), print(@map, top, div), print(@map, \"pct\"), print(@map, top, \"pct\")", "Prints a value on a line of its own, or a map: its last `top` entries only, values divided by `div` or with their shares of the total.", "interval:s:1 { @n++; print(@n); }"),
    call(FunctionId::Clear, "clear", (1, 1), "clear(@map)", "Removes all entries of a map.", "interval:s:1 { @[cpu] = count(); clear(@); }"),
    call(FunctionId::Zero, "zero", (1, 1), "zero(@map)", "Sets all values of a map to zero and keeps its keys.", "interval:s:1 { @[cpu] = count(); zero(@); }"),
    call(FunctionId::Delete, "delete", (1, 2), "delete(@map, key), delete(@map[key]), delete(@map)", "Removes one entry; true if it was there.", "begin { @x[1] = 2; delete(@x, 1); }"),
    call(FunctionId::Exit, "exit", (0, 1), "exit(), exit(code)", "Ends tracing, with this exit code: `end` probes run, maps are printed.", "interval:s:5 { exit(); }"),
    call(FunctionId::Str, "str", (1, 2), "str(pointer), str(pointer, length)", "Reads text from memory, up to a zero byte, `length - 1` bytes or max_strlen; `..` follows what max_strlen has cut off.", "tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }"),
    call(FunctionId::Getopt, "getopt", (1, 3), "getopt(\"name\"), getopt(\"name\", default), getopt(\"name\", default, \"description\")", "The parameter `--name=value` given after `--`, or else its default, whose type it has.", r#"begin { print(getopt("seconds", 5, "how long to trace")); }"#),
    aggregation(FunctionId::Count, "count", (0, 0), "count()", "Counts how often it was called.", "tracepoint:syscalls:sys_enter_write { @[comm] = count(); }"),
    aggregation(FunctionId::Sum, "sum", (1, 1), "sum(n)", "Adds up its arguments.", "tracepoint:syscalls:sys_enter_write { @[comm] = sum(args.count); }"),
    aggregation(FunctionId::Min, "min", (1, 1), "min(n)", "Keeps the smallest of its arguments.", "tracepoint:syscalls:sys_enter_write { @ = min(args.count); }"),
    aggregation(FunctionId::Max, "max", (1, 1), "max(n)", "Keeps the largest of its arguments.", "tracepoint:syscalls:sys_enter_write { @ = max(args.count); }"),
    aggregation(FunctionId::Avg, "avg", (1, 1), "avg(n)", "Average of its arguments, towards zero.", "tracepoint:syscalls:sys_enter_write { @ = avg(args.count); }"),
    aggregation(FunctionId::Stats, "stats", (1, 1), "stats(n)", "Count, average and total of its arguments.", "tracepoint:syscalls:sys_enter_write { @ = stats(args.count); }"),
    aggregation(FunctionId::Hist, "hist", (1, 2), "hist(n), hist(n, k)", "Histogram with power-of-two buckets, each split into 2^k steps (k from 0 to 5).", "tracepoint:syscalls:sys_enter_write { @ = hist(args.count); }"),
    aggregation(FunctionId::LHist, "lhist", (4, 4), "lhist(n, min, max, step)", "Histogram with buckets of equal width, at most 1000.", "tracepoint:syscalls:sys_enter_write { @ = lhist(args.count, 0, 1000, 100); }"),
    aggregation(FunctionId::TSeries, "tseries", (3, 4), "tseries(n, interval, intervals), tseries(n, interval, intervals, \"avg\"|\"max\"|\"min\"|\"sum\")", "What became of a value over time: the last one of each of the latest intervals, or what else stands for its values.", r#"interval:ms:100 { @ = tseries(rand % 10, 1s, 20, "max"); }"#),
    call(FunctionId::HasKey, "has_key", (2, 2), "has_key(@map, key)", "Whether a map has the key.", "begin { @x[1] = 2; print(has_key(@x, 1)); }"),
    call(FunctionId::Len, "len", (1, 1), "len(@map), len(stack)", "How many entries a map has (from Linux 6.6 on), or frames a stack.", "begin { @x[1] = 2; print((len(@x), len(kstack))); }"),
    call(FunctionId::Time, "time", (0, 1), "time(), time(\"format\")", "Prints the time of day, as strftime(3) forms it; `%H:%M:%S` and a new line unless told otherwise.", r#"interval:s:1 { time("%H:%M:%S "); }"#),
    call(FunctionId::Strftime, "strftime", (2, 2), "strftime(\"format\", nsecs)", "A time since boot as strftime(3) forms it when it is printed; `%f` is the microseconds.", r#"interval:s:1 { print(strftime("%H:%M:%S.%f", nsecs)); }"#),
    call(FunctionId::Cat, "cat", (1, 100), "cat(\"path format\", args...)", "Prints a file, its first 10 KiB unless `max_cat_bytes` says otherwise; the path is a format as in printf().", r#"begin { cat("/proc/%d/comm", pid); }"#),
    dangerous(call(FunctionId::System, "system", (1, 100), "system(\"command format\", args...)", "Runs a shell command, waits for it and prints what it writes, to standard error as well; tells if it failed.", r#"begin { system("echo %d", pid); }"#)),
    call(FunctionId::Join, "join", (1, 2), "join(pointers), join(pointers, \"separator\")", "Prints the texts of an array of pointers, such as a command's arguments, on one line: 16 at most.", "tracepoint:syscalls:sys_enter_openat { join(args.filename); }"),
    call(FunctionId::Errorf, "errorf", (1, 100), "errorf(\"format\", args...)", "Tells an error with its place in the script.", r#"begin { errorf("bad: %d", 1); }"#),
    call(FunctionId::Warnf, "warnf", (1, 100), "warnf(\"format\", args...)", "Tells a warning with its place in the script, unless --no-warnings.", r#"begin { warnf("odd: %d", 1); }"#),
    call(FunctionId::Fail, "fail", (1, 100), "fail(\"format\", literals...)", "Refuses the script, when the call is compiled at all.", r#"macro old() { fail("old() is no more") } begin { print(1); }"#),
    call(FunctionId::Assert, "assert", (2, 2), "assert(condition, \"message\")", "Ends tracing with exit code 1 and an error unless the condition holds.", r#"begin { assert(pid > 0, "no process"); }"#),
    call(FunctionId::StaticAssert, "static_assert", (2, 2), "static_assert(condition, \"message\")", "Refuses the script unless the condition is known to hold.", r#"begin { static_assert(sizeof(nsecs) == 8, "narrow clock"); }"#),
    call(FunctionId::Nsecs, "nsecs", (0, 1), "nsecs(), nsecs(monotonic|boot|tai|sw_tai)", "Nanoseconds by a clock of the kernel; `boot` unless told otherwise. `sw_tai` is for kernels without `tai`.", "begin { print(nsecs(monotonic)); }"),
    call(FunctionId::Pid, "pid", (0, 1), "pid(), pid(curr_ns|init)", "Process id of the current task as rtrace's own namespace of processes counts (`curr_ns`, unless told otherwise), or the kernel's first one (`init`).", "begin { print(pid(init)); }"),
    call(FunctionId::Tid, "tid", (0, 1), "tid(), tid(curr_ns|init)", "Thread id of the current task as rtrace's own namespace of processes counts (`curr_ns`, unless told otherwise), or the kernel's first one (`init`).", "begin { print(tid(init)); }"),
    call(FunctionId::Ppid, "ppid", (0, 1), "ppid, ppid(task)", "Process id of a task's parent; of the current task's unless told otherwise.", "interval:s:1 { print(ppid); }"),
    call(FunctionId::Pcomm, "pcomm", (0, 1), "pcomm, pcomm(task)", "Name of a task's parent, to be exact of the thread that started it; of the current one's unless told otherwise.", "interval:s:1 { print(pcomm); }"),
    call(FunctionId::LeaderTid, "leader_tid", (0, 1), "leader_tid, leader_tid(task)", "Thread id of the first thread of a task's process.", "interval:s:1 { print(leader_tid); }"),
    call(FunctionId::LeaderComm, "leader_comm", (0, 1), "leader_comm, leader_comm(task)", "Name of the first thread of a task's process.", "interval:s:1 { print(leader_comm); }"),
    fixed(FunctionId::Ksym, "ksym", (&[Param::Address], || Type::KSym), "ksym(address)", "The kernel's symbol at an address.", "interval:s:1 { print(ksym(curtask)); }"),
    fixed(FunctionId::Usym, "usym", (&[Param::Address], || Type::USym), "usym(address)", "The current process's symbol at an address.", "kprobe:vfs_read { print(usym(arg1)); }"),
    call(FunctionId::Kaddr, "kaddr", (1, 1), "kaddr(\"symbol\")", "Address of a symbol of the kernel, found when compiling.", r#"begin { print(kaddr("_text")); }"#),
    call(FunctionId::Uaddr, "uaddr", (1, 1), "uaddr(\"symbol\")", "Address of a symbol of the traced program, in uprobe and usdt, and from Linux 6.6 on in uretprobe.", r#"uprobe:/bin/sh:main { print(*uaddr("counter")); }"#),
    fixed(FunctionId::Unwatch, "unwatch", (&[Param::Address], || Type::I64), "unwatch(address)", "Ends the watchpoints on an address, from any probe.", "watchpoint:0x10000000:8:w { print(ustack); unwatch(0x10000000); }"),
    call(FunctionId::Kstack, "kstack", (0, 2), "kstack, kstack(limit), kstack(bpftrace|perf|raw, limit)", "The kernel's stack.", "tracepoint:syscalls:sys_enter_write { @[kstack(5)] = count(); }"),
    call(FunctionId::Ustack, "ustack", (0, 2), "ustack, ustack(limit), ustack(bpftrace|perf|raw|build_id, limit)", "The stack of the current process.", "tracepoint:syscalls:sys_enter_write { @[ustack(perf, 5)] = count(); }"),
    call(FunctionId::DwUstack, "dw_ustack", (0, 2), "dw_ustack, dw_ustack(limit), dw_ustack(bpftrace|perf|raw|build_id, limit)", "The stack of the current process, where its code keeps no frame pointers: by the tables that compilers leave for exceptions. x86-64 only, for processes named by -p, -c or --dwarf-pid.", "profile:hz:99 { @[dw_ustack(perf, 5)] = count(); }"),
    call(FunctionId::Reg, "reg", (1, 1), "reg(\"name\")", "A register at the traced place.", r#"kprobe:vfs_read { print(reg("sp")); }"#),
    call(FunctionId::Kptr, "kptr", (1, 1), "kptr(pointer)", "The same pointer, into the kernel's memory.", "kprobe:vfs_read { print(str(kptr((int8 *)arg1))); }"),
    call(FunctionId::Uptr, "uptr", (1, 1), "uptr(pointer)", "The same pointer, into the process's memory.", "kprobe:vfs_read { print(str(uptr((int8 *)arg1))); }"),
    call(FunctionId::Ntop, "ntop", (1, 2), "ntop(address), ntop(family, address)", "An internet address as text, its family by the address unless told.", "begin { print(ntop(0x0100007f)); }"),
    call(FunctionId::Pton, "pton", (1, 1), "pton(\"address\")", "The bytes of an internet address.", r#"begin { print(ntop(pton("::1"))); }"#),
    call(FunctionId::Macaddr, "macaddr", (1, 1), "macaddr(bytes)", "Six bytes of memory as a link-layer address.", "kprobe:vfs_read { print(macaddr(arg1)); }"),
    call(FunctionId::Buf, "buf", (1, 2), "buf(address, length), buf(array)", "Bytes of memory, printed by `%r` as text where they are text, by `%rx` as `\\xNN`, by `%rh` with blanks.", "tracepoint:syscalls:sys_enter_write { print(buf(args.buf, args.count)); }"),
    call(FunctionId::Bswap, "bswap", (1, 1), "bswap(n)", "An integer with its bytes in reverse order.", "begin { print(bswap((uint16)0x1234)); }"),
    call(FunctionId::Strlen, "strlen", (1, 1), "strlen(text)", "Bytes of a text without its closing zero.", "begin { print(strlen(comm)); }"),
    call(FunctionId::Strncmp, "strncmp", (3, 3), "strncmp(text, text, length)", "0 if two texts begin with the same bytes, else 1; the length must be a number.", r#"begin { print(strncmp(comm, "rt", 2)); }"#),
    call(FunctionId::Strcontains, "strcontains", (2, 2), "strcontains(text, part)", "Whether a text has another one in it, of 64 bytes at most.", r#"begin { print(strcontains(comm, "ra")); }"#),
    call(FunctionId::Strstr, "strstr", (2, 2), "strstr(text, part)", "Where a text has another one in it, of 64 bytes at most; negative when nowhere.", r#"begin { print(strstr(comm, "ra")); }"#),
    call(FunctionId::Strcap, "strcap", (1, 1), "strcap(text)", "Bytes that a text has room for, its closing zero included; of a pointer the length of what it points to.", "begin { print(strcap(comm)); }"),
    call(FunctionId::Memcmp, "memcmp", (3, 3), "memcmp(left, right, count)", "0 if the first bytes of two values are the same, else the difference of the first two that differ. Numbers are compared as they lie in memory; the count must be a number.", r#"begin { print(memcmp(comm, "rt", 2)); }"#),
    fixed(FunctionId::Strerror, "strerror", (&[Param::Integer], || Type::Named(Names::Errors)), "strerror(errno)", "What an error number means: a number that is shown as its name, and a text wherever one is wanted.", "begin { print(strerror(2)); }"),
    fixed(FunctionId::SignalName, "signal_name", (&[Param::Integer], || Type::Named(Names::Signals)), "signal_name(number)", "What a signal means: a number that is shown as its name, and a text wherever one is wanted.", "begin { print(signal_name(9)); }"),
    fixed(FunctionId::SyscallName, "syscall_name", (&[Param::Integer], || Type::Named(Names::Syscalls)), "syscall_name(number)", "The name of a system call: a number that is shown as its name, and a text wherever one is wanted.", "begin { print(syscall_name(1)); }"),
    call(FunctionId::CgroupPath, "cgroup_path", (1, 2), "cgroup_path(id), cgroup_path(id, \"filter\")", "Paths of a control group, in the hierarchies whose name the filter matches.", "begin { print(cgroup_path(cgroup)); }"),
    call(FunctionId::Cgroupid, "cgroupid", (1, 1), "cgroupid(\"path\")", "Number of the control group at a path, found when compiling.", r#"begin { print(cgroupid("/sys/fs/cgroup")); }"#),
    dangerous(call(FunctionId::Signal, "signal", (1, 1), "signal(number), signal(\"NAME\")", "Sends a signal to the current process.", r#"kprobe:vfs_read { signal("SIGSTOP"); }"#)),
    dangerous(call(FunctionId::SignalThread, "signal_thread", (1, 1), "signal_thread(number), signal_thread(\"NAME\")", "Sends a signal to the current thread.", r#"kprobe:vfs_read { signal_thread(19); }"#)),
    call(FunctionId::IsStr, "is_str", (1, 1), "is_str(value)", "Whether a value is a text.", "begin { print(is_str(comm)); }"),
    call(FunctionId::IsPtr, "is_ptr", (1, 1), "is_ptr(value)", "Whether a value is a pointer.", "begin { print(is_ptr(1)); }"),
    call(FunctionId::IsInteger, "is_integer", (1, 1), "is_integer(value)", "Whether a value is an integer.", "begin { print(is_integer(1)); }"),
    call(FunctionId::IsUnsignedInteger, "is_unsigned_integer", (1, 1), "is_unsigned_integer(value)", "Whether a value is an integer without a sign.", "begin { print(is_unsigned_integer(pid)); }"),
    call(FunctionId::IsArray, "is_array", (1, 1), "is_array(value)", "Whether a value is an array.", "begin { print(is_array(1)); }"),
    call(FunctionId::IsLiteral, "is_literal", (1, 1), "is_literal(value)", "Whether a value is written in the script.", "begin { print(is_literal(1)); }"),
    fixed(FunctionId::IsErr, "is_err", (&[Param::Address], || Type::Bool), "is_err(pointer)", "Whether a pointer of the kernel stands for an error.", "kprobe:vfs_read { print(is_err(arg0)); }"),
    call(FunctionId::Debugf, "debugf", (1, 13), "debugf(\"format\", args...)", "Writes to the kernel's trace buffer, /sys/kernel/tracing/trace, by the kernel's own printf; slow.", r#"begin { debugf("pid %d", pid); }"#),
    dangerous(call(FunctionId::WriteUser, "write_user", (3, 3), "write_user(address, value, length)", "Writes the first bytes of a value to memory of the current process; true if that could be done.", r#"tracepoint:syscalls:sys_enter_openat { write_user(args.filename, "x", 1); }"#)),
    fixed(FunctionId::SocketCookie, "socket_cookie", (&[Param::Address], || Type::U64), "socket_cookie(sock)", "The kernel's number of a socket, which stays the same while it is open, in fentry, fexit, rawtracepoint and iter.", "fentry:sock_def_readable { print(socket_cookie(args.file)); }"),
    call(FunctionId::Skboutput, "skboutput", (4, 4), "skboutput(\"file\", args.skb, length, offset)", "Writes the first bytes of a packet, without the offset's, to a capture file, in fentry, fexit and raw tracepoints; 0 if that could be done.", r#"rawtracepoint:consume_skb { skboutput("out.pcap", (struct sk_buff *)arg0, 64, 0); }"#),
    call(FunctionId::Capture, "capture", (1, 2), "capture(\"file\"), capture(\"file\", length)", "Writes the packet, or its first bytes, to a capture file (.pcapng, .pcap, or - for standard output) in xdp, tc, cgroup_skb and socket; 0 if that could be done.", r#"xdp:lo:skb /udp.dport == 53/ { capture("dns.pcapng", 128); }"#),
    call(FunctionId::Filter, "filter", (1, 1), "filter(\"expression\")", "Whether tcpdump's expression accepts the packet.", r#"xdp:lo:skb /filter("tcp dst port 443")/ { @ = count(); }"#),
    dangerous(call(FunctionId::Override, "override", (1, 1), "override(value)", "Leaves out the traced function, which returns the value.", "kprobe:vfs_read { override(-5); }")),
    call(FunctionId::Comm, "comm", (0, 1), "comm, comm(pid)", "Name of the current task, or of the one with this id as the kernel's first namespace counts.", "iter:task { @[comm(ctx.task.pid)] = count(); }"),
    call(FunctionId::ContainerOf, "container_of", (3, 3), "container_of(pointer, typeof(struct NAME), member)", "The structure that a pointer points to a member of.", "begin { print(container_of(curtask, typeof(struct task_struct), pid)); }"),
    call(FunctionId::Find, "find", (3, 3), "find(@map, key, $variable)", "Whether a map has the key, with one look into it; the variable then gets the value, and keeps what it had otherwise.", "begin { @x[1] = 2; let $v; if (find(@x, 1, $v)) { print($v); } }"),
    call(FunctionId::KfuncAllowed, "kfunc_allowed", (1, 1), "kfunc_allowed(\"name\")", "Whether the kernel lets programs of this probe call its function; known when compiling.", r#"begin { print(kfunc_allowed("bpf_map_sum_elem_count")); }"#),
    call(FunctionId::KfuncExist, "kfunc_exist", (1, 1), "kfunc_exist(\"name\")", "Whether the kernel has a function of this name that programs may call; known when compiling.", r#"begin { print(kfunc_exist("bpf_map_sum_elem_count")); }"#),
    call(FunctionId::Path, "path", (1, 2), "path(path), path(path, size)", "The name of the file that a `struct path` of the kernel stands for, its last `size` - 1 bytes; in fentry, fexit and iter.", "iter:task_file { print(path(ctx.file.f_path)); }"),
    call(FunctionId::PercpuKaddr, "percpu_kaddr", (1, 2), "percpu_kaddr(\"symbol\"), percpu_kaddr(\"symbol\", cpu)", "Address of what a CPU has under a symbol of the kernel, the current one unless told otherwise; 0 if there is no such CPU. The kernel must have its variables in kallsyms.", r#"begin { print(percpu_kaddr("runqueues", 0)); }"#),
    call(FunctionId::StrConcat, "str_concat", (2, 2), "str_concat(text, text)", "Two texts as one, of 1023 bytes at most.", r#"begin { print(str_concat(comm, "!")); }"#),
    call(FunctionId::AssertStr, "assert_str", (1, 1), "assert_str(value)", "Refuses the script unless the value is a text, or an array of or a pointer to its bytes.", "begin { assert_str(comm); }"),
    call(FunctionId::DefaultStrLength, "default_str_length", (0, 0), "default_str_length", "Bytes that str() reads unless told otherwise.", "begin { print(default_str_length); }"),
    call(FunctionId::Config, "config", (0, 0), "config, config.NAME", "The config variables as a record.", "begin { print(config.max_strlen); }"),
    dangerous(call(FunctionId::Redirect, "redirect", (1, 1), "redirect(\"interface\"), return redirect(\"interface\")", "Sends the packet out by another network interface and leaves the probe, in xdp and tc.", r#"xdp:eth0 { redirect("eth1"); }"#)),
];

/// The function of that name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|row| row.name == name)
}

impl Function {
    /// Whether a call does nothing but give its value.
    pub fn is_pure(&self) -> bool {
        use FunctionId as F;
        // What getopt() names is an option of the script.
        let acts = matches!(self.id, F::Capture | F::Delete | F::Find | F::Getopt | F::Skboutput | F::WriteUser);
        !acts && !self.aggregation && !is_statement(self.name)
    }
}

/// Whether a call of this name is there only for its effect.
pub fn is_statement(name: &str) -> bool {
    const STATEMENTS: &[&str] = &[
        "assert",
        "assert_str",
        "cat",
        "clear",
        "debugf",
        "errorf",
        "exit",
        "fail",
        "join",
        "override",
        "print",
        "printf",
        "redirect",
        "signal",
        "signal_thread",
        "static_assert",
        "system",
        "time",
        "unwatch",
        "warnf",
        "zero",
    ];
    STATEMENTS.contains(&name)
}
