//! A look at a command before its own code runs, by ptrace(2).
//!
//! A process that stands still after execve(2) has its program and the dynamic linker in its memory; when it comes to
//! the program's entry, the linker has brought in the libraries. A breakpoint of the processor stops it there, for
//! which nothing in its memory is changed: a probe may lie at the same place. From then on it runs as if nobody had
//! looked.

use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use std::io;

/// Lets a process that waits for a word to go, and has asked to be traced, run until its program begins, and does `look`
/// there and before. Its status if it has ended instead.
pub fn until_entry(pid: Pid, look: &mut dyn FnMut()) -> io::Result<Option<WaitStatus>> {
    match stopped(pid)? {
        // By execve.
        Stop::Signal(libc::SIGTRAP) => look(),
        // Somebody else has sent it something first; so be it.
        Stop::Signal(signal) => return detach(pid, signal).map(|()| None),
        Stop::Ended(status) => return Ok(Some(status)),
    }
    // Where there are no breakpoints, what is still to come is found when it is met.
    let Some(entry) = entry(pid).filter(|entry| set_breakpoint(pid, Some(*entry)).is_ok()) else {
        return detach(pid, 0).map(|()| None);
    };
    let mut signal = 0;
    loop {
        request(libc::PTRACE_CONT, pid, 0, signal)?;
        match stopped(pid)? {
            Stop::Signal(libc::SIGTRAP) if instruction(pid).is_ok_and(|at| at == entry) => break,
            Stop::Signal(other) => signal = other,
            Stop::Ended(status) => return Ok(Some(status)),
        }
    }
    look();
    set_breakpoint(pid, None)?;
    detach(pid, 0).map(|()| None)
}

/// How a process has come to a stop.
enum Stop {
    Signal(i32),
    Ended(WaitStatus),
}

fn stopped(pid: Pid) -> io::Result<Stop> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => match status.stopping_signal() {
                Some(signal) => return Ok(Stop::Signal(signal)),
                None => return Ok(Stop::Ended(status)),
            },
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn detach(pid: Pid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, pid, 0, signal)
}

/// Where the program begins, as the kernel tells it.
fn entry(pid: Pid) -> Option<u64> {
    /// `AT_ENTRY` (include/uapi/linux/auxvec.h)
    const AT_ENTRY: u64 = 9;
    let bytes = std::fs::read(format!("/proc/{}/auxv", pid.as_raw_nonzero())).ok()?;
    let words: Vec<u64> =
        bytes.chunks_exact(8).filter_map(|word| word.try_into().ok().map(u64::from_ne_bytes)).collect();
    words.chunks_exact(2).find(|pair| pair[0] == AT_ENTRY).map(|pair| pair[1])
}

/// Has the processor stop the process at an address, or no more.
#[cfg(target_arch = "x86_64")]
fn set_breakpoint(pid: Pid, address: Option<u64>) -> io::Result<()> {
    /// The first of the debug registers.
    const REGISTERS: usize = std::mem::offset_of!(libc::user, u_debugreg);
    /// The one that says which of the others are in use, and for what.
    const CONTROL: usize = REGISTERS + 7 * 8;
    // The first one, for running one instruction.
    let in_use = u64::from(address.is_some());
    if let Some(address) = address {
        poke(pid, REGISTERS, address)?;
    }
    poke(pid, CONTROL, in_use)
}

#[cfg(not(target_arch = "x86_64"))]
fn set_breakpoint(_: Pid, _: Option<u64>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The address of the instruction that comes next.
#[cfg(target_arch = "x86_64")]
fn instruction(pid: Pid) -> io::Result<u64> {
    const IP: usize = std::mem::offset_of!(libc::user, regs) + std::mem::offset_of!(libc::user_regs_struct, rip);
    let mut word = 0u64;
    // SAFETY: the raw system call, unlike the library's function, writes the word to the address given last.
    let result = unsafe {
        libc::syscall(libc::SYS_ptrace, libc::PTRACE_PEEKUSER as libc::c_long, pid.as_raw_nonzero(), IP, &raw mut word)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(word) }
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction(_: Pid) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_arch = "x86_64")]
fn poke(pid: Pid, offset: usize, word: u64) -> io::Result<()> {
    // SAFETY: plain numbers; the kernel checks what may be written there.
    let result = unsafe { libc::ptrace(libc::PTRACE_POKEUSER, pid.as_raw_nonzero().get(), offset, word) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn request(request: libc::c_uint, pid: Pid, address: usize, data: i32) -> io::Result<()> {
    // SAFETY: requests made here take a number as data.
    let result = unsafe { libc::ptrace(request, pid.as_raw_nonzero().get(), address, data as libc::c_long) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
