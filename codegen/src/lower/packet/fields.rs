//! Fields of packets: one walk over the headers, before the probe begins.
//!
//! All that the probe uses of the packet are variables (`typed::Probe::packet`), which are 0 at first. The walk goes from
//! header to header and assigns the variables of each one it finds; where a header is not there or does not lead on, it
//! ends. So what comes later knows nothing of packets, and may be a loop's body or lie in another function. Headers are
//! visited only if something of them, or of what may follow them, is used.

use super::view::{Header, View};
use crate::lower::{Lowering, flags};
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::packets::{EXTENSIONS, MOST_EXTENSIONS, MOST_TAGS, PacketItem, Place, ProtocolId};
use lang::target::{PacketContext, PacketStart};
use lang::typed::Expr;

/// Types of what follows (include/uapi/linux/if_ether.h) as they lie in a packet.
const ETH_P_IP: i64 = 0x0008;
const ETH_P_IPV6: i64 = 0xdd86;
const ETH_P_ARP: i64 = 0x0608;
const ETH_P_8021Q: i64 = 0x0081;
const ETH_P_8021AD: i64 = 0xa888;
/// Length of a link-layer address and of an IPv4 address, as ARP has them.
const ARP_LENGTHS: i64 = 0x0406;

/// Where a fragment belongs is in these bits of IPv4's and IPv6's word, as it lies in a packet.
const IP_OFFSET: i64 = 0xff1f;
const IP6_OFFSET: i64 = 0xf8ff;

/// Extension headers that differ from the others (include/uapi/linux/in6.h).
const FRAGMENT: i64 = 44;
const AUTHENTICATION: i64 = 51;

/// `struct __sk_buff`: what the kernel has taken out of the packet or knows of it.
const SKB_PROTOCOL: i32 = 16;
const SKB_VLAN_PRESENT: i32 = 20;
const SKB_VLAN_TCI: i32 = 24;

/// More than the verifier lets a packet's bytes be away from its beginning.
const FAR: i64 = 0xfff1;

/// The protocols over IP, their numbers, and over which of the two they are.
const TRANSPORTS: [(ProtocolId, i64, bool, bool); 5] = [
    (ProtocolId::Tcp, 6, true, true),
    (ProtocolId::Udp, 17, true, true),
    (ProtocolId::Icmp, 1, true, false),
    (ProtocolId::Icmp6, 58, false, true),
    (ProtocolId::Sctp, 132, true, true),
];

/// The walk: what it needs everywhere.
struct Walk {
    view: View,
    /// Where it goes on when there is nothing more to be found.
    done: Block,
    /// The protocols over IP that are looked for: each with the block that takes the offset of its header.
    transports: Vec<(ProtocolId, Block)>,
    ip: Option<Block>,
    ip6: Option<Block>,
    arp: Option<Block>,
}

impl Lowering<'_, '_> {
    /// Assigns the variables that hold what is read of the packet.
    pub fn read_packet(&mut self) {
        let probe = self.unit.probe;
        let Some(packet) = self.unit.context.packet().filter(|_| !probe.packet.is_empty()) else { return };
        self.at(probe.span);
        let view = self.view(packet);
        self.read_whole(packet, view);
        self.read_bytes_at(view);
        if probe.packet.iter().all(|(_, item)| item.protocol().is_none()) {
            return;
        }
        let uses = |id| probe.packet.iter().any(|(_, item)| item.protocol() == Some(id));
        let mut block = |takes_offset: bool| {
            let block = self.builder.create_block();
            if takes_offset {
                self.builder.append_block_param(block, types::I64);
            }
            block
        };
        let done = block(false);
        let transports: Vec<(ProtocolId, Block)> =
            TRANSPORTS.iter().filter(|(id, ..)| uses(*id)).map(|(id, ..)| (*id, block(true))).collect();
        let leads =
            |over: fn(&(ProtocolId, i64, bool, bool)) -> bool| TRANSPORTS.iter().any(|row| over(row) && uses(row.0));
        let ip = (uses(ProtocolId::Ip) || leads(|row| row.2)).then(|| block(true));
        let ip6 = (uses(ProtocolId::Ip6) || leads(|row| row.3)).then(|| block(true));
        let arp = (uses(ProtocolId::Arp) && packet.start == PacketStart::Link).then(|| block(true));
        let walk = Walk { view, done, transports, ip, ip6, arp };
        match packet.start {
            PacketStart::Link => self.link(&walk, packet),
            PacketStart::Network => {
                let zero = self.int(0);
                match packet.length {
                    Some(_) => {
                        let protocol = self.builder.ins().uload32(flags(), self.event, SKB_PROTOCOL);
                        self.network(&walk, protocol, zero);
                    }
                    // Nothing but the packet itself tells.
                    None => {
                        let first = self.header(view, zero, 1, walk.done);
                        let version = self.raw(first, 0, 1);
                        let version = self.shifted(version, 4);
                        for (block, expected) in [(walk.ip, 4), (walk.ip6, 6)] {
                            if let Some(block) = block {
                                self.go_if(version, expected, block, zero);
                            }
                        }
                    }
                }
                self.jump(walk.done);
            }
        }
        if let Some(block) = walk.arp {
            self.arp(&walk, block);
        }
        if let Some(block) = walk.ip {
            self.ip(&walk, block);
        }
        if let Some(block) = walk.ip6 {
            self.ip6(&walk, block);
        }
        for (id, block) in &walk.transports {
            self.builder.switch_to_block(*block);
            let offset = self.builder.block_params(*block)[0];
            let mark = self.mark();
            let header = self.header(walk.view, offset, id.row().bytes, walk.done);
            self.fields(*id, header);
            self.reset(mark);
            self.jump(walk.done);
        }
        self.builder.switch_to_block(walk.done);
    }

    /// Whether an item is used.
    fn uses_item(&self, item: PacketItem) -> bool {
        self.unit.probe.packet.iter().any(|(_, used)| *used == item)
    }

    /// Assigns an item, if it is used.
    fn set_item(&mut self, item: PacketItem, value: impl FnOnce(&mut Self) -> Value) {
        let Some((var, _)) = self.unit.probe.packet.iter().find(|(_, used)| *used == item) else { return };
        let value = value(self);
        self.set_variable_value(self.variables[var.index()], value);
    }

    /// What is known of any packet.
    fn read_whole(&mut self, packet: &PacketContext, view: View) {
        self.set_item(PacketItem::Field(ProtocolId::Pkt, 0, 0), |this| this.packet_length(packet, view));
    }

    /// The bytes whose offsets are known.
    fn read_bytes_at(&mut self, view: View) {
        let mut offsets: Vec<u32> = Vec::new();
        for (_, item) in &self.unit.probe.packet {
            if let PacketItem::Byte(at) | PacketItem::HasByte(at) = item
                && !offsets.contains(at)
            {
                offsets.push(*at);
            }
        }
        for at in offsets {
            let next = self.builder.create_block();
            let mark = self.mark();
            let offset = self.int(i64::from(at));
            let byte = self.header(view, offset, 1, next);
            self.set_item(PacketItem::Byte(at), |this| this.raw(byte, 0, 1));
            self.set_item(PacketItem::HasByte(at), |this| this.int(1));
            self.reset(mark);
            self.jump(next);
            self.builder.switch_to_block(next);
        }
    }

    /// `pkt.data[at]`
    pub fn packet_byte(&mut self, at: &Expr) -> Value {
        let packet = self.unit.context.packet().expect("checked: the event is a packet");
        let [near, absent, done] = [(); 3].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let at = self.scalar(at);
        let at = self.launder(at);
        let is_near = self.compare(IntCC::UnsignedLessThan, at, FAR);
        self.builder.ins().brif(is_near, near, &[], absent, &[]);
        self.builder.switch_to_block(near);
        let mark = self.mark();
        let view = self.view(packet);
        let byte = self.header(view, at, 1, absent);
        let value = self.raw(byte, 0, 1);
        self.reset(mark);
        self.builder.ins().jump(done, &[value.into()]);
        self.builder.switch_to_block(absent);
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into()]);
        self.builder.switch_to_block(done);
        result
    }

    /// Ethernet and VLAN tags.
    fn link(&mut self, walk: &Walk, packet: &PacketContext) {
        let mark = self.mark();
        let zero = self.int(0);
        let header = self.header(walk.view, zero, ProtocolId::Eth.row().bytes, walk.done);
        self.fields(ProtocolId::Eth, header);
        let mut kind = self.raw(header, 12, 2);
        self.reset(mark);
        let uses_tag = self.unit.probe.packet.iter().any(|(_, item)| item.protocol() == Some(ProtocolId::Vlan));
        // Of an skb the kernel takes the first tag out.
        let is_taken_out = (uses_tag && packet.length.is_some()).then(|| self.tag_taken_out(kind));
        let mut offset = self.int(i64::from(ProtocolId::Eth.row().bytes));
        for tag in 0..=MOST_TAGS {
            self.found(ProtocolId::Eth, "proto", |this| {
                let narrow = this.builder.ins().ireduce(types::I16, kind);
                let swapped = this.builder.ins().bswap(narrow);
                this.builder.ins().uextend(types::I64, swapped)
            });
            self.network(walk, kind, offset);
            let looks_on = walk.arp.is_some()
                || walk.ip.is_some()
                || walk.ip6.is_some()
                || uses_tag && tag == 0
                || self.uses_found(ProtocolId::Eth, "proto");
            if tag == MOST_TAGS || !looks_on {
                break;
            }
            let [other, tagged] = [(); 2].map(|()| self.builder.create_block());
            for (expected, otherwise) in [(ETH_P_8021Q, other), (ETH_P_8021AD, walk.done)] {
                let is_tag = self.compare(IntCC::Equal, kind, expected);
                self.builder.ins().brif(is_tag, tagged, &[], otherwise, &[]);
                if otherwise == other {
                    self.builder.switch_to_block(other);
                }
            }
            self.builder.switch_to_block(tagged);
            let header = self.header(walk.view, offset, ProtocolId::Vlan.row().bytes, walk.done);
            if tag == 0 && uses_tag {
                self.first_tag(header, is_taken_out);
            }
            kind = self.raw(header, 2, 2);
            self.reset(mark);
            let length = self.int(i64::from(ProtocolId::Vlan.row().bytes));
            offset = self.builder.ins().iadd(offset, length);
        }
        self.jump(walk.done);
    }

    /// Assigns the fields of a tag that the kernel has taken out of the packet. Whether it has.
    fn tag_taken_out(&mut self, kind: Value) -> Value {
        let [taken, done] = [(); 2].map(|()| self.builder.create_block());
        let present = self.builder.ins().uload32(flags(), self.event, SKB_VLAN_PRESENT);
        self.builder.ins().brif(present, taken, &[], done, &[]);
        self.builder.switch_to_block(taken);
        let tag = self.builder.ins().uload32(flags(), self.event, SKB_VLAN_TCI);
        self.set_item(PacketItem::Present(ProtocolId::Vlan), |this| this.int(1));
        for (index, field) in (0..).zip(ProtocolId::Vlan.row().fields) {
            self.set_item(PacketItem::Field(ProtocolId::Vlan, index, 0), |this| match field.place {
                Place::Bits { offset: 0, shift, bits, .. } => this.part_of(tag, shift, bits, 16),
                Place::Flag { bit, .. } => this.part_of(tag, bit, 1, 16),
                // What lies where the packet had the tag.
                _ => {
                    let narrow = this.builder.ins().ireduce(types::I16, kind);
                    let swapped = this.builder.ins().bswap(narrow);
                    this.builder.ins().uextend(types::I64, swapped)
                }
            });
        }
        self.jump(done);
        self.builder.switch_to_block(done);
        present
    }

    /// Assigns the fields of the first tag in the packet, unless there was one before it.
    fn first_tag(&mut self, header: Header, is_taken_out: Option<Value>) {
        let Some(is_taken_out) = is_taken_out else { return self.fields(ProtocolId::Vlan, header) };
        let [first, done] = [(); 2].map(|()| self.builder.create_block());
        self.builder.ins().brif(is_taken_out, done, &[], first, &[]);
        self.builder.switch_to_block(first);
        self.fields(ProtocolId::Vlan, header);
        self.jump(done);
        self.builder.switch_to_block(done);
    }

    /// Goes to what follows the link layer if the walk looks for it; goes on here if not.
    fn network(&mut self, walk: &Walk, kind: Value, offset: Value) {
        for (block, expected) in [(walk.ip, ETH_P_IP), (walk.ip6, ETH_P_IPV6), (walk.arp, ETH_P_ARP)] {
            if let Some(block) = block {
                self.go_if(kind, expected, block, offset);
            }
        }
    }

    /// Jumps to a block with an offset if a number is as expected.
    fn go_if(&mut self, number: Value, expected: i64, block: Block, offset: Value) {
        let other = self.builder.create_block();
        let is_it = self.compare(IntCC::Equal, number, expected);
        self.builder.ins().brif(is_it, block, &[offset.into()], other, &[]);
        self.builder.switch_to_block(other);
    }

    fn arp(&mut self, walk: &Walk, block: Block) {
        self.builder.switch_to_block(block);
        let offset = self.builder.block_params(block)[0];
        let mark = self.mark();
        let header = self.header(walk.view, offset, ProtocolId::Arp.row().bytes, walk.done);
        for (at, expected) in [(2, ETH_P_IP), (4, ARP_LENGTHS)] {
            let word = self.raw(header, at, 2);
            let is_known = self.compare(IntCC::Equal, word, expected);
            let known = self.builder.create_block();
            self.builder.ins().brif(is_known, known, &[], walk.done, &[]);
            self.builder.switch_to_block(known);
        }
        self.fields(ProtocolId::Arp, header);
        self.reset(mark);
        self.jump(walk.done);
    }

    fn ip(&mut self, walk: &Walk, block: Block) {
        self.builder.switch_to_block(block);
        let offset = self.builder.block_params(block)[0];
        let mark = self.mark();
        let header = self.header(walk.view, offset, ProtocolId::Ip.row().bytes, walk.done);
        self.fields(ProtocolId::Ip, header);
        if walk.transports.iter().any(|(id, _)| *id != ProtocolId::Icmp6) {
            let first = self.raw(header, 0, 1);
            let fragment = self.raw(header, 6, 2);
            let protocol = self.raw(header, 9, 1);
            // Only the first fragment has the header of what is within.
            let place = self.int(IP_OFFSET);
            let place = self.builder.ins().band(fragment, place);
            let is_first = self.compare(IntCC::Equal, place, 0);
            self.go_on_if(is_first, walk.done);
            let words = self.int(15);
            let words = self.builder.ins().band(first, words);
            let is_whole = self.compare(IntCC::UnsignedGreaterThanOrEqual, words, 5);
            self.go_on_if(is_whole, walk.done);
            let two = self.int(2);
            let length = self.builder.ins().ishl(words, two);
            let behind = self.builder.ins().iadd(offset, length);
            self.transport(walk, protocol, behind, |row| row.2);
        }
        self.reset(mark);
        self.jump(walk.done);
    }

    /// Goes to a protocol over IP if the walk looks for it; goes on here if not.
    fn transport(
        &mut self,
        walk: &Walk,
        protocol: Value,
        offset: Value,
        over: fn(&(ProtocolId, i64, bool, bool)) -> bool,
    ) {
        for row in TRANSPORTS.iter().filter(|row| over(row)) {
            if let Some((_, block)) = walk.transports.iter().find(|(id, _)| *id == row.0) {
                self.go_if(protocol, row.1, *block, offset);
            }
        }
    }

    /// IPv6 and its extension headers, of which each says what follows it.
    fn ip6(&mut self, walk: &Walk, block: Block) {
        self.builder.switch_to_block(block);
        let offset = self.builder.block_params(block)[0];
        let mark = self.mark();
        let header = self.header(walk.view, offset, ProtocolId::Ip6.row().bytes, walk.done);
        self.fields(ProtocolId::Ip6, header);
        let looks_on =
            walk.transports.iter().any(|(id, _)| *id != ProtocolId::Icmp) || self.uses_found(ProtocolId::Ip6, "proto");
        if !looks_on {
            self.reset(mark);
            return self.jump(walk.done);
        }
        let next = self.raw(header, 6, 1);
        self.reset(mark);
        let length = self.int(i64::from(ProtocolId::Ip6.row().bytes));
        let behind = self.builder.ins().iadd(offset, length);
        let turn = self.builder.create_block();
        let [kind, at, count] = [(); 3].map(|()| self.builder.append_block_param(turn, types::I64));
        let zero = self.int(0);
        self.builder.ins().jump(turn, &[next.into(), behind.into(), zero.into()]);

        self.builder.switch_to_block(turn);
        self.found(ProtocolId::Ip6, "proto", |_| kind);
        self.transport(walk, kind, at, |row| row.3);
        let is_low = self.compare(IntCC::UnsignedLessThan, kind, 64);
        self.go_on_if(is_low, walk.done);
        let extensions = self.int(EXTENSIONS);
        let bit = self.builder.ins().ushr(extensions, kind);
        let one = self.int(1);
        let is_extension = self.builder.ins().band(bit, one);
        self.go_on_if(is_extension, walk.done);
        let few = self.compare(IntCC::UnsignedLessThan, count, MOST_EXTENSIONS);
        self.go_on_if(few, walk.done);
        let header = self.header(walk.view, at, 8, walk.done);
        let next = self.raw(header, 0, 1);
        let words = self.raw(header, 1, 1);
        let fragment = self.raw(header, 2, 2);
        self.reset(mark);
        let count = self.builder.ins().iadd(count, one);

        let [whole, fragmented, other, authentication] = [(); 4].map(|()| self.builder.create_block());
        let is_fragment = self.compare(IntCC::Equal, kind, FRAGMENT);
        self.builder.ins().brif(is_fragment, fragmented, &[], whole, &[]);
        self.builder.switch_to_block(fragmented);
        let place = self.int(IP6_OFFSET);
        let place = self.builder.ins().band(fragment, place);
        let eight = self.int(8);
        let behind = self.builder.ins().iadd(at, eight);
        let later = self.builder.create_block();
        self.builder.ins().brif(place, later, &[], turn, &[next.into(), behind.into(), count.into()]);
        // Only the first fragment has the header of what is within.
        self.builder.switch_to_block(later);
        self.found(ProtocolId::Ip6, "proto", |_| next);
        self.jump(walk.done);

        self.builder.switch_to_block(whole);
        let is_authentication = self.compare(IntCC::Equal, kind, AUTHENTICATION);
        self.builder.ins().brif(is_authentication, authentication, &[], other, &[]);
        for (block, more, shift) in [(authentication, 2, 2), (other, 1, 3)] {
            self.builder.switch_to_block(block);
            let more = self.int(more);
            let words = self.builder.ins().iadd(words, more);
            let shift = self.int(shift);
            let length = self.builder.ins().ishl(words, shift);
            let behind = self.builder.ins().iadd(at, length);
            self.builder.ins().jump(turn, &[next.into(), behind.into(), count.into()]);
        }
    }

    /// The item that a protocol's field is which no place in the header has.
    fn found_item(id: ProtocolId, name: &str) -> PacketItem {
        let index = id.row().fields.iter().position(|field| field.name == name);
        PacketItem::Field(id, index.expect("the table has the field") as u8, 0)
    }

    fn uses_found(&self, id: ProtocolId, name: &str) -> bool {
        self.uses_item(Self::found_item(id, name))
    }

    fn found(&mut self, id: ProtocolId, name: &str, value: impl FnOnce(&mut Self) -> Value) {
        self.set_item(Self::found_item(id, name), value);
    }

    /// Assigns what is used of a header.
    fn fields(&mut self, id: ProtocolId, header: Header) {
        self.set_item(PacketItem::Present(id), |this| this.int(1));
        for (index, field) in (0..).zip(id.row().fields) {
            if matches!(field.place, Place::Found { .. } | Place::Bytes) {
                continue;
            }
            for word in 0..field.words() {
                self.set_item(PacketItem::Field(id, index, word), |this| match field.place {
                    Place::Bits { offset, bytes, shift, bits } => {
                        let value = this.big_endian(header, offset, bytes);
                        this.part_of(value, shift, bits, bytes as u8 * 8)
                    }
                    Place::Flag { offset, bytes, bit } => {
                        let value = this.big_endian(header, offset, bytes);
                        this.part_of(value, bit, 1, bytes as u8 * 8)
                    }
                    Place::Inet4 { offset } => this.bytes_of(header, offset, 4),
                    Place::Inet6 { offset } => this.bytes_of(header, offset + u32::from(word) * 8, 8),
                    Place::Mac { offset } => this.bytes_of(header, offset, 6),
                    Place::Found { .. } | Place::Bytes => this.int(0),
                });
            }
        }
    }

    /// Bits of a number that has `width` bits.
    fn part_of(&mut self, value: Value, shift: u8, bits: u8, width: u8) -> Value {
        let value = match shift {
            0 => value,
            shift => self.shifted(value, i64::from(shift)),
        };
        match shift + bits == width {
            true => value,
            false => {
                let mask = self.int((1i64 << bits) - 1);
                self.builder.ins().band(value, mask)
            }
        }
    }
}
