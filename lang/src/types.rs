//! The types of values, and how a value lies in memory when it has to (map keys and values, event records).
//!
//! In memory every scalar takes eight bytes, sign- or zero-extended, and every string is padded with zeros to a multiple
//! of eight. So keys have no uninitialised padding, equal keys are equal bytes, and the kernel's hash reads whole words.
//! C structures of the traced program are another matter: they keep the layout that their compiler gave them.

use crate::ctypes::{Enum, Struct};
use std::fmt;
use std::sync::Arc;

mod aggregate;
mod number;
mod stack;
#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, SERIES_PAGE, SERIES_WORDS, SeriesOf, hist_buckets};
pub use number::IntType;
pub use stack::{Stack, StackMode};

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
