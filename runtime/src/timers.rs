//! Interval probes: one thread that waits for all timers and runs their programs.
//!
//! A thread of its own, so that a slow reader of the output does not hold up the clock. Programs that are due at the
//! same time run in the order of the script: all timers count from one moment. A run that was missed because the
//! machine was busy is made up for. What was missed for longer, because the process was stopped, is not: one run stands for
//! all, as the kernel's own timers have it. After `exit()` none runs any more, however long user space takes to notice.

use crate::sys;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The running timers; dropping them stops all.
#[derive(Default)]
pub struct Timers {
    running: Option<(Arc<Stop>, JoinHandle<()>)>,
}

/// A program to run again and again.
pub struct Interval {
    /// A raw tracepoint program.
    pub program: OwnedFd,
    /// Nanoseconds between two runs, and before the first.
    pub period_ns: u64,
}

struct Stop {
    flag: AtomicBool,
    wake: OwnedFd,
}

struct Timer {
    program: OwnedFd,
    period_ns: u64,
    /// When it is due, on the monotonic clock.
    next: u64,
}

impl Timers {
    /// Starts all intervals at once. They end by themselves when `over` says so.
    pub fn start(intervals: Vec<Interval>, over: impl Fn() -> bool + Send + 'static) -> io::Result<Timers> {
        if intervals.is_empty() {
            return Ok(Timers::default());
        }
        let now = now();
        let timers = intervals.into_iter().map(|Interval { program, period_ns }| Timer {
            program,
            period_ns: period_ns.max(1),
            next: now.saturating_add(period_ns),
        });
        let mut timers: Vec<Timer> = timers.collect();
        let clock = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC)?;
        let stop = Arc::new(Stop { flag: AtomicBool::new(false), wake });
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
            // A clock that fails stops the intervals.
            let _ = run(&mut timers, &clock, || seen.flag.load(Ordering::Acquire) || over(), &seen.wake);
        })?;
        Ok(Timers { running: Some((stop, thread)) })
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.running.is_none()
    }

    /// Stops all timers and waits for the run under way.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.flag.store(true, Ordering::Release);
            let _ = rustix::io::write(&stop.wake, &1u64.to_ne_bytes());
            let _ = thread.join();
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.stop();
    }
}

const SECOND: u64 = 1_000_000_000;

impl Timer {
    /// Passes over what was missed for so long that nobody waits for it any more: all but the last.
    fn skip(&mut self, now: u64) {
        /// Longer than a busy machine is late.
        const LATE: u64 = SECOND;
        let late = now.saturating_sub(self.next);
        if late > LATE {
            self.next += late / self.period_ns * self.period_ns;
        }
    }
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * SECOND + now.tv_nsec as u64
}

fn run(timers: &mut [Timer], clock: &OwnedFd, over: impl Fn() -> bool, wake: &OwnedFd) -> io::Result<()> {
    while !over() {
        let now = now();
        timers.iter_mut().for_each(|timer| timer.skip(now));
        // Of those that are due at the same time, the first of the script comes first.
        let Some(timer) = timers.iter_mut().min_by_key(|timer| timer.next) else { break };
        if timer.next > now {
            // It may have taken longer.
            wait(timer.next, clock, wake)?;
            continue;
        }
        sys::test_run(timer.program.as_fd())?;
        timer.next = timer.next.saturating_add(timer.period_ns);
    }
    Ok(())
}

/// Waits until `time`, or until it is time to stop. By a timer, because a time limit of poll(2) may be late.
fn wait(time: u64, clock: &OwnedFd, wake: &OwnedFd) -> io::Result<()> {
    let time = time.min(i64::MAX as u64);
    let at = Timespec { tv_sec: (time / SECOND) as i64, tv_nsec: (time % SECOND) as i64 };
    let once = Itimerspec { it_interval: Timespec::default(), it_value: at };
    timerfd_settime(clock, TimerfdTimerFlags::ABSTIME, &once)?;
    loop {
        let mut wait = [PollFd::new(clock, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
        match poll(&mut wait, None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
