//! Expressions as deep as the parser lets them be: nothing overflows a stack.
//!
//! Tests run on threads with a stack of 2 MiB, in a debug build as in a release build; the command has 8 MiB.

use codegen::object::{Options, compile};
use lang::target::fake::FakeTarget;
use lang::{Settings, check, parse};

/// Compiles a body. It may be refused (too many registers live at once, a fault that is told), but not more than that.
#[track_caller]
fn survives(body: &str) {
    let parsed = parse(&format!("begin {{ {body} }}"));
    assert_eq!(parsed.diagnostics, [], "the parser takes it");
    let checked = check(&parsed.script, &FakeTarget, &Settings::default());
    if checked.is_ok() {
        for optimise in [true, false] {
            let _ = compile(&checked.program, &FakeTarget, &Options { optimise, ..Options::default() });
        }
    }
    drop(checked.program.clone());
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("@x = {}{inner}{};", open.repeat(times), close.repeat(times))
}

#[test]
fn chains_of_operators() {
    survives(&nested("pid + ", "1", "", 490));
    survives(&nested("pid / ", "1", "", 490));
    survives(&nested("pid && ", "1", "", 490));
    survives(&nested("pid == ", "1", "", 490));
    survives(&nested("- ", "pid", "", 490));
    survives(&nested("!", "pid", "", 490));
    survives(&nested("(int8)", "pid", "", 400));
    let tuple = format!("{}1{}", "(".repeat(100), ", 2)".repeat(100));
    survives(&format!("$t = {tuple}; @x = $t{};", ".0".repeat(100)));
}

#[test]
fn nested_operands() {
    survives(&nested("(pid + ", "1", ")", 150));
    survives(&nested("(nsecs % ", "1", ")", 150));
    survives(&nested("pid ? 2 : ", "1", "", 240));
    survives(&nested("pid ? ", "1", " : 2", 160));
    survives(&nested("pid ?: ", "1", "", 240));
    survives(&nested("(", "pid", ", 1)", 150));
    survives(&nested("@a[", "1", "]", 150));
    survives(&nested("str(", "pid", ")", 150));
    survives(&nested("(pid ? comm : ", "comm", ")", 110));
}

#[test]
fn nested_statements() {
    survives(&format!("{}@++;{}", "if (pid) {".repeat(150), "}".repeat(150)));
    survives(&format!("{}@++;{}", "{".repeat(190), "}".repeat(190)));
    survives(&format!("if (pid) {{ }} {}", "else if (tid) { @++ } ".repeat(450)));
    survives(&format!("{}@++{};", "pid ? ".repeat(160), " : 2".repeat(160)));
}
