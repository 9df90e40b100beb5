//! rtrace probes-ebpf.

pub mod arch;
pub mod nearest;
