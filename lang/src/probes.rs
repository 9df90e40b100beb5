//! The probe providers, one row each, and the meaning of an attach point's text.
//!
//! What a provider offers to a probe's body (arguments by name, by position) is data in its row, so no second `match`
//! over providers grows up elsewhere. Whether a machine has the named event is the target's business.

pub mod net;
pub mod perf;
mod point;

use net::{Direction, XdpMode};
use perf::{Rate, Source};
use std::ops::RangeInclusive;

pub use point::{parse_attach_point, without_name};

/// A family of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the rows below document each
pub enum ProviderId {
    Begin,
    End,
    Interval,
    Profile,
    Software,
    Hardware,
    Tracepoint,
    RawTracepoint,
    Kprobe,
    Kretprobe,
    Fentry,
    Fexit,
    Uprobe,
    Uretprobe,
    Usdt,
    Iter,
    Watchpoint,
    Xdp,
    Tc,
    CgroupSkb,
    Socket,
    SelfSignal,
    Test,
    Bench,
}

/// What the checker, the reference and completion know of a provider.
#[derive(Debug)]
pub struct Provider {
    /// Which one.
    pub id: ProviderId,
    /// As printed by `probe`.
    pub name: &'static str,
    /// Other spellings: short names and those of older scripts.
    pub aliases: &'static [&'static str],
    /// How an attach point is written.
    pub usage: &'static str,
    /// How many parts may follow the name.
    pub parts: RangeInclusive<usize>,
    /// Has `args.NAME`.
    pub named_args: bool,
    /// One sentence.
    pub doc: &'static str,
    /// A script that uses it and compiles.
    pub example: &'static str,
}

/// All providers.
pub static PROVIDERS: &[Provider] = &[
    Provider {
        id: ProviderId::Begin,
        name: "begin",
        aliases: &[],
        usage: "begin",
        parts: 0..=0,
        named_args: false,
        doc: "Runs once, before all other probes are attached.",
        example: "begin { printf(\"tracing, end with Ctrl-C\\n\"); }",
    },
    Provider {
        id: ProviderId::End,
        name: "end",
        aliases: &[],
        usage: "end",
        parts: 0..=0,
        named_args: false,
        doc: "Runs once, after all other probes are detached.",
        example: "end { printf(\"done\\n\"); }",
    },
    Provider {
        id: ProviderId::Interval,
        name: "interval",
        aliases: &["i"],
        usage: "interval:UNIT:COUNT, with the unit hz, s, ms or us; or interval:DURATION such as interval:5ms",
        parts: 1..=2,
        named_args: false,
        doc: "Runs at a fixed rate, on one CPU.",
        example: "interval:s:1 { print(@n); @n++; }",
    },
    Provider {
        id: ProviderId::Profile,
        name: "profile",
        aliases: &["p"],
        usage: "profile:UNIT:COUNT, with the unit hz, s, ms or us; or profile:DURATION such as profile:5ms",
        parts: 1..=2,
        named_args: false,
        doc: "Runs at a fixed rate on each CPU, in whatever runs there.",
        example: "profile:hz:99 { @[comm] = count(); }",
    },
    Provider {
        id: ProviderId::Software,
        name: "software",
        aliases: &["s"],
        usage: "software:EVENT:COUNT, such as software:faults:100",
        parts: 1..=2,
        named_args: false,
        doc: "Runs each time the kernel has counted so many events of a kind.",
        example: "software:faults:100 { @[comm] = count(); }",
    },
    Provider {
        id: ProviderId::Hardware,
        name: "hardware",
        aliases: &["h"],
        usage: "hardware:EVENT:COUNT, such as hardware:cache-misses:1000000",
        parts: 1..=2,
        named_args: false,
        doc: "Runs each time a processor has counted so many events of a kind.",
        example: "hardware:cache-misses:1000000 { @[pid] = count(); }",
    },
    Provider {
        id: ProviderId::Tracepoint,
        name: "tracepoint",
        aliases: &["t"],
        usage: "tracepoint:CATEGORY:EVENT",
        parts: 2..=2,
        named_args: true,
        doc: "Runs at an event that the kernel's authors placed, with its fields as `args.NAME`.",
        example: "tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)); }",
    },
    Provider {
        id: ProviderId::RawTracepoint,
        name: "rawtracepoint",
        aliases: &["rt"],
        usage: "rawtracepoint:EVENT or rawtracepoint:MODULE:EVENT",
        parts: 1..=2,
        named_args: true,
        doc: "Runs at the same events as a tracepoint, with the kernel's own arguments instead of a record.",
        example: "rawtracepoint:sys_exit { @[arg1] = count(); }",
    },
    Provider {
        id: ProviderId::Kprobe,
        name: "kprobe",
        aliases: &["k"],
        usage: "kprobe:FUNCTION, kprobe:FUNCTION+OFFSET, kprobe:MODULE:FUNCTION or, with --unsafe, kprobe:ADDRESS",
        parts: 1..=2,
        named_args: false,
        doc: "Runs when a kernel function is entered; `kprobe:sys_NAME` stands for the system call NAME.",
        example: "kprobe:vfs_read { @bytes = hist(arg2); }",
    },
    Provider {
        id: ProviderId::Kretprobe,
        name: "kretprobe",
        aliases: &["kr"],
        usage: "kretprobe:FUNCTION or kretprobe:MODULE:FUNCTION",
        parts: 1..=2,
        named_args: false,
        doc: "Runs when a kernel function returns, with its value as `retval`.",
        example: "kretprobe:vfs_read { @bytes = hist(retval); }",
    },
    Provider {
        id: ProviderId::Fentry,
        name: "fentry",
        aliases: &["f", "kfunc"],
        usage: "fentry:FUNCTION, fentry:MODULE:FUNCTION or fentry:bpf:PROGRAM",
        parts: 1..=3,
        named_args: true,
        doc: "Runs when a kernel function is entered, with its parameters as `args.NAME`; quicker than a kprobe.",
        example: "fentry:vfs_read { @bytes = hist(args.count); }",
    },
    Provider {
        id: ProviderId::Fexit,
        name: "fexit",
        aliases: &["fr", "kretfunc"],
        usage: "fexit:FUNCTION, fexit:MODULE:FUNCTION or fexit:bpf:PROGRAM",
        parts: 1..=3,
        named_args: true,
        doc: "Runs when a kernel function returns, with its parameters as `args.NAME` and its value as `retval`.",
        example: "fexit:vfs_read { @bytes = hist(retval); }",
    },
    Provider {
        id: ProviderId::Uprobe,
        name: "uprobe",
        aliases: &["u"],
        usage: "uprobe:BINARY:FUNCTION, uprobe:BINARY:FUNCTION+OFFSET, uprobe:BINARY:ADDRESS or uprobe:BINARY@FILE:LINE",
        parts: 1..=3,
        named_args: true,
        doc: "Runs when a function of a program or library is entered, with its arguments as `args.NAME` where there is debug information.",
        example: "uprobe:libc:malloc { @bytes = hist(arg0); }",
    },
    Provider {
        id: ProviderId::Uretprobe,
        name: "uretprobe",
        aliases: &["ur"],
        usage: "uretprobe:BINARY:FUNCTION",
        parts: 1..=3,
        named_args: false,
        doc: "Runs when a function of a program or library returns, with its value as `retval`.",
        example: "uretprobe:libc:getenv { @found[retval != 0] = count(); }",
    },
    Provider {
        id: ProviderId::Usdt,
        name: "usdt",
        aliases: &["U"],
        usage: "usdt:BINARY:NAME or usdt:BINARY:PROVIDER:NAME",
        parts: 1..=3,
        named_args: false,
        doc: "Runs at a place that the authors of a program or library marked, with what they pass there as `arg0` and so on.",
        example: "usdt:/usr/bin/python3:function__entry { @[str(arg0), str(arg1)] = count(); }",
    },
    Provider {
        id: ProviderId::Iter,
        name: "iter",
        aliases: &["it"],
        usage: "iter:task, iter:task_file, iter:task_vma or iter:OBJECT:PIN",
        parts: 1..=2,
        named_args: false,
        doc: "Runs once for each object of a kind that the kernel has, such as each task.",
        example: "iter:task { @tasks = count(); }",
    },
    Provider {
        id: ProviderId::Watchpoint,
        name: "watchpoint",
        aliases: &["w"],
        usage: "watchpoint:ADDRESS:LENGTH:MODE",
        parts: 3..=3,
        named_args: false,
        doc: "Runs when memory is written to (`w`), read or written (`rw`), or executed (`x`): 1, 2, 4 or 8 bytes.",
        example: "watchpoint:0x10000000:8:w { @[comm, ustack] = count(); }",
    },
    Provider {
        id: ProviderId::Xdp,
        name: "xdp",
        aliases: &[],
        usage: "xdp:INTERFACE, or xdp:INTERFACE:MODE with the mode native, skb or offload",
        parts: 1..=2,
        named_args: false,
        doc: "Runs for each packet that comes in by a network interface, before the kernel does anything with it.",
        example: "xdp:eth0 { @packets = count(); }",
    },
    Provider {
        id: ProviderId::Tc,
        name: "tc",
        aliases: &[],
        usage: "tc:INTERFACE:ingress or tc:INTERFACE:egress",
        parts: 2..=2,
        named_args: false,
        doc: "Runs for each packet that comes in or goes out by a network interface, where the kernel's traffic control sees it.",
        example: "tc:eth0:egress { @packets = count(); }",
    },
    Provider {
        id: ProviderId::CgroupSkb,
        name: "cgroup_skb",
        aliases: &[],
        usage: "cgroup_skb:PATH:ingress or cgroup_skb:PATH:egress",
        parts: 2..=2,
        named_args: false,
        doc: "Runs for each IP packet that the sockets of a control group's processes get or send.",
        example: "cgroup_skb:/sys/fs/cgroup:ingress { @packets = count(); }",
    },
    Provider {
        id: ProviderId::Socket,
        name: "socket",
        aliases: &[],
        usage: "socket:INTERFACE",
        parts: 1..=1,
        named_args: false,
        doc: "Runs for each packet that comes in or goes out by a network interface, as a capture program sees it.",
        example: "socket:eth0 { @packets = count(); }",
    },
    Provider {
        id: ProviderId::SelfSignal,
        name: "self",
        aliases: &[],
        usage: "self:signal:SIGUSR1",
        parts: 2..=2,
        named_args: false,
        doc: "Runs when rtrace itself gets the signal.",
        example: "self:signal:SIGUSR1 { print(@n); @n++; }",
    },
    Provider {
        id: ProviderId::Test,
        name: "test",
        aliases: &[],
        usage: "test:NAME",
        parts: 1..=1,
        named_args: false,
        doc: "Runs once under --test, and fails if it returns another number than 0, exits with one, or tells an error.",
        example: "test:halves { if (7 / 2 != 3) { return 1; } }",
    },
    Provider {
        id: ProviderId::Bench,
        name: "bench",
        aliases: &[],
        usage: "bench:NAME",
        parts: 1..=1,
        named_args: false,
        doc: "Runs again and again under --bench, to measure how long it takes.",
        example: "bench:count { @ = count(); }",
    },
];

/// The provider of that name, in capitals or not, or alias: `u` and `U` are two.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|row| row.name.eq_ignore_ascii_case(name) || row.aliases.contains(&name))
}

impl ProviderId {
    /// Its row.
    pub fn row(self) -> &'static Provider {
        PROVIDERS.iter().find(|row| row.id == self).expect("every provider has a row")
    }
}

/// An attach point understood. Names may be patterns; see [`crate::glob`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Spec {
    /// `begin`
    Begin,
    /// `end`
    End,
    /// `interval:UNIT:COUNT`
    Interval {
        /// Nanoseconds between two runs.
        period_ns: u64,
    },
    /// `profile:UNIT:COUNT`
    Profile {
        /// By time.
        rate: Rate,
    },
    /// `software:EVENT:COUNT` or `hardware:EVENT:COUNT`
    PerfEvent {
        /// Which of the two.
        source: Source,
        /// The event.
        event: &'static perf::Event,
        /// Fires after so many.
        count: u64,
    },
    /// `tracepoint:CATEGORY:EVENT`
    Tracepoint {
        /// Such as `sched`.
        category: String,
        /// Such as `sched_switch`.
        event: String,
    },
    /// `rawtracepoint:[MODULE:]EVENT`
    RawTracepoint {
        /// The module that has it; `vmlinux` is the kernel proper.
        module: Option<String>,
        /// Such as `sched_switch`.
        event: String,
    },
    /// `kprobe:[MODULE:]FUNCTION[+OFFSET]` or `kretprobe:[MODULE:]FUNCTION`
    Kprobe {
        /// The module that has it; `vmlinux` is the kernel proper.
        module: Option<String>,
        /// The kernel function's symbol, or `sys_NAME`, or the digits of an address.
        function: String,
        /// Bytes from its beginning.
        offset: u64,
        /// A kretprobe.
        on_return: bool,
    },
    /// `fentry:[MODULE:]FUNCTION` or `fexit:[MODULE:]FUNCTION`
    Fentry {
        /// The module that has it; `vmlinux` is the kernel proper.
        module: Option<String>,
        /// The kernel function's symbol.
        function: String,
        /// An fexit.
        on_return: bool,
    },
    /// `fentry:bpf:[ID:]FUNCTION` or `fexit:bpf:[ID:]FUNCTION`
    ProgramFentry {
        /// The number of the BPF program that has it; without one, all that have it.
        program: Option<u32>,
        /// The function: of a program itself, that is its name.
        function: String,
        /// An fexit.
        on_return: bool,
    },
    /// `uprobe:BINARY:PLACE` or `uretprobe:BINARY:FUNCTION`
    Uprobe {
        /// A path, or the name of a program or library; without one, the traced process's program.
        binary: Option<String>,
        /// Where in it.
        place: Place,
        /// A uretprobe.
        on_return: bool,
    },
    /// `usdt:BINARY:[PROVIDER:]NAME`
    Usdt {
        /// A path, or the name of a program or library; without one, or with an empty one, all files of the traced
        /// process.
        binary: Option<String>,
        /// Whose probe it is; without one, anybody's.
        provider: Option<String>,
        /// The probe.
        name: String,
    },
    /// `iter:OBJECT[:PIN]`
    Iter {
        /// Such as `task`.
        over: String,
        /// The file that runs it when somebody reads it: a path, or a name in `/sys/fs/bpf`.
        pin: Option<String>,
    },
    /// `watchpoint:ADDRESS:LENGTH:MODE`
    Watchpoint(Watch),
    /// `xdp:INTERFACE[:MODE]`
    Xdp {
        /// Such as `eth0`.
        interface: String,
        /// Who is to run it.
        mode: XdpMode,
    },
    /// `tc:INTERFACE:DIRECTION`
    Tc {
        /// Such as `eth0`.
        interface: String,
        /// Which packets.
        direction: Direction,
    },
    /// `cgroup_skb:PATH:DIRECTION`
    CgroupSkb {
        /// The control group's directory.
        path: String,
        /// Which packets.
        direction: Direction,
    },
    /// `socket:INTERFACE`
    Socket {
        /// Such as `eth0`.
        interface: String,
    },
    /// `self:signal:SIGUSR1`
    SelfSignal,
    /// `test:NAME`
    Test {
        /// Unlike that of any other test.
        name: String,
    },
    /// `bench:NAME`
    Bench {
        /// Unlike that of any other benchmark.
        name: String,
    },
}

/// Memory that the processor watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    /// Where it begins.
    pub address: u64,
    /// Bytes of it: 1, 2, 4 or 8.
    pub length: u8,
    /// What is looked out for.
    pub access: Watched,
}

/// What a watchpoint looks out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    /// The memory is read.
    pub read: bool,
    /// It is written to.
    pub write: bool,
    /// An instruction there is executed.
    pub execute: bool,
}

impl Watched {
    /// As it is written.
    pub fn mode(self) -> String {
        let letters = [(self.read, 'r'), (self.write, 'w'), (self.execute, 'x')];
        letters.into_iter().filter_map(|(is, letter)| is.then_some(letter)).collect()
    }
}

/// A place in a program or library.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `FUNCTION[+OFFSET]`
    Symbol {
        /// The symbol.
        name: String,
        /// Bytes from its beginning.
        offset: u64,
    },
    /// `cpp:"FUNCTION"[+OFFSET]`, or with `rust`: a name tells by itself which of them it is.
    Cpp {
        /// The function as its author wrote it, in C++ with or without its parameters.
        name: String,
        /// Bytes from its beginning.
        offset: u64,
    },
    /// A virtual address, as the binary's own headers count.
    Address(u64),
    /// The first statement on a line of source, by the binary's debug information.
    Line {
        /// The end of the path of the file.
        file: String,
        /// From 1 on.
        line: u64,
        /// From 1 on; 0 is the whole line.
        column: u64,
    },
}

impl Spec {
    /// The provider it belongs to.
    pub fn provider(&self) -> ProviderId {
        match self {
            Self::Begin => ProviderId::Begin,
            Self::End => ProviderId::End,
            Self::Interval { .. } => ProviderId::Interval,
            Self::Profile { .. } => ProviderId::Profile,
            Self::PerfEvent { source: Source::Software, .. } => ProviderId::Software,
            Self::PerfEvent { source: Source::Hardware, .. } => ProviderId::Hardware,
            Self::Tracepoint { .. } => ProviderId::Tracepoint,
            Self::RawTracepoint { .. } => ProviderId::RawTracepoint,
            Self::Kprobe { on_return: false, .. } => ProviderId::Kprobe,
            Self::Kprobe { on_return: true, .. } => ProviderId::Kretprobe,
            Self::Fentry { on_return: false, .. } | Self::ProgramFentry { on_return: false, .. } => ProviderId::Fentry,
            Self::Fentry { on_return: true, .. } | Self::ProgramFentry { on_return: true, .. } => ProviderId::Fexit,
            Self::Uprobe { on_return: false, .. } => ProviderId::Uprobe,
            Self::Uprobe { on_return: true, .. } => ProviderId::Uretprobe,
            Self::Usdt { .. } => ProviderId::Usdt,
            Self::Iter { .. } => ProviderId::Iter,
            Self::Watchpoint(_) => ProviderId::Watchpoint,
            Self::Xdp { .. } => ProviderId::Xdp,
            Self::Tc { .. } => ProviderId::Tc,
            Self::CgroupSkb { .. } => ProviderId::CgroupSkb,
            Self::Socket { .. } => ProviderId::Socket,
            Self::SelfSignal => ProviderId::SelfSignal,
            Self::Test { .. } => ProviderId::Test,
            Self::Bench { .. } => ProviderId::Bench,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::AttachPoint;
    use crate::span::Span;

    fn parse(text: &str) -> Result<(Spec, String), String> {
        let point = AttachPoint { text: text.into(), span: Span::default() };
        parse_attach_point(&point).map_err(|d| match d.help {
            Some(help) => format!("{}; {help}", d.title),
            None => d.title,
        })
    }

    #[test]
    fn intervals_in_every_unit() {
        let ns = |text| match parse(text) {
            Ok((Spec::Interval { period_ns }, _)) => Ok(period_ns),
            Ok(other) => panic!("{other:?}"),
            Err(message) => Err(message),
        };
        assert_eq!(ns("interval:s:1"), Ok(1_000_000_000));
        assert_eq!(ns("interval:hz:100"), Ok(10_000_000));
        assert_eq!(ns("i:5ms"), Ok(5_000_000));
        assert_eq!(ns("interval:us:50"), Ok(50_000));
        assert_eq!(ns("interval:s:0").unwrap_err(), "interval frequency should be a positive integer");
        assert_eq!(ns("interval:x:1").unwrap_err(), "x is not an accepted unit of time; there are hz, s, ms and us");
        let no_count = ns("interval:s").unwrap_err();
        assert!(
            no_count.starts_with("Invalid rate of interval probe: invalid integer: s; write interval:"),
            "{no_count}"
        );
        assert!(ns("interval:s:99999999999999").is_err());
    }

    #[test]
    fn a_microsecond_is_the_shortest_time() {
        let told = |text| parse(text).err();
        for text in ["interval:1000", "interval:1us", "profile:1000ns", "interval:us:1", "profile:hz:1000000"] {
            assert_eq!(told(text), None, "{text}");
        }
        let title =
            |word, amount| format!("Invalid rate of {word} probe. Minimum is 1000 or 1us. Found: {amount} nanoseconds");
        let expected = title("interval", 5) + "; so many seconds are interval:s:5";
        assert_eq!(told("interval:5"), Some(expected));
        assert_eq!(told("profile:99"), Some(title("profile", 99) + "; so many times a second is profile:hz:99"));
        assert!(told("i:999ns").is_some_and(|told| told.starts_with(&title("interval", 999))));
        assert!(told("interval:0").is_some_and(|told| told.starts_with(&title("interval", 0))));
        let expected = "Invalid rate of interval probe. Maximum is 1000000 times a second";
        assert_eq!(told("interval:hz:1000001").as_deref(), Some(expected));
    }

    #[test]
    fn aliases_print_the_full_name() {
        assert_eq!(parse("BEGIN").unwrap(), (Spec::Begin, "begin".into()));
        assert_eq!(parse("t:sched:sched_switch").unwrap().1, "tracepoint:sched:sched_switch");
    }

    #[test]
    fn names_may_be_in_capitals_and_aliases_may_not() {
        assert_eq!(parse("End").unwrap(), (Spec::End, "end".into()));
        assert_eq!(parse("BENCH:Sums").unwrap().1, "bench:Sums");
        assert_eq!(parse("Interval:s:1").unwrap().1, "interval:s:1");
        assert!(parse("T:sched:sched_switch").is_err());
        assert!(parse("KFUNC:vfs_read").is_err());
    }

    #[test]
    fn a_name_may_stand_before_it() {
        assert_eq!(parse("first=begin").unwrap(), (Spec::Begin, "begin".into()));
        assert_eq!(parse("a-b.c=t:sched:sched_switch").unwrap().1, "tracepoint:sched:sched_switch");
        assert_eq!(parse("a=u:\"/x=y\":main").unwrap().1, "uprobe:/x=y:main");
        assert_eq!(parse("u:/x=y:main").unwrap().1, "uprobe:/x=y:main");
        assert!(parse("a=b=begin").unwrap_err().starts_with("Invalid probe type: b=begin"));
        assert!(parse("a=").unwrap_err().starts_with("Invalid probe type: "));
    }

    #[test]
    fn iterators_may_have_a_pin() {
        let iter = |over: &str, pin: Option<&str>| Spec::Iter { over: over.into(), pin: pin.map(str::to_owned) };
        assert_eq!(parse("it:task").unwrap(), (iter("task", None), "iter:task".into()));
        let named = (iter("task_file", Some("files")), "iter:task_file:files".into());
        assert_eq!(parse("iter:task_file:files").unwrap(), named);
        assert_eq!(parse("iter:task:/sys/fs/bpf/a").unwrap().0, iter("task", Some("/sys/fs/bpf/a")));
        assert_eq!(parse("iter:task:li*").unwrap_err(), "iter probe type does not support wildcards");
        assert_eq!(parse("iter:task:").unwrap_err(), "the pin of an iterator has no name; write iter:task:NAME");
    }

    #[test]
    fn a_near_miss_is_named() {
        assert_eq!(parse("tracepont:a:b").unwrap_err(), "Invalid probe type: tracepont; did you mean `tracepoint`?");
        assert_eq!(parse("beginn").unwrap_err(), "Invalid probe type: beginn; did you mean `begin`?");
        assert!(parse("kprobe").unwrap_err().contains("kprobe:FUNCTION"));
    }

    #[test]
    fn places_in_files_and_functions() {
        let symbol = |name: &str, offset| Place::Symbol { name: name.into(), offset };
        let place = |text: &str| match parse(text) {
            Ok((Spec::Uprobe { binary, place, .. }, _)) => Ok((binary.unwrap_or_default(), place)),
            Ok(other) => panic!("{other:?}"),
            Err(message) => Err(message),
        };
        assert_eq!(place("u:/bin/bash:main"), Ok(("/bin/bash".into(), symbol("main", 0))));
        assert_eq!(place("u:/bin/bash:\"main\"+0x10"), Ok(("/bin/bash".into(), symbol("main", 16))));
        assert_eq!(place("u:\"/a:b\":main"), Ok(("/a:b".into(), symbol("main", 0))));
        assert_eq!(place("u:libc:0x10"), Ok(("libc".into(), Place::Address(16))));
        assert_eq!(place("u:main"), Ok((String::new(), symbol("main", 0))));
        let line = |column| Place::Line { file: "src/b.c".into(), line: 12, column };
        assert_eq!(place("u:./a@src/b.c:12"), Ok(("./a".into(), line(0))));
        assert_eq!(place("u:./a@src/b.c:12:3"), Ok(("./a".into(), line(3))));
        assert_eq!(place("u:./a@b.c:x").unwrap_err(), "Invalid line or column: x");
        assert_eq!(place("u:./a@b.c:0").unwrap_err(), "Invalid line or column: 0");
        assert_eq!(place("u:@b.c:1").unwrap_err(), "a line of source is written BINARY@FILE:LINE");
        assert_eq!(place("ur:./a@b.c:1").unwrap_err(), "Source code location not allowed");
        assert_eq!(place("u:a:b+x").unwrap_err(), "Invalid offset: invalid integer: x");
        assert_eq!(place("u:a:b*+4").unwrap_err(), "Wildcards are not allowed with offsets");
        assert_eq!(place("ur:a:b+4").unwrap_err(), "Offset not allowed");
        assert_eq!(place("u::b").unwrap_err(), "uprobe should have a target");
        let cpp = |name: &str, offset| Ok(("./a".to_owned(), Place::Cpp { name: name.into(), offset }));
        assert_eq!(place("u:./a:cpp:\"ns::Foo::bar(int)\""), cpp("ns::Foo::bar(int)", 0));
        assert_eq!(place("u:./a:cpp:\"ns::*\""), cpp("ns::*", 0));
        assert_eq!(place("u:./a:cpp:main+0x10"), cpp("main", 16));
        assert_eq!(place("u:./a:cpp:\"operator+\""), cpp("operator+", 0));
        assert_eq!(place("u:./a:cpp:\"operator+(int)\"+4"), cpp("operator+(int)", 4));
        assert_eq!(place("u:./a:cpp:\"ns::*\"+4").unwrap_err(), "Wildcards are not allowed with offsets");
        assert_eq!(place("u:./a:cpp:").unwrap_err(), "uprobe should be attached to a function");
        assert_eq!(place("ur:./a:cpp:b+4").unwrap_err(), "Offset not allowed");
        assert_eq!(place("u:./a:rust:\"b::c\"+4"), cpp("b::c", 4));
        assert!(
            place("u:./a:ada:b").unwrap_err().starts_with("unsupported language type: ada; there are cpp and rust")
        );
        assert!(place("u:./a:cpp:ns::b").unwrap_err().ends_with("found 5; put the name in quotes: cpp:\"ns::b\""));
        assert!(place("u:").unwrap_err().starts_with("uprobe probe type requires 2 or 3 arguments, found 1"));
        assert!(place("u").unwrap_err().starts_with("uprobe probe type requires 2 or 3 arguments, found 0"));
    }

    #[test]
    fn marked_places() {
        let read = |text: &str| match parse(text) {
            Ok((Spec::Usdt { binary, provider, name }, _)) => Ok((binary, provider, name)),
            Ok(other) => panic!("{other:?}"),
            Err(message) => Err(message),
        };
        let probe = |binary: Option<&str>, provider: Option<&str>, name: &str| {
            Ok((binary.map(str::to_owned), provider.map(str::to_owned), name.to_owned()))
        };
        assert_eq!(read("usdt:./a:order"), probe(Some("./a"), None, "order"));
        assert_eq!(read("U:./a:shop:*"), probe(Some("./a"), Some("shop"), "*"));
        assert_eq!(read("usdt:./a::order"), probe(Some("./a"), None, "order"));
        assert_eq!(read("usdt::shop:order"), probe(Some(""), Some("shop"), "order"));
        assert_eq!(read("usdt:order"), probe(None, None, "order"));
        assert_eq!(read(r#"usdt:"/a:b":shop:"\"x\\y\"""#), probe(Some("/a:b"), Some("shop"), r#""x\y""#));
        assert_eq!(read("usdt:./a:").unwrap_err(), "usdt probe must have a target function or wildcard");
        assert!(read("usdt:").unwrap_err().starts_with("usdt probe type requires 2 or 3 arguments, found 1"));
        assert!(read("usdt:a:b:c:d").unwrap_err().starts_with("usdt probe type requires 2 or 3 arguments, found 4"));
    }

    #[test]
    fn where_packets_are_seen() {
        let xdp = |interface: &str, mode| Spec::Xdp { interface: interface.into(), mode };
        assert_eq!(parse("xdp:eth0").unwrap(), (xdp("eth0", XdpMode::Any), "xdp:eth0".into()));
        assert_eq!(parse("xdp:eth*:skb").unwrap(), (xdp("eth*", XdpMode::Skb), "xdp:eth*:skb".into()));
        assert_eq!(parse("xdp:eth0:nativ").unwrap_err(), "there is no XDP mode 'nativ'; did you mean native?");
        assert_eq!(parse("xdp:eth0:").unwrap_err(), "there is no XDP mode ''; there are native, skb, offload");
        assert!(parse("xdp:").unwrap_err().starts_with("xdp should have a network interface; write xdp:INTERFACE"));
        assert_eq!(
            parse("xdp:a-name-of-16-ch.").unwrap_err(),
            "a-name-of-16-ch. cannot be the name of a network interface"
        );
        let tc = Spec::Tc { interface: "br-1.2@3".into(), direction: Direction::Egress };
        assert_eq!(parse("tc:br-1.2@3:egress").unwrap().0, tc);
        assert_eq!(parse("tc:eth0:in").unwrap_err(), "tc takes ingress or egress, not 'in'; there are ingress, egress");
        assert_eq!(
            parse("tc:eth0:egres").unwrap_err(),
            "tc takes ingress or egress, not 'egres'; did you mean egress?"
        );
        assert!(parse("tc:eth0").unwrap_err().contains("write tc:INTERFACE:ingress or"));
        let group = Spec::CgroupSkb { path: "/sys/fs/cgroup/a.slice".into(), direction: Direction::Ingress };
        assert_eq!(parse("cgroup_skb:/sys/fs/cgroup/a.slice:ingress").unwrap().0, group);
        assert_eq!(parse("cgroup_skb::egress").unwrap_err(), "cgroup_skb should have a path");
        assert_eq!(parse("socket:lo").unwrap().0, Spec::Socket { interface: "lo".into() });
    }

    #[test]
    fn bpf_programs() {
        let program = |text| match parse(text) {
            Ok((Spec::ProgramFentry { program, function, on_return }, name)) => {
                Ok((program, function, on_return, name))
            }
            Ok(other) => panic!("{other:?}"),
            Err(message) => Err(message),
        };
        let all = |name: &str| Ok((None, name.to_owned(), false, format!("fentry:bpf:{name}")));
        assert_eq!(program("fentry:bpf:x_*"), all("x_*"));
        assert_eq!(program("f:bpf:*:x"), Ok((None, "x".into(), false, "fentry:bpf:*:x".into())));
        assert_eq!(program("fexit:bpf:12:*"), Ok((Some(12), "*".into(), true, "fexit:bpf:12:*".into())));
        assert!(
            program("f:bpf").unwrap_err().starts_with("the 'bpf' variant of this probe requires a bpf program name")
        );
        assert!(program("f:bpf:y:x").unwrap_err().starts_with("bpf program id must be a number or '*'"));
        assert!(
            program("f:a:b:c").unwrap_err().starts_with("Only the 'bpf' variant of this probe supports 4 arguments")
        );
    }

    #[test]
    fn modules_and_counts() {
        let function = |text| match parse(text) {
            Ok((Spec::Kprobe { module, function, offset, on_return }, _)) => (module, function, offset, on_return),
            other => panic!("{other:?}"),
        };
        assert_eq!(function("k:vfs_read+8"), (None, "vfs_read".into(), 8, false));
        assert_eq!(function("kretprobe:ext4:ext4_*"), (Some("ext4".into()), "ext4_*".into(), 0, true));
        assert_eq!(function("k:0x10"), (None, "16".into(), 0, false));
        assert_eq!(parse("kr:0x10").unwrap().1, "kretprobe:16");
        let count = |text| match parse(text) {
            Ok((Spec::PerfEvent { event, count, .. }, name)) => (event.name, count, name),
            other => panic!("{other:?}"),
        };
        assert_eq!(count("s:faults"), ("page-faults", 100, "software:faults".into()));
        assert_eq!(count("h:cycles:1e6"), ("cpu-cycles", 1_000_000, "hardware:cycles:1000000".into()));
        assert_eq!(count("h:cycles:0"), ("cpu-cycles", 1_000_000, "hardware:cycles".into()));
        assert_eq!(count("s:faults:"), ("page-faults", 100, "software:faults".into()));
        assert_eq!(parse("h:faults").unwrap_err().split(';').next(), Some("faults is not a hardware probe"));
        assert_eq!(parse("kfunc:a").unwrap().1, "fentry:a");
    }
}
