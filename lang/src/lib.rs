//! rtrace lang.
