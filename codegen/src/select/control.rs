//! Selection of calls and of the ends of blocks, and the order of the blocks.
//!
//! The register allocator wants every edge from a block with several successors to a block with several predecessors to
//! have a block of its own. Such a block also takes the edge's arguments, so a branch itself never passes any; those
//! that turn out empty vanish when the code is laid out.

use super::Selector;
use crate::error::CodegenError;
use crate::symbol::Symbol;
use crate::vcode::{Block, Cond, Func, Inst, Label, Operand, Test, Virtual, Width};
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::ir::{self, BlockArg, BlockCall, InstructionData, Opcode, types};

impl Selector<'_> {
    pub(super) fn call(&mut self, inst: ir::Inst) -> Result<(), CodegenError> {
        let InstructionData::Call { func_ref, .. } = self.func.dfg.insts[inst] else {
            return Err(self.unsupported(inst, "only direct calls exist"));
        };
        let name = &self.func.dfg.ext_funcs[func_ref].name;
        let callee = Symbol::resolve(self.func, name)
            .ok_or_else(|| CodegenError::UnknownName(name.display(Some(&self.func.params)).to_string()))?;
        if callee == Symbol::MayGoto {
            // The branch on its result has become the instruction; any other use of it has no meaning.
            return match self.result(inst, 0) {
                None => Ok(()),
                Some(_) => Err(self.unsupported(inst, "only a branch can ask for this")),
            };
        }
        if !matches!(callee, Symbol::Helper(_) | Symbol::Subprogram(_) | Symbol::Kfunc(_)) {
            return Err(self.unsupported(inst, "not a function"));
        }
        let values = self.func.dfg.inst_args(inst);
        if values.len() > 5 {
            return Err(CodegenError::TooManyArguments { given: values.len() });
        }
        if self.func.dfg.inst_results(inst).len() > 1 {
            return Err(self.unsupported(inst, "a call has one result at most"));
        }
        let args = values.iter().map(|&value| self.reg(value)).collect();
        let Some(dst) = self.result(inst, 0) else {
            self.emit(Inst::Call { callee, args, dst: None });
            return Ok(());
        };
        let ty = self.ty(self.func.dfg.first_result(inst));
        if ty == types::I64 {
            self.emit(Inst::Call { callee, args, dst: Some(dst) });
        } else {
            // Helpers fill all of r0, with a sign or with rubbish.
            let raw = self.fresh();
            self.emit(Inst::Call { callee, args, dst: Some(raw) });
            self.truncate_into(ty, dst, raw);
        }
        Ok(())
    }

    /// Translates the end of a block and gives the arguments for its only successor.
    pub(super) fn terminator(&mut self, inst: ir::Inst) -> Result<Vec<Virtual>, CodegenError> {
        match self.func.dfg.insts[inst] {
            InstructionData::Jump { destination, .. } => {
                let args = self.args(inst, destination)?;
                self.emit(Inst::Jump { to: label(destination.block(&self.func.dfg.value_lists)) });
                Ok(args)
            }
            InstructionData::Brif { arg, blocks: [then, otherwise], .. } => {
                let then = self.edge(inst, then)?;
                let otherwise = self.edge(inst, otherwise)?;
                if self.is_may_goto(arg) {
                    self.emit(Inst::MayGoto { stop: then, go_on: otherwise });
                    return Ok(Vec::new());
                }
                let test = self.test(arg);
                self.emit(Inst::Branch { test, then, otherwise });
                Ok(Vec::new())
            }
            InstructionData::BranchTable { arg, table, .. } => {
                self.table(inst, arg, table)?;
                Ok(Vec::new())
            }
            InstructionData::MultiAry { opcode: Opcode::Return, .. } => {
                let value = match *self.func.dfg.inst_args(inst) {
                    [] => None,
                    [value] => Some(self.reg(value)),
                    _ => return Err(self.unsupported(inst, "a function has one result at most")),
                };
                self.emit(Inst::Return { value });
                Ok(Vec::new())
            }
            InstructionData::Trap { .. } => Err(self.unsupported(inst, "eBPF cannot trap; return instead")),
            _ => Err(self.unsupported(inst, "no such end of a block")),
        }
    }

    /// Whether a value says that the kernel's allowance of turns is used up.
    fn is_may_goto(&self, value: ir::Value) -> bool {
        let Some((_, InstructionData::Call { func_ref, .. })) = self.definition(value) else { return false };
        Symbol::resolve(self.func, &self.func.dfg.ext_funcs[*func_ref].name) == Some(Symbol::MayGoto)
    }

    fn args(&mut self, inst: ir::Inst, call: BlockCall) -> Result<Vec<Virtual>, CodegenError> {
        let func = self.func;
        call.args(&func.dfg.value_lists)
            .map(|arg| match arg {
                BlockArg::Value(value) => Ok(self.reg(value)),
                _ => Err(self.unsupported(inst, "exceptions do not exist")),
            })
            .collect()
    }

    /// Where a branch jumps to: the block itself, or a new one on the way to it.
    fn edge(&mut self, inst: ir::Inst, call: BlockCall) -> Result<Label, CodegenError> {
        let pool = &self.func.dfg.value_lists;
        let target = call.block(pool);
        if call.len(pool) == 0 && self.edges[target] == 1 {
            return Ok(label(target));
        }
        let outer = std::mem::take(&mut self.here);
        let args = self.args(inst, call)?;
        self.emit(Inst::Jump { to: label(target) });
        let insts = std::mem::replace(&mut self.here, outer);
        Ok(self.add_block(Block { params: Vec::new(), args, insts }))
    }

    fn add_block(&mut self, block: Block<Virtual>) -> Label {
        let label = Label(self.blocks.len() as u32);
        self.blocks.push(Some(block));
        self.extra[self.current].push(label);
        label
    }

    /// A table of jumps: eBPF has no indirect jump, so it becomes a chain of comparisons.
    fn table(&mut self, inst: ir::Inst, index: ir::Value, table: ir::JumpTable) -> Result<(), CodegenError> {
        let table = &self.func.dfg.jump_tables[table];
        let targets = table.as_slice().iter().map(|&call| self.edge(inst, call)).collect::<Result<Vec<_>, _>>()?;
        let mut otherwise = self.edge(inst, table.default_block())?;
        let Some((&first, rest)) = targets.split_first() else {
            self.emit(Inst::Jump { to: otherwise });
            return Ok(());
        };
        let lhs = self.reg(index);
        let test = |n: usize| Test { cond: Cond::Eq, width: Width::W64, lhs, rhs: Operand::Imm(n as i32) };
        for (n, &then) in rest.iter().enumerate().rev() {
            let insts = vec![(Inst::Branch { test: test(n + 1), then, otherwise }, self.loc)];
            otherwise = self.add_block(Block { params: Vec::new(), args: Vec::new(), insts });
        }
        self.emit(Inst::Branch { test: test(0), then: first, otherwise });
        Ok(())
    }

    pub(super) fn count_edges(&mut self) {
        let dfg = &self.func.dfg;
        for block in self.func.layout.blocks() {
            let Some(last) = self.func.layout.last_inst(block) else {
                continue;
            };
            for call in dfg.insts[last].branch_destination(&dfg.jump_tables, &dfg.exception_tables) {
                self.edges[call.block(&dfg.value_lists)] += 1;
            }
        }
    }

    /// Puts the blocks in order (that of the function, each followed by those that were made for it) and numbers them.
    pub(super) fn lay_out(mut self, domtree: &DominatorTree) -> Result<Func<Virtual>, CodegenError> {
        if self.func.layout.entry_block().is_some_and(|entry| self.edges[entry] > 0) {
            return Err(CodegenError::Unsupported {
                what: "a jump to the entry block".to_owned(),
                why: "its parameters are those of the function",
            });
        }
        let mut order = Vec::new();
        for block in self.func.layout.blocks().filter(|&block| domtree.is_reachable(block)) {
            order.push(label(block));
            // A table's chain was made from its end.
            order.extend(self.extra[block].iter().rev());
        }
        let mut numbers = vec![Label(0); self.blocks.len()];
        for (number, label) in (0..).zip(&order) {
            numbers[label.0 as usize] = Label(number);
        }
        let renumber = |label: &mut Label| *label = numbers[label.0 as usize];
        let mut blocks = Vec::with_capacity(order.len());
        for label in order {
            let mut block =
                self.blocks[label.0 as usize].take().expect("each reachable block is translated, and laid out once");
            if let Some((last, _)) = block.insts.last_mut() {
                match last {
                    Inst::Jump { to } => renumber(to),
                    Inst::Branch { then, otherwise, .. } => {
                        renumber(then);
                        renumber(otherwise);
                    }
                    Inst::MayGoto { stop, go_on } => {
                        renumber(stop);
                        renumber(go_on);
                    }
                    _ => {}
                }
            }
            blocks.push(block);
        }
        let slots = self.func.sized_stack_slots.values().map(|slot| slot.size).collect();
        Ok(Func { blocks, registers: self.registers, slots, frame: 0 })
    }
}

fn label(block: ir::Block) -> Label {
    Label(block.as_u32())
}
