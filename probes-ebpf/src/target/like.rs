//! Names like a pattern that covers nothing, for who mistyped it.

use super::KernelTarget;
use super::typed::{RAW_PREFIX, names};
use crate::btf::Kind;
use crate::files::Files;
use crate::programs;
use lang::nearest::nearest_to_pattern;
use lang::probes::{Place, Spec};

/// So many are told.
const MOST: usize = 3;

impl KernelTarget {
    /// Names that the pattern may have been meant to cover, as they are written in its place.
    pub(super) fn names_like(&self, spec: &Spec) -> Vec<String> {
        match spec {
            Spec::Tracepoint { category, event } => self.events_like(&format!("{category}:{event}")),
            Spec::RawTracepoint { event, .. } => self.types_like(Kind::Typedef, RAW_PREFIX, event),
            Spec::Kprobe { function, .. } => match self.list_of_functions() {
                Ok(list) => nearest_to_pattern(function, list.iter().map(|(_, name)| name), MOST),
                Err(_) => Vec::new(),
            },
            Spec::ProgramFentry { function, .. } => {
                nearest_to_pattern(function, programs::functions().iter().map(|found| &found.name), MOST)
            }
            Spec::Fentry { function, .. } => self.types_like(Kind::Func, "", function),
            Spec::Uprobe { binary: Some(file), place: Place::Symbol { name, .. }, .. } => {
                self.functions_like(file, name)
            }
            Spec::Usdt { binary: Some(file), name, .. } => self.marks_like(file, name),
            _ => Vec::new(),
        }
    }

    fn types_like(&self, kind: Kind, prefix: &str, pattern: &str) -> Vec<String> {
        let Some(btf) = self.btf() else { return Vec::new() };
        nearest_to_pattern(pattern, names(btf, kind, |name| name.strip_prefix(prefix)), MOST)
    }

    fn events_like(&self, pattern: &str) -> Vec<String> {
        let Ok(tracefs) = self.tracefs() else { return Vec::new() };
        let categories = tracefs.categories().into_iter().flatten().flatten();
        let all = categories.flat_map(|category| {
            let events = tracefs.events(&category).into_iter().flatten().flatten();
            events.map(move |event| format!("{category}:{event}")).collect::<Vec<_>>()
        });
        nearest_to_pattern(pattern, all, MOST)
    }

    fn functions_like(&self, file: &str, pattern: &str) -> Vec<String> {
        let found = Files::new(self.process).find(file);
        let binaries: Vec<_> = found.iter().filter_map(|file| self.binary(file).ok()).collect();
        nearest_to_pattern(pattern, binaries.iter().flat_map(|binary| binary.functions()).map(|(name, _)| name), MOST)
    }

    fn marks_like(&self, file: &str, pattern: &str) -> Vec<String> {
        let found = Files::new(self.process).find(file);
        let notes: Vec<_> = found.iter().filter_map(|file| self.notes(&file.path).ok()).collect();
        nearest_to_pattern(pattern, notes.iter().flat_map(|notes| &notes.all).map(|note| &*note.name), MOST)
    }
}
