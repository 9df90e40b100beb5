//! How the line that is being edited looks.
//!
//! Colours are put where [`lang::highlight`] says what is what. A text that is taller than the terminal is shown in part:
//! the editor below us would write all of it at each key, and lose the cursor. It counts rows of the whole text and moves
//! up by as many, and a terminal stops at its first row. So the part that is shown ends with the text, or begins with the
//! row of the cursor if that is further up.

use super::commands;
use crate::look::{self, Part};
use lang::highlight::{Highlighted, highlight};
use rustix::termios::tcgetwinsize;
use std::cell::RefCell;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// How the line looks, which is remembered from key to key.
pub struct Looks {
    color: bool,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    text: String,
    found: Highlighted,
    /// What of it is shown; all of it if nothing.
    window: Option<Range<usize>>,
}

/// The columns and rows of the terminal.
pub fn size() -> (usize, usize) {
    let size = tcgetwinsize(std::io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    (if size.0 == 0 { 80 } else { size.0.into() }, if size.1 == 0 { usize::MAX } else { size.1.into() })
}

impl Looks {
    /// With colours or without.
    pub fn new(color: bool) -> Self {
        Self { color, state: RefCell::default() }
    }

    /// Looks at a text with the cursor at a place, which is about to be drawn after a prompt of so many columns; for the
    /// last time if it has been entered. Tells whether it has to be drawn anew, and not only what was typed.
    pub fn update(&self, text: &str, cursor: usize, prompt: usize, is_last: bool) -> bool {
        let mut state = self.state.borrow_mut();
        let is_changed = state.text != text;
        if is_changed {
            text.clone_into(&mut state.text);
            state.found = if self.color && !is_command(text) { highlight(text) } else { Highlighted::default() };
        }
        let had_window = state.window.is_some();
        state.window = if is_last { None } else { window(text, cursor, prompt, size()) };
        let marks = self.color && !is_last && bracket(&state.found, text, cursor).is_some();
        (self.color && is_changed) || marks || had_window || state.window.is_some()
    }

    /// Whether the beginning of the text is to be seen, and with it the prompt.
    pub fn shows_prompt(&self) -> bool {
        self.state.borrow().window.as_ref().is_none_or(|window| window.start == 0)
    }

    /// The text as it is drawn; nothing if that is how it is.
    pub fn draw(&self, text: &str, cursor: usize, marks: bool) -> Option<String> {
        let mut state = self.state.borrow_mut();
        if state.text != text {
            text.clone_into(&mut state.text);
            state.found = if self.color && !is_command(text) { highlight(text) } else { Highlighted::default() };
            state.window = None;
        }
        let is_plain = !text.contains(is_unseen);
        if is_plain && state.window.is_none() && !self.color {
            return None;
        }
        let shown = state.window.clone().unwrap_or(0..text.len());
        let mut out = String::with_capacity(2 * shown.len());
        let mut pen = Pen { out: &mut out, text, shown, color: self.color };
        if self.color && is_command(text) {
            pen.command();
            return Some(out);
        }
        let pair = if marks { bracket(&state.found, text, cursor) } else { None };
        let mut at = 0;
        for (range, class) in &state.found.parts {
            if range.end <= pen.shown.start {
                continue;
            }
            if range.start >= pen.shown.end {
                break;
            }
            pen.plain(at.max(pen.shown.start.min(range.start))..range.start, pair);
            pen.part(range.clone(), look::code(Part::Class(*class)));
            at = range.end;
        }
        pen.plain(at..text.len(), pair);
        Some(out)
    }
}

/// Writes parts of a text, as far as they are shown.
struct Pen<'a> {
    out: &'a mut String,
    text: &'a str,
    shown: Range<usize>,
    color: bool,
}

impl Pen<'_> {
    fn part(&mut self, range: Range<usize>, code: &str) {
        let range = range.start.max(self.shown.start)..range.end.min(self.shown.end);
        let Some(text) = self.text.get(range).filter(|text| !text.is_empty()) else { return };
        let is_painted = self.color && !code.is_empty();
        if is_painted {
            self.out.extend(["\x1b[", code, "m"]);
        }
        // Terminals obey them; rustyline believes that they have no width.
        self.out.extend(text.chars().filter(|letter| !is_unseen(*letter)));
        if is_painted {
            self.out.push_str("\x1b[0m");
        }
    }

    /// Writes what has no colour, with a pair of brackets marked.
    fn plain(&mut self, range: Range<usize>, pair: Option<(usize, usize)>) {
        let mut at = range.start;
        let (one, other) = pair.unwrap_or((usize::MAX, usize::MAX));
        for mark in [one.min(other), one.max(other)] {
            if (at..range.end).contains(&mark) {
                self.part(at..mark, "");
                self.part(mark..mark + 1, look::code(Part::Partner));
                at = mark + 1;
            }
        }
        self.part(at..range.end, "");
    }

    /// Writes a command.
    fn command(&mut self) {
        let start = self.text.len() - self.text.trim_start().len();
        let name = self.text[start..].find(char::is_whitespace).map_or(self.text.len(), |length| start + length);
        let code = if commands::is_known(&self.text[start + 1..name]) { look::code(Part::Command) } else { "" };
        self.part(0..start, "");
        self.part(start..name, code);
        self.part(name..self.text.len(), "");
    }
}

fn is_command(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(':') && !text.starts_with("::")
}

/// Whether a letter moves the terminal rather than being shown.
fn is_unseen(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\t')
}

/// The bracket at the cursor, or else the one before it, and the one that belongs to it.
fn bracket(found: &Highlighted, text: &str, cursor: usize) -> Option<(usize, usize)> {
    let is_bracket = |at: &usize| text.as_bytes().get(*at).is_some_and(|byte| b"()[]{}<>/".contains(byte));
    let places = [Some(cursor), cursor.checked_sub(1)];
    places.into_iter().flatten().filter(is_bracket).find_map(|at| Some((at, found.partner(at)?)))
}

/// Where rows of a text begin that is drawn after a prompt of so many columns, and the column behind its end.
pub fn rows(text: &str, prompt: usize, columns: usize) -> (Vec<usize>, usize) {
    const TAB: usize = 8;
    let (mut rows, mut column) = (vec![0], prompt);
    for (at, letter) in text.char_indices() {
        let width = match letter {
            '\n' => {
                rows.push(at + 1);
                column = 0;
                continue;
            }
            '\t' => TAB - column % TAB,
            letter => letter.width().unwrap_or(0),
        };
        column += width;
        if column > columns {
            rows.push(at);
            column = width;
        }
    }
    if column == columns {
        rows.push(text.len());
        column = 0;
    }
    (rows, column)
}

/// The column behind the end of a text.
pub fn end_column(text: &str, prompt: usize, columns: usize) -> usize {
    let last = text.rfind('\n').map_or(0, |at| at + 1);
    rows(&text[last..], if last == 0 { prompt } else { 0 }, columns).1
}

/// The part of a text that is shown if not all of it has room.
fn window(text: &str, cursor: usize, prompt: usize, (columns, height): (usize, usize)) -> Option<Range<usize>> {
    // So many bytes have room in any case, wherever they are.
    if text.len() + prompt < columns && !text.contains('\n') {
        return None;
    }
    let (rows, _) = rows(text, prompt, columns);
    if rows.len() <= height || height == 0 {
        return None;
    }
    let of_cursor = rows.partition_point(|start| *start <= cursor) - 1;
    let first = of_cursor.min(rows.len() - height);
    // The break before the next row is not written: the terminal would scroll.
    let end = match rows.get(first + height) {
        Some(next) => next - usize::from(text[..*next].ends_with('\n')),
        None => text.len(),
    };
    Some(rows[first]..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn drawn(text: &str, cursor: usize) -> String {
        let looks = Looks::new(true);
        looks.update(text, cursor, 8, false);
        looks.draw(text, cursor, true).unwrap_or_else(|| text.to_owned()).replace('\x1b', "^")
    }

    #[test]
    fn parts_have_their_colours() {
        assert_eq!(
            drawn("kprobe:f { @[pid] = f(\"a\\n\") }", 0),
            "^[35mkprobe^[0m:f { ^[1m@^[0m[^[36mpid^[0m] = f(^[32m\"a^[0m^[1;32m\\n^[0m^[32m\"^[0m) }"
        );
        assert_eq!(drawn(":maps x", 0), "^[1;36m:maps^[0m x");
        assert_eq!(drawn(":nosuch x", 0), ":nosuch x");
        assert_eq!(drawn("(1))", 4), "(^[33m1^[0m)^[1;31m)^[0m");
        assert_eq!(drawn("(1)", 3), "^[1;4m(^[0m^[33m1^[0m^[1;4m)^[0m");
        assert_eq!(drawn("a\x07\x1b[Jb", 0), "a[Jb");
    }

    #[test]
    fn without_colours_it_is_the_text() {
        let looks = Looks::new(false);
        assert!(!looks.update("(1)", 3, 8, false));
        assert_eq!(looks.draw("(1)", 3, true), None);
        assert_eq!(looks.draw("a\x1bb", 0, true).as_deref(), Some("ab"));
    }

    #[test]
    fn rows_are_counted_as_a_terminal_has_them() {
        assert_eq!(rows("abc", 2, 5), (vec![0, 3], 0));
        assert_eq!(rows("abcd", 2, 5), (vec![0, 3], 1));
        assert_eq!(rows("a日本", 2, 5), (vec![0, 4], 2));
        assert_eq!(rows("a\nb\n", 2, 5), (vec![0, 2, 4], 0));
        assert_eq!(end_column("abc\nde", 2, 5), 2);
    }

    #[test]
    fn what_is_too_tall_is_shown_in_part() {
        let text = "1\n2\n3\n4\n5\n6";
        assert_eq!(window(text, 0, 8, (80, 6)), None);
        let shown = |cursor: usize, height: usize| {
            window(text, cursor, 8, (80, height)).map(|range| text[range].replace('\n', "|"))
        };
        assert_eq!(shown(11, 3).as_deref(), Some("4|5|6"));
        assert_eq!(shown(6, 3).as_deref(), Some("4|5|6"));
        assert_eq!(shown(4, 3).as_deref(), Some("3|4|5"));
        assert_eq!(shown(0, 3).as_deref(), Some("1|2|3"));
    }

    #[test]
    fn a_long_script_is_drawn_in_no_time() {
        let line = "  if (comm == \"bash\") { @bytes[comm, pid] = hist(args.count); printf(\"%d\\n\", 5); } // why\n";
        let text = format!("kprobe:f {{\n{}}}\n", line.repeat(2000));
        let looks = Looks::new(true);
        let best = (0..5).map(|round| {
            let text = format!("{text}{}", "1".repeat(round));
            let begun = Instant::now();
            looks.update(&text, text.len(), 8, false);
            assert!(looks.draw(&text, text.len(), true).is_some());
            begun.elapsed()
        });
        let best = best.min().expect("there were some");
        // A compiler that does not optimise makes it ten times as slow.
        let limit = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 20 });
        assert!(best < limit, "{best:?}");
    }
}
