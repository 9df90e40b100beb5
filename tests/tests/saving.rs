//! Sessions that are saved, loaded and edited.

use rtrace_tests::{Run, Scratch, Terminal, Work, Worker, requires, sibling};
use std::fs;

/// The maps at the end of what a session or a script has shown.
fn maps(shown: &str) -> String {
    let (_, maps) = shown.rsplit_once("\n\n").unwrap_or_else(|| panic!("no maps:\n{shown}"));
    maps.trim().to_owned()
}

/// Seven writes of eight bytes by a process of this name.
fn work(name: &str) {
    Worker::new(name, Work::write("/dev/null", 7, 8)).finish();
}

#[track_caller]
fn quit(terminal: &mut Terminal) -> String {
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0), "{}", terminal.text());
    maps(&terminal.text())
}

#[test]
fn a_saved_session_gives_the_same_maps() {
    requires!(Quick, Bpf, Tracefs);
    const ON_WRITE: &str = "tracepoint:syscalls:sys_enter_write /comm == \"rt_saved\"/";
    let write = |body: &str| format!("{ON_WRITE} {{ {body} }}");
    let sessions: Vec<Vec<String>> = vec![
        vec![write("@n = count(); @by[comm] = sum(args.count)")],
        // Definitions of every kind, in the order in which somebody has thought of them.
        vec![
            "@x = 5".into(),
            "macro twice(a) { a * 2 }".into(),
            write("@n += twice(STEP); @p = sizeof(struct pair)").replace("STEP", "2"),
            "#define STEP 3".into(),
            "struct pair { int a; int b; };".into(),
            "let @few = lruhash(100)".into(),
            "config = { max_map_keys=50 }".into(),
            write("@few[args.count] = STEP; @q = sizeof(struct pair)").replace("@p", "@q"),
            "config = { print_maps_on_exit=true }".into(),
        ]
        .into_iter()
        // What is not defined yet is not to be had.
        .filter(|entry| !entry.contains("@p = sizeof"))
        .collect(),
        // The same variable in entries of their own, and statements one after the other.
        vec![
            "let $v = 3; @a = $v".into(),
            "let $v = 1; @b[\"text\"] = $v // why".into(),
            write("$v = 1; @n += $v"),
            "@a += 2".into(),
            "clear(@b); @b[\"other\"] = 2".into(),
            "print(@a)".into(),
            "1 + 1".into(),
        ],
        // What was read before anybody assigned it, and what was redefined.
        vec![
            "interval:s:100 { print(@later); for ($kv : @later) { @seen[$kv.0] = 1 } }".into(),
            "macro m(a) { a }".into(),
            "macro m(a) { a + 1 }".into(),
            "struct s { int a; };".into(),
            "struct s { int a; int b; };".into(),
            write("@later[m(1)] = count(); @size = sizeof(struct s)"),
        ],
        // Removed, and off.
        vec![
            write("@gone[pid] = count()").replace("rt_saved", "nobody"),
            "macro kept(a) { a * 7 } interval:s:100 { @never = 1 }".into(),
            write("@n = kept(1)"),
            ":rm 2".into(),
            write("@off = 1").replace("rt_saved", "nobody"),
            ":off 4".into(),
        ],
    ];
    for (number, entries) in sessions.iter().enumerate() {
        let file = Scratch::new(&format!("saved-{number}.rt"));
        let mut terminal = Terminal::start(&[]);
        for entry in entries {
            let told = terminal.enter(entry);
            assert!(!told.contains("ERROR"), "{entry}:\n{told}");
        }
        work("rt_saved");
        let saved = terminal.enter(&format!(":save {}", file.path().display()));
        assert_eq!(saved, format!("saved to {}", file.path().display()), "{}", file.text());
        let expected = quit(&mut terminal);
        let run = Run::file(file.path()).run(|_| work("rt_saved"));
        assert_eq!(maps(&run.code(0).stdout), expected, "{}", file.text());
    }
}

#[test]
fn a_script_is_what_was_typed() {
    requires!(Quick, Bpf);
    let file = Scratch::new("typed.rt");
    let path = file.path().display().to_string();
    let mut terminal = Terminal::start(&[]);
    terminal.press("\x1b[200~// every second\ninterval:s:100   {\n  @n = count(); // and\n  @m = 1; }\x1b[201~\r");
    terminal.shows("#1 attached");
    terminal.ready();
    terminal.enter("interval:s:200 { @off = 1 }");
    terminal.enter(":off 2");
    terminal.enter("nonsense(1)");
    terminal.enter(&format!(":save {path}"));
    let text = file.text();
    assert!(text.starts_with("// A session of rtrace ") && text.contains(" saved on 20"), "{text}");
    let (_, body) = text.split_once("\n\n").expect("there is more than the head");
    let expected = "// every second\ninterval:s:100   {\n  @n = count(); // and\n  @m = 1; }\n\n// #2 is off.\n// interval:s:200 { @off = 1 }\n";
    assert_eq!(body, expected);
}

#[test]
fn what_is_there_is_not_written_over() {
    requires!(Quick, Bpf);
    let (file, other) = (Scratch::file("there.rt", "precious"), Scratch::new("mine.rt"));
    let [there, mine] = [&file, &other].map(|file| file.path().display().to_string());
    let mut terminal = Terminal::start(&[]);
    let told = terminal.enter(":save");
    assert!(told.contains("there is no name of a file yet"), "{told}");
    let told = terminal.enter(&format!(":save {mine}"));
    assert!(told.contains("nothing has been entered"), "{told}");
    terminal.enter("@x = 1");
    let told = terminal.enter(&format!(":save {there}"));
    assert_eq!(told, format!("ERROR: {there} is there already\nHINT: :save! {there} replaces it"));
    assert_eq!(terminal.enter(":save /"), "ERROR: / is a folder\nHINT: :save FILE");
    assert_eq!(file.text(), "precious");
    assert_eq!(terminal.enter(&format!(":save! {there}")), format!("saved to {there}"));
    assert_eq!(terminal.enter(&format!(":save {mine}")), format!("saved to {mine}"));
    terminal.enter("@x = 2");
    // It is this session's own by now.
    assert_eq!(terminal.enter(":save"), format!("saved to {mine}"));
    assert_eq!(terminal.enter(&format!(":save {there}")), format!("saved to {there}"));
    assert!(file.text().contains("begin { @x = 1 }\n\nbegin { @x = 2 }"), "{}", file.text());
    let told = terminal.enter(":save /nosuch/folder/x.rt");
    assert!(told.starts_with("ERROR: cannot write /nosuch/folder/x.rt"), "{told}");
    let told = terminal.enter(":save! /dev/null");
    assert!(told.contains("it is no ordinary file"), "{told}");
    let told = terminal.enter(":save a b");
    assert!(told.contains("`b` is one too many"), "{told}");
    drop(terminal);
    let left = fs::read_dir(file.path().parent().expect("it is in a folder")).expect("it can be read").flatten();
    let name = file.path().file_name().expect("it has a name").to_string_lossy().into_owned();
    let beside: Vec<_> =
        left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{name}."))).collect();
    assert!(beside.is_empty(), "{beside:?}");
}

#[test]
fn a_session_writes_its_script_at_the_end() {
    requires!(Quick, Bpf);
    let file = Scratch::new("out.rt");
    let path = file.path().display().to_string();
    let mut terminal = Terminal::start(&["--script-out", &path]);
    terminal.enter("@x = 1");
    terminal.press(":quit!\r");
    assert_eq!(terminal.left().code(), Some(0));
    assert!(file.text().contains("begin { @x = 1 }"), "{}", file.text());
    Run::bare()
        .arg("--script-out")
        .arg("x")
        .arg("-e")
        .arg("begin { exit(); }")
        .to_end()
        .code(1)
        .stderr_has("--script-out is for a session");
    let mut refused = Terminal::open(&["--script-out", &path], "xterm", 160);
    assert_eq!(refused.left().code(), Some(1));
    assert!(refused.text().contains("is there already"), "{}", refused.text());
    let ended = Scratch::new("ended.rt");
    let mut signalled = Terminal::start(&["--script-out", &ended.path().display().to_string()]);
    signalled.enter("@x = 1");
    // SAFETY: a signal to a process of ours.
    unsafe { libc::kill(signalled.pid() as i32, libc::SIGTERM) };
    assert_eq!(signalled.left().code(), Some(0));
    assert!(ended.text().contains("begin { @x = 1 }"));
}

/// A folder of our own with these files.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("rtrace-{}-{name}", std::process::id()));
        fs::create_dir(&path).expect("the temporary folder can be written");
        for (name, text) in files {
            fs::write(path.join(name), text).expect("it is our own folder");
        }
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_script_is_loaded_as_if_it_had_been_entered() {
    requires!(Quick, Bpf);
    let folder = Folder::new(
        "loaded",
        &[
            ("lib.rt", "macro lib(a) { a * 3 }\n"),
            ("defs.h", "#define TEN 10\n"),
            (
                "main.rt",
                "#!/usr/bin/env rtrace\n// what it is for\nimport \"lib.rt\";\n#include \"defs.h\"\n\
                 begin { @l[str($1)] = lib($2) + TEN; @o = getopt(\"opt\", 4); }\n\
                 interval:s:100 /getopt(\"flag\")/ { @n = 1 }\n",
            ),
            ("faulty.rt", "// a comment\nbegin { @f = nosuch; }\n"),
            ("more.rt", "begin { @more = lib(TEN); }\n"),
        ],
    );
    let mut terminal = Terminal::start(&[]);
    let told = terminal.enter(&format!(":load {}", folder.file("faulty.rt")));
    assert!(told.contains(&format!("{}:2:14-20: ERROR", folder.file("faulty.rt"))), "{told}");
    assert_eq!(terminal.enter(":maps"), "no maps");
    let told = terminal.enter(":load /nosuch.rt");
    assert!(told.contains("failed to open file '/nosuch.rt'"), "{told}");
    let told = terminal.enter(":load");
    assert!(told.contains(":load needs the name of a file"), "{told}");
    let told = terminal.enter(&format!(":load {} --nosuch=1", folder.file("main.rt")));
    assert!(told.contains("unexpected program command line options: --nosuch"), "{told}");
    let told = terminal.enter(&format!(":load {} \"a b\" 7 --opt=0x10 --flag", folder.file("main.rt")));
    assert!(told.starts_with("#1 attached begin, interval:s:100 ("), "{told}");
    assert_eq!(terminal.enter("@l"), "@l[a b]: 31");
    assert_eq!(terminal.enter("@o"), "@o: 16");
    // What it has defined and included is there for what follows, wherever that comes from.
    assert_eq!(terminal.enter("lib(TEN)"), "30 : int8");
    terminal.enter(&format!(":load {}", folder.file("more.rt")));
    assert_eq!(terminal.enter("@more"), "@more: 30");
    // Saved elsewhere it finds the same files, and needs no parameters.
    let (elsewhere, beside) = (Scratch::new("elsewhere.rt"), folder.file("beside.rt"));
    terminal.enter(&format!(":save {}", elsewhere.path().display()));
    terminal.enter(&format!(":save {beside}"));
    assert!(fs::read_to_string(&beside).expect("it is there").contains("\nimport \"lib.rt\";\n"));
    let text = fs::read_to_string(&beside).expect("it is there");
    assert!(text.contains("getopt(\"opt\", 16)") && text.contains("/getopt(\"flag\", true)/"), "{text}");
    let expected = quit(&mut terminal);
    for file in [elsewhere.path().display().to_string(), beside] {
        let run = Run::file(&file).run(|_| {});
        assert_eq!(maps(&run.code(0).stdout), expected, "{}", fs::read_to_string(&file).unwrap_or_default());
    }
}

#[test]
fn what_imports_ask_for_is_told_of_when_it_is_saved() {
    requires!(Quick, Bpf);
    let folder = Folder::new(
        "asking",
        &[
            ("lib.rt", "macro wanted() { getopt(\"n\", 1) }\n"),
            ("main.rt", "import \"lib.rt\";\nbegin { @n = wanted() + getopt(\"n\", 1); @m = getopt(\"m\", \"\"); }\n"),
        ],
    );
    let mut terminal = Terminal::start(&[]);
    terminal.enter(&format!(":load {} --n=5 \"--m=a b\"", folder.file("main.rt")));
    let saved = folder.file("saved.rt");
    let told = terminal.enter(&format!(":save {saved}"));
    let run = format!("what it imports asks for parameters itself: rtrace {saved} -- --n=5");
    assert_eq!(told, format!("saved to {saved}\nWARNING: {run}"));
    let text = fs::read_to_string(&saved).expect("it is there");
    assert!(text.contains(&format!("\n// W{}\n", &run[1..])), "{text}");
    let expected = quit(&mut terminal);
    let run = Run::file(&saved).parameter("--").parameter("--n=5").run(|_| {});
    assert_eq!(maps(&run.code(0).stdout), expected, "{text}");
}

#[test]
fn options_of_several_scripts_do_not_clash_where_they_are_saved() {
    requires!(Quick, Bpf);
    let folder = Folder::new(
        "options",
        &[
            ("a.rt", "begin { @a = getopt(\"n\", 1); @s = getopt(\"s\", -1) }\n"),
            ("b.rt", "begin { @b = getopt(\"n\", 1, \"how many\"); @t = getopt(\"t\", \"\") }\n"),
        ],
    );
    let mut terminal = Terminal::start(&[]);
    let [a, b, saved] = ["a.rt", "b.rt", "saved.rt"].map(|name| folder.file(name));
    terminal.enter(&format!(":load {a} --n=5 --s=3"));
    terminal.enter(&format!(":load {b} '--t=a \"b\"'"));
    assert_eq!(terminal.enter(&format!(":save {saved}")), format!("saved to {saved}"));
    let expected = quit(&mut terminal);
    assert_eq!(expected, "@a: 5\n@b: 1\n@s: 3\n@t: a \"b\"");
    assert_eq!(maps(&Run::file(&saved).run(|_| {}).code(0).stdout), expected);
    let run = Run::file(&saved).parameter("--").parameter("--n-2=7").run(|_| {});
    assert_eq!(maps(&run.code(0).stdout), expected.replace("@b: 1", "@b: 7"));
}

#[test]
fn scripts_of_rtrace_are_loaded_by_name_unless_a_file_is_there() {
    requires!(Quick, Bpf, Tracefs);
    let folder = Folder::new("named", &[("naptime", "begin { @mine = 1 }\n")]);
    fs::create_dir(folder.0.join("syscount")).expect("it is our own folder");
    let mut command = std::process::Command::new(rtrace_tests::rtrace());
    command.current_dir(&folder.0);
    let mut terminal = Terminal::of(command, "xterm", (160, 50), &[("NO_COLOR", "1")]);
    terminal.ready();
    for (line, answer) in [
        (":load opensnoop --failed", "#1 attached begin, tracepoint:syscalls:sys_enter_open"),
        (":load opensnoop.rt", "#2 attached begin, tracepoint:syscalls:sys_enter_open"),
        // A folder is no script, so its name is that of rtrace's.
        (":load syscount", "#3 attached "),
        (":save", "there is no name of a file yet"),
        (":load naptime", "#4 attached begin ("),
        (":load opensnop", "failed to open file 'opensnop'"),
        (":load opensnop", "did you mean opensnoop?"),
        (":load ./opensnoop", "failed to open file './opensnoop'"),
        (":load opensnoop --nosuch", "unexpected program command line options: --nosuch"),
    ] {
        // What they print comes between.
        let told = terminal.enter(line);
        assert!(told.contains(answer), "{line}:\n{told}");
        if told.contains("attached") {
            let number =
                told.rsplit_once("attached").and_then(|(before, _)| before.rsplit_once('#')).map(|(_, n)| n.trim());
            terminal.enter(&format!(":off {}", number.expect("it has a number")));
        }
    }
    assert_eq!(terminal.enter("@mine"), "@mine: 1");
}

#[test]
fn what_is_long_or_loaded_is_listed_by_what_it_is_attached_to() {
    requires!(Quick, Bpf);
    let folder = Folder::new(
        "listed",
        &[
            (
                "a.rt",
                "// A comment\n\ninterval:s:100,interval:s:200 { @n = 1 }\nbegin { @m = 1 }\ninterval:s:300 { @n = 2 }\n",
            ),
            ("b.rt", "interval:s:$1 { @n = 1 }\n"),
        ],
    );
    let [a, b] = ["a.rt", "b.rt"].map(|name| folder.file(name));
    let mut terminal = Terminal::start(&[]);
    terminal.enter(&format!(":load {a}"));
    terminal.enter(&format!(":load {b} 500"));
    terminal.press("interval:s:100 {\r@n = 1\r");
    terminal.enter("}");
    terminal.press("interval:s:100 {\r");
    (0..8).for_each(|_| terminal.press("  @n = 1;\r"));
    terminal.enter("}");
    let expected = format!(
        "#1  on  interval:s:100, interval:s:200, begin and 1 more ({a}, 5 lines)\n#2  on  interval:s:500 ({b}, 1 line)\n\
         #3  on  interval:s:100 {{\n         @n = 1\n       }}\n#4  on  interval:s:100 (10 lines)"
    );
    assert_eq!(terminal.enter(":probes"), expected);
}

#[test]
fn what_is_saved_again_begins_as_it_did() {
    requires!(Quick, Bpf);
    let (first, second) = (Scratch::new("once.rt"), Scratch::new("twice.rt"));
    let [once, twice] = [&first, &second].map(|file| file.path().display().to_string());
    let mut terminal = Terminal::start(&["--unsafe"]);
    terminal.enter("@x = 1 // why");
    terminal.enter(&format!(":save {once}"));
    terminal.enter(":reset");
    terminal.enter(&format!(":load {once}"));
    terminal.enter(&format!(":save {twice}"));
    let without_time = |text: String| text.split_once('\n').map(|(_, rest)| rest.to_owned()).expect("there are lines");
    assert_eq!(without_time(second.text()), without_time(first.text()));
    assert!(second.text().starts_with("// A session of rtrace "), "{}", second.text());
}

#[test]
fn an_import_is_over_with_its_line() {
    requires!(Quick, Bpf);
    let folder = Folder::new("imported", &[("lib.rt", "macro lib(a) { a * 3 }\n")]);
    let lib = folder.file("lib.rt");
    let mut terminal = Terminal::start(&[]);
    assert_eq!(terminal.enter(&format!("import \"{lib}\" // no semicolon")), "");
    assert_eq!(terminal.enter("lib(2)"), "6 : int8");
    let saved = folder.file("saved.rt");
    terminal.enter("@x = lib(1)");
    terminal.enter(&format!(":save {saved}"));
    let text = fs::read_to_string(&saved).expect("it is there");
    assert!(text.contains("import \"lib.rt\"; // no semicolon"), "{text}");
    assert_eq!(maps(&Run::file(&saved).run(|_| {}).code(0).stdout), "@x: 3");
    let pasted = terminal.enter(&format!("\x1b[200~import \"{lib}\"\nbegin {{ @p = lib(3) }}\x1b[201~"));
    assert!(pasted.contains("#1 attached begin"), "{pasted}");
    assert_eq!(terminal.enter("@p"), "@p: 9");
    // Within a line it is as the language has it, and said at once.
    let told = terminal.enter(&format!("import \"{lib}\" begin {{ @y = 1 }}"));
    assert!(told.contains("ERROR: expected `;` after this import"), "{told}");
}

#[test]
fn what_cannot_be_put_back_is_off() {
    requires!(Quick, Bpf, Btf, Uprobes);
    let scratch = Scratch::new("program");
    fs::copy(sibling("work"), scratch.path()).expect("a program can be copied");
    let program = scratch.path().display().to_string();
    let mut terminal = Terminal::start(&[]);
    let told = terminal.enter(&format!("uprobe:{program}:work_step {{ @a = 1 }}"));
    assert!(told.starts_with("#1 attached"), "{told}");
    fs::remove_file(scratch.path()).expect("it is there");
    terminal.press(":edit 1\r");
    terminal.shows_last("edit #1> uprobe");
    // Its place is taken before it is known that this cannot be had.
    terminal.press("\x15iter:task:/nosuch/folder/pin { @b = 1 }\r");
    terminal.shows("the probes that were there before cannot be attached any more, either: they are off");
    terminal.ready();
    let probes = terminal.enter(":probes");
    assert!(probes.starts_with("#1  off uprobe:"), "{probes}");
}

#[test]
fn a_probe_is_edited_at_the_prompt() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let probe =
        |map: &str| format!("tracepoint:syscalls:sys_enter_write /comm == \"rt_edited\"/ {{ @{map} = count() }}");
    let edit = |terminal: &mut Terminal, shown: &str, text: &str, answer: &str| {
        terminal.press(":edit 1\r");
        terminal.shows_last(&format!("edit #1> {shown}"));
        terminal.press(&format!("\x15{text}\r"));
        terminal.shows(answer);
        terminal.ready();
    };
    terminal.enter(&probe("one"));
    terminal.enter("interval:s:100 { @other = 1 }");
    work("rt_edited");
    edit(&mut terminal, &probe("one"), &probe("two"), "#1 attached tracepoint:syscalls:sys_enter_write (");
    work("rt_edited");
    assert_eq!([terminal.enter("@one"), terminal.enter("@two")], ["@one: 7", "@two: 7"]);
    // What is faulty changes nothing, and is where the next edit begins.
    let faulty = probe("two").replace("count()", "nosuch()");
    edit(&mut terminal, &probe("two"), &faulty, "#1 goes on as it was; :edit 1 begins with this text");
    assert!(terminal.text().contains("#1:1:68-76: ERROR: Unknown function: 'nosuch'"), "{}", terminal.text());
    work("rt_edited");
    assert_eq!(terminal.enter("@two"), "@two: 14");
    edit(&mut terminal, &faulty, &probe("three"), "#1 attached");
    work("rt_edited");
    assert_eq!([terminal.enter("@two"), terminal.enter("@three")], ["@two: 14", "@three: 7"]);
    let probes = terminal.enter(":probes");
    assert!(probes.starts_with(&format!("#1  on  {}\n#2  on ", probe("three"))), "{probes}");
    // Left as it was.
    terminal.press(":edit 1\r");
    terminal.shows_last("edit #1> ");
    terminal.press("\x03");
    terminal.shows("#1 is as it was");
    terminal.ready();
    let told = terminal.enter(":edit 7");
    assert!(told.contains("there is no probe 7"), "{told}");
}

#[test]
fn a_macro_that_has_changed_is_taken_over_by_an_edit() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("macro step(a) { a + 1 }");
    terminal.enter("interval:ms:20 { @n = step(1) }");
    let told = terminal.enter("macro step(a) { a + 8 }");
    assert_eq!(told, "#1 goes on with the macro step as it was; :edit changes it");
    terminal.press(":edit 1\r");
    terminal.shows_last("edit #1> interval");
    terminal.press("\r");
    terminal.shows("#1 attached interval:ms:20 (");
    terminal.ready();
    terminal.enter_until("@n", |told| told == "@n: 9");
}

#[test]
fn a_struct_may_change_where_it_was_defined() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("struct pair { int a; }; interval:s:100 { @size = sizeof(struct pair) }");
    terminal.press(":edit 1\r");
    terminal.shows_last("edit #1> struct");
    terminal.press("\x15struct pair { int a; int b; }; interval:ms:50 { @size = sizeof(struct pair) }\r");
    terminal.shows("#1 attached interval:ms:50");
    terminal.ready();
    assert_eq!(terminal.enter("sizeof(struct pair)"), "8 : uint64");
}

#[test]
fn an_editor_has_the_terminal_to_itself() {
    requires!(Quick, Bpf);
    let editor = Scratch::executable(
        "editor",
        "#!/bin/sh\n# A terminal in its normal state is a condition.\nstty -a | grep -q ' icanon' || exit 9\n\
         sleep 0.3\nsed -i 's/@n++/@m++/' \"$1\"\n",
    );
    let path = editor.path().display().to_string();
    let mut terminal = Terminal::open_with(&[], "xterm", 160, &[("EDITOR", &path)]);
    terminal.ready();
    terminal.enter("interval:ms:20 { @n++; printf(\"tick\\n\") }");
    terminal.press(":edit! 1\r");
    terminal.shows("#1 attached interval:ms:20 (");
    terminal.enter(":off 1");
    assert_ne!(terminal.enter("@m"), "@m: 0");
    terminal.press(":edit! 1\r");
    terminal.shows("#1 is as it was");
    terminal.ready();
    let failing = Terminal::open_with(&[], "xterm", 160, &[("VISUAL", "/nosuch/editor"), ("EDITOR", &path)]);
    let mut failing = failing;
    failing.ready();
    failing.enter("interval:s:100 { @n = 1 }");
    failing.press(":edit! 1\r");
    failing.shows("cannot run the editor `/nosuch/editor`");
    failing.ready();
    assert_eq!(failing.enter("1 + 1"), "2 : int8");
    let none = Terminal::open_with(&[], "xterm", 160, &[("PATH", "/nosuch")]);
    let mut none = none;
    none.ready();
    none.enter("interval:s:100 { @n = 1 }");
    none.press(":edit! 1\r");
    none.shows("there is no editor: VISUAL and EDITOR name none");
}

#[test]
fn what_is_set_is_saved_and_code_of_what_has_changed_is_refused() {
    requires!(Quick, Bpf);
    let scratch = Scratch::new("set.rt");
    let path = scratch.path().display();
    let mut terminal = Terminal::start(&[]);
    terminal.enter(":set max_map_keys=77");
    terminal.enter("macro step(a) { a + 1 }");
    terminal.enter("interval:s:100 { @n = step(1) }");
    terminal.enter(&format!(":save {path}"));
    assert!(scratch.text().contains("config = { max_map_keys = 77 }"), "{}", scratch.text());
    terminal.enter("macro step(a) { nosuch(a) }");
    let told = terminal.enter(":asm 1");
    assert!(told.contains("Unknown function: 'nosuch'"), "{told}");
    assert!(terminal.enter(":probes").starts_with("#1  on"), "the session goes on");
}
