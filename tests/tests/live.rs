//! Maps that are redrawn in place: `:watch` in a session, and `--live`.

use rtrace_tests::{Run, Scratch, Terminal, Work, Worker, patience, requires, sibling};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The cells of a row that begins with this, if it can be seen.
fn row<'a>(lines: &'a [String], name: &str) -> Option<Vec<&'a str>> {
    let line = lines.iter().find(|line| line.split_whitespace().next() == Some(name))?;
    Some(line.split_whitespace().skip(1).collect())
}

fn has(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

/// The number in the last column of a row.
fn rate(lines: &[String], name: &str) -> Option<f64> {
    row(lines, name).filter(|cells| cells.len() == 2)?[1].parse().ok()
}

#[test]
fn a_map_is_watched_until_a_key_is_pressed() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let writer = Worker::new("rt_writer", Work::write("/dev/null", 7, 8));
    terminal.enter(&format!(
        "tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @by[comm] = count(); @n = count() }}",
        writer.pid()
    ));
    terminal.press(":watch @by every 50ms\r");
    terminal.sees("a map with nothing", |lines| has(lines, "@by: nothing yet"));
    assert!(!terminal.is_as_it_was(), "keys come at once");
    writer.finish();
    let seen = terminal.sees("the writer", |lines| row(lines, "rt_writer").is_some_and(|cells| cells[0] == "7"));
    assert!(seen[0].contains("every 50ms, any key leaves") && has(&seen, "@by: 1 key"), "{seen:?}");
    assert!(!has(&seen, "@n"), "only what was asked for: {seen:?}");
    terminal.press("q");
    terminal.is_back();
    terminal.ready();
    // What was seen last stays.
    let left = terminal.answer();
    assert!(left.contains("@by: 1 key") && left.contains("rt_writer"), "{left}");
    assert_eq!(terminal.enter("@n"), "@n: 7");
}

#[test]
fn any_key_leaves_and_what_is_typed_next_is_for_the_prompt() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("@x = 5");
    for key in ["q", "\x1b", "\x03", "\r", " ", "ä", "\x04", "\x1a", "\x1b[15~"] {
        terminal.press(":watch\r");
        terminal.sees("a number", |lines| row(lines, "@x").is_some_and(|cells| cells[0] == "5"));
        // Arrows are for scrolling.
        terminal.press("\x1b[A\x1b[B\x1b[5~\x1b[6~");
        terminal.press(key);
        terminal.is_back();
        terminal.ready();
    }
    terminal.press(":watch\r");
    terminal.sees("a number", |lines| row(lines, "@x").is_some());
    terminal.press("q@x + 1\r");
    terminal.shows("6 : int64");
}

#[test]
fn what_cannot_be_watched_is_told() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    assert!(terminal.enter(":watch").starts_with("ERROR: there is no map to watch\nHINT: a probe makes it"));
    terminal.enter("@some = 1");
    for (command, told) in [
        (":watch @same", "ERROR: there is no map @same\nHINT: did you mean @some?"),
        (":watch some", "ERROR: `some` is neither a map nor `every`\nHINT: for example :watch @reads"),
        (":watch @some[1]", "ERROR: @some[1] is an entry"),
        (":watch @some every 1ms", "ERROR: 1ms is not between 50ms and a day"),
        (":watch @some every", "ERROR: every what?"),
    ] {
        let answer = terminal.enter(command);
        assert!(answer.starts_with(told), "{answer}");
    }
    let mut dumb = Terminal::open(&[], "dumb", 80);
    dumb.press("@x = 1\r");
    dumb.press(":watch\r");
    dumb.shows("ERROR: maps cannot be watched: the terminal cannot move its cursor");
    assert_eq!(dumb.other(), None);
}

#[test]
fn rates_are_those_of_the_work() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:ms:10 { @single = count(); @keyed[\"k\"] = count(); @sum = sum(5); @plain += 2; }");
    terminal.press(":watch every 500ms\r");
    let near = |lines: &[String], name: &str, per_second: f64| {
        rate(lines, name).is_some_and(|rate| (0.7 * per_second..1.4 * per_second).contains(&rate))
    };
    terminal.sees("a hundred each second", |lines| {
        near(lines, "@single", 100.0)
            && near(lines, "k", 100.0)
            && near(lines, "@sum", 500.0)
            && near(lines, "@plain", 200.0)
    });
    terminal.press("q");
    terminal.ready();
}

#[test]
fn a_map_that_is_cleared_all_the_time_keeps_its_rate() {
    requires!(Quick, Bpf);
    for clearing in ["clear(@c)", "zero(@c)"] {
        let mut terminal = Terminal::start(&[]);
        terminal.enter(&format!("interval:ms:10 {{ @c[1] = count() }} interval:ms:200 {{ {clearing} }}"));
        terminal.press(":watch every 200ms\r");
        terminal.sees("a rate", |lines| rate(lines, "1").is_some());
        // On average, since a machine that has much to do is late now and early then. Half of it would be what is there
        // when somebody looks.
        let (mut rates, end) = (Vec::new(), Instant::now() + patience(Duration::from_secs(4)));
        while Instant::now() < end {
            sleep(Duration::from_millis(50));
            rates.extend(terminal.other().and_then(|lines| rate(&lines, "1")));
        }
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        assert!((80.0..125.0).contains(&mean), "{clearing}: {mean} of {rates:?}");
        terminal.press("q");
        terminal.ready();
    }
}

#[test]
fn there_are_as_many_rows_as_the_window_has_and_the_rest_is_scrolled() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("for ($i : 0..500) { @m[$i] = $i + 1000 }");
    terminal.resize(80, 20);
    terminal.press(":watch @m\r");
    let first = |lines: &[String]| lines.get(2).map(|line| line.split_whitespace().next().unwrap_or("").to_owned());
    let seen = terminal.sees("the largest", |lines| first(lines).as_deref() == Some("499"));
    assert!(seen.len() == 20 && seen[19] == "... and 483 more" && seen[1].contains("@m: 500 keys"), "{seen:?}");
    assert!(seen[0].ends_with("arrows scroll"), "{seen:?}");
    for (keys, top) in [
        ("\x1b[B", "498"),
        ("\x1b[B\x1b[B", "496"),
        ("\x1bOA", "497"),
        ("\x1b[6~", "480"),
        ("\x1b[5~", "497"),
        ("\x1b[F", "16"),
        ("\x1b[B", "16"),
        ("\x1b[H", "499"),
    ] {
        terminal.press(keys);
        terminal.sees(&format!("{top} on top after {keys:?}"), |lines| first(lines).as_deref() == Some(top));
    }
    // Smaller, and larger again.
    terminal.resize(30, 10);
    let seen = terminal.sees("ten lines", |lines| lines.get(9).is_some_and(|line| line == "... and 493 more"));
    assert!(seen.iter().all(|line| line.chars().count() <= 30), "{seen:?}");
    terminal.resize(100, 45);
    terminal.sees("more lines", |lines| lines.get(44).is_some_and(|line| line == "... and 458 more"));
    terminal.press("q");
    terminal.ready();
}

#[test]
fn histograms_and_tables_fit_40_columns() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.resize(40, 24);
    let long = "x".repeat(60);
    terminal.enter(&format!("for ($i : 0..1000) {{ @h = hist($i); @l[\"{long}\"] = lhist($i, 0, 1000, 250) }}"));
    terminal.enter("interval:ms:20 { @h = hist(300); @text[1] = \"a\\nb\\x1b[2J漢字\"; }");
    terminal.press(":watch every 200ms\r");
    let seen = terminal.sees("a histogram", |lines| {
        has(lines, "@h: 1")
            && has(lines, "/s")
            && lines.iter().any(|line| line.starts_with("[256, 512)") && line.contains("/s"))
    });
    for line in &seen {
        // A wide letter is a letter here.
        assert!(line.chars().count() <= 40, "{line}");
    }
    assert!(has(&seen, "@l[xxxxxxxx") && has(&seen, "[0, 250)    250 |█"), "{seen:?}");
    assert!(has(&seen, "a\\nb\\x1b[2J漢字"), "{seen:?}");
    terminal.press("q");
    terminal.ready();
}

#[test]
fn what_is_printed_meanwhile_is_seen_and_comes_afterwards() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:ms:100 { @n++; printf(\"tick %d\\n\", @n) }");
    terminal.press(":watch @n\r");
    // Long before the maps are looked at again.
    terminal.sees("output", |lines| {
        has(lines, "-- output --") && lines.last().is_some_and(|line| line.starts_with("tick "))
    });
    terminal.sees("what comes later", |lines| has(lines, "tick 25"));
    terminal.press("q");
    terminal.shows("tick 25");
    let ticks: Vec<u32> = terminal.text().lines().filter_map(|line| line.strip_prefix("tick ")?.parse().ok()).collect();
    assert!(ticks.len() >= 25 && ticks.iter().zip(1..).all(|(tick, number)| *tick == number), "{ticks:?}");
    terminal.enter(":off 1");
    // A probe that ends itself meanwhile is told as well.
    terminal.enter("interval:ms:300 { @done = 1; exit() }");
    terminal.press(":watch @n\r");
    terminal.sees("the news", |lines| has(lines, "#2 has called exit() and is off"));
    terminal.press("q");
    terminal.shows("#2 has called exit() and is off");
}

#[test]
fn a_signal_puts_the_terminal_back() {
    requires!(Quick, Bpf);
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        let mut terminal = Terminal::start(&[]);
        terminal.enter("@x = 5");
        terminal.press(":watch\r");
        terminal.sees("a number", |lines| row(lines, "@x").is_some());
        terminal.signal(signal);
        assert_eq!(terminal.left().code(), Some(0), "{signal}");
        assert!(terminal.other().is_none() && terminal.is_as_it_was(), "{signal}");
        assert!(terminal.text().trim_end().ends_with("@x: 5"), "{}", terminal.text());
        let mut live = Terminal::open(&["--live", "-e", "begin { @y = 6 } interval:s:100 { }"], "xterm", 80);
        live.sees("a number", |lines| row(lines, "@y").is_some());
        assert!(!live.is_as_it_was());
        live.signal(signal);
        assert_eq!(live.left().code(), Some(0), "{signal}");
        assert!(live.other().is_none() && live.is_as_it_was(), "{signal}");
        assert!(live.text().ends_with("@y: 6"), "{}", live.text());
    }
}

#[test]
fn a_script_is_seen_live_until_it_exits() {
    requires!(Quick, Bpf, Tracefs);
    let writer = Worker::new("rt_writer", Work::write("/dev/null", 1, 8));
    let script = format!(
        "begin {{ @zero = 0 }} interval:ms:100 {{ @n++; @by[\"k\"] = count(); printf(\"tick %d\\n\", @n) }} \
         tracepoint:syscalls:sys_enter_write /pid == {}/ {{ exit(3) }} end {{ printf(\"bye\\n\") }}",
        writer.pid()
    );
    let mut terminal = Terminal::open(&["--live=100ms", "-e", &script], "xterm", 80);
    let seen = terminal.sees("the maps", |lines| row(lines, "k").is_some() && has(lines, "tick 3"));
    assert!(seen[0].contains("every 100ms, q ends") && row(&seen, "@zero").is_some(), "{seen:?}");
    writer.finish();
    assert_eq!(terminal.left().code(), Some(3));
    assert!(terminal.other().is_none() && terminal.is_as_it_was());
    let text = terminal.text();
    let last = text.lines().filter(|line| line.starts_with("tick ")).count();
    let ticks: String = (1..=last).map(|tick| format!("tick {tick}\n")).collect();
    assert_eq!(text, format!("Attached 4 probes\n{ticks}bye\n\n\n@by[k]: {last}\n@n: {last}\n@zero: 0"));
}

#[test]
fn q_and_ctrl_c_end_a_script_and_other_keys_do_not() {
    requires!(Quick, Bpf);
    for end in ["q", "Q", "\x03", "\x04"] {
        let mut terminal = Terminal::open(&["--live", "-q", "-e", "begin { @x = 7 } interval:s:100 { }"], "xterm", 80);
        terminal.sees("a number", |lines| row(lines, "@x").is_some());
        terminal.press("x\r\x1a\x1b[A");
        sleep(Duration::from_millis(200));
        assert!(terminal.other().is_some(), "{}", terminal.text());
        terminal.press(end);
        assert_eq!(terminal.left().code(), Some(0));
        assert_eq!(terminal.text(), "\n\n@x: 7");
        assert!(terminal.is_as_it_was());
    }
}

#[test]
fn a_command_writes_beside_the_maps() {
    requires!(Quick, Bpf, Tracefs, Program("sh"), Program("sleep"));
    let (work, scratch) = (sibling("work"), Scratch::new("go"));
    let go = scratch.path();
    let command = format!(
        "sh -c 'echo from the command; echo and its errors >&2; while ! test -e {}; do sleep 0.1; done; exec {} exit 4'",
        go.display(),
        work.display()
    );
    let script = "tracepoint:syscalls:sys_enter_write /comm == \"sh\"/ { @[comm] = count() }";
    let mut terminal = Terminal::open(&["--live=100ms", "-c", &command, "-e", script], "xterm", 80);
    let seen = terminal.sees("what it wrote", |lines| has(lines, "and its errors") && row(lines, "sh").is_some());
    assert!(has(&seen, "from the command"), "{seen:?}");
    std::fs::write(go, "").expect("a file can be written");
    assert_eq!(terminal.left().code(), Some(0));
    let text = terminal.text();
    let expected = "from the command\nand its errors\nthe command ended with exit code 4\n\n\n@[sh]: ";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn what_goes_wrong_is_told_on_the_first_screen() {
    requires!(Quick, Bpf);
    let mut faulty = Terminal::open(&["--live", "-e", "begin { @x = nosuch }"], "xterm", 80);
    assert_eq!(faulty.left().code(), Some(1));
    assert!(faulty.text().contains("ERROR: Unknown identifier: 'nosuch'"), "{}", faulty.text());
    let mut missing = Terminal::open(&["--live", "-e", "uprobe:/bin/sh:nosuch_function { @ = count() }"], "xterm", 80);
    assert_eq!(missing.left().code(), Some(1));
    assert!(missing.text().contains("nosuch_function") && missing.is_as_it_was(), "{}", missing.text());
    let mut dumb = Terminal::open(&["--live", "-e", "begin { @x = 1 }"], "dumb", 160);
    assert_eq!(dumb.left().code(), Some(1));
    assert!(dumb.text().contains("ERROR: --live redraws maps on a terminal, but the terminal cannot move its cursor"));
    let run = |arg: &str| Run::program("begin { @x = 1 }").arg(arg).to_end();
    run("--live").code(1).stderr_has("--live redraws maps on a terminal, but standard output is no terminal");
    run("--live=5x").code(1).stderr_has("--live: 5x is no interval such as 1s, 500ms or 2m");
    Run::bare().arg("--live").arg("--test").to_end().code(1).stderr_has("--live conflicts with --test");
}
