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
        let value = as_value(value);
        match value.ty {
            Type::Aggregate(_) => {
                let title = format!("Map type {} cannot exist inside a {whole}.", value.ty);
                self.refuse(value.span, title)
            }
            _ => value,
        }
    }

    /// A value that a map's key may be made of.
    pub fn key_part(&mut self, value: Expr) -> Expr {
        let value = as_number(value);
        match value.ty {
            Type::Aggregate(_) => {
                let title = format!("Value '{}' cannot be used as a map key.", value.ty);
                self.refuse(value.span, title)
            }
            _ => value,
        }
    }

    /// A value that a variable may hold.
    pub fn variable_value(&mut self, value: Expr) -> Expr {
        let value = as_number(value);
        match value.ty {
            Type::Aggregate(_) => {
                let title = format!("Value '{}' cannot be assigned to a scratch variable.", value.ty);
                let error = Diagnostic::error(value.span, title);
                self.report(error.with_help("print() shows the map, or one of its entries"));
                unknown(value.span)
            }
            _ => value,
        }
    }
}
