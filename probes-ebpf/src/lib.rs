//! rtrace probes-ebpf.
