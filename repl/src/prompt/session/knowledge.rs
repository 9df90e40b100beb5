//! What a session tells the one who completes lines.

use super::Session;
use crate::prompt::knowledge::{Knowledge, Shared};
use probes_ebpf::list::Options;
use std::sync::Arc;

impl Session<'_> {
    /// Tells all.
    pub fn inform(&self, shared: &Shared) {
        let maps = self.live.program().maps.iter().map(|map| (map.title(), map.value.to_string()));
        let old = shared.get();
        let is_first = old.version == 0;
        shared.set(Knowledge {
            maps: maps.collect(),
            probes: self.probes.iter().map(|probe| (probe.number, probe.shown())).collect(),
            known: Arc::new(self.known.clone()),
            c: self.journal.c_for("", None).into(),
            settings: if is_first { Arc::new(self.settings.clone()) } else { old.settings },
            options: Options {
                process: self.process,
                arguments: false,
                functions: self.args.traceable_functions.clone(),
                debug_folders: self.args.debuginfo.clone(),
            },
            headers: match is_first {
                true => Arc::new([self.args.include_dirs.clone(), self.args.includes.clone()]),
                false => old.headers,
            },
            version: 0,
        });
    }
}
