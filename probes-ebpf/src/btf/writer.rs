//! Writing BTF: type information that came in another form, such as a program's DWARF, is read as BTF from then on.

use super::{Btf, Kind, MAGIC, Malformed};
use std::collections::HashMap;

/// In the word with a type's kind: `kind_flag`, which changes what the rest of the type means.
pub(crate) const FLAG: u32 = 1 << 31;

/// Builds the bytes of a BTF file, type by type.
#[derive(Clone, Default)]
pub(crate) struct Writer {
    pub(super) types: Vec<u8>,
    strings: Vec<u8>,
    /// Each string is there once: a reader looks for the first with the right letters.
    known: HashMap<String, u32>,
    /// The number that the next type will have.
    pub(crate) next: u32,
    first_string: u32,
}

impl Writer {
    /// An empty file.
    pub(crate) fn new() -> Writer {
        Writer { strings: vec![0], next: 1, ..Writer::default() }
    }

    /// Continues `base`.
    #[cfg(test)]
    pub(crate) fn split(base: &Btf) -> Writer {
        let next = base.end_id().expect("a good base");
        Writer { next, first_string: base.strings_end(), ..Writer::default() }
    }

    /// The place of a string.
    pub(crate) fn name(&mut self, name: &str) -> u32 {
        // One with a zero in it would be two.
        if name.is_empty() || name.contains('\0') {
            return 0;
        }
        if let Some(at) = self.known.get(name) {
            return *at;
        }
        let at = self.first_string + self.strings.len() as u32;
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        self.known.insert(name.to_owned(), at);
        at
    }

    /// Adds a type and gives its number; `vlen` with [`FLAG`] if it is to be set, `rows` are the words after the first
    /// three.
    pub(crate) fn add(&mut self, kind: Kind, name: &str, vlen: u32, word: u32, rows: &[u32]) -> u32 {
        let name = self.name(name);
        let info = (kind as u32) << 24 | vlen;
        for word in [name, info, word].iter().chain(rows) {
            self.types.extend(word.to_ne_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    /// Adds a signed integer.
    pub(crate) fn int(&mut self, name: &str, bytes: u32) -> u32 {
        self.add(Kind::Int, name, 0, bytes, &[(1 << 24) | (8 * bytes)])
    }

    /// Adds a struct or union of (name, type, offset word); `flag` is [`FLAG`] or 0.
    #[cfg(test)]
    pub(crate) fn aggregate(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        flag: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let rows: Vec<u32> =
            members.iter().flat_map(|(name, type_id, offset)| [self.name(name), *type_id, *offset]).collect();
        self.add(kind, name, members.len() as u32 | flag, size, &rows)
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let header = [
            u32::from(MAGIC) | 1 << 16,
            24,
            0,
            self.types.len() as u32,
            self.types.len() as u32,
            self.strings.len() as u32,
        ];
        let header = header.iter().flat_map(|word| word.to_ne_bytes());
        header.chain(self.types.iter().copied()).chain(self.strings.iter().copied()).collect()
    }

    /// The file, as one that was read.
    pub(crate) fn read(&self) -> Result<Btf, Malformed> {
        Btf::new(super::source::Source::Bytes(self.bytes()), None)
    }

    #[cfg(test)]
    pub(crate) fn btf(&self) -> Btf {
        self.read().expect("a good file")
    }
}
