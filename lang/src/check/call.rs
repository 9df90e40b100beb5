//! Calls of functions.

use super::expr::{literal, text_literal, unknown};
use super::loops::as_number;
use super::{Checker, ProbeState};
use crate::ast::{self, BinaryOp};
use crate::builtins::builtin;
use crate::diag::Diagnostic;
use crate::functions::{self, FUNCTIONS, Function, FunctionId, function};
use crate::nearest::nearest;
use crate::printf::{self, Conversion, Format, Origin, Piece, Verb};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, FormatId, MapId, StmtKind};
use crate::types::{Aggregate, IntType, Type};

impl Checker<'_> {
    /// Finds a function's row and checks the number of arguments.
    fn function_row(&mut self, name: &ast::Name, args: usize, span: Span) -> Option<&'static Function> {
        let Some(row) = function(&name.text) else {
            if functions::NOT_YET.contains(&name.text.as_str()) {
                self.refuse(span, format!("{}() is not supported yet", name.text));
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

    fn check_count(&mut self, row: &Function, args: usize, span: Span) -> bool {
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
        if args.is_empty() && function(&name.text).is_none() && builtin(&name.text).is_some() {
            return self.name(state, &name.text, span);
        }
        let Some(row) = self.function_row(name, args.len(), span) else { return unknown(span) };
        if row.aggregation {
            let error = Diagnostic::error(span, format!("{}() must be assigned directly to a map", row.name))
                .with_help(format!("write @name = {}", row.usage.split(", ").next().unwrap_or(row.usage)));
            self.report(error);
            return unknown(span);
        }
        match row.id {
            FunctionId::Str => self.read_str(state, row, args, span),
            FunctionId::Getopt => self.getopt(state, args, span),
            FunctionId::Delete => {
                let deleted = self.delete(state, args, span);
                match &deleted.kind {
                    // Each CPU has a share of it, which only user space can reach.
                    ExprKind::Delete(map, keys) if keys.is_empty() && self.holds_aggregation(*map) => {
                        self.refuse(span, "deleting a whole aggregation gives no value")
                    }
                    _ => deleted,
                }
            }
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
                let code = args.first().map(|code| self.integer(state, code, row, span));
                Some(StmtKind::Exit(code.unwrap_or(zero)))
            }
            FunctionId::Delete => {
                let deleted = self.delete(state, args, span);
                Some(match deleted.kind {
                    ExprKind::Delete(map, keys) if keys.is_empty() && self.holds_aggregation(map) => {
                        StmtKind::Clear(map)
                    }
                    _ => StmtKind::Expr(deleted),
                })
            }
            FunctionId::Str
            | FunctionId::Getopt
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

    /// An argument that must name a whole map. One that nothing assigns is empty for good: bpftrace refuses it, here it
    /// is a warning and no code, because the rest of the script makes sense.
    fn whole_map(&mut self, row: &Function, arg: &ast::Expr) -> Option<MapId> {
        let ast::ExprKind::Map(name) = &arg.kind else {
            let error = Diagnostic::error(arg.span, format!("{}() expects a map argument", row.name))
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
                self.report_unknown(self.maps.is_broken(map), warning);
            }
            return None;
        }
        Some(map)
    }

    fn add_format(&mut self, origin: Origin, pieces: Vec<Piece>, args: Vec<Type>) -> FormatId {
        let formats = &mut self.walk.program.formats;
        formats.push(Format { origin, pieces, args: args.iter().map(Type::settled).collect() });
        FormatId(formats.len() as u32 - 1)
    }

    fn printf(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<StmtKind> {
        let (format, values) = args.split_first()?;
        let written = matches!(format.kind, ast::ExprKind::Str(_));
        let format = self.expr(state, format);
        let ExprKind::Str(text) = &format.kind else {
            if format.ty == Type::Unknown {
                return None;
            }
            let title = format!("printf() expects a string literal ({} provided)", format.ty.kind());
            self.report(Diagnostic::error(span, title).with_help("write printf(\"%s\\n\", value)"));
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
        Some(StmtKind::Print(self.add_format(Origin::Printf, pieces, types), values))
    }

    fn print(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<StmtKind> {
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

    fn delete(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let deleted = self.deleted(state, args, span);
        if let ExprKind::Delete(map, _) = deleted.kind
            && *self.maps.value(map) == Type::Unknown
        {
            self.walk.saw_unknown = true;
            if self.last_walk {
                let name = self.maps.display_name(map);
                let error = Diagnostic::error(args[0].span, format!("Undefined map: {name}"));
                self.report_unknown(self.maps.is_broken(map), error);
                return unknown(span);
            }
        }
        deleted
    }

    fn deleted(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
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
                let error = Diagnostic::error(args[0].span, "delete() expects a map argument");
                self.report(error.with_help("write delete(@map, key)"));
                unknown(span)
            }
        }
    }

    fn holds_aggregation(&self, map: MapId) -> bool {
        matches!(self.maps.value(map), Type::Aggregate(_))
    }

    fn read_str(&mut self, state: &mut ProbeState<'_>, row: &Function, args: &[ast::Expr], span: Span) -> Expr {
        let pointer = self.text_argument(state, &args[0]);
        let length = args.get(1).map(|length| self.integer(state, length, row, span));
        let known_length = length.as_ref().and_then(literal);
        if let (Some(negative @ ..0), Some(length)) = (known_length, &length) {
            return self.refuse(length.span, format!("str() cannot use negative length ({negative})"));
        }
        let known_length = known_length.map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let most = self.config.max_strlen;
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
            (_, ty) if ty.is_scalar() => most + u32::from(length.is_none()),
            (_, ty) => {
                return self.refuse(
                    args[0].span,
                    format!("str() expects an integer or a pointer type as first argument ({ty} provided)"),
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
        let value = self.expr(state, arg);
        match literal(&value) {
            Some(number) => text_literal(number.to_string().into_bytes(), arg.span),
            None => value,
        }
    }

    /// An argument that must be an integer; `call` is the place of the whole call.
    fn integer(&mut self, state: &mut ProbeState<'_>, arg: &ast::Expr, row: &Function, call: Span) -> Expr {
        let value = self.expr(state, arg);
        match value.ty {
            Type::Int(_) | Type::Pointer(..) | Type::Unknown => value,
            ty => {
                let wanted = match row.id {
                    FunctionId::Exit | FunctionId::Hist | FunctionId::LHist => "int",
                    _ => "integer",
                };
                let title = format!("{}() only supports {wanted} arguments ({} provided)", row.name, ty.kind());
                self.report(Diagnostic::error(call, title).with_related(arg.span, "this is what was given"));
                unknown(arg.span)
            }
        }
    }

    /// `@map[keys] = count()` and its like.
    pub fn gather(
        &mut self,
        state: &mut ProbeState<'_>,
        place: &ast::Expr,
        row: &'static Function,
        args: &[ast::Expr],
        call_span: Span,
    ) -> Option<StmtKind> {
        let (map, keys) = self.map_place(state, place);
        let gathered = self.gathered(state, row, args, call_span);
        let ty = gathered.as_ref().map_or(Type::Unknown, |(aggregate, _)| Type::Aggregate(*aggregate));
        self.learn_value(map, &ty, call_span)?;
        Some(StmtKind::Gather { map, keys, value: gathered?.1 })
    }

    /// What a call of an aggregation gathers, and the value it is given.
    fn gathered(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &'static Function,
        args: &[ast::Expr],
        call_span: Span,
    ) -> Option<(Aggregate, Option<Expr>)> {
        if !self.check_count(row, args.len(), call_span) {
            return None;
        }
        let value = match args.first() {
            Some(value) => {
                let value = self.integer(state, value, row, call_span);
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
            FunctionId::Hist => Aggregate::Hist { bits: self.hist_bits(state, args.get(1), call_span)? },
            FunctionId::LHist => self.lhist_range(state, args, call_span)?,
            _ => return None,
        };
        Some((aggregate, value))
    }

    fn hist_bits(&mut self, state: &mut ProbeState<'_>, arg: Option<&ast::Expr>, span: Span) -> Option<u8> {
        let Some(arg) = arg else { return Some(0) };
        match self.literal(state, arg, "hist", span)? {
            bits @ 0..=5 => Some(bits as u8),
            other => {
                self.report(Diagnostic::error(span, format!("hist: bits {other} must be 0..5")));
                None
            }
        }
    }

    fn lhist_range(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<Aggregate> {
        let [min, max, step] = [(1, "min"), (2, "max"), (3, "step")].map(|(index, what)| {
            let arg: &ast::Expr = args.get(index)?;
            let value = self.expr(state, arg);
            match literal(&value).map(u64::try_from) {
                Some(Ok(value)) => Some(value),
                _ if value.ty == Type::Unknown => None,
                _ => {
                    let title = format!("lhist: invalid {what} value (must be non-negative literal)");
                    self.report(Diagnostic::error(span, title).with_related(arg.span, "this is what was given"));
                    None
                }
            }
        });
        let (min, max, step) = (min?, max?, step?);
        let fault = if step == 0 {
            "lhist() step must be >= 1 (0 provided)".to_owned()
        } else if max <= min {
            format!("lhist() min must be less than max (provided min {min} and max {max})")
        } else if step > max - min {
            let range = max - min;
            format!("lhist() step is too large for the given range (provided step {step} for range {range})")
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
