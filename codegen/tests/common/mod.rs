//! What several tests need: a source of programs, an independent judge, and the kernel.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod evaluate;
pub mod generate;
pub mod kernel;
