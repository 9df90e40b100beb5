//! The rule for an instruction: its mapping in the process, then its row in the file's table.

use super::{MAPPING, PROCESS};
use crate::helpers::Helper;
use crate::layout::Unwinding;
use crate::lower::memory::Addr;
use crate::lower::{Lowering, flags, scalar_variable};
use crate::unwind::{MAPPING_STEPS, PAGE_BITS, ROW_STEPS};
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC};
use lang::span::Span;

impl Lowering<'_, '_> {
    /// Has the mapping that an address is in at hand.
    pub(super) fn find_mapping(&mut self, maps: Unwinding, pc: Value, state: Addr, fail: Block, span: Span) {
        let [inside, search, asking, found] = [(); 4].map(|()| self.builder.create_block());
        let mapping = state.plus(MAPPING);
        let start = self.load_word(mapping);
        let is_behind = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, pc, start);
        self.builder.ins().brif(is_behind, inside, &[], search, &[]);
        self.builder.switch_to_block(inside);
        let end = self.load_word(mapping.plus(8));
        let is_inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, pc, end);
        self.builder.ins().brif(is_inside, found, &[], search, &[]);

        self.builder.switch_to_block(search);
        let (map, key) = (self.map_pointer(maps.processes), self.address(state.plus(PROCESS)));
        let mappings = self.call(Helper::MapLookupElem, &[map, key]);
        self.go_on_if_found(mappings, fail);
        let zero = self.int(0);
        let first = self.array_element(mappings, zero, fail);
        let count = self.load_word(first);
        // The element at 0, which begins at 0, is one of them: something is always found.
        let one = self.int(1);
        let count = self.builder.ins().iadd(count, one);
        let start_at = |this: &mut Self, element: Addr| this.load_word(element.plus(8));
        let index = self.bisect(mappings, zero, count, MAPPING_STEPS, pc, start_at, fail);
        let element = self.array_element(mappings, index, fail);
        let end = self.load_word(element.plus(16));
        let is_inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, pc, end);
        self.go_on_if(is_inside, asking);
        for (from, to) in [(8, 0), (16, 8), (24, 16), (0, 24)] {
            let word = self.load_word(element.plus(from));
            self.store_word(word, mapping.plus(to));
        }
        self.jump(found);

        self.builder.switch_to_block(asking);
        let unknown = self.builder.create_block();
        self.in_branch(|this| this.follow_trampoline(state, unknown));
        self.builder.switch_to_block(unknown);
        let process = self.builder.ins().uload32(flags(), state.base, state.plus(PROCESS).offset);
        self.in_branch(|this| this.ask_for_process(maps, process, span));
        self.jump(fail);
        self.builder.switch_to_block(found);
    }

    /// The rule for an address in the mapping at hand.
    pub(super) fn find_rule(&mut self, maps: Unwinding, pc: Value, state: Addr, fail: Block) -> Value {
        let mapping = state.plus(MAPPING);
        let bias = self.load_word(mapping.plus(16));
        let address = self.builder.ins().isub(pc, bias);
        let bits = self.int(i64::from(PAGE_BITS));
        let page = self.builder.ins().ushr(address, bits);
        let [pages, rows] = [24, 28].map(|number| {
            let (map, key) = (self.map_pointer(maps.tables), self.address(mapping.plus(number)));
            let found = self.call(Helper::MapLookupElem, &[map, key]);
            self.go_on_if_found(found, fail);
            found
        });
        let page = self.array_element(pages, page, fail);
        let first = self.builder.ins().uload32(flags(), page.base, page.offset);
        let count = self.builder.ins().uload32(flags(), page.base, page.plus(4).offset);
        let start_at = |this: &mut Self, row: Addr| this.builder.ins().uload32(flags(), row.base, row.offset);
        let index = self.bisect(rows, first, count, ROW_STEPS, address, start_at, fail);
        let row = self.array_element(rows, index, fail);
        self.builder.ins().sload32(flags(), row.base, row.plus(4).offset)
    }

    /// The last of `count` elements from `first` on that begins at `wanted` or before; the first one is known to.
    #[expect(clippy::too_many_arguments, reason = "a search has that many parts, and they go nowhere else together")]
    fn bisect(
        &mut self,
        map: Value,
        first: Value,
        count: Value,
        steps: u32,
        wanted: Value,
        start_at: impl Fn(&mut Self, Addr) -> Value,
        fail: Block,
    ) -> Value {
        let done = self.builder.create_block();
        let [low, left] = [(); 2].map(|()| scalar_variable(&mut self.builder));
        self.builder.def_var(low, first);
        self.builder.def_var(left, count);
        for _ in 0..steps {
            let [next, half_on] = [(); 2].map(|()| self.builder.create_block());
            let one = self.int(1);
            let (from, count) = (self.builder.use_var(low), self.builder.use_var(left));
            let half = self.builder.ins().ushr(count, one);
            let has_more = self.compare(IntCC::NotEqual, half, 0);
            self.go_on_if(has_more, done);
            let rest = self.builder.ins().isub(count, half);
            self.builder.def_var(left, rest);
            let middle = self.builder.ins().iadd(from, half);
            let element = self.array_element(map, middle, fail);
            let start = start_at(self, element);
            let is_behind = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, start, wanted);
            self.builder.ins().brif(is_behind, half_on, &[], next, &[]);
            self.builder.switch_to_block(half_on);
            self.builder.def_var(low, middle);
            self.jump(next);
            self.builder.switch_to_block(next);
        }
        self.jump(done);
        self.builder.switch_to_block(done);
        self.builder.use_var(low)
    }

    /// An element of an array, which is there.
    pub(super) fn array_element(&mut self, map: Value, index: Value, fail: Block) -> Addr {
        let mark = self.mark();
        let key = self.temporary(8);
        self.builder.ins().istore32(flags(), index, key.base, key.offset);
        let key = self.address(key);
        let found = self.call(Helper::MapLookupElem, &[map, key]);
        let found = self.launder(found);
        self.go_on_if_found(found, fail);
        self.reset(mark);
        Addr::new(found)
    }
}
