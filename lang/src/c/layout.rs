//! Where the members of a structure lie: the rules of gcc and clang on x86-64 and aarch64.
//!
//! A [`Plan`] is a type whose structures are numbers, so that a structure may have pointers to itself; [`Plans`] turns
//! them into [`Type`]s one level at a time, when somebody looks.

use super::number::Facts;
use crate::ast::TypeTag;
use crate::ctypes::{Bits, Enum, Member, Struct};
use crate::types::{AddressSpace, IntType, Type};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// A resolved type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// Nothing in it is the script's own.
    Ready(Type),
    /// `char`: arrays of it are texts.
    Char,
    /// That many bytes that are no number of the language.
    Opaque(u32),
    Pointer(Box<Plan>),
    Array(Box<Plan>, u32),
    /// An index into [`Plans::records`].
    Record(usize),
    /// A structure that is nowhere defined; pointers to it are fine.
    Incomplete(String),
    /// With an alignment of its own.
    Aligned(Box<Plan>, u32),
}

/// A structure or union.
#[derive(Clone, Debug)]
pub(super) struct RecordPlan {
    pub(super) name: String,
    /// By a tag or a typedef.
    pub(super) named: bool,
    pub(super) size: u32,
    pub(super) align: u32,
    pub(super) members: Vec<MemberPlan>,
}

pub(super) type EnumPlan = Arc<Enum>;

/// A member.
#[derive(Clone, Debug)]
pub(super) struct MemberPlan {
    pub(super) name: String,
    pub(super) plan: Plan,
    pub(super) offset: u32,
    pub(super) bits: Option<Bits>,
}

/// All types of a script.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// None where an error was found.
    pub(super) records: Vec<Option<RecordPlan>>,
    pub(super) enums: Vec<Option<EnumPlan>>,
    /// Indices into `records` or `enums`.
    pub(super) tags: HashMap<(TypeTag, String), usize>,
    pub(super) typedefs: HashMap<String, Plan>,
    /// Types that the script names with their tags and nobody defines: `struct NAME`.
    pub(super) incomplete: HashSet<String>,
    pub(super) constants: HashMap<String, (i64, Type)>,
}

impl Plans {
    /// The type that `plan` stands for.
    pub(super) fn ty(self: &Arc<Self>, plan: &Plan) -> Type {
        match plan {
            Plan::Ready(ty) => ty.clone(),
            Plan::Char => Type::Int(IntType { bits: 8, signed: true }),
            Plan::Opaque(_) => Type::Void,
            Plan::Pointer(to) => Type::Pointer(Box::new(self.ty(to)), AddressSpace::Either),
            Plan::Array(of, length) if is_char(of) && *length > 0 => Type::Str(*length),
            Plan::Array(of, length) => Type::Array(Box::new(self.ty(of)), *length),
            Plan::Record(index) => self.record(*index).map_or(Type::Void, Type::Struct),
            Plan::Incomplete(_) => Type::Void,
            Plan::Aligned(of, _) => self.ty(of),
        }
    }

    /// A structure whose members are made when somebody asks.
    pub(super) fn record(self: &Arc<Self>, index: usize) -> Option<Arc<Struct>> {
        let record = self.records.get(index)?.as_ref()?;
        let plans = Arc::clone(self);
        let members = move || plans.members(index);
        Some(Struct::new(record.name.clone(), record.size, record.align, members))
    }

    fn members(self: &Arc<Self>, index: usize) -> Vec<Member> {
        let Some(Some(record)) = self.records.get(index) else { return Vec::new() };
        let member = |member: &MemberPlan| Member {
            name: member.name.clone(),
            ty: self.ty(&member.plan),
            offset: member.offset,
            bits: member.bits,
        };
        record.members.iter().map(member).collect()
    }
}

fn is_char(plan: &Plan) -> bool {
    match plan {
        Plan::Char => true,
        Plan::Aligned(of, _) => is_char(of),
        _ => false,
    }
}

/// Lays out one structure or union, member by member.
pub(super) struct Layout {
    is_union: bool,
    packed: bool,
    /// Bits taken so far.
    at: u64,
    /// Bits of the longest member of a union.
    longest: u64,
    align: u64,
    members: Vec<MemberPlan>,
}

/// On aarch64 a bit-field without a name counts in its structure's alignment.
const NAMELESS_BITS_ALIGN: bool = cfg!(target_arch = "aarch64");

impl Layout {
    /// With the attributes of the whole.
    pub(super) fn new(is_union: bool, packed: bool, align: Option<u32>) -> Self {
        let align = align.unwrap_or(1).into();
        Self { is_union, packed, at: 0, longest: 0, align, members: Vec::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.at.max(self.longest).div_ceil(8)
    }

    /// Takes `bits` at the next place that `align`, in bits, allows; gives the place.
    fn take(&mut self, bits: u64, align: u64) -> u64 {
        let place = if self.is_union { 0 } else { self.at.next_multiple_of(align) };
        self.at = place + bits;
        self.longest = self.longest.max(self.at);
        place
    }

    /// The next member.
    pub(super) fn member(&mut self, name: &str, plan: Plan, facts: Facts, packed: bool, aligned: Option<u32>) {
        let natural = if self.packed || packed { 1 } else { facts.align };
        let align = natural.max(aligned.unwrap_or(1).into());
        let place = self.take(facts.size * 8, align * 8);
        self.align = self.align.max(align);
        self.members.push(MemberPlan { name: name.to_owned(), plan, offset: (place / 8) as u32, bits: None });
    }

    /// A bit-field: behind the last one's bits, unless it would lie across a boundary of its type.
    pub(super) fn bits(&mut self, name: &str, plan: Plan, facts: Facts, width: u8, packed: bool, aligned: Option<u32>) {
        let packed = self.packed || packed;
        let (unit, wide) = (facts.align * 8, u64::from(width));
        let asked: u64 = aligned.unwrap_or(1).into();
        if width == 0 {
            self.take(0, unit.max(asked * 8));
            if NAMELESS_BITS_ALIGN {
                self.align = self.align.max(facts.align);
            }
            return;
        }
        let mut align = if asked > 1 { asked * 8 } else { 1 };
        let start = self.at.next_multiple_of(align);
        let crosses = (start % unit + wide).div_ceil(unit) > (facts.size * 8).div_ceil(unit);
        if !packed && !self.is_union && crosses {
            align = align.max(unit);
        }
        let place = self.take(wide, align);
        if !name.is_empty() || NAMELESS_BITS_ALIGN {
            let natural = if packed { 1 } else { facts.align };
            self.align = self.align.max(natural).max(asked);
        }
        if !name.is_empty() {
            self.members.push(bit_member(name, plan, facts.size, place, width));
        }
    }

    /// Ends it.
    pub(super) fn finish(self, name: String, named: bool) -> RecordPlan {
        let size = self.bytes().next_multiple_of(self.align) as u32;
        RecordPlan { name, named, size, align: self.align as u32, members: self.members }
    }
}

/// A bit-field at a bit of its structure, in the storage of its type that holds it.
fn bit_member(name: &str, plan: Plan, size: u64, place: u64, width: u8) -> MemberPlan {
    let member = |plan, offset: u64, shift: u64| MemberPlan {
        name: name.to_owned(),
        plan,
        offset: offset as u32,
        bits: Some(Bits { shift: shift as u8, width }),
    };
    let wide = u64::from(width);
    let offset = place / (size * 8) * size;
    let shift = place - offset * 8;
    if shift + wide <= size * 8 {
        return member(plan, offset, shift);
    }
    // Only where packing puts it across a boundary: read from the byte that it begins in.
    let (offset, shift) = (place / 8, place % 8);
    if shift + wide <= size * 8 {
        return member(plan, offset, shift);
    }
    // Its type is too narrow to hold what lies before it, too.
    let signed = matches!(plan, Plan::Ready(Type::Int(IntType { signed: true, .. })) | Plan::Char);
    let bits = (shift + wide).next_power_of_two().min(64) as u8;
    member(Plan::Ready(Type::Int(IntType { bits, signed })), offset, shift)
}
