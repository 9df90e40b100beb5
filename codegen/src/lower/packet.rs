//! Packets of the network: capturing them.

mod fields;
mod filter;
mod view;

use super::Lowering;
use crate::event::PACKET_HEADER;
use crate::helpers::Helper;
use crate::layout::SiteKind;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use lang::span::Span;
use lang::typed::Expr;

/// `BPF_F_CURRENT_CPU` (include/uapi/linux/bpf.h); the high half of the flags is how much of the packet follows.
const CURRENT_CPU: i64 = 0xffff_ffff;
/// What the helper says when the buffer is full.
const ENOSPC: i64 = 28;
/// What is given where there is no packet.
const EINVAL: i64 = 22;

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
        let (map, header, size) = (self.map_pointer(map), self.address(header), self.int(i64::from(PACKET_HEADER)));
        let result = self.call_with_known(packet, -EINVAL, |this, packet| {
            this.call(Helper::SkbOutput, &[packet, map, flags, header, size])
        });
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
}
