//! Programs and libraries that lie in a ZIP archive, from which Android maps them: `app.apk!/lib/arm64-v8a/libapp.so`.
//!
//! Only what is stored as it is can be mapped, and so be traced. The directory is at the archive's end; it is read in
//! one piece, by pread(2). Archives of more than 4 GiB (ZIP64) are not understood.
//!
//! The format: PKWARE's APPNOTE.TXT, 4.3.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What stands between an archive and a file in it.
pub(crate) const SEPARATOR: &str = "!/";

/// Where in an archive a file's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// From the archive's beginning.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
}

/// A file of this name; `None` if there is none, if it is compressed, or if this is no archive.
pub(crate) fn member(archive: &File, name: &str) -> io::Result<Option<Member>> {
    /// The end record, and a comment of any length behind it.
    const END: u64 = 22 + 0xffff;
    /// A directory of a million files.
    const MOST: u32 = 128 << 20;
    let length = archive.metadata()?.len();
    let tail = length.min(END);
    let mut end = vec![0; tail as usize];
    archive.read_exact_at(&mut end, length - tail)?;
    let Some(end) = memchr::memmem::rfind(&end, b"PK\x05\x06").and_then(|at| end.get(at..at + 22)) else {
        return Ok(None);
    };
    let (size, offset) = (long(end, 12), long(end, 16));
    if size > MOST || u64::from(offset) + u64::from(size) > length {
        return Ok(None);
    }
    let mut directory = vec![0; size as usize];
    archive.read_exact_at(&mut directory, offset.into())?;
    let Some((local, size)) = entry(&directory, name) else { return Ok(None) };
    // Its name and what else is known of it stand before the bytes once more, at another length.
    let mut header = [0; 30];
    archive.read_exact_at(&mut header, local)?;
    let offset = local + 30 + u64::from(short(&header, 26)) + u64::from(short(&header, 28));
    let is_whole = header.starts_with(b"PK\x03\x04") && offset + size <= length;
    Ok(is_whole.then_some(Member { offset, size }))
}

/// The place of a stored file's header, and the file's size, by the archive's directory.
fn entry(mut directory: &[u8], name: &str) -> Option<(u64, u64)> {
    const STORED: u16 = 0;
    loop {
        let header = directory.get(..46).filter(|header| header.starts_with(b"PK\x01\x02"))?;
        let name_end = 46 + usize::from(short(header, 28));
        if directory.get(46..name_end)? == name.as_bytes() {
            let is_stored = short(header, 10) == STORED;
            return is_stored.then(|| (long(header, 42).into(), long(header, 20).into()));
        }
        let end = name_end + usize::from(short(header, 30)) + usize::from(short(header, 32));
        directory = directory.get(end..)?;
    }
}

/// Both of these are asked within what was found to be there.
fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from(short(bytes, at)) | u32::from(short(bytes, at + 2)) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with one file in it, as it is or marked as compressed.
    fn archive(method: u8) -> Vec<u8> {
        let (name, content) = (b"lib/x.so", b"content");
        let mut bytes = b"before".to_vec();
        let local = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04\x0a\0\0\0");
        bytes.extend([method, 0]);
        bytes.extend([0; 8]);
        bytes.extend([7, 0, 0, 0, 7, 0, 0, 0, 8, 0, 3, 0]);
        bytes.extend(name);
        bytes.extend(b"ext");
        bytes.extend(content);
        let directory = bytes.len() as u32;
        for (name, local) in [(&b"lib/w.so"[..], 0), (name, local)] {
            bytes.extend(b"PK\x01\x02\x0a\0\x0a\0\0\0");
            bytes.extend([method, 0]);
            bytes.extend([0; 8]);
            bytes.extend([7, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 2, 0]);
            bytes.extend([0; 8]);
            bytes.extend(local.to_le_bytes());
            bytes.extend(name);
            bytes.extend(b"??");
        }
        let size = bytes.len() as u32 - directory;
        bytes.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
        bytes.extend(size.to_le_bytes());
        bytes.extend(directory.to_le_bytes());
        bytes.extend([3, 0]);
        bytes.extend(b"end");
        bytes
    }

    fn find(bytes: &[u8], name: &str) -> Option<Member> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rtrace-archive-{}-{number}", std::process::id()));
        std::fs::write(&path, bytes).expect("a file");
        let found = member(&File::open(&path).expect("it was written"), name);
        std::fs::remove_file(&path).expect("our own");
        found.ok().flatten()
    }

    #[test]
    fn a_stored_file_is_found() {
        let bytes = archive(0);
        let found = find(&bytes, "lib/x.so").expect("it is there");
        assert_eq!(&bytes[found.offset as usize..][..found.size as usize], b"content");
        // Its header would be elsewhere.
        assert_eq!(find(&bytes, "lib/w.so"), None);
        assert_eq!(find(&bytes, "lib/y.so"), None);
        assert_eq!(find(&archive(8), "lib/x.so"), None);
        for cut in 0..bytes.len() {
            let _ = find(&bytes[..cut], "lib/x.so");
        }
    }
}
