//! What a probe says is to become of a packet: `return XDP_DROP`, `redirect("eth1")`.

use super::expr::{int, literal};
use super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{FunctionId, function};
use crate::span::Span;
use crate::target::{PacketContext, ProgramType};
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

/// Those whose verdicts have names of their own, with the word for them.
const NAMED: [(ProgramType, &str); 2] = [(ProgramType::Xdp, "xdp"), (ProgramType::Tc, "tc")];

impl Checker<'_> {
    /// `return EXPR` at packets; nothing, with the reason told, if it means nothing.
    pub fn verdict(&mut self, state: &mut ProbeState<'_>, value: &ast::Expr, span: Span) -> Option<Expr> {
        let context = self.one_kind(state, span)?;
        if let ast::ExprKind::Call { name, args } = &value.kind
            && let Some(row) = function(&name.text).filter(|row| row.id == FunctionId::Redirect)
        {
            let fits = self.check_count(row, args.len(), value.span) && self.check_safety(row, value.span);
            return if fits { self.redirect(state, &args[0], value.span) } else { None };
        }
        let provider = state.header.provider.map_or("this", |provider| provider.row().name);
        if context.verdicts.is_empty() {
            let title = format!("what a {provider} probe returns means nothing");
            let help = "it is given copies of the packets; xdp and tc say what becomes of a packet";
            self.report(Diagnostic::error(span, title).with_help(help));
            return None;
        }
        if !self.names_fit(context, provider, value) {
            return None;
        }
        let checked = self.value(state, value);
        if checked.ty == Type::Unknown {
            return None;
        }
        if !matches!(checked.ty, Type::Int(_) | Type::Enum(_)) {
            let title = format!("Probe return values can only be integers. Found {}", checked.ty);
            self.report(Diagnostic::error(span, title).with_help(choices(context)));
            return None;
        }
        let number = match &checked.kind {
            ExprKind::Int(bits) => Some(literal(&checked).unwrap_or_else(|| i128::from(*bits))),
            _ => None,
        };
        match number {
            Some(number) if context.verdict(number).is_none() => {
                let title = format!("{number} is no verdict at {provider}");
                self.report(Diagnostic::error(value.span, title).with_help(choices(context)));
                return None;
            }
            Some(number) if number == i128::from(context.pass) => {}
            Some(_) if self.settings.allow_unsafe => {}
            None if self.settings.allow_unsafe => {}
            known => {
                let pass = context.verdict(context.pass.into()).map_or("", |verdict| verdict.name);
                let title = match known.and_then(|number| context.verdict(number)) {
                    Some(verdict) => format!("{} is unsafe: the packet {}", written(value, verdict.name), verdict.doc),
                    None => "it is not known that this lets the packet pass".to_owned(),
                };
                let help = format!("--unsafe permits it; {pass}, or a return without a value, lets the packet pass");
                self.report(Diagnostic::error(value.span, title).with_help(help));
                return None;
            }
        }
        Some(checked)
    }

    /// `redirect("interface")`
    pub fn redirect(&mut self, state: &mut ProbeState<'_>, to: &ast::Expr, span: Span) -> Option<Expr> {
        let row = function("redirect").expect("it has a row");
        if !state.header.points.iter().any(|point| point.context.packet().is_some_and(|packet| packet.redirects)) {
            let provider = state.header.provider.map_or("these", |provider| provider.row().name);
            let title = format!("redirect() can not be used with '{provider}' probes");
            self.report(Diagnostic::error(span, title).with_help("it is for packets at xdp and tc"));
            return None;
        }
        self.one_kind(state, span)?;
        let name = self.known_text(state, to, row, span)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        match self.target.interface(&name) {
            Ok(index) => {
                let index = int(i64::from(index), Type::U32, to.span);
                Some(Expr { kind: ExprKind::Call(FunctionId::Redirect, vec![index]), ty: Type::U32, span })
            }
            Err(error) => {
                self.report(Diagnostic::error(to.span, error.title).with_maybe_help(error.help));
                None
            }
        }
    }

    /// How all attach points of the probe see their packets, if a number means the same at each.
    fn one_kind(&mut self, state: &ProbeState<'_>, span: Span) -> Option<&'static PacketContext> {
        let mut points = state.header.points.iter();
        let first = points.next()?;
        let packet = first.context.packet();
        let other = points.find(|point| point.context.packet().is_none_or(|other| Some(other) != packet));
        match (packet, other) {
            (Some(packet), None) => Some(packet),
            (_, other) => {
                let other = other.unwrap_or(first);
                let title = format!("a return value does not mean the same at {} and {}", first.name, other.name);
                let help = "write a probe for each, or leave the value out: the packet then passes";
                self.report(Diagnostic::error(span, title).with_help(help));
                None
            }
        }
    }

    /// Whether no verdict is named that is another program type's: its number would mean something else here.
    fn names_fit(&mut self, context: &PacketContext, provider: &str, value: &ast::Expr) -> bool {
        let mut wrong = None;
        value.visit(&mut |expr| {
            if let ast::ExprKind::Ident(name) = &expr.kind
                && !context.verdicts.iter().any(|verdict| verdict.name == name)
                && wrong.is_none()
            {
                let whose = misplaced(name).filter(|whose| *whose != provider || name.ends_with("_REDIRECT"));
                wrong = whose.map(|whose| (expr.span, name.clone(), whose));
            }
        });
        let Some((span, name, whose)) = wrong else { return true };
        let redirects = name.ends_with("_REDIRECT");
        let title = match redirects {
            true => format!("{name} says nothing of where the packet is to go"),
            false => format!("{name} is a verdict of {whose}, and this is {provider}"),
        };
        let help = match redirects && context.redirects {
            true => "write redirect(\"eth1\")".to_owned(),
            false => choices(context),
        };
        self.report(Diagnostic::error(span, title).with_help(help));
        false
    }
}

/// Whose verdict has this name.
fn misplaced(name: &str) -> Option<&'static str> {
    let by_table = NAMED.iter().find(|(program, _)| {
        program.packet().is_some_and(|packet| packet.verdicts.iter().any(|verdict| verdict.name == name))
    });
    match by_table {
        Some((_, whose)) => Some(whose),
        None if name == "XDP_REDIRECT" => Some("xdp"),
        None if ["TC_ACT_", "TCX_"].iter().any(|prefix| name.starts_with(prefix)) => Some("tc"),
        None => None,
    }
}

/// A verdict as it was written, if that was a name.
fn written(value: &ast::Expr, name: &str) -> String {
    match &value.kind {
        ast::ExprKind::Ident(written) => written.clone(),
        _ => format!("this ({name})"),
    }
}

/// What may be returned.
fn choices(context: &PacketContext) -> String {
    // Other names of the same come later in the table.
    let is_first = |number: i64, at: usize| context.verdicts[..at].iter().all(|other| other.number != number);
    let known = context.verdicts.iter().enumerate().filter(|(at, verdict)| is_first(verdict.number, *at));
    let words: Vec<String> = known.map(|(_, verdict)| format!("{} ({})", verdict.name, verdict.doc)).collect();
    format!("there are {}", words.join("; "))
}
