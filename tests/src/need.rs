//! What a case needs of the machine, and how it says that it could not run.
//!
//! Rust's test harness knows no skipping at run time: a case that returns early counts as passed. So a skipped case
//! writes a line to standard error (past the harness's capture) and to the file named by `RTRACE_SKIP_LOG`, from
//! which the summary takes it out of the passed ones. Each need is asked of the kernel, not guessed from a version,
//! wherever the kernel gives an answer.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Something a case cannot run without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The right to create maps and load tracing programs.
    Bpf,
    /// `kprobe` and `kretprobe`.
    Kprobes,
    /// Many kprobes in one link (fprobe, 5.18 and later, where configured).
    KprobeMulti,
    /// `uprobe` and `uretprobe`.
    Uprobes,
    /// The kernel's own type information.
    Btf,
    /// `fentry` and `fexit`. `tp_btf` and iterators need only [`Need::Btf`].
    Fentry,
    /// A tracefs that can be mounted; it need not be.
    Tracefs,
    /// This many processors to run on.
    Cpus(usize),
    /// Network namespaces of one's own.
    NetNamespaces,
    /// Network namespaces, and pairs of interfaces in them: [`crate::net`].
    Veth,
    /// Programs that see the packets of a control group, on links.
    CgroupPrograms,
    /// At least this kernel: for what cannot be asked in another way.
    Kernel(u32, u32),
    /// To be root, with everything that goes with it.
    Root,
    /// A file or device of this path.
    File(&'static str),
    /// A program of this name in `PATH`, such as a compiler.
    Program(&'static str),
    /// Debug registers, for `watchpoint`.
    Watchpoints,
    /// Behaviour in which rtrace differs from bpftrace on purpose. Missing when `RTRACE_REFERENCE` is set, which is
    /// for running the cases against bpftrace by means of `RTRACE_BIN`.
    Own,
    /// A machine that is not emulated. For what takes its time there, or is about the time that somebody takes who types,
    /// and is the same on every kernel.
    Quick,
}

/// Ends the case here, visibly, unless the machine offers what is listed: `requires!(Bpf, Cpus(2))`.
#[macro_export]
macro_rules! requires {
    ($($name:ident $(($($value:expr),*))?),+ $(,)?) => {{
        fn here() {}
        if let Some(reason) = $crate::missing(&[$($crate::Need::$name $(($($value),*))?),+]) {
            $crate::skip(std::any::type_name_of_val(&here), &reason);
            return;
        }
    }};
}

/// Why the first need that is not met is not met.
pub fn missing(needs: &[Need]) -> Option<String> {
    needs.iter().find(|need| !need.is_met()).map(Need::to_string)
}

/// Records that a case did not run. `place` is the path of a function inside the case, as `type_name_of_val` gives it.
pub fn skip(place: &str, reason: &str) {
    let case = place.strip_suffix("::here").unwrap_or(place);
    let line = format!("skipped: {case}: {reason}\n");
    // Written to the descriptor, not by `eprintln!`: the harness captures that one and drops it when a case passes.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(log) = std::env::var_os("RTRACE_SKIP_LOG") {
        let mut file = OpenOptions::new().create(true).append(true).open(&log).expect("the skip log can be opened");
        file.write_all(line.as_bytes()).expect("the skip log can be written");
    }
}

impl Need {
    fn is_met(&self) -> bool {
        match *self {
            Need::Bpf => may_create_map() && has_capabilities(&[CAP_BPF, CAP_PERFMON]),
            Need::Kprobes => Path::new("/sys/bus/event_source/devices/kprobe/type").exists(),
            Need::KprobeMulti => {
                kernel_has_function("bpf_kprobe_multi_link_attach") && kernel_has_function("register_fprobe_ips")
            }
            Need::Uprobes => Path::new("/sys/bus/event_source/devices/uprobe/type").exists(),
            Need::Btf => Path::new("/sys/kernel/btf/vmlinux").exists(),
            Need::Fentry => crate::fentry::works(),
            Need::Tracefs => fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("\ttracefs\n")),
            Need::Cpus(count) => crate::workload::allowed_cpus().len() >= count,
            Need::NetNamespaces => Path::new("/proc/self/ns/net").exists() && has_capabilities(&[CAP_SYS_ADMIN]),
            Need::Veth => crate::net::has_veth(),
            Need::CgroupPrograms => crate::net::has_cgroup_programs(),
            Need::Kernel(major, minor) => kernel_version() >= (major, minor),
            Need::Root => has_capabilities(&[CAP_SYS_ADMIN, CAP_SETUID]),
            Need::File(path) => Path::new(path).exists(),
            Need::Program(name) => in_path(name),
            // The kernel says it at boot only; there is no processor of ours without them.
            Need::Watchpoints => Path::new("/sys/bus/event_source/devices/breakpoint").exists(),
            Need::Own => std::env::var_os("RTRACE_REFERENCE").is_none(),
            Need::Quick => crate::slowness() == 1,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Bpf => write!(f, "no right to load BPF programs (CAP_BPF and CAP_PERFMON, or root)"),
            Need::Kprobes => write!(f, "the kernel has no kprobes"),
            Need::KprobeMulti => write!(f, "the kernel has no kprobe multi links (fprobe)"),
            Need::Uprobes => write!(f, "the kernel has no uprobes"),
            Need::Btf => write!(f, "the kernel has no BTF"),
            Need::Fentry => write!(f, "the kernel refuses programs at function entries (fentry)"),
            Need::Tracefs => write!(f, "the kernel has no tracefs"),
            Need::Cpus(count) => write!(f, "fewer than {count} processors"),
            Need::NetNamespaces => write!(f, "no network namespaces of one's own"),
            Need::Veth => write!(f, "no pairs of network interfaces (veth) in a namespace of one's own"),
            Need::CgroupPrograms => write!(f, "the kernel lets no program see the packets of a control group"),
            Need::Kernel(major, minor) => write!(f, "the kernel is older than {major}.{minor}"),
            Need::Root => write!(f, "not root"),
            Need::File(path) => write!(f, "there is no {path}"),
            Need::Program(name) => write!(f, "there is no program {name} here"),
            Need::Watchpoints => write!(f, "the kernel has no hardware breakpoints"),
            Need::Own => write!(f, "bpftrace is known to differ here"),
            Need::Quick => write!(f, "the machine is emulated, and this is the same on every kernel"),
        }
    }
}

fn in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

const CAP_SETUID: u32 = 7;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// True if the effective set has all of `wanted`, or CAP_SYS_ADMIN, which includes them.
fn has_capabilities(wanted: &[u32]) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let Some(set) = status.lines().find_map(|line| line.strip_prefix("CapEff:")) else {
        return false;
    };
    let Ok(set) = u64::from_str_radix(set.trim(), 16) else {
        return false;
    };
    let has = |cap: u32| set & (1 << cap) != 0;
    has(CAP_SYS_ADMIN) || wanted.iter().all(|&cap| has(cap))
}

/// Asks the kernel itself: containers often keep the capability and refuse the call.
fn may_create_map() -> bool {
    const BPF_MAP_CREATE: libc::c_long = 0;
    const BPF_MAP_TYPE_ARRAY: u32 = 2;
    /// The first four fields of `union bpf_attr` for BPF_MAP_CREATE; the kernel takes the rest as zero.
    #[repr(C)]
    struct MapCreate {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    }
    let attr = MapCreate { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size: 8, max_entries: 1 };
    // SAFETY: `attr` lives through the call and its exact size is passed; the kernel only reads it.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_CREATE, &raw const attr, size_of::<MapCreate>()) };
    if fd < 0 {
        return false;
    }
    // SAFETY: the descriptor was made above and nothing else knows it.
    unsafe { libc::close(fd as libc::c_int) };
    true
}

fn kernel_has_function(name: &str) -> bool {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    symbols.lines().any(|line| line.split(' ').nth(2) == Some(name))
}

/// Major and minor number of the running kernel.
fn kernel_version() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_unmet_need_is_the_reason() {
        let reason = missing(&[Need::File("/proc/self"), Need::File("/no/such"), Need::Kernel(999, 0)]);
        assert_eq!(reason.as_deref(), Some("there is no /no/such"));
        let reason = missing(&[Need::Program("rt-no-such-program")]);
        assert_eq!(reason.as_deref(), Some("there is no program rt-no-such-program here"));
        assert_eq!(missing(&[Need::Kernel(3, 0), Need::Cpus(1)]), None);
    }

    #[test]
    fn a_version_compares_by_number() {
        assert!(kernel_version() > (3, 0), "{:?}", kernel_version());
        assert!(kernel_version() < (999, 0));
    }
}
