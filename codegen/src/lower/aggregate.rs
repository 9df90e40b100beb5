//! Aggregations: how a value is taken into the state that each CPU keeps for itself.
//!
//! The state is a few words (see `lang::types::Aggregate::words`), updated in place without atomics, because no other
//! CPU touches it.

use super::Lowering;
use super::memory::Addr;
use crate::helpers::Helper;
use crate::layout::{MapPlace, Pages, SiteKind};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::span::Span;
use lang::typed::{Expr, MapId};
use lang::types::{Aggregate, SERIES_PAGE, SERIES_WORDS, SeriesOf, Type, hist_buckets};

/// The number of the clock that time series go by: the time of day, leap seconds counted, as long as it is not set.
const SW_TAI: i64 = 3;

/// When a value of a time series was gathered.
#[derive(Clone, Copy)]
struct Moment {
    /// In nanoseconds.
    now: Value,
    /// The number of its interval.
    epoch: Value,
    /// The place of that interval in the state.
    slot: Value,
}

impl Lowering<'_, '_> {
    /// `@map[keys] = aggregate(value)`; `clock` stands in for the time.
    pub fn gather(&mut self, map: MapId, keys: &[Expr], value: Option<&Expr>, clock: Option<&Expr>, span: Span) {
        let Type::Aggregate(aggregate) = self.program.maps[map.index()].value else {
            unreachable!("checked: the map holds an aggregation")
        };
        match self.layout.of(map) {
            MapPlace::PerCpuArray(kernel_map) => {
                let value = value.map(|value| self.scalar(value));
                self.at(span);
                let moment = self.moment(aggregate, clock);
                let pages = Pages::of(aggregate);
                let key = self.temporary(8);
                let (page, moment) = match moment {
                    Some(moment) if pages.count > 1 => {
                        let length = self.divisor(u64::from(SERIES_PAGE));
                        let page = self.builder.ins().udiv(moment.slot, length);
                        let slot = self.builder.ins().urem(moment.slot, length);
                        (page, Some(Moment { slot, ..moment }))
                    }
                    moment => (self.int(0), moment),
                };
                self.store_word(page, key);
                let found = self.lookup(kernel_map, key);
                let (there, done) = (self.builder.create_block(), self.builder.create_block());
                let is_there = self.compare(IntCC::NotEqual, found, 0);
                self.builder.ins().brif(is_there, there, &[], done, &[]);
                self.builder.switch_to_block(there);
                self.take(aggregate, Addr::new(found), value, moment, pages.bytes);
                let one = self.int(1);
                self.store_word(one, Addr::new(found).plus(pages.bytes));
                self.builder.ins().jump(done, &[]);
                self.builder.switch_to_block(done);
            }
            MapPlace::PerCpuHash(kernel_map) => {
                self.gather_keyed(map, kernel_map, keys, aggregate, (value, clock), span);
            }
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
        (value, clock): (Option<&Expr>, Option<&Expr>),
        span: Span,
    ) {
        let key = self.key(map, keys);
        let value = value.map(|value| self.scalar(value));
        self.at(span);
        let moment = self.moment(aggregate, clock);
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
        self.take(aggregate, Addr::new(address), value, moment, aggregate.words() * 8);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// The number that an aggregation stands for, gathered from all CPUs; 0 where nothing was taken in.
    pub fn read_aggregate(&mut self, map: MapId, keys: &[Expr], span: Span) -> Value {
        let Type::Aggregate(aggregate) = self.program.maps[map.index()].value else {
            unreachable!("checked: the map holds an aggregation")
        };
        let mark = self.mark();
        let (kernel_map, key) = self.aggregate_at(map, keys, span);
        let number = self.gathered(kernel_map, aggregate, key, span);
        self.reset(mark);
        number
    }

    /// `stats()` as the record that it is shown as.
    pub fn store_stats(&mut self, map: MapId, keys: &[Expr], span: Span, to: Addr) {
        let Type::Aggregate(aggregate @ Aggregate::Stats { signed }) = self.program.maps[map.index()].value else {
            unreachable!("checked: other aggregations are numbers, or no values")
        };
        let mark = self.mark();
        let (kernel_map, key) = self.aggregate_at(map, keys, span);
        let (total, count) = self.gathered_words(kernel_map, aggregate, key, span);
        let average = self.average(total, count, signed);
        self.reset(mark);
        for (word, offset) in [count, average, total].into_iter().zip([0, 8, 16]) {
            self.store_word(word, to.plus(offset));
        }
    }

    /// The kernel's map of an aggregation, and the address of a key in memory.
    fn aggregate_at(&mut self, map: MapId, keys: &[Expr], span: Span) -> (u32, Value) {
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
        (kernel_map, key)
    }

    /// The number that the CPUs' states of one key stand for.
    pub fn gathered(&mut self, kernel_map: u32, aggregate: Aggregate, key: Value, span: Span) -> Value {
        let (first, second) = self.gathered_words(kernel_map, aggregate, key, span);
        match aggregate {
            Aggregate::Avg { signed } => self.average(first, second, signed),
            _ => first,
        }
    }

    /// Goes through the CPUs' states of one key. The verifier walks through all turns, which are as many as there can
    /// be CPUs.
    fn gathered_words(&mut self, kernel_map: u32, aggregate: Aggregate, key: Value, span: Span) -> (Value, Value) {
        if !self.features.lookup_percpu_elem {
            let help = "Linux has it from 5.19 on; print() of the map works everywhere";
            self.refuse(span, "this kernel cannot read an aggregation within a program", help);
            let zero = self.int(0);
            return (zero, zero);
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
            Aggregate::Avg { .. } | Aggregate::Stats { .. } => {
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
        (first, second)
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

    /// A divisor that the mid-end does not see: it would make a multiplication of it, which gains nothing here.
    fn divisor(&mut self, number: u64) -> Value {
        let number = self.int(number as i64);
        self.launder(number)
    }

    /// The time, as a time series needs it.
    fn moment(&mut self, aggregate: Aggregate, clock: Option<&Expr>) -> Option<Moment> {
        let Aggregate::TSeries { interval, intervals, .. } = aggregate else { return None };
        let now = match clock {
            Some(clock) => self.scalar(clock),
            None => self.clock(SW_TAI),
        };
        let interval = self.divisor(interval);
        let epoch = self.builder.ins().udiv(now, interval);
        let intervals = self.divisor(u64::from(intervals));
        let slot = self.builder.ins().urem(epoch, intervals);
        Some(Moment { now, epoch, slot })
    }

    /// Takes one value into the state at `state`, which has so many bytes.
    fn take(&mut self, aggregate: Aggregate, state: Addr, value: Option<Value>, moment: Option<Moment>, bytes: u32) {
        let one = self.int(1);
        let value = value.unwrap_or(one);
        match aggregate {
            Aggregate::Count | Aggregate::Sum { .. } => self.add_to(state, value),
            Aggregate::Avg { .. } | Aggregate::Stats { .. } => {
                self.add_to(state, value);
                self.add_to(state.plus(8), one);
            }
            Aggregate::Min { signed } => {
                self.keep_extreme(state, value, less(signed));
            }
            Aggregate::Max { signed } => {
                self.keep_extreme(state, value, greater(signed));
            }
            Aggregate::Hist { bits } => {
                let index = self.hist_index(value, bits);
                self.count_bucket(state, index, hist_buckets(bits));
            }
            Aggregate::LHist { min, max, step } => {
                let index = self.lhist_index(value, min, max, step, aggregate.words());
                self.count_bucket(state, index, aggregate.words());
            }
            Aggregate::TSeries { of, signed, .. } => {
                let moment = moment.expect("a time series has been given its moment");
                let interval = self.interval_at(state, moment.slot, bytes);
                self.take_interval(interval, moment, of, signed, value);
            }
        }
    }

    /// The address of an interval of a time series. The slot is always inside, which the verifier is shown here.
    fn interval_at(&mut self, state: Addr, slot: Value, bytes: u32) -> Addr {
        let slot = self.launder(slot);
        let [inside, there] = [(); 2].map(|()| self.builder.create_block());
        let offset = self.builder.append_block_param(there, types::I64);
        let is_inside = self.compare(IntCC::UnsignedLessThan, slot, i64::from(bytes / (SERIES_WORDS * 8)));
        let zero = self.int(0);
        self.builder.ins().brif(is_inside, inside, &[], there, &[zero.into()]);
        self.builder.switch_to_block(inside);
        let size = self.int(i64::from(SERIES_WORDS) * 8);
        let product = self.builder.ins().imul(slot, size);
        self.builder.ins().jump(there, &[product.into()]);
        self.builder.switch_to_block(there);
        let base = self.address(state);
        Addr::new(self.builder.ins().iadd(base, offset))
    }

    /// Takes one value into an interval: what is there of an earlier one is overwritten.
    fn take_interval(&mut self, at: Addr, moment: Moment, of: SeriesOf, signed: bool, value: Value) {
        let (with, number) = (at.plus(8), at.plus(16));
        if of == SeriesOf::Last {
            self.store_word(value, at);
            // One more than the time, so that it is never 0.
            let one = self.int(1);
            let time = self.builder.ins().iadd(moment.now, one);
            self.store_word(time, with);
            self.store_word(moment.epoch, number);
            return;
        }
        let [stale, fresh] = [(); 2].map(|()| self.builder.create_block());
        let known = self.load_word(number);
        let is_stale = self.builder.ins().icmp(IntCC::NotEqual, known, moment.epoch);
        self.builder.ins().brif(is_stale, stale, &[], fresh, &[]);
        self.builder.switch_to_block(stale);
        let zero = self.int(0);
        self.store_word(zero, at);
        self.store_word(zero, with);
        self.store_word(moment.epoch, number);
        self.builder.ins().jump(fresh, &[]);
        self.builder.switch_to_block(fresh);
        let one = self.int(1);
        match of {
            SeriesOf::Avg => {
                self.add_to(at, value);
                self.add_to(with, one);
            }
            SeriesOf::Sum => {
                self.add_to(at, value);
                self.store_word(one, with);
            }
            SeriesOf::Min => self.keep_extreme(at, value, less(signed)),
            SeriesOf::Max => self.keep_extreme(at, value, greater(signed)),
            SeriesOf::Last => {}
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
        let step = self.divisor(step);
        let index = self.builder.ins().udiv(above, step);
        let one = self.int(1);
        let index = self.builder.ins().iadd(index, one);
        self.builder.ins().jump(done, &[index.into()]);
        self.builder.switch_to_block(done);
        result
    }
}

fn less(signed: bool) -> IntCC {
    if signed { IntCC::SignedLessThan } else { IntCC::UnsignedLessThan }
}

fn greater(signed: bool) -> IntCC {
    if signed { IntCC::SignedGreaterThan } else { IntCC::UnsignedGreaterThan }
}
