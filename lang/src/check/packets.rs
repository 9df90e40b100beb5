//! Packets: fields of their protocols, and whether these are there.
//!
//! What a probe uses of a packet is read once, before the probe begins, into variables that the script cannot name; here
//! these are given out. A comparison of a field is false where the packet has it not: it becomes "the protocol is there,
//! and the comparison holds". Often the second half is enough, because what is not there reads as 0.

use super::expr::{int, literal, unknown};
use super::operators::fold_truth;
use super::{Checker, ProbeState};
use crate::ast::{self, BinaryOp, UnaryOp};
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::packets::{BYTE, PROTOCOLS, PacketItem, Place, Protocol, ProtocolId, protocol};
use crate::span::Span;
use crate::target::PacketStart;
use crate::typed::{Expr, ExprKind, Stmt, Var, VarId, any_in};
use crate::types::Type;

/// Where packets are seen, for messages.
const WHERE: &str = "packets are seen by xdp, tc, cgroup_skb and socket: xdp:eth0 { @[ip.saddr] = count(); }";

impl Checker<'_> {
    /// `tcp`: whether the packet has it. Nothing if there is no such protocol.
    pub fn packet_protocol(&mut self, state: &mut ProbeState<'_>, name: &str, span: Span) -> Option<Expr> {
        let row = protocol(name)?;
        if !self.has_protocol(state, row, span) {
            return Some(unknown(span));
        }
        if row.id == ProtocolId::Pkt {
            let error = Diagnostic::error(span, "pkt is always there");
            self.report(error.with_help(format!("name what you want of it: {}", qualified(row))));
            return Some(unknown(span));
        }
        Some(read(state, PacketItem::Present(row.id), Type::Bool, span))
    }

    /// `tcp.dport`. Nothing if what stands before the dot is no protocol.
    pub fn packet_field(
        &mut self,
        state: &mut ProbeState<'_>,
        base: &ast::Expr,
        name: &ast::Name,
        span: Span,
    ) -> Option<Expr> {
        let ast::ExprKind::Ident(word) = &base.kind else { return None };
        let row = protocol(word)?;
        if !self.has_protocol(state, row, base.span) {
            return Some(unknown(span));
        }
        let Some(index) = row.fields.iter().position(|field| field.name == name.text) else {
            self.report(unknown_field(row, name));
            return Some(unknown(span));
        };
        let field = &row.fields[index];
        if field.place == Place::Bytes {
            let error = Diagnostic::error(span, "the bytes of a packet are read one by one");
            self.report(error.with_help("pkt.data[0] is the first one"));
            return Some(unknown(span));
        }
        let item = |word| PacketItem::Field(row.id, index as u8, word);
        let word = |state: &mut ProbeState<'_>, index| read(state, item(index), Type::U64, span);
        let known = |value| int(value, Type::U64, span);
        let words = match field.place {
            Place::Inet4 { .. } => vec![known(crate::address::FAMILIES[0]), word(state, 0), known(0)],
            Place::Inet6 { .. } => vec![known(crate::address::FAMILIES[1]), word(state, 0), word(state, 1)],
            Place::Mac { .. } => vec![word(state, 0)],
            _ => return Some(read(state, item(0), field.ty(), span)),
        };
        Some(Expr { kind: ExprKind::Address(words), ty: field.ty(), span })
    }

    /// `pkt.data[offset]`. Nothing if it is something else that is indexed.
    pub fn packet_byte(
        &mut self,
        state: &mut ProbeState<'_>,
        base: &ast::Expr,
        index: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        let ast::ExprKind::Field { base: packet, name, .. } = &base.kind else { return None };
        let ast::ExprKind::Ident(word) = &packet.kind else { return None };
        let row = protocol(word).filter(|row| row.id == ProtocolId::Pkt)?;
        if name.text != "data" {
            return None;
        }
        if !self.has_protocol(state, row, packet.span) {
            return Some(unknown(span));
        }
        let place = index.span;
        let index = self.value(state, index);
        Some(match (&index.ty, literal(&index)) {
            (Type::Unknown, _) => unknown(span),
            (_, Some(at @ 0..=MOST_OFFSET)) => read(state, PacketItem::Byte(at as u32), BYTE, span),
            (_, Some(_)) => {
                self.refuse(place, format!("no packet has such a byte: they count from 0 to {MOST_OFFSET}"))
            }
            (Type::Int(_), None) if index.has_effects() => {
                let error = Diagnostic::error(
                    place,
                    "which byte of a packet it is cannot be computed by what changes something",
                );
                self.report(error.with_help("keep the number in a variable first: $at++; ... pkt.data[$at]"));
                unknown(span)
            }
            (Type::Int(_), None) => Expr { kind: ExprKind::PacketByte(Box::new(index)), ty: BYTE, span },
            (ty, _) => {
                let title = format!("The array index operator [] only accepts integer indices. Got type: {ty}");
                self.refuse(place, title)
            }
        })
    }

    /// Whether the probe is one that sees the protocol; says if not.
    fn has_protocol(&mut self, state: &ProbeState<'_>, row: &Protocol, span: Span) -> bool {
        let points = &state.header.points;
        // What is wrong with the attach point has been told.
        if points.is_empty() {
            return false;
        }
        if let Some(other) = points.iter().find(|point| point.context.packet().is_none()) {
            let title = format!("{} is known where packets are seen only", row.name);
            let error = Diagnostic::error(span, title).with_help(WHERE);
            self.report(match points.iter().any(|point| point.context.packet().is_some()) {
                true => error.with_related(other.span, "no packet is seen here"),
                false => error,
            });
            return false;
        }
        let starts =
            |start| points.iter().all(|point| point.context.packet().is_some_and(|packet| packet.start == start));
        if row.id.is_of_link() && starts(PacketStart::Network) {
            let title = format!("there is no {} here: packets begin with the header of IPv4 or IPv6", row.name);
            let help =
                "packets of control groups and of tunnels have no link layer; xdp and tc at a network card see it";
            self.report(Diagnostic::error(span, title).with_help(help));
            return false;
        }
        true
    }

    /// `tcp == 443` and `tcp.dport == 99999` are never true: says so.
    fn warn_of_numbers_that_cannot_be(&mut self, state: &ProbeState<'_>, compared: &Expr) {
        let ExprKind::Binary(op @ (BinaryOp::Eq | BinaryOp::Ne), left, right) = &compared.kind else { return };
        let (field, number) = match (literal(left), literal(right)) {
            (None, Some(number)) => (left, number),
            (Some(number), None) => (right, number),
            _ => return,
        };
        let ExprKind::Var(var) = field.kind else { return };
        let Some((item, _)) = state.packet.iter().find(|(_, known)| **known == var) else { return };
        let most = match field.ty {
            Type::Bool => 1,
            Type::Int(int) if !int.signed && int.bits <= 32 => (1 << int.bits) - 1,
            _ => return,
        };
        if (0..=most).contains(&number) {
            return;
        }
        let truth = if *op == BinaryOp::Eq { "never" } else { "always" };
        let warning =
            Diagnostic::warning(compared.span, format!("this is {truth} true: {} is at most {most}", field.ty));
        self.report(
            warning.with_maybe_help(
                matches!(item, PacketItem::Present(_))
                    .then(|| "a protocol alone asks whether the packet has it; tcp.dport is a field of it".into()),
            ),
        );
    }

    /// A comparison that is false where the packet has not all of which its sides are computed.
    pub fn if_present(&mut self, state: &mut ProbeState<'_>, compared: Expr) -> Expr {
        self.warn_of_numbers_that_cannot_be(state, &compared);
        let (left, right) = match &compared.kind {
            ExprKind::Binary(op, left, right) if op.is_comparison() => (&**left, Some(&**right)),
            ExprKind::InSubnet { address, .. } => (&**address, None),
            ExprKind::Unary(UnaryOp::Not, inside) => match &inside.kind {
                ExprKind::InSubnet { address, .. } => (&**address, None),
                _ => return compared,
            },
            _ => return compared,
        };
        let mut needs = Needs { state, items: Vec::new(), bytes: Vec::new() };
        needs.of(left);
        right.into_iter().for_each(|right| needs.of(right));
        let Needs { items, bytes, .. } = needs;
        // Of one protocol all fields are 0 together.
        let goes_without = items.len() == 1 && bytes.is_empty() && at_zero(&compared, state) == Some(0);
        if items.is_empty() && bytes.is_empty() || goes_without {
            return compared;
        }
        let span = compared.span;
        let present = items.into_iter().map(|item| read(state, item, Type::Bool, span)).collect::<Vec<_>>();
        let present = present.into_iter().chain(bytes.into_iter().map(|at| {
            let length = PacketItem::Field(ProtocolId::Pkt, 0, 0);
            let length = read(state, length, ProtocolId::Pkt.row().fields[0].ty(), span);
            let at = Expr { span, ty: Type::U64, kind: ExprKind::Cast(Box::new(at)) };
            Expr { kind: ExprKind::Binary(BinaryOp::Lt, Box::new(at), Box::new(length)), ty: Type::Bool, span }
        }));
        let both = |right: Expr, left: Expr| Expr {
            kind: ExprKind::Binary(BinaryOp::And, Box::new(left), Box::new(right)),
            ty: Type::Bool,
            span,
        };
        present.collect::<Vec<_>>().into_iter().rev().fold(compared, both)
    }
}

/// The last byte of a packet that can be named. The verifier knows offsets of 16 bits.
const MOST_OFFSET: i128 = 0xfff0;

/// A number that is read of the packet before the probe begins.
fn read(state: &mut ProbeState<'_>, item: PacketItem, ty: Type, span: Span) -> Expr {
    let var = match state.packet.get(&item) {
        Some(var) => *var,
        None => {
            let var = VarId(state.vars.len() as u32);
            state.vars.push(Var { name: item.name(), ty: ty.clone() });
            state.packet.insert(item, var);
            var
        }
    };
    Expr { kind: ExprKind::Var(var), ty, span }
}

/// The items that a checked probe makes use of; for others there shall be no code.
pub fn used(state: &ProbeState<'_>, predicate: Option<&Expr>, body: &[Stmt]) -> Vec<(VarId, PacketItem)> {
    let mut found = vec![false; state.vars.len()];
    let mut look = |expr: &Expr| {
        if let ExprKind::Var(var) = expr.kind {
            found[var.index()] = true;
        }
        false
    };
    if let Some(predicate) = predicate {
        predicate.any(&mut look);
    }
    any_in(body, &mut look);
    state.packet.iter().filter(|(_, var)| found[var.index()]).map(|(item, var)| (*var, *item)).collect()
}

fn item_of(state: &ProbeState<'_>, var: VarId) -> Option<PacketItem> {
    state.packet.iter().find(|(_, known)| **known == var).map(|(item, _)| *item)
}

/// What must be there for a comparison to mean something.
struct Needs<'s, 'p> {
    state: &'s ProbeState<'p>,
    items: Vec<PacketItem>,
    /// Bytes whose offset is not known now.
    bytes: Vec<Expr>,
}

impl Needs<'_, '_> {
    /// Looks at what a side is computed from by arithmetic. Who chooses by `?:`, asks a function or a map has a value in
    /// any case.
    fn of(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Var(var) => {
                let presence = item_of(self.state, *var).and_then(PacketItem::presence);
                self.items.extend(presence.filter(|item| !self.items.contains(item)));
            }
            ExprKind::PacketByte(at) => self.bytes.push((**at).clone()),
            ExprKind::Address(parts) | ExprKind::Tuple(parts) => parts.iter().for_each(|part| self.of(part)),
            ExprKind::Unary(_, inner) | ExprKind::Cast(inner) | ExprKind::Item(inner, _) => self.of(inner),
            ExprKind::Binary(op, left, right) if !op.is_comparison() && !matches!(op, BinaryOp::And | BinaryOp::Or) => {
                self.of(left);
                self.of(right);
            }
            _ => {}
        }
    }
}

/// What an expression is if the packet has none of its fields; nothing if that is not known now.
fn at_zero(expr: &Expr, state: &ProbeState<'_>) -> Option<i128> {
    let zero = |expr: &Expr| at_zero(expr, state);
    match &expr.kind {
        ExprKind::Int(_) => literal(expr).or(match (&expr.kind, &expr.ty) {
            (ExprKind::Int(value), Type::Bool) => Some(i128::from(*value)),
            _ => None,
        }),
        ExprKind::Var(var) => item_of(state, *var).map(|_| 0),
        ExprKind::Cast(inner) if matches!(expr.ty, Type::Int(_)) => zero(inner).filter(|value| *value == 0),
        ExprKind::Unary(UnaryOp::Not, inner) => zero(inner).map(|value| i128::from(value == 0)),
        ExprKind::InSubnet { address, subnet } => {
            let ExprKind::Address(words) = &address.kind else { return None };
            let masked = words.iter().zip(subnet.words()).zip(subnet.mask());
            let mut inside = true;
            for ((word, first), mask) in masked {
                inside &= (zero(word)? as i64 ^ first) & mask == 0;
            }
            Some(i128::from(inside))
        }
        ExprKind::Binary(op, left, right) => match (&left.kind, &right.kind) {
            (ExprKind::Address(left), ExprKind::Address(right)) => {
                let mut equal = true;
                for (left, right) in left.iter().zip(right) {
                    equal &= zero(left)? == zero(right)?;
                }
                Some(i128::from(equal == (*op == BinaryOp::Eq)))
            }
            // Only what stays zero: what becomes of other numbers depends on their width.
            _ if *op == BinaryOp::BitAnd => {
                let sides = [zero(left), zero(right)];
                sides.contains(&Some(0)).then_some(0)
            }
            _ => fold_truth(*op, zero(left)?, zero(right)?).map(i128::from),
        },
        _ => None,
    }
}

fn qualified(row: &Protocol) -> String {
    let names: Vec<String> = row.fields.iter().map(|field| format!("{}.{}", row.name, field.name)).collect();
    names.join(", ")
}

/// What fields are called in other tools and in the kernel, and what here. The first one that a protocol has is meant.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("src", &["saddr", "sport"]),
    ("source", &["saddr", "sport"]),
    ("dst", &["daddr", "dport"]),
    ("dest", &["daddr", "dport"]),
    ("src_port", &["sport"]),
    ("srcport", &["sport"]),
    ("dst_port", &["dport"]),
    ("dstport", &["dport"]),
    ("size", &["len"]),
    ("length", &["len"]),
    ("type", &["proto"]),
    ("h_proto", &["proto"]),
    ("check", &["csum"]),
    ("checksum", &["csum"]),
    ("hlim", &["hop_limit"]),
    ("ttl", &["hop_limit"]),
    ("vid", &["id"]),
];

fn unknown_field(row: &Protocol, name: &ast::Name) -> Diagnostic {
    let title = format!("{} has no field '{}'", row.name, name.text);
    let elsewhere = ELSEWHERE.iter().filter(|(name_there, _)| name_there.eq_ignore_ascii_case(&name.text));
    let elsewhere = elsewhere.flat_map(|(_, names)| *names).copied();
    let elsewhere = elsewhere.filter(|name| row.fields.iter().any(|field| field.name == *name));
    let mut near: Vec<String> = elsewhere.map(str::to_owned).collect();
    if near.is_empty() {
        near = nearest(&name.text, row.fields.iter().map(|field| field.name), 1);
    }
    let others: Vec<String> = PROTOCOLS
        .iter()
        .filter(|row| row.fields.iter().any(|field| field.name == name.text))
        .map(|row| format!("{}.{}", row.name, name.text))
        .collect();
    let names: Vec<&str> = row.fields.iter().map(|field| field.name).collect();
    let help = match (near.first(), &others[..]) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, [_, ..]) => format!("there is {}", others.join(", ")),
        (None, []) => format!("it has {}", names.join(", ")),
    };
    Diagnostic::error(name.span, title).with_help(help)
}

/// The names that can stand alone at a packet, for "did you mean".
pub fn names(state: &ProbeState<'_>) -> impl Iterator<Item = &'static str> {
    let sees = state.header.points.iter().any(|point| point.context.packet().is_some());
    PROTOCOLS.iter().filter(move |_| sees).map(|row| row.name)
}
