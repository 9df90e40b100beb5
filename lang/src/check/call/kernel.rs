//! Functions that ask the kernel for something of its own: its functions, symbols, files and tasks.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::builtins::COMM_LEN;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::probes::ProviderId;
use crate::span::Span;
use crate::target::{TASK_FROM_ID, TASK_RELEASE};
use crate::typed::{Expr, ExprKind};
use crate::types::Type;

impl Checker<'_> {
    /// `kfunc_exist("name")` and `kfunc_allowed("name")`
    pub fn asks_kfunc(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let value = self.expr(state, &args[0]);
        let ExprKind::Str(name) = &value.kind else {
            if value.ty == Type::Unknown {
                return unknown(span);
            }
            return self.refuse(span, format!("{}() accepts a string literal only", row.name));
        };
        let name = String::from_utf8_lossy(name);
        let holds = match row.id {
            FunctionId::KfuncExist => self.target.kfunc(&name).is_some(),
            _ => self.may_call(state, &name),
        };
        int(i64::from(holds), Type::Bool, span)
    }

    /// Whether programs of all attach points may call a function of the kernel.
    fn may_call(&self, state: &ProbeState<'_>, name: &str) -> bool {
        state.header.points.iter().all(|point| self.target.may_call(name, point.context.program))
    }

    /// `comm(pid)`
    pub fn comm_of(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let id = self.expr(state, &args[0]);
        match id.ty {
            Type::Unknown => return unknown(span),
            Type::Int(_) => {}
            _ => return self.refuse(args[0].span, "Only integer supported for comm()'s pid"),
        }
        if ![TASK_FROM_ID, TASK_RELEASE].iter().all(|name| self.may_call(state, name)) {
            let kind = match state.header.provider {
                Some(ProviderId::Begin | ProviderId::End) => "special",
                provider => provider.map_or("", |provider| provider.row().name),
            };
            let title = format!("Syntax comm(PID) is not supported in this probe type yet. Type: {kind}");
            let help = match self.target.kfunc(TASK_FROM_ID) {
                None => format!("this kernel has no {TASK_FROM_ID}; Linux has it from 6.2 on"),
                Some(_) => format!(
                    "the kernel lets no program of this probe call {TASK_FROM_ID}; those of iter, fentry and rawtracepoint may"
                ),
            };
            self.report(Diagnostic::error(span, title).with_help(help));
            return unknown(span);
        }
        Expr { kind: ExprKind::Call(row.id, vec![id]), ty: Type::Str(COMM_LEN), span }
    }

    /// `path(path, size)`
    pub fn path(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let knows_types =
            matches!(state.header.provider, Some(ProviderId::Fentry | ProviderId::Fexit | ProviderId::Iter));
        if !knows_types {
            let title = "The path function can only be used with 'fentry', 'fexit', 'iter' probes";
            return self.refuse(span, title);
        }
        let size = match args.get(1) {
            None => self.config.max_strlen,
            Some(size) => {
                let size = self.expr(state, size);
                match literal(&size) {
                    Some(size @ 1..) => u32::try_from(size).unwrap_or(u32::MAX).min(self.config.max_strlen),
                    _ if size.ty == Type::Unknown => return unknown(span),
                    _ => return self.refuse(span, "path: invalid size value, need non-negative literal"),
                }
            }
        };
        let path = self.expr(state, &args[0]);
        let of = match &path.ty {
            Type::Unknown => return unknown(span),
            Type::Pointer(to, _) => &**to,
            ty => ty,
        };
        if !matches!(of, Type::Struct(of) if of.name == "struct path") {
            let title = format!("path() only supports pointer or C type argument ({} provided)", path.ty.kind());
            let error = Diagnostic::error(span, title).with_related(args[0].span, "this is what was given");
            self.report(error.with_help("give it a struct path of the kernel, such as file.f_path"));
            return unknown(span);
        }
        Expr { kind: ExprKind::Call(row.id, vec![path]), ty: Type::Str(size), span }
    }

    /// `percpu_kaddr("symbol", cpu)`
    pub fn percpu_kaddr(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(name) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let symbol = match self.target.per_cpu_symbol(&String::from_utf8_lossy(&name)) {
            Ok(symbol) => symbol,
            Err(error) => {
                self.report(Diagnostic::error(span, error.title).with_maybe_help(error.help));
                return unknown(span);
            }
        };
        let mut numbers = [symbol.address, symbol.offsets].map(|number| int(number as i64, Type::U64, span)).to_vec();
        if let Some(cpu) = args.get(1) {
            let cpu = self.expr(state, cpu);
            match cpu.ty {
                Type::Unknown => return unknown(span),
                Type::Int(_) => numbers.push(cpu),
                _ => {
                    let title = format!("{}() only supports int arguments ({} provided)", row.name, cpu.ty.kind());
                    return self.refuse(span, title);
                }
            }
        }
        Expr { kind: ExprKind::Call(row.id, numbers), ty: Type::U64, span }
    }
}
