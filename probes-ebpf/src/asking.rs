//! What the kernel's BPF machine can do, asked of the kernel itself.
//!
//! There is no list to read, and versions do not tell: distributions leave out and port back. So the smallest thing that
//! needs an ability is tried: a program of two instructions is loaded, a map with one element made, a link asked for that
//! cannot come about. What counts is the reason of a refusal. Nothing stays, and nothing is ever attached.

use crate::btf::{Btf, Kind};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What the kernel said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It can do that.
    Yes,
    /// It cannot.
    No,
    /// This process may not ask.
    Refused,
}

/// A kind of program, as the kernel wants to hear it when one is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sort {
    /// `BPF_PROG_TYPE_*`
    pub program: u32,
    /// How it will be attached, for kinds that have to say it: `BPF_TRACE_*`.
    pub attach: u32,
    /// The BTF id of what it will be attached to, for the same.
    pub target: u32,
}

/// Programs whose arguments have types from BTF (`BPF_PROG_TYPE_TRACING`).
const TRACING: u32 = 26;

/// The kinds of program that rtrace makes, by name. Those with types are left out if the kernel does not have what they
/// would be for.
pub fn sorts(btf: Option<&Btf>) -> Vec<(&'static str, Sort)> {
    let untyped = |program| Sort { program, ..Sort::default() };
    let typed = |attach, target: Option<u32>| target.map(|target| Sort { program: TRACING, attach, target });
    let function = |name| btf.and_then(|btf| Some(btf.find(Kind::Func, name).ok()??.0));
    let event = btf.and_then(|btf| Some(btf.raw_tracepoint("sys_enter").ok()??.0.0));
    // One of the few functions at which `bpf_d_path` may be called.
    let entry = function("vfs_truncate");
    [
        ("kprobe", Some(untyped(2))),
        ("tracepoint", Some(untyped(5))),
        ("perf_event", Some(untyped(7))),
        ("raw_tracepoint", Some(untyped(17))),
        ("btf_tracepoint", typed(23, event)),
        ("fentry", typed(24, entry)),
        ("fexit", typed(25, entry)),
        ("iter", typed(28, function("bpf_iter_task"))),
    ]
    .into_iter()
    .filter_map(|(name, sort)| Some((name, sort?)))
    .collect()
}

/// Whether the kernel takes programs of a kind.
pub fn takes(sort: Sort) -> Answer {
    match load(sort, &[MOV_R0_0, EXIT]).result {
        Ok(_) => Answer::Yes,
        Err(error) => refusal(&error),
    }
}

/// What a program may call.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// A helper by its number.
    Helper(u32),
    /// A function of the kernel by its BTF id, and its name.
    Function(u32, &'a str),
}

/// Whether programs of a kind may call something. The program that is loaded does nothing but call it, and may be refused
/// for other reasons, too.
pub fn may_call(sort: Sort, call: Call<'_>) -> Answer {
    let (call, refusals) = match call {
        Call::Helper(number) => {
            // In the words of several versions; the last is about the event, not about the kind of program.
            let refusals =
                ["unknown func ", "invalid func ", "cannot use helper ", "helper call is not allowed in probe"];
            (CALL | u64::from(number) << 32, refusals.map(str::to_owned).to_vec())
        }
        Call::Function(id, name) => {
            let refusals = vec![format!("calling kernel function {name} is not allowed")];
            (CALL | FUNCTION_OF_KERNEL | u64::from(id) << 32, refusals)
        }
    };
    let Load { result, log } = load(sort, &[call, EXIT]);
    match result {
        Ok(_) => Answer::Yes,
        Err(error) if log.is_empty() => refusal(&error),
        Err(_) if refusals.iter().any(|refusal| log.contains(refusal)) => Answer::No,
        Err(_) => Answer::Yes,
    }
}

/// Whether the kernel has maps of a type (`BPF_MAP_TYPE_*`).
pub fn has_map(kind: u32) -> Answer {
    let of_maps = [ARRAY_OF_MAPS, HASH_OF_MAPS].contains(&kind);
    let inner = match of_maps.then(|| create(ARRAY, 4, 8, 1, None)).transpose() {
        Ok(inner) => inner,
        Err(error) => return refusal(&error),
    };
    let made = match kind {
        RINGBUF => create(kind, 0, 0, rustix::param::page_size() as u32, None),
        _ if of_maps || kind == PERF_EVENT_ARRAY => create(kind, 4, 4, 1, inner.as_ref()),
        _ => create(kind, 4, 8, 1, None),
    };
    made.map_or_else(|error| refusal(&error), |_| Answer::Yes)
}

/// A way to attach one program to many places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multi {
    /// `BPF_TRACE_KPROBE_MULTI`
    Kprobe,
    /// The same for a function's entry and return together, `BPF_TRACE_KPROBE_SESSION`.
    KprobeSession,
    /// `BPF_TRACE_UPROBE_MULTI`
    Uprobe,
    /// The same for a function's entry and return together, `BPF_TRACE_UPROBE_SESSION`.
    UprobeSession,
}

/// Whether the kernel has it. A link is asked for to a function that does not exist, or a file that is none: the kernel
/// misses those only if it would know what to do with them.
pub fn has_multi(multi: Multi) -> Answer {
    const KPROBE: u32 = 2;
    let (attach, by_name, missing) = match multi {
        Multi::Kprobe => (42, true, libc::ESRCH),
        Multi::Uprobe => (48, false, libc::EBADF),
        Multi::KprobeSession => (56, true, libc::ESRCH),
        Multi::UprobeSession => (57, false, libc::EBADF),
    };
    let program = match load(Sort { program: KPROBE, attach, target: 0 }, &[MOV_R0_0, EXIT]).result {
        Ok(program) => program,
        Err(error) => return refusal(&error),
    };
    let name = c"rtrace asks".as_ptr();
    let offset = 0u64;
    let rest = match by_name {
        true => [1 << 32, (&raw const name) as u64, 0, 0, 0, 0],
        false => [c"/".as_ptr() as u64, (&raw const offset) as u64, 0, 0, 1, 0],
    };
    let attr = LinkAttr { program: program.as_raw_fd() as u32, target: 0, attach, flags: 0, rest };
    match bpf(LINK_CREATE, &attr) {
        // It cannot come about, and if it does, it is as if it had not.
        Ok(_) => Answer::Yes,
        Err(error) if error.raw_os_error() == Some(missing) => Answer::Yes,
        Err(error) => refusal(&error),
    }
}

/// An error without a word from the verifier: a right that is missing, or an ability.
fn refusal(error: &io::Error) -> Answer {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Answer::Refused,
        _ => Answer::No,
    }
}

/// Instructions, as numbers whose lowest byte is the operation: `r0 = 0`, `call`, `exit`.
const MOV_R0_0: u64 = 0xb7;
const CALL: u64 = 0x85;
const EXIT: u64 = 0x95;
/// In the source register of a call: it is no helper that is called.
const FUNCTION_OF_KERNEL: u64 = 2 << 12;

/// `enum bpf_map_type`, as far as types differ in what they want to be made of.
const ARRAY: u32 = 2;
const PERF_EVENT_ARRAY: u32 = 4;
const ARRAY_OF_MAPS: u32 = 12;
const HASH_OF_MAPS: u32 = 13;
const RINGBUF: u32 = 27;

/// `enum bpf_cmd`
const MAP_CREATE: libc::c_long = 0;
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;

/// The beginning of `union bpf_attr` as `BPF_PROG_LOAD` reads it; what follows counts as zeros.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
}

/// The same for `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Default)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

/// The same for `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkAttr {
    program: u32,
    target: u32,
    attach: u32,
    flags: u32,
    /// Of kprobes a word with their number in its upper half, and where their names are; of uprobes where the file's path
    /// is, where the offsets in it, two words for more, and their number.
    rest: [u64; 6],
}

/// A program that was to be loaded, and what the verifier said.
struct Load {
    result: io::Result<OwnedFd>,
    log: String,
}

fn load(sort: Sort, insns: &[u64]) -> Load {
    let mut log = [0u8; 4096];
    let attr = LoadAttr {
        prog_type: sort.program,
        insn_cnt: insns.len() as u32,
        insns: insns.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 1,
        log_size: log.len() as u32,
        log_buf: log.as_mut_ptr() as u64,
        expected_attach_type: sort.attach,
        attach_btf_id: sort.target,
        ..LoadAttr::default()
    };
    let result = bpf(PROG_LOAD, &attr);
    let told = log.split(|byte| *byte == 0).next().unwrap_or_default();
    Load { result, log: String::from_utf8_lossy(told).into_owned() }
}

fn create(kind: u32, key_size: u32, value_size: u32, max_entries: u32, inner: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    let inner_map_fd = inner.map_or(0, |inner| inner.as_raw_fd() as u32);
    bpf(MAP_CREATE, &MapAttr { map_type: kind, key_size, value_size, max_entries, inner_map_fd, ..MapAttr::default() })
}

/// Calls bpf(2) with the beginning of its `union bpf_attr`. What it points to must live until the call returns, and be
/// as long as it says.
fn bpf<T>(command: libc::c_long, attr: &T) -> io::Result<OwnedFd> {
    let attr: *const c_void = std::ptr::from_ref(attr).cast();
    // SAFETY: `attr` has the size given, and what it points to lives in the callers, who wait for the answer; the kernel
    // writes nowhere but into the log of a program, a local array of the length given.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<T>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: each of the commands returns a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KPROBE: Sort = Sort { program: 2, attach: 0, target: 0 };

    /// `None`, with a word, where the kernel answers nothing.
    fn asked() -> Option<()> {
        match takes(KPROBE) {
            Answer::Yes => Some(()),
            answer => {
                println!("skipped: the kernel takes no programs: {answer:?}");
                None
            }
        }
    }

    #[test]
    fn helpers_depend_on_the_kind_of_program() {
        if asked().is_none() {
            return;
        }
        const GET_CURRENT_PID_TGID: u32 = 14;
        const SK_STORAGE_GET: u32 = 107;
        assert_eq!(may_call(KPROBE, Call::Helper(GET_CURRENT_PID_TGID)), Answer::Yes);
        assert_eq!(may_call(KPROBE, Call::Helper(SK_STORAGE_GET)), Answer::No);
        assert_eq!(may_call(KPROBE, Call::Helper(100_000)), Answer::No);
        assert_eq!(takes(Sort { program: 100_000, ..Sort::default() }), Answer::No);
    }

    #[test]
    fn maps_that_there_are_and_are_not() {
        if asked().is_none() {
            return;
        }
        for kind in [1, ARRAY, PERF_EVENT_ARRAY, 6, 9, ARRAY_OF_MAPS, HASH_OF_MAPS, RINGBUF] {
            assert_eq!(has_map(kind), Answer::Yes, "{kind}");
        }
        assert_eq!(has_map(100_000), Answer::No);
    }

    #[test]
    fn kinds_of_program_have_names() {
        let untyped: Vec<&str> = sorts(None).iter().map(|(name, _)| *name).collect();
        assert_eq!(untyped, ["kprobe", "tracepoint", "perf_event", "raw_tracepoint"]);
        if let Ok(btf) = Btf::vmlinux() {
            assert!(sorts(Some(&btf)).iter().any(|(name, sort)| *name == "iter" && sort.target != 0));
        }
    }
}
