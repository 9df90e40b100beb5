//! Casts.

use super::Checker;
use super::expr::{int, literal, unknown};
use super::gathered::as_number;
use super::members::space_of;
use crate::ast::BinaryOp;
use crate::names::ROOM;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

/// A text as a truth.
fn is_not_empty(text: Expr, span: Span) -> Expr {
    match &text.kind {
        ExprKind::Str(bytes) => int(i64::from(!bytes.is_empty()), Type::Bool, span),
        _ => {
            let empty = Expr { kind: ExprKind::Str(Vec::new()), ty: Type::Str(1), span };
            Expr { kind: ExprKind::Binary(BinaryOp::Ne, Box::new(text), Box::new(empty)), ty: Type::Bool, span }
        }
    }
}

/// The name of a number as the text that it is shown as; any other value as it is.
pub fn as_text(value: Expr) -> Expr {
    match value.ty {
        Type::Named(_) => {
            let span = value.span;
            Expr { kind: ExprKind::Cast(Box::new(value)), ty: Type::Str(ROOM), span }
        }
        _ => value,
    }
}

impl Checker<'_> {
    pub fn cast(&mut self, value: Expr, ty: Type, span: Span) -> Expr {
        let value = as_number(value);
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
        if let (Type::Str(_), Type::Bool) = (&value.ty, &ty) {
            return is_not_empty(value, span);
        }
        // As in C an array in memory is its address where a pointer is wanted.
        if let (Type::Str(_) | Type::Array(..), Type::Pointer(to, _)) = (&value.ty, &ty)
            && let Some(space) = space_of(&value)
        {
            let ty = Type::Pointer(to.clone(), space);
            return Expr { kind: ExprKind::AddressOf(Box::new(value)), ty, span };
        }
        match (&value.ty, &ty) {
            (Type::Array(element, 0), _) | (_, Type::Array(element, 0)) if element.size_of() == 0 => {
                return self.refuse(span, format!("Cannot cast from \"{}\" to \"{ty}\"", value.ty));
            }
            (Type::Int(_), Type::Array(element, length)) => return self.int_to_array(value, element, *length, span),
            (Type::Str(_), Type::Array(element, length)) if element.size_of() == 1 => {
                return self.text_to_array(value, element, *length, span);
            }
            (Type::Array(element, length), Type::Int(int))
                if matches!(**element, Type::Int(_) | Type::Bool)
                    && element.size_of() * u64::from(*length) == u64::from(int.bits.div_ceil(8)) =>
            {
                return Expr { kind: ExprKind::Cast(Box::new(value)), ty, span };
            }
            // The number of an aggregation is a value like any other once it is cast.
            (from, to) if from == to && !matches!(value.kind, ExprKind::ReadAggregate(..)) => {
                return Expr { span, ..value };
            }
            (Type::Array(a, n), Type::Array(b, m)) if a.size_of() * u64::from(*n) == b.size_of() * u64::from(*m) => {
                return Expr { kind: ExprKind::Cast(Box::new(value)), ty, span };
            }
            (from, to) if !from.is_scalar() || !to.is_scalar() => {
                return self.refuse(span, format!("Cannot cast from \"{from}\" to \"{to}\""));
            }
            (_, Type::Enum(of)) => {
                if let Some(number) = literal(&value)
                    && of.name_of(number as i64).is_none()
                {
                    let of = of.clone();
                    let name = of.name.strip_prefix("enum ").unwrap_or(&of.name);
                    let title = format!("Enum: {name} doesn't contain a variant value of {number}");
                    return self.refuse(span, title);
                }
            }
            _ => {}
        }
        // An address stays one of the same memory, whatever it is said to point to.
        let ty = match (&value.ty, ty) {
            (Type::Pointer(_, space), Type::Pointer(to, _)) => Type::Pointer(to, *space),
            (_, ty) => ty,
        };
        Expr { kind: ExprKind::Cast(Box::new(value)), ty, span }
    }

    /// The bytes of a number as an array; a number of the script has as many as are wanted.
    fn int_to_array(&mut self, value: Expr, element: &Type, length: u32, span: Span) -> Expr {
        let size = element.size_of();
        let (own, wanted) = (value.ty.size_of(), size * u64::from(length));
        let length = match (literal(&value).is_some(), length) {
            (_, 0) if own % size == 0 => (own / size) as u32,
            (true, _) if wanted >= own && wanted <= 8 && length > 0 => length,
            (false, _) if wanted == own && length > 0 => length,
            _ => {
                let to = Type::Array(Box::new(element.clone()), length);
                return self.refuse(span, format!("Cannot cast from \"{}\" to \"{to}\"", value.ty));
            }
        };
        let ty = Type::Array(Box::new(element.clone()), length);
        Expr { kind: ExprKind::Cast(Box::new(value)), ty, span }
    }

    /// The bytes of a text, its closing zero included.
    fn text_to_array(&mut self, value: Expr, element: &Type, length: u32, span: Span) -> Expr {
        let Type::Str(size) = value.ty else { return unknown(span) };
        if length != 0 && length < size {
            let to = Type::Array(Box::new(element.clone()), length);
            return self.refuse(span, format!("Cannot cast from \"{}\" to \"{to}\"", value.ty));
        }
        let length = if length == 0 { size } else { length };
        let ty = Type::Array(Box::new(element.clone()), length);
        Expr { kind: ExprKind::Cast(Box::new(value)), ty, span }
    }
}
