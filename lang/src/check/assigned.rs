//! Variables that are read before anything was assigned to them, and such that never are.
//!
//! Only what `let` declares without a value can be either; any other variable begins with its first assignment. What
//! counts is the order of the text: an assignment in a branch that is never taken is one.

use crate::ast::{Block, Expr, ExprKind, Name, Part, Probe, Stmt, StmtKind, ValueBlock};
use crate::diag::Diagnostic;
use crate::span::Span;

/// The warnings about one probe.
pub fn unassigned(probe: &Probe) -> Vec<Diagnostic> {
    let mut walk = Walk::default();
    if let Some(predicate) = &probe.predicate {
        walk.expr(predicate);
    }
    walk.block(&probe.body);
    walk.told
}

#[derive(Default)]
struct Walk {
    /// The variables of the scopes that are open, inner ones last.
    known: Vec<Known>,
    told: Vec<Diagnostic>,
}

struct Known {
    name: String,
    /// Where `let` stands, from there to the name.
    declared: Span,
    assigned: bool,
    read: bool,
}

impl Walk {
    fn block(&mut self, block: &Block) {
        let outer = self.known.len();
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
        self.leave(outer);
    }

    fn values(&mut self, block: &ValueBlock) {
        let outer = self.known.len();
        block.block.stmts.iter().for_each(|stmt| self.stmt(stmt));
        block.value.iter().for_each(|value| self.expr(value));
        self.leave(outer);
    }

    /// Closes a scope. What was read was told of there.
    fn leave(&mut self, outer: usize) {
        for gone in self.known.drain(outer..).filter(|gone| !gone.assigned && !gone.read) {
            let title = format!("Variable ${} was never assigned to.", gone.name);
            self.told.push(Diagnostic::warning(gone.declared, title));
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { name: Name { text: name, span }, value: None, .. } => {
                let declared = Span::new(stmt.span.start, span.end);
                self.known.push(Known { name: name.clone(), declared, assigned: false, read: false });
            }
            StmtKind::Assign { place: Expr { kind: ExprKind::Var(name), span }, op, value } => {
                self.expr(value);
                if op.is_some() {
                    self.read(name, *span);
                }
                self.assign(name);
            }
            _ => stmt.parts(&mut |part| self.part(part)),
        }
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Expr(expr) => self.expr(expr),
            Part::Values(block) => self.values(block),
            Part::Block(block) => self.block(block),
            // Only its type is asked for.
            Part::Type(_) | Part::TypeOf(_) => {}
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Var(name) => self.read(name, expr.span),
            ExprKind::IncDec { place, .. } => {
                self.expr(place);
                if let ExprKind::Var(name) = &place.kind {
                    self.assign(name);
                }
            }
            // The last argument is where the value goes.
            ExprKind::Call { name, args } if name.text == "find" => {
                args.iter().for_each(|arg| match &arg.kind {
                    ExprKind::Var(name) if std::ptr::eq(arg, &args[args.len() - 1]) => self.assign(name),
                    _ => self.expr(arg),
                });
            }
            _ => expr.parts(&mut |part| self.part(part)),
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Known> {
        self.known.iter_mut().rev().find(|known| known.name == name)
    }

    fn assign(&mut self, name: &str) {
        if let Some(known) = self.find(name) {
            known.assigned = true;
        }
    }

    fn read(&mut self, name: &str, span: Span) {
        if let Some(known) = self.find(name).filter(|known| !known.assigned) {
            known.read = true;
            let title = format!("Variable used before it was assigned: ${name}");
            self.told.push(Diagnostic::warning(span, title));
        }
    }
}
