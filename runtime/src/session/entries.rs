//! The entries of a session: each is loaded, attached, taken off and put on again, and removed by itself, while the others
//! run. A script is a session with one entry.
//!
//! What an entry has for itself (programs, links, timers, scratch memory) goes with it. Maps and rings stay, because others
//! use them.

use super::attaching::leave;
use super::threads::Needs;
use super::{Exit, Host, Job, Live, RunError, flush, output_error, since_boot};
use crate::attach::{self, AttachError, Link};
use crate::load::Loaded;
use crate::output::{Entries, Output, Settings};
use crate::packets::Packets;
use crate::timers::Timers;
use codegen::layout::{Layout, ResultPlace};
use codegen::object::{Point, Program};
use lang::config::Config;
use lang::target::Attach;
use lang::typed::{self, FormatId, MapId};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// The probes that came together.
pub(super) struct Entry {
    pub(super) number: u32,
    /// What its programs are attached to, in the order of the loaded ones; without their code.
    pub(super) programs: Vec<Program>,
    /// Of those that the kernel would not load, which it runs without.
    pub(super) refused: Vec<AttachError>,
    pub(super) loaded: Rc<Loaded>,
    pub(super) links: Vec<Link>,
    pub(super) timers: Timers,
    /// Programs to run when SIGUSR1 comes.
    pub(super) on_signal: Vec<OwnedFd>,
    /// Nothing of it runs until it is put on again.
    pub(super) is_off: bool,
    /// Who it is to the layout.
    pub(super) owner: u32,
    /// How a test or benchmark tells what it returns.
    pub(super) result: Option<ResultPlace>,
    /// Who has to run beside it.
    pub(super) needs: Needs,
}

impl Entry {
    /// Whether something can happen of itself.
    pub(super) fn waits(&self) -> bool {
        !self.timers.is_empty() || !self.on_signal.is_empty() || self.links.iter().any(Link::waits)
    }

    /// How many probes there are, without those that could not be loaded.
    pub(super) fn probes(&self) -> usize {
        let points = self.programs.iter().flat_map(|program| &program.points);
        points.filter(|point| point.attach.is_a_probe()).count()
    }

    /// The programs of certain attach points, once for each such point.
    pub(super) fn indices(&self, which: impl Fn(&Attach) -> bool) -> Vec<usize> {
        let count = |points: &[Point]| points.iter().filter(|point| which(&point.attach)).count();
        let each = self.programs.iter().enumerate();
        each.flat_map(|(index, program)| std::iter::repeat_n(index, count(&program.points))).collect()
    }

    /// Stops what runs of it, as [`Entry::stop`] does, and what others may run by a file.
    fn take_off(&mut self) -> Vec<Link> {
        self.links.iter().for_each(Link::unpin);
        self.stop()
    }

    /// Stops what runs of it, and hands over its links to be closed. Files stay to which iterators are pinned.
    pub(super) fn stop(&mut self) -> Vec<Link> {
        self.timers.stop();
        self.on_signal.clear();
        std::mem::take(&mut self.links)
    }
}

/// What has come of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// So many probes are attached.
    pub probes: usize,
    /// It has ended by itself already.
    pub is_over: bool,
}

/// What has come of an entry that was run once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// The record that was asked for.
    pub answer: Option<Vec<u8>>,
    /// It has brought new maps, so that what is known after it is what counts from now on.
    pub is_kept: bool,
}

impl Live<'_> {
    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    pub(super) fn entry_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.number == number)
    }

    /// The programs of an entry to be run at certain attach points.
    pub(super) fn to_run(&self, number: u32, which: impl Fn(&Attach) -> bool) -> Option<(Rc<Loaded>, Vec<usize>)> {
        let entry = self.entry(number)?;
        Some((Rc::clone(&entry.loaded), entry.indices(which)))
    }

    /// Adds an entry to a session: loads it, runs its `begin` probes, attaches the others, and hands over what the first
    /// have sent. If that fails, it is as if it had never been.
    pub fn add(
        &mut self,
        number: u32,
        job: &Job<'_>,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<Added, RunError> {
        let before = self.snapshot();
        let attached = self.timed_load(number, job).and_then(|()| self.timed_start(number, host));
        // What `begin` has printed has happened, whatever became of the others.
        let replayed = self.replay(output, host);
        let added = match attached.and_then(|added| self.iterate(number, output).map(|()| added)) {
            Ok(added) => added,
            Err(error) => {
                self.discard(number);
                self.rewind(before)?;
                return Err(error);
            }
        };
        replayed?;
        self.settle(output, host)?;
        Ok(added)
    }

    /// Runs an entry once, which is no more afterwards. If one of its formats is the answer to a question, its record is
    /// not shown but given back.
    pub fn evaluate(
        &mut self,
        number: u32,
        job: &Job<'_>,
        asked: Option<FormatId>,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<Evaluated, RunError> {
        let before = self.snapshot();
        self.asked = asked;
        let mut result = self.timed_load(number, job).and_then(|()| self.begin(number));
        result = result.and(self.replay(output, host)).and(self.settle(output, host));
        (self.asked, self.over) = (None, false);
        self.discard(number);
        let is_kept = result.is_ok() && !self.layout.is_alike(&before.layout);
        match is_kept {
            true => self.give_back(self.layout.owner),
            false => self.rewind(before)?,
        }
        let answer = self.answer.take();
        result.map(|()| Evaluated { answer, is_kept })
    }

    /// Puts other programs in the place of an entry's, which go on if that fails. They are loaded before the others are
    /// taken off, so that next to no event is missed, and attached after, so that none is counted twice. Their `begin`
    /// probes are run; an entry that is off stays so, and they are not.
    pub fn replace(
        &mut self,
        number: u32,
        job: &Job<'_>,
        is_off: bool,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<Added, RunError> {
        let Some(at) = self.entries.iter().position(|entry| entry.number == number) else {
            return Ok(Added::default());
        };
        let before = self.snapshot();
        let mut old = self.entries.remove(at);
        let was_off = old.is_off;
        if let Err(error) = self.load(number, job) {
            self.discard(number);
            self.rewind(before)?;
            self.entries.insert(at, old);
            return Err(error);
        }
        leave(old.take_off(), host);
        let started = match is_off {
            true => Ok(Added::default()),
            false => self.start(number, host),
        };
        let replayed = self.replay(output, host);
        let started = started.and_then(|added| match is_off {
            true => Ok(added),
            false => self.iterate(number, output).map(|()| added),
        });
        let added = match started {
            Ok(added) => added,
            Err(error) => {
                self.discard(number);
                self.rewind(before)?;
                self.entries.insert(at, old);
                // Why the new ones cannot be had says more than why the old ones cannot be had again.
                if !was_off && let Err(again) = self.attach(number, host).and_then(|_| self.pin_again(number)) {
                    self.off(number);
                    host.warn(match again {
                        RunError::Interrupted { .. } => {
                            "the probes that were there before are not attached again: they are off"
                        }
                        _ => "the probes that were there before cannot be attached any more, either: they are off",
                    });
                }
                return Err(error);
            }
        };
        // Its place among the others stays.
        if let Some(mut new) = self.entries.pop() {
            new.is_off = is_off;
            self.entries.insert(at, new);
        }
        replayed?;
        self.settle(output, host)?;
        self.release(old);
        Ok(added)
    }

    /// Pins the iterators of an entry where they were pinned before.
    fn pin_again(&self, number: u32) -> Result<(), RunError> {
        let mut links = self.entry(number).into_iter().flat_map(|entry| &entry.links);
        Ok(links.try_for_each(|link| link.pin().map(drop))?)
    }

    pub(super) fn start(&mut self, number: u32, host: &mut dyn Host) -> Result<Added, RunError> {
        let refused = self.tell_of_refused(number, host);
        self.begin(number)?;
        self.start_unwinder()?;
        let is_over = std::mem::take(&mut self.over);
        let missing = if is_over { 0 } else { self.attach(number, host)? };
        self.goes_on = true;
        let probes = self.entry(number).map_or(0, Entry::probes).saturating_sub(missing);
        if missing + refused > 0 && probes == 0 {
            return Err(RunError::NothingAttached);
        }
        Ok(Added { probes: if is_over { 0 } else { probes }, is_over })
    }

    /// Takes an entry off: nothing of it runs any more. False if there is no such entry.
    pub fn off(&mut self, number: u32) -> bool {
        let Some(entry) = self.entry_mut(number) else { return false };
        entry.is_off = true;
        let links = entry.take_off();
        attach::detach(links, &mut || {});
        true
    }

    /// Whether an entry is off.
    pub fn is_off(&self, number: u32) -> bool {
        self.entry(number).is_some_and(|entry| entry.is_off)
    }

    /// Puts an entry on again. False if there is no such entry.
    pub fn on(&mut self, number: u32, output: &mut dyn Output, host: &mut dyn Host) -> Result<bool, RunError> {
        match self.entry(number).map(|entry| entry.is_off) {
            None => return Ok(false),
            Some(false) => return Ok(true),
            Some(true) => {}
        }
        self.attach(number, host)?;
        if let Err(error) = self.iterate(number, output) {
            self.off(number);
            return Err(error);
        }
        if let Some(entry) = self.entry_mut(number) {
            entry.is_off = false;
        }
        flush(output)?;
        Ok(true)
    }

    /// Removes an entry with all that it has for itself. False if there is no such entry.
    pub fn remove(&mut self, number: u32, output: &mut dyn Output, host: &mut dyn Host) -> Result<bool, RunError> {
        if !self.off(number) {
            return Ok(false);
        }
        // What it has sent refers to what it had.
        self.settle(output, host)?;
        self.tick(output, host)?;
        if let Some(at) = self.entries.iter().position(|entry| entry.number == number) {
            let entry = self.entries.remove(at);
            self.release(entry);
        }
        Ok(true)
    }

    /// Drops an entry that has come to nothing.
    fn discard(&mut self, number: u32) {
        self.off(number);
        self.entries.retain(|entry| entry.number != number);
        self.stop_what_is_not_needed();
    }

    /// Gives back what an entry that is off had for itself.
    fn release(&mut self, entry: Entry) {
        self.missed += entry.loaded.missed();
        let owner = entry.owner;
        drop(entry);
        self.stop_what_is_not_needed();
        self.give_back(owner);
    }

    /// Makes it as it was before anything was entered. What has been printed is handed on; `end` probes are not run.
    pub fn reset(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        leave(self.entries.iter_mut().flat_map(Entry::take_off).collect(), host);
        self.drain(super::ALL, output, host)?;
        self.tick(output, host)?;
        // The first one has nothing but what all of them share.
        self.entries.truncate(1);
        self.stop_what_is_not_needed();
        if let Some(base) = self.base.clone() {
            self.rewind(base)?;
        }
        self.packets = Packets::default();
        self.exited.clear();
        (self.exit, self.hushed, self.over) = (None, false, false);
        self.store.word(codegen::layout::START_TIME).store(since_boot(), Ordering::Relaxed);
        flush(output)
    }

    /// Takes off the entries that have called `exit()`, and hands on what has been printed.
    fn settle(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        self.drain(super::ALL, output, host)?;
        for index in 0..self.exited.len() {
            self.off(self.exited[index].0);
        }
        flush(output)
    }

    /// Does what there is to do in a session, and waits for more, but no longer than until `wake` can be read; tells
    /// whether it can.
    pub fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<bool, RunError> {
        self.turn(Some(wake), output, host).inspect(|_| {
            for index in 0..self.exited.len() {
                self.off(self.exited[index].0);
            }
        })
    }

    /// Notes that an entry has called `exit()`. Several processors may do so before it is taken off: the first one counts.
    pub(super) fn note_exited(&mut self, number: u32, code: u8) {
        if !self.is_off(number) && !self.exited.iter().any(|(known, _)| *known == number) {
            self.exited.push((number, code));
        }
    }

    /// The entries that have called `exit()` since the last time, and are off because of it; and the codes they gave.
    pub fn take_exited(&mut self) -> Vec<(u32, u8)> {
        std::mem::take(&mut self.exited)
    }

    /// Whether a signal wants the session to end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// What a `config` block of its own says of everything that is done from now on.
    pub fn configure(&mut self, config: Config) {
        self.program.config = config;
    }

    /// From now on values are shown so.
    pub fn show_as(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The layout with which that of the next entry goes on.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is known of maps and formats.
    pub fn program(&self) -> &typed::Program {
        &self.program
    }

    /// All entries of a map.
    pub fn entries_of(&self, map: MapId) -> Result<Entries, RunError> {
        let info = &self.program.maps[map.index()];
        self.store.read(map, info).map_err(|error| RunError::System("reading a map", error))
    }

    /// Hands on what the output may still hold.
    pub fn flush(&self, output: &mut dyn Output) -> Result<(), RunError> {
        flush(output)
    }

    /// Shows a map.
    pub fn show(&self, map: MapId, output: &mut dyn Output) -> Result<(), RunError> {
        output.map(&self.program.maps[map.index()], &self.entries_of(map)?, 0, 1).map_err(output_error)?;
        flush(output)
    }

    /// Ends a session: takes everything off, runs the `end` probes, and shows the maps if they are wanted. Gives the exit
    /// code.
    pub fn close(
        &mut self,
        code: u8,
        shows_maps: bool,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<u8, RunError> {
        self.detach(host);
        self.end(output, host)?;
        // An `end` probe may have the last word.
        let last = self.take_exited().first().map(|(_, code)| *code).filter(|_| code == 0);
        let code = last.unwrap_or(code);
        self.exit = Some(Exit { code, asked: true });
        self.finish(shows_maps, output, host)
    }
}
