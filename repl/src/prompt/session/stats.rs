//! What probes cost: how long the stages of an entry take, and how often and how long the programs run.

use super::{Entered, Session};
use runtime::session::{Measured, measure};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long the stages of an entry take.
#[derive(Default)]
pub struct Clock {
    /// The user wants to know.
    pub is_wanted: bool,
    last: Option<Instant>,
    spent: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// An entry begins.
    pub fn start(&mut self) {
        self.spent.clear();
        self.last = self.is_wanted.then(Instant::now);
    }

    /// A stage is over. What has no name is nobody's.
    pub fn lap(&mut self, stage: &'static str) {
        let Some(last) = self.last else { return };
        let now = Instant::now();
        self.last = Some(now);
        self.add(stage, now - last);
    }

    fn add(&mut self, stage: &'static str, time: Duration) {
        match self.spent.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, sum)) => *sum += time,
            None => self.spent.push((stage, time)),
        }
    }
}

/// What is measured of the programs that run.
pub struct Stats {
    /// The kernel measures as long as this is open.
    _measuring: OwnedFd,
    /// What each probe had when it was looked at last, and when that was.
    seen: Vec<(u32, Measured)>,
    at: Instant,
    /// What each had when measuring began.
    base: Vec<(u32, Measured)>,
}

impl Session<'_> {
    /// Begins to measure, or shows what has been measured.
    pub fn show_stats(&mut self) {
        let now: Vec<(u32, Measured)> =
            self.probes.iter().map(|probe| (probe.number, self.live.measured(probe.number))).collect();
        let Some(stats) = &mut self.stats else {
            match measure() {
                Ok(fd) => {
                    self.stats = Some(Stats { _measuring: fd, seen: now.clone(), at: Instant::now(), base: now });
                    self.say(
                        "measuring from now on: :stats shows what there is since the last time, :stats off ends it.\n\
                         Meanwhile each run of each BPF program of this machine takes some 0.1 µs longer.\n",
                    );
                }
                Err(error) => {
                    self.reporter
                        .plain(&format!("the kernel does not measure programs: {error}"), Some("it takes Linux 5.8"));
                }
            }
            return;
        };
        let before = |all: &[(u32, Measured)], number: u32| {
            all.iter().find(|(known, _)| *known == number).map_or_else(Measured::default, |(_, measured)| *measured)
        };
        let took = stats.at.elapsed().as_secs_f64().max(1e-9);
        let mut rows = Vec::new();
        let (mut misses, mut sees_all) = (false, Vec::new());
        for (number, measured) in &now {
            let (last, first) = (before(&stats.seen, *number), before(&stats.base, *number));
            let since = |now: u64, then: u64| if now < then { now } else { now - then };
            let runs = since(measured.runs, last.runs);
            let time = since(measured.nanoseconds, last.nanoseconds);
            let missed = since(measured.missed, first.missed);
            misses |= missed > 0;
            if measured.sees_all_calls {
                sees_all.push(format!("#{number}"));
            }
            let each = time.checked_div(runs).map_or_else(|| "-".to_owned(), |each| each.to_string());
            rows.push([
                format!("#{number}"),
                since(measured.runs, first.runs).to_string(),
                rate(runs as f64 / took),
                each,
                format!("{:.2}%", time as f64 / took / 1e7),
                missed.to_string(),
            ]);
        }
        (stats.seen, stats.at) = (now, Instant::now());
        if rows.is_empty() {
            self.say("no probes\n");
            return;
        }
        let head = ["", "runs", "per second", "ns each", "of a CPU", "missed"].map(str::to_owned);
        rows.insert(0, head);
        let columns = if misses { 6 } else { 5 };
        let wide = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(wide).collect();
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            let probe = index.checked_sub(1).and_then(|index| self.probes.get(index));
            let shown = probe.map(Entered::shown).unwrap_or_default();
            let first = shown.lines().next().unwrap_or_default();
            let cells = cells.collect::<Vec<_>>().join("  ");
            let room = super::super::width().saturating_sub(cells.len() + 3);
            let line = format!("{cells}  {}", cut(first, room));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if !sees_all.is_empty() {
            let is_one = sees_all.len() == 1;
            let does = if is_one { "runs at every system call and looks" } else { "run at every system call and look" };
            let which = if is_one { "it traces" } else { "they trace" };
            let _ = writeln!(text, "{} {does} whether it is one that {which}", sees_all.join(", "));
        }
        self.say(&text);
    }

    /// Measures no more.
    pub fn end_stats(&mut self) {
        let was = self.stats.take();
        self.say(if was.is_some() { "measuring no more\n" } else { "nothing is being measured\n" });
    }

    /// Tells how long the stages of the latest entry took.
    pub(super) fn tell_time(&mut self) {
        let spent = self.live.take_spent();
        if !self.clock.is_wanted {
            return;
        }
        // What is behind the compiler is the runtime's, which knows its own stages.
        let behind =
            self.clock.spent.iter().position(|(stage, _)| *stage == "run").map(|at| self.clock.spent.remove(at));
        if let Some((_, time)) = behind {
            let run = time.saturating_sub(spent.load + spent.attach);
            self.clock.spent.extend([("load", spent.load), ("attach", spent.attach), ("run", run)]);
        }
        let (mut text, mut total) = (String::new(), Duration::ZERO);
        for (stage, time) in self.clock.spent.drain(..).filter(|(_, time)| !time.is_zero()) {
            total += time;
            let _ = write!(text, "{stage} {}, ", milliseconds(time));
        }
        if !text.is_empty() {
            self.screen.end_line();
            self.say(&format!("{text}together {}\n", milliseconds(total)));
        }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// A rate with as many digits as say something.
fn rate(rate: f64) -> String {
    if rate >= 100.0 || rate == 0.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

/// As much of a probe as there is room for.
fn cut(text: &str, room: usize) -> String {
    const LEAST: usize = 16;
    let room = room.max(LEAST);
    match text.chars().count() > room {
        true => text.chars().take(room - 3).chain("...".chars()).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_the_digits_that_count() {
        assert_eq!([rate(0.0), rate(1.26), rate(123.4)], ["0", "1.3", "123"]);
    }
}
