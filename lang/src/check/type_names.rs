//! The types that names in a script stand for.

use super::{Checker, ProbeState};
use crate::ast::{self, TypeBase, TypeSuffix, TypeTag};
use crate::builtins::builtin;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::probes::ProviderId;
use crate::span::Span;
use crate::types::{AddressSpace, IntType, Type};

impl Checker<'_> {
    /// The type of a type or expression in `sizeof` and its like. The expression is checked and then forgotten.
    pub fn type_of(&mut self, state: &mut ProbeState<'_>, of: &ast::TypeOf) -> Option<Type> {
        match of {
            ast::TypeOf::Type(name) => self.type_name(state, name),
            ast::TypeOf::Expr(expr) => {
                if let Some(ty) = self.typedef(state, expr) {
                    return Some(ty);
                }
                let formats = self.walk.program.formats.len();
                let ty = self.expr(state, expr).ty;
                self.walk.program.formats.truncate(formats);
                self.walk.program.expanded_from.retain(|(format, _)| format.index() < formats);
                (ty != Type::Unknown).then_some(ty)
            }
        }
    }

    /// The type that an expression stands for after all: a bare name that only a `typedef` has.
    fn typedef(&mut self, state: &ProbeState<'_>, expr: &ast::Expr) -> Option<Type> {
        let ast::ExprKind::Ident(name) = &expr.kind else { return None };
        let is_value = builtin(name).is_some() || self.definitions.constant(name).is_some();
        if is_value { None } else { self.named_type(state, None, name) }
    }

    /// The type that a name with its suffixes stands for; `None`, with the reason reported, if there is none.
    pub fn type_name(&mut self, state: &mut ProbeState<'_>, written: &ast::TypeName) -> Option<Type> {
        let mut suffixes = &written.suffixes[..];
        let base = match &written.base {
            TypeBase::TypeOf(of) => self.type_of(state, of)?,
            TypeBase::Named { tag: None, name } if name == "string" => {
                let (ty, rest) = self.string_type(written)?;
                suffixes = rest;
                ty
            }
            TypeBase::Named { tag, name } => match self.named_type(state, *tag, name) {
                Some(ty) => ty,
                // What a pointer points to need not be complete as long as nobody looks.
                None if suffixes.first() == Some(&TypeSuffix::Pointer)
                    && tag.is_some_and(|tag| self.definitions.mentions(tag, name)) =>
                {
                    Type::Void
                }
                None => {
                    self.report_unknown_type(state, *tag, name, written.span);
                    return None;
                }
            },
        };
        let space = self.pointer_space(state);
        let mut ty = base;
        for suffix in suffixes {
            ty = match suffix {
                TypeSuffix::Pointer => Type::Pointer(Box::new(ty), space),
                TypeSuffix::Array(_) if ty == Type::Void => {
                    self.refuse(written.span, "there are no arrays of void");
                    return None;
                }
                // Without a length it is as long as what is cast.
                TypeSuffix::Array(length) => {
                    let length = u32::try_from(length.unwrap_or(0)).unwrap_or(u32::MAX);
                    let bytes = ty.size_of().saturating_mul(u64::from(length));
                    if bytes > MOST_BYTES {
                        self.refuse(written.span, format!("an array of {bytes} bytes is too large"));
                        return None;
                    }
                    Type::Array(Box::new(ty), length)
                }
            };
        }
        Some(ty)
    }

    /// Whose memory an address means that the script makes into a pointer, as far as the probe tells: arguments of a
    /// process's functions are its own addresses, those of the kernel's may be either's.
    fn pointer_space(&self, state: &ProbeState<'_>) -> AddressSpace {
        match state.header.provider {
            Some(ProviderId::Uprobe | ProviderId::Uretprobe | ProviderId::Usdt) => AddressSpace::User,
            _ => AddressSpace::Either,
        }
    }

    /// The type of this name: of C, of the script, of the traced program, or of the kernel.
    pub fn named_type(&mut self, state: &ProbeState<'_>, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        if tag.is_none() {
            if name == "void" {
                return Some(Type::Void);
            }
            if let Some(ty) = scalar_type(name) {
                return Some(ty);
            }
        }
        let own = self.definitions.find(tag, name);
        own.or_else(|| self.program_type(state, tag?, name)).or_else(|| self.target.kernel_type(tag, name))
    }

    /// The type of this name of the program that the probe is in.
    fn program_type(&self, state: &ProbeState<'_>, tag: TypeTag, name: &str) -> Option<Type> {
        let mut files = state.header.points.iter().filter_map(|point| point.attach.file());
        files.find_map(|path| self.target.program_type(path, tag, name))
    }

    /// `string`, or `string[n]`, and the suffixes behind it.
    fn string_type<'t>(&mut self, written: &'t ast::TypeName) -> Option<(Type, &'t [TypeSuffix])> {
        match &written.suffixes[..] {
            [TypeSuffix::Array(Some(length)), rest @ ..] => {
                let most = u64::from(self.config.max_strlen);
                if !(1..=most).contains(length) {
                    let title = format!("a string has 1 to {most} bytes");
                    self.report(Diagnostic::error(written.span, title));
                    return None;
                }
                Some((Type::Str(*length as u32), rest))
            }
            rest => Some((Type::Str(0), rest)),
        }
    }

    fn report_unknown_type(&mut self, state: &ProbeState<'_>, tag: Option<TypeTag>, name: &str, span: Span) {
        let shown = format!("{}{name}", tag.map_or("", TypeTag::prefix));
        let help = match tag {
            // Written without its tag, as C++ allows and C does not.
            None => [TypeTag::Struct, TypeTag::Union, TypeTag::Enum]
                .into_iter()
                .find(|tag| self.named_type(state, Some(*tag), name).is_some())
                .map(|tag| format!("did you mean `{}{name}`?", tag.prefix())),
            // A structure that the script defines may be meant as well.
            Some(tag) => {
                let own = nearest(name, self.definitions.tagged(tag), 1);
                let mut near = own.into_iter().chain(self.target.kernel_types_like(tag, name));
                near.next().map(|near| format!("did you mean `{}{near}`?", tag.prefix()))
            }
        };
        let near = |names| nearest(name, names, 1).first().map(|near| format!("did you mean `{near}`?"));
        let help = help.or_else(|| if tag.is_none() { near(plain_types()) } else { None });
        let error = Diagnostic::error(span, format!("Cannot resolve unknown type \"{shown}\""));
        self.report(error.with_maybe_help(help));
    }
}

/// Names of types that need no tag and no definition.
pub fn plain_types() -> impl Iterator<Item = &'static str> {
    let scalar = SCALAR_TYPES.iter().map(|(name, ..)| *name);
    scalar.chain(["string", "void"]).chain(crate::c::standard_types())
}

/// No value is larger.
const MOST_BYTES: u64 = 1 << 20;

/// Names of scalar types that need no definition in C, see [`crate::c::standard_types`]: bits and sign; 1 bit is a bool.
const SCALAR_TYPES: &[(&str, u8, bool)] = &[
    ("bool", 1, false),
    ("int8", 8, true),
    ("int16", 16, true),
    ("int32", 32, true),
    ("int64", 64, true),
    ("uint8", 8, false),
    ("uint16", 16, false),
    ("uint32", 32, false),
    ("uint64", 64, false),
    ("char", 8, true),
    ("short", 16, true),
    ("int", 32, true),
    ("long", 64, true),
    ("unsigned char", 8, false),
    ("unsigned short", 16, false),
    ("unsigned int", 32, false),
    ("unsigned long", 64, false),
    ("unsigned", 32, false),
    ("long long", 64, true),
    ("unsigned long long", 64, false),
];

fn scalar_type(name: &str) -> Option<Type> {
    let (_, bits, signed) = *SCALAR_TYPES.iter().find(|(known, ..)| *known == name)?;
    Some(if bits == 1 { Type::Bool } else { Type::Int(IntType { bits, signed }) })
}
