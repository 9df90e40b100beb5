//! Functions of maps: `delete`, `clear`, `has_key`, `len`.

use super::super::expr::{int, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::span::Span;
use crate::target::MAP_LENGTH;
use crate::typed::{Expr, ExprKind, MapId, Stmt};
use crate::types::{Aggregate, Type};

impl Checker<'_> {
    /// An argument that must name a whole map. One that nothing assigns is empty for good: bpftrace refuses it, here it
    /// is a warning and no code, because the rest of the script makes sense.
    pub fn whole_map(&mut self, row: &Function, arg: &ast::Expr) -> Option<MapId> {
        let ast::ExprKind::Map(name) = &arg.kind else {
            let error = Diagnostic::error(arg.span, format!("{}() expects a map argument", row.name))
                .with_help(format!("usage: {}", row.usage));
            self.report(error);
            return None;
        };
        let map = self.maps.id(name, arg.span);
        if *self.maps.value(map) == Type::Unknown {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let warning = Diagnostic::warning(arg.span, format!("Undefined map: @{name}"))
                    .with_help("no probe assigns it, so it stays empty");
                self.report_unknown(self.maps.is_broken(map), warning);
            }
            return None;
        }
        Some(map)
    }

    pub fn delete(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let deleted = self.deleted(state, args, span);
        if let ExprKind::Delete(map, _) = deleted.kind
            && *self.maps.value(map) == Type::Unknown
        {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let name = self.maps.display_name(map);
                let error = Diagnostic::error(args[0].span, format!("Undefined map: {name}"));
                self.report_unknown(self.maps.is_broken(map), error);
                return unknown(span);
            }
        }
        deleted
    }

    fn deleted(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let deleted = |map, keys| Expr { kind: ExprKind::Delete(map, keys), ty: Type::Bool, span };
        match (&args[0].kind, args.get(1)) {
            (ast::ExprKind::MapKey { .. }, None) => {
                let (map, keys) = self.map_place(state, &args[0]);
                deleted(map, keys)
            }
            (ast::ExprKind::Map(name), key) => {
                let keys = match key {
                    Some(key) => self.keys(state, std::slice::from_ref(key)),
                    None => Vec::new(),
                };
                let map = self.map_use(name, args[0].span, &keys, span);
                deleted(map, keys)
            }
            _ => {
                let error = Diagnostic::error(args[0].span, "delete() expects a map argument");
                self.report(error.with_help("write delete(@map, key)"));
                unknown(span)
            }
        }
    }

    pub fn holds_aggregation(&self, map: MapId) -> bool {
        matches!(self.maps.value(map), Type::Aggregate(_))
    }

    /// `has_key(@map, key)`
    pub fn has_key(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let ast::ExprKind::Map(name) = &args[0].kind else {
            let error = Diagnostic::error(args[0].span, "has_key() expects a map argument");
            self.report(error.with_help("write has_key(@map, key)"));
            return unknown(span);
        };
        let keys = self.keys(state, std::slice::from_ref(&args[1]));
        let map = self.maps.id(name, args[0].span);
        if self.maps.is_keyless(map) {
            return self.refuse(span, "call to has_key() expects a map with explicit keys (non-scalar map)");
        }
        let map = self.map_use(name, args[0].span, &keys, span);
        if *self.maps.value(map) == Type::Unknown {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let warning = Diagnostic::warning(args[0].span, format!("Undefined map: @{name}"));
                let warning = warning.with_help("no probe assigns it, so it has no keys");
                self.report_unknown(self.maps.is_broken(map), warning);
            }
        }
        Expr { kind: ExprKind::HasKey(map, keys), ty: Type::Bool, span }
    }

    /// `find(@map, key, $variable)`
    pub fn find(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let (ast::ExprKind::Map(name), ast::ExprKind::Var(variable)) = (&args[0].kind, &args[2].kind) else {
            let error = Diagnostic::error(span, "find() expects a map, a key and a variable");
            self.report(error.with_help("write find(@map, key, $variable)"));
            return unknown(span);
        };
        let map = self.maps.id(name, args[0].span);
        if self.maps.is_keyless(map) {
            return self.refuse(span, "call to find() expects a map with explicit keys (non-scalar map)");
        }
        let value = self.map_value(state, name, args[0].span, std::slice::from_ref(&args[1]), span);
        let keys = match &value.kind {
            ExprKind::MapGet(_, keys) | ExprKind::ReadAggregate(_, keys) => keys.clone(),
            // What the map holds is not known yet, but that it has such keys.
            _ => return unknown(span),
        };
        if state.scopes.find(variable).is_none() {
            self.new_variable(state, variable, args[2].span, false);
        }
        if let Type::Aggregate(Aggregate::Hist { .. } | Aggregate::LHist { .. } | Aggregate::Stats { .. }) = value.ty {
            let error =
                Diagnostic::error(span, format!("Value '{}' cannot be assigned to a scratch variable.", value.ty));
            self.report(
                error.with_help("has_key() tells whether it is there; print() shows the map, or one of its entries"),
            );
            return unknown(span);
        }
        let Some(known) = state.scopes.find(variable) else { return unknown(span) };
        let Some(set) = self.set_variable(state, variable, known.id, value, span) else { return unknown(span) };
        let is_aggregation = self.holds_aggregation(map);
        let found = |kind| Expr { kind, ty: Type::Bool, span };
        if !is_aggregation {
            return found(ExprKind::Find { map, keys, var: known.id });
        }
        // Its parts lie with each CPU: whether it is there and what it is are two questions.
        let has_key = found(ExprKind::HasKey(map, keys));
        if has_key.has_effects() {
            let error = Diagnostic::error(args[1].span, "this key of an aggregation would be computed twice");
            self.report(error.with_help("keep it in a variable first: $key = ...; find(@map, $key, $variable)"));
            return unknown(span);
        }
        let set = Stmt { kind: set, span };
        let yes = found(ExprKind::Block(vec![set], Box::new(int(1, Type::Bool, span))));
        let no = int(0, Type::Bool, span);
        found(ExprKind::Ternary(Box::new(has_key), Box::new(yes), Box::new(no)))
    }

    /// `len(@map)` or `len(stack)`
    pub fn len(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        if let ast::ExprKind::Map(name) = &args[0].kind {
            let map = self.maps.id(name, args[0].span);
            if self.maps.is_keyless(map) {
                return self.refuse(span, "call to len() expects a map with explicit keys (non-scalar map)");
            }
            if self.target.kfunc(MAP_LENGTH).is_none() {
                let error = Diagnostic::error(span, "this kernel does not tell how many entries a map has");
                self.report(error.with_help(format!("it takes {MAP_LENGTH}, which kernel 6.6 brought")));
                return unknown(span);
            }
            return Expr { kind: ExprKind::MapLen(map), ty: Type::I64, span };
        }
        let value = self.expr(state, &args[0]);
        match value.ty {
            Type::Stack(_) => Expr { kind: ExprKind::Call(FunctionId::Len, vec![value]), ty: Type::I64, span },
            Type::Unknown => unknown(span),
            _ => self.refuse(span, "call to len() expects a map, ustack, or kstack"),
        }
    }
}
