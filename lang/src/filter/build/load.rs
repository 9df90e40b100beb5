//! Bytes by a protocol and an offset, as in `tcp[13]`.

use super::super::names::Protocol;
use super::super::tree::{Read, Test, Value};
use super::protocol::{IP, IP6};
use super::{Builder, Place, Refusal, equal, refusal_with_help};

/// A number, and what must hold for it to be looked at.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// The number.
    pub value: Value,
    /// Its condition.
    pub guard: Option<Test>,
}

impl Builder {
    /// `PROTOCOL[INDEX:SIZE]`
    pub fn load(&self, protocol: Protocol, index: Guarded, size: u32) -> Result<Guarded, Refusal> {
        use Protocol as P;
        if !matches!(size, 1 | 2 | 4) {
            return refusal_with_help(format!("{size} bytes cannot be read at once"), "1, 2 and 4 can");
        }
        let before = index.guard;
        let (place, guard) = match protocol {
            P::Link => (Place::Link, before),
            P::Ip | P::Arp | P::Rarp | P::Atalk | P::Decnet | P::Sca | P::Lat | P::Moprc | P::Mopdl | P::Ip6 => {
                (Place::Network, Some(both(before, self.protocol(protocol)?)))
            }
            P::Sctp | P::Tcp | P::Udp | P::Icmp | P::Igmp | P::Igrp | P::Pim | P::Vrrp | P::Carp => {
                let is_first = equal(self.half(Place::Network, 6).masked(0x1fff), 0);
                let here = both(before, self.protocol(protocol)?.and(is_first));
                (Place::Transport, Some(self.link_type_is(IP)?.and(here)))
            }
            P::Icmp6 => {
                let is_six = both(before, self.link_type_is(IP6)?);
                (Place::Transport6, Some(is_six.and(equal(self.byte(Place::Network, 6), 58))))
            }
            protocol => {
                let name = protocol.name();
                return refusal_with_help(
                    format!("`{name}[...]` is not supported"),
                    "`ip[...]` or `ether[...]` reaches it",
                );
            }
        };
        let Value::Read(read) = self.read(place, 0, size) else {
            return Ok(Guarded { value: Value::Number(0), guard });
        };
        let Read { behind_ip, offset, .. } = *read;
        let (index, offset) = match index.value {
            // Known when compiling, so it is part of the place.
            Value::Number(number) if behind_ip.is_none() && number.checked_add(offset).is_some() => {
                (None, offset + number)
            }
            // Within a header it is, too; beyond 2^31 the length of that would wrap.
            Value::Number(number @ 0..=0xffff) if behind_ip.is_some() => (None, offset + number),
            value => (Some(value), offset),
        };
        Ok(Guarded { value: Value::Read(Box::new(Read { index, offset, ..*read })), guard })
    }
}

fn both(first: Option<Test>, second: Test) -> Test {
    match first {
        Some(first) => first.and(second),
        None => second,
    }
}
