//! What is C's in a script: directives, definitions, and macros where they are used.
//!
//! What a macro becomes is read as a text of its own, so its brackets are balanced by themselves; its tokens all have the
//! place of the macro's use, from its name to the end of its arguments.

use super::{Lexer, Sym, Token};
use crate::builtins::builtin;
use crate::c::tree::Declarations;
use crate::diag::Diagnostic;
use crate::functions::function;
use crate::span::Span;

impl<'a> Lexer<'a> {
    /// `#include`, `#define` and the like; anything else after `#` was meant as a comment.
    pub(super) fn directive(&mut self) {
        let start = self.pos;
        self.angle_close = None;
        let Some(preprocessor) = &mut self.preprocessor else { return self.skip_line() };
        match preprocessor.script_directive(self.text, start + 1) {
            Some(end) => {
                let active = preprocessor.is_active();
                self.pos = if active { end } else { preprocessor.skip_inactive(self.text, end) };
                self.take_diagnostics();
                self.keep_c(start);
            }
            None => {
                let hash = Span::new(start as u32, start as u32 + 1);
                self.report(Diagnostic::error(hash, "unexpected `#`").with_help("comments begin with //"));
                self.skip_line();
            }
        }
    }

    /// `struct`, `union`, `enum` or `typedef`.
    pub(super) fn definition(&mut self) {
        self.angle_close = None;
        let start = self.pos;
        if let Some(preprocessor) = &mut self.preprocessor {
            self.pos = preprocessor.script_item(self.text, self.pos);
            self.take_diagnostics();
            self.keep_c(start);
            // In C it has to be there.
            if !self.c.ends_with(";\n") {
                self.c.insert(self.c.len() - 1, ';');
            }
        }
    }

    /// Keeps what has been read since `start` for the entries of a session that follow.
    fn keep_c(&mut self, start: usize) {
        self.c += self.text.get(start..self.pos).unwrap_or_default().trim_end();
        self.c.push('\n');
    }

    /// At the end of the script.
    pub(super) fn end_preprocessing(&mut self) -> Declarations {
        let Some(mut preprocessor) = self.preprocessor.take() else { return Declarations::default() };
        preprocessor.finish();
        self.diagnostics.append(&mut preprocessor.diagnostics);
        preprocessor.declarations
    }

    fn take_diagnostics(&mut self) {
        if let Some(preprocessor) = &mut self.preprocessor {
            self.diagnostics.append(&mut preprocessor.diagnostics);
        }
    }

    /// Puts what the word from `start` to `pos` stands for in its place; false if it is no macro.
    pub(super) fn expand_macro(&mut self, start: usize) -> bool {
        let word = &self.text[start..self.pos];
        let is_member = matches!(self.tokens.last(), Some((Token::Sym(Sym::Dot | Sym::Arrow), _)));
        if is_member || self.means_itself(word) {
            return false;
        }
        let Some(preprocessor) = &mut self.preprocessor else { return false };
        let found = preprocessor.script_use(self.text, start, self.pos);
        let told = !preprocessor.diagnostics.is_empty();
        self.take_diagnostics();
        let Some(found) = found else {
            if told {
                self.tokens.push((Token::Bad, self.span_from(start)));
            }
            return told;
        };
        self.pos = found.end;
        let span = self.span_from(start);
        let mut inner = Lexer::over(found.text);
        inner.everything();
        if let Some(first) = inner.diagnostics.into_iter().next() {
            let title = format!("in what the macro `{word}` becomes: {}", first.title);
            self.report(Diagnostic::error(span, title).with_maybe_help(first.help));
        }
        self.too_deep |= inner.too_deep;
        self.tokens.extend(inner.tokens.into_iter().map(|(token, _)| (token, span)));
        true
    }

    /// Reads all of the text as the inside of a body.
    pub(super) fn everything(&mut self) {
        loop {
            self.skip_trivia();
            if self.at_end() || self.too_deep {
                return;
            }
            self.token();
            self.inside();
        }
    }

    /// Whether a word of the language stands there, which no macro changes.
    fn means_itself(&mut self, word: &str) -> bool {
        const KEYWORDS: &[&str] = &[
            "if", "else", "while", "for", "unroll", "let", "return", "break", "continue", "struct", "union", "enum",
            "sizeof", "offsetof", "typeof", "typeinfo", "args", "true", "false",
        ];
        KEYWORDS.contains(&word)
            || builtin(word).is_some()
            || (self.peek_after_trivia() == b'(' && function(word).is_some())
    }
}
