//! Bytes in memory: where an argument's are, and reading them.

use super::memory::Addr;
use super::{Lowering, flags};
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::target::Base;
use lang::typed::{Expr, ExprKind};
use lang::types::{AddressSpace, IntType, Type};

/// Where bytes are.
#[derive(Clone, Copy)]
pub struct Source {
    address: Value,
    space: AddressSpace,
    /// The program's own memory, which can always be read.
    is_own: bool,
}

impl Lowering<'_, '_> {
    /// Where the bytes are that an argument stands for: what it points to if it is an address, else its own.
    pub fn source(&mut self, expr: &Expr) -> Source {
        match &expr.kind {
            _ if expr.ty.is_scalar() => {
                let space = match expr.ty {
                    Type::Pointer(_, space) => space,
                    _ => AddressSpace::Either,
                };
                Source { address: self.scalar(expr), space, is_own: false }
            }
            ExprKind::EventField(index) if self.field(*index).access.base == Base::Context => {
                let offset = self.field(*index).access.offset as i32;
                let address = self.address(Addr { base: self.event, offset });
                Source { address, space: AddressSpace::Kernel, is_own: false }
            }
            ExprKind::Deref(_) | ExprKind::Member { .. } | ExprKind::Element { .. } => {
                let space = space_of(expr);
                let ty = Type::Pointer(Box::new(expr.ty.clone()), space);
                let place = Expr { kind: ExprKind::AddressOf(Box::new(expr.clone())), ty, span: expr.span };
                Source { address: self.scalar(&place), space, is_own: false }
            }
            _ => {
                let bytes = self.temporary(expr.ty.slot_size());
                self.store(expr, &expr.ty, bytes);
                Source { address: self.address(bytes), space: AddressSpace::Kernel, is_own: true }
            }
        }
    }

    /// Copies `size` bytes to `to`; where they cannot be read the kernel leaves zeros.
    pub fn read_bytes(&mut self, from: Source, size: Value, to: Addr) {
        let to = self.address(to);
        self.by_space(from, |this, helper| {
            let helper = if helper == AddressSpace::User { Helper::ProbeReadUser } else { Helper::ProbeReadKernel };
            let result = this.call(helper, &[to, size, from.address]);
            if !from.is_own {
                this.note_failed_read(helper, result);
            }
        });
    }

    /// Does `read` for the space that the address is in, which the address tells where its type does not.
    fn by_space(&mut self, from: Source, read: impl Fn(&mut Self, AddressSpace)) {
        if from.space != AddressSpace::Either {
            return read(self, from.space);
        }
        // Addresses of the kernel have their top bit set, on x86-64 as on aarch64.
        let [user, kernel, done] = [(); 3].map(|()| self.builder.create_block());
        let is_kernel = self.compare(IntCC::SignedLessThan, from.address, 0);
        self.builder.ins().brif(is_kernel, kernel, &[], user, &[]);
        for (block, space) in [(user, AddressSpace::User), (kernel, AddressSpace::Kernel)] {
            self.builder.switch_to_block(block);
            self.in_branch(|this| read(this, space));
            self.builder.ins().jump(done, &[]);
        }
        self.builder.switch_to_block(done);
    }

    /// `ntop(family, address)`: the family, then sixteen bytes.
    pub fn internet_address(&mut self, family: &Expr, address: &Expr, to: Addr) {
        let family = self.scalar(family);
        self.store_word(family, to);
        self.zero(to.plus(8), 16);
        if address.ty.is_scalar() {
            let value = self.scalar(address);
            return self.store_word(value, to.plus(8));
        }
        let mark = self.mark();
        let bytes = match &address.kind {
            ExprKind::Str(text) => text.len() as u32,
            _ => address.ty.size_of() as u32,
        };
        let from = self.source(address);
        let size = self.int(i64::from(bytes.min(16)));
        self.read_bytes(from, size, to.plus(8));
        self.reset(mark);
    }

    /// `macaddr(bytes)`
    pub fn link_address(&mut self, bytes: &Expr, to: Addr) {
        let mark = self.mark();
        let from = self.source(bytes);
        self.zero(to, 8);
        let size = self.int(6);
        self.read_bytes(from, size, to);
        self.reset(mark);
    }

    /// `buf(data, length)`: the length, then the bytes, then zeros.
    pub fn buffer(&mut self, data: &Expr, length: &Expr, ty: &Type, to: Addr) {
        let Type::Buffer(room) = *ty else { unreachable!("checked: a buffer") };
        let length = match length.kind {
            ExprKind::Int(length) => self.int(length.clamp(0, i64::from(room))),
            _ => {
                let length = self.scalar(length);
                self.at_most(length, room)
            }
        };
        let mark = self.mark();
        let from = self.source(data);
        self.store_word(length, to);
        self.zero(to.plus(8), ty.slot_size() - 8);
        if room > 0 {
            self.read_bytes(from, length, to.plus(8));
        }
        self.reset(mark);
    }

    /// One of the pointers that `join()` joins the texts of.
    pub fn joined_pointer(&mut self, pointers: &Expr, index: i64) -> Value {
        let mark = self.mark();
        let to = self.temporary(8);
        self.zero(to, 8);
        let first = self.source(pointers);
        let offset = self.int(index * 8);
        let address = self.builder.ins().iadd(first.address, offset);
        let size = self.int(8);
        self.read_bytes(Source { address, ..first }, size, to);
        let value = self.load_word(to);
        self.reset(mark);
        value
    }

    /// `write_user(address, value, length)`: whether it could be written.
    pub fn write_user(&mut self, address: &Expr, value: &Expr, length: i64) -> Value {
        let mark = self.mark();
        let address = self.scalar(address);
        let from = self.temporary(value.ty.slot_size());
        self.store(value, &value.ty, from);
        let (from, size) = (self.address(from), self.int(length));
        let failed = self.call(Helper::ProbeWriteUser, &[address, from, size]);
        self.reset(mark);
        let done = self.compare(IntCC::Equal, failed, 0);
        self.builder.ins().uextend(types::I64, done)
    }

    /// Who reads a pinned iterator, for the kernel to write to: the first member of the facts of the run, which are the
    /// first word of the event. The verifier has to see where it comes from.
    pub fn reader_of_pin(&mut self) -> Value {
        let facts = self.builder.ins().load(types::I64, flags(), self.event, 0);
        self.builder.ins().load(types::I64, flags(), facts, 0)
    }

    /// `debugf("format", values...)`, or `printf` to a file: the kernel takes each value as a word, a text by its
    /// address.
    pub fn kernel_print(&mut self, format: &Expr, values: &[Expr], file: Option<Value>) -> Value {
        let ExprKind::Str(text) = &format.kind else { unreachable!("checked: a text of the script") };
        let mark = self.mark();
        let words = values.len() as u32 * 8;
        let (pattern, data) = (self.temporary(text.len() as u32 + 1), self.temporary(words));
        self.store_literal(text, (text.len() as u32 + 1).next_multiple_of(8), pattern);
        for (value, at) in values.iter().zip((0..).step_by(8)) {
            let word = match value.ty {
                Type::Str(size) => {
                    let text = self.temporary(size);
                    self.store_text(value, size, text);
                    self.address(text)
                }
                _ => self.scalar(value),
            };
            self.store_word(word, data.plus(at));
        }
        let (pattern, size) = (self.address(pattern), self.int(text.len() as i64 + 1));
        let (data, words) = (self.address(data), self.int(i64::from(words)));
        let written = match file {
            Some(file) => self.call(Helper::SeqPrintf, &[file, pattern, size, data, words]),
            None => self.call(Helper::TraceVprintk, &[pattern, size, data, words]),
        };
        self.reset(mark);
        written
    }

    /// `memcmp(left, right, count)`: the difference of the first bytes that differ. Numbers are compared as they lie in
    /// memory, too.
    pub fn bytes_compare(&mut self, left: &Expr, right: &Expr, count: &Expr) -> Value {
        let mark = self.mark();
        let known = match count.kind {
            ExprKind::Int(count) => Some(count as u32),
            _ => None,
        };
        let longest = left.ty.slot_size().max(right.ty.slot_size());
        let bytes = known.unwrap_or(longest).min(longest);
        let slot = bytes.next_multiple_of(8);
        let sides = [left, right].map(|side| {
            let to = self.temporary(slot.max(side.ty.slot_size()));
            if side.ty.is_scalar() {
                let bits = (side.ty.size_of() * 8) as u8;
                let value = self.scalar(side);
                let value = self.convert(value, &Type::Int(IntType { bits, signed: false }));
                self.store_word(value, to);
            } else {
                self.store(side, &side.ty, to);
            }
            let own = side.ty.slot_size();
            self.zero(to.plus(own), slot.saturating_sub(own));
            to
        });
        let count = self.scalar(count);
        let [differ, done] = [(); 2].map(|()| self.builder.create_block());
        let [a, b, at] = [(); 3].map(|()| self.builder.append_block_param(differ, types::I64));
        let result = self.builder.append_block_param(done, types::I64);
        for offset in (0..slot).step_by(8) {
            let mut words = sides.map(|side| self.load_word(side.plus(offset)));
            if let rest @ 1..8 = bytes - offset {
                let mask = self.int((1i64 << (rest * 8)) - 1);
                words = words.map(|word| self.builder.ins().band(word, mask));
            }
            let next = self.builder.create_block();
            let same = self.builder.ins().icmp(IntCC::Equal, words[0], words[1]);
            let offset = self.int(i64::from(offset));
            self.builder.ins().brif(same, next, &[], differ, &[words[0].into(), words[1].into(), offset.into()]);
            self.builder.switch_to_block(next);
        }
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into()]);
        // Which byte of the word it is.
        self.builder.switch_to_block(differ);
        for byte in 0..8 {
            let mask = self.int(0xff);
            let [a, b] = [a, b].map(|word| {
                let low = self.shifted(word, byte * 8);
                self.builder.ins().band(low, mask)
            });
            let difference = self.builder.ins().isub(a, b);
            let (found, next) = (self.builder.create_block(), self.builder.create_block());
            let differs = self.compare(IntCC::NotEqual, difference, 0);
            self.builder.ins().brif(differs, found, &[], next, &[]);
            self.builder.switch_to_block(found);
            let byte = self.int(byte);
            let index = self.builder.ins().iadd(at, byte);
            let counts = self.builder.ins().icmp(IntCC::UnsignedLessThan, index, count);
            let zero = self.int(0);
            self.builder.ins().brif(counts, done, &[difference.into()], done, &[zero.into()]);
            self.builder.switch_to_block(next);
        }
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into()]);
        self.builder.switch_to_block(done);
        self.reset(mark);
        result
    }
}

/// Whose memory a chain of members and elements leads into.
fn space_of(expr: &Expr) -> AddressSpace {
    match &expr.kind {
        ExprKind::Member { base, .. } | ExprKind::Element { base, .. } => space_of(base),
        ExprKind::Deref(pointer) => match pointer.ty {
            Type::Pointer(_, space) => space,
            _ => AddressSpace::Either,
        },
        _ => AddressSpace::Kernel,
    }
}
