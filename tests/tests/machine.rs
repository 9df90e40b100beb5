//! Machines that offer less than a root shell on a desktop, and other programs' view of what we make.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rtrace_tests::place::own_mounts;
use rtrace_tests::{Run, Scratch, Work, Worker, requires, rtrace};

const CAP_DAC_READ_SEARCH: u32 = 2;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

const ENDS_SOON: &str = "interval:ms:20 { printf(\"tick\\n\"); exit(); }";

#[test]
fn without_privileges_the_missing_ones_are_named() {
    requires!(Bpf, Root);
    let out = Run::program(ENDS_SOON).as_nobody(&[]).to_end();
    out.code(1).stdout_is("").stderr_has("ERROR: ").stderr_has("CAP_BPF").stderr_has("CAP_PERFMON");
    let out = Run::program(ENDS_SOON).as_nobody(&[CAP_BPF]).to_end();
    out.code(1).stdout_is("").stderr_has("CAP_PERFMON");
    // Mistakes are told to everyone.
    Run::program("begin { nosuch(); }").as_nobody(&[]).to_end().code(1).stderr_has("nosuch");
}

#[test]
fn two_capabilities_are_enough_where_no_file_of_root_is_read() {
    requires!(Bpf, Root, Btf);
    let run = |text: &str| Run::program(text).as_nobody(&[CAP_BPF, CAP_PERFMON]);
    run("begin { printf(\"x\\n\"); @ = 1; }").to_end().code(0).stdout_is("x\n\n\n@: 1\n");
    run(ENDS_SOON).to_end().code(0).stdout_is("tick\n\n\n");
    let writer = Worker::new("rt_caps", Work::write("/dev/null", 60, 1));
    let text = format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @ = count(); }}", writer.pid());
    run(&text).run(|_| writer.finish()).code(0).stdout_is("\n\n@: 60\n");
    // Where one is, the error says which and what would help.
    let out = run("tracepoint:syscalls:sys_enter_write { @ = sum(args.count); }").to_end();
    // A tracefs that is not mounted takes another right than one that is closed to us.
    let is_mounted = Path::new("/sys/kernel/tracing/events").exists();
    let wanted = if is_mounted { "CAP_DAC_READ_SEARCH" } else { "CAP_SYS_ADMIN" };
    out.code(1).stdout_is("").stderr_has(wanted);
}

#[test]
fn a_third_capability_reads_the_fields_of_events() {
    requires!(Bpf, Root, Tracefs, File("/sys/kernel/tracing/events"));
    let writer = Worker::new("rt_caps3", Work::write("/dev/null", 60, 3));
    let text = format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @ = sum(args.count); }}", writer.pid());
    let out = Run::program(text).as_nobody(&[CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH]).run(|_| writer.finish());
    out.code(0).stdout_is("\n\n@: 180\n");
}

#[test]
fn a_tracefs_that_is_not_mounted_is_no_obstacle() {
    requires!(Bpf, Root, Tracefs);
    let writer = Worker::new("rt_unmounted", Work::write("/dev/null", 60, 3));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {0}/ {{ @ = sum(args.count); }}
         tracepoint:sched:sched_process_exit /pid == {0}/ {{ @exit[args.comm] = count(); }}",
        writer.pid()
    );
    let out = Run::program(text).without_tracefs().run(|_| writer.finish());
    out.code(0).stdout_is("\n\n@: 180\n@exit[rt_unmounted]: 1\n");
    let out = Run::program("tracepoint:syscalls:sys_enter_writ { @ = 1; }").without_tracefs().to_end();
    out.code(1).stdout_is("").stderr_has("sys_enter_write");
}

#[test]
fn an_unknown_home_and_an_empty_environment_are_no_obstacle() {
    requires!(Bpf);
    let out = Command::new(rtrace()).args(["-e", "begin { printf(\"x\\n\"); }"]).env_clear().output();
    let out = out.expect("rtrace starts");
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(0), b"x\n\n\n".as_slice()), "{out:?}");
}

#[test]
fn closed_standard_streams_are_no_obstacle() {
    requires!(Bpf);
    let mut command = Command::new(rtrace());
    command.args(["-e", "begin { printf(\"x\\n\"); @ = 1; }"]);
    // SAFETY: makes only system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for stream in 0..3 {
                libc::close(stream);
            }
            Ok(())
        });
    }
    let status = command.status().expect("rtrace starts");
    assert!(status.code().is_some(), "{status:?}");
}

#[test]
fn every_stage_of_the_compiler_can_be_looked_at() {
    requires!(Tracefs);
    let text = "tracepoint:syscalls:sys_enter_write /pid > 1/ { @[comm] = count(); }";
    for (stage, sign) in [
        ("ast", "tracepoint:syscalls:sys_enter_write"),
        ("types", "@[string[16]]: count_t"),
        ("clif", "function "),
        ("clif-opt", "function "),
        ("bpf", "exit"),
        ("elf", "license"),
    ] {
        let out = Run::program(text).arg("-d").arg(stage).to_end();
        out.code(0).stdout_has(sign);
        assert!(!out.attached && out.stderr.is_empty(), "{out}");
    }
    let several = Run::program(text).arg("-d").arg("types,dis").arg("-d").arg("clif").to_end();
    several.code(0).stdout_has("types\n-----\n@").stdout_has("\nclif\n----\nfunction ").stdout_has("\nbpf\n---\n");
    assert_eq!(several.stdout.matches("\n-----\n").count(), 1, "each stage is shown once\n{several}");
    Run::program(text).arg("-d").arg("nosuch").to_end().code(1).stdout_is("").stderr_has("clif-opt");
}

#[test]
fn the_object_file_loads_with_another_loader() {
    requires!(Bpf, Root, Tracefs, File("/usr/sbin/bpftool"));
    let object = Scratch::new("object.o");
    let text = "begin { printf(\"x %d\\n\", 1); @s = \"text\"; }
        tracepoint:syscalls:sys_enter_write /pid > 1/ { @[comm, pid] = count(); @h = hist(args.count); }
        tracepoint:sched:sched_process_exec { printf(\"%s\\n\", str(args.filename)); print(@h); }
        interval:s:1 { @n++; if (@n > 10) { exit(); } }";
    let out = Run::program(text).arg("--emit-elf").arg(object.path()).to_end();
    out.code(0).stdout_is("");
    assert!(!out.attached, "{out}");
    let mut bpftool = Command::new("/usr/sbin/bpftool");
    bpftool.args(["prog", "loadall"]).arg(object.path()).arg("/sys/fs/bpf/object");
    // SAFETY: makes only system calls between fork and exec.
    unsafe {
        bpftool.pre_exec(|| {
            own_mounts()?;
            let kind = c"bpf".as_ptr();
            // What is pinned there goes away with the last process that sees it.
            match libc::mount(kind, c"/sys/fs/bpf".as_ptr(), kind, 0, std::ptr::null()) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let loaded = bpftool.output().expect("bpftool starts");
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    Run::program(text).arg("--emit-elf").arg("/no/such/folder/x.o").to_end().code(1).stderr_has("/no/such/folder/x.o");
}
