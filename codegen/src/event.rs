//! The records that programs send to user space.
//!
//! There are two ring buffers. The data ring carries printed records only: one header word, then the values in slot
//! layout. The control ring carries everything that must never be lost to a flood of output; each of its records tells
//! how far the data ring had been filled when it was made, so that user space can put the two in order exactly and the
//! common record needs no time stamp.

/// Bytes before the values of a data record: the [`lang::typed::FormatId`] as a 64-bit word.
pub const DATA_HEADER: u32 = 8;

/// Bytes of every control record: kind and number, data position, two arguments.
pub const CONTROL_SIZE: u32 = 32;

/// The word of a process: its number in the low half; in the high half a sixteenth of the address of its program's
/// arguments, which is random, mixed with this times the number of programs that it and its parents have run.
pub const PROGRAM_FACTOR: u32 = 0x9e37_79b1;

/// Bytes of the record by which user space is told of a process: its word, and the time on the monotonic clock.
pub const PROCESS_SIZE: u32 = 16;

/// Reads such a record.
pub fn process_met(record: &[u8]) -> Option<(u64, u64)> {
    let (process, rest) = record.split_first_chunk()?;
    Some((u64::from_ne_bytes(*process), u64::from_ne_bytes(*rest.first_chunk()?)))
}

/// Whether a process whose program has its arguments at an address can be the one of a word. A word that tells nothing,
/// and an address that is not known, fit everything.
pub fn process_word_fits(word: u64, arguments: u64) -> bool {
    /// Nobody has run more programs one after the other.
    const MOST: u32 = 1 << 20;
    /// `PROGRAM_FACTOR` times this is 1.
    const INVERSE: u32 = inverse(PROGRAM_FACTOR);
    let high = (word >> 32) as u32;
    let programs = (high ^ (arguments >> 4) as u32).wrapping_mul(INVERSE);
    high == 0 || arguments == 0 || programs < MOST
}

/// The inverse of an odd number, by Newton's method: each turn doubles the bits that are right.
const fn inverse(number: u32) -> u32 {
    let mut inverse = number;
    let mut turn = 0;
    while turn < 5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(number.wrapping_mul(inverse)));
        turn += 1;
    }
    inverse
}

/// Bytes before a captured packet, in words of 64 bits. Where two numbers share a word, the second one is in its high half.
/// 1. The number of its file, and how many of its first bytes to leave out.
/// 2. The time since boot.
/// 3. How many bytes of it follow, and its length; 0 if that is not known.
/// 4. The number of its network interface, and [`PacketWay`] with [`BEGINS_WITH_IP`].
/// 5. The VLAN tag that was taken out of it: the protocol in two bytes as they were in the packet, then a word of 16 bits;
///    and whether there is one.
pub const PACKET_HEADER: u32 = 40;

/// Which way a packet goes, by the numbers that capture files have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PacketWay {
    /// That is not known.
    Unknown = 0,
    /// It has come in.
    In = 1,
    /// It goes out.
    Out = 2,
}

/// Added to the way of a packet that begins with the header of IP.
pub const BEGINS_WITH_IP: u32 = 4;

/// What a control record asks for. The word at 0 is the kind in the low and a number in the high 32 bits, the word at 8
/// the data ring's producer position, the words at 16 and 24 arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Control {
    /// End tracing; argument: the exit code, which user space takes from `.bss` (`layout::EXIT`). In a session, the
    /// number is that of the entry.
    Exit = 1,
    /// Print the map with this number; arguments: top, div.
    PrintMap = 2,
    /// Clear the map with this number.
    Clear = 3,
    /// Zero the map with this number.
    Zero = 4,
    /// Remove the watchpoints on an address; argument: the address.
    Unwatch = 7,
    /// Something went wrong at the site with this number for the first time.
    Site = 5,
    /// Find out how to walk the stack of a process; argument: its number.
    Process = 6,
    /// Print the map with this number and each value's share of the total; argument: top.
    PrintShares = 8,
}

impl Control {
    /// The kind with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        use Control::*;
        [Exit, PrintMap, Clear, Zero, Unwatch, Site, Process, PrintShares]
            .into_iter()
            .find(|kind| *kind as u32 == number)
    }
}

/// A control record read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// What it asks for.
    pub kind: Control,
    /// Of the map or site.
    pub number: u32,
    /// Producer position of the data ring when it was made.
    pub data_position: u64,
    /// Further arguments.
    pub arguments: [u64; 2],
}

impl ControlRecord {
    /// Reads a record; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let head = word(0)?;
        Some(Self {
            kind: Control::from_number(head as u32)?,
            number: (head >> 32) as u32,
            data_position: word(8)?,
            arguments: [word(16)?, word(24)?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_fits_its_process() {
        let word = |programs: u32, arguments: u64| {
            let high = PROGRAM_FACTOR.wrapping_mul(programs) ^ (arguments >> 4) as u32;
            u64::from(high) << 32 | 42
        };
        let arguments = 0x7ffd_1234_5678;
        for programs in [0, 1, 2, 1000] {
            assert!(process_word_fits(word(programs, arguments), arguments), "{programs}");
            assert!(!process_word_fits(word(programs, arguments), arguments + 0x1000), "{programs}");
        }
        assert!(process_word_fits(42, arguments) && process_word_fits(word(3, arguments), 0));
    }
}
