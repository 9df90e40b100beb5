//! What was entered before: in memory for the editor, and in a file for the sessions to come.
//!
//! Each entry is a line of the file, appended at once, so that several sessions do not lose each other's and none is lost
//! if the machine goes down. Line breaks within an entry are written `\n`, backslashes `\\`. A file that has grown to twice
//! what is kept is written anew when a session begins. Whoever writes holds a lock on the file, and looks whether it is
//! still the one that its name leads to.

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, fstat, mkdirat, open, openat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustyline::history::{History, SearchDirection, SearchResult};
use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// An entry longer than this is not written to the file.
const MOST_BYTES: usize = 64 << 10;
/// Of a longer file only so much is read, from its end.
const MOST_OF_FILE: u64 = 8 << 20;

/// What has been typed and not been entered, which the editor's helper knows: the arrow keys go through the entries that
/// begin with it.
pub type Typed = Arc<Mutex<String>>;

/// Where the file is, if there is a place for one.
pub fn file(environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    // What is no whole path counts as not set: XDG Base Directory Specification.
    let whole = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = whole("XDG_STATE_HOME").or_else(|| Some(whole("HOME")?.join(".local/state")))?;
    Some(state.join("rtrace/history"))
}

/// The entries, oldest first, each once.
pub struct Entries {
    entries: VecDeque<String>,
    most: usize,
    typed: Typed,
    file: Option<PathBuf>,
}

impl Entries {
    /// Those of the sessions before, at most so many. What cannot be read or written is kept for this session only; the
    /// error says why.
    pub fn open(file: Option<PathBuf>, most: usize, typed: Typed) -> (Self, Option<io::Error>) {
        let mut entries = Self { entries: VecDeque::new(), most, typed, file };
        let read = entries.file.clone().map_or(Ok(()), |file| entries.read(&file));
        if read.is_err() {
            entries.file = None;
        }
        (entries, read.err())
    }

    fn read(&mut self, path: &Path) -> io::Result<()> {
        if self.most == 0 {
            self.file = None;
            return Ok(());
        }
        let made = path.parent().map_or(Ok(Vec::new()), make_folder)?;
        let mut file = locked(path)?;
        give_away(made, &file)?;
        let length = file.metadata()?.len();
        let skipped = length.saturating_sub(MOST_OF_FILE);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().skip(usize::from(skipped > 0)).filter(|line| !line.is_empty()).collect();
        let mut seen = HashSet::new();
        let newest = lines.iter().rev().filter(|line| seen.insert(**line)).take(self.most);
        self.entries = newest.map(|line| unescaped(line)).collect::<Vec<_>>().into_iter().rev().collect();
        if lines.len() > 2 * self.most || skipped > 0 {
            rewrite(path, &file, &self.entries)?;
        }
        Ok(())
    }

    fn keep(&mut self, line: &str) -> bool {
        let line = line.trim_end();
        // What begins with a blank is nobody's business, as in a shell.
        if line.is_empty() || line.starts_with(char::is_whitespace) || self.most == 0 {
            return false;
        }
        if self.entries.back().is_some_and(|last| last == line) {
            return false;
        }
        self.entries.retain(|entry| entry != line);
        if self.entries.len() >= self.most {
            self.entries.pop_front();
        }
        self.entries.push_back(line.to_owned());
        if let Some(path) = self.file.as_deref().filter(|_| line.len() <= MOST_BYTES)
            && let Err(error) =
                locked(path).and_then(|mut file| file.write_all(format!("{}\n", escaped(line)).as_bytes()))
            && error.kind() != io::ErrorKind::ResourceBusy
        {
            // The session goes on with what it remembers.
            self.file = None;
        }
        true
    }

    fn matching(&self, start: usize, direction: SearchDirection, fits: impl Fn(&str) -> bool) -> Option<usize> {
        match direction {
            SearchDirection::Reverse => {
                (0..=start.min(self.entries.len().checked_sub(1)?)).rev().find(|at| fits(&self.entries[*at]))
            }
            SearchDirection::Forward => (start..self.entries.len()).find(|at| fits(&self.entries[*at])),
        }
    }

    fn found(&self, idx: usize, pos: usize) -> Option<SearchResult<'_>> {
        Some(SearchResult { entry: Cow::Borrowed(self.entries.get(idx)?), idx, pos })
    }
}

impl History for Entries {
    /// The arrow keys ask for the next one in a direction: that is the next one which begins with what was typed.
    fn get(&self, index: usize, direction: SearchDirection) -> rustyline::Result<Option<SearchResult<'_>>> {
        let typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fits = |entry: &str| entry.starts_with(&typed) && entry != typed;
        Ok(match (self.matching(index, direction, fits), direction) {
            (Some(at), _) => self.found(at, 0),
            // Behind the newest one is what was typed.
            (None, SearchDirection::Forward) => {
                Some(SearchResult { pos: typed.len(), entry: Cow::Owned(typed), idx: self.entries.len() })
            }
            (None, SearchDirection::Reverse) => None,
        })
    }

    fn add(&mut self, line: &str) -> rustyline::Result<bool> {
        Ok(self.keep(line))
    }

    fn add_owned(&mut self, line: String) -> rustyline::Result<bool> {
        Ok(self.keep(&line))
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn set_max_len(&mut self, most: usize) -> rustyline::Result<()> {
        self.most = most;
        let over = self.entries.len().saturating_sub(most);
        self.entries.drain(..over);
        Ok(())
    }

    fn ignore_dups(&mut self, _: bool) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_space(&mut self, _: bool) {}

    fn save(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn append(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn load(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn clear(&mut self) -> rustyline::Result<()> {
        self.entries.clear();
        Ok(())
    }

    fn search(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        let found = self.matching(start, direction, |entry| entry.contains(term)).filter(|_| !term.is_empty());
        Ok(found.and_then(|at| self.found(at, self.entries[at].find(term)?)))
    }

    fn starts_with(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        let found = self.matching(start, direction, |entry| entry.starts_with(term)).filter(|_| !term.is_empty());
        Ok(found.and_then(|at| self.found(at, term.len())))
    }
}

/// Makes a folder, and those above it that are not there; gives those, behind the one that was there.
fn make_folder(folder: &Path) -> io::Result<Vec<OwnedFd>> {
    let missing = folder.ancestors().take_while(|folder| !folder.exists()).count();
    let Some(above) = folder.ancestors().nth(missing).filter(|_| missing > 0) else { return Ok(Vec::new()) };
    // Each by the descriptor of the one above it: nobody whose home this is can put something else in its place.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut made = vec![open(above, flags, Mode::empty())?];
    for name in folder.strip_prefix(above).into_iter().flatten() {
        let Some(above) = made.last() else { break };
        // Another session may have been quicker.
        mkdirat(above, name, Mode::RWXU).or_else(|error| if error == Errno::EXIST { Ok(()) } else { Err(error) })?;
        let folder = openat(above, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        made.push(folder);
    }
    Ok(made)
}

/// What was made belongs to whom the folder does in which it was made, whose home that most likely is.
fn give_away(made: Vec<OwnedFd>, file: &File) -> io::Result<()> {
    let Some((above, folders)) = made.split_first() else { return Ok(()) };
    let owner = fstat(above)?;
    if owner.st_uid == geteuid().as_raw() {
        return Ok(());
    }
    let (user, group) = (Some(owner.st_uid), Some(owner.st_gid));
    fchown(file, user, group)?;
    folders.iter().rev().try_for_each(|folder| fchown(folder, user, group))
}

/// The file, which nobody else writes to until this is dropped.
fn locked(path: &Path) -> io::Result<File> {
    /// Others hold the lock for a moment only, unless they were stopped in it.
    const TRIES: usize = 20;
    const MOMENT: Duration = Duration::from_millis(5);
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    for _ in 0..TRIES {
        let file = File::from(open(path, flags, Mode::RUSR | Mode::WUSR)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"));
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                sleep(MOMENT);
                continue;
            }
            taken => taken?,
        }
        let (held, named) = (fstat(&file)?, stat(path));
        if named.is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)) {
            if file.metadata()?.mode() & 0o077 != 0 {
                fchmod(&file, Mode::RUSR | Mode::WUSR)?;
            }
            return Ok(file);
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "others hold it"))
}

/// Writes the file anew. The old one is locked.
fn rewrite(path: &Path, old: &File, entries: &VecDeque<String>) -> io::Result<()> {
    let beside = path.with_extension(std::process::id().to_string());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let text: String = entries.iter().map(|entry| escaped(entry) + "\n").collect();
    let owner = fstat(old)?;
    let write = |mut file: File| {
        file.write_all(text.as_bytes())?;
        fchown(&file, Some(owner.st_uid), Some(owner.st_gid))?;
        std::fs::rename(&beside, path)
    };
    let written =
        open(&beside, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from).and_then(|file| write(file.into()));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => entry.push('\n'),
                Some('r') => entry.push('\r'),
                Some(other) => entry.push(other),
                None => entry.push('\\'),
            },
            letter => entry.push(letter),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place(name: &str) -> PathBuf {
        let place = std::env::temp_dir().join(format!("rtrace-history-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        place.join("rtrace/history")
    }

    fn opened(path: &Path, most: usize) -> Entries {
        let (entries, error) = Entries::open(Some(path.to_owned()), most, Typed::default());
        assert!(error.is_none(), "{error:?}");
        entries
    }

    fn all(entries: &Entries) -> Vec<&str> {
        entries.entries.iter().map(String::as_str).collect()
    }

    #[test]
    fn entries_outlive_the_session() {
        let path = place("outlive");
        let mut one = opened(&path, 100);
        for line in ["@x = 1", "begin {\n  printf(\"a\\n\");\n}\n", " secret", "", "@x = 1", ":maps", ":maps"] {
            one.keep(line);
        }
        let expected = ["begin {\n  printf(\"a\\n\");\n}", "@x = 1", ":maps"];
        assert_eq!(all(&one), expected);
        assert_eq!(all(&opened(&path, 100)), expected);
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert_eq!(all(&opened(&path, 2)), expected[1..]);
        let _ = std::fs::remove_dir_all(path.parent().and_then(Path::parent).expect("a folder"));
    }

    #[test]
    fn what_is_made_in_somebodys_home_is_theirs() {
        let path = place("home");
        let home = path.ancestors().nth(2).expect("it is in a folder");
        std::fs::create_dir_all(home).expect("there is room");
        // Who is not root cannot give anything away.
        if !geteuid().is_root() || std::os::unix::fs::lchown(home, Some(12345), Some(54321)).is_err() {
            return;
        }
        opened(&path, 9).keep("@x");
        for made in [&path, path.parent().expect("a folder")] {
            let found = std::fs::metadata(made).expect("it is there");
            assert_eq!((found.uid(), found.gid()), (12345, 54321), "{}", made.display());
        }
        let _ = std::fs::remove_dir_all(home);
    }

    #[test]
    fn sessions_at_once_lose_nothing() {
        let path = place("at-once");
        let (mut one, mut other) = (opened(&path, 3), opened(&path, 3));
        for number in 0..5 {
            one.keep(&format!("one {number}"));
            other.keep(&format!("other {number}"));
        }
        // A third one finds more than is kept, and writes the file anew.
        assert_eq!(all(&opened(&path, 3)), ["other 3", "one 4", "other 4"]);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "other 3\none 4\nother 4\n");
        one.keep("one last");
        assert_eq!(all(&opened(&path, 9)), ["other 3", "one 4", "other 4", "one last"]);
        let _ = std::fs::remove_dir_all(path.parent().and_then(Path::parent).expect("a folder"));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_done_without() {
        let (mut entries, error) = Entries::open(Some("/proc/rtrace/history".into()), 9, Typed::default());
        assert!(error.is_some());
        assert!(entries.keep("@x"));
        assert_eq!(all(&entries), ["@x"]);
        let path = place("link");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("there is room");
        std::os::unix::fs::symlink("/dev/null", &path).expect("there is room");
        assert!(Entries::open(Some(path), 9, Typed::default()).1.is_some());
    }

    #[test]
    fn the_arrows_go_through_what_begins_as_was_typed() {
        let typed = Typed::default();
        let (mut entries, _) = Entries::open(None, 9, Arc::clone(&typed));
        for line in ["@a = 1", ":maps", "@a = 2", ":off 1"] {
            entries.keep(line);
        }
        let go = |index: usize, direction| {
            let found = entries.get(index, direction).expect("it never fails");
            found.map(|found| (found.entry.into_owned(), found.idx))
        };
        assert_eq!(go(3, SearchDirection::Reverse), Some((":off 1".to_owned(), 3)));
        *typed.lock().expect("nobody failed") = "@a".to_owned();
        assert_eq!(go(3, SearchDirection::Reverse), Some(("@a = 2".to_owned(), 2)));
        assert_eq!(go(1, SearchDirection::Reverse), Some(("@a = 1".to_owned(), 0)));
        assert_eq!(go(1, SearchDirection::Forward), Some(("@a = 2".to_owned(), 2)));
        assert_eq!(go(3, SearchDirection::Forward), Some(("@a".to_owned(), 4)));
        *typed.lock().expect("nobody failed") = "zz".to_owned();
        assert_eq!(go(3, SearchDirection::Reverse), None);
    }

    #[test]
    fn the_place_is_as_xdg_has_it() {
        let at = |state: &'static str, home: &'static str| {
            file(move |name| match name {
                "XDG_STATE_HOME" => Some(state.to_owned()).filter(|text| !text.is_empty()),
                _ => Some(home.to_owned()).filter(|text| !text.is_empty()),
            })
        };
        assert_eq!(at("/s", "/h"), Some("/s/rtrace/history".into()));
        assert_eq!(at("", "/h"), Some("/h/.local/state/rtrace/history".into()));
        assert_eq!(at("relative", "/h"), Some("/h/.local/state/rtrace/history".into()));
        assert_eq!(at("", ""), None);
    }
}
