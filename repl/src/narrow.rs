//! Pictures of errors on a terminal that is narrower than the line of the script.
//!
//! A one-liner is often wider than the terminal, and a picture that the terminal wraps points nowhere. The line and the
//! rows of marks below it lose the same columns on the left, and the line what is too much on its right. All this
//! happens to the drawn picture, so that it is drawn in one way only.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that stay visible before the place.
const BEFORE: usize = 16;

/// Columns kept free behind the line's end, for the words below a place that is there.
const BEHIND: usize = 24;

/// Columns kept free behind the middle of a long place, to which its words belong.
const WORDS: usize = 12;

/// Columns of the frame before a line of the script, if its number is not large.
const FRAME: usize = 5;

/// Whether two places of a line can be seen at once, of which one begins at the first column and the other ends before
/// the last one.
pub fn has_room(line: &str, first: usize, last: usize, width: usize) -> bool {
    line.width() + FRAME <= width || last.saturating_sub(first) < width / 2
}

/// Cuts a picture to `width` columns. It has a part for each of the `places`: the column of the part's line, from 0, that
/// has to be seen, if there is one line. Parts that fit stay as they are.
pub fn fit(picture: &str, width: usize, places: &[Option<usize>]) -> String {
    let rows: Vec<&str> = picture.lines().collect();
    let heads: Vec<usize> = (0..rows.len()).filter(|at| is_head(rows[*at])).collect();
    if heads.len() != places.len() || heads.first() != Some(&0) {
        return picture.to_owned();
    }
    let ends = heads[1..].iter().copied().chain([rows.len()]);
    let parts = heads.iter().zip(ends).zip(places).map(|((begin, end), place)| match place {
        Some(place) => part(&rows[*begin..end], width, *place),
        None => rows[*begin..end].iter().map(|row| format!("{row}\n")).collect(),
    });
    parts.collect()
}

/// Whether a row begins a part, with the name of its source.
fn is_head(row: &str) -> bool {
    let mut letters = visible(row).skip_while(|c| *c == ' ');
    let begin = [letters.next(), letters.next(), letters.next()];
    matches!(begin, [Some('╭' | '├' | ',' | '|'), Some('─' | '-'), Some('[')])
}

/// A part, whose marked line is its third row.
fn part(rows: &[&str], width: usize, place: usize) -> String {
    let as_they_are = || rows.iter().map(|row| format!("{row}\n")).collect();
    // The frame's head, an empty row, the line.
    let Some(line) = rows.get(2) else { return as_they_are() };
    let Some(margin) = visible(line).position(|c| matches!(c, '│' | '|')).map(|at| at + 2) else {
        return as_they_are();
    };
    let room = width.saturating_sub(margin);
    if room < 2 * BEFORE || columns(line) <= width {
        return as_they_are();
    }
    let length = columns(line).saturating_sub(margin);
    let left = place.saturating_sub(BEFORE).min((length + BEHIND).saturating_sub(room));
    // Where the words are about to be, if there are any behind the place.
    let below = rows.get(3).and_then(|row| visible(row).skip(margin + place).position(|c| matches!(c, '┬' | '|')));
    let left = left.max(below.map_or(0, |at| (place + at + WORDS).saturating_sub(room)));
    let marks = rows[3..].iter().take_while(|row| visible(row).skip(margin).any(|c| c != ' ')).count();
    // The help stands behind an empty row.
    let cut = rows.iter().enumerate().map(|(index, row)| match index {
        2 => cut(row, margin, left, Some(room), "..."),
        _ if (3..3 + marks).contains(&index) => {
            // Words may go on in another row, but not lines.
            let has_words = visible(row).skip(margin).any(|c| c.is_alphanumeric());
            cut(row, margin, left, (!has_words).then_some(room), "")
        }
        _ => (*row).to_owned(),
    });
    cut.map(|row| row + "\n").collect()
}

/// The columns that a text takes: none for escape sequences.
pub fn columns(text: &str) -> usize {
    visible(text).map(|letter| letter.width().unwrap_or(0)).sum()
}

/// The characters of a row that are seen: all but those of escape sequences.
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
fn cut(row: &str, margin: usize, left: usize, room: Option<usize>, dots: &str) -> String {
    let total = columns(row);
    let end = room.map_or(total, |room| margin + left + room);
    let first = margin + left;
    let is_dot = |at: usize| {
        let begins_late = left > 0 && (first..first + dots.len()).contains(&at);
        let ends_early = end < total && (end.saturating_sub(dots.len())..end).contains(&at);
        begins_late || ends_early
    };
    let is_there = |at: usize| at < margin || (first..end).contains(&at);
    let mut out = String::with_capacity(row.len());
    let mut at = 0;
    for (c, is_seen) in pieces(row) {
        if !is_seen {
            out.push(c);
            continue;
        }
        let of_letter = at..at + c.width().unwrap_or(0);
        at = of_letter.end;
        match of_letter.clone().all(|at| is_there(at) && !is_dot(at)) {
            true => out.push(c),
            // Of a letter that takes two columns, one may be there.
            false => out.extend(of_letter.filter(|at| is_there(*at)).map(|at| if is_dot(at) { '.' } else { ' ' })),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{columns, fit, has_room};

    #[test]
    fn the_place_is_seen_and_its_marks_stay_below_it() {
        let line = format!("{}NOPE{}", "abcdefgh".repeat(10), "ijklmnop".repeat(5));
        let marks = format!("{}-+--", " ".repeat(80));
        let picture =
            format!("   ,-[ x ]\n   |\n 1 | {line}\n   | {marks}\n   |\n   | Help: {}\n---'\n", "h".repeat(70));
        let cut = fit(&picture, 60, &[Some(80)]);
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
            let cut =
                fit(&format!("   ╭─[ x ]\n   │\n 1 │ {line}\n   │ {marks}\n   │ {words}\n───╯\n"), 40, &[Some(before)]);
            let rows: Vec<Vec<char>> = cut.lines().map(|row| row.chars().collect()).collect();
            assert!(rows.iter().all(|row| row.len() <= 40), "{cut}");
            let middle = rows[3].iter().position(|c| *c == '┬');
            assert!(middle.is_some() && middle == rows[4].iter().position(|c| *c == '╰'), "{cut}");
        }
    }

    #[test]
    fn parts_are_cut_by_themselves() {
        let part = |head: &str, place: usize| {
            let line = format!("{}N{}", "a".repeat(place), "b".repeat(99 - place));
            format!("   {head}─[ x ]\n   │\n 1 │ {line}\n   │ {}┬\n   │ {0}╰── why\n   │\n", " ".repeat(place))
        };
        let picture = format!("{}{}   │ Help: it\n───╯\n", part("╭", 5), part("├", 80));
        let cut = fit(&picture, 50, &[Some(5), Some(80)]);
        assert!(cut.lines().all(|row| row.chars().count() <= 50), "{cut}");
        assert!(cut.contains(" 1 │ aaaaaN") && cut.contains(" 1 │ ...aaaaaaaaaaaaaN"), "{cut}");
        assert_eq!(cut.lines().count(), picture.lines().count());
        // What is about several lines stays.
        let cut = fit(&picture, 50, &[Some(5), None]);
        assert!(cut.ends_with(&picture[picture.find("   ├").expect("it is there")..]), "{cut}");
        assert!(has_room(&"a".repeat(30), 0, 30, 40) && has_room(&"a".repeat(90), 30, 40, 40));
        assert!(!has_room(&"a".repeat(90), 10, 40, 40));
    }

    #[test]
    fn wide_letters_are_not_cut_in_two() {
        let line = format!("{}N{}", "日".repeat(20), "本".repeat(20));
        let picture = format!("   ╭─[ x ]\n   │\n 1 │ {line}\n   │ {}┬\n   │ {0}╰── why\n───╯\n", " ".repeat(40));
        for width in [45, 46, 60] {
            let cut = fit(&picture, width, &[Some(40)]);
            let column = |row: &str, letter| columns(&row[..row.find(letter).expect("it is there")]);
            let rows: Vec<&str> = cut.lines().collect();
            assert_eq!(columns(rows[2]), width, "{cut}");
            assert_eq!(column(rows[2], 'N'), column(rows[3], '┬'), "{cut}");
        }
    }

    #[test]
    fn what_fits_stays() {
        let picture = "   ,-[ x ]\n   |\n 1 | begin { nope }\n   |         ----\n---'\n";
        assert_eq!(fit(picture, 80, &[Some(8)]), picture);
        assert_eq!(fit("", 80, &[Some(8)]), "");
    }

    #[test]
    fn colours_take_no_columns() {
        let line = format!("\x1b[38;5;249m{}\x1b[31mNOPE\x1b[39m{}", "abcdefgh".repeat(4), "ijklmnop".repeat(10));
        let picture = format!("   ,-[ x ]\n   |\n 1 | {line}\n   | {}\x1b[31m-+--\x1b[39m\n---'\n", " ".repeat(32));
        let cut = fit(&picture, 60, &[Some(32)]);
        let plain = cut.replace("\x1b[38;5;249m", "").replace("\x1b[31m", "").replace("\x1b[39m", "");
        let rows: Vec<&str> = plain.lines().collect();
        assert_eq!(rows[2].chars().count(), 60, "{plain}");
        assert!(rows[2].ends_with("..."), "{plain}");
        assert_eq!(rows[2].find("NOPE"), rows[3].find("-+--"), "{plain}");
        assert_eq!(cut.matches('\x1b').count(), picture.matches('\x1b').count());
    }
}
