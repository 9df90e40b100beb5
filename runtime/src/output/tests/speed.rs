//! Long maps are printed at once.

use std::time::{Duration, Instant};

use super::*;

/// The same numbers on every run, in no order.
fn scattered(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// How long it takes to write a map of 100,000 counts from four CPUs. `--nocapture` shows the figure.
fn time_of(format: &str, key: Type, key_of: impl Fn(u64) -> Vec<u8>) -> Duration {
    let map = map_of("a", Some(vec![key.clone()]), Type::Aggregate(Aggregate::Count));
    let mut entries = Entries::new(&map);
    for index in 0..100_000 {
        let cpus: Vec<u8> = (0..4).flat_map(|cpu| (scattered(index + cpu) % 1000).to_ne_bytes()).collect();
        entries.push_per_cpu(&key_of(index), Aggregate::Count, &cpus);
    }
    let start = Instant::now();
    let mut lines = 0;
    let printed = in_format(format, |output| {
        let written = output.map(&map, &entries, 0, 1);
        lines = entries.len();
        written
    });
    let taken = start.elapsed();
    println!("100,000 entries of @[{key}]: count as {format}, {} bytes: {taken:?}", printed.len());
    assert!(printed.len() > 5 * lines);
    taken
}

#[test]
fn a_hundred_thousand_entries_take_a_moment() {
    let text = |index: u64| {
        let mut bytes = format!("process-{}", scattered(index)).into_bytes();
        bytes.resize(24, 0);
        bytes
    };
    let slowest = ["text", "json"]
        .into_iter()
        .flat_map(|format| {
            let number = time_of(format, Type::U64, |index| scattered(index).to_ne_bytes().to_vec());
            [number, time_of(format, Type::Str(24), text)]
        })
        .max();
    // Optimised code takes some 20 ms. The limit catches a slip to quadratic time, not a busy machine.
    assert!(slowest < Some(Duration::from_secs(5)), "{slowest:?}");
}
