//! Plain maps: reading, setting, adding, deleting.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::helpers::Helper;
use crate::layout::{MapPlace, SiteKind};
use cranelift_codegen::ir::{AtomicRmwOp, Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::span::Span;
use lang::target::MAP_LENGTH;
use lang::typed::{Expr, MapId, VarId};

/// Flags of `bpf_map_update_elem` (include/uapi/linux/bpf.h).
const BPF_ANY: i64 = 0;
const BPF_NOEXIST: i64 = 1;

impl Lowering<'_, '_> {
    /// A keyed map's key in memory.
    pub fn key(&mut self, map: MapId, keys: &[Expr]) -> Addr {
        let info = &self.program.maps[map.index()];
        let types = info.key.as_deref().unwrap_or_default();
        let key = self.temporary(info.key_size());
        match keys {
            // A tuple stands for its parts, however many.
            [tuple] if matches!(tuple.ty, lang::types::Type::Tuple(_)) => {
                self.store(tuple, &lang::types::Type::Tuple(types.to_vec()), key);
            }
            keys => {
                let mut to = key;
                for (part, ty) in keys.iter().zip(types) {
                    self.store(part, ty, to);
                    to = to.plus(ty.slot_size());
                }
            }
        }
        key
    }

    /// Looks up an element: its address, or 0. The result is laundered and must be compared before use.
    pub fn lookup(&mut self, kernel_map: u32, key: Addr) -> Value {
        let map = self.map_pointer(kernel_map);
        let key = self.address(key);
        let found = self.call(Helper::MapLookupElem, &[map, key]);
        self.launder(found)
    }

    fn update(&mut self, kernel_map: u32, key: Addr, value: Value, how: i64) -> Value {
        let map = self.map_pointer(kernel_map);
        let key = self.address(key);
        let how = self.int(how);
        self.call(Helper::MapUpdateElem, &[map, key, value, how])
    }

    /// Inserts `value` unless the key is there; the result is 0 if it was inserted.
    pub fn insert_new(&mut self, kernel_map: u32, key: Addr, value: Value) -> Value {
        self.update(kernel_map, key, value, BPF_NOEXIST)
    }

    /// The address of a keyless map's value: zeros until it is set, and zeros again when it is deleted.
    pub fn global_address(&mut self, map: MapId) -> Option<Addr> {
        match self.layout.of(map) {
            MapPlace::Global(offset) => {
                let bss = self.bss();
                Some(Addr::new(bss).plus(offset + 8))
            }
            MapPlace::Hash(_) | MapPlace::PerCpuArray(_) | MapPlace::PerCpuHash(_) => None,
        }
    }

    /// The address of a keyed map's value, valid in `there`, which is being filled afterwards; `missing` is left to be
    /// filled.
    pub fn map_address(&mut self, map: MapId, keys: &[Expr], there: Block, missing: Block, span: Span) -> Value {
        let MapPlace::Hash(kernel_map) = self.layout.of(map) else {
            unreachable!("checked: keyless maps have a fixed address, aggregations are not read in the program")
        };
        let mark = self.mark();
        let key = self.key(map, keys);
        let found = self.lookup(kernel_map, key);
        self.reset(mark);
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        if self.layout.tells_reads {
            let told = self.builder.create_block();
            self.builder.ins().brif(is_there, there, &[], told, &[]);
            self.builder.switch_to_block(told);
            self.in_branch(|this| this.report_site(SiteKind::MissingElement, span));
            self.builder.ins().jump(missing, &[]);
        } else {
            self.builder.ins().brif(is_there, there, &[], missing, &[]);
        }
        self.builder.switch_to_block(there);
        found
    }

    /// If that is asked for, tells that an element is missing which is about to be read all the same.
    pub fn tell_missing_element(&mut self, kernel_map: u32, key: Addr, span: Span) {
        if !self.layout.tells_reads {
            return;
        }
        let [missing, done] = [(); 2].map(|()| self.builder.create_block());
        let found = self.lookup(kernel_map, key);
        let is_missing = self.compare(IntCC::Equal, found, 0);
        self.builder.ins().brif(is_missing, missing, &[], done, &[]);
        self.builder.switch_to_block(missing);
        self.in_branch(|this| this.report_site(SiteKind::MissingElement, span));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// The scalar value of a map; zero when it is not there.
    pub fn map_get(&mut self, map: MapId, keys: &[Expr], span: Span) -> Value {
        if let Some(value) = self.global_address(map) {
            return self.load_word(value);
        }
        let (there, missing, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let found = self.map_address(map, keys, there, missing, span);
        let value = self.load_word(Addr::new(found));
        self.builder.ins().jump(done, &[value.into()]);
        self.builder.switch_to_block(missing);
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into()]);
        self.builder.switch_to_block(done);
        result
    }

    /// Sets a map's value.
    pub fn map_set(&mut self, map: MapId, keys: &[Expr], value: &Expr, span: Span) {
        let ty = &self.program.maps[map.index()].value;
        match self.layout.of(map) {
            MapPlace::Global(offset) => {
                if ty.is_scalar() {
                    let value = self.scalar(value);
                    let bss = self.bss();
                    self.store_word(value, Addr::new(bss).plus(offset + 8));
                } else if !value.reads_map(map) {
                    let bss = self.bss();
                    self.store(value, ty, Addr::new(bss).plus(offset + 8));
                } else {
                    let from = self.temporary(ty.slot_size());
                    self.store(value, ty, from);
                    let bss = self.bss();
                    self.copy(from, Addr::new(bss).plus(offset + 8), ty.slot_size());
                }
                self.mark_set(offset);
            }
            MapPlace::Hash(kernel_map) => {
                let from = self.temporary(ty.slot_size());
                self.store(value, ty, from);
                let key = self.key(map, keys);
                self.at(span);
                let from = self.address(from);
                let result = self.update(kernel_map, key, from, BPF_ANY);
                self.report_unless_zero(result, span);
            }
            MapPlace::PerCpuArray(_) | MapPlace::PerCpuHash(_) => unreachable!("checked: not an aggregation"),
        }
    }

    fn mark_set(&mut self, offset: u32) {
        let bss = self.bss();
        let one = self.int(1);
        self.store_word(one, Addr::new(bss).plus(offset));
    }

    fn report_unless_zero(&mut self, result: Value, span: Span) {
        let (bad, done) = (self.builder.create_block(), self.builder.create_block());
        let failed = self.compare(IntCC::NotEqual, result, 0);
        self.builder.ins().brif(failed, bad, &[], done, &[]);
        self.builder.switch_to_block(bad);
        self.in_branch(|this| this.report_failure(SiteKind::MapFull, span, result));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// Adds to a map's value by one atomic instruction; gives the value before.
    pub fn map_add(&mut self, map: MapId, keys: &[Expr], delta: Value, span: Span) -> Value {
        match self.layout.of(map) {
            MapPlace::Global(offset) => {
                self.mark_set(offset);
                let bss = self.bss();
                self.atomic_add(Addr::new(bss).plus(offset + 8), delta)
            }
            MapPlace::Hash(kernel_map) => self.hash_add(map, kernel_map, keys, delta, span),
            MapPlace::PerCpuArray(_) | MapPlace::PerCpuHash(_) => unreachable!("checked: not an aggregation"),
        }
    }

    fn hash_add(&mut self, map: MapId, kernel_map: u32, keys: &[Expr], delta: Value, span: Span) -> Value {
        let key = self.key(map, keys);
        let [there, missing, raced, lost, done] = [(); 5].map(|()| self.builder.create_block());
        let old = self.builder.append_block_param(done, types::I64);
        let address = self.builder.append_block_param(there, types::I64);

        let found = self.lookup(kernel_map, key);
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_there, there, &[found.into()], missing, &[]);

        self.builder.switch_to_block(there);
        let before = self.atomic_add(Addr::new(address), delta);
        self.builder.ins().jump(done, &[before.into()]);

        // A new key starts with the delta; if another CPU was first, that one's value is added to.
        self.builder.switch_to_block(missing);
        let first = self.temporary(8);
        self.store_word(delta, first);
        let first = self.address(first);
        let result = self.insert_new(kernel_map, key, first);
        let inserted = self.compare(IntCC::Equal, result, 0);
        let zero = self.int(0);
        self.builder.ins().brif(inserted, done, &[zero.into()], raced, &[]);

        self.builder.switch_to_block(raced);
        let found = self.lookup(kernel_map, key);
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_there, there, &[found.into()], lost, &[]);

        self.builder.switch_to_block(lost);
        self.in_branch(|this| this.report_failure(SiteKind::MapFull, span, result));
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into()]);

        self.builder.switch_to_block(done);
        old
    }

    pub fn atomic_add(&mut self, to: Addr, delta: Value) -> Value {
        let address = self.address(to);
        self.builder.ins().atomic_rmw(types::I64, flags(), AtomicRmwOp::Add, address, delta)
    }

    /// Removes an entry; whether it was there.
    pub fn map_delete(&mut self, map: MapId, keys: &[Expr], span: Span) -> Value {
        self.at(span);
        match self.layout.of(map) {
            MapPlace::Global(offset) => {
                let bss = self.bss();
                let was_set = self.load_word(Addr::new(bss).plus(offset));
                let size = 8 + self.program.maps[map.index()].value.slot_size();
                self.zero(Addr::new(bss).plus(offset), size);
                was_set
            }
            MapPlace::Hash(kernel_map) | MapPlace::PerCpuHash(kernel_map) => {
                let mark = self.mark();
                let key = self.key(map, keys);
                let (map, key) = (self.map_pointer(kernel_map), self.address(key));
                let result = self.call(Helper::MapDeleteElem, &[map, key]);
                self.reset(mark);
                let removed = self.compare(IntCC::Equal, result, 0);
                self.builder.ins().uextend(types::I64, removed)
            }
            MapPlace::PerCpuArray(_) => unreachable!("checked: deleting a whole aggregation is `clear`"),
        }
    }

    /// Whether an entry is there.
    pub fn map_has(&mut self, map: MapId, keys: &[Expr]) -> Value {
        match self.layout.of(map) {
            MapPlace::Global(offset) => {
                let bss = self.bss();
                self.load_word(Addr::new(bss).plus(offset))
            }
            MapPlace::Hash(kernel_map) | MapPlace::PerCpuHash(kernel_map) => {
                let mark = self.mark();
                let key = self.key(map, keys);
                let found = self.lookup(kernel_map, key);
                self.reset(mark);
                let is_there = self.compare(IntCC::NotEqual, found, 0);
                self.builder.ins().uextend(types::I64, is_there)
            }
            MapPlace::PerCpuArray(_) => self.int(1),
        }
    }

    /// Whether an entry is there; the variable gets its value if it is.
    pub fn map_find(&mut self, map: MapId, keys: &[Expr], var: VarId) -> Value {
        let MapPlace::Hash(kernel_map) = self.layout.of(map) else {
            unreachable!("checked: a map with keys and plain values")
        };
        let mark = self.mark();
        let key = self.key(map, keys);
        let found = self.lookup(kernel_map, key);
        self.reset(mark);
        let [there, done] = [(); 2].map(|()| self.builder.create_block());
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_there, there, &[], done, &[]);
        self.builder.switch_to_block(there);
        let (from_ty, ty) = (&self.program.maps[map.index()].value, &self.unit.probe.vars[var.index()].ty);
        let place = self.variables[var.index()];
        if ty.is_scalar() {
            let value = self.load_word(Addr::new(found));
            let value = self.convert(value, ty);
            self.set_variable_value(place, value);
        } else {
            let to = self.variable_address(place);
            self.copy_widening(Addr::new(found), from_ty, to, ty);
        }
        self.jump(done);
        self.builder.switch_to_block(done);
        self.builder.ins().uextend(types::I64, is_there)
    }

    /// How many entries a map has, as the kernel counts them.
    pub fn map_length(&mut self, map: MapId, span: Span) -> Value {
        self.at(span);
        match self.layout.of(map) {
            MapPlace::Global(offset) => {
                let bss = self.bss();
                self.load_word(Addr::new(bss).plus(offset))
            }
            MapPlace::Hash(kernel_map) | MapPlace::PerCpuHash(kernel_map) => {
                let map = self.map_pointer(kernel_map);
                self.call_kfunc(MAP_LENGTH, &[map])
            }
            MapPlace::PerCpuArray(_) => self.int(1),
        }
    }
}
