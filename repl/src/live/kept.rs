//! What is printed while somebody watches maps: kept to be shown afterwards, and its last lines meanwhile.

use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where it goes when nobody watches.
type Sink = Box<dyn Fn(&[u8]) + Send>;

/// All copies are the same.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

struct State {
    sink: Sink,
    most: Most,
    kept: Option<Kept>,
}

/// How much is kept: the latest of it.
#[derive(Clone, Copy)]
pub struct Most {
    /// Bytes, or a little more.
    pub bytes: usize,
    /// Lines that are shown afterwards.
    pub lines: usize,
}

struct Kept {
    bytes: Vec<u8>,
    /// Lines that are there no more.
    dropped: usize,
    most: usize,
    /// A timer to be started when there is something new to see.
    nudge: OwnedFd,
    is_seen: bool,
}

impl Shared {
    /// What is not kept goes to a sink.
    pub fn new(sink: impl Fn(&[u8]) + Send + 'static, most: Most) -> Self {
        Self(Arc::new(Mutex::new(State { sink: Box::new(sink), most, kept: None })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on all is kept. The timer is started when there is something new to see.
    pub fn hold(&self, nudge: OwnedFd) {
        let mut state = self.lock();
        let most = state.most.bytes;
        state.kept.get_or_insert(Kept { bytes: Vec::new(), dropped: 0, most, nudge, is_seen: true });
    }

    /// Hands on what has been kept, and keeps nothing more.
    pub fn let_go(&self) {
        let mut state = self.lock();
        if let Some(kept) = state.kept.take() {
            let text = kept.into_text(state.most.lines);
            if !text.is_empty() {
                (state.sink)(&text);
            }
        }
    }

    /// Prints.
    pub fn print(&self, bytes: &[u8]) {
        let mut state = self.lock();
        match &mut state.kept {
            Some(kept) => kept.push(bytes),
            None => (state.sink)(bytes),
        }
    }

    /// The last lines of what has been kept.
    pub fn last_lines(&self, count: usize) -> Vec<Vec<u8>> {
        self.lock().kept.as_mut().map(|kept| kept.last_lines(count)).unwrap_or_default()
    }
}

impl Kept {
    fn push(&mut self, bytes: &[u8]) {
        /// After the first news, for more to come.
        const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * self.most {
            let from = self.bytes.len() - self.most;
            let from = self.bytes[from..].iter().position(|byte| *byte == b'\n').map_or(from, |end| from + end + 1);
            self.drop_first(from);
        }
        if std::mem::take(&mut self.is_seen) {
            let once = Itimerspec { it_interval: Timespec::default(), it_value: SOON };
            // It is seen with the next look, if not before.
            let _ = timerfd_settime(&self.nudge, TimerfdTimerFlags::empty(), &once);
        }
    }

    fn drop_first(&mut self, count: usize) {
        self.dropped += self.bytes[..count].iter().filter(|byte| **byte == b'\n').count();
        self.bytes.drain(..count);
    }

    fn last_lines(&mut self, count: usize) -> Vec<Vec<u8>> {
        self.is_seen = true;
        let text = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        if text.is_empty() || count == 0 {
            return Vec::new();
        }
        let mut lines: Vec<Vec<u8>> = text.rsplit(|byte| *byte == b'\n').take(count).map(<[u8]>::to_vec).collect();
        lines.reverse();
        lines
    }

    /// All that is there, at most so many lines.
    fn into_text(mut self, lines: usize) -> Vec<u8> {
        let ends = self.bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        let has_end = self.bytes.ends_with(b"\n");
        if let Some(before) = ends.skip(usize::from(has_end)).nth(lines.saturating_sub(1)) {
            self.drop_first(before + 1);
        }
        let mut text = Vec::new();
        if self.dropped > 0 {
            let what = if self.dropped == 1 { "line" } else { "lines" };
            text.extend_from_slice(format!("... {} {what} before\n", self.dropped).as_bytes());
        }
        text.append(&mut self.bytes);
        text
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.print(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Most, Shared};
    use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
    use std::sync::{Arc, Mutex};

    /// Something that keeps so much, and what it has handed on.
    fn kept(bytes: usize, lines: usize) -> (Shared, impl Fn() -> String) {
        let handed = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&handed);
        let shared =
            Shared::new(move |bytes| taken.lock().expect("one thread").extend_from_slice(bytes), Most { bytes, lines });
        (shared, move || String::from_utf8_lossy(&handed.lock().expect("one thread")).into_owned())
    }

    fn hold(shared: &Shared) {
        shared.hold(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).expect("a timer"));
    }

    fn last(shared: &Shared, count: usize) -> Vec<String> {
        shared.last_lines(count).iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    #[test]
    fn what_is_kept_comes_afterwards() {
        let (shared, handed) = kept(1000, 100);
        shared.print(b"before\n");
        hold(&shared);
        shared.print(b"one\ntwo\nthr");
        assert_eq!(handed(), "before\n");
        assert_eq!(last(&shared, 2), ["two", "thr"]);
        assert_eq!(last(&shared, 9), ["one", "two", "thr"]);
        assert_eq!(last(&shared, 0), [""; 0]);
        shared.print(b"ee\n");
        assert_eq!(last(&shared, 1), ["three"]);
        shared.let_go();
        shared.print(b"after\n");
        assert_eq!(handed(), "before\none\ntwo\nthree\nafter\n");
    }

    #[test]
    fn no_more_than_the_latest_is_kept_and_the_rest_is_counted() {
        let (shared, handed) = kept(40, 100);
        hold(&shared);
        (0..20).for_each(|number| shared.print(format!("line {number:02}\n").as_bytes()));
        shared.let_go();
        let text = handed();
        let (first, rest) = text.split_once('\n').expect("two lines");
        let shown = rest.lines().count();
        assert_eq!(first, format!("... {} lines before", 20 - shown));
        assert!((5..=10).contains(&shown) && rest.ends_with("line 18\nline 19\n"), "{text}");
        for (text, expected) in
            [("a\nb\nc\n", "... 1 line before\nb\nc\n"), ("a\nb\nc", "... 1 line before\nb\nc"), ("a\nb\n", "a\nb\n")]
        {
            let (shared, handed) = kept(1000, 2);
            hold(&shared);
            shared.print(text.as_bytes());
            shared.let_go();
            assert_eq!(handed(), expected);
        }
    }
}
