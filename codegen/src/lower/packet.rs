//! Packets of the network: capturing them.

mod fields;
mod filter;
mod view;

use super::{Lowering, flags};
use crate::event::{BEGINS_WITH_IP, PACKET_HEADER, PacketWay};
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use lang::filter::Link;
use lang::probes::net::Direction;
use lang::span::Span;
use lang::target::{Attach, PacketContext, PacketStart};
use lang::typed::Expr;

/// `BPF_F_CURRENT_CPU` (include/uapi/linux/bpf.h); the high half of the flags is how much of the packet follows.
const CURRENT_CPU: i64 = 0xffff_ffff;
/// What the helper says when the buffer is full.
const ENOSPC: i64 = 28;
/// What is given where there is no packet.
const EINVAL: i64 = 22;

/// `struct __sk_buff` (include/uapi/linux/bpf.h).
const SKB_PKT_TYPE: i32 = 4;
const SKB_VLAN_PRESENT: i32 = 20;
const SKB_VLAN_TCI: i32 = 24;
const SKB_VLAN_PROTO: i32 = 28;
/// The kind of a packet that goes out (include/uapi/linux/if_packet.h).
const PACKET_OUTGOING: i64 = 4;

impl Lowering<'_, '_> {
    /// `skboutput(file, packet, length, offset)`
    pub fn capture_skb(&mut self, file: i64, packet: &Expr, length: &Expr, offset: i64, span: Span) -> Value {
        let mark = self.mark();
        let length = self.scalar(length);
        let map = self.layout.use_packets(self.features.cpus);
        let header = self.temporary(PACKET_HEADER);
        let head = self.int(offset << 32 | file);
        self.store_word(head, header);
        let now = self.call(Helper::KtimeGetBootNs, &[]);
        self.store_word(now, header.plus(8));
        self.store_word(length, header.plus(16));
        let zero = self.int(0);
        self.store_word(zero, header.plus(24));
        self.store_word(zero, header.plus(32));
        let half = self.int(32);
        let flags = self.builder.ins().ishl(length, half);
        let cpu = self.int(CURRENT_CPU);
        let flags = self.builder.ins().bor(flags, cpu);
        let (map, header, size) = (self.map_pointer(map), self.address(header), self.int(i64::from(PACKET_HEADER)));
        let result = self.call_with_known(packet, -EINVAL, |this, packet| {
            this.call(Helper::SkbOutput, &[packet, map, flags, header, size])
        });
        let is_full = self.compare(IntCC::Equal, result, -ENOSPC);
        self.count_lost_packet(is_full, span);
        self.reset(mark);
        result
    }

    /// `capture(file, length)`
    pub fn capture(&mut self, file: i64, most: i64, span: Span) -> Value {
        let packet = self.unit.context.packet().expect("checked: the event is a packet");
        let mark = self.mark();
        let map = self.layout.use_packets(self.features.cpus);
        let header = self.temporary(PACKET_HEADER);
        let file = self.int(file);
        self.store_word(file, header);
        let now = self.call(Helper::KtimeGetBootNs, &[]);
        self.store_word(now, header.plus(8));
        let view = self.view(packet);
        let length = self.packet_length(packet, view);
        let most = self.int(most);
        let is_long = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, length, most);
        let captured = self.builder.ins().select(is_long, most, length);
        let half = self.int(32);
        let high = self.builder.ins().ishl(length, half);
        let lengths = self.builder.ins().bor(high, captured);
        self.store_word(lengths, header.plus(16));
        let interface = self.builder.ins().uload32(flags(), self.event, packet.interface as i32);
        let way = self.packet_way(packet);
        let way = self.builder.ins().ishl(way, half);
        let interface = self.builder.ins().bor(way, interface);
        self.store_word(interface, header.plus(24));
        let tag = self.tag_apart(packet);
        self.store_word(tag, header.plus(32));
        let high = self.builder.ins().ishl(captured, half);
        let cpu = self.int(CURRENT_CPU);
        let high = self.builder.ins().bor(high, cpu);
        let (map, header, size) = (self.map_pointer(map), self.address(header), self.int(i64::from(PACKET_HEADER)));
        let result = self.call(Helper::PerfEventOutput, &[self.event, map, high, header, size]);
        // Whatever the reason: it is not in the file.
        let failed = self.compare(IntCC::NotEqual, result, 0);
        self.count_lost_packet(failed, span);
        self.reset(mark);
        result
    }

    /// The way of the packet, and what it begins with.
    fn packet_way(&mut self, packet: &PacketContext) -> Value {
        let start = if packet.start == PacketStart::Network { i64::from(BEGINS_WITH_IP) } else { 0 };
        let known = match self.unit.point.attach {
            Attach::Tc { direction: Direction::Egress, .. }
            | Attach::CgroupSkb { direction: Direction::Egress, .. } => PacketWay::Out,
            Attach::Socket { .. } => {
                let kind = self.builder.ins().uload32(flags(), self.event, SKB_PKT_TYPE);
                let goes_out = self.compare(IntCC::Equal, kind, PACKET_OUTGOING);
                let [out, into] = [PacketWay::Out, PacketWay::In].map(|way| self.int(way as i64 | start));
                return self.builder.ins().select(goes_out, out, into);
            }
            _ => PacketWay::In,
        };
        self.int(known as i64 | start)
    }

    /// The VLAN tag that the kernel has taken out of the packet.
    fn tag_apart(&mut self, packet: &PacketContext) -> Value {
        if !Link::of(packet).tag_is_apart {
            return self.int(0);
        }
        let [present, tag, protocol] = [SKB_VLAN_PRESENT, SKB_VLAN_TCI, SKB_VLAN_PROTO]
            .map(|offset| self.builder.ins().uload32(flags(), self.event, offset));
        let [half, quarter] = [32, 16].map(|bits| self.int(bits));
        let present = self.builder.ins().ishl(present, half);
        let tag = self.builder.ins().ishl(tag, quarter);
        let both = self.builder.ins().bor(present, tag);
        self.builder.ins().bor(both, protocol)
    }

    fn count_lost_packet(&mut self, is_lost: Value, span: Span) {
        let (lost, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(is_lost, lost, &[], done, &[]);
        self.builder.switch_to_block(lost);
        self.in_branch(|this| this.report_site(SiteKind::LostPacket, span));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }
}
