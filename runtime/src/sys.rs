//! The kernel's BPF interface, as far as aya does not cover it: loading with an attach target, links, test runs, and
//! maps whose key and value sizes are known only at run time.
//!
//! Every function is one system call, or a loop of one; errors are `io::Error` and are explained by the callers, who
//! know what was attempted. Structures and numbers: include/uapi/linux/bpf.h and perf_event.h.

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_func_info, bpf_insn, bpf_prog_type};
use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Calls bpf(2).
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: `attr` is a valid bpf_attr of the size given; the pointers that callers put in it live until the call
    // returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_long, attr, mem::size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn empty() -> bpf_attr {
    // SAFETY: bpf_attr is a union of plain integers, for which all zeros is valid; the kernel demands that unused
    // bytes are zero.
    unsafe { mem::zeroed() }
}

fn owned(fd: i64) -> OwnedFd {
    // SAFETY: the kernel has just returned this new descriptor, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// How a program is to be loaded.
pub struct LoadRequest<'a> {
    /// At most 15 bytes.
    pub name: &'a str,
    /// `BPF_PROG_TYPE_*`
    pub kind: bpf_prog_type,
    /// Needed for some types.
    pub attach: Option<bpf_attach_type>,
    /// BTF id of the attach target, for `BPF_PROG_TYPE_TRACING`.
    pub attach_btf_id: u32,
    /// The instructions, relocated.
    pub insns: &'a [bpf_insn],
    /// As the kernel knows it.
    pub license: &'a CStr,
    /// The types of its functions, which the kernel wants to see if it is to call any but the first.
    pub functions: Option<Functions<'a>>,
}

/// The functions of a program.
#[derive(Clone, Copy)]
pub struct Functions<'a> {
    /// The BTF in which they have types.
    pub btf: BorrowedFd<'a>,
    /// Where each begins, and its type.
    pub infos: &'a [bpf_func_info],
}

/// Loads a program. With `log`, the verifier writes its reasons there.
pub fn load(request: &LoadRequest<'_>, log: Option<&mut Vec<u8>>) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: this member of the union is the one that BPF_PROG_LOAD reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = request.kind as u32;
    load.expected_attach_type = request.attach.map_or(0, |attach| attach as u32);
    load.attach_btf_id = request.attach_btf_id;
    load.insns = request.insns.as_ptr() as u64;
    load.insn_cnt = request.insns.len() as u32;
    load.license = request.license.as_ptr() as u64;
    if let Some(functions) = &request.functions {
        load.prog_btf_fd = functions.btf.as_raw_fd() as u32;
        load.func_info = functions.infos.as_ptr() as u64;
        load.func_info_cnt = functions.infos.len() as u32;
        load.func_info_rec_size = mem::size_of::<bpf_func_info>() as u32;
    }
    for (to, from) in load.prog_name.iter_mut().take(15).zip(request.name.bytes()) {
        *to = from as libc::c_char;
    }
    if let Some(log) = &log {
        load.log_level = 1;
        load.log_buf = log.as_ptr() as u64;
        load.log_size = log.len() as u32;
    }
    let result = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).map(owned);
    if let Some(log) = log {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        log.truncate(end);
    }
    result
}

/// Loads BTF.
pub fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: this member of the union is the one that BPF_BTF_LOAD reads.
    let load = unsafe { &mut attr.__bindgen_anon_7 };
    load.btf = btf.as_ptr() as u64;
    load.btf_size = btf.len() as u32;
    bpf(bpf_cmd::BPF_BTF_LOAD, &mut attr).map(owned)
}

/// Attaches a raw tracepoint program: to the tracepoint `name`, or with `None` to the target it was loaded for.
pub fn raw_tracepoint_open(program: BorrowedFd<'_>, name: Option<&str>) -> io::Result<OwnedFd> {
    let mut attr = empty();
    let name = name.map(CString::new).transpose().map_err(|_| io::ErrorKind::InvalidInput)?;
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    attr.raw_tracepoint.name = name.as_ref().map_or(0, |name| name.as_ptr() as u64);
    bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr).map(owned)
}

/// Attaches a program to a perf event by a link, which ends with its descriptor.
pub fn perf_event_link(program: BorrowedFd<'_>, event: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_fd = event.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_PERF_EVENT as u32;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Attaches one program to many kernel functions by one link (kernel 5.18).
pub fn kprobe_multi_link(program: BorrowedFd<'_>, functions: &[&str]) -> io::Result<OwnedFd> {
    let names: Vec<CString> = functions
        .iter()
        .map(|name| CString::new(*name))
        .collect::<Result<_, _>>()
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    let pointers: Vec<*const libc::c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32;
    attr.link_create.__bindgen_anon_3.kprobe_multi.syms = pointers.as_ptr() as u64;
    attr.link_create.__bindgen_anon_3.kprobe_multi.cnt = pointers.len() as u32;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Runs a raw tracepoint program once, here and now.
pub fn test_run(program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = empty();
    attr.test.prog_fd = program.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr).map(drop)
}

/// Reads an element into `value`; `false` if it is not there.
pub fn map_lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    let mut attr = element(map, key, value.as_mut_ptr() as u64, 0);
    found(bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr))
}

/// Writes an element, new or not.
pub fn map_update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut attr = element(map, key, value.as_ptr() as u64, 0);
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// Removes an element; `false` if it was not there.
pub fn map_delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    let mut attr = element(map, key, 0, 0);
    found(bpf(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attr))
}

/// Puts the key that follows `key` (or the first) into `next`; `false` after the last.
pub fn map_next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
    let mut attr = element(map, key.unwrap_or_default(), next.as_mut_ptr() as u64, 0);
    if key.is_none() {
        attr.__bindgen_anon_2.key = 0;
    }
    found(bpf(bpf_cmd::BPF_MAP_GET_NEXT_KEY, &mut attr))
}

fn element(map: BorrowedFd<'_>, key: &[u8], value: u64, flags: u64) -> bpf_attr {
    let mut attr = empty();
    // SAFETY: this member of the union is the one that the element commands read.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd() as u32;
    element.key = key.as_ptr() as u64;
    element.__bindgen_anon_1.value = value;
    element.flags = flags;
    attr
}

fn found(result: io::Result<i64>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A batch of elements read at once (kernel 5.6).
pub struct Batch {
    /// How many elements were read.
    pub count: usize,
    /// There may be more.
    pub more: bool,
}

/// Reads up to `count` elements into `keys` and `values`, going on from `cursor` (4 bytes that the kernel keeps its
/// place in; `None` to begin).
pub fn map_lookup_batch(
    map: BorrowedFd<'_>,
    cursor: &mut Option<[u8; 8]>,
    keys: &mut [u8],
    values: &mut [u8],
    count: usize,
) -> io::Result<Batch> {
    let mut next = [0; 8];
    let mut attr = empty();
    attr.batch.in_batch = cursor.as_ref().map_or(0, |cursor| cursor.as_ptr() as u64);
    attr.batch.out_batch = next.as_mut_ptr() as u64;
    attr.batch.keys = keys.as_mut_ptr() as u64;
    attr.batch.values = values.as_mut_ptr() as u64;
    attr.batch.count = count as u32;
    attr.batch.map_fd = map.as_raw_fd() as u32;
    let more = found(bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr))?;
    *cursor = Some(next);
    // SAFETY: the kernel writes the number of elements into the member that was set above.
    let count = unsafe { attr.batch.count } as usize;
    Ok(Batch { count, more })
}

/// The leading members of `struct perf_event_attr`: all that tracepoints and kprobes need.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
}

/// `PERF_TYPE_TRACEPOINT`
const PERF_TYPE_TRACEPOINT: u32 = 2;
/// `PERF_FLAG_FD_CLOEXEC`
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

fn perf_event_open(attr: &PerfEventAttr) -> io::Result<OwnedFd> {
    // All processes, on CPU 0: for tracepoints and kprobes the program then runs on every CPU.
    let (all_processes, cpu, no_group) = (-1, 0, -1);
    // SAFETY: `attr` is valid and says its own size; the other arguments are plain numbers.
    let fd =
        unsafe { libc::syscall(libc::SYS_perf_event_open, attr, all_processes, cpu, no_group, PERF_FLAG_FD_CLOEXEC) };
    if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(owned(fd)) }
}

/// Opens the trace event with this number (from its `id` file in tracefs).
pub fn open_tracepoint(id: u64) -> io::Result<OwnedFd> {
    perf_event_open(&PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: mem::size_of::<PerfEventAttr>() as u32,
        config: id,
        sample_period: 1,
        wakeup_events: 1,
        ..PerfEventAttr::default()
    })
}

/// Opens a kprobe at the entry of a function; `pmu` is the number in
/// `/sys/bus/event_source/devices/kprobe/type`.
pub fn open_kprobe(pmu: u32, function: &str) -> io::Result<OwnedFd> {
    let name = CString::new(function).map_err(|_| io::ErrorKind::InvalidInput)?;
    perf_event_open(&PerfEventAttr {
        kind: pmu,
        size: mem::size_of::<PerfEventAttr>() as u32,
        config1: name.as_ptr() as u64,
        ..PerfEventAttr::default()
    })
}
