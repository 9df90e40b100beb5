//! Tests of diagnostics as scripts with remarks in them.
//!
//! Under a line, `//^^^^ error: title` says what is told of the place above the carets. A remark may go on with
//! ` | help`; without it the help is not looked at. A place without text, such as the end of the input, has one caret.

use crate::diag::{Diagnostic, Severity};
use crate::span::{Source, Span};

/// Checks what `diagnose` tells of a script against the remarks in it.
#[track_caller]
pub fn check<T>(marked: &str, diagnose: impl FnOnce(&str) -> (T, Vec<Diagnostic>)) -> T {
    let marked = marked.trim_start_matches('\n');
    let is_remark = |line: &str| line.trim_start().strip_prefix("//").is_some_and(|rest| rest.starts_with('^'));
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
    let (result, diagnostics) = diagnose(&text);
    let source = Source::new("test", text);
    let with_help: Vec<bool> = expected.iter().map(|remark| remark.contains(" | ")).collect();
    let found: Vec<String> = diagnostics
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
    result
}

/// How many carets mark `span`: its characters on its first line, at least one.
fn width(source: &Source, span: Span) -> usize {
    source.slice(span).lines().next().map_or(0, |line| line.chars().count()).max(1)
}
