//! What can go wrong between Cranelift IR and eBPF bytes.
//!
//! Most of these are rtrace's own mistakes (an instruction that lowering should not have used); only `TooBig` and
//! `TooLong` can be caused by an ordinary script, so they carry the numbers that a diagnostic wants to show.

use thiserror::Error;

/// Why a function could not be compiled.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CodegenError {
    /// An instruction or type that has no translation.
    #[error("eBPF has no translation for `{what}`: {why}")]
    Unsupported {
        /// The instruction, as Cranelift prints it.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A call passes more arguments than registers exist for them.
    #[error("a call passes {given} arguments; eBPF passes at most 5")]
    TooManyArguments {
        /// How many the call has.
        given: usize,
    },
    /// The frame is larger than the kernel allows.
    #[error("the function needs {used} bytes of stack; the kernel allows {limit}")]
    TooBig {
        /// Stack slots and spills together.
        used: u32,
        /// The kernel's limit.
        limit: u32,
    },
    /// A jump is out of reach and this kernel has no long jump.
    #[error("the program has {insns} instructions, too many for the jumps of this kernel")]
    TooLong {
        /// Instructions in the function.
        insns: usize,
    },
    /// Cranelift's verifier refused the IR.
    #[error("the intermediate code is malformed: {0}")]
    Verifier(String),
    /// The register allocator refused the function.
    #[error("register allocation failed: {0}")]
    Allocation(String),
    /// A name in the IR that is not one of `Symbol`.
    #[error("unknown external name `{0}`")]
    UnknownName(String),
    /// The object file could not be written.
    #[error("cannot write the object: {0}")]
    Object(String),
}
