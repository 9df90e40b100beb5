//! Which file a script means by the name of a program or library.
//!
//! A name with a slash is a path, maybe with patterns. Any other is a library (`libc`, `libssl.so.3`) or a program of
//! `PATH`. With one process to trace, its own file system and what it has mapped come first. `ARCHIVE!/FILE` is a file in
//! an archive.

use crate::archive::{self, Member};
use crate::binary::open_file;
use crate::kernel::machine;
use lang::glob;
use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// A file that a script may mean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// As people call it.
    pub name: String,
    /// As this process opens it.
    pub path: PathBuf,
    /// The part of it that is meant, if it is an archive.
    pub member: Option<Member>,
}

/// Where to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files {
    process: Option<u32>,
}

impl Files {
    /// As this process sees them, or as `process` does.
    pub fn new(process: Option<u32>) -> Files {
        Files { process }
    }

    /// The files that `name` may mean: more than one only if it is a pattern.
    pub fn find(&self, name: &str) -> Vec<Found> {
        if glob::is_pattern(name) {
            return match name.contains('/') {
                true => self.matching(name),
                false => self.mapped().into_iter().filter(|found| glob::matches(name, base(&found.name))).collect(),
            };
        }
        let found = match name.contains('/') {
            true => self.at(name).filter(|found| found.path.is_file()).or_else(|| self.in_archive(name)),
            false if name.starts_with("lib") => self.library(name).or_else(|| self.program(name)),
            false => self.program(name).or_else(|| self.library(name)),
        };
        found.into_iter().collect()
    }

    /// The names without a slash that [`Files::find`] may find something for: programs, and libraries as `libc`. In no
    /// order, some more than once.
    pub fn names(&self) -> Vec<String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let folders = path.split(':').filter(|folder| folder.starts_with('/')).filter_map(|folder| self.at(folder));
        let files = folders.flat_map(|folder| fs::read_dir(folder.path).into_iter().flatten().flatten());
        let programs = files.filter_map(|entry| entry.file_name().into_string().ok());
        let cache = self.at("/etc/ld.so.cache").and_then(|found| fs::read(found.path).ok()).unwrap_or_default();
        let libraries = in_cache(&cache, library_flags()).filter_map(|(name, _)| name.split_once(".so"));
        programs.chain(libraries.map(|(name, _)| name.to_owned())).collect()
    }

    /// The program that the process runs.
    pub fn of_process(&self) -> Option<Found> {
        let process = self.process?;
        let link = PathBuf::from(format!("/proc/{process}/exe"));
        let name = self.seen_by_process(fs::read_link(&link).ok()?.to_str()?).to_owned();
        let path = self.at(&name).map(|found| found.path).filter(|path| path.is_file());
        // A program whose file is gone can still be reached through the link.
        Some(Found { name, path: path.unwrap_or(link), member: None })
    }

    /// `ARCHIVE!/FILE`, if that can be mapped from there.
    fn in_archive(&self, name: &str) -> Option<Found> {
        let (outer, inner) = name.split_once(archive::SEPARATOR)?;
        let path = self.at(outer)?.path;
        let file = open_file(&path).ok()?;
        let member = archive::member(&file, inner).ok()??;
        Some(Found { name: name.to_owned(), path, member: Some(member) })
    }

    /// A path as this process has to write it.
    fn at(&self, name: &str) -> Option<Found> {
        let path = match self.root() {
            Some(root) if name.starts_with('/') => PathBuf::from(root + name),
            _ => PathBuf::from(name),
        };
        Some(Found { name: name.to_owned(), path, member: None })
    }

    /// A path that the kernel tells us of a file of the process, as the process itself would write it. The kernel counts
    /// from our root or, in another mount namespace, from that one's; the process may have made another directory its root.
    fn seen_by_process<'n>(&self, told: &'n str) -> &'n str {
        let root = self.process.and_then(|process| fs::read_link(format!("/proc/{process}/root")).ok());
        let root = root.as_ref().and_then(|root| root.to_str()).unwrap_or("/").trim_end_matches('/');
        told.strip_prefix(root).filter(|inner| inner.starts_with('/')).unwrap_or(told)
    }

    /// Where the process's file system begins, if it is another than ours.
    fn root(&self) -> Option<String> {
        let process = self.process?;
        let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/mnt")).ok();
        let own_root = fs::read_link("/proc/self/root").ok();
        let other_root = fs::read_link(format!("/proc/{process}/root")).ok();
        let same = namespace("self") == namespace(&process.to_string()) && own_root == other_root;
        (!same).then(|| format!("/proc/{process}/root"))
    }

    /// The files that the process has mapped for running.
    pub fn mapped(&self) -> Vec<Found> {
        let Some(process) = self.process else { return Vec::new() };
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        let mut names: Vec<&str> = executable(&maps).map(|(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        let names = names.into_iter().filter_map(|name| self.at(self.seen_by_process(name)));
        names.filter(|found| found.path.is_file()).collect()
    }

    /// The files that any process has mapped for running, and the programs of `PATH`: each once, whatever names it has.
    pub fn everywhere(&self) -> Vec<Found> {
        let mut seen = HashSet::new();
        let mut is_new = |found: &Found| {
            let file = fs::metadata(&found.path).ok().filter(fs::Metadata::is_file);
            file.is_some_and(|file| seen.insert((file.dev(), file.ino())))
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let folders = path.split(':').filter(|folder| folder.starts_with('/'));
        let programs = folders.flat_map(|folder| self.matching(&format!("{}/*", folder.trim_end_matches('/'))));
        let is_program =
            |found: &Found| fs::metadata(&found.path).is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
        let mut all: Vec<Found> = programs.filter(is_program).filter(&mut is_new).collect();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        // Device and number, as the kernel writes them, tell most of what many processes share without asking for it.
        let mut known: HashSet<String> = HashSet::new();
        for process in processes {
            // It may be gone, or not for us to see.
            let Ok(maps) = fs::read_to_string(format!("/proc/{process}/maps")) else { continue };
            let of_process = Files::new(Some(process));
            let new = executable(&maps).filter(|(file, _)| known.insert((*file).to_owned()));
            let found = new.filter_map(|(_, name)| of_process.at(of_process.seen_by_process(name))).filter(&mut is_new);
            // The path by which it is reached says in whose file system it is.
            all.extend(found.filter_map(|found| Some(Found { name: found.path.to_str()?.to_owned(), ..found })));
        }
        all
    }

    fn program(&self, name: &str) -> Option<Found> {
        let path = std::env::var("PATH").unwrap_or_default();
        path.split(':').filter(|dir| dir.starts_with('/')).find_map(|dir| {
            let found = self.at(&format!("{}/{name}", dir.trim_end_matches('/')))?;
            let file = fs::metadata(&found.path).ok()?;
            (file.is_file() && file.permissions().mode() & 0o111 != 0).then_some(found)
        })
    }

    fn library(&self, name: &str) -> Option<Found> {
        if let Some(found) = self.mapped().into_iter().find(|found| is_library(name, base(&found.name))) {
            return Some(found);
        }
        let cache = fs::read(self.at("/etc/ld.so.cache")?.path).unwrap_or_default();
        let cached = cached_library(&cache, name, library_flags()).and_then(|path| self.at(&path));
        cached.filter(|found| found.path.is_file()).or_else(|| self.library_in_directories(name))
    }

    /// Without a cache: musl has none.
    fn library_in_directories(&self, name: &str) -> Option<Found> {
        let triple = format!("{}-linux-gnu", machine());
        let directories =
            ["/lib64".into(), "/usr/lib64".into(), format!("/lib/{triple}"), format!("/usr/lib/{triple}")];
        let directories = directories.into_iter().chain(["/lib".into(), "/usr/lib".into(), "/usr/local/lib".into()]);
        directories.into_iter().find_map(|directory| {
            let mut names: Vec<String> = fs::read_dir(self.at(&directory)?.path)
                .ok()?
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|file| is_library(name, file))
                .collect();
            names.sort_unstable();
            let file = names.into_iter().next()?;
            self.at(&format!("{directory}/{file}")).filter(|found| found.path.is_file())
        })
    }

    /// The files that a pattern with slashes covers, part by part.
    fn matching(&self, pattern: &str) -> Vec<Found> {
        let mut found = vec![String::new()];
        for part in Path::new(pattern).components() {
            let next = |prefix: &str, part: &str| match (prefix, prefix.ends_with('/')) {
                ("", _) | (_, true) => format!("{prefix}{part}"),
                _ => format!("{prefix}/{part}"),
            };
            found = match part {
                Component::RootDir => vec!["/".to_owned()],
                Component::Normal(part) => {
                    let Some(part) = part.to_str() else { return Vec::new() };
                    match glob::is_pattern(part) {
                        true => found
                            .iter()
                            .flat_map(|prefix| {
                                self.entries(prefix, part).map(|name| next(prefix, &name)).collect::<Vec<_>>()
                            })
                            .collect(),
                        false => found.iter().map(|prefix| next(prefix, part)).collect(),
                    }
                }
                // `./x` stays what was written.
                other => found.iter().map(|prefix| next(prefix, &other.as_os_str().to_string_lossy())).collect(),
            };
        }
        let mut files: Vec<Found> =
            found.iter().filter_map(|name| self.at(name)).filter(|found| found.path.is_file()).collect();
        files.sort();
        files
    }

    fn entries(&self, directory: &str, pattern: &str) -> impl Iterator<Item = String> {
        let directory = if directory.is_empty() { "." } else { directory };
        let entries = self.at(directory).and_then(|found| fs::read_dir(found.path).ok());
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(move |name| glob::matches(pattern, name))
    }
}

/// The files that a process has mapped for running, in the text of its `maps`: device and number, and the path.
fn executable(maps: &str) -> impl Iterator<Item = (&str, &str)> {
    maps.lines().filter_map(|line| {
        // Range, rights, offset, device, number, and after blanks the path.
        let mut parts = line.splitn(4, ' ');
        let (_, rights, _, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let at = rest.find('/')?;
        rights.contains('x').then_some((rest[..at].trim_end(), &rest[at..]))
    })
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file of this name is the library that was asked for: `libc` is `libc.so.6`.
fn is_library(asked: &str, file: &str) -> bool {
    file == asked || file.strip_prefix(asked).is_some_and(|rest| rest == ".so" || rest.starts_with(".so."))
}

/// What the cache says of libraries for this machine (`FLAG_*` of glibc's sysdeps/generic/ldconfig.h); `None` for all.
fn library_flags() -> Option<u32> {
    match std::env::consts::ARCH {
        "x86_64" => Some(0x0300),
        "aarch64" => Some(0x0a00),
        _ => None,
    }
}

/// The path of a library in the text of `/etc/ld.so.cache`.
fn cached_library(cache: &[u8], asked: &str, flags: Option<u32>) -> Option<String> {
    let mut best = None;
    for (name, path) in in_cache(cache, flags) {
        if name == asked {
            return Some(path.to_owned());
        }
        if best.is_none() && is_library(asked, name) {
            best = Some(path);
        }
    }
    best.map(str::to_owned)
}

/// The libraries in the text of `/etc/ld.so.cache`, with their paths.
///
/// The format is glibc's `struct cache_file_new` (sysdeps/generic/dl-cache.h), maybe behind one of the old format.
fn in_cache(cache: &[u8], flags: Option<u32>) -> impl Iterator<Item = (&str, &str)> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    let cache = memchr::memmem::find(cache, MAGIC).map_or(&[][..], |start| &cache[start..]);
    let number = |at: usize| Some(u32::from_ne_bytes(cache.get(at..at + 4)?.try_into().ok()?));
    let text = |at: u32| {
        let bytes = cache.get(at as usize..)?;
        std::str::from_utf8(&bytes[..memchr::memchr(0, bytes)?]).ok()
    };
    let count = number(MAGIC.len()).unwrap_or(0) as usize;
    (0..count.min(cache.len() / ENTRY)).filter_map(move |index| {
        let at = HEADER + index * ENTRY;
        let kind = number(at)?;
        let is_ours = flags.is_none_or(|flags| kind & 0xff00 == flags);
        let entry = (text(number(at + 4)?)?, text(number(at + 8)?)?);
        is_ours.then_some(entry)
    })
}

/// A path as text, for what takes paths as text only.
pub fn as_text(path: &Path) -> Option<&str> {
    std::str::from_utf8(path.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_libraries() {
        assert!(
            is_library("libc", "libc.so.6") && is_library("libc.so.6", "libc.so.6") && is_library("libc", "libc.so")
        );
        assert!(
            !is_library("libc", "libcap.so.2")
                && !is_library("libc", "libc.sox")
                && !is_library("libc.so.5", "libc.so.6")
        );
    }

    #[test]
    fn the_cache_is_read_entry_by_entry() {
        let mut cache = b"glibc-ld.so.cache1.1".to_vec();
        let texts = b"libx.so.2\0/a/libx.so.2\0libx.so.1\0/b/libx.so.1\0";
        let text_start = 48 + 3 * 24;
        cache.extend(3u32.to_ne_bytes());
        cache.resize(48, 0);
        for (flags, key, value) in [(0x0803u32, 0u32, 10u32), (0x0303, 0, 10), (0x0303, 23, 33)] {
            cache.extend(flags.to_ne_bytes());
            cache.extend((text_start + key).to_ne_bytes());
            cache.extend((text_start + value).to_ne_bytes());
            cache.extend([0; 12]);
        }
        cache.extend(texts);
        let find = |name, flags| cached_library(&cache, name, flags);
        assert_eq!(find("libx", Some(0x0300)).as_deref(), Some("/a/libx.so.2"));
        assert_eq!(find("libx.so.1", Some(0x0300)).as_deref(), Some("/b/libx.so.1"));
        assert_eq!(find("libx.so.1", Some(0x0a00)), None);
        assert_eq!(find("liby", None), None);
        for length in 0..cache.len() {
            let _ = cached_library(&cache[..length], "libx.so.1", None);
        }
        assert_eq!(cached_library(&cache[..40], "libx", None), None);
    }

    #[test]
    fn files_of_this_machine() {
        let here = Files::default();
        let names = |name: &str| here.find(name).into_iter().map(|found| found.name).collect::<Vec<_>>();
        assert_eq!(names("/proc/version"), ["/proc/version"]);
        assert_eq!(names("/proc/versio[n]"), ["/proc/version"]);
        assert_eq!(names("/p*c/versio*"), ["/proc/version"]);
        assert!(names("/proc/no_such_file").is_empty() && names("no_such_program_at_all").is_empty());
        let own = Files::new(Some(std::process::id()));
        let exe = std::env::current_exe().expect("the test has a file");
        assert_eq!(own.of_process().map(|found| found.path), Some(exe.clone()));
        assert!(own.find("*").iter().any(|found| found.path == exe));
    }
}
