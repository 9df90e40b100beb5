//! Functions of stacks, symbols and registers.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::config::Unstable;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::span::Span;
use crate::target::Attach;
use crate::typed::{Expr, ExprKind};
use crate::types::{AddressSpace, IntType, Stack, StackMode, Type};

impl Checker<'_> {
    /// `kstack(mode, limit)`, `ustack(mode, limit)` and `dw_ustack(mode, limit)`
    pub fn stack(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let user = row.id != FunctionId::Kstack;
        if row.id == FunctionId::DwUstack && !self.permits_unwinding(span) {
            return unknown(span);
        }
        let mode = match self.config.stack_mode {
            // The kernel's code has no build ids of its own.
            StackMode::BuildId if !user => StackMode::Bpftrace,
            mode => mode,
        };
        let mut stack = Stack { user, mode, depth: Stack::DEPTH };
        let mut limit = args;
        if let Some((ast::Expr { kind: ast::ExprKind::Ident(name), span: place }, rest)) = args.split_first() {
            limit = rest;
            match StackMode::by_name(name) {
                Some(StackMode::BuildId) if !user => {
                    return self.refuse(span, "'build_id' stack mode can only be used for ustack");
                }
                Some(mode) => stack.mode = mode,
                None => {
                    let title = format!(
                        "Error parsing stack mode: {}: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.",
                        row.name
                    );
                    return self.refuse(*place, title);
                }
            }
        }
        match limit {
            [] => {}
            [limit] => {
                let limit = self.expr(state, limit);
                match literal(&limit) {
                    Some(depth @ 0..) => stack.depth = depth.min(i128::from(Stack::DEPTH)) as u32,
                    _ if limit.ty == Type::Unknown => return unknown(span),
                    _ => return self.refuse(span, format!("{}: invalid limit value", row.name)),
                }
            }
            [first, ..] => {
                let title = format!("{}() takes the mode first, then the limit", row.name);
                self.report(Diagnostic::error(first.span, title).with_help(format!("usage: {}", row.usage)));
                return unknown(span);
            }
        }
        Expr { kind: ExprKind::Call(row.id, Vec::new()), ty: Type::Stack(stack), span }
    }

    /// Whether the config lets a script walk stacks by tables.
    fn permits_unwinding(&mut self, span: Span) -> bool {
        let unstable = self.config.unstable_dw_ustack;
        let Some(told) = unstable.told("dw_ustack (DWARF stack unwinding)", "unstable_dw_ustack") else { return true };
        let permits = unstable != Unstable::Error;
        // Once is enough.
        if !self.walk.diagnostics.iter().any(|known| known.title == told) {
            self.report(match permits {
                true => Diagnostic::warning(span, told),
                false => Diagnostic::error(span, told),
            });
        }
        permits
    }

    /// `kaddr("symbol")`
    pub fn kaddr(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(name) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let name = String::from_utf8_lossy(&name);
        match self.target.kernel_symbol(&name) {
            Ok(address) => int(address as i64, Type::U64, span),
            Err(error) => {
                self.report(Diagnostic::error(span, error.title).with_maybe_help(error.help));
                unknown(span)
            }
        }
    }

    /// `reg("name")`
    pub fn reg(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(name) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let name = String::from_utf8_lossy(&name);
        let everywhere = state.header.points.iter().all(|point| point.context.has_registers());
        if let (false, Some(provider)) = (everywhere, state.header.provider) {
            return self.refuse(span, format!("reg can not be used with \"{}\" probes", provider.row().name));
        }
        match self.target.register(&name) {
            Ok(access) => {
                let place =
                    vec![int(i64::from(access.offset), Type::I64, span), int(i64::from(access.bytes), Type::I64, span)];
                Expr { kind: ExprKind::Call(row.id, place), ty: Type::U64, span }
            }
            Err(error) => {
                self.report(Diagnostic::error(span, error.title).with_maybe_help(error.help));
                unknown(span)
            }
        }
    }

    /// `uaddr("symbol")`: from the traced instruction, whose address the registers tell, it is always as far.
    pub fn uaddr(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(name) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let name = String::from_utf8_lossy(&name);
        let (mut found, mut returns) = (None, false);
        for point in &state.header.points {
            let (path, offsets) = match &point.attach {
                Attach::Uprobe { path, offset, on_return, .. } => {
                    returns |= *on_return;
                    (path, vec![*offset])
                }
                Attach::Usdt { path, places, .. } => (path, places.iter().map(|place| place.offset).collect()),
                _ => {
                    let provider = state.header.provider.map_or("", |provider| provider.row().name);
                    return self.refuse(span, format!("uaddr can not be used with \"{provider}\" probes"));
                }
            };
            for offset in offsets {
                match self.target.user_symbol(path, offset, &name) {
                    Ok(symbol) if found.is_none_or(|other| other == symbol) => found = Some(symbol),
                    Ok(_) => return self.refuse(span, "uaddr() takes a probe with one attach point"),
                    Err(error) => {
                        self.report(Diagnostic::error(span, error.title).with_maybe_help(error.help));
                        return unknown(span);
                    }
                }
            }
        }
        if returns && !self.target.features().user_function_address {
            let error = Diagnostic::error(span, "uaddr can not be used with \"uretprobe\" probes on this kernel");
            self.report(error.with_help("Linux 6.6 and later tell where the function began"));
            return unknown(span);
        }
        let pc = ["ip", "pc"].into_iter().find_map(|register| self.target.register(register).ok());
        let (Some(symbol), Some(pc)) = (found, pc) else {
            return self.refuse(span, "uaddr() is not known on this architecture");
        };
        let bits = match symbol.size {
            1 => 8,
            2 => 16,
            4 => 32,
            _ => 64,
        };
        let pointee = Type::Int(IntType { bits, signed: true });
        let ty = Type::Pointer(Box::new(pointee), AddressSpace::User);
        let place = [symbol.distance, i64::from(pc.offset), i64::from(pc.bytes)];
        let place = if returns { &place[..1] } else { &place[..] };
        let place = place.iter().map(|number| int(*number, Type::I64, span)).collect();
        Expr { kind: ExprKind::Call(row.id, place), ty, span }
    }
}
