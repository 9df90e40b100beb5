//! What a running script has to say beside its output, on the terminal.

use crate::args::Args;
use crate::explain::left_out;
use crate::progress::Progress;
use crate::report::{self, Reporter};
use lang::config::MissingProbes;
use lang::{Diagnostic, SourceMap, Span};
use probes_ebpf::functions::Traceable;
use probes_ebpf::tracefs::Tracefs;
use runtime::attach::AttachError;
use runtime::child::Ended;
use runtime::output::{self, Place};
use runtime::session::{Doing, Host};
use std::collections::HashSet;
use std::io::{self, Write};

/// The environment variable by which a test driver asks to be told that all is attached, and the line it waits for.
const ATTACH_MARKER: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

/// The terminal, for what is not output.
pub struct Terminal<'a> {
    pub args: &'a Args,
    /// How many probes are attached is told.
    pub tells_attached: bool,
    /// What becomes of attach points that are not there.
    pub missing_probes: MissingProbes,
    pub sources: &'a SourceMap,
    pub reporter: &'a Reporter,
    /// Where somebody may wait for it: how far attaching and detaching are.
    pub progress: Option<Progress>,
}

impl<'a> Terminal<'a> {
    /// One that tells what goes wrong, and nothing else.
    pub fn new(args: &'a Args, missing_probes: MissingProbes, sources: &'a SourceMap, reporter: &'a Reporter) -> Self {
        Self { args, tells_attached: false, missing_probes, sources, reporter, progress: None }
    }
}

impl Host for Terminal<'_> {
    fn progress(&mut self, what: Doing, done: usize, of: usize) {
        if let Some(progress) = &mut self.progress {
            progress.show(what, done, of);
        }
    }

    fn attached(&mut self, probes: usize) {
        if self.tells_attached && !self.args.quiet && self.args.format == "text" {
            self.reporter.note(output::attached_line(probes).trim_end());
        }
        if std::env::var_os(ATTACH_MARKER).is_some() {
            let mut stdout = io::stdout();
            // A driver that has gone away needs no marker.
            let _ = writeln!(stdout, "{ATTACH_MARKER}").and_then(|()| stdout.flush());
        }
    }

    fn kernel_functions(&self) -> Option<HashSet<String>> {
        let tracefs = Tracefs::open().ok();
        let list = Traceable::read_complete(None, tracefs.as_ref()).ok().flatten()?;
        Some(list.iter().map(|(_, name)| name.to_owned()).collect())
    }

    fn left_out(&mut self, refused: &[AttachError]) {
        for warning in left_out(refused, self.missing_probes) {
            self.reporter.show(self.sources, &warning);
        }
    }

    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        self.reporter.show(self.sources, diagnostic);
    }

    fn trouble(&mut self, warning: &Diagnostic, detail: &str) {
        self.reporter.show_detailed(self.sources, warning, detail);
    }

    fn wants(&self, diagnostic: &Diagnostic) -> bool {
        diagnostic.is_error() || !self.args.no_warnings
    }

    fn headline(&self, diagnostic: &Diagnostic) -> String {
        self.reporter.headline(self.sources, diagnostic, false)
    }

    fn message(&mut self, diagnostic: &Diagnostic) {
        self.reporter.message(self.sources, diagnostic);
        for call in &diagnostic.related {
            let severity = diagnostic.severity;
            let told = Diagnostic { severity, ..Diagnostic::error(call.span, &call.text) };
            self.reporter.message(self.sources, &told);
            self.reporter.note(&report::marked(self.sources, call.span));
        }
    }

    fn complain(&mut self, text: &str) {
        self.reporter.plain(text, None);
    }

    fn warn(&mut self, text: &str) {
        self.reporter.warning(text);
    }

    fn place(&self, span: Span) -> Place {
        let source = self.sources.of(span);
        let start = source.locate(span.start);
        Place { file: source.name().to_owned(), line: start.line, column: start.column }
    }

    fn child_ended(&mut self, how: Ended) {
        match how {
            Ended::Code(0) => {}
            Ended::Code(code) => self.reporter.note(&format!("the command ended with exit code {code}")),
            Ended::Signal(signal) => self.reporter.note(&format!("the command was ended by signal {signal}")),
        }
    }
}
