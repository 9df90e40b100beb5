//! What the processes met have mapped: noted while they live, or put together from the news of them if they have ended.
//!
//! A process is known by the word that BPF programs hand on (`codegen::event::process_word_fits`): its number in the low
//! half, and in the high half what tells its programs apart. What is noted without that word is noted under the number
//! alone.

use super::files::{Files, Line, MappedFile, Root};
use super::past::Past;
use super::sideband::Told;
use super::watch::Source;
use codegen::event::process_word_fits;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many are remembered; the one noted first is forgotten first.
const MOST: usize = 4096;
/// A process is looked at again for an address that is not known, but not more often than this.
const AGAIN: Duration = Duration::from_millis(20);

/// Processes, shared by those who note and those who ask.
#[derive(Clone, Default)]
pub struct Processes {
    known: Arc<Mutex<Known>>,
    source: Arc<Mutex<Option<Source>>>,
}

#[derive(Debug, Default)]
struct Known {
    processes: HashMap<u64, Process>,
    order: VecDeque<u64>,
    files: Files,
    past: Past,
}

/// A process as it was when it was looked at.
#[derive(Debug)]
struct Process {
    /// When it was started, and where its arguments lie: another program has others.
    program: (u64, u64),
    /// Sorted by address.
    mappings: Vec<Mapping>,
    looked: Instant,
    /// How often.
    looks: u32,
    /// Where its own programs find it.
    about: Arc<About>,
}

/// What a process is to itself.
#[derive(Debug)]
pub struct About {
    /// Its number in its own namespace.
    pub number: u32,
    /// Its root, if it sees other files.
    pub root: Option<Arc<Root>>,
}

/// A part of a process's code.
#[derive(Clone, Debug)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    what: What,
}

/// What is mapped.
#[derive(Clone, Debug)]
pub enum What {
    /// A file.
    File(Arc<MappedFile>),
    /// The kernel's code for processes.
    Vdso,
    /// Memory of no file: code made by the process itself.
    Made,
}

/// What is at an address of a process.
#[derive(Clone, Debug)]
pub struct Place {
    /// In this,
    pub what: What,
    /// so many bytes from its beginning,
    pub offset: u64,
    /// of this process.
    pub about: Arc<About>,
}

/// Whether there is something at an address.
#[derive(Debug)]
pub enum Found {
    /// This.
    Here(Place),
    /// No code.
    Nothing,
    /// The process has ended, and was never looked at.
    Gone,
}

impl Processes {
    /// Notes what a process has mapped, as far as it still lives.
    pub fn note(&self, process: u64) {
        self.known().look(process);
    }

    /// Notes a process that was met; false if it has ended.
    pub fn meet(&self, process: u64) -> bool {
        /// One that makes code all the time is news all the time, and may have thousands of mappings.
        const OFTEN: u32 = 32;
        const SELDOM: Duration = Duration::from_millis(200);
        let mut known = self.known();
        let is_busy = |known: &Process| known.looks > OFTEN && known.looked.elapsed() < SELDOM;
        known.processes.get(&process).is_some_and(is_busy) || known.look(process)
    }

    /// Notes a process that has ended since it was met at a time, from the news of it.
    pub fn recall(&self, process: u64, time: u64) {
        self.known().recall(process, time);
    }

    /// Takes news of processes.
    pub fn tell(&self, news: Vec<Told>) {
        let mut known = self.known();
        news.into_iter().for_each(|told| known.past.note(told));
    }

    /// Takes news from here from now on. What has happened before tells nothing of what is: nobody may have listened.
    pub fn listen(&self, source: Option<Source>) {
        let is_new = source.is_some();
        *lock(&self.source) = source;
        if is_new {
            self.known().past = Past::default();
        }
    }

    /// Takes the news that have come.
    pub fn catch_up(&self) {
        if let Some(source) = &mut *lock(&self.source) {
            source.drain(self);
        }
    }

    /// What is at an address of a process. One that has mapped something since is looked at again.
    pub fn find(&self, process: u64, address: u64) -> Found {
        match self.find_known(process, address) {
            Found::Here(place) => Found::Here(place),
            // The news of it may still be on their way.
            _ => {
                self.catch_up();
                self.find_known(process, address)
            }
        }
    }

    fn find_known(&self, process: u64, address: u64) -> Found {
        /// The pages at 0 are never mapped, and the upper half is the kernel's.
        const USER: std::ops::Range<u64> = 4096..1 << 56;
        if !USER.contains(&address) {
            return Found::Nothing;
        }
        let mut known = self.known();
        if let Some(place) = known.place(process, address) {
            return Found::Here(place);
        }
        let is_due = known.processes.get(&process).is_none_or(|known| known.looked.elapsed() > AGAIN);
        if is_due
            && known.look(process)
            && let Some(place) = known.place(process, address)
        {
            return Found::Here(place);
        }
        if known.processes.contains_key(&process) {
            return Found::Nothing;
        }
        // A number alone may be that of any program that the process has run; the last is the best guess.
        if process >> 32 == 0 {
            known.recall(process, u64::MAX);
        }
        known.place(process, address).map_or(Found::Gone, Found::Here)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked with it has left a table that can still be read.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn place(&self, process: u64, address: u64) -> Option<Place> {
        let number = process & u64::from(u32::MAX);
        [process, number].into_iter().find_map(|process| self.processes.get(&process)?.place(address))
    }

    /// Looks at a process; false if it has ended, or runs another program by now.
    fn look(&mut self, process: u64) -> bool {
        let number = process as u32;
        let Some(program) = program(number) else { return false };
        let is_other = match self.processes.get(&process) {
            Some(known) => known.program != program,
            None => !process_word_fits(process, program.1),
        };
        if is_other {
            return false;
        }
        let Ok(maps) = fs::read_to_string(format!("/proc/{number}/maps")) else { return false };
        if maps.is_empty() {
            return false;
        }
        let about = match self.processes.get(&process) {
            Some(known) => Arc::clone(&known.about),
            None => Arc::new(About { number: own_number(number), root: Root::of(number).map(Arc::new) }),
        };
        let lines = maps.lines().filter_map(Line::parse).filter(|line| line.is_code);
        let mappings = lines.map(|line| self.files.mapping(&line, number, about.root.as_ref())).collect();
        self.insert(process, program, mappings, about);
        true
    }

    /// Puts together what a process had mapped that cannot be looked at any more.
    fn recall(&mut self, process: u64, time: u64) {
        let number = process as u32;
        let Some(image) = self.past.image(number, time) else { return };
        let about = match self.processes.get(&process) {
            Some(known) => Arc::clone(&known.about),
            // Its copy may still be there, and see the same files.
            None => Arc::new(About { number, root: image.like.and_then(Root::of).map(Arc::new) }),
        };
        let mut mappings = Vec::new();
        if let Some(like) = image.like {
            let maps = fs::read_to_string(format!("/proc/{like}/maps")).unwrap_or_default();
            let lines = maps.lines().filter_map(Line::parse).filter(|line| line.is_code);
            mappings.extend(lines.map(|line| self.files.mapping(&line, like, about.root.as_ref())));
        }
        for code in image.code {
            let line = Line {
                start: code.range.start,
                end: code.range.end,
                is_code: true,
                offset: code.offset,
                device: &code.device,
                inode: code.inode,
                path: &code.path,
            };
            mappings.retain(|old: &Mapping| !old.overlaps(line.start, line.end));
            mappings.push(self.files.mapping(&line, number, about.root.as_ref()));
        }
        if !mappings.is_empty() {
            self.insert(process, (0, 0), mappings, about);
        }
    }

    /// Keeps what a process has mapped.
    fn insert(&mut self, process: u64, program: (u64, u64), mut mappings: Vec<Mapping>, about: Arc<About>) {
        // What was there before and has left its place free is still what older addresses mean.
        if let Some(before) = self.processes.get(&process) {
            let is_free = |old: &&Mapping| !mappings.iter().any(|new| new.overlaps(old.start, old.end));
            let gone: Vec<Mapping> = before.mappings.iter().filter(is_free).cloned().collect();
            mappings.extend(gone);
        }
        mappings.sort_by_key(|mapping| mapping.start);
        let looks = self.processes.get(&process).map_or(0, |known| known.looks) + 1;
        let noted = Process { program, mappings, looked: Instant::now(), looks, about };
        if self.processes.insert(process, noted).is_none() {
            self.order.push_back(process);
            if self.order.len() > MOST
                && let Some(first) = self.order.pop_front()
            {
                self.processes.remove(&first);
            }
        }
    }
}

impl Files {
    /// What a line of maps tells.
    fn mapping(&mut self, line: &Line<'_>, process: u32, root: Option<&Arc<Root>>) -> Mapping {
        let what = match line.path {
            "[vdso]" => What::Vdso,
            path if path.starts_with('/') && line.inode != 0 => What::File(self.get(line, process, root)),
            _ => What::Made,
        };
        Mapping { start: line.start, end: line.end, offset: line.offset, what }
    }
}

impl Mapping {
    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.start < end && start < self.end
    }
}

impl Process {
    fn place(&self, address: u64) -> Option<Place> {
        let end = self.mappings.partition_point(|mapping| mapping.start <= address);
        let mapping = self.mappings.get(end.checked_sub(1)?).filter(|mapping| address < mapping.end)?;
        let offset = address - mapping.start + mapping.offset;
        Some(Place { what: mapping.what.clone(), offset, about: Arc::clone(&self.about) })
    }
}

/// When a process was started, and where the arguments of its program lie (proc_pid_stat(5)).
fn program(process: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the third field follows it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let field = |number: usize| rest.split(' ').nth(number - 3)?.parse().ok();
    Some((field(22)?, field(48).unwrap_or(0)))
}

/// The number of a process in its own namespace: the last that its status lists.
fn own_number(process: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NStgid:"));
    line.and_then(|numbers| numbers.split_whitespace().last()?.parse().ok()).unwrap_or(process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn this_process_is_found_and_what_has_no_code_is_not() {
        let processes = Processes::default();
        let this = u64::from(std::process::id());
        let here = this_process_is_found_and_what_has_no_code_is_not as *const () as u64;
        let Found::Here(Place { what: What::File(file), .. }) = processes.find(this, here) else {
            panic!("this very function is in a file")
        };
        assert!(file.path.starts_with('/') && file.reachable().is_some(), "{file:?}");
        for nowhere in [0, 1, u64::MAX, 1 << 60, 4096] {
            assert!(matches!(processes.find(this, nowhere), Found::Nothing), "{nowhere:#x}");
        }
        assert_eq!(own_number(std::process::id()), std::process::id());
    }

    #[test]
    fn a_process_that_was_noted_is_known_after_its_end() {
        let processes = Processes::default();
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().expect("sleep is there");
        let word = u64::from(child.id());
        // The child may not have become `sleep` yet.
        let address = (0..1000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(2));
            let maps = fs::read_to_string(format!("/proc/{}/maps", child.id())).ok()?;
            let code = maps.lines().filter_map(Line::parse).find(|line| line.is_code && line.path.contains("sleep"))?;
            Some(code.start)
        });
        let address = address.expect("sleep has code");
        processes.note(word);
        child.kill().and_then(|()| child.wait()).expect("it is ours");
        assert!(matches!(processes.find(word, address), Found::Here(_)));
        assert!(matches!(processes.find(word, 4096), Found::Nothing));
        assert!(matches!(Processes::default().find(word, address), Found::Gone));
    }

    #[test]
    fn a_process_that_nobody_saw_is_known_from_the_news_of_it() {
        use super::super::sideband::{Code, News};
        use std::os::unix::fs::MetadataExt;
        // No process has this number.
        let nobody = u32::MAX - 1;
        let own = std::env::current_exe().expect("the test has a file");
        let inode = fs::metadata(&own).expect("it is there").ino();
        let path = own.display().to_string();
        let code = |start, inode| {
            let (device, path) = ("00:00".to_owned(), path.clone());
            News::Map(Code { range: start..start + 0x1000, offset: 0x2000, device, inode, path })
        };
        let told = |time, what| Told { time, process: nobody, what };
        let processes = Processes::default();
        processes.tell(vec![told(1, News::Exec), told(2, code(0x10000, inode)), told(3, code(0x20000, inode + 1))]);
        let word = 5 << 32 | u64::from(nobody);
        assert!(matches!(processes.find(word, 0x10010), Found::Gone));
        processes.recall(word, 4);
        let Found::Here(Place { what: What::File(file), offset, .. }) = processes.find(word, 0x10010) else {
            panic!("the file that it had mapped")
        };
        assert_eq!((file.reachable(), offset), (Some(own), 0x2010));
        // What has the path by now is another file.
        let Found::Here(Place { what: What::File(other), .. }) = processes.find(word, 0x20000) else {
            panic!("the other one")
        };
        assert_eq!(other.reachable(), None);
        // The number alone is enough to find the last program.
        assert!(matches!(processes.find(u64::from(nobody), 0x10010), Found::Here(_)));
    }

    #[test]
    fn a_process_that_is_news_all_the_time_is_not_looked_at_all_the_time() {
        let processes = Processes::default();
        let this = u64::from(std::process::id());
        let started = Instant::now();
        for _ in 0..200 {
            assert!(processes.meet(this));
        }
        let looks = processes.known().processes[&this].looks;
        assert!(u128::from(looks) <= 33 + started.elapsed().as_millis() / 200, "{looks}");
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let processes = Processes::default();
        let this = u64::from(std::process::id());
        for _ in 0..3 {
            processes.note(this);
        }
        let mut known = processes.known();
        assert_eq!((known.processes.len(), known.order.len()), (1, 1));
        known.order.extend(std::iter::repeat_n(this, MOST));
        known.processes.clear();
        drop(known);
        processes.note(this);
        let known = processes.known();
        assert!(known.processes.len() <= 1 && known.order.len() <= MOST + 1);
    }
}
