//! Which functions of the kernel a program may call, as the kernel itself says.
//!
//! The kernel keeps a list for each kind of program, and tells what is on it only when a program is loaded.

use crate::asking::{self, Answer, Call, Sort};
use lang::target::ProgramType;

/// `BPF_PROG_TYPE_TRACING`, and its `BPF_TRACE_RAW_TP`
const TRACING: u32 = 26;
const TRACE_RAW_TP: u32 = 23;

/// Whether programs of this type may call the function with this BTF id. A program whose event has a BTF type must be
/// for one, which can be any: `event` is the BTF id of a raw tracepoint.
pub fn may_call(name: &str, id: u32, program: ProgramType, event: u32) -> bool {
    use ProgramType as P;
    let untyped = |program| Sort { program, ..Sort::default() };
    let sort = match program {
        P::Kprobe | P::KprobeMulti | P::KprobeSession | P::UprobeMulti => untyped(2),
        P::Tracepoint => untyped(5),
        P::PerfEvent => untyped(7),
        P::SocketFilter => untyped(1),
        P::Tc => untyped(3),
        P::Xdp => untyped(6),
        P::CgroupSkb => untyped(8),
        P::RawTracepoint => untyped(17),
        P::BtfTracepoint | P::Fentry | P::Fexit | P::Iter => {
            Sort { program: TRACING, attach: TRACE_RAW_TP, target: event }
        }
    };
    asking::may_call(sort, Call::Function(id, name)) == Answer::Yes
}
