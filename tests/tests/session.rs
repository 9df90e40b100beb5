//! Sessions: probes, statements and commands at a prompt.

use rtrace_tests::kernel::perf_events;
use rtrace_tests::workload::allowed_cpus;
use rtrace_tests::{Run, Scratch, Terminal, Work, Worker, patience, requires, sibling};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A probe on writes of one process.
fn on_writes(writer: &Worker, body: &str) -> String {
    format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ {body} }}", writer.pid())
}

#[test]
fn a_script_that_is_piped_in_is_run() {
    requires!(Bpf);
    Run::bare().input("begin { printf(\"piped\\n\"); exit(); }").to_end().code(0).stdout_is("piped\n\n\n");
    Run::bare().input("begin { nosuch(); }").to_end().code(1).stderr_has("stdin:1:9-17: ERROR");
    Run::bare().to_end().code(1).stderr_has("no program given");
}

#[test]
fn a_first_session() {
    requires!(Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let writer = Worker::new("rt_writer", Work::write("/dev/null", 7, 8));
    let attached = terminal.enter(&on_writes(&writer, "@n = count(); @by[comm] = sum(args.count)"));
    assert!(attached.starts_with("#1 attached tracepoint:syscalls:sys_enter_write ("), "{attached}");
    assert!(attached.ends_with(" ms)"), "{attached}");
    writer.finish();
    assert_eq!(terminal.enter("@n"), "@n: 7");
    assert_eq!(terminal.enter("@by"), "@by[rt_writer]: 56");
    assert_eq!(terminal.enter("@by[\"rt_writer\"]"), "56 : uint64");
    assert_eq!(terminal.enter("print(@n)"), "@n: 7");
    assert_eq!(terminal.enter(":maps"), "@by[string[16]]  usum_t   1 entry\n@n               count_t  1 entry");
    assert!(terminal.enter(":probes").starts_with("#1  on  tracepoint:syscalls:sys_enter_write /pid == "));
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0));
    assert!(terminal.text().ends_with("rtrace> :quit\n\n\n@by[rt_writer]: 56\n@n: 7"), "{}", terminal.text());
}

#[test]
fn expressions_are_shown_with_their_types() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    assert_eq!(terminal.enter("1 << 20"), "1048576 : int32");
    assert_eq!(terminal.enter("\"abc\""), "abc : string[4]");
    assert_eq!(terminal.enter("strftime(\"year %Y\", 0)"), "year 1970 : timestamp".replace("1970", &boot_year()));
    assert_eq!(terminal.enter("(1, true)"), "(1, true) : (int8,bool)");
    assert_eq!(terminal.enter("comm"), "rtrace : string[16]");
    assert_eq!(terminal.enter("config.max_map_keys"), "4096 : int16");
    assert_eq!(terminal.enter("@x = 5; @x += 2"), "");
    assert_eq!(terminal.enter("@x * 2"), "14 : int64");
    assert_eq!(terminal.enter("@x++"), "");
    assert_eq!(terminal.enter("@x"), "@x: 8");
    assert_eq!(terminal.enter("printf(\"no line end\")"), "no line end");
    assert_eq!(terminal.enter("if (@x > 7) { print(\"more\"); } else { print(\"less\"); }"), "more");
    assert_eq!(terminal.enter("// nothing"), "");
    let missing = terminal.enter("@nosuch");
    assert_eq!(missing, "ERROR: there is no map @nosuch\nHINT: a probe makes it: begin { @nosuch = 1 }");
    terminal.press("exit(3)\r");
    assert_eq!(terminal.left().code(), Some(3));
}

#[test]
fn definitions_last_for_the_session() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    for definition in [
        "macro twice(a) { a * 2 }",
        "#define SEVEN 7",
        "struct pair { int a; int b; }",
        "config = { max_map_keys=10 }",
        "let @kept = lruhash(3)",
    ] {
        assert_eq!(terminal.enter(definition), "", "{definition}");
    }
    assert_eq!(terminal.enter("twice(SEVEN) + sizeof(struct pair)"), "22 : int8");
    assert_eq!(terminal.enter("config.max_map_keys"), "10 : int8");
    terminal.enter("for ($i : 0..50) { @kept[$i] = $i; @other[$i] = $i }");
    let maps = terminal.enter(":maps");
    // A table that small may drive out one more than it has to.
    assert!(maps.contains("3 entries") || maps.contains("2 entries"), "{maps}");
    assert!(maps.contains("10 entries"), "{maps}");
    assert_eq!(terminal.enter("macro twice(a) { a + a + 1 }"), "");
    assert_eq!(terminal.enter("twice(2)"), "5 : int8");
    // Without a semicolon, which the language does not ask for.
    terminal.enter("struct more { int a; }");
    assert_eq!(terminal.enter("printf(\"%d\", sizeof(struct more) + sizeof(struct pair))"), "12");
}

#[test]
fn probes_share_maps_whatever_their_order() {
    requires!(Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let writer = Worker::new("rt_writer", Work::write("/dev/null", 9, 8));
    // Read before anything is assigned: as a number, as a whole, and as a condition.
    terminal.enter("interval:ms:50 { if (@on) { print(@total); @seen = @on } }");
    let attached = terminal.enter(&on_writes(&writer, "@total[comm] = count()"));
    assert!(attached.starts_with("#2 attached"), "{attached}");
    writer.finish();
    assert_eq!(terminal.enter("@total"), "@total[rt_writer]: 9");
    terminal.enter("@on = 3");
    terminal.shows("@total[rt_writer]: 9");
    terminal.enter_until("@seen", |told| told == "@seen: 3");
}

#[test]
fn a_clash_names_the_entry_that_fixed_the_type() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:s:100 { @a = count(); @k[pid] = 1 }");
    let clash = terminal.enter("interval:s:100 { @a = 5 }");
    for part in ["#2:1:18-24: ERROR: Type mismatch for @a", "─[ #1:1:23 ]", "its type was fixed here"] {
        assert!(clash.contains(part), "{part}:\n{clash}");
    }
    let clash = terminal.enter("@k[comm] = 1");
    for part in ["<1>:1:1-9: ERROR: Argument mismatch for @k", "─[ #1:1:32 ]", "its key was fixed here"] {
        assert!(clash.contains(part), "{part}:\n{clash}");
    }
}

#[test]
fn a_faulty_entry_changes_nothing() {
    requires!(Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("@a = 1");
    for (faulty, part) in [
        ("interval:s:1 { @b = ; }", "#1:1:21-22: ERROR: expected an expression"),
        ("interval:s:1 { @b = nosuch }", "Unknown identifier: 'nosuch'"),
        ("begin { @b = 1 } tracepoint:syscalls:nosuch { @b = 1 }", "No matches for tracepoint syscalls:nosuch"),
        ("@b = 1; @a = \"text\"", "Type mismatch for @a"),
        ("print(1", ""),
        ("config = { nosuch=1 }", "not a known configuration option"),
        ("macro bad(a) { @b = a }", ""),
        ("bad(1)", "Unhygienic access to map"),
        ("test:t { }", "tests and benchmarks are run from a script"),
        (":nosuch", "there is no command :nosuch"),
        (":off 7", "there is no probe 7"),
        ("struct broken { nosuch_t x; }", ""),
    ] {
        if faulty == "print(1" {
            // More is asked for, until an empty line ends it.
            terminal.press("print(1\r");
            terminal.press("\r");
            terminal.shows("<2>:1:8-8: ERROR: expected `)` to close this parenthesis");
            terminal.ready();
            continue;
        }
        let told = terminal.enter(faulty);
        assert!(told.contains(part), "{faulty}:\n{told}");
    }
    assert_eq!(terminal.enter(":maps"), "@a  int64  1 entry");
    assert_eq!(terminal.enter(":probes"), "no probes");
    let attached = terminal.enter("interval:s:100 { @b[pid] = 1 }");
    assert!(attached.starts_with("#1 attached"), "{attached}");
}

#[test]
fn probes_are_taken_off_put_on_and_removed() {
    requires!(Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let writes = |terminal: &mut Terminal, probe: &str| {
        let writer = Worker::new("rt_toggled", Work::write("/dev/null", 5, 8));
        if !probe.is_empty() {
            terminal.enter(probe);
        }
        writer.finish();
        terminal.enter("@n")
    };
    assert_eq!(
        writes(&mut terminal, "tracepoint:syscalls:sys_enter_write /comm == \"rt_toggled\"/ { @n = count() }"),
        "@n: 5"
    );
    assert_eq!(terminal.enter(":off 1"), "#1 is off");
    assert_eq!(writes(&mut terminal, ""), "@n: 5");
    assert!(terminal.enter(":probes").starts_with("#1  off tracepoint:"));
    assert_eq!(terminal.enter(":on #1"), "#1 is on");
    assert_eq!(writes(&mut terminal, ""), "@n: 10");
    assert_eq!(terminal.enter(":rm 1"), "#1 is removed");
    assert_eq!(writes(&mut terminal, ""), "@n: 10");
    assert_eq!(terminal.enter(":probes"), "no probes");
    let told = terminal.enter(":on 1");
    assert!(told.contains("there is no probe 1"), "{told}");
}

#[test]
fn a_probe_that_exits_is_off_and_the_session_goes_on() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:ms:20 { @other++ }");
    terminal.enter("interval:ms:20 { @n++; if (@n == 3) { exit(7); } }");
    terminal.shows("#2 has called exit() and is off");
    // It may run once more before it is off.
    let counted = terminal.enter("@n");
    let counted: u32 = counted.trim_start_matches("@n: ").parse().unwrap_or_else(|_| panic!("{counted}"));
    assert!(counted >= 3, "{counted}");
    let first = terminal.enter("@other");
    sleep(Duration::from_millis(200));
    assert_ne!(terminal.enter("@other"), first);
    assert!(terminal.enter(":probes").contains("#2  off"));
    assert_eq!(terminal.enter(":on 2"), "#2 is on");
}

#[test]
fn output_appears_above_the_line_that_is_being_typed() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:ms:50 { printf(\"tick\\n\"); warnf(\"look out\") }");
    terminal.press("1 + ");
    terminal.shows("tick");
    terminal.shows("WARNING: look out");
    terminal.enter(":off 1");
    // What was typed has not been touched, only what came of it was wrong: `1 + :off 1`.
    assert!(terminal.text().contains("rtrace> 1 + :off 1"), "{}", terminal.text());
    terminal.enter(":off 1");
    assert_eq!(terminal.enter("2 + 3"), "5 : int8");
}

#[test]
fn a_question_that_cannot_be_answered_is_one_error() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    for question in ["nosuch + 1", "1 == nosuch", "nosuch"] {
        let answer = terminal.enter(question);
        assert!(answer.contains("ERROR: Unknown identifier: 'nosuch'") && !answer.contains("WARNING"), "{answer}");
    }
    // Nobody sees what comes of the first, which is not the whole entry.
    assert!(terminal.enter("1 == 2; print(3)").contains("WARNING: Return value discarded."));
}

/// What stands on a screen on which a probe has printed numbered lines while numbers were entered, each of which answers.
/// Panics if a line is broken, lost or there twice, or an answer is not where it belongs.
fn check_entries_among_ticks(text: &str, entries: usize) {
    let begun = text.find("rtrace> 1000\n").expect("the first entry is there");
    let (mut ticks, mut asked, mut answered) = (None, 1000, 1000);
    for line in text[begun..].lines().filter(|line| !line.is_empty()) {
        let around = || format!("{line:?} is wrong behind {:?}", text[..text.find(line).unwrap_or(0)].lines().last());
        if let Some(number) = line.strip_prefix("tick ").and_then(|number| number.parse::<u32>().ok()) {
            assert!(ticks.is_none_or(|last| last + 1 == number), "tick {ticks:?}, then {number}");
            ticks = Some(number);
        } else if line == format!("rtrace> {asked}") && asked == answered {
            asked += 1;
        } else if line == format!("{answered} : int16") && asked == answered + 1 {
            answered += 1;
        } else if line == "rtrace> :off 1" || line == "#1 is off" || line == "rtrace> " || line == "rtrace>" {
            assert_eq!(answered, 1000 + entries, "{}", around());
        } else {
            panic!("{}", around());
        }
    }
    assert_eq!(answered, 1000 + entries);
    assert!(ticks.is_some(), "nothing was printed");
}

#[test]
fn answers_stand_below_their_entries_while_a_probe_prints_all_the_time() {
    requires!(Quick, Bpf);
    const ENTRIES: usize = 200;
    for waits in [true, false] {
        let mut terminal = Terminal::with(&[], "xterm", (60, 24), &[("NO_COLOR", "1")]);
        terminal.ready();
        terminal.enter("interval:ms:1 { printf(\"tick %d\\n\", @n++) }");
        let (numbers, mut row) = (1000..1000 + ENTRIES, 0);
        if waits {
            for number in numbers {
                terminal.press(&format!("{number}\r"));
                row = terminal.shows_from(row, &format!("{number} : int16"));
            }
        } else {
            // As a terminal pastes that knows no brackets around it.
            terminal.press(&numbers.map(|number| format!("{number}\r")).collect::<String>());
            row = terminal.shows_from(row, &format!("{} : int16", 999 + ENTRIES));
        }
        terminal.press(":off 1\r");
        terminal.shows_from(row, "#1 is off");
        terminal.ready();
        check_entries_among_ticks(&terminal.text(), ENTRIES);
    }
}

#[test]
fn ctrl_c_abandons_the_line_and_twice_leaves() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.press("@x = 5");
    terminal.shows("rtrace> @x = 5");
    terminal.press("\x03");
    terminal.ready();
    assert_eq!(terminal.enter("1"), "1 : int8");
    terminal.press("\x03");
    terminal.shows("Ctrl-C again");
    terminal.press("\x03");
    assert_eq!(terminal.left().code(), Some(0));
    let mut other = Terminal::start(&[]);
    other.enter("begin { @x = 1 } end { printf(\"bye\\n\") }");
    other.press("\x04");
    assert_eq!(other.left().code(), Some(0));
    assert!(other.text().contains("bye\n\n\n@x: 1"), "{}", other.text());
    let mut quiet = Terminal::start(&[]);
    quiet.enter("@x = 1");
    quiet.press(":quit!\r");
    assert_eq!(quiet.left().code(), Some(0));
    assert!(!quiet.text().contains("@x: 1"), "{}", quiet.text());
}

#[test]
fn ctrl_c_abandons_what_is_being_attached() {
    requires!(Quick, Bpf, Uprobes);
    let work = sibling("work").display().to_string();
    // Each of a thousand functions has an event of its own, which takes the kernel a while.
    let mut terminal = Terminal::start(&["--no-feature", "uprobe_multi"]);
    terminal.enter("config = { max_probes=100000 }");
    terminal.enter(&format!("uprobe:{work}:work_step {{ @n = count() }}"));
    assert_eq!(perf_events(terminal.pid()), 1);
    let abandon = |terminal: &mut Terminal, line: &str| {
        let before = terminal.text().matches("ERROR: interrupted while attaching: ").count();
        terminal.press(&format!("{line}\r"));
        // Not before something is on, which is what is to be abandoned, and without a pause after: a hundred more are on
        // in a moment, and each takes a tenth of a second to be closed.
        let end = Instant::now() + patience(Duration::from_secs(60));
        while perf_events(terminal.pid()) < 2 {
            assert!(Instant::now() < end, "nothing is attached:\n{}", terminal.text());
            std::thread::yield_now();
        }
        terminal.press("\x03");
        // Events are closed one by one, and on a busy machine each of those that are on by now takes its time.
        let end = Instant::now() + patience(Duration::from_secs(200));
        while terminal.text().matches("ERROR: interrupted while attaching: ").count() == before {
            assert!(Instant::now() < end, "it was never interrupted:\n{}", terminal.text());
            sleep(Duration::from_millis(20));
        }
        terminal.ready();
        assert_eq!(perf_events(terminal.pid()), 1, "{}", terminal.text());
        assert!(terminal.enter(":probes").starts_with("#1  on  uprobe:"), "{}", terminal.text());
    };
    abandon(&mut terminal, &format!("uprobe:{work}:* {{ @all = count() }}"));
    // What was to be changed goes on as it was.
    terminal.press(":edit 1\r");
    terminal.shows_last("edit #1> ");
    abandon(&mut terminal, &format!("\x15uprobe:{work}:*, uprobe:{work}:work_step {{ @all = count() }}"));
    let status = std::process::Command::new(&work).args(["call", "7"]).status();
    assert!(status.is_ok_and(|status| status.success()));
    assert_eq!(terminal.enter("@n"), "@n: 7");
    assert!(terminal.enter("interval:s:100 { @other = 1 }").starts_with("#2 attached"));
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0));
}

#[test]
fn a_line_is_read_however_many_descriptors_probes_have() {
    requires!(Bpf);
    // Those that wait for the terminal are below 1024, whatever comes before them. An event has one on each processor.
    let count = 1100 / allowed_cpus().len() + 1;
    let points: Vec<String> = (0..count).map(|at| format!("software:page-faults:{}", 1_000_000 + at)).collect();
    let script = Scratch::file("many.rt", format!("{} {{ @n = count() }}", points.join(", ")));
    let mut terminal = Terminal::start(&[]);
    let told = terminal.enter(&format!(":load {}", script.path().display()));
    assert!(told.starts_with("#1 attached"), "{told}");
    let open = fs::read_dir(format!("/proc/{}/fd", terminal.pid())).expect("it lives").count();
    assert!(open > 1100, "only {open} descriptors are open");
    assert_eq!(terminal.enter("1 + 1"), "2 : int8");
    assert_eq!(terminal.enter(":rm 1"), "#1 is removed");
}

/// The year in which this machine was started.
fn boot_year() -> String {
    Run::program("begin { print(strftime(\"%Y\", 0)); exit(); }").to_end().stdout.trim().to_owned()
}

#[test]
fn a_signal_ends_a_session_as_it_ends_a_script() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("@x = 1");
    // SAFETY: a signal to a process of ours.
    unsafe { libc::kill(terminal.pid() as i32, libc::SIGTERM) };
    assert_eq!(terminal.left().code(), Some(0));
    assert!(terminal.text().contains("@x: 1"), "{}", terminal.text());
}

#[test]
fn a_terminal_without_abilities_will_do() {
    requires!(Bpf);
    let mut terminal = Terminal::open(&[], "dumb", 80);
    terminal.ready();
    terminal.press("1 + 2\r");
    terminal.shows("3 : int8");
    terminal.press("interval:ms:50 { printf(\"tick\\n\") }\r");
    terminal.shows("tick");
    terminal.press("exit(2)\r");
    assert_eq!(terminal.left().code(), Some(2));
}

#[test]
fn config_holds_from_where_it_stands() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("@x = 1");
    terminal.enter("config = { print_maps_on_exit=false }");
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0));
    assert!(!terminal.text().contains("@x: 1"), "{}", terminal.text());
}

#[test]
fn an_entry_goes_on_until_it_is_whole() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.press("interval:s:100 {\r");
    terminal.press("  @n = count();\r");
    let attached = terminal.enter("}");
    assert!(attached.ends_with(" ms)") && attached.contains("#1 attached interval:s:100"), "{attached}");
    assert_eq!(terminal.enter("1 +\r2"), "2\n3 : int8");
}

#[test]
fn a_probe_is_attached_in_no_time() {
    requires!(Bpf, Tracefs);
    /// Milliseconds from Enter to attached. A compiler that is not optimised takes its time.
    const LIMIT: u32 = if cfg!(debug_assertions) { 250 } else { 15 };
    let mut terminal = Terminal::start(&[]);
    let took = (0..10).map(|_| {
        let attached = terminal.enter("tracepoint:syscalls:sys_enter_sync { @[comm] = count() }");
        let (_, time) = attached.rsplit_once('(').expect("it says how long it took");
        time.trim_end_matches(" ms)").parse::<u32>().unwrap_or(0)
    });
    // Whatever else this machine has to do, one of them was alone.
    let best = took.min().expect("there were some");
    assert!(best < LIMIT, "{best} ms");
}

/// What a process has of the kernel: descriptors of each kind, and kilobytes of memory.
fn held(pid: u32) -> (Vec<(String, usize)>, u64) {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let kind = target.to_string_lossy().split([':', '[']).take(2).collect::<Vec<_>>().join(":");
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    kinds.sort();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    (kinds, resident.trim().trim_end_matches(" kB").parse().expect("a number"))
}

#[test]
fn probes_that_are_removed_leave_nothing_behind() {
    requires!(Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let round = |terminal: &mut Terminal, number: usize| {
        let probe = "interval:s:100, tracepoint:syscalls:sys_enter_sync { @n[comm] = count(); @long[str(0, 500)] = 1; \
                     printf(\"%d\\n\", 1 / pid); }";
        let attached = terminal.enter(probe);
        assert!(attached.starts_with(&format!("#{number} attached")), "{attached}");
        terminal.enter(&format!(":rm {number}"));
        terminal.enter("@n[\"x\"] + 1");
    };
    // What all of them share comes with the first.
    (1..=5).for_each(|number| round(&mut terminal, number));
    // What can be completed is read beside, at the beginning.
    let end = Instant::now() + patience(Duration::from_secs(10));
    let (before, memory_before) = loop {
        let (kinds, memory) = held(terminal.pid());
        if !kinds.iter().any(|(kind, _)| kind.starts_with("/sys/")) || Instant::now() > end {
            break (kinds, memory);
        }
        sleep(Duration::from_millis(10));
    };
    (6..=55).for_each(|number| round(&mut terminal, number));
    let (after, memory_after) = held(terminal.pid());
    assert_eq!(after, before);
    assert!(before.iter().all(|(kind, _)| !kind.contains("bpf-prog") && !kind.contains("bpf_link")), "{before:?}");
    let grown = memory_after.saturating_sub(memory_before);
    assert!(grown < 4 << 10, "fifty probes have left {grown} KiB");
}

#[test]
fn an_idle_session_uses_no_processor_time() {
    requires!(Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("tracepoint:syscalls:sys_enter_sync { printf(\"sync\\n\"); @n = count() }");
    let used = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        let (_, rest) = stat.rsplit_once(')').expect("its name is in brackets");
        let fields: Vec<u64> = rest.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
        fields.iter().sum::<u64>()
    };
    sleep(Duration::from_millis(200));
    let before = used(terminal.pid());
    sleep(Duration::from_secs(2));
    assert_eq!(used(terminal.pid()), before);
}

#[test]
fn a_fault_of_any_kind_changes_nothing_and_points_into_its_entry() {
    requires!(Bpf, Btf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("@a = 1");
    terminal.enter("config = { max_strlen=30000 }");
    terminal.enter("interval:s:100 { @a = 2 }");
    let unchanged = [":probes", ":maps"].map(|command| terminal.enter(command));
    // What is typed, and what is told of it; some want an empty line to end them.
    let faults: &[(&str, &str)] = &[
        // Lexer and parser.
        ("interval:s:1 { @b = \"text }\r", "#2:1:21-28: ERROR: this string is not closed"),
        ("interval:s:1 { @b = 1 } }", "#2:1:25-26: ERROR"),
        ("interval:s:1 { @b = 09 }", "#2:1:21-23: ERROR"),
        ("kprobe:f / pid ==  / { @b = 1 }", "#2:1:20-21: ERROR: expected an expression"),
        // Checker, in a probe and in statements.
        ("interval:s:1 { @b = nosuch }", "#2:1:21-27: ERROR: Unknown identifier: 'nosuch'"),
        ("@b = 1; print($x)", "<2>:1:15-17: ERROR: Undefined or undeclared variable: $x"),
        ("interval:s:1 { @a = \"text\" }", "#2:1:16-27: ERROR: Type mismatch for @a"),
        // Attach points that are not there, and such as cannot be had.
        ("begin { @b = 1 } tracepoint:syscalls:nosuch { @b = 1 }", "#2:1:18-44: ERROR: No matches for tracepoint"),
        ("uprobe:/nosuch/file:f { @b = 1 }", "#2:1:1-22: ERROR"),
        ("begin { @b = 1 } iter:task:/nosuch/folder/pin { @b = 1 }", "Failed to pin iter probe"),
        // The verifier.
        (
            "begin { @b = 1 } rawtracepoint:tcp_probe { @k = args.sk; print(socket_cookie(@k)); }",
            "#2:1:64-81: ERROR: the kernel's verifier refuses the program",
        ),
        // Definitions.
        ("struct broken { int a[; };\r", "#2:1:"),
        ("#error not today", "#2:1:1-17: ERROR: not today"),
        ("#include \"nosuch.h\"", "#2:1:"),
        ("import \"nosuch.rt\"; interval:s:1 { @b = 1 }", "#2:1:1-19: ERROR: Unable to find suitable path for import"),
        ("macro bad(a) { nosuch + a }  interval:s:1 { @b = bad(1) }", "Unknown identifier: 'nosuch'"),
        ("config = { nosuch=1 }", "#2:1:12-20: ERROR: nosuch: not a known"),
        ("let @a = hash(5)", "#2:1:1-17: ERROR: @a is in use already"),
        ("interval:s:1 { capture(\"-\") }", "ERROR"),
        // Commands.
        (":nosuch", "there is no command :nosuch"),
        (":load /nosuch/file.rt", "failed to open file '/nosuch/file.rt'"),
        (":rm 9", "there is no probe 9"),
        (":edit 9", "there is no probe 9"),
        (":save /nosuch/folder/file.rt", "cannot write /nosuch/folder/file.rt"),
    ];
    let mut wrong = Vec::new();
    for (faulty, part) in faults {
        let told = terminal.enter(faulty);
        if !told.contains(part) {
            wrong.push(format!("{part} is not told of {faulty}:\n{told}"));
        }
        assert_eq!([":probes", ":maps"].map(|command| terminal.enter(command)), unchanged, "{faulty}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(terminal.enter("@a + 1"), "2 : int64");
}

#[test]
fn a_session_that_is_full_says_so_and_goes_on() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("config = { max_strlen=60000 }");
    let mut count = 0;
    let told = loop {
        let told = terminal.enter(&format!("@s{count} = str((uint8 *)0, 60000)"));
        if told.contains("ERROR") {
            break told;
        }
        count += 1;
        assert!(count < 30, "a MiB is never full:\n{told}");
    };
    assert!(told.contains(&format!("<{}>:1:", count + 1)), "{told}");
    let maps = terminal.enter(":maps");
    assert_eq!(maps.lines().count(), count, "{maps}");
    assert_eq!(terminal.enter("@small = 1"), "");
    assert_eq!(terminal.enter("@small + 1"), "2 : int64");
}

#[test]
fn a_process_that_ends_leaves_the_session() {
    requires!(Bpf, Tracefs);
    let worker = Worker::new("rt_writer", Work::write("/dev/null", 3, 8));
    let mut terminal = Terminal::start(&["-p", &worker.pid().to_string()]);
    terminal.enter(&on_writes(&worker, "@n = count()"));
    let pid = worker.pid();
    worker.finish();
    terminal.shows(&format!("the process {pid} has ended"));
    let before = processor_time(terminal.pid());
    sleep(Duration::from_secs(1));
    let used = processor_time(terminal.pid()) - before;
    assert!(used < 20, "{used} ticks for nothing");
    assert_eq!(terminal.enter("@n"), "@n: 3");
}

/// Ticks of processor time that a process has used.
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, rest) = stat.rsplit_once(')').expect("its name is in brackets");
    let fields: Vec<u64> = rest.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
    fields.iter().sum::<u64>()
}

#[test]
fn a_loop_waits_for_its_map() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    let told = terminal.enter("interval:ms:20 { for ($kv : @later) { @seen[$kv.0] = $kv.1 } }");
    assert!(told.starts_with("#1 attached"), "{told}");
    terminal.enter("@later[5] = 7");
    terminal.enter_until("@seen[5]", |told| told == "7 : int64");
}

#[test]
fn config_that_says_how_things_look_takes_effect_at_once() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("begin { @h = hist(5); @text = str(\"a long text\"); @longer = str(\"12345678901234567890\") }");
    assert!(!terminal.enter("@h").contains("count"), "{}", terminal.text());
    terminal.enter("config = { hist_summary=true }");
    let shown = terminal.enter("@h");
    assert!(shown.contains("count 1"), "{shown}");
    terminal.enter("config = { max_strlen=10; str_trunc_trailer=\"<cut>\" }");
    assert_eq!(terminal.enter("@longer"), "@longer: 1234567890<cut>");
    // What has its size already cannot be changed, and that is told.
    terminal.enter("print(1)");
    terminal.enter("interval:s:100 { print(2) }");
    let told = terminal.enter("config = { perf_rb_pages=64 }");
    assert!(told.contains("#3:1:12-28: ERROR: the buffers of this session have their size already"), "{told}");
}

#[test]
fn definitions_of_c_take_the_place_of_earlier_ones() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("struct s { int a; }; #define SEVEN 7\renum e { ONE = 1 };");
    terminal.enter("struct s { int a; int b; };");
    terminal.enter("#define SEVEN 8");
    terminal.enter("enum e { ONE = 2 };");
    assert_eq!(terminal.enter("(sizeof(struct s), SEVEN, ONE + 0)"), "(8, 8, 2) : (uint64,int8,int8)");
    // A map keeps what it holds.
    terminal.enter("begin { @p = *(struct s *)0 }");
    terminal.enter("struct s { long a; long b; };");
    let clash = terminal.enter("@p = *(struct s *)0");
    assert!(clash.contains("Type mismatch for @p") && clash.contains("its type was fixed here"), "{clash}");
}

#[test]
fn an_end_probe_may_say_the_exit_code() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("end { printf(\"over\\n\"); exit(4); }");
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(4), "{}", terminal.text());
    let mut begun = Terminal::start(&[]);
    let told = begun.enter("begin { @x = 1; exit(); } interval:s:1 { @y = 1 }");
    assert!(told.starts_with("#1 has called exit() and is off: begin, interval:s:1"), "{told}");
    assert_eq!(begun.enter("@x"), "@x: 1");
}

#[test]
fn intervals_rest_while_they_are_off() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:ms:10 { @n++ }");
    terminal.enter(":off 1");
    let first = terminal.enter("@n");
    sleep(Duration::from_millis(100));
    assert_eq!(terminal.enter("@n"), first);
    terminal.enter(":on 1");
    terminal.enter_until("@n", |told| told != first);
}

#[test]
fn what_is_for_programs_begins_no_session() {
    requires!(Bpf);
    for (args, said) in [
        (&["-c", "sleep 1"][..], "-c wants a program"),
        (&["--probe-filter", "x"], "--probe-filter picks from a program"),
    ] {
        let mut terminal = Terminal::open(args, "xterm", 160);
        terminal.shows("no program given");
        terminal.shows(said);
        assert_eq!(terminal.left().code(), Some(1));
    }
}

#[test]
fn a_map_has_room_for_larger_numbers_than_the_first() {
    requires!(Bpf);
    let mut terminal = Terminal::start(&[]);
    for entry in ["@a = 1", "@a = 70000", "@k[1] = 2", "@k[-70000] = 3", "@t = (1, 2)", "@t = (70000, -2)", "@e = 1"] {
        assert_eq!(terminal.enter(entry), "", "{entry}");
    }
    terminal.enter("@e = @e + 1000");
    assert_eq!(terminal.enter("@a"), "@a: 70000");
    assert_eq!(terminal.enter("@k"), "@k[1]: 2\n@k[-70000]: 3");
    assert_eq!(terminal.enter("@t"), "@t: (70000, -2)");
    assert_eq!(terminal.enter("@e"), "@e: 1001");
}
