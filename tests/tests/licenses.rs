//! `docs/licenses.md` lists what is in the binary and under which licence, as cargo has it; nothing in it asks more than to
//! be named. `RTRACE_BLESS=1` writes the list anew.

use rtrace_tests::generated::compare;
use rtrace_tests::requires;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Licences that are fine for a program under MIT or Apache 2.0.
const FINE: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "0BSD",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
];

const HEAD: &str = "\
# Licences

What is in the `rtrace` binary beside its own code ([MIT](../LICENSE-MIT) or [Apache 2.0](../LICENSE-APACHE)), as
`cargo tree` has it: `RTRACE_BLESS=1 cargo test -p rtrace-tests --test licenses` writes this page.

| Crate | Version | Licence |
|---|---|---|
";

/// Crates of others with version and licence, each once.
fn crates() -> BTreeSet<(String, String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--offline", "--locked", "-p", "rtrace", "-e", "normal", "--prefix", "none", "--no-dedupe"]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "-f", "{p}|{l}"]).current_dir(ROOT);
    let out = tree.output().expect("cargo can be run");
    assert!(out.status.success(), "cargo tree: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("it prints text");
    let rows = text.lines().filter_map(|line| {
        let (name, license) = line.split_once('|')?;
        let mut words = name.split(' ');
        let (name, version) = (words.next()?, words.next()?);
        let is_ours = name == "rtrace" || name.starts_with("rtrace-");
        (!is_ours).then(|| (name.to_owned(), version.trim_start_matches('v').to_owned(), license.to_owned()))
    });
    rows.collect()
}

/// Whether one may go by a licence that is fine.
fn is_fine(license: &str) -> bool {
    let all = license.replace(['(', ')'], "").replace(" / ", " OR ").replace('/', " OR ");
    let either = |part: &str| part.split(" OR ").any(|one| FINE.contains(&one.trim()));
    all.split(" AND ").all(either)
}

#[test]
fn the_list_is_what_is_built() {
    requires!(File(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")), Program("cargo"));
    let crates = crates();
    assert!(crates.iter().any(|(name, ..)| name == "aya"), "{crates:?}");
    let mut page = HEAD.to_owned();
    for (name, version, license) in &crates {
        assert!(is_fine(license), "{name} is under {license}");
        writeln!(page, "| {name} | {version} | {license} |").expect("a text can be written");
    }
    compare("licenses.md", &page);
}

#[test]
fn alternatives_and_sums_are_told_apart() {
    for fine in ["MIT", "GPL-2.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT/Apache-2.0", "Apache-2.0 / MIT"] {
        assert!(is_fine(fine), "{fine}");
    }
    for not in ["GPL-2.0", "MIT AND GPL-2.0", "", "LGPL-2.1 OR BSD-2-Clause"] {
        assert!(!is_fine(not), "{not}");
    }
}
