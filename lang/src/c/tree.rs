//! What declarations of C say, names not yet looked up.

use crate::ast::TypeTag;
use crate::span::Span;
use crate::types::IntType;

/// All that a script and its headers declare, in source order. A type defined inside another one comes before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declarations {
    /// Structures and unions.
    pub records: Vec<Record>,
    /// Enums.
    pub enums: Vec<EnumDef>,
    /// Names for types.
    pub typedefs: Vec<Typedef>,
}

impl Declarations {
    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.enums.is_empty() && self.typedefs.is_empty()
    }
}

/// A structure or union with its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// `struct` or `union`.
    pub tag: TypeTag,
    /// None if it is anonymous.
    pub name: Option<String>,
    /// As declared, bit-fields without a name among them.
    pub members: Vec<Member>,
    /// How its attributes change its layout.
    pub attributes: Attributes,
    /// Of its name, or of its tag.
    pub span: Span,
    /// A header declares it: what is wrong with it is not the script's fault, and not told.
    pub of_header: bool,
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Empty if it has none.
    pub name: String,
    /// Its type.
    pub ty: TypeRef,
    /// The width of a bit-field.
    pub bits: Option<Expr>,
    /// How its attributes change its place.
    pub attributes: Attributes,
    /// Of its name, or of its type.
    pub span: Span,
}

/// `packed` and `aligned`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// `__attribute__((packed))`
    pub packed: bool,
    /// Each `__attribute__((aligned(N)))`; without a number it is what the machine can ask for.
    pub aligned: Vec<Option<Expr>>,
}

impl Attributes {
    pub(super) fn add(&mut self, other: Self) {
        self.packed |= other.packed;
        self.aligned.extend(other.aligned);
    }
}

/// An enum.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumDef {
    /// None if it is anonymous.
    pub name: Option<String>,
    /// Each value's name, place, and number if it is given.
    pub values: Vec<(String, Span, Option<Expr>)>,
    /// As small as its values allow.
    pub packed: bool,
    /// Of its name, or of its tag.
    pub span: Span,
    /// See [`Record::of_header`].
    pub of_header: bool,
}

/// `typedef ty name;`
#[derive(Clone, Debug, PartialEq)]
pub struct Typedef {
    /// The new name.
    pub name: String,
    /// What it stands for.
    pub ty: TypeRef,
    /// `aligned` changes the type's alignment.
    pub attributes: Attributes,
    /// Of its name.
    pub span: Span,
    /// See [`Record::of_header`].
    pub of_header: bool,
}

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeRef {
    /// `void`
    Void,
    /// `_Bool`
    Bool,
    /// Plain `char`, of which arrays are texts.
    Char,
    /// Any other integer.
    Int {
        /// Its width.
        bits: u8,
        /// Its sign.
        signed: bool,
    },
    /// What the language has no numbers for: fractions, and integers of 128 bits.
    Opaque {
        /// In bytes, and its alignment.
        size: u32,
    },
    /// A typedef.
    Named(String, Span),
    /// `struct name` and the like.
    Tagged(TypeTag, String, Span),
    /// Defined right here: an index into [`Declarations::records`].
    Record(usize),
    /// An index into [`Declarations::enums`].
    Enum(usize),
    /// A pointer.
    Pointer(Box<TypeRef>),
    /// An array; without a length at the end of a structure.
    Array(Box<TypeRef>, Option<Box<Expr>>),
    /// A function; only pointers to it are of use.
    Function,
}

/// A constant expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// The kinds of constant expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number and its type.
    Number(i64, IntType),
    /// The value of an enum, or a known constant.
    Name(String),
    /// `-a`, `~a`, `!a`, `+a`
    Unary(char, Box<Expr>),
    /// `a op b`
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `a ? b : c`
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `(type)a`
    Cast(TypeRef, Box<Expr>),
    /// `sizeof(type)`
    SizeOf(TypeRef),
    /// `_Alignof(type)`
    AlignOf(TypeRef),
    /// `offsetof(type, member.member)`
    OffsetOf(TypeRef, Vec<String>),
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in C
pub enum Op {
    Mul,
    Div,
    Rem,
    Add,
    Sub,
    Shl,
    Shr,
    Less,
    LessEq,
    Greater,
    GreaterEq,
    Equal,
    NotEqual,
    BitAnd,
    BitXor,
    BitOr,
    And,
    Or,
}

impl Op {
    /// The operator as written, and how tightly it binds.
    pub(super) fn of(text: &str) -> Option<(Self, u8)> {
        Some(match text {
            "*" => (Self::Mul, 10),
            "/" => (Self::Div, 10),
            "%" => (Self::Rem, 10),
            "+" => (Self::Add, 9),
            "-" => (Self::Sub, 9),
            "<<" => (Self::Shl, 8),
            ">>" => (Self::Shr, 8),
            "<" => (Self::Less, 7),
            "<=" => (Self::LessEq, 7),
            ">" => (Self::Greater, 7),
            ">=" => (Self::GreaterEq, 7),
            "==" => (Self::Equal, 6),
            "!=" => (Self::NotEqual, 6),
            "&" => (Self::BitAnd, 5),
            "^" => (Self::BitXor, 4),
            "|" => (Self::BitOr, 3),
            "&&" => (Self::And, 2),
            "||" => (Self::Or, 1),
            _ => return None,
        })
    }
}
