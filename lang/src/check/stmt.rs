//! Statements: assignments, branches, and calls for their effect.

use super::expr::{int, known_truth, literal};
use super::gathered::as_number;
use super::loops::zero_of;
use super::names::{Declared, Variable};
use super::{Checker, ProbeState};
use crate::ast::{self, BinaryOp, UnaryOp};
use crate::diag::Diagnostic;
use crate::functions::function;
use crate::span::Span;
use crate::target::Attach;
use crate::typed::{Expr, ExprKind, Stmt, StmtKind, Var, VarId};
use crate::types::Type;

impl Checker<'_> {
    /// The statements of a block, in a scope of its own.
    pub fn block(&mut self, state: &mut ProbeState<'_>, block: &ast::Block) -> Vec<Stmt> {
        state.scopes.enter();
        let stmts = self.stmts(state, &block.stmts);
        state.scopes.leave();
        stmts
    }

    /// Statements in the scope that is open.
    pub fn stmts(&mut self, state: &mut ProbeState<'_>, block: &[ast::Stmt]) -> Vec<Stmt> {
        let mut stmts: Vec<Stmt> = Vec::new();
        let mut left = false;
        for stmt in block {
            if left {
                self.report(Diagnostic::warning(stmt.span, "Unreachable statement."));
                left = false;
            }
            let before = stmts.len();
            self.stmt(state, stmt, &mut stmts);
            left |= stmts[before..].iter().any(|stmt| {
                matches!(stmt.kind, StmtKind::Exit(_) | StmtKind::Return(_) | StmtKind::Break | StmtKind::Continue)
            });
        }
        stmts
    }

    fn stmt(&mut self, state: &mut ProbeState<'_>, stmt: &ast::Stmt, out: &mut Vec<Stmt>) {
        let span = stmt.span;
        let kind = match &stmt.kind {
            ast::StmtKind::Expr(expr) => {
                let before = self.walk.diagnostics.len();
                self.effect(state, expr, span, out);
                // What is wrong has no value.
                if is_idle(expr) && !self.walk.diagnostics[before..].iter().any(Diagnostic::is_error) {
                    let warning = Diagnostic::warning(span, "Return value discarded.");
                    self.report(warning.with_help("this does nothing; `_ = ...` says that it is meant"));
                }
                return;
            }
            ast::StmtKind::Let { name, ty, value } => self.declare(state, name, ty.as_ref(), value.as_ref(), span),
            ast::StmtKind::Assign { place, op, value } => self.assign(state, place, *op, value, span),
            ast::StmtKind::If { cond, then, otherwise } => {
                let at_compile_time = matches!(cond.kind, ast::ExprKind::Comptime(_));
                let cond = self.condition(state, cond);
                // What is not taken may be wrong: that is what it is for.
                if let (true, Some(taken)) = (at_compile_time, known_truth(&cond)) {
                    let branch = if taken { Some(then) } else { otherwise.as_ref() };
                    return out.extend(branch.map(|block| self.block(state, block)).unwrap_or_default());
                }
                let then = self.block(state, then);
                let otherwise = otherwise.as_ref().map(|block| self.block(state, block)).unwrap_or_default();
                Some(StmtKind::If(cond, then, otherwise))
            }
            ast::StmtKind::Block(block) => {
                let is_expanded = state.enter_body(block.span, span);
                out.extend(self.block(state, block));
                if is_expanded {
                    state.calls.pop();
                }
                return;
            }
            ast::StmtKind::Return(Some(value)) if state.header.points.iter().any(|point| point.attach.is_packet()) => {
                Some(StmtKind::Return(self.verdict(state, value, span)))
            }
            ast::StmtKind::Return(value) => {
                let value = value.as_ref().map(|value| self.value(state, value));
                if let Some(value) = &value
                    && !matches!(value.ty, Type::Int(_) | Type::Unknown)
                {
                    let title = format!("Probe return values can only be integers. Found {}", value.ty);
                    self.refuse(span, title);
                }
                // What other probes return means nothing to anybody, but scripts may say it.
                let is_read =
                    state.header.points.iter().any(|point| matches!(point.attach, Attach::Test | Attach::Bench));
                Some(StmtKind::Return(value.filter(|value| is_read && matches!(value.ty, Type::Int(_)))))
            }
            ast::StmtKind::Discard(value) => return self.effect(state, value, span, out),
            ast::StmtKind::While { cond, body } => self.while_loop(state, cond, body, span),
            ast::StmtKind::For { var, over, body } => self.for_loop(state, var, over, body),
            ast::StmtKind::Unroll { count, body } => self.unroll(state, count, body),
            ast::StmtKind::Break => self.jump(state, StmtKind::Break, span),
            ast::StmtKind::Continue => self.jump(state, StmtKind::Continue, span),
            ast::StmtKind::Error => None,
        };
        out.extend(kind.map(|kind| Stmt { kind, span }));
    }

    /// An expression as a statement; calls without a value become statements of their own.
    pub fn effect(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr, span: Span, out: &mut Vec<Stmt>) {
        let kind = match &expr.kind {
            ast::ExprKind::Call { name, args } => self.call_statement(state, name, args, span),
            // Its branches may be calls without a value.
            ast::ExprKind::Ternary { cond, yes: Some(yes), no } => {
                let cond = self.condition(state, cond);
                let [yes, no] = [yes, no].map(|branch| {
                    let mut stmts = Vec::new();
                    self.effect(state, branch, branch.span, &mut stmts);
                    stmts
                });
                Some(StmtKind::If(cond, yes, no))
            }
            ast::ExprKind::Block(block) => {
                let block = self.value_block(state, block, span);
                match block.kind {
                    ExprKind::Block(stmts, value) if value.ty == Type::Void => return out.extend(stmts),
                    _ => Some(StmtKind::Expr(block)),
                }
            }
            ast::ExprKind::If { cond, then, otherwise } => {
                let cond = self.condition(state, cond);
                let mut branch = |block: &ast::ValueBlock| {
                    let mut stmts = Vec::new();
                    let block = ast::Expr { kind: ast::ExprKind::Block(block.clone()), span };
                    self.effect(state, &block, span, &mut stmts);
                    stmts
                };
                let then = branch(then);
                let otherwise = otherwise.as_ref().map(branch).unwrap_or_default();
                Some(StmtKind::If(cond, then, otherwise))
            }
            // Nothing can be known of its type, nor does it matter.
            ast::ExprKind::Map(name) if *self.maps.value_of(name) == Type::Unknown => None,
            _ => Some(StmtKind::Expr(self.expr(state, expr))),
        };
        out.extend(kind.map(|kind| Stmt { kind, span }));
    }

    fn declare(
        &mut self,
        state: &mut ProbeState<'_>,
        name: &ast::Name,
        ty: Option<&ast::TypeName>,
        value: Option<&ast::Expr>,
        span: Span,
    ) -> Option<StmtKind> {
        if let Some(first) = state.scopes.find(&name.text) {
            let first = first.declared.span;
            let title = format!("Variable ${} was already declared. Variable shadowing is not allowed.", name.text);
            let told = Diagnostic::error(Span::new(span.start, name.span.end), title);
            self.report(told.with_related(first, "first declared here"));
            return None;
        }
        let fixed = ty.and_then(|ty| match self.type_name(state, ty) {
            Some(Type::Void) => {
                self.refuse(ty.span, "Invalid variable declaration type: void");
                None
            }
            known => known,
        });
        if ty.is_some() && fixed.is_none() {
            self.broken_variables.insert(Declared::new(name.span, &name.text));
        }
        // The value is checked first: `let $x = $x` reads an outer name.
        let value = value.map(|value| self.value(state, value));
        // A `string` without a length is as long as what is assigned to it.
        let open_ended = fixed == Some(Type::Str(0));
        let fixed = if open_ended { Some(Type::Str(1)) } else { fixed };
        let var = self.new_variable(state, &name.text, name.span, fixed.is_some() && !open_ended);
        if let Some(ty) = &fixed {
            self.widen_variable(Declared::new(name.span, &name.text), ty.clone());
        }
        let value = match (value, fixed) {
            (Some(value), _) => value,
            // Declared only: starts at zero.
            (None, Some(ty)) if ty.is_scalar() || matches!(ty, Type::Str(_)) => zero_of(&ty, span)?,
            // In a loop also what an earlier turn has left must go.
            (None, None) if state.repeats > 0 => zero_of(&state.vars[var.index()].ty, span)?,
            (None, _) => return None,
        };
        self.set_variable(state, &name.text, var, value, span)
    }

    pub fn new_variable(&mut self, state: &mut ProbeState<'_>, name: &str, declared: Span, fixed: bool) -> VarId {
        let id = VarId(state.vars.len() as u32);
        let declared = Declared::new(declared, name);
        let ty = self.variable_types.get(&declared).cloned().unwrap_or(Type::Unknown);
        state.vars.push(Var { name: name.to_owned(), ty });
        state.scopes.declare(name, Variable { id, declared, fixed });
        id
    }

    /// Sets a variable that is in scope.
    pub fn set_variable(
        &mut self,
        state: &mut ProbeState<'_>,
        name: &str,
        var: VarId,
        value: Expr,
        span: Span,
    ) -> Option<StmtKind> {
        let value = self.variable_value(value);
        let variable = state.scopes.find(name)?;
        let known = self.variable_types.get(&variable.declared).cloned().unwrap_or(Type::Unknown);
        let too_long =
            variable.fixed && matches!((&known, &value.ty), (Type::Str(room), Type::Str(size)) if size > room);
        if known.join(&value.ty).is_none() || too_long {
            let title = format!(
                "Type mismatch for ${name}: trying to assign value of type '{}' when variable already has a type '{known}'",
                value.ty
            );
            self.report(Diagnostic::error(span, title).with_related(variable.declared.span, "its type was fixed here"));
            return None;
        }
        let value = match (variable.fixed, &known) {
            (true, Type::Int(int)) => {
                if let (ExprKind::Int(literal), Type::Int(_)) = (&value.kind, &value.ty)
                    && !int.holds(i128::from(*literal))
                {
                    let title = format!(
                        "Type mismatch for ${name}: trying to assign value of type '{}' when variable already has a type '{known}'",
                        value.ty
                    );
                    let label = format!("{literal} does not fit {known}");
                    self.report(Diagnostic::error(span, title).with_label(label));
                    return None;
                }
                let span = value.span;
                if let Type::Int(given) = &value.ty
                    && literal(&value).is_none()
                    && given.join(*int) != *int
                {
                    let title = format!(
                        "Expression of type: {} being cast to type: {known}. This may cause unexpected results. Use an \
                         explicit cast to suppress this warning.",
                        value.ty
                    );
                    self.report(Diagnostic::warning(span, title));
                }
                self.cast(value, known.clone(), span)
            }
            (true, _) => value,
            (false, _) => {
                if value.ty == Type::Unknown {
                    self.broken_variables.insert(variable.declared);
                }
                self.widen_variable(variable.declared, value.ty.clone());
                value
            }
        };
        state.vars[var.index()].ty = self.variable_types.get(&variable.declared).cloned().unwrap_or(Type::Unknown);
        Some(StmtKind::SetVar(var, value))
    }

    fn assign(
        &mut self,
        state: &mut ProbeState<'_>,
        place: &ast::Expr,
        op: Option<BinaryOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<StmtKind> {
        match &place.kind {
            ast::ExprKind::Var(name) => {
                let value = match op {
                    None => self.value(state, value),
                    Some(op) => {
                        let old = self.expr(state, place);
                        let value = self.value(state, value);
                        self.binary(op, old, value, span)
                    }
                };
                let var = match state.scopes.find(name) {
                    Some(variable) => variable.id,
                    // With a compound operator it has been reported as undefined.
                    None if op.is_some() => return None,
                    None => self.new_variable(state, name, place.span, false),
                };
                self.set_variable(state, name, var, value, span)
            }
            ast::ExprKind::Map(_) | ast::ExprKind::MapKey { .. } => self.assign_map(state, place, op, value, span),
            ast::ExprKind::Error => None,
            _ => {
                let help = match &place.kind {
                    ast::ExprKind::Field { .. } | ast::ExprKind::Index { .. } => {
                        Some("what has parts stays as it was made: make a new one and assign that")
                    }
                    ast::ExprKind::Unary(UnaryOp::Deref, _) => {
                        Some("memory of others is only read, but see write_user()")
                    }
                    _ => None,
                };
                let error = Diagnostic::error(place.span, "only a variable or a map can be assigned to");
                self.report(error.with_maybe_help(help.map(str::to_owned)));
                None
            }
        }
    }

    fn assign_map(
        &mut self,
        state: &mut ProbeState<'_>,
        place: &ast::Expr,
        op: Option<BinaryOp>,
        value: &ast::Expr,
        span: Span,
    ) -> Option<StmtKind> {
        if let (None, ast::ExprKind::Call { name, args }) = (op, &value.kind)
            && let Some(row) = function(&name.text).filter(|row| row.aggregation)
        {
            return self.gather(state, place, row, args, value.span);
        }
        if let (None, ast::ExprKind::Block(block)) = (op, &value.kind)
            && let Some(last) = block.value.as_ref().filter(|last| ends_in_aggregation(last))
        {
            state.scopes.enter();
            let is_expanded = state.enter_body(block.block.span, value.span);
            let mut stmts = self.stmts(state, &block.block.stmts);
            let gathered = self.assign_map(state, place, None, last, span);
            if is_expanded {
                state.calls.pop();
            }
            state.scopes.leave();
            stmts.push(Stmt { kind: gathered?, span });
            let kind = ExprKind::Block(stmts, Box::new(int(0, Type::Bool, span)));
            return Some(StmtKind::Expr(Expr { kind, ty: Type::Bool, span }));
        }
        if let Some(op) = op {
            return self.update_map(state, place, op, value, span);
        }
        let (map, keys) = self.map_place(state, place);
        let value = self.value(state, value);
        // With a cast it has the type of a number.
        if let Type::Aggregate(aggregate) = value.ty {
            let name = self.maps.display_name(map);
            let title = format!(
                "Map value '{}' cannot be assigned from one map to another. The function that returns this type must be \
                 called directly e.g. `{name} = {}();`.",
                value.ty,
                aggregate.name(),
            );
            let help = format!("add a cast to integer if you want the value of the aggregate: {name} = (int64)...");
            self.report(Diagnostic::error(span, title).with_help(help));
            return None;
        }
        let ty = self.maps.room_for(map, &value);
        self.learn_value(map, &ty, span)?;
        Some(StmtKind::SetMap(map, keys, value))
    }

    /// `@x op= value`: by one atomic instruction where there is one.
    fn update_map(
        &mut self,
        state: &mut ProbeState<'_>,
        place: &ast::Expr,
        op: BinaryOp,
        value: &ast::Expr,
        span: Span,
    ) -> Option<StmtKind> {
        let (map, keys) = self.map_place(state, place);
        let value = as_number(self.value(state, value));
        if let (BinaryOp::Add | BinaryOp::Sub, Type::Pointer(..)) = (op, self.maps.value(map)) {
            let old = Expr { kind: ExprKind::MapGet(map, keys.clone()), ty: self.maps.value(map).clone(), span };
            let ExprKind::Binary(_, _, by) = self.binary(op, old, value, span).kind else { return None };
            let by = *by;
            let delta = match op {
                BinaryOp::Add => by,
                _ => Expr { ty: Type::I64, span, kind: ExprKind::Unary(UnaryOp::Neg, Box::new(by)) },
            };
            return Some(StmtKind::AddMap { map, keys, delta });
        }
        if !value.ty.is_scalar() && value.ty != Type::Unknown {
            let title = format!("Type mismatch for '{}': comparing int64 with {}", op.symbol(), value.ty);
            self.refuse(span, title);
            return None;
        }
        let wide = match (op, &value.ty) {
            (BinaryOp::Sub, _) => Type::I64,
            (_, Type::Int(int)) => Type::Int(int.widest()),
            _ => Type::I64,
        };
        self.learn_value(map, &wide, span)?;
        let ty = self.maps.value(map).clone();
        let operand_span = value.span;
        match op {
            BinaryOp::Add => Some(StmtKind::AddMap { map, keys, delta: value }),
            BinaryOp::Sub => {
                let delta = ExprKind::Unary(UnaryOp::Neg, Box::new(value));
                Some(StmtKind::AddMap { map, keys, delta: Expr { kind: delta, ty: Type::I64, span: operand_span } })
            }
            _ => {
                let old = Expr { kind: ExprKind::MapGet(map, keys.clone()), ty, span: place.span };
                let new = self.binary(op, old, value, span);
                Some(StmtKind::SetMap(map, keys, new))
            }
        }
    }
}

/// Whether a value is a call of an aggregation, or a block that ends in one.
fn ends_in_aggregation(value: &ast::Expr) -> bool {
    match &value.kind {
        ast::ExprKind::Call { name, .. } => function(&name.text).is_some_and(|row| row.aggregation),
        ast::ExprKind::Block(block) => block.value.as_ref().is_some_and(|last| ends_in_aggregation(last)),
        _ => false,
    }
}

/// Whether a statement only computes a value, which nobody sees.
fn is_idle(expr: &ast::Expr) -> bool {
    use ast::ExprKind as A;
    // What has branches or statements of its own tells of those.
    let is_value =
        !matches!(expr.kind, A::Ternary { .. } | A::Block(_) | A::If { .. } | A::Comptime(_) | A::Error | A::TypeOf(_));
    let mut acts = false;
    expr.visit(&mut |part| {
        acts |= match &part.kind {
            A::Call { name, .. } => function(&name.text).is_none_or(|row| !row.is_pure()),
            A::IncDec { .. } | A::Block(_) | A::Error => true,
            _ => false,
        }
    });
    is_value && !acts
}
