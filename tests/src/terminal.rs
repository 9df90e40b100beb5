//! rtrace on a terminal: a pseudo-terminal with somebody who types, and a screen to look at.
//!
//! The screen understands what rustyline and the tool itself send, which is little: text, line ends, moving the cursor,
//! clearing, colours. Lines go on in the next row where they are too long, and what is asked for as text are lines. What
//! has left the screen at its top is kept, so nothing that was ever shown is lost. The other screen, which a program may
//! have for itself, is one of its own.

use crate::{patience, rtrace};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How the prompt looks.
pub const PROMPT: &str = "rtrace> ";

/// A terminal with rtrace on it, which is killed when this is dropped.
pub struct Terminal {
    keys: File,
    child: Child,
    screen: Arc<Mutex<Screen>>,
}

/// Rows of a terminal unless somebody wants another number.
const ROWS: u16 = 50;

/// Looking at the screen this often is often enough.
const GLANCE: Duration = Duration::from_millis(5);
/// For anything to appear.
const LIMIT: Duration = Duration::from_secs(20);

impl Terminal {
    /// Starts rtrace on a terminal of 160 columns, and waits for its prompt.
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        let terminal = Self::open(args, "xterm", 160);
        terminal.wait("a prompt", |screen| screen.has_prompt());
        terminal
    }

    /// Starts rtrace on a terminal that calls itself this and has so many columns.
    #[track_caller]
    pub fn open(args: &[&str], name: &str, columns: u16) -> Self {
        Self::with(args, name, (columns, ROWS), &[("NO_COLOR", "1")])
    }

    /// The same, with more in the environment.
    #[track_caller]
    pub fn open_with(args: &[&str], name: &str, columns: u16, environment: &[(&str, &str)]) -> Self {
        let plain = [("NO_COLOR", "1")];
        Self::with(args, name, (columns, ROWS), &[&plain[..], environment].concat())
    }

    /// The same with so many columns and rows, and this in its environment.
    #[track_caller]
    pub fn with(args: &[&str], name: &str, size: (u16, u16), environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(rtrace());
        command.args(args);
        Self::of(command, name, size, environment)
    }

    /// The same with a command of one's own.
    #[track_caller]
    pub fn of(mut command: Command, name: &str, size: (u16, u16), environment: &[(&str, &str)]) -> Self {
        let (keys, its) = pair(size);
        command.env_clear().env("TERM", name).env("LC_ALL", "C.UTF-8");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(environment.iter().copied());
        let end = || its.try_clone().expect("descriptors can be copied");
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: both calls are safe between fork and exec, and touch nothing but the new process.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("rtrace can be started");
        // The command holds the other end as well.
        drop((command, its));
        let screen = Arc::new(Mutex::new(Screen::new((size.0.into(), size.1.into()))));
        let (mut shown, seen) = (keys.try_clone().expect("descriptors can be copied"), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = shown.read(&mut bytes) {
                lock(&seen).show(&bytes[..count]);
            }
        });
        Self { keys, child, screen }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Changes the terminal's size; what is on it stays where it is.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let mut screen = lock(&self.screen);
        // SAFETY: the size lives through the call, which only reads it.
        let done = unsafe { libc::ioctl(self.keys.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0, "a terminal can have another size: {}", std::io::Error::last_os_error());
        let size = (columns.into(), rows.into());
        screen.resize(size);
        if let Some(other) = &mut screen.other {
            other.resize(size);
        }
    }

    /// The last line that has this in it, with what it looks like: each part begins with its colours in braces.
    pub fn painted(&self, part: &str) -> String {
        lock(&self.screen).painted(part)
    }

    /// All lines in pieces of one look each: its colours, as numbers between semicolons, and its text.
    pub fn pieces(&self) -> Vec<Vec<(String, String)>> {
        let of = |line: Vec<Cell>| {
            let mut pieces: Vec<(String, String)> = Vec::new();
            for cell in line {
                match pieces.last_mut().filter(|(colors, _)| *colors == cell.colors) {
                    Some((_, text)) => text.extend(cell.letter),
                    None => pieces.push((cell.colors, cell.letter.map(String::from).unwrap_or_default())),
                }
            }
            pieces
        };
        lock(&self.screen).whole().into_iter().map(of).collect()
    }

    /// The rows that are on the screen now.
    pub fn rows(&self) -> Vec<String> {
        lock(&self.screen).visible()
    }

    /// Where the cursor is on the screen: row and column from 0.
    pub fn cursor(&self) -> (usize, usize) {
        let screen = lock(&self.screen);
        (screen.row - screen.top, screen.column)
    }

    /// Waits until what is on the screen is as somebody wants it.
    #[track_caller]
    pub fn until(&self, what: &str, is_there: impl Fn(&[String], (usize, usize)) -> bool) {
        self.wait(what, |screen| is_there(&screen.visible(), (screen.row - screen.top, screen.column)));
    }

    /// Waits until an empty prompt is there.
    #[track_caller]
    pub fn ready(&self) {
        self.wait("an empty prompt", Screen::has_prompt);
    }

    /// Types a line and waits for the next prompt; what has been shown in between.
    ///
    /// What is printed above the prompt takes it away for a moment, so prompts are counted only while one is there. An
    /// entry of several lines has none in its last one, and keeps its prompt.
    #[track_caller]
    pub fn enter(&mut self, line: &str) -> String {
        const MOMENT: Duration = Duration::from_millis(200);
        let end = Instant::now() + patience(MOMENT);
        while !lock(&self.screen).last().starts_with(PROMPT) && Instant::now() < end {
            sleep(GLANCE);
        }
        let before = lock(&self.screen).prompts();
        self.press(&format!("{line}\r"));
        self.find("the next prompt", |screen| {
            (screen.has_prompt() && screen.prompts() > before).then(|| screen.answer())
        })
    }

    /// Types a line again and again until it shows what is wanted.
    #[track_caller]
    pub fn enter_until(&mut self, line: &str, wanted: impl Fn(&str) -> bool) {
        let end = Instant::now() + patience(LIMIT);
        while !wanted(&self.enter(line)) {
            assert!(Instant::now() < end, "{line} never showed what it should:\n{}", self.text());
        }
    }

    /// What stands between the last two prompts, without the line that was typed.
    pub fn answer(&self) -> String {
        lock(&self.screen).answer()
    }

    /// Waits until something can be read anywhere on the screen.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.wait(text, |screen| screen.text().iter().any(|line| line.contains(text)));
    }

    /// Waits until something can be read in one of the rows from this one on, of all that there ever were; gives the row
    /// behind it.
    #[track_caller]
    pub fn shows_from(&self, first: usize, text: &str) -> usize {
        let is_there = |row: &Row| letters(&row.cells).contains(text);
        self.find(text, |screen| Some(first + screen.lines.get(first..)?.iter().position(is_there)? + 1))
    }

    /// The lines of the other screen, if the program is on it.
    pub fn other(&self) -> Option<Vec<String>> {
        lock(&self.screen).other.as_ref().map(|other| other.visible())
    }

    /// Waits until the other screen is as it should be; its lines then.
    #[track_caller]
    pub fn sees(&self, what: &str, is_seen: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + patience(LIMIT);
        loop {
            let other = self.other();
            match other {
                Some(lines) if is_seen(&lines) => return lines,
                _ => {}
            }
            let other = other.unwrap_or_default().join("\n");
            assert!(Instant::now() < end, "{what} was never seen:\n{other}\nand on the first screen:\n{}", self.text());
            sleep(GLANCE);
        }
    }

    /// Waits until the program has left the other screen.
    #[track_caller]
    pub fn is_back(&self) {
        self.wait("the first screen again", |screen| screen.other.is_none());
    }

    /// Whether keys come line by line, are shown, and may be signals: how the terminal was at first.
    pub fn is_as_it_was(&self) -> bool {
        let all = libc::ICANON | libc::ECHO | libc::ISIG | libc::IEXTEN;
        // SAFETY: the structure is written before it is used.
        let modes = unsafe {
            let mut modes = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(self.keys.as_raw_fd(), &mut modes), 0, "it is a terminal");
            modes
        };
        modes.c_lflag & all == all
    }

    /// Sends rtrace a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Waits until the last line begins so.
    #[track_caller]
    pub fn shows_last(&self, text: &str) {
        self.wait(text, |screen| screen.text().last().is_some_and(|line| line.starts_with(text)));
    }

    /// The whole screen.
    pub fn text(&self) -> String {
        lock(&self.screen).text().join("\n")
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&Screen) -> bool) {
        self.find(what, |screen| is_there(screen).then_some(()));
    }

    /// Waits until something is found on the screen.
    #[track_caller]
    fn find<T>(&self, what: &str, found: impl Fn(&Screen) -> Option<T>) -> T {
        let end = Instant::now() + patience(LIMIT);
        loop {
            if let Some(found) = found(&lock(&self.screen)) {
                return found;
            }
            assert!(Instant::now() < end, "the terminal never showed {what}:\n{}", self.text());
            sleep(GLANCE);
        }
    }

    /// Waits for rtrace to leave.
    #[track_caller]
    pub fn left(&mut self) -> ExitStatus {
        let end = Instant::now() + patience(LIMIT);
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                // What it said last is on its way.
                sleep(10 * GLANCE);
                return status;
            }
            assert!(Instant::now() < end, "rtrace never left:\n{}", self.text());
            sleep(GLANCE);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The two ends of a new terminal: that of the person, and that of the program.
fn pair((columns, rows): (u16, u16)) -> (File, OwnedFd) {
    let (mut ours, mut its) = (-1, -1);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: both numbers are written before they are used, and the descriptors are new.
    unsafe {
        let made = libc::openpty(&mut ours, &mut its, std::ptr::null_mut(), std::ptr::null(), &size);
        assert_eq!(made, 0, "a terminal can be made: {}", std::io::Error::last_os_error());
        for fd in [ours, its] {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        (File::from_raw_fd(ours), OwnedFd::from_raw_fd(its))
    }
}

/// A place on the screen: a letter, and the colours it has.
#[derive(Clone, Default, PartialEq)]
struct Cell {
    /// Nothing behind a letter that takes two places.
    letter: Option<char>,
    colors: String,
}

/// A row of the screen.
#[derive(Clone, Default)]
struct Row {
    cells: Vec<Cell>,
    /// It goes on in the next one.
    goes_on: bool,
}

/// What is to be seen.
struct Screen {
    lines: Vec<Row>,
    /// The first row that has not left the screen.
    top: usize,
    row: usize,
    column: usize,
    columns: usize,
    height: usize,
    /// The colours of what comes next.
    colors: String,
    /// What is no whole character or sequence yet.
    rest: Vec<u8>,
    /// The other screen, while it is used.
    other: Option<Box<Screen>>,
}

impl Screen {
    fn new((columns, height): (usize, usize)) -> Self {
        Self {
            lines: Vec::new(),
            top: 0,
            row: 0,
            column: 0,
            columns,
            height,
            colors: String::new(),
            rest: Vec::new(),
            other: None,
        }
    }

    fn resize(&mut self, (columns, height): (usize, usize)) {
        (self.columns, self.height) = (columns, height);
        self.top = self.top.max((self.row + 1).saturating_sub(height));
    }

    fn show(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8_lossy(&self.rest[..whole]).into_owned();
        let mut left = text.as_str();
        while let Some(letter) = left.chars().next() {
            let used = match letter {
                '\x1b' => match sequence(left) {
                    Some(length) => {
                        self.obey(&left[..length]);
                        length
                    }
                    None => break,
                },
                _ => {
                    self.put(letter);
                    letter.len_utf8()
                }
            };
            left = &left[used..];
        }
        self.rest.drain(..whole - left.len());
    }

    fn put(&mut self, letter: char) {
        const TAB: usize = 8;
        if let Some(other) = &mut self.other {
            return other.put(letter);
        }
        match letter {
            '\r' => self.column = 0,
            '\n' => self.down(),
            '\t' => self.column = ((self.column / TAB + 1) * TAB).min(self.columns - 1),
            '\x08' => self.column = self.column.saturating_sub(1),
            letter if letter.is_control() => {}
            letter => {
                let width = width(letter);
                // The last column is left by the next letter, not before.
                if self.column + width > self.columns {
                    self.line().0.goes_on = true;
                    self.down();
                    self.column = 0;
                }
                let colors = self.colors.clone();
                let (row, column) = self.line();
                let blank = Cell { letter: Some(' '), colors: String::new() };
                let last = (column + width).max(row.cells.len());
                row.cells.resize(last, blank);
                for (at, cell) in row.cells[column..column + width].iter_mut().enumerate() {
                    *cell = Cell { letter: (at == 0).then_some(letter), colors: colors.clone() };
                }
                self.column += width;
            }
        }
    }

    /// The line of the cursor, and its column.
    fn line(&mut self) -> (&mut Row, usize) {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Row::default());
        }
        (&mut self.lines[self.row], self.column)
    }

    /// Goes to the next row, which the screen has to make room for if it is at its last one.
    fn down(&mut self) {
        self.row += 1;
        self.top = self.top.max((self.row + 1).saturating_sub(self.height));
    }

    /// Moves the cursor or clears something.
    fn obey(&mut self, sequence: &str) {
        match (sequence, &mut self.other) {
            ("\x1b[?1049h", _) => return self.other = Some(Box::new(Screen::new((self.columns, self.height)))),
            ("\x1b[?1049l", _) => return self.other = None,
            (_, Some(other)) => return other.obey(sequence),
            _ => {}
        }
        let Some(body) = sequence.strip_prefix("\x1b[") else { return };
        let (body, last) = body.split_at(body.len() - 1);
        let count = body.parse().unwrap_or(1);
        let (top, columns) = (self.top, self.columns);
        match last {
            "A" => self.row = self.row.saturating_sub(count).max(top),
            "B" => self.row = (self.row + count).min(top + self.height - 1),
            "C" => self.column = (self.column + count).min(columns - 1),
            "D" => self.column = self.column.saturating_sub(count),
            "G" => self.column = count - 1,
            // From the top.
            "H" => {
                let (row, column) = body.split_once(';').unwrap_or((body, ""));
                self.row = top + row.parse::<usize>().unwrap_or(1) - 1;
                self.column = column.parse::<usize>().unwrap_or(1) - 1;
            }
            "J" if body == "2" => self.lines.truncate(top),
            "K" => {
                let (row, column) = self.line();
                row.cells.truncate(column);
                row.goes_on = false;
            }
            "J" => {
                let (row, column) = self.line();
                row.cells.truncate(column);
                row.goes_on = false;
                let row = self.row;
                self.lines.truncate(row + 1);
            }
            "m" => {
                for code in body.split(';') {
                    match code {
                        "" | "0" => self.colors.clear(),
                        code if self.colors.is_empty() => code.clone_into(&mut self.colors),
                        code => self.colors = format!("{};{code}", self.colors),
                    }
                }
            }
            // What the terminal is to send.
            _ => {}
        }
    }

    /// The lines, each of one or several rows.
    fn whole(&self) -> Vec<Vec<Cell>> {
        let mut lines: Vec<Vec<Cell>> = Vec::new();
        let mut goes_on = false;
        for row in &self.lines {
            match lines.last_mut().filter(|_| goes_on) {
                Some(line) => line.extend(row.cells.iter().cloned()),
                None => lines.push(row.cells.clone()),
            }
            goes_on = row.goes_on;
        }
        lines
    }

    fn text(&self) -> Vec<String> {
        self.whole().iter().map(|line| letters(line)).collect()
    }

    fn visible(&self) -> Vec<String> {
        let last = self.lines.len().max(self.row + 1);
        (self.top..last).map(|row| self.lines.get(row).map_or_else(String::new, |row| letters(&row.cells))).collect()
    }

    fn painted(&self, part: &str) -> String {
        let lines = self.whole();
        let Some(line) = lines.iter().rev().find(|line| letters(line).contains(part)) else { return String::new() };
        let (mut text, mut colors) = (String::new(), "");
        for cell in line {
            if cell.colors != colors {
                colors = &cell.colors;
                text += &format!("{{{colors}}}");
            }
            text.extend(cell.letter);
        }
        text
    }

    fn prompts(&self) -> usize {
        self.text().iter().filter(|line| line.starts_with(PROMPT)).count()
    }

    /// What stands between the last two prompts.
    fn answer(&self) -> String {
        let lines = self.text();
        let at: Vec<usize> = (0..lines.len()).filter(|index| lines[*index].starts_with(PROMPT)).collect();
        match at[..] {
            [.., start, end] => lines[start + 1..end].join("\n"),
            _ => String::new(),
        }
    }

    /// Whether the last line is an empty prompt; rows below it may have been used before.
    fn has_prompt(&self) -> bool {
        self.last().trim_end() == PROMPT.trim_end()
    }

    /// The last line that is not empty.
    fn last(&self) -> String {
        self.text().into_iter().rfind(|line| !line.is_empty()).unwrap_or_default()
    }
}

fn letters(cells: &[Cell]) -> String {
    cells.iter().filter_map(|cell| cell.letter).collect()
}

/// How many places a letter takes.
fn width(letter: char) -> usize {
    match u32::from(letter) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 => 2,
        0x1f300..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f900..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// How long the control sequence at the start of a text is; nothing if it is not whole.
fn sequence(text: &str) -> Option<usize> {
    match text.as_bytes().get(1)? {
        b'[' => {
            let end = text.bytes().skip(2).position(|byte| (0x40..=0x7e).contains(&byte))?;
            Some(end + 3)
        }
        _ => Some(2),
    }
}

#[cfg(test)]
mod tests {
    use super::Screen;

    #[test]
    fn a_screen_shows_what_is_left_of_what_was_written() {
        let mut screen = Screen::new((80, 50));
        screen.show(b"rtrace> x\r\x1b[Krtrace> xy");
        screen.show("\r\n\x1b[1mä".as_bytes());
        screen.show(b"\x1b");
        screen.show(b"[0m\r\nlast\r\x1b[1Abc\x1b[J");
        assert_eq!(screen.text(), ["rtrace> xy", "bc"]);
        screen.show(b"\x1b[?1049h\x1b[2;3Hx\x1b[1;1H\x1b[2Ky");
        assert_eq!(screen.other.as_ref().map(|other| other.text()), Some(vec!["y".to_owned(), "  x".to_owned()]));
        screen.show(b"\x1b[?1049l.");
        assert_eq!(screen.text(), ["rtrace> xy", "bc."]);
    }

    #[test]
    fn long_lines_go_on_and_tall_ones_leave_the_screen() {
        let mut screen = Screen::new((4, 2));
        screen.show("abcd\r\nab日x\r\n".as_bytes());
        assert_eq!(screen.text(), ["abcd", "ab日x"]);
        assert_eq!(screen.visible(), ["x", ""]);
        screen.show(b"1\r\n2\x1b[9A!");
        assert_eq!(
            (screen.text(), screen.visible()),
            (vec!["abcd".into(), "ab日x".into(), "1!".into(), "2".into()], vec!["1!".into(), "2".into()])
        );
    }

    #[test]
    fn colours_are_seen() {
        let mut screen = Screen::new((80, 50));
        screen.show(b"a\x1b[1;32mb\x1b[0mc\x1b[1m\x1b[4md");
        assert_eq!(screen.painted("c"), "a{1;32}b{}c{1;4}d");
        assert_eq!(screen.painted("x"), "");
    }
}
