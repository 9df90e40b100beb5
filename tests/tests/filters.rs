//! Filters of packets against libpcap: which expressions it takes, and which packets they accept.

use lang::filter::{Link, compile, run};
use rtrace_tests::filters::{EXPRESSIONS, Oracle, REFUSED, Random, ethernet, expression, raw};

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
