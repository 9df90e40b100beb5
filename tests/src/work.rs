//! `work`: an exact workload as a command, for `-c` and for probes on a user-space program.
//!
//! `work write FILE TIMES BYTES`, `work open FILE TIMES`, `work getpid TIMES`, `work getppid TIMES`,
//! `work exit CODE`, `work call TIMES` (calls of the exported function `work_step`), `work echo WORD...`.
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
