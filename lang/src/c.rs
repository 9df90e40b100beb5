//! What a script says in C: its structures, unions, enums and typedefs, and the names of numbers.

use crate::ast::TypeTag;
use crate::types::Type;

/// The definitions of a script.
#[derive(Clone, Debug, Default)]
pub struct Definitions {}

impl Definitions {
    /// The type of this name, with its tag if it has one.
    pub fn find(&self, _tag: Option<TypeTag>, _name: &str) -> Option<Type> {
        None
    }

    /// The value and type of a name that stands for a number: of an enum, or of a header.
    pub fn constant(&self, _name: &str) -> Option<(i64, Type)> {
        None
    }
}
