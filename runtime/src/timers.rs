//! Interval probes: a thread each that waits on a timer and runs the program.
//!
//! Threads of their own, so that a slow reader of the output does not hold up the clock. A run that was missed because
//! the machine was busy is made up for.

use crate::sys;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The running timers; dropping them stops all.
#[derive(Default)]
pub struct Timers {
    threads: Vec<(Arc<Stop>, JoinHandle<()>)>,
}

struct Stop {
    flag: AtomicBool,
    wake: OwnedFd,
}

impl Timers {
    /// Runs `program` every `period_ns`, for the first time after one period.
    pub fn start(&mut self, program: OwnedFd, period_ns: u64) -> io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let period =
            Timespec { tv_sec: (period_ns / 1_000_000_000) as i64, tv_nsec: (period_ns % 1_000_000_000) as i64 };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: period, it_value: period })?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC)?;
        let stop = Arc::new(Stop { flag: AtomicBool::new(false), wake });
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || run(&program, &timer, &seen))?;
        self.threads.push((stop, thread));
        Ok(())
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Stops all timers and waits for the runs under way.
    pub fn stop(&mut self) {
        for (stop, _) in &self.threads {
            stop.flag.store(true, Ordering::Release);
            let _ = rustix::io::write(&stop.wake, &1u64.to_ne_bytes());
        }
        for (_, thread) in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(program: &OwnedFd, timer: &OwnedFd, stop: &Stop) {
    loop {
        let mut wait = [PollFd::new(timer, PollFlags::IN), PollFd::new(&stop.wake, PollFlags::IN)];
        if poll(&mut wait, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
            return;
        }
        let mut expired = [0; 8];
        if !wait[0].revents().is_empty() && rustix::io::read(timer, &mut expired).is_err() {
            return;
        }
        for _ in 0..u64::from_ne_bytes(expired) {
            if stop.flag.load(Ordering::Acquire) {
                return;
            }
            if sys::test_run(program.as_fd()).is_err() {
                return;
            }
        }
        if stop.flag.load(Ordering::Acquire) {
            return;
        }
    }
}
