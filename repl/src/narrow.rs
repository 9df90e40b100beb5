//! Pictures of errors on a terminal that is narrower than the line of the script.
//!
//! A one-liner is often wider than the terminal, and a picture that the terminal wraps points nowhere. The line and the
//! rows of marks below it lose the same columns on the left, and the line what is too much on its right. All this
//! happens to the drawn picture, so that it is drawn in one way only.

/// Columns that stay visible before the place.
const BEFORE: usize = 16;

/// Columns kept free behind the line's end, for the words below a place that is there.
const BEHIND: usize = 24;

/// Columns kept free behind the middle of a long place, to which its words belong.
const WORDS: usize = 12;

/// Cuts a picture, whose marked line is its third, to `width` columns; `place` is the column of the line, from 0, that
/// has to be seen. Pictures that fit stay as they are.
pub fn fit(picture: &str, width: usize, place: usize) -> String {
    let rows: Vec<&str> = picture.lines().collect();
    // The frame's head, an empty row, the line.
    let Some(line) = rows.get(2) else { return picture.to_owned() };
    let Some(margin) = visible(line).position(|c| matches!(c, '│' | '|')).map(|at| at + 2) else {
        return picture.to_owned();
    };
    let room = width.saturating_sub(margin);
    if room < 2 * BEFORE || visible(line).count() <= width {
        return picture.to_owned();
    }
    let length = visible(line).count() - margin;
    let left = place.saturating_sub(BEFORE).min((length + BEHIND).saturating_sub(room));
    // Where the words are about to be, if there are any behind the place.
    let below = rows.get(3).and_then(|row| visible(row).skip(margin + place).position(|c| matches!(c, '┬' | '|')));
    let left = left.max(below.map_or(0, |at| (place + at + WORDS).saturating_sub(room)));
    let marks = rows[3..].iter().take_while(|row| visible(row).skip(margin).any(|c| c != ' ')).count();
    // The help stands behind an empty row.
    let cut = rows.iter().enumerate().map(|(index, row)| match index {
        2 => columns(row, margin, left, Some(room), "..."),
        _ if (3..3 + marks).contains(&index) => {
            // Words may go on in another row, but not lines.
            let has_words = visible(row).skip(margin).any(|c| c.is_alphanumeric());
            columns(row, margin, left, (!has_words).then_some(room), "")
        }
        _ => (*row).to_owned(),
    });
    cut.map(|row| row + "\n").collect()
}

/// The characters of a row that take a column: all but those of escape sequences.
fn visible(row: &str) -> impl Iterator<Item = char> {
    pieces(row).filter_map(|(c, is_seen)| is_seen.then_some(c))
}

/// The characters of a row, and whether they are seen.
pub fn pieces(row: &str) -> impl Iterator<Item = (char, bool)> {
    let mut in_escape = false;
    row.chars().map(move |c| {
        let was = in_escape;
        in_escape = match (was, c) {
            (false, c) => c == '\x1b',
            (true, c) => !c.is_ascii_alphabetic(),
        };
        (c, !was && c != '\x1b')
    })
}

/// A row without `left` columns behind its margin and, if there is only `room`, without what is behind that; `dots`
/// stand where something was taken away.
fn columns(row: &str, margin: usize, left: usize, room: Option<usize>, dots: &str) -> String {
    let total = visible(row).count();
    let end = room.map_or(total, |room| margin + left + room);
    let first = margin + left;
    let mut out = String::with_capacity(row.len());
    let mut at = 0;
    for (c, is_seen) in pieces(row) {
        if !is_seen {
            out.push(c);
            continue;
        }
        let begins_late = left > 0 && (first..first + dots.len()).contains(&at);
        let ends_early = end < total && (end.saturating_sub(dots.len())..end).contains(&at);
        match at {
            _ if begins_late || ends_early => out.push('.'),
            _ if at < margin || (first..end).contains(&at) => out.push(c),
            _ => {}
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn the_place_is_seen_and_its_marks_stay_below_it() {
        let line = format!("{}NOPE{}", "abcdefgh".repeat(10), "ijklmnop".repeat(5));
        let marks = format!("{}-+--", " ".repeat(80));
        let picture =
            format!("   ,-[ x ]\n   |\n 1 | {line}\n   | {marks}\n   |\n   | Help: {}\n---'\n", "h".repeat(70));
        let cut = fit(&picture, 60, 80);
        let rows: Vec<&str> = cut.lines().collect();
        assert_eq!(rows.len(), 7);
        assert_eq!(rows[2].chars().count(), 60, "{cut}");
        assert!(rows[2].starts_with(" 1 | ...") && rows[2].ends_with("..."), "{cut}");
        assert_eq!(rows[2].find("NOPE"), rows[3].find("-+--"), "{cut}");
        assert_eq!(rows[5], format!("   | Help: {}", "h".repeat(70)));
    }

    #[test]
    fn a_long_place_is_cut_where_its_words_can_be_seen() {
        for (before, long) in [(40, 26), (4, 90)] {
            let line = format!("{}{}{}", "a".repeat(before), "N".repeat(long), "b".repeat(30));
            let half = long / 2;
            let marks = format!("{}{}┬{}  ", " ".repeat(before), "─".repeat(half), "─".repeat(long - half - 1));
            let words = format!("{}╰─── here", " ".repeat(before + half));
            let cut = fit(&format!("   ╭─[ x ]\n   │\n 1 │ {line}\n   │ {marks}\n   │ {words}\n───╯\n"), 40, before);
            let rows: Vec<Vec<char>> = cut.lines().map(|row| row.chars().collect()).collect();
            assert!(rows.iter().all(|row| row.len() <= 40), "{cut}");
            let middle = rows[3].iter().position(|c| *c == '┬');
            assert!(middle.is_some() && middle == rows[4].iter().position(|c| *c == '╰'), "{cut}");
        }
    }

    #[test]
    fn what_fits_stays() {
        let picture = "   ,-[ x ]\n   |\n 1 | begin { nope }\n   |         ----\n---'\n";
        assert_eq!(fit(picture, 80, 8), picture);
        assert_eq!(fit("", 80, 8), "");
    }

    #[test]
    fn colours_take_no_columns() {
        let line = format!("\x1b[38;5;249m{}\x1b[31mNOPE\x1b[39m{}", "abcdefgh".repeat(4), "ijklmnop".repeat(10));
        let picture = format!("   ,-[ x ]\n   |\n 1 | {line}\n   | {}\x1b[31m-+--\x1b[39m\n---'\n", " ".repeat(32));
        let cut = fit(&picture, 60, 32);
        let plain = cut.replace("\x1b[38;5;249m", "").replace("\x1b[31m", "").replace("\x1b[39m", "");
        let rows: Vec<&str> = plain.lines().collect();
        assert_eq!(rows[2].chars().count(), 60, "{plain}");
        assert!(rows[2].ends_with("..."), "{plain}");
        assert_eq!(rows[2].find("NOPE"), rows[3].find("-+--"), "{plain}");
        assert_eq!(cut.matches('\x1b').count(), picture.matches('\x1b').count());
    }
}
