//! The scripts that look at packets, with packets: what their first lines promise is what they show.

use rtrace_tests::net::{self, Group, Pair, frame};
use rtrace_tests::{Output, Run, requires};

/// What a script of `scripts/` shows of these packets. Its text is compiled in, because guests do not have the tree.
fn shown(script: &str, run: impl FnOnce(Run) -> Run + Send, packets: &[&[u8]]) -> Output {
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        run(Run::program(script).parameter("rt_a")).run(|_| pair.send(packets))
    })
}

/// A datagram over IPv6, from `2001:db8::1`.
fn udp6(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let [source, target] = [1, 2].map(|last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    frame::ether(frame::IPV6, &frame::ipv6(source, target, frame::UDP, &frame::udp(from, to, payload)))
}

/// A message of DNS that asks for a name.
fn question(name: &str, kind: u8) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for part in name.split('.') {
        message.push(part.len() as u8);
        message.extend(part.as_bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

#[test]
fn xdptop_adds_up_each_source() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let script = include_str!("../../scripts/xdptop.rt");
        let session = Run::program(script).parameter("rt_a").start();
        session.wait_attached();
        pair.send(&[&frame::udp4(1, 2, b"x"), &frame::udp4(1, 2, b"xyz"), &udp6(1, 2, b"x")]);
        // All of it within one second, or this would wait for ever.
        session.wait_stdout("@bytes[2001:db8::1]: 63\n@bytes[10.99.0.2]: 88\n");
        session.wait_stdout("@packets[2001:db8::1]: 1\n@packets[10.99.0.2]: 2\n");
        session.interrupt().code(0);
    });
}

#[test]
fn syncount_counts_connections_that_begin() {
    requires!(Bpf, Veth);
    let (syn, answer, data) = (frame::tcp4(40000, 443, 2), frame::tcp4(443, 40000, 18), frame::tcp4(40000, 443, 16));
    let out = shown(include_str!("../../scripts/syncount.rt"), |run| run, &[&syn, &answer, &data, &syn]);
    out.code(0).stdout_has("\n\n@syns[10.99.0.2, 443]: 2\n");
}

#[test]
fn dnstop_reads_names() {
    requires!(Bpf, Veth);
    let asked = frame::udp4(1000, 53, &question("www.example.com", 1));
    let asked6 = udp6(1000, 53, &question("example.com", 28));
    let tag = frame::vlan(5, frame::IPV4, &asked[14..]);
    let tagged = frame::ether(frame::VLAN, &tag);
    let mut answer = question("www.example.com", 1);
    answer[2] |= 0x80;
    // A name that the packet ends in the middle of, and one whose first part is longer than any can be.
    let cut = frame::udp4(1000, 53, &question("www.example.com", 1)[..18]);
    let wrong = frame::udp4(1000, 53, &[&[0; 12][..], &[200], &[b'x'; 250]].concat());
    let packets: [&[u8]; 6] = [&asked, &asked6, &tagged, &frame::udp4(53, 53, &answer), &cut, &wrong];
    let out = shown(include_str!("../../scripts/dnstop.rt"), |run| run, &packets);
    out.code(0)
        .stdout_has("@askers[2001:db8::1]: 1\n@askers[10.99.0.2]: 4\n")
        .stdout_has("@names[example.com., AAAA]: 1\n")
        .stdout_has("@names[www.example.com., A]: 2\n");
}

#[test]
fn dropcount_drops_an_address_and_no_other() {
    requires!(Bpf, Veth);
    let arp = frame::ether(0x0806, &[0; 28]);
    let packets: [&[u8]; 4] = [&frame::udp4(1, 2, b"x"), &frame::tcp4(40000, 443, 2), &udp6(1, 2, b"x"), &arp];
    for (what, dropped) in [("10.99.0.2", 2), ("10.99.0.0/24", 2), ("2001:db8::1", 1), ("10.99.0.3", 0)] {
        net::alone(|| {
            let pair = Pair::new("rt_a", "rt_b");
            let arrivals = pair.arrivals();
            let run = Run::program(include_str!("../../scripts/dropcount.rt")).arg("--unsafe");
            let out = run.parameter("rt_a").parameter(what).run(|_| pair.send(&packets));
            out.code(0).stdout_has(&format!("@passed: {}\n", 4 - dropped));
            assert_eq!(arrivals.received().len(), 4 - dropped, "{what}\n{out}");
            if dropped == 2 {
                out.stdout_has("@dropped: 2\n").stdout_has("@ports[tcp, 443]: 1\n").stdout_has("@ports[udp, 2]: 1\n");
            }
        });
    }
}

#[test]
fn podnet_counts_both_ways() {
    requires!(Bpf, Veth, CgroupPrograms);
    net::alone(|| {
        let group = Group::new("podnet");
        let script = include_str!("../../scripts/podnet.rt");
        let out = Run::program(script).parameter(&group.path).run(|_| {
            group.run(|| {
                let ends = (std::net::UdpSocket::bind("127.0.0.1:0"), std::net::UdpSocket::bind("127.0.0.1:0"));
                if let (Ok(from), Ok(to)) = ends
                    && let Ok(address) = to.local_addr()
                {
                    let _ = from.send_to(&[0; 72], address);
                    let _ = to.recv(&mut [0; 100]);
                }
            });
        });
        out.code(0).stdout_has("@from[127.0.0.1]: 100\n").stdout_has("@to[127.0.0.1]: 100\n");
    });
}
