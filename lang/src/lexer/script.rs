//! What stands outside of bodies: attach points, predicates, and the items that are no probes.

use super::brackets::Kind;
use super::{Lexer, Sym, Token, is_word_start};
use crate::diag::Diagnostic;
use crate::span::Span;

/// A line that makes a complete script, for those who have none.
pub(crate) const EXAMPLE: &str = "a script is one or more probes, such as: kprobe:vfs_read { @[comm] = count(); }";

/// Words that begin an item other than a probe, when what follows fits.
pub(super) fn is_item_word(word: &str) -> bool {
    matches!(word, "config" | "macro" | "struct" | "union" | "enum" | "typedef" | "import" | "let" | "fn")
}

/// Whether a text is probes and definitions rather than statements, by how it begins.
pub(crate) fn is_script(text: &str) -> bool {
    let mut lexer = Lexer::over(text);
    lexer.skip_trivia();
    match lexer.peek(0) {
        b'#' => true,
        // `let $x` declares a variable.
        byte if is_word_start(byte) => match lexer.other_item() {
            Some("let") => {
                lexer.word();
                lexer.peek_after_trivia() != b'$'
            }
            Some("config") => {
                lexer.word();
                lexer.peek_after_trivia() == b'='
            }
            Some(_) => true,
            None => lexer.begins_point(),
        },
        b'*' | b'[' | b'?' | b'~' | b'.' => lexer.begins_point(),
        _ => false,
    }
}

impl<'a> Lexer<'a> {
    /// Whether what is here is an attach point: it has a colon, unless it is one of the few that have no parts. So has
    /// the choice between two values, but blanks or a question mark before it.
    fn begins_point(&self) -> bool {
        let is_of_point = |byte: &u8| super::is_word(*byte) || matches!(byte, b'*' | b'[' | b']' | b'-' | b'.');
        let text = &self.text[self.pos..];
        // It may have a name.
        let name = text.bytes().take_while(|byte| super::is_word(*byte)).count();
        let text = text[name..].strip_prefix('=').filter(|_| name > 0).unwrap_or(text);
        let length = text.bytes().take_while(|byte| is_of_point(byte)).count();
        let (word, rest) = text.split_at(length);
        rest.starts_with(':') && !rest.starts_with("::") || super::is_lone_probe(word)
    }

    /// Reads the whole script.
    pub(super) fn script(&mut self) {
        self.interpreter();
        while self.next_item() {
            self.item();
        }
    }

    /// Skips the line that names the interpreter, which comments may precede.
    pub(super) fn interpreter(&mut self) {
        self.skip_trivia();
        if self.text[self.pos..].starts_with("#!") {
            self.skip_line();
        }
    }

    /// Goes to where the next item begins, if there is one.
    pub(super) fn next_item(&mut self) -> bool {
        self.skip_trivia();
        !self.at_end() && !self.too_deep
    }

    pub(super) fn item(&mut self) {
        // What another item left open to doubt is no matter of this one's.
        self.brace_close = None;
        let after_angle = matches!(self.tokens.last(), Some((Token::Sym(Sym::CloseAngle), _)));
        if after_angle && self.continues_expression() && self.reread_as_greater() {
            return self.inside();
        }
        let start = self.pos;
        match self.peek(0) {
            b'#' => self.directive(),
            b'/' => self.predicate_without_probe(),
            b'>' if !after_angle && self.reread_as_greater() => self.inside(),
            b'{' | b'<' => self.body_without_probe(),
            b'}' | b')' | b']' | b'>' => {
                let closer = Sym::longest(&self.bytes[start..=start]).unwrap_or(Sym::CloseBrace);
                self.pos += 1;
                self.stray(self.span_from(start), closer);
            }
            b';' => {
                self.pos += 1;
                self.report(
                    Diagnostic::error(self.span_from(start), "unexpected `;` after a probe").with_help("leave it out"),
                );
            }
            // All of an attach point may be a parameter.
            b'$' if self.peek(1).is_ascii_digit() => self.probe(),
            b'$' | b'@' | b'(' | b'"' | b'0'..=b'9' => self.statement_without_probe(),
            byte if is_word_start(byte) => match self.other_item() {
                Some("struct" | "union" | "enum" | "typedef") => self.definition(),
                Some("macro") => self.macro_item(),
                Some(word) if self.framed_item(word) => {}
                Some(word) => self.unsupported_item(word),
                None => self.probe(),
            },
            b'*' | b'[' | b'?' | b'~' | b'.' => self.probe(),
            _ => {
                self.step();
                let text = self.text[start..self.pos].escape_debug();
                self.report(Diagnostic::error(self.span_from(start), format!("expected a probe, found `{text}`")));
            }
        }
    }

    /// Attach points, predicate, body.
    fn probe(&mut self) {
        self.stray_closers_told = false;
        self.brace_close = None;
        let after_angle = matches!(self.tokens.last(), Some((Token::Sym(Sym::CloseAngle), _)));
        if !after_angle {
            self.angle_close = None;
        }
        loop {
            let point = self.point();
            if after_angle {
                self.judge_point_after_angle(point);
            }
            self.skip_trivia();
            let comma = self.pos;
            if point.is_empty() || self.peek(0) != b',' {
                break;
            }
            self.pos += 1;
            self.push(Token::Sym(Sym::Comma), comma);
            self.skip_trivia();
            // After the last one a comma is welcome, too.
            if self.peek(0) == b'/' {
                break;
            }
        }
        if self.peek(0) == b'>' && self.reread_as_greater() {
            return self.inside();
        }
        if self.peek(0) == b'/' {
            let start = self.pos;
            self.pos += 1;
            self.open(Kind::Predicate, start);
            self.inside();
            if matches!(self.tokens.last(), Some((Token::Sym(Sym::CloseBrace), _))) {
                // The input ended, or a brace did before there was a body.
                return;
            }
            self.skip_trivia();
        }
        self.body();
    }

    /// The body that must stand at `pos`.
    fn body(&mut self) {
        if !matches!(self.peek(0), b'{' | b'<' | 0) || (self.peek(0) == 0 && !self.at_end()) {
            return self.instead_of_body();
        }
        let start = self.pos;
        match self.peek(0) {
            byte @ (b'{' | b'<') => {
                self.pos += 1;
                self.open(if byte == b'{' { Kind::Brace } else { Kind::Angle }, start);
                self.inside();
            }
            _ => {
                if !self.diagnostics.iter().any(|d| d.incomplete || Some(d.span.start) == self.last_point()) {
                    let at = self.end_of_input();
                    let missing = Diagnostic::error(at, "expected `{` and the probe's body").at_end_of_input();
                    self.report(missing);
                }
                self.push_missing(Sym::OpenBrace);
                self.push_missing(Sym::CloseBrace);
            }
        }
    }

    /// Tells of what stands where a body should, and skips to the body if there is one.
    fn instead_of_body(&mut self) {
        let start = self.pos;
        let word = self.bytes[start..].iter().take_while(|b| !b.is_ascii_whitespace() && **b != b'{').count();
        let statement = matches!(self.peek(0), b'(' | b'=' | b'$' | b'@' | b'+' | b'-');
        if is_word_start(self.peek(0)) {
            self.pos += word;
        } else {
            self.step();
        }
        let span = self.span_from(start);
        let text = self.text[span.range()].escape_debug().to_string();
        let mut diagnostic = Diagnostic::error(span, format!("expected `{{` to open the probe's body, found `{text}`"));
        if statement {
            diagnostic = diagnostic.with_help("statements stand inside a probe: begin { ... }");
        } else if is_word_start(self.bytes[start]) {
            // Attach points have colons.
            let help = match text.contains(':') {
                true => "several probes are separated by commas",
                false => "a condition stands between slashes, / pid == 1 /; several probes are separated by commas",
            };
            diagnostic = diagnostic.with_help(help);
        }
        self.report(diagnostic);
        let told = self.diagnostics.len();
        while !self.at_end() && !matches!(self.peek(0), b'{' | b'<') {
            self.skip_trivia();
            if !matches!(self.peek(0), b'{' | b'<') {
                self.step();
            }
        }
        self.diagnostics.truncate(told);
        if self.at_end() {
            // No body after all: the error says so already, and more text would not help.
            self.push_missing(Sym::OpenBrace);
            self.push_missing(Sym::CloseBrace);
        } else {
            self.body();
        }
    }

    fn last_point(&self) -> Option<u32> {
        self.tokens.iter().rev().find(|(token, _)| matches!(token, Token::Point(_))).map(|(_, span)| span.start)
    }

    /// The word at `pos` if it begins an item other than a probe.
    fn other_item(&mut self) -> Option<&'a str> {
        let start = self.pos;
        let word = self.word();
        let blank = !super::is_word(self.peek(0)) && self.peek(0) != b':';
        self.skip_trivia();
        let next = self.peek(0);
        self.pos = start;
        let fits = match word {
            // No probe has one of these names, whatever follows.
            "config" | "import" | "let" => true,
            "struct" | "union" | "enum" => is_word_start(next) || next == b'{',
            "macro" | "typedef" | "fn" => is_word_start(next),
            _ => false,
        };
        (fits && blank).then_some(word)
    }

    /// `macro name(params) { body }`, whole or not at all.
    fn macro_item(&mut self) {
        self.stray_closers_told = false;
        self.brace_close = None;
        self.angle_close = None;
        let (start, tokens) = (self.pos, self.tokens.len());
        let keyword = self.word();
        self.push(Token::Ident(keyword), start);
        self.skip_trivia();
        let name_at = self.pos;
        let name = self.word();
        self.push(Token::Ident(name), name_at);
        for (opener, kind, what) in
            [(b'(', Kind::Paren, "`(` and the macro's parameters"), (b'{', Kind::Brace, "`{` and the macro's body")]
        {
            self.skip_trivia();
            let at = self.pos;
            if self.peek(0) != opener {
                self.tokens.truncate(tokens);
                return self.macro_cut_short(what);
            }
            self.pos += 1;
            self.open(kind, at);
            self.inside();
            if matches!(self.tokens.last(), Some((Token::Sym(Sym::CloseBrace), _))) {
                // The body, which came before the parameters were closed.
                return;
            }
        }
    }

    /// Tells what a macro lacks at `pos`, and skips what belongs to it.
    fn macro_cut_short(&mut self, what: &str) {
        let missing = Diagnostic::error(self.end_of_input(), format!("expected {what}"));
        if self.at_end() {
            // What ended it was told already if a bracket was open.
            if !self.diagnostics.iter().any(|d| d.incomplete) {
                self.report(missing.at_end_of_input());
            }
            return;
        }
        let start = self.pos;
        self.step();
        self.report(
            Diagnostic { span: self.span_from(start), ..missing }
                .with_help("a macro is written macro name(a, $b, @c) { ... }"),
        );
        self.pos = start;
        self.skip_to_after_body();
    }

    fn unsupported_item(&mut self, word: &str) {
        let start = self.pos;
        let complete = self.skip_item();
        let mut diagnostic = Diagnostic::error(self.span_from(start), format!("`{word}` is not supported yet"));
        diagnostic.incomplete = false;
        if complete {
            self.report(diagnostic);
        } else {
            self.report(diagnostic.with_help("and it is not complete"));
        }
    }

    fn statement_without_probe(&mut self) {
        let start = self.pos;
        self.skip_item();
        let end = start + self.text[start..self.pos].trim_end().len();
        self.report(
            Diagnostic::error(Span::new(start as u32, end as u32), "this stands outside of a probe")
                .with_help("statements stand inside a probe: begin { ... }"),
        );
    }

    /// Steps over an item: to a `;`, or over one group in braces and a `;` after it. Whether it was complete.
    pub(super) fn skip_item(&mut self) -> bool {
        let (tokens, told) = (self.tokens.len(), self.diagnostics.len());
        let complete = loop {
            self.skip_trivia();
            if self.at_end() || self.too_deep {
                break false;
            }
            let byte = self.peek(0);
            if matches!(byte, b'}' | b'>') {
                break true;
            }
            self.token();
            if !self.stack.is_empty() {
                self.inside();
            }
            if byte == b'{' {
                self.skip_attributes();
                if self.peek_after_trivia() == b';' {
                    self.skip_trivia();
                    self.pos += 1;
                }
                break true;
            }
            if byte == b';' {
                break true;
            }
        };
        self.tokens.truncate(tokens);
        if !self.too_deep {
            self.diagnostics.truncate(told);
        }
        complete
    }

    /// Steps over `__attribute__((packed))` behind a struct.
    fn skip_attributes(&mut self) {
        loop {
            let end = self.pos;
            self.skip_trivia();
            if self.word() != "__attribute__" {
                self.pos = end;
                return;
            }
            self.skip_trivia();
            if self.peek(0) == b'(' {
                self.token();
                self.inside();
            }
        }
    }

    fn predicate_without_probe(&mut self) {
        let start = self.pos;
        self.pos += 1;
        let mut diagnostic = Diagnostic::error(self.span_from(start), "expected a probe before the predicate");
        if self.at_end() {
            diagnostic = diagnostic.at_end_of_input();
        }
        self.skip_to_after_body();
        self.report(diagnostic.with_help(EXAMPLE));
    }

    fn body_without_probe(&mut self) {
        let start = self.pos;
        let span = Span::new(start as u32, start as u32 + 1);
        self.skip_to_after_body();
        self.report(Diagnostic::error(span, "expected a probe before this block").with_help(EXAMPLE));
    }

    /// Skips to the next body and over it.
    fn skip_to_after_body(&mut self) {
        let (tokens, told) = (self.tokens.len(), self.diagnostics.len());
        while !self.at_end() && !matches!(self.peek(0), b'{' | b'<') {
            self.skip_trivia();
            if !matches!(self.peek(0), b'{' | b'<') {
                self.step();
            }
        }
        if !self.at_end() {
            self.body();
        }
        self.tokens.truncate(tokens);
        if !self.too_deep {
            self.diagnostics.truncate(told);
        }
        self.angle_close = None;
    }
}
