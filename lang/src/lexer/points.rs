//! Attach-point text: `uprobe:/bin/bash:readline+0x10`.
//!
//! Parts are separated by colons. A part that begins with `/`, `.` or `~` is a path, in which a slash is a slash; in
//! every other part a slash opens the predicate. The part after the name of a user-space provider is a path whatever it
//! begins with. Quotes make anything ordinary.

use super::{Lexer, Token, string};
use crate::diag::Diagnostic;

/// Whether a path follows the provider of this name.
fn takes_path(provider: &str) -> bool {
    matches!(crate::probes::without_name(provider), "uprobe" | "u" | "uretprobe" | "ur" | "usdt" | "U" | "cgroup_skb")
}

impl<'a> Lexer<'a> {
    /// Reads the text of one attach point, up to a blank or to what must follow it. Empty if there is none here.
    pub(super) fn point(&mut self) -> &'a str {
        let start = self.pos;
        let mut in_path = false;
        let mut part_starts = true;
        while !self.at_end() {
            let byte = self.peek(0);
            match byte {
                b'/' | b'.' | b'~' if part_starts => in_path = true,
                b'/' if !in_path => break,
                b'{' | b'<' | b'>' | b',' | b'}' | b'(' | b')' | b';' => break,
                b'#' if part_starts => break,
                _ if byte.is_ascii_whitespace() => break,
                b'"' => {
                    self.quoted_part();
                    part_starts = false;
                    continue;
                }
                _ => {}
            }
            part_starts = byte == b':';
            in_path &= !part_starts;
            in_path |= part_starts && takes_path(&self.text[start..self.pos]);
            self.step();
        }
        let text = &self.text[start..self.pos];
        if !text.is_empty() {
            self.push(Token::Point(text), start);
        }
        text
    }

    /// Steps over a quoted part.
    fn quoted_part(&mut self) {
        let start = self.pos;
        self.pos += 1;
        match string::end(&self.bytes[self.pos..]) {
            string::Ending::Quote(length) => self.pos += length + 1,
            string::Ending::LineBreak(length) => {
                self.pos += length;
                let span = self.span_from(start);
                self.report(Diagnostic::error(span, "this quote is not closed on its line"));
            }
            string::Ending::Input => {
                self.pos = self.bytes.len();
                let span = self.span_from(start);
                self.report(Diagnostic::error(span, "this quote is not closed").at_end_of_input());
            }
        }
    }
}
