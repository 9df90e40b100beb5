//! The command given by `-c`: started at once, held back until everything is attached.
//!
//! The child is forked before anything else and waits on a pipe. If rtrace dies the pipe closes and the child ends
//! without ever having run the command.

mod watch;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, waitpid};
use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a command could not be started.
#[derive(Debug, Error)]
pub enum ChildError {
    /// Quotes do not match, or nothing is there.
    #[error("{0}")]
    Syntax(&'static str),
    /// No such program.
    #[error("{0}: no such program in PATH, or not executable")]
    NotFound(String),
    /// The kernel refused.
    #[error("cannot start the command: {0}")]
    Start(#[from] io::Error),
}

/// A command that waits to be released.
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    go: Option<OwnedFd>,
    /// It stops where it begins, for us to look at it.
    is_watched: bool,
    status: Option<Ended>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    fn of(status: WaitStatus) -> Self {
        match status.exit_status() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.terminating_signal().unwrap_or(0)),
        }
    }
}

impl Child {
    /// Forks the child, which waits. One that is watched can be looked at before the command's first instruction, and
    /// again when its libraries are there.
    pub fn start(command: &str, is_watched: bool) -> Result<Self, ChildError> {
        let words = split(command)?;
        let path = find(&words[0]).ok_or_else(|| ChildError::NotFound(words[0].clone()))?;
        let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| ChildError::Syntax("a zero byte in the command"));
        let program = c_string(path.as_os_str().as_bytes())?;
        let args: Vec<CString> = words.iter().map(|word| c_string(word.as_bytes())).collect::<Result<_, _>>()?;
        let mut argv: Vec<*const libc::c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
        argv.push(std::ptr::null());
        let (wait, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from)?;

        // SAFETY: rtrace has one thread at this point, and the child calls only async-signal-safe functions on memory
        // that was prepared before.
        let pid = unsafe { libc::fork() };
        if pid < 0 {
            return Err(io::Error::last_os_error().into());
        }
        if pid == 0 {
            // SAFETY: see above; all pointers are to live memory, and argv ends with a null pointer.
            unsafe { run_child(wait.as_raw_fd(), go.as_raw_fd(), is_watched, &program, argv.as_ptr()) }
        }
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound).map_err(io::Error::from)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)?;
        Ok(Self { pid, pidfd, go: Some(go), is_watched, status: None })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    /// Lets the command run. Does `look` while one that is watched stands still.
    pub fn release(&mut self, look: &mut dyn FnMut()) -> io::Result<()> {
        let Some(go) = self.go.take() else { return Ok(()) };
        std::fs::File::from(go).write_all(&[1])?;
        if self.is_watched {
            self.status = watch::until_entry(self.pid, look)?.map(Ended::of);
        }
        Ok(())
    }

    /// Readable when the command has ended.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// How the command ended, if it has.
    pub fn ended(&mut self) -> Option<Ended> {
        if self.status.is_none() {
            let (_, status) = waitpid(Some(self.pid), WaitOptions::NOHANG).ok()??;
            self.status = Some(Ended::of(status));
        }
        self.status
    }
}

impl Drop for Child {
    /// A command that still runs is ended, as bpftrace does; one never released ends by itself.
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        self.go = None;
        let _ = rustix::process::kill_process(self.pid, rustix::process::Signal::TERM);
        let mut wait = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let second = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
        let _ = poll(&mut wait, Some(&second));
        let _ = waitpid(Some(self.pid), WaitOptions::NOHANG);
    }
}

/// Waits for the word to go, then becomes the command.
///
/// # Safety
/// To be called in a freshly forked child only; `argv` must end with a null pointer.
unsafe fn run_child(wait: i32, go: i32, is_watched: bool, program: &CString, argv: *const *const libc::c_char) -> ! {
    // SAFETY: plain system calls on valid arguments; the signal set is initialised before use.
    unsafe {
        libc::close(go);
        let mut byte = 0u8;
        let read = libc::read(wait, (&raw mut byte).cast(), 1);
        if read != 1 {
            libc::_exit(127);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if is_watched {
            libc::ptrace(libc::PTRACE_TRACEME);
        }
        libc::execv(program.as_ptr(), argv);
        libc::_exit(127)
    }
}

/// The program's file, looked for as a shell does.
fn find(name: &str) -> Option<PathBuf> {
    let executable = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| executable(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| executable(path))
}

/// Splits a command into words as a shell does: blanks part, quotes and backslashes hold together.
fn split(command: &str) -> Result<Vec<String>, ChildError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => {
                            text.push(chars.next().ok_or(ChildError::Syntax("an open quote in the command"))?);
                        }
                        Some(inside) => text.push(inside),
                        None => return Err(ChildError::Syntax("an open quote in the command")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.is_empty() {
        true => Err(ChildError::Syntax("the command is empty")),
        false => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split(r#"/bin/echo "a b" 'c "d' e\ f"#).unwrap(), ["/bin/echo", "a b", "c \"d", "e f"]);
        assert!(split("  ").is_err());
        assert!(split("'open").is_err());
    }

    #[test]
    fn a_missing_program_is_known_before_anything_runs() {
        assert!(matches!(Child::start("no-such-program-at-all x", false), Err(ChildError::NotFound(_))));
    }
}
