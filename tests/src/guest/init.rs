//! `/init` of the virtual machine: makes the guest a place where cases can run, runs them, and powers off.
//!
//! It mounts what a program may expect everywhere, but not tracefs: to find that is rtrace's business. The kernel's
//! messages have the first serial line to themselves; what is printed here goes to the second one, where each
//! line that begins with `@@ ` is for the runner: `kernel`, `begin NAME`, `skipped: CASE: REASON`, `end NAME STATUS`
//! and at last `done`. Without that last line the runner takes the run as broken.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rtrace_tests::kernel::interrupts_tracepoints;
use rtrace_tests::workload::bring_up_loopback;

fn main() {
    // Only as the first process: anywhere else this would mount over the machine's own /proc and power it off.
    if std::process::id() != 1 {
        eprintln!("guest-init is the first process of the test machine, nothing to call by hand");
        std::process::exit(2);
    }
    match prepare() {
        Ok(()) => run_all(),
        Err(error) => println!("@@ broken: {error}"),
    }
    power_off();
}

fn prepare() -> io::Result<()> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")] {
        mount(kind, place)?;
    }
    use_second_serial_line()?;
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(format!("/proc/self/{target}"), format!("/dev/{name}"))?;
    }
    mount("devpts", "/dev/pts")?;
    mount("tmpfs", "/dev/shm")?;
    mount("cgroup2", "/sys/fs/cgroup")?;
    bring_up_loopback();
    fs::write("/proc/sys/kernel/hostname", "rtrace-guest")?;
    if interrupts_tracepoints() {
        let_tasks_finish()?;
    }
    println!("@@ kernel {}", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
    for module in files("/modules") {
        if let Err(error) = load_module(&module) {
            println!("module {}: {error}", module.display());
        }
    }
    Ok(())
}

/// Long slices of time. Where a task may lose its processor in the middle of a program, the kernel passes over what that
/// program is for until the task goes on, which is a whole slice of another one's events. Cases that count exactly are
/// not about that; those that are ask for short slices themselves (`workload::crowd`).
fn let_tasks_finish() -> io::Result<()> {
    const PLACE: &str = "/tmp/debugfs";
    mount("debugfs", PLACE)?;
    let settings = [("base_slice_ns", "100000000"), ("features", "NO_HRTICK"), ("features", "NO_WAKEUP_PREEMPTION")];
    for (file, value) in settings {
        if let Err(error) = fs::write(format!("{PLACE}/sched/{file}"), value) {
            println!("{value} is not for {file} of the scheduler: {error}");
        }
    }
    // SAFETY: a C string. Nothing of it may be left: a case may be about its not being there.
    let status = unsafe { libc::umount(c"/tmp/debugfs".as_ptr()) };
    if status == 0 { fs::remove_dir(PLACE) } else { Err(io::Error::last_os_error()) }
}

fn mount(kind: &str, place: &str) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let c_string = |text: &str| CString::new(text).map_err(io::Error::other);
    let (kind, target) = (c_string(kind)?, c_string(place)?);
    // SAFETY: all pointers are C strings, and no file system here takes options.
    let status = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    if status == 0 { Ok(()) } else { Err(io::Error::other(format!("mount {place}: {}", io::Error::last_os_error()))) }
}

fn use_second_serial_line() -> io::Result<()> {
    let line = fs::OpenOptions::new().write(true).custom_flags(libc::O_NOCTTY).open("/dev/ttyS1")?;
    // SAFETY: zero is a valid termios, which tcgetattr fills; the descriptors are open.
    unsafe {
        // Raw, or every line would end in a carriage return.
        let mut settings: libc::termios = std::mem::zeroed();
        libc::tcgetattr(line.as_raw_fd(), &mut settings);
        libc::cfmakeraw(&mut settings);
        libc::tcsetattr(line.as_raw_fd(), libc::TCSANOW, &settings);
        libc::dup2(line.as_raw_fd(), 1);
        libc::dup2(line.as_raw_fd(), 2);
    }
    Ok(())
}

fn load_module(path: &Path) -> io::Result<()> {
    let file = fs::File::open(path)?;
    // SAFETY: an open file and an empty parameter string.
    let status = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Each test executable in turn. Cases run one by one, so that the last line says which one hangs.
fn run_all() {
    let arguments = fs::read_to_string("/arguments").unwrap_or_default();
    let environment = fs::read_to_string("/environment").unwrap_or_default();
    for test in files("/build/deps") {
        let name = test.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let skips = format!("/tmp/{name}.skips");
        // Who names a file, or what several files' names begin with, means all of their cases.
        let is_named = arguments.lines().any(|case| name == case || name.starts_with(&format!("{case}_")));
        let cases = if is_named { "" } else { &arguments };
        println!("\n@@ begin {name}");
        let started = Command::new(&test)
            .args(["--test-threads=1", "--color=never"])
            .args(cases.lines())
            .env_clear()
            .envs([("PATH", "/bin"), ("HOME", "/tmp"), ("RUST_BACKTRACE", "0")])
            .envs([("RTRACE_SKIP_LOG", skips.as_str()), ("RTRACE_SLOWNESS", "4")])
            .envs(environment.lines().filter_map(|line| line.split_once('=')))
            .stdin(Stdio::null())
            .current_dir("/tmp")
            .spawn();
        let status = started.map(|child| wait(child.id()));
        for line in fs::read_to_string(&skips).unwrap_or_default().lines() {
            println!("\n@@ {line}");
        }
        match status {
            Ok(status) => println!("\n@@ end {name} {status}"),
            Err(error) => println!("\n{}: {error}\n@@ end {name} 127", test.display()),
        }
    }
    println!("\n@@ done");
}

/// What is in a folder, by name; nothing if there is no such folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// Waits for a test executable, taking leave of orphans on the way, as the first process has to: a case may look
/// whether a process is really gone. The status is as a shell has it, one number for exit code and signal.
fn wait(pid: u32) -> i32 {
    loop {
        let mut status = 0;
        // SAFETY: asks for any child; `status` takes the answer.
        let ended = unsafe { libc::waitpid(-1, &mut status, 0) };
        if ended < 0 {
            return 127;
        }
        if ended as u32 == pid {
            return if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
        }
    }
}

fn power_off() -> ! {
    // SAFETY: the descriptor is open; the machine goes away with the second call, if not the loop waits for the runner.
    unsafe {
        libc::tcdrain(1);
        libc::reboot(libc::RB_POWER_OFF);
    }
    loop {
        std::thread::park();
    }
}
