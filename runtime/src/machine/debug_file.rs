//! Separate files with the symbols of a stripped program: found by build id or by the name that the program gives, and
//! taken only if they belong to it.

use super::elf::Elf;
use super::files::{MappedFile, Root, descriptor};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where distributions put them.
const FOLDER: &str = "/usr/lib/debug";

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
        let by_id = by_build_id(elf);
        let by_name = by_name(elf, &file.path);
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
        let belongs = match (&program.build_id, &elf.build_id, &program.debug_link) {
            (Some(program), Some(own), _) => program == own,
            (_, _, Some((_, sum))) => checksum(&file)? == *sum,
            _ => false,
        };
        if !belongs {
            return None;
        }
        match by_descriptor {
            true => Some(Self { path: descriptor(&file), elf, _file: Some(file) }),
            false => Some(Self { path: path.to_owned(), elf, _file: None }),
        }
    }
}

fn by_build_id(elf: &Elf) -> Option<PathBuf> {
    let id = elf.build_id.as_deref()?;
    let (first, rest) = id.split_at_checked(2)?;
    Some(PathBuf::from(format!("{FOLDER}/.build-id/{first}/{rest}.debug")))
}

/// Beside the program, in a folder beside it, and where distributions mirror its folder.
fn by_name(elf: &Elf, program: &str) -> Vec<PathBuf> {
    let folder = Path::new(program).parent().unwrap_or(Path::new("/"));
    let Some((name, _)) = &elf.debug_link else { return Vec::new() };
    let name = OsStr::from_bytes(name);
    // It is a name, not a path.
    if Path::new(name).file_name() != Some(name) {
        return Vec::new();
    }
    let mirrored = Path::new(FOLDER).join(folder.strip_prefix("/").unwrap_or(folder));
    [folder.to_owned(), folder.join(".debug"), mirrored].into_iter().map(|folder| folder.join(name)).collect()
}

/// The checksum that a debug link names: CRC-32 as in zip files.
fn checksum(file: &File) -> Option<u32> {
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    let mut at = 0;
    loop {
        // The descriptor's own position is that of whoever read the headers.
        let count = file.read_at(&mut buffer, at).ok()?;
        if count == 0 {
            return Some(sum.finalize());
        }
        sum.update(&buffer[..count]);
        at += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(build_id: Option<&str>, link: Option<&[u8]>) -> Elf {
        Elf { build_id: build_id.map(str::to_owned), debug_link: link.map(|name| (name.to_vec(), 0)), ..Elf::default() }
    }

    #[test]
    fn candidates() {
        let id = by_build_id(&elf(Some("c24b2d"), None));
        assert_eq!(id.as_deref(), Some(Path::new("/usr/lib/debug/.build-id/c2/4b2d.debug")));
        for short in ["", "c"] {
            assert_eq!(by_build_id(&elf(Some(short), None)), None);
        }
        let names = by_name(&elf(None, Some(b"ls.debug")), "/usr/bin/ls");
        let expected = ["/usr/bin/ls.debug", "/usr/bin/.debug/ls.debug", "/usr/lib/debug/usr/bin/ls.debug"];
        assert!(names.iter().map(PathBuf::as_path).eq(expected.map(Path::new)), "{names:?}");
        for path in [&b"../ls"[..], b"/etc/passwd", b"", b".."] {
            assert!(by_name(&elf(None, Some(path)), "/usr/bin/ls").is_empty());
        }
    }
}
