//! Stacks: those of programs that keep no frame pointers, walked by tables, and short ones as keys.

use rtrace_tests::{Output, Run, requires, sibling};

const ENABLED: &str = "config = { unstable_dw_ustack=enable } ";

/// `text` is a program about the binary of its `{work}`, which is run as `work stack ARGUMENTS`.
fn on_work(text: &str, arguments: &str) -> Output {
    let work = sibling("work");
    let path = work.to_str().expect("a path that is text");
    let text = format!("{ENABLED}{text}").replace("{work}", path);
    Run::program(text).child(format!("'{path}' stack {arguments}")).to_end()
}

/// The names of functions in stacks, without what else is in a line.
fn names(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| Some(line.trim().split_once('+')?.0)).collect()
}

/// The functions that `out` shows, which must begin with `first` and have `later` in this order behind that.
fn check_stack(out: &Output, first: &[&str], later: &[&str]) {
    let names = names(&out.stdout);
    assert!(names.starts_with(first), "{out}");
    let mut rest = names.iter().skip(first.len());
    for name in later {
        assert!(rest.any(|known| known == name), "{name} is missing: {out}");
    }
    assert!(!out.stdout.contains("<unwind failure>"), "{out}");
}

#[test]
fn the_first_stack_of_a_command_is_whole() {
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17));
    let out = on_work(r#"u:{work}:work_step { printf("%s\n", dw_ustack); exit(); }"#, "nested 9000000");
    check_stack(out.code(0), &["work_step", "work_middle", "work_outer"], &["main"]);
}

#[test]
fn equal_stacks_are_equal_keys() {
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17));
    let out =
        on_work("u:{work}:work_step { @[dw_ustack(3)] = count(); @n[len(dw_ustack(3))] = count(); }", "nested 50");
    check_stack(out.code(0), &["work_step", "work_middle", "work_outer"], &[]);
    out.stdout_has("]: 50\n").stdout_has("@n[3]: 50\n");
}

#[test]
fn limits_and_modes() {
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17));
    let text = "u:{work}:work_step { print((len(dw_ustack()), len(dw_ustack(5)), len(dw_ustack(raw, 1)), len(dw_ustack(0)))); }";
    on_work(text, "deep 300").code(0).stdout_has("(127, 5, 1, 0)\n");
    let out = on_work(
        "u:{work}:work_step { print(dw_ustack(perf, 2)); print(dw_ustack(raw, 2)); exit(); }",
        "nested 9000000",
    );
    let work = sibling("work").display().to_string();
    let lines: Vec<&str> = out.code(0).stdout.lines().collect();
    assert!(lines[1].starts_with('\t') && lines[1].ends_with(&format!(" work_step+0 ({work})")), "{out}");
    let address = lines[1].trim().split(' ').next().expect("an address");
    assert!(lines[2].contains(" work_middle+"), "{out}");
    assert_eq!(lines[5], address, "{out}");
}

#[test]
fn a_stack_goes_through_libraries_signals_and_threads() {
    // In a static program there are no libraries, and not every C library tells of its signal frames.
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17), File("/lib64/ld-linux-x86-64.so.2"));
    let text = r#"u:{work}:work_step { printf("%s\n", dw_ustack(perf)); exit(); }"#;
    let names = |out: &Output| -> String { out.stdout.lines().filter_map(|line| line.split(' ').nth(1)).collect() };
    for (how, first, outer) in [("callback", "work_compare", "main"), ("signal", "work_handler", "main")] {
        let out = on_work(text, &format!("{how} 9000000"));
        let found = names(out.code(0));
        let at = found.find(&format!("work_step+0{first}+")).unwrap_or_else(|| panic!("{out}"));
        assert!(found[at..].contains(outer) && out.stdout.contains("libc"), "{out}");
        assert!(!out.stdout.contains("<unwind failure>"), "{out}");
    }
    let out = on_work(r#"u:{work}:work_step { printf("%s\n", dw_ustack); exit(); }"#, "thread 9000000");
    check_stack(out.code(0), &["work_step", "work_middle", "work_outer"], &[]);
}

#[test]
fn return_addresses_that_uretprobes_take_away_are_found() {
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17));
    let text = r#"ur:{work}:work_outer { @ = 1; } ur:{work}:work_middle { @ = 2; }
        u:{work}:work_step { printf("%s\n", dw_ustack); exit(); }"#;
    let out = on_work(text, "nested 9000000");
    check_stack(out.code(0), &["work_step", "work_middle", "work_outer"], &["main"]);
    let text = r#"ur:{work}:work_deep { @ = 1; } u:{work}:work_step { print(len(dw_ustack)); exit(); }"#;
    let plain = r#"u:{work}:work_step { print(len(dw_ustack)); exit(); }"#;
    let (with, without) = (on_work(text, "deep 40"), on_work(plain, "deep 40"));
    let length = |out: &Output| out.code(0).stdout.lines().next().map(str::to_owned);
    assert!(length(&with).is_some() && length(&with) == length(&without), "{with}\n{without}");
}

#[test]
fn another_program_of_the_same_process_is_not_taken_for_the_first() {
    requires!(Bpf, Btf, Kernel(5, 17));
    let work = sibling("work").display().to_string();
    let text = format!(
        "{ENABLED}profile:hz:499 /comm == \"work\" && usermode/ {{
            if (len(dw_ustack) > 5) {{ @[dw_ustack] = count(); @good++; }} if (@good >= 30) {{ exit(); }}
        }}"
    );
    let out = Run::program(text).child(format!("sh -c \"exec '{work}' stack busy 20000\"")).to_end();
    assert!(out.code(0).int("@good") >= 30, "{out}");
    assert!(names(&out.stdout).contains(&"work_outer"), "{out}");
}

#[test]
fn samples_are_whole_wherever_they_fall() {
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17));
    // Before its entry, constructors of libraries run that are not known yet.
    let text = "u:{work}:work_deep { @on = 1; } profile:hz:499 /@on == 1 && pid == cpid && usermode/ {
            @[dw_ustack] = count(); if (++@n >= 50) { exit(); }
        }";
    let out = on_work(text, "busy 20000");
    assert!(out.code(0).int("@n") >= 50, "{out}");
    assert!(!out.stdout.contains("<unwind failure>"), "{out}");
    assert!(names(&out.stdout).contains(&"main"), "{out}");
}

#[test]
fn a_system_call_has_the_stack_of_who_made_it() {
    requires!(Bpf, Btf, Kernel(5, 17), File("/lib64/ld-linux-x86-64.so.2"));
    let text = r#"t:syscalls:sys_enter_tgkill /pid == cpid/ { printf("%s\n", dw_ustack); exit(); }"#;
    check_stack(on_work(text, "signal 9000000").code(0), &[], &["main"]);
}

/// A walk from within the kernel, for each kind of program there.
fn walk_at(probe: &str, predicate: &str) {
    let work = sibling("work").display().to_string();
    let text = format!(r#"{ENABLED}{probe} /pid == cpid && {predicate}/ {{ printf("%s\n", dw_ustack); exit(); }}"#);
    check_stack(
        Run::program(text).child(format!("'{work}' write /dev/null 900000000 1")).to_end().code(0),
        &[],
        &["main"],
    );
}

#[test]
fn a_tracepoint_has_the_stack_of_the_process() {
    requires!(Bpf, Btf, Kernel(5, 17));
    walk_at("tracepoint:syscalls:sys_enter_write", "true");
    // Of write.
    walk_at("rawtracepoint:sys_enter", "arg1 == 1");
}

#[test]
fn a_kernel_function_has_the_stack_of_the_process() {
    requires!(Bpf, Btf, Kprobes, Kernel(5, 17));
    walk_at("kprobe:vfs_write", "true");
    walk_at("kretprobe:vfs_write", "true");
}

#[test]
fn a_typed_kernel_function_has_the_stack_of_the_process() {
    requires!(Bpf, Btf, Fentry, Kernel(5, 17));
    walk_at("fentry:vfs_write", "true");
    walk_at("fexit:vfs_write", "true");
}

#[test]
fn what_a_command_starts_is_found_when_it_is_met() {
    requires!(Bpf, Btf, Kernel(5, 17));
    let work = sibling("work").display().to_string();
    let text = format!(
        "{ENABLED}profile:hz:499 /comm == \"work\" && usermode/ {{
            if (len(dw_ustack) > 3) {{ @good++; }} if (@good >= 20) {{ exit(); }}
        }}"
    );
    let out = Run::program(text).child(format!("sh -c \"'{work}' stack busy 20000; true\"")).to_end();
    out.code(0).stderr_has("WARNING: No DWARF unwind data available for this process.");
    assert!(out.int("@good") >= 20, "{out}");
}

#[test]
fn a_copy_of_a_process_has_its_stacks_from_the_beginning() {
    requires!(Bpf, Btf, Kernel(5, 17));
    let text = "t:syscalls:sys_enter_getppid /ppid == cpid/ { @[len(dw_ustack(10))] = count(); }";
    on_work(text, "fork 30").code(0).stdout_is("\n\n@[10]: 30\n");
}

#[test]
fn others_than_the_targets_have_no_stack() {
    requires!(Bpf, Uprobes, Btf, Kernel(5, 17));
    let work = sibling("work").display().to_string();
    let text = format!("{ENABLED}u:{work}:work_step {{ @[len(dw_ustack)] = count(); }}");
    let out = Run::program(text).arg("--dwarf-pid").arg("1").run(|_| {
        let status = std::process::Command::new(&work).args(["stack", "nested", "7"]).status();
        assert!(status.is_ok_and(|status| status.success()));
    });
    // Other cases run the same program.
    assert!(out.code(0).int("@[0]") >= 7 && out.stdout.matches("@[").count() == 1, "{out}");
    out.stderr_has("WARNING: No DWARF unwind data available for this process.").stderr_has("--dwarf-pid");
}

#[test]
fn what_it_takes_is_told() {
    requires!(Bpf, Btf, Kernel(5, 17));
    let out = Run::program(format!("{ENABLED}i:s:1 {{ print(dw_ustack); }}")).to_end();
    out.code(1).stderr_has("ERROR: dw_ustack requires a target process").stderr_has("-p, -c, or --dwarf-pid");
    let out = Run::program("config = { unstable_dw_ustack=error } i:s:1 { print(dw_ustack); }").to_end();
    out.code(1).stderr_has("ERROR: dw_ustack (DWARF stack unwinding) feature is not enabled by default.");
    let out = Run::program("begin { print(dw_ustack); print(dw_ustack(3)); }").arg("--dwarf-pid").arg("1").to_end();
    out.code(0).stderr_has("WARNING: Script is using an unstable feature: dw_ustack (DWARF stack unwinding).");
    assert_eq!(out.stderr.matches("unstable feature").count(), 1, "{out}");
    let out = Run::program(format!("{ENABLED}begin {{ print(1); }}")).arg("--dwarf-pid").arg("1,x").to_end();
    out.code(1).stderr_has("Failed to parse pid: invalid integer: x");
}

/// Short ones lie on the stack of the program itself, which kernels are particular about.
#[test]
fn short_stacks_of_a_tracepoint_are_equal_keys_and_equal_values() {
    requires!(Bpf, Tracefs);
    let work = sibling("work").display().to_string();
    let text = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/ {
        @user[ustack(raw, 1)] = count();
        @kernel[kstack(2)] = count();
        if ((1, ustack(raw, 1)) == (1, ustack(raw, 1))) { @same++ }
    }";
    let out = Run::program(text).child(format!("'{work}' getppid 50")).to_end();
    out.code(0).stdout_has("@same: 50\n");
    assert_eq!(out.stdout.matches("]: 50\n").count(), 2, "{out}");
}
