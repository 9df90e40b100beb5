//! The stack of open brackets, and what happens when they do not match.
//!
//! A closing bracket closes everything down to its opener; what it passes over was not closed, and the innermost of
//! these is told of. A closing bracket without opener is told of and dropped. Round and square brackets never reach
//! over a block: `;` ends them too.

use super::{Lexer, MAX_BRACKETS, Sym, Token};
use crate::diag::Diagnostic;
use crate::span::Span;

/// The kinds of bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Paren,
    Square,
    Brace,
    Angle,
    Predicate,
}

impl Kind {
    pub(super) fn opener(self) -> Sym {
        match self {
            Kind::Paren => Sym::OpenParen,
            Kind::Square => Sym::OpenSquare,
            Kind::Brace => Sym::OpenBrace,
            Kind::Angle => Sym::OpenAngle,
            Kind::Predicate => Sym::OpenPredicate,
        }
    }

    pub(super) fn closer(self) -> Sym {
        match self {
            Kind::Paren => Sym::CloseParen,
            Kind::Square => Sym::CloseSquare,
            Kind::Brace => Sym::CloseBrace,
            Kind::Angle => Sym::CloseAngle,
            Kind::Predicate => Sym::ClosePredicate,
        }
    }

    /// What the bracket encloses, after "to close this".
    fn what(self) -> &'static str {
        match self {
            Kind::Paren => "parenthesis",
            Kind::Square => "bracket",
            Kind::Brace | Kind::Angle => "block",
            Kind::Predicate => "predicate",
        }
    }

    fn is_block(self) -> bool {
        matches!(self, Kind::Brace | Kind::Angle)
    }
}

/// An open bracket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// For an angle block: a greater-than in it was told of already.
    pub(super) greater_told: bool,
    /// For a parenthesis: it belongs to `for`, so `;` may stand in it.
    pub(super) of_for: bool,
    /// `if` stands directly in it, so a block may as well.
    pub(super) holds_if: bool,
}

impl Lexer<'_> {
    pub(super) fn innermost(&self) -> Option<Kind> {
        self.stack.last().map(|open| open.kind)
    }

    pub(super) fn holds(&self, kind: Kind) -> bool {
        self.stack.iter().any(|open| open.kind == kind)
    }

    /// Pushes the bracket at `start..pos`.
    pub(super) fn open(&mut self, kind: Kind, start: usize) {
        let span = self.span_from(start);
        if self.stack.len() >= MAX_BRACKETS {
            self.report(
                Diagnostic::error(span, format!("brackets are nested more than {MAX_BRACKETS} deep"))
                    .with_help("split the expression or the blocks into simpler ones"),
            );
            self.too_deep = true;
            return;
        }
        let of_for = kind == Kind::Paren && matches!(self.tokens.last(), Some((Token::Ident("for"), _)));
        self.push(Token::Sym(kind.opener()), start);
        self.stack.push(Open { kind, span, greater_told: false, of_for, holds_if: false });
    }

    /// Handles the closing bracket at `start..pos`.
    pub(super) fn close(&mut self, kind: Kind, start: usize) {
        let span = self.span_from(start);
        let reach =
            self.stack.iter().rposition(|open| open.kind == kind || (open.kind.is_block() && kind != Kind::Brace));
        match reach {
            Some(at) if self.stack[at].kind == kind => {
                self.close_above(at + 1, span, kind.closer().text());
                self.stack.pop();
                self.push(Token::Sym(kind.closer()), start);
            }
            _ if kind == Kind::Brace && self.holds(Kind::Angle) && self.peek_after_trivia() != b'>' => {
                self.mismatched_angle(span, start);
            }
            _ if kind == Kind::Brace && self.holds(Kind::Predicate) => self.end_without_body(span),
            _ => self.stray(span, kind.closer()),
        }
    }

    /// `}` in a predicate: the `{` before it was forgotten, and with it the end of the predicate was not seen.
    fn end_without_body(&mut self, span: Span) {
        if let Some(open) = self.stack.first().copied() {
            self.report(
                Diagnostic::error(span, "expected `{` before this `}`")
                    .with_related(open.span, "after this predicate")
                    .with_help("a probe with a predicate is written kprobe:f /pid == 1/ { ... }"),
            );
        }
        self.close_silently(0);
        self.push_missing(Sym::OpenBrace);
        self.push_missing(Sym::CloseBrace);
    }

    /// Closes what is open above `depth`, telling of the innermost one.
    pub(super) fn close_above(&mut self, depth: usize, at: Span, found: &str) {
        if let Some(open) = self.stack.get(depth..).and_then(|above| above.last()).copied() {
            self.report(unclosed(open, at).with_label(format!("found `{found}`")));
        }
        self.close_silently(depth);
    }

    /// Closes what is open above `depth` with tokens that are not in the text.
    pub(super) fn close_silently(&mut self, depth: usize) {
        while self.stack.len() > depth {
            if let Some(open) = self.stack.pop() {
                self.push_missing(open.kind.closer());
            }
        }
    }

    /// The input ended with brackets open.
    pub(super) fn close_at_end_of_input(&mut self) {
        let Some(open) = self.stack.last().copied() else { return };
        // A greater-than that was told of may well be the `>` that is missing now.
        let greater_told = self.stack.iter().any(|open| open.greater_told);
        if !greater_told && !self.diagnostics.iter().any(|d| d.incomplete) {
            let mut diagnostic = unclosed(open, self.end_of_input()).at_end_of_input();
            let ends_in_greater = matches!(self.tokens.last(), Some((Token::Sym(Sym::Greater), _)));
            if open.kind == Kind::Brace && ends_in_greater && self.stack.len() == 1 {
                diagnostic = diagnostic.with_help("a block opened by `{` is closed by `}`, not by `>`");
            }
            self.report(diagnostic);
        }
        self.close_silently(0);
    }

    /// `;` ends parentheses and square brackets that are still open.
    pub(super) fn close_before_semicolon(&mut self, at: Span) {
        let block = self.stack.iter().rposition(|open| !matches!(open.kind, Kind::Paren | Kind::Square));
        let depth = block.map_or(0, |at| at + 1);
        if self.stack.get(depth).is_some_and(|open| open.of_for) {
            return;
        }
        self.close_above(depth, at, ";");
    }

    /// `}` where the block was opened by `<`: it was meant to close it.
    fn mismatched_angle(&mut self, span: Span, start: usize) {
        if let Some(open) = self.stack.first().copied() {
            self.close_silently(1);
            self.report(
                Diagnostic::error(span, "this block was opened by `<`, so `>` closes it")
                    .with_related(open.span, "opened here"),
            );
            self.stack.clear();
            self.push(Token::Sym(Sym::CloseAngle), start);
        }
    }

    pub(super) fn stray(&mut self, span: Span, closer: Sym) {
        if !self.stray_closers_told {
            self.report(Diagnostic::error(span, format!("this `{}` closes nothing", closer.text())));
        }
    }
}

/// The error about `open`, which should be closed at `at`.
pub(super) fn unclosed(open: Open, at: Span) -> Diagnostic {
    let title = format!("expected `{}` to close this {}", open.kind.closer().text(), open.kind.what());
    Diagnostic::error(at, title).with_related(open.span, "opened here")
}
