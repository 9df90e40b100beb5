//! A session: what has been entered so far, and the programs that run because of it.
//!
//! An entry is read, checked, compiled and loaded by itself, against what those before have left, and only when all of
//! that went well does it count.

mod files;
mod inspect;
mod journal;
mod knowledge;
mod listing;
mod members;
mod portable;
mod settings;
mod stats;
mod watch;

pub use files::home;

use super::Next;
use super::screen::Screen;
use crate::args::Args;
use crate::explain::{explain, not_attached};
use crate::files::Files;
use crate::headers::Folders;
use crate::look;
use crate::report::Reporter;
use crate::run::{self, Failed, Terminal};
use crate::select;
use codegen::layout::Sizes;
use codegen::object::{Options, compile_entry};
use files::Read;
use journal::{Journal, changes_maps};
use lang::ast::{self, ExprKind, Name, Script, StmtKind};
use lang::c::Continued;
use lang::config::SymbolCache;
use lang::imports::parse_entry;
use lang::params::refusal;
use lang::parser::entry::{FRAME_ROOM, Kind, ended};
use lang::printf::Origin as PrintedBy;
use lang::target::Attach;
use lang::typed::{FormatId, Program};
use lang::{CheckedEntry, Diagnostic, Known, Settings, Source, SourceMap, check_entry};
use probes_ebpf::KernelTarget;
use runtime::load::LoadError;
use runtime::machine::processes::Processes;
use runtime::machine::{Machine, symbols};
use runtime::output::world::Shared;
use runtime::output::{self, Output, Text};
use runtime::session::{Config, Evaluated, Job, Live, Mode, RunError};
use stats::{Clock, Stats};
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

/// Bytes for variables, counters and tables of all entries together: those of some ten thousand probes.
const BSS: u32 = 1 << 20;

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
    is_off: bool,
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
        let options = options(args, &empty, process, 0);
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
            } else if let Some(probe) = self.probes.iter_mut().find(|probe| probe.number == number && !probe.is_off) {
                probe.is_off = true;
                self.say(&format!("#{number} has called exit() and is off\n"));
            }
        }
        own
    }

    /// Takes what was entered.
    pub fn enter(&mut self, text: &str) -> Result<Next, RunError> {
        self.clock.start();
        if let Some(name) = lone_map(text) {
            self.show_map(name)?;
            return Ok(Next::Go);
        }
        let text = &*ended(text);
        let draft =
            Draft { text, kind: Kind::of(text), given: Given::default(), replaces: None, begun: Instant::now() };
        let next = self.take(&draft)?.unwrap_or(Next::Go);
        self.tell_time();
        Ok(next)
    }

    /// Takes a text in. Nothing if it is faulty, which has been told then.
    fn take(&mut self, draft: &Draft<'_>) -> Result<Option<Next>, RunError> {
        let name = match draft.kind {
            Kind::Script if !draft.given.file.is_empty() && draft.replaces.is_none() => draft.given.file.clone(),
            Kind::Script => format!("#{}", draft.replaces.unwrap_or(self.next)),
            Kind::Statements => format!("<{}>", self.statements + 1),
        };
        let before = self.sources.iter().count();
        let parsed = {
            let earlier = self.journal.c_for(draft.text, draft.replaces);
            let folders = self.folders(&draft.given);
            let headers = Continued::new(&earlier, folders.as_ref().unwrap_or(&self.headers));
            let mut files = Files::new(&draft.given.file);
            parse_entry(Source::new(name, draft.text), draft.kind, &mut self.sources, &mut files, &headers)
        };
        self.clock.lap("parse");
        if !self.shows_no_error(&parsed.diagnostics) {
            return Ok(None);
        }
        let base = self.sources.iter().nth(before).map_or(0, Source::base);
        let next = match draft.kind {
            Kind::Script => self.define(draft, Read { script: parsed.script, c: parsed.c, base })?,
            Kind::Statements => self.run(draft.text, parsed.script)?,
        };
        if next.is_some() {
            self.recompile_what_waited()?;
        }
        Ok(next)
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

    /// Takes probes and definitions. Nothing if they are faulty.
    fn define(&mut self, draft: &Draft<'_>, read: Read) -> Result<Option<Next>, RunError> {
        let settings = self.settings(&draft.given);
        let CheckedEntry { checked, known, waits_for } =
            check_entry(&self.known, &read.script, &self.target, &settings);
        self.clock.lap("check");
        // To wait for a map is nothing bad: somebody may assign it yet.
        let told: Vec<Diagnostic> =
            checked.diagnostics.into_iter().filter(|told| !is_about_waiting(told, &waits_for)).collect();
        if !self.shows_no_error(&told) {
            return Ok(None);
        }
        if let Some(refusal) = refusal(&checked.options, &settings.options) {
            self.reporter.plain(&refusal.title, refusal.help.as_deref());
            return Ok(None);
        }
        let program = checked.program;
        if let Some(trial) = trial(&program) {
            self.reporter.show(&self.sources, &trial);
            return Ok(None);
        }
        if program.captures.iter().any(|capture| capture.path.is_none()) {
            let title = "capture(\"-\") writes packets to standard output, which is this terminal";
            self.reporter.plain(title, Some("name a file: capture(\"packets.pcapng\")"));
            return Ok(None);
        }
        if let Some(late) = self.too_late(&read.script, &program.config) {
            self.reporter.show(&self.sources, &late);
            return Ok(None);
        }
        if select::check_count(&program, self.reporter).is_err() {
            return Ok(None);
        }
        if program.probes.iter().all(|probe| probe.points.is_empty()) {
            if let Some(number) = draft.replaces {
                self.reporter.plain(
                    &format!("#{number} would have no probe any more"),
                    Some(&format!(":rm {number} removes it")),
                );
                return Ok(None);
            }
            self.live.configure(program.config);
            self.known = known;
            self.follow_config();
            self.keep(None, draft, &read, &checked.options);
            return Ok(Some(Next::Go));
        }
        let number = draft.replaces.unwrap_or(self.next);
        let added = self.load(number, &program, |live, job, output, host| match draft.replaces {
            Some(_) => live.replace(number, job, false, output, host),
            None => live.add(number, job, output, host),
        })?;
        let Some(added) = added else { return Ok(None) };
        self.next = self.next.max(number + 1);
        self.known = known;
        self.follow_config();
        let is_over = self.note_exits(Some(number)).is_some() || added.is_over;
        let points: Vec<&str> =
            program.probes.iter().flat_map(|probe| &probe.points).map(|point| point.name.as_str()).collect();
        let took = draft.begun.elapsed();
        self.live.flush(&mut *self.output)?;
        self.screen.end_line();
        if !self.args.quiet {
            let what = if is_over { "has called exit() and is off:" } else { "attached" };
            let time = if took.as_millis() == 0 { "<1".to_owned() } else { took.as_millis().to_string() };
            self.say(&format!("#{number} {what} {} ({time} ms)\n", shortened(&points)));
        }
        self.keep(Some(number), draft, &read, &checked.options);
        let (text, given) = (draft.text.trim().to_owned(), draft.given.clone());
        let entered = Entered { number, script: read.script, text, given, is_off: is_over, is_stale: false, waits_for };
        match self.probes.iter_mut().find(|probe| probe.number == number) {
            Some(old) => *old = entered,
            None => self.probes.push(entered),
        }
        Ok(Some(Next::Go))
    }

    /// Runs statements once, or shows the value of an expression. Nothing if they are faulty.
    fn run(&mut self, text: &str, script: Script) -> Result<Option<Next>, RunError> {
        if script.probes.iter().all(|probe| probe.body.stmts.is_empty()) {
            return Ok(Some(Next::Go));
        }
        let check = |script: &Script| check_entry(&self.known, script, &self.target, &self.settings);
        let shown = as_question(&script).map(|question| check(&question)).filter(|entry| entry.checked.is_ok());
        let is_question = shown.is_some();
        let CheckedEntry { checked, known, .. } = shown.unwrap_or_else(|| check(&script));
        self.clock.lap("check");
        if !self.shows_no_error(&checked.diagnostics) {
            return Ok(None);
        }
        let program = checked.program;
        let last = program.formats.len().saturating_sub(1) as u32;
        // JSON says the type of a value by its form.
        let asked = (is_question && self.args.format == "text")
            .then_some(FormatId(last))
            .filter(|id| program.formats.get(id.index()).is_some_and(|format| format.origin == PrintedBy::Print));
        let number = u32::MAX;
        let evaluated =
            self.load(number, &program, |live, job, output, host| live.evaluate(number, job, asked, output, host))?;
        let Some(Evaluated { answer, is_kept }) = evaluated else { return Ok(None) };
        self.statements += 1;
        if is_kept {
            self.known = known;
        }
        if changes_maps(&script) {
            self.journal.add(journal::Entry::statements(text));
        }
        if let (Some(answer), Some(format)) = (answer, asked.and_then(|id| program.formats.get(id.index()))) {
            let mut text = Vec::new();
            self.shown.texts.set(&program.texts);
            let mut output = Text::new(&mut text, self.shown.clone());
            let formed = output.record(format, &answer).and_then(|()| output.flush());
            formed.map_err(|error| RunError::System("showing a value", error))?;
            drop(output);
            let value = String::from_utf8_lossy(&text);
            let value = value.trim_end_matches('\n');
            let ty = format.args.first().map(ToString::to_string).unwrap_or_default();
            let between = if value.contains('\n') { "\n" } else { " " };
            self.say(&format!("{value}{between}: {ty}\n"));
        }
        Ok(Some(match self.note_exits(Some(number)) {
            Some(code) => Next::Leave { code, shows_maps: true },
            None => Next::Go,
        }))
    }

    /// Compiles an entry and hands it to what runs. Nothing if it is refused, which has been told then.
    fn load<T>(
        &mut self,
        number: u32,
        program: &Program,
        mut act: impl FnMut(&mut Live<'a>, &Job<'_>, &mut dyn Output, &mut Terminal<'_>) -> Result<T, RunError>,
    ) -> Result<Option<T>, RunError> {
        let options = options(self.args, program, self.process, number);
        // What the verifier refuses may be the mid-end's doing.
        for optimise in [true, false] {
            let options = Options { optimise, ..options };
            let object = match compile_entry(program, &self.target, &options, Some(self.live.layout())) {
                Ok(object) => object,
                Err(diagnostic) => {
                    self.reporter.show(&self.sources, &diagnostic);
                    return Ok(None);
                }
            };
            if !program.probes.is_empty() && select::check(&object, &program.config, self.reporter).is_err() {
                return Ok(None);
            }
            let elf = match object.to_elf(&self.sources) {
                Ok(elf) => elf,
                Err(error) => {
                    self.reporter.plain(&error.to_string(), None);
                    return Ok(None);
                }
            };
            self.clock.lap("compile");
            let Self { args, reporter, sources, live, output, shown, .. } = self;
            let job = Job { program, object: &object, elf: &elf, settings: shown };
            let missing_probes = program.config.missing_probes;
            let mut host = Terminal::new(args, missing_probes, sources, reporter);
            let done = act(live, &job, &mut **output, &mut host);
            self.clock.lap("run");
            match done {
                Ok(done) => {
                    self.files.extend(run::programs(&object));
                    self.files.sort();
                    self.files.dedup();
                    return Ok(Some(done));
                }
                Err(RunError::Load(LoadError::Refused { refusal, .. })) if optimise && refusal.slot.is_some() => {}
                Err(error @ (RunError::Load(_) | RunError::Attach(_) | RunError::Capture(_) | RunError::Pin(_))) => {
                    let _ = explain::<()>(&error, &object, self.args, &self.sources, self.reporter);
                    self.note_what_is_off();
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Probes whose place others should have taken may not have come back.
    fn note_what_is_off(&mut self) {
        for probe in &mut self.probes {
            probe.is_off |= self.live.is_off(probe.number);
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

    /// What of a config cannot be had any more.
    fn too_late(&self, script: &Script, config: &lang::config::Config) -> Option<Diagnostic> {
        let is_changed = config.perf_rb_pages != self.live.program().config.perf_rb_pages;
        let item = script.config.iter().find(|item| item.name.text.ends_with("perf_rb_pages"));
        let is_there = self.live.layout().data_ring.is_some() || self.live.layout().packets.is_some();
        let item = item.filter(|_| is_changed && is_there)?;
        let told = Diagnostic::error(item.span, "the buffers of this session have their size already");
        Some(told.with_help("set it before the first probe that prints, or in the environment"))
    }

    /// Compiles those probes anew that use maps of which nothing was known, and now is.
    fn recompile_what_waited(&mut self) -> Result<(), RunError> {
        for index in 0..self.probes.len() {
            let probe = &self.probes[index];
            if !probe.waits_for.iter().any(|map| self.known.has_map(map)) {
                continue;
            }
            let (number, is_off) = (probe.number, probe.is_off);
            let settings = self.settings(&probe.given);
            let CheckedEntry { checked, known, waits_for } =
                check_entry(&self.known, &probe.script, &self.target, &settings);
            // It may be that the map is something else than this probe thought; then it goes on as it was.
            let told: Vec<Diagnostic> = checked.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
            if !self.shows_no_error(&told) {
                self.probes[index].waits_for.clear();
                continue;
            }
            let mut program = checked.program;
            for probe in &mut program.probes {
                probe.points.retain(|point| point.attach != Attach::Begin);
            }
            program.probes.retain(|probe| !probe.points.is_empty());
            let replaced =
                self.load(number, &program, |live, job, output, host| live.replace(number, job, is_off, output, host))?;
            if replaced.is_some() {
                self.known = known;
            }
            self.probes[index].waits_for = waits_for;
        }
        Ok(())
    }

    /// Takes a probe off.
    pub fn off(&mut self, number: u32) {
        if self.live.off(number)
            && let Some(probe) = self.probes.iter_mut().find(|probe| probe.number == number)
        {
            probe.is_off = true;
            self.say(&format!("#{number} is off\n"));
        }
    }

    /// Puts a probe on again.
    pub fn on(&mut self, number: u32) -> Result<(), RunError> {
        let (args, reporter) = (self.args, self.reporter);
        match self.with_live(|live, output, host| live.on(number, output, host)) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(RunError::Attach(failed)) => {
                not_attached(&failed, args, &self.sources, reporter);
                return Ok(());
            }
            Err(error @ RunError::Pin(_)) => {
                reporter.plain(
                    &error.to_string(),
                    Some("what was pinned stays when a probe is taken off: remove the file"),
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if let Some(probe) = self.probes.iter_mut().find(|probe| probe.number == number) {
            probe.is_off = false;
            self.say(&format!("#{number} is on\n"));
        }
        Ok(())
    }

    /// Removes a probe.
    pub fn remove(&mut self, number: u32) -> Result<(), RunError> {
        if self.with_live(|live, output, host| live.remove(number, output, host))? {
            self.note_exits(Some(number));
            self.probes.retain(|probe| probe.number != number);
            self.journal.remove(number);
            self.drafts.remove(&number);
            self.say(&format!("#{number} is removed\n"));
        }
        Ok(())
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

fn options(args: &Args, program: &Program, process: Option<u32>, entry: u32) -> Options {
    let sizes = Sizes { bss: Some(BSS), ..run::sizes(&program.config) };
    Options { process, sizes, tell_reads: args.warnings > 0, entry, ..Options::default() }
}

/// The name of a map, if the text is nothing else.
fn lone_map(text: &str) -> Option<&str> {
    let name = text.trim().trim_end_matches(';').strip_prefix('@')?;
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_').then_some(name)
}

/// Whether it is told that nothing is assigned to a map yet.
fn is_about_waiting(told: &Diagnostic, waits_for: &[String]) -> bool {
    let map = told.title.strip_prefix("Undefined map: @");
    !told.is_error() && map.is_some_and(|map| waits_for.iter().any(|name| name == map))
}

/// A script that prints what a lone expression is worth, if that is why it was entered.
fn as_question(script: &Script) -> Option<Script> {
    let is_step =
        |stmt: &ast::Stmt| matches!(&stmt.kind, StmtKind::Expr(expr) if matches!(expr.kind, ExprKind::IncDec { .. }));
    let is_act = script.probes.iter().flat_map(|probe| &probe.body.stmts).any(is_step);
    if is_act { None } else { printing(script) }
}

/// A script that prints what a lone expression is worth.
fn printing(script: &Script) -> Option<Script> {
    let mut question = script.clone();
    let [probe] = &mut question.probes[..] else { return None };
    let [stmt] = &mut probe.body.stmts[..] else { return None };
    let StmtKind::Expr(expr) = &mut stmt.kind else { return None };
    let span = expr.span;
    let name = Name { text: "print".to_owned(), span };
    let kind = ExprKind::Call { name, args: vec![expr.clone()] };
    *expr = ast::Expr { kind, span };
    Some(question)
}

/// That tests and benchmarks are for scripts.
fn trial(program: &Program) -> Option<Diagnostic> {
    let mut points = program.probes.iter().flat_map(|probe| &probe.points);
    let point = points.find(|point| matches!(point.attach, Attach::Test | Attach::Bench))?;
    let told = Diagnostic::error(point.span, "tests and benchmarks are run from a script, not in a session");
    Some(told.with_help("rtrace --test FILE, rtrace --bench FILE"))
}

/// The names of attach points, as many as anybody wants to read.
fn shortened(points: &[&str]) -> String {
    const MOST: usize = 3;
    match points.get(..MOST) {
        Some(first) if points.len() > MOST => format!("{} and {} more", first.join(", "), points.len() - MOST),
        _ => points.join(", "),
    }
}
