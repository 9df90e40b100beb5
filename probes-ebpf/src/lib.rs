//! rtrace probes-ebpf.

pub mod arch;
pub mod btf;
pub mod format;
pub mod kallsyms;
pub mod kernel;
pub mod nearest;
pub mod syscalls;
pub mod tracefs;
