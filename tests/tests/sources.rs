//! The places a script can come from, and the ones it cannot.

use rtrace_tests::{Run, Scratch, requires, rtrace};

const HELLO: &str = "begin { printf(\"hello\\n\"); }\n";

#[test]
fn every_source_runs_the_same() {
    requires!(Bpf, Own);
    let file = Scratch::file("hello.rt", HELLO);
    let hello = |run: Run| {
        run.to_end().code(0).stdout_is("hello\n\n\n");
    };
    hello(Run::bare().arg(HELLO));
    hello(Run::program(HELLO));
    hello(Run::bare().arg(format!("--execute={HELLO}")));
    hello(Run::file(file.path()));
    hello(Run::file("-").input(HELLO));
    // Blanks and a comment before the first probe do not make it a name.
    hello(Run::bare().arg(format!("\n  // says hello\n{HELLO}")));
}

#[test]
fn parameters_follow_the_script() {
    requires!(Bpf);
    const TEXT: &str = r#"begin { printf("%d %s %d\n", $1, str($2), $#); }"#;
    let file = Scratch::file("params.rt", TEXT);
    let shebang = Scratch::executable("params-shebang.rt", format!("#!{}\n{TEXT}", rtrace().display()));
    for run in [Run::program(TEXT), Run::file(file.path()), Run::bare().of(shebang.path())] {
        run.parameter("7").parameter("se ven").to_end().code(0).stdout_is("7 se ven 2\n\n\n");
    }
    Run::file(file.path()).to_end().code(0).stdout_is("0  0\n\n\n");
}

#[test]
fn a_script_with_its_interpreter_in_the_first_line() {
    requires!(Bpf);
    let script = Scratch::executable("shebang.rt", format!("#!{}\n{HELLO}", rtrace().display()));
    Run::bare().of(script.path()).to_end().code(0).stdout_is("hello\n\n\n").stderr_has("Attached 1 probe");
    // Its lines are counted from the first one, where the interpreter stands.
    let script = Scratch::executable("wrong.rt", format!("#!{}\n\nbegin {{ nosuch(); }}\n", rtrace().display()));
    let place = format!("{}:3:9-17: ERROR: Unknown function: 'nosuch'", script.path().display());
    Run::bare().of(script.path()).to_end().code(1).stdout_is("").stderr_begins(&place);
}

#[test]
fn a_file_that_is_not_there() {
    let out = Run::file("/no/such/script.rt").to_end();
    out.code(1).stdout_is("").stderr_has("/no/such/script.rt").stderr_has("No such file");
    // A lone word is a name, not a program.
    Run::file("nosuch").to_end().code(1).stdout_is("").stderr_has("there is no file or script nosuch");
}

#[test]
fn a_probe_without_a_block_is_no_file() {
    for word in ["kprobe:vfs_read", "tracepoint:sched:sched_switch"] {
        let help = format!("HINT: a probe needs a block: rtrace '{word} {{ ... }}'");
        Run::file(word).to_end().code(1).stdout_is("").stderr_has("No such file").stderr_has(&help);
    }
    // What is meant as a path needs no hint about programs.
    let out = Run::file("/no/such/script.rt").to_end();
    assert!(!out.stderr.contains("HINT"), "{out}");
}

#[test]
fn one_program_is_run() {
    let run = Run::program(HELLO).arg("-e").arg("begin { print(1); }");
    let alone = Run::program(HELLO).to_end();
    run.to_end().code(0).stdout_is(&alone.stdout).stderr_has("WARNING: -e is given more than once; only the last");
}

#[test]
fn a_folder_is_no_script() {
    Run::file("/tmp").to_end().code(1).stdout_is("").stderr_has("/tmp").stderr_has("directory");
}

#[test]
fn bytes_that_are_no_text() {
    let file = Scratch::file("bytes.rt", b"begin { printf(\"\xff\xfe\\n\"); }");
    let out = Run::file(file.path()).to_end();
    out.code(1).stdout_is("").stderr_has("UTF-8").stderr_has(&file.path().display().to_string());
    Run::file("-").input(b"begin { \xff }".to_vec()).to_end().code(1).stdout_is("").stderr_has("UTF-8");
}

#[test]
fn nothing_at_all() {
    let empty = Scratch::file("empty.rt", "");
    let comment = Scratch::file("comment.rt", "// nothing here\n/* nor here */\n");
    for run in [
        Run::program(""),
        Run::program("  \n"),
        Run::file("-"),
        Run::file(empty.path()),
        Run::file(comment.path()),
        Run::bare(),
        Run::bare().arg(""),
    ] {
        let out = run.to_end();
        out.code(1).stdout_is("").stderr_has("ERROR: ");
        assert!(!out.attached, "{out}");
    }
}

#[test]
fn an_error_in_a_file_names_the_file_as_it_was_given() {
    let file = Scratch::file("named.rt", "begin {\n    @a = 1;\n    @a = \"text\";\n}\n");
    let line = format!("{}:3:5-16: ERROR: ", file.path().display());
    Run::file(file.path()).to_end().code(1).stdout_is("").stderr_has(&line);
    Run::file("-").input("begin {\n    nosuch();\n}\n").to_end().code(1).stderr_has("stdin:2:5-13: ERROR: ");
}

#[test]
fn windows_line_ends_and_a_missing_last_one() {
    requires!(Bpf);
    let file = Scratch::file("crlf.rt", "begin\r\n{\r\n  printf(\"a\\n\");\r\n  @ = 1;\r\n}");
    Run::file(file.path()).to_end().code(0).stdout_is("a\n\n\n@: 1\n");
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (option, text) in
        [("--help", "rtrace [OPTIONS]"), ("-h", "rtrace [OPTIONS]"), ("--version", "rtrace "), ("-V", "rtrace ")]
    {
        let out = Run::bare().arg(option).to_end();
        out.code(0).stdout_has(text);
        assert_eq!(out.stderr, "", "{out}");
    }
    Run::bare().arg("--no-such-option").to_end().code(1).stdout_is("").stderr_has("--no-such-option");
}

#[test]
fn a_script_in_the_usual_layout() {
    const LAID_OUT: &str = "begin\n{\n  printf(\"%d\", 1 + 2); // three\n}\n";
    const WILD: &str = "begin{printf(\"%d\",1+2) // three\n}";
    let wild = Scratch::file("wild.rt", WILD);
    let laid_out = Scratch::file("laid-out.rt", LAID_OUT);
    Run::program(WILD).arg("--fmt").to_end().code(0).stdout_is(LAID_OUT);
    Run::file(wild.path()).arg("--fmt").to_end().code(0).stdout_is(LAID_OUT);
    Run::file("-").input(WILD).arg("--fmt").to_end().code(0).stdout_is(LAID_OUT);
    Run::file(laid_out.path()).arg("--fmt").arg("--check").to_end().code(0).stdout_is("");
    let name = format!("{}\n", wild.path().display());
    Run::file(wild.path()).arg("--fmt").arg("--check").to_end().code(1).stdout_is(&name);
    let copy = Scratch::file("copy.rt", WILD);
    Run::file(copy.path()).arg("--fmt").arg("-o").arg(copy.path()).to_end().code(0).stdout_is("");
    assert_eq!(std::fs::read_to_string(copy.path()).expect("it is there"), LAID_OUT);
    Run::program("begin { @x = ; }").arg("--fmt").to_end().code(1).stdout_is("").stderr_has("1:14-15: ERROR");
    Run::program(WILD).arg("--check").to_end().code(1).stdout_is("").stderr_has("--fmt");
}
