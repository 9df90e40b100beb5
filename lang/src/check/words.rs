//! What a bare word stands for: builtins, constants, config variables, parameters.

use super::expr::{int, number_literal, text_literal, unknown};
use super::{Checker, ProbeState, packets};
use crate::ast;
use crate::builtins::{BUILTINS, Builtin, BuiltinId, builtin};
use crate::c::constants;
use crate::config;
use crate::diag::Diagnostic;
use crate::functions::{FunctionId, function};
use crate::nearest::nearest;
use crate::params::Param;
use crate::probes::ProviderId;
use crate::span::Span;
use crate::target::Attach;
use crate::typed::{Expr, ExprKind};
use crate::types::{AddressSpace, Type};

impl Checker<'_> {
    /// A bare word. Of a builtin that a macro hides, `__builtin_NAME` is left.
    pub fn name(&mut self, state: &mut ProbeState<'_>, name: &str, span: Span) -> Expr {
        let name = name.strip_prefix("__builtin_").filter(|name| builtin(name).is_some()).unwrap_or(name);
        let Some(row) = builtin(name) else {
            // A function that can do without arguments may be named only.
            let plain = name.strip_prefix("__builtin_").unwrap_or(name);
            if function(plain).is_some_and(|row| row.min_args == 0 && FunctionId::VALUES.contains(&row.id)) {
                let name = plain;
                return self.call(state, &ast::Name { text: name.to_owned(), span }, &[], span);
            }
            if name == "args" {
                return self.all_arguments(state, span);
            }
            if let Some((value, ty)) = self.definitions.constant(name) {
                return int(value, ty, span);
            }
            if let Some(present) = self.packet_protocol(state, name, span) {
                return present;
            }
            if let Some((value, ty)) = self.target.kernel_constant(name) {
                return int(value, ty, span);
            }
            if let Some(value) = constants::find(name) {
                return number_literal(value.into(), span);
            }
            if name.strip_prefix("arg").is_some_and(|number| number.parse::<u32>().is_ok()) {
                return self.refuse(span, "there are arg0 to arg11");
            }
            let near = nearest(name, BUILTINS.iter().map(|row| row.name).chain(packets::names(state)), 1);
            let help = near.first().map(|near| format!("did you mean `{near}`?"));
            self.report(Diagnostic::error(span, format!("Unknown identifier: '{name}'")).with_maybe_help(help));
            return unknown(span);
        };
        if !self.builtin_fits(state, row.id, name, span) {
            return unknown(span);
        }
        let of = |ty: Type| Expr { kind: ExprKind::Builtin(row.id), ty, span };
        match row.id {
            BuiltinId::Probe => {
                state.uses_name = true;
                let longest = state.header.points.iter().map(|point| point.name.len()).max().unwrap_or(0);
                of(Type::Str(longest as u32 + 1))
            }
            BuiltinId::HasCpid => int(i64::from(self.settings.has_child), Type::Bool, span),
            BuiltinId::Curtask => of(match self.named_type(state, Some(ast::TypeTag::Struct), "task_struct") {
                Some(task) => Type::Pointer(Box::new(task), AddressSpace::Kernel),
                None => row.ty.clone(),
            }),
            BuiltinId::Cpid if !self.settings.has_child => {
                let warning = Diagnostic::warning(span, "No child command (`-c`); cpid is zero");
                self.report(warning.with_help("start one with -c COMMAND; has_cpid tells whether there is one"));
                int(0, Type::U32, span)
            }
            BuiltinId::Context => match self.context_type(state) {
                Ok(ty) => of(ty),
                Err(title) => self.refuse(span, title),
            },
            // A symbol, as where the script has other symbols.
            BuiltinId::Func if self.has_function_address(state) => {
                let address = Expr { kind: ExprKind::Builtin(BuiltinId::FuncAddress), ty: Type::U64, span };
                Expr { kind: ExprKind::Call(FunctionId::Ksym, vec![address]), ty: Type::KSym, span }
            }
            BuiltinId::Func => {
                state.uses_name = true;
                let functions = state.header.points.iter().map(|point| point.attach.function());
                match functions.map(|function| function.map(str::len)).max() {
                    Some(Some(longest))
                        if state.header.points.iter().all(|point| point.attach.function().is_some()) =>
                    {
                        of(Type::Str(longest as u32 + 1))
                    }
                    None => unknown(span),
                    _ => {
                        let kind = state.header.provider.map_or("these", |provider| provider.row().name);
                        self.refuse(span, format!("The func builtin can not be used with '{kind}' probes"))
                    }
                }
            }
            BuiltinId::Retval => {
                let mut values = state.header.points.iter().map(|point| point.context.retval.as_ref());
                match (values.clone().all(|value| value.is_some()), values.next().flatten()) {
                    (true, Some((ty, _))) => of(ty.clone()),
                    (true, None) => unknown(span),
                    _ => {
                        let title =
                            "The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'fentry' probes";
                        let at_tracepoint = state.header.provider == Some(ProviderId::Tracepoint);
                        let help = at_tracepoint.then(|| "at the exit of a system call it is args.ret".to_owned());
                        self.report(Diagnostic::error(span, title).with_maybe_help(help));
                        unknown(span)
                    }
                }
            }
            BuiltinId::Arg(n) => {
                if state.header.provider == Some(ProviderId::Usdt) {
                    return self.usdt_argument(state, row, n, span);
                }
                let missing = state.header.points.iter().any(|point| point.context.args.len() <= usize::from(n));
                if missing {
                    return self.refuse_arg(state, name, span);
                }
                of(row.ty.clone())
            }
            _ => of(row.ty.clone()),
        }
    }

    /// The type of `ctx`, or why there is none.
    pub fn context_type(&self, state: &ProbeState<'_>) -> Result<Type, String> {
        let provider = state.header.provider.map_or("these", |provider| provider.row().name);
        let is_plain = |attach: &Attach| {
            matches!(attach, Attach::Interval { .. } | Attach::Profile { .. } | Attach::PerfEvent { .. })
        };
        // Nothing is said of what it points to.
        if !state.header.points.is_empty() && state.header.points.iter().all(|point| is_plain(&point.attach)) {
            return Ok(Type::Pointer(Box::new(Type::Void), AddressSpace::Kernel));
        }
        let mut names = state.header.points.iter().map(|point| match &point.attach {
            Attach::Iter { over, .. } => Ok(format!("bpf_iter__{over}")),
            Attach::Kprobe { .. } | Attach::Uprobe { .. } | Attach::Usdt { .. } => Ok("pt_regs".to_owned()),
            Attach::Tracepoint { .. } | Attach::BtfTracepoint { .. } => {
                Err("Use args instead of ctx in tracepoint".to_owned())
            }
            packet if packet.is_packet() => {
                Ok(point.context.packet().map_or("__sk_buff", |packet| packet.structure).to_owned())
            }
            _ => Err(format!("The ctx builtin can not be used with '{provider}' probes")),
        });
        let Some(first) = names.next().transpose()? else { return Ok(Type::Unknown) };
        for other in names {
            if other? != first {
                return Err("ctx has another type at each of these probes".to_owned());
            }
        }
        let target = self.target.kernel_type(Some(ast::TypeTag::Struct), &first);
        let target = target.ok_or_else(|| format!("this kernel does not tell what a struct {first} is"))?;
        Ok(Type::Pointer(Box::new(target), AddressSpace::Kernel))
    }

    /// Whether the kernel tells the address of the function it is in: at a function's entry and return.
    pub fn has_function_address(&self, state: &ProbeState<'_>) -> bool {
        let at_entry = |attach: &Attach| matches!(attach, Attach::Kprobe { offset: 0, .. } | Attach::Fentry { .. });
        let kernel_function = matches!(
            state.header.provider,
            Some(ProviderId::Kprobe | ProviderId::Kretprobe | ProviderId::Fentry | ProviderId::Fexit)
        );
        kernel_function
            && self.target.features().cookies
            && state.header.points.iter().all(|point| at_entry(&point.attach))
    }

    /// What a program passes has the width and sign of its own, and is handed out as 64 bits. What one probe of several
    /// does not pass is 0.
    pub fn usdt_argument(&mut self, state: &ProbeState<'_>, row: &Builtin, number: u8, span: Span) -> Expr {
        let points = &state.header.points;
        if let Some(most) = points.iter().map(|point| point.context.args.len()).max()
            && most <= usize::from(number)
        {
            let name = &points[0].name;
            let warning = Diagnostic::warning(span, format!("{} is 0: {name} has no such argument", row.name));
            self.report(warning.with_maybe_help(most.checked_sub(1).map(|last| format!("its last one is arg{last}"))));
        }
        Expr { kind: ExprKind::Builtin(row.id), ty: Type::I64, span }
    }

    pub fn refuse_arg(&mut self, state: &ProbeState<'_>, name: &str, span: Span) -> Expr {
        let named = state.header.provider.is_some_and(|provider| provider.row().named_args);
        let title = format!("The {name} builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes");
        let error = Diagnostic::error(span, title);
        self.report(match named {
            true => error.with_help("here arguments go by name: args.NAME"),
            false => error,
        });
        unknown(span)
    }

    /// `config` and `config()`: all variables as a record.
    pub fn config_record(&mut self, span: Span) -> Expr {
        let part = |(name, value): (&str, config::Value)| {
            let value = config_literal(value, span);
            ((name.to_owned(), value.ty.clone()), value)
        };
        let (types, values) = self.config.values().map(part).unzip();
        Expr { kind: ExprKind::Tuple(values), ty: Type::Record(types), span }
    }

    /// `config.NAME`
    pub fn config_value(&mut self, name: &ast::Name, span: Span) -> Expr {
        match self.config.value(&name.text) {
            Some(value) => config_literal(value, span),
            None => {
                let near = nearest(&name.text, config::VARIABLES.iter().map(|row| row.name), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                let title = format!("Unknown config variable: {}", name.text);
                self.report(Diagnostic::error(span, title).with_maybe_help(help));
                unknown(span)
            }
        }
    }

    /// `$1` as a number if it reads as one, `$#` as their count.
    pub fn param(&mut self, number: u32, span: Span) -> Expr {
        let settings = self.settings;
        let Some(index) = number.checked_sub(1) else { return number_literal(settings.params.len() as i128, span) };
        match Param::read(settings.params.get(index as usize).map(String::as_str)) {
            Param::Number(value) => number_literal(value, span),
            Param::Text(text) => text_literal(text.into(), span),
            Param::Missing => {
                let title = format!("Positional parameter ${number} is empty or not provided.");
                self.report(Diagnostic::warning(span, title));
                number_literal(0, span)
            }
        }
    }

    /// `$1` as text, however it reads; `None` for `$#` and for what is no parameter.
    pub fn param_text(&self, expr: &ast::Expr) -> Option<Expr> {
        let ast::ExprKind::Param(number) = expr.kind else { return None };
        let text = self.settings.params.get(number.checked_sub(1)? as usize);
        Some(text_literal(text.map(|text| text.as_bytes().to_vec()).unwrap_or_default(), expr.span))
    }
}

/// The value of a config variable as if it were written in the script.
fn config_literal(value: config::Value, span: Span) -> Expr {
    match value {
        config::Value::Bool(value) => int(i64::from(value), Type::Bool, span),
        config::Value::Number(value) => number_literal(i128::from(value), span),
        config::Value::Text(value) => text_literal(value.into(), span),
    }
}

/// Whether it is `config` or `config()`.
pub fn is_config(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ast::ExprKind::Ident(name) => matches!(name.as_str(), "config" | "__builtin_config"),
        ast::ExprKind::Call { name, args } => name.text == "config" && args.is_empty(),
        _ => false,
    }
}
