//! rtrace probes-ebpf.

pub mod arch;
pub mod kernel;
pub mod nearest;
