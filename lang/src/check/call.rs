//! Calls of functions.

use super::expr::unknown;
use super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{FUNCTIONS, Function, FunctionId, function};
use crate::nearest::nearest;
use crate::printf::{self, Conversion, Format, Piece, Verb};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, FormatId, MapId, StmtKind};
use crate::types::{Aggregate, IntType, Type};

impl Checker<'_> {
    /// Finds a function's row and checks the number of arguments.
    fn function_row(&mut self, name: &ast::Name, args: usize, span: Span) -> Option<&'static Function> {
        let Some(row) = function(&name.text) else {
            let near = nearest(&name.text, FUNCTIONS.iter().map(|row| row.name), 1);
            let help = near.first().map(|near| format!("did you mean `{near}`?"));
            let title = format!("Unknown function: '{}'", name.text);
            self.report(Diagnostic::error(span, title).with_maybe_help(help));
            return None;
        };
        self.check_count(row, args, span).then_some(row)
    }

    fn check_count(&mut self, row: &Function, args: usize, span: Span) -> bool {
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        let title = match (row.min_args, row.max_args) {
            (min, max) if (min..=max).contains(&args) => return true,
            (min, max) if min == max && min == 0 => format!("{}() takes no arguments ({args} given)", row.name),
            (min, max) if min == max => format!("{}() requires {min} {} ({args} provided)", row.name, plural(min)),
            (min, _) if args < min => {
                format!("{}() requires at least {min} {} ({args} provided)", row.name, plural(min))
            }
            (_, max) => format!("{}() takes up to {max} {} ({args} provided)", row.name, plural(max)),
        };
        self.report(Diagnostic::error(span, title).with_help(format!("usage: {}", row.usage)));
        false
    }

    /// A call within an expression.
    pub fn call(&mut self, state: &mut ProbeState<'_>, name: &ast::Name, args: &[ast::Expr], span: Span) -> Expr {
        let Some(row) = self.function_row(name, args.len(), span) else { return unknown(span) };
        if row.aggregation {
            let error = Diagnostic::error(span, format!("{}() should be assigned to a map", row.name))
                .with_help(format!("write @name = {}", row.usage.split(", ").next().unwrap_or(row.usage)));
            self.report(error);
            return unknown(span);
        }
        match row.id {
            FunctionId::Str => self.read_str(state, args, span),
            FunctionId::Delete => self.delete(state, args, span),
            _ => self.refuse(span, format!("{}() gives no value and can only stand alone", row.name)),
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
        match row.id {
            FunctionId::Printf => self.printf(state, args, span),
            FunctionId::Print => self.print(state, args, span),
            FunctionId::Clear => Some(StmtKind::Clear(self.whole_map(row, &args[0])?)),
            FunctionId::Zero => Some(StmtKind::Zero(self.whole_map(row, &args[0])?)),
            FunctionId::Exit => {
                let zero = Expr { kind: ExprKind::Int(0), ty: Type::I64, span };
                let code = args.first().map(|code| self.number(state, code, "the exit code"));
                Some(StmtKind::Exit(code.unwrap_or(zero)))
            }
            FunctionId::Delete => Some(StmtKind::Expr(self.delete(state, args, span))),
            FunctionId::Str
            | FunctionId::Count
            | FunctionId::Sum
            | FunctionId::Min
            | FunctionId::Max
            | FunctionId::Avg
            | FunctionId::Stats
            | FunctionId::Hist
            | FunctionId::LHist => {
                self.call(state, name, args, span);
                None
            }
        }
    }

    /// An argument that must name a whole map. A map that nothing assigns is empty for good: a warning, no code.
    fn whole_map(&mut self, row: &Function, arg: &ast::Expr) -> Option<MapId> {
        let ast::ExprKind::Map(name) = &arg.kind else {
            let error = Diagnostic::error(arg.span, format!("{}() expects a map to be provided", row.name))
                .with_help(format!("usage: {}", row.usage));
            self.report(error);
            return None;
        };
        let map = self.maps.id(name, arg.span);
        if *self.maps.value(map) == Type::Unknown {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let warning = Diagnostic::warning(arg.span, format!("Undefined map: @{name}"))
                    .with_help("no probe assigns it, so it stays empty");
                self.report(warning);
            }
            return None;
        }
        Some(map)
    }

    fn add_format(&mut self, pieces: Vec<Piece>, args: Vec<Type>) -> FormatId {
        let formats = &mut self.walk.program.formats;
        formats.push(Format { pieces, args });
        FormatId(formats.len() as u32 - 1)
    }

    fn printf(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<StmtKind> {
        let (format, values) = args.split_first()?;
        let ast::ExprKind::Str(text) = &format.kind else {
            let error = Diagnostic::error(format.span, "printf() expects a string literal as its format");
            self.report(error.with_help("write printf(\"%s\\n\", value)"));
            return None;
        };
        let pieces = match printf::parse(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                // Byte for byte only while nothing before the fault was escaped; else the whole literal is shown.
                let start = format.span.start + 1 + error.range.start as u32;
                let plain = format.span.end - format.span.start == text.len() as u32 + 2;
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
                self.report(Diagnostic::error(value.span, title).with_help("use %s"));
            }
        }
        let types = values.iter().map(|value| value.ty.clone()).collect();
        Some(StmtKind::Print(self.add_format(pieces, types), values))
    }

    fn print(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<StmtKind> {
        let row = function("print")?;
        if matches!(args[0].kind, ast::ExprKind::Map(_)) {
            let map = self.whole_map(row, &args[0]);
            let top = args.get(1).map_or(Some(0), |top| self.literal(top, "top"));
            let div = args.get(2).map_or(Some(1), |div| self.literal(div, "div"));
            return Some(StmtKind::PrintMap { map: map?, top: top?, div: div?.max(1) });
        }
        if args.len() > 1 {
            self.report(Diagnostic::error(span, "only a whole map is printed with top and div"));
            return None;
        }
        let value = self.value(state, &args[0]);
        let text = Conversion { verb: Verb::Text, bits: 64, ..Conversion::PLAIN };
        let pieces = vec![Piece::Value(text), Piece::Text(b"\n".to_vec())];
        Some(StmtKind::Print(self.add_format(pieces, vec![value.ty.clone()]), vec![value]))
    }

    /// An argument that must be written as a number that is not negative.
    fn literal(&mut self, arg: &ast::Expr, what: &str) -> Option<u64> {
        match &arg.kind {
            ast::ExprKind::Int(value, _) => Some(*value),
            _ => {
                self.report(Diagnostic::error(arg.span, format!("{what} must be a literal that is not negative")));
                None
            }
        }
    }

    fn delete(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let deleted = |map, keys| Expr { kind: ExprKind::Delete(map, keys), ty: Type::Bool, span };
        match (&args[0].kind, args.get(1)) {
            (ast::ExprKind::MapKey { .. }, None) => {
                let (map, keys) = self.map_place(state, &args[0]);
                deleted(map, keys)
            }
            (ast::ExprKind::Map(name), key) => {
                let keys = match key {
                    Some(key) => self.keys(state, std::slice::from_ref(key)),
                    None => Vec::new(),
                };
                let map = self.map_use(name, args[0].span, &keys, span);
                deleted(map, keys)
            }
            _ => {
                let error = Diagnostic::error(args[0].span, "delete() expects a map to be provided");
                self.report(error.with_help("write delete(@map, key)"));
                unknown(span)
            }
        }
    }

    fn read_str(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let pointer = self.expr(state, &args[0]);
        if let Type::Str(_) = pointer.ty {
            return pointer;
        }
        if !pointer.ty.is_scalar() && pointer.ty != Type::Unknown {
            return self.refuse(args[0].span, format!("str() reads from an address, not from a '{}'", pointer.ty));
        }
        let most = self.settings.max_strlen;
        let (size, length) = match args.get(1) {
            // One byte more than is shown, so that text which was cut off can be told from text that just fits.
            None => (most + 1, None),
            Some(ast::Expr { kind: ast::ExprKind::Int(length, _), .. }) => {
                ((*length).clamp(1, u64::from(most)) as u32, None)
            }
            Some(length) => (most, Some(Box::new(self.number(state, length, "the length")))),
        };
        Expr { kind: ExprKind::ReadStr { pointer: Box::new(pointer), length }, ty: Type::Str(size), span }
    }

    /// `@map[keys] = count()` and its like.
    pub fn gather(
        &mut self,
        state: &mut ProbeState<'_>,
        place: &ast::Expr,
        row: &'static Function,
        args: &[ast::Expr],
        call_span: Span,
        span: Span,
    ) -> Option<StmtKind> {
        if !self.check_count(row, args.len(), call_span) {
            return None;
        }
        let (map, keys) = self.map_place(state, place);
        let value = match args.first() {
            Some(value) => {
                let value = self.number(state, value, &format!("the argument of {}()", row.name));
                if value.ty == Type::Unknown {
                    return None;
                }
                Some(value)
            }
            None => None,
        };
        let signed = !matches!(
            value.as_ref().map(|value| &value.ty),
            Some(Type::Int(IntType { bits: 64, signed: false }) | Type::Pointer(..))
        );
        let aggregate = match row.id {
            FunctionId::Count => Aggregate::Count,
            FunctionId::Sum => Aggregate::Sum { signed },
            FunctionId::Min => Aggregate::Min { signed },
            FunctionId::Max => Aggregate::Max { signed },
            FunctionId::Avg => Aggregate::Avg { signed },
            FunctionId::Stats => Aggregate::Stats { signed },
            FunctionId::Hist => Aggregate::Hist { bits: self.hist_bits(args.get(1))? },
            FunctionId::LHist => self.lhist_range(args, call_span)?,
            _ => return None,
        };
        if let Err(diagnostic) = self.maps.assign(map, &Type::Aggregate(aggregate), span) {
            self.report(diagnostic);
            return None;
        }
        Some(StmtKind::Gather { map, keys, value })
    }

    fn hist_bits(&mut self, arg: Option<&ast::Expr>) -> Option<u8> {
        let Some(arg) = arg else { return Some(0) };
        match self.literal(arg, "the second argument of hist()")? {
            bits @ 0..=5 => Some(bits as u8),
            other => {
                let title = format!("hist() takes 0 to 5 bits ({other} provided)");
                self.report(Diagnostic::error(arg.span, title));
                None
            }
        }
    }

    fn lhist_range(&mut self, args: &[ast::Expr], span: Span) -> Option<Aggregate> {
        let (min, max, step) =
            (self.literal(&args[1], "min")?, self.literal(&args[2], "max")?, self.literal(&args[3], "step")?);
        let fault = if step == 0 {
            "lhist() step must be >= 1 (0 provided)".to_owned()
        } else if max <= min {
            format!("lhist() min must be less than max (provided min {min} and max {max})")
        } else if (max - min).div_ceil(step) > 1000 {
            let buckets = (max - min).div_ceil(step);
            format!("lhist() too many buckets, must be <= 1000 (would need {buckets})")
        } else {
            return Some(Aggregate::LHist { min, max, step });
        };
        self.report(Diagnostic::error(span, fault));
        None
    }
}
