//! The back half of the compiler, from end to end: one function of Cranelift IR to eBPF.

use crate::allocate::allocate;
use crate::encode::{Code, encode};
use crate::error::CodegenError;
use crate::optimise;
use crate::select::{Features, select};
use cranelift_codegen::ir;

/// What a function has become.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The IR that was translated, as text, if the caller wanted to see it.
    pub clif: Option<String>,
    /// The instructions.
    pub code: Code,
}

/// What the caller wants of `compile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Run the mid-end. If the kernel's verifier refuses a program, it is worth another try without.
    pub optimise: bool,
    /// Keep the text of the IR after the mid-end.
    pub keep_clif: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { optimise: true, keep_clif: false }
    }
}

/// Compiles a function.
pub fn compile(func: ir::Function, features: &Features, options: Options) -> Result<Compiled, CodegenError> {
    let func = if options.optimise { optimise::optimise(func)? } else { optimise::prepare(func)? };
    let clif = options.keep_clif.then(|| func.display().to_string());
    let selected = select(&func, features)?;
    let allocated = allocate(selected)?;
    let code = encode(&allocated, features)?;
    Ok(Compiled { clif, code })
}
