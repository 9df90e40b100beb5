//! The running kernel at large: its version, what kinds of probe it was built with, its processors, and what this
//! process may do.
//!
//! Each question is a function that reads one small file or makes one call when it is asked, and a file that is
//! missing or unreadable is an answer (`None`, `false`), not an error: old kernels, containers and lockdown are
//! ordinary. What a probe needs of all this is decided elsewhere.

use std::fmt;
use std::fs;
use std::path::Path;

/// A kernel version, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// The 6 of 6.18.
    pub major: u32,
    /// The 18 of 6.18.
    pub minor: u32,
}

impl Release {
    /// Reads the beginning of what `uname -r` prints: `6.18.44-generic` or `6.19-rc1`.
    pub fn parse(text: &str) -> Option<Release> {
        let (major, rest) = text.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(Release { major: major.parse().ok()?, minor: rest[..digits].parse().ok()? })
    }

    /// Whether this is `major.minor` or later.
    ///
    /// Distributions port features back, so prefer asking for the feature where the kernel can be asked.
    pub fn at_least(self, major: u32, minor: u32) -> bool {
        self >= Release { major, minor }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The running kernel's version; `None` if it calls itself something without numbers.
pub fn release() -> Option<Release> {
    Release::parse(&release_text())
}

/// What `uname -r` prints.
pub fn release_text() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// What `uname -m` prints.
pub fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// Whether kprobes can be made: the kernel has the event source for them, or (before 4.17) only the tracefs file.
pub fn has_kprobes() -> bool {
    has_probe_source("kprobe")
}

/// Whether uprobes can be made; see [`has_kprobes`].
pub fn has_uprobes() -> bool {
    has_probe_source("uprobe")
}

fn has_probe_source(kind: &str) -> bool {
    let tracefs = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    Path::new(&format!("/sys/bus/event_source/devices/{kind}")).exists()
        || tracefs.iter().any(|root| Path::new(&format!("{root}/{kind}_events")).exists())
}

/// The `type` number that `perf_event_open` takes for an event source such as `kprobe`, `uprobe` or `cpu`.
pub fn event_source_type(source: &str) -> Option<u32> {
    if source.is_empty() || source.contains(['/', '\0']) || source.starts_with('.') {
        return None;
    }
    read_number(&format!("/sys/bus/event_source/devices/{source}/type"))
}

/// A set of processors in the kernel's list notation, `0-3,8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpus {
    /// Ranges with both ends included, ascending.
    ranges: Vec<(u32, u32)>,
}

impl Cpus {
    /// Reads the notation of `/sys/devices/system/cpu/possible`. `None` if it is not that, or is empty.
    pub fn parse(text: &str) -> Option<Cpus> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for part in text.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            let ascending = ranges.last().is_none_or(|(_, before)| *before < first);
            if last < first || last > MOST_CPUS || !ascending {
                return None;
            }
            ranges.push((first, last));
        }
        Some(Cpus { ranges })
    }

    /// The processors, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.ranges.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.ranges.iter().map(|(first, last)| (last - first + 1) as usize).sum()
    }
}

/// More processors than Linux can be configured for on any architecture; a bound for what is believed.
const MOST_CPUS: u32 = 1 << 16;

/// The processors that may ever come online. Per-CPU map values have one slot for each.
pub fn possible_cpus() -> Option<Cpus> {
    Cpus::parse(&fs::read_to_string("/sys/devices/system/cpu/possible").ok()?)
}

/// The processors that are running now.
pub fn online_cpus() -> Option<Cpus> {
    Cpus::parse(&fs::read_to_string("/sys/devices/system/cpu/online").ok()?)
}

/// A privilege that tracing may need. The numbers are those of `include/uapi/linux/capability.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Capability {
    /// To read files and pass directories whatever their permissions: tracefs, other users' binaries.
    DacReadSearch = 2,
    /// Programs on packets, and attaching to interfaces.
    NetAdmin = 12,
    /// Everything; before 5.8 the only way to bpf and perf events.
    SysAdmin = 21,
    /// To lift the limit on locked memory, which maps counted against before 5.11.
    SysResource = 24,
    /// Addresses in `/proc/kallsyms`.
    Syslog = 34,
    /// Perf events, and programs that read kernel memory. Since 5.8.
    Perfmon = 38,
    /// Programs and maps. Since 5.8.
    Bpf = 39,
}

impl Capability {
    /// All of them.
    pub const ALL: &[Capability] = &[
        Capability::DacReadSearch,
        Capability::NetAdmin,
        Capability::SysAdmin,
        Capability::SysResource,
        Capability::Syslog,
        Capability::Perfmon,
        Capability::Bpf,
    ];

    /// The name as manual pages write it, `CAP_BPF`.
    pub fn name(self) -> &'static str {
        match self {
            Capability::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
            Capability::SysResource => "CAP_SYS_RESOURCE",
            Capability::Syslog => "CAP_SYSLOG",
            Capability::Perfmon => "CAP_PERFMON",
            Capability::Bpf => "CAP_BPF",
        }
    }

    /// What cannot be done without it.
    pub fn purpose(self) -> &'static str {
        match self {
            Capability::DacReadSearch => "tracefs and programs of other users are closed without it",
            Capability::NetAdmin => "--bench wants it, or CAP_SYS_ADMIN",
            Capability::SysAdmin => "stands for CAP_BPF and CAP_PERFMON; opens tracefs where it is not mounted",
            Capability::SysResource => "before Linux 5.11 maps may want more locked memory than is allowed",
            Capability::Syslog => "addresses of kernel functions are hidden without it",
            Capability::Perfmon => "nothing can be traced without it",
            Capability::Bpf => "no program can be loaded without it",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities, by the kernel's bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Whether `capability` itself is in the set.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & 1 << capability as u8 != 0
    }

    /// Whether what `capability` is for is allowed: CAP_SYS_ADMIN stands in for those split off from it.
    pub fn allows(self, capability: Capability) -> bool {
        let split_off = matches!(capability, Capability::Bpf | Capability::Perfmon | Capability::Syslog);
        self.has(capability) || split_off && self.has(Capability::SysAdmin)
    }
}

/// The effective capabilities of this thread; `None` without /proc.
pub fn capabilities() -> Option<Capabilities> {
    parse_capabilities(&fs::read_to_string("/proc/thread-self/status").ok()?)
}

fn parse_capabilities(status: &str) -> Option<Capabilities> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok().map(Capabilities)
}

/// What `kernel.unprivileged_bpf_disabled` says (Documentation/admin-guide/sysctl/kernel.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnprivilegedBpf {
    /// 0: anyone may load a few kinds of program.
    Allowed,
    /// 1: nobody may without CAP_BPF, until reboot.
    DisabledForGood,
    /// 2: nobody may without CAP_BPF, but the setting can be changed.
    Disabled,
}

/// Whether the kernel lets a process without privileges load programs; `None` if it does not say.
pub fn unprivileged_bpf() -> Option<UnprivilegedBpf> {
    match read_number("/proc/sys/kernel/unprivileged_bpf_disabled")? {
        0 => Some(UnprivilegedBpf::Allowed),
        1 => Some(UnprivilegedBpf::DisabledForGood),
        2 => Some(UnprivilegedBpf::Disabled),
        _ => None,
    }
}

/// How far the kernel protects itself from root (man 7 kernel_lockdown).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockdown {
    /// Not at all.
    None,
    /// It cannot be modified: probes that only read still work.
    Integrity,
    /// Its memory cannot be read either: reading kernel memory from a program fails, and so does tracefs.
    Confidentiality,
}

/// The kernel's lockdown level; `None` if securityfs is not mounted or the kernel has no lockdown.
pub fn lockdown() -> Option<Lockdown> {
    parse_lockdown(&fs::read_to_string("/sys/kernel/security/lockdown").ok()?)
}

/// The file lists the levels and puts the present one in brackets: `none [integrity] confidentiality`.
fn parse_lockdown(text: &str) -> Option<Lockdown> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

fn read_number(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The answers above in one value, for `--info` and for tests that need a kernel of their own making.
#[derive(Debug, Clone)]
pub struct KernelInfo {
    /// What `uname -r` prints.
    pub release_text: String,
    /// The version in it.
    pub release: Option<Release>,
    /// What `uname -m` prints.
    pub machine: String,
    /// See [`has_kprobes`].
    pub kprobes: bool,
    /// See [`has_uprobes`].
    pub uprobes: bool,
    /// Whether the kernel describes its types, in `/sys/kernel/btf/vmlinux`.
    pub btf: bool,
    /// See [`possible_cpus`].
    pub possible_cpus: Option<Cpus>,
    /// See [`online_cpus`].
    pub online_cpus: Option<Cpus>,
    /// See [`capabilities`].
    pub capabilities: Option<Capabilities>,
    /// See [`unprivileged_bpf`].
    pub unprivileged_bpf: Option<UnprivilegedBpf>,
    /// See [`lockdown`].
    pub lockdown: Option<Lockdown>,
}

impl KernelInfo {
    /// Asks the running kernel everything.
    pub fn read() -> KernelInfo {
        KernelInfo {
            release_text: release_text(),
            release: release(),
            machine: machine(),
            kprobes: has_kprobes(),
            uprobes: has_uprobes(),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            possible_cpus: possible_cpus(),
            online_cpus: online_cpus(),
            capabilities: capabilities(),
            unprivileged_bpf: unprivileged_bpf(),
            lockdown: lockdown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        let release = |text| Release::parse(text).map(|release| (release.major, release.minor));
        assert_eq!(release("6.18.44-generic"), Some((6, 18)));
        assert_eq!(release("6.19-rc1"), Some((6, 19)));
        assert_eq!(release("5.4"), Some((5, 4)));
        assert_eq!(release("6"), None);
        assert_eq!(release("six.two"), None);
        assert!(Release { major: 6, minor: 2 }.at_least(5, 15));
        assert!(!Release { major: 6, minor: 2 }.at_least(6, 9));
    }

    #[test]
    fn cpu_lists() {
        let cpus = |text| Cpus::parse(text).map(|cpus| cpus.iter().collect::<Vec<_>>());
        assert_eq!(cpus("0-3,8\n"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(cpus("0\n"), Some(vec![0]));
        assert_eq!(Cpus::parse("0-127").map(|cpus| cpus.count()), Some(128));
        for bad in ["", "3-1", "0-4294967295", "1,0", "a"] {
            assert_eq!(cpus(bad), None, "{bad}");
        }
    }

    #[test]
    fn capability_sets() {
        let set = parse_capabilities("Name:\tx\nCapEff:\t0000008000200000\n").expect("a set");
        assert!(set.has(Capability::Bpf) && set.has(Capability::SysAdmin) && !set.has(Capability::Perfmon));
        assert!(set.allows(Capability::Perfmon) && !set.allows(Capability::DacReadSearch));
        assert_eq!(parse_capabilities("CapEff: what"), None);
    }

    #[test]
    fn lockdown_levels() {
        assert_eq!(parse_lockdown("[none] integrity confidentiality\n"), Some(Lockdown::None));
        assert_eq!(parse_lockdown("none [integrity] confidentiality\n"), Some(Lockdown::Integrity));
        assert_eq!(parse_lockdown("none integrity"), None);
    }

    #[test]
    fn the_running_kernel_answers() {
        let info = KernelInfo::read();
        assert!(info.release.is_some(), "{info:?}");
        let (Some(possible), Some(online)) = (info.possible_cpus, info.online_cpus) else {
            return println!("skipped: no /sys");
        };
        assert!(online.count() >= 1 && online.count() <= possible.count());
    }
}
