//! How the programs that see packets see them.

use super::ProgramType;

/// What a program is told of a packet, and how it says what is to become of it.
#[derive(Debug, PartialEq, Eq)]
pub struct PacketContext {
    /// What the packet begins with.
    pub start: PacketStart,
    /// How its bytes are read.
    pub read: PacketRead,
    /// The kernel's name of the structure that the program is given.
    pub structure: &'static str,
    /// Offset in the context of the 32-bit number of the interface that the packet came in or goes out by.
    pub interface: u32,
    /// Offset in the context of the 32-bit length of the packet; none where that is the distance of its two ends.
    pub length: Option<u32>,
    /// What the program returns to let the packet go its way.
    pub pass: i64,
    /// All that it may return. None where nobody asks.
    pub verdicts: &'static [Verdict],
    /// It can send the packet out by another interface.
    pub redirects: bool,
}

/// What a program can say of a packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// As the kernel's headers have it, or the number.
    pub name: &'static str,
    /// What is returned.
    pub number: i64,
    /// One phrase.
    pub doc: &'static str,
}

const fn verdict(name: &'static str, number: i64, doc: &'static str) -> Verdict {
    Verdict { name, number, doc }
}

impl PacketContext {
    /// What a number means, if the kernel knows it here.
    pub fn verdict(&self, number: i128) -> Option<&'static Verdict> {
        self.verdicts.iter().find(|known| i128::from(known.number) == number)
    }
}

/// Where a packet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketStart {
    /// At the header of the link layer, Ethernet's mostly.
    Link,
    /// At the header of the network layer: IPv4's or IPv6's.
    Network,
}

/// How a packet's bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketRead {
    /// By loads from one address on, up to another. The context has them in words of 32 bits at these offsets, which the
    /// verifier turns into pointers.
    Direct {
        /// The first byte.
        data: u32,
        /// Behind the last byte that can be loaded, which is not the packet's last one if the kernel keeps it in pieces.
        data_end: u32,
    },
    /// By `bpf_skb_load_bytes`.
    Helper,
}

/// `struct xdp_md` (include/uapi/linux/bpf.h).
static XDP: PacketContext = PacketContext {
    start: PacketStart::Link,
    read: PacketRead::Direct { data: 0, data_end: 4 },
    structure: "xdp_md",
    interface: 12,
    length: None,
    pass: 2,
    verdicts: &[
        verdict("XDP_PASS", 2, "goes on to the kernel"),
        verdict("XDP_DROP", 1, "is dropped"),
        verdict("XDP_TX", 3, "goes out again where it came in"),
        verdict("XDP_ABORTED", 0, "is dropped, and the tracepoint xdp:xdp_exception tells"),
    ],
    redirects: true,
};

/// `struct __sk_buff`. TC_ACT_UNSPEC, which is TCX_NEXT: programs behind this one run, too.
static TC: PacketContext = PacketContext {
    start: PacketStart::Link,
    read: PacketRead::Direct { data: 76, data_end: 80 },
    structure: "__sk_buff",
    interface: 40,
    length: Some(0),
    pass: -1,
    verdicts: &[
        verdict("TC_ACT_UNSPEC", -1, "goes its way; programs behind this one decide, too"),
        verdict("TC_ACT_OK", 0, "goes its way, past the programs behind this one"),
        verdict("TC_ACT_SHOT", 2, "is dropped"),
        verdict("TC_ACT_STOLEN", 4, "is dropped, and nobody is told"),
        verdict("TC_ACT_TRAP", 8, "is dropped, or is the kernel's if a card had it"),
        verdict("TCX_NEXT", -1, "as TC_ACT_UNSPEC"),
        verdict("TCX_PASS", 0, "as TC_ACT_OK"),
        verdict("TCX_DROP", 2, "as TC_ACT_SHOT"),
    ],
    redirects: true,
};

static CGROUP_SKB: PacketContext = PacketContext {
    start: PacketStart::Network,
    pass: 1,
    verdicts: &[verdict("1", 1, "goes its way"), verdict("0", 0, "is dropped")],
    redirects: false,
    ..TC
};

/// The program says how much of the packet the socket is given, and nobody reads from it.
static SOCKET: PacketContext =
    PacketContext { read: PacketRead::Helper, pass: 0, verdicts: &[], redirects: false, ..TC };

// The same at an interface that has no link layer.
static XDP_WITHOUT_LINK: PacketContext = PacketContext { start: PacketStart::Network, ..XDP };
static TC_WITHOUT_LINK: PacketContext = PacketContext { start: PacketStart::Network, ..TC };
static SOCKET_WITHOUT_LINK: PacketContext = PacketContext { start: PacketStart::Network, ..SOCKET };

impl ProgramType {
    /// How a program of this type sees a packet; nothing for one that sees something else.
    pub fn packet(self) -> Option<&'static PacketContext> {
        match self {
            Self::Xdp => Some(&XDP),
            Self::Tc => Some(&TC),
            Self::CgroupSkb => Some(&CGROUP_SKB),
            Self::SocketFilter => Some(&SOCKET),
            _ => None,
        }
    }

    /// The same where the interface has no link layer.
    pub fn packet_without_link(self) -> Option<&'static PacketContext> {
        match self {
            Self::Xdp => Some(&XDP_WITHOUT_LINK),
            Self::Tc => Some(&TC_WITHOUT_LINK),
            Self::SocketFilter => Some(&SOCKET_WITHOUT_LINK),
            other => other.packet(),
        }
    }
}
