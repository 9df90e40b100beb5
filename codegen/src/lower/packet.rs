//! Packets of the network: capturing them, and what else takes an argument whose type the verifier knows.

use super::Lowering;
use crate::event::PACKET_HEADER;
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use lang::span::Span;
use lang::typed::{Expr, ExprKind, Stmt, StmtKind, VarId};

/// `BPF_F_CURRENT_CPU` (include/uapi/linux/bpf.h); the high half of the flags is how much of the packet follows.
const CURRENT_CPU: i64 = 0xffff_ffff;
/// What the helper says when the buffer is full.
const ENOSPC: i64 = 28;

impl Lowering<'_, '_> {
    /// `skboutput(file, packet, length, offset)`
    pub fn capture(&mut self, file: i64, packet: &Expr, length: &Expr, offset: i64, span: Span) -> Value {
        let mark = self.mark();
        let length = self.scalar(length);
        let map = self.layout.use_packets(self.features.cpus);
        let header = self.temporary(PACKET_HEADER);
        let head = self.int(offset << 32 | file);
        self.store_word(head, header);
        let now = self.call(Helper::KtimeGetBootNs, &[]);
        self.store_word(now, header.plus(8));
        self.store_word(length, header.plus(16));
        let half = self.int(32);
        let flags = self.builder.ins().ishl(length, half);
        let cpu = self.int(CURRENT_CPU);
        let flags = self.builder.ins().bor(flags, cpu);
        let packet = self.typed_pointer(packet);
        let (map, header, size) = (self.map_pointer(map), self.address(header), self.int(i64::from(PACKET_HEADER)));
        let result = self.call(Helper::SkbOutput, &[packet, map, flags, header, size]);
        self.count_lost_packet(result, span);
        self.reset(mark);
        result
    }

    fn count_lost_packet(&mut self, result: Value, span: Span) {
        let (lost, done) = (self.builder.create_block(), self.builder.create_block());
        let is_full = self.compare(IntCC::Equal, result, -ENOSPC);
        self.builder.ins().brif(is_full, lost, &[], done, &[]);
        self.builder.switch_to_block(lost);
        self.in_branch(|this| this.report_site(SiteKind::LostEvent, span));
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// A pointer of which the verifier is to know what it points to: an argument of the event, or a variable that holds
    /// one and nothing else.
    pub fn typed_pointer(&mut self, pointer: &Expr) -> Value {
        match &pointer.kind {
            ExprKind::Cast(inner) if inner.ty.is_scalar() => self.typed_pointer(inner),
            ExprKind::EventField(index) => {
                let access = self.field(*index).access;
                self.read_access(&access)
            }
            ExprKind::EventArg(number) => {
                let access = self.unit.context.args[usize::from(*number)];
                self.read_access(&access)
            }
            ExprKind::Var(var) => {
                let mut found = Vec::new();
                values_of(*var, &self.unit.probe.body, &mut found);
                match found[..] {
                    [value] if !matches!(value.kind, ExprKind::Var(_)) => self.typed_pointer(value),
                    _ => self.scalar(pointer),
                }
            }
            _ => self.scalar(pointer),
        }
    }
}

/// What statements set a variable to.
fn values_of<'s>(var: VarId, stmts: &'s [Stmt], found: &mut Vec<&'s Expr>) {
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::SetVar(set, value) if *set == var => found.push(value),
            StmtKind::If(_, then, otherwise) => {
                values_of(var, then, found);
                values_of(var, otherwise, found);
            }
            StmtKind::While(_, body)
            | StmtKind::Unroll(_, body)
            | StmtKind::ForRange { body, .. }
            | StmtKind::ForMap { body, .. } => values_of(var, body, found),
            _ => {}
        }
    }
}
