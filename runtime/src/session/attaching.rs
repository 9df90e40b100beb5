//! Putting the programs of an entry on what they are for, and taking them off again. Whoever waits for it can give up with
//! Ctrl-C: then what is on already is taken off.

use super::entries::Entry;
use super::{Doing, Exit, Host, Live, RunError, output_error, signals};
use crate::attach::{self, AttachError, Link, Partly, Step, Stopped};
use crate::child::Child;
use crate::load::Loaded;
use crate::output::{Output, Said};
use crate::timers::{Interval, Timers};
use codegen::object::{Point, Program};
use lang::config::MissingProbes;
use lang::span::Span;
use lang::target::{Attach, ProgramType};
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

/// What is attached.
struct Attached {
    links: Vec<Link>,
    /// So many attach points could not be had.
    missing: usize,
}

/// Why not everything that is needed is attached. What was is not any more.
enum Failure {
    Refused(AttachError),
    GivenUp { signal: libc::c_int, done: usize, of: usize },
}

impl Live<'_> {
    /// Attaches an entry. Gives how many attach points could not be had.
    pub(super) fn attach(&mut self, number: u32, host: &mut dyn Host) -> Result<usize, RunError> {
        let process = self.config.child.as_ref().map(Child::pid).or(self.config.pid);
        let missing_probes = self.program.config.missing_probes;
        let interactive = self.config.interactive;
        let Some(entry) = self.entry(number) else { return Ok(0) };
        let Attached { links, missing } = match attach_all(entry, process, missing_probes, host) {
            Ok(attached) => attached,
            Err(Failure::Refused(error)) => return Err(error.into()),
            Err(Failure::GivenUp { signal, done, of }) => {
                // Ctrl-C is about the entry that a session is busy with, the others about the session.
                if !interactive || signal != libc::SIGINT {
                    self.interrupted = true;
                    self.exit = Some(Exit { code: 0, asked: false });
                }
                return Err(RunError::Interrupted { done, of });
            }
        };
        links.iter().filter_map(Link::note).for_each(|note| host.warn(note));
        let started = if self.config.dry_run { Ok(()) } else { self.start_by_time_and_signal(number) };
        if let Err(error) = started {
            leave(links, host);
            return Err(error);
        }
        if let Some(entry) = self.entry_mut(number) {
            entry.links = links;
        }
        Ok(missing)
    }

    /// Tells of what an entry runs without because the kernel would not load it. Gives how many probes that are.
    pub(super) fn tell_of_refused(&self, number: u32, host: &mut dyn Host) -> usize {
        let refused = self.entry(number).map_or(&[][..], |entry| &entry.refused);
        if !refused.is_empty() {
            host.left_out(refused);
        }
        refused.len()
    }

    /// Starts what the kernel does not call.
    fn start_by_time_and_signal(&mut self, number: u32) -> Result<(), RunError> {
        let interactive = self.config.interactive;
        let is_over = self.store.exit_question();
        let Some(entry) = self.entry_mut(number) else { return Ok(()) };
        let loaded = Rc::clone(&entry.loaded);
        let on_signal = entry.indices(|attach| matches!(attach, Attach::Signal));
        let on_signal = on_signal.into_iter().map(|index| loaded.programs[index].try_clone());
        let on_signal =
            on_signal.collect::<io::Result<_>>().map_err(|e| RunError::System("preparing for signals", e))?;
        let intervals = entry.programs.iter().zip(&loaded.programs).flat_map(|(program, fd)| {
            program.points.iter().filter_map(move |point| match &point.attach {
                Attach::Interval { period_ns } => {
                    Some(fd.try_clone().map(|program| Interval { program, period_ns: *period_ns }))
                }
                _ => None,
            })
        });
        // In a session nobody else's `exit()` ends them.
        let timers = intervals
            .collect::<io::Result<Vec<_>>>()
            .and_then(|intervals| Timers::start(intervals, move || !interactive && is_over()));
        entry.timers = timers.map_err(|e| RunError::System("starting an interval", e))?;
        entry.on_signal = on_signal;
        Ok(())
    }

    /// Pins the iterators of an entry that are to be pinned, and runs the others. If that fails, none is pinned.
    pub(super) fn iterate(&self, number: u32, output: &mut dyn Output) -> Result<(), RunError> {
        let links = || self.entry(number).into_iter().flat_map(|entry| &entry.links);
        links().try_for_each(|link| iterate(link, output)).inspect_err(|_| links().for_each(Link::unpin))
    }

    pub(super) fn detach(&mut self, host: &mut dyn Host) {
        leave(self.entries.iter_mut().flat_map(Entry::stop).collect(), host);
    }
}

/// Detaches, and says how far that is.
pub(super) fn leave(links: Vec<Link>, host: &mut dyn Host) {
    let (mut done, of) = (0, links.len());
    attach::detach(links, &mut || {
        done += 1;
        host.progress(Doing::Detaching, done, of);
    });
}

fn iterate(link: &Link, output: &mut dyn Output) -> Result<(), RunError> {
    if let Some(path) = link.pin()? {
        let line = format!("Program pinned to {path}\n");
        output.said(Said::PIN, line.as_bytes()).map_err(output_error)?;
    }
    link.iterate().map_err(|error| RunError::System("running an iterator", error))
}

/// Attaches all programs of an entry, or none.
fn attach_all(
    entry: &Entry,
    process: Option<u32>,
    missing_probes: MissingProbes,
    host: &mut dyn Host,
) -> Result<Attached, Failure> {
    let dispensable = Dispensable::of(&entry.programs, missing_probes);
    let may_be_left_out = |error: &AttachError| dispensable.has(&error.point);
    let loaded: &Loaded = &entry.loaded;
    // So that blocks on the same event run in the order of the script.
    let (newest_first, others): (Vec<_>, Vec<_>) =
        entry.programs.iter().zip(&loaded.programs).partition(|(program, _)| attach::newest_first(program));
    let (mut links, mut missing) = (Vec::new(), 0);
    let of = entry.programs.iter().map(|program| program.points.len()).sum();
    let mut before = 0;
    for (program, fd) in others.into_iter().chain(newest_first.into_iter().rev()) {
        let mut counted = Counted { host, before, done: before, of, signal: None };
        let earlier = links.len();
        let mut stopped =
            attach::attach(program, fd.as_fd(), process, &mut links, &mut |some| counted.step(some)).err();
        if let Some(Stopped::Refused(error)) = &stopped
            && may_be_left_out(error)
        {
            leave(links.split_off(earlier), counted.host);
            let Partly { links: new, mut refused, is_given_up } =
                attach_what_is_there(program, fd.as_fd(), process, &mut counted);
            links.extend(new);
            stopped = is_given_up.then_some(Stopped::GivenUp);
            if let Some(at) = refused.iter().position(|error| !may_be_left_out(error)) {
                stopped = Some(Stopped::Refused(refused.swap_remove(at)));
            } else if !is_given_up {
                missing += refused.iter().filter(|error| error.point.attach.is_a_probe()).count();
                counted.host.left_out(&refused);
            }
        }
        let Counted { done, signal, .. } = counted;
        match stopped {
            None => {}
            Some(Stopped::Refused(error)) => {
                leave(links, host);
                return Err(Failure::Refused(error));
            }
            Some(Stopped::GivenUp) => {
                leave(links, host);
                return Err(Failure::GivenUp { signal: signal.unwrap_or(libc::SIGINT), done, of });
            }
        }
        // Those that are run rather than attached as well.
        before += program.points.len();
        host.progress(Doing::Attaching, before, of);
    }
    Ok(Attached { links, missing })
}

/// What a script may run without.
pub(super) struct Dispensable {
    /// Its config says so of everything.
    pub(super) all: bool,
    /// What stands for more than one attach point.
    patterns: HashSet<Span>,
}

impl Dispensable {
    pub(super) fn of(programs: &[Program], missing_probes: MissingProbes) -> Self {
        let mut counts: HashMap<Span, usize> = HashMap::new();
        for point in programs.iter().flat_map(|program| &program.points) {
            *counts.entry(point.span).or_default() += 1;
        }
        let patterns = counts.into_iter().filter(|(_, count)| *count > 1).map(|(span, _)| span).collect();
        Self { all: missing_probes != MissingProbes::Error, patterns }
    }

    /// The config says so, or it is one of many functions of the kernel that a pattern covers.
    pub(super) fn has(&self, point: &Point) -> bool {
        let is_function =
            matches!(point.attach, Attach::Kprobe { .. } | Attach::Fentry { .. } | Attach::ProgramFentry { .. });
        self.all || is_function && self.patterns.contains(&point.span)
    }
}

/// How far attaching is.
struct Counted<'h> {
    host: &'h mut dyn Host,
    /// So much was done before this program.
    before: usize,
    done: usize,
    of: usize,
    /// Somebody wants it to end.
    signal: Option<libc::c_int>,
}

impl Counted<'_> {
    /// So many more have been tried; false if somebody does not want to wait for the others.
    fn step(&mut self, some: usize) -> bool {
        self.done += some;
        self.host.progress(Doing::Attaching, self.done, self.of);
        self.signal = signals::take_ending();
        self.signal.is_none()
    }
}

/// Attaches a program to those of its points that can be had.
fn attach_what_is_there(
    program: &Program,
    fd: BorrowedFd<'_>,
    process: Option<u32>,
    counted: &mut Counted<'_>,
) -> Partly {
    let functions = match program.kind {
        ProgramType::KprobeMulti | ProgramType::KprobeSession => counted.host.kernel_functions(),
        _ => None,
    };
    let is_known = |name: &str| functions.as_ref().is_none_or(|functions| functions.contains(name));
    counted.done = counted.before;
    let step: &mut Step<'_> = &mut |some| counted.step(some);
    attach::attach_possible(program, fd, process, &is_known, step)
}
