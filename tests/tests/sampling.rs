//! Probes that fire by time or by count on each processor, and iterators.

use rtrace_tests::workload::allowed_cpus;
use rtrace_tests::{Run, Work, Worker, requires, sibling};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_profile_fires_on_each_processor_at_its_rate() {
    requires!(Bpf);
    let out = Run::program("profile:hz:100 { @[cpu] = count(); } interval:s:1 { exit(); }").to_end();
    out.code(0).stderr_has("Attached 2 probes\n");
    for cpu in allowed_cpus() {
        // An idle or a stolen processor may miss some, and none fires more often, however late the end comes.
        let count = out.int(&format!("@[{cpu}]"));
        let most = (out.wall.as_secs_f64() * 130.0) as i64;
        assert!((1..=most).contains(&count), "{count} on {cpu}\n{out}");
    }
}

#[test]
fn timed_probes_are_named_by_their_unit() {
    requires!(Bpf);
    for (written, name) in [
        ("profile:hz:599", "profile:hz:599"),
        ("p:ms:5", "profile:ms:5"),
        ("profile:5ms", "profile:us:5000"),
        ("profile:5000000", "profile:us:5000"),
        ("interval:5ms", "interval:us:5000"),
        ("i:ms:5", "interval:ms:5"),
        ("software:cpu-clock:1e6", "software:cpu-clock:1000000"),
        ("s:cpu:1000000", "software:cpu:1000000"),
        ("software:cpu", "software:cpu"),
    ] {
        let out = Run::program(format!("{written} {{ @[probe] = count(); exit(); }}")).to_end();
        out.code(0).stdout_has(&format!("@[{name}]: "));
    }
}

#[test]
fn page_faults_of_a_process_are_counted() {
    requires!(Bpf);
    let worker = Worker::new("rt_faults", Work::exec(sibling("work"), 20));
    let text = "software:page-faults:1 /comm == \"rt_faults\" || comm == \"work\"/ { @ = count(); }";
    let out = Run::program(text).run(|_| worker.finish());
    out.code(0);
    // A program that starts touches dozens of pages.
    assert!(out.int("@") > 20 * 20, "{out}");
}

#[test]
fn only_one_process_is_sampled() {
    requires!(Bpf);
    let mut child =
        std::process::Command::new(sibling("work")).args(["call", "4000000000"]).spawn().expect("work runs");
    let pid = child.id().to_string();
    let text = "profile:hz:200 { @[pid] = count(); } software:cpu-clock:5000000 { @s[pid] = count(); }
        interval:ms:500 { exit(); }";
    let out = Run::program(text).arg("-p").arg(&pid).to_end();
    child.kill().expect("it has not ended");
    child.wait().expect("our own child");
    out.code(0);
    assert!(out.int(&format!("@[{pid}]")) > 0 && out.int(&format!("@s[{pid}]")) > 0, "{out}");
    assert_eq!(out.stdout.matches("@[").count(), 1, "{out}");
}

#[test]
fn mistakes_are_told() {
    for (text, words) in [
        ("software:nosuch:1 { @ = 1; }", "nosuch is not a software probe"),
        ("software:faultz { @ = 1; }", "did you mean faults?"),
        ("hardware:nosuch:1 { @ = 1; }", "nosuch is not a hardware probe"),
        ("software:faults:x { @ = 1; }", "Invalid count for software probe: invalid integer: x"),
        ("software:* { @ = 1; }", "wildcards are not allowed for software probe type"),
        ("profile:hz:0 { @ = 1; }", "profile frequency should be a positive integer"),
        ("profile:ms:x { @ = 1; }", "Invalid rate of profile probe: invalid integer: x"),
        ("profile:min:1 { @ = 1; }", "min is not an accepted unit of time"),
        ("profile { @ = 1; }", "profile probe type requires 1 or 2 arguments, found 0"),
    ] {
        Run::program(text).to_end().code(1).stdout_is("").stderr_has(words);
    }
}

#[test]
fn an_iterator_runs_once_for_each_object_and_ends() {
    requires!(Bpf, Btf);
    let out = Run::program("iter:task { @tasks = count(); @[probe] = count(); } end { print(\"end\"); }").to_end();
    out.code(0).stderr_has("Attached 2 probes\n").stdout_has("end\n");
    // There are more tasks than processes, and of those at least this one.
    assert!(out.int("@tasks") >= 1 && out.int("@[iter:task]") == out.int("@tasks"), "{out}");
    let files = Run::program("iter:task_file { @ = count(); }").to_end();
    files.code(0);
    assert!(files.int("@") > 3, "{files}");
    Run::program("iter:tas { @ = 1; }").to_end().code(1).stderr_has("iter tas not available for your kernel version.");
}

#[test]
fn an_iterator_sees_its_object() {
    requires!(Bpf, Btf, Own);
    let own = std::process::id();
    // Each task once, and the last run of the program, which has no task, not at all.
    let text = format!(
        "iter:task {{
             if (ctx.task == 0) {{ @none = 1; }}
             @[ctx.task.pid] = count();
             if (ctx.task.pid == {own} && ctx.task.tgid == {own}) {{ print(ctx.task.comm); @mine++; }}
             for ($i : 0..2) {{ if (ctx.task.pid == {own}) {{ @turns++; }} }}
         }}"
    );
    let out = Run::program(text).to_end();
    out.code(0).stdout_has("@mine: 1\n").stdout_has("@turns: 2\n").stdout_has(&format!("@[{own}]: 1\n"));
    out.nowhere("@none").nowhere("@[0]");
    out.stdout_has(&std::fs::read_to_string(format!("/proc/{own}/comm")).expect("this process has a name"));
    let file = std::fs::File::open("/dev/null").expect("there is a null device");
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    let text = format!(
        "iter:task_file {{ if (ctx.task.pid == {own} && ctx.fd == {number}) {{ @ = (ctx.file.f_mode & 1); }} }}"
    );
    Run::program(text).to_end().code(0).stdout_is("\n\n@: 1\n");
    drop(file);
    let wrong = Run::program("iter:task { print(ctx.nosuch); }").to_end();
    wrong.code(1).stderr_has("'struct bpf_iter__task' does not contain a field named 'nosuch'");
}

#[test]
fn intervals_of_one_length_run_in_the_order_of_the_script() {
    requires!(Bpf);
    let text = "interval:ms:20 { printf(\"first\"); } interval:ms:20 { printf(\" second\\n\"); @n++; if (@n == 10) { exit(); } }";
    Run::program(text).to_end().code(0).stdout_is(&format!("{}\n\n@n: 10\n", "first second\n".repeat(10)));
}

#[test]
fn what_intervals_missed_while_rtrace_was_stopped_is_passed_over() {
    requires!(Bpf);
    const PERIOD: u64 = 50_000_000;
    const STOPPED: Duration = Duration::from_secs(3);
    let text = "interval:ms:50 { printf(\"%llu\\n\", nsecs); @n++; if (@n == 100) { exit(); } }";
    let session = Run::program(text).start();
    session.wait_stdout("\n");
    session.signal(libc::SIGSTOP);
    sleep(STOPPED);
    session.signal(libc::SIGCONT);
    let out = session.to_end();
    let times: Vec<u64> = out.stdout.lines().filter_map(|line| line.parse().ok()).collect();
    // As long as all of its runs and the time in which there was none. A second is made up for, here or where a busy
    // machine was late.
    let took = times[times.len() - 1] - times[0];
    let runs = times.len() as u64 - 3 - 1_000_000_000 / PERIOD;
    let least = runs * PERIOD + STOPPED.as_nanos() as u64;
    assert!(times.len() == 100 && took >= least, "{} runs took {took} ns: {out}", times.len());
}

#[test]
fn a_signal_to_rtrace_runs_its_blocks_in_order() {
    requires!(Bpf);
    let text = "self:signal:SIGUSR1 { printf(\"first\"); @[probe, probetype] = count(); }
        self:signal:SIGUSR1 { printf(\" second\\n\"); @n++; if (@n == 2) { exit(); } }";
    let session = Run::program(text).start();
    session.wait_attached();
    session.signal(libc::SIGUSR1);
    session.wait_stdout("first second\n");
    session.signal(libc::SIGUSR1);
    let out = session.to_end();
    out.code(0).stderr_has("Attached 2 probes\n");
    out.stdout_is("first second\nfirst second\n\n\n@[self:signal:SIGUSR1, special]: 2\n@n: 2\n");
    for (text, words) in [
        ("self:signal:SIGUSR3 { @ = 1; }", "SIGUSR3 is not a supported signal"),
        ("self:timer:SIGUSR1 { @ = 1; }", "timer is not a supported trigger"),
        ("self:signal { @ = 1; }", "self probe type requires 2 arguments, found 1"),
    ] {
        Run::program(text).to_end().code(1).stdout_is("").stderr_has(words);
    }
}

#[test]
fn an_iterator_over_tasks_is_limited_to_the_process() {
    requires!(Bpf, Btf, Kernel(6, 1));
    let worker = Worker::new("rt_alone", Work::write("/dev/null", 1, 1));
    let pid = worker.pid().to_string();
    let text = r#"iter:task { @[ctx.task.tgid] = count(); } iter:task_file { @files[ctx.task.tgid] = sum(1); }"#;
    let out = Run::program(text).arg("-p").arg(&pid).to_end();
    worker.finish();
    out.code(0).stdout_has(&format!("\n\n@[{pid}]: 1\n"));
    let others = out.stdout.lines().filter(|line| line.starts_with('@') && !line.contains(&format!("[{pid}]")));
    assert_eq!(others.count(), 0, "{out}");
    assert!(out.int(&format!("@files[{pid}]")) >= 3, "{out}");
}
