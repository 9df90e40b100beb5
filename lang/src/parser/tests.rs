//! The parser as a whole: trees, messages, and what it does with text that nobody would write.

mod deep;
mod messages;
mod robust;
mod trees;

use super::{Parse, parse};
use crate::diag::Severity;
use crate::span::{Source, Span};

/// Checks the diagnostics of a script against the remarks in it: under a line, `//^^^^ error: title` marks what the
/// carets stand under. `; label` and `help: text` are not looked at unless a remark has them, as `title | help`.
/// A caret at a place that has no text, such as the end of the input, marks one column.
#[track_caller]
fn check(marked: &str) -> Parse {
    let marked = marked.trim_start_matches('\n');
    let is_remark = |line: &str| line.trim_start().strip_prefix("//").is_some_and(|rest| rest.starts_with('^'));
    // Remarks become blank, so that columns and lines stay.
    let mut text = String::new();
    let mut expected = Vec::new();
    let mut line_of_text = 0u32;
    for line in marked.lines() {
        if is_remark(line) {
            let at = line.find('^').unwrap_or(0);
            let carets = line[at..].chars().take_while(|c| *c == '^').count();
            expected.push(format!("{line_of_text}:{}+{carets} {}", at + 1, line[at + carets..].trim()));
        } else {
            text.push_str(line);
            text.push('\n');
            line_of_text += 1;
        }
    }
    text.pop();
    let parsed = parse(&text);
    let source = Source::new("test", text);
    let with_help: Vec<bool> = expected.iter().map(|remark| remark.contains(" | ")).collect();
    let found: Vec<String> = parsed
        .diagnostics
        .iter()
        .enumerate()
        .map(|(i, diagnostic)| {
            let place = source.locate(diagnostic.span.start);
            let length = width(&source, diagnostic.span);
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let help = match &diagnostic.help {
                Some(help) if with_help.get(i) == Some(&true) => format!(" | {help}"),
                _ => String::new(),
            };
            format!("{}:{}+{length} {severity}: {}{help}", place.line, place.column, diagnostic.title)
        })
        .collect();
    assert_eq!(found.join("\n"), expected.join("\n"), "\n{}", source.text());
    parsed
}

/// How many carets mark `span`: its characters on its first line, at least one.
fn width(source: &Source, span: Span) -> usize {
    source.slice(span).lines().next().map_or(0, |line| line.chars().count()).max(1)
}
