//! Stacks: the frames' addresses, taken by the kernel into the value itself, so that equal stacks are equal keys and none
//! can be lost. User space gives them names.

use super::Lowering;
use super::memory::{Addr, STACK_VALUE};
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::builtins::BuiltinId;
use lang::target::ProgramType;
use lang::typed::Expr;
use lang::types::{StackMode, Type};

/// The process's stack (include/uapi/linux/bpf.h); the low bits of the flags are frames to be left out.
const BPF_F_USER_STACK: i64 = 1 << 8;

impl Lowering<'_, '_> {
    /// Stores a stack: how many frames there are, for a process's stack the
    /// process's word, then the frames, then zeros.
    pub fn stack(&mut self, ty: &Type, to: Addr) {
        let Type::Stack(stack) = *ty else { unreachable!("checked: a stack") };
        let frames = to.plus(stack.header());
        let bytes = stack.depth * 8;
        let count = match bytes {
            0 => self.int(0),
            _ => {
                self.fill_unseen(frames, bytes);
                let (at, size) = (self.address(frames), self.int(i64::from(bytes)));
                let flags = self.int(if stack.user { BPF_F_USER_STACK } else { 0 });
                // What it does not fill it zeroes, and everything if there is no stack.
                let taken = self.call(Helper::GetStack, &[self.event, at, size, flags]);
                let is_stack = self.compare(IntCC::SignedGreaterThan, taken, 0);
                if self.layout.tells_reads {
                    self.tell_missing_stack(taken, stack.user);
                }
                let is_stack = self.builder.ins().uextend(types::I64, is_stack);
                let count = self.shifted(taken, 3);
                self.builder.ins().imul(count, is_stack)
            }
        };
        self.store_word(count, to);
        if stack.user {
            let process = match stack.mode {
                // Nothing is looked up for its addresses.
                StackMode::Raw => self.builtin(BuiltinId::Pid),
                _ => self.met_process(),
            };
            self.store_word(process, to.plus(8));
        }
    }

    /// Makes the verifier know nothing of memory that get_stack is about to fill.
    ///
    /// Up to Linux 6.12 the verifier takes a raw tracepoint's get_stack for a reader of the memory (`MEM_RDONLY` in
    /// kernel/trace/bpf_trace.c): before 6.3 it refuses what has not been written, and it goes on believing in constants
    /// that stood there. What comes from a map's value is unknown to it.
    fn fill_unseen(&mut self, to: Addr, bytes: u32) {
        let is_reader = matches!(self.unit.context.program, ProgramType::RawTracepoint | ProgramType::BtfTracepoint);
        if !is_reader || bytes > STACK_VALUE {
            return;
        }
        let unknown = self.bss();
        let unknown = self.load_word(Addr::new(unknown));
        for at in (0..bytes).step_by(8) {
            self.store_word(unknown, to.plus(at));
        }
    }

    fn tell_missing_stack(&mut self, taken: Value, user: bool) {
        let span = self.here();
        let (bad, done) = (self.builder.create_block(), self.builder.create_block());
        let failed = self.compare(IntCC::SignedLessThan, taken, 0);
        self.builder.ins().brif(failed, bad, &[], done, &[]);
        self.builder.switch_to_block(bad);
        self.in_branch(|this| this.report_site(SiteKind::NoStack { user }, span));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// `len(stack)`
    pub fn stack_length(&mut self, stack: &Expr) -> Value {
        let mark = self.mark();
        let value = self.temporary(stack.ty.slot_size());
        self.store(stack, &stack.ty, value);
        let count = self.load_word(value);
        self.reset(mark);
        count
    }
}
