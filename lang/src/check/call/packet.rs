//! Functions of packets of the network.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::Function;
use crate::probes::ProviderId;
use crate::span::Span;
use crate::target::{Attach, PacketStart};
use crate::typed::{Capture, CaptureFormat, Expr, ExprKind, Point};
use crate::types::{IntType, Type};

/// The size of the largest packet that a capture file of `skboutput()` has.
const LONGEST: u32 = 0xffff;
/// As much of a packet as tcpdump takes unless told otherwise: all of it.
const WHOLE: u32 = 262_144;
/// The kernel's record of a packet tells its own length in 16 bits, with what stands before the packet.
const MOST_CAPTURED: u32 = 0xff00;

/// Whether this is what the kernel keeps a packet in, or may be.
fn is_packet(ty: &Type) -> bool {
    match ty {
        Type::Struct(of) => of.name == "struct sk_buff",
        ty => matches!(ty, Type::Void | Type::Unknown),
    }
}

/// The network interfaces of attach points.
fn interfaces(points: &[Point]) -> Vec<(u32, String)> {
    let named = points.iter().filter_map(|point| match &point.attach {
        Attach::Xdp { interface, index, .. }
        | Attach::Tc { interface, index, .. }
        | Attach::Socket { interface, index } => Some((*index, interface.clone())),
        _ => None,
    });
    let mut found: Vec<(u32, String)> = Vec::new();
    for interface in named {
        if !found.contains(&interface) {
            found.push(interface);
        }
    }
    found
}

impl Checker<'_> {
    /// `skboutput("file", skb, length, offset)`
    pub fn skboutput(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        // Elsewhere the kernel does not know what an argument points to.
        match state.header.provider {
            Some(ProviderId::Fentry | ProviderId::Fexit | ProviderId::RawTracepoint) | None => {}
            Some(provider) => {
                let title = format!("{} can not be used with \"{}\" probes", row.name, provider.row().name);
                let help = match state.header.points.iter().any(|point| point.attach.is_packet()) {
                    true => "here the packet is at hand: capture(\"file.pcapng\")",
                    false => "it takes the typed arguments of fentry, fexit or rawtracepoint",
                };
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
        if literal(&length).is_some_and(|length| !(0..=i128::from(LONGEST)).contains(&length)) {
            return self.refuse(args[2].span, format!("{}() takes a length up to {LONGEST}", row.name));
        }
        // Here the name stands for a file as any other.
        let path = if path == b"-" { "./-".to_owned() } else { String::from_utf8_lossy(&path).into_owned() };
        let file = Capture {
            path: Some(path),
            format: CaptureFormat::Pcap,
            begins_with_ip: true,
            length: LONGEST,
            interfaces: Vec::new(),
        };
        let Some(number) = self.capture_file(file, args[0].span) else { return unknown(span) };
        let offset = int(offset as i64, Type::I64, args[3].span);
        let kind = ExprKind::Call(row.id, vec![number, packet, length, offset]);
        Expr { kind, ty: Type::Int(IntType { bits: 32, signed: false }), span }
    }

    /// `capture("file")`, `capture("file", length)`
    pub fn capture(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some((begins_with_ip, differ)) = self.capture_link(state, span) else { return unknown(span) };
        let Some(path) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let length = match args.get(1) {
            None => u64::from(WHOLE),
            Some(length) => match self.literal(state, length, row.name, span) {
                // As tcpdump has it.
                Some(0) => u64::from(WHOLE),
                Some(length) => length,
                None => return unknown(span),
            },
        };
        if length > u64::from(WHOLE) {
            return self.refuse(args[1].span, format!("capture() takes a length up to {WHOLE}"));
        }
        let path = match String::from_utf8(path) {
            Ok(path) if !path.is_empty() && !path.contains('\0') => path,
            _ => return self.refuse(args[0].span, "capture() takes the name of a file, or -"),
        };
        let format = match path.rsplit_once('.') {
            _ if path == "-" => CaptureFormat::Pcapng,
            Some((_, "pcapng")) => CaptureFormat::Pcapng,
            Some((_, "pcap")) => CaptureFormat::Pcap,
            _ => {
                let title = format!("the name `{path}` tells no format of a capture file");
                let help = "name it .pcapng or .pcap; - is standard output";
                self.report(Diagnostic::error(args[0].span, title).with_help(help));
                return unknown(span);
            }
        };
        let length = (length as u32).min(MOST_CAPTURED);
        let interfaces = interfaces(&state.header.points);
        let path = (path != "-").then_some(path);
        let file = Capture { path, format, begins_with_ip, length, interfaces };
        if differ && format == CaptureFormat::Pcap {
            self.refuse_mixture(&file, args[0].span);
            return unknown(span);
        }
        let Some(number) = self.capture_file(file, args[0].span) else { return unknown(span) };
        let length = int(i64::from(length), Type::I64, span);
        Expr { kind: ExprKind::Call(row.id, vec![number, length]), ty: Type::I64, span }
    }

    /// Whether packets begin with the header of IP at the first attach point, and whether it is otherwise at another one.
    /// Nothing, which is told, if one of them has no packets.
    fn capture_link(&mut self, state: &ProbeState<'_>, span: Span) -> Option<(bool, bool)> {
        let (mut first, mut differ) = (None, false);
        for point in &state.header.points {
            let Some(packet) = point.context.packet() else {
                let title = format!("capture() can not be used with \"{}\"", point.name);
                let help =
                    "xdp, tc, cgroup_skb and socket see packets; fentry, fexit and rawtracepoint have skboutput()";
                self.report(Diagnostic::error(span, title).with_help(help));
                return None;
            };
            let begins_with_ip = packet.start == PacketStart::Network;
            differ |= *first.get_or_insert(begins_with_ip) != begins_with_ip;
        }
        Some((first.unwrap_or(false), differ))
    }

    /// The number of a capture file, which is a new one or one that is known already.
    fn capture_file(&mut self, file: Capture, span: Span) -> Option<Expr> {
        let captures = &mut self.walk.program.captures;
        let number = match captures.iter().position(|known| known.path == file.path) {
            None => {
                captures.push(file);
                captures.len() - 1
            }
            Some(number) => {
                let known = &mut captures[number];
                // What skboutput() writes is pcap, whatever its name.
                let is_pcap = known.format == CaptureFormat::Pcap || file.format == CaptureFormat::Pcap;
                if known.format != file.format || is_pcap && known.begins_with_ip != file.begins_with_ip {
                    self.refuse_mixture(&file, span);
                    return None;
                }
                known.length = known.length.max(file.length);
                for interface in file.interfaces {
                    if !known.interfaces.contains(&interface) {
                        known.interfaces.push(interface);
                    }
                }
                number
            }
        };
        Some(int(number as i64, Type::I64, span))
    }

    fn refuse_mixture(&mut self, file: &Capture, span: Span) {
        let title = format!("{} has packets that begin in another way already", file.name());
        let help = "a .pcap file has packets with Ethernet's header, or packets without; .pcapng may have both";
        self.report(Diagnostic::error(span, title).with_help(help));
    }
}
