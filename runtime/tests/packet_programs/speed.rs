//! What a packet costs, beside the same written in C:
//!
//! ```text
//! cargo test --release -p rtrace-runtime --test packet_programs -- --ignored --nocapture what_a_packet_costs
//! ```
//!
//! Needs clang. The kernel repeats a program on one packet a million times; the least of several rounds counts, as
//! whatever else the machine does only makes a round longer.

use crate::kernel::{Kind, Script, test_run};
use aya::programs::Xdp;
use lang::target::ProgramType;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

const ROUNDS: usize = 15;
const TIMES: u32 = 1_000_000;

/// A script, and the function of `speed.c` that does the same.
const PAIRS: [(&str, &str); 4] = [
    ("xdp:lo { }", "nothing"),
    ("xdp:lo { @ = count(); }", "count_all"),
    ("xdp:lo /ip/ { @[ip.saddr] = count(); }", "count_by_source"),
    ("xdp:lo /ip.saddr == 10.0.0.9/ { @ = count(); }", "match_source"),
];

/// A segment of TCP from 10.0.0.9 to 10.0.0.1.
fn packet() -> Vec<u8> {
    let mut packet = vec![2; 12];
    packet.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1]);
    packet.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    packet
}

fn compiled() -> Option<Vec<u8>> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packet_programs/speed.c");
    let object = std::env::temp_dir().join(format!("rtrace-speed-{}.o", std::process::id()));
    let made = Command::new("clang").args(["-O2", "-g", "-target", "bpf", "-c", source, "-o"]).arg(&object).status();
    let made = made.is_ok_and(|status| status.success());
    let bytes = made.then(|| std::fs::read(&object).expect("clang has written it"));
    drop(std::fs::remove_file(object));
    bytes
}

#[test]
#[ignore = "measures: wants clang and a quiet machine"]
fn what_a_packet_costs() {
    let Some(object) = compiled() else { return eprintln!("SKIPPED: no clang that makes eBPF") };
    let mut loaded = aya::Ebpf::load(&object).expect("aya reads what clang makes");
    let packet = packet();
    println!("{:50} {:>8} {:>8} {:>6}", "", "rtrace", "C", "");
    for (text, function) in PAIRS {
        let ours = Script::new(text, Kind::of(ProgramType::Xdp)).unwrap_or_else(|told| panic!("{told}"));
        let program: &mut Xdp = loaded.program_mut(function).expect("it is there").try_into().expect("it is XDP");
        program.load().expect("the kernel takes it");
        let theirs: OwnedFd = program.fd().expect("it is loaded").as_fd().try_clone_to_owned().expect("a copy");
        let mut least = [u32::MAX; 2];
        for _ in 0..ROUNDS {
            for (least, program) in least.iter_mut().zip([ours.descriptor(), &theirs]) {
                let (_, nanoseconds) = test_run(program, &packet, TIMES).expect("the kernel runs it");
                *least = (*least).min(nanoseconds);
            }
        }
        let [ours, theirs] = least.map(f64::from);
        println!("{text:50} {ours:>5} ns {theirs:>5} ns {:>6.2}", ours / theirs);
    }
}
