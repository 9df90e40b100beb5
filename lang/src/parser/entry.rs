//! What is typed at a prompt: a script, or statements that would stand in the body of a probe.
//!
//! Statements are read as the body of a `begin` probe around them, whose frame has no place in the text: positions are
//! those of what was typed. Whether a text is complete is told by the same lexer and parser that read it.

use super::{Parse, parse_at};
use crate::c::Headers;
use crate::diag::Diagnostic;
use crate::highlight::{Class, highlight};
use crate::lexer::{is_script, string};
use crate::outline::{self, outline};
use crate::span::Span;
use std::borrow::Cow;

/// How an entry is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Probes and definitions.
    Script,
    /// Statements, or a lone expression.
    Statements,
}

/// Stands before statements, and must be no longer than what comes before the first entry's source.
pub(crate) const FRAME: &str = "begin{";

/// So much room there must be before the source of statements.
pub const FRAME_ROOM: u32 = FRAME.len() as u32;

impl Kind {
    /// What a text is, by how it begins.
    pub fn of(text: &str) -> Self {
        if is_script(text) { Self::Script } else { Self::Statements }
    }
}

/// An entry as a script would have it: an import is over with its line, and need not be ended by a semicolon.
pub fn ended(text: &str) -> Cow<'_, str> {
    let imports = outline(text).into_iter().filter(|item| item.kind == outline::Kind::Import);
    let mut ends = imports.filter_map(|item| open_end(text, item.range.start)).peekable();
    if ends.peek().is_none() {
        return text.into();
    }
    let (mut ended, mut at) = (String::new(), 0);
    for end in ends {
        ended += &text[at..end];
        ended.push(';');
        at = end;
    }
    (ended + &text[at..]).into()
}

/// Where the import that begins here ends, if it has no semicolon and only comments stand behind it on its line.
fn open_end(text: &str, start: usize) -> Option<usize> {
    let open = start + text[start..].find('"')? + 1;
    let string::Ending::Quote(length) = string::end(&text.as_bytes()[open..]) else { return None };
    let end = open + length + 1;
    let rest = &text[end..];
    (is_nothing(&rest[..line_end(rest)]) && !behind_comments(rest).starts_with(';')).then_some(end)
}

/// A text without the comments and blanks that it begins with.
fn behind_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        rest = match rest.get(..2) {
            Some("//") => &rest[line_end(rest)..],
            Some("/*") => rest.find("*/").map_or("", |end| &rest[end + 2..]),
            _ => return rest,
        }
        .trim_start();
    }
}

/// Reads statements that begin at the position `base`, as the body of a `begin` probe.
pub fn parse_statements(text: &str, base: u32, headers: &dyn Headers) -> Parse {
    // On a line of its own, so that no comment hides the end.
    let mut parsed = parse_at(&format!("{FRAME}{text}\n}}"), base.saturating_sub(FRAME_ROOM), headers);
    let end = base + text.trim_end().len() as u32;
    // What is about the whole probe is about what was typed.
    for probe in &mut parsed.script.probes {
        probe.span = Span::new(base, end);
        probe.points.iter_mut().for_each(|point| point.span = Span::new(base, end));
    }
    for told in parsed.diagnostics.iter_mut().filter(|told| told.span.start > end) {
        // Nobody has typed the bracket that was found there.
        told.span = Span::new(end, end);
        told.title = told.title.replace(", found `}`", "");
        told.label.clear();
    }
    parsed
}

/// Whether a text is the beginning of something: more of it could make it right.
pub fn needs_more(text: &str, headers: &dyn Headers) -> bool {
    // No text begins at 0, where an empty one would be told of.
    const BASE: u32 = FRAME_ROOM;
    if continues_directive(text) {
        return true;
    }
    match Kind::of(text) {
        Kind::Script => parse_at(&ended(text), BASE, headers).is_incomplete(),
        Kind::Statements => {
            let whole = parse_statements(text, BASE, headers);
            // With its frame closed, a bracket that is not closed is told of with its place, and what else is cut short
            // as something that is wrong. In an open frame the last sign is one that more text could replace; here that
            // is one of ours.
            let at =
                |span: Span| text.get(span.start.saturating_sub(BASE) as usize..span.end.saturating_sub(BASE) as usize);
            let opens =
                |told: &Diagnostic| told.related.iter().any(|label| matches!(at(label.span), Some("(" | "[" | "{")));
            let mut errors = whole.diagnostics.iter().filter(|told| told.is_error()).peekable();
            errors.peek().is_some()
                && (errors.any(opens) || parse_at(&format!("{FRAME}{text}\n;"), BASE, headers).is_incomplete())
        }
    }
}

/// Whether a text ends in a directive whose last line has a backslash at its end.
fn continues_directive(text: &str) -> bool {
    let mut lines = text.split('\n').rev();
    let ends_open = |line: &str| line.ends_with('\\');
    let Some(last) = lines.next().filter(|last| ends_open(last)) else { return false };
    let first = lines.take_while(|line| ends_open(line)).last().unwrap_or(last);
    first.trim_start().starts_with('#')
}

/// The entries of a text that came all at once, in order, each as it is written: probes and definitions that follow one
/// another are one entry, as in a script; statements are one as long as each is ended; a line that begins with a colon is
/// one by itself.
pub fn split<'a>(text: &'a str, headers: &dyn Headers) -> Vec<&'a str> {
    /// What an entry is, and for statements whether the last one is ended.
    #[derive(Clone, Copy)]
    enum Piece {
        Command,
        Script,
        Statements { is_ended: bool },
    }
    let mut entries: Vec<(Piece, usize, usize)> = Vec::new();
    // Comments belong to what follows them.
    let (mut start, mut comments) = (0, None);
    while start < text.len() {
        let rest = &text[start..];
        let blank = rest.len() - rest.trim_start().len();
        let is_command = rest[blank..].starts_with(':') && !rest[blank..].starts_with("::");
        let length = if is_command { blank + line_end(&rest[blank..]) } else { entry_length(rest, headers) };
        let (entry, end) = (&rest[..length], start + length);
        let begun = comments.take().filter(|_| !is_command).unwrap_or(start);
        start = end;
        let piece = match Kind::of(entry) {
            _ if is_command => Piece::Command,
            _ if is_nothing(entry) => {
                comments = Some(begun);
                continue;
            }
            Kind::Script => Piece::Script,
            Kind::Statements => Piece::Statements { is_ended: entry.trim_end().ends_with([';', '}']) },
        };
        match entries.last_mut() {
            Some((Piece::Script, _, last)) if matches!(piece, Piece::Script) => *last = end,
            Some((before @ Piece::Statements { is_ended: true }, _, last))
                if matches!(piece, Piece::Statements { .. }) =>
            {
                (*before, *last) = (piece, end);
            }
            _ => entries.push((piece, begun, end)),
        }
    }
    entries.into_iter().map(|(_, start, end)| text[start..end].trim_matches(['\n', '\r'])).collect()
}

/// The length of the line that a text begins with, its end included.
fn line_end(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

/// Whether a text is only comments and blanks.
fn is_nothing(text: &str) -> bool {
    let highlighted = highlight(text);
    let comments = highlighted.parts.iter().filter(|(_, class)| *class == Class::Comment);
    let comments: Vec<_> = comments.map(|(range, _)| range.clone()).collect();
    let mut others = text.char_indices().filter(|(_, letter)| !letter.is_whitespace());
    // The line that names the interpreter says that a script follows.
    !text.contains("#!") && others.all(|(at, _)| comments.iter().any(|range| range.contains(&at)))
}

/// How many bytes the entry has that a text begins with: whole lines, as few as are complete.
fn entry_length(text: &str, headers: &dyn Headers) -> usize {
    let mut length = 0;
    let mut brackets = Brackets::default();
    while length < text.len() {
        let line = line_end(&text[length..]);
        brackets.read(&text[length..length + line]);
        length += line;
        let entry = &text[..length];
        let goes_on = text[length..]
            .trim_start()
            .strip_prefix("else")
            .is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_'));
        // Parsing all that there is after each line of a long one would take far too long.
        if !brackets.are_open() && !goes_on && !needs_more(entry.trim_end(), headers) {
            return length;
        }
    }
    length
}

/// Brackets as they meet the eye, comments and texts left out: enough to know where it is of no use to ask.
#[derive(Default)]
struct Brackets {
    depth: usize,
    in_comment: bool,
}

impl Brackets {
    /// Reads one more line.
    fn read(&mut self, line: &str) {
        let mut rest = line;
        loop {
            if self.in_comment {
                let Some(end) = rest.find("*/") else { return };
                rest = &rest[end + 2..];
                self.in_comment = false;
            }
            let Some(at) = rest.find(['(', '[', '{', ')', ']', '}', '"', '/']) else { return };
            let found = &rest[at..];
            let mut used = 1;
            match found.as_bytes().first() {
                Some(b'(' | b'[' | b'{') => self.depth += 1,
                Some(b')' | b']' | b'}') => self.depth = self.depth.saturating_sub(1),
                Some(b'"') => {
                    used += match string::end(&found.as_bytes()[1..]) {
                        string::Ending::Quote(length) => length + 1,
                        string::Ending::LineBreak(length) => length,
                        string::Ending::Input => found.len() - 1,
                    };
                }
                _ if found.starts_with("//") => return,
                _ if found.starts_with("/*") => {
                    self.in_comment = true;
                    used = 2;
                }
                _ => {}
            }
            rest = &found[used..];
        }
    }

    fn are_open(&self) -> bool {
        self.depth > 0 || self.in_comment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c::NoHeaders;
    use crate::span::{Source, SourceMap};

    #[test]
    fn how_an_entry_begins_says_what_it_is() {
        for text in [
            "kprobe:f { }",
            "begin { }",
            "// why\nk:vfs_*, kprobe:g / pid == 1 / { }",
            "#define X 1",
            "struct a { int b; };",
            "macro f(a) { a }",
            "config = { max_strlen=5 }",
            "import \"x.rt\";",
            "let @a = lruhash(10);",
            "enum e { A }",
            "BEGIN",
            "interval:s:1 { print(@) }",
            "*:x { }",
            "mine=kprobe:f { }",
        ] {
            assert_eq!(Kind::of(text), Kind::Script, "{text}");
        }
        for text in [
            "@",
            "@x = 1",
            "1 << 20",
            "pid ? 1 : 2",
            "pid?pid:tid",
            "print(@x, 5)",
            "let $x = 1; print($x)",
            "if (pid) { }",
            "config.max_strlen",
            "(1, 2)",
            "*(uint8 *)0",
            "AF_INET::X",
            "nsecs / 5",
            "a=b",
            "a==b ? c : d",
            "",
        ] {
            assert_eq!(Kind::of(text), Kind::Statements, "{text}");
        }
    }

    #[test]
    fn what_is_cut_short_needs_more() {
        let more = [
            "kprobe:f {",
            "kprobe:f",
            "print(1",
            "1 +",
            "if (1) {",
            "/* a",
            "if (1) { print(1) } else",
            "#define A \\",
            "#define A \\\n(1) + \\",
            "import",
        ];
        for text in more {
            assert!(needs_more(text, &NoHeaders), "{text}");
        }
        let whole = [
            "kprobe:f { }",
            "print(1)",
            "1 + 2 // and so on",
            "foo bar",
            "1 }",
            "kprobe:f { } }",
            "@x = ;",
            "",
            ")",
            "\"abc",
            "#define A \\\n1",
            "1 // \\",
            "import \"x.rt\"",
        ];
        for text in whole {
            assert!(!needs_more(text, &NoHeaders), "{text}");
        }
    }

    #[test]
    fn an_import_that_ends_its_line_needs_no_semicolon() {
        assert_eq!(ended("import \"a\\\"b\" // why; not\n"), "import \"a\\\"b\"; // why; not\n");
        assert_eq!(ended("import \"a\"; import \"b\""), "import \"a\"; import \"b\";");
        assert_eq!(
            ended("import \"a\" /* ;\n */\nimport \"b\"\nbegin { }"),
            "import \"a\"; /* ;\n */\nimport \"b\";\nbegin { }"
        );
        for same in [
            "import \"a\";",
            "import",
            "import \"a",
            "import \"a\" begin { }",
            "import \"a\" b",
            "import \"a\" // b\n;",
            "@x = \"import\"",
            "",
        ] {
            assert_eq!(ended(same), same);
        }
    }

    #[test]
    fn a_text_is_split_into_its_entries() {
        let text = "#!/usr/bin/env rtrace\n// what it does\n\nconfig = { max_map_keys=5 }\n\nkprobe:f,\nkprobe:g\n{\n  \
                    @ = 1;\n\n  // }\n  printf(\"{\");\n}\n\n// values\n@x = 1\n@y = 2;\nprint(@y); /* {\n */\n1 +\n2\n\
                    // show\n:maps\n  :off 1\nif (1) {\n}\nelse {\n}\nkprobe:h < @ = 1\n>\n#define A \\\n  5\n\n";
        let entries: Vec<String> = split(text, &NoHeaders).into_iter().map(|entry| entry.replace('\n', "|")).collect();
        assert_eq!(
            entries,
            [
                "#!/usr/bin/env rtrace|// what it does||config = { max_map_keys=5 }||kprobe:f,|kprobe:g|{|  @ = 1;||  // }|  \
                 printf(\"{\");|}",
                "// values|@x = 1",
                "@y = 2;|print(@y); /* {| */",
                "1 +|2",
                ":maps",
                "  :off 1",
                "if (1) {|}|else {|}",
                "kprobe:h < @ = 1|>|#define A \\|  5",
            ]
        );
        for none in ["", "\n\n", "// only\n", "/* a\n b */\n"] {
            assert_eq!(split(none, &NoHeaders), Vec::<&str>::new(), "{none}");
        }
        // What is never whole is one entry.
        assert_eq!(split("kprobe:f {\n:maps\n1\n", &NoHeaders), ["kprobe:f {\n:maps\n1"]);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let mut sources = SourceMap::new(Source::new("session", "          "));
        let source = sources.add(Source::new("#1", "@x = ; print(1)")).expect("there is room").clone();
        let parsed = parse_statements(source.text(), source.base(), &NoHeaders);
        let [told] = &parsed.diagnostics[..] else { panic!("{:?}", parsed.diagnostics) };
        assert_eq!((source.slice(told.span), sources.of(told.span).name()), (";", "#1"));
        let call = parsed.script.probes[0].body.stmts.last().expect("it is whole").span;
        assert_eq!(source.slice(call), "print(1)");
        let probe = &parsed.script.probes[0];
        assert_eq!([probe.span, probe.points[0].span].map(|span| source.slice(span)), ["@x = ; print(1)"; 2]);
        for text in ["print(1", "1 +  "] {
            let parsed = parse_statements(text, 100, &NoHeaders);
            let end = 100 + text.trim_end().len() as u32;
            assert_eq!(parsed.diagnostics[0].span, Span::new(end, end), "{:?}", parsed.diagnostics);
            assert!(!parsed.diagnostics[0].title.contains('}'), "{:?}", parsed.diagnostics);
        }
    }
}
