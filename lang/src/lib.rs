//! From text to a typed program: lexer, parser, checker, and the tables of what the language knows.
//!
//! Pure: no file, clock, terminal or kernel. What the checker must know of a machine it asks of one trait,
//! [`target::Target`].

pub mod address;
pub mod ast;
pub mod builtins;
pub mod c;
#[cfg(test)]
mod carets;
pub mod check;
pub mod config;
pub mod ctypes;
pub mod cursor;
pub mod diag;
pub mod dump;
pub mod dump_types;
#[cfg(test)]
mod effort;
pub mod expand;
pub mod filter;
pub mod format;
pub mod functions;
pub mod glob;
pub mod highlight;
pub mod imports;
#[cfg(not(fuzzing))]
mod lexer;
#[cfg(fuzzing)]
pub mod lexer;
pub mod names;
pub mod nearest;
pub mod outline;
pub mod packets;
pub mod params;
pub mod parser;
pub mod printf;
pub mod probes;
pub mod span;
pub mod target;
pub mod topics;
pub mod typed;
pub mod types;
pub mod words;

pub use check::{Checked, CheckedEntry, Known, Settings, check, check_entry};
pub use diag::{Diagnostic, Severity};
pub use imports::{Loader, parse_with_imports};
pub use parser::{Parse, parse};
pub use span::{Source, SourceMap, Span};
pub use target::Target;
