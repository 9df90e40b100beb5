//! Diagnostics as people see them, on standard error.
//!
//! The first line has the form that tools know from bpftrace, `name:line:column-end: ERROR: title`; below it ariadne
//! draws the place, what is wrong there, and what would work.

use crate::args::When;
use crate::look::{self, Look};
use crate::underline::{self, Shape};
use crate::{narrow, wrap};
use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};
use lang::{Diagnostic, Severity, Source, SourceMap, Span};
use std::fmt;
use std::io::Write;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// What the system said without its number, ` (os error 2)`, which says the same again.
pub fn in_words(text: &str) -> String {
    let Some((words, rest)) = text.split_once(" (os error ") else { return text.to_owned() };
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    format!("{words}{}", rest.strip_prefix(')').unwrap_or(rest))
}

/// Writes diagnostics.
pub struct Reporter {
    look: Look,
    warnings: bool,
    /// Takes what would go to standard error.
    sink: Option<Sink>,
}

/// What takes text.
type Sink = Box<dyn Fn(&str)>;

impl Reporter {
    /// Writes to standard error as `--color` and the environment have it.
    pub fn new(color: Option<When>, warnings: bool) -> Self {
        let (when, unknown) = look::asked(color);
        let reporter = Self { look: Look::of(std::io::stderr(), when), warnings, sink: None };
        if let Some(unknown) = unknown.filter(|_| warnings) {
            reporter
                .warning(&format!("the environment asks for color {unknown}: valid values are auto, always and never"));
        }
        reporter
    }

    /// The same, but writing on standard output, a terminal, by way of something else.
    pub fn on_stdout(self, color: Option<When>, sink: impl Fn(&str) + 'static) -> Self {
        let look = Look::of(std::io::stdout(), look::asked(color).0);
        Self { look, sink: Some(Box::new(sink)), ..self }
    }

    /// Another one that looks the same, and writes elsewhere.
    pub fn beside(&self, sink: impl Fn(&str) + 'static) -> Self {
        Self { look: self.look, warnings: self.warnings, sink: Some(Box::new(sink)) }
    }

    /// Writes one diagnostic about a script.
    pub fn show(&self, sources: &SourceMap, diagnostic: &Diagnostic) {
        self.show_detailed(sources, diagnostic, "");
    }

    /// Writes one diagnostic about a script, with a second line under the first unless it is empty.
    pub fn show_detailed(&self, sources: &SourceMap, diagnostic: &Diagnostic, detail: &str) {
        if diagnostic.severity == Severity::Warning && !self.warnings {
            return;
        }
        // A warning that belongs to no place in particular.
        if diagnostic.severity == Severity::Warning && diagnostic.span == Span::default() {
            return self.warning(&diagnostic.title);
        }
        let headline = self.wrapped(&self.headline(sources, diagnostic, self.look.color));
        let (picture, newline) = (self.picture(sources, diagnostic), if detail.is_empty() { "" } else { "\n" });
        self.write(&format!("{headline}\n{detail}{newline}{picture}"));
    }

    /// Writes an error that has no place in a script, and what can be done about it.
    pub fn plain(&self, title: &str, help: Option<&str>) {
        let mut text = match title {
            // Help was asked for, and nothing is wrong.
            "" => String::new(),
            _ => self.wrapped(&format!("{}: {}\n", self.painted("ERROR", Color::Red), in_words(title))),
        };
        if let Some(help) = help {
            text += &self.wrapped(&format!("{}: {help}\n", self.painted("HINT", Color::Cyan)));
        }
        self.write(&text);
    }

    /// Writes a warning that has no place in a script.
    pub fn warning(&self, text: &str) {
        if self.warnings {
            self.write(&self.wrapped(&format!("{}: {text}\n", self.painted("WARNING", Color::Yellow))));
        }
    }

    /// Writes text of several words.
    pub fn words(&self, text: &str) {
        self.note(&self.wrapped(text));
    }

    /// Writes a line as it is.
    pub fn note(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// The columns there are now, if there is a terminal.
    fn width(&self) -> Option<usize> {
        let before = self.look.width?;
        let now = if self.sink.is_some() { look::width(std::io::stdout()) } else { look::width(std::io::stderr()) };
        Some(now.unwrap_or(before))
    }

    /// Text of several words, in lines that have room on the terminal.
    fn wrapped(&self, text: &str) -> String {
        match self.width() {
            Some(width) => wrap::text(text, width),
            None => text.to_owned(),
        }
    }

    fn write(&self, text: &str) {
        if let Some(sink) = &self.sink {
            return sink(text);
        }
        // Nobody can be told that standard error is closed.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// The first line of a diagnostic of the script's own.
    pub fn message(&self, sources: &SourceMap, diagnostic: &Diagnostic) {
        self.note(&self.headline(sources, diagnostic, self.look.color));
    }

    /// The first line of a diagnostic, in colours or not.
    pub fn headline(&self, sources: &SourceMap, diagnostic: &Diagnostic, color: bool) -> String {
        let source = sources.of(diagnostic.span);
        let word = match diagnostic.severity {
            Severity::Error => painted("ERROR", Color::Red, color),
            Severity::Warning => painted("WARNING", Color::Yellow, color),
        };
        let (start, end) = (source.locate(diagnostic.span.start), source.locate(diagnostic.span.end));
        let place = match start.line == end.line {
            true => format!("{}:{}-{}", start.line, start.column, end.column),
            false => format!("{}-{}", start.line, end.line),
        };
        format!("{}:{place}: {word}: {}", source.name(), diagnostic.title)
    }

    fn picture(&self, sources: &SourceMap, diagnostic: &Diagnostic) -> String {
        let (kind, color) = match diagnostic.severity {
            Severity::Error => (ReportKind::Error, Color::Red),
            Severity::Warning => (ReportKind::Warning, Color::Yellow),
        };
        let width = self.width();
        let parts = parts(sources, diagnostic, width);
        let range = |index: usize, span: Span| {
            let source = sources.of(span);
            (Id::of(source, parts[index]), source.range(span))
        };
        let config = Config::default()
            .with_color(self.look.color)
            .with_index_type(IndexType::Byte)
            .with_char_set(if self.look.is_utf8 { CharSet::Unicode } else { CharSet::Ascii })
            .with_compact(false);
        // Words about the very place are its label.
        let own = diagnostic.related.iter().filter(|related| related.span == diagnostic.span);
        let own = own.map(|related| related.text.as_str());
        let label = Some(diagnostic.label.as_str()).filter(|label| !label.is_empty());
        let messages: Vec<&str> = own.chain(label).collect();
        let is_silent = messages.is_empty();
        let message = if is_silent { underline::SILENT.to_owned() } else { messages.join("; ") };
        let label = Label::new(range(0, diagnostic.span)).with_color(color).with_message(message);
        let mut report = Report::build(kind, range(0, diagnostic.span)).with_config(config).with_label(label);
        for (index, related) in (1..).zip(elsewhere(diagnostic)) {
            let label = Label::new(range(index, related.span)).with_message(&related.text);
            report = report.with_label(label.with_color(Color::Cyan));
        }
        if let Some(help) = &diagnostic.help {
            report = report.with_help(help);
        }
        let mut drawn = Vec::new();
        let cache = ariadne::sources(spans(diagnostic).zip(&parts).map(|(span, part)| {
            let source = sources.of(span);
            (Id::of(source, *part), source.text().to_owned())
        }));
        if report.finish().write(cache, &mut drawn).is_err() {
            return String::new();
        }
        // Its first line would say again what the headline says.
        let text = String::from_utf8_lossy(&drawn);
        let picture = text.split_once('\n').map_or("", |(_, rest)| rest);
        let picture = match is_silent {
            true => underline::silence(picture, shape(sources, diagnostic.span), self.look.is_utf8),
            false => picture.to_owned(),
        };
        match width {
            Some(width) => {
                let picture = narrow::fit(&picture, width, &places(sources, diagnostic, &parts));
                wrap::picture(&picture, width)
            }
            None => picture,
        }
    }

    fn painted(&self, word: &str, color: Color) -> String {
        painted(word, color, self.look.color)
    }
}

/// A source, as a part of a picture shows it. Several of a session may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Id {
    name: String,
    base: u32,
    part: usize,
}

impl Id {
    fn of(source: &Source, part: usize) -> Self {
        Self { name: source.name().to_owned(), base: source.base(), part }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn painted(word: &str, color: Color, is_wanted: bool) -> String {
    let code = match color {
        Color::Red => 31,
        Color::Yellow => 33,
        _ => 36,
    };
    if is_wanted { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// The line of a place with marks below it: what the script says of itself has no frame around it.
pub fn marked(sources: &SourceMap, span: Span) -> String {
    let source = sources.of(span);
    let (start, end) = (source.locate(span.start), source.locate(span.end));
    let line = source.line(start.line);
    let before = start.column.saturating_sub(1) as usize;
    let last = if end.line == start.line { end.column as usize } else { line.chars().count() + 1 };
    format!("{line}\n{}{}", " ".repeat(before), "~".repeat(last.saturating_sub(before + 1).max(1)))
}

/// What is told of other places.
fn elsewhere(diagnostic: &Diagnostic) -> impl Iterator<Item = &lang::diag::Label> {
    diagnostic.related.iter().filter(|related| related.span != diagnostic.span)
}

/// All places that a diagnostic is about.
fn spans(diagnostic: &Diagnostic) -> impl Iterator<Item = Span> {
    std::iter::once(diagnostic.span).chain(elsewhere(diagnostic).map(|related| related.span))
}

/// A place in one line, by the columns of a terminal from 0.
struct InLine<'s> {
    source: &'s Source,
    line: u32,
    columns: Range<usize>,
}

impl<'s> InLine<'s> {
    /// Nothing if the place is longer, or the line has something that is shown in another way.
    fn of(sources: &'s SourceMap, span: Span) -> Option<Self> {
        let source = sources.of(span);
        let (start, end) = (source.locate(span.start), source.locate(span.end));
        let text = source.line(start.line);
        let column = |column: u32| text.chars().take(column as usize - 1).filter_map(|letter| letter.width()).sum();
        let is_plain = start.line == end.line && !text.contains(char::is_control);
        is_plain.then(|| Self { source, line: start.line, columns: column(start.column)..column(end.column) })
    }

    fn is_beside(&self, other: &Self) -> bool {
        std::ptr::eq(self.source, other.source) && self.line == other.line
    }

    /// The columns of both.
    fn with(&self, other: &Self) -> Range<usize> {
        self.columns.start.min(other.columns.start)..self.columns.end.max(other.columns.end)
    }
}

/// In which part of the picture each of the places is shown: in one more if it cannot be seen beside those before it.
fn parts(sources: &SourceMap, diagnostic: &Diagnostic, width: Option<usize>) -> Vec<usize> {
    let (mut part, mut shown) = (0, None::<InLine<'_>>);
    let of = |span: Span| {
        let mut place = InLine::of(sources, span);
        if let (Some(width), Some(place), Some(shown)) = (width, &mut place, &shown)
            && shown.is_beside(place)
        {
            let both = shown.with(place);
            match narrow::has_room(shown.source.line(shown.line), both.start, both.end, width) {
                true => place.columns = both,
                false => part += 1,
            }
        }
        shown = place;
        part
    };
    spans(diagnostic).map(of).collect()
}

/// For each part of the picture the column that has to be seen, if it is about one line. As ariadne has it, places belong
/// together that follow each other in one source.
fn places(sources: &SourceMap, diagnostic: &Diagnostic, parts: &[usize]) -> Vec<Option<usize>> {
    let mut found: Vec<Option<InLine<'_>>> = Vec::new();
    let mut last = None;
    for (span, part) in spans(diagnostic).zip(parts) {
        let (place, source) = (InLine::of(sources, span), sources.of(span));
        let now = (source.base(), *part, source.locate(span.end.max(span.start + 1) - 1).line);
        match (last.replace(now), found.last_mut()) {
            (Some((base, part, line)), Some(group)) if (base, part) == (now.0, now.1) && line <= now.2 => {
                *group = match (group.take(), place) {
                    (Some(group), Some(place)) if group.is_beside(&place) => {
                        Some(InLine { columns: group.with(&place), ..group })
                    }
                    _ => None,
                };
            }
            _ => found.push(place),
        }
    }
    found.into_iter().map(|group| group.map(|group| group.columns.start)).collect()
}

fn shape(sources: &SourceMap, span: Span) -> Shape {
    let source = sources.of(span);
    // A line break belongs to the line that it ends.
    let line = |at: u32| source.locate(at).line;
    match span.end.checked_sub(1).filter(|last| *last >= span.start) {
        None => Shape::Gap,
        Some(last) if line(span.start) == line(last) => Shape::Line,
        Some(_) => Shape::Lines,
    }
}
