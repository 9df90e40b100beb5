//! Texts that come from files and go to files: loading scripts, saving what was entered, editing probes.

use super::journal::{Entry, State, head};
use super::portable::{Settled, with_params, with_paths};
use super::{Draft, Given, Session};
use crate::args::Args;
use crate::files::{self, Files};
use crate::headers::Folders;
use crate::prompt::Next;
use crate::scripts;
use lang::ast::{ExprKind, Script};
use lang::params::OptionDecl;
use lang::parser::entry::Kind;
use lang::{Diagnostic, check, parse_with_imports};
use runtime::session::RunError;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A script as it was read, with what is needed to keep it.
pub(super) struct Read {
    pub(super) script: Script,
    /// Its directives and definitions of C.
    pub(super) c: String,
    /// Where its source begins.
    pub(super) base: u32,
}

impl Session<'_> {
    /// Where a file finds the headers that it includes; none for what was typed.
    pub(super) fn folders(&self, given: &Given) -> Option<Folders> {
        let (named, included) = (&self.args.include_dirs, &self.args.includes);
        (!given.file.is_empty()).then(|| Folders::new(&given.file, named, included, self.target.has_btf()))
    }

    /// Notes what has been entered, in a form that can be read anywhere and needs no parameters.
    pub(super) fn keep(&mut self, number: Option<u32>, draft: &Draft<'_>, read: &Read, declared: &[OptionDecl]) {
        let settled = match draft.given.file.is_empty() {
            true => Settled { text: draft.text.to_owned(), options: declared.to_vec(), ..Settled::default() },
            false => {
                let taken = self.journal.options(draft.replaces);
                with_params((draft.text, read.base), &read.script, &draft.given, declared, &taken)
            }
        };
        let folder = folder(&draft.given.file);
        let find = |name: &str| {
            let places = [folder.join(name), PathBuf::from(name)];
            let found = places.into_iter().find(|place| place.exists())?;
            Some(fs::canonicalize(found).ok()?.display().to_string())
        };
        let entry = Entry::script(number, &with_paths(&settled.text, &find), &with_paths(&read.c, &find));
        let entry = entry.asking(settled.options, settled.needs);
        for defined in self.journal.overtaken(&entry) {
            let others = self.probes.iter_mut().filter(|probe| Some(probe.number) != number);
            let mut keep = Vec::new();
            for probe in others {
                probe.is_stale = true;
                let called = defined.strip_prefix("macro ");
                if called.is_some_and(|name| calls(&probe.script, name)) {
                    keep.push(format!("#{}", probe.number));
                }
            }
            if !keep.is_empty() {
                let (goes, it) = if keep.len() == 1 { ("goes", "it") } else { ("go", "them") };
                self.say(&format!("{} {goes} on with the {defined} as it was; :edit changes {it}\n", keep.join(", ")));
            }
        }
        match draft.replaces {
            Some(_) => self.journal.replace(entry),
            None => self.journal.add(entry),
        }
    }

    /// Takes a script in as if it had been entered: its probes have one number.
    pub fn load_file(&mut self, file: &str, params: Vec<String>, options: Vec<String>) -> Result<(), RunError> {
        let begun = Instant::now();
        let missing = |error| {
            let help = scripts::meant(file).filter(|_| !file.contains('/'));
            (format!("failed to open file '{file}': {error}"), help)
        };
        let source = match files::script(file).map_err(missing).and_then(|bytes| files::source(file, bytes)) {
            Ok(source) => source,
            Err((title, help)) => {
                self.reporter.plain(&title, help.as_deref());
                return Ok(());
            }
        };
        let given = Given { file: source.name().to_owned(), params, options };
        let draft = Draft { text: source.text(), kind: Kind::Script, given, replaces: None, begun };
        if self.take(&draft)?.is_some() {
            self.own(Path::new(source.name()));
        }
        Ok(())
    }

    /// Writes what was entered as a script. What is there is only written over if that is asked for, or if this session
    /// has read or written it. False if it could not be done.
    pub fn save_file(&mut self, file: Option<&str>, is_forced: bool) -> bool {
        let path = file.map(home).or_else(|| self.own_files.last().cloned());
        match path {
            Some(path) => self.save_to(&path, is_forced),
            None => {
                self.reporter.plain("there is no name of a file yet", Some(":save FILE"));
                false
            }
        }
    }

    fn save_to(&mut self, path: &Path, is_forced: bool) -> bool {
        if self.journal.is_empty() {
            self.reporter.plain("nothing has been entered that a script could say", None);
            return false;
        }
        if path.is_dir() {
            self.reporter.plain(&format!("{} is a folder", path.display()), Some(":save FILE"));
            return false;
        }
        let text = self.script_for(path);
        let is_own = fs::canonicalize(path).is_ok_and(|path| self.own_files.contains(&path));
        if let Err(error) = files::write_whole(path, &text, is_forced || is_own) {
            let (title, help) = match error.kind() {
                std::io::ErrorKind::AlreadyExists => (
                    format!("{} is there already", path.display()),
                    Some(format!(":save! {} replaces it", path.display())),
                ),
                _ => (format!("cannot write {}: {error}", path.display()), None),
            };
            self.reporter.plain(&title, help.as_deref());
            return false;
        }
        self.own(path);
        self.say(&format!("saved to {}\n", path.display()));
        if let Some(run) = self.run_with(path) {
            self.reporter.warning(&format!("what it imports asks for parameters itself: rtrace {run}"));
        }
        self.check_saved(path, text);
        true
    }

    /// The same at the end of a session, with nobody to be asked. That nothing was entered is no fault.
    pub fn save_at_end(&mut self, path: &Path) -> bool {
        self.journal.is_empty() || self.save_to(path, false)
    }

    /// The script that is written to a file.
    fn script_for(&self, path: &Path) -> String {
        let state = |number: u32| if self.live.is_off(number) { State::Off } else { State::On };
        let time = String::from_utf8_lossy(&self.shown.world.time_of_day(b"%Y-%m-%d %H:%M:%S %z")).into_owned();
        let head = head(time.trim(), &told_options(self.args), self.run_with(path).as_deref());
        // What is beside the script is found from there.
        let beside = fs::canonicalize(folder(&path.display().to_string()).join("."));
        let near = |name: &str| {
            let near = Path::new(name).strip_prefix(beside.as_ref().ok()?).ok()?;
            Some(near.display().to_string())
        };
        with_paths(&self.journal.compose(&head, state), &near)
    }

    /// The words behind `rtrace` that run what is saved to a file, if it still needs parameters.
    fn run_with(&self, path: &Path) -> Option<String> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./=,:+@%".contains(letter);
        let as_word = |word: &str| match !word.is_empty() && word.chars().all(is_plain) {
            true => word.to_owned(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        };
        let needs: Vec<String> = self.journal.needs().into_iter().map(as_word).collect();
        (!needs.is_empty()).then(|| format!("{} -- {}", as_word(&path.display().to_string()), needs.join(" ")))
    }

    /// Says so if what was written is no script that runs: definitions of many entries may not go together.
    fn check_saved(&self, path: &Path, text: String) {
        let name = path.display().to_string();
        let folders = Folders::new(&name, &self.args.include_dirs, &self.args.includes, self.target.has_btf());
        let (parsed, sources) = parse_with_imports(lang::Source::new(&name, text), &mut Files::new(&name), &folders);
        let checked = match parsed.diagnostics.iter().any(Diagnostic::is_error) {
            true => Vec::new(),
            false => check(&parsed.script, &self.target, &self.settings).diagnostics,
        };
        let errors: Vec<&Diagnostic> =
            parsed.diagnostics.iter().chain(&checked).filter(|told| told.is_error()).collect();
        if !errors.is_empty() {
            self.reporter.warning("as a script, this does not compile yet:");
            errors.into_iter().for_each(|told| self.reporter.show(&sources, told));
        }
    }

    /// Notes that a file may be written over.
    fn own(&mut self, path: &Path) {
        // A script that comes with rtrace is no file, though a folder may have its name.
        let Some(path) = fs::canonicalize(path).ok().filter(|path| path.is_file()) else { return };
        self.own_files.retain(|known| *known != path);
        self.own_files.push(path);
    }

    /// The text of probes to be edited: as it was left, if it was faulty.
    pub fn text_of(&self, number: u32) -> Option<String> {
        let entered = self.probes.iter().find(|probe| probe.number == number)?;
        Some(self.drafts.get(&number).unwrap_or(&entered.text).clone())
    }

    /// Puts a new text in the place of probes. If it is faulty they go on as they are.
    pub fn change(&mut self, number: u32, text: &str) -> Result<Next, RunError> {
        let Some(old) = self.probes.iter().find(|probe| probe.number == number) else { return Ok(Next::Go) };
        if text.trim().is_empty() {
            self.say(&format!("#{number} is as it was; :rm {number} removes it\n"));
            return Ok(Next::Go);
        }
        if text.trim() == old.text.trim() && !old.is_stale {
            self.drafts.remove(&number);
            self.say(&format!("#{number} is as it was\n"));
            return Ok(Next::Go);
        }
        let given = old.given.clone();
        let draft = Draft { text, kind: Kind::Script, given, replaces: Some(number), begun: Instant::now() };
        match self.take(&draft)? {
            Some(next) => {
                self.drafts.remove(&number);
                Ok(next)
            }
            None => {
                self.drafts.insert(number, text.trim().to_owned());
                self.say(&format!("#{number} goes on as it was; :edit {number} begins with this text\n"));
                Ok(Next::Go)
            }
        }
    }
}

/// Whether a macro or function of this name is called.
fn calls(script: &Script, called: &str) -> bool {
    let mut is_called = false;
    let mut look = |expr: &lang::ast::Expr| {
        is_called |= match &expr.kind {
            ExprKind::Call { name, .. } => name.text == called,
            ExprKind::Ident(name) => name == called,
            _ => false,
        };
    };
    for probe in &script.probes {
        probe.predicate.iter().for_each(|predicate| predicate.visit(&mut look));
        probe.body.visit(&mut look);
    }
    is_called
}

/// The folder of a file; empty for the current one.
fn folder(file: &str) -> PathBuf {
    Path::new(file).parent().map(Path::to_owned).unwrap_or_default()
}

/// A path in which `~` stands for where the user is at home.
pub fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// What of the command line a script may need as well.
fn told_options(args: &Args) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(args.pid.iter().map(|pid| format!("-p {pid}")));
    words.extend(args.unsafe_mode.then(|| "--unsafe".to_owned()));
    words.extend(args.include_dirs.iter().map(|path| format!("-I {}", path.display())));
    words.extend(args.includes.iter().map(|path| format!("--include {}", path.display())));
    words.join(" ")
}
