//! Depth.
