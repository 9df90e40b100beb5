//! What a process keeps in the kernel, and whether it is still there when the process is not.

use crate::patience;
use std::fs;
use std::time::{Duration, Instant};

/// Whether a program on a tracepoint may have to stand back for another task: from Linux 7.0 on.
pub fn interrupts_tracepoints() -> bool {
    let read = |name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).expect("every Linux says it");
    let major: u32 = read("osrelease").split('.').next().and_then(|number| number.parse().ok()).expect("a number");
    major >= 7 && read("version").contains("PREEMPT")
}

/// How many perf events a process has open.
#[track_caller]
pub fn perf_events(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is alive and ours");
    let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("[perf_event]")).count()
}

/// Waits until a process has more than so many perf events open.
#[track_caller]
pub fn wait_perf_events(pid: u32, more_than: usize) {
    let deadline = Instant::now() + patience(Duration::from_secs(20));
    while perf_events(pid) <= more_than {
        assert!(Instant::now() < deadline, "{pid} never had more than {more_than} events");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A BPF program, map or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A loaded program.
    Program,
    /// A map.
    Map,
    /// A program's attachment.
    Link,
}

/// BPF objects by kind and number. Numbers are given out once only.
#[derive(Clone, Debug)]
pub struct Objects(Vec<(Kind, u32)>);

impl Objects {
    /// Those that a process has descriptors of.
    #[track_caller]
    pub fn of_process(pid: u32) -> Objects {
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("the process is alive and ours");
        let texts = files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok());
        let mut all: Vec<(Kind, u32)> = texts.filter_map(|text| object(&text)).collect();
        all.sort();
        all.dedup();
        Objects(all)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many programs.
    pub fn programs(&self) -> usize {
        self.of_kind(Kind::Program)
    }

    /// How many maps.
    pub fn maps(&self) -> usize {
        self.of_kind(Kind::Map)
    }

    /// How many links.
    pub fn links(&self) -> usize {
        self.of_kind(Kind::Link)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u32)> {
        self.0.iter().copied()
    }

    /// Those that the kernel still knows.
    pub fn alive(&self) -> impl Iterator<Item = (Kind, u32)> {
        self.0.iter().copied().filter(|&(kind, number)| is_known(kind, number))
    }

    fn of_kind(&self, wanted: Kind) -> usize {
        self.0.iter().filter(|(kind, _)| *kind == wanted).count()
    }
}

/// The object behind a descriptor. A link's description names its program too, so that one is looked for last.
fn object(fdinfo: &str) -> Option<(Kind, u32)> {
    let number = |name: &str| {
        let value = fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().parse().ok()
    };
    let (link, map, program) = (number("link_id"), number("map_id"), number("prog_id"));
    let found = link.map(|id| (Kind::Link, id)).or(map.map(|id| (Kind::Map, id)));
    found.or(program.map(|id| (Kind::Program, id)))
}

/// Whether the kernel has an object of this number.
pub fn is_known(kind: Kind, number: u32) -> bool {
    let command: libc::c_long = match kind {
        Kind::Program => 13, // BPF_PROG_GET_FD_BY_ID
        Kind::Map => 14,     // BPF_MAP_GET_FD_BY_ID
        Kind::Link => 30,    // BPF_LINK_GET_FD_BY_ID
    };
    let attr = [number, 0, 0];
    // SAFETY: the first fields of `union bpf_attr` for these commands, with their size.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of_val(&attr)) };
    if fd >= 0 {
        // SAFETY: the descriptor was made above.
        unsafe { libc::close(fd as libc::c_int) };
    }
    fd >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_known_from_the_program_in_it() {
        let text = "pos:\t0\nlink_type:\traw_tracepoint\nlink_id:\t5\nprog_tag:\t0011\nprog_id:\t9\n";
        assert_eq!(object(text), Some((Kind::Link, 5)));
        assert_eq!(object("pos:\t0\nprog_type:\t5\nprog_id:\t9\n"), Some((Kind::Program, 9)));
        assert_eq!(object("pos:\t0\nflags:\t02\n"), None);
    }
}
