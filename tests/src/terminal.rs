//! rtrace on a terminal: a pseudo-terminal with somebody who types, and a screen to look at.
//!
//! The screen understands what rustyline and the tool itself send, which is little: text, line ends, moving the cursor,
//! clearing. It is endless downwards, so nothing that was ever shown is lost.

use crate::{patience, rtrace};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
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
        let (keys, its) = pair(columns);
        let mut command = Command::new(rtrace());
        command.args(args).env_clear().env("TERM", name).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
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
        let screen = Arc::new(Mutex::new(Screen::default()));
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

    /// Waits until an empty prompt is there.
    #[track_caller]
    pub fn ready(&self) {
        self.wait("an empty prompt", Screen::has_prompt);
    }

    /// Types a line and waits for the next prompt; what has been shown in between.
    #[track_caller]
    pub fn enter(&mut self, line: &str) -> String {
        let before = lock(&self.screen).prompts();
        self.press(&format!("{line}\r"));
        self.wait("the next prompt", |screen| screen.has_prompt() && screen.prompts() > before);
        self.answer()
    }

    /// What stands between the last two prompts, without the line that was typed.
    pub fn answer(&self) -> String {
        let lines = lock(&self.screen).text();
        let at: Vec<usize> = (0..lines.len()).filter(|index| lines[*index].starts_with(PROMPT)).collect();
        match at[..] {
            [.., start, end] => lines[start + 1..end].join("\n"),
            _ => String::new(),
        }
    }

    /// Waits until something can be read anywhere on the screen.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.wait(text, |screen| screen.text().iter().any(|line| line.contains(text)));
    }

    /// The whole screen.
    pub fn text(&self) -> String {
        lock(&self.screen).text().join("\n")
    }

    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&Screen) -> bool) {
        let end = Instant::now() + patience(LIMIT);
        while !is_there(&lock(&self.screen)) {
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
fn pair(columns: u16) -> (File, OwnedFd) {
    let (mut ours, mut its) = (-1, -1);
    let size = libc::winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
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

/// What is to be seen.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// What is no whole character or sequence yet.
    rest: Vec<u8>,
}

impl Screen {
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
        match letter {
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            '\x08' => self.column = self.column.saturating_sub(1),
            letter if letter.is_control() => {}
            letter => {
                let (line, column) = self.line();
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = letter;
                self.column += 1;
            }
        }
    }

    /// The line of the cursor, and its column.
    fn line(&mut self) -> (&mut Vec<char>, usize) {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Vec::new());
        }
        (&mut self.lines[self.row], self.column)
    }

    /// Moves the cursor or clears something.
    fn obey(&mut self, sequence: &str) {
        let Some(body) = sequence.strip_prefix("\x1b[") else { return };
        let (body, last) = body.split_at(body.len() - 1);
        let count = body.parse().unwrap_or(1);
        match last {
            "A" => self.row = self.row.saturating_sub(count),
            "B" => self.row += count,
            "C" => self.column += count,
            "D" => self.column = self.column.saturating_sub(count),
            "G" => self.column = count - 1,
            "K" => {
                let (line, column) = self.line();
                line.truncate(column);
            }
            "J" => {
                let (line, column) = self.line();
                line.truncate(column);
                let row = self.row;
                self.lines.truncate(row + 1);
            }
            // Colours, and what the terminal is to send.
            _ => {}
        }
    }

    fn text(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().collect()).collect()
    }

    fn prompts(&self) -> usize {
        self.text().iter().filter(|line| line.starts_with(PROMPT)).count()
    }

    /// Whether the last line is an empty prompt.
    fn has_prompt(&self) -> bool {
        self.text().last().is_some_and(|line| line.trim_end() == PROMPT.trim_end())
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
        let mut screen = Screen::default();
        screen.show(b"rtrace> x\r\x1b[Krtrace> xy");
        screen.show("\r\n\x1b[1mä".as_bytes());
        screen.show(b"\x1b");
        screen.show(b"[0m\r\nlast\r\x1b[1Abc\x1b[J");
        assert_eq!(screen.text(), ["rtrace> xy", "bc"]);
    }
}
