//! What is to be seen, in order, above the line that is being edited.
//!
//! A thread hands it to rustyline, which may keep it waiting until the next line is read; so whoever shows something never
//! waits for the user. Only whole lines are handed on while a line may be edited: half a one would be drawn over.

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
    /// The thread is writing what it has taken.
    is_busy: bool,
    /// The last line is to be ended, if it is not.
    ends_line: bool,
    /// No line is read any more, though somebody may still believe so.
    is_left: bool,
    /// Somebody else has the terminal, and what is shown is kept there.
    aside: Option<Shared>,
    /// Somebody else has the terminal.
    is_held: bool,
}

impl Queue {
    /// How much can be written: whole lines, and not so many at once that a key would have to wait for them.
    fn ready(&self) -> usize {
        const AT_ONCE: usize = 64 << 10;
        if self.is_held {
            return 0;
        }
        let is_end = |byte: &u8| *byte == b'\n';
        match self.bytes.get(..AT_ONCE).and_then(|first| first.iter().rposition(is_end)) {
            Some(last) => last + 1,
            None if self.ends_line => self.bytes.len(),
            None => self.bytes.iter().rposition(is_end).map_or(0, |last| last + 1),
        }
    }
}

impl Screen {
    /// From now on `printer` is what writes.
    pub fn start(&self, mut printer: impl ExternalPrinter + Send + 'static) -> io::Result<()> {
        let screen = self.clone();
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            loop {
                let text = screen.next();
                let is_left = screen.lock().is_left;
                // A terminal that is gone cannot be told.
                let _ = if is_left { print(&text) } else { printer.print(text).map_err(io::Error::other) };
                screen.lock().is_busy = false;
                screen.0.1.notify_all();
            }
        })?;
        Ok(())
    }

    /// What is to be written next.
    fn next(&self) -> String {
        let mut queue = self.lock();
        loop {
            let ready = queue.ready();
            if ready > 0 {
                let mut text: Vec<u8> = queue.bytes.drain(..ready).collect();
                if queue.bytes.is_empty() && std::mem::take(&mut queue.ends_line) && text.last() != Some(&b'\n') {
                    text.push(b'\n');
                }
                queue.is_busy = true;
                return String::from_utf8_lossy(&text).into_owned();
            }
            queue.ends_line &= queue.is_held;
            queue = self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
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
        self.lock().ends_line = true;
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
