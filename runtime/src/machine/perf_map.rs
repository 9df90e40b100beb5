//! Symbols of code that a process makes while it runs, as it writes them to `/tmp/perf-PID.map` for perf: a line has
//! an address and a size in hexadecimal, and a name.

use super::files::Root;
use super::processes::About;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What is longer is not read to its end.
const MOST: u64 = 256 << 20;

/// The symbols of one process.
#[derive(Debug, Default)]
pub struct PerfMap {
    /// What the file was when it was read.
    state: Option<(u64, u64, i64)>,
    /// Sorted by address: start, end, name.
    symbols: Vec<(u64, u64, String)>,
}

impl PerfMap {
    /// The name of the code at an address, and how far from its beginning that is. The file is read again if the
    /// address is not known and the file has changed.
    pub fn find(&mut self, about: &About, address: u64) -> Option<(&str, u64)> {
        if self.index(address).is_none() {
            self.read(about);
        }
        let (start, _, name) = &self.symbols[self.index(address)?];
        Some((name, address - start))
    }

    fn index(&self, address: u64) -> Option<usize> {
        let end = self.symbols.partition_point(|(start, ..)| *start <= address);
        // Code that was made again stands later in the file, and so later among those of one beginning.
        (end.saturating_sub(8)..end).rev().find(|index| address < self.symbols[*index].1)
    }

    fn read(&mut self, about: &About) {
        let path = PathBuf::from(format!("/tmp/perf-{}.map", about.number));
        let file = match &about.root {
            Some(root) => Root::open(root, &path),
            None => File::open(&path).ok(),
        };
        let Some(file) = file else { return };
        let state = |about: Metadata| (about.ino(), about.size(), about.mtime_nsec());
        let state = file.metadata().ok().filter(Metadata::is_file).map(state);
        if state.is_none() || state == self.state {
            return;
        }
        self.state = state;
        let mut text = Vec::new();
        if file.take(MOST).read_to_end(&mut text).is_ok() {
            self.symbols = parse(&String::from_utf8_lossy(&text));
        }
    }
}

fn parse(text: &str) -> Vec<(u64, u64, String)> {
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let mut number = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
        let (start, size) = (number()?, number()?);
        Some((start, start.checked_add(size)?, words.next()?.to_owned()))
    };
    let mut symbols: Vec<_> = text.lines().filter_map(line).collect();
    symbols.sort_by_key(|(start, ..)| *start);
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_address_size_and_name() {
        let symbols = parse("7f20 10 LazyCompile:~a b.js:1\n0x7f00 0x8 first\nnonsense\n1 2\nffffffffffffffff 2 x\n");
        assert_eq!(symbols, [(0x7f00, 0x7f08, "first".into()), (0x7f20, 0x7f30, "LazyCompile:~a b.js:1".into())]);
        let map = PerfMap { state: None, symbols };
        assert_eq!(map.index(0x7f07), Some(0));
        assert_eq!((map.index(0x7f08), map.index(0x7f2f), map.index(1)), (None, Some(1), None));
    }
}
