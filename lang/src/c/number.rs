//! The values of constant expressions, computed as wide as C does: `1 << 31` is negative, `~0u` has 32 bits.

use super::tree::{Expr, ExprKind, Op, TypeRef};
use crate::diag::Diagnostic;
use crate::types::IntType;

/// `int`
pub(super) const INT: IntType = IntType { bits: 32, signed: true };
/// `unsigned int`
pub(super) const UINT: IntType = IntType { bits: 32, signed: false };
/// `long`
pub(super) const LONG: IntType = IntType { bits: 64, signed: true };
/// `unsigned long`
pub(super) const ULONG: IntType = IntType { bits: 64, signed: false };

/// A number and its type; the value is extended as the type says.
pub(super) type Num = (i64, IntType);

/// What is wrong; nothing if it was told already.
pub(super) type Fault = Option<Diagnostic>;

/// What an expression's names and types mean.
pub(super) trait Names {
    /// The value of a name.
    fn name(&mut self, name: &str) -> Option<Num>;
    /// What a type's layout is.
    fn layout(&mut self, ty: &TypeRef) -> Result<Facts, Fault>;
    /// Bytes from the beginning of `ty` to a member.
    fn offset(&mut self, ty: &TypeRef, path: &[String]) -> Option<u64>;
}

/// What expressions ask of a type.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) align: u64,
    /// Its width and sign, if it holds a number; 1 bit is a bool.
    pub(super) int: Option<IntType>,
}

/// The number, cut to its type's width and extended again.
fn wrap(value: i64, ty: IntType) -> Num {
    let spare = 64 - u32::from(ty.bits.clamp(1, 64));
    let value = match ty.signed {
        true => value << spare >> spare,
        false => ((value as u64) << spare >> spare) as i64,
    };
    (value, ty)
}

/// The type in which C computes with both.
fn common(a: IntType, b: IntType) -> IntType {
    match a.bits.cmp(&b.bits) {
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Equal => IntType { bits: a.bits, signed: a.signed && b.signed },
    }
}

/// As it counts in expressions: nothing narrower than `int`.
fn promoted((value, ty): Num) -> Num {
    if ty.bits < 32 { (value, INT) } else { (value, ty) }
}

/// The value of an expression.
pub(super) fn value(expr: &Expr, names: &mut dyn Names) -> Result<Num, Fault> {
    let error = |title: String| Err(Some(Diagnostic::error(expr.span, title)));
    Ok(match &expr.kind {
        ExprKind::Number(value, ty) => (*value, *ty),
        ExprKind::Name(name) => match names.name(name) {
            Some(found) => promoted(found),
            None => return error(format!("`{name}` is not a known constant")),
        },
        ExprKind::Unary(op, operand) => {
            let (value, ty) = self::value(operand, names)?;
            match op {
                '-' => wrap(value.wrapping_neg(), ty),
                '~' => wrap(!value, ty),
                '!' => (i64::from(value == 0), INT),
                _ => (value, ty),
            }
        }
        ExprKind::Binary(op, left, right) => {
            let a = self::value(left, names)?;
            match op {
                Op::And if a.0 == 0 => return Ok((0, INT)),
                Op::Or if a.0 != 0 => return Ok((1, INT)),
                _ => {}
            }
            let b = self::value(right, names)?;
            match binary(*op, a, b) {
                Some(result) => result,
                None => return error("division by zero".into()),
            }
        }
        ExprKind::Ternary(cond, yes, no) => {
            let chosen = if self::value(cond, names)?.0 != 0 { yes } else { no };
            self::value(chosen, names)?
        }
        ExprKind::Cast(ty, operand) => {
            let (value, _) = self::value(operand, names)?;
            match names.layout(ty)?.int {
                Some(IntType { bits: 1, .. }) => (i64::from(value != 0), INT),
                Some(int) => promoted(wrap(value, int)),
                None => (value, ULONG),
            }
        }
        ExprKind::SizeOf(ty) => (names.layout(ty)?.size as i64, ULONG),
        ExprKind::AlignOf(ty) => (names.layout(ty)?.align as i64, ULONG),
        ExprKind::OffsetOf(ty, path) => match names.offset(ty, path) {
            Some(offset) => (offset as i64, ULONG),
            None => return error("there is no such member".into()),
        },
    })
}

/// Two numbers and an operator; `None` for a division by zero.
fn binary(op: Op, a: Num, b: Num) -> Option<Num> {
    let ty = common(a.1, b.1);
    let shifted = a.1;
    let ((a, _), (b, _)) = (wrap(a.0, ty), wrap(b.0, ty));
    let (ua, ub) = (a as u64, b as u64);
    let truth = |value: bool| (i64::from(value), INT);
    let less = |a: i64, b: i64| if ty.signed { a < b } else { (a as u64) < (b as u64) };
    // A shift by the width or more has no meaning in C.
    let by = u32::try_from(b).unwrap_or(u32::MAX);
    Some(match op {
        Op::Mul => wrap(a.wrapping_mul(b), ty),
        Op::Add => wrap(a.wrapping_add(b), ty),
        Op::Sub => wrap(a.wrapping_sub(b), ty),
        Op::Div | Op::Rem if b == 0 => return None,
        Op::Div if ty.signed => wrap(a.wrapping_div(b), ty),
        Op::Rem if ty.signed => wrap(a.wrapping_rem(b), ty),
        Op::Div => wrap((ua / ub) as i64, ty),
        Op::Rem => wrap((ua % ub) as i64, ty),
        Op::Shl => wrap(wrap(a, shifted).0.checked_shl(by).unwrap_or(0), shifted),
        Op::Shr if shifted.signed => (wrap(a, shifted).0 >> by.min(63), shifted),
        Op::Shr => ((wrap(a, shifted).0 as u64).checked_shr(by).unwrap_or(0) as i64, shifted),
        Op::Less => truth(less(a, b)),
        Op::Greater => truth(less(b, a)),
        Op::LessEq => truth(!less(b, a)),
        Op::GreaterEq => truth(!less(a, b)),
        Op::Equal => truth(a == b),
        Op::NotEqual => truth(a != b),
        Op::BitAnd => wrap(a & b, ty),
        Op::BitXor => wrap(a ^ b, ty),
        Op::BitOr => wrap(a | b, ty),
        Op::And => truth(a != 0 && b != 0),
        Op::Or => truth(a != 0 || b != 0),
    })
}
