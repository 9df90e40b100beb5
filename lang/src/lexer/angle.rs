//! Blocks in angle brackets, and the mistake they invite.
//!
//! In `kprobe:f < @x = $a > 3 >` the first `>` closes the block. What follows then cannot be a probe, and that shows
//! what was meant. The lexer goes back to that `>`, tells of it once, and reads on with a greater-than in its place, so
//! that the rest of the script is understood as its author meant it. Each `>` is gone back to at most once and the text
//! is read twice at most.
//!
//! The opposite mistake, a `>` that should close a block opened by `{`, shows only at the end of the input, when the
//! brace turns out to be open and the `>` to stand before something that begins a probe.

use super::brackets::{Kind, Open};
use super::{Lexer, Sym, Token, is_lone_probe, is_word, is_word_start};
use crate::diag::Diagnostic;
use crate::span::Span;

/// How to get back to a `>` that closed a block.
pub(super) struct AngleClose {
    open: Open,
    span: Span,
    tokens: usize,
    diagnostics: usize,
    /// The probe after it, if any, has a name that could as well be a word of an expression.
    suspect: bool,
}

/// How to get back to a `>` that may have been meant to close a brace block.
pub(super) struct BraceClose {
    open: Open,
    span: Span,
    tokens: usize,
    diagnostics: usize,
}

/// What a `>` that was gone back to makes people write instead.
pub(crate) const GREATER_HELP: &str = "write a greater-than inside < > in parentheses: (arg0 > 5)";
pub(crate) const GREATER_TITLE: &str = "this `>` closes the `<` block";

impl Lexer<'_> {
    /// Handles `>` directly inside an angle block: it closes it.
    pub(super) fn close_angle(&mut self, start: usize) {
        if let Some(open) = self.stack.pop() {
            let span = self.span_from(start);
            let (tokens, diagnostics) = (self.tokens.len(), self.diagnostics.len());
            self.angle_close = Some(AngleClose { open, span, tokens, diagnostics, suspect: true });
            self.push(Token::Sym(Sym::CloseAngle), start);
        }
    }

    /// Whether the text at `pos`, right after an angle block, can only continue an expression.
    pub(super) fn continues_expression(&mut self) -> bool {
        match self.peek(0) {
            b'0'..=b'9' | b'$' | b'@' | b'(' | b'"' | b'-' | b'!' | b'~' | b'\'' => true,
            byte if is_word_start(byte) => self.word_continues_expression(),
            _ => false,
        }
    }

    /// The same for a word: the name of a probe has a colon, or is followed by what follows a probe's name.
    fn word_continues_expression(&mut self) -> bool {
        let start = self.pos;
        let word = self.word();
        let colon = self.peek(0) == b':';
        let next = self.peek_after_trivia();
        let after = self.peek(0);
        self.pos = start;
        let follows_probe = matches!(next, 0 | b'{' | b'<' | b',' | b'/' | b':');
        // `name=kprobe:f`, and words such as `cache-misses`.
        let longer_name = matches!(after, b'=' | b'*' | b'-');
        !(colon || follows_probe || longer_name || is_lone_probe(word) || super::script::is_item_word(word))
    }

    /// Remembers whether the probe that follows the angle block could be part of an expression after all.
    pub(super) fn judge_point_after_angle(&mut self, point: &str) {
        if let Some(close) = &mut self.angle_close {
            close.suspect &= !point.contains(':') && !is_lone_probe(point);
        }
    }

    /// Goes back to the `>` that closed the last angle block and reads on with a greater-than in its place. False if
    /// there is no such `>`, or it did close its block.
    pub(super) fn reread_as_greater(&mut self) -> bool {
        let Some(close) = self.angle_close.take_if(|close| close.suspect) else { return false };
        self.tokens.truncate(close.tokens);
        self.diagnostics.truncate(close.diagnostics);
        self.pos = close.span.end as usize;
        let mut open = close.open;
        if !open.greater_told {
            open.greater_told = true;
            self.report(greater_closes(close.span, open.span));
        }
        self.stack.push(open);
        self.tokens.push((Token::Sym(Sym::Greater), close.span));
        true
    }

    /// Remembers the `>` before `pos` if it may have been meant to close the brace block around it.
    pub(super) fn note_greater_in_braces(&mut self, span: Span) {
        let [open] = self.stack[..] else { return };
        if open.kind != Kind::Brace || self.brace_close.is_some() || !self.probe_follows() {
            return;
        }
        let (tokens, diagnostics) = (self.tokens.len() - 1, self.diagnostics.len());
        self.brace_close = Some(BraceClose { open, span, tokens, diagnostics });
    }

    /// Whether the text after `pos` begins like a probe.
    fn probe_follows(&mut self) -> bool {
        let (start, told) = (self.pos, self.diagnostics.len());
        self.skip_trivia();
        let word = self.word();
        let colon = self.peek(0) == b':' && (is_word(self.peek(1)) || matches!(self.peek(1), b'/' | b'.' | b'*'));
        let found = !word.is_empty() && (colon || is_lone_probe(word));
        self.pos = start;
        self.diagnostics.truncate(told);
        found
    }

    /// At the end of the input with a brace open: goes back to the `>` that was meant to close it, if there is one.
    pub(super) fn reread_as_brace_close(&mut self) -> bool {
        let Some(close) = self.brace_close.take() else { return false };
        self.tokens.truncate(close.tokens);
        self.diagnostics.truncate(close.diagnostics);
        self.pos = close.span.end as usize;
        self.stack.clear();
        self.report(
            Diagnostic::error(close.span, "this block was opened by `{`, so `}` closes it")
                .with_related(close.open.span, "opened here"),
        );
        self.tokens.push((Token::Sym(Sym::CloseBrace), close.span));
        true
    }
}

/// The error about a `>` that closes a block its author did not mean to end.
pub(crate) fn greater_closes(greater: Span, opener: Span) -> Diagnostic {
    Diagnostic::error(greater, GREATER_TITLE).with_related(opener, "the block opens here").with_help(GREATER_HELP)
}
