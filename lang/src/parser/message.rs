//! From an error of the parser to words for people.

use super::Text;
use super::error::{Expect, Expected, ParseError};
use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use crate::span::Span;

/// What a `for` can go through.
const FOR_LOOPS: &str = "a loop goes through numbers or a map: for ($i : 0..10) { }, for ($kv : @map) { }";

/// The tokens around an error.
struct Place<'t, 'a> {
    text: Text<'a>,
    tokens: &'t [(Token<'a>, Span)],
    /// Index of the token that was not expected.
    at: usize,
}

/// What to say of `error`; nothing if the lexer has said it already.
pub(super) fn explain(error: ParseError, text: Text<'_>, tokens: &[(Token<'_>, Span)]) -> Option<Diagnostic> {
    if let Some(told) = error.told {
        return Some(*told);
    }
    let at = tokens.partition_point(|(_, span)| span.start < error.span.start);
    // Tokens that the lexer added share their place with the one behind them.
    let at = (at..tokens.len()).find(|&i| tokens[i].1 == error.span).unwrap_or(at);
    let place = Place { text, tokens, at };
    let (found, span) = *tokens.get(at)?;
    let added = span.start == span.end;
    if added || found == Token::Bad || place.before(1) == Some(Token::Bad) {
        return None;
    }
    let diagnostic = place.common_mistake(error.expected, found).unwrap_or_else(|| {
        let expected = list(error.expected);
        // Only the heads of `if`, loops and `unroll` are followed by a brace and nothing else.
        let help = (expected == "`{`").then(|| "statements that belong together stand in braces: { ... }".to_owned());
        Diagnostic::error(span, format!("expected {expected}, found {}", describe(found))).with_maybe_help(help)
    });
    Some(diagnostic)
}

impl<'a> Place<'_, 'a> {
    fn before(&self, count: usize) -> Option<Token<'a>> {
        self.at.checked_sub(count).map(|i| self.tokens[i].0)
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// Mistakes that deserve a message of their own.
    fn common_mistake(&self, expected: Expected, found: Token<'a>) -> Option<Diagnostic> {
        use Sym::*;
        let span = self.span();
        let before = self.before(1);
        match (before, found) {
            (_, Token::Sym(CloseAngle)) if !expected.has(Semicolon) || expected.expects(Expect::Statement) => {
                let opener = self.opener(OpenAngle, CloseAngle)?;
                Some(crate::lexer::greater_closes(span, opener).with_label(format!("expected {}", list(expected))))
            }
            (_, Token::Ident("else")) if expected == Expected::default() => {
                Some(Diagnostic::error(span, "`else` after the last `else`"))
            }
            (Some(Token::Sym(OpenParen)), _) if self.before(2) == Some(Token::Ident("for")) => Some(
                Diagnostic::error(span, format!("expected a variable such as `$x`, found {}", describe(found)))
                    .with_help(FOR_LOOPS),
            ),
            (Some(Token::Var(_)), _) if self.heads_loop() => {
                Some(Diagnostic::error(span, format!("expected `:`, found {}", describe(found))).with_help(FOR_LOOPS))
            }
            (Some(Token::Ident("else")), _) => {
                Some(Diagnostic::error(span, format!("expected `{{` or `if` after `else`, found {}", describe(found))))
            }
            (Some(Token::Ident(name)), Token::Str(_)) if expected.has(OpenParen) => Some(
                Diagnostic::error(span, format!("expected `(` after `{name}`, found a string"))
                    .with_help(format!("the arguments of a function stand in parentheses: {name}(...)")),
            ),
            (Some(Token::Map(name)), Token::Sym(OpenBrace)) => Some(
                Diagnostic::error(span, format!("expected `[` after `@{name}`, found `{{`"))
                    .with_help(format!("the key of a map stands in square brackets: @{name}[pid]")),
            ),
            (_, Token::Sym(Plus)) if expected.expects(Expect::Expression) => {
                let title = "expected an expression, found `+`";
                Some(Diagnostic::error(span, title).with_help("there is no sign +; leave it out"))
            }
            (Some(before), _) if before.ends_operand() && expected.has(Semicolon) && self.on_new_line() => {
                let last = self.tokens[self.at - 1].1;
                Some(Diagnostic::error(last, "expected `;` after this statement"))
            }
            (_, Token::Sym(Assign)) if expected.has(Semicolon) => {
                Some(Diagnostic::error(span, "expected `;`, found `=`").with_help("a statement assigns once"))
            }
            _ => None,
        }
    }

    /// Whether a line break stands before the unexpected token.
    fn on_new_line(&self) -> bool {
        let (_, last) = self.tokens[self.at - 1];
        self.text.between(last.end, self.span().start).is_some_and(|between| between.contains('\n'))
    }

    /// Whether the token before the unexpected one is the first in the head of a `for`.
    fn heads_loop(&self) -> bool {
        match self.before(2) {
            Some(Token::Sym(Sym::OpenParen)) => self.before(3) == Some(Token::Ident("for")),
            before => before == Some(Token::Ident("for")),
        }
    }

    /// The bracket that the unexpected token closes.
    fn opener(&self, open: Sym, close: Sym) -> Option<Span> {
        let mut depth = 0usize;
        for (token, span) in self.tokens[..self.at].iter().rev() {
            if *token == Token::Sym(close) {
                depth += 1;
            } else if *token == Token::Sym(open) {
                match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => return Some(*span),
                }
            }
        }
        None
    }
}

/// What was expected, as a list of at most a few things: where an operator could stand as well, only what ends the
/// expression is worth telling.
fn list(expected: Expected) -> String {
    use Sym::*;
    let mut names: Vec<String> = Vec::new();
    let larger = Expect::ALL.into_iter().filter(|what| expected.expects(*what));
    names.extend(larger.map(|what| what.text().to_owned()));
    let ends = [Semicolon, CloseParen, CloseSquare, Comma, Colon, OpenBrace, ClosePredicate, OpenParen];
    let begins_expression = expected.expects(Expect::Expression) || expected.expects(Expect::Statement);
    for sym in ends {
        // Any expression may begin with an opening bracket, and a call could begin after any name.
        let noise = match sym {
            OpenBrace => begins_expression,
            OpenParen => !names.is_empty(),
            _ => false,
        };
        if expected.has(sym) && !noise {
            names.push(format!("`{}`", sym.text()));
        }
    }
    if names.is_empty() {
        names.extend(Sym::ALL.iter().filter(|sym| expected.has(**sym)).map(|sym| format!("`{}`", sym.text())));
    }
    match names.split_last() {
        None => "something else".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// A token as people call it.
fn describe(token: Token<'_>) -> String {
    match token {
        Token::Point(text) => format!("the probe `{text}`"),
        Token::Ident(name) => format!("`{name}`"),
        Token::Var(name) => format!("`${name}`"),
        Token::Map(name) => format!("`@{name}`"),
        Token::Param(0) => "`$#`".to_owned(),
        Token::Param(number) => format!("`${number}`"),
        Token::Int(..) => "a number".to_owned(),
        Token::Address(_) => "an address".to_owned(),
        Token::Str(_) => "a string".to_owned(),
        Token::Sym(sym) => format!("`{}`", sym.text()),
        Token::Bad => "an error".to_owned(),
    }
}
