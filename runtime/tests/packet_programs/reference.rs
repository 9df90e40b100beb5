//! What a packet holds, found out in the plainest way: the program that the compiled ones are compared with.
//!
//! It knows nothing of the table of fields but their names.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Ethernet,
    /// IPv4 or IPv6, as a number of Ethernet's tells.
    Ip(u16),
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    Number(u64),
    Inet4(Ipv4Addr),
    Inet6(Ipv6Addr),
    Mac([u8; 6]),
}

impl Fact {
    /// As it lies in memory: a number, or the words of an address.
    pub fn words(self) -> Vec<u64> {
        let word = |bytes: &[u8]| (0..).zip(bytes).map(|(at, byte)| u64::from(*byte) << (8 * at)).sum();
        match self {
            Self::Number(number) => vec![number],
            Self::Inet4(ip) => vec![2, word(&ip.octets()), 0],
            Self::Inet6(ip) => vec![10, word(&ip.octets()[..8]), word(&ip.octets()[8..])],
            Self::Mac(bytes) => vec![word(&bytes)],
        }
    }
}

/// The protocols that a packet has, and their fields by name.
#[derive(Debug, Default)]
pub struct Facts {
    pub present: Vec<&'static str>,
    pub fields: BTreeMap<String, Fact>,
}

impl Facts {
    fn add<'a>(&mut self, protocol: &'static str, fields: impl IntoIterator<Item = (&'a str, Fact)>) {
        self.present.push(protocol);
        self.fields.extend(fields.into_iter().map(|(name, fact)| (format!("{protocol}.{name}"), fact)));
    }

    pub fn has(&self, protocol: &str) -> bool {
        self.present.contains(&protocol)
    }
}

fn number(value: impl Into<u64>) -> Fact {
    Fact::Number(value.into())
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn inet4(bytes: &[u8], at: usize) -> Fact {
    Fact::Inet4(Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]))
}

fn inet6(bytes: &[u8], at: usize) -> Fact {
    let mut address = [0; 16];
    address.copy_from_slice(&bytes[at..at + 16]);
    Fact::Inet6(address.into())
}

fn mac(bytes: &[u8], at: usize) -> Fact {
    let mut address = [0; 6];
    address.copy_from_slice(&bytes[at..at + 6]);
    Fact::Mac(address)
}

/// Reads a packet.
pub fn decode(packet: &[u8], start: Start) -> Facts {
    let mut facts = Facts::default();
    facts.fields.insert("pkt.len".into(), number(packet.len() as u64));
    match start {
        Start::Ethernet => ethernet(&mut facts, packet),
        // Of a control group's packets no link layer is seen, nor what is of it.
        Start::Ip(0x0806) => {}
        Start::Ip(kind) => network(&mut facts, packet, kind),
    }
    facts
}

fn ethernet(facts: &mut Facts, packet: &[u8]) {
    if packet.len() < 14 {
        return;
    }
    facts.add("eth", [("daddr", mac(packet, 0)), ("saddr", mac(packet, 6))]);
    let mut kind = be16(packet, 12);
    let mut rest = &packet[14..];
    for tag in 0..2 {
        if !matches!(kind, 0x8100 | 0x88a8) || rest.len() < 4 {
            break;
        }
        let control = be16(rest, 0);
        kind = be16(rest, 2);
        if tag == 0 {
            let fields = [
                ("id", number(control % 4096)),
                ("dei", number(control / 4096 % 2)),
                ("pcp", number(control / 8192)),
                ("proto", number(kind)),
            ];
            facts.add("vlan", fields);
        }
        rest = &rest[4..];
    }
    facts.fields.insert("eth.proto".into(), number(kind));
    network(facts, rest, kind);
}

fn network(facts: &mut Facts, packet: &[u8], kind: u16) {
    match kind {
        0x0806 => arp(facts, packet),
        0x0800 => ip(facts, packet),
        0x86dd => ip6(facts, packet),
        _ => {}
    }
}

fn arp(facts: &mut Facts, packet: &[u8]) {
    if packet.len() < 28 || be16(packet, 2) != 0x0800 || packet[4] != 6 || packet[5] != 4 {
        return;
    }
    let fields = [
        ("op", number(be16(packet, 6))),
        ("sha", mac(packet, 8)),
        ("spa", inet4(packet, 14)),
        ("tha", mac(packet, 18)),
        ("tpa", inet4(packet, 24)),
    ];
    facts.add("arp", fields);
}

fn ip(facts: &mut Facts, packet: &[u8]) {
    if packet.len() < 20 {
        return;
    }
    let place = be16(packet, 6);
    let fields = [
        ("version", number(packet[0] / 16)),
        ("ihl", number(packet[0] % 16)),
        ("tos", number(packet[1])),
        ("dscp", number(packet[1] / 4)),
        ("ecn", number(packet[1] % 4)),
        ("len", number(be16(packet, 2))),
        ("id", number(be16(packet, 4))),
        ("df", number(place / 0x4000 % 2)),
        ("mf", number(place / 0x2000 % 2)),
        ("frag_off", number(place % 0x2000)),
        ("ttl", number(packet[8])),
        ("proto", number(packet[9])),
        ("csum", number(be16(packet, 10))),
        ("saddr", inet4(packet, 12)),
        ("daddr", inet4(packet, 16)),
    ];
    facts.add("ip", fields);
    let length = usize::from(packet[0] % 16) * 4;
    if place.is_multiple_of(0x2000) && length >= 20 && packet.len() >= length {
        transport(facts, &packet[length..], packet[9], 4);
    }
}

fn ip6(facts: &mut Facts, packet: &[u8]) {
    if packet.len() < 40 {
        return;
    }
    let first = be32(packet, 0);
    let fields = [
        ("version", number(packet[0] / 16)),
        ("class", number(first / (1 << 20) % 256)),
        ("flow", number(first % (1 << 20))),
        ("len", number(be16(packet, 4))),
        ("nexthdr", number(packet[6])),
        ("hop_limit", number(packet[7])),
        ("saddr", inet6(packet, 8)),
        ("daddr", inet6(packet, 24)),
    ];
    facts.add("ip6", fields);
    let mut kind = packet[6];
    let mut rest = &packet[40..];
    let mut is_first = true;
    for _ in 0..6 {
        if !matches!(kind, 0 | 43 | 44 | 51 | 60) || rest.len() < 8 {
            break;
        }
        let length = match kind {
            44 => 8,
            51 => (usize::from(rest[1]) + 2) * 4,
            _ => (usize::from(rest[1]) + 1) * 8,
        };
        is_first = kind != 44 || be16(rest, 2) / 8 == 0;
        kind = rest[0];
        rest = rest.get(length..).unwrap_or_default();
        if !is_first {
            break;
        }
    }
    facts.fields.insert("ip6.proto".into(), number(kind));
    if is_first {
        transport(facts, rest, kind, 6);
    }
}

fn transport(facts: &mut Facts, packet: &[u8], kind: u8, version: u8) {
    match (kind, version) {
        (6, _) if packet.len() >= 20 => {
            let flags = packet[13];
            let fields = [
                ("sport", number(be16(packet, 0))),
                ("dport", number(be16(packet, 2))),
                ("seq", number(be32(packet, 4))),
                ("ack_seq", number(be32(packet, 8))),
                ("doff", number(packet[12] / 16)),
                ("flags", number(flags)),
                ("window", number(be16(packet, 14))),
                ("csum", number(be16(packet, 16))),
                ("urg_ptr", number(be16(packet, 18))),
            ];
            facts.add("tcp", fields);
            for (bit, name) in ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"].into_iter().enumerate() {
                facts.fields.insert(format!("tcp.{name}"), number(flags >> bit & 1));
            }
        }
        (17, _) if packet.len() >= 8 => {
            let names = ["sport", "dport", "len", "csum"];
            facts.add("udp", (0..).zip(names).map(|(at, name)| (name, number(be16(packet, at * 2)))));
        }
        (132, _) if packet.len() >= 12 => {
            let [sport, dport] = [0, 2].map(|at| number(be16(packet, at)));
            facts.add("sctp", [("sport", sport), ("dport", dport), ("vtag", number(be32(packet, 4)))]);
        }
        (1, 4) | (58, 6) if packet.len() >= 8 => {
            let fields = [
                ("type", number(packet[0])),
                ("code", number(packet[1])),
                ("csum", number(be16(packet, 2))),
                ("id", number(be16(packet, 4))),
                ("seq", number(be16(packet, 6))),
            ];
            facts.add(if version == 4 { "icmp" } else { "icmp6" }, fields);
        }
        _ => {}
    }
}
