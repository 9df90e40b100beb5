//! The program after checking: names are ids, values have types, probes are resolved, formats are parsed.
//!
//! Nothing here can be wrong in a way the script's author could cause; the code generator takes it as given.

use crate::address::Address;
use crate::ast::{BinaryOp, UnaryOp};
use crate::builtins::BuiltinId;
use crate::config::Config;
use crate::ctypes::Bits;
use crate::filter::{Filter, Link};
use crate::functions::FunctionId;
use crate::packets::PacketItem;
use crate::printf::Format;
use crate::span::Span;
use crate::target::{Attach, Context};
use crate::types::Type;

/// A checked script.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// What its `config` block and the environment set.
    pub config: Config,
    /// Its maps; a [`MapId`] is an index here.
    pub maps: Vec<Map>,
    /// What it prints; a [`FormatId`] is an index here.
    pub formats: Vec<Format>,
    /// Its probes in source order.
    pub probes: Vec<Probe>,
    /// The calls of macros, innermost first, that an `errorf` or `warnf` comes from.
    pub expanded_from: Vec<(FormatId, Vec<Span>)>,
    /// Texts that values refer to by number: the formats of `strftime()`, the filters of `cgroup_path()`.
    pub texts: Vec<Vec<u8>>,
    /// Capture files that `capture()` and `skboutput()` refer to by number.
    pub captures: Vec<Capture>,
    /// What `filter()` refers to by number: the filter for each kind of link that the probe's packets come from.
    pub filters: Vec<Vec<(Link, Filter)>>,
}

/// A capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its name; none for standard output.
    pub path: Option<String>,
    /// How it is written.
    pub format: CaptureFormat,
    /// Its packets begin with the header of IP, not with that of Ethernet. In pcapng both may be in one file, and then
    /// this is about the first ones.
    pub begins_with_ip: bool,
    /// No more bytes of a packet are in it.
    pub length: u32,
    /// The network interfaces that are known to be traced, by their numbers.
    pub interfaces: Vec<(u32, String)>,
}

/// The formats of capture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFormat {
    /// That of libpcap, with nanoseconds.
    Pcap,
    /// Its successor.
    Pcapng,
}

impl Capture {
    /// What it is called in messages.
    pub fn name(&self) -> &str {
        self.path.as_deref().unwrap_or("standard output")
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into its table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A map of the program.
    MapId
);
id!(
    /// A format of the program.
    FormatId
);
id!(
    /// A scratch variable of one probe.
    VarId
);

/// A map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Without the at sign.
    pub name: String,
    /// The parts of its key; none for a keyless map.
    pub key: Option<Vec<Type>>,
    /// What it holds.
    pub value: Type,
    /// What `let @map = ...` says of it.
    pub declared: Option<Declared>,
    /// Where it was first used.
    pub span: Span,
}

impl Map {
    /// Its name with the types of its key: `@name[string[16], int64]`.
    pub fn title(&self) -> String {
        let key: Vec<String> = self.key.iter().flatten().map(ToString::to_string).collect();
        let key = if key.is_empty() { String::new() } else { format!("[{}]", key.join(", ")) };
        format!("@{}{key}", self.name)
    }
}

/// How a map is declared to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// By a table of this kind.
    pub kind: &'static DeclaredKind,
    /// With at most so many entries.
    pub entries: u32,
}

/// A kind of map that can be declared.
#[derive(Debug, PartialEq, Eq)]
pub struct DeclaredKind {
    /// As written.
    pub name: &'static str,
    /// Each CPU has a value of its own, as aggregations need it.
    pub per_cpu: bool,
    /// A new key drives out the one that was used least lately, instead of finding no room.
    pub evicts: bool,
}

/// The kinds of map that can be declared.
pub static MAP_KINDS: &[DeclaredKind] = &[
    DeclaredKind { name: "percpulruhash", per_cpu: true, evicts: true },
    DeclaredKind { name: "percpuhash", per_cpu: true, evicts: false },
    DeclaredKind { name: "lruhash", per_cpu: false, evicts: true },
    DeclaredKind { name: "hash", per_cpu: false, evicts: false },
];

impl Map {
    /// Bytes of a key in the kernel: the parts one after the other; an array's index when keyless.
    pub fn key_size(&self) -> u32 {
        self.key.as_ref().map_or(4, |parts| parts.iter().map(Type::slot_size).sum())
    }
}

/// A probe with all its attach points.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Where it is attached.
    pub points: Vec<Point>,
    /// Types of its scratch variables; a [`VarId`] is an index here.
    pub vars: Vec<Var>,
    /// Those of them that hold what is read of a packet, before anything else.
    pub packet: Vec<(VarId, PacketItem)>,
    /// Its condition.
    pub predicate: Option<Expr>,
    /// What it does.
    pub body: Vec<Stmt>,
    /// Its body says `probe`, so its attach points cannot share one program.
    pub uses_name: bool,
    /// Where it stands.
    pub span: Span,
}

/// A resolved attach point.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its full name.
    pub name: String,
    /// What to attach to.
    pub attach: Attach,
    /// How the program sees the event.
    pub context: Context,
    /// Where it stands.
    pub span: Span,
}

/// A scratch variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Var {
    /// Without the dollar.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// Evaluates for the effect.
    Expr(Expr),
    /// Sets a variable; the value has the variable's type after widening.
    SetVar(VarId, Expr),
    /// Sets a map's value.
    SetMap(MapId, Vec<Expr>, Expr),
    /// Adds to a map's value, by one atomic instruction.
    AddMap {
        /// The map.
        map: MapId,
        /// Its key.
        keys: Vec<Expr>,
        /// What is added; subtraction arrives as the negated value.
        delta: Expr,
    },
    /// Takes a value into the aggregation that the map's type names.
    Gather {
        /// The map.
        map: MapId,
        /// Its key.
        keys: Vec<Expr>,
        /// The value; none for `count()`.
        value: Option<Expr>,
        /// What stands in for the clock that `tseries()` reads.
        clock: Option<Expr>,
    },
    /// Runs one of two lists.
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// Repeats while the condition holds.
    While(Expr, Vec<Stmt>),
    /// Repeats with the variable going from the first number to the one before the second; both are computed once.
    ForRange {
        /// The loop variable.
        var: VarId,
        /// The first value.
        from: Expr,
        /// The value not reached any more.
        to: Expr,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// Repeats for each entry of a keyed map; the variable is the pair `(key, value)`.
    ForMap {
        /// The loop variable.
        var: VarId,
        /// The map.
        map: MapId,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// Repeats this many times, known when compiling.
    Unroll(u64, Vec<Stmt>),
    /// Leaves the innermost loop.
    Break,
    /// Goes on with the next turn of the innermost loop.
    Continue,
    /// Sends a record to be printed.
    Print(FormatId, Vec<Expr>),
    /// Prints a whole map.
    PrintMap {
        /// The map.
        map: MapId,
        /// How many entries, from the end; 0 for all.
        top: u64,
        /// Divisor of the values.
        div: u64,
        /// Each value stands beside its share of the total; it is not divided.
        shares: bool,
    },
    /// Removes all entries.
    Clear(MapId),
    /// Sets all values to zero.
    Zero(MapId),
    /// Ends tracing with this exit code and leaves the probe.
    Exit(Expr),
    /// Leaves the probe, with a number if somebody reads it: that of a test or benchmark, or what becomes of a packet.
    Return(Option<Expr>),
}

/// An expression with its type.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression. Operands of arithmetic are always widened to 64 bits already.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A number or bool; the bits of the value.
    Int(i64),
    /// Text without the closing zero.
    Str(Vec<u8>),
    /// An address of the internet or of the link layer: the words of its slot, each a number.
    Address(Vec<Expr>),
    /// Whether an address of the internet is in a range.
    InSubnet {
        /// The address.
        address: Box<Expr>,
        /// The range.
        subnet: Address,
    },
    /// The byte of the packet at an offset; 0 where it has none.
    PacketByte(Box<Expr>),
    /// A variable.
    Var(VarId),
    /// A map's value, zero when the key is not there.
    MapGet(MapId, Vec<Expr>),
    /// Whether an entry was there and has been removed.
    Delete(MapId, Vec<Expr>),
    /// A builtin without place in the event.
    Builtin(BuiltinId),
    /// `args.NAME`, by its index in the fields of the probe's first attach point; the others have it by the same name.
    EventField(usize),
    /// `argN`
    EventArg(u8),
    /// `-x`, `!x`, `~x`
    Unary(UnaryOp, Box<Expr>),
    /// Arithmetic and bit operations on 64 bits, and comparison of integers, addresses, bools, strings or
    /// tuples.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `cond ? yes : no`
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `value ?: other`: the value unless it is zero.
    OrElse(Box<Expr>, Box<Expr>),
    /// `tuple.0`
    Item(Box<Expr>, usize),
    /// To the type of this expression: narrows or widens an integer, or makes a bool.
    Cast(Box<Expr>),
    /// Several values as one: a tuple, or a record in the order of its type.
    Tuple(Vec<Expr>),
    /// `*pointer`: the value at an address. Reading it may fail, and then it is zero.
    Deref(Box<Expr>),
    /// A member of a structure; the structure may itself be a [`ExprKind::Deref`], which then is not read as a whole.
    Member {
        /// The structure.
        base: Box<Expr>,
        /// Bytes from its beginning.
        offset: u32,
        /// Where a bit-field is.
        bits: Option<Bits>,
    },
    /// An element of an array of C, which like a structure is not read as a whole.
    Element {
        /// The array.
        base: Box<Expr>,
        /// Its number.
        index: Box<Expr>,
    },
    /// `&place`: of a variable, a map's value, or what a chain of members and elements leads to.
    AddressOf(Box<Expr>),
    /// Statements, then a value.
    Block(Vec<Stmt>, Box<Expr>),
    /// The state of an aggregation gathered from all CPUs, as the number it stands for.
    ReadAggregate(MapId, Vec<Expr>),
    /// `$x++` and so on; the value is a variable's old or new one.
    StepVar {
        /// The variable.
        var: VarId,
        /// +1 or -1.
        step: i64,
        /// Gives the value before the change.
        postfix: bool,
    },
    /// `@x++` and so on, atomic.
    StepMap {
        /// The map.
        map: MapId,
        /// Its key.
        keys: Vec<Expr>,
        /// +1 or -1.
        step: i64,
        /// Gives the value before the change.
        postfix: bool,
    },
    /// A function of the language. What its arguments are when they have been checked stands at the code that lowers
    /// it.
    Call(FunctionId, Vec<Expr>),
    /// Whether an entry is there.
    HasKey(MapId, Vec<Expr>),
    /// Whether an entry is there; if it is, a variable gets its value.
    Find {
        /// The map.
        map: MapId,
        /// Its key.
        keys: Vec<Expr>,
        /// The variable.
        var: VarId,
    },
    /// How many entries a map has.
    MapLen(MapId),
    /// Text read from memory at an address, or out of another text; the type gives the buffer's size.
    ReadStr {
        /// The address, or the text.
        pointer: Box<Expr>,
        /// Most bytes to read with the closing zero, when not the buffer's size.
        length: Option<Box<Expr>>,
    },
}

impl Expr {
    /// Whether the variable's value goes into this one.
    pub fn reads_variable(&self, var: VarId) -> bool {
        self.any(&mut |expr| match &expr.kind {
            ExprKind::Var(read) | ExprKind::StepVar { var: read, .. } => *read == var,
            // What its statements do is not looked at.
            ExprKind::Block(..) => true,
            _ => expr.follows_kept_pointer(),
        })
    }

    /// Whether it reads through a pointer that the script has kept: that may point to anything of the script's own.
    fn follows_kept_pointer(&self) -> bool {
        let ExprKind::Deref(pointer) = &self.kind else { return false };
        pointer.any(&mut |expr| matches!(expr.kind, ExprKind::Var(_) | ExprKind::MapGet(..) | ExprKind::Item(..)))
    }

    /// Whether the map is read or changed within.
    pub fn reads_map(&self, map: MapId) -> bool {
        self.any(&mut |expr| match &expr.kind {
            ExprKind::MapGet(used, _)
            | ExprKind::Delete(used, _)
            | ExprKind::StepMap { map: used, .. }
            | ExprKind::HasKey(used, _)
            | ExprKind::Find { map: used, .. }
            | ExprKind::MapLen(used)
            | ExprKind::ReadAggregate(used, _) => *used == map,
            // What its statements do is not looked at.
            ExprKind::Block(..) => true,
            _ => expr.follows_kept_pointer(),
        })
    }

    /// Whether computing it changes a variable or a map.
    pub fn has_effects(&self) -> bool {
        self.any(&mut |expr| {
            matches!(
                expr.kind,
                ExprKind::StepVar { .. }
                    | ExprKind::StepMap { .. }
                    | ExprKind::Find { .. }
                    | ExprKind::Delete(..)
                    | ExprKind::Block(..)
            )
        })
    }

    /// Whether `look` holds for this expression or one within; statements of blocks within are walked, too.
    pub fn any(&self, look: &mut dyn FnMut(&Expr) -> bool) -> bool {
        look(self)
            || match &self.kind {
                ExprKind::Int(_)
                | ExprKind::Str(_)
                | ExprKind::Var(_)
                | ExprKind::Builtin(_)
                | ExprKind::EventField(_)
                | ExprKind::EventArg(_)
                | ExprKind::MapLen(_)
                | ExprKind::StepVar { .. } => false,
                ExprKind::MapGet(_, items)
                | ExprKind::Delete(_, items)
                | ExprKind::Tuple(items)
                | ExprKind::Address(items)
                | ExprKind::Call(_, items)
                | ExprKind::HasKey(_, items)
                | ExprKind::Find { keys: items, .. }
                | ExprKind::ReadAggregate(_, items)
                | ExprKind::StepMap { keys: items, .. } => items.iter().any(|item| item.any(look)),
                ExprKind::Unary(_, inner)
                | ExprKind::Cast(inner)
                | ExprKind::PacketByte(inner)
                | ExprKind::InSubnet { address: inner, .. }
                | ExprKind::Item(inner, _)
                | ExprKind::Deref(inner)
                | ExprKind::Member { base: inner, .. }
                | ExprKind::AddressOf(inner) => inner.any(look),
                ExprKind::Binary(_, left, right)
                | ExprKind::OrElse(left, right)
                | ExprKind::Element { base: left, index: right } => left.any(look) || right.any(look),
                ExprKind::Ternary(cond, yes, no) => cond.any(look) || yes.any(look) || no.any(look),
                ExprKind::ReadStr { pointer, length } => {
                    pointer.any(look) || length.as_ref().is_some_and(|length| length.any(look))
                }
                ExprKind::Block(stmts, value) => any_in(stmts, look) || value.any(look),
            }
    }
}

/// Whether `look` holds for an expression of the statements or of what is nested in them.
pub fn any_in(stmts: &[Stmt], look: &mut dyn FnMut(&Expr) -> bool) -> bool {
    stmts.iter().any(|stmt| match &stmt.kind {
        StmtKind::Expr(expr) | StmtKind::SetVar(_, expr) | StmtKind::Exit(expr) => expr.any(look),
        StmtKind::SetMap(_, keys, value) | StmtKind::AddMap { keys, delta: value, .. } => {
            keys.iter().any(|key| key.any(look)) || value.any(look)
        }
        StmtKind::Gather { keys, value, clock, .. } => keys.iter().chain(value).chain(clock).any(|expr| expr.any(look)),
        StmtKind::If(cond, then, otherwise) => cond.any(look) || any_in(then, look) || any_in(otherwise, look),
        StmtKind::While(cond, body) => cond.any(look) || any_in(body, look),
        StmtKind::ForRange { from, to, body, .. } => from.any(look) || to.any(look) || any_in(body, look),
        StmtKind::ForMap { body, .. } | StmtKind::Unroll(_, body) => any_in(body, look),
        StmtKind::Print(_, args) => args.iter().any(|arg| arg.any(look)),
        StmtKind::Return(value) => value.as_ref().is_some_and(|value| value.any(look)),
        StmtKind::PrintMap { .. } | StmtKind::Clear(_) | StmtKind::Zero(_) | StmtKind::Break | StmtKind::Continue => {
            false
        }
    })
}
