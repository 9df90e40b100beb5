//! Types as C source: declarations, and definitions that a compiler would lay out as the kernel's compiler did.
//!
//! The form is the one of `bpftool btf dump format c`, which people know from `vmlinux.h`: a star stands by the name,
//! anonymous types are written out where they are used, and holes in a struct are closed by unnamed bitfields.

use std::fmt::Write;

use super::{Btf, BtfError, Kind, Malformed, Type, TypeId};

/// How deep types may nest, and how many pointers, arrays and qualifiers one declaration may have.
const DEPTH: u32 = 64;

/// How many types one answer may look at: in a malformed file types can contain each other without end.
const BUDGET: u32 = 1 << 16;

/// How long an answer may become.
const LONGEST: usize = 1 << 20;

/// Bits in a byte.
const BYTE: u64 = 8;

/// Bytes of a pointer, to which nothing is aligned more.
const WORD: u64 = 8;

/// The types that fill holes, largest first, and their bits.
const FILLERS: [(&str, u64); 4] = [("long", 64), ("int", 32), ("short", 16), ("char", 8)];

impl Btf {
    /// The declaration of `name` with this type; with an empty `name` the type alone, `struct file *`.
    ///
    /// # Errors
    /// If the file is malformed where the type leads.
    pub fn c_declaration(&self, id: TypeId, name: &str) -> Result<String, BtfError> {
        let mut writer = Writer::new(self);
        writer.declare(id, name, 0, DEPTH)?;
        Ok(writer.text)
    }

    /// The definition of a struct, union or enum, without a semicolon. Errors as [`Btf::c_declaration`].
    pub fn c_definition(&self, id: TypeId) -> Result<String, BtfError> {
        let mut writer = Writer::new(self);
        let ty = self.type_at(id)?;
        writer.define(ty, 0, DEPTH)?;
        Ok(writer.text)
    }
}

struct Writer<'b> {
    btf: &'b Btf,
    text: String,
    budget: u32,
}

impl<'b> Writer<'b> {
    fn new(btf: &'b Btf) -> Self {
        Self { btf, text: String::new(), budget: BUDGET }
    }

    /// Pays for a look at a type.
    fn spend(&mut self, id: TypeId, depth: u32) -> Result<(), BtfError> {
        if depth == 0 || self.budget == 0 || self.text.len() > LONGEST {
            return Err(Malformed { what: "types without end, from type", at: id.0 }.into());
        }
        self.budget -= 1;
        Ok(())
    }

    fn declare(&mut self, id: TypeId, name: &str, level: usize, depth: u32) -> Result<(), BtfError> {
        let mut chain = Vec::new();
        let mut at = id;
        loop {
            self.spend(id, depth.min(DEPTH.saturating_sub(chain.len() as u32)))?;
            let ty = self.btf.type_at(at)?;
            chain.push(ty);
            let inner = match ty.kind {
                Kind::Ptr | Kind::FuncProto | Kind::TypeTag => ty.target(),
                Kind::Const | Kind::Volatile | Kind::Restrict => ty.target(),
                Kind::Array => ty.array().map(|array| array.element),
                _ => None,
            };
            match inner {
                Some(inner) => at = inner,
                None => break,
            }
        }
        self.unwind(&mut chain, name, level, depth)
    }

    /// Writes a chain of types from its innermost, which stands first in C, to the name.
    fn unwind(&mut self, chain: &mut Vec<Type<'b>>, name: &str, level: usize, depth: u32) -> Result<(), BtfError> {
        let mut after_star = true;
        while let Some(ty) = chain.pop() {
            match ty.kind {
                Kind::Ptr => self.text.push_str(if after_star { "*" } else { " *" }),
                Kind::Const | Kind::Volatile | Kind::Restrict => {
                    self.text.push(' ');
                    self.text.push_str(qualifier(ty.kind));
                }
                Kind::TypeTag => {
                    self.leading_qualifiers(chain);
                    let _ = write!(self.text, " __attribute__((btf_type_tag(\"{}\")))", ty.name());
                }
                Kind::Array => {
                    // An array has no qualifiers of its own.
                    drop_qualifiers(chain);
                    let count = ty.array().map_or(0, |array| array.len);
                    let Some(outer) = chain.last() else {
                        self.name(name, after_star);
                        let _ = write!(self.text, "[{count}]");
                        return Ok(());
                    };
                    let (open, close) = if outer.kind == Kind::Array { ("", "") } else { ("(", ")") };
                    if !name.is_empty() && !after_star {
                        self.text.push(' ');
                    }
                    self.text.push_str(open);
                    self.unwind(chain, name, level, depth)?;
                    let _ = write!(self.text, "{close}[{count}]");
                    return Ok(());
                }
                Kind::FuncProto => {
                    drop_qualifiers(chain);
                    if chain.is_empty() {
                        self.name(name, after_star);
                    } else {
                        self.text.push_str(" (");
                        self.unwind(chain, name, level, depth)?;
                        self.text.push(')');
                    }
                    return self.params(ty, level, depth - 1);
                }
                _ => {
                    self.leading_qualifiers(chain);
                    match (ty.name(), ty.kind) {
                        ("", Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64) => {
                            self.define(ty, level, depth - 1)?;
                        }
                        (name, kind) => {
                            self.text.push_str(keyword(&ty));
                            self.text.push_str(if kind == Kind::Void { "void" } else { name });
                        }
                    }
                }
            }
            after_star = ty.kind == Kind::Ptr;
        }
        self.name(name, after_star);
        Ok(())
    }

    fn name(&mut self, name: &str, after_star: bool) {
        if !name.is_empty() && !after_star {
            self.text.push(' ');
        }
        self.text.push_str(name);
    }

    /// Qualifiers of the type that comes next stand before it.
    fn leading_qualifiers(&mut self, chain: &mut Vec<Type<'b>>) {
        while let Some(ty) = chain.pop_if(|ty| is_qualifier(ty)) {
            self.text.push_str(qualifier(ty.kind));
            self.text.push(' ');
        }
    }

    fn params(&mut self, proto: Type<'b>, level: usize, depth: u32) -> Result<(), BtfError> {
        let params: Vec<_> = proto.params().collect();
        self.text.push('(');
        match params.as_slice() {
            [] => self.text.push_str("void"),
            [only] if only.type_id == TypeId::VOID => self.text.push_str("void"),
            params => {
                for (index, param) in params.iter().enumerate() {
                    if index > 0 {
                        self.text.push_str(", ");
                    }
                    if index + 1 == params.len() && param.type_id == TypeId::VOID {
                        self.text.push_str("...");
                    } else {
                        self.declare(param.type_id, param.name, level, depth)?;
                    }
                }
            }
        }
        self.text.push(')');
        Ok(())
    }

    fn define(&mut self, ty: Type<'b>, level: usize, depth: u32) -> Result<(), BtfError> {
        self.spend(ty.id, depth)?;
        match ty.kind {
            Kind::Struct | Kind::Union => self.define_struct(ty, level, depth),
            _ => {
                self.define_enum(ty, level);
                Ok(())
            }
        }
    }

    fn head(&mut self, ty: &Type<'b>) {
        self.text.push_str(keyword(ty).trim_end());
        if !ty.name().is_empty() {
            self.text.push(' ');
            self.text.push_str(ty.name());
        }
    }

    fn line(&mut self, level: usize) {
        self.text.push('\n');
        (0..level).for_each(|_| self.text.push('\t'));
    }

    fn define_struct(&mut self, ty: Type<'b>, level: usize, depth: u32) -> Result<(), BtfError> {
        let is_struct = ty.kind == Kind::Struct;
        let packed = is_struct && self.is_packed(ty, depth)?;
        let bytes = u64::from(ty.byte_size().unwrap_or(0));
        self.head(&ty);
        self.text.push_str(" {");
        let (mut end, mut in_bits, mut has_members) = (0, false, false);
        for member in ty.members() {
            has_members = true;
            let (start, width) = self.btf.bit_field(member.type_id, u64::from(member.bit_offset), member.bit_size);
            let align = if packed { 1 } else { self.align(member.type_id, depth - 1)? };
            self.fill(end, start, align, in_bits && width.is_some(), level + 1);
            self.line(level + 1);
            self.declare(member.type_id, member.name, level + 1, depth - 1)?;
            if let Some(width) = width {
                let _ = write!(self.text, ": {width}");
            }
            self.text.push(';');
            in_bits = width.is_some();
            let size = || Ok::<_, BtfError>(self.btf.size_of(member.type_id)?.unwrap_or(0).saturating_mul(BYTE));
            end = start.saturating_add(width.map_or_else(size, |width| Ok(u64::from(width)))?);
        }
        if is_struct {
            let align = if packed { 1 } else { self.align(ty.id, depth)? };
            self.fill(end, bytes * BYTE, align, false, level + 1);
        }
        if has_members || bytes > 0 {
            self.line(level);
        }
        self.text.push('}');
        if packed {
            self.text.push_str(" __attribute__((packed))");
        }
        Ok(())
    }

    /// Closes the hole between two bits, as far as a compiler would not leave it by itself.
    fn fill(&mut self, from: u64, to: u64, next_align: u64, in_bits: bool, level: usize) {
        if from >= to {
            return;
        }
        let up = |value: u64, to: u64| value.div_ceil(to.max(1)) * to.max(1);
        // The largest type whose boundary comes before the end of the hole brings us there by its alignment alone.
        let fits = FILLERS.iter().find(|(_, bits)| up(from, *bits) <= to);
        let (word, bits) = *fits.unwrap_or(&FILLERS[FILLERS.len() - 1]);
        let boundary = up(from, bits);
        let mut at = from;
        if boundary > from && boundary <= to {
            // It must be said if what comes next would not go there, or would fit in before the boundary.
            let unsaid = match boundary == to {
                true => up(from, next_align * BYTE) == boundary,
                false => to - boundary > boundary - from,
            };
            if in_bits || !unsaid {
                self.line(level);
                let _ = write!(self.text, "{word}: {};", if in_bits { boundary - from } else { 0 });
            }
            at = boundary;
        }
        while at < to {
            let rest = to - at;
            let (word, bits) = match rest >= bits {
                true => (word, bits),
                // What is left goes into the smallest type that holds it.
                false => {
                    let smallest = FILLERS.iter().rev().find(|(_, bits)| *bits >= rest);
                    (smallest.map_or(word, |(word, _)| word), rest)
                }
            };
            // A hole beyond all sense is a malformed file's; `spend` will say so.
            if self.text.len() > LONGEST {
                return;
            }
            self.line(level);
            let _ = write!(self.text, "{word}: {bits};");
            at += bits;
        }
    }

    fn define_enum(&mut self, ty: Type<'b>, level: usize) {
        self.head(&ty);
        let mut values = ty.enumerators().peekable();
        if values.peek().is_none() {
            return;
        }
        self.text.push_str(" {");
        let signed = ty.is_signed_enum();
        let (mut large, wide) = (false, ty.kind == Kind::Enum64);
        for value in values {
            self.line(level + 1);
            let number = value.value;
            large |= number as u64 >> 32 != 0;
            let _ = match signed {
                true => write!(self.text, "{} = {number}", value.name),
                false => write!(self.text, "{} = {}", value.name, number as u64),
            };
            self.text.push_str(match (wide, signed) {
                (false, _) => ",",
                (true, true) => "LL,",
                (true, false) => "ULL,",
            });
        }
        self.line(level);
        self.text.push('}');
        match ty.byte_size() {
            Some(1) => self.text.push_str(" __attribute__((mode(byte)))"),
            // A value that needs the size makes the compiler choose it.
            Some(8) if !large => self.text.push_str(" __attribute__((mode(word)))"),
            _ => {}
        }
    }

    /// The alignment that a type has by itself; 1 for a struct that can only be packed.
    fn align(&mut self, id: TypeId, depth: u32) -> Result<u64, BtfError> {
        self.spend(id, depth)?;
        let ty = self.btf.resolve(id)?;
        if let Some(array) = ty.array() {
            return self.align(array.element, depth - 1);
        }
        match ty.kind {
            Kind::Ptr => Ok(WORD),
            Kind::Struct | Kind::Union => {
                let bytes = u64::from(ty.byte_size().unwrap_or(0));
                match self.members_align(ty, depth)? {
                    Some(align) if bytes.is_multiple_of(align) => Ok(align),
                    _ => Ok(1),
                }
            }
            _ => Ok(ty.byte_size().map_or(1, u64::from).clamp(1, WORD)),
        }
    }

    /// The strictest alignment of a struct's members; `None` if one does not lie where it should.
    fn members_align(&mut self, ty: Type<'b>, depth: u32) -> Result<Option<u64>, BtfError> {
        let mut most = 1;
        for member in ty.members() {
            let align = self.align(member.type_id, depth - 1)?;
            most = most.max(align);
            if member.bit_size.is_none() && !u64::from(member.bit_offset).is_multiple_of(align * BYTE) {
                return Ok(None);
            }
        }
        Ok(Some(most))
    }

    fn is_packed(&mut self, ty: Type<'b>, depth: u32) -> Result<bool, BtfError> {
        let bytes = u64::from(ty.byte_size().unwrap_or(0));
        Ok(self.members_align(ty, depth)?.is_none_or(|align| !bytes.is_multiple_of(align)))
    }
}

fn is_qualifier(ty: &Type<'_>) -> bool {
    matches!(ty.kind, Kind::Const | Kind::Volatile | Kind::Restrict)
}

fn drop_qualifiers(chain: &mut Vec<Type<'_>>) {
    while chain.pop_if(|ty| is_qualifier(ty)).is_some() {}
}

fn qualifier(kind: Kind) -> &'static str {
    match kind {
        Kind::Const => "const",
        Kind::Volatile => "volatile",
        _ => "restrict",
    }
}

/// What stands before a type's name, with its blank.
fn keyword(ty: &Type<'_>) -> &'static str {
    match ty.kind {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum | Kind::Enum64 => "enum ",
        Kind::Fwd if ty.is_union_declaration() => "union ",
        Kind::Fwd => "struct ",
        _ => "",
    }
}
