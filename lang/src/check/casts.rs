//! Casts.

use super::Checker;
use super::expr::unknown;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

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
}
