//! Takes notice of the processes that programs meet, at once: on a thread of its own, so that neither a slow reader of
//! the output nor the reading of symbols holds it up while a process comes to its end.

use super::processes::Processes;
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
}

struct Stop {
    flag: AtomicBool,
    wake: OwnedFd,
}

impl Watch {
    /// Notes in `processes` what comes in the ring.
    pub fn start(ring: MapData, processes: Processes) -> io::Result<Self> {
        let ring = RingBuf::try_from(Map::RingBuf(ring)).map_err(io::Error::other)?;
        let stop = Arc::new(Stop { flag: AtomicBool::new(false), wake: eventfd(0, EventfdFlags::CLOEXEC)? });
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(move || run(ring, &processes, &seen))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.flag.store(true, Ordering::Release);
        let _ = rustix::io::write(&self.stop.wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut ring: RingBuf<MapData>, processes: &Processes, stop: &Stop) {
    loop {
        let is_last = stop.flag.load(Ordering::Acquire);
        while processes.note_some(|| {
            let record = ring.next()?;
            record.first_chunk().map(|word| u64::from_ne_bytes(*word))
        }) {}
        if is_last {
            return;
        }
        let mut wait = [PollFd::new(&ring, PollFlags::IN), PollFd::from_borrowed_fd(stop.wake.as_fd(), PollFlags::IN)];
        match poll(&mut wait, None) {
            Ok(_) | Err(Errno::INTR) => {}
            // What cannot be waited for is not noted; processes are then looked at when they are asked about.
            Err(_) => return,
        }
    }
}
