//! From a typed program to an object of eBPF programs: lowering, mid-end, instruction selection, register allocation,
//! encoding, and the ELF file. Pure: no file, clock, terminal or kernel.

pub mod allocate;
pub mod backend;
pub mod btf;
mod chain;
pub mod elf;
pub mod encode;
pub mod error;
pub mod event;
pub mod frame;
pub mod helpers;
pub mod insn;
pub mod interp;
pub mod layout;
pub mod lower;
pub mod object;
pub mod optimise;
pub mod select;
pub mod session;
pub mod symbol;
pub mod unwind;
pub mod vcode;
pub mod which;
