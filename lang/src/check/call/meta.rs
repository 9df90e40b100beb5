//! Functions about the script itself: what type a value has, and assertions.

use super::super::expr::{int, known_truth, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast::{self, UnaryOp};
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::printf::{self, Conversion, Origin, Piece, Verb};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Stmt, StmtKind};
use crate::types::Type;

impl Checker<'_> {
    /// `is_str(value)` and its like.
    pub fn asks_type(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let value = self.expr(state, &args[0]);
        if value.ty == Type::Unknown {
            return unknown(span);
        }
        let holds = match row.id {
            FunctionId::IsStr => matches!(value.ty, Type::Str(_) | Type::Named(_)),
            FunctionId::IsPtr => matches!(value.ty, Type::Pointer(..)),
            FunctionId::IsInteger => matches!(value.ty, Type::Int(_)),
            FunctionId::IsUnsignedInteger => {
                matches!(value.ty.settled(), Type::Int(int) if !int.signed)
            }
            FunctionId::IsArray => matches!(value.ty, Type::Array(..)),
            _ => is_written(&value),
        };
        int(i64::from(holds), Type::Bool, span)
    }

    /// `fail("format", literals...)`
    pub fn fail(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) {
        let Some(format) = self.known_text(state, &args[0], row, span) else { return };
        let values: Vec<Expr> = args[1..].iter().map(|arg| self.expr(state, arg)).collect();
        let mut values = values.into_iter();
        let mut text = Vec::new();
        for piece in printf::parse(&format).map_or_else(|_| vec![Piece::Text(format.clone())], |parsed| parsed.pieces) {
            match piece {
                Piece::Text(piece) => text.extend(piece),
                Piece::Value(conversion) => match values.next() {
                    Some(value) => text.extend(shown(&value, conversion)),
                    None => text.extend(b"(missing)"),
                },
            }
        }
        self.report(Diagnostic::error(span, String::from_utf8_lossy(&text)));
    }

    /// `static_assert(condition, "message")`
    pub fn static_assert(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) {
        let condition = self.condition(state, &args[0]);
        let Some(message) = self.known_text(state, &args[1], row, span) else { return };
        match known_truth(&condition) {
            _ if condition.ty == Type::Unknown => {}
            Some(true) => {}
            Some(false) => self.report(Diagnostic::error(span, String::from_utf8_lossy(&message))),
            None => {
                let error = Diagnostic::error(args[0].span, "this is not known when compiling");
                self.report(error.with_help("assert() tests while the script runs"));
            }
        }
    }

    /// `assert(condition, "message")`: an error and `exit(1)` unless it holds.
    pub fn assert(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<StmtKind> {
        let condition = self.condition(state, &args[0]);
        let message = match self.param_text(&args[1]) {
            Some(text) => text,
            None => self.value(state, &args[1]),
        };
        let (pieces, values) = match message.kind {
            _ if message.ty == Type::Unknown => return None,
            ExprKind::Str(text) => (vec![Piece::Text([b"assert failed: ", &text[..]].concat())], Vec::new()),
            _ if matches!(message.ty, Type::Str(_) | Type::Int(_)) => {
                let pieces = vec![Piece::Text(b"assert failed: ".to_vec()), Piece::Value(Conversion::PLAIN)];
                (pieces, vec![message])
            }
            _ => {
                let title = format!("{}() expects a string as its message ({} provided)", row.name, message.ty.kind());
                self.refuse(args[1].span, title);
                return None;
            }
        };
        let types = values.iter().map(|value| value.ty.clone()).collect();
        let format = self.add_format(Origin::Errorf(span), pieces, types);
        let print = Stmt { kind: StmtKind::Print(format, values), span };
        let exit = Stmt { kind: StmtKind::Exit(int(1, Type::I64, span)), span };
        let fails = Expr { kind: ExprKind::Unary(UnaryOp::Not, Box::new(condition)), ty: Type::Bool, span };
        Some(StmtKind::If(fails, vec![print, exit], Vec::new()))
    }
}

/// A literal, or several as one.
fn is_written(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Int(_) | ExprKind::Str(_) => true,
        ExprKind::Tuple(items) => items.iter().all(is_written),
        _ => false,
    }
}

/// A literal as `printf` shows it.
fn shown(value: &Expr, conversion: Conversion) -> Vec<u8> {
    match (&value.kind, literal(value)) {
        (ExprKind::Str(text), _) => text.clone(),
        (_, Some(number)) if conversion.verb == Verb::Hex => format!("{number:x}").into_bytes(),
        (_, Some(number)) => number.to_string().into_bytes(),
        (ExprKind::Int(truth), _) if value.ty == Type::Bool => (*truth != 0).to_string().into_bytes(),
        _ => b"(not a literal)".to_vec(),
    }
}
