//! Stacks of processes that keep no frame pointers: a walk by tables, which user space makes (`crate::unwind`).
//!
//! The walk is one function, made once for a program and called by `bpf_loop` for each frame. What it knows from frame
//! to frame lies in scratch memory, and so do the frames until they are all there. `tables` finds the rule for an
//! instruction, `frames` goes by it.

mod frames;
mod tables;

use super::memory::Addr;
use super::{Lowering, flags};
use crate::event::Control;
use crate::helpers::Helper;
use crate::layout::{ASKED_SLOTS, SiteKind, Unwinding};
use crate::symbol::Symbol;
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::ast::TypeTag;
use lang::builtins::BuiltinId;
use lang::span::Span;
use lang::types::{Stack, StackMode, Type};

// What the walk knows, by its offset in bytes.
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

    pub fn go_on_if(&mut self, condition: Value, otherwise: Block) {
        let go_on = self.builder.create_block();
        self.builder.ins().brif(condition, go_on, &[], otherwise, &[]);
        self.builder.switch_to_block(go_on);
    }

    fn go_on_if_found(&mut self, found: Value, otherwise: Block) {
        let is_found = self.compare(IntCC::NotEqual, found, 0);
        self.go_on_if(is_found, otherwise);
    }
}
