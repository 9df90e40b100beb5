//! Signals that end a run. They are blocked, and come by a descriptor that is waited for beside everything else; where
//! there is no time to wait, somebody asks for them now and then.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Ctrl-C, kill, and a terminal that goes away.
const ENDING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

fn set_of(signals: impl IntoIterator<Item = libc::c_int>) -> libc::sigset_t {
    // SAFETY: the set is initialised before it is used, and each call only writes what is passed to it.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// A descriptor that becomes readable on the signals that end a run, which are blocked from now on; on SIGUSR1 as well if
/// the script has a use for it.
pub(super) fn catch(user: bool) -> io::Result<OwnedFd> {
    let set = set_of(ENDING.into_iter().chain(user.then_some(libc::SIGUSR1)));
    // SAFETY: the set lives through both calls, and the descriptor is new.
    unsafe {
        if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            fd if fd < 0 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Takes a signal that wants the run to end, if one has come. It is one of those that are blocked.
pub(super) fn take_ending() -> Option<libc::c_int> {
    take(&ENDING)
}

/// Forgets a Ctrl-C that was meant for something that is done by now. Not before a run has begun, which blocks the signal.
pub fn forget_interrupt() {
    take(&[libc::SIGINT]);
}

fn take(signals: &[libc::c_int]) -> Option<libc::c_int> {
    let set = set_of(signals.iter().copied());
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the set and the time live through the call, which does not wait, and nobody asks who has sent it.
    let taken = unsafe { libc::sigtimedwait(&set, std::ptr::null_mut(), &at_once) };
    (taken > 0).then_some(taken)
}

#[cfg(test)]
mod tests {
    use super::{catch, set_of, take};

    #[test]
    fn a_signal_that_has_come_is_taken_once_and_no_other() {
        // SAFETY: signals to this thread, which has them blocked, as the other tests of this process have not.
        unsafe {
            let set = set_of([libc::SIGUSR2, libc::SIGWINCH]);
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()), 0);
            assert_eq!(take(&[libc::SIGUSR2]), None);
            assert_eq!(libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2), 0);
            assert_eq!(libc::pthread_kill(libc::pthread_self(), libc::SIGWINCH), 0);
        }
        assert_eq!(take(&[libc::SIGUSR2]), Some(libc::SIGUSR2));
        assert_eq!(take(&[libc::SIGUSR2]), None);
        assert_eq!(take(&[libc::SIGWINCH]), Some(libc::SIGWINCH));
    }

    #[test]
    fn they_are_caught() {
        // Blocked in this thread alone, which ends with the test.
        assert!(catch(true).is_ok());
    }
}
