//! The types of values, and how a value lies in memory when it has to (map keys and values, event records).
//!
//! In memory every scalar takes eight bytes, sign- or zero-extended, and every string is padded with zeros to a multiple
//! of eight. So keys have no uninitialised padding, equal keys are equal bytes, and the kernel's hash reads whole words.
//! C structures of the traced program are another matter: they keep the layout that their compiler gave them.

use std::fmt;

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntType {
    /// 8, 16, 32 or 64.
    pub bits: u8,
    /// Two's complement rather than unsigned.
    pub signed: bool,
}

impl IntType {
    /// Whether `value`, read as a number of this type's sign, fits.
    pub fn holds(self, value: i128) -> bool {
        let (low, high) = match self.signed {
            true => (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1),
            false => (0, (1i128 << self.bits) - 1),
        };
        (low..=high).contains(&value)
    }

    /// The smallest signed type that holds `value`, or `uint64` beyond.
    pub fn smallest(value: i128) -> Self {
        [8, 16, 32, 64]
            .map(|bits| Self { bits, signed: true })
            .into_iter()
            .find(|ty| ty.holds(value))
            .unwrap_or(Self { bits: 64, signed: false })
    }

    /// A type that holds the values of both: the wider one, signed if either is.
    pub fn join(self, other: Self) -> Self {
        let bits = match (self.signed, other.signed) {
            // An unsigned value needs one bit more in a signed type.
            (true, false) if other.bits >= self.bits => (other.bits * 2).min(64),
            (false, true) if self.bits >= other.bits => (self.bits * 2).min(64),
            _ => self.bits.max(other.bits),
        };
        Self { bits, signed: self.signed || other.signed }
    }
}

/// Whose memory a pointer points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressSpace {
    /// The kernel's.
    Kernel,
    /// The current process's.
    User,
}

/// What a map gathers instead of a plain value. Parameters that fix the layout belong to the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Number of calls.
    Count,
    /// Sum of the arguments.
    Sum {
        /// The argument's sign.
        signed: bool,
    },
    /// Smallest argument.
    Min {
        /// The argument's sign.
        signed: bool,
    },
    /// Largest argument.
    Max {
        /// The argument's sign.
        signed: bool,
    },
    /// Average of the arguments.
    Avg {
        /// The argument's sign.
        signed: bool,
    },
    /// Count, average and total.
    Stats {
        /// The argument's sign.
        signed: bool,
    },
    /// Histogram with power-of-two buckets, each split into `2^bits` steps.
    Hist {
        /// 0 to 5.
        bits: u8,
    },
    /// Histogram with equal steps from `min` to `max`.
    LHist {
        /// Start of the first bucket.
        min: u64,
        /// From here on all is in the last bucket.
        max: u64,
        /// Width of a bucket.
        step: u64,
    },
}

impl Aggregate {
    /// How many 64-bit words its state takes on each CPU.
    ///
    /// Count and sum take one; min and max a value and whether it is set; avg and stats a total and a count; histograms
    /// one word a bucket.
    pub fn words(self) -> u32 {
        match self {
            Self::Count | Self::Sum { .. } => 1,
            Self::Min { .. } | Self::Max { .. } | Self::Avg { .. } | Self::Stats { .. } => 2,
            Self::Hist { bits } => hist_buckets(bits),
            Self::LHist { min, max, step } => ((max - min).div_ceil(step) + 2) as u32,
        }
    }

    /// The same aggregation taking the arguments of both: unsigned if either is.
    fn join(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Sum { signed: a }, Self::Sum { signed: b }) => Self::Sum { signed: a && b },
            (Self::Min { signed: a }, Self::Min { signed: b }) => Self::Min { signed: a && b },
            (Self::Max { signed: a }, Self::Max { signed: b }) => Self::Max { signed: a && b },
            (Self::Avg { signed: a }, Self::Avg { signed: b }) => Self::Avg { signed: a && b },
            (Self::Stats { signed: a }, Self::Stats { signed: b }) => Self::Stats { signed: a && b },
            (a, b) if a == b => a,
            _ => return None,
        })
    }

    /// The function that makes it, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum { .. } => "sum",
            Self::Min { .. } => "min",
            Self::Max { .. } => "max",
            Self::Avg { .. } => "avg",
            Self::Stats { .. } => "stats",
            Self::Hist { .. } => "hist",
            Self::LHist { .. } => "lhist",
        }
    }
}

/// How many buckets a `hist` with `bits` extra bits has: one for negative values, then one per value up to
/// `2^bits - 1`, then `2^bits` for each power of two up to 2^62.
pub const fn hist_buckets(bits: u8) -> u32 {
    1 + (1 << bits) + ((63 - bits as u32) << bits)
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// No value.
    Void,
    /// `true` or `false`.
    Bool,
    /// An integer.
    Int(IntType),
    /// Text in a buffer of this many bytes, the closing zero included.
    Str(u32),
    /// An address.
    Pointer(Box<Type>, AddressSpace),
    /// `(a, b, ...)`
    Tuple(Vec<Type>),
    /// Only as the value of a map.
    Aggregate(Aggregate),
    /// Not known yet, or not knowable because of an error already reported. Agrees with everything.
    Unknown,
}

impl Type {
    /// `int64`
    pub const I64: Type = Type::Int(IntType { bits: 64, signed: true });
    /// `uint64`
    pub const U64: Type = Type::Int(IntType { bits: 64, signed: false });
    /// `uint32`
    pub const U32: Type = Type::Int(IntType { bits: 32, signed: false });

    /// The integer type, if it is one.
    pub fn as_int(&self) -> Option<IntType> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// Whether it fits one register: integers, bools and addresses.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Bool | Self::Pointer(..))
    }

    /// Whether values read as negative when the top bit is set.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Int(int) if int.signed)
    }

    /// Bytes in a key, value or record: always a multiple of eight.
    pub fn slot_size(&self) -> u32 {
        match self {
            Self::Void | Self::Unknown => 0,
            Self::Bool | Self::Int(_) | Self::Pointer(..) => 8,
            Self::Str(size) => size.next_multiple_of(8),
            Self::Tuple(items) => items.iter().map(Self::slot_size).sum(),
            Self::Aggregate(aggregate) => aggregate.words() * 8,
        }
    }

    /// What `sizeof` gives.
    pub fn size_of(&self) -> u64 {
        match self {
            Self::Void | Self::Unknown => 0,
            Self::Bool => 1,
            Self::Int(int) => u64::from(int.bits / 8),
            Self::Pointer(..) => 8,
            Self::Str(size) => u64::from(*size),
            // As a C compiler lays out a structure of these members.
            Self::Tuple(items) => {
                let end = items.iter().fold(0u64, |at, item| at.next_multiple_of(item.align_of()) + item.size_of());
                end.next_multiple_of(self.align_of())
            }
            Self::Aggregate(aggregate) => u64::from(aggregate.words()) * 8,
        }
    }

    /// What a C compiler aligns it to.
    fn align_of(&self) -> u64 {
        match self {
            Self::Str(_) => 1,
            Self::Tuple(items) => items.iter().map(Self::align_of).max().unwrap_or(1),
            other => other.size_of().clamp(1, 8),
        }
    }

    /// A type that holds the values of both, if there is one: integers widen, strings take the longer buffer.
    pub fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Unknown, ty) | (ty, Self::Unknown) => Some(ty.clone()),
            (Self::Int(a), Self::Int(b)) => Some(Self::Int(a.join(*b))),
            (Self::Str(a), Self::Str(b)) => Some(Self::Str(*a.max(b))),
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                a.iter().zip(b).map(|(a, b)| a.join(b)).collect::<Option<_>>().map(Self::Tuple)
            }
            (Self::Pointer(..), Self::Pointer(..)) => Some(self.clone()),
            (Self::Aggregate(a), Self::Aggregate(b)) => a.join(*b).map(Self::Aggregate),
            (a, b) if a == b => Some(a.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Void => write!(f, "void"),
            Self::Unknown => write!(f, "unknown"),
            Self::Bool => write!(f, "bool"),
            Self::Int(int) => write!(f, "{}int{}", if int.signed { "" } else { "u" }, int.bits),
            Self::Str(size) => write!(f, "string[{size}]"),
            Self::Pointer(to, _) => write!(f, "{to} *"),
            Self::Tuple(items) => {
                write!(f, "(")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { "," } else { "" })?;
                }
                write!(f, ")")
            }
            Self::Aggregate(aggregate) => write!(f, "{}_t", aggregate.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_take_the_smallest_signed_type() {
        let bits = |v| IntType::smallest(v);
        assert_eq!(bits(1), IntType { bits: 8, signed: true });
        assert_eq!(bits(128), IntType { bits: 16, signed: true });
        assert_eq!(bits(2147483648), IntType { bits: 64, signed: true });
        assert_eq!(bits(u64::MAX as i128), IntType { bits: 64, signed: false });
    }

    #[test]
    fn a_join_holds_both_sides() {
        let ty = |bits, signed| IntType { bits, signed };
        assert_eq!(ty(8, true).join(ty(8, false)), ty(16, true));
        assert_eq!(ty(64, false).join(ty(8, true)), ty(64, true));
        assert_eq!(ty(32, false).join(ty(8, false)), ty(32, false));
    }

    #[test]
    fn histograms_cover_all_of_63_bits() {
        assert_eq!(hist_buckets(0), 65);
        assert_eq!(Aggregate::LHist { min: 0, max: 10, step: 3 }.words(), 6);
    }
}
