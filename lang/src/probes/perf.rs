//! Events that perf counts: what software and the processor offer, by name, and how often a probe on them fires.

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Counted by the kernel.
    Software,
    /// Counted by the processor.
    Hardware,
}

/// An event that perf counts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// As printed in lists.
    pub name: &'static str,
    /// Another spelling, or nothing.
    pub alias: &'static str,
    /// Its number in `perf_event_attr.config` (include/uapi/linux/perf_event.h).
    pub config: u64,
    /// After how many events a probe fires that does not say.
    pub default_count: u64,
}

const fn row(name: &'static str, alias: &'static str, config: u64, default_count: u64) -> Event {
    Event { name, alias, config, default_count }
}

/// `PERF_TYPE_SOFTWARE`
static SOFTWARE: &[Event] = &[
    row("alignment-faults", "", 7, 1),
    row("bpf-output", "", 10, 1),
    row("context-switches", "cs", 3, 1000),
    row("cpu-clock", "cpu", 0, 1_000_000),
    row("cpu-migrations", "", 4, 1),
    row("dummy", "", 9, 1),
    row("emulation-faults", "", 8, 1),
    row("major-faults", "", 6, 1),
    row("minor-faults", "", 5, 100),
    row("page-faults", "faults", 2, 100),
    row("task-clock", "", 1, 1),
];

/// `PERF_TYPE_HARDWARE`
static HARDWARE: &[Event] = &[
    row("backend-stalls", "", 8, 1_000_000),
    row("branch-instructions", "branches", 4, 100_000),
    row("branch-misses", "", 5, 100_000),
    row("bus-cycles", "", 6, 100_000),
    row("cache-misses", "", 3, 1_000_000),
    row("cache-references", "", 2, 1_000_000),
    row("cpu-cycles", "cycles", 0, 1_000_000),
    row("frontend-stalls", "", 7, 1_000_000),
    row("instructions", "", 1, 1_000_000),
    row("ref-cycles", "", 9, 1_000_000),
];

impl Source {
    /// The events there are, by name.
    pub fn events(self) -> &'static [Event] {
        match self {
            Self::Software => SOFTWARE,
            Self::Hardware => HARDWARE,
        }
    }

    /// The event of this name or alias.
    pub fn event(self, name: &str) -> Option<&'static Event> {
        self.events().iter().find(|event| !name.is_empty() && (event.name == name || event.alias == name))
    }
}

/// How often a sampling event fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// After so many events (nanoseconds, for clocks).
    Period(u64),
    /// So many times a second.
    Hertz(u64),
}

impl Rate {
    /// Nanoseconds from one run to the next.
    pub fn period_ns(self) -> u64 {
        match self {
            Self::Period(ns) => ns,
            Self::Hertz(rate) => 1_000_000_000 / rate.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_unique_and_sorted() {
        for source in [Source::Software, Source::Hardware] {
            assert!(source.events().is_sorted_by(|a, b| a.name < b.name));
            let mut all: Vec<_> =
                source.events().iter().flat_map(|e| [e.name, e.alias]).filter(|n| !n.is_empty()).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
        }
        assert_eq!(Source::Software.event("faults").map(|event| event.config), Some(2));
        assert_eq!(Source::Hardware.event("faults"), None);
        assert_eq!(Source::Hardware.event(""), None);
    }
}
