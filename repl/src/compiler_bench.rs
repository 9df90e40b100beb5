//! `--mode compiler-bench`: how long each stage of the compiler takes with a script.
//!
//! The table is bpftrace's: stage, repetitions, nanoseconds of processor time for all of them, and the mean with the
//! margin in which it lies 19 times out of 20. Stages are ours.

use rustix::time::{ClockId, clock_gettime};
use std::io::{self, Write};

/// A stage is repeated until it has taken so long,
const ENOUGH_NS: u64 = 100_000_000;
/// but no more than so often,
const MOST: usize = 10_000;
/// and no less than this.
const LEAST: usize = 4;

/// A stage, by its name, that can be run again and again.
pub type Stage<'a> = (&'static str, &'a mut dyn FnMut());

/// Measures all stages.
pub fn run(stages: &mut [Stage<'_>], out: &mut dyn Write) -> io::Result<()> {
    let (mut mean, mut variance) = (0.0, 0.0);
    for (name, act) in stages.iter_mut() {
        let samples = repeat(act);
        let count = samples.len() as f64;
        let total: u64 = samples.iter().sum();
        let own_mean = total as f64 / count;
        let squares: f64 = samples.iter().map(|sample| (*sample as f64 - own_mean).powi(2)).sum();
        // Of the mean, not of a sample.
        let own_variance = squares / (count - 1.0) / count;
        row(out, name, samples.len(), total, own_mean, own_variance)?;
        mean += own_mean;
        variance += own_variance;
    }
    row(out, "total", 1, mean as u64, mean, variance)?;
    writeln!(out, "PASS")
}

fn repeat(act: &mut dyn FnMut()) -> Vec<u64> {
    let mut samples = Vec::new();
    let mut total = 0;
    while samples.len() < LEAST || (total < ENOUGH_NS && samples.len() < MOST) {
        let begun = processor_time();
        act();
        let took = processor_time().saturating_sub(begun);
        total += took;
        samples.push(took);
    }
    samples
}

fn row(out: &mut dyn Write, name: &str, count: usize, total: u64, mean: f64, variance: f64) -> io::Result<()> {
    let margin = 1.96 * variance.sqrt();
    let (unit, scale) = match mean {
        ..1e3 => ("ns", 1.0),
        ..1e6 => ("μs", 1e3),
        ..1e9 => ("ms", 1e6),
        _ => ("s", 1e9),
    };
    writeln!(out, "{name:<30}{count:<8}{total:<14}{:.1} ± {:.1} {unit}", mean / scale, margin / scale)
}

/// Nanoseconds of processor time that this process has used.
fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_row_and_is_repeated_often_enough() {
        let (mut quick, mut slow) = (0, 0);
        let mut out = Vec::new();
        let mut count_slow = || {
            slow += 1;
            let until = processor_time() + ENOUGH_NS / 2;
            while processor_time() < until {}
        };
        run(&mut [("quick", &mut || quick += 1), ("slow", &mut count_slow)], &mut out).expect("memory takes it");
        let table = String::from_utf8(out).expect("text");
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        // Looking at the clock is all that it does, and takes as long as the machine has to do beside it.
        let is_quick = [" ns", " μs"].iter().any(|unit| lines[0].ends_with(unit));
        assert!(lines[0].starts_with("quick                         10000   ") && is_quick, "{table}");
        assert!(lines[1].starts_with("slow                          4       ") && lines[1].ends_with(" ms"), "{table}");
        assert!(lines[2].starts_with("total ") && lines[3] == "PASS", "{table}");
        assert_eq!((quick, slow), (MOST, LEAST));
    }
}
