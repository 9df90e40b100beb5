//! A terminal that somebody watches: its other screen, on which only lines that have changed are written, and its keys.
//!
//! However this ends, the terminal is put back: when the view goes, when a signal has ended the run, and before a panic
//! says what is wrong.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, Once, PoisonError};

/// The other screen, empty, without cursor, and lines that end at the edge.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What has to be put back, if something has.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

struct Taken {
    input: OwnedFd,
    screen: File,
    modes: Termios,
}

impl Taken {
    fn put_back(mut self) {
        // A terminal that is gone needs nothing.
        let _ = self.screen.write_all(LEAVE);
        let _ = tcsetattr(&self.input, OptionalActions::Now, &self.modes);
    }
}

/// What was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// A screen back.
    PageUp,
    /// A screen on.
    PageDown,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// A byte of anything that is typed.
    Letter(u8),
    /// Another key that sends several bytes.
    Other,
    /// The terminal is gone.
    Gone,
}

/// The terminal while it is watched.
pub struct Terminal {
    input: OwnedFd,
    screen: File,
    shown: Vec<String>,
    /// What is there may be anything.
    is_unknown: bool,
}

impl Terminal {
    /// Takes the terminal.
    pub fn enter(input: OwnedFd, screen: OwnedFd) -> io::Result<Self> {
        let modes = tcgetattr(&input)?;
        let mut raw = modes.clone();
        // Keys come at once, are not shown, and none is a signal.
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        let screen = File::from(screen);
        let taken = Taken { input: input.try_clone()?, screen: screen.try_clone()?, modes };
        restore_before_panics();
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        // Not before it is known how to go back, which is done if one of these fails.
        let mut terminal = Self { input, screen, shown: Vec::new(), is_unknown: false };
        tcsetattr(&terminal.input, OptionalActions::Now, &raw)?;
        terminal.screen.write_all(ENTER)?;
        Ok(terminal)
    }

    /// Puts the terminal back; once is enough.
    pub fn leave(&mut self) {
        if let Some(taken) = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take() {
            taken.put_back();
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.screen) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    /// Everything has to be drawn anew.
    pub fn forget(&mut self) {
        self.is_unknown = true;
    }

    /// Shows lines, none of which may be longer than the screen.
    pub fn draw(&mut self, lines: Vec<String>) {
        let mut out = String::new();
        if std::mem::take(&mut self.is_unknown) {
            out += "\x1b[2J";
            self.shown.clear();
        }
        for row in 0..lines.len().max(self.shown.len()) {
            let line = lines.get(row).map_or("", String::as_str);
            if self.shown.get(row).map_or("", String::as_str) != line {
                // First cleared, because a cursor behind the last column would clear that.
                out += &format!("\x1b[{};1H\x1b[2K{line}", row + 1);
            }
        }
        self.shown = lines;
        if !out.is_empty() {
            // A terminal that is gone cannot be told.
            let _ = self.screen.write_all(out.as_bytes());
        }
    }

    /// The next key, if one was pressed. What is behind it stays where it is, for whoever reads next.
    pub fn key(&mut self) -> Option<Key> {
        let first = self.byte(Timespec::default())?;
        let Ok(first) = first else { return Some(Key::Gone) };
        /// Bytes of one key come together, even over a slow line.
        const TOGETHER: Timespec = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
        if first != b'\x1b' {
            // What is left of a letter would be none for whoever reads next.
            for _ in 1..letter_bytes(first) {
                let _ = self.byte(TOGETHER);
            }
            return Some(Key::Letter(first));
        }
        let mut body = Vec::new();
        while let Some(Ok(byte)) = self.byte(TOGETHER) {
            body.push(byte);
            let is_introducer = body.len() == 1 && matches!(byte, b'[' | b'O');
            if !is_introducer && (0x40..=0x7e).contains(&byte) || body.len() > 16 {
                break;
            }
        }
        Some(meaning(&body))
    }

    /// The next byte, if there is one within that time; an error if there will never be one.
    fn byte(&self, within: Timespec) -> Option<Result<u8, ()>> {
        let mut wait = [PollFd::new(&self.input, PollFlags::IN)];
        match poll(&mut wait, Some(&within)) {
            Ok(1..) => {}
            _ => return None,
        }
        let mut byte = [0];
        match rustix::io::read(&self.input, &mut byte) {
            Ok(1..) => Some(Ok(byte[0])),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => None,
            _ => Some(Err(())),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The bytes of a letter in UTF-8 that begins with this one.
fn letter_bytes(first: u8) -> u32 {
    match first.leading_ones() {
        count @ 2..=4 => count,
        _ => 1,
    }
}

/// What stands behind an escape.
fn meaning(body: &[u8]) -> Key {
    match body {
        b"" => Key::Letter(b'\x1b'),
        b"[A" | b"OA" => Key::Up,
        b"[B" | b"OB" => Key::Down,
        b"[5~" => Key::PageUp,
        b"[6~" => Key::PageDown,
        b"[H" | b"OH" | b"[1~" | b"[7~" => Key::Home,
        b"[F" | b"OF" | b"[4~" | b"[8~" => Key::End,
        _ => Key::Other,
    }
}

/// A message on the other screen would go with it.
fn restore_before_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Whoever has it locked is the one who panics, and has no terminal.
            if let Some(taken) = TAKEN.try_lock().ok().and_then(|mut taken| taken.take()) {
                taken.put_back();
            }
            hook(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::{ENTER, Key, LEAVE, Terminal, letter_bytes, meaning};
    use rustix::termios::{LocalModes, tcgetattr};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::{FromRawFd, OwnedFd};

    /// The two ends of a new terminal.
    fn pair() -> (File, OwnedFd) {
        let (mut ours, mut its) = (-1, -1);
        let none = std::ptr::null_mut();
        // SAFETY: both numbers are written before they are used, and the descriptors are new.
        unsafe {
            assert_eq!(libc::openpty(&mut ours, &mut its, none, none.cast(), none.cast()), 0);
            (File::from_raw_fd(ours), OwnedFd::from_raw_fd(its))
        }
    }

    #[test]
    fn keys_come_at_once_and_a_panic_puts_the_terminal_back() {
        let (mut ours, its) = pair();
        let is_as_it_was = || {
            let modes = tcgetattr(&its).expect("it is a terminal").local_modes;
            modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
        };
        assert!(is_as_it_was());
        let copy = || its.try_clone().expect("descriptors can be copied");
        let mut terminal = Terminal::enter(copy(), copy()).expect("it can be taken");
        assert!(!is_as_it_was());
        terminal.draw(vec!["one".to_owned(), "two".to_owned()]);
        terminal.draw(vec!["one".to_owned(), "2".to_owned()]);
        ours.write_all("ä\x1b[B\x03x".as_bytes()).expect("it takes keys");
        let keys: Vec<Key> = (0..4).filter_map(|_| terminal.key()).collect();
        assert_eq!(keys, [Key::Letter(0xc3), Key::Down, Key::Letter(3), Key::Letter(b'x')]);
        assert_eq!(terminal.key(), None);
        let panicked = std::thread::spawn(move || {
            let _terminal = terminal;
            panic!("as it should");
        });
        assert!(panicked.join().is_err() && is_as_it_was());
        let mut shown = vec![0; 4096];
        let count = ours.read(&mut shown).expect("something was shown");
        let expected = [ENTER, b"\x1b[1;1H\x1b[2Kone\x1b[2;1H\x1b[2Ktwo\x1b[2;1H\x1b[2K2", LEAVE].concat();
        assert_eq!(String::from_utf8_lossy(&shown[..count]), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn letters_are_taken_as_a_whole() {
        for letter in ['a', 'ä', '漢', '🦀'] {
            let mut bytes = [0; 4];
            let text = letter.encode_utf8(&mut bytes);
            assert_eq!(letter_bytes(text.as_bytes()[0]) as usize, text.len());
        }
        assert_eq!(letter_bytes(0xff), 1);
    }

    #[test]
    fn keys_of_several_bytes_are_known() {
        assert_eq!(meaning(b"[A"), Key::Up);
        assert_eq!(meaning(b"OB"), Key::Down);
        assert_eq!(meaning(b"[6~"), Key::PageDown);
        assert_eq!(meaning(b"[1~"), Key::Home);
        assert_eq!(meaning(b""), Key::Letter(27));
        assert_eq!(meaning(b"[15~"), Key::Other);
    }
}
