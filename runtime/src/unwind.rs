//! The tables for walks up the stack without frame pointers: made from the files that the processes in question have
//! mapped, and put where the programs find them (`codegen::unwind`).
//!
//! A file's table is made once, for all processes that have it. A program that meets a process or an address that it
//! does not know asks; a thread then looks at the process again, so that what a process loads while it runs, and the
//! processes that it starts, are known a moment later. Only processes that the user has named, and their descendants,
//! are looked at.

use crate::load::Loaded;
use crate::sys;
use codegen::layout::Layout;
use codegen::unwind::{
    END, End, MAPPING_SIZE, MOST_ARRAYS, MOST_MAPPINGS, NO_TABLE, PAGE_BITS, ROW_SIZE, SIGNAL, Saved, UNKNOWN, frame,
};
use hashbrown::{HashMap, HashSet};
use probes_ebpf::unwind::{Cfa, Rbp, Row, Rule, Segment, Table};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// Finds tables. Until it is started it does so at once, from then on in a thread, until it is stopped.
pub struct Unwinder {
    finder: Option<Finder>,
    thread: Option<JoinHandle<Finder>>,
    requests: Option<Sender<u32>>,
}

impl Unwinder {
    /// Opens the maps of a loaded script, if it walks stacks by tables.
    pub fn new(loaded: &Loaded, layout: &Layout) -> io::Result<Option<Self>> {
        let Some(unwinding) = layout.unwinding else { return Ok(None) };
        let map = |index: u32| -> io::Result<OwnedFd> {
            let name = &layout.kernel_maps[index as usize].name;
            loaded.map(name).ok_or(io::ErrorKind::NotFound)?.try_clone_to_owned()
        };
        let finder = Finder {
            processes: map(unwinding.processes)?,
            tables: map(unwinding.tables)?,
            targets: HashSet::new(),
            files: HashMap::new(),
            known: HashMap::new(),
            arrays: 0,
        };
        Ok(Some(Self { finder: Some(finder), thread: None, requests: None }))
    }

    /// Finds the tables of a process that the user has named. Without effect once started.
    pub fn target(&mut self, process: u32) {
        if let Some(finder) = &mut self.finder {
            finder.targets.insert(process);
            finder.look_at(process);
        }
    }

    /// Begins to serve requests.
    pub fn start(&mut self) -> io::Result<()> {
        if self.requests.is_some() {
            return Ok(());
        }
        // One that was stopped hands over what it knows, as what it has found is still where the programs look.
        let ended = self.thread.take().and_then(|thread| thread.join().ok());
        let Some(mut finder) = self.finder.take().or(ended) else { return Ok(()) };
        let (sender, requests) = channel();
        // Nobody waits for it: it ends when there can be no more requests.
        self.thread = Some(std::thread::Builder::new().name("unwind".to_owned()).spawn(move || {
            while let Ok(process) = requests.recv() {
                // One look answers all that have asked by now.
                let asked: HashSet<u32> = std::iter::once(process).chain(requests.try_iter()).collect();
                for process in asked {
                    if finder.is_wanted(process) {
                        finder.look_at(process);
                    }
                }
            }
            finder
        })?);
        self.requests = Some(sender);
        Ok(())
    }

    /// Serves no more requests until it is started again.
    pub fn stop(&mut self) {
        self.requests = None;
    }

    /// Passes on what a program asks for.
    pub fn ask(&self, process: u32) {
        if let Some(requests) = &self.requests {
            // A thread that has ended has ended with the run.
            let _ = requests.send(process);
        }
    }
}

struct Finder {
    processes: OwnedFd,
    tables: OwnedFd,
    /// Named by the user.
    targets: HashSet<u32>,
    /// By device and number, as `/proc/PID/maps` has them; nothing for files without a table.
    files: HashMap<FileId, Option<Made>>,
    /// What the programs have been told of processes.
    known: HashMap<u32, Known>,
    /// Arrays of tables so far.
    arrays: u32,
}

/// A file, or a part of memory that the kernel maps into all processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum FileId {
    File(String, u64),
    Vdso,
}

/// A table that the programs have.
#[derive(Clone)]
struct Made {
    arrays: u64,
    segments: Vec<Segment>,
}

/// What the programs are told of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    /// Where its stack begins.
    stack: u64,
    mapped: Vec<Mapped>,
}

/// A mapping as the programs are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapped {
    start: u64,
    end: u64,
    bias: u64,
    arrays: u64,
}

impl Finder {
    /// Whether a process is one that the user has named, or descends from one.
    fn is_wanted(&self, process: u32) -> bool {
        /// Deeper than any tree of processes.
        const MOST: usize = 64;
        let ancestors = std::iter::successors(Some(process), |process| parent(*process));
        ancestors.take(MOST).any(|process| self.targets.contains(&process))
    }

    /// Tells the programs what a process has mapped, if that has changed.
    fn look_at(&mut self, process: u32) {
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/maps")) else { return };
        let mapped: Vec<Mapped> = text
            .lines()
            .filter_map(Line::parse)
            // The page of the uprobes is known to the kernel, and comes when the first of them is hit.
            .filter(|line| line.is_code && line.path != "[uprobes]")
            .take(MOST_MAPPINGS)
            .map(|line| self.mapped(process, &line))
            .collect();
        let known = Known { stack: start_of_stack(process).unwrap_or(0), mapped };
        if known.mapped.is_empty() || self.known.get(&process) == Some(&known) {
            return;
        }
        // What cannot be told is asked for again.
        if self.tell(process, &known).is_ok() {
            self.known.insert(process, known);
        }
    }

    fn mapped(&mut self, process: u32, line: &Line<'_>) -> Mapped {
        let Line { start, end, offset, .. } = *line;
        let nothing = Mapped { start, end, bias: 0, arrays: NO_TABLE };
        let Some(made) = self.table(process, line) else { return nothing };
        let segment = made.segments.iter().find(|segment| {
            offset < segment.offset.saturating_add(segment.size) && segment.offset < offset + (end - start)
        });
        let Some(segment) = segment else { return nothing };
        // The address that the beginning of the mapping was linked for.
        let linked = segment.address.wrapping_add(offset).wrapping_sub(segment.offset);
        Mapped { bias: start.wrapping_sub(linked), arrays: made.arrays, ..nothing }
    }

    /// The table of the file behind a mapping.
    fn table(&mut self, process: u32, line: &Line<'_>) -> Option<Made> {
        let id = match line.path {
            "[vdso]" => FileId::Vdso,
            _ if line.inode == 0 => return None,
            _ => FileId::File(line.device.to_owned(), line.inode),
        };
        if let Some(known) = self.files.get(&id) {
            return known.clone();
        }
        let made = read(process, line).and_then(|table| self.make(&table).ok());
        self.files.insert(id, made.clone());
        made
    }

    /// Gives a table to the programs.
    fn make(&mut self, table: &Table) -> io::Result<Made> {
        let rows = self.give(table.rows.iter().map(word))?;
        let pages = self.give(pages(&table.rows).into_iter())?;
        let arrays = u64::from(rows) << 32 | u64::from(pages);
        Ok(Made { arrays, segments: table.segments.clone() })
    }

    /// Gives an array to the programs; its number.
    fn give(&mut self, words: impl Iterator<Item = u64>) -> io::Result<u32> {
        if self.arrays >= MOST_ARRAYS {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        let array = sys::inner_array(ROW_SIZE, bytes.len() as u32 / ROW_SIZE)?;
        sys::array_fill(array.as_fd(), ROW_SIZE as usize, &bytes)?;
        put(&self.tables, self.arrays, &array)?;
        self.arrays += 1;
        Ok(self.arrays - 1)
    }

    fn tell(&mut self, process: u32, known: &Known) -> io::Result<()> {
        let head = [known.mapped.len() as u64, 0, 0, known.stack];
        let mappings = known.mapped.iter().map(|mapping| [mapping.arrays, mapping.start, mapping.end, mapping.bias]);
        let words = std::iter::once(head).chain(mappings).flatten();
        let bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        let array = sys::inner_array(MAPPING_SIZE, known.mapped.len() as u32 + 1)?;
        sys::array_fill(array.as_fd(), MAPPING_SIZE as usize, &bytes)?;
        put(&self.processes, process, &array).or_else(|_| {
            // No more processes fit: those that have ended need no place.
            self.forget_ended();
            put(&self.processes, process, &array)
        })
    }

    fn forget_ended(&mut self) {
        let is_there = |process: &u32| Path::new(&format!("/proc/{process}")).exists();
        let ended: Vec<u32> = self.known.keys().filter(|process| !is_there(process)).copied().collect();
        for process in ended {
            self.known.remove(&process);
            // It may have gone already.
            let _ = sys::map_delete(self.processes.as_fd(), &process.to_ne_bytes());
        }
    }
}

/// Puts an array into a map of maps.
fn put(map: &OwnedFd, key: u32, array: &OwnedFd) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    sys::map_update(map.as_fd(), &key.to_ne_bytes(), &array.as_raw_fd().to_ne_bytes())
}

/// The parent of a process.
fn parent(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Where the kernel has put the arguments of the program that a process runs. It is another place for each program.
fn start_of_stack(process: u32) -> Option<u64> {
    /// proc_pid_stat(5) counts from 1; the name in parentheses is the second.
    const START_STACK: usize = 28;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(START_STACK - 3)?.parse().ok()
}

/// Reads the table of the file behind a mapping, by the process's own eyes: the path may mean another file to us, or
/// none any more.
fn read(process: u32, line: &Line<'_>) -> Option<Table> {
    let Line { start, end, path, .. } = *line;
    if path == "[vdso]" {
        let mut image = vec![0; usize::try_from(end - start).ok()?];
        let memory = File::open(format!("/proc/{process}/mem")).ok()?;
        memory.read_exact_at(&mut image, start).ok()?;
        return Table::read(image.as_slice()).ok();
    }
    let mapped = format!("/proc/{process}/map_files/{start:x}-{end:x}");
    let rooted = format!("/proc/{process}/root{path}");
    [mapped, rooted].iter().find_map(|path| Table::open(Path::new(path)).ok())
}

/// What the programs are told of each page of a table: its first row, and how many it has.
fn pages(rows: &[Row]) -> Vec<u64> {
    let last = rows.last().map_or(0, |row| row.start >> PAGE_BITS);
    let mut pages = Vec::with_capacity(last as usize + 1);
    let (mut first, mut next) = (0, 0);
    for page in 0..=last {
        let begin = page << PAGE_BITS;
        while rows.get(first + 1).is_some_and(|row| row.start <= begin) {
            first += 1;
        }
        while rows.get(next).is_some_and(|row| row.start >> PAGE_BITS <= page) {
            next += 1;
        }
        pages.push(((next - first) as u64) << 32 | first as u64);
    }
    pages
}

/// A row as the programs read it.
fn word(row: &Row) -> u64 {
    let rule = match row.rule {
        Rule::End => END,
        Rule::Unknown => UNKNOWN,
        Rule::Signal => SIGNAL,
        Rule::Frame(cfa, rbp) => {
            let end = match cfa {
                Cfa::Rsp(offset) => End::Rsp(offset),
                Cfa::Rbp(offset) => End::Rbp(offset),
                Cfa::AtRbp(offset) => End::AtRbp(offset),
                Cfa::Plt => End::Plt,
            };
            let saved = match rbp {
                Rbp::Same => Saved::Nowhere,
                Rbp::AtCfa(offset) => Saved::FromEnd(offset),
                Rbp::AtRbp => Saved::AtRbp,
            };
            frame(end, saved)
        }
    };
    u64::from(rule) << 32 | u64::from(row.start)
}

/// A line of `/proc/PID/maps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'t> {
    start: u64,
    end: u64,
    is_code: bool,
    offset: u64,
    device: &'t str,
    inode: u64,
    /// Empty where there is none.
    path: &'t str,
}

impl<'t> Line<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (permissions, rest) = rest.split_once(' ')?;
        let (offset, rest) = rest.split_once(' ')?;
        let (device, rest) = rest.split_once(' ')?;
        let (inode, path) = rest.split_once(' ').unwrap_or((rest, ""));
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = (hex(start)?, hex(end)?);
        (start < end).then_some(())?;
        let is_code = permissions.contains('x');
        Some(Self {
            start,
            end,
            is_code,
            offset: hex(offset)?,
            device,
            inode: inode.parse().ok()?,
            path: path.trim_start(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_read() {
        let line = "7f1234000000-7f1234021000 r-xp 0001c000 fe:01 1234                       /usr/lib/a b.so (deleted)";
        let parsed = Line::parse(line).expect("a line");
        assert_eq!((parsed.start, parsed.end, parsed.offset), (0x7f12_3400_0000, 0x7f12_3402_1000, 0x1c000));
        assert_eq!((parsed.device, parsed.inode, parsed.path), ("fe:01", 1234, "/usr/lib/a b.so (deleted)"));
        assert!(parsed.is_code);
        assert_eq!(Line::parse("7ffe000-7fff000 rwxp 00000000 00:00 0 ").expect("a line").path, "");
        for bad in ["", "x", "5-4 r-xp 0 0:0 0", "1-2 r-xp", "1-2 r-xp 0 0:0 x"] {
            assert_eq!(Line::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pages_know_their_rows() {
        let row = |start| Row { start, rule: Rule::Unknown };
        let rows = [0, 8, 0x1000, 0x1004, 0x3008].map(row);
        let shown: Vec<(u64, u64)> = pages(&rows).iter().map(|word| (word & 0xffff_ffff, word >> 32)).collect();
        assert_eq!(shown, [(0, 2), (2, 2), (3, 1), (3, 2)]);
        assert_eq!(pages(&rows[..1]), [1 << 32]);
    }

    #[test]
    fn our_parent_and_our_stack_are_known() {
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
        assert_eq!(parent(u32::MAX), None);
        let here = 0u8;
        let bottom = start_of_stack(std::process::id()).expect("we may know our own");
        assert!(bottom > 0 && bottom.is_multiple_of(8) && bottom != &raw const here as u64);
    }
}
