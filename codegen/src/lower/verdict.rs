//! What a program returns of a packet.
//!
//! Every way out lets the packet pass, unless the script says something else with the value of a `return`. A function
//! beside the program, which is what some loops and the parts of long probes are, cannot return for the program; it leaves
//! the verdict in the scratch memory, where the program finds it when it leaves, too.

use super::Lowering;
use super::memory::Addr;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use lang::functions::FunctionId;
use lang::target::{PacketContext, ProgramType};
use lang::typed::{Expr, ExprKind};

impl Lowering<'_, '_> {
    /// Has a word for the verdict of functions beside the program.
    pub fn begin_verdict(&mut self) {
        let Some(packet) = self.unit.context.packet() else { return };
        let offset = self.take_scratch(8);
        self.verdict_word = Some(offset);
        let (pass, word) = (self.int(packet.pass), self.scratch_address(offset));
        self.store_word(pass, word);
    }

    /// What the program returns where it leaves without saying more.
    pub fn verdict(&mut self) -> Value {
        let Some(packet) = self.unit.context.packet() else { return self.int(0) };
        match self.verdict_word.filter(|_| self.takes_verdict) {
            Some(offset) => {
                let word = self.scratch_address(offset);
                let verdict = self.load_word(word);
                // Of what lies in memory the verifier believes nothing.
                match self.unit.context.program {
                    ProgramType::CgroupSkb => self.in_range(verdict, packet),
                    _ => verdict,
                }
            }
            None => self.int(packet.pass),
        }
    }

    /// Leaves after a function that has left the probe, with its verdict.
    pub fn leave_too(&mut self) {
        self.takes_verdict = true;
        self.leave();
        self.takes_verdict = false;
    }

    /// `return VERDICT`
    pub fn leave_with(&mut self, verdict: &Expr) {
        let packet = self.unit.context.packet().expect("only a packet has a verdict");
        let value = self.scalar(verdict);
        let value = match verdict.kind {
            ExprKind::Int(_) | ExprKind::Call(FunctionId::Redirect, _) => value,
            _ => self.in_range(value, packet),
        };
        match (self.frame.filter(|frame| frame.is_called), self.verdict_word) {
            (Some(_), Some(offset)) => {
                let word: Addr = self.scratch_address(offset);
                self.store_word(value, word);
                self.leave();
            }
            _ => {
                self.builder.ins().return_(&[value]);
                self.has_left = true;
                self.returned = true;
            }
        }
    }

    /// A computed verdict as one that the kernel knows: what it does not know at XDP it would drop, and at control groups
    /// the verifier wants to see that there are only two.
    fn in_range(&mut self, verdict: Value, packet: &PacketContext) -> Value {
        /// `XDP_TX`; what follows needs more than a number.
        const LAST: i64 = 3;
        match self.unit.context.program {
            ProgramType::Xdp => {
                let is_known = self.compare(IntCC::UnsignedLessThanOrEqual, verdict, LAST);
                let pass = self.int(packet.pass);
                self.builder.ins().select(is_known, verdict, pass)
            }
            ProgramType::CgroupSkb => {
                let passes = self.compare(IntCC::NotEqual, verdict, 0);
                self.builder.ins().uextend(types::I64, passes)
            }
            _ => verdict,
        }
    }
}
