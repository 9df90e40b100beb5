//! The files that processes have mapped, and their symbols.

use super::elf::Symbols;
use crate::output::world::Symbol;
use hashbrown::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

/// How many processes are remembered before all are forgotten: numbers of processes are used again.
const MOST: usize = 512;

/// What is known of processes so far.
#[derive(Default)]
pub struct Processes {
    mappings: HashMap<u32, Rc<Vec<Mapping>>>,
    /// By device and number of the file.
    files: HashMap<(u64, u64), Rc<Symbols>>,
    /// What may have been run by a process that has ended.
    programs: Vec<String>,
}

/// A part of a file in a process's memory.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: String,
}

impl Processes {
    /// Nothing is known yet.
    pub fn new(programs: Vec<String>) -> Self {
        Self { programs, ..Self::default() }
    }

    /// The symbol at an address of a process; without a name where only the file is known.
    pub fn symbol(&mut self, process: u32, address: u64) -> Option<Symbol> {
        let Some((path, place)) = self.place(process, address) else { return self.fixed_symbol(process, address) };
        let symbols = self.symbols(process, &path);
        let found = symbols.as_ref().and_then(|symbols| symbols.at(place));
        let (name, offset) = found.map_or((String::new(), 0), |(name, offset)| (name.to_owned(), offset));
        Some(Symbol { name, offset, file: Some(path) })
    }

    /// The symbol at an address of a process that cannot be looked at any more: in a program that is always loaded at
    /// the address it was linked for.
    fn fixed_symbol(&mut self, process: u32, address: u64) -> Option<Symbol> {
        // One that has just ended still has a file, with nothing in it.
        if fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty()) {
            return None;
        }
        for path in self.programs.clone() {
            let symbols = self.symbols(process, &path)?;
            if let Some((name, offset)) = symbols.at_fixed(address) {
                return Some(Symbol { name: name.to_owned(), offset, file: Some(path) });
            }
        }
        None
    }

    /// The build id of the file at an address, and the place in the file.
    pub fn build_id(&mut self, process: u32, address: u64) -> Option<(String, u64)> {
        let (path, place) = self.place(process, address)?;
        Some((self.symbols(process, &path)?.build_id.clone()?, place))
    }

    /// The file at an address, and the place in it. A process that has loaded something since is looked at again.
    fn place(&mut self, process: u32, address: u64) -> Option<(String, u64)> {
        let find = |mappings: &[Mapping]| {
            let mapping = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))?;
            Some((mapping.path.clone(), address - mapping.start + mapping.offset))
        };
        if let Some(found) = self.mappings.get(&process).and_then(|known| find(known)) {
            return Some(found);
        }
        // One that has ended has no mappings any more, but is still known by the old ones.
        let fresh = parse(&fs::read_to_string(format!("/proc/{process}/maps")).ok()?);
        let found = find(&fresh);
        if !fresh.is_empty() {
            if self.mappings.len() >= MOST {
                self.mappings.clear();
            }
            self.mappings.insert(process, Rc::new(fresh));
        }
        found
    }

    /// The symbols of a file as the process sees it.
    fn symbols(&mut self, process: u32, path: &str) -> Option<Rc<Symbols>> {
        // The process may have another root, or none any more.
        let file = File::open(format!("/proc/{process}/root{path}")).or_else(|_| File::open(path)).ok()?;
        let about = file.metadata().ok().filter(fs::Metadata::is_file)?;
        let symbols = self.files.entry((about.dev(), about.ino())).or_insert_with(|| Rc::new(Symbols::read(file)));
        Some(Rc::clone(symbols))
    }
}

/// The mapped files of `/proc/PID/maps`.
fn parse(maps: &str) -> Vec<Mapping> {
    maps.lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (range, _, offset) = (words.next()?, words.next()?, words.next()?);
    let path = words.nth(2)?.trim_start();
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let (start, end) = range.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let mapping = Mapping { start: hex(start)?, end: hex(end)?, offset: hex(offset)?, path: path.to_owned() };
    mapping.path.starts_with('/').then_some(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read() {
        let maps = "5582-5590 r-xp 00001000 fd:01 123                        /usr/bin/a b\n\
                    7f00-7f10 rw-p 00000000 00:00 0 \n\
                    7f20-7f30 r-xp 00000000 00:00 0                          [vdso]\n\
                    nonsense\n";
        let expected = Mapping { start: 0x5582, end: 0x5590, offset: 0x1000, path: "/usr/bin/a b".into() };
        assert_eq!(parse(maps), [expected]);
    }
}
