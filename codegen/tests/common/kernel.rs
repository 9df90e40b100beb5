//! Loading a program into this kernel and running it once.

use codegen::insn::Insn;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// The fields of `union bpf_attr` that loading uses, padded to a size that every kernel knows.
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
}

#[repr(C)]
#[derive(Default)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> std::io::Result<libc::c_long> {
    // SAFETY: `attr` is a live, fully initialised prefix of `union bpf_attr` of the size that is passed; the kernel
    // takes what lies behind it as 0, and the pointers in it are to buffers that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

/// Loads a raw tracepoint program; an error carries the verifier's log.
pub fn load(insns: &[Insn]) -> Result<OwnedFd, String> {
    let bytes: Vec<[u8; 8]> = insns.iter().map(|insn| insn.encode()).collect();
    let mut log = vec![0_u8; 1 << 22];
    for log_level in [0, 1] {
        let mut attr = LoadAttr {
            prog_type: BPF_PROG_TYPE_RAW_TRACEPOINT,
            insn_cnt: bytes.len() as u32,
            insns: bytes.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
            log_level,
            ..LoadAttr::default()
        };
        if log_level > 0 {
            attr.log_size = log.len() as u32;
            attr.log_buf = log.as_mut_ptr() as u64;
        }
        match bpf(BPF_PROG_LOAD, &mut attr) {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
            Err(error) if log_level > 0 => {
                let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
                let text = String::from_utf8_lossy(&log[..end]);
                let tail = text.len().saturating_sub(6000);
                return Err(format!("{error}\n{}", text.get(tail..).unwrap_or(&text)));
            }
            Err(_) => {}
        }
    }
    unreachable!("the second attempt returns")
}

/// Runs a raw tracepoint program with these arguments and gives the low 32 bits of what it returns.
pub fn run(program: &OwnedFd, args: &[u64]) -> std::io::Result<u32> {
    let mut attr = TestRunAttr {
        prog_fd: program.as_raw_fd() as u32,
        ctx_size_in: size_of_val(args) as u32,
        ctx_in: args.as_ptr() as u64,
        ..TestRunAttr::default()
    };
    bpf(BPF_PROG_TEST_RUN, &mut attr)?;
    Ok(attr.retval)
}

/// Whether this process may load programs.
pub fn is_available() -> bool {
    let insn = |code, imm| Insn { code, imm, ..Insn::default() };
    load(&[insn(0xb7, 0), insn(0x95, 0)]).is_ok()
}
