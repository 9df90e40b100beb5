//! Changing all places, or all references, of a tree of declarations.

use super::tree::{Attributes, Declarations, Expr, ExprKind, TypeRef};
use crate::span::Span;

/// What a walk comes by.
enum Part<'a> {
    Place(&'a mut Span),
    Record(&'a mut usize),
    Enum(&'a mut usize),
}

impl Declarations {
    /// Moves all places by `base`.
    pub(crate) fn move_by(&mut self, base: u32) {
        if base > 0 {
            self.walk(&mut |part| {
                if let Part::Place(span) = part {
                    *span = span.moved_by(base);
                }
            });
        }
    }

    /// Adds another script's declarations.
    pub(crate) fn append(&mut self, mut other: Self) {
        let (records, enums) = (self.records.len(), self.enums.len());
        other.walk(&mut |part| match part {
            Part::Record(index) => *index += records,
            Part::Enum(index) => *index += enums,
            Part::Place(_) => {}
        });
        self.records.append(&mut other.records);
        self.enums.append(&mut other.enums);
        self.typedefs.append(&mut other.typedefs);
    }

    fn walk(&mut self, change: &mut dyn FnMut(Part<'_>)) {
        for record in &mut self.records {
            change(Part::Place(&mut record.span));
            attributes(&mut record.attributes, change);
            for member in &mut record.members {
                change(Part::Place(&mut member.span));
                ty(&mut member.ty, change);
                attributes(&mut member.attributes, change);
                member.bits.iter_mut().for_each(|bits| expr(bits, change));
            }
        }
        for found in &mut self.enums {
            change(Part::Place(&mut found.span));
            for (_, span, value) in &mut found.values {
                change(Part::Place(span));
                value.iter_mut().for_each(|value| expr(value, change));
            }
        }
        for typedef in &mut self.typedefs {
            change(Part::Place(&mut typedef.span));
            ty(&mut typedef.ty, change);
            attributes(&mut typedef.attributes, change);
        }
    }
}

fn attributes(attributes: &mut Attributes, change: &mut dyn FnMut(Part<'_>)) {
    attributes.aligned.iter_mut().flatten().for_each(|aligned| expr(aligned, change));
}

fn ty(of: &mut TypeRef, change: &mut dyn FnMut(Part<'_>)) {
    match of {
        TypeRef::Named(_, span) | TypeRef::Tagged(_, _, span) => change(Part::Place(span)),
        TypeRef::Record(index) => change(Part::Record(index)),
        TypeRef::Enum(index) => change(Part::Enum(index)),
        TypeRef::Pointer(to) => ty(to, change),
        TypeRef::Array(of, length) => {
            ty(of, change);
            length.iter_mut().for_each(|length| expr(length, change));
        }
        TypeRef::Void
        | TypeRef::Bool
        | TypeRef::Char
        | TypeRef::Int { .. }
        | TypeRef::Opaque { .. }
        | TypeRef::Function => {}
    }
}

fn expr(of: &mut Expr, change: &mut dyn FnMut(Part<'_>)) {
    change(Part::Place(&mut of.span));
    match &mut of.kind {
        ExprKind::Number(..) | ExprKind::Name(_) => {}
        ExprKind::Unary(_, operand) => expr(operand, change),
        ExprKind::Binary(_, left, right) => {
            expr(left, change);
            expr(right, change);
        }
        ExprKind::Ternary(cond, yes, no) => [cond, yes, no].into_iter().for_each(|part| expr(part, change)),
        ExprKind::Cast(to, operand) => {
            ty(to, change);
            expr(operand, change);
        }
        ExprKind::SizeOf(of) | ExprKind::AlignOf(of) | ExprKind::OffsetOf(of, _) => ty(of, change),
    }
}
