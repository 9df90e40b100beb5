//! Files that processes have mapped, opened while the process lives: after its end a file in another mount namespace,
//! or one that has been deleted or replaced, could not be found any more.

use hashbrown::HashMap;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::fs::{File, Metadata};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// How many files are kept open; of more only the path is known.
pub const MOST_OPEN: usize = 512;

/// The root of a process that sees other files than rtrace does.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// In another mount namespace: the paths of mapped files count from here. Otherwise they are those of rtrace, also if
    /// the process has changed its root.
    pub is_elsewhere: bool,
}

impl Root {
    /// The root of a process, unless it is rtrace's own.
    pub fn of(process: u32) -> Option<Self> {
        let same = |what: &str| {
            let of = |process: &str| std::fs::metadata(format!("/proc/{process}/{what}")).ok();
            Some(identity(&of(&process.to_string())?) == identity(&of("self")?))
        };
        let is_elsewhere = !same("ns/mnt")?;
        if !is_elsewhere && same("root")? {
            return None;
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let fd = rustix::fs::open(format!("/proc/{process}/root"), flags, Mode::empty()).ok()?;
        Some(Self { fd, is_elsewhere })
    }

    /// Opens a file as the process would: links lead to places under its root.
    pub fn open(&self, path: &Path) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat2(self.fd.as_fd(), path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
        Some(File::from(file)).filter(is_file)
    }
}

/// A mapped file.
#[derive(Debug)]
pub struct MappedFile {
    /// As the process sees it.
    pub path: String,
    /// Its number in its file system.
    inode: u64,
    file: Option<File>,
    /// What it was when it was opened.
    state: Option<State>,
    /// The root of the process, if it is not rtrace's own.
    pub root: Option<Arc<Root>>,
}

/// Tells one file, and one content of it, from another.
type State = (u64, u64, u64, i64, i64);

fn state(about: &Metadata) -> State {
    (about.dev(), about.ino(), about.size(), about.mtime(), about.mtime_nsec())
}

fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

fn is_file(file: &File) -> bool {
    file.metadata().is_ok_and(|about| about.is_file())
}

impl MappedFile {
    /// Whether its path is one of rtrace's.
    pub fn has_own_path(&self) -> bool {
        self.root.as_ref().is_none_or(|root| !root.is_elsewhere)
    }

    /// Where the file can be opened: by its own path if that is still the same file, else by way of the descriptor.
    pub fn reachable(&self) -> Option<PathBuf> {
        let by_path = || match self.has_own_path() {
            true => std::fs::metadata(&self.path).ok().filter(Metadata::is_file),
            false => None,
        };
        match (&self.file, by_path()) {
            (_, Some(about)) if self.state == Some(state(&about)) => Some(PathBuf::from(&self.path)),
            (Some(file), _) => Some(descriptor(file)),
            // It could not be opened in time; what has another number is another file.
            (None, Some(about)) if about.ino() == self.inode => Some(PathBuf::from(&self.path)),
            _ => None,
        }
    }
}

/// The path by which an open file can be opened once more.
pub fn descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The files that are mapped by the processes known.
#[derive(Debug, Default)]
pub struct Files {
    /// By device and number as `/proc/PID/maps` has them, and path. As long as a file is open its number is not given
    /// to another.
    known: HashMap<(String, u64, String), Weak<MappedFile>>,
    /// When so many are known it is time to forget those that nobody has.
    limit: usize,
}

impl Files {
    /// The file of a mapping, opened unless it is known.
    pub fn get(&mut self, mapping: &Line<'_>, process: u32, root: Option<&Arc<Root>>) -> Arc<MappedFile> {
        let key = (mapping.device.to_owned(), mapping.inode, mapping.path.to_owned());
        if let Some(known) = self.known.get(&key).and_then(Weak::upgrade)
            && known.file.as_ref().and_then(|file| file.metadata().ok()).map(|about| state(&about)) == known.state
            && known.state.is_some()
        {
            return known;
        }
        if self.known.len() >= self.limit.max(MOST_OPEN) {
            self.known.retain(|_, file| file.strong_count() > 0);
            self.limit = self.known.len() * 2;
        }
        let path = mapping.path.strip_suffix(" (deleted)").unwrap_or(mapping.path);
        let open = || {
            // The very file, whatever its path leads to by now.
            let mapped = format!("/proc/{process}/map_files/{:x}-{:x}", mapping.start, mapping.end);
            let by_path = || match root {
                Some(root) if root.is_elsewhere => root.open(Path::new(path)),
                _ => File::open(path).ok(),
            };
            let has_number = |file: &File| file.metadata().is_ok_and(|about| about.ino() == mapping.inode);
            File::open(mapped).ok().or_else(|| by_path().filter(has_number)).filter(is_file)
        };
        let file = if self.known.len() < MOST_OPEN { open() } else { None };
        let state = file.as_ref().and_then(|file| file.metadata().ok()).map(|about| state(&about));
        let found =
            Arc::new(MappedFile { path: path.to_owned(), inode: mapping.inode, file, state, root: root.cloned() });
        self.known.insert(key, Arc::downgrade(&found));
        found
    }
}

/// A line of `/proc/PID/maps`.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// Holds code.
    pub is_code: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// `major:minor`
    pub device: &'a str,
    /// The file's number, or 0.
    pub inode: u64,
    /// The file, something in brackets, or nothing.
    pub path: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a line.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let mut word = || words.next();
        let (range, rights, offset, device, inode) = (word()?, word()?, word()?, word()?, word()?);
        let (start, end) = range.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            is_code: rights.as_bytes().get(2) == Some(&b'x'),
            offset: hex(offset)?,
            device,
            inode: inode.parse().ok()?,
            path: word().unwrap_or_default().trim_start(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line =
            Line::parse("5582-5590 r-xp 00001000 fd:01 123                        /usr/bin/a b").expect("a line");
        let expected = Line {
            start: 0x5582,
            end: 0x5590,
            is_code: true,
            offset: 0x1000,
            device: "fd:01",
            inode: 123,
            path: "/usr/bin/a b",
        };
        assert_eq!(line, expected);
        let plain = Line::parse("7f00-7f10 rw-p 00000000 00:00 0 ").expect("a line");
        assert_eq!((plain.is_code, plain.path), (false, ""));
        assert_eq!(Line::parse("7f20-7f30 r-xp 0 00:00 0     [vdso]").map(|line| line.path), Some("[vdso]"));
        for bad in ["", "nonsense", "1-2 r-xp", "x-y r-xp 0 0:0 0 /a"] {
            assert_eq!(Line::parse(bad), None, "{bad}");
        }
    }
}
