//! What a suite said, as numbers: read from the text of Rust's test harness and from the skip log.
//!
//! A suite is one run of test executables on one kernel. The harness counts a skipped case as passed, so the skips
//! are taken out of the passed ones here; a suite that ended badly without naming a failed case counts one failure.

use std::collections::BTreeSet;
use std::fmt;

/// One run of test executables on one kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Suite {
    /// Cases that ran and passed.
    pub passed: usize,
    /// Cases that failed, and one more for an end that no case accounts for.
    pub failed: usize,
    /// Cases that did not run, with the reason.
    pub skipped: Vec<Skip>,
    /// The names of failed cases.
    pub failures: Vec<String>,
    /// The names of cases that passed, without the name of their executable.
    ok: BTreeSet<String>,
}

/// What stands for the cases of a suite that could not run at all.
pub const WHOLE: &str = "the whole suite";

/// A case that did not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// Its path, with the name of the test executable.
    pub case: String,
    /// Why.
    pub reason: String,
}

/// How a suite ended, apart from its cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ran to its end, well or with failed cases: this was its exit status.
    Exit(i32),
    /// It could not run here; why. This is no failure.
    NotRun(String),
    /// It broke off; why.
    Broken(String),
}

impl Suite {
    /// Reads the harness's output, the skip log and how it ended.
    pub fn read(log: &str, skips: &str, ending: &Ending) -> Suite {
        let mut suite = Suite { skipped: read_skips(skips), ..Suite::default() };
        let from_log = suite.skipped.len();
        let mut ran = 0;
        for line in log.lines() {
            if let Some(counts) = line.trim_start().strip_prefix("test result: ") {
                ran += number_before(counts, " passed");
                suite.failed += number_before(counts, " failed");
            } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
                suite.failures.push(name.to_owned());
            } else if let Some(name) = passed(line) {
                suite.ok.insert(name.to_owned());
            } else if let Some((name, reason)) = ignored(line) {
                suite.skipped.push(Skip { case: name.to_owned(), reason: reason.to_owned() });
            }
        }
        suite.passed = ran.saturating_sub(from_log);
        match ending {
            Ending::Exit(0) if ran < from_log => suite.blame("more cases were skipped than ran"),
            Ending::Exit(0) => {}
            Ending::Exit(status) if suite.failed == 0 => suite.blame(&format!("exit status {status}")),
            Ending::Exit(_) => {}
            Ending::Broken(why) => suite.blame(why),
            Ending::NotRun(why) => suite.skipped.push(Skip { case: WHOLE.to_owned(), reason: why.clone() }),
        }
        suite
    }

    /// Whether this case, named as in a skip log, ran here: it was reported as passed or failed, and not skipped.
    pub fn ran(&self, case: &str) -> bool {
        // The harness names a case without its executable.
        let name = case.split_once("::").map_or(case, |(_, name)| name);
        let reported = self.ok.contains(name) || self.failures.iter().any(|failure| failure == name);
        reported && !self.skipped.iter().any(|skip| skip.case == case)
    }

    fn blame(&mut self, why: &str) {
        self.failed += 1;
        self.failures.push(format!("(the suite itself: {why})"));
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len())
    }
}

/// `skipped: CASE: REASON` lines, each case once.
fn read_skips(text: &str) -> Vec<Skip> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("skipped: ")?.split_once(": "));
    let mut skips: Vec<Skip> =
        lines.map(|(case, reason)| Skip { case: case.to_owned(), reason: reason.to_owned() }).collect();
    skips.sort();
    skips.dedup_by(|a, b| a.case == b.case);
    skips
}

/// `test NAME ... ok`. Something may have been written in between when cases run one by one, so that the `ok` is on a
/// later line: then the start of the line is what is left.
fn passed(line: &str) -> Option<&str> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let finished = !outcome.starts_with("FAILED") && !outcome.starts_with("ignored");
    finished.then(|| name.trim_end_matches(" - should panic"))
}

/// `test NAME ... ignored` and `test NAME ... ignored, REASON`.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match outcome.strip_prefix("ignored")? {
        "" => Some((name, "ignored")),
        reason => Some((name, reason.strip_prefix(", ")?)),
    }
}

/// The number in front of `word`: 12 in `ok. 12 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> usize {
    let Some((before, _)) = text.split_once(word) else {
        return 0;
    };
    before.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exit(status) => write!(f, "exit {status}"),
            Ending::NotRun(why) => write!(f, "not run: {why}"),
            Ending::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

impl Ending {
    /// Reads what `Display` writes. Anything else is a suite that never came to write its end.
    pub fn read(text: &str) -> Ending {
        let text = text.trim();
        if let Some(status) = text.strip_prefix("exit ").and_then(|status| status.parse().ok()) {
            Ending::Exit(status)
        } else if let Some(why) = text.strip_prefix("not run: ") {
            Ending::NotRun(why.to_owned())
        } else {
            let why = text.strip_prefix("broken: ").unwrap_or("it never ended");
            Ending::Broken(why.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
running 3 tests
test a ... ok
test slow ... ignored, takes an hour
test b ... FAILED
---- b stdout ----
thread 'b' panicked
test result: FAILED. 4 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s
running 0 tests
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn a_skipped_case_is_not_a_passed_one() {
        let skips = "skipped: light::a: no kprobes\nskipped: light::a: no kprobes\nskipped: light::c: no: colon\n";
        let suite = Suite::read(LOG, skips, &Ending::Exit(101));
        assert_eq!((suite.passed, suite.failed), (14, 1));
        assert_eq!(suite.failures, ["b"]);
        assert!(suite.ran("light::b") && !suite.ran("light::a") && !suite.ran("light::slow") && !suite.ran("light::c"));
        let cases: Vec<_> = suite.skipped.iter().map(|skip| (skip.case.as_str(), skip.reason.as_str())).collect();
        assert_eq!(cases, [("light::a", "no kprobes"), ("light::c", "no: colon"), ("slow", "takes an hour")]);
        assert_eq!(suite.to_string(), "14 passed, 1 failed, 3 skipped");
    }

    #[test]
    fn a_bad_end_without_a_failed_case_is_a_failure() {
        assert_eq!(Suite::read("error: could not compile", "", &Ending::Exit(101)).failed, 1);
        assert_eq!(Suite::read("", "", &Ending::Broken("kernel panic".to_owned())).failed, 1);
        assert_eq!(Suite::read("", "", &Ending::NotRun("no qemu".to_owned())).failed, 0);
        assert_eq!(Suite::read("", "skipped: a: b", &Ending::Exit(0)).failed, 1);
    }

    #[test]
    fn an_ending_reads_as_it_was_written() {
        for ending in [Ending::Exit(3), Ending::NotRun("no qemu".to_owned()), Ending::Broken("panic".to_owned())] {
            assert_eq!(Ending::read(&format!("{ending}\n")), ending);
        }
        assert_eq!(Ending::read(""), Ending::Broken("it never ended".to_owned()));
    }
}
