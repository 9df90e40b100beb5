//! The types of the language, made from BTF: the kernel's, a module's, or what a program's debug information gave.
//!
//! A type is made when it is asked for. A structure's members are made on the first look at them, and what they point
//! to or contain is again only opened, so a script that reads one member of `struct task_struct` does not pay for the
//! thousands of structures behind the others. The same BTF id always gives the same structure.
//!
//! Structures refer to each other in circles and each to the file it comes from, so what was made stays until the
//! process ends, as does the kernel's BTF.

use crate::btf::{self, Btf, Kind, TypeId};
use lang::ast::TypeTag;
use lang::ctypes::{Bits, Enum, Member, Struct};
use lang::types::{AddressSpace, IntType, Type};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

pub mod declared;

/// How many pointers and arrays one type may be wrapped in, and structures nested without growing.
const DEPTH: u32 = 32;

/// How many types one question about a structure's layout may look at. Few need more than ten.
const BUDGET: u32 = 4096;

/// Larger than any type that makes sense, and small enough that sums of a few sizes do not overflow.
const LARGEST: u64 = 1 << 30;

/// The types of one BTF file, and of the one it builds on.
pub struct Types {
    btf: Arc<Btf>,
    base: Option<Arc<Types>>,
    /// Whose memory pointers point into if nothing else is said.
    memory: AddressSpace,
    /// Structures, unions and enums by id.
    made: Known<TypeId, Type>,
    /// What was asked for by name: the checker asks again and again.
    named: Known<(Option<TypeTag>, String), Option<Type>>,
    constants: Known<String, Option<(i64, Type)>>,
}

type Known<K, V> = Mutex<HashMap<K, V>>;

impl Types {
    /// The types of the kernel.
    pub fn new(btf: Arc<Btf>) -> Arc<Self> {
        Self::build(btf, None, AddressSpace::Kernel)
    }

    /// The types of a program.
    pub fn of_program(btf: Arc<Btf>) -> Arc<Self> {
        Self::build(btf, None, AddressSpace::User)
    }

    /// The types of a module whose BTF builds on that of `base`; what it shares with it is the same type.
    pub fn of_module(btf: Arc<Btf>, base: &Arc<Types>) -> Arc<Self> {
        Self::build(btf, Some(base.clone()), base.memory)
    }

    fn build(btf: Arc<Btf>, base: Option<Arc<Types>>, memory: AddressSpace) -> Arc<Self> {
        Arc::new(Self {
            btf,
            base,
            memory,
            made: Mutex::default(),
            named: Mutex::default(),
            constants: Mutex::default(),
        })
    }

    /// Where they come from.
    pub fn btf(&self) -> &Arc<Btf> {
        &self.btf
    }

    /// The type with this id; void for what has no values: functions, floating-point numbers, and what is malformed.
    pub fn of(self: &Arc<Self>, id: TypeId) -> Type {
        self.convert(id, DEPTH)
    }

    /// The structure, union or enum of this name, or without a tag the typedef or integer.
    pub fn named(self: &Arc<Self>, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        remember(&self.named, (tag, name.to_owned()), || {
            let kinds: &[Kind] = match tag {
                Some(TypeTag::Struct) => &[Kind::Struct],
                Some(TypeTag::Union) => &[Kind::Union],
                Some(TypeTag::Enum) => &[Kind::Enum, Kind::Enum64],
                None => &[Kind::Typedef, Kind::Int],
            };
            Some(self.of(self.btf.find_any(kinds, name).ok()??))
        })
    }

    /// The value of an enum that has this name, with its enum.
    ///
    /// There is no index of names: to look one up takes some 0.1 ms, and to make an index takes longer than looking up
    /// all the constants of a script.
    pub fn constant(self: &Arc<Self>, name: &str) -> Option<(i64, Type)> {
        remember(&self.constants, name.to_owned(), || {
            let (id, enumerator) = self.btf.find_enumerator(name).ok()??;
            Some((enumerator.value, self.of(id)))
        })
    }

    fn convert(self: &Arc<Self>, id: TypeId, depth: u32) -> Type {
        let Ok(ty) = self.btf.resolve(id) else { return Type::Void };
        if let Some(base) = self.base.as_ref().filter(|_| ty.id.0 < self.btf.first_id()) {
            return base.convert(ty.id, depth);
        }
        match ty.kind {
            _ if depth == 0 => Type::Void,
            Kind::Int => integer(ty),
            Kind::Ptr => {
                let target = ty.target().unwrap_or(TypeId::VOID);
                Type::Pointer(Box::new(self.convert(target, depth - 1)), self.space(target))
            }
            Kind::Array => self.array(ty, depth),
            Kind::Struct | Kind::Union | Kind::Fwd | Kind::Enum | Kind::Enum64 => self.interned(ty),
            Kind::Var => self.convert(ty.target().unwrap_or(TypeId::VOID), depth - 1),
            _ => Type::Void,
        }
    }

    /// Whose memory a pointer to `target` points into: compilers that know type tags note the kernel's `__user`.
    fn space(&self, target: TypeId) -> AddressSpace {
        let mut next = self.btf.type_at(target).ok();
        for _ in 0..DEPTH {
            let Some(ty) = next.filter(|ty| ty.is_modifier()) else { break };
            if ty.kind == Kind::TypeTag && ty.name() == "user" {
                return AddressSpace::User;
            }
            next = ty.target().and_then(|target| self.btf.type_at(target).ok());
        }
        self.memory
    }

    fn array(self: &Arc<Self>, ty: btf::Type<'_>, depth: u32) -> Type {
        let size = self.btf.size_of(ty.id).ok().flatten();
        let (Some(array), Some(_)) = (ty.array(), size.filter(|size| *size <= LARGEST)) else { return Type::Void };
        let is_text = |element: btf::Type<'_>| element.kind == Kind::Int && element.name() == "char";
        // An array without a length is where text begins, not a text without room for a letter.
        if array.len > 0 && self.btf.resolve(array.element).is_ok_and(is_text) {
            return Type::Str(array.len);
        }
        match self.convert(array.element, depth - 1) {
            Type::Void => Type::Void,
            element => Type::Array(Box::new(element), array.len),
        }
    }

    /// The structure, union or enum `ty`, which is this file's own.
    fn interned(self: &Arc<Self>, ty: btf::Type<'_>) -> Type {
        let known = || self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&ty.id).cloned();
        if let Some(known) = known() {
            return known;
        }
        let made = match ty.kind {
            Kind::Enum | Kind::Enum64 => enumeration(ty),
            Kind::Fwd => self.declared_only(ty),
            _ => self.structure(ty),
        };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).entry(ty.id).or_insert(made).clone()
    }

    fn structure(self: &Arc<Self>, ty: btf::Type<'_>) -> Type {
        let size = ty.byte_size().unwrap_or(0);
        if u64::from(size) > LARGEST {
            return Type::Void;
        }
        let tag = if ty.kind == Kind::Union { "union" } else { "struct" };
        let align = alignment(&self.btf, ty.id, DEPTH, &mut BUDGET.clone());
        let (types, id) = (self.clone(), ty.id);
        Type::Struct(Struct::new(tagged(tag, ty.name()), size, align, move || types.members(id)))
    }

    /// A structure that this file only declares: another part of it may define it.
    fn declared_only(self: &Arc<Self>, ty: btf::Type<'_>) -> Type {
        let (kind, tag) = match ty.is_union_declaration() {
            true => (Kind::Union, "union"),
            false => (Kind::Struct, "struct"),
        };
        match self.btf.find(kind, ty.name()) {
            Ok(Some(defined)) => self.convert(defined, 1),
            _ => Type::Struct(Struct::new(tagged(tag, ty.name()), 0, 1, Vec::new)),
        }
    }

    fn members(self: &Arc<Self>, id: TypeId) -> Vec<Member> {
        let Ok(outer) = self.btf.type_at(id) else { return Vec::new() };
        outer.members().filter_map(|member| self.member(outer, member)).collect()
    }

    /// A member as the language has it; `None` where the file says what cannot be.
    fn member(self: &Arc<Self>, outer: btf::Type<'_>, member: btf::Member<'_>) -> Option<Member> {
        let name = member.name.to_owned();
        let ty = self.of(member.type_id);
        let outer_size = outer.byte_size()?;
        let (bit, width) = self.btf.bit_field(member.type_id, u64::from(member.bit_offset), member.bit_size);
        if let Some(width) = width {
            return bit_field(name, ty, bit, width, outer_size);
        }
        let fits = bit % 8 == 0 && bit / 8 + ty.size_of() <= u64::from(outer_size);
        if !fits || self.contains(member.type_id, outer, DEPTH, &mut BUDGET.clone()) {
            return None;
        }
        Some(Member { name, ty, offset: (bit / 8) as u32, bits: None })
    }

    /// Whether `inner` is, or has somewhere in it, the structure `outer`, which no compiler makes. Members that do not
    /// fit are dropped, so only those as large as `outer` can lead there.
    fn contains(&self, inner: TypeId, outer: btf::Type<'_>, depth: u32, budget: &mut u32) -> bool {
        let Ok(mut inner) = self.btf.resolve(inner) else { return true };
        while let Some(array) = inner.array() {
            match self.btf.resolve(array.element) {
                Ok(element) if element.id != inner.id => inner = element,
                _ => return true,
            }
        }
        if !matches!(inner.kind, Kind::Struct | Kind::Union) || inner.byte_size() != outer.byte_size() {
            return false;
        }
        if inner.id == outer.id || depth == 0 || *budget == 0 {
            return true;
        }
        *budget -= 1;
        inner.members().any(|member| self.contains(member.type_id, outer, depth - 1, budget))
    }
}

/// What is under `key`, or else what `make` gives, which is then under `key`.
fn remember<K: Eq + Hash, V: Clone>(known: &Known<K, V>, key: K, make: impl FnOnce() -> V) -> V {
    if let Some(known) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return known.clone();
    }
    let made = make();
    known.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(made).clone()
}

fn tagged(tag: &str, name: &str) -> String {
    match name {
        "" => tag.to_owned(),
        name => format!("{tag} {name}"),
    }
}

fn integer(ty: btf::Type<'_>) -> Type {
    let signed = ty.integer().is_some_and(|integer| integer.signed);
    match ty.byte_size() {
        Some(1) if ty.integer().is_some_and(|integer| integer.is_bool) => Type::Bool,
        Some(size @ (1 | 2 | 4 | 8)) => Type::Int(IntType { bits: (size * 8) as u8, signed }),
        // `__int128`: its halves.
        Some(16) => Type::Array(Box::new(Type::U64), 2),
        _ => Type::Void,
    }
}

fn enumeration(ty: btf::Type<'_>) -> Type {
    let Some(size @ (1 | 2 | 4 | 8)) = ty.byte_size() else { return Type::Void };
    let values = ty.enumerators().map(|enumerator| (enumerator.name.to_owned(), enumerator.value)).collect();
    let int = IntType { bits: (size * 8) as u8, signed: ty.is_signed_enum() };
    Type::Enum(Arc::new(Enum { name: tagged("enum", ty.name()), int, values }))
}

/// A bit-field that begins at the bit `bit` of a structure of `outer_size` bytes and has `width` bits.
fn bit_field(name: String, ty: Type, bit: u64, width: u8, outer_size: u32) -> Option<Member> {
    let own = ty.size_of();
    if !ty.is_scalar() || width == 0 || u64::from(width) > own * 8 {
        return None;
    }
    let (offset, size) = storage(bit, width, own, u64::from(outer_size))?;
    let ty = match size == own {
        true => ty,
        false => Type::Int(IntType { bits: (size * 8) as u8, signed: ty.is_signed() }),
    };
    let bits = Bits { shift: (bit - offset * 8) as u8, width };
    Some(Member { name, ty, offset: offset as u32, bits: Some(bits) })
}

/// Offset and size of the integer that a bit-field is read from: of the field's own type at its natural place if that
/// is within the structure, else of the first size and place that is. Packed structures need others: they may end
/// within the natural one, and a field may straddle two of them.
fn storage(bit: u64, width: u8, own: u64, outer_size: u64) -> Option<(u64, u64)> {
    let end = bit + u64::from(width);
    [own, 1, 2, 4, 8].into_iter().find_map(|size| {
        let places = [Some(bit / (8 * size) * size), Some(bit / 8), outer_size.checked_sub(size)];
        let offset = places
            .into_iter()
            .flatten()
            .find(|offset| offset * 8 <= bit && end <= (offset + size) * 8 && offset + size <= outer_size)?;
        Some((offset, size))
    })
}

/// The alignment of a type, of which BTF says nothing: that of its members, as far as their places and the size agree
/// with it. What was asked for with an attribute is not known.
fn alignment(btf: &Btf, id: TypeId, depth: u32, budget: &mut u32) -> u32 {
    let Ok(ty) = btf.resolve(id) else { return 1 };
    if depth == 0 || *budget == 0 {
        return 1;
    }
    *budget -= 1;
    match (ty.kind, ty.array()) {
        (_, Some(array)) => alignment(btf, array.element, depth - 1, budget),
        (Kind::Ptr, _) => 8,
        (Kind::Struct | Kind::Union, _) => {
            let mut align = 1;
            for member in ty.members() {
                let needed = alignment(btf, member.type_id, depth - 1, budget);
                if btf.bit_field(member.type_id, 0, member.bit_size).1.is_none()
                    && member.bit_offset % (8 * needed) != 0
                {
                    // Packed.
                    return 1;
                }
                align = align.max(needed);
                // Hardly a type has more, and a large structure would be read to its end.
                if align >= 8 {
                    break;
                }
            }
            match ty.byte_size() {
                Some(size) if size % align == 0 => align,
                _ => 1,
            }
        }
        _ => ty.byte_size().filter(|size| size.is_power_of_two() && *size <= 16).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests;
