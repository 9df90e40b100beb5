//! Attaching loaded programs. Everything is a link: when the process ends, however it ends, the kernel detaches.

use crate::load::KprobeLink;
use crate::sys;
use codegen::object::{Point, Program};
use lang::target::Attach;
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use thiserror::Error;

/// Why a probe could not be attached.
#[derive(Debug, Error)]
#[error("cannot attach {}: {error}", .point.name)]
pub struct AttachError {
    /// Where it was to be attached.
    pub point: Point,
    /// What the kernel said.
    pub error: io::Error,
}

impl AttachError {
    fn new(point: &Point, error: io::Error) -> Self {
        Self { point: point.clone(), error }
    }
}

/// An attached program; dropping it detaches.
pub struct Link {
    /// The link itself, closed before the event it belongs to.
    _link: OwnedFd,
    event: Option<OwnedFd>,
}

/// Attaches a program to all of its attach points. Those that are run rather than attached need nothing.
pub fn attach(program: &Program, fd: BorrowedFd<'_>, kprobes: KprobeLink) -> Result<Vec<Link>, AttachError> {
    let functions: Vec<(&Point, &str)> = program
        .points
        .iter()
        .filter_map(|point| match &point.attach {
            Attach::Kprobe { function } => Some((point, function.as_str())),
            _ => None,
        })
        .collect();
    if kprobes == KprobeLink::Multi && !functions.is_empty() {
        return Ok(vec![Link { _link: all_at_once(fd, &functions)?, event: None }]);
    }
    let mut links = Vec::new();
    for point in &program.points {
        links.extend(one(fd, &point.attach).map_err(|error| AttachError::new(point, error))?);
    }
    Ok(links)
}

/// One link for all functions. The kernel does not say which of them it would not take, so each is tried then.
fn all_at_once(fd: BorrowedFd<'_>, functions: &[(&Point, &str)]) -> Result<OwnedFd, AttachError> {
    let names: Vec<&str> = functions.iter().map(|(_, name)| *name).collect();
    sys::kprobe_multi_link(fd, &names).map_err(|error| {
        let refused = functions.iter().find_map(|(point, name)| {
            let error = sys::kprobe_multi_link(fd, &[name]).err()?;
            Some(AttachError::new(point, error))
        });
        refused.unwrap_or_else(|| AttachError::new(functions[0].0, error))
    })
}

fn one(fd: BorrowedFd<'_>, attach: &Attach) -> io::Result<Option<Link>> {
    let by_event = |event: OwnedFd| {
        use std::os::fd::AsFd;
        let link = sys::perf_event_link(fd, event.as_fd())?;
        Ok(Some(Link { _link: link, event: Some(event) }))
    };
    match attach {
        Attach::Begin | Attach::End | Attach::Interval { .. } => Ok(None),
        Attach::RawTracepoint { name } => {
            Ok(Some(Link { _link: sys::raw_tracepoint_open(fd, Some(name))?, event: None }))
        }
        Attach::BtfTracepoint { .. } => Ok(Some(Link { _link: sys::raw_tracepoint_open(fd, None)?, event: None })),
        Attach::Tracepoint { id, .. } => by_event(sys::open_tracepoint(*id)?),
        Attach::Kprobe { function } => by_event(sys::open_kprobe(kprobe_pmu()?, function)?),
    }
}

/// The number by which perf knows kprobes.
fn kprobe_pmu() -> io::Result<u32> {
    let text = fs::read_to_string("/sys/bus/event_source/devices/kprobe/type")?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Detaches. Closing a perf event waits for every CPU to leave it, 50 ms and more, so those are closed side by side.
pub fn detach(links: Vec<Link>) {
    /// More threads gain nothing: the waits overlap in the kernel.
    const THREADS: usize = 32;
    let (slow, quick): (Vec<Link>, Vec<Link>) = links.into_iter().partition(|link| link.event.is_some());
    drop(quick);
    if slow.len() < 2 {
        return;
    }
    let mut shares: Vec<Vec<Link>> = (0..THREADS.min(slow.len())).map(|_| Vec::new()).collect();
    for (index, link) in slow.into_iter().enumerate() {
        let count = shares.len();
        shares[index % count].push(link);
    }
    std::thread::scope(|scope| {
        for share in shares {
            scope.spawn(move || drop(share));
        }
    });
}
