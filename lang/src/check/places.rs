//! Variables and maps: their values, their keys, and what they come to hold.

use super::expr::unknown;
use super::members::step_of;
use super::names::{Declared, NEVER_ASSIGNED};
use super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, MapId};
use crate::types::{IntType, Type};

impl Checker<'_> {
    pub fn variable(&mut self, state: &mut ProbeState<'_>, name: &str, span: Span) -> Expr {
        let Some(variable) = state.scopes.find(name) else {
            let near = nearest(name, state.scopes.names(), 1);
            let help = near.first().map(|near| format!("did you mean `${near}`?"));
            let title = format!("Undefined or undeclared variable: ${name}");
            self.report(Diagnostic::error(span, title).with_maybe_help(help));
            return unknown(span);
        };
        let ty = self.variable_types.get(&variable.declared).cloned().unwrap_or(Type::Unknown);
        if ty == Type::Unknown {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let broken = self.broken_variables.contains(&variable.declared);
                self.report_unknown(broken, Diagnostic::error(span, "Could not resolve the type of this variable"));
                return unknown(span);
            }
        }
        Expr { kind: ExprKind::Var(variable.id), ty, span }
    }

    /// Lets a variable hold `ty` as well.
    pub fn widen_variable(&mut self, declared: Declared, ty: Type) {
        let known = self.variable_types.entry(declared).or_insert(Type::Unknown);
        if let Some(joined) = known.join(&ty)
            && joined != *known
        {
            *known = joined;
            self.walk.learnt = true;
        }
    }

    /// The parts of a key; a tuple written as the only key stands for its parts.
    pub fn keys(&mut self, state: &mut ProbeState<'_>, keys: &[ast::Expr]) -> Vec<Expr> {
        let parts = match keys {
            [ast::Expr { kind: ast::ExprKind::Tuple(parts), .. }] => parts,
            keys => keys,
        };
        let parts = parts.iter().map(|part| {
            let part = self.value(state, part);
            self.key_part(part)
        });
        parts.collect()
    }

    /// Notes the use of a map with these keys and gives its id.
    pub fn map_use(&mut self, name: &str, name_span: Span, keys: &[Expr], span: Span) -> MapId {
        let map = self.maps.id(name, name_span);
        let key = match keys {
            [] => None,
            [key @ Expr { ty: Type::Tuple(_), .. }] => Some(self.maps.room_for(map, key).items().cloned().collect()),
            keys => Some(keys.iter().map(|key| self.maps.room_for(map, key)).collect()),
        };
        if let Err(diagnostic) = self.maps.use_key(map, key, span) {
            self.report(diagnostic);
        }
        map
    }

    /// A map's value read.
    pub fn map_value(
        &mut self,
        state: &mut ProbeState<'_>,
        name: &str,
        name_span: Span,
        keys: &[ast::Expr],
        span: Span,
    ) -> Expr {
        let keys = self.keys(state, keys);
        let map = self.map_use(name, name_span, &keys, span);
        match self.maps.value(map).clone() {
            Type::Unknown => {
                self.walk.saw_unknown = true;
                if self.last_walk {
                    let warning = Diagnostic::warning(span, format!("Undefined map: @{name}"));
                    let warning = warning.with_help("no probe assigns it, so this is always 0");
                    self.report_unknown(self.maps.is_broken(map), warning);
                    return Expr { kind: ExprKind::MapGet(map, keys), ty: NEVER_ASSIGNED, span };
                }
                unknown(span)
            }
            // Becomes a number where one is wanted; see `gathered::as_number`.
            ty @ Type::Aggregate(_) => Expr { kind: ExprKind::ReadAggregate(map, keys), ty, span },
            ty => Expr { kind: ExprKind::MapGet(map, keys), ty, span },
        }
    }

    /// A map written as the place of an assignment.
    pub fn map_place(&mut self, state: &mut ProbeState<'_>, place: &ast::Expr) -> (MapId, Vec<Expr>) {
        match &place.kind {
            ast::ExprKind::MapKey { map, keys } => {
                let keys = self.keys(state, keys);
                (self.map_use(&map.text, map.span, &keys, place.span), keys)
            }
            ast::ExprKind::Map(name) => (self.map_use(name, place.span, &[], place.span), Vec::new()),
            _ => unreachable!("the caller has seen that it is a map"),
        }
    }

    /// Notes that a map is to hold values of this type; `None`, with the clash reported, if it cannot.
    pub fn learn_value(&mut self, map: MapId, ty: &Type, span: Span) -> Option<()> {
        match self.maps.assign(map, ty, span) {
            Ok(()) => Some(()),
            Err(diagnostic) => {
                self.report(diagnostic);
                None
            }
        }
    }

    /// `++` and `--`.
    pub fn step(
        &mut self,
        state: &mut ProbeState<'_>,
        place: &ast::Expr,
        step: i64,
        postfix: bool,
        span: Span,
    ) -> Expr {
        match &place.kind {
            ast::ExprKind::Var(name) => {
                let variable = self.variable(state, name, place.span);
                let ExprKind::Var(var) = variable.kind else { return unknown(span) };
                let Some(known) = state.scopes.find(name) else { return unknown(span) };
                if let Some(size) = step_of(&variable.ty) {
                    return Expr { kind: ExprKind::StepVar { var, step: step * size, postfix }, ty: variable.ty, span };
                }
                let Some(ty) = variable.ty.as_int() else {
                    if variable.ty == Type::Unknown {
                        return unknown(span);
                    }
                    let title = format!(
                        "Type mismatch for ${name}: trying to assign value of type 'int64' when variable already has a type '{}'",
                        variable.ty
                    );
                    return self.refuse(span, title);
                };
                if !known.fixed {
                    let ty = if step < 0 { Type::I64 } else { Type::Int(ty.widest()) };
                    self.widen_variable(known.declared, ty);
                }
                Expr { kind: ExprKind::StepVar { var, step, postfix }, ty: variable.ty, span }
            }
            ast::ExprKind::Map(_) | ast::ExprKind::MapKey { .. } => {
                let (map, keys) = self.map_place(state, place);
                if let Some(size) = step_of(self.maps.value(map)) {
                    let ty = self.maps.value(map).clone();
                    return Expr { kind: ExprKind::StepMap { map, keys, step: step * size, postfix }, ty, span };
                }
                // `++` alone leaves the sign open, `--` may go below zero.
                let ty = if step < 0 { Type::I64 } else { Type::Int(IntType::smallest(1).widest()) };
                if self.learn_value(map, &ty, span).is_none() {
                    return unknown(span);
                }
                let ty = self.maps.value(map).clone();
                Expr { kind: ExprKind::StepMap { map, keys, step, postfix }, ty, span }
            }
            _ => self.refuse(span, format!("{} needs a variable or a map", sign(step))),
        }
    }
}

fn sign(step: i64) -> &'static str {
    if step > 0 { "++" } else { "--" }
}
