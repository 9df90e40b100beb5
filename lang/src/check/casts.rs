//! Casts, and the types that names in a script stand for.

use super::Checker;
use super::expr::unknown;
use crate::ast;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::{AddressSpace, IntType, Type};

impl Checker<'_> {
    pub fn cast(&mut self, value: Expr, ty: Type, span: Span) -> Expr {
        if value.ty == Type::Unknown {
            return unknown(span);
        }
        if let (Type::Str(from), Type::Str(to)) = (&value.ty, &ty)
            && (from <= to || *to == 0)
        {
            return match &value.kind {
                ExprKind::Str(_) => Expr { ty: Type::Str(*from.max(to)), span, ..value },
                // Its buffer grows where it is stored.
                _ => value,
            };
        }
        if !value.ty.is_scalar() || !ty.is_scalar() {
            return self.refuse(span, format!("Cannot cast from \"{}\" to \"{ty}\"", value.ty));
        }
        Expr { kind: ExprKind::Cast(Box::new(value)), ty, span }
    }

    /// The type a name in the script stands for.
    pub fn type_name(&mut self, name: &ast::TypeName) -> Option<Type> {
        let base = match (name.tag, scalar_type(&name.name)) {
            (None, _) if name.name == "void" && name.arrays.is_empty() => Type::Void,
            (None, _) if name.name == "string" => match name.arrays[..] {
                [] => Type::Str(0),
                [length] if (1..=u64::from(self.settings.max_strlen)).contains(&length) => Type::Str(length as u32),
                _ => {
                    let title = format!("a string has 1 to {} bytes", self.settings.max_strlen);
                    self.report(Diagnostic::error(name.span, title));
                    return None;
                }
            },
            (None, Some(ty)) if name.arrays.is_empty() => ty,
            _ if name.pointers > 0 => Type::Void,
            _ => {
                let tag = match name.tag {
                    Some(ast::TypeTag::Struct) => "struct ",
                    Some(ast::TypeTag::Union) => "union ",
                    Some(ast::TypeTag::Enum) => "enum ",
                    None => "",
                };
                let shown = format!("{tag}{}", name.name);
                let near =
                    nearest(&name.name, SCALAR_TYPES.iter().map(|(name, ..)| *name).chain(["string", "void"]), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                self.report(
                    Diagnostic::error(name.span, format!("Cannot resolve unknown type \"{shown}\""))
                        .with_maybe_help(help),
                );
                return None;
            }
        };
        Some((0..name.pointers).fold(base, |ty, _| Type::Pointer(Box::new(ty), AddressSpace::Kernel)))
    }
}

/// Names of scalar types: bits and sign; 1 bit is a bool.
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
    ("int8_t", 8, true),
    ("int16_t", 16, true),
    ("int32_t", 32, true),
    ("int64_t", 64, true),
    ("uint8_t", 8, false),
    ("uint16_t", 16, false),
    ("uint32_t", 32, false),
    ("uint64_t", 64, false),
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
    ("size_t", 64, false),
];

fn scalar_type(name: &str) -> Option<Type> {
    let (_, bits, signed) = *SCALAR_TYPES.iter().find(|(known, ..)| *known == name)?;
    Some(if bits == 1 { Type::Bool } else { Type::Int(IntType { bits, signed }) })
}
