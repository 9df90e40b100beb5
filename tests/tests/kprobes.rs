//! Probes on functions of the kernel, on kernels that have them: one by one through perf events, or many in one link.

use rtrace_tests::kernel::Objects;
use rtrace_tests::workload::finish_all;
use rtrace_tests::{Need, Output, Run, Scratch, Work, Worker, missing, requires, sibling};

/// `text` is a program about the process of its `{pid}`, which makes `times` writes of `bytes` bytes.
fn on_writes(times: u64, bytes: usize, text: &str) -> Output {
    let writer = Worker::new("rt_kprobe", Work::write("/dev/null", times, bytes));
    let text = text.replace("{pid}", &writer.pid().to_string());
    Run::program(text).run(|_| writer.finish())
}

#[test]
fn a_call_of_a_function_is_counted() {
    requires!(Bpf, Kprobes);
    on_writes(250, 4, "kprobe:vfs_write /pid == {pid}/ { @[probe] = count(); }")
        .code(0)
        .stdout_is("\n\n@[kprobe:vfs_write]: 250\n");
    on_writes(250, 4, "k:vfs_write /pid == {pid}/ { @[probe] = count(); }")
        .code(0)
        .stdout_is("\n\n@[kprobe:vfs_write]: 250\n");
}

#[test]
fn reads_of_the_whole_machine_are_seen() {
    requires!(Bpf, Kprobes);
    let reader = Worker::new("rt_reader", Work::exec(sibling("work"), 3));
    let out = Run::program("kprobe:vfs_read { @ = count(); }").run(|_| reader.finish());
    out.code(0);
    assert!(out.int("@") > 0, "{out}");
}

#[test]
fn the_third_argument_makes_a_histogram() {
    requires!(Bpf, Kprobes);
    let bar = "@".repeat(52);
    let out = on_writes(300, 100, "kprobe:vfs_write /pid == {pid}/ { @ = hist(arg2); @sum = sum(arg2); }");
    out.code(0).stdout_is(&format!("\n\n@:\n[64, 128)            300 |{bar}|\n\n@sum: 30000\n"));
}

#[test]
fn started_programs_by_name_are_counted_exactly() {
    requires!(Bpf, Kprobes, Own);
    let first = Worker::new("rt_first", Work::exec(sibling("work"), 17));
    let second = Worker::new("rt_second", Work::exec(sibling("work"), 5));
    let out = Run::program("kprobe:sys_execve < @[comm]=count() >").run(|_| finish_all(vec![first, second]));
    out.code(0);
    assert_eq!((out.int("@[rt_first]"), out.int("@[rt_second]")), (17, 5), "{out}");
}

#[test]
fn the_wrapper_of_a_system_call_can_be_named_itself() {
    requires!(Bpf, Kprobes);
    let out = on_writes(20, 1, "kprobe:__x64_sys_write /pid == {pid}/ { @ = count(); }");
    out.code(0).stdout_is("\n\n@: 20\n");
}

#[test]
fn several_functions_share_a_probe() {
    requires!(Bpf, Kprobes);
    let text = "kprobe:vfs_write, kprobe:ksys_write, kprobe:rw_verify_area /pid == {pid}/ { @[probe] = count(); }";
    let out = on_writes(70, 1, text);
    out.code(0).stderr_has("Attached 3 probes\n");
    let counts = ["vfs_write", "ksys_write"].map(|function| out.int(&format!("@[kprobe:{function}]")));
    assert_eq!(counts, [70, 70], "{out}");
}

#[test]
fn many_functions_take_one_link_where_the_kernel_can() {
    requires!(Bpf, Kprobes);
    let text = "kprobe:vfs_write, kprobe:vfs_read, kprobe:ksys_write { @ = count(); }";
    let session = Run::program(text).start();
    session.wait_attached();
    let links = Objects::of_process(session.pid()).links();
    session.interrupt().code(0);
    assert_eq!(links, if missing(&[Need::KprobeMulti]).is_none() { 1 } else { 3 });
}

#[test]
fn entry_and_return_of_a_function_take_one_program_where_the_kernel_can() {
    requires!(Bpf, Kprobes, KprobeMulti);
    // Sessions are in the kernel that has this function.
    let is_able = std::fs::read_to_string("/proc/kallsyms").is_ok_and(|all| all.contains(" bpf_session_is_return\n"));
    let text = |pid: u32| {
        format!(
            "kprobe:vfs_write /pid == {pid}/ {{ @size[tid] = arg2; @in = count(); }}
             kretprobe:vfs_write /pid == {pid}/ {{ @same = sum(retval == @size[tid] ? 1 : 0); delete(@size[tid]); }}"
        )
    };
    for (option, is_able) in [("", is_able), ("kprobe_session", false)] {
        let writer = Worker::new("rt_session", Work::write("/dev/null", 40, 7));
        let mut run = Run::program(text(writer.pid()));
        if !option.is_empty() {
            run = run.arg("--no-feature").arg(option);
        }
        let session = run.start();
        session.wait_attached();
        let objects = Objects::of_process(session.pid());
        writer.finish();
        let out = session.interrupt();
        out.code(0);
        assert_eq!((out.int("@in"), out.int("@same")), (40, 40), "{out}");
        let count = if is_able { 1 } else { 2 };
        assert_eq!((objects.links(), objects.programs()), (count, count), "{option}");
        out.stderr_has(if is_able { "Attached 1 probe\n" } else { "Attached 2 probes\n" });
    }
}

#[test]
fn the_registers_of_a_function_are_seen_as_the_kernel_has_them() {
    requires!(Bpf, Kprobes, Btf, Own);
    let text = "kprobe:vfs_write /pid == {pid}/ { @in = sum((uint64)ctx.dx == arg2 ? 1 : 0); }
        kretprobe:vfs_write /pid == {pid}/ { @out = sum((uint64)ctx.ax == retval ? 1 : 0); }";
    on_writes(12, 5, text).code(0).stdout_is("\n\n@in: 12\n@out: 12\n");
}

#[test]
fn entry_and_return_with_their_loops_and_keys_stay_apart() {
    requires!(Bpf, Kprobes);
    let text = "kprobe:vfs_write /pid == {pid}/ { for ($i : 0..arg2) { @in[$i]++; } printf(\"in %d\\n\", arg2); }
        kretprobe:vfs_write /pid == {pid}/ { for ($i : 0..retval) { @out[$i]++; } printf(\"out %d\\n\", retval); }";
    let out = on_writes(3, 2, text);
    let printed = "in 2\nout 2\n".repeat(3);
    out.code(0).stdout_is(&format!("{printed}\n\n@in[0]: 3\n@in[1]: 3\n@out[0]: 3\n@out[1]: 3\n"));
}

#[test]
fn probes_of_one_function_all_fire() {
    requires!(Bpf, Kprobes);
    let text = "kprobe:vfs_write /pid == {pid}/ { @a = count(); } kprobe:vfs_write /pid == {pid}/ { @b = count(); }
        tracepoint:syscalls:sys_enter_write /pid == {pid}/ { @c = count(); }";
    on_writes(33, 1, text).code(0).stdout_is("\n\n@a: 33\n@b: 33\n@c: 33\n").stderr_has("Attached 3 probes\n");
}

#[test]
fn an_unknown_function_comes_with_the_nearest_names() {
    requires!(Bpf, Kprobes);
    for (name, nearest) in [("vfs_reed", "vfs_read"), ("__x64_sys_exceve", "__x64_sys_execve")] {
        let out = Run::program(format!("kprobe:{name} {{ @ = 1; }}")).to_end();
        out.code(1)
            .stdout_is("")
            .stderr_has(&format!("stdin:1:1-{}: ERROR: ", name.len() + 8))
            .stderr_has(name)
            .stderr_has(nearest);
        assert!(!out.attached, "{out}");
    }
}

#[test]
fn one_unknown_function_among_others_stops_everything() {
    requires!(Bpf, Kprobes);
    let out = Run::program("kprobe:vfs_read, kprobe:vfs_reed { @ = 1; } begin { printf(\"ran\\n\"); }").to_end();
    out.code(1).stdout_is("").stderr_has("vfs_reed");
}

#[test]
fn a_function_that_may_not_be_traced_says_so() {
    requires!(Bpf, Kprobes);
    // Marked `noinstr`: on the way into the kernel.
    let out = Run::program("kprobe:asm_exc_page_fault { @ = 1; }").to_end();
    out.code(1).stdout_is("").stderr_has("asm_exc_page_fault");
    assert!(!out.attached, "{out}");
}

#[test]
fn what_cannot_be_traced_says_why() {
    requires!(Bpf, Kprobes, Own);
    let told = |point: &str, help: &str| {
        let out = Run::program(format!("{point} {{ @ = 1; }}")).to_end();
        let (provider, name) = point.split_once(':').expect("it has a provider");
        let function = name.rsplit(':').next().unwrap_or(name);
        out.code(1).stdout_is("").stderr_has(&format!("ERROR: No matches for {provider} {name}.")).stderr_has(help);
        let warning =
            format!("WARNING: {function} is not traceable (either non-existing, inlined, or marked as \"notrace\")");
        out.stderr_has(&warning);
        let out = Run::program(format!("config = {{ missing_probes=warn }} {point} {{ @ = 1; }} begin {{ exit(); }}"))
            .to_end();
        out.code(0).stderr_has(&warning).stderr_has(&format!("WARNING: No matches for {provider} {name}. Skipping."));
        out.stderr_has("WARNING: Probe has no valid attach points. It is being removed")
            .stderr_has("Attached 1 probe\n");
        let out = Run::program(format!("config = {{ missing_probes=ignore }} {point} {{ @ = 1; }}")).to_end();
        out.code(1).stderr_has("No probes to attach").nowhere("WARNING");
    };
    told("kprobe:asm_exc_page_fault", "");
    told("kretprobe:vmlinux:vfs_reed", "did you mean vfs_read");
    told("kprobe:system_wq", "system_wq is a variable, no function");
    let blacklist = std::fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    if blacklist.contains("\tasm_exc_page_fault\n") {
        told("kprobe:asm_exc_page_fault", "authors forbid probes there");
    }
}

#[test]
fn one_function_of_a_pattern_that_cannot_be_traced_costs_no_other() {
    requires!(Bpf, Kprobes, Own);
    // The list promises one that there is not.
    let list = Scratch::file("functions", "vfs_read\nvfs_write\nvfs_nosuch\nvfs_open\nvfs_writev\n");
    for feature in ["kprobe_session", "kprobe_multi"] {
        let writer = Worker::new("rt_pattern", Work::write("/dev/null", 25, 1));
        let text = format!("kprobe:vfs_* /pid == {}/ {{ @[func] = count(); @p[probe] = count(); }}", writer.pid());
        let run = Run::program(text).arg("--traceable-functions").arg(list.path()).arg("--no-feature").arg(feature);
        let out = run.run(|_| writer.finish());
        out.code(0).stdout_has("@[vfs_write]: 25\n").stdout_has("@p[kprobe:vfs_write]: 25\n");
        out.stderr_has("WARNING: Unable to attach probe: kprobe:vfs_nosuch. Skipping.")
            .stderr_has("Attached 4 probes\n");
    }
}

#[test]
fn names_stay_right_when_a_link_is_taken_apart() {
    requires!(Bpf, Kprobes, KprobeMulti, Own);
    // More than have a program each, so that a number given with the link says which it is.
    let all = std::fs::read_to_string("/sys/kernel/tracing/available_filter_functions").unwrap_or_default();
    let others = all.lines().filter(|line| line.starts_with("ext4_") || line.starts_with("vfs_")).take(300);
    let mut names: Vec<&str> = others.filter_map(|line| line.split(' ').next()).collect();
    names.push("vfs_write");
    names.insert(names.len() / 2, "vfs_no_such_function");
    let list = Scratch::file("functions", names.join("\n") + "\n");
    let writer = Worker::new("rt_apart", Work::write("/dev/null", 25, 1));
    let text = format!("k:vfs_*,k:ext4_* /pid == {}/ {{ @[func] = count(); @p[probe] = count(); }}", writer.pid());
    let out = Run::program(text).arg("--traceable-functions").arg(list.path()).run(|_| writer.finish());
    out.code(0).stdout_has("@[vfs_write]: 25\n").stdout_has("@p[kprobe:vfs_write]: 25\n");
    out.stderr_has("WARNING: Unable to attach probe: kprobe:vfs_no_such_function. Skipping.");
}

#[test]
fn an_address_is_a_place_for_those_who_know() {
    requires!(Bpf, Kprobes, Root);
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let address = symbols.lines().find_map(|line| line.strip_suffix(" T vfs_write")).expect("it is there");
    let address = u64::from_str_radix(address, 16).expect("it is hexadecimal");
    let text = |pid: u32| format!("kprobe:{address:#x} /pid == {pid}/ {{ @[probe, func] = count(); }}");
    Run::program(text(1)).to_end().code(1).stderr_has("ERROR: Probing by address requires --unsafe");
    let writer = Worker::new("rt_address", Work::write("/dev/null", 20, 1));
    let out = Run::program(text(writer.pid())).arg("--unsafe").run(|_| writer.finish());
    out.code(0).stdout_is(&format!("\n\n@[kprobe:{address}, vfs_write]: 20\n"));
    let out = Run::program("kprobe:0x12345678 { }").arg("--unsafe").to_end();
    out.code(1).stderr_has("ERROR: Unable to attach probe: kprobe:305419896");
}

#[test]
fn an_offset_within_an_instruction_is_told() {
    requires!(Bpf, Kprobes, Own);
    let out = Run::program("kprobe:vfs_write+1 { @ = 1; }").to_end();
    out.code(1).stderr_has("Possible attachment attempt in the middle of an instruction, try a different offset.");
    let out = Run::program("config = { missing_probes=warn } kprobe:vfs_write+1, kprobe:vfs_write { @ = 1; }");
    out.arg("--dry-run").to_end().code(0).stderr_has("Skipping.").stderr_has("Attached 1 probe\n");
}

#[test]
fn a_list_of_functions_is_binding_unless_it_is_unsafe() {
    requires!(Bpf, Kprobes);
    let run =
        || Run::program("kprobe:vfs_read { @ = 1; }").arg("--dry-run").arg("--traceable-functions").arg("/dev/null");
    run().to_end().code(1).stderr_has("1:1-16: ERROR: No matches for kprobe vfs_read.");
    let out = run().arg("--unsafe").to_end();
    out.code(0).stderr_has("1:1-16: WARNING: vfs_read is not traceable").stderr_has("Attached 1 probe\n");
}

#[test]
fn functions_that_may_not_be_traced_can_be_passed_over() {
    requires!(Bpf, Kprobes);
    let text = |policy: &str| {
        format!(
            "config = {{ missing_probes={policy} }} kprobe:vfs_write, kprobe:do_syscall_64 /pid == {{pid}}/ {{ @ = count(); }}"
        )
    };
    let out = on_writes(20, 1, &text("warn"));
    out.code(0).stdout_is("\n\n@: 20\n").stderr_has("WARNING: No matches for kprobe do_syscall_64. Skipping.");
    out.stderr_has("Attached 1 probe");
    let out = on_writes(20, 1, &text("ignore"));
    out.code(0).stdout_is("\n\n@: 20\n").nowhere("WARNING");
}

#[test]
fn the_value_of_a_function_is_seen_on_return() {
    requires!(Bpf, Kprobes);
    let out = on_writes(30, 9, "kretprobe:vfs_write /pid == {pid}/ { @[probe] = sum(retval); }");
    out.code(0).stdout_is("\n\n@[kretprobe:vfs_write]: 270\n");
    on_writes(30, 9, "kr:vfs_write /pid == {pid}/ { @[func] = count(); }").code(0).stdout_is("\n\n@[vfs_write]: 30\n");
    Run::program("kretprobe:vfs_write { @ = arg0; }").to_end().code(1).stderr_has("The arg0 builtin");
}

#[test]
fn a_pattern_covers_functions_and_names_each() {
    requires!(Bpf, Kprobes);
    let out = on_writes(25, 1, "kprobe:vfs_writ* /pid == {pid}/ { @[func] = count(); @p[probe] = count(); }");
    out.code(0).stdout_has("@[vfs_write]: 25\n").stdout_has("@p[kprobe:vfs_write]: 25\n");
    // More than have a program each.
    let out = on_writes(25, 1, "kprobe:vfs_* /pid == {pid}/ { @[func] = count(); @p[probe] = count(); }");
    out.code(0).stdout_has("@[vfs_write]: 25\n").stdout_has("@p[kprobe:vfs_write]: 25\n");
    let out = on_writes(25, 1, "kretprobe:vfs_* /pid == {pid}/ { @[func] = sum(retval); }");
    out.code(0).stdout_has("@[vfs_write]: 25\n");
    let out = Run::program("kprobe:vsf_wriet* { @ = 1; }").to_end();
    out.code(1)
        .stderr_has("ERROR: Probe has no valid attach points. If this is expected")
        .stderr_has("did you mean vfs_write");
}

#[test]
fn a_function_can_be_named_with_its_module_and_an_offset() {
    requires!(Bpf, Kprobes);
    let text = "kprobe:vmlinux:vfs_write /pid == {pid}/ { @[probe] = count(); }";
    on_writes(5, 1, text).code(0).stdout_is("\n\n@[kprobe:vmlinux:vfs_write]: 5\n");
    on_writes(5, 1, "kprobe:vfs_write+0 /pid == {pid}/ { @ = count(); }").code(0).stdout_is("\n\n@: 5\n");
    on_writes(5, 1, "kprobe:vmlinu*:vfs_writ[e] /pid == {pid}/ { @[probe] = count(); }")
        .code(0)
        .stdout_is("\n\n@[kprobe:vmlinux:vfs_write]: 5\n");
    let out = Run::program("kprobe:nosuch:vfs_read { @ = 1; }").to_end();
    out.code(1).stderr_has("specified module nosuch in probe kprobe:nosuch:vfs_read is not loaded.");
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    if let Some(module) = modules.split(' ').next().filter(|module| !module.is_empty()) {
        let out = Run::program(format!("kprobe:{module}:vfs_write {{ @ = 1; }}")).to_end();
        out.code(1).stderr_has(&format!("ERROR: No matches for kprobe {module}:vfs_write."));
        out.stderr_has(&format!("it is not in {module}; write kprobe:vmlinux:vfs_write"));
    }
    let out = Run::program("kprobe:vmlinux:nosuch_at_all { @ = 1; }").to_end();
    out.code(1).stderr_has("ERROR: No matches for kprobe vmlinux:nosuch_at_all.");
}

/// The calls of the process that is asked for, and of no other.
fn only_of_the_process(run: impl Fn() -> Run) {
    let wanted = Worker::new("rt_wanted", Work::write("/dev/null", 30, 1));
    let other = Worker::new("rt_other", Work::write("/dev/null", 400, 1));
    let session = run().arg("-p").arg(wanted.pid().to_string()).start();
    session.wait_attached();
    other.finish();
    wanted.finish();
    session.to_end().code(0).stdout_is("\n\n@[rt_wanted]: 30\n");
}

#[test]
fn a_process_is_followed_alone() {
    requires!(Bpf, Kprobes, Own);
    for program in ["kprobe:vfs_write { @[comm] = count(); }", "kretprobe:vfs_write { @[comm] = count(); }"] {
        only_of_the_process(|| Run::program(program));
        only_of_the_process(|| Run::program(program).arg("--no-feature").arg("kprobe_multi"));
    }
}

#[test]
fn a_process_is_followed_alone_by_entries_and_events() {
    requires!(Bpf, Btf);
    only_of_the_process(|| Run::program("rawtracepoint:sys_enter /arg1 == 1/ { @[comm] = count(); }"));
    requires!(Fentry);
    only_of_the_process(|| Run::program("fentry:vfs_write { @[comm] = count(); }"));
    only_of_the_process(|| Run::program("fexit:vfs_write { @[comm] = count(); }"));
}
