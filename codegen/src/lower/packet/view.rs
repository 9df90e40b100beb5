//! How the bytes of a packet are come by: one question for each header whether it is there, then loads.
//!
//! Where the verifier lets programs load from the packet, it wants to see a pointer compared with the packet's end, and
//! believes of that very pointer what the comparison tells. Of an skb only the first part lies in one piece; what lies
//! beyond is copied to the stack by a helper, and the loads that follow work on either place.

use crate::helpers::Helper;
use crate::lower::memory::Addr;
use crate::lower::{Lowering, flags};
use cranelift_codegen::ir::{Block, InstBuilder, Value, condcodes::IntCC, types};
use lang::target::{PacketContext, PacketRead};

/// A packet that can be read.
#[derive(Clone, Copy)]
pub struct View {
    /// The first byte and what is behind the last one, if it can be read by loads.
    pub ends: Option<(Value, Value)>,
    /// A helper reads what cannot be loaded.
    pub is_skb: bool,
}

/// A header that is there.
#[derive(Clone, Copy)]
pub struct Header {
    start: Value,
    bytes: u32,
    /// It may lie on the stack, where the verifier wants every load aligned.
    aligned: bool,
}

impl Lowering<'_, '_> {
    /// The packet of the event.
    pub fn view(&mut self, packet: &PacketContext) -> View {
        let is_skb = packet.length.is_some();
        match packet.read {
            PacketRead::Direct { data, data_end } => {
                let [data, end] =
                    [data, data_end].map(|offset| self.builder.ins().uload32(flags(), self.event, offset as i32));
                View { ends: Some((data, end)), is_skb }
            }
            PacketRead::Helper => View { ends: None, is_skb },
        }
    }

    /// Bytes of the packet.
    pub fn packet_length(&mut self, packet: &PacketContext, view: View) -> Value {
        match (packet.length, view.ends) {
            (None, Some((data, end))) => self.builder.ins().isub(end, data),
            (offset, _) => self.builder.ins().uload32(flags(), self.event, offset.unwrap_or(0) as i32),
        }
    }

    /// Goes on where these bytes of the packet are there, or at `absent`. An offset that is not known must be less than
    /// 65536 as the verifier knows.
    pub fn header(&mut self, view: View, offset: Value, bytes: u32, absent: Block) -> Header {
        let there = self.builder.create_block();
        let start = self.builder.append_block_param(there, types::I64);
        let size = self.int(i64::from(bytes));
        if let Some((data, end)) = view.ends {
            let from = self.builder.ins().iadd(data, offset);
            let from = self.launder(from);
            let behind = self.builder.ins().iadd(from, size);
            let fits = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, behind, end);
            if !view.is_skb {
                self.builder.ins().brif(fits, there, &[from.into()], absent, &[]);
                self.builder.switch_to_block(there);
                return Header { start, bytes, aligned: false };
            }
            let elsewhere = self.builder.create_block();
            self.builder.ins().brif(fits, there, &[from.into()], elsewhere, &[]);
            self.builder.switch_to_block(elsewhere);
        }
        let to = self.temporary(bytes);
        let to = self.address(to);
        let failed = self.call(Helper::SkbLoadBytes, &[self.event, offset, to, size]);
        let copied = self.compare(IntCC::Equal, failed, 0);
        self.builder.ins().brif(copied, there, &[to.into()], absent, &[]);
        self.builder.switch_to_block(there);
        Header { start, bytes, aligned: true }
    }

    /// A word of a header as it lies in memory.
    pub fn raw(&mut self, header: Header, offset: u32, bytes: u32) -> Value {
        let at = offset as i32;
        match bytes {
            1 => self.builder.ins().uload8(types::I64, flags(), header.start, at),
            2 => self.builder.ins().uload16(types::I64, flags(), header.start, at),
            4 => self.builder.ins().uload32(flags(), header.start, at),
            _ => self.load_word(Addr { base: header.start, offset: at }),
        }
    }

    /// A big-endian word of a header.
    pub fn big_endian(&mut self, header: Header, offset: u32, bytes: u32) -> Value {
        let narrow = match bytes {
            2 => types::I16,
            4 => types::I32,
            _ => return self.raw(header, offset, bytes),
        };
        let word = self.builder.ins().load(narrow, flags(), header.start, offset as i32);
        let swapped = self.builder.ins().bswap(word);
        self.builder.ins().uextend(types::I64, swapped)
    }

    /// Up to eight bytes of a header in the order of memory, zeros above them.
    pub fn bytes_of(&mut self, header: Header, offset: u32, bytes: u32) -> Value {
        if bytes == 6 && offset + 8 <= header.bytes && (!header.aligned || offset.is_multiple_of(8)) {
            let word = self.raw(header, offset, 8);
            let mask = self.int(0xffff_ffff_ffff);
            return self.builder.ins().band(word, mask);
        }
        let mut done = 0;
        let mut whole = None;
        while done < bytes {
            let fits = |size: &u32| *size <= bytes - done && (!header.aligned || (offset + done).is_multiple_of(*size));
            let size = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
            let piece = self.raw(header, offset + done, size);
            whole = Some(match whole {
                None => piece,
                Some(before) => {
                    let bits = self.int(i64::from(done * 8));
                    let piece = self.builder.ins().ishl(piece, bits);
                    self.builder.ins().bor(before, piece)
                }
            });
            done += size;
        }
        whole.unwrap_or_else(|| self.int(0))
    }
}
