//! The entries of a map: how they are held on their way from the kernel, and in which order they are shown.
//!
//! Maps of integers and enums are sorted by value, so that the largest stand last, where a reader of a long list looks
//! first. All others are sorted by key, structures and arrays part by part. Values and keys compare by their real width
//! and sign, and equal values by their keys, so that the same entries always give the same output.

use std::cmp::Ordering;

use lang::typed::Map;
use lang::types::{Aggregate, Type};

use super::number::{Number, first_word};
use super::value::Slots;
use super::view::View;
use super::{aggregate, series};

/// How deep keys are compared part by part.
const DEPTH: u32 = 64;

/// The entries of one map, their keys and values in two flat buffers: a map may have a hundred thousand of them.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    key_size: usize,
    value_size: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
    len: usize,
}

impl Entries {
    /// None yet, of the sizes that this map has.
    pub fn new(map: &Map) -> Self {
        let (key_size, value_size) = (map.key_size() as usize, map.value.slot_size() as usize);
        Self { key_size, value_size, ..Self::default() }
    }

    /// Adds an entry. A value of an aggregate is its merged state. Bytes beyond the map's sizes are dropped.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let (Some(key), Some(value)) = (key.get(..self.key_size), value.get(..self.value_size)) else {
            debug_assert!(false, "the kernel copies whole keys and values");
            return;
        };
        self.keys.extend_from_slice(key);
        self.values.extend_from_slice(value);
        self.len += 1;
    }

    /// Adds many entries at once, their keys and values one after the other.
    pub fn push_all(&mut self, keys: &[u8], values: &[u8]) {
        let of = |bytes: &[u8], size: usize| bytes.len().checked_div(size).unwrap_or(0);
        let count = of(keys, self.key_size).min(of(values, self.value_size));
        debug_assert!(count * self.key_size == keys.len() && count * self.value_size == values.len(), "whole entries");
        self.keys.extend_from_slice(&keys[..count * self.key_size]);
        self.values.extend_from_slice(&values[..count * self.value_size]);
        self.len += count;
    }

    /// Adds an entry of which each CPU has a state, one after the other in `per_cpu`.
    pub fn push_per_cpu(&mut self, key: &[u8], aggregate: Aggregate, per_cpu: &[u8]) {
        let same_size = aggregate.words() as usize * 8 == self.value_size;
        let Some(key) = key.get(..self.key_size).filter(|_| same_size) else {
            debug_assert!(false, "the kernel copies whole keys, and the aggregate is the map's");
            return;
        };
        self.keys.extend_from_slice(key);
        aggregate::merge(aggregate, per_cpu, &mut self.values);
        self.len += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The latest interval of all time series.
    pub fn latest(&self, map: &Map) -> Option<u64> {
        match map.value {
            Type::Aggregate(Aggregate::TSeries { .. }) => series::latest((0..self.len).map(|index| self.value(index))),
            _ => None,
        }
    }

    /// The key of an entry.
    pub fn key(&self, index: usize) -> &[u8] {
        self.keys.get(index * self.key_size..(index + 1) * self.key_size).unwrap_or_default()
    }

    /// The value of an entry.
    pub fn value(&self, index: usize) -> &[u8] {
        self.values.get(index * self.value_size..(index + 1) * self.value_size).unwrap_or_default()
    }
}

/// The indices of the entries in the order of the map; of these the last `top`, or all when it is 0.
pub fn sorted(map: &Map, entries: &Entries, top: u64) -> Vec<usize> {
    let parts = map.key.as_deref().unwrap_or_default();
    // Comparing two words decides nearly always; the rest of the key is looked at only when it does not.
    let mut order: Vec<(u64, u64, usize)> = (0..entries.len())
        .map(|index| (value_order(&map.value, entries.value(index)), key_order(parts, entries.key(index)), index))
        .collect();
    order.sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| compare(parts, entries.key(a.2), entries.key(b.2)))
    });
    let skipped = match usize::try_from(top) {
        Ok(top) if top > 0 => order.len().saturating_sub(top),
        _ => 0,
    };
    order[skipped..].iter().map(|(_, _, index)| *index).collect()
}

/// The indices of the entries as somebody looks at them who sees the first few only: by value, the largest first, those of
/// equal value by key; or by key where [`sorted`] does so. Of these `most` at most.
pub fn ranked(map: &Map, entries: &Entries, most: usize) -> Vec<usize> {
    let parts = map.key.as_deref().unwrap_or_default();
    let mut order: Vec<(u64, u64, usize)> = (0..entries.len())
        .map(|index| (!value_order(&map.value, entries.value(index)), key_order(parts, entries.key(index)), index))
        .collect();
    let order_of = |a: &(u64, u64, usize), b: &(u64, u64, usize)| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| compare(parts, entries.key(a.2), entries.key(b.2)))
    };
    if most < order.len() {
        // Finding those is a lot less than sorting all.
        order.select_nth_unstable_by(most, order_of);
        order.truncate(most);
    }
    order.sort_unstable_by(order_of);
    order.into_iter().map(|(_, _, index)| index).collect()
}

/// What an entry is sorted by first; the same for all when the map is sorted by key.
fn value_order(ty: &Type, value: &[u8]) -> u64 {
    match ty {
        Type::Int(_) | Type::Enum(_) => first_word(value).map_or(0, |word| scalar_order(ty, word)),
        Type::Aggregate(aggregate) => aggregate::order_of(*aggregate, value),
        _ => 0,
    }
}

/// A number that sorts as the first part of the key does, as far as eight bytes can tell.
fn key_order(parts: &[Type], key: &[u8]) -> u64 {
    let mut first = parts.first();
    while let Some(ty @ (Type::Tuple(_) | Type::Record(_))) = first {
        first = ty.items().next();
    }
    match first {
        // The first letter is the most significant one.
        Some(Type::Str(_)) => key.first_chunk().map_or(0, |start| u64::from_be_bytes(*start)),
        Some(ty) if ty.is_scalar() => first_word(key).map_or(0, |word| scalar_order(ty, word)),
        _ => 0,
    }
}

fn scalar_order(ty: &Type, word: u64) -> u64 {
    match ty.as_int() {
        Some(int) => Number::of_type(word, int).order(),
        None => word,
    }
}

/// Compares two keys part by part.
fn compare(parts: &[Type], a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (Slots::new(a), Slots::new(b));
    for part in parts {
        let (Some(a), Some(b)) = (a.take(part), b.take(part)) else { break };
        let ordering = compare_views(View::slot(part, a), View::slot(part, b), DEPTH);
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// Compares two values of one type, part by part if they have any. What tells two keys apart may be where no part is,
/// between members of C, so at last their bytes decide.
fn compare_views(a: View<'_>, b: View<'_>, depth: u32) -> Ordering {
    match a.ty {
        // Padding is zeros, and no letter is less.
        Type::Str(_) => a.bytes.cmp(b.bytes),
        _ if a.ty.is_scalar() => {
            let order = |view: View<'_>| view.word().map(|word| scalar_order(view.ty, word));
            order(a).cmp(&order(b))
        }
        _ => {
            let pairs = a.parts().zip(b.parts()).take(if depth > 0 { usize::MAX } else { 0 });
            for ((_, a), (_, b)) in pairs {
                let ordering = compare_views(a, b, depth - 1);
                if ordering.is_ne() {
                    return ordering;
                }
            }
            a.bytes.cmp(b.bytes)
        }
    }
}
