//! Types of debug information, rewritten as BTF.
//!
//! Whatever can be reached from what was asked for gets a number when it is first met and is written when its turn
//! comes, so circles end by themselves.

use super::function::Param;
use super::{Entry, Place, Value, types_of};
use crate::btf::{Btf, FLAG, Kind, TypeId, Writer};
use lang::types::Type;
use std::collections::{HashMap, VecDeque};

/// More types than a program's largest unit has; behind them everything is `void`.
const MOST_TYPES: u32 = 1 << 20;
/// Members and values that a type can have in BTF.
const MOST_PARTS: usize = 0xffff;

/// A function's prototype in BTF of its own.
pub(super) fn prototype(returned: Option<Place>, params: &[Param]) -> Option<(Btf, TypeId)> {
    let mut converter = Converter::new();
    let prototype = converter.reserve(Item::Prototype(returned, params.iter().map(Param::parts).collect()));
    Some((converter.finish()?, TypeId(prototype)))
}

/// The type that an entry describes.
pub(super) fn type_at(place: &Place) -> Option<Type> {
    let mut converter = Converter::new();
    let id = converter.id(Some(place));
    let types = types_of(converter.finish()?);
    Some(types.of(TypeId(id))).filter(|ty| *ty != Type::Void)
}

impl Param {
    fn parts(&self) -> (String, Option<Place>) {
        (self.name.clone(), self.ty.clone())
    }
}

/// A type that has a number and is not written yet.
enum Item {
    Entry(Place),
    /// What an array of several dimensions has in each of its elements, and the dimensions.
    Rows(Option<Place>, Vec<u32>),
    Prototype(Option<Place>, Vec<(String, Option<Place>)>),
}

struct Converter {
    writer: Writer,
    numbers: HashMap<(usize, usize), u32>,
    waiting: VecDeque<Item>,
    /// The number for the next item.
    next: u32,
    /// What arrays are indexed with.
    int: u32,
}

impl Converter {
    fn new() -> Self {
        let mut writer = Writer::new();
        let int = writer.int("int", 4);
        Self { next: writer.next, writer, numbers: HashMap::new(), waiting: VecDeque::new(), int }
    }

    fn reserve(&mut self, item: Item) -> u32 {
        self.waiting.push_back(item);
        self.next += 1;
        self.next - 1
    }

    /// The number of the type at a place; no place is `void`.
    fn id(&mut self, place: Option<&Place>) -> u32 {
        let Some(place) = place else { return 0 };
        if let Some(known) = self.numbers.get(&place.key()) {
            return *known;
        }
        if self.next > MOST_TYPES || place.entry().is_none_or(|entry| entry.tag() == gimli::DW_TAG_unspecified_type) {
            return 0;
        }
        let number = self.reserve(Item::Entry(place.clone()));
        self.numbers.insert(place.key(), number);
        number
    }

    fn finish(mut self) -> Option<Btf> {
        while let Some(item) = self.waiting.pop_front() {
            let number = self.writer.next;
            match item {
                Item::Entry(place) => self.entry(&place),
                Item::Rows(element, lengths) => self.array(element, &lengths),
                Item::Prototype(returned, params) => self.prototype(returned.as_ref(), &params),
            }
            debug_assert_eq!(self.writer.next, number + 1, "each item is one type");
        }
        self.writer.read().ok()
    }

    fn prototype(&mut self, returned: Option<&Place>, params: &[(String, Option<Place>)]) {
        let returned = self.id(returned);
        let params = &params[..params.len().min(MOST_PARTS)];
        let rows: Vec<u32> =
            params.iter().flat_map(|(name, ty)| [self.writer.name(name), self.id(ty.as_ref())]).collect();
        self.writer.add(Kind::FuncProto, "", params.len() as u32, returned, &rows);
    }

    fn array(&mut self, element: Option<Place>, lengths: &[u32]) {
        let (length, rest) = lengths.split_first().map_or((0, &[][..]), |(length, rest)| (*length, rest));
        let element = match rest {
            [] => self.id(element.as_ref()),
            rest => self.reserve(Item::Rows(element, rest.to_vec())),
        };
        self.writer.add(Kind::Array, "", 0, 0, &[element, self.int, length]);
    }

    /// Writes the type that an entry describes.
    fn entry(&mut self, place: &Place) {
        let entry = place.entry().unwrap_or_default();
        let name = place.file.name(&place.unit, &entry).unwrap_or_default();
        let target = entry.attr_value(gimli::DW_AT_type);
        let target = target.and_then(|value| place.file.referred(&place.unit, &value));
        let refers = |this: &mut Self, kind, name: &str| {
            let target = this.id(target.as_ref());
            this.writer.add(kind, name, 0, target, &[])
        };
        match entry.tag() {
            gimli::DW_TAG_base_type => self.base(&entry, &name),
            gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_reference_type
            | gimli::DW_TAG_rvalue_reference_type
            | gimli::DW_TAG_ptr_to_member_type => refers(self, Kind::Ptr, ""),
            gimli::DW_TAG_typedef => refers(self, Kind::Typedef, &name),
            gimli::DW_TAG_const_type => refers(self, Kind::Const, ""),
            gimli::DW_TAG_volatile_type => refers(self, Kind::Volatile, ""),
            gimli::DW_TAG_restrict_type => refers(self, Kind::Restrict, ""),
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type => {
                self.aggregate(Kind::Struct, place, &entry, &name)
            }
            gimli::DW_TAG_union_type => self.aggregate(Kind::Union, place, &entry, &name),
            gimli::DW_TAG_enumeration_type => self.enumeration(place, &entry, &name),
            gimli::DW_TAG_array_type => {
                let mut lengths = Vec::new();
                children(place, |child| {
                    if child.tag() == gimli::DW_TAG_subrange_type {
                        lengths.push(length(child));
                    }
                });
                self.array(target, &lengths);
                self.writer.next - 1
            }
            gimli::DW_TAG_subroutine_type => {
                let mut params = Vec::new();
                children(place, |child| {
                    if child.tag() == gimli::DW_TAG_formal_parameter {
                        let ty = child.attr_value(gimli::DW_AT_type);
                        params.push((String::new(), ty.and_then(|ty| place.file.referred(&place.unit, &ty))));
                    }
                });
                self.prototype(target.as_ref(), &params);
                self.writer.next - 1
            }
            // Such as C11's `_Atomic`; what else there is has no values that can be read.
            _ => refers(self, Kind::Typedef, &name),
        };
    }

    fn base(&mut self, entry: &Entry, name: &str) -> u32 {
        let bytes = number(entry, gimli::DW_AT_byte_size).unwrap_or(0).min(16) as u32;
        let encoding = match entry.attr_value(gimli::DW_AT_encoding) {
            Some(Value::Encoding(encoding)) => encoding,
            _ => gimli::DW_ATE_unsigned,
        };
        match encoding {
            gimli::DW_ATE_float | gimli::DW_ATE_complex_float | gimli::DW_ATE_decimal_float => {
                self.writer.add(Kind::Float, name, 0, bytes, &[])
            }
            _ if bytes == 0 => self.writer.add(Kind::Typedef, name, 0, 0, &[]),
            encoding => {
                let flags = match encoding {
                    gimli::DW_ATE_boolean => BOOL,
                    gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => SIGNED,
                    _ => 0,
                };
                self.writer.add(Kind::Int, name, 0, bytes, &[(flags << 24) | (bytes * 8)])
            }
        }
    }

    fn aggregate(&mut self, kind: Kind, place: &Place, entry: &Entry, name: &str) -> u32 {
        if entry.has_attr(gimli::DW_AT_declaration) {
            let flag = if kind == Kind::Union { FLAG } else { 0 };
            return self.writer.add(Kind::Fwd, name, flag, 0, &[]);
        }
        let size = number(entry, gimli::DW_AT_byte_size).unwrap_or(0);
        let mut members = Vec::new();
        children(place, |child| members.extend(member(place, child)));
        members.truncate(MOST_PARTS);
        // With bit-fields a member's word has less room for its place.
        let has_bits = members.iter().any(|member: &Member| member.bits > 0);
        let rows: Vec<u32> = members
            .iter()
            .flat_map(|member| {
                let at = if has_bits { (member.bits << 24) | (member.at & 0xff_ffff) } else { member.at };
                [self.writer.name(&member.name), self.id(Some(&member.ty)), at]
            })
            .collect();
        let flag = if has_bits { FLAG } else { 0 };
        self.writer.add(kind, name, members.len() as u32 | flag, u32::try_from(size).unwrap_or(0), &rows)
    }

    fn enumeration(&mut self, place: &Place, entry: &Entry, name: &str) -> u32 {
        let mut values: Vec<(String, i64)> = Vec::new();
        children(place, |child| {
            if child.tag() == gimli::DW_TAG_enumerator
                && let Some(value) = child.attr(gimli::DW_AT_const_value)
                && let Some(value) = value.sdata_value().or_else(|| value.udata_value().map(|value| value as i64))
            {
                values.push((place.file.name(&place.unit, child).unwrap_or_default(), value));
            }
        });
        values.truncate(MOST_PARTS);
        let size = number(entry, gimli::DW_AT_byte_size).unwrap_or(4) as u32;
        let signed = if values.iter().any(|(_, value)| *value < 0) { FLAG } else { 0 };
        let info = values.len() as u32 | signed;
        match size {
            8 => {
                let rows: Vec<u32> = values
                    .iter()
                    .flat_map(|(name, value)| [self.writer.name(name), *value as u32, (*value >> 32) as u32])
                    .collect();
                self.writer.add(Kind::Enum64, name, info, size, &rows)
            }
            _ => {
                let rows: Vec<u32> =
                    values.iter().flat_map(|(name, value)| [self.writer.name(name), *value as u32]).collect();
                self.writer.add(Kind::Enum, name, info, size, &rows)
            }
        }
    }
}

/// `BTF_INT_SIGNED` and `BTF_INT_BOOL`.
const SIGNED: u32 = 1;
const BOOL: u32 = 4;

/// A member of a structure.
struct Member {
    name: String,
    ty: Place,
    /// In bits.
    at: u32,
    /// How many it has, if it is a bit-field.
    bits: u32,
}

/// A member, or what a class is derived from, which has no name.
fn member(place: &Place, entry: &Entry) -> Option<Member> {
    if !matches!(entry.tag(), gimli::DW_TAG_member | gimli::DW_TAG_inheritance)
        || entry.has_attr(gimli::DW_AT_external)
        || entry.has_attr(gimli::DW_AT_declaration)
    {
        return None;
    }
    let ty = place.file.referred(&place.unit, &entry.attr_value(gimli::DW_AT_type)?)?;
    let bits = number(entry, gimli::DW_AT_bit_size).unwrap_or(0);
    // A union's need not say that they begin where it does.
    let byte = match entry.attr(gimli::DW_AT_data_member_location) {
        Some(at) => at.udata_value()?,
        None => 0,
    };
    let at = match (number(entry, gimli::DW_AT_data_bit_offset), number(entry, gimli::DW_AT_bit_offset)) {
        (Some(bit), _) => bit,
        // Up to DWARF 3 it counts from the most significant bit of the storage, whose size is that of the type.
        (None, Some(bit)) => {
            let own = number(entry, gimli::DW_AT_byte_size);
            let storage = own.or_else(|| number(&ty.entry()?, gimli::DW_AT_byte_size))?;
            (byte * 8 + storage * 8).checked_sub(bit + bits)?
        }
        (None, None) => byte.checked_mul(8)?,
    };
    let name = place.file.name(&place.unit, entry).unwrap_or_default();
    Some(Member { name, ty, at: u32::try_from(at).ok()?, bits: u32::try_from(bits).ok().filter(|bits| *bits <= 64)? })
}

/// The length of an array's dimension; 0 if it is not known.
fn length(range: &Entry) -> u32 {
    let count = number(range, gimli::DW_AT_count);
    let bound = || number(range, gimli::DW_AT_upper_bound)?.checked_add(1);
    count.or_else(bound).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn number(entry: &Entry, name: gimli::DwAt) -> Option<u64> {
    entry.attr(name)?.udata_value()
}

/// Calls `look` on each entry directly below the one at a place.
fn children(place: &Place, mut look: impl FnMut(&Entry)) {
    let Ok(mut entries) = place.unit.entries_at_offset(place.at) else { return };
    let Ok(Some(parent)) = entries.next_dfs() else { return };
    if !parent.has_children() {
        return;
    }
    let depth = parent.depth();
    let mut child = entries.next_dfs();
    while let Ok(Some(entry)) = child
        && entry.depth() > depth
    {
        look(entry);
        child = entries.next_sibling();
    }
}
