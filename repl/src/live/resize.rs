//! That the terminal has another size: SIGWINCH as a descriptor that can be waited for.
//!
//! A signalfd would need the signal blocked in every thread, and the editor has a handler of its own, which is put back
//! when nobody watches any more.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where the handler writes to; nowhere yet if negative. It is never closed, so that a handler which still runs when
/// nobody watches any more writes to nothing else.
static TOLD: AtomicI32 = AtomicI32::new(-1);

/// Readable after SIGWINCH, until this goes. There is one at a time.
pub struct Resizes {
    told: BorrowedFd<'static>,
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

/// What the handler writes to, made when it is first asked for.
fn told() -> io::Result<BorrowedFd<'static>> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if TOLD.load(Ordering::Relaxed) < 0 {
        let new: OwnedFd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        TOLD.store(new.into_raw_fd(), Ordering::Relaxed);
    }
    // SAFETY: it is open, and nobody closes it.
    Ok(unsafe { BorrowedFd::borrow_raw(TOLD.load(Ordering::Relaxed)) })
}

impl Resizes {
    /// From now on.
    pub fn watch() -> io::Result<Self> {
        let told = told()?;
        // SAFETY: both structures are initialised before they are used, and the handler does only what one may do.
        let new = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_resize as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            match libc::sigaction(libc::SIGWINCH, &action, &mut before) {
                0 => Self { told, before },
                _ => return Err(io::Error::last_os_error()),
            }
        };
        // What was told to whoever watched before.
        new.take();
        Ok(new)
    }

    /// Whether it has come since the last time.
    pub fn take(&self) -> bool {
        rustix::io::read(self.told, &mut [0; 8]).is_ok()
    }
}

impl AsFd for Resizes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        // SAFETY: what was there before is put back.
        unsafe { libc::sigaction(libc::SIGWINCH, &self.before, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::{Resizes, on_resize};
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn what_a_late_handler_writes_to_stays_open() {
        let first = Resizes::watch().expect("signals can be watched");
        assert!(!first.take());
        on_resize(libc::SIGWINCH);
        assert!(first.take() && !first.take());
        let told = first.as_fd().as_raw_fd();
        drop(first);
        let what = std::fs::read_link(format!("/proc/self/fd/{told}")).expect("it is open");
        assert_eq!(what.to_str(), Some("anon_inode:[eventfd]"));
        // As if it had been running when nobody watched any more.
        on_resize(libc::SIGWINCH);
        assert!(!Resizes::watch().expect("signals can be watched").take());
    }
}
