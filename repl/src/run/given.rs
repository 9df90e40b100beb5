//! What the command line gives a run: processes, a command, files, somebody who looks, and the rights to it all.

use super::{Failed, fail};
use crate::args::Args;
use crate::live::Aside;
use crate::report::Reporter;
use lang::typed::Program;
use probes_ebpf::kernel::{Capability, capabilities};
use runtime::child::Child;
use runtime::flame::GraphFile;
use runtime::output::{self, Output};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, LineWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Says at once what is missing, before the kernel says no in its own way.
pub fn check_privileges(reporter: &Reporter) -> Result<(), Failed> {
    let Some(held) = capabilities() else { return Ok(()) };
    let missing: Vec<&str> = [Capability::Bpf, Capability::Perfmon]
        .into_iter()
        .filter(|capability| !held.allows(*capability))
        .map(Capability::name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let title = format!("rtrace may not load BPF programs: {} missing", missing.join(" and "));
    let help = "run it as root, or give it the capabilities: setcap cap_bpf,cap_perfmon,cap_dac_read_search+ep $(which rtrace)";
    fail(reporter, &title, Some(help))
}

/// Takes the terminal for `--live`.
pub(super) fn aside(settings: output::Settings, interval: Duration, reporter: &Reporter) -> Result<Aside, Failed> {
    match Aside::open(settings, interval) {
        Ok(aside) => Ok(aside),
        Err(error) => fail(reporter, &format!("--live cannot have the terminal: {error}"), None),
    }
}

pub(super) fn child(args: &Args, is_watched: bool, reporter: &Reporter) -> Result<Option<Child>, Failed> {
    match args.command.as_deref().map(|command| Child::start(command, is_watched)) {
        None => Ok(None),
        Some(Ok(child)) => Ok(Some(child)),
        Some(Err(error)) => fail(reporter, &error.to_string(), None),
    }
}

/// What `capture("-")` writes to. Everything else that would go to standard output goes to standard error from then on,
/// also what commands write.
pub(super) fn packets_output(program: &Program, args: &Args, reporter: &Reporter) -> Result<Option<File>, Failed> {
    if args.dry_run || program.captures.iter().all(|capture| capture.path.is_some()) {
        return Ok(None);
    }
    if io::stdout().is_terminal() {
        let help = "pipe it to what reads packets, such as tcpdump -r -, or name a file";
        return fail(reporter, "capture(\"-\") writes packets to standard output, which is a terminal", Some(help));
    }
    let own = io::stdout().as_fd().try_clone_to_owned();
    match own.and_then(|own| Ok(rustix::stdio::dup2_stdout(io::stderr()).map(|()| own)?)) {
        Ok(own) => Ok(Some(File::from(own))),
        Err(error) => fail(reporter, &format!("cannot write to standard output: {error}"), None),
    }
}

/// The file of `--flamegraph`, which is written at the end.
pub(super) fn flame_graph(path: &Path, reporter: &Reporter) -> Result<GraphFile, Failed> {
    match GraphFile::create(path) {
        Ok(file) => Ok(file),
        Err(error) => fail(reporter, &format!("cannot write to {}: {error}", path.display()), None),
    }
}

/// The process of `-p`.
pub fn process(args: &Args, reporter: &Reporter) -> Result<Option<u32>, Failed> {
    args.pid.as_ref().map(|text| process_number(text, reporter)).transpose()
}

/// The processes of `--dwarf-pid`.
pub fn dwarf_pids(args: &Args, reporter: &Reporter) -> Result<Vec<u32>, Failed> {
    args.dwarf_pids.iter().map(|text| process_number(text, reporter)).collect()
}

fn process_number(text: &str, reporter: &Reporter) -> Result<u32, Failed> {
    /// `PID_MAX_LIMIT` (include/linux/threads.h)
    const MOST: u32 = 4 << 20;
    let title = match text.parse::<u32>() {
        Ok(number @ 1..=MOST) => return Ok(number),
        Ok(_) => format!("Pid out of range: {text}"),
        Err(_) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("Failed to parse pid: invalid trailing bytes: {text}")
        }
        Err(_) => format!("Failed to parse pid: invalid integer: {text}"),
    };
    fail(reporter, &title, None)
}

/// A descriptor that tells when the process has ended.
pub fn watch(number: u32, reporter: &Reporter) -> Result<OwnedFd, Failed> {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    match pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
        Some(Ok(process)) => Ok(process),
        _ => fail(reporter, &format!("there is no process {number}"), None),
    }
}

/// The output, which goes to a file if the command line names one.
pub fn open_output(
    args: &Args,
    shown_on: Box<dyn Write>,
    settings: output::Settings,
    reporter: &Reporter,
) -> Result<Box<dyn Output>, Failed> {
    /// Written out at the latest when this much has gathered, and whenever nothing more is there to be read.
    const BUFFER: usize = 64 << 10;
    let raw: Box<dyn Write> = match &args.output {
        None => shown_on,
        Some(path) => match File::create(path) {
            Ok(file) => Box::new(file),
            Err(error) => return fail(reporter, &format!("cannot write to {}: {error}", path.display()), None),
        },
    };
    let writer: Box<dyn Write> = match args.buffering.as_deref() {
        None | Some("full") => Box::new(BufWriter::with_capacity(BUFFER, raw)),
        Some("line") => Box::new(LineWriter::new(raw)),
        Some("none") => Box::new(Unbuffered(raw)),
        Some(_) => return fail(reporter, "USAGE: -B must be either full, line, or none.", None),
    };
    match output::FORMATS.iter().find(|row| row.name == args.format) {
        Some(row) => Ok((row.open)(writer, settings)),
        None => {
            let known: Vec<&str> = output::FORMATS.iter().map(|row| row.name).collect();
            let title = format!("Invalid output format \"{}\"", args.format);
            fail(reporter, &title, Some(&format!("there are {}", known.join(" and "))))
        }
    }
}

/// Hands on at once what is written, even where standard output would wait for the end of the line.
struct Unbuffered<W>(W);

impl<W: Write> Write for Unbuffered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.0.flush()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
