//! A machine that offers less: another user, fewer capabilities, no tracefs.

use std::ffi::CStr;
use std::io;

/// What a run may not have. Changes nothing unless asked to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Be `nobody`, with this set of capabilities.
    pub nobody: Option<u64>,
    /// Unmount every tracefs, in a mount namespace of one's own.
    pub without_tracefs: bool,
}

const NOBODY: libc::uid_t = 65534;
/// Where a tracefs may be; the first two are one when debugfs is mounted.
const TRACEFS: [&CStr; 3] = [c"/sys/kernel/debug/tracing", c"/sys/kernel/debug", c"/sys/kernel/tracing"];

impl Place {
    /// To be called between fork and exec: makes nothing but system calls.
    pub fn enter(&self) -> io::Result<()> {
        if self.without_tracefs {
            hide_tracefs()?;
        }
        match self.nobody {
            Some(capabilities) => become_nobody(capabilities),
            None => Ok(()),
        }
    }
}

/// Makes a mount namespace of one's own whose changes stay inside.
pub fn own_mounts() -> io::Result<()> {
    let (none, root) = (std::ptr::null(), c"/".as_ptr());
    // SAFETY: the calls take C strings and null pointers.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS))?;
        check(libc::mount(none, root, none, libc::MS_REC | libc::MS_PRIVATE, none.cast()))
    }
}

fn hide_tracefs() -> io::Result<()> {
    own_mounts()?;
    for place in TRACEFS {
        // SAFETY: takes a C string. Mounts may lie on one another; what is no mount point says so.
        while unsafe { libc::umount2(place.as_ptr(), libc::MNT_DETACH) } == 0 {}
    }
    Ok(())
}

fn become_nobody(capabilities: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Half {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let half = |set: u32| Half { effective: set, permitted: set, inheritable: set };
    let halves = [half(capabilities as u32), half((capabilities >> 32) as u32)];
    let header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: system calls on live memory of the layouts they ask for.
    unsafe {
        check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
        // Straight to the kernel: the C library would have to tell other threads, and there are none here.
        check(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) as i32)?;
        check(libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY) as i32)?;
        check(libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) as i32)?;
        check(libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) as i32)?;
        for capability in (0..64).filter(|bit| capabilities & (1 << bit) != 0) {
            check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0))?;
        }
    }
    Ok(())
}

fn check(status: i32) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
