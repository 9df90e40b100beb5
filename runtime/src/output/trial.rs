//! What tests and benchmarks print.
//!
//! The text is bpftrace's, which looks like that of Google's test library; its colours, which bpftrace writes to files as
//! well, are for terminals here. A test's time is the one measured (bpftrace writes 1 or 1000 for all).

use std::io::{self, Write};

use super::json::write_string;
use super::paint::{Paint, Role};
use super::push_fmt;

/// A test that was run.
#[derive(Clone, Debug, Default)]
pub struct Tested {
    /// Its name.
    pub name: String,
    /// Whether all was as it should be.
    pub passed: bool,
    /// How long it took.
    pub nanoseconds: u64,
    /// What it printed, errors too.
    pub output: Vec<u8>,
}

/// A benchmark that was run.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Its name.
    pub name: &'a str,
    /// How long one run took.
    pub nanoseconds: u64,
    /// How many runs were measured.
    pub runs: u64,
    /// Letters of the longest name in the script.
    pub longest_name: usize,
    /// No other one has been told before.
    pub is_first: bool,
}

/// News of tests and benchmarks.
#[derive(Clone, Copy, Debug)]
pub enum Trial<'a> {
    /// A test is about to run.
    Begins {
        /// Its name.
        name: &'a str,
        /// How many have run before it.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A test has run.
    Ends(&'a Tested),
    /// All tests have run.
    AllEnd(&'a [Tested]),
    /// A benchmark has run.
    Measured(Measured<'a>),
}

/// Appends the lines for people.
pub fn text(out: &mut Vec<u8>, news: &Trial<'_>, paint: Paint) {
    let mut line = |role, mark: &str, text: std::fmt::Arguments<'_>| {
        paint.with(out, role, |out| push_fmt(out, format_args!("[{mark}]")));
        push_fmt(out, format_args!(" {text}\n"));
    };
    match news {
        Trial::Begins { name, index, count } => {
            if *index == 0 {
                line(Role::Good, "==========", format_args!("Running {count} tests."));
            }
            line(Role::Good, " RUN      ", format_args!("{name}"));
        }
        Trial::Ends(test) => {
            let (time, unit) = duration(test.nanoseconds);
            let result = format_args!("{} ({time} {unit})", test.name);
            if test.passed {
                return line(Role::Good, "       OK ", result);
            }
            for line in test.output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            paint.with(out, Role::Bad, |out| out.extend_from_slice(b"[  FAILED  ]"));
            push_fmt(out, format_args!(" {result}\n"));
        }
        Trial::AllEnd(tests) => {
            let counted = |count: usize| format!("{count} test{}", if count == 1 { "" } else { "s" });
            let failed: Vec<&Tested> = tests.iter().filter(|test| !test.passed).collect();
            line(Role::Good, "==========", format_args!("{} ran.", counted(tests.len())));
            line(Role::Good, "  PASSED  ", format_args!("{}.", counted(tests.len() - failed.len())));
            if failed.is_empty() {
                return;
            }
            line(Role::Bad, "  FAILED  ", format_args!("{}, listed below:", counted(failed.len())));
            for test in failed {
                line(Role::Bad, "  FAILED  ", format_args!("{}", test.name));
            }
        }
        Trial::Measured(bench) => {
            /// Columns of a name at least, and of a time.
            const NAME: usize = 40;
            const TIME: usize = 15;
            let name = bench.longest_name.max(NAME) + 1;
            if bench.is_first {
                let head = format!("{:name$}{:TIME$}Iterations", "Benchmark", "Time(ns)");
                push_fmt(out, format_args!("{head}\n{}\n", "-".repeat(head.len())));
            }
            push_fmt(out, format_args!("{:name$}{:<TIME$}{}\n", bench.name, bench.nanoseconds, bench.runs));
        }
    }
}

/// Writes the lines for programs.
pub fn json(writer: &mut impl Write, news: &Trial<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    match news {
        Trial::Ends(test) => {
            line.extend_from_slice(b"{\"type\": \"test_result\", \"data\": {");
            write_string(&mut line, test.name.as_bytes());
            let (time, passed) = (test.nanoseconds, test.passed);
            push_fmt(&mut line, format_args!(": {{\"duration\": {time}, \"passed\": {passed}, \"output\": "));
            write_string(&mut line, &test.output);
        }
        Trial::Measured(bench) => {
            line.extend_from_slice(b"{\"type\": \"benchmark_result\", \"data\": {");
            write_string(&mut line, bench.name.as_bytes());
            push_fmt(&mut line, format_args!(": {{\"average\": {}, \"iters\": {}", bench.nanoseconds, bench.runs));
        }
        Trial::Begins { .. } | Trial::AllEnd(_) => return Ok(()),
    }
    line.extend_from_slice(b"}}}\n");
    writer.write_all(&line)
}

/// A time in the largest unit that it has one of.
fn duration(nanoseconds: u64) -> (u64, &'static str) {
    match nanoseconds {
        0..1_000 => (nanoseconds, "ns"),
        1_000..1_000_000 => (nanoseconds / 1_000, "μs"),
        1_000_000..1_000_000_000 => (nanoseconds / 1_000_000, "ms"),
        _ => (nanoseconds / 1_000_000_000, "s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(news: &[Trial<'_>], color: bool) -> String {
        let mut out = Vec::new();
        news.iter().for_each(|news| text(&mut out, news, Paint { color, blocks: None }));
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn tests_are_told_one_by_one_and_then_all() {
        let good = Tested { name: "good".into(), passed: true, nanoseconds: 900, output: b"not shown\n".to_vec() };
        let bad = Tested { name: "bad".into(), passed: false, nanoseconds: 22_202, output: b"a\n\nb".to_vec() };
        let all = [good.clone(), bad.clone()];
        let news = [
            Trial::Begins { name: "good", index: 0, count: 2 },
            Trial::Ends(&good),
            Trial::Begins { name: "bad", index: 1, count: 2 },
            Trial::Ends(&bad),
            Trial::AllEnd(&all),
        ];
        let expected = "\
[==========] Running 2 tests.
[ RUN      ] good
[       OK ] good (900 ns)
[ RUN      ] bad
a
b
[  FAILED  ] bad (22 μs)
[==========] 2 tests ran.
[  PASSED  ] 1 test.
[  FAILED  ] 1 test, listed below:
[  FAILED  ] bad
";
        assert_eq!(shown(&news, false), expected);
        assert!(shown(&news, true).starts_with("\x1b[32m[==========]\x1b[0m Running 2 tests.\n\x1b[32m[ RUN"));
        let mut lines = Vec::new();
        news.iter().for_each(|news| json(&mut lines, news).expect("memory takes it"));
        let expected = r#"{"type": "test_result", "data": {"good": {"duration": 900, "passed": true, "output": "not shown\n"}}}
{"type": "test_result", "data": {"bad": {"duration": 22202, "passed": false, "output": "a\n\nb"}}}
"#;
        assert_eq!(String::from_utf8_lossy(&lines), expected);
    }

    #[test]
    fn benchmarks_are_a_table() {
        let row = |name, nanoseconds, is_first| {
            Trial::Measured(Measured { name, nanoseconds, runs: 1000, longest_name: 5, is_first })
        };
        let table = shown(&[row("lhist", 61, true), row("sum", 1200, false)], true);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "Benchmark                                Time(ns)       Iterations");
        assert_eq!(lines[1], "-".repeat(66));
        assert_eq!(lines[2], "lhist                                    61             1000");
        assert_eq!(lines[3], "sum                                      1200           1000");
        let mut line = Vec::new();
        json(&mut line, &row("a", 43, true)).expect("memory takes it");
        let expected = "{\"type\": \"benchmark_result\", \"data\": {\"a\": {\"average\": 43, \"iters\": 1000}}}\n";
        assert_eq!(String::from_utf8_lossy(&line), expected);
    }

    #[test]
    fn times_have_the_largest_unit() {
        assert_eq!(duration(999), (999, "ns"));
        assert_eq!(duration(1_000_000), (1, "ms"));
        assert_eq!(duration(2_999_999_999), (2, "s"));
    }
}
