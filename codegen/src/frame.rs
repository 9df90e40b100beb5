//! The frame: where stack slots and spilled registers lie in the 512 bytes below r10.
//!
//! Every slot begins at a multiple of 8, because the verifier keeps track of the stack in words of that size. Slots come
//! first (nearest to r10) in the order of their numbers, spills after them; nothing overlaps.

use crate::error::CodegenError;

/// The most that the kernel gives a program, its subprograms included.
pub const LIMIT: u32 = 512;

/// The places of everything in a frame, as offsets from r10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    slots: Vec<i32>,
    /// Bytes in use.
    pub size: u32,
}

impl Frame {
    /// Gives each stack slot and each of `spills` words its place.
    pub fn place(slots: &[u32], spills: u32) -> Result<Frame, CodegenError> {
        let mut used: u64 = 0;
        let mut ends = Vec::with_capacity(slots.len());
        for &size in slots {
            used += u64::from(size).next_multiple_of(8);
            ends.push(used);
        }
        used += u64::from(spills) * 8;
        if used > u64::from(LIMIT) {
            return Err(CodegenError::TooBig { used: u32::try_from(used).unwrap_or(u32::MAX), limit: LIMIT });
        }
        Ok(Frame { slots: ends.into_iter().map(|end| -(end as i32)).collect(), size: used as u32 })
    }

    /// The start of a stack slot.
    pub fn slot(&self, slot: usize) -> i32 {
        self.slots[slot]
    }

    /// A spilled word.
    pub fn spill(&self, index: usize) -> i32 {
        index as i32 * 8 - self.size as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_aligned_and_apart() {
        let frame = Frame::place(&[3, 16, 8], 2).unwrap();
        assert_eq!([frame.slot(0), frame.slot(1), frame.slot(2)], [-8, -24, -32]);
        assert_eq!([frame.spill(0), frame.spill(1)], [-48, -40]);
        assert_eq!(frame.size, 48);
    }

    #[test]
    fn the_limit_is_exact() {
        assert_eq!(Frame::place(&[512], 0).unwrap().size, 512);
        assert_eq!(Frame::place(&[505], 1), Err(CodegenError::TooBig { used: 520, limit: 512 }));
    }
}
