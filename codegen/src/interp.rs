//! A small interpreter of eBPF, for tests on machines where programs cannot be loaded.
//!
//! It reads opcodes by the standard and not by the table in `insn`, so that a mistake there shows up as a difference.
//! Memory is a list of regions; a helper is whatever the caller says it is. Nothing is verified: what the kernel would
//! refuse may run here, but an access outside of all regions ends the run.

use crate::insn::Insn;
use thiserror::Error;

/// Why a run ended without a result.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Fault {
    #[error("instruction {at}: no memory at {address:#x}")]
    Memory { at: usize, address: u64 },
    #[error("instruction {at}: opcode {code:#04x} is unknown")]
    Opcode { at: usize, code: u8 },
    #[error("the program ran out of its end")]
    End,
    #[error("the program did not end in time")]
    Time,
}

/// Where a program's stack ends, unless the caller puts something else there.
pub const STACK_END: u64 = 0x7fff_0000;

/// A machine with memory and no registers: those begin with each run.
pub struct Machine<'h> {
    /// Memory: where a region starts, and its bytes.
    pub regions: Vec<(u64, Vec<u8>)>,
    /// What a helper of this number does with its arguments.
    pub helper: Box<dyn FnMut(u32, [u64; 5]) -> u64 + 'h>,
    /// How many instructions may run.
    pub budget: u64,
}

impl Machine<'_> {
    /// A machine with a stack and these regions, whose helpers all return 0.
    pub fn new(mut regions: Vec<(u64, Vec<u8>)>) -> Self {
        regions.push((STACK_END - 512, vec![0xa5; 512]));
        Machine { regions, helper: Box::new(|_, _| 0), budget: 1 << 20 }
    }

    /// Runs a program and gives what it returns. `context` goes to r1.
    pub fn run(&mut self, insns: &[Insn], context: u64) -> Result<u64, Fault> {
        let mut r = [0xdead_beef_dead_beef_u64; 11];
        r[1] = context;
        r[10] = STACK_END;
        let mut pc = 0;
        for _ in 0..self.budget {
            let insn = *insns.get(pc).ok_or(Fault::End)?;
            let at = pc;
            pc += 1;
            let (dst, src) = (usize::from(insn.dst), usize::from(insn.src));
            let is_reg = insn.code & 8 != 0;
            let imm = i64::from(insn.imm) as u64;
            let unknown = Fault::Opcode { at, code: insn.code };
            match insn.code & 7 {
                // ALU, 64 and 32 bits.
                7 | 4 => {
                    let wide = insn.code & 7 == 7;
                    let operand = if is_reg { r[src] } else { imm };
                    r[dst] = arithmetic(insn, wide, r[dst], operand).ok_or(unknown)?;
                }
                0 if insn.code == 0x18 => {
                    let high = insns.get(pc).ok_or(Fault::End)?.imm;
                    r[dst] = u64::from(insn.imm as u32) | u64::from(high as u32) << 32;
                    pc += 1;
                }
                1 => {
                    let size = bytes(insn.code);
                    let value = self.load(at, r[src].wrapping_add(insn.off as u64), size)?;
                    r[dst] = match insn.code >> 5 {
                        3 => value,
                        4 => extend(value, size as u32 * 8),
                        _ => return Err(unknown),
                    };
                }
                2 => self.store(at, r[dst].wrapping_add(insn.off as u64), bytes(insn.code), imm)?,
                3 if insn.code >> 5 == 3 => {
                    self.store(at, r[dst].wrapping_add(insn.off as u64), bytes(insn.code), r[src])?;
                }
                3 if insn.code >> 5 == 6 => {
                    let size = bytes(insn.code);
                    let address = r[dst].wrapping_add(insn.off as u64);
                    let old = self.load(at, address, size)?;
                    let cut = |value: u64| {
                        if size == 4 { value & 0xffff_ffff } else { value }
                    };
                    let operand = cut(r[src]);
                    let new = match insn.imm & !1 {
                        0x00 => old.wrapping_add(operand),
                        0x40 => old | operand,
                        0x50 => old & operand,
                        0xa0 => old ^ operand,
                        0xe0 => operand,
                        0xf0 => {
                            let is_equal = old == cut(r[0]);
                            r[0] = old;
                            if is_equal { operand } else { old }
                        }
                        _ => return Err(unknown),
                    };
                    if insn.imm & 1 != 0 && insn.imm != 0xf1 {
                        r[src] = old;
                    }
                    self.store(at, address, size, new)?;
                }
                5 | 6 => {
                    let is_wide = insn.code & 7 == 5;
                    match insn.code >> 4 {
                        0x8 => {
                            r[0] = (self.helper)(insn.imm as u32, [r[1], r[2], r[3], r[4], r[5]]);
                            r[1..=5].fill(0xbad0_bad0_bad0_bad0);
                        }
                        0x9 => return Ok(r[0]),
                        0x0 => {
                            let distance = if is_wide { i64::from(insn.off) } else { i64::from(insn.imm) };
                            pc = (pc as i64 + distance) as usize;
                        }
                        // The allowance of turns, which the budget stands for here.
                        0xe if insn.code == 0xe5 => {}
                        condition => {
                            let operand = if is_reg { r[src] } else { imm };
                            let (a, b) = if is_wide {
                                (r[dst], operand)
                            } else {
                                // Extending the sign keeps the order of unsigned numbers as well.
                                (extend(r[dst], 32), extend(operand, 32))
                            };
                            if holds(condition, a, b).ok_or(unknown)? {
                                pc = (pc as i64 + i64::from(insn.off)) as usize;
                            }
                        }
                    }
                }
                _ => return Err(unknown),
            }
        }
        Err(Fault::Time)
    }

    fn find(&mut self, at: usize, address: u64, size: usize) -> Result<&mut [u8], Fault> {
        self.regions
            .iter_mut()
            .find_map(|(start, bytes)| {
                let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
                bytes.get_mut(offset..offset.checked_add(size)?)
            })
            .ok_or(Fault::Memory { at, address })
    }

    fn load(&mut self, at: usize, address: u64, size: usize) -> Result<u64, Fault> {
        let bytes = self.find(at, address, size)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn store(&mut self, at: usize, address: u64, size: usize, value: u64) -> Result<(), Fault> {
        let bytes = self.find(at, address, size)?;
        bytes.copy_from_slice(&value.to_le_bytes()[..size]);
        Ok(())
    }
}

/// How many bytes an access touches.
fn bytes(code: u8) -> usize {
    match code >> 3 & 3 {
        0 => 4,
        1 => 2,
        2 => 1,
        _ => 8,
    }
}

/// Extends the sign of the low bits.
fn extend(value: u64, bits: u32) -> u64 {
    let unused = 64 - bits;
    ((value << unused) as i64 >> unused) as u64
}

fn arithmetic(insn: Insn, wide: bool, a: u64, b: u64) -> Option<u64> {
    if insn.code >> 4 == 0xd {
        return swap(insn, a);
    }
    let bits = if wide { 64 } else { 32 };
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let (a, b) = (cut(a), cut(b));
    let (sa, sb) = (extend(a, bits) as i64, extend(b, bits) as i64);
    let amount = (b & u64::from(bits - 1)) as u32;
    Some(cut(match (insn.code >> 4, insn.off) {
        (0x0, _) => a.wrapping_add(b),
        (0x1, _) => a.wrapping_sub(b),
        (0x2, _) => a.wrapping_mul(b),
        (0x3, 0) => a.checked_div(b).unwrap_or(0),
        (0x3, _) => (if b == 0 { 0 } else { sa.wrapping_div(sb) }) as u64,
        (0x4, _) => a | b,
        (0x5, _) => a & b,
        (0x6, _) => a << amount,
        (0x7, _) => a >> amount,
        (0x8, _) => a.wrapping_neg(),
        (0x9, 0) => a.checked_rem(b).unwrap_or(a),
        (0x9, _) => (if b == 0 { sa } else { sa.wrapping_rem(sb) }) as u64,
        (0xa, _) => a ^ b,
        (0xb, 0) => b,
        (0xb, from) => extend(b, from as u32),
        (0xc, _) => (sa >> amount) as u64,
        _ => return None,
    }))
}

/// Byte order: on a little-endian machine 0xd4 only truncates, 0xdc and 0xd7 swap.
fn swap(insn: Insn, value: u64) -> Option<u64> {
    let unused = 64 - u32::try_from(insn.imm).ok().filter(|bits| [16, 32, 64].contains(bits))?;
    Some(match insn.code {
        0xd4 => value << unused >> unused,
        _ => value.swap_bytes() >> unused,
    })
}

fn holds(condition: u8, a: u64, b: u64) -> Option<bool> {
    let (sa, sb) = (a as i64, b as i64);
    Some(match condition {
        0x1 => a == b,
        0x2 => a > b,
        0x3 => a >= b,
        0x4 => a & b != 0,
        0x5 => a != b,
        0x6 => sa > sb,
        0x7 => sa >= sb,
        0xa => a < b,
        0xb => a <= b,
        0xc => sa < sb,
        0xd => sa <= sb,
        _ => return None,
    })
}
