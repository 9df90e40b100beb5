//! Types in the body of a macro: a parameter's name there stands for the type that was passed as `typeof(...)`.
//!
//! A bare name where a type may stand is a type or a parameter, never a call of a macro.

use super::Expander;
use crate::ast::{Expr, ExprKind, Name, TypeBase, TypeName, TypeOf};
use crate::diag::Diagnostic;

impl Expander<'_> {
    /// What stands in `sizeof(...)` and its like.
    pub(super) fn type_of(&mut self, of: &mut TypeOf) {
        match of {
            TypeOf::Type(ty) => {
                self.type_name(ty);
                // A type that is nothing but `typeof(x)` is `x`.
                if let TypeBase::TypeOf(inner) = &ty.base
                    && ty.suffixes.is_empty()
                {
                    *of = (**inner).clone();
                }
            }
            TypeOf::Expr(expr) => {
                if let ExprKind::Ident(name) = &expr.kind {
                    match self.passed(name) {
                        None => return,
                        Some(Expr { kind: ExprKind::TypeOf(passed), .. }) => {
                            *of = (*passed).clone();
                            return;
                        }
                        Some(_) => {}
                    }
                }
                self.expr(expr);
            }
        }
    }

    /// A type as written.
    pub(super) fn type_name(&mut self, ty: &mut TypeName) {
        let (tag, name) = match &mut ty.base {
            TypeBase::TypeOf(of) => return self.type_of(of),
            TypeBase::Named { tag, name } => (*tag, name),
        };
        let Some(passed) = self.passed(name) else { return };
        match (passed.kind, tag) {
            (ExprKind::Ident(passed), _) => *name = passed,
            (ExprKind::TypeOf(of), None) => match *of {
                TypeOf::Type(passed) => {
                    // What was passed comes first: of `int8*`, `t[2]` makes `int8*[2]`.
                    let suffixes = passed.suffixes.into_iter().chain(ty.suffixes.drain(..)).collect();
                    ty.base = passed.base;
                    ty.suffixes = suffixes;
                }
                TypeOf::Expr(Expr { kind: ExprKind::Ident(passed), .. }) => *name = passed,
                TypeOf::Expr(_) => ty.base = TypeBase::TypeOf(of),
            },
            (ExprKind::TypeOf(of), Some(_)) if bare_name(&of).is_some() => {
                *name = bare_name(&of).unwrap_or_default().to_owned();
            }
            (ExprKind::Error, _) => {}
            _ => {
                let param = name.clone();
                let written = crate::dump::type_name(ty);
                let item = self.frames.last().map_or("", |frame| frame.item.name.text.as_str());
                let title = format!(
                    "Invalid replacement for macro '{item}' type parameter '{param}' which makes up the type '{written}'"
                );
                let told = Diagnostic::error(passed.span, title).with_related(ty.span, "here it stands for a type");
                let help = match ty.suffixes.is_empty() && tag.is_none() {
                    true => format!(
                        "({param}) before a value is a cast; pass a type, typeof(uint8), or write {param} without parentheses"
                    ),
                    false => "pass a type: typeof(uint8)".to_owned(),
                };
                self.report(told.with_help(help));
            }
        }
    }

    /// The member of `offsetof` if it is a parameter: a name or a path may be passed.
    pub(super) fn member_path(&mut self, path: &mut Vec<Name>) {
        let [only] = &path[..] else { return };
        let Some(passed) = self.passed(&only.text) else { return };
        let mut names = Vec::new();
        let mut part = &passed;
        loop {
            match &part.kind {
                ExprKind::Field { base, name, .. } => {
                    names.push(name.clone());
                    part = base;
                }
                ExprKind::Ident(name) => {
                    names.push(Name { text: name.clone(), span: part.span });
                    names.reverse();
                    *path = names;
                    return;
                }
                _ => break,
            }
        }
        if !names.is_empty() {
            let title = "FieldAccess expressions must be made up entirely of idents (e.g. a.b.c) to replace the second argument in `offsetof`";
            self.report(Diagnostic::error(passed.span, title));
        }
    }

    /// What was passed for a parameter of that name.
    fn passed(&mut self, name: &str) -> Option<Expr> {
        self.frame()?.exprs.get(name).cloned()
    }
}

/// The name if `of` is nothing else.
fn bare_name(of: &TypeOf) -> Option<&str> {
    match of {
        TypeOf::Type(TypeName { base: TypeBase::Named { tag: None, name }, suffixes, .. }) if suffixes.is_empty() => {
            Some(name)
        }
        TypeOf::Expr(Expr { kind: ExprKind::Ident(name), .. }) => Some(name),
        _ => None,
    }
}
