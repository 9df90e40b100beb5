//! Functions of bytes in memory: addresses of the network, buffers, address spaces.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::{AddressSpace, IntType, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address families (include/linux/socket.h).
const AF_INET: i64 = 2;
const AF_INET6: i64 = 10;

/// Bytes of a value that is not a register's.
fn bytes_of(ty: &Type) -> Option<u32> {
    match ty {
        Type::Array(..) => Some(ty.size_of() as u32),
        Type::Str(size) => Some(*size),
        _ => None,
    }
}

/// Whether an internet address has so many bytes.
fn is_address(bytes: u32) -> bool {
    matches!(bytes, 4 | 16)
}

/// A text of the script is longer by its closing zero than its bytes: either may be what is meant.
fn bytes_of_address(value: &Expr) -> Option<u32> {
    match &value.kind {
        ExprKind::Str(text) if is_address(text.len() as u32) => Some(text.len() as u32),
        _ => bytes_of(&value.ty),
    }
}

impl Checker<'_> {
    /// The same pointer, into the memory of this space.
    pub fn in_space(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], space: AddressSpace) -> Expr {
        let value = self.expr(state, &args[0]);
        let ty = match &value.ty {
            Type::Pointer(to, _) => Type::Pointer(to.clone(), space),
            Type::Int(_) | Type::Unknown => return value,
            ty => {
                let name = if space == AddressSpace::Kernel { "kptr" } else { "uptr" };
                let title = format!("{name}() only supports integer or pointer arguments ({} provided)", ty.kind());
                return self.refuse(args[0].span, title);
            }
        };
        Expr { ty, ..value }
    }

    /// `ntop(family, address)`
    pub fn ntop(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let family = match args {
            [family, _] => Some(self.integer(state, family, row, span)),
            _ => None,
        };
        let Some(address) = args.last().map(|address| self.expr(state, address)) else { return unknown(span) };
        if address.ty == Type::Unknown || family.as_ref().is_some_and(|family| family.ty == Type::Unknown) {
            return unknown(span);
        }
        let inferred = match (&address.ty, bytes_of_address(&address)) {
            (Type::Int(_), _) => AF_INET,
            (_, Some(16)) => AF_INET6,
            (_, Some(4)) => AF_INET,
            (_, Some(bytes)) => {
                let title = "ntop() argument must be 4 or 16 bytes in size";
                self.report(Diagnostic::error(span, title).with_help(format!("this one has {bytes}")));
                return unknown(span);
            }
            (ty, None) => {
                let title = format!("ntop() expects an integer or array argument, got {}", ty.kind());
                return self.refuse(span, title);
            }
        };
        let family = family.unwrap_or_else(|| int(inferred, Type::I64, span));
        Expr { kind: ExprKind::Call(row.id, vec![family, address]), ty: Type::Inet, span }
    }

    /// `pton("address")`
    pub fn pton(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let value = self.expr(state, &args[0]);
        let ExprKind::Str(text) = &value.kind else {
            if value.ty == Type::Unknown {
                return unknown(span);
            }
            return self.refuse(span, "pton() expects an string literal at the first argument");
        };
        let text = String::from_utf8_lossy(text);
        // IPv4 within IPv6 is refused: which of the two families is meant?
        let address = match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
            (Ok(v4), _) => IpAddr::V4(v4),
            (_, Ok(v6)) if !text.contains('.') => IpAddr::V6(v6),
            _ => {
                let title = format!("pton() expects an string argument of an IPv4/IPv6 address, got {text}");
                return self.refuse(span, title);
            }
        };
        let bytes = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let ty = Type::Array(Box::new(Type::Int(IntType { bits: 8, signed: false })), bytes.len() as u32);
        let bytes = Expr { ty: Type::Str(bytes.len() as u32 + 1), kind: ExprKind::Str(bytes), span };
        Expr { kind: ExprKind::Call(row.id, vec![bytes]), ty, span }
    }

    /// `macaddr(bytes)`
    pub fn macaddr(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let value = self.expr(state, &args[0]);
        if matches!(value.kind, ExprKind::Str(_)) {
            return self.refuse(span, "macaddr() does not support literal string arguments");
        }
        let fits = match &value.ty {
            Type::Unknown => return unknown(span),
            Type::Int(_) | Type::Pointer(..) => true,
            ty => bytes_of(ty) == Some(6),
        };
        if !fits {
            let title =
                format!("{}() only supports array or pointer arguments of 6 bytes ({} provided)", row.name, value.ty);
            return self.refuse(span, title);
        }
        Expr { kind: ExprKind::Call(row.id, vec![value]), ty: Type::MacAddr, span }
    }

    /// `buf(data, length)`
    pub fn buf(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let data = self.expr(state, &args[0]);
        let most = self.config.max_strlen;
        let room = match &data.ty {
            Type::Unknown => return unknown(span),
            Type::Int(_) | Type::Pointer(..) => None,
            Type::Array(..) | Type::Str(_) => bytes_of(&data.ty),
            ty => {
                let title =
                    format!("{}() expects an integer, string or array argument but saw {}", row.name, ty.kind());
                return self.refuse(span, title);
            }
        };
        let length = match args.get(1) {
            None => match room {
                Some(room) => int(i64::from(room), Type::I64, span),
                None => {
                    let title = "buf() expects a length argument for non-array type";
                    return self.refuse(span, format!("{title} {}", data.ty.kind()));
                }
            },
            Some(length) => {
                let length = self.expr(state, length);
                match &length.ty {
                    Type::Unknown => return unknown(span),
                    Type::Int(_) => length,
                    ty => {
                        let title = format!("{}() only supports int arguments ({} provided)", row.name, ty.kind());
                        return self.refuse(span, title);
                    }
                }
            }
        };
        let size = match literal(&length) {
            Some(..0) => return self.refuse(span, "buf() cannot use negative length"),
            Some(length) => u32::try_from(length).unwrap_or(most).min(most),
            None => most,
        };
        let size = room.map_or(size, |room| size.min(room));
        Expr { kind: ExprKind::Call(FunctionId::Buf, vec![data, length]), ty: Type::Buffer(size), span }
    }

    /// `bswap(n)`
    pub fn bswap(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let value = self.expr(state, &args[0]);
        let bits = match value.ty.settled() {
            Type::Int(IntType { bits, .. }) => bits,
            Type::Unknown => return unknown(span),
            ty => {
                let title = format!("{}() only supports integer arguments ({} provided)", row.name, ty.kind());
                return self.refuse(span, title);
            }
        };
        let ty = Type::Int(IntType { bits, signed: false });
        if let Some(number) = literal(&value) {
            let swapped = (number as u64).swap_bytes() >> (64 - u32::from(bits));
            return int(swapped as i64, ty, span);
        }
        Expr { kind: ExprKind::Call(row.id, vec![value]), ty, span }
    }
}
