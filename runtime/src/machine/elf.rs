//! What an ELF file says of itself: where its parts are loaded, its build id, where its symbols are to be had.
//!
//! Only headers and notes are read, by pread(2).

use object::read::ReadCache;
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectKind, ObjectSection, elf};
use probes_ebpf::separate::Separate;
use std::fs::File;

/// The facts about a file.
#[derive(Debug, Default)]
pub struct Elf {
    /// Loaded parts: place in the file, bytes, address.
    pub segments: Vec<(u64, u64, u64)>,
    /// Loaded where it was linked for.
    pub is_fixed: bool,
    /// What it says of a separate file with its symbols, and the number of its build.
    pub separate: Separate,
    /// All of its symbols are in it.
    pub has_symbols: bool,
    /// Lines of its source are in it.
    pub has_lines: bool,
}

impl Elf {
    /// Reads a file; `None` if it is no ELF file.
    pub fn read(file: File) -> Option<Self> {
        let cache = ReadCache::new(file);
        let ident = object::ReadRef::read_bytes_at(&cache, 0, 5).ok()?;
        match ident {
            [0x7f, b'E', b'L', b'F', elf::ELFCLASS32] => facts::<elf::FileHeader32<Endianness>>(&cache),
            [0x7f, b'E', b'L', b'F', _] => facts::<elf::FileHeader64<Endianness>>(&cache),
            _ => None,
        }
    }

    /// The address that a place in the file is linked at.
    pub fn address(&self, place: u64) -> Option<u64> {
        let holds = |(offset, size, _): &&(u64, u64, u64)| place.checked_sub(*offset).is_some_and(|at| at < *size);
        let (offset, _, address) = self.segments.iter().find(holds)?;
        (place - offset).checked_add(*address)
    }

    /// Whether there is code at an address.
    pub fn holds(&self, address: u64) -> bool {
        let holds = |(_, size, start): &(u64, u64, u64)| address.checked_sub(*start).is_some_and(|at| at < *size);
        self.segments.iter().any(holds)
    }
}

fn facts<Header: FileHeader<Endian = Endianness>>(cache: &ReadCache<File>) -> Option<Elf> {
    let file = ElfFile::<Header, _>::parse(cache).ok()?;
    let endian = file.endian();
    let loaded = file.elf_program_headers().iter().filter(|part| part.p_type(endian) == elf::PT_LOAD);
    let segments =
        loaded.map(|part| (part.p_offset(endian).into(), part.p_filesz(endian).into(), part.p_vaddr(endian).into()));
    // What is left of a section that was moved to another file takes no place in this one.
    let has = |names: &[&str]| names.iter().any(|name| file.section_by_name(name).is_some_and(is_filled));
    Some(Elf {
        segments: segments.collect(),
        is_fixed: file.kind() == ObjectKind::Executable,
        separate: Separate::of(&file),
        has_symbols: has(&[".symtab"]),
        has_lines: has(&[".debug_info", ".zdebug_info"]),
    })
}

fn is_filled<'data>(section: impl ObjectSection<'data>) -> bool {
    section.size() > 0 && section.file_range().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_read() {
        let elf = File::open("/proc/self/exe").ok().and_then(Elf::read).expect("an ELF file");
        assert!(elf.has_symbols && elf.has_lines && !elf.segments.is_empty());
        let (offset, size, address) = elf.segments[0];
        assert_eq!(
            (elf.address(offset), elf.holds(address), elf.holds(address.wrapping_sub(1))),
            (Some(address), true, false)
        );
        assert_eq!(elf.address(u64::MAX), None);
        assert!(size > 0);
    }

    #[test]
    fn other_files_have_no_facts() {
        assert!(File::open("/proc/self/status").ok().and_then(Elf::read).is_none());
        assert!(File::open("/dev/null").ok().and_then(Elf::read).is_none());
    }
}
