//! What a kernel offers to trace: types (BTF), trace events (tracefs), symbols, system calls, registers; and
//! [`KernelTarget`], which answers the compiler's questions from them.

pub mod arch;
pub mod btf;
mod fields;
pub mod format;
pub mod kallsyms;
pub mod kernel;
pub mod syscalls;
pub mod target;
pub mod tracefs;
pub mod types;

pub use target::KernelTarget;
