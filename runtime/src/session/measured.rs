//! What a session's entries cost: the time that it takes to get one going, and how often and how long its programs run.

use super::entries::Added;
use super::{Host, Job, Live, RunError};
use crate::sys;
use lang::target::Attach;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What an entry has taken until it was going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// To make its maps and have its programs verified.
    pub load: Duration,
    /// To run its `begin` probes and attach the others.
    pub attach: Duration,
}

/// How often and how long the programs of an entry have run. The numbers only grow, while they are measured at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// So many runs.
    pub runs: u64,
    /// So many nanoseconds in them.
    pub nanoseconds: u64,
    /// So many events were passed over because a program was running on the processor. This is always counted.
    pub missed: u64,
    /// It runs at each system call, and looks whether it is the one that is traced.
    pub sees_all_calls: bool,
}

impl Live<'_> {
    pub(super) fn timed_load(&mut self, number: u32, job: &Job<'_>) -> Result<(), RunError> {
        let begun = Instant::now();
        let result = self.load(number, job);
        self.spent.load += begun.elapsed();
        result
    }

    pub(super) fn timed_start(&mut self, number: u32, host: &mut dyn Host) -> Result<Added, RunError> {
        let begun = Instant::now();
        let result = self.start(number, host);
        self.spent.attach += begun.elapsed();
        result
    }

    /// What has been spent since this was asked for the last time.
    pub fn take_spent(&mut self) -> Spent {
        std::mem::take(&mut self.spent)
    }

    /// What the programs of an entry have done so far.
    pub fn measured(&self, number: u32) -> Measured {
        let Some(entry) = self.entry(number) else { return Measured::default() };
        let mut sum = Measured::default();
        for program in &entry.loaded.programs {
            let (nanoseconds, runs) = sys::run_time(program.as_fd()).unwrap_or_default();
            sum.runs += runs;
            sum.nanoseconds += nanoseconds;
            sum.missed += sys::missed_runs(program.as_fd()).unwrap_or_default();
        }
        let points = entry.programs.iter().flat_map(|program| &program.points);
        let is_call = |attach: &Attach| match attach {
            Attach::BtfTracepoint { name, .. } | Attach::RawTracepoint { name } => {
                matches!(name.as_str(), "sys_enter" | "sys_exit")
            }
            _ => false,
        };
        // Whoever asks for the raw event wants all of them.
        sum.sees_all_calls =
            points.into_iter().any(|point| is_call(&point.attach) && point.name.starts_with("tracepoint:"));
        sum
    }
}

/// Makes the kernel measure how long programs run, all of the machine's, until the descriptor is closed (Linux 5.8).
pub fn measure() -> io::Result<OwnedFd> {
    sys::count_run_times()
}
