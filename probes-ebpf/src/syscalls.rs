//! System calls: from the name in a probe to the number in a register, and back.
//!
//! A call has two names. Events (`tracepoint:syscalls:sys_enter_newfstat`) are named after the C function that
//! implements it (`sys_newfstat`); manual pages, strace and the kernel's table say `fstat`. Lookups here go by event
//! name first, since that is what probes say, and [`Syscall::table_name`] gives the other one. The tables are per
//! architecture in [`crate::arch`]; which of the events the running kernel offers is tracefs's to say.

use crate::arch::Arch;

/// One system call of one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// The name in events and, after `sys_`, of the C function.
    pub event_name: &'static str,
    /// The name in the kernel's table and in manual pages.
    pub table_name: &'static str,
    /// The number, as found in `args->id` of `raw_syscalls:sys_enter`.
    pub number: u16,
}

/// Which end of a system call an event stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// `sys_enter_*`: before the call.
    Enter,
    /// `sys_exit_*`: after it.
    Exit,
}

/// Splits the event part of `tracepoint:syscalls:<event>`: `sys_enter_openat` is the entry of `openat`.
///
/// The name may hold wildcards; it is not looked up.
pub fn split_event(event: &str) -> Option<(Edge, &str)> {
    let enter = event.strip_prefix("sys_enter_").map(|name| (Edge::Enter, name));
    enter.or_else(|| event.strip_prefix("sys_exit_").map(|name| (Edge::Exit, name)))
}

/// The system call whose events are named `name`: `newfstat`, not `fstat`.
pub fn by_event_name(arch: &'static Arch, name: &str) -> Option<Syscall> {
    let at = arch.syscalls.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    Some(describe(arch, arch.syscalls[at]))
}

/// The system call that manual pages call `name`: `fstat`, not `newfstat`.
pub fn by_table_name(arch: &'static Arch, name: &str) -> Option<Syscall> {
    let renamed = arch.syscall_table_names.iter().find(|(_, table)| *table == name);
    by_event_name(arch, renamed.map_or(name, |(event, _)| event)).filter(|call| call.table_name == name)
}

/// The system call with this number. A scan over some 370 entries: fit for rendering, not for a loop over events.
pub fn by_number(arch: &'static Arch, number: u16) -> Option<Syscall> {
    arch.syscalls.iter().find(|(_, known)| *known == number).map(move |entry| describe(arch, *entry))
}

/// All system calls of `arch`, sorted by event name.
pub fn all(arch: &'static Arch) -> impl Iterator<Item = Syscall> {
    arch.syscalls.iter().map(move |entry| describe(arch, *entry))
}

fn describe(arch: &'static Arch, (event_name, number): (&'static str, u16)) -> Syscall {
    let renamed = arch.syscall_table_names.iter().find(|(event, _)| *event == event_name);
    Syscall { event_name, table_name: renamed.map_or(event_name, |(_, table)| table), number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{self, aarch64, x86_64};
    use crate::tracefs::Tracefs;

    #[test]
    fn both_names_lead_to_the_number() {
        let stat = Syscall { event_name: "newfstat", table_name: "fstat", number: 5 };
        assert_eq!(by_event_name(&x86_64::ARCH, "newfstat"), Some(stat));
        assert_eq!(by_table_name(&x86_64::ARCH, "fstat"), Some(stat));
        assert_eq!(by_number(&x86_64::ARCH, 5), Some(stat));
        assert_eq!(by_event_name(&x86_64::ARCH, "fstat"), None);
        assert_eq!(by_table_name(&x86_64::ARCH, "newfstat"), None);
        assert_eq!(by_event_name(&aarch64::ARCH, "openat").map(|call| call.number), Some(56));
        assert_eq!(by_event_name(&x86_64::ARCH, "openat").map(|call| call.number), Some(257));
    }

    #[test]
    fn renames_name_known_calls() {
        for arch in arch::ALL {
            for (event, table) in arch.syscall_table_names {
                let call = by_event_name(arch, event);
                assert_eq!(call.map(|call| call.table_name), Some(*table), "{}: {event}", arch.name);
                assert_eq!(by_table_name(arch, table), call);
            }
        }
    }

    #[test]
    fn an_event_name_has_an_edge() {
        assert_eq!(split_event("sys_enter_openat"), Some((Edge::Enter, "openat")));
        assert_eq!(split_event("sys_exit_*"), Some((Edge::Exit, "*")));
        assert_eq!(split_event("sched_switch"), None);
    }

    /// The events of the running kernel are the ones its table has, unless a kernel newer than our table runs.
    #[test]
    fn the_running_kernel_knows_no_other_events() {
        let Some(arch) = arch::native() else {
            return println!("skipped: no table for this architecture");
        };
        let tracefs = match Tracefs::open() {
            Ok(tracefs) => tracefs,
            Err(error) => return println!("skipped: {error}"),
        };
        let events = match tracefs.events("syscalls") {
            Ok(events) => events,
            Err(error) => return println!("skipped: {error}"),
        };
        let unknown: Vec<String> = events
            .map(|event| event.expect("listing of events"))
            .filter(|event| split_event(event).is_none_or(|(_, name)| by_event_name(arch, name).is_none()))
            .collect();
        if crate::kernel::release().is_some_and(|release| release.at_least(6, 19)) {
            return println!("skipped: kernel newer than the table; it lacks {unknown:?}");
        }
        assert_eq!(unknown, Vec::<String>::new(), "events without a number");
    }
}
