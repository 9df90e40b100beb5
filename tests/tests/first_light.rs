//! The first things a user tries: programs that begin, count, filter, end, and programs that are wrong.

use std::path::Path;
use std::time::Duration;

use rtrace_tests::workload::finish_all;
use rtrace_tests::{Run, Scratch, Work, Worker, on_every_cpu, requires, sibling};

#[test]
fn begin_prints_and_ends_by_itself() {
    requires!(Bpf);
    let out = Run::program(r#"begin { printf("hello %d\n", 42); }"#).to_end();
    out.code(0).stdout_is("hello 42\n\n\n").stderr_has("Attached 1 probe\n");
    assert!(out.attached, "the announcement is missing\n{out}");
}

#[test]
fn upper_case_begin_and_end_are_accepted() {
    requires!(Bpf);
    let out = Run::program(r#"BEGIN { printf("a\n"); } END { printf("z\n"); }"#).to_end();
    out.code(0).stdout_is("a\nz\n\n\n").stderr_has("Attached 2 probes\n");
}

#[test]
fn quiet_keeps_what_the_script_prints() {
    requires!(Bpf);
    let out = Run::program(r#"begin { printf("x\n"); @ = 1; }"#).arg("-q").to_end();
    out.code(0).stdout_is("x\n\n\n@: 1\n");
    assert!(!out.stderr.contains("Attached"), "{out}");
}

#[test]
fn a_program_may_stand_without_an_option() {
    requires!(Bpf, Own);
    Run::bare().arg(r#"begin { printf("bare\n"); }"#).to_end().code(0).stdout_is("bare\n\n\n");
}

#[test]
fn exit_sets_the_code_and_end_still_runs() {
    requires!(Bpf);
    let text = r#"begin { @a = 1; exit(7); printf("not this\n"); } end { printf("end\n"); }"#;
    Run::program(text).to_end().code(7).stdout_is("end\n\n\n@a: 1\n");
}

#[test]
fn exit_without_a_number_is_zero() {
    requires!(Bpf);
    Run::program("begin { exit(); } interval:s:100 { @never++; }").to_end().code(0).stdout_is("\n\n");
}

#[test]
fn every_write_of_one_process_is_counted() {
    requires!(Bpf, Tracefs);
    let writer = Worker::new("rt_writer", Work::write("/dev/null", 1000, 8));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @calls = count(); @bytes = sum(args.count); }}",
        writer.pid()
    );
    let out = Run::program(text).run(|_| writer.finish());
    out.code(0).stdout_is("\n\n@bytes: 8000\n@calls: 1000\n");
}

#[test]
fn a_predicate_tells_two_processes_apart_by_name() {
    requires!(Bpf, Tracefs);
    let wanted = Worker::new("rt_wanted", Work::write("/dev/null", 12, 1));
    let other = Worker::new("rt_other", Work::write("/dev/null", 500, 1));
    let text = r#"tracepoint:syscalls:sys_enter_write /comm == "rt_wanted"/ { @[comm] = count(); }"#;
    let out = Run::program(text).run(|_| finish_all(vec![wanted, other]));
    out.code(0).stdout_is("\n\n@[rt_wanted]: 12\n");
}

#[test]
fn a_histogram_holds_every_event() {
    requires!(Bpf, Tracefs);
    let writer = Worker::new("rt_hist", Work::write("/dev/null", 300, 100));
    let text = r#"tracepoint:syscalls:sys_enter_write /comm == "rt_hist"/ { @ = hist(args.count); }"#;
    let out = Run::program(text).run(|_| writer.finish());
    let bar = "@".repeat(52);
    out.code(0).stdout_is(&format!("\n\n@:\n[64, 128)            300 |{bar}|\n\n"));
}

#[test]
fn an_interval_ends_the_program() {
    requires!(Bpf);
    let out = Run::program(r#"interval:ms:100 { @n++; if (@n == 3) { exit(); } }"#).to_end();
    out.code(0).stdout_is("\n\n@n: 3\n");
    assert!(out.wall >= Duration::from_millis(300), "three intervals of 100 ms came too early\n{out}");
}

#[test]
fn interrupt_and_terminate_run_end_and_print_maps() {
    requires!(Bpf);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let session = Run::program(r#"begin { @a = 5; } interval:s:100 { @b = 1; } end { printf("end\n"); }"#).start();
        session.wait_attached();
        session.signal(signal);
        session.to_end().code(0).stdout_is("end\n\n\n@a: 5\n");
    }
}

#[test]
fn output_arrives_while_tracing_goes_on() {
    requires!(Bpf);
    let out = Run::program(r#"interval:ms:50 { printf("tick\n"); }"#).run(|session| {
        session.wait_stdout("tick\ntick\n");
    });
    out.code(0).stdout_has("tick\ntick\n");
}

#[test]
fn a_child_command_is_traced_from_its_first_call() {
    requires!(Bpf, Tracefs);
    let command = format!("{} getppid 77", sibling("work").display());
    let text = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { @ = count(); }";
    let out = Run::program(text).child(command).to_end();
    out.code(0).stdout_is("\n\n@: 77\n");
}

#[test]
fn the_output_of_a_child_command_goes_to_standard_output() {
    requires!(Bpf);
    let command = format!("{} echo from the child", sibling("work").display());
    Run::program("interval:s:100 { @never = 1; }").child(command).to_end().code(0).stdout_is("from the child\n\n\n");
}

#[test]
fn a_child_command_that_does_not_exist_is_an_error() {
    requires!(Bpf);
    let out = Run::program(r#"begin { printf("ran\n"); }"#).child("/no/such/program").to_end();
    assert!(out.code.is_some_and(|code| code != 0), "{out}");
    assert!(!out.stdout.contains("ran"), "the script ran\n{out}");
}

#[test]
fn output_goes_to_the_named_file() {
    requires!(Bpf);
    let file = Scratch::new("output");
    let out = Run::program(r#"begin { printf("to a file\n"); @ = 1; }"#).arg("-o").arg(file.path()).to_end();
    out.code(0).stdout_is("");
    assert_eq!(file.text(), "to a file\n\n\n@: 1\n");
}

#[test]
fn a_kprobe_counts_every_call() {
    requires!(Bpf, Kprobes);
    let writer = Worker::new("rt_kprobe", Work::write("/dev/null", 250, 4));
    let text = format!("kprobe:vfs_write /pid == {}/ {{ @ = count(); }}", writer.pid());
    Run::program(text).run(|_| writer.finish()).code(0).stdout_is("\n\n@: 250\n");
}

#[test]
fn a_system_call_named_as_function_means_its_wrapper() {
    requires!(Bpf, Kprobes, Own);
    let command = format!("{} exit 0", sibling("work").display());
    let out = Run::program("kprobe:sys_execve /pid == cpid/ { @ = count(); }").child(command).to_end();
    out.code(0).stdout_is("\n\n@: 1\n");
}

#[test]
fn angle_brackets_enclose_a_block() {
    requires!(Bpf, Kprobes, Own);
    let command = format!("{} exit 0", sibling("work").display());
    let out = Run::program("kprobe:sys_execve < @[comm]=count() >").child(command).to_end();
    out.code(0).stdout_has("]: 1\n");
}

#[test]
fn angle_brackets_enclose_a_block_of_a_tracepoint() {
    requires!(Bpf, Tracefs, Own);
    let worker = Worker::new("rt_angle", Work::Getppid(33));
    let text = format!("tracepoint:syscalls:sys_enter_getppid / pid == {} / < @[comm]=count() >", worker.pid());
    Run::program(text).run(|_| worker.finish()).code(0).stdout_is("\n\n@[rt_angle]: 33\n");
}

#[test]
fn no_increment_is_lost_between_processors() {
    requires!(Bpf, Tracefs, Cpus(2), Own);
    let workers = on_every_cpu("rt_hammer", &Work::Getppid(100_000));
    let expected = workers.len() as i64 * 100_000;
    let text = r#"tracepoint:syscalls:sys_enter_getppid /comm == "rt_hammer"/ { @x++; @y += 3; @z["k"]--; }"#;
    let out = Run::program(text).run(|_| finish_all(workers));
    out.code(0);
    assert_eq!((out.int("@x"), out.int("@y"), out.int("@z[k]")), (expected, 3 * expected, -expected), "{out}");
}

#[test]
fn no_count_is_lost_between_processors() {
    requires!(Bpf, Tracefs, Cpus(2));
    let workers = on_every_cpu("rt_count", &Work::Getppid(50_000));
    let expected = workers.len() as i64 * 50_000;
    let text = r#"tracepoint:syscalls:sys_enter_getppid /comm == "rt_count"/ { @ = count(); @k[comm] = sum(2); }"#;
    let out = Run::program(text).run(|_| finish_all(workers));
    out.code(0);
    assert_eq!((out.int("@"), out.int("@k[rt_count]")), (expected, 2 * expected), "{out}");
}

#[test]
fn a_wrong_program_ends_with_1_and_prints_only_on_standard_error() {
    let file = Scratch::file("wrong.rt", "begin { print( }");
    for run in [
        Run::program("begin { printf(\"unclosed); }"),
        Run::program("begin { nosuchfunction(1); }"),
        Run::program("begin { $a = 1; $a = \"text\"; }"),
        Run::program("nosuchprovider:x { @ = 1; }"),
        Run::file(file.path()),
    ] {
        let out = run.to_end();
        out.code(1).stdout_is("");
        assert!(!out.stderr.trim().is_empty(), "no word about what is wrong\n{out}");
        assert!(!out.attached && !out.stderr.contains("Attached"), "{out}");
    }
}

#[test]
fn an_unknown_probe_is_an_error_that_names_it() {
    requires!(Bpf, Tracefs);
    let out = Run::program("tracepoint:nosuch:event_at_all { @ = 1; }").to_end();
    out.code(1).stdout_is("").stderr_has("nosuch");
}

#[test]
fn a_missing_file_is_an_error() {
    let path = "/no/such/script.bt";
    assert!(!Path::new(path).exists());
    let out = Run::file(path).to_end();
    assert!(out.code.is_some_and(|code| code != 0), "{out}");
    out.stdout_is("").stderr_has(path);
}

#[test]
fn maps_may_have_long_names() {
    requires!(Bpf);
    let name = "a_name_that_is_longer_than_the_kernel_keeps_of_it".repeat(3);
    let text = format!("begin {{ @{name}[1] = 2; @{name}_too = count(); @{name}_three[1] = 3; }}");
    let expected = format!("\n\n@{name}[1]: 2\n@{name}_three[1]: 3\n@{name}_too: 1\n");
    Run::program(text).to_end().code(0).stdout_is(&expected);
}
