//! What scripts become, and what is told of macros that are wrong.

use super::{MARK, expand, expansion, plain};
use crate::carets;
use crate::dump::dump;
use crate::parse;

/// The tree of a script without macros, on one line, the marks of names shown as `'`.
#[track_caller]
fn expanded(text: &str) -> String {
    let parsed = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    let expanded = expand(&parsed.script);
    assert_eq!(expanded.diagnostics, [], "{text}");
    assert!(expanded.script.macros.is_empty());
    dump(&expanded.script).replace(MARK, "'")
}

/// Whether a script with macros becomes what one without them is.
#[track_caller]
fn same(with: &str, without: &str) {
    assert_eq!(expanded(with), expanded(without), "{with}");
}

/// Checks what is told of a script's macros against the remarks in it.
#[track_caller]
fn check(marked: &str) {
    carets::check(marked, |text| {
        let parsed = parse(text);
        assert_eq!(parsed.diagnostics, [], "{text}");
        ((), expand(&parsed.script).diagnostics)
    });
}

#[test]
fn a_call_becomes_the_body() {
    same("macro one() { 1 } begin { print(one()); print(one); }", "begin { print(1); print(1); }");
    same("macro add(x) { x + 1 } begin { print(add(2 * 3)); }", "begin { print((2 * 3) + 1); }");
    same("macro add(x) { x + 1 } begin { $a = 1; print(add($a)); }", "begin { $a = 1; print($a + 1); }");
    same("macro inc($x, @y) { $x += 1; @y[$x]++; } begin { inc($a, @b); }", "begin { { $a += 1; @b[$a]++; } }");
    same("macro v(x) { x; x; } begin { v({ f(); }); }", "begin { { { f(); } { f(); } } }");
    same("macro yes() { true } k:f /yes/ { } k:g /yes() && 1/ { }", "k:f /true/ { } k:g /true && 1/ { }");
    same("macro m(a) { if (a) { 1 } else { 2 } } begin { $x = m(3); }", "begin { $x = if (3) { 1 } else { 2 }; }");
    same("macro m(a) { if (a) { f() } } begin { m(3); }", "begin { if (3) { f() } }");
    same(
        "macro l(@m) { for ($k : @m) { g(); } } macro r($n) { while $n { unroll 3 { break; } } } begin { r($z) }",
        "begin { { while $z { unroll 3 { break; } } } }",
    );
}

#[test]
fn macros_call_macros() {
    same(
        "macro three(z) { z + two(z) } macro two(y) { y + one(y) } macro one(x) { x + 1 } begin { print(three(5)); }",
        "begin { print(5 + (5 + (5 + 1))); }",
    );
    same("macro add(x) { x + 1 } begin { print(add(add(add(1)))); }", "begin { print(1 + 1 + 1 + 1); }");
    same(
        "macro a(@m, $v) { b(@m, $v); } macro b(x, y) { print((x, y)); } begin { a(@d, $e); }",
        "begin { { { print((@d, $e)); } } }",
    );
}

#[test]
fn a_place_is_passed_as_a_value() {
    same(
        "macro m(x) { print(x); x + 1; x; f((x, 1)); } begin { m($v); }",
        "begin { { print($v); $v + 1; $v; f(($v, 1)); } }",
    );
    same(
        "macro m(x) { print(x); clear(x); x + 1 } begin { m(@v); }",
        "begin { { print({ @v }); clear({ @v }); @v + 1 } }",
    );
    check(
        r#"
macro o(x) { i(x) } macro i($x) { $x = 1; }
           //^^^^ error: Call to i() has arguments that do not match any definition.
begin { o($v); }
"#,
    );
}

#[test]
fn the_macro_that_fits_is_meant() {
    let macros = "macro m($x) { 1 } macro m(@x) { 2 } macro m(x) { 3 } macro m() { 4 } macro m(x, $y) { 5 }";
    same(
        &format!("{macros} begin {{ f(m($a), m(@a), m(@a[1]), m(), m, m(1, $b)); }}"),
        "begin { f(1, 2, 3, 4, 4, 5); }",
    );
    same("macro add() { 2 } macro id(add) { add } begin { print(id(1)); }", "begin { print(1); }");
    // What the language has itself stays, where the macro takes something else.
    same("macro cpu(x) { x } begin { f(cpu(1), cpu); print(cpu) }", "begin { f(1, cpu); print(cpu) }");
    same("macro comm() { 1 } macro print(x) { x } begin { print(comm); print(1, 2) }", "begin { 1; print(1, 2) }");
}

#[test]
fn a_body_has_variables_of_its_own() {
    assert_eq!(
        expanded("macro m(x) { let $y = x; $z = $y; for ($i : 0..$z) { $i; } $y + $q } begin { m($y); m(1); }").replace('\n', " "),
        expanded("begin { { let $yA = $y; $zA = $yA; for ($iA : 0..$zA) { $iA; } $yA + $q } { let $yB = 1; $zB = $yB; for ($iB : 0..$zB) { $iB; } $yB + $q } }")
            .replace('\n', " ").replace('A', "'1'").replace('B', "'2'")
    );
    assert_eq!(
        expanded("macro m($x) { $x = 1; } macro n($x) { m($x); $y = 1; m($y); } begin { n($y); }"),
        expanded("begin { { { $y = 1; } $yA = 1; { $yA = 1; } } }").replace('A', "'1'")
    );
    assert_eq!(plain("of $y\u{1}12\u{1} and $z\u{1}3\u{1}"), "of $y and $z");
    assert_eq!((expansion("y\u{1}12\u{1}"), expansion("y")), (12, 0));
}

#[test]
fn types_are_passed_by_typeof() {
    let types = "macro s(a, b) { f(sizeof(a), sizeof(a[2]), sizeof(b *), sizeof(b), offsetof(b, x), typeinfo(a)) }";
    same(
        &format!("{types} begin {{ s(typeof(uint64*), typeof(struct foo)); }}"),
        "begin { f(sizeof(uint64*), sizeof(uint64*[2]), sizeof(struct foo*), sizeof(struct foo), offsetof(struct foo, x), typeinfo(uint64*)) }",
    );
    same("macro c(t, v) { (t*)v } begin { $y = c(typeof(uint8), $x); }", "begin { $y = (uint8*)$x; }");
    same(
        "macro l(t) { let $x: t = 0; let $y: typeof(t)[2]; } begin { l(typeof($z + 1)); }",
        "macro l() { let $x: typeof($z + 1) = 0; let $y: typeof($z + 1)[2]; } begin { l(); }",
    );
    same(
        "macro i(t) { sizeof(t) } macro o(z) { i(typeof(z)) + i(z) } begin { f(o(typeof(int8[3]))); }",
        "begin { f(sizeof(int8[3]) + sizeof(int8[3])); }",
    );
    same(
        "macro s(t) { sizeof(struct t) } begin { f(s(typeof(foo)), s(bar)); }",
        "begin { f(sizeof(struct foo), sizeof(struct bar)); }",
    );
    same(
        "macro o(t, m) { offsetof(t, m) } begin { f(o(typeof(struct a), b.c), o(typeof(struct a), d)); }",
        "begin { f(offsetof(struct a, b.c), offsetof(struct a, d)); }",
    );
    same(
        "macro u() { 1 } begin { f(sizeof(u), sizeof(u()), (u)$x, (typeof(u()))$x); }",
        "macro v() { 1 } begin { f(sizeof(u), sizeof(1), (u)$x, (typeof(1))$x); }",
    );
}

#[test]
fn wrong_macros_are_told_of() {
    check(
        r#"
macro m(a, a) { a } macro n($x, $x) { 1 } macro o($x, @x, x) { 1 }
         //^ error: Ident for macro argument has already been used: a
                              //^^ error: Variable for macro argument has already been used: $x
  macro p($x) { 1 } macro p(@x) { 2 } macro p($y) { 3 } macro p(z) { 4 } macro p(@q) { 5 }
                                    //^^^^^^^ error: Redefinition of macro: p
                                                                       //^^^^^^^ error: Redefinition of macro: p
begin { }
"#,
    );
}

#[test]
fn bodies_are_told_of_when_they_are_called() {
    check(
        r#"
macro m($x, @ab) { let $x = 1; @a++; @other[1] = 2; return 1; }
                     //^^ error: Variable declaration shadows macro arg $x
                             //^^ error: Unhygienic access to map: @a. Maps must be passed into the macro as arguments. | did you mean `@ab`?
                                   //^^^^^^ error: Unhygienic access to map: @other. Maps must be passed into the macro as arguments. | add it to the macro's parameters: macro m(..., @other)
                                                  //^^^^^^^^ error: 'return' statement is not allowed in a macro
macro never() { @oops++ }
begin { m($a, @b); }
"#,
    );
    let parsed = parse("macro a() { @x } macro b() { a() + 1 } begin { print(b()); }");
    let told = expand(&parsed.script).diagnostics;
    let places: Vec<_> = told[0].related.iter().map(|label| (label.span.start, label.text.as_str())).collect();
    assert_eq!(places, [(29, "expanded from here"), (53, "expanded from here")]);
}

#[test]
fn wrong_calls_are_told_of() {
    check(
        r#"
macro v($x) { $x } macro m(@x) { @x } macro two(a, b) { a }
begin { v(@x); v(1); m($x); m(@x[1]); two(1); v; v(); two(1, 2, 3); nobody(1); }
      //^^^^^ error: Call to v() has arguments that do not match any definition.
             //^^^^ error: Call to v() has arguments that do not match any definition.
                   //^^^^^ error: Call to m() has arguments that do not match any definition.
                          //^^^^^^^^ error: Call to m() has arguments that do not match any definition.
                                    //^^^^^^ error: Call to two() has arguments that do not match any definition.
                                            //^ error: Call to v() has arguments that do not match any definition.
                                               //^^^ error: Call to v() has arguments that do not match any definition.
                                                    //^^^^^^^^^^^^ error: Call to two() has arguments that do not match any definition.
"#,
    );
    let parsed = parse("macro v($x, y) { $x } begin { v(@a, 1); }");
    let told = &expand(&parsed.script).diagnostics[0];
    let related: Vec<_> = told.related.iter().map(|label| (label.span.start, label.text.as_str())).collect();
    let expected = [(32, "v() takes a variable here, but got a map"), (8, "the parameter in the closest definition")];
    assert_eq!(related, expected);
}

#[test]
fn recursion_is_an_error() {
    check(
        r#"
macro a(x) { x + b(x) } macro b(x) { c(x) } macro c(x) { a(x) }
                                                       //^^^^ error: Recursive macro call detected. Call chain: a > b > c > a
begin { print(a(1)); }
"#,
    );
}

#[test]
fn types_where_none_can_stand() {
    check(
        r#"
macro m(x) { x + 1 }
macro c(a, b) { (a) - b } macro s(t) { sizeof(struct t) } macro o(m) { offsetof(struct a, m) }
begin { f(typeof(1)); m(typeof(uint8)); c(5, 3); s(typeof(uint8*)); o($x.y); }
        //^^^^^^^^^ error: When used as a call argument, `typeof` builtin only valid for macro calls that are expecting a type parameter
                      //^^^^^^^^^^^^^ error: When used as a call argument, `typeof` builtin only valid for macro calls that are expecting a type parameter
                                        //^ error: Invalid replacement for macro 'c' type parameter 'a' which makes up the type 'a' | (a) before a value is a cast; pass a type, typeof(uint8), or write a without parentheses
                                                 //^^^^^^^^^^^^^^ error: Invalid replacement for macro 's' type parameter 't' which makes up the type 'struct t' | pass a type: typeof(uint8)
                                                                    //^^^^ error: FieldAccess expressions must be made up entirely of idents (e.g. a.b.c) to replace the second argument in `offsetof`
"#,
    );
    let parsed = parse("begin { print(typeof(1)); }");
    assert_eq!(expand(&parsed.script).diagnostics.len(), 1);
}

#[test]
fn what_grows_without_end_is_refused() {
    // Twice as large with each macro: without a limit more than the memory holds.
    let doubling: String = (1..64).map(|i| format!("macro m{i}(x) {{ m{}(x) + m{}(x) }} ", i - 1, i - 1)).collect();
    // Deeper with each.
    let chain: String = (1..60).map(|i| format!("macro m{i}(x) {{ {}m{}(x) }} ", "- ".repeat(20), i - 1)).collect();
    let wide = format!("macro m0(x) {{ {} }} ", "x + ".repeat(400) + "x");
    for (macros, call) in [
        (format!("macro m0(x) {{ x + x }} {doubling}"), "print(m63(1));"),
        (format!("macro m0(x) {{ x + x }} {chain}"), "print(m59(1));"),
        (wide, "print(m0(m0(m0(1))));"),
    ] {
        let parsed = parse(&format!("{macros} begin {{ {call} }}"));
        assert_eq!(parsed.diagnostics, []);
        let result = expand(&parsed.script);
        assert_eq!(result.diagnostics.len(), 1, "{:?}", result.diagnostics);
        assert!(!dump(&result.script).is_empty());
    }
}

#[test]
fn the_deepest_scripts_are_walked() {
    for body in [
        format!("$x = {}1;", "!".repeat(490)),
        format!("$x = {}1;", "1 + ".repeat(490)),
        format!("{}{}", "{".repeat(190), "}".repeat(190)),
        format!("$x = {}1{};", "{ ".repeat(190), " }".repeat(190)),
        format!("{}1{};", "f(".repeat(150), ")".repeat(150)),
        format!("if (1) {{ }} {}", "else if (1) { } ".repeat(450)),
        format!("{}{}", "if (1) {".repeat(150), "}".repeat(150)),
        format!("$x = {}1{};", "sizeof(".repeat(190), ")".repeat(190)),
        format!("$x = {}1{};", "one(".repeat(150), ")".repeat(150)),
    ] {
        let text = format!("macro one(x) {{ x }} macro all(y) {{ y; {body} }} begin {{ {body} all(1); }}");
        let parsed = parse(&text);
        assert_eq!(parsed.diagnostics, [], "{text}");
        assert_eq!(expand(&parsed.script).diagnostics, [], "{text}");
        assert!(crate::format::format(&text).is_ok());
    }
}
