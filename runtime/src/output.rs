//! What a trace prints: records, maps and histograms as bytes for a reader.
//!
//! Everything here is pure formatting. Bytes that the kernel filled come in together with the types that the checker gave
//! them, and bytes go out to a writer. No descriptor is opened, no clock is read and nothing is written to standard error.
//!
//! An output format is one file with one type behind the [`Output`] trait, and one row in [`FORMATS`]. What all formats
//! must agree on is shared: [`value`] (the usual text form), [`printf`] (conversions), [`aggregate`] (merging what the CPUs
//! gathered), [`buckets`] (which values a bucket holds), [`series`] (which intervals are shown) and [`map`] (the order of entries).
//! Beside the formats stands [`live`], which draws maps for somebody who watches them change, by what [`tally`] has noted.
//!
//! Scripts that were written for bpftrace must find every byte in its place, so the forms are the measured ones, odd as a
//! few of them are; each oddity is named where it is made.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

use lang::printf::Format;
use lang::typed::Map;

pub mod aggregate;
pub mod buckets;
mod gfp;
pub mod json;
pub mod live;
pub mod map;
mod names;
pub mod number;
pub mod opaque;
pub mod paint;
pub mod printf;
pub mod quantiles;
pub mod series;
pub mod shares;
pub mod tally;
pub mod text;
pub mod trial;
pub mod value;
pub mod view;
pub mod world;

#[cfg(test)]
mod tests;

pub use json::Json;
pub use map::Entries;
pub use text::Text;

/// A place where events become visible. Each call writes whole lines, or what `printf` made, in the order of the calls.
pub trait Output {
    /// From now on values are shown so.
    fn shows(&mut self, settings: &Settings);

    /// Tracing has begun on so many probes. Not called with `-q`.
    fn attached(&mut self, probes: usize) -> io::Result<()>;

    /// A record has arrived. One that is too short for its format is a fault of the code generator: it is left out.
    fn record(&mut self, format: &Format, record: &[u8]) -> io::Result<()>;

    /// What a command other than `printf` and `print` has to say.
    fn said(&mut self, kind: Said, text: &[u8]) -> io::Result<()>;

    /// An error or warning of the script itself. False if this output has no place for it, so that it goes where
    /// diagnostics go.
    fn message(&mut self, _kind: Said, _text: &[u8], _place: &Place) -> io::Result<bool> {
        Ok(false)
    }

    /// Something that went wrong while probes ran, so many times since it was told last. False as for `message`.
    fn trouble(&mut self, _trouble: &Trouble, _times: u64, _place: &Place) -> io::Result<bool> {
        Ok(false)
    }

    /// A map, in its order: the last `top` entries (0: all), values divided by `div` (0 and 1: as they are).
    fn map(&mut self, map: &Map, entries: &Entries, top: u64, div: u64) -> io::Result<()>;

    /// What has come of a test or benchmark.
    fn trial(&mut self, news: &trial::Trial<'_>) -> io::Result<()>;

    /// A map of numbers, in its order: the last `top` entries (0: all), each with its share of the total of all.
    fn shares(&mut self, map: &Map, entries: &Entries, top: u64) -> io::Result<()>;

    /// No record will follow, only the maps that are left at the end.
    fn end_of_records(&mut self) -> io::Result<()>;

    /// Hands on what the writer may still hold.
    fn flush(&mut self) -> io::Result<()>;
}

/// A command that prints, by the name that JSON has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said(pub &'static str);

impl Said {
    /// What a command of `system()` wrote.
    pub const SYSTEM: Self = Self("syscall");
    /// The line of `join()`, without its end.
    pub const JOIN: Self = Self("join");
    /// Where an iterator is pinned.
    pub const PIN: Self = Self("pin");
}

/// What can go wrong while probes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Records found no room.
    Lost,
    /// A helper of the kernel failed.
    Helper {
        /// Its name.
        name: &'static str,
        /// What it gave.
        code: i64,
        /// What the system says to that.
        reason: String,
    },
    /// Anything else, in one sentence.
    Other(&'static str),
}

/// A place in a script, counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The script.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// An output format by name.
pub struct Row {
    /// As `-f` takes it.
    pub name: &'static str,
    /// Begins an output on a writer, which should be buffered.
    pub open: for<'w> fn(Box<dyn Write + 'w>, Settings) -> Box<dyn Output + 'w>,
}

/// All output formats; the first is the default.
pub static FORMATS: &[Row] = &[
    Row { name: "text", open: |writer, settings| Box::new(Text::new(writer, settings)) },
    Row { name: "json", open: |writer, settings| Box::new(Json::new(writer, settings)) },
];

/// Texts by number, shared by all that show values. The entries of a session add to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(Rc<RefCell<Vec<Vec<u8>>>>);

impl Texts {
    /// These.
    pub fn new(texts: &[Vec<u8>]) -> Self {
        Self(Rc::new(RefCell::new(texts.to_vec())))
    }

    /// From now on these, for all that share them.
    pub fn set(&self, texts: &[Vec<u8>]) {
        self.0.replace(texts.to_vec());
    }

    /// The text of a number; empty if there is none.
    pub fn get(&self, number: u64) -> Vec<u8> {
        let texts = self.0.borrow();
        usize::try_from(number).ok().and_then(|number| texts.get(number)).cloned().unwrap_or_default()
    }
}

/// What the user may set about the form of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Text of at least so many bytes is taken for cut off, and shown to that length.
    pub max_strlen: usize,
    /// Follows text that was cut off.
    pub str_trunc_trailer: Vec<u8>,
    /// Histograms are followed by what they say of their values as a whole.
    pub hist_summary: bool,
    /// Texts that values refer to by number (`lang::typed::Program::texts`).
    pub texts: Texts,
    /// The machine, for the names of addresses and the like.
    pub world: world::Shared,
    /// What the reader of text can see.
    pub paint: paint::Paint,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_strlen: 1024,
            str_trunc_trailer: b"..".to_vec(),
            hist_summary: false,
            texts: Texts::default(),
            world: world::Shared::default(),
            paint: paint::Paint::default(),
        }
    }
}

/// The line that says how many probes are attached; the text format has it on standard error, so the caller writes it.
pub fn attached_line(probes: usize) -> String {
    format!("Attached {probes} probe{}\n", if probes == 1 { "" } else { "s" })
}

/// A record that has fewer bytes than the values of its format take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {have} bytes for a format that takes {need}")]
pub struct ShortRecord {
    /// Bytes that came.
    pub have: usize,
    /// Bytes that the format's values take.
    pub need: usize,
}

/// `write!` into bytes in memory, which cannot fail.
pub(crate) fn push_fmt(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}
