//! A value in bytes, and the values that it is made of.
//!
//! In a slot, as `lang::types` lays them out, a scalar takes eight bytes. Inside structures and arrays of C every value
//! has its own width and place. Whoever shows or compares values sees the same parts either way. Bytes that are missing
//! end the parts early, and nothing panics.

use lang::ctypes::{Bits, Member, Struct};
use lang::types::Type;

use super::number::{Number, first_word};
use super::value::Slots;

/// How deep anonymous members are looked into; a structure that contains itself would have no end.
const DEPTH: u32 = 32;

/// A value where it lies.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its type.
    pub ty: &'a Type,
    /// Its bytes; there may be more.
    pub bytes: &'a [u8],
    layout: Layout,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Slot,
    C(Option<Bits>),
}

impl<'a> View<'a> {
    /// A value in a slot.
    pub fn slot(ty: &'a Type, bytes: &'a [u8]) -> Self {
        Self { ty, bytes, layout: Layout::Slot }
    }

    /// A scalar, extended to 64 bits by its sign; `None` if it is none, or bytes are missing.
    pub fn word(self) -> Option<u64> {
        if !self.ty.is_scalar() {
            return None;
        }
        let Layout::C(bits) = self.layout else { return first_word(self.bytes) };
        let size = self.ty.size_of() as usize;
        let mut word = [0; 8];
        word.get_mut(..size)?.copy_from_slice(self.bytes.get(..size)?);
        let Bits { shift, width } = bits.unwrap_or(Bits { shift: 0, width: (size * 8) as u8 });
        let word = u64::from_le_bytes(word).checked_shr(shift.into())?;
        match Number::low_bits(word, width, self.ty.is_signed()) {
            Number::Signed(value) => Some(value as u64),
            Number::Unsigned(value) => Some(value),
        }
    }

    /// What a tuple, record, array or structure is made of, in order; nothing for another type. Members of anonymous
    /// structures and unions stand where these are.
    pub fn parts(self) -> Parts<'a> {
        match self.ty {
            Type::Tuple(items) => Parts::Items(items.iter(), Slots::new(self.bytes)),
            Type::Record(items) => Parts::Named(items.iter(), Slots::new(self.bytes)),
            Type::Array(element, length) => Parts::Elements { element, left: *length, bytes: self.bytes },
            Type::Struct(of) => {
                let mut members = Vec::with_capacity(of.members().len());
                flatten(of, 0, DEPTH, &mut members);
                Parts::Members(members.into_iter(), self.bytes)
            }
            _ => Parts::Items([].iter(), Slots::new(&[])),
        }
    }
}

/// Appends the members of `of` with their offsets, which count on from `base`.
fn flatten<'a>(of: &'a Struct, base: usize, depth: u32, members: &mut Vec<(&'a Member, usize)>) {
    for member in of.members() {
        let offset = base + member.offset as usize;
        match &member.ty {
            Type::Struct(inner) if member.name.is_empty() => {
                if depth > 0 {
                    flatten(inner, offset, depth - 1, members);
                }
            }
            _ => members.push((member, offset)),
        }
    }
}

/// The parts of a value, each with its name if it has one.
#[derive(Clone, Debug)]
pub enum Parts<'a> {
    /// Of a tuple.
    Items(std::slice::Iter<'a, Type>, Slots<'a>),
    /// Of a record.
    Named(std::slice::Iter<'a, (String, Type)>, Slots<'a>),
    /// Of an array.
    Elements {
        /// The type of each.
        element: &'a Type,
        /// How many follow.
        left: u32,
        /// What follows.
        bytes: &'a [u8],
    },
    /// Of a structure, with their offsets in its bytes.
    Members(std::vec::IntoIter<(&'a Member, usize)>, &'a [u8]),
}

impl<'a> Iterator for Parts<'a> {
    type Item = (&'a str, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Items(items, slots) => {
                let ty = items.next()?;
                Some(("", View::slot(ty, slots.take(ty)?)))
            }
            Self::Named(items, slots) => {
                let (name, ty) = items.next()?;
                Some((name, View::slot(ty, slots.take(ty)?)))
            }
            Self::Elements { element, left, bytes } => {
                *left = left.checked_sub(1)?;
                // Elements of no size are of no interest, and there may be billions.
                let size = usize::try_from(element.size_of()).ok().filter(|size| *size > 0)?;
                let (own, rest) = bytes.split_at_checked(size)?;
                *bytes = rest;
                Some(("", View { ty: element, bytes: own, layout: Layout::C(None) }))
            }
            Self::Members(members, bytes) => {
                let (member, offset) = members.next()?;
                let bytes = bytes.get(offset..).unwrap_or_default();
                // Text ends with its member, a flexible array with the structure.
                let own = bytes.get(..usize::try_from(member.ty.size_of()).ok()?).unwrap_or(bytes);
                Some((&member.name, View { ty: &member.ty, bytes: own, layout: Layout::C(member.bits) }))
            }
        }
    }
}
