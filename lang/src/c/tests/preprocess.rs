//! Directives, macros and headers in scripts.

use crate::c::{Header, Headers};
use crate::dump::dump;
use crate::parser::{Parse, parse_at};
use crate::{carets, parse};

/// What the tree of a script shows, as one line.
fn tree(text: &str) -> String {
    let parsed = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    line(&dump(&parsed.script))
}

fn line(dump: &str) -> String {
    dump.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The tree of `begin { body }` behind some directives is that of another body without.
#[track_caller]
fn same(directives: &str, body: &str, plain: &str) {
    assert_eq!(
        tree(&format!("{directives}\nbegin {{ {body} }}")),
        tree(&format!("begin {{ {plain} }}")),
        "{directives} {body}"
    );
}

#[track_caller]
fn check(marked: &str) {
    carets::check(marked, |text| {
        let parsed = parse(text);
        let diagnostics = parsed.diagnostics.clone();
        (parsed, diagnostics)
    });
}

#[test]
fn a_name_becomes_its_macro() {
    same("#define A 5", "$x = A;", "$x = 5;");
    same("#define A 5\n#define B A", "$x = B;", "$x = 5;");
    same("#define B A\n#define A 5", "$x = B;", "$x = 5;");
    same("#define S \"a\\n\"", "print(S);", "print(\"a\\n\");");
    same("#define T struct task_struct *", "$x = (T)arg0;", "$x = (struct task_struct *)arg0;");
    same("#define P(x) ((struct task_struct *)x)", "print(P(arg0)->pid);", "print(((struct task_struct *)arg0)->pid);");
    same("#define STEP $i++; $j = $i", "$i = 0; STEP;", "$i = 0; $i++; $j = $i;");
    same("#define NOTHING", "NOTHING $x = 1; NOTHING", "$x = 1;");
    same("#define SAY printf", "SAY(\"a\");", "printf(\"a\");");
    same("#define N 10UL\n#define M 0xFFu\n#define C 'a'", "$x = N + M + C;", "$x = 10ul + 255u + 97;");
    same("  #  define A \\\n 5 /* five */ // 5", "$x = A;", "$x = 5;");
    same("#define A 1\n#undef A\n#define A 2\n#define A 3", "$x = A;", "$x = 3;");
    same("#define MAP @m[pid, 1]", "MAP = 1;", "@m[pid, 1] = 1;");
}

#[test]
fn an_operation_is_one_value() {
    same("#define A 1 + 2", "$x = A * 3;", "$x = (1 + 2) * 3;");
    same("#define A (u32)$y << 2", "$x = A * 3;", "$x = ((u32)$y << 2) * 3;");
    same("#define A -1", "$x = A - A;", "$x = -1 - -1;");
    same("#define F(x) x + 1", "$x = F(2) * 3;", "$x = 2 + 1 * 3;");
}

#[test]
fn macros_with_arguments() {
    same(
        "#define MIN(a, b) ((a) < (b) ? (a) : (b))",
        "$x = MIN(1, @y[2, 3]);",
        "$x = (1) < (@y[2, 3]) ? (1) : (@y[2, 3]);",
    );
    same("#define F(x) G(x)\n#define G(x) x + x", "$x = F(F(1));", "$x = 1 + 1 + 1 + 1;");
    same("#define F() 7", "$x = F();", "$x = 7;");
    same("#define F G\n#define G(x) x", "$x = F(4);", "$x = 4;");
    same("#define CAT(a, b) a##b\n#define xy 3", "$x = CAT(x, y);", "$x = 3;");
    same("#define STR(a) #a", "print(STR(a + \"b\"));", "print(\"a + \\\"b\\\"\");");
    same(
        "#define LOG(f, ...) printf(f, ##__VA_ARGS__)",
        "LOG(\"a\"); LOG(\"%d\", 1);",
        "printf(\"a\"); printf(\"%d\", 1);",
    );
    same("#define LOG(...) printf(__VA_ARGS__)", "LOG(\"%d %d\", 1, 2);", "printf(\"%d %d\", 1, 2);");
}

#[test]
fn names_that_stay_themselves() {
    same("#define A A", "print(A);", "print(A);");
    same("#define A B\n#define B A", "print(A);", "print(A);");
    same(
        "#define pid 5\n#define if 6\n#define print nothing",
        "if (pid == 1) { print(1); }",
        "if (pid == 1) { print(1); }",
    );
    same(
        "#define fd 5",
        "print(args.fd); print($x->fd); print($fd); print(@fd);",
        "print(args.fd); print($x->fd); print($fd); print(@fd);",
    );
    same("#define F(x) x", "print(F);", "print(F);");
}

#[test]
fn branches() {
    let script = |lines: &str| tree(&format!("{lines}\nbegin {{ print(A); }}"));
    let chosen = |lines: &str, value: &str| {
        assert_eq!(script(lines), tree(&format!("begin {{ print({value}); }}")), "{lines}");
    };
    chosen("#ifdef BPFTRACE_HAVE_BTF\n#define A 1\n#else\n#define A 2\n#endif", "1");
    chosen("#ifndef RTRACE_HAVE_BTF\n#define A 1\n#else\n#define A 2\n#endif", "2");
    chosen(
        "#define X 3\n#if X == 2\n#define A 1\n#elif X > 2 && defined(X) && !defined Y\n#define A 2\n#else\n#define A 3\n#endif",
        "2",
    );
    chosen("#if 0\n#if 1\n#define A 1\n#endif\n#else\n#define A 2\n#endif", "2");
    chosen("#if UNKNOWN || (1 << 40) < 0 || -1 > 0u == 0\n#define A 1\n#else\n#define A 2\n#endif", "2");
    // What does not count need not make sense.
    chosen("#if 0\nkprobe:f { print( don't \"\n/* #endif */ #define\n# nonsense\nstruct {\n#endif\n#define A 4", "4");
    let two = "#if 1\nkprobe:a { }\n#else\nkprobe:b { }\n#endif\nkprobe:c { }";
    assert_eq!(tree(two), tree("kprobe:a { } kprobe:c { }"));
    let within = "struct s {\n#define N 4\n int a[N];\n#ifdef NO\n nonsense !\n#endif\n char b; };\nbegin { }";
    assert_eq!(parse(within).script.c.records[0].members.len(), 2);
}

#[test]
fn definitions_between_probes() {
    let parsed = parse(
        "#!/usr/bin/rtrace\nstruct a { int x; } struct b { int x; };\nenum e { A, B }\nunion u { int x; } __attribute__ ((packed)) /**/ __attribute__((aligned(1)))\n\
         struct __attribute__((packed)) c { int x; char y }\ntypedef struct { int x; } t, *p;\nstruct later;\nbegin { }\nstruct d { struct a x; };\nkprobe:f { }",
    );
    assert_eq!(parsed.diagnostics, []);
    let names: Vec<_> = parsed.script.c.records.iter().map(|record| record.name.as_deref().unwrap_or("-")).collect();
    assert_eq!(names, ["a", "b", "u", "c", "-", "d"]);
    assert_eq!(parsed.script.c.typedefs.len(), 2);
    assert_eq!(parsed.script.probes.len(), 2);
}

#[test]
fn mistakes() {
    check(
        r#"
  #define
//^^^^^^^ error: expected a name after `#define`
begin { }
"#,
    );
    check(
        r#"
  #if 1
//^^^^^ error: this condition has no `#endif`
begin { }
"#,
    );
    check(
        r#"
  #endif
//^^^^^^ error: `#endif` without `#if`
begin { }
"#,
    );
    check(
        r#"
  #if 1 +
       //^ error: expected an expression
#endif
begin { }
"#,
    );
    check(
        r#"
  #error too  old...
//^^^^^^^^^^^^^^^^^^ error: too old
begin { }
"#,
    );
    check(
        r#"
  #include <lol/no.h>
//^^^^^^^^^^^^^^^^^^^ error: 'lol/no.h' file not found
  #include "no.h"
//^^^^^^^^^^^^^^^ error: 'no.h' file not found
#include <linux/fs.h>
#include <net/sock.h>
begin { }
"#,
    );
    check(
        r#"
begin {
  #define A 5
//^^^^^^^ error: `#define` cannot stand inside a probe | it stands before the probes
  # words
//^ error: unexpected `#` | comments begin with //
}
"#,
    );
    check(
        r#"
#define F(a, b) a
begin { print(F(1)); }
            //^ error: the macro `F` takes 2 arguments, here are 1
"#,
    );
    check(
        r#"
#define HALF if (1) {
begin { HALF print(1); }
      //^^^^ error: in what the macro `HALF` becomes: expected `}` to close this block
"#,
    );
    check(
        r#"
#define BAD 089
begin { print(BAD); }
            //^^^ error: in what the macro `BAD` becomes: `8` is not an octal digit
"#,
    );
    check(
        r#"
struct a { int x; } y;
                   //^ error: expected `{` to open the probe's body, found `;`
"#,
    );
    check(
        r#"
struct a { int x y; };
               //^ error: expected `;` after this member, found `y`
begin { }
"#,
    );
}

#[test]
fn what_is_not_complete_may_be_continued() {
    for text in [
        "struct a {",
        "struct a { int x;",
        "struct a { int x; /* ",
        "enum e { A, ",
        "typedef int t",
        "#if 1",
        "#ifdef X\nbegin { }",
        "#define F(x) x\nbegin { F(1",
        "struct a",
    ] {
        let parsed = parse(text);
        assert!(parsed.is_incomplete(), "{text}: {:?}", parsed.diagnostics);
    }
}

/// Headers by their names.
struct Files {
    user: &'static [(&'static str, &'static str)],
    machine: &'static [(&'static str, &'static str)],
    included: Vec<String>,
}

impl Files {
    fn header(files: &[(&str, &str)], name: &str) -> Option<Header> {
        let (_, text) = files.iter().find(|(known, _)| *known == name)?;
        Some(Header { path: name.to_owned(), text: (*text).to_owned() })
    }
}

impl Headers for Files {
    fn has_btf(&self) -> bool {
        true
    }

    fn user_header(&self, name: &str, quoted: bool, _from: Option<&str>) -> Option<Header> {
        quoted.then(|| Self::header(self.user, name)).flatten()
    }

    fn machine_header(&self, name: &str) -> Option<Header> {
        Self::header(self.machine, name)
    }

    fn included(&self) -> &[String] {
        &self.included
    }
}

fn read(text: &str, files: &Files) -> Parse {
    parse_at(text, 0, files)
}

#[test]
fn headers_are_read() {
    let files = Files {
        user: &[
            (
                "a.h",
                "#ifndef A_H\n#define A_H\n#include \"b.h\"\n#define A (B + 1)\nstruct a { int x[A]; struct b b; };\nint f(struct a *);\n\
                static inline int g(void) { return 1; }\ntypedef struct a a_t;\nextern int h, i[3];\nvoid k(void) { struct z { int q; }; }\nenum e { E1, E2 };\n#endif\n",
            ),
            ("b.h", "#pragma once\n#include \"a.h\"\n#define B 3\nstruct b { nope_t x; }; struct c { char c; };"),
            ("loop.h", "#include \"loop.h\"\n"),
            ("open.h", "#if 1\n#define OPEN 1\n"),
            ("first.h", "#define FIRST 1\n"),
        ],
        machine: &[(
            "sys/x.h",
            "#define __P(x) x\n#define X_1 0x1FUL\nextern int f __P((int));\nstruct x { long l; };\n#include <missing.h>\n",
        )],
        included: vec!["first.h".to_owned()],
    };
    let text = "#include \"a.h\"\n#include \"b.h\"\n#include <sys/x.h>\n#include \"open.h\"\nbegin { print(A); print(X_1); print(FIRST); }";
    let parsed = read(text, &files);
    assert_eq!(parsed.diagnostics, []);
    assert_eq!(line(&dump(&parsed.script)), tree("begin { print(3 + 1); print(31ul); print(1); }"));
    let names: Vec<_> = parsed.script.c.records.iter().filter_map(|record| record.name.as_deref()).collect();
    assert_eq!(names, ["b", "c", "a", "x"]);
    let endless = read("#include \"loop.h\"\nbegin { }", &files);
    assert_eq!(endless.diagnostics.len(), 1);
}

#[test]
fn numbers_in_headers_of_the_kernel_are_found() {
    let files = Files {
        user: &[],
        machine: &[
            (
                "linux/x.h",
                "#ifdef __KERNEL__\n#include \"y.h\"\n#define XX_FLAG (1 << 3)\n#endif\n#define XX_IO(n) _XX(n, 2)\nstruct x { broken",
            ),
            ("linux/y.h", "#define _XX(a, b) ((a) | (b))\n#define XX_SELF XX_SELF\n#define lower 5\n"),
        ],
        included: Vec::new(),
    };
    let text = "#include <linux/x.h>\nbegin { print(XX_FLAG); print(XX_IO(1)); print(XX_SELF); print(lower); print(XX_NONE); }";
    let parsed = read(text, &files);
    assert_eq!(parsed.diagnostics, []);
    let expected = "begin { print(1 << 3); print((1) | (2)); print(XX_SELF); print(lower); print(XX_NONE); }";
    assert_eq!(line(&dump(&parsed.script)), tree(expected));
}
