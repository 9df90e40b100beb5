//! From instructions with real registers to bytes: layout, jump distances, the line table.
//!
//! Blocks keep their order. One that does nothing but jump is skipped by those who would jump to it, and a jump to what
//! comes next anyway is left out. Jumps start short and grow until nothing changes any more.

use crate::error::CodegenError;
use crate::insn::{Insn, LDDW, REGISTER, alu, atomic, class, jmp, mode, pseudo};
use crate::select::Features;
use crate::symbol::Symbol;
use crate::vcode::{Address, Alu, Block, Cond, Func, Inst, Label, Operand, Reg, Rmw, Size, Test, Unary, Width};
use cranelift_codegen::ir::SourceLoc;

/// A reference that the loader, or whoever writes the object, must fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reloc {
    /// The slot of the instruction.
    pub at: u32,
    /// What it refers to.
    pub symbol: Symbol,
    /// How far behind the start of a data section.
    pub addend: i32,
}

/// A compiled function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The instructions; a 64-bit load takes two slots.
    pub insns: Vec<Insn>,
    /// References to be filled in, by slot.
    pub relocs: Vec<Reloc>,
    /// Where in the source the instructions from a slot on come from.
    pub lines: Vec<(u32, SourceLoc)>,
    /// Bytes of stack in use.
    pub frame: u32,
    /// How many parameters the function has.
    pub params: u32,
}

/// Encodes a function.
pub fn encode(func: &Func<Reg>, features: &Features) -> Result<Code, CodegenError> {
    let forward = forwarding(func);
    let pieces = Pieces::of(func, &forward);
    let (starts, is_long) = pieces.measure(features)?;
    let params = match func.blocks.first().and_then(|block| block.insts.first()) {
        Some((Inst::Entry { params }, _)) => params.len() as u32,
        _ => 0,
    };
    Ok(Code { params, ..pieces.assemble(&starts, &is_long, func.frame) })
}

/// For each block, where a jump to it ends up.
fn forwarding(func: &Func<Reg>) -> Vec<usize> {
    let next = |index: usize| match func.blocks[index].insts.iter().find(|(inst, _)| !is_nothing(inst)) {
        Some((Inst::Jump { to: Label(to) }, _)) => Some(*to as usize),
        _ => None,
    };
    (0..func.blocks.len())
        .map(|start| {
            let mut end = start;
            // A loop of empty blocks has no end; as many steps as there are blocks show that.
            for _ in 0..func.blocks.len() {
                match next(end) {
                    Some(to) => end = to,
                    None => return end,
                }
            }
            start
        })
        .collect()
}

/// Whether an instruction leaves everything as it was.
fn is_nothing(inst: &Inst<Reg>) -> bool {
    match *inst {
        Inst::Entry { .. } => true,
        Inst::Move { width: Width::W64, dst, src } => dst == src,
        Inst::Move { .. } => false,
        Inst::Select { dst, no: Operand::Reg(no), .. } => dst == no,
        _ => false,
    }
}

/// How a block ends.
#[derive(Clone, Copy)]
enum Exit {
    /// With a return, or by running into the next block.
    Through,
    Jump(usize),
    Branch(Test<Reg>, usize),
    MayGoto(usize),
}

/// A part of the program: instructions without jumps out of it, then perhaps one jump.
struct Piece {
    /// The block that this is the beginning of.
    block: Option<usize>,
    code: Code,
    exit: Exit,
    loc: SourceLoc,
}

struct Pieces {
    pieces: Vec<Piece>,
    blocks: usize,
}

impl Pieces {
    fn of(func: &Func<Reg>, forward: &[usize]) -> Pieces {
        let is_reached = reached(func, forward);
        let order: Vec<usize> = (0..func.blocks.len()).filter(|&index| is_reached[index]).collect();
        let mut pieces = Vec::with_capacity(order.len());
        for (place, &index) in order.iter().enumerate() {
            let next = order.get(place + 1).copied();
            block_pieces(&func.blocks[index], index, next, forward, &mut pieces);
        }
        Pieces { pieces, blocks: func.blocks.len() }
    }

    /// The slot at which each piece starts, and whether its jump is a long one.
    fn measure(&self, features: &Features) -> Result<(Vec<usize>, Vec<bool>), CodegenError> {
        let mut is_long = vec![false; self.pieces.len()];
        loop {
            let mut starts = Vec::with_capacity(self.pieces.len() + 1);
            let mut at = 0;
            for (piece, &is_long) in self.pieces.iter().zip(&is_long) {
                starts.push(at);
                at += piece.code.insns.len() + piece.exit.size(is_long);
            }
            starts.push(at);
            let blocks = self.block_starts(&starts);
            let mut is_stable = true;
            for (index, piece) in self.pieces.iter().enumerate() {
                let Some(target) = piece.exit.target() else {
                    continue;
                };
                let distance = blocks[target] as i64 - starts[index + 1] as i64;
                if !is_long[index] && i16::try_from(distance).is_err() {
                    if !features.alu_v4 {
                        return Err(CodegenError::TooLong { insns: at });
                    }
                    is_long[index] = true;
                    is_stable = false;
                }
            }
            if is_stable {
                return Ok((starts, is_long));
            }
        }
    }

    fn block_starts(&self, starts: &[usize]) -> Vec<usize> {
        let mut blocks = vec![0; self.blocks];
        for (piece, &start) in self.pieces.iter().zip(starts) {
            if let Some(block) = piece.block {
                blocks[block] = start;
            }
        }
        blocks
    }

    fn assemble(&self, starts: &[usize], is_long: &[bool], frame: u32) -> Code {
        let blocks = self.block_starts(starts);
        let mut code = Code { frame, ..Code::default() };
        for (index, piece) in self.pieces.iter().enumerate() {
            let start = code.insns.len() as u32;
            code.insns.extend(&piece.code.insns);
            code.relocs.extend(piece.code.relocs.iter().map(|reloc| Reloc { at: reloc.at + start, ..*reloc }));
            for &(at, loc) in &piece.code.lines {
                code.mark(at + start, loc);
            }
            if let Some(target) = piece.exit.target() {
                code.mark(code.insns.len() as u32, piece.loc);
                let distance = blocks[target] as i64 - starts[index + 1] as i64;
                piece.exit.encode(is_long[index], distance, &mut code);
            }
        }
        code
    }
}

impl Exit {
    fn target(self) -> Option<usize> {
        match self {
            Exit::Through => None,
            Exit::Jump(to) | Exit::Branch(_, to) | Exit::MayGoto(to) => Some(to),
        }
    }

    fn size(self, is_long: bool) -> usize {
        match (self, is_long) {
            (Exit::Through, _) => 0,
            (Exit::Branch(test, _), true) if test.cond.inverse().is_none() => 3,
            (Exit::Branch(..), true) => 2,
            (Exit::MayGoto(_), true) => 3,
            _ => 1,
        }
    }

    /// Encodes the jump; `distance` counts from behind it.
    fn encode(self, is_long: bool, distance: i64, code: &mut Code) {
        let goto = Insn { code: class::JMP | jmp::JA, off: distance as i16, ..Insn::default() };
        let gotol = Insn { code: class::JMP32 | jmp::JA, imm: distance as i32, ..Insn::default() };
        let may_goto = Insn { code: class::JMP | jmp::JCOND, ..Insn::default() };
        match (self, is_long) {
            (Exit::Through, _) => {}
            (Exit::Jump(_), false) => code.insns.push(goto),
            (Exit::Jump(_), true) => code.insns.push(gotol),
            (Exit::Branch(test, _), false) => code.insns.push(branch(test, distance as i16)),
            (Exit::MayGoto(_), false) => code.insns.push(Insn { off: distance as i16, ..may_goto }),
            (Exit::MayGoto(_), true) => {
                code.insns.extend([Insn { off: 1, ..may_goto }, Insn { off: 1, ..goto }, gotol])
            }
            (Exit::Branch(test, _), true) => {
                match test.cond.inverse() {
                    Some(cond) => code.insns.push(branch(Test { cond, ..test }, 1)),
                    None => code.insns.extend([branch(test, 1), Insn { off: 1, ..goto }]),
                }
                code.insns.push(gotol);
            }
        }
    }
}

/// The blocks that are left when jumps skip those that only jump on.
fn reached(func: &Func<Reg>, forward: &[usize]) -> Vec<bool> {
    let mut is_reached = vec![false; func.blocks.len()];
    let mut todo = vec![forward[0]];
    while let Some(index) = todo.pop() {
        if std::mem::replace(&mut is_reached[index], true) {
            continue;
        }
        let last = func.blocks[index].insts.last();
        todo.extend(last.into_iter().flat_map(|(inst, _)| inst.successors()).map(|Label(to)| forward[to as usize]));
    }
    is_reached
}

/// Encodes the body of a block and decides which of its jumps are needed.
fn block_pieces(block: &Block<Reg>, index: usize, next: Option<usize>, forward: &[usize], pieces: &mut Vec<Piece>) {
    let mut code = Code::default();
    let mut exits = Vec::new();
    let mut end = SourceLoc::default();
    for (inst, loc) in &block.insts {
        match *inst {
            Inst::Jump { to } => exits = jump(forward[to.0 as usize], next),
            Inst::Branch { test, then, otherwise } => {
                exits = branches(test, forward[then.0 as usize], forward[otherwise.0 as usize], next);
            }
            Inst::MayGoto { stop, go_on } => {
                exits = vec![Exit::MayGoto(forward[stop.0 as usize])];
                exits.extend(jump(forward[go_on.0 as usize], next));
            }
            _ => {
                code.mark(code.insns.len() as u32, *loc);
                code.body(inst);
                continue;
            }
        }
        end = *loc;
    }
    let mut exits = exits.into_iter();
    pieces.push(Piece { block: Some(index), code, exit: exits.next().unwrap_or(Exit::Through), loc: end });
    for exit in exits {
        pieces.push(Piece { block: None, code: Code::default(), exit, loc: end });
    }
}

fn jump(to: usize, next: Option<usize>) -> Vec<Exit> {
    if next == Some(to) { Vec::new() } else { vec![Exit::Jump(to)] }
}

fn branches(test: Test<Reg>, then: usize, otherwise: usize, next: Option<usize>) -> Vec<Exit> {
    if then == otherwise {
        return jump(then, next);
    }
    match test.cond.inverse() {
        Some(cond) if next == Some(then) => vec![Exit::Branch(Test { cond, ..test }, otherwise)],
        _ => {
            let mut exits = vec![Exit::Branch(test, then)];
            exits.extend(jump(otherwise, next));
            exits
        }
    }
}

impl Code {
    /// The functions of the object that it refers to, by their numbers, the first one last.
    pub fn functions(&self) -> Vec<u32> {
        let numbers = self.relocs.iter().rev().filter_map(|reloc| match reloc.symbol {
            Symbol::Subprogram(number) => Some(number),
            _ => None,
        });
        numbers.collect()
    }

    /// Notes where the instructions from slot `at` on come from.
    fn mark(&mut self, at: u32, loc: SourceLoc) {
        if loc.is_default() {
            return;
        }
        match self.lines.last_mut() {
            Some((_, last)) if *last == loc => {}
            Some((slot, last)) if *slot == at => *last = loc,
            _ => self.lines.push((at, loc)),
        }
    }

    fn push(&mut self, code: u8, dst: Reg, src: u8, off: i16, imm: i32) {
        self.insns.push(Insn { code, dst: dst.0, src, off, imm });
    }

    /// An instruction whose second operand may be a register or an immediate.
    fn push_with(&mut self, code: u8, dst: Reg, rhs: Operand<Reg>, off: i16) {
        self.insns.push(with_operand(code, dst, rhs, off));
    }

    fn wide(&mut self, dst: Reg, src: u8, low: i32, high: i32) {
        self.push(LDDW, dst, src, 0, low);
        self.insns.push(Insn { imm: high, ..Insn::default() });
    }

    fn reloc(&mut self, symbol: Symbol, addend: i32) {
        self.relocs.push(Reloc { at: self.insns.len() as u32, symbol, addend });
    }

    /// Encodes an instruction that does not end a block, or a return.
    fn body(&mut self, inst: &Inst<Reg>) {
        if is_nothing(inst) {
            return;
        }
        match *inst {
            Inst::Entry { .. } => {}
            Inst::Alu { op, width, dst, rhs, .. } => {
                let (op, off) = alu_code(op);
                self.push_with(op | alu_class(width), dst, rhs, off);
            }
            Inst::Unary { op: Unary::Neg(width), dst, .. } => self.push(alu::NEG | alu_class(width), dst, 0, 0, 0),
            Inst::Unary { op: Unary::Swap(size), dst, .. } => self.swap(dst, size),
            Inst::Move { width, dst, src } => self.push_with(alu::MOV | alu_class(width), dst, Operand::Reg(src), 0),
            Inst::SignExtend { width, from, dst, src } => {
                self.push_with(alu::MOV | alu_class(width), dst, Operand::Reg(src), from.bits() as i16);
            }
            Inst::Constant { dst, value } => self.constant(dst, value),
            Inst::SymbolAddress { dst, symbol, addend } => self.symbol_address(dst, symbol, addend),
            Inst::SlotAddress { dst, offset, .. } => {
                self.push_with(alu::MOV | class::ALU64, dst, Operand::Reg(Reg::FRAME), 0);
                self.push_with(alu::ADD | class::ALU64, dst, Operand::Imm(offset), 0);
            }
            Inst::Load { size, signed, dst, from } => {
                let (base, off) = place(from);
                let mode = if signed { mode::MEMSX } else { mode::MEM };
                self.push(class::LDX | size_code(size) | mode, dst, base.0, off, 0);
            }
            Inst::Store { size, to, value } => {
                let (base, off) = place(to);
                match value {
                    Operand::Reg(src) => self.push(class::STX | size_code(size) | mode::MEM, base, src.0, off, 0),
                    Operand::Imm(imm) => self.push(class::ST | size_code(size) | mode::MEM, base, 0, off, imm),
                }
            }
            Inst::Atomic { op, size, to, value, dst } => {
                let (base, off) = place(to);
                let fetch = if dst.is_some() { atomic::FETCH } else { 0 };
                let imm = match op {
                    Rmw::Add => atomic::ADD | fetch,
                    Rmw::And => atomic::AND | fetch,
                    Rmw::Or => atomic::OR | fetch,
                    Rmw::Xor => atomic::XOR | fetch,
                    Rmw::Xchg => atomic::XCHG,
                };
                self.push(class::STX | size_code(size) | mode::ATOMIC, base, value.0, off, imm);
            }
            Inst::CompareExchange { size, to, value, .. } => {
                let (base, off) = place(to);
                self.push(class::STX | size_code(size) | mode::ATOMIC, base, value.0, off, atomic::CMPXCHG);
            }
            Inst::SetIf { test, dst } => {
                self.constant(dst, 1);
                self.insns.push(branch(test, 1));
                self.constant(dst, 0);
            }
            Inst::Select { test, dst, no, .. } => {
                self.insns.push(branch(test, 1));
                self.push_with(alu::MOV | class::ALU64, dst, no, 0);
            }
            Inst::Call { callee, .. } => self.call(callee),
            Inst::Return { value } => {
                if value.is_none() {
                    self.constant(Reg(0), 0);
                }
                self.push(class::JMP | jmp::EXIT, Reg(0), 0, 0, 0);
            }
            Inst::Jump { .. } | Inst::Branch { .. } | Inst::MayGoto { .. } => {
                unreachable!("jumps are encoded when distances are known")
            }
        }
    }

    fn swap(&mut self, dst: Reg, size: Size) {
        if size == Size::B8 {
            return;
        }
        // "To the other byte order" is a swap, on every kernel; 0x08 asks for big-endian.
        let to_big = if cfg!(target_endian = "little") { REGISTER } else { 0 };
        self.push(class::ALU32 | alu::END | to_big, dst, 0, 0, size.bits() as i32);
    }

    fn constant(&mut self, dst: Reg, value: i64) {
        if let Ok(imm) = i32::try_from(value) {
            self.push_with(alu::MOV | class::ALU64, dst, Operand::Imm(imm), 0);
        } else if let Ok(imm) = u32::try_from(value) {
            self.push_with(alu::MOV | class::ALU32, dst, Operand::Imm(imm as i32), 0);
        } else {
            self.wide(dst, 0, value as i32, (value >> 32) as i32);
        }
    }

    fn symbol_address(&mut self, dst: Reg, symbol: Symbol, addend: i32) {
        self.reloc(symbol, addend);
        match symbol {
            Symbol::Map(index) => self.wide(dst, pseudo::MAP_FD, index as i32, 0),
            Symbol::Data(_) => self.wide(dst, pseudo::MAP_VALUE, 0, addend),
            Symbol::Subprogram(_) => self.wide(dst, pseudo::FUNC, -1, 0),
            Symbol::Helper(_) | Symbol::Kfunc(_) | Symbol::MayGoto => self.wide(dst, 0, 0, 0),
        }
    }

    fn call(&mut self, callee: Symbol) {
        let (src, imm) = match callee {
            Symbol::Helper(number) => (0, number as i32),
            Symbol::Kfunc(_) => (pseudo::KFUNC_CALL, -1),
            _ => (pseudo::CALL, -1),
        };
        if !matches!(callee, Symbol::Helper(_)) {
            self.reloc(callee, 0);
        }
        self.push(class::JMP | jmp::CALL, Reg(0), src, 0, imm);
    }
}

fn with_operand(code: u8, dst: Reg, rhs: Operand<Reg>, off: i16) -> Insn {
    match rhs {
        Operand::Reg(src) => Insn { code: code | REGISTER, dst: dst.0, src: src.0, off, imm: 0 },
        Operand::Imm(imm) => Insn { code, dst: dst.0, src: 0, off, imm },
    }
}

fn branch(test: Test<Reg>, distance: i16) -> Insn {
    let class = if test.width == Width::W64 { class::JMP } else { class::JMP32 };
    with_operand(class | cond_code(test.cond), test.lhs, test.rhs, distance)
}

fn place(address: Address<Reg>) -> (Reg, i16) {
    match address {
        Address::Base(reg, offset) => (reg, offset),
        Address::Slot(..) => unreachable!("allocation resolves stack slots"),
    }
}

fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => class::ALU32,
        Width::W64 => class::ALU64,
    }
}

/// The opcode bits of an operation, and the offset that makes a division a signed one.
fn alu_code(op: Alu) -> (u8, i16) {
    match op {
        Alu::Add => (alu::ADD, 0),
        Alu::Sub => (alu::SUB, 0),
        Alu::Mul => (alu::MUL, 0),
        Alu::Div => (alu::DIV, 0),
        Alu::Sdiv => (alu::DIV, 1),
        Alu::Mod => (alu::MOD, 0),
        Alu::Smod => (alu::MOD, 1),
        Alu::Or => (alu::OR, 0),
        Alu::And => (alu::AND, 0),
        Alu::Xor => (alu::XOR, 0),
        Alu::Lsh => (alu::LSH, 0),
        Alu::Rsh => (alu::RSH, 0),
        Alu::Arsh => (alu::ARSH, 0),
    }
}

fn size_code(size: Size) -> u8 {
    match size {
        Size::B8 => 0x10,
        Size::B16 => 0x08,
        Size::B32 => 0x00,
        Size::B64 => 0x18,
    }
}

fn cond_code(cond: Cond) -> u8 {
    match cond {
        Cond::Eq => jmp::JEQ,
        Cond::Ne => jmp::JNE,
        Cond::Gt => jmp::JGT,
        Cond::Ge => jmp::JGE,
        Cond::Lt => jmp::JLT,
        Cond::Le => jmp::JLE,
        Cond::Sgt => jmp::JSGT,
        Cond::Sge => jmp::JSGE,
        Cond::Slt => jmp::JSLT,
        Cond::Sle => jmp::JSLE,
        Cond::Set => jmp::JSET,
    }
}
