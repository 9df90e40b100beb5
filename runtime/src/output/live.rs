//! Maps as somebody sees them who watches them change: in a window of so many lines and columns, the largest first, with
//! what is new each second.
//!
//! Pure formatting, as everything in [`super`]: maps and their [`Tally`] come in, lines go out. A line never has more
//! columns than the window, control characters only where it has colours, and is the same however often it is drawn. Bars,
//! labels and charts are those of text.

mod charts;
mod line;
mod table;

pub use line::{columns_of, fit, harmless};

use charts::Charts;
use lang::typed::Map;
use lang::types::{Aggregate, Type};
use table::Table;

use super::Settings;
use super::paint::{Paint, Role};
use super::tally::Tally;

/// What can be seen at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Of the screen.
    pub columns: usize,
    /// For the maps.
    pub rows: usize,
    /// So many lines of each map are passed over, if it has more than can be seen.
    pub offset: usize,
}

/// What is to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// As many lines as the window has, or less.
    pub lines: Vec<String>,
    /// With this offset the last line of every map is seen.
    pub last_offset: usize,
    /// Lines of the map that has most of them, as many as are seen at once: a page.
    pub page: usize,
}

/// A map that has lines of its own.
trait Section {
    /// Lines, if all are seen.
    fn height(&self) -> usize;
    /// What is seen in so many lines, of which the window may have fewer than `height`.
    fn draw(&self, rows: usize, offset: usize) -> Vec<String>;
}

/// Draws maps. Those that have a single value each share a table, which comes first.
pub fn draw(maps: &[(&Map, &Tally)], settings: &Settings, window: Window) -> Drawn {
    let columns = window.columns;
    let (singles, others): (Vec<_>, Vec<_>) = maps.iter().partition(|(map, _)| map.key.is_none() && !is_drawn(map));
    let mut sections: Vec<Box<dyn Section + '_>> = Vec::new();
    // A little more than can be seen, because what comes next decides whether there is more.
    let seen = window.offset.saturating_add(window.rows);
    if !singles.is_empty() {
        sections.push(Box::new(Table::of_singles(&singles, settings, columns)));
    }
    for (map, tally) in others {
        sections.push(match is_drawn(map) {
            true => Box::new(Charts::new(map, tally, settings, columns)),
            false => Box::new(Table::of_map(map, tally, settings, columns, seen)),
        });
    }
    let heights: Vec<usize> = sections.iter().map(|section| section.height()).collect();
    let Plan { rows, gap, left_out } = Plan::new(&heights, window.rows);
    let mut drawn = Drawn { page: 1, ..Drawn::default() };
    for ((section, height), rows) in sections.iter().zip(heights).zip(rows) {
        let (hidden, page) = scrolled(height, rows);
        drawn.last_offset = drawn.last_offset.max(hidden);
        drawn.page = drawn.page.max(page);
        if gap && !drawn.lines.is_empty() {
            drawn.lines.push(String::new());
        }
        drawn.lines.extend(section.draw(rows, window.offset.min(hidden)));
    }
    if left_out > 0 {
        let what = if left_out == 1 { "map" } else { "maps" };
        drawn.lines.push(format!("... and {left_out} more {what}"));
    }
    for line in &mut drawn.lines {
        *line = fit(line, columns);
    }
    drawn
}

/// Whether its values are drawn, one below the other, instead of written in a row.
fn is_drawn(map: &Map) -> bool {
    matches!(map.value, Type::Aggregate(Aggregate::Hist { .. } | Aggregate::LHist { .. } | Aggregate::TSeries { .. }))
}

/// For a section of `height` lines, of which the first stays, in `rows`: how far it can be scrolled, and a page.
fn scrolled(height: usize, rows: usize) -> (usize, usize) {
    let body = body(height, rows);
    ((height - 1).saturating_sub(body), body)
}

/// Lines below the first one that show something. If not all of them fit, one says how many there are besides.
fn body(height: usize, rows: usize) -> usize {
    match rows {
        _ if height <= rows => height.saturating_sub(1),
        0..=2 => rows.saturating_sub(1),
        _ => rows - 2,
    }
}

/// The line that says how much is not seen.
fn more(left: usize) -> String {
    match left {
        0 => String::new(),
        _ => format!("... and {left} more"),
    }
}

fn named(map: &Map, paint: Paint) -> String {
    painted(paint, Role::Name, &format!("@{}", map.name))
}

fn painted(paint: Paint, role: Role, text: &str) -> String {
    let mut out = Vec::new();
    paint.with(&mut out, role, |out| out.extend_from_slice(text.as_bytes()));
    String::from_utf8_lossy(&out).into_owned()
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// So much each second, as short as it can be said.
fn rate(per_second: f64) -> String {
    match per_second.abs() {
        less if less < 0.005 => "0".to_owned(),
        less if less < 0.95 => format!("{per_second:.2}"),
        less if less < 99.5 => format!("{per_second:.1}"),
        _ => format!("{per_second:.0}"),
    }
}

/// How the lines of the window are shared.
struct Plan {
    /// Of each section; there may be fewer than sections.
    rows: Vec<usize>,
    /// An empty line stands between two.
    gap: bool,
    /// Sections that have no place at all, which is told in a line.
    left_out: usize,
}

impl Plan {
    /// A section is worth showing from so many lines on.
    const LEAST: usize = 3;

    /// Each has what it needs, or as much as those that need more than there is.
    fn new(heights: &[usize], rows: usize) -> Self {
        let least = |count: usize| -> usize { heights[..count].iter().map(|height| (*height).min(Self::LEAST)).sum() };
        let mut count = heights.len();
        while count > 0 && least(count) + usize::from(count < heights.len()) > rows {
            count -= 1;
        }
        // What is there is shown, however small the window is.
        count = count.max(usize::from(rows > 0 && !heights.is_empty()));
        let left_out = heights.len() - count;
        let has_line = left_out > 0 && rows > 1;
        let gaps = count.saturating_sub(1);
        let gap = least(count) + gaps + usize::from(has_line) <= rows;
        let mut left = rows - usize::from(has_line) - if gap { gaps } else { 0 };
        let mut shares: Vec<usize> =
            heights[..count].iter().map(|height| (*height).min(Self::LEAST).min(left)).collect();
        left = left.saturating_sub(shares.iter().sum());
        loop {
            let open: Vec<usize> = (0..count).filter(|index| shares[*index] < heights[*index]).collect();
            if open.is_empty() || left == 0 {
                break;
            }
            let each = (left / open.len()).max(1);
            for index in open {
                let more = each.min(heights[index] - shares[index]).min(left);
                shares[index] += more;
                left -= more;
            }
        }
        Self { rows: shares, gap, left_out: if has_line { left_out } else { 0 } }
    }
}

#[cfg(test)]
mod tests;
