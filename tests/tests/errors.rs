//! Mistakes: each is told at its place, with what would work, and nothing runs.

use std::time::{Duration, Instant};

use rtrace_tests::workload::allowed_cpus;
use rtrace_tests::{Output, Run, Work, Worker, patience, requires};

/// A rejected program: `line` is the first line on standard error, after `stdin:`.
#[track_caller]
fn rejected(program: &str, line: &str) -> Output {
    let out = Run::program(program).to_end();
    out.code(1).stdout_is("").stderr_begins(&format!("stdin:{line}"));
    assert!(!out.attached && !out.stderr.contains("Attached"), "something ran\n{out}");
    out
}

/// Words stand below a place only if they say more than the first line does.
#[test]
fn places_are_underlined() {
    let line = "1:14-16: ERROR: Undefined or undeclared variable: $x";
    let picture = "   ╭─[ stdin:1:14 ]\n   │\n 1 │ begin { $x = $x; }\n   │              ──  \n───╯\n";
    rejected("begin { $x = $x; }", line).stderr_has(&format!("stdin:{line}\n{picture}"));
    let out = rejected("import \"x\"\nbegin { }", "1:11-11: ERROR: expected `;` after this import");
    out.stderr_has(" 1 │ import \"x\"\n   │           ▲ \n   │ \n   │ Help: an import looks like this");
    let out = Run::program("macro f($a) { $a } begin { f(1); }").to_end();
    out.code(1).stderr_has("takes a variable here, but got an expression\n").nowhere("── here\n");
    let out = Run::program("begin { $a = (\"x\"\n == 1); }").env("LC_ALL", "C").to_end();
    out.code(1).stderr_has(" 1 | ,-> begin { $a = (\"x\"\n 2 | `->  == 1); }\n---'\n");
}

#[test]
fn an_unknown_event_comes_with_the_nearest_names() {
    requires!(Tracefs);
    let out = rejected(
        "tracepoint:syscalls:sys_enter_writ { @ = count(); }",
        "1:1-35: ERROR: No matches for tracepoint syscalls:sys_enter_writ.",
    );
    out.stderr_has("did you mean").stderr_has("syscalls:sys_enter_write").stderr_has("syscalls:sys_enter_writev");
    rejected(
        "tracepoint:sched:sched_swich { @ = count(); }",
        "1:1-29: ERROR: No matches for tracepoint sched:sched_swich.",
    )
    .stderr_has("sched:sched_switch");
}

#[test]
fn an_unknown_category_comes_with_the_nearest_ones() {
    requires!(Tracefs);
    rejected(
        "tracepoint:syscall:sys_enter_write { @ = count(); }",
        "1:1-35: ERROR: No matches for tracepoint syscall:sys_enter_write.",
    )
    .stderr_has("there is no category syscall; did you mean syscalls:sys_enter_write");
}

#[test]
fn unknown_names_come_with_the_nearest_ones() {
    rejected("begin { @ = conut(); }", "1:13-20: ERROR: Unknown function: 'conut'").stderr_has("did you mean `count`?");
    rejected("begin { @ = nsec; }", "1:13-17: ERROR: Unknown identifier: 'nsec'").stderr_has("did you mean `nsecs`?");
    rejected("begin { $abc = 1; print($abd); }", "1:25-29: ERROR: Undefined or undeclared variable: $abd")
        .stderr_has("did you mean `$abc`?");
    Run::program("begin { @abc = 1; print(@abd); }")
        .to_end()
        .stderr_has("stdin:1:25-29: ")
        .stderr_has("Undefined map: @abd");
    rejected("kprob:vfs_read { @ = 1; }", "1:1-15: ERROR: Invalid probe type: kprob").stderr_has("`kprobe`");
}

#[test]
fn an_unknown_field_comes_with_the_others() {
    requires!(Tracefs);
    let out = Run::program("tracepoint:sched:sched_process_exit { @[args.com] = count(); }").to_end();
    out.code(1).stdout_is("").stderr_has("'com'").stderr_has("did you mean `comm`?");
    let out = Run::program("tracepoint:sched:sched_process_exit { @[args.xyzzy] = count(); }").to_end();
    out.code(1).stdout_is("").stderr_has("it has comm, pid, prio");
}

#[test]
fn a_clash_of_types_shows_what_fixed_the_type() {
    for program in [
        "begin { @x = 1; @x = \"s\"; }",
        "begin { @x[1] = 1; @x[\"s\"] = 1; }",
        "begin { $x = 1; $x = \"s\"; }",
        "begin { @x = 1; @x = count(); }",
    ] {
        let out = Run::program(program).to_end();
        out.code(1).stdout_is("").stderr_has("fixed here");
    }
    rejected(
        "begin { @x = 1; @x = \"s\"; }",
        "1:17-25: ERROR: Type mismatch for @x: trying to assign value of type 'string[2]' when map already has a type 'int8'",
    );
}

#[test]
fn several_mistakes_are_told_in_one_run() {
    let out = rejected(
        "begin {\n  nosuch1();\n  @a = nosuch2;\n}\nend {\n  print($nosuch3);\n}\n",
        "2:3-12: ERROR: Unknown function: 'nosuch1'",
    );
    out.stderr_has("stdin:3:8-15: ERROR: ").stderr_has("stdin:6:9-17: ERROR: ");
    // Mistakes of form, too.
    let out = Run::program("begin { @a = ; @b = 1 + ; }\nend { print( }\n").to_end();
    out.code(1)
        .stdout_is("")
        .stderr_has("stdin:1:14-15: ERROR: ")
        .stderr_has("stdin:1:25-26: ERROR: ")
        .stderr_has("stdin:2:");
}

#[test]
fn an_open_angle_bracket() {
    requires!(Own);
    rejected("kprobe:sys_execve < @[comm]=count()", "1:36-36: ERROR: expected `>` to close this block")
        .stderr_has("opened here");
    rejected("kprobe:sys_execve < @[comm=count() >", "1:27-28: ERROR: expected `]` or `,`, found `=`");
    rejected("kprobe:vfs_read < @ = 1 }", "1:25-26: ERROR: this block was opened by `<`, so `>` closes it");
    rejected("kprobe:vfs_read { @ = 1 >", "1:26-26: ERROR: expected `}` to close this block")
        .stderr_has("closed by `}`, not by `>`");
    rejected("kprobe:vfs_read < @ = arg0 > 3 >", "1:28-29: ERROR: this `>` closes the `<` block")
        .stderr_has("in parentheses");
}

#[test]
fn an_open_brace_or_text() {
    rejected("begin { printf(\"x\")", "1:20-20: ERROR: expected `}` to close this block").stderr_has("opened here");
    let out = Run::program("begin { printf(\"x }").to_end();
    out.code(1).stdout_is("").stderr_has("stdin:1:16-");
}

#[test]
fn colour_is_for_terminals() {
    let out = Run::program("begin { nosuch(); }").to_end();
    assert!(!out.stderr.contains('\x1b'), "{out:?}");
}

#[test]
fn division_by_zero_is_a_warning_with_its_count() {
    requires!(Bpf, Tracefs, Own);
    let writer = Worker::on_cpu(allowed_cpus()[0], "rt_zero", Work::write("/dev/null", 40, 0));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @div = sum(100 / args.count); @mod = sum(7 % args.count); }}",
        writer.pid()
    );
    let out = Run::program(&text).run(|_| writer.finish());
    out.code(0).stdout_is("\n\n@div: 40\n@mod: 40\n");
    assert_eq!(warned(&out.stderr, "Divide or modulo by 0 detected"), 80, "{out}");
    let writer = Worker::new("rt_zero", Work::write("/dev/null", 4, 0));
    let text = format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @ = sum(1 / args.count); }}", writer.pid());
    let out = Run::program(text).arg("--no-warnings").run(|_| writer.finish());
    out.code(0).stdout_is("\n\n@: 4\n").nowhere("Divide");
}

/// How often a warning says that it has happened.
fn warned(stderr: &str, text: &str) -> u64 {
    let lines = stderr.lines().filter(|line| line.contains("WARNING: ") && line.contains(text));
    let times = |line: &str| line.rsplit_once('(')?.1.strip_suffix(" times)")?.parse::<u64>().ok();
    lines.map(|line| times(line).unwrap_or(1)).sum()
}

#[test]
fn a_full_map_is_a_warning_with_its_count() {
    requires!(Bpf, Tracefs);
    const KEYS: usize = 5000;
    const MOST: u64 = 4096;
    for value in ["count()", "1", "sum(1)"] {
        let writer = Worker::new("rt_full", Work::write_sizes("/dev/null", 2, KEYS));
        let text =
            format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @[args.count] = {value}; }}", writer.pid());
        let out = Run::program(text).run(|_| writer.finish());
        assert_eq!(out.code, Some(0), "{}", out.stderr);
        let entries = out.stdout.lines().filter(|line| line.starts_with("@[")).count() as u64;
        let refused = warned(&out.stderr, "Map full; can't update element");
        assert_eq!((entries, refused), (MOST, 2 * (KEYS as u64 - MOST)), "{value}: {}", out.stderr);
        // Those that are in it went on being updated.
        let twice = out.stdout.lines().filter(|line| line.ends_with(": 2")).count() as u64;
        assert_eq!(twice, if value == "1" { 0 } else { MOST }, "{value}");
    }
}

#[test]
fn trouble_that_comes_again_is_told_again() {
    requires!(Bpf, Tracefs, Own);
    let writers = [3, 500].map(|times| Worker::new("rt_again", Work::write("/dev/null", times, 0)));
    let pids = writers.each_ref().map(Worker::pid);
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {} || pid == {}/ {{ @ = sum(1 / args.count); }}",
        pids[0], pids[1]
    );
    let session = Run::program(text).start();
    session.wait_attached();
    let mut all = 0;
    for (writer, times) in writers.into_iter().zip([3, 500]) {
        writer.finish();
        all += times;
        let deadline = Instant::now() + patience(Duration::from_secs(5));
        while warned(&session.stderr(), "Divide") < all {
            assert!(Instant::now() < deadline, "it says nothing while it runs: {}", session.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
        // Longer than it takes notice of what goes on without a break.
        std::thread::sleep(Duration::from_millis(2500));
    }
    let out = session.interrupt();
    out.code(0);
    assert_eq!(warned(&out.stderr, "Divide"), all, "{out}");
}

#[test]
fn a_kernel_without_kprobes_is_named_with_what_works() {
    if rtrace_tests::missing(&[rtrace_tests::Need::Kprobes]).is_none() {
        return rtrace_tests::skip(
            "errors::a_kernel_without_kprobes_is_named_with_what_works",
            "this kernel has kprobes",
        );
    }
    requires!(Bpf);
    let out = Run::program("kprobe:sys_execve < @[comm]=count() >").to_end();
    out.code(1).stdout_is("").stderr_has("stdin:1:1-18: ERROR: ").stderr_has("CONFIG_KPROBES");
    out.stderr_has("tracepoint:syscalls:sys_enter_");
    assert!(!out.attached, "{out}");
}

#[test]
fn reads_that_find_nothing_are_told_when_asked_for() {
    requires!(Bpf);
    let program =
        "begin { @[1] = 1; print(@[2]); print(*(uint8*)8); print(str((uint8*)16)); $x = @[1]; exit($x + 1); }";
    let out = Run::program(program).arg("-k").to_end();
    out.code(2).stdout_is("0\n0\n\n\n\n@[1]: 1\n");
    out.stderr_has("stdin:1:25-29: WARNING: Can't lookup map element because it does not exist.");
    assert_eq!(out.stderr.matches("WARNING: Can't lookup").count(), 1, "{out}");
    assert_eq!(out.stderr.matches("WARNING: Bad address").count(), 2, "{out}");
    out.stderr_has("stdin:1:38-48: WARNING: Bad address").stderr_has("stdin:1:61-71: WARNING: Bad address");
    out.stderr_has("\nAdditional Info - helper: map_lookup_elem, retcode: 0\n");
    out.stderr_has("\nAdditional Info - helper: probe_read_user_str, retcode: -14\n");
    // Zeros are what such reads give, and no more than a line at the end unless somebody asks.
    let told = Run::program(program).to_end();
    told.code(2).stdout_is("0\n0\n\n\n\n@[1]: 1\n");
    told.stderr_has("WARNING: 2 reads of memory failed and gave zeros; -k tells where");
    assert_eq!(told.stderr.matches("WARNING").count(), 1, "{told}");
    Run::program(program).arg("-q").to_end().code(2).nowhere("WARNING");
    Run::program(program).arg("--no-warnings").to_end().code(2).nowhere("WARNING");
    let both = Run::program(program).arg("-k").arg("--no-warnings").to_end();
    both.code(1).stdout_is("").stderr_has("USAGE: -k, --warnings conflicts with --no-warnings");
    Run::program(program).arg("-kk").to_end().code(1).stdout_is("").stderr_has("-kk has been deprecated");
}

#[test]
fn a_locale_that_is_not_utf8_has_frames_of_ascii() {
    let drawn =
        |locale: &str| Run::program("begin { print(nsec); }").env("LC_ALL", locale).to_end().code(1).stderr.clone();
    assert!(drawn("C").is_ascii() && drawn("de_DE.ISO-8859-1").is_ascii());
    assert!(!drawn("C.UTF-8").is_ascii() && !drawn("en_US.utf8").is_ascii());
}

#[test]
fn troubles_are_lines_of_json_in_their_place() {
    requires!(Bpf);
    let program = r#"config = { max_map_keys = 1 } begin { @[1] = 1; print(1); @[2] = 1; $zero = 0; print(2 / $zero); print(*(uint8 *)8); print(@[3]); }"#;
    let json = || Run::program(program).arg("-f").arg("json").arg("-q");
    let out = json().arg("-k").to_end();
    out.code(0).stdout_is(concat!(
        r#"{"type": "value", "data": 1}"#,
        "\n",
        r#"{"type": "helper_error", "msg": "Argument list too long", "helper": "map_update_elem", "retcode": -7, "filename": "stdin", "line": 1, "col": 59}"#,
        "\n",
        r#"{"type": "runtime_error", "msg": "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result.", "filename": "stdin", "line": 1, "col": 86}"#,
        "\n",
        r#"{"type": "value", "data": 1}"#,
        "\n",
        r#"{"type": "helper_error", "msg": "Bad address", "helper": "probe_read_user", "retcode": -14, "filename": "stdin", "line": 1, "col": 104}"#,
        "\n",
        r#"{"type": "value", "data": 0}"#,
        "\n",
        r#"{"type": "helper_error", "msg": "Success", "helper": "map_lookup_elem", "retcode": 0, "filename": "stdin", "line": 1, "col": 124}"#,
        "\n",
        r#"{"type": "value", "data": 0}"#,
        "\n",
        r#"{"type": "map", "data": {"@": {"1": 1}}}"#,
        "\n",
    ));
    // What is quiet stays so, and what is no output is nowhere with --no-warnings.
    let quiet = json().to_end();
    quiet.code(0).nowhere("probe_read_user").nowhere("map_lookup_elem").stdout_has("map_update_elem");
    json().arg("--no-warnings").to_end().code(0).nowhere("_error");
}

#[test]
fn what_goes_wrong_often_is_told_with_its_number() {
    requires!(Bpf);
    let program =
        "config = { max_map_keys = 1 } begin { $i = 0; while ($i < 50) { @[$i] = $i; $i++ } print(str((int8 *)0)); }";
    let json = Run::program(program).arg("-f").arg("json").to_end();
    json.code(0).stdout_has(r#""retcode": -7, "filename": "stdin", "line": 1, "col": 65, "count": 49}"#);
    let text = Run::program(program).to_end();
    text.code(0).stderr_has("WARNING: Map full; can't update element (49 times)");
    text.stderr_has("WARNING: 1 read of memory failed and gave zeros");
}

#[test]
fn a_signal_that_is_none_is_told() {
    requires!(Bpf, Tracefs);
    let writer = rtrace_tests::Worker::new("rt_nosignal", rtrace_tests::Work::write("/dev/null", 3, 1));
    let program =
        format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ $number = 999; signal($number); }}", writer.pid());
    let out = Run::program(program).arg("--unsafe").run(|_| writer.finish());
    out.code(0).stderr_has("ERROR: signal() expects an integer between 1 and 64 (inclusive). Got 999");
}

#[test]
fn what_may_not_be_loaded_is_told_with_its_place() {
    fn here() {}
    requires!(Bpf, Btf);
    if rtrace_tests::missing(&[rtrace_tests::Need::Fentry]).is_none() {
        return rtrace_tests::skip(std::any::type_name_of_val(&here), "this kernel takes programs for fentry");
    }
    rejected(
        "begin { print(1); } fentry:vfs_read { @ = count(); }",
        "1:21-36: ERROR: Unable to attach probe: fentry:vmlinux:vfs_read.",
    )
    .stderr_has("Help: the kernel permits no fentry and fexit here");
}
