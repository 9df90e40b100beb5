//! Text that nobody would write.

use crate::effort::{assert_in_proportion, effort};
use crate::parse;
use std::time::Duration;

/// The longest of all takes a sixth of this.
const LIMIT: Duration = Duration::from_secs(1);

fn check(text: &str) {
    let (parsed, took) = effort(|| parse(text));
    let shown = &text[..text.floor_char_boundary(200)];
    assert!(took < LIMIT, "{took:?} for {shown:?}");
    for diagnostic in &parsed.diagnostics {
        let span = diagnostic.span;
        assert!(text.get(span.range()).is_some(), "{diagnostic:?} in {shown:?}");
        assert!(!diagnostic.title.is_empty() && !diagnostic.title.ends_with('.'), "{diagnostic:?}");
    }
}

#[test]
fn macros_that_grow_or_never_end() {
    let doubling: String = (0..64).map(|i| format!("#define A{i} A{} A{}\n", i + 1, i + 1)).collect();
    check(&format!("{doubling}begin {{ A0 }}"));
    check(&format!("{doubling}struct a {{ int x[A0]; }};\nbegin {{ A0 }} end {{ A0 }}"));
    let arguments: String = (0..64).map(|i| format!("#define F{i}(x) F{}(x x)\n", i + 1)).collect();
    check(&format!("{arguments}begin {{ F0(1) }}"));
    check(&format!("#define F(x) x\nbegin {{ {}1{} }}", "F(".repeat(5000), ")".repeat(5000)));
    check(&format!("#define F(x) x\nbegin {{ {} }}", "F(".repeat(5000)));
    check(&format!("#define F(x) x x\nbegin {{ {}1{} }}", "F(".repeat(100), ")".repeat(100)));
    check(&format!("#define F(x) F (x)\n#define G F\nbegin {{ {} }}", "G(1) F(F)(G)(2) ".repeat(500)));
    check(&format!("#define P {}\nbegin {{ {} }}", "(".repeat(1000), "P ".repeat(1000)));
    check(&format!("#define A(x) x ## x\nbegin {{ {}a{} }}", "A(".repeat(60), ")".repeat(60)));
    let chain: String = (0..20_000).map(|i| format!("#define A{i} A{}\n", i + 1)).collect();
    check(&format!("{chain}begin {{ print(A0); }}"));
}

#[test]
fn much_of_the_same() {
    for piece in [
        "#if 1\n",
        "#if 0\n",
        "#else\n",
        "#endif\n",
        "#elif 1\n",
        "#define A\n",
        "#include \"x\"\n",
        "#",
        "# ",
        "#if (",
        "struct a {",
        "struct {",
        "struct a; ",
        "struct a { int x; } ",
        "enum { ",
        "typedef ",
        "typedef int x; ",
        "#define F(",
        "/* ",
        "\"\n",
        "#define A \\\n",
        "struct a { /* ",
        "__attribute__((",
        "##\n",
        "#error\n",
    ] {
        for before in ["", "begin { } ", "struct a { ", "#if 0\n"] {
            let text = |times| format!("{before}{}", piece.repeat(times));
            check(&text(1_000));
            assert_in_proportion(1_000, &text(1), |times| drop(parse(&text(times))));
        }
    }
}

#[test]
fn damaged_definitions_do_no_harm() {
    let script = "#include <linux/fs.h>\n#define N 3\n#define F(a, ...) a + __VA_ARGS__ ## a #a\n#if defined(N) && N > 2\n\
        struct a { int x[N]; struct { char b : 3, : 0; } c; int (*f)(int); } __attribute__((packed, aligned(8)))\n\
        #else\nenum e { A, B = (1 << N) | sizeof(int) ? 2 : 3 };\n#endif\ntypedef union { long l; } u, *p;\nbegin { print(F(N, 2)); $x = (struct a *)N; }\n";
    let pieces = [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ";",
        ",",
        ":",
        "#",
        "##",
        "\n",
        "\\\n",
        "N",
        "F",
        "F(",
        "#if 0\n",
        "#endif\n",
        "#else\n",
        "/*",
        "*/",
        "\"",
        "'",
        "é",
        "\0",
        "struct",
        "typedef",
        "*",
        "=",
        "__attribute__",
        "1",
        "0x",
        "sizeof",
        "-",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit.max(1) as u64) as usize
    };
    for _ in 0..2000 {
        let mut text = script.to_owned();
        for _ in 0..=below(4) {
            let from = text.floor_char_boundary(below(text.len() + 1));
            let to = text.floor_char_boundary((from + below(12)).min(text.len())).max(from);
            let piece = if below(3) == 0 { "" } else { pieces[below(pieces.len())] };
            text.replace_range(from..to, piece);
        }
        check(&text);
    }
    for (end, _) in script.char_indices() {
        check(&script[..end]);
    }
}
