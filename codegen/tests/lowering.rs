//! What scripts of a few lines become: Cranelift IR as lowered, and the instructions in the end.
//!
//! The machine is made up, so the listings are the same everywhere. A listing that grows is looked at: the number of
//! instructions on the way of an event is what tracing costs.

use codegen::insn::listing;
use codegen::object::{Options, compile};
use lang::target::fake::FakeTarget;
use lang::{Settings, check, parse};

/// The stages of a script's programs.
fn stages(script: &str) -> String {
    let parsed = parse(script);
    assert_eq!(parsed.diagnostics, [], "{script}");
    let checked = check(&parsed.script, &FakeTarget, &Settings::default());
    assert!(checked.is_ok(), "{script}\n{:?}", checked.diagnostics);
    let options = Options { keep_text: true, ..Options::default() };
    let object = compile(&checked.program, &FakeTarget, &options).expect("the script is short");
    let mut text = String::new();
    for program in &object.programs {
        let (lowered, _) = program.clif.as_ref().expect("the text was to be kept");
        text += &format!("{}: {} bytes of stack\n", program.section(), program.code.frame);
        text += &format!("{lowered}---\n{}\n", listing(&program.code.insns));
    }
    text
}

macro_rules! golden {
    ($name:ident, $script:literal) => {
        #[test]
        fn $name() {
            insta::with_settings!({ description => $script }, { insta::assert_snapshot!(stages($script)) });
        }
    };
}

golden!(a_count, "tracepoint:syscalls:sys_enter_write { @ = count(); }");
golden!(a_count_by_name, "tracepoint:syscalls:sys_enter_write { @[comm] = count(); }");
golden!(a_histogram, "tracepoint:syscalls:sys_enter_write { @ = hist(args.count); }");
golden!(a_fine_histogram, "tracepoint:syscalls:sys_enter_write { @ = hist(args.count, 3); }");
golden!(a_linear_histogram, "tracepoint:syscalls:sys_enter_write { @ = lhist(args.count, 0, 1000, 100); }");
golden!(an_increment, "begin { @x++; }");
golden!(an_increment_by_process, "kprobe:vfs_read { @x[pid]++; }");
golden!(a_line_with_numbers_and_a_name, r#"kprobe:vfs_read { printf("%d %s %lu\n", pid, comm, arg2); }"#);
golden!(a_predicate_on_the_name, r#"tracepoint:syscalls:sys_enter_write /comm == "dd"/ { @++; }"#);
golden!(two_texts_compared, r#"kprobe:vfs_read { @last[tid] = comm; $n = comm; if (@last[0] == $n) { @++; } }"#);
golden!(an_exit, "begin { exit(3); }");
golden!(a_division, "kprobe:vfs_read { @ = arg0 / arg1; }");
golden!(a_division_by_a_number, "kprobe:vfs_read { @ = arg0 / 1000; }");
