//! Programs and libraries: their functions, and where an address lies in the file.
//!
//! Only headers and symbol tables are read, by pread(2): a file that is cut short meanwhile is an error, where a
//! mapping of it would end the process. `.symtab` names more functions and is asked first; stripped files still have
//! `.dynsym`.

use crate::archive::Member;
use crate::dwarf;
use crate::go;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{ReadCache, ReadRef, StringTable};
use object::{Endianness, elf};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a file could not be read as a program or library.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It could not be opened.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no ELF file, or a broken one.
    #[error("not an ELF file that can be read: {0}")]
    Malformed(#[from] object::read::Error),
    /// Its words have 32 bits, which matters for what is asked of it.
    #[error("usdt probes of 32-bit programs are not supported")]
    Narrow,
    /// Its debug information is broken.
    #[error("debug information that cannot be read: {0}")]
    Debug(#[from] gimli::Error),
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// The virtual address it is linked for.
    pub address: u64,
    /// In bytes; 0 where its author does not say.
    pub size: u64,
    /// Not the function, but what chooses one of several when the program starts.
    pub is_indirect: bool,
}

/// The parts of a program or library that probes need.
#[derive(Debug)]
pub struct Binary {
    segments: Vec<Segment>,
    /// Where in the file it begins: 0 but in an archive.
    start: u64,
    tables: Vec<Table>,
    /// It has all its symbols, not only those that it offers to others.
    has_symtab: bool,
    /// Where code written in Go lies, if there is any.
    go_code: Option<Range<u64>>,
}

/// A part of the file that is mapped for running it.
#[derive(Debug)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
    executable: bool,
}

#[derive(Debug)]
struct Table {
    /// By the offset of their names.
    functions: Vec<(u32, Function)>,
    names: Vec<u8>,
}

impl Binary {
    /// Reads the headers and symbols of a file. Of a stripped one, the symbols in the file with its debug information, if
    /// that is in one of `folders` or where distributions keep it.
    ///
    /// # Errors
    /// If the file itself cannot be read.
    pub fn open(path: &Path, folders: &[PathBuf]) -> Result<Binary, BinaryError> {
        let mut binary = Self::read(path)?;
        if !binary.has_symtab
            && let Some(separate) = dwarf::separate_file(path, folders)
            && let Ok(symbols) = Self::read(&separate)
        {
            binary.tables.splice(..0, symbols.tables);
            // Only with all symbols it is known which part is Go's.
            binary.go_code = binary.go_code.and_then(|all| symbols.go_code.or(Some(all)));
        }
        Ok(binary)
    }

    /// Reads what lies in an archive. Errors as [`Binary::open`].
    pub fn in_archive(path: &Path, member: Member) -> Result<Binary, BinaryError> {
        let cache = ReadCache::new(open_file(path)?);
        let binary = parse_any(cache.range(member.offset, member.size))?;
        Ok(Binary { start: member.offset, ..binary })
    }

    fn read(path: &Path) -> Result<Binary, BinaryError> {
        let cache = ReadCache::new(open_file(path)?);
        parse_any(&cache)
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<Function> {
        self.tables.iter().find_map(|table| {
            let names = StringTable::new(table.names.as_slice(), 0, table.names.len() as u64);
            let found = table.functions.iter().find(|(at, _)| names.get(*at) == Ok(name.as_bytes()));
            found.map(|(_, function)| *function)
        })
    }

    /// Every function with its name. One that both tables have comes twice.
    pub fn functions(&self) -> impl Iterator<Item = (&str, Function)> {
        self.tables.iter().flat_map(|table| {
            let names = StringTable::new(table.names.as_slice(), 0, table.names.len() as u64);
            table.functions.iter().filter_map(move |(at, function)| {
                let name = std::str::from_utf8(names.get(*at).ok()?).ok()?;
                Some((name, *function))
            })
        })
    }

    /// Whether the code at a virtual address was written in Go.
    pub fn is_go(&self, address: u64) -> bool {
        self.go_code.as_ref().is_some_and(|code| code.contains(&address))
    }

    /// Where in the file the code at a virtual address is; `None` if there is none.
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| {
            segment.executable && address.checked_sub(segment.address).is_some_and(|within| within < segment.size)
        })?;
        segment.offset.checked_add(address - segment.address)?.checked_add(self.start)
    }
}

/// Opens a file, and nothing but a file.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Whether it is an ELF file for a processor of 32 bits.
pub(crate) fn is_narrow<'data>(data: impl ReadRef<'data>) -> bool {
    matches!(data.read_bytes_at(0, 5), Ok([0x7f, b'E', b'L', b'F', elf::ELFCLASS32]))
}

fn parse_any<'data, R: ReadRef<'data>>(data: R) -> Result<Binary, BinaryError> {
    match is_narrow(data) {
        true => parse::<elf::FileHeader32<Endianness>, _>(data),
        // Anything else gets its error here.
        false => parse::<elf::FileHeader64<Endianness>, _>(data),
    }
}

fn parse<'data, Elf: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> Result<Binary, BinaryError> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let loaded = header.program_headers(endian, data)?.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let segments = loaded.map(|segment| Segment {
        address: segment.p_vaddr(endian).into(),
        offset: segment.p_offset(endian).into(),
        size: segment.p_filesz(endian).into(),
        executable: segment.p_flags(endian) & elf::PF_X != 0,
    });
    let sections = header.sections(endian, data)?;
    let has_symtab = sections.iter().any(|section| section.sh_type(endian) == elf::SHT_SYMTAB);
    let mut tables = Vec::new();
    for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let Some(section) = sections.iter().find(|section| section.sh_type(endian) == kind) else { continue };
        let symbols = section.data_as_array::<Elf::Sym, R>(endian, data)?;
        let names = sections.section(section.link(endian))?.data(endian, data)?;
        let functions = symbols.iter().filter(|symbol| {
            let is_function = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC);
            is_function && symbol.st_shndx(endian) != elf::SHN_UNDEF
        });
        let functions = functions.map(|symbol| {
            let function = Function {
                address: symbol.st_value(endian).into(),
                size: symbol.st_size(endian).into(),
                is_indirect: symbol.st_type() == elf::STT_GNU_IFUNC,
            };
            (symbol.st_name(endian), function)
        });
        tables.push(Table { functions: functions.collect(), names: names.to_vec() });
    }
    let go_code = go::code(endian, data, &sections);
    Ok(Binary { segments: segments.collect(), start: 0, tables, has_symtab, go_code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_functions_lie_in_the_file() {
        let own = std::env::current_exe().expect("the test has a file");
        let binary = Binary::open(&own, &[]).expect("it is an ELF file");
        let (name, main) = binary.functions().find(|(name, _)| *name == "main").expect("it has main");
        assert_eq!(binary.function(name), Some(main));
        let offset = binary.file_offset(main.address).expect("main is code");
        assert!(offset < std::fs::metadata(&own).expect("it is there").len());
        assert_eq!(binary.function("no_such_function_at_all"), None);
        assert_eq!(binary.file_offset(u64::MAX), None);
    }

    #[test]
    fn what_is_no_program_is_an_error() {
        let dir = std::env::temp_dir().join(format!("rtrace-binary-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        for (index, bytes) in
            [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]].iter().enumerate()
        {
            let path = dir.join(index.to_string());
            std::fs::write(&path, bytes).expect("a file");
            assert!(matches!(Binary::open(&path, &[]), Err(BinaryError::Malformed(_))), "{bytes:?}");
        }
        assert!(matches!(Binary::open(&dir, &[]), Err(BinaryError::Io(_))));
        assert!(matches!(Binary::open(&dir.join("none"), &[]), Err(BinaryError::Io(_))));
        std::fs::remove_dir_all(&dir).expect("our own");
    }

    /// Every cut of a small file is an error or a smaller answer, never a panic.
    #[test]
    fn a_cut_file_does_no_harm() {
        let own = std::env::current_exe().expect("the test has a file");
        let bytes = std::fs::read(own).expect("it can be read");
        let path = std::env::temp_dir().join(format!("rtrace-cut-{}", std::process::id()));
        for length in (0..bytes.len().min(4096)).step_by(61) {
            std::fs::write(&path, &bytes[..length]).expect("a file");
            if let Ok(binary) = Binary::open(&path, &[]) {
                assert_eq!(binary.functions().count(), 0);
            }
        }
        std::fs::remove_file(&path).expect("our own");
    }
}
