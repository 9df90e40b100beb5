//! What a filter asks of a packet.
//!
//! A [`Test`] is evaluated from left to right and stops as soon as its outcome is known. A read beyond the end of the
//! packet rejects the packet as a whole, also within `not`; so does a division by zero. Numbers have 32 bits and wrap.

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Known when compiling.
    Known(bool),
    /// One question.
    Ask(Question),
    /// The opposite.
    Not(Box<Test>),
    /// All hold.
    All(Vec<Test>),
    /// One holds.
    Any(Vec<Test>),
    /// From here on reads that are [`Read::behind_tag`] find their bytes four later; then the test.
    Shift(Box<Test>),
}

impl Test {
    /// The opposite.
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            Self::Known(known) => Self::Known(!known),
            test => Self::Not(Box::new(test)),
        }
    }

    /// Both, this one first.
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::All(mut tests) => {
                tests.push(other);
                Self::All(tests)
            }
            first => Self::All(vec![first, other]),
        }
    }

    /// One of both, this one first.
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Any(mut tests) => {
                tests.push(other);
                Self::Any(tests)
            }
            first => Self::Any(vec![first, other]),
        }
    }

    /// How many tests are nested in each other at most.
    pub fn depth(&self) -> usize {
        1 + match self {
            Self::Known(_) | Self::Ask(_) => 0,
            Self::Not(inner) | Self::Shift(inner) => inner.depth(),
            Self::All(tests) | Self::Any(tests) => tests.iter().map(Self::depth).max().unwrap_or(0),
        }
    }
}

/// A question about one packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// How two numbers stand to each other, both without a sign.
    Compare(Relation, Value, Value),
    /// Whether the kernel has taken a VLAN tag out of the packet.
    Tagged,
}

/// How two numbers stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they say what they are")]
pub enum Relation {
    Equal,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Whether it holds.
    pub fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// A number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// Known when compiling.
    Number(u32),
    /// The length of the packet.
    Length,
    /// The VLAN tag that the kernel took out: priority and id.
    Tag,
    /// Bytes of the packet, the first of them the highest.
    Read(Box<Read>),
    /// `-x`
    Negate(Box<Value>),
    /// `x + y` and so on.
    Binary(Operation, Box<Value>, Box<Value>),
}

impl Value {
    /// The bits of it that are set in the mask.
    pub fn masked(self, mask: u32) -> Self {
        match mask {
            u32::MAX => self,
            _ => Self::Binary(Operation::And, Box::new(self), Box::new(Self::Number(mask))),
        }
    }

    /// How many values are nested in each other at most.
    pub fn depth(&self) -> usize {
        1 + match self {
            Self::Number(_) | Self::Length | Self::Tag => 0,
            Self::Read(read) => read.index.as_ref().map_or(0, Self::depth),
            Self::Negate(inner) => inner.depth(),
            Self::Binary(_, left, right) => left.depth().max(right.depth()),
        }
    }

    /// Looks at each read, those in an index before the one that uses it.
    pub fn each_read<'a>(&'a self, look: &mut dyn FnMut(&'a Read)) {
        match self {
            Self::Number(_) | Self::Length | Self::Tag => {}
            Self::Read(read) => {
                if let Some(index) = &read.index {
                    index.each_read(look);
                }
                look(read);
            }
            Self::Negate(inner) => inner.each_read(look),
            Self::Binary(_, left, right) => {
                left.each_read(look);
                right.each_read(look);
            }
        }
    }
}

/// Arithmetic. A shift by 32 or more gives 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they say what they are")]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl Operation {
    /// The result; none for a division by zero.
    pub fn apply(self, left: u32, right: u32) -> Option<u32> {
        Some(match self {
            Self::Add => left.wrapping_add(right),
            Self::Subtract => left.wrapping_sub(right),
            Self::Multiply => left.wrapping_mul(right),
            Self::Divide => left.checked_div(right)?,
            Self::Modulo => left.checked_rem(right)?,
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
            Self::ShiftLeft => left.checked_shl(right).unwrap_or(0),
            Self::ShiftRight => left.checked_shr(right).unwrap_or(0),
        })
    }
}

/// A read of one, two or four bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Read {
    /// Where IPv4's header begins, whose length is added to the place.
    pub behind_ip: Option<u32>,
    /// What else is added, in 32 bits together with the length of that header.
    pub index: Option<Value>,
    /// The place, counted from the beginning of the packet.
    pub offset: u32,
    /// How many bytes.
    pub size: u32,
    /// The place is four later if the outermost VLAN tag is in the packet; so is that of IPv4's header.
    pub behind_tag: bool,
}

impl Read {
    /// How long the packet must be for this read alone, if that is known when compiling.
    pub fn fixed_end(&self) -> Option<u64> {
        let known = self.behind_ip.is_none() && self.index.is_none();
        known.then_some(u64::from(self.offset) + u64::from(self.size))
    }
}

/// A transport with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are called as on the wire")]
pub enum Transport {
    Tcp,
    Udp,
    Sctp,
}

impl Transport {
    /// Its number in IP's header.
    pub fn number(self) -> u32 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}
