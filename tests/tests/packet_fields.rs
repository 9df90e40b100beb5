//! Fields of packets that are really sent: the same wherever they are seen, whatever the kernel does to a packet on its way.

use rtrace_tests::net::{self, Pair, frame};
use rtrace_tests::{Run, requires};
use std::io::Write;
use std::os::fd::AsRawFd;

/// Where a pair's packets can be seen from their first header on.
const PLACES: [&str; 6] =
    ["xdp:rt_a:native", "xdp:rt_a:skb", "tc:rt_a:ingress", "tc:rt_b:egress", "socket:rt_a", "socket:rt_b"];

/// Sends a packet where a probe with this body sees it at each place, and compares what is printed.
#[track_caller]
fn everywhere(body: &str, packet: &[u8], expected: &str) {
    for place in PLACES {
        net::alone(|| {
            let pair = Pair::new("rt_a", "rt_b");
            let out = Run::program(format!("{place} {body}")).run(|_| pair.send(&[packet]));
            out.code(0).stdout_is(expected);
        });
    }
}

#[test]
fn fields_are_the_same_at_every_place() {
    requires!(Bpf, Veth);
    let body = "{ @[eth.saddr, eth.proto, ip.saddr, ip.daddr, ip.ttl, tcp.sport, tcp.dport, tcp.syn, tcp.ack, udp, pkt.len] = count(); }";
    let expected = "\n\n@[02:00:00:00:00:0B, 2048, 10.99.0.2, 10.99.0.1, 64, 40000, 443, true, false, false, 54]: 1\n";
    everywhere(body, &frame::tcp4(40000, 443, 2), expected);
}

#[test]
fn a_tag_is_seen_whoever_took_it_out() {
    requires!(Bpf, Veth);
    let datagram = frame::ipv4(frame::UDP, &frame::udp(1000, 2000, b"x"));
    let body = "/vlan/ { @[vlan.id, vlan.pcp, vlan.proto, eth.proto, ip.saddr, udp.dport] = count(); }";
    let tagged = frame::ether(frame::VLAN, &frame::vlan(0x6005, frame::IPV4, &datagram));
    everywhere(body, &tagged, "\n\n@[5, 3, 2048, 2048, 10.99.0.2, 2000]: 1\n");
    let inner = frame::vlan(0x6005, frame::IPV4, &datagram);
    let twice = frame::ether(0x88a8, &frame::vlan(7, frame::VLAN, &inner));
    everywhere(body, &twice, "\n\n@[7, 0, 33024, 2048, 10.99.0.2, 2000]: 1\n");
    let untagged = "{ @[vlan, vlan.id, eth.proto] = count(); }";
    everywhere(untagged, &frame::ether(frame::IPV4, &datagram), "\n\n@[false, 0, 2048]: 1\n");
}

#[test]
fn headers_are_found_behind_others() {
    requires!(Bpf, Veth);
    // Hop-by-hop options of sixteen bytes, then destination options of eight.
    let options = [&[60, 1][..], &[0; 14], &[frame::UDP, 0], &[0; 6], &frame::udp(1000, 53, b"x")].concat();
    let [from, to] = [1, 2].map(|last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let packet = frame::ether(frame::IPV6, &frame::ipv6(from, to, 0, &options));
    let body = "/ip6.saddr == 2001:db8::/32 && udp.dport == 53/ { @[ip6.saddr, ip6.nexthdr, ip6.proto, udp.sport] = count(); }";
    everywhere(body, &packet, "\n\n@[2001:db8::1, 0, 17, 1000]: 1\n");
}

#[test]
fn headers_are_found_where_the_kernel_keeps_a_packet_in_pieces() {
    requires!(Bpf, Veth);
    // Of what is sent at once and does not fit a page, only the Ethernet header is in the first piece.
    let mut payload = vec![0; 5000];
    payload[4000] = 7;
    let packet = frame::ether(frame::IPV4, &frame::ipv4(frame::UDP, &frame::udp(1000, 2000, &payload)));
    for place in ["tc:rt_a:ingress", "tc:rt_b:egress", "socket:rt_a", "socket:rt_b"] {
        net::alone(|| {
            let pair = Pair::new("rt_a", "rt_b");
            pair.set_mtu(9000);
            let body =
                "{ $at = pkt.len - 1000; @[ip.saddr, udp.dport, pkt.len, pkt.data[4042], pkt.data[$at]] = count(); }";
            let out = Run::program(format!("{place} {body}")).run(|_| pair.send(&[&packet]));
            out.code(0).stdout_is("\n\n@[10.99.0.2, 2000, 5042, 7, 7]: 1\n");
        });
    }
}

#[test]
fn addresses_are_texts_in_json() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let program = "xdp:rt_a { @[ip.saddr, eth.daddr] = count(); print((ip.daddr, ip6.saddr, tcp.syn)); }";
        let out = Run::program(program).arg("-f").arg("json").run(|_| pair.send(&[&frame::udp4(1, 2, b"x")]));
        out.code(0)
            .stdout_has(r#""data": ["10.99.0.1","::",false]"#)
            .stdout_has(r#"{"@": {"10.99.0.2,02:00:00:00:00:0A": 1}}"#);
    });
}

#[test]
fn a_control_group_sees_packets_without_their_link_layer() {
    requires!(Bpf, Veth, CgroupPrograms);
    let root = net::cgroup_root().expect("there are programs for it");
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let listener = pair.listen(2000);
        let program = format!(
            "cgroup_skb:{root}:ingress, xdp:rt_a /ip.saddr == 10.99.0.2 && udp.dport == 2000/ {{
                @[probetype, eth, eth.proto, ip.saddr, udp.sport, pkt.len] = count();
            }}"
        );
        let out = Run::program(program).run(|_| pair.send(&[&frame::udp4(1000, 2000, b"four")]));
        out.code(0)
            .stdout_has("@[cgroup_skb, false, 0, 10.99.0.2, 1000, 32]: 1\n")
            .stdout_has("@[xdp, true, 2048, 10.99.0.2, 1000, 46]: 1\n");
        assert_eq!(listener.received(), [b"four"]);
    });
}

/// An interface that has no link layer, and where to put packets that come in by it.
fn tunnel(name: &str) -> std::fs::File {
    /// `TUNSETIFF`, and `IFF_TUN | IFF_NO_PI` (include/uapi/linux/if_tun.h)
    const SET_INTERFACE: libc::c_ulong = 0x4004_54ca;
    const FLAGS: i16 = 0x1001;
    let tun = std::fs::File::options().read(true).write(true).open("/dev/net/tun").expect("it is there");
    // SAFETY: ifreq is plain integers, for which all zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = FLAGS;
    // SAFETY: the request lives through the call.
    let made = unsafe { libc::ioctl(tun.as_raw_fd(), SET_INTERFACE as _, &raw mut request) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    net::set_up(name).expect("it can be brought up");
    tun
}

#[test]
fn tunnels_have_no_link_layer() {
    requires!(Bpf, NetNamespaces, File("/dev/net/tun"));
    let packet = frame::ipv4(frame::UDP, &frame::udp(1000, 2000, b"four"));
    for place in ["tc:rt_tun:ingress", "socket:rt_tun", "xdp:rt_tun:skb"] {
        net::alone(|| {
            let mut tun = tunnel("rt_tun");
            let program = format!("{place} {{ @[ip.saddr, udp.dport, pkt.len, pkt.data[0]] = count(); }}");
            let out = Run::program(program).run(|_| tun.write_all(&packet).expect("it is taken"));
            out.code(0).stdout_is("\n\n@[10.99.0.2, 2000, 32, 69]: 1\n");
        });
    }
}
