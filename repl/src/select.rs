//! Which of a script's probes are run.

use crate::report::Reporter;
use crate::run::{Failed, fail};
use codegen::object::Object;
use lang::target::Attach;
use lang::typed::Program;
use runtime::session;

/// Leaves out the attach points that the filter does not match, as if the script had not named them.
pub fn by_name(program: &mut Program, filter: &str, reporter: &Reporter) -> Result<(), Failed> {
    let regex = match regex_lite::Regex::new(filter) {
        Ok(regex) => regex,
        Err(error) => return fail(reporter, &format!("Invalid --probe-filter regex '{filter}': {error}"), None),
    };
    for probe in &mut program.probes {
        let stays = |attach: &Attach| matches!(attach, Attach::Begin | Attach::End | Attach::Signal);
        probe.points.retain(|point| stays(&point.attach) || regex.is_match(&point.name));
    }
    program.probes.retain(|probe| !probe.points.is_empty());
    Ok(())
}

/// Leaves in a program what is run in this mode. Tests and benchmarks are nothing to a script that traces, and what it
/// would attach to is nothing to them. A filter has taken away what its names do not match.
pub fn by_mode(
    program: &mut Program,
    mode: session::Mode,
    filter: Option<&str>,
    reporter: &Reporter,
) -> Result<(), Failed> {
    let has = |program: &Program, wanted: &Attach| {
        program.probes.iter().flat_map(|probe| &probe.points).any(|point| point.attach == *wanted)
    };
    let (has_tests, has_benchmarks) = (has(program, &Attach::Test), has(program, &Attach::Bench));
    let runs = |attach: &Attach| match (mode, attach) {
        (_, Attach::Begin | Attach::End) => true,
        (session::Mode::Trace, attach) => !matches!(attach, Attach::Test | Attach::Bench),
        (session::Mode::Test, attach) => *attach == Attach::Test,
        (session::Mode::Bench, attach) => *attach == Attach::Bench,
    };
    for probe in &mut program.probes {
        probe.points.retain(|point| runs(&point.attach));
    }
    program.probes.retain(|probe| !probe.points.is_empty());
    let nothing = program.probes.is_empty();
    match mode {
        session::Mode::Trace if nothing && has_tests => {
            return fail(reporter, "No probes attached; use --test to run test probes.", None);
        }
        session::Mode::Trace if nothing && has_benchmarks => {
            return fail(reporter, "No probes attached; use --bench to run benchmark probes.", None);
        }
        session::Mode::Test if !has_tests => reporter.warning(&nothing_to_run("tests", "test", filter)),
        session::Mode::Bench if !has_benchmarks => reporter.warning(&nothing_to_run("benchmarks", "bench", filter)),
        _ => {}
    }
    Ok(())
}

fn nothing_to_run(what: &str, provider: &str, filter: Option<&str>) -> String {
    match filter {
        Some(filter) => format!("there are no {what} to run that --probe-filter '{filter}' matches"),
        None => format!("there are no {what} to run; write one as {provider}:NAME {{ ... }}"),
    }
}

/// Refuses before anything is compiled what is far more than the config allows: tables for the names of all functions of
/// the kernel take their time. An entry and a return may still become one.
pub fn check_count(program: &Program, reporter: &Reporter) -> Result<(), Failed> {
    let points = program.probes.iter().flat_map(|probe| &probe.points);
    let (probes, most) = (points.filter(|point| point.attach.is_a_probe()).count() as u64, program.config.max_probes);
    if probes / 2 > most { too_many(probes, most, reporter) } else { Ok(()) }
}

fn too_many(probes: u64, most: u64, reporter: &Reporter) -> Result<(), Failed> {
    let title = format!("Can't attach to {probes} probes because it exceeds the current limit of {most} probes.");
    let help = "You can increase the limit through the BPFTRACE_MAX_PROBES environment variable or max_probes in the \
                config, but BE CAREFUL since a high number of probes attached can cause your system to crash.";
    fail(reporter, &title, Some(help))
}

/// Refuses what would attach to nothing, or to more than the config allows.
pub fn check(object: &Object, config: &lang::config::Config, reporter: &Reporter) -> Result<(), Failed> {
    let points = object.programs.iter().flat_map(|program| &program.points);
    let (probes, most) = (points.filter(|point| point.attach.is_a_probe()).count() as u64, config.max_probes);
    if probes == 0 {
        reporter.note("No probes to attach");
        return Err(Failed);
    }
    if probes > most { too_many(probes, most, reporter) } else { Ok(()) }
}
