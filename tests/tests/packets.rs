//! Packets: where they are seen, and what becomes of them.

use rtrace_tests::net::{self, Pair, frame};
use rtrace_tests::{Run, requires};

/// So many datagrams, each of which says its number.
fn datagrams(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|number| frame::udp4(1000, 2000, &[number; 4])).collect()
}

fn send(pair: &Pair, packets: &[Vec<u8>]) {
    pair.send(&packets.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn every_place_sees_each_packet_once() {
    requires!(Bpf, Veth);
    let places = [
        "xdp:rt_a",
        "xdp:rt_a:native",
        "xdp:rt_a:skb",
        "tc:rt_a:ingress",
        "tc:rt_b:egress",
        "socket:rt_a",
        "socket:rt_b",
    ];
    for place in places {
        net::alone(|| {
            let pair = Pair::new("rt_a", "rt_b");
            let arrivals = pair.arrivals();
            let packets = datagrams(7);
            let out = Run::program(format!("{place} {{ @[probe] = count(); }}")).run(|_| send(&pair, &packets));
            out.code(0).stdout_is(&format!("\n\n@[{place}]: 7\n"));
            assert_eq!(arrivals.received(), packets, "{out}");
        });
    }
}
