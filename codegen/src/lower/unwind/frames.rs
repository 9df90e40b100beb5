//! From a frame to its caller's, by a rule; and around what signals and uretprobes have put between them.

use super::{BEHIND, BP, COUNT, Exits, INSTANCE, MOST_TOGETHER, PC, SP, WORDS};
use crate::helpers::Helper;
use crate::lower::memory::Addr;
use crate::lower::{Lowering, scalar_variable};
use crate::unwind::{OFFSET, SAVED, SAVED_AT_RBP, SAVED_MASK, kind};
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};

impl Lowering<'_, '_> {
    /// Makes the caller's frame the one at hand.
    pub(super) fn follow(&mut self, rule: Value, pc: Value, state: Addr, exits: Exits) {
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
    pub(super) fn follow_trampoline(&mut self, state: Addr, fail: Block) {
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
        let instance = scalar_variable(&mut self.builder);
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
}
