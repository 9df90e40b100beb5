//! Register allocation, by regalloc2.
//!
//! r0 to r5 are preferred: a call destroys them, but nothing has to be saved for using them either. r6 to r9 survive
//! calls, r10 is the frame pointer and belongs to nobody. No register is set aside for moving values around, as there
//! are few enough; the allocator finds one where it needs one.

use crate::error::CodegenError;
use crate::frame::Frame;
use crate::vcode::{Address, Block, Func, Inst, Label, Operand, Reg, Role, Size, Virtual, Width};
use regalloc2 as ra;
use regalloc2::{Allocation, InstRange, MachineEnv, PReg, PRegSet, RegClass, VReg};

/// Gives each virtual register a real one or a place on the stack.
pub fn allocate(func: Func<Virtual>) -> Result<Func<Reg>, CodegenError> {
    let flat = Flat::new(&func);
    let machine = machine();
    let options =
        ra::RegallocOptions { validate_ssa: cfg!(debug_assertions), algorithm: ra::Algorithm::Ion, verbose_log: false };
    let output =
        ra::run(&flat, &machine, &options).map_err(|error| CodegenError::Allocation(format!("{error}\n{func}")))?;
    check(&flat, &machine, &output, &func)?;
    let frame = Frame::place(&func.slots, output.num_spillslots as u32)?;
    Ok(rewrite(&func, &flat, &output, &frame))
}

fn machine() -> MachineEnv {
    let set = |numbers: std::ops::RangeInclusive<u8>| {
        numbers.fold(PRegSet::empty(), |set, number| set.with(preg(Reg(number))))
    };
    MachineEnv {
        preferred_regs_by_class: [set(0..=5), PRegSet::empty(), PRegSet::empty()],
        non_preferred_regs_by_class: [set(6..=9), PRegSet::empty(), PRegSet::empty()],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

/// Proves, in debug builds, that every use finds the value that was defined for it.
fn check(flat: &Flat, machine: &MachineEnv, output: &ra::Output, func: &Func<Virtual>) -> Result<(), CodegenError> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let mut checker = ra::checker::Checker::new(flat, machine);
    checker.prepare(output);
    checker.run().map_err(|errors| CodegenError::Allocation(format!("{errors:?}\n{func}")))
}

fn preg(reg: Reg) -> PReg {
    PReg::new(reg.0.into(), RegClass::Int)
}

fn vreg(reg: Virtual) -> VReg {
    VReg::new(reg.0 as usize, RegClass::Int)
}

/// The function as the allocator wants to see it: all instructions in one row, operands and edges in tables.
struct Flat<'f> {
    insts: Vec<&'f Inst<Virtual>>,
    operands: Vec<Vec<ra::Operand>>,
    ranges: Vec<InstRange>,
    succs: Vec<Vec<ra::Block>>,
    preds: Vec<Vec<ra::Block>>,
    params: Vec<Vec<VReg>>,
    args: Vec<Vec<VReg>>,
    registers: usize,
}

impl<'f> Flat<'f> {
    fn new(func: &'f Func<Virtual>) -> Self {
        let count = func.blocks.len();
        let mut flat = Flat {
            insts: Vec::new(),
            operands: Vec::new(),
            ranges: Vec::with_capacity(count),
            succs: Vec::with_capacity(count),
            preds: vec![Vec::new(); count],
            params: Vec::with_capacity(count),
            args: Vec::with_capacity(count),
            registers: func.registers as usize,
        };
        for (index, block) in func.blocks.iter().enumerate() {
            let start = flat.insts.len();
            for (inst, _) in &block.insts {
                flat.insts.push(inst);
                flat.operands.push(operands(inst));
            }
            flat.ranges.push(InstRange::new(ra::Inst::new(start), ra::Inst::new(flat.insts.len())));
            let last = block.insts.last().map(|(inst, _)| inst);
            let succs: Vec<_> =
                last.into_iter().flat_map(Inst::successors).map(|Label(to)| ra::Block::new(to as usize)).collect();
            for succ in &succs {
                flat.preds[succ.index()].push(ra::Block::new(index));
            }
            flat.succs.push(succs);
            flat.params.push(block.params.iter().copied().map(vreg).collect());
            flat.args.push(block.args.iter().copied().map(vreg).collect());
        }
        flat
    }
}

/// What the allocator must know of an instruction's registers, in the order of `Inst::map`.
fn operands(inst: &Inst<Virtual>) -> Vec<ra::Operand> {
    let mut operands = Vec::new();
    inst.map(&mut |reg, role| {
        let reg = vreg(reg);
        operands.push(match role {
            Role::Use => ra::Operand::reg_use(reg),
            Role::UseFixed(fixed) => ra::Operand::reg_fixed_use(reg, preg(fixed)),
            Role::Def => ra::Operand::reg_def(reg),
            Role::DefEarly => ra::Operand::reg_def_at_start(reg),
            Role::DefFixed(fixed) => ra::Operand::reg_fixed_def(reg, preg(fixed)),
            Role::DefReuse => ra::Operand::reg_reuse_def(reg, 0),
        });
    });
    operands
}

impl ra::Function for Flat<'_> {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.ranges.len()
    }

    fn entry_block(&self) -> ra::Block {
        ra::Block::new(0)
    }

    fn block_insns(&self, block: ra::Block) -> InstRange {
        self.ranges[block.index()]
    }

    fn block_succs(&self, block: ra::Block) -> &[ra::Block] {
        &self.succs[block.index()]
    }

    fn block_preds(&self, block: ra::Block) -> &[ra::Block] {
        &self.preds[block.index()]
    }

    fn block_params(&self, block: ra::Block) -> &[VReg] {
        &self.params[block.index()]
    }

    fn is_ret(&self, inst: ra::Inst) -> bool {
        matches!(self.insts[inst.index()], Inst::Return { .. })
    }

    fn is_branch(&self, inst: ra::Inst) -> bool {
        matches!(self.insts[inst.index()], Inst::Jump { .. } | Inst::Branch { .. } | Inst::MayGoto { .. })
    }

    fn branch_blockparams(&self, block: ra::Block, _: ra::Inst, _: usize) -> &[VReg] {
        &self.args[block.index()]
    }

    fn inst_operands(&self, inst: ra::Inst) -> &[ra::Operand] {
        &self.operands[inst.index()]
    }

    fn inst_clobbers(&self, inst: ra::Inst) -> PRegSet {
        let Inst::Call { dst, .. } = self.insts[inst.index()] else {
            return PRegSet::empty();
        };
        // A result is a definition of r0 and must not be named twice.
        let first = if dst.is_some() { 1 } else { 0 };
        (first..=5).fold(PRegSet::empty(), |set, number| set.with(preg(Reg(number))))
    }

    fn num_vregs(&self) -> usize {
        self.registers
    }

    fn spillslot_size(&self, _: RegClass) -> usize {
        1
    }
}

/// Puts the allocator's decisions and the frame's offsets into the instructions.
fn rewrite(func: &Func<Virtual>, flat: &Flat, output: &ra::Output, frame: &Frame) -> Func<Reg> {
    let mut blocks = Vec::with_capacity(func.blocks.len());
    for (index, block) in func.blocks.iter().enumerate() {
        let mut insts = Vec::with_capacity(block.insts.len());
        let mut sources = block.insts.iter();
        for item in output.block_insts_and_edits(flat, ra::Block::new(index)) {
            match item {
                ra::InstOrEdit::Edit(ra::Edit::Move { from, to }) => {
                    // A move belongs to the instruction that it prepares.
                    let loc = sources.as_slice().first().map(|(_, loc)| *loc).unwrap_or_default();
                    insts.push((transfer(*from, *to, frame), loc));
                }
                ra::InstOrEdit::Inst(inst) => {
                    let mut allocations = output.inst_allocs(inst).iter();
                    let (source, loc) = sources.next().expect("the allocator keeps every instruction");
                    let inst = source.map(&mut |_, _| {
                        allocations
                            .next()
                            .and_then(|allocation| allocation.as_reg())
                            .map(|preg| Reg(preg.hw_enc() as u8))
                            .expect("every operand is constrained to a register")
                    });
                    insts.push((resolve_slots(inst, frame), *loc));
                }
            }
        }
        blocks.push(Block { params: Vec::new(), args: Vec::new(), insts });
    }
    Func { blocks, registers: 0, slots: func.slots.clone(), frame: frame.size }
}

/// A move that the allocator asks for.
fn transfer(from: Allocation, to: Allocation, frame: &Frame) -> Inst<Reg> {
    let reg = |allocation: Allocation| allocation.as_reg().map(|preg| Reg(preg.hw_enc() as u8));
    let place = |allocation: Allocation| {
        let slot = allocation.as_stack().expect("an allocation is a register or a stack slot");
        Address::Base(Reg::FRAME, frame.spill(slot.index()) as i16)
    };
    match (reg(from), reg(to)) {
        (Some(src), Some(dst)) => Inst::Move { width: Width::W64, dst, src },
        (Some(src), None) => Inst::Store { size: Size::B64, to: place(to), value: Operand::Reg(src) },
        (None, Some(dst)) => Inst::Load { size: Size::B64, signed: false, dst, from: place(from) },
        (None, None) => unreachable!("the allocator never moves from stack to stack"),
    }
}

/// Replaces stack slots by offsets from r10.
fn resolve_slots(mut inst: Inst<Reg>, frame: &Frame) -> Inst<Reg> {
    if let Inst::SlotAddress { slot, offset, .. } = &mut inst {
        *offset += frame.slot(slot.0 as usize);
    }
    let address = match &mut inst {
        Inst::Load { from, .. } => from,
        Inst::Store { to, .. } | Inst::Atomic { to, .. } | Inst::CompareExchange { to, .. } => to,
        _ => return inst,
    };
    if let Address::Slot(slot, offset) = *address {
        // An offset out of the slot is the verifier's to refuse; one out of 16 bits must not come back into the frame.
        let offset = (frame.slot(slot.0 as usize) + offset).clamp(i16::MIN.into(), i16::MAX.into());
        *address = Address::Base(Reg::FRAME, offset as i16);
    }
    inst
}
