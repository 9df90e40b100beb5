//! What expressions and statements consist of, in the order of the text: the one place that lists it, for every walk
//! over the tree.

use super::{Block, Expr, ExprKind, ForOver, Stmt, StmtKind, TypeBase, TypeName, TypeOf, ValueBlock};

/// A direct part of an expression or a statement.
pub enum Part<'a> {
    /// An expression.
    Expr(&'a Expr),
    /// A written type.
    Type(&'a TypeName),
    /// What `sizeof` and its like are asked of.
    TypeOf(&'a TypeOf),
    /// A block that has a value.
    Values(&'a ValueBlock),
    /// A block of statements.
    Block(&'a Block),
}

/// A direct part of an expression or a statement that is to be changed.
#[allow(missing_docs)] // as those of `Part`
pub enum PartMut<'a> {
    Expr(&'a mut Expr),
    Type(&'a mut TypeName),
    TypeOf(&'a mut TypeOf),
    Values(&'a mut ValueBlock),
    Block(&'a mut Block),
}

/// `parts` and `parts_mut` differ in nothing but the reference.
macro_rules! list_parts {
    ($name:ident, $part:ident $(, $exclusive:tt)?) => {
        impl Expr {
            /// Calls `look` on each direct part, in the order of the text.
            pub fn $name(& $($exclusive)? self, look: &mut impl FnMut($part<'_>)) {
                match & $($exclusive)? self.kind {
                    ExprKind::Int(..)
                    | ExprKind::Address(_)
                    | ExprKind::Str(_)
                    | ExprKind::Bool(_)
                    | ExprKind::Ident(_)
                    | ExprKind::Var(_)
                    | ExprKind::Map(_)
                    | ExprKind::Param(_)
                    | ExprKind::Error => {}
                    ExprKind::MapKey { keys: items, .. }
                    | ExprKind::Call { args: items, .. }
                    | ExprKind::Tuple(items) => {
                        for item in items {
                            look($part::Expr(item));
                        }
                    }
                    ExprKind::Record(items) => {
                        for (_, item) in items {
                            look($part::Expr(item));
                        }
                    }
                    ExprKind::Field { base: inner, .. }
                    | ExprKind::Unary(_, inner)
                    | ExprKind::IncDec { place: inner, .. }
                    | ExprKind::Comptime(inner) => look($part::Expr(inner)),
                    ExprKind::Cast { ty, value } => {
                        look($part::Type(ty));
                        look($part::Expr(value));
                    }
                    ExprKind::SizeOf(of)
                    | ExprKind::OffsetOf { of, .. }
                    | ExprKind::TypeOf(of)
                    | ExprKind::TypeInfo(of) => look($part::TypeOf(of)),
                    ExprKind::Index { base: left, index: right } | ExprKind::Binary { left, right, .. } => {
                        look($part::Expr(left));
                        look($part::Expr(right));
                    }
                    ExprKind::Ternary { cond, yes, no } => {
                        look($part::Expr(cond));
                        if let Some(yes) = yes {
                            look($part::Expr(yes));
                        }
                        look($part::Expr(no));
                    }
                    ExprKind::Block(block) => look($part::Values(block)),
                    ExprKind::If { cond, then, otherwise } => {
                        look($part::Expr(cond));
                        look($part::Values(then));
                        if let Some(block) = otherwise {
                            look($part::Values(block));
                        }
                    }
                }
            }
        }

        impl Stmt {
            /// Calls `look` on each direct part, in the order of the text.
            pub fn $name(& $($exclusive)? self, look: &mut impl FnMut($part<'_>)) {
                match & $($exclusive)? self.kind {
                    StmtKind::Expr(expr) | StmtKind::Discard(expr) | StmtKind::Return(Some(expr)) => {
                        look($part::Expr(expr));
                    }
                    StmtKind::Let { ty, value, .. } => {
                        if let Some(ty) = ty {
                            look($part::Type(ty));
                        }
                        if let Some(value) = value {
                            look($part::Expr(value));
                        }
                    }
                    StmtKind::Assign { place, value, .. } => {
                        look($part::Expr(place));
                        look($part::Expr(value));
                    }
                    StmtKind::If { cond, then, otherwise } => {
                        look($part::Expr(cond));
                        look($part::Block(then));
                        if let Some(block) = otherwise {
                            look($part::Block(block));
                        }
                    }
                    StmtKind::Block(block) => look($part::Block(block)),
                    StmtKind::While { cond: expr, body } | StmtKind::Unroll { count: expr, body } => {
                        look($part::Expr(expr));
                        look($part::Block(body));
                    }
                    StmtKind::For { over, body, .. } => {
                        match over {
                            ForOver::Range(from, to) => {
                                look($part::Expr(from));
                                look($part::Expr(to));
                            }
                            ForOver::Entries(of) => look($part::Expr(of)),
                        }
                        look($part::Block(body));
                    }
                    StmtKind::Return(None) | StmtKind::Break | StmtKind::Continue | StmtKind::Error => {}
                }
            }
        }
    };
}

list_parts!(parts, Part);
list_parts!(parts_mut, PartMut, mut);

impl Part<'_> {
    fn visit(&self, look: &mut impl FnMut(&Expr)) {
        match self {
            Self::Expr(expr) => expr.visit(look),
            Self::Type(ty) => ty.visit(look),
            Self::TypeOf(TypeOf::Expr(expr)) => expr.visit(look),
            Self::TypeOf(TypeOf::Type(ty)) => ty.visit(look),
            Self::Values(block) => block.visit(look),
            Self::Block(block) => block.visit(look),
        }
    }
}

impl Expr {
    /// Calls `look` on this expression and every one within it.
    pub fn visit(&self, look: &mut impl FnMut(&Expr)) {
        look(self);
        self.parts(&mut |part| part.visit(look));
    }
}

impl TypeName {
    fn visit(&self, look: &mut impl FnMut(&Expr)) {
        if let TypeBase::TypeOf(of) = &self.base {
            Part::TypeOf(of).visit(look);
        }
    }
}

impl ValueBlock {
    /// Calls `look` on every expression within.
    pub fn visit(&self, look: &mut impl FnMut(&Expr)) {
        self.block.visit(look);
        self.value.iter().for_each(|value| value.visit(look));
    }
}

impl Block {
    /// Calls `look` on every expression within.
    pub fn visit(&self, look: &mut impl FnMut(&Expr)) {
        for stmt in &self.stmts {
            stmt.parts(&mut |part| part.visit(look));
        }
    }
}
