//! The line that is being edited, on a terminal that breaks its rows anew when it gets another width.
//!
//! rustyline moves up by as many rows as the line had when it was drawn. If it has less of them by now, it clears what
//! stands above the line; if it has more, some of them stay. So what such a terminal has made of the line is put in order
//! before: it is cleared, and the cursor stands as many rows below its beginning as it is believed to stand. Many
//! terminals are not such, and most do not say so; those that are known to be are treated in this way.

use super::highlight::{rows, size};
use std::cell::RefCell;

/// The line as it was drawn last.
pub struct Drawn {
    reflows: bool,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// The columns of the prompt.
    prompt: usize,
    /// What stands behind the prompt.
    text: String,
    cursor: usize,
    /// Those of the terminal, then; nothing has been drawn if there are none.
    columns: usize,
}

impl Drawn {
    /// On the terminal of this environment.
    pub fn new(environment: impl Fn(&str) -> Option<String>) -> Self {
        Self { reflows: reflows(environment), state: RefCell::default() }
    }

    /// Nothing is drawn yet.
    pub fn forget(&self) {
        *self.state.borrow_mut() = State::default();
    }

    /// The prompt is drawn.
    pub fn prompt(&self, columns: usize) {
        self.state.borrow_mut().prompt = columns;
    }

    /// The text behind it is drawn.
    pub fn line(&self, text: &str, cursor: usize) {
        let mut state = self.state.borrow_mut();
        text.clone_into(&mut state.text);
        (state.cursor, state.columns) = (cursor, size().0);
    }

    /// What stands behind the text is drawn.
    pub fn hint(&self, text: &str) {
        self.state.borrow_mut().text.push_str(text);
    }

    /// The cursor is moved.
    pub fn cursor(&self, cursor: usize) {
        self.state.borrow_mut().cursor = cursor;
    }

    /// What has to be written before the line is drawn anew.
    pub fn order(&self) -> Option<String> {
        let (state, now) = (self.state.borrow(), size());
        if self.reflows && state.columns > 0 && state.columns != now.0 { state.order(now) } else { None }
    }
}

impl State {
    fn order(&self, (columns, height): (usize, usize)) -> Option<String> {
        let row = |text: &str, columns| rows(text, self.prompt, columns).0.len() - 1;
        let is_full = |text: &str, columns| {
            let (rows, column) = rows(text, self.prompt, columns);
            column == 0 && rows.len() > 1 && !text.ends_with('\n')
        };
        let (cursor, end) = (row(self.text.get(..self.cursor)?, self.columns), row(&self.text, self.columns));
        // A row that was full has been ended.
        let is_ended = is_full(&self.text, self.columns);
        let text = format!("{}{}", self.text, if is_ended { "\n" } else { "" });
        let at = if is_ended && self.cursor == self.text.len() { text.len() } else { self.cursor };
        // Behind the last letter of a full row the cursor stays in it.
        let above = row(&text[..at], columns) - usize::from(at == text.len() && is_full(&text, columns));
        if end.max(row(&text, columns)) + 1 >= height {
            return None;
        }
        let up = |rows: usize| if rows > 0 { format!("\x1b[{rows}A") } else { String::new() };
        Some(format!("{}\r\x1b[J{}{}", up(above), "\n".repeat(end), up(end - cursor)))
    }
}

/// Whether the terminal is known to break its rows anew.
fn reflows(environment: impl Fn(&str) -> Option<String>) -> bool {
    const ITS: &[&str] = &[
        "ALACRITTY_WINDOW_ID",
        "KITTY_WINDOW_ID",
        "KONSOLE_VERSION",
        "TERM_PROGRAM",
        "VTE_VERSION",
        "WEZTERM_PANE",
        "WT_SESSION",
    ];
    const NAMES: &[&str] = &["alacritty", "foot", "tmux", "wezterm", "xterm-kitty"];
    let is_set = |name: &&str| environment(name).is_some_and(|value| !value.is_empty());
    let name = environment("TERM").unwrap_or_default();
    // What is within another one has that one's variables as well.
    let is_within = is_set(&"XTERM_VERSION") || name.starts_with("screen");
    is_set(&"TMUX") || !is_within && (ITS.iter().any(is_set) || NAMES.iter().any(|its| name.starts_with(its)))
}

#[cfg(test)]
mod tests {
    use super::{State, reflows};

    #[test]
    fn terminals_are_known_by_what_they_set() {
        let with = |set: &[(&str, &str)]| {
            reflows(|name| set.iter().find(|(its, _)| *its == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7600")]));
        assert!(with(&[("TERM", "screen"), ("TMUX", "/tmp/tmux,1,0")]) && with(&[("TERM", "tmux-256color")]));
        assert!(!with(&[("TERM", "xterm")]) && !with(&[("TERM", "screen"), ("VTE_VERSION", "7600")]));
        assert!(!with(&[("TERM", "xterm"), ("XTERM_VERSION", "1"), ("VTE_VERSION", "7600")]));
    }

    #[test]
    fn the_cursor_is_put_where_it_is_believed_to_be() {
        let order = |text: &str, cursor: usize, columns: usize, now: usize| {
            let state = State { prompt: 8, text: text.to_owned(), cursor, columns };
            state.order((now, 24)).map(|order| order.replace('\x1b', "^"))
        };
        // Two rows that have become one, and the other way round.
        assert_eq!(order(&"a".repeat(30), 30, 20, 60).as_deref(), Some("\r^[J\n"));
        assert_eq!(order(&"a".repeat(30), 0, 20, 60).as_deref(), Some("\r^[J\n^[1A"));
        assert_eq!(order(&"a".repeat(30), 30, 60, 20).as_deref(), Some("^[1A\r^[J"));
        // A full row, below which the cursor stands.
        assert_eq!(order(&"a".repeat(12), 12, 20, 60).as_deref(), Some("^[1A\r^[J\n"));
        assert_eq!(order(&"a".repeat(32), 32, 60, 20).as_deref(), Some("^[1A\r^[J"));
        assert_eq!(order(&"a".repeat(4000), 4000, 60, 20), None);
    }
}
