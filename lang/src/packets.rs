//! Packets of the network: their protocols and the fields of these, as the language knows them.
//!
//! A row tells where a field lies in its header. Checker, code generator and listing read it; how headers are found one
//! behind the other is the code generator's business (`codegen::lower::packet`).

use crate::types::{IntType, Type};

/// A protocol, by which its fields are named.
#[derive(Debug)]
pub struct Protocol {
    /// Which it is.
    pub id: ProtocolId,
    /// As users write it.
    pub name: &'static str,
    /// Bytes of its header that must be there: else the protocol is not.
    pub bytes: u32,
    /// Its fields.
    pub fields: &'static [Field],
    /// What it is and where it is found.
    pub doc: &'static str,
}

macro_rules! protocols {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// The protocols, in the order of [`PROTOCOLS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProtocolId { $($(#[doc = $doc])* $name,)* }
    };
}

protocols! {
    /// What is known of any packet.
    Pkt,
    /// Ethernet.
    Eth,
    /// A VLAN tag.
    Vlan,
    /// ARP.
    Arp,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmp6,
    /// SCTP.
    Sctp,
}

impl ProtocolId {
    /// Its row.
    pub fn row(self) -> &'static Protocol {
        &PROTOCOLS[self as usize]
    }

    /// Whether it is part of the link layer, which not all programs see.
    pub fn is_of_link(self) -> bool {
        matches!(self, Self::Eth | Self::Vlan | Self::Arp)
    }
}

/// A field of a protocol.
#[derive(Debug)]
pub struct Field {
    /// As users write it behind the protocol's name.
    pub name: &'static str,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub doc: &'static str,
}

/// Where a field is, and what it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A number: so many bits above the lowest `shift` ones of a big-endian word of the header.
    Bits {
        /// Of the word, in bytes from the beginning of the header.
        offset: u32,
        /// Of the word: 1, 2 or 4.
        bytes: u32,
        /// Bits below the field.
        shift: u8,
        /// Bits of the field.
        bits: u8,
    },
    /// A bit of a big-endian word, shown as true or false.
    Flag {
        /// As above.
        offset: u32,
        /// As above.
        bytes: u32,
        /// Which bit, counted from the lowest.
        bit: u8,
    },
    /// An IPv4 address.
    Inet4 {
        /// In bytes from the beginning of the header.
        offset: u32,
    },
    /// An IPv6 address.
    Inet6 {
        /// As above.
        offset: u32,
    },
    /// An address of the link layer.
    Mac {
        /// As above.
        offset: u32,
    },
    /// A number that no place in the header has: it is learnt on the way through the headers.
    Found {
        /// Bits of it.
        bits: u8,
    },
    /// The bytes of the packet, which are indexed.
    Bytes,
}

impl Field {
    /// The type of its value.
    pub fn ty(&self) -> Type {
        match self.place {
            Place::Bits { bits, .. } | Place::Found { bits } => {
                Type::Int(IntType { bits: bits.next_power_of_two().max(8), signed: false })
            }
            Place::Flag { .. } => Type::Bool,
            Place::Inet4 { .. } | Place::Inet6 { .. } => Type::Inet,
            Place::Mac { .. } => Type::MacAddr,
            Place::Bytes => Type::Array(Box::new(BYTE), 0),
        }
    }

    /// Of how many numbers its value is made.
    pub fn words(&self) -> u8 {
        if matches!(self.place, Place::Inet6 { .. }) { 2 } else { 1 }
    }
}

/// The type of a byte of a packet.
pub const BYTE: Type = Type::Int(IntType { bits: 8, signed: false });

/// What is read of a packet before a probe begins. Each is a number, and 0 where the packet has it not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketItem {
    /// Whether the protocol is there.
    Present(ProtocolId),
    /// A field, or the part with this number of one that is more than a number.
    Field(ProtocolId, u8, u8),
    /// The byte at this offset.
    Byte(u32),
    /// Whether there is a byte at this offset.
    HasByte(u32),
}

impl PacketItem {
    /// The protocol whose header has it; none for what any packet has.
    pub fn protocol(self) -> Option<ProtocolId> {
        match self {
            Self::Present(id) | Self::Field(id, ..) => Some(id).filter(|id| *id != ProtocolId::Pkt),
            Self::Byte(_) | Self::HasByte(_) => None,
        }
    }

    /// What tells whether the packet has it.
    pub fn presence(self) -> Option<Self> {
        match self {
            Self::Field(..) => self.protocol().map(Self::Present),
            Self::Byte(at) => Some(Self::HasByte(at)),
            Self::Present(_) | Self::HasByte(_) => None,
        }
    }

    /// As users would write it.
    pub fn name(self) -> String {
        match self {
            Self::Present(id) => id.row().name.to_owned(),
            Self::Field(id, index, _) => {
                let row = id.row();
                format!("{}.{}", row.name, row.fields[usize::from(index)].name)
            }
            Self::Byte(at) | Self::HasByte(at) => format!("pkt.data[{at}]"),
        }
    }
}

/// The protocol of this name.
pub fn protocol(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|row| row.name == name)
}

/// How many VLAN tags are looked behind that lie in the packet.
pub const MOST_TAGS: u32 = 2;

/// How many extension headers of IPv6 are looked behind.
pub const MOST_EXTENSIONS: i64 = 6;

/// The extension headers of IPv6 that are looked behind, a bit for each: hop-by-hop options, routing, fragment,
/// authentication, destination options. The kernel looks behind the same.
pub const EXTENSIONS: i64 = 1 | 1 << 43 | 1 << 44 | 1 << 51 | 1 << 60;

const fn number(name: &'static str, offset: u32, bytes: u32, doc: &'static str) -> Field {
    bits(name, offset, bytes, 0, bytes as u8 * 8, doc)
}

const fn bits(name: &'static str, offset: u32, bytes: u32, shift: u8, bits: u8, doc: &'static str) -> Field {
    Field { name, place: Place::Bits { offset, bytes, shift, bits }, doc }
}

const fn flag(name: &'static str, offset: u32, bytes: u32, bit: u8, doc: &'static str) -> Field {
    Field { name, place: Place::Flag { offset, bytes, bit }, doc }
}

const fn found(name: &'static str, bits: u8, doc: &'static str) -> Field {
    Field { name, place: Place::Found { bits }, doc }
}

const fn field(name: &'static str, place: Place, doc: &'static str) -> Field {
    Field { name, place, doc }
}

const ICMP: &[Field] = &[
    number("type", 0, 1, "Its type."),
    number("code", 1, 1, "What exactly it says."),
    number("csum", 2, 2, "Its checksum."),
    number("id", 4, 2, "Of an echo request or reply: which program's it is."),
    number("seq", 6, 2, "Of an echo request or reply: which one it is."),
];

/// All protocols, in the order of their ids.
pub static PROTOCOLS: &[Protocol] = &[
    Protocol {
        id: ProtocolId::Pkt,
        name: "pkt",
        bytes: 0,
        fields: &[
            found("len", 32, "Bytes of the packet from its first header on."),
            field("data", Place::Bytes, "The bytes of the packet: pkt.data[0] is the first one of its first header."),
        ],
        doc: "The packet as a whole.",
    },
    Protocol {
        id: ProtocolId::Eth,
        name: "eth",
        bytes: 14,
        fields: &[
            field("daddr", Place::Mac { offset: 0 }, "The link-layer address it goes to."),
            field("saddr", Place::Mac { offset: 6 }, "The link-layer address it comes from."),
            found("proto", 16, "The protocol within, VLAN tags left out: 0x0800 for IPv4, 0x86dd for IPv6."),
        ],
        doc: "Ethernet, at the beginning of a packet.",
    },
    Protocol {
        id: ProtocolId::Vlan,
        name: "vlan",
        bytes: 4,
        fields: &[
            bits("id", 0, 2, 0, 12, "The number of the VLAN."),
            bits("pcp", 0, 2, 13, 3, "The priority."),
            flag("dei", 0, 2, 12, "It may be dropped first."),
            number("proto", 2, 2, "The protocol behind this tag, which may be another tag."),
        ],
        doc: "The first VLAN tag, also if the kernel has taken it out of the packet.",
    },
    Protocol {
        id: ProtocolId::Arp,
        name: "arp",
        bytes: 28,
        fields: &[
            number("op", 6, 2, "1 for a request, 2 for a reply."),
            field("sha", Place::Mac { offset: 8 }, "The sender's link-layer address."),
            field("spa", Place::Inet4 { offset: 14 }, "The sender's IPv4 address."),
            field("tha", Place::Mac { offset: 18 }, "The target's link-layer address."),
            field("tpa", Place::Inet4 { offset: 24 }, "The target's IPv4 address."),
        ],
        doc: "ARP for IPv4 over Ethernet.",
    },
    Protocol {
        id: ProtocolId::Ip,
        name: "ip",
        bytes: 20,
        fields: &[
            bits("version", 0, 1, 4, 4, "4."),
            bits("ihl", 0, 1, 0, 4, "Length of the header in words of four bytes: more than 5 with options."),
            number("tos", 1, 1, "Type of service: dscp and ecn together."),
            bits("dscp", 1, 1, 2, 6, "The class of service."),
            bits("ecn", 1, 1, 0, 2, "What is told of congestion."),
            number("len", 2, 2, "Bytes of header and content."),
            number("id", 4, 2, "What the fragments of a packet have in common."),
            flag("df", 6, 2, 14, "It must not be cut into fragments."),
            flag("mf", 6, 2, 13, "More fragments follow."),
            bits("frag_off", 6, 2, 0, 13, "Where in the whole packet the fragment belongs, in units of eight bytes."),
            number("ttl", 8, 1, "How many routers it may pass."),
            number("proto", 9, 1, "The protocol within: 6 for TCP, 17 for UDP."),
            number("csum", 10, 2, "The header's checksum."),
            field("saddr", Place::Inet4 { offset: 12 }, "The address it comes from."),
            field("daddr", Place::Inet4 { offset: 16 }, "The address it goes to."),
        ],
        doc: "IPv4.",
    },
    Protocol {
        id: ProtocolId::Ip6,
        name: "ip6",
        bytes: 40,
        fields: &[
            bits("version", 0, 1, 4, 4, "6."),
            bits("class", 0, 4, 20, 8, "Traffic class."),
            bits("flow", 0, 4, 0, 20, "Flow label."),
            number("len", 4, 2, "Bytes behind the header."),
            number("nexthdr", 6, 1, "What the header says of what follows it, which may be an extension header."),
            found("proto", 8, "The protocol behind the extension headers: 6 for TCP, 17 for UDP."),
            number("hop_limit", 7, 1, "How many routers it may pass."),
            field("saddr", Place::Inet6 { offset: 8 }, "The address it comes from."),
            field("daddr", Place::Inet6 { offset: 24 }, "The address it goes to."),
        ],
        doc: "IPv6.",
    },
    Protocol {
        id: ProtocolId::Tcp,
        name: "tcp",
        bytes: 20,
        fields: &[
            number("sport", 0, 2, "The port it comes from."),
            number("dport", 2, 2, "The port it goes to."),
            number("seq", 4, 4, "The number of its first byte."),
            number("ack_seq", 8, 4, "The number of the byte that is expected next; tcp.ack is the flag."),
            bits("doff", 12, 1, 4, 4, "Length of the header in words of four bytes: more than 5 with options."),
            number("flags", 13, 1, "All flags: fin is 1, syn 2, rst 4, psh 8, ack 16, urg 32, ece 64, cwr 128."),
            flag("fin", 13, 1, 0, "The sender has no more to send."),
            flag("syn", 13, 1, 1, "A connection begins."),
            flag("rst", 13, 1, 2, "The connection is broken off."),
            flag("psh", 13, 1, 3, "To be handed to the program at once."),
            flag("ack", 13, 1, 4, "ack_seq counts."),
            flag("urg", 13, 1, 5, "urg_ptr counts."),
            flag("ece", 13, 1, 6, "The receiver was told of congestion."),
            flag("cwr", 13, 1, 7, "The sender has slowed down."),
            number("window", 14, 2, "How much the sender is ready to receive, not scaled."),
            number("csum", 16, 2, "Its checksum."),
            number("urg_ptr", 18, 2, "Where urgent data ends."),
        ],
        doc: "TCP over IPv4 or IPv6, in the first fragment of a packet.",
    },
    Protocol {
        id: ProtocolId::Udp,
        name: "udp",
        bytes: 8,
        fields: &[
            number("sport", 0, 2, "The port it comes from."),
            number("dport", 2, 2, "The port it goes to."),
            number("len", 4, 2, "Bytes of header and content."),
            number("csum", 6, 2, "Its checksum."),
        ],
        doc: "UDP over IPv4 or IPv6, in the first fragment of a packet.",
    },
    Protocol { id: ProtocolId::Icmp, name: "icmp", bytes: 8, fields: ICMP, doc: "ICMP, over IPv4." },
    Protocol { id: ProtocolId::Icmp6, name: "icmp6", bytes: 8, fields: ICMP, doc: "ICMPv6, over IPv6." },
    Protocol {
        id: ProtocolId::Sctp,
        name: "sctp",
        bytes: 12,
        fields: &[
            number("sport", 0, 2, "The port it comes from."),
            number("dport", 2, 2, "The port it goes to."),
            number("vtag", 4, 4, "Which connection it belongs to."),
        ],
        doc: "SCTP over IPv4 or IPv6, in the first fragment of a packet.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_ids() {
        for (index, row) in PROTOCOLS.iter().enumerate() {
            assert_eq!(row.id as usize, index, "{}", row.name);
        }
    }

    #[test]
    fn the_manual_has_every_field() {
        let manual = include_str!("../../docs/packets.md");
        for row in PROTOCOLS.iter().filter(|row| row.id != ProtocolId::Icmp6) {
            for field in row.fields {
                let line = match field.place {
                    Place::Bytes => format!("| `{}.{}[N]` | {BYTE} | {} |", row.name, field.name, field.doc),
                    _ => format!("| `{}.{}` | {} | {} |", row.name, field.name, field.ty(), field.doc),
                };
                assert!(manual.lines().any(|written| written == line), "docs/packets.md lacks: {line}");
            }
        }
    }

    #[test]
    fn fields_lie_within_their_headers_and_have_names_of_their_own() {
        for row in PROTOCOLS {
            for (index, field) in row.fields.iter().enumerate() {
                let end = match field.place {
                    Place::Bits { offset, bytes, shift, bits } => {
                        assert!(u32::from(shift + bits) <= bytes * 8, "{}.{}", row.name, field.name);
                        offset + bytes
                    }
                    Place::Flag { offset, bytes, bit } => {
                        assert!(u32::from(bit) < bytes * 8, "{}.{}", row.name, field.name);
                        offset + bytes
                    }
                    Place::Inet4 { offset } => offset + 4,
                    Place::Inet6 { offset } => offset + 16,
                    Place::Mac { offset } => offset + 6,
                    Place::Found { .. } | Place::Bytes => 0,
                };
                assert!(end <= row.bytes, "{}.{}", row.name, field.name);
                assert!(row.fields[..index].iter().all(|other| other.name != field.name), "{}", field.name);
            }
        }
    }
}
