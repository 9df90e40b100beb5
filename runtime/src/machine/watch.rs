//! Takes notice of the processes that programs meet, at once: on a thread of its own, so that neither a slow reader of
//! the output nor the reading of symbols holds it up while a process comes to its end. If a process has ended all the
//! same, the kernel's news of it tell what it had mapped.

use super::processes::Processes;
use super::sideband::Sideband;
use aya::maps::{Map, MapData, RingBuf};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The running thread; dropping it stops it.
pub struct Watch {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
    processes: Processes,
}

struct Stop {
    flag: AtomicBool,
    wake: OwnedFd,
}

/// Where news of processes comes from.
pub struct Source {
    /// Those that programs have met.
    met: RingBuf<MapData>,
    /// What happens to all, where that may be known.
    sideband: Option<Sideband>,
}

impl Watch {
    /// Notes in `processes` what comes in the ring.
    pub fn start(ring: MapData, processes: Processes) -> io::Result<Self> {
        let met = RingBuf::try_from(Map::RingBuf(ring)).map_err(io::Error::other)?;
        // Where it is not permitted, short-lived processes are missed more often.
        let source = Source { met, sideband: Sideband::open().ok() };
        let stop = Arc::new(Stop { flag: AtomicBool::new(false), wake: eventfd(0, EventfdFlags::CLOEXEC)? });
        let mut fds = vec![source.met.as_fd().try_clone_to_owned()?, stop.wake.as_fd().try_clone_to_owned()?];
        for fd in source.sideband.iter().flat_map(Sideband::fds) {
            fds.push(fd.try_clone_to_owned()?);
        }
        processes.listen(Some(source));
        let (seen, noted) = (Arc::clone(&stop), processes.clone());
        let thread = std::thread::Builder::new().name("watch".to_owned()).stack_size(128 << 10);
        let thread = thread.spawn(move || run(&fds, &noted, &seen))?;
        Ok(Self { stop, thread: Some(thread), processes })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.flag.store(true, Ordering::Release);
        let _ = rustix::io::write(&self.stop.wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.processes.listen(None);
    }
}

fn run(fds: &[OwnedFd], processes: &Processes, stop: &Stop) {
    while !stop.flag.load(Ordering::Acquire) {
        processes.catch_up();
        let mut wait: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut wait, None) {
            Ok(_) | Err(Errno::INTR) => {}
            // What cannot be waited for is not noted; whoever asks catches up.
            Err(_) => return,
        }
    }
}

impl Source {
    /// Notes all that has come.
    pub fn drain(&mut self, processes: &Processes) {
        /// Processes met that are taken from the ring at once.
        const BATCH: usize = 64;
        let mut met: Vec<(u64, u64)> = Vec::new();
        loop {
            met.clear();
            while met.len() < BATCH
                && let Some(record) = self.met.next()
            {
                met.extend(codegen::event::process_met(&record));
            }
            let is_all = met.len() < BATCH;
            // First all those that may still live.
            met.dedup_by_key(|(process, _)| *process);
            met.retain(|(process, _)| !processes.meet(*process));
            if let Some(sideband) = &mut self.sideband {
                // All that happened to a process before it was met is there by now.
                let mut news = Vec::new();
                sideband.drain(|told| news.push(told));
                processes.tell(news);
                met.iter().for_each(|(process, time)| processes.recall(*process, *time));
            }
            if is_all {
                return;
            }
        }
    }
}
