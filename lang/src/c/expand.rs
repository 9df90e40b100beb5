//! What macros become.
//!
//! A macro's body takes the place of its name and is looked through again, so that macros may be made of others. While
//! it is, the macro's own name means nothing: it is painted, and stays a name for ever.

use super::lex::{Kind, Reader, Tok};
use super::preprocess::{Macro, Preprocessor};
use crate::diag::Diagnostic;
use crate::span::Span;

/// All macros of a script together become no more tokens than this.
const MOST_TOKENS: usize = 1 << 17;
/// Macros may be made of others this deep.
const MOST_ACTIVE: usize = 1000;
/// Arguments may hold macros with arguments this deep.
const MOST_DEPTH: usize = 60;

enum Item<'a> {
    Token(Tok<'a>),
    /// Here a macro's body ends.
    End,
}

/// What is still to be looked through.
struct Input<'a, 'r> {
    /// The next one last.
    items: Vec<Item<'a>>,
    /// Where the text goes on behind them.
    source: Option<&'r mut Reader<'a>>,
    depth: usize,
}

impl<'a> Preprocessor<'a> {
    /// `tokens` without macros.
    pub(super) fn expanded(&mut self, tokens: Vec<Tok<'a>>) -> Vec<Tok<'a>> {
        self.expand(tokens, None, 0)
    }

    /// What the name that ends at `reader` becomes, with its arguments behind it, if it is a macro's name.
    pub(super) fn expanded_use(&mut self, name: Tok<'a>, reader: &mut Reader<'a>) -> Option<Vec<Tok<'a>>> {
        let with_arguments = match self.lookup(name.text) {
            None => return None,
            Some(found) => found.params.is_some(),
        };
        if self.gave_up || (with_arguments && !reader.peek_token().is_some_and(|token| token.is("("))) {
            return None;
        }
        let expanded = self.expand(vec![name], Some(reader), 0);
        match &expanded[..] {
            // It was not closed, or something else that was told of.
            [only] if only.is(name.text) && self.gave_up => None,
            _ => Some(expanded),
        }
    }

    fn give_up(&mut self, diagnostic: Diagnostic) {
        if !self.gave_up {
            self.gave_up = true;
            self.report(diagnostic);
        }
    }

    /// A macro is used in a wrong way; in a header that may be our misunderstanding.
    fn refuse_use(&mut self, diagnostic: Diagnostic) {
        if self.include_depth == 0 {
            self.give_up(diagnostic);
        }
    }

    fn expand(&mut self, tokens: Vec<Tok<'a>>, source: Option<&mut Reader<'a>>, depth: usize) -> Vec<Tok<'a>> {
        let base = self.active.len();
        let mut out = Vec::with_capacity(tokens.len());
        let items = tokens.into_iter().rev().map(Item::Token).collect();
        let mut input = Input { items, source, depth };
        while let Some(item) = input.items.pop() {
            let mut token = match item {
                Item::Token(token) => token,
                Item::End => {
                    self.active.pop();
                    continue;
                }
            };
            if !token.is_word() || token.painted || self.gave_up {
                out.push(token);
                continue;
            }
            if self.active.contains(&token.text) {
                token.painted = self.lookup(token.text).is_some();
                out.push(token);
                continue;
            }
            let Some(found) = self.lookup(token.text).cloned() else {
                out.push(token);
                continue;
            };
            let body = match &found.params {
                None => self.pasted(found.body, &token),
                Some(_) => match self.arguments(&token, &found, &mut input) {
                    Some(arguments) => self.substituted(&found, &arguments, &token, depth),
                    None => {
                        out.push(token);
                        continue;
                    }
                },
            };
            self.spent += 1 + body.len();
            if self.spent > MOST_TOKENS || self.active.len() > MOST_ACTIVE {
                self.give_up(Diagnostic::error(token.span, format!("the macro `{}` becomes too long", token.text)));
            }
            self.active.push(token.text);
            input.items.push(Item::End);
            let first = body.len().saturating_sub(1);
            let place = |(i, body): (usize, Tok<'a>)| {
                let blank = body.blank || i == first;
                Item::Token(Tok { span: token.span, starts_line: false, blank, ..body })
            };
            input.items.extend(body.into_iter().rev().enumerate().map(place));
        }
        self.active.truncate(base);
        out
    }

    /// The arguments in parentheses that follow the name of a macro; `None` if there are none, or they are not right.
    fn arguments(&mut self, name: &Tok<'a>, found: &Macro<'a>, input: &mut Input<'a, '_>) -> Option<Vec<Vec<Tok<'a>>>> {
        let next = input.items.iter().rev().find_map(|item| match item {
            Item::Token(token) => Some(*token),
            Item::End => None,
        });
        let next = next.or_else(|| input.source.as_ref().and_then(|source| source.peek_token()));
        if !next.is_some_and(|token| token.is("(")) || input.depth > MOST_DEPTH {
            return None;
        }
        let params = found.params.as_ref().map_or(0, Vec::len);
        let mut arguments = vec![Vec::new()];
        let mut depth = 0usize;
        loop {
            let token = match input.items.pop() {
                Some(Item::Token(token)) => Some(token),
                Some(Item::End) => {
                    self.active.pop();
                    continue;
                }
                None => input.source.as_mut().and_then(|source| source.next()),
            };
            let Some(token) = token.filter(|token| depth != 1 || !(token.is("}") || token.is("]"))) else {
                let title = format!("expected `)` behind the arguments of the macro `{}`", name.text);
                self.refuse_use(Diagnostic::error(name.span, title).at_end_of_input());
                return None;
            };
            let text = if token.kind == Kind::Punct { token.text } else { "" };
            let opens = depth == 0;
            match text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if text == "," && depth == 1 && !(found.variadic && arguments.len() >= params) {
                arguments.push(Vec::new());
            } else if let (false, Some(last)) = (opens, arguments.last_mut()) {
                last.push(token);
            }
        }
        if params == 0 && arguments.len() == 1 && arguments[0].is_empty() {
            arguments.clear();
        }
        if found.variadic && arguments.len() + 1 == params {
            arguments.push(Vec::new());
        }
        if arguments.len() != params {
            let (s, given) = (if params == 1 { "" } else { "s" }, arguments.len());
            let title = format!("the macro `{}` takes {params} argument{s}, here are {given}", name.text);
            self.refuse_use(Diagnostic::error(name.span, title));
            return None;
        }
        Some(arguments)
    }

    /// The body with arguments in place of parameters.
    fn substituted(
        &mut self,
        found: &Macro<'a>,
        arguments: &[Vec<Tok<'a>>],
        name: &Tok<'a>,
        depth: usize,
    ) -> Vec<Tok<'a>> {
        let params = found.params.as_deref().unwrap_or_default();
        let argument = |token: &Tok<'a>| {
            let index = params.iter().position(|param| token.is_word() && *param == token.text)?;
            arguments.get(index)
        };
        let mut expanded: Vec<Option<Vec<Tok<'a>>>> = vec![None; arguments.len()];
        let mut out: Vec<Tok<'a>> = Vec::new();
        let body = &found.body;
        let mut at = 0;
        while let Some(token) = body.get(at) {
            at += 1;
            let pastes = |at: usize| body.get(at).is_some_and(|token| token.is("##"));
            if token.is("#")
                && let Some(argument) = body.get(at).and_then(argument)
            {
                at += 1;
                out.extend(self.stringified(argument, token));
                continue;
            }
            let Some(raw) = argument(token) else {
                out.push(*token);
                continue;
            };
            let beside_paste = pastes(at) || (at >= 2 && body[at - 2].is("##"));
            let mut replacement = if beside_paste {
                // GNU: `, ## __VA_ARGS__` without arguments takes the comma away.
                if raw.is_empty() && found.variadic && out.len() >= 2 && out[out.len() - 2].is(",") {
                    out.truncate(out.len() - 2);
                    continue;
                }
                if raw.is_empty() {
                    // Nothing is pasted to nothing.
                    match pastes(at) {
                        true => at += 1,
                        false => drop(out.pop()),
                    }
                }
                if found.variadic && out.len() >= 2 && out[out.len() - 2].is(",") {
                    out.pop();
                }
                raw.clone()
            } else {
                let index = params.iter().position(|param| *param == token.text).unwrap_or(0);
                if expanded[index].is_none() {
                    expanded[index] = Some(self.expand(raw.clone(), None, depth + 1));
                }
                expanded[index].clone().unwrap_or_default()
            };
            if let Some(first) = replacement.first_mut() {
                first.blank = true;
            }
            self.spent += replacement.len();
            out.extend(replacement);
            if self.spent > MOST_TOKENS {
                self.give_up(Diagnostic::error(name.span, format!("the macro `{}` becomes too long", name.text)));
                return Vec::new();
            }
        }
        self.pasted(out, name)
    }

    /// With what stands on both sides of `##` made into one token.
    fn pasted(&mut self, body: Vec<Tok<'a>>, name: &Tok<'a>) -> Vec<Tok<'a>> {
        if !body.iter().any(|token| token.is("##")) {
            return body;
        }
        let mut out: Vec<Tok<'a>> = Vec::with_capacity(body.len());
        let mut rest = body.into_iter().peekable();
        while let Some(token) = rest.next() {
            match (token.is("##"), out.last().copied(), rest.peek().copied()) {
                (true, Some(left), Some(right)) => {
                    rest.next();
                    let Some(text) = self.texts.keep(format!("{}{}", left.text, right.text)) else {
                        self.give_up(Diagnostic::error(name.span, "macros make too many names"));
                        return Vec::new();
                    };
                    out.pop();
                    let start = out.len();
                    out.extend(Reader::of_other(text, name.span));
                    if let Some(first) = out.get_mut(start) {
                        first.blank = left.blank;
                    }
                }
                (true, ..) => {}
                _ => out.push(token),
            }
        }
        out
    }

    /// An argument as text.
    fn stringified(&mut self, argument: &[Tok<'a>], hash: &Tok<'a>) -> Option<Tok<'a>> {
        let mut text = String::from("\"");
        for (i, token) in argument.iter().enumerate() {
            if token.blank && i > 0 {
                text.push(' ');
            }
            match token.kind {
                Kind::Str | Kind::Char => text.push_str(&token.text.replace('\\', "\\\\").replace('"', "\\\"")),
                _ => text.push_str(token.text),
            }
        }
        text.push('"');
        let text = self.texts.keep(text)?;
        Some(Tok { kind: Kind::Str, text, ..*hash })
    }
}

/// The macro use at `start..end` of the script.
pub(crate) struct Use<'a> {
    /// What it becomes, as text of the script's language.
    pub(crate) text: &'a str,
    /// Where it ends.
    pub(crate) end: usize,
}

impl<'a> Preprocessor<'a> {
    /// What the word at `start..end` of the script's text becomes, if it is a macro.
    pub(crate) fn script_use(&mut self, text: &'a str, start: usize, end: usize) -> Option<Use<'a>> {
        let span = Span::new(start as u32, end as u32);
        let word = &text[start..end];
        let name = Tok { kind: Kind::Word, text: word, span, blank: false, starts_line: false, painted: false };
        let mut reader = Reader::of_script(text, end);
        let object = self.lookup(word)?.params.is_none();
        let tokens = self.expanded_use(name, &mut reader)?;
        let mut rendered = render(&tokens);
        // One value, whatever the operators beside it: that is how such macros are meant.
        if object && reads_as_operation(&tokens) {
            rendered = format!("({rendered})");
        }
        let kept = self.texts.keep(rendered);
        if kept.is_none() {
            self.give_up(Diagnostic::error(span, "macros become too long"));
        }
        Some(Use { text: kept?, end: reader.pos.max(end) })
    }
}

/// Tokens as text of the script's language, whose numbers are written a little differently.
fn render(tokens: &[Tok<'_>]) -> String {
    let mut out = String::new();
    for token in tokens {
        let glues = out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && token.text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if !out.is_empty() && (token.blank || glues) {
            out.push(' ');
        }
        match token.kind {
            Kind::Number => out.push_str(&number(token.text)),
            Kind::Char => match super::lex::character(token.text) {
                Some(value) => out.push_str(&value.to_string()),
                None => out.push_str(token.text),
            },
            _ => out.push_str(token.text),
        }
    }
    out
}

/// A number of C as the script's language writes it: suffixes small, and on decimal numbers only.
fn number(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) || !text.ends_with(['u', 'U', 'l', 'L']);
    match super::lex::integer(text) {
        Some(number) if !plain => {
            let long = number.long || number.value > u32::MAX.into();
            let suffix = match (number.unsigned || number.value > i64::MAX as u64, long) {
                (true, true) => "ul",
                (true, false) => "u",
                (false, _) => "l",
            };
            format!("{}{suffix}", number.value)
        }
        _ => text.to_owned(),
    }
}

/// Whether tokens are operands with binary operators between them, outside of brackets.
fn reads_as_operation(tokens: &[Tok<'_>]) -> bool {
    const OPERATORS: &[&str] =
        &["+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "&&", "||", "==", "!=", "<", ">", "<=", ">=", "?", ":"];
    let (mut depth, mut after_operand, mut operations) = (0usize, false, 0usize);
    // What stands in parentheses before an operand is a cast.
    let mut after_group = false;
    for token in tokens {
        let is_operand = token.kind != Kind::Punct || token.text.starts_with(['$', '@']);
        let text = if is_operand { "" } else { token.text };
        let may_be_cast = std::mem::replace(&mut after_group, depth == 1 && text == ")");
        match text {
            "(" | "[" | "{" if depth > 0 => depth += 1,
            "(" | "[" => depth = 1,
            ")" | "]" | "}" if depth > 0 => {
                depth -= 1;
                after_operand = true;
            }
            _ if depth > 0 => {}
            "" if after_operand && !may_be_cast => return false,
            "" => after_operand = true,
            "." | "->" if after_operand => after_operand = false,
            "-" | "!" | "~" | "*" | "&" | "+" if !after_operand => {}
            operator if after_operand && OPERATORS.contains(&operator) => {
                operations += 1;
                after_operand = false;
            }
            _ => return false,
        }
    }
    depth == 0 && after_operand && operations > 0
}
