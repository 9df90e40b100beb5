//! The walk over a script that finds calls of macros, and within their bodies what stands for something else.

use super::{Expander, is_place};
use crate::ast::{Block, Expr, ExprKind, ForOver, PartMut, Stmt, StmtKind, ValueBlock};
use crate::diag::Diagnostic;

impl Expander<'_> {
    pub(super) fn value_block(&mut self, block: &mut ValueBlock) {
        self.block(&mut block.block);
        if let Some(value) = &mut block.value {
            self.expr(value);
        }
    }

    pub(super) fn block(&mut self, block: &mut Block) {
        for stmt in &mut block.stmts {
            self.depth += 1;
            if self.may_grow(stmt.span) {
                self.stmt(stmt);
            } else {
                stmt.kind = StmtKind::Error;
            }
            self.depth -= 1;
        }
    }

    fn stmt(&mut self, stmt: &mut Stmt) {
        match &mut stmt.kind {
            StmtKind::Expr(expr) => {
                self.expr(expr);
                // A call of a macro has become a block.
                let expanded = std::mem::replace(&mut expr.kind, ExprKind::Error);
                *stmt = Expr { kind: expanded, span: expr.span }.into_stmt();
            }
            StmtKind::For { var, over, body } => {
                match over {
                    ForOver::Range(from, to) => {
                        self.expr(from);
                        self.expr(to);
                    }
                    ForOver::Entries(of) => self.expr(of),
                }
                self.declared(var);
                self.block(body);
            }
            StmtKind::Return(_) if self.frame().is_some() => {
                self.report(Diagnostic::error(stmt.span, "'return' statement is not allowed in a macro"));
                stmt.kind = StmtKind::Error;
            }
            _ => {
                match &mut stmt.kind {
                    StmtKind::Let { name, .. } => self.declared(name),
                    StmtKind::Assign { place: Expr { kind: ExprKind::Var(name), .. }, .. } => self.made(name),
                    _ => {}
                }
                stmt.parts_mut(&mut |part| self.part(part));
            }
        }
    }

    fn part(&mut self, part: PartMut<'_>) {
        match part {
            PartMut::Expr(expr) => self.expr(expr),
            PartMut::Type(ty) => self.type_name(ty),
            PartMut::TypeOf(of) => self.type_of(of),
            PartMut::Values(block) => self.value_block(block),
            PartMut::Block(block) => self.block(block),
        }
    }

    /// An expression and all within it.
    pub(super) fn expr(&mut self, expr: &mut Expr) {
        self.depth += 1;
        if self.may_grow(expr.span) {
            self.inside(expr);
        } else {
            expr.kind = ExprKind::Error;
        }
        self.depth -= 1;
    }

    fn inside(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Ident(_) => {
                let place = expr.span;
                self.ident(expr);
                if matches!(expr.kind, ExprKind::TypeOf(_)) {
                    self.stray_type(expr, Some(place));
                }
                // Here it is a value, whatever is around it.
                unwrap(expr, is_place);
            }
            ExprKind::Call { name, args } => {
                // It gives the variable its value.
                if let ("find", Some(ExprKind::Var(found))) = (name.text.as_str(), args.get(2).map(|arg| &arg.kind)) {
                    self.made(found);
                }
                for arg in args.iter_mut() {
                    self.argument(arg);
                }
                let (name, args) = (name.clone(), std::mem::take(args));
                if self.call(expr, &name, &args) {
                    return;
                }
                // No other function takes types.
                let mut args = args;
                let takes_type = |index| name.text == "container_of" && index == 1;
                for (index, arg) in args.iter_mut().enumerate() {
                    if matches!(arg.kind, ExprKind::TypeOf(_)) && !takes_type(index) {
                        self.stray_type(arg, None);
                    }
                }
                // A function may do with a map what a macro's argument is kept from.
                args.iter_mut().for_each(|arg| unwrap(arg, |value| matches!(value.kind, ExprKind::Var(_))));
                expr.kind = ExprKind::Call { name, args };
            }
            ExprKind::TypeOf(_) => self.stray_type(expr, None),
            _ => self.children(expr),
        }
    }

    /// An argument of a call, which may be a type.
    fn argument(&mut self, arg: &mut Expr) {
        self.depth += 1;
        match &mut arg.kind {
            _ if !self.may_grow(arg.span) => arg.kind = ExprKind::Error,
            ExprKind::TypeOf(of) => self.type_of(of),
            // A parameter that was given a type may be passed on.
            ExprKind::Ident(_) => self.ident(arg),
            _ => self.inside(arg),
        }
        self.depth -= 1;
    }

    /// All that an expression consists of.
    pub(super) fn children(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Var(name) => self.variable(name),
            ExprKind::Map(name) => self.map(name, expr.span),
            ExprKind::MapKey { map, .. } => self.map(&mut map.text, map.span),
            ExprKind::OffsetOf { path, .. } => self.member_path(path),
            _ => {}
        }
        expr.parts_mut(&mut |part| self.part(part));
    }
}

/// Takes the block away from around a place of which only the value is wanted.
fn unwrap(expr: &mut Expr, if_holds: impl Fn(&Expr) -> bool) {
    if let ExprKind::Block(block) = &mut expr.kind
        && block.block.stmts.is_empty()
        && block.value.as_ref().is_some_and(|value| if_holds(value))
        && let Some(value) = block.value.take()
    {
        *expr = *value;
    }
}
