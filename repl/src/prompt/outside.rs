//! A text in the user's own editor, which has the terminal for as long as it runs. The session goes on behind it, and
//! what there is to see is shown afterwards.

use super::editor::Saved;
use super::screen::Screen;
use super::session::Session;
use runtime::session::RunError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// What has come of it.
pub enum Edited {
    /// The text as it is now.
    Text(String),
    /// It is left as it was, for this reason.
    Left(String, Option<&'static str>),
}

/// Lets the user edit a text, which is called by this name, on a terminal as it was `before` the session.
pub fn edit(
    session: &mut Session<'_>,
    screen: &Screen,
    before: &Saved,
    name: &str,
    text: &str,
) -> Result<Edited, RunError> {
    let Some(editor) = editor() else {
        let help = "EDITOR=nano rtrace; :edit without `!` edits at the prompt";
        return Ok(Edited::Left("there is no editor: VISUAL and EDITOR name none".to_owned(), Some(help)));
    };
    let failed = |error: io::Error| Ok(Edited::Left(format!("cannot run {editor}: {error}"), None));
    let file = match Draft::create(name, text) {
        Ok(file) => file,
        Err(error) => return Ok(Edited::Left(format!("cannot write a file to be edited: {error}"), None)),
    };
    screen.hold();
    let here = Saved::now();
    before.restore();
    let ended = match start(&editor, &file.0) {
        Ok(mut child) => wait(session, &mut child).map(|ended| ended.map(|()| child.wait())),
        Err(error) => {
            here.restore();
            screen.release();
            return failed(error);
        }
    };
    take_terminal();
    here.restore();
    screen.release();
    Ok(match ended? {
        None => Edited::Left("the editor was ended".to_owned(), None),
        Some(Err(error)) => return failed(error),
        Some(Ok(status)) if status.code() == Some(127) => {
            Edited::Left(format!("cannot run the editor `{editor}`"), Some("VISUAL or EDITOR names it"))
        }
        Some(Ok(status)) if !status.success() => Edited::Left(format!("{editor} has failed: {status}"), None),
        Some(Ok(_)) => match fs::read_to_string(&file.0) {
            Ok(text) => Edited::Text(text),
            Err(error) => Edited::Left(format!("cannot read what was edited: {error}"), None),
        },
    })
}

/// The command of the editor.
fn editor() -> Option<String> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os);
    let mut named = named.map(|name| name.to_string_lossy().trim().to_owned()).filter(|name| !name.is_empty());
    let is_there = |name: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(**name).is_file())
    };
    named.next().or_else(|| ["vi", "nano", "vim"].iter().find(is_there).map(|name| (*name).to_owned()))
}

/// A file of our own, removed with this.
struct Draft(PathBuf);

impl Draft {
    fn create(name: &str, text: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir();
        // Nobody else may have put something there.
        let create = |path: &Path| fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        for number in 0..u32::MAX {
            let path = folder.join(format!("rtrace-{}-{number}-{name}.rt", std::process::id()));
            match create(&path) {
                Ok(mut file) => {
                    let draft = Self(path);
                    file.write_all(text.trim_end().as_bytes())?;
                    file.write_all(b"\n")?;
                    return Ok(draft);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts the editor in the terminal's foreground, so that keys such as Ctrl-C reach it and not us.
fn start(editor: &str, file: &Path) -> io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    // It may be a command with options.
    command.arg("-c").arg(format!("exec {editor} \"$1\"")).arg("sh").arg(file);
    // SAFETY: all calls are safe between fork and exec, and change nothing but the new process.
    unsafe {
        command.pre_exec(|| {
            let (mut all, mut none) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&mut all);
            libc::sigemptyset(&mut none);
            // Whoever is in the background is stopped when it takes the terminal, unless it does not hear of that.
            libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
            if libc::setpgid(0, 0) == 0 {
                libc::tcsetpgrp(0, libc::getpid());
            }
            // There is no shell to come back from.
            libc::signal(libc::SIGTSTP, libc::SIG_IGN);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            Ok(())
        });
    }
    command.spawn()
}

/// Lets the session go on until the editor has ended. Nothing if a signal has ended the session.
fn wait(session: &mut Session<'_>, child: &mut Child) -> Result<Option<()>, RunError> {
    let failed = |error: rustix::io::Errno| RunError::System("waiting for the editor", error.into());
    let pid = Pid::from_child(child);
    let fd = pidfd_open(pid, PidfdFlags::empty()).map_err(failed)?;
    let ended = loop {
        match session.poll(fd.as_fd()) {
            Ok(true) => return Ok(Some(())),
            Ok(false) if !session.is_interrupted() => {}
            Ok(false) => break Ok(None),
            Err(error) => break Err(error),
        }
    };
    end(pid, fd.as_fd(), child);
    ended
}

/// Ends the editor, which may want a moment for it.
fn end(pid: Pid, fd: BorrowedFd<'_>, child: &mut Child) {
    const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
    let _ = kill_process_group(pid, Signal::TERM);
    if !matches!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&PATIENCE)), Ok(1..)) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait();
}

/// The terminal is ours again.
fn take_terminal() {
    // SAFETY: plain calls; the mask is that of this thread, and put back.
    unsafe {
        let (mut set, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
        libc::tcsetpgrp(0, libc::getpgrp());
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}
