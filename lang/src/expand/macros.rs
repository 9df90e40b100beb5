//! The macros of a script, and which of them a call means.

use super::{Frame, only_value};
use crate::ast::{Expr, ExprKind, Macro, MacroParam, MacroParamKind};
use crate::diag::Diagnostic;
use crate::span::Span;
use hashbrown::HashMap;

/// The macros by name. Several may share one if what they take differs; the first that fits is meant.
#[derive(Default)]
pub(super) struct Macros<'a> {
    by_name: HashMap<&'a str, Vec<&'a Macro>>,
}

impl<'a> Macros<'a> {
    /// Adds a macro.
    pub(super) fn define(&mut self, item: &'a Macro) -> Result<(), Diagnostic> {
        for (i, param) in item.params.iter().enumerate() {
            let same = |first: &&MacroParam| first.kind == param.kind && first.name.text == param.name.text;
            if let Some(first) = item.params[..i].iter().find(same) {
                let (what, sigil) = match param.kind {
                    MacroParamKind::Expr => ("Ident", ""),
                    MacroParamKind::Var => ("Variable", "$"),
                    MacroParamKind::Map => ("Map", "@"),
                };
                let title = format!("{what} for macro argument has already been used: {sigil}{}", param.name.text);
                return Err(Diagnostic::error(param.name.span, title).with_related(first.name.span, "first here"));
            }
        }
        let same_name = self.by_name.entry(&item.name.text).or_default();
        let covered = |first: &&&Macro| {
            first.params.len() == item.params.len()
                && first.params.iter().zip(&item.params).all(|(first, param)| takes(first, kind_of(param)))
        };
        if let Some(first) = same_name.iter().find(covered) {
            return Err(Diagnostic::error(head(item), format!("Redefinition of macro: {}", item.name.text))
                .with_related(head(first), "this one takes the same"));
        }
        same_name.push(item);
        Ok(())
    }

    /// The macro that a call means, or the one that comes closest if any has the name.
    pub(super) fn find(&self, name: &str, args: &[Expr]) -> Result<&'a Macro, Option<&'a Macro>> {
        let distance = |item: &Macro| {
            let wrong = item.params.iter().zip(args).filter(|(param, arg)| !takes(param, sigil(arg))).count();
            (item.params.len().abs_diff(args.len()), wrong)
        };
        let closest = self.by_name.get(name).and_then(|same| same.iter().copied().min_by_key(|item| distance(item)));
        match closest {
            Some(item) if distance(item) == (0, 0) => Ok(item),
            other => Err(other),
        }
    }
}

/// From `macro` to the end of its name.
fn head(item: &Macro) -> Span {
    Span::new(item.span.start, item.name.span.end)
}

/// The sigil that an argument must have: `$`, `@`, or none.
pub(super) fn kind_of(param: &MacroParam) -> char {
    match param.kind {
        MacroParamKind::Expr => ' ',
        MacroParamKind::Var => '$',
        MacroParamKind::Map => '@',
    }
}

/// What an argument is.
fn sigil(arg: &Expr) -> char {
    match arg.kind {
        ExprKind::Var(_) => '$',
        ExprKind::Map(_) => '@',
        _ => ' ',
    }
}

fn takes(param: &MacroParam, given: char) -> bool {
    param.kind == MacroParamKind::Expr || kind_of(param) == given
}

/// The error about a call for which there is no macro; `closest` comes closest.
pub(super) fn no_match(call: Span, closest: &Macro, args: &[Expr]) -> Diagnostic {
    let name = &closest.name.text;
    let title = format!("Call to {name}() has arguments that do not match any definition.");
    let mut told = Diagnostic::error(call, title);
    if closest.params.len() != args.len() {
        let text = format!("the closest definition takes {}, not {}", closest.params.len(), args.len());
        return told.with_related(head(closest), text);
    }
    for (param, arg) in closest.params.iter().zip(args).filter(|(param, arg)| !takes(param, sigil(arg))) {
        let wanted = if param.kind == MacroParamKind::Var { "a variable" } else { "a map" };
        let given = match sigil(arg) {
            '$' => "a variable",
            '@' => "a map",
            _ => "an expression",
        };
        told = told
            .with_related(arg.span, format!("{name}() takes {wanted} here, but got {given}"))
            .with_related(param.name.span, "the parameter in the closest definition");
    }
    told
}

impl<'a> Frame<'a> {
    /// Gives a parameter its argument, which is of its kind.
    pub(super) fn bind(&mut self, param: &'a MacroParam, arg: &Expr) {
        let name = param.name.text.as_str();
        match (param.kind, &arg.kind) {
            (MacroParamKind::Var, ExprKind::Var(passed)) => {
                self.vars.insert(name, passed.clone());
            }
            (MacroParamKind::Map, ExprKind::Map(passed)) => {
                self.maps.insert(name, passed.clone());
            }
            (_, ExprKind::Var(_) | ExprKind::Map(_)) => {
                self.exprs.insert(name, only_value(arg));
            }
            _ => {
                self.exprs.insert(name, arg.clone());
            }
        }
    }
}
