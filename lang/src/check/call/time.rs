//! Functions of time.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::builtins::BuiltinId;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

/// The clocks of `nsecs()`, by the number that its lowering knows them by.
pub const CLOCKS: [&str; 4] = ["monotonic", "boot", "tai", "sw_tai"];

impl Checker<'_> {
    /// `nsecs(clock)`
    pub fn nsecs(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        let Some(clock) = args.first() else {
            return Expr { kind: ExprKind::Builtin(BuiltinId::Nsecs), ty: Type::U64, span };
        };
        let number = match &clock.kind {
            ast::ExprKind::Ident(name) => CLOCKS.iter().position(|clock| clock == name).ok_or(name.as_str()),
            _ => Err("no name"),
        };
        match number {
            Ok(number) => {
                let number = int(number as i64, Type::I64, clock.span);
                Expr { kind: ExprKind::Call(FunctionId::Nsecs, vec![number]), ty: Type::U64, span }
            }
            Err(name) => {
                let error = Diagnostic::error(clock.span, format!("Invalid timestamp mode: {name}"));
                self.report(error.with_help(format!("there are {}", CLOCKS.join(", "))));
                unknown(span)
            }
        }
    }

    /// `strftime("format", nsecs)`
    pub fn strftime(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(format) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let time = self.integer(state, &args[1], row, span);
        if time.ty == Type::Unknown {
            return unknown(span);
        }
        if literal(&time).is_some_and(|time| time < 0) {
            return self.refuse(span, "strftime() does not accept negative timestamps");
        }
        let format = self.text_number(format, args[0].span);
        Expr { kind: ExprKind::Call(row.id, vec![time, format]), ty: Type::Timestamp, span }
    }

    /// The number of a text that user space is to know.
    pub fn text_number(&mut self, text: Vec<u8>, span: Span) -> Expr {
        let texts = &mut self.walk.program.texts;
        let number = texts.iter().position(|known| *known == text).unwrap_or_else(|| {
            texts.push(text);
            texts.len() - 1
        });
        int(number as i64, Type::I64, span)
    }
}
