//! Aggregations as values: what stands for one that is read.
//!
//! Most stand for a number, `stats` for a record, the histograms and time series for nothing that a program could hold.

use super::Checker;
use super::expr::unknown;
use crate::diag::Diagnostic;
use crate::typed::{Expr, ExprKind};
use crate::types::{Aggregate, IntType, Type};

/// The type of the number that an aggregation stands for; none if it is not one number.
pub fn number_of(aggregate: Aggregate) -> Option<Type> {
    let signed = match aggregate {
        Aggregate::Count => true,
        Aggregate::Sum { signed }
        | Aggregate::Min { signed }
        | Aggregate::Max { signed }
        | Aggregate::Avg { signed } => signed,
        Aggregate::Stats { .. } | Aggregate::Hist { .. } | Aggregate::LHist { .. } | Aggregate::TSeries { .. } => {
            return None;
        }
    };
    Some(Type::Int(IntType { bits: 64, signed }))
}

/// An aggregation that is read, as the number it stands for; any other value as it is.
pub fn as_number(value: Expr) -> Expr {
    match (&value.kind, &value.ty) {
        (ExprKind::ReadAggregate(..), Type::Aggregate(aggregate)) => match number_of(*aggregate) {
            Some(ty) => Expr { ty, ..value },
            None => value,
        },
        _ => value,
    }
}

/// The same where a record will do as well, which `stats` stands for.
pub fn as_value(value: Expr) -> Expr {
    match (&value.kind, &value.ty) {
        (ExprKind::ReadAggregate(..), Type::Aggregate(Aggregate::Stats { signed })) => {
            let number = Type::Int(IntType { bits: 64, signed: *signed });
            let members = [("count", Type::U64), ("average", number.clone()), ("total", number)];
            let ty = Type::Record(members.map(|(name, ty)| (name.to_owned(), ty)).into());
            Expr { ty, ..value }
        }
        _ => as_number(value),
    }
}

impl Checker<'_> {
    /// A value that a tuple or record may hold.
    pub fn part(&mut self, value: Expr, whole: &str) -> Expr {
        self.held(as_value(value), |ty| format!("Map type {ty} cannot exist inside a {whole}."), None)
    }

    /// A value that a map's key may be made of.
    pub fn key_part(&mut self, value: Expr) -> Expr {
        self.held(as_number(value), |ty| format!("Value '{ty}' cannot be used as a map key."), None)
    }

    /// A value that a variable may hold.
    pub fn variable_value(&mut self, value: Expr) -> Expr {
        let help = "print() shows the map, or one of its entries";
        self.held(as_number(value), |ty| format!("Value '{ty}' cannot be assigned to a scratch variable."), Some(help))
    }

    /// The value, unless it is an aggregation still, which only a map can hold.
    fn held(&mut self, value: Expr, fault: impl FnOnce(&Type) -> String, help: Option<&str>) -> Expr {
        let Type::Aggregate(_) = value.ty else { return value };
        let error = Diagnostic::error(value.span, fault(&value.ty));
        self.report(error.with_maybe_help(help.map(str::to_owned)));
        unknown(value.span)
    }
}
