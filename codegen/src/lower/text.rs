//! Texts: literals, `comm`, text read from memory, and comparing them.
//!
//! A text in a slot is padded with zeros, so two texts are equal when their words are.

use super::Lowering;
use super::memory::Addr;
use super::which::PointText;
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::builtins::{BuiltinId, COMM_LEN};
use lang::typed::{Expr, ExprKind};
use lang::types::{AddressSpace, Type};

/// A text that is about to be compared.
pub enum Words {
    Literal(Vec<u8>),
    Memory(Addr),
}

impl Lowering<'_, '_> {
    /// Stores a text in a slot of `size` bytes and zeroes the rest of the slot.
    pub fn store_text(&mut self, expr: &Expr, size: u32, to: Addr) {
        self.text(expr, size, to, true);
    }

    /// Stores a text where only what precedes its closing zero is looked at.
    pub fn store_text_unpadded(&mut self, expr: &Expr, size: u32, to: Addr) {
        self.text(expr, size, to, false);
    }

    fn text(&mut self, expr: &Expr, size: u32, to: Addr, padded: bool) {
        let slot = size.next_multiple_of(8);
        if let Type::Named(names) = expr.ty {
            return self.name_of(expr, names, slot, to);
        }
        match &expr.kind {
            ExprKind::Str(text) => self.store_literal(text, slot, to),
            ExprKind::Builtin(id @ (BuiltinId::Probe | BuiltinId::Func | BuiltinId::Probetype)) => {
                match self.point_text(*id) {
                    PointText::Known(text) => self.store_literal(&text, slot, to),
                    PointText::Table(texts) => {
                        let from = self.text_in_table(texts);
                        let bytes = texts.stride.min(slot);
                        self.copy(from, to, bytes);
                        self.zero(to.plus(bytes), slot - bytes);
                    }
                }
            }
            ExprKind::Builtin(BuiltinId::Comm) => {
                match self.task_comm() {
                    Some(comm) => self.copy(comm, to, COMM_LEN),
                    None => {
                        let (pointer, bytes) = (self.address(to), self.int(i64::from(COMM_LEN)));
                        self.call(Helper::GetCurrentComm, &[pointer, bytes]);
                    }
                }
                self.zero(to.plus(COMM_LEN), slot - COMM_LEN);
            }
            ExprKind::EventField(_) | ExprKind::Deref(_) | ExprKind::Member { .. } | ExprKind::Element { .. } => {
                let Type::Str(room) = expr.ty else { unreachable!("checked: a text") };
                let mark = self.mark();
                let place = self.place(expr);
                self.at_read(expr);
                self.store_place_text(place, room, size, to);
                self.reset(mark);
            }
            ExprKind::Block(..) => self.store(expr, &Type::Str(size), to),
            ExprKind::ReadStr { pointer, length } => {
                let Type::Str(buffer) = expr.ty else { unreachable!("checked: str() gives a text") };
                if padded {
                    self.zero(to, slot);
                }
                self.read_text(pointer, length.as_deref(), buffer.min(size), to);
            }
            ExprKind::Cast(value) if let Type::Named(names) = value.ty => self.name_of(value, names, slot, to),
            ExprKind::Call(id, args) => self.call_store(*id, args, expr, &Type::Str(size), to),
            _ => self.store_whole(expr, &Type::Str(size), to),
        }
    }

    pub fn store_literal(&mut self, text: &[u8], slot: u32, to: Addr) {
        for at in (0..slot).step_by(8) {
            let word = self.int(literal_word(text, at));
            self.store_word(word, to.plus(at));
        }
    }

    /// Reads text at an address, of the process or of the kernel as its type or its value says.
    fn read_text(&mut self, pointer: &Expr, length: Option<&Expr>, buffer: u32, to: Addr) {
        let from = match pointer.ty {
            Type::Str(room) => {
                let text = self.temporary(room);
                self.store_text(pointer, room, text);
                self.address(text)
            }
            _ => self.scalar(pointer),
        };
        let size = match length {
            None => self.int(i64::from(buffer)),
            Some(length) => {
                let length = self.scalar(length);
                self.at_most(length, buffer)
            }
        };
        let to = self.address(to);
        let space = match pointer.ty {
            Type::Pointer(_, space) => space,
            Type::Str(_) => AddressSpace::Kernel,
            _ => AddressSpace::Either,
        };
        self.at_read(pointer);
        self.in_space(space, from, |this, space| {
            let helper = match space {
                AddressSpace::User => Helper::ProbeReadUserStr,
                _ => Helper::ProbeReadKernelStr,
            };
            let result = this.call(helper, &[to, size, from]);
            this.note_failed_read(helper, result);
            result
        });
    }

    /// The smaller of a value and a constant, in a form that the verifier follows.
    pub fn at_most(&mut self, value: Value, limit: u32) -> Value {
        let value = self.launder(value);
        let (over, done) = (self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        let too_much = self.compare(IntCC::UnsignedGreaterThan, value, i64::from(limit));
        self.builder.ins().brif(too_much, over, &[], done, &[value.into()]);
        self.builder.switch_to_block(over);
        let limit = self.int(i64::from(limit));
        self.builder.ins().jump(done, &[limit.into()]);
        self.builder.switch_to_block(done);
        result
    }

    /// A value that is zero exactly when two texts are equal.
    pub fn text_difference(&mut self, left: &Expr, right: &Expr) -> Value {
        let (Type::Str(a), Type::Str(b)) = (&left.ty, &right.ty) else { unreachable!("checked: two texts") };
        // Each text ends within its own buffer: nothing past the shorter one has to be looked at.
        let shared = (*a).min(*b);
        let mark = self.mark();
        let (left, right) = (self.words(left, right), self.words(right, left));
        let difference = self.difference(shared, |this, at| (this.word(&left, at), this.word(&right, at)));
        self.reset(mark);
        difference
    }

    /// A value that is zero exactly when all pairs of words in `bytes` are equal.
    ///
    /// The mid-end loads all words of a block before it compares any, so a block gets no more than fit the registers.
    /// It also is quicker to stop at the first words that differ.
    pub fn difference(&mut self, bytes: u32, mut words: impl FnMut(&mut Self, u32) -> (Value, Value)) -> Value {
        const BLOCK: u32 = 32;
        let done = self.builder.create_block();
        let result = self.builder.append_block_param(done, types::I64);
        let mut at = 0;
        loop {
            let mut difference = self.int(0);
            for at in (at..bytes.min(at + BLOCK)).step_by(8) {
                let (a, b) = words(self, at);
                let differs = self.builder.ins().bxor(a, b);
                difference = self.builder.ins().bor(difference, differs);
            }
            at += BLOCK;
            if at >= bytes {
                self.builder.ins().jump(done, &[difference.into()]);
                break;
            }
            let next = self.builder.create_block();
            self.builder.ins().brif(difference, done, &[difference.into()], next, &[]);
            self.builder.switch_to_block(next);
        }
        self.builder.switch_to_block(done);
        result
    }

    /// Where the words of a text are, which is about to be compared with `other`.
    pub fn words(&mut self, expr: &Expr, other: &Expr) -> Words {
        match &expr.kind {
            _ if other.has_effects() && !matches!(expr.kind, ExprKind::Str(_)) => self.words_in_memory(expr),
            ExprKind::Str(text) => Words::Literal(text.clone()),
            ExprKind::Builtin(id @ (BuiltinId::Probe | BuiltinId::Func | BuiltinId::Probetype)) => {
                match self.point_text(*id) {
                    PointText::Known(text) => Words::Literal(text),
                    PointText::Table(texts) => Words::Memory(self.text_in_table(texts)),
                }
            }
            ExprKind::Builtin(BuiltinId::Comm) => match self.task_comm() {
                Some(comm) => Words::Memory(comm),
                None => self.words_in_memory(expr),
            },
            // Nothing but statements, which have been seen to, changes a variable that holds a text.
            ExprKind::Var(var) => Words::Memory(self.variable_address(self.variables[var.index()])),
            ExprKind::MapGet(map, _) if !other.reads_map(*map) => match self.global_address(*map) {
                Some(addr) => Words::Memory(addr),
                None => self.words_in_memory(expr),
            },
            _ => self.words_in_memory(expr),
        }
    }

    fn words_in_memory(&mut self, expr: &Expr) -> Words {
        let to = self.temporary(expr.ty.slot_size());
        self.store(expr, &expr.ty, to);
        Words::Memory(to)
    }

    pub fn word(&mut self, words: &Words, at: u32) -> Value {
        match words {
            Words::Literal(text) => self.int(literal_word(text, at)),
            Words::Memory(addr) => self.load_word(addr.plus(at)),
        }
    }
}

/// Eight bytes of a text as a number in the machine's order, zero past the end. The order is little-endian on every
/// machine that rtrace compiles for.
fn literal_word(text: &[u8], at: u32) -> i64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(text.iter().skip(at as usize)) {
        *to = *from;
    }
    i64::from_le_bytes(word)
}
