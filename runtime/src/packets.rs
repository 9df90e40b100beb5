//! Packets that `skboutput()` sends, and the capture files they go to.
//!
//! The kernel writes packets to the buffers of perf events only, one for each CPU. A capture file is that of libpcap with
//! nanoseconds: a header, then for each packet its time, its length and its bytes, all in the byte order of the machine.

use crate::machine::clock::Clock;
use aya::maps::perf::{PerfEvent, PerfEventArrayBuffer};
use aya::maps::{Map, MapData, PerfEventArray};
use codegen::event::PACKET_HEADER;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

/// Says in what order its bytes are, and that it has nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
/// `LINKTYPE_RAW`: packets begin with the header of IP.
const LINK_TYPE: u32 = 101;
/// No packet is longer.
const LONGEST: u32 = 0xffff;
/// Pages of each CPU's buffer unless the config says otherwise.
const PAGES: usize = 64;

/// The buffers and the files.
#[derive(Default)]
pub struct Packets {
    buffers: Vec<PerfEventArrayBuffer<MapData>>,
    files: Vec<Capture<BufWriter<File>>>,
    clock: Option<Clock>,
    /// A packet that lies in two pieces.
    joined: Vec<u8>,
}

/// Why packets cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file could not be made, or not be written.
    #[error("cannot write to {0}: {1}")]
    File(String, io::Error),
    /// The buffers could not be made.
    #[error("cannot make the buffers for packets: {0}")]
    Buffers(String),
}

impl Packets {
    /// Opens the buffers of all CPUs, with so many pages each (0: as many as usual), and the files.
    pub fn open(map: MapData, paths: &[String], pages: u64) -> Result<Self, CaptureError> {
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
        let files = paths.iter().map(|path| {
            let file = File::create(path).and_then(|file| Capture::begin(BufWriter::new(file)));
            file.map_err(|error| CaptureError::File(path.clone(), error))
        });
        let files = files.collect::<Result<_, _>>()?;
        Ok(Self { buffers, files, clock: Some(Clock::now()), joined: Vec::new() })
    }

    /// Readable when there is a packet.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.buffers.iter().map(AsFd::as_fd)
    }

    /// Writes what has arrived to its files. `paths` are those that they were opened with.
    pub fn drain(&mut self, paths: &[String]) -> Result<(), CaptureError> {
        let Self { buffers, files, clock, joined } = self;
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
                match Packet::parse(sample).and_then(|packet| Some((files.get_mut(packet.file)?, packet))) {
                    None => ControlFlow::Continue(()),
                    Some((file, packet)) => match file.write(clock.of_day_at(packet.time), packet.bytes) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => {
                            let path = paths.get(packet.file).cloned().unwrap_or_default();
                            ControlFlow::Break(CaptureError::File(path, error))
                        }
                    },
                }
            });
            if let ControlFlow::Break(error) = done {
                return Err(error);
            }
        }
        for (file, path) in files.iter_mut().zip(paths) {
            file.writer.flush().map_err(|error| CaptureError::File(path.clone(), error))?;
        }
        Ok(())
    }
}

/// A packet as a program sends it.
#[derive(Debug, PartialEq, Eq)]
struct Packet<'a> {
    file: usize,
    /// In nanoseconds since boot.
    time: u64,
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads what `codegen::event` describes. Nothing is left of a packet that is no longer than its offset.
    fn parse(sample: &'a [u8]) -> Option<Self> {
        let (header, bytes) = sample.split_at_checked(PACKET_HEADER as usize)?;
        let word = |at: usize| Some(u64::from_ne_bytes(header.get(at..at + 8)?.try_into().ok()?));
        let (head, time, length) = (word(0)?, word(8)?, usize::try_from(word(16)?).ok()?);
        // Behind the packet the kernel fills up to its alignment.
        let bytes = bytes.get(..length).unwrap_or(bytes).get((head >> 32) as usize..)?;
        (!bytes.is_empty()).then_some(Self { file: head as u32 as usize, time, bytes })
    }
}

/// A capture file.
struct Capture<W> {
    writer: W,
}

impl<W: Write> Capture<W> {
    fn begin(mut writer: W) -> io::Result<Self> {
        writer.write_all(&MAGIC.to_ne_bytes())?;
        // The format's version is 2.4.
        writer.write_all(&2u16.to_ne_bytes())?;
        writer.write_all(&4u16.to_ne_bytes())?;
        for word in [0, 0, LONGEST, LINK_TYPE] {
            writer.write_all(&word.to_ne_bytes())?;
        }
        writer.flush()?;
        Ok(Self { writer })
    }

    fn write(&mut self, time: i128, packet: &[u8]) -> io::Result<()> {
        let packet = packet.get(..LONGEST as usize).unwrap_or(packet);
        let (seconds, rest) = (time.div_euclid(1_000_000_000) as u32, time.rem_euclid(1_000_000_000) as u32);
        let length = packet.len() as u32;
        for word in [seconds, rest, length, length] {
            self.writer.write_all(&word.to_ne_bytes())?;
        }
        self.writer.write_all(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(words: [u64; 3], packet: &[u8]) -> Vec<u8> {
        let mut sample: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        sample.extend_from_slice(packet);
        sample
    }

    #[test]
    fn a_packet_ends_where_its_length_says() {
        let padded = sample([1 | 2 << 32, 77, 5], b"abcdefgh");
        assert_eq!(Packet::parse(&padded), Some(Packet { file: 1, time: 77, bytes: b"cde" }));
        assert_eq!(Packet::parse(&sample([0, 1, 99], b"abc")), Some(Packet { file: 0, time: 1, bytes: b"abc" }));
        assert_eq!(Packet::parse(&sample([14 << 32, 1, 5], b"abcdefgh")), None);
        assert_eq!(Packet::parse(&sample([5 << 32, 1, 5], b"abcde")), None);
        assert_eq!(Packet::parse(b"short"), None);
    }

    #[test]
    fn a_capture_is_a_header_and_packets() {
        let mut capture = Capture::begin(Vec::new()).expect("memory takes it");
        capture.write(3_000_000_007, b"packet").expect("memory takes it");
        let words: Vec<u32> = capture.writer[..40]
            .chunks_exact(4)
            .map(|word| u32::from_ne_bytes(word.try_into().expect("four")))
            .collect();
        assert_eq!(words, [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, 65535, 101, 3, 7, 6, 6]);
        assert_eq!(&capture.writer[40..], b"packet");
    }
}
