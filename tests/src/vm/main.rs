//! `vm`: runs the whole-tool cases in virtual machines, under kernels that this machine does not have.
//!
//! ```text
//! cargo run -p rtrace-tests --bin vm -- --kernel 6.12 [--kernel 6.1] [CASE...]
//! ```
//!
//! The kernels are Debian's; the guest is one archive with a static `rtrace`, the static test executables and an
//! `/init` of ours, so nothing is needed but qemu and apt. What cannot be had here (no qemu, no kernel) is a
//! suite that is skipped, loudly; a guest that panics, hangs or ends too early is a failure.

mod build;
mod initramfs;
mod kernels;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use rtrace_tests::tally::{Ending, Suite};

use build::Programs;
use initramfs::Archive;
use kernels::{Kernel, Store};
use machine::{Machine, Outcome, QEMU};

const USAGE: &str = "\
usage: vm [--kernel SERIES]... [OPTIONS] [CASE...]

  --kernel SERIES   a series of Debian's kernels, such as 6.12; 6.1, 6.12 and 7 unless given
  --log FOLDER      leave SUITE.log, .skips and .end there for `report`
  --jobs N          so many machines at once, one more than processors unless given
  --limit SECONDS   time for one machine, 2100 unless given
  --rtrace FILE     a static program to put in rtrace's place
  --overlay FOLDER  put its files into the guest as well, links followed: tools, or what FILE needs
  --env NAME=VALUE  set a variable for the cases, such as RTRACE_REFERENCE=1
  --package NAME    run the tests of this package in the guest, too; the source tree is not there
  --refresh         look for newer kernels although there are some
  CASE              run only cases whose names contain one of these, or those of a file: scripts is all of scripts.rs,
                    scripts_network.rs and scripts_system.rs";

/// Applets of busybox that cases may use; a test that wants another adds it here.
const APPLETS: &[&str] = &[
    "sh", "bash", "cat", "cp", "dd", "echo", "env", "false", "grep", "head", "ip", "kill", "ls", "mkdir", "mount",
    "nc", "ping", "ps", "rm", "seq", "sleep", "tail", "touch", "tr", "true", "umount", "uname", "wc",
];

struct Options {
    series: Vec<String>,
    log: PathBuf,
    jobs: usize,
    limit: Duration,
    rtrace: Option<PathBuf>,
    overlay: Option<PathBuf>,
    env: Vec<String>,
    packages: Vec<String>,
    refresh: bool,
    cases: Vec<String>,
}

fn main() -> ExitCode {
    let target = target_folder();
    let options = match Options::parse(std::env::args().skip(1), &target) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let store = Mutex::new(Store::new(target.join("vm-kernels"), options.refresh));
    let shared = Shared { store, target, programs: OnceLock::new() };
    let mut failed = false;
    // Several at once: a case mostly waits for one processor of its guest, so that one machine leaves the others of
    // this one idle.
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.min(options.series.len()) {
            let (sender, next, options, shared) = (sender.clone(), &next, &options, &shared);
            scope.spawn(move || {
                while let Some(series) = options.series.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = sender.send((series, run_suite(series, options, shared)));
                }
            });
        }
        drop(sender);
        for (series, outcome) in outcomes {
            failed |= !conclude(series, &outcome, &options.log);
        }
    });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Says what came of a machine and leaves it in the logs; whether all is well.
fn conclude(series: &str, outcome: &Outcome, log: &Path) -> bool {
    let name = format!("vm-{series}");
    let suite = Suite::read(&outcome.log, &outcome.skips, &outcome.ending);
    match &outcome.ending {
        Ending::NotRun(why) => println!("SKIPPED: VM tests for kernel {series}: {why}"),
        Ending::Broken(why) => println!("BROKEN: VM tests for kernel {series}: {why}"),
        Ending::Exit(_) if suite.passed + suite.failed + suite.skipped.len() == 0 => {
            println!("BROKEN: VM tests for kernel {series}: no case has such a name");
            return false;
        }
        Ending::Exit(_) => {}
    }
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let boot = outcome.boot.map_or("never".to_owned(), seconds);
    println!("{name}: {suite} (booted after {boot}, off after {})", seconds(outcome.wall));
    if let Err(problem) = leave_logs(log, &name, outcome) {
        eprintln!("{problem}");
        return false;
    }
    suite.failed == 0
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>, target: &Path) -> Result<Options, String> {
        let mut options = Options {
            series: Vec::new(),
            log: target.join("test-log"),
            // Its cases also wait: for a clock, for each other.
            jobs: std::thread::available_parallelism().map_or(1, usize::from) + 1,
            limit: Duration::from_secs(2100),
            rtrace: None,
            overlay: None,
            env: Vec::new(),
            packages: vec!["rtrace-tests".to_owned()],
            refresh: false,
            cases: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--kernel" => options.series.push(value()?),
                "--log" => options.log = PathBuf::from(value()?),
                "--jobs" => {
                    let jobs: usize = value()?.parse().map_err(|error| format!("--jobs: {error}"))?;
                    options.jobs = jobs.max(1);
                }
                "--limit" => {
                    options.limit = Duration::from_secs(value()?.parse().map_err(|error| format!("--limit: {error}"))?);
                }
                "--rtrace" => options.rtrace = Some(PathBuf::from(value()?)),
                "--overlay" => options.overlay = Some(PathBuf::from(value()?)),
                "--env" => options.env.push(value()?),
                "--package" => options.packages.push(value()?),
                "--refresh" => options.refresh = true,
                _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
                _ => options.cases.push(word),
            }
        }
        if options.series.is_empty() {
            options.series = ["6.1", "6.12", "7"].map(str::to_owned).to_vec();
        }
        Ok(options)
    }
}

/// The folder cargo builds into: this program lies in `<target>/<profile>/`.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    program.ancestors().nth(2).expect("cargo puts programs two folders deep").to_owned()
}

/// What the machines have in common.
struct Shared {
    /// One fetches at a time: apt locks its folders.
    store: Mutex<Store>,
    target: PathBuf,
    /// Built once, and only when there is a machine to run them.
    programs: OnceLock<Result<Programs, String>>,
}

fn run_suite(series: &str, options: &Options, shared: &Shared) -> Outcome {
    if let Err(why) = emulator_is_here() {
        return Outcome::without_run(Ending::NotRun(why));
    }
    let kernel = match shared.store().kernel(series) {
        Ok(kernel) => kernel,
        Err(why) => return Outcome::without_run(Ending::NotRun(format!("no kernel: {why}"))),
    };
    println!("{}", describe(&kernel));
    boot(series, options, shared, &kernel).unwrap_or_else(|why| Outcome::without_run(Ending::Broken(why)))
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn programs(&self, options: &Options) -> Result<&Programs, String> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = self.target.join("static");
        let built = self.programs.get_or_init(|| build::build(&workspace, &folder, &options.packages));
        built.as_ref().map_err(Clone::clone)
    }
}

fn emulator_is_here() -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("the guest is x86-64 and this machine builds for another architecture".to_owned());
    }
    let found = Command::new(QEMU).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    found.map(|_| ()).map_err(|error| format!("{QEMU}: {error}"))
}

fn describe(kernel: &Kernel) -> String {
    let options = ["CONFIG_KPROBES", "CONFIG_FPROBE", "CONFIG_UPROBES", "CONFIG_DEBUG_INFO_BTF"];
    let state = |option: &&str| format!("{option}={}", if kernel.has(option) { "y" } else { "n" });
    format!("kernel {}: {}", kernel.release, options.iter().map(state).collect::<Vec<_>>().join(" "))
}

fn boot(series: &str, options: &Options, shared: &Shared, kernel: &Kernel) -> Result<Outcome, String> {
    let programs = shared.programs(options)?;
    let archive = pack(options, &shared.store(), kernel, programs)?;
    let folder = shared.target.join("vm");
    let say = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&folder).map_err(|error| say(&folder, error))?;
    let path = folder.join(format!("{series}.cpio"));
    fs::write(&path, &archive).map_err(|error| say(&path, error))?;
    let megabytes = archive.len() as u64 >> 20;
    drop(archive);
    println!("[{series}] guest files: {megabytes} MB");
    let machine = Machine {
        image: kernel.image.clone(),
        archive: path,
        console: folder.join(format!("{series}.console")),
        // The archive is in memory twice while it is unpacked, and the kernel gives its files half of all memory.
        memory: 1024.max(512 + 4 * megabytes),
        limit: options.limit,
    };
    // An old file would show an old panic.
    let _ = fs::remove_file(&machine.console);
    let outcome = machine.run(series)?;
    if matches!(outcome.ending, Ending::Broken(_)) {
        println!("--- the kernel's last messages\n{}\n---", machine.console_tail(40));
    }
    Ok(outcome)
}

/// Puts the guest together.
fn pack(options: &Options, store: &Store, kernel: &Kernel, programs: &Programs) -> Result<Vec<u8>, String> {
    let mut archive = Archive::default();
    let mut put = |path: &str, from: &Path| archive.program(path, from).map_err(|error| error.to_string());
    put("init", programs.binary("guest-init")?)?;
    // As cargo lays it out: the cases look for the programs in the folder above their own.
    put("build/rtrace", options.rtrace.as_deref().map_or_else(|| programs.binary("rtrace"), Ok)?)?;
    put("build/work", programs.binary("work")?)?;
    for (name, path) in &programs.tests {
        put(&format!("build/deps/{name}"), path)?;
    }
    for (at, module) in kernel.modules.iter().enumerate() {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        put(&format!("modules/{at}-{name}"), module)?;
    }
    match store.busybox() {
        Ok(busybox) => {
            put("bin/busybox", &busybox)?;
            APPLETS.iter().for_each(|applet| archive.link(&format!("bin/{applet}"), "busybox"));
        }
        Err(why) => println!("the guest has no busybox: {why}"),
    }
    archive.link("bin/rtrace", "/build/rtrace");
    if let Some(folder) = &options.overlay {
        overlay(&mut archive, folder, "").map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    // The kernel opens it for /init before anything is mounted.
    archive.device("dev/console", 5, 1);
    archive.file("arguments", 0o644, options.cases.join("\n").as_bytes());
    archive.file("environment", 0o644, options.env.join("\n").as_bytes());
    Ok(archive.finish())
}

/// Copies what is in `folder` to `path` in the guest.
fn overlay(archive: &mut Archive, folder: &Path, path: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let from = entry?.path();
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        let to = format!("{path}{name}");
        if from.is_dir() {
            overlay(archive, &from, &format!("{to}/"))?;
        } else {
            archive.program(&to, &from)?;
        }
    }
    Ok(())
}

fn leave_logs(folder: &Path, name: &str, outcome: &Outcome) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(say)?;
    for (kind, text) in [("log", &outcome.log), ("skips", &outcome.skips), ("end", &outcome.ending.to_string())] {
        fs::write(folder.join(format!("{name}.{kind}")), text).map_err(say)?;
    }
    Ok(())
}

impl Outcome {
    fn without_run(ending: Ending) -> Outcome {
        Outcome { ending, log: String::new(), skips: String::new(), boot: None, wall: Duration::ZERO }
    }
}
