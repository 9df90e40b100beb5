//! What is entered is taken in: probes and definitions are read, checked, loaded and kept; statements are handed on.

use super::files::Read;
use super::{Draft, Entered, Given, Session, shortened};
use crate::files::Files;
use crate::prompt::Next;
use crate::select;
use lang::ast::Script;
use lang::c::Continued;
use lang::imports::parse_entry;
use lang::params::{OptionDecl, refusal};
use lang::parser::entry::{Kind, ended};
use lang::target::Attach;
use lang::typed::Program;
use lang::{CheckedEntry, Diagnostic, Settings, Source, check_entry};
use runtime::session::RunError;
use std::time::Instant;

impl Session<'_> {
    /// Takes what was entered.
    pub fn enter(&mut self, text: &str) -> Result<Next, RunError> {
        self.clock.start();
        if let Some(name) = lone_map(text) {
            self.show_map(name)?;
            return Ok(Next::Go);
        }
        let text = &*ended(text);
        let draft =
            Draft { text, kind: Kind::of(text), given: Given::default(), replaces: None, begun: Instant::now() };
        let next = self.take(&draft)?.unwrap_or(Next::Go);
        self.tell_time();
        Ok(next)
    }

    /// Takes a text in. Nothing if it is faulty, which has been told then.
    pub(super) fn take(&mut self, draft: &Draft<'_>) -> Result<Option<Next>, RunError> {
        let name = match draft.kind {
            Kind::Script if !draft.given.file.is_empty() && draft.replaces.is_none() => draft.given.file.clone(),
            Kind::Script => format!("#{}", draft.replaces.unwrap_or(self.next)),
            Kind::Statements => format!("<{}>", self.statements + 1),
        };
        let before = self.sources.iter().count();
        let parsed = {
            let earlier = self.journal.c_for(draft.text, draft.replaces);
            let folders = self.folders(&draft.given);
            let headers = Continued::new(&earlier, folders.as_ref().unwrap_or(&self.headers));
            let mut files = Files::new(&draft.given.file);
            parse_entry(Source::new(name, draft.text), draft.kind, &mut self.sources, &mut files, &headers)
        };
        self.clock.lap("parse");
        if !self.shows_no_error(&parsed.diagnostics) {
            return Ok(None);
        }
        let base = self.sources.iter().nth(before).map_or(0, Source::base);
        let next = match draft.kind {
            Kind::Script => self.define(draft, Read { script: parsed.script, c: parsed.c, base })?,
            Kind::Statements => self.run(draft.text, parsed.script)?,
        };
        if next.is_some() {
            self.recompile_what_waited()?;
        }
        Ok(next)
    }

    /// Takes probes and definitions. Nothing if they are faulty.
    fn define(&mut self, draft: &Draft<'_>, read: Read) -> Result<Option<Next>, RunError> {
        let settings = self.settings(&draft.given);
        let CheckedEntry { checked, known, waits_for } =
            check_entry(&self.known, &read.script, &self.target, &settings);
        self.clock.lap("check");
        // To wait for a map is nothing bad: somebody may assign it yet.
        let told: Vec<Diagnostic> =
            checked.diagnostics.into_iter().filter(|told| !is_about_waiting(told, &waits_for)).collect();
        if !self.shows_no_error(&told) {
            return Ok(None);
        }
        let program = checked.program;
        if self.is_refused(&read.script, &program, &checked.options, &settings) {
            return Ok(None);
        }
        if program.probes.iter().all(|probe| probe.points.is_empty()) {
            if let Some(number) = draft.replaces {
                self.reporter.plain(
                    &format!("#{number} would have no probe any more"),
                    Some(&format!(":rm {number} removes it")),
                );
                return Ok(None);
            }
            self.live.configure(program.config);
            self.known = known;
            self.follow_config();
            self.keep(None, draft, &read, &checked.options);
            return Ok(Some(Next::Go));
        }
        let number = draft.replaces.unwrap_or(self.next);
        let added = self.load(number, &program, |live, job, output, host| match draft.replaces {
            Some(_) => live.replace(number, job, false, output, host),
            None => live.add(number, job, output, host),
        })?;
        let Some(added) = added else { return Ok(None) };
        self.next = self.next.max(number + 1);
        self.known = known;
        self.follow_config();
        let is_over = self.note_exits(Some(number)).is_some() || added.is_over;
        let points: Vec<&str> =
            program.probes.iter().flat_map(|probe| &probe.points).map(|point| point.name.as_str()).collect();
        let took = draft.begun.elapsed();
        self.live.flush(&mut *self.output)?;
        self.screen.end_line();
        if !self.args.quiet {
            let what = if is_over { "has called exit() and is off:" } else { "attached" };
            let time = if took.as_millis() == 0 { "<1".to_owned() } else { took.as_millis().to_string() };
            self.say(&format!("#{number} {what} {} ({time} ms)\n", shortened(&points)));
        }
        self.keep(Some(number), draft, &read, &checked.options);
        let (text, given) = (draft.text.trim().to_owned(), draft.given.clone());
        let entered = Entered { number, script: read.script, text, given, is_stale: false, waits_for };
        match self.probes.iter_mut().find(|probe| probe.number == number) {
            Some(old) => *old = entered,
            None => self.probes.push(entered),
        }
        Ok(Some(Next::Go))
    }

    /// Whether something stands against what the checker accepts, which has been told then.
    fn is_refused(&self, script: &Script, program: &Program, options: &[OptionDecl], settings: &Settings) -> bool {
        if let Some(refusal) = refusal(options, &settings.options) {
            self.reporter.plain(&refusal.title, refusal.help.as_deref());
            return true;
        }
        if let Some(trial) = trial(program) {
            self.reporter.show(&self.sources, &trial);
            return true;
        }
        if program.captures.iter().any(|capture| capture.path.is_none()) {
            let title = "capture(\"-\") writes packets to standard output, which is this terminal";
            self.reporter.plain(title, Some("name a file: capture(\"packets.pcapng\")"));
            return true;
        }
        if let Some(late) = self.too_late(script, &program.config) {
            self.reporter.show(&self.sources, &late);
            return true;
        }
        select::check_count(program, self.reporter).is_err()
    }

    /// What of a config cannot be had any more.
    fn too_late(&self, script: &Script, config: &lang::config::Config) -> Option<Diagnostic> {
        let is_changed = config.perf_rb_pages != self.live.program().config.perf_rb_pages;
        let item = script.config.iter().find(|item| item.name.text.ends_with("perf_rb_pages"));
        let is_there = self.live.layout().data_ring.is_some() || self.live.layout().packets.is_some();
        let item = item.filter(|_| is_changed && is_there)?;
        let told = Diagnostic::error(item.span, "the buffers of this session have their size already");
        Some(told.with_help("set it before the first probe that prints, or in the environment"))
    }
}

/// The name of a map, if the text is nothing else.
pub(super) fn lone_map(text: &str) -> Option<&str> {
    let name = text.trim().trim_end_matches(';').strip_prefix('@')?;
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_').then_some(name)
}

/// Whether it is told that nothing is assigned to a map yet.
fn is_about_waiting(told: &Diagnostic, waits_for: &[String]) -> bool {
    let map = told.title.strip_prefix("Undefined map: @");
    !told.is_error() && map.is_some_and(|map| waits_for.iter().any(|name| name == map))
}

/// That tests and benchmarks are for scripts.
fn trial(program: &Program) -> Option<Diagnostic> {
    let mut points = program.probes.iter().flat_map(|probe| &probe.points);
    let point = points.find(|point| matches!(point.attach, Attach::Test | Attach::Bench))?;
    let told = Diagnostic::error(point.span, "tests and benchmarks are run from a script, not in a session");
    Some(told.with_help("rtrace --test FILE, rtrace --bench FILE"))
}
