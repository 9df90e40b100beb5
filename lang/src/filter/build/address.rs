//! Hosts and networks.

use super::super::names::Protocol;
use super::super::tree::Test;
use super::protocol::{ARP, IP, IP6, RARP};
use super::{Builder, Direction, Kind, Layer, Place, Qualifiers, Refusal, equal, refusal, refusal_with_help};

impl Builder {
    /// An IPv4 address, or a network of them.
    pub fn address(&self, address: u32, mask: u32, qualifiers: Qualifiers) -> Result<Test, Refusal> {
        let (protocol, what) = (qualifiers.protocol, what(qualifiers));
        let host = |kind, source, destination| {
            self.by_direction(qualifiers.direction, |is_source| {
                let offset = if is_source { source } else { destination };
                let same = equal(self.word(Place::Network, offset).masked(mask), address);
                Ok(self.link_type_is(kind)?.and(same))
            })
        };
        match protocol {
            None if self.labels > 0 => host(IP, 12, 16),
            None => Ok(host(IP, 12, 16)?.or(host(ARP, 14, 24)?).or(host(RARP, 14, 24)?)),
            Some(Protocol::Ip) => host(IP, 12, 16),
            Some(Protocol::Arp) => host(ARP, 14, 24),
            Some(Protocol::Rarp) => host(RARP, 14, 24),
            Some(Protocol::Decnet) => refusal("addresses of DECnet are not supported"),
            Some(Protocol::Link) => refusal_with_help(
                format!("`ether` does not go with an IPv4 {what}"),
                "write an Ethernet address, or leave out `ether`",
            ),
            Some(Protocol::Ip6) => {
                refusal_with_help(format!("`ip6` does not go with an IPv4 {what}"), "write an IPv6 address")
            }
            Some(protocol) => no_addresses(protocol, what),
        }
    }

    /// An IPv6 address, or a network of them.
    pub fn address6(&self, address: u128, bits: u32, qualifiers: Qualifiers) -> Result<Test, Refusal> {
        let what = what(qualifiers);
        match qualifiers.protocol {
            None | Some(Protocol::Ip6) => {}
            Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp | Protocol::Link) => {
                let name = qualifiers.protocol.map_or("", Protocol::name);
                return refusal(format!("`{name}` does not go with an IPv6 {what}"));
            }
            Some(protocol) => return no_addresses(protocol, what),
        }
        let mask = mask6(bits);
        self.by_direction(qualifiers.direction, |is_source| {
            let mut tests = vec![self.link_type_is(IP6)?];
            for part in 0..4 {
                let offset = if is_source { 8 } else { 24 } + part * 4;
                let word = |number: u128| (number >> (96 - part * 32)) as u32;
                tests.push(equal(self.word(Place::Network, offset).masked(word(mask)), word(address)));
            }
            Ok(Test::All(tests))
        })
    }

    /// An Ethernet address.
    pub fn ethernet(&self, address: [u8; 6], qualifiers: Qualifiers) -> Result<Test, Refusal> {
        match (qualifiers.kind, qualifiers.protocol) {
            (Kind::Host, Some(Protocol::Link)) if self.layer == Layer::Ethernet => {
                Ok(self.hardware_address(address, qualifiers.direction))
            }
            (Kind::Host, Some(Protocol::Link)) => refusal("packets have no Ethernet addresses here"),
            _ => refusal_with_help(
                "an Ethernet address goes only with `ether`",
                "write `ether host`, `ether src` or `ether dst`",
            ),
        }
    }

    pub(super) fn hardware_address(&self, address: [u8; 6], direction: Direction) -> Test {
        let test = self.by_direction(direction, |is_source| {
            Ok(self.bytes_are(Place::Link, if is_source { 6 } else { 0 }, &address))
        });
        test.unwrap_or(Test::Known(false))
    }

    /// The test of the source, of the destination, or of the one and then the other.
    pub(super) fn by_direction(
        &self,
        direction: Direction,
        test: impl Fn(bool) -> Result<Test, Refusal>,
    ) -> Result<Test, Refusal> {
        match direction {
            Direction::Source => test(true),
            Direction::Destination => test(false),
            Direction::Either => Ok(test(true)?.or(test(false)?)),
            Direction::Both => Ok(test(true)?.and(test(false)?)),
        }
    }
}

/// The first so many bits.
pub fn mask6(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0)
}

/// The first so many bits.
pub fn mask4(bits: u32) -> u32 {
    u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0)
}

fn what(qualifiers: Qualifiers) -> &'static str {
    if qualifiers.kind == Kind::Net { "net" } else { "host" }
}

fn no_addresses(protocol: Protocol, what: &str) -> Result<Test, Refusal> {
    let name = protocol.name();
    let help = format!("join two tests: `{name} and {what} ...`");
    refusal_with_help(format!("`{name}` does not go with `{what}`"), help)
}
