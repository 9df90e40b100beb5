//! What a struct looks like in memory: sizes, and the places of members however deep they hide in anonymous ones.
//!
//! All walks are bounded, since a malformed file can make a type its own part.

use super::{Btf, BtfError, Kind, Malformed, Type, TypeId};

/// How many typedefs, qualifiers and arrays one may be wrapped in, and how deep anonymous members may nest. The
/// kernel's deepest have under ten.
const DEPTH: u32 = 32;

/// How many anonymous members one search may enter. The kernel's largest structs have some hundred.
const ANONYMOUS: u32 = 4096;

/// The size of a pointer in bytes, on every machine whose kernel has BTF that this reads.
const POINTER: u64 = 8;

/// Where a member lies in its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldAt {
    /// Bytes from the beginning of the outermost struct; for a bitfield, to the byte its first bit is in.
    pub offset_bytes: u32,
    /// For a bitfield, the bits of that byte that come before it (0 to 7, from the least significant on
    /// little-endian machines); else 0.
    pub bit_offset: u8,
    /// The width if it is a bitfield.
    pub bit_size: Option<u8>,
    /// The member's type.
    pub type_id: TypeId,
}

impl Btf {
    /// The type under `id`'s qualifiers: const, volatile, restrict and tags, but not typedefs.
    ///
    /// # Errors
    /// If an id is wild or the qualifiers go in a circle.
    pub fn skip_modifiers(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        self.skip(id, |ty| ty.is_modifier())
    }

    /// The type under `id`'s qualifiers and typedefs. Errors as [`Btf::skip_modifiers`].
    pub fn resolve(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        self.skip(id, |ty| ty.is_modifier() || ty.kind == Kind::Typedef)
    }

    fn skip(&self, id: TypeId, skippable: impl Fn(&Type<'_>) -> bool) -> Result<Type<'_>, BtfError> {
        let mut ty = self.type_at(id)?;
        for _ in 0..DEPTH {
            match ty.target() {
                Some(target) if skippable(&ty) => ty = self.type_at(target)?,
                _ => return Ok(ty),
            }
        }
        Err(Malformed { what: "typedefs in a circle, from type", at: id.0 }.into())
    }

    /// The size of a type in bytes; `None` for what has none: void, functions, types only declared.
    ///
    /// # Errors
    /// If an id is wild, types go in a circle, or the size is beyond 64 bits.
    pub fn size_of(&self, id: TypeId) -> Result<Option<u64>, BtfError> {
        let mut count = 1_u64;
        let mut ty = self.resolve(id)?;
        for _ in 0..DEPTH {
            let size = match (ty.kind, ty.array()) {
                (_, Some(array)) => {
                    let too_large = Malformed { what: "array too large, type", at: id.0 };
                    count = count.checked_mul(u64::from(array.len)).ok_or(too_large)?;
                    ty = self.resolve(array.element)?;
                    continue;
                }
                (Kind::Ptr, _) => Some(POINTER),
                (Kind::Var, _) => return self.size_of_variable(ty),
                _ => ty.byte_size().map(u64::from),
            };
            return Ok(size.and_then(|size| size.checked_mul(count)));
        }
        Err(Malformed { what: "arrays in a circle, from type", at: id.0 }.into())
    }

    fn size_of_variable(&self, variable: Type<'_>) -> Result<Option<u64>, BtfError> {
        let target = self.resolve(variable.target().unwrap_or(TypeId::VOID))?;
        if target.kind == Kind::Var {
            return Err(Malformed { what: "variable of a variable, type", at: variable.id.0 }.into());
        }
        self.size_of(target.id)
    }

    /// Where `member` lies in the struct or union called `name` (a typedef of one will do).
    ///
    /// `member` may be a path into embedded structs, `thread_info.status`. Members of anonymous structs and unions
    /// count as the outer struct's, as in C. `None` if there is no such type or no such member.
    ///
    /// # Errors
    /// If the file is malformed where the search leads.
    pub fn member_offset(&self, name: &str, member: &str) -> Result<Option<FieldAt>, BtfError> {
        let aggregate = self.find_any(&[Kind::Struct, Kind::Union], name)?;
        let id = match aggregate {
            None => self.find(Kind::Typedef, name)?,
            found => found,
        };
        id.map_or(Ok(None), |id| self.field_path(id, member.split('.')))
    }

    /// Where a member of a member … of the struct or union `id` lies; each must be embedded, not pointed to.
    ///
    /// `None` if a member does not exist. Errors as [`Btf::member_offset`].
    pub fn field_path<'n>(
        &self,
        id: TypeId,
        path: impl IntoIterator<Item = &'n str>,
    ) -> Result<Option<FieldAt>, BtfError> {
        let mut reached = None::<FieldAt>;
        for name in path {
            let (outer, at) = reached.map_or((id, 0), |field| (field.type_id, field.offset_bytes));
            let Some(inner) = self.field(outer, name)? else {
                return Ok(None);
            };
            let too_far = Malformed { what: "member beyond 4 GiB, type", at: outer.0 };
            let offset_bytes = at.checked_add(inner.offset_bytes).ok_or(too_far)?;
            reached = Some(FieldAt { offset_bytes, ..inner });
        }
        Ok(reached)
    }

    /// Where a member of the struct or union `id` lies; qualifiers and typedefs on `id` are passed over.
    ///
    /// `None` if there is no such member, or `id` has no members. Errors as [`Btf::member_offset`].
    pub fn field(&self, id: TypeId, name: &str) -> Result<Option<FieldAt>, BtfError> {
        if name.is_empty() {
            return Ok(None);
        }
        let mut budget = ANONYMOUS;
        self.field_within(self.resolve(id)?, name, 0, DEPTH, &mut budget)
    }

    fn field_within(
        &self,
        outer: Type<'_>,
        name: &str,
        outer_bits: u64,
        depth: u32,
        budget: &mut u32,
    ) -> Result<Option<FieldAt>, BtfError> {
        // A name of the struct's own is near at hand and cannot be in an anonymous member too, so look there first.
        if let Some(member) = outer.members_named(name).next() {
            return self
                .place(outer, member.type_id, outer_bits + u64::from(member.bit_offset), member.bit_size)
                .map(Some);
        }
        for member in outer.members_named("") {
            let inner = self.resolve(member.type_id)?;
            if !matches!(inner.kind, Kind::Struct | Kind::Union) {
                continue;
            }
            if depth == 0 || *budget == 0 {
                return Err(Malformed { what: "anonymous members without end, type", at: outer.id.0 }.into());
            }
            *budget -= 1;
            let bits = outer_bits + u64::from(member.bit_offset);
            if let Some(found) = self.field_within(inner, name, bits, depth - 1, budget)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn place(&self, outer: Type<'_>, type_id: TypeId, bits: u64, bit_size: Option<u8>) -> Result<FieldAt, BtfError> {
        let (bits, bit_size) = self.bit_field(type_id, bits, bit_size);
        let misplaced = Malformed { what: "member at no whole byte, type", at: outer.id.0 };
        if bit_size.is_none() && bits % 8 != 0 {
            return Err(misplaced.into());
        }
        let offset_bytes = u32::try_from(bits / 8).map_err(|_| misplaced)?;
        Ok(FieldAt { offset_bytes, bit_offset: (bits % 8) as u8, bit_size, type_id })
    }

    /// The first bit of a member and, if it is a bitfield, its width, whichever encoding the file has.
    pub(crate) fn bit_field(&self, type_id: TypeId, bits: u64, bit_size: Option<u8>) -> (u64, Option<u8>) {
        // The old encoding says in the type that it is a bitfield: an int with fewer bits than bytes hold.
        match self.resolve(type_id).ok().and_then(|ty| Some((ty.integer()?, ty.byte_size()?))) {
            Some((integer, size))
                if bit_size.is_none()
                    && u64::from(integer.bits) < 8 * u64::from(size)
                    && (integer.bit_offset != 0 || !bits.is_multiple_of(8) || !integer.bits.is_multiple_of(8)) =>
            {
                (bits + u64::from(integer.bit_offset), Some(integer.bits))
            }
            _ => (bits, bit_size),
        }
    }

    /// The prototype of a function; `None` if there is no such function.
    ///
    /// # Errors
    /// If the file is malformed.
    pub fn func_proto(&self, name: &str) -> Result<Option<Type<'_>>, BtfError> {
        let Some(id) = self.find(Kind::Func, name)? else {
            return Ok(None);
        };
        let proto = self.resolve(self.type_at(id)?.target().unwrap_or(TypeId::VOID))?;
        Ok((proto.kind == Kind::FuncProto).then_some(proto))
    }

    /// The prototype that programs on the raw tracepoint `event` see; `None` if there is none of that name.
    ///
    /// The kernel records it as a pointer under the typedef `btf_trace_<event>`, whose id is what a `tp_btf` program
    /// is loaded with. Its first parameter, `void *`, is the tracepoint's own and is not passed to programs.
    ///
    /// # Errors
    /// If the file is malformed.
    pub fn raw_tracepoint(&self, event: &str) -> Result<Option<(TypeId, Type<'_>)>, BtfError> {
        let Some(id) = self.find(Kind::Typedef, &format!("btf_trace_{event}"))? else {
            return Ok(None);
        };
        let pointer = self.resolve(id)?;
        let Some(target) = pointer.target().filter(|_| pointer.kind == Kind::Ptr) else {
            return Ok(None);
        };
        let proto = self.resolve(target)?;
        Ok((proto.kind == Kind::FuncProto).then_some((id, proto)))
    }
}
