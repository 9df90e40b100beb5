//! Structures, unions and enums of C: of the kernel (BTF), of a traced program, or defined by the script.
//!
//! They keep the layout that their compiler gave them. A structure knows its size at once and its members when somebody
//! asks: `struct task_struct` has some 250, each of a type of its own, and a script names three of them.

use crate::types::{IntType, Type};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// A structure or union.
pub struct Struct {
    /// With its tag: `struct task_struct`; only the tag if it is anonymous.
    pub name: String,
    /// In bytes, padding at its end included.
    pub size: u32,
    /// In bytes.
    pub align: u32,
    members: OnceLock<Vec<Member>>,
    load: Box<dyn Fn() -> Vec<Member> + Send + Sync>,
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name; empty for an anonymous structure or union, whose members are reached as if they were its parent's.
    pub name: String,
    /// Its type. `char[n]` is [`Type::Str`] of `n`; that text may fill all of its bytes, without a closing zero.
    pub ty: Type,
    /// Bytes from the structure's beginning; for a bit-field, of the storage that `bits` counts in.
    pub offset: u32,
    /// Where in that storage a bit-field is.
    pub bits: Option<Bits>,
}

/// A bit-field's place in the little-endian integer, as wide as the member's type, at the member's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bits {
    /// Bits below it.
    pub shift: u8,
    /// Its own bits.
    pub width: u8,
}

impl Struct {
    /// A structure whose members `load` finds; it is called once at most, on the first look at them.
    pub fn new(
        name: impl Into<String>,
        size: u32,
        align: u32,
        load: impl Fn() -> Vec<Member> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { name: name.into(), size, align, members: OnceLock::new(), load: Box::new(load) })
    }

    /// All members as declared.
    pub fn members(&self) -> &[Member] {
        self.members.get_or_init(|| (self.load)())
    }

    /// The member of this name, also out of an anonymous member; its offset counts from the beginning of this structure.
    pub fn member(&self, name: &str) -> Option<Member> {
        self.members().iter().find_map(|member| match (&member.ty, member.name.as_str()) {
            (_, found) if found == name && !name.is_empty() => Some(member.clone()),
            (Type::Struct(inner), "") => {
                let found = inner.member(name)?;
                Some(Member { offset: member.offset + found.offset, ..found })
            }
            _ => None,
        })
    }

    /// Names that [`Struct::member`] finds.
    pub fn member_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for member in self.members() {
            match (&member.ty, member.name.as_str()) {
                (Type::Struct(inner), "") => names.extend(inner.member_names()),
                (_, "") => {}
                (_, name) => names.push(name.to_owned()),
            }
        }
        names
    }

    fn is_anonymous(&self) -> bool {
        !self.name.contains(' ')
    }
}

/// By name, and the anonymous ones by what they are made of.
impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.name == other.name
                && self.size == other.size
                && (!self.is_anonymous() || self.members() == other.members()))
    }
}

impl Eq for Struct {}

impl Hash for Struct {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.size.hash(state);
    }
}

impl fmt::Debug for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.size)
    }
}

/// An enum.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Enum {
    /// With its tag: `enum pid_type`; only the tag if it is anonymous.
    pub name: String,
    /// How its values are stored.
    pub int: IntType,
    /// Names and values in order.
    pub values: Vec<(String, i64)>,
}

impl Enum {
    /// The name of a value; the first if there are several.
    pub fn name_of(&self, value: i64) -> Option<&str> {
        self.values.iter().find(|(_, known)| *known == value).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_members_are_seen_through() {
        let inner =
            Struct::new("union", 8, 8, || vec![Member { name: "x".into(), ty: Type::U64, offset: 0, bits: None }]);
        let outer = Struct::new("struct outer", 16, 8, move || {
            vec![
                Member { name: "a".into(), ty: Type::U32, offset: 0, bits: None },
                Member { name: String::new(), ty: Type::Struct(inner.clone()), offset: 8, bits: None },
            ]
        });
        assert_eq!(outer.member("x").map(|member| member.offset), Some(8));
        assert_eq!(outer.member(""), None);
        assert_eq!(outer.member_names(), ["a", "x"]);
    }
}
