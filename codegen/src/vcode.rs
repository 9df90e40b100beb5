//! eBPF instructions whose registers are either virtual or real.
//!
//! `Func<Virtual>` is what selection makes: blocks with parameters, as many registers as it likes, stack slots by
//! number. `Func<Reg>` is what allocation makes of it: real registers, every address relative to a register, no
//! parameters. An instruction lists its registers in one place (`Inst::map`), so the operands that the allocator is
//! told about and those that are rewritten afterwards cannot disagree.

use crate::symbol::Symbol;
use cranelift_codegen::ir::SourceLoc;
use std::fmt;

/// A virtual register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Virtual(pub u32);

/// A real register: r0 to r10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u8);

impl Reg {
    /// The frame pointer.
    pub const FRAME: Reg = Reg(10);
}

/// The width of arithmetic and comparisons. A 32-bit operation clears the upper half of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
}

/// The size of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "sizes in bits")]
pub enum Size {
    B8,
    B16,
    B32,
    B64,
}

/// A two-operand operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the eBPF standard")]
pub enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Sdiv,
    Mod,
    Smod,
    Or,
    And,
    Xor,
    Lsh,
    Rsh,
    Arsh,
}

/// A one-operand operation that works in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// Two's complement.
    Neg(Width),
    /// The low bytes reversed and the rest cleared.
    Swap(Size),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the eBPF standard")]
pub enum Cond {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Sgt,
    Sge,
    Slt,
    Sle,
    /// Any bit in common.
    Set,
}

impl Cond {
    /// The comparison that holds exactly when this one does not; there is none for `Set`.
    pub fn inverse(self) -> Option<Cond> {
        Some(match self {
            Cond::Eq => Cond::Ne,
            Cond::Ne => Cond::Eq,
            Cond::Gt => Cond::Le,
            Cond::Ge => Cond::Lt,
            Cond::Lt => Cond::Ge,
            Cond::Le => Cond::Gt,
            Cond::Sgt => Cond::Sle,
            Cond::Sge => Cond::Slt,
            Cond::Slt => Cond::Sge,
            Cond::Sle => Cond::Sgt,
            Cond::Set => return None,
        })
    }

    /// The comparison with its operands exchanged.
    pub fn swapped(self) -> Cond {
        match self {
            Cond::Gt => Cond::Lt,
            Cond::Ge => Cond::Le,
            Cond::Lt => Cond::Gt,
            Cond::Le => Cond::Ge,
            Cond::Sgt => Cond::Slt,
            Cond::Sge => Cond::Sle,
            Cond::Slt => Cond::Sgt,
            Cond::Sle => Cond::Sge,
            same => same,
        }
    }
}

/// The second operand of arithmetic, a comparison or a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand<R> {
    /// A register.
    Reg(R),
    /// An immediate; 64-bit operations extend its sign.
    Imm(i32),
}

/// A comparison with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test<R> {
    /// What is asked.
    pub cond: Cond,
    /// Of how many bits.
    pub width: Width,
    /// The left side.
    pub lhs: R,
    /// The right side.
    pub rhs: Operand<R>,
}

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<R> {
    /// A register and a constant.
    Base(R, i16),
    /// A place in a stack slot. There are none left after allocation.
    Slot(Slot, i32),
}

/// A stack slot, by its place in `Func::slots`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

/// What an atomic instruction does to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the eBPF standard")]
pub enum Rmw {
    Add,
    And,
    Or,
    Xor,
    Xchg,
}

/// A block, by its place in `Func::blocks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// An instruction. Where it has a `dst` and a first source of the same role, allocation gives both one register.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum Inst<R> {
    /// The parameters of the function, in r1 and following. Only the first instruction of all is one.
    Entry { params: Vec<R> },
    /// `dst = lhs op rhs`.
    Alu { op: Alu, width: Width, dst: R, lhs: R, rhs: Operand<R> },
    /// `dst = op src`.
    Unary { op: Unary, dst: R, src: R },
    /// `dst = src`; the 32-bit form clears the upper half.
    Move { width: Width, dst: R, src: R },
    /// `dst = src` with the sign of the low bits extended to the width.
    SignExtend { width: Width, from: Size, dst: R, src: R },
    /// `dst = value`.
    Constant { dst: R, value: i64 },
    /// The address of a map, of a byte of a data section, or of a subprogram.
    SymbolAddress { dst: R, symbol: Symbol, addend: i32 },
    /// An address on the stack.
    SlotAddress { dst: R, slot: Slot, offset: i32 },
    /// A load; the rest of the register is cleared or filled with the sign.
    Load { size: Size, signed: bool, dst: R, from: Address<R> },
    /// A store.
    Store { size: Size, to: Address<R>, value: Operand<R> },
    /// An atomic change of memory; `dst` receives what was there before.
    Atomic { op: Rmw, size: Size, to: Address<R>, value: R, dst: Option<R> },
    /// Compare and exchange: `dst` receives what was there before.
    CompareExchange { size: Size, to: Address<R>, expected: R, value: R, dst: R },
    /// `dst = test ? 1 : 0`.
    SetIf { test: Test<R>, dst: R },
    /// `dst = test ? yes : no`.
    Select { test: Test<R>, dst: R, yes: R, no: Operand<R> },
    /// A call. Arguments are in r1 and following, the result is in r0.
    Call { callee: Symbol, args: Vec<R>, dst: Option<R> },
    /// The end of a block with one successor.
    Jump { to: Label },
    /// The end of a block with two.
    Branch { test: Test<R>, then: Label, otherwise: Label },
    /// The end of a block with two: `stop` when the kernel's allowance of turns is used up.
    MayGoto { stop: Label, go_on: Label },
    /// The end of the function.
    Return { value: Option<R> },
}

/// What an instruction demands of one of its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read before anything is written.
    Use,
    /// Read in this very register.
    UseFixed(Reg),
    /// Written at the end.
    Def,
    /// Written at the end, in this very register.
    DefFixed(Reg),
    /// Written before the last source is read.
    DefEarly,
    /// Written in the register of the instruction's first register operand.
    DefReuse,
}

impl<R: Copy> Operand<R> {
    fn map<S>(self, f: &mut impl FnMut(R, Role) -> S) -> Operand<S> {
        match self {
            Operand::Reg(reg) => Operand::Reg(f(reg, Role::Use)),
            Operand::Imm(imm) => Operand::Imm(imm),
        }
    }
}

impl<R: Copy> Address<R> {
    fn map<S>(self, f: &mut impl FnMut(R, Role) -> S) -> Address<S> {
        match self {
            Address::Base(reg, offset) => Address::Base(f(reg, Role::Use), offset),
            Address::Slot(slot, offset) => Address::Slot(slot, offset),
        }
    }
}

impl<R: Copy> Test<R> {
    fn map<S>(self, f: &mut impl FnMut(R, Role) -> S) -> Test<S> {
        let Test { cond, width, lhs, rhs } = self;
        Test { cond, width, lhs: f(lhs, Role::Use), rhs: rhs.map(f) }
    }
}

impl<R: Copy> Inst<R> {
    /// The same instruction with other registers. `f` sees each register with its role, always in the same order;
    /// where a role is `DefReuse`, the register to share was the first that `f` saw.
    pub fn map<S>(&self, f: &mut impl FnMut(R, Role) -> S) -> Inst<S> {
        match *self {
            Inst::Entry { ref params } => {
                Inst::Entry { params: (1..).zip(params).map(|(n, &param)| f(param, Role::DefFixed(Reg(n)))).collect() }
            }
            Inst::Alu { op, width, dst, lhs, rhs } => {
                let lhs = f(lhs, Role::Use);
                let rhs = rhs.map(f);
                Inst::Alu { op, width, dst: f(dst, Role::DefReuse), lhs, rhs }
            }
            Inst::Unary { op, dst, src } => {
                let src = f(src, Role::Use);
                Inst::Unary { op, dst: f(dst, Role::DefReuse), src }
            }
            Inst::Move { width, dst, src } => {
                let src = f(src, Role::Use);
                Inst::Move { width, dst: f(dst, Role::Def), src }
            }
            Inst::SignExtend { width, from, dst, src } => {
                let src = f(src, Role::Use);
                Inst::SignExtend { width, from, dst: f(dst, Role::Def), src }
            }
            Inst::Constant { dst, value } => Inst::Constant { dst: f(dst, Role::Def), value },
            Inst::SymbolAddress { dst, symbol, addend } => {
                Inst::SymbolAddress { dst: f(dst, Role::Def), symbol, addend }
            }
            Inst::SlotAddress { dst, slot, offset } => Inst::SlotAddress { dst: f(dst, Role::Def), slot, offset },
            Inst::Load { size, signed, dst, from } => {
                let from = from.map(f);
                Inst::Load { size, signed, dst: f(dst, Role::Def), from }
            }
            Inst::Store { size, to, value } => {
                let to = to.map(f);
                Inst::Store { size, to, value: value.map(f) }
            }
            Inst::Atomic { op, size, to, value, dst } => {
                // The value stands first because the result takes its register.
                let value = f(value, Role::Use);
                let to = to.map(f);
                Inst::Atomic { op, size, to, value, dst: dst.map(|dst| f(dst, Role::DefReuse)) }
            }
            Inst::CompareExchange { size, to, expected, value, dst } => {
                let expected = f(expected, Role::UseFixed(Reg(0)));
                let to = to.map(f);
                let value = f(value, Role::Use);
                Inst::CompareExchange { size, to, expected, value, dst: f(dst, Role::DefFixed(Reg(0))) }
            }
            Inst::SetIf { test, dst } => {
                let test = test.map(f);
                Inst::SetIf { test, dst: f(dst, Role::DefEarly) }
            }
            Inst::Select { test, dst, yes, no } => {
                let yes = f(yes, Role::Use);
                let test = test.map(f);
                let no = no.map(f);
                Inst::Select { test, dst: f(dst, Role::DefReuse), yes, no }
            }
            Inst::Call { callee, ref args, dst } => {
                let args = (1..).zip(args).map(|(n, &arg)| f(arg, Role::UseFixed(Reg(n)))).collect();
                Inst::Call { callee, args, dst: dst.map(|dst| f(dst, Role::DefFixed(Reg(0)))) }
            }
            Inst::Jump { to } => Inst::Jump { to },
            Inst::Branch { test, then, otherwise } => Inst::Branch { test: test.map(f), then, otherwise },
            Inst::MayGoto { stop, go_on } => Inst::MayGoto { stop, go_on },
            Inst::Return { value } => Inst::Return { value: value.map(|value| f(value, Role::UseFixed(Reg(0)))) },
        }
    }

    /// The blocks that may follow.
    pub fn successors(&self) -> impl Iterator<Item = Label> + use<R> {
        let (first, second) = match *self {
            Inst::Jump { to } => (Some(to), None),
            Inst::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
            Inst::MayGoto { stop, go_on } => (Some(stop), Some(go_on)),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// A block: a straight piece of code that ends in a jump, a branch or a return.
#[derive(Clone, Debug)]
pub struct Block<R> {
    /// Registers that each predecessor gives a value.
    pub params: Vec<R>,
    /// The values for the parameters of the one successor. A block with two successors passes none.
    pub args: Vec<R>,
    /// The instructions, with the place in the source that each comes from.
    pub insts: Vec<(Inst<R>, SourceLoc)>,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Func<R> {
    /// The blocks, in the order in which they are laid out; the first is the entry.
    pub blocks: Vec<Block<R>>,
    /// How many virtual registers there are.
    pub registers: u32,
    /// The sizes of the stack slots, in bytes.
    pub slots: Vec<u32>,
    /// Bytes of stack in use, known after allocation.
    pub frame: u32,
}

impl fmt::Display for Virtual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block{}", self.0)
    }
}

impl<R: fmt::Display> fmt::Display for Operand<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Reg(reg) => reg.fmt(f),
            Operand::Imm(imm) => imm.fmt(f),
        }
    }
}

impl<R: fmt::Display> fmt::Display for Address<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Base(reg, offset) => write!(f, "[{reg} {offset:+}]"),
            Address::Slot(slot, offset) => write!(f, "[slot{} {offset:+}]", slot.0),
        }
    }
}

impl Width {
    fn suffix(self) -> &'static str {
        match self {
            Width::W32 => ".32",
            Width::W64 => "",
        }
    }
}

impl Size {
    /// How many bits.
    pub fn bits(self) -> u32 {
        match self {
            Size::B8 => 8,
            Size::B16 => 16,
            Size::B32 => 32,
            Size::B64 => 64,
        }
    }
}

impl<R: fmt::Display> fmt::Display for Test<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Test { cond, width, lhs, rhs } = self;
        write!(f, "{lhs} {}{} {rhs}", format!("{cond:?}").to_lowercase(), width.suffix())
    }
}

/// Writes registers with commas between them.
fn list<R: fmt::Display>(regs: &[R]) -> String {
    regs.iter().map(R::to_string).collect::<Vec<_>>().join(", ")
}

impl<R: fmt::Display> fmt::Display for Inst<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |value: &dyn fmt::Debug| format!("{value:?}").to_lowercase();
        match self {
            Inst::Entry { params } => write!(f, "entry {}", list(params)),
            Inst::Alu { op, width, dst, lhs, rhs } => {
                write!(f, "{dst} = {}{} {lhs}, {rhs}", name(op), width.suffix())
            }
            Inst::Unary { op: Unary::Neg(width), dst, src } => write!(f, "{dst} = neg{} {src}", width.suffix()),
            Inst::Unary { op: Unary::Swap(size), dst, src } => write!(f, "{dst} = swap{} {src}", size.bits()),
            Inst::Move { width, dst, src } => write!(f, "{dst} = move{} {src}", width.suffix()),
            Inst::SignExtend { width, from, dst, src } => {
                write!(f, "{dst} = sign{}{} {src}", from.bits(), width.suffix())
            }
            Inst::Constant { dst, value } => write!(f, "{dst} = {value}"),
            Inst::SymbolAddress { dst, symbol, addend } => write!(f, "{dst} = address {symbol} {addend:+}"),
            Inst::SlotAddress { dst, slot, offset } => {
                write!(f, "{dst} = address slot{} {offset:+}", slot.0)
            }
            Inst::Load { size, signed, dst, from } => {
                write!(f, "{dst} = load {}{} {from}", if *signed { "s" } else { "u" }, size.bits())
            }
            Inst::Store { size, to, value } => write!(f, "store u{} {to}, {value}", size.bits()),
            Inst::Atomic { op, size, to, value, dst } => {
                if let Some(dst) = dst {
                    write!(f, "{dst} = ")?;
                }
                write!(f, "atomic {} u{} {to}, {value}", name(op), size.bits())
            }
            Inst::CompareExchange { size, to, expected, value, dst } => {
                write!(f, "{dst} = cmpxchg u{} {to}, {expected}, {value}", size.bits())
            }
            Inst::SetIf { test, dst } => write!(f, "{dst} = {test}"),
            Inst::Select { test, dst, yes, no } => write!(f, "{dst} = {test} ? {yes} : {no}"),
            Inst::Call { callee, args, dst } => {
                if let Some(dst) = dst {
                    write!(f, "{dst} = ")?;
                }
                write!(f, "call {callee}({})", list(args))
            }
            Inst::Jump { to } => write!(f, "jump {to}"),
            Inst::Branch { test, then, otherwise } => write!(f, "if {test} {then} else {otherwise}"),
            Inst::MayGoto { stop, go_on } => write!(f, "may_goto {stop} else {go_on}"),
            Inst::Return { value: Some(value) } => write!(f, "return {value}"),
            Inst::Return { value: None } => write!(f, "return"),
        }
    }
}

impl<R: fmt::Display> fmt::Display for Func<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, size) in self.slots.iter().enumerate() {
            writeln!(f, "slot{index}: {size} bytes")?;
        }
        for (index, block) in self.blocks.iter().enumerate() {
            writeln!(f, "block{index}({}):", list(&block.params))?;
            for (inst, _) in &block.insts {
                match inst {
                    Inst::Jump { to } => writeln!(f, "    jump {to}({})", list(&block.args))?,
                    inst => writeln!(f, "    {inst}")?,
                }
            }
        }
        Ok(())
    }
}
