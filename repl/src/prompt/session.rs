//! A session: what has been entered so far, and the programs that run because of it.
//!
//! An entry is read, checked, compiled and loaded by itself, against what those before have left, and only when all of
//! that went well does it count.

mod inspect;
mod knowledge;
mod listing;
mod members;
mod settings;
mod stats;
mod watch;

use super::Next;
use super::screen::Screen;
use crate::args::Args;
use crate::explain::explain;
use crate::files::Files;
use crate::headers::Folders;
use crate::look;
use crate::report::Reporter;
use crate::run::{self, Failed, Terminal};
use crate::select;
use codegen::layout::Sizes;
use codegen::object::{Options, compile_entry};
use lang::ast::{self, ExprKind, Name, Script, StmtKind};
use lang::c::Continued;
use lang::config::SymbolCache;
use lang::imports::parse_entry;
use lang::parser::entry::{FRAME_ROOM, Kind};
use lang::printf::Origin;
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
use std::os::fd::BorrowedFd;
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
    /// What has been said in C.
    c: String,
    shown: output::Settings,
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
    is_off: bool,
    /// Maps to which nothing had been assigned.
    waits_for: Vec<String>,
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
        let symbols = symbols::Options {
            demangle: empty.config.cpp_demangle,
            debug_info: empty.config.show_debug_info,
            keep: empty.config.cache_user_symbols != Some(SymbolCache::None),
            programs: Vec::new(),
        };
        let shown = output::Settings {
            max_strlen: empty.config.max_strlen as usize,
            hist_summary: empty.config.hist_summary,
            str_trunc_trailer: empty.config.str_trunc_trailer.clone().into_bytes(),
            texts: output::Texts::default(),
            world: Shared::new(Machine::new(symbols, config.processes.clone())),
            paint: look::paint(args),
        };
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
            c: String::new(),
            shown,
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

    /// Lets the probes run until something has come of it or `wake` can be read; tells whether it can.
    pub fn poll(&mut self, wake: BorrowedFd<'_>) -> Result<bool, RunError> {
        let Self { args, reporter, sources, live, output, .. } = self;
        let missing_probes = live.program().config.missing_probes;
        let mut host = Terminal { args, tells_attached: false, missing_probes, sources, reporter };
        let is_woken = live.poll(wake, &mut **output, &mut host)?;
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
        let next = self.take(text)?;
        self.tell_time();
        Ok(next)
    }

    fn take(&mut self, text: &str) -> Result<Next, RunError> {
        let begun = Instant::now();
        if let Some(name) = lone_map(text) {
            self.show_map(name)?;
            return Ok(Next::Go);
        }
        let kind = Kind::of(text);
        let name = match kind {
            Kind::Script => format!("#{}", self.next),
            Kind::Statements => format!("<{}>", self.statements + 1),
        };
        let parsed = {
            let headers = Continued::new(&self.c, &self.headers);
            parse_entry(Source::new(name, text), kind, &mut self.sources, &mut Files::new(""), &headers)
        };
        self.clock.lap("parse");
        if !self.shows_no_error(&parsed.diagnostics) {
            return Ok(Next::Go);
        }
        let next = match kind {
            Kind::Script => self.define(text, parsed.script, begun)?,
            Kind::Statements => self.run(parsed.script)?,
        };
        let Some(next) = next else { return Ok(Next::Go) };
        if !parsed.c.is_empty() {
            self.c += &parsed.c;
        }
        self.recompile_what_waited()?;
        Ok(next)
    }

    /// Shows diagnostics; false if one of them is an error.
    fn shows_no_error(&self, diagnostics: &[Diagnostic]) -> bool {
        run::show(self.reporter, &self.sources, diagnostics).is_ok()
    }

    /// Takes probes and definitions. Nothing if they are faulty.
    fn define(&mut self, text: &str, script: Script, begun: Instant) -> Result<Option<Next>, RunError> {
        let CheckedEntry { checked, known, waits_for } =
            check_entry(&self.known, &script, &self.target, &self.settings);
        self.clock.lap("check");
        // To wait for a map is nothing bad: somebody may assign it yet.
        let told: Vec<Diagnostic> =
            checked.diagnostics.into_iter().filter(|told| !is_about_waiting(told, &waits_for)).collect();
        if !self.shows_no_error(&told) {
            return Ok(None);
        }
        let program = checked.program;
        if let Some(trial) = trial(&program) {
            self.reporter.show(&self.sources, &trial);
            return Ok(None);
        }
        if program.probes.iter().all(|probe| probe.points.is_empty()) {
            self.live.configure(program.config);
            self.known = known;
            return Ok(Some(Next::Go));
        }
        if select::check_count(&program, self.reporter).is_err() {
            return Ok(None);
        }
        let number = self.next;
        let Some(added) = self.load(number, &program, |live, job, output, host| live.add(number, job, output, host))?
        else {
            return Ok(None);
        };
        self.next += 1;
        self.known = known;
        let is_over = self.note_exits(Some(number)).is_some() || added.is_over;
        let points: Vec<&str> =
            program.probes.iter().flat_map(|probe| &probe.points).map(|point| point.name.as_str()).collect();
        let took = begun.elapsed();
        self.live.flush(&mut *self.output)?;
        self.screen.end_line();
        if !self.args.quiet {
            let what = if is_over { "has called exit() and is off:" } else { "attached" };
            let time = if took.as_millis() == 0 { "<1".to_owned() } else { took.as_millis().to_string() };
            self.say(&format!("#{number} {what} {} ({time} ms)\n", shortened(&points)));
        }
        self.probes.push(Entered { number, script, text: text.trim().to_owned(), is_off: is_over, waits_for });
        Ok(Some(Next::Go))
    }

    /// Runs statements once, or shows the value of an expression. Nothing if they are faulty.
    fn run(&mut self, script: Script) -> Result<Option<Next>, RunError> {
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
            .filter(|id| program.formats.get(id.index()).is_some_and(|format| format.origin == Origin::Print));
        let number = u32::MAX;
        let evaluated =
            self.load(number, &program, |live, job, output, host| live.evaluate(number, job, asked, output, host))?;
        let Some(Evaluated { answer, is_kept }) = evaluated else { return Ok(None) };
        self.statements += 1;
        if is_kept {
            self.known = known;
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
            let mut host = Terminal { args, tells_attached: false, missing_probes, sources, reporter };
            let done = act(live, &job, &mut **output, &mut host);
            self.clock.lap("run");
            match done {
                Ok(done) => return Ok(Some(done)),
                Err(RunError::Load(LoadError::Refused { refusal, .. })) if optimise && refusal.slot.is_some() => {}
                Err(error @ (RunError::Load(_) | RunError::Attach(_) | RunError::Capture(_))) => {
                    let _ = explain::<()>(&error, &object, self.args, &self.sources, self.reporter);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Compiles those probes anew that use maps of which nothing was known, and now is.
    fn recompile_what_waited(&mut self) -> Result<(), RunError> {
        for index in 0..self.probes.len() {
            let probe = &self.probes[index];
            if !probe.waits_for.iter().any(|map| self.known.has_map(map)) {
                continue;
            }
            let (number, is_off) = (probe.number, probe.is_off);
            let CheckedEntry { checked, known, waits_for } =
                check_entry(&self.known, &probe.script, &self.target, &self.settings);
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
        let Self { args, reporter, sources, live, output, .. } = self;
        let missing_probes = live.program().config.missing_probes;
        let mut host = Terminal { args, tells_attached: false, missing_probes, sources, reporter };
        match live.on(number, &mut **output, &mut host) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(RunError::Attach(failed)) => {
                reporter.plain(&failed.to_string(), None);
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
    pub fn remove(&mut self, number: u32) {
        if self.live.remove(number) {
            self.probes.retain(|probe| probe.number != number);
            self.say(&format!("#{number} is removed\n"));
        }
    }

    /// Ends it all; gives the exit code.
    pub fn close(&mut self, code: u8, shows_maps: bool) -> Result<u8, RunError> {
        let Self { args, reporter, sources, live, output, .. } = self;
        let missing_probes = live.program().config.missing_probes;
        let mut host = Terminal { args, tells_attached: false, missing_probes, sources, reporter };
        let shows_maps = shows_maps && live.program().config.print_maps_on_exit;
        let code = live.close(code, shows_maps, &mut **output, &mut host)?;
        self.screen.end_line();
        Ok(code)
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
