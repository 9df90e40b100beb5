//! Functions of the current task, its relatives and its control group.

use super::super::expr::{int, literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::builtins::{BuiltinId, COMM_LEN};
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::nearest::nearest;
use crate::printf::{Conversion, Origin, Piece};
use crate::probes::ProviderId;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Stmt, StmtKind};
use crate::types::{IntType, Type};

/// The signals by name (include/uapi/asm-generic/signal.h; the same on x86-64 and aarch64).
const SIGNALS: [(&str, i64); 31] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
];

impl Checker<'_> {
    /// `pid(namespace)` and `tid(namespace)`
    pub fn process_id(&mut self, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let id = if row.id == FunctionId::Pid { BuiltinId::Pid } else { BuiltinId::Tid };
        let named = |name: &str| matches!(&args[0].kind, ast::ExprKind::Ident(given) if given == name);
        if !args.is_empty() && !named("init") && !named("curr_ns") {
            let shown = match &args[0].kind {
                ast::ExprKind::Ident(name) => name,
                _ => "no name",
            };
            let title = format!("Invalid PID namespace mode: {shown} (expects: curr_ns or init)");
            return self.refuse(args[0].span, title);
        }
        // In the kernel's first namespace both ways to count are the same.
        let by_kernel = !args.is_empty() && named("init") && self.target.process_namespace().is_some();
        let kind = if by_kernel { ExprKind::Call(row.id, Vec::new()) } else { ExprKind::Builtin(id) };
        Expr { kind, ty: Type::U32, span }
    }

    /// `ppid(task)` and its like; of the current task without one.
    pub fn relative(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let relation = match row.id {
            FunctionId::Ppid | FunctionId::Pcomm => "real_parent",
            _ => "group_leader",
        };
        if self.target.task_member(relation).is_none() {
            let error = Diagnostic::error(span, format!("the kernel does not tell where a task's {relation} is"));
            self.report(error.with_help("it takes a kernel with BTF (CONFIG_DEBUG_INFO_BTF)"));
            return unknown(span);
        }
        let mut task = Vec::new();
        if let Some(arg) = args.first() {
            let value = self.integer(state, arg, row, span);
            if value.ty == Type::Unknown {
                return unknown(span);
            }
            task.push(value);
        }
        let ty = match row.id {
            FunctionId::Ppid | FunctionId::LeaderTid => Type::Int(IntType { bits: 32, signed: true }),
            _ => Type::Str(COMM_LEN),
        };
        Expr { kind: ExprKind::Call(row.id, task), ty, span }
    }

    /// `cgroupid("path")`
    pub fn cgroupid(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(path) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let path = String::from_utf8_lossy(&path);
        match self.target.cgroup(&path) {
            Ok(id) => int(id as i64, Type::U64, span),
            Err(reason) => self.refuse(span, format!("Failed to get `cgroupid` for path: \"{path}\": {reason}")),
        }
    }

    /// `cgroup_path(id, "filter")`
    pub fn cgroup_path(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let id = self.expr(state, &args[0]);
        let filter = match args.get(1) {
            Some(filter) => match self.known_text(state, filter, row, span) {
                Some(filter) => filter,
                None => return unknown(span),
            },
            None => Vec::new(),
        };
        match &id.ty {
            Type::Unknown => unknown(span),
            Type::Int(_) => {
                let filter = self.text_number(filter, span);
                Expr { kind: ExprKind::Call(row.id, vec![id, filter]), ty: Type::CgroupPath, span }
            }
            ty => {
                let title = format!("{}() only supports int arguments ({} provided)", row.name, ty.kind());
                self.refuse(span, title)
            }
        }
    }

    /// `signal(number)` or `signal("NAME")`
    pub fn signal(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        use ProviderId as P;
        let takes_signals = [
            P::Kprobe,
            P::Kretprobe,
            P::Uprobe,
            P::Uretprobe,
            P::Tracepoint,
            P::Profile,
            P::Fentry,
            P::Fexit,
            P::RawTracepoint,
        ];
        if let Some(provider) = state.header.provider.filter(|provider| !takes_signals.contains(provider)) {
            let kind = match provider {
                P::Begin | P::End => "special",
                provider => provider.row().name,
            };
            let error = Diagnostic::error(span, format!("{}() can not be used for this probetype {kind}", row.name));
            self.report(error.with_help("the signal would go to rtrace, or to whatever task is there"));
            return unknown(span);
        }
        let value = self.expr(state, &args[0]);
        if literal(&value).is_some_and(|number| !(1..=64).contains(&number)) {
            let title = format!("{}() accepts a string literal or an integer between 1 and 64 (inclusive)", row.name);
            return self.refuse(span, title);
        }
        let number = match (&value.kind, &value.ty) {
            (ExprKind::Str(name), _) => {
                let name = String::from_utf8_lossy(name).into_owned();
                let known = |(known, _): &&(&str, i64)| *known == name || known.strip_prefix("SIG") == Some(&name);
                match SIGNALS.iter().find(known) {
                    Some((_, number)) => int(*number, Type::I64, span),
                    None => {
                        let error = Diagnostic::error(args[0].span, format!("Invalid string for signal: {name}"));
                        let near = nearest(&name, SIGNALS.iter().map(|(known, _)| *known), 1);
                        let near = near.first().map(|near| format!("did you mean {near}?"));
                        self.report(error.with_maybe_help(near));
                        return unknown(span);
                    }
                }
            }
            (_, Type::Int(_)) => value,
            (_, Type::Unknown) => return unknown(span),
            (_, ty) => {
                let title = match ty {
                    Type::Str(_) => format!("{}() accepts a string literal or an integer", row.name),
                    ty => format!("{}() only supports int or string arguments ({} provided)", row.name, ty.kind()),
                };
                return self.refuse(span, title);
            }
        };
        Expr { kind: ExprKind::Call(row.id, vec![number]), ty: Type::I64, span }
    }

    /// A signal as a statement: a number that is none is told.
    pub fn sent(&mut self, row: &Function, sent: Expr) -> StmtKind {
        let span = sent.span;
        let number = match &sent.kind {
            ExprKind::Call(_, args) if literal(&args[0]).is_none() && !args[0].has_effects() => args[0].clone(),
            _ => return StmtKind::Expr(sent),
        };
        let text = format!("{}() expects an integer between 1 and 64 (inclusive). Got ", row.name);
        let pieces = vec![Piece::Text(text.into_bytes()), Piece::Value(Conversion::PLAIN)];
        let format = self.add_format(Origin::Errorf(span), pieces, vec![number.ty.clone()]);
        let told = Stmt { kind: StmtKind::Print(format, vec![number.clone()]), span };
        // Without a sign 0 is far above.
        let [one, most] = [1, 63].map(|number| Box::new(int(number, Type::U64, span)));
        let from_zero = ExprKind::Binary(ast::BinaryOp::Sub, Box::new(number), one);
        let from_zero = Box::new(Expr { kind: from_zero, ty: Type::U64, span });
        let kind = ExprKind::Binary(ast::BinaryOp::Gt, from_zero, most);
        let is_none = Expr { kind, ty: Type::Bool, span };
        StmtKind::If(is_none, vec![told], vec![Stmt { kind: StmtKind::Expr(sent), span }])
    }

    /// `override(value)`
    pub fn override_return(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        args: &[ast::Expr],
        span: Span,
    ) -> Expr {
        let is_entry = state.header.provider.is_some_and(|provider| provider.row().name == "kprobe");
        if !is_entry {
            return self.refuse(span, "override() can only be used inside kprobes");
        }
        let value = self.expr(state, &args[0]);
        match &value.ty {
            Type::Unknown => unknown(span),
            Type::Int(_) => Expr { kind: ExprKind::Call(row.id, vec![value]), ty: Type::I64, span },
            ty => {
                let title = format!("override() only supports int arguments ({} provided)", ty.kind());
                self.refuse(span, title)
            }
        }
    }

    /// `write_user(address, value, length)`
    pub fn write_user(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let address = self.integer(state, &args[0], row, span);
        let value = self.value(state, &args[1]);
        let length = self.expr(state, &args[2]);
        if [&address, &value, &length].iter().any(|arg| arg.ty == Type::Unknown) {
            return unknown(span);
        }
        let most = i128::from(value.ty.slot_size());
        match literal(&length) {
            Some(length @ 1..) if length <= most => {
                let length = int(length as i64, Type::I64, span);
                let args = vec![address, value, length];
                Expr { kind: ExprKind::Call(row.id, args), ty: Type::Bool, span }
            }
            _ => {
                let title = format!("write_user() takes a number from 1 to {most} as the length of this value");
                self.refuse(args[2].span, title)
            }
        }
    }
}
