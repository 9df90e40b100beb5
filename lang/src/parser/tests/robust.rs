//! Text that nobody would write: every prefix of real scripts, and real scripts with damage.

use crate::diag::Diagnostic;
use crate::effort::{assert_in_proportion, effort};
use crate::parse;
use crate::span::Span;
use std::time::Duration;

/// The longest of all takes a sixth of this.
const LIMIT: Duration = Duration::from_secs(1);

/// Scripts that parse.
pub(crate) const SCRIPTS: &[&str] = &[
    "kprobe:vfs_read { @[comm] = count(); }",
    "tracepoint:syscalls:sys_enter_openat /pid == 12 / 2 && comm != \"bash\"/ {\n  @[comm, str(args.filename)] = count();\n  \
     printf(\"%d %s\\n\", pid, comm);\n}\n",
    "kprobe:a < @++ > kprobe:b < if (arg0 > 5) { @b = $1 ?: 2 } else if !arg1 { return } else { @c[(1, 2)] -= 1 } >",
    "#!/usr/bin/rtrace\n// comment\nBEGIN, interval:s:1/pid/ { /* c */ let $x: struct foo * = (struct foo *)arg0; \
     $y = $x->a.b[3] >> 0x1f; @m[$y] = hist(sizeof(uint8) + sizeof($x)); }\nend { clear(@m); }",
    "uprobe:\"/bin/b ash\":\"f(int, {)\", uretprobe:./a/b:g+0x10 /retval >= -1/ { $a = 1 ? 2 : 3 ? 4 : 5; @ = 10ms + 1e6; \
     { @x++; --@y; } $a.0 = !~*&$b; exit(); }",
    "macro m(a, $b, @c) { let $x: typeof(a) = (a*)$b; @c[$x] = { 1 }; if a { $b } else { $x } } begin { \
     while ($i < 3) { break; } for ($i : 0..5) { continue; } for $k : @m { } unroll 3 { f(&$x); } \
     $r = (a=1, b=(c=2,)); m(typeof(uint8*[4]), $r, @q); @s = sizeof(x[1]) + offsetof(struct a, b.c) + comptime 1; }",
    "config = { max_strlen=0x40; license=\"GPL v2\"; cpp_demangle = false }\nimport \"a.bt\";\nlet @a = lruhash(1e3)\n\
     let @ = hash(5); BEGIN { @a[1] = 2 } let @b = percpuhash(7);",
    "profile:hz:99 { @[kstack, \"é\\x41\\n\"] = lhist($#, 0, 100, 10); if $a > 2 || false { print((1,)); } _ = f(); }",
];

/// What holds of every result.
fn check_result(text: &str) -> crate::Parse {
    let (parsed, took) = effort(|| parse(text));
    assert!(took < LIMIT, "{took:?} for {text:?}");
    let inside = |span: Span| span.start <= span.end && text.get(span.range()).is_some();
    for Diagnostic { span, title, related, .. } in &parsed.diagnostics {
        assert!(inside(*span), "{span:?} of {title:?} in {text:?}");
        assert!(!title.is_empty() && !title.ends_with('.'), "{title:?}");
        assert!(related.iter().all(|label| inside(label.span)), "{text:?}");
    }
    // Every span of the tree is in its debug text; the error nodes too are told of.
    let tree = format!("{:?}", parsed.script);
    for span in tree.split("span: ").skip(1) {
        let numbers = span.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or("");
        let (start, end) = numbers.split_once("..").expect("a span shows as start..end");
        let span = Span::new(start.parse().expect("a number"), end.parse().expect("a number"));
        assert!(inside(span), "{span:?} in {text:?}");
    }
    if parsed.diagnostics.is_empty() {
        assert!(!tree.contains("Error"), "an error without a diagnostic in {text:?}");
    }
    parsed
}

#[test]
fn every_prefix_of_a_script_is_complete_or_incomplete() {
    for script in SCRIPTS {
        assert_eq!(check_result(script).diagnostics, [], "{script}");
        for (end, _) in script.char_indices() {
            let prefix = &script[..end];
            let parsed = check_result(prefix);
            let empty = parsed.diagnostics.iter().all(|d| d.title.starts_with("no probes"));
            assert!(empty || parsed.is_incomplete() || prefix == "#", "{prefix:?}: {:#?}", parsed.diagnostics);
        }
    }
}

#[test]
fn damaged_scripts_do_no_harm() {
    let pieces = [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        "/",
        ";",
        ",",
        ":",
        "?",
        "=",
        "==",
        "++",
        "-",
        "->",
        ".",
        "..",
        "\"",
        "'",
        "/*",
        "*/",
        "//",
        "#",
        "$",
        "@",
        "$x",
        "@x",
        "if",
        "else",
        "while",
        "let",
        "(uint8)",
        "struct",
        "1",
        "0x",
        "1e",
        "\\",
        "\n",
        " ",
        "é",
        "\0",
        "kprobe:f",
        "begin",
        "config =",
        "for (",
        ">>",
        "a:b",
        "macro ",
        "typeof(",
        "comptime",
        "{ 1 }",
        "(a=1",
        "for ($i : 0..3) {",
        "unroll",
        "$x : ",
        "config =",
        "import",
        "hash(",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..6_000 {
        let mut text = SCRIPTS[round % SCRIPTS.len()].to_owned();
        for _ in 0..=random.below(4) {
            let boundary = |text: &str, at: usize| (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            let from = boundary(&text, random.below(text.len() + 1));
            let to = boundary(&text, (from + random.below(12)).min(text.len())).max(from);
            match random.below(3) {
                0 => text.replace_range(from..to, ""),
                1 => text.insert_str(from, pieces[random.below(pieces.len())]),
                _ => text.replace_range(from..to, pieces[random.below(pieces.len())]),
            }
        }
        check_result(&text);
    }
}

#[test]
fn random_pieces_do_no_harm() {
    let pieces: Vec<&str> =
        SCRIPTS.iter().flat_map(|script| script.split_inclusive([' ', '(', ';', ':', '{'])).collect();
    let mut random = Random(42);
    for _ in 0..2_000 {
        let count = random.below(40);
        let text: String = (0..count).map(|_| pieces[random.below(pieces.len())]).collect();
        check_result(&text);
    }
}

#[test]
fn much_of_the_same_takes_no_time() {
    for piece in [
        "}",
        ">",
        "<",
        "a < ",
        "a < 1 > ",
        "x:y < b > c { ",
        "/",
        "\"",
        "'",
        "/*",
        "a:b ",
        ",",
        ";",
        "$ ",
        "a:b { ; } ",
        "a:b { 1 2; ",
        "# ",
        "else ",
        "(1;",
        "a:b { @ > c:d ",
        "macro ",
        "macro m",
        "macro m(",
        "macro m() {",
        "if ",
        "(a=",
        "(typeof(",
        "sizeof(typeof(x) +",
        "{ 1 } + ",
        "f({ ",
    ] {
        for before in ["", "begin { ", "a:b < "] {
            let text = |times| format!("{before}{}", piece.repeat(times));
            check_result(&text(3_000));
            assert_in_proportion(3_000, &text(1), |times| drop(parse(&text(times))));
        }
    }
}

/// A small generator (xorshift): the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn broken_brackets_within_each_other_take_no_time() {
    let deep = "[!!I".repeat(60);
    for text in [format!("[/-II{deep}[!w\u{7f}\u{1}!"), format!("begin {{ {} ) }}", "f(!!a[(1 ".repeat(60))] {
        // Each bracket once: milliseconds. Twice or more at each level: longer than the universe has been.
        assert!(!check_result(&text).diagnostics.is_empty());
    }
}

#[test]
fn what_one_item_leaves_open_to_doubt_is_no_matter_of_the_next() {
    // A `>` of the first block may have been meant to close it; the second item must not go back to it.
    for text in ["{é>begin é}6{", "{>begin }6{", "{ >kprobe:f } $x {", "begin {>end } ; struct x {"] {
        let parsed = parse(text);
        assert!(parsed.diagnostics.iter().any(Diagnostic::is_error), "{text}");
    }
}
