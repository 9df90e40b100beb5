//! `-l`: the probes of this machine, or those of a program.

use crate::args::Args;
use crate::prompt;
use crate::report::Reporter;
use crate::run::{Failed, process};
use crate::scripts;
use lang::ast::Script;
use lang::typed::Program;
use probes_ebpf::list::{Lister, Options};
use std::io::{self, BufWriter};
use std::path::Path;

/// What is to be listed.
pub enum Asked {
    /// The probes of the program that the arguments name.
    Program,
    /// What a pattern covers.
    Pattern(String),
}

/// So much is gathered before it is written: little enough that a reader sees the first probes at once.
const BUFFER: usize = 8 << 10;

/// What the arguments ask for.
pub fn asked(args: &Args, reporter: &Reporter) -> Result<Asked, Failed> {
    let mut words = args.words.iter().chain(&args.after_dashes);
    let Some(word) = words.next() else { return Ok(Asked::Pattern(String::new())) };
    if words.next().is_some() {
        reporter.plain("-l takes one pattern or file", Some("a pattern is given in quotes: rtrace -l 'kprobe:vfs_*'"));
        return Err(Failed);
    }
    if Path::new(word).exists() || scripts::find(word).is_some() {
        return Ok(Asked::Program);
    }
    if word.contains('.') && !word.contains([':', '*']) {
        reporter.warning(&format!(
            "It appears that '{word}' is a filename but the file does not exist. Treating '{word}' as a search pattern."
        ));
    }
    Ok(Asked::Pattern(word.clone()))
}

/// Lists what a pattern covers.
pub fn pattern(args: &Args, pattern: &str, reporter: &Reporter) -> Result<u8, Failed> {
    let process = process(args, reporter)?;
    list(args, process, reporter, |lister| lister.list(pattern))
}

/// Lists the attach points of a program; of those that are no events of the machine, such as `begin`, none.
pub fn program(args: &Args, process: Option<u32>, program: &Program, reporter: &Reporter) -> Result<u8, Failed> {
    let points = program.probes.iter().flat_map(|probe| &probe.points);

    list(args, process, reporter, |lister| points.map(|point| &point.name).try_for_each(|name| lister.point(name)))
}

/// Takes away what a listing does not need, so that it does not matter whether it is right.
pub fn without_bodies(script: &mut Script) {
    for probe in &mut script.probes {
        probe.predicate = None;
        probe.body.stmts.clear();
    }
}

/// Prints what the beginning of an attach point may become.
pub fn complete(args: &Args, beginning: &str, reporter: &Reporter) -> Result<u8, Failed> {
    match prompt::complete::print(beginning, &options(args, process(args, reporter)?)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            reporter.plain(&format!("cannot write: {error}"), None);
            Err(Failed)
        }
        _ => Ok(0),
    }
}

/// What the command line says of listings.
fn options(args: &Args, process: Option<u32>) -> Options {
    Options {
        process,
        arguments: args.verbose,
        functions: args.traceable_functions.clone(),
        debug_folders: args.debuginfo.clone(),
    }
}

fn list(
    args: &Args,
    process: Option<u32>,
    reporter: &Reporter,
    run: impl FnOnce(&mut Lister<'_>) -> io::Result<()>,
) -> Result<u8, Failed> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut lister = Lister::new(options(args, process), &mut out);
    let result = run(&mut lister);
    let warnings = lister.into_warnings();
    let result = result.and_then(|()| io::Write::flush(&mut out));
    // What could not be written is not tried again.
    let _ = out.into_parts();
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            reporter.plain(&format!("cannot write: {error}"), None);
            Err(Failed)
        }
        _ => {
            warnings.iter().for_each(|warning| reporter.warning(warning));
            Ok(0)
        }
    }
}
