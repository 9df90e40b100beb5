//! What filters are tested with: libpcap as the oracle, expressions, and packets.

mod expressions;
mod oracle;
mod packets;
mod random;

pub use expressions::{EXPRESSIONS, REFUSED, expression};
pub use oracle::{Oracle, Program};
pub use packets::{ethernet, raw};
pub use random::Random;
