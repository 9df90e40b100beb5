//! What tests ask of the time that work takes.
//!
//! It is the processor's time of the test's own thread, so that what else runs on the machine does not matter.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How long the processor works on something, and what comes of it.
pub fn effort<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let start = now();
    let result = work();
    (result, now() - start)
}

/// Four times as much takes about four times as long: `work` is given how often something is repeated. With the square
/// of the length it would be sixteen times.
#[track_caller]
pub fn assert_in_proportion(times: usize, what: &str, work: impl Fn(usize)) {
    // What is too short to be measured does not count, nor what happens once.
    let mut took = Vec::new();
    let is_even = (0..3).any(|_| {
        let [small, large] = [times, 4 * times].map(|times| effort(|| work(times)).1);
        took.push((small, large));
        large < small * 8 + Duration::from_millis(5)
    });
    assert!(is_even, "{what:?} {times} times, and four times as often: {took:?}");
}
