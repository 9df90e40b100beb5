//! What the event brings along: fields of `args`, its words, texts in its record, arguments in the memory of a process.

use super::memory::Addr;
use super::{Lowering, Stable, flags};
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use lang::target::{Access, Attach, Base, UserAddress};
use lang::types::{IntType, Type};

impl Lowering<'_, '_> {
    /// The field of `args` that has this index at the probe's first attach point.
    pub fn field(&self, index: usize) -> &lang::target::Field {
        let name = &self.unit.probe.points[0].context.fields[index].name;
        let fields = &self.unit.context.fields;
        fields.iter().find(|field| field.name == *name).expect("checked: every attach point has the field")
    }

    /// A value of the event for an expression to use as it likes.
    pub(super) fn event_value(&mut self, access: &Access, ty: &Type) -> Value {
        let value = self.read_access(access);
        let has_types = match self.unit.point.attach {
            Attach::Fentry { .. } => matches!(ty, Type::Pointer(..)),
            // What a raw tracepoint's `argN` is the verifier knows, if nobody else does.
            Attach::BtfTracepoint { .. } => matches!(ty, Type::Pointer(..)) || access.bytes == 8 && ty.is_scalar(),
            _ => false,
        };
        match has_types && access.base == Base::Context {
            true => self.forget_target(value),
            false => value,
        }
    }

    /// A value of the event.
    pub fn read_access(&mut self, access: &Access) -> Value {
        if self.in_part {
            let saved = *self.saved.get(access).expect("what a part reads of the event has been saved");
            let from = self.scratch_address(saved);
            return self.load_word(from);
        }
        let offset = access.offset as i32;
        let base = match access.base {
            Base::Context => self.event,
            Base::Btf { word } => self.event_word(word),
            Base::Kernel { word } => {
                let pointer = self.event_word(word);
                return self.probe_read(Helper::ProbeReadKernel, pointer, access);
            }
            Base::DataLoc { from } => return self.data_location(from, access),
            Base::Number(number) => return self.int(number),
            Base::Address(address) => return self.user_address(&address),
            Base::User(address) => {
                let pointer = self.user_address(&address);
                return self.probe_read(Helper::ProbeReadUser, pointer, access);
            }
        };
        self.load_scalar(Addr { base, offset }, access.bytes, access.signed)
    }

    /// A pointer that is an argument of the event.
    pub(super) fn event_word(&mut self, word: u32) -> Value {
        self.stable(Stable::EventWord(word), |this| {
            this.builder.ins().load(types::I64, flags(), this.event, word as i32)
        })
    }

    /// The address of a text that the event's record carries behind its fields.
    pub(super) fn data_location(&mut self, from: u32, access: &Access) -> Value {
        let field = self.builder.ins().uload32(flags(), self.event, access.offset as i32);
        let mask = self.int(0xffff);
        let distance = self.builder.ins().band(field, mask);
        let from = self.address(Addr { base: self.event, offset: from as i32 });
        self.builder.ins().iadd(from, distance)
    }

    /// An address made of registers.
    pub(super) fn user_address(&mut self, address: &UserAddress) -> Value {
        let mut sum = self.int(address.distance);
        if let Some(base) = address.base {
            let base = self.read_access(&base.into());
            sum = self.builder.ins().iadd(base, sum);
        }
        if let Some((index, bits)) = address.index {
            let index = self.read_access(&index.into());
            let bits = self.int(i64::from(bits));
            let shifted = self.builder.ins().ishl(index, bits);
            sum = self.builder.ins().iadd(sum, shifted);
        }
        sum
    }

    pub(super) fn probe_read(&mut self, helper: Helper, pointer: Value, access: &Access) -> Value {
        let mark = self.mark();
        let to = self.temporary(8);
        self.zero(to, 8);
        let from = self.address(Addr { base: pointer, offset: access.offset as i32 });
        let size = self.int(i64::from(access.bytes));
        let to_pointer = self.address(to);
        self.call(helper, &[to_pointer, size, from]);
        let value = self.load_word(to);
        self.reset(mark);
        match access.bytes {
            8 => value,
            bytes => self.convert(value, &Type::Int(IntType { bits: (bytes * 8) as u8, signed: access.signed })),
        }
    }
}
