//! Tracepoints, raw tracepoints and iterators.

use super::functions::{Signatures, proto};
use super::{Asked, Lister, sort_places};
use crate::btf::{Btf, Kind, Param, TypeId};
use lang::glob;
use std::io;
use std::sync::Arc;

/// What raw tracepoints are called in BTF.
const RAW_PREFIX: &str = "btf_trace_";
/// Functions that the kernel makes for a raw tracepoint, and whose parameters have names.
const STUBS: &[&str] = &["__probestub_", "__traceiter_", "__bpf_trace_"];
/// What the contexts of iterators are called, and the end of a name that is only the verifier's.
const ITER_PREFIX: &str = "bpf_iter__";
const ITER_NOT: &str = "__safe_trusted";

impl Lister<'_> {
    pub(super) fn tracepoints(&mut self, asked: Asked<'_>) -> io::Result<()> {
        let Some(tracefs) = self.tracefs() else { return Ok(()) };
        // One file names all events that can be traced; the folders have some that cannot.
        let Ok(text) = tracefs.read("available_events") else { return self.tracepoints_in_folders(asked) };
        let mut events: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.split_once(':').is_some_and(|(place, name)| asked.covers_place(place) && asked.covers_name(name))
            })
            .collect();
        events.sort_unstable();
        for event in events {
            let (category, name) = event.split_once(':').unwrap_or((event, ""));
            self.event(category, name)?;
        }
        Ok(())
    }

    fn tracepoints_in_folders(&mut self, asked: Asked<'_>) -> io::Result<()> {
        let found = self.tracefs().map(|tracefs| tracefs.categories());
        let mut categories: Vec<String> = match found {
            None => return Ok(()),
            Some(Err(error)) => {
                self.warn(error.to_string());
                return Ok(());
            }
            Some(Ok(names)) => names.flatten().collect(),
        };
        // Events of that one are ftrace's own and cannot be traced.
        categories.retain(|category| asked.covers_place(category) && category != "ftrace");
        sort_places(&mut categories);
        for category in categories {
            // A category may go away with its module.
            let Some(Ok(names)) = self.tracefs().map(|tracefs| tracefs.events(&category)) else { continue };
            let mut events: Vec<String> = names.flatten().filter(|name| asked.covers_name(name)).collect();
            events.sort_unstable();
            events.iter().try_for_each(|event| self.event(&category, event))?;
        }
        Ok(())
    }

    /// Tells whoever names one event that there is none of the name. A pattern may well cover nothing.
    pub(super) fn hint_at_tracepoints(&mut self, asked: Asked<'_>) {
        let Some(place) = asked.place else { return };
        if glob::is_pattern(place) || glob::is_pattern(asked.name) {
            return;
        }
        let Some(tracefs) = self.tracefs() else { return };
        // Where a folder may not be read, nobody knows what is in it.
        let Ok(categories) = tracefs.categories() else { return };
        let categories: Vec<String> = categories.flatten().collect();
        let (what, name, known) = if categories.iter().any(|category| category == place) {
            let Ok(events) = tracefs.events(place) else { return };
            (format!("event of {place}"), asked.name, events.flatten().collect())
        } else {
            ("category of tracepoints".to_owned(), place, categories)
        };
        if !known.iter().any(|known| known == name) {
            self.hint(&what, name, &known);
        }
    }

    /// Lists one event.
    pub(super) fn event(&mut self, category: &str, name: &str) -> io::Result<()> {
        writeln!(self.out, "tracepoint:{category}:{name}")?;
        if !self.options.arguments {
            return Ok(());
        }
        let text = self.tracefs().and_then(|tracefs| tracefs.event_format(category, name).ok()).unwrap_or_default();
        // Fields that all events have come before the first empty line that follows one.
        let own = text.split_once("\n\n").map_or("", |(_, own)| own);
        let fields = own.lines().filter_map(|line| line.strip_prefix("\tfield:")?.split(';').next());
        self.arguments(&fields.map(str::to_owned).collect::<Vec<_>>())
    }

    pub(super) fn raw_tracepoints(&mut self, asked: Asked<'_>, named: bool) -> io::Result<()> {
        let mut any = false;
        for (owner, btf) in self.all_btf(|owner| asked.covers_place(owner)) {
            let kinds = [Kind::Typedef];
            let Ok(types) = btf.types_of(&kinds) else { continue };
            let mut events: Vec<&str> = types
                .filter_map(|ty| ty.name().strip_prefix(RAW_PREFIX))
                .filter(|event| asked.covers_name(event))
                .collect();
            events.sort_unstable();
            events.dedup();
            any |= !events.is_empty();
            let signatures = match self.options.arguments {
                true => Signatures::of([(owner.clone(), Arc::clone(&btf))].into_iter()),
                false => Signatures::default(),
            };
            for event in events {
                self.raw_tracepoint(&owner, &btf, event, &signatures)?;
            }
        }
        if named && !any && !glob::is_pattern(asked.name) {
            let known: Vec<String> =
                self.all_btf(|owner| asked.covers_place(owner)).flat_map(|(_, btf)| raw_names(&btf)).collect();
            self.hint("raw tracepoint", asked.name, known);
        }
        Ok(())
    }

    pub(super) fn one_raw_tracepoint(&mut self, asked: Asked<'_>) -> io::Result<()> {
        let found = self
            .all_btf(|owner| asked.covers_place(owner))
            .find(|(_, btf)| matches!(btf.raw_tracepoint(asked.name), Ok(Some(_))));
        match found {
            Some((owner, btf)) => {
                let signatures = Signatures::of([(owner.clone(), Arc::clone(&btf))].into_iter());
                self.raw_tracepoint(&owner, &btf, asked.name, &signatures)
            }
            None => writeln!(self.out, "rawtracepoint:{}", asked.rest),
        }
    }

    fn raw_tracepoint(&mut self, owner: &str, btf: &Btf, event: &str, signatures: &Signatures) -> io::Result<()> {
        writeln!(self.out, "rawtracepoint:{owner}:{event}")?;
        if !self.options.arguments {
            return Ok(());
        }
        let named = STUBS.iter().find_map(|stub| {
            let (btf, id) = signatures.find("", &format!("{stub}{event}"))?;
            proto(btf, id)
        });
        let described = named.or_else(|| Some(btf.raw_tracepoint(event).ok()??.1));
        // The first parameter is the tracepoint's own, which programs do not see.
        let params = described.into_iter().flat_map(|proto| proto.params().skip(1).collect::<Vec<_>>());
        let lines: Vec<String> = params.filter_map(|param| parameter(btf, &param)).collect();
        self.arguments(&lines)
    }

    pub(super) fn iterators(&mut self, asked: Asked<'_>, named: bool) -> io::Result<()> {
        let pattern = asked.all();
        let mut known: Vec<String> = Vec::new();
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for (_, btf) in self.all_btf(|_| true) {
            let kinds = [Kind::Struct];
            let Ok(types) = btf.types_of(&kinds) else { continue };
            for ty in types {
                let Some(name) = ty.name().strip_prefix(ITER_PREFIX) else { continue };
                if name.ends_with(ITER_NOT) {
                    continue;
                }
                if !glob::matches(pattern, name) {
                    known.push(name.to_owned());
                    continue;
                }
                // The first parameter is about the iteration, not about the object.
                let proto = btf.func_proto(&format!("bpf_iter_{name}")).ok().flatten();
                let params = proto.into_iter().flat_map(|proto| proto.params().skip(1).collect::<Vec<_>>());
                let lines = params.filter_map(|param| parameter(&btf, &param)).collect();
                found.push((name.to_owned(), lines));
            }
        }
        if found.is_empty() && named {
            self.hint("iterator", asked.rest, known);
        }
        found.sort_unstable();
        found.dedup_by(|a, b| a.0 == b.0);
        for (name, lines) in found {
            writeln!(self.out, "iter:{name}")?;
            if self.options.arguments {
                self.arguments(&lines)?;
            }
        }
        Ok(())
    }
}

/// The raw tracepoints that a file describes.
fn raw_names(btf: &Btf) -> Vec<String> {
    let types = btf.types_of(&[Kind::Typedef]).into_iter().flatten();
    types.filter_map(|ty| ty.name().strip_prefix(RAW_PREFIX).map(str::to_owned)).collect()
}

/// A parameter as listings show it: `struct file * file`.
pub(super) fn parameter(btf: &Btf, param: &Param<'_>) -> Option<String> {
    spelled(btf, param.type_id, param.name)
}

/// A type and a name, which is not a declarator of C.
pub(super) fn spelled(btf: &Btf, id: TypeId, name: &str) -> Option<String> {
    Some(format!("{} {name}", btf.c_declaration(id, "").ok()?))
}
