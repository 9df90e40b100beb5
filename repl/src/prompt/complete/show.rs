//! What becomes of what was found: letters that are put in, or a list above the line.
//!
//! The list is ours and not the line editor's: it has a remark beside each name where there is room, and is never longer
//! than the terminal.

use super::Found;
use rustix::termios::tcgetwinsize;
use std::io;

/// How much room there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    columns: usize,
    rows: usize,
}

impl Size {
    /// On the terminal.
    pub fn of_terminal() -> Self {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        match size {
            Some(size) => Self { columns: size.ws_col.into(), rows: size.ws_row.into() },
            None => Self { columns: 80, rows: 24 },
        }
    }
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is known, or all is there already.
    Nothing,
    /// This takes the place of what is typed.
    Put(String),
    /// These are to be chosen from: whole lines.
    List(String),
}

/// What is put in or listed. What all names have in common is put in before they are listed.
pub fn outcome(found: &Found, size: Size) -> Outcome {
    let Found { typed, candidates, common, is_alike, .. } = found;
    if let [only] = &candidates[..] {
        return if only.text == *typed { Outcome::Nothing } else { Outcome::Put(only.text.clone()) };
    }
    match common {
        None => Outcome::Nothing,
        Some(common) if common.len() > typed.len() && !is_alike => Outcome::Put(common.clone()),
        Some(_) => Outcome::List(list(found, size)),
    }
}

fn list(found: &Found, size: Size) -> String {
    /// Between columns.
    const GAP: usize = 2;
    let Found { typed, candidates, more, is_alike, .. } = found;
    // One column is left free, so that no line of the terminal is quite full.
    let width = size.columns.saturating_sub(1).max(8);
    // The line itself is to be seen below, and some of what was above.
    let rows = size.rows.saturating_sub(4).max(3);
    let longest = candidates.iter().map(|one| one.label().chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(&cut(line.trim_end(), width));
        text.push('\n');
    };
    if *is_alike {
        line(&format!("like {typed}:"));
    }
    let has_notes = candidates.iter().any(|one| !one.note.is_empty());
    if has_notes && candidates.len() + usize::from(*more > 0) <= rows {
        for one in candidates {
            line(&format!("{:longest$}  {}", one.label(), one.note));
        }
        if *more > 0 {
            line(&format!("... and {more} more"));
        }
        return text;
    }
    let columns = (width / (longest + GAP)).max(1);
    let shown = candidates.len().min(columns * rows);
    let left = candidates.len() - shown + more;
    let height = shown.div_ceil(columns);
    for row in 0..height {
        let cells = (row..shown).step_by(height).map(|at| format!("{:longest$}", candidates[at].label()));
        line(&cells.collect::<Vec<_>>().join("  "));
    }
    if left > 0 {
        line(&format!("... and {left} more"));
    }
    text
}

/// No more letters than there is room for.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(2)).collect();
    format!("{}..", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::Candidate;
    use super::*;

    fn shown(typed: &str, candidates: Vec<Candidate>, columns: usize) -> Outcome {
        let mut found = Found::new(typed);
        candidates.into_iter().for_each(|one| found.push(one));
        outcome(&found, Size { columns, rows: 10 })
    }

    fn list(text: &str) -> Outcome {
        Outcome::List(text.to_owned())
    }

    fn put(text: &str) -> Outcome {
        Outcome::Put(text.to_owned())
    }

    #[test]
    fn notes_stand_beside_few() {
        let some = || vec![Candidate::new("a").noted("int"), Candidate::new("abc").noted("a long remark")];
        assert_eq!(shown("a", some(), 80), list("a    int\nabc  a long remark\n"));
        assert_eq!(shown("a", some(), 13), list("a    int\nabc  a lon..\n"));
        let many = || (0..9).map(|n| Candidate::new(format!("a{n}")).noted("int")).collect();
        assert_eq!(shown("a", many(), 13), list("a0  a3  a6\na1  a4  a7\na2  a5  a8\n"));
    }

    #[test]
    fn letters_are_put_in_while_there_is_no_choice() {
        assert_eq!(shown("abc", vec![Candidate::new("abc")], 80), Outcome::Nothing);
        assert_eq!(shown("ab", vec![Candidate::new("abc")], 80), put("abc"));
        assert_eq!(shown("ab", Vec::new(), 80), Outcome::Nothing);
        assert_eq!(shown("a", vec![Candidate::new("abcd"), Candidate::new("abce")], 80), put("abc"));
        assert_eq!(shown("", vec![Candidate::new("ä"), Candidate::new("ö")], 80), list("ä  ö\n"));
    }

    #[test]
    fn of_very_many_only_some_are_shown() {
        let many = || (0..1000).map(|n| Candidate::new(format!("ab_{n:04}"))).collect::<Vec<_>>();
        // What is not shown counts as well.
        let rows: String = (0..6).map(|row| format!("ab_{row:04}\n")).collect();
        assert_eq!(shown("ab_0", many(), 17), list(&format!("{rows}... and 994 more\n")));
        assert_eq!(shown("a", many(), 20), put("ab_0"));
    }

    #[test]
    fn letters_that_no_name_begins_with_stay() {
        let mut found = Found::new("rd");
        found.alike(["vfs_read".to_owned(), "vfs_readv".to_owned()]);
        let size = Size { columns: 80, rows: 10 };
        assert_eq!(outcome(&found, size), list("like rd:\nvfs_read   vfs_readv\n"));
    }
}
