//! What is to be seen, in order, above the line that is being edited.
//!
//! Only one writes on the terminal. While no line is read, that is a thread of ours, so that whoever shows something never
//! waits for the terminal. While one is read it is the editor, who takes what there is to see each time it draws the line
//! ([`Screen::above`]); the thread only calls it when there is something new. rustyline's printer is good for that call
//! and nothing else: what it is given while a line is about to end would stand below the next prompt, or in the line.
//! Only whole lines are handed on: half a one would be drawn over.

use crate::live::kept::{Most, Shared};
use rustyline::ExternalPrinter;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whoever shows more than this at once waits until some of it has been written.
const MUCH: usize = 4 << 20;

/// Where things are shown; all copies are the same.
#[derive(Clone, Default)]
pub struct Screen(Arc<(Mutex<Queue>, Condvar)>);

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Who writes.
    turn: Turn,
    /// The thread is writing what it has taken, or is calling the editor.
    is_busy: bool,
    /// The editor has been called, and has not heard it yet.
    is_called: bool,
    /// No line is read any more, though somebody may still believe so.
    is_left: bool,
    /// Somebody else has the terminal, and what is shown is kept there.
    aside: Option<Shared>,
    /// Somebody else has the terminal.
    is_held: bool,
}

/// Who writes on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// The thread.
    #[default]
    Ours,
    /// The editor, who hears no call: its line begins or ends.
    Editor,
    /// The editor, who hears calls.
    Listening,
}

/// What the thread has to do.
enum Task {
    Write(String),
    Call,
}

impl Queue {
    /// Whether the thread writes. Of an editor that has been left nobody knows what it does, but that it draws no more.
    fn is_ours(&self) -> bool {
        self.turn == Turn::Ours || self.is_left
    }

    /// Takes what is written next.
    fn take(&mut self) -> Option<String> {
        let ready = self.ready();
        if ready == 0 {
            return None;
        }
        let text: Vec<u8> = self.bytes.drain(..ready).collect();
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// How much can be written: whole lines, and not so many at once that a key would have to wait for them.
    fn ready(&self) -> usize {
        const AT_ONCE: usize = 64 << 10;
        if self.is_held {
            return 0;
        }
        let is_end = |byte: &u8| *byte == b'\n';
        match self.bytes.get(..AT_ONCE).and_then(|first| first.iter().rposition(is_end)) {
            Some(last) => last + 1,
            None => self.bytes.iter().rposition(is_end).map_or(0, |last| last + 1),
        }
    }
}

impl Screen {
    /// Starts the thread. `printer` is how the editor is called, if there is one that can be.
    pub fn start(&self, mut printer: Option<impl ExternalPrinter + Send + 'static>) -> io::Result<()> {
        let screen = self.clone();
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            loop {
                // A terminal that is gone cannot be told.
                match screen.next() {
                    Task::Write(text) => drop(print(&text)),
                    // Of nothing, which leaves no trace should no line be read after all.
                    Task::Call => drop(printer.as_mut().map(|printer| printer.print(String::new()))),
                }
                screen.lock().is_busy = false;
                screen.0.1.notify_all();
            }
        })?;
        Ok(())
    }

    /// What the thread has to do next.
    fn next(&self) -> Task {
        let mut queue = self.lock();
        loop {
            if queue.is_ours() {
                if let Some(text) = queue.take() {
                    queue.is_busy = true;
                    return Task::Write(text);
                }
            } else if queue.turn == Turn::Listening && !queue.is_called && queue.ready() > 0 {
                (queue.is_busy, queue.is_called) = (true, true);
                return Task::Call;
            }
            queue = self.wait(queue);
        }
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// When the thread does nothing.
    fn idle(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.lock();
        while queue.is_busy {
            queue = self.wait(queue);
        }
        queue
    }

    /// The editor begins to read a line.
    pub fn begin_line(&self) {
        self.idle().turn = Turn::Editor;
    }

    /// The editor draws the line, and will hear calls.
    pub fn listen(&self) {
        let mut queue = self.lock();
        if queue.turn == Turn::Editor {
            queue.turn = Turn::Listening;
            drop(queue);
            self.0.1.notify_all();
        }
    }

    /// The editor is about to leave the line, and hears no call any more: the last one is with it when this returns.
    pub fn stop_listening(&self) {
        let mut queue = self.idle();
        if queue.turn == Turn::Listening {
            queue.turn = Turn::Editor;
        }
    }

    /// The editor has read the line.
    pub fn leave_line(&self) {
        self.lock().turn = Turn::Ours;
        self.0.1.notify_all();
    }

    /// What is to be written above the line, which is about to be drawn; because of a call, if so.
    pub fn above(&self, is_called: bool) -> String {
        let mut queue = self.lock();
        queue.is_called &= !is_called;
        let text = if queue.is_ours() { None } else { queue.take() };
        drop(queue);
        self.0.1.notify_all();
        text.unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows text.
    pub fn show(&self, bytes: &[u8]) {
        /// A terminal that takes no more, or a user who reads what is there.
        const PATIENCE: Duration = Duration::from_millis(100);
        let mut queue = self.lock();
        if let Some(aside) = queue.aside.clone() {
            drop(queue);
            return aside.print(bytes);
        }
        if queue.bytes.len() > MUCH {
            let waited = self.0.1.wait_timeout_while(queue, PATIENCE, |queue| queue.bytes.len() > MUCH);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.bytes.extend_from_slice(bytes);
        drop(queue);
        self.0.1.notify_all();
    }

    /// From now on what is shown goes there, which hands it on to the screen when nobody else has the terminal.
    pub fn aside(&self, most: Most) -> Shared {
        let screen = self.clone();
        let sink = move |bytes: &[u8]| {
            screen.lock().bytes.extend_from_slice(bytes);
            screen.0.1.notify_all();
        };
        let aside = Shared::new(sink, most);
        let mut queue = self.lock();
        (queue.aside, queue.is_held) = (Some(aside.clone()), true);
        aside
    }

    /// It is shown here again.
    pub fn back(&self) {
        let mut queue = self.lock();
        (queue.aside, queue.is_held) = (None, false);
        drop(queue);
        self.0.1.notify_all();
    }

    /// From now on the terminal is as it was before there was a prompt; what is shown stands below the line that was
    /// being typed.
    pub fn leave(&self) {
        self.settle();
        self.lock().is_left = true;
        self.show(b"\n");
    }

    /// Writes what is left as it is: there is no line to be read any more, or there never was.
    pub fn finish(&self) {
        let mut queue = self.lock();
        queue.is_held = false;
        // A terminal that is gone cannot be told.
        let _ = print(&String::from_utf8_lossy(&std::mem::take(&mut queue.bytes)));
    }

    /// From now on nothing is written: somebody else has the terminal.
    pub fn hold(&self) {
        self.settle();
        self.lock().is_held = true;
    }

    /// The terminal is free again, and what was held back is written.
    pub fn release(&self) {
        self.lock().is_held = false;
        self.0.1.notify_all();
    }

    /// Ends the last line, if it is not.
    pub fn end_line(&self) {
        let mut queue = self.lock();
        if queue.bytes.last().is_some_and(|last| *last != b'\n') {
            queue.bytes.push(b'\n');
        }
        drop(queue);
        self.0.1.notify_all();
    }

    /// Waits until all is written, but not forever.
    pub fn settle(&self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let is_open = |queue: &mut Queue| queue.is_busy || queue.ready() > 0;
        // Whether it was enough is no matter.
        drop(self.0.1.wait_timeout_while(self.lock(), PATIENCE, is_open));
    }
}

/// Writes to standard output as it is.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.show(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
