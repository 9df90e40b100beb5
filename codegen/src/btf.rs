//! A writer of BTF, the kernel's type format, and of the `.BTF.ext` section that goes with a program.
//!
//! It knows the few kinds that describing a program takes. Types are numbered from 1 in the order of their making, and
//! a type can refer to any number, so the caller makes the parts first. Strings are stored once.

use hashbrown::HashMap;

/// A type, by its number. `VOID` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// No type: what `void *` points to.
    pub const VOID: TypeId = TypeId(0);
}

/// How far a name is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Within the object. The kernel verifies such a function at each call.
    Static = 0,
    /// Everywhere. The kernel verifies such a function once, for arguments it knows nothing of.
    Global = 1,
}

const MAGIC: u16 = 0xeb9f;
const HEADER: u32 = 24;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;

/// The BTF of an object, as far as it is written.
#[derive(Debug)]
pub struct Btf {
    types: Vec<u8>,
    count: u32,
    strings: Vec<u8>,
    known: HashMap<String, u32>,
}

impl Default for Btf {
    fn default() -> Self {
        Btf::new()
    }
}

impl Btf {
    /// No types, and the empty string.
    pub fn new() -> Self {
        Btf { types: Vec::new(), count: 0, strings: vec![0], known: HashMap::from([(String::new(), 0)]) }
    }

    /// The place of a string.
    pub fn string(&mut self, text: &str) -> u32 {
        // A zero byte would end the string, and nothing that is named here contains one.
        let text = text.split('\0').next().unwrap_or_default();
        if let Some(&offset) = self.known.get(text) {
            return offset;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        self.known.insert(text.to_owned(), offset);
        offset
    }

    fn push(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }

    fn start(&mut self, name: &str, kind: u32, length: usize, size_or_type: u32) -> TypeId {
        let name = self.string(name);
        self.push(&[name, kind << 24 | length as u32, size_or_type]);
        self.count += 1;
        TypeId(self.count)
    }

    /// An integer of so many bytes.
    pub fn int(&mut self, name: &str, bytes: u32, is_signed: bool) -> TypeId {
        let id = self.start(name, KIND_INT, 0, bytes);
        self.push(&[(u32::from(is_signed) << 24) | (bytes * 8)]);
        id
    }

    /// A pointer.
    pub fn pointer(&mut self, to: TypeId) -> TypeId {
        self.start("", KIND_PTR, 0, to.0)
    }

    /// An array.
    pub fn array(&mut self, element: TypeId, index: TypeId, length: u32) -> TypeId {
        let id = self.start("", KIND_ARRAY, 0, 0);
        self.push(&[element.0, index.0, length]);
        id
    }

    /// A structure whose members are all pointers, one after the other.
    pub fn struct_of_pointers(&mut self, name: &str, members: &[(&str, TypeId)]) -> TypeId {
        let id = self.start(name, KIND_STRUCT, members.len(), members.len() as u32 * 8);
        for (index, (name, ty)) in (0..).zip(members) {
            let name = self.string(name);
            self.push(&[name, ty.0, index * 64]);
        }
        id
    }

    /// The type of a function.
    pub fn function_type(&mut self, returns: TypeId, params: &[(&str, TypeId)]) -> TypeId {
        let id = self.start("", KIND_FUNC_PROTO, params.len(), returns.0);
        for (name, ty) in params {
            let name = self.string(name);
            self.push(&[name, ty.0]);
        }
        id
    }

    /// A function.
    pub fn function(&mut self, name: &str, linkage: Linkage, ty: TypeId) -> TypeId {
        self.start(name, KIND_FUNC, linkage as usize, ty.0)
    }

    /// A variable.
    pub fn variable(&mut self, name: &str, linkage: Linkage, ty: TypeId) -> TypeId {
        let id = self.start(name, KIND_VAR, 0, ty.0);
        self.push(&[linkage as u32]);
        id
    }

    /// A section with its variables: each one's type, offset and size.
    pub fn section(&mut self, name: &str, size: u32, variables: &[(TypeId, u32, u32)]) -> TypeId {
        let id = self.start(name, KIND_DATASEC, variables.len(), size);
        for (variable, offset, size) in variables {
            self.push(&[variable.0, *offset, *size]);
        }
        id
    }

    /// The contents of the `.BTF` section.
    pub fn finish(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut bytes = header();
        for word in [0, types, types, strings] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}

fn header() -> Vec<u8> {
    let mut bytes = MAGIC.to_ne_bytes().to_vec();
    // Version 1, no flags.
    bytes.extend([1, 0]);
    bytes.extend(HEADER.to_ne_bytes());
    bytes
}

/// What `.BTF.ext` says of one program section.
#[derive(Clone, Debug, Default)]
pub struct SectionInfo {
    /// The place of the section's name.
    pub name: u32,
    /// Where each function begins (in bytes), and its number.
    pub functions: Vec<(u32, TypeId)>,
    /// Where each line begins (in bytes).
    pub lines: Vec<LineInfo>,
}

/// A line of the source.
#[derive(Clone, Copy, Debug)]
pub struct LineInfo {
    /// In bytes from the start of the section.
    pub at: u32,
    /// The place of the file's name.
    pub file: u32,
    /// The place of the line's text.
    pub text: u32,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
}

/// The contents of the `.BTF.ext` section.
pub fn extension(sections: &[SectionInfo]) -> Vec<u8> {
    let functions = records(sections, 2, |section| section.functions.iter().map(|(at, ty)| vec![*at, ty.0]).collect());
    let lines = records(sections, 4, |section| {
        section.lines.iter().map(|line| vec![line.at, line.file, line.text, position(line)]).collect()
    });
    let mut bytes = header();
    for word in [0, functions.len() as u32, functions.len() as u32, lines.len() as u32] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(functions);
    bytes.extend(lines);
    bytes
}

/// Line and column share a word: 22 bits and 10.
fn position(line: &LineInfo) -> u32 {
    line.line.min((1 << 22) - 1) << 10 | line.column.min((1 << 10) - 1)
}

/// One of the tables: the size of a record, then for each section that has any, its name, their number, and they.
fn records(sections: &[SectionInfo], words: u32, of: impl Fn(&SectionInfo) -> Vec<Vec<u32>>) -> Vec<u8> {
    let mut table = vec![words * 4];
    for section in sections {
        let records = of(section);
        if !records.is_empty() {
            table.extend([section.name, records.len() as u32]);
            table.extend(records.into_iter().flatten());
        }
    }
    if table.len() == 1 {
        // A table without records is no table: the kernel takes an empty one for damage.
        return Vec::new();
    }
    table.into_iter().flat_map(u32::to_ne_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_stored_once() {
        let mut btf = Btf::new();
        assert_eq!(btf.string(""), 0);
        assert_eq!(btf.string("int"), 1);
        assert_eq!(btf.string("ctx"), 5);
        assert_eq!(btf.string("int"), 1);
    }

    #[test]
    fn the_header_says_where_things_are() {
        let mut btf = Btf::new();
        let int = btf.int("int", 4, true);
        assert_eq!(int, TypeId(1));
        let bytes = btf.finish();
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([word(4), word(8), word(12), word(16), word(20)], [24, 0, 16, 16, 5]);
        assert_eq!(bytes.len(), 24 + 16 + 5);
    }
}
