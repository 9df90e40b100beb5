//! From words to a test.
//!
//! `and` and `or` bind equally and from the left. Behind them, and in parentheses behind qualifiers, an address, number
//! or name may stand alone: it then has the qualifiers of what came before (`port 80 or 443`).

use super::arithmetic::Arithmetic;
use super::build::address::mask4;
use super::build::port::Ports;
use super::build::{Builder, Direction, Kind, Qualifiers, Refusal};
use super::lex::{Placed, Token, lex};
use super::names::{Protocol, words};
use super::tree::Test;
use super::{Fault, Link};
use crate::nearest::nearest;
use std::ops::Range;

/// Parentheses, negations and alternations may nest so deep.
const MAX_DEPTH: usize = 200;

/// The test that a text stands for.
pub fn parse(text: &str, link: Link) -> Result<Test, Fault> {
    let tokens = lex(text)?;
    let mut parser =
        Parser { tokens: &tokens, at: 0, end: text.len(), builder: Builder::new(link), depth: 0, operators: 0 };
    if tokens.is_empty() {
        return Ok(Test::Known(true));
    }
    let (test, _) = parser.expression(None)?;
    match parser.peek() {
        None => Ok(test),
        Some(Token::Symbol(b')')) => Err(parser.fault("this `)` closes nothing")),
        Some(_) => Err(parser.expected("`and` or `or`")),
    }
}

/// What a term says, and what the next one inherits from it.
type Term = (Test, Option<Qualifiers>);

pub(super) struct Parser<'a> {
    tokens: &'a [Placed],
    at: usize,
    end: usize,
    pub(super) builder: Builder,
    pub(super) depth: usize,
    /// Operators in the comparison that is being parsed.
    pub(super) operators: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|token| &token.0)
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn back_to(&mut self, position: usize) {
        self.at = position;
    }

    /// Where the next word stands.
    fn range(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |token| token.1.clone())
    }

    /// From the word at `position` to the last one taken.
    pub(super) fn since(&self, position: usize) -> Range<usize> {
        let first = self.tokens.get(position).map_or(self.end, |token| token.1.start);
        let last = self.tokens.get(self.at.max(position + 1) - 1).map_or(self.end, |token| token.1.end);
        first..last.max(first)
    }

    pub(super) fn take(&mut self, token: &Token) -> bool {
        let is_there = self.peek() == Some(token);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn symbol(&mut self, symbol: u8) -> bool {
        self.take(&Token::Symbol(symbol))
    }

    pub(super) fn need_symbol(&mut self, symbol: u8) -> Result<(), Fault> {
        match self.symbol(symbol) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{}`", char::from(symbol)))),
        }
    }

    pub(super) fn need_number(&mut self, what: &str) -> Result<u32, Fault> {
        match self.peek() {
            Some(Token::Number(number)) => {
                let number = *number;
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn fault(&self, title: impl Into<String>) -> Fault {
        Fault::new(self.range(), title)
    }

    /// Something else was expected here.
    pub(super) fn expected(&self, what: &str) -> Fault {
        match self.tokens.get(self.at) {
            None => self.fault(format!("the filter ends where {what} should follow")),
            Some((Token::Foreign(link), _)) => {
                self.fault(format!("this word is about {link}")).with_help("no packet here comes from there")
            }
            Some((Token::Name(name), _)) => {
                let near = nearest(name, words(), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                self.fault(format!("expected {what}, not the name `{name}`")).with_maybe_help(help)
            }
            Some(_) => self.fault(format!("expected {what}")),
        }
    }

    /// A refusal of what stands from `position` on.
    fn refuse<T>(&self, position: usize, outcome: Result<T, Refusal>) -> Result<T, Fault> {
        outcome.map_err(|(title, help)| Fault::new(self.since(position), title).with_maybe_help(help))
    }

    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn too_deep(&self) -> Fault {
        self.fault("this is nested too deeply").with_help(format!("parentheses may nest {MAX_DEPTH} deep"))
    }

    /// Terms joined by `and` and `or`, the first of which is complete.
    fn expression(&mut self, inherited: Option<Qualifiers>) -> Result<Term, Fault> {
        let first = self.term(inherited)?;
        self.joined(first, |this, inherited| match this.starts_id() {
            true => this.id(inherited),
            false => this.term(inherited),
        })
    }

    /// What is joined to a first term.
    fn joined(
        &mut self,
        first: Term,
        next: impl Fn(&mut Self, Option<Qualifiers>) -> Result<Term, Fault>,
    ) -> Result<Term, Fault> {
        let (mut test, mut inherited) = first;
        // Each change between `and` and `or` is one level.
        let (mut levels, mut last) = (0, None);
        loop {
            let is_and = match self.peek() {
                Some(Token::And) => true,
                Some(Token::Or) => false,
                _ => return Ok((test, inherited)),
            };
            levels += usize::from(last != Some(is_and));
            last = Some(is_and);
            if levels + self.depth > MAX_DEPTH {
                return Err(self.too_deep());
            }
            self.at += 1;
            let (other, qualifiers) = next(self, inherited)?;
            test = if is_and { test.and(other) } else { test.or(other) };
            inherited = qualifiers;
        }
    }

    /// Whether what follows is an address, number or name that stands alone, perhaps negated or in parentheses.
    fn starts_id(&mut self) -> bool {
        let position = self.at;
        let answer = loop {
            if self.starts_relation() {
                break false;
            }
            match self.peek() {
                Some(Token::Not | Token::Symbol(b'(')) => self.at += 1,
                Some(token) => break is_id(token),
                None => break false,
            }
        };
        self.back_to(position);
        answer
    }

    /// Something that is complete by itself.
    fn term(&mut self, inherited: Option<Qualifiers>) -> Result<Term, Fault> {
        let is_number = match self.peek() {
            Some(Token::Length | Token::Symbol(b'-')) => true,
            Some(Token::Protocol(_)) => self.peek_at(1) == Some(&Token::Symbol(b'[')),
            _ => self.starts_relation(),
        };
        if is_number {
            return Ok((self.relation()?, None));
        }
        let start = self.at;
        match self.peek() {
            Some(Token::Not) => {
                self.at += 1;
                let (test, qualifiers) = self.deeper(|this| this.term(inherited))?;
                Ok((test.negated(), qualifiers))
            }
            Some(Token::Symbol(b'(')) => {
                self.at += 1;
                let (test, _) = self.deeper(|this| this.expression(inherited))?;
                self.need_symbol(b')')?;
                // What comes behind the parentheses inherits from what stands before them.
                Ok((test, inherited))
            }
            Some(Token::Protocol(protocol)) => {
                let protocol = *protocol;
                self.at += 1;
                self.qualified(Some(protocol), start)
            }
            Some(token) if is_id(token) => Err(self.bare()),
            _ => self.qualified(None, start),
        }
    }

    /// An address, number or name without anything before it.
    fn bare(&self) -> Fault {
        let range = self.range();
        let (help, what) = match self.peek() {
            Some(Token::Number(_)) => ("write `port` or `proto` before it", "a number"),
            Some(Token::HardwareAddress(_)) => ("write `ether host` before it", "an Ethernet address"),
            Some(Token::Name(name)) => {
                let near = nearest(name, words(), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                return Fault::new(range, format!("`{name}` is no word of the filter language")).with_maybe_help(help);
            }
            _ => ("write `host` or `net` before it", "an address"),
        };
        Fault::new(range, format!("{what} cannot stand here alone")).with_help(help)
    }

    /// What begins with a protocol, or could.
    fn qualified(&mut self, protocol: Option<Protocol>, start: usize) -> Result<Term, Fault> {
        let direction = self.direction();
        let kind = match self.peek() {
            Some(Token::Host) => Some(Kind::Host),
            Some(Token::Net) => Some(Kind::Net),
            Some(Token::Port) => Some(Kind::Port),
            Some(Token::PortRange) => Some(Kind::PortRange),
            Some(Token::Proto) if direction.is_none() => Some(Kind::Proto),
            Some(Token::ProtoChain) if direction.is_none() => Some(Kind::ProtoChain),
            Some(Token::Gateway) if direction.is_none() => Some(Kind::Gateway),
            _ => None,
        };
        self.at += usize::from(kind.is_some());
        if direction.is_none() && kind.is_none() {
            return Ok((self.other(protocol, start)?, None));
        }
        let qualifiers = Qualifiers {
            protocol,
            direction: direction.unwrap_or(Direction::Either),
            kind: kind.unwrap_or(Kind::Host),
        };
        if kind == Some(Kind::ProtoChain) {
            let outcome = self.builder.chain();
            return self.refuse(start, outcome);
        }
        if kind == Some(Kind::Gateway) {
            let help = "write `ether host` with its Ethernet address and `not host` with its IP address";
            return Err(Fault::new(self.since(start), "`gateway` needs names of hosts, which are not looked up")
                .with_help(help));
        }
        self.id(Some(qualifiers))
    }

    fn direction(&mut self) -> Option<Direction> {
        let (direction, other) = match self.peek() {
            Some(Token::Source) => (Direction::Source, Token::Destination),
            Some(Token::Destination) => (Direction::Destination, Token::Source),
            _ => return None,
        };
        self.at += 1;
        let joined = match self.peek() {
            Some(Token::Or) => Direction::Either,
            Some(Token::And) => Direction::Both,
            _ => return Some(direction),
        };
        self.at += 1;
        match self.take(&other) {
            true => Some(joined),
            false => {
                // Nothing can follow `src or` but `dst`; it is told there.
                self.at -= 1;
                Some(direction)
            }
        }
    }

    /// What is neither an address, number or name nor arithmetic.
    fn other(&mut self, protocol: Option<Protocol>, start: usize) -> Result<Test, Fault> {
        let token = self.peek().cloned();
        let takes_protocol = matches!(token, Some(Token::Broadcast | Token::Multicast));
        if let Some(protocol) = protocol
            && !takes_protocol
        {
            return match token {
                Some(Token::Foreign(_)) => Err(self.expected("an address")),
                Some(Token::Name(_)) => Err(self.bare()),
                Some(ref token) if is_id(token) => {
                    let help = "write `host`, `net`, `port` or `proto` before it";
                    Err(self.fault("what this is must be said").with_help(help))
                }
                _ => {
                    let outcome = self.builder.protocol(protocol);
                    self.refuse(start, outcome)
                }
            };
        }
        self.at += 1;
        let outcome = match token {
            Some(Token::Broadcast) => self.builder.broadcast(protocol),
            Some(Token::Multicast) => self.builder.multicast(protocol),
            Some(Token::Less) => {
                let length = self.need_number("a length")?;
                Ok(self.builder.at_most(length))
            }
            Some(Token::Greater) => {
                let length = self.need_number("a length")?;
                Ok(self.builder.at_least(length))
            }
            Some(Token::Byte) => return self.byte_test(),
            Some(Token::Vlan) => {
                let id = self.parenthesised_number();
                self.builder.vlan(id)
            }
            Some(Token::Mpls) => {
                let label = self.parenthesised_number();
                self.builder.mpls(label)
            }
            Some(Token::PppoeDiscovery) => self.builder.pppoe_discovery(),
            Some(Token::PppoeSession) => {
                let session = self.parenthesised_number();
                self.builder.pppoe_session(session)
            }
            Some(Token::Llc) => match self.llc_kind() {
                Some(kind) => self.builder.llc_kind(&kind),
                None => self.builder.llc(),
            },
            Some(Token::Geneve) => {
                let title = "`geneve` is not supported";
                return Err(Fault::new(self.since(start), title).with_help("`udp dst port 6081` finds its packets"));
            }
            Some(Token::Inbound | Token::Outbound) => {
                let help = "the attach point says it, as in `tc:eth0:ingress`";
                let title = "a filter cannot ask for the direction of a packet";
                return Err(Fault::new(self.since(start), title).with_help(help));
            }
            Some(Token::IfIndex) => {
                let help = "the attach point says it, as in `xdp:eth0`";
                let title = "a filter cannot ask for the interface of a packet";
                return Err(Fault::new(self.since(start), title).with_help(help));
            }
            _ => {
                self.at -= 1;
                return Err(self.expected("a term, such as `tcp`, `host 10.0.0.1` or `port 80`"));
            }
        };
        self.refuse(start, outcome)
    }

    fn byte_test(&mut self) -> Result<Test, Fault> {
        let offset = self.need_number("an offset")?;
        let operator = match self.peek() {
            Some(Token::Symbol(operator @ (b'&' | b'|' | b'<' | b'>' | b'='))) => *operator,
            _ => return Err(self.expected("`=`, `<`, `>`, `&` or `|`")),
        };
        self.at += 1;
        let number = self.need_number("a number")?;
        Ok(self.builder.byte_test(offset, operator, number))
    }

    fn llc_kind(&mut self) -> Option<String> {
        let kind = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            // A word elsewhere.
            Some(Token::Foreign(_)) if self.range().len() == 3 => "rnr".to_owned(),
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    /// A number, perhaps in parentheses, if there is one.
    fn parenthesised_number(&mut self) -> Option<u32> {
        let position = self.at;
        let mut open = 0;
        while self.symbol(b'(') {
            open += 1;
        }
        let number = match self.peek() {
            Some(Token::Number(number)) => Some(*number),
            _ => None,
        };
        self.at += usize::from(number.is_some());
        let is_closed = number.is_some() && (0..open).all(|_| self.symbol(b')'));
        if !is_closed {
            self.back_to(position);
        }
        number.filter(|_| is_closed)
    }

    /// An address, number or name, perhaps negated, or several in parentheses.
    fn id(&mut self, qualifiers: Option<Qualifiers>) -> Result<Term, Fault> {
        let start = self.at;
        if self.take(&Token::Not) {
            let (test, qualifiers) = self.deeper(|this| this.id(qualifiers))?;
            return Ok((test.negated(), qualifiers));
        }
        if self.symbol(b'(') {
            let term = self.deeper(|this| {
                let first = this.id(qualifiers)?;
                this.joined(first, Self::id)
            })?;
            self.need_symbol(b')')?;
            return Ok(term);
        }
        let token = self.peek().cloned();
        let Some(qualifiers) = qualifiers else { return Err(self.bare()) };
        let Some(token) = token.filter(is_id) else { return Err(self.missing_id(qualifiers)) };
        self.at += 1;
        let test = match token {
            Token::Address(address, bits) if self.symbol(b'/') => {
                let length = self.need_number("the length of the network's prefix")?;
                self.net(start, address << (32 - bits), length, qualifiers)?
            }
            Token::Address(address, bits) if self.take(&Token::Mask) => {
                let Some(Token::Address(mask, mask_bits)) = self.peek().cloned() else {
                    return Err(self.expected("a mask, such as 255.255.0.0"));
                };
                self.at += 1;
                self.masked_net(start, address << (32 - bits), mask << (32 - mask_bits), qualifiers)?
            }
            Token::Address(address, bits) => self.address(start, address, bits, qualifiers)?,
            Token::Address6(address) => {
                let length = match self.symbol(b'/') {
                    true => self.need_number("the length of the network's prefix")?,
                    false => 128,
                };
                self.net6(start, address, length, qualifiers)?
            }
            Token::HardwareAddress(address) => {
                let outcome = self.builder.ethernet(address, qualifiers);
                self.refuse(start, outcome)?
            }
            Token::Number(number) => self.number(start, number, qualifiers)?,
            Token::Name(name) => self.name(start, &name, qualifiers)?,
            _ => return Err(Fault::new(self.since(start), "addresses of ARCnet do not occur here")),
        };
        Ok((test, Some(qualifiers)))
    }

    /// There is nothing behind qualifiers that they could go with.
    fn missing_id(&self, qualifiers: Qualifiers) -> Fault {
        let what = match qualifiers.kind {
            Kind::Host => "an address",
            Kind::Net => "a network, such as 10.0.0.0/8",
            Kind::Port => "a port",
            Kind::PortRange => "a range of ports, such as 8000-8080",
            Kind::Proto | Kind::ProtoChain | Kind::Gateway => "a protocol",
        };
        match (qualifiers.kind, self.peek()) {
            (Kind::Proto, Some(Token::Protocol(protocol))) => {
                let name = protocol.name();
                let help = format!("write `{name}` alone, or `proto` with its number");
                self.fault(format!("`{name}` is a word of its own")).with_help(help)
            }
            _ => self.expected(what),
        }
    }

    fn net(&self, start: usize, address: u32, length: u32, qualifiers: Qualifiers) -> Result<Test, Fault> {
        if length > 32 {
            return Err(Fault::new(self.since(start), format!("a prefix of IPv4 cannot have {length} bits"))
                .with_help("it has 32 at most"));
        }
        self.masked_net(start, address, mask4(length), qualifiers)
    }

    fn masked_net(&self, start: usize, address: u32, mask: u32, qualifiers: Qualifiers) -> Result<Test, Fault> {
        if address & !mask != 0 {
            let network = std::net::Ipv4Addr::from_bits(address & mask);
            let title = "the address has bits that are not the network's";
            return Err(Fault::new(self.since(start), title).with_help(format!("the network is {network}")));
        }
        if qualifiers.kind != Kind::Net {
            return Err(Fault::new(self.since(start), "only a network has a mask").with_help("write `net` before it"));
        }
        self.refuse(start, self.builder.address(address, mask, qualifiers))
    }

    fn net6(&self, start: usize, address: u128, length: u32, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let range = self.since(start);
        if length > 128 {
            let title = format!("a prefix of IPv6 cannot have {length} bits");
            return Err(Fault::new(range, title).with_help("it has 128 at most"));
        }
        let mask = super::build::address::mask6(length);
        if address & !mask != 0 {
            let network = std::net::Ipv6Addr::from_bits(address & mask);
            let title = "the address has bits that are not the network's";
            return Err(Fault::new(range, title).with_help(format!("the network is {network}/{length}")));
        }
        match qualifiers.kind {
            Kind::Net => {}
            Kind::Host if length == 128 => {}
            Kind::Host => return Err(Fault::new(range, "only a network has a mask").with_help("write `net` before it")),
            _ => return Err(Fault::new(range, "an IPv6 address cannot stand here")),
        }
        self.refuse(start, self.builder.address6(address, length, qualifiers))
    }

    fn address(&self, start: usize, address: u32, bits: u32, qualifiers: Qualifiers) -> Result<Test, Fault> {
        match qualifiers.kind {
            Kind::Host | Kind::Net => {
                self.refuse(start, self.builder.address(address << (32 - bits), mask4(bits), qualifiers))
            }
            _ => Err(Fault::new(self.since(start), "an IPv4 address cannot stand here")),
        }
    }

    fn number(&self, start: usize, number: u32, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let outcome = match qualifiers.kind {
            Kind::Host | Kind::Net => {
                // A network's number is written without the zeros behind it.
                let (mut address, mut mask) = (number, u32::MAX);
                while qualifiers.kind == Kind::Net && address != 0 && address & 0xff00_0000 == 0 {
                    (address, mask) = (address << 8, mask << 8);
                }
                self.builder.address(address, mask, qualifiers)
            }
            Kind::Port | Kind::PortRange => Ports::number(number)
                .and_then(|ports| self.builder.ports(ports, qualifiers.protocol, qualifiers.direction)),
            _ => self.builder.carries(qualifiers.protocol, number),
        };
        self.refuse(start, outcome)
    }

    fn name(&self, start: usize, name: &str, qualifiers: Qualifiers) -> Result<Test, Fault> {
        let ports = |ports: Result<Ports, Refusal>| {
            ports.and_then(|ports| self.builder.ports(ports, qualifiers.protocol, qualifiers.direction))
        };
        let outcome = match qualifiers.kind {
            Kind::Port => ports(Ports::named(name)),
            Kind::PortRange => ports(Ports::range(name)),
            Kind::Host | Kind::Net => {
                let title = format!("names are not looked up, and `{name}` is no address");
                let help = "the answer could be another when a packet comes: write the address";
                return Err(Fault::new(self.since(start), title).with_help(help));
            }
            _ => self.builder.carries_named(qualifiers.protocol, name),
        };
        self.refuse(start, outcome)
    }
}

/// Whether it is an address, number or name.
fn is_id(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(_)
            | Token::Name(_)
            | Token::HardwareAddress(_)
            | Token::ArcnetAddress
            | Token::Address(..)
            | Token::Address6(_)
    )
}
