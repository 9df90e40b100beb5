//! What the kernel tells of all processes: that they map code, run another program, or come to be. It tells it at once
//! and by itself, so nothing is missed, however soon a process ends and however busy the machine is.
//!
//! An event of perf that counts nothing, on each processor, with a ring of records (perf_event_open(2)). Their times are
//! those of the monotonic clock, so that the records of several processors, and what programs send, can be put in order.

use crate::sys;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the ring of a processor: some hundreds of records.
const RING: usize = 64 << 10;

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// On the monotonic clock, in nanoseconds.
    pub time: u64,
    /// Of this process.
    pub process: u32,
    /// What happened.
    pub what: News,
}

/// What happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It came to be, as a copy of this one.
    Fork(u32),
    /// It runs another program, and nothing is mapped yet.
    Exec,
    /// It has mapped code.
    Map(Code),
}

/// A part of a file, or of no file, that holds code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Where it begins and ends in memory.
    pub range: std::ops::Range<u64>,
    /// Where in the file it begins.
    pub offset: u64,
    /// As `/proc/PID/maps` has it.
    pub device: String,
    /// The file's number, or 0.
    pub inode: u64,
    /// The file, or something in brackets.
    pub path: String,
}

/// The rings of all processors.
#[derive(Debug)]
pub struct Sideband(Vec<Ring>);

impl Sideband {
    /// Opens them; an error if that is not permitted.
    pub fn open() -> io::Result<Self> {
        let cpus = crate::attach::online_cpus()?;
        cpus.into_iter().map(Ring::open).collect::<io::Result<_>>().map(Self)
    }

    /// Readable when much has come.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|ring| ring.fd.as_fd())
    }

    /// Hands over all that has come.
    pub fn drain(&mut self, mut take: impl FnMut(Told)) {
        for ring in &mut self.0 {
            ring.drain(&mut take);
        }
    }
}

#[derive(Debug)]
struct Ring {
    fd: OwnedFd,
    /// The page of positions, then the records.
    start: *mut u8,
    page: usize,
}

// SAFETY: the mapping belongs to the ring alone, and may be used from any one thread at a time.
unsafe impl Send for Ring {}

/// Offsets of the positions in the first page (`struct perf_event_mmap_page`).
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

impl Ring {
    fn open(cpu: u32) -> io::Result<Self> {
        let fd = sys::open_sideband(cpu, RING as u32 / 2)?;
        let page = rustix::param::page_size();
        let (rights, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a fresh shared mapping at an address of the kernel's choice; nothing else is changed.
        let start = unsafe { mmap(std::ptr::null_mut(), page + RING, rights, flags, &fd, 0)? };
        Ok(Self { fd, start: start.cast(), page })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: in the first page and aligned to eight; the kernel reads and writes it by whole words.
        unsafe { AtomicU64::from_ptr(self.start.add(offset).cast()) }
    }

    fn drain(&mut self, take: &mut impl FnMut(Told)) {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        let mut record = Vec::new();
        while tail < head {
            self.copy(tail, 8, &mut record);
            let size = record.get(6..8).map_or(0, |size| usize::from(u16::from_ne_bytes([size[0], size[1]])));
            if size < 8 || tail + size as u64 > head {
                // Not a record: better to miss some than to read nonsense.
                tail = head;
                break;
            }
            self.copy(tail, size, &mut record);
            tail += size as u64;
            if let Some(told) = parse(&record) {
                take(told);
            }
        }
        self.position(DATA_TAIL).store(tail, Ordering::Release);
    }

    /// Copies bytes out, which may lie around the ring's end.
    fn copy(&self, from: u64, bytes: usize, to: &mut Vec<u8>) {
        to.clear();
        let from = from as usize % RING;
        let first = bytes.min(RING - from);
        for (from, bytes) in [(from, first), (0, bytes - first)] {
            // SAFETY: within the ring, behind the first page; the kernel does not write there before the tail has moved.
            to.extend_from_slice(unsafe { std::slice::from_raw_parts(self.start.add(self.page + from), bytes) });
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size, and nobody has a reference into it any more.
        let _ = unsafe { munmap(self.start.cast(), self.page + RING) };
    }
}

/// Reads a record (`enum perf_event_type`, include/uapi/linux/perf_event.h), which ends with its time.
fn parse(record: &[u8]) -> Option<Told> {
    const COMM: u32 = 3;
    const FORK: u32 = 7;
    const MMAP2: u32 = 10;
    /// The name changed because another program is run.
    const IS_EXEC: u16 = 1 << 13;
    let word = |at: usize| Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(record.get(at..at + 8)?.try_into().ok()?));
    let (kind, process, thread) = (word(0)?, word(8)?, word(12)?);
    let misc = u16::from_ne_bytes(record.get(4..6)?.try_into().ok()?);
    let time = long(record.len().checked_sub(8)?)?;
    let what = match kind {
        COMM if misc & IS_EXEC != 0 => News::Exec,
        // A thread is no process of its own.
        FORK if word(8)? == word(16)? => News::Fork(thread),
        MMAP2 => {
            let start = long(16)?;
            let path = record.get(72..record.len() - 8)?;
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            News::Map(Code {
                range: start..start.checked_add(long(24)?)?,
                offset: long(32)?,
                device: format!("{:02x}:{:02x}", word(40)?, word(44)?),
                inode: long(48)?,
                path: String::from_utf8_lossy(path).into_owned(),
            })
        }
        _ => return None,
    };
    Some(Told { time, process, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of 32-bit words and what follows, ended by the time.
    fn record(kind: u32, misc: u16, words: &[u32], rest: &[u8], time: u64) -> Vec<u8> {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(misc.to_ne_bytes());
        bytes.extend([0, 0]);
        words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        bytes.extend(rest);
        bytes.extend(time.to_ne_bytes());
        bytes
    }

    #[test]
    fn records_are_read() {
        let exec = record(3, 1 << 13, &[7, 7], b"true\0\0\0\0", 5);
        assert_eq!(parse(&exec), Some(Told { time: 5, process: 7, what: News::Exec }));
        assert_eq!(parse(&record(3, 0, &[7, 7], b"name\0\0\0\0", 5)), None);
        let fork = record(7, 0, &[8, 7, 8, 7, 1, 0], b"", 6);
        assert_eq!(parse(&fork), Some(Told { time: 6, process: 8, what: News::Fork(7) }));
        assert_eq!(parse(&record(7, 0, &[8, 8, 9, 8, 1, 0], b"", 6)), None);
        let map = [8, 8, 0x1000, 0, 0x500, 0, 0x3000, 0, 0xfd, 1, 42, 0, 0, 0, 5, 2];
        let told = parse(&record(10, 0, &map, b"/bin/x\0\0", 7)).expect("a mapping");
        let code =
            Code { range: 0x1000..0x1500, offset: 0x3000, device: "fd:01".into(), inode: 42, path: "/bin/x".into() };
        assert_eq!(told, Told { time: 7, process: 8, what: News::Map(code) });
        for length in 0..80 {
            let _ = parse(&record(10, 0, &map, b"/bin/x\0\0", 7)[..length]);
        }
    }

    #[test]
    fn a_program_that_is_run_is_told_of() {
        let Ok(mut sideband) = Sideband::open() else { return println!("skipped: not permitted here") };
        let mut child = std::process::Command::new("true").spawn().expect("true is there");
        let process = child.id();
        child.wait().expect("it is ours");
        let mut told = Vec::new();
        sideband.drain(|news| told.push(news));
        told.retain(|news| news.process == process);
        told.sort_by_key(|news| news.time);
        assert!(matches!(told.first(), Some(Told { what: News::Fork(_), .. })), "{told:?}");
        let exec = told.iter().position(|news| news.what == News::Exec).expect("it ran a program");
        let is_libc = |news: &Told| matches!(&news.what, News::Map(code) if code.path.contains("libc.so"));
        assert!(told[exec..].iter().any(is_libc), "{told:?}");
    }
}
