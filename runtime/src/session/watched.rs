//! Maps that somebody watches: read again and again, each time with what they held before beside it.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use lang::typed::{Map, MapId};

use super::{Exit, Host, Live, RunError};
use crate::output::Output;
use crate::output::tally::Tally;

/// Somebody who looks at the maps while a run goes on.
pub trait Viewer {
    /// The run begins, and all is attached.
    fn begin(&mut self, live: &mut Live<'_>) -> Result<(), RunError>;
    /// Readable when there is something to do.
    fn wake(&self) -> BorrowedFd<'_>;
    /// Does it. False if the run is to end.
    fn look(&mut self, live: &mut Live<'_>) -> Result<bool, RunError>;
}

/// The maps, as they were at the last look.
pub(super) struct Watched {
    maps: Vec<(MapId, Tally)>,
    at: Instant,
}

impl Live<'_> {
    /// From now on these maps, each of which is named once, are watched.
    pub fn watch(&mut self, maps: &[MapId]) -> Result<(), RunError> {
        let read = |map: &MapId| Ok((*map, Tally::new(self.entries_of(*map)?)));
        let maps = maps.iter().map(read).collect::<Result<_, RunError>>()?;
        self.watched = Some(Watched { maps, at: Instant::now() });
        Ok(())
    }

    /// No map is watched any more.
    pub fn unwatch(&mut self) {
        self.watched = None;
    }

    /// Looks at the maps that are watched.
    pub fn look(&mut self) -> Result<(), RunError> {
        let Some(mut watched) = self.watched.take() else { return Ok(()) };
        let now = Instant::now();
        let elapsed = now - watched.at;
        watched.at = now;
        for (map, tally) in &mut watched.maps {
            tally.look(self.entries_of(*map)?, elapsed);
        }
        self.watched = Some(watched);
        Ok(())
    }

    /// The maps that are watched, as they were at the last look.
    pub fn watched(&self) -> Vec<(&Map, &Tally)> {
        let maps = self.watched.iter().flat_map(|watched| &watched.maps);
        maps.map(|(map, tally)| (&self.program.maps[map.index()], tally)).collect()
    }

    /// Notes what is about to be removed from a map.
    pub(super) fn take_away(&mut self, map: MapId) -> Result<(), RunError> {
        let Some(mut watched) = self.watched.take() else { return Ok(()) };
        if let Some((_, tally)) = watched.maps.iter_mut().find(|(other, _)| *other == map) {
            tally.take_away(self.entries_of(map)?);
        }
        self.watched = Some(watched);
        Ok(())
    }

    /// Hands over events until the run ends, or whoever watches has seen enough.
    pub(super) fn events_seen(
        &mut self,
        viewer: &mut dyn Viewer,
        output: &mut dyn Output,
        host: &mut dyn Host,
    ) -> Result<(), RunError> {
        viewer.begin(self)?;
        while self.exit.is_none() {
            if self.turn(Some(viewer.wake()), output, host)? && !viewer.look(self)? {
                // As Ctrl-C does it.
                self.interrupted = true;
                self.exit.get_or_insert(Exit { code: 0, asked: false });
            }
        }
        self.unwatch();
        Ok(())
    }
}
