//! Starting rtrace on a script, doing something while it traces, ending it, and looking at what it said.
//!
//! rtrace runs in a process group of its own with nothing in its environment but `PATH` and the variable that makes
//! it announce when all probes are attached. That announcement is taken out of the output. One time limit covers the
//! whole run; whatever is still alive when a [`Session`] is dropped is killed.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use libc::c_int;

use crate::patience;
use crate::place::Place;

const MARKER: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

/// How rtrace will be started. Nothing happens before [`Run::start`], [`Run::run`] or [`Run::to_end`].
#[derive(Debug)]
pub struct Run {
    binary: Option<PathBuf>,
    args: Vec<OsString>,
    script: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Option<Vec<u8>>,
    reader: Reader,
    place: Place,
    limit: Duration,
}

/// Who reads standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// Everything, as fast as it comes.
    #[default]
    Eager,
    /// Everything, with a rest of 1 ms after each 4 KiB.
    Slow,
    /// Up to the end of the first line after the announcement, then the pipe is closed, as `head -1` does.
    OneLine,
}

impl Run {
    /// Runs a program given as text, by `-e`.
    pub fn program(text: impl Into<OsString>) -> Run {
        Run::with(vec!["-e".into(), text.into()])
    }

    /// Runs a script file.
    pub fn file(path: impl Into<OsString>) -> Run {
        Run::with(vec![path.into()])
    }

    /// Runs with nothing but the arguments added by [`Run::arg`].
    pub fn bare() -> Run {
        Run::with(Vec::new())
    }

    fn with(script: Vec<OsString>) -> Run {
        Run {
            binary: None,
            args: Vec::new(),
            script,
            env: Vec::new(),
            input: None,
            reader: Reader::default(),
            place: Place::default(),
            limit: Duration::from_secs(30),
        }
    }

    /// Runs another program in rtrace's place: for testing the harness.
    pub fn of(mut self, binary: impl Into<PathBuf>) -> Run {
        self.binary = Some(binary.into());
        self
    }

    /// Adds an argument before the script.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Run {
        self.args.push(arg.into());
        self
    }

    /// Adds a positional parameter, after the script.
    pub fn parameter(mut self, parameter: impl Into<OsString>) -> Run {
        self.script.push(parameter.into());
        self
    }

    /// Gives rtrace a command to run and trace, by `-c`.
    pub fn child(self, command: impl Into<OsString>) -> Run {
        self.arg("-c").arg(command)
    }

    /// Sets a variable in its environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Run {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives it something to read on standard input, which is empty otherwise.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Run {
        self.input = Some(bytes.into());
        self
    }

    /// Says how its standard output is read.
    pub fn reader(mut self, reader: Reader) -> Run {
        self.reader = reader;
        self
    }

    /// Runs it as `nobody`, with no more than these capabilities. Takes root.
    pub fn as_nobody(mut self, capabilities: &[u32]) -> Run {
        self.place.nobody = Some(capabilities.iter().fold(0, |set, capability| set | 1 << capability));
        self
    }

    /// Hides every tracefs that is mounted, for this run alone. Takes root.
    pub fn without_tracefs(mut self) -> Run {
        self.place.without_tracefs = true;
        self
    }

    /// Time for the whole run, 30 s unless told; stretched on slow machines.
    pub fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// Starts it, waits until all probes are attached, does `work`, interrupts it as Ctrl-C does and waits for the end.
    #[track_caller]
    pub fn run(self, work: impl FnOnce(&Session)) -> Output {
        let session = self.start();
        session.wait_attached();
        work(&session);
        session.interrupt()
    }

    /// Starts it and waits until it ends by itself.
    #[track_caller]
    pub fn to_end(self) -> Output {
        self.start().to_end()
    }

    /// Starts it and returns at once.
    #[track_caller]
    pub fn start(self) -> Session {
        let binary = self.binary.unwrap_or_else(crate::rtrace);
        let mut command = Command::new(&binary);
        command.args(&self.args).args(&self.script);
        let line = format!("{command:?}");
        command.env_clear().env(MARKER, "1").envs(self.env);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // SAFETY: between fork and exec the child makes only system calls on memory made ready before.
        unsafe {
            command.pre_exec(move || {
                self.place.enter()?;
                // A test run in the background of a script has it ignored, and would hand that down.
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                // So that a test process that is killed takes rtrace with it. A change of user forgets it, so it is last.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let begun = Instant::now();
        let mut child =
            spawn(&mut command).unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display()));
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input) {
            // It may end without reading all of it.
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let shared = Arc::new(Shared::default());
        let stdout = child.stdout.take().expect("stdout was asked for");
        let stderr = child.stderr.take().expect("stderr was asked for");
        collect(stdout, Stream::Out, self.reader, &shared);
        collect(stderr, Stream::Err, Reader::Eager, &shared);
        watch(child.id(), &shared);
        Session { child, reaped: false, line, shared, begun, limit: patience(self.limit) }
    }
}

/// A script that was written a moment ago may still be open in a child that another thread has forked.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let deadline = Instant::now() + patience(Duration::from_secs(2));
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// A running rtrace. Dropping it ends it.
#[derive(Debug)]
pub struct Session {
    child: Child,
    reaped: bool,
    line: String,
    shared: Arc<Shared>,
    begun: Instant,
    limit: Duration,
}

impl Session {
    /// The process id of rtrace.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns once all probes are attached. The case fails if rtrace ends before that.
    #[track_caller]
    pub fn wait_attached(&self) {
        let state = self.wait_printed(State::attached);
        if !state.attached() {
            panic!("rtrace ended before its probes were attached\n{}", self.describe(&state));
        }
    }

    /// Returns once standard output has `text`, which may be before its line is complete.
    #[track_caller]
    pub fn wait_stdout(&self, text: &str) {
        let state = self.wait_printed(|state| state.stdout().contains(text));
        if !state.stdout().contains(text) {
            panic!("rtrace ended without printing {text:?}\n{}", self.describe(&state));
        }
    }

    /// Returns once standard error has `text`.
    #[track_caller]
    pub fn wait_stderr(&self, text: &str) {
        let has = |state: &State| String::from_utf8_lossy(&state.stderr).contains(text);
        let state = self.wait_printed(has);
        if !has(&state) {
            panic!("rtrace ended without {text:?} on stderr\n{}", self.describe(&state));
        }
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().stderr).into_owned()
    }

    /// What it has printed so far, without the announcement.
    pub fn stdout(&self) -> String {
        self.shared.lock().stdout()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: c_int) {
        // SAFETY: the child is reaped only when the session is consumed or dropped, so the id still names it.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// Sends SIGINT and waits for the end.
    #[track_caller]
    pub fn interrupt(self) -> Output {
        self.signal(libc::SIGINT);
        self.to_end()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn to_end(mut self) -> Output {
        drop(self.wait(|state| state.exited));
        let wall = self.begun.elapsed();
        drop(self.settle());
        let status = self.end().expect("a session is waited for once");
        let state = self.shared.lock();
        Output {
            stdout: state.stdout(),
            stderr: String::from_utf8_lossy(&state.stderr).into_owned(),
            code: status.code(),
            signal: status.signal(),
            attached: state.attached(),
            before_attached: state.before_attached().unwrap_or_default(),
            wall,
            line: self.line.clone(),
        }
    }

    /// Kills rtrace and what it started (a `-c` command, system()), and reaps it. The second call does nothing.
    fn end(&mut self) -> Option<ExitStatus> {
        if self.reaped {
            return None;
        }
        // SAFETY: a signal to a group made by us; rtrace is not reaped yet, so no other group can have its id.
        unsafe { libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL) };
        self.reaped = true;
        self.child.wait().ok()
    }

    /// Waits until it has printed what `done` looks for, or has ended and nothing more can come.
    #[track_caller]
    fn wait_printed(&self, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.wait(|state| done(state) || state.exited);
        if done(&state) {
            return state;
        }
        drop(state);
        self.settle()
    }

    /// After the end: what was printed is in the pipes by now and is read, which takes its time where a program keeps a
    /// processor to itself; but a process left behind may keep them open.
    fn settle(&self) -> MutexGuard<'_, State> {
        let settled = Instant::now() + Duration::from_secs(5);
        self.shared.wait_until(settled, |state| state.open_streams == 0)
    }

    #[track_caller]
    fn wait(&self, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.shared.wait_until(self.begun + self.limit, &done);
        if !done(&state) {
            panic!("rtrace did not get there in {:?}\n{}", self.limit, self.describe(&state));
        }
        state
    }

    fn describe(&self, state: &State) -> String {
        format!("{}\n--- stdout\n{}--- stderr\n{}", self.line, state.stdout(), String::from_utf8_lossy(&state.stderr))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is known of a run so far, filled by the threads that read and watch.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    open_streams: u32,
    exited: bool,
}

impl Default for State {
    fn default() -> State {
        State { stdout: Vec::new(), stderr: Vec::new(), open_streams: 2, exited: false }
    }
}

impl State {
    fn attached(&self) -> bool {
        self.before_attached().is_some()
    }

    /// What came on standard output before the announcement.
    fn before_attached(&self) -> Option<String> {
        // Looked for again after each piece of output, so not in all of a flood.
        let beginning = &self.stdout[..self.stdout.len().min(65536)];
        let text = String::from_utf8_lossy(beginning);
        marker_line(&text).map(|range| text[..range.start].to_owned())
    }

    /// Standard output without the announcement.
    fn stdout(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.stdout).into_owned();
        if let Some(range) = marker_line(&text) {
            text.replace_range(range, "");
        }
        text
    }
}

/// Where the announcement is: a line of its own.
fn marker_line(text: &str) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.strip_suffix('\n') == Some(MARKER) {
            return Some(start..start + line.len());
        }
        start += line.len();
    }
    None
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `done` or the deadline, whichever is first.
    fn wait_until(&self, deadline: Instant, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), left, |state| !done(state));
        waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

fn collect(mut from: impl Read + Send + 'static, stream: Stream, reader: Reader, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut buffer = vec![0; if reader == Reader::Slow { 4096 } else { 65536 }];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut enough = false;
            shared.update(|state| match stream {
                Stream::Out => {
                    state.stdout.extend_from_slice(&buffer[..count]);
                    enough = reader == Reader::OneLine && state.attached() && state.stdout().contains('\n');
                }
                Stream::Err => state.stderr.extend_from_slice(&buffer[..count]),
            });
            if enough {
                break;
            }
            if reader == Reader::Slow {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        drop(from);
        shared.update(|state| state.open_streams -= 1);
    });
}

/// Notes the end of the process without reaping it, so that its id stays ours until the session waits for it.
fn watch(pid: u32, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        // SAFETY: zero is a valid siginfo_t, which the call fills.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            while libc::waitid(libc::P_PID, pid, &mut info, libc::WEXITED | libc::WNOWAIT) != 0
                && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
            {}
        }
        shared.update(|state| state.exited = true);
    });
}

/// What came out of a run. The checks show all of it when they fail, and can be chained.
#[derive(Debug)]
pub struct Output {
    /// Standard output without the announcement that all probes are attached.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it announced that all probes are attached.
    pub attached: bool,
    /// What it printed on standard output before that.
    pub before_attached: String,
    /// From start to exit.
    pub wall: Duration,
    line: String,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line)?;
        writeln!(f, "--- exit code {:?}, signal {:?}, {:?}", self.code, self.signal, self.wall)?;
        write!(f, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}

impl Output {
    /// It ended with this code.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Output {
        assert!(self.code == Some(code), "exit code {code} was expected\n{self}");
        self
    }

    /// Standard output is exactly this.
    #[track_caller]
    pub fn stdout_is(&self, text: &str) -> &Output {
        assert!(self.stdout == text, "this was expected on stdout: {text:?}, this came: {:?}\n{self}", self.stdout);
        self
    }

    /// Standard output contains this.
    #[track_caller]
    pub fn stdout_has(&self, text: &str) -> &Output {
        assert!(self.stdout.contains(text), "{text:?} was expected on stdout\n{self}");
        self
    }

    /// Standard error contains this.
    #[track_caller]
    pub fn stderr_has(&self, text: &str) -> &Output {
        assert!(self.stderr.contains(text), "{text:?} was expected on stderr\n{self}");
        self
    }

    /// Neither stream contains this.
    #[track_caller]
    pub fn nowhere(&self, text: &str) -> &Output {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "{text:?} was not expected\n{self}");
        self
    }

    /// The first line of standard error is exactly this.
    #[track_caller]
    pub fn stderr_begins(&self, line: &str) -> &Output {
        assert!(self.stderr.lines().next() == Some(line), "{line:?} was expected first on stderr\n{self}");
        self
    }

    /// How many events it says were lost.
    #[track_caller]
    pub fn lost(&self) -> u64 {
        let number = |rest: &str| rest.split(' ').next()?.parse::<u64>().ok();
        let said = self.stderr.lines().filter_map(|line| number(line.split_once("Lost ")?.1));
        said.sum()
    }

    /// How many events it says the kernel has passed over, which Linux 7 does where one comes while a program runs.
    #[track_caller]
    pub fn passed_over(&self) -> u64 {
        let mut lines = self.stderr.lines().filter(|line| line.contains(" passed over by the kernel"));
        let number = |line: &str| line.strip_prefix("WARNING: ")?.split(' ').next()?.parse().ok();
        lines.next().map_or(0, |line| number(line).unwrap_or_else(|| panic!("no number in {line:?}")))
    }

    /// The number printed for a map or key of whole numbers: `int("@x[1]")` reads the line `@x[1]: 5`.
    #[track_caller]
    pub fn int(&self, name: &str) -> i64 {
        let value = self.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(value) = value else { panic!("{name} was not printed\n{self}") };
        value.parse().unwrap_or_else(|_| panic!("{name} is not a whole number\n{self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_counts_only_as_a_whole_line() {
        assert_eq!(marker_line(&format!("a\n{MARKER}\nb\n")), Some(2..2 + MARKER.len() + 1));
        assert_eq!(marker_line(MARKER), None);
        assert_eq!(marker_line(&format!("x{MARKER}\n")), None);
    }
}
