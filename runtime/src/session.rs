//! Programs at work: one run of a script, from loading to the last line of output, or a session to which entries are
//! added while others run ([`Live`]).
//!
//! `begin` probes run first, then everything is attached, then events are handed to the output until something ends the
//! run: `exit()`, a signal, the end of the child. Then all is detached, `end` probes run, what is left in the rings is
//! printed, and the maps.

mod attaching;
mod entries;
mod events;
mod loading;
mod measured;
mod signals;
mod threads;
mod trial;
mod watched;

use crate::attach::{self, AttachError, PinError};
use crate::child::{Child, Ended};
use crate::flame::{self, GraphFile};
use crate::load::{LiveMaps, LoadError};
use crate::machine::MOST_OPEN;
use crate::machine::processes::Processes;
use crate::machine::watch::Watch;
use crate::output::{Output, Place, Settings};
use crate::packets::{CaptureError, Packets};
use crate::rings::{Event, Rings};
use crate::store::Store;
use crate::sys;
use crate::trouble;
use crate::unwind::Unwinder;
use codegen::event::{Control, ControlRecord};
use codegen::layout::{CHILD_PID, EXIT, EXIT_ASKED, Layout, START_TIME, Site, Sizes};
use codegen::object::{Object, Point};
use entries::Entry;
pub use entries::{Added, Evaluated};
use lang::diag::Diagnostic;
use lang::span::Span;
use lang::target::Attach;
use lang::typed::{self, FormatId, MapId};
use loading::Snapshot;
pub use measured::{Measured, Spent, measure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, TimerfdClockId, TimerfdFlags, clock_gettime, timerfd_create};
pub use signals::forget_interrupt;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use thiserror::Error;
pub use watched::Viewer;
use watched::Watched;

/// Why a run did not come to pass, or came to a sudden end.
#[derive(Debug, Error)]
pub enum RunError {
    /// A map or program was refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A probe was refused.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Packets cannot be captured.
    #[error(transparent)]
    Capture(CaptureError),
    /// An iterator could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The script may run without what is not there, and nothing is.
    #[error("No probes to attach")]
    NothingAttached,
    /// Somebody did not want to wait until all was attached. What was is not any more.
    #[error("interrupted while attaching: {done} of {of} probes were attached, and are not any more")]
    Interrupted {
        /// So many were attached.
        done: usize,
        /// So many were to be.
        of: usize,
    },
    /// Nobody reads the output any more.
    #[error("the output was closed")]
    OutputClosed,
    /// The system refused something else.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
}

impl From<CaptureError> for RunError {
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::Closed => Self::OutputClosed,
            error => Self::Capture(error),
        }
    }
}

/// What a run needs to know of a compiled script.
pub struct Job<'a> {
    /// Maps and formats.
    pub program: &'a typed::Program,
    /// Programs and layout.
    pub object: &'a Object,
    /// The object as ELF.
    pub elf: &'a [u8],
    /// How values are shown.
    pub settings: &'a Settings,
}

/// What the command line decides about a run.
#[derive(Default)]
pub struct Config {
    /// The command of `-c`.
    pub child: Option<Child>,
    /// The process of `-p`, whose end ends the run.
    pub process: Option<OwnedFd>,
    /// Load and attach, then end without having run anything.
    pub dry_run: bool,
    /// Do not say how many probes are attached.
    pub quiet: bool,
    /// Its number: uprobes are limited to it, or to the command.
    pub pid: Option<u32>,
    /// Processes whose stacks are to be walked by tables, beside these.
    pub dwarf_pids: Vec<u32>,
    /// Where processes are noted that the script takes addresses of.
    pub processes: Processes,
    /// Where a flame graph of these maps goes at the end.
    pub flame_graph: Option<(GraphFile, Vec<MapId>)>,
    /// What `capture("-")` writes to, if that is not the process's standard output.
    pub packets_output: Option<File>,
    /// What is run beside `begin` and `end`.
    pub mode: Mode,
    /// Entries come while others run, each of which ends for itself.
    pub interactive: bool,
    /// Who looks at the maps while events come.
    pub viewer: Option<Box<dyn Viewer>>,
}

/// What is run beside `begin` and `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What is attached, and intervals.
    #[default]
    Trace,
    /// `test` probes.
    Test,
    /// `bench` probes.
    Bench,
}

/// Who is told what happens beside the output proper.
pub trait Host {
    /// Everything is attached; the first event is printed after this returns.
    fn attached(&mut self, probes: usize);
    /// Attaching or detaching goes on, and so much of it is done. Called often.
    fn progress(&mut self, what: Doing, done: usize, of: usize);
    /// The functions of the kernel that can be traced, if that is known of all.
    fn kernel_functions(&self) -> Option<HashSet<String>>;
    /// These could not be attached, and the script runs without them.
    fn left_out(&mut self, refused: &[AttachError]);
    /// An error or warning about the running script.
    fn diagnostic(&mut self, diagnostic: &Diagnostic);
    /// Something went wrong in the running script; the detail is for those who look closer, and may be empty.
    fn trouble(&mut self, warning: &Diagnostic, detail: &str);
    /// Whether the script's own errors and warnings of this kind are wanted.
    fn wants(&self, diagnostic: &Diagnostic) -> bool;
    /// The line that says what an error or warning is, and where.
    fn headline(&self, diagnostic: &Diagnostic) -> String;
    /// An error or warning of the script's own.
    fn message(&mut self, diagnostic: &Diagnostic);
    /// Something that the script asked for could not be done.
    fn complain(&mut self, text: &str);
    /// Something that has no place in the script may not be as it was meant.
    fn warn(&mut self, text: &str);
    /// Where in the script a span begins.
    fn place(&self, span: Span) -> Place;
    /// The command of `-c` has ended.
    fn child_ended(&mut self, how: Ended);
}

/// What may take long where there are many attach points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// They are attached to.
    Attaching,
    /// They are left.
    Detaching,
}

/// Runs a script to its end and gives the exit code.
pub fn run(job: &Job<'_>, config: &mut Config, output: &mut dyn Output, host: &mut dyn Host) -> Result<u8, RunError> {
    let mut live = Live::open(job, config)?;
    let refused = live.tell_of_refused(0, host);
    if !live.config.dry_run {
        live.begin(0)?;
    }
    if live.config.mode != Mode::Trace {
        return live.trials(output, host);
    }
    let missing = if live.over { 0 } else { live.attach(0, host)? };
    let probes = live.entry(0).map_or(0, Entry::probes).saturating_sub(missing);
    if missing + refused > 0 && probes == 0 {
        return Err(RunError::NothingAttached);
    }
    live.release_child()?;
    live.start_unwinder()?;
    if !live.config.quiet {
        output.attached(probes).map_err(output_error)?;
    }
    flush(output)?;
    host.attached(probes);
    if live.config.dry_run {
        live.detach(host);
        return Ok(0);
    }
    live.replay(output, host)?;
    live.iterate(0, output)?;
    live.goes_on = live.entries.iter().any(Entry::waits);
    let result = if live.goes_on { live.events(output, host) } else { Ok(()) };
    live.detach(host);
    result?;
    live.exit = live.exit.take().filter(|exit| exit.asked);
    live.end(output, host)?;
    live.finish(live.program.config.print_maps_on_exit, output, host)
}

/// No limit to the records taken at once: for when nothing is attached that could go on making them.
const ALL: usize = usize::MAX;

/// Why the run ends.
#[derive(Clone, Copy)]
struct Exit {
    code: u8,
    /// By `exit()`: the first one counts.
    asked: bool,
}

/// Programs that run: those of a script, or of all the entries of a session, with all that they share. A script's is one
/// that has one entry.
pub struct Live<'a> {
    config: &'a mut Config,
    /// Maps, formats and other tables as of the latest entry; no probes.
    program: typed::Program,
    settings: Settings,
    /// The maps that entries to come will use as well.
    maps: LiveMaps,
    /// In the order in which they came.
    entries: Vec<Entry>,
    /// Events of `begin` probes, held back until everything is attached.
    held: Vec<Held>,
    rings: Rings,
    packets: Packets,
    store: Store,
    /// As of the latest entry that left something.
    layout: Layout,
    /// Finds the tables for walks up the stack, if there are any.
    unwinder: Option<Unwinder>,
    signals: OwnedFd,
    /// SIGUSR1 is one of them.
    takes_usr1: bool,
    /// Runs while sites have something new to say.
    ticker: OwnedFd,
    ticking: bool,
    reported: Vec<u64>,
    /// What entries that are gone have lost, once for each kind of site; and how many events the kernel passed over.
    gone: Vec<(Site, u64)>,
    missed: u64,
    exit: Option<Exit>,
    /// Something can happen of itself. What only iterators send is all there is to come, and shown whole.
    goes_on: bool,
    /// `exit()` has been read from the ring: what other probes sent behind it, until they were detached, is passed over.
    hushed: bool,
    /// A `begin` probe has ended the run: nothing is attached.
    over: bool,
    /// A signal has ended the run.
    interrupted: bool,
    /// Nothing is printed, and no command run.
    muted: bool,
    /// In a session, the entries that have called `exit()`, and with which code.
    exited: Vec<(u32, u8)>,
    /// In a session, the format whose record is the answer to a question, and the answer.
    asked: Option<FormatId>,
    answer: Option<Vec<u8>>,
    /// Notes the processes that are met.
    watch: Option<Watch>,
    /// Maps that somebody looks at.
    watched: Option<Watched>,
    /// In a session, how it was before anything was entered.
    base: Option<Snapshot>,
    /// What the latest entry has taken.
    spent: Spent,
}

enum Held {
    Record(Vec<u8>),
    Control(ControlRecord),
}

impl<'a> Live<'a> {
    /// Loads the first entry, and makes ready what all of them share.
    pub fn open(job: &Job<'_>, config: &'a mut Config) -> Result<Self, RunError> {
        let layout = &job.object.layout;
        let mapped = if layout.processes.is_some() { MOST_OPEN as u64 } else { 0 };
        allow_files(job.places(), mapped);
        let mut maps = LiveMaps::default();
        let loaded = job.load(&maps)?;
        let opened = maps.adopt(&loaded, layout).and_then(|()| Store::new(&maps, layout, &job.program.maps));
        let store = opened.map_err(|e| RunError::System("opening maps", e))?;
        store.word(START_TIME).store(since_boot(), Ordering::Relaxed);
        if let Some(child) = &config.child {
            store.word(CHILD_PID).store(u64::from(child.pid()), Ordering::Relaxed);
        }
        let ticker = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)
            .map_err(|e| RunError::System("making a timer", e.into()))?;
        let takes_usr1 = job.takes_usr1();
        let signals = signals::catch(takes_usr1).map_err(|e| RunError::System("catching signals", e))?;
        let mut live = Self {
            config,
            program: typed::Program::default(),
            settings: job.settings.clone(),
            maps,
            entries: Vec::new(),
            held: Vec::new(),
            rings: Rings::default(),
            packets: Packets::default(),
            store,
            layout: Layout::new(&typed::Program::default(), Sizes::default()),
            unwinder: None,
            signals,
            takes_usr1,
            ticker,
            ticking: false,
            reported: Vec::new(),
            gone: Vec::new(),
            missed: 0,
            exit: None,
            goes_on: false,
            hushed: false,
            over: false,
            interrupted: false,
            muted: false,
            exited: Vec::new(),
            asked: None,
            answer: None,
            watch: None,
            watched: None,
            base: None,
            spent: Spent::default(),
        };
        live.adopt(0, job, loaded)?;
        live.base = live.config.interactive.then(|| live.snapshot());
        Ok(live)
    }

    /// Runs the `begin` probes of an entry in source order until one of them exits; their events are held back.
    fn begin(&mut self, number: u32) -> Result<(), RunError> {
        let Some((loaded, begin)) = self.to_run(number, |attach| matches!(attach, Attach::Begin)) else {
            return Ok(());
        };
        for index in begin {
            run_once(loaded.programs[index].as_fd())?;
            let Self { rings, held, .. } = self;
            rings.drain(ALL, |event| {
                held.push(match event {
                    Event::Record(bytes) => Held::Record(bytes.to_vec()),
                    Event::Control(record) => Held::Control(record),
                });
                Ok::<(), RunError>(())
            })?;
            self.over = match self.config.interactive {
                true => self.held.iter().any(|held| held.is_exit_of(number)),
                false => self.store.word(EXIT).load(Ordering::Acquire) & EXIT_ASKED != 0,
            };
            if self.over {
                break;
            }
        }
        Ok(())
    }

    /// Hands over what was held back.
    fn replay(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        for held in std::mem::take(&mut self.held) {
            match held {
                Held::Record(bytes) => self.take(Event::Record(&bytes), output, host)?,
                Held::Control(record) => self.take(Event::Control(record), output, host)?,
            }
        }
        Ok(())
    }

    /// Runs the `end` probes in source order.
    fn end(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        self.drain(ALL, output, host)?;
        let entries: Vec<u32> = self.entries.iter().filter(|entry| !entry.is_off).map(|entry| entry.number).collect();
        for number in entries {
            let to_run = self.to_run(number, |attach| matches!(attach, Attach::End));
            for (loaded, index) in to_run.iter().flat_map(|(loaded, all)| all.iter().map(move |index| (loaded, *index)))
            {
                self.hushed = false;
                run_once(loaded.programs[index].as_fd())?;
                self.drain(ALL, output, host)?;
            }
        }
        Ok(())
    }

    fn release_child(&mut self) -> Result<(), RunError> {
        let Some(child) = &mut self.config.child else { return Ok(()) };
        if self.over || self.config.dry_run {
            return Ok(());
        }
        let process = child.pid();
        let mut look = || {
            if let Some(unwinder) = &mut self.unwinder {
                unwinder.target(process);
            }
        };
        child.release(&mut look).map_err(|e| RunError::System("starting the command", e))
    }

    /// Prints what is left, and the maps if they are wanted.
    fn finish(&mut self, shows_maps: bool, output: &mut dyn Output, host: &mut dyn Host) -> Result<u8, RunError> {
        self.drain(ALL, output, host)?;
        // It makes room for the maps, which a script may leave out, but is then over all the same.
        if shows_maps || !self.config.interactive {
            output.end_of_records().map_err(output_error)?;
        }
        let names = &self.program.maps;
        let mut maps: Vec<MapId> = (0..names.len() as u32).map(MapId).collect();
        maps.sort_by(|a, b| names[a.index()].name.cmp(&names[b.index()].name));
        for map in maps.into_iter().filter(|_| shows_maps) {
            output.map(&names[map.index()], &self.entries_of(map)?, 0, 1).map_err(output_error)?;
        }
        self.tick(output, host)?;
        flush(output)?;
        self.draw()?;
        let gone = self.gone.iter().map(|(site, count)| (site, *count));
        let sites = self.store.sites().iter().map(|site| (site, self.store.count(site))).chain(gone);
        for line in trouble::summary(sites, self.layout.tells_reads || self.config.quiet) {
            host.warn(&line);
        }
        let missed = self.missed + self.entries.iter().map(|entry| entry.loaded.missed()).sum::<u64>();
        if let Some(line) = trouble::passed_over(missed) {
            host.warn(&line);
        }
        Ok(self.exit.map_or(0, |exit| exit.code))
    }

    /// Writes the flame graph if one is wanted.
    fn draw(&mut self) -> Result<(), RunError> {
        let Some((file, maps)) = self.config.flame_graph.take() else { return Ok(()) };
        let mut graph = flame::Graph::new(&self.settings);
        for map in maps {
            graph.add(&self.program.maps[map.index()], &self.entries_of(map)?);
        }
        file.finish(&graph.draw()).map_err(|error| RunError::System("writing the flame graph", error))
    }
}

impl Held {
    fn is_exit_of(&self, entry: u32) -> bool {
        matches!(self, Self::Control(record) if record.kind == Control::Exit && record.number == entry)
    }
}

impl Job<'_> {
    /// How many places it is attached to.
    fn places(&self) -> u64 {
        places(self.object.programs.iter().flat_map(|program| &program.points))
    }

    fn log_bytes(&self) -> usize {
        usize::try_from(self.program.config.log_size).unwrap_or(usize::MAX)
    }

    fn takes_usr1(&self) -> bool {
        let mut points = self.object.programs.iter().flat_map(|program| &program.points);
        points.any(|point| matches!(point.attach, Attach::Signal))
    }
}

/// Nanoseconds since boot.
fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// How many places attach points have; one with an event on each processor has as many as there are.
fn places<'p>(points: impl Iterator<Item = &'p Point>) -> u64 {
    let mut cpus = None;
    let count = |point: &Point| match point.attach {
        Attach::Profile { .. } | Attach::PerfEvent { .. } | Attach::Watchpoint { .. } => {
            *cpus.get_or_insert_with(|| attach::online_cpus().map_or(1, |cpus| cpus.len() as u64))
        }
        _ => point.attach.places() as u64,
    };
    points.map(count).sum()
}

/// Raises the limit on open files for so many attach points, each of which may take two and a program, and so many files
/// of processes, which may be open three times. If that is not permitted, attaching says what is wrong.
fn allow_files(points: u64, mapped: u64) {
    let needed = points * 3 + mapped * 3 + 256;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let maximum = limit.maximum.map(|maximum| maximum.max(needed));
        if setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_err() {
            let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        }
    }
}

fn flush(output: &mut dyn Output) -> Result<(), RunError> {
    output.flush().map_err(output_error)
}

pub(crate) fn output_error(error: io::Error) -> RunError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => RunError::OutputClosed,
        _ => RunError::System("writing output", error),
    }
}

fn run_once(fd: BorrowedFd<'_>) -> Result<(), RunError> {
    sys::test_run(fd).map_err(|error| RunError::System("running a begin or end probe", error))
}
