//! Long sessions: what comes and goes leaves nothing behind, and what waits costs nothing.

use rtrace_tests::kernel::{Kind, Objects, is_known, perf_events};
use rtrace_tests::{Scratch, Terminal, Work, Worker, patience, requires, rtrace, sibling};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a process has of the kernel.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// Descriptors of each kind: files, maps, programs, links, events, timers.
    descriptors: BTreeMap<String, usize>,
    threads: usize,
}

fn held(pid: u32) -> Held {
    let mut descriptors = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let info = entry.path().to_string_lossy().replacen("/fd/", "/fdinfo/", 1);
        let info = fs::read_to_string(info).unwrap_or_default();
        // The number of a pipe or a memory says nothing.
        let kind = target.to_string_lossy().split(':').take(2).collect::<Vec<_>>().join(":");
        let kind = kind.split('[').next().unwrap_or_default().to_owned()
            + if kind.contains("perf") { "[perf_event]" } else { "" };
        let of = ["map_type", "prog_type", "link_type"].iter().find(|word| info.contains(**word)).unwrap_or(&"");
        *descriptors.entry(format!("{kind} {of}")).or_insert(0) += 1;
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it lives").count();
    Held { descriptors, threads }
}

/// Kilobytes of memory of a process.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    resident.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Probes of all kinds that any kernel has; none says anything. None takes a stack of a process: what is remembered of
/// processes is bounded, but it depends on what else this machine does.
fn probes(program: &str) -> Vec<String> {
    vec![
        "interval:ms:10 { @ticks++ }".into(),
        "tracepoint:syscalls:sys_enter_openat /comm == \"nobody\"/ { @open[str(args.filename)] = count() }".into(),
        // A record of tracefs, and places where things can go wrong.
        "tracepoint:sched:sched_process_exec { @exec[comm, pid] = count(); @div = 7 / pid }".into(),
        "rawtracepoint:sched_switch { @switches = count(); @stack[kstack(3)] = count() }".into(),
        "profile:hz:49 /comm == \"nobody\"/ { @sample[kstack(3)] = count() }".into(),
        "software:faults:100 { @faults[pid] = count() }".into(),
        format!("uprobe:{program}:main {{ @main = count(); @h = hist(pid) }}"),
        "begin { @b = 1 } end { @e = 1 } interval:s:100 { print(@b); printf(\"%s\", str(0)) }".into(),
        // Many attach points of one program: tables in .bss.
        "tracepoint:syscalls:sys_enter_s* /comm == \"nobody\"/ { @by[probe] = count(); @long[str(0, 500)] = 1 }".into(),
        "interval:s:100 { for ($kv : @by) { print($kv) } for ($i : 0..5) { @loop[$i] = avg($i) } }".into(),
    ]
}

#[test]
fn hundreds_of_probes_leave_nothing_behind() {
    requires!(Quick, Bpf, Tracefs);
    /// Rounds, each with all kinds of probes: with five of each in one of them.
    const ROUNDS: usize = if cfg!(debug_assertions) { 20 } else { 100 };
    let probes = probes(&rtrace().display().to_string());
    let mut terminal = Terminal::start(&[]);
    let mut next = 1;
    let mut round = |terminal: &mut Terminal, times: usize| {
        let first = next;
        for probe in probes.iter().cycle().take(times * probes.len()) {
            let told = terminal.enter(probe);
            assert!(told.contains(&format!("#{next} attached")), "{probe}:\n{told}");
            next += 1;
        }
        let numbers = (first..next).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        terminal.enter(&format!(":off {numbers}"));
        terminal.enter(&format!(":on {first} {}", first + 1));
        terminal.enter("@by[\"x\"] + 1");
        terminal.enter("interval:s:1 { @ticks = nosuch }");
        for map in ["@open", "@exec", "@stack", "@sample", "@faults", "@by", "@long"] {
            terminal.enter(&format!("clear({map})"));
        }
        terminal.enter(&format!(":rm {numbers}"));
    };
    // What all of them share comes with the first, and the allocator takes what most at once need.
    round(&mut terminal, 5);
    round(&mut terminal, 1);
    let (before, memory_before) = (held(terminal.pid()), memory(terminal.pid()));
    (0..ROUNDS).for_each(|_| round(&mut terminal, 1));
    let (after, memory_after) = (held(terminal.pid()), memory(terminal.pid()));
    assert_eq!(after, before);
    let has = |what: &str| after.descriptors.keys().any(|kind| kind.contains(what));
    assert!(!has("prog_type") && !has("link_type"), "{after:?}");
    // The texts that were typed stay, and the names of what they print.
    let grown = memory_after.saturating_sub(memory_before) as usize;
    println!("{} probes: from {memory_before} to {memory_after} KiB, {after:?}", ROUNDS * probes.len());
    assert!(grown < 2048 + ROUNDS * probes.len() * 8, "{} probes have left {grown} KiB", ROUNDS * probes.len());
}

#[test]
fn who_watches_processes_goes_with_the_last_probe_that_wants_it() {
    requires!(Quick, Bpf, Uprobes, Tracefs);
    let work = sibling("work").display().to_string();
    let mut terminal = Terminal::start(&["-p", &std::process::id().to_string()]);
    let threads = |terminal: &Terminal, name: &str| {
        let tasks = fs::read_dir(format!("/proc/{}/task", terminal.pid())).expect("it lives").flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|text| text.trim() == name).count()
    };
    // Stacks by addresses, which are looked up later, and by tables, which have to be found.
    for (first, take, who) in [(1, "ustack", "watch"), (3, "dw_ustack", "unwind")] {
        let probe = format!("tracepoint:syscalls:sys_enter_sync {{ @{take}[{take}(3)] = count() }}");
        for number in [first, first + 1] {
            let told = terminal.enter(&probe);
            assert!(told.contains(&format!("#{number} attached ")), "{told}");
        }
        assert_eq!(threads(&terminal, who), 1, "{}", terminal.text());
        terminal.enter(&format!(":rm {first}"));
        assert_eq!(threads(&terminal, who), 1, "the other one needs it: {}", terminal.text());
        terminal.enter(&format!(":rm {}", first + 1));
        let end = Instant::now() + patience(Duration::from_secs(10));
        while threads(&terminal, "watch") + threads(&terminal, "unwind") > 0 || perf_events(terminal.pid()) > 0 {
            assert!(Instant::now() < end, "what {take} needs stays: {:?}", held(terminal.pid()));
            sleep(Duration::from_millis(5));
        }
    }
    // One that comes to nothing leaves nothing, and who comes later is served.
    terminal.enter("tracepoint:syscalls:sys_enter_sync { @s[ustack] = 1 } iter:task:/nosuch/pin { }");
    assert!(terminal.text().contains("Failed to pin"), "{}", terminal.text());
    assert_eq!(threads(&terminal, "watch"), 0);
    drop(terminal);
    let mut terminal = Terminal::start(&[]);
    let probe = format!("uprobe:{work}:work_step {{ @s[ustack(1)] = count() }}");
    for number in 1..=2 {
        terminal.enter(&probe);
        let status = std::process::Command::new(&work).args(["call", "3"]).status();
        assert!(status.is_ok_and(|status| status.success()));
        let shown = terminal.enter("@s");
        assert!(shown.contains("work_step+0"), "{shown}");
        terminal.enter(&format!(":rm {number}"));
        // Names are still known of what has been taken.
        assert_eq!(terminal.enter("@s"), shown);
        terminal.enter("clear(@s)");
    }
}

/// Waits until nothing of this is left in the kernel, which takes its time to let go.
#[track_caller]
fn are_gone(objects: &BTreeSet<(Kind, u32)>, told: &str) {
    let end = Instant::now() + patience(Duration::from_secs(20));
    loop {
        let left: Vec<_> = objects.iter().filter(|(kind, number)| is_known(*kind, *number)).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left in the kernel: {left:?}\n{told}");
        sleep(Duration::from_millis(10));
    }
}

/// The probes that there are.
fn numbers_of(terminal: &mut Terminal) -> Vec<String> {
    let told = terminal.enter(":probes");
    told.lines().filter_map(|line| Some(line.strip_prefix('#')?.split_once(' ')?.0.to_owned())).collect()
}

/// What a person may do in any order. What has been removed is in the kernel no more, and of a session that has ended
/// there is nothing left at all.
#[test]
fn whatever_is_done_in_a_session_the_kernel_keeps_nothing() {
    requires!(Quick, Bpf, Btf, Tracefs, Uprobes, Root);
    const SESSIONS: u32 = 8;
    const STEPS: usize = 12;
    let pin = format!("rtrace_test_soak_{}", std::process::id());
    let file = PathBuf::from("/sys/fs/bpf").join(&pin);
    let mut choices = probes(&sibling("work").display().to_string());
    choices.extend([
        "profile:hz:49 { @user[ustack(3)] = count() }".to_owned(),
        "iter:task { @tasks = count() }".to_owned(),
        format!("iter:task:{pin} {{ printf(\"%d\\n\", ctx.task.pid); }}"),
        "begin { @b = 2; exit() } interval:s:1 { @never = 1 }".to_owned(),
        "interval:ms:10 { @m++; if (@m > 3) { @m = 0; exit() } }".to_owned(),
        "begin { @b = 1 } iter:task:/nosuch/pin { }".to_owned(),
        "interval:s:1 { @ticks = nosuch }".to_owned(),
        "rawtracepoint:tcp_probe { @k = args.sk; print(socket_cookie(@k)); }".to_owned(),
        "config = { missing_probes=ignore } fentry:vfs_fsync { @v = count() } interval:s:1 { @ticks++ }".to_owned(),
    ]);
    for session in 0..SESSIONS {
        // Small numbers, the same each time.
        let mut state = u64::from(session) + 1;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut terminal = Terminal::start(&[]);
        let (mut all, mut gone, mut numbers) = (BTreeSet::new(), BTreeSet::new(), Vec::<String>::new());
        for _ in 0..STEPS {
            let probe = &choices[next(choices.len())];
            let at = next(numbers.len().max(1));
            match (numbers.get(at), next(8)) {
                (None, _) | (_, 0..=2) => {
                    terminal.enter(probe);
                    numbers = numbers_of(&mut terminal);
                }
                (Some(number), 3) => drop(terminal.enter(&format!(":off {number}"))),
                (Some(number), 4) => drop(terminal.enter(&format!(":on {number}"))),
                (Some(number), 5..=6) => {
                    terminal.press(&format!(":edit {number}\r"));
                    terminal.shows_last(&format!("edit #{number}> "));
                    terminal.press(&format!("\x15{probe}\r"));
                    terminal.ready();
                }
                (Some(number), _) => {
                    terminal.enter(&format!(":rm {number}"));
                    numbers = numbers_of(&mut terminal);
                }
            }
            all.extend(Objects::of_process(terminal.pid()).iter());
        }
        gone.extend(all.iter().copied().filter(|(kind, _)| *kind != Kind::Map));
        terminal.enter(&format!(":rm {}", numbers.join(" ")));
        are_gone(&gone, &format!("session {session}:\n{}", terminal.text()));
        assert!(!file.exists(), "session {session}:\n{}", terminal.text());
        let left = Objects::of_process(terminal.pid());
        assert_eq!((left.programs(), left.links()), (0, 0), "session {session}:\n{}", terminal.text());
        terminal.press(":quit!\r");
        assert_eq!(terminal.left().code(), Some(0), "session {session}:\n{}", terminal.text());
        are_gone(&all, &format!("session {session} after its end:\n{}", terminal.text()));
    }
}

/// Ticks of processor time, and how often its threads have waited, of a process.
fn activity(pid: u32) -> (u64, u64) {
    let (mut ticks, mut waits) = (0, 0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("it lives").flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
        ticks += fields.flat_map(str::parse::<u64>).sum::<u64>();
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        waits += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    (ticks, waits)
}

#[test]
fn probes_that_do_not_fire_cost_nothing() {
    requires!(Quick, Bpf, Tracefs);
    const SECONDS: u64 = 3;
    let mut terminal = Terminal::start(&[]);
    for probe in [
        "tracepoint:syscalls:sys_enter_swapon { printf(\"no\\n\"); @n = count() }",
        "rawtracepoint:module_load { @m[str(0)] = count() }",
        "interval:s:1000 { print(@n) }",
        "uprobe:/bin/sh:main { @sh = count() }",
        "self:signal:SIGUSR1 { @s = 1 }",
    ] {
        terminal.enter(probe);
    }
    terminal.enter("@n");
    sleep(Duration::from_millis(300));
    let (ticks, waits) = activity(terminal.pid());
    sleep(Duration::from_secs(SECONDS));
    let (ticks_after, waits_after) = activity(terminal.pid());
    assert!(ticks_after - ticks <= 2, "{} ticks", ticks_after - ticks);
    assert!(waits_after - waits <= SECONDS, "woken {} times in {SECONDS} seconds", waits_after - waits);
}

/// What is counted while a probe is replaced again and again is counted once, and hardly anything is missed.
#[test]
fn what_is_replaced_counts_once() {
    requires!(Quick, Bpf, Tracefs);
    const WRITES: u64 = 200_000;
    const EDITS: usize = 10;
    let mut terminal = Terminal::start(&[]);
    let writer = Worker::new("rt_replace", Work::write("/dev/null", WRITES, 8));
    let probe = |number: usize| {
        format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @n = count(); @v = {number} }}", writer.pid())
    };
    terminal.enter(&probe(0));
    writer.release();
    for number in 1..=EDITS {
        terminal.press(":edit 1\r");
        terminal.shows_last("edit #1> ");
        terminal.press(&format!("\x15{}\r", probe(number)));
        terminal.ready();
    }
    writer.join();
    let told = terminal.enter("@n");
    let counted: u64 = told.trim_start_matches("@n: ").parse().unwrap_or_else(|_| panic!("{told}"));
    println!("{counted} of {WRITES} writes with {EDITS} replacements");
    assert!(counted <= WRITES, "{counted} of {WRITES}");
    let file = Scratch::new("replaced.rt");
    terminal.enter(&format!(":save {}", file.path().display()));
    assert!(file.text().contains(&format!("@v = {EDITS} }}")), "{}", file.text());
}
