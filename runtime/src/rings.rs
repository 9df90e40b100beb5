//! Events in the order in which they happened: the data ring and the control ring read as one stream.
//!
//! A control record tells how far the data ring had been filled when it was made, so it comes after every data record
//! before that position and before every later one. Nothing is compared but positions.

use aya::maps::{Map, MapData, RingBuf};
use codegen::event::ControlRecord;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Something a program has sent.
pub enum Event<'a> {
    /// A record to be printed.
    Record(&'a [u8]),
    /// A request.
    Control(ControlRecord),
}

/// The two rings of a session; either may be missing.
#[derive(Default)]
pub struct Rings {
    data: Option<DataRing>,
    control: Option<RingBuf<MapData>>,
    /// A control record that waits for its data.
    pending: Option<ControlRecord>,
}

struct DataRing {
    ring: RingBuf<MapData>,
    /// The position of the next record, as the kernel counts: bytes since the beginning, headers included.
    position: u64,
}

/// Bytes of the kernel's header before each record (`BPF_RINGBUF_HDR_SZ`).
const HEADER: u64 = 8;

impl Rings {
    /// Takes over those of the two maps that have been created.
    pub fn open(&mut self, data: Option<MapData>, control: Option<MapData>) -> io::Result<()> {
        let open = |map: MapData| RingBuf::try_from(Map::RingBuf(map)).map_err(io::Error::other);
        if let Some(ring) = data.map(open).transpose()? {
            self.data = Some(DataRing { ring, position: 0 });
        }
        if let Some(ring) = control.map(open).transpose()? {
            self.control = Some(ring);
        }
        Ok(())
    }

    /// Readable when there is a record to print.
    pub fn data_fd(&self) -> Option<BorrowedFd<'_>> {
        self.data.as_ref().map(|data| data.ring.as_fd())
    }

    /// Readable when there is a request.
    pub fn control_fd(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(AsFd::as_fd)
    }

    /// How much has been read from the data ring since the beginning.
    pub fn data_position(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.position)
    }

    /// Hands over what has arrived, at most `most` records, until `take` says stop. True if there may be more.
    pub fn drain<E>(&mut self, most: usize, mut take: impl FnMut(Event<'_>) -> Result<(), E>) -> Result<bool, E> {
        for _ in 0..most {
            let position = self.data.as_ref().map_or(u64::MAX, |data| data.position);
            if let Some(record) = next_control(&mut self.control, &mut self.pending, position) {
                take(Event::Control(record))?;
                continue;
            }
            let Some(data) = &mut self.data else { return Ok(false) };
            // Nothing, or a record not yet committed: its commit wakes us again, also when a control record waits.
            let Some(item) = data.ring.next() else { return Ok(false) };
            // A control record made before this one on the same CPU is visible by now at the latest.
            while let Some(record) = next_control(&mut self.control, &mut self.pending, data.position) {
                take(Event::Control(record))?;
            }
            take(Event::Record(&item))?;
            data.position += (item.len() as u64 + HEADER).next_multiple_of(8);
        }
        Ok(true)
    }
}

/// The next control record that belongs before the data at `position`.
fn next_control(
    ring: &mut Option<RingBuf<MapData>>,
    pending: &mut Option<ControlRecord>,
    position: u64,
) -> Option<ControlRecord> {
    while pending.is_none() {
        let item = ring.as_mut()?.next()?;
        *pending = ControlRecord::parse(&item);
    }
    pending.take_if(|record| record.data_position <= position)
}
