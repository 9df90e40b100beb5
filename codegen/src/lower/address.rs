//! Addresses of the internet and of the link layer: storing and comparing them.
//!
//! An address is the words of its slot. Of one that is made on the spot, a literal or a field of a packet, the words are
//! numbers that need no memory, and those that are known now (the family, as a rule) need no code.

use super::Lowering;
use super::memory::Addr;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::address::Address;
use lang::typed::{Expr, ExprKind};

/// A word of an address.
#[derive(Clone, Copy)]
enum Word {
    Known(i64),
    Value(Value),
}

impl Lowering<'_, '_> {
    /// Stores an address that is made on the spot.
    pub fn store_address(&mut self, words: &[Expr], to: Addr) {
        for (word, at) in words.iter().zip((0..).step_by(8)) {
            let word = self.scalar(word);
            self.store_word(word, to.plus(at));
        }
    }

    /// Whether two addresses are equal, or are not.
    pub fn addresses_compared(&mut self, equal: IntCC, left: &Expr, right: &Expr) -> Value {
        let mark = self.mark();
        let left = self.address_words(left);
        let right = self.address_words(right);
        let pairs = left.into_iter().zip(right).map(|(left, right)| (left, right, -1)).collect();
        let flag = self.words_compared(equal, pairs);
        self.reset(mark);
        flag
    }

    /// Whether an address is in a range.
    pub fn in_subnet(&mut self, address: &Expr, subnet: Address) -> Value {
        let mark = self.mark();
        let words = self.address_words(address);
        let first = subnet.words().into_iter().map(Word::Known);
        let pairs = words.into_iter().zip(first).zip(subnet.mask()).map(|((word, first), mask)| (word, first, mask));
        let flag = self.words_compared(IntCC::Equal, pairs.collect());
        self.reset(mark);
        flag
    }

    fn address_words(&mut self, address: &Expr) -> Vec<Word> {
        match &address.kind {
            ExprKind::Address(words) => {
                let word = |word: &Expr| match word.kind {
                    ExprKind::Int(known) => Word::Known(known),
                    _ => Word::Value(self.scalar(word)),
                };
                words.iter().map(word).collect()
            }
            _ => {
                let to = self.temporary(address.ty.slot_size());
                self.store(address, &address.ty, to);
                let words = (0..address.ty.slot_size()).step_by(8);
                words.map(|at| Word::Value(self.load_word(to.plus(at)))).collect()
            }
        }
    }

    /// Compares words in the bits of a mask each.
    fn words_compared(&mut self, equal: IntCC, pairs: Vec<(Word, Word, i64)>) -> Value {
        let mut differ = false;
        let mut open = Vec::new();
        for (left, right, mask) in pairs {
            match (left, right) {
                _ if mask == 0 => {}
                (Word::Known(left), Word::Known(right)) => differ |= (left ^ right) & mask != 0,
                (left, right) => open.push((left, right, mask)),
            }
        }
        if differ || open.is_empty() {
            return self.builder.ins().iconst(types::I8, i64::from(differ == (equal == IntCC::NotEqual)));
        }
        let sides: Vec<(Value, Value)> =
            open.into_iter().map(|(left, right, mask)| (self.masked(left, mask), self.masked(right, mask))).collect();
        if let [(left, right)] = sides[..] {
            return self.builder.ins().icmp(equal, left, right);
        }
        let mut difference = None;
        for (left, right) in sides {
            let differs = self.builder.ins().bxor(left, right);
            difference = Some(match difference {
                None => differs,
                Some(before) => self.builder.ins().bor(before, differs),
            });
        }
        let zero = self.int(0);
        self.builder.ins().icmp(equal, difference.unwrap_or(zero), zero)
    }

    fn masked(&mut self, word: Word, mask: i64) -> Value {
        match word {
            Word::Known(known) => self.int(known & mask),
            Word::Value(value) if mask == -1 => value,
            Word::Value(value) => {
                let mask = self.int(mask);
                self.builder.ins().band(value, mask)
            }
        }
    }
}
