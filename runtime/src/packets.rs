//! Packets that `capture()` and `skboutput()` send, and the capture files they go to.
//!
//! The kernel writes packets to the buffers of perf events only, one for each CPU.

mod file;

use crate::machine::clock::Clock;
use crate::sys::interface_name;
use aya::maps::perf::{PerfEvent, PerfEventArrayBuffer};
use aya::maps::{Map, MapData, PerfEventArray};
use codegen::event::{BEGINS_WITH_IP, PACKET_HEADER};
use file::{Capture, Packet};
use lang::typed;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

/// Pages of each CPU's buffer unless the config says otherwise.
const PAGES: usize = 256;
/// Written out when this much has gathered, and whenever no more packets are there.
const BUFFER: usize = 64 << 10;

/// The buffers and the files.
#[derive(Default)]
pub struct Packets {
    buffers: Vec<PerfEventArrayBuffer<MapData>>,
    files: Vec<Capture<Destination>>,
    clock: Option<Clock>,
    /// A packet that lies in two pieces.
    joined: Vec<u8>,
    /// A packet with what the kernel had taken out of it.
    whole: Vec<u8>,
}

type Destination = BufWriter<File>;

/// Why packets cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file could not be made, or not be written.
    #[error("cannot write to {0}: {1}")]
    File(String, io::Error),
    /// Nobody reads standard output any more.
    #[error("the output was closed")]
    Closed,
    /// The buffers could not be made.
    #[error("cannot make the buffers for packets: {0}")]
    Buffers(String),
}

impl Packets {
    /// Opens the buffers of all CPUs, with so many pages each (0: as many as usual).
    pub fn open(map: MapData, pages: u64) -> Result<Self, CaptureError> {
        let failed = |error: &dyn std::fmt::Display| CaptureError::Buffers(error.to_string());
        let pages = match usize::try_from(pages) {
            Ok(0) => PAGES,
            Ok(pages) => pages.next_power_of_two(),
            Err(_) => return Err(CaptureError::Buffers("perf_rb_pages is too large".into())),
        };
        let mut array = PerfEventArray::try_from(Map::PerfEventArray(map)).map_err(|error| failed(&error))?;
        let cpus = aya::util::online_cpus().map_err(|(_, error)| failed(&error))?;
        let buffers = cpus.into_iter().map(|cpu| array.open(cpu, Some(pages)));
        let buffers = buffers.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
        Ok(Self { buffers, clock: Some(Clock::now()), ..Self::default() })
    }

    /// Begins the files that are not there yet. `output` stands for standard output.
    pub fn begin_files(&mut self, captures: &[typed::Capture], output: Option<&File>) -> Result<(), CaptureError> {
        for capture in captures.iter().skip(self.files.len()) {
            let file = match (&capture.path, output) {
                (Some(path), _) => File::create(path),
                (None, Some(output)) => output.try_clone(),
                (None, None) => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            };
            let file = file.and_then(|file| Capture::begin(BufWriter::with_capacity(BUFFER, file), capture));
            self.files.push(file.map_err(|error| failed_to_write(capture, error))?);
        }
        Ok(())
    }

    /// Closes the files of captures that came to nothing, of which so many did not.
    pub fn keep_files(&mut self, count: usize) {
        self.files.truncate(count);
    }

    /// Readable when there is a packet.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.buffers.iter().map(AsFd::as_fd)
    }

    /// Writes what has arrived to its files. `captures` are those that they were opened with.
    pub fn drain(&mut self, captures: &[typed::Capture]) -> Result<(), CaptureError> {
        let Self { buffers, files, clock, joined, whole } = self;
        let Some(clock) = clock else { return Ok(()) };
        for buffer in buffers {
            let done = buffer.try_fold((), |(), event| {
                // What finds no room the program counts itself.
                let PerfEvent::Sample { head, tail } = event else { return ControlFlow::Continue(()) };
                let sample = match tail {
                    [] => head,
                    _ => {
                        joined.clear();
                        joined.extend_from_slice(head);
                        joined.extend_from_slice(tail);
                        &joined[..]
                    }
                };
                let Some(packet) = Sample::parse(sample) else { return ControlFlow::Continue(()) };
                let Some((file, capture)) = files.get_mut(packet.file).zip(captures.get(packet.file)) else {
                    return ControlFlow::Continue(());
                };
                match packet.write(file, clock, whole) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => ControlFlow::Break(failed_to_write(capture, error)),
                }
            });
            if let ControlFlow::Break(error) = done {
                return Err(error);
            }
        }
        for (file, capture) in files.iter_mut().zip(captures) {
            file.writer.flush().map_err(|error| failed_to_write(capture, error))?;
        }
        Ok(())
    }
}

fn failed_to_write(capture: &typed::Capture, error: io::Error) -> CaptureError {
    match (&capture.path, error.kind()) {
        (None, io::ErrorKind::BrokenPipe) => CaptureError::Closed,
        _ => CaptureError::File(capture.name().to_owned(), error),
    }
}

/// A packet as a program sends it.
#[derive(Debug, PartialEq, Eq)]
struct Sample<'a> {
    file: usize,
    /// In nanoseconds since boot.
    time: u64,
    bytes: &'a [u8],
    /// How many there were; 0 if that is not known.
    length: u32,
    interface: u32,
    /// The way, and what it begins with.
    way: u32,
    /// Taken out of the packet by the kernel.
    tag: Option<[u8; 4]>,
}

impl<'a> Sample<'a> {
    /// Reads what `codegen::event` describes. Nothing is left of a packet that is no longer than its offset.
    fn parse(sample: &'a [u8]) -> Option<Self> {
        let (header, bytes) = sample.split_at_checked(PACKET_HEADER as usize)?;
        let word = |at: usize| Some(u64::from_ne_bytes(header.get(at..at + 8)?.try_into().ok()?));
        let (head, time, lengths, place, tag) = (word(0)?, word(8)?, word(16)?, word(24)?, word(32)?);
        // Behind the packet the kernel fills up to its alignment.
        let bytes = bytes.get(..lengths as u32 as usize).unwrap_or(bytes).get((head >> 32) as usize..)?;
        let tag = (tag >> 32 != 0).then(|| {
            let ([a, b], [c, d]) = ((tag as u16).to_ne_bytes(), ((tag >> 16) as u16).to_be_bytes());
            [a, b, c, d]
        });
        let sample = Self {
            file: head as u32 as usize,
            time,
            bytes,
            length: (lengths >> 32) as u32,
            interface: place as u32,
            way: (place >> 32) as u32,
            tag,
        };
        (!bytes.is_empty()).then_some(sample)
    }

    /// Writes it as it was on the wire.
    fn write(&self, file: &mut Capture<Destination>, clock: &Clock, whole: &mut Vec<u8>) -> io::Result<()> {
        /// Where a tag stands in an Ethernet frame: behind the two addresses.
        const TAG: usize = 12;
        let (bytes, length) = match (self.tag, self.bytes.split_at_checked(TAG)) {
            (Some(tag), Some((addresses, rest))) => {
                whole.clear();
                whole.extend_from_slice(addresses);
                whole.extend(tag);
                whole.extend_from_slice(rest);
                (&whole[..], self.length.saturating_add(tag.len() as u32))
            }
            _ => (self.bytes, self.length),
        };
        let packet = Packet {
            time: clock.of_day_at(self.time),
            bytes,
            length,
            interface: self.interface,
            begins_with_ip: self.way & BEGINS_WITH_IP != 0,
            way: self.way & !BEGINS_WITH_IP,
        };
        file.write(&packet, interface_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(words: [u64; 5], packet: &[u8]) -> Vec<u8> {
        let mut sample: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        sample.extend_from_slice(packet);
        sample
    }

    #[test]
    fn a_packet_ends_where_its_length_says() {
        let plain = Sample { file: 1, time: 77, bytes: b"cde", length: 0, interface: 0, way: 0, tag: None };
        assert_eq!(Sample::parse(&sample([1 | 2 << 32, 77, 5, 0, 0], b"abcdefgh")), Some(plain));
        let short = Sample { file: 0, time: 1, bytes: b"abc", length: 0, interface: 0, way: 0, tag: None };
        assert_eq!(Sample::parse(&sample([0, 1, 99, 0, 0], b"abc")), Some(short));
        assert_eq!(Sample::parse(&sample([14 << 32, 1, 5, 0, 0], b"abcdefgh")), None);
        assert_eq!(Sample::parse(&sample([5 << 32, 1, 5, 0, 0], b"abcde")), None);
        assert_eq!(Sample::parse(b"short"), None);
    }

    #[test]
    fn a_packet_tells_where_it_was_seen_and_what_was_taken_out() {
        let protocol = u64::from(u16::from_ne_bytes([0x81, 0]));
        let tag = 1 << 32 | 0x2005 << 16 | protocol;
        let bytes = sample([0, 1, 3 | 60 << 32, 9 | 6 << 32, tag], b"abcd");
        let tag = Some([0x81, 0, 0x20, 5]);
        let expected = Sample { file: 0, time: 1, bytes: b"abc", length: 60, interface: 9, way: 6, tag };
        assert_eq!(Sample::parse(&bytes), Some(expected));
    }
}
