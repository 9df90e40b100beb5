//! tracefs: the kernel's trace events as files, wherever they are mounted or nowhere.
//!
//! If tracefs is mounted, that mount is used; otherwise one is made that belongs to no directory (fsopen, fsmount)
//! and ends with the file descriptor, so nothing in the system changes. Everything is then opened relative to the
//! descriptor. Only reading happens here: rtrace attaches by `perf_event_open` and BPF links and never writes to
//! tracefs. What a `format` file says is [`crate::format`]'s business.
//!
//! Layout (Documentation/trace/events.rst): `events/<category>/<event>/{format,id,...}`; beside the directories lie
//! control files, which listings pass over.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::format::{Format, FormatError};
use crate::kernel::Capability;
use lang::nearest::Nearest;

/// `TRACEFS_MAGIC` of `include/uapi/linux/magic.h`: what statfs says of a directory in tracefs.
const MAGIC: u64 = 0x7472_6163;

/// How many names an error suggests.
const SUGGESTIONS: usize = 3;

/// An open tracefs.
#[derive(Debug)]
pub struct Tracefs {
    root: OwnedFd,
    place: Place,
}

/// Where a tracefs was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Mounted in this directory.
    Mounted(PathBuf),
    /// On a mount of this process's own, without a path.
    Detached,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Mounted(path) => path.display().fmt(f),
            Place::Detached => f.write_str("tracefs (not mounted)"),
        }
    }
}

/// What stands between rtrace and the kernel's trace events.
#[derive(Debug, thiserror::Error)]
pub enum TracefsError {
    /// The process lacks a privilege.
    #[error("{doing}: not permitted; run as root, or with {capability}{}", remedy(*capability))]
    NotPermitted {
        /// What was tried.
        doing: String,
        /// What would have allowed it.
        capability: Capability,
    },
    /// The kernel has no tracefs.
    #[error("this kernel has no trace events: it was built without tracefs (CONFIG_TRACING)")]
    NotInKernel,
    /// The kernel is too old to make a mount without a path (fsopen came in 5.2), or forbids it.
    #[error(
        "tracefs is not mounted, and this kernel cannot open it unmounted: {source}; mount it with `mount -t tracefs tracefs /sys/kernel/tracing`"
    )]
    NotMounted {
        /// What the kernel said.
        source: io::Error,
    },
    /// No such directory under `events`.
    #[error("no tracepoint category `{category}`{}", did_you_mean(nearest))]
    UnknownCategory {
        /// The name asked for.
        category: String,
        /// Names like it, best first.
        nearest: Vec<String>,
    },
    /// No such event in the category.
    #[error("no tracepoint `{category}:{event}`{}", did_you_mean(nearest))]
    UnknownEvent {
        /// The category, which exists.
        category: String,
        /// The name asked for.
        event: String,
        /// Names like it, as `category:event`, best first; from other categories if this one has none.
        nearest: Vec<String>,
    },
    /// A `format` file that cannot be understood.
    #[error("{category}:{event}: {source}")]
    Format {
        /// The event's category.
        category: String,
        /// The event.
        event: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// Any other failure.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
}

fn remedy(capability: Capability) -> &'static str {
    match capability {
        Capability::DacReadSearch => ", or let a group of yours read tracefs (mount -o remount,gid=...)",
        _ => "",
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; nearest: {}", names.join(", ")),
    }
}

impl Tracefs {
    /// Opens tracefs where it is mounted, else on a mount of its own.
    pub fn open() -> Result<Tracefs, TracefsError> {
        Tracefs::open_mounted().map_or_else(Tracefs::open_detached, Ok)
    }

    /// Opens tracefs where it is mounted: in one of the usual places, else as `/proc/self/mounts` says.
    pub fn open_mounted() -> Option<Tracefs> {
        let usual = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
        usual.into_iter().find_map(|path| Tracefs::open_at(Path::new(path))).or_else(|| {
            let mounts = std::fs::read("/proc/self/mounts").ok()?;
            mount_points(&mounts).find_map(|path| Tracefs::open_at(&path))
        })
    }

    /// Opens a tracefs that belongs to no directory. Needs CAP_SYS_ADMIN, and Linux 5.2.
    pub fn open_detached() -> Result<Tracefs, TracefsError> {
        use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
        let failed = |errno| match errno {
            Errno::NODEV => TracefsError::NotInKernel,
            Errno::PERM | Errno::ACCESS => TracefsError::NotPermitted {
                doing: "tracefs is not mounted; opening it unmounted".to_owned(),
                capability: Capability::SysAdmin,
            },
            other => TracefsError::NotMounted { source: other.into() },
        };
        let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
        fsconfig_create(context.as_fd()).map_err(failed)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC
            | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let root = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed)?;
        Ok(Tracefs { root, place: Place::Detached })
    }

    fn open_at(path: &Path) -> Option<Tracefs> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Opening needs no right to the directory itself, so that one that is there but closed to this process is
        // found, and the error is about rights. O_DIRECTORY makes the kernel mount tracefs where debugfs has a
        // place for it, which it does on first passage.
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?;
        let is_tracefs = rustix::fs::fstatfs(&root).is_ok_and(|stat| stat.f_type as u64 == MAGIC);
        is_tracefs.then(|| Tracefs { root, place: Place::Mounted(path.to_owned()) })
    }

    /// Where it was found.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The root directory, for opening further files relative to it. It is an O_PATH descriptor.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a file for reading by its path in tracefs, such as `available_filter_functions`.
    ///
    /// # Errors
    /// [`TracefsError::NotPermitted`] and [`TracefsError::Io`].
    pub fn open_file(&self, path: &str) -> Result<File, TracefsError> {
        self.openat(path, OFlags::RDONLY).map(File::from).map_err(|errno| self.failed(path, errno))
    }

    /// The text of a file by its path in tracefs.
    ///
    /// # Errors
    /// [`TracefsError::NotPermitted`] and [`TracefsError::Io`].
    pub fn read(&self, path: &str) -> Result<String, TracefsError> {
        // Formats are mostly 500 to 2000 bytes; a first guess that is right saves reads.
        let mut text = String::with_capacity(4096);
        let result = self.open_file(path)?.read_to_string(&mut text);
        result.map_err(|source| TracefsError::Io { doing: self.describe(path), source })?;
        Ok(text)
    }

    /// Whether an event exists. Other failures than its absence, such as missing privilege, are errors.
    pub fn has_event(&self, category: &str, event: &str) -> Result<bool, TracefsError> {
        if !is_name(category) || !is_name(event) {
            return Ok(false);
        }
        let path = format!("events/{category}/{event}/format");
        match rustix::fs::accessat(&self.root, &path, rustix::fs::Access::EXISTS, rustix::fs::AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(self.failed(&path, errno)),
        }
    }

    /// The text of an event's `format` file.
    ///
    /// # Errors
    /// [`TracefsError::UnknownCategory`] and [`TracefsError::UnknownEvent`] with names like the ones asked for, and
    /// those of [`Tracefs::read`].
    pub fn event_format(&self, category: &str, event: &str) -> Result<String, TracefsError> {
        self.event_file(category, event, "format")
    }

    /// An event's format, parsed. Errors as [`Tracefs::event_format`], and [`TracefsError::Format`].
    pub fn format(&self, category: &str, event: &str) -> Result<Format, TracefsError> {
        let (category, event) = (category.to_owned(), event.to_owned());
        let text = self.event_format(&category, &event)?;
        Format::parse(&text).map_err(|source| TracefsError::Format { category, event, source })
    }

    /// The number by which perf_event_open knows an event. Errors as [`Tracefs::event_format`].
    ///
    /// Events that only ftrace itself emits (category `ftrace`) have none.
    pub fn event_id(&self, category: &str, event: &str) -> Result<u32, TracefsError> {
        let text = self.event_file(category, event, "id")?;
        text.trim().parse().map_err(|_| TracefsError::Io {
            doing: self.describe(&format!("events/{category}/{event}/id")),
            source: io::Error::new(io::ErrorKind::InvalidData, "not a number"),
        })
    }

    fn event_file(&self, category: &str, event: &str, file: &str) -> Result<String, TracefsError> {
        if !is_name(category) || !is_name(event) {
            return Err(self.unknown(category, event));
        }
        let path = format!("events/{category}/{event}/{file}");
        match self.openat(&path, OFlags::RDONLY) {
            Err(Errno::NOENT | Errno::NOTDIR) => Err(self.unknown(category, event)),
            Err(errno) => Err(self.failed(&path, errno)),
            Ok(fd) => {
                let mut text = String::with_capacity(4096);
                let read = File::from(fd).read_to_string(&mut text);
                read.map_err(|source| TracefsError::Io { doing: self.describe(&path), source })?;
                Ok(text)
            }
        }
    }

    /// The categories of events, one by one, in no particular order.
    pub fn categories(&self) -> Result<Names, TracefsError> {
        self.names("events")
    }

    /// The events of a category, one by one, in no particular order.
    ///
    /// # Errors
    /// [`TracefsError::UnknownCategory`] with names like it, and those of [`Tracefs::open_file`].
    pub fn events(&self, category: &str) -> Result<Names, TracefsError> {
        if !is_name(category) {
            return Err(self.unknown_category(category));
        }
        match self.names(&format!("events/{category}")) {
            Err(TracefsError::Io { source, .. })
                if matches!(Errno::from_io_error(&source), Some(Errno::NOENT | Errno::NOTDIR)) =>
            {
                Err(self.unknown_category(category))
            }
            names => names,
        }
    }

    fn names(&self, path: &str) -> Result<Names, TracefsError> {
        let opened = self.openat(path, OFlags::RDONLY | OFlags::DIRECTORY).and_then(Dir::new);
        let entries = opened.map_err(|errno| self.failed(path, errno))?;
        Ok(Names { entries, doing: self.describe(path) })
    }

    fn openat(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty())
    }

    fn failed(&self, path: &str, errno: Errno) -> TracefsError {
        let doing = self.describe(path);
        match errno {
            Errno::ACCESS => TracefsError::NotPermitted { doing, capability: Capability::DacReadSearch },
            // What tracefs answers under lockdown, whose remedy is not a capability.
            Errno::PERM if crate::kernel::lockdown() == Some(crate::kernel::Lockdown::Confidentiality) => {
                let source = io::Error::new(io::ErrorKind::PermissionDenied, "the kernel is locked down");
                TracefsError::Io { doing, source }
            }
            Errno::PERM => TracefsError::NotPermitted { doing, capability: Capability::SysAdmin },
            other => TracefsError::Io { doing, source: other.into() },
        }
    }

    fn describe(&self, path: &str) -> String {
        format!("reading {}/{path}", self.place)
    }

    /// Says which part of `category:event` does not exist. Listing may fail too; then nothing is suggested.
    fn unknown(&self, category: &str, event: &str) -> TracefsError {
        let Ok(events) = self.events(category) else {
            return self.unknown_category(category);
        };
        let mut search = Nearest::new(event, SUGGESTIONS);
        events.flatten().for_each(|name| search.offer(&name));
        let mut nearest: Vec<String> = search.finish().into_iter().map(|name| format!("{category}:{name}")).collect();
        if nearest.is_empty() {
            nearest = self.in_other_categories(event);
        }
        TracefsError::UnknownEvent { category: category.to_owned(), event: event.to_owned(), nearest }
    }

    fn in_other_categories(&self, event: &str) -> Vec<String> {
        let Ok(categories) = self.categories() else {
            return Vec::new();
        };
        let holders = categories.flatten().filter(|category| self.has_event(category, event).unwrap_or(false));
        holders.take(SUGGESTIONS).map(|category| format!("{category}:{event}")).collect()
    }

    fn unknown_category(&self, category: &str) -> TracefsError {
        let mut search = Nearest::new(category, SUGGESTIONS);
        if let Ok(categories) = self.categories() {
            categories.flatten().for_each(|name| search.offer(&name));
        }
        TracefsError::UnknownCategory { category: category.to_owned(), nearest: search.finish() }
    }
}

/// Names of directories, read as they are asked for. Each may fail, after which there are no more.
#[derive(Debug)]
pub struct Names {
    entries: Dir,
    doing: String,
}

impl Iterator for Names {
    type Item = Result<String, TracefsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(errno) => {
                    return Some(Err(TracefsError::Io { doing: self.doing.clone(), source: errno.into() }));
                }
            };
            // tracefs says of every entry what it is.
            if entry.file_type() != FileType::Directory {
                continue;
            }
            match entry.file_name().to_str() {
                Ok(name) if is_name(name) => return Some(Ok(name.to_owned())),
                _ => continue,
            }
        }
    }
}

/// Whether `name` can be that of a category or event: it goes into a path, and scripts are input.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// The tracefs mount points in the text of `/proc/self/mounts` (man 5 fstab: space, tab, newline and backslash in a
/// path stand as three octal digits).
fn mount_points(mounts: &[u8]) -> impl Iterator<Item = PathBuf> {
    mounts.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == b"tracefs").then(|| PathBuf::from(OsString::from_vec(unescape(path))))
    })
}

fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(open: impl Fn() -> Result<Tracefs, TracefsError>) -> Option<Tracefs> {
        match open() {
            Ok(tracefs) if tracefs.categories().is_ok() => Some(tracefs),
            Ok(_) => {
                println!("skipped: tracefs may not be read");
                None
            }
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    #[test]
    fn mounted_or_not_it_shows_the_same_events() {
        let Some(detached) = open(Tracefs::open_detached) else {
            return;
        };
        assert_eq!(detached.place(), &Place::Detached);
        let listing = |tracefs: &Tracefs| {
            let mut names: Vec<_> = tracefs.events("sched").expect("a category").flatten().collect();
            names.sort();
            names
        };
        let names = listing(&detached);
        assert!(names.iter().any(|name| name == "sched_switch"), "{names:?}");
        assert!(!names.iter().any(|name| name == "enable"), "{names:?}");
        let Some(mounted) = Tracefs::open_mounted() else {
            return println!("skipped: tracefs is not mounted");
        };
        assert_eq!(names, listing(&mounted));
        let text = |tracefs: &Tracefs| tracefs.event_format("sched", "sched_switch").expect("an event");
        assert_eq!(text(&detached), text(&mounted));
    }

    #[test]
    fn an_event_has_a_format_and_an_id() {
        let Some(tracefs) = open(Tracefs::open) else {
            return;
        };
        let format = tracefs.format("sched", "sched_switch").expect("an event");
        assert_eq!(tracefs.event_id("sched", "sched_switch").ok(), Some(format.id));
        assert!(format.field("prev_comm").is_some_and(|field| field.array == Some(16)));
        assert_eq!(tracefs.has_event("sched", "sched_switch").ok(), Some(true));
        assert_eq!(tracefs.has_event("sched", "sched_swicth").ok(), Some(false));
        assert_eq!(tracefs.has_event("..", "sched").ok(), Some(false));
    }

    #[test]
    fn unknown_names_come_with_near_ones() {
        let Some(tracefs) = open(Tracefs::open) else {
            return;
        };
        match tracefs.event_format("sched", "sched_swicth") {
            Err(TracefsError::UnknownEvent { nearest, .. }) => {
                assert_eq!(nearest[0], "sched:sched_switch")
            }
            other => panic!("{other:?}"),
        }
        match tracefs.event_format("shced", "sched_switch") {
            Err(error @ TracefsError::UnknownCategory { .. }) => {
                assert_eq!(error.to_string(), "no tracepoint category `shced`; nearest: sched");
            }
            other => panic!("{other:?}"),
        }
        match tracefs.events("syscals") {
            Err(TracefsError::UnknownCategory { nearest, .. }) => {
                assert_eq!(nearest[0], "syscalls")
            }
            other => panic!("{other:?}"),
        }
        match tracefs.event_format("raw_syscalls", "sched_switch") {
            Err(TracefsError::UnknownEvent { nearest, .. }) => {
                assert_eq!(nearest, ["sched:sched_switch"])
            }
            other => panic!("{other:?}"),
        }
        for (category, event) in [("../options", "x"), ("sched", "../sched_switch"), ("", ""), ("sched", "a\0b")] {
            let error = tracefs.event_format(category, event);
            assert!(
                matches!(error, Err(TracefsError::UnknownCategory { .. } | TracefsError::UnknownEvent { .. })),
                "{error:?}"
            );
        }
    }

    #[test]
    fn mount_points_are_found() {
        let mounts = b"proc /proc proc rw 0 0\ntracefs /mnt/my\\040trace tracefs rw 0 0\nbroken\n";
        assert_eq!(mount_points(mounts).collect::<Vec<_>>(), [PathBuf::from("/mnt/my trace")]);
        assert_eq!(unescape(br"a\\b\04"), br"a\\b\04");
    }
}
