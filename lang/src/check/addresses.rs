//! Addresses of the internet and of the link layer: literals, and what they may be compared with.

use super::expr::unknown;
use super::{Checker, ProbeState};
use crate::address::{Address, HOW};
use crate::ast::{self, BinaryOp, UnaryOp};
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

/// An address as if it were written in the script.
pub fn address_literal(address: Address, span: Span) -> Expr {
    let number = |word| Expr { kind: ExprKind::Int(word), ty: Type::U64, span };
    let ty = type_of(address);
    Expr { kind: ExprKind::Address(address.words().into_iter().map(number).collect()), ty, span }
}

fn type_of(address: Address) -> Type {
    match address {
        Address::Inet(_) | Address::Subnet(..) => Type::Inet,
        Address::Mac(_) => Type::MacAddr,
    }
}

fn is_address(ty: &Type) -> bool {
    matches!(ty, Type::Inet | Type::MacAddr)
}

impl Checker<'_> {
    /// `address == 10.1.0.0/16` and the same with `!=`; nothing if no range is written there.
    pub fn compared_with_subnet(
        &mut self,
        state: &mut ProbeState<'_>,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        let written = |expr: &ast::Expr| match expr.kind {
            ast::ExprKind::Address(subnet @ Address::Subnet(..)) => Some(subnet),
            _ => None,
        };
        let (subnet, other) = match (written(left), written(right)) {
            (None, None) => return None,
            (_, Some(subnet)) => (subnet, left),
            (Some(subnet), None) => (subnet, right),
        };
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            let title = format!("The {} operator can not be used on ranges of addresses", op.symbol());
            let error = Diagnostic::error(span, title);
            self.report(error.with_help("== tells whether an address is in the range, != whether it is not"));
            return Some(unknown(span));
        }
        let address = self.value(state, other);
        Some(self.in_subnet(op, address, subnet, span))
    }

    fn in_subnet(&mut self, op: BinaryOp, address: Expr, subnet: Address, span: Span) -> Expr {
        match address.ty {
            Type::Inet => {}
            Type::Unknown => return Expr { ty: Type::Bool, ..unknown(span) },
            ty => {
                let title = format!("Type mismatch for '{}': comparing {ty} with {subnet}", op.symbol());
                return self.refuse(span, title);
            }
        }
        let inside = Expr { kind: ExprKind::InSubnet { address: Box::new(address), subnet }, ty: Type::Bool, span };
        match op {
            BinaryOp::Eq => inside,
            _ => Expr { kind: ExprKind::Unary(UnaryOp::Not, Box::new(inside)), ty: Type::Bool, span },
        }
    }

    /// Two addresses, or an address and a text that is read as one; nothing if neither side is an address.
    pub fn compared_addresses(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Option<Expr> {
        if !is_address(&left.ty) && !is_address(&right.ty) {
            return None;
        }
        let [left, right] = match [(left, right), (right, left)].map(|(side, other)| self.as_address(side, &other.ty)) {
            [Some(left), Some(right)] => [left, right],
            _ => return Some(unknown(span)),
        };
        let symbol = op.symbol();
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            let title =
                format!("The {symbol} operator can not be used on expressions of types {}, {}", left.ty(), right.ty());
            let error = Diagnostic::error(span, title);
            self.report(error.with_help("addresses are equal (==) or not (!=), or in a range: == 10.1.0.0/16"));
            return Some(unknown(span));
        }
        Some(match (left, right) {
            (Side::Range(subnet), Side::Value(address)) | (Side::Value(address), Side::Range(subnet)) => {
                self.in_subnet(op, address, subnet, span)
            }
            (Side::Value(left), Side::Value(right)) if left.ty == right.ty => {
                Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty: Type::Bool, span }
            }
            (left, right) => {
                let title = format!("Type mismatch for '{symbol}': comparing {} with {}", left.ty(), right.ty());
                let error = Diagnostic::error(span, title);
                self.report(error.with_help(HOW));
                unknown(span)
            }
        })
    }

    /// A side of a comparison, read as an address if it is a text and the other side is one. `None`, with that
    /// reported, if it cannot be read.
    fn as_address(&mut self, side: &Expr, other: &Type) -> Option<Side> {
        let ExprKind::Str(text) = &side.kind else { return Some(Side::Value(side.clone())) };
        if !is_address(other) {
            return Some(Side::Value(side.clone()));
        }
        match Address::read(&String::from_utf8_lossy(text)) {
            Ok(subnet @ Address::Subnet(..)) => Some(Side::Range(subnet)),
            Ok(address) => Some(Side::Value(address_literal(address, side.span))),
            Err(bad) => {
                self.report(Diagnostic::error(side.span, bad.title).with_maybe_help(bad.help));
                None
            }
        }
    }
}

/// What stands on one side of a comparison.
enum Side {
    Value(Expr),
    Range(Address),
}

impl Side {
    fn ty(&self) -> String {
        match self {
            Self::Value(value) => value.ty.to_string(),
            Self::Range(subnet) => subnet.to_string(),
        }
    }
}
