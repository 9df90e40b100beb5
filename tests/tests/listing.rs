//! `-l`: what can be traced, by pattern, by program and by file.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rtrace_tests::json::fault;
use rtrace_tests::{Need, Output, Run, Scratch, missing, patience, requires, rtrace};

fn list(arguments: &[&str]) -> Output {
    let run = arguments.iter().fold(Run::bare(), |run, argument| run.arg(argument));
    let out = run.to_end();
    assert!(!out.attached && !out.stderr.contains("Attached"), "something ran\n{out}");
    out
}

#[test]
fn what_every_machine_has() {
    list(&["-l", "interval:*"]).code(0).stdout_is("interval:hz:\ninterval:ms:\ninterval:s:\ninterval:us:\n");
    list(&["-l", "*ware:cp*"])
        .code(0)
        .stdout_is("hardware:cpu-cycles:\nsoftware:cpu-clock:\nsoftware:cpu-migrations:\nsoftware:cpu:\n");
    list(&["--list", "software:fa*,profile:hz:"]).code(0).stdout_is("software:faults:\nprofile:hz:\n");
    list(&["-l", "software:nonsense"]).code(0).stdout_is("");
}

#[test]
fn what_is_not_there_is_told_and_no_failure() {
    list(&["-l", "kprob:vfs_*"]).code(0).stdout_is("").stderr_has("did you mean kprobe?");
    requires!(Tracefs, Btf, Uprobes);
    let hint = |asked: &str, hint: &str| {
        list(&["-l", asked]).code(0).stdout_is("").stderr_has(hint);
    };
    hint("t:sched:sched_swich", "there is no event of sched with the name 'sched_swich'; did you mean sched_switch?");
    hint("t:shed:sched_switch", "there is no category of tracepoints with the name 'shed'; did you mean sched?");
    hint("t:sched:zzzzzzzzzzzz", "there is no event of sched with the name 'zzzzzzzzzzzz'\n");
    hint("rt:sched_swich", "there is no raw tracepoint with the name 'sched_swich'; did you mean sched_switch?");
    hint("iter:taks", "there is no iterator with the name 'taks'; did you mean task?");
    hint("u:/no/such:main", "there is no program or library /no/such\n");
    list(&["-l", "t:sched:zzzz*"]).code(0).stdout_is("").nowhere("there is no event");
    list(&["-l", "*:sched:zzzz"]).code(0).stdout_is("").nowhere("there is no event");
    list(&["-l", "no_such_script.bt"]).code(0).stdout_is("").stderr_begins(
        "WARNING: It appears that 'no_such_script.bt' is a filename but the file does not exist. Treating \
         'no_such_script.bt' as a search pattern.",
    );
    list(&["-l", "--no-warnings", "no_such_script.bt"]).code(0).stdout_is("");
    list(&["-l", "interval:*", "profile:*"]).code(1).stdout_is("").stderr_has("one pattern or file");
}

#[test]
fn tracepoints_with_their_fields() {
    requires!(Tracefs);
    list(&["-l", "t:sched:sched_swi*"]).code(0).stdout_is("tracepoint:sched:sched_switch\n");
    list(&["-l", "sched_switch"]).code(0).stdout_has("tracepoint:sched:sched_switch\n");
    let out = list(&["-lv", "tracepoint:sched:sched_process_exit"]);
    out.code(0).stdout_has("tracepoint:sched:sched_process_exit\n    char comm[16]\n    pid_t pid\n    int prio\n");
    assert!(!out.stdout.contains("common_"), "{out}");
}

#[test]
fn a_program_is_listed_as_it_would_be_attached() {
    requires!(Tracefs);
    let program = "begin { print(nosuch); } \
                   tracepoint:sched:sched_switch /nosuch/ { print($x); } \
                   interval:ms:5, hardware:cache-misses:10 { exit(); }";
    list(&["-l", "-e", program])
        .code(0)
        .stdout_is("tracepoint:sched:sched_switch\ninterval:ms:\nhardware:cache-misses:\n");
    list(&["-l", "-e", "tracepoint:sched:sched_swich { }"])
        .code(1)
        .stdout_is("")
        .stderr_begins("stdin:1:1-29: ERROR: No matches for tracepoint sched:sched_swich.");
    let script = Scratch::file("timers.rt", "interval:s:1 { exit(); } end { } profile:hz:99 { }");
    list(&["-l", script.path().to_str().expect("text")]).code(0).stdout_is("interval:s:\nprofile:hz:\n");
}

#[test]
fn functions_of_a_program_and_of_a_process() {
    requires!(Uprobes);
    let own = std::env::current_exe().expect("a file");
    let own = own.to_str().expect("text");
    list(&["-l", &format!("uprobe:{own}:main")]).code(0).stdout_is(&format!("uprobe:{own}:main\n"));
    let wrong = format!("there is no function in {own} with the name 'mainn'; did you mean main?");
    list(&["-l", &format!("uprobe:{own}:mainn")]).code(0).stdout_is("").stderr_has(&wrong);
    list(&["-l", &format!("uprobe:{own}:zzmainn*")]).code(0).stdout_is("").nowhere("there is no");
    let process = std::process::id().to_string();
    list(&["-l", "uretprobe:*:main", "-p", &process]).code(0).stdout_has(&format!("uretprobe:{own}:main\n"));
    list(&["-l", "-p", &process, "-e", "uprobe:*:mai[n] { }"]).code(0).stdout_has(&format!("uprobe:{own}:main\n"));
}

#[test]
fn types_and_typed_arguments() {
    requires!(Btf);
    list(&["-lv", "enum pid_type"]).code(0).stdout_has("vmlinux: enum pid_type {\n\tPIDTYPE_PID = 0,\n");
    list(&["-lv", "struct task_struct,struct file"])
        .code(0)
        .stdout_has("vmlinux: struct task_struct {\n")
        .stdout_has("\n\tstruct task_struct *real_parent;\n")
        .stdout_has("\n};\n\nvmlinux: struct file {\n");
    list(&["-l", "struct task_struct"]).code(0).stdout_is("struct task_struct\n");
    list(&["-l", "struct task_struc"]).code(0).stdout_is("").stderr_has("did you mean task_struct");
    let raw = list(&["-lv", "rawtracepoint:consume_skb"]);
    raw.code(0).stdout_has("rawtracepoint:vmlinux:consume_skb\n    struct sk_buff * skb\n").nowhere("__data");
}

#[test]
fn kernel_functions_that_can_be_traced() {
    requires!(Kprobes, Btf, Tracefs);
    list(&["-l", "kprobe:vfs_rea[d]"]).code(0).stdout_is("kprobe:vfs_read\n");
    list(&["-l", "k:vmlinu*:vfs_read,kretprobe:vfs_read"])
        .code(0)
        .stdout_is("kprobe:vmlinux:vfs_read\nkretprobe:vfs_read\n");
    list(&["-lv", "kprobe:vfs_read,kprobe:vmlinux:vfs_write"])
        .code(0)
        .stdout_has("kprobe:vfs_read\n    struct file * arg0\n")
        .stdout_has("kprobe:vmlinux:vfs_write\n    struct file * arg0\n");
    list(&["-lv", "kretprobe:vfs_read"]).code(0).stdout_is("kretprobe:vfs_read\n    ssize_t retval\n");
    list(&["-l", "k:vfs_reed"]).code(0).stdout_is("").stderr_has("with the name 'vfs_reed'; did you mean vfs_read?");
    list(&["-l", "f:vfs_reed"]).code(0).stdout_is("").stderr_has("with the name 'vfs_reed'; did you mean vfs_read?");
    let all = list(&["-l", "kprobe:*"]);
    let functions: Vec<&str> = all.stdout.lines().collect();
    assert!(functions.len() > 5000 && functions.is_sorted(), "{} functions", functions.len());
    all.nowhere("kprobe:rcu_").nowhere("__ftrace_invalid_address__").nowhere(".part.");
    list(&["-l", "--traceable-functions", "/dev/null", "kprobe:*"]).code(0).stdout_is("");
    list(&["-l", "--traceable-functions", "/dev/null", "-e", "kprobe:vfs_read { }"])
        .code(1)
        .stderr_begins("stdin:1:1-16: ERROR: No matches for kprobe vfs_read.");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    requires!(Tracefs);
    let start = Instant::now();
    let mut child = Command::new(rtrace())
        .args(["-l", "tracepoint:*"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rtrace starts");
    drop(child.stdout.take());
    let out = child.wait_with_output().expect("it ends");
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    assert!(start.elapsed() < patience(Duration::from_secs(20)));
}

#[test]
fn the_kernels_abilities() {
    list(&["--info"]).code(0).stdout_has("Kernel helpers\n").stdout_has("kprobe_session: ").stdout_has("  btf: ");
    let object = list(&["--info", "-f", "json"]);
    let object = object.code(0).stdout.as_str();
    assert!(object.starts_with(r#"{"type": "info", "data": {"system": {"os": "Linux "#), "{object}");
    assert!(object.lines().count() == 1 && fault(object.trim_end()).is_none(), "{object}");
    requires!(Bpf, Btf, Kernel(6, 1));
    // What the harness found out by itself.
    let kprobes = missing(&[Need::Kprobes]).is_none();
    let fentry = missing(&[Need::Fentry]).is_none();
    for (key, value) in [("kprobe", kprobes), ("kprobe_multi", missing(&[Need::KprobeMulti]).is_none() && kprobes)] {
        let probes = object.split_once(r#""probes": {"#).expect("a section").1;
        assert!(probes.contains(&format!(r#""{key}": {value}"#)), "{object}");
    }
    assert!(object.contains(&format!(r#""fentry": {fentry}, "fexit": {fentry}"#)), "{object}");
    assert!(object.contains(r#""loop": ["kprobe", "tracepoint", "perf_event", "raw_tracepoint", "btf_tracepoint""#));
    assert!(object.contains(r#""ringbuf": true"#) && object.contains(r#""complete": true"#), "{object}");
}

#[test]
fn abilities_are_told_to_anybody_as_far_as_they_may_be_known() {
    requires!(Root, Bpf);
    let out = Run::bare().arg("--info").as_nobody(&[]).to_end();
    out.code(0).stdout_has("  ringbuf: unknown\n").stdout_has("ask as root");
    out.stdout_has("  CAP_BPF: no  (no program can be loaded without it)\n")
        .stdout_has("  Instruction limit: 1000000\n");
}

#[test]
fn a_filter_leaves_probes_out() {
    let program =
        "begin { print(\"begin\"); } interval:ms:1 { print(\"no\"); } interval:ms:20 { print(\"yes\"); exit(); }";
    let filtered = |filter: &str| Run::program(program).arg("--probe-filter").arg(filter).to_end();
    filtered("interval:ms:(20|30)").code(0).stdout_is("begin\nyes\n\n\n");
    filtered("[x").code(1).stdout_is("").stderr_has("ERROR: Invalid --probe-filter regex '[x': ");
    let none = Run::program("interval:ms:1 { exit(); }").arg("--probe-filter").arg("nothing").to_end();
    none.code(1).stdout_is("").stderr_begins("No probes to attach");
}

#[test]
fn abilities_that_can_be_done_without() {
    requires!(Uprobes);
    let own = std::env::current_exe().expect("a file");
    let program = format!("uprobe:{}:main {{ exit(); }} interval:ms:1 {{ exit(); }}", own.display());
    Run::program(&program).arg("--no-feature").arg("uprobe_multi,kprobe_multi").to_end().code(0);
    Run::program(&program).arg("--no-feature").arg("magic").to_end().code(1).stderr_has("uprobe_multi");
}
