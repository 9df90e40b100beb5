//! Operators: the types of their results, and folding where the operands are known.

use super::casts::as_text;
use super::expr::{int, known_truth, literal, number_literal, text_literal, unknown};
use super::gathered::as_number;
use super::{Checker, ProbeState};
use crate::ast::{self, BinaryOp, UnaryOp};
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

impl Checker<'_> {
    pub fn unary(&mut self, state: &mut ProbeState<'_>, op: UnaryOp, operand: &ast::Expr, span: Span) -> Expr {
        if op == UnaryOp::AddressOf {
            return self.address_of(state, operand, span);
        }
        let operand = self.value(state, operand);
        if op == UnaryOp::Deref {
            return self.dereferenced(operand, span);
        }
        let operand = without_names(operand);
        let fits = match (op, &operand.ty) {
            (UnaryOp::Not, ty) => ty.is_scalar(),
            (_, ty) => matches!(ty, Type::Int(_)),
        };
        if operand.ty == Type::Unknown {
            return unknown(span);
        }
        if !fits {
            let symbol = if op == UnaryOp::Not {
                "!"
            } else if op == UnaryOp::Neg {
                "-"
            } else {
                "~"
            };
            let title = format!("The {symbol} operator can not be used on expressions of type '{}'", operand.ty);
            return self.refuse(span, title);
        }
        if let (UnaryOp::Not, Some(truth)) = (op, known_truth(&operand)) {
            return int(i64::from(!truth), Type::Bool, span);
        }
        if let Some(value) = literal(&operand) {
            return match op {
                UnaryOp::Neg if value == 1 << 63 => int(i64::MIN, Type::I64, span),
                UnaryOp::Neg => self.folded(Some(-value), span),
                _ => int(!(value as i64), Type::U64, span),
            };
        }
        let ty = match (op, &operand.ty) {
            (UnaryOp::Not, _) => Type::Bool,
            (_, Type::Int(int)) => wide(int.signed || int.suits_both_signs()),
            _ => Type::I64,
        };
        Expr { kind: ExprKind::Unary(op, Box::new(operand)), ty, span }
    }

    pub fn binary(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        let [left, right] = [left, right].map(as_number);
        if left.ty == Type::Unknown || right.ty == Type::Unknown {
            // Whatever the operand turns out to be, the result is known: this lets `$y = @z / 2; @z = $y` be typed.
            let yields_bool = op.is_comparison() || matches!(op, BinaryOp::And | BinaryOp::Or);
            return Expr { ty: if yields_bool { Type::Bool } else { Type::I64 }, ..unknown(span) };
        }
        let [left, right] = [left, right].map(as_text);
        if let Some(compared) = self.compared_addresses(op, &left, &right, span) {
            return compared;
        }
        if let Some(folded) = self.fold_text(op, &left, &right, span) {
            return folded;
        }
        let pointer = matches!(left.ty, Type::Pointer(..)) || matches!(right.ty, Type::Pointer(..));
        if pointer && !op.is_comparison() && !matches!(op, BinaryOp::And | BinaryOp::Or) {
            return self.pointer_arithmetic(op, left, right, span);
        }
        // An enum of the other side's type is compared by name, so to speak; otherwise it is a number.
        let (left, right) = match op.is_comparison() && left.ty == right.ty {
            true => (left, right),
            false => (without_names(left), without_names(right)),
        };
        let scalars = left.ty.is_scalar() && right.ty.is_scalar();
        let comparable = matches!(
            (op, &left.ty, &right.ty),
            (BinaryOp::Eq | BinaryOp::Ne, Type::Str(_), Type::Str(_))
                | (BinaryOp::Eq | BinaryOp::Ne, Type::Tuple(_), Type::Tuple(_))
                | (BinaryOp::Eq | BinaryOp::Ne, Type::Record(_), Type::Record(_))
                | (BinaryOp::Eq | BinaryOp::Ne, Type::Array(..), Type::Array(..))
                | (BinaryOp::Eq | BinaryOp::Ne, Type::Buffer(_), Type::Buffer(_))
        );
        if !scalars && (!comparable || left.ty.join(&right.ty).is_none()) {
            let (symbol, a, b) = (op.symbol(), &left.ty, &right.ty);
            let title = match a.join(b) {
                Some(_) => format!("The {symbol} operator can not be used on expressions of types {a}, {b}"),
                None => format!("Type mismatch for '{symbol}': comparing {a} with {b}"),
            };
            return self.refuse(span, title);
        }
        // As in C, `void *` suits any other.
        if let (Type::Pointer(a, _), Type::Pointer(b, _)) = (&left.ty, &right.ty)
            && op.is_comparison()
            && a != b
            && ![a, b].iter().any(|to| ***to == Type::Void)
        {
            let warning = Diagnostic::warning(span, format!("comparison of distinct pointer types: {a}, {b}"));
            let warning = warning.with_related(left.span, format!("left ({a})"));
            self.report(warning.with_related(right.span, format!("right ({b})")));
        }
        if let (Some(a), Some(b)) = (literal(&left), literal(&right)) {
            if let Some(truth) = fold_truth(op, a, b) {
                // No type of 64 bits holds both: bpftrace refuses this, and so it has no meaning to keep.
                return match a.min(b) < 0 && a.max(b) > i128::from(i64::MAX) {
                    true => self.refuse_fold("no type holds both numbers", span),
                    false => int(i64::from(truth), Type::Bool, span),
                };
            }
            if matches!(op, BinaryOp::Div | BinaryOp::Rem) && b == 0 {
                return self.refuse_fold("the divisor is 0", span);
            }
            return self.folded(fold(op, a, b), span);
        }
        let ty = match op {
            BinaryOp::And | BinaryOp::Or => Type::Bool,
            op if op.is_comparison() => Type::Bool,
            BinaryOp::Sub => Type::I64,
            BinaryOp::Shl | BinaryOp::Shr => wide(left.ty.is_signed()),
            _ => wide(left.ty.is_signed() || right.ty.is_signed()),
        };
        Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span }
    }

    /// `pointer + number`, `number + pointer`, `pointer - number`.
    fn pointer_arithmetic(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        let (a, b) = (left.ty.clone(), right.ty.clone());
        let moved = match (op, &a, &b) {
            (BinaryOp::Add | BinaryOp::Sub, Type::Pointer(..), Type::Int(_)) => {
                self.moved(left, right, op == BinaryOp::Add, span)
            }
            (BinaryOp::Add, Type::Int(_), Type::Pointer(..)) => self.moved(right, left, true, span),
            _ => None,
        };
        moved.unwrap_or_else(|| {
            let title = format!("The {} operator can not be used on expressions of types {a}, {b}", op.symbol());
            let error = Diagnostic::error(span, title);
            self.report(error.with_help("cast the address to a number first: (uint64)x"));
            unknown(span)
        })
    }

    /// Two texts of the script compared or joined; or a text and a number, which leaves out that many bytes at the
    /// text's beginning (as adding to a pointer would, which is what `str($1 + 1)` relies on).
    pub fn fold_text(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Option<Expr> {
        let (text, other) = match (&left.kind, &right.kind) {
            (ExprKind::Str(text), _) => (text, right),
            (_, ExprKind::Str(text)) => (text, left),
            _ => return None,
        };
        match (&other.kind, literal(other)) {
            (ExprKind::Str(other), _) => {
                let truth = match op {
                    BinaryOp::Add => return Some(text_literal([&text[..], other].concat(), span)),
                    BinaryOp::Eq => text == other,
                    BinaryOp::Ne => text != other,
                    BinaryOp::Lt => text < other,
                    BinaryOp::Le => text <= other,
                    BinaryOp::Gt => text > other,
                    BinaryOp::Ge => text >= other,
                    _ => return None,
                };
                Some(int(i64::from(truth), Type::Bool, span))
            }
            (_, Some(skipped @ 0..)) if op == BinaryOp::Add => {
                let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
                if skipped >= text.len() {
                    self.report(Diagnostic::warning(span, "literal string will always be empty"));
                }
                Some(text_literal(text.get(skipped..).unwrap_or_default().to_vec(), span))
            }
            _ => None,
        }
    }

    /// The result of arithmetic on numbers of the script.
    pub fn folded(&mut self, value: Option<i128>, span: Span) -> Expr {
        match value {
            Some(value) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) => {
                number_literal(value, span)
            }
            _ => self.refuse_fold("the result does not fit 64 bits", span),
        }
    }

    fn refuse_fold(&mut self, why: &str, span: Span) -> Expr {
        self.report(Diagnostic::error(span, "unable to fold literals due to overflow or underflow").with_help(why));
        unknown(span)
    }
}

/// An enum as the number it is.
fn without_names(value: Expr) -> Expr {
    match &value.ty {
        Type::Enum(of) => Expr { ty: Type::Int(of.int), ..value },
        _ => value,
    }
}

fn wide(signed: bool) -> Type {
    if signed { Type::I64 } else { Type::U64 }
}

/// Arithmetic on numbers of the script, as C does it on signed operands; `None` where that is not defined.
fn fold(op: BinaryOp, a: i128, b: i128) -> Option<i128> {
    let shift = |b: i128| u32::try_from(b).ok().filter(|bits| *bits < 64);
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div => a.checked_div(b),
        BinaryOp::Rem => a.checked_rem(b),
        BinaryOp::BitAnd => Some(a & b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
        BinaryOp::Shl => shift(b).map(|bits| a << bits),
        BinaryOp::Shr => shift(b).map(|bits| a >> bits),
        _ => None,
    }
}

/// Whether a comparison, `&&` or `||` of numbers of the script holds; `None` for arithmetic.
pub fn fold_truth(op: BinaryOp, a: i128, b: i128) -> Option<bool> {
    Some(match op {
        BinaryOp::Eq => a == b,
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        BinaryOp::Ge => a >= b,
        BinaryOp::And => a != 0 && b != 0,
        BinaryOp::Or => a != 0 || b != 0,
        _ => return None,
    })
}
