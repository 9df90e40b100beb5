//! Scripts in one layout, for `rtrace --fmt`: two blanks a level, one statement a line, a probe's brace on its own line.
//!
//! Only blanks, line breaks and semicolons change: a statement gets the semicolon it lacks, a block loses the one it
//! needs not. Every comment stays, and so do the author's line breaks within a statement, and one blank line where there
//! were several. What is no token (`#include`, C definitions) is copied.
//!
//! The tokens are written one after another. What the tree knows and a token alone does not (is `*` a product, a type or
//! a pointer's target; does `}` end a statement) is gathered beforehand in [`roles`]; what stands between tokens is read
//! by [`trivia`].

mod roles;
mod trivia;

use crate::c::{Texts, Unread};
use crate::diag::Diagnostic;
use crate::lexer::{self, Sym, Token};
use crate::parser;
use roles::Roles;
use trivia::Piece;

/// Blanks for each level.
const INDENT: usize = 2;

/// A script in its layout, or what is wrong with it.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let parsed = parser::parse_at(text, 0, &Unread);
    if parsed.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(parsed.diagnostics);
    }
    let texts = Texts::default();
    let lexed = lexer::lex(text, &texts, &Unread);
    let mut tokens: Vec<Piece<'_>> = Vec::with_capacity(lexed.tokens.len());
    for (token, span) in &lexed.tokens {
        let (start, end) = (span.start as usize, span.end as usize);
        match tokens.last_mut() {
            // All that a #define stands for has the place of its name, which is written once.
            Some(last) if start < end && (last.start, last.end) == (start, end) => {
                last.token = Token::Ident(&text[start..end]);
            }
            _ => tokens.push(Piece { token: *token, start, end }),
        }
    }
    let roles = Roles::of(&parsed.script, text, &tokens);
    let mut writer =
        Writer { text, tokens: &tokens, roles: &roles, out: String::new(), open: Vec::new(), line_indent: 0 };
    writer.all();
    let formatted = writer.out;
    if !same_tokens(text, &formatted) {
        let title = "this script cannot be laid out without changing what it says";
        let help = "most likely a #define stands for something that is not a whole expression";
        return Err(vec![Diagnostic::error(Default::default(), title).with_help(help)]);
    }
    Ok(formatted)
}

/// Whether two texts say the same but for semicolons.
fn same_tokens(before: &str, after: &str) -> bool {
    let (texts, more_texts) = (Texts::default(), Texts::default());
    let before = lexer::lex(before, &texts, &Unread);
    let after = lexer::lex(after, &more_texts, &Unread);
    let counts = |token: &Token<'_>| *token != Token::Sym(Sym::Semicolon);
    let before = before.tokens.iter().map(|(token, _)| *token).filter(counts);
    before.eq(after.tokens.iter().map(|(token, _)| *token).filter(counts))
}

/// An open bracket.
#[derive(Clone, Copy)]
enum Open {
    /// A block whose statements stand on lines of their own, indented by this much.
    Block { indent: usize },
    /// A block on one line.
    Inline,
    /// A bracket: where a line within it begins.
    Bracket { column: usize, hanging: bool },
}

/// What stands between two tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    Nothing,
    Blank,
    /// A new line whatever the author wrote.
    Line,
}

struct Writer<'t, 'a> {
    text: &'a str,
    tokens: &'t [Piece<'a>],
    roles: &'t Roles,
    out: String,
    open: Vec<Open>,
    /// Blanks before the line that is being written.
    line_indent: usize,
}

impl<'a> Writer<'_, 'a> {
    fn all(&mut self) {
        let mut previous: Option<usize> = None;
        let mut from = 0;
        let mut between = Vec::new();
        for (i, token) in self.tokens.iter().enumerate() {
            between.extend(trivia::read(&self.text[from..token.start]));
            from = token.end;
            if self.roles.dropped.contains(&i) {
                continue;
            }
            self.between(previous, Some(i), &between);
            between.clear();
            self.write(i);
            previous = Some(i);
        }
        between.extend(trivia::read(&self.text[from..]));
        self.between(previous, None, &between);
        let length = self.out.trim_end().len();
        self.out.truncate(length);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn source(&self, i: usize) -> &'a str {
        &self.text[self.tokens[i].start..self.tokens[i].end]
    }

    fn sym(&self, i: usize) -> Option<Sym> {
        match self.tokens[i].token {
            Token::Sym(sym) => Some(sym),
            _ => None,
        }
    }

    /// Writes a token, and the semicolon it lacks.
    fn write(&mut self, i: usize) {
        self.out.push_str(self.source(i));
        match self.sym(i) {
            Some(Sym::OpenBrace | Sym::OpenAngle) => {
                let around = match self.open.last() {
                    Some(Open::Block { indent }) => *indent,
                    Some(_) => self.line_indent,
                    None => 0,
                };
                let inline = self.roles.inline.contains(&i);
                self.open.push(if inline { Open::Inline } else { Open::Block { indent: around + INDENT } });
            }
            Some(sym @ (Sym::OpenParen | Sym::OpenSquare | Sym::OpenPredicate)) => {
                let hanging = sym != Sym::OpenPredicate && self.breaks_after(i);
                let column = match hanging {
                    true => self.line_indent + INDENT,
                    false => self.column(),
                };
                self.open.push(Open::Bracket { column, hanging });
            }
            Some(Sym::CloseBrace | Sym::CloseAngle | Sym::CloseParen | Sym::CloseSquare | Sym::ClosePredicate) => {
                self.open.pop();
            }
            _ => {}
        }
        if self.roles.unended.contains(&i) {
            self.out.push(';');
        }
    }

    /// Whether the author began a new line behind this token.
    fn breaks_after(&self, i: usize) -> bool {
        let next = self.tokens.get(i + 1).map_or(self.text.len(), |next| next.start);
        trivia::read(&self.text[self.tokens[i].end..next]).iter().any(trivia::Trivia::is_line)
    }

    fn column(&self) -> usize {
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.out[line..].chars().count()
    }

    /// Writes what stands between two tokens.
    fn between(&mut self, previous: Option<usize>, next: Option<usize>, found: &[trivia::Trivia<'a>]) {
        use trivia::Trivia::*;
        let gap = self.gap(previous, next);
        let mut lines = 0;
        // A comment was written that ends its line.
        let mut ended = false;
        let mut written = false;
        for piece in found {
            match piece {
                Lines(count) => lines += count,
                Comment(text) | Block(text) | Copied(text) => {
                    let beginning = self.out.is_empty();
                    // Behind something on its line, unless a line break stands before it.
                    let own_line = lines > 0 || ended || matches!(piece, Copied(_));
                    if !beginning && own_line {
                        self.line(lines > 1, self.comment_indent(next, gap));
                    } else if !beginning && !self.out.ends_with([' ', '\n']) && !self.glued_comment(previous) {
                        self.out.push(' ');
                    }
                    self.out.push_str(text.trim_end());
                    written = true;
                    ended = !matches!(piece, Block(_));
                    lines = 0;
                }
            }
        }
        let Some(next) = next else { return };
        if self.out.is_empty() {
            return;
        }
        match gap {
            Gap::Line => self.line(lines > 1 && !self.closes_block(next), self.indent_of(next)),
            _ if ended || (lines > 0 && (written || self.may_break(previous, next, gap))) => {
                self.line(false, self.continuation(next));
            }
            Gap::Blank => self.out.push(' '),
            Gap::Nothing if written && !self.closes(next) => self.out.push(' '),
            Gap::Nothing => {}
        }
    }

    /// Ends the line and begins one that is indented.
    fn line(&mut self, blank: bool, indent: usize) {
        let length = self.out.trim_end_matches(' ').len();
        self.out.truncate(length);
        self.out.push_str(if blank { "\n\n" } else { "\n" });
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.line_indent = indent;
    }

    /// Where a comment on its own line begins.
    fn comment_indent(&self, next: Option<usize>, gap: Gap) -> usize {
        match (next, gap) {
            (None, _) => 0,
            (Some(next), Gap::Line) if !self.closes_block(next) => self.indent_of(next),
            (Some(next), Gap::Line) => self.indent_of(next) + INDENT,
            (Some(next), _) => self.continuation(next),
        }
    }

    /// A block comment right behind an opening bracket needs no blank.
    fn glued_comment(&self, previous: Option<usize>) -> bool {
        previous.and_then(|i| self.sym(i)).is_some_and(|sym| matches!(sym, Sym::OpenParen | Sym::OpenSquare))
    }

    /// Whether no blank stands before this token even behind a comment.
    fn closes(&self, i: usize) -> bool {
        use Sym::*;
        matches!(self.sym(i), Some(CloseParen | CloseSquare | Comma | Semicolon | ClosePredicate))
    }

    fn closes_block(&self, i: usize) -> bool {
        matches!(self.sym(i), Some(Sym::CloseBrace | Sym::CloseAngle))
            && matches!(self.open.last(), Some(Open::Block { .. }))
    }

    /// Where a line begins that begins with this token.
    fn indent_of(&self, next: usize) -> usize {
        match self.open.last() {
            Some(Open::Block { indent }) if self.closes_block(next) => indent - INDENT,
            Some(Open::Block { indent }) => *indent,
            Some(Open::Bracket { column, .. }) => *column,
            Some(Open::Inline) => self.line_indent,
            None => 0,
        }
    }

    /// Where a line begins that goes on with a statement.
    fn continuation(&self, next: usize) -> usize {
        let closes = matches!(self.sym(next), Some(Sym::CloseParen | Sym::CloseSquare));
        match self.open.last() {
            Some(Open::Bracket { column, hanging: true }) if closes => column - INDENT,
            Some(Open::Bracket { column, .. }) => *column,
            Some(Open::Block { indent }) if self.closes_block(next) => indent - INDENT,
            Some(Open::Block { indent }) if self.sym(next) == Some(Sym::OpenBrace) => *indent,
            Some(Open::Block { indent }) => indent + 2 * INDENT,
            Some(Open::Inline) => self.line_indent + INDENT,
            None => 0,
        }
    }

    /// Whether a line break of the author's stays.
    fn may_break(&self, previous: Option<usize>, next: usize, gap: Gap) -> bool {
        let Some(previous) = previous else { return false };
        let bracket = matches!(self.open.last(), Some(Open::Bracket { .. }));
        let hanging = matches!(self.open.last(), Some(Open::Bracket { hanging: true, .. }));
        match (self.sym(previous), self.sym(next)) {
            (_, Some(Sym::CloseParen | Sym::CloseSquare)) => hanging,
            (Some(Sym::OpenParen | Sym::OpenSquare), _) => hanging,
            (_, Some(Sym::OpenBrace)) => bracket && gap == Gap::Blank,
            (Some(Sym::CloseBrace), _) if self.tokens[next].token == Token::Ident("else") => false,
            _ => gap == Gap::Blank && !self.roles.heads.contains(&previous),
        }
    }

    /// What stands between two tokens if nothing special stands there.
    fn gap(&self, previous: Option<usize>, next: Option<usize>) -> Gap {
        use Sym::*;
        let (Some(before), Some(after)) = (previous, next) else { return Gap::Line };
        if self.roles.begins_line.contains(&after) || self.roles.ends_line.contains(&before) {
            return Gap::Line;
        }
        let in_block = matches!(self.open.last(), Some(Open::Block { .. }) | None);
        let (left, right) = (self.sym(before), self.sym(after));
        match (left, right) {
            (Some(OpenBrace | OpenAngle), Some(CloseBrace | CloseAngle)) if !self.roles.bodies.contains(&before) => {
                return Gap::Nothing;
            }
            (Some(OpenBrace | OpenAngle), _) if in_block => return Gap::Line,
            (_, Some(CloseBrace | CloseAngle)) if in_block => return Gap::Line,
            (Some(Semicolon), _) if in_block => return Gap::Line,
            _ => {}
        }
        if self.roles.glued_after.contains(&before) {
            return self.unless_one_word(before, after);
        }
        match (left, right) {
            (_, Some(CloseParen | CloseSquare | Comma | Semicolon | ClosePredicate)) => Gap::Nothing,
            (Some(OpenParen | OpenSquare), _) => Gap::Nothing,
            // `/*` begins a comment.
            (Some(OpenPredicate), _) => match self.source(after).starts_with(['*', '/']) {
                true => Gap::Blank,
                false => Gap::Nothing,
            },
            (_, Some(Dot | Arrow | DotDot)) | (Some(Dot | Arrow | DotDot), _) => Gap::Nothing,
            (Some(Question), Some(Colon)) => Gap::Nothing,
            (_, Some(OpenParen)) if self.calls(before) => Gap::Nothing,
            (_, Some(OpenSquare)) if self.tokens[before].token.ends_operand() => Gap::Nothing,
            _ if self.roles.glued_before.contains(&after) => self.unless_one_word(before, after),
            _ => Gap::Blank,
        }
    }

    /// Nothing, unless the two tokens would become one.
    fn unless_one_word(&self, before: usize, after: usize) -> Gap {
        let last = self.source(before).bytes().last();
        match last.is_some_and(|last| b"+-&".contains(&last) && self.source(after).bytes().next() == Some(last)) {
            true => Gap::Blank,
            false => Gap::Nothing,
        }
    }

    /// Whether `(` behind this token belongs to it.
    fn calls(&self, i: usize) -> bool {
        match self.tokens[i].token {
            Token::Ident(word) => !matches!(
                word,
                "if" | "else" | "while" | "for" | "unroll" | "return" | "comptime" | "in" | "import" | "macro"
            ),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
