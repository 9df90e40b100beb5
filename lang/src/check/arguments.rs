//! Arguments by name: `args.NAME`, and `args` as a record of all.

use super::expr::unknown;
use super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::probes::ProviderId;
use crate::span::Span;
use crate::target::Field;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

impl Checker<'_> {
    /// `base.name`, where the base may be `args`.
    pub fn field(&mut self, state: &mut ProbeState<'_>, base: &ast::Expr, name: &ast::Name, span: Span) -> Expr {
        if let Some(field) = self.packet_field(state, base, name, span) {
            return field;
        }
        if !matches!(&base.kind, ast::ExprKind::Ident(word) if word == "args") {
            return self.member(state, base, name, span);
        }
        let points = &state.header.points;
        let Some(first) = points.first() else { return unknown(span) };
        if !self.has_named_args(state, base.span) {
            return unknown(span);
        }
        let is_uprobe = state.header.provider == Some(ProviderId::Uprobe);
        for point in points {
            if !point.context.fields.iter().any(|field| field.name == name.text) {
                let near = nearest(&name.text, point.context.fields.iter().map(|field| &field.name), 1);
                let names: Vec<&str> = point.context.fields.iter().map(|field| field.name.as_str()).collect();
                let help = match near.first() {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if names.is_empty() && is_uprobe => NO_NAMES.into(),
                    None if names.is_empty() => "it has no arguments".into(),
                    None => format!("it has {}", names.join(", ")),
                };
                let title = format!(
                    "Struct/union of type 'struct {}_args' does not contain a field named '{}'",
                    point.name, name.text
                );
                self.report(Diagnostic::error(span, title).with_help(help));
                return unknown(span);
            }
        }
        let found = first.context.fields.iter().position(|field| field.name == name.text);
        match found {
            Some(index) => {
                let ty = first.context.fields[index].ty.clone();
                if ty == Type::Unknown {
                    return self.refuse(span, unreadable(&name.text, is_uprobe));
                }
                Expr { kind: ExprKind::EventField(index), ty, span }
            }
            None => unknown(span),
        }
    }

    /// Whether arguments go by name in these probes; says if not.
    fn has_named_args(&mut self, state: &ProbeState<'_>, span: Span) -> bool {
        let provider = match state.header.provider {
            Some(provider) if provider.row().named_args => return true,
            Some(ProviderId::Begin | ProviderId::End) => "special",
            Some(provider) => provider.row().name,
            None => return false,
        };
        let title = format!(
            "The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and uprobe probes ({provider} used here)"
        );
        let sees_packets = state.header.points.iter().any(|point| point.context.packet().is_some());
        let help = sees_packets.then(|| "the fields of a packet go by their protocol: ip.saddr, tcp.dport".into());
        self.report(Diagnostic::error(span, title).with_maybe_help(help));
        false
    }

    /// `args`: all arguments of a function, as a record.
    pub fn all_arguments(&mut self, state: &ProbeState<'_>, span: Span) -> Expr {
        if !self.has_named_args(state, span) {
            return unknown(span);
        }
        let is_uprobe = state.header.provider == Some(ProviderId::Uprobe);
        let is_function = is_uprobe || matches!(state.header.provider, Some(ProviderId::Fentry | ProviderId::Fexit));
        let point = match &state.header.points[..] {
            [point] if is_function => point,
            [] => return unknown(span),
            _ => return self.refuse(span, "`args` stands for all arguments: name one, such as args.count"),
        };
        let fields = &point.context.fields;
        if fields.is_empty() && is_uprobe {
            self.report(
                Diagnostic::error(span, format!("{} has no arguments with names", point.name)).with_help(NO_NAMES),
            );
            return unknown(span);
        }
        if let Some(field) = fields.iter().find(|field| field.ty == Type::Unknown) {
            let error = Diagnostic::error(span, unreadable(&field.name, is_uprobe));
            self.report(error.with_help("`args` stands for all arguments: name those that are wanted"));
            return unknown(span);
        }
        let value = |(index, field): (usize, &Field)| {
            let value = Expr { kind: ExprKind::EventField(index), ty: field.ty.clone(), span };
            ((field.name.clone(), field.ty.clone()), value)
        };
        let (types, values) = fields.iter().enumerate().map(value).unzip();
        Expr { kind: ExprKind::Tuple(values), ty: Type::Record(types), span }
    }
}

/// Why an argument cannot be read.
fn unreadable(name: &str, is_uprobe: bool) -> String {
    match is_uprobe {
        true => format!("`{name}` is not in a general register when the function is entered"),
        false => format!("the type of `{name}` is not supported yet"),
    }
}

/// What to do where a place of a program has no names for arguments.
const NO_NAMES: &str =
    "arguments have names where a function with debug information (DWARF) is entered; arg0 and so on need none";
