//! Functions: where one begins, and what it takes.

use super::{Dwarf, Entry, Place, Reader, Unit, Value, convert, types_of};
use crate::btf::TypeId;
use crate::types::Types;
use std::sync::Arc;

/// How often one entry may stand for another.
const ORIGINS: usize = 8;

/// A function of a program.
pub struct Function {
    /// The types it speaks of.
    pub types: Arc<Types>,
    /// Its prototype among them.
    pub prototype: TypeId,
    /// For each parameter where it is when the function is entered, as far as the debug information says so. Code that was
    /// not optimised says only where it is kept later on.
    pub homes: Vec<Option<Home>>,
}

/// Where a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In a register, by DWARF's number of it.
    Register(u16),
    /// Nowhere: every caller passed this number, so that the compiler does not pass it any more.
    Number(i64),
}

/// A parameter as the debug information has it.
pub(super) struct Param {
    pub name: String,
    pub ty: Option<Place>,
    home: Option<Home>,
}

impl Dwarf {
    /// The function that begins at this address of the file.
    pub fn function(self: &Arc<Self>, address: u64) -> Option<Function> {
        let unit = self.unit_with(address)?;
        match self.split_unit(&unit) {
            Some(split) => split.units().iter().find_map(|header| split.in_unit(&split.unit(header)?, address)),
            None => self.in_unit(&unit, address),
        }
    }

    /// The unit with the code at an address.
    fn unit_with(&self, address: u64) -> Option<Arc<Unit>> {
        let mut tables = self.sections.debug_aranges.headers();
        while let Ok(Some(table)) = gimli::ArangeHeaderIter::next(&mut tables) {
            let mut rows = table.entries();
            while let Ok(Some(row)) = gimli::ArangeEntryIter::next(&mut rows) {
                let range = row.range();
                if (range.begin..range.end).contains(&address) {
                    let header = self.sections.unit_header(table.debug_info_offset()).ok()?;
                    return self.unit(&header);
                }
            }
        }
        // Not every compiler writes that table.
        self.units().iter().find_map(|header| {
            let unit = self.unit(header)?;
            let mut ranges = self.sections.unit_ranges(&unit).ok()?;
            while let Ok(Some(range)) = gimli::RangeIter::next(&mut ranges) {
                if (range.begin..range.end).contains(&address) {
                    return Some(unit);
                }
            }
            None
        })
    }

    fn in_unit(self: &Arc<Self>, unit: &Arc<Unit>, address: u64) -> Option<Function> {
        let mut entries = unit.entries();
        let mut is_go = false;
        let function = loop {
            let entry = entries.next_dfs().ok()??;
            is_go |=
                entry.attr_value(gimli::DW_AT_language) == Some(gimli::AttributeValue::Language(gimli::DW_LANG_Go));
            if entry.tag() == gimli::DW_TAG_subprogram && self.begins_at(unit, entry, address) {
                break entry.clone();
            }
        };
        let mut params = Vec::new();
        while let Ok(Some(entry)) = entries.next_dfs()
            && entry.depth() > function.depth()
        {
            if entry.depth() == function.depth() + 1
                && entry.tag() == gimli::DW_TAG_formal_parameter
                && !(is_go && is_result(entry))
            {
                params.push(self.param(unit, entry, address));
            }
        }
        let returned = self.attribute(unit, &function, gimli::DW_AT_type);
        let returned = returned.and_then(|(file, unit, value)| file.referred(&unit, &value));
        let (btf, prototype) = convert::prototype(returned, &params)?;
        let homes = params.iter().map(|param| param.home).collect();
        Some(Function { types: types_of(btf), prototype, homes })
    }

    fn begins_at(&self, unit: &Unit, entry: &Entry, address: u64) -> bool {
        let low = entry.attr_value(gimli::DW_AT_low_pc);
        if let Some(low) = low.and_then(|value| self.sections.attr_address(unit, value).ok().flatten()) {
            return low == address;
        }
        // In pieces: the first has the entry.
        entry.has_attr(gimli::DW_AT_ranges)
            && self.sections.die_ranges(unit, entry).is_ok_and(|mut ranges| {
                gimli::RangeIter::next(&mut ranges).is_ok_and(|first| first.is_some_and(|first| first.begin == address))
            })
    }

    fn param(self: &Arc<Self>, unit: &Arc<Unit>, entry: &Entry, address: u64) -> Param {
        let ty = self.attribute(unit, entry, gimli::DW_AT_type);
        let name = self.attribute(unit, entry, gimli::DW_AT_name);
        let name = name.and_then(|(file, unit, value)| file.text(&unit, value));
        Param {
            name: name.unwrap_or_default(),
            ty: ty.and_then(|(file, unit, value)| file.referred(&unit, &value)),
            home: self.home(unit, entry, address),
        }
    }

    /// An attribute of an entry, or of the one that it is an instance of, with the file and unit that it belongs to.
    fn attribute(
        self: &Arc<Self>,
        unit: &Arc<Unit>,
        entry: &Entry,
        name: gimli::DwAt,
    ) -> Option<(Arc<Dwarf>, Arc<Unit>, Value)> {
        let (mut file, mut unit, mut entry) = (Arc::clone(self), Arc::clone(unit), entry.clone());
        for _ in 0..ORIGINS {
            if let Some(value) = entry.attr_value(name) {
                return Some((file, unit, value));
            }
            let origin = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification];
            let origin = origin.into_iter().find_map(|name| entry.attr_value(name))?;
            let place = file.referred(&unit, &origin)?;
            entry = place.entry()?;
            (file, unit) = (place.file, place.unit);
        }
        None
    }

    /// Where a parameter is at an address, if it is there as it is.
    fn home(&self, unit: &Unit, entry: &Entry, address: u64) -> Option<Home> {
        if let Some(number) = entry.attr_value(gimli::DW_AT_const_value).and_then(|value| value.sdata_value()) {
            return Some(Home::Number(number));
        }
        let location = entry.attr_value(gimli::DW_AT_location)?;
        if let Some(expression) = location.exprloc_value() {
            return as_it_is(unit, expression);
        }
        let mut rows = self.sections.attr_locations(unit, location).ok()??;
        while let Ok(Some(row)) = gimli::LocListIter::next(&mut rows) {
            if (row.range.begin..row.range.end).contains(&address) {
                return as_it_is(unit, row.data);
            }
        }
        None
    }
}

/// Whether this is no parameter, but a result: Go lists both in one.
fn is_result(entry: &Entry) -> bool {
    entry.attr_value(gimli::DW_AT_variable_parameter) == Some(gimli::AttributeValue::Flag(true))
}

fn as_it_is(unit: &Unit, expression: gimli::Expression<Reader>) -> Option<Home> {
    use gimli::Operation::{Register, SignedConstant, StackValue, UnsignedConstant};
    let mut operations = expression.operations(unit.encoding());
    let mut next = || gimli::OperationIter::next(&mut operations).ok();
    match (next()?, next()?) {
        (Some(Register { register }), None) => Some(Home::Register(register.0)),
        (Some(SignedConstant { value }), Some(StackValue)) => Some(Home::Number(value)),
        (Some(UnsignedConstant { value }), Some(StackValue)) => Some(Home::Number(value as i64)),
        _ => None,
    }
}
