//! BPF programs as what is traced: `fentry:bpf:NAME`.

use rtrace_tests::{Run, Session, requires};

/// Two programs in another rtrace, each so often. Cases that run side by side tell theirs by that.
fn other(ms: u32) -> Session {
    let text = format!("interval:ms:{ms} {{ @a = 1; }} interval:ms:{ms} {{ @a = 2; }} interval:s:100 {{ }}");
    let other = Run::program(text).start();
    other.wait_attached();
    other
}

#[test]
fn programs_are_listed_by_number_and_name() {
    requires!(Bpf, Btf, Root);
    let other = other(333);
    let list = |pattern: &str| Run::bare().arg("-l").arg(pattern).to_end();
    let out = list("fentry:bpf:interval_ms_333_*");
    let lines: Vec<&str> = out.code(0).stdout.lines().collect();
    let is_one = |line: &&str, end: &str| {
        let number = line.strip_prefix("fentry:bpf:").and_then(|rest| rest.strip_suffix(end));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    for end in [":interval_ms_333_1", ":interval_ms_333_2"] {
        assert!(lines.iter().any(|line| is_one(line, end)), "{end}: {out}");
    }
    let number = lines[0].split(':').nth(2).expect("there is a number");
    list(&format!("fexit:bpf:{number}:*")).code(0).stdout_has(&format!("fexit:bpf:{number}:interval_ms_333_"));
    list("fentry:bpf:no_such_program").code(0).stdout_is("");
    other.interrupt();
}

#[test]
fn a_program_that_is_not_there_comes_with_near_names() {
    requires!(Bpf, Btf, Root, Own);
    let other = other(100);
    let out = Run::program("fentry:bpf:interval_ms_10_1 { }").to_end();
    out.code(1)
        .stderr_has("ERROR: No matches for fentry bpf:interval_ms_10_1.")
        .stderr_has("did you mean interval_ms_100_1");
    let out = Run::program("config = { missing_probes = warn } fentry:bpf:nosuch { } begin { exit(); }").to_end();
    out.code(0).stderr_has("WARNING: No matches for fentry bpf:nosuch. Skipping.");
    other.interrupt();
}

#[test]
fn runs_of_another_program_are_seen() {
    requires!(Bpf, Fentry, Root);
    let other = other(250);
    let text =
        "fentry:bpf:interval_ms_250_* { @[probe] = count(); } fexit:bpf:interval_ms_250_1 { @f[func] = count(); }
        interval:ms:10 { if (@f[\"interval_ms_250_1\"] > 2) { exit(); } }";
    let out = Run::program(text).to_end();
    other.interrupt();
    out.code(0).stderr_has("Attached 4 probes\n").stdout_has("@f[interval_ms_250_1]: ");
    for number in ["_1]: ", "_2]: "] {
        assert!(out.stdout.lines().any(|line| line.starts_with("@[fentry:bpf:") && line.contains(number)), "{out}");
    }
}
