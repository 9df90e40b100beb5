//! Tracepoints by pattern, raw tracepoints, and functions by their type information.

use rtrace_tests::kernel::Objects;
use rtrace_tests::{Need, Run, Work, Worker, missing, requires, skip};

/// `text` is a program about the process of its `{pid}`, which makes `times` writes of 4 bytes.
fn on_writes(times: u64, text: &str) -> rtrace_tests::Output {
    let writer = Worker::new("rt_pattern", Work::write("/dev/null", times, 4));
    let text = text.replace("{pid}", &writer.pid().to_string());
    Run::program(text).run(|_| writer.finish())
}

#[test]
fn all_system_calls_are_one_program_that_names_each() {
    requires!(Bpf, Tracefs, Btf);
    let text = "tracepoint:syscalls:sys_enter_* /pid == {pid}/ { @[probe] = count(); }";
    on_writes(50, text).code(0).stdout_has("@[tracepoint:syscalls:sys_enter_write]: 50\n");
    let session = Run::program(text.replace("{pid}", "0")).start();
    session.wait_attached();
    let objects = Objects::of_process(session.pid());
    let (programs, links) = (objects.programs(), objects.links());
    session.interrupt().code(0);
    assert_eq!((programs, links), (1, 1));
}

#[test]
fn a_pattern_takes_no_more_than_it_covers() {
    requires!(Bpf, Tracefs, Btf);
    let text = "tracepoint:syscalls:sys_enter_writ* /pid == {pid}/ { @[probe] = count(); }";
    let out = on_writes(20, text);
    out.code(0).stdout_is("\n\n@[tracepoint:syscalls:sys_enter_write]: 20\n").stderr_has("Attached 2 probes\n");
    let text = "tracepoint:syscalls:sys_exit_write* /pid == {pid}/ { @n = count(); @ = sum(args.ret); }";
    on_writes(20, text).code(0).stdout_is("\n\n@: 80\n@n: 20\n");
}

#[test]
fn a_call_that_two_attach_points_name_counts_twice() {
    requires!(Bpf, Tracefs, Btf);
    let text =
        "tracepoint:syscalls:sys_enter_write, tracepoint:syscalls:sys_enter_writ* /pid == {pid}/ { @ = count(); }";
    on_writes(30, text).code(0).stdout_is("\n\n@: 60\n");
}

#[test]
fn events_of_many_categories_keep_their_names() {
    requires!(Bpf, Tracefs);
    let text = "tracepoint:sche[d]:sched_* { @[probe] = count(); } interval:ms:300 { exit(); }";
    let out = Run::program(text).to_end();
    out.code(0);
    assert!(out.int("@[tracepoint:sched:sched_switch]") > 0, "{out}");
    let other = out.stdout.lines().filter(|line| !line.is_empty() && !line.starts_with("@[tracepoint:sched:sched_"));
    assert_eq!(other.count(), 0, "{out}");
}

#[test]
fn fields_are_read_where_each_event_has_them() {
    requires!(Bpf, Tracefs);
    let text = "tracepoint:sched:sched_wakeup* { @[args.comm, probe] = count(); } interval:ms:300 { exit(); }";
    Run::program(text).to_end().code(0).stdout_has(", tracepoint:sched:sched_wakeup]: ");
}

/// In one program for many events, and in one for each.
#[test]
fn system_calls_have_their_number_as_records_have() {
    requires!(Bpf, Tracefs);
    let write = libc::SYS_write;
    let text = "tracepoint:syscalls:sys_enter_write /pid == {pid}/ { @in[args.__syscall_nr, args.count] = count(); }
        tracepoint:syscalls:sys_exit_write /pid == {pid}/ { @out[args.__syscall_nr, args.ret] = count(); }
        tracepoint:syscalls:sys_enter_* /pid == {pid} && args.__syscall_nr == NUMBER/ { @[probe] = count(); }";
    let out = on_writes(30, &text.replace("NUMBER", &write.to_string()));
    out.code(0).stdout_has("@[tracepoint:syscalls:sys_enter_write]: 30\n");
    out.stdout_has(&format!("@in[{write}, 4]: 30\n")).stdout_has(&format!("@out[{write}, 4]: 30\n"));
}

#[test]
fn a_pattern_without_a_match_is_an_error_only_alone() {
    requires!(Bpf, Tracefs);
    for text in ["tracepoint:sched:nosuch_* { @ = 1; }", "tracepoint:nosuch:* { @ = 1; }"] {
        Run::program(text).to_end().code(1).stderr_has("ERROR: Probe has no valid attach points.");
    }
    let text = "tracepoint:sched:nosuch_*, tracepoint:syscalls:sys_enter_write /pid == {pid}/ { @ = count(); }";
    on_writes(10, text).code(0).stdout_is("\n\n@: 10\n").stderr_has("Attached 1 probe\n");
}

#[test]
fn raw_tracepoints_have_arguments_by_position_and_by_name() {
    requires!(Bpf, Btf);
    let text = "rawtracepoint:sys_exit /pid == {pid}/ { @[arg1 == (uint64)args.ret] = count(); if (args.ret == 4) { @four = count(); } }";
    let out = on_writes(40, text);
    out.code(0).stdout_has("@four: 40\n");
    assert!(out.int("@[true]") >= 40 && !out.stdout.contains("@[false]"), "{out}");
    let out = on_writes(10, "rt:sys_ente* /pid == {pid}/ { @[probe] = count(); }");
    out.code(0);
    assert!(out.int("@[rawtracepoint:vmlinux:sys_enter]") >= 10, "{out}");
    Run::program("rawtracepoint:sched_swich { @ = 1; }").to_end().code(1).stderr_has("sched_switch");
    let out = Run::program("rawtracepoint:nosuch:sys_exit { @ = 1; }").to_end();
    out.code(1).stderr_has("ERROR: No matches for rawtracepoint nosuch:sys_exit.");
}

#[test]
fn functions_have_typed_arguments_and_values() {
    requires!(Bpf, Fentry);
    let text = "fentry:vfs_write /pid == {pid}/ { @in = sum(args.count); }
        fexit:vfs_write /pid == {pid}/ { @out = sum(retval); @count = sum(args.count); @[probe, func] = count(); }";
    let out = on_writes(60, text);
    out.code(0).stdout_has("@in: 240\n").stdout_has("@out: 240\n").stdout_has("@count: 240\n");
    assert_eq!(out.int("@[fexit:vmlinux:vfs_write, vfs_write]"), 60, "{out}");
    let out = on_writes(60, "kfunc:vmlinu*:vfs_writ[e] /pid == {pid}/ { @ = count(); }");
    out.code(0).stdout_is("\n\n@: 60\n");
}

#[test]
fn an_unknown_function_is_told_with_near_names() {
    requires!(Btf);
    let out = Run::program("fentry:vfs_reed { @ = 1; }").to_end();
    out.code(1).stderr_has("ERROR: No matches for fentry vfs_reed.").stderr_has("vfs_read");
}

#[test]
fn what_a_function_returns_is_behind_structures_passed_by_value() {
    requires!(Bpf, Fentry, Kernel(6, 12));
    // `int __sys_bpf(enum bpf_cmd cmd, bpfptr_t uattr, unsigned int size)`, where the second takes two words.
    let text = format!(
        "fexit:__sys_bpf /pid == {} && args.cmd == 1111/ {{ printf(\"%d %d\\n\", args.size, retval); exit(); }}",
        std::process::id()
    );
    let out = Run::program(text).run(|_| {
        let attr = [0u8; 128];
        // SAFETY: there is no such command, and the memory is as long as the call is told.
        unsafe { libc::syscall(libc::SYS_bpf, 1111, attr.as_ptr(), 64) };
    });
    // EINVAL
    out.code(0).stdout_is("64 -22\n\n\n");
}

#[test]
fn a_kernel_that_takes_no_program_for_functions_can_be_put_up_with() {
    requires!(Bpf, Btf, Root, Own);
    if missing(&[Need::Fentry]).is_none() {
        return skip("a_kernel_that_takes_no_program_for_functions", "the kernel takes programs for functions");
    }
    let said = |run: &str, title: &str| format!("{title}: Unable to attach probe: fentry:vmlinux:{run}.");
    let run =
        |policy: &str, text: &str| Run::program(format!("config = {{ missing_probes={policy} }} {text}")).to_end();
    let both = "fentry:vfs_read, fexit:vfs_read { @ = count(); } begin { printf(\"here\\n\"); }
        interval:ms:1 { exit(); }";
    let out = run("error", both);
    out.code(1).stdout_is("").stderr_has(&said("vfs_read", "ERROR")).nowhere("Skipping");
    let out = run("warn", both);
    out.code(0).stdout_is("here\n\n\n").stderr_has(&format!("{} Skipping.", said("vfs_read", "WARNING")));
    out.stderr_has("Attached 2 probes\n");
    run("ignore", both).code(0).stdout_is("here\n\n\n").nowhere("WARNING").stderr_has("Attached 2 probes\n");
    // Nothing of it is there before or behind an exit, either.
    run("ignore", "fexit:vfs_read { } begin { exit(); }").code(0).stderr_has("Attached 1 probe\n");
    run("ignore", "fentry:vfs_read { }").code(1).stderr_has("No probes to attach").nowhere("WARNING");
    run("warn", "fentry:vfs_read { }").code(1).stderr_has("No probes to attach").stderr_has("Skipping.");
    // Of a pattern, some may be missing, but not all.
    run("error", "fentry:vfs_re* { }")
        .code(1)
        .stderr_has("ERROR: Unable to attach probe: fentry:vmlinux:vfs_re")
        .nowhere("Skipping");
    run("warn", "fentry:vfs_readlin* { } begin { exit(); }").code(0).stderr_has(&said("vfs_readlink", "WARNING"));
    // What a program does is another matter.
    let out = run("warn", "rawtracepoint:tcp_probe { @k = args.sk; print(socket_cookie(@k)); }");
    out.code(1).stderr_has("ERROR: the kernel's verifier refuses the program");
}

#[test]
fn a_function_that_takes_no_program_can_be_left_out() {
    requires!(Bpf, Fentry, Own);
    // It can be traced, but the verifier knows that what it is called by would call it again.
    let functions = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    if !functions.lines().any(|line| line.ends_with(" T migrate_disable")) {
        return skip("a_function_that_takes_no_program_can_be_left_out", "the kernel has no function migrate_disable");
    }
    let both = "fentry:migrate_disable, fentry:vfs_write /pid == {pid}/ { @ = count(); }";
    let out = on_writes(30, &format!("config = {{ missing_probes=warn }} {both}"));
    out.code(0).stdout_is("\n\n@: 30\n").stderr_has("migrate_disable. Skipping.").stderr_has("Attached 1 probe\n");
    // Without that it is needed, and so is what is alone behind a pattern.
    for text in [both, "fentry:migrate_disabl* /pid == {pid}/ { @ = count(); }"] {
        let out = Run::program(text.replace("{pid}", "1")).to_end();
        out.code(1).stderr_has("ERROR: No matches for fentry vmlinux:migrate_disable.").nowhere("Skipping");
    }
}
