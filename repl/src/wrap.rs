//! Text of errors that is wider than the terminal: broken between words, where a terminal would break it anywhere.
//!
//! What goes on in another row is set in below what it belongs to. A word that no row has room for stays as it is. Escape
//! sequences take no room.

use crate::narrow::{columns, pieces};

/// Lines of text, each in as many rows of `width` columns as it needs.
pub fn text(text: &str, width: usize) -> String {
    /// Blanks before what goes on, more than before the line.
    const INDENT: usize = 2;
    let broken = |line: &str| {
        let begin = columns(line) - columns(line.trim_start_matches(' '));
        rows(line, width, &" ".repeat(begin + INDENT), begin + 1)
    };
    text.split_inclusive('\n').map(broken).collect()
}

/// A drawn picture of a place, whose words about it, and what would help, go on below where they begin.
pub fn picture(picture: &str, width: usize) -> String {
    let broken = |row: &str| {
        let row = shortened(row, width);
        match before_words(&row, width) {
            Some((indent, begin)) => rows(&row, width, &indent, begin),
            None => row,
        }
    };
    picture.split_inclusive('\n').map(broken).collect()
}

/// A row of a picture that is too wide, with less of the line that leads to its words.
fn shortened(row: &str, width: usize) -> String {
    /// As much of it stays.
    const LEAST: usize = 2;
    let (mut spare, mut seen, mut behind_corner) = (columns(row).saturating_sub(width), 0, false);
    let mut keeps = |(letter, is_seen): (char, bool)| {
        behind_corner |= is_seen && is_corner(letter);
        let is_line = is_seen && behind_corner && matches!(letter, '─' | '-');
        seen += usize::from(is_line);
        let is_spare = is_line && seen > LEAST && spare > 0;
        spare -= usize::from(is_spare);
        (!is_spare).then_some(letter)
    };
    match before_words(row, width) {
        Some(_) if columns(row) > width => pieces(row).filter_map(&mut keeps).collect(),
        _ => row.to_owned(),
    }
}

/// Whether a line that leads to words begins here.
fn is_corner(letter: char) -> bool {
    matches!(letter, '╰' | '├' | '`')
}

/// A line, broken at columns from `begin` on; what is behind a break follows `indent`.
fn rows(line: &str, width: usize, indent: &str, begin: usize) -> String {
    let room = width.saturating_sub(columns(indent));
    if columns(line) <= width {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len() + indent.len());
    let mut column = 0;
    for part in line.split_inclusive(' ') {
        let word = columns(part.trim_end());
        if column >= begin && column + word > width && word <= room {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out += indent;
            column = columns(indent);
        }
        out += part;
        column += columns(part);
    }
    out
}

/// What stands in a row of a picture that goes on from this one: the frame, the lines that go to other places, and blanks
/// up to where the words begin, if they leave some room there; and the column where they do. Nothing if the row has no
/// words.
fn before_words(row: &str, width: usize) -> Option<(String, usize)> {
    /// Columns, for words to be read.
    const LEAST: usize = 14;
    let seen: Vec<char> = pieces(row).filter_map(|(letter, is_seen)| is_seen.then_some(letter)).collect();
    let frame = seen.iter().position(|letter| matches!(letter, '│' | '|'))?;
    // A row of the script has its number before the frame.
    if seen[..frame].iter().any(|letter| *letter != ' ') {
        return None;
    }
    let after =
        |from: usize, are: fn(&char) -> bool| from + seen[from..].iter().take_while(|letter| are(letter)).count();
    let begin = frame + 2;
    let behind: String = seen.get(begin..)?.iter().take(4).collect();
    let (lines, words) = match behind.as_str() {
        "Help" | "Note" => (frame + 1, after(begin, |letter| *letter != ' ') + 1),
        _ => {
            let corner = begin + seen[begin..].iter().position(|letter| is_corner(*letter))?;
            (corner, after(corner + 1, |letter| matches!(letter, '─' | '-')) + 1)
        }
    };
    let own = words;
    let words = if own + LEAST > width { begin + 2 } else { own };
    let (mut out, mut at, mut is_painted) = (String::new(), 0, false);
    for (letter, is_seen) in pieces(row) {
        if at == lines.min(words) {
            break;
        }
        match (is_seen, letter) {
            (false, letter) => (out, is_painted) = (out + letter.encode_utf8(&mut [0; 4]), true),
            (true, '│' | '|') => out.push(letter),
            (true, _) => out.push(' '),
        }
        at += usize::from(is_seen);
    }
    if is_painted {
        out += "\x1b[0m";
    }
    Some((out + &" ".repeat(words.saturating_sub(at)), own))
}

#[cfg(test)]
mod tests {
    use super::{picture, text};

    #[test]
    fn lines_are_broken_between_words() {
        let long = "ERROR: there is no map of this name\nHINT: a probe makes it\n";
        assert_eq!(text(long, 80), long);
        assert_eq!(text(long, 20), "ERROR: there is no\n  map of this name\nHINT: a probe makes\n  it\n");
        assert_eq!(text("one two", 7), "one two");
        assert_eq!(text("  one two three\n", 11), "  one two\n    three\n");
        assert_eq!(text("日本 日本 x\n", 6), "日本\n  日本\n  x\n");
        assert_eq!(text("\x1b[1;31mERROR\x1b[0m: a b c\n", 8), "\x1b[1;31mERROR\x1b[0m: a\n  b c\n");
    }

    #[test]
    fn what_has_no_room_stays() {
        assert_eq!(text("see /a/very/long/path to it\n", 10), "see /a/very/long/path\n  to it\n");
        assert_eq!(text("abcdefghij\n", 5), "abcdefghij\n");
        assert_eq!(text("a b\n", 0), "a b\n");
    }

    #[test]
    fn words_of_a_picture_go_on_below_where_they_begin() {
        let drawn = "   ╭─[ stdin:1:9 ]\n   │\n 1 │ a row of the script that is not broken\n   │ ─┬─ ┬\n   │  │  ╰── \
                     words about it that are long enough\n   │  │\n   │  ╰───── more\n   │\n   │ Help: what would help and is \
                     long\n───╯\n";
        let expected = "   ╭─[ stdin:1:9 ]\n   │\n 1 │ a row of the script that is not broken\n   │ ─┬─ ┬\n   │  │  ╰── \
                     words about it that\n   │  │      are long enough\n   │  │\n   │  ╰───── more\n   │\n   │ Help: what would help and is\n   │       \
                     long\n───╯\n";
        assert_eq!(picture(drawn, 33), expected);
        assert_eq!(picture(drawn, 80), drawn);
        let far = "   |                    `----- words far to the right\n";
        assert_eq!(picture(far, 30), "   |                    `--\n   |   words far to the right\n");
        assert_eq!(picture(far, 51), far.replace("----- ", "--- "));
        let painted = "   \x1b[38m│\x1b[0m \x1b[36mHelp\x1b[0m: one two three four five\n";
        assert_eq!(
            picture(painted, 32),
            "   \x1b[38m│\x1b[0m \x1b[36mHelp\x1b[0m: one two three four\n   \x1b[38m│\x1b[0m       five\n"
        );
    }
}
