//! Protocols: of the link, of IP, of OSI.

use super::super::names::{ETHER_TYPES, IP_PROTOCOLS, OSI_PROTOCOLS, Protocol, number};
use super::super::tree::{Relation, Test};
use super::{Builder, Layer, Place, Refusal, compare, equal, refusal_with_help};
use crate::nearest::nearest;

pub(super) const IP: u32 = 0x0800;
pub(super) const IP6: u32 = 0x86dd;
pub(super) const ARP: u32 = 0x0806;
pub(super) const RARP: u32 = 0x8035;
/// Service access points of LLC.
const ISO: u32 = 0xfe;
const IPX: u32 = 0xe0;
const LLC_IP: u32 = 0x06;
const NETBEUI: u32 = 0xf0;
/// Ethernet's field is a length up to here, and LLC follows; from 1536 on it is a type.
const LONGEST_FRAME: u32 = 1500;
const ATALK: u32 = 0x809b;
const AARP: u32 = 0x80f3;
const ETHERNET_IPX: u32 = 0x8137;
const FRAGMENT: u32 = 44;
const ISIS: u32 = 0x83;

impl Builder {
    /// Whether the link carries this: a type of Ethernet, or below 1501 an access point of LLC.
    pub(super) fn link_type_is(&self, kind: u32) -> Result<Test, Refusal> {
        if self.labels > 0 {
            let version = match kind {
                IP => 0x40,
                IP6 => 0x60,
                _ => return refusal_with_help("this cannot be told behind `mpls`", "only `ip` and `ip6` can"),
            };
            let is_last = equal(self.byte(Place::Network, 0u32.wrapping_sub(2)).masked(1), 1);
            return Ok(is_last.and(equal(self.byte(Place::Network, 0).masked(0xf0), version)));
        }
        Ok(match (self.layer, kind) {
            (Layer::Ethernet, _) => self.ethernet_type_is(kind),
            (Layer::RawIp, IP) => equal(self.byte(Place::Link, 0).masked(0xf0), 0x40),
            (Layer::RawIp, IP6) => equal(self.byte(Place::Link, 0).masked(0xf0), 0x60),
            (Layer::RawIp, _) => Test::Known(false),
            (Layer::Ppp, _) => equal(self.half(Place::LinkType, 0), ppp_type(kind)),
        })
    }

    fn ethernet_type_is(&self, kind: u32) -> Test {
        let is = |kind| equal(self.half(Place::LinkType, 0), kind);
        let is_llc = compare(Relation::Greater, self.half(Place::LinkType, 0), LONGEST_FRAME).negated();
        match kind {
            ISO | LLC_IP | NETBEUI => is_llc.and(equal(self.half(Place::Payload, 0), kind << 8 | kind)),
            IPX => {
                let point = equal(self.byte(Place::Payload, 0), IPX);
                let raw = equal(self.half(Place::Payload, 0), 0xffff);
                let framed = Test::Any(vec![self.snap(0, ETHERNET_IPX), point, raw]);
                is(ETHERNET_IPX).or(is_llc.and(framed))
            }
            ATALK => is(ATALK).or(is_llc.and(self.snap(0x08_0007, ATALK))),
            AARP => is(AARP).or(is_llc.and(self.snap(0, AARP))),
            0..=LONGEST_FRAME => is_llc.and(equal(self.byte(Place::LinkType, 2), kind)),
            _ => is(kind),
        }
    }

    /// LLC's header with that of SNAP behind it.
    fn snap(&self, organisation: u32, kind: u32) -> Test {
        let [_, high, middle, low] = organisation.to_be_bytes();
        let [.., first, second] = kind.to_be_bytes();
        self.bytes_are(Place::Payload, 0, &[0xaa, 0xaa, 3, high, middle, low, first, second])
    }

    /// `llc`
    pub fn llc(&self) -> Result<Test, Refusal> {
        if self.layer != Layer::Ethernet {
            return refusal_with_help("packets have no header of LLC here", "only Ethernet's may have");
        }
        let is_llc = compare(Relation::Greater, self.half(Place::LinkType, 0), LONGEST_FRAME).negated();
        Ok(is_llc.and(equal(self.half(Place::Payload, 0), 0xffff).negated()))
    }

    /// `llc KIND`
    pub fn llc_kind(&self, kind: &str) -> Result<Test, Refusal> {
        /// The control byte's bits that tell, and what they are.
        const KINDS: &[(&str, u32, u32)] = &[
            ("i", 0x01, 0x00),
            ("s", 0x03, 0x01),
            ("u", 0x03, 0x03),
            ("rr", 0x0f, 0x01),
            ("rnr", 0x0f, 0x05),
            ("rej", 0x0f, 0x09),
            ("ui", 0xef, 0x03),
            ("ua", 0xef, 0x63),
            ("disc", 0xef, 0x43),
            ("dm", 0xef, 0x0f),
            ("sabme", 0xef, 0x6f),
            ("test", 0xef, 0xe3),
            ("xid", 0xef, 0xaf),
            ("frmr", 0xef, 0x87),
        ];
        let Some((_, mask, bits)) = KINDS.iter().find(|row| row.0.eq_ignore_ascii_case(kind)) else {
            let names: Vec<&str> = KINDS.iter().map(|row| row.0).collect();
            return refusal_with_help(format!("LLC has no `{kind}`"), format!("it has {}", names.join(", ")));
        };
        Ok(self.llc()?.and(equal(self.byte(Place::Payload, 2).masked(*mask), *bits)))
    }

    /// A protocol alone.
    pub fn protocol(&self, protocol: Protocol) -> Result<Test, Refusal> {
        use Protocol as P;
        // Kinds of IS-IS: greetings (of the first level, the second, and point to point), routes, and lists of them.
        let isis = |kinds: &[u32]| {
            let tests: Result<Vec<Test>, Refusal> =
                kinds.iter().map(|kind| self.carries(Some(P::Isis), *kind)).collect();
            tests.map(Test::Any)
        };
        let (within, number) = match protocol {
            P::Link => {
                return refusal_with_help("every packet has a link", "say what of it: `ether host`, `ether proto`");
            }
            P::Ip => return self.link_type_is(IP),
            P::Ip6 => return self.link_type_is(IP6),
            P::Arp => return self.link_type_is(ARP),
            P::Rarp => return self.link_type_is(RARP),
            P::Atalk => return self.link_type_is(ATALK),
            P::Aarp => return self.link_type_is(AARP),
            P::Decnet => return self.link_type_is(0x6003),
            P::Sca => return self.link_type_is(0x6007),
            P::Lat => return self.link_type_is(0x6004),
            P::Mopdl => return self.link_type_is(0x6001),
            P::Moprc => return self.link_type_is(0x6002),
            P::Iso => return self.link_type_is(ISO),
            P::Stp => return self.link_type_is(0x42),
            P::Ipx => return self.link_type_is(IPX),
            P::Netbeui => return self.link_type_is(NETBEUI),
            P::Tcp => (None, 6),
            P::Udp => (None, 17),
            P::Sctp => (None, 132),
            P::Pim => (None, 103),
            P::Ah => (None, 51),
            P::Esp => (None, 50),
            P::Icmp => (Some(P::Ip), 1),
            P::Igmp => (Some(P::Ip), 2),
            P::Igrp => (Some(P::Ip), 9),
            P::Vrrp | P::Carp => (Some(P::Ip), 112),
            P::Icmp6 => (Some(P::Ip6), 58),
            P::Esis => (Some(P::Iso), 0x82),
            P::Isis => (Some(P::Iso), ISIS),
            P::Clnp => (Some(P::Iso), 0x81),
            P::IsisL1 => return isis(&[15, 17, 18, 24, 26]),
            P::IsisL2 => return isis(&[16, 17, 20, 25, 27]),
            P::IsisIih => return isis(&[15, 16, 17]),
            P::IsisLsp => return isis(&[18, 20]),
            P::IsisSnp => return isis(&[24, 25, 26, 27]),
            P::IsisCsnp => return isis(&[24, 25]),
            P::IsisPsnp => return isis(&[26, 27]),
        };
        self.carries(within, number)
    }

    /// `proto` with a number, in the protocol that stands before it.
    pub fn carries(&self, within: Option<Protocol>, number: u32) -> Result<Test, Refusal> {
        match within {
            None => Ok(self.carries(Some(Protocol::Ip), number)?.or(self.carries(Some(Protocol::Ip6), number)?)),
            Some(Protocol::Link) => self.link_type_is(number),
            Some(Protocol::Ip) => Ok(self.link_type_is(IP)?.and(equal(self.byte(Place::Network, 9), number))),
            Some(Protocol::Ip6) => {
                let next = |number| equal(self.byte(Place::Network, 6), number);
                let in_fragment = next(FRAGMENT).and(equal(self.byte(Place::Network, 40), number));
                Ok(self.link_type_is(IP6)?.and(next(number).or(in_fragment)))
            }
            Some(Protocol::Iso) => Ok(self.link_type_is(ISO)?.and(equal(self.byte(Place::Osi, 0), number))),
            Some(Protocol::Isis) => {
                let isis = self.carries(Some(Protocol::Iso), ISIS)?;
                Ok(isis.and(equal(self.byte(Place::Osi, 4), number)))
            }
            Some(protocol) => refusal_with_help(
                format!("`{}` does not say which protocol it carries", protocol.name()),
                "`proto` goes with `ether`, `ip`, `ip6`, `iso` and `isis`",
            ),
        }
    }

    /// `proto` with a name.
    pub fn carries_named(&self, within: Option<Protocol>, name: &str) -> Result<Test, Refusal> {
        let (table, what): (&[(&str, u32)], _) = match within {
            None | Some(Protocol::Ip | Protocol::Ip6) => (IP_PROTOCOLS, "IP"),
            Some(Protocol::Link) => (ETHER_TYPES, "Ethernet"),
            Some(Protocol::Iso) => (OSI_PROTOCOLS, "OSI"),
            // That it is none of them is told there.
            Some(_) => return self.carries(within, 0),
        };
        match number(table, name) {
            Some(number) => self.carries(within, number),
            None => {
                let near = nearest(name, table.iter().map(|row| row.0), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                let help = help.unwrap_or_else(|| "write the protocol's number".to_owned());
                refusal_with_help(format!("no protocol of {what} is known by the name `{name}`"), help)
            }
        }
    }

    /// `protochain`
    pub fn chain<T>(&self) -> Result<T, Refusal> {
        refusal_with_help(
            "`protochain` is not supported: it has to look at any number of headers",
            "`ip6 proto N` looks at the first one, also behind a fragment's header",
        )
    }
}

/// What PPP calls a type of Ethernet.
fn ppp_type(kind: u32) -> u32 {
    match kind {
        IP => 0x0021,
        IP6 => 0x0057,
        0x6003 => 0x0027,
        ATALK => 0x0029,
        0x0600 => 0x0025,
        ISO => 0x0023,
        0x42 => 0x0031,
        IPX => 0x002b,
        _ => kind,
    }
}
