//! rtrace codegen.
