//! Why a run failed, in terms of the script where that is possible.

mod packets;

use crate::args::Args;
use crate::report::{Reporter, in_words};
use crate::run::{Failed, fail};
use codegen::object::Object;
use lang::check::missing;
use lang::config::MissingProbes;
use lang::probes::net::XdpMode;
use lang::probes::perf::Source as PerfSource;
use lang::target::{Attach, TargetError};
use lang::{Diagnostic, SourceMap};
use probes_ebpf::target::explain_function;
use runtime::attach::AttachError;
use runtime::load::{LoadError, Refusal};
use runtime::session::RunError;
use std::io;

/// Says it.
pub fn explain<T>(
    error: &RunError,
    object: &Object,
    args: &Args,
    sources: &SourceMap,
    reporter: &Reporter,
) -> Result<T, Failed> {
    match error {
        RunError::Load(LoadError::Refused { refusal, error })
            if refusal.is_of_function(&object.programs[refusal.index]) =>
        {
            not_attached(
                &AttachError::not_loaded(&object.programs[refusal.index], refusal, error),
                args,
                sources,
                reporter,
            );
            Err(Failed)
        }
        RunError::Load(LoadError::Refused { refusal, error }) if error.raw_os_error() == Some(libc::EPERM) => {
            reporter.show(sources, &not_permitted(refusal, object));
            Err(Failed)
        }
        RunError::Load(LoadError::Refused { refusal, error }) => {
            reporter.show(sources, &refused(refusal, error, object));
            if args.verbose {
                reporter.note(&refusal.log);
            }
            Err(Failed)
        }
        RunError::Attach(failed) => {
            not_attached(failed, args, sources, reporter);
            Err(Failed)
        }
        RunError::NothingAttached => {
            reporter.note(&error.to_string());
            Err(Failed)
        }
        other => fail(reporter, &other.to_string(), None),
    }
}

/// Says why a probe could not be attached.
pub fn not_attached(failed: &AttachError, args: &Args, sources: &SourceMap, reporter: &Reporter) {
    let error = unattached(failed, args.unsafe_mode);
    for diagnostic in missing(failed.point.span, error, MissingProbes::Error) {
        reporter.show(sources, &diagnostic);
    }
}

/// A program that the kernel does not take from anybody, or not from us; that BPF as such is permitted is known by now.
fn not_permitted(refusal: &Refusal, object: &Object) -> Diagnostic {
    let point = &object.programs[refusal.index].points[0];
    let help = match &point.attach {
        Attach::Fentry { .. } | Attach::ProgramFentry { .. } => {
            "this kernel takes no programs for fentry and fexit (rtrace --info tells what it takes); is there a tracepoint, or a kprobe?"
        }
        Attach::Xdp { .. } | Attach::Tc { .. } | Attach::CgroupSkb { .. } | Attach::Socket { .. } => {
            "packets take CAP_NET_ADMIN, and socket CAP_NET_RAW; rtrace --info tells what the kernel takes"
        }
        _ => {
            "kernel lockdown, or a container's filter of system calls, says no to all; rtrace --info tells what the kernel takes"
        }
    };
    Diagnostic::error(point.span, "the kernel does not permit loading this program").with_help(help)
}

/// A program that the verifier refused.
fn refused(refusal: &Refusal, error: &io::Error, object: &Object) -> Diagnostic {
    let program = &object.programs[refusal.index];
    let point = &program.points[0];
    let span = refusal.slot.and_then(|slot| program.span_at(slot)).unwrap_or_default();
    if let Attach::Xdp { interface, mode: XdpMode::Offload, .. } = &point.attach {
        let why = packets::not_offloaded(interface, &in_words(&error.to_string()));
        return Diagnostic::error(point.span, why.title).with_maybe_help(why.help);
    }
    let reason = if refusal.reason.is_empty() { in_words(&error.to_string()) } else { refusal.reason.clone() };
    let help = match wants_known_pointer(&reason) {
        true => {
            "the kernel has to know what this points to: give it an argument of the event itself, or a variable that holds nothing else"
        }
        false => "-v shows the verifier's log, -d bpf the instructions; simpler keys and fewer branches may pass",
    };
    Diagnostic::error(span, format!("the kernel's verifier refuses the program for {}", program.points[0].name))
        .with_label(reason)
        .with_help(help)
}

/// Whether a helper was given an address of which the verifier does not know what is there: `R1 type=scalar
/// expected=ptr_, trusted_ptr_`, where `ptr_` is a pointer with a type.
fn wants_known_pointer(reason: &str) -> bool {
    let expected = reason.split_once(" expected=").map(|(_, expected)| expected);
    expected.is_some_and(|expected| expected.split(", ").any(|kind| kind == "ptr_"))
}

/// What the kernel says of an instruction that it cannot step over (include/linux/errno.h; user space has no name for
/// it).
const ENOTSUPP: i32 = 524;

/// What is said where there is no more to say.
fn unable(name: &str) -> String {
    format!("Unable to attach probe: {name}.")
}

/// Why a probe could not be attached. If `was_tried`, a function was asked for although nobody knows whether it is there.
fn unattached(failed: &AttachError, was_tried: bool) -> TargetError {
    let (name, code) = (failed.point.name.as_str(), failed.error.raw_os_error());
    let unable = |help: &str| TargetError::missing(unable(name), Some(help.to_owned()));
    match (&failed.point.attach, code) {
        (Attach::Kprobe { .. }, Some(libc::EILSEQ)) => TargetError::missing(
            "Possible attachment attempt in the middle of an instruction, try a different offset.",
            Some("a disassembler shows where instructions begin: objdump -d vmlinux".into()),
        ),
        (Attach::Kprobe { address: Some(_), .. }, Some(libc::EINVAL | libc::ENOENT | libc::EADDRNOTAVAIL)) => {
            unable("the kernel takes no probe at this address: it is in no function, or off limits")
        }
        (Attach::Kprobe { .. }, Some(libc::ENOENT | libc::EINVAL | libc::ESRCH | libc::EADDRNOTAVAIL)) => {
            explain_function(name, was_tried)
        }
        (Attach::Fentry { .. } | Attach::ProgramFentry { .. }, Some(libc::EPERM)) => unable(
            "the kernel permits no fentry and fexit here, as hardened and locked-down ones do; a kprobe may be permitted",
        ),
        // A function that ftrace knows nothing of is said to be in use.
        (Attach::Fentry { .. }, Some(libc::EBUSY | libc::ENOENT | libc::EINVAL | libc::ESRCH)) => {
            explain_function(name, was_tried)
        }
        (Attach::Fentry { .. } | Attach::ProgramFentry { .. }, Some(ENOTSUPP | libc::EOPNOTSUPP)) => {
            unable("the kernel cannot run programs at the entry of functions here; a kprobe may do")
        }
        (Attach::Uprobe { .. } | Attach::Usdt { .. }, Some(ENOTSUPP)) => {
            unable("the kernel cannot probe the instruction there; leave this function out of the pattern")
        }
        (Attach::Uprobe { .. } | Attach::Usdt { .. }, Some(libc::EINVAL)) => unable(
            "the kernel does not take it there; where a usdt probe has a semaphore, uprobe and usdt exclude each other, \
             in other tracers too",
        ),
        (Attach::PerfEvent { source: PerfSource::Hardware, .. }, Some(libc::ENOENT)) => {
            unable("the processor does not count this here; virtual machines often count nothing")
        }
        (Attach::Watchpoint(_), Some(libc::ENOSPC)) => {
            unable("all of the processor's debug registers are taken; x86-64 and most others have four")
        }
        (Attach::Watchpoint(_), Some(libc::EINVAL | libc::EPERM)) => {
            unable("the kernel does not let this memory be watched; addresses of a process need -p or -c")
        }
        (attach, _) if attach.is_packet() => packets::unattached(failed),
        _ => unable(failed.reason.as_deref().unwrap_or(&in_words(&failed.error.to_string()))),
    }
}

/// What is told of attach points that a script runs without: of each, if its config says that it may, else of those that
/// one pattern covers at once.
pub fn left_out(refused: &[AttachError], policy: MissingProbes) -> Vec<Diagnostic> {
    /// So many are named.
    const NAMED: usize = 3;
    if policy != MissingProbes::Error {
        let each = refused.iter().flat_map(|error| missing(error.point.span, unattached(error, false), policy));
        return each.collect();
    }
    let mut told = Vec::new();
    for group in refused.chunk_by(|a, b| a.point.span == b.point.span) {
        let mut names: Vec<&str> = group.iter().take(NAMED).map(|error| error.point.name.as_str()).collect();
        let more = format!("{} more", group.len() - names.len());
        if group.len() > names.len() {
            names.push(&more);
        }
        let title = format!("Unable to attach probe: {}. Skipping.", names.join(", "));
        let help = unattached(&group[0], false).help;
        told.push(Diagnostic::warning(group[0].point.span, title).with_maybe_help(help));
    }
    told
}
