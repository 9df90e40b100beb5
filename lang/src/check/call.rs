//! Calls of functions: what is common to them here, the functions by subject in the files below.

mod aggregate;
mod filter;
mod kernel;
mod map;
mod memory;
mod meta;
mod output;
mod packet;
mod stack;
mod task;
mod text;
mod time;

use super::expr::{literal, number_literal, unknown};
use super::{Checker, ProbeState};
use crate::ast;
use crate::builtins::builtin;
use crate::diag::Diagnostic;
use crate::functions::{FUNCTIONS, Function, FunctionId, Param, Signature, function};
use crate::nearest::nearest;
use crate::printf::Origin;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, StmtKind};
use crate::types::{AddressSpace, Type};

impl Checker<'_> {
    /// Finds a function's row and checks the number of arguments.
    fn function_row(&mut self, name: &ast::Name, args: usize, span: Span) -> Option<&'static Function> {
        let Some(row) = function(&name.text) else {
            if builtin(&name.text).is_some() {
                let title = format!("{}() requires no arguments ({args} provided)", name.text);
                self.refuse(span, title);
                return None;
            }
            let near = nearest(&name.text, FUNCTIONS.iter().map(|row| row.name), 1);
            let help = near.first().map(|near| format!("did you mean `{near}`?"));
            let title = format!("Unknown function: '{}'", name.text);
            self.report(Diagnostic::error(span, title).with_maybe_help(help));
            return None;
        };
        self.check_count(row, args, span).then_some(row)
    }

    pub fn check_count(&mut self, row: &Function, args: usize, span: Span) -> bool {
        let count = |n: usize| if n == 1 { "one argument".into() } else { format!("{n} arguments") };
        let title = match (row.min_args, row.max_args) {
            (min, max) if (min..=max).contains(&args) => return true,
            (min, max) if min == max && min == 0 => format!("{}() requires no arguments ({args} provided)", row.name),
            (min, max) if min == max => format!("{}() requires {} ({args} provided)", row.name, count(min)),
            (min, _) if args < min => {
                format!("{}() requires at least {} ({args} provided)", row.name, count(min))
            }
            (_, max) => format!("{}() takes up to {} ({args} provided)", row.name, count(max)),
        };
        self.report(Diagnostic::error(span, title).with_help(format!("usage: {}", row.usage)));
        false
    }

    /// A call within an expression.
    pub fn call(&mut self, state: &mut ProbeState<'_>, name: &ast::Name, args: &[ast::Expr], span: Span) -> Expr {
        // A builtin may be called, too: `comm()`.
        let gives_nothing_more = function(&name.text).is_none_or(|row| row.id == FunctionId::Comm);
        if args.is_empty() && gives_nothing_more && builtin(&name.text).is_some() {
            return self.name(state, &name.text, span);
        }
        let Some(row) = self.function_row(name, args.len(), span) else { return unknown(span) };
        if !self.function_fits(state, row.id, row.name, span) {
            return unknown(span);
        }
        if row.aggregation {
            let error = Diagnostic::error(span, format!("{}() must be assigned directly to a map", row.name))
                .with_help(format!("write @name = {})", row.usage.split(')').next().unwrap_or(row.usage)));
            self.report(error);
            return unknown(span);
        }
        if !self.check_safety(row, span) {
            return unknown(span);
        }
        use crate::probes::ProviderId as P;
        if row.id == FunctionId::SocketCookie
            && let Some(provider) = state.header.provider
            && !matches!(provider, P::Fentry | P::Fexit | P::RawTracepoint | P::Iter)
        {
            let title = format!("socket_cookie can not be used with \"{}\" probes", provider.row().name);
            self.report(Diagnostic::error(span, title).with_help("it is for fentry, fexit, rawtracepoint and iter"));
            return unknown(span);
        }
        if let Some(signature) = &row.signature {
            return self.fixed(state, row, signature, args, span);
        }
        use FunctionId as F;
        match row.id {
            F::Str => self.read_str(state, row, args, span),
            F::Getopt => self.getopt(state, args, span),
            F::Delete => {
                let deleted = self.delete(state, args, span);
                match &deleted.kind {
                    // Each CPU has a share of it, which only user space can reach.
                    ExprKind::Delete(map, keys) if keys.is_empty() && self.holds_aggregation(*map) => {
                        self.refuse(span, "deleting a whole aggregation gives no value")
                    }
                    _ => deleted,
                }
            }
            F::HasKey => self.has_key(state, args, span),
            F::Len => self.len(state, args, span),
            F::Strlen => self.strlen(state, args, span),
            F::Strcap => self.strcap(state, args, span),
            F::Strncmp => self.strncmp(state, row, args, span),
            F::Memcmp => self.memcmp(state, args, span),
            F::Strcontains | F::Strstr => self.search(state, row, args, span),
            F::Bswap => self.bswap(state, row, args, span),
            F::Nsecs => self.nsecs(args, span),
            F::Pid | F::Tid => self.process_id(row, args, span),
            F::Ppid | F::Pcomm | F::LeaderTid | F::LeaderComm => self.relative(state, row, args, span),
            F::Kaddr => self.kaddr(state, row, args, span),
            F::Cgroupid => self.cgroupid(state, row, args, span),
            F::CgroupPath => self.cgroup_path(state, row, args, span),
            F::Comm => self.comm_of(state, row, args, span),
            F::ContainerOf => self.container_of(state, args, span),
            F::Find => self.find(state, args, span),
            F::KfuncExist | F::KfuncAllowed => self.asks_kfunc(state, row, args, span),
            F::Path => self.path(state, row, args, span),
            F::PercpuKaddr => self.percpu_kaddr(state, row, args, span),
            F::StrConcat => self.str_concat(state, row, args, span),
            F::DefaultStrLength => number_literal(i128::from(self.config.max_strlen), span),
            F::Config => self.config_record(span),
            F::Uaddr => self.uaddr(state, row, args, span),
            F::Reg => self.reg(state, row, args, span),
            F::Kstack | F::Ustack | F::DwUstack => self.stack(state, row, args, span),
            F::Kptr => self.in_space(state, args, AddressSpace::Kernel),
            F::Uptr => self.in_space(state, args, AddressSpace::User),
            F::Ntop => self.ntop(state, row, args, span),
            F::Pton => self.pton(state, row, args, span),
            F::Macaddr => self.macaddr(state, row, args, span),
            F::Buf => self.buf(state, row, args, span),
            F::Strftime => self.strftime(state, row, args, span),
            F::IsStr | F::IsPtr | F::IsInteger | F::IsUnsignedInteger | F::IsArray | F::IsLiteral => {
                self.asks_type(state, row, args, span)
            }
            F::Debugf => self.debugf(state, row, args, span),
            F::WriteUser => self.write_user(state, row, args, span),
            F::Skboutput => self.skboutput(state, row, args, span),
            F::Capture => self.capture(state, row, args, span),
            F::Filter => self.filter(state, row, args, span),
            F::Override => self.override_return(state, row, args, span),
            F::Signal | F::SignalThread => self.signal(state, row, args, span),
            F::Fail => {
                self.fail(state, row, args, span);
                unknown(span)
            }
            F::Redirect => {
                let error = Diagnostic::error(span, "redirect() is no value: it says what becomes of the packet");
                self.report(error.with_help("write redirect(\"eth1\"); or return redirect(\"eth1\");"));
                unknown(span)
            }
            _ => self.refuse(span, format!("{}() gives no value and can only stand alone", row.name)),
        }
    }

    /// A call whose row says all there is to know.
    fn fixed(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &'static Function,
        signature: &Signature,
        args: &[ast::Expr],
        span: Span,
    ) -> Expr {
        let mut checked = Vec::new();
        for (arg, param) in args.iter().zip(signature.params) {
            let value = self.expr(state, arg);
            let fits = match param {
                Param::Integer => value.ty.as_int().is_some(),
                Param::Address => value.ty.is_scalar() && value.ty != Type::Bool,
                Param::Text => matches!(value.ty, Type::Str(_)),
            };
            if value.ty == Type::Unknown {
                return unknown(span);
            }
            if !fits {
                let title = match param {
                    Param::Address => format!("{}() expects an integer or pointer argument", row.name),
                    Param::Integer => {
                        format!("{}() only supports integer arguments ({} provided)", row.name, value.ty.kind())
                    }
                    Param::Text => {
                        format!("{}() only supports string arguments ({} provided)", row.name, value.ty.kind())
                    }
                };
                self.report(Diagnostic::error(span, title).with_related(arg.span, "this is what was given"));
                return unknown(span);
            }
            checked.push(value);
        }
        Expr { kind: ExprKind::Call(row.id, checked), ty: (signature.result)(), span }
    }

    /// Whether the function may be used, which is told if not.
    pub fn check_safety(&mut self, row: &Function, span: Span) -> bool {
        let refused = row.is_unsafe && !self.settings.allow_unsafe;
        if refused {
            let title = match row.id {
                FunctionId::WriteUser | FunctionId::Override => {
                    format!("{}() is unsafe. To use you need the --unsafe flag", row.name)
                }
                _ => format!("{}() is an unsafe function being used in safe mode", row.name),
            };
            self.report(Diagnostic::error(span, title).with_help("--unsafe permits it"));
        }
        !refused
    }

    /// An argument that must be a text of the script.
    pub fn known_text(
        &mut self,
        state: &mut ProbeState<'_>,
        arg: &ast::Expr,
        row: &Function,
        span: Span,
    ) -> Option<Vec<u8>> {
        if let ast::ExprKind::Str(text) = &arg.kind {
            return Some(text.clone());
        }
        let value = match self.param_text(arg) {
            Some(text) => text,
            None => self.expr(state, arg),
        };
        match value.kind {
            ExprKind::Str(text) => Some(text),
            _ if value.ty == Type::Unknown => None,
            _ => {
                let title = format!("{}() expects a string literal ({} provided)", row.name, value.ty.kind());
                let error = Diagnostic::error(span, title).with_related(arg.span, "this must be known when compiling");
                self.report(error.with_help(format!("usage: {}", row.usage)));
                None
            }
        }
    }

    /// A call as a statement.
    pub fn call_statement(
        &mut self,
        state: &mut ProbeState<'_>,
        name: &ast::Name,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<StmtKind> {
        let row = match function(&name.text) {
            Some(row) if !row.aggregation && self.check_count(row, args.len(), span) => row,
            Some(row) if !row.aggregation => return None,
            _ => {
                self.call(state, name, args, span);
                return None;
            }
        };
        use FunctionId as F;
        let asks_rtrace = matches!(row.id, F::Cat | F::System | F::Errorf | F::Warnf | F::Print | F::Time | F::Join)
            || matches!(row.id, F::Clear | F::Zero | F::Exit);
        if asks_rtrace && state.is_pinned() {
            let title = format!("{}() can not be used in a pinned iterator", row.name);
            let help =
                "it runs when rtrace has ended: printf() writes to who reads the pin, all else is for rtrace to do";
            self.report(Diagnostic::error(span, title).with_help(help));
            return None;
        }
        if row.id == F::Join && !self.function_fits(state, row.id, row.name, span) {
            return None;
        }
        if !matches!(row.id, F::Signal | F::SignalThread | F::WriteUser | F::Override) {
            self.check_safety(row, span);
        }
        match row.id {
            F::Printf if state.is_pinned() => self.printed_by_kernel(state, row, args, span),
            F::Printf => self.formatted(state, row, Origin::Printf, args, span),
            F::Cat => self.formatted(state, row, Origin::Cat, args, span),
            F::System => self.formatted(state, row, Origin::System, args, span),
            F::Errorf => {
                let told = self.formatted(state, row, Origin::Errorf(span), args, span);
                self.note_calls(state, told)
            }
            F::Warnf => {
                let told = self.formatted(state, row, Origin::Warnf(span), args, span);
                self.note_calls(state, told)
            }
            F::Print => self.print(state, args, span),
            F::Time => self.time(state, row, args, span),
            F::Join => self.join(state, row, args, span),
            F::Clear => Some(StmtKind::Clear(self.whole_map(row, &args[0])?)),
            F::Zero => Some(StmtKind::Zero(self.whole_map(row, &args[0])?)),
            F::Exit => {
                let zero = Expr { kind: ExprKind::Int(0), ty: Type::I64, span };
                let code = args.first().map(|code| self.integer(state, code, row, span));
                Some(StmtKind::Exit(code.unwrap_or(zero)))
            }
            F::Delete => {
                let deleted = self.delete(state, args, span);
                Some(match deleted.kind {
                    ExprKind::Delete(map, keys) if keys.is_empty() && self.holds_aggregation(map) => {
                        StmtKind::Clear(map)
                    }
                    _ => StmtKind::Expr(deleted),
                })
            }
            F::Fail => {
                self.fail(state, row, args, span);
                None
            }
            F::Assert => self.assert(state, row, args, span),
            F::StaticAssert => {
                self.static_assert(state, row, args, span);
                None
            }
            F::AssertStr => {
                self.assert_str(state, args, span);
                None
            }
            // It says what becomes of the packet.
            F::Redirect => Some(StmtKind::Return(self.redirect(state, &args[0], span))),
            F::Signal | F::SignalThread => {
                let sent = self.call(state, name, args, span);
                Some(self.sent(row, sent))
            }
            _ => Some(StmtKind::Expr(self.call(state, name, args, span))),
        }
    }

    /// Remembers of what is told from which calls of macros it comes.
    fn note_calls(&mut self, state: &ProbeState<'_>, told: Option<StmtKind>) -> Option<StmtKind> {
        if let (Some(StmtKind::Print(format, _)), [_, ..]) = (&told, &state.calls[..]) {
            let calls = state.calls.iter().rev().copied().collect();
            self.walk.program.expanded_from.push((*format, calls));
        }
        told
    }

    /// An argument that must be a number known now, and not negative.
    fn literal(&mut self, state: &mut ProbeState<'_>, arg: &ast::Expr, function: &str, span: Span) -> Option<u64> {
        let value = self.expr(state, arg);
        match literal(&value).map(u64::try_from) {
            Some(Ok(value)) => return Some(value),
            _ if value.ty == Type::Unknown => {}
            Some(Err(_)) => {
                self.refuse(arg.span, format!("{function}() takes no negative number here"));
            }
            None => {
                let title = format!("{function}() expects a int literal ({} provided)", value.ty.kind());
                self.report(Diagnostic::error(span, title).with_related(arg.span, "this must be known when compiling"));
            }
        }
        None
    }

    /// An argument that must be an integer; `call` is the place of the whole call.
    fn integer(&mut self, state: &mut ProbeState<'_>, arg: &ast::Expr, row: &Function, call: Span) -> Expr {
        let value = self.expr(state, arg);
        match value.ty {
            Type::Int(_) | Type::Pointer(..) | Type::Unknown => value,
            ty => {
                let wanted = match row.id {
                    FunctionId::Exit | FunctionId::Hist | FunctionId::LHist | FunctionId::TSeries => "int",
                    _ => "integer",
                };
                let title = format!("{}() only supports {wanted} arguments ({} provided)", row.name, ty.kind());
                self.report(Diagnostic::error(call, title).with_related(arg.span, "this is what was given"));
                unknown(arg.span)
            }
        }
    }
}
