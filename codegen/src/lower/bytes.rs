//! Bytes in memory: where an argument's are, and reading them.

use super::Lowering;
use super::memory::Addr;
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::target::Base;
use lang::typed::{Expr, ExprKind};
use lang::types::{AddressSpace, Type};

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

    /// `debugf("format", values...)`: the kernel takes each value as a word, a text by its address.
    pub fn debug_print(&mut self, format: &Expr, values: &[Expr]) -> Value {
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
        let written = self.call(Helper::TraceVprintk, &[pattern, size, data, words]);
        self.reset(mark);
        written
    }

    /// `memcmp(left, right, count)`: by the first byte that differs.
    pub fn bytes_compare(&mut self, left: &Expr, right: &Expr, count: i64) -> Value {
        let mark = self.mark();
        let slot = (count as u32).next_multiple_of(8);
        let sides = [left, right].map(|side| {
            let (from, to) = (self.source(side), self.temporary(slot));
            self.zero(to, slot);
            // No further than the value goes.
            let own = if side.ty.is_scalar() { slot } else { side.ty.slot_size() };
            let size = self.int(count.min(i64::from(own)));
            self.read_bytes(from, size, to);
            to
        });
        let done = self.builder.create_block();
        let result = self.builder.append_block_param(done, types::I64);
        for at in (0..slot).step_by(8) {
            let (differ, next) = (self.builder.create_block(), self.builder.create_block());
            let [a, b] = sides.map(|side| self.load_word(side.plus(at)));
            let same = self.builder.ins().icmp(IntCC::Equal, a, b);
            self.builder.ins().brif(same, next, &[], differ, &[]);
            self.builder.switch_to_block(differ);
            // In the order of memory the first byte counts most.
            let [a, b] = [a, b].map(|word| self.builder.ins().bswap(word));
            let less = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
            let less = self.builder.ins().uextend(types::I64, less);
            let (one, two) = (self.int(1), self.int(2));
            let less = self.builder.ins().imul(less, two);
            let sign = self.builder.ins().isub(one, less);
            self.builder.ins().jump(done, &[sign.into()]);
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
