//! One run of a script, from loading to the last line of output.
//!
//! `begin` probes run first, then everything is attached, then events are handed to the output until something ends the
//! run: `exit()`, a signal, the end of the child. Then all is detached, `end` probes run, what is left in the rings is
//! printed, and the maps.

mod events;
mod trial;

use crate::attach::{self, AttachError, Link, Partly, PinError};
use crate::child::{Child, Ended};
use crate::flame::{self, GraphFile};
use crate::load::{LoadError, Loaded, load};
use crate::machine::MOST_OPEN;
use crate::machine::processes::Processes;
use crate::machine::watch::Watch;
use crate::output::{Output, Place, Said, Settings};
use crate::packets::{CaptureError, Packets};
use crate::rings::{Event, Rings};
use crate::store::Store;
use crate::sys;
use crate::timers::{Interval, Timers};
use crate::trouble;
use crate::unwind::Unwinder;
use codegen::event::ControlRecord;
use codegen::layout::{CHILD_PID, EXIT, EXIT_ASKED, START_TIME};
use codegen::object::{Object, Point, Program};
use lang::config::MissingProbes;
use lang::diag::Diagnostic;
use lang::span::Span;
use lang::target::{Attach, ProgramType};
use lang::typed::{self, MapId};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{
    ClockId, DynamicClockId, TimerfdClockId, TimerfdFlags, clock_gettime, clock_gettime_dynamic, timerfd_create,
};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use thiserror::Error;

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

/// Runs a script to its end and gives the exit code.
pub fn run(job: &Job<'_>, config: &mut Config, output: &mut dyn Output, host: &mut dyn Host) -> Result<u8, RunError> {
    let mapped = if job.object.layout.processes.is_some() { MOST_OPEN as u64 } else { 0 };
    let points = job.object.programs.iter().flat_map(|program| &program.points);
    allow_files(points.map(|point| point.attach.places() as u64).sum(), mapped);
    let log_bytes = usize::try_from(job.program.config.log_size).unwrap_or(usize::MAX);
    let mut loaded = load(job.object, job.elf, log_bytes)?;
    let mut session = Session::open(job, &mut loaded, config)?;
    if !session.config.dry_run {
        session.begin(&loaded)?;
    }
    if session.config.mode != Mode::Trace {
        return session.trials(&loaded, output, host);
    }
    let Attached { links, mut timers, missing } = session.attach(&loaded, host)?;
    session.links = links;
    let points = job.object.programs.iter().flat_map(|program| &program.points);
    let probes = points.filter(|point| point.attach.is_a_probe()).count().saturating_sub(missing);
    if missing > 0 && probes == 0 {
        return Err(RunError::NothingAttached);
    }
    session.release_child()?;
    session.start_unwinder()?;
    if !session.config.quiet {
        output.attached(probes).map_err(output_error)?;
    }
    flush(output)?;
    host.attached(probes);
    if session.config.dry_run {
        session.detach();
        return Ok(0);
    }
    session.replay(output, host)?;
    for link in &session.links {
        if let Some(path) = link.pin()? {
            let line = format!("Program pinned to {path}\n");
            output.said(Said::PIN, line.as_bytes()).map_err(output_error)?;
        }
        link.iterate().map_err(|error| RunError::System("running an iterator", error))?;
    }
    session.goes_on = !timers.is_empty() || !session.on_signal.is_empty() || session.links.iter().any(Link::waits);
    let result = if session.goes_on { session.events(output, host) } else { Ok(()) };
    timers.stop();
    session.detach();
    result?;
    session.exit = session.exit.take().filter(|exit| exit.asked);
    session.end(&loaded, output, host)?;
    let missed = loaded.programs.iter().filter_map(|program| sys::missed_runs(program.as_fd()).ok()).sum();
    session.finish(missed, output, host)
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

/// What has come of attaching.
#[derive(Default)]
struct Attached {
    links: Vec<Link>,
    timers: Timers,
    /// So many attach points could not be had.
    missing: usize,
}

struct Session<'a> {
    job: &'a Job<'a>,
    config: &'a mut Config,
    /// Events of `begin` probes, held back until everything is attached.
    held: Vec<Held>,
    rings: Rings,
    packets: Packets,
    store: Store,
    links: Vec<Link>,
    /// Finds the tables for walks up the stack, if there are any.
    unwinder: Option<Unwinder>,
    signals: OwnedFd,
    /// Programs to run when SIGUSR1 comes.
    on_signal: Vec<OwnedFd>,
    /// Runs while sites have something new to say.
    ticker: OwnedFd,
    ticking: bool,
    reported: Vec<u64>,
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
    /// Notes the processes that are met.
    _watch: Option<Watch>,
}

enum Held {
    Record(Vec<u8>),
    Control(ControlRecord),
}

impl<'a> Session<'a> {
    fn open(job: &'a Job<'a>, loaded: &mut Loaded, config: &'a mut Config) -> Result<Self, RunError> {
        let layout = &job.object.layout;
        let store = Store::new(loaded, layout, &job.program.maps).map_err(|e| RunError::System("opening maps", e))?;
        let mut ring = |index: Option<u32>| loaded.take_map(&layout.kernel_maps[index? as usize].name);
        let rings = Rings::new(ring(layout.data_ring), ring(layout.control_ring))
            .map_err(|e| RunError::System("opening the ring buffers", e))?;
        let news = layout.processes.and_then(|(_, news)| ring(Some(news)));
        if let (Some(_), Some(pid)) = (&news, config.pid) {
            config.processes.note(u64::from(pid));
        }
        let packets = match ring(layout.packets) {
            Some(map) => {
                // A run that captures nothing leaves no file behind, nor empties one.
                let files = if config.dry_run { &[][..] } else { &job.program.captures };
                let output = config.packets_output.as_ref();
                Packets::open(map, files, output, job.program.config.perf_rb_pages)?
            }
            None => Packets::default(),
        };
        let now = clock_gettime(ClockId::Boottime);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        store.word(START_TIME).store(now, Ordering::Relaxed);
        if let Some(offset) = layout.tai_offset {
            let tai = clock_gettime_dynamic(DynamicClockId::Tai)
                .map_err(|e| RunError::System("reading the clock", e.into()))?;
            let tai = tai.tv_sec as u64 * 1_000_000_000 + tai.tv_nsec as u64;
            store.word(offset).store(tai.wrapping_sub(now), Ordering::Relaxed);
        }
        if let Some(child) = &config.child {
            store.word(CHILD_PID).store(u64::from(child.pid()), Ordering::Relaxed);
        }
        let ticker = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)
            .map_err(|e| RunError::System("making a timer", e.into()))?;
        let mut points = job.object.programs.iter().flat_map(|program| &program.points);
        let signals = signals(points.any(|point| matches!(point.attach, Attach::Signal)))
            .map_err(|e| RunError::System("catching signals", e))?;
        // Not before: a thread takes over which signals are blocked.
        let watch = news.map(|ring| Watch::start(ring, config.processes.clone())).transpose();
        let watch = watch.map_err(|e| RunError::System("watching processes", e))?;
        for (offset, bytes) in &layout.tables {
            for (at, word) in (*offset..).step_by(8).zip(bytes.chunks_exact(8)) {
                let word = word.try_into().map_or(0, u64::from_ne_bytes);
                store.word(at).store(word, Ordering::Relaxed);
            }
        }
        let reported = vec![0; layout.sites.len()];
        let mut unwinder =
            Unwinder::new(loaded, layout).map_err(|e| RunError::System("opening the tables of stacks", e))?;
        if let Some(unwinder) = &mut unwinder {
            config.pid.iter().chain(&config.dwarf_pids).for_each(|process| unwinder.target(*process));
        }
        Ok(Self {
            job,
            config,
            held: Vec::new(),
            rings,
            packets,
            store,
            links: Vec::new(),
            unwinder,
            signals,
            on_signal: Vec::new(),
            ticker,
            ticking: false,
            reported,
            exit: None,
            goes_on: false,
            hushed: false,
            over: false,
            interrupted: false,
            muted: false,
            _watch: watch,
        })
    }

    /// Runs the `begin` probes in source order until one of them exits; their events are held back.
    fn begin(&mut self, loaded: &Loaded) -> Result<(), RunError> {
        for fd in self.programs(loaded, |attach| matches!(attach, Attach::Begin)) {
            run_once(fd)?;
            let Self { rings, held, .. } = self;
            rings.drain(ALL, |event| {
                held.push(match event {
                    Event::Record(bytes) => Held::Record(bytes.to_vec()),
                    Event::Control(record) => Held::Control(record),
                });
                Ok::<(), RunError>(())
            })?;
            self.over = self.store.word(EXIT).load(Ordering::Acquire) & EXIT_ASKED != 0;
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
    fn end(&mut self, loaded: &Loaded, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        self.drain(ALL, output, host)?;
        for fd in self.programs(loaded, |attach| matches!(attach, Attach::End)) {
            self.hushed = false;
            run_once(fd)?;
            self.drain(ALL, output, host)?;
        }
        Ok(())
    }

    /// The programs of certain attach points, once for each such point.
    fn programs<'l>(&self, loaded: &'l Loaded, which: impl Fn(&Attach) -> bool) -> Vec<BorrowedFd<'l>> {
        let programs = self.job.object.programs.iter().zip(&loaded.programs);
        let count = |points: &[Point]| points.iter().filter(|point| which(&point.attach)).count();
        programs.flat_map(|(program, fd)| std::iter::repeat_n(fd.as_fd(), count(&program.points))).collect()
    }

    /// Attaches everything, unless a `begin` probe has ended the run already.
    fn attach(&mut self, loaded: &Loaded, host: &mut dyn Host) -> Result<Attached, RunError> {
        let mut attached = Attached::default();
        if self.over {
            return Ok(attached);
        }
        let process = self.config.child.as_ref().map(Child::pid).or(self.config.pid);
        let programs = || self.job.object.programs.iter().zip(&loaded.programs);
        // So that blocks on the same event run in the order of the script.
        let (newest_first, others): (Vec<_>, Vec<_>) =
            programs().partition(|(program, _)| attach::newest_first(program));
        for (program, fd) in others.into_iter().chain(newest_first.into_iter().rev()) {
            match attach::attach(program, fd.as_fd(), process) {
                Ok(links) => attached.links.extend(links),
                Err(error) if !self.may_be_left_out(&error) => Err(error)?,
                Err(_) => self.attach_what_is_there(program, fd.as_fd(), process, &mut attached, host)?,
            }
        }
        attached.links.iter().filter_map(Link::note).for_each(|note| host.warn(note));
        if self.config.dry_run {
            return Ok(attached);
        }
        let on_signal = self.programs(loaded, |attach| matches!(attach, Attach::Signal));
        let on_signal = on_signal.into_iter().map(|fd| fd.try_clone_to_owned()).collect::<io::Result<_>>();
        self.on_signal = on_signal.map_err(|e| RunError::System("preparing for signals", e))?;
        let intervals = programs().flat_map(|(program, fd)| {
            program.points.iter().filter_map(move |point| match &point.attach {
                Attach::Interval { period_ns } => {
                    Some(fd.try_clone().map(|program| Interval { program, period_ns: *period_ns }))
                }
                _ => None,
            })
        });
        let timers = intervals
            .collect::<io::Result<Vec<_>>>()
            .and_then(|intervals| Timers::start(intervals, self.store.exit_question()));
        attached.timers = timers.map_err(|e| RunError::System("starting an interval", e))?;
        Ok(attached)
    }

    /// Attaches a program to those of its points that can be had.
    fn attach_what_is_there(
        &self,
        program: &Program,
        fd: BorrowedFd<'_>,
        process: Option<u32>,
        attached: &mut Attached,
        host: &mut dyn Host,
    ) -> Result<(), AttachError> {
        let functions = match program.kind {
            ProgramType::KprobeMulti | ProgramType::KprobeSession => host.kernel_functions(),
            _ => None,
        };
        let is_known = |name: &str| functions.as_ref().is_none_or(|functions| functions.contains(name));
        let Partly { links, mut refused } = attach::attach_possible(program, fd, process, &is_known);
        if let Some(at) = refused.iter().position(|error| !self.may_be_left_out(error)) {
            return Err(refused.swap_remove(at));
        }
        attached.links.extend(links);
        attached.missing += refused.iter().filter(|error| error.point.attach.is_a_probe()).count();
        host.left_out(&refused);
        Ok(())
    }

    /// Whether the script is to run without an attach point: because its config says so, or because it is one of many
    /// functions of the kernel that a pattern covers.
    fn may_be_left_out(&self, error: &AttachError) -> bool {
        let of_pattern = || {
            let points = self.job.object.programs.iter().flat_map(|program| &program.points);
            matches!(error.point.attach, Attach::Kprobe { .. } | Attach::Fentry { .. } | Attach::ProgramFentry { .. })
                && points.filter(|point| point.span == error.point.span).count() > 1
        };
        self.job.program.config.missing_probes != MissingProbes::Error || of_pattern()
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

    /// From now on tables are found without keeping anybody waiting.
    fn start_unwinder(&mut self) -> Result<(), RunError> {
        match &mut self.unwinder {
            Some(unwinder) => unwinder.start().map_err(|e| RunError::System("starting a thread", e)),
            None => Ok(()),
        }
    }

    fn detach(&mut self) {
        attach::detach(std::mem::take(&mut self.links));
    }

    /// Prints what is left, and the maps. So many events the kernel has passed over.
    fn finish(&mut self, missed: u64, output: &mut dyn Output, host: &mut dyn Host) -> Result<u8, RunError> {
        self.drain(ALL, output, host)?;
        output.end_of_records().map_err(output_error)?;
        let names = &self.job.program.maps;
        let mut maps: Vec<MapId> = (0..names.len() as u32).map(MapId).collect();
        maps.sort_by(|a, b| names[a.index()].name.cmp(&names[b.index()].name));
        for map in maps.into_iter().filter(|_| self.job.program.config.print_maps_on_exit) {
            output.map(&names[map.index()], &self.entries(map)?, 0, 1).map_err(output_error)?;
        }
        self.tick(output, host)?;
        flush(output)?;
        self.draw()?;
        let sites = self.store.sites().iter().map(|site| (site, self.store.count(site)));
        for line in trouble::summary(sites, self.job.object.layout.tells_reads || self.config.quiet) {
            host.warn(&line);
        }
        if let Some(line) = trouble::passed_over(missed) {
            host.warn(&line);
        }
        Ok(self.exit.map_or(0, |exit| exit.code))
    }

    /// Writes the flame graph if one is wanted.
    fn draw(&mut self) -> Result<(), RunError> {
        let Some((file, maps)) = self.config.flame_graph.take() else { return Ok(()) };
        let mut graph = flame::Graph::new(self.job.settings);
        for map in maps {
            graph.add(&self.job.program.maps[map.index()], &self.entries(map)?);
        }
        file.finish(&graph.draw()).map_err(|error| RunError::System("writing the flame graph", error))
    }
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

/// A descriptor that becomes readable on SIGINT, SIGTERM and SIGHUP, which are blocked from now on; on SIGUSR1 as well
/// if the script has a use for it.
fn signals(user: bool) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised before it is used, and the descriptor is new.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        let user = user.then_some(libc::SIGUSR1);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().chain(user) {
            libc::sigaddset(&mut set, signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            fd if fd < 0 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}
