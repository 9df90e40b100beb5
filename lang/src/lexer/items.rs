//! Items that are no probes and whose insides are ordinary tokens: `config`, `import`, `let @map`.
//!
//! The frame of an item is made sure of here: its first word, the signs around its insides, and a `;` at its end, which
//! is added where the language asks for none. An item whose frame is broken is told of and leaves only that.

use super::brackets::Kind;
use super::{Lexer, Sym, Token, is_word_start};
use crate::diag::Diagnostic;
use crate::span::Span;

/// A part of an item's frame.
#[derive(Clone, Copy)]
enum Part {
    /// The first word of the item, which is known to be there.
    Keyword,
    /// A bare word.
    Word,
    /// `@name`
    Map,
    /// Text in quotes.
    Str,
    /// This sign.
    Sign(Sym),
    /// Brackets and all within.
    Group(Kind),
    /// `;`, which may be left out.
    MaybeEnd,
}

/// The frame of the item that begins with `word`.
fn frame(word: &str) -> Option<&'static [Part]> {
    use Part::*;
    Some(match word {
        "config" => &[Keyword, Sign(Sym::Assign), Group(Kind::Brace)],
        "import" => &[Keyword, Str, Sign(Sym::Semicolon)],
        "let" => &[Keyword, Map, Sign(Sym::Assign), Word, Group(Kind::Paren), MaybeEnd],
        _ => return None,
    })
}

impl Lexer<'_> {
    /// Reads the item that begins with `word` at `pos`. False, and nothing read, if there is no such item here.
    pub(super) fn framed_item(&mut self, word: &str) -> bool {
        let Some(frame) = frame(word) else { return false };
        self.stray_closers_told = false;
        self.brace_close = None;
        self.angle_close = None;
        let tokens = self.tokens.len();
        for part in frame {
            self.skip_trivia();
            if !self.begins(*part) {
                self.broken_frame(*part, word);
                self.tokens.truncate(tokens);
                // So that what is told of this item does not count as told of the next.
                self.push(Token::Sym(Sym::Semicolon), self.pos);
                return true;
            }
            match part {
                Part::MaybeEnd if self.peek(0) != b';' => {}
                Part::Group(kind) => {
                    let start = self.pos;
                    self.pos += 1;
                    self.open(*kind, start);
                    self.inside();
                }
                _ => self.token(),
            }
        }
        if !matches!(self.tokens.last(), Some((Token::Sym(Sym::Semicolon), _))) {
            self.push_missing(Sym::Semicolon);
        }
        true
    }

    fn begins(&self, part: Part) -> bool {
        match part {
            Part::Keyword | Part::MaybeEnd => true,
            Part::Word => is_word_start(self.peek(0)),
            Part::Map => self.peek(0) == b'@',
            Part::Str => self.peek(0) == b'"',
            Part::Sign(sym) => Sym::longest(&self.bytes[self.pos..]) == Some(sym),
            Part::Group(kind) => self.bytes[self.pos..].starts_with(kind.opener().text().as_bytes()),
        }
    }

    /// Tells that `part` is missing, and steps over the rest of the item.
    fn broken_frame(&mut self, part: Part, word: &str) {
        let expected = match part {
            Part::Keyword | Part::Word => "the kind of the map, such as `hash`".to_owned(),
            Part::Map => "a map such as `@name`".to_owned(),
            Part::Str => "a path in quotes".to_owned(),
            Part::Sign(sym) => format!("`{}`", sym.text()),
            Part::Group(kind) => format!("`{}`", kind.opener().text()),
            Part::MaybeEnd => "`;`".to_owned(),
        };
        let help = match word {
            "config" => "a config block looks like this: config = { max_map_keys=1000; }",
            "import" => "an import looks like this: import \"lib.bt\";",
            _ => "root-level let statements need to be map declarations, e.g. let @a = hash(2);",
        };
        let incomplete = self.at_end();
        let start = self.pos;
        let is_end = matches!(part, Part::Sign(Sym::Semicolon));
        let diagnostic = if is_end {
            // What follows is another item, and most likely a good one.
            let told = Diagnostic::error(self.behind_last(), "expected `;` after this import");
            if incomplete { told.at_end_of_input() } else { told }
        } else if incomplete {
            Diagnostic::error(self.end_of_input(), format!("expected {expected}")).at_end_of_input()
        } else {
            self.step();
            let found = self.text[start..self.pos].escape_debug().to_string();
            let span = self.span_from(start);
            self.pos = start;
            self.skip_item();
            Diagnostic::error(span, format!("expected {expected}, found `{found}`"))
        };
        self.report(diagnostic.with_help(help));
    }

    /// The gap behind the last token.
    fn behind_last(&self) -> Span {
        self.tokens.last().map_or_else(|| self.end_of_input(), |(_, span)| Span::new(span.end, span.end))
    }
}
