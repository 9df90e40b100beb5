//! The types of values, and how a value lies in memory when it has to (map keys and values, event records).
//!
//! In memory every scalar takes eight bytes, sign- or zero-extended, and every string is padded with zeros to a multiple
//! of eight. So keys have no uninitialised padding, equal keys are equal bytes, and the kernel's hash reads whole words.
//! C structures of the traced program are another matter: they keep the layout that their compiler gave them.

use crate::ctypes::{Enum, Struct};
use std::fmt;
use std::sync::Arc;

/// An integer type.
///
/// A number of the script that is not negative suits signed and unsigned types alike: `@n = 1` leaves `@n` free to
/// become `uint64` or `int16`. While types are inferred it is unsigned with one bit less than its type has; a
/// [settled](Type::settled) type has none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntType {
    /// 8, 16, 32 or 64; one less for what only numbers of the script have been assigned to.
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

    /// The smallest signed type that holds `value`, or `uint64` beyond; see above for what is not negative.
    pub fn smallest(value: i128) -> Self {
        let (candidates, signed) = match value {
            0.. => ([7, 15, 31, 63], false),
            _ => ([8, 16, 32, 64], true),
        };
        candidates
            .map(|bits| Self { bits, signed })
            .into_iter()
            .find(|ty| ty.holds(value))
            .unwrap_or(Self { bits: 64, signed })
    }

    /// A type that holds the values of both: the wider one, signed if either is.
    pub fn join(self, other: Self) -> Self {
        // An unsigned value needs one bit more in a signed type.
        let in_signed = |ty: Self| if ty.signed { ty.bits } else { (ty.bits + 1).next_power_of_two().min(64) };
        match self.signed == other.signed {
            true => Self { bits: self.bits.max(other.bits), signed: self.signed },
            false => Self { bits: in_signed(self).max(in_signed(other)), signed: true },
        }
    }

    /// In 64 bits, with the same freedom of sign.
    pub fn widest(self) -> Self {
        Self { bits: if self.suits_both_signs() { 63 } else { 64 }, signed: self.signed }
    }

    /// Has held nothing but numbers of the script that are not negative.
    pub fn suits_both_signs(self) -> bool {
        self.bits % 2 == 1
    }

    /// The type that values have when nothing more is learnt.
    fn settled(self) -> Self {
        match self.suits_both_signs() {
            true => Self { bits: self.bits + 1, signed: true },
            false => self,
        }
    }
}

/// Whose memory a pointer points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressSpace {
    /// The kernel's.
    Kernel,
    /// The current process's.
    User,
    /// Not known when compiling: the address itself tells (the kernel's have their top bit set, on x86-64 as on
    /// aarch64).
    Either,
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
    /// What became of a value over time: one number for each of the latest intervals.
    TSeries {
        /// Nanoseconds of an interval.
        interval: u64,
        /// How many are kept.
        intervals: u32,
        /// What the number of an interval is.
        of: SeriesOf,
        /// The argument's sign.
        signed: bool,
    },
}

/// What stands for the values of one interval of a `tseries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeriesOf {
    /// The latest.
    Last,
    /// Their average, towards zero.
    Avg,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their sum.
    Sum,
}

impl SeriesOf {
    /// All that a script can name, in the order that messages list them.
    pub const NAMED: [(&'static str, Self); 4] =
        [("avg", Self::Avg), ("max", Self::Max), ("min", Self::Min), ("sum", Self::Sum)];
}

/// Words of an interval of a `tseries`: a value (a total for `avg`), what goes with it and is 0 only
/// where nothing has been gathered (the time of the latest plus 1, how many values an average is of, else 1) and the number of the interval since 1970.
pub const SERIES_WORDS: u32 = 3;

/// How many intervals one value of a kernel map has room for: it may take 32 KiB on each CPU (`PCPU_MIN_UNIT_SIZE`), of
/// which a keyless map needs one word.
pub const SERIES_PAGE: u32 = (32768 - 8) / (SERIES_WORDS * 8);

impl Aggregate {
    /// How many 64-bit words its state takes on each CPU.
    ///
    /// Count and sum take one; min and max a value and whether it is set; avg and stats a total and a count; histograms
    /// one word a bucket; a time series [`SERIES_WORDS`] an interval.
    pub fn words(self) -> u32 {
        match self {
            Self::Count | Self::Sum { .. } => 1,
            Self::Min { .. } | Self::Max { .. } | Self::Avg { .. } | Self::Stats { .. } => 2,
            Self::Hist { bits } => hist_buckets(bits),
            Self::LHist { min, max, step } => ((max - min).div_ceil(step) + 2) as u32,
            Self::TSeries { intervals, .. } => intervals * SERIES_WORDS,
        }
    }

    /// The same aggregation taking the arguments of both: signed if either is.
    fn join(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Sum { signed: a }, Self::Sum { signed: b }) => Self::Sum { signed: a || b },
            (Self::Min { signed: a }, Self::Min { signed: b }) => Self::Min { signed: a || b },
            (Self::Max { signed: a }, Self::Max { signed: b }) => Self::Max { signed: a || b },
            (Self::Avg { signed: a }, Self::Avg { signed: b }) => Self::Avg { signed: a || b },
            (Self::Stats { signed: a }, Self::Stats { signed: b }) => Self::Stats { signed: a || b },
            (Self::TSeries { interval, intervals, of, signed: a }, Self::TSeries { signed: b, .. })
                if other == (Self::TSeries { interval, intervals, of, signed: b }) =>
            {
                Self::TSeries { interval, intervals, of, signed: a || b }
            }
            (a, b) if a == b => a,
            _ => return None,
        })
    }

    /// Whether all its arguments were `uint64`.
    fn is_unsigned(self) -> bool {
        match self {
            Self::Sum { signed }
            | Self::Min { signed }
            | Self::Max { signed }
            | Self::Avg { signed }
            | Self::Stats { signed } => !signed,
            Self::Count | Self::Hist { .. } | Self::LHist { .. } | Self::TSeries { .. } => false,
        }
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
            Self::TSeries { .. } => "tseries",
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
    /// `(x=a, y=b, ...)`
    Record(Vec<(String, Type)>),
    /// Elements of C one after the other.
    Array(Box<Type>, u32),
    /// A structure or union of C, as it lies in the traced program's memory.
    Struct(Arc<Struct>),
    /// A number whose values have names.
    Enum(Arc<Enum>),
    /// Only as the value of a map.
    Aggregate(Aggregate),
    /// An internet address of either family.
    Inet,
    /// At most so many bytes of memory, with their number.
    Buffer(u32),
    /// A link-layer address.
    MacAddr,
    /// An address in the kernel, shown as the symbol there.
    KSym,
    /// An address in a process, shown as the symbol there.
    USym,
    /// Return addresses, innermost first.
    Stack(Stack),
    /// A time with the format it is shown in.
    Timestamp,
    /// A control group's number, shown as its path.
    CgroupPath,
    /// A user's number, shown as the name.
    Username,
    /// A number shown as its name in a table that user space has.
    Named(Names),
    /// Not known yet, or not knowable because of an error already reported. Agrees with everything.
    Unknown,
}

/// The frames of a stack that are kept, and how they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The process's stack rather than the kernel's.
    pub user: bool,
    /// How a frame is shown.
    pub mode: StackMode,
    /// Most frames.
    pub depth: u32,
}

impl Stack {
    /// Frames kept when the script does not say: as many as the kernel walks (`kernel.perf_event_max_stack`).
    pub const DEPTH: u32 = 127;

    /// What stands for the frames that a walk by tables could not find.
    pub const FAILURE: u64 = u64::MAX;

    /// Bytes before the frames: their number, and for a process's stack the process.
    pub fn header(self) -> u32 {
        if self.user { 16 } else { 8 }
    }

    fn size(self) -> u32 {
        self.header() + self.depth * 8
    }
}

/// How a frame of a stack is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StackMode {
    /// `symbol+offset`
    Bpftrace,
    /// As `perf script` does: address, symbol and module.
    Perf,
    /// The address.
    Raw,
    /// The build id of the file, and the place in it.
    BuildId,
}

impl StackMode {
    /// The mode of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Bpftrace, Self::Perf, Self::Raw, Self::BuildId].into_iter().find(|mode| mode.name() == name)
    }

    /// As in the script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpftrace => "bpftrace",
            Self::Perf => "perf",
            Self::Raw => "raw",
            Self::BuildId => "build_id",
        }
    }
}

/// A table of names that user space has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// Of error numbers.
    Errors,
    /// Of signals.
    Signals,
    /// Of system calls.
    Syscalls,
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
            Self::Enum(of) => Some(of.int),
            _ => None,
        }
    }

    /// Whether it fits one register: integers, bools, enums and addresses.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Bool | Self::Pointer(..) | Self::Enum(_))
    }

    /// Whether it is a value that only user space can show: it is kept, passed on and printed, nothing else.
    pub fn is_opaque(&self) -> bool {
        matches!(
            self,
            Self::Inet
                | Self::Buffer(_)
                | Self::MacAddr
                | Self::KSym
                | Self::USym
                | Self::Stack(_)
                | Self::Timestamp
                | Self::CgroupPath
                | Self::Username
                | Self::Named(_)
        )
    }

    /// Whether values read as negative when the top bit is set.
    pub fn is_signed(&self) -> bool {
        self.as_int().is_some_and(|int| int.signed)
    }

    /// What kind of type it is, in one word.
    pub fn kind(&self) -> String {
        match self {
            Self::Int(_) => "int".into(),
            Self::Str(_) => "string".into(),
            Self::Pointer(..) => "pointer".into(),
            Self::Tuple(_) => "tuple".into(),
            Self::Record(_) => "record".into(),
            Self::Array(..) => "array".into(),
            Self::Struct(_) => "struct".into(),
            Self::Enum(_) => "enum".into(),
            Self::Buffer(_) => "buffer".into(),
            Self::Stack(stack) => if stack.user { "ustack" } else { "kstack" }.into(),
            Self::Named(_) => "string".into(),
            other => other.to_string(),
        }
    }

    /// Bytes in a key, value or record: always a multiple of eight.
    pub fn slot_size(&self) -> u32 {
        match self {
            Self::Void | Self::Unknown => 0,
            Self::Bool | Self::Int(_) | Self::Pointer(..) | Self::Enum(_) => 8,
            Self::Str(size) => size.next_multiple_of(8),
            Self::Tuple(items) => items.iter().map(Self::slot_size).sum(),
            Self::Record(items) => items.iter().map(|(_, ty)| ty.slot_size()).sum(),
            Self::Array(..) | Self::Struct(_) => (self.size_of() as u32).next_multiple_of(8),
            Self::Aggregate(aggregate) => aggregate.words() * 8,
            Self::Inet => 24,
            Self::Buffer(most) => 8 + most.next_multiple_of(8),
            Self::MacAddr | Self::KSym | Self::Username | Self::Named(_) => 8,
            Self::USym | Self::Timestamp | Self::CgroupPath => 16,
            Self::Stack(stack) => stack.size(),
        }
    }

    /// What `sizeof` gives.
    pub fn size_of(&self) -> u64 {
        match self {
            Self::Void | Self::Unknown => 0,
            Self::Bool => 1,
            Self::Int(int) => u64::from(int.bits.div_ceil(8)),
            Self::Pointer(..) => 8,
            Self::Str(size) => u64::from(*size),
            Self::Enum(of) => u64::from(of.int.bits.div_ceil(8)),
            // As a structure of C with these members would be.
            Self::Tuple(_) | Self::Record(_) => {
                let place = |at: u64, item: &Self| at.next_multiple_of(item.alignment()) + item.size_of();
                self.items().fold(0, place).next_multiple_of(self.alignment())
            }
            Self::Array(element, length) => element.size_of() * u64::from(*length),
            Self::Struct(of) => u64::from(of.size),
            // That of a number, which most of them stand for, whatever they take on each CPU.
            Self::Aggregate(_) => 8,
            Self::Buffer(most) => 4 + u64::from(*most),
            Self::MacAddr => 6,
            Self::Named(_) => 64,
            Self::Inet
            | Self::KSym
            | Self::USym
            | Self::Stack(_)
            | Self::Timestamp
            | Self::CgroupPath
            | Self::Username => u64::from(self.slot_size()),
        }
    }

    /// The types of a tuple's or record's items; none for other types.
    pub fn items(&self) -> impl Iterator<Item = &Type> {
        let (plain, named) = match self {
            Self::Tuple(items) => (&items[..], &[][..]),
            Self::Record(items) => (&[][..], &items[..]),
            _ => (&[][..], &[][..]),
        };
        plain.iter().chain(named.iter().map(|(_, ty): &(String, Type)| ty))
    }

    /// In a structure of C.
    pub fn alignment(&self) -> u64 {
        match self {
            Self::Void | Self::Unknown | Self::Str(_) => 1,
            Self::Bool | Self::Int(_) | Self::Pointer(..) | Self::Enum(_) => self.size_of(),
            Self::Tuple(_) | Self::Record(_) => self.items().map(Self::alignment).max().unwrap_or(1),
            Self::Array(element, _) => element.alignment(),
            Self::Struct(of) => u64::from(of.align.max(1)),
            Self::Buffer(_) | Self::MacAddr | Self::Named(_) => 1,
            Self::Aggregate(_)
            | Self::Inet
            | Self::KSym
            | Self::USym
            | Self::Stack(_)
            | Self::Timestamp
            | Self::CgroupPath
            | Self::Username => 8,
        }
    }

    /// The type that values have when nothing more is learnt about it.
    pub fn settled(&self) -> Self {
        match self {
            Self::Int(int) => Self::Int(int.settled()),
            Self::Tuple(items) => Self::Tuple(items.iter().map(Self::settled).collect()),
            Self::Record(items) => Self::Record(items.iter().map(|(name, ty)| (name.clone(), ty.settled())).collect()),
            other => other.clone(),
        }
    }

    /// Byte offset of a tuple's or record's item in a slot, if it has that many.
    pub fn item_offset(&self, index: usize) -> Option<u32> {
        (index < self.items().count()).then(|| self.items().take(index).map(Self::slot_size).sum())
    }

    /// Whether values of the other type lie in a slot the same way, so that programs which were made for one get along
    /// with those made for the other.
    pub fn lies_like(&self, other: &Self) -> bool {
        let all = |a: &Self, b: &Self| a.items().zip(b.items()).all(|(a, b)| a.lies_like(b));
        match (self, other) {
            (Self::Aggregate(a), Self::Aggregate(b)) => a.join(*b).is_some(),
            (Self::Tuple(a), Self::Tuple(b)) => a.len() == b.len() && all(self, other),
            (Self::Record(a), Self::Record(b)) => {
                a.iter().map(|(name, _)| name).eq(b.iter().map(|(name, _)| name)) && all(self, other)
            }
            (a, b) => a == b || a.is_scalar() && b.is_scalar(),
        }
    }

    /// A type that holds the values of both, if there is one: integers widen, strings take the longer buffer. There is
    /// none that holds itself, which `$a = (1, $a)` would need.
    pub fn join(&self, other: &Self) -> Option<Self> {
        /// No script has values of so many parts.
        const MOST_PARTS: usize = 300;
        self.joined(other).filter(|ty| ty.parts() <= MOST_PARTS)
    }

    /// Of how many types it is made.
    fn parts(&self) -> usize {
        match self {
            Self::Pointer(inner, _) | Self::Array(inner, _) => 1 + inner.parts(),
            _ => 1 + self.items().map(Self::parts).sum::<usize>(),
        }
    }

    fn joined(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Unknown, ty) | (ty, Self::Unknown) => Some(ty.clone()),
            (Self::Int(a), Self::Int(b)) => Some(Self::Int(a.join(*b))),
            // The names of numbers are texts once other texts are beside them.
            (Self::Named(_), Self::Str(size)) | (Self::Str(size), Self::Named(_)) => {
                Some(Self::Str((*size).max(crate::names::ROOM)))
            }
            (Self::Named(a), Self::Named(b)) if a != b => Some(Self::Str(crate::names::ROOM)),
            (Self::Str(a), Self::Str(b)) => Some(Self::Str(*a.max(b))),
            (Self::Buffer(a), Self::Buffer(b)) => Some(Self::Buffer(*a.max(b))),
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                a.iter().zip(b).map(|(a, b)| a.joined(b)).collect::<Option<_>>().map(Self::Tuple)
            }
            // The order of the names may differ; it is that of the first.
            (Self::Record(a), Self::Record(b)) if a.len() == b.len() => {
                let join = |(name, a): &(String, Type)| {
                    let (_, b) = b.iter().find(|(other, _)| other == name)?;
                    Some((name.clone(), a.joined(b)?))
                };
                a.iter().map(join).collect::<Option<_>>().map(Self::Record)
            }
            (Self::Array(a, n), Self::Array(b, m)) if n == m && a == b => Some(self.clone()),
            (Self::Pointer(a, from), Self::Pointer(b, other)) => match (&**a, &**b) {
                (Self::Struct(a), Self::Struct(b)) if a != b => None,
                (a, b) => {
                    let target = match (a, b) {
                        (Self::Int(x), Self::Int(y)) => if y.bits > x.bits { b } else { a }.clone(),
                        // What a variable holds may grow after its address has been taken.
                        _ => a.joined(b).unwrap_or_else(|| a.clone()),
                    };
                    Some(Self::Pointer(Box::new(target), if from == other { *from } else { AddressSpace::Either }))
                }
            },
            (Self::Enum(a), Self::Int(b)) | (Self::Int(b), Self::Enum(a)) => Some(Self::Int(a.int.join(*b))),
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
            Self::Int(int) => {
                let IntType { bits, signed } = int.settled();
                write!(f, "{}int{bits}", if signed { "" } else { "u" })
            }
            Self::Str(0) => write!(f, "string"),
            Self::Str(size) => write!(f, "string[{size}]"),
            Self::Pointer(to, _) => write!(f, "{to} *"),
            Self::Tuple(items) => {
                write!(f, "(")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { "," } else { "" })?;
                }
                write!(f, ")")
            }
            Self::Record(items) => {
                write!(f, "record {{")?;
                for (i, (name, item)) in items.iter().enumerate() {
                    write!(f, "{} .{name} = {item}", if i > 0 { "," } else { "" })?;
                }
                write!(f, " }}")
            }
            Self::Array(element, length) => write!(f, "{element}[{length}]"),
            Self::Struct(of) => write!(f, "{}", of.name),
            Self::Enum(of) => write!(f, "{}", of.name),
            Self::Inet => write!(f, "inet"),
            Self::Buffer(most) => write!(f, "buffer[{most}]"),
            Self::MacAddr => write!(f, "mac_address"),
            Self::KSym => write!(f, "ksym_t"),
            Self::USym => write!(f, "usym_t"),
            Self::Stack(Stack { user, mode, depth }) => {
                write!(f, "{}stack_{}_{depth}", if *user { "u" } else { "k" }, mode.name())
            }
            Self::Timestamp => write!(f, "timestamp"),
            Self::CgroupPath => write!(f, "cgroup_path_t"),
            Self::Username => write!(f, "username_t"),
            Self::Named(_) => write!(f, "string[64]"),
            Self::Aggregate(aggregate) => {
                write!(f, "{}{}_t", if aggregate.is_unsigned() { "u" } else { "" }, aggregate.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(bits: u8, signed: bool) -> IntType {
        IntType { bits, signed }
    }

    #[test]
    fn literals_take_the_smallest_signed_type() {
        for (value, name) in [
            (1, "int8"),
            (127, "int8"),
            (128, "int16"),
            (-128, "int8"),
            (-129, "int16"),
            (2147483648, "int64"),
            (i64::MAX as i128, "int64"),
            (u64::MAX as i128, "uint64"),
            (i64::MIN as i128, "int64"),
        ] {
            let smallest = IntType::smallest(value);
            assert_eq!(Type::Int(smallest).to_string(), name, "{value}");
            assert!(smallest.holds(value) && smallest.settled().holds(value), "{value}");
        }
    }

    #[test]
    fn a_join_holds_both_sides() {
        assert_eq!(ty(8, true).join(ty(8, false)), ty(16, true));
        assert_eq!(ty(64, false).join(ty(8, true)), ty(64, true));
        assert_eq!(ty(32, false).join(ty(8, false)), ty(32, false));
        assert_eq!(ty(8, true).join(ty(32, false)), ty(64, true));
        assert_eq!(ty(32, true).join(ty(8, false)), ty(32, true));
    }

    #[test]
    fn numbers_of_the_script_suit_both_signs() {
        let one = IntType::smallest(1);
        assert_eq!(one.join(ty(64, false)), ty(64, false));
        assert_eq!(one.join(ty(8, false)), ty(8, false));
        assert_eq!(one.join(ty(8, true)), ty(8, true));
        assert_eq!(IntType::smallest(300).join(ty(8, true)), ty(16, true));
        assert_eq!(IntType::smallest(300).join(ty(8, false)).settled(), ty(16, true));
        assert_eq!(one.join(one), one);
        assert_eq!(one.settled(), ty(8, true));
    }

    #[test]
    fn tuples_are_laid_out_as_in_c() {
        let int = |bits| Type::Int(ty(bits, true));
        assert_eq!(Type::Tuple(vec![int(8), int(16)]).size_of(), 4);
        assert_eq!(Type::Tuple(vec![int(8), Type::Tuple(vec![int(8), int(16)])]).size_of(), 6);
        assert_eq!(Type::Tuple(vec![int(16), Type::Str(7)]).size_of(), 10);
        assert_eq!(Type::Tuple(vec![int(8), Type::Str(7)]).item_offset(1), Some(8));
    }

    #[test]
    fn histograms_cover_all_of_63_bits() {
        assert_eq!(hist_buckets(0), 65);
        assert_eq!(Aggregate::LHist { min: 0, max: 10, step: 3 }.words(), 6);
    }
}
