//! Maps that are redrawn in place, while the session goes on beneath.

use super::super::Next;
use super::Session;
use crate::live::kept::{Most, Shared};
use crate::live::{Keys, View, all_maps, refusal};
use crate::look;
use lang::typed::MapId;
use runtime::output;
use runtime::session::RunError;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// What probes print meanwhile is all shown afterwards, as far as anybody would want to see it.
const MOST: Most = Most { bytes: 4 << 20, lines: 100_000 };

impl Session<'_> {
    /// Redraws these maps, or all, until somebody presses a key. What was seen last stays above the prompt.
    pub fn watch(&mut self, names: &[&str], interval: Duration) -> Result<Next, RunError> {
        if let Some(refusal) = refusal() {
            self.reporter.plain(&format!("maps cannot be watched: {refusal}"), Some("@NAME shows a map once"));
            return Ok(Next::Go);
        }
        let mut maps = match names {
            [] => all_maps(&self.live),
            _ => Vec::new(),
        };
        for name in names {
            match self.live.program().maps.iter().position(|map| map.name == *name) {
                Some(index) if maps.contains(&MapId(index as u32)) => {}
                Some(index) => maps.push(MapId(index as u32)),
                None => {
                    // Says so, and what may be meant.
                    self.show_map(name)?;
                    return Ok(Next::Go);
                }
            }
        }
        if maps.is_empty() {
            self.reporter.plain("there is no map to watch", Some("a probe makes it: begin { @name = 1 }"));
            return Ok(Next::Go);
        }
        self.live.watch(&maps)?;
        // What has been said stands above what is watched.
        self.screen.settle();
        let kept = self.screen.aside(MOST);
        let seen = self.look_until_left(kept, interval);
        self.screen.back();
        self.live.unwatch();
        match seen? {
            Ok(seen) => self.say(&seen),
            Err(error) => self.reporter.plain(&format!("cannot take the terminal: {error}"), None),
        }
        Ok(match self.is_interrupted() {
            true => Next::Leave { code: 0, shows_maps: true },
            false => Next::Go,
        })
    }

    /// Gives what was seen last.
    fn look_until_left(&mut self, kept: Shared, interval: Duration) -> Result<io::Result<String>, RunError> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let copies =
            stdin.as_fd().try_clone_to_owned().and_then(|input| Ok((input, stdout.as_fd().try_clone_to_owned()?)));
        let settings = output::Settings { paint: look::screen(self.args), ..self.shown.clone() };
        let opened =
            copies.and_then(|(input, screen)| View::open((input, Keys::AnyLeaves), screen, settings, kept, interval));
        let mut view = match opened {
            Ok(view) => view,
            Err(error) => return Ok(Err(error)),
        };
        view.show(&self.live);
        loop {
            let is_woken = self.poll(view.wake())?;
            if self.is_interrupted() || is_woken && !view.look(&mut self.live)? {
                return Ok(Ok(view.last_seen()));
            }
        }
    }
}
