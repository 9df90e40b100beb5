//! Statements.

use super::Lowering;
use crate::event::Control;
use lang::target::Attach;
use lang::typed::{Expr, ExprKind, Stmt, StmtKind, VarId};

impl Lowering<'_, '_> {
    /// A list of statements; what follows one that leaves is not lowered.
    pub fn stmts(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            if self.returned {
                return;
            }
            let mark = self.mark();
            self.at(stmt.span);
            self.stmt(stmt);
            self.reset(mark);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        let span = stmt.span;
        match &stmt.kind {
            StmtKind::Expr(expr) => self.effect(expr),
            StmtKind::SetVar(var, value) => self.set_var(*var, value),
            StmtKind::SetMap(map, keys, value) => self.map_set(*map, keys, value, span),
            StmtKind::AddMap { map, keys, delta } => {
                let delta = self.scalar(delta);
                self.at(span);
                self.map_add(*map, keys, delta, span);
            }
            StmtKind::Gather { map, keys, value, clock } => {
                self.gather(*map, keys, value.as_ref(), clock.as_ref(), span);
            }
            StmtKind::If(cond, then, otherwise) => self.branches(cond, then, otherwise),
            StmtKind::Print(format, args) => self.print(*format, args, span),
            StmtKind::PrintMap { map, top, div, shares } => {
                let kind = if *shares { Control::PrintShares } else { Control::PrintMap };
                let arguments = [self.int(*top as i64), self.int(*div as i64)];
                self.if_half_free(span, |this| this.control(kind, map.0, arguments, span));
            }
            StmtKind::Clear(map) => {
                let zero = self.int(0);
                self.control(Control::Clear, map.0, [zero, zero], span);
            }
            StmtKind::Zero(map) => {
                let zero = self.int(0);
                self.control(Control::Zero, map.0, [zero, zero], span);
            }
            StmtKind::Exit(code) => {
                let code = self.scalar(code);
                let zero = self.int(0);
                self.note_exit(code);
                if self.unit.probe.points.iter().any(|point| matches!(point.attach, Attach::Test | Attach::Bench)) {
                    self.note_result(zero, span);
                }
                self.control(Control::Exit, self.layout.entry, [code, zero], span);
                self.leave();
            }
            StmtKind::Return(Some(verdict)) if self.unit.context.packet().is_some() => self.leave_with(verdict),
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    let value = self.scalar(value);
                    self.note_result(value, span);
                }
                self.leave();
            }
            StmtKind::While(cond, body) => self.while_loop(stmt, cond, body),
            StmtKind::ForRange { var, from, to, body } => self.for_range(stmt, *var, [from, to], body),
            StmtKind::ForMap { var, map, body } => self.for_map(*var, *map, body, span),
            StmtKind::Unroll(times, body) => (0..*times).for_each(|_| self.stmts(body)),
            StmtKind::Break => self.break_loop(),
            StmtKind::Continue => self.continue_loop(),
        }
    }

    /// An expression whose value nobody wants.
    fn effect(&mut self, expr: &Expr) {
        match &expr.kind {
            _ if expr.ty.is_scalar() => {
                self.scalar(expr);
            }
            ExprKind::Block(stmts, value) => {
                self.stmts(stmts);
                if !self.returned {
                    self.effect(value);
                }
            }
            // Texts and tuples have no effect of their own, but their parts may.
            ExprKind::Tuple(items) => items.iter().for_each(|item| self.effect(item)),
            ExprKind::Item(tuple, _) => self.effect(tuple),
            _ => {}
        }
    }

    fn set_var(&mut self, var: VarId, value: &Expr) {
        match self.variables[var.index()] {
            place if value.ty.is_scalar() => {
                let value = self.scalar(value);
                self.set_variable_value(place, value);
            }
            place => {
                let ty = self.unit.probe.vars[var.index()].ty.clone();
                let to = self.variable_address(place);
                if value.reads_variable(var) {
                    let from = self.temporary(ty.slot_size());
                    self.store(value, &ty, from);
                    self.copy(from, to, ty.slot_size());
                } else {
                    self.store(value, &ty, to);
                }
            }
        }
    }

    fn branches(&mut self, cond: &Expr, then: &[Stmt], otherwise: &[Stmt]) {
        let [yes, no, done] = [(); 3].map(|()| self.builder.create_block());
        self.branch(cond, yes, no);
        let mut all_leave = true;
        for (block, stmts) in [(yes, then), (no, otherwise)] {
            self.resume(block);
            self.in_branch(|this| this.stmts(stmts));
            if !self.returned {
                self.jump(done);
                all_leave = false;
            }
        }
        match all_leave {
            true => self.returned = true,
            false => self.resume(done),
        }
    }
}
