//! Separate files with the symbols of a stripped program: found by build id or by the name that the program gives, and
//! taken only if they belong to it.

use super::elf::Elf;
use super::files::{MappedFile, Root, descriptor};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file with symbols for another.
#[derive(Debug)]
pub struct DebugFile {
    /// Where it can be opened.
    pub path: PathBuf,
    /// What it has.
    pub elf: Elf,
    /// Keeps the path alive if that leads to a descriptor.
    _file: Option<File>,
}

impl DebugFile {
    /// The file with the symbols of another, from where the process sees files, else from where rtrace does.
    pub fn of(file: &MappedFile, elf: &Elf) -> Option<Self> {
        let by_id = elf.separate.by_build_id(&[]);
        let by_name = elf.separate.by_name(Path::new(&file.path), &[]);
        let in_root = |root: &Root| {
            let candidates = by_id.iter().chain(&by_name);
            candidates.filter_map(|path| Self::check(path, root.open(path)?, elf, true)).next()
        };
        // Another namespace's paths mean other files here.
        let by_name = by_name.iter().filter(|_| file.has_own_path());
        let mut here = by_id.iter().chain(by_name);
        let found = file.root.as_deref().and_then(in_root);
        found.or_else(|| here.find_map(|path| Self::check(path, File::open(path).ok()?, elf, false)))
    }

    /// The file if it belongs to the program.
    fn check(path: &Path, file: File, program: &Elf, by_descriptor: bool) -> Option<Self> {
        let elf = Elf::read(file.try_clone().ok()?)?;
        if !(elf.has_symbols || elf.has_lines) {
            return None;
        }
        if !program.separate.is(&file, elf.separate.build_id.as_deref()) {
            return None;
        }
        match by_descriptor {
            true => Some(Self { path: descriptor(&file), elf, _file: Some(file) }),
            false => Some(Self { path: path.to_owned(), elf, _file: None }),
        }
    }
}
