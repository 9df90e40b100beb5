//! Diagnostics as people see them, on standard error.
//!
//! The first line has the form that tools know from bpftrace, `name:line:column-end: ERROR: title`; below it ariadne
//! draws the place, what is wrong there, and what would work.

use crate::narrow;
use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};
use lang::config::environment_text;
use lang::{Diagnostic, Severity, SourceMap, Span};
use rustix::termios::isatty;
use std::io::Write;

/// Writes diagnostics.
pub struct Reporter {
    color: bool,
    charset: CharSet,
    /// Columns of the terminal, if there is one.
    width: Option<usize>,
    warnings: bool,
}

impl Reporter {
    /// Colours only for a terminal that wants them, unless the environment says otherwise.
    pub fn new(warnings: bool) -> Self {
        let is_unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let asked = environment_text("color", crate::run::environment);
        let color = match asked.as_deref() {
            Some("always") => true,
            Some("never") => false,
            _ => isatty(std::io::stderr()) && is_unset("NO_COLOR") && !is_dumb,
        };
        // What setlocale(3) asks, in its order. That nothing is set tells nothing: most terminals show UTF-8.
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|text| !text.is_empty());
        let charset = match locale.is_none_or(|name| is_utf8(&name.to_string_lossy())) {
            true => CharSet::Unicode,
            false => CharSet::Ascii,
        };
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        let reporter = Self { color, charset, width, warnings };
        if let Some(asked) = asked.filter(|asked| warnings && !matches!(asked.as_str(), "auto" | "always" | "never")) {
            let word = reporter.painted("WARNING", Color::Yellow);
            reporter.note(&format!(
                "{word}: the environment asks for color {asked}: valid values are auto, always and never"
            ));
        }
        reporter
    }

    /// Writes one diagnostic about a script.
    pub fn show(&self, sources: &SourceMap, diagnostic: &Diagnostic) {
        if diagnostic.severity == Severity::Warning && !self.warnings {
            return;
        }
        self.write(&format!("{}\n{}", self.headline(sources, diagnostic), self.picture(sources, diagnostic)));
    }

    /// Writes an error that has no place in a script, and what can be done about it.
    pub fn plain(&self, title: &str, help: Option<&str>) {
        let mut text = match title {
            // Help was asked for, and nothing is wrong.
            "" => String::new(),
            _ => format!("{}: {title}\n", self.painted("ERROR", Color::Red)),
        };
        if let Some(help) = help {
            text += &format!("{}: {help}\n", self.painted("HINT", Color::Cyan));
        }
        self.write(&text);
    }

    /// Writes a warning that has no place in a script.
    pub fn warning(&self, text: &str) {
        if self.warnings {
            self.write(&format!("{}: {text}\n", self.painted("WARNING", Color::Yellow)));
        }
    }

    /// Writes a line as it is.
    pub fn note(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    fn write(&self, text: &str) {
        // Nobody can be told that standard error is closed.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// The first line of a diagnostic.
    pub fn headline(&self, sources: &SourceMap, diagnostic: &Diagnostic) -> String {
        let source = sources.of(diagnostic.span);
        let word = match diagnostic.severity {
            Severity::Error => self.painted("ERROR", Color::Red),
            Severity::Warning => self.painted("WARNING", Color::Yellow),
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
            (source.name().to_owned(), source.range(span))
        };
        let config = Config::default()
            .with_color(self.color)
            .with_index_type(IndexType::Byte)
            .with_char_set(self.charset)
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
            spans.map(|span| sources.of(span)).map(|source| (source.name().to_owned(), source.text().to_owned())),
        );
        if report.finish().write(cache, &mut drawn).is_err() {
            return String::new();
        }
        // Its first line would say again what the headline says.
        let text = String::from_utf8_lossy(&drawn);
        let picture = text.split_once('\n').map_or("", |(_, rest)| rest);
        match (self.width, place_in_line(sources, diagnostic)) {
            (Some(width), Some(place)) => narrow::fit(picture, width, place(width)),
            _ => picture.to_owned(),
        }
    }

    fn painted(&self, word: &str, color: Color) -> String {
        let code = match color {
            Color::Red => 31,
            Color::Yellow => 33,
            _ => 36,
        };
        if self.color { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() }
    }
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

/// Whether this locale, as the environment names it, is one of UTF-8.
fn is_utf8(locale: &str) -> bool {
    let name = locale.to_ascii_lowercase();
    name.contains("utf-8") || name.contains("utf8")
}
