//! The text format: what bpftrace prints by default, byte for byte.
//!
//! Values and records have their form from [`value`] and [`printf`]; here are the lines of maps and the
//! drawing of histograms.

use std::io::{self, Write};

use lang::printf::Format;
use lang::typed::Map;
use lang::types::{Aggregate, Type};

use super::aggregate::{Summary, summary};
use super::buckets::{self, Bounds, Row};
use super::map::{Entries, sorted};
use super::number::Number;
use super::paint::{Paint, Role};
use super::quantiles::{Outline, PERCENTILES};
use super::shares::Shares;
use super::trial::{self, Trial};
use super::value::{self, Style};
use super::{Output, Said, Settings, printf, push_fmt, series};

/// So much may wait in memory while a long map is written.
const CHUNK: usize = 1 << 16;

/// Writes text.
pub struct Text<W> {
    writer: W,
    settings: Settings,
    /// Empty between calls; kept for its memory.
    buffer: Vec<u8>,
}

impl<W: Write> Text<W> {
    /// Writes to `writer`, which should be buffered.
    pub fn new(writer: W, settings: Settings) -> Self {
        Self { writer, settings, buffer: Vec::new() }
    }

    /// Hands the buffer to the writer.
    fn emit(&mut self) -> io::Result<()> {
        let written = self.writer.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}

impl<W: Write> Output for Text<W> {
    fn shows(&mut self, settings: &Settings) {
        self.settings = settings.clone();
    }

    /// Nothing: the line is for standard error, see [`super::attached_line`].
    fn attached(&mut self, _probes: usize) -> io::Result<()> {
        Ok(())
    }

    fn record(&mut self, format: &Format, record: &[u8]) -> io::Result<()> {
        if let Err(short) = printf::write_record(&mut self.buffer, format, record, &self.settings) {
            debug_assert!(false, "{short}");
        }
        self.emit()
    }

    fn said(&mut self, kind: Said, text: &[u8]) -> io::Result<()> {
        self.writer.write_all(text)?;
        // An oddity of bpftrace's: a command's output is followed by an empty line.
        self.writer.write_all(if matches!(kind, Said::SYSTEM | Said::JOIN) { b"\n" } else { b"" })
    }

    fn map(&mut self, map: &Map, entries: &Entries, top: u64, div: u64) -> io::Result<()> {
        let latest = entries.latest(map);
        for index in sorted(map, entries, top) {
            let entry = (entries.key(index), entries.value(index));
            write_entry(&mut self.buffer, map, entry, latest, div, &self.settings);
            if self.buffer.len() >= CHUNK {
                self.emit()?;
            }
        }
        self.emit()
    }

    fn trial(&mut self, news: &Trial<'_>) -> io::Result<()> {
        trial::text(&mut self.buffer, news, self.settings.paint);
        self.emit()
    }

    fn shares(&mut self, map: &Map, entries: &Entries, top: u64) -> io::Result<()> {
        let shares = Shares::of(map, entries, top);
        for (index, number, share) in shares.entries {
            write_name(&mut self.buffer, map, entries.key(index), &self.settings);
            self.buffer.extend_from_slice(b": ");
            number.write(&mut self.buffer, false);
            self.buffer.extend_from_slice(b" (");
            let share = if share.write(&mut self.buffer) { "%)\n" } else { "-)\n" };
            self.buffer.extend_from_slice(share.as_bytes());
            if self.buffer.len() >= CHUNK {
                self.emit()?;
            }
        }
        if !entries.is_empty() {
            write_map_name(&mut self.buffer, map, self.settings.paint);
            push_fmt(&mut self.buffer, format_args!(": {} (total)\n", shares.total));
        }
        self.emit()
    }

    fn end_of_records(&mut self) -> io::Result<()> {
        self.writer.write_all(b"\n\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn write_map_name(out: &mut Vec<u8>, map: &Map, paint: Paint) {
    paint.with(out, Role::Name, |out| push_fmt(out, format_args!("@{}", map.name)));
}

/// Appends what an entry is called: `@map[key]`.
fn write_name(out: &mut Vec<u8>, map: &Map, key: &[u8], settings: &Settings) {
    let paint = settings.paint;
    write_map_name(out, map, paint);
    if let Some(parts) = &map.key {
        out.push(b'[');
        paint.with(out, Role::Key, |out| value::write_key(out, parts, key, Style::plain(settings)));
        out.push(b']');
    }
}

/// Appends the line, or the lines, of an entry. Time series end with the interval `latest`.
fn write_entry(
    out: &mut Vec<u8>,
    map: &Map,
    (key, value): (&[u8], &[u8]),
    latest: Option<u64>,
    div: u64,
    settings: &Settings,
) {
    let style = Style::plain(settings);
    write_name(out, map, key, settings);
    out.push(b':');
    match &map.value {
        Type::Aggregate(aggregate @ Aggregate::TSeries { .. }) => {
            out.push(b'\n');
            series::write_chart(out, &series::points(*aggregate, value, latest, div), &*settings.world);
            out.push(b'\n');
        }
        Type::Aggregate(aggregate) => write_aggregate(out, *aggregate, value, div, settings),
        ty => {
            out.push(b' ');
            value::write(out, ty, value, Style { div, ..style });
            out.push(b'\n');
        }
    }
}

/// Appends a merged state after the colon.
fn write_aggregate(out: &mut Vec<u8>, aggregate: Aggregate, state: &[u8], div: u64, settings: &Settings) {
    match summary(aggregate, state) {
        Summary::Number(number) => {
            out.push(b' ');
            number.divided_by(div).write(out, false);
            out.push(b'\n');
        }
        // Only the average is divided: the total divided once more would mean nothing.
        Summary::Stats { count, average, total } => {
            push_fmt(out, format_args!(" {{ .count = {count}, .average = "));
            average.divided_by(div).write(out, false);
            out.extend_from_slice(b", .total = ");
            total.write(out, false);
            out.extend_from_slice(b" }\n");
        }
        Summary::Series => {}
        Summary::Histogram => {
            out.push(b'\n');
            let rows = buckets::rows(aggregate, state);
            write_histogram(out, aggregate, &rows, div, settings.paint);
            if settings.hist_summary {
                write_outline(out, Outline::of(&rows), div);
            }
            out.push(b'\n');
        }
    }
}

/// Appends a histogram's rows. Rows and bars follow the divided counts, but a row that division empties stays.
fn write_histogram(out: &mut Vec<u8>, aggregate: Aggregate, rows: &[Row], div: u64, paint: Paint) {
    let shown = |row: &Row| row.count / div.max(1);
    let largest = rows.iter().map(shown).max().unwrap_or(0).max(1);
    for row in rows {
        let count = shown(row);
        let start = out.len();
        write_label(out, aggregate, row.bounds);
        let label = (out.len() - start).max(16);
        out.resize(start + label, b' ');
        push_fmt(out, format_args!("{count:>8} |"));
        paint.bar(out, count, largest);
        out.extend_from_slice(b"|\n");
    }
}

/// Appends the line under a histogram: `count 3, mean 5.5, p50 5, p90 9, p99 9`.
fn write_outline(out: &mut Vec<u8>, outline: Outline, div: u64) {
    push_fmt(out, format_args!("count {}", outline.count / div.max(1)));
    if let Some(values) = outline.values {
        push_fmt(out, format_args!(", mean {:.1}", values.mean));
        for (percent, value) in PERCENTILES.into_iter().zip(values.percentiles) {
            push_fmt(out, format_args!(", p{percent} {value}"));
        }
    }
    out.push(b'\n');
}

/// Appends the label of a row: `(..., 0)`, `[5]`, `[8, 16)` or `[100, ...)`.
pub(super) fn write_label(out: &mut Vec<u8>, aggregate: Aggregate, bounds: Bounds) {
    match bounds {
        Bounds { low: None, end: None } => {}
        Bounds { low: None, end: Some(end) } => {
            out.extend_from_slice(b"(..., ");
            write_bound(out, end, unit_of_multiple(aggregate, end));
            out.push(b')');
        }
        Bounds { low: Some(low), end: None } => {
            out.push(b'[');
            write_bound(out, low, unit_of_multiple(aggregate, low));
            out.extend_from_slice(b", ...)");
        }
        Bounds { low: Some(low), end: Some(end) } if end.saturating_sub(low) <= 1 => {
            push_fmt(out, format_args!("[{low}]"));
        }
        Bounds { low: Some(low), end: Some(end) } => {
            let (low_unit, end_unit) = match aggregate {
                Aggregate::Hist { .. } => units_of_bucket(low, end),
                _ => (unit_of_multiple(aggregate, low), unit_of_multiple(aggregate, end)),
            };
            out.push(b'[');
            write_bound(out, low, low_unit);
            out.extend_from_slice(b", ");
            write_bound(out, end, end_unit);
            out.push(b')');
        }
    }
}

/// The units of the bounds of a `hist` bucket: the largest one that is no wider than the bucket that begins there. With
/// extra bits this is later than the bound itself would allow: `[768, 1024)`, `[1024, 1536)`, `[1536, 2K)`.
fn units_of_bucket(low: u64, end: u64) -> (u32, u32) {
    let power = (end - low).checked_ilog2().unwrap_or(0);
    // At a power of two the buckets double in width.
    let next = power + u32::from(end.is_power_of_two());
    (power / 10, next / 10)
}

/// The unit of an `lhist` bound: the largest one that it is a multiple of, provided that the step is one of `K` too.
fn unit_of_multiple(aggregate: Aggregate, bound: u64) -> u32 {
    match aggregate {
        Aggregate::LHist { step, .. } if step % 1024 == 0 && bound != 0 => bound.trailing_zeros() / 10,
        _ => 0,
    }
}

/// Appends a bound in a unit: 0 for ones, 1 for `K` and so on.
fn write_bound(out: &mut Vec<u8>, bound: u64, unit: u32) {
    Number::Unsigned(bound >> (10 * unit)).write(out, false);
    out.extend(b"KMGTPE".get((unit as usize).wrapping_sub(1)));
}
