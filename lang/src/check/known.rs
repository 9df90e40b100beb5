//! What a session knows: a program that grows entry by entry.
//!
//! An entry is a script of its own, checked against what the entries before it have left: their definitions, the types
//! of the maps that they fixed, and the tables that running programs refer to by number (formats, texts, captures),
//! which only ever grow. What the check of a faulty entry has learnt is simply dropped.

use super::names::Maps;
use super::{Checked, Settings, check_known};
use crate::ast::{Macro, MapDecl, Script};
use crate::diag::Diagnostic;
use crate::target::Target;
use crate::typed::Program;

/// What earlier entries have defined and fixed. The default is the beginning of a session.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Config, declarations of maps, and macros; nothing else.
    definitions: Script,
    /// The maps by their numbers.
    pub(super) maps: Maps,
    /// Formats, texts and captures; no maps and no probes.
    pub(super) tables: Program,
}

/// A checked entry, and what is known after it.
#[derive(Debug)]
pub struct CheckedEntry {
    /// Its program: the tables are those of all entries, the probes its own.
    pub checked: Checked,
    /// For the next entry, if there were no errors in this one.
    pub known: Known,
    /// Maps that it uses although nothing has been assigned to them yet. Once a later entry does, this one means more
    /// than it does now.
    pub waits_for: Vec<String>,
}

/// Checks an entry of a session.
pub fn check_entry(known: &Known, entry: &Script, target: &dyn Target, settings: &Settings) -> CheckedEntry {
    let definitions = known.with(entry);
    let whole = Script { probes: entry.probes.clone(), c: entry.c.clone(), ..definitions.clone() };
    let (checked, maps) = check_known(&whole, target, settings, Some(known));
    let waits_for = maps.unassigned();
    let Program { formats, texts, captures, expanded_from, .. } = checked.program.clone();
    let tables = Program { formats, texts, captures, expanded_from, ..Program::default() };
    CheckedEntry { known: Known { definitions, maps: maps.fixed(), tables }, checked, waits_for }
}

impl Known {
    /// The macros.
    pub fn macros(&self) -> &[Macro] {
        &self.definitions.macros
    }

    /// Whether a map is known and something has been assigned to it.
    pub fn has_map(&self, name: &str) -> bool {
        self.maps.is_assigned(name)
    }

    /// What of these declarations is about maps that have been in use without one.
    pub(super) fn declared_too_late(&self, declarations: &[MapDecl]) -> Vec<Diagnostic> {
        let is_new = |new: &&MapDecl| self.definitions.maps.iter().all(|old| old.name.text != new.name.text);
        let new = declarations.iter().filter(is_new);
        let late = new.filter_map(|new| {
            let title = format!("@{} is in use already, and how it is kept cannot be changed any more", new.name.text);
            let first = self.maps.fixed_before(&new.name.text)?;
            Some(Diagnostic::error(new.span, title).with_related(first, "it was first used here"))
        });
        late.collect()
    }

    /// The definitions so far with those of an entry.
    fn with(&self, entry: &Script) -> Script {
        let mut all = self.definitions.clone();
        all.config.extend(entry.config.iter().cloned());
        all.maps.extend(entry.maps.iter().cloned());
        // The same name for the same kinds of argument is a new version of it.
        let is_same = |old: &Macro, new: &Macro| {
            let kinds = |item: &Macro| item.params.iter().map(|param| param.kind).collect::<Vec<_>>();
            old.name.text == new.name.text && kinds(old) == kinds(new)
        };
        all.macros.retain(|old| !entry.macros.iter().any(|new| is_same(old, new)));
        all.macros.extend(entry.macros.iter().cloned());
        all
    }
}
