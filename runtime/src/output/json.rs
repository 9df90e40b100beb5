//! JSON lines: one object a line for each event, for programs that read the output.
//!
//! Numbers that a double cannot hold are strings, as readers in JavaScript would round them without a word. Text is UTF-8;
//! bytes that are not become the replacement character, for JSON has no form for them (bpftrace writes `\uffffffc3` for
//! each byte above ASCII, which no reader takes for that byte).

use std::io::{self, Write};

use lang::printf::{Format, Origin};
use lang::typed::Map;
use lang::types::{Aggregate, Type};

use super::aggregate::{Summary, summary};
use super::buckets;
use super::map::{Entries, sorted};
use super::number::Number;
use super::quantiles::{Outline, PERCENTILES};
use super::series::{self, Point};
use super::shares::Shares;
use super::trial::{self, Trial};
use super::value::{self, Style};
use super::view::View;
use super::{Output, Place, Said, Settings, Trouble, opaque, printf, push_fmt};

/// Writes JSON lines.
pub struct Json<W> {
    writer: W,
    settings: Settings,
    /// The line that is being made; kept for its memory, as is `text`.
    line: Vec<u8>,
    /// Text before it is escaped.
    text: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// Writes to `writer`, which should be buffered.
    pub fn new(writer: W, settings: Settings) -> Self {
        Self { writer, settings, line: Vec::new(), text: Vec::new() }
    }

    fn begin(&mut self, kind: &str) {
        self.line.clear();
        push_fmt(&mut self.line, format_args!("{{\"type\": \"{kind}\", \"data\": "));
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.extend_from_slice(b"}\n");
        self.writer.write_all(&self.line)
    }

    fn write_place(&mut self, place: &Place) {
        self.line.extend_from_slice(b", \"filename\": ");
        write_string(&mut self.line, place.file.as_bytes());
        push_fmt(&mut self.line, format_args!(", \"line\": {}, \"col\": {}", place.line, place.column));
    }

    /// A line of its own for what histograms say of their values, so that theirs stays as others expect it.
    fn write_outlines(
        &mut self,
        map: &Map,
        aggregate: Aggregate,
        entries: &Entries,
        top: u64,
        div: u64,
    ) -> io::Result<()> {
        self.begin("hist_summary");
        push_fmt(&mut self.line, format_args!("{{\"@{}\": ", map.name));
        if map.key.is_some() {
            self.line.push(b'{');
        }
        for (i, index) in sorted(map, entries, top).into_iter().enumerate() {
            write_key(&mut self.line, &mut self.text, map, entries.key(index), i == 0, &self.settings);
            let outline = Outline::of(&buckets::rows(aggregate, entries.value(index)));
            write_outline(&mut self.line, outline, div);
        }
        if map.key.is_some() {
            self.line.push(b'}');
        }
        self.line.push(b'}');
        self.end()
    }

    fn write_printf(&mut self, format: &Format, record: &[u8]) -> io::Result<()> {
        self.text.clear();
        if let Err(short) = printf::write_record(&mut self.text, format, record, &self.settings) {
            debug_assert!(false, "{short}");
            return Ok(());
        }
        self.begin("printf");
        write_string(&mut self.line, &self.text);
        self.end()
    }

    fn write_print(&mut self, format: &Format, record: &[u8]) -> io::Result<()> {
        if let Err(short) = printf::check_length(format, record) {
            debug_assert!(false, "{short}");
            return Ok(());
        }
        let Some(ty) = format.args.first() else { return Ok(()) };
        self.begin("value");
        write_value(&mut self.line, &mut self.text, ty, record, Style::plain(&self.settings));
        self.end()
    }
}

impl<W: Write> Output for Json<W> {
    fn shows(&mut self, settings: &Settings) {
        self.settings = settings.clone();
    }

    fn attached(&mut self, probes: usize) -> io::Result<()> {
        writeln!(
            self.writer,
            "{{\"type\": \"attached_probes\", \"count\": {probes}, \"data\": {{\"probes\": {probes}}}}}"
        )
    }

    fn record(&mut self, format: &Format, record: &[u8]) -> io::Result<()> {
        match format.origin {
            Origin::Printf => self.write_printf(format, record),
            Origin::Print => self.write_print(format, record),
            // Those are done by the session, which says what comes of them.
            Origin::Entry(_)
            | Origin::Time
            | Origin::Cat
            | Origin::System
            | Origin::Join
            | Origin::Errorf(_)
            | Origin::Warnf(_) => Ok(()),
        }
    }

    fn said(&mut self, kind: Said, text: &[u8]) -> io::Result<()> {
        self.begin(kind.0);
        write_string(&mut self.line, text);
        self.end()
    }

    fn message(&mut self, kind: Said, text: &[u8], place: &Place) -> io::Result<bool> {
        self.line.clear();
        push_fmt(&mut self.line, format_args!("{{\"type\": \"{}\", \"msg\": ", kind.0));
        write_string(&mut self.line, text);
        self.write_place(place);
        self.end().map(|()| true)
    }

    fn trouble(&mut self, trouble: &Trouble, times: u64, place: &Place) -> io::Result<bool> {
        self.line.clear();
        match trouble {
            Trouble::Lost => push_fmt(
                &mut self.line,
                format_args!("{{\"type\": \"lost_events\", \"count\": {times}, \"data\": {{\"events\": {times}}}"),
            ),
            Trouble::Helper { name, code, reason } => {
                self.line.extend_from_slice(b"{\"type\": \"helper_error\", \"msg\": ");
                write_string(&mut self.line, reason.as_bytes());
                push_fmt(&mut self.line, format_args!(", \"helper\": \"{name}\", \"retcode\": {code}"));
            }
            Trouble::Other(text) => {
                self.line.extend_from_slice(b"{\"type\": \"runtime_error\", \"msg\": ");
                write_string(&mut self.line, text.as_bytes());
            }
        }
        self.write_place(place);
        // One is what readers of bpftrace's lines expect, so it goes without saying.
        if times != 1 && *trouble != Trouble::Lost {
            push_fmt(&mut self.line, format_args!(", \"count\": {times}"));
        }
        self.end().map(|()| true)
    }

    fn map(&mut self, map: &Map, entries: &Entries, top: u64, div: u64) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.begin(kind_of(&map.value));
        push_fmt(&mut self.line, format_args!("{{\"@{}\": ", map.name));
        let style = Style { div, ..Style::plain(&self.settings) };
        if map.key.is_some() {
            self.line.push(b'{');
        }
        let latest = entries.latest(map);
        for (i, index) in sorted(map, entries, top).into_iter().enumerate() {
            write_key(&mut self.line, &mut self.text, map, entries.key(index), i == 0, &self.settings);
            match map.value {
                Type::Aggregate(aggregate @ Aggregate::TSeries { .. }) => {
                    write_series(&mut self.line, &series::points(aggregate, entries.value(index), latest, div));
                }
                _ => write_value(&mut self.line, &mut self.text, &map.value, entries.value(index), style),
            }
        }
        if map.key.is_some() {
            self.line.push(b'}');
        }
        self.line.push(b'}');
        self.end()?;
        match map.value {
            Type::Aggregate(aggregate @ (Aggregate::Hist { .. } | Aggregate::LHist { .. }))
                if self.settings.hist_summary =>
            {
                self.write_outlines(map, aggregate, entries, top, div)
            }
            _ => Ok(()),
        }
    }

    fn shares(&mut self, map: &Map, entries: &Entries, top: u64) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let shares = Shares::of(map, entries, top);
        self.begin("pct");
        push_fmt(&mut self.line, format_args!("{{\"@{}\": {{\"total\": ", map.name));
        match (i64::try_from(shares.total), u64::try_from(shares.total)) {
            (Ok(total), _) => write_number(&mut self.line, Number::Signed(total)),
            (_, Ok(total)) => write_number(&mut self.line, Number::Unsigned(total)),
            _ => push_fmt(&mut self.line, format_args!("\"{}\"", shares.total)),
        }
        self.line.extend_from_slice(b", \"entries\": {");
        for (i, (index, number, share)) in shares.entries.into_iter().enumerate() {
            write_key(&mut self.line, &mut self.text, map, entries.key(index), i == 0, &self.settings);
            self.line.extend_from_slice(b"{\"value\": ");
            write_number(&mut self.line, number);
            self.line.extend_from_slice(b", \"percent\": ");
            if !share.write(&mut self.line) {
                self.line.extend_from_slice(b"null");
            }
            self.line.push(b'}');
        }
        self.line.extend_from_slice(b"}}}");
        self.end()
    }

    fn trial(&mut self, news: &Trial<'_>) -> io::Result<()> {
        trial::json(&mut self.writer, news)
    }

    /// Nothing: the lines say themselves what they are.
    fn end_of_records(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The type of a line with such a map.
fn kind_of(value: &Type) -> &'static str {
    match value {
        Type::Aggregate(Aggregate::Hist { .. } | Aggregate::LHist { .. }) => "hist",
        Type::Aggregate(Aggregate::Stats { .. } | Aggregate::Avg { .. }) => "stats",
        Type::Aggregate(Aggregate::TSeries { .. }) => "tseries",
        _ => "map",
    }
}

/// Appends what stands before an entry's value; `text` is for the key before it is escaped.
fn write_key(out: &mut Vec<u8>, text: &mut Vec<u8>, map: &Map, key: &[u8], is_first: bool, settings: &Settings) {
    if !is_first {
        out.extend_from_slice(b", ");
    }
    if let Some(parts) = &map.key {
        text.clear();
        value::write_key(text, parts, key, key_style(settings));
        write_string(out, text);
        out.extend_from_slice(b": ");
    }
}

/// Keys are strings in JSON: the usual text form, but without blanks.
fn key_style(settings: &Settings) -> Style<'_> {
    Style { compact: true, ..Style::plain(settings) }
}

/// Appends a value in a slot; `text` is for text before it is escaped.
fn write_value(out: &mut Vec<u8>, text: &mut Vec<u8>, ty: &Type, bytes: &[u8], style: Style<'_>) {
    match ty {
        Type::Aggregate(aggregate) => write_aggregate(out, *aggregate, bytes, style.div),
        _ => write_view(out, text, View::slot(ty, bytes), style),
    }
}

fn write_view(out: &mut Vec<u8>, text: &mut Vec<u8>, view: View<'_>, style: Style<'_>) {
    match (view.ty, view.word(), style.inner()) {
        (Type::Int(int), Some(word), _) => write_number(out, Number::of_type(word, *int).divided_by(style.div)),
        (Type::Pointer(..), Some(word), _) => write_number(out, Number::Unsigned(word)),
        (Type::Enum(of), Some(word), _) => write_number(out, Number::of_type(word, of.int)),
        (Type::Bool, Some(word), _) => out.extend_from_slice(if word != 0 { b"true" } else { b"false" }),
        (Type::Str(size), ..) => {
            text.clear();
            value::write_text(text, *size, view.bytes, style.settings);
            write_string(out, text);
        }
        (Type::Tuple(_) | Type::Array(..), _, Some(inner)) => {
            out.push(b'[');
            for (i, (_, part)) in view.parts().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_view(out, text, part, inner);
            }
            out.push(b']');
        }
        (Type::Record(_) | Type::Struct(_), _, Some(inner)) => {
            out.push(b'{');
            for (i, (name, part)) in view.parts().enumerate() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                write_string(out, name.as_bytes());
                out.extend_from_slice(b": ");
                write_view(out, text, part, inner);
            }
            out.push(b'}');
        }
        (Type::Buffer(_), ..) => {
            out.push(b'[');
            for (i, byte) in opaque::buffer(view.bytes).iter().enumerate() {
                push_fmt(out, format_args!("{}{byte}", if i > 0 { "," } else { "" }));
            }
            out.push(b']');
        }
        (ty, ..) if ty.is_opaque() => {
            text.clear();
            opaque::write(text, ty, view.bytes, style.settings);
            write_string(out, text);
        }
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_aggregate(out: &mut Vec<u8>, aggregate: Aggregate, state: &[u8], div: u64) {
    match summary(aggregate, state) {
        Summary::Number(number) => write_number(out, number.divided_by(div)),
        Summary::Stats { count, average, total } => {
            out.extend_from_slice(b"{\"count\": ");
            write_number(out, Number::Unsigned(count));
            out.extend_from_slice(b", \"average\": ");
            write_number(out, average.divided_by(div));
            out.extend_from_slice(b", \"total\": ");
            write_number(out, total);
            out.push(b'}');
        }
        Summary::Series => {}
        Summary::Histogram => write_histogram(out, aggregate, state, div),
    }
}

/// Appends the rows of a histogram. Both bounds are the row's own values, and an open end has none.
fn write_histogram(out: &mut Vec<u8>, aggregate: Aggregate, state: &[u8], div: u64) {
    out.push(b'[');
    for (i, row) in buckets::rows(aggregate, state).iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",{" } else { b"{" });
        if let Some(low) = row.bounds.low {
            out.extend_from_slice(b"\"min\": ");
            write_number(out, Number::Unsigned(low));
            out.extend_from_slice(b", ");
        }
        if let Some(end) = row.bounds.end {
            out.extend_from_slice(b"\"max\": ");
            // Below the first bucket of a histogram from 0 there are the negative values, up to -1.
            write_number(out, Number::Signed((end as i64).wrapping_sub(1)));
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(b"\"count\": ");
        write_number(out, Number::Unsigned(row.count / div.max(1)));
        out.push(b'}');
    }
    out.push(b']');
}

fn write_outline(out: &mut Vec<u8>, outline: Outline, div: u64) {
    out.extend_from_slice(b"{\"count\": ");
    write_number(out, Number::Unsigned(outline.count / div.max(1)));
    match outline.values {
        Some(values) => push_fmt(out, format_args!(", \"mean\": {:.1}", values.mean)),
        None => out.extend_from_slice(b", \"mean\": null"),
    }
    for (i, percent) in PERCENTILES.into_iter().enumerate() {
        push_fmt(out, format_args!(", \"p{percent}\": "));
        match outline.values {
            Some(values) => write_number(out, Number::Signed(values.percentiles[i])),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

/// Appends the intervals that have values. These are numbers whatever they are: so bpftrace has it here.
fn write_series(out: &mut Vec<u8>, points: &[Point]) {
    out.push(b'[');
    let valued = points.iter().filter_map(|point| point.value.map(|value| (point.start, value)));
    for (i, (start, value)) in valued.enumerate() {
        out.extend_from_slice(if i > 0 { b",{\"interval_start\":\"" } else { b"{\"interval_start\":\"" });
        series::write_date_and_time(out, start);
        out.extend_from_slice(b"\",\"value\":");
        value.write(out, false);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_number(out: &mut Vec<u8>, number: Number) {
    match number.is_exact_double() {
        true => number.write(out, false),
        false => {
            out.push(b'"');
            number.write(out, false);
            out.push(b'"');
        }
    }
}

/// Appends text as a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        write_escaped(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => push_fmt(out, format_args!("\\u{byte:04x}")),
            _ => out.push(byte),
        }
    }
}
