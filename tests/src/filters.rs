//! What filters are tested with: libpcap as the oracle, expressions, and packets.

mod expressions;
mod machine;
mod oracle;
mod packets;
mod random;

pub use expressions::{EXPRESSIONS, REFUSED, expression};
pub use machine::{first_element, load_xdp, run_over};
pub use oracle::{Oracle, Program};
pub use packets::{ethernet, raw};
pub use random::Random;
