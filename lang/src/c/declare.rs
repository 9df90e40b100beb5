//! From tokens to declarations: types and their names. What headers declare besides is stepped over.
//!
//! A name where a type is expected is a type's name; no table of typedefs is needed to read declarations.

use super::expression;
use super::lex::{Kind, Tok};
use super::tree::{Attributes, Declarations, EnumDef, Expr, Member, Record, TypeRef, Typedef};
use crate::ast::TypeTag;
use crate::diag::Diagnostic;
use crate::span::Span;

/// Types, declarators and expressions may nest this deep.
const MOST_DEPTH: usize = 60;
/// A declarator may have this many stars, brackets and parentheses.
const MOST_DERIVATIONS: usize = 60;

/// Reads the declarations that `tokens` hold into `out`; those of a header as far as they are understood.
pub(super) fn declarations(tokens: &[Tok<'_>], of_header: bool, out: &mut Declarations) -> Vec<Diagnostic> {
    let mut parser = Parser { tokens, at: 0, out, of_header, depth: 0 };
    let mut diagnostics = Vec::new();
    while parser.at < tokens.len() {
        let start = parser.at;
        if let Err(diagnostic) = parser.declaration() {
            if !of_header {
                diagnostics.push(diagnostic);
                break;
            }
            parser.depth = 0;
            parser.at = start;
            parser.skip_declaration();
        }
    }
    diagnostics
}

pub(super) struct Parser<'t, 'a> {
    pub(super) tokens: &'t [Tok<'a>],
    pub(super) at: usize,
    out: &'t mut Declarations,
    of_header: bool,
    pub(super) depth: usize,
}

/// What stands before the declarators.
struct Specifiers {
    ty: TypeRef,
    is_typedef: bool,
    attributes: Attributes,
    span: Span,
}

/// Words that change nothing about a type's layout.
const QUALIFIERS: &[&str] = &[
    "const",
    "volatile",
    "restrict",
    "__restrict",
    "__restrict__",
    "__const",
    "__const__",
    "__volatile__",
    "__volatile",
    "register",
    "static",
    "extern",
    "inline",
    "__inline",
    "__inline__",
    "__always_inline",
    "auto",
    "_Noreturn",
    "_Thread_local",
    "__thread",
    "__extension__",
    "_Atomic",
    "__user",
    "__kernel",
    "__rcu",
    "__iomem",
    "__percpu",
    "__force",
    "__nocast",
    "__bitwise",
    "__private",
    "__must_check",
    "__randomize_layout",
    "__ro_after_init",
    "__read_mostly",
    "__refdata",
    "__deprecated",
    "__maybe_unused",
];

/// Words that begin a type and nothing else.
const TYPE_WORDS: &[&str] = &[
    "void",
    "char",
    "short",
    "int",
    "long",
    "float",
    "double",
    "signed",
    "unsigned",
    "__signed__",
    "__signed",
    "_Bool",
    "struct",
    "union",
    "enum",
    "__int128",
    "const",
    "volatile",
];

pub(super) type Parsed<T> = Result<T, Diagnostic>;

impl<'t, 'a> Parser<'t, 'a> {
    /// Reads `tokens`; what they define goes to `out`.
    pub(super) fn over(tokens: &'t [Tok<'a>], out: &'t mut Declarations) -> Self {
        Self { tokens, at: 0, out, of_header: false, depth: 0 }
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<&Tok<'a>> {
        self.tokens.get(self.at + ahead)
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.peek(0).is_some_and(|token| token.is(text))
    }

    pub(super) fn accept(&mut self, text: &str) -> bool {
        let found = self.is(text);
        self.at += usize::from(found);
        found
    }

    /// The place of the next token, or behind the last one.
    pub(super) fn place(&self) -> Span {
        match (self.peek(0), self.tokens.last()) {
            (Some(token), _) => token.span,
            (None, Some(last)) => Span::new(last.span.end, last.span.end),
            (None, None) => Span::default(),
        }
    }

    pub(super) fn expected<T>(&self, what: &str) -> Parsed<T> {
        let title = match self.peek(0) {
            Some(token) => format!("expected {what}, found `{}`", token.text.escape_debug()),
            None => format!("expected {what}"),
        };
        Err(Diagnostic::error(self.place(), title))
    }

    pub(super) fn expect(&mut self, text: &str) -> Parsed<()> {
        match self.accept(text) {
            true => Ok(()),
            false => self.expected(&format!("`{text}`")),
        }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MOST_DEPTH {
            return Err(Diagnostic::error(self.place(), format!("C is nested more than {MOST_DEPTH} deep here")));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Steps over a group that begins here.
    fn skip_group(&mut self) -> Parsed<()> {
        let start = self.place();
        let mut depth = 0usize;
        while let Some(token) = self.peek(0) {
            if token.kind == Kind::Punct {
                match token.text {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(Diagnostic::error(start, "this bracket is not closed"))
    }

    /// Steps over a declaration that is not understood: to its `;`, or over the body of a function.
    fn skip_declaration(&mut self) {
        while let Some(token) = self.peek(0) {
            if token.is(";") {
                self.at += 1;
                return;
            }
            let is_body = token.is("{") && self.at.checked_sub(1).is_some_and(|before| self.tokens[before].is(")"));
            if self.skip_group().is_err() || is_body {
                return;
            }
        }
    }

    fn declaration(&mut self) -> Parsed<()> {
        if self.accept(";") {
            return Ok(());
        }
        if self.skip_assertion()? {
            return Ok(());
        }
        let specifiers = self.specifiers()?;
        if self.accept(";") || (self.at >= self.tokens.len() && !specifiers.is_typedef) {
            return Ok(());
        }
        loop {
            let (name, ty) = self.declarator(specifiers.ty.clone())?;
            let mut attributes = specifiers.attributes.clone();
            attributes.add(self.attributes()?);
            let Some(name) = name else { return self.expected("a name") };
            if specifiers.is_typedef {
                self.out.typedefs.push(Typedef {
                    name: name.text.to_owned(),
                    ty,
                    attributes,
                    span: name.span,
                    of_header: self.of_header,
                });
            } else if !self.of_header {
                return Err(Diagnostic::error(name.span, "only types are declared here")
                    .with_help("a script's own values are variables, $x, and maps, @x"));
            } else {
                // A function or variable is of no use here.
                self.skip_declaration();
                return Ok(());
            }
            if !self.accept(",") {
                return self.expect(";");
            }
        }
    }

    /// Steps over `_Static_assert(...);`
    fn skip_assertion(&mut self) -> Parsed<bool> {
        if !self.is("_Static_assert") && !self.is("static_assert") {
            return Ok(false);
        }
        self.at += 1;
        self.skip_group()?;
        self.accept(";");
        Ok(true)
    }

    /// Whether a type begins here, as far as keywords tell.
    pub(super) fn type_begins(&self) -> bool {
        self.peek(0).is_some_and(|token| token.is_word() && TYPE_WORDS.contains(&token.text))
    }

    /// A type with an optional `*` and `[]` but no name, as in `sizeof`.
    pub(super) fn type_name(&mut self) -> Parsed<TypeRef> {
        self.deeper(|parser| {
            let specifiers = parser.specifiers()?;
            match parser.declarator(specifiers.ty)? {
                (None, ty) => Ok(ty),
                (Some(name), _) => Err(Diagnostic::error(name.span, "expected a type without a name")),
            }
        })
    }

    fn specifiers(&mut self) -> Parsed<Specifiers> {
        let start = self.place();
        let mut words = Words::default();
        let mut other = None;
        let mut found =
            Specifiers { ty: TypeRef::Void, is_typedef: false, attributes: Attributes::default(), span: start };
        while let Some(token) = self.peek(0).copied().filter(Tok::is_word) {
            if QUALIFIERS.contains(&token.text) {
                self.at += 1;
            } else if token.is("typedef") {
                self.at += 1;
                found.is_typedef = true;
            } else if self.at_attribute() {
                found.attributes.add(self.attributes()?);
            } else if let Some(tag) = tag(token.text) {
                if other.is_some() || words.any() {
                    return self.expected("a name");
                }
                self.at += 1;
                other = Some(self.deeper(|parser| parser.tagged(tag, token.span))?);
            } else if words.take(token.text) {
                if other.is_some() {
                    return self.expected("a name");
                }
                self.at += 1;
            } else if other.is_none() && !words.any() {
                self.at += 1;
                other = Some(TypeRef::Named(token.text.to_owned(), token.span));
            } else {
                break;
            }
        }
        found.ty = match (other, words.ty()) {
            (Some(ty), _) => ty,
            (None, Some(ty)) => ty,
            (None, None) if words.any() => {
                return Err(Diagnostic::error(start.to(self.before()), "these words do not make a type"));
            }
            (None, None) => return self.expected("a type"),
        };
        Ok(found)
    }

    /// The place of the token before this one.
    fn before(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(Span::default(), |token| token.span)
    }

    /// What follows `struct`, `union` or `enum`.
    fn tagged(&mut self, tag: TypeTag, span: Span) -> Parsed<TypeRef> {
        let mut attributes = self.attributes()?;
        let name = self.peek(0).copied().filter(Tok::is_word);
        self.at += usize::from(name.is_some());
        attributes.add(self.attributes()?);
        let place = name.map_or(span, |name| name.span);
        if !self.is("{") {
            return match name {
                Some(name) => Ok(TypeRef::Tagged(tag, name.text.to_owned(), place)),
                None => self.expected("a name or `{`"),
            };
        }
        self.at += 1;
        let name = name.map(|name| name.text.to_owned());
        if tag == TypeTag::Enum {
            let values = self.enumerators()?;
            attributes.add(self.attributes()?);
            let packed = attributes.packed;
            self.out.enums.push(EnumDef { name, values, packed, span: place, of_header: self.of_header });
            return Ok(TypeRef::Enum(self.out.enums.len() - 1));
        }
        let members = self.members()?;
        attributes.add(self.attributes()?);
        self.out.records.push(Record { tag, name, members, attributes, span: place, of_header: self.of_header });
        Ok(TypeRef::Record(self.out.records.len() - 1))
    }

    /// Members up to `}`. A `;` before it may be missing.
    fn members(&mut self) -> Parsed<Vec<Member>> {
        let mut members = Vec::new();
        while !self.accept("}") {
            if self.accept(";") || self.skip_assertion()? {
                continue;
            }
            if self.at >= self.tokens.len() {
                return self.expected("`}`");
            }
            let specifiers = self.specifiers()?;
            if self.is(";") || self.is("}") {
                // Without a name only an anonymous structure is a member.
                let anonymous = match specifiers.ty {
                    TypeRef::Record(index) => self.out.records.get(index).is_some_and(|record| record.name.is_none()),
                    _ => false,
                };
                if anonymous {
                    members.push(Member {
                        name: String::new(),
                        ty: specifiers.ty,
                        bits: None,
                        attributes: specifiers.attributes,
                        span: specifiers.span,
                    });
                }
                continue;
            }
            loop {
                let (name, ty) = self.declarator(specifiers.ty.clone())?;
                let bits = if self.accept(":") { Some(self.expression()?) } else { None };
                let mut attributes = specifiers.attributes.clone();
                attributes.add(self.attributes()?);
                if name.is_none() && bits.is_none() {
                    return self.expected("a member's name");
                }
                let span = name.map_or(specifiers.span, |name| name.span);
                let name = name.map_or(String::new(), |name| name.text.to_owned());
                members.push(Member { name, ty, bits, attributes, span });
                if !self.accept(",") {
                    break;
                }
            }
            if !self.is("}") && !self.accept(";") {
                return self.expected("`;` after this member");
            }
        }
        Ok(members)
    }

    /// `A, B = 2 }`
    fn enumerators(&mut self) -> Parsed<Vec<(String, Span, Option<Expr>)>> {
        let mut values = Vec::new();
        while !self.accept("}") {
            let Some(name) = self.peek(0).copied().filter(Tok::is_word) else { return self.expected("a name or `}`") };
            self.at += 1;
            self.attributes()?;
            let value = if self.accept("=") { Some(self.expression()?) } else { None };
            values.push((name.text.to_owned(), name.span, value));
            if !self.is("}") && !self.accept(",") {
                return self.expected("`,` or `}`");
            }
        }
        Ok(values)
    }

    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        expression::constant(self)
    }

    /// Stars, a name if there is one, brackets; gives the name and the type that it has.
    fn declarator(&mut self, base: TypeRef) -> Parsed<(Option<Tok<'a>>, TypeRef)> {
        let mut left = MOST_DERIVATIONS;
        self.declarator_within(base, &mut left)
    }

    fn derive(&self, left: &mut usize) -> Parsed<()> {
        match left.checked_sub(1) {
            Some(rest) => *left = rest,
            None => return Err(Diagnostic::error(self.place(), "this type has too many stars and brackets")),
        }
        Ok(())
    }

    fn declarator_within(&mut self, mut ty: TypeRef, left: &mut usize) -> Parsed<(Option<Tok<'a>>, TypeRef)> {
        loop {
            if self.accept("*") {
                self.derive(left)?;
                ty = TypeRef::Pointer(Box::new(ty));
            } else if self.peek(0).is_some_and(|token| token.is_word() && QUALIFIERS.contains(&token.text)) {
                self.at += 1;
            } else if self.at_attribute() {
                self.attributes()?;
            } else {
                break;
            }
        }
        let nested = self.is("(") && self.peek(1).is_some_and(|token| token.is("*") || token.is("("));
        if nested {
            // What stands behind the parentheses binds tighter than what is inside, so it is read first.
            self.derive(left)?;
            let inside = self.at + 1;
            self.skip_group()?;
            let ty = self.suffixes(ty, left)?;
            let end = self.at;
            self.at = inside;
            let result = self.deeper(|parser| parser.declarator_within(ty, left))?;
            self.expect(")")?;
            self.at = end;
            return Ok(result);
        }
        let name = self.peek(0).copied().filter(|token| token.is_word() && !self.at_attribute());
        self.at += usize::from(name.is_some());
        Ok((name, self.suffixes(ty, left)?))
    }

    /// `[2][3]`, `(int, char)`
    fn suffixes(&mut self, mut ty: TypeRef, left: &mut usize) -> Parsed<TypeRef> {
        let mut lengths = Vec::new();
        loop {
            if self.accept("[") {
                self.derive(left)?;
                let length = if self.is("]") { None } else { Some(Box::new(self.expression()?)) };
                self.expect("]")?;
                lengths.push(length);
            } else if self.is("(") {
                self.skip_group()?;
                ty = TypeRef::Function;
            } else {
                break;
            }
        }
        for length in lengths.into_iter().rev() {
            ty = TypeRef::Array(Box::new(ty), length);
        }
        Ok(ty)
    }

    fn at_attribute(&self) -> bool {
        let words = ["__attribute__", "__attribute", "__packed", "__aligned", "_Alignas", "alignas", "__asm__", "asm"];
        self.peek(0).is_some_and(|token| token.is_word() && words.contains(&token.text))
    }

    /// `__attribute__((packed, aligned(8)))`, any number of times.
    fn attributes(&mut self) -> Parsed<Attributes> {
        let mut found = Attributes::default();
        while self.at_attribute() {
            let word = self.peek(0).map_or("", |token| token.text);
            self.at += 1;
            match word {
                "__packed" => found.packed = true,
                "__aligned" | "_Alignas" | "alignas" => {
                    self.expect("(")?;
                    found.aligned.push(Some(self.alignment()?));
                    self.expect(")")?;
                }
                "__asm__" | "asm" => self.skip_group()?,
                _ => {
                    self.expect("(")?;
                    self.expect("(")?;
                    self.attribute_list(&mut found)?;
                    self.expect(")")?;
                    self.expect(")")?;
                }
            }
        }
        Ok(found)
    }

    /// A number, or a type whose alignment is meant.
    fn alignment(&mut self) -> Parsed<Expr> {
        if self.type_begins() {
            let span = self.place();
            let ty = self.type_name()?;
            return Ok(Expr { kind: super::tree::ExprKind::AlignOf(ty), span });
        }
        self.expression()
    }

    fn attribute_list(&mut self, found: &mut Attributes) -> Parsed<()> {
        while !self.is(")") {
            if self.accept(",") {
                continue;
            }
            let Some(name) = self.peek(0).copied().filter(Tok::is_word) else { return self.expected("an attribute") };
            self.at += 1;
            match name.text.trim_matches('_') {
                "packed" => found.packed = true,
                "aligned" if self.accept("(") => {
                    found.aligned.push(Some(self.alignment()?));
                    self.expect(")")?;
                }
                "aligned" => found.aligned.push(None),
                "vector_size" | "mode" => {
                    let title = format!("the attribute `{}` is not understood", name.text);
                    return Err(Diagnostic::error(name.span, title));
                }
                _ if self.is("(") => self.skip_group()?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn tag(word: &str) -> Option<TypeTag> {
    Some(match word {
        "struct" => TypeTag::Struct,
        "union" => TypeTag::Union,
        "enum" => TypeTag::Enum,
        _ => return None,
    })
}

/// The words of a type of C's own, in any order: `long unsigned int long`.
#[derive(Default)]
struct Words {
    base: Option<&'static str>,
    signed: bool,
    unsigned: bool,
    short: bool,
    long: u8,
}

impl Words {
    fn any(&self) -> bool {
        self.base.is_some() || self.signed || self.unsigned || self.short || self.long > 0
    }

    fn take(&mut self, word: &str) -> bool {
        const BASES: &[&str] =
            &["void", "char", "int", "float", "double", "_Bool", "__int128", "_Float128", "__float128"];
        match word {
            "signed" | "__signed__" | "__signed" => self.signed = true,
            "unsigned" => self.unsigned = true,
            "short" => self.short = true,
            "long" => self.long = self.long.saturating_add(1),
            _ => match BASES.iter().find(|base| **base == word) {
                Some(base) if self.base.is_none() => self.base = Some(base),
                _ => return false,
            },
        }
        true
    }

    /// The type they make, if they make one.
    fn ty(&self) -> Option<TypeRef> {
        let sign = self.signed || self.unsigned;
        let width = self.short || self.long > 0;
        if (self.signed && self.unsigned) || (self.short && self.long > 0) || self.long > 2 {
            return None;
        }
        let int = |bits| Some(TypeRef::Int { bits, signed: !self.unsigned });
        match self.base {
            Some("void") if !sign && !width => Some(TypeRef::Void),
            Some("_Bool") if !sign && !width => Some(TypeRef::Bool),
            Some("char") if !width && !sign => Some(TypeRef::Char),
            Some("char") if !width => int(8),
            Some("float") if !sign && !width => Some(TypeRef::Opaque { size: 4 }),
            Some("double") if !sign && !self.short && self.long < 2 => {
                Some(TypeRef::Opaque { size: if self.long == 1 { 16 } else { 8 } })
            }
            Some("__int128") if !width => Some(TypeRef::Opaque { size: 16 }),
            Some("_Float128" | "__float128") if !sign && !width => Some(TypeRef::Opaque { size: 16 }),
            Some("int") | None if self.any() => match (self.short, self.long) {
                (true, _) => int(16),
                (_, 0) => int(32),
                _ => int(64),
            },
            _ => None,
        }
    }
}
