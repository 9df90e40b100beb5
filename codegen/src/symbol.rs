//! What compiled code may refer to outside of itself, and how such a reference is spelled in Cranelift IR.
//!
//! Lowering turns a `Symbol` into an external name, selection turns it back. This file is the only place that knows the
//! numbers of the namespaces.

use cranelift_codegen::ir::{self, UserExternalName};
use std::fmt;

/// Something outside of the function that an instruction refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Symbol {
    /// A helper function of the kernel, by number.
    Helper(u32),
    /// A map of the object, by its place in the list of maps.
    Map(u32),
    /// A data section of the object.
    Data(Section),
    /// A subprogram of the object, by its place in the list of subprograms.
    Subprogram(u32),
    /// A kernel function that is called by its BTF id, by its place in the list of kfunc names.
    Kfunc(u32),
    /// Nothing to be called: what a branch on the result of such a call tests is whether the kernel's allowance of
    /// turns is used up, by the instruction `may_goto`.
    MayGoto,
}

/// A data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Writable, zero at load.
    Bss,
    /// Read-only constants.
    Rodata,
}

impl Section {
    /// The name in the object file.
    pub fn name(self) -> &'static str {
        match self {
            Section::Bss => ".bss",
            Section::Rodata => ".rodata",
        }
    }
}

const HELPER: u32 = 0;
const MAP: u32 = 1;
const DATA: u32 = 2;
const SUBPROGRAM: u32 = 3;
const KFUNC: u32 = 4;
const MAY_GOTO: u32 = 5;

impl From<Symbol> for UserExternalName {
    fn from(symbol: Symbol) -> UserExternalName {
        let (namespace, index) = match symbol {
            Symbol::Helper(number) => (HELPER, number),
            Symbol::Map(index) => (MAP, index),
            Symbol::Data(Section::Bss) => (DATA, 0),
            Symbol::Data(Section::Rodata) => (DATA, 1),
            Symbol::Subprogram(index) => (SUBPROGRAM, index),
            Symbol::Kfunc(index) => (KFUNC, index),
            Symbol::MayGoto => (MAY_GOTO, 0),
        };
        UserExternalName { namespace, index }
    }
}

impl Symbol {
    /// The symbol that an external name stands for.
    pub fn from_name(name: &UserExternalName) -> Option<Symbol> {
        let index = name.index;
        Some(match (name.namespace, index) {
            (HELPER, _) => Symbol::Helper(index),
            (MAP, _) => Symbol::Map(index),
            (DATA, 0) => Symbol::Data(Section::Bss),
            (DATA, 1) => Symbol::Data(Section::Rodata),
            (SUBPROGRAM, _) => Symbol::Subprogram(index),
            (KFUNC, _) => Symbol::Kfunc(index),
            (MAY_GOTO, 0) => Symbol::MayGoto,
            _ => return None,
        })
    }

    /// The symbol that an external name of `func` stands for.
    pub fn resolve(func: &ir::Function, name: &ir::ExternalName) -> Option<Symbol> {
        match name {
            ir::ExternalName::User(reference) => Symbol::from_name(func.params.user_named_funcs().get(*reference)?),
            _ => None,
        }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbol::Helper(number) => match crate::helpers::Helper::from_number(*number) {
                Some(helper) => write!(f, "{}#{number}", helper.name()),
                None => write!(f, "unknown#{number}"),
            },
            Symbol::Map(index) => write!(f, "map[{index}]"),
            Symbol::Data(section) => f.write_str(section.name()),
            Symbol::Subprogram(index) => write!(f, "subprogram[{index}]"),
            Symbol::Kfunc(index) => write!(f, "kfunc[{index}]"),
            Symbol::MayGoto => f.write_str("may_goto"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_survives_the_way_through_a_name() {
        for symbol in [
            Symbol::Helper(14),
            Symbol::Map(3),
            Symbol::Data(Section::Bss),
            Symbol::Data(Section::Rodata),
            Symbol::Subprogram(2),
            Symbol::Kfunc(1),
            Symbol::MayGoto,
        ] {
            assert_eq!(Symbol::from_name(&symbol.into()), Some(symbol));
        }
        assert_eq!(Symbol::from_name(&UserExternalName { namespace: 9, index: 0 }), None);
    }
}
