//! Pins: files in the kernel's own file system for BPF, each of which keeps a link.
//!
//! They are the one thing that stays when rtrace ends, and only where a script asks for it. Removing the file ends it; in a
//! session, taking the probe off does.

use crate::sys;
use rustix::fs::statfs;
use rustix::mount::{MountFlags, mount};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use thiserror::Error;

/// Where the file system is expected.
const FOLDER: &str = "/sys/fs/bpf";

/// Why there is no pin.
#[derive(Debug, Error)]
#[error("Failed to pin iter probe link to {path}: {error}")]
pub struct PinError {
    /// The file.
    pub path: String,
    /// What the kernel said.
    pub error: io::Error,
}

/// The file that a script means.
pub fn path(written: &str) -> String {
    if written.starts_with('/') { written.to_owned() } else { format!("{FOLDER}/{written}") }
}

/// Makes the file. In the usual place the file system is mounted first, if nobody has done it yet.
pub fn create(link: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    /// `BPF_FS_MAGIC` (include/uapi/linux/magic.h)
    const MAGIC: i64 = 0xcafe4a11;
    let is_there = || statfs(FOLDER).is_ok_and(|found| found.f_type == MAGIC);
    if Path::new(path).starts_with(FOLDER) && !is_there() {
        mount("bpf", FOLDER, "bpf", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
    }
    sys::pin(link, path)
}

/// Removes the file, unless it keeps something else by now.
pub fn remove(link: BorrowedFd<'_>, path: &str) {
    let is_ours = || -> io::Result<bool> {
        let kept = sys::pinned(path)?;
        Ok(sys::link_identity(kept.as_fd())? == sys::link_identity(link)?)
    };
    // What is not there any more, or cannot be looked at, is not for us to remove.
    if is_ours().unwrap_or(false) {
        let _ = fs::remove_file(path);
    }
}
