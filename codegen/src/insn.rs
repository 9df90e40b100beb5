//! One eBPF instruction: its eight bytes, its name, its text.
//!
//! `ROWS` has one row for each kind of instruction: the opcode byte, the other fields that tell kinds apart which share
//! that byte, and the text it is printed as. Encoding and decoding are mechanical; whoever wants to know what an
//! instruction is asks for its row. Nothing here knows about registers that are not yet allocated or about symbols.

use crate::helpers::Helper;
use std::fmt;

/// An instruction as the kernel reads it. The 64-bit load takes two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Insn {
    /// The opcode byte.
    pub code: u8,
    /// The destination register.
    pub dst: u8,
    /// The source register, or a number that says what `imm` means.
    pub src: u8,
    /// A memory offset or the distance of a jump.
    pub off: i16,
    /// The immediate.
    pub imm: i32,
}

/// The classes of instruction (the low three bits of the opcode).
pub mod class {
    #![allow(missing_docs, reason = "the names are those of the eBPF standard")]
    pub const LD: u8 = 0;
    pub const LDX: u8 = 1;
    pub const ST: u8 = 2;
    pub const STX: u8 = 3;
    pub const ALU32: u8 = 4;
    pub const JMP: u8 = 5;
    pub const JMP32: u8 = 6;
    pub const ALU64: u8 = 7;
}

/// Set in an ALU or jump opcode whose second operand is a register.
pub const REGISTER: u8 = 0x08;

/// Memory modes (the high three bits of a load or store).
pub mod mode {
    #![allow(missing_docs, reason = "the names are those of the eBPF standard")]
    pub const IMM: u8 = 0x00;
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;
}

/// Operations of the ALU classes (the high four bits).
pub mod alu {
    #![allow(missing_docs, reason = "the names are those of the eBPF standard")]
    pub const ADD: u8 = 0x00;
    pub const SUB: u8 = 0x10;
    pub const MUL: u8 = 0x20;
    pub const DIV: u8 = 0x30;
    pub const OR: u8 = 0x40;
    pub const AND: u8 = 0x50;
    pub const LSH: u8 = 0x60;
    pub const RSH: u8 = 0x70;
    pub const NEG: u8 = 0x80;
    pub const MOD: u8 = 0x90;
    pub const XOR: u8 = 0xa0;
    pub const MOV: u8 = 0xb0;
    pub const ARSH: u8 = 0xc0;
    pub const END: u8 = 0xd0;
}

/// Operations of the jump classes (the high four bits).
pub mod jmp {
    #![allow(missing_docs, reason = "the names are those of the eBPF standard")]
    pub const JA: u8 = 0x00;
    pub const JEQ: u8 = 0x10;
    pub const JGT: u8 = 0x20;
    pub const JGE: u8 = 0x30;
    pub const JSET: u8 = 0x40;
    pub const JNE: u8 = 0x50;
    pub const JSGT: u8 = 0x60;
    pub const JSGE: u8 = 0x70;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const JLT: u8 = 0xa0;
    pub const JLE: u8 = 0xb0;
    pub const JSLT: u8 = 0xc0;
    pub const JSLE: u8 = 0xd0;
    pub const JCOND: u8 = 0xe0;
}

/// Immediates of atomic instructions.
pub mod atomic {
    #![allow(missing_docs, reason = "the names are those of the eBPF standard")]
    pub const ADD: i32 = 0x00;
    pub const OR: i32 = 0x40;
    pub const AND: i32 = 0x50;
    pub const XOR: i32 = 0xa0;
    pub const FETCH: i32 = 0x01;
    pub const XCHG: i32 = 0xe1;
    pub const CMPXCHG: i32 = 0xf1;
}

/// What the source field of a 64-bit load or of a call says about the immediate.
pub mod pseudo {
    #![allow(missing_docs, reason = "the names are those of the kernel's header")]
    pub const MAP_FD: u8 = 1;
    pub const MAP_VALUE: u8 = 2;
    pub const FUNC: u8 = 4;
    pub const CALL: u8 = 1;
    pub const KFUNC_CALL: u8 = 2;
}

/// The opcode of the 64-bit immediate load.
pub const LDDW: u8 = class::LD | 0x18 | mode::IMM;

/// One kind of instruction.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The opcode byte.
    pub code: u8,
    /// The source field, where it tells kinds apart.
    pub src: Option<u8>,
    /// The offset field, where it tells kinds apart.
    pub off: Option<i16>,
    /// The immediate, where it tells kinds apart.
    pub imm: Option<i32>,
    /// How it is printed: `{d}` and `{s}` are register numbers, `{i}` the immediate, `{x}` the same in base 16,
    /// `{o}` the signed offset, `{j}` the immediate as a signed distance, `{h}` a helper.
    pub text: &'static str,
}

const fn row(code: u8, text: &'static str) -> Row {
    Row { code, src: None, off: None, imm: None, text }
}

const fn row_src(code: u8, src: u8, text: &'static str) -> Row {
    Row { code, src: Some(src), off: None, imm: None, text }
}

const fn row_off(code: u8, off: i16, text: &'static str) -> Row {
    Row { code, src: None, off: Some(off), imm: None, text }
}

const fn row_imm(code: u8, imm: i32, text: &'static str) -> Row {
    Row { code, src: None, off: None, imm: Some(imm), text }
}

/// Every kind of instruction that the compiler emits or the printer knows.
pub static ROWS: &[Row] = &[
    // 64-bit arithmetic.
    row(0x07, "r{d} += {i}"),
    row(0x0f, "r{d} += r{s}"),
    row(0x17, "r{d} -= {i}"),
    row(0x1f, "r{d} -= r{s}"),
    row(0x27, "r{d} *= {i}"),
    row(0x2f, "r{d} *= r{s}"),
    row_off(0x37, 0, "r{d} /= {i}"),
    row_off(0x3f, 0, "r{d} /= r{s}"),
    row_off(0x37, 1, "r{d} s/= {i}"),
    row_off(0x3f, 1, "r{d} s/= r{s}"),
    row(0x47, "r{d} |= {i}"),
    row(0x4f, "r{d} |= r{s}"),
    row(0x57, "r{d} &= {i}"),
    row(0x5f, "r{d} &= r{s}"),
    row(0x67, "r{d} <<= {i}"),
    row(0x6f, "r{d} <<= r{s}"),
    row(0x77, "r{d} >>= {i}"),
    row(0x7f, "r{d} >>= r{s}"),
    row(0x87, "r{d} = -r{d}"),
    row_off(0x97, 0, "r{d} %= {i}"),
    row_off(0x9f, 0, "r{d} %= r{s}"),
    row_off(0x97, 1, "r{d} s%= {i}"),
    row_off(0x9f, 1, "r{d} s%= r{s}"),
    row(0xa7, "r{d} ^= {i}"),
    row(0xaf, "r{d} ^= r{s}"),
    row(0xb7, "r{d} = {i}"),
    row_off(0xbf, 0, "r{d} = r{s}"),
    row_off(0xbf, 8, "r{d} = (s8)r{s}"),
    row_off(0xbf, 16, "r{d} = (s16)r{s}"),
    row_off(0xbf, 32, "r{d} = (s32)r{s}"),
    row(0xc7, "r{d} s>>= {i}"),
    row(0xcf, "r{d} s>>= r{s}"),
    row_imm(0xd7, 16, "r{d} = bswap16 r{d}"),
    row_imm(0xd7, 32, "r{d} = bswap32 r{d}"),
    row_imm(0xd7, 64, "r{d} = bswap64 r{d}"),
    // 32-bit arithmetic.
    row(0x04, "w{d} += {i}"),
    row(0x0c, "w{d} += w{s}"),
    row(0x14, "w{d} -= {i}"),
    row(0x1c, "w{d} -= w{s}"),
    row(0x24, "w{d} *= {i}"),
    row(0x2c, "w{d} *= w{s}"),
    row_off(0x34, 0, "w{d} /= {i}"),
    row_off(0x3c, 0, "w{d} /= w{s}"),
    row_off(0x34, 1, "w{d} s/= {i}"),
    row_off(0x3c, 1, "w{d} s/= w{s}"),
    row(0x44, "w{d} |= {i}"),
    row(0x4c, "w{d} |= w{s}"),
    row(0x54, "w{d} &= {i}"),
    row(0x5c, "w{d} &= w{s}"),
    row(0x64, "w{d} <<= {i}"),
    row(0x6c, "w{d} <<= w{s}"),
    row(0x74, "w{d} >>= {i}"),
    row(0x7c, "w{d} >>= w{s}"),
    row(0x84, "w{d} = -w{d}"),
    row_off(0x94, 0, "w{d} %= {i}"),
    row_off(0x9c, 0, "w{d} %= w{s}"),
    row_off(0x94, 1, "w{d} s%= {i}"),
    row_off(0x9c, 1, "w{d} s%= w{s}"),
    row(0xa4, "w{d} ^= {i}"),
    row(0xac, "w{d} ^= w{s}"),
    row(0xb4, "w{d} = {i}"),
    row_off(0xbc, 0, "w{d} = w{s}"),
    row_off(0xbc, 8, "w{d} = (s8)w{s}"),
    row_off(0xbc, 16, "w{d} = (s16)w{s}"),
    row(0xc4, "w{d} s>>= {i}"),
    row(0xcc, "w{d} s>>= w{s}"),
    row_imm(0xd4, 16, "r{d} = le16 r{d}"),
    row_imm(0xd4, 32, "r{d} = le32 r{d}"),
    row_imm(0xd4, 64, "r{d} = le64 r{d}"),
    row_imm(0xdc, 16, "r{d} = be16 r{d}"),
    row_imm(0xdc, 32, "r{d} = be32 r{d}"),
    row_imm(0xdc, 64, "r{d} = be64 r{d}"),
    // 64-bit immediates. The second half stands in the next slot, which has opcode 0.
    row_src(0x18, 0, "r{d} = {x} ll"),
    row_src(0x18, pseudo::MAP_FD, "r{d} = map[{i}]"),
    row_src(0x18, pseudo::MAP_VALUE, "r{d} = map[{i}].value"),
    row_src(0x18, pseudo::FUNC, "r{d} = function {j}"),
    row(0x00, ".second {x}"),
    // Loads.
    row(0x61, "r{d} = *(u32 *)(r{s} {o})"),
    row(0x69, "r{d} = *(u16 *)(r{s} {o})"),
    row(0x71, "r{d} = *(u8 *)(r{s} {o})"),
    row(0x79, "r{d} = *(u64 *)(r{s} {o})"),
    row(0x81, "r{d} = *(s32 *)(r{s} {o})"),
    row(0x89, "r{d} = *(s16 *)(r{s} {o})"),
    row(0x91, "r{d} = *(s8 *)(r{s} {o})"),
    // Stores.
    row(0x62, "*(u32 *)(r{d} {o}) = {i}"),
    row(0x6a, "*(u16 *)(r{d} {o}) = {i}"),
    row(0x72, "*(u8 *)(r{d} {o}) = {i}"),
    row(0x7a, "*(u64 *)(r{d} {o}) = {i}"),
    row(0x63, "*(u32 *)(r{d} {o}) = r{s}"),
    row(0x6b, "*(u16 *)(r{d} {o}) = r{s}"),
    row(0x73, "*(u8 *)(r{d} {o}) = r{s}"),
    row(0x7b, "*(u64 *)(r{d} {o}) = r{s}"),
    // Atomics.
    row_imm(0xc3, 0x00, "lock *(u32 *)(r{d} {o}) += r{s}"),
    row_imm(0xc3, 0x40, "lock *(u32 *)(r{d} {o}) |= r{s}"),
    row_imm(0xc3, 0x50, "lock *(u32 *)(r{d} {o}) &= r{s}"),
    row_imm(0xc3, 0xa0, "lock *(u32 *)(r{d} {o}) ^= r{s}"),
    row_imm(0xc3, 0x01, "w{s} = atomic_fetch_add((u32 *)(r{d} {o}), w{s})"),
    row_imm(0xc3, 0x41, "w{s} = atomic_fetch_or((u32 *)(r{d} {o}), w{s})"),
    row_imm(0xc3, 0x51, "w{s} = atomic_fetch_and((u32 *)(r{d} {o}), w{s})"),
    row_imm(0xc3, 0xa1, "w{s} = atomic_fetch_xor((u32 *)(r{d} {o}), w{s})"),
    row_imm(0xc3, 0xe1, "w{s} = xchg((u32 *)(r{d} {o}), w{s})"),
    row_imm(0xc3, 0xf1, "w0 = cmpxchg((u32 *)(r{d} {o}), w0, w{s})"),
    row_imm(0xdb, 0x00, "lock *(u64 *)(r{d} {o}) += r{s}"),
    row_imm(0xdb, 0x40, "lock *(u64 *)(r{d} {o}) |= r{s}"),
    row_imm(0xdb, 0x50, "lock *(u64 *)(r{d} {o}) &= r{s}"),
    row_imm(0xdb, 0xa0, "lock *(u64 *)(r{d} {o}) ^= r{s}"),
    row_imm(0xdb, 0x01, "r{s} = atomic_fetch_add((u64 *)(r{d} {o}), r{s})"),
    row_imm(0xdb, 0x41, "r{s} = atomic_fetch_or((u64 *)(r{d} {o}), r{s})"),
    row_imm(0xdb, 0x51, "r{s} = atomic_fetch_and((u64 *)(r{d} {o}), r{s})"),
    row_imm(0xdb, 0xa1, "r{s} = atomic_fetch_xor((u64 *)(r{d} {o}), r{s})"),
    row_imm(0xdb, 0xe1, "r{s} = xchg((u64 *)(r{d} {o}), r{s})"),
    row_imm(0xdb, 0xf1, "r0 = cmpxchg((u64 *)(r{d} {o}), r0, r{s})"),
    // Jumps.
    row(0x05, "goto {o}"),
    row(0x06, "gotol {j}"),
    row(0xe5, "may_goto {o}"),
    row(0x15, "if r{d} == {i} goto {o}"),
    row(0x1d, "if r{d} == r{s} goto {o}"),
    row(0x25, "if r{d} > {i} goto {o}"),
    row(0x2d, "if r{d} > r{s} goto {o}"),
    row(0x35, "if r{d} >= {i} goto {o}"),
    row(0x3d, "if r{d} >= r{s} goto {o}"),
    row(0x45, "if r{d} & {i} goto {o}"),
    row(0x4d, "if r{d} & r{s} goto {o}"),
    row(0x55, "if r{d} != {i} goto {o}"),
    row(0x5d, "if r{d} != r{s} goto {o}"),
    row(0x65, "if r{d} s> {i} goto {o}"),
    row(0x6d, "if r{d} s> r{s} goto {o}"),
    row(0x75, "if r{d} s>= {i} goto {o}"),
    row(0x7d, "if r{d} s>= r{s} goto {o}"),
    row(0xa5, "if r{d} < {i} goto {o}"),
    row(0xad, "if r{d} < r{s} goto {o}"),
    row(0xb5, "if r{d} <= {i} goto {o}"),
    row(0xbd, "if r{d} <= r{s} goto {o}"),
    row(0xc5, "if r{d} s< {i} goto {o}"),
    row(0xcd, "if r{d} s< r{s} goto {o}"),
    row(0xd5, "if r{d} s<= {i} goto {o}"),
    row(0xdd, "if r{d} s<= r{s} goto {o}"),
    row(0x16, "if w{d} == {i} goto {o}"),
    row(0x1e, "if w{d} == w{s} goto {o}"),
    row(0x26, "if w{d} > {i} goto {o}"),
    row(0x2e, "if w{d} > w{s} goto {o}"),
    row(0x36, "if w{d} >= {i} goto {o}"),
    row(0x3e, "if w{d} >= w{s} goto {o}"),
    row(0x46, "if w{d} & {i} goto {o}"),
    row(0x4e, "if w{d} & w{s} goto {o}"),
    row(0x56, "if w{d} != {i} goto {o}"),
    row(0x5e, "if w{d} != w{s} goto {o}"),
    row(0x66, "if w{d} s> {i} goto {o}"),
    row(0x6e, "if w{d} s> w{s} goto {o}"),
    row(0x76, "if w{d} s>= {i} goto {o}"),
    row(0x7e, "if w{d} s>= w{s} goto {o}"),
    row(0xa6, "if w{d} < {i} goto {o}"),
    row(0xae, "if w{d} < w{s} goto {o}"),
    row(0xb6, "if w{d} <= {i} goto {o}"),
    row(0xbe, "if w{d} <= w{s} goto {o}"),
    row(0xc6, "if w{d} s< {i} goto {o}"),
    row(0xce, "if w{d} s< w{s} goto {o}"),
    row(0xd6, "if w{d} s<= {i} goto {o}"),
    row(0xde, "if w{d} s<= w{s} goto {o}"),
    // Calls and the end.
    row_src(0x85, 0, "call {h}"),
    row_src(0x85, pseudo::CALL, "call {j}"),
    row_src(0x85, pseudo::KFUNC_CALL, "call kfunc {i}"),
    row(0x95, "exit"),
];

impl Insn {
    /// The eight bytes, in the byte order of the machine that compiles (which is the one that runs the program).
    pub fn encode(self) -> [u8; 8] {
        let registers =
            if cfg!(target_endian = "little") { self.src << 4 | self.dst & 15 } else { self.dst << 4 | self.src & 15 };
        let [off0, off1] = self.off.to_ne_bytes();
        let [imm0, imm1, imm2, imm3] = self.imm.to_ne_bytes();
        [self.code, registers, off0, off1, imm0, imm1, imm2, imm3]
    }

    /// The instruction that eight bytes stand for.
    pub fn decode(bytes: [u8; 8]) -> Insn {
        let [code, registers, off0, off1, imm0, imm1, imm2, imm3] = bytes;
        let (low, high) = (registers & 15, registers >> 4);
        let (dst, src) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        Insn {
            code,
            dst,
            src,
            off: i16::from_ne_bytes([off0, off1]),
            imm: i32::from_ne_bytes([imm0, imm1, imm2, imm3]),
        }
    }

    /// The kind of the instruction, if it is one.
    pub fn row(&self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.matches(self))
    }

    /// Whether this is the first half of a 64-bit immediate load.
    pub fn is_wide(&self) -> bool {
        self.code == LDDW
    }
}

impl Row {
    fn matches(&self, insn: &Insn) -> bool {
        self.code == insn.code
            && self.src.is_none_or(|src| src == insn.src)
            && self.off.is_none_or(|off| off == insn.off)
            && self.imm.is_none_or(|imm| imm == insn.imm)
    }
}

impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(row) = self.row() else {
            return write!(f, "unknown {:#04x}", self.code);
        };
        let mut parts = row.text.split('{');
        f.write_str(parts.next().unwrap_or_default())?;
        for part in parts {
            let (hole, rest) = part.split_once('}').unwrap_or((part, ""));
            match hole {
                "d" => write!(f, "{}", self.dst)?,
                "s" => write!(f, "{}", self.src)?,
                "i" => write!(f, "{}", self.imm)?,
                "x" => write!(f, "{:#x}", self.imm)?,
                "o" => write!(f, "{:+}", self.off)?,
                "j" => write!(f, "{:+}", self.imm)?,
                _ => match Helper::from_number(self.imm as u32) {
                    Some(helper) => write!(f, "{}#{}", helper.name(), self.imm)?,
                    None => write!(f, "unknown#{}", self.imm)?,
                },
            }
            f.write_str(rest)?;
        }
        Ok(())
    }
}

/// Prints a program, one instruction a line, with the number of the slot in front.
pub fn listing(insns: &[Insn]) -> String {
    use fmt::Write;
    let mut text = String::new();
    let mut slots = insns.iter().enumerate();
    while let Some((at, insn)) = slots.next() {
        // Writing to a `String` cannot fail.
        let _ = if insn.is_wide() && insn.src == 0 {
            let high = slots.next().map_or(0, |(_, half)| half.imm);
            let value = (high as u32 as u64) << 32 | insn.imm as u32 as u64;
            writeln!(text, "{at:4}: r{} = {value:#x} ll", insn.dst)
        } else if insn.is_wide() {
            let high = slots.next().map_or(0, |(_, half)| half.imm);
            let addend = if insn.src == pseudo::MAP_VALUE { format!(" +{high}") } else { String::new() };
            writeln!(text, "{at:4}: {insn}{addend}")
        } else {
            writeln!(text, "{at:4}: {insn}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(row: &Row) -> Insn {
        Insn {
            code: row.code,
            dst: 3,
            src: row.src.unwrap_or(7),
            off: row.off.unwrap_or(-20),
            imm: row.imm.unwrap_or(14),
        }
    }

    #[test]
    fn encode_decode_and_print_agree_for_every_row() {
        let mut texts = std::collections::BTreeSet::new();
        for row in ROWS {
            let insn = sample(row);
            assert_eq!(Insn::decode(insn.encode()), insn);
            let found = insn.row().expect("a sample of a row has that row");
            assert_eq!(found.text, row.text, "two rows claim {insn:?}");
            assert_eq!(ROWS.iter().filter(|row| row.matches(&insn)).count(), 1, "{}", row.text);
            let text = insn.to_string();
            assert!(!text.contains(['{', '}']), "{text}");
            assert!(texts.insert(text.clone()), "two rows print as {text}");
        }
    }

    #[test]
    fn the_text_is_that_of_the_verifier() {
        let text = |code, dst, src, off, imm| Insn { code, dst, src, off, imm }.to_string();
        assert_eq!(text(0x79, 0, 1, 8, 0), "r0 = *(u64 *)(r1 +8)");
        assert_eq!(text(0x25, 1, 0, 3, 5), "if r1 > 5 goto +3");
        assert_eq!(text(0xbc, 1, 2, 0, 0), "w1 = w2");
        assert_eq!(text(0xdb, 1, 2, 0, 0), "lock *(u64 *)(r1 +0) += r2");
        assert_eq!(text(0x18, 1, 1, 0, 3), "r1 = map[3]");
        assert_eq!(text(0x85, 0, 0, 0, 14), "call get_current_pid_tgid#14");
        assert_eq!(text(0xff, 0, 0, 0, 0), "unknown 0xff");
    }
}
