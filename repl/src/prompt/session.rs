//! A session: what has been entered so far, and the programs that run because of it.
//!
//! An entry is read, checked, compiled and loaded by itself, against what those before have left, and only when all of
//! that went well does it count.

mod entering;
mod files;
mod inspect;
mod journal;
mod knowledge;
mod listing;
mod members;
mod portable;
mod running;
mod settings;
mod statements;
mod stats;
mod watch;

pub use files::home;

use super::screen::Screen;
use crate::args::Args;
use crate::explain::explain;
use crate::headers::Folders;
use crate::look;
use crate::report::Reporter;
use crate::run::{self, Failed, Terminal};
use crate::wrap;
use codegen::object::compile_entry;
use journal::Journal;
use lang::ast::Script;
use lang::config::SymbolCache;
use lang::parser::entry::{FRAME_ROOM, Kind};
use lang::{Diagnostic, Known, Settings, Source, SourceMap, check_entry};
use probes_ebpf::KernelTarget;
use runtime::machine::processes::Processes;
use runtime::machine::{Machine, symbols};
use runtime::output::world::Shared;
use runtime::output::{self, Output};
use runtime::session::{Config, Job, Live, Mode, RunError};
use stats::{Clock, Stats};
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

/// A session.
pub struct Session<'a> {
    args: &'a Args,
    reporter: &'a Reporter,
    screen: Screen,
    target: KernelTarget,
    settings: Settings,
    headers: Folders,
    process: Option<u32>,
    /// Of all entries, the faulty ones as well.
    sources: SourceMap,
    known: Known,
    /// What was entered and still counts.
    journal: Journal,
    /// Texts for probes that were faulty, by their numbers: what is edited next.
    drafts: HashMap<u32, String>,
    /// Files that this session may write without being asked twice: it has read or written them.
    own_files: Vec<PathBuf>,
    shown: output::Settings,
    /// What looks up names for what is shown.
    machine: Rc<Machine>,
    /// The files whose code is traced.
    files: Vec<String>,
    output: Box<dyn Output>,
    live: Live<'a>,
    probes: Vec<Entered>,
    /// The number of the next probe.
    next: u32,
    /// So many statements have been run.
    statements: u32,
    clock: Clock,
    stats: Option<Stats>,
}

/// A probe that was entered, and is not removed.
struct Entered {
    number: u32,
    script: Script,
    /// As it was entered.
    text: String,
    /// Where from.
    given: Given,
    /// Something that it may use has been defined anew since.
    is_stale: bool,
    /// Maps to which nothing had been assigned.
    waits_for: Vec<String>,
}

/// What a text was given: where it comes from, and its parameters.
#[derive(Clone, Debug, Default)]
struct Given {
    /// The file; empty if it was typed.
    file: String,
    /// What `$1` and so on stand for.
    params: Vec<String>,
    /// The same for `getopt()`.
    options: Vec<String>,
}

/// A text that is to be taken in.
struct Draft<'d> {
    text: &'d str,
    kind: Kind,
    given: Given,
    /// The number of the probes whose place it takes.
    replaces: Option<u32>,
    begun: Instant,
}

/// What the command line says of a session's run.
pub fn config(args: &Args, reporter: &Reporter) -> Result<Config, Failed> {
    let process = run::process(args, reporter)?;
    Ok(Config {
        process: process.map(|number| run::watch(number, reporter)).transpose()?,
        quiet: args.quiet,
        pid: process,
        dwarf_pids: run::dwarf_pids(args, reporter)?,
        processes: Processes::default(),
        mode: Mode::Trace,
        interactive: true,
        ..Config::default()
    })
}

impl<'a> Session<'a> {
    /// Begins a session, which shows everything on the screen.
    pub fn begin(
        args: &'a Args,
        reporter: &'a Reporter,
        config: &'a mut Config,
        screen: Screen,
    ) -> Result<Self, Failed> {
        let target = KernelTarget::new();
        let headers = Folders::new("", &args.include_dirs, &args.includes, target.has_btf());
        let process = config.pid;
        let target = run::as_asked(target, process, args);
        let settings = run::settings(args, reporter)?;
        // Room for the frame of statements, and what places without a source are about.
        let sources = SourceMap::new(Source::new("rtrace", " ".repeat(FRAME_ROOM as usize)));
        // Where the environment says something of it, it holds for all.
        let empty = check_entry(&Known::default(), &Script::default(), &target, &settings).checked.program;
        let machine = Rc::new(Machine::new(symbols(&empty.config, &[]), config.processes.clone()));
        let shown = output::Settings {
            world: Shared::of(Rc::clone(&machine)),
            paint: look::paint(args),
            ..output::Settings::default()
        };
        let shown = shown_as(&empty.config, shown);
        let output = run::open_output(args, Box::new(screen.clone()), shown.clone(), reporter)?;
        let options = running::options(args, &empty, process, 0);
        let opened = compile_entry(&empty, &target, &options, None)
            .map_err(|diagnostic| reporter.show(&sources, &diagnostic))
            .and_then(|object| {
                let elf = object.to_elf(&sources).map_err(|error| reporter.plain(&error.to_string(), None))?;
                let job = Job { program: &empty, object: &object, elf: &elf, settings: &shown };
                Live::open(&job, config).map_err(|error| drop(explain::<()>(&error, &object, args, &sources, reporter)))
            });
        Ok(Self {
            args,
            reporter,
            screen,
            target,
            settings,
            headers,
            process,
            sources,
            known: Known::default(),
            journal: Journal::default(),
            drafts: HashMap::new(),
            own_files: Vec::new(),
            shown,
            machine,
            files: Vec::new(),
            output,
            live: opened.map_err(|()| Failed)?,
            probes: Vec::new(),
            next: 1,
            statements: 0,
            clock: Clock::default(),
            stats: None,
        })
    }

    /// Where errors go.
    pub fn reporter(&self) -> &'a Reporter {
        self.reporter
    }

    /// Shows text.
    pub fn say(&self, text: &str) {
        self.screen.show(text.as_bytes());
    }

    /// Shows text of several words, in lines that have room.
    pub fn say_words(&self, text: &str) {
        self.say(&look::width(std::io::stdout()).map_or(text.to_owned(), |width| wrap::text(text, width)));
    }

    /// Whether there is a probe of this number.
    pub fn has_probe(&self, number: u32) -> bool {
        self.probes.iter().any(|probe| probe.number == number)
    }

    /// Whether a signal wants it all to end.
    pub fn is_interrupted(&self) -> bool {
        self.live.is_interrupted()
    }

    /// Does something with what runs, which may tell and show things.
    fn with_live<T>(&mut self, act: impl FnOnce(&mut Live<'a>, &mut dyn Output, &mut Terminal<'_>) -> T) -> T {
        let Self { args, reporter, sources, live, output, .. } = self;
        let mut host = Terminal::new(args, live.program().config.missing_probes, sources, reporter);
        act(live, &mut **output, &mut host)
    }

    /// Lets the probes run until something has come of it or `wake` can be read; tells whether it can.
    pub fn poll(&mut self, wake: BorrowedFd<'_>) -> Result<bool, RunError> {
        let is_woken = self.with_live(|live, output, host| live.poll(wake, output, host))?;
        self.note_exits(None);
        Ok(is_woken)
    }

    /// Tells of the probes that have called `exit()`, which are off. If the entry at hand has, it gives the code.
    fn note_exits(&mut self, current: Option<u32>) -> Option<u8> {
        let mut own = None;
        for (number, code) in self.live.take_exited() {
            if Some(number) == current {
                own.get_or_insert(code);
            } else if self.has_probe(number) {
                self.say(&format!("#{number} has called exit() and is off\n"));
            }
        }
        own
    }

    /// Shows diagnostics; false if one of them is an error.
    fn shows_no_error(&self, diagnostics: &[Diagnostic]) -> bool {
        run::show(self.reporter, &self.sources, diagnostics).is_ok()
    }

    /// What the command line says of the meaning of a text.
    fn settings(&self, given: &Given) -> Settings {
        match given.file.is_empty() {
            true => self.settings.clone(),
            false => {
                let (params, options) = (given.params.clone(), given.options.clone());
                Settings { params, options, ..self.settings.clone() }
            }
        }
    }

    /// Shows things as the config says, from now on.
    fn follow_config(&mut self) {
        let config = &self.live.program().config;
        let shown = shown_as(config, self.shown.clone());
        self.machine.follow(symbols(config, &self.files));
        if shown != self.shown {
            self.shown = shown;
            self.output.shows(&self.shown);
            self.live.show_as(self.shown.clone());
        }
    }

    /// Ends it all; gives the exit code.
    pub fn close(&mut self, code: u8, shows_maps: bool) -> Result<u8, RunError> {
        let shows_maps = shows_maps && self.live.program().config.print_maps_on_exit;
        let code = self.with_live(|live, output, host| live.close(code, shows_maps, output, host))?;
        self.screen.end_line();
        Ok(code)
    }
}

/// How values are shown.
fn shown_as(config: &lang::config::Config, others: output::Settings) -> output::Settings {
    output::Settings {
        max_strlen: config.max_strlen as usize,
        hist_summary: config.hist_summary,
        str_trunc_trailer: config.str_trunc_trailer.clone().into_bytes(),
        ..others
    }
}

/// How symbols are looked up.
fn symbols(config: &lang::config::Config, files: &[String]) -> symbols::Options {
    symbols::Options {
        demangle: config.cpp_demangle,
        debug_info: config.show_debug_info,
        keep: config.cache_user_symbols != Some(SymbolCache::None),
        programs: files.to_vec(),
    }
}

/// The names of attach points, as many as anybody wants to read.
fn shortened(points: &[&str]) -> String {
    const MOST: usize = 3;
    match points.get(..MOST) {
        Some(first) if points.len() > MOST => format!("{} and {} more", first.join(", "), points.len() - MOST),
        _ => points.join(", "),
    }
}
