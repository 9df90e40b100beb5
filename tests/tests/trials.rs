//! Tests and benchmarks of scripts, and other modes of a run.

use std::time::Instant;

use rtrace_tests::{Run, requires};

/// A script under `--test`.
fn tests(text: &str) -> Run {
    Run::program(text).arg("--test")
}

/// What was printed, times replaced by one that is always the same.
fn without_times(stdout: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" (") {
        Some((before, time)) if line.starts_with('[') && time.ends_with("s)") => format!("{before} (1 s)\n"),
        _ => format!("{line}\n"),
    };
    stdout.lines().map(line).collect()
}

#[test]
fn tests_run_one_by_one_and_each_failure_is_shown() {
    requires!(Bpf);
    let text = r#"begin { printf("begin\n"); @kept = 5; }
test:passes { print("not shown"); if (@kept != 5) { return 1; } }
test:returns { print("shown"); for ($i : 0..100) { if ($i == 50) { return $i; } } }
test:exits { exit(3); }
test:ends_well { exit(); return 1; }
test:asserts { assert(1 + 1 == 3, "sums"); print("not reached"); }
test:complains { errorf("bad %d", 1); @h = hist(5); print(@h); }
test:divides { print(1 / (@kept - 5)); }
test:warns { warnf("just so"); }
test:high { return 0x100000000; }
interval:ms:1 { print("never"); }
end { printf("end\n"); }"#;
    let bar = "@".repeat(52);
    let expected = format!(
        "\
begin
[==========] Running 9 tests.
[ RUN      ] passes
[       OK ] passes (1 s)
[ RUN      ] returns
shown
stdin:3:68-77: ERROR: the test returned 50
[  FAILED  ] returns (1 s)
[ RUN      ] exits
stdin:4:14-21: ERROR: the test ended with exit code 3
[  FAILED  ] exits (1 s)
[ RUN      ] ends_well
[       OK ] ends_well (1 s)
[ RUN      ] asserts
stdin:6:16-42: ERROR: assert failed: sums
[  FAILED  ] asserts (1 s)
[ RUN      ] complains
stdin:7:18-37: ERROR: bad 1
@h:
[4, 8)                 1 |{bar}|
[  FAILED  ] complains (1 s)
[ RUN      ] divides
stdin:8:22-37: WARNING: Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result.
1
[  FAILED  ] divides (1 s)
[ RUN      ] warns
[       OK ] warns (1 s)
[ RUN      ] high
stdin:10:13-31: ERROR: the test returned 4294967296
[  FAILED  ] high (1 s)
[==========] 9 tests ran.
[  PASSED  ] 3 tests.
[  FAILED  ] 6 tests, listed below:
[  FAILED  ] returns
[  FAILED  ] exits
[  FAILED  ] asserts
[  FAILED  ] complains
[  FAILED  ] divides
[  FAILED  ] high
end


"
    );
    let out = tests(text).to_end();
    out.code(1);
    assert_eq!(without_times(&out.stdout), expected, "{out}");
    // A full map is no more its fault than a division, and the next test begins anew.
    let full = "config = { max_map_keys=1 } test:a { @m[1] = 1; @m[2] = 1; } test:b { @m[1] = 2; }";
    tests(full).to_end().code(1).stdout_has("Map full").stdout_has("[       OK ] b");
    tests("test:a { } test:b { return 0; }").to_end().code(0).stdout_has("[  PASSED  ] 2 tests.\n\n\n");
}

#[test]
fn tests_as_json_are_an_object_each() {
    requires!(Bpf);
    let text = r#"test:good { print(1); } test:bad { errorf("no"); }"#;
    let out = tests(text).arg("-f").arg("json").to_end();
    out.code(1);
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].starts_with(r#"{"type": "test_result", "data": {"good": {"duration": "#), "{out}");
    assert!(lines[0].ends_with(r#", "passed": true, "output": "1\n"}}}"#), "{out}");
    assert!(lines[1].ends_with(r#", "passed": false, "output": "stdin:1:36-48: ERROR: no\n"}}}"#), "{out}");
}

#[test]
fn benchmarks_are_measured_and_print_nothing_of_their_own() {
    requires!(Bpf, Root);
    let text = r#"begin { @done = 0; }
bench:one { @a = count(); }
bench:ten { for ($i : 0..1000) { @b = count(); } }
bench:prints { printf("never\n"); }
bench:skips { return 1; }
end { @done = 1; print(@done); }"#;
    let out = Run::program(text).arg("--bench").to_end();
    out.code(0).nowhere("never").nowhere("skips").stdout_has("@done: 1\n\n\n");
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines[0], "Benchmark                                Time(ns)       Iterations");
    let numbers = |name: &str| -> Vec<u64> {
        let line = lines.iter().find(|line| line.split_whitespace().next() == Some(name));
        let words = line.unwrap_or_else(|| panic!("there is a row for {name}\n{out}")).split_whitespace().skip(1);
        words.map(|word| word.parse().expect("a number")).collect()
    };
    let (one, ten, prints) = (numbers("one"), numbers("ten"), numbers("prints"));
    assert!(one[0] * 20 < ten[0], "a thousand counts take longer than one\n{out}");
    assert!(one[1] > ten[1] && prints[1] > 1000, "what is short is run more often\n{out}");
    let json = Run::program("bench:a { @++; }").arg("-q").arg("-f").arg("json").arg("--mode").arg("bench").to_end();
    json.code(0).stdout_has(r#"{"type": "benchmark_result", "data": {"a": {"average": "#);
}

#[test]
fn what_network_programs_may_not_do_is_measured_too() {
    requires!(Bpf, Root);
    let out = Run::program("bench:stack { @[kstack] = count(); }").arg("--bench").to_end();
    let line = out.code(0).stdout.lines().find(|line| line.starts_with("stack ")).unwrap_or_default().to_owned();
    let time: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    assert!((50..1_000_000).contains(&time), "a stack takes a while\n{out}");
}

#[test]
fn a_benchmark_that_fails_is_told_and_the_others_run() {
    requires!(Bpf, Root);
    let text = r#"bench:exits { exit(3); } bench:errs { errorf("no"); } bench:fine { @ = 1; }"#;
    let out = Run::program(text).arg("--bench").to_end();
    out.code(1).stderr_has("Benchmark 'exits' failed.").stderr_has("Benchmark 'errs' failed.");
    out.stdout_has("Benchmark ").stdout_has("\nfine ");
}

#[test]
fn an_interrupt_ends_benchmarks() {
    requires!(Bpf, Root);
    let many: String = (0..200).map(|i| format!("bench:b{i} {{ @[{i}] = count(); }} ")).collect();
    let session = Run::program(format!("{many} end {{ print(\"end\"); }}")).arg("--bench").start();
    session.wait_stdout("b0 ");
    let asked = Instant::now();
    session.signal(libc::SIGINT);
    session.to_end().code(1).stdout_has("end\n\n\n").nowhere("\nb199 ");
    assert!(asked.elapsed().as_secs() < 20);
}

#[test]
fn tests_and_benchmarks_are_nothing_to_a_trace() {
    requires!(Bpf);
    let told = |text: &str| Run::program(text).to_end();
    told("test:a { }").code(1).stderr_has("No probes attached; use --test to run test probes.");
    told("bench:a { }").code(1).stderr_has("No probes attached; use --bench to run benchmark probes.");
    told("test:a { print(1); } begin { print(2); }").code(0).stdout_is("2\n\n\n").stderr_has("Attached 1 probe\n");
    tests("begin { print(1); }").to_end().code(0).stdout_is("1\n\n\n").stderr_has("there are no tests to run");
    // What is attached to nothing is not missed.
    tests("test:a { } interval:s:1 { exit(); }").to_end().code(0).nowhere("Attached");
    Run::program("test:a,test:b { return probe == \"test:b\" ? 1 : 0; }")
        .arg("--test")
        .to_end()
        .code(1)
        .stdout_has("[       OK ] a (")
        .stdout_has("[  FAILED  ] b (");
    let none = tests("test:a { }").arg("--probe-filter").arg("test:c").to_end();
    none.code(1).stderr_has("there are no tests to run that --probe-filter 'test:c' matches");
    let filtered = tests("test:a { } test:b { }").arg("--probe-filter").arg("test:b");
    filtered.to_end().code(0).stdout_has("Running 1 tests.").nowhere(" a");
}

#[test]
fn other_modes_compile_or_format_only() {
    let mode = |text: &str, mode: &str| Run::program(text).arg("--mode").arg(mode).to_end();
    mode("begin { print(1); }", "codegen").code(0).stdout_is("");
    mode("begin { print(nosuch); }", "codegen").code(1).stderr_has("Unknown identifier");
    mode("begin{print(1);}", "format").code(0).stdout_has("print(1)");
    mode("begin { }", "benhc").code(1).stderr_has("--mode can only be").stderr_has("did you mean bench?");
    let out = mode("begin { @[pid] = count(); }", "compiler-bench");
    out.code(0).stdout_has("System\n").stdout_has("\nparse  ").stdout_has("\ncompile  ").stdout_has("\nPASS\n");
    let both = tests("test:a { }").arg("--bench").to_end();
    both.code(1).stderr_has("USAGE: --bench conflicts with --test");
    tests("test:a { }").arg("--emit-llvm").arg("x").to_end().code(1).stderr_has("\nUSAGE:\n");
    tests("test:a { }").arg("-k").arg("--no-warnings").to_end().code(1).stderr_has("-k, --warnings conflicts");
    Run::program("begin { }").arg("-c").arg("true").arg("-p").arg("1").to_end().code(1).stderr_has("both -c and -p");
}

#[test]
fn the_verifier_can_be_heard() {
    requires!(Bpf);
    let out = Run::program("begin { @[comm] = count(); }").arg("-d").arg("verifier").to_end();
    out.code(0).stdout_has("BPF verifier log for begin:\n").stdout_has("(95) exit");
    assert!(!out.attached, "{out}");
}
