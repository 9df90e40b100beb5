//! Ports: those of TCP, UDP and SCTP, behind IPv4's header in the first fragment only, or right behind IPv6's.

use super::super::names::{PORTS, Protocol};
use super::super::tree::{Question, Relation, Test, Transport, Value};
use super::protocol::{IP, IP6};
use super::{Builder, Direction, Place, Refusal, compare, equal, refusal, refusal_with_help};
use crate::nearest::nearest;

/// The ports that are meant: from the first to the last.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    first: u32,
    last: u32,
    /// The only transport that they can be of.
    transport: Option<Transport>,
}

impl Ports {
    /// One port by its number.
    pub fn number(port: u32) -> Result<Self, Refusal> {
        match port {
            0..=0xffff => Ok(Self { first: port, last: port, transport: None }),
            _ => refusal(format!("{port} is no port: the largest is 65535")),
        }
    }

    /// One port by its name.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        match PORTS.iter().find(|row| row.0 == name) {
            Some((_, port, transport)) => Ok(Self { first: *port, last: *port, transport: *transport }),
            None => {
                let near = nearest(name, PORTS.iter().map(|row| row.0), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                let help = help.unwrap_or_else(|| "write the port's number".to_owned());
                refusal_with_help(format!("no port is known by the name `{name}`"), help)
            }
        }
    }

    /// `80-90`, in numbers or names.
    pub fn range(text: &str) -> Result<Self, Refusal> {
        let one = |text: &str| match text.parse::<u32>() {
            Ok(port) => Self::number(port),
            Err(_) => Self::named(text),
        };
        match text.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (one(first)?, one(last)?);
                let transport = if first.transport == last.transport { first.transport } else { None };
                let (low, high) = (first.first.min(last.first), first.first.max(last.first));
                Ok(Self { first: low, last: high, transport })
            }
            None => refusal_with_help(format!("`{text}` is no range of ports"), "write it as 8000-8080"),
        }
    }
}

impl Builder {
    /// `port` and `portrange`
    pub fn ports(&self, ports: Ports, protocol: Option<Protocol>, direction: Direction) -> Result<Test, Refusal> {
        let wanted = match protocol {
            None => None,
            Some(Protocol::Tcp) => Some(Transport::Tcp),
            Some(Protocol::Udp) => Some(Transport::Udp),
            Some(Protocol::Sctp) => Some(Transport::Sctp),
            Some(protocol) => {
                let name = protocol.name();
                let help = format!("join two tests: `{name} and port ...`");
                return refusal_with_help(format!("`{name}` has no ports"), help);
            }
        };
        let transport = match (wanted, ports.transport) {
            (Some(wanted), Some(only)) if wanted != only => {
                let only = if only == Transport::Tcp { "TCP" } else { "UDP" };
                return refusal_with_help(format!("this name is known for {only} only"), "write the port's number");
            }
            (wanted, only) => wanted.or(only),
        };
        let behind4 = self.link_type_is(IP)?.and(self.transports(transport, |transport| {
            let is_first = equal(self.half(Place::Network, 6).masked(0x1fff), 0);
            let head = Test::All(vec![equal(self.byte(Place::Network, 9), transport.number()), is_first]);
            head.and(self.port_is(Place::Transport, ports, direction))
        }));
        let behind6 = self.link_type_is(IP6)?.and(self.transports(transport, |transport| {
            let head = equal(self.byte(Place::Network, 6), transport.number());
            head.and(self.port_is(Place::Transport6, ports, direction))
        }));
        Ok(behind6.or(behind4))
    }

    fn transports(&self, only: Option<Transport>, test: impl Fn(Transport) -> Test) -> Test {
        match only {
            Some(transport) => test(transport),
            None => Test::Any([Transport::Sctp, Transport::Tcp, Transport::Udp].map(test).into()),
        }
    }

    fn port_is(&self, place: Place, ports: Ports, direction: Direction) -> Test {
        let test = self.by_direction(direction, |is_source| {
            let port = || self.half(place, if is_source { 0 } else { 2 });
            Ok(match ports.first == ports.last {
                true => equal(port(), ports.first),
                false => {
                    let too_large = Question::Compare(Relation::Greater, port(), Value::Number(ports.last));
                    compare(Relation::GreaterOrEqual, port(), ports.first).and(Test::Ask(too_large).negated())
                }
            })
        });
        test.unwrap_or(Test::Known(false))
    }
}
