//! The documentation tells the truth: what it shows as a program is accepted, what it shows as a mistake is refused with
//! the words it shows, and what it says a program prints is printed.
//!
//! In `README.md` and `docs/*.md`, a fenced block marked `rtrace` is a whole program. It is loaded and attached, not run,
//! unless a block marked `output` follows: then it is run and must print that. A block marked `rtrace-error` must be
//! refused, and a block marked `message` after it is what standard error must say. Blocks with any other mark are not
//! looked at. The files of `scripts/` are looked at by `scripts.rs`.
//!
//! The texts are compiled in, because the guests of the `vm` binary do not have the source tree.

#[path = "docs/console.rs"]
mod console;

use std::fs;
use std::path::{Path, PathBuf};

use rtrace_tests::net::{self, Pair};
use rtrace_tests::{Need, Output, Run, missing, requires, sibling};

macro_rules! texts {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $path)))),+]
    };
}

/// Every document, by its path from the root.
const DOCUMENTS: &[(&str, &str)] = texts![
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/README.md",
    "docs/SUMMARY.md",
    "docs/config.md",
    "docs/filters.md",
    "docs/from-bpftrace.md",
    "docs/functions.md",
    "docs/glossary.md",
    "docs/internals.md",
    "docs/language.md",
    "docs/library.md",
    "docs/licenses.md",
    "docs/listing.md",
    "docs/macros.md",
    "docs/network.md",
    "docs/output.md",
    "docs/packets.md",
    "docs/probes.md",
    "docs/providers.md",
    "docs/quickstart.md",
    "docs/recipes.md",
    "docs/repl.md",
    "docs/scripts.md",
    "docs/security.md",
    "docs/statements.md",
    "docs/testing.md",
    "docs/troubleshooting.md",
    "docs/tutorial.md",
    "docs/types.md",
];

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A fenced block.
struct Block {
    /// Path and line, for messages.
    place: String,
    mark: &'static str,
    text: String,
}

/// The fenced blocks of a document. One that stands in a list is indented as its fence is.
fn blocks(path: &str, document: &'static str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(mark) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let mut text = String::new();
        for (_, line) in lines.by_ref() {
            if line.trim_start().starts_with("```") {
                break;
            }
            text.push_str(line.get(indent..).unwrap_or_default());
            text.push('\n');
        }
        blocks.push(Block { place: format!("{path}:{}", number + 1), mark, text });
    }
    blocks
}

/// The blocks with this mark, each with the one that follows it in the same document if that has the mark `then`.
fn marked(mark: &str, then: &str) -> Vec<(Block, Option<Block>)> {
    let mut found = Vec::new();
    for (path, document) in DOCUMENTS {
        let mut all = blocks(path, document).into_iter().peekable();
        while let Some(block) = all.next() {
            if block.mark == mark {
                found.push((block, all.next_if(|next| next.mark == then)));
            }
        }
    }
    found
}

/// Whether a program needs a kernel with probes at its functions.
fn has_kprobe(program: &str) -> bool {
    ["kprobe:", "kretprobe:", "fentry:", "fexit:"].iter().any(|probe| program.contains(probe))
}

/// A run of the program, with a command if it speaks of one, and with an interface and an address if it wants to be told
/// them.
fn run(program: &str) -> Run {
    let mode = [("test:", "--test"), ("bench:", "--bench")].into_iter().find(|(probe, _)| program.contains(probe));
    let run = mode.into_iter().fold(Run::program(program), |run, (_, option)| run.arg(option));
    let words = [("$1", "eth0"), ("$2", "10.0.0.9")].into_iter().filter(|(name, _)| program.contains(name));
    let run = words.fold(run, |run, (_, word)| run.parameter(word));
    match program.contains("cpid") {
        true => run.child(format!("{} exit 0", sibling("work").display())),
        false => run,
    }
}

/// What becomes of a run, in a network of its own with `eth0` and `eth1` if it sees packets: not on the machine's.
fn to_end(run: Run, program: &str) -> Output {
    let sees_packets = ["xdp:", "tc:", "socket:"].iter().any(|probe| {
        program.match_indices(probe).any(|(at, _)| !program[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    match sees_packets {
        true => net::alone(|| {
            let _pair = Pair::new("eth0", "eth1");
            run.to_end()
        }),
        false => run.to_end(),
    }
}

/// Whether the programs of a page are loaded here. Where one takes long to start that is only done on an old kernel, which
/// takes less than others, with the pages that have an example of all that depends on the kernel.
fn is_looked_at(place: &str) -> bool {
    const REFERENCE: &[&str] = &["docs/library.md", "docs/providers.md", "docs/probes.md"];
    let is_slow = missing(&[Need::Quick]).is_some();
    let is_old = missing(&[Need::Kernel(6, 6)]).is_some();
    !is_slow || is_old && REFERENCE.iter().any(|page| place.starts_with(page))
}

/// Loads and attaches the programs that have a kprobe, or those that have none.
fn accept(with_kprobes: bool) {
    let shown = marked("rtrace", "output").into_iter().map(|(block, _)| (block.place, block.text));
    let shown = shown.filter(|(place, _)| with_kprobes || is_looked_at(place));
    // A machine with nothing but static programs has no such library.
    let has_libc = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"].iter().any(|path| Path::new(path).exists());
    let is_wanted = |text: &str| has_kprobe(text) == with_kprobes && (has_libc || !text.contains(":libc:"));
    let programs: Vec<_> = shown.filter(|(_, text)| is_wanted(text)).collect();
    assert!(!programs.is_empty(), "the documents show no such programs");
    for (place, text) in programs {
        let out = to_end(run(&text).arg("--dry-run"), &text);
        assert!(out.code == Some(0) && out.attached, "{place}: the program is not accepted\n{out}");
        assert!(!out.stderr.contains("WARNING"), "{place}: the program is warned about\n{out}");
    }
}

#[test]
fn every_program_is_accepted() {
    fn here() {}
    requires!(Bpf, Tracefs, Veth);
    if !is_looked_at("docs/library.md") {
        let reason = "the machine is emulated, and newer than the one where this is tried";
        return rtrace_tests::skip(std::any::type_name_of_val(&here), reason);
    }
    accept(false);
}

#[test]
fn every_program_with_a_kprobe_is_accepted() {
    requires!(Bpf, Tracefs, Kprobes, Fentry);
    accept(true);
}

#[test]
fn every_program_prints_what_is_shown() {
    requires!(Quick, Bpf, Tracefs, Veth, Own);
    let mut count = 0;
    for (program, output) in marked("rtrace", "output") {
        let Some(output) = output else { continue };
        assert!(!has_kprobe(&program.text), "{}: output of kprobes is not for every kernel", program.place);
        let out = to_end(run(&program.text), &program.text);
        let (shown, printed) = (output.text.trim_matches('\n'), out.stdout.trim_matches('\n'));
        assert!(shown == printed, "{}: this is shown:\n{shown}\n{out}", output.place);
        count += 1;
    }
    assert!(count > 0, "the documents show no output");
}

#[test]
fn every_mistake_is_refused_with_the_words_shown() {
    requires!(Quick, Bpf, Tracefs, Veth, Own);
    let mistakes = marked("rtrace-error", "message");
    assert!(!mistakes.is_empty(), "the documents show no mistakes");
    for (program, message) in mistakes {
        // As in a file without the newline that ends the block.
        let out = to_end(Run::program(program.text.trim_end()).arg("--dry-run"), &program.text);
        assert!(out.code == Some(1) && !out.attached, "{}: the program is not refused\n{out}", program.place);
        if let Some(message) = message {
            let plain = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            let (shown, said) = (plain(&message.text), plain(&out.stderr));
            assert!(shown == said, "{}: this is shown:\n{shown}\n{out}", message.place);
        }
    }
}

#[test]
fn every_document_is_looked_at() {
    requires!(File(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")));
    let names = |folder: &str, kind: &str| {
        let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder can be read");
        let mut names: Vec<String> = entries
            .map(|entry| format!("{folder}/{}", entry.expect("an entry").file_name().to_string_lossy()))
            .filter(|name| name.ends_with(kind))
            .collect();
        names.sort();
        names
    };
    let listed = |texts: &[(&str, &str)], folder: &str| {
        texts.iter().map(|(path, _)| path.to_string()).filter(|path| path.starts_with(folder)).collect::<Vec<_>>()
    };
    assert_eq!(listed(DOCUMENTS, "docs/"), names("docs", ".md"), "DOCUMENTS above and docs/ differ");
}

#[test]
fn every_link_leads_to_a_file() {
    requires!(File(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")));
    for (path, document) in DOCUMENTS {
        let file = Path::new(ROOT).join(path);
        let folder: PathBuf = file.parent().expect("a file lies in a folder").into();
        for link in document.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(folder.join(target).exists(), "{path}: the link to {link} leads nowhere");
            }
        }
    }
}
