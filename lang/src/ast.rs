//! The syntax tree: a script as written, names not yet looked up.
//!
//! Every node carries its span. A script with errors still gives a tree of what could be understood; a part that could
//! not is [`ExprKind::Error`], which later stages pass over in silence because a diagnostic already tells of it.

mod parts;

pub use parts::{Part, PartMut};

use crate::address::Address;
use crate::span::Span;

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// What its `config` block sets.
    pub config: Vec<ConfigItem>,
    /// The files it imports.
    pub imports: Vec<Import>,
    /// The maps it declares.
    pub maps: Vec<MapDecl>,
    /// What it says in C.
    pub c: crate::c::tree::Declarations,
    /// Its macros in source order. They are gone after expansion.
    pub macros: Vec<Macro>,
    /// Its probes in source order.
    pub probes: Vec<Probe>,
}

impl Script {
    /// Puts what an imported script has before what is here. Its imports have been followed, and a `config` it cannot
    /// have.
    pub fn import(&mut self, imported: Script) {
        let Script { config: _, imports: _, c, maps, macros, probes } = imported;
        self.c.append(c);
        self.maps.splice(..0, maps);
        self.macros.splice(..0, macros);
        self.probes.splice(..0, probes);
    }
}

/// `macro name(a, $b, @c) { body }`
#[derive(Clone, Debug, PartialEq)]
pub struct Macro {
    /// What it is called.
    pub name: Name,
    /// What it is given.
    pub params: Vec<MacroParam>,
    /// Its body, which may end with a value.
    pub body: ValueBlock,
    /// From `macro` to the end of the body.
    pub span: Span,
}

/// A parameter of a macro; its kind says what may be passed.
#[derive(Clone, Debug, PartialEq)]
pub struct MacroParam {
    /// What may be passed.
    pub kind: MacroParamKind,
    /// Its name and place.
    pub name: Name,
}

/// What a macro's parameter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacroParamKind {
    /// `a`: any expression, which replaces the name wherever it stands.
    Expr,
    /// `$a`: a variable of the caller.
    Var,
    /// `@a`: a map.
    Map,
}

/// Statements in braces, with a value at their end: `{ let $x = 1; $x + 1 }`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueBlock {
    /// The statements.
    pub block: Block,
    /// The last expression if no semicolon follows it.
    pub value: Option<Box<Expr>>,
}

/// `name = value` in a `config` block.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigItem {
    /// The variable as written; `config` knows what it is called.
    pub name: Name,
    /// What it is set to.
    pub value: ConfigValue,
    /// From the name to the value.
    pub span: Span,
}

/// A value in a `config` block. Bools are the numbers 0 and 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue {
    /// A number.
    Number(u64),
    /// A text in quotes or a bare word.
    Text(String),
}

/// `import "path";`
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// What stands between the quotes.
    pub path: String,
    /// From `import` to the path.
    pub span: Span,
}

/// `let @name = kind(entries);`
#[derive(Clone, Debug, PartialEq)]
pub struct MapDecl {
    /// The map.
    pub name: Name,
    /// How the kernel keeps it, as written.
    pub kind: Name,
    /// The most entries it holds.
    pub entries: u64,
    /// From `let` to the semicolon.
    pub span: Span,
}

/// `point, point /predicate/ { body }`
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Where it is attached; at least one.
    pub points: Vec<AttachPoint>,
    /// The condition between slashes.
    pub predicate: Option<Expr>,
    /// What it does.
    pub body: Block,
    /// From the first attach point to the end of the body.
    pub span: Span,
}

/// The text of one attach point, blanks trimmed, such as `tracepoint:sched:sched_switch`.
///
/// What the parts mean is the provider's business (`lang::attach_point`), not the grammar's.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachPoint {
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// Statements between braces (or angle brackets, for a probe's body).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// In source order.
    pub stmts: Vec<Stmt>,
    /// With its brackets.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Without the semicolon.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// An expression for its effect: a call, `@x++`.
    Expr(Expr),
    /// `let $x`, `let $x: uint8`, `let $x = 1`, `let $x: int64 = 1`.
    Let {
        /// The variable.
        name: Name,
        /// Its type if given.
        ty: Option<TypeName>,
        /// Its first value if given.
        value: Option<Expr>,
    },
    /// `place = value`, or `place op= value`.
    Assign {
        /// A variable, a map or an element of one (other expressions parse, and the checker refuses them).
        place: Expr,
        /// The operator of a compound assignment.
        op: Option<BinaryOp>,
        /// The right side.
        value: Expr,
    },
    /// `if cond { } else if cond { } else { }`; an `else if` is an else block holding one `if`.
    If {
        /// The condition.
        cond: Expr,
        /// When it holds.
        then: Block,
        /// When it does not.
        otherwise: Option<Block>,
    },
    /// `{ ... }` as a statement.
    Block(Block),
    /// `while cond { }`
    While {
        /// The condition.
        cond: Expr,
        /// What is repeated.
        body: Block,
    },
    /// `for $var : over { }`
    For {
        /// The loop variable.
        var: Name,
        /// What it goes through.
        over: ForOver,
        /// What is repeated.
        body: Block,
    },
    /// `unroll count { }`
    Unroll {
        /// How often; must be known when compiling.
        count: Expr,
        /// What is repeated.
        body: Block,
    },
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `_ = value`: for its effect, without the warning.
    Discard(Expr),
    /// `return`, `return value`: leaves the probe.
    Return(Option<Expr>),
    /// Could not be understood; a diagnostic tells why.
    Error,
}

/// What a `for` loop goes through.
#[derive(Clone, Debug, PartialEq)]
pub enum ForOver {
    /// `from..to`, without `to`.
    Range(Expr, Expr),
    /// A map's entries; other expressions parse, and the checker refuses them.
    Entries(Expr),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where, with the parentheses around it if any.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number: its value and the type its suffix asks for.
    Int(u64, IntSuffix),
    /// `10.0.0.9`, `10.1.0.0/16`, `::1`, `aa:bb:cc:dd:ee:ff`.
    Address(Address),
    /// Text, escapes resolved. Bytes, because `\xff` is allowed.
    Str(Vec<u8>),
    /// `true` or `false`.
    Bool(bool),
    /// A bare word: a builtin, later a constant or an enum's value.
    Ident(String),
    /// `$name`, without the dollar.
    Var(String),
    /// `@name` or `@`, without the at sign (empty for `@`).
    Map(String),
    /// `@name[key, ...]`; one key or several.
    MapKey {
        /// The map's name and place.
        map: Name,
        /// The parts of the key in order.
        keys: Vec<Expr>,
    },
    /// `$1`, `$#` (0 stands for the count).
    Param(u32),
    /// `name(arg, ...)`.
    Call {
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// `base.name` or `base->name`.
    Field {
        /// The left side.
        base: Box<Expr>,
        /// The member; a decimal index for a tuple.
        name: Name,
        /// Written with an arrow.
        arrow: bool,
    },
    /// `base[index]` on something that is not a map.
    Index {
        /// The left side.
        base: Box<Expr>,
        /// Between the brackets.
        index: Box<Expr>,
    },
    /// `-x`, `!x`, `~x`, `*x`, `&x`.
    Unary(UnaryOp, Box<Expr>),
    /// `x + y` and friends.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `cond ? yes : no`; without a middle, `cond ?: no`.
    Ternary {
        /// The condition.
        cond: Box<Expr>,
        /// When it holds; absent when it is the condition's own value.
        yes: Option<Box<Expr>>,
        /// When it does not.
        no: Box<Expr>,
    },
    /// `(type)x`.
    Cast {
        /// The type.
        ty: TypeName,
        /// What is cast.
        value: Box<Expr>,
    },
    /// `(x, y, ...)`, two or more; `(x,)` with one.
    Tuple(Vec<Expr>),
    /// `x++`, `++x`, `x--`, `--x`.
    IncDec {
        /// A variable or map element.
        place: Box<Expr>,
        /// `++` rather than `--`.
        increment: bool,
        /// Operator after the place: the value is the one before the change.
        postfix: bool,
    },
    /// `(a=x, b=y)`: a record, whose parts have names.
    Record(Vec<(Name, Expr)>),
    /// `{ statements; value }`
    Block(ValueBlock),
    /// `if cond { value } else { value }` as a value.
    If {
        /// The condition.
        cond: Box<Expr>,
        /// When it holds.
        then: ValueBlock,
        /// When it does not: a block, or another `If` within one.
        otherwise: Option<ValueBlock>,
    },
    /// `comptime x`: must be known when compiling.
    Comptime(Box<Expr>),
    /// `sizeof(type or expression)`
    SizeOf(Box<TypeOf>),
    /// `offsetof(type or expression, member.member)`
    OffsetOf {
        /// The structure.
        of: Box<TypeOf>,
        /// The path to the member.
        path: Vec<Name>,
    },
    /// `typeof(type or expression)` as an argument of a macro.
    TypeOf(Box<TypeOf>),
    /// `typeinfo(type or expression)`: a record `(btf_id, base_type, full_type)`.
    TypeInfo(Box<TypeOf>),
    /// Could not be understood; a diagnostic tells why.
    Error,
}

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Without sigil.
    pub text: String,
    /// With sigil.
    pub span: Span,
}

/// A type, or an expression that stands for its type.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeOf {
    /// A type.
    Type(TypeName),
    /// An expression, which is not computed.
    Expr(Expr),
}

/// A type as written: `uint64`, `struct task_struct *`, `char[16]`, `int8 *`, `typeof($x)[2]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// What the suffixes apply to.
    pub base: TypeBase,
    /// Pointers and arrays, from the left: `int32*[4]` is an array of pointers.
    pub suffixes: Vec<TypeSuffix>,
    /// Where.
    pub span: Span,
}

/// A type without its suffixes.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeBase {
    /// By name.
    Named {
        /// `struct`, `union` or `enum` before the name.
        tag: Option<TypeTag>,
        /// The name, several words joined by one blank (`unsigned long`).
        name: String,
    },
    /// `typeof(...)`
    TypeOf(Box<TypeOf>),
}

/// What follows a type's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeSuffix {
    /// `*`
    Pointer,
    /// `[n]`; without a number `[]`.
    Array(Option<u64>),
}

/// The C tag before a type's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeTag {
    /// `struct`
    Struct,
    /// `union`
    Union,
    /// `enum`
    Enum,
}

impl TypeTag {
    /// As it stands before a name.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Struct => "struct ",
            Self::Union => "union ",
            Self::Enum => "enum ",
        }
    }
}

/// The suffix of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntSuffix {
    /// None: the smallest signed type that holds it.
    None,
    /// `u`
    U,
    /// `ul`, `ull`
    Ul,
    /// `l`, `ll`
    L,
    /// A duration such as `5ms`; the value is in nanoseconds.
    Duration,
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `!`
    Not,
    /// `~`
    BitNot,
    /// `*`
    Deref,
    /// `&`
    AddressOf,
}

/// Operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the variants are named after their operators
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

impl BinaryOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Rem => "%",
            BitAnd => "&",
            BitOr => "|",
            BitXor => "^",
            Shl => "<<",
            Shr => ">>",
            Eq => "==",
            Ne => "!=",
            Lt => "<",
            Le => "<=",
            Gt => ">",
            Ge => ">=",
            And => "&&",
            Or => "||",
        }
    }

    /// Whether the result is a bool that compares the operands.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge)
    }
}

impl Expr {
    /// As a statement, where its value is not wanted: a block and an `if` are statements of their own.
    pub fn into_stmt(self) -> Stmt {
        let span = self.span;
        let kind = match self.kind {
            ExprKind::Block(block) => StmtKind::Block(block.into_block()),
            ExprKind::If { cond, then, otherwise } => {
                StmtKind::If { cond: *cond, then: then.into_block(), otherwise: otherwise.map(ValueBlock::into_block) }
            }
            kind => StmtKind::Expr(Expr { kind, span }),
        };
        Stmt { kind, span }
    }
}

impl ValueBlock {
    /// As a block whose value is not wanted: the value becomes its last statement.
    pub fn into_block(self) -> Block {
        let mut block = self.block;
        block.stmts.extend(self.value.map(|value| value.into_stmt()));
        block
    }
}
