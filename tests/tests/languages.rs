//! Probes on functions of programs that are written in Go or Rust.

use rtrace_tests::{Run, Scratch, requires, sibling};

/// A program with the marks of Go's linker and three functions as Go's compiler makes them: numbers come in ax and bx,
/// those of a function in assembly on the stack. What is around them is C.
#[cfg(target_arch = "x86_64")]
const GO: &str = r#"
#define FUNCTION(name, body) ".globl " name "\n.type " name ",@function\n" name ": " body "\n ret\n.size " name ",.-" name "\n"
#define MARK(name) ".globl " name "\n.type " name ",@function\n" name ":\n"
__asm__(".section .go.buildinfo,\"aw\"\n.byte 0\n.text\n" MARK("runtime.text")
    FUNCTION("main.add", "lea (%rax,%rbx),%rax")
    FUNCTION("\"main.pick[int]\"", "mov %rbx,%rax")
    FUNCTION("main.sum.abi0", "mov 8(%rsp),%rax\n add 16(%rsp),%rax")
    MARK("runtime.etext") FUNCTION("after", "nop"));
__attribute__((noinline)) long plain(long a, long b) { __asm__(""); return a - b; }
int main(void) {
    long a = 1000, b = 23;
    __asm__ volatile("call main.add" : "+a"(a) : "b"(b) : "memory", "cc");
    __asm__ volatile("call \"main.pick[int]\"" : "+a"(a) : "b"(b) : "memory", "cc");
    __asm__ volatile("push $5\n push $4\n call main.sum.abi0\n add $16,%%rsp" : "+a"(a) : : "memory", "cc");
    return plain(a, 9);
}"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn functions_of_go() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = Scratch::compiled("go", GO, &["-O1", "-mno-red-zone", "-no-pie"]);
    let path = program.path().display().to_string();
    let seen = |text: &str| Run::program(text.replace("FILE", &path)).child(&path).to_end();
    let arguments = "{ print((func, arg0, arg1)); }";
    seen(&format!("uprobe:FILE:main.add {arguments}")).code(0).stdout_is("(main.add, 1000, 23)\n\n\n");
    seen(&format!("uprobe:FILE:main.pick[int] {arguments}")).code(0).stdout_is("(main.pick[int], 1023, 23)\n\n\n");
    seen(&format!("uprobe:FILE:main.sum.abi0 {arguments}")).code(0).stdout_is("(main.sum.abi0, 4, 5)\n\n\n");
    // C keeps its own convention in the same program.
    seen(&format!("uprobe:FILE:plain {arguments}")).code(0).stdout_is("(plain, 9, 9)\n\n\n");
    let both = seen(&format!("uprobe:FILE:main.add, uprobe:FILE:plain {arguments}"));
    both.code(0).stdout_is("(main.add, 1000, 23)\n(plain, 9, 9)\n\n\n");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn functions_of_go_do_not_return_to_a_probe() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = Scratch::compiled("go_return", GO, &["-O1", "-mno-red-zone", "-no-pie"]);
    let path = program.path().display().to_string();
    let run = |text: &str| Run::program(text.replace("FILE", &path)).child(&path);
    for point in ["main.add", "main.*"] {
        let out = run(&format!("uretprobe:FILE:{point} {{ print(retval); }}")).to_end();
        out.code(1).stderr_has("main.add is written in Go, which moves its stacks").stderr_has("reg(\"ax\")");
    }
    run("uretprobe:FILE:main.add { print(retval); }").arg("--unsafe").to_end().code(0).stdout_is("1023\n\n\n");
    run("uretprobe:FILE:plain { print(retval); }").to_end().code(0).stdout_is("0\n\n\n");
    // Of a pattern what is not Go's is left.
    let out = run("uretprobe:FILE:[mp]*[dn] { print((func, retval)); }").to_end();
    out.code(0).stdout_is("(plain, 0)\n(main, 0)\n\n\n");
    // The linker's marks stay when all else is stripped.
    let done = std::process::Command::new("strip").args(["-s", "-K", "main.add"]).arg(program.path()).status();
    assert!(done.is_ok_and(|status| status.success()));
    run("uretprobe:FILE:main.add { }").to_end().code(1).stderr_has("is written in Go");
}

#[test]
fn functions_of_rust() {
    requires!(Bpf, Uprobes);
    let work = sibling("work").display().to_string();
    for pattern in ["work::main", "work::mai*"] {
        let text = format!("uprobe:{work}:rust:\"{pattern}\" {{ print(func); @[probe] = count(); }}");
        let out = Run::program(text).child(format!("'{work}' call 3")).to_end();
        out.code(0);
        assert!(out.stdout.starts_with("work::main\n"), "{out}");
        assert!(out.stdout.contains(&format!("@[uprobe:{work}:rust:_")), "{out}");
    }
    let listed = Run::bare().arg("-l").arg(format!("uprobe:{work}:rust:work::main")).to_end();
    listed.code(0).stdout_is(&format!("uprobe:{work}:rust:\"work::main\"\n"));
    let missing = Run::program(format!("uprobe:{work}:rust:\"work::mian\" {{}}")).to_end();
    missing.code(1).stderr_has("did you mean \"work::main\"");
}

#[test]
fn an_argument_that_is_always_the_same_is_no_register() {
    requires!(Bpf, Uprobes, Program("cc"));
    let source =
        "static __attribute__((noinline)) long scale(long a, int b) { __asm__(\"\" : : \"r\"(a)); return a * b; }
        int main(int n, char **v) { return scale(n, -40) + scale(n + 1, -40) == 0; }";
    let program = Scratch::compiled("constant", source, &["-g", "-O2"]);
    let path = program.path().display().to_string();
    // Whether it is still `scale` or a copy of it made for the number is the compiler's choice.
    let text = format!("uprobe:{path}:scale* {{ print((args.a, args.b)); }}");
    Run::program(text).child(&path).to_end().code(0).stdout_is("(1, -40)\n(2, -40)\n\n\n");
}
