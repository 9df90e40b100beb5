//! From text to a typed program: lexer, parser, checker, and the tables of what the language knows.
//!
//! Pure: no file, clock, terminal or kernel. What the checker must know of a machine it asks of one trait,
//! [`target::Target`].

pub mod ast;
pub mod diag;
pub mod span;

pub use diag::{Diagnostic, Severity};
pub use span::{Source, Span};
