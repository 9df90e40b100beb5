//! Functions that print: `printf` and all that take a format as it does, `print`, `time`, `join`.

use super::super::expr::{int, text_literal, unknown};
use super::super::loops::as_number;
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId, function};
use crate::printf::{self, Conversion, Format, Origin, Piece, Verb};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, FormatId, StmtKind};
use crate::types::{AddressSpace, IntType, Type};

impl Checker<'_> {
    pub fn add_format(&mut self, origin: Origin, pieces: Vec<Piece>, args: Vec<Type>) -> FormatId {
        let formats = &mut self.walk.program.formats;
        formats.push(Format { origin, pieces, args: args.iter().map(Type::settled).collect() });
        FormatId(formats.len() as u32 - 1)
    }

    /// `printf` and the others that take a format and its values.
    pub fn formatted(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        origin: Origin,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<StmtKind> {
        let (format, values) = args.split_first()?;
        let written = matches!(format.kind, ast::ExprKind::Str(_));
        // A format is no value: it may be longer than texts are.
        let format = match &format.kind {
            ast::ExprKind::Str(text) => text_literal(text.clone(), format.span),
            _ => self.expr(state, format),
        };
        let ExprKind::Str(text) = &format.kind else {
            if format.ty == Type::Unknown {
                return None;
            }
            let title = format!("{}() expects a string literal ({} provided)", row.name, format.ty.kind());
            self.report(Diagnostic::error(span, title).with_help(format!("write {}(\"%s\\n\", value)", row.name)));
            return None;
        };
        let pieces = match printf::parse(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                // Byte for byte only while nothing before the fault was escaped; else the whole literal is shown.
                let start = format.span.start + 1 + error.range.start as u32;
                let plain = written && format.span.end - format.span.start == text.len() as u32 + 2;
                let place = match plain {
                    true => Span::new(start, format.span.start + 1 + error.range.end as u32),
                    false => format.span,
                };
                self.report(Diagnostic::error(place, error.title));
                return None;
            }
        };
        let conversions: Vec<Conversion> = pieces.iter().filter_map(Piece::as_value).collect();
        let values: Vec<Expr> = values.iter().map(|value| self.value(state, value)).collect();
        let (given, expected) = (values.len(), conversions.len());
        if given != expected {
            let word = if given < expected { "not enough" } else { "too many" };
            let title = format!("{word} arguments for format string ({given} supplied, {expected} expected)");
            self.report(Diagnostic::error(span, title));
            return None;
        }
        for (conversion, value) in conversions.iter().zip(&values) {
            if !conversion.verb.accepts(&value.ty) {
                let letter = conversion.verb.letter();
                let title = format!("unsupported format specifier for type '{}': {letter}", value.ty);
                let help =
                    if matches!(value.kind, ExprKind::ReadAggregate(..)) { "cast it: (int64)@map" } else { "use %s" };
                self.report(Diagnostic::error(value.span, title).with_help(help));
            }
        }
        let types = values.iter().map(|value| value.ty.clone()).collect();
        Some(StmtKind::Print(self.add_format(origin, pieces, types), values))
    }

    pub fn print(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<StmtKind> {
        let row = function("print")?;
        if matches!(args[0].kind, ast::ExprKind::Map(_)) {
            let map = self.whole_map(row, &args[0]);
            let top = args.get(1).map_or(Some(0), |top| self.literal(state, top, "print", span));
            let div = args.get(2).map_or(Some(1), |div| self.literal(state, div, "print", span));
            return Some(StmtKind::PrintMap { map: map?, top: top?, div: div?.max(1) });
        }
        if args.len() > 1 {
            let title = format!("Non-map print() only takes 1 argument, {} found", args.len());
            self.report(Diagnostic::error(span, title).with_help("only a whole map is printed with top and div"));
            return None;
        }
        let value = as_number(self.value(state, &args[0]));
        if let Type::Aggregate(aggregate) = value.ty {
            let title = format!("printing one value of a {}_t map is not supported yet", aggregate.name());
            self.report(Diagnostic::error(span, title).with_help("print(@map) prints all of it"));
            return None;
        }
        let text = Conversion { verb: Verb::Text, bits: 64, ..Conversion::PLAIN };
        let pieces = vec![Piece::Value(text), Piece::Text(b"\n".to_vec())];
        Some(StmtKind::Print(self.add_format(Origin::Print, pieces, vec![value.ty.clone()]), vec![value]))
    }

    /// `time("format")`
    pub fn time(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<StmtKind> {
        let format = match args.first() {
            Some(format) => self.known_text(state, format, row, span)?,
            None => b"%H:%M:%S\n".to_vec(),
        };
        Some(StmtKind::Print(self.add_format(Origin::Time, vec![Piece::Text(format)], Vec::new()), Vec::new()))
    }

    /// `debugf("format", values...)`: the kernel reads the format.
    pub fn debugf(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let Some(format) = self.known_text(state, &args[0], row, span) else { return unknown(span) };
        let expected = match printf::parse(&format) {
            Ok(pieces) => pieces.iter().filter(|piece| piece.as_value().is_some()).count(),
            Err(error) => return self.refuse(args[0].span, error.title),
        };
        let values: Vec<Expr> = args[1..].iter().map(|arg| self.value(state, arg)).collect();
        if values.iter().any(|value| value.ty == Type::Unknown) {
            return unknown(span);
        }
        let given = values.len();
        if given != expected {
            let word = if given < expected { "not enough" } else { "too many" };
            let title = format!("{word} arguments for format string ({given} supplied, {expected} expected)");
            return self.refuse(span, title);
        }
        if let Some(value) = values.iter().find(|value| !value.ty.is_scalar() && !matches!(value.ty, Type::Str(_))) {
            return self.refuse(value.span, format!("debugf() shows numbers and texts only ({} provided)", value.ty));
        }
        let format = text_literal(format, args[0].span);
        let args = std::iter::once(format).chain(values).collect();
        Expr { kind: ExprKind::Call(row.id, args), ty: Type::I64, span }
    }

    /// `join(pointers, "separator")`: the record has all pointers, so that the first that is none can be seen, and then
    /// all texts.
    pub fn join(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<StmtKind> {
        let pointers = self.expr(state, &args[0]);
        let separator = match args.get(1) {
            Some(separator) => self.known_text(state, separator, row, span)?,
            None => b" ".to_vec(),
        };
        if pointers.ty == Type::Unknown {
            return None;
        }
        if !pointers.ty.is_scalar() {
            let kind = pointers.ty.kind();
            self.refuse(span, format!("{}() only supports int or pointer arguments ({kind} provided)", row.name));
            return None;
        }
        let size = self.config.max_strlen.min(JOINED_SIZE);
        let space = match pointers.ty {
            Type::Pointer(_, space) => space,
            _ => AddressSpace::Either,
        };
        let to = Type::Pointer(Box::new(Type::Int(IntType { bits: 8, signed: true })), space);
        let pointer = |index: usize| Expr {
            kind: ExprKind::Call(FunctionId::Join, vec![pointers.clone(), int(index as i64, Type::I64, span)]),
            ty: to.clone(),
            span,
        };
        let text = |index: usize| Expr {
            kind: ExprKind::ReadStr { pointer: Box::new(pointer(index)), length: None },
            ty: Type::Str(size),
            span,
        };
        let values: Vec<Expr> = (0..JOINED).map(pointer).chain((0..JOINED).map(text)).collect();
        let types = values.iter().map(|value| value.ty.clone()).collect();
        Some(StmtKind::Print(self.add_format(Origin::Join, vec![Piece::Text(separator)], types), values))
    }
}

/// How many texts `join()` takes, and bytes of each.
const JOINED: usize = 16;
const JOINED_SIZE: u32 = 1024;
