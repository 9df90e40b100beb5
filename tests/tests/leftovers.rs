//! What rtrace leaves in the kernel when it is killed: nothing, whatever it was attached to; pins, because they are asked
//! for.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rtrace_tests::kernel::{Objects, wait_perf_events};
use rtrace_tests::{Run, Terminal, patience, requires, sibling};

/// Kills rtrace when all is attached; everything that it had is gone soon after.
fn nothing_is_left(run: Run, links: usize) {
    let legacy = || {
        ["kprobe_events", "uprobe_events"]
            .map(|file| fs::read_to_string(format!("/sys/kernel/tracing/{file}")).unwrap_or_default())
    };
    let before = legacy();
    let session = run.start();
    session.wait_attached();
    let objects = Objects::of_process(session.pid());
    assert!(objects.links() >= links && objects.programs() >= 1, "{objects:?}");
    assert_eq!(objects.alive().count(), objects.count(), "all is there while it runs: {objects:?}");
    assert_eq!(legacy(), before, "it is attached by a text that outlives it");
    session.signal(libc::SIGKILL);
    session.to_end();
    let deadline = Instant::now() + patience(Duration::from_secs(10));
    while objects.alive().count() > 0 {
        assert!(Instant::now() < deadline, "left: {:?}", objects.alive().collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn kprobes() {
    requires!(Bpf, Kprobes, Own);
    for program in
        ["kprobe:vfs_write { @ = count(); }", "kretprobe:vfs_write { @ = count(); }", "kprobe:vfs_* { @++; }"]
    {
        nothing_is_left(Run::program(program), 1);
        nothing_is_left(Run::program(program).arg("--no-feature").arg("kprobe_multi"), 1);
    }
    nothing_is_left(Run::program("kprobe:vfs_write { @++; } kretprobe:vfs_write { @--; }"), 1);
}

#[test]
fn function_entries() {
    requires!(Bpf, Fentry);
    nothing_is_left(Run::program("fentry:vfs_write { @ = count(); } fexit:vfs_write { @r = retval; }"), 2);
}

#[test]
fn tracepoints() {
    requires!(Bpf, Tracefs);
    nothing_is_left(Run::program("t:sched:sched_switch { @[args.prev_comm] = count(); }"), 1);
    nothing_is_left(Run::program("t:sched:sched_* { @ = count(); }"), 2);
    nothing_is_left(Run::program("t:syscalls:sys_enter_* { @ = count(); }"), 1);
    requires!(Btf);
    nothing_is_left(Run::program("rawtracepoint:sched_switch { @ = count(); }"), 1);
}

#[test]
fn programs_and_libraries() {
    requires!(Bpf, Uprobes, Own);
    let work = sibling("work");
    for program in [
        format!("uprobe:{0}:work_step {{ @++; }} uretprobe:{0}:work_step {{ @r++; }}", work.display()),
        format!("uprobe:{}:work_* {{ @++; }}", work.display()),
    ] {
        nothing_is_left(Run::program(program.clone()), 1);
        nothing_is_left(Run::program(program.clone()).arg("--no-feature").arg("uprobe_multi"), 1);
    }
}

#[test]
fn who_does_not_wait_until_all_is_attached_is_heard() {
    requires!(Bpf, Uprobes, Own);
    // Each of a thousand functions has an event of its own, which takes the kernel a while to make, and longer to close.
    let text = format!(
        "config = {{ max_probes=100000 }} begin {{ printf(\"begun\\n\"); }} uprobe:{}:* {{ @[func] = count(); }}
         end {{ printf(\"end\\n\"); }}",
        sibling("work").display()
    );
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let run = Run::program(&text).arg("--no-feature").arg("uprobe_multi").limit(Duration::from_secs(120));
        let session = run.start();
        wait_perf_events(session.pid(), 0);
        session.signal(signal);
        let out = session.to_end();
        out.code(1).stdout_is("").stderr_has("ERROR: interrupted while attaching: ");
        assert!(!out.attached && out.stderr.ends_with(" probes were attached, and are not any more\n"), "{out}");
    }
}

#[test]
fn samples_and_timers() {
    requires!(Bpf);
    let program =
        "profile:hz:49 { @ = count(); } software:context-switches:100 { @s = count(); } interval:s:1 { @n++; }";
    nothing_is_left(Run::program(program), 2);
}

#[test]
fn watchpoints() {
    requires!(Bpf, Watchpoints, Root);
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let jiffies = symbols.lines().find_map(|line| line.strip_suffix(" jiffies")?.split(' ').next());
    let jiffies = jiffies.unwrap_or("0");
    if jiffies.trim_start_matches('0').is_empty() {
        return println!("skipped: the kernel shows no addresses");
    }
    nothing_is_left(Run::program(format!("watchpoint:0x{jiffies}:4:w {{ @ = count(); }}")), 1);
}

#[test]
fn a_pin_stays_until_its_file_is_removed() {
    requires!(Bpf, Btf, Root);
    let pin = Pin("/sys/fs/bpf/rtrace_test_stays");
    let out = Run::program(format!("iter:task:{} {{ printf(\"%d\\n\", ctx.task.pid); }}", pin.0)).to_end();
    out.code(0);
    let own = format!("{}\n", std::process::id());
    let read = || fs::read_to_string(pin.0).expect("it can be read");
    assert!(read().contains(&own) && read().contains(&own));
    // Killed or not, it is the file that keeps it.
    drop(pin);
}

/// A pin that goes with the test.
struct Pin(&'static str);

impl Drop for Pin {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
        assert!(!Path::new(self.0).exists());
    }
}

#[test]
fn a_pin_writes_to_its_reader() {
    requires!(Bpf, Btf, Root, Own);
    let pin = Pin("/sys/fs/bpf/rtrace_test_writes");
    let program = r#"iter:task:rtrace_test_writes { if (ctx.task.tgid == $1 && ctx.task.pid == $1) {
        printf("%s|%5d|%-5d|%05d|%x|%X|%lx|%c|%p|100%%\n", ctx.task.comm, 42, 42, 42, 255, 255, -1, 65, kptr(0xabc));
        @met[ctx.task.comm] = count(); } }"#;
    let own = std::process::id();
    let out = Run::program(program).parameter(own.to_string()).to_end();
    out.code(0).stdout_is("Program pinned to /sys/fs/bpf/rtrace_test_writes\n\n\n").stderr_has("Attached 1 probe\n");
    let comm = fs::read_to_string(format!("/proc/{own}/comm")).expect("there is this process");
    let expected = format!("{}|   42|42   |00042|ff|FF|ffffffffffffffff|A|0xabc|100%\n", comm.trim_end());
    assert_eq!(fs::read_to_string(pin.0).expect("it can be read"), expected);
    // Not over one that is there.
    let again = Run::program(program).parameter("1").to_end();
    again.code(1).stderr_has("ERROR: Failed to pin iter probe link to /sys/fs/bpf/rtrace_test_writes: File exists");
    let elsewhere = Run::program(r#"iter:task:/tmp/rtrace_test_pin { printf("x"); }"#).to_end();
    elsewhere.code(1).stderr_has("ERROR: Failed to pin iter probe link to /tmp/rtrace_test_pin: ");
}

#[test]
fn a_pin_goes_with_its_probe_and_stays_after_the_session() {
    requires!(Quick, Bpf, Btf, Root);
    let pin = Pin("/sys/fs/bpf/rtrace_test_session");
    let is_there = || Path::new(pin.0).exists();
    let reads = |line: &str| fs::read_to_string(pin.0).is_ok_and(|text| text.lines().next() == Some(line));
    let probe = |word: &str| format!("iter:task:rtrace_test_session {{ printf(\"{word}\\n\"); }}");
    let mut terminal = Terminal::start(&[]);
    let told = terminal.enter(&probe("one"));
    assert!(told.starts_with(&format!("Program pinned to {}\n#1 attached iter:task", pin.0)), "{told}");
    assert!(reads("one"));
    assert_eq!(terminal.enter(":off 1"), "#1 is off");
    assert!(!is_there());
    assert_eq!(terminal.enter(":on 1"), format!("Program pinned to {}\n#1 is on", pin.0));
    assert!(reads("one"));
    let edit = |terminal: &mut Terminal, text: &str| {
        terminal.press(":edit 1\r");
        terminal.shows_last("edit #1> ");
        terminal.press(&format!("\x15{text}\r"));
        terminal.ready();
    };
    edit(&mut terminal, &probe("two"));
    terminal.until("another text in the file", |_, _| reads("two"));
    // One of two that cannot be pinned: neither is, and the old one is again.
    edit(&mut terminal, &format!("{} iter:task:/nosuch/pin {{ }}", probe("three")));
    terminal.shows("Failed to pin iter probe link to /nosuch/pin");
    assert!(reads("two"), "{}", terminal.text());
    // What somebody else has put there is left alone.
    terminal.enter(":off 1");
    Run::program(probe("other")).to_end().code(0);
    let told = terminal.enter(":on 1");
    assert!(told.contains("File exists") && told.contains("#1 stays off"), "{told}");
    terminal.enter(":off 1");
    terminal.enter(":rm 1");
    assert!(reads("other"));
    fs::remove_file(pin.0).expect("it is there");
    terminal.enter(&probe("four"));
    assert!(reads("four"));
    terminal.enter(":rm 2");
    assert!(!is_there());
    terminal.enter(&probe("five"));
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0));
    assert!(reads("five"));
}

#[test]
fn a_pin_takes_only_what_the_kernel_prints() {
    let refused = |body: &str, title: &str| {
        let out = Run::program(format!("iter:task:rtrace_test_none {{ {body} }}")).to_end();
        out.code(1).stdout_is("").stderr_has(title);
        assert!(!Path::new("/sys/fs/bpf/rtrace_test_none").exists());
    };
    requires!(Btf, Own);
    refused("print(1);", "ERROR: print() can not be used in a pinned iterator");
    refused("exit();", "ERROR: exit() can not be used in a pinned iterator");
    refused("printf(\"%r\", buf(\"a\", 1));", "ERROR: Invalid format specifier for a pinned iterator: r");
    refused("printf(\"%.3s\", \"abcd\");", "ERROR: Invalid format specifier for a pinned iterator: s");
    refused("printf(\"%s\", kstack);", "ERROR: unsupported format specifier");
    refused("printf(\"é\");", "ERROR: in a pinned iterator a format has letters of ASCII only");
    let many = format!("printf(\"{}\"{});", "%d".repeat(13), ", 1".repeat(13));
    refused(&many, "ERROR: in a pinned iterator printf() takes up to 12 values");
}
