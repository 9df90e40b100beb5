//! usdt probes: places that the authors of a program marked, with what they pass there.
//!
//! The programs write their notes themselves, so that each form of operand is there whatever a compiler would choose.
#![cfg(target_arch = "x86_64")]

use rtrace_tests::{Output, Run, Scratch, requires, sibling};
use std::process::{Child, Command, Stdio};

/// `MARK(provider, name, semaphore, arguments)` in assembly: an instruction, and a note about it.
const NOTES: &str = r#"
#define MARK(provider, name, semaphore, arguments) \
  "990: nop\n.pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n.4byte 992f-991f, 994f-993f, 3\n" \
  "991: .asciz \"stapsdt\"\n992: .balign 4\n993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte " semaphore "\n" \
  ".asciz \"" provider "\"\n.asciz \"" name "\"\n.asciz \"" arguments "\"\n994: .balign 4\n.popsection\n"
__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n.weak _.stapsdt.base\n"
  ".hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n");
"#;

/// All operands, once each.
const OPERANDS: &str = r#"
int table[4] = { 10, -20, 30, -40 };
int counter[2] = { -7, 9 };
const char message[] = "hello";
__asm__(".text\n.globl marks\nmarks: push %rbp\nmov %rsp, %rbp\npush %rbx\nsub $40, %rsp\n"
  "movq $-77, -24(%rbp)\nlea table(%rip), %rbx\nmov $2, %ecx\nmovabs $0x8182838485868788, %rax\n"
  MARK("shop", "registers", "0", "8@%rax 4@%eax -4@%eax 2@%ax -2@%ax 1@%al -1@%al 1@%ah -1@%ah 8@%r15")
  MARK("shop", "memory", "0", "-8@-24(%rbp) 4@(%rbx) 4@4(%rbx) -4@4(%rbx) -4@(%rbx,%rcx,4) -4@4(%rbx, %rcx, 4) "
    "-8@-8+16-32(%rbp) -4@counter(%rip) -4@4+counter(%rip) 1@(%rbx) 2@4(%rbx)")
  MARK("shop", "numbers", "0", "-4@$-5 4@$-5 1@$300 8@$0x10 -8@$-579005069656919568 2@$-3600 -2@$-3600 $5")
  MARK("shop", "texts", "0", "8@$message 8@$message+1")
  MARK("shop", "unreadable", "0", "-4@$1 8f@%xmm0 8@%fs:0 16@%rax 8@%nonsense 8@$nowhere")
  "add $40, %rsp\npop %rbx\npop %rbp\nret\n");
void marks(void);
// What no one has touched yet cannot be read.
int main(void) { int empty = *(volatile const char *)message == 0; marks(); return empty; }
"#;

/// Places of one name: with the same operands and with others, of two providers, and one that is only reached if
/// somebody is attached.
const PLACES: &str = r#"
#include <unistd.h>
__attribute__((section(".probes"))) volatile unsigned short guarded_semaphore;
__asm__(".text\n.globl marks\nmarks: mov $30, %ecx\nmov $4, %edx\n"
  MARK("shop", "order", "0", "-4@$1 4@%ecx")
  MARK("shop", "order", "0", "-4@$1 4@%ecx")
  MARK("shop", "order", "0", "-4@$2 4@%edx")
  MARK("store", "order", "0", "-4@$3")
  MARK("shop", "close", "0", "")
  "ret\n"
  ".globl guarded\n.type guarded, @function\nguarded:\n" MARK("shop", "guarded", "guarded_semaphore", "2@guarded_semaphore(%rip)")
  "ret\n.size guarded, . - guarded\n");
void marks(void);
void guarded(void);
int main(int count, char **words) {
  do { marks(); if (guarded_semaphore) guarded(); } while (count > 1 && !usleep(1000));
  return guarded_semaphore; }
"#;

fn compiled(name: &str, source: &str, options: &[&str]) -> Scratch {
    Scratch::compiled(name, &format!("{NOTES}{source}"), options)
}

/// `text` is a program about the binary of its `{file}`, which is run.
fn on(program: &Scratch, text: &str, options: &[&str]) -> Output {
    let path = program.path().display().to_string();
    let run = Run::program(text.replace("{file}", &path)).child(path);
    options.iter().fold(run, |run, option| run.arg(*option)).to_end()
}

#[test]
fn a_marked_place_is_seen_with_what_is_passed() {
    requires!(Bpf, Uprobes);
    let work = sibling("work").display().to_string();
    for options in [&[][..], &["--no-feature", "uprobe_multi"]] {
        let text = format!("usdt:{work}:mark {{ @[probe] = count(); @above = sum(arg0); @below = sum(arg1); }}");
        let run = Run::program(text).child(format!("'{work}' mark 100"));
        let out = options.iter().fold(run, |run, option| run.arg(*option)).to_end();
        out.code(0).stderr_has("Attached 1 probe\n");
        out.stdout_is(&format!("\n\n@[usdt:{work}:work:mark]: 100\n@above: 4950\n@below: -4950\n"));
    }
    Run::bare()
        .arg("-l")
        .arg(format!("usdt:{work}:*"))
        .to_end()
        .code(0)
        .stdout_has(&format!("usdt:{work}:work:mark\n"));
}

#[test]
fn every_operand_is_read_with_its_width_and_sign() {
    requires!(Bpf, Uprobes, Program("cc"));
    for (name, options) in [("fixed", &["-no-pie"][..]), ("moving", &["-pie", "-fPIE"])] {
        let program = compiled(name, OPERANDS, options);
        let text = r#"
            usdt:{file}:shop:registers {
                print((arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8));
                print((arg9 == reg("r15"), sizeof(arg5)));
            }
            usdt:{file}:shop:memory { print((arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9, arg10)); }
            usdt:{file}:shop:numbers { print((arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7)); }
            usdt:{file}:shop:texts { print((str(arg0), str(arg1))); }"#;
        on(&program, text, &[]).code(0).stderr_has("Attached 4 probes\n").stdout_is(concat!(
            "(-9114578090645354616, 2240186248, -2054781048, 34696, -30840, 136, -120, 135, -121)\n(true, 8)\n",
            "(-77, 10, 4294967276, -20, 30, -40, -77, -7, 9, 10, 65516)\n",
            "(-5, 4294967291, 44, 16, -579005069656919568, 61936, -3600, 5)\n(hello, ello)\n\n\n",
        ));
    }
}

#[test]
fn what_cannot_be_read_matters_only_to_who_asks() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = compiled("unreadable", OPERANDS, &["-no-pie"]);
    on(&program, "usdt:{file}:unreadable { print(arg0); }", &[]).code(0).stdout_is("1\n\n\n");
    let whys = [
        "arg1 cannot be read: it is a floating-point number",
        "arg2 cannot be read: it is in memory that each thread has for itself",
        "arg3 cannot be read: it has 16 bytes",
        "arg4 cannot be read: %nonsense is not a register",
        "arg5 cannot be read: nowhere: the file has no symbol of that name",
    ];
    for (index, why) in whys.into_iter().enumerate() {
        let text = format!("usdt:{{file}}:unreadable {{ print(arg{}); }}", index + 1);
        on(&program, &text, &[]).code(1).stdout_is("").stderr_has(why).stderr_has("stdin:1:1-");
    }
    let out = on(&program, "usdt:{file}:unreadable { print(arg7); }", &[]);
    out.code(0).stdout_is("0\n\n\n").stderr_has("arg7 is 0: ").stderr_has("its last one is arg5");
    for (body, why) in [
        ("print(args);", "The args builtin can only be used with"),
        ("print(func);", "The func builtin can not be used with 'usdt' probes"),
        ("print(retval);", "The retval builtin can only be used with"),
        ("print(arg12);", "there are arg0 to arg11"),
    ] {
        on(&program, &format!("usdt:{{file}}:numbers {{ {body} }}"), &[]).code(1).stderr_has(why);
    }
}

#[test]
fn all_places_of_a_name_are_one_probe() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = compiled("places", PLACES, &[]);
    let path = program.path().display();
    for options in [&[][..], &["--no-feature", "uprobe_multi"]] {
        let out = on(&program, "usdt:{file}:shop:order { @[probe, arg0] = sum(arg1); }", options);
        out.code(0).stderr_has("Attached 1 probe\n");
        out.stdout_is(&format!("\n\n@[usdt:{path}:shop:order, 2]: 4\n@[usdt:{path}:shop:order, 1]: 60\n"));
        // What one of them does not pass is 0.
        let out = on(&program, "U:{file}:order { @[probe] = count(); @arg1 = sum(arg1); }", options);
        out.code(0).stderr_has("Attached 2 probes\n").stdout_has("@arg1: 64\n");
        out.stdout_has(&format!("@[usdt:{path}:shop:order]: 3\n"))
            .stdout_has(&format!("@[usdt:{path}:store:order]: 1\n"));
        let out = on(&program, "usdt:{file}::[oc]* { @ = count(); }", options);
        out.code(0).stderr_has("Attached 3 probes\n").stdout_is("\n\n@: 5\n");
        let text = "macro second() { arg1 } usdt:{file}:shop:order { @ = sum(second()); }";
        on(&program, text, options).code(0).stdout_is("\n\n@: 64\n");
        let out = on(&program, "usdt:{file}:sto*:* { @[probetype] = count(); }", options);
        out.code(0).stderr_has("Attached 1 probe\n").stdout_is("\n\n@[usdt]: 1\n");
        let text = "usdt:{file}:close { printf(\"first\"); } usdt:{file}:close { printf(\" second\\n\"); }";
        on(&program, text, options).code(0).stdout_is("first second\n\n\n");
    }
}

#[test]
fn a_semaphore_is_up_while_somebody_is_attached() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = compiled("semaphore", PLACES, &[]);
    let alone = Command::new(program.path()).status().expect("it can be run");
    assert_eq!(alone.code(), Some(0), "nobody is attached");
    for options in [&[][..], &["--no-feature", "uprobe_multi"], &["--usdt-file-activation"]] {
        let out = on(&program, "usdt:{file}:guarded { print(arg0); }", options);
        out.code(0).stdout_is("1\n\n\n").stderr_has("the command ended with exit code 1");
    }
    let text = "usdt:{file}:guarded { print(arg0); } uprobe:{file}:guarded { print(1); }";
    on(&program, text, &[]).code(1).stderr_has("Unable to attach probe: ").stderr_has("exclude each other");
    // Others than the probe's own do not raise it.
    let out = on(&program, "usdt:{file}:close { @ = count(); }", &[]);
    out.code(0).stdout_is("\n\n@: 1\n");
    // A process that is there already, and no process in particular.
    let running = Running::start(&program);
    for options in [&["-p", &running.number()][..], &[]] {
        let text = format!("usdt:{}:guarded {{ print(arg0); exit(); }}", program.path().display());
        let run = Run::program(text);
        options.iter().fold(run, |run, option| run.arg(*option)).to_end().code(0).stdout_has("1\n");
    }
}

/// A program that goes on until its end is wanted.
struct Running(Child);

impl Running {
    fn start(program: &Scratch) -> Running {
        let child = Command::new(program.path()).arg("forever").stdout(Stdio::null()).spawn();
        Running(child.expect("it can be run"))
    }

    fn number(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn a_process_has_the_probes_of_all_its_files() {
    requires!(Bpf, Uprobes, Program("cc"));
    // No other case has this provider.
    let program = compiled("process", &PLACES.replace("store", "depot"), &[]);
    let path = program.path().display();
    let running = Running::start(&program);
    let pid = running.number();
    for point in ["usdt::depot:order", "usdt:*:depot:order", "usdt::dep*:*", "U:*:d[e]pot:order"] {
        let text = format!("{point} {{ print((probe, pid)); exit(); }}");
        let out = Run::program(text).arg("-p").arg(&pid).to_end();
        out.code(0).stderr_has("Attached 1 probe\n").stdout_has(&format!("(usdt:{path}:depot:order, {pid})\n"));
    }
    let out = Run::program("usdt:close { print(probe); exit(); }").arg("-p").arg(&pid).to_end();
    out.code(0).stdout_has(&format!("usdt:{path}:shop:close\n"));
    let expected =
        format!("usdt:{path}:depot:order\nusdt:{path}:shop:close\nusdt:{path}:shop:guarded\nusdt:{path}:shop:order\n");
    let listed = |pattern: &str| Run::bare().arg("-l").arg(pattern).arg("-p").arg(&pid).to_end();
    listed("usdt:*:dep*:*").code(0).stdout_is(&format!("usdt:{path}:depot:order\n"));
    listed("usdt:guard*").code(0).stdout_is(&format!("usdt:{path}:shop:guarded\n"));
    listed("usdt:*").code(0).stdout_has(&expected);
    // All processes there are.
    let out = Run::program("usdt:*:depot:order { @[probe] = count(); exit(); }").to_end();
    out.code(0).stderr_has("Attached 1 probe\n").stdout_has(&format!("usdt:{path}:depot:order"));
    // Of another process nothing is seen.
    let other = std::process::id().to_string();
    let text = format!("usdt:{path}:close {{ @ = count(); }} interval:ms:200 {{ exit(); }}");
    Run::program(text).arg("-p").arg(other).to_end().code(0).stdout_is("\n\n");
}

#[test]
fn probes_of_a_file_are_listed() {
    requires!(Uprobes, Program("cc"));
    let program = compiled("listed", PLACES, &[]);
    let path = program.path().display();
    let listed = |options: &str, pattern: String| Run::bare().arg(options).arg(pattern).to_end();
    let all =
        format!("usdt:{path}:shop:close\nusdt:{path}:shop:guarded\nusdt:{path}:shop:order\nusdt:{path}:store:order\n");
    listed("-l", format!("usdt:{path}:*")).code(0).stdout_is(&all);
    listed("-lv", format!("usdt:{path}:*:*")).code(0).stdout_is(&all);
    listed("-l", format!("*:{path}:sho*:*")).code(0).stdout_has(&format!("usdt:{path}:shop:order\n"));
    let orders = format!("usdt:{path}:shop:order\nusdt:{path}:store:order\n");
    listed("-l", format!("U:{path}:order")).code(0).stdout_is(&orders);
    listed("-l", format!("usdt:{path}:nosuch")).code(0).stdout_is("");
    listed("-l", "usdt:/etc/passwd:*".into()).code(0).stdout_is("");
    let script = Scratch::file("listed.bt", format!("usdt:{path}:order {{ print(arg0); }}"));
    listed("-l", script.path().display().to_string()).code(0).stdout_is(&orders);
}

#[test]
fn what_is_missing_is_named() {
    requires!(Uprobes, Program("cc"));
    let program = compiled("missing", PLACES, &[]);
    let path = program.path().display();
    let rejected = |point: &str, words: &[&str]| {
        let out = Run::program(format!("{point} {{ @ = 1; }}")).to_end();
        out.code(1).stdout_is("").stderr_has("stdin:1:1-");
        words.iter().for_each(|word| {
            out.stderr_has(word);
        });
        assert!(!out.attached, "{out}");
    };
    rejected(&format!("usdt:{path}:oder"), &[&format!("No matches for usdt {path}:oder."), "did you mean order?"]);
    rejected(
        &format!("usdt:{path}:shop:ordre"),
        &[&format!("No matches for usdt {path}:shop:ordre."), "did you mean order?"],
    );
    rejected(&format!("usdt:{path}:stroe:order"), &["order has the provider shop, store"]);
    rejected(&format!("usdt:{path}:nosuch*"), &["Probe has no valid attach points."]);
    let bare = Scratch::compiled("bare", "int main(void) { return 0; }", &[]);
    rejected(&format!("usdt:{}:order", bare.path().display()), &["there are no usdt probes in this file"]);
    rejected("usdt:/no/such/file:order", &["usdt target file '/no/such/file' does not exist or is not executable"]);
    rejected("usdt:/etc/passwd:order", &["/etc/passwd: not an ELF file"]);
    rejected("usdt:order", &["usdt probe type requires 2 or 3 arguments, found 1", "-p PID"]);
    rejected("usdt", &["usdt probe type requires 2 or 3 arguments, found 0"]);
    rejected("usdt:a:b:c:d", &["usdt probe type requires 2 or 3 arguments, found 4"]);
    rejected("usdt::shop:order", &["usdt probe must specify at least path or pid to probe."]);
    rejected(&format!("usdt:{path}:"), &["usdt probe must have a target function or wildcard"]);
}

#[test]
fn an_address_of_the_program_and_its_stack() {
    requires!(Bpf, Uprobes, Program("cc"));
    let program = compiled("address", PLACES, &["-pie", "-fPIE"]);
    let path = program.path().display();
    let text =
        format!(r#"usdt:{path}:guarded {{ print(*(uint16 *)uaddr("guarded_semaphore")); print(ustack(1)); exit(); }}"#);
    // Symbols are looked up while the process is there.
    let out = Run::program(text).child(format!("{path} forever")).to_end();
    out.code(0).stdout_has("1\n").stdout_has("guarded+0\n");
    let text = r#"usdt:{file}:shop:order { print(uaddr("guarded_semaphore")); }"#;
    on(&program, text, &[]).code(1).stderr_has("uaddr() takes a probe with one attach point");
}
