//! How a run ends, and what it says and leaves behind.

use std::fs;
use std::time::{Duration, Instant};

use rtrace_tests::kernel::Objects;
use rtrace_tests::{Reader, Run, Scratch, Work, Worker, patience, requires, sibling};

#[test]
fn the_exit_code_is_what_exit_was_given() {
    requires!(Bpf);
    for (given, code) in [("0", 0), ("1", 1), ("255", 255), ("256", 0), ("-1", 255)] {
        Run::program(format!("begin {{ exit({given}); }}")).to_end().code(code).stdout_is("\n\n");
    }
}

#[test]
fn the_first_exit_wins_but_one_in_end_is_heard_if_it_is_alone() {
    requires!(Bpf);
    let end = r#"end { printf("end\n"); exit(4); }"#;
    Run::program(format!("begin {{ exit(3); }} {end}")).to_end().code(3).stdout_is("end\n\n\n");
    Run::program(format!("begin {{ @ = 1; }} {end}")).to_end().code(4).stdout_is("end\n\n\n@: 1\n");
    Run::program("interval:ms:20 { @++; exit(5); } interval:ms:500 { exit(6); }").to_end().code(5);
}

#[test]
fn exit_ends_the_probe_and_the_later_beginnings() {
    requires!(Bpf);
    let text = r#"begin { printf("1\n"); @x = 0; if (@x == 0) { exit(2); } printf("not\n"); } begin { printf("not\n"); }
        end { printf("end\n"); } interval:ms:1 { printf("not\n"); }"#;
    Run::program(text).to_end().code(2).stdout_is("1\nend\n\n\n@x: 0\n");
}

#[test]
fn nothing_is_heard_of_events_behind_the_one_that_exits() {
    requires!(Bpf);
    let text = r#"tracepoint:syscalls:sys_enter_write /comm == "rt_flood"/ { printf("%d\n", (int64)1); exit(); }
        end { printf("end\n"); }"#;
    let work = Worker::new("rt_flood", Work::write("/dev/null", 5000, 1));
    let out = Run::program(text).run(|_| work.finish());
    out.code(0).stdout_is("1\nend\n\n\n");
}

#[test]
fn what_an_iterator_sends_is_shown_whole() {
    requires!(Bpf, Btf);
    let text = r#"iter:task { printf("%d\n", ctx.task.comm == comm); exit(); }"#;
    let out = Run::program(text).to_end();
    // rtrace itself is far behind the first task.
    let lines: Vec<&str> = out.code(0).stdout.lines().collect();
    assert!(lines.first() == Some(&"0") && lines.contains(&"1"), "{out}");
}

#[test]
fn each_ending_signal_ends_it_properly() {
    requires!(Bpf);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let text = r#"begin { @a = 5; @k["x"] = 1; } interval:s:100 { @b = 1; } end { printf("end\n"); }"#;
        let session = Run::program(text).start();
        session.wait_attached();
        let begun = Instant::now();
        session.signal(signal);
        session.to_end().code(0).stdout_is("end\n\n\n@a: 5\n@k[x]: 1\n");
        assert!(begun.elapsed() < patience(Duration::from_secs(2)), "signal {signal} took {:?}", begun.elapsed());
    }
}

#[test]
fn the_end_of_the_command_ends_the_run() {
    requires!(Bpf);
    let command = format!("{} exit 0", sibling("work").display());
    let out = Run::program(r#"interval:s:100 { @ = 1; } end { printf("end\n"); }"#).child(command).to_end();
    out.code(0).stdout_is("end\n\n\n");
    assert!(!out.stderr.contains("exit code"), "nothing is to be said about success\n{out}");
}

#[test]
fn a_failing_command_is_mentioned_and_no_failure_of_ours() {
    requires!(Bpf, Own);
    let command = format!("{} exit 3", sibling("work").display());
    Run::program("interval:s:100 { @ = 1; }")
        .child(command)
        .to_end()
        .code(0)
        .stdout_is("\n\n")
        .stderr_has("exit code 3");
}

#[test]
fn an_interrupt_that_ends_the_command_too_is_not_mentioned() {
    requires!(Bpf, Own);
    let command = format!("{} getppid 10000000000", sibling("work").display());
    let text = "begin { printf(\"%d is the command\\n\", cpid); } interval:s:100 { @ = 1; }";
    let session = Run::program(text).child(command).start();
    session.wait_attached();
    session.wait_stdout("is the command");
    let child = session.stdout().split(' ').next().expect("the line begins with it").to_owned();
    // A terminal tells both. Stopped meanwhile, rtrace finds both ends when it goes on.
    session.signal(libc::SIGSTOP);
    // SAFETY: rtrace leads a group of its own and is not reaped yet.
    unsafe { libc::kill(-(session.pid() as libc::pid_t), libc::SIGINT) };
    let deadline = Instant::now() + patience(Duration::from_secs(5));
    while !fs::read_to_string(format!("/proc/{child}/stat")).expect("it is not reaped").contains(") Z ") {
        assert!(Instant::now() < deadline, "the command did not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    session.signal(libc::SIGCONT);
    let out = session.to_end();
    out.code(0);
    assert_eq!(out.stderr, "Attached 2 probes\n", "{out}");
}

#[test]
fn a_command_is_ended_with_the_run() {
    requires!(Bpf, Tracefs);
    // The calls would take minutes.
    let command = format!("{} getppid 10000000000", sibling("work").display());
    let text = r#"tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { printf("%d\n", cpid); exit(); }"#;
    let out = Run::program(text).child(command).to_end();
    let pid = out.code(0).stdout.lines().next().unwrap_or_default();
    assert!(!pid.is_empty() && !std::path::Path::new(&format!("/proc/{pid}")).exists(), "the command goes on\n{out}");
}

#[test]
fn a_missing_command_is_an_error_before_anything_runs() {
    requires!(Bpf);
    for command in ["/no/such/program", "no-such-program-in-path x", "/dev/null", "/tmp"] {
        let out = Run::program(r#"begin { printf("ran\n"); }"#).child(command).to_end();
        out.code(1).stdout_is("").stderr_has(command.split(' ').next().expect("a first word"));
        assert!(!out.attached, "{out}");
    }
}

#[test]
fn quotes_in_a_command_hold_words_together() {
    requires!(Bpf, Own);
    let work = sibling("work");
    let command = format!("{} echo 'one  two' \"three\\\"  '4'\" five\\ \\ six", work.display());
    Run::program("interval:s:100 { @ = 1; }")
        .child(command)
        .to_end()
        .code(0)
        .stdout_is("one  two three\"  '4' five  six\n\n\n");
    for broken in ["'open", "\"open", "", "   "] {
        Run::program("interval:s:100 { @ = 1; }").child(broken).to_end().code(1).stdout_is("");
    }
}

#[test]
fn a_process_is_followed_alone_and_to_its_end() {
    requires!(Bpf, Tracefs);
    let wanted = Worker::new("rt_wanted", Work::write("/dev/null", 30, 1));
    let other = Worker::new("rt_other", Work::write("/dev/null", 4000, 1));
    let text = r#"tracepoint:syscalls:sys_enter_write { @[comm] = count(); } end { printf("end\n"); }"#;
    let session = Run::program(text).arg("-p").arg(wanted.pid().to_string()).start();
    session.wait_attached();
    other.finish();
    wanted.finish();
    session.to_end().code(0).stdout_is("end\n\n\n@[rt_wanted]: 30\n");
}

#[test]
fn a_process_that_is_not_there_is_an_error() {
    requires!(Bpf);
    // Larger than any process id can be.
    for pid in ["4194305", "99999999999", "0", "-1", "x"] {
        let out = Run::program(r#"begin { printf("ran\n"); }"#).arg(format!("--pid={pid}")).to_end();
        out.code(1).stdout_is("").stderr_has(pid);
        assert!(!out.attached, "{out}");
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    requires!(Bpf);
    let out = Run::program(r#"interval:ms:5 { printf("tick\n"); }"#).reader(Reader::OneLine).to_end();
    assert_eq!((out.signal, out.stderr.as_str()), (None, "Attached 1 probe\n"), "{out}");
    assert!(out.wall < patience(Duration::from_secs(3)), "{out}");
    let out = Run::program(r#"begin { printf("x\n"); @ = 1; }"#).reader(Reader::OneLine).to_end();
    assert_eq!(out.stderr, "Attached 1 probe\n", "{out}");
}

#[test]
fn quiet_and_a_file_together() {
    requires!(Bpf);
    let file = Scratch::new("quiet");
    let out = Run::program(r#"begin { printf("x\n"); @ = 1; }"#).arg("-q").arg("-o").arg(file.path()).to_end();
    out.code(0).stdout_is("");
    assert_eq!((file.text().as_str(), out.stderr.as_str()), ("x\n\n\n@: 1\n", ""), "{out}");
    // A file that was there is written anew.
    Run::program("begin { }").arg("-q").arg("-o").arg(file.path()).to_end().code(0);
    assert_eq!(file.text(), "\n\n");
    Run::program("begin { }").arg("-o").arg("/no/such/folder/file").to_end().code(1).stderr_has("/no/such/folder/file");
}

#[test]
fn a_dry_run_prints_nothing_and_runs_nothing() {
    requires!(Bpf, Tracefs);
    let file = Scratch::new("dry");
    let command = format!("{} write {} 1 1", sibling("work").display(), file.path().display());
    let text = r#"begin { printf("begin\n"); @ = 1; } end { printf("end\n"); }
        tracepoint:syscalls:sys_enter_write { printf("write\n"); } interval:ms:1 { printf("tick\n"); }"#;
    Run::program(text).arg("--dry-run").to_end().code(0).stdout_is("");
    Run::program(text).arg("--dry-run").child(command).to_end().code(0).stdout_is("");
    assert!(!file.path().exists(), "a dry run ran the command");
}

#[test]
fn nothing_stays_in_the_kernel_however_it_ends() {
    requires!(Bpf, Tracefs);
    let text = "tracepoint:syscalls:sys_enter_getppid { @[pid] = count(); }
        tracepoint:sched:sched_process_exec { printf(\"%s\\n\", str(args.filename)); } interval:s:100 { @n++; }";
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        let session = Run::program(text).start();
        session.wait_attached();
        let objects = Objects::of_process(session.pid());
        assert!(objects.programs() >= 3 && objects.maps() >= 2 && objects.links() >= 2, "{objects:?}");
        assert_eq!(objects.alive().count(), objects.count(), "all is there while it runs: {objects:?}");
        session.signal(signal);
        session.to_end();
        // The kernel frees them behind our back.
        let deadline = Instant::now() + patience(Duration::from_secs(5));
        while objects.alive().count() > 0 {
            assert!(Instant::now() < deadline, "left after signal {signal}: {:?}", objects.alive().collect::<Vec<_>>());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
