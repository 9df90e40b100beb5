//! `filter("...")`: an expression of tcpdump's about the packet.

use super::super::expr::{int, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::filter::{Fault, Filter, Link, compile};
use crate::functions::Function;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

impl Checker<'_> {
    /// `filter("...")`
    pub fn filter(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let mut links: Vec<Link> = Vec::new();
        for point in &state.header.points {
            let Some(packet) = point.context.packet() else {
                let title = format!("filter() can not be used with \"{}\"", point.name);
                let help = "it is about packets, which xdp, tc, cgroup_skb and socket see";
                self.report(Diagnostic::error(span, title).with_help(help));
                return unknown(span);
            };
            let link = Link::of(packet);
            if !links.contains(&link) {
                links.push(link);
            }
        }
        let Some(text) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let Ok(text) = String::from_utf8(text) else {
            return self.refuse(args[0].span, "filter() takes a text, and this is not one");
        };
        let mut filters: Vec<(Link, Filter)> = Vec::new();
        for link in links {
            match compile(&text, link) {
                Ok(filter) => filters.push((link, filter)),
                Err(fault) => {
                    self.report(diagnostic(&args[0], fault, link));
                    return unknown(span);
                }
            }
        }
        let known = self.walk.program.filters.iter().position(|known| *known == filters);
        let number = known.unwrap_or_else(|| {
            self.walk.program.filters.push(filters);
            self.walk.program.filters.len() - 1
        });
        let number = int(number as i64, Type::I64, args[0].span);
        Expr { kind: ExprKind::Call(row.id, vec![number]), ty: Type::Bool, span }
    }
}

/// The fault at its place in the script, if that can be told: what stands for it may be a macro's or an escape.
fn diagnostic(arg: &ast::Expr, fault: Fault, link: Link) -> Diagnostic {
    let length = (arg.span.end - arg.span.start) as usize;
    let inner = match &arg.kind {
        // The quotes are not part of the text.
        ast::ExprKind::Str(text) if text.len() + 2 == length => {
            let place = |offset: usize| arg.span.start + 1 + offset as u32;
            Span::new(place(fault.range.start), place(fault.range.end))
        }
        _ => arg.span,
    };
    let title = match link.has_ethernet {
        true => fault.title,
        false => format!("{} (packets begin with IP's header here)", fault.title),
    };
    Diagnostic::error(inner, title).with_maybe_help(fault.help)
}
