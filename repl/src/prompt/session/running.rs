//! What runs: an entry is compiled and handed to what loads it, and its probes are taken off, put on and removed.

use super::Session;
use crate::args::Args;
use crate::explain::{explain, not_attached};
use crate::run::{self, Terminal};
use crate::select;
use codegen::layout::Sizes;
use codegen::object::{Options, compile_entry};
use lang::target::Attach;
use lang::typed::Program;
use lang::{CheckedEntry, Diagnostic, check_entry};
use runtime::load::LoadError;
use runtime::output::Output;
use runtime::session::{Job, Live, RunError};

/// Bytes for variables, counters and tables of all entries together: those of some ten thousand probes.
const BSS: u32 = 1 << 20;

impl<'a> Session<'a> {
    /// Compiles an entry and hands it to what runs. Nothing if it is refused, which has been told then.
    pub(super) fn load<T>(
        &mut self,
        number: u32,
        program: &Program,
        mut act: impl FnMut(&mut Live<'a>, &Job<'_>, &mut dyn Output, &mut Terminal<'_>) -> Result<T, RunError>,
    ) -> Result<Option<T>, RunError> {
        let options = options(self.args, program, self.process, number);
        // What the verifier refuses may be the mid-end's doing.
        for optimise in [true, false] {
            let options = Options { optimise, ..options };
            let object = match compile_entry(program, &self.target, &options, Some(self.live.layout())) {
                Ok(object) => object,
                Err(diagnostic) => {
                    self.reporter.show(&self.sources, &diagnostic);
                    return Ok(None);
                }
            };
            if !program.probes.is_empty() && select::check(&object, &program.config, self.reporter).is_err() {
                return Ok(None);
            }
            let elf = match object.to_elf(&self.sources) {
                Ok(elf) => elf,
                Err(error) => {
                    self.reporter.plain(&error.to_string(), None);
                    return Ok(None);
                }
            };
            self.clock.lap("compile");
            let Self { args, reporter, sources, live, output, shown, .. } = self;
            let job = Job { program, object: &object, elf: &elf, settings: shown };
            let missing_probes = program.config.missing_probes;
            let mut host = Terminal::new(args, missing_probes, sources, reporter);
            let done = act(live, &job, &mut **output, &mut host);
            self.clock.lap("run");
            match done {
                Ok(done) => {
                    self.files.extend(run::programs(&object));
                    self.files.sort();
                    self.files.dedup();
                    return Ok(Some(done));
                }
                Err(RunError::Load(LoadError::Refused { refusal, .. })) if optimise && refusal.slot.is_some() => {}
                Err(
                    error @ (RunError::Load(_)
                    | RunError::Attach(_)
                    | RunError::Capture(_)
                    | RunError::Pin(_)
                    | RunError::Interrupted { .. }
                    | RunError::NothingAttached),
                ) => {
                    let _ = explain::<()>(&error, &object, self.args, &self.sources, self.reporter);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Compiles those probes anew that use maps of which nothing was known, and now is.
    pub(super) fn recompile_what_waited(&mut self) -> Result<(), RunError> {
        for index in 0..self.probes.len() {
            let probe = &self.probes[index];
            if !probe.waits_for.iter().any(|map| self.known.has_map(map)) {
                continue;
            }
            let number = probe.number;
            let is_off = self.live.is_off(number);
            let settings = self.settings(&probe.given);
            let CheckedEntry { checked, known, waits_for } =
                check_entry(&self.known, &probe.script, &self.target, &settings);
            // It may be that the map is something else than this probe thought; then it goes on as it was.
            let told: Vec<Diagnostic> = checked.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
            if !self.shows_no_error(&told) {
                self.probes[index].waits_for.clear();
                continue;
            }
            let mut program = checked.program;
            for probe in &mut program.probes {
                probe.points.retain(|point| point.attach != Attach::Begin);
            }
            program.probes.retain(|probe| !probe.points.is_empty());
            let replaced =
                self.load(number, &program, |live, job, output, host| live.replace(number, job, is_off, output, host))?;
            if replaced.is_some() {
                self.known = known;
            }
            self.probes[index].waits_for = waits_for;
        }
        Ok(())
    }

    /// Takes a probe off.
    pub fn off(&mut self, number: u32) {
        if self.live.off(number) {
            self.say(&format!("#{number} is off\n"));
        }
    }

    /// Puts a probe on again.
    pub fn on(&mut self, number: u32) -> Result<(), RunError> {
        let (args, reporter) = (self.args, self.reporter);
        match self.with_live(|live, output, host| live.on(number, output, host)) {
            Ok(true) => self.say(&format!("#{number} is on\n")),
            Ok(false) => {}
            Err(RunError::Attach(failed)) => not_attached(&failed, args, &self.sources, reporter),
            Err(error @ (RunError::Interrupted { .. } | RunError::Pin(_))) => {
                reporter.plain(&error.to_string(), Some(&format!("#{number} stays off")));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes a probe.
    pub fn remove(&mut self, number: u32) -> Result<(), RunError> {
        if self.with_live(|live, output, host| live.remove(number, output, host))? {
            self.note_exits(Some(number));
            self.probes.retain(|probe| probe.number != number);
            self.journal.remove(number);
            self.drafts.remove(&number);
            self.say(&format!("#{number} is removed\n"));
        }
        Ok(())
    }
}

pub(super) fn options(args: &Args, program: &Program, process: Option<u32>, entry: u32) -> Options {
    let sizes = Sizes { bss: Some(BSS), ..run::sizes(&program.config) };
    Options { process, sizes, tell_reads: args.warnings > 0, entry, ..Options::default() }
}
