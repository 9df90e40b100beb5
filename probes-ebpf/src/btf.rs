//! BTF, the kernel's description of its own types: a reader that costs little when little is asked.
//!
//! A kernel's BTF is some 5 MB with over 100,000 types, and a script needs a handful of them. So opening maps the
//! file and looks at its header only; the first question that needs it builds one table, the place of each type by
//! its id; and a type is a borrowed view that reads its bytes when asked. Nothing is allocated per type. A name is
//! first sought as text in the string section, where names stand once each, and then only numbers are compared.
//!
//! Every input is doubted: files may be cut, ids wild, typedefs circular. Then there is an error, never a panic, and
//! each walk is bounded. What is kept out: relocation, and what C types mean to the language.
//!
//! The format: Documentation/bpf/btf.rst, `include/uapi/linux/btf.h`.

mod definition;
mod layout;
mod source;
mod spelling;
mod view;
mod writer;

pub use layout::FieldAt;
pub use view::{Array, Enumerator, Integer, Kind, Member, Param, Type, Variable};
pub(crate) use writer::{FLAG, Writer};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use memchr::memmem;
use source::Source;

/// Where the kernel shows the BTF of itself (`vmlinux`) and of its modules.
const DIRECTORY: &str = "/sys/kernel/btf";

/// `BTF_MAGIC` in the machine's byte order.
const MAGIC: u16 = 0xeb9f;

/// The number by which BTF and the bpf system call know a type. 0 is `void`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`, which is in no file.
    pub const VOID: TypeId = TypeId(0);
}

/// What went wrong with BTF.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// There is none.
    #[error("no type information at {}: {}", path.display(), absent(path))]
    Absent {
        /// Where it would be.
        path: PathBuf,
    },
    /// It could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It was read, and is wrong.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

fn absent(path: &Path) -> &'static str {
    match path.ends_with("vmlinux") {
        true => "the kernel was built without CONFIG_DEBUG_INFO_BTF",
        false => "the module is not loaded, or was built without BTF",
    }
}

/// A place where BTF is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed BTF: {what} ({at})")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where: a byte offset in the section that `what` names, or the id of a type.
    pub at: u32,
}

/// One BTF file, or a module's together with the one it builds on.
#[derive(Debug)]
pub struct Btf {
    source: Source,
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
    base: Option<Base>,
    /// The offset of each type in the type section, without `void` and without the base's. Built when first needed.
    index: OnceLock<Result<Vec<u32>, Malformed>>,
}

/// What a split BTF continues: its ids and string offsets count on from the base's.
#[derive(Debug)]
struct Base {
    btf: Arc<Btf>,
    first_id: u32,
    first_string: u32,
}

impl Btf {
    /// Opens the running kernel's.
    ///
    /// # Errors
    /// [`BtfError::Absent`] on kernels without it, [`BtfError::Io`], and [`BtfError::Malformed`] for a bad header.
    pub fn vmlinux() -> Result<Btf, BtfError> {
        let source = Source::open(&Path::new(DIRECTORY).join("vmlinux"))?;
        Ok(Btf::new(source, None)?)
    }

    /// Whether the kernel has BTF.
    pub fn is_there() -> bool {
        Path::new(DIRECTORY).join("vmlinux").exists()
    }

    /// Opens the BTF of a loaded module, which builds on the kernel's. Errors as [`Btf::vmlinux`].
    pub fn module(name: &str, base: &Arc<Btf>) -> Result<Btf, BtfError> {
        let path = Path::new(DIRECTORY).join(name);
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(BtfError::Absent { path });
        }
        Ok(Btf::new(Source::open(&path)?, Some(base))?)
    }

    /// The loaded modules that have BTF. Empty if the kernel shows none.
    pub fn modules() -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(DIRECTORY) else {
            return Vec::new();
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name != "vmlinux").collect()
    }

    /// Takes bytes as they are in a file.
    ///
    /// # Errors
    /// If the header is wrong. What follows it is looked at when needed.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Btf, BtfError> {
        Ok(Btf::new(Source::Bytes(bytes), None)?)
    }

    /// Takes the bytes of split BTF, which continues `base`. Errors as [`Btf::from_bytes`], and if `base` is wrong.
    pub fn from_bytes_with_base(bytes: Vec<u8>, base: &Arc<Btf>) -> Result<Btf, BtfError> {
        Ok(Btf::new(Source::Bytes(bytes), Some(base))?)
    }

    fn new(source: Source, base: Option<&Arc<Btf>>) -> Result<Btf, Malformed> {
        let bytes = source.bytes();
        let (types, strings) = parse_header(bytes)?;
        let text = &bytes[strings.clone()];
        if base.is_none() && text.first() != Some(&0) || text.last().is_some_and(|last| *last != 0) {
            return Err(Malformed { what: "string section without its zeros", at: 0 });
        }
        let base = match base {
            None => None,
            Some(btf) => Some(Base { btf: btf.clone(), first_id: btf.end_id()?, first_string: btf.strings_end() }),
        };
        // Offsets of strings are 32 bits wide, whichever file of the two they point into.
        let before = base.as_ref().map_or(0, |base| base.first_string);
        if before.checked_add(strings.len() as u32).is_none() {
            return Err(Malformed { what: "more strings than offsets reach, after", at: before });
        }
        Ok(Btf { source, types, strings, base, index: OnceLock::new() })
    }

    /// The first type of `kind` called `name`; in split BTF its own come before the base's.
    ///
    /// # Errors
    /// If the type section is malformed.
    pub fn find(&self, kind: Kind, name: &str) -> Result<Option<TypeId>, BtfError> {
        self.find_any(&[kind], name)
    }

    /// The first type of one of `kinds` called `name`. Errors as [`Btf::find`].
    pub fn find_any(&self, kinds: &[Kind], name: &str) -> Result<Option<TypeId>, BtfError> {
        let Some(needle) = Needle::new(name) else {
            return Ok(None);
        };
        let wanted = kinds.iter().fold(0_u32, |set, kind| set | 1 << *kind as u32);
        self.find_needle(wanted, &needle)
    }

    fn find_needle(&self, wanted: u32, needle: &Needle) -> Result<Option<TypeId>, BtfError> {
        if let Some(name_offset) = self.string_offset(needle) {
            let types = self.type_bytes();
            let found = self.index()?.iter().position(|at| {
                let at = *at as usize;
                word(types, at) == Some(name_offset)
                    && word(types, at + 4).is_some_and(|info| wanted & 1 << kind_bits(info) != 0)
            });
            if let Some(position) = found {
                return Ok(Some(TypeId(self.first_id() + position as u32)));
            }
        }
        match &self.base {
            Some(base) => base.btf.find_needle(wanted, needle),
            None => Ok(None),
        }
    }

    /// Whether anything has this name, whatever it is. Types are not looked at, which would take 2 ms and 1 MB.
    pub fn mentions(&self, name: &str) -> bool {
        Needle::new(name).is_some_and(|needle| self.string_offset(&needle).is_some())
    }

    /// The enumerator called `name`, in whichever enum it is, with that enum's id. Errors as [`Btf::find`].
    pub fn find_enumerator(&self, name: &str) -> Result<Option<(TypeId, Enumerator<'_>)>, BtfError> {
        let Some(needle) = Needle::new(name) else {
            return Ok(None);
        };
        if let Some(at) = self.string_offset(&needle) {
            for ty in self.types_of(&[Kind::Enum, Kind::Enum64])? {
                if let Some(found) = ty.enumerator_named_at(at) {
                    return Ok(Some((ty.id, found)));
                }
            }
        }
        match &self.base {
            Some(base) => base.btf.find_enumerator(name),
            None => Ok(None),
        }
    }

    /// The types of the given kinds, in the file's order, for listings: functions, structs. Not the base's.
    ///
    /// # Errors
    /// If the type section is malformed.
    pub fn types_of(&self, kinds: &[Kind]) -> Result<impl Iterator<Item = Type<'_>>, BtfError> {
        let wanted = kinds.iter().fold(0_u32, |set, kind| set | 1 << *kind as u32);
        let (types, first) = (self.type_bytes(), self.first_id());
        let index = self.index()?.iter().enumerate();
        Ok(index
            .filter(move |(_, at)| {
                word(types, **at as usize + 4).is_some_and(|info| wanted & 1 << kind_bits(info) != 0)
            })
            .filter_map(move |(position, at)| view::read(self, TypeId(first + position as u32), *at).ok()))
    }

    /// The type with this id.
    ///
    /// # Errors
    /// If there is no such type, or the type section is malformed.
    pub fn type_at(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        if id == TypeId::VOID {
            return Ok(view::void(self));
        }
        if let Some(base) = &self.base
            && id.0 < base.first_id
        {
            // The view must resolve names and ids as the base does, which it can: all of them are the base's own.
            return base.btf.type_at(id);
        }
        let missing = Malformed { what: "no type with id", at: id.0 };
        let at = *self.index()?.get((id.0 - self.first_id()) as usize).ok_or(missing)?;
        Ok(view::read(self, id, at)?)
    }

    /// One more than the highest id.
    ///
    /// # Errors
    /// If the type section is malformed.
    pub fn end_id(&self) -> Result<u32, Malformed> {
        Ok(self.first_id() + self.index()?.len() as u32)
    }

    /// The string at an offset; empty if there is none or it is no text. (Names of types are C identifiers.)
    fn string(&self, offset: u32) -> &str {
        match &self.base {
            Some(base) if offset < base.first_string => base.btf.string(offset),
            _ => {
                let from = (offset - self.first_string()) as usize;
                let text = self.string_bytes().get(from..).unwrap_or_default();
                let end = memchr::memchr(0, text).unwrap_or(0);
                std::str::from_utf8(&text[..end]).unwrap_or_default()
            }
        }
    }

    /// Where a name stands in the strings, the base's included.
    fn string_offset(&self, needle: &Needle) -> Option<u32> {
        let inherited = self.base.as_ref().and_then(|base| base.btf.string_offset(needle));
        inherited.or_else(|| Some(self.first_string() + needle.find_in(self.string_bytes())?))
    }

    fn index(&self) -> Result<&[u32], Malformed> {
        match self.index.get_or_init(|| index_types(self.type_bytes())) {
            Ok(index) => Ok(index),
            Err(malformed) => Err(*malformed),
        }
    }

    fn type_bytes(&self) -> &[u8] {
        &self.source.bytes()[self.types.clone()]
    }

    fn string_bytes(&self) -> &[u8] {
        &self.source.bytes()[self.strings.clone()]
    }

    /// The id of the first type of this file itself; those before it are the base's.
    pub(crate) fn first_id(&self) -> u32 {
        self.base.as_ref().map_or(1, |base| base.first_id)
    }

    fn first_string(&self) -> u32 {
        self.base.as_ref().map_or(0, |base| base.first_string)
    }

    fn strings_end(&self) -> u32 {
        self.first_string() + self.strings.len() as u32
    }
}

/// A name between zeros, as it stands in a string section.
struct Needle(Vec<u8>);

impl Needle {
    /// `None` for what cannot be a name, and so is that of nothing.
    fn new(name: &str) -> Option<Needle> {
        if name.is_empty() || name.contains('\0') {
            return None;
        }
        Some(Needle([b"\0", name.as_bytes(), b"\0"].concat()))
    }

    /// The offset of the name.
    ///
    /// Those who write BTF (pahole, resolve_btfids, libbpf) store each string once and do not let one share the end
    /// of another, so the first whole match is the only one.
    fn find_in(&self, strings: &[u8]) -> Option<u32> {
        // A split section need not begin with a zero.
        if strings.starts_with(&self.0[1..]) {
            return Some(0);
        }
        memmem::find(strings, &self.0).map(|at| at as u32 + 1)
    }
}

/// Checks the header and gives the places of types and strings.
fn parse_header(bytes: &[u8]) -> Result<(std::ops::Range<usize>, std::ops::Range<usize>), Malformed> {
    let malformed = |what| Malformed { what, at: 0 };
    let field = |at| word(bytes, at).map(|value| value as usize).ok_or(malformed("header cut short"));
    let magic = bytes.first_chunk().map(|magic| u16::from_ne_bytes(*magic));
    if magic == Some(MAGIC.swap_bytes()) {
        return Err(malformed("byte order of another machine"));
    }
    if magic != Some(MAGIC) || bytes.get(2) != Some(&1) {
        return Err(malformed("not BTF of version 1"));
    }
    let header_len = field(4)?;
    let section = |offset, len| -> Result<_, Malformed> {
        let from = header_len.checked_add(field(offset)?);
        let to = from.and_then(|from| from.checked_add(field(len).ok()?));
        match (from, to) {
            (Some(from), Some(to)) if to <= bytes.len() => Ok(from..to),
            _ => Err(malformed("section outside the file")),
        }
    };
    if header_len < 24 || bytes.len() > u32::MAX as usize {
        return Err(malformed("header of a wrong size"));
    }
    Ok((section(8, 12)?, section(16, 20)?))
}

/// How many bytes follow a type's 12, by kind: (once, for each of its `vlen` parts).
const EXTRA: [(u32, u32); 20] = [
    (0, 0),  // void, which no type is
    (4, 0),  // int: encoding
    (0, 0),  // ptr
    (12, 0), // array: element, index, length
    (0, 12), // struct: name, type, offset
    (0, 12), // union
    (0, 8),  // enum: name, value
    (0, 0),  // fwd
    (0, 0),  // typedef
    (0, 0),  // volatile
    (0, 0),  // const
    (0, 0),  // restrict
    (0, 0),  // func: vlen is its linkage
    (0, 8),  // func_proto: name, type
    (4, 0),  // var: linkage
    (0, 12), // datasec: type, offset, size
    (0, 0),  // float
    (4, 0),  // decl_tag: component
    (0, 0),  // type_tag
    (0, 12), // enum64: name, low half, high half
];

/// Finds where each type begins. Types have no common size, so this reads them all, but only 8 bytes of each.
fn index_types(types: &[u8]) -> Result<Vec<u32>, Malformed> {
    // The average type of a kernel has 25 bytes. Too small a guess costs a copy of the table, too large one nothing,
    // as memory that is not written is not there.
    let mut index = Vec::with_capacity(types.len() / 16);
    let mut at = 0;
    while at < types.len() {
        let malformed = |what| Malformed { what, at: at as u32 };
        let info = word(types, at + 4).ok_or(malformed("type section cut short"))?;
        let (once, each) = *EXTRA.get(kind_bits(info) as usize).ok_or(malformed("type of an unknown kind"))?;
        index.push(at as u32);
        at += 12 + once as usize + each as usize * vlen_bits(info) as usize;
    }
    if at > types.len() {
        return Err(Malformed { what: "type section cut short", at: types.len() as u32 });
    }
    Ok(index)
}

/// The kind in a type's `info` word: 5 bits, so that it is a valid shift.
fn kind_bits(info: u32) -> u32 {
    info >> 24 & 0x1f
}

fn vlen_bits(info: u32) -> u32 {
    info & 0xffff
}

/// The u32 at a byte offset, in the machine's byte order.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
pub(crate) mod tests;
