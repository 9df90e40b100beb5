//! The kernel's flags for getting pages, as `%gr` names them.
//!
//! The names and their order are those of the kernel (include/linux/gfp_types.h, include/trace/events/mmflags.h): sets
//! that have a name come before single flags. From bit 24 on flags depend on how the kernel was built and are left as a
//! number.

use super::push_fmt;

/// `__GFP_DIRECT_RECLAIM` and `__GFP_KSWAPD_RECLAIM`
const RECLAIM: u64 = 0xc00;
const HIGHUSER_MOVABLE: u64 = 0x10_00ca | RECLAIM;
/// A compound page, no reserves, no warning.
const TRANSHUGE_LIGHT: u64 = (HIGHUSER_MOVABLE | 0xc_2000) & !RECLAIM;

static NAMES: &[(u64, &str)] = &[
    (TRANSHUGE_LIGHT | 0x400, "GFP_TRANSHUGE"),
    (TRANSHUGE_LIGHT, "GFP_TRANSHUGE_LIGHT"),
    (HIGHUSER_MOVABLE, "GFP_HIGHUSER_MOVABLE"),
    (0x10_0cc2, "GFP_HIGHUSER"),
    (0x10_0cc0, "GFP_USER"),
    (0x40_0cc0, "GFP_KERNEL_ACCOUNT"),
    (0xcc0, "GFP_KERNEL"),
    (0xc40, "GFP_NOFS"),
    (0x820, "GFP_ATOMIC"),
    (0xc00, "GFP_NOIO"),
    (0x2800, "GFP_NOWAIT"),
    (0x1, "GFP_DMA"),
    (0x2, "__GFP_HIGHMEM"),
    (0x4, "GFP_DMA32"),
    (0x20, "__GFP_HIGH"),
    (0x40, "__GFP_IO"),
    (0x80, "__GFP_FS"),
    (0x100, "__GFP_ZERO"),
    (0x400, "__GFP_DIRECT_RECLAIM"),
    (0x800, "__GFP_KSWAPD_RECLAIM"),
    (0x1000, "__GFP_WRITE"),
    (0x2000, "__GFP_NOWARN"),
    (0x4000, "__GFP_RETRY_MAYFAIL"),
    (0x8000, "__GFP_NOFAIL"),
    (0x1_0000, "__GFP_NORETRY"),
    (0x2_0000, "__GFP_MEMALLOC"),
    (0x4_0000, "__GFP_COMP"),
    (0x8_0000, "__GFP_NOMEMALLOC"),
    (0x10_0000, "__GFP_HARDWALL"),
    (0x20_0000, "__GFP_THISNODE"),
    (0x10, "__GFP_RECLAIMABLE"),
    (0x8, "__GFP_MOVABLE"),
    (0x40_0000, "__GFP_ACCOUNT"),
    (0x80_0000, "__GFP_ZEROTAGS"),
];

/// Appends the names of the flags that are set, with `|` between them, and what has no name as a number.
pub fn write(out: &mut Vec<u8>, flags: u64) {
    let start = out.len();
    let mut rest = flags;
    for (set, name) in NAMES {
        if rest & set == *set {
            rest &= !set;
            separate(out, start);
            out.extend_from_slice(name.as_bytes());
        }
    }
    match (rest, flags) {
        (0, 0) => out.push(b'0'),
        (0, _) => {}
        _ => {
            separate(out, start);
            push_fmt(out, format_args!("{rest:#x}"));
        }
    }
}

fn separate(out: &mut Vec<u8>, start: usize) {
    if out.len() > start {
        out.push(b'|');
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sets_come_before_single_flags() {
        let named = |flags| {
            let mut out = Vec::new();
            super::write(&mut out, flags);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!((named(0), named(1)), ("0".into(), "GFP_DMA".into()));
        assert_eq!((named(0xcc0), named(0xdc0)), ("GFP_KERNEL".into(), "GFP_KERNEL|__GFP_ZERO".into()));
        assert_eq!(named(0x822), "GFP_ATOMIC|__GFP_HIGHMEM");
        assert_eq!((named(0x10_0cca), named(0x1c_24ca)), ("GFP_HIGHUSER_MOVABLE".into(), "GFP_TRANSHUGE".into()));
        assert_eq!((named(0x8000_0000_0000), named(0x201)), ("0x800000000000".into(), "GFP_DMA|0x200".into()));
    }
}
