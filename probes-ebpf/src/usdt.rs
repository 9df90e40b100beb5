//! Places in programs and libraries that their authors marked for tracing (USDT).
//!
//! The compiler leaves an instruction that does nothing, and a note in the section `.note.stapsdt` that says where it
//! is, whose probe it is and what it is called, where a counter lies by which the program asks whether anybody is
//! attached (its semaphore), and in which registers and memory the values are that the program passes. One probe may
//! have many places: a function that is inlined takes its notes along. Only headers and notes are read, by pread(2).

pub mod operand;

use crate::binary::{BinaryError, is_narrow, open_file};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endian, Endianness, elf};
use std::num::NonZeroU64;
use std::path::Path;

/// A note: one place of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose probe it is.
    pub provider: String,
    /// What it is called.
    pub name: String,
    /// The address that the instruction is linked for.
    pub address: u64,
    /// Where it is in the file; `None` if no part of it that is executed.
    pub offset: Option<u64>,
    /// The address that the semaphore is linked for.
    pub semaphore: Option<NonZeroU64>,
    /// Where the semaphore is in the file; `None` if there is none, or if its memory has nothing of the file.
    pub semaphore_offset: Option<NonZeroU64>,
    /// Where the values are that are passed.
    pub arguments: String,
}

/// The notes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// In the order of the file.
    pub all: Vec<Note>,
    /// The processor that the file is for (`e_machine`).
    pub machine: u16,
    /// It is loaded where it was linked for, and nowhere else.
    pub is_fixed: bool,
}

/// The section that has them.
const SECTION: &[u8] = b".note.stapsdt";
/// A section whose address the notes name, so that they can be corrected if the file was moved after they were written.
const BASE_SECTION: &[u8] = b".stapsdt.base";
/// The name in a note's header.
const OWNER: &[u8] = b"stapsdt";
/// `NT_STAPSDT`, the only type of note that this owner has.
const TYPE: u32 = 3;

impl Notes {
    /// Reads the notes of a program or library. A file without any is no error.
    ///
    /// # Errors
    /// If the file cannot be read, or is none that its notes could be understood of.
    pub fn read(path: &Path) -> Result<Notes, BinaryError> {
        let cache = ReadCache::new(open_file(path)?);
        match is_narrow(&cache) {
            true => Err(BinaryError::Narrow),
            // Anything else gets its error here.
            false => parse(&cache),
        }
    }
}

/// A part of the file that is mapped.
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
    executable: bool,
}

impl Segment {
    fn file_offset(&self, address: u64) -> Option<u64> {
        let within = address.checked_sub(self.address).filter(|within| *within < self.size)?;
        self.offset.checked_add(within)
    }
}

fn parse<'data, R: ReadRef<'data>>(data: R) -> Result<Notes, BinaryError> {
    let header = elf::FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let is_named =
        |section: &&elf::SectionHeader64<Endianness>, name| sections.section_name(endian, section) == Ok(name);
    let mut notes =
        Notes { all: Vec::new(), machine: header.e_machine(endian), is_fixed: header.e_type(endian) == elf::ET_EXEC };
    let mut with_notes = sections.iter().filter(|section| is_named(section, SECTION)).peekable();
    if with_notes.peek().is_none() {
        return Ok(notes);
    }
    let base = sections.iter().find(|section| is_named(section, BASE_SECTION)).map(|section| section.sh_addr(endian));
    let loaded = header.program_headers(endian, data)?.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let segments: Vec<Segment> = loaded
        .map(|segment| Segment {
            address: segment.p_vaddr(endian),
            offset: segment.p_offset(endian),
            size: segment.p_filesz(endian),
            executable: segment.p_flags(endian) & elf::PF_X != 0,
        })
        .collect();
    for section in with_notes {
        let Some(mut found) = section.notes(endian, data)? else { continue };
        while let Some(note) = found.next()? {
            if note.name() == OWNER && note.n_type(endian) == TYPE {
                // What is cut short is no probe; others may be whole.
                notes.all.extend(describe(note.desc(), endian, base, &segments));
            }
        }
    }
    Ok(notes)
}

/// Three addresses, of the instruction, of the base section and of the semaphore, and three texts.
fn describe(text: &[u8], endian: Endianness, base: Option<u64>, segments: &[Segment]) -> Option<Note> {
    let word = |index: usize| {
        let bytes = text.get(index * 8..index * 8 + 8)?;
        Some(endian.read_u64(bytes.try_into().ok()?))
    };
    let (address, noted_base, semaphore) = (word(0)?, word(1)?, word(2)?);
    let mut texts = text.get(24..)?.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mut next = || texts.next().map(|text| text.into_owned());
    let (provider, name, arguments) = (next()?, next()?, next().unwrap_or_default());
    let moved = base.filter(|_| noted_base != 0).map_or(0, |base| base.wrapping_sub(noted_base));
    let address = address.wrapping_add(moved);
    let semaphore = NonZeroU64::new(semaphore).and_then(|at| NonZeroU64::new(at.get().wrapping_add(moved)));
    let offset = segments.iter().filter(|segment| segment.executable).find_map(|segment| segment.file_offset(address));
    let semaphore_offset = semaphore
        .and_then(|at| segments.iter().find_map(|segment| segment.file_offset(at.get())))
        .and_then(NonZeroU64::new);
    Some(Note { provider, name, address, offset, semaphore, semaphore_offset, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(words: [u64; 3], texts: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).chain(texts.iter().copied()).collect()
    }

    const SEGMENTS: &[Segment] = &[
        Segment { address: 0x1000, offset: 0x400, size: 0x100, executable: true },
        Segment { address: 0x3000, offset: 0x600, size: 0x80, executable: false },
    ];

    #[test]
    fn a_note_is_three_addresses_and_three_texts() {
        let bytes = note([0x1010, 0x2000, 0x3004], b"shop\0order\0-4@%eax 8@%rdi\0");
        let read = describe(&bytes, Endianness::Little, Some(0x2000), SEGMENTS).expect("it is whole");
        assert_eq!((read.provider.as_str(), read.name.as_str()), ("shop", "order"));
        assert_eq!((read.address, read.offset), (0x1010, Some(0x410)));
        assert_eq!(read.semaphore_offset, NonZeroU64::new(0x604));
        assert_eq!(read.arguments, "-4@%eax 8@%rdi");
    }

    #[test]
    fn a_file_that_was_moved_takes_its_notes_along() {
        let bytes = note([0x10, 0x1000, 0x2004], b"a\0b\0\0");
        let read = describe(&bytes, Endianness::Little, Some(0x2000), SEGMENTS).expect("it is whole");
        assert_eq!((read.address, read.offset), (0x1010, Some(0x410)));
        assert_eq!(read.semaphore.map(NonZeroU64::get), Some(0x3004));
        let read = describe(&bytes, Endianness::Little, None, SEGMENTS).expect("it is whole");
        assert_eq!((read.address, read.offset), (0x10, None));
    }

    #[test]
    fn what_is_cut_short_is_no_probe() {
        let bytes = note([0x1010, 0, 0], b"a\0b\0\0");
        let read = describe(&bytes, Endianness::Little, Some(0x2000), SEGMENTS).expect("it is whole");
        assert_eq!((read.semaphore, read.semaphore_offset, read.arguments.as_str()), (None, None, ""));
        for length in 0..26 {
            assert_eq!(describe(&bytes[..length], Endianness::Little, None, SEGMENTS), None, "{length}");
        }
    }

    #[test]
    fn files_that_have_none() {
        let own = std::env::current_exe().expect("the test has a file");
        assert_eq!(Notes::read(&own).expect("it is an ELF file").all, []);
        assert!(matches!(Notes::read(Path::new("/proc/version")), Err(BinaryError::Malformed(_))));
        assert!(matches!(Notes::read(Path::new("/")), Err(BinaryError::Io(_))));
        let path = std::env::temp_dir().join(format!("rtrace-narrow-{}", std::process::id()));
        std::fs::write(&path, b"\x7fELF\x01\x01\x01\0").expect("a file");
        assert!(matches!(Notes::read(&path), Err(BinaryError::Narrow)));
        std::fs::remove_file(&path).expect("our own");
    }
}
