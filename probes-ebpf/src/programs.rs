//! The BPF programs that the kernel has, whoever loaded them: their functions, which can be traced like its own.
//!
//! Only functions with types can be; a program that was loaded without BTF is passed over. One that goes away while it
//! is looked at is, too.

use crate::btf::{Btf, Kind, TypeId};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A function of a loaded program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// The number of the program.
    pub program: u32,
    /// Its name among the types: longer than what the kernel keeps of the program's.
    pub name: String,
    /// Its id in the program's BTF.
    pub btf_id: u32,
}

/// The functions of all programs that this process may see, by program; none without the right to look (CAP_SYS_ADMIN).
pub fn functions() -> Vec<Function> {
    let mut found = BTreeSet::new();
    let mut types: HashMap<u32, Option<Btf>> = HashMap::new();
    let mut id = 0;
    while let Some(next) = next_program(id) {
        id = next;
        let Some((btf_id, functions)) = functions_of(id).filter(|(btf_id, _)| *btf_id != 0) else { continue };
        let Some(btf) = types.entry(btf_id).or_insert_with(|| read_btf(btf_id)) else { continue };
        for type_id in functions {
            match btf.type_at(TypeId(type_id)) {
                Ok(ty) if ty.kind == Kind::Func => {
                    found.insert(Function { program: id, name: ty.name().to_owned(), btf_id: type_id });
                }
                _ => {}
            }
        }
    }
    found.into_iter().collect()
}

/// Commands of bpf(2), and its structures, as far as they are needed (include/uapi/linux/bpf.h).
mod command {
    pub const PROG_GET_NEXT_ID: libc::c_long = 11;
    pub const PROG_GET_FD_BY_ID: libc::c_long = 13;
    pub const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    pub const BTF_GET_FD_BY_ID: libc::c_long = 19;
}

/// `struct bpf_prog_info`, up to the functions.
#[repr(C)]
#[derive(Clone, Copy)]
struct ProgramInfo {
    /// What is of no interest here.
    before: [u8; 128],
    btf_id: u32,
    func_info_rec_size: u32,
    func_info: u64,
    nr_func_info: u32,
    after: u32,
}

/// `struct bpf_btf_info`, its beginning.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct BtfInfo {
    btf: u64,
    btf_size: u32,
    id: u32,
}

fn bpf(command: libc::c_long, attr: &mut [u32; 4]) -> io::Result<libc::c_long> {
    // SAFETY: the beginning of `union bpf_attr` for these commands, with its size; what it points to lives until the call
    // returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size_of_val(attr)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn next_program(id: u32) -> Option<u32> {
    let mut attr = [id, 0, 0, 0];
    bpf(command::PROG_GET_NEXT_ID, &mut attr).ok()?;
    Some(attr[1])
}

fn by_id(command: libc::c_long, id: u32) -> Option<OwnedFd> {
    let fd = bpf(command, &mut [id, 0, 0, 0]).ok()?;
    // SAFETY: the kernel has just returned this new descriptor, and nobody else knows it.
    Some(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn describe<T>(fd: &OwnedFd, info: &mut T) -> io::Result<()> {
    let address = std::ptr::from_mut(info) as u64;
    let mut attr = [fd.as_raw_fd() as u32, size_of::<T>() as u32, address as u32, (address >> 32) as u32];
    bpf(command::OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

/// The number of a program's BTF, and the ids of its functions there.
fn functions_of(id: u32) -> Option<(u32, Vec<u32>)> {
    /// More than any program has.
    const MOST: u32 = 4096;
    let empty =
        || ProgramInfo { before: [0; 128], btf_id: 0, func_info_rec_size: 0, func_info: 0, nr_func_info: 0, after: 0 };
    let program = by_id(command::PROG_GET_FD_BY_ID, id)?;
    let mut info = empty();
    describe(&program, &mut info).ok()?;
    let (size, count) = (info.func_info_rec_size as usize, info.nr_func_info.min(MOST));
    if size < 8 || count == 0 {
        return Some((info.btf_id, Vec::new()));
    }
    let mut records = vec![0u8; size * count as usize];
    let mut info = ProgramInfo {
        func_info_rec_size: size as u32,
        func_info: records.as_mut_ptr() as u64,
        nr_func_info: count,
        ..empty()
    };
    describe(&program, &mut info).ok()?;
    // Each begins with the function's first instruction and its type.
    let types = records.chunks_exact(size).filter_map(|record| Some(u32::from_ne_bytes(record[4..8].try_into().ok()?)));
    Some((info.btf_id, types.collect()))
}

fn read_btf(id: u32) -> Option<Btf> {
    /// The kernel takes no more (`BTF_MAX_SIZE`).
    const MOST: u32 = 16 << 20;
    let btf = by_id(command::BTF_GET_FD_BY_ID, id)?;
    let mut info = BtfInfo::default();
    describe(&btf, &mut info).ok()?;
    let mut bytes = vec![0u8; info.btf_size.min(MOST) as usize];
    let mut info = BtfInfo { btf: bytes.as_mut_ptr() as u64, btf_size: bytes.len() as u32, id: 0 };
    describe(&btf, &mut info).ok()?;
    Btf::from_bytes(bytes).ok()
}
