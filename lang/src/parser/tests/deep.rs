//! Depth and length: what is too deep is told of, once, and nothing overflows a stack.
//!
//! Tests run on threads with a stack of 2 MiB, in a debug build.

use crate::parse;

const MANY: usize = 100_000;

/// A script that is refused for its depth alone.
#[track_caller]
fn too_deep(body: &str) {
    let parsed = parse(&format!("begin {{ {body} }}"));
    let titles: Vec<&str> = parsed.diagnostics.iter().map(|d| d.title.as_str()).collect();
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(titles[0].contains("nested"), "{titles:?}");
    assert!(!parsed.is_incomplete());
    assert_eq!(parsed.script.probes, []);
}

/// A script that parses, and whose tree can be copied, compared, shown and dropped.
#[track_caller]
fn fine(body: &str) {
    let parsed = parse(&format!("begin {{ {body} }}"));
    assert_eq!(parsed.diagnostics, []);
    let copy = parsed.script.clone();
    assert_eq!(copy, parsed.script);
    assert!(!crate::dump::dump(&copy).is_empty());
}

#[test]
fn what_nests_a_hundred_thousand_times_is_refused() {
    too_deep(&format!("$x = {}1{};", "(".repeat(MANY), ")".repeat(MANY)));
    too_deep(&"(".repeat(MANY));
    too_deep(&"[".repeat(MANY));
    too_deep(&format!("{}{}", "{".repeat(MANY), "}".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "!".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "- ".repeat(MANY)));
    too_deep(&format!("$x = {}$y;", "++".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "(int8)".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "1 + ".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "1 ? 2 : ".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "1 ? ".repeat(MANY)));
    too_deep(&format!("$x = $y{};", ".a".repeat(MANY)));
    too_deep(&format!("$x = $y{};", "[0]".repeat(MANY)));
    too_deep(&format!("f{};", "()".repeat(MANY)));
    too_deep(&format!("{}1{};", "f(".repeat(MANY), ")".repeat(MANY)));
    too_deep(&format!("if (1) {{ }} {}", "else if (1) { } ".repeat(MANY)));
    too_deep(&"if (1) { ".repeat(MANY));
    too_deep(&format!("$x = (int8{})1;", "*".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "comptime ".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "if ".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "{ 1 } + ".repeat(MANY)));
    too_deep(&format!("$x = {}1;", "if (1) { 2 } else { 3 } + ".repeat(MANY)));
    too_deep(&format!("f({}1{})", "if (1) { ".repeat(MANY), " } else { 2 }".repeat(MANY)));
    too_deep(&format!("$x = {}1{};", "(a=".repeat(MANY), ")".repeat(MANY)));
    too_deep(&format!("$x = {}1{};", "sizeof(".repeat(MANY), ")".repeat(MANY)));
    too_deep(&format!("$x = {}1{};", "(typeof(".repeat(MANY), "))1".repeat(MANY)));
}

#[test]
fn nesting_below_the_limit_works() {
    fine(&format!("$x = {}1{};", "(".repeat(190), ")".repeat(190)));
    fine(&format!("{}1{};", "f(".repeat(150), ")".repeat(150)));
    fine(&format!("{}{}", "{".repeat(190), "}".repeat(190)));
    fine(&format!("{}{}", "if (1) {".repeat(150), "}".repeat(150)));
    fine(&format!("$x = {}1;", "!".repeat(490)));
    fine(&format!("$x = {}1;", "- ".repeat(490)));
    fine(&format!("$x = {}1;", "(int8)".repeat(400)));
    fine(&format!("$x = {}1;", "1 + ".repeat(490)));
    fine(&format!("$x = {}1;", "1 ? 2 : ".repeat(240)));
    fine(&format!("$x = {}1{};", "1 ? ".repeat(160), " : 2".repeat(160)));
    fine(&format!("$x = $y{};", ".a".repeat(490)));
    fine(&format!("$x = {}1{};", "{ ".repeat(190), " }".repeat(190)));
    fine(&format!("$x = {}1{};", "if (1) { ".repeat(150), " } else { 2 }".repeat(150)));
    fine(&format!("{}1{}", "{ ".repeat(120), " } + 1".repeat(120)));
    fine(&format!("{}{}", "while (1) { for ($i : 0..1) { ".repeat(70), "} }".repeat(70)));
    fine(&format!("$x = {}1{};", "(a=".repeat(160), ")".repeat(160)));
    fine(&format!("$x = {}1{};", "sizeof(".repeat(190), ")".repeat(190)));
    fine(&format!("$x = {}1{};", "(typeof(".repeat(90), "))1".repeat(90)));
    fine(&format!("$x = {}1{};", "sizeof(typeof(".repeat(90), "))".repeat(90)));
    fine(&format!("if (1) {{ }} {}", "else if (1) { } ".repeat(450)));
}

#[test]
fn length_is_not_depth() {
    fine(&"@x = 1; ".repeat(20_000));
    fine(&"if (1) { @x++ } ".repeat(5_000));
    fine(&"{ @x++ } ".repeat(5_000));
    fine(&"while (1 + 2) { @x++ } for ($i : (1 + 2)..3) { f({ 1 }) } ".repeat(2_000));
    fine(&"if (1) { @x++ } else { f(-1, 2 + 3) } ".repeat(5_000));
    fine(&format!("f({}1);", "1 + 2, ".repeat(20_000)));
    let probes = "begin { @x = 1 + 2; } ".repeat(5_000) + &"a:b /1/ < @x++ > ".repeat(5_000);
    assert_eq!(parse(&probes).diagnostics, []);
}
