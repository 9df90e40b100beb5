//! Where BTF's bytes come from: a mapping of the kernel's own memory where it allows that, else a copy.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};

use super::BtfError;

/// The bytes of a BTF file.
#[derive(Debug)]
pub(super) enum Source {
    Bytes(Vec<u8>),
    Mapping(Mapping),
}

impl Source {
    /// Opens a file of `/sys/kernel/btf`.
    ///
    /// Reading copies 5 MB page by page, some 1300 calls and 2 ms; a mapping (6.16 and later, vmlinux only) is there
    /// at once.
    pub(super) fn open(path: &Path) -> Result<Source, BtfError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => BtfError::Absent { path: path.to_owned() },
            _ => BtfError::Io { path: path.to_owned(), source },
        };
        let file = File::open(path).map_err(failed)?;
        if let Some(mapping) = Mapping::of_kernel_file(&file) {
            return Ok(Source::Mapping(mapping));
        }
        read(file).map(Source::Bytes).map_err(failed)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Source::Bytes(bytes) => bytes,
            Source::Mapping(mapping) => mapping.bytes(),
        }
    }
}

fn read(mut file: File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

/// A private, read-only mapping of a file in sysfs.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

impl Mapping {
    /// Maps a whole file of sysfs; `None` if the kernel does not map this one, or the file is another file system's.
    fn of_kernel_file(file: &File) -> Option<Mapping> {
        // Only sysfs promises that the bytes stay: a mapped file on disk could be cut short under us.
        if rustix::fs::fstatfs(file).ok()?.f_type as u64 != SYSFS_MAGIC {
            return None;
        }
        let len = usize::try_from(file.metadata().ok()?.len()).ok().filter(|len| *len > 0)?;
        // SAFETY: the kernel chooses an address that nothing else uses, and the mapping is private and read-only.
        let start = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, file, 0) };
        Some(Mapping { start: NonNull::new(start.ok()?)?, len })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `start` points to `len` bytes that stay mapped and readable until drop; the kernel's BTF is built
        // into its image and never written or freed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

/// `SYSFS_MAGIC` of `include/uapi/linux/magic.h`.
const SYSFS_MAGIC: u64 = 0x6265_6572;

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no slice of it outlives the value. Failure only leaks it.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.len) };
    }
}

// SAFETY: the mapping is memory that nobody writes, so it does not matter which thread reads or unmaps it.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}
