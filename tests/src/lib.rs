//! The harness for cases that drive the whole tool.
//!
//! A case is a script, what runs beside it, and what must come out. It lives in `tests/tests/`, needs no shell and no
//! other program unless it says so ([`Need::Program`]), and so runs unchanged on this kernel and in the guests that the
//! `vm` binary boots.
//!
//! ```no_run
//! use rtrace_tests::{Run, Work, Worker, requires};
//!
//! #[test]
//! fn counts_every_write() {
//!     requires!(Bpf, Tracefs);
//!     let writer = Worker::new("rt_writer", Work::write("/dev/null", 1000, 8));
//!     let script = format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @ = count(); }}", writer.pid());
//!     Run::program(script).run(|_| writer.finish()).code(0).stdout_is("\n\n@: 1000\n");
//! }
//! ```
//!
//! What always holds: everything a case starts is ended by its process id, also when the case panics; a case that
//! cannot run here says so through [`requires!`] and is counted as skipped, never as passed.

mod binary;
pub mod compile;
mod fentry;
pub mod filters;
pub mod generated;
pub mod json;
pub mod kernel;
mod need;
pub mod net;
pub mod place;
mod run;
mod scratch;
pub mod tally;
pub mod terminal;
pub mod workload;

pub use binary::{rtrace, sibling};
pub use need::{Need, missing, skip};
pub use run::{Output, Reader, Run, Session};
pub use scratch::Scratch;
pub use terminal::Terminal;
pub use workload::{Work, Worker, on_every_cpu};

use std::time::Duration;

/// A time limit stretched for slow machines.
pub fn patience(limit: Duration) -> Duration {
    limit * slowness()
}

/// A number of events cut down for slow machines, and still large.
pub fn volume(events: u64) -> u64 {
    events / u64::from(slowness())
}

/// `RTRACE_SLOWNESS` is a factor that the emulated guest sets.
pub(crate) fn slowness() -> u32 {
    std::env::var("RTRACE_SLOWNESS").ok().and_then(|value| value.parse().ok()).unwrap_or(1)
}
