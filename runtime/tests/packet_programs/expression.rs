//! Conditions over fields of packets, made by chance: as text of a script, and what they come to by the rules.

use crate::generate::{Chance, HOSTS, PORTS};
use crate::reference::{Fact, Facts};
use lang::packets::{PROTOCOLS, Place};
use std::fmt;
use std::net::Ipv4Addr;

/// A condition or a number.
pub enum Expression {
    Number(u64),
    Field(String),
    Present(&'static str),
    Arithmetic(&'static str, Box<Expression>, Box<Expression>),
    Comparison(&'static str, Box<Expression>, Box<Expression>),
    /// An address compared with one, or with a range of addresses: so many of its bits count.
    Address(String, bool, Ipv4Addr, u32),
    /// Two addresses of the packet compared.
    Addresses(String, bool, String),
    Logic(&'static str, Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |equal: &bool| if *equal { "==" } else { "!=" };
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Field(name) => write!(f, "{name}"),
            Self::Present(name) => write!(f, "{name}"),
            Self::Arithmetic(op, left, right) | Self::Comparison(op, left, right) | Self::Logic(op, left, right) => {
                write!(f, "({left} {op} {right})")
            }
            Self::Address(name, equal, address, 32) => write!(f, "({name} {} {address})", sign(equal)),
            Self::Address(name, equal, address, bits) => write!(f, "({name} {} {address}/{bits})", sign(equal)),
            Self::Addresses(left, equal, right) => write!(f, "({left} {} {right})", sign(equal)),
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::Choice(cond, yes, no) => write!(f, "({cond} ? {yes} : {no})"),
        }
    }
}

/// The fields for which `fits` holds.
fn fields(fits: impl Fn(Place) -> bool) -> Vec<String> {
    let rows = PROTOCOLS.iter().flat_map(|row| row.fields.iter().map(move |field| (row, field)));
    rows.filter(|(_, field)| fits(field.place)).map(|(row, field)| format!("{}.{}", row.name, field.name)).collect()
}

fn numbers() -> Vec<String> {
    fields(|place| matches!(place, Place::Bits { .. } | Place::Found { .. }))
}

impl Expression {
    pub fn condition(chance: &mut Chance, depth: usize) -> Self {
        let ways = if depth == 0 { 4 } else { 8 };
        match chance.below(ways) {
            0 => Self::Present(PROTOCOLS[1 + chance.below(PROTOCOLS.len() - 1)].name),
            1 => Self::Field(chance.pick(&fields(|place| matches!(place, Place::Flag { .. })))),
            2 => {
                let names = ["ip.saddr", "ip.daddr", "arp.spa", "arp.tpa"];
                if chance.one_in(4) {
                    let more = fields(|place| matches!(place, Place::Inet4 { .. } | Place::Inet6 { .. }));
                    return Self::Addresses(chance.pick(&more), chance.one_in(2), chance.pick(&more));
                }
                let bits = chance.pick(&[32, 32, 32, 0, 8, 13, 24]);
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                let address = u32::from(Ipv4Addr::from(chance.pick(&HOSTS))) & mask;
                Self::Address(chance.pick(&names).into(), chance.one_in(2), address.into(), bits)
            }
            3..=5 => {
                let op = chance.pick(&["==", "!=", "<", "<=", ">", ">="]);
                Self::Comparison(op, Self::number(chance, depth.min(2)).into(), Self::number(chance, 0).into())
            }
            6 => {
                let op = chance.pick(&["&&", "||"]);
                Self::Logic(op, Self::condition(chance, depth - 1).into(), Self::condition(chance, depth - 1).into())
            }
            _ => Self::Not(Self::condition(chance, depth - 1).into()),
        }
    }

    fn number(chance: &mut Chance, depth: usize) -> Self {
        match chance.below(if depth == 0 { 4 } else { 7 }) {
            0 => Self::Number(chance.pick(&[0, 0, 1, 2, 4, 6, 17, 64, 255, 1500, 0x0800, 0x86dd])),
            1 => Self::Number(chance.pick(&PORTS).into()),
            2 | 3 => Self::Field(chance.pick(&numbers())),
            4 | 5 => {
                let op = chance.pick(&["+", "&", "|", "^"]);
                Self::Arithmetic(op, Self::number(chance, depth - 1).into(), Self::number(chance, depth - 1).into())
            }
            _ => {
                let cond = Self::condition(chance, 0);
                Self::Choice(
                    cond.into(),
                    Self::number(chance, depth - 1).into(),
                    Self::number(chance, depth - 1).into(),
                )
            }
        }
    }

    /// What it comes to.
    pub fn value(&self, facts: &Facts) -> u64 {
        let field = |name: &str| match facts.fields.get(name) {
            Some(Fact::Number(number)) => *number,
            _ => 0,
        };
        match self {
            Self::Number(number) => *number,
            Self::Field(name) => field(name),
            Self::Present(name) => facts.has(name).into(),
            Self::Arithmetic(op, left, right) => {
                let (left, right) = (left.value(facts), right.value(facts));
                match *op {
                    "+" => left + right,
                    "&" => left & right,
                    "|" => left | right,
                    _ => left ^ right,
                }
            }
            Self::Comparison(op, left, right) => {
                let is_there = left.is_there(facts) && right.is_there(facts);
                let (left, right) = (left.value(facts), right.value(facts));
                let holds = match *op {
                    "==" => left == right,
                    "!=" => left != right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    _ => left >= right,
                };
                (is_there && holds).into()
            }
            Self::Address(name, equal, address, bits) => match facts.fields.get(name) {
                Some(Fact::Inet4(found)) => {
                    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                    ((u32::from(*found) & mask == u32::from(*address)) == *equal).into()
                }
                _ => 0,
            },
            Self::Addresses(left, equal, right) => match (facts.fields.get(left), facts.fields.get(right)) {
                (Some(left), Some(right)) => ((left == right) == *equal).into(),
                _ => 0,
            },
            Self::Logic("&&", left, right) => (left.value(facts) != 0 && right.value(facts) != 0).into(),
            Self::Logic(_, left, right) => (left.value(facts) != 0 || right.value(facts) != 0).into(),
            Self::Not(inner) => (inner.value(facts) == 0).into(),
            Self::Choice(cond, yes, no) => if cond.value(facts) != 0 { yes } else { no }.value(facts),
        }
    }

    /// Whether all fields that it is computed from are there.
    fn is_there(&self, facts: &Facts) -> bool {
        match self {
            Self::Field(name) => facts.fields.contains_key(name),
            Self::Arithmetic(_, left, right) => left.is_there(facts) && right.is_there(facts),
            _ => true,
        }
    }
}

/// A statement that uses fields in one of the ways that there are.
pub fn statement(chance: &mut Chance, number: usize) -> String {
    let values = fields(|place| place != Place::Bytes);
    let numbers = numbers();
    let mut value = || chance.pick(&values);
    let (a, b, c) = (value(), value(), value());
    let count = chance.pick(&numbers);
    let condition = Expression::condition(chance, 1);
    match chance.below(8) {
        0 => format!("@k{number}[{a}] = count(); "),
        1 => format!("@k{number}[{a}, {b}, {c}] = sum({count}); "),
        2 => format!("@k{number} = hist({count}); "),
        3 => format!("if ({condition}) {{ printf(\"%d\\n\", {count}); print(({a}, {b})); }} "),
        4 => format!("for ($i : 0..4) {{ @k{number}[$i, {a}] = count(); }} "),
        5 => format!("$v{number} = {a}; @k{number} = ({b}, $v{number}); "),
        6 => format!("@k{number}[{a}] = ({b}, {c}); if (@k{number}[{a}].0 == {b}) {{ @l{number}++; }} "),
        _ => format!("@k{number}[pkt.data[{count} % 64], {condition}] = avg({count}); "),
    }
}
