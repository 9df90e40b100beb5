//! One type of a BTF file, as a view that reads the file's bytes.

use super::{Btf, EXTRA, Malformed, TypeId, kind_bits, vlen_bits, word};

/// What a type is. The numbers are those of `include/uapi/linux/btf.h` (`BTF_KIND_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `void`, which is in no file and has the id 0.
    Void = 0,
    /// An integer; `char` and `bool` too.
    Int = 1,
    /// A pointer.
    Ptr = 2,
    /// An array.
    Array = 3,
    /// A struct with its members.
    Struct = 4,
    /// A union with its members.
    Union = 5,
    /// An enum whose values have up to 32 bits.
    Enum = 6,
    /// A struct or union that is only declared.
    Fwd = 7,
    /// A typedef.
    Typedef = 8,
    /// `volatile`.
    Volatile = 9,
    /// `const`.
    Const = 10,
    /// `restrict`.
    Restrict = 11,
    /// A function; its target is the prototype.
    Func = 12,
    /// A prototype; its target is the return type.
    FuncProto = 13,
    /// A variable.
    Var = 14,
    /// A section of variables.
    Datasec = 15,
    /// A floating-point number.
    Float = 16,
    /// A note on a declaration, such as `bpf_kfunc`.
    DeclTag = 17,
    /// A note on a type, such as `__user` or `__rcu`.
    TypeTag = 18,
    /// An enum whose values have 64 bits.
    Enum64 = 19,
}

const KINDS: [Kind; 20] = [
    Kind::Void,
    Kind::Int,
    Kind::Ptr,
    Kind::Array,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Typedef,
    Kind::Volatile,
    Kind::Const,
    Kind::Restrict,
    Kind::Func,
    Kind::FuncProto,
    Kind::Var,
    Kind::Datasec,
    Kind::Float,
    Kind::DeclTag,
    Kind::TypeTag,
    Kind::Enum64,
];

/// A type in a BTF file.
///
/// The methods that belong to some kinds only give `None`, or nothing to iterate over, for others.
#[derive(Debug, Clone, Copy)]
pub struct Type<'a> {
    /// Its id.
    pub id: TypeId,
    /// Its kind.
    pub kind: Kind,
    btf: &'a Btf,
    name: u32,
    info: u32,
    /// The word that is a size for some kinds and a type for others.
    size_or_type: u32,
    /// What follows the type's first 12 bytes.
    extra: &'a [u8],
}

/// Bits of an integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integer {
    /// Whether it is signed.
    pub signed: bool,
    /// Whether it is a `char` that holds text. Compilers rarely say so: go by the name too.
    pub is_char: bool,
    /// Whether it is a `bool`.
    pub is_bool: bool,
    /// Bits it has. Less than 8 times its size only in bitfields of the old encoding.
    pub bits: u8,
    /// Bits before it in its bytes, likewise 0 but for the old encoding.
    pub bit_offset: u8,
}

/// The parts of an array type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array {
    /// What it is an array of.
    pub element: TypeId,
    /// The type of its index.
    pub index: TypeId,
    /// The number of elements; 0 for a flexible array at a struct's end.
    pub len: u32,
}

/// A member of a struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name; empty for an anonymous struct, union or padding.
    pub name: &'a str,
    /// Its type.
    pub type_id: TypeId,
    /// Bits from the beginning of the struct.
    pub bit_offset: u32,
    /// The width in bits if it is a bitfield. (Files of the old encoding, from before 5.0, say it in the type.)
    pub bit_size: Option<u8>,
}

/// A parameter of a prototype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name; often empty in prototypes of function pointers.
    pub name: &'a str,
    /// Its type; void, with an empty name, for the `...` of a variadic function, where it is the last.
    pub type_id: TypeId,
}

/// A value of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enumerator<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, extended to 64 bits by the enum's signedness.
    pub value: i64,
}

/// A variable in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The id of its `Var`.
    pub type_id: TypeId,
    /// Bytes from the section's beginning.
    pub offset: u32,
    /// Bytes it has.
    pub size: u32,
}

/// `void`.
pub(super) fn void(btf: &Btf) -> Type<'_> {
    Type { id: TypeId::VOID, kind: Kind::Void, btf, name: 0, info: 0, size_or_type: 0, extra: &[] }
}

/// The type `id` of `btf` at an offset in its type section.
pub(super) fn read(btf: &Btf, id: TypeId, at: u32) -> Result<Type<'_>, Malformed> {
    let malformed = |what| Malformed { what, at: id.0 };
    let bytes = btf.type_bytes().get(at as usize..).unwrap_or_default();
    let field = |at| word(bytes, at).ok_or(malformed("type cut short"));
    let (name, info, size_or_type) = (field(0)?, field(4)?, field(8)?);
    let kind = kind_bits(info) as usize;
    let (Some(kind), Some((once, each))) = (KINDS.get(kind), EXTRA.get(kind)) else {
        return Err(malformed("type of an unknown kind"));
    };
    if name >= btf.strings_end() && name != 0 {
        return Err(malformed("name outside the strings"));
    }
    let end = 12 + *once as usize + *each as usize * vlen_bits(info) as usize;
    let extra = bytes.get(12..end).ok_or(malformed("type cut short"))?;
    Ok(Type { id, kind: *kind, btf, name, info, size_or_type, extra })
}

impl<'a> Type<'a> {
    /// Its name; empty if it has none.
    pub fn name(&self) -> &'a str {
        self.btf.string(self.name)
    }

    /// The file it is in, for resolving what it refers to.
    pub fn btf(&self) -> &'a Btf {
        self.btf
    }

    /// Its size in bytes, for the kinds that have one of their own; [`Btf::size_of`] works out the others'.
    pub fn byte_size(&self) -> Option<u32> {
        use Kind::*;
        matches!(self.kind, Int | Struct | Union | Enum | Enum64 | Float | Datasec).then_some(self.size_or_type)
    }

    /// What it refers to: a pointer's pointee, a typedef's, qualifier's or variable's type, a function's prototype, a
    /// prototype's return type. An array's element is in [`Type::array`].
    pub fn target(&self) -> Option<TypeId> {
        use Kind::*;
        let refers = matches!(
            self.kind,
            Ptr | Typedef | Volatile | Const | Restrict | Func | FuncProto | Var | DeclTag | TypeTag
        );
        refers.then_some(TypeId(self.size_or_type))
    }

    /// Whether it only qualifies its target: const, volatile, restrict, or a tag on the type.
    pub fn is_modifier(&self) -> bool {
        matches!(self.kind, Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag)
    }

    /// Whether a declared-only type is a union. (A struct otherwise.)
    pub fn is_union_declaration(&self) -> bool {
        self.kind == Kind::Fwd && self.flag()
    }

    /// Whether an enum's values are signed. Kernels before 6.0 did not say and are taken to mean no.
    pub fn is_signed_enum(&self) -> bool {
        matches!(self.kind, Kind::Enum | Kind::Enum64) && self.flag()
    }

    /// The parts of an integer.
    pub fn integer(&self) -> Option<Integer> {
        let encoding = self.extra_word(Kind::Int, 0)?;
        Some(Integer {
            signed: encoding >> 24 & 1 != 0,
            is_char: encoding >> 24 & 2 != 0,
            is_bool: encoding >> 24 & 4 != 0,
            bit_offset: (encoding >> 16) as u8,
            bits: encoding as u8,
        })
    }

    /// The parts of an array.
    pub fn array(&self) -> Option<Array> {
        let part = |at| self.extra_word(Kind::Array, at);
        Some(Array { element: TypeId(part(0)?), index: TypeId(part(4)?), len: part(8)? })
    }

    /// The members of a struct or union, in order.
    pub fn members(&self) -> impl Iterator<Item = Member<'a>> + use<'a> {
        let (btf, flag) = (self.btf, self.flag());
        self.parts(matches!(self.kind, Kind::Struct | Kind::Union)).map(move |[name, type_id, offset]| {
            // With the flag, the upper 8 bits of the offset are a bitfield's width.
            let (bit_offset, width) = if flag { (offset & 0x00ff_ffff, (offset >> 24) as u8) } else { (offset, 0) };
            let bit_size = (width != 0).then_some(width);
            Member { name: btf.string(name), type_id: TypeId(type_id), bit_offset, bit_size }
        })
    }

    /// The parameters of a prototype, in order.
    pub fn params(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let btf = self.btf;
        self.parts(self.kind == Kind::FuncProto)
            .map(move |[name, type_id]| Param { name: btf.string(name), type_id: TypeId(type_id) })
    }

    /// The values of an enum, in order.
    pub fn enumerators(&self) -> impl Iterator<Item = Enumerator<'a>> + use<'a> {
        let (btf, signed) = (self.btf, self.is_signed_enum());
        let narrow = self.parts(self.kind == Kind::Enum).map(move |[name, value]| {
            let value = if signed { i64::from(value as i32) } else { i64::from(value) };
            Enumerator { name: btf.string(name), value }
        });
        let wide = self.parts(self.kind == Kind::Enum64).map(move |[name, low, high]| Enumerator {
            name: btf.string(name),
            value: (u64::from(high) << 32 | u64::from(low)) as i64,
        });
        narrow.chain(wide)
    }

    /// The variables of a section.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + use<'a> {
        self.parts(self.kind == Kind::Datasec).map(|[type_id, offset, size]| Variable {
            type_id: TypeId(type_id),
            offset,
            size,
        })
    }

    /// Whether a function can be called from other files (`BTF_FUNC_GLOBAL`), rather than being static.
    pub fn is_global_function(&self) -> bool {
        self.kind == Kind::Func && vlen_bits(self.info) == 1
    }

    /// Which parameter or member a tag on a declaration is for; `None` if for the whole.
    pub fn tagged_component(&self) -> Option<u32> {
        self.extra_word(Kind::DeclTag, 0).filter(|component| *component != u32::MAX)
    }

    /// The members of a struct or union whose name is `name`, without making each name a string first.
    pub(super) fn members_named<'n>(&self, name: &'n str) -> impl Iterator<Item = Member<'a>> + use<'a, 'n> {
        self.members().filter(move |member| member.name == name)
    }

    /// The value of an enum whose name is the string at this offset, which is quicker to compare than the string.
    pub(super) fn enumerator_named_at(&self, name: u32) -> Option<Enumerator<'a>> {
        let names_it = |row: &[u8]| word(row, 0) == Some(name);
        let position = match self.kind {
            Kind::Enum => self.extra.chunks_exact(8).position(names_it),
            Kind::Enum64 => self.extra.chunks_exact(12).position(names_it),
            _ => None,
        };
        self.enumerators().nth(position?)
    }

    fn flag(&self) -> bool {
        self.info >> 31 != 0
    }

    fn extra_word(&self, kind: Kind, at: usize) -> Option<u32> {
        if self.kind == kind { word(self.extra, at) } else { None }
    }

    /// What follows the type, as rows of `N` words; nothing if the type has no such rows.
    fn parts<const N: usize>(&self, has_them: bool) -> impl Iterator<Item = [u32; N]> + use<'a, N> {
        let bytes = if has_them { self.extra } else { &[] };
        bytes.chunks_exact(4 * N).map(|row| std::array::from_fn(|column| word(row, 4 * column).unwrap_or(0)))
    }
}
