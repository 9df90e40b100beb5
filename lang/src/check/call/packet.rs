//! Functions of packets of the network.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::Function;
use crate::probes::ProviderId;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::{IntType, Type};

/// The size of the largest packet that a capture file has.
const LONGEST: u32 = 0xffff;

/// Whether this is what the kernel keeps a packet in, or may be.
fn is_packet(ty: &Type) -> bool {
    match ty {
        Type::Struct(of) => of.name == "struct sk_buff",
        ty => matches!(ty, Type::Void | Type::Unknown),
    }
}

impl Checker<'_> {
    /// `skboutput("file", skb, length, offset)`
    pub fn skboutput(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        // Elsewhere the kernel does not know what an argument points to.
        match state.header.provider {
            Some(ProviderId::Fentry | ProviderId::Fexit | ProviderId::RawTracepoint) | None => {}
            Some(provider) => {
                let title = format!("{} can not be used with \"{}\" probes", row.name, provider.row().name);
                let help = "it takes the typed arguments of fentry, fexit or rawtracepoint";
                self.report(Diagnostic::error(span, title).with_help(help));
                return unknown(span);
            }
        }
        let path = self.known_text(state, &args[0], row, span);
        let packet = self.expr(state, &args[1]);
        let length = self.integer(state, &args[2], row, span);
        let offset = self.literal(state, &args[3], row.name, span);
        let (Some(path), Some(offset)) = (path, offset) else { return unknown(span) };
        if packet.ty == Type::Unknown || length.ty == Type::Unknown {
            return unknown(span);
        }
        let given = match &packet.ty {
            Type::Pointer(to, _) if is_packet(to) => None,
            ty @ Type::Pointer(..) => Some(ty.to_string()),
            ty => Some(ty.kind()),
        };
        if let Some(given) = given {
            let title = format!("{}() expects a pointer to a packet ({given} provided)", row.name);
            let help = "write args.skb, or (struct sk_buff *)arg0";
            self.report(Diagnostic::error(args[1].span, title).with_help(help));
            return unknown(span);
        }
        if offset > u64::from(LONGEST) {
            return self.refuse(args[3].span, format!("{}() takes an offset up to {LONGEST}", row.name));
        }
        if path.is_empty() || path.contains(&0) {
            return self.refuse(args[0].span, format!("{}() takes the name of a file", row.name));
        }
        let path = String::from_utf8_lossy(&path).into_owned();
        if literal(&length).is_some_and(|length| !(0..=i128::from(LONGEST)).contains(&length)) {
            return self.refuse(args[2].span, format!("{}() takes a length up to {LONGEST}", row.name));
        }
        let captures = &mut self.walk.program.captures;
        let number = captures.iter().position(|known| *known == path).unwrap_or_else(|| {
            captures.push(path);
            captures.len() - 1
        });
        let number = int(number as i64, Type::I64, args[0].span);
        let offset = int(offset as i64, Type::I64, args[3].span);
        let kind = ExprKind::Call(row.id, vec![number, packet, length, offset]);
        Expr { kind, ty: Type::Int(IntType { bits: 32, signed: false }), span }
    }
}
