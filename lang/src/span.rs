//! Where something stands in a script.
//!
//! Positions are byte offsets into the script's text, and behind it into the texts that it imports. Lines and columns are computed only when a person is told
//! about them.

use std::ops::Range;

/// A half-open range of bytes, `start..end`, in one script.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The same bytes in a text that begins at `base`.
    pub fn moved_by(self, base: u32) -> Self {
        Self { start: self.start.saturating_add(base), end: self.end.saturating_add(base) }
    }

    /// As a range of indices into a text that begins at 0.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A place as people count: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
}

/// A script's text with the name it is known by, able to tell lines and columns.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// The position of its first byte among all sources.
    base: u32,
    line_starts: Vec<u32>,
}

impl Source {
    /// A source called `name` (a path, or `stdin`) holding `text`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(i, _)| i as u32 + 1)).collect();
        Self { name: name.into(), text, base: 0, line_starts }
    }

    /// The position of its first byte; a script that imports nothing begins at 0.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// The bytes of `span` as a range of indices into this text, cut off where the text ends.
    pub fn range(&self, span: Span) -> Range<usize> {
        let within = |position: u32| (position.saturating_sub(self.base) as usize).min(self.text.len());
        within(span.start)..within(span.end)
    }

    /// The name to show before line numbers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of `span`.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(self.range(span)).unwrap_or("")
    }

    /// Line and column of a position; past the end means the end.
    pub fn locate(&self, position: u32) -> LineColumn {
        let offset = position.saturating_sub(self.base).min(self.text.len() as u32);
        let line = self.line_starts.partition_point(|&start| start <= offset) - 1;
        let start = self.line_starts[line] as usize;
        let before = self.text.get(start..offset as usize).unwrap_or("");
        LineColumn { line: line as u32 + 1, column: before.chars().count() as u32 + 1 }
    }

    /// The text of a line (from 1), without its line break.
    pub fn line(&self, line: u32) -> &str {
        let start = self.line_starts.get(line as usize - 1).map_or(self.text.len(), |&s| s as usize);
        self.text[start..].lines().next().unwrap_or("")
    }
}

/// All sources of a script: itself and what it imports, one behind the other in one space of positions, so that a
/// [`Span`] says by itself which of them it is about.
#[derive(Clone, Debug)]
pub struct SourceMap {
    /// In the order of their bases; the first is the script itself.
    sources: Vec<Source>,
}

/// Texts longer than this together are refused, so that positions stay well within their 32 bits.
const MOST_BYTES: u64 = 1 << 30;

impl SourceMap {
    /// A script alone.
    pub fn new(root: Source) -> Self {
        Self { sources: vec![Source { base: 0, ..root }] }
    }

    /// Puts one more source behind the others; none if all together would be too long.
    pub fn add(&mut self, source: Source) -> Option<&Source> {
        let last = self.sources.last()?;
        // A byte between two sources, so that the end of one is not the beginning of the next.
        let base = u64::from(last.base) + last.text.len() as u64 + 1;
        if base + source.text.len() as u64 > MOST_BYTES {
            return None;
        }
        self.sources.push(Source { base: base as u32, ..source });
        self.sources.last()
    }

    /// The script itself.
    pub fn root(&self) -> &Source {
        &self.sources[0]
    }

    /// The source that `span` is about.
    pub fn of(&self, span: Span) -> &Source {
        let behind = self.sources.partition_point(|source| source.base <= span.start);
        &self.sources[behind.max(1) - 1]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let source = Source::new("stdin", "ab\nçd\n");
        assert_eq!(source.locate(0), LineColumn { line: 1, column: 1 });
        assert_eq!(source.locate(5), LineColumn { line: 2, column: 2 });
        assert_eq!(source.locate(99), LineColumn { line: 3, column: 1 });
        assert_eq!(source.line(2), "çd");
        assert_eq!(source.line(3), "");
    }

    #[test]
    fn a_position_says_which_source_it_is_in() {
        let mut map = SourceMap::new(Source::new("main.bt", "ab\n"));
        let lib = map.add(Source::new("lib.bt", "cd\nef")).map(Source::base);
        assert_eq!(lib, Some(4));
        let last = map.add(Source::new("empty.bt", "")).map(Source::base);
        assert_eq!(last, Some(10));
        for (start, name) in [(0, "main.bt"), (3, "main.bt"), (4, "lib.bt"), (9, "lib.bt"), (10, "empty.bt")] {
            assert_eq!(map.of(Span::new(start, start)).name(), name, "{start}");
        }
        let span = Span::new(7, 9);
        assert_eq!(map.of(span).slice(span), "ef");
        assert_eq!(map.of(span).locate(8), LineColumn { line: 2, column: 2 });
    }
}
