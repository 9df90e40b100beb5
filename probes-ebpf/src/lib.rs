//! What a machine offers to trace: the kernel's types (BTF), trace events (tracefs), symbols, system calls, registers;
//! programs and libraries with their symbols; and [`KernelTarget`], which answers the compiler's questions from them.

pub mod arch;
mod archive;
pub mod asking;
pub mod binary;
pub mod btf;
pub mod demangle;
pub mod dwarf;
mod fields;
pub mod files;
pub mod format;
pub mod functions;
mod go;
pub mod interfaces;
pub mod kallsyms;
pub mod kernel;
mod kfunc;
pub mod list;
pub mod programs;
pub mod separate;
pub mod syscalls;
pub mod target;
pub mod tracefs;
pub mod types;
pub mod unwind;
pub mod usdt;

pub use target::KernelTarget;
