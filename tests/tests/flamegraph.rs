//! `--flamegraph`: what is drawn, and what is refused before anything runs.

use rtrace_tests::compile::compiled;
use rtrace_tests::{Run, Scratch, requires, sibling};

#[test]
fn stacks_of_a_command_are_drawn() {
    requires!(Bpf, Uprobes, Btf);
    let (graph, work) = (Scratch::new("graph.svg"), sibling("work"));
    let work = work.display();
    let text = format!(
        "uprobe:{work}:work_step {{ @[comm, ustack(1)] = count(); @in[ustack(1)] = sum(arg0); @h[ustack(1)] = hist(1); }}"
    );
    let out = Run::program(text).arg("--flamegraph").arg(graph.path()).child(format!("'{work}' call 20000")).to_end();
    // The maps are printed as ever.
    out.code(0).stdout_has("]: 20000\n");
    let svg = graph.text();
    // Both maps of numbers, each with all of its entries.
    for part in [
        "<?xml version=\"1.0\"",
        "Flame graph of @, @in<",
        "<title>all: 2 maps</title>",
        "<title>@: 20000, 100.00%</title>",
        "<title>work: 20000, 100.00%</title>",
        "<title>work_step: 20000, 100.00%</title>",
        "<title>@in: 199990000, 100.00%</title>",
        "<title>work_step: 199990000, 100.00%</title>",
        "</svg>\n",
    ] {
        assert!(svg.contains(part), "{part} is missing:\n{svg}");
    }
}

#[test]
fn the_graph_appears_when_it_is_complete() {
    requires!(Bpf, Uprobes);
    let (graph, work) = (Scratch::new("graph_end.svg"), sibling("work").display().to_string());
    // Other tests run the same program meanwhile.
    let text = format!("uprobe:{work}:work_step /pid == 1/ {{ @[ustack] = count(); }}");
    let session = Run::program(text).arg("--flamegraph").arg(graph.path()).start();
    session.wait_attached();
    assert!(!graph.path().exists());
    session.interrupt().code(0);
    assert!(graph.text().contains("all: 0, 0.00%"));
}

#[test]
fn the_kernel_stands_on_the_process() {
    requires!(Bpf, Tracefs, Program("gcc"));
    let source = "
#include <unistd.h>
__attribute__((noinline)) void rt_writes(void) { for (int i = 0; i < 50; i++) getppid(); asm volatile(\"\"); }
int main(void) { rt_writes(); usleep(100000); return 0; }
";
    let (program, _source) = compiled("graph_c", "gcc", "c", &["-O1", "-fno-omit-frame-pointer"], source);
    let graph = Scratch::new("graph_c.svg");
    let text = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { @[kstack, ustack] = count(); }";
    let out = Run::program(text).arg("--flamegraph").arg(graph.path()).child(program.path().display().to_string());
    out.to_end().code(0);
    let svg = graph.text();
    let height = |name: &str| -> Option<u32> {
        let (_, rest) = svg.split_once(&format!("<title>{name}: 50, 100.00%</title>"))?;
        rest.split_once(" y=\"")?.1.split('"').next()?.parse().ok()
    };
    let (main, call) = (height("main").expect("main"), height("do_syscall_64").or_else(|| height("el0_svc")));
    assert!(call.is_some_and(|call| call < main), "{svg}");
}

#[test]
fn a_script_without_stacks_is_refused_at_once() {
    requires!(Bpf);
    let graph = Scratch::new("graph_none.svg");
    let refused = |text: &str| Run::program(text).arg("--flamegraph").arg(graph.path()).to_end();
    let out = refused("begin { @ = 1; print(1); }");
    out.code(1).stdout_is("").stderr_has("--flamegraph needs a map whose key has a stack");
    let out = refused("begin { @h[kstack] = hist(1); }");
    out.code(1).stdout_is("").stderr_has("--flamegraph cannot draw @h: its values are no numbers that add up");
    assert!(!graph.path().exists());
}

#[test]
fn a_file_that_cannot_be_made_is_told_at_once() {
    requires!(Bpf);
    let text = "begin { @[kstack] = count(); printf(\"ran\\n\"); }";
    let out = Run::program(text).arg("--flamegraph").arg("/no/such/folder/graph.svg").to_end();
    out.code(1).stdout_is("").stderr_has("cannot write to /no/such/folder/graph.svg");
    let graph = Scratch::file("graph_old.svg", "old");
    // What is refused leaves an older graph alone.
    let out = Run::program("begin { @[kstack] = count(); nonsense }").arg("--flamegraph").arg(graph.path()).to_end();
    out.code(1);
    assert_eq!(graph.text(), "old");
    let out = Run::program(text).arg("--flamegraph").arg(graph.path()).to_end();
    out.code(0).stdout_has("ran\n");
    assert!(graph.text().starts_with("<?xml"));
}
