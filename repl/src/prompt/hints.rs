//! What stands in grey behind the cursor: how the line may go on, or what is expected next.
//!
//! The rest of the newest entry that begins as the line does can be taken with a key. Otherwise it is the signature of the
//! function that is being called, from its row, or what a command takes.

use super::commands;
use super::highlight::{end_column, size};
use lang::functions::function;
use lang::highlight::call_at_end;
use rustyline::history::{History, SearchDirection};
use std::ops::Range;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Something in grey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// As it is shown.
    pub shown: String,
    /// What the line becomes if it is taken; nothing if it is only to be read.
    pub rest: Option<String>,
    /// The part of what is shown that is about what comes next.
    pub current: Range<usize>,
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.rest.as_deref()
    }
}

/// What there is to say about a line with the cursor behind it.
pub fn hint(line: &str, history: Option<&dyn History>, prompt: usize) -> Option<Hint> {
    if line.trim().is_empty() {
        return None;
    }
    let (columns, _) = size();
    // A column stays free, so that the terminal does not begin another row.
    let room = columns.saturating_sub(end_column(line, prompt, columns) + 1);
    let found = history.and_then(|history| from_history(line, history)).or_else(|| {
        match line.trim_start().strip_prefix(':').filter(|rest| !rest.starts_with(':')) {
            Some(command) => of_command(command),
            None => of_call(line),
        }
    });
    found.and_then(|found| fitting(found, room))
}

fn from_history(line: &str, history: &dyn History) -> Option<Hint> {
    let newest = |at: usize| history.starts_with(line, at, SearchDirection::Reverse).ok().flatten();
    let found = newest(history.len().checked_sub(1)?)?;
    // No entry is there twice.
    let found = if found.entry == line { newest(found.idx.checked_sub(1)?)? } else { found };
    let rest = found.entry.get(line.len()..)?;
    let first = rest.lines().next().unwrap_or_default();
    let more = if first.len() < rest.len() { " ..." } else { "" };
    Some(Hint { shown: format!("{first}{more}"), rest: Some(rest.to_owned()), current: 0..0 })
}

/// The rest of a command's name, and what it takes.
fn of_command(typed: &str) -> Option<Hint> {
    let (name, behind) = typed.split_at(typed.find(char::is_whitespace).unwrap_or(typed.len()));
    if name.is_empty() || !behind.trim().is_empty() {
        return None;
    }
    let command = commands::meant(name)?;
    if !behind.is_empty() {
        return (!command.takes.is_empty()).then(|| Hint {
            shown: command.takes.to_owned(),
            rest: None,
            current: 0..0,
        });
    }
    let rest = command.name.get(name.len()..)?;
    let takes = if command.takes.is_empty() { String::new() } else { format!(" {}", command.takes) };
    let shown = format!("{rest}{takes}");
    (!shown.is_empty()).then(|| Hint { shown, rest: (!rest.is_empty()).then(|| rest.to_owned()), current: 0..0 })
}

/// The signature of the function that is being called.
fn of_call(line: &str) -> Option<Hint> {
    let call = call_at_end(line)?;
    let usage = function(&call.name)?.usage;
    let forms = forms(usage);
    let takes = |form: &&&str| {
        let params = params(form);
        params.len() > call.argument || params.last().is_some_and(|last| form[last.clone()].ends_with("..."))
    };
    let form = forms.iter().find(takes).or(forms.last())?;
    let params = params(form);
    let current = params.get(call.argument.min(params.len().saturating_sub(1))).cloned().unwrap_or(0..0);
    let before = "  ";
    let current = if call.argument < params.len() || form.contains("...") { current } else { 0..0 };
    let moved = match current.is_empty() {
        true => 0..0,
        false => current.start + before.len()..current.end + before.len(),
    };
    Some(Hint { shown: format!("{before}{form}"), rest: None, current: moved })
}

/// The forms of a call that a row lists: `f(a), f(a, b)`.
fn forms(usage: &str) -> Vec<&str> {
    let (mut forms, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, letter) in usage.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                forms.push(usage[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    forms.push(usage[start..].trim());
    forms
}

/// Where the parameters of a form are.
fn params(form: &str) -> Vec<Range<usize>> {
    let (Some(open), Some(close)) = (form.find('('), form.rfind(')')) else { return Vec::new() };
    let (mut params, mut start) = (Vec::new(), open + 1);
    for part in form[open + 1..close].split(',') {
        let blank = part.len() - part.trim_start().len();
        if !part.trim().is_empty() {
            params.push(start + blank..start + part.len());
        }
        start += part.len() + 1;
    }
    params
}

/// A hint that has room, cut if it must be.
fn fitting(mut hint: Hint, room: usize) -> Option<Hint> {
    /// Less tells nothing.
    const LEAST: usize = 4;
    hint.shown.retain(|letter| !letter.is_control());
    if hint.shown.width() <= room {
        return Some(hint);
    }
    // Of a signature, what is to be written now is the best part.
    if let Some(now) = hint.shown.get(hint.current.clone()).filter(|now| !now.is_empty() && now.width() + 2 <= room) {
        let shown = format!("  {now}");
        return Some(Hint { current: 2..shown.len(), shown, ..hint });
    }
    let (mut width, mut end) = (0, 0);
    for (at, letter) in hint.shown.char_indices() {
        width += letter.width().unwrap_or(0);
        if width + 2 > room {
            break;
        }
        end = at + letter.len_utf8();
    }
    hint.shown.truncate(end);
    hint.shown.push_str("..");
    hint.current = 0..0;
    // What is only to be read is of no use if most of it is not there.
    (end >= LEAST && hint.rest.is_some()).then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::super::history::Entries;
    use super::*;

    fn shown(line: &str) -> Option<(String, String)> {
        let hint = hint(line, None, 8)?;
        let current = hint.shown[hint.current.clone()].to_owned();
        Some((hint.shown.trim().to_owned(), current))
    }

    #[test]
    fn the_call_at_hand_is_explained() {
        let some = |form: &str, current: &str| Some((form.to_owned(), current.to_owned()));
        assert_eq!(shown("lhist("), some("lhist(n, min, max, step)", "n"));
        assert_eq!(shown("@ = lhist(5, "), some("lhist(n, min, max, step)", "min"));
        assert_eq!(shown("lhist(5, 1, 2, 3, "), some("lhist(n, min, max, step)", ""));
        assert_eq!(shown("printf(\"%d %d\", 1, 2, "), some("printf(\"format\", args...)", "args..."));
        assert_eq!(shown("print(@x, "), some("print(@map, top)", "top"));
        assert_eq!(shown("str("), some("str(pointer)", "pointer"));
        assert_eq!(shown("str(1, "), some("str(pointer, length)", "length"));
        for none in ["", "  ", "nosuch(", "count()", "1 + 2"] {
            assert_eq!(shown(none), None, "{none}");
        }
    }

    #[test]
    fn commands_say_what_they_take() {
        let all = |line: &str| hint(line, None, 8).map(|hint| (hint.shown, hint.rest));
        assert_eq!(all(":pr"), Some(("obes".to_owned(), Some("obes".to_owned()))));
        assert_eq!(all(":rm"), Some((" N...".to_owned(), None)));
        assert_eq!(all(":rm "), Some(("N...".to_owned(), None)));
        assert_eq!(all(":rm 1"), None);
        assert_eq!(all(":"), None);
        assert_eq!(all(":nosuch"), None);
    }

    #[test]
    fn the_newest_entry_that_begins_so_comes_first() {
        let (mut entries, _) = Entries::open(None, 9, Default::default());
        for line in ["print(1)", "print(2)", "begin {\n  @ = 1;\n}"] {
            entries.add(line).expect("it never fails");
        }
        let hint = |line: &str| hint(line, Some(&entries), 8).map(|hint| (hint.shown, hint.rest.unwrap_or_default()));
        assert_eq!(hint("pri"), Some(("nt(2)".to_owned(), "nt(2)".to_owned())));
        assert_eq!(hint("print(1"), Some((")".to_owned(), ")".to_owned())));
        assert_eq!(hint("beg"), Some(("in { ...".to_owned(), "in {\n  @ = 1;\n}".to_owned())));
        assert_eq!(hint("print(1)"), None);
    }

    #[test]
    fn what_has_no_room_is_cut() {
        let hint = Hint { shown: "  lhist(n, min, max, step)".to_owned(), rest: None, current: 11..14 };
        let cut = fitting(hint.clone(), 14).expect("something has room");
        assert_eq!((cut.shown.as_str(), &cut.shown[cut.current]), ("  min", "min"));
        assert_eq!(fitting(hint, 4), None);
        let hint = Hint { shown: "rint(@x, 5)".to_owned(), rest: Some("rint(@x, 5)".to_owned()), current: 0..0 };
        assert_eq!(fitting(hint.clone(), 8).expect("something has room").shown, "rint(@..");
        assert_eq!(fitting(hint, 4), None);
    }
}
