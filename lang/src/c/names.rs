//! Names of types that C programs take for granted: of `stdint.h`, of POSIX, of the kernel.

use crate::types::{IntType, Type};

/// Name, bits, sign.
const STANDARD: &[(&str, u8, bool)] = &[
    ("int8_t", 8, true),
    ("int16_t", 16, true),
    ("int32_t", 32, true),
    ("int64_t", 64, true),
    ("uint8_t", 8, false),
    ("uint16_t", 16, false),
    ("uint32_t", 32, false),
    ("uint64_t", 64, false),
    ("intptr_t", 64, true),
    ("uintptr_t", 64, false),
    ("intmax_t", 64, true),
    ("uintmax_t", 64, false),
    ("ptrdiff_t", 64, true),
    ("size_t", 64, false),
    ("ssize_t", 64, true),
    ("s8", 8, true),
    ("s16", 16, true),
    ("s32", 32, true),
    ("s64", 64, true),
    ("u8", 8, false),
    ("u16", 16, false),
    ("u32", 32, false),
    ("u64", 64, false),
    ("__s8", 8, true),
    ("__s16", 16, true),
    ("__s32", 32, true),
    ("__s64", 64, true),
    ("__u8", 8, false),
    ("__u16", 16, false),
    ("__u32", 32, false),
    ("__u64", 64, false),
    ("__le16", 16, false),
    ("__le32", 32, false),
    ("__le64", 64, false),
    ("__be16", 16, false),
    ("__be32", 32, false),
    ("__be64", 64, false),
    ("__sum16", 16, false),
    ("__wsum", 32, false),
    ("u_char", 8, false),
    ("u_short", 16, false),
    ("u_int", 32, false),
    ("u_long", 64, false),
    ("unchar", 8, false),
    ("ushort", 16, false),
    ("uint", 32, false),
    ("ulong", 64, false),
    ("pid_t", 32, true),
    ("uid_t", 32, false),
    ("gid_t", 32, false),
    ("off_t", 64, true),
    ("loff_t", 64, true),
    ("time_t", 64, true),
    ("clockid_t", 32, true),
    ("sa_family_t", 16, false),
    ("in_addr_t", 32, false),
    ("in_port_t", 16, false),
    ("socklen_t", 32, false),
    ("umode_t", 16, false),
    ("gfp_t", 32, false),
    ("sector_t", 64, false),
    ("phys_addr_t", 64, false),
    ("dma_addr_t", 64, false),
    ("cputime_t", 64, false),
    ("ktime_t", 64, true),
];

/// The type of this name.
pub(super) fn standard(name: &str) -> Option<Type> {
    if name == "bool" {
        // As `_Bool`.
        return Some(Type::Int(IntType { bits: 8, signed: false }));
    }
    let (_, bits, signed) = *STANDARD.iter().find(|(known, ..)| *known == name)?;
    Some(Type::Int(IntType { bits, signed }))
}

/// All names that this table has.
pub fn standard_types() -> impl Iterator<Item = &'static str> {
    STANDARD.iter().map(|(name, ..)| *name)
}

/// All names of types that need no definition.
pub(super) fn all() -> impl Iterator<Item = String> {
    standard_types().chain(["bool", "char", "short", "int", "long", "unsigned", "void"]).map(str::to_owned)
}
