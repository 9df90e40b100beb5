//! The tables by which a program walks the stack of a process that keeps no frame pointers, as user space writes them
//! and programs read them.
//!
//! `unwind_procs` has an array of mappings for each process: elements of [`MAPPING_SIZE`] bytes by address, of which
//! the one at 0 is no mapping but says how many there are. `unwind_tables` has two arrays for each file. One has its rows:
//! words, the lower half the address from which on the row holds, counted from the beginning of the file's addresses, the
//! upper half a rule. The other has a word for each page of these addresses: the row that holds where the page begins,
//! and in the upper half how many rows hold somewhere in it. So a search by bisection takes few steps in the largest of
//! programs. Arrays are replaced as a whole, so a walk sees the old or the new one.

/// Bytes of a mapping, four words: the numbers of its table's arrays, that of the pages in the lower half and that of the
/// rows in the upper one, [`NO_TABLE`] where nothing is known; where it begins; where it ends; what makes an address the
/// table's when taken away from it. The element at 0 has the number of mappings in the first word, and in the last where
/// the process's stack begins, which tells whether it still runs the same program; 0 if that is not known.
pub const MAPPING_SIZE: u32 = 32;

/// Numbers of arrays that there are not.
pub const NO_TABLE: u64 = u64::MAX;

/// Bytes of a row, and of what is known of a page.
pub const ROW_SIZE: u32 = 8;

/// Addresses of a page, as a power of two.
pub const PAGE_BITS: u32 = 12;

/// The most mappings of a process.
pub const MOST_MAPPINGS: usize = (1 << MAPPING_STEPS) - 1;

/// The most arrays of tables.
pub const MOST_ARRAYS: u32 = 32 << 10;

/// The most processes whose mappings are known at a time.
pub const MOST_PROCESSES: u32 = 4096;

pub(crate) const MAPPING_STEPS: u32 = 13;
/// A page may have a row for each of its addresses, and one that began before.
pub(crate) const ROW_STEPS: u32 = PAGE_BITS + 1;

/// What a rule has in its lowest bits.
pub(crate) mod kind {
    /// Nobody knows how to go on.
    pub const UNKNOWN: u32 = 0;
    /// The frame ends at `rsp` and the rule's offset.
    pub const RSP: u32 = 1;
    /// The frame ends at `rbp` and the offset.
    pub const RBP: u32 = 2;
    /// The frame's end is the word at `rbp` and the offset.
    pub const AT_RBP: u32 = 3;
    /// The frame ends as it does in a linkage table.
    pub const PLT: u32 = 4;
    /// The caller's registers are in a signal's frame.
    pub const SIGNAL: u32 = 5;
    /// A thread begins there.
    pub const END: u32 = 6;
    /// The bits that tell.
    pub const MASK: u32 = 7;
}

/// How a rule finds the caller's `rbp`, in the bits from here on.
pub(crate) const SAVED: u32 = 3;
/// So many words below the frame's end; 0: in `rbp`.
pub(crate) const SAVED_MASK: u32 = 0xff;
/// The number that says that it is in the word that `rbp` points to instead.
pub(crate) const SAVED_AT_RBP: u32 = 0xff;
/// The offset, in words and with a sign, in the bits from here on.
pub(crate) const OFFSET: u32 = 11;

/// The register that a frame's end is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So many bytes from `rsp`.
    Rsp(i32),
    /// So many bytes from `rbp`.
    Rbp(i32),
    /// In the word so many bytes from `rbp`.
    AtRbp(i32),
    /// In a linkage table.
    Plt,
}

/// Where the caller's `rbp` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Where it was.
    Nowhere,
    /// So many bytes from the frame's end, below it.
    FromEnd(i32),
    /// In the word that `rbp` points to.
    AtRbp,
}

/// The rule where nobody knows how to go on.
pub const UNKNOWN: u32 = kind::UNKNOWN;

/// The rule for the function that a thread begins with.
pub const END: u32 = kind::END;

/// The rule for the function that a signal's handler returns to.
pub const SIGNAL: u32 = kind::SIGNAL;

/// The rule for a frame; [`UNKNOWN`] if there is no room for its numbers.
pub fn frame(end: End, saved: Saved) -> u32 {
    let (kind, offset) = match end {
        End::Rsp(offset) => (kind::RSP, offset),
        End::Rbp(offset) => (kind::RBP, offset),
        End::AtRbp(offset) => (kind::AT_RBP, offset),
        End::Plt => (kind::PLT, 0),
    };
    const MOST: i32 = 1 << (31 - OFFSET);
    let saved = match saved {
        Saved::Nowhere => Some(0),
        Saved::AtRbp => Some(SAVED_AT_RBP),
        Saved::FromEnd(bytes) => {
            let words = -(bytes / 8);
            (bytes % 8 == 0 && (1..SAVED_AT_RBP as i32).contains(&words)).then_some(words as u32)
        }
    };
    let words = offset / 8;
    match saved {
        Some(saved) if offset % 8 == 0 && (-MOST..MOST).contains(&words) => {
            (words << OFFSET) as u32 | saved << SAVED | kind
        }
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_its_numbers_or_none() {
        let rule = frame(End::Rbp(-16), Saved::FromEnd(-24));
        assert_eq!(rule & kind::MASK, kind::RBP);
        assert_eq!(rule >> SAVED & SAVED_MASK, 3);
        assert_eq!((rule as i32) >> OFFSET, -2);
        assert_eq!(frame(End::Rsp(1 << 20), Saved::Nowhere) >> OFFSET, 1 << 17);
        for (end, saved) in [
            (End::Rsp(12), Saved::Nowhere),
            (End::Rsp(8 << 20), Saved::Nowhere),
            (End::Rsp(8), Saved::FromEnd(16)),
            (End::Rsp(8), Saved::FromEnd(-8 * 255)),
            (End::Rsp(8), Saved::FromEnd(-12)),
        ] {
            assert_eq!(frame(end, saved), UNKNOWN);
        }
    }
}
