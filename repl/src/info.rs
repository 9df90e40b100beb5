//! `--info`: what this kernel can do for tracing, and what this process may.
//!
//! Everything is found out first, as sections of rows ([`facts`]); a row is shown in both forms, text and JSON, so that
//! neither has what the other has not. The keys of the JSON form are an interface: they stay.

mod facts;

use crate::report::Reporter;
use crate::run::Failed;
use runtime::output::json::write_string;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Instant;

/// Prints it, as JSON or for people.
pub fn print(as_json: bool, reporter: &Reporter) -> Result<u8, Failed> {
    let begun = Instant::now();
    let sections = facts::find();
    let taken = begun.elapsed().as_micros() as u64;
    let text = if as_json { json(&sections, taken) } else { text(&sections, taken) };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            reporter.plain(&format!("cannot write: {error}"), None);
            Err(Failed)
        }
        _ => Ok(0),
    }
}

/// Facts of one subject.
struct Section {
    /// As JSON names it.
    key: &'static str,
    title: &'static str,
    rows: Vec<Row>,
}

/// One fact.
struct Row {
    /// As JSON names it.
    key: &'static str,
    /// As people read it.
    label: &'static str,
    value: Value,
    /// What follows from it, for people.
    note: &'static str,
}

/// What was found out.
enum Value {
    YesNo(bool),
    Number(u64),
    Text(String),
    /// The kinds of program for which it is so, of as many as were asked about.
    Kinds(Vec<&'static str>, usize),
    /// It is not there.
    Absent(&'static str),
    /// It could not be found out.
    Unknown,
}

impl Row {
    fn new(key: &'static str, value: Value) -> Row {
        Row { key, label: key, value, note: "" }
    }

    fn labelled(self, label: &'static str) -> Row {
        Row { label, ..self }
    }

    fn noted(self, note: &'static str) -> Row {
        Row { note, ..self }
    }
}

impl From<Option<bool>> for Value {
    fn from(known: Option<bool>) -> Value {
        known.map_or(Value::Unknown, Value::YesNo)
    }
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Value::YesNo(true) => "yes".to_owned(),
            Value::YesNo(false) => "no".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Kinds(kinds, _) if kinds.is_empty() => "no".to_owned(),
            Value::Kinds(kinds, asked) if kinds.len() == *asked => "yes".to_owned(),
            Value::Kinds(kinds, _) => format!("yes (in {})", kinds.join(", ")),
            Value::Absent(text) => (*text).to_owned(),
            Value::Unknown => "unknown".to_owned(),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::YesNo(yes) => out.extend_from_slice(yes.to_string().as_bytes()),
            Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Text(text) => write_string(out, text.as_bytes()),
            Value::Kinds(kinds, _) => {
                let mut before = b"[".as_slice();
                for kind in kinds {
                    out.extend_from_slice(before);
                    write_string(out, kind.as_bytes());
                    before = b", ";
                }
                out.extend_from_slice(if kinds.is_empty() { b"[]" } else { b"]" });
            }
            Value::Absent(_) | Value::Unknown => out.extend_from_slice(b"null"),
        }
    }
}

/// Whether some of it could not be found out.
fn is_complete(sections: &[Section]) -> bool {
    !sections.iter().flat_map(|section| &section.rows).any(|row| matches!(row.value, Value::Unknown))
}

fn text(sections: &[Section], microseconds: u64) -> String {
    let mut text = String::new();
    for section in sections {
        let _ = writeln!(text, "{}", section.title);
        rows(&mut text, &section.rows);
        text.push('\n');
    }
    if !is_complete(sections) {
        text += "What is unknown the kernel does not tell this process: ask as root.\n";
    }
    let _ = writeln!(text, "Found out in {:.1} ms.", microseconds as f64 / 1000.0);
    text
}

/// Writes rows, two on a line where they are short.
fn rows(text: &mut String, rows: &[Row]) {
    const WIDTH: usize = 33;
    let mut first: Option<String> = None;
    for row in rows {
        let mut cell = format!("{}: {}", row.label, row.value.shown());
        if !row.note.is_empty() {
            let _ = write!(cell, "  ({})", row.note);
        }
        let is_short = cell.len() < WIDTH && matches!(row.value, Value::YesNo(_) | Value::Kinds(..) | Value::Unknown);
        match first.take() {
            Some(left) if is_short => _ = writeln!(text, "  {left:WIDTH$}{cell}"),
            None if is_short => first = Some(cell),
            left => left.into_iter().chain([cell]).for_each(|cell| _ = writeln!(text, "  {cell}")),
        }
    }
    if let Some(left) = first {
        let _ = writeln!(text, "  {left}");
    }
}

fn json(sections: &[Section], microseconds: u64) -> String {
    let mut out = b"{\"type\": \"info\", \"data\": {".to_vec();
    for section in sections {
        let _ = write!(out, "\"{}\": {{", section.key);
        let mut before = "";
        for row in &section.rows {
            let _ = write!(out, "{before}\"{}\": ", row.key);
            row.value.write_json(&mut out);
            before = ", ";
        }
        out.extend_from_slice(b"}, ");
    }
    let _ = writeln!(out, "\"complete\": {}, \"microseconds\": {microseconds}}}}}", is_complete(sections));
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        let rows = vec![
            Row::new("a", Value::YesNo(true)),
            Row::new("b", Value::Kinds(vec!["kprobe"], 2)),
            Row::new("c", Value::Kinds(vec!["kprobe", "iter"], 2)).labelled("long c"),
            Row::new("d", Value::Text("a \"text\"".to_owned())),
            Row::new("e", Value::Absent("not mounted")).noted("so what"),
            Row::new("f", Value::Kinds(vec![], 2)),
        ];
        vec![Section { key: "one", title: "The one", rows }]
    }

    #[test]
    fn both_forms_tell_the_same() {
        let expected = "The one\n  a: yes                           b: yes (in kprobe)\n  long c: yes\n  \
                        d: a \"text\"\n  e: not mounted  (so what)\n  f: no\n\nFound out in 1.5 ms.\n";
        assert_eq!(text(&sections(), 1500), expected);
        let expected = r#"{"type": "info", "data": {"one": {"a": true, "b": ["kprobe"], "c": ["kprobe", "iter"], "d": "a \"text\"", "e": null, "f": []}, "complete": true, "microseconds": 1500}}"#;
        assert_eq!(json(&sections(), 1500).trim_end(), expected);
    }

    #[test]
    fn what_is_unknown_is_told() {
        let mut sections = sections();
        sections[0].rows.push(Row::new("g", Value::from(None)));
        assert!(
            text(&sections, 0).contains("  f: no                            g: unknown\n"),
            "{}",
            text(&sections, 0)
        );
        assert!(text(&sections, 0).contains("ask as root"));
        assert!(json(&sections, 0).contains(r#""g": null}, "complete": false"#));
    }

    #[test]
    fn keys_are_all_different() {
        let sections = facts::find();
        for section in &sections {
            let mut keys: Vec<&str> = section.rows.iter().map(|row| row.key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), section.rows.len(), "{}", section.key);
        }
    }
}
