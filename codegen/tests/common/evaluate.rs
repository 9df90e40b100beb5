//! An evaluator of Cranelift IR, written from the meaning of its instructions and sharing nothing with the compiler.
//!
//! Division by 0 has eBPF's meaning: the quotient is 0, the remainder the dividend.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AtomicRmwOp, BlockArg, BlockCall, InstructionData, Opcode, Type, Value};
use std::collections::HashMap;

pub const CONTEXT: u64 = 0x1000;
const SLOTS: u64 = 0x10_0000;

pub struct Evaluator<'f> {
    func: &'f ir::Function,
    values: HashMap<Value, u64>,
    memory: HashMap<u64, u8>,
}

pub fn evaluate(func: &ir::Function, args: &[u64]) -> u64 {
    let mut evaluator = Evaluator { func, values: HashMap::new(), memory: HashMap::new() };
    for (index, arg) in args.iter().enumerate() {
        evaluator.store(CONTEXT + index as u64 * 8, 8, *arg);
    }
    evaluator.run()
}

fn cut(value: u64, ty: Type) -> u64 {
    if ty.bits() == 64 { value } else { value & ((1 << ty.bits()) - 1) }
}

fn sign(value: u64, ty: Type) -> i64 {
    (value << (64 - ty.bits())) as i64 >> (64 - ty.bits())
}

impl Evaluator<'_> {
    fn run(&mut self) -> u64 {
        let mut block = self.func.layout.entry_block().expect("a function has blocks");
        let param = self.func.dfg.block_params(block)[0];
        self.values.insert(param, CONTEXT);
        for _ in 0..100_000 {
            for inst in self.func.layout.block_insts(block) {
                let data = &self.func.dfg.insts[inst];
                match data {
                    InstructionData::Jump { destination, .. } => block = self.go(*destination),
                    InstructionData::Brif { arg, blocks: [then, otherwise], .. } => {
                        block = self.go(if self.get(*arg) != 0 { *then } else { *otherwise });
                    }
                    InstructionData::BranchTable { arg, table, .. } => {
                        let table = &self.func.dfg.jump_tables[*table];
                        let index = self.get(*arg) as usize;
                        block = self.go(table.as_slice().get(index).copied().unwrap_or(table.default_block()));
                    }
                    InstructionData::MultiAry { opcode: Opcode::Return, .. } => {
                        return self.get(self.func.dfg.inst_args(inst)[0]);
                    }
                    _ => self.step(inst),
                }
            }
        }
        panic!("a generated function ends")
    }

    fn get(&self, value: Value) -> u64 {
        self.values[&self.func.dfg.resolve_aliases(value)]
    }

    fn go(&mut self, call: BlockCall) -> ir::Block {
        let pool = &self.func.dfg.value_lists;
        let block = call.block(pool);
        let args: Vec<u64> = call
            .args(pool)
            .map(|arg| match arg {
                BlockArg::Value(value) => self.get(value),
                _ => panic!("no exceptions"),
            })
            .collect();
        for (param, arg) in self.func.dfg.block_params(block).iter().zip(args) {
            self.values.insert(*param, arg);
        }
        block
    }

    fn load(&self, address: u64, size: u32) -> u64 {
        (0..size as u64).map(|n| u64::from(self.memory.get(&(address + n)).copied().unwrap_or(0)) << (n * 8)).sum()
    }

    fn store(&mut self, address: u64, size: u32, value: u64) {
        for n in 0..size as u64 {
            self.memory.insert(address + n, (value >> (n * 8)) as u8);
        }
    }

    fn step(&mut self, inst: ir::Inst) {
        let dfg = &self.func.dfg;
        let args: Vec<Value> = dfg.inst_args(inst).to_vec();
        let results: Vec<Value> = dfg.inst_results(inst).to_vec();
        let n: Vec<u64> = args.iter().map(|arg| self.get(*arg)).collect();
        let ty = results.first().map_or(ir::types::I64, |result| dfg.value_type(*result));
        let from = args.first().map_or(ty, |arg| dfg.value_type(*arg));
        let bits = ty.bits();
        let s: Vec<i64> = args.iter().zip(&n).map(|(arg, n)| sign(*n, dfg.value_type(*arg))).collect();
        let data = dfg.insts[inst];
        let offset = data.load_store_offset().unwrap_or(0) as i64 as u64;
        let value = match data.opcode() {
            Opcode::Iconst => match data {
                InstructionData::UnaryImm { imm, .. } => imm.bits() as u64,
                _ => unreachable!(),
            },
            Opcode::Iadd => n[0].wrapping_add(n[1]),
            Opcode::Isub => n[0].wrapping_sub(n[1]),
            Opcode::Imul => n[0].wrapping_mul(n[1]),
            Opcode::Udiv => n[0].checked_div(n[1]).unwrap_or(0),
            Opcode::Urem => n[0].checked_rem(n[1]).unwrap_or(n[0]),
            Opcode::Sdiv => (if s[1] == 0 { 0 } else { s[0].wrapping_div(s[1]) }) as u64,
            Opcode::Srem => (if s[1] == 0 { s[0] } else { s[0].wrapping_rem(s[1]) }) as u64,
            Opcode::Band => n[0] & n[1],
            Opcode::Bor => n[0] | n[1],
            Opcode::Bxor => n[0] ^ n[1],
            Opcode::Bnot => !n[0],
            Opcode::Ineg => n[0].wrapping_neg(),
            Opcode::Iabs => s[0].unsigned_abs(),
            Opcode::Ishl => n[0] << (n[1] % u64::from(bits)),
            Opcode::Ushr => n[0] >> (n[1] % u64::from(bits)),
            Opcode::Sshr => (s[0] >> (n[1] % u64::from(bits))) as u64,
            Opcode::Rotl => rotate(n[0], (n[1] % u64::from(bits)) as u32, bits),
            Opcode::Rotr => rotate(n[0], (bits - (n[1] % u64::from(bits)) as u32) % bits, bits),
            Opcode::Clz => u64::from(n[0].leading_zeros() - (64 - bits)),
            Opcode::Ctz => u64::from(n[0].trailing_zeros().min(bits)),
            Opcode::Popcnt => u64::from(n[0].count_ones()),
            Opcode::Bswap => n[0].swap_bytes() >> (64 - bits),
            Opcode::Umulhi => ((u128::from(n[0]) * u128::from(n[1])) >> bits) as u64,
            Opcode::Smulhi => ((i128::from(s[0]) * i128::from(s[1])) >> bits) as u64,
            Opcode::Umin => n[0].min(n[1]),
            Opcode::Umax => n[0].max(n[1]),
            Opcode::Smin => s[0].min(s[1]) as u64,
            Opcode::Smax => s[0].max(s[1]) as u64,
            Opcode::Icmp => match data {
                InstructionData::IntCompare { cond, .. } => u64::from(compare(cond, n[0], n[1], s[0], s[1])),
                _ => unreachable!(),
            },
            Opcode::Select => {
                if n[0] != 0 {
                    n[1]
                } else {
                    n[2]
                }
            }
            Opcode::Bmask => {
                if n[0] != 0 {
                    u64::MAX
                } else {
                    0
                }
            }
            Opcode::Uextend | Opcode::Ireduce => n[0],
            Opcode::Sextend => s[0] as u64,
            Opcode::UaddOverflow => {
                let sum = n[0].wrapping_add(n[1]);
                self.values.insert(results[1], u64::from(cut(sum, ty) < n[0]));
                sum
            }
            Opcode::StackAddr => {
                let slot = data.stack_slot().expect("a stack address has a slot");
                (SLOTS + u64::from(slot.as_u32()) * 0x1000).wrapping_add(offset)
            }
            Opcode::Load => self.load(n[0].wrapping_add(offset), bits / 8),
            Opcode::Uload8 => self.load(n[0].wrapping_add(offset), 1),
            Opcode::Uload16 => self.load(n[0].wrapping_add(offset), 2),
            Opcode::Uload32 => self.load(n[0].wrapping_add(offset), 4),
            Opcode::Sload8 => sign(self.load(n[0].wrapping_add(offset), 1), ir::types::I8) as u64,
            Opcode::Sload16 => sign(self.load(n[0].wrapping_add(offset), 2), ir::types::I16) as u64,
            Opcode::Sload32 => sign(self.load(n[0].wrapping_add(offset), 4), ir::types::I32) as u64,
            Opcode::Store => return self.store(n[1].wrapping_add(offset), from.bits() / 8, n[0]),
            Opcode::Istore8 => return self.store(n[1].wrapping_add(offset), 1, n[0]),
            Opcode::Istore16 => return self.store(n[1].wrapping_add(offset), 2, n[0]),
            Opcode::Istore32 => return self.store(n[1].wrapping_add(offset), 4, n[0]),
            Opcode::AtomicRmw => {
                let old = self.load(n[0], bits / 8);
                let new = match data.atomic_rmw_op().expect("an atomic has an operation") {
                    AtomicRmwOp::Add => old.wrapping_add(n[1]),
                    AtomicRmwOp::Sub => old.wrapping_sub(n[1]),
                    AtomicRmwOp::And => old & n[1],
                    AtomicRmwOp::Or => old | n[1],
                    AtomicRmwOp::Xor => old ^ n[1],
                    AtomicRmwOp::Xchg => n[1],
                    other => panic!("{other} is not generated"),
                };
                self.store(n[0], bits / 8, new);
                old
            }
            Opcode::AtomicCas => {
                let old = self.load(n[0], bits / 8);
                if old == n[1] {
                    self.store(n[0], bits / 8, n[2]);
                }
                old
            }
            Opcode::Fence | Opcode::Nop => return,
            other => panic!("{other} is not evaluated"),
        };
        self.values.insert(results[0], cut(value, ty));
    }
}

fn rotate(value: u64, by: u32, bits: u32) -> u64 {
    if by == 0 { value } else { value << by | value >> (bits - by) }
}

fn compare(cond: IntCC, a: u64, b: u64, sa: i64, sb: i64) -> bool {
    match cond {
        IntCC::Equal => a == b,
        IntCC::NotEqual => a != b,
        IntCC::UnsignedLessThan => a < b,
        IntCC::UnsignedLessThanOrEqual => a <= b,
        IntCC::UnsignedGreaterThan => a > b,
        IntCC::UnsignedGreaterThanOrEqual => a >= b,
        IntCC::SignedLessThan => sa < sb,
        IntCC::SignedLessThanOrEqual => sa <= sb,
        IntCC::SignedGreaterThan => sa > sb,
        IntCC::SignedGreaterThanOrEqual => sa >= sb,
    }
}
