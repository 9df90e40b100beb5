//! How text for a terminal differs from text for a file: colours, and bars drawn in eighths of a column.
//!
//! Output that goes anywhere else is bpftrace's byte for byte, so a [`Paint`] that was not asked for changes nothing. All
//! renderers draw with the one in [`super::Settings`]; who decides what the terminal can show is the command.

/// What the reader can see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// Colours, by the escape sequences that all terminals know.
    pub color: bool,
    /// Bars of block characters, which fit into so many columns with what stands before them.
    pub blocks: Option<usize>,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The name of a map.
    Name,
    /// A map's key.
    Key,
    /// The bar of a histogram.
    Bar,
    /// A test that passes.
    Good,
    /// A test that fails.
    Bad,
}

impl Role {
    /// The parameter of the escape sequence that selects its look (ECMA-48, SGR).
    fn code(self) -> &'static [u8] {
        match self {
            Self::Name => b"1",
            Self::Key => b"36",
            Self::Bar | Self::Good => b"32",
            Self::Bad => b"31",
        }
    }
}

/// Columns of the bar of a histogram's largest row.
pub(super) const BAR: usize = 52;

/// Columns before and behind the bar in a histogram's row.
const AROUND: usize = 28;

/// Less than this shows nothing.
pub(super) const LEAST_BAR: usize = 8;

/// One to eight eighths of a column, from the left.
const EIGHTHS: [&str; 8] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

impl Paint {
    /// Appends what `write` appends, in the colour of its role.
    pub fn with(self, out: &mut Vec<u8>, role: Role, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.color {
            return write(out);
        }
        out.extend_from_slice(b"\x1b[");
        out.extend_from_slice(role.code());
        out.push(b'm');
        write(out);
        out.extend_from_slice(b"\x1b[0m");
    }

    /// Appends a bar for `count`, if the longest one stands for `largest`, and blanks to where that one ends.
    pub fn bar(self, out: &mut Vec<u8>, count: u64, largest: u64) {
        let width = self.blocks.map_or(BAR, |columns| columns.saturating_sub(AROUND).clamp(LEAST_BAR, BAR));
        self.bar_of(out, count, largest, width);
    }

    /// The same where the longest one has so many columns.
    pub fn bar_of(self, out: &mut Vec<u8>, count: u64, largest: u64, width: usize) {
        // In 128 bits, for the product may not fit 64.
        let share = |parts: usize| (u128::from(count) * parts as u128 / u128::from(largest.max(1))) as usize;
        if self.blocks.is_none() {
            let filled = share(width);
            self.with(out, Role::Bar, |out| out.resize(out.len() + filled, b'@'));
            return out.resize(out.len() + width - filled, b' ');
        }
        // What is there is seen, however little it is.
        let eighths = share(width * 8).max(usize::from(count > 0));
        let (full, rest) = (eighths / 8, eighths % 8);
        if eighths > 0 {
            self.with(out, Role::Bar, |out| {
                (0..full).for_each(|_| out.extend_from_slice(EIGHTHS[7].as_bytes()));
                if let Some(part) = rest.checked_sub(1) {
                    out.extend_from_slice(EIGHTHS[part].as_bytes());
                }
            });
        }
        out.resize(out.len() + width - full - usize::from(rest > 0), b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(paint: Paint, count: u64, largest: u64) -> String {
        let mut out = Vec::new();
        paint.bar(&mut out, count, largest);
        String::from_utf8(out).expect("a bar is text")
    }

    #[test]
    fn a_bar_for_a_file_is_52_columns_of_at_signs() {
        let plain = Paint::default();
        assert_eq!(bar(plain, 2, 2), "@".repeat(52));
        assert_eq!(bar(plain, 1, 2), format!("{}{}", "@".repeat(26), " ".repeat(26)));
        assert_eq!(bar(plain, 1, 1000), " ".repeat(52));
        assert_eq!(bar(plain, u64::MAX, u64::MAX), "@".repeat(52));
    }

    #[test]
    fn a_bar_for_a_terminal_has_eighths_and_shows_what_is_there() {
        let wide = Paint { blocks: Some(200), color: false };
        assert_eq!(bar(wide, 1, 1), "█".repeat(52));
        assert_eq!(bar(wide, 0, 9), " ".repeat(52));
        assert_eq!(bar(wide, 1, 1_000_000), format!("▏{}", " ".repeat(51)));
        // A quarter of 52 columns and one eighth.
        assert_eq!(bar(wide, 105, 416), format!("{}▏{}", "█".repeat(13), " ".repeat(38)));
        for columns in [0, 10, 40, 79, 80, 81, 500] {
            let paint = Paint { blocks: Some(columns), color: false };
            let longest = bar(paint, 7, 7).chars().count();
            assert!((0..=7).all(|count| bar(paint, count, 7).chars().count() == longest), "{columns}");
            assert!(longest + AROUND <= columns || longest == LEAST_BAR, "{columns}");
        }
    }

    #[test]
    fn colours_stand_around_and_nowhere_else() {
        let mut out = Vec::new();
        Paint { color: true, blocks: None }.with(&mut out, Role::Key, |out| out.extend_from_slice(b"k"));
        assert_eq!(out, b"\x1b[36mk\x1b[0m");
        assert_eq!(bar(Paint { color: true, blocks: Some(80) }, 0, 5), " ".repeat(52));
    }
}
