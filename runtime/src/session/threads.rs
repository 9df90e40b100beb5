//! What entries need beside themselves: a thread that notes the processes that their programs meet, and one that finds the
//! tables for walks up the stack. Each comes with the first entry that needs it, and goes with the last.

use super::{Job, Live, RunError};
use crate::machine::watch::Watch;
use aya::maps::MapData;
use std::io;
use std::os::fd::AsFd;

/// What an entry needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Somebody who notes processes.
    watch: bool,
    /// Somebody who finds tables.
    unwinder: bool,
}

impl Needs {
    pub(super) fn of(job: &Job<'_>) -> Self {
        let layout = &job.object.layout;
        let uses = |map: u32| job.object.programs.iter().any(|program| program.uses(map));
        Self {
            watch: layout.processes.is_some_and(|(_, news)| uses(news)),
            unwinder: layout.unwinding.is_some_and(|unwinding| uses(unwinding.processes)),
        }
    }
}

impl Live<'_> {
    /// Notes the processes that programs meet from now on, if they tell of any. Not before signals are caught: a thread
    /// takes over which are blocked.
    pub(super) fn start_watch(&mut self) -> Result<(), RunError> {
        if self.watch.is_some() || !self.needs(|needs| needs.watch) {
            return Ok(());
        }
        let news = self.layout.processes.map(|(_, news)| self.layout.kernel_maps[news as usize].name.as_str());
        let Some(ring) = news.and_then(|news| self.maps.map(news)) else { return Ok(()) };
        if let Some(pid) = self.config.pid {
            self.config.processes.note(u64::from(pid));
        }
        let ring = ring.as_fd().try_clone_to_owned().map(|ring| MapData::from_fd(ring).map_err(io::Error::other));
        let watch = ring.flatten().and_then(|ring| Watch::start(ring, self.config.processes.clone()));
        self.watch = Some(watch.map_err(|error| RunError::System("watching processes", error))?);
        Ok(())
    }

    /// From now on tables are found without keeping anybody waiting.
    pub(super) fn start_unwinder(&mut self) -> Result<(), RunError> {
        let is_needed = self.needs(|needs| needs.unwinder);
        match self.unwinder.as_mut().filter(|_| is_needed) {
            Some(unwinder) => unwinder.start().map_err(|e| RunError::System("starting a thread", e)),
            None => Ok(()),
        }
    }

    /// Ends what no entry needs any more.
    pub(super) fn stop_what_is_not_needed(&mut self) {
        if self.watch.is_some() && !self.needs(|needs| needs.watch) {
            // What has been met by now may be shown yet.
            self.config.processes.catch_up();
            self.watch = None;
        }
        if !self.needs(|needs| needs.unwinder)
            && let Some(unwinder) = &mut self.unwinder
        {
            unwinder.stop();
        }
    }

    fn needs(&self, what: impl Fn(&Needs) -> bool) -> bool {
        self.entries.iter().any(|entry| what(&entry.needs))
    }
}
