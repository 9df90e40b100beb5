//! Where a definition of C ends that stands in a script.
//!
//! A `struct` ends with its braces and their attributes, its `;` may be missing; a `typedef` ends with `;`. Directives
//! may stand inside.

use super::declare;
use super::lex::{Kind, Reader, Tok};
use super::preprocess::Preprocessor;
use crate::diag::Diagnostic;
use crate::span::Span;

impl<'a> Preprocessor<'a> {
    /// Reads the definition at `start` of the script; gives where it ends.
    pub(crate) fn script_item(&mut self, text: &'a str, start: usize) -> usize {
        let mut reader = Reader::of_script(text, start);
        let mut pending = Vec::new();
        let mut tokens = Vec::new();
        let end = self.item_tokens(text, &mut reader, &mut pending, &mut tokens);
        tokens.extend(self.expanded(pending));
        match end {
            Ok(()) => {
                let found = declare::declarations(&tokens, false, &mut self.declarations);
                self.diagnostics.extend(found);
            }
            Err(diagnostic) => self.report(diagnostic),
        }
        reader.pos
    }

    fn item_tokens(
        &mut self,
        text: &'a str,
        reader: &mut Reader<'a>,
        pending: &mut Vec<Tok<'a>>,
        out: &mut Vec<Tok<'a>>,
    ) -> Result<(), Diagnostic> {
        let mut open: Vec<Span> = Vec::new();
        let mut is_typedef = false;
        let mut closed = false;
        loop {
            if let Some(at) = reader.open_comment() {
                let span = Span::new(at as u32, at as u32 + 2);
                reader.pos = text.len();
                return Err(Diagnostic::error(span, "this comment is not closed by `*/`").at_end_of_input());
            }
            let Some(token) = reader.peek_token() else {
                let end = text.trim_end().len() as u32;
                let end = Span::new(end, end);
                reader.pos = text.len();
                return match open.last() {
                    Some(span) => Err(Diagnostic::error(end, "expected `}` to close this definition")
                        .with_related(*span, "opened here")
                        .at_end_of_input()),
                    None if closed && !is_typedef => Ok(()),
                    None => Err(Diagnostic::error(end, "expected `;`").at_end_of_input()),
                };
            };
            if token.starts_line && token.is("#") {
                let mut line = reader.clone();
                line.next();
                if let Some(end) = self.directive_within(text, line.pos, pending, out) {
                    *reader = Reader::of_script(text, end);
                    continue;
                }
            }
            if open.is_empty() && self.ends_before(&token, is_typedef, closed, reader) {
                return match closed && !is_typedef {
                    true => Ok(()),
                    false => Err(Diagnostic::error(token.span, format!("expected `;`, found `{}`", token.text))),
                };
            }
            reader.next();
            if token.kind == Kind::Punct {
                match token.text {
                    "(" | "[" | "{" => open.push(token.span),
                    ")" | "]" | "}" => {
                        open.pop();
                        closed |= open.is_empty() && token.text == "}";
                    }
                    _ => {}
                }
            }
            is_typedef |= token.is("typedef");
            let ends = open.is_empty() && token.is(";");
            pending.push(token);
            if ends {
                return Ok(());
            }
        }
    }

    /// Obeys a directive inside of a definition: what stands before it means what it meant there.
    fn directive_within(
        &mut self,
        text: &'a str,
        pos: usize,
        pending: &mut Vec<Tok<'a>>,
        out: &mut Vec<Tok<'a>>,
    ) -> Option<usize> {
        out.extend(self.expanded(std::mem::take(pending)));
        let end = self.script_directive(text, pos)?;
        Some(if self.is_active() { end } else { self.skip_inactive(text, end) })
    }

    /// Whether the definition ends before `token`, which stands outside of brackets.
    fn ends_before(&mut self, token: &Tok<'a>, is_typedef: bool, closed: bool, reader: &Reader<'a>) -> bool {
        if closed && !is_typedef {
            let is_attribute =
                token.text.starts_with("__attribute") || token.text == "__packed" || self.defines(token.text);
            let of_attribute = token.is("(") && reader.last_word_is_attribute();
            return !(is_attribute || of_attribute || token.is(";"));
        }
        let stops = ["}", ")", "]", "/", "@", "$", "<", ">", "#"];
        (token.kind == Kind::Punct && stops.contains(&token.text))
            || (closed && token.is("{"))
            || token.kind == Kind::Str
    }
}
