//! Stacks of processes that keep no frame pointers: a walk by tables, which user space makes (`crate::unwind`).
//!
//! The walk is one function, made once for a program and called by `bpf_loop` for each frame. What it knows from frame
//! to frame lies in scratch memory, and so do the frames until they are all there.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::event::Control;
use crate::helpers::Helper;
use crate::layout::{ASKED_SLOTS, SiteKind, Unwinding};
use crate::symbol::Symbol;
use crate::unwind::{MAPPING_STEPS, OFFSET, PAGE_BITS, ROW_STEPS, SAVED, SAVED_AT_RBP, SAVED_MASK, kind};
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::ast::TypeTag;
use lang::builtins::BuiltinId;
use lang::span::Span;
use lang::types::{Stack, StackMode, Type};

// What the walk knows, by its offset in words.
/// The instruction that the frame is at.
const PC: u32 = 0;
/// The frame's stack pointer.
const SP: u32 = 8;
/// The frame's `rbp`.
const BP: u32 = 16;
/// How many frames there are.
const COUNT: u32 = 24;
/// Bytes from what is looked up to `PC`: a return address may be that of another function, the call before it is not.
const BEHIND: u32 = 32;
/// How many frames are wanted.
const LIMIT: u32 = 40;
/// The process whose mappings are used, half a word.
const PROCESS: u32 = 48;
/// The mapping that the last frame was found in: its four words.
const MAPPING: u32 = 56;
/// The kernel's note of the next function whose return address a uretprobe has taken away; 0 before the first.
const INSTANCE: u32 = 88;
/// Where the stack of the process's first thread begins; 0 if that is not known.
const BOTTOM: u32 = 96;
/// Words that were read from memory.
const WORDS: u32 = 104;
/// The frames' addresses.
const FRAMES: u32 = WORDS + MOST_TOGETHER as u32 * 8;
/// All of it.
pub const STATE_SIZE: u32 = FRAMES + Stack::DEPTH * 8;

/// So many words may lie between a saved `rbp` and the end of its frame for both to be read at once.
const MOST_TOGETHER: i64 = 8;

/// A process, or a place in it, that is not known is asked for once in so many nanoseconds at most.
const PATIENCE: i64 = 20_000_000;

/// Where a walk goes when it goes no further.
#[derive(Clone, Copy)]
struct Exits {
    /// All frames have been found, or as many as are wanted.
    end: Block,
    /// There are more.
    fail: Block,
}

impl Lowering<'_, '_> {
    /// Stores a stack in the form that `stack` does.
    pub fn unwound_stack(&mut self, ty: &Type, to: Addr, span: Span) {
        let Type::Stack(stack) = *ty else { unreachable!("checked: a stack") };
        let registers = ["ip", "sp", "bp"].map(|name| self.target.register(name).map(|access| access.offset));
        let [Ok(pc), Ok(sp), Ok(bp)] = registers else {
            return self.refuse(span, "dw_ustack() is for x86-64 only", "ustack works everywhere");
        };
        if !self.features.bpf_loop || !self.features.current_task_btf {
            let help = "Linux has what it takes from 5.17 on, if it tells its types (BTF)";
            return self.refuse(span, "this kernel has no programs that could walk a stack by tables", help);
        }
        let maps = self.layout.use_unwinding();
        let state = self.unwind_state();
        // Before any branch: what comes later may use them again.
        let (process, task) = (self.builtin(BuiltinId::Pid), self.current_task());
        self.zero(state.plus(FRAMES), stack.depth * 8);
        let none = self.int(0);
        for word in [COUNT, BOTTOM] {
            self.store_word(none, state.plus(word));
        }

        let [known, unknown, done] = [(); 3].map(|()| self.builder.create_block());
        self.in_branch(|this| this.find_process(maps, (process, task), state, unknown, span));
        self.jump(known);
        self.builder.switch_to_block(unknown);
        self.in_branch(|this| {
            this.report_site(SiteKind::NoUnwinding, span);
            this.ask_for_process(maps, process, span);
        });
        self.jump(done);
        self.builder.switch_to_block(known);
        self.in_branch(|this| {
            let registers = Addr::new(this.call(Helper::TaskPtRegs, &[task]));
            for (register, word) in [(pc, PC), (sp, SP), (bp, BP)] {
                let value = this.load_word(registers.plus(register));
                this.store_word(value, state.plus(word));
            }
            // No mapping ends at 0.
            for word in [BEHIND, MAPPING, MAPPING + 8, INSTANCE] {
                this.store_word(none, state.plus(word));
            }
            let limit = this.int(i64::from(stack.depth));
            this.store_word(limit, state.plus(LIMIT));
            if stack.depth > 0 {
                let walk = this.walk(maps, span);
                // A frame with a uretprobe takes two.
                let turns = this.int(i64::from(stack.depth) * 2);
                this.call_loop(turns, walk);
            }
        });
        self.jump(done);
        self.builder.switch_to_block(done);

        let count = self.load_word(state.plus(COUNT));
        self.store_word(count, to);
        let process = match stack.mode {
            // Nothing is looked up for its addresses.
            StackMode::Raw => process,
            _ => self.met_process(),
        };
        self.store_word(process, to.plus(8));
        self.copy_block(state.plus(FRAMES), to.plus(stack.header()), stack.depth * 8);
    }

    /// Goes on with the number of a process at hand whose mappings are those of the current one: its own, or its
    /// parent's, of which it is a copy until it begins another program.
    fn find_process(
        &mut self,
        maps: Unwinding,
        (process, task): (Value, Value),
        state: Addr,
        unknown: Block,
        span: Span,
    ) {
        let [own, orphan, found] = [(); 3].map(|()| self.builder.create_block());
        let look_up = |this: &mut Self, process: Value| {
            this.builder.ins().istore32(flags(), process, state.base, state.plus(PROCESS).offset);
            let (map, key) = (this.map_pointer(maps.processes), this.address(state.plus(PROCESS)));
            this.call(Helper::MapLookupElem, &[map, key])
        };
        let mappings = look_up(self, process);
        let is_known = self.compare(IntCC::NotEqual, mappings, 0);
        self.builder.ins().brif(is_known, own, &[], orphan, &[]);
        self.builder.switch_to_block(own);
        self.same_program(mappings, task, state, unknown);
        self.jump(found);

        self.builder.switch_to_block(orphan);
        match ["real_parent", "tgid"].map(|name| self.target.task_member(name)) {
            [Some(parent), Some(number)] => {
                let parent = self.load_word(Addr::new(task).plus(parent));
                let parent = self.builder.ins().uload32(flags(), parent, number as i32);
                let mappings = look_up(self, parent);
                self.go_on_if_found(mappings, unknown);
                self.same_program(mappings, task, state, unknown);
                let bottom = self.load_word(state.plus(BOTTOM));
                let is_compared = self.compare(IntCC::NotEqual, bottom, 0);
                self.go_on_if(is_compared, unknown);
                self.in_branch(|this| this.ask_for_process(maps, process, span));
                self.jump(found);
            }
            _ => self.jump(unknown),
        }
        self.builder.switch_to_block(found);
    }

    /// Goes to `other` if a process has begun another program since its mappings were looked at: then the bottom of
    /// its stack lies elsewhere.
    fn same_program(&mut self, mappings: Value, task: Value, state: Addr, other: Block) {
        let [mm, start] =
            [("task_struct", "mm"), ("mm_struct", "start_stack")].map(|(of, name)| self.offset_of(of, name));
        let (Some(mm), Some(start)) = (mm, start) else { return };
        let first = self.int(0);
        let first = self.array_element(mappings, first, other);
        let expected = self.load_word(first.plus(24));
        self.store_word(expected, state.plus(BOTTOM));
        let [compare, same] = [(); 2].map(|()| self.builder.create_block());
        // 0 where user space may not know.
        let is_known = self.compare(IntCC::NotEqual, expected, 0);
        self.builder.ins().brif(is_known, compare, &[], same, &[]);
        self.builder.switch_to_block(compare);
        let mm = self.load_word(Addr::new(task).plus(mm));
        let bottom = self.load_word(Addr::new(mm).plus(start));
        let is_same = self.builder.ins().icmp(IntCC::Equal, bottom, expected);
        self.builder.ins().brif(is_same, same, &[], other, &[]);
        self.builder.switch_to_block(same);
    }

    /// Where a structure of the kernel has a member.
    fn offset_of(&self, of: &str, name: &str) -> Option<u32> {
        match self.target.kernel_type(Some(TypeTag::Struct), of)? {
            Type::Struct(of) => Some(of.member(name)?.offset),
            _ => None,
        }
    }

    /// What the walk knows.
    fn unwind_state(&mut self) -> Addr {
        let offset = self.unwind_state.expect("a probe whose plan has a walk has the memory for it");
        self.scratch_address(offset)
    }

    /// The address of the function that goes on by one frame.
    fn walk(&mut self, maps: Unwinding, span: Span) -> Value {
        let number = match self.unwinder {
            Some(number) => number,
            None => {
                let (number, _) = self.called_function(2, |this, _| this.step(maps, span));
                self.unwinder = Some(number);
                number
            }
        };
        let function = self.function(Symbol::Subprogram(number), 2);
        self.builder.ins().func_addr(types::I64, function)
    }

    /// Notes a frame and finds the next; returns 1 if there is none.
    fn step(&mut self, maps: Unwinding, span: Span) {
        let state = self.unwind_state();
        let [end, fail] = [(); 2].map(|()| self.builder.create_block());
        let pc = self.load_word(state.plus(PC));
        self.note_frame(pc, state, end);

        let behind = self.load_word(state.plus(BEHIND));
        let pc = self.builder.ins().isub(pc, behind);
        self.find_mapping(maps, pc, state, fail, span);
        let rule = self.find_rule(maps, pc, state, fail);
        self.follow(rule, pc, state, Exits { end, fail });

        self.builder.switch_to_block(fail);
        // The dynamic linker's first function has no rule, but there is nothing above it.
        let [checked, failed] = [(); 2].map(|()| self.builder.create_block());
        let (sp, bottom) = (self.load_word(state.plus(SP)), self.load_word(state.plus(BOTTOM)));
        let is_known = self.compare(IntCC::NotEqual, bottom, 0);
        self.builder.ins().brif(is_known, checked, &[], failed, &[]);
        self.builder.switch_to_block(checked);
        let is_above = self.builder.ins().icmp(IntCC::UnsignedLessThan, sp, bottom);
        self.builder.ins().brif(is_above, failed, &[], end, &[]);
        self.builder.switch_to_block(failed);
        let failure = self.int(Stack::FAILURE as i64);
        self.note_frame(failure, state, end);
        self.jump(end);
        self.builder.switch_to_block(end);
        self.return_number(1);
        self.returned = true;
    }

    /// Adds a frame, and ends if that was the last one wanted.
    fn note_frame(&mut self, pc: Value, state: Addr, end: Block) {
        let count = self.load_word(state.plus(COUNT));
        let count = self.launder(count);
        let has_room = self.compare(IntCC::UnsignedLessThan, count, i64::from(Stack::DEPTH));
        self.go_on_if(has_room, end);
        let three = self.int(3);
        let at = self.builder.ins().ishl(count, three);
        let at = self.builder.ins().iadd(state.base, at);
        self.store_word(pc, Addr { base: at, ..state }.plus(FRAMES));
        let one = self.int(1);
        let count = self.builder.ins().iadd(count, one);
        self.store_word(count, state.plus(COUNT));
        let limit = self.load_word(state.plus(LIMIT));
        let wants_more = self.builder.ins().icmp(IntCC::UnsignedLessThan, count, limit);
        self.go_on_if(wants_more, end);
    }

    /// Has the mapping that an address is in at hand.
    fn find_mapping(&mut self, maps: Unwinding, pc: Value, state: Addr, fail: Block, span: Span) {
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
    fn find_rule(&mut self, maps: Unwinding, pc: Value, state: Addr, fail: Block) -> Value {
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
        let [low, left] = [(); 2].map(|()| super::scalar_variable(&mut self.builder));
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
    fn array_element(&mut self, map: Value, index: Value, fail: Block) -> Addr {
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

    /// Makes the caller's frame the one at hand.
    fn follow(&mut self, rule: Value, pc: Value, state: Addr, exits: Exits) {
        let mask = self.int(i64::from(kind::MASK));
        let kind_of = self.builder.ins().band(rule, mask);
        let is_signal = self.compare(IntCC::Equal, kind_of, i64::from(kind::SIGNAL));
        let [signal, frame] = [(); 2].map(|()| self.builder.create_block());
        self.builder.ins().brif(is_signal, signal, &[], frame, &[]);

        self.builder.switch_to_block(signal);
        self.in_branch(|this| this.follow_signal(state, exits.fail));

        self.builder.switch_to_block(frame);
        let has_caller = self.compare(IntCC::NotEqual, kind_of, i64::from(kind::END));
        self.go_on_if(has_caller, exits.end);
        let sp = self.load_word(state.plus(SP));
        let end = self.frame_end(rule, kind_of, pc, sp, state, exits.fail);
        // A stack grows downwards: whoever calls has a frame above.
        let is_above = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, sp);
        self.go_on_if(is_above, exits.fail);
        let caller = self.restore(rule, end, state, exits.fail);
        let has_caller = self.compare(IntCC::NotEqual, caller, 0);
        self.go_on_if(has_caller, exits.end);
        self.store_word(caller, state.plus(PC));
        self.store_word(end, state.plus(SP));
        let one = self.int(1);
        self.store_word(one, state.plus(BEHIND));
        self.return_number(0);
    }

    /// Where the frame at hand ends.
    fn frame_end(&mut self, rule: Value, kind_of: Value, pc: Value, sp: Value, state: Addr, fail: Block) -> Value {
        let [by_rsp, not_rsp, by_rbp, plt, not_plt, at_rbp, done] = [(); 7].map(|()| self.builder.create_block());
        let end = self.builder.append_block_param(done, types::I64);
        let shift = self.int(i64::from(OFFSET));
        let words = self.builder.ins().sshr(rule, shift);
        let three = self.int(3);
        let offset = self.builder.ins().ishl(words, three);
        let is = |this: &mut Self, which: u32| this.compare(IntCC::Equal, kind_of, i64::from(which));
        let is_rsp = is(self, kind::RSP);
        self.builder.ins().brif(is_rsp, by_rsp, &[], not_rsp, &[]);

        self.builder.switch_to_block(by_rsp);
        let at = self.builder.ins().iadd(sp, offset);
        self.builder.ins().jump(done, &[at.into()]);

        self.builder.switch_to_block(not_rsp);
        let is_plt = is(self, kind::PLT);
        self.builder.ins().brif(is_plt, plt, &[], not_plt, &[]);

        self.builder.switch_to_block(plt);
        let fifteen = self.int(15);
        let within = self.builder.ins().band(pc, fifteen);
        let is_pushed = self.compare(IntCC::UnsignedGreaterThanOrEqual, within, 11);
        let is_pushed = self.builder.ins().uextend(types::I64, is_pushed);
        let pushed = self.builder.ins().ishl(is_pushed, three);
        let eight = self.int(8);
        let pushed = self.builder.ins().iadd(pushed, eight);
        let at = self.builder.ins().iadd(sp, pushed);
        self.builder.ins().jump(done, &[at.into()]);

        self.builder.switch_to_block(not_plt);
        let goes_on = self.compare(IntCC::NotEqual, kind_of, i64::from(kind::UNKNOWN));
        self.go_on_if(goes_on, fail);
        let bp = self.load_word(state.plus(BP));
        let at = self.builder.ins().iadd(bp, offset);
        let is_rbp = is(self, kind::RBP);
        self.builder.ins().brif(is_rbp, by_rbp, &[], at_rbp, &[]);
        self.builder.switch_to_block(by_rbp);
        self.builder.ins().jump(done, &[at.into()]);
        self.builder.switch_to_block(at_rbp);
        let word = self.read_word(at, state, fail);
        self.builder.ins().jump(done, &[word.into()]);

        self.builder.switch_to_block(done);
        end
    }

    /// Has the caller's `rbp` at hand; the return address.
    fn restore(&mut self, rule: Value, end: Value, state: Addr, fail: Block) -> Value {
        let [near, together, apart, saved, by_rbp, by_end, read, done] = [(); 8].map(|()| self.builder.create_block());
        let at = self.builder.append_block_param(read, types::I64);
        let caller = self.builder.append_block_param(done, types::I64);
        let (shift, mask) = (self.int(i64::from(SAVED)), self.int(i64::from(SAVED_MASK)));
        let words = self.builder.ins().ushr(rule, shift);
        let words = self.builder.ins().band(words, mask);
        let words = self.launder(words);
        let (three, eight) = (self.int(3), self.int(8));
        // A read costs more than what it reads: if both are near each other, one serves.
        let is_near = self.compare(IntCC::UnsignedLessThanOrEqual, words, MOST_TOGETHER);
        self.builder.ins().brif(is_near, near, &[], apart, &[]);
        self.builder.switch_to_block(near);
        let is_saved = self.compare(IntCC::UnsignedGreaterThanOrEqual, words, 2);
        self.builder.ins().brif(is_saved, together, &[], apart, &[]);
        self.builder.switch_to_block(together);
        let bytes = self.builder.ins().ishl(words, three);
        let below = self.builder.ins().isub(end, bytes);
        let to = self.address(state.plus(WORDS));
        let failed = self.call(Helper::ProbeReadUser, &[to, bytes, below]);
        let is_read = self.compare(IntCC::Equal, failed, 0);
        self.go_on_if(is_read, fail);
        let bp = self.load_word(state.plus(WORDS));
        self.store_word(bp, state.plus(BP));
        let last = self.builder.ins().iadd(state.base, bytes);
        let address = self.load_word(Addr { base: last, offset: state.plus(WORDS).offset - 8 });
        self.builder.ins().jump(done, &[address.into()]);

        self.builder.switch_to_block(apart);
        let below = self.builder.ins().isub(end, eight);
        let address = self.read_word(below, state, fail);
        let is_saved = self.compare(IntCC::NotEqual, words, 0);
        self.builder.ins().brif(is_saved, saved, &[], done, &[address.into()]);
        self.builder.switch_to_block(saved);
        let is_by_rbp = self.compare(IntCC::Equal, words, i64::from(SAVED_AT_RBP));
        self.builder.ins().brif(is_by_rbp, by_rbp, &[], by_end, &[]);
        self.builder.switch_to_block(by_rbp);
        let bp = self.load_word(state.plus(BP));
        self.builder.ins().jump(read, &[bp.into()]);
        self.builder.switch_to_block(by_end);
        let bytes = self.builder.ins().ishl(words, three);
        let below = self.builder.ins().isub(end, bytes);
        self.builder.ins().jump(read, &[below.into()]);
        self.builder.switch_to_block(read);
        let bp = self.read_word(at, state, fail);
        self.store_word(bp, state.plus(BP));
        self.builder.ins().jump(done, &[address.into()]);
        self.builder.switch_to_block(done);
        caller
    }

    /// Makes the frame that a signal has interrupted the one at hand: `struct ucontext` lies at `rsp`.
    fn follow_signal(&mut self, state: Addr, fail: Block) {
        /// Offsets of `uc_mcontext`'s registers (arch/x86/include/uapi/asm/ucontext.h, sigcontext.h).
        const REGISTERS: [(u32, i64); 3] = [(BP, 120), (PC, 168), (SP, 160)];
        let sp = self.load_word(state.plus(SP));
        for (register, offset) in REGISTERS {
            let offset = self.int(offset);
            let at = self.builder.ins().iadd(sp, offset);
            let value = self.read_word(at, state, fail);
            self.store_word(value, state.plus(register));
        }
        // It has not called anything: the instruction itself is meant.
        let none = self.int(0);
        self.store_word(none, state.plus(BEHIND));
        self.return_number(0);
    }

    /// Where the frame at hand is the kernel's own address to which functions with uretprobes return, puts the one to
    /// which the function really returns in its place.
    fn follow_trampoline(&mut self, state: Addr, fail: Block) {
        /// Functions that have been left without returning, and calls of themselves, are passed over.
        const MOST: usize = 16;
        let offsets = [
            ("task_struct", "mm"),
            ("mm_struct", "uprobes_state"),
            ("uprobes_state", "xol_area"),
            ("xol_area", "vaddr"),
            ("task_struct", "utask"),
            ("uprobe_task", "return_instances"),
            ("return_instance", "stack"),
            ("return_instance", "orig_ret_vaddr"),
            ("return_instance", "next"),
        ];
        let offsets = offsets.map(|(of, name)| self.offset_of(of, name));
        let [
            Some(mm),
            Some(uprobes),
            Some(area),
            Some(start),
            Some(utask),
            Some(instances),
            Some(stack),
            Some(address),
            Some(next),
        ] = offsets
        else {
            return self.jump(fail);
        };
        let task = self.current_task();
        let mm = self.read_kernel_word(task, mm, state, fail);
        let area = self.read_kernel_word(mm, uprobes + area, state, fail);
        let trampoline = self.read_kernel_word(area, start, state, fail);
        let pc = self.load_word(state.plus(PC));
        let is_trampoline = self.builder.ins().icmp(IntCC::Equal, pc, trampoline);
        self.go_on_if(is_trampoline, fail);
        let [first, search, found] = [(); 3].map(|()| self.builder.create_block());
        let instance = super::scalar_variable(&mut self.builder);
        let at = self.load_word(state.plus(INSTANCE));
        self.builder.def_var(instance, at);
        let is_under_way = self.compare(IntCC::NotEqual, at, 0);
        self.builder.ins().brif(is_under_way, search, &[], first, &[]);
        self.builder.switch_to_block(first);
        let utask = self.read_kernel_word(task, utask, state, fail);
        let at = self.read_kernel_word(utask, instances, state, fail);
        self.builder.def_var(instance, at);
        self.jump(search);

        self.builder.switch_to_block(search);
        let sp = self.load_word(state.plus(SP));
        let eight = self.int(8);
        let wanted = self.builder.ins().isub(sp, eight);
        for _ in 0..MOST {
            let other = self.builder.create_block();
            let at = self.builder.use_var(instance);
            let stack = self.read_kernel_word(at, stack, state, fail);
            let is_it = self.builder.ins().icmp(IntCC::Equal, stack, wanted);
            self.builder.ins().brif(is_it, found, &[], other, &[]);
            self.builder.switch_to_block(other);
            let following = self.read_kernel_word(at, next, state, fail);
            self.builder.def_var(instance, following);
        }
        self.jump(fail);

        self.builder.switch_to_block(found);
        let at = self.builder.use_var(instance);
        let pc = self.read_kernel_word(at, address, state, fail);
        let following = self.read_kernel_word(at, next, state, fail);
        self.store_word(following, state.plus(INSTANCE));
        self.store_word(pc, state.plus(PC));
        // The frame has been noted with the kernel's address; it is noted once more.
        let count = self.load_word(state.plus(COUNT));
        let one = self.int(1);
        let count = self.builder.ins().isub(count, one);
        self.store_word(count, state.plus(COUNT));
        self.return_number(0);
    }

    /// A word of the process's memory.
    fn read_word(&mut self, at: Value, state: Addr, fail: Block) -> Value {
        self.read_word_by(Helper::ProbeReadUser, at, state, fail)
    }

    /// A word of the kernel's memory.
    fn read_kernel_word(&mut self, base: Value, offset: u32, state: Addr, fail: Block) -> Value {
        let at = self.address(Addr::new(base).plus(offset));
        self.read_word_by(Helper::ProbeReadKernel, at, state, fail)
    }

    fn read_word_by(&mut self, helper: Helper, at: Value, state: Addr, fail: Block) -> Value {
        let to = state.plus(WORDS);
        let (address, size) = (self.address(to), self.int(8));
        let failed = self.call(helper, &[address, size, at]);
        let is_read = self.compare(IntCC::Equal, failed, 0);
        self.go_on_if(is_read, fail);
        self.load_word(to)
    }

    /// Asks user space for the mappings of the process, unless somebody has just asked.
    fn ask_for_process(&mut self, maps: Unwinding, process: Value, span: Span) {
        let [ask, done] = [(); 2].map(|()| self.builder.create_block());
        let now = self.call(Helper::KtimeGetNs, &[]);
        let (mask, three) = (self.int(i64::from(ASKED_SLOTS - 1)), self.int(3));
        let slot = self.builder.ins().band(process, mask);
        let slot = self.builder.ins().ishl(slot, three);
        let bss = self.bss();
        let asked = Addr::new(self.builder.ins().iadd(bss, slot)).plus(maps.asked);
        let last = self.load_word(asked);
        let since = self.builder.ins().isub(now, last);
        let is_time = self.compare(IntCC::UnsignedGreaterThan, since, PATIENCE);
        self.builder.ins().brif(is_time, ask, &[], done, &[]);
        self.builder.switch_to_block(ask);
        self.in_branch(|this| {
            this.store_word(now, asked);
            let none = this.int(0);
            this.control(Control::Process, 0, [process, none], span);
        });
        self.jump(done);
        self.builder.switch_to_block(done);
    }

    fn go_on_if(&mut self, condition: Value, otherwise: Block) {
        let go_on = self.builder.create_block();
        self.builder.ins().brif(condition, go_on, &[], otherwise, &[]);
        self.builder.switch_to_block(go_on);
    }

    fn go_on_if_found(&mut self, found: Value, otherwise: Block) {
        let is_found = self.compare(IntCC::NotEqual, found, 0);
        self.go_on_if(is_found, otherwise);
    }
}
