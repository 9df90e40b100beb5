//! Expressions: what each means and what type its value has.

use super::addresses::address_literal;
use super::casts::as_text;
use super::gathered::{as_number, as_value};
use super::words::is_config;
use super::{Checker, ProbeState};
use crate::address::Address;
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::{IntType, Type};

/// An expression of unknown type, standing for one that a diagnostic tells about.
pub fn unknown(span: Span) -> Expr {
    Expr { kind: ExprKind::Int(0), ty: Type::Unknown, span }
}

/// Text of the script.
pub fn text_literal(text: Vec<u8>, span: Span) -> Expr {
    let ty = Type::Str(text.len() as u32 + 1);
    Expr { kind: ExprKind::Str(text), ty, span }
}

/// A number in the smallest type that holds it.
pub fn number_literal(value: i128, span: Span) -> Expr {
    int(value as i64, Type::Int(IntType::smallest(value)), span)
}

pub fn int(value: i64, ty: Type, span: Span) -> Expr {
    Expr { kind: ExprKind::Int(value), ty, span }
}

/// A number written in the script, or folded from such.
pub fn literal(expr: &Expr) -> Option<i128> {
    match (&expr.kind, &expr.ty) {
        (ExprKind::Int(bits), Type::Int(IntType { bits: 64, signed: false })) => Some(i128::from(*bits as u64)),
        (ExprKind::Int(bits), Type::Int(_)) => Some(i128::from(*bits)),
        _ => None,
    }
}

/// A number, bool or text whose truth is known now.
pub fn known_truth(expr: &Expr) -> Option<bool> {
    match &expr.kind {
        ExprKind::Int(value) if expr.ty.is_scalar() => Some(*value != 0),
        ExprKind::Str(text) => Some(!text.is_empty()),
        _ => None,
    }
}

impl Checker<'_> {
    pub fn expr(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        use ast::ExprKind as A;
        let span = expr.span;
        match &expr.kind {
            // Suffixes say how the author thinks of it; the type is the smallest all the same.
            A::Int(value, _) => number_literal(i128::from(*value), span),
            A::Str(text) if text.len() > self.config.max_strlen as usize => {
                let (most, text) = (self.config.max_strlen, String::from_utf8_lossy(text));
                self.refuse(span, format!("String is too long (over {most} bytes): {text}"))
            }
            A::Str(text) => text_literal(text.clone(), span),
            A::Address(Address::Subnet(..)) => {
                let error = Diagnostic::error(span, "a range of addresses is no value");
                self.report(error.with_help("compare an address with it: ip.saddr == 10.1.0.0/16"));
                unknown(span)
            }
            A::Address(address) => address_literal(*address, span),
            A::Bool(value) => int(i64::from(*value), Type::Bool, span),
            A::Ident(name) => self.name(state, name, span),
            A::Var(name) => self.variable(state, name, span),
            A::Map(name) => self.map_value(state, name, span, &[], span),
            A::MapKey { map, keys } => self.map_value(state, &map.text, map.span, keys, span),
            A::Param(number) => self.param(*number, span),
            A::Call { name, args } => self.call(state, name, args, span),
            A::Field { base, name, .. } if is_config(base) => self.config_value(name, span),
            A::Field { base, name, .. } => self.field(state, base, name, span),
            A::Index { base, index } => match self.packet_byte(state, base, index, span) {
                Some(byte) => byte,
                None => self.index(state, base, index, span),
            },
            A::Unary(op, operand) => self.unary(state, *op, operand, span),
            A::Binary { op, left, right } => {
                if let Some(compared) = self.compared_with_subnet(state, *op, left, right, span) {
                    return self.if_present(state, compared);
                }
                let left = self.expr(state, left);
                let right = self.expr(state, right);
                let result = self.binary(*op, left, right, span);
                self.if_present(state, result)
            }
            A::Ternary { cond, yes, no } => self.ternary(state, cond, yes.as_deref(), no, span),
            A::Cast { ty, value } => {
                let value = self.expr(state, value);
                match self.type_name(state, ty) {
                    Some(to) => {
                        // Without brackets around it.
                        let span =
                            Span::new(span.start.max(ty.span.start.saturating_sub(1)), span.end.min(value.span.end));
                        self.cast(value, to, span)
                    }
                    None => unknown(span),
                }
            }
            A::Tuple(items) => {
                if items.is_empty() {
                    return self.refuse(span, "an empty tuple is no value");
                }
                let items = items.iter().map(|item| {
                    let item = self.value(state, item);
                    self.part(item, "tuple")
                });
                let items: Vec<Expr> = items.collect();
                let ty = Type::Tuple(items.iter().map(|item| item.ty.clone()).collect());
                Expr { kind: ExprKind::Tuple(items), ty, span }
            }
            A::IncDec { place, increment, postfix } => {
                self.step(state, place, if *increment { 1 } else { -1 }, *postfix, span)
            }
            A::Record(parts) => self.record(state, parts, span),
            A::Block(block) => self.value_block(state, block, span),
            A::If { cond, then, otherwise } => self.if_value(state, cond, then, otherwise.as_ref(), span),
            A::Comptime(value) => {
                let value = self.expr(state, value);
                match value.kind {
                    ExprKind::Int(_) | ExprKind::Str(_) => value,
                    _ if value.ty == Type::Unknown => value,
                    _ => self.refuse(span, "Unable to resolve comptime expression"),
                }
            }
            A::OffsetOf { of, path } => self.offset_of(state, of, path, span),
            A::TypeInfo(of) => self.type_info(state, of, span),
            A::TypeOf(_) => self.refuse(span, "a type is no value: it can only be passed to a macro"),
            A::SizeOf(of) => match self.type_of(state, of) {
                Some(ty) => int(ty.size_of() as i64, Type::U64, span),
                None => unknown(span),
            },
            A::Error => unknown(span),
        }
    }

    /// `(a=x, b=y)`
    fn record(&mut self, state: &mut ProbeState<'_>, parts: &[(ast::Name, ast::Expr)], span: Span) -> Expr {
        let mut types: Vec<(String, Type)> = Vec::new();
        let mut values = Vec::new();
        for (name, part) in parts {
            if types.iter().any(|(known, _)| *known == name.text) {
                self.refuse(name.span, format!("Named argument list already contains name: {}", name.text));
                continue;
            }
            let value = self.value(state, part);
            let value = self.part(value, "record");
            types.push((name.text.clone(), value.ty.clone()));
            values.push(value);
        }
        Expr { kind: ExprKind::Tuple(values), ty: Type::Record(types), span }
    }

    /// `{ statements; value }`
    pub fn value_block(&mut self, state: &mut ProbeState<'_>, block: &ast::ValueBlock, span: Span) -> Expr {
        state.scopes.enter();
        let is_expanded = state.enter_body(block.block.span, span);
        let mut stmts = self.stmts(state, &block.block.stmts);
        let value = match &block.value {
            None => None,
            // A call without a value is a statement.
            Some(value) if self.gives_no_value(value) => {
                self.effect(state, value, value.span, &mut stmts);
                None
            }
            // Alone it stays what it is.
            Some(value) if stmts.is_empty() => Some(self.expr(state, value)),
            Some(value) => Some(as_value(self.expr(state, value))),
        };
        if is_expanded {
            state.calls.pop();
        }
        state.scopes.leave();
        let value = value.unwrap_or(int(0, Type::Void, span));
        let ty = value.ty.clone();
        match stmts.is_empty() && ty != Type::Void {
            true => Expr { span, ..value },
            false => Expr { kind: ExprKind::Block(stmts, Box::new(value)), ty, span },
        }
    }

    /// Whether an expression is only there for its effect.
    fn gives_no_value(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ast::ExprKind::Call { name, .. } => functions::is_statement(&name.text),
            ast::ExprKind::Ternary { yes: Some(yes), .. } => self.gives_no_value(yes),
            ast::ExprKind::If { then, .. } => match &then.value {
                Some(value) => self.gives_no_value(value),
                None => true,
            },
            ast::ExprKind::Block(block) => match &block.value {
                Some(value) => self.gives_no_value(value),
                None => true,
            },
            _ => false,
        }
    }

    /// `if cond { value } else { value }`
    fn if_value(
        &mut self,
        state: &mut ProbeState<'_>,
        cond: &ast::Expr,
        then: &ast::ValueBlock,
        otherwise: Option<&ast::ValueBlock>,
        span: Span,
    ) -> Expr {
        let at_compile_time = matches!(cond.kind, ast::ExprKind::Comptime(_));
        let cond = self.condition(state, cond);
        if let (true, Some(taken), Some(otherwise)) = (at_compile_time, known_truth(&cond), otherwise) {
            return self.value_block(state, if taken { then } else { otherwise }, span);
        }
        let yes = self.value_block(state, then, span);
        let Some(otherwise) = otherwise else {
            return match yes.ty {
                Type::Unknown => unknown(span),
                _ => self.refuse(span, "an `if` without `else` gives no value"),
            };
        };
        let no = self.value_block(state, otherwise, span);
        self.chosen(cond, Some(yes), no, span)
    }

    /// An expression that must give a value to be kept, passed on or printed.
    pub fn value(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        let value = self.expr(state, expr);
        match value.ty {
            Type::Void => self.refuse(expr.span, "this gives no value"),
            _ => value,
        }
    }

    /// An expression that decides between two ways.
    pub fn condition(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        let value = self.expr(state, expr);
        if let ExprKind::Str(text) = &value.kind {
            return int(i64::from(!text.is_empty()), Type::Bool, expr.span);
        }
        if !value.ty.is_scalar() && value.ty != Type::Unknown {
            let title = format!("Invalid condition: {}", value.ty.kind());
            self.report(Diagnostic::error(expr.span, title).with_help("compare it: a condition is a number or a bool"));
            return unknown(expr.span);
        }
        value
    }

    pub fn refuse(&mut self, span: Span, title: impl Into<String>) -> Expr {
        self.report(Diagnostic::error(span, title));
        unknown(span)
    }

    fn ternary(
        &mut self,
        state: &mut ProbeState<'_>,
        cond: &ast::Expr,
        yes: Option<&ast::Expr>,
        no: &ast::Expr,
        span: Span,
    ) -> Expr {
        let cond = self.condition(state, cond);
        let yes = yes.map(|yes| as_number(self.value(state, yes)));
        let no = as_number(self.value(state, no));
        self.chosen(cond, yes, no, span)
    }

    /// One of two values, or the condition's own unless it is zero.
    fn chosen(&mut self, cond: Expr, yes: Option<Expr>, no: Expr, span: Span) -> Expr {
        // What is decided now has the type of the one branch that is left.
        if let Some(truth) = known_truth(&cond) {
            return match (truth, yes) {
                (true, Some(yes)) => Expr { span, ..yes },
                (true, None) => Expr { span, ..cond },
                (false, _) => Expr { span, ..no },
            };
        }
        // A name and a text have in common that they are texts.
        let differ = yes.as_ref().is_some_and(|yes| yes.ty != no.ty);
        let (yes, no) = if differ { (yes.map(as_text), as_text(no)) } else { (yes, no) };
        let Some(ty) = yes.as_ref().unwrap_or(&cond).ty.join(&no.ty) else {
            let title = format!(
                "Branches must return the same type or compatible types: have '{}' and '{}'",
                yes.as_ref().unwrap_or(&cond).ty,
                no.ty
            );
            return self.refuse(span, title);
        };
        let kind = match yes {
            Some(yes) => ExprKind::Ternary(Box::new(cond), Box::new(yes), Box::new(no)),
            None => ExprKind::OrElse(Box::new(cond), Box::new(no)),
        };
        Expr { kind, ty, span }
    }
}
