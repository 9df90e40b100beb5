//! Symbols and debug information that were stripped from a program: where the file that has them may be, and whether a
//! file is the one.

use object::Object;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where distributions put them.
const SYSTEM: &str = "/usr/lib/debug";

/// What a program says of that file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Separate {
    /// The number of its build, which the file has as well.
    pub build_id: Option<Vec<u8>>,
    /// The file's name and checksum.
    pub link: Option<(Vec<u8>, u32)>,
}

impl Separate {
    /// What a program or library says. Notes and sections that are malformed say nothing.
    pub fn of<'data>(program: &impl Object<'data>) -> Self {
        Self {
            build_id: program.build_id().ok().flatten().map(<[u8]>::to_vec),
            link: program.gnu_debuglink().ok().flatten().map(|(name, sum)| (name.to_vec(), sum)),
        }
    }

    /// Where the file is by the number of the build: in `folders`, then where distributions put it.
    pub fn by_build_id(&self, folders: &[PathBuf]) -> Vec<PathBuf> {
        let Some([first, rest @ ..]) = self.build_id.as_deref() else { return Vec::new() };
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!(".build-id/{first:02x}/{rest}.debug");
        let system = Path::new(SYSTEM).join(&name);
        folders.iter().map(|folder| folder.join(&name)).chain([system]).collect()
    }

    /// Where the file of the program at `path` is by its name: beside it, in a folder beside it, in `folders`, and where
    /// distributions mirror its folder.
    pub fn by_name(&self, path: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
        let Some((name, _)) = &self.link else { return Vec::new() };
        let name = OsStr::from_bytes(name);
        // It is a name, not a path.
        if Path::new(name).file_name() != Some(name) {
            return Vec::new();
        }
        let beside = path.parent().unwrap_or(Path::new("/"));
        let mirrored = Path::new(SYSTEM).join(beside.strip_prefix("/").unwrap_or(beside));
        let all =
            [beside.to_owned(), beside.join(".debug")].into_iter().chain(folders.iter().cloned()).chain([mirrored]);
        all.map(|folder| folder.join(name)).collect()
    }

    /// Whether a file is the one: it has the build's number, or where there is none the checksum.
    pub fn is(&self, file: &File, build_id: Option<&[u8]>) -> bool {
        match (&self.build_id, build_id, &self.link) {
            (Some(wanted), Some(found), _) => wanted == found,
            (_, _, Some((_, sum))) => checksum(file) == Some(*sum),
            _ => false,
        }
    }
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

    fn separate(build_id: Option<&[u8]>, link: Option<&[u8]>) -> Separate {
        Separate { build_id: build_id.map(<[u8]>::to_vec), link: link.map(|name| (name.to_vec(), 0)) }
    }

    #[test]
    fn candidates() {
        let by_id = separate(Some(&[0xc2, 0x4b, 0x2d]), None).by_build_id(&["/mine".into()]);
        let expected = ["/mine/.build-id/c2/4b2d.debug", "/usr/lib/debug/.build-id/c2/4b2d.debug"];
        assert!(by_id.iter().map(PathBuf::as_path).eq(expected.map(Path::new)), "{by_id:?}");
        assert_eq!(separate(Some(&[]), None).by_build_id(&[]), Vec::<PathBuf>::new());
        let names = separate(None, Some(b"ls.debug")).by_name(Path::new("/usr/bin/ls"), &["/mine".into()]);
        let expected =
            ["/usr/bin/ls.debug", "/usr/bin/.debug/ls.debug", "/mine/ls.debug", "/usr/lib/debug/usr/bin/ls.debug"];
        assert!(names.iter().map(PathBuf::as_path).eq(expected.map(Path::new)), "{names:?}");
        for path in [&b"../ls"[..], b"/etc/passwd", b"", b".."] {
            assert!(separate(None, Some(path)).by_name(Path::new("/usr/bin/ls"), &[]).is_empty());
        }
    }

    #[test]
    fn a_file_of_another_build_is_not_taken() {
        let own = File::open(std::env::current_exe().expect("the test has a file")).expect("it can be read");
        let wanted = separate(Some(&[1, 2]), Some(b"x"));
        assert!(wanted.is(&own, Some(&[1, 2])) && !wanted.is(&own, Some(&[1, 3])));
        // Its checksum is not 0, which is what the link says.
        assert!(!wanted.is(&own, None) && !separate(None, None).is(&own, None));
        let sum = checksum(&own).expect("it can be read");
        assert!(Separate { link: Some((b"x".to_vec(), sum)), build_id: None }.is(&own, None));
    }
}
