//! Why a run failed, in terms of the script where that is possible.

mod packets;

use crate::args::Args;
use crate::report::{Reporter, in_words};
use crate::run::{Failed, fail};
use codegen::object::Object;
use lang::probes::perf::Source as PerfSource;
use lang::target::Attach;
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
        RunError::Load(LoadError::Refused { error, .. }) if error.raw_os_error() == Some(libc::EPERM) => fail(
            reporter,
            "the kernel does not permit loading this program",
            Some(
                "run rtrace as root; in a container it also takes CAP_BPF and CAP_PERFMON; kernel lockdown and kernels without the needed program type say no to all",
            ),
        ),
        RunError::Load(LoadError::Refused { refusal, error }) => {
            reporter.show(sources, &refused(refusal, error, object));
            if args.verbose {
                reporter.note(&refusal.log);
            }
            Err(Failed)
        }
        RunError::Attach(failed) => {
            reporter.show(sources, &unattached(failed));
            Err(Failed)
        }
        other => fail(reporter, &other.to_string(), None),
    }
}

/// A program that the verifier refused.
fn refused(refusal: &Refusal, error: &io::Error, object: &Object) -> Diagnostic {
    let program = &object.programs[refusal.index];
    let span = refusal.slot.and_then(|slot| program.span_at(slot)).unwrap_or_default();
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

/// A probe that could not be attached.
fn unattached(failed: &AttachError) -> Diagnostic {
    let missing = matches!(
        failed.error.raw_os_error(),
        Some(libc::ENOENT | libc::EINVAL | libc::ESRCH | libc::EADDRNOTAVAIL | libc::EILSEQ)
    );
    match &failed.point.attach {
        Attach::Kprobe { .. } if missing => {
            let reason = explain_function(&failed.point.name);
            Diagnostic::error(failed.point.span, reason.title).with_maybe_help(reason.help)
        }
        Attach::Uprobe { .. } | Attach::Usdt { .. } if failed.error.raw_os_error() == Some(ENOTSUPP) => {
            Diagnostic::error(failed.point.span, format!("Unable to attach probe: {}.", failed.point.name))
                .with_help("the kernel cannot probe the instruction there; leave this function out of the pattern")
        }
        Attach::Uprobe { .. } | Attach::Usdt { .. } if failed.error.raw_os_error() == Some(libc::EINVAL) => {
            Diagnostic::error(failed.point.span, format!("Unable to attach probe: {}.", failed.point.name)).with_help(
                "the kernel does not take it there; where a usdt probe has a semaphore, uprobe and usdt exclude each \
                 other, in other tracers too",
            )
        }
        Attach::PerfEvent { source: PerfSource::Hardware, .. } if failed.error.raw_os_error() == Some(libc::ENOENT) => {
            Diagnostic::error(failed.point.span, format!("Unable to attach probe: {}.", failed.point.name))
                .with_help("the processor does not count this here; virtual machines often count nothing")
        }
        Attach::Watchpoint(_) if failed.error.raw_os_error() == Some(libc::ENOSPC) => {
            Diagnostic::error(failed.point.span, format!("Unable to attach probe: {}.", failed.point.name))
                .with_help("all of the processor's debug registers are taken; x86-64 and most others have four")
        }
        Attach::Watchpoint(_) if matches!(failed.error.raw_os_error(), Some(libc::EINVAL | libc::EPERM)) => {
            Diagnostic::error(failed.point.span, format!("Unable to attach probe: {}.", failed.point.name))
                .with_help("the kernel does not let this memory be watched; addresses of a process need -p or -c")
        }
        attach if attach.is_packet() => packets::unattached(failed),
        _ => Diagnostic::error(failed.point.span, in_words(&failed.to_string())),
    }
}
