//! Memory for values that have no register: keys, texts, tuples.
//!
//! Temporaries share one stack slot, used like a stack of its own: a statement gives back what it took. What is too
//! large for the stack lies in the program's own element of the per-CPU scratch map, so that a program which interrupts
//! another on the same CPU cannot overwrite it.

use super::loops::Frame;
use super::unwind::STATE_SIZE;
use super::{Lowering, flags, scalar_variable};
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value, condcodes::IntCC, types};
use cranelift_frontend::Variable;
use lang::typed::VarId;
use lang::types::Type;

/// An address: a pointer and a constant offset, which folds into each access.
#[derive(Clone, Copy, Debug)]
pub struct Addr {
    pub base: Value,
    pub offset: i32,
}

impl Addr {
    pub fn new(base: Value) -> Self {
        Self { base, offset: 0 }
    }

    /// `bytes` further on.
    pub fn plus(self, bytes: u32) -> Self {
        Self { offset: self.offset + bytes as i32, ..self }
    }
}

/// Where a variable of the script lives.
#[derive(Clone, Copy, Debug)]
pub enum VarPlace {
    /// A scalar.
    Register(Variable),
    /// A scalar that must have an address: a word at this offset of the slot for variables.
    Memory(u32),
    /// Anything else: at this offset of the slot for variables.
    Stack(u32),
    /// Too large for the stack, or used by several functions: at this offset of the scratch memory.
    Scratch(u32),
}

/// What has been given out.
#[derive(Default)]
pub struct Memory {
    temporaries: Option<StackSlot>,
    variables: Option<StackSlot>,
    /// Bytes of temporaries in use, and the most that ever were.
    in_use: (u32, u32),
    variable_bytes: u32,
    scratch: Option<Value>,
    scratch_in_use: (u32, u32),
    scratch_missing: bool,
}

/// What a function that is being filled leaves aside while another one is.
pub struct Outer {
    temporaries: Option<StackSlot>,
    in_use: (u32, u32),
    scratch: Option<Value>,
}

/// A place to go back to in the stack of temporaries.
#[derive(Clone, Copy)]
pub struct Mark {
    stack: u32,
    scratch: u32,
}

/// Values up to this size may lie on the stack of 512 bytes.
pub const STACK_VALUE: u32 = 128;
/// Of the 512 bytes as much is kept for temporaries and variables each; the rest is for spilled registers.
const STACK_SHARE: u32 = 192;

/// Beyond so many bytes one helper call costs less than loads and stores.
const INLINE: u32 = 256;

impl Lowering<'_, '_> {
    /// Creates the slots, and finds the scratch memory if it is known to be needed.
    pub fn begin_memory(&mut self, with_scratch: bool) {
        let mut slot = || {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 0, 3);
            Some(self.builder.create_sized_stack_slot(data))
        };
        self.memory.temporaries = slot();
        self.memory.variables = slot();
        if with_scratch {
            let found = self.find_scratch();
            self.leave_unless(IntCC::NotEqual, found, 0);
            self.memory.scratch = Some(found);
            if self.plan.functions > 0 {
                self.begin_frame(found);
                let left = self.take_scratch(8);
                debug_assert_eq!(left, 0, "it is the first thing there");
                let (zero, left) = (self.int(0), self.left_word());
                self.store_word(zero, left);
                self.begin_verdict();
            }
            if self.plan.unwinds {
                self.unwind_state = Some(self.take_scratch(STATE_SIZE));
            }
        }
    }

    /// The program's element of the scratch map, still to be compared with 0.
    fn find_scratch(&mut self) -> Value {
        let mark = self.mark();
        let map = self.layout.use_scratch(self.unit.programs, 8);
        let key = self.temporary(8);
        let number = self.builder.ins().iconst(types::I32, i64::from(self.unit.number));
        self.builder.ins().store(flags(), number, key.base, key.offset);
        let map = self.map_pointer(map);
        let key = self.address(key);
        let found = self.call(Helper::MapLookupElem, &[map, key]);
        self.reset(mark);
        self.launder(found)
    }

    /// Puts down for called bodies where the event and the scratch memory are.
    fn begin_frame(&mut self, scratch: Value) {
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 16, 3);
        let slot = self.builder.create_sized_stack_slot(data);
        let words = self.builder.ins().stack_addr(types::I64, slot, 0);
        self.store_word(self.event, Addr::new(words));
        self.store_word(scratch, Addr::new(words).plus(8));
        self.frame = Some(Frame { words, is_called: false });
    }

    /// Memory for a function beside the program: temporaries of its own, and scratch memory that it has yet to find.
    pub fn begin_function_memory(&mut self) -> Outer {
        let slot = self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 0, 3));
        Outer {
            temporaries: self.memory.temporaries.replace(slot),
            in_use: std::mem::take(&mut self.memory.in_use),
            scratch: self.memory.scratch.take(),
        }
    }

    /// Finds the program's scratch memory in a function that the kernel calls.
    pub fn find_called_memory(&mut self, words: Value) {
        self.memory.scratch = Some(self.load_word(Addr::new(words).plus(8)));
    }

    /// Finds the program's scratch memory in a part, and has words for what the part lets the kernel call.
    pub fn find_part_memory(&mut self) {
        let found = self.find_scratch();
        let [there, missing] = [(); 2].map(|()| self.builder.create_block());
        let is_there = self.compare(IntCC::NotEqual, found, 0);
        self.builder.ins().brif(is_there, there, &[], missing, &[]);
        self.builder.switch_to_block(missing);
        self.return_number(0);
        self.builder.switch_to_block(there);
        self.memory.scratch = Some(found);
        self.begin_frame(found);
        self.frame = self.frame.map(|frame| Frame { is_called: true, ..frame });
    }

    /// Back to the function around.
    pub fn end_function_memory(&mut self, outer: Outer) {
        if let Some(slot) = self.memory.temporaries {
            self.builder.func.sized_stack_slots[slot].size = self.memory.in_use.1;
        }
        Outer { temporaries: self.memory.temporaries, in_use: self.memory.in_use, scratch: self.memory.scratch } =
            outer;
    }

    /// How much of the stack temporaries and variables may take each: functions that call each other share it.
    fn stack_share(&self) -> u32 {
        match self.plan.depth {
            0 => STACK_SHARE,
            1 => 96,
            2 => 64,
            _ => 32,
        }
    }

    /// Gives the slots their size; tells whether scratch memory was asked for.
    pub fn end_memory(&mut self) -> bool {
        let sizes =
            [(self.memory.temporaries, self.memory.in_use.1), (self.memory.variables, self.memory.variable_bytes)];
        for (slot, size) in sizes {
            if let Some(slot) = slot {
                self.builder.func.sized_stack_slots[slot].size = size;
            }
        }
        if self.memory.scratch.is_some() {
            self.layout.use_scratch(self.unit.programs, self.memory.scratch_in_use.1);
        }
        self.memory.scratch_missing
    }

    pub fn mark(&self) -> Mark {
        Mark { stack: self.memory.in_use.0, scratch: self.memory.scratch_in_use.0 }
    }

    /// Gives back all temporaries made since.
    pub fn reset(&mut self, mark: Mark) {
        self.memory.in_use.0 = mark.stack;
        self.memory.scratch_in_use.0 = mark.scratch;
    }

    /// Memory for a value until the end of the statement.
    pub fn temporary(&mut self, bytes: u32) -> Addr {
        let bytes = bytes.next_multiple_of(8).max(8);
        let offset = self.memory.in_use.0;
        if bytes <= STACK_VALUE && offset + bytes <= self.stack_share() {
            self.memory.in_use.0 += bytes;
            self.memory.in_use.1 = self.memory.in_use.1.max(self.memory.in_use.0);
            return self.slot_address(self.memory.temporaries, offset);
        }
        let offset = self.take_scratch(bytes);
        self.scratch_address(offset)
    }

    pub fn take_scratch(&mut self, bytes: u32) -> u32 {
        let offset = self.memory.scratch_in_use.0;
        self.memory.scratch_in_use.0 += bytes;
        self.memory.scratch_in_use.1 = self.memory.scratch_in_use.1.max(self.memory.scratch_in_use.0);
        offset
    }

    pub fn scratch_address(&mut self, offset: u32) -> Addr {
        match self.memory.scratch {
            Some(base) => Addr { base, offset: offset as i32 },
            None => {
                // The whole lowering is thrown away and done again with scratch memory; any address will do.
                self.memory.scratch_missing = true;
                self.slot_address(self.memory.temporaries, 0)
            }
        }
    }

    fn slot_address(&mut self, slot: Option<StackSlot>, offset: u32) -> Addr {
        let slot = slot.expect("slots are created first");
        Addr { base: self.builder.ins().stack_addr(types::I64, slot, 0), offset: offset as i32 }
    }

    /// Gives every variable of the probe its place.
    pub fn declare_variables(&mut self) {
        for (number, var) in (0..).zip(&self.unit.probe.vars) {
            let size = var.ty.slot_size();
            let in_memory = self.plan.in_memory.contains(&VarId(number));
            let place = if size == 0 || var.ty.is_scalar() && !in_memory {
                let variable = scalar_variable(&mut self.builder);
                let zero = self.int(0);
                self.builder.def_var(variable, zero);
                VarPlace::Register(variable)
            } else if self.plan.functions == 0
                && size <= STACK_VALUE
                && self.memory.variable_bytes + size <= STACK_SHARE
            {
                let offset = self.memory.variable_bytes;
                self.memory.variable_bytes += size;
                if var.ty.is_scalar() { VarPlace::Memory(offset) } else { VarPlace::Stack(offset) }
            } else {
                VarPlace::Scratch(self.take_scratch(size))
            };
            self.variables.push(place);
            if !matches!(place, VarPlace::Register(_)) {
                let addr = self.variable_address(place);
                self.zero(addr, size);
            }
        }
    }

    /// Makes registers of the function being filled out of those of another: nothing else of their scalars is shared.
    pub fn redeclare_registers(&mut self) {
        for index in 0..self.variables.len() {
            if let VarPlace::Register(_) = self.variables[index] {
                let variable = scalar_variable(&mut self.builder);
                let zero = self.int(0);
                self.builder.def_var(variable, zero);
                self.variables[index] = VarPlace::Register(variable);
            }
        }
    }

    /// The value of a scalar variable.
    pub fn variable_value(&mut self, place: VarPlace) -> Value {
        match place {
            VarPlace::Register(variable) => self.builder.use_var(variable),
            place => {
                let from = self.variable_address(place);
                self.load_word(from)
            }
        }
    }

    /// Sets a scalar variable.
    pub fn set_variable_value(&mut self, place: VarPlace, value: Value) {
        match place {
            VarPlace::Register(variable) => self.builder.def_var(variable, value),
            place => {
                let to = self.variable_address(place);
                self.store_word(value, to);
            }
        }
    }

    /// The address of a variable that has one.
    pub fn variable_address(&mut self, place: VarPlace) -> Addr {
        match place {
            VarPlace::Memory(offset) | VarPlace::Stack(offset) => self.slot_address(self.memory.variables, offset),
            VarPlace::Scratch(offset) => self.scratch_address(offset),
            VarPlace::Register(_) => unreachable!("a register has no address"),
        }
    }

    /// The address as one value, to be passed to a helper.
    pub fn address(&mut self, addr: Addr) -> Value {
        match addr.offset {
            0 => addr.base,
            offset => {
                let offset = self.int(i64::from(offset));
                self.builder.ins().iadd(addr.base, offset)
            }
        }
    }

    pub fn load_word(&mut self, addr: Addr) -> Value {
        self.builder.ins().load(types::I64, flags(), addr.base, addr.offset)
    }

    pub fn store_word(&mut self, value: Value, addr: Addr) {
        self.builder.ins().store(flags(), value, addr.base, addr.offset);
    }

    /// Sets `bytes` (a multiple of 8) to zero.
    pub fn zero(&mut self, to: Addr, bytes: u32) {
        if bytes <= INLINE {
            let zero = self.int(0);
            for at in (0..bytes).step_by(8) {
                self.store_word(zero, to.plus(at));
            }
            return;
        }
        let zeros = self.layout.use_zeros(bytes);
        let bss = self.bss();
        let from = self.address(Addr::new(bss).plus(zeros));
        let to = self.address(to);
        let size = self.int(i64::from(bytes));
        self.call(Helper::ProbeReadKernel, &[to, size, from]);
    }

    /// Copies `bytes` (a multiple of 8).
    pub fn copy(&mut self, from: Addr, to: Addr, bytes: u32) {
        for at in (0..bytes).step_by(8) {
            let word = self.load_word(from.plus(at));
            self.store_word(word, to.plus(at));
        }
    }

    /// The same from kernel memory, for more than a few words.
    pub fn copy_block(&mut self, from: Addr, to: Addr, bytes: u32) {
        if bytes <= INLINE {
            return self.copy(from, to, bytes);
        }
        let (to, size, from) = (self.address(to), self.int(i64::from(bytes)), self.address(from));
        self.call(Helper::ProbeReadKernel, &[to, size, from]);
    }

    /// Zeros of a type as they are read from a missing key.
    pub fn zero_value(&mut self, ty: &Type, to: Addr) {
        self.zero(to, ty.slot_size());
    }
}
