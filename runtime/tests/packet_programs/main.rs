//! Fields of packets: compiled programs, run by the kernel on thousands of generated packets, against a plain decoder.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod expression;
mod generate;
mod kernel;
mod reference;
mod speed;

use expression::Expression;
use generate::{Chance, packet};
use kernel::{KINDS, Kind, Script};
use lang::packets::{PROTOCOLS, Place, ProtocolId};
use lang::target::{PacketStart, ProgramType};
use reference::{Fact, Facts, Start, decode};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a program of this kind is given of a packet, and what begins there.
fn seen(packet: &[u8], kind: Kind) -> (&[u8], Start) {
    match kind.packet().start {
        PacketStart::Link => (packet, Start::Ethernet),
        // What tells there which of the two it is.
        PacketStart::Network => match (kind.program, packet.get(14).map(|first| first / 16)) {
            (ProgramType::Xdp, Some(4)) => (&packet[14..], Start::Ip(0x0800)),
            (ProgramType::Xdp, Some(6)) => (&packet[14..], Start::Ip(0x86dd)),
            (ProgramType::Xdp, _) => (&packet[14..], Start::Ip(0)),
            _ => (&packet[14..], Start::Ip(u16::from_be_bytes([packet[12], packet[13]]))),
        },
    }
}

/// Whether the kernel's test run takes the packet: as an skb it must have the header of IP that Ethernet promises.
fn may_be_given(packet: &[u8], kind: Kind) -> bool {
    let promised = match (kind.program, kind.without_link, &packet[12..14]) {
        (ProgramType::Xdp | ProgramType::SocketFilter, false, _) => 0,
        // What is left of it must still be as long as an Ethernet header.
        (ProgramType::Xdp, true, _) => 14,
        (_, _, [0x08, 0x00]) => 20,
        (_, _, [0x86, 0xdd]) => 40,
        _ => 1,
    };
    packet.len() >= 14 + promised
}

/// A field that can be kept in a map: its name in the script, and the words that it has where it is not there.
struct Wanted {
    text: String,
    map: String,
    absent: Vec<u64>,
}

fn wanted(only: impl Fn(ProtocolId) -> bool) -> Vec<Wanted> {
    let mut all = Vec::new();
    for row in PROTOCOLS.iter().filter(|row| only(row.id)) {
        if row.id != ProtocolId::Pkt {
            all.push(Wanted { text: row.name.into(), map: format!("has_{}", row.name), absent: vec![0] });
        }
        for field in row.fields {
            let absent = match field.place {
                Place::Bytes => continue,
                Place::Inet4 { .. } => Fact::Inet4(Ipv4Addr::UNSPECIFIED),
                Place::Inet6 { .. } => Fact::Inet6(Ipv6Addr::UNSPECIFIED),
                Place::Mac { .. } => Fact::Mac([0; 6]),
                _ => Fact::Number(0),
            };
            let text = format!("{}.{}", row.name, field.name);
            all.push(Wanted { map: text.replace('.', "_"), text, absent: absent.words() });
        }
    }
    all
}

fn expected(facts: &Facts, wanted: &Wanted) -> Vec<u64> {
    match wanted.text.contains('.') {
        true => facts.fields.get(&wanted.text).map_or(wanted.absent.clone(), |fact| fact.words()),
        false => vec![u64::from(facts.has(&wanted.text))],
    }
}

fn script(wanted: &[Wanted]) -> String {
    let keep: Vec<String> = wanted.iter().map(|wanted| format!("@{} = {};", wanted.map, wanted.text)).collect();
    format!("xdp:lo {{ {} }}", keep.join(" "))
}

/// Runs a program that keeps these fields over so many packets.
fn agree(wanted: &[Wanted], kind: Kind, seed: u64, packets: usize, optimise: bool) {
    let program = Script::compiled(&script(wanted), kind, optimise).unwrap_or_else(|told| panic!("{told}"));
    let mut chance = Chance::new(seed);
    for number in 0..packets {
        let packet = packet(&mut chance);
        compare(&program, wanted, kind, &packet, &format!("packet {number}"));
    }
}

fn compare(program: &Script, wanted: &[Wanted], kind: Kind, packet: &[u8], what: &str) {
    if !may_be_given(packet, kind) {
        return;
    }
    let returned = program.run(packet).unwrap_or_else(|error| panic!("{kind:?}, {what}, {packet:02x?}: {error}"));
    assert_eq!(returned, kind.packet().pass as u32, "{kind:?}, {what}");
    let (bytes, start) = seen(packet, kind);
    let facts = decode(bytes, start);
    for wanted in wanted {
        let (found, expected) = (program.value(&wanted.map), expected(&facts, wanted));
        assert_eq!(found, expected, "{kind:?}, {what}: {} of {packet:02x?}\n{facts:?}", wanted.text);
    }
    assert!(!program.has_trouble(), "{kind:?}, {what}");
}

#[test]
fn all_fields_agree_with_the_reference() {
    if !kernel::is_available() {
        return;
    }
    for kind in KINDS {
        let all = wanted(|_| true);
        agree(&all, kind, 1, 4000, true);
        agree(&all, kind, 2, 300, false);
    }
}

#[test]
fn each_protocol_alone_agrees_with_the_reference() {
    if !kernel::is_available() {
        return;
    }
    for kind in KINDS {
        for row in PROTOCOLS {
            agree(&wanted(|id| id == row.id), kind, 3, 600, true);
            // And its presence, without which some of the walk is left out.
            let alone: Vec<Wanted> =
                wanted(|id| id == row.id).into_iter().filter(|wanted| !wanted.text.contains('.')).collect();
            if !alone.is_empty() {
                agree(&alone, kind, 4, 300, true);
            }
        }
    }
}

#[test]
fn packets_may_end_anywhere() {
    if !kernel::is_available() {
        return;
    }
    let all = wanted(|_| true);
    for kind in KINDS {
        let program = Script::new(&script(&all), kind).unwrap_or_else(|told| panic!("{told}"));
        let mut chance = Chance::new(5);
        for _ in 0..25 {
            let whole = packet(&mut chance);
            for length in 14..=whole.len() {
                compare(&program, &all, kind, &whole[..length], &format!("the first {length} bytes"));
            }
        }
    }
}

#[test]
fn bytes_are_read_wherever_they_are() {
    if !kernel::is_available() {
        return;
    }
    let text = "xdp:lo {
        @n = pkt.len; @a = pkt.data[0]; @b = pkt.data[33]; @c = pkt.data[65520];
        $at = pkt.data[5] % 80; @d = pkt.data[$at];
        @e = pkt.data[$at] != 7; @f = pkt.data[33] != 7; @g = pkt.data[$at - 90] + 1;
        @h = 0; for ($i : 0..90) { if (pkt.data[$i] >= 0) { @h += pkt.data[$i] + 1; } }
    }";
    for kind in KINDS {
        let program = Script::new(text, kind).unwrap_or_else(|told| panic!("{told}"));
        let mut chance = Chance::new(6);
        for _ in 0..500 {
            let packet = packet(&mut chance);
            if !may_be_given(&packet, kind) {
                continue;
            }
            program.run(&packet).unwrap();
            let (bytes, _) = seen(&packet, kind);
            let at = usize::from(bytes.get(5).copied().unwrap_or(0)) % 80;
            let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte));
            let differs = |at: usize| u64::from(bytes.get(at).is_some_and(|byte| *byte != 7));
            let sum: u64 = bytes.iter().take(90).map(|byte| u64::from(*byte) + 1).sum();
            let expected = [
                ("n", bytes.len() as u64),
                ("a", byte(0)),
                ("b", byte(33)),
                ("c", 0),
                ("d", byte(at)),
                ("e", differs(at)),
                ("f", differs(33)),
                ("g", 1),
                ("h", sum),
            ];
            for (map, expected) in expected {
                assert_eq!(program.value(map), [expected], "{kind:?}: @{map} of {packet:02x?}");
            }
        }
    }
}

#[test]
fn random_scripts_pass_the_verifier_and_mean_what_they_say() {
    if !kernel::is_available() {
        return;
    }
    for number in 0..60 {
        let mut chance = Chance::new(100 + number);
        let kind = KINDS[number as usize % KINDS.len()];
        let decisions: Vec<Expression> =
            (0..1 + chance.below(8)).map(|_| Expression::condition(&mut chance, 3)).collect();
        let mut text = String::from("xdp:lo { ");
        for (index, decision) in decisions.iter().enumerate() {
            text += &format!("if ({decision}) {{ @r{index} = 1; }} else {{ @r{index} = 0; }} ");
        }
        for index in 0..chance.below(5) {
            text += &expression::statement(&mut chance, index);
        }
        text += "}";
        let program = Script::new(&text, kind).unwrap_or_else(|told| panic!("{told}"));
        for _ in 0..60 {
            let packet = packet(&mut chance);
            if !may_be_given(&packet, kind) {
                continue;
            }
            program.run(&packet).unwrap();
            let (bytes, start) = seen(&packet, kind);
            let facts = decode(bytes, start);
            for (index, decision) in decisions.iter().enumerate() {
                let expected = [u64::from(decision.value(&facts) != 0)];
                let found = program.value(&format!("r{index}"));
                assert_eq!(found, expected, "{kind:?}: {decision}\n{packet:02x?}\n{facts:?}");
            }
        }
    }
}

#[test]
fn long_probes_know_the_fields_in_all_their_parts() {
    if !kernel::is_available() {
        return;
    }
    let each = (0..300).map(|port| {
        format!(
            "if (udp.dport == {port}) {{ @n = {port}; @k[ip.saddr, {port}] = count(); @s[{port}] = sum(pkt.len); }} "
        )
    });
    let text = format!("xdp:lo {{ {} @last = ip.ttl; }}", each.collect::<String>());
    for kind in KINDS {
        let program = Script::new(&text, kind).unwrap_or_else(|told| panic!("{told}"));
        for port in [0, 7, 150, 299] {
            let mut packet = vec![2; 12];
            packet.extend([0x08, 0x00, 0x45, 0, 0, 28, 0, 0, 0, 0, 63, 17, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1]);
            packet.extend([1, 1, (port >> 8) as u8, port as u8, 0, 8, 0, 0]);
            program.run(&packet).unwrap();
            assert_eq!((program.value("n"), program.value("last")), (vec![port], vec![63]), "{kind:?}");
        }
    }
}
