//! Functions of texts: length, comparing beginnings, searching.

use super::Lowering;
use super::memory::Addr;
use crate::helpers::Helper;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, condcodes::IntCC, types};
use lang::typed::{Expr, ExprKind};
use lang::types::Type;

impl Lowering<'_, '_> {
    /// `strlen(text)`: the kernel counts when it copies.
    pub fn text_length(&mut self, text: &Expr) -> Value {
        let Type::Str(size) = text.ty else { unreachable!("checked: a text") };
        let mark = self.mark();
        let (from, to) = (self.temporary(size), self.temporary(size));
        self.store_text(text, size, from);
        let (from, to, size) = (self.address(from), self.address(to), self.int(i64::from(size)));
        let copied = self.call(Helper::ProbeReadKernelStr, &[to, size, from]);
        let one = self.int(1);
        let length = self.builder.ins().isub(copied, one);
        self.reset(mark);
        length
    }

    /// `str_concat(first, second)`: the second text begins where the first one ends.
    pub fn texts_joined(&mut self, first: &Expr, second: &Expr, whole: &Expr, ty: &Type, to: Addr) {
        let (Type::Str(a), Type::Str(b), Type::Str(room)) = (&first.ty, &second.ty, &whole.ty) else {
            unreachable!("checked: texts")
        };
        let (a, b, room) = ((*a).max(1), (*b).max(1), (*room).min(ty.slot_size()));
        let mark = self.mark();
        // Either of them may be what is about to be replaced.
        let [first, second] = [(first, a), (second, b)].map(|(text, size)| {
            let from = self.temporary(size);
            self.store_text(text, size, from);
            self.address(from)
        });
        self.zero(to, ty.slot_size());
        // The verifier wants room for the longest of both, even if the result is not to have so much.
        let whole = if a - 1 + b > room { self.temporary(a - 1 + b) } else { to };
        let start = self.address(whole);
        let size = self.int(i64::from(a));
        let copied = self.call(Helper::ProbeReadKernelStr, &[start, size, first]);
        let one = self.int(1);
        let length = self.builder.ins().isub(copied, one);
        let length = self.at_most(length, a - 1);
        let behind = self.builder.ins().iadd(start, length);
        let size = self.int(i64::from(b));
        self.call(Helper::ProbeReadKernelStr, &[behind, size, second]);
        if a - 1 + b > room {
            let (to, size) = (self.address(to), self.int(i64::from(room)));
            self.call(Helper::ProbeReadKernelStr, &[to, size, start]);
        }
        self.reset(mark);
    }

    /// `strncmp(left, right, length)`: whether two texts differ in their first bytes.
    pub fn texts_differ(&mut self, left: &Expr, right: &Expr, length: i64) -> Value {
        let (Type::Str(a), Type::Str(b)) = (&left.ty, &right.ty) else { unreachable!("checked: two texts") };
        let compared = i64::from(*a.min(b)).min(length) as u32;
        let mark = self.mark();
        let (left, right) = (self.words(left, right), self.words(right, left));
        let difference = self.difference(compared, |this, at| {
            let pair = (this.word(&left, at), this.word(&right, at));
            match compared - at {
                8.. => pair,
                bytes => {
                    let mask = this.int((1i64 << (bytes * 8)) - 1);
                    (this.builder.ins().band(pair.0, mask), this.builder.ins().band(pair.1, mask))
                }
            }
        });
        self.reset(mark);
        let differ = self.compare(IntCC::NotEqual, difference, 0);
        self.builder.ins().uextend(types::I64, differ)
    }

    /// Where `part` first stands in `text`, or -2.
    ///
    /// The bytes under comparison slide through registers, as many as the part may have. So there is one loop, whose
    /// turns the verifier follows, and not one within another.
    pub fn text_search(&mut self, text: &Expr, part: &Expr) -> Value {
        let (Type::Str(size), Type::Str(part_size)) = (&text.ty, &part.ty) else { unreachable!("checked: two texts") };
        let (slot, width) = (size.next_multiple_of(8), (part_size - 1).next_multiple_of(8).max(8));
        let mark = self.mark();
        let memory = self.temporary(slot);
        self.store_text(text, *size, memory);
        let wanted = self.wanted(part, width);
        let window: Vec<Value> = (0..width)
            .step_by(8)
            .map(|at| if at < slot { self.load_word(memory.plus(at)) } else { self.int(0) })
            .collect();

        let [turn, miss, more, load, shift, done] = [(); 6].map(|()| self.builder.create_block());
        let at = self.builder.append_block_param(turn, types::I64);
        let words: Vec<Value> = window.iter().map(|_| self.builder.append_block_param(turn, types::I64)).collect();
        let result = self.builder.append_block_param(done, types::I64);
        let entering = self.builder.append_block_param(shift, types::I64);
        let zero = self.int(0);
        let start: Vec<BlockArg> = std::iter::once(zero).chain(window).map(BlockArg::from).collect();
        self.builder.ins().jump(turn, &start);

        // Is the part here?
        self.builder.switch_to_block(turn);
        let mut difference = self.int(0);
        for (word, (wanted, mask)) in words.iter().zip(&wanted) {
            let differs = self.builder.ins().bxor(*word, *wanted);
            let differs = self.builder.ins().band(differs, *mask);
            difference = self.builder.ins().bor(difference, differs);
        }
        let found = self.compare(IntCC::Equal, difference, 0);
        self.builder.ins().brif(found, done, &[at.into()], miss, &[]);

        // Does the text go on?
        self.builder.switch_to_block(miss);
        let first = self.int(0xff);
        let first = self.builder.ins().band(words[0], first);
        let goes_on = self.compare(IntCC::NotEqual, first, 0);
        let nowhere = self.int(-2);
        self.builder.ins().brif(goes_on, more, &[], done, &[nowhere.into()]);

        self.builder.switch_to_block(more);
        let one = self.int(1);
        let next = self.builder.ins().iadd(at, one);
        let within = self.compare(IntCC::UnsignedLessThan, next, i64::from(*size));
        let advance = self.builder.create_block();
        let nowhere = self.int(-2);
        self.builder.ins().brif(within, advance, &[], done, &[nowhere.into()]);

        // The byte that enters is the one behind the window.
        self.builder.switch_to_block(advance);
        let wide = self.int(i64::from(width));
        let behind = self.builder.ins().iadd(at, wide);
        let behind = self.launder(behind);
        let in_text = self.compare(IntCC::UnsignedLessThan, behind, i64::from(slot));
        let zero = self.int(0);
        self.builder.ins().brif(in_text, load, &[], shift, &[zero.into()]);
        self.builder.switch_to_block(load);
        let base = self.address(memory);
        let address = self.builder.ins().iadd(base, behind);
        let byte = self.builder.ins().uload8(types::I64, super::flags(), address, 0);
        self.builder.ins().jump(shift, &[byte.into()]);

        self.builder.switch_to_block(shift);
        let (eight, high) = (self.int(8), self.int(56));
        let mut shifted = vec![BlockArg::from(next)];
        for (index, word) in words.iter().enumerate() {
            let entering = words.get(index + 1).copied().unwrap_or(entering);
            let low = self.builder.ins().ushr(*word, eight);
            let top = self.builder.ins().ishl(entering, high);
            shifted.push(BlockArg::from(self.builder.ins().bor(low, top)));
        }
        self.builder.ins().jump(turn, &shifted);

        self.builder.switch_to_block(done);
        self.reset(mark);
        result
    }

    /// The words of the part that is looked for, and masks of its bytes.
    fn wanted(&mut self, part: &Expr, width: u32) -> Vec<(Value, Value)> {
        if let ExprKind::Str(text) = &part.kind {
            let of = |at: u32, byte: fn(u8) -> u8| {
                let bytes = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| text.get((at + i) as usize).map_or(0, |b| byte(*b)));
                i64::from_le_bytes(bytes)
            };
            return (0..width)
                .step_by(8)
                .map(|at| (self.int(of(at, |byte| byte)), self.int(of(at, |_| 0xff))))
                .collect();
        }
        let Type::Str(size) = part.ty else { unreachable!("checked: a text") };
        let memory = self.temporary(width.max(size));
        self.store_text(part, size, memory);
        (0..width)
            .step_by(8)
            .map(|at| {
                let word = self.load_word(memory.plus(at));
                (word, self.bytes_before_zero(word))
            })
            .collect()
    }

    /// A mask of the bytes of a word that stand before its first zero byte.
    fn bytes_before_zero(&mut self, word: Value) -> Value {
        // The well-known test for a zero byte leaves its lowest set bit at the top of the first one.
        let (ones, tops) = (self.int(0x0101_0101_0101_0101), self.int(0x8080_8080_8080_8080_u64 as i64));
        let less = self.builder.ins().isub(word, ones);
        let not = self.builder.ins().bnot(word);
        let zeros = self.builder.ins().band(less, not);
        let zeros = self.builder.ins().band(zeros, tops);
        // Below that bit there are the bytes before it and seven bits of its own, which are shifted out.
        let one = self.int(1);
        let before = self.builder.ins().isub(zeros, one);
        let others = self.builder.ins().bnot(zeros);
        let below = self.builder.ins().band(before, others);
        let seven = self.int(7);
        let bytes = self.builder.ins().ushr(below, seven);
        // Where there is no zero byte all of the word counts.
        let none = self.compare(IntCC::Equal, zeros, 0);
        let none = self.builder.ins().uextend(types::I64, none);
        let all = self.builder.ins().ineg(none);
        self.builder.ins().bor(bytes, all)
    }
}
