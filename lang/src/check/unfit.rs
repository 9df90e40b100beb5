//! What has no meaning at a packet: it belongs to no process, and is in no function that a script could ask about.
//!
//! Some of it the kernel would refuse with the number of a helper, some it would answer with whatever process it happens
//! to have interrupted. Either way the script's author is better told.

use super::{Checker, ProbeState};
use crate::builtins::BuiltinId;
use crate::diag::Diagnostic;
use crate::functions::FunctionId;
use crate::span::Span;

/// Why something cannot be had.
#[derive(Clone, Copy)]
enum Lacks {
    /// It is of a process.
    Process,
    /// It is of a stack.
    Stack,
    /// It is of the registers of a traced place.
    Registers,
}

fn of_builtin(id: BuiltinId) -> Option<Lacks> {
    use BuiltinId as B;
    match id {
        B::Pid | B::Tid | B::Uid | B::Gid | B::Comm | B::Cgroup | B::Curtask | B::Username => Some(Lacks::Process),
        B::Usermode => Some(Lacks::Registers),
        _ => None,
    }
}

fn of_function(id: FunctionId) -> Option<Lacks> {
    use FunctionId as F;
    match id {
        F::Pid | F::Tid | F::Ppid | F::Pcomm | F::LeaderTid | F::LeaderComm => Some(Lacks::Process),
        F::Comm | F::Usym | F::Uptr | F::Join | F::WriteUser | F::Signal | F::SignalThread => Some(Lacks::Process),
        F::Kstack | F::Ustack | F::DwUstack => Some(Lacks::Stack),
        F::Reg => Some(Lacks::Registers),
        _ => None,
    }
}

impl Checker<'_> {
    /// Whether a builtin can be had here, which is told if not.
    pub fn builtin_fits(&mut self, state: &ProbeState<'_>, id: BuiltinId, name: &str, span: Span) -> bool {
        self.fits(state, of_builtin(id), name, span)
    }

    /// Whether a function can be called here, which is told if not.
    pub fn function_fits(&mut self, state: &ProbeState<'_>, id: FunctionId, name: &str, span: Span) -> bool {
        self.fits(state, of_function(id), name, span)
    }

    fn fits(&mut self, state: &ProbeState<'_>, lacks: Option<Lacks>, name: &str, span: Span) -> bool {
        let Some(lacks) = lacks else { return true };
        let Some(point) = state.header.points.iter().find(|point| point.attach.is_packet()) else { return true };
        let kind = point.name.split(':').next().unwrap_or_default();
        let (reason, help) = match lacks {
            Lacks::Process => (
                "a packet belongs to no process, and whatever runs when it is handled has nothing to do with it",
                "cgroup_skb:PATH:egress sees what the processes of one control group send",
            ),
            Lacks::Stack => (
                "the kernel gives no stack to programs that see packets",
                "tracepoint:net:netif_receive_skb and tracepoint:net:net_dev_queue have stacks",
            ),
            Lacks::Registers => ("there is no traced place whose registers could be read", "use a kprobe or uprobe"),
        };
        let title = format!("{name} can not be used with '{kind}' probes");
        self.report(Diagnostic::error(span, title).with_label(reason).with_help(help));
        false
    }
}
