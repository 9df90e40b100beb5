//! Diagnostics as people see them, on standard error.
//!
//! The first line has the form that tools know from bpftrace, `name:line:column-end: ERROR: title`; below it ariadne
//! draws the place, what is wrong there, and what would work.

use crate::args::When;
use crate::look::{self, Look};
use crate::{narrow, wrap};
use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};
use lang::{Diagnostic, Severity, Source, SourceMap, Span};
use std::fmt;
use std::io::Write;

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
        let range = |span: Span| {
            let source = sources.of(span);
            (Id::of(source), source.range(span))
        };
        let config = Config::default()
            .with_color(self.look.color)
            .with_index_type(IndexType::Byte)
            .with_char_set(if self.look.is_utf8 { CharSet::Unicode } else { CharSet::Ascii })
            .with_compact(false);
        // ariadne marks only what has something to say.
        let message = if diagnostic.label.is_empty() { "here" } else { &diagnostic.label };
        let label = Label::new(range(diagnostic.span)).with_color(color).with_message(message);
        let mut report = Report::build(kind, range(diagnostic.span)).with_config(config).with_label(label);
        for related in &diagnostic.related {
            report =
                report.with_label(Label::new(range(related.span)).with_message(&related.text).with_color(Color::Cyan));
        }
        if let Some(help) = &diagnostic.help {
            report = report.with_help(help);
        }
        let mut drawn = Vec::new();
        let spans = std::iter::once(diagnostic.span).chain(diagnostic.related.iter().map(|related| related.span));
        let cache = ariadne::sources(
            spans.map(|span| sources.of(span)).map(|source| (Id::of(source), source.text().to_owned())),
        );
        if report.finish().write(cache, &mut drawn).is_err() {
            return String::new();
        }
        // Its first line would say again what the headline says.
        let text = String::from_utf8_lossy(&drawn);
        let picture = text.split_once('\n').map_or("", |(_, rest)| rest);
        match (self.width(), place_in_line(sources, diagnostic)) {
            (Some(width), Some(place)) => wrap::picture(&narrow::fit(picture, width, place(width)), width),
            (Some(width), None) => wrap::picture(picture, width),
            (None, _) => picture.to_owned(),
        }
    }

    fn painted(&self, word: &str, color: Color) -> String {
        painted(word, color, self.look.color)
    }
}

/// A source. Several of a session may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Id {
    name: String,
    base: u32,
}

impl Id {
    fn of(source: &Source) -> Self {
        Self { name: source.name().to_owned(), base: source.base() }
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

/// The column, from 0, that has to be seen if a line must be cut to some width; nothing if the picture has several lines
/// or a line whose columns are not its characters.
fn place_in_line(sources: &SourceMap, diagnostic: &Diagnostic) -> Option<impl Fn(usize) -> usize> {
    let source = sources.of(diagnostic.span);
    let line = source.locate(diagnostic.span.start).line;
    let spans = std::iter::once(diagnostic.span).chain(diagnostic.related.iter().map(|related| related.span));
    let (mut first, mut last) = (usize::MAX, 0);
    for span in spans {
        let (start, end) = (source.locate(span.start), source.locate(span.end));
        if !std::ptr::eq(source, sources.of(span)) || start.line != line || end.line != line {
            return None;
        }
        first = first.min(start.column as usize - 1);
        last = last.max(end.column as usize - 1);
    }
    let own = source.locate(diagnostic.span.start).column as usize - 1;
    let is_plain = source.line(line).chars().all(|c| matches!(c, ' '..='~'));
    // All places if they can be seen at once, else the one that the message is about.
    is_plain.then_some(move |width: usize| if last - first < width / 2 { first } else { own })
}
