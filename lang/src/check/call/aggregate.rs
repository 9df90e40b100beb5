//! Aggregations: `@map = count()` and its like.

use super::super::expr::literal;
use super::super::{Checker, ProbeState};
use crate::ast;
use crate::diag::Diagnostic;
use crate::functions::{Function, FunctionId};
use crate::span::Span;
use crate::typed::{Expr, StmtKind};
use crate::types::{Aggregate, IntType, Type};

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
