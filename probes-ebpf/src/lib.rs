//! rtrace probes-ebpf.

pub mod nearest;
