//! What a script says in C: its structures, unions, enums and typedefs, the names of numbers, and its preprocessor.
//!
//! [`lex`] makes tokens, [`preprocess`] obeys directives and expands macros, [`declare`] and [`expression`] read
//! declarations into a [`tree`], [`resolve`] gives their names meaning and [`layout`] puts members where a compiler of C
//! would. The first three happen while the script is read, the rest when it is checked, because only then is it known
//! what the kernel defines.

pub mod constants;
mod declare;
mod expand;
mod expression;
mod headers;
mod item;
mod layout;
mod lex;
mod names;
mod number;
mod preprocess;
mod resolve;
mod scan;
mod texts;
pub mod tree;
mod walk;

pub use headers::{Continued, Header, Headers, NoHeaders, Unread};
pub use names::standard_types;
pub(crate) use preprocess::{DIRECTIVES, Preprocessor};
pub(crate) use texts::Texts;

use crate::ast::TypeTag;
use crate::diag::Diagnostic;
use crate::target::Target;
use crate::types::Type;
use layout::Plans;
use std::sync::Arc;

/// What a header declares that a script imports.
pub(crate) fn declarations_of_header(header: Header, headers: &dyn Headers) -> tree::Declarations {
    let texts = Texts::default();
    let mut preprocessor = Preprocessor::new(&texts, headers);
    preprocessor.read_header(header);
    preprocessor.finish();
    preprocessor.declarations
}

/// The definitions of a script.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    plans: Arc<Plans>,
}

impl Definitions {
    /// Gives what a script declares its meaning; what it does not define itself is asked of the kernel.
    pub fn new(declarations: &tree::Declarations, target: &dyn Target) -> (Self, Vec<Diagnostic>) {
        if declarations.is_empty() {
            return (Self::default(), Vec::new());
        }
        let (plans, diagnostics) = resolve::resolve(declarations, target);
        (Self { plans: Arc::new(plans) }, diagnostics)
    }

    /// The type of this name, with its tag if it has one.
    pub fn find(&self, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        match tag {
            None => self.plans.typedefs.get(name).map(|plan| self.plans.ty(plan)).or_else(|| names::standard(name)),
            Some(tag) => {
                let index = *self.plans.tags.get(&(tag, name.to_owned()))?;
                match tag {
                    TypeTag::Enum => self.plans.enums.get(index)?.clone().map(Type::Enum),
                    TypeTag::Struct | TypeTag::Union => self.plans.record(index).map(Type::Struct),
                }
            }
        }
    }

    /// The names of the types with this tag.
    pub fn tagged(&self, tag: TypeTag) -> impl Iterator<Item = &str> {
        self.plans.tags.keys().filter(move |(its, _)| *its == tag).map(|(_, name)| name.as_str())
    }

    /// Whether the script's definitions have this name with its tag, complete or not.
    pub fn mentions(&self, tag: TypeTag, name: &str) -> bool {
        self.plans.tags.contains_key(&(tag, name.to_owned()))
            || self.plans.incomplete.contains(&format!("{}{name}", tag.prefix()))
    }

    /// The value and type of a name that stands for a number: of an enum of the script or of a header.
    pub fn constant(&self, name: &str) -> Option<(i64, Type)> {
        self.plans.constants.get(name).cloned()
    }
}

#[cfg(test)]
mod tests;
