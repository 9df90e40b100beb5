//! How long it takes to ask a kernel what a short script needs. Best and median of many rounds, each from nothing.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lang::ast::TypeTag;
use lang::nearest::nearest;
use lang::types::Type;
use probes_ebpf::btf::{Btf, Kind};
use probes_ebpf::kallsyms::Kallsyms;
use probes_ebpf::tracefs::Tracefs;
use probes_ebpf::types::Types;

fn measure<T>(what: &str, rounds: usize, mut question: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(question());
            start.elapsed()
        })
        .collect();
    let first = times[0];
    times.sort();
    println!("{what:<56} first {first:>10.1?}  best {:>10.1?}  median {:>10.1?}", times[0], times[rounds / 2]);
}

fn main() {
    measure("open BTF", 50, Btf::vmlinux);
    measure("open BTF, offset of task_struct.comm", 50, || Btf::vmlinux()?.member_offset("task_struct", "comm"));
    measure("open BTF, typedef btf_trace_sys_enter", 50, || Btf::vmlinux()?.find(Kind::Typedef, "btf_trace_sys_enter"));
    measure("open BTF, a name that is not there", 50, || Btf::vmlinux()?.find(Kind::Struct, "no_such_struct_at_all"));
    measure("open BTF, function vfs_read with prototype", 50, || Btf::vmlinux()?.func_proto("vfs_read").map(|_| ()));
    if let Ok(btf) = Btf::vmlinux() {
        let _ = btf.end_id();
        measure("BTF at hand: offset of task_struct.comm", 50, || btf.member_offset("task_struct", "comm"));
        measure("BTF at hand: typedef btf_trace_sys_enter", 50, || btf.find(Kind::Typedef, "btf_trace_sys_enter"));
        measure("BTF at hand: enumerator TASK_COMM_LEN", 50, || btf.find_enumerator("TASK_COMM_LEN"));
        measure("BTF at hand: names of all functions", 20, || {
            btf.types_of(&[Kind::Func]).map(|types| types.map(|ty| ty.name().len()).sum::<usize>())
        });
    }
    if let Ok(btf) = Btf::vmlinux().map(Arc::new) {
        let _ = btf.end_id();
        let open = || Types::new(btf.clone()).named(Some(TypeTag::Struct), "task_struct");
        measure("BTF at hand: open struct task_struct", 50, open);
        measure("BTF at hand: the same, and its member comm", 50, || match open() {
            Some(Type::Struct(task)) => task.member("comm"),
            _ => None,
        });
        measure("BTF at hand: the type of a constant", 50, || Types::new(btf.clone()).constant("PIDTYPE_TGID"));
        measure("BTF at hand: a constant that is another name", 50, || Types::new(btf.clone()).constant("comm"));
    }
    measure("open tracefs", 50, Tracefs::open);
    measure("open tracefs, not mounted", 50, Tracefs::open_detached);
    measure("open tracefs, one format, parsed", 50, || Tracefs::open()?.format("sched", "sched_switch"));
    measure("open tracefs, not mounted, one format, parsed", 50, || {
        Tracefs::open_detached()?.format("sched", "sched_switch")
    });
    measure("an event that is not there, with suggestions", 20, || {
        Tracefs::open()?.event_format("syscalls", "sys_enter_opnat")
    });
    let symbols = Kallsyms::new();
    measure("kallsyms: address of vfs_read", 10, || symbols.address_of("vfs_read"));
    measure("kallsyms: a name that is not there, with suggestions", 10, || symbols.nearest("vfs_reed", 3));
    let mut names = Vec::new();
    let listed = symbols.for_each(|symbol| {
        names.push(symbol.name.to_owned());
        std::ops::ControlFlow::Continue(())
    });
    if listed.is_ok() {
        measure(&format!("nearest of {} names", names.len()), 10, || {
            nearest("vfs_reed", names.iter().map(String::as_str), 3)
        });
        measure("the same, for a long name", 10, || {
            nearest("tcp_rcv_establishde_state", names.iter().map(String::as_str), 3)
        });
    }
}
