//! How C spells a type: for listings and messages.

use std::fmt::Write;

use super::{Btf, BtfError, Kind, Malformed, Type, TypeId};

/// How many declarators may surround a name. The kernel's worst, functions that return functions, have under ten.
const DEPTH: u32 = 32;

/// How long a spelling may become: prototypes can name prototypes, in a malformed file without end.
const LONGEST: usize = 4096;

impl Btf {
    /// The declaration of `name` with this type, as C has it: `char comm[16]`, `int (*open)(struct inode *)`. With an
    /// empty `name` it is the type alone: `struct task_struct *`.
    ///
    /// # Errors
    /// If the file is malformed where the type leads.
    pub fn declaration(&self, id: TypeId, name: &str) -> Result<String, BtfError> {
        self.declare(id, name.to_owned(), DEPTH)
    }

    /// Wraps `inner`, the declarator so far, in what `id` adds to it, going from the name outwards.
    fn declare(&self, id: TypeId, mut inner: String, depth: u32) -> Result<String, BtfError> {
        let mut ty = self.type_at(id)?;
        for _ in 0..depth {
            if inner.len() > LONGEST {
                break;
            }
            let target = ty.target().unwrap_or(TypeId::VOID);
            match ty.kind {
                Kind::Ptr => {
                    inner.insert(0, '*');
                    if matches!(self.below_tags(target)?.kind, Kind::Array | Kind::FuncProto) {
                        inner = format!("({inner})");
                    }
                    ty = self.type_at(target)?;
                }
                Kind::Array => {
                    let array = ty.array().ok_or(Malformed { what: "array cut short, type", at: ty.id.0 })?;
                    let _ = write!(inner, "[{}]", array.len);
                    ty = self.type_at(array.element)?;
                }
                Kind::FuncProto => {
                    let params = self.spell_params(ty, depth / 2)?;
                    let _ = write!(inner, "({params})");
                    ty = self.type_at(target)?;
                }
                Kind::Func | Kind::Var | Kind::TypeTag => ty = self.type_at(target)?,
                Kind::Const | Kind::Volatile | Kind::Restrict => {
                    let word = qualifier(ty.kind);
                    let next = self.below_tags(target)?;
                    if next.kind == Kind::Ptr {
                        // A qualified pointer: the word stands between star and name.
                        let gap = if inner.is_empty() || inner.starts_with([')', '[']) { "" } else { " " };
                        inner = format!("{word}{gap}{inner}");
                        ty = next;
                    } else {
                        return Ok(format!("{word} {}", self.declare(target, inner, depth - 1)?));
                    }
                }
                _ => return Ok(join(&spell_base(ty), &inner)),
            }
        }
        Err(Malformed { what: "type without end", at: id.0 }.into())
    }

    fn below_tags(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        let mut ty = self.type_at(id)?;
        for _ in 0..DEPTH {
            match ty.target() {
                Some(target) if ty.kind == Kind::TypeTag => ty = self.type_at(target)?,
                _ => break,
            }
        }
        Ok(ty)
    }

    fn spell_params(&self, proto: Type<'_>, depth: u32) -> Result<String, BtfError> {
        let mut text = String::new();
        for param in proto.params() {
            if !text.is_empty() {
                text.push_str(", ");
            }
            if param.type_id == TypeId::VOID && param.name.is_empty() {
                text.push_str("...");
            } else {
                text.push_str(&self.declare(param.type_id, param.name.to_owned(), depth)?);
            }
            if text.len() > LONGEST {
                return Err(Malformed { what: "prototype without end, type", at: proto.id.0 }.into());
            }
        }
        Ok(if text.is_empty() { "void".to_owned() } else { text })
    }
}

fn qualifier(kind: Kind) -> &'static str {
    match kind {
        Kind::Const => "const",
        Kind::Volatile => "volatile",
        _ => "restrict",
    }
}

/// The part of a declaration that stands before all declarators.
fn spell_base(ty: Type<'_>) -> String {
    let keyword = match ty.kind {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum | Kind::Enum64 => "enum ",
        Kind::Fwd if ty.is_union_declaration() => "union ",
        Kind::Fwd => "struct ",
        Kind::Void => "void",
        _ => "",
    };
    match (ty.name(), ty.kind) {
        ("", Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64) => format!("{keyword}{{...}}"),
        (name, _) => format!("{keyword}{name}"),
    }
}

fn join(base: &str, declarator: &str) -> String {
    let gap = if declarator.is_empty() || declarator.starts_with('[') { "" } else { " " };
    format!("{base}{gap}{declarator}")
}
