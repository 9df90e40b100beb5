//! `getopt()`: named parameters, whose values are known before anything runs.

use super::expr::{int, literal, text_literal, unknown};
use super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::params::{OptionDecl, Value};
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

impl Checker<'_> {
    /// `getopt("name", default, "description")`: the value as if it stood in the script.
    pub fn getopt(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let literal_text = |arg: &ast::Expr| match &arg.kind {
            ast::ExprKind::Str(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        let Some(name) = literal_text(&args[0]) else {
            return self.refuse(args[0].span, "First argument to 'getopt' must be a string literal.");
        };
        let Some(default) = args.get(1).map_or(Some(Value::Bool(false)), |arg| self.option_default(state, arg)) else {
            let title = "Second argument to 'getopt' must be a string literal, integer literal, or a boolean literal.";
            return self.refuse(args[1].span, title);
        };
        let description = match args.get(2).map(literal_text) {
            Some(None) => {
                let title = "Function 'getopt' requires the third parameter to be a string literal.";
                return self.refuse(args[2].span, title);
            }
            description => description.flatten(),
        };
        let option = OptionDecl { name, default, description };
        // A value of the wrong type is told of when all options are known.
        let value = option.value(&self.settings.options).unwrap_or_else(|_| option.default.clone());
        if let Err(diagnostic) = declare(&mut self.walk.options, option, span) {
            self.report(diagnostic);
            return unknown(span);
        }
        match value {
            Value::Bool(value) => int(i64::from(value), Type::Bool, span),
            Value::Signed(value) => int(value, Type::I64, span),
            Value::Unsigned(value) => int(value as i64, Type::U64, span),
            Value::Text(text) => text_literal(text.into_bytes(), span),
        }
    }

    /// The default value of an option; none if it is no literal. `(int64)5` is 5 as an option whose default is negative
    /// has it.
    fn option_default(&mut self, state: &mut ProbeState<'_>, arg: &ast::Expr) -> Option<Value> {
        let value = self.value(state, arg);
        match (&value.kind, &value.ty) {
            (ExprKind::Str(text), _) => Some(Value::Text(String::from_utf8_lossy(text).into_owned())),
            (ExprKind::Int(value), Type::Bool) => Some(Value::Bool(*value != 0)),
            (kind, ty) if *ty == Type::I64 && matches!(arg.kind, ast::ExprKind::Cast { .. }) => {
                let number = match kind {
                    ExprKind::Cast(inner) => literal(inner),
                    _ => literal(&value),
                };
                number.and_then(|number| i64::try_from(number).ok()).map(Value::Signed)
            }
            _ => {
                let number = literal(&value)?;
                u64::try_from(number).map(Value::Unsigned).or_else(|_| i64::try_from(number).map(Value::Signed)).ok()
            }
        }
    }
}

/// Adds an option to those known so far. All uses of one must agree.
fn declare(options: &mut Vec<OptionDecl>, option: OptionDecl, span: Span) -> Result<(), Diagnostic> {
    let Some(known) = options.iter_mut().find(|known| known.name == option.name) else {
        options.push(option);
        return Ok(());
    };
    let name = &option.name;
    if known.default != option.default {
        let title = format!(
            "Command line option '{name}' needs to have the same default value in all places it is used. Previous \
             default value: {}",
            known.default
        );
        return Err(Diagnostic::error(span, title));
    }
    match (&known.description, option.description) {
        (Some(known), Some(other)) if *known != other => {
            let title = format!("Command line option '{name}' must have the same description in all places it's used.");
            Err(Diagnostic::error(span, title).with_help("leave it out in all places but one"))
        }
        (None, other) => {
            known.description = other;
            Ok(())
        }
        _ => Ok(()),
    }
}
