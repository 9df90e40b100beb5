//! Loads a compiled script, attaches it, collects what it sends and hands it to an output.

pub mod attach;
pub mod child;
mod commands;
pub mod flame;
pub mod load;
pub mod machine;
mod netlink;
pub mod output;
mod packets;
pub mod rings;
pub mod session;
pub mod store;
mod sys;
pub mod timers;
mod trouble;
pub mod unwind;
