//! What is typed at a prompt: a script, or statements that would stand in the body of a probe.
//!
//! Statements are read as the body of a `begin` probe around them, whose frame has no place in the text: positions are
//! those of what was typed. Whether a text is complete is told by the same lexer and parser that read it.

use super::{Parse, parse_at};
use crate::c::Headers;
use crate::diag::Diagnostic;
use crate::lexer::is_script;
use crate::span::Span;

/// How an entry is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Probes and definitions.
    Script,
    /// Statements, or a lone expression.
    Statements,
}

/// Stands before statements, and must be no longer than what comes before the first entry's source.
const FRAME: &str = "begin{";

/// So much room there must be before the source of statements.
pub const FRAME_ROOM: u32 = FRAME.len() as u32;

impl Kind {
    /// What a text is, by how it begins.
    pub fn of(text: &str) -> Self {
        if is_script(text) { Self::Script } else { Self::Statements }
    }
}

/// Reads statements that begin at the position `base`, as the body of a `begin` probe.
pub fn parse_statements(text: &str, base: u32, headers: &dyn Headers) -> Parse {
    // On a line of its own, so that no comment hides the end.
    let mut parsed = parse_at(&format!("{FRAME}{text}\n}}"), base.saturating_sub(FRAME_ROOM), headers);
    let end = base + text.trim_end().len() as u32;
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
    match Kind::of(text) {
        Kind::Script => parse_at(text, BASE, headers).is_incomplete(),
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
            "",
        ] {
            assert_eq!(Kind::of(text), Kind::Statements, "{text}");
        }
    }

    #[test]
    fn what_is_cut_short_needs_more() {
        let more = ["kprobe:f {", "kprobe:f", "print(1", "1 +", "if (1) {", "/* a", "if (1) { print(1) } else"];
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
        ];
        for text in whole {
            assert!(!needs_more(text, &NoHeaders), "{text}");
        }
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
        for text in ["print(1", "1 +  "] {
            let parsed = parse_statements(text, 100, &NoHeaders);
            let end = 100 + text.trim_end().len() as u32;
            assert_eq!(parsed.diagnostics[0].span, Span::new(end, end), "{:?}", parsed.diagnostics);
            assert!(!parsed.diagnostics[0].title.contains('}'), "{:?}", parsed.diagnostics);
        }
    }
}
