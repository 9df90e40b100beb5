//! What a script consists of, by its text alone: where each item begins and ends, comments left out.
//!
//! For those who move items about and want to keep them as somebody has written them.

use crate::lexer;
use std::ops::Range;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `config = { ... }`
    Config,
    /// `import "path";`
    Import,
    /// `macro name(...) { ... }`
    Macro,
    /// `let @name = kind(entries);`
    Map,
    /// A directive or a definition of C.
    C,
    /// Attach points, condition and body.
    Probe,
}

/// An item of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Where it is in the text, with the semicolon that ends it.
    pub range: Range<usize>,
}

/// The items of a script that has no errors, in their order.
pub fn outline(text: &str) -> Vec<Item> {
    let ranges = lexer::item_ranges(text).into_iter();
    let items = ranges.map(|range| {
        let word = text[range.clone()].split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        // A name of a probe may begin like an item; what follows it is not the same.
        let rest = text[range.clone()].strip_prefix(word).unwrap_or_default();
        let kind = match word {
            _ if text[range.clone()].starts_with('#') => Kind::C,
            _ if rest.starts_with([':', '_']) || rest.starts_with(|letter: char| letter.is_ascii_digit()) => {
                Kind::Probe
            }
            "config" => Kind::Config,
            "import" => Kind::Import,
            "macro" => Kind::Macro,
            "let" => Kind::Map,
            "struct" | "union" | "enum" | "typedef" => Kind::C,
            _ => Kind::Probe,
        };
        Item { kind, range }
    });
    items.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_with_what_ends_them() {
        let text = "#!/usr/bin/rtrace\n// a\nimport \"a.rt\";\nconfig = { max_strlen=5 }\n#define X \\\n  5\n\
                    struct a { int b; };\nlet @m = hash(5);\nmacro f(a) { a } // behind\n\
                    kprobe:f, kprobe:g / pid == X / { print(1) } begin < print(2) >\n/* end */";
        let found: Vec<(Kind, &str)> =
            outline(text).iter().map(|item| (item.kind, &text[item.range.clone()])).collect();
        let expected = [
            (Kind::Import, "import \"a.rt\";"),
            (Kind::Config, "config = { max_strlen=5 }"),
            (Kind::C, "#define X \\\n  5"),
            (Kind::C, "struct a { int b; };"),
            (Kind::Map, "let @m = hash(5);"),
            (Kind::Macro, "macro f(a) { a }"),
            (Kind::Probe, "kprobe:f, kprobe:g / pid == X / { print(1) }"),
            (Kind::Probe, "begin < print(2) >"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn anything_has_an_outline() {
        for text in ["", "}", "config", "struct", "let", "{ } ; 1 + #", "kprobe:f {", "let @m = hash(5)", "\"é"] {
            assert!(outline(text).iter().all(|item| text.get(item.range.clone()).is_some()), "{text}");
        }
    }
}
