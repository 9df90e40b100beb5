//! `report FOLDER`: adds up the suites whose logs lie in a folder, and ends with `N passed, N failed, N skipped`.
//!
//! Each suite left three files there: `NAME.log` (what its test executables printed), `NAME.skips` and `NAME.end`.
//! A case that was skipped on one kernel is shown with the kernels where it did run, and one that ran nowhere most
//! loudly of all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use rtrace_tests::tally::{Ending, Suite, WHOLE};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: report FOLDER");
        return ExitCode::from(2);
    };
    let suites = read_all(Path::new(&folder));
    if suites.is_empty() {
        println!("no suite left a log in {}", Path::new(&folder).display());
        println!("0 passed, 1 failed, 0 skipped");
        return ExitCode::FAILURE;
    }
    let mut total = (0, 0, 0);
    println!();
    for (name, suite) in &suites {
        println!("{name}: {suite}");
        for failure in &suite.failures {
            println!("  FAILED {failure}");
        }
        total = (total.0 + suite.passed, total.1 + suite.failed, total.2 + suite.skipped.len());
    }
    print_skips(&suites);
    println!("{} passed, {} failed, {} skipped", total.0, total.1, total.2);
    if total.1 == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_all(folder: &Path) -> BTreeMap<String, Suite> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let logs = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    logs.map(|log| {
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let ending = Ending::read(&read(&log.with_extension("end")));
        let suite = Suite::read(&read(&log), &read(&log.with_extension("skips")), &ending);
        // Not `file_stem`: a suite's name may end in a version, which has dots of its own.
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        (name.trim_end_matches(".log").to_owned(), suite)
    })
    .collect()
}

fn print_skips(suites: &BTreeMap<String, Suite>) {
    let mut nowhere = BTreeMap::new();
    for (name, suite) in suites.iter().filter(|(_, suite)| !suite.skipped.is_empty()) {
        println!("SKIPPED in {name}: {}", suite.skipped.len());
        for skip in &suite.skipped {
            let elsewhere: Vec<&str> =
                suites.iter().filter(|(_, other)| other.ran(&skip.case)).map(|s| s.0.as_str()).collect();
            match &elsewhere[..] {
                [] => {
                    println!("  {}: {}", skip.case, skip.reason);
                    if skip.case != WHOLE {
                        nowhere.insert(&skip.case, &skip.reason);
                    }
                }
                there => println!("  {}: {} (ran in {})", skip.case, skip.reason, there.join(", ")),
            }
        }
    }
    if !nowhere.is_empty() {
        println!("RAN NOWHERE: {} of these:", nowhere.len());
        nowhere.iter().for_each(|(case, reason)| println!("  {case}: {reason}"));
    }
}
