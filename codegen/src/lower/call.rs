//! Calls of functions that give a value: which code is made for which.
//!
//! The arguments are as the checker leaves them (`lang::check::call`): what had to be known when compiling is a number.

use super::Lowering;
use super::memory::Addr;
use crate::event::Control;
use crate::helpers::Helper;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::functions::FunctionId;
use lang::typed::{Expr, ExprKind};
use lang::types::Type;

impl Lowering<'_, '_> {
    /// A call that gives a scalar.
    pub fn call_scalar(&mut self, id: FunctionId, args: &[Expr], whole: &Expr) -> Value {
        self.at(whole.span);
        match (id, args) {
            (FunctionId::Len, [stack]) => self.stack_length(stack),
            (FunctionId::Strlen, [text]) => self.text_length(text),
            (FunctionId::Strncmp, [left, right, length]) => self.texts_differ(left, right, known(length)),
            (FunctionId::Memcmp, [left, right, count]) => self.bytes_compare(left, right, count),
            (FunctionId::Strcontains, [text, part]) => {
                let at = self.text_search(text, part);
                let found = self.compare(IntCC::SignedGreaterThanOrEqual, at, 0);
                self.builder.ins().uextend(types::I64, found)
            }
            (FunctionId::Strstr, [text, part]) => self.text_search(text, part),
            (FunctionId::Bswap, [number]) => {
                let value = self.scalar(number);
                let swapped = self.builder.ins().bswap(value);
                let bits = self.int(64 - whole.ty.size_of() as i64 * 8);
                self.builder.ins().ushr(swapped, bits)
            }
            (FunctionId::IsErr, [pointer]) => {
                /// `MAX_ERRNO` (include/linux/err.h)
                const MOST: i64 = 4095;
                let value = self.scalar(pointer);
                let is_error = self.compare(IntCC::UnsignedGreaterThanOrEqual, value, -MOST);
                self.builder.ins().uextend(types::I64, is_error)
            }
            (FunctionId::Nsecs, [clock]) => self.clock(known(clock)),
            (FunctionId::Ppid | FunctionId::LeaderTid, args) => self.relative_id(id, args.first()),
            (FunctionId::Reg, [offset, bytes]) => self.register(known(offset), known(bytes)),
            // At a return the registers are the caller's.
            (FunctionId::Uaddr, [distance]) => {
                let function = self.call(Helper::GetFuncIp, &[self.event]);
                let distance = self.int(known(distance));
                self.builder.ins().iadd(function, distance)
            }
            (FunctionId::Uaddr, [distance, offset, bytes]) => {
                let here = self.register(known(offset), known(bytes));
                let distance = self.int(known(distance));
                self.builder.ins().iadd(here, distance)
            }
            (FunctionId::Signal | FunctionId::SignalThread, [number]) => self.signal(id, number),
            (FunctionId::Unwatch, [address]) => {
                let (address, zero) = (self.scalar(address), self.int(0));
                self.control(Control::Unwatch, 0, [address, zero], whole.span);
                zero
            }
            (FunctionId::Debugf, [format, values @ ..]) => self.kernel_print(format, values, None),
            (FunctionId::Printf, [format, values @ ..]) => {
                let file = self.reader_of_pin();
                self.kernel_print(format, values, Some(file))
            }
            (FunctionId::WriteUser, [address, value, length]) => self.write_user(address, value, known(length)),
            (FunctionId::SocketCookie, [socket]) => self.socket_cookie(socket),
            (FunctionId::Pid, []) => {
                let both = self.pid_tgid();
                self.shifted(both, 32)
            }
            (FunctionId::Tid, []) => {
                let both = self.pid_tgid();
                self.low_half(both)
            }
            (FunctionId::PercpuKaddr, [address, offsets, cpu @ ..]) => {
                self.per_cpu_address(known(address), known(offsets), cpu.first())
            }
            (FunctionId::Skboutput, [file, packet, length, offset]) => {
                self.capture_skb(known(file), packet, length, known(offset), whole.span)
            }
            (FunctionId::Capture, [file, length]) => self.capture(known(file), known(length), whole.span),
            (FunctionId::Override, [value]) => {
                let value = self.scalar(value);
                self.call(Helper::OverrideReturn, &[self.event, value])
            }
            (FunctionId::Filter, [filter]) => self.filter(known(filter)),
            (FunctionId::Redirect, [interface]) => {
                let (interface, no_flags) = (self.int(known(interface)), self.int(0));
                self.call(Helper::Redirect, &[interface, no_flags])
            }
            (FunctionId::Join, [pointers, index]) => self.joined_pointer(pointers, known(index)),
            _ => unreachable!("checked: {id:?} gives no scalar"),
        }
    }

    /// Stores what a call gives that is no scalar, for a slot of type `ty`.
    pub fn call_store(&mut self, id: FunctionId, args: &[Expr], whole: &Expr, ty: &Type, to: Addr) {
        match (id, args) {
            (FunctionId::Pcomm | FunctionId::LeaderComm, args) => self.relative_name(id, args.first(), ty, to),
            (FunctionId::Ksym | FunctionId::Strerror | FunctionId::SignalName | FunctionId::SyscallName, [number]) => {
                let value = self.scalar(number);
                self.store_word(value, to);
            }
            (FunctionId::Usym, [address]) => {
                let value = self.scalar(address);
                self.store_word(value, to);
                let process = self.met_process();
                self.store_word(process, to.plus(8));
            }
            (FunctionId::Kstack | FunctionId::Ustack, _) => self.stack(ty, to),
            (FunctionId::DwUstack, _) => self.unwound_stack(ty, to, self.here()),
            (FunctionId::Strftime | FunctionId::CgroupPath, [number, text]) => {
                let value = self.scalar(number);
                self.store_word(value, to);
                let text = self.int(known(text));
                self.store_word(text, to.plus(8));
            }
            (FunctionId::Ntop, [family, address]) => self.internet_address(family, address, to),
            (FunctionId::StrConcat, [first, second]) => self.texts_joined(first, second, whole, ty, to),
            (FunctionId::Path, [path]) => self.file_path(path, ty, whole, to),
            (FunctionId::Comm, [id]) => self.other_name(id, whole, ty, to),
            (FunctionId::Pton, [bytes]) => match &bytes.kind {
                ExprKind::Str(bytes) => self.store_literal(bytes, ty.slot_size(), to),
                _ => unreachable!("checked: the bytes are known"),
            },
            (FunctionId::Macaddr, [bytes]) => self.link_address(bytes, to),
            (FunctionId::Buf, [data, length]) => self.buffer(data, length, ty, to),
            _ => unreachable!("checked: {id:?} gives no value of type {ty}"),
        }
    }
}

/// The value of an argument that the checker has made a number.
pub fn known(arg: &Expr) -> i64 {
    match arg.kind {
        ExprKind::Int(value) => value,
        _ => unreachable!("checked: known when compiling"),
    }
}
