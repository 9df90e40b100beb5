//! Filters of packets against libpcap: which expressions it takes, and which packets they accept.

use codegen::layout::MapPlace;
use codegen::object::{Object, Options};
use lang::filter::{Filter, Link, compile, run};
use lang::target::fake::FakeTarget;
use lang::{Settings, Source, SourceMap};
use probes_ebpf::KernelTarget;
use rtrace_tests::filters::{EXPRESSIONS, Oracle, REFUSED, Random, ethernet, expression, first_element, raw, run_over};
use rtrace_tests::requires;
use runtime::load::{Loaded, load};
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
fn loaded(script: &str) -> Result<(Object, Loaded), String> {
    let parsed = lang::parse(script);
    let checked = lang::check(&parsed.script, &FakeTarget, &Settings::default());
    if let Some(error) = parsed.diagnostics.iter().chain(&checked.diagnostics).find(|found| found.is_error()) {
        return Err(error.title.clone());
    }
    let target = KernelTarget::new();
    let object = codegen::object::compile(&checked.program, &target, &Options::default());
    let object = object.map_err(|error| error.title.clone())?;
    let elf = object.to_elf(&SourceMap::new(Source::new("test", script))).map_err(|error| error.to_string())?;
    let loaded = load(&object, &elf, 1 << 24).map_err(|error| error.to_string())?;
    Ok((object, loaded))
}

/// Compares some filters, in one program, with what is computed here.
fn compare_compiled(place: &Place, texts: &[String], packets: &[Vec<u8>], differences: &mut Vec<String>) {
    let filters: Vec<(&String, Filter)> =
        texts.iter().filter_map(|text| Some((text, compile(text, place.link).ok()?))).collect();
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    let assignments: Vec<String> =
        (0..).zip(&filters).map(|(number, (text, _))| format!("@f{number} = filter(\"{}\");", quoted(text))).collect();
    let (object, loaded) = match loaded(&format!("{} {{ {} }}", place.point, assignments.join(" "))) {
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
    let mut differences = Vec::new();
    let fixed: Vec<String> = EXPRESSIONS.iter().map(|text| (*text).to_owned()).collect();
    for place in PLACES {
        let packets = packets(place.link.has_ethernet, 3, 400);
        for texts in fixed.chunks(20) {
            compare_compiled(&place, texts, &packets, &mut differences);
        }
        let mut random = Random::new(11);
        for round in 0..20 {
            let texts: Vec<String> = (0..10).map(|_| expression(&mut random, place.link.has_ethernet)).collect();
            compare_compiled(&place, &texts, &packets[round..round + 200], &mut differences);
        }
    }
    report(differences);
}
