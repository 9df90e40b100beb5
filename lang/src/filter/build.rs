//! Terms of a filter as tests, for the headers that have been passed by then.
//!
//! `vlan`, `mpls` and `pppoes` move what all later terms of the text look at, wherever in the expression those stand:
//! that is the language's rule. The order of questions within a term is libpcap's.

pub mod address;
pub mod load;
pub mod port;
mod protocol;

use super::Link;
use super::names::Protocol;
use super::tree::{Question, Read, Relation, Test, Value};

/// What is wrong with a term, and what would work.
pub type Refusal = (String, Option<String>);

/// Says what is wrong with a term.
pub fn refusal<T>(title: impl Into<String>) -> Result<T, Refusal> {
    Err((title.into(), None))
}

/// Says it with what would work.
pub fn refusal_with_help<T>(title: impl Into<String>, help: impl Into<String>) -> Result<T, Refusal> {
    Err((title.into(), Some(help.into())))
}

/// Which of a packet's two addresses or ports is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are called as they are written")]
pub enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

/// What an address, number or name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are called as they are written")]
pub enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
    ProtoChain,
    Gateway,
}

/// The words before an address, number or name, which the next one inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualifiers {
    /// The protocol, if one was named.
    pub protocol: Option<Protocol>,
    /// The direction; either unless one was named.
    pub direction: Direction,
    /// What is meant; a host unless something was named.
    pub kind: Kind,
}

/// The header that says what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Ethernet,
    RawIp,
    Ppp,
}

/// Where in the packet something is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Behind the beginning of the link's header.
    Link,
    /// Behind the type of what the link carries.
    LinkType,
    /// Behind the link's header.
    Payload,
    /// Behind the beginning of the network's header.
    Network,
    /// Behind the label before that.
    Label,
    /// Behind the beginning of OSI's header.
    Osi,
    /// Behind IPv4's header.
    Transport,
    /// Behind IPv6's header.
    Transport6,
}

/// Makes tests, and knows what has been passed.
pub struct Builder {
    link: Link,
    layer: Layer,
    link_header: u32,
    link_type: u32,
    payload: u32,
    /// How far behind the link's header the network's begins.
    network: u32,
    /// The same of OSI's, behind a header of LLC.
    osi: u32,
    labels: u32,
    tags: u32,
    /// The outermost tag may or may not be in the packet, which shows at run time.
    behind_tag: bool,
}

impl Builder {
    /// At the beginning of a packet.
    pub fn new(link: Link) -> Self {
        let (layer, link_type, payload, osi) = match link.has_ethernet {
            true => (Layer::Ethernet, 12, 14, 3),
            false => (Layer::RawIp, 0, 0, 0),
        };
        Self { link, layer, link_header: 0, link_type, payload, network: 0, osi, labels: 0, tags: 0, behind_tag: false }
    }

    /// Bytes at a place.
    fn read(&self, place: Place, offset: u32, size: u32) -> Value {
        let network = self.payload + self.network;
        let (start, behind_ip, is_shifted) = match place {
            Place::Link => (self.link_header, None, false),
            Place::LinkType => (self.link_type, None, true),
            Place::Payload => (self.payload, None, true),
            Place::Network => (network, None, true),
            Place::Label => (network.wrapping_sub(4), None, true),
            Place::Osi => (self.payload + self.osi, None, true),
            Place::Transport => (network, Some(network), true),
            Place::Transport6 => (network + 40, None, true),
        };
        let behind_tag = self.behind_tag && is_shifted;
        let read = Read { behind_ip, index: None, offset: start.wrapping_add(offset), size, behind_tag };
        Value::Read(Box::new(read))
    }

    fn byte(&self, place: Place, offset: u32) -> Value {
        self.read(place, offset, 1)
    }

    fn half(&self, place: Place, offset: u32) -> Value {
        self.read(place, offset, 2)
    }

    fn word(&self, place: Place, offset: u32) -> Value {
        self.read(place, offset, 4)
    }

    /// Consecutive bytes, compared from the end by the largest parts.
    fn bytes_are(&self, place: Place, offset: u32, bytes: &[u8]) -> Test {
        let mut tests: Vec<Test> = Vec::new();
        let mut left = bytes;
        while !left.is_empty() {
            let size = match left.len() {
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            let (before, part) = left.split_at(left.len() - size);
            let number = part.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            tests.push(equal(self.read(place, offset + before.len() as u32, size as u32), number));
            left = before;
        }
        Test::All(tests)
    }

    /// `vlan`, perhaps with an id: what follows is behind the tag.
    pub fn vlan(&mut self, id: Option<u32>) -> Result<Test, Refusal> {
        if self.labels > 0 {
            return refusal_with_help("`vlan` cannot come after `mpls`", "write it before");
        }
        if self.layer != Layer::Ethernet {
            return refusal_with_help("packets have no VLAN tags here", "only Ethernet's have");
        }
        if let Some(id) = id.filter(|id| *id > 0xfff) {
            return refusal(format!("{id} is no id of a VLAN: the largest is 4095"));
        }
        let in_packet =
            Test::Any(vec![self.link_type_is(0x8100)?, self.link_type_is(0x88a8)?, self.link_type_is(0x9100)?]);
        let in_id = |id: u32| equal(self.half(Place::Payload, self.network).masked(0xfff), id);
        let may_be_apart = self.link.tag_is_apart && self.tags == 0 && self.link_header == 0;
        let test = match (may_be_apart, id) {
            (false, None) => in_packet,
            (false, Some(id)) => in_packet.and(in_id(id)),
            (true, None) => Test::Ask(Question::Tagged).or(Test::Shift(Box::new(in_packet))),
            (true, Some(id)) => {
                let apart = Test::Ask(Question::Tagged).and(equal(Value::Tag.masked(0xfff), id));
                let untagged = Test::Ask(Question::Tagged).negated();
                apart.or(untagged.and(Test::Shift(Box::new(in_packet.and(in_id(id))))))
            }
        };
        if may_be_apart {
            self.behind_tag = true;
        } else {
            self.payload += 4;
            self.link_type += 4;
        }
        self.tags += 1;
        Ok(test)
    }

    /// `mpls`, perhaps with a label: what follows is behind it.
    pub fn mpls(&mut self, label: Option<u32>) -> Result<Test, Refusal> {
        let mut test = match (self.labels, self.layer) {
            // Not the last label of the stack.
            (1.., _) => equal(self.byte(Place::Label, 2).masked(1), 0),
            (0, Layer::Ethernet) => self.link_type_is(0x8847)?,
            (0, Layer::Ppp) => self.link_type_is(0x0281)?,
            (0, Layer::RawIp) => return refusal_with_help("packets have no labels here", "only Ethernet's have"),
        };
        if let Some(label) = label {
            if label > 0xf_ffff {
                return refusal(format!("{label} is no label of MPLS: the largest is 1048575"));
            }
            test = test.and(equal(self.word(Place::Network, 0).masked(0xffff_f000), label << 12));
        }
        self.network += 4;
        self.osi += 4;
        self.labels += 1;
        Ok(test)
    }

    /// `pppoed`
    pub fn pppoe_discovery(&self) -> Result<Test, Refusal> {
        self.link_type_is(0x8863)
    }

    /// `pppoes`, perhaps with a session: what follows is in the session.
    pub fn pppoe_session(&mut self, session: Option<u32>) -> Result<Test, Refusal> {
        let mut test = self.link_type_is(0x8864)?;
        if let Some(session) = session {
            if session > 0xffff {
                return refusal(format!("{session} is no session of PPPoE: the largest is 65535"));
            }
            test = test.and(equal(self.word(Place::Network, 0).masked(0xffff), session));
        }
        self.layer = Layer::Ppp;
        // The protocol of PPP is its whole header; six bytes of PPPoE stand before it.
        self.link_header = self.payload + self.network + 6;
        self.link_type = self.link_header;
        self.payload = self.link_header + 2;
        self.network = 0;
        self.osi = 0;
        Ok(test)
    }

    /// `less N`
    pub fn at_most(&self, length: u32) -> Test {
        compare(Relation::Greater, Value::Length, length).negated()
    }

    /// `greater N`
    pub fn at_least(&self, length: u32) -> Test {
        compare(Relation::GreaterOrEqual, Value::Length, length)
    }

    /// `byte N OPERATOR N`
    pub fn byte_test(&self, offset: u32, operator: u8, number: u32) -> Test {
        use super::tree::Operation;
        let byte = self.byte(Place::Link, offset);
        let combined = |operation| {
            let value = Value::Binary(operation, Box::new(byte.clone()), Box::new(Value::Number(number)));
            equal(value, 0).negated()
        };
        match operator {
            b'&' => combined(Operation::And),
            b'|' => combined(Operation::Or),
            b'<' => compare(Relation::GreaterOrEqual, byte, number).negated(),
            b'>' => compare(Relation::Greater, byte, number),
            _ => equal(byte, number),
        }
    }

    /// `broadcast`
    pub fn broadcast(&self, protocol: Option<Protocol>) -> Result<Test, Refusal> {
        match protocol {
            None | Some(Protocol::Link) if self.layer == Layer::Ethernet => {
                Ok(self.hardware_address([0xff; 6], Direction::Destination))
            }
            None | Some(Protocol::Link) => refusal_with_help("there are no broadcasts here", "only Ethernet has them"),
            Some(Protocol::Ip) => refusal_with_help(
                "`ip broadcast` needs the network's mask, which is not known here",
                "name the address: `dst host 10.0.0.255`, or ask for `ether broadcast`",
            ),
            Some(protocol) => refusal(format!("`{}` has no broadcasts", protocol.name())),
        }
    }

    /// `multicast`
    pub fn multicast(&self, protocol: Option<Protocol>) -> Result<Test, Refusal> {
        match protocol {
            None | Some(Protocol::Link) if self.layer == Layer::Ethernet => {
                Ok(equal(self.byte(Place::Link, 0).masked(1), 0).negated())
            }
            None | Some(Protocol::Link) => refusal_with_help(
                "there are no multicasts of the link here",
                "ask for `ip multicast` or `ip6 multicast`",
            ),
            Some(Protocol::Ip) => {
                let is_multicast = compare(Relation::GreaterOrEqual, self.byte(Place::Network, 16), 224);
                Ok(self.link_type_is(0x0800)?.and(is_multicast))
            }
            Some(Protocol::Ip6) => Ok(self.link_type_is(0x86dd)?.and(equal(self.byte(Place::Network, 24), 255))),
            Some(protocol) => refusal(format!("`{}` has no multicasts", protocol.name())),
        }
    }
}

/// Whether a value is this number.
fn equal(value: Value, number: u32) -> Test {
    compare(Relation::Equal, value, number)
}

fn compare(relation: Relation, value: Value, number: u32) -> Test {
    Test::Ask(Question::Compare(relation, value, Value::Number(number)))
}
