//! rtrace runtime.
