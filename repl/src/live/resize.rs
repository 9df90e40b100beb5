//! That the terminal has another size: SIGWINCH as a descriptor that can be waited for.
//!
//! A signalfd would need the signal blocked in every thread, and the editor has a handler of its own, which is put back
//! when nobody watches any more.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Where the handler writes to; nowhere if negative.
static TOLD: AtomicI32 = AtomicI32::new(-1);

/// Readable after SIGWINCH, until this goes. There is one at a time.
pub struct Resizes {
    told: OwnedFd,
    before: libc::sigaction,
}

extern "C" fn on_resize(_: libc::c_int) {
    let fd = TOLD.load(Ordering::Relaxed);
    if fd >= 0 {
        let one = 1u64;
        // SAFETY: write(2) may be called in a handler, the bytes are there, and errno is as it was for whoever was
        // interrupted.
        unsafe {
            let errno = *libc::__errno_location();
            libc::write(fd, (&raw const one).cast(), 8);
            *libc::__errno_location() = errno;
        }
    }
}

impl Resizes {
    /// From now on.
    pub fn watch() -> io::Result<Self> {
        let told = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        TOLD.store(told.as_raw_fd(), Ordering::Relaxed);
        // SAFETY: both structures are initialised before they are used, and the handler does only what one may do.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_resize as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            match libc::sigaction(libc::SIGWINCH, &action, &mut before) {
                0 => Ok(Self { told, before }),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Whether it has come since the last time.
    pub fn take(&self) -> bool {
        rustix::io::read(&self.told, &mut [0; 8]).is_ok()
    }
}

impl AsFd for Resizes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        // SAFETY: what was there before is put back.
        unsafe { libc::sigaction(libc::SIGWINCH, &self.before, std::ptr::null_mut()) };
        TOLD.store(-1, Ordering::Relaxed);
    }
}
