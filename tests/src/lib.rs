//! rtrace tests.
