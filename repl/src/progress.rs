//! How far something is that takes long: a line on the terminal that comes after a second and goes when it is done.

use runtime::session::Doing;
use rustix::termios::isatty;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// What takes less is not worth a line.
const PATIENCE: Duration = Duration::from_secs(1);
/// A line that changes more often cannot be read.
const PAUSE: Duration = Duration::from_millis(100);

/// Goes to the beginning of the line and empties it.
const CLEAR: &str = "\r\x1b[K";

/// What is being done, and since when.
#[derive(Debug, Default)]
pub struct Progress {
    begun: Option<(Doing, Instant)>,
    shown: Option<Instant>,
}

impl Progress {
    /// One that is shown, if somebody looks at standard error.
    pub fn on_terminal() -> Option<Self> {
        isatty(io::stderr()).then(Self::default)
    }

    /// So much of it is done; shows that if it is time to.
    pub fn show(&mut self, what: Doing, done: usize, of: usize) {
        if let Some(line) = self.line(what, done, of, Instant::now()) {
            let mut stderr = io::stderr();
            // Whoever does not see it misses little.
            let _ = stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush());
        }
    }

    /// What to write at this time, if anything. It stays on its line, and leaves that empty at last.
    fn line(&mut self, what: Doing, done: usize, of: usize, now: Instant) -> Option<String> {
        let begun = match self.begun {
            Some((doing, begun)) if doing == what => begun,
            _ => self.begun.insert((what, now)).1,
        };
        if done >= of {
            self.begun = None;
            return self.shown.take().map(|_| CLEAR.to_owned());
        }
        let is_due = match self.shown {
            Some(shown) => now - shown >= PAUSE,
            None => now - begun >= PATIENCE,
        };
        is_due.then(|| {
            self.shown = Some(now);
            let what = match what {
                Doing::Attaching => "attaching",
                Doing::Detaching => "detaching",
            };
            format!("{CLEAR}{what}: {done} of {of}")
        })
    }
}

/// What failed half-way leaves no line, either.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            // A terminal that is gone needs no empty line.
            let _ = io::stderr().write_all(CLEAR.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use runtime::session::Doing::{Attaching, Detaching};
    use std::time::{Duration, Instant};

    #[test]
    fn what_takes_long_is_told_of_now_and_then() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut progress = Progress::default();
        let mut line = |what, done, ms| progress.line(what, done, 1000, at(ms));
        assert_eq!(line(Attaching, 1, 0), None);
        assert_eq!(line(Attaching, 400, 999), None);
        assert_eq!(line(Attaching, 401, 1000).as_deref(), Some("\r\x1b[Kattaching: 401 of 1000"));
        assert_eq!(line(Attaching, 402, 1050), None);
        assert_eq!(line(Attaching, 450, 1100).as_deref(), Some("\r\x1b[Kattaching: 450 of 1000"));
        assert_eq!(line(Attaching, 1000, 1101).as_deref(), Some("\r\x1b[K"));
        assert_eq!(line(Attaching, 1000, 1102), None);
        assert_eq!(line(Detaching, 1, 9000), None, "it has only begun");
        assert_eq!(line(Detaching, 1000, 9500), None, "nothing was shown");
    }
}
