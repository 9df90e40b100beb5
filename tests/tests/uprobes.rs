//! Probes on functions of programs and libraries.

use rtrace_tests::kernel::Objects;
use rtrace_tests::{Output, Run, Scratch, requires, sibling};

/// `text` is a program about the binary of its `{work}`, which is run as `work ARGUMENTS`.
fn on_work(text: &str, arguments: &str) -> Output {
    let work = sibling("work");
    let path = work.to_str().expect("a path that is text");
    Run::program(text.replace("{work}", path)).child(format!("'{path}' {arguments}")).to_end()
}

#[test]
fn each_call_is_seen_with_its_argument_and_value() {
    requires!(Bpf, Uprobes);
    let text = "uprobe:{work}:work_step { @n = count(); @in = sum(arg0); }
        uretprobe:{work}:work_step { @out = sum(retval); }";
    on_work(text, "call 100").code(0).stdout_is("\n\n@in: 4950\n@n: 100\n@out: 5050\n");
}

#[test]
fn names_are_those_of_the_function_and_the_probe() {
    requires!(Bpf, Uprobes);
    let work = sibling("work").display().to_string();
    let out = on_work("u:{work}:work_step { @[probe, func, probetype] = count(); }", "call 3");
    out.code(0).stdout_is(&format!("\n\n@[uprobe:{work}:work_step, work_step, uprobe]: 3\n"));
    let out = on_work("ur:{work}:work_step { @[probe, func] = count(); }", "call 3");
    out.code(0).stdout_is(&format!("\n\n@[uretprobe:{work}:work_step, work_step]: 3\n"));
}

#[test]
fn a_pattern_is_one_program_and_names_what_fired() {
    // Before, there is a perf event for each of the thousands of functions, which takes a minute.
    requires!(Bpf, Uprobes, Kernel(6, 6));
    let work = sibling("work").display().to_string();
    let out = on_work(
        "config = { max_probes=100000 } uprobe:{work}:* { @[func] = count(); @names[probe] = count(); }",
        "call 40",
    );
    out.code(0).stdout_has("@[work_step]: 40\n").stdout_has("@[main]: 1\n");
    assert_eq!(out.int(&format!("@names[uprobe:{work}:work_step]")), 40);
    let session =
        Run::program(format!("config = {{ max_probes=100000 }} uprobe:{work}:* {{ @[func] = count(); }}")).start();
    session.wait_attached();
    let objects = Objects::of_process(session.pid());
    let (programs, links) = (objects.programs(), objects.links());
    session.interrupt().code(0);
    assert_eq!((programs, links), (1, 1));
}

#[test]
fn a_pattern_with_few_matches() {
    requires!(Bpf, Uprobes);
    let out = on_work("uprobe:{work}:work_ste[a-z] { @[func] = count(); }", "call 5");
    out.code(0).stdout_is("\n\n@[work_step]: 5\n").stderr_has("Attached 1 probe\n");
}

#[test]
fn a_place_in_a_function_and_an_address() {
    requires!(Bpf, Uprobes);
    on_work("uprobe:{work}:work_step+0 { @ = count(); }", "call 7").code(0).stdout_is("\n\n@: 7\n");
    let text = "uprobe:{work}:work_step+100000 { @ = count(); }";
    on_work(text, "call 7").code(1).stderr_has("Offset outside the function bounds ('work_step' size is ");
    on_work("uretprobe:{work}:work_step+4 { @ = count(); }", "call 7").code(1).stderr_has("Offset not allowed");
    on_work("uprobe:{work}:1 { @ = count(); }", "call 7").code(1).stderr_has("Could not resolve address: ");
}

#[test]
fn a_command_is_probed_alone() {
    requires!(Bpf, Uprobes);
    let work = sibling("work").display().to_string();
    let out = Run::program(format!("uprobe:{work}:work_step {{ @[pid == cpid] = count(); }}"))
        .child(format!("'{work}' call 1000"))
        .run(|_| {
            for _ in 0..3 {
                let status = std::process::Command::new(&work).args(["call", "10"]).status();
                assert!(status.is_ok_and(|status| status.success()));
            }
        });
    out.code(0);
    assert!(out.int("@[true]") > 0 && !out.stdout.contains("@[false]"), "{out}");
}

/// Something of this process to be probed.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn rt_uprobes_here(value: u64) -> u64 {
    std::hint::black_box(value) + 1
}

#[test]
fn a_process_is_probed_alone_and_names_its_own_program() {
    requires!(Bpf, Uprobes);
    let own = std::env::current_exe().expect("the test has a file").display().to_string();
    let pid = std::process::id().to_string();
    for place in ["rt_uprobes_here", &format!("{own}:rt_uprobes_here"), "*:rt_uprobes_her*"] {
        let text = format!("uprobe:{place} {{ @[pid] = sum(arg0); @p[probe] = count(); }}");
        let out = Run::program(text).arg("-p").arg(&pid).run(|_| {
            (0..5).for_each(|value| assert_eq!(rt_uprobes_here(value), value + 1));
        });
        out.code(0).stderr_has("Attached 1 probe\n");
        out.stdout_is(&format!("\n\n@[{pid}]: 10\n@p[uprobe:{own}:rt_uprobes_here]: 5\n"));
    }
    // Another process is not seen, though it has the function too.
    let work = sibling("work").display().to_string();
    let out = Run::program(format!("uprobe:{work}:work_step {{ @ = count(); }}")).arg("-p").arg(&pid).run(|_| {
        let status = std::process::Command::new(&work).args(["call", "10"]).status();
        assert!(status.is_ok_and(|status| status.success()));
    });
    out.code(0).stdout_is("\n\n").stderr_has("Attached 1 probe\n");
}

#[test]
fn libraries_and_programs_go_by_name() {
    requires!(Bpf, Uprobes, File("/etc/ld.so.cache"), File("/lib64/ld-linux-x86-64.so.2"));
    for library in ["libc", "libc.so.6"] {
        let out = on_work(&format!("uprobe:{library}:getenv {{ @ = count(); }}"), "exit 0");
        out.code(0).stderr_has("Attached 1 probe\n");
    }
    let out = on_work("uprobe:libc:write { @calls = count(); @bytes = sum(arg2); }", "echo hello");
    out.code(0).stdout_has("@bytes: 6\n").stdout_has("@calls: 1\n");
}

#[test]
fn what_is_missing_is_named() {
    requires!(Uprobes);
    let rejected = |text: &str, words: &[&str]| {
        let out = Run::program(text).to_end();
        out.code(1).stdout_is("").stderr_has("stdin:1:1-");
        words.iter().for_each(|word| {
            out.stderr_has(word);
        });
        assert!(!out.attached, "{out}");
    };
    let work = sibling("work").display().to_string();
    let near = format!("uprobe:{work}:work_stp {{ @ = 1; }}");
    rejected(&near, &[&format!("ERROR: No matches for uprobe {work}:work_stp."), "did you mean work_step?"]);
    rejected(
        "uprobe:/no/such/file:main { @ = 1; }",
        &["ERROR: uprobe target file '/no/such/file' does not exist or is not executable"],
    );
    rejected("uretprobe:libnosuch:main { @ = 1; }", &["uretprobe target file 'libnosuch' does not exist"]);
    rejected("uprobe:main { @ = 1; }", &["uprobe probe type requires 2 or 3 arguments, found 1", "-p PID"]);
    rejected("uprobe:*:main { @ = 1; }", &["use -p PID"]);
    rejected(&format!("uprobe:{work}:nosuch* {{ @ = 1; }}"), &["ERROR: Probe has no valid attach points."]);
    let text = Scratch::file("no-program", "plain text\n");
    let path = text.path().display().to_string();
    rejected(&format!("uprobe:{path}:main {{ @ = 1; }}"), &["not an ELF file"]);
    rejected(&format!("uprobe:{work}: {{ @ = 1; }}"), &["uprobe should be attached to a function and/or address"]);
}

#[test]
fn builtins_are_refused_where_they_mean_nothing() {
    requires!(Uprobes);
    let work = sibling("work").display().to_string();
    for (text, words) in [
        (format!("uretprobe:{work}:work_step {{ @ = arg0; }}"), "The arg0 builtin can only be used with"),
        (format!("uprobe:{work}:work_step {{ @ = retval; }}"), "The retval builtin can only be used with"),
        ("interval:s:1 { @ = func; }".to_owned(), "The func builtin can not be used with 'interval' probes"),
        ("interval:s:1 { @ = retval; }".to_owned(), "The retval builtin can only be used with"),
    ] {
        Run::program(text).to_end().code(1).stdout_is("").stderr_has(words);
    }
}

#[test]
fn blocks_on_one_function_run_in_the_order_of_the_script() {
    requires!(Bpf, Uprobes);
    for provider in ["uprobe", "uretprobe"] {
        let text =
            "PROVIDER:{work}:work_step { printf(\"first\"); } PROVIDER:{work}:work_step { printf(\" second\\n\"); }";
        let out = on_work(&text.replace("PROVIDER", provider), "call 3");
        out.code(0).stdout_is("first second\nfirst second\nfirst second\n\n\n");
    }
}

const SHAPES: &str = r#"
struct inner { int x, y; };
struct shape { const char *name; struct inner inner; char text[8]; struct shape *next; unsigned low : 3, high : 5; };
__attribute__((noinline)) int area(struct shape *shape, int scale, unsigned char edge, double factor, long last) {
  __asm__ volatile("" ::: "memory"); return shape->inner.x * scale + edge + (int)factor + (int)last; }
struct shape next = { "circle", { 7, 8 }, "round", 0, 1, 2 };
struct shape shape = { "square", { 3, -4 }, "edge", &next, 5, 17 };
int main(void) { return area(&shape, -2, 200, 1.5, 1L << 40) == 0; }
"#;

#[test]
fn arguments_have_names_and_types_where_there_is_debug_information() {
    requires!(Bpf, Uprobes, Program("cc"));
    for (name, options) in [("shapes-o0", &["-g", "-O0"]), ("shapes-o2", &["-g", "-O2"])] {
        let program = Scratch::compiled(name, SHAPES, options);
        let path = program.path().display();
        let text = format!(
            r#"uprobe:{path}:area {{
                printf("%d %d %ld\n", args.scale, args.edge, args.last);
                printf("%s %d %s\n", str(args.shape.name), args.shape->inner.y, args.shape.next.text);
                print((args.shape.low, args.shape.high, args.shape.inner));
                print(((struct shape *)arg0).next.inner.x);
                print(sizeof(struct shape));
            }}"#
        );
        let out = Run::program(text).child(path.to_string()).to_end();
        out.code(0).stdout_is("-2 200 1099511627776\nsquare -4 round\n(5, 17, { .x = 3, .y = -4 })\n7\n40\n\n\n");
        Run::bare().arg("-lv").arg(format!("uprobe:{path}:area")).to_end().code(0).stdout_is(&format!(
            "uprobe:{path}:area\n    struct shape* shape\n    int scale\n    unsigned char edge\n    double factor\n    long int last\n"
        ));
    }
}

#[test]
fn a_line_of_source_is_a_place() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = Scratch::compiled("line", SHAPES, &["-g", "-O0"]);
    let path = program.path().display();
    let line = SHAPES.lines().position(|line| line.contains("int area(")).expect("its text") + 1;
    // The file's own name, whatever the folder.
    let source = program.path().file_name().map(|name| format!("{}.c", name.display())).expect("a name");
    let text = format!(
        r#"uprobe:{path}@{source}:{line} {{ @at = reg("ip"); @scale = args.scale; }}
        uprobe:{path}:area {{ @begins = reg("ip"); }}
        uprobe:{path}@{source}:{} {{ @later = reg("ip"); @func = func; }}"#,
        line + 1
    );
    let out = Run::program(text).child(path.to_string()).to_end();
    out.code(0).stdout_has("@scale: -2\n").stdout_has("@func: area\n");
    assert_eq!(out.int("@at"), out.int("@begins"));
    assert!(out.int("@later") > out.int("@at"));
    let refused = |place: &str, why: &str| {
        Run::program(format!("uprobe:{path}@{place} {{ @ = 1; }}")).to_end().code(1).stderr_has(why);
    };
    refused(&format!("{source}:1"), &format!("the next line with code is {line}"));
    refused("other.c:1", "No compilation unit matches other.c");
}

#[test]
fn all_arguments_at_once_are_a_record() {
    requires!(Bpf, Uprobes, Program("cc"));
    let source = "__attribute__((noinline)) int f(int *n, char c) { return *n + c; }
        int main(void) { int n = 13; return f(&n, 'x') == 0; }";
    let program = Scratch::compiled("record", source, &["-g", "-O0"]);
    let path = program.path().display();
    let text = format!("uprobe:{path}:f {{ @[(c=args.c, d=1)] = args; @all = args; print(@all.c); }}");
    let out = Run::program(text).child(path.to_string()).to_end();
    out.code(0).stdout_has("120\n").stdout_has(".c = 120 }").stdout_has("@[{ .c = 120, .d = 1 }]: { .n = 0x");
}

#[test]
fn what_debug_information_does_not_say_is_refused() {
    requires!(Uprobes, Program("cc"));
    let program = Scratch::compiled("refused", SHAPES, &["-g", "-O0"]);
    let path = program.path().display();
    let refused = |body: &str, why: &str| {
        Run::program(format!("uprobe:{path}:area {{ {body} }}")).to_end().code(1).stderr_has(why);
    };
    refused("print(args.sclae);", "did you mean `scale`?");
    refused("print(args.factor);", "`factor` is not in a general register");
    refused("print(args.shape.nmae);", "did you mean `name`?");
    refused("print(((struct shap *)arg0).name);", "unknown type \"struct shap\"");
    let bare = Scratch::compiled("bare", SHAPES, &["-O0"]);
    let text = format!("uprobe:{}:area {{ print(args.scale); }}", bare.path().display());
    Run::program(text).to_end().code(1).stderr_has("where a function with debug information (DWARF) is entered");
    let all = format!("uprobe:{}:area {{ print(args); }}", bare.path().display());
    Run::program(all).to_end().code(1).stderr_has("area has no arguments with names");
}

#[test]
fn what_cannot_be_checked_takes_unsafe() {
    requires!(Bpf, Uprobes, Program("cc"));
    // A symbol without a size, and a file of bare code.
    let source = r#"__asm__(".globl bare\n.type bare,@function\nbare: nop\n ret\n"); void bare(void); int main(void) { bare(); return 0; }"#;
    let program = Scratch::compiled("sizeless", source, &["-O0"]);
    let path = program.path().display();
    let text = format!("uprobe:{path}:bare {{ @ = count(); }}");
    Run::program(&text).to_end().code(1).stderr_has("Could not determine boundary for bare").stderr_has("--unsafe");
    Run::program(&text).arg("--unsafe").child(path.to_string()).to_end().code(0).stdout_is("\n\n@: 1\n");
    let code = Scratch::executable("flat.bin", [0x90u8; 64]);
    let text = format!("uprobe:{}:0x10 {{ @ = 1; }} begin {{ exit(); }}", code.path().display());
    Run::program(&text).to_end().code(1).stderr_has("not an ELF file");
    Run::program(&text).arg("--unsafe").to_end().code(0);
}

/// Functions with the names that a compiler of C++ would give them.
const MANGLED: &str = "#define NAMED(type, f, symbol) __attribute__((noinline, noclone)) type f __asm__(symbol); type f
    NAMED(int, one(int n), \"_ZN2ns3Foo3barEi\") { __asm__(\"\"); return n + 1; }
    NAMED(int, two(const char *t, long n), \"_ZN2ns3Foo3barEPKcl\") { __asm__(\"\"); return t[0] + n; }
    NAMED(int, get(void), \"_ZNK2ns3Foo3getEv\") { __asm__(\"\"); return 7; }
    NAMED(int, templated(int n), \"_ZN2ns4tmplIiLi4EEET_S1_\") { __asm__(\"\"); return n; }
    NAMED(int, first(int n), \"_ZN2ns3FooC1Ei\") { __asm__(\"\"); return n; }
    int second(int) __asm__(\"_ZN2ns3FooC2Ei\") __attribute__((alias(\"_ZN2ns3FooC1Ei\")));
    int main(void) { return one(1) + two(\"a\", 2) + get() + templated(3) + first(4) == 0; }";

#[test]
fn names_of_cpp() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = Scratch::compiled("mangled", MANGLED, &["-g", "-O1"]);
    let path = program.path().display().to_string();
    let seen = |config: &str, point: &str| {
        let text = format!("{config} {point} {{ @[probe, func] = count(); }}").replace("FILE", &path);
        Run::program(text).child(&path).to_end().code(0).stdout.replace(&path, "FILE")
    };
    let both = "\n\n@[uprobe:FILE:cpp:_ZN2ns3Foo3barEPKcl, ns::Foo::bar(char const*, long)]: 1
@[uprobe:FILE:cpp:_ZN2ns3Foo3barEi, ns::Foo::bar(int)]: 1\n";
    assert_eq!(seen("", "uprobe:FILE:cpp:\"ns::Foo::bar\""), both);
    assert_eq!(seen("", "uprobe:FILE:cpp:\"ns::*::b[a]r\""), both);
    let one = "\n\n@[uprobe:FILE:cpp:_ZN2ns3Foo3barEi, ns::Foo::bar(int)]: 1\n";
    assert_eq!(seen("", "u:FILE:cpp:\"ns::Foo::bar(int)\""), one);
    assert_eq!(seen("", "u:FILE:cpp:\"*(int)\"").matches("]: 1").count(), 3);
    // A constructor with two names is called once.
    assert_eq!(seen("", "u:FILE:cpp:\"ns::Foo::*\"").matches("]: 1").count(), 4);
    let shown = seen("config = { cpp_demangle=0 }", "ur:FILE:cpp:\"ns::tmpl<int, 4>\", ur:FILE:cpp:main");
    let expected = "\n\n@[uretprobe:FILE:cpp:_ZN2ns4tmplIiLi4EEET_S1_, _ZN2ns4tmplIiLi4EEET_S1_]: 1
@[uretprobe:FILE:cpp:main, main]: 1\n";
    assert_eq!(shown, expected);
    let plain = seen("", "u:FILE:_ZNK2ns3Foo3getEv");
    assert_eq!(plain, "\n\n@[uprobe:FILE:_ZNK2ns3Foo3getEv, ns::Foo::get() const]: 1\n");
    let argument = format!("uprobe:{path}:cpp:\"ns::Foo::bar(int)\" {{ print(args.n); }}");
    Run::program(argument).child(&path).to_end().code(0).stdout_is("1\n\n\n");
    let refused = |point: &str, why: &str| {
        Run::program(format!("uprobe:{path}:{point} {{}}")).to_end().code(1).stderr_has(why);
    };
    refused("cpp:\"ns::Foo::bra\"", "did you mean \"ns::Foo::bar\"");
    refused("cpp:\"ns::Foo::bra*\"", "no name fits the pattern");
    refused("cpp:ns::Foo::bar", "put the name in quotes: cpp:\"ns::Foo::bar\"");
    refused("cpp:\"ns::Foo::bar(int)\"+10000", "Offset outside the function bounds");
    refused("ada:bar", "unsupported language type: ada");
}

#[test]
fn names_of_cpp_are_listed() {
    requires!(Uprobes, Program("cc"));
    let program = Scratch::compiled("listed", MANGLED, &["-g", "-O1"]);
    let path = program.path().display().to_string();
    let list = |options: &str, what: &str| {
        let out = Run::bare().arg(options).arg(what.replace("FILE", &path)).to_end();
        out.code(0).stdout.replace(&path, "FILE")
    };
    let both = "uprobe:FILE:cpp:\"ns::Foo::bar(char const*, long)\"\nuprobe:FILE:cpp:\"ns::Foo::bar(int)\"\n";
    assert_eq!(list("-l", "uprobe:FILE:cpp:\"ns::Foo::bar\""), both);
    assert_eq!(list("-l", "uprobe:FILE:cpp:\"ns::Foo::bar(char const*, long)\",uprobe:FILE:cpp:*bar(int)"), both);
    let with = "uprobe:FILE:cpp:\"ns::Foo::bar(int)\"\n    int n\n";
    assert_eq!(list("-lv", "uprobe:FILE:cpp:\"ns::Foo::bar(int)\""), with);
    let all = list("-l", "uprobe:FILE:cpp:*");
    assert!(all.contains("cpp:\"int ns::tmpl<int, 4>(int)\"\n") && all.contains("cpp:main\n"), "{all}");
    assert_eq!(all.matches("ns::Foo::Foo(int)").count(), 1, "{all}");
    let script = format!("uprobe:{path}:cpp:\"ns::Foo::bar\" {{}}");
    let out = Run::bare().arg("-l").arg("-e").arg(script).to_end();
    assert_eq!(out.code(0).stdout.replace(&path, "FILE"), both);
}

#[test]
fn a_probe_may_have_a_name() {
    requires!(Bpf, Uprobes);
    let out = on_work("first=begin, a.b=uprobe:{work}:work_step { @[probetype] = count(); }", "call 3");
    out.code(0).stdout_is("\n\n@[special]: 1\n@[uprobe]: 3\n");
}

#[test]
fn a_function_without_a_size_is_trusted_only_if_told_so() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = Scratch::compiled("sizeless", "int main(void) { return 0; }", &[]);
    let path = program.path().display().to_string();
    let run = |options: &[&str]| {
        let script = format!("uprobe:{path}:_init {{ @n = count(); }}");
        options.iter().fold(Run::program(script).child(&path), |run, option| run.arg(*option)).to_end()
    };
    run(&[]).code(1).stderr_has("Could not determine boundary for _init (symbol has size 0).").stderr_has("--unsafe");
    run(&["--unsafe"]).code(0).stdout_is("\n\n@n: 1\n");
}

#[test]
fn names_of_cpp_in_a_process_need_no_file() {
    requires!(Bpf, Uprobes, Program("cc"));
    let source = "#include <unistd.h>
        int f(int) __asm__(\"_ZN2ns3Foo3barEi\");
        __attribute__((noinline)) int f(int n) { __asm__(\"\"); return n; }
        int main(void) { for (int i = 0; i < 3000; i++) { f(3); usleep(10000); } }";
    let program = Scratch::compiled("endless", source, &["-O1"]);
    let path = program.path().display().to_string();
    let mut process = std::process::Command::new(program.path()).spawn().expect("it was compiled to be run");
    let pid = process.id().to_string();
    let traced = Run::program("uprobe:cpp:\"ns::Foo::bar\" { print((probe, func)); exit(); }").arg("-p").arg(&pid);
    let traced = traced.to_end();
    let listed = Run::bare().arg("-l").arg("uprobe:cpp:ns::Foo::*").arg("-p").arg(&pid).to_end();
    process.kill().and_then(|()| process.wait()).expect("it is our own child");
    traced.code(0).stdout_is(&format!("(uprobe:{path}:cpp:_ZN2ns3Foo3barEi, ns::Foo::bar(int))\n\n\n"));
    listed.code(0).stdout_is(&format!("uprobe:{path}:cpp:\"ns::Foo::bar(int)\"\n"));
}
