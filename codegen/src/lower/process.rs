//! Processes whose addresses a program hands on: user space is told of each at once, so that it can look at what they
//! have mapped while they live.
//!
//! A process is known by a word: its number in the low half; in the high half what tells apart the programs that it
//! runs one after the other, and those that get the same number later. A hash of those met before keeps the news few.
//! Code that a process maps later is news again.

use super::Lowering;
use super::memory::Addr;
use super::task::Task;
use crate::event::{PROCESS_SIZE, PROGRAM_FACTOR};
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC};
use lang::builtins::BuiltinId;

impl Lowering<'_, '_> {
    /// The word of the current process, and user space told of it.
    pub fn met_process(&mut self) -> Value {
        let process = self.builtin(BuiltinId::Pid);
        let (process, code) = match self.address_space(process) {
            Some(known) => known,
            // Without its types the kernel does not tell more.
            None => (process, self.int(0)),
        };
        self.tell_process(process, code);
        process
    }

    /// The word of the current process, and how many pages of code it has mapped.
    fn address_space(&mut self, process: Value) -> Option<(Value, Value)> {
        let (memory, programs) = (self.target.task_member("mm")?, self.target.task_member("self_exec_id")?);
        let (start, pages) = (self.target.memory_member("arg_start")?, self.target.memory_member("exec_vm")?);
        let task = Task { address: self.task_address(), is_known: self.features.current_task_btf };
        let memory = self.member_of(&task, memory, 8);
        let programs = self.member_of(&task, programs, 4);
        let memory = Task { address: memory, ..task };
        let (start, pages) = (self.member_of(&memory, start, 8), self.member_of(&memory, pages, 8));
        // How many programs it and its parents have run tells one program from the next. Where its arguments lie is
        // random, and so tells it from a later process with the same number.
        let place = self.shifted(start, 4);
        let factor = self.int(i64::from(PROGRAM_FACTOR));
        let programs = self.builder.ins().imul(programs, factor);
        let mixed = self.builder.ins().bxor(place, programs);
        let half = self.int(32);
        let mixed = self.builder.ins().ishl(mixed, half);
        Some((self.builder.ins().bor(mixed, process), pages))
    }

    /// Sends the word unless it is known with so much code.
    fn tell_process(&mut self, process: Value, code: Value) {
        let (seen, ring) = self.layout.use_processes();
        let mark = self.mark();
        let key = self.temporary(16);
        self.store_word(process, key);
        self.store_word(code, key.plus(8));
        let [new, told, done] = [(); 3].map(|()| self.builder.create_block());
        let found = self.lookup(seen, key);
        let is_known = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_known, done, &[], new, &[]);

        self.builder.switch_to_block(new);
        let record = self.temporary(PROCESS_SIZE);
        self.store_word(process, record);
        let now = self.call(Helper::KtimeGetNs, &[]);
        self.store_word(now, record.plus(8));
        let (to, from) = (self.map_pointer(ring), self.address(record));
        let (bytes, zero) = (self.int(i64::from(PROCESS_SIZE)), self.int(0));
        let sent = self.call(Helper::RingbufOutput, &[to, from, bytes, zero]);
        // Where there was no room the next event tries again.
        let is_sent = self.compare(IntCC::Equal, sent, 0);
        self.builder.ins().brif(is_sent, told, &[], done, &[]);

        self.builder.switch_to_block(told);
        let value = self.address(key);
        self.insert_new(seen, key, value);
        self.builder.ins().jump(done, &[]);

        self.builder.switch_to_block(done);
        self.reset(mark);
    }

    /// A member of a structure of the kernel; zero if there is no structure.
    fn member_of(&mut self, of: &Task, offset: u32, bytes: u32) -> Value {
        self.kernel_word(of, Addr::new(of.address).plus(offset), bytes)
    }
}
