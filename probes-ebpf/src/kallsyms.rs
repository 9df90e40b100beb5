//! `/proc/kallsyms`: the kernel's symbols, read as a stream.
//!
//! The kernel makes the text up as it is read (over 100,000 lines, tens of milliseconds), so nothing here runs unless
//! a name or an address is asked for, reading stops at the answer, and no table is kept. Symbolising stacks, which
//! does want a table, belongs to the runtime: it has a [`Reader`], which goes on where it stopped.
//!
//! A line is `ffffffff81000000 T _text`, followed by a tab and `[module]` for symbols of modules. A process that may
//! not see addresses (no CAP_SYSLOG, `kernel.kptr_restrict`) gets zeros, but all the names.

use std::fs::File;
use std::io::{self, Read};
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use lang::nearest::Nearest;

/// Room for many lines; one read gives as much of it as the kernel cares to fill.
const CHUNK: usize = 64 * 1024;

/// One line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The virtual address, or 0 where addresses are hidden.
    pub address: u64,
    /// The letter `nm` gives it: T and t are code, D, d, B, b, R, r are data, W and w weak, A absolute.
    pub kind: char,
    /// The symbol's name.
    pub name: &'a str,
    /// The module it belongs to, without brackets.
    pub module: Option<&'a str>,
}

impl Symbol<'_> {
    /// Whether it stands for code.
    pub fn is_function(&self) -> bool {
        matches!(self.kind, 'T' | 't' | 'W' | 'w')
    }
}

/// What went wrong with the list of symbols.
#[derive(Debug, thiserror::Error)]
pub enum KallsymsError {
    /// The file could not be read; without CONFIG_KALLSYMS it does not exist.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel shows zeros in place of addresses.
    #[error("the kernel hides its addresses: needs CAP_SYSLOG, or kernel.kptr_restrict = 0")]
    AddressesHidden,
}

/// The kernel's list of symbols. Making one costs nothing; each question reads the list from its beginning.
#[derive(Debug, Clone)]
pub struct Kallsyms {
    path: PathBuf,
}

impl Default for Kallsyms {
    fn default() -> Self {
        Kallsyms::new()
    }
}

impl Kallsyms {
    /// The running kernel's.
    pub fn new() -> Kallsyms {
        Kallsyms::at("/proc/kallsyms")
    }

    /// A list in another file, such as one copied from elsewhere.
    pub fn at(path: impl Into<PathBuf>) -> Kallsyms {
        Kallsyms { path: path.into() }
    }

    /// The address of the first symbol called `name`; `None` if there is none.
    ///
    /// Several symbols may share a name (static functions); use [`Kallsyms::for_each`] to see all.
    pub fn address_of(&self, name: &str) -> Result<Option<u64>, KallsymsError> {
        match self.find(name, |symbol| symbol.address)? {
            // Percpu symbols really are at or near 0, which is why only absence of any address is an error.
            Some(0) if self.addresses_hidden()? => Err(KallsymsError::AddressesHidden),
            address => Ok(address),
        }
    }

    /// Whether a symbol called `name` exists.
    pub fn exists(&self, name: &str) -> Result<bool, KallsymsError> {
        Ok(self.find(name, |_| ())?.is_some())
    }

    /// What `take` makes of the first symbol called `name`.
    pub fn find<T>(&self, name: &str, take: impl Fn(Symbol<'_>) -> T) -> Result<Option<T>, KallsymsError> {
        let mut found = None;
        self.for_each(|symbol| {
            if symbol.name != name {
                return ControlFlow::Continue(());
            }
            found = Some(take(symbol));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Up to `max` names of functions like `name`, best first.
    pub fn nearest(&self, name: &str, max: usize) -> Result<Vec<String>, KallsymsError> {
        let mut search = Nearest::new(name, max);
        self.for_each(|symbol| {
            if symbol.is_function() {
                search.offer(symbol.name);
            }
            ControlFlow::Continue(())
        })?;
        Ok(search.finish())
    }

    /// Passes each symbol to `visit`, in the kernel's order, until it says to break. Lines of another form are passed
    /// over.
    pub fn for_each(&self, visit: impl FnMut(Symbol<'_>) -> ControlFlow<()>) -> Result<(), KallsymsError> {
        let failed = |source| KallsymsError::Io { path: self.path.clone(), source };
        Reader::new(File::open(&self.path).map_err(failed)?).read(visit).map(|_| ()).map_err(failed)
    }

    /// Opens the list for reading it piece by piece.
    pub fn reader(&self) -> Result<Reader<File>, KallsymsError> {
        let failed = |source| KallsymsError::Io { path: self.path.clone(), source };
        File::open(&self.path).map(Reader::new).map_err(failed)
    }

    fn addresses_hidden(&self) -> Result<bool, KallsymsError> {
        let mut hidden = true;
        self.for_each(|symbol| {
            hidden = symbol.address == 0;
            if hidden { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(hidden)
    }
}

/// A list that is read piece by piece: it is cut into lines across reads. A line longer than the buffer is dropped: no
/// symbol is that long.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    /// What is in the buffer and has not been looked at.
    rest: Range<usize>,
    in_long_line: bool,
}

impl<R: Read> Reader<R> {
    /// Reads from here.
    pub fn new(source: R) -> Self {
        Reader { source, buffer: vec![0; CHUNK], rest: 0..0, in_long_line: false }
    }

    /// Passes the symbols that follow to `visit` until it says to break; then the next call goes on behind that symbol.
    /// False at the end of the list.
    pub fn read(&mut self, mut visit: impl FnMut(Symbol<'_>) -> ControlFlow<()>) -> io::Result<bool> {
        loop {
            while let Some(length) = memchr::memchr(b'\n', &self.buffer[self.rest.clone()]) {
                let line = self.rest.start..self.rest.start + length;
                self.rest.start = line.end + 1;
                if !std::mem::take(&mut self.in_long_line) && pass(&self.buffer[line], &mut visit).is_break() {
                    return Ok(true);
                }
            }
            self.buffer.copy_within(self.rest.clone(), 0);
            self.rest = 0..self.rest.len();
            if self.rest.end == self.buffer.len() {
                (self.rest, self.in_long_line) = (0..0, true);
            }
            match self.source.read(&mut self.buffer[self.rest.end..]) {
                Ok(0) => {
                    // The last line may lack its newline.
                    let line = std::mem::take(&mut self.rest);
                    if !self.in_long_line {
                        let _ = pass(&self.buffer[line], &mut visit);
                    }
                    return Ok(false);
                }
                Ok(read) => self.rest.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn pass(line: &[u8], visit: &mut impl FnMut(Symbol<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
    std::str::from_utf8(line).ok().and_then(parse_line).map_or(ControlFlow::Continue(()), visit)
}

fn parse_line(line: &str) -> Option<Symbol<'_>> {
    let (address, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let (name, module) = match rest.split_once('\t') {
        Some((name, module)) => (name, module.strip_prefix('[')?.strip_suffix(']')),
        None => (rest, None),
    };
    let mut letters = kind.chars();
    let (Some(kind), None) = (letters.next(), letters.next()) else {
        return None;
    };
    Some(Symbol { address: u64::from_str_radix(address, 16).ok()?, kind, name, module })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let symbol = |kind, name, module| Some(Symbol { address: 0xffff_ffff_8100_0000, kind, name, module });
        assert_eq!(parse_line("ffffffff81000000 T _text"), symbol('T', "_text", None));
        assert_eq!(parse_line("ffffffff81000000 t init\t[ext4]"), symbol('t', "init", Some("ext4")));
        for bad in ["", "ffff", "ffff T", "zz T name", "ffff TT name", "ffff T name\text4"] {
            assert_eq!(parse_line(bad), None, "{bad}");
        }
    }

    /// Gives a few bytes a read, so that lines are cut everywhere.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(into.len()).min(7);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn lines_cut_by_reads_are_joined() {
        let mut text: String = (0..50).map(|i| format!("{i:016x} T symbol_{i}\n")).collect();
        text.push_str("0000000000000032 T symbol_50");
        let mut seen = 0;
        let result = Reader::new(Dribble(text.as_bytes())).read(|symbol| {
            assert_eq!((symbol.address, symbol.name), (seen, format!("symbol_{seen}").as_str()));
            seen += 1;
            ControlFlow::Continue(())
        });
        assert!(result.is_ok_and(|is_more| !is_more) && seen == 51, "{seen}");
    }

    #[test]
    fn reading_goes_on_where_it_stopped() {
        let text: String = (0..50).map(|i| format!("{i:016x} T symbol_{i}\n")).collect();
        let mut reader = Reader::new(Dribble(text.as_bytes()));
        let mut seen = Vec::new();
        let mut reads = 0;
        while reader
            .read(|symbol| {
                seen.push(symbol.address);
                if symbol.address % 10 == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .expect("nothing fails")
        {
            reads += 1;
        }
        assert_eq!((reads, seen), (5, (0..50).collect()));
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_passed_over() {
        let text = format!("0 T {}\n1 T after\n", "x".repeat(3 * CHUNK));
        let mut names = Vec::new();
        let result = Reader::new(text.as_bytes()).read(|symbol| {
            names.push(symbol.name.to_owned());
            ControlFlow::Continue(())
        });
        assert!(result.is_ok());
        assert_eq!(names, ["after"]);
    }

    #[test]
    fn the_running_kernel_has_a_read() {
        let symbols = Kallsyms::new();
        match symbols.exists("vfs_read") {
            Err(error) => return println!("skipped: {error}"),
            Ok(exists) => assert!(exists),
        }
        assert_eq!(symbols.exists("no_such_symbol_at_all").ok(), Some(false));
        assert_eq!(symbols.nearest("vfs_reed", 1).ok(), Some(vec!["vfs_read".to_owned()]));
        match symbols.address_of("vfs_read") {
            Err(KallsymsError::AddressesHidden) => println!("skipped: addresses are hidden"),
            address => assert!(matches!(address, Ok(Some(1..))), "{address:?}"),
        }
    }
}
