//! Filters of packets against libpcap: which expressions it takes, and which packets they accept.

use codegen::layout::MapPlace;
use codegen::object::{Object, Options};
use lang::filter::{Filter, Link, compile, run};
use lang::target::fake::FakeTarget;
use lang::{Settings, Source, SourceMap};
use probes_ebpf::KernelTarget;
use rtrace_tests::filters::{EXPRESSIONS, Oracle, REFUSED, Random, ethernet, expression, first_element, raw, run_over};
use rtrace_tests::net::{self, Pair, frame};
use rtrace_tests::{Need, Run, missing, requires};
use runtime::load::{LiveMaps, Loaded, load};
use std::os::fd::AsFd;

const LINKS: [(bool, Link); 2] = [
    (true, Link { has_ethernet: true, tag_is_apart: false }),
    (false, Link { has_ethernet: false, tag_is_apart: false }),
];

/// Of a division or shift, that it can never be computed.
const WRONG_SIDES: [&str; 2] = ["this shifts by more than 31 bits", "this divides by zero"];
const WRONG_SIDES_THERE: [&str; 3] = ["shift by more than 31 bits", "division by zero", "modulus by zero"];

/// libpcap for a kind of link, or the end of the case.
macro_rules! oracle {
    ($has_ethernet:expr) => {
        match Oracle::new($has_ethernet) {
            Some(oracle) => oracle,
            None => {
                fn here() {}
                return rtrace_tests::skip(std::any::type_name_of_val(&here), "libpcap is not installed");
            }
        }
    };
}

/// The outcome of the case, in full.
fn report(differences: Vec<String>) {
    let shown: Vec<&String> = differences.iter().take(40).collect();
    assert!(differences.is_empty(), "{} differences:\n{shown:#?}", differences.len());
}

fn packets(has_ethernet: bool, seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (0..count).map(|_| if has_ethernet { ethernet(&mut random) } else { raw(&mut random) }).collect()
}

/// Compares one expression over some packets.
fn compare(oracle: &Oracle, text: &str, link: Link, packets: &[Vec<u8>], differences: &mut Vec<String>) {
    let kind = if link.has_ethernet { "Ethernet" } else { "raw IP" };
    match (oracle.compile(text, false), compile(text, link)) {
        (Ok(program), Ok(filter)) => {
            for packet in packets {
                let expected = oracle.accepts(&program, packet);
                let whole = run::Packet::whole(packet);
                let (test, graph) = (run::accepts(&filter.test, whole), run::graph_accepts(&filter.graph, whole));
                if (test, graph) != (expected, expected) {
                    differences.push(format!("{kind}: `{text}`: {expected}, not {test} {graph}: {packet:02x?}"));
                    break;
                }
            }
            oracle.free(program);
        }
        (Err(_), Err(_)) => {}
        // What is computed is looked at as a whole here, there only the first number of the right side.
        (Ok(program), Err(fault)) if WRONG_SIDES.contains(&fault.title.as_str()) => oracle.free(program),
        (Err(error), Ok(_)) if WRONG_SIDES_THERE.contains(&error.as_str()) => {}
        (Ok(program), Err(fault)) => {
            oracle.free(program);
            differences.push(format!("{kind}: `{text}` is refused here: {fault:?}"));
        }
        (Err(error), Ok(_)) => differences.push(format!("{kind}: `{text}` is refused there: {error}")),
    }
}

#[test]
fn filters_accept_what_libpcap_accepts() {
    let mut differences = Vec::new();
    for (has_ethernet, link) in LINKS {
        let oracle = oracle!(has_ethernet);
        let packets = packets(has_ethernet, 1, 1000);
        for text in EXPRESSIONS {
            compare(&oracle, text, link, &packets, &mut differences);
            if has_ethernet && let Err(fault) = compile(text, link) {
                differences.push(format!("`{text}` is refused: {fault:?}"));
            }
        }
    }
    report(differences);
}

#[test]
fn filters_by_chance_accept_what_libpcap_accepts() {
    let mut differences = Vec::new();
    for (has_ethernet, link) in LINKS {
        let oracle = oracle!(has_ethernet);
        let mut random = Random::new(7);
        for round in 0..2000 {
            let text = expression(&mut random, has_ethernet);
            compare(&oracle, &text, link, &packets(has_ethernet, round, 40), &mut differences);
        }
    }
    report(differences);
}

#[test]
fn what_libpcap_refuses_is_refused() {
    let mut differences = Vec::new();
    for (has_ethernet, link) in LINKS {
        let oracle = oracle!(has_ethernet);
        for text in REFUSED {
            if let (Ok(program), true) = (oracle.compile(text, false), has_ethernet) {
                oracle.free(program);
                differences.push(format!("`{text}` is taken there"));
            }
            if compile(text, link).is_ok() {
                differences.push(format!("`{text}` is taken here"));
            }
        }
    }
    report(differences);
}

/// A place where packets are seen, and what programs there are given when they are tested.
struct Place {
    point: &'static str,
    link: Link,
    /// The kernel takes the first 14 bytes away.
    loses_header: bool,
}

const PLACES: [Place; 4] = [
    Place { point: "xdp:lo", link: LINKS[0].1, loses_header: false },
    Place { point: "tc:lo:ingress", link: Link { tag_is_apart: true, ..LINKS[0].1 }, loses_header: false },
    Place { point: "socket:lo", link: Link { tag_is_apart: true, ..LINKS[0].1 }, loses_header: true },
    Place { point: "cgroup_skb:/sys/fs/cgroup:ingress", link: LINKS[1].1, loses_header: true },
];

/// A script compiled for this kernel and loaded.
fn loaded(script: &str, optimise: bool) -> Result<(Object, Loaded), String> {
    let parsed = lang::parse(script);
    let checked = lang::check(&parsed.script, &FakeTarget, &Settings::default());
    if let Some(error) = parsed.diagnostics.iter().chain(&checked.diagnostics).find(|found| found.is_error()) {
        return Err(error.title.clone());
    }
    let target = KernelTarget::new();
    let object = codegen::object::compile(&checked.program, &target, &Options { optimise, ..Options::default() });
    let object = object.map_err(|error| error.title.clone())?;
    let elf = object.to_elf(&SourceMap::new(Source::new("test", script))).map_err(|error| error.to_string())?;
    let loaded = load(&object, &elf, 1 << 24, &LiveMaps::default()).map_err(|error| error.to_string())?;
    Ok((object, loaded))
}

/// Compares some filters, in one program, with what is computed here.
fn compare_compiled(
    place: &Place,
    texts: &[String],
    packets: &[Vec<u8>],
    optimise: bool,
    differences: &mut Vec<String>,
) {
    let filters: Vec<(&String, Filter)> =
        texts.iter().filter_map(|text| Some((text, compile(text, place.link).ok()?))).collect();
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    let assignments: Vec<String> =
        (0..).zip(&filters).map(|(number, (text, _))| format!("@f{number} = filter(\"{}\");", quoted(text))).collect();
    let (object, loaded) = match loaded(&format!("{} {{ {} }}", place.point, assignments.join(" ")), optimise) {
        Ok(loaded) => loaded,
        Err(error) => return differences.push(format!("{}: {error}: {texts:?}", place.point)),
    };
    let bss = loaded.map(".bss").expect("its maps have no keys");
    let mut values = vec![0; object.layout.bss_size as usize];
    let mut ran = 0;
    for packet in packets {
        let mut given = if place.loses_header { vec![8; 14] } else { Vec::new() };
        given.extend(packet);
        // The kernel takes nothing shorter, and nothing of an skb that has nothing behind Ethernet's header.
        if given.len() < 15 {
            continue;
        }
        let seen = if place.loses_header { &given[14..] } else { &given[..] };
        match run_over(loaded.programs[0].as_fd(), &given, 1) {
            Ok(_) => ran += 1,
            // Some kernels make no skb of a packet that ends within IP's header.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => continue,
            Err(error) => return differences.push(format!("{}: {error}: {packet:02x?}", place.point)),
        }
        first_element(bss, &mut values).expect("it has one element");
        for (place_of, (text, filter)) in object.layout.places.iter().zip(&filters) {
            let MapPlace::Global(offset) = place_of else { panic!("`@` without a key lies in .bss") };
            let got = values[*offset as usize + 8] != 0;
            let expected = run::accepts(&filter.test, run::Packet::whole(seen));
            if got != expected {
                differences.push(format!("{}: `{text}`: {expected}, not {got}: {seen:02x?}", place.point));
            }
        }
    }
    assert!(ran * 4 > packets.len() * 3, "{}: only {ran} of {} packets were run", place.point, packets.len());
}

#[test]
fn compiled_filters_accept_the_same() {
    requires!(Bpf);
    // Of an emulated kernel it is asked whether it takes the programs; what they do is the same there.
    let is_quick = missing(&[Need::Quick]).is_none();
    let mut differences = Vec::new();
    let fixed: Vec<String> = EXPRESSIONS.iter().map(|text| (*text).to_owned()).collect();
    for place in PLACES {
        let packets = packets(place.link.has_ethernet, 3, if is_quick { 400 } else { 24 });
        for texts in fixed.chunks(20) {
            compare_compiled(&place, texts, &packets, true, &mut differences);
            // As it is compiled if the verifier refuses that.
            if is_quick {
                compare_compiled(&place, texts, &packets[..24], false, &mut differences);
            }
        }
        let mut random = Random::new(11);
        for _ in 0..if is_quick { 20 } else { 4 } {
            let texts: Vec<String> = (0..10).map(|_| expression(&mut random, place.link.has_ethernet)).collect();
            compare_compiled(&place, &texts, &packets[..packets.len() / 2], true, &mut differences);
        }
    }
    report(differences);
}

#[test]
fn filters_choose_packets_that_arrive() {
    requires!(Bpf, Veth);
    let tagged = |id: u16| {
        let packet = frame::ipv4(frame::UDP, &frame::udp(1000, 2000, b"tagged"));
        frame::ether(frame::VLAN, &frame::vlan(id, frame::IPV4, &packet))
    };
    let mut packets = vec![frame::udp4(1000, 2000, b"plain"); 3];
    packets.extend(vec![frame::tcp4(1000, 443, 2); 2]);
    packets.extend(vec![tagged(5); 4]);
    packets.push(tagged(7));
    // What the kernel has taken the tag out of (`tc` on the way in) is told from the rest by `vlan`, as elsewhere.
    let script = r#" {
        @vlan[filter("vlan"), filter("vlan 5"), filter("vlan 5 and udp dst port 2000"), filter("not vlan")] = count();
        if (filter("tcp dst port 443 and tcp[tcpflags] & tcp-syn != 0")) { @syn = count(); }
        @long[filter("greater 60")] = count();
    }"#;
    let expected = "\n\n@long[false]: 10\n@syn: 2\n@vlan[true, false, false, false]: 1\n\
                    @vlan[true, true, true, false]: 4\n@vlan[false, false, false, true]: 5\n";
    for place in ["xdp:rt_a:skb", "tc:rt_a:ingress", "tc:rt_b:egress", "socket:rt_a", "socket:rt_b"] {
        net::alone(|| {
            let pair = Pair::new("rt_a", "rt_b");
            let out = Run::program(format!("{place}{script}"))
                .run(|_| pair.send(&packets.iter().map(Vec::as_slice).collect::<Vec<_>>()));
            out.code(0).stdout_is(expected);
        });
    }
}

/// The program that a person would write for `tcp dst port 443`: it returns 1 for such a packet and else XDP_PASS.
#[rustfmt::skip]
const BY_HAND: [u64; 37] = {
    const fn insn(code: u8, dst: u8, src: u8, offset: i16, number: i32) -> u64 {
        code as u64 | (dst as u64) << 8 | (src as u64) << 12 | (offset as u16 as u64) << 16 | (number as u32 as u64) << 32
    }
    const fn load(code: u8, dst: u8, src: u8, offset: i16) -> u64 { insn(code, dst, src, offset, 0) }
    const fn set(dst: u8, number: i32) -> u64 { insn(0xb7, dst, 0, 0, number) }
    const fn copy(dst: u8, src: u8) -> u64 { insn(0xbf, dst, src, 0, 0) }
    const fn add(dst: u8, number: i32) -> u64 { insn(0x07, dst, 0, 0, number) }
    const fn not(dst: u8, number: i32, offset: i16) -> u64 { insn(0x55, dst, 0, offset, number) }
    const W: u8 = 0x61; const H: u8 = 0x69; const B: u8 = 0x71;
    [
        load(W, 2, 1, 4), load(W, 1, 1, 0), set(0, 2),
        // Ethernet's header.
        copy(3, 1), add(3, 14), insn(0x2d, 3, 2, 30, 0),
        load(H, 4, 1, 12), insn(0x15, 4, 0, 8, 0x0008), not(4, 0xdd86, 27),
        // IPv6 and TCP's ports behind it.
        copy(3, 1), add(3, 58), insn(0x2d, 3, 2, 24, 0),
        load(B, 4, 1, 20), not(4, 6, 22), load(H, 4, 1, 56), insn(0x05, 0, 0, 17, 0),
        // IPv4.
        copy(3, 1), add(3, 34), insn(0x2d, 3, 2, 17, 0),
        load(B, 4, 1, 23), not(4, 6, 15), load(H, 4, 1, 20), insn(0x57, 4, 0, 0, 0xff1f), not(4, 0, 12),
        load(B, 4, 1, 14), insn(0x57, 4, 0, 0, 15), insn(0x67, 4, 0, 0, 2), insn(0x0f, 1, 4, 0, 0),
        copy(3, 1), add(3, 18), insn(0x2d, 3, 2, 5, 0),
        load(H, 4, 1, 16), insn(0x05, 0, 0, 0, 0), not(4, 0xbb01, 2),
        set(0, 1), insn(0x05, 0, 0, 0, 0), insn(0x95, 0, 0, 0, 0),
    ]
};

/// Says what a run costs, ours and by hand; the machine must be quiet. `cargo test --release ... -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn a_filter_costs_what_it_costs_by_hand() {
    let by_hand = rtrace_tests::filters::load_xdp(&BY_HAND).expect("the verifier takes it");
    let (_, ours) = loaded("xdp:lo /filter(\"tcp dst port 443\")/ { @ = 1; }", true).expect("it is in order");
    let packets = [
        ("accepted", frame::tcp4(1000, 443, 2)),
        ("rejected", frame::tcp4(1000, 80, 2)),
        ("UDP", frame::udp4(1, 443, b"")),
    ];
    for (what, packet) in packets {
        let (verdict, _) = run_over(by_hand.as_fd(), &packet, 1).expect("it runs");
        assert_eq!(verdict == 1, what == "accepted", "{what}");
        let least = |program: std::os::fd::BorrowedFd<'_>| {
            let runs = (0..200).map(|_| run_over(program, &packet, 20_000).expect("it runs").1);
            runs.min().unwrap_or(0)
        };
        let (ours, by_hand) = (least(ours.programs[0].as_fd()), least(by_hand.as_fd()));
        println!("{what}: {ours} ns, by hand {by_hand} ns");
    }
}
