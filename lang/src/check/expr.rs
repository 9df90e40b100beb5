//! Expressions: what each means and what type its value has.

use super::{Checker, ProbeState};
use crate::ast::{self, BinaryOp, UnaryOp};
use crate::builtins::{BUILTINS, BuiltinId, builtin};
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, MapId};
use crate::types::{AddressSpace, IntType, Type};

/// An expression of unknown type, standing for one that a diagnostic tells about.
pub fn unknown(span: Span) -> Expr {
    Expr { kind: ExprKind::Int(0), ty: Type::Unknown, span }
}

fn int(value: i64, ty: Type, span: Span) -> Expr {
    Expr { kind: ExprKind::Int(value), ty, span }
}

/// A number written in the script, or folded from such.
fn literal(expr: &Expr) -> Option<i128> {
    match (&expr.kind, &expr.ty) {
        (ExprKind::Int(bits), Type::Int(IntType { bits: 64, signed: false })) => Some(i128::from(*bits as u64)),
        (ExprKind::Int(bits), Type::Int(_)) => Some(i128::from(*bits)),
        _ => None,
    }
}

impl Checker<'_> {
    pub fn expr(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr) -> Expr {
        use ast::ExprKind as A;
        let span = expr.span;
        match &expr.kind {
            A::Int(value, suffix) => int(*value as i64, literal_type(*value, *suffix), span),
            A::Str(text) => {
                let ty = Type::Str(text.len() as u32 + 1);
                Expr { kind: ExprKind::Str(text.clone()), ty, span }
            }
            A::Bool(value) => int(i64::from(*value), Type::Bool, span),
            A::Ident(name) => self.name(state, name, span),
            A::Var(name) => self.variable(state, name, span),
            A::Map(name) => self.map_value(state, name, span, &[], span),
            A::MapKey { map, keys } => self.map_value(state, &map.text, map.span, keys, span),
            A::Param(_) => self.refuse(span, "positional parameters are not supported yet"),
            A::Call { name, args } => self.call(state, name, args, span),
            A::Field { base, name, .. } => self.field(state, base, name, span),
            A::Index { .. } => self.refuse(span, "indexing is supported on maps only, so far"),
            A::Unary(op, operand) => self.unary(state, *op, operand, span),
            A::Binary { op, left, right } => {
                let left = self.expr(state, left);
                let right = self.expr(state, right);
                self.binary(*op, left, right, span)
            }
            A::Ternary { cond, yes, no } => self.ternary(state, cond, yes.as_deref(), no, span),
            A::Cast { ty, value } => {
                let value = self.expr(state, value);
                match self.type_name(ty) {
                    Some(ty) => self.cast(value, ty, span),
                    None => unknown(span),
                }
            }
            A::Tuple(items) => {
                let items: Vec<Expr> = items.iter().map(|item| self.value(state, item)).collect();
                let ty = Type::Tuple(items.iter().map(|item| item.ty.clone()).collect());
                Expr { kind: ExprKind::Tuple(items), ty, span }
            }
            A::IncDec { place, increment, postfix } => {
                self.step(state, place, if *increment { 1 } else { -1 }, *postfix, span)
            }
            A::SizeOfExpr(operand) => {
                let operand = self.expr(state, operand);
                int(operand.ty.size_of() as i64, Type::U64, span)
            }
            A::SizeOfType(name) => match self.type_name(name) {
                Some(ty) => int(ty.size_of() as i64, Type::U64, span),
                None => unknown(span),
            },
            A::Error => unknown(span),
        }
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
        if !value.ty.is_scalar() && value.ty != Type::Unknown {
            let title = format!("a condition must be a number or a bool, not '{}'", value.ty);
            self.report(Diagnostic::error(expr.span, title));
            return unknown(expr.span);
        }
        value
    }

    /// An expression that must be a number.
    pub fn number(&mut self, state: &mut ProbeState<'_>, expr: &ast::Expr, what: &str) -> Expr {
        let value = self.expr(state, expr);
        if !value.ty.is_scalar() && value.ty != Type::Unknown {
            self.report(Diagnostic::error(expr.span, format!("{what} must be a number, not '{}'", value.ty)));
            return unknown(expr.span);
        }
        value
    }

    pub fn refuse(&mut self, span: Span, title: impl Into<String>) -> Expr {
        self.report(Diagnostic::error(span, title));
        unknown(span)
    }

    fn name(&mut self, state: &mut ProbeState<'_>, name: &str, span: Span) -> Expr {
        let Some(row) = builtin(name) else {
            if name == "args" {
                return self.refuse(span, "`args` stands for all arguments: name one, such as args.count");
            }
            let near = nearest(name, BUILTINS.iter().map(|row| row.name), 1);
            let help = near.first().map(|near| format!("did you mean `{near}`?"));
            self.report(Diagnostic::error(span, format!("Unknown identifier: '{name}'")).with_maybe_help(help));
            return unknown(span);
        };
        let of = |ty: Type| Expr { kind: ExprKind::Builtin(row.id), ty, span };
        match row.id {
            BuiltinId::Probe => {
                state.uses_name = true;
                let longest = state.header.points.iter().map(|point| point.name.len()).max().unwrap_or(0);
                of(Type::Str(longest as u32 + 1))
            }
            BuiltinId::Cpid if !self.settings.has_child => {
                let error = Diagnostic::error(span, "cpid is used but no child process was given")
                    .with_help("start one with -c COMMAND");
                self.report(error);
                unknown(span)
            }
            BuiltinId::Arg(n) => {
                let missing = state.header.points.iter().any(|point| point.context.args.len() <= usize::from(n));
                if missing {
                    return self.refuse_arg(state, name, span);
                }
                of(row.ty.clone())
            }
            _ => of(row.ty.clone()),
        }
    }

    fn refuse_arg(&mut self, state: &ProbeState<'_>, name: &str, span: Span) -> Expr {
        let provider = state.header.provider.map_or("this", |provider| provider.row().name);
        let named = state.header.provider.is_some_and(|provider| provider.row().named_args);
        let error = Diagnostic::error(span, format!("{provider} probes have no `{name}`"));
        self.report(match named {
            true => error.with_help("here arguments go by name: args.NAME"),
            false => error.with_help("kprobe probes have it"),
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
                return self.refuse(span, format!("${name} is read before it has a type"));
            }
        }
        Expr { kind: ExprKind::Var(variable.id), ty, span }
    }

    /// The parts of a key; a tuple written as the only key stands for its parts.
    pub fn keys(&mut self, state: &mut ProbeState<'_>, keys: &[ast::Expr]) -> Vec<Expr> {
        match keys {
            [ast::Expr { kind: ast::ExprKind::Tuple(parts), .. }] => {
                parts.iter().map(|part| self.value(state, part)).collect()
            }
            keys => keys.iter().map(|key| self.value(state, key)).collect(),
        }
    }

    /// Notes the use of a map with these keys and gives its id.
    pub fn map_use(&mut self, name: &str, name_span: Span, keys: &[Expr], span: Span) -> MapId {
        let map = self.maps.id(name, name_span);
        let key = match keys {
            [] => None,
            [Expr { ty: Type::Tuple(parts), .. }] => Some(parts.clone()),
            keys => Some(keys.iter().map(|key| key.ty.clone()).collect()),
        };
        if let Err(diagnostic) = self.maps.use_key(map, key, span) {
            self.report(diagnostic);
        }
        map
    }

    /// A map's value read.
    fn map_value(
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
                    return self.refuse(span, format!("Undefined map: @{name}"));
                }
                unknown(span)
            }
            Type::Aggregate(aggregate) => {
                let title = format!("reading a {}_t map inside the program is not supported yet", aggregate.name());
                self.report(Diagnostic::error(span, title).with_help(format!("print(@{name}) prints all of it")));
                unknown(span)
            }
            ty => Expr { kind: ExprKind::MapGet(map, keys), ty, span },
        }
    }

    fn field(&mut self, state: &mut ProbeState<'_>, base: &ast::Expr, name: &ast::Name, span: Span) -> Expr {
        if !matches!(&base.kind, ast::ExprKind::Ident(word) if word == "args") {
            return self.refuse(span, "members are supported on `args` only, so far");
        }
        let points = &state.header.points;
        let Some(first) = points.first() else { return unknown(span) };
        if !state.header.provider.is_some_and(|provider| provider.row().named_args) {
            let provider = state.header.provider.map_or("this", |provider| provider.row().name);
            return self.refuse(span, format!("{provider} probes have no `args`"));
        }
        for point in points {
            if !point.context.fields.iter().any(|field| field.name == name.text) {
                let near = nearest(&name.text, point.context.fields.iter().map(|field| &field.name), 1);
                let names: Vec<&str> = point.context.fields.iter().map(|field| field.name.as_str()).collect();
                let help = match near.first() {
                    Some(near) => format!("did you mean `{near}`?"),
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
                    return self.refuse(span, format!("the type of `{}` is not supported yet", name.text));
                }
                Expr { kind: ExprKind::EventField(index), ty, span }
            }
            None => unknown(span),
        }
    }

    fn unary(&mut self, state: &mut ProbeState<'_>, op: UnaryOp, operand: &ast::Expr, span: Span) -> Expr {
        if matches!(op, UnaryOp::Deref | UnaryOp::AddressOf) {
            return self.refuse(span, "reading through a pointer is not supported yet");
        }
        let operand = self.number(state, operand, "the operand");
        if operand.ty == Type::Unknown {
            return unknown(span);
        }
        if let Some(value) = literal(&operand)
            && op != UnaryOp::Not
        {
            return match op {
                UnaryOp::Neg if value == 1 << 63 => int(i64::MIN, Type::I64, span),
                UnaryOp::Neg => self.folded(Some(-value), span),
                _ => int(!(value as i64), Type::U64, span),
            };
        }
        let ty = match op {
            UnaryOp::Not => Type::Bool,
            _ if operand.ty.as_int().is_none() => Type::I64,
            _ => operand.ty.clone(),
        };
        Expr { kind: ExprKind::Unary(op, Box::new(operand)), ty, span }
    }

    pub fn binary(&mut self, op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr {
        if left.ty == Type::Unknown || right.ty == Type::Unknown {
            // Whatever the operand turns out to be, the result is known: this lets `$y = @z / 2; @z = $y` be typed.
            let yields_bool = op.is_comparison() || matches!(op, BinaryOp::And | BinaryOp::Or);
            return Expr { ty: if yields_bool { Type::Bool } else { Type::I64 }, ..unknown(span) };
        }
        let both_text = matches!((&left.ty, &right.ty), (Type::Str(_), Type::Str(_)));
        let scalars = left.ty.is_scalar() && right.ty.is_scalar();
        let comparable = both_text && matches!(op, BinaryOp::Eq | BinaryOp::Ne);
        if !scalars && !comparable {
            let title = format!("Type mismatch for '{}': comparing {} with {}", op.symbol(), left.ty, right.ty);
            let title = match op.is_comparison() {
                true => title,
                false => format!(
                    "The {} operator can not be used on expressions of types '{}', '{}'",
                    op.symbol(),
                    left.ty,
                    right.ty
                ),
            };
            return self.refuse(span, title);
        }
        if let (Some(a), Some(b)) = (literal(&left), literal(&right))
            && !op.is_comparison()
            && !matches!(op, BinaryOp::And | BinaryOp::Or)
        {
            return self.folded(fold(op, a, b), span);
        }
        let (left, right) = (same_sign(left.clone(), &right, op), same_sign(right, &left, op));
        let ty = match op {
            BinaryOp::And | BinaryOp::Or => Type::Bool,
            op if op.is_comparison() => Type::Bool,
            BinaryOp::Sub => Type::I64,
            BinaryOp::Shl | BinaryOp::Shr => wide(left.ty.is_signed()),
            _ => wide(left.ty.is_signed() || right.ty.is_signed()),
        };
        Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span }
    }

    /// The result of arithmetic on numbers of the script.
    fn folded(&mut self, value: Option<i128>, span: Span) -> Expr {
        match value {
            Some(value) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) => {
                int(value as i64, Type::Int(IntType::smallest(value)), span)
            }
            _ => self.refuse(span, "unable to fold literals due to overflow or underflow"),
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
        let yes_source = yes.unwrap_or(cond);
        let cond = self.condition(state, cond);
        let (yes, no) = (self.value(state, yes_source), self.value(state, no));
        let Some(ty) = yes.ty.join(&no.ty) else {
            let title = format!("Ternary operator must return the same type: have '{}' and '{}'", yes.ty, no.ty);
            return self.refuse(span, title);
        };
        Expr { kind: ExprKind::Ternary(Box::new(cond), Box::new(yes), Box::new(no)), ty, span }
    }

    pub fn cast(&mut self, value: Expr, ty: Type, span: Span) -> Expr {
        if value.ty == Type::Unknown {
            return unknown(span);
        }
        if !value.ty.is_scalar() {
            return self.refuse(span, format!("Cannot cast from '{}' to '{ty}'", value.ty));
        }
        Expr { kind: ExprKind::Cast(Box::new(value)), ty, span }
    }

    /// `++` and `--`.
    fn step(&mut self, state: &mut ProbeState<'_>, place: &ast::Expr, step: i64, postfix: bool, span: Span) -> Expr {
        match &place.kind {
            ast::ExprKind::Var(name) => {
                let variable = self.variable(state, name, place.span);
                let ExprKind::Var(var) = variable.kind else { return unknown(span) };
                let Some(known) = state.scopes.find(name) else { return unknown(span) };
                let Some(ty) = variable.ty.as_int() else {
                    if variable.ty == Type::Unknown {
                        return unknown(span);
                    }
                    return self
                        .refuse(span, format!("The {} operator can not be used on a '{}'", sign(step), variable.ty));
                };
                if !known.fixed {
                    self.widen_variable(known.declared, wide(ty.signed));
                }
                Expr { kind: ExprKind::StepVar { var, step, postfix }, ty: variable.ty, span }
            }
            ast::ExprKind::Map(_) | ast::ExprKind::MapKey { .. } => {
                let (map, keys) = self.map_place(state, place);
                if let Err(diagnostic) = self.maps.assign(map, &Type::I64, span) {
                    self.report(diagnostic);
                    return unknown(span);
                }
                let ty = self.maps.value(map).clone();
                Expr { kind: ExprKind::StepMap { map, keys, step, postfix }, ty, span }
            }
            _ => self.refuse(span, format!("{} needs a variable or a map", sign(step))),
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
    pub fn widen_variable(&mut self, declared: Span, ty: Type) {
        let known = self.variable_types.entry(declared).or_insert(Type::Unknown);
        if let Some(joined) = known.join(&ty)
            && joined != *known
        {
            *known = joined;
            self.walk.learnt = true;
        }
    }

    /// The type a name in the script stands for.
    pub fn type_name(&mut self, name: &ast::TypeName) -> Option<Type> {
        let base = match (name.tag, scalar_type(&name.name)) {
            (None, Some(ty)) if name.arrays.is_empty() => ty,
            _ if name.pointers > 0 => Type::Void,
            _ => {
                let near = nearest(&name.name, SCALAR_TYPES.iter().map(|(name, ..)| *name), 1);
                let help = near.first().map(|near| format!("did you mean `{near}`?"));
                self.report(
                    Diagnostic::error(name.span, format!("unknown type `{}`", name.name)).with_maybe_help(help),
                );
                return None;
            }
        };
        Some((0..name.pointers).fold(base, |ty, _| Type::Pointer(Box::new(ty), AddressSpace::Kernel)))
    }
}

fn sign(step: i64) -> &'static str {
    if step > 0 { "++" } else { "--" }
}

fn wide(signed: bool) -> Type {
    if signed { Type::I64 } else { Type::U64 }
}

/// A number of the script that is not negative takes the other side's sign, so that `args.count / 2` stays unsigned.
fn same_sign(expr: Expr, other: &Expr, op: BinaryOp) -> Expr {
    let unsigned = matches!(other.ty, Type::Int(IntType { signed: false, .. }) | Type::Pointer(..));
    match (&expr.kind, &expr.ty) {
        (ExprKind::Int(value), Type::Int(_))
            if *value >= 0 && unsigned && !matches!(op, BinaryOp::Shl | BinaryOp::Shr) =>
        {
            Expr { ty: Type::U64, ..expr }
        }
        _ => expr,
    }
}

fn literal_type(value: u64, suffix: ast::IntSuffix) -> Type {
    match suffix {
        ast::IntSuffix::None => Type::Int(IntType::smallest(i128::from(value))),
        ast::IntSuffix::U if value <= u64::from(u32::MAX) => Type::U32,
        ast::IntSuffix::U | ast::IntSuffix::Ul | ast::IntSuffix::Duration => Type::U64,
        ast::IntSuffix::L => Type::I64,
    }
}

/// Arithmetic on numbers of the script, as C does it on signed operands; `None` where that is not defined.
fn fold(op: BinaryOp, a: i128, b: i128) -> Option<i128> {
    let shift = |b: i128| u32::try_from(b).ok().filter(|bits| *bits < 64);
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div => a.checked_div(b),
        BinaryOp::Rem => a.checked_rem(b),
        BinaryOp::BitAnd => Some(a & b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
        BinaryOp::Shl => shift(b).map(|bits| a << bits),
        BinaryOp::Shr => shift(b).map(|bits| a >> bits),
        _ => None,
    }
}

/// Names of scalar types: bits and sign; 1 bit is a bool.
const SCALAR_TYPES: &[(&str, u8, bool)] = &[
    ("bool", 1, false),
    ("int8", 8, true),
    ("int16", 16, true),
    ("int32", 32, true),
    ("int64", 64, true),
    ("uint8", 8, false),
    ("uint16", 16, false),
    ("uint32", 32, false),
    ("uint64", 64, false),
    ("int8_t", 8, true),
    ("int16_t", 16, true),
    ("int32_t", 32, true),
    ("int64_t", 64, true),
    ("uint8_t", 8, false),
    ("uint16_t", 16, false),
    ("uint32_t", 32, false),
    ("uint64_t", 64, false),
    ("char", 8, true),
    ("short", 16, true),
    ("int", 32, true),
    ("long", 64, true),
    ("unsigned char", 8, false),
    ("unsigned short", 16, false),
    ("unsigned int", 32, false),
    ("unsigned long", 64, false),
    ("unsigned", 32, false),
    ("long long", 64, true),
    ("unsigned long long", 64, false),
    ("size_t", 64, false),
];

fn scalar_type(name: &str) -> Option<Type> {
    let (_, bits, signed) = *SCALAR_TYPES.iter().find(|(known, ..)| *known == name)?;
    Some(if bits == 1 { Type::Bool } else { Type::Int(IntType { bits, signed }) })
}
