//! Loops: what they go through, what their variables hold, and where they may be left.

use super::expr::{literal, unknown};
use super::gathered::number_of;
use super::names::Declared;
use super::{Checker, ProbeState};
use crate::ast::{self, ForOver};
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Stmt, StmtKind, VarId};
use crate::types::Type;

/// How often `unroll` may repeat its body.
const MOST_UNROLLED: i128 = 100;

/// How often nested ones may write a statement out.
const MOST_WRITTEN: u64 = 10_000;

impl Checker<'_> {
    pub fn while_loop(
        &mut self,
        state: &mut ProbeState<'_>,
        cond: &ast::Expr,
        body: &ast::Block,
        span: Span,
    ) -> Option<StmtKind> {
        let warning = Diagnostic::warning(span, "While loops are deprecated and may be removed in the future.")
            .with_help(
                "For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and can be used in place of while. \
                 These are more easily proven to be bounded by the verifier.",
            );
        self.report(warning);
        let cond = self.condition(state, cond);
        let body = self.loop_body(state, body);
        Some(StmtKind::While(cond, body))
    }

    pub fn for_loop(
        &mut self,
        state: &mut ProbeState<'_>,
        var: &ast::Name,
        over: &ForOver,
        body: &ast::Block,
    ) -> Option<StmtKind> {
        // What is gone through is computed before there is a loop variable.
        let over = match over {
            ForOver::Range(from, to) => self.range(state, from, to),
            ForOver::Entries(of) => self.entries(of),
        };
        if matches!(over, Over::Later) {
            return None;
        }
        if state.scopes.find(&var.text).is_some() {
            let title = format!("Loop declaration shadows existing variable: ${}", var.text);
            self.report(Diagnostic::error(var.span, title).with_help("give the loop variable another name"));
        }
        state.scopes.enter();
        let ty = match &over {
            Over::Range { ty, .. } | Over::Entries { ty, .. } => ty.clone(),
            Over::Nothing | Over::Later => Type::Unknown,
        };
        let id = self.loop_variable(state, var, ty);
        let body = self.loop_body(state, body);
        state.scopes.leave();
        match over {
            Over::Range { from, to, .. } => Some(StmtKind::ForRange { var: id, from, to, body }),
            Over::Entries { map, .. } => Some(StmtKind::ForMap { var: id, map, body }),
            Over::Nothing | Over::Later => None,
        }
    }

    fn loop_variable(&mut self, state: &mut ProbeState<'_>, var: &ast::Name, ty: Type) -> VarId {
        if ty == Type::Unknown {
            self.broken_variables.insert(Declared::new(var.span, &var.text));
        }
        self.widen_variable(Declared::new(var.span, &var.text), ty);
        self.new_variable(state, &var.text, var.span, false)
    }

    /// Both bounds of a range, of one type.
    fn range(&mut self, state: &mut ProbeState<'_>, from: &ast::Expr, to: &ast::Expr) -> Over {
        let [from, to] = [(from, "start"), (to, "end")].map(|(bound, which)| {
            let value = self.value(state, bound);
            if value.ty.as_int().is_none() && value.ty != Type::Unknown {
                let title = format!("Loop range requires an integer for the {which} value");
                self.refuse(bound.span, title);
                return unknown(bound.span);
            }
            value
        });
        match (from.ty.as_int(), to.ty.as_int()) {
            (Some(first), Some(last)) => Over::Range { ty: Type::Int(first.join(last)), from, to },
            _ => Over::Nothing,
        }
    }

    /// The map whose entries a loop goes through.
    fn entries(&mut self, of: &ast::Expr) -> Over {
        let ast::ExprKind::Map(name) = &of.kind else {
            if of.kind != ast::ExprKind::Error {
                let error = Diagnostic::error(of.span, "expected map or range in for loop")
                    .with_help("write for ($kv : @map) { ... } or for ($i : 0..10) { ... }");
                self.report(error);
            }
            return Over::Nothing;
        };
        let map = self.maps.id(name, of.span);
        let value = self.maps.value(map).clone();
        let key = match self.maps.key(map) {
            Some(Some(parts)) => match &parts[..] {
                [one] => one.clone(),
                parts => Type::Tuple(parts.to_vec()),
            },
            Some(None) => {
                let title = format!("@{name} has no explicit keys (scalar map), and cannot be used for iteration");
                self.refuse(of.span, title);
                return Over::Nothing;
            }
            None => Type::Unknown,
        };
        let value = match value {
            Type::Aggregate(aggregate) => match number_of(aggregate) {
                Some(number) => number,
                None => {
                    self.refuse(
                        of.span,
                        format!("Loop expression does not support type: {}", Type::Aggregate(aggregate)),
                    );
                    return Over::Nothing;
                }
            },
            value => value,
        };
        if key == Type::Unknown || value == Type::Unknown {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let title = format!("Undefined map: @{name}");
                // In a session somebody may assign it yet, and then this is looked at again.
                let told = match self.maps.may_come() {
                    true => Diagnostic::warning(of.span, title).with_help("nothing is assigned to it yet"),
                    false => Diagnostic::error(of.span, title),
                };
                self.report_unknown(self.maps.is_broken(map), told);
            }
            // What nobody knows yet must not become what a session knows of the maps in the body.
            return if self.maps.may_come() { Over::Later } else { Over::Nothing };
        }
        Over::Entries { map, ty: Type::Tuple(vec![key, value]) }
    }

    pub fn unroll(&mut self, state: &mut ProbeState<'_>, count: &ast::Expr, body: &ast::Block) -> Option<StmtKind> {
        let value = self.value(state, count);
        // Not a loop to `break` out of, but one that runs its declarations again.
        let times = literal(&value).and_then(|times| u64::try_from(times).ok()).unwrap_or(1);
        let outer = state.unrolled;
        state.unrolled = outer.saturating_mul(times);
        state.repeats += 1;
        let body = self.block(state, body);
        state.repeats -= 1;
        let all = std::mem::replace(&mut state.unrolled, outer);
        let title = match literal(&value) {
            Some(1..=MOST_UNROLLED) if all > MOST_WRITTEN => {
                let title = format!("this would be written out {all} times; {MOST_WRITTEN} is the most");
                self.report(Diagnostic::error(count.span, title).with_help("write for ($i : 0..$n) { ... }"));
                return None;
            }
            Some(1..=MOST_UNROLLED) => return Some(StmtKind::Unroll(times, body)),
            Some(..1) => "unroll minimum value is 1".to_owned(),
            Some(_) => format!("unroll maximum value is {MOST_UNROLLED}"),
            None if value.ty == Type::Unknown => return None,
            None => "invalid unroll value".to_owned(),
        };
        let help = "a number from 1 to 100 that is known when compiling; for others, for ($i : 0..$n) { ... }";
        self.report(Diagnostic::error(count.span, title).with_help(help));
        None
    }

    /// `break` or `continue`.
    pub fn jump(&mut self, state: &ProbeState<'_>, kind: StmtKind, span: Span) -> Option<StmtKind> {
        if state.loops > 0 {
            return Some(kind);
        }
        let word = if matches!(kind, StmtKind::Break) { "break" } else { "continue" };
        let error = Diagnostic::error(span, format!("'{word}' statement is not allowed in a probe"))
            .with_help("it belongs in the body of a for or while loop; `return` leaves the probe");
        self.report(error);
        None
    }

    fn loop_body(&mut self, state: &mut ProbeState<'_>, body: &ast::Block) -> Vec<Stmt> {
        state.loops += 1;
        state.repeats += 1;
        let body = self.block(state, body);
        state.repeats -= 1;
        state.loops -= 1;
        body
    }
}

/// What a loop goes through, checked.
enum Over {
    Range {
        ty: Type,
        from: Expr,
        to: Expr,
    },
    Entries {
        map: crate::typed::MapId,
        ty: Type,
    },
    /// A diagnostic tells why, or it is not known yet.
    Nothing,
    /// What an entry to come may assign: until then there is nothing to go through, and nothing known of the body.
    Later,
}

/// Zeros of a type, where a value of it can be written down.
pub fn zero_of(ty: &Type, span: Span) -> Option<Expr> {
    let kind = match ty {
        ty if ty.is_scalar() => ExprKind::Int(0),
        Type::Str(_) => ExprKind::Str(Vec::new()),
        Type::Tuple(_) | Type::Record(_) => {
            ExprKind::Tuple(ty.items().map(|item| zero_of(item, span)).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(Expr { kind, ty: ty.clone(), span })
}
