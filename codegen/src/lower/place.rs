//! Values of C: members, elements and what pointers point to.
//!
//! A chain such as `$task.mm.exe_file` is one [`Place`] until its end is reached; then it is read by one helper call, or
//! by plain loads if it is in the program's own memory. A helper that cannot read leaves zeros.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::builtins::BuiltinId;
use lang::ctypes::Bits;
use lang::target::Base;
use lang::typed::{Expr, ExprKind};
use lang::types::{AddressSpace, IntType, Type};

/// Where a value of C lies.
#[derive(Clone, Copy)]
pub struct Place {
    at: At,
    /// All ones, or all zeros if an index was out of bounds: then the place is some other one, and reads as zero.
    valid: Option<Value>,
}

#[derive(Clone, Copy)]
enum At {
    /// In memory that the program itself may read.
    Own(Addr),
    /// At an address that a helper has to read.
    Foreign(Addr, AddressSpace),
}

impl Place {
    fn plus(self, bytes: u32) -> Self {
        let at = match self.at {
            At::Own(addr) => At::Own(addr.plus(bytes)),
            At::Foreign(addr, space) => At::Foreign(addr.plus(bytes), space),
        };
        Self { at, ..self }
    }
}

impl Lowering<'_, '_> {
    /// Where the value of an expression lies. Memory that it needs for that is given back by the caller.
    pub fn place(&mut self, expr: &Expr) -> Place {
        let own = |addr| Place { at: At::Own(addr), valid: None };
        match &expr.kind {
            ExprKind::Deref(pointer) => match &pointer.kind {
                ExprKind::AddressOf(place) => self.place(place),
                // What it has of a packet the verifier lets the program load, and only from the event itself.
                ExprKind::Builtin(BuiltinId::Context) if self.unit.context.packet().is_some() => {
                    own(Addr::new(self.event))
                }
                _ => {
                    let space = match pointer.ty {
                        Type::Pointer(_, space) => space,
                        _ => AddressSpace::Either,
                    };
                    let pointer = self.scalar(pointer);
                    Place { at: At::Foreign(Addr::new(pointer), space), valid: None }
                }
            },
            ExprKind::Member { base, offset, .. } => self.place(base).plus(*offset),
            ExprKind::Element { base, index } => self.element(base, index, expr),
            ExprKind::EventField(index) if !expr.ty.is_scalar() => {
                let access = self.field(*index).access;
                debug_assert_eq!(access.base, Base::Context, "arrays and texts lie in the record itself");
                let addr = Addr { base: self.event, offset: access.offset as i32 };
                Place { at: At::Foreign(addr, AddressSpace::Kernel), valid: None }
            }
            ExprKind::Var(var) if !expr.ty.is_scalar() => own(self.variable_address(self.variables[var.index()])),
            ExprKind::Item(tuple, index) => own(self.item(tuple, *index)),
            _ => {
                let to = self.temporary(expr.ty.slot_size());
                self.store(expr, &expr.ty, to);
                own(to)
            }
        }
    }

    fn element(&mut self, base: &Expr, index: &Expr, whole: &Expr) -> Place {
        let place = self.place(base);
        let size = whole.ty.size_of() as i64;
        if let ExprKind::Int(index) = index.kind
            && let Ok(offset) = u32::try_from(index.saturating_mul(size))
        {
            return place.plus(offset);
        }
        let length = match &base.ty {
            Type::Array(_, length) | Type::Str(length) => *length,
            _ => 0,
        };
        let mut index = self.scalar(index);
        let mut place = place;
        if length > 0 {
            let (inside, valid) = self.within(index, length, whole);
            index = inside;
            place.valid = Some(match place.valid {
                Some(outer) => self.builder.ins().band(outer, valid),
                None => valid,
            });
        }
        let size = self.int(size);
        let distance = self.builder.ins().imul(index, size);
        let (addr, space) = match place.at {
            // Where it is is known, but not when compiling: the helper reads that as well.
            At::Own(addr) => (addr, AddressSpace::Kernel),
            At::Foreign(addr, space) => (addr, space),
        };
        let base = self.builder.ins().iadd(addr.base, distance);
        Place { at: At::Foreign(Addr { base, ..addr }, space), ..place }
    }

    /// An index below `length`, and all ones if it was so or else all zeros, which is told.
    fn within(&mut self, index: Value, length: u32, whole: &Expr) -> (Value, Value) {
        let index = self.launder(index);
        let (outside, done) = (self.builder.create_block(), self.builder.create_block());
        let inside = self.builder.append_block_param(done, types::I64);
        let valid = self.builder.append_block_param(done, types::I64);
        let too_large = self.compare(IntCC::UnsignedGreaterThanOrEqual, index, i64::from(length));
        let ones = self.int(-1);
        self.builder.ins().brif(too_large, outside, &[], done, &[index.into(), ones.into()]);
        self.builder.switch_to_block(outside);
        self.in_branch(|this| this.report_site(SiteKind::OutOfBounds, whole.span));
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into(), zero.into()]);
        self.builder.switch_to_block(done);
        (inside, valid)
    }

    /// The scalar at a place.
    pub fn load_place(&mut self, place: Place, ty: &Type, bits: Option<Bits>) -> Value {
        let size = ty.size_of() as u32;
        // A bit-field is cut out of the whole word by its own sign.
        let signed = ty.is_signed() && bits.is_none();
        let value = match place.at {
            At::Own(addr) => self.load_scalar(addr, size, signed),
            At::Foreign(from, space) => {
                let mark = self.mark();
                let to = self.temporary(8);
                self.read(space, to, size, from);
                let value = self.load_scalar(to, size, signed);
                self.reset(mark);
                value
            }
        };
        let value = match bits {
            Some(bits) => self.bit_field(value, bits, ty.is_signed()),
            None if *ty == Type::Bool => {
                let truth = self.compare(IntCC::NotEqual, value, 0);
                self.builder.ins().uextend(types::I64, truth)
            }
            None => value,
        };
        match place.valid {
            Some(valid) => self.builder.ins().band(value, valid),
            None => value,
        }
    }

    fn bit_field(&mut self, value: Value, bits: Bits, signed: bool) -> Value {
        let up = self.int(64 - i64::from(bits.shift) - i64::from(bits.width));
        let down = self.int(64 - i64::from(bits.width));
        let top = self.builder.ins().ishl(value, up);
        match signed {
            true => self.builder.ins().sshr(top, down),
            false => self.builder.ins().ushr(top, down),
        }
    }

    /// Loads a number of 1, 2, 4 or 8 bytes.
    pub fn load_scalar(&mut self, addr: Addr, size: u32, signed: bool) -> Value {
        let Addr { base, offset } = addr;
        match (size, signed) {
            (1, false) => self.builder.ins().uload8(types::I64, flags(), base, offset),
            (1, true) => self.builder.ins().sload8(types::I64, flags(), base, offset),
            (2, false) => self.builder.ins().uload16(types::I64, flags(), base, offset),
            (2, true) => self.builder.ins().sload16(types::I64, flags(), base, offset),
            (4, false) => self.builder.ins().uload32(flags(), base, offset),
            (4, true) => self.builder.ins().sload32(flags(), base, offset),
            _ => self.builder.ins().load(types::I64, flags(), base, offset),
        }
    }

    /// Reads `size` bytes of somebody's memory; zeros if they cannot be read.
    pub fn read(&mut self, space: AddressSpace, to: Addr, size: u32, from: Addr) {
        let size = self.int(i64::from(size));
        let (to, from) = (self.address(to), self.address(from));
        self.in_space(space, from, |this, space| {
            let helper = match space {
                AddressSpace::User => Helper::ProbeReadUser,
                _ => Helper::ProbeReadKernel,
            };
            let result = this.call(helper, &[to, size, from]);
            this.note_failed_read(helper, result);
            result
        });
    }

    /// Does something to an address as one of the kernel or of the process, whichever it is.
    pub fn in_space(
        &mut self,
        space: AddressSpace,
        address: Value,
        mut act: impl FnMut(&mut Self, AddressSpace) -> Value,
    ) -> Value {
        if space != AddressSpace::Either {
            return act(self, space);
        }
        let [user, kernel, done] = [(); 3].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        // Addresses of the kernel have their top bit set, on x86-64 as on aarch64.
        let is_kernel = self.compare(IntCC::SignedLessThan, address, 0);
        self.builder.ins().brif(is_kernel, kernel, &[], user, &[]);
        for (block, space) in [(user, AddressSpace::User), (kernel, AddressSpace::Kernel)] {
            self.builder.switch_to_block(block);
            let value = self.in_branch(|this| act(this, space));
            self.builder.ins().jump(done, &[value.into()]);
        }
        self.builder.switch_to_block(done);
        result
    }

    /// Stores what is at a place into a slot of `bytes`, of which the first `size` are the value's; the rest is zeroed.
    pub fn store_place(&mut self, place: Place, size: u32, bytes: u32, to: Addr) {
        let Some(valid) = place.valid else { return self.copy_place(place, size, bytes, to) };
        let [there, not, done] = [(); 3].map(|()| self.builder.create_block());
        self.builder.ins().brif(valid, there, &[], not, &[]);
        self.builder.switch_to_block(there);
        self.in_branch(|this| this.copy_place(place, size, bytes, to));
        self.jump(done);
        self.builder.switch_to_block(not);
        self.in_branch(|this| this.zero(to, bytes));
        self.jump(done);
        self.builder.switch_to_block(done);
    }

    fn copy_place(&mut self, place: Place, size: u32, bytes: u32, to: Addr) {
        // The last word is zeroed before its part of the value comes.
        let whole = size / 8 * 8;
        self.zero(to.plus(whole), bytes - whole);
        match place.at {
            At::Foreign(from, space) => self.read(space, to, size, from),
            At::Own(from) => {
                // The stack and the kernel's maps are aligned to eight bytes, and so is what begins there.
                let step = 1 << (from.offset as u32 | to.offset as u32).trailing_zeros().min(3);
                let mut at = 0;
                while at < size {
                    let part = (size - at).min(step);
                    let part = 1 << (31 - part.leading_zeros());
                    let value = self.load_scalar(from.plus(at), part, false);
                    self.store_scalar(value, to.plus(at), part);
                    at += part;
                }
            }
        }
    }

    /// Stores the low 1, 2, 4 or 8 bytes of a value.
    fn store_scalar(&mut self, value: Value, to: Addr, size: u32) {
        let Addr { base, offset } = to;
        match size {
            1 => self.builder.ins().istore8(flags(), value, base, offset),
            2 => self.builder.ins().istore16(flags(), value, base, offset),
            4 => self.builder.ins().istore32(flags(), value, base, offset),
            _ => self.builder.ins().store(flags(), value, base, offset),
        };
    }

    /// Stores the text of a `char[size]` into a slot of `room` bytes and zeroes what follows its end.
    pub fn store_place_text(&mut self, place: Place, size: u32, room: u32, to: Addr) {
        self.zero(to, room.next_multiple_of(8));
        let (from, space) = match place.at {
            At::Own(addr) => (addr, AddressSpace::Kernel),
            At::Foreign(addr, space) => (addr, space),
        };
        let size = size.min(room);
        if size == 0 {
            return;
        }
        let (from, to_pointer) = (self.address(from), self.address(to));
        let bytes = self.int(i64::from(size));
        let length = self.in_space(space, from, |this, space| {
            let helper = match space {
                AddressSpace::User => Helper::ProbeReadUserStr,
                _ => Helper::ProbeReadKernelStr,
            };
            let length = this.call(helper, &[to_pointer, bytes, from]);
            this.note_failed_read(helper, length);
            length
        });
        // The helper closes the text within its bytes; if there was no zero before, the last byte is the text's own.
        let (full, done) = (self.builder.create_block(), self.builder.create_block());
        let is_full = self.compare(IntCC::Equal, length, i64::from(size));
        self.builder.ins().brif(is_full, full, &[], done, &[]);
        self.builder.switch_to_block(full);
        self.in_branch(|this| this.read(space, to.plus(size - 1), 1, Addr::new(from).plus(size - 1)));
        self.jump(done);
        self.builder.switch_to_block(done);
    }

    /// `&place`
    pub fn address_of(&mut self, place: &Expr) -> Value {
        match &place.kind {
            ExprKind::MapGet(map, keys) => match self.global_address(*map) {
                Some(addr) => self.address(addr),
                None => {
                    let [there, missing, done] = [(); 3].map(|()| self.builder.create_block());
                    let result = self.builder.append_block_param(done, types::I64);
                    let found = self.map_address(*map, keys, there, missing, place.span);
                    self.builder.ins().jump(done, &[found.into()]);
                    self.builder.switch_to_block(missing);
                    let zero = self.int(0);
                    self.builder.ins().jump(done, &[zero.into()]);
                    self.builder.switch_to_block(done);
                    result
                }
            },
            ExprKind::Var(var) => {
                let place = self.variables[var.index()];
                let addr = self.variable_address(place);
                self.address(addr)
            }
            _ => match self.place(place).at {
                At::Own(addr) | At::Foreign(addr, _) => self.address(addr),
            },
        }
    }

    /// Stores a cast to an array: the bytes of a number, a text or another array.
    pub fn store_as_array(&mut self, value: &Expr, ty: &Type, to: Addr) {
        let room = ty.slot_size();
        match &value.ty {
            from if from.is_scalar() => {
                let bits = (ty.size_of() * 8).min(64) as u8;
                let number = self.scalar(value);
                let number = self.convert(number, &Type::Int(IntType { bits, signed: false }));
                self.store_word(number, to);
            }
            Type::Str(_) => self.store_text(value, room, to),
            _ => self.store(value, ty, to),
        }
    }
}
