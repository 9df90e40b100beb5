//! One run of the virtual machine: qemu, emulating, with the kernel's messages in a file and the cases on our pipe.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rtrace_tests::tally::Ending;

/// The emulator this needs.
pub const QEMU: &str = "qemu-system-x86_64";

/// What to boot.
pub struct Machine {
    /// The kernel.
    pub image: PathBuf,
    /// The guest's files.
    pub archive: PathBuf,
    /// Where the kernel's messages go.
    pub console: PathBuf,
    /// Memory in megabytes.
    pub memory: u64,
    /// Time for everything.
    pub limit: Duration,
}

/// What came of it.
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What the test executables printed.
    pub log: String,
    /// The lines of the skip log.
    pub skips: String,
    /// From power-on until `/init` had prepared the guest.
    pub boot: Option<Duration>,
    /// From power-on to power-off.
    pub wall: Duration,
}

/// The child is killed when this goes, whatever the reason.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Boots, shows each line as it comes with `label` in front of it, and returns when the machine is off.
    pub fn run(&self, label: &str) -> Result<Outcome, String> {
        let begun = Instant::now();
        let mut guest = Guest(self.command().spawn().map_err(|error| format!("{QEMU}: {error}"))?);
        let lines = read_lines(&mut guest.0);
        let mut reader = Reader::default();
        let mut boot = None;
        let stopped = loop {
            let left = self.limit.saturating_sub(begun.elapsed());
            match lines.recv_timeout(left) {
                Ok(line) => {
                    println!("[{label}] {line}");
                    reader.take(&line);
                    if boot.is_none() && line.starts_with("@@ kernel ") {
                        boot = Some(begun.elapsed());
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break None,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    break Some(format!("not done after {:?}", self.limit));
                }
            }
        };
        drop(guest);
        let broken = stopped.or_else(|| self.panic()).or_else(|| reader.trouble());
        let ending = broken.map_or(Ending::Exit(reader.status), |why| Ending::Broken(reader.locate(&why)));
        Ok(Outcome { ending, log: reader.log, skips: reader.skips, boot, wall: begun.elapsed() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(QEMU);
        // A guest that may use cmpxchg16b panics at boot under emulation; two processors, for cases about races. They take
        // turns: side by side, one may run an instruction that the kernel is just changing for the other, and panic.
        command.args([
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max,-cx16",
            "-smp",
            "2",
            "-m",
            &format!("{}M", self.memory),
        ]);
        command.args(["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]);
        command.arg("-kernel").arg(&self.image).arg("-initrd").arg(&self.archive);
        // A panic reboots at once, which -no-reboot turns into an end.
        // A busy machine may leave the guest without its processor while it looks whether its timer ticks.
        command.args(["-append", "console=ttyS0 panic=-1 oops=panic no_timer_check"]);
        command.arg("-serial").arg(format!("file:{}", self.console.display())).args(["-serial", "stdio"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: between fork and exec the child makes one async-signal-safe call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        command
    }

    /// The panic message on the console, if there is one.
    fn panic(&self) -> Option<String> {
        let console = String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned();
        let line = console.lines().find(|line| line.contains("Kernel panic"))?;
        Some(line.split("] ").last().unwrap_or(line).trim().to_owned())
    }

    /// The end of the kernel's messages.
    pub fn console_tail(&self, lines: usize) -> String {
        let console = String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned();
        let all: Vec<&str> = console.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

fn read_lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take().expect("stdout was asked for");
    std::thread::spawn(move || {
        let mut from = BufReader::new(stdout);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// What the guest's lines said so far.
#[derive(Default)]
struct Reader {
    log: String,
    skips: String,
    /// The worst status of a test executable.
    status: i32,
    /// The executable that began and has not ended.
    running: Option<String>,
    /// The last case that was announced.
    case: Option<String>,
    broken: Option<String>,
    done: bool,
}

impl Reader {
    fn take(&mut self, line: &str) {
        let Some(message) = line.strip_prefix("@@ ") else {
            if let Some((case, _)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
                self.case = Some(case.to_owned());
            }
            self.log.push_str(line);
            self.log.push('\n');
            return;
        };
        match message.split_once(' ').unwrap_or((message, "")) {
            ("begin", name) => self.running = Some(name.to_owned()),
            ("end", rest) => {
                self.running = None;
                let status = rest.rsplit(' ').next().and_then(|status| status.parse().ok());
                self.status = self.status.max(status.unwrap_or(1));
            }
            ("skipped:", rest) => self.skips.push_str(&format!("skipped: {rest}\n")),
            ("broken:", why) => self.broken = Some(why.to_owned()),
            ("done", _) => self.done = true,
            _ => {}
        }
    }

    /// Why the run is no good although the machine went off by itself.
    fn trouble(&self) -> Option<String> {
        let unfinished = (!self.done).then(|| "the machine went off before the cases were done".to_owned());
        self.broken.clone().or(unfinished)
    }

    /// The trouble and where it happened.
    fn locate(&self, why: &str) -> String {
        match (&self.running, &self.case) {
            (Some(running), Some(case)) => format!("{why} (in {running}, at or after case {case})"),
            (Some(running), None) => format!("{why} (in {running})"),
            _ => why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Reader {
        let mut reader = Reader::default();
        lines.iter().for_each(|line| reader.take(line));
        reader
    }

    #[test]
    fn a_run_without_its_last_line_is_broken() {
        let cut = read(&["@@ kernel 6.1", "@@ begin light", "test a ... ok", "test b ... "]);
        let why = cut.trouble().expect("it is not done");
        assert!(cut.locate(&why).ends_with("(in light, at or after case b)"), "{}", cut.locate(&why));
        let whole =
            read(&["@@ begin light", "test a ... ok", "@@ skipped: light::a: why", "@@ end light 101", "", "@@ done"]);
        assert_eq!(whole.trouble(), None);
        assert_eq!((whole.status, whole.skips.as_str()), (101, "skipped: light::a: why\n"));
    }

    #[test]
    fn the_worst_status_stays() {
        assert_eq!(read(&["@@ end a 101", "@@ end b 0", "@@ done"]).status, 101);
        assert_eq!(read(&["@@ end a nonsense", "@@ done"]).status, 1);
    }
}
