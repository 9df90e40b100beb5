//! `filter()`: a graph of questions about the packet, node by node.
//!
//! Bytes at known places need one comparison with the packet's end for all that a way needs: each node says how long a
//! packet must be to be accepted from there on (`lang::filter::graph`). Behind IPv4's header of variable length, and at
//! places that the filter computes, each pointer is compared by itself.
//!
//! Of an skb only the beginning can be loaded. So each node exists twice: where the comparison fails, the way goes on
//! with nodes that have a helper copy their bytes, and those reject a packet that does not have them.

use super::view::View;
use crate::helpers::Helper;
use crate::lower::{Lowering, flags};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use cranelift_frontend::Variable;
use hashbrown::HashMap;
use lang::filter::Link;
use lang::filter::graph::{Node, Target};
use lang::filter::tree::{self, Operation, Question, Read, Relation};
use lang::target::PacketContext;
use std::collections::{BTreeMap, BTreeSet};

/// The verifier lets no bytes be further away from a pointer.
const FAR: u64 = 0xffff;

/// `struct __sk_buff`: the VLAN tag that the kernel has taken out of the packet.
const SKB_VLAN_PRESENT: i32 = 20;
const SKB_VLAN_TCI: i32 = 24;

/// How far the packet is known to reach where a node begins.
#[derive(Clone, Default)]
struct Reach {
    /// From its beginning.
    fixed: u64,
    /// From where IPv4's header ends if it begins at this place, less that place.
    behind_ip: BTreeMap<u32, u64>,
    /// What has been read on the way.
    bytes: BTreeSet<Spot>,
}

/// Bytes of the packet: where IPv4's header begins if they are behind it, where they are, and how many.
type Spot = (Option<u32>, u32, u32);

impl Reach {
    /// What is known on both ways.
    fn meet(&mut self, other: &Self) {
        self.fixed = self.fixed.min(other.fixed);
        self.behind_ip.retain(|header, bytes| match other.behind_ip.get(header) {
            Some(other) => {
                *bytes = (*bytes).min(*other);
                true
            }
            None => false,
        });
        self.bytes.retain(|spot| other.bytes.contains(spot));
    }
}

/// How the bytes of a node are come by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Loads,
    Helper,
}

/// A filter that is being lowered.
struct Code {
    packet: &'static PacketContext,
    view: View,
    yes: Block,
    no: Block,
    /// The blocks of its nodes, by loads and by the helper, as far as somebody goes there.
    blocks: [Vec<Option<Block>>; 2],
    reach: Vec<Option<Reach>>,
    /// Where IPv4's header ends, less the place where it begins.
    behind_ip: HashMap<u32, Variable>,
    /// Bytes that have been read.
    bytes: HashMap<Spot, Variable>,
}

/// What is needed to compute the numbers of a node.
struct At {
    way: Way,
    /// Where to go if bytes are not there.
    absent: Block,
    reach: Reach,
}

impl Lowering<'_, '_> {
    /// `filter()` as a value.
    pub fn filter(&mut self, number: i64) -> Value {
        let [yes, no, done] = [(); 3].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        self.filter_branch(number, yes, no);
        for (block, value) in [(yes, 1), (no, 0)] {
            self.builder.switch_to_block(block);
            let value = self.int(value);
            self.builder.ins().jump(done, &[value.into()]);
        }
        self.builder.switch_to_block(done);
        result
    }

    /// Goes on at `yes` if the filter of this number accepts the packet, and at `no` if not.
    pub fn filter_branch(&mut self, number: i64, yes: Block, no: Block) {
        let packet = self.unit.context.packet().expect("checked: the event is a packet");
        let program = self.program;
        let mut filters = program.filters[number as usize].iter();
        let (_, filter) = filters.find(|known| known.0 == Link::of(packet)).expect("checked: for this link, too");
        let graph = &filter.graph;
        let view = self.view(packet);
        let nodes = graph.nodes.len();
        let blocks = [vec![None; nodes], vec![None; nodes]];
        let reach = vec![None; nodes];
        let mut code = Code { packet, view, yes, no, blocks, reach, behind_ip: HashMap::new(), bytes: HashMap::new() };
        let way = if view.ends.is_some() { Way::Loads } else { Way::Helper };
        let start = self.filter_target(&mut code, way, graph.start, &Reach::default());
        self.jump(start);
        for way in [Way::Loads, Way::Helper] {
            // Nodes lead to those before them.
            for (number, node) in graph.nodes.iter().enumerate().rev() {
                if let Some(block) = code.blocks[way as usize][number] {
                    self.builder.switch_to_block(block);
                    self.filter_node(&mut code, way, number, node);
                }
            }
        }
    }

    /// The block where a way goes on.
    fn filter_target(&mut self, code: &mut Code, way: Way, target: Target, reach: &Reach) -> Block {
        let number = match target {
            Target::Accept => return code.yes,
            Target::Reject => return code.no,
            Target::Node(number) => number as usize,
        };
        if way == Way::Loads {
            match &mut code.reach[number] {
                Some(known) => known.meet(reach),
                unknown => *unknown = Some(reach.clone()),
            }
        }
        *code.blocks[way as usize][number].get_or_insert_with(|| self.builder.create_block())
    }

    fn filter_node(&mut self, code: &mut Code, way: Way, number: usize, node: &Node) {
        let absent = match way {
            Way::Loads if code.view.is_skb => {
                let again = &mut code.blocks[Way::Helper as usize][number];
                *again.get_or_insert_with(|| self.builder.create_block())
            }
            _ => code.no,
        };
        let reach = code.reach[number].clone().unwrap_or_default();
        let mut at = At { way, absent, reach };
        if way == Way::Loads && node.need > at.reach.fixed {
            if node.need > FAR {
                return self.jump(absent);
            }
            let (data, end) = code.view.ends.expect("there are loads");
            self.filter_check(data, node.need, end, absent);
            at.reach.fixed = node.need;
        }
        let flag = match &node.question {
            Question::Tagged => {
                let present = self.builder.ins().uload32(flags(), self.event, SKB_VLAN_PRESENT);
                self.compare(IntCC::NotEqual, present, 0)
            }
            Question::Compare(Relation::Equal, value, tree::Value::Number(number)) => {
                self.filter_equals(code, &mut at, value, *number)
            }
            Question::Compare(relation, left, right) => {
                let left = self.filter_number(code, &mut at, left);
                let right = self.filter_number(code, &mut at, right);
                let condition = match relation {
                    Relation::Equal => IntCC::Equal,
                    Relation::Greater => IntCC::UnsignedGreaterThan,
                    Relation::GreaterOrEqual => IntCC::UnsignedGreaterThanOrEqual,
                };
                self.builder.ins().icmp(condition, left, right)
            }
        };
        let yes = self.filter_target(code, way, node.yes, &at.reach);
        let no = self.filter_target(code, way, node.no, &at.reach);
        self.builder.ins().brif(flag, yes, &[], no, &[]);
    }

    /// Goes on where so many bytes are there from a pointer on.
    fn filter_check(&mut self, from: Value, bytes: u64, end: Value, absent: Block) {
        let there = self.builder.create_block();
        let bytes = self.int(bytes as i64);
        let behind = self.builder.ins().iadd(from, bytes);
        let fits = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, behind, end);
        self.builder.ins().brif(fits, there, &[], absent, &[]);
        self.builder.switch_to_block(there);
    }

    /// Whether a value is a number. The number is brought into the packet's order of bytes, rather than the bytes into
    /// the processor's.
    fn filter_equals(&mut self, code: &mut Code, at: &mut At, value: &tree::Value, number: u32) -> Value {
        let (read, mask) = match value {
            tree::Value::Read(read) => (Some(read), u32::MAX),
            tree::Value::Binary(Operation::And, left, right) => match (&**left, &**right) {
                (tree::Value::Read(read), tree::Value::Number(mask)) => (Some(read), *mask),
                _ => (None, 0),
            },
            _ => (None, 0),
        };
        let as_there = |number: u32, size: u32| match size {
            4 => Some(number.swap_bytes()),
            2 => u16::try_from(number).ok().map(|number| u32::from(number.swap_bytes())),
            _ => u8::try_from(number).ok().map(u32::from),
        };
        if let Some(read) = read
            && let Some(number) = as_there(number, read.size)
        {
            let all = u32::MAX >> (32 - read.size * 8);
            let mut bytes = self.filter_bytes(code, at, read);
            if let Some(mask) = as_there(mask & all, read.size)
                && mask != all
            {
                let mask = self.builder.ins().iconst(types::I32, i64::from(mask));
                bytes = self.builder.ins().band(bytes, mask);
            }
            let number = self.builder.ins().iconst(types::I32, i64::from(number));
            return self.builder.ins().icmp(IntCC::Equal, bytes, number);
        }
        let value = self.filter_number(code, at, value);
        let number = self.builder.ins().iconst(types::I32, i64::from(number));
        self.builder.ins().icmp(IntCC::Equal, value, number)
    }

    /// A number, in 32 bits.
    fn filter_number(&mut self, code: &mut Code, at: &mut At, value: &tree::Value) -> Value {
        match value {
            tree::Value::Number(number) => self.builder.ins().iconst(types::I32, i64::from(*number)),
            tree::Value::Length => {
                let length = self.packet_length(code.packet, code.view);
                self.builder.ins().ireduce(types::I32, length)
            }
            tree::Value::Tag => self.builder.ins().load(types::I32, flags(), self.event, SKB_VLAN_TCI),
            tree::Value::Read(read) => {
                let bytes = self.filter_bytes(code, at, read);
                match read.size {
                    1 => bytes,
                    2 => {
                        let half = self.builder.ins().ireduce(types::I16, bytes);
                        let half = self.builder.ins().bswap(half);
                        self.builder.ins().uextend(types::I32, half)
                    }
                    _ => self.builder.ins().bswap(bytes),
                }
            }
            tree::Value::Negate(inner) => {
                let inner = self.filter_number(code, at, inner);
                self.builder.ins().ineg(inner)
            }
            tree::Value::Binary(operation, left, right) => {
                let left_value = self.filter_number(code, at, left);
                let right_value = self.filter_number(code, at, right);
                let known = match **right {
                    tree::Value::Number(number) => Some(number),
                    _ => None,
                };
                self.filter_operation(code, *operation, left_value, right_value, known)
            }
        }
    }

    fn filter_operation(
        &mut self,
        code: &Code,
        operation: Operation,
        left: Value,
        right: Value,
        known: Option<u32>,
    ) -> Value {
        let zero = |this: &mut Self| this.builder.ins().iconst(types::I32, 0);
        match operation {
            Operation::Add => self.builder.ins().iadd(left, right),
            Operation::Subtract => self.builder.ins().isub(left, right),
            Operation::Multiply => self.builder.ins().imul(left, right),
            Operation::And => self.builder.ins().band(left, right),
            Operation::Or => self.builder.ins().bor(left, right),
            Operation::Xor => self.builder.ins().bxor(left, right),
            Operation::Divide | Operation::Modulo => {
                if known.is_none() {
                    let zero = zero(self);
                    let can_divide = self.builder.ins().icmp(IntCC::NotEqual, right, zero);
                    let go_on = self.builder.create_block();
                    self.builder.ins().brif(can_divide, go_on, &[], code.no, &[]);
                    self.builder.switch_to_block(go_on);
                }
                match operation {
                    Operation::Divide => self.builder.ins().udiv(left, right),
                    _ => self.builder.ins().urem(left, right),
                }
            }
            Operation::ShiftLeft | Operation::ShiftRight => {
                let shifted = match operation {
                    Operation::ShiftLeft => self.builder.ins().ishl(left, right),
                    _ => self.builder.ins().ushr(left, right),
                };
                if known.is_some() {
                    return shifted;
                }
                let zero = zero(self);
                let most = self.builder.ins().iconst(types::I32, 31);
                let is_within = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, right, most);
                self.builder.ins().select(is_within, shifted, zero)
            }
        }
    }

    /// Bytes of the packet as they lie there, in 32 bits.
    fn filter_bytes(&mut self, code: &mut Code, at: &mut At, read: &Read) -> Value {
        match (at.way, read.behind_ip, &read.index) {
            (Way::Helper, ..) => self.filter_copy(code, at, read),
            (Way::Loads, header, None) if at.reach.bytes.contains(&(header, read.offset, read.size)) => {
                self.builder.use_var(code.bytes[&(header, read.offset, read.size)])
            }
            (Way::Loads, header, None) => {
                let bytes = self.filter_fixed(code, at, read);
                let spot = (header, read.offset, read.size);
                let variable = *code.bytes.entry(spot).or_insert_with(|| self.builder.declare_var(types::I32));
                self.builder.def_var(variable, bytes);
                at.reach.bytes.insert(spot);
                bytes
            }
            (Way::Loads, _, Some(_)) => {
                let place = self.filter_place(code, at, read);
                let (data, end) = code.view.ends.expect("there are loads");
                let need = u64::from(read.offset) + u64::from(read.size);
                self.filter_near(place, need, at.absent);
                let from = self.builder.ins().iadd(data, place);
                let from = self.launder(from);
                self.filter_check(from, need, end, at.absent);
                self.filter_load(from, read.offset, read.size)
            }
        }
    }

    /// Bytes at a known place, in the packet or behind IPv4's header.
    fn filter_fixed(&mut self, code: &mut Code, at: &mut At, read: &Read) -> Value {
        let (data, end) = code.view.ends.expect("there are loads");
        let Some(header) = read.behind_ip else { return self.filter_load(data, read.offset, read.size) };
        let from = self.filter_behind_ip(code, at, header);
        let need = u64::from(read.offset) + u64::from(read.size);
        if at.reach.behind_ip.get(&header).is_none_or(|known| *known < need) {
            self.filter_check(from, need, end, at.absent);
            at.reach.behind_ip.insert(header, need);
        }
        self.filter_load(from, read.offset, read.size)
    }

    fn filter_load(&mut self, from: Value, offset: u32, size: u32) -> Value {
        match size {
            1 => self.builder.ins().uload8(types::I32, flags(), from, offset as i32),
            2 => self.builder.ins().uload16(types::I32, flags(), from, offset as i32),
            _ => self.builder.ins().load(types::I32, flags(), from, offset as i32),
        }
    }

    /// Where IPv4's header ends if it began at the packet's beginning.
    fn filter_behind_ip(&mut self, code: &mut Code, at: &At, header: u32) -> Value {
        let known = code.behind_ip.get(&header).filter(|_| at.reach.behind_ip.contains_key(&header));
        if let Some(variable) = known {
            return self.builder.use_var(*variable);
        }
        let (data, _) = code.view.ends.expect("there are loads");
        let first = self.filter_load(data, header, 1);
        let length = self.filter_header_length(first);
        let from = self.builder.ins().iadd(data, length);
        let from = self.launder(from);
        let variable = *code.behind_ip.entry(header).or_insert_with(|| self.builder.declare_var(types::I64));
        self.builder.def_var(variable, from);
        from
    }

    /// The length that the first byte of IPv4's header tells, in 64 bits.
    fn filter_header_length(&mut self, first: Value) -> Value {
        let first = self.builder.ins().uextend(types::I64, first);
        let mask = self.int(0xf);
        let words = self.builder.ins().band(first, mask);
        let two = self.int(2);
        self.builder.ins().ishl(words, two)
    }

    /// What is added to the place of a read, in 64 bits and laundered.
    fn filter_place(&mut self, code: &mut Code, at: &mut At, read: &Read) -> Value {
        let mut place = None;
        if let Some(header) = read.behind_ip {
            let first = Read { behind_ip: None, index: None, offset: header, size: 1, behind_tag: false };
            let first = self.filter_bytes(code, at, &first);
            place = Some(self.filter_header_length(first));
        }
        if let Some(index) = &read.index {
            let index = self.filter_number(code, at, index);
            let sum = match place {
                Some(length) => {
                    let length = self.builder.ins().ireduce(types::I32, length);
                    self.builder.ins().iadd(length, index)
                }
                None => index,
            };
            place = Some(self.builder.ins().uextend(types::I64, sum));
        }
        let place = place.unwrap_or_else(|| self.int(0));
        self.launder(place)
    }

    /// Goes on where so many bytes behind the place are not too far away.
    fn filter_near(&mut self, place: Value, need: u64, absent: Block) {
        let Some(most) = FAR.checked_sub(need) else {
            self.jump(absent);
            let never = self.builder.create_block();
            return self.builder.switch_to_block(never);
        };
        let near = self.builder.create_block();
        let is_near = self.compare(IntCC::UnsignedLessThanOrEqual, place, most as i64);
        self.builder.ins().brif(is_near, near, &[], absent, &[]);
        self.builder.switch_to_block(near);
    }

    /// Bytes that a helper copies.
    fn filter_copy(&mut self, code: &mut Code, at: &mut At, read: &Read) -> Value {
        let offset = if read.behind_ip.is_some() || read.index.is_some() {
            let place = self.filter_place(code, at, read);
            self.filter_near(place, u64::from(read.offset) + u64::from(read.size), at.absent);
            let offset = self.int(i64::from(read.offset));
            self.builder.ins().iadd(place, offset)
        } else {
            self.int(i64::from(read.offset))
        };
        let mark = self.mark();
        let to = self.temporary(8);
        let address = self.address(to);
        let size = self.int(i64::from(read.size));
        let failed = self.call(Helper::SkbLoadBytes, &[self.event, offset, address, size]);
        let there = self.builder.create_block();
        let copied = self.compare(IntCC::Equal, failed, 0);
        self.builder.ins().brif(copied, there, &[], at.absent, &[]);
        self.builder.switch_to_block(there);
        let bytes = self.filter_load(address, 0, read.size);
        self.reset(mark);
        bytes
    }
}
