//! Programs written in Go: which code is Go's, and where its functions have their arguments.
//!
//! From Go 1.17 on a function is called with its arguments in registers of Go's own choice (the Go internal ABI,
//! `src/cmd/compile/abi-internal.md`). Each number or pointer has a register: a text takes two, address and length, a
//! slice three, a structure what its members take. Functions written in assembly have `.abi0` behind their names and
//! take everything on the stack.

use crate::arch::Arch;
use crate::btf::{Btf, Kind, TypeId};
use lang::target::{Access, Base, Slot, UserAddress};
use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, SectionTable, Sym};
use std::ops::Range;
use std::sync::Arc;

/// Sections that Go's linker writes, also into a stripped program.
const SECTIONS: [&[u8]; 4] = [b".go.buildinfo", b".note.go.buildid", b".gopclntab", b".data.rel.ro.gopclntab"];

/// The symbols around Go's code.
const TEXT: [&[u8]; 2] = [b"runtime.text", b"runtime.etext"];

/// Where a program's Go code lies, if it has any; around it there may be code in C. Without symbols all code is taken
/// for Go's.
pub(crate) fn code<'data, Elf: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    endian: Endianness,
    data: R,
    sections: &SectionTable<'data, Elf, R>,
) -> Option<Range<u64>> {
    let is_go = |section: &Elf::SectionHeader| {
        sections.section_name(endian, section).is_ok_and(|name| SECTIONS.contains(&name))
    };
    sections.iter().find(|section| is_go(section))?;
    let marks = sections.symbols(endian, data, elf::SHT_SYMTAB).ok().map(|symbols| {
        TEXT.map(|wanted| {
            let mut named = symbols.iter().filter(|symbol| symbol.name(endian, symbols.strings()) == Ok(wanted));
            named.next().map(|symbol| symbol.st_value(endian).into())
        })
    });
    match marks {
        Some([Some(start), Some(end)]) if start < end => Some(start..end),
        _ => Some(0..u64::MAX),
    }
}

/// Where a function has its arguments, word by word.
pub(crate) fn arguments(arch: &Arch, symbol: &str) -> Arc<[Access]> {
    let slot = |name: &str| {
        let register = arch.register(name)?;
        Some(Slot { offset: register.offset.into(), bytes: register.size.into(), signed: false })
    };
    if !symbol.ends_with(".abi0") {
        return arch.go_arguments.iter().filter_map(|name| slot(name)).map(Access::from).collect();
    }
    let Some(stack) = slot(arch.stack_pointer) else { return Arc::default() };
    // Below lies the return address, on every processor.
    let at = |word: i64| UserAddress { base: Some(stack), index: None, distance: 8 + 8 * word };
    (0..10).map(|word| Access { base: Base::User(at(word)), offset: 0, bytes: 8, signed: false }).collect()
}

/// How many registers for whole numbers an argument takes; `None` if it lies on the stack.
pub(crate) fn registers(btf: &Btf, ty: TypeId) -> Option<usize> {
    /// Types do not contain themselves, but broken ones may.
    const DEPTH: u32 = 16;
    /// More are there on no processor.
    const MOST: usize = 32;
    fn count(btf: &Btf, ty: TypeId, depth: u32) -> Option<usize> {
        let ty = btf.resolve(ty).ok()?;
        let depth = depth.checked_sub(1)?;
        match ty.kind {
            Kind::Float => Some(0),
            Kind::Struct => ty
                .members()
                .try_fold(0, |sum, member| Some(sum + count(btf, member.type_id, depth)?).filter(|sum| *sum <= MOST)),
            Kind::Array => match ty.array()? {
                array if array.len == 0 => Some(0),
                array if array.len == 1 => count(btf, array.element, depth),
                _ => None,
            },
            _ => Some(1),
        }
    }
    count(btf, ty, DEPTH)
}
