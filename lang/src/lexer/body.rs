//! Tokens inside predicates and bodies.

use super::brackets::{Kind, Open};
use super::{Lexer, Sym, Token, is_lone_probe, is_word, number, string};
use crate::address::{self, Address};
use crate::ast::IntSuffix;
use crate::c::DIRECTIVES;
use crate::diag::Diagnostic;
use crate::span::Span;

impl<'a> Lexer<'a> {
    /// Reads tokens until the bracket that was opened last, and all within it, is closed.
    pub(super) fn inside(&mut self) {
        while !self.stack.is_empty() && !self.too_deep {
            self.skip_trivia();
            if self.at_end() {
                if self.innermost_block_is_brace() && self.reread_as_brace_close() {
                    return;
                }
                return self.close_at_end_of_input();
            }
            if self.probe_begins_here() {
                return self.close_before_probe();
            }
            self.token();
        }
    }

    fn innermost_block_is_brace(&self) -> bool {
        self.stack.first().is_some_and(|open| open.kind == Kind::Brace)
    }

    /// Reads one token that is not trivia.
    pub(super) fn token(&mut self) {
        let start = self.pos;
        if self.address() {
            return;
        }
        match self.peek(0) {
            b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'\'' => self.character(),
            b'$' => self.dollar(),
            b'@' => {
                self.pos += 1;
                let name = self.word();
                self.push(Token::Map(name), start);
            }
            b'#' => self.hash(),
            byte if super::is_word_start(byte) => {
                let word = self.word();
                if self.expand_macro(start) {
                    return;
                }
                if word == "if"
                    && let Some(open) = self.stack.last_mut()
                {
                    open.holds_if = true;
                }
                self.push(Token::Ident(word), start);
            }
            _ => match Sym::longest(&self.bytes[start..]) {
                Some(sym) => {
                    self.pos += sym.text().len();
                    self.symbol(sym, start);
                }
                None => {
                    self.step();
                    let text = &self.text[start..self.pos];
                    let span = self.span_from(start);
                    self.report(Diagnostic::error(span, format!("unexpected character `{}`", text.escape_debug())));
                    self.push(Token::Bad, start);
                }
            },
        }
    }

    fn symbol(&mut self, sym: Sym, start: usize) {
        match sym {
            Sym::OpenParen => self.open(Kind::Paren, start),
            Sym::OpenSquare => self.open(Kind::Square, start),
            Sym::OpenBrace => self.open_brace(start),
            Sym::CloseParen => self.close(Kind::Paren, start),
            Sym::CloseSquare => self.close(Kind::Square, start),
            Sym::CloseBrace => self.close(Kind::Brace, start),
            Sym::Greater if self.innermost() == Some(Kind::Angle) => self.close_angle(start),
            Sym::Slash if self.in_predicate() && self.predicate_ends() => self.close(Kind::Predicate, start),
            Sym::Semicolon => {
                self.close_before_semicolon(self.span_from(start));
                self.push(Token::Sym(sym), start);
            }
            Sym::Greater => {
                self.push(Token::Sym(sym), start);
                self.note_greater_in_braces(self.span_from(start));
            }
            _ => self.push(Token::Sym(sym), start),
        }
    }

    /// Whether a predicate is open, and no block within it.
    fn in_predicate(&self) -> bool {
        self.holds(Kind::Predicate) && !self.holds(Kind::Brace)
    }

    /// Whether the slash before `pos` closes the predicate: it does if a body follows. Nobody divides by a block.
    fn predicate_ends(&mut self) -> bool {
        matches!(self.peek_after_trivia(), b'{' | b'<' | 0)
    }

    /// `{` opens a block, unless brackets are open in which no block can stand.
    fn open_brace(&mut self, start: usize) {
        let span = self.span_from(start);
        // No operand ends with these words, and a block may follow them.
        let introduces = |token| matches!(token, Token::Ident("else" | "comptime"));
        let after_operand = self.tokens.last().is_some_and(|(token, _)| token.ends_operand() && !introduces(*token));
        let in_predicate = self.stack.iter().position(|open| open.kind == Kind::Predicate);
        if let Some(at) = in_predicate
            && after_operand
            && !self.holds(Kind::Brace)
            && !self.stack.last().is_some_and(|open| open.holds_if)
        {
            // The body begins, and the slash before it was forgotten.
            self.close_above(at, span, "{");
            self.pos = start;
            return;
        }
        let in_brackets = |open: &Open| matches!(open.kind, Kind::Paren | Kind::Square) && !open.holds_if;
        if after_operand && self.stack.last().is_some_and(in_brackets) {
            let block = self.stack.iter().rposition(|open| matches!(open.kind, Kind::Brace | Kind::Angle));
            // `f(a {` and `if (a {`: the block cannot belong to the operand.
            self.close_above(block.map_or(0, |at| at + 1), span, "{");
        }
        self.open(Kind::Brace, start);
    }

    /// `10.0.0.9` and the like. What follows a dot is an item of a tuple.
    fn address(&mut self) -> bool {
        let begins = self.peek(0).is_ascii_hexdigit() || (self.peek(0), self.peek(1)) == (b':', b':');
        if !begins || matches!(self.tokens.last(), Some((Token::Sym(Sym::Dot | Sym::Arrow), _))) {
            return false;
        }
        let start = self.pos;
        let Some(length) = address::length(&self.bytes[start..]) else { return false };
        self.pos += length;
        let token = match Address::read(&self.text[start..self.pos]) {
            Ok(address) => Token::Address(address),
            Err(bad) => {
                self.report(Diagnostic::error(self.span_from(start), bad.title).with_maybe_help(bad.help));
                Token::Bad
            }
        };
        self.push(token, start);
        true
    }

    fn number(&mut self) {
        let start = self.pos;
        self.pos += number::length(&self.bytes[start..]);
        let (value, suffix) = match number::parse(&self.text[start..self.pos]) {
            Ok(number) => number,
            Err(bad) => {
                let span = Span::new((start + bad.range.start) as u32, (start + bad.range.end) as u32);
                let mut diagnostic = Diagnostic::error(span, bad.title).with_maybe_help(bad.help);
                // `0x`, `1_`, `1e` and `5n` may go on.
                let may_go_on = matches!(self.bytes[self.pos - 1], b'x' | b'X' | b'_' | b'e' | b'E' | b'n');
                diagnostic.incomplete = may_go_on && self.at_end();
                self.report(diagnostic);
                (0, IntSuffix::None)
            }
        };
        self.push(Token::Int(value, suffix), start);
    }

    fn string(&mut self) {
        let start = self.pos;
        self.pos += 1;
        let (length, closed) = match string::end(&self.bytes[self.pos..]) {
            string::Ending::Quote(length) => (length, true),
            string::Ending::LineBreak(length) => {
                let span = Span::new(start as u32, (self.pos + length) as u32);
                self.report(
                    Diagnostic::error(span, "this string is not closed on its line")
                        .with_help("a line break in a string is written \\n"),
                );
                (length, false)
            }
            string::Ending::Input => {
                let span = Span::new(start as u32, start as u32 + 1);
                self.report(Diagnostic::error(span, "this string is not closed").at_end_of_input());
                (self.bytes.len() - self.pos, false)
            }
        };
        let content = self.pos;
        self.pos += length + usize::from(closed);
        let raw = &self.text[content..content + length];
        if closed {
            string::check(raw, |bad| {
                let span = Span::new((content + bad.range.start) as u32, (content + bad.range.end) as u32);
                let help = "escapes are \\n \\t \\r \\\\ \\\" \\xNN (hexadecimal) and \\NNN (octal)";
                self.diagnostics.push(Diagnostic::error(span, bad.title).with_help(help));
            });
            self.push(Token::Str(raw), start);
        } else {
            // The rest of the line went into the string, the end of the statement with it.
            self.push(Token::Bad, start);
        }
    }

    /// `'a'`: not part of the language, but what people try.
    fn character(&mut self) {
        let start = self.pos;
        let rest = &self.text[start + 1..];
        let line = rest.split('\n').next().unwrap_or("");
        self.pos += 1;
        if let Some(length) = line.find('\'') {
            self.pos += length + 1;
        }
        let text = &self.text[start..self.pos];
        let mut inner = text.trim_matches('\'').chars();
        let help = match (inner.next(), inner.next()) {
            (Some(only), None) => format!("write its number: {}", u32::from(only)),
            _ => "text stands between double quotes".to_owned(),
        };
        let span = self.span_from(start);
        let mut diagnostic = Diagnostic::error(span, "single quotes are not known").with_help(help);
        diagnostic.incomplete = text.len() == 1 && self.at_end();
        self.report(diagnostic);
        self.push(Token::Bad, start);
    }

    /// `$name`, `$1`, `$#`.
    fn dollar(&mut self) {
        let start = self.pos;
        self.pos += 1;
        if self.peek(0) == b'#' {
            self.pos += 1;
            return self.push(Token::Param(0), start);
        }
        if self.peek(0).is_ascii_digit() {
            self.pos += self.bytes[self.pos..].iter().take_while(|b| is_word(**b)).count();
            match self.text[start + 1..self.pos].parse::<u32>() {
                Ok(n @ 1..) => self.push(Token::Param(n), start),
                _ => {
                    let span = self.span_from(start);
                    let title = format!("`{}` is not a parameter", &self.text[span.range()]);
                    self.report(
                        Diagnostic::error(span, title).with_help("parameters count from $1; $# is how many there are"),
                    );
                    self.push(Token::Bad, start);
                }
            }
            return;
        }
        let name = self.word();
        if name.is_empty() {
            let span = self.span_from(start);
            let mut diagnostic = Diagnostic::error(span, "expected a name after `$`");
            diagnostic.incomplete = self.at_end();
            self.report(diagnostic);
            return self.push(Token::Bad, start);
        }
        self.push(Token::Var(name), start);
    }

    /// `# text` inside a body.
    fn hash(&mut self) {
        let start = self.pos;
        self.pos += 1;
        let span = self.span_from(start);
        let word = self.word();
        let diagnostic = match DIRECTIVES.contains(&word) {
            true => Diagnostic::error(self.span_from(start), format!("`#{word}` cannot stand inside a probe"))
                .with_help("it stands before the probes"),
            false => Diagnostic::error(span, "unexpected `#`").with_help("comments begin with //"),
        };
        self.report(diagnostic);
        self.skip_line();
    }

    /// Whether a probe begins at `pos` although blocks are open: a word with a colon right behind it where a statement
    /// should begin, or `begin {` there. No statement looks like that.
    fn probe_begins_here(&mut self) -> bool {
        use Sym::*;
        if !super::is_word_start(self.peek(0)) || !matches!(self.innermost(), Some(Kind::Brace | Kind::Angle)) {
            return false;
        }
        let Some(&(last, last_span)) = self.tokens.last() else { return false };
        let after_statement = matches!(last, Token::Sym(Semicolon | OpenBrace | OpenAngle | CloseBrace))
            || (last.ends_operand() && self.text[last_span.end as usize..self.pos].contains('\n'));
        if !after_statement {
            return false;
        }
        let start = self.pos;
        let word = self.word();
        let colon = self.peek(0) == b':' && (is_word(self.peek(1)) || matches!(self.peek(1), b'/' | b'.' | b'*'));
        let block = matches!(self.peek_after_trivia(), b'{' | b'<' | b'/');
        self.pos = start;
        colon || (block && is_lone_probe(word))
    }

    /// Closes all that is open: the next probe begins at `pos`.
    fn close_before_probe(&mut self) {
        let start = self.pos;
        let word = self.word().len();
        self.pos = start;
        if let Some(open) = self.stack.last().copied() {
            let span = Span::new(start as u32, (start + word) as u32);
            let closer = open.kind.closer().text();
            self.report(
                Diagnostic::error(span, format!("expected `{closer}` before the next probe"))
                    .with_related(open.span, "this block is not closed"),
            );
        }
        self.close_silently(0);
        self.stray_closers_told = true;
    }
}
