//! The guest's file system: a cpio archive in the kernel's `newc` form, written here.
//!
//! The whole guest is in it, so there is no disk, and what is not put in does not exist.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// An archive that grows. Folders come into being with the files in them.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    /// Puts the file `from` at `path` (without a leading slash), executable.
    pub fn program(&mut self, path: &str, from: &Path) -> io::Result<()> {
        let data = fs::read(from).map_err(|error| io::Error::other(format!("{}: {error}", from.display())))?;
        self.file(path, 0o755, &data);
        Ok(())
    }

    /// Puts a file with this content at `path`.
    pub fn file(&mut self, path: &str, mode: u32, data: &[u8]) {
        self.parents(path);
        self.entry(path, 0o100_000 | mode, (0, 0), data);
    }

    /// Puts a symbolic link at `path`.
    pub fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.entry(path, 0o120_777, (0, 0), target.as_bytes());
    }

    /// Puts a character device at `path`. The kernel wants `dev/console` before anything can be mounted.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        self.entry(path, 0o020_600, (major, minor), b"");
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), b"");
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        for (slash, _) in path.match_indices('/') {
            if self.folders.insert(path[..slash].to_owned()) {
                self.entry(&path[..slash], 0o040_755, (0, 0), b"");
            }
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(data.len()).expect("a file of the guest is smaller than 4 GB");
        let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
        let name = path.len() as u32 + 1;
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(data);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"hello");
        archive.link("a/c", "b");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        // 110 bytes of header, then the name, each padded to 4: the folder takes 112, the file's data starts at 228.
        assert!(text.starts_with("07070100000001000041ED"));
        assert_eq!(&text[110..111], "a");
        assert_eq!(&text[112..134], "07070100000002000081A4");
        assert_eq!(&text[112 + 54..112 + 62], "00000005");
        assert_eq!(&text[222..226], "a/b\0");
        assert_eq!(&text[228..233], "hello");
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(text.matches("070701").count(), 4, "one folder, one file, one link, the trailer");
    }
}
