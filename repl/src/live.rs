//! Maps that are redrawn in place while they change: `:watch` of a session, and `--live` of a script.
//!
//! A [`View`] has the screen to itself. It waits for nothing by itself: whoever runs the probes waits for [`View::wake`]
//! beside them, and then lets it look, because a second is over, the window has another size, somebody has pressed a key,
//! or something was printed. What is printed meanwhile is [`kept`], its last lines at the bottom of the screen.

pub mod aside;
pub mod kept;
mod resize;
mod terminal;

pub use aside::Aside;
use kept::Shared;
use lang::typed::MapId;
use resize::Resizes;
use runtime::output::live::{Drawn, Window, columns_of, draw, fit, harmless};
use runtime::output::{self};
use runtime::session::{Live, RunError};
use rustix::event::epoll;
use rustix::termios::isatty;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use terminal::{Key, Terminal};

/// Between two looks, unless somebody asks for something else.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What is read from an interval: `1s`, `500ms`, `2m`, or a number of seconds.
pub fn interval(text: &str) -> Result<Duration, String> {
    const LEAST: f64 = 0.05;
    const MOST: f64 = 86_400.0;
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "" | "s" => Some(1.0),
        "ms" => Some(0.001),
        "m" => Some(60.0),
        _ => None,
    };
    match (number.parse::<f64>(), scale) {
        (Ok(number), Some(scale)) => match number * scale {
            seconds if (LEAST..=MOST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
            _ => Err(format!("{text} is not between 50ms and a day")),
        },
        _ => Err(format!("{text} is no interval such as 1s, 500ms or 2m")),
    }
}

/// Why nothing can be redrawn on standard output, if so.
pub fn refusal() -> Option<&'static str> {
    if !isatty(io::stdout()) {
        return Some("standard output is no terminal");
    }
    match std::env::var_os("TERM") {
        None => Some("the terminal does not say what it is: TERM is not set"),
        Some(name) if name.is_empty() || name == "dumb" || name == "unknown" => {
            Some("the terminal cannot move its cursor: TERM says it is a dumb one")
        }
        Some(_) => None,
    }
}

/// What keys do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Any that does not scroll is enough.
    AnyLeaves,
    /// q and Ctrl-C end it.
    QuitEnds,
}

/// Maps on a screen of their own, which is left when this goes.
pub struct View {
    terminal: Terminal,
    keys: Keys,
    settings: output::Settings,
    kept: Shared,
    interval: Duration,
    begun: Instant,
    /// Readable when one of the others is.
    all: OwnedFd,
    timer: OwnedFd,
    nudge: OwnedFd,
    resizes: Resizes,
    offset: usize,
    /// The maps as drawn last, and for which window.
    drawn: (Option<Window>, Drawn),
}

impl View {
    /// Takes the terminal, of which keys come from one descriptor and on which another one writes. What is printed from
    /// now on is kept there.
    pub fn open(
        keys: (OwnedFd, Keys),
        screen: OwnedFd,
        settings: output::Settings,
        kept: Shared,
        interval: Duration,
    ) -> io::Result<Self> {
        let (input, keys) = keys;
        let new_timer = || timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK);
        let (timer, nudge) = (new_timer()?, new_timer()?);
        let each = Timespec { tv_sec: interval.as_secs() as i64, tv_nsec: interval.subsec_nanos().into() };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: each, it_value: each })?;
        let resizes = Resizes::watch()?;
        let all = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for fd in [timer.as_fd(), nudge.as_fd(), resizes.as_fd(), input.as_fd()] {
            epoll::add(&all, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        kept.hold(nudge.try_clone()?);
        let terminal = match Terminal::enter(input, screen) {
            Ok(terminal) => terminal,
            Err(error) => {
                kept.let_go();
                return Err(error);
            }
        };
        let (begun, drawn) = (Instant::now(), (None, Drawn::default()));
        Ok(Self { terminal, keys, settings, kept, interval, begun, all, timer, nudge, resizes, offset: 0, drawn })
    }

    /// Readable when there is something to do.
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.all.as_fd()
    }

    /// Shows the maps that are watched, as they are known.
    pub fn show(&mut self, live: &Live<'_>) {
        let (columns, rows) = self.terminal.size();
        let head = usize::from(rows > 3);
        let kept = self.kept.last_lines(most_kept(rows));
        // A line above them.
        let pane = if kept.is_empty() { 0 } else { kept.len() + 1 };
        let window = Window { columns, rows: rows.saturating_sub(head + pane), offset: self.offset };
        if self.drawn.0 != Some(window) {
            let mut settings = self.settings.clone();
            settings.paint.blocks = settings.paint.blocks.map(|_| columns);
            self.drawn = (Some(window), draw(&live.watched(), &settings, window));
        }
        let drawn = &self.drawn.1;
        let mut lines = Vec::with_capacity(rows);
        if head > 0 {
            lines.push(fit(&self.head(drawn.last_offset > 0), columns));
        }
        lines.extend(drawn.lines.iter().cloned());
        if pane > 0 {
            lines.resize(rows - pane, String::new());
            let title = "-- output ";
            lines.push(fit(&format!("{title}{}", "-".repeat(columns.saturating_sub(title.len()))), columns));
            lines.extend(kept.iter().map(|line| fit(&as_seen(line), columns)));
        }
        self.terminal.draw(lines);
    }

    /// The first line of the screen.
    fn head(&self, scrolls: bool) -> String {
        let seconds = self.begun.elapsed().as_secs();
        let interval = match self.interval {
            interval if interval.subsec_millis() > 0 => format!("{}ms", interval.as_millis()),
            interval => format!("{}s", interval.as_secs()),
        };
        let keys = match self.keys {
            Keys::AnyLeaves => "any key leaves",
            Keys::QuitEnds => "q ends",
        };
        let scrolls = if scrolls { ", arrows scroll" } else { "" };
        format!("{:02}:{:02} every {interval}, {keys}{scrolls}", seconds / 60, seconds % 60)
    }

    /// Does what there is to do. False if somebody has seen enough.
    pub fn look(&mut self, live: &mut Live<'_>) -> Result<bool, RunError> {
        let mut count = [0; 8];
        if self.resizes.take() {
            self.terminal.forget();
        }
        if rustix::io::read(&self.timer, &mut count).is_ok() {
            live.look()?;
            self.drawn.0 = None;
        }
        // That something was printed is seen when it is shown.
        let _ = rustix::io::read(&self.nudge, &mut count);
        while let Some(key) = self.terminal.key() {
            if !self.press(key) {
                return Ok(false);
            }
        }
        self.show(live);
        Ok(true)
    }

    /// Takes a key. False if it leaves.
    fn press(&mut self, key: Key) -> bool {
        let Drawn { last_offset, page, .. } = self.drawn.1;
        let (offset, page) = (self.offset.min(last_offset), page.max(1));
        self.offset = match key {
            Key::Up => offset.saturating_sub(1),
            Key::Down => offset + 1,
            Key::PageUp => offset.saturating_sub(page),
            Key::PageDown => offset + page,
            Key::Home => 0,
            Key::End => last_offset,
            Key::Gone => return false,
            Key::Letter(b'q' | b'Q' | 3 | 4) => return false,
            Key::Letter(_) | Key::Other => return self.keys == Keys::QuitEnds,
        };
        self.offset = self.offset.min(last_offset);
        true
    }

    /// The maps as they were seen last.
    pub fn last_seen(&self) -> String {
        self.drawn.1.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.terminal.leave();
        self.kept.let_go();
    }
}

/// So many lines of what is printed are shown on a screen of so many.
fn most_kept(rows: usize) -> usize {
    match rows {
        0..=5 => 0,
        rows => (rows / 4).clamp(1, 10),
    }
}

/// A line of output without its colours, and without what a terminal would have overwritten.
fn as_seen(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
    let (mut plain, mut rest) = (Vec::new(), line);
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        let body = &rest[at + 2..];
        let end = body.iter().position(|byte| (0x40..=0x7e).contains(byte)).map_or(body.len(), |end| end + 1);
        plain.extend_from_slice(&rest[..at]);
        rest = &body[end..];
    }
    plain.extend_from_slice(rest);
    let mut text = String::new();
    for part in plain.split_inclusive(|byte| *byte == b'\t') {
        text += &harmless(part.strip_suffix(b"\t").unwrap_or(part));
        if part.ends_with(b"\t") {
            let blanks = 8 - columns_of(&text) % 8;
            text.extend(std::iter::repeat_n(' ', blanks));
        }
    }
    text
}

/// All maps, by their names.
pub fn all_maps(live: &Live<'_>) -> Vec<MapId> {
    let maps = &live.program().maps;
    let mut ids: Vec<MapId> = (0..maps.len() as u32).map(MapId).collect();
    ids.sort_by(|a, b| maps[a.index()].name.cmp(&maps[b.index()].name));
    ids
}

#[cfg(test)]
mod tests {
    use super::{as_seen, interval};
    use std::time::Duration;

    #[test]
    fn intervals_have_units() {
        let seconds = |text| interval(text).map(|interval| interval.as_secs_f64());
        assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!([seconds("1s"), seconds("2"), seconds("0.5"), seconds("2m")], [1.0, 2.0, 0.5, 120.0].map(Ok));
        assert_eq!(interval("1h"), Err("1h is no interval such as 1s, 500ms or 2m".to_owned()));
        for text in ["", "s", "1e5s", "-1s", "1..2", "nan", "inf"] {
            assert!(interval(text).is_err(), "{text}");
        }
        for text in ["0", "1ms", "100000"] {
            assert_eq!(interval(text), Err(format!("{text} is not between 50ms and a day")));
        }
    }

    #[test]
    fn a_line_of_output_is_shown_as_it_would_have_been_seen() {
        let seen = |line: &str| as_seen(line.as_bytes());
        assert_eq!(seen("\x1b[1m@h\x1b[0m[\x1b[36mk\x1b[0m]: 1"), "@h[k]: 1");
        assert_eq!(seen("10%\r20%\r\u{1b}[K30%\r"), "30%");
        assert_eq!(seen("a\tb\x07"), "a       b\\x07");
        assert_eq!(seen("cut \x1b[3"), "cut ");
    }
}
