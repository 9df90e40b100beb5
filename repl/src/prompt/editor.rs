//! Reads lines with rustyline, on a thread of its own: the session goes on while somebody types.

use super::screen::{Screen, print};
use lang::c::Unread;
use lang::parser::entry::needs_more;
use rustix::event::{EventfdFlags, eventfd};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, ExternalPrinter, Helper};
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};

const PROMPT: &str = "rtrace> ";

/// What comes of reading a line.
pub enum Line {
    /// This was entered; it may be several lines.
    Text(String),
    /// Ctrl-C on an empty line.
    Interrupted,
    /// Ctrl-C on a line with something in it.
    Abandoned,
    /// Ctrl-D, or the terminal is gone.
    End,
    /// Nothing can be read any more.
    Failed(String),
}

/// The thread, as seen from the session.
pub struct Editor {
    lines: Receiver<Line>,
    go: Sender<()>,
    wake: OwnedFd,
}

impl Editor {
    /// Starts the thread. What the screen shows from now on appears above the line.
    pub fn start(screen: &Screen) -> io::Result<Self> {
        let (sender, lines) = channel();
        let (go, may_go) = channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let woken = wake.try_clone()?;
        // A script of many lines needs them in one piece.
        let config = Config::builder().auto_add_history(true).build();
        let mut editor = rustyline::Editor::<Prompt, MemHistory>::with_history(config, MemHistory::new())
            .map_err(io::Error::other)?;
        editor.set_helper(Some(Prompt::default()));
        match editor.create_external_printer() {
            Ok(printer) => screen.start(printer)?,
            // A terminal that cannot move its cursor: what appears, appears where it is.
            Err(_) => screen.start(Direct)?,
        }
        std::thread::Builder::new().name("editor".to_owned()).spawn(move || {
            while may_go.recv().is_ok() {
                let line = read(&mut editor);
                // The session has ended if nobody takes it.
                if sender.send(line).is_err() {
                    return;
                }
                let _ = rustix::io::write(&woken, &1u64.to_ne_bytes());
            }
        })?;
        Ok(Self { lines, go, wake })
    }

    /// Reads the next line.
    pub fn go(&self) {
        // A thread that has ended has said so.
        let _ = self.go.send(());
    }

    /// Readable when there is a line.
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The line that has been entered, if there is one.
    pub fn take(&self) -> Option<Line> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        self.lines.try_recv().ok()
    }
}

fn read(editor: &mut rustyline::Editor<Prompt, MemHistory>) -> Line {
    let read = editor.readline(PROMPT);
    // What was there is there no more; the next line begins empty.
    let had_text = editor.helper().is_some_and(|prompt| prompt.has_text.replace(false));
    match read {
        Ok(text) => Line::Text(text),
        Err(ReadlineError::Eof) => Line::End,
        Err(ReadlineError::Interrupted) if had_text => Line::Abandoned,
        Err(ReadlineError::Interrupted) => Line::Interrupted,
        Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Line::End,
        Err(error) => Line::Failed(error.to_string()),
    }
}

/// Standard output as it is.
struct Direct;

impl ExternalPrinter for Direct {
    fn print(&mut self, text: String) -> rustyline::Result<()> {
        Ok(print(&text)?)
    }
}

/// What rustyline asks about a line.
#[derive(Default)]
struct Prompt {
    /// Something is on the line.
    has_text: Cell<bool>,
}

impl Helper for Prompt {}

impl Completer for Prompt {
    type Candidate = String;
}

impl Hinter for Prompt {
    type Hint = String;

    fn hint(&self, line: &str, _at: usize, _context: &Context<'_>) -> Option<String> {
        self.has_text.set(!line.is_empty());
        None
    }
}

impl Highlighter for Prompt {}

impl Validator for Prompt {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        // An empty line ends what somebody does not know how to end.
        let gives_up = text.ends_with('\n');
        let is_entry = !text.trim_start().starts_with(':');
        Ok(match is_entry && !gives_up && needs_more(text, &Unread) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

/// How the terminal was; it is put back when this goes, which is while the other thread may still be reading.
pub struct Saved(Option<Termios>);

impl Saved {
    /// As it is now.
    pub fn now() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Puts it back.
    pub fn restore(&self) {
        if let Some(saved) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, saved);
        }
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        self.restore();
    }
}
