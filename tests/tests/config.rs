//! What stands outside of probes: `config`, declared maps, named parameters and imports.

use std::os::unix::fs::PermissionsExt;

use rtrace_tests::{Output, Run, Scratch, Work, Worker, requires};

fn run(program: &str) -> Output {
    Run::program(program).to_end()
}

/// A program that ends with this output.
#[track_caller]
fn prints(program: &str, stdout: &str) -> Output {
    let out = run(program);
    out.code(0).stdout_is(stdout);
    out
}

/// A program that is refused with this at the beginning of standard error.
#[track_caller]
fn refused(run: Run, stderr: &str) -> Output {
    let out = run.to_end();
    out.code(1).stdout_is("");
    assert!(out.stderr.starts_with(stderr), "{stderr:?} was expected first on stderr\n{out}");
    out
}

#[test]
fn maps_need_not_be_printed_at_the_end() {
    requires!(Bpf);
    prints("config = { print_maps_on_exit=0 } begin { @a = 1; @b[2] = count(); print(@a) }", "@a: 1\n\n\n");
    prints("config = { print_maps_on_exit=true } begin { @a = 1; }", "\n\n@a: 1\n");
}

#[test]
fn the_environment_beats_the_block() {
    requires!(Bpf);
    const TEXT: &str = "config = { BPFTRACE_PRINT_MAPS_ON_EXIT=0 } begin { @a = 1; }";
    Run::program(TEXT).to_end().code(0).stdout_is("\n\n");
    Run::program(TEXT).env("BPFTRACE_PRINT_MAPS_ON_EXIT", "1").to_end().code(0).stdout_is("\n\n@a: 1\n");
    let both = Run::program(TEXT).env("BPFTRACE_PRINT_MAPS_ON_EXIT", "1").env("RTRACE_PRINT_MAPS_ON_EXIT", "no");
    both.to_end().code(0).stdout_is("\n\n");
    refused(
        Run::program(TEXT).env("BPFTRACE_MAX_MAP_KEYS", "many"),
        "ERROR: max_map_keys: expecting a number, got many",
    );
}

#[test]
fn bad_names_and_values_are_told_at_their_place() {
    refused(
        Run::program("config = { bad_config=raw } begin {}"),
        "stdin:1:12-26: ERROR: bad_config: not a known configuration option",
    );
    refused(
        Run::program("config = { max_map_kyes=5 } begin {}"),
        "stdin:1:12-26: ERROR: max_map_kyes: not a known configuration option",
    )
    .stderr_has("did you mean max_map_keys?");
    refused(
        Run::program("config={license=\"Potato\"} begin { }"),
        "stdin:1:9-25: ERROR: Invalid value for license. Found: Potato. Valid values: Dual MIT/GPL, ",
    );
}

#[test]
fn the_kernel_is_told_the_license() {
    requires!(Bpf);
    prints("config = { license=\"Dual BSD/GPL\" } begin { printf(\"%s\\n\", \"free\"); }", "free\n\n\n");
    let elf = Scratch::new("licensed.o");
    let args = [
        "--emit-elf",
        &elf.path().display().to_string(),
        "-e",
        "config = { license=\"Dual MIT/GPL\" } begin { @ = 1; }",
    ]
    .map(String::from);
    args.into_iter().fold(Run::bare(), Run::arg).to_end().code(0);
    let bytes = std::fs::read(elf.path()).expect("the object was written");
    assert!(bytes.windows(13).any(|window| window == b"Dual MIT/GPL\0"), "the license is not in the object");
}

#[test]
fn maps_have_room_for_max_map_keys() {
    requires!(Bpf);
    for value in ["1", "count()"] {
        let program =
            format!("config = {{ max_map_keys=2 }} begin {{ @[1] = {value}; @[2] = {value}; @[3] = {value}; }}");
        let out = prints(&program, "\n\n@[1]: 1\n@[2]: 1\n");
        out.stderr_has("WARNING: Map full; can't update element");
    }
}

#[test]
fn declared_maps_have_room_for_what_is_declared() {
    requires!(Bpf);
    let full = "WARNING: Map full; can't update element";
    for (kind, value) in [("hash", "1"), ("percpuhash", "count()"), ("percpuhash", "hist(1)")] {
        let out = run(&format!("let @a = {kind}(1); begin {{ @a[1] = {value}; @a[2] = {value}; }}"));
        out.code(0).stdout_has("@a[1]:").stderr_has(full);
        assert!(!out.stdout.contains("@a[2]"), "{out}");
    }
    // What is declared counts, not what the config says.
    let out = prints(
        "config = { max_map_keys=1 } let @a = hash(2); begin { @a[1] = 1; @a[2] = 2; }",
        "\n\n@a[1]: 1\n@a[2]: 2\n",
    );
    assert!(!out.stderr.contains("WARNING"), "{out}");
}

#[test]
fn a_full_lru_map_drives_out_old_entries() {
    requires!(Bpf, Tracefs);
    const KEYS: usize = 2000;
    for (kind, value) in [("lruhash", "1"), ("percpulruhash", "count()")] {
        let writer = Worker::new("rt_lru", Work::write_sizes("/dev/null", 1, KEYS));
        let text = format!(
            "let @a = {kind}(64); tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @a[args.count] = {value}; }}",
            writer.pid()
        );
        let out = Run::program(text).run(|_| writer.finish());
        out.code(0);
        assert!(!out.stderr.contains("WARNING"), "{kind}: {out}");
        let entries = out.stdout.lines().filter(|line| line.starts_with("@a[")).count();
        assert!((1..KEYS / 2).contains(&entries), "{kind}: {entries} entries");
        // The last one has driven out another.
        assert!(out.stdout.contains(&format!("@a[{KEYS}]: 1\n")), "{kind}: {out}");
    }
}

#[test]
fn declarations_must_fit() {
    let cases = [
        ("let @a = potato(1); begin { @a[1] = 1; }", "1:1-20: ERROR: Invalid bpf map type: potato"),
        ("let @a = hash(0); begin { @a[1] = 1; }", "1:1-18: ERROR: a map has 1 to "),
        (
            "let @a = hash(5); begin { @a = count(); }",
            "1:27-29: ERROR: Incompatible map types. Type from declaration: hash. Type from value/key type: percpuhash",
        ),
        (
            "let @a = percpulruhash(5); begin { @a[1] = 1; }",
            "1:36-38: ERROR: Incompatible map types. Type from declaration: percpulruhash. Type from value/key type: hash",
        ),
    ];
    for (program, stderr) in cases {
        refused(Run::program(program), &format!("stdin:{stderr}"));
    }
}

#[test]
fn an_unused_declaration_is_a_warning() {
    requires!(Bpf);
    prints("let @a = percpuhash(1); begin { }", "\n\n").stderr_begins("stdin:1:1-24: WARNING: Unused map: @a");
}

#[test]
fn missing_probes_are_refused_told_or_ignored() {
    requires!(Bpf, Tracefs);
    let text = |policy: &str| {
        format!("config = {{ missing_probes={policy} }} t:sched:nonsense {{ @x = 1; }} begin {{ print(1) }}")
    };
    refused(Run::program(text("error")), "stdin:1:35-51: ERROR: No matches for tracepoint sched:nonsense.");
    let out = prints(&text("warn"), "1\n\n\n");
    out.stderr_begins("stdin:1:34-50: WARNING: No matches for tracepoint sched:nonsense. Skipping.");
    out.stderr_has("WARNING: Probe has no valid attach points. It is being removed").stderr_has("Attached 1 probe");
    let out = prints(&text("ignore"), "1\n\n\n");
    assert!(!out.stderr.contains("WARNING"), "{out}");
    let nothing = "config = { missing_probes=ignore } t:sched:nonsense { @x = 1; }";
    refused(Run::program(nothing), "No probes to attach");
}

#[test]
fn there_are_limits_to_probes_and_programs() {
    requires!(Bpf);
    refused(
        Run::program("config = { max_probes=1 } begin { } end { }"),
        "ERROR: Can't attach to 2 probes because it exceeds the current limit of 1 probes.",
    );
    requires!(Tracefs);
    let work = rtrace_tests::sibling("work");
    for pattern in ["t:syscalls:sys_enter_*".to_owned(), format!("uprobe:{}:*", work.display())] {
        let out = Run::program(format!("config = {{ max_probes=3 }} {pattern} {{ @[probe] = count(); }}")).to_end();
        out.code(1).stderr_has("ERROR: Can't attach to ").stderr_has("exceeds the current limit of 3 probes.");
    }
    let out = Run::program("kprobe:* { @[probe] = count(); }").to_end();
    out.code(1).stderr_has("ERROR: ");
    if rtrace_tests::missing(&[rtrace_tests::Need::Kprobes]).is_none() {
        out.stderr_has("exceeds the current limit of 1024 probes.");
    }
    refused(
        Run::program("config = { max_bpf_progs=1 } begin { } end { }"),
        "stdin:1:40-43: ERROR: Your program is trying to generate more than 2 BPF programs, which exceeds the current \
         limit of 1",
    );
}

#[test]
fn texts_are_as_long_as_the_config_says() {
    requires!(Bpf, Tracefs);
    let path = format!("{}/dev/null", "/.".repeat(1500));
    let open = |max: u32, trailer: &str| {
        let opener = Worker::new("rt_strlen", Work::open(&path, 1));
        let text = format!(
            "config = {{ max_strlen={max}; str_trunc_trailer=\"{trailer}\" }} tracepoint:syscalls:sys_enter_openat \
             /pid == {}/ {{ printf(\"%s\\n\", str(args.filename)); }}",
            opener.pid()
        );
        Run::program(text).run(|_| opener.finish())
    };
    open(4096, "..").code(0).stdout_is(&format!("{path}\n\n\n"));
    open(10, "..").code(0).stdout_is("/././././...\n\n\n");
    open(2000, "").code(0).stdout_is(&format!("{}\n\n\n", &path[..2000]));
    refused(
        Run::program("config = { max_strlen=4 } begin { print(\"abcde\") }"),
        "stdin:1:41-48: ERROR: String is too long (over 4 bytes): abcde",
    );
}

#[test]
fn the_buffer_is_as_large_as_the_config_says() {
    requires!(Bpf);
    for pages in [1, 3, 64] {
        prints(&format!("config = {{ perf_rb_pages={pages} }} begin {{ print(5) }}"), "5\n\n\n");
    }
}

const OPTIONS: &str =
    r#"begin { print((getopt("n", 20, "how many"), getopt("s", -1), getopt("b"), getopt("t", "x"), $1, $#)); }"#;

#[test]
fn named_parameters_stand_behind_dashes() {
    requires!(Bpf);
    let given = |words: &[&str]| words.iter().fold(Run::program(OPTIONS), |run, word| run.parameter(*word)).to_end();
    given(&["p"]).code(0).stdout_is("(20, -1, false, x, p, 1)\n\n\n");
    given(&["p", "--", "--n=0x10", "q", "--s=-5", "--b", "--t=a=b"])
        .code(0)
        .stdout_is("(16, -5, true, a=b, p, 2)\n\n\n");
    given(&["--", "p", "--b=off"]).code(0).stdout_is("(20, -1, false, x, p, 1)\n\n\n");
    let file = Scratch::file("options.rt", OPTIONS);
    let run = ["7", "--", "--n=1"].iter().fold(Run::file(file.path()), |run, word| run.parameter(*word));
    run.to_end().code(0).stdout_is("(1, -1, false, x, 7, 1)\n\n\n");
}

#[test]
fn wrong_named_parameters_are_told() {
    let given = |word: &str, stderr: &str| {
        refused(Run::program(OPTIONS).parameter("1").parameter("--").parameter(word), stderr)
    };
    given("--n=False", "ERROR: program command line option --n invalid integer (value: False)");
    given(
        "--zz",
        "ERROR: unexpected program command line options: --zz\nHINT: expected program options: --n, --s, --b, --t",
    );
    given("--help", "HINT: expected program options:\n--n: how many\n--s\n--b\n--t\n");
    Run::program(OPTIONS).parameter("--n=5").to_end().code(1).stdout_is("").stderr_has("USAGE:");
}

#[test]
fn an_attach_point_can_be_a_parameter() {
    requires!(Bpf);
    Run::program("$1 { print(1); }").parameter("begin").to_end().code(0).stdout_is("1\n\n\n");
}

/// A folder with these files, which only its owner can write to.
fn folder(name: &str, files: &[(&str, &str)]) -> Scratch {
    let folder = Scratch::new(name);
    std::fs::create_dir_all(folder.path().join("lib")).expect("a folder can be made");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    folder
}

#[test]
fn imports_come_first_once_and_from_beside_the_script() {
    requires!(Bpf);
    let folder = folder(
        "imports",
        &[
            (
                "main.rt",
                "import \"lib\"; import \"a.bt\"; import \"a.bt\"; begin { print(\"main\"); @m[1] = 1; @m[2] = 1; }",
            ),
            ("a.bt", "import \"lib/x.rt\"; import \"main.rt\"; begin { print(\"a\"); }"),
            ("lib/x.rt", "import \"y.bt\"; let @m = hash(1); begin { print(\"x\"); }"),
            ("lib/y.bt", "begin { print(\"y\"); }"),
            ("lib/notes.txt", "not a script"),
        ],
    );
    let out = Run::file(folder.path().join("main.rt")).to_end();
    // `main.rt` is imported by `a.bt` as any other file would be.
    out.code(0).stdout_is("y\nx\nmain\na\nmain\n\n\n@m[1]: 1\n").stderr_has("Attached 5 probes");
    out.stderr_has("main.rt:1:").stderr_has("WARNING: Map full");
    std::fs::remove_dir_all(folder.path()).expect("the folder can be removed");
}

#[test]
fn mistakes_in_imports_are_told_where_they_are() {
    requires!(Bpf);
    let folder = folder(
        "broken-imports",
        &[
            ("syntax.bt", "\nbegin { $x = ; }"),
            ("config.bt", "config = { max_strlen=5 } begin { }"),
            ("zero.bt", "begin { $z = 0;\n  print(1 / $z); }"),
            ("types.bpf.c", "struct s { int x; };"),
        ],
    );
    let name = |file: &str| folder.path().join(file).display().to_string();
    let import = |file: &str| Run::program(format!("import \"{}\"; begin {{ }}", name(file)));
    refused(import("syntax.bt"), &format!("{}:2:14-15: ERROR: ", name("syntax.bt")));
    refused(import("config.bt"), &format!("{}:1:12-24: ERROR: invalid `config` within import", name("config.bt")));
    let out = import("zero.bt").to_end();
    out.code(0).stderr_has(&format!("{}:2:9-15: WARNING: Divide or modulo by 0", name("zero.bt")));
    refused(import("types.bpf.c"), "stdin:1:1-").stderr_has("not supported yet");
    // What bpftrace has as a library is part of the language.
    for library in ["stdlib", "stdlib/strings"] {
        let script = format!("import \"{library}\"; begin {{ print(strlen(\"four\")); }}");
        Run::program(script).to_end().code(0).stdout_has("4\n");
    }
    refused(Run::program("import \"stdlib/none\"; begin { }"), "stdin:1:1-").stderr_has("Unable to find");
    refused(import("none.bt"), "stdin:1:1-").stderr_has("Unable to find suitable path for import");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("permissions can be changed");
    refused(import("zero.bt"), "stdin:1:1-")
        .stderr_has("cowardly refusing to import from a directory with global write permissions");
    std::fs::remove_dir_all(folder.path()).expect("the folder can be removed");
}

#[test]
fn the_environment_says_whether_messages_have_colours() {
    let color = |name: &str, mode: &str| Run::program("begin { nosuch(); }").env(name, mode).to_end();
    color("BPFTRACE_COLOR", "always").code(1).stderr_has("\x1b[1;31mERROR");
    for mode in ["auto", "never"] {
        color("RTRACE_COLOR", mode).code(1).nowhere("\x1b[");
    }
    color("BPFTRACE_COLOR", "red").code(1).nowhere("\x1b[").stderr_has("valid values are auto, always and never");
}

#[test]
fn output_waits_as_asked() {
    requires!(Bpf);
    for mode in ["full", "line", "none"] {
        Run::program("begin { printf(\"a\"); print(5) }").arg("-B").arg(mode).to_end().code(0).stdout_is("a5\n\n\n");
    }
    refused(Run::program("begin { }").arg("-B").arg("some"), "ERROR: USAGE: -B must be either full, line, or none.");
}
