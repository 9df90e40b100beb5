//! Commands of a session that explain, look closer and set something, each with what it is for and with what it is not.

use rtrace_tests::{Run, Terminal, Work, Worker, requires, sibling};

/// That each line is answered with these parts.
#[track_caller]
fn answers(terminal: &mut Terminal, cases: &[(&str, &[&str])]) {
    for (line, parts) in cases {
        let answer = terminal.enter(line);
        for part in *parts {
            assert!(answer.contains(part), "{line}: {part}\n{answer}");
        }
    }
}

#[test]
fn help_explains_everything_that_has_a_name() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    answers(
        &mut terminal,
        &[
            (":help", &["probes and maps\n", "  :off N...", "what there is\n", ":help functions", ":help NAME"]),
            (":h", &["the session\n"]),
            (":?", &["the session\n"]),
            ("help", &["the session\n"]),
            (":help hist", &["aggregation: hist(n), hist(n, k)", "{ @ = hist(args.count); }"]),
            ("help count()", &["ERROR"]),
            ("help count", &["aggregation: count()"]),
            (":help k", &["probe provider: kprobe:FUNCTION", "kprobe:vfs_read {"]),
            (":help comm", &["builtin: comm : string[16]", "function: comm, comm(pid)"]),
            (":help max_strlen", &["config variable: max_strlen = 1024", "In a session it counts for what is entered"]),
            (":help for", &["statement: for ($i : from..to)"]),
            (":help tcp.dport", &["tcp.dport  uint16  The port it goes to."]),
            (":help stats", &["aggregation: stats(n)", ":stats [off]"]),
            (":help :off", &[":off N...  detach probes, and keep them"]),
            (":help aggregations", &["lhist", "tseries"]),
            (":help commands", &["  :quit!"]),
            (":help hsit", &["ERROR: there is no topic hsit", "HINT: did you mean hist?"]),
            (":help zzzzzzzz", &["ERROR: there is no topic zzzzzzzz", "HINT: :help alone says"]),
            (":help :zzz", &["ERROR: there is no command :zzz"]),
            ("exit", &["ERROR: exit is a function", "HINT: type exit() or :quit to leave"]),
        ],
    );
    terminal.enter("macro twice(a) { a * 2 }");
    assert_eq!(terminal.enter(":help twice"), "macro twice(a) { a * 2 }");
    assert_eq!(terminal.enter(":type twice"), "macro twice(a)");
    // A macro of that name is what is meant then.
    terminal.enter("macro help() { 42 }");
    assert_eq!(terminal.enter("help"), "42 : int8");
    terminal.press("quit\r");
    assert_eq!(terminal.left().code(), Some(0));
}

#[test]
fn the_command_line_explains_the_same() {
    let about = |topic: &str| Run::bare().arg("--doc").arg(topic).to_end();
    about("strlen").code(0).stdout_has("function: strlen(text)").stdout_has("begin { print(strlen(comm)); }");
    about("providers").code(0).stdout_has("uretprobe");
    about("").code(0).stdout_has("rtrace --doc functions");
    about("strleen").code(1).stderr_has("ERROR: there is no topic strleen").stderr_has("HINT: did you mean strlen?");
    Run::bare().arg("--doc").to_end().code(0).stdout_has("rtrace --doc functions");
}

#[test]
fn types_are_told_without_running_anything() {
    requires!(Quick, Bpf, Tracefs, Btf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("@n[comm, 1] = count(); @x = 1");
    terminal.enter("struct pair { int a; char b[8]; }");
    answers(
        &mut terminal,
        &[
            (":type 1 << 40", &["int64"]),
            (":type comm", &["string[16]"]),
            (":type (pid, \"abc\")", &["(uint32,string[4])"]),
            (":type @n", &["@n[string[16], int64] : count_t"]),
            (":type @x", &["@x : int64"]),
            (":type @x++", &["int64"]),
            (":type hist", &["hist(n), hist(n, k) : aggregation"]),
            (":type strerror", &["strerror(errno) : string[64] : function"]),
            (":type kstack", &["kstack"]),
            (":type struct pair", &["struct pair : 12 bytes; :fields struct pair shows its members"]),
            (":type (struct pair *)0", &["struct pair *"]),
            (":type tracepoint:syscalls:sys_enter_openat { args.filename }", &["int8 *"]),
            (":type print(1)", &["ERROR: this has no value"]),
            (":type nosuch + 1", &[":type:1:1-7: ERROR: Unknown identifier: 'nosuch'"]),
            (":type 1 +", &["ERROR: expected"]),
            (":type @nosuch", &["ERROR: there is no map @nosuch"]),
            (":type struct nosuch", &["ERROR: Cannot resolve unknown type \"struct nosuch\""]),
            (":type", &["ERROR: :type needs an expression"]),
        ],
    );
    assert!(!terminal.enter(":type nosuch + 1").contains("WARNING"));
    assert_eq!(terminal.enter("@x"), "@x: 1", "nothing has been run");
}

#[test]
fn arguments_and_members_are_shown() {
    requires!(Quick, Bpf, Tracefs, Btf);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("struct inner { int c; union { int d; char e; }; }");
    terminal.enter(
        "struct outer { char a; int low : 3; int high : 5; struct inner in; enum pid_type kind; struct inner *next; }",
    );
    answers(
        &mut terminal,
        &[
            (
                ":fields t:syscalls:sys_enter_openat",
                &["tracepoint:syscalls:sys_enter_openat\n", "    const char * filename"],
            ),
            (
                ":fields tracepoint:syscalls:sys_enter_*",
                &["... and ", " more; rtrace -lv 'tracepoint:syscalls:sys_enter_*' lists all"],
            ),
            (":fields begin", &["begin\n    no arguments, as far as is known"]),
            (":fields interval:s:5", &["interval:s:5\n    no arguments, as far as is known"]),
            (":fields interval:s:x", &["ERROR: there is no probe interval:s:x"]),
            (":fields tracepoint:sched:sched_swich", &["did you mean sched_switch?"]),
            (":fields nosuch:x", &["there are no probes of the type 'nosuch'"]),
            (":fields struct outer.in", &["struct inner: 8 bytes", "     4     1    int8     e"]),
            (":fields struct outer.next", &["struct inner: 8 bytes"]),
            (":fields struct outer.inn", &["ERROR: struct outer has no member 'inn'", "HINT: did you mean in?"]),
            (":fields struct outer.kind.x", &["ERROR: struct outer.kind has no members"]),
            (":fields enum pid_type", &["    PIDTYPE_TGID  1\n"]),
            (":fields struct task_struct", &["struct task_struct: ", ":fields -v struct task_struct what is in all"]),
            (":fields struct task_struct.mm", &["struct mm_struct: "]),
            (":fields struct nosuch", &["ERROR: Cannot resolve unknown type \"struct nosuch\""]),
            (":fields", &["ERROR: :fields needs a probe or a structure"]),
        ],
    );
    let shown = terminal.enter(":fields struct outer");
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let expected = ["struct outer: 24 bytes", "offset   size", "     0      1  int8            a"];
    assert_eq!(lines[..3], expected, "{shown}");
    for part in ["3 bit  ", "5 bit  ", "struct inner    in", "  union", "    int8", "struct inner *  next"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn what_there_is_is_listed_up_to_a_bound() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let all = Run::bare().arg("-l").arg("tracepoint:syscalls:*").to_end().stdout.lines().count();
    let more = format!("... and {} more; rtrace -l 'tracepoint:syscalls:*' lists all", all - 50);
    let detailed = format!("... and {} more; rtrace -lv 'tracepoint:syscalls:*' lists all", all - 10);
    answers(
        &mut terminal,
        &[
            (":list tracepoint:syscalls:sys_enter_openat*", &["tracepoint:syscalls:sys_enter_openat\n"]),
            (":list tracepoint:syscalls:*", &[&more]),
            (":list -v tracepoint:syscalls:*", &["    int ", &detailed]),
            (":list -v t:syscalls:sys_enter_close", &["    unsigned int fd"]),
            (":list tracepoint:nosuch*:*", &["ERROR: nothing here is covered by tracepoint:nosuch*:*"]),
            (":list tracepoint:sched:sched_swich", &["did you mean sched_switch?"]),
            (":list", &["ERROR: :list needs a pattern"]),
        ],
    );
}

#[test]
fn code_is_shown_as_the_compiler_makes_it() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    terminal.enter("macro twice(a) { a * 2 }");
    terminal.enter("tracepoint:syscalls:sys_enter_sync { @n = count(); @m = twice(pid) }");
    // What has come since does no harm.
    terminal.enter("@other = 7");
    answers(
        &mut terminal,
        &[
            (":asm 1", &["tp_btf/sys_enter: tracepoint:syscalls:sys_enter_sync (", "; @n = count()", "exit"]),
            (":asm #1", &["exit"]),
            (":clif 1", &["function u0:0(i64) -> i64 system_v {", "imul", "return"]),
            (":clif -O 1", &["function u0:0(i64) -> i64 system_v {", "return"]),
            (":asm 2", &["ERROR: there is no probe 2"]),
            (":asm", &["ERROR: :asm needs the number of a probe"]),
            (":clif x", &["ERROR: there is no probe x"]),
        ],
    );
    assert_ne!(terminal.enter(":clif 1"), terminal.enter(":clif -O 1"));
}

#[test]
fn runs_are_counted_while_they_are_measured() {
    requires!(Quick, Bpf, Tracefs, Uprobes);
    let mut terminal = Terminal::start(&[]);
    let work = sibling("work");
    terminal.enter(&format!("uprobe:{}:work_step {{ @n = count() }}", work.display()));
    terminal.enter("tracepoint:syscalls:sys_enter_sync { @s = count() }");
    let run = |times: &str| {
        let status = std::process::Command::new(&work).args(["call", times]).status().expect("it can be run");
        assert!(status.success());
    };
    // Before anybody has asked, nothing counts.
    run("5");
    answers(&mut terminal, &[(":stats", &["measuring from now on", "each BPF program of this machine"])]);
    run("300");
    let stats = terminal.enter(":stats");
    let row = |stats: &str, number: &str| -> Vec<String> {
        let line = stats.lines().find(|line| line.starts_with(number)).unwrap_or_else(|| panic!("{stats}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert!(stats.lines().next().is_some_and(|head| head.contains("per second")), "{stats}");
    let first = row(&stats, "#1");
    assert_eq!(first[1], "300", "{stats}");
    assert!(first[2].parse::<f64>().is_ok_and(|rate| rate > 0.0), "{stats}");
    assert!(first[3].parse::<u64>().is_ok_and(|each| (1..1_000_000).contains(&each)), "{stats}");
    assert!(first[4].ends_with('%') && first[5].starts_with("uprobe:"), "{stats}");
    assert!(stats.contains("#2 runs at every system call and looks whether it is one that it traces"), "{stats}");
    // The sum goes on, rates are those since the last look.
    let quiet = row(&terminal.enter(":stats"), "#1");
    assert_eq!((quiet[1].as_str(), quiet[2].as_str(), quiet[3].as_str()), ("300", "0", "-"));
    run("7");
    terminal.enter(":off 1");
    run("9");
    assert_eq!(row(&terminal.enter(":stats"), "#1")[1], "307");
    answers(
        &mut terminal,
        &[
            (":stats off", &["measuring no more"]),
            (":stats off", &["nothing is being measured"]),
            (":stats no", &["ERROR: :stats takes nothing or off, not `no`"]),
        ],
    );
    assert_eq!(terminal.enter("@n"), "@n: 312");
}

#[test]
fn config_is_set_and_listed() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    answers(
        &mut terminal,
        &[
            (":set", &["a new value counts at once\n", "  print_maps_on_exit=true", "  max_map_keys=4096 "]),
            (":set max_map_keys=3", &["max_map_keys=3 counts for what is entered from now on"]),
            ("config.max_map_keys", &["3 : int8"]),
            (":set", &["  max_map_keys=3 "]),
            (":set MAP_KEYS_MAX = 0x5", &["max_map_keys=0x5 counts for what is entered from now on"]),
            ("config.max_map_keys", &["5 : int8"]),
            (":set stack_mode=\"perf\"", &["stack_mode=perf counts for what is entered from now on"]),
            (":type kstack", &["perf"]),
            (":set max_map_keys=many", &[":set:1:6-23: ERROR: max_map_keys: expecting a number, got many"]),
            (":set max_map_keys=0", &["ERROR: max_map_keys: 0 is out of range: 1 to 1073741824"]),
            (":set max_map_kesy=1", &["ERROR: max_map_kesy: not a known", "did you mean max_map_keys?"]),
            (":set btf=1", &["ERROR: btf: can only be set as an environment variable"]),
            (
                ":set perf_rb_pages=64",
                &["ERROR: perf_rb_pages counts from the start of a session", "RTRACE_PERF_RB_PAGES=64"],
            ),
            (":set use_blazesym=1", &["ERROR: use_blazesym has no effect"]),
            (":set symbol_source=1", &["ERROR: symbol_source has no effect"]),
            (":set max_map_keys", &["ERROR: `max_map_keys` says no value"]),
            (":set =1", &["ERROR: `=1` says no value"]),
            ("config.max_map_keys", &["5 : int8"]),
            (":set print_maps_on_exit=false", &["print_maps_on_exit=false counts at once"]),
        ],
    );
    terminal.enter("for ($i : 0..50) { @kept[$i] = $i }");
    let maps = terminal.enter(":maps");
    assert!(maps.contains("5 entries"), "{maps}");
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0));
    assert!(!terminal.text().contains("@kept[1]: 1"), "{}", terminal.text());
}

#[test]
fn the_environment_has_the_last_word() {
    requires!(Quick, Bpf);
    let environment = [("NO_COLOR", "1"), ("RTRACE_MAX_MAP_KEYS", "7")];
    let mut terminal = Terminal::with(&[], "xterm", (160, 50), &environment);
    terminal.ready();
    let title = "ERROR: the environment has the last word about max_map_keys";
    answers(&mut terminal, &[(":set max_map_keys=3", &[title]), ("config.max_map_keys", &["7 : int8"])]);
}

#[test]
fn a_reset_leaves_nothing() {
    requires!(Quick, Bpf, Tracefs);
    let mut terminal = Terminal::start(&[]);
    let writer = Worker::new("rt_writer", Work::write("/dev/null", 3, 8));
    terminal.enter("macro two() { 2 }");
    terminal.enter("#define SEVEN 7");
    terminal.enter("struct pair { int a; int b; }");
    terminal.enter("config = { max_map_keys=10 }");
    terminal.enter("begin { @x = 5; @h = hist(3); @k[1] = \"text\" } end { printf(\"the end\\n\") }");
    terminal.enter("interval:ms:10 { @ticks++; printf(\"tick\\n\") }");
    terminal.shows("tick");
    let told = terminal.enter(":re");
    assert!(told.contains("ERROR: there is no command :re"), "only the whole word: {told}");
    let told = terminal.enter(":reset");
    // What is printed while Enter is pressed may be seen behind what the line has to say.
    let told: Vec<&str> = told.lines().filter(|line| *line != "tick").collect();
    assert_eq!(told, ["all is gone"]);
    answers(
        &mut terminal,
        &[
            (":probes", &["no probes"]),
            (":maps", &["no maps"]),
            ("two()", &["ERROR: Unknown function: 'two'"]),
            ("SEVEN", &["ERROR: Unknown identifier: 'SEVEN'"]),
            ("config.max_map_keys", &["4096 : int16"]),
            // Of another type than before.
            ("@x = \"text\"", &[]),
            ("@x", &["@x: text"]),
            ("@k = count(); @h = 1", &[]),
            ("@h", &["@h: 1"]),
        ],
    );
    let probe = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @n = count(); @[comm] = sum(args.count); }}",
        writer.pid()
    );
    assert!(terminal.enter(&probe).starts_with("#1 attached"));
    writer.finish();
    assert_eq!(terminal.enter("@n"), "@n: 3");
    terminal.enter("printf(\"still %d\\n\", 1)");
    terminal.shows("still 1");
    assert!(terminal.enter(":reset now").contains("`now` is one too many"));
    terminal.press(":quit\r");
    assert_eq!(terminal.left().code(), Some(0));
    assert!(terminal.text().contains("@[rt_writer]: 24"), "{}", terminal.text());
}

#[test]
fn stages_are_timed() {
    requires!(Quick, Bpf);
    let mut terminal = Terminal::start(&[]);
    answers(
        &mut terminal,
        &[
            (":time on", &["the stages of each entry are timed"]),
            (
                "interval:s:100 { @n++ }",
                &["#1 attached", "parse ", "check ", "compile ", "load ", "attach ", "together "],
            ),
            ("1 + 1", &["2 : int8\nparse ", "together "]),
            ("nosuch", &["ERROR", "parse ", "check "]),
            (":time off", &["entries are not timed any more"]),
            (":time maybe", &["ERROR: :time is on or off, not `maybe`"]),
        ],
    );
    assert_eq!(terminal.enter("1 + 1"), "2 : int8");
    let told = terminal.enter(":time");
    assert_eq!(told, "the stages of each entry are timed");
}
