//! Functions of programs and libraries, and the places that their authors marked: uprobe, uretprobe, usdt.

use super::{Asked, Lister};
use crate::binary::Binary;
use crate::demangle::{self, Wanted};
use crate::dwarf::{Dwarf, Function};
use crate::files::{Files, Found};
use crate::kernel;
use crate::usdt::Notes;
use lang::glob;
use lang::probes::Provider;
use std::io;

impl Lister<'_> {
    pub(super) fn uprobes(&mut self, row: &Provider, asked: Asked<'_>, named: bool) -> io::Result<()> {
        if !self.names_all && !kernel::has_uprobes() {
            self.warn(format!("this kernel has no {}s (it was built without CONFIG_UPROBES)", row.name));
            return Ok(());
        }
        let (asked, cpp) = match in_cpp(asked, self.options.process.is_some()) {
            Some((place, name)) => (Asked { place, ..asked }, Some(Wanted::new(name))),
            None => (asked, None),
        };
        // No function has a slash in its name: this is a file without a function.
        if cpp.is_none() && asked.name.contains('/') {
            return Ok(());
        }
        let place = asked.place.unwrap_or("*");
        let mut files = Files::new(self.options.process).find(place);
        if files.is_empty() && glob::is_pattern(place) && !place.contains('/') && self.options.process.is_none() {
            files = programs(place);
        }
        files.sort_unstable_by(|a, b| a.name.bytes().chain([b':']).cmp(b.name.bytes().chain([b':'])));
        files.dedup();
        if files.is_empty() && named && asked.place.is_some_and(|place| !glob::is_pattern(place)) {
            self.warn(format!("there is no program or library {place}"));
        }
        let only = (files.len() == 1).then(|| files[0].clone());
        let mut any = false;
        for file in files {
            // A pattern may cover what is no program.
            let opened = match file.member {
                Some(member) => Binary::in_archive(&file.path, member),
                None => Binary::open(&file.path, &self.options.debug_folders),
            };
            let Ok(binary) = opened else { continue };
            let covers = |name: &str| match &cpp {
                Some(wanted) => wanted.covers(name),
                None => asked.covers_name(name),
            };
            let mut functions: Vec<(&str, u64)> = binary
                .functions()
                .map(|(name, function)| (name, function.address))
                .filter(|(name, _)| covers(name))
                .collect();
            // The first table to have a name tells where it is.
            functions.sort_by_key(|(name, _)| *name);
            functions.dedup_by_key(|(name, _)| *name);
            any |= !functions.is_empty();
            let debug = match self.options.arguments && !functions.is_empty() {
                true => Dwarf::open(&file.path, &self.options.debug_folders).ok().flatten(),
                false => None,
            };
            if self.options.arguments && !functions.is_empty() && debug.is_none() {
                self.warn(format!("No DWARF found for \"{}\", cannot show parameter info", file.name));
            }
            let mut last = String::new();
            for (name, address) in functions {
                let shown = if cpp.is_some() { as_cpp(name) } else { name.to_owned() };
                // The two functions that a constructor may be are written alike.
                if cpp.is_some() && shown == last {
                    continue;
                }
                writeln!(self.out, "{}:{}:{shown}", row.name, file.name)?;
                last = shown;
                if let Some(function) = debug.as_ref().and_then(|debug| debug.function(address)) {
                    self.arguments(&parameters(&function))?;
                }
            }
        }
        if let Some(file) = only.filter(|_| named && !any && cpp.is_none() && !glob::is_pattern(asked.name))
            && let Ok(binary) = Binary::open(&file.path, &self.options.debug_folders)
        {
            self.hint(&format!("function in {}", file.name), asked.name, binary.functions().map(|(name, _)| name));
        }
        Ok(())
    }
}

impl Lister<'_> {
    /// `usdt:[FILE:][PROVIDER:]NAME`; a probe that has several places is listed once.
    pub(super) fn usdts(&mut self, row: &Provider, asked: Asked<'_>) -> io::Result<()> {
        if !self.names_all && !kernel::has_uprobes() {
            self.warn(format!("this kernel has no {}s (it was built without CONFIG_UPROBES)", row.name));
            return Ok(());
        }
        let (owner, name) = match asked.name.split_once(':') {
            Some((owner, name)) => (Some(owner).filter(|owner| !owner.is_empty()), name),
            None => (None, asked.name),
        };
        // No probe has a slash in its name: this is a file without a probe.
        if name.contains('/') {
            return Ok(());
        }
        let files = Files::new(self.options.process);
        let found = match (asked.place, self.options.process) {
            (None | Some("" | "*"), Some(_)) => files.mapped(),
            (None | Some("" | "*"), None) => files.everywhere(),
            (Some(place), _) => files.find(place),
        };
        let mut lines = Vec::new();
        for file in found {
            // A pattern may cover what is no program.
            let Ok(notes) = Notes::read(&file.path) else { continue };
            let covered = notes.all.iter().filter(|note| {
                owner.is_none_or(|owner| glob::matches(owner, &note.provider)) && glob::matches(name, &note.name)
            });
            lines.extend(covered.map(|note| format!("{}:{}:{}", file.name, note.provider, note.name)));
        }
        lines.sort_unstable();
        lines.dedup();
        lines.iter().try_for_each(|line| writeln!(self.out, "{}:{line}", row.name))
    }
}

/// What is asked for in names of C++ or Rust, if anything is: `[FILE:]cpp:NAME`. The file may be left out with a process.
fn in_cpp<'p>(asked: Asked<'p>, has_process: bool) -> Option<(Option<&'p str>, &'p str)> {
    let name = asked.name.strip_prefix("cpp:").or_else(|| asked.name.strip_prefix("rust:"));
    let (place, name) = match (asked.place, name) {
        (place, Some(name)) => (place, name),
        (Some("cpp" | "rust"), None) if has_process => (None, asked.name),
        _ => return None,
    };
    let name = name.strip_prefix('"').unwrap_or(name);
    let name = name.strip_suffix('"').unwrap_or(name);
    Some((place, if name.is_empty() { "*" } else { name }))
}

/// A function's part of an attach point in C++ or Rust: a demangled name in quotes.
pub(super) fn as_cpp(symbol: &str) -> String {
    match demangle::demangled(symbol) {
        Some(name) => format!("{}:\"{}\"", demangle::language(symbol), demangle::compact(&name)),
        None => format!("cpp:{symbol}"),
    }
}

/// The parameters of a function, spelled as debuggers do: `struct Foo* foo`.
fn parameters(function: &Function) -> Vec<String> {
    let btf = function.types.btf();
    let Ok(prototype) = btf.type_at(function.prototype) else { return Vec::new() };
    let spelled = prototype.params().filter_map(|param| Some((btf.c_declaration(param.type_id, "").ok()?, param.name)));
    spelled.map(|(ty, name)| format!("{} {name}", ty.replace(" *", "*"))).collect()
}

/// The programs of `PATH` that a pattern covers.
fn programs(pattern: &str) -> Vec<Found> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    let here = Files::default();
    folders.flat_map(|folder| here.find(&format!("{}/{pattern}", folder.trim_end_matches('/')))).collect()
}
