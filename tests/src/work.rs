//! `work`: an exact workload as a command, for `-c` and for probes on a user-space program.
//!
//! `work write FILE TIMES BYTES`, `work open FILE TIMES`, `work getpid TIMES`, `work getppid TIMES`,
//! `work exit CODE`, `work call TIMES` (calls of the exported function `work_step`), `work echo WORD...`,
//! `work mark TIMES` (goes over the usdt probe `work:mark`).
//! `work stack nested|callback|signal|thread|deep|fork|busy NUMBER` calls `work_step` so many times from functions that call
//! each other, from one that the C library calls, from a handler of signals, in threads, from so many functions
//! (`work_deep`), in
//! children that ask for their parent, and for so many milliseconds.
//! `work` alone does nothing.
//! `work announce` behaves as rtrace does around its announcement, for the tests of the harness: it prints `before`,
//! the announcement and `after PID`, where PID is a child that never ends, and then waits for a signal.

use std::process::ExitCode;

use rtrace_tests::Work;

/// What `uaddr` finds.
#[unsafe(no_mangle)]
pub static WORK_MARK: u32 = 0x1234_abcd;

/// Something for a uprobe to hold on to: its argument goes in and comes out one higher.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_step(value: u64) -> u64 {
    std::hint::black_box(&WORK_MARK);
    std::hint::black_box(value) + 1
}

/// Calls what calls [`work_step`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_outer(value: u64) -> u64 {
    std::hint::black_box(work_middle(value)) + 1
}

/// Calls [`work_step`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_middle(value: u64) -> u64 {
    std::hint::black_box(work_step(value)) + 1
}

/// Calls itself so often, and then [`work_step`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_deep(depth: u64) -> u64 {
    match depth {
        0 => std::hint::black_box(work_step(0)) + 1,
        _ => std::hint::black_box(work_deep(depth - 1)) + 1,
    }
}

/// Asks for the parent.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn work_parent(value: u64) -> u64 {
    // SAFETY: has no conditions.
    std::hint::black_box(value + unsafe { libc::getppid() } as u64)
}

/// Calls [`work_step`], for the C library.
#[unsafe(no_mangle)]
pub extern "C" fn work_compare(_: *const libc::c_void, _: *const libc::c_void) -> libc::c_int {
    std::hint::black_box(work_step(1) as libc::c_int - 2)
}

/// Calls [`work_step`], when a signal comes.
#[unsafe(no_mangle)]
pub extern "C" fn work_handler(signal: libc::c_int) {
    std::hint::black_box(work_step(signal as u64));
}

/// How the processor's assembler names what the probe passes.
#[cfg(target_arch = "x86_64")]
macro_rules! passed {
    () => {
        ".asciz \"8@%{value} -8@%{below}\""
    };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! passed {
    () => {
        ".asciz \"8@{value} -8@{below}\""
    };
}

/// The usdt probe `work:mark`.
#[inline(never)]
fn mark(value: u64, below: i64) {
    // SAFETY: an instruction that does nothing; all else goes into a section that is not loaded.
    unsafe {
        std::arch::asm!(
            "990: nop",
            ".pushsection .note.stapsdt,\"\",\"note\"",
            ".balign 4",
            ".4byte 992f-991f, 994f-993f, 3",
            "991: .asciz \"stapsdt\"",
            "992: .balign 4",
            "993: .8byte 990b",
            ".8byte 0, 0",
            ".asciz \"work\"",
            ".asciz \"mark\"",
            passed!(),
            "994: .balign 4",
            ".popsection",
            value = in(reg) value,
            below = in(reg) below,
            options(nostack, preserves_flags),
        );
    }
}

/// One of the ways to `work_step`, so often.
fn stack(how: &str, number: u64) -> Result<ExitCode, String> {
    match how {
        "nested" => (0..number).for_each(|value| {
            work_outer(value);
        }),
        "callback" => (0..number).for_each(|_| {
            let mut pair = [1u8, 2];
            // SAFETY: two elements of a byte each, of which the function looks at none.
            unsafe { libc::qsort(pair.as_mut_ptr().cast(), 2, 1, Some(work_compare)) };
        }),
        "signal" => {
            // SAFETY: the handler calls nothing that could be interrupted.
            unsafe { libc::signal(libc::SIGUSR1, work_handler as *const () as libc::sighandler_t) };
            (0..number).for_each(|_| {
                // SAFETY: there is a handler.
                unsafe { libc::raise(libc::SIGUSR1) };
            });
        }
        "thread" => {
            for value in 0..number {
                std::thread::spawn(move || work_outer(value)).join().map_err(|_| "the thread has failed")?;
            }
        }
        "deep" => {
            work_deep(number);
        }
        "fork" => {
            for value in 0..number {
                // SAFETY: this program has one thread, so the child may go on with anything.
                match unsafe { libc::fork() } {
                    0 => {
                        work_parent(value);
                        // SAFETY: ends the process, and nothing is left to be done.
                        unsafe { libc::_exit(0) };
                    }
                    // SAFETY: a null pointer says that the status is not wanted.
                    child => unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) },
                };
            }
        }
        "busy" => {
            // So that it can be told when it begins.
            work_deep(0);
            let end = std::time::Instant::now() + std::time::Duration::from_millis(number);
            while std::time::Instant::now() < end {
                (0..1000).for_each(|value| {
                    work_outer(value);
                });
            }
        }
        _ => return Err("no such way".to_owned()),
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("work {}: {problem}", args.join(" "));
            ExitCode::from(2)
        }
    }
}

fn act(words: &[&str]) -> Result<ExitCode, String> {
    let number = |word: &str| word.parse::<u64>().map_err(|error| format!("{word}: {error}"));
    let work = match *words {
        ["write", file, times, bytes] => Work::write(file, number(times)?, number(bytes)? as usize),
        ["open", file, times] => Work::open(file, number(times)?),
        ["getpid", times] => Work::Getpid(number(times)?),
        ["getppid", times] => Work::Getppid(number(times)?),
        [] => return Ok(ExitCode::SUCCESS),
        ["exit", code] => return Ok(ExitCode::from(number(code)? as u8)),
        ["call", times] => {
            let sum = (0..number(times)?).fold(0, |sum: u64, value| sum.wrapping_add(work_step(value)));
            std::hint::black_box(sum);
            return Ok(ExitCode::SUCCESS);
        }
        ["mark", times] => {
            (0..number(times)?).for_each(|value| mark(value, -(value as i64)));
            return Ok(ExitCode::SUCCESS);
        }
        ["stack", how, times] => return stack(how, number(times)?),
        ["echo", ref rest @ ..] => {
            println!("{}", rest.join(" "));
            return Ok(ExitCode::SUCCESS);
        }
        ["announce"] => announce(),
        _ => return Err("not a workload".to_owned()),
    };
    work.perform().map_err(|call| format!("{call} failed"))?;
    Ok(ExitCode::SUCCESS)
}

fn announce() -> ! {
    // SAFETY: this program has one thread, so parent and child may both go on with anything.
    let child = unsafe { libc::fork() };
    if child != 0 {
        println!("before\n__BPFTRACE_NOTIFY_PROBES_ATTACHED\nafter {child}");
    }
    loop {
        // SAFETY: has no conditions.
        unsafe { libc::pause() };
    }
}
