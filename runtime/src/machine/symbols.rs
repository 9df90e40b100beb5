//! Symbols of processes: of the files that they have mapped, of the kernel's code for them, of code that they make.
//!
//! blazesym reads symbol tables and debug information; which file is asked, and for which address, is decided here.
//! Nothing is read before an address is asked for, and what came of it is kept.

use super::debug_file::DebugFile;
use super::elf::Elf;
use super::files::MappedFile;
use super::perf_map::PerfMap;
use super::processes::{Found, Place, Processes, What};
use crate::output::world::{Detail, Inlined, Symbol};
use blazesym::Pid;
use blazesym::symbolize::source::{self, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};
use hashbrown::HashMap;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many answers are kept before all are forgotten.
const MOST_ANSWERS: usize = 1 << 16;
/// How many files are kept before all are forgotten.
const MOST_FILES: usize = 1024;

/// How symbols are looked up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names as they are written in C++ and Rust.
    pub demangle: bool,
    /// Files, lines and inlined functions.
    pub debug_info: bool,
    /// What was read is kept for the next address.
    pub keep: bool,
    /// Files that processes run which may have ended before they were looked at: they are searched if they are always
    /// loaded at the same address.
    pub programs: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { demangle: true, debug_info: true, keep: true, programs: Vec::new() }
    }
}

/// Symbols of processes.
#[derive(Default)]
pub struct Symbols {
    options: Options,
    processes: Processes,
    read: Read,
}

/// What has been read so far.
#[derive(Default)]
struct Read {
    answers: HashMap<(u64, u64, Detail), Answer>,
    symbolizer: Option<Symbolizer>,
    /// By the place in memory of the mapped file, which is kept.
    files: HashMap<*const MappedFile, Rc<ObjectFile>>,
    /// Of the programs of the options.
    programs: HashMap<String, Option<Rc<ObjectFile>>>,
    perf_maps: HashMap<u64, PerfMap>,
    vdso: Option<Option<Range<u64>>>,
}

/// What came of looking for a symbol.
enum Answer {
    Symbol(Rc<Symbol>),
    /// There was none at this time: code may be loaded or made later.
    None(Instant),
}

impl Answer {
    /// The answer, as long as it holds.
    fn get(&self) -> Option<Option<Rc<Symbol>>> {
        /// Somebody who asks again and again need not be told at once.
        const SOON: Duration = Duration::from_millis(500);
        match self {
            Self::Symbol(symbol) => Some(Some(Rc::clone(symbol))),
            Self::None(time) => (time.elapsed() < SOON).then_some(None),
        }
    }
}

/// A file with symbols, or with a separate file that has them.
struct ObjectFile {
    path: PathBuf,
    elf: Elf,
    debug: Option<DebugFile>,
    /// What `path` may lead through.
    _mapped: Option<Arc<MappedFile>>,
}

impl Symbols {
    /// Of the processes that are noted, and of those that live when they are asked about.
    pub fn new(options: Options, processes: Processes) -> Self {
        Self { options, processes, read: Read::default() }
    }

    /// Looks symbols up so from now on. What was read is only forgotten if it may be read in another way now.
    pub fn follow(&mut self, options: Options) {
        let how = |options: &Options| (options.demangle, options.debug_info, options.keep);
        if how(&self.options) != how(&options) {
            self.read = Read::default();
        }
        self.options = options;
    }

    /// The symbol at an address of a process.
    pub fn find(&mut self, process: u64, address: u64, detail: Detail) -> Option<Rc<Symbol>> {
        // Names are names, with or without lines.
        let detail = if self.options.debug_info { detail } else { Detail::Name };
        if let Some(known) = self.read.answers.get(&(process, address, detail)).and_then(Answer::get) {
            return known;
        }
        let found = match self.processes.find(process, address) {
            Found::Here(place) => self.at_place(process, address, &place, detail),
            Found::Nothing => None,
            Found::Gone => self.in_programs(address, detail),
        };
        let found = found.map(Rc::new);
        match self.options.keep {
            true => {
                if self.read.answers.len() >= MOST_ANSWERS {
                    self.read.answers.clear();
                }
                let answer = found.clone().map_or_else(|| Answer::None(Instant::now()), Answer::Symbol);
                self.read.answers.insert((process, address, detail), answer);
            }
            false => self.read = Read::default(),
        }
        found
    }

    /// The build id of the file at an address, and the place in the file.
    pub fn build_id(&mut self, process: u64, address: u64) -> Option<(String, u64)> {
        let Found::Here(Place { what: What::File(file), offset, .. }) = self.processes.find(process, address) else {
            return None;
        };
        let object = self.object(&file)?;
        let id = object.elf.separate.build_id.as_deref()?;
        Some((id.iter().map(|byte| format!("{byte:02x}")).collect(), offset))
    }

    fn at_place(&mut self, process: u64, address: u64, place: &Place, detail: Detail) -> Option<Symbol> {
        match &place.what {
            What::File(file) => {
                if let Some(object) = self.object(file)
                    && let Some(at) = object.elf.address(place.offset)
                    && let Some(symbol) = self.in_object(&object, at, detail)
                {
                    return Some(Symbol { file: Some(file.path.clone()), ..symbol });
                }
            }
            What::Vdso => {
                let at = self.own_vdso()?.start.checked_add(place.offset)?;
                let own = Source::Process(source::Process::new(Pid::Slf));
                let symbol = self.ask(&own, Input::AbsAddr(at))?;
                return Some(Symbol { file: Some("[vdso]".into()), ..symbol });
            }
            What::Made => {}
        }
        // Also code made in memory that has a name of its own, such as that of a memfd.
        let (name, offset) = self.read.perf_maps.entry(process).or_default().find(&place.about, address)?;
        Some(Symbol { name: name.to_owned(), offset, ..Symbol::default() })
    }

    /// The symbol in a process that had ended before it was looked at.
    fn in_programs(&mut self, address: u64, detail: Detail) -> Option<Symbol> {
        for path in self.options.programs.clone() {
            let open = || {
                let elf = File::open(&path).ok().and_then(Elf::read).filter(|elf| elf.is_fixed)?;
                Some(Rc::new(ObjectFile { path: PathBuf::from(&path), elf, debug: None, _mapped: None }))
            };
            let object = self.read.programs.entry(path.clone()).or_insert_with(open).clone();
            if let Some(object) = object.filter(|object| object.elf.holds(address))
                && let Some(symbol) = self.in_object(&object, address, detail)
            {
                return Some(Symbol { file: Some(path), ..symbol });
            }
        }
        None
    }

    /// The symbols of a mapped file.
    fn object(&mut self, file: &Arc<MappedFile>) -> Option<Rc<ObjectFile>> {
        let key = Arc::as_ptr(file);
        if let Some(known) = self.read.files.get(&key) {
            return Some(Rc::clone(known));
        }
        let path = file.reachable()?;
        let elf = Elf::read(File::open(&path).ok()?)?;
        let is_complete = elf.has_symbols && (elf.has_lines || !self.options.debug_info);
        let debug = if is_complete { None } else { DebugFile::of(file, &elf) };
        let object = Rc::new(ObjectFile { path, elf, debug, _mapped: Some(Arc::clone(file)) });
        if self.read.files.len() >= MOST_FILES {
            self.read.files.clear();
            // It has them open.
            self.read.symbolizer = None;
        }
        self.read.files.insert(key, Rc::clone(&object));
        Some(object)
    }

    /// The symbol at an address that a file is linked for.
    fn in_object(&mut self, object: &ObjectFile, at: u64, detail: Detail) -> Option<Symbol> {
        let debug = object.debug.as_ref();
        let own = (&object.elf, object.path.as_path());
        let both = [Some(own), debug.map(|debug| (&debug.elf, debug.path.as_path()))];
        let lines = both.into_iter().flatten().find(|(elf, _)| elf.has_lines && detail == Detail::Frame);
        let names = both.into_iter().flatten().find(|(elf, _)| elf.has_symbols);
        // Each says less than the one before, and is asked if that one has no answer or is broken.
        let sources = [(lines, true), (names, false), (Some(own), false)];
        sources.into_iter().find_map(|(source, debug_syms)| self.ask_file(source?.1, at, debug_syms))
    }

    fn ask_file(&mut self, path: &Path, at: u64, debug_syms: bool) -> Option<Symbol> {
        let mut elf = source::Elf::new(path);
        elf.debug_syms = debug_syms;
        self.ask(&Source::Elf(elf), Input::VirtOffset(at))
    }

    fn ask(&mut self, source: &Source<'_>, input: Input<u64>) -> Option<Symbol> {
        let options = &self.options;
        let symbolizer = self.read.symbolizer.get_or_insert_with(|| {
            Symbolizer::builder()
                .enable_code_info(options.debug_info)
                .enable_inlined_fns(options.debug_info)
                .enable_demangling(options.demangle)
                .build()
        });
        // A file may hold anything. What a reader of such files takes for impossible is no reason to end.
        let found = catch_unwind(AssertUnwindSafe(|| match symbolizer.symbolize_single(source, input) {
            Ok(Symbolized::Sym(found)) if !found.name.is_empty() => Some(owned(&found)),
            _ => None,
        }));
        found.unwrap_or_else(|_| {
            self.read.symbolizer = None;
            None
        })
    }

    /// Where rtrace itself has the kernel's code for processes, which is the same for all of them.
    fn own_vdso(&mut self) -> Option<Range<u64>> {
        let read = || {
            let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
            let line = maps.lines().filter_map(super::files::Line::parse).find(|line| line.path == "[vdso]")?;
            Some(line.start..line.end)
        };
        self.read.vdso.get_or_insert_with(read).clone()
    }
}

fn owned(found: &Sym<'_>) -> Symbol {
    let inlined = found
        .inlined
        .iter()
        .map(|function| Inlined { name: function.name.to_string(), line: function.code_info.as_ref().map(line) });
    Symbol {
        name: found.name.to_string(),
        offset: found.offset as u64,
        file: None,
        line: found.code_info.as_deref().map(line),
        inlined: inlined.collect(),
    }
}

/// `directory/file:line`
fn line(info: &CodeInfo<'_>) -> String {
    let file = info.file.to_string_lossy();
    let line = info.line.unwrap_or(0);
    match &info.dir {
        Some(folder) => format!("{}/{file}:{line}", folder.display()),
        None => format!("{file}:{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(options: Options) -> (Symbols, u64) {
        (Symbols::new(options, Processes::default()), u64::from(std::process::id()))
    }

    #[inline(never)]
    fn here() -> u64 {
        here as *const () as u64
    }

    #[test]
    fn names_are_as_they_are_written() {
        let (mut symbols, this) = own(Options::default());
        let symbol = symbols.find(this, here() + 1, Detail::Frame).expect("this very function");
        assert_eq!((symbol.name.as_str(), symbol.offset), ("runtime::machine::symbols::tests::here", 1));
        let line = symbol.line.as_deref().expect("tests are built with lines");
        assert!(line.contains("/symbols.rs:"), "{line}");
        let name = symbols.find(this, here(), Detail::Name).expect("it has a name too");
        assert_eq!((name.line.as_deref(), name.offset), (None, 0));
    }

    #[test]
    fn or_as_the_linker_has_them() {
        let (mut symbols, this) = own(Options { demangle: false, debug_info: false, ..Options::default() });
        let symbol = symbols.find(this, here(), Detail::Frame).expect("this very function");
        assert!(symbol.name.starts_with("_R") || symbol.name.starts_with("_ZN"), "{}", symbol.name);
        assert_eq!(symbol.line, None);
    }

    #[test]
    fn nothing_need_be_kept() {
        let (mut symbols, this) = own(Options { keep: false, ..Options::default() });
        for _ in 0..2 {
            assert!(symbols.find(this, here(), Detail::Name).is_some());
            assert!(symbols.read.answers.is_empty() && symbols.read.symbolizer.is_none());
        }
    }

    #[test]
    fn an_answer_of_nothing_holds_for_a_while() {
        assert_eq!(Answer::None(Instant::now()).get(), Some(None));
        let before = Instant::now().checked_sub(Duration::from_secs(2)).expect("the machine is up for longer");
        assert_eq!(Answer::None(before).get(), None);
    }

    #[test]
    fn broken_files_have_no_symbols() {
        let own = std::fs::read("/proc/self/exe").expect("it can be read");
        let mut symbols = Symbols::default();
        let path = std::env::temp_dir().join(format!("rtrace-broken-{}", std::process::id()));
        // Cut short, and with its tables overwritten here and there.
        let mut broken = own[..own.len().min(1 << 20)].to_vec();
        for length in [0, 4, 63, 64, 4096, broken.len()] {
            std::fs::write(&path, &broken[..length]).expect("the folder for temporary files can be written to");
            for debug_syms in [false, true] {
                let _ = symbols.ask_file(&path, 0x1000, debug_syms);
            }
        }
        for at in (40..broken.len()).step_by(37) {
            broken[at] ^= 0xff;
        }
        std::fs::write(&path, &broken).expect("as before");
        assert_eq!(symbols.ask_file(&path, 0x1000, true), None);
        let _ = std::fs::remove_file(&path);
    }

    #[test]
    fn what_is_no_code_has_no_symbol() {
        let (mut symbols, this) = own(Options::default());
        let text = b"text";
        for nowhere in [0, 1, u64::MAX, text.as_ptr() as u64] {
            assert_eq!(symbols.find(this, nowhere, Detail::Frame), None, "{nowhere:#x}");
            assert_eq!(symbols.build_id(this, nowhere), None, "{nowhere:#x}");
        }
    }

    #[test]
    fn the_kernels_code_for_processes_has_symbols() {
        let (mut symbols, this) = own(Options::default());
        let Some(range) = symbols.own_vdso() else { return println!("skipped: no vdso here") };
        let mut found = range.step_by(16).filter_map(|address| symbols.find(this, address, Detail::Frame));
        let time = found.find(|symbol| symbol.name.ends_with("gettime")).expect("one of its functions");
        assert_eq!(time.file.as_deref(), Some("[vdso]"));
    }
}
