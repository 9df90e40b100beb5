//! The line that is being typed: colours, hints, history, keys, pasted scripts, and terminals of all sizes.

use rtrace_tests::{Run, Terminal, patience, requires};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a terminal sends around what is pasted.
fn pasted(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const LEFT: &str = "\x1b[D";
const END: &str = "\x1b[F";

/// A folder that is somebody's home.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("there is room");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// Writes the preferences.
    fn prefers(&self, text: &str) -> PathBuf {
        let path = self.path(".config/rtrace/config");
        fs::create_dir_all(path.parent().expect("a folder")).expect("there is room");
        fs::write(&path, text).expect("there is room");
        path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A session with colours and with a folder for what it keeps, which is `HOME`.
fn at_home(args: &[&str], home: &Home) -> Terminal {
    let terminal = Terminal::with(args, "xterm", (160, 50), &[("HOME", &home.text())]);
    terminal.ready();
    terminal
}

fn in_colours(size: (u16, u16)) -> Terminal {
    let terminal = Terminal::with(&[], "xterm", size, &[]);
    terminal.ready();
    terminal
}

#[test]
fn the_line_is_coloured_by_what_it_says() {
    requires!(Quick, Bpf);
    let mut terminal = in_colours((160, 50));
    for (line, painted) in [
        (
            "kprobe:vfs_read /pid == 1/ { @n[comm] = hist(arg2); nosuch(5); } // why",
            "rtrace> {35}kprobe{}:vfs_read /{36}pid{} == {33}1{}/ { {1}@n{}[{36}comm{}] = {36}hist{}({36}arg2{}); \
             nosuch({33}5{}); } {90}// why",
        ),
        (
            "if ($x) { printf(\"%d\\n\", (uint64)1",
            "rtrace> {35}if{} ({94}$x{}) { {36}printf{}({32}\"{1;32}%d\\n{32}\"{}, ({34}uint64{}){33}1{90}  \
          printf(\"format\", {4;90}args...{90})",
        ),
        (":maps", "rtrace> {1;36}:maps"),
        (":nosuch", "rtrace> :nosuch"),
        ("(1))", "rtrace> ({33}1{}){1;31})"),
        ("(1)", "rtrace> {1;4}({33}1{1;4})"),
    ] {
        terminal.press(line);
        terminal.shows(&format!("rtrace> {line}"));
        let end = Instant::now() + patience(Duration::from_secs(10));
        while terminal.painted(&format!("rtrace> {line}")) != painted && Instant::now() < end {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(terminal.painted(&format!("rtrace> {line}")), painted);
        terminal.press("\x03");
        terminal.ready();
    }
}

#[test]
fn no_colours_are_seen_where_none_are_wanted() {
    requires!(Quick, Bpf);
    let line = "begin { @x = (1)";
    for (args, environment) in [(&[][..], &[("NO_COLOR", "1")][..]), (&["--color", "never"], &[])] {
        let mut terminal = Terminal::with(args, "xterm", (160, 50), environment);
        terminal.ready();
        terminal.press(line);
        terminal.shows(line);
        assert_eq!(terminal.painted(line), format!("rtrace> {line}"));
    }
    let mut dumb = Terminal::with(&[], "dumb", (160, 50), &[]);
    dumb.ready();
    dumb.press(&format!("{line}\r}}\r"));
    dumb.shows("attached begin");
    assert!(!dumb.painted(line).contains('{') || dumb.painted(line).ends_with(line), "{}", dumb.painted(line));
}

#[test]
fn blocks_are_indented_as_they_are_typed() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.press("begin {\r@x = 1;\rif (@x) {\rprint(2);\r}\r");
    terminal.shows("  }");
    terminal.press("}\r");
    terminal.shows("attached begin");
    terminal.ready();
    let text = terminal.text();
    assert!(text.contains("rtrace> begin {\n  @x = 1;\n  if (@x) {\n    print(2);\n  }\n}\n"), "{text}");
    // An empty line ends what is not whole, whatever the blanks on it.
    terminal.press("begin {\r\r");
    terminal.shows("expected `}` to close this block");
}

#[test]
fn a_pasted_script_waits_for_enter_and_is_taken_as_a_whole() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    let script = "#!/usr/bin/env rtrace\n// what it does\n#define FIVE \\\n    5\nconfig = { max_map_keys=10 }\n\nbegin {\n\t@a = FIVE;\n\n\
                  \t// in the middle\n\tprint(\"begun\");\n}\ninterval:s:100 < @b = 1 >\n@c = 7\n1 + 2\n:maps\nif (@c) {\n  \
                  print(\"yes\");\n}\nelse {\n  print(\"no\");\n}\n";
    terminal.press(&pasted(script));
    terminal.shows("  print(\"no\");");
    sleep(Duration::from_millis(100));
    assert!(!terminal.text().contains("attached"), "{}", terminal.text());
    terminal.press("\r");
    terminal.shows("yes");
    terminal.ready();
    let text = terminal.text();
    let (_, answers) = text.rsplit_once("print(\"no\");\n}\n").expect("it was shown");
    for part in [
        "begun\n#1 attached begin, interval:s:100 (",
        "\n3 : int8\n",
        "@a  int64  1 entry\n@b  int64  0 entries\n@c  int64  1 entry\n",
        "yes\nrtrace>",
    ] {
        assert!(answers.contains(part), "{part}: {answers}");
    }
    // A carriage return ends the lines that some terminals paste.
    terminal.press(&pasted("@d = 1;\r@d += 2;\rprint(@d)"));
    assert!(terminal.enter("").ends_with("3"));
}

#[test]
fn what_comes_too_fast_is_not_lost() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    // As a terminal pastes that knows no brackets around it.
    let lines: String = (0..40).map(|number| format!("@k[{number}] = {number}\r")).collect();
    terminal.press(&lines);
    terminal.press("begin {\r  @done = 1;\r}\r");
    terminal.shows("attached begin");
    terminal.ready();
    assert_eq!(terminal.enter("len(@k)"), "40 : int64");
}

#[test]
fn a_script_taller_than_the_terminal_can_be_edited() {
    requires!(Quick, Bpf);
    const LINES: usize = 2000;
    let mut terminal = in_colours((80, 12));
    let body: String =
        (0..LINES).map(|number| format!("  @n[{number}] = {number}; // a line like any other\n")).collect();
    terminal.press(&pasted(&format!("begin {{\n{body}")));
    terminal.until("the end", |rows, cursor| rows.len() == 12 && rows[10].contains("@n[1999]") && cursor == (11, 0));
    // Up to a line that is seen, and changed there.
    terminal.press(&UP.repeat(3));
    terminal.until("a line above", |_, (row, _)| row == 8);
    terminal.press("x");
    terminal.until("what was typed", |rows, (row, _)| {
        row == 8 && rows[8].starts_with('x') && rows[10].contains("@n[1999]")
    });
    terminal.press("\x08");
    // Further up than the screen goes.
    terminal.press(&UP.repeat(20));
    terminal.until("lines above the screen", |rows, cursor| {
        cursor.0 == 0 && rows[0].contains("@n[1977]") && rows[11].contains("@n[1988]")
    });
    terminal.press(&DOWN.repeat(30));
    terminal.until("the end again", |rows, cursor| rows[10].contains("@n[1999]") && cursor == (11, 0));
    // The time of a key, from pressing it to seeing it.
    let times = (0..10).map(|_| {
        let begun = Instant::now();
        terminal.press("}");
        terminal.until("a brace", |rows, _| rows[11].starts_with('}'));
        let took = begun.elapsed();
        terminal.press("\x08");
        terminal.until("none", |rows, _| !rows[11].starts_with('}'));
        took
    });
    let best = times.min().expect("there were some");
    println!("a key in a script of {LINES} lines: {best:?}");
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 600 } else { 30 });
    assert!(best < patience(limit), "{best:?}");
    terminal.press("\x03");
    terminal.ready();
    assert_eq!(terminal.enter("1 + 2"), "3 : int8");
}

#[test]
fn the_history_outlives_the_session() {
    requires!(Quick, Bpf);
    let home = Home::new("rt-history");
    let mut one = at_home(&[], &home);
    let mut other = at_home(&[], &home);
    for line in ["@a = 1", ":maps", "@a = 2", " @secret = 1", "@a = 2"] {
        one.enter(line);
    }
    other.enter(":probes");
    one.press("if (1) {\rprint(3);\r}\r");
    one.until("its answer", |rows, _| rows.ends_with(&["3".to_owned(), "rtrace> ".to_owned()]));
    let file = home.path(".local/state/rtrace/history");
    let text = fs::read_to_string(&file).expect("there is a history");
    assert_eq!(text, "@a = 1\n:maps\n@a = 2\n:probes\nif (1) {\\n  print(3);\\n}\n");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().expect("a folder"))), (0o600, 0o700));
    drop((one, other));

    let mut later = at_home(&[], &home);
    let is_now = |terminal: &Terminal, line: &str| {
        terminal.until(line, |rows, _| {
            rows.iter().rfind(|row| !row.is_empty()).is_some_and(|row| *row == format!("rtrace> {line}"))
        });
    };
    later.press(UP);
    later.shows("  print(3);");
    // Its lines come first, then what was before.
    later.press(&UP.repeat(3));
    is_now(&later, ":probes");
    later.press(UP);
    is_now(&later, "@a = 2");
    later.press(DOWN);
    is_now(&later, ":probes");
    later.press("\x03");
    later.ready();
    // What begins as was typed.
    later.press("@a");
    later.press(UP);
    is_now(&later, "@a = 2");
    later.press(UP);
    is_now(&later, "@a = 1");
    later.press(UP);
    later.press(&DOWN.repeat(2));
    is_now(&later, "@a = 2");
    later.press("\x03");
    later.ready();
    // Looked for.
    later.press("\x12map");
    later.shows("(reverse-i-search)`map': :maps");
    later.press("\r");
    later.ready();
    assert!(later.text().ends_with("rtrace> :maps\nno maps\nrtrace> "), "{}", later.text());
}

#[test]
fn a_history_that_cannot_be_kept_is_done_without() {
    requires!(Quick, Bpf);
    let terminal = Terminal::with(&[], "xterm", (160, 50), &[("XDG_STATE_HOME", "/proc/nosuch")]);
    terminal.ready();
    let mut terminal = terminal;
    assert_eq!(terminal.enter("1 + 2"), "3 : int8");
    terminal.press(UP);
    terminal.until("what was entered before", |rows, _| rows.last().is_some_and(|row| row == "rtrace> 1 + 2"));
    assert!(!terminal.text().contains("history"), "{}", terminal.text());
}

#[test]
fn hints_are_taken_with_a_key_and_can_be_left_out() {
    requires!(Quick, Bpf);
    let home = Home::new("rt-hints");
    let mut terminal = at_home(&[], &home);
    terminal.enter("@taken = 1");
    terminal.press("@ta");
    terminal.until("a hint", |rows, (_, column)| {
        rows.last().is_some_and(|row| row == "rtrace> @taken = 1") && column == 11
    });
    assert_eq!(terminal.painted("rtrace> @ta"), "rtrace> {1}@ta{90}ken = 1");
    terminal.press(RIGHT);
    terminal.press("2");
    terminal.shows("rtrace> @taken = 12");
    terminal.press("\x03");
    terminal.ready();
    terminal.press(&format!("@ta{END}3"));
    terminal.shows("rtrace> @taken = 13");
    terminal.press(&format!("{LEFT}{LEFT}{RIGHT}{RIGHT}{RIGHT} + 4\r"));
    terminal.ready();
    assert_eq!(terminal.enter("@taken"), "@taken: 17");
    terminal.press("@ = lhist(1, ");
    terminal.shows("rtrace> @ = lhist(1,   lhist(n, min, max, step)");
    assert!(terminal.painted("rtrace> @ = lhist").ends_with("{90}  lhist(n, {4;90}min{90}, max, step)"));
    terminal.press("\x03");
    terminal.ready();
    // What was not typed does not stay there.
    assert!(terminal.text().ends_with("rtrace> @ = lhist(1, \nrtrace> "), "{}", terminal.text());
    terminal.press(":rm ");
    terminal.shows("rtrace> :rm N...");
    drop(terminal);
    home.prefers("hints = false\n");
    let mut terminal = at_home(&[], &home);
    terminal.press("@ta");
    terminal.shows("rtrace> @ta");
    sleep(Duration::from_millis(50));
    assert!(terminal.text().ends_with("rtrace> @ta"), "{}", terminal.text());
}

#[test]
fn keys_are_those_of_vi_if_the_user_prefers_them() {
    requires!(Quick, Bpf);
    let home = Home::new("rt-vi");
    home.prefers("# mine\nkeys = vi\nmax_map_keys = 77\n");
    let mut terminal = at_home(&[], &home);
    assert_eq!(terminal.enter("config.max_map_keys"), "77 : int8");
    terminal.press("9 + 5\x1b");
    // Long enough for the key to be one by itself.
    sleep(Duration::from_millis(700));
    terminal.press("0x");
    terminal.press("i2\r");
    terminal.shows("7 : int8");
    terminal.ready();
    let emacs = at_home(&["--no-config"], &home);
    let mut emacs = emacs;
    assert_eq!(emacs.enter("config.max_map_keys"), "4096 : int16");
    emacs.press("+ 5\x019 \r");
    emacs.shows("14 : int8");
}

#[test]
fn the_users_file_holds_for_scripts_and_faults_in_it_are_told() {
    requires!(Quick, Bpf);
    let home = Home::new("rt-file");
    let path = home.prefers("max_strlen = 77\nmax_probes = 5\n");
    let said = |text: &str| {
        let run = Run::program(text).env("HOME", home.text());
        run.to_end().code(0).stdout.clone()
    };
    let print = "print((config.max_strlen, config.max_probes)); exit();";
    assert_eq!(said(&format!("begin {{ {print} }}")), "(77, 5)\n\n\n");
    assert_eq!(said(&format!("config = {{ max_strlen = 8 }} begin {{ {print} }}")), "(8, 5)\n\n\n");
    let run = || Run::program(format!("begin {{ {print} }}")).env("HOME", home.text());
    run().env("RTRACE_MAX_PROBES", "6").to_end().code(0).stdout_is("(77, 6)\n\n\n");
    run().arg("--no-config").to_end().code(0).stdout_is("(1024, 1024)\n\n\n");
    run().env("RTRACE_CONFIG", "").to_end().code(0).stdout_is("(1024, 1024)\n\n\n");
    run().env("RTRACE_CONFIG", "/no/such").to_end().code(1).stderr_has("cannot read the preferences in /no/such");
    home.prefers("max_strlen = 77\nkees = vi\n");
    let told = run().to_end();
    told.code(1).stderr_has(&format!("{}:2:1-5: ERROR: there is no preference kees", path.display()));
    told.stderr_has("did you mean keys?").stderr_has("--no-config");
}

#[test]
fn narrow_terminals_and_wide_letters_keep_the_cursor_in_its_place() {
    requires!(Quick, Bpf);
    let mut terminal = in_colours((40, 10));
    let line = "@x = \"日本語 and then some more of it 🙂 ends\"";
    terminal.press(line);
    terminal.until("two rows", |rows, _| rows.last().is_some_and(|row| row.contains("🙂 ends\"")));
    // 8 of the prompt, and five letters that take two places each: 8 + 44 + ... - 40.
    let places = 8 + line.chars().count() + 4;
    assert_eq!(terminal.cursor().1, places - 40, "{:?}", terminal.rows());
    terminal.press(&format!("{}!", LEFT.repeat(6)));
    terminal.until("a mark behind it", |rows, _| rows.last().is_some_and(|row| row.contains("🙂! ends\"")));
    terminal.press("\r");
    terminal.ready();
    assert!(terminal.enter("@x").contains("日本語 and then some more of it 🙂! ends"), "{}", terminal.text());
}

#[test]
fn the_terminal_may_change_its_size_at_any_time() {
    requires!(Quick, Bpf);
    let mut terminal = in_colours((120, 30));
    terminal.enter("interval:ms:20 { printf(\"tick\\n\") }");
    let line = "@x = 1; @y = 2; @z = 3; print((@x, @y, @z, \"text\"))";
    terminal.press(line);
    for columns in [60, 40, 100, 45, 120] {
        terminal.resize(columns, 30);
        sleep(Duration::from_millis(60));
        terminal.press("1\x08");
    }
    terminal.press("\r");
    terminal.shows("(1, 2, 3, text)");
    terminal.enter(":off 1");
    assert_eq!(terminal.enter("1 + 2"), "3 : int8");
}

#[test]
fn errors_are_as_wide_as_the_terminal_is_now() {
    requires!(Quick, Bpf);
    let terminal = || Terminal::with(&[], "xterm", (100, 40), &[("NO_COLOR", "1")]);
    let mut terminal = terminal();
    terminal.ready();
    for columns in [100, 40, 60] {
        terminal.resize(columns, 40);
        for (line, words) in [
            (":nosuchcommandatall", "there is no command :nosuchcommandatall"),
            ("kprobe:f { @a = 1; @b = 2; @c = 3; nosuchfunction(@a, @b, @c); }", "Unknown function: 'nosuchfunction'"),
            ("@x[1, 2] = strftime(5)", "strftime"),
            ("begin { @m[1] = 1; @other[\"a\"] = 2; @third = 3; @m[\"日本語\"] = count(); }", "its key was fixed here"),
        ] {
            let answer = terminal.enter(line);
            let wide = |letter: char| 1 + usize::from("日本語".contains(letter));
            let widest = answer.lines().map(|line| line.chars().map(wide).sum::<usize>()).max().unwrap_or(0);
            assert!(widest <= usize::from(columns), "{widest} of {columns} columns:\n{answer}");
            let said = answer.replace("\n  ", " ");
            assert!(said.contains(words), "{answer}");
        }
    }
}

#[test]
fn lists_and_help_are_broken_between_words() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::with(&[], "xterm", (40, 60), &[("NO_COLOR", "1")]);
    terminal.ready();
    terminal.press("interval:s:100 { @a_map_with_a_name[comm, pid] = count() }\r");
    terminal.shows("#1 attached");
    terminal.ready();
    let answer = |terminal: &mut Terminal, line| terminal.enter(line).lines().map(str::to_owned).collect::<Vec<_>>();
    let maps = answer(&mut terminal, ":maps");
    assert_eq!(maps, ["@a_map_with_a_name[string[16], uint64]", "  count_t  0 entries"]);
    let probes = answer(&mut terminal, ":probes");
    assert_eq!(probes, ["#1  on  interval:s:100 {", "  @a_map_with_a_name[comm, pid] =", "  count() }"]);
    let help = answer(&mut terminal, ":help");
    assert!(help.iter().all(|line| line.chars().count() <= 40), "{help:?}");
}

#[test]
fn errors_of_a_script_are_broken_between_words_on_a_terminal() {
    requires!(Quick);
    let mut command = Command::new(rtrace_tests::rtrace());
    command.args(["-e", "begin { @abc = 1; print(strftim(\"%H\", @abc)); }"]);
    let mut terminal = Terminal::of(command, "xterm", (44, 24), &[("NO_COLOR", "1")]);
    assert_eq!(terminal.left().code(), Some(1));
    let text = terminal.text();
    assert!(text.lines().all(|line| line.chars().count() <= 44), "{text}");
    assert!(text.contains("stdin:1:25-44: ERROR: Unknown function:\n  'strftim'"), "{text}");
    let plain = Run::program("begin { @abc = 1; print(strftim(\"%H\", @abc)); }").to_end();
    plain.stderr_has("stdin:1:25-44: ERROR: Unknown function: 'strftim'\n");
}

#[test]
fn a_hint_knows_which_prompt_it_follows() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::with(&[], "xterm", (40, 24), &[("NO_COLOR", "1")]);
    terminal.ready();
    // So long that it has room behind one prompt, and not behind the other, which is a column wider.
    let entry = format!("@{} = 1234", "a".repeat(23));
    terminal.enter(&entry);
    terminal.enter("interval:s:100 { @n++ }");
    terminal.press("@aaa");
    terminal.until("all of it", |rows, _| rows.last().is_some_and(|row| *row == format!("rtrace> {entry}")));
    terminal.press("\x03");
    terminal.ready();
    terminal.press(":edit 1\r");
    terminal.shows_last("edit #1> interval");
    terminal.press("\x15@aaa");
    terminal.until("a part of it", |rows, cursor| {
        rows.last().is_some_and(|row| row.starts_with("edit #1> @aaaa") && row.ends_with("..")) && cursor.1 == 13
    });
}

#[test]
fn the_screen_can_be_cleared() {
    requires!(Quick, Bpf);
    let mut terminal = in_colours((80, 20));
    terminal.enter("1 + 2");
    terminal.press("@x = 5\x0c");
    terminal.until("nothing but the line", |rows, cursor| rows == ["rtrace> @x = 5"] && cursor == (0, 14));
    terminal.press("\r");
    terminal.ready();
    assert_eq!(terminal.enter("@x"), "@x: 5");
}

#[test]
fn a_line_stays_whole_while_output_floods_past_it() {
    requires!(Quick, Bpf);
    let mut terminal = in_colours((80, 24));
    // Ten thousand lines a second.
    terminal
        .enter("interval:ms:10 { for ($i : 0..100) { printf(\"a line of output, number %d\\n\", $i); } @rounds++ }");
    let line = "@x = (5 + 6) * 7 // typed in a storm";
    let mut times = Vec::new();
    for (count, letter) in line.chars().enumerate() {
        let begun = Instant::now();
        terminal.press(&letter.to_string());
        let so_far: String = line.chars().take(count + 1).collect();
        terminal.until(&so_far, |rows, _| rows.iter().any(|row| row.starts_with(&format!("rtrace> {so_far}"))));
        times.push(begun.elapsed());
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("a key among 10000 lines a second: median {median:?}, worst {worst:?}");
    assert!(median < patience(Duration::from_millis(250)), "{times:?}");
    terminal.press("\r");
    terminal.press(":off 1\r");
    terminal.shows("#1 is off");
    terminal.ready();
    assert_eq!(terminal.enter("@x"), "@x: 77");
    assert!(terminal.text().contains("number 99"), "the output is there");
}

#[test]
fn the_escape_key_does_not_hold_up_the_output() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("interval:ms:20 { @n++; printf(\"tick %d\\n\", @n) }");
    terminal.shows("tick 5");
    terminal.press("1 + \x1b");
    terminal.shows("tick 100");
    terminal.press("\x03");
    terminal.ready();
    terminal.press("2\r");
    terminal.shows("2 : int8");
}

#[test]
fn a_session_can_be_suspended() {
    requires!(Quick, Bpf, Program("bash"));
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    let binary = rtrace_tests::rtrace();
    let mut terminal = Terminal::of(command, "xterm", (160, 50), &[("PS1", "shell$ ")]);
    terminal.shows("shell$ ");
    terminal.press(&format!("{}\r", binary.display()));
    terminal.ready();
    terminal.press("@x = 4");
    terminal.shows("rtrace> @x = 4");
    terminal.press("\x1a");
    terminal.shows("Stopped");
    terminal.press("echo in between\r");
    terminal.until("its answer", |rows, _| rows.contains(&"in between".to_owned()));
    terminal.press("fg\r");
    terminal.until("the line again", |rows, _| rows.last().is_some_and(|row| row.starts_with("rtrace> @x = 4")));
    terminal.press("2\r");
    terminal.ready();
    assert_eq!(terminal.enter("@x"), "@x: 42");
    terminal.press("\x04");
    terminal.until("the maps", |rows, _| rows.contains(&"@x: 42".to_owned()));
    terminal.until("the shell", |rows, _| rows.last().is_some_and(|row| row == "shell$ "));
    terminal.press("echo $((6 * 7)) and out\r");
    terminal.shows("42 and out");
}

/// A session in tmux, which ends with this.
struct Tmux {
    home: Home,
}

impl Tmux {
    fn start(name: &str, columns: &str, rows: &str) -> Self {
        let tmux = Self { home: Home::new(name) };
        let command = format!("env HOME={} {}", tmux.home.text(), rtrace_tests::rtrace().display());
        tmux.run(&["new-session", "-d", "-x", columns, "-y", rows, &command]);
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let socket = self.home.path("tmux").to_string_lossy().into_owned();
        let output = Command::new("tmux").args(["-S", &socket, "-f", "/dev/null"]).args(args).output();
        String::from_utf8_lossy(&output.expect("tmux runs").stdout).into_owned()
    }

    /// Waits until the screen, with its colours, is as it should be.
    fn until(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + patience(Duration::from_secs(20));
        loop {
            let screen = self.run(&["capture-pane", "-p", "-e"]);
            if is_there(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "tmux never showed {what}:\n{screen}");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn it_works_in_tmux() {
    requires!(Quick, Bpf, Program("tmux"));
    let tmux = Tmux::start("rt-tmux", "60", "15");
    tmux.until("a prompt", |screen| screen.contains("rtrace>"));
    tmux.run(&["send-keys", "-l", "interval:s:100 { @x[comm] = 5"]);
    tmux.until("colours", |screen| {
        screen.contains("\x1b[35minterval\x1b[39m:s:100") && screen.contains("\x1b[36mcomm")
    });
    tmux.run(&["send-keys", "-l", " }"]);
    tmux.run(&["send-keys", "Enter"]);
    tmux.until("a probe", |screen| screen.contains("#1 attached interval:s:100"));
    tmux.run(&["set-buffer", "@y = 1\n@y\n"]);
    tmux.run(&["paste-buffer", "-p"]);
    tmux.run(&["send-keys", "Enter"]);
    tmux.until("what was pasted", |screen| screen.contains("@y\x1b[0m\x1b[39m\x1b[49m: 1"));
    tmux.run(&["resize-window", "-x", "40", "-y", "12"]);
    tmux.run(&["send-keys", "-l", "print(\"so long that it has no room in one row\")"]);
    tmux.run(&["send-keys", "Enter"]);
    tmux.until("its output", |screen| screen.contains("\nso long that it has no room in one row\n"));
}

#[test]
fn a_terminal_that_breaks_lines_anew_keeps_what_is_above_the_line() {
    requires!(Quick, Bpf, Program("tmux"));
    let tmux = Tmux::start("rt-reflow", "50", "20");
    tmux.until("a prompt", |screen| screen.contains("rtrace>"));
    tmux.run(&["send-keys", "-l", "for ($i : 0..4) { print($i) }"]);
    tmux.run(&["send-keys", "Enter"]);
    tmux.until("its output", |screen| screen.contains("0\n1\n2\n3\nrtrace>"));
    let line = "zyxwvu + abcdefghijklmnopqrstuvwxyz + 0123456789 + 9876543210 + zyxwvutsrqpo";
    tmux.run(&["send-keys", "-l", line]);
    let plain = || tmux.run(&["capture-pane", "-p", "-J", "-S", "-"]);
    tmux.until("the line", |_| plain().trim_end().ends_with("srqpo"));
    // The line is drawn anew when the size is known, of which only the bytes tell.
    let written = tmux.home.path("written");
    tmux.run(&["pipe-pane", "-o", &format!("cat > {}", written.display())]);
    for columns in ["30", "90", "42", "120", "25", "50"] {
        let count = || fs::read_to_string(&written).unwrap_or_default().matches("srqpo").count();
        let before = count();
        tmux.run(&["resize-window", "-x", columns, "-y", "20"]);
        tmux.until("the line again", |_| count() > before);
        tmux.until(&format!("what was there, in {columns} columns"), |_| {
            let screen = plain();
            screen.contains("0\n1\n2\n3\nrtrace> zyxwvu") && screen.matches("zyxwvu +").count() == 1
        });
    }
}
