//! Maps whose values are drawn: histograms and time series, one below the other.

use std::cell::OnceCell;

use lang::typed::Map;
use lang::types::{Aggregate, Type};

use super::super::buckets::{self, Row};
use super::super::map::ranked;
use super::super::number::words;
use super::super::paint::{BAR, LEAST_BAR, Role};
use super::super::series::{self, Point};
use super::super::tally::Tally;
use super::super::{Settings, push_fmt, text};
use super::line::{key, padded};
use super::{Section, body, counted, fit, more, named, painted, rate};

/// The values of a map.
pub struct Charts<'a> {
    map: &'a Map,
    aggregate: Aggregate,
    tally: &'a Tally,
    settings: &'a Settings,
    columns: usize,
    /// The entries in their order.
    order: Vec<usize>,
    /// How many lines each of them takes.
    heights: OnceCell<Vec<usize>>,
    /// The latest interval of all series.
    latest: Option<u64>,
}

/// Lines of a time series around its points.
const FRAME: usize = 4;

impl<'a> Charts<'a> {
    /// Of a map of histograms or series.
    pub fn new(map: &'a Map, tally: &'a Tally, settings: &'a Settings, columns: usize) -> Self {
        let aggregate = match map.value {
            Type::Aggregate(aggregate) => aggregate,
            _ => Aggregate::Count,
        };
        let entries = tally.entries();
        let order = ranked(map, entries, usize::MAX);
        Self { map, aggregate, tally, settings, columns, order, heights: OnceCell::new(), latest: entries.latest(map) }
    }

    fn points(&self, index: usize) -> Vec<Point> {
        series::points(self.aggregate, self.tally.entries().value(index), self.latest, 1)
    }

    fn heights(&self) -> &[usize] {
        self.heights.get_or_init(|| {
            let entries = self.tally.entries();
            let height = |index: &usize| match self.aggregate {
                Aggregate::TSeries { .. } => 1 + FRAME + self.points(*index).len(),
                _ => 1 + buckets::rows(self.aggregate, entries.value(*index)).len(),
            };
            self.order.iter().map(height).collect()
        })
    }

    fn name(&self, index: usize) -> String {
        let mut name = named(self.map, self.settings.paint);
        if let Some(parts) = &self.map.key {
            let key = key(parts, self.tally.entries().key(index), self.settings);
            // What is said behind the name should be seen as well.
            let key = fit(&key, self.columns.saturating_sub(24).max(12));
            name += &format!("[{}]", painted(self.settings.paint, Role::Key, &key));
        }
        name
    }

    /// The lines of an entry, its name first.
    fn lines(&self, index: usize) -> Vec<String> {
        let mut out = Vec::new();
        match self.aggregate {
            Aggregate::TSeries { .. } => self.write_series(&mut out, index),
            _ => self.write_histogram(&mut out, index),
        }
        String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
    }

    fn write_series(&self, out: &mut Vec<u8>, index: usize) {
        const LEAST: usize = 8;
        let points = self.points(index);
        let width = self.columns.saturating_sub(series::around_chart(&points)).clamp(LEAST, series::WIDTH);
        push_fmt(out, format_args!("{}:\n", self.name(index)));
        series::write_chart_of(out, &points, width, &*self.settings.world);
        out.push(b'\n');
    }

    fn write_histogram(&self, out: &mut Vec<u8>, index: usize) {
        /// Of rates, with the blank before them.
        const RATES: usize = 9;
        let state = self.tally.entries().value(index);
        let rows = buckets::rows(self.aggregate, state);
        let news = self.tally.news(self.map, &[index]).and_then(|mut news| news.pop());
        let total = words(state).fold(0, u64::wrapping_add) as usize;
        push_fmt(out, format_args!("{}: {}", self.name(index), counted(total, "value", "values")));
        let per_second = |count: u64| rate(self.tally.per_second(count.into()));
        if let Some(news) = &news {
            push_fmt(out, format_args!(", {}/s", per_second(words(news).fold(0, u64::wrapping_add))));
        }
        out.push(b'\n');
        let news = news.map(|news| buckets::rows(self.aggregate, &news)).unwrap_or_default();
        let labels: Vec<String> = rows.iter().map(|row| label(self.aggregate, row)).collect();
        let least = if self.columns < 60 { 0 } else { 16 };
        let label_width = labels.iter().map(String::len).max().unwrap_or(0).max(least);
        let largest = rows.iter().map(|row| row.count).max().unwrap_or(0);
        let count_width = largest.to_string().len().max(if self.columns < 60 { 1 } else { 8 });
        let around = label_width + 1 + count_width + 3;
        let rates = if self.columns >= around + LEAST_BAR + RATES { RATES } else { 0 };
        let bar = self.columns.saturating_sub(around + rates).clamp(LEAST_BAR, BAR);
        let paint = self.settings.paint;
        for (row, label) in rows.iter().zip(labels) {
            push_fmt(out, format_args!("{} {:>count_width$} |", padded(&label, label_width), row.count));
            paint.bar_of(out, row.count, largest, bar);
            out.push(b'|');
            let fresh = news.iter().find(|fresh| fresh.bounds == row.bounds).filter(|fresh| fresh.count > 0);
            if let Some(fresh) = fresh.filter(|_| rates > 0) {
                push_fmt(out, format_args!(" {:>1$}", per_second(fresh.count) + "/s", RATES - 1));
            }
            out.push(b'\n');
        }
    }
}

fn label(aggregate: Aggregate, row: &Row) -> String {
    let mut out = Vec::new();
    text::write_label(&mut out, aggregate, row.bounds);
    String::from_utf8_lossy(&out).into_owned()
}

impl Section for Charts<'_> {
    fn height(&self) -> usize {
        self.heights().iter().sum::<usize>().max(1)
    }

    fn draw(&self, rows: usize, offset: usize) -> Vec<String> {
        if self.order.is_empty() {
            return vec![format!("{}: nothing yet", named(self.map, self.settings.paint))];
        }
        if rows == 0 {
            return Vec::new();
        }
        // All lines can be scrolled, the names as well, so the first one is as good as another.
        let seen = body(self.height(), rows) + 1;
        let mut lines = Vec::new();
        let (mut passed, mut entries) = (0, 0);
        for (index, height) in self.order.iter().zip(self.heights()) {
            let end = passed + height;
            if end > offset && passed < offset + seen {
                let own = self.lines(*index);
                let from = offset.saturating_sub(passed).min(own.len());
                lines.extend_from_slice(&own[from..own.len().min(offset + seen - passed)]);
            }
            if end <= offset + seen {
                entries += 1;
            }
            passed = end;
        }
        if self.height() > rows && rows > 2 {
            let (left, lines_left) = (self.order.len() - entries, self.height().saturating_sub(offset + seen));
            lines.push(match (self.order.len(), lines_left) {
                (_, 0) => String::new(),
                // A single one is cut in the middle.
                (1, left) => format!("... and {} more", counted(left, "row", "rows")),
                _ => more(left),
            });
        }
        lines
    }
}
