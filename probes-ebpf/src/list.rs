//! What `-l` shows: the probes of this machine that a pattern covers, and with arguments what their bodies can use.
//!
//! Probes are written as they are found, sorted within their provider as bytes, and a listing that nobody reads any more
//! ends at the next write. Everything comes from where [`KernelTarget`](crate::KernelTarget) looks, too: events from
//! tracefs, kernel functions from ftrace's list, raw tracepoints, fentry and iterators from BTF, functions of programs
//! from their symbol tables, usdt probes from their notes. Types are listed as well, `struct NAME` and `enum NAME`.

mod definitions;
mod events;
mod functions;
mod packets;
mod user;

use crate::btf::Btf;
use crate::functions::Traceable;
use crate::tracefs::Tracefs;
use lang::glob;
use lang::nearest::nearest;
use lang::probes::{PROVIDERS, Provider, ProviderId, perf, provider};
use std::cell::OnceCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a listing is asked for beside its pattern.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// List what this process can be traced by, too.
    pub process: Option<u32>,
    /// Show arguments and definitions.
    pub arguments: bool,
    /// Take the kernel functions that can be traced from this file.
    pub functions: Option<PathBuf>,
    /// Where debug information of programs may be, if not in them.
    pub debug_folders: Vec<PathBuf>,
}

/// Lists probes to a writer.
pub struct Lister<'a> {
    options: Options,
    out: &'a mut dyn Write,
    /// What the user should know, in the order it came up.
    warnings: Vec<String>,
    btf: OnceCell<Option<Arc<Btf>>>,
    tracefs: OnceCell<Option<Tracefs>>,
    traceable: OnceCell<Option<Traceable>>,
    /// See [`Lister::naming`].
    names_all: bool,
}

/// A pattern taken apart.
#[derive(Clone, Copy)]
struct Asked<'p> {
    /// All that follows the provider.
    rest: &'p str,
    /// Category, module or file, if the pattern has three parts.
    place: Option<&'p str>,
    /// Event or function.
    name: &'p str,
}

impl<'p> Asked<'p> {
    fn new(rest: &'p str) -> Self {
        match rest.split_once(':') {
            Some((place, name)) => Self { rest, place: Some(place), name },
            None => Self { rest, place: None, name: rest },
        }
    }

    /// The whole pattern, where the provider alone stands for all it has.
    fn all(&self) -> &'p str {
        if self.rest.is_empty() { "*" } else { self.rest }
    }

    fn covers_place(&self, place: &str) -> bool {
        self.place.is_none_or(|pattern| glob::matches(pattern, place))
    }

    fn covers_name(&self, name: &str) -> bool {
        glob::matches(self.name, name)
    }
}

/// When a pattern for providers covers a provider.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Always.
    Kernel,
    /// If it says whose files.
    User,
    /// Never: it has no events of its own, or the same ones as another.
    ByName,
}

fn shown(id: ProviderId) -> Shown {
    match id {
        ProviderId::Software | ProviderId::Hardware | ProviderId::Tracepoint | ProviderId::RawTracepoint => {
            Shown::Kernel
        }
        ProviderId::Kprobe | ProviderId::Fentry | ProviderId::Iter => Shown::Kernel,
        ProviderId::Uprobe | ProviderId::Usdt => Shown::User,
        ProviderId::Begin | ProviderId::End | ProviderId::SelfSignal => Shown::ByName,
        ProviderId::Test | ProviderId::Bench => Shown::ByName,
        ProviderId::Interval | ProviderId::Profile | ProviderId::Watchpoint => Shown::ByName,
        // There is nothing about an interface that makes it a place to trace.
        ProviderId::Xdp | ProviderId::Tc | ProviderId::CgroupSkb | ProviderId::Socket => Shown::ByName,
        ProviderId::Kretprobe | ProviderId::Fexit | ProviderId::Uretprobe => Shown::ByName,
    }
}

/// The units of timed probes.
const UNITS: &[&str] = &["hz", "ms", "s", "us"];

/// The only signal that a program can wait for.
const SIGNAL: &str = "signal:SIGUSR1";

impl<'a> Lister<'a> {
    /// Reads nothing yet.
    pub fn new(options: Options, out: &'a mut dyn Write) -> Self {
        let (btf, tracefs, traceable) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { options, out, warnings: Vec::new(), btf, tracefs, traceable, names_all: false }
    }

    /// Lists what can be named, too, where this kernel has no such probes.
    pub fn naming(self) -> Self {
        Self { names_all: true, ..self }
    }

    /// What was worth saying, once each.
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings
    }

    /// Lists what one or more patterns with commas between cover.
    ///
    /// # Errors
    /// If what is found cannot be written. What a machine does not have is no error.
    pub fn list(&mut self, search: &str) -> io::Result<()> {
        for piece in pieces(search) {
            let piece = piece.split_whitespace().collect::<Vec<_>>().join(" ");
            if definitions::is_type(&piece) {
                self.definitions(&piece)?;
                continue;
            }
            match piece.split_once(':') {
                // `U` is another provider than `u`.
                Some((word, rest)) if provider(word).is_some() => self.probes(word, rest)?,
                Some((word, rest)) => self.probes(&word.to_lowercase(), rest)?,
                None if piece.is_empty() => self.probes("*", "*")?,
                None => self.probes("*", &piece)?,
            }
        }
        self.out.flush()
    }

    /// Lists a probe by its full name, whether or not it would be found.
    ///
    /// # Errors
    /// As [`Lister::list`].
    pub fn point(&mut self, name: &str) -> io::Result<()> {
        let (word, rest) = name.split_once(':').unwrap_or((name, ""));
        let Some(row) = provider(word) else { return Ok(()) };
        let asked = Asked::new(rest);
        match row.id {
            ProviderId::Begin | ProviderId::End | ProviderId::SelfSignal | ProviderId::Watchpoint => Ok(()),
            ProviderId::Test | ProviderId::Bench => writeln!(self.out, "{name}"),
            // Of what is counted or timed, the source is the probe.
            ProviderId::Interval | ProviderId::Profile | ProviderId::Software | ProviderId::Hardware => {
                writeln!(self.out, "{}:{}:", row.name, asked.place.unwrap_or(rest))
            }
            ProviderId::Tracepoint => self.event(asked.place.unwrap_or_default(), asked.name),
            ProviderId::Kprobe | ProviderId::Kretprobe | ProviderId::Fentry | ProviderId::Fexit => {
                self.one_function(row, asked)
            }
            ProviderId::RawTracepoint => self.one_raw_tracepoint(asked),
            // A pin is no part of what there is.
            ProviderId::Iter => self.iterators(Asked::new(rest.split(':').next().unwrap_or(rest)), false),
            ProviderId::Xdp | ProviderId::Tc | ProviderId::CgroupSkb | ProviderId::Socket => {
                writeln!(self.out, "{name}")
            }
            ProviderId::Uprobe | ProviderId::Uretprobe => {
                // The function is the probe, wherever in it the program wants to be.
                let place =
                    rest.rsplit_once('+').filter(|(_, offset)| offset.bytes().all(|byte| byte.is_ascii_digit()));
                let rest = place.map_or(rest, |(function, _)| function);
                match rest.rsplit_once(":cpp:").or_else(|| rest.rsplit_once(":rust:")) {
                    Some((file, symbol)) => writeln!(self.out, "{}:{file}:{}", row.name, user::as_cpp(symbol)),
                    None => writeln!(self.out, "{}:{rest}", row.name),
                }
            }
            ProviderId::Usdt => writeln!(self.out, "{}:{rest}", row.name),
        }
    }

    fn probes(&mut self, word: &str, rest: &str) -> io::Result<()> {
        let asked = Asked::new(rest);
        if !glob::is_pattern(word) {
            return match provider(word) {
                Some(row) => self.provider(row, asked, true),
                None => {
                    let known =
                        PROVIDERS.iter().flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied()));
                    let near = nearest(word, known, 1);
                    let help = near.first().map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                    self.warn(format!("there are no probes of the type '{word}'{help}"));
                    Ok(())
                }
            };
        }
        let names_a_file = asked.place.is_some_and(|place| !glob::is_pattern(place) && Path::new(place).exists());
        let users = self.options.process.is_some() || names_a_file;
        let mut rows: Vec<&Provider> = PROVIDERS
            .iter()
            .filter(|row| shown(row.id) == Shown::Kernel || users && shown(row.id) == Shown::User)
            .filter(|row| glob::matches(word, row.name))
            .collect();
        rows.sort_unstable_by_key(|row| row.name);
        rows.into_iter().try_for_each(|row| self.provider(row, asked, false))
    }

    /// Lists what one provider has; `named` if it was asked for by its name.
    fn provider(&mut self, row: &'static Provider, asked: Asked<'_>, named: bool) -> io::Result<()> {
        // `tracepoint:` is all of them.
        let asked = if asked.rest.is_empty() { Asked::new("*") } else { asked };
        match row.id {
            ProviderId::Begin | ProviderId::End => writeln!(self.out, "{}", row.name),
            ProviderId::SelfSignal if glob::matches(asked.all(), SIGNAL) => writeln!(self.out, "{}:{SIGNAL}", row.name),
            // Any memory there is, and any name.
            ProviderId::SelfSignal | ProviderId::Watchpoint | ProviderId::Test | ProviderId::Bench => Ok(()),
            ProviderId::Interval | ProviderId::Profile => self.fixed(row, asked, UNITS.iter().copied()),
            ProviderId::Software => self.fixed(row, asked, counted(perf::Source::Software)),
            ProviderId::Hardware => self.fixed(row, asked, counted(perf::Source::Hardware)),
            ProviderId::Tracepoint => {
                self.tracepoints(asked)?;
                if named {
                    self.hint_at_tracepoints(asked);
                }
                Ok(())
            }
            ProviderId::RawTracepoint => self.raw_tracepoints(asked, named),
            ProviderId::Kprobe | ProviderId::Kretprobe => self.kprobes(row, asked, named),
            ProviderId::Fentry | ProviderId::Fexit => self.fentries(row, asked, named),
            ProviderId::Iter => self.iterators(asked, named),
            ProviderId::Xdp | ProviderId::Tc | ProviderId::CgroupSkb | ProviderId::Socket => self.packets(row, asked),
            ProviderId::Uprobe | ProviderId::Uretprobe => self.uprobes(row, asked, named),
            ProviderId::Usdt => self.usdts(row, asked),
        }
    }

    /// Lists sources that are the same everywhere. What follows them in an attach point is a number.
    fn fixed<'n>(&mut self, row: &Provider, asked: Asked<'_>, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
        let pattern = asked.all();
        let mut lines: Vec<String> =
            names.map(|name| format!("{name}:")).filter(|line| glob::matches(pattern, line)).collect();
        lines.sort_unstable();
        lines.iter().try_for_each(|line| writeln!(self.out, "{}:{line}", row.name))
    }

    /// Writes the arguments of a probe, a line each.
    fn arguments(&mut self, arguments: &[String]) -> io::Result<()> {
        arguments.iter().try_for_each(|argument| writeln!(self.out, "    {argument}"))
    }

    /// Tells whoever asks for one thing by its name that there is none, and what is most like it. A pattern may well cover
    /// nothing.
    fn hint<S: AsRef<str>>(&mut self, what: &str, name: &str, known: impl IntoIterator<Item = S>) {
        if name.is_empty() || glob::is_pattern(name) {
            return;
        }
        let near = nearest(name, known, 1);
        let help = near.first().map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        self.warn(format!("there is no {what} with the name '{name}'{help}"));
    }

    fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    fn btf(&self) -> Option<Arc<Btf>> {
        self.btf.get_or_init(|| Btf::vmlinux().ok().map(Arc::new)).clone()
    }

    /// The type information of the kernel proper and of the modules that are covered, in the order of the listing.
    fn all_btf<F: Fn(&str) -> bool>(&self, covers: F) -> impl Iterator<Item = (String, Arc<Btf>)> + use<F> {
        let base = self.btf();
        let mut owners: Vec<String> = Btf::modules();
        owners.push("vmlinux".to_owned());
        owners.retain(|owner| covers(owner));
        sort_places(&mut owners);
        owners.into_iter().filter_map(move |owner| {
            let base = base.as_ref()?;
            let btf = match owner.as_str() {
                "vmlinux" => Arc::clone(base),
                // A module may have gone meanwhile.
                module => Arc::new(Btf::module(module, base).ok()?),
            };
            Some((owner, btf))
        })
    }

    fn tracefs(&mut self) -> Option<&Tracefs> {
        if self.tracefs.get().is_none() {
            let opened = match Tracefs::open() {
                Ok(tracefs) => Some(tracefs),
                Err(error) => {
                    self.warn(error.to_string());
                    None
                }
            };
            let _ = self.tracefs.set(opened);
        }
        self.tracefs.get()?.as_ref()
    }
}

/// The names and other spellings of what perf counts.
fn counted(source: perf::Source) -> impl Iterator<Item = &'static str> {
    source.events().iter().flat_map(|event| [event.name, event.alias]).filter(|name| !name.is_empty())
}

/// What stands between the commas that are not in quotes.
fn pieces(search: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    search.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    })
}

/// Sorts places as their probes are sorted, in which a colon follows them.
fn sort_places(places: &mut [String]) {
    places.sort_unstable_by(|a, b| a.bytes().chain([b':']).cmp(b.bytes().chain([b':'])));
}

#[cfg(test)]
mod tests;
