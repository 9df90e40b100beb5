//! Capture files: pcap and pcapng, both with nanoseconds, in the byte order of the machine.
//!
//! A pcap file is a header, then for each packet its time, its length and its bytes. A pcapng file is made of blocks: one
//! for the whole, one for each network interface, one for each packet. Interfaces that are known when the file begins are
//! described there, because libpcap wants one before all else; others before the first packet that they had.

use lang::typed::{self, CaptureFormat};
use std::io::{self, Write};

/// The first word of a pcap file: in what order its bytes are, and that it has nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
/// `LINKTYPE_RAW`: packets begin with the header of IP.
const LINK_RAW: u32 = 101;
/// `LINKTYPE_ETHERNET`
const LINK_ETHERNET: u32 = 1;

/// The word in a pcapng file that tells the order of bytes.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Kinds of blocks.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Options of blocks: the program that wrote the section, an interface's name and how its times count, a packet's flags.
const PROGRAM: u16 = 4;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const FLAGS: u16 = 2;

/// A packet to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet<'a> {
    /// In nanoseconds since 1970.
    pub time: i128,
    /// Its first bytes.
    pub bytes: &'a [u8],
    /// How many it had.
    pub length: u32,
    /// The number of its network interface; 0 if there is none.
    pub interface: u32,
    /// It begins with the header of IP.
    pub begins_with_ip: bool,
    /// As `codegen::event::PacketWay` counts.
    pub way: u32,
}

/// A capture file.
pub struct Capture<W> {
    pub writer: W,
    format: CaptureFormat,
    /// No more bytes of a packet are written.
    most: u32,
    /// The interfaces that have been described: their numbers, and whether their packets begin with the header of IP.
    described: Vec<(u32, bool)>,
}

impl<W: Write> Capture<W> {
    /// Writes what comes before all packets.
    pub fn begin(writer: W, file: &typed::Capture) -> io::Result<Self> {
        let mut capture = Self { writer, format: file.format, most: file.length, described: Vec::new() };
        match file.format {
            CaptureFormat::Pcap => {
                let link = link_type(file.begins_with_ip);
                // The format's version is 2.4; times are those of UTC.
                capture.words(&[MAGIC, u32::from_ne_bytes(halves(2, 4)), 0, 0, file.length, link])?;
            }
            CaptureFormat::Pcapng => {
                // The format's version is 1.0; how long the section will be is not known.
                let start = [BYTE_ORDER, u32::from_ne_bytes(halves(1, 0)), u32::MAX, u32::MAX];
                let mut body: Vec<u8> = start.iter().flat_map(|word| word.to_ne_bytes()).collect();
                option(&mut body, PROGRAM, concat!("rtrace ", env!("CARGO_PKG_VERSION")).as_bytes());
                end_of_options(&mut body);
                capture.block(SECTION, &body)?;
                for (interface, name) in &file.interfaces {
                    capture.describe(*interface, file.begins_with_ip, name)?;
                }
                if file.interfaces.is_empty() {
                    capture.describe(0, file.begins_with_ip, "")?;
                }
            }
        }
        capture.writer.flush()?;
        Ok(capture)
    }

    /// Writes a packet. `name` tells what an interface is called.
    pub fn write(&mut self, packet: &Packet<'_>, name: impl Fn(u32) -> Option<String>) -> io::Result<()> {
        let bytes = packet.bytes.get(..self.most as usize).unwrap_or(packet.bytes);
        let lengths = [bytes.len() as u32, packet.length.max(bytes.len() as u32)];
        if self.format == CaptureFormat::Pcap {
            let seconds = packet.time.div_euclid(1_000_000_000) as u32;
            let rest = packet.time.rem_euclid(1_000_000_000) as u32;
            self.words(&[seconds, rest, lengths[0], lengths[1]])?;
            return self.writer.write_all(bytes);
        }
        let interface = (packet.interface, packet.begins_with_ip);
        let index = match self.described.iter().position(|known| *known == interface) {
            Some(index) => index,
            None => {
                let name = if packet.interface == 0 { None } else { name(packet.interface) };
                self.describe(packet.interface, packet.begins_with_ip, &name.unwrap_or_default())?;
                self.described.len() - 1
            }
        };
        let time = u64::try_from(packet.time).unwrap_or(0);
        let head = [index as u32, (time >> 32) as u32, time as u32, lengths[0], lengths[1]];
        let mut body: Vec<u8> = head.iter().flat_map(|word| word.to_ne_bytes()).collect();
        body.extend_from_slice(bytes);
        pad(&mut body);
        if packet.way != 0 {
            option(&mut body, FLAGS, &packet.way.to_ne_bytes());
            end_of_options(&mut body);
        }
        self.block(PACKET, &body)
    }

    /// Describes an interface, which gets the next number of the file.
    fn describe(&mut self, interface: u32, begins_with_ip: bool, name: &str) -> io::Result<()> {
        let mut body = halves(link_type(begins_with_ip) as u16, 0).to_vec();
        body.extend(self.most.to_ne_bytes());
        if !name.is_empty() {
            option(&mut body, NAME, name.as_bytes());
        }
        // So many digits behind the point.
        option(&mut body, RESOLUTION, &[9]);
        end_of_options(&mut body);
        self.described.push((interface, begins_with_ip));
        self.block(INTERFACE, &body)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = body.len() as u32 + 12;
        self.words(&[kind, length])?;
        self.writer.write_all(body)?;
        self.words(&[length])
    }

    fn words(&mut self, words: &[u32]) -> io::Result<()> {
        words.iter().try_for_each(|word| self.writer.write_all(&word.to_ne_bytes()))
    }
}

fn link_type(begins_with_ip: bool) -> u32 {
    if begins_with_ip { LINK_RAW } else { LINK_ETHERNET }
}

fn halves(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    [a, b, c, d]
}

/// Everything in a block begins at a multiple of four.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(halves(code, value.len() as u16));
    body.extend_from_slice(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(format: CaptureFormat, length: u32, interfaces: &[(u32, &str)]) -> typed::Capture {
        let interfaces: Vec<_> = interfaces.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
        typed::Capture { path: None, format, begins_with_ip: interfaces.is_empty(), length, interfaces }
    }

    fn words(bytes: &[u8]) -> Vec<u32> {
        bytes.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().expect("four"))).collect()
    }

    /// Kinds and bodies of the blocks of a file.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let head = words(&bytes[..8]);
            let (block, rest) = bytes.split_at(head[1] as usize);
            let (body, end) = block[8..].split_at(block.len() - 12);
            assert_eq!((words(end), block.len() % 4), (vec![head[1]], 0));
            blocks.push((head[0], body.to_vec()));
            bytes = rest;
        }
        blocks
    }

    const PACKET_HERE: Packet<'static> =
        Packet { time: 3_000_000_007, bytes: b"packet", length: 60, interface: 7, begins_with_ip: false, way: 2 };

    #[test]
    fn a_pcap_file_is_a_header_and_packets() {
        let mut capture = Capture::begin(Vec::new(), &file(CaptureFormat::Pcap, 65535, &[])).expect("memory takes it");
        capture.write(&PACKET_HERE, |_| None).expect("memory takes it");
        let begun = [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, 65535, 101, 3, 7, 6, 60];
        assert_eq!(words(&capture.writer[..40]), begun);
        assert_eq!(&capture.writer[40..], b"packet");
        let capture =
            Capture::begin(Vec::new(), &file(CaptureFormat::Pcap, 96, &[(1, "lo")])).expect("memory takes it");
        assert_eq!(words(&capture.writer[16..]), [96, 1]);
    }

    #[test]
    fn a_pcapng_file_is_made_of_blocks() {
        let begun = Capture::begin(Vec::new(), &file(CaptureFormat::Pcapng, 5, &[(7, "eth0"), (2, "eth22")]));
        let mut capture = begun.expect("memory takes it");
        capture.write(&PACKET_HERE, |_| None).expect("memory takes it");
        // One that nobody knew of, with packets of IP; then the same again; then none at all.
        let other = Packet { interface: 9, begins_with_ip: true, way: 0, length: 0, ..PACKET_HERE };
        for packet in [other, other, Packet { interface: 0, ..other }] {
            capture.write(&packet, |number| Some(format!("if{number}"))).expect("memory takes it");
        }
        let blocks = blocks(&capture.writer);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, INTERFACE, PACKET, INTERFACE, PACKET, PACKET, INTERFACE, PACKET]);
        assert_eq!(words(&blocks[0].1[..16]), [BYTE_ORDER, 1, u32::MAX, u32::MAX]);
        let resolution = [&halves(9, 1)[..], &[9, 0, 0, 0], &[0; 4]].concat();
        let named = |link, name: &[u8], length| {
            [&halves(link, 0)[..], &halves(5, 0), &halves(2, length), name, &resolution].concat()
        };
        assert_eq!(blocks[1].1, named(1, b"eth0", 4));
        assert_eq!(blocks[2].1, named(1, b"eth22\0\0\0", 5));
        assert_eq!(blocks[4].1, named(101, b"if9\0", 3));
        assert_eq!(blocks[7].1, [&halves(101, 0)[..], &halves(5, 0), &resolution].concat());
        let time = [0, 3_000_000_007u32];
        assert_eq!(words(&blocks[3].1[..20]), [0, time[0], time[1], 5, 60]);
        assert_eq!(blocks[3].1[20..28], *b"packe\0\0\0");
        assert_eq!(blocks[3].1[28..], [&halves(2, 4)[..], &2u32.to_ne_bytes(), &[0; 4]].concat());
        assert_eq!(words(&blocks[5].1[..20]), [2, time[0], time[1], 5, 5]);
        assert_eq!(blocks[5].1.len(), 28);
        assert_eq!([words(&blocks[6].1)[0], words(&blocks[8].1)[0]], [2, 3]);
    }

    #[test]
    fn a_pcapng_file_without_interfaces_can_be_read_at_once() {
        let capture = Capture::begin(Vec::new(), &file(CaptureFormat::Pcapng, 5, &[])).expect("memory takes it");
        let kinds: Vec<u32> = blocks(&capture.writer).iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE]);
    }
}
