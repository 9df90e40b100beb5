//! Whether the kernel lets a program attach to the entry of a function.
//!
//! There is no switch to read for this: BTF may be there while the kernel refuses such programs (hardened kernels do),
//! or has no trampolines. So the smallest such program is loaded, attached to `vfs_fsync`, and taken away again.

use std::fs;

use libc::c_long;

const BPF_PROG_LOAD: c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: c_long = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_FENTRY: u32 = 24;
const BTF_KIND_FUNC: u32 = 12;

/// True if it worked here.
pub fn works() -> bool {
    let Ok(btf) = fs::read("/sys/kernel/btf/vmlinux") else {
        return false;
    };
    let Some(function) = function_id(&btf, "vfs_fsync") else {
        return false;
    };
    // r0 = 0; exit
    let code: [u64; 2] = [0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];
    let mut load = [0u32; 28];
    load[0] = BPF_PROG_TYPE_TRACING;
    load[1] = code.len() as u32;
    put_address(&mut load, 2, (&raw const code) as u64);
    put_address(&mut load, 4, c"GPL".as_ptr() as u64);
    load[17] = BPF_TRACE_FENTRY;
    load[27] = function;
    let Some(program) = Fd::of(BPF_PROG_LOAD, &load) else {
        return false;
    };
    let attach = [0, 0, program.0 as u32, 0];
    Fd::of(BPF_RAW_TRACEPOINT_OPEN, &attach).is_some()
}

fn put_address(attr: &mut [u32], at: usize, address: u64) {
    attr[at] = address as u32;
    attr[at + 1] = (address >> 32) as u32;
}

/// A descriptor that goes away with this value, and with it the program or link behind it.
struct Fd(libc::c_int);

impl Fd {
    /// `attr` is the beginning of `union bpf_attr` in words; the kernel takes the rest as zero.
    fn of(command: c_long, attr: &[u32]) -> Option<Fd> {
        // SAFETY: the size given is that of `attr`, and the addresses in it are of data that outlives the call.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of_val(attr)) };
        (fd >= 0).then_some(Fd(fd as libc::c_int))
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe { libc::close(self.0) };
    }
}

/// The number of a function among the kernel's types. They have no index, so they are walked from the first.
fn function_id(btf: &[u8], name: &str) -> Option<u32> {
    let word = |at: usize| Some(u32::from_le_bytes(btf.get(at..at + 4)?.try_into().ok()?));
    let header = word(4)? as usize;
    let mut at = header + word(8)? as usize;
    let end = at + word(12)? as usize;
    let strings = header + word(16)? as usize;
    let is_named = |offset: u32| {
        let text = btf.get(strings + offset as usize..)?;
        Some(text.starts_with(name.as_bytes()) && text.get(name.len()) == Some(&0))
    };
    let mut id = 0;
    while at < end {
        id += 1;
        let info = word(at + 4)?;
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        if kind == BTF_KIND_FUNC && is_named(word(at)?)? {
            return Some(id);
        }
        // How much follows the twelve bytes of each type: by kind, once or for each member.
        let extra = match kind {
            1 | 14 | 17 => 4,              // int, variable, tag
            3 => 12,                       // array
            4 | 5 | 15 | 19 => 12 * count, // struct, union, section, enum of 64 bits
            6 | 13 => 8 * count,           // enum, function type
            _ => 0,
        };
        at += 12 + extra;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_this_kernel_is_found() {
        crate::requires!(Btf);
        let btf = fs::read("/sys/kernel/btf/vmlinux").expect("it was there just now");
        assert!(function_id(&btf, "vfs_fsync").is_some_and(|id| id > 1));
        assert_eq!(function_id(&btf, "there_is_no_such_function"), None);
    }
}
