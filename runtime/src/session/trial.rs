//! A run of tests or benchmarks: nothing is attached, each is run by itself, and what it does is judged.
//!
//! A test passes unless it returns another number than 0, exits with one, or anything is wrong: an error of its own, a
//! full map, a division by zero. What it prints is held back and shown if it fails. What a benchmark prints is not shown
//! at all.
//!
//! A benchmark is run by the kernel, in rounds of many runs each, and the median of the rounds is what counts: it does
//! not move when something else takes the processor for a while. Nothing is subtracted. Programs that use what network
//! programs may not are run one by one, and the kernel's own account of their time is taken, which includes its two looks
//! at the clock.

use super::{ALL, Live, RunError, flush, output_error};
use crate::attach::AttachError;
use crate::child::Ended;
use crate::load::Loaded;
use crate::output::trial::{Measured, Tested, Trial};
use crate::output::{Output, Place, Settings, Text};
use crate::session::{Doing, Host, Mode};
use crate::sys;
use codegen::layout::{EXIT, EXIT_ASKED, ResultPlace, Site, SiteKind};
use lang::diag::Diagnostic;
use lang::span::Span;
use lang::target::Attach;
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Rounds of a benchmark: an odd number, for there to be a median.
const ROUNDS: usize = 11;

/// How long a round takes at least.
const ROUND: Duration = Duration::from_millis(10);

/// A benchmark whose runs are slow has fewer rounds, but takes no longer than this and the last of them.
const LONGEST: Duration = Duration::from_secs(2);

/// A test or benchmark.
struct Probe<'l> {
    /// Its name.
    name: String,
    program: BorrowedFd<'l>,
}

/// How a probe's run ended.
#[derive(Default)]
struct Verdict {
    /// What it returned.
    returned: u64,
    /// The statement by which it left, if that was one with a value, or an exit.
    left_by: Option<Span>,
    /// What it gave to `exit()`, if that was called.
    exit_code: u8,
    /// How much went wrong that a script should not have to reckon with.
    troubles: u64,
}

/// What has come of a benchmark.
enum Outcome {
    /// How many nanoseconds one run takes, and how many runs were measured; and whether somebody else was measuring, too.
    Measured { nanoseconds: u64, runs: u64, is_slowed_down: bool },
    /// It went wrong.
    Failed,
    /// It does not want to be measured.
    Skipped,
}

impl Verdict {
    fn is_good(&self) -> bool {
        self.exit_code == 0 && self.troubles == 0
    }

    /// Why a test has failed, if nothing else has told of it.
    fn reason(&self) -> Option<Diagnostic> {
        let title = match (self.troubles, self.exit_code, self.returned) {
            (0, 0, 0) | (1.., ..) => return None,
            (0, 0, returned) => format!("the test returned {}", returned as i64),
            (0, code, _) => format!("the test ended with exit code {code}"),
        };
        Some(Diagnostic::error(self.left_by?, title))
    }
}

impl Live<'_> {
    /// Runs all tests or benchmarks, between `begin` and `end`; gives the exit code.
    pub(super) fn trials(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<u8, RunError> {
        let wanted = if self.config.mode == Mode::Test { Attach::Test } else { Attach::Bench };
        let all: Vec<Rc<Loaded>> = self.entries.iter().map(|entry| Rc::clone(&entry.loaded)).collect();
        let probes = self.probes(&all, &wanted);
        host.attached(probes.len());
        if self.config.dry_run {
            return Ok(0);
        }
        self.replay(output, host)?;
        let passed = match (self.over, &wanted) {
            (true, _) => true,
            (false, Attach::Test) => self.tests(&probes, output, host)?,
            (false, _) => self.benchmarks(&probes, output, host)?,
        };
        self.end(output, host)?;
        output.end_of_records().map_err(output_error)?;
        self.tick(output, host)?;
        flush(output)?;
        Ok(u8::from(!passed))
    }

    fn probes<'l>(&self, loaded: &'l [Rc<Loaded>], wanted: &Attach) -> Vec<Probe<'l>> {
        let programs = self.entries.iter().flat_map(|entry| &entry.programs);
        let programs = programs.zip(loaded.iter().flat_map(|loaded| &loaded.programs));
        let probes = programs.flat_map(|(program, fd)| {
            let points = program.points.iter().filter(|point| point.attach == *wanted);
            points.map(|point| (point, fd.as_fd()))
        });
        let mut probes: Vec<_> = probes.collect();
        // One program may be for several, and programs are not in the order of what they are for.
        probes.sort_by_key(|(point, _)| (point.span.start, point.span.end));
        let name = |full: &str| full.split_once(':').map_or(full, |(_, name)| name).to_owned();
        probes.into_iter().map(|(point, program)| Probe { name: name(&point.name), program }).collect()
    }

    fn tests(&mut self, probes: &[Probe<'_>], output: &mut dyn Output, host: &mut dyn Host) -> Result<bool, RunError> {
        let tape = Tape::default();
        let settings = Settings { paint: Default::default(), ..self.settings.clone() };
        let mut recorder = Text::new(tape.clone(), settings);
        let mut all: Vec<Tested> = Vec::new();
        let count = probes.len();
        for (index, probe) in probes.iter().enumerate() {
            output.trial(&Trial::Begins { name: &probe.name, index, count }).map_err(output_error)?;
            // Whoever waits should know for what.
            flush(output)?;
            let before = self.forget_result();
            let begun = Instant::now();
            sys::test_run(probe.program).map_err(|error| RunError::System("running a test", error))?;
            let nanoseconds = begun.elapsed().as_nanos() as u64;
            let verdict = self.verdict(before, &mut recorder, &mut Witness { host, tape: Some(&tape), errors: 0 })?;
            let passed = verdict.is_good() && verdict.returned == 0;
            if let Some(why) = verdict.reason() {
                tape.line(&host.headline(&why));
            }
            let test = Tested { name: probe.name.clone(), passed, nanoseconds, output: tape.take() };
            output.trial(&Trial::Ends(&test)).map_err(output_error)?;
            all.push(test);
            if self.has_been_interrupted()? {
                break;
            }
        }
        if !all.is_empty() {
            output.trial(&Trial::AllEnd(&all)).map_err(output_error)?;
        }
        Ok(all.len() == count && all.iter().all(|test| test.passed))
    }

    fn benchmarks(
        &mut self,
        probes: &[Probe<'_>],
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<bool, RunError> {
        let longest_name = probes.iter().map(|probe| probe.name.chars().count()).max().unwrap_or(0);
        let (mut passed, mut is_first, mut is_warned) = (true, true, false);
        for Probe { name, program } in probes {
            self.muted = true;
            let result = self.measure(*program, host);
            self.muted = false;
            match result? {
                Outcome::Measured { nanoseconds, runs, is_slowed_down } => {
                    if is_slowed_down && !std::mem::replace(&mut is_warned, true) {
                        host.warn(
                            "somebody has the kernel account for the time of all BPF programs \
                             (kernel.bpf_stats_enabled): each run takes two looks at the clock longer",
                        );
                    }
                    let measured = Measured { name, nanoseconds, runs, longest_name, is_first };
                    output.trial(&Trial::Measured(measured)).map_err(output_error)?;
                    flush(output)?;
                    is_first = false;
                }
                Outcome::Failed => {
                    host.complain(&format!("Benchmark '{name}' failed."));
                    passed = false;
                }
                Outcome::Skipped => {}
            }
            if self.has_been_interrupted()? {
                return Ok(false);
            }
        }
        Ok(passed)
    }

    /// Measures a benchmark.
    fn measure(&mut self, program: BorrowedFd<'_>, host: &mut dyn Host) -> Result<Outcome, RunError> {
        let mut nowhere = Text::new(io::sink(), self.settings.clone());
        let meter = Meter::of(program)?;
        let begun = Instant::now();
        let (mut times, mut found) = (1, Vec::with_capacity(ROUNDS));
        while found.len() < ROUNDS && (found.is_empty() || begun.elapsed() < LONGEST) {
            let before = self.forget_result();
            let nanoseconds = meter.run(program, times)?;
            // What the kernel does before and after takes longer than that, and is not counted.
            let took = Duration::from_nanos(nanoseconds.max(1) * u64::from(times));
            let verdict = self.verdict(before, &mut nowhere, &mut Witness { host, tape: None, errors: 0 })?;
            if !verdict.is_good() {
                return Ok(Outcome::Failed);
            }
            if verdict.returned != 0 {
                return Ok(Outcome::Skipped);
            }
            match more(times, took) {
                Some(more) if found.is_empty() => times = more,
                _ => found.push(nanoseconds),
            }
            if self.has_been_interrupted()? {
                break;
            }
        }
        found.sort_unstable();
        let runs = u64::from(times) * found.len() as u64;
        Ok(match found.get(found.len() / 2) {
            Some(median) => {
                Outcome::Measured { nanoseconds: *median, runs, is_slowed_down: meter.is_slowed_down(program) }
            }
            // A signal came first.
            None => Outcome::Skipped,
        })
    }

    /// What has become of the probe that has just run; what it has sent goes to `output` and `witness`. So many troubles
    /// there had been before.
    fn verdict(
        &mut self,
        before: u64,
        output: &mut dyn Output,
        witness: &mut Witness<'_, '_>,
    ) -> Result<Verdict, RunError> {
        self.drain(ALL, output, witness)?;
        self.tick(output, witness)?;
        flush(output)?;
        let troubles = self.troubles() - before;
        let exit_code = self.exit.filter(|exit| exit.asked).map_or(0, |exit| exit.code);
        let word = |offset: u32| self.store.word(offset).load(Ordering::Relaxed);
        let (returned, left_by) = match self.result() {
            Some(result) => {
                let number = word(result.offset + 8) as usize;
                (word(result.offset), number.checked_sub(1).and_then(|index| result.statements.get(index)).copied())
            }
            None => (0, None),
        };
        Ok(Verdict { returned, left_by, exit_code, troubles: troubles + witness.errors })
    }

    /// Makes room for what the next probe has to say; gives how much has gone wrong up to now.
    fn forget_result(&mut self) -> u64 {
        self.store.word(EXIT).fetch_and(!(EXIT_ASKED | 0xff), Ordering::Relaxed);
        self.exit = None;
        if let Some(result) = self.result() {
            self.store.word(result.offset).store(0, Ordering::Relaxed);
            self.store.word(result.offset + 8).store(0, Ordering::Relaxed);
        }
        self.troubles()
    }

    /// Where the latest entry tells what it returns.
    fn result(&self) -> Option<&ResultPlace> {
        self.entries.last()?.result.as_ref()
    }

    /// How often something has gone wrong. A flood of output that nobody reads is no fault of a test, nor is what is told
    /// only if asked for.
    fn troubles(&self) -> u64 {
        let is_fault =
            |site: &&Site| !matches!(site.kind, SiteKind::LostEvent | SiteKind::LostPacket) && !site.kind.is_quiet();
        self.store.sites().iter().filter(is_fault).map(|site| self.store.count(site)).sum()
    }

    /// Whether a signal wants all this to end.
    fn has_been_interrupted(&mut self) -> Result<bool, RunError> {
        self.take_signals()?;
        Ok(self.interrupted)
    }
}

/// How often to run what took so long in a round of `times`, if that was too short to tell.
fn more(times: u32, took: Duration) -> Option<u32> {
    /// The first runs are slow, and may be much slower than those that follow.
    const STEEPEST: f64 = 1000.0;
    if took >= ROUND {
        return None;
    }
    let factor = (1.25 * ROUND.as_secs_f64() / took.as_secs_f64()).clamp(1.25, STEEPEST);
    let more = (f64::from(times) * factor).ceil().min(f64::from(i32::MAX)) as u32;
    (more > times).then_some(more)
}

/// Who measures.
enum Meter {
    /// The kernel runs it so many times.
    Repeated,
    /// The kernel counts how long each run takes, as long as this is open.
    Counted(#[allow(dead_code)] std::os::fd::OwnedFd),
}

impl Meter {
    fn of(program: BorrowedFd<'_>) -> Result<Self, RunError> {
        match sys::test_run_repeated(program, 1) {
            Ok(_) => Ok(Self::Repeated),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let counting = sys::count_run_times();
                counting.map(Self::Counted).map_err(|error| {
                    RunError::System("measuring programs takes CAP_NET_ADMIN or CAP_SYS_ADMIN as well", error)
                })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Runs a program and gives the nanoseconds that one run took.
    fn run(&self, program: BorrowedFd<'_>, times: u32) -> Result<u64, RunError> {
        if let Self::Repeated = self {
            return sys::test_run_repeated(program, times).map_err(failed);
        }
        let before = sys::run_time(program).map_err(failed)?;
        (0..times).try_for_each(|_| sys::test_run(program)).map_err(failed)?;
        let after = sys::run_time(program).map_err(failed)?;
        Ok((after.0 - before.0) / (after.1 - before.1).max(1))
    }

    /// Whether the kernel accounts for what programs take although nobody here asks for it.
    fn is_slowed_down(&self, program: BorrowedFd<'_>) -> bool {
        matches!(self, Self::Repeated) && sys::run_time(program).is_ok_and(|(_, runs)| runs > 0)
    }
}

fn failed(error: io::Error) -> RunError {
    RunError::System("running a benchmark", error)
}

/// What a test has printed so far.
#[derive(Clone, Default)]
struct Tape(Rc<RefCell<Vec<u8>>>);

impl Tape {
    fn take(&self) -> Vec<u8> {
        self.0.take()
    }

    fn line(&self, text: &str) {
        let mut tape = self.0.borrow_mut();
        tape.extend_from_slice(text.as_bytes());
        tape.push(b'\n');
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes what a probe under trial has to say, rather than saying it; without a tape, only how many errors there were.
struct Witness<'h, 't> {
    host: &'h mut dyn Host,
    tape: Option<&'t Tape>,
    errors: u64,
}

impl Witness<'_, '_> {
    fn note(&mut self, text: &str) {
        if let Some(tape) = self.tape {
            tape.line(text);
        }
    }
}

impl Host for Witness<'_, '_> {
    fn attached(&mut self, _probes: usize) {}

    /// Nothing is attached.
    fn progress(&mut self, _what: Doing, _done: usize, _of: usize) {}

    /// Nothing is attached.
    fn kernel_functions(&self) -> Option<HashSet<String>> {
        None
    }

    /// Nothing is attached.
    fn left_out(&mut self, _refused: &[AttachError]) {}

    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        self.message(&Diagnostic { severity: lang::Severity::Warning, ..diagnostic.clone() });
    }

    fn trouble(&mut self, warning: &Diagnostic, _detail: &str) {
        self.message(warning);
    }

    fn wants(&self, diagnostic: &Diagnostic) -> bool {
        self.host.wants(diagnostic)
    }

    fn headline(&self, diagnostic: &Diagnostic) -> String {
        self.host.headline(diagnostic)
    }

    fn message(&mut self, diagnostic: &Diagnostic) {
        self.errors += u64::from(diagnostic.is_error());
        if self.wants(diagnostic) {
            self.note(&self.host.headline(diagnostic));
        }
    }

    fn complain(&mut self, text: &str) {
        self.note(&format!("ERROR: {text}"));
    }

    fn warn(&mut self, text: &str) {
        self.host.warn(text);
    }

    fn place(&self, span: Span) -> Place {
        self.host.place(span)
    }

    fn child_ended(&mut self, how: Ended) {
        self.host.child_ended(how);
    }
}
