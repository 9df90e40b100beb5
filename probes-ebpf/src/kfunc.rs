//! Which functions of the kernel a program may call, as the kernel itself says.
//!
//! The kernel keeps a list for each kind of program, and tells what is on it only when a program is loaded. So a program
//! is loaded that does nothing but call the function; it would be refused for other reasons, too, and what counts is
//! which reason the verifier gives.

use lang::target::ProgramType;
use std::ffi::c_void;

/// `BPF_PROG_LOAD` (include/uapi/linux/bpf.h)
const PROG_LOAD: libc::c_int = 5;

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

/// `BPF_PROG_TYPE_TRACING`, and its `BPF_TRACE_RAW_TP`
const TRACING: u32 = 26;
const TRACE_RAW_TP: u32 = 23;

/// Whether programs of this type may call the function with this BTF id. A program whose event has a BTF type must be
/// for one, which can be any: `event` is the BTF id of a raw tracepoint.
pub fn may_call(name: &str, id: u32, program: ProgramType, event: u32) -> bool {
    use ProgramType as P;
    let prog_type = match program {
        P::Kprobe | P::KprobeMulti | P::KprobeSession | P::UprobeMulti => 2,
        P::Tracepoint => 5,
        P::PerfEvent => 7,
        P::SocketFilter => 1,
        P::Tc => 3,
        P::Xdp => 6,
        P::CgroupSkb => 8,
        P::RawTracepoint => 17,
        P::BtfTracepoint | P::Fentry | P::Fexit | P::Iter => TRACING,
    };
    let (expected_attach_type, attach_btf_id) = if prog_type == TRACING { (TRACE_RAW_TP, event) } else { (0, 0) };
    // `call kfunc`, `exit`: code, registers, offset, immediate.
    let call = 0x85 | 2 << 12 | u64::from(id) << 32;
    let insns: [u64; 2] = [call, 0x95];
    let mut log = [0u8; 4096];
    let attr = LoadAttr {
        prog_type,
        insn_cnt: insns.len() as u32,
        insns: insns.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 1,
        log_size: log.len() as u32,
        log_buf: log.as_mut_ptr() as u64,
        expected_attach_type,
        attach_btf_id,
        ..LoadAttr::default()
    };
    let attr: *const c_void = std::ptr::from_ref(&attr).cast();
    // SAFETY: `attr` has the size given, and all that it points to lives until the call returns.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, attr, size_of::<LoadAttr>()) };
    if fd >= 0 {
        // SAFETY: the kernel has just returned this descriptor, and nobody else knows it.
        unsafe { libc::close(fd as libc::c_int) };
        return true;
    }
    let told = log.split(|byte| *byte == 0).next().unwrap_or_default();
    let refusal = format!("calling kernel function {name} is not allowed");
    // Without a word from the verifier the program did not come that far.
    !told.is_empty() && !String::from_utf8_lossy(told).contains(&refusal)
}
