//! Programs run over packets by the kernel's own test of programs, `BPF_PROG_TEST_RUN`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const MAP_LOOKUP_ELEM: libc::c_long = 1;
const PROG_LOAD: libc::c_long = 5;
const PROG_TEST_RUN: libc::c_long = 10;

/// `union bpf_attr` for a test run.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    bytes_in: u32,
    bytes_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_in: u32,
    context_out: u32,
    context: [u64; 2],
    flags: u32,
    cpu: u32,
    batch: u32,
    rest: u32,
}

/// `union bpf_attr` for an element of a map.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` for a program, as far as it is set.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    length: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    rest: [u64; 2],
}

/// Loads an XDP program.
pub fn load_xdp(instructions: &[u64]) -> io::Result<OwnedFd> {
    const XDP: u32 = 6;
    let mut attr = Load {
        kind: XDP,
        length: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        ..Load::default()
    };
    let fd = bpf(PROG_LOAD, &mut attr)?;
    // SAFETY: the kernel has made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<i32> {
    // SAFETY: the attributes are as the kernel declares them, and what they point to outlives the call.
    let status = unsafe { libc::syscall(libc::SYS_bpf, command, attr as *mut T, size_of::<T>()) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(status as i32) }
}

/// Runs a program over a packet so many times: what it returns, and the nanoseconds of one run. The packet has
/// Ethernet's header, which is taken away for programs that do not see it, and at least so many bytes.
pub fn run_over(program: BorrowedFd<'_>, packet: &[u8], times: u32) -> io::Result<(u32, u32)> {
    let mut attr = TestRun {
        program: program.as_raw_fd() as u32,
        bytes_in: packet.len() as u32,
        data_in: packet.as_ptr() as u64,
        repeat: times,
        ..TestRun::default()
    };
    bpf(PROG_TEST_RUN, &mut attr)?;
    Ok((attr.result, attr.duration))
}

/// The first element of an array.
pub fn first_element(map: BorrowedFd<'_>, value: &mut [u8]) -> io::Result<()> {
    let key = 0u32;
    let mut attr = Element {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: &raw const key as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    bpf(MAP_LOOKUP_ELEM, &mut attr).map(drop)
}
