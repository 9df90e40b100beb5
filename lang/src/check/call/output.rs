//! Functions that print: `printf` and all that take a format as it does, `print`, `time`, `join`.

use super::super::expr::{int, text_literal, unknown};
use super::super::gathered::{as_value, number_of};
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId, function};
use crate::printf::{self, Conversion, Format, Origin, Piece, Verb};
use crate::span::Span;
use crate::typed::{Expr, ExprKind, FormatId, MapId, StmtKind};
use crate::types::{AddressSpace, Aggregate, IntType, Type};

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
        let formed = self.format_and_values(state, row, args, span)?;
        for (conversion, value, place) in formed.each() {
            if !conversion.verb.accepts(&value.ty) {
                let letter = conversion.verb.letter();
                let title = format!("unsupported format specifier for type '{}': {letter}", value.ty);
                let help = match value.ty {
                    Type::Aggregate(aggregate) if number_of(aggregate).is_some() => "cast it: (int64)@map",
                    Type::Aggregate(_) => "print() shows the map, or one of its entries",
                    _ => "use %s",
                };
                self.report(
                    Diagnostic::error(place, title).with_related(value.span, "this is the value").with_help(help),
                );
            }
        }
        let types = formed.values.iter().map(|value| value.ty.clone()).collect();
        Some(StmtKind::Print(self.add_format(origin, formed.pieces, types), formed.values))
    }

    /// A format that is known when compiling, with as many values as it shows.
    fn format_and_values(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<Formed> {
        let (format, values) = args.split_first()?;
        let written = matches!(format.kind, ast::ExprKind::Str(_));
        // A format is no value: it may be longer than texts are.
        let format = match &format.kind {
            ast::ExprKind::Str(text) => text_literal(text.clone(), format.span),
            _ => match self.param_text(format) {
                Some(text) => text,
                None => self.expr(state, format),
            },
        };
        let ExprKind::Str(text) = format.kind else {
            if format.ty == Type::Unknown {
                return None;
            }
            let title = format!("{}() expects a string literal ({} provided)", row.name, format.ty.kind());
            self.report(Diagnostic::error(span, title).with_help(format!("write {}(\"%s\\n\", value)", row.name)));
            return None;
        };
        let places = Places::new(&text, format.span, written);
        let parsed = match printf::parse(&text) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.report(Diagnostic::error(places.of(&error.range), error.title).with_help(error.help));
                return None;
            }
        };
        let values: Vec<Expr> = values.iter().map(|value| self.value(state, value)).collect();
        let (given, expected) = (values.len(), parsed.places.len());
        if given != expected {
            let (word, place, help) = match values.get(expected..) {
                Some([first, .., last]) => {
                    ("too many", Span::new(first.span.start, last.span.end), "nothing shows these")
                }
                Some([surplus]) => ("too many", surplus.span, "nothing shows this"),
                _ => ("not enough", places.of(&parsed.places[given]), "there is no value for this"),
            };
            let title = format!("{word} arguments for format string ({given} supplied, {expected} expected)");
            self.report(Diagnostic::error(place, title).with_help(help));
            return None;
        }
        let places = parsed.places.iter().map(|range| places.of(range)).collect::<Vec<_>>();
        let conversions = parsed.pieces.iter().filter_map(Piece::as_value);
        // As text, an aggregation shows what it stands for; as a number it has to be cast.
        let values = values.into_iter().zip(conversions).map(|(value, conversion)| match conversion.verb {
            Verb::Text => as_value(value),
            _ => value,
        });
        Some(Formed { text, places, values: values.collect(), pieces: parsed.pieces })
    }

    pub fn print(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<StmtKind> {
        let row = function("print")?;
        if matches!(args[0].kind, ast::ExprKind::Map(_)) {
            let map = self.whole_map(row, &args[0]);
            if state.loops > 0 {
                let title = "Due to it's asynchronous nature using 'print()' in a loop can lead to unexpected behavior. The map \
                             will likely be updated before the runtime can 'print' it.";
                let help = "a value that the program holds is printed as it is: $x = @x; print($x)";
                self.report(Diagnostic::warning(span, title).with_help(help));
            }
            if let Some((ast::Expr { kind: ast::ExprKind::Str(word), span: at }, rest)) = args[1..].split_last() {
                return self.print_shares(state, map, (word, *at), rest.first(), span);
            }
            let top = args.get(1).map_or(Some(0), |top| self.literal(state, top, "print", span));
            let div = args.get(2).map_or(Some(1), |div| self.literal(state, div, "print", span));
            return Some(StmtKind::PrintMap { map: map?, top: top?, div: div?.max(1), shares: false });
        }
        if args.len() > 1 {
            let title = format!("Non-map print() only takes 1 argument, {} found", args.len());
            self.report(Diagnostic::error(span, title).with_help("only a whole map is printed with top and div"));
            return None;
        }
        let value = as_value(self.value(state, &args[0]));
        if let Type::Aggregate(_) = value.ty {
            return match value.kind {
                ExprKind::ReadAggregate(map, keys) => Some(self.print_entry(map, keys)),
                _ => {
                    let error = Diagnostic::error(span, format!("a {} is printed by the name of its map", value.ty));
                    self.report(error.with_help("print(@map) or print(@map[key])"));
                    None
                }
            };
        }
        let text = Conversion { verb: Verb::Text, bits: 64, ..Conversion::PLAIN };
        let pieces = vec![Piece::Value(text), Piece::Text(b"\n".to_vec())];
        Some(StmtKind::Print(self.add_format(Origin::Print, pieces, vec![value.ty.clone()]), vec![value]))
    }

    /// `print(@map, "pct")` and `print(@map, top, "pct")`
    fn print_shares(
        &mut self,
        state: &mut ProbeState<'_>,
        map: Option<MapId>,
        (word, word_span): (&[u8], Span),
        top: Option<&ast::Expr>,
        span: Span,
    ) -> Option<StmtKind> {
        if word != b"pct" {
            let title = format!("print() knows no \"{}\" of a map", String::from_utf8_lossy(word));
            let error = Diagnostic::error(word_span, title);
            self.report(error.with_help("\"pct\" shows each value's share of the total"));
            return None;
        }
        let map = map?;
        let top = top.map_or(Some(0), |top| self.literal(state, top, "print", span))?;
        let name = self.maps.display_name(map);
        let fault = match self.maps.value(map) {
            Type::Int(_) | Type::Aggregate(Aggregate::Count | Aggregate::Sum { .. }) => {
                matches!(self.maps.key(map), Some(None)).then(|| format!("{name} has only one value"))
            }
            ty => Some(format!("the values of {name} are of type '{ty}', which have no total")),
        };
        if let Some(fault) = fault {
            let title = format!("no shares can be printed: {fault}");
            let help = "it takes a map with keys that counts, sums or holds integers";
            self.report(Diagnostic::error(span, title).with_help(help));
            return None;
        }
        Some(StmtKind::PrintMap { map, top, div: 1, shares: true })
    }

    /// `print(@map[key])` of what is no value: the entry is looked up when the record arrives.
    fn print_entry(&mut self, map: MapId, keys: Vec<Expr>) -> StmtKind {
        let Some(Some(parts)) = self.maps.key(map).cloned() else {
            return StmtKind::PrintMap { map, top: 0, div: 1, shares: false };
        };
        let types = match keys.len() {
            1 if parts.len() != 1 => vec![Type::Tuple(parts)],
            _ => parts,
        };
        StmtKind::Print(self.add_format(Origin::Entry(map), Vec::new(), types), keys)
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
        let Some(formed) = self.format_and_values(state, row, args, span) else { return unknown(span) };
        if formed.values.iter().any(|value| value.ty == Type::Unknown) {
            return unknown(span);
        }
        for (conversion, value, place) in formed.each() {
            let letter = conversion.verb.letter();
            let title = if !kernel_shows(conversion) {
                format!("Invalid format specifier for `debugf`: {letter}")
            } else if !conversion.verb.accepts(&value.ty) || matches!(conversion.verb, Verb::Text) != is_text(&value.ty)
            {
                format!("unsupported format specifier for type '{}': {letter}", value.ty)
            } else {
                continue;
            };
            let help = "the kernel shows %d %i %u %x %X %p %c of numbers and %s of texts, with l or ll and a width";
            self.report(Diagnostic::error(place, title).with_related(value.span, "this is the value").with_help(help));
            return unknown(span);
        }
        let title = "The debugf() builtin is not recommended for production use. For more information see \
                     bpf_trace_printk in bpf-helpers(7).";
        self.report(Diagnostic::warning(span, title).with_help("printf() is faster and loses nothing unsaid"));
        let format = text_literal(formed.text, args[0].span);
        let args = std::iter::once(format).chain(formed.values).collect();
        Expr { kind: ExprKind::Call(row.id, args), ty: Type::I64, span }
    }

    /// `printf` in a pinned iterator: the kernel writes to who reads the pin.
    pub fn printed_by_kernel(
        &mut self,
        state: &mut ProbeState<'_>,
        row: &Function,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<StmtKind> {
        /// `MAX_BPRINTF_VARARGS` (include/linux/bpf.h)
        const MOST: usize = 12;
        let formed = self.format_and_values(state, row, args, span)?;
        if formed.values.iter().any(|value| value.ty == Type::Unknown) {
            return None;
        }
        let help = "in a pinned iterator the kernel prints: %d %i %u %x %X %p %c of numbers and %s of texts, with l or ll \
                    and a width";
        for (conversion, value, place) in formed.each() {
            let letter = conversion.verb.letter();
            let is_plain = conversion.verb != Verb::Pointer || conversion.width == 0;
            let title = if !kernel_shows(conversion) || !is_plain {
                format!("Invalid format specifier for a pinned iterator: {letter}")
            } else if !conversion.verb.accepts(&value.ty) || matches!(conversion.verb, Verb::Text) != is_text(&value.ty)
            {
                format!("unsupported format specifier for type '{}': {letter}", value.ty)
            } else {
                continue;
            };
            self.report(Diagnostic::error(place, title).with_related(value.span, "this is the value").with_help(help));
            return None;
        }
        let text = kernel_format(&formed.pieces);
        if formed.values.len() > MOST {
            let title = format!("in a pinned iterator printf() takes up to {MOST} values");
            self.report(Diagnostic::error(span, title).with_help("print the others by another printf()"));
            return None;
        }
        if !text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'..=b'\r')) {
            let title = "in a pinned iterator a format has letters of ASCII only";
            self.report(
                Diagnostic::error(args[0].span, title)
                    .with_help("give other letters as a value: printf(\"%s\", \"é\")"),
            );
            return None;
        }
        let format = text_literal(text, args[0].span);
        let args = std::iter::once(format).chain(formed.values).collect();
        Some(StmtKind::Expr(Expr { kind: ExprKind::Call(row.id, args), ty: Type::I64, span }))
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

/// A format and the values that it shows, each with the place of its conversion.
struct Formed {
    text: Vec<u8>,
    pieces: Vec<Piece>,
    places: Vec<Span>,
    values: Vec<Expr>,
}

impl Formed {
    fn each(&self) -> impl Iterator<Item = (Conversion, &Expr, Span)> {
        let conversions = self.pieces.iter().filter_map(Piece::as_value);
        conversions.zip(&self.values).zip(&self.places).map(|((conversion, value), place)| (conversion, value, *place))
    }
}

/// Where in the script the bytes of a format stand.
struct Places {
    /// Of each byte, and of the end; empty if that cannot be told.
    starts: Vec<u32>,
    whole: Span,
}

impl Places {
    fn new(text: &[u8], whole: Span, written: bool) -> Self {
        // What can stand in a literal only behind a backslash takes two bytes. If the length says that there is no
        // other escape, all is known.
        let mut starts = Vec::with_capacity(text.len() + 1);
        let mut at = whole.start + 1;
        for byte in text {
            starts.push(at);
            at += if matches!(byte, b'\n' | b'\t' | b'\r' | b'"' | b'\\') { 2 } else { 1 };
        }
        starts.push(at);
        if !written || at + 1 != whole.end {
            starts.clear();
        }
        Self { starts, whole }
    }

    fn of(&self, range: &std::ops::Range<usize>) -> Span {
        match (self.starts.get(range.start), self.starts.get(range.end)) {
            (Some(start), Some(end)) => Span::new(*start, *end),
            _ => self.whole,
        }
    }
}

fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::Str(_))
}

/// Whether the kernel's own printf knows a conversion (`bpf_bprintf_prepare`, kernel/bpf/helpers.c).
fn kernel_shows(conversion: Conversion) -> bool {
    let is_number = matches!(conversion.verb, Verb::Signed | Verb::Unsigned | Verb::Hex | Verb::UpperHex);
    let is_other = matches!(conversion.verb, Verb::Text | Verb::Pointer | Verb::Char);
    (is_number && matches!(conversion.bits, 32 | 64) || is_other && conversion.bits == 32)
        && !conversion.alternate
        && conversion.precision.is_none()
}

/// A format as the kernel reads it, which shows addresses in its own way.
fn kernel_format(pieces: &[Piece]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(bytes) => bytes.iter().for_each(|byte| match byte {
                b'%' => text.extend(b"%%"),
                byte => text.push(*byte),
            }),
            Piece::Value(conversion) if conversion.verb == Verb::Pointer => text.extend(b"0x%llx"),
            Piece::Value(conversion) => {
                text.push(b'%');
                let Conversion { left, zero, plus, blank, .. } = *conversion;
                let flags = [(left, b'-'), (zero, b'0'), (plus, b'+'), (blank, b' ')];
                text.extend(flags.into_iter().filter_map(|(is, flag)| is.then_some(flag)));
                if conversion.width > 0 {
                    text.extend(conversion.width.to_string().into_bytes());
                }
                text.extend(if conversion.bits == 64 { &b"ll"[..] } else { b"" });
                text.extend(conversion.verb.letter().bytes());
            }
        }
    }
    text
}

/// How many texts `join()` takes, and bytes of each.
const JOINED: usize = 16;
const JOINED_SIZE: u32 = 1024;
