//! The preprocessor: directives, what is defined, and which lines count.
//!
//! Directives stand between the items of a script and in headers. A header is read as a whole: its macros are kept, the
//! rest of it is tokens for [`super::declare`]. Headers of the kernel are not read when the kernel itself tells its types
//! (BTF); only a name that looks like a constant and that nobody defines is looked up in them, see [`super::scan`].

use super::headers::{Header, Headers};
use super::lex::{Kind, Reader, Tok};
use super::number::{self, Facts, Fault, LONG, Names, Num};
use super::texts::Texts;
use super::tree::{Declarations, TypeRef};
use super::{constants, declare, expression, scan};
use crate::diag::Diagnostic;
use crate::span::Span;
use hashbrown::{HashMap, HashSet};

/// Headers may include one another this deep.
const MOST_INCLUDE_DEPTH: usize = 100;
/// Conditions may nest this deep.
const MOST_CONDITIONS: usize = 1000;

/// What `#define` gave a name.
#[derive(Clone)]
pub(super) struct Macro<'a> {
    /// None if it takes no arguments.
    pub(super) params: Option<Vec<&'a str>>,
    /// The last parameter stands for all further arguments.
    pub(super) variadic: bool,
    pub(super) body: Vec<Tok<'a>>,
}

/// The state of a script's preprocessing.
pub(crate) struct Preprocessor<'a> {
    pub(super) texts: &'a Texts,
    pub(super) headers: &'a dyn Headers,
    macros: HashMap<&'a str, Macro<'a>>,
    conditions: Vec<Condition>,
    /// Paths of headers that are read only once.
    once: HashSet<String>,
    pub(super) include_depth: usize,
    /// What compilers define is there.
    has_predefined: bool,
    /// Kernel headers that were not read.
    pub(super) deferred: Vec<String>,
    /// What they define, once somebody asks.
    pub(super) weak: Option<HashMap<&'a str, Macro<'a>>>,
    /// What headers say besides macros.
    header_tokens: Vec<Tok<'a>>,
    /// What the script and its headers declare.
    pub(crate) declarations: Declarations,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Names of macros whose expansion is under way.
    pub(super) active: Vec<&'a str>,
    /// How many tokens macros have become.
    pub(super) spent: usize,
    /// Something about macros went wrong that would only go wrong again.
    pub(super) gave_up: bool,
}

/// `#if` and what belongs to it.
struct Condition {
    /// Of the directive.
    span: Span,
    /// What stands around it counts.
    outer: bool,
    /// One of its branches was taken.
    taken: bool,
    active: bool,
    /// `#else` was there.
    last: bool,
    of_header: bool,
}

/// The directives that there are.
pub(crate) const DIRECTIVES: &[&str] = &[
    "include",
    "include_next",
    "define",
    "undef",
    "if",
    "ifdef",
    "ifndef",
    "elif",
    "else",
    "endif",
    "pragma",
    "error",
    "warning",
    "line",
    "ident",
];

/// Where a directive stands.
#[derive(Clone, Copy)]
enum Place<'p> {
    Script,
    /// In the header of this path, and whether the user named it.
    Header(&'p str, bool),
}

impl<'a> Preprocessor<'a> {
    /// With what is defined from the start.
    pub(crate) fn new(texts: &'a Texts, headers: &'a dyn Headers) -> Self {
        let mut preprocessor = Self {
            texts,
            headers,
            macros: HashMap::new(),
            conditions: Vec::new(),
            once: HashSet::new(),
            include_depth: 0,
            has_predefined: false,
            deferred: Vec::new(),
            weak: None,
            header_tokens: Vec::new(),
            declarations: Declarations::default(),
            diagnostics: Vec::new(),
            active: Vec::new(),
            spent: 0,
            gave_up: false,
        };
        if headers.has_btf() {
            preprocessor.predefine("BPFTRACE_HAVE_BTF", "1");
            preprocessor.predefine("RTRACE_HAVE_BTF", "1");
        }
        for name in headers.included() {
            preprocessor.include(name, true, Place::Script, Span::default());
        }
        preprocessor
    }

    fn predefine(&mut self, name: &'static str, text: &'static str) {
        let body = Reader::of_other(text, Span::default()).collect();
        self.macros.insert(name, Macro { params: None, variadic: false, body });
    }

    /// Whether lines count now.
    pub(crate) fn is_active(&self) -> bool {
        self.conditions.last().is_none_or(|condition| condition.active)
    }

    /// The macro of this name.
    pub(super) fn lookup(&mut self, name: &str) -> Option<&Macro<'a>> {
        if self.macros.contains_key(name) {
            return self.macros.get(name);
        }
        scan::find(self, name)
    }

    pub(super) fn defines(&self, name: &str) -> bool {
        self.macros.contains_key(name)
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Obeys the directive of the script whose `#` stands right before `pos`; gives where its line ends. `None` if it is
    /// no directive.
    pub(crate) fn script_directive(&mut self, text: &'a str, pos: usize) -> Option<usize> {
        let mut reader = Reader::of_script(text, pos);
        let line = reader.line();
        let word = line.first().filter(|token| DIRECTIVES.contains(&token.text))?;
        let hash = Span::new(pos as u32 - 1, pos as u32);
        let span = line.last().map_or(word.span, |last| hash.to(last.span));
        self.directive(&line, span, Place::Script);
        Some(reader.pos)
    }

    /// Steps over lines that do not count; gives where they end.
    pub(crate) fn skip_inactive(&mut self, text: &'a str, pos: usize) -> usize {
        let mut reader = Reader::of_script(text, pos);
        while !self.is_active() {
            let Some(token) = reader.next() else { break };
            if token.starts_line
                && token.is("#")
                && let Some(end) = self.script_directive(text, reader.pos)
            {
                reader = Reader::of_script(text, end);
            }
        }
        reader.pos
    }

    /// At the end of the script.
    pub(crate) fn finish(&mut self) {
        for condition in std::mem::take(&mut self.conditions).into_iter().filter(|condition| !condition.of_header) {
            self.report(Diagnostic::error(condition.span, "this condition has no `#endif`").at_end_of_input());
        }
        let tokens = std::mem::take(&mut self.header_tokens);
        declare::declarations(&tokens, true, &mut self.declarations);
    }

    fn directive(&mut self, line: &[Tok<'a>], span: Span, place: Place<'_>) {
        let Some((word, rest)) = line.split_first() else { return };
        let in_script = matches!(place, Place::Script);
        match word.text {
            "if" | "ifdef" | "ifndef" => self.open_condition(word.text, rest, span, in_script),
            "elif" => self.next_branch(Some(rest), span, in_script),
            "else" => self.next_branch(None, span, in_script),
            "endif" => self.close_condition(span, in_script),
            _ if !self.is_active() => {}
            "define" => self.define(rest, span, in_script),
            "undef" => {
                if let Some(name) = rest.first() {
                    self.macros.remove(name.text);
                }
            }
            "include" | "include_next" => self.include_directive(rest, span, place),
            "error" | "warning" if in_script => {
                let text = rest.iter().enumerate().fold(String::new(), |mut text, (i, token)| {
                    if token.blank && i > 0 {
                        text.push(' ');
                    }
                    text + token.text
                });
                let text = text.trim_end_matches('.');
                let title = if text.is_empty() { format!("#{}", word.text) } else { text.to_owned() };
                self.report(match word.text {
                    "error" => Diagnostic::error(span, title),
                    _ => Diagnostic::warning(span, title),
                });
            }
            "pragma" => {
                if let (Place::Header(path, _), true) = (place, rest.first().is_some_and(|token| token.is("once"))) {
                    self.once.insert(path.to_owned());
                }
            }
            _ => {}
        }
    }

    fn define(&mut self, line: &[Tok<'a>], span: Span, in_script: bool) {
        let mut told = |title: &str| {
            if in_script {
                self.diagnostics.push(Diagnostic::error(span, title));
            }
        };
        match definition(line) {
            Ok(("defined", _)) => told("`defined` cannot be defined"),
            Ok((name, definition)) => {
                self.macros.insert(name, definition);
            }
            Err(title) => told(title),
        }
    }

    fn open_condition(&mut self, word: &str, rest: &[Tok<'a>], span: Span, in_script: bool) {
        let outer = self.is_active();
        if self.conditions.len() >= MOST_CONDITIONS {
            self.gave_up = true;
            self.report(Diagnostic::error(span, format!("conditions are nested more than {MOST_CONDITIONS} deep")));
            return;
        }
        let holds = outer
            && match (word, rest.first()) {
                ("if", _) => self.holds(rest, span, in_script),
                (_, Some(name)) if name.is_word() => self.defines(name.text) == (word == "ifdef"),
                _ => {
                    if in_script {
                        self.report(Diagnostic::error(span, format!("expected a name after `#{word}`")));
                    }
                    false
                }
            };
        let of_header = !in_script;
        self.conditions.push(Condition { span, outer, taken: holds, active: holds, last: false, of_header });
    }

    fn close_condition(&mut self, span: Span, in_script: bool) {
        if self.conditions.pop().is_none() && in_script {
            self.report(Diagnostic::error(span, "`#endif` without `#if`"));
        }
    }

    /// `#elif` with its condition, or `#else`.
    fn next_branch(&mut self, cond: Option<&[Tok<'a>]>, span: Span, in_script: bool) {
        let Some(condition) = self.conditions.last() else {
            if in_script {
                let word = if cond.is_some() { "elif" } else { "else" };
                self.report(Diagnostic::error(span, format!("`#{word}` without `#if`")));
            }
            return;
        };
        let (open, after_last) = (condition.outer && !condition.taken, condition.last);
        if after_last && in_script {
            self.report(Diagnostic::error(span, "this stands behind `#else`"));
        }
        let holds = open && !after_last && cond.is_none_or(|cond| self.holds(cond, span, in_script));
        if let Some(condition) = self.conditions.last_mut() {
            condition.active = holds;
            condition.taken |= holds;
            condition.last |= cond.is_none();
        }
    }

    /// Whether the condition of `#if` is not 0.
    fn holds(&mut self, line: &[Tok<'a>], span: Span, in_script: bool) -> bool {
        let tokens = self.expanded(self.without_defined(line));
        let value = expression::whole(&tokens).map_err(Some).and_then(|expr| number::value(&expr, &mut NoNames));
        match value {
            Ok((value, _)) => value != 0,
            Err(fault) => {
                if let Some(mut diagnostic) = fault.filter(|_| in_script) {
                    if diagnostic.span == Span::default() || line.is_empty() {
                        diagnostic.span = span;
                    }
                    self.report(diagnostic);
                }
                false
            }
        }
    }

    /// With `defined(X)` answered, before macros are expanded.
    fn without_defined(&self, line: &[Tok<'a>]) -> Vec<Tok<'a>> {
        let mut out = Vec::with_capacity(line.len());
        let mut rest = line;
        while let Some((token, tail)) = rest.split_first() {
            rest = tail;
            let truth = |value: bool| Tok { kind: Kind::Number, text: if value { "1" } else { "0" }, ..*token };
            if token.is("defined") {
                match tail {
                    [open, name, close, tail @ ..] if open.is("(") && close.is(")") && name.is_word() => {
                        out.push(truth(self.defines(name.text)));
                        rest = tail;
                    }
                    [name, tail @ ..] if name.is_word() => {
                        out.push(truth(self.defines(name.text)));
                        rest = tail;
                    }
                    _ => out.push(*token),
                }
            } else if token.is_word() && token.text.starts_with("__has_") && tail.first().is_some_and(|t| t.is("(")) {
                // Abilities of compilers: none.
                let length = tail.iter().position(|token| token.is(")")).map_or(tail.len(), |at| at + 1);
                out.push(truth(false));
                rest = &tail[length..];
            } else {
                out.push(*token);
            }
        }
        out
    }

    fn include_directive(&mut self, line: &[Tok<'a>], span: Span, place: Place<'_>) {
        let direct = matches!(line.first(), Some(token) if token.kind == Kind::Str || token.is("<"));
        let line = if direct { line.to_vec() } else { self.expanded(line.to_vec()) };
        match line.split_first() {
            Some((token, _)) if token.kind == Kind::Str && token.text.len() > 2 => {
                self.include(token.text.trim_matches('"'), true, place, span);
            }
            Some((token, rest)) if token.is("<") && rest.iter().any(|token| token.is(">")) => {
                let name: String = rest.iter().take_while(|token| !token.is(">")).map(|token| token.text).collect();
                self.include(&name, false, place, span);
            }
            _ if matches!(place, Place::Script) => {
                let error = Diagnostic::error(span, "expected a header's name")
                    .with_help("it is written <linux/fs.h> or \"own.h\"");
                self.report(error);
            }
            _ => {}
        }
    }

    fn include(&mut self, name: &str, quoted: bool, place: Place<'_>, span: Span) {
        let (from, of_user) = match place {
            Place::Script => (None, true),
            Place::Header(path, of_user) => (Some(path), of_user),
        };
        if let Some(header) = self.headers.user_header(name, quoted, from) {
            return self.header(header, of_user, span);
        }
        // What the system's headers include of the kernel's are numbers that they make names of.
        if of_user && self.headers.has_btf() && is_of_kernel(name) {
            if !self.deferred.iter().any(|known| known == name) {
                self.deferred.push(name.to_owned());
                self.weak = None;
            }
            return;
        }
        match self.headers.machine_header(name) {
            Some(header) => self.header(header, false, span),
            // What scripts want of it is known without it.
            None if constants::has_header(name) => {}
            None if from.is_none() => {
                let help = match is_of_kernel(name) {
                    true => "the kernel does not tell its types (BTF), so its headers must be installed",
                    false => "-I DIR adds a directory to search",
                };
                self.report(Diagnostic::error(span, format!("'{name}' file not found")).with_help(help));
            }
            // What a header misses may not be needed.
            None => {}
        }
    }

    /// Reads a header of the user that nothing includes.
    pub(crate) fn read_header(&mut self, header: Header) {
        self.header(header, true, Span::default());
    }

    /// Reads a header.
    fn header(&mut self, header: Header, of_user: bool, span: Span) {
        if self.once.contains(&header.path) {
            return;
        }
        if self.include_depth >= MOST_INCLUDE_DEPTH {
            if !self.gave_up {
                self.gave_up = true;
                let title = format!("headers include one another more than {MOST_INCLUDE_DEPTH} deep");
                self.report(Diagnostic::error(span, title));
            }
            return;
        }
        let Some(text) = self.texts.keep(header.text) else {
            if !self.gave_up {
                self.gave_up = true;
                self.report(Diagnostic::error(span, "these headers are too large"));
            }
            return;
        };
        if !std::mem::replace(&mut self.has_predefined, true) {
            for (name, text) in PREDEFINED {
                self.predefine(name, text);
            }
        }
        self.include_depth += 1;
        let conditions = self.conditions.len();
        let mut reader = Reader::of_other(text, span);
        let mut pending = Vec::new();
        while let Some(token) = reader.next() {
            if token.starts_line && token.is("#") {
                let found = self.expanded(std::mem::take(&mut pending));
                self.header_tokens.extend(found);
                let line = reader.line();
                self.directive(&line, span, Place::Header(&header.path, of_user));
            } else if self.is_active() {
                pending.push(token);
            }
            if self.gave_up {
                break;
            }
        }
        let found = self.expanded(pending);
        self.header_tokens.extend(found);
        self.conditions.truncate(conditions);
        self.include_depth -= 1;
    }
}

/// What compilers define, as far as headers ask for it.
const PREDEFINED: &[(&str, &str)] = &[
    ("__linux__", "1"),
    ("__unix__", "1"),
    ("__LP64__", "1"),
    ("_LP64", "1"),
    ("__STDC__", "1"),
    ("__STDC_VERSION__", "201710L"),
    ("__GNUC__", "4"),
    ("__GNUC_MINOR__", "2"),
    ("__CHAR_BIT__", "8"),
    ("__BYTE_ORDER__", "1234"),
    ("__ORDER_LITTLE_ENDIAN__", "1234"),
    ("__ORDER_BIG_ENDIAN__", "4321"),
    ("__SIZEOF_LONG__", "8"),
    ("__SIZEOF_POINTER__", "8"),
    ("__SIZEOF_INT__", "4"),
    ("__INT_MAX__", "0x7fffffff"),
    ("__LONG_MAX__", "0x7fffffffffffffffL"),
    ("__extension__", ""),
    #[cfg(target_arch = "x86_64")]
    ("__x86_64__", "1"),
    #[cfg(target_arch = "aarch64")]
    ("__aarch64__", "1"),
];

/// Reads what follows `#define`: the name, and what it is defined as.
pub(super) fn definition<'a>(line: &[Tok<'a>]) -> Result<(&'a str, Macro<'a>), &'static str> {
    let [name, rest @ ..] = line else { return Err("expected a name after `#define`") };
    if !name.is_word() {
        return Err("expected a name after `#define`");
    }
    let takes_arguments = rest.first().is_some_and(|token| token.is("(") && !token.blank);
    if !takes_arguments {
        return Ok((name.text, Macro { params: None, variadic: false, body: rest.to_vec() }));
    }
    let mut params = Vec::new();
    let mut variadic = false;
    let mut at = 1;
    loop {
        let token = rest.get(at).ok_or("expected `)` behind the parameters")?;
        at += 1;
        if token.is(")") {
            break;
        } else if token.is("...") {
            if !variadic {
                params.push("__VA_ARGS__");
            }
            variadic = true;
        } else if token.is_word() {
            params.push(token.text);
            // GNU: `args...`
            variadic |= rest.get(at).is_some_and(|token| token.is("..."));
        } else if !token.is(",") {
            return Err("expected the name of a parameter");
        }
    }
    Ok((name.text, Macro { params: Some(params), variadic, body: rest[at..].to_vec() }))
}

/// Whether a header belongs to the kernel, so that its types are those of BTF.
fn is_of_kernel(name: &str) -> bool {
    const DIRECTORIES: &[&str] = &[
        "linux",
        "net",
        "asm",
        "asm-generic",
        "uapi",
        "trace",
        "scsi",
        "sound",
        "drm",
        "rdma",
        "crypto",
        "xen",
        "acpi",
        "keys",
        "media",
        "misc",
        "mtd",
        "target",
        "vdso",
        "video",
        "kunit",
        "soc",
        "block",
        "fs",
        "mm",
        "kernel",
    ];
    name.split_once('/').is_some_and(|(directory, _)| DIRECTORIES.contains(&directory))
}

/// In `#if` every name is 0, and there are no types.
struct NoNames;

impl Names for NoNames {
    fn name(&mut self, _name: &str) -> Option<Num> {
        Some((0, LONG))
    }

    fn layout(&mut self, _ty: &TypeRef) -> Result<Facts, Fault> {
        Err(Some(Diagnostic::error(Span::default(), "the preprocessor knows no types")))
    }

    fn offset(&mut self, _ty: &TypeRef, _path: &[String]) -> Option<u64> {
        None
    }
}
