//! Filters as people write them, good and bad. What they accept is compared with libpcap elsewhere
//! (`tests/tests/filters.rs`).

use super::graph::Target;
use super::run::{Packet, accepts, graph_accepts};
use super::{Link, compile};

const ETHERNET: Link = Link { has_ethernet: true, tag_is_apart: false };
const SKB: Link = Link { has_ethernet: true, tag_is_apart: true };
const IP: Link = Link { has_ethernet: false, tag_is_apart: false };

/// Checks that of a part of a filter something is told: what is wrong, and what would work.
#[track_caller]
fn check_for(link: Link, text: &str, part: &str, title: &str, help: &str) {
    let fault = compile(text, link).expect_err(text);
    assert_eq!(fault.title, title, "{text}");
    assert_eq!(fault.help.unwrap_or_default(), help, "{text}");
    assert_eq!(text.get(fault.range), Some(part), "{text}");
}

#[track_caller]
fn check(text: &str, part: &str, title: &str, help: &str) {
    check_for(ETHERNET, text, part, title, help);
}

#[test]
fn names_are_not_looked_up() {
    check(
        "host example.org",
        "example.org",
        "names are not looked up, and `example.org` is no address",
        "the answer could be another when a packet comes: write the address",
    );
    check(
        "tcp and net loopback",
        "loopback",
        "names are not looked up, and `loopback` is no address",
        "the answer could be another when a packet comes: write the address",
    );
    check(
        "gateway snup",
        "gateway",
        "`gateway` needs names of hosts, which are not looked up",
        "write `ether host` with its Ethernet address and `not host` with its IP address",
    );
}

#[test]
fn known_names_are_suggested() {
    check("tcp portt 80", "portt", "`portt` is no word of the filter language", "did you mean `port`?");
    check("tcp 80", "80", "what this is must be said", "write `host`, `net`, `port` or `proto` before it");
    check("upd port 53", "upd", "`upd` is no word of the filter language", "did you mean `udp`?");
    check("port domian", "domian", "no port is known by the name `domian`", "did you mean `domain`?");
    check("proto ospff", "ospff", "no protocol of IP is known by the name `ospff`", "did you mean `ospf`?");
    check("ip proto tcp", "tcp", "`tcp` is a word of its own", "write `tcp` alone, or `proto` with its number");
    check("tcp port ntp", "ntp", "this name is known for UDP only", "write the port's number");
    check(
        "tcp[tcpflag] & tcp-syn != 0",
        "tcpflag",
        "expected a number, not the name `tcpflag`",
        "did you mean `tcpflags`?",
    );
}

#[test]
fn numbers_must_fit() {
    check("port 65536", "65536", "65536 is no port: the largest is 65535", "");
    check("vlan 4096", "vlan 4096", "4096 is no id of a VLAN: the largest is 4095", "");
    check(
        "host 10.0.0.256",
        "10.0.0.256",
        "`10.0.0.256` is not an IPv4 address",
        "each of its numbers goes from 0 to 255",
    );
    check("net 10.0.0.1/8", "10.0.0.1/8", "the address has bits that are not the network's", "the network is 10.0.0.0");
    check(
        "net 2001:db8::1/32",
        "2001:db8::1/32",
        "the address has bits that are not the network's",
        "the network is 2001:db8::/32",
    );
    check("host 10.0.0.0/8", "10.0.0.0/8", "only a network has a mask", "write `net` before it");
    check("len > 4294967296", "4294967296", "the number 4294967296 is too large", "numbers have 32 bits here");
    check("tcp[0:3] = 5", "tcp[0:3]", "3 bytes cannot be read at once", "1, 2 and 4 can");
    check("len / 0 > 1", "/ 0", "this divides by zero", "");
}

#[test]
fn what_is_missing_is_said() {
    check("tcp port", "", "the filter ends where a port should follow", "");
    check("10.0.0.1", "10.0.0.1", "an address cannot stand here alone", "write `host` or `net` before it");
    check("tcp or 80", "80", "a number cannot stand here alone", "write `port` or `proto` before it");
    check("tcp udp", "udp", "expected `and` or `or`", "");
    check("(tcp or udp", "", "the filter ends where `)` should follow", "");
    check("tcp)", ")", "this `)` closes nothing", "");
    check("tcp[13] & 2", "", "the filter ends where a comparison should follow", "");
}

#[test]
fn what_does_not_go_together_is_said() {
    check("tcp host 10.0.0.1", "10.0.0.1", "`tcp` does not go with `host`", "join two tests: `tcp and host ...`");
    check(
        "host 00:11:22:33:44:55",
        "00:11:22:33:44:55",
        "an Ethernet address goes only with `ether`",
        "write `ether host`, `ether src` or `ether dst`",
    );
    check("ip6 host 10.0.0.1", "10.0.0.1", "`ip6` does not go with an IPv4 host", "write an IPv6 address");
    check("mpls and vlan", "vlan", "`vlan` cannot come after `mpls`", "write it before");
    check(
        "ip6 protochain 6",
        "ip6 protochain",
        "`protochain` is not supported: it has to look at any number of headers",
        "`ip6 proto N` looks at the first one, also behind a fragment's header",
    );
    check("geneve 5", "geneve", "`geneve` is not supported", "`udp dst port 6081` finds its packets");
    check(
        "inbound",
        "inbound",
        "a filter cannot ask for the direction of a packet",
        "the attach point says it, as in `tc:eth0:ingress`",
    );
    check("wlan type mgt", "type", "this word is about 802.11", "no packet here comes from there");
    check_for(IP, "vlan 5", "vlan 5", "packets have no VLAN tags here", "only Ethernet's have");
    check_for(IP, "ether host 00:11:22:33:44:55", "00:11:22:33:44:55", "packets have no Ethernet addresses here", "");
}

/// A frame with a tag of VLAN 5 and another within, or without one of them or both.
fn frame(tags: usize) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for id in [5u8, 7].into_iter().skip(2 - tags) {
        frame.extend([0x81, 0, 0, id]);
    }
    frame.extend([8, 0, 0x45]);
    frame.extend([0; 8]);
    frame.push(17);
    frame.extend([0; 30]);
    frame
}

#[test]
fn a_tag_may_be_beside_the_packet() {
    let inner = frame(1);
    let apart = Packet { tag: Some(0x2005), ..Packet::whole(&inner) };
    let untagged = frame(0);
    let alone = Packet { tag: Some(0x2005), ..Packet::whole(&untagged) };
    let both = frame(2);
    let within = Packet::whole(&both);
    let cases = [
        ("vlan", [true, true, true]),
        ("vlan 5", [true, true, true]),
        ("vlan 6", [false, false, false]),
        ("vlan 5 and udp", [false, true, false]),
        ("vlan 5 and vlan 7", [true, false, true]),
        ("vlan 5 and vlan 7 and udp", [true, false, true]),
        ("udp", [false, true, false]),
        ("not vlan", [false, false, false]),
    ];
    for (text, expected) in cases {
        let filter = compile(text, SKB).expect(text);
        for (packet, expected) in [apart, alone, within].into_iter().zip(expected) {
            assert_eq!(accepts(&filter.test, packet), expected, "{text}: {packet:02x?}");
            assert_eq!(graph_accepts(&filter.graph, packet), expected, "{text}: {packet:02x?}");
        }
    }
}

#[test]
fn one_comparison_of_the_length_serves_a_whole_way() {
    let need = |text| compile(text, ETHERNET).expect(text).graph.need();
    assert_eq!(need("ip"), 14);
    // All that both ways need: the shorter one's protocol.
    assert_eq!(need("tcp dst port 443"), 24);
    assert_eq!(need("ip and tcp dst port 443"), 24);
    assert_eq!(need("ip6 and tcp dst port 443"), 58);
    assert_eq!(need("host 10.0.0.1"), 30);
    assert_eq!(need("src and dst host 10.0.0.1"), 34);
    assert_eq!(need("less 100"), 0);
    assert_eq!(need("ip and ip6"), u64::MAX);
}

#[test]
fn nothing_is_asked_twice() {
    let nodes = |text| compile(text, ETHERNET).expect(text).graph.nodes.len();
    assert_eq!(compile("", ETHERNET).expect("all packets").graph.start, Target::Accept);
    assert_eq!(compile("ip and arp", ETHERNET).expect("none").graph.start, Target::Reject);
    assert_eq!(nodes("ip"), 1);
    assert_eq!(nodes("ip and ip and ip"), 1);
    assert_eq!(nodes("tcp dst port 443"), 7);
    // Each more port costs two questions for each of the two versions of IP.
    let (few, more) = (nodes("port 1 or 2 or 3"), nodes("port 1 or 2 or 3 or 4"));
    assert_eq!(more - few, 4);
}

#[test]
fn the_size_of_the_graph_has_a_limit() {
    // Every answer matters later, so copies for each way would be countless.
    let text: Vec<String> = (0..200).map(|at| format!("(ip[{at}] = 1 or ip[{}] = 2)", (at * 7) % 200)).collect();
    let graph = compile(&text.join(" and "), ETHERNET).expect("it is in order").graph;
    assert!(graph.nodes.len() < 10_000, "{}", graph.nodes.len());
    let ports: Vec<String> = (1..1500).map(|port| port.to_string()).collect();
    let graph = compile(&format!("port {}", ports.join(" or ")), ETHERNET).expect("it is in order").graph;
    assert!(graph.nodes.len() < 10_000, "{}", graph.nodes.len());
}

#[test]
fn depth_is_bounded() {
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        let text = format!("{}{inner}{}", open.repeat(times), close.repeat(times));
        compile(&text, ETHERNET).map(drop).map_err(|fault| fault.title)
    };
    let too_deep = Err("this is nested too deeply".to_owned());
    assert_eq!(deep("(", "tcp", ")", 150), Ok(()));
    assert_eq!(deep("(", "tcp", ")", 5000), too_deep);
    assert_eq!(deep("not ", "tcp", "", 2000), too_deep);
    assert_eq!(deep("ip[", "0", "] = 0", 1).map_err(drop), Ok(()));
    assert_eq!(deep("ip[", "0", "]", 3000).map_err(drop), Err(()));
    assert_eq!(deep("-", "len = 5", "", 3000).map_err(drop), Err(()));
    assert_eq!(deep("len % ", "2 = 0", "", 2000).map_err(drop), Err(()));
    assert_eq!(deep("len + ", "2 = 0", "", 2000).map_err(drop), Err(()));
    assert_eq!(deep("tcp or udp and ", "tcp", "", 900), too_deep);
    assert_eq!(deep("tcp or ", "tcp", "", 2000), Ok(()));
    assert_eq!(deep("tcp or ", "tcp", "", 20_000), Err("the filter has more than 16384 bytes".to_owned()));
}

#[test]
fn no_text_is_too_strange() {
    const WORDS: &[&str] = &[
        "tcp",
        "udp",
        "ip",
        "ip6",
        "ether",
        "host",
        "net",
        "port",
        "portrange",
        "proto",
        "src",
        "dst",
        "and",
        "or",
        "not",
        "(",
        ")",
        "[",
        "]",
        "&",
        "|",
        "=",
        "!=",
        "<",
        ">",
        ">=",
        "<<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        ":",
        "!",
        "10.0.0.1",
        "10",
        "80",
        "0x",
        "0xffffffff",
        "::1",
        "::",
        "fe80::/10",
        "00:11:22:33:44:55",
        "1:2",
        "1:2:3:",
        "a-b",
        "-",
        "\\tcp",
        "\\",
        "$",
        "$1",
        "len",
        "less",
        "greater",
        "byte",
        "vlan",
        "mpls",
        "pppoes",
        "llc",
        "geneve",
        "mask",
        "broadcast",
        "multicast",
        "icmp6",
        "tcp-syn",
        "tcpflags",
        "\u{e4}",
        "\u{1f980}",
        "\0",
        "\n",
        "10.0.0.0/33",
        "1.2.3.4.5",
        "4294967295",
        "99999999999",
        "08",
        "a.b.",
        "_",
        "..",
        "iso",
        "l1",
        "snp",
        "gateway",
    ];
    let mut state = 1u64;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for _ in 0..30_000 {
        let mut text = String::new();
        for _ in 0..next(12) {
            match next(8) {
                0 => text.extend(char::from_u32(next(256) as u32)),
                _ => text += WORDS[next(WORDS.len())],
            }
            if next(4) > 0 {
                text.push(' ');
            }
        }
        for link in [ETHERNET, SKB, IP] {
            match compile(&text, link) {
                Ok(filter) => {
                    let packet = frame(1);
                    let packet = Packet::whole(&packet);
                    assert_eq!(accepts(&filter.test, packet), graph_accepts(&filter.graph, packet), "{text}");
                }
                Err(fault) => {
                    assert!(text.get(fault.range.clone()).is_some(), "{text:?}: {fault:?}");
                }
            }
        }
    }
}
