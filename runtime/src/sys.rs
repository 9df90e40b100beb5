//! The kernel's BPF interface, as far as aya does not cover it: loading with an attach target, links, test runs, and
//! maps whose key and value sizes are known only at run time.
//!
//! Every function is one system call, or a loop of one; errors are `io::Error` and are explained by the callers, who
//! know what was attempted. Structures and numbers: include/uapi/linux/bpf.h and perf_event.h.

use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_btf_info, bpf_cmd, bpf_func_info, bpf_insn, bpf_link_info, bpf_prog_info,
    bpf_prog_type,
};
use lang::probes::Watch;
use std::ffi::{CStr, CString};
use std::io;
use std::mem;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A kprobe session (kernel 6.10), which aya has no name for.
pub const BPF_TRACE_KPROBE_SESSION: u32 = 56;

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
    /// How it will be attached, which some types need to know: `BPF_TRACE_*`.
    pub attach: Option<u32>,
    /// BTF id of the attach target, for `BPF_PROG_TYPE_TRACING`.
    pub attach_btf_id: u32,
    /// The BTF that the id counts in, if it is a module's; or the BPF program whose BTF it is.
    pub attach_btf: Option<BorrowedFd<'a>>,
    /// The network interface whose card is to run it; 0 if the processor does.
    pub interface: u32,
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

/// How much the verifier tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What leads to a refusal; of a program that it takes, next to nothing.
    OfFailure = 1,
    /// Every state of every instruction.
    Full = 2,
}

/// Loads a program. With `log`, the verifier writes its reasons there.
pub fn load(request: &LoadRequest<'_>, log: Option<(LogLevel, &mut Vec<u8>)>) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: this member of the union is the one that BPF_PROG_LOAD reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = request.kind as u32;
    load.expected_attach_type = request.attach.unwrap_or(0);
    load.attach_btf_id = request.attach_btf_id;
    load.prog_ifindex = request.interface;
    load.__bindgen_anon_1.attach_btf_obj_fd = request.attach_btf.map_or(0, |btf| btf.as_raw_fd() as u32);
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
    if let Some((level, log)) = &log {
        load.log_level = *level as u32;
        load.log_buf = log.as_ptr() as u64;
        load.log_size = log.len() as u32;
    }
    let result = bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).map(owned);
    if let Some((_, log)) = log {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        log.truncate(end);
    }
    result
}

/// A loaded program, by its number.
pub fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.__bindgen_anon_6.__bindgen_anon_1.prog_id = id;
    bpf(bpf_cmd::BPF_PROG_GET_FD_BY_ID, &mut attr).map(owned)
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

/// The BTF of a loaded module.
pub fn module_btf(name: &str) -> io::Result<OwnedFd> {
    let mut id = 0;
    loop {
        let mut attr = empty();
        attr.__bindgen_anon_6.__bindgen_anon_1.start_id = id;
        bpf(bpf_cmd::BPF_BTF_GET_NEXT_ID, &mut attr)?;
        // SAFETY: the kernel writes the next id into this member.
        id = unsafe { attr.__bindgen_anon_6.next_id };
        let mut attr = empty();
        attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
        // It may have gone since.
        let Ok(btf) = bpf(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attr).map(owned) else { continue };
        if btf_name(&btf)? == name.as_bytes() {
            return Ok(btf);
        }
    }
}

/// What a BTF object is called: a module's name, `vmlinux`, or nothing for a program's.
fn btf_name(btf: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut name = [0u8; 64];
    // SAFETY: bpf_btf_info is plain integers, for which all zeros is valid.
    let mut info: bpf_btf_info = unsafe { mem::zeroed() };
    info.name = name.as_mut_ptr() as u64;
    info.name_len = name.len() as u32;
    ask(btf.as_fd(), &mut info)?;
    Ok(name.iter().copied().take_while(|byte| *byte != 0).collect())
}

/// Attaches a raw tracepoint program: to the tracepoint `name`, or with `None` to the target it was loaded for. Kernels
/// before 6.10 know no cookies, and the link then has none: programs made for them do not ask for it.
pub fn raw_tracepoint_open(program: BorrowedFd<'_>, name: Option<&str>, cookie: u64) -> io::Result<OwnedFd> {
    let mut attr = empty();
    let name = name.map(CString::new).transpose().map_err(|_| io::ErrorKind::InvalidInput)?;
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    attr.raw_tracepoint.name = name.as_ref().map_or(0, |name| name.as_ptr() as u64);
    attr.raw_tracepoint.cookie = cookie;
    match bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) {
        Err(error) if cookie != 0 && error.raw_os_error() == Some(libc::EINVAL) => {
            attr.raw_tracepoint.cookie = 0;
            bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr).map(owned)
        }
        opened => opened.map(owned),
    }
}

/// Attaches a program to a perf event by a link, which ends with its descriptor. A cookie that is not 0 needs kernel
/// 5.15, as such a link itself does.
pub fn perf_event_link(program: BorrowedFd<'_>, event: BorrowedFd<'_>, cookie: u64) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_fd = event.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_PERF_EVENT as u32;
    attr.link_create.__bindgen_anon_3.perf_event.bpf_cookie = cookie;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// When a program that is attached to functions runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When they are entered.
    Entry,
    /// When they return.
    Return,
    /// Both, which only a program that was loaded for it can (kernel 6.10).
    Both,
}

/// Attaches one program to many kernel functions by one link (kernel 5.18). Each has a cookie.
pub fn kprobe_multi_link(
    program: BorrowedFd<'_>,
    functions: &[&str],
    cookies: &[u64],
    when: When,
) -> io::Result<OwnedFd> {
    /// `BPF_F_KPROBE_MULTI_RETURN`
    const RETURN: u32 = 1;
    debug_assert_eq!(functions.len(), cookies.len());
    let names: Vec<CString> = functions
        .iter()
        .map(|name| CString::new(*name))
        .collect::<Result<_, _>>()
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    let pointers: Vec<*const libc::c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = match when {
        When::Entry | When::Return => bpf_attach_type::BPF_TRACE_KPROBE_MULTI as u32,
        When::Both => BPF_TRACE_KPROBE_SESSION,
    };
    attr.link_create.__bindgen_anon_3.kprobe_multi.syms = pointers.as_ptr() as u64;
    attr.link_create.__bindgen_anon_3.kprobe_multi.cnt = pointers.len() as u32;
    attr.link_create.__bindgen_anon_3.kprobe_multi.cookies = cookies.as_ptr() as u64;
    attr.link_create.__bindgen_anon_3.kprobe_multi.flags = if when == When::Return { RETURN } else { 0 };
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Places of a file that one link is for.
pub struct UprobeMulti<'a> {
    /// The file.
    pub path: &'a str,
    /// Offsets in it.
    pub offsets: &'a [u64],
    /// For each the offset of a counter that says how many are attached there; 0 where there is none.
    pub semaphores: &'a [u64],
    /// A cookie for each.
    pub cookies: &'a [u64],
    /// On return from the functions that begin there.
    pub on_return: bool,
    /// In this process only.
    pub process: Option<u32>,
}

/// Attaches one program to many places of a file by one link (kernel 6.6).
pub fn uprobe_multi_link(program: BorrowedFd<'_>, what: &UprobeMulti<'_>) -> io::Result<OwnedFd> {
    /// `BPF_F_UPROBE_MULTI_RETURN`
    const RETURN: u32 = 1;
    debug_assert_eq!([what.semaphores.len(), what.cookies.len()], [what.offsets.len(); 2]);
    let path = CString::new(what.path).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    // SAFETY: this member of the union is the one that links of this type read.
    let multi = unsafe { &mut attr.link_create.__bindgen_anon_3.uprobe_multi };
    multi.path = path.as_ptr() as u64;
    multi.offsets = what.offsets.as_ptr() as u64;
    multi.cookies = what.cookies.as_ptr() as u64;
    if what.semaphores.iter().any(|semaphore| *semaphore != 0) {
        multi.ref_ctr_offsets = what.semaphores.as_ptr() as u64;
    }
    multi.cnt = what.offsets.len() as u32;
    multi.flags = if what.on_return { RETURN } else { 0 };
    multi.pid = what.process.unwrap_or(0);
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// What a program is linked to.
#[derive(Clone, Copy, Debug)]
pub enum LinkTarget<'a> {
    /// What is open, such as the directory of a control group.
    File(BorrowedFd<'a>),
    /// A network interface, by its number.
    Interface(u32),
}

/// Who runs an XDP program (`XDP_FLAGS_*`, include/uapi/linux/if_link.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpFlags {
    /// The kernel.
    Skb = 1 << 1,
    /// The interface's driver.
    Driver = 1 << 2,
    /// The network card.
    Hardware = 1 << 3,
}

/// Attaches a program by a link, which ends with its descriptor: XDP from kernel 5.9 on, control groups from 5.7, traffic
/// control from 6.6.
pub fn link_create(program: BorrowedFd<'_>, to: LinkTarget<'_>, kind: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    match to {
        LinkTarget::File(file) => attr.link_create.__bindgen_anon_2.target_fd = file.as_raw_fd() as u32,
        LinkTarget::Interface(index) => attr.link_create.__bindgen_anon_2.target_ifindex = index,
    }
    attr.link_create.attach_type = kind;
    attr.link_create.flags = flags;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// The name of the network interface with this number.
pub fn interface_name(number: u32) -> Option<String> {
    let mut name = [0 as libc::c_char; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call asks for.
    if unsafe { libc::if_indextoname(number, name.as_mut_ptr()) }.is_null() {
        return None;
    }
    let bytes = name.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8).collect::<Vec<_>>();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A socket that gets what a program leaves it of the packets of a network interface, of all protocols. Nobody reads it.
pub fn packet_socket(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let checked = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // Of no protocol yet: it is to get nothing before it has its program and its interface.
    // SAFETY: the call takes plain numbers.
    let socket = checked(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    let socket = owned(i64::from(socket));
    let fd = program.as_raw_fd();
    // SAFETY: the option's value is a descriptor, given with its size.
    checked(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_BPF,
            (&raw const fd).cast(),
            mem::size_of_val(&fd) as u32,
        )
    })?;
    // SAFETY: sockaddr_ll is plain integers, for which all zeros is valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = interface as i32;
    // SAFETY: the address lives through the call and is given with its size.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), mem::size_of_val(&address) as u32) })?;
    Ok(socket)
}

/// Makes a link of an iterator program, which [`iterate`] can run. One that goes over tasks may be limited to those of a
/// process (kernel 6.1).
pub fn iter_link(program: BorrowedFd<'_>, process: Option<u32>) -> io::Result<OwnedFd> {
    /// `union bpf_iter_link_info` for tasks: a task, its process, or a descriptor of it.
    #[repr(C)]
    struct Tasks {
        tid: u32,
        pid: u32,
        pid_fd: u32,
        rest: u32,
    }
    let tasks = Tasks { tid: 0, pid: process.unwrap_or(0), pid_fd: 0, rest: 0 };
    let mut attr = empty();
    if process.is_some() {
        // SAFETY: this member of the union is the one that links of iterators read.
        let info = unsafe { &mut attr.link_create.__bindgen_anon_3.__bindgen_anon_1 };
        info.iter_info = &raw const tasks as u64;
        info.iter_info_len = mem::size_of::<Tasks>() as u32;
    }
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Keeps a link for as long as a file is there, which must not be yet.
pub fn pin(link: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    let path = CString::new(path).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut attr = empty();
    // SAFETY: this member of the union is the one that BPF_OBJ_PIN reads.
    let object = unsafe { &mut attr.__bindgen_anon_4 };
    object.pathname = path.as_ptr() as u64;
    object.bpf_fd = link.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_OBJ_PIN, &mut attr).map(drop)
}

/// The object that a file in the kernel's file system for BPF keeps.
pub fn pinned(path: &str) -> io::Result<OwnedFd> {
    let path = CString::new(path).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut attr = empty();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    bpf(bpf_cmd::BPF_OBJ_GET, &mut attr).map(owned)
}

/// What tells a link from all other objects: its type, its number and that of its program.
pub fn link_identity(link: BorrowedFd<'_>) -> io::Result<(u32, u32, u32)> {
    // SAFETY: bpf_link_info is plain integers, for which all zeros is valid.
    let mut info: bpf_link_info = unsafe { mem::zeroed() };
    ask(link, &mut info)?;
    Ok((info.type_, info.id, info.prog_id))
}

/// A run of an iterator: reading it to its end runs the program on every object.
pub fn iterate(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = empty();
    attr.iter_create.link_fd = link.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_ITER_CREATE, &mut attr).map(owned)
}

/// Runs a raw tracepoint program once, here and now.
pub fn test_run(program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = empty();
    attr.test.prog_fd = program.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr).map(drop)
}

/// How a map is made.
pub struct MapRequest<'a> {
    /// At most 15 bytes.
    pub name: &'a str,
    /// `BPF_MAP_TYPE_*`
    pub kind: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Elements.
    pub entries: u32,
    /// A map like those that a map of maps has.
    pub inner: Option<BorrowedFd<'a>>,
}

/// Makes a map with keys of four bytes.
pub fn map_create(request: &MapRequest<'_>) -> io::Result<OwnedFd> {
    create(request, 0)
}

/// Makes an array that can be one of those of a map of maps, of any length.
pub fn inner_array(value_size: u32, entries: u32) -> io::Result<OwnedFd> {
    /// `BPF_MAP_TYPE_ARRAY`
    const ARRAY: u32 = 2;
    /// `BPF_F_INNER_MAP`
    const INNER_MAP: u32 = 1 << 12;
    create(&MapRequest { name: "unwind", kind: ARRAY, value_size, entries, inner: None }, INNER_MAP)
}

fn create(request: &MapRequest<'_>, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: this member of the union is the one that BPF_MAP_CREATE reads.
    let create = unsafe { &mut attr.__bindgen_anon_1 };
    create.map_type = request.kind;
    create.key_size = 4;
    create.value_size = request.value_size;
    create.max_entries = request.entries;
    create.map_flags = flags;
    create.inner_map_fd = request.inner.map_or(0, |inner| inner.as_raw_fd() as u32);
    for (to, from) in create.map_name.iter_mut().take(15).zip(request.name.bytes()) {
        *to = from as libc::c_char;
    }
    bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr).map(owned)
}

/// Fills an array from its first element on.
pub fn array_fill(map: BorrowedFd<'_>, value_size: usize, values: &[u8]) -> io::Result<()> {
    let count = (values.len() / value_size) as u32;
    let keys: Vec<u32> = (0..count).collect();
    let mut attr = empty();
    attr.batch.map_fd = map.as_raw_fd() as u32;
    attr.batch.keys = keys.as_ptr() as u64;
    attr.batch.values = values.as_ptr() as u64;
    attr.batch.count = count;
    bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr).map(drop)
}

/// Runs a network program so many times in a row and gives the nanoseconds that one run took, as the kernel measures
/// it. Programs of other types give `EINVAL`.
pub fn test_run_repeated(program: BorrowedFd<'_>, times: u32) -> io::Result<u64> {
    /// The shortest packet that the kernel takes: an Ethernet header.
    const PACKET: [u8; 14] = [0; 14];
    let mut attr = empty();
    attr.test.prog_fd = program.as_raw_fd() as u32;
    attr.test.data_in = PACKET.as_ptr() as u64;
    attr.test.data_size_in = PACKET.len() as u32;
    attr.test.repeat = times;
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr)?;
    // SAFETY: the kernel writes the time into the member that was set above.
    Ok(u64::from(unsafe { attr.test.duration }))
}

/// Makes the kernel measure how long programs run, until the descriptor is closed (kernel 5.8).
pub fn count_run_times() -> io::Result<OwnedFd> {
    /// `BPF_STATS_RUN_TIME`
    const RUN_TIME: u32 = 0;
    let mut attr = empty();
    attr.enable_stats.type_ = RUN_TIME;
    bpf(bpf_cmd::BPF_ENABLE_STATS, &mut attr).map(owned)
}

/// How many nanoseconds a program has run, and how often, while that was measured.
pub fn run_time(program: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    program_info(program).map(|info| (info.run_time_ns, info.run_cnt))
}

/// How many times the kernel did not run a program because one was running on the processor already (kernel 5.12;
/// before, 0).
pub fn missed_runs(program: BorrowedFd<'_>) -> io::Result<u64> {
    program_info(program).map(|info| info.recursion_misses)
}

fn program_info(program: BorrowedFd<'_>) -> io::Result<bpf_prog_info> {
    // SAFETY: bpf_prog_info is plain integers, for which all zeros is valid.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    ask(program, &mut info)?;
    Ok(info)
}

/// What the kernel tells of an object: plain integers, for which any bits are valid.
trait Info {}

impl Info for bpf_btf_info {}
impl Info for bpf_link_info {}
impl Info for bpf_prog_info {}

/// Has the kernel fill in what it knows of an object. What `info` holds before says where more may be written.
fn ask<I: Info>(object: BorrowedFd<'_>, info: &mut I) -> io::Result<()> {
    let mut attr = empty();
    attr.info.bpf_fd = object.as_raw_fd() as u32;
    attr.info.info = std::ptr::from_mut(info) as u64;
    attr.info.info_len = mem::size_of::<I>() as u32;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

/// The name of the program with this number.
pub fn program_name(number: u32) -> io::Result<String> {
    let mut attr = empty();
    attr.__bindgen_anon_6.__bindgen_anon_1.prog_id = number;
    let program = bpf(bpf_cmd::BPF_PROG_GET_FD_BY_ID, &mut attr).map(owned)?;
    let info = program_info(program.as_fd())?;
    let bytes = info.name.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0);
    Ok(String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned())
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

/// The leading members of `struct perf_event_attr`: all that is needed here.
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
    /// Also the address of a breakpoint.
    config1: u64,
    /// Also the length of a breakpoint.
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clock: i32,
}

/// `PERF_TYPE_TRACEPOINT`
const PERF_TYPE_TRACEPOINT: u32 = 2;
/// `PERF_FLAG_FD_CLOEXEC`
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// What an event counts.
#[derive(Clone, Copy)]
pub enum Scope {
    /// Everything that happens on this CPU. For tracepoints and probes one CPU stands for all.
    Cpu(u32),
    /// What a thread does, wherever it runs.
    Process(u32),
}

fn perf_event_open(attr: &PerfEventAttr, scope: Scope) -> io::Result<OwnedFd> {
    let no_group = -1;
    let (process, cpu) = match scope {
        Scope::Cpu(cpu) => (-1, cpu as i32),
        Scope::Process(process) => (process as i32, -1),
    };
    // SAFETY: `attr` is valid and says its own size; the other arguments are plain numbers.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, attr, process, cpu, no_group, PERF_FLAG_FD_CLOEXEC) };
    if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(owned(fd)) }
}

/// Opens the trace event with this number (from its `id` file in tracefs).
pub fn open_tracepoint(id: u64) -> io::Result<OwnedFd> {
    let attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: mem::size_of::<PerfEventAttr>() as u32,
        config: id,
        sample_period: 1,
        wakeup_events: 1,
        ..PerfEventAttr::default()
    };
    perf_event_open(&attr, Scope::Cpu(0))
}

/// An event source for probes, as the kernel describes it in `/sys/bus/event_source/devices`.
#[derive(Clone, Copy)]
pub struct ProbeSource {
    /// Its number, from `type`.
    pub kind: u32,
    /// The bit of `config` that asks for probes on return, from `format/retprobe`.
    pub return_bit: u32,
}

/// Where a probe is.
#[derive(Clone, Copy)]
pub struct ProbePlace<'a> {
    /// A function of the kernel, or a file; nothing if there is an address.
    pub target: &'a str,
    /// Bytes from its beginning, or the address.
    pub offset: u64,
    /// On return from it.
    pub on_return: bool,
    /// Offset in the file of a counter that says how many are attached.
    pub semaphore: Option<NonZeroU64>,
}

/// Opens a probe.
pub fn open_probe(source: ProbeSource, place: ProbePlace<'_>, process: Option<u32>) -> io::Result<OwnedFd> {
    /// The upper half of `config` is the counter's offset (`PERF_UPROBE_REF_CTR_OFFSET_SHIFT`, kernel 4.20).
    const SEMAPHORE_BIT: u32 = 32;
    let ProbePlace { target, offset, on_return, semaphore } = place;
    let semaphore = u32::try_from(semaphore.map_or(0, NonZeroU64::get)).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let name = CString::new(target).map_err(|_| io::ErrorKind::InvalidInput)?;
    let attr = PerfEventAttr {
        kind: source.kind,
        size: mem::size_of::<PerfEventAttr>() as u32,
        config: u64::from(on_return) << source.return_bit | u64::from(semaphore) << SEMAPHORE_BIT,
        config1: if target.is_empty() { 0 } else { name.as_ptr() as u64 },
        config2: offset,
        ..PerfEventAttr::default()
    };
    perf_event_open(&attr, process.map_or(Scope::Cpu(0), Scope::Process))
}

/// Opens a watchpoint on memory for what runs on a CPU, or for a thread and those that it will start.
pub fn open_watchpoint(watch: &Watch, scope: Scope) -> io::Result<OwnedFd> {
    /// `PERF_TYPE_BREAKPOINT`
    const BREAKPOINT: u32 = 5;
    /// `HW_BREAKPOINT_R`, `HW_BREAKPOINT_W` and `HW_BREAKPOINT_X` (include/uapi/linux/hw_breakpoint.h).
    const BITS: [u32; 3] = [1, 2, 4];
    /// `perf_event_attr.inherit`
    const INHERIT: u64 = 1 << 1;
    let Watch { address, length, access } = *watch;
    let asked = [access.read, access.write, access.execute];
    let attr = PerfEventAttr {
        kind: BREAKPOINT,
        size: mem::size_of::<PerfEventAttr>() as u32,
        sample_period: 1,
        wakeup_events: 1,
        flags: if let Scope::Process(_) = scope { INHERIT } else { 0 },
        bp_type: BITS.into_iter().zip(asked).map(|(bit, asked)| if asked { bit } else { 0 }).sum(),
        config1: address,
        // An instruction is watched as a whole, and the kernel wants that said so.
        config2: if access.execute { mem::size_of::<libc::c_long>() as u64 } else { u64::from(length) },
        ..PerfEventAttr::default()
    };
    perf_event_open(&attr, scope)
}

/// How often a counter fires.
#[derive(Clone, Copy)]
pub enum Sampling {
    /// Each time it has counted so many.
    Period(u64),
    /// So many times a second.
    Frequency(u64),
}

/// Opens a counter on a CPU; `kind` is `PERF_TYPE_HARDWARE` (0) or `PERF_TYPE_SOFTWARE` (1).
pub fn open_counter(kind: u32, config: u64, sampling: Sampling, cpu: u32) -> io::Result<OwnedFd> {
    /// `perf_event_attr.freq`
    const FREQUENCY: u64 = 1 << 10;
    let (sample_period, flags) = match sampling {
        Sampling::Period(count) => (count, 0),
        Sampling::Frequency(rate) => (rate, FREQUENCY),
    };
    let size = mem::size_of::<PerfEventAttr>() as u32;
    perf_event_open(
        &PerfEventAttr { kind, size, config, sample_period, flags, ..PerfEventAttr::default() },
        Scope::Cpu(cpu),
    )
}

/// Opens an event that counts nothing on a CPU, and tells of what processes there do: that they map code, run another
/// program, come to be. It wakes its reader when so many bytes have gathered.
pub fn open_sideband(cpu: u32, wakeup_bytes: u32) -> io::Result<OwnedFd> {
    /// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_DUMMY`
    const DUMMY: (u32, u64) = (1, 9);
    /// `PERF_SAMPLE_TIME`
    const TIME: u64 = 1 << 2;
    /// Members of `perf_event_attr`: mmap, comm, task, watermark, sample_id_all, mmap2, comm_exec, use_clockid.
    const FLAGS: u64 = 1 << 8 | 1 << 9 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 23 | 1 << 24 | 1 << 25;
    let attr = PerfEventAttr {
        kind: DUMMY.0,
        size: mem::size_of::<PerfEventAttr>() as u32,
        config: DUMMY.1,
        sample_type: TIME,
        flags: FLAGS,
        wakeup_events: wakeup_bytes,
        clock: libc::CLOCK_MONOTONIC,
        ..PerfEventAttr::default()
    };
    perf_event_open(&attr, Scope::Cpu(cpu))
}
