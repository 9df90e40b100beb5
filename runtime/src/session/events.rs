//! While a run goes on: waiting, taking events from the rings, doing what they ask for, telling what goes wrong.

use super::{Exit, Host, Live, RunError, flush, output_error, run_once};
use crate::child::Child;
use crate::commands;
use crate::output::{Output, Trouble};
use crate::rings::Event;
use crate::trouble;
use codegen::event::{Control, ControlRecord};
use codegen::layout::{EXIT, EXIT_ASKED};
use lang::printf::Origin;
use lang::typed::{FormatId, MapId};
use lang::types::{Aggregate, Type};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

/// After records have come, the next ones are left alone for so long. A record wakes the reader only if the reader has
/// caught up with it, and waking costs the traced process some microseconds, a hundred times what the record costs; so
/// a reader that takes its time makes a flood of records cheap.
const BREATH: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

impl Live<'_> {
    /// Hands over events until the run ends.
    pub(super) fn events(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        if let Some(mut viewer) = self.config.viewer.take() {
            return self.events_seen(&mut *viewer, output, host);
        }
        while self.exit.is_none() {
            self.turn(None, output, host)?;
        }
        Ok(())
    }

    /// Hands over the events that have come, and waits for what comes next unless the run has ended. Tells whether `wake`
    /// can be read.
    pub(super) fn turn(
        &mut self,
        wake: Option<BorrowedFd<'_>>,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<bool, RunError> {
        /// Records between two looks at signals, the clock and the child, which a flood must not hide.
        const BATCH: usize = 4096;
        /// The same where a record may run a command, which takes a while.
        const FEW: usize = 8;
        let runs_commands = self.program.formats.iter().any(|format| format.origin == Origin::System);
        let batch = if runs_commands { FEW } else { BATCH };
        let before = self.rings.data_position();
        let backlog = self.drain(batch, output, host)?;
        flush(output)?;
        if self.exit.is_some() || !self.exited.is_empty() {
            return Ok(false);
        }
        let limit = match (backlog, self.rings.data_position() != before) {
            (true, _) => Some(Timespec::default()),
            (false, true) => Some(BREATH),
            (false, false) => None,
        };
        self.wait(wake, output, host, limit)
    }

    /// Waits until there is something to do, and does it unless it is about events. With a limit, records to print are
    /// no reason to return before it is over. Tells whether `wake` can be read.
    fn wait(
        &mut self,
        wake: Option<BorrowedFd<'_>>,
        output: &mut dyn Output,
        host: &mut dyn Host,
        limit: Option<Timespec>,
    ) -> Result<bool, RunError> {
        let child = self.config.child.as_ref().map(|child| child.fd());
        let process = self.config.process.as_ref().map(|process| process.as_fd());
        let own = [self.signals.as_fd(), self.ticker.as_fd()];
        let data = self.rings.data_fd().filter(|_| limit.is_none());
        let packets = self.packets.fds().filter(|_| limit.is_none());
        let others = child.into_iter().chain(process).chain(wake);
        let fds = own.into_iter().chain(others).chain(self.rings.control_fd()).chain(data).chain(packets);
        let mut wait: Vec<PollFd<'_>> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut wait, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(RunError::System("waiting for events", error.into())),
            Ok(_) => {}
        }
        let ready: Vec<bool> = wait.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (has_child, has_process) = (child.is_some(), process.is_some());
        let at_wake = 2 + usize::from(has_child) + usize::from(has_process);
        let is_woken = wake.is_some() && ready[at_wake];
        if ready[0] {
            self.signal()?;
        }
        if ready[1] {
            let mut expired = [0; 8];
            let _ = rustix::io::read(&self.ticker, &mut expired);
            self.tick(output, host)?;
        }
        if has_child && ready[2] {
            // Ctrl-C ends the command as well, and that is no news.
            if let Some(how) = self.config.child.as_mut().and_then(Child::ended).filter(|_| self.exit.is_none()) {
                host.child_ended(how);
            }
            self.exit = self.exit.or(Some(Exit { code: 0, asked: false }));
        }
        if has_process && ready[2 + usize::from(has_child)] {
            match self.config.interactive {
                // There may be something to look at; but it ends only once.
                true => {
                    self.config.process = None;
                    let number = self.config.pid.unwrap_or_default();
                    output.flush().map_err(output_error)?;
                    host.warn(&format!("the process {number} has ended"));
                }
                false => self.exit = self.exit.or(Some(Exit { code: 0, asked: false })),
            }
        }
        Ok(is_woken)
    }

    /// Takes a signal: SIGUSR1 is for the script, any other ends the run.
    fn signal(&mut self) -> Result<(), RunError> {
        // `struct signalfd_siginfo` begins with the number.
        let mut info = [0; 128];
        let read = rustix::io::read(&self.signals, &mut info);
        let number = info.first_chunk().map(|number| u32::from_ne_bytes(*number));
        match (read, number) {
            (Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR), _) => {}
            (Ok(_), Some(number)) if number == libc::SIGUSR1 as u32 => {
                for program in self.entries.iter().flat_map(|entry| &entry.on_signal) {
                    run_once(program.as_fd())?;
                }
            }
            _ => {
                self.interrupted = true;
                self.exit = Some(Exit { code: 0, asked: false });
            }
        }
        Ok(())
    }

    /// Takes the signals that have come.
    pub(super) fn take_signals(&mut self) -> Result<(), RunError> {
        let mut wait = [PollFd::new(&self.signals, PollFlags::IN)];
        match poll(&mut wait, Some(&Timespec::default())) {
            Ok(0) => Ok(()),
            _ => self.signal(),
        }
    }

    /// Hands what has arrived to the output, at most `most` records. True if there may be more.
    pub(super) fn drain(
        &mut self,
        most: usize,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<bool, RunError> {
        // The rings are taken out so that an event, which borrows them, can be handed to the rest of the session.
        let mut rings = std::mem::take(&mut self.rings);
        let result = rings.drain(most, |event| self.take(event, output, host));
        self.rings = rings;
        self.packets.drain(&self.program.captures)?;
        self.note_exit();
        result
    }

    /// Takes notice of an `exit()` whose control record found no room.
    pub(super) fn note_exit(&mut self) {
        // In a session, which entry it was is only told by the record.
        if self.config.interactive {
            return;
        }
        let word = self.store.word(EXIT).load(Ordering::Acquire);
        if word & EXIT_ASKED != 0 && !self.exit.is_some_and(|exit| exit.asked) {
            self.exit = Some(Exit { code: word as u8, asked: true });
        }
    }

    /// Does what one event asks for.
    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<(), RunError> {
        match event {
            _ if self.hushed => Ok(()),
            Event::Record(bytes) => {
                let Some((header, values)) = bytes.split_first_chunk::<8>() else { return Ok(()) };
                let id = FormatId(u64::from_ne_bytes(*header) as u32);
                if self.asked == Some(id) {
                    self.answer = Some(values.to_vec());
                    return Ok(());
                }
                match self.program.formats.get(id.index()) {
                    Some(format) => match format.origin {
                        // Of what is run to be measured, only errors are of interest.
                        _ if self.muted && !matches!(format.origin, Origin::Errorf(_)) => Ok(()),
                        Origin::Printf | Origin::Print => output.record(format, values).map_err(output_error),
                        Origin::Entry(map) => {
                            let info = &self.program.maps[map.index()];
                            let read = self.store.read_entry(map, info, values);
                            let entry = read.map_err(|error| RunError::System("reading a map", error))?;
                            output.map(info, &entry, 0, 1).map_err(output_error)
                        }
                        // A user who interrupts does not want to wait for all the commands that are still asked for.
                        Origin::System if self.interrupted => Ok(()),
                        _ => {
                            let limits = (&self.settings, self.program.config.max_cat_bytes);
                            let expanded = &self.program.expanded_from;
                            let calls = expanded.iter().find(|(of, _)| *of == id).map_or(&[][..], |(_, calls)| calls);
                            commands::perform((format, calls), values, limits, output, host)
                        }
                    },
                    None => Ok(()),
                }
            }
            Event::Control(record) => self.control(record, output, host),
        }
    }

    fn control(&mut self, record: ControlRecord, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        let failed = |error| RunError::System("changing a map", error);
        let map = MapId(record.number);
        match record.kind {
            Control::Exit if self.config.interactive => {
                self.note_exited(record.number, record.arguments[0] as u8);
                Ok(())
            }
            Control::Exit => {
                self.hushed = self.goes_on;
                self.note_exit();
                Ok(())
            }
            Control::PrintMap if self.muted => Ok(()),
            Control::PrintMap => {
                let info = &self.program.maps[map.index()];
                let mut entries = self.entries_of(map)?;
                // Asked for by name, a keyless map shows its zero even before it is set.
                let is_histogram = matches!(
                    info.value,
                    Type::Aggregate(Aggregate::Hist { .. } | Aggregate::LHist { .. } | Aggregate::TSeries { .. })
                );
                if entries.is_empty() && info.key.is_none() && !is_histogram {
                    entries.push(&[0; 4], &vec![0; info.value.slot_size() as usize]);
                }
                output.map(info, &entries, record.arguments[0], record.arguments[1]).map_err(output_error)
            }
            Control::Unwatch => {
                for entry in &mut self.entries {
                    entry.links.retain(|link| !link.watches(record.arguments[0]));
                }
                Ok(())
            }
            Control::PrintShares => {
                let info = &self.program.maps[map.index()];
                output.shares(info, &self.entries_of(map)?, record.arguments[0]).map_err(output_error)
            }
            Control::Clear => {
                self.take_away(map)?;
                self.store.clear(map).map_err(failed)
            }
            Control::Zero => {
                self.take_away(map)?;
                self.store.zero(map).map_err(failed)
            }
            Control::Site => self.first_news(record.number as usize, output, host),
            Control::Process => {
                if let Some(unwinder) = &self.unwinder {
                    unwinder.ask(record.arguments[0] as u32);
                }
                Ok(())
            }
        }
    }

    /// Tells what has gone wrong since the last time. A site speaks up the first time only, so from then on all are
    /// looked at each second.
    pub(super) fn tick(&mut self, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        (0..self.reported.len()).try_for_each(|number| self.tell_site(number, output, host))
    }

    /// A site has spoken up for the first time.
    fn first_news(&mut self, number: usize, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        if !self.ticking {
            let second = Timespec { tv_sec: 1, tv_nsec: 0 };
            let period = Itimerspec { it_interval: second, it_value: second };
            self.ticking = timerfd_settime(&self.ticker, TimerfdTimerFlags::empty(), &period).is_ok();
        }
        self.tell_site(number, output, host)
    }

    /// Tells how often something has gone wrong at a site since the last time, unless it is of a kind that is to be
    /// told only if asked for.
    fn tell_site(&mut self, number: usize, output: &mut dyn Output, host: &mut dyn Host) -> Result<(), RunError> {
        let (Some(site), Some(reported)) = (self.store.site(number), self.reported.get_mut(number)) else {
            return Ok(());
        };
        let times = self.store.count(site) - *reported;
        if times == 0 || site.kind.is_quiet() && !self.layout.tells_reads {
            return Ok(());
        }
        *reported += times;
        let trouble = trouble::of(site.kind, site.code.map_or(0, |code| self.store.word(code).load(Ordering::Relaxed)));
        let warning = trouble::warning(site, &trouble, times);
        if !host.wants(&warning) && trouble != Trouble::Lost {
            return Ok(());
        }
        if !output.trouble(&trouble, times, &host.place(site.span)).map_err(output_error)? {
            // It belongs behind what has been printed so far.
            flush(output)?;
            host.trouble(&warning, &trouble::detail(&trouble));
        }
        Ok(())
    }
}
