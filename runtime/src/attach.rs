//! Attaching loaded programs. Everything is a link: when the process ends, however it ends, the kernel detaches. The one
//! exception is in [`net`].

pub mod net;
mod pin;

pub use pin::PinError;

use crate::load;
use crate::netlink::{Filter, Refusal};
use crate::sys::{self, ProbePlace, ProbeSource, Sampling, Scope, UprobeMulti, When};
use codegen::object::{Point, Program};
use lang::probes::Watch;
use lang::probes::perf::{Rate, Source};
use lang::target::{Attach, ProgramType, UsdtPlace};
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use thiserror::Error;

/// Why a probe could not be attached.
#[derive(Debug, Error)]
#[error("cannot attach {}: {error}", .point.name)]
pub struct AttachError {
    /// Where it was to be attached.
    pub point: Box<Point>,
    /// What the kernel said.
    pub error: io::Error,
    /// What it said beside the number.
    pub reason: Option<String>,
}

impl AttachError {
    fn new(point: &Point, error: io::Error) -> Self {
        Self { point: Box::new(point.clone()), error, reason: None }
    }

    /// The same where the kernel would not even have the program.
    pub fn not_loaded(program: &Program, refusal: &load::Refusal, error: &io::Error) -> Self {
        let error = io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EINVAL));
        let reason = Some(refusal.reason.clone()).filter(|reason| !reason.is_empty());
        Self { reason, ..Self::new(&program.points[0], error) }
    }

    fn refused(point: &Point, refusal: Refusal) -> Self {
        Self { reason: refusal.reason, ..Self::new(point, refusal.error) }
    }
}

/// An attached program; dropping it detaches.
pub struct Link {
    /// The link itself, closed before the event it belongs to.
    link: Option<OwnedFd>,
    event: Option<OwnedFd>,
    /// What stands for a link where the kernel has none.
    #[expect(dead_code, reason = "held to be dropped")]
    filter: Option<Filter>,
    /// The program does not run by itself, but when [`Link::iterate`] is called.
    iterates: bool,
    /// The address that is watched.
    watches: Option<u64>,
    /// What the user should know of the way it was attached.
    note: Option<String>,
    /// The file that is to run it.
    pin: Option<String>,
}

impl Link {
    fn plain(link: OwnedFd) -> Self {
        Self { link: Some(link), ..Self::nothing() }
    }

    fn nothing() -> Self {
        Self { link: None, event: None, filter: None, iterates: false, watches: None, note: None, pin: None }
    }

    /// What the user should know of the way it was attached.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether something can happen of itself.
    pub fn waits(&self) -> bool {
        !self.iterates
    }

    /// Whether it is a watchpoint on this address.
    pub fn watches(&self, address: u64) -> bool {
        self.watches == Some(address)
    }

    /// Pins an iterator that wants it, and tells where: then it is run by who reads that file, even after this link is
    /// gone.
    pub fn pin(&self) -> Result<Option<&str>, PinError> {
        let (Some(path), Some(link)) = (&self.pin, &self.link) else { return Ok(None) };
        pin::create(link.as_fd(), path).map_err(|error| PinError { path: path.clone(), error })?;
        Ok(Some(path))
    }

    /// Removes the file to which an iterator is pinned, if it is still there.
    pub fn unpin(&self) {
        if let (Some(path), Some(link)) = (&self.pin, &self.link) {
            pin::remove(link.as_fd(), path);
        }
    }

    /// Runs an iterator over all its objects, unless it is pinned.
    pub fn iterate(&self) -> io::Result<()> {
        let Some(link) = self.link.as_ref().filter(|_| self.iterates && self.pin.is_none()) else { return Ok(()) };
        let run = sys::iterate(link.as_fd())?;
        // The program writes nothing here, and the kernel asks to be called again while it has more objects.
        let mut nothing = [0; 4096];
        loop {
            match rustix::io::read(&run, &mut nothing) {
                Ok(0) => return Ok(()),
                Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Why a program is not attached to all of its attach points.
pub enum Stopped {
    /// The kernel would not take one of them.
    Refused(AttachError),
    /// Somebody does not want to wait for the rest.
    GivenUp,
}

impl From<AttachError> for Stopped {
    fn from(error: AttachError) -> Self {
        Self::Refused(error)
    }
}

/// Called when so many more attach points have been tried; says whether to go on with the others.
pub type Step<'s> = dyn FnMut(usize) -> bool + 's;

/// Attaches a program to all of its attach points. Those that are run rather than attached need nothing, and no step.
///
/// Where links carry cookies, that of an attach point is its place in the list. Uprobes are limited to `process`. What was
/// attached before it came to a stop is among the links, because leaving it may take long.
pub fn attach(
    program: &Program,
    fd: BorrowedFd<'_>,
    process: Option<u32>,
    links: &mut Vec<Link>,
    step: &mut Step<'_>,
) -> Result<(), Stopped> {
    let all = program.points.len();
    let goes_on = match program.kind {
        ProgramType::KprobeMulti | ProgramType::KprobeSession => {
            links.push(Link::plain(all_functions(program, fd)?));
            step(all)
        }
        ProgramType::UprobeMulti => {
            links.extend(places_of(program, 0..all, fd, process)?);
            step(all)
        }
        // It runs for all that it was loaded for, and tells them apart itself.
        ProgramType::BtfTracepoint => {
            let point = &program.points[0];
            links.extend(one(fd, &point.attach, 0, process).map_err(|error| AttachError::new(point, error))?);
            step(all)
        }
        _ => one_by_one(program, fd, process, links, step)?,
    };
    if goes_on { Ok(()) } else { Err(Stopped::GivenUp) }
}

/// The same where each attach point has a link for itself. False if somebody does not want to wait for all.
fn one_by_one(
    program: &Program,
    fd: BorrowedFd<'_>,
    process: Option<u32>,
    links: &mut Vec<Link>,
    step: &mut Step<'_>,
) -> Result<bool, AttachError> {
    for (index, point) in program.points.iter().enumerate() {
        // What the probes of one interface are is one program, attached once.
        let is_again = || program.points[..index].iter().any(|other| other.attach == point.attach);
        if program.kind == ProgramType::Xdp && is_again() {
            continue;
        }
        let attached = match point.attach.is_packet() {
            true => net::attach(fd, point).map_err(|refusal| AttachError::refused(point, refusal)),
            false => one(fd, &point.attach, index as u64, process).map_err(|error| AttachError::new(point, error)),
        }?;
        let is_attached = !attached.is_empty();
        links.extend(attached);
        if is_attached && !step(1) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the kernel runs what was attached last before what was attached earlier.
pub fn newest_first(program: &Program) -> bool {
    match &program.points[0].attach {
        Attach::Kprobe { on_return, .. } => !on_return,
        Attach::Fentry { .. } | Attach::ProgramFentry { .. } => true,
        Attach::Uprobe { .. } | Attach::Usdt { .. } | Attach::Iter { .. } => true,
        _ => false,
    }
}

/// What came of attaching a program to as many of its attach points as can be had.
#[derive(Default)]
pub struct Partly {
    /// What is attached.
    pub links: Vec<Link>,
    /// The attach points that the kernel would not take.
    pub refused: Vec<AttachError>,
    /// Somebody did not want to wait for the rest.
    pub is_given_up: bool,
}

/// Attaches a program to those of its attach points that can be had. As [`attach`] in all else. Functions of the kernel
/// that `is_known` says no to are not tried where that would cost something.
pub fn attach_possible(
    program: &Program,
    fd: BorrowedFd<'_>,
    process: Option<u32>,
    is_known: &dyn Fn(&str) -> bool,
    step: &mut Step<'_>,
) -> Partly {
    let mut partly = Partly::default();
    if matches!(program.kind, ProgramType::KprobeMulti | ProgramType::KprobeSession) {
        let mut functions = Functions::of(program);
        // The kernel says only that it does not know one of them.
        for index in functions.leave_out(is_known) {
            let error = io::Error::from_raw_os_error(libc::ESRCH);
            partly.refused.push(AttachError::new(&program.points[index as usize], error));
        }
        if !functions.names.is_empty() {
            functions.possible(0..functions.names.len(), program, fd, &mut partly, step);
        }
        return partly;
    }
    for (index, point) in program.points.iter().enumerate() {
        let attached = match program.kind {
            ProgramType::UprobeMulti => places_of(program, index..index + 1, fd, process),
            _ => one(fd, &point.attach, index as u64, process).map_err(|error| AttachError::new(point, error)),
        };
        match attached {
            Ok(links) => partly.links.extend(links),
            Err(refused) => partly.refused.push(refused),
        }
        partly.is_given_up = !step(1);
        if partly.is_given_up {
            break;
        }
    }
    partly
}

/// The functions that a program is attached to by one link.
struct Functions<'p> {
    names: Vec<&'p str>,
    /// The place of each among the program's attach points, which is its cookie.
    indexes: Vec<u64>,
    when: When,
}

impl<'p> Functions<'p> {
    /// So many refusals are worth looking for one by one: each takes the kernel a walk through its symbols, and more.
    const MOST_REFUSED: usize = 64;

    fn of(program: &'p Program) -> Self {
        let mut names = Vec::with_capacity(program.points.len());
        let mut when = When::Entry;
        let mut indexes = Vec::with_capacity(program.points.len());
        for (index, point) in (0..).zip(&program.points) {
            if let Attach::Kprobe { on_return, .. } = &point.attach {
                when = if *on_return { When::Return } else { When::Entry };
                names.push(point.attach.function().unwrap_or_default());
                indexes.push(index);
            }
        }
        if program.kind == ProgramType::KprobeSession {
            when = When::Both;
        }
        Self { names, indexes, when }
    }

    fn link(&self, part: Range<usize>, fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        sys::kprobe_multi_link(fd, &self.names[part.clone()], &self.indexes[part], self.when)
    }

    /// Takes out the functions that are not known, and gives their places.
    fn leave_out(&mut self, is_known: &dyn Fn(&str) -> bool) -> Vec<u64> {
        let (known, others): (Vec<_>, Vec<_>) =
            self.names.iter().copied().zip(self.indexes.iter().copied()).partition(|(name, _)| is_known(name));
        (self.names, self.indexes) = known.into_iter().unzip();
        others.into_iter().map(|(_, index)| index).collect()
    }

    /// A link for what the kernel takes of a part. It refuses the whole for one that it does not know, so halves are
    /// tried where that happens.
    fn possible(
        &self,
        part: Range<usize>,
        program: &Program,
        fd: BorrowedFd<'_>,
        partly: &mut Partly,
        step: &mut Step<'_>,
    ) {
        match self.link(part.clone(), fd) {
            Ok(link) => {
                partly.links.push(Link::plain(link));
                partly.is_given_up = !step(part.len());
            }
            Err(error) if part.len() < 2 || partly.refused.len() >= Self::MOST_REFUSED => {
                let code = error.raw_os_error().unwrap_or(libc::EINVAL);
                let refused = self.indexes[part.clone()].iter().map(|index| &program.points[*index as usize]);
                partly.refused.extend(refused.map(|point| AttachError::new(point, io::Error::from_raw_os_error(code))));
                partly.is_given_up = !step(part.len());
            }
            Err(_) => {
                let middle = part.start + part.len() / 2;
                for half in [part.start..middle, middle..part.end] {
                    if !partly.is_given_up {
                        self.possible(half, program, fd, partly, step);
                    }
                }
            }
        }
    }
}

/// One link for all functions.
fn all_functions(program: &Program, fd: BorrowedFd<'_>) -> Result<OwnedFd, AttachError> {
    let functions = Functions::of(program);
    let link = |part: Range<usize>| functions.link(part, fd);
    link(0..functions.names.len()).map_err(|error| {
        let (refused, error) = find_refused(functions.names.len(), error, link);
        AttachError::new(&program.points[functions.indexes[refused] as usize], error)
    })
}

/// Which of the parts of one link the kernel would not take, and why: it says neither. Half of those left are tried at
/// a time.
fn find_refused(
    count: usize,
    error: io::Error,
    link: impl Fn(Range<usize>) -> io::Result<OwnedFd>,
) -> (usize, io::Error) {
    let (mut part, mut error) = (0..count, error);
    while part.len() > 1 {
        let middle = part.start + part.len() / 2;
        part = match link(part.start..middle) {
            Ok(_) => middle..part.end,
            Err(reason) => {
                error = reason;
                part.start..middle
            }
        };
    }
    // What the other half was refused for was not seen if the first half was fine.
    let error = link(part.clone()).err().unwrap_or(error);
    (part.start, error)
}

/// One link for all places of each file, as far as they belong to a part of the attach points.
fn places_of(
    program: &Program,
    part: Range<usize>,
    fd: BorrowedFd<'_>,
    process: Option<u32>,
) -> Result<Vec<Link>, AttachError> {
    struct File<'a> {
        path: &'a str,
        on_return: bool,
        offsets: Vec<u64>,
        semaphores: Vec<u64>,
        cookies: Vec<u64>,
    }
    let mut files: Vec<File<'_>> = Vec::new();
    for (index, point) in program.points.iter().enumerate().skip(part.start).take(part.len()) {
        let (path, on_return, places) = match &point.attach {
            Attach::Uprobe { path, offset, on_return, .. } => {
                (path, *on_return, vec![UsdtPlace { offset: *offset, semaphore: None }])
            }
            Attach::Usdt { path, places, .. } => (path, false, places.clone()),
            _ => continue,
        };
        if files.last().is_none_or(|file| *file.path != **path) {
            let (offsets, semaphores, cookies) = (Vec::new(), Vec::new(), Vec::new());
            files.push(File { path, on_return, offsets, semaphores, cookies });
        }
        if let Some(file) = files.last_mut() {
            file.offsets.extend(places.iter().map(|place| place.offset));
            file.semaphores.extend(places.iter().map(|place| place.semaphore.map_or(0, NonZeroU64::get)));
            file.cookies.extend(places.iter().map(|_| index as u64));
        }
    }
    let attached = files.iter().map(|file| {
        let link = |part: Range<usize>| {
            let (offsets, semaphores) = (&file.offsets[part.clone()], &file.semaphores[part.clone()]);
            let (path, on_return, cookies) = (file.path, file.on_return, &file.cookies[part]);
            sys::uprobe_multi_link(fd, &UprobeMulti { path, offsets, semaphores, cookies, on_return, process })
        };
        link(0..file.offsets.len()).map(Link::plain).map_err(|error| {
            let (refused, error) = find_refused(file.offsets.len(), error, link);
            AttachError::new(&program.points[file.cookies[refused] as usize], error)
        })
    });
    attached.collect()
}

fn one(fd: BorrowedFd<'_>, attach: &Attach, cookie: u64, process: Option<u32>) -> io::Result<Vec<Link>> {
    let by_event = |event: OwnedFd| {
        let link = sys::perf_event_link(fd, event.as_fd(), cookie)?;
        Ok(vec![Link { event: Some(event), ..Link::plain(link) }])
    };
    let on_each_cpu = |kind: u32, config: u64, sampling: Sampling| {
        let mut links = Vec::new();
        for cpu in online_cpus()? {
            match sys::open_counter(kind, config, sampling, cpu) {
                Ok(event) => links.extend(by_event(event)?),
                // It went offline meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(links)
    };
    // Every thread of a process has its own debug registers.
    let watched = |watch: &Watch| {
        let scopes: Vec<Scope> = match process {
            Some(process) => threads(process)?.into_iter().map(Scope::Process).collect(),
            None => online_cpus()?.into_iter().map(Scope::Cpu).collect(),
        };
        let mut links = Vec::new();
        for scope in scopes {
            match sys::open_watchpoint(watch, scope) {
                Ok(event) => links.extend(by_event(event)?),
                // A thread has ended or a CPU has gone offline meanwhile.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => {}
                Err(error) => return Err(error),
            }
        }
        links.iter_mut().for_each(|link| link.watches = Some(watch.address));
        Ok(links)
    };
    match attach {
        Attach::Watchpoint(watch) => watched(watch),
        Attach::Begin | Attach::End | Attach::Interval { .. } | Attach::Signal | Attach::Test | Attach::Bench => {
            Ok(Vec::new())
        }
        Attach::Xdp { .. } | Attach::Tc { .. } | Attach::CgroupSkb { .. } | Attach::Socket { .. } => {
            unreachable!("packets are attached to elsewhere")
        }
        Attach::RawTracepoint { name } => Ok(vec![Link::plain(sys::raw_tracepoint_open(fd, Some(name), cookie)?)]),
        Attach::BtfTracepoint { .. } | Attach::Fentry { .. } | Attach::ProgramFentry { .. } => {
            Ok(vec![Link::plain(sys::raw_tracepoint_open(fd, None, 0)?)])
        }
        Attach::Tracepoint { id, .. } => by_event(sys::open_tracepoint(*id)?),
        Attach::Kprobe { function, offset, on_return, address } => {
            // Where it is named by no symbol, the offset is the address.
            let (target, offset) = address.map_or((function.as_str(), *offset), |address| ("", address.get()));
            let place = ProbePlace { target, offset, on_return: *on_return, semaphore: None };
            by_event(sys::open_probe(probe_source("kprobe")?, place, None)?)
        }
        Attach::Uprobe { path, offset, on_return, .. } => {
            let place = ProbePlace { target: path, offset: *offset, on_return: *on_return, semaphore: None };
            by_event(sys::open_probe(probe_source("uprobe")?, place, process)?)
        }
        Attach::Usdt { path, places, .. } => {
            let source = probe_source("uprobe")?;
            let mut links = Vec::new();
            for UsdtPlace { offset, semaphore } in places.iter().copied() {
                let place = ProbePlace { target: path, offset, on_return: false, semaphore };
                links.extend(by_event(sys::open_probe(source, place, process)?)?);
            }
            Ok(links)
        }
        Attach::Profile { rate } => {
            let sampling = match rate {
                Rate::Period(ns) => Sampling::Period(*ns),
                Rate::Hertz(rate) => Sampling::Frequency(*rate),
            };
            on_each_cpu(PERF_TYPE_SOFTWARE, CPU_CLOCK, sampling)
        }
        Attach::PerfEvent { source, config, count } => {
            let kind = match source {
                Source::Software => PERF_TYPE_SOFTWARE,
                Source::Hardware => PERF_TYPE_HARDWARE,
            };
            on_each_cpu(kind, *config, Sampling::Period(*count))
        }
        Attach::Iter { over, pin, .. } => {
            // The others go over what belongs to no process.
            let process = process.filter(|_| over == "task" || over.starts_with("task_"));
            let link = Link::plain(sys::iter_link(fd, process)?);
            Ok(vec![Link { iterates: true, pin: pin.as_deref().map(pin::path), ..link }])
        }
    }
}

const PERF_TYPE_HARDWARE: u32 = 0;
const PERF_TYPE_SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_CPU_CLOCK`
const CPU_CLOCK: u64 = 0;

/// How perf knows kprobes or uprobes.
fn probe_source(name: &str) -> io::Result<ProbeSource> {
    let directory = format!("/sys/bus/event_source/devices/{name}");
    let number = |text: &str| text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    let kind = number(&fs::read_to_string(format!("{directory}/type"))?)?;
    // `config:0`
    let format = fs::read_to_string(format!("{directory}/format/retprobe"))?;
    let return_bit = number(format.trim().trim_start_matches("config:"))?;
    Ok(ProbeSource { kind, return_bit })
}

/// The threads of a process.
fn threads(process: u32) -> io::Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{process}/task"))?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// The CPUs that are running, from a list such as `0-3,8`.
pub fn online_cpus() -> io::Result<Vec<u32>> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online")?;
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

/// Detaches, and tells `step` of each link that is closed. Closing a perf event waits for every CPU to leave it, 50 ms and
/// more, so those are closed side by side.
pub fn detach(links: Vec<Link>, step: &mut dyn FnMut()) {
    /// More threads gain nothing: the waits overlap in the kernel.
    const THREADS: usize = 32;
    let (mut slow, mut quick): (Vec<Link>, Vec<Link>) = links.into_iter().partition(|link| link.event.is_some());
    // One alone takes no thread.
    if slow.len() == 1 {
        quick.append(&mut slow);
    }
    for link in quick {
        drop(link);
        step();
    }
    let mut shares: Vec<Vec<Link>> = (0..THREADS.min(slow.len())).map(|_| Vec::new()).collect();
    for (index, link) in slow.into_iter().enumerate() {
        let count = shares.len();
        shares[index % count].push(link);
    }
    let (closed, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for share in shares {
            let closed = closed.clone();
            scope.spawn(move || {
                for link in share {
                    drop(link);
                    // Somebody listens until the last thread has ended.
                    let _ = closed.send(());
                }
            });
        }
        drop(closed);
        told.iter().for_each(|()| step());
    });
}
