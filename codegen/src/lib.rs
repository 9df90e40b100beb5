//! rtrace codegen.

pub mod allocate;
pub mod backend;
pub mod btf;
pub mod elf;
pub mod encode;
pub mod error;
pub mod frame;
pub mod helpers;
pub mod insn;
pub mod interp;
pub mod optimise;
pub mod select;
pub mod symbol;
pub mod vcode;
