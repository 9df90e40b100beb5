//! Aggregations: how a value is taken into the state that each CPU keeps for itself.
//!
//! The state is a few words (see `lang::types::Aggregate::words`), updated in place without atomics, because no other
//! CPU touches it.

use super::Lowering;
use super::memory::Addr;
use crate::helpers::Helper;
use crate::layout::{MapPlace, SiteKind};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::span::Span;
use lang::typed::{Expr, MapId};
use lang::types::{Aggregate, Type, hist_buckets};

impl Lowering<'_, '_> {
    /// `@map[keys] = aggregate(value)`.
    pub fn gather(&mut self, map: MapId, keys: &[Expr], value: Option<&Expr>, span: Span) {
        let Type::Aggregate(aggregate) = self.program.maps[map.index()].value else {
            unreachable!("checked: the map holds an aggregation")
        };
        match self.layout.of(map) {
            MapPlace::PerCpuArray(kernel_map) => {
                let value = value.map(|value| self.scalar(value));
                self.at(span);
                let key = self.temporary(8);
                let zero = self.int(0);
                self.store_word(zero, key);
                let found = self.lookup(kernel_map, key);
                let (there, done) = (self.builder.create_block(), self.builder.create_block());
                let is_there = self.compare(IntCC::NotEqual, found, 0);
                self.builder.ins().brif(is_there, there, &[], done, &[]);
                self.builder.switch_to_block(there);
                self.take(aggregate, Addr::new(found), value);
                let one = self.int(1);
                self.store_word(one, Addr::new(found).plus(aggregate.words() * 8));
                self.builder.ins().jump(done, &[]);
                self.builder.switch_to_block(done);
            }
            MapPlace::PerCpuHash(kernel_map) => self.gather_keyed(map, kernel_map, keys, aggregate, value, span),
            MapPlace::Global(_) | MapPlace::Hash(_) => unreachable!("aggregations are kept per CPU"),
        }
    }

    /// Updates in place; a new key is first inserted with zeros.
    fn gather_keyed(
        &mut self,
        map: MapId,
        kernel_map: u32,
        keys: &[Expr],
        aggregate: Aggregate,
        value: Option<&Expr>,
        span: Span,
    ) {
        let key = self.key(map, keys);
        let value = value.map(|value| self.scalar(value));
        self.at(span);
        let [there, missing, lost, done] = [(); 4].map(|()| self.builder.create_block());
        let address = self.builder.append_block_param(there, types::I64);
        let found = self.lookup(kernel_map, key);
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_there, there, &[found.into()], missing, &[]);

        self.builder.switch_to_block(missing);
        let zeros = self.layout.use_zeros(aggregate.words() * 8);
        let bss = self.bss();
        let zeros = self.address(Addr::new(bss).plus(zeros));
        // It fails when another CPU was first, which is as good, or when the map is full: the next lookup tells.
        let result = self.insert_new(kernel_map, key, zeros);
        let found = self.lookup(kernel_map, key);
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_there, there, &[found.into()], lost, &[]);

        self.builder.switch_to_block(lost);
        self.in_branch(|this| this.report_failure(SiteKind::MapFull, span, result));
        self.builder.ins().jump(done, &[]);

        self.builder.switch_to_block(there);
        self.take(aggregate, Addr::new(address), value);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// The number that an aggregation stands for, gathered from all CPUs; 0 where nothing was taken in.
    pub fn read_aggregate(&mut self, map: MapId, keys: &[Expr], span: Span) -> Value {
        let Type::Aggregate(aggregate) = self.program.maps[map.index()].value else {
            unreachable!("checked: the map holds an aggregation")
        };
        let mark = self.mark();
        let (kernel_map, key) = match self.layout.of(map) {
            MapPlace::PerCpuArray(kernel_map) => {
                let key = self.temporary(8);
                let zero = self.int(0);
                self.store_word(zero, key);
                (kernel_map, key)
            }
            MapPlace::PerCpuHash(kernel_map) => {
                let key = self.key(map, keys);
                self.tell_missing_element(kernel_map, key, span);
                (kernel_map, key)
            }
            MapPlace::Global(_) | MapPlace::Hash(_) => unreachable!("aggregations are kept per CPU"),
        };
        let key = self.address(key);
        let number = self.gathered(kernel_map, aggregate, key, span);
        self.reset(mark);
        number
    }

    /// Goes through the CPUs' states of one key. The verifier walks through all turns, which are as many as there can
    /// be CPUs.
    pub fn gathered(&mut self, kernel_map: u32, aggregate: Aggregate, key: Value, span: Span) -> Value {
        if !self.features.lookup_percpu_elem {
            let help = "Linux has it from 5.19 on; print() of the map works everywhere";
            self.refuse(span, "this kernel cannot read an aggregation within a program", help);
            return self.int(0);
        }
        self.at(span);
        let [next, turn, there, step, done] = [(); 5].map(|()| self.builder.create_block());
        let [cpu, first, second] = [(); 3].map(|()| self.builder.append_block_param(next, types::I64));
        let [new_first, new_second] = [(); 2].map(|()| self.builder.append_block_param(step, types::I64));
        let zero = self.int(0);
        self.builder.ins().jump(next, &[zero.into(), zero.into(), zero.into()]);

        self.builder.switch_to_block(next);
        let more = self.compare(IntCC::UnsignedLessThan, cpu, i64::from(self.features.cpus));
        self.builder.ins().brif(more, turn, &[], done, &[]);

        self.builder.switch_to_block(turn);
        let map = self.map_pointer(kernel_map);
        let state = self.call(Helper::MapLookupPercpuElem, &[map, key, cpu]);
        let state = self.launder(state);
        let is_there = self.compare(IntCC::NotEqual, state, 0);
        self.builder.ins().brif(is_there, there, &[], step, &[first.into(), second.into()]);

        self.builder.switch_to_block(there);
        let state = Addr::new(state);
        let one_first = self.load_word(state);
        let (merged_first, merged_second) = match aggregate {
            Aggregate::Min { .. } | Aggregate::Max { .. } => {
                let is_set = self.load_word(state.plus(8));
                let better = match aggregate {
                    Aggregate::Min { signed: true } => IntCC::SignedLessThan,
                    Aggregate::Min { signed: false } => IntCC::UnsignedLessThan,
                    Aggregate::Max { signed: true } => IntCC::SignedGreaterThan,
                    _ => IntCC::UnsignedGreaterThan,
                };
                let is_better = self.builder.ins().icmp(better, one_first, first);
                let none_yet = self.compare(IntCC::Equal, second, 0);
                let takes = self.builder.ins().bor(is_better, none_yet);
                let has = self.compare(IntCC::NotEqual, is_set, 0);
                let takes = self.builder.ins().band(takes, has);
                (self.builder.ins().select(takes, one_first, first), self.builder.ins().bor(second, is_set))
            }
            Aggregate::Avg { .. } => {
                let one_second = self.load_word(state.plus(8));
                (self.builder.ins().iadd(first, one_first), self.builder.ins().iadd(second, one_second))
            }
            _ => (self.builder.ins().iadd(first, one_first), second),
        };
        self.builder.ins().jump(step, &[merged_first.into(), merged_second.into()]);

        self.builder.switch_to_block(step);
        let one = self.int(1);
        let following = self.builder.ins().iadd(cpu, one);
        self.builder.ins().jump(next, &[following.into(), new_first.into(), new_second.into()]);

        self.builder.switch_to_block(done);
        match aggregate {
            Aggregate::Avg { signed } => self.average(first, second, signed),
            _ => first,
        }
    }

    fn average(&mut self, total: Value, count: Value, signed: bool) -> Value {
        let [some, done] = [(); 2].map(|()| self.builder.create_block());
        let average = self.builder.append_block_param(done, types::I64);
        let zero = self.int(0);
        let is_some = self.compare(IntCC::NotEqual, count, 0);
        self.builder.ins().brif(is_some, some, &[], done, &[zero.into()]);
        self.builder.switch_to_block(some);
        let quotient = match signed {
            true => self.builder.ins().sdiv(total, count),
            false => self.builder.ins().udiv(total, count),
        };
        self.builder.ins().jump(done, &[quotient.into()]);
        self.builder.switch_to_block(done);
        average
    }

    /// Takes one value into the state at `state`.
    fn take(&mut self, aggregate: Aggregate, state: Addr, value: Option<Value>) {
        let one = self.int(1);
        let value = value.unwrap_or(one);
        match aggregate {
            Aggregate::Count | Aggregate::Sum { .. } => self.add_to(state, value),
            Aggregate::Avg { .. } | Aggregate::Stats { .. } => {
                self.add_to(state, value);
                self.add_to(state.plus(8), one);
            }
            Aggregate::Min { signed } => {
                let less = if signed { IntCC::SignedLessThan } else { IntCC::UnsignedLessThan };
                self.keep_extreme(state, value, less);
            }
            Aggregate::Max { signed } => {
                let more = if signed { IntCC::SignedGreaterThan } else { IntCC::UnsignedGreaterThan };
                self.keep_extreme(state, value, more);
            }
            Aggregate::Hist { bits } => {
                let index = self.hist_index(value, bits);
                self.count_bucket(state, index, hist_buckets(bits));
            }
            Aggregate::LHist { min, max, step } => {
                let index = self.lhist_index(value, min, max, step, aggregate.words());
                self.count_bucket(state, index, aggregate.words());
            }
        }
    }

    fn add_to(&mut self, at: Addr, value: Value) {
        let old = self.load_word(at);
        let new = self.builder.ins().iadd(old, value);
        self.store_word(new, at);
    }

    fn keep_extreme(&mut self, state: Addr, value: Value, better: IntCC) {
        let [compare, keep, done] = [(); 3].map(|()| self.builder.create_block());
        let is_set = self.load_word(state.plus(8));
        let is_set = self.compare(IntCC::NotEqual, is_set, 0);
        self.builder.ins().brif(is_set, compare, &[], keep, &[]);
        self.builder.switch_to_block(compare);
        let old = self.load_word(state);
        let is_better = self.builder.ins().icmp(better, value, old);
        self.builder.ins().brif(is_better, keep, &[], done, &[]);
        self.builder.switch_to_block(keep);
        self.store_word(value, state);
        let one = self.int(1);
        self.store_word(one, state.plus(8));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// Adds one to a bucket. An index out of range, which only values outside the buckets give, counts in bucket 0.
    fn count_bucket(&mut self, state: Addr, index: Value, buckets: u32) {
        let index = self.launder(index);
        let (inside, count) = (self.builder.create_block(), self.builder.create_block());
        let offset = self.builder.append_block_param(count, types::I64);
        let is_inside = self.compare(IntCC::UnsignedLessThan, index, i64::from(buckets));
        let zero = self.int(0);
        self.builder.ins().brif(is_inside, inside, &[], count, &[zero.into()]);
        self.builder.switch_to_block(inside);
        let three = self.int(3);
        let bytes = self.builder.ins().ishl(index, three);
        self.builder.ins().jump(count, &[bytes.into()]);
        self.builder.switch_to_block(count);
        let base = self.address(state);
        let bucket = self.builder.ins().iadd(base, offset);
        let one = self.int(1);
        self.add_to(Addr::new(bucket), one);
    }

    /// The bucket of a power-of-two histogram; out of range for a negative value.
    fn hist_index(&mut self, value: Value, bits: u8) -> Value {
        let length = self.bit_length(value);
        if bits == 0 {
            let one = self.int(1);
            return self.builder.ins().iadd(length, one);
        }
        let [exact, split, done] = [(); 3].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let is_small = self.compare(IntCC::UnsignedLessThan, value, 1 << bits);
        self.builder.ins().brif(is_small, exact, &[], split, &[]);

        self.builder.switch_to_block(exact);
        let one = self.int(1);
        let index = self.builder.ins().iadd(value, one);
        self.builder.ins().jump(done, &[index.into()]);

        // With p the highest bit: 1 + ((p - bits + 1) << bits) + the `bits` bits below the highest.
        self.builder.switch_to_block(split);
        let bits = i64::from(bits);
        let shift_base = self.int(1 + bits);
        let shift = self.builder.ins().isub(length, shift_base);
        let below = self.builder.ins().ushr(value, shift);
        let mask = self.int((1 << bits) - 1);
        let below = self.builder.ins().band(below, mask);
        let one = self.int(1);
        let power = self.builder.ins().iadd(shift, one);
        let width = self.int(bits);
        let power = self.builder.ins().ishl(power, width);
        let index = self.builder.ins().iadd(power, below);
        let index = self.builder.ins().iadd(index, one);
        self.builder.ins().jump(done, &[index.into()]);
        self.builder.switch_to_block(done);
        result
    }

    /// 0 for 0, otherwise one more than the number of the highest bit set; 64 for a negative value.
    ///
    /// eBPF cannot count leading zeros. Filling all bits below the highest and counting ones has no branches, which the
    /// verifier would have to follow one by one.
    fn bit_length(&mut self, value: Value) -> Value {
        let mut filled = value;
        for distance in [1, 2, 4, 8, 16, 32] {
            let distance = self.int(distance);
            let shifted = self.builder.ins().ushr(filled, distance);
            filled = self.builder.ins().bor(filled, shifted);
        }
        self.builder.ins().popcnt(filled)
    }

    fn lhist_index(&mut self, value: Value, min: u64, max: u64, step: u64, words: u32) -> Value {
        let [low, not_low, high, middle, done] = [(); 5].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let is_low = self.compare(IntCC::SignedLessThan, value, min as i64);
        self.builder.ins().brif(is_low, low, &[], not_low, &[]);
        self.builder.switch_to_block(not_low);
        let is_high = self.compare(IntCC::SignedGreaterThanOrEqual, value, max as i64);
        self.builder.ins().brif(is_high, high, &[], middle, &[]);

        self.builder.switch_to_block(low);
        let first = self.int(0);
        self.builder.ins().jump(done, &[first.into()]);
        self.builder.switch_to_block(high);
        let last = self.int(i64::from(words) - 1);
        self.builder.ins().jump(done, &[last.into()]);

        self.builder.switch_to_block(middle);
        let min = self.int(min as i64);
        let above = self.builder.ins().isub(value, min);
        let step = self.int(step as i64);
        // A divisor that the mid-end can see becomes a multiplication, which gains nothing here.
        let step = self.launder(step);
        let index = self.builder.ins().udiv(above, step);
        let one = self.int(1);
        let index = self.builder.ins().iadd(index, one);
        self.builder.ins().jump(done, &[index.into()]);
        self.builder.switch_to_block(done);
        result
    }
}
