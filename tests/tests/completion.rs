//! Tab in a session, and what shells are told.

use rtrace_tests::{Run, Scratch, Terminal, patience, requires};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For what somebody types and what comes of it.
const LIMIT: Duration = Duration::from_secs(20);
/// What is not known at once is known a little later.
const AGAIN: Duration = Duration::from_millis(200);
const GLANCE: Duration = Duration::from_millis(5);

const PROMPT: &str = "rtrace> ";

/// What stands behind the last prompt, its lines joined.
fn line(terminal: &Terminal) -> String {
    let text = terminal.text();
    let at = text.rfind(PROMPT).map_or(0, |at| at + PROMPT.len());
    text[at..].trim_end().to_owned()
}

/// What has been shown since the screen had so many bytes.
fn news(terminal: &Terminal, before: usize) -> String {
    terminal.text().get(before..).unwrap_or_default().to_owned()
}

/// Types something and waits until it is there.
#[track_caller]
fn type_in(terminal: &mut Terminal, text: &str) {
    terminal.press(text);
    let end = Instant::now() + patience(LIMIT);
    while !line(terminal).replace('\n', "").ends_with(text.replace('\r', "").trim_end()) {
        assert!(Instant::now() < end, "{text} was never typed:\n{}", terminal.text());
        sleep(GLANCE);
    }
}

/// Presses Tab until something holds.
#[track_caller]
fn tab_until(terminal: &mut Terminal, what: &str, holds: impl Fn(&Terminal) -> bool) {
    let end = Instant::now() + patience(LIMIT);
    let mut pressed: Option<Instant> = None;
    while !holds(terminal) {
        assert!(Instant::now() < end, "Tab never gave {what}:\n{}", terminal.text());
        if pressed.is_none_or(|at| at.elapsed() > AGAIN) {
            terminal.press("\t");
            pressed = Some(Instant::now());
        }
        sleep(GLANCE);
    }
}

/// Gives the line up.
#[track_caller]
fn abandon(terminal: &mut Terminal) {
    terminal.press("\x03");
    terminal.ready();
}

/// What is typed becomes this by Tab.
#[track_caller]
fn completes(terminal: &mut Terminal, typed: &str, whole: &str) {
    type_in(terminal, typed);
    tab_until(terminal, whole, |terminal| line(terminal) == whole.trim_end());
    abandon(terminal);
}

/// Tab shows these lines, and leaves what is typed as it is.
#[track_caller]
fn lists(terminal: &mut Terminal, typed: &str, lines: &[&str]) {
    let before = terminal.text().rfind(PROMPT).unwrap_or(0);
    type_in(terminal, typed);
    tab_until(terminal, &format!("{lines:?}"), |terminal| {
        let shown = news(terminal, before);
        lines.iter().all(|line| {
            shown.lines().any(|other| other.trim_end() == *line || other.split("  ").any(|one| one.trim() == *line))
        })
    });
    let left = line(terminal);
    assert!(left.replace('\n', "").ends_with(typed.trim_end()), "{typed} became {left}");
    abandon(terminal);
}

/// Tab does nothing.
#[track_caller]
fn nothing(terminal: &mut Terminal, typed: &str) {
    type_in(terminal, typed);
    let before = terminal.text();
    // One key is answered after the other.
    terminal.press("\t\t~");
    let end = Instant::now() + patience(LIMIT);
    while !line(terminal).ends_with('~') {
        assert!(Instant::now() < end, "{}", terminal.text());
        sleep(GLANCE);
    }
    assert_eq!(terminal.text().trim_end(), format!("{}~", before.trim_end_matches('\n')), "{typed}");
    abandon(terminal);
}

/// A session that shows nothing behind the cursor but what is typed.
fn quiet(columns: u16) -> Terminal {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("no-hints-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let preferences = Scratch::file(&name, "hints = false\n");
    let path = preferences.path().display().to_string();
    let terminal = Terminal::open_with(&[], "xterm", columns, &[("RTRACE_CONFIG", &path)]);
    // It has been read by then.
    terminal.ready();
    terminal
}

#[test]
fn attach_points_part_by_part() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = quiet(160);
    completes(&mut terminal, "tracep", "tracepoint:");
    completes(&mut terminal, "tracepoint:sysc", "tracepoint:syscalls:");
    completes(&mut terminal, "t:syscalls:sys_enter_getpp", "t:syscalls:sys_enter_getppid");
    lists(&mut terminal, "t:syscalls:sys_enter_dup", &["sys_enter_dup", "sys_enter_dup2", "sys_enter_dup3"]);
    completes(&mut terminal, "interval:m", "interval:ms:");
    completes(&mut terminal, "begin { } kretp", "begin { } kretprobe:");
    completes(&mut terminal, "begin, softw", "begin, software:");
    completes(&mut terminal, "s:page-f", "s:page-faults:");
    lists(&mut terminal, "w:0x10:8:r", &["r", "rw"]);
    completes(&mut terminal, "self:", "self:signal:");
    lists(&mut terminal, "xdp:lo:", &["native", "skb", "offload"]);
    completes(&mut terminal, "tc:lo:eg", "tc:lo:egress");
    nothing(&mut terminal, "tracepoint:nosuchcategory");
    nothing(&mut terminal, "test:some");
}

#[test]
fn functions_and_types_of_the_kernel() {
    requires!(Quick, Bpf, Btf);
    let mut terminal = quiet(160);
    // Whether or not this kernel can attach to them.
    completes(&mut terminal, "kprobe:vfs_readl", "kprobe:vfs_readlink");
    completes(&mut terminal, "fentry:vfs_readl", "fentry:vfs_readlink");
    completes(&mut terminal, "rawtracepoint:sched_process_for", "rawtracepoint:sched_process_fork");
    completes(&mut terminal, "iter:task_f", "iter:task_file");
    completes(&mut terminal, "sizeof(struct task_stru", "sizeof(struct task_struct");
    completes(&mut terminal, "sizeof(union bpf_at", "sizeof(union bpf_attr");
    completes(&mut terminal, "(enum pid_t", "(enum pid_type");
    completes(&mut terminal, "1 + PIDTYPE_TG", "1 + PIDTYPE_TGID");
    // There are more than anybody reads, and no choice is made among them.
    let before = terminal.text().len();
    type_in(&mut terminal, "kprobe:");
    tab_until(&mut terminal, "the end of a long list", |terminal| news(terminal, before).contains(" more"));
    assert!(news(&terminal, before).lines().count() < 60, "{}", terminal.text());
    abandon(&mut terminal);
}

#[test]
fn letters_that_no_name_begins_with() {
    requires!(Quick, Bpf, Tracefs, Btf);
    let mut terminal = quiet(160);
    // The only name in which they are takes their place; of several none does.
    lists(&mut terminal, "tracepoint:enteropenat", &["like enteropenat:", "syscalls:sys_enter_openat"]);
    lists(&mut terminal, "fentry:vfread", &["like vfread:", "vfs_read"]);
    completes(&mut terminal, "begin { print(sftim", "begin { print(strftime(");
    nothing(&mut terminal, "fentry:qqqxxxqqq");
}

#[test]
fn members_of_values() {
    requires!(Quick, Bpf, Tracefs, Btf);
    let mut terminal = quiet(160);
    completes(&mut terminal, "curtask->real_pare", "curtask->real_parent");
    completes(&mut terminal, "curtask->real_parent->start_boott", "curtask->real_parent->start_boottime");
    completes(&mut terminal, "((struct file *)arg0)->f_pos_l", "((struct file *)arg0)->f_pos_lock");
    completes(&mut terminal, "$t = curtask; print($t->real_pare", "$t = curtask; print($t->real_parent");
    let at = "tracepoint:syscalls:sys_enter_openat { print(args.filen";
    completes(&mut terminal, at, &at.replace("filen", "filename"));
    let at = "tracepoint:syscalls:sys_enter_openat / args.filen";
    completes(&mut terminal, at, &at.replace("filen", "filename"));
    // With their types.
    lists(
        &mut terminal,
        "tracepoint:syscalls:sys_enter_openat { args.",
        &[
            "__syscall_nr  int32",
            "dfd           int32",
            "filename      int8 *",
            "flags         int32",
            "mode          uint16",
        ],
    );
    completes(&mut terminal, "fentry:vfs_read { print(args.fil", "fentry:vfs_read { print(args.file");
    completes(
        &mut terminal,
        "fentry:vfs_read { print(args.file->f_pos_l",
        "fentry:vfs_read { print(args.file->f_pos_lock",
    );
    completes(&mut terminal, "xdp:lo { print(tcp.dp", "xdp:lo { print(tcp.dport");
    completes(&mut terminal, "config.max_strl", "config.max_strlen");
    nothing(&mut terminal, "curtask->nosuchmember");
    nothing(&mut terminal, "nosuch->a");
}

#[test]
fn what_the_session_has() {
    requires!(Quick, Bpf);
    let mut terminal = quiet(160);
    for entry in [
        "@calls[comm] = count()",
        "@total = 5",
        "macro twice_as(a) { a * 2 }",
        "struct of_session { int alpha; int beta; };",
        "interval:s:100 { @total++ }",
    ] {
        terminal.enter(entry);
    }
    completes(&mut terminal, "print(@ca", "print(@calls");
    lists(&mut terminal, "print(@", &["@calls  [string[16]] count_t", "@total  int64"]);
    completes(&mut terminal, "twice_", "twice_as(");
    completes(&mut terminal, "(struct of_se", "(struct of_session");
    completes(&mut terminal, "((struct of_session *)0)->al", "((struct of_session *)0)->alpha");
    completes(
        &mut terminal,
        "begin { $quantity = 5; $quality = comm; @x = $quan",
        "begin { $quantity = 5; $quality = comm; @x = $quantity",
    );
    lists(&mut terminal, "$some = 5; $size = comm; $s", &["$size  string[16]", "$some  int8"]);
    completes(&mut terminal, ":off ", ":off 1");
    // What is removed is known no more.
    terminal.enter(":rm 1");
    nothing(&mut terminal, ":off ");
}

#[test]
fn words_of_the_language() {
    requires!(Quick, Bpf);
    let mut terminal = quiet(160);
    completes(&mut terminal, "begin { printf(\"%s\", usern", "begin { printf(\"%s\", username");
    lists(&mut terminal, "begin { @x = l", &["lhist(       lhist(n, min, max, step)"]);
    completes(&mut terminal, "strfti", "strftime(");
    completes(&mut terminal, "kprobe:f { contin", "kprobe:f { continue");
    completes(&mut terminal, "let @kept = lruh", "let @kept = lruhash(");
    completes(&mut terminal, "config = { missing_p", "config = { missing_probes=");
    lists(&mut terminal, "config = { missing_probes=", &["error   default", "ignore", "warn"]);
    completes(&mut terminal, ":prob", ":probes");
    completes(&mut terminal, ":help strft", ":help strftime");
    // A fault to the left makes no difference, nor does what comes behind.
    completes(&mut terminal, "begin { @x = ; foo bar) ; print(usern", "begin { @x = ; foo bar) ; print(username");
    type_in(&mut terminal, "print(usern, 1)");
    terminal.press("\x1b[D\x1b[D\x1b[D\x1b[D");
    tab_until(&mut terminal, "a name in the middle", |terminal| line(terminal) == "print(username, 1)");
    abandon(&mut terminal);
    nothing(&mut terminal, "print(\"usern");
    nothing(&mut terminal, "1 // usern");
    nothing(&mut terminal, "begin { nosuchword");
}

#[test]
fn further_lines_of_an_entry() {
    requires!(Quick, Bpf);
    let mut terminal = quiet(160);
    type_in(&mut terminal, "begin {\r");
    terminal.press("\t");
    type_in(&mut terminal, "@x = usern");
    tab_until(&mut terminal, "a name in the second line", |terminal| line(terminal).ends_with("@x = username"));
    let indented = line(&terminal);
    assert!(indented.lines().last().is_some_and(|last| last.ends_with("  @x = username")), "{indented}");
    type_in(&mut terminal, ";\r");
    type_in(&mut terminal, "strf");
    tab_until(&mut terminal, "a function in the third", |terminal| line(terminal).ends_with("strftime("));
    abandon(&mut terminal);
}

#[test]
fn files_and_what_is_in_them() {
    requires!(Quick, Bpf, Uprobes);
    let mut terminal = quiet(160);
    completes(&mut terminal, "uprobe:libc:mallinf", "uprobe:libc:mallinfo");
    let folder = std::env::temp_dir().join(format!("rt_completion_{}", std::process::id()));
    fs::create_dir_all(folder.join("inner")).expect("a folder can be made");
    fs::write(folder.join("some.rt"), "begin { }").expect("a file can be written");
    fs::copy("/bin/true", folder.join("some_program")).expect("a file can be copied");
    let at = folder.display().to_string();
    completes(&mut terminal, &format!("import \"{at}/some."), &format!("import \"{at}/some.rt"));
    completes(&mut terminal, &format!("uprobe:{at}/inn"), &format!("uprobe:{at}/inner/"));
    // The other one is no program.
    completes(&mut terminal, &format!("uprobe:{at}/som"), &format!("uprobe:{at}/some_program:"));
    nothing(&mut terminal, &format!("uprobe:{at}/some.r"));
    fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// A program with debug information and a place that its author marked.
const PROGRAM: &str = r#"
struct order { long number; const char *buyer; };
__asm__(".pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n.4byte 992f-991f, 994f-993f, 3\n"
  "991: .asciz \"stapsdt\"\n992: .balign 4\n993: .8byte main\n.8byte 0\n.8byte 0\n"
  ".asciz \"shop\"\n.asciz \"opened\"\n.asciz \"\"\n994: .balign 4\n.popsection\n");
__attribute__((noinline)) int take_order(struct order *wanted, int urgent) { return wanted->number + urgent; }
int main(void) { struct order one = { 1, "me" }; return take_order(&one, 2); }
"#;

#[test]
fn arguments_and_marked_places_of_programs() {
    requires!(Quick, Bpf, Uprobes);
    let program = Scratch::compiled("complete", PROGRAM, &["-g", "-no-pie"]);
    let path = program.path().display().to_string();
    let mut terminal = quiet(160);
    completes(&mut terminal, &format!("u:{path}:take_o"), &format!("u:{path}:take_order"));
    let at = format!("u:{path}:take_order {{ print(args.");
    completes(&mut terminal, &format!("{at}wan"), &format!("{at}wanted"));
    completes(&mut terminal, &format!("{at}wanted->buy"), &format!("{at}wanted->buyer"));
    completes(&mut terminal, &format!("usdt:{path}:sh"), &format!("usdt:{path}:shop:"));
    completes(&mut terminal, &format!("usdt:{path}:shop:"), &format!("usdt:{path}:shop:opened"));
}

#[test]
fn functions_of_bpf_programs() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = quiet(160);
    terminal.enter("tracepoint:sched:sched_process_wait { }");
    let name = "fentry:bpf:tracepoint_sched_sched_process_wait";
    type_in(&mut terminal, "fentry:bpf:tracepoint_sched_sched_process_wa");
    tab_until(&mut terminal, name, |terminal| line(terminal).starts_with(name));
    abandon(&mut terminal);
}

#[test]
fn few_columns_are_enough() {
    requires!(Quick, Bpf);
    let mut terminal = quiet(40);
    terminal.ready();
    terminal.press("begin { st\t");
    terminal.shows("strlen(         strlen(text)");
    terminal.shows("strftime(       strftime(\"format\", ns..");
    assert!(terminal.text().lines().all(|line| line.chars().count() <= 40), "{}", terminal.text());
    terminal.press("rle\t");
    let end = Instant::now() + patience(LIMIT);
    while line(&terminal) != "begin { strlen(" {
        assert!(Instant::now() < end, "{}", terminal.text());
        sleep(GLANCE);
    }
}

#[test]
fn a_key_does_not_wait_for_a_long_list() {
    requires!(Quick, Bpf, Btf);
    let mut terminal = quiet(160);
    completes(&mut terminal, "kprobe:vfs_readl", "kprobe:vfs_readlink");
    // Now the list is there. The best of some: others use this machine, too.
    let took = (0..5).map(|_| {
        let before = terminal.text().rfind(PROMPT).unwrap_or(0);
        type_in(&mut terminal, "kprobe:vfs_");
        let begun = Instant::now();
        terminal.press("\t");
        while !news(&terminal, before).contains("vfs_writev") {
            assert!(begun.elapsed() < patience(LIMIT), "{}", terminal.text());
            sleep(Duration::from_millis(1));
        }
        let took = begun.elapsed();
        abandon(&mut terminal);
        took
    });
    let best = took.min().expect("there were some");
    println!("a Tab on kprobe:vfs_ was answered after {best:?}");
    assert!(best < patience(Duration::from_millis(100)), "{best:?}");
}

/// Kilobytes of memory that a process has.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("it is there").count()
}

#[test]
fn nothing_is_read_before_it_is_needed_and_little_is_kept() {
    requires!(Quick, Bpf, Btf);
    let mut terminal = quiet(160);
    terminal.enter("1");
    let (at_first, threads_at_first) = (memory(terminal.pid()), threads(terminal.pid()));
    type_in(&mut terminal, "strf");
    terminal.press("\t");
    terminal.shows("strftime(");
    abandon(&mut terminal);
    assert_eq!(threads(terminal.pid()), threads_at_first, "words of the language need nobody else");
    completes(&mut terminal, "kprobe:vfs_readl", "kprobe:vfs_readlink");
    assert_eq!(threads(terminal.pid()), threads_at_first + 1);
    let with_functions = memory(terminal.pid());
    completes(&mut terminal, "fentry:vfs_readl", "fentry:vfs_readlink");
    completes(&mut terminal, "tracepoint:sched:sched_switc", "tracepoint:sched:sched_switch");
    completes(&mut terminal, "(struct task_stru", "(struct task_struct");
    completes(&mut terminal, "curtask->real_pare", "curtask->real_parent");
    let with_all = memory(terminal.pid());
    println!("kilobytes: {at_first} at first, {with_functions} with kernel functions, {with_all} with all lists");
    // The kernel's types are mapped and count as well; so do pages that the allocator keeps.
    assert!(with_all < at_first + (64 << 10), "{at_first} kB became {with_all} kB");
}

#[test]
fn shells_are_told() {
    requires!(Quick, Tracefs, Btf);
    let told = |beginning: &str| Run::bare().arg("--complete-probe").arg(beginning).to_end().code(0).stdout.clone();
    assert!(
        told("tracepoint:syscalls:sys_enter_op").lines().any(|line| line == "tracepoint:syscalls:sys_enter_openat")
    );
    assert!(told("kprobe:vfs_rea").lines().any(|line| line == "kprobe:vfs_read"));
    // All of them, however many: a shell puts in what they have in common.
    assert!(told("fentry:").lines().count() > 1000);
    assert_eq!(told("tracep"), "tracepoint:\n");
    assert_eq!(told("tcpre"), "tcpretrans\n");
    assert_eq!(told("sof"), "softirqs\nsoftware:\n");
    assert_eq!(told("begin { } sof"), "begin { } software:\n");
    assert_eq!(told("t:sched:sched_switc"), "t:sched:sched_switch\n");
    assert_eq!(told("begin { print("), "");
    assert_eq!(told("nosuch:x"), "");
    // Only what begins so: a shell asks again for each key.
    assert!(told("fentry:vfs_").lines().all(|line| line.starts_with("fentry:vfs_")));
}
