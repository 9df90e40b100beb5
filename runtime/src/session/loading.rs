//! Loading entries beside those that are there: what each is the first to use is opened, and what comes to nothing, or is
//! removed, gives back what it has taken.

use super::attaching::Dispensable;
use super::entries::Entry;
use super::threads::Needs;
use super::{Job, Live, RunError, allow_files, places, signals, since_boot};
use crate::attach::AttachError;
use crate::load::{LiveMaps, LoadError, Loaded, Refusal, load_possible};
use crate::machine::MOST_OPEN;
use crate::packets::Packets;
use crate::timers::Timers;
use crate::unwind::Unwinder;
use aya::maps::MapData;
use codegen::layout::Layout;
use codegen::object::Program;
use lang::span::Span;
use lang::typed;
use rustix::time::{DynamicClockId, clock_gettime_dynamic};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// To go back to.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) layout: Layout,
    program: typed::Program,
}

impl Job<'_> {
    /// Loads it beside what is there. A function that the kernel takes no program for may be left out as one that it takes
    /// no probe on; but not all that a pattern stands for, unless the script says so.
    pub(super) fn load(&self, maps: &LiveMaps) -> Result<Loaded, LoadError> {
        let dispensable = Dispensable::of(&self.object.programs, self.program.config.missing_probes);
        let may_be_left_out = |program: &Program| dispensable.has(&program.points[0]);
        let mut loaded = load_possible(self.object, self.elf, self.log_bytes(), maps, &may_be_left_out)?;
        let span = |index: usize| self.object.programs[index].points[0].span;
        let refused: HashSet<usize> = loaded.refused.iter().map(|(refusal, _)| refusal.index).collect();
        let others = (0..self.object.programs.len()).filter(|index| !refused.contains(index));
        let attached: HashSet<Span> = others.map(span).collect();
        let is_whole = |(refusal, _): &(Box<Refusal>, _)| !attached.contains(&span(refusal.index));
        match loaded.refused.iter().position(is_whole).filter(|_| !dispensable.all) {
            Some(at) => {
                let (refusal, error) = loaded.refused.swap_remove(at);
                Err(LoadError::Refused { refusal, error })
            }
            None => Ok(loaded),
        }
    }
}

impl Live<'_> {
    /// Loads an entry beside the others.
    pub(super) fn load(&mut self, number: u32, job: &Job<'_>) -> Result<(), RunError> {
        let open = self.entries.iter().flat_map(|entry| &entry.programs).flat_map(|program| &program.points);
        let open = places(open);
        let mapped = if job.object.layout.processes.is_some() { MOST_OPEN as u64 } else { 0 };
        allow_files(open + job.places(), mapped);
        let loaded = job.load(&self.maps)?;
        let layout = &job.object.layout;
        let opened = self.maps.adopt(&loaded, layout);
        opened
            .and_then(|()| self.store.follow(&self.maps, layout, &job.program.maps))
            .map_err(|e| RunError::System("opening maps", e))?;
        self.adopt(number, job, loaded)
    }

    /// Takes in a loaded entry: opens what it is the first to use.
    pub(super) fn adopt(&mut self, number: u32, job: &Job<'_>, mut loaded: Loaded) -> Result<(), RunError> {
        let layout = &job.object.layout;
        let mut new =
            |index: Option<u32>| -> Option<MapData> { loaded.take_map(&layout.kernel_maps[index? as usize].name) };
        self.rings
            .open(new(layout.data_ring), new(layout.control_ring))
            .map_err(|e| RunError::System("opening the ring buffers", e))?;
        if let Some(map) = new(layout.packets) {
            self.packets = Packets::open(map, job.program.config.perf_rb_pages)?;
        }
        // A run that captures nothing leaves no file behind, nor empties one.
        if layout.packets.is_some() && !self.config.dry_run {
            self.packets.begin_files(&job.program.captures, self.config.packets_output.as_ref())?;
        }
        if let Some(offset) = layout.tai_offset.filter(|_| self.layout.tai_offset.is_none()) {
            let tai = clock_gettime_dynamic(DynamicClockId::Tai)
                .map_err(|e| RunError::System("reading the clock", e.into()))?;
            let tai = tai.tv_sec as u64 * 1_000_000_000 + tai.tv_nsec as u64;
            self.store.word(offset).store(tai.wrapping_sub(since_boot()), Ordering::Relaxed);
        }
        if job.takes_usr1() && !std::mem::replace(&mut self.takes_usr1, true) {
            self.signals = signals::catch(true).map_err(|e| RunError::System("catching signals", e))?;
        }
        for (offset, bytes) in &layout.tables {
            for (at, word) in (*offset..).step_by(8).zip(bytes.chunks_exact(8)) {
                let word = word.try_into().map_or(0, u64::from_ne_bytes);
                self.store.word(at).store(word, Ordering::Relaxed);
            }
        }
        self.reported.resize(layout.sites.len(), 0);
        if self.unwinder.is_none() {
            let unwinder = Unwinder::new(&loaded, layout);
            self.unwinder = unwinder.map_err(|e| RunError::System("opening the tables of stacks", e))?;
            if let Some(unwinder) = &mut self.unwinder {
                let config = &self.config;
                config.pid.iter().chain(&config.dwarf_pids).for_each(|process| unwinder.target(*process));
            }
        }
        self.layout = layout.clone();
        self.settings.texts.set(&job.program.texts);
        self.program = typed::Program {
            config: job.program.config.clone(),
            maps: job.program.maps.clone(),
            formats: job.program.formats.clone(),
            probes: Vec::new(),
            expanded_from: job.program.expanded_from.clone(),
            texts: job.program.texts.clone(),
            captures: job.program.captures.clone(),
            filters: Vec::new(),
        };
        let all = &job.object.programs;
        let is_loaded = |index: &usize| loaded.refused.iter().all(|(refusal, _)| refusal.index != *index);
        let refused = loaded.refused.iter();
        self.entries.push(Entry {
            number,
            programs: (0..all.len()).filter(is_loaded).map(|index| without_code(&all[index])).collect(),
            refused: refused.map(|(why, error)| AttachError::not_loaded(&all[why.index], why, error)).collect(),
            loaded: Rc::new(loaded),
            links: Vec::new(),
            timers: Timers::default(),
            on_signal: Vec::new(),
            is_off: false,
            owner: layout.owner,
            result: layout.result.clone(),
            needs: Needs::of(job),
        });
        self.start_watch()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { layout: self.layout.clone(), program: self.program.clone() }
    }

    /// Goes back to what was before an entry that is gone.
    pub(super) fn rewind(&mut self, before: Snapshot) -> Result<(), RunError> {
        let Snapshot { layout, program } = before;
        self.maps.keep(&layout);
        let failed = |error| RunError::System("opening maps", error);
        self.layout.taken_since(&layout).for_each(|stretch| self.store.clear_bss(stretch));
        self.store.follow(&self.maps, &layout, &program.maps).map_err(failed)?;
        self.reported.truncate(layout.sites.len());
        layout.vacant_sites().for_each(|number| self.reported[number] = 0);
        self.packets.keep_files(program.captures.len());
        if layout.unwinding.is_none() {
            self.unwinder = None;
        }
        self.settings.texts.set(&program.texts);
        (self.layout, self.program) = (layout, program);
        Ok(())
    }

    /// Gives back what an entry had of `.bss`, for others. What has been lost at its sites stays counted.
    pub(super) fn give_back(&mut self, owner: u32) {
        for (number, site) in self.layout.sites.iter().enumerate().filter(|(_, site)| site.owner == owner) {
            let count = self.store.count(site);
            match self.gone.iter_mut().find(|(known, _)| known.kind == site.kind) {
                Some((_, sum)) => *sum += count,
                None if count > 0 => self.gone.push((*site, count)),
                None => {}
            }
            self.reported[number] = 0;
        }
        for stretch in self.layout.release(owner) {
            self.store.clear_bss(stretch);
        }
        self.store.follow_sites(&self.layout);
    }
}

/// What a program is attached to.
fn without_code(program: &Program) -> Program {
    Program {
        name: program.name.clone(),
        kind: program.kind,
        points: program.points.clone(),
        probe: program.probe,
        code: Default::default(),
        functions: Vec::new(),
        spans: Vec::new(),
        clif: None,
    }
}
