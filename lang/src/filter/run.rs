//! What a filter makes of some bytes, computed here. Tests compare it with libpcap and with what is compiled.

use super::graph::{Graph, Target};
use super::tree::{Question, Read, Test, Value};

/// A packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What there is of it.
    pub bytes: &'a [u8],
    /// How long it is.
    pub length: u32,
    /// The VLAN tag that was taken out of it.
    pub tag: Option<u32>,
}

impl<'a> Packet<'a> {
    /// A packet that is there as a whole.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, length: bytes.len() as u32, tag: None }
    }
}

/// Whether the test accepts the packet.
pub fn accepts(test: &Test, packet: Packet<'_>) -> bool {
    // Nothing stands for a packet that was rejected on the way.
    ask(test, packet, &mut 0).unwrap_or(false)
}

fn ask(test: &Test, packet: Packet<'_>, shift: &mut u32) -> Option<bool> {
    Some(match test {
        Test::Known(known) => *known,
        Test::Ask(question) => answer(question, packet, *shift)?,
        Test::Not(inner) => !ask(inner, packet, shift)?,
        Test::All(tests) => {
            for test in tests {
                if !ask(test, packet, shift)? {
                    return Some(false);
                }
            }
            true
        }
        Test::Any(tests) => {
            for test in tests {
                if ask(test, packet, shift)? {
                    return Some(true);
                }
            }
            false
        }
        Test::Shift(inner) => {
            *shift = 4;
            ask(inner, packet, shift)?
        }
    })
}

/// Whether the graph accepts the packet.
pub fn graph_accepts(graph: &Graph, packet: Packet<'_>) -> bool {
    let mut target = graph.start;
    loop {
        let node = match target {
            Target::Accept => return true,
            Target::Reject => return false,
            Target::Node(number) => &graph.nodes[number as usize],
        };
        if (packet.bytes.len() as u64) < node.need {
            return false;
        }
        target = match answer(&node.question, packet, 0) {
            None => return false,
            Some(true) => node.yes,
            Some(false) => node.no,
        };
    }
}

fn answer(question: &Question, packet: Packet<'_>, shift: u32) -> Option<bool> {
    match question {
        Question::Compare(relation, left, right) => {
            Some(relation.holds(number(left, packet, shift)?, number(right, packet, shift)?))
        }
        Question::Tagged => Some(packet.tag.is_some()),
    }
}

fn number(value: &Value, packet: Packet<'_>, shift: u32) -> Option<u32> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Length => Some(packet.length),
        Value::Tag => Some(packet.tag.unwrap_or(0)),
        Value::Read(read) => bytes(read, packet, shift),
        Value::Negate(inner) => Some(number(inner, packet, shift)?.wrapping_neg()),
        Value::Binary(operation, left, right) => {
            operation.apply(number(left, packet, shift)?, number(right, packet, shift)?)
        }
    }
}

fn bytes(read: &Read, packet: Packet<'_>, shift: u32) -> Option<u32> {
    let own_shift = if read.behind_tag { shift } else { 0 };
    let mut place = 0u32;
    if let Some(header) = read.behind_ip {
        let first = packet.bytes.get(header.wrapping_add(own_shift) as usize)?;
        place = u32::from(first & 0xf) * 4;
    }
    if let Some(index) = &read.index {
        place = place.wrapping_add(number(index, packet, shift)?);
    }
    let start = place as usize + read.offset.wrapping_add(own_shift) as usize;
    let bytes = packet.bytes.get(start..start + read.size as usize)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
