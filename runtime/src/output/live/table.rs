//! Maps whose entries take a line each: names or keys, and numbers beside them that grow together.

use lang::typed::Map;
use lang::types::{Aggregate, Type};

use super::super::aggregate::{Summary, summary};
use super::super::map::ranked;
use super::super::number::{Number, first_word, words};
use super::super::paint::{Paint, Role};
use super::super::tally::Tally;
use super::super::{Settings, aggregate};
use super::line::{columns_of, key, one_line, padded};
use super::{Section, body, counted, fit, more, named, painted, rate};

/// A table of entries, or of maps that have only one.
pub struct Table<'a> {
    paint: Paint,
    columns: usize,
    /// The map's name; empty for several maps.
    name: String,
    /// How many entries there are, seen or not.
    len: usize,
    rows: Rows<'a>,
    /// The names of the numbers.
    heads: &'static [&'static str],
    /// Which are left out first where there is no room, by their place in `heads`.
    spare: &'static [usize],
    is_keyed: bool,
}

/// The lines.
enum Rows<'a> {
    Made(Vec<Row>),
    /// Of a map's entries, the first ones in their order. Keys may take a while, so only those are made that are seen.
    Of(&'a Map, &'a Tally, &'a Settings, Vec<usize>),
}

/// A line.
#[derive(Clone)]
struct Row {
    name: String,
    /// One for each head, or a text instead.
    cells: Vec<String>,
    text: String,
}

const RATE: &str = "/s";

/// The heads of a map's numbers, and which of them are left out first.
fn heads(ty: &Type) -> (&'static [&'static str], &'static [usize]) {
    match ty {
        Type::Int(_) => (&["value", RATE], &[1]),
        Type::Aggregate(aggregate) => match aggregate {
            Aggregate::Count => (&["count", RATE], &[1]),
            Aggregate::Sum { .. } => (&["sum", RATE], &[1]),
            Aggregate::Min { .. } => (&["min"], &[]),
            Aggregate::Max { .. } => (&["max"], &[]),
            Aggregate::Avg { .. } => (&["average", "count", RATE], &[1, 2]),
            Aggregate::Stats { .. } => (&["average", "total", "count", RATE], &[1, 2, 3]),
            Aggregate::Hist { .. } | Aggregate::LHist { .. } | Aggregate::TSeries { .. } => (&[], &[]),
        },
        _ => (&[], &[]),
    }
}

/// The numbers of a value, and what comes each second.
fn cells(ty: &Type, value: &[u8], news: Option<&[u8]>, tally: &Tally) -> Vec<String> {
    let text = |number: Number| {
        let mut out = Vec::new();
        number.write(&mut out, false);
        String::from_utf8_lossy(&out).into_owned()
    };
    let rate_of = |amount: i128| rate(tally.per_second(amount));
    let first = news.and_then(first_word);
    match ty {
        Type::Int(int) => {
            let number = Number::of_type(first_word(value).unwrap_or(0), *int);
            vec![text(number), first.map_or(String::new(), |word| rate_of((word as i64).into()))]
        }
        Type::Aggregate(aggregate) => match summary(*aggregate, value) {
            Summary::Stats { count, average, total } => {
                let fresh = news.map_or(String::new(), |news| rate_of(count_of(news).into()));
                vec![text(average), text(total), count.to_string(), fresh]
            }
            Summary::Number(number) => match aggregate {
                Aggregate::Avg { .. } => {
                    let fresh = news.map_or(String::new(), |news| rate_of(count_of(news).into()));
                    vec![text(number), count_of(value).to_string(), fresh]
                }
                Aggregate::Sum { signed: true } => {
                    vec![text(number), first.map_or(String::new(), |word| rate_of((word as i64).into()))]
                }
                Aggregate::Count | Aggregate::Sum { .. } => {
                    vec![text(number), first.map_or(String::new(), |word| rate_of(word.into()))]
                }
                _ => vec![text(number)],
            },
            Summary::Histogram | Summary::Series => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// How many values an average is of.
fn count_of(state: &[u8]) -> u64 {
    words(state).nth(1).unwrap_or(0)
}

impl Rows<'_> {
    /// Some of the lines.
    fn made(&self, which: std::ops::Range<usize>) -> Vec<Row> {
        let within = |len: usize| which.start.min(len)..which.end.min(len);
        let (map, tally, settings, order) = match self {
            Self::Made(rows) => return rows[within(rows.len())].to_vec(),
            Self::Of(map, tally, settings, order) => (*map, *tally, *settings, &order[within(order.len())]),
        };
        let entries = tally.entries();
        let news = tally.news(map, order);
        let parts = map.key.as_deref().unwrap_or_default();
        let has_numbers = !heads(&map.value).0.is_empty();
        let row = |(row, &index): (usize, &usize)| {
            let (name, value) = (key(parts, entries.key(index), settings), entries.value(index));
            let news = news.as_ref().map(|news| &news[row][..]);
            match has_numbers {
                true => Row { name, cells: cells(&map.value, value, news, tally), text: String::new() },
                false => Row { name, cells: Vec::new(), text: one_line(&map.value, value, settings) },
            }
        };
        order.iter().enumerate().map(row).collect()
    }
}

impl<'a> Table<'a> {
    /// Of a map with keys, of which no more than the first `seen` entries can be seen.
    pub fn of_map(map: &'a Map, tally: &'a Tally, settings: &'a Settings, columns: usize, seen: usize) -> Self {
        let (heads, spare) = heads(&map.value);
        Self {
            paint: settings.paint,
            columns,
            name: named(map, settings.paint),
            len: tally.entries().len(),
            rows: Rows::Of(map, tally, settings, ranked(map, tally.entries(), seen)),
            heads,
            spare,
            is_keyed: true,
        }
    }

    /// Of maps that have a single value each.
    pub fn of_singles(maps: &[&(&Map, &Tally)], settings: &Settings, columns: usize) -> Self {
        let rows = maps.iter().map(|(map, tally)| {
            let entries = tally.entries();
            let name = named(map, settings.paint);
            if entries.is_empty() {
                return Row { name, cells: vec!["-".to_owned(), String::new()], text: String::new() };
            }
            let news = tally.news(map, &[0]);
            let news = news.as_ref().and_then(|news| news.first()).map(|news| &news[..]);
            let value = entries.value(0);
            let cells = cells(&map.value, value, news, tally);
            // One number and one rate: all have the same two columns.
            let (cells, text) = match (cells.len(), &map.value) {
                (0, ty) => (Vec::new(), one_line(ty, value, settings)),
                (1, _) => (vec![cells[0].clone(), String::new()], String::new()),
                (len, _) => (vec![cells[0].clone(), cells[len - 1].clone()], more_of(&map.value, value)),
            };
            Row { name, cells, text }
        });
        let rows: Vec<Row> = rows.collect();
        Self {
            paint: settings.paint,
            columns,
            name: String::new(),
            len: rows.len(),
            rows: Rows::Made(rows),
            heads: &["value", RATE],
            spare: &[1],
            is_keyed: false,
        }
    }

    /// The heads that there is room for, with the columns that each takes, and the columns of names.
    fn layout(&self, title: &str, rows: &[Row]) -> (Vec<(usize, usize)>, usize) {
        /// Names are cut to this before a number is left out.
        const SHORT: usize = 16;
        const LEAST: usize = 6;
        /// Numbers grow, and those before them should not move each time.
        const WIDE: usize = 8;
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let names = widest(&mut rows.iter().map(|row| columns_of(&row.name)).chain([columns_of(title)]));
        // So that keys which come and go move nothing, either.
        let names = names.next_multiple_of(4);
        let mut shown: Vec<(usize, usize)> = (0..self.heads.len())
            .map(|at| {
                let cells = widest(&mut rows.iter().filter_map(|row| row.cells.get(at)).map(String::len));
                (at, cells.max(self.heads[at].len()).max(WIDE))
            })
            .collect();
        let taken = |shown: &[(usize, usize)]| -> usize { shown.iter().map(|(_, width)| width + 1).sum() };
        for spare in self.spare {
            if taken(&shown) + names.min(SHORT) <= self.columns {
                break;
            }
            shown.retain(|(at, _)| at != spare);
        }
        let room = self.columns.saturating_sub(taken(&shown));
        let room = if self.heads.is_empty() { room.div_ceil(2).max(room.min(SHORT)) } else { room };
        // Rather a number that is cut, which shows, than nothing to tell it by.
        (shown, names.min(room.max(LEAST)))
    }

    fn title(&self, first: usize, seen: usize) -> String {
        if !self.is_keyed {
            return String::new();
        }
        let keys = match self.len {
            0 => "nothing yet".to_owned(),
            len => counted(len, "key", "keys"),
        };
        match first {
            0 => format!("{}: {keys}", self.name),
            _ => format!("{}: {keys}, {} to {}", self.name, first + 1, first + seen),
        }
    }

    fn row(&self, name: String, cells: &[String], text: &str, shown: &[(usize, usize)], names: usize) -> String {
        let mut line = padded(&name, names);
        if !cells.is_empty() {
            for (at, width) in shown {
                let cell = cells.get(*at).map_or("", String::as_str);
                line += &format!(" {cell:>width$}");
            }
        }
        if !text.is_empty() {
            line += " ";
            line += text;
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// What else there is to say of a single value that is made of several.
fn more_of(ty: &Type, value: &[u8]) -> String {
    let Type::Aggregate(aggregate) = ty else { return String::new() };
    match (aggregate, aggregate::summary(*aggregate, value)) {
        (Aggregate::Avg { .. }, _) => format!(" average of {}", count_of(value)),
        (_, Summary::Stats { count, total, .. }) => {
            let mut out = Vec::new();
            total.write(&mut out, false);
            format!(" average of {count}, total {}", String::from_utf8_lossy(&out))
        }
        _ => String::new(),
    }
}

impl Section for Table<'_> {
    fn height(&self) -> usize {
        1 + self.len
    }

    fn draw(&self, rows: usize, offset: usize) -> Vec<String> {
        if rows == 0 {
            return Vec::new();
        }
        let seen = body(self.height(), rows);
        let visible = self.rows.made(offset..offset.saturating_add(seen));
        let end = offset + visible.len();
        let title = self.title(offset, visible.len());
        let (shown, names) = self.layout(&title, &visible);
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let heads = if self.len == 0 { &[][..] } else { &heads };
        let mut lines = vec![self.row(title, heads, "", &shown, names)];
        for row in &visible {
            let name = match self.is_keyed {
                true => painted(self.paint, Role::Key, &fit(&row.name, names)),
                false => row.name.clone(),
            };
            lines.push(self.row(name, &row.cells, &row.text, &shown, names));
        }
        if self.height() > rows && rows > 2 {
            lines.push(more(self.len.saturating_sub(end)));
        }
        lines
    }
}
