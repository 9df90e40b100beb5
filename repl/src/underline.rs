//! Marks below a place that say nothing in words.
//!
//! ariadne marks only what has a message, and draws an arrow to the message. Where the headline says all there is to
//! say, the message is [`SILENT`], and its arrow is taken out of the drawn picture: what stays is the underline.

use crate::narrow;

/// The message of a place that has none.
pub const SILENT: &str = "\u{fdd0}";

/// How a place lies in its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Between two characters.
    Gap,
    /// Characters of one line.
    Line,
    /// From one line into another.
    Lines,
}

/// What things are drawn with.
struct Signs {
    corner: char,
    bars: [char; 2],
    line: char,
    arrow: char,
}

/// A picture without the arrow to [`SILENT`].
pub fn silence(picture: &str, shape: Shape, is_utf8: bool) -> String {
    let signs = match is_utf8 {
        true => Signs { corner: '╰', bars: ['│', '├'], line: '─', arrow: '▲' },
        false => Signs { corner: '`', bars: ['|', '|'], line: '^', arrow: '^' },
    };
    let mut rows: Vec<Row> = picture.lines().map(Row::new).collect();
    let Some(last) = rows.iter().position(|row| row.is_silent()) else { return picture.to_owned() };
    let Some(column) = rows[last].first(signs.corner) else { return picture.to_owned() };
    // Up along the arrow, to the row below the line of the script.
    let mut first = last;
    while first > 0 && !rows[first - 1].is_of_script() {
        first -= 1;
    }
    match shape {
        Shape::Lines => {
            // Its arrow runs in the margin, and may turn at once; not past the marks of other places.
            let is_alone = last == first + 1 && rows[first].has_only(signs.bars[0]);
            match first.checked_sub(1).filter(|row| is_alone && rows[*row].has(column, signs.bars[1])) {
                Some(line) => {
                    rows[line].set(column, signs.corner);
                    rows.drain(first..=last);
                }
                None => rows[last].shorten(),
            }
        }
        Shape::Gap | Shape::Line => {
            // The arrow of another place may start from the same column, or run across.
            let shared = (first..last).rfind(|row| rows[*row].has(column, signs.corner));
            if shared.is_none() {
                rows[first].set(column, if shape == Shape::Gap { signs.arrow } else { signs.line });
            }
            for row in &mut rows[shared.unwrap_or(first) + 1..last] {
                if row.has(column, signs.bars[0]) {
                    row.set(column, ' ');
                }
            }
            // Each arrow has a row above it with those that go on, and the first has the marks there.
            let above = if last == first + 1 { last } else { last - 1 };
            rows.drain(above..=last);
        }
    }
    rows.iter().map(|row| row.text() + "\n").collect()
}

/// A row of a picture.
struct Row {
    /// Its columns, each with the escape sequences before it.
    cells: Vec<(String, char)>,
    /// The escape sequences behind the last.
    tail: String,
}

impl Row {
    fn new(text: &str) -> Self {
        let mut cells = Vec::new();
        let mut tail = String::new();
        for (c, is_seen) in narrow::pieces(text) {
            match is_seen {
                true => cells.push((std::mem::take(&mut tail), c)),
                false => tail.push(c),
            }
        }
        Self { cells, tail }
    }

    fn seen(&self) -> impl DoubleEndedIterator<Item = char> {
        self.cells.iter().map(|(_, c)| *c)
    }

    /// Whether it shows a line of the script: those have their number before them.
    fn is_of_script(&self) -> bool {
        self.seen().find(|c| *c != ' ').is_some_and(|c| c.is_ascii_digit())
    }

    fn is_silent(&self) -> bool {
        !self.is_of_script() && self.seen().next_back().is_some_and(|c| SILENT.contains(c))
    }

    fn has_only(&self, sign: char) -> bool {
        self.seen().all(|c| c == sign || c == ' ')
    }

    fn first(&self, sign: char) -> Option<usize> {
        self.seen().position(|c| c == sign)
    }

    fn has(&self, column: usize, sign: char) -> bool {
        self.cells.get(column).is_some_and(|(_, c)| *c == sign)
    }

    fn set(&mut self, column: usize, sign: char) {
        if let Some((_, c)) = self.cells.get_mut(column) {
            *c = sign;
        }
    }

    /// Takes the message away, and the blank before it.
    fn shorten(&mut self) {
        self.cells.truncate(self.cells.len().saturating_sub(2));
    }

    fn text(&self) -> String {
        let cells = self.cells.iter().flat_map(|(escapes, c)| escapes.chars().chain([*c]));
        cells.chain(self.tail.chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{SILENT, Shape, silence};

    /// A picture as ariadne draws it, with `~` for [`SILENT`], and what is made of it.
    #[track_caller]
    fn check(shape: Shape, drawn: &str, expected: &str) {
        let drawn = drawn.trim_start_matches('\n').replace('~', SILENT);
        assert_eq!(silence(&drawn, shape, drawn.contains('╭')), expected.trim_start_matches('\n'));
    }

    #[test]
    fn a_place_is_underlined() {
        check(
            Shape::Line,
            "
   ╭─[ stdin:1:14 ]
   │
 1 │ begin { $x = ╰$x ~
   │              ─┬─
   │               ╰─── ~
   │ Help: no
───╯
",
            "
   ╭─[ stdin:1:14 ]
   │
 1 │ begin { $x = ╰$x \u{fdd0}
   │              ───
   │ Help: no
───╯
",
        );
        check(
            Shape::Line,
            "
   ,-[ stdin:1:14 ]
   |
 1 | begin { $x = $x }
   |              ^|
   |               `-- ~
---'
",
            "
   ,-[ stdin:1:14 ]
   |
 1 | begin { $x = $x }
   |              ^^
---'
",
        );
    }

    #[test]
    fn a_gap_has_a_mark_below_it() {
        let drawn = "\n   ╭─[ x ]\n   │\n 1 │ begin {\n   │        │\n   │        ╰─ ~\n───╯\n";
        check(Shape::Gap, drawn, "\n   ╭─[ x ]\n   │\n 1 │ begin {\n   │        ▲\n───╯\n");
    }

    #[test]
    fn other_places_keep_their_arrows() {
        check(
            Shape::Line,
            "
   ╭─[ x ]
   │
 1 │ a b c
   │ ┬ ┬ ┬
   │ ╰────── first
   │   │ │
   │   ╰──── ~
   │     │
   │     ╰── last
───╯
",
            "
   ╭─[ x ]
   │
 1 │ a b c
   │ ┬ ─ ┬
   │ ╰────── first
   │     │
   │     ╰── last
───╯
",
        );
        check(
            Shape::Line,
            "
   ╭─[ x ]
   │
 1 │ a b
   │ ┬ ┬
   │ ╰──── ~
   │   │
   │   ╰── last
───╯
",
            "
   ╭─[ x ]
   │
 1 │ a b
   │ ─ ┬
   │   │
   │   ╰── last
───╯
",
        );
    }

    #[test]
    fn an_arrow_that_starts_from_the_same_column_stays() {
        let drawn = "\n   ╭─[ x ]\n   │\n 1 │ f(1)\n   │ ──┬─\n   │   ╰─── said\n   │   │\n   │   ╰─── ~\n───╯\n";
        let expected = "\n   ╭─[ x ]\n   │\n 1 │ f(1)\n   │ ──┬─\n   │   ╰─── said\n───╯\n";
        check(Shape::Line, drawn, expected);
    }

    #[test]
    fn lines_have_a_bracket_in_the_margin() {
        check(
            Shape::Lines,
            "
   ╭─[ x ]
   │
 2 │ ╭─▶ { $a = (
   ┆ ┆
 4 │ ├─▶ ); }
   │ │
   │ ╰───────── ~
───╯
",
            "
   ╭─[ x ]
   │
 2 │ ╭─▶ { $a = (
   ┆ ┆
 4 │ ╰─▶ ); }
───╯
",
        );
        // Where other places are marked in the last line as well, the bracket stays with the arrow.
        let drawn = "\n   ╭─[ x ]\n   │\n 2 │ ╭─▶ (\n 4 │ ├─▶ b)\n   │ │   ┬\n   │ ╰────── ~\n   │     │\n   │     ╰── b\n───╯\n";
        check(Shape::Lines, drawn, &drawn.replace("── ~", "──"));
    }
}
