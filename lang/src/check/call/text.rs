//! Functions of texts.

use super::super::casts::as_text;
use super::super::expr::{int, literal, number_literal, text_literal, unknown};
use super::super::{Checker, ProbeState};
use crate::ast::{self, BinaryOp};
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::{IntType, Type};

/// Bytes that two texts may have as one, the closing zero included.
const MOST_JOINED: u32 = 1024;

impl Checker<'_> {
    pub fn read_str(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let pointer = self.text_argument(state, &args[0]);
        let length = args.get(1).map(|length| self.integer(state, length, row, span));
        let known_length = length.as_ref().and_then(literal);
        if let (Some(negative @ ..0), Some(length)) = (known_length, &length) {
            return self.refuse(length.span, format!("str() cannot use negative length ({negative})"));
        }
        let known_length = known_length.map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let most = self.config.max_strlen;
        if let Some(length @ 1..) = known_length.filter(|length| *length > most) {
            let title = format!(
                "length param ({length}) is too long and will be shortened to {most} bytes (see BPFTRACE_MAX_STRLEN)"
            );
            let help = format!("config = {{ max_strlen = {length} }} makes room");
            self.report(Diagnostic::warning(span, title).with_help(help));
        }
        let size = match (&pointer.kind, &pointer.ty) {
            (_, Type::Unknown) => return unknown(span),
            // A text of the script: the length counts its bytes, without a closing zero.
            (ExprKind::Str(text), _) if length.is_none() || known_length.is_some() => {
                let kept = known_length.map_or(text.len(), |length| text.len().min(length as usize));
                return text_literal(text[..kept].to_vec(), span);
            }
            (_, Type::Str(_)) if length.is_none() => return pointer,
            (_, Type::Str(size)) => *size,
            // One byte more than is shown, so that text which was cut off can be told from text that just fits.
            (_, ty) if ty.is_scalar() && *ty != Type::Bool => most + u32::from(length.is_none()),
            (_, ty) => {
                return self.refuse(
                    args[0].span,
                    format!("str() expects a string, integer or a pointer type as first argument ({ty} provided)"),
                );
            }
        };
        let (size, length) = match known_length {
            Some(length) => (length.clamp(1, size), None),
            None => (size, length.map(Box::new)),
        };
        Expr { kind: ExprKind::ReadStr { pointer: Box::new(pointer), length }, ty: Type::Str(size), span }
    }

    /// The argument of `str()`: parameters and numbers of the script stand for their text.
    fn text_argument(&mut self, state: &mut ProbeState<'_>, arg: &ast::Expr) -> Expr {
        if let Some(text) = self.param_text(arg) {
            return text;
        }
        if let ast::ExprKind::Binary { op: BinaryOp::Add, left, right } = &arg.kind
            && let Some(text) = self.param_text(left)
        {
            let right = self.expr(state, right);
            return self.binary(BinaryOp::Add, text, right, arg.span);
        }
        let value = as_text(self.expr(state, arg));
        match literal(&value) {
            Some(number) => text_literal(number.to_string().into_bytes(), arg.span),
            None => value,
        }
    }

    /// An argument that is a text, or memory that is read as one.
    fn string_like(&mut self, state: &mut ProbeState<'_>, arg: &ast::Expr) -> Expr {
        let value = as_text(self.expr(state, arg));
        match &value.ty {
            Type::Str(_) | Type::Unknown => value,
            Type::Pointer(to, _) if matches!(to.as_int(), Some(IntType { bits: 8, .. })) => Expr {
                ty: Type::Str(self.config.max_strlen),
                span: arg.span,
                kind: ExprKind::ReadStr { pointer: Box::new(value), length: None },
            },
            _ => self.refuse(arg.span, "string-like values must be either strings, arrays or pointers"),
        }
    }

    /// `assert_str(value)`
    pub fn assert_str(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) {
        let value = self.expr(state, &args[0]);
        let is_char = |ty: &Type| matches!(ty.settled(), Type::Int(IntType { bits: 8, signed: true }));
        let title = match &value.ty {
            Type::Str(_) | Type::Named(_) | Type::Unknown => return,
            Type::Array(of, _) if is_char(of) => return,
            Type::Pointer(to, _) if is_char(to) => return,
            Type::Array(..) => "string-like arrays must contain a char-like type",
            Type::Pointer(..) => "string-like pointers must point to a char-like type",
            _ => "string-like values must be either strings, arrays or pointers",
        };
        self.refuse(span, title);
    }

    /// `str_concat(text, text)`
    pub fn str_concat(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let texts: Vec<Expr> = args.iter().map(|arg| self.string_like(state, arg)).collect();
        if let [Expr { kind: ExprKind::Str(a), .. }, Expr { kind: ExprKind::Str(b), .. }] = &texts[..] {
            return text_literal([&a[..], b].concat(), span);
        }
        let mut bytes = 1u32;
        for text in &texts {
            let Type::Str(size) = text.ty else { return unknown(span) };
            bytes = bytes.saturating_add(size.saturating_sub(1));
        }
        // In large steps, so that `$a = str_concat($a, "x")` has all the room it may ever have after a few walks.
        let size = bytes.checked_next_power_of_two().unwrap_or(MOST_JOINED).min(MOST_JOINED);
        Expr { kind: ExprKind::Call(row.id, texts), ty: Type::Str(size), span }
    }

    /// `strlen(text)`
    pub fn strlen(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let text = self.string_like(state, &args[0]);
        match &text.kind {
            ExprKind::Str(text) => int(text.len() as i64, Type::U64, span),
            _ if text.ty == Type::Unknown => unknown(span),
            _ => Expr { kind: ExprKind::Call(FunctionId::Strlen, vec![text]), ty: Type::U64, span },
        }
    }

    /// `strcap(text)`
    pub fn strcap(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let text = self.string_like(state, &args[0]);
        match text.ty {
            // Nobody says how much room there is behind a pointer.
            Type::Str(_) if matches!(text.kind, ExprKind::ReadStr { ref pointer, .. } if matches!(pointer.ty, Type::Pointer(..))) => {
                Expr { kind: ExprKind::Call(FunctionId::Strlen, vec![text]), ty: Type::U64, span }
            }
            Type::Str(size) => number_literal(i128::from(size), span),
            _ => unknown(span),
        }
    }

    /// `strncmp(a, b, length)`
    pub fn strncmp(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let mut texts = Vec::new();
        for arg in &args[..2] {
            let text = as_text(self.expr(state, arg));
            match text.ty {
                Type::Unknown => return unknown(span),
                Type::Str(_) => texts.push(text),
                ty => {
                    let title = format!("{}() only supports string arguments ({} provided)", row.name, ty.kind());
                    return self.refuse(span, title);
                }
            }
        }
        let length = self.expr(state, &args[2]);
        let Some(length) = literal(&length).and_then(|length| u32::try_from(length).ok()) else {
            return self.refuse(span, format!("Builtin {} requires a non-negative literal", row.name));
        };
        if let (ExprKind::Str(a), ExprKind::Str(b)) = (&texts[0].kind, &texts[1].kind) {
            let start = |text: &Vec<u8>| text[..text.len().min(length as usize)].to_vec();
            return int(i64::from(start(a) != start(b)), Type::U64, span);
        }
        texts.push(int(i64::from(length), Type::I64, span));
        Expr { kind: ExprKind::Call(row.id, texts), ty: Type::U64, span }
    }

    /// `memcmp(a, b, count)`
    pub fn memcmp(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        /// More would not fit a program.
        const MOST: u32 = 1032;
        let mut sides = vec![self.value(state, &args[0]), self.value(state, &args[1])];
        if sides.iter().any(|side| side.ty == Type::Unknown) {
            return unknown(span);
        }
        if let Some(large) = sides.iter().find(|side| side.ty.slot_size() > MOST) {
            let title = format!("memcmp() compares values of up to {MOST} bytes ({} here)", large.ty.slot_size());
            return self.refuse(large.span, title);
        }
        let count = self.expr(state, &args[2]);
        sides.push(match (literal(&count), &count.ty) {
            (Some(count @ 0..), _) => int(count.min(i128::from(MOST)) as i64, Type::I64, span),
            (None, Type::Int(_)) => count,
            (_, Type::Unknown) => return unknown(span),
            _ => {
                let title = format!("memcmp() expects a number that is not negative ({} provided)", count.ty.kind());
                return self.refuse(args[2].span, title);
            }
        });
        let ty = Type::Int(IntType { bits: 32, signed: true });
        Expr { kind: ExprKind::Call(FunctionId::Memcmp, sides), ty, span }
    }

    /// `strcontains(text, part)` and `strstr(text, part)`
    pub fn search(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        /// The part is compared in registers.
        const MOST: u32 = 64;
        let (text, part) = (self.string_like(state, &args[0]), self.string_like(state, &args[1]));
        let is_contained = row.id == FunctionId::Strcontains;
        let ty = if is_contained { Type::Bool } else { Type::Int(IntType { bits: 32, signed: true }) };
        match (&text.kind, &part.kind, &part.ty) {
            _ if text.ty == Type::Unknown || part.ty == Type::Unknown => return unknown(span),
            (ExprKind::Str(text), ExprKind::Str(part), _) => {
                let found = (0..=text.len()).find(|at| text[*at..].starts_with(part));
                let value = match (is_contained, found) {
                    (true, found) => i64::from(found.is_some()),
                    (false, Some(at)) => at as i64,
                    (false, None) => -2,
                };
                return int(value, ty, span);
            }
            (_, _, Type::Str(size)) if *size > MOST + 1 => {
                let title = format!("{}() looks for at most {MOST} bytes ({} here)", row.name, size - 1);
                return self.refuse(args[1].span, title);
            }
            _ => {}
        }
        Expr { kind: ExprKind::Call(row.id, vec![text, part]), ty, span }
    }
}
