//! Aggregations: `@map = count()` and its like.

use super::super::expr::literal;
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::config::Unstable;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId, function};
use crate::nearest::nearest;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, StmtKind};
use crate::types::{Aggregate, IntType, SERIES_PAGE, SeriesOf, Type};

impl Checker<'_> {
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
        let (aggregate, value) = gathered?;
        let clock = match aggregate {
            Aggregate::TSeries { intervals, .. } => {
                if !keys.is_empty() && intervals > SERIES_PAGE {
                    let title = format!("tseries() of a map with keys has room for {SERIES_PAGE} intervals at most");
                    let help = format!(
                        "{intervals} were asked for; take longer intervals, or a map without keys, which may have them"
                    );
                    self.report(Diagnostic::error(call_span, title).with_help(help));
                    return None;
                }
                self.stand_in_clock(call_span)?
            }
            _ => None,
        };
        Some(StmtKind::Gather { map, keys, value, clock })
    }

    /// The map that stands in for the clock, if the config names one; none if it cannot be read.
    fn stand_in_clock(&mut self, span: Span) -> Option<Option<Expr>> {
        if self.config.dummy_ts_map.is_empty() {
            return Some(None);
        }
        let name = self.config.dummy_ts_map.strip_prefix('@').unwrap_or(&self.config.dummy_ts_map).to_owned();
        let map = self.maps.id(&name, span);
        let fault = match self.maps.value(map) {
            Type::Unknown => {
                self.walk.saw_unknown = true;
                "no probe assigns it"
            }
            Type::Int(_) if !matches!(self.maps.key(map), Some(Some(_))) => {
                let kind = ExprKind::MapGet(map, Vec::new());
                return Some(Some(Expr { kind, ty: Type::U64, span }));
            }
            _ => "it must hold one integer, without a key",
        };
        if self.last_walk || *self.maps.value(map) != Type::Unknown {
            let title = format!("dummy_ts_map: @{name} cannot stand in for the clock: {fault}");
            self.report(Diagnostic::error(span, title));
        }
        None
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
            FunctionId::TSeries => self.series(state, args, signed, call_span)?,
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

    /// `tseries(n, interval, intervals, "of")`
    fn series(
        &mut self,
        state: &mut ProbeState<'_>,
        args: &[ast::Expr],
        signed: bool,
        span: Span,
    ) -> Option<Aggregate> {
        const MOST: u64 = 1_000_000;
        let unstable = self.config.unstable_tseries;
        if let Some(told) = unstable.told("tseries", "unstable_tseries") {
            match unstable {
                Unstable::Error => {
                    self.report(Diagnostic::error(span, told));
                    return None;
                }
                // At no place, so that it is told once for all of them.
                _ => self.report(Diagnostic::warning(Span::default(), told)),
            }
        }
        let [interval, intervals] = [(1, "interval_ns"), (2, "num_intervals")].map(|(index, what)| {
            let value = self.number_of_script(state, args.get(index)?, "tseries", what, span)?;
            if value == 0 {
                self.report(Diagnostic::error(span, format!("tseries() {what} must be >= 1 (0 provided)")));
                return None;
            }
            Some(value)
        });
        let (interval, intervals) = (interval?, intervals?);
        if intervals > MOST {
            // As bpftrace says it, although a million is allowed.
            let title = format!("tseries() num_intervals must be < {MOST} ({intervals} provided)");
            self.report(Diagnostic::error(span, title));
            return None;
        }
        let of = match args.get(3) {
            Some(of) => {
                let row = function("tseries")?;
                let name = String::from_utf8_lossy(&self.known_text(state, of, row, span)?).into_owned();
                let known = SeriesOf::NAMED.iter().find(|(known, _)| *known == name);
                let Some((_, of)) = known else {
                    let names = SeriesOf::NAMED.map(|(name, _)| name);
                    let title = format!(
                        "tseries() expects one of the following aggregation functions: {} (\"{name}\" provided)",
                        names.join(", ")
                    );
                    let near = nearest(&name, names, 1);
                    let help = near.first().map(|near| format!("did you mean \"{near}\"?"));
                    self.report(Diagnostic::error(span, title).with_maybe_help(help));
                    return None;
                };
                *of
            }
            None => SeriesOf::Last,
        };
        Some(Aggregate::TSeries { interval, intervals: intervals as u32, of, signed })
    }

    /// An argument that must be a number of the script and not negative.
    fn number_of_script(
        &mut self,
        state: &mut ProbeState<'_>,
        arg: &ast::Expr,
        function: &str,
        what: &str,
        span: Span,
    ) -> Option<u64> {
        let value = self.expr(state, arg);
        match literal(&value).map(u64::try_from) {
            Some(Ok(value)) => Some(value),
            _ if value.ty == Type::Unknown => None,
            _ => {
                let title = format!("{function}: invalid {what} value (must be non-negative literal)");
                self.report(Diagnostic::error(span, title).with_related(arg.span, "this is what was given"));
                None
            }
        }
    }

    fn lhist_range(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Option<Aggregate> {
        let [min, max, step] = [(1, "min"), (2, "max"), (3, "step")]
            .map(|(index, what)| self.number_of_script(state, args.get(index)?, "lhist", what, span));
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
