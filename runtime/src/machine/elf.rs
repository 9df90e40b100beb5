//! The symbols of an ELF file, by the place in the file that is mapped.

use object::elf::PT_LOAD;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectKind, ObjectSymbol, SymbolKind};
use std::fs::File;
use std::io::Read;

/// A file larger than this is not read.
const MOST: u64 = 1 << 30;

/// The functions of a file.
#[derive(Default)]
pub struct Symbols {
    /// Sorted by address: where it begins and ends, and its name.
    functions: Vec<(u64, u64, String)>,
    /// Loaded parts: place in the file, bytes, address.
    segments: Vec<(u64, u64, u64)>,
    /// Loaded where it was linked for.
    is_fixed: bool,
    /// In hexadecimal.
    pub build_id: Option<String>,
}

impl Symbols {
    /// Reads a file; one that is no ELF file has no symbols.
    pub fn read(file: File) -> Self {
        let mut bytes = Vec::new();
        if file.take(MOST).read_to_end(&mut bytes).is_err() {
            return Self::default();
        }
        Self::parse(&bytes).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let file = object::File::parse(bytes).ok()?;
        let mut functions: Vec<(u64, u64, String)> = file
            .symbols()
            .chain(file.dynamic_symbols())
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                Some((symbol.address(), symbol.address() + symbol.size(), name.to_owned()))
            })
            .collect();
        functions.sort_by_key(|(start, end, _)| (*start, *end));
        functions.dedup_by(|later, first| later.0 == first.0 && later.1 == first.1);
        let build_id = file.build_id().ok().flatten();
        let build_id = build_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect());
        let is_fixed = file.kind() == ObjectKind::Executable;
        Some(Self { functions, segments: segments(bytes)?, is_fixed, build_id })
    }

    /// The function at a place in the file, and how far from its beginning that is.
    pub fn at(&self, place: u64) -> Option<(&str, u64)> {
        self.at_address(self.address(place)?)
    }

    /// The function at an address, in a file that is loaded where it was linked for.
    pub fn at_fixed(&self, address: u64) -> Option<(&str, u64)> {
        if self.is_fixed { self.at_address(address) } else { None }
    }

    fn at_address(&self, address: u64) -> Option<(&str, u64)> {
        let end = self.functions.partition_point(|(start, ..)| *start <= address);
        // A function may lie within the range of another; the innermost is the last that begins before.
        let (start, _, name) =
            self.functions[..end].iter().rev().take(8).find(|(start, end, _)| address < *end || start == end)?;
        Some((name, address - start))
    }

    /// The address that a place in the file is linked at.
    fn address(&self, place: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|(offset, size, _)| (*offset..offset + size).contains(&place))?;
        Some(place - segment.0 + segment.2)
    }
}

fn segments(bytes: &[u8]) -> Option<Vec<(u64, u64, u64)>> {
    let header = object::elf::FileHeader64::<object::Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let loaded = header.program_headers(endian, bytes).ok()?.iter().filter(|part| part.p_type(endian) == PT_LOAD);
    Some(loaded.map(|part| (part.p_offset(endian), part.p_filesz(endian), part.p_vaddr(endian))).collect())
}
