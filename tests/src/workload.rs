//! Exact workloads: so many system calls of one kind, by a process that is known before tracing starts.
//!
//! A [`Worker`] is a forked child that waits behind a gate, so its process id can stand in the script. Once released
//! it makes exactly the calls that its [`Work`] names, then exits without running anything else. Between fork and exit
//! it calls only what is async-signal-safe, since the test process has several threads: all memory is made ready
//! before the fork.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use libc::{c_int, pid_t};

use crate::patience;

/// What a worker does, with everything it needs already allocated.
#[derive(Clone, Debug)]
pub enum Work {
    /// Opens `file` once, then calls write(2) `times` times.
    Write {
        /// Created if it is missing, never truncated.
        file: CString,
        /// How many calls.
        times: u64,
        /// What each call writes.
        data: Vec<u8>,
    },
    /// Opens `file` once, then writes 1 byte, 2 bytes, and so on up to all of `data`, `rounds` times over.
    WriteSizes {
        /// Created if it is missing, never truncated.
        file: CString,
        /// How often the whole series is written.
        rounds: u64,
        /// What the longest write writes.
        data: Vec<u8>,
    },
    /// Opens and closes `file` `times` times, by openat(2).
    Open {
        /// Must exist.
        file: CString,
        /// How many calls.
        times: u64,
    },
    /// Calls getpid(2) `times` times, past any caching in the C library.
    Getpid(u64),
    /// Calls getppid(2) `times` times.
    Getppid(u64),
    /// Runs a program `times` times, each in a child of its own, by execve(2). Every run must exit with 0.
    Exec {
        /// Its path, and its only argument.
        program: CString,
        /// How many calls.
        times: u64,
    },
}

impl Work {
    /// `times` writes of `bytes` bytes each to `file`.
    pub fn write(file: impl AsRef<OsStr>, times: u64, bytes: usize) -> Work {
        Work::Write { file: c_string(file), times, data: vec![b'x'; bytes] }
    }

    /// Writes of 1 to `longest` bytes to `file`, `rounds` times over.
    pub fn write_sizes(file: impl AsRef<OsStr>, rounds: u64, longest: usize) -> Work {
        Work::WriteSizes { file: c_string(file), rounds, data: vec![b'x'; longest] }
    }

    /// `times` opens of `file`, which must exist.
    pub fn open(file: impl AsRef<OsStr>, times: u64) -> Work {
        Work::Open { file: c_string(file), times }
    }

    /// `times` runs of `program`.
    pub fn exec(program: impl AsRef<OsStr>, times: u64) -> Work {
        Work::Exec { program: c_string(program), times }
    }

    /// Does it, and says which call failed: nothing here allocates or locks.
    pub fn perform(&self) -> Result<(), &'static str> {
        match self {
            Work::Write { file, times, data } => write_all(file, (0..*times).map(|_| data.as_slice())),
            Work::WriteSizes { file, rounds, data } => {
                write_all(file, (0..*rounds).flat_map(|_| (1..=data.len()).map(|length| &data[..length])))
            }
            Work::Open { file, times } => (0..*times).try_for_each(|_| open_once(file)),
            Work::Getpid(times) => call_times(libc::SYS_getpid, *times),
            Work::Getppid(times) => call_times(libc::SYS_getppid, *times),
            Work::Exec { program, times } => (0..*times).try_for_each(|_| exec_once(program)),
        }
    }
}

fn c_string(path: impl AsRef<OsStr>) -> CString {
    CString::new(path.as_ref().as_bytes()).expect("a path has no zero byte")
}

fn write_all<'a>(file: &CString, pieces: impl Iterator<Item = &'a [u8]>) -> Result<(), &'static str> {
    // SAFETY: the path is a C string; the mode is given as O_CREAT asks.
    let fd = unsafe { libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC, 0o600) };
    if fd < 0 {
        return Err("open");
    }
    for data in pieces {
        // SAFETY: `data` is valid for its length, and `fd` is open.
        if unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) } != data.len() as isize {
            return Err("write");
        }
    }
    // SAFETY: `fd` was opened above.
    unsafe { libc::close(fd) };
    Ok(())
}

fn open_once(file: &CString) -> Result<(), &'static str> {
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::openat(libc::AT_FDCWD, file.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err("openat");
    }
    // SAFETY: `fd` was opened above.
    unsafe { libc::close(fd) };
    Ok(())
}

fn call_times(number: libc::c_long, times: u64) -> Result<(), &'static str> {
    for _ in 0..times {
        // SAFETY: only calls without arguments or effect are passed here.
        if unsafe { libc::syscall(number) } < 0 {
            return Err("a call that cannot fail");
        }
    }
    Ok(())
}

fn exec_once(program: &CString) -> Result<(), &'static str> {
    let argv = [program.as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    // SAFETY: the child calls only execve and _exit; both arrays end with a null pointer and outlive the call.
    unsafe {
        match libc::fork() {
            -1 => Err("fork"),
            0 => {
                libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr());
                libc::_exit(127)
            }
            child => {
                let mut status = 0;
                if libc::waitpid(child, &mut status, 0) == child && status == 0 { Ok(()) } else { Err("execve") }
            }
        }
    }
}

/// A child process that has not begun to work yet. Dropping it ends it.
#[derive(Debug)]
pub struct Worker {
    pid: pid_t,
    gate: OwnedFd,
    reaped: bool,
}

impl Worker {
    /// A worker whose `comm` is `name` (the kernel keeps 15 bytes).
    pub fn new(name: &str, work: Work) -> Worker {
        Worker::start(name, None, work)
    }

    /// The same, kept on one processor.
    pub fn on_cpu(cpu: usize, name: &str, work: Work) -> Worker {
        Worker::start(name, Some(cpu), work)
    }

    fn start(name: &str, cpu: Option<usize>, work: Work) -> Worker {
        assert!(name.len() < 16, "comm {name:?} would be cut off");
        let name = c_string(name);
        let cpus = cpu.map(only);
        let (entrance, gate) = pipe();
        // SAFETY: getpid has no conditions.
        let parent = unsafe { libc::getpid() };
        // SAFETY: the child runs `follow` alone, which is async-signal-safe and never returns.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", io::Error::last_os_error()),
            0 => follow(parent, &name, cpus.as_ref(), entrance.as_raw_fd(), &work),
            pid => Worker { pid, gate, reaped: false },
        }
    }

    /// Its process id, which `pid` shows in a script.
    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// Opens the gate, and returns while it works.
    pub fn release(&self) {
        // SAFETY: one byte from a live buffer to an open pipe.
        let sent = unsafe { libc::write(self.gate.as_raw_fd(), [1u8].as_ptr().cast(), 1) };
        assert_eq!(sent, 1, "worker {} is gone: {}", self.pid, io::Error::last_os_error());
    }

    /// Opens the gate and waits for the end. The case fails if the work did.
    #[track_caller]
    pub fn finish(self) {
        self.release();
        self.join();
    }

    /// Waits for the end of a worker that was released.
    #[track_caller]
    pub fn join(mut self) {
        let deadline = Instant::now() + patience(Duration::from_secs(60));
        let mut status = 0;
        // SAFETY: our own child, which nothing else waits for.
        while unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) } == 0 {
            assert!(Instant::now() < deadline, "worker {} did not finish in time", self.pid);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.reaped = true;
        assert_eq!(status, 0, "worker {} failed (wait status {status:#x}): see its line on standard error", self.pid);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: our own child, not yet waited for, so its id still names it.
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// The life of the child. Async-signal-safe throughout.
fn follow(parent: pid_t, name: &CString, cpus: Option<&libc::cpu_set_t>, entrance: c_int, work: &Work) -> ! {
    // SAFETY: plain calls on data made before the fork; the child has one thread.
    unsafe {
        // The worker must not outlive a test process that was killed. It may have been so before this call.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(2);
        }
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        if let Some(cpus) = cpus
            && libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus) != 0
        {
            libc::_exit(3);
        }
        let mut byte = 0u8;
        if libc::read(entrance, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(4);
        }
        match work.perform() {
            Ok(()) => libc::_exit(0),
            Err(call) => {
                libc::write(2, call.as_ptr().cast(), call.len());
                libc::write(2, c" failed in a worker\n".as_ptr().cast(), 20);
                libc::_exit(1)
            }
        }
    }
}

/// One worker for each processor this process may use, kept there, all of the same `comm`: released together they
/// hammer from everywhere at once.
pub fn on_every_cpu(name: &str, work: &Work) -> Vec<Worker> {
    allowed_cpus().into_iter().map(|cpu| Worker::on_cpu(cpu, name, work.clone())).collect()
}

/// Three workers for each processor this process may use, which also take it from one another in the middle of things:
/// each asks for the shortest slice of time there is, where the kernel lets a task say so (Linux 6.12 and later).
pub fn crowd(name: &str, work: &Work) -> Vec<Worker> {
    let workers: Vec<Worker> = (0..3).flat_map(|_| on_every_cpu(name, work)).collect();
    // The kernel's least, in nanoseconds (sched(7), `sched_runtime`).
    const SLICE: u64 = 100_000;
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: SLICE,
        sched_deadline: 0,
        sched_period: 0,
    };
    for worker in &workers {
        // SAFETY: a live structure that says its own size. Older kernels ignore the slice.
        let status = unsafe { libc::syscall(libc::SYS_sched_setattr, worker.pid, &raw const attributes, 0) };
        assert_eq!(status, 0, "sched_setattr: {}", io::Error::last_os_error());
    }
    workers
}

/// Releases all, then waits for all.
#[track_caller]
pub fn finish_all(workers: Vec<Worker>) {
    workers.iter().for_each(Worker::release);
    workers.into_iter().for_each(Worker::join);
}

/// The processors this process may run on.
pub fn allowed_cpus() -> Vec<usize> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the set is written for its full size, and zero is a valid set.
    let set = unsafe {
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: the index stays below the set's size.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

fn only(cpu: usize) -> libc::cpu_set_t {
    // SAFETY: zero is a valid set, and CPU_SET ignores nothing below CPU_SETSIZE, which `allowed_cpus` stays under.
    unsafe {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
        libc::CPU_SET(cpu, &mut set);
        set
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors, which nothing else owns yet.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0, "pipe: {}", io::Error::last_os_error());
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}

/// Runs `f` on a thread in a new network namespace whose loopback is up: traffic there touches nothing else.
pub fn in_own_network<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // SAFETY: detaches this thread alone, which ends with `f`.
            let left = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            assert_eq!(left, 0, "a network namespace: {}", io::Error::last_os_error());
            bring_up_loopback();
            f()
        });
        match inside.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Sets `lo` up in the network namespace of this thread.
pub fn bring_up_loopback() {
    // SAFETY: an `ifreq` of zeroes is valid; the name is shorter than its field and ends with a zero; the calls get
    // a socket of our own.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        assert!(socket >= 0, "socket: {}", io::Error::last_os_error());
        let mut request: libc::ifreq = MaybeUninit::zeroed().assume_init();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        let done = libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request);
        assert_eq!(done, 0, "loopback up: {}", io::Error::last_os_error());
        libc::close(socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_waits_for_its_gate_and_then_writes_exactly() {
        let file = std::env::temp_dir().join(format!("rtrace-worker-{}", std::process::id()));
        let worker = Worker::new("rt_gate", Work::write(&file, 7, 3));
        let comm = format!("/proc/{}/comm", worker.pid());
        let deadline = Instant::now() + patience(Duration::from_secs(5));
        while std::fs::read_to_string(&comm).expect("the worker is alive") != "rt_gate\n" {
            assert!(Instant::now() < deadline, "the worker never took its name");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!file.exists(), "it worked before its release");
        worker.finish();
        let written = std::fs::read(&file).expect("the worker made the file");
        std::fs::remove_file(&file).expect("our own file");
        assert_eq!(written, b"x".repeat(21));
    }

    #[test]
    fn dropping_a_worker_ends_it() {
        let worker = Worker::new("rt_drop", Work::Getpid(1));
        let proc = format!("/proc/{}", worker.pid());
        assert!(std::path::Path::new(&proc).exists());
        drop(worker);
        assert!(!std::path::Path::new(&proc).exists());
    }

    #[test]
    #[should_panic(expected = "failed")]
    fn failed_work_fails_the_case() {
        Worker::new("rt_fail", Work::open("/no/such/file", 1)).finish();
    }

    #[test]
    fn pinned_workers_cover_the_processors() {
        finish_all(on_every_cpu("rt_pinned", &Work::Getppid(10)));
        assert!(!allowed_cpus().is_empty());
    }
}
