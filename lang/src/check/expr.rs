//! Expressions: what each means and what type its value has.

use super::addresses::address_literal;
use super::casts::as_text;
use super::gathered::{as_number, as_value};
use super::members::step_of;
use super::names::{Declared, NEVER_ASSIGNED};
use super::{Checker, ProbeState, packets};
use crate::address::Address;
use crate::ast;
use crate::builtins::{BUILTINS, Builtin, BuiltinId, builtin};
use crate::c::constants;
use crate::config;
use crate::diag::Diagnostic;
use crate::functions::{self, FunctionId, function};
use crate::nearest::nearest;
use crate::params::Param;
use crate::probes::ProviderId;
use crate::span::Span;
use crate::target::Attach;
use crate::typed::{Expr, ExprKind, MapId};
use crate::types::{AddressSpace, IntType, Type};

/// An expression of unknown type, standing for one that a diagnostic tells about.
pub fn unknown(span: Span) -> Expr {
    Expr { kind: ExprKind::Int(0), ty: Type::Unknown, span }
}

/// Text of the script.
pub fn text_literal(text: Vec<u8>, span: Span) -> Expr {
    let ty = Type::Str(text.len() as u32 + 1);
    Expr { kind: ExprKind::Str(text), ty, span }
}

/// A number in the smallest type that holds it.
pub fn number_literal(value: i128, span: Span) -> Expr {
    int(value as i64, Type::Int(IntType::smallest(value)), span)
}

pub fn int(value: i64, ty: Type, span: Span) -> Expr {
    Expr { kind: ExprKind::Int(value), ty, span }
}

/// A number written in the script, or folded from such.
pub fn literal(expr: &Expr) -> Option<i128> {
    match (&expr.kind, &expr.ty) {
        (ExprKind::Int(bits), Type::Int(IntType { bits: 64, signed: false })) => Some(i128::from(*bits as u64)),
        (ExprKind::Int(bits), Type::Int(_)) => Some(i128::from(*bits)),
        _ => None,
    }
}

/// A number, bool or text whose truth is known now.
pub fn known_truth(expr: &Expr) -> Option<bool> {
    match &expr.kind {
        ExprKind::Int(value) if expr.ty.is_scalar() => Some(*value != 0),
        ExprKind::Str(text) => Some(!text.is_empty()),
        _ => None,
    }
}

impl Checker<'_> {
    pub fn expr(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        use ast::ExprKind as A;
        let span = expr.span;
        match &expr.kind {
            // Suffixes say how the author thinks of it; the type is the smallest all the same.
            A::Int(value, _) => number_literal(i128::from(*value), span),
            A::Str(text) if text.len() > self.config.max_strlen as usize => {
                let (most, text) = (self.config.max_strlen, String::from_utf8_lossy(text));
                self.refuse(span, format!("String is too long (over {most} bytes): {text}"))
            }
            A::Str(text) => text_literal(text.clone(), span),
            A::Address(Address::Subnet(..)) => {
                let error = Diagnostic::error(span, "a range of addresses is no value");
                self.report(error.with_help("compare an address with it: ip.saddr == 10.1.0.0/16"));
                unknown(span)
            }
            A::Address(address) => address_literal(*address, span),
            A::Bool(value) => int(i64::from(*value), Type::Bool, span),
            A::Ident(name) => self.name(state, name, span),
            A::Var(name) => self.variable(state, name, span),
            A::Map(name) => self.map_value(state, name, span, &[], span),
            A::MapKey { map, keys } => self.map_value(state, &map.text, map.span, keys, span),
            A::Param(number) => self.param(*number, span),
            A::Call { name, args } => self.call(state, name, args, span),
            A::Field { base, name, .. } if is_config(base) => self.config_value(name, span),
            A::Field { base, name, .. } => self.field(state, base, name, span),
            A::Index { base, index } => match self.packet_byte(state, base, index, span) {
                Some(byte) => byte,
                None => self.index(state, base, index, span),
            },
            A::Unary(op, operand) => self.unary(state, *op, operand, span),
            A::Binary { op, left, right } => {
                if let Some(compared) = self.compared_with_subnet(state, *op, left, right, span) {
                    return self.if_present(state, compared);
                }
                let left = self.expr(state, left);
                let right = self.expr(state, right);
                let result = self.binary(*op, left, right, span);
                self.if_present(state, result)
            }
            A::Ternary { cond, yes, no } => self.ternary(state, cond, yes.as_deref(), no, span),
            A::Cast { ty, value } => {
                let value = self.expr(state, value);
                match self.type_name(state, ty) {
                    Some(to) => {
                        // Without brackets around it.
                        let span =
                            Span::new(span.start.max(ty.span.start.saturating_sub(1)), span.end.min(value.span.end));
                        self.cast(value, to, span)
                    }
                    None => unknown(span),
                }
            }
            A::Tuple(items) => {
                if items.is_empty() {
                    return self.refuse(span, "an empty tuple is no value");
                }
                let items = items.iter().map(|item| {
                    let item = self.value(state, item);
                    self.part(item, "tuple")
                });
                let items: Vec<Expr> = items.collect();
                let ty = Type::Tuple(items.iter().map(|item| item.ty.clone()).collect());
                Expr { kind: ExprKind::Tuple(items), ty, span }
            }
            A::IncDec { place, increment, postfix } => {
                self.step(state, place, if *increment { 1 } else { -1 }, *postfix, span)
            }
            A::Record(parts) => self.record(state, parts, span),
            A::Block(block) => self.value_block(state, block, span),
            A::If { cond, then, otherwise } => self.if_value(state, cond, then, otherwise.as_ref(), span),
            A::Comptime(value) => {
                let value = self.expr(state, value);
                match value.kind {
                    ExprKind::Int(_) | ExprKind::Str(_) => value,
                    _ if value.ty == Type::Unknown => value,
                    _ => self.refuse(span, "Unable to resolve comptime expression"),
                }
            }
            A::OffsetOf { of, path } => self.offset_of(state, of, path, span),
            A::TypeInfo(of) => self.type_info(state, of, span),
            A::TypeOf(_) => self.refuse(span, "a type is no value: it can only be passed to a macro"),
            A::SizeOf(of) => match self.type_of(state, of) {
                Some(ty) => int(ty.size_of() as i64, Type::U64, span),
                None => unknown(span),
            },
            A::Error => unknown(span),
        }
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
    fn config_value(&mut self, name: &ast::Name, span: Span) -> Expr {
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
    fn param(&mut self, number: u32, span: Span) -> Expr {
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

    /// `(a=x, b=y)`
    fn record(&mut self, state: &mut ProbeState<'_>, parts: &[(ast::Name, ast::Expr)], span: Span) -> Expr {
        let mut types: Vec<(String, Type)> = Vec::new();
        let mut values = Vec::new();
        for (name, part) in parts {
            if types.iter().any(|(known, _)| *known == name.text) {
                self.refuse(name.span, format!("Named argument list already contains name: {}", name.text));
                continue;
            }
            let value = self.value(state, part);
            let value = self.part(value, "record");
            types.push((name.text.clone(), value.ty.clone()));
            values.push(value);
        }
        Expr { kind: ExprKind::Tuple(values), ty: Type::Record(types), span }
    }

    /// `{ statements; value }`
    pub fn value_block(&mut self, state: &mut ProbeState<'_>, block: &ast::ValueBlock, span: Span) -> Expr {
        state.scopes.enter();
        let is_expanded = state.enter_body(block.block.span, span);
        let mut stmts = self.stmts(state, &block.block.stmts);
        let value = match &block.value {
            None => None,
            // A call without a value is a statement.
            Some(value) if self.gives_no_value(value) => {
                self.effect(state, value, value.span, &mut stmts);
                None
            }
            // Alone it stays what it is.
            Some(value) if stmts.is_empty() => Some(self.expr(state, value)),
            Some(value) => Some(as_value(self.expr(state, value))),
        };
        if is_expanded {
            state.calls.pop();
        }
        state.scopes.leave();
        let value = value.unwrap_or(int(0, Type::Void, span));
        let ty = value.ty.clone();
        match stmts.is_empty() && ty != Type::Void {
            true => Expr { span, ..value },
            false => Expr { kind: ExprKind::Block(stmts, Box::new(value)), ty, span },
        }
    }

    /// Whether an expression is only there for its effect.
    fn gives_no_value(&self, expr: &ast::Expr) -> bool {
        match &expr.kind {
            ast::ExprKind::Call { name, .. } => functions::is_statement(&name.text),
            ast::ExprKind::Ternary { yes: Some(yes), .. } => self.gives_no_value(yes),
            ast::ExprKind::If { then, .. } => match &then.value {
                Some(value) => self.gives_no_value(value),
                None => true,
            },
            ast::ExprKind::Block(block) => match &block.value {
                Some(value) => self.gives_no_value(value),
                None => true,
            },
            _ => false,
        }
    }

    /// `if cond { value } else { value }`
    fn if_value(
        &mut self,
        state: &mut ProbeState<'_>,
        cond: &ast::Expr,
        then: &ast::ValueBlock,
        otherwise: Option<&ast::ValueBlock>,
        span: Span,
    ) -> Expr {
        let at_compile_time = matches!(cond.kind, ast::ExprKind::Comptime(_));
        let cond = self.condition(state, cond);
        if let (true, Some(taken), Some(otherwise)) = (at_compile_time, known_truth(&cond), otherwise) {
            return self.value_block(state, if taken { then } else { otherwise }, span);
        }
        let yes = self.value_block(state, then, span);
        let Some(otherwise) = otherwise else {
            return match yes.ty {
                Type::Unknown => unknown(span),
                _ => self.refuse(span, "an `if` without `else` gives no value"),
            };
        };
        let no = self.value_block(state, otherwise, span);
        self.chosen(cond, Some(yes), no, span)
    }

    /// An expression that must give a value to be kept, passed on or printed.
    pub fn value(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        let value = self.expr(state, expr);
        match value.ty {
            Type::Void => self.refuse(expr.span, "this gives no value"),
            _ => value,
        }
    }

    /// An expression that decides between two ways.
    pub fn condition(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        let value = self.expr(state, expr);
        if let ExprKind::Str(text) = &value.kind {
            return int(i64::from(!text.is_empty()), Type::Bool, expr.span);
        }
        if !value.ty.is_scalar() && value.ty != Type::Unknown {
            let title = format!("Invalid condition: {}", value.ty.kind());
            self.report(Diagnostic::error(expr.span, title).with_help("compare it: a condition is a number or a bool"));
            return unknown(expr.span);
        }
        value
    }

    pub fn refuse(&mut self, span: Span, title: impl Into<String>) -> Expr {
        self.report(Diagnostic::error(span, title));
        unknown(span)
    }

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
    fn context_type(&self, state: &ProbeState<'_>) -> Result<Type, String> {
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
    fn has_function_address(&self, state: &ProbeState<'_>) -> bool {
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
    fn usdt_argument(&mut self, state: &ProbeState<'_>, row: &Builtin, number: u8, span: Span) -> Expr {
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

    fn refuse_arg(&mut self, state: &ProbeState<'_>, name: &str, span: Span) -> Expr {
        let named = state.header.provider.is_some_and(|provider| provider.row().named_args);
        let title = format!("The {name} builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes");
        let error = Diagnostic::error(span, title);
        self.report(match named {
            true => error.with_help("here arguments go by name: args.NAME"),
            false => error,
        });
        unknown(span)
    }

    fn variable(&mut self, state: &mut ProbeState<'_>, name: &str, span: Span) -> Expr {
        let Some(variable) = state.scopes.find(name) else {
            let near = nearest(name, state.scopes.names(), 1);
            let help = near.first().map(|near| format!("did you mean `${near}`?"));
            let title = format!("Undefined or undeclared variable: ${name}");
            self.report(Diagnostic::error(span, title).with_maybe_help(help));
            return unknown(span);
        };
        let ty = self.variable_types.get(&variable.declared).cloned().unwrap_or(Type::Unknown);
        if ty == Type::Unknown {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let broken = self.broken_variables.contains(&variable.declared);
                self.report_unknown(broken, Diagnostic::error(span, "Could not resolve the type of this variable"));
                return unknown(span);
            }
        }
        Expr { kind: ExprKind::Var(variable.id), ty, span }
    }

    /// The parts of a key; a tuple written as the only key stands for its parts.
    pub fn keys(&mut self, state: &mut ProbeState<'_>, keys: &[ast::Expr]) -> Vec<Expr> {
        let parts = match keys {
            [ast::Expr { kind: ast::ExprKind::Tuple(parts), .. }] => parts,
            keys => keys,
        };
        let parts = parts.iter().map(|part| {
            let part = self.value(state, part);
            self.key_part(part)
        });
        parts.collect()
    }

    /// Notes the use of a map with these keys and gives its id.
    pub fn map_use(&mut self, name: &str, name_span: Span, keys: &[Expr], span: Span) -> MapId {
        let map = self.maps.id(name, name_span);
        let key = match keys {
            [] => None,
            [key @ Expr { ty: Type::Tuple(_), .. }] => Some(self.maps.room_for(map, key).items().cloned().collect()),
            keys => Some(keys.iter().map(|key| self.maps.room_for(map, key)).collect()),
        };
        if let Err(diagnostic) = self.maps.use_key(map, key, span) {
            self.report(diagnostic);
        }
        map
    }

    /// A map's value read.
    pub fn map_value(
        &mut self,
        state: &mut ProbeState<'_>,
        name: &str,
        name_span: Span,
        keys: &[ast::Expr],
        span: Span,
    ) -> Expr {
        let keys = self.keys(state, keys);
        let map = self.map_use(name, name_span, &keys, span);
        match self.maps.value(map).clone() {
            Type::Unknown => {
                self.walk.saw_unknown = true;
                if self.last_walk {
                    let warning = Diagnostic::warning(span, format!("Undefined map: @{name}"));
                    let warning = warning.with_help("no probe assigns it, so this is always 0");
                    self.report_unknown(self.maps.is_broken(map), warning);
                    return Expr { kind: ExprKind::MapGet(map, keys), ty: NEVER_ASSIGNED, span };
                }
                unknown(span)
            }
            // Becomes a number where one is wanted; see `gathered::as_number`.
            ty @ Type::Aggregate(_) => Expr { kind: ExprKind::ReadAggregate(map, keys), ty, span },
            ty => Expr { kind: ExprKind::MapGet(map, keys), ty, span },
        }
    }

    fn ternary(
        &mut self,
        state: &mut ProbeState<'_>,
        cond: &ast::Expr,
        yes: Option<&ast::Expr>,
        no: &ast::Expr,
        span: Span,
    ) -> Expr {
        let cond = self.condition(state, cond);
        let yes = yes.map(|yes| as_number(self.value(state, yes)));
        let no = as_number(self.value(state, no));
        self.chosen(cond, yes, no, span)
    }

    /// One of two values, or the condition's own unless it is zero.
    fn chosen(&mut self, cond: Expr, yes: Option<Expr>, no: Expr, span: Span) -> Expr {
        // What is decided now has the type of the one branch that is left.
        if let Some(truth) = known_truth(&cond) {
            return match (truth, yes) {
                (true, Some(yes)) => Expr { span, ..yes },
                (true, None) => Expr { span, ..cond },
                (false, _) => Expr { span, ..no },
            };
        }
        // A name and a text have in common that they are texts.
        let differ = yes.as_ref().is_some_and(|yes| yes.ty != no.ty);
        let (yes, no) = if differ { (yes.map(as_text), as_text(no)) } else { (yes, no) };
        let Some(ty) = yes.as_ref().unwrap_or(&cond).ty.join(&no.ty) else {
            let title = format!(
                "Branches must return the same type or compatible types: have '{}' and '{}'",
                yes.as_ref().unwrap_or(&cond).ty,
                no.ty
            );
            return self.refuse(span, title);
        };
        let kind = match yes {
            Some(yes) => ExprKind::Ternary(Box::new(cond), Box::new(yes), Box::new(no)),
            None => ExprKind::OrElse(Box::new(cond), Box::new(no)),
        };
        Expr { kind, ty, span }
    }

    /// `++` and `--`.
    fn step(&mut self, state: &mut ProbeState<'_>, place: &ast::Expr, step: i64, postfix: bool, span: Span) -> Expr {
        match &place.kind {
            ast::ExprKind::Var(name) => {
                let variable = self.variable(state, name, place.span);
                let ExprKind::Var(var) = variable.kind else { return unknown(span) };
                let Some(known) = state.scopes.find(name) else { return unknown(span) };
                if let Some(size) = step_of(&variable.ty) {
                    return Expr { kind: ExprKind::StepVar { var, step: step * size, postfix }, ty: variable.ty, span };
                }
                let Some(ty) = variable.ty.as_int() else {
                    if variable.ty == Type::Unknown {
                        return unknown(span);
                    }
                    let title = format!(
                        "Type mismatch for ${name}: trying to assign value of type 'int64' when variable already has a type '{}'",
                        variable.ty
                    );
                    return self.refuse(span, title);
                };
                if !known.fixed {
                    let ty = if step < 0 { Type::I64 } else { Type::Int(ty.widest()) };
                    self.widen_variable(known.declared, ty);
                }
                Expr { kind: ExprKind::StepVar { var, step, postfix }, ty: variable.ty, span }
            }
            ast::ExprKind::Map(_) | ast::ExprKind::MapKey { .. } => {
                let (map, keys) = self.map_place(state, place);
                if let Some(size) = step_of(self.maps.value(map)) {
                    let ty = self.maps.value(map).clone();
                    return Expr { kind: ExprKind::StepMap { map, keys, step: step * size, postfix }, ty, span };
                }
                // `++` alone leaves the sign open, `--` may go below zero.
                let ty = if step < 0 { Type::I64 } else { Type::Int(IntType::smallest(1).widest()) };
                if self.learn_value(map, &ty, span).is_none() {
                    return unknown(span);
                }
                let ty = self.maps.value(map).clone();
                Expr { kind: ExprKind::StepMap { map, keys, step, postfix }, ty, span }
            }
            _ => self.refuse(span, format!("{} needs a variable or a map", sign(step))),
        }
    }

    /// Notes that a map is to hold values of this type; `None`, with the clash reported, if it cannot.
    pub fn learn_value(&mut self, map: MapId, ty: &Type, span: Span) -> Option<()> {
        match self.maps.assign(map, ty, span) {
            Ok(()) => Some(()),
            Err(diagnostic) => {
                self.report(diagnostic);
                None
            }
        }
    }

    /// A map written as the place of an assignment.
    pub fn map_place(&mut self, state: &mut ProbeState<'_>, place: &ast::Expr) -> (MapId, Vec<Expr>) {
        match &place.kind {
            ast::ExprKind::MapKey { map, keys } => {
                let keys = self.keys(state, keys);
                (self.map_use(&map.text, map.span, &keys, place.span), keys)
            }
            ast::ExprKind::Map(name) => (self.map_use(name, place.span, &[], place.span), Vec::new()),
            _ => unreachable!("the caller has seen that it is a map"),
        }
    }

    /// Lets a variable hold `ty` as well.
    pub fn widen_variable(&mut self, declared: Declared, ty: Type) {
        let known = self.variable_types.entry(declared).or_insert(Type::Unknown);
        if let Some(joined) = known.join(&ty)
            && joined != *known
        {
            *known = joined;
            self.walk.learnt = true;
        }
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
fn is_config(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ast::ExprKind::Ident(name) => matches!(name.as_str(), "config" | "__builtin_config"),
        ast::ExprKind::Call { name, args } => name.text == "config" && args.is_empty(),
        _ => false,
    }
}

fn sign(step: i64) -> &'static str {
    if step > 0 { "++" } else { "--" }
}
