//! What chumsky carries about while it looks for a way through: a place and a set of what was expected there.
//!
//! Most of these errors are thrown away, so they are small: the set is one number with a bit for each symbol and each
//! larger thing. Errors with a message of their own carry a finished diagnostic. [`super::message`] turns the few that
//! remain into words.

use super::input::Tokens;
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use crate::span::Span;
use chumsky::DefaultExpected;
use chumsky::error::{Error, LabelError};
use chumsky::util::MaybeRef;

/// What may be expected besides symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Expression,
    Statement,
    Type,
    Variable,
    Name,
    Probe,
    Operator,
}

impl Expect {
    pub(super) const ALL: [Expect; 7] = [
        Expect::Expression,
        Expect::Statement,
        Expect::Type,
        Expect::Variable,
        Expect::Name,
        Expect::Probe,
        Expect::Operator,
    ];

    /// With its article.
    pub(super) fn text(self) -> &'static str {
        match self {
            Expect::Expression => "an expression",
            Expect::Statement => "a statement",
            Expect::Type => "a type",
            Expect::Variable => "a variable such as `$x`",
            Expect::Name => "a name",
            Expect::Probe => "a probe",
            Expect::Operator => "an operator",
        }
    }
}

/// A set of [`Sym`] and [`Expect`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected(u128);

impl Expected {
    pub(super) fn has(self, sym: Sym) -> bool {
        self.0 & (1 << sym as u32) != 0
    }

    pub(super) fn expects(self, what: Expect) -> bool {
        self.0 & Self::of(what).0 != 0
    }

    fn of(what: Expect) -> Self {
        Self(1 << (127 - what as u32))
    }
}

/// A place where parsing could not go on.
#[derive(Clone, Debug)]
pub(super) struct ParseError {
    pub(super) span: Span,
    pub(super) expected: Expected,
    /// Says it all, if present.
    pub(super) told: Option<Box<Diagnostic>>,
}

impl ParseError {
    /// An error that says nothing but the place.
    pub(super) fn at(span: Span) -> Self {
        Self { span, expected: Expected::default(), told: None }
    }
}

impl From<Diagnostic> for ParseError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { span: diagnostic.span, expected: Expected::default(), told: Some(Box::new(diagnostic)) }
    }
}

impl<'a> Error<'a, Tokens<'a>> for ParseError {
    fn merge(mut self, other: Self) -> Self {
        self.expected.0 |= other.expected.0;
        self.told = self.told.or(other.told);
        self
    }
}

impl<'a> LabelError<'a, Tokens<'a>, DefaultExpected<'a, Token<'a>>> for ParseError {
    fn expected_found<E: IntoIterator<Item = DefaultExpected<'a, Token<'a>>>>(
        expected: E,
        _found: Option<MaybeRef<'a, Token<'a>>>,
        span: Span,
    ) -> Self {
        let bits = expected.into_iter().map(|expected| match expected {
            DefaultExpected::Token(token) => match *token {
                Token::Sym(sym) => 1 << sym as u32,
                _ => 0,
            },
            _ => 0,
        });
        Self { span, expected: Expected(bits.fold(0, |all, bit| all | bit)), told: None }
    }
}

impl<'a> LabelError<'a, Tokens<'a>, Expect> for ParseError {
    fn expected_found<E: IntoIterator<Item = Expect>>(
        expected: E,
        _found: Option<MaybeRef<'a, Token<'a>>>,
        span: Span,
    ) -> Self {
        let bits = expected.into_iter().fold(0, |all, what| all | Expected::of(what).0);
        Self { span, expected: Expected(bits), told: None }
    }

    fn label_with(&mut self, label: Expect) {
        self.expected = Expected::of(label);
    }
}
