//! What a text looks like while it is being typed: which parts are names, numbers, strings, and which brackets belong
//! together.
//!
//! The same lexer that reads scripts tells, so nothing is coloured as something that it would not be read as. A text may
//! be broken anywhere: somebody is in the middle of it. What the lexer leaves to others (comments, directives,
//! definitions in C) is looked at here.

use crate::builtins::BUILTINS;
use crate::c::{Texts, Unread};
use crate::functions::{FUNCTIONS, FunctionId, function};
use crate::lexer::{Sym, Token, lex, lex_inside};
use crate::packets::PROTOCOLS;
use crate::parser::entry::{FRAME, Kind};
use crate::parser::is_type_word;
use crate::probes::provider;
use crate::span::Span;
use crate::words::is_reserved;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `// text`, `/* text */`, and the line that names the interpreter.
    Comment,
    /// `#include` and the like.
    Directive,
    /// `if`, `let`, `macro`.
    Keyword,
    /// `uint64`, `struct task_struct`.
    Type,
    /// A function that there is, where it is called.
    Function,
    /// `pid`, `comm`, `args`.
    Builtin,
    /// `@name`
    Map,
    /// `$name`, `$1`
    Variable,
    /// A number or an address.
    Number,
    /// A text in quotes.
    Text,
    /// `\n`, `%d` in such a text.
    Escape,
    /// The kind of a probe.
    Provider,
    /// A closing bracket that closes nothing.
    Stray,
}

/// What there is to see in a text.
#[derive(Debug, Default)]
pub struct Highlighted {
    /// Parts that are something, in their order; none overlap.
    pub parts: Vec<(Range<usize>, Class)>,
    /// Brackets that belong together: where each of the two begins.
    pub pairs: Vec<(usize, usize)>,
}

impl Highlighted {
    /// Where the bracket is that belongs to the one at a place.
    pub fn partner(&self, at: usize) -> Option<usize> {
        self.pairs.iter().find_map(|&(open, close)| match at {
            _ if at == open => Some(close),
            _ if at == close => Some(open),
            _ => None,
        })
    }
}

/// Looks at what is typed at a prompt, or at a script.
pub fn highlight(text: &str) -> Highlighted {
    read(text, |whole, tokens, frame| {
        let mut painter = Painter { text: whole, frame, end: frame + text.len(), found: Highlighted::default() };
        painter.all(tokens, frame, true);
        painter.pair(tokens);
        painter.found.parts.sort_by_key(|(range, _)| range.start);
        painter.found
    })
}

/// The call that is being written at a place.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// Who is called.
    pub name: String,
    /// Which argument is being written, from 0.
    pub argument: usize,
}

/// The innermost call whose arguments are being written at the end of a text.
pub fn call_at_end(text: &str) -> Option<Call> {
    read(text, |whole, tokens, frame| {
        let end = frame + text.len();
        // Brackets that are open, and the commas within them.
        let mut open: Vec<(usize, usize)> = Vec::new();
        for (index, (token, span)) in tokens.iter().enumerate() {
            // What is behind the text, and what was added to it.
            if span.start == span.end || span.end as usize > end || (span.start as usize) < frame {
                continue;
            }
            match token {
                Token::Sym(Sym::OpenParen | Sym::OpenSquare | Sym::OpenBrace | Sym::OpenAngle | Sym::OpenPredicate) => {
                    open.push((index, 0));
                }
                Token::Sym(sym) if is_closer(*sym) => {
                    open.pop();
                }
                Token::Sym(Sym::Comma) => {
                    if let Some((_, commas)) = open.last_mut() {
                        *commas += 1;
                    }
                }
                _ => {}
            }
        }
        // Within a key or a nested bracket one is still within the call.
        for (index, argument) in open.into_iter().rev() {
            match (tokens[index].0, index.checked_sub(1).map(|before| tokens[before])) {
                (Token::Sym(Sym::OpenParen), Some((Token::Ident(name), span)))
                    if whole.get(span.range()) == Some(name) && !is_reserved(name) =>
                {
                    return Some(Call { name: name.to_owned(), argument });
                }
                (Token::Sym(Sym::OpenParen | Sym::OpenSquare), _) => {}
                _ => return None,
            }
        }
        None
    })
}

/// How many brackets are open at the end of a text that a line after it would be indented for.
pub fn depth_at_end(text: &str) -> usize {
    read(text, |_, tokens, frame| {
        let mut depth = 0usize;
        for (token, span) in tokens {
            if span.start == span.end || span.end as usize > frame + text.len() || (span.start as usize) < frame {
                continue;
            }
            match token {
                Token::Sym(Sym::OpenParen | Sym::OpenSquare | Sym::OpenBrace | Sym::OpenAngle) => depth += 1,
                Token::Sym(Sym::CloseParen | Sym::CloseSquare | Sym::CloseBrace | Sym::CloseAngle) => {
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
        }
        depth
    })
}

/// Reads a text as the entry that it is; `act` gets the text with what stands around it, and how much stands before it.
fn read<T>(text: &str, act: impl FnOnce(&str, &[(Token<'_>, Span)], usize) -> T) -> T {
    let texts = Texts::default();
    match Kind::of(text) {
        Kind::Script => {
            let lexed = lex(text, &texts, &Unread);
            act(text, if lexed.too_deep { &[] } else { &lexed.tokens }, 0)
        }
        Kind::Statements => {
            let whole = format!("{FRAME}{text}\n}}");
            let lexed = lex(&whole, &texts, &Unread);
            act(&whole, if lexed.too_deep { &[] } else { &lexed.tokens }, FRAME.len())
        }
    }
}

fn is_closer(sym: Sym) -> bool {
    matches!(sym, Sym::CloseParen | Sym::CloseSquare | Sym::CloseBrace | Sym::CloseAngle | Sym::ClosePredicate)
}

/// What a name is wherever it stands, unless a call makes it something else.
fn named(name: &str) -> Option<Class> {
    static NAMES: OnceLock<HashMap<&'static str, Class>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let builtins = BUILTINS.iter().map(|row| row.name);
        let values = FUNCTIONS.iter().filter(|row| FunctionId::VALUES.contains(&row.id)).map(|row| row.name);
        builtins.chain(values).chain(["args"]).map(|name| (name, Class::Builtin)).collect()
    });
    match names.get(name) {
        Some(class) => Some(*class),
        None if is_reserved(name) => Some(Class::Keyword),
        None if is_type_word(name) => Some(Class::Type),
        None => None,
    }
}

/// The functions, by their names: looking through the table for each word of a long script takes too long.
fn has_function(name: &str) -> bool {
    static NAMES: OnceLock<HashMap<&'static str, ()>> = OnceLock::new();
    NAMES.get_or_init(|| FUNCTIONS.iter().map(|row| (row.name, ())).collect()).contains_key(name)
}

/// Whether the first argument of a function is a format.
fn takes_format(name: &str) -> bool {
    function(name).is_some_and(|row| row.usage.contains("format\""))
}

struct Painter<'a> {
    text: &'a str,
    /// Where what was typed begins, and ends.
    frame: usize,
    end: usize,
    found: Highlighted,
}

impl Painter<'_> {
    /// Puts a part down, at the place that it has in what was typed.
    fn put(&mut self, range: Range<usize>, class: Class) {
        let (start, end) = (range.start.max(self.frame), range.end.min(self.end));
        if start < end {
            self.found.parts.push((start - self.frame..end - self.frame, class));
        }
    }

    /// Paints tokens, and what is between them, from a place on.
    fn all(&mut self, tokens: &[(Token<'_>, Span)], from: usize, is_outermost: bool) {
        let mut at = from;
        for (index, (token, span)) in tokens.iter().enumerate() {
            let (start, end) = (span.start as usize, span.end as usize);
            // What is not in the text, and what else a macro has become.
            if start == end || start < at {
                continue;
            }
            self.between(at, start, is_outermost);
            self.token(tokens, index, *token, start..end);
            at = end;
        }
        let end = if is_outermost { self.end } else { self.text.len() };
        self.between(at, end, is_outermost);
    }

    fn token(&mut self, tokens: &[(Token<'_>, Span)], index: usize, token: Token<'_>, range: Range<usize>) {
        let text = self.text.get(range.clone()).unwrap_or_default();
        match token {
            Token::Point(_) => {
                let name = text.split(':').next().unwrap_or_default();
                // It may have a name before it.
                let at = name.find('=').map_or(0, |at| at + 1);
                if provider(&name[at..]).is_some() {
                    self.put(range.start + at..range.start + name.len(), Class::Provider);
                }
            }
            Token::Ident(name) if name == text => {
                if let Some(class) = class_of(tokens, index, name) {
                    self.put(range, class);
                }
            }
            Token::Map(_) if text.starts_with('@') => self.put(range, Class::Map),
            Token::Var(_) | Token::Param(_) if text.starts_with('$') => self.put(range, Class::Variable),
            Token::Int(..) | Token::Address(_)
                if text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') && !is_name(text, token) =>
            {
                self.put(range, Class::Number);
            }
            Token::Str(_) | Token::Bad if text.starts_with('"') => {
                let is_format = index.checked_sub(2).is_some_and(|before| {
                    matches!(tokens[before + 1].0, Token::Sym(Sym::OpenParen))
                        && matches!(tokens[before].0, Token::Ident(name) if takes_format(name))
                });
                self.string(range, is_format);
            }
            _ => {}
        }
    }

    /// Paints a text in quotes.
    fn string(&mut self, range: Range<usize>, is_format: bool) {
        let text = self.text.get(range.clone()).unwrap_or_default().to_owned();
        let bytes = text.as_bytes();
        let (mut plain, mut at) = (0, 0);
        while at < bytes.len() {
            let length = match bytes[at] {
                b'\\' => escape_length(&text[at..]),
                b'%' if is_format => conversion_length(&bytes[at..]),
                _ => 0,
            };
            if length > 0 {
                self.put(range.start + plain..range.start + at, Class::Text);
                self.put(range.start + at..range.start + at + length, Class::Escape);
                plain = at + length;
            }
            at += length.max(1);
        }
        self.put(range.start + plain..range.end, Class::Text);
    }

    /// Paints what is between tokens: blanks, comments, and what the lexer has dropped or left to others.
    fn between(&mut self, from: usize, to: usize, is_outermost: bool) {
        let mut at = from;
        while at < to {
            let Some(rest) = self.text.get(at..to) else { return };
            let Some(first) = rest.chars().next() else { return };
            let length = match first {
                _ if rest.starts_with("//") || rest.starts_with("#!") => {
                    let length = rest.find('\n').unwrap_or(rest.len());
                    self.put(at..at + length, Class::Comment);
                    length
                }
                _ if rest.starts_with("/*") => {
                    let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
                    self.put(at..at + length, Class::Comment);
                    length
                }
                '#' => {
                    let word = rest[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
                    self.put(at..at + 1 + word, Class::Directive);
                    let length = line_length(rest);
                    self.inside(at + 1 + word, at + length);
                    length
                }
                ')' | ']' | '}' | '>' if is_outermost => {
                    self.put(at..at + 1, Class::Stray);
                    1
                }
                // A definition in C, or a statement where none can be.
                '_' | 'a'..='z' | 'A'..='Z' if is_outermost => {
                    self.inside(at, to);
                    return;
                }
                _ => first.len_utf8(),
            };
            at += length;
        }
    }

    /// Paints a piece by its tokens alone.
    fn inside(&mut self, from: usize, to: usize) {
        let (whole, frame) = (self.text, self.frame);
        let Some(piece) = whole.get(from..to) else { return };
        let tokens = lex_inside(piece);
        let mut painter = Painter { text: piece, frame: 0, end: piece.len(), found: Highlighted::default() };
        painter.all(&tokens, 0, false);
        let parts = painter.found.parts.into_iter();
        let moved = parts.map(|(range, class)| (range.start + from - frame..range.end + from - frame, class));
        self.found.parts.extend(moved);
    }

    /// Finds out which brackets belong together.
    fn pair(&mut self, tokens: &[(Token<'_>, Span)]) {
        let mut open: Vec<Option<usize>> = Vec::new();
        let place = |span: &Span| {
            let start = span.start as usize;
            (span.start < span.end && start >= self.frame && start < self.end).then(|| start - self.frame)
        };
        let mut strays = Vec::new();
        for (token, span) in tokens {
            match token {
                Token::Sym(Sym::OpenParen | Sym::OpenSquare | Sym::OpenBrace | Sym::OpenAngle | Sym::OpenPredicate) => {
                    open.push(place(span));
                }
                Token::Sym(sym) if is_closer(*sym) => match (open.pop().flatten(), place(span)) {
                    (Some(opened), Some(closed)) => self.found.pairs.push((opened, closed)),
                    // It closes what stands around the text.
                    (None, Some(closed)) => strays.push(closed),
                    _ => {}
                },
                _ => {}
            }
        }
        for stray in strays {
            self.found.parts.push((stray..stray + 1, Class::Stray));
        }
    }
}

/// Whether a number's text is a name that a macro has given it.
fn is_name(text: &str, token: Token<'_>) -> bool {
    matches!(token, Token::Int(..)) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// What a word is among its neighbours.
fn class_of(tokens: &[(Token<'_>, Span)], index: usize, name: &str) -> Option<Class> {
    let before = index.checked_sub(1).map(|before| tokens[before].0);
    let after = tokens.get(index + 1).map(|(token, _)| *token);
    match (before, after) {
        // A member is what its structure says.
        (Some(Token::Sym(Sym::Dot | Sym::Arrow)), _) => None,
        (Some(Token::Ident("struct" | "union" | "enum")), _) => Some(Class::Type),
        (Some(Token::Ident("macro" | "fn")), _) => Some(Class::Function),
        (_, Some(Token::Sym(Sym::OpenParen))) if has_function(name) => Some(Class::Function),
        (_, Some(Token::Sym(Sym::Dot))) if PROTOCOLS.iter().any(|row| row.name == name) => Some(Class::Builtin),
        (Some(Token::Sym(Sym::CloseParen)), Some(Token::Sym(Sym::OpenBrace))) => named(name),
        (None, Some(Token::Sym(Sym::Assign))) if name == "config" => Some(Class::Keyword),
        (None | Some(Token::Sym(Sym::CloseBrace)), Some(Token::Ident(_) | Token::Map(_) | Token::Str(_))) => match name
        {
            "config" | "import" | "let" | "typedef" | "fn" => Some(Class::Keyword),
            _ => named(name),
        },
        (_, Some(Token::Sym(Sym::OpenParen))) => named(name).filter(|class| *class != Class::Builtin),
        _ => named(name),
    }
}

/// The length of an escape at the start of a text.
fn escape_length(text: &str) -> usize {
    let digits = |from: usize, most: usize, base: u32| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.chars().take(most).take_while(|c| c.is_digit(base)).count()
    };
    match text.as_bytes().get(1) {
        None => 1,
        Some(b'x') => digits(2, 2, 16),
        Some(b'0'..=b'7') => digits(1, 3, 8),
        Some(_) => 1 + text[1..].chars().next().map_or(0, char::len_utf8),
    }
}

/// The length of a conversion at the start of a text; 0 if there is none.
fn conversion_length(text: &[u8]) -> usize {
    let mut at = 1;
    let mut skip = |wanted: &dyn Fn(u8) -> bool| {
        while text.get(at).is_some_and(|byte| wanted(*byte)) {
            at += 1;
        }
    };
    skip(&|byte| b"-+ #0".contains(&byte));
    skip(&|byte| byte.is_ascii_digit());
    skip(&|byte| byte == b'.');
    skip(&|byte| byte.is_ascii_digit());
    skip(&|byte| b"hlzjt".contains(&byte));
    match text.get(at) {
        Some(b'%') => at + 1,
        Some(letter) if letter.is_ascii_alphabetic() => at + 1,
        _ => 0,
    }
}

/// The length of a line that a backslash at its end continues.
fn line_length(text: &str) -> usize {
    let mut length = 0;
    loop {
        length += text[length..].find('\n').unwrap_or(text.len() - length);
        if length == text.len() || !text[..length].ends_with('\\') {
            return length;
        }
        length += 1;
    }
}

#[cfg(test)]
mod tests;
