//! How to find the caller of a function that keeps no frame pointer: the tables that compilers leave in `.eh_frame`,
//! reduced to what a walk up the stack needs on x86-64.
//!
//! A caller's frame begins where its callee's ends, at the *canonical frame address*; the return address is the word
//! below it. So all that has to be known of an instruction is how that address follows from `rsp` or `rbp`, and where
//! `rbp` has been saved. Rules that need other registers are rare (hand-written assembly, functions that align their
//! stack) and are given up: the walk ends there.

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, EhFrameHdr, EndianSlice, Expression, LittleEndian, Operation, Pointer,
    Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow, X86_64,
};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, elf};
use std::fs::File;
use std::io;
use std::path::Path;

/// Why a file gives no table.
#[derive(Debug, thiserror::Error)]
pub enum UnwindError {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no 64-bit ELF file, or a broken one.
    #[error("not an ELF file that can be read: {0}")]
    Malformed(#[from] object::read::Error),
    /// It is for another processor.
    #[error("not a program for x86-64")]
    Foreign,
    /// It says nothing about its stack frames.
    #[error("it has no .eh_frame")]
    NoFrames,
}

/// The rules of a program or library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The address that `Row::start` counts from: the lowest one that the file is linked for.
    pub base: u64,
    /// By address. The first begins at 0, and each holds until the next.
    pub rows: Vec<Row>,
    /// The parts of the file that are mapped as code.
    pub segments: Vec<Segment>,
}

/// A part of the file that is mapped as code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The address it is linked for, counted from the table's base.
    pub address: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// Bytes of it in the file.
    pub size: u64,
}

/// What holds from an address on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The first address, counted from the table's base.
    pub start: u32,
    /// What holds there.
    pub rule: Rule,
}

/// How to get to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// There is none: a thread begins here.
    End,
    /// Nothing is known.
    Unknown,
    /// By the frame that the instruction works in.
    Frame(Cfa, Rbp),
    /// The kernel has put a signal's frame there, with all registers: Linux's `struct ucontext` at `rsp`.
    Signal,
}

/// Where the frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cfa {
    /// At `rsp` and so many bytes.
    Rsp(i32),
    /// At `rbp` and so many bytes.
    Rbp(i32),
    /// In the word so many bytes from `rbp`: functions that align their stack leave it there.
    AtRbp(i32),
    /// In a linkage table, whose entries have 16 bytes and push a word before the one at 11.
    Plt,
}

/// Where the caller's `rbp` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rbp {
    /// In `rbp`.
    Same,
    /// In the word so many bytes from the frame's end.
    AtCfa(i32),
    /// In the word that `rbp` points to.
    AtRbp,
}

impl Table {
    /// Reads the rules of a file.
    pub fn open(path: &Path) -> Result<Self, UnwindError> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        Self::read(&ReadCache::new(file))
    }

    /// Reads the rules of an ELF image.
    pub fn read<'data, R: ReadRef<'data>>(data: R) -> Result<Self, UnwindError> {
        let header = elf::FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        if header.e_machine(endian) != elf::EM_X86_64 || endian != Endianness::Little {
            return Err(UnwindError::Foreign);
        }
        let programs = header.program_headers(endian, data)?;
        let loaded = || programs.iter().filter(|program| program.p_type(endian) == elf::PT_LOAD);
        let base = loaded().map(|program| program.p_vaddr(endian)).min().unwrap_or(0);
        let code = loaded().filter(|program| program.p_flags(endian) & elf::PF_X != 0);
        let segments = code.map(|program| Segment {
            address: program.p_vaddr(endian) - base,
            offset: program.p_offset(endian),
            size: program.p_filesz(endian),
        });
        let segments = segments.collect();

        let sections = header.sections(endian, data)?;
        let mut bases = BaseAddresses::default();
        for (name, set) in [
            (&b".text"[..], BaseAddresses::set_text as fn(BaseAddresses, u64) -> BaseAddresses),
            (b".got", BaseAddresses::set_got),
        ] {
            if let Some((_, section)) = sections.section_by_name(endian, name) {
                bases = set(bases, section.sh_addr(endian));
            }
        }
        let (address, frames) = match sections.section_by_name(endian, b".eh_frame") {
            Some((_, section)) => (section.sh_addr(endian), section.data(endian, data)?),
            // Without section headers the segment for the search table leads there.
            None => {
                let table = programs.iter().find(|program| program.p_type(endian) == elf::PT_GNU_EH_FRAME);
                let table = table.ok_or(UnwindError::NoFrames)?;
                let bytes = table.data(endian, data).map_err(|()| UnwindError::NoFrames)?;
                let at = frames_by_header(bytes, table.p_vaddr(endian)).ok_or(UnwindError::NoFrames)?;
                let segment = loaded().find(|program| {
                    at.checked_sub(program.p_vaddr(endian)).is_some_and(|within| within < program.p_filesz(endian))
                });
                let segment = segment.ok_or(UnwindError::NoFrames)?;
                let bytes = segment.data(endian, data).map_err(|()| UnwindError::NoFrames)?;
                (at, bytes.get((at - segment.p_vaddr(endian)) as usize..).unwrap_or_default())
            }
        };
        Ok(Self { base, rows: rows(frames, &bases.set_eh_frame(address), base), segments })
    }

    /// What holds at an address, counted from the base.
    pub fn rule(&self, address: u32) -> Rule {
        match self.rows.partition_point(|row| row.start <= address).checked_sub(1) {
            Some(index) => self.rows[index].rule,
            None => Rule::Unknown,
        }
    }
}

/// The address of the frames by `.eh_frame_hdr`.
fn frames_by_header(bytes: &[u8], address: u64) -> Option<u64> {
    let bases = BaseAddresses::default().set_eh_frame_hdr(address);
    let header = EhFrameHdr::new(bytes, LittleEndian).parse(&bases, 8).ok()?;
    match header.eh_frame_ptr() {
        Pointer::Direct(address) => Some(address),
        Pointer::Indirect(_) => None,
    }
}

type Slice<'d> = EndianSlice<'d, LittleEndian>;

/// The rows of a section, in order and without gaps. What cannot be read is left out.
fn rows(frames: &[u8], bases: &BaseAddresses, base: u64) -> Vec<Row> {
    /// Less than this between two functions is there for alignment, and nobody runs it.
    const PADDING: u64 = 16;
    let section = EhFrame::new(frames, LittleEndian);
    let mut entries = section.entries(bases);
    let mut context = UnwindContext::new();
    // Stretches of addresses with their rules.
    let mut found: Vec<(u64, u64, Rule)> = Vec::new();
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(fde) = partial.parse(EhFrame::cie_from_offset) else { continue };
        let Ok(mut table) = fde.rows(&section, bases, &mut context) else { continue };
        while let Ok(Some(row)) = table.next_row() {
            found.push((row.start_address(), row.end_address(), rule(&section, row, fde.is_signal_trampoline())));
        }
    }
    found.sort_by_key(|(start, ..)| *start);

    let mut rows = vec![Row { start: 0, rule: Rule::Unknown }];
    let mut add = |start: u64, rule: Rule| {
        let Some(start) = start.checked_sub(base).and_then(|start| u32::try_from(start).ok()) else { return };
        match rows.last_mut() {
            Some(last) if last.start == start => last.rule = rule,
            Some(last) if last.rule == rule => {}
            _ => rows.push(Row { start, rule }),
        }
    };
    let mut end_of_last = base;
    for (start, end, rule) in found {
        // The linker leaves entries of functions that it has thrown away at address 0.
        if start <= base || start < end_of_last || end <= start {
            continue;
        }
        if start - end_of_last >= PADDING {
            add(end_of_last, Rule::Unknown);
        }
        add(start, rule);
        end_of_last = end;
    }
    add(end_of_last, Rule::Unknown);
    rows
}

/// What a row says, if it is among what is supported.
fn rule<'d>(section: &EhFrame<Slice<'d>>, row: &UnwindTableRow<usize>, is_signal: bool) -> Rule {
    let read = |expression: &UnwindExpression<usize>| expression.get(section).ok();
    if let Some(RegisterRule::Undefined) = row.register(X86_64::RA) {
        return Rule::End;
    }
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => match (*register, i32::try_from(*offset)) {
            (X86_64::RSP, Ok(offset)) => Cfa::Rsp(offset),
            (X86_64::RBP, Ok(offset)) => Cfa::Rbp(offset),
            _ => return Rule::Unknown,
        },
        CfaRule::Expression(expression) => match read(expression).and_then(cfa_of) {
            // `uc_mcontext.gregs[REG_RSP]`
            Some(Computed::Word(X86_64::RSP, 160)) if is_signal => return Rule::Signal,
            Some(Computed::Word(X86_64::RBP, offset)) => Cfa::AtRbp(offset),
            Some(Computed::Plt) => Cfa::Plt,
            _ => return Rule::Unknown,
        },
    };
    match row.register(X86_64::RA) {
        // Everybody's return address is the word below the frame's end.
        Some(RegisterRule::Offset(-8)) => {}
        _ => return Rule::Unknown,
    }
    let rbp = match row.register(X86_64::RBP) {
        None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => Rbp::Same,
        Some(RegisterRule::Offset(offset)) => match i32::try_from(offset) {
            Ok(offset) => Rbp::AtCfa(offset),
            Err(_) => return Rule::Unknown,
        },
        Some(RegisterRule::Expression(expression)) => match read(&expression).and_then(address_of) {
            Some((X86_64::RBP, 0)) => Rbp::AtRbp,
            _ => return Rule::Unknown,
        },
        Some(_) => return Rule::Unknown,
    };
    Rule::Frame(cfa, rbp)
}

/// What a rule for the frame's end computes.
enum Computed {
    /// The word at a register and so many bytes.
    Word(Register, i32),
    /// The one for linkage tables.
    Plt,
}

/// The operations of an expression.
fn operations<'d>(expression: Expression<Slice<'d>>) -> Option<Vec<Operation<Slice<'d>>>> {
    /// Longer ones are not among what is known.
    const MOST: usize = 16;
    let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
    let mut found = Vec::new();
    let mut rest = expression.operations(encoding);
    while let Some(operation) = rest.next().ok()? {
        if found.len() == MOST {
            return None;
        }
        found.push(operation);
    }
    Some(found)
}

fn cfa_of(expression: Expression<Slice<'_>>) -> Option<Computed> {
    use Operation as Op;
    let operations = operations(expression)?;
    match operations.as_slice() {
        [Op::RegisterOffset { register, offset, .. }, Op::Deref { space: false, .. }] => {
            Some(Computed::Word(*register, i32::try_from(*offset).ok()?))
        }
        // rsp + 8 + ((rip & 15) >= 11) * 8, as binutils writes it for all linkage tables.
        [
            Op::RegisterOffset { register: X86_64::RSP, offset: 8, .. },
            Op::RegisterOffset { register: X86_64::RA, offset: 0, .. },
            Op::UnsignedConstant { value: 15 },
            Op::And,
            Op::UnsignedConstant { value: 11 },
            Op::Ge,
            Op::UnsignedConstant { value: 3 },
            Op::Shl,
            Op::Plus,
        ] => Some(Computed::Plt),
        _ => None,
    }
}

fn address_of(expression: Expression<Slice<'_>>) -> Option<(Register, i64)> {
    match operations(expression)?.as_slice() {
        [Operation::RegisterOffset { register, offset, .. }] => Some((*register, *offset)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_program_has_rules() {
        let own = std::env::current_exe().expect("the test has a file");
        let table = Table::open(&own).expect("it has a table");
        assert_eq!(table.rows[0].start, 0);
        assert!(table.rows.windows(2).all(|pair| pair[0].start < pair[1].start && pair[0].rule != pair[1].rule));
        let binary = crate::binary::Binary::open(&own, &[]).expect("it is an ELF file");
        let main = binary.function("main").expect("it has main");
        // At its first instruction a function has nothing but its return address on the stack.
        let at = (main.address - table.base) as u32;
        assert_eq!(table.rule(at), Rule::Frame(Cfa::Rsp(8), Rbp::Same));
    }

    #[test]
    fn the_c_library_has_frames_linkage_and_signals() {
        let Some(libc) = loaded("libc.so.6") else {
            eprintln!("skipped: this test has no shared C library");
            return;
        };
        let table = Table::open(Path::new(&libc)).expect("it has a table");
        let count = |wanted: fn(&Rule) -> bool| table.rows.iter().filter(|row| wanted(&row.rule)).count();
        assert!(count(|rule| matches!(rule, Rule::Frame(Cfa::Rsp(16), Rbp::Same))) > 1000);
        assert!(count(|rule| matches!(rule, Rule::Frame(Cfa::Rbp(16), Rbp::AtCfa(-16)))) > 100);
        assert_eq!(count(|rule| matches!(rule, Rule::Signal)), 1);
        assert!(count(|rule| matches!(rule, Rule::End)) >= 1, "threads begin in clone");
        assert!(count(|rule| matches!(rule, Rule::Frame(Cfa::Plt, Rbp::Same))) >= 1);
        let unknown = count(|rule| matches!(rule, Rule::Unknown));
        assert!(unknown * 10 < table.rows.len(), "{unknown} of {} rows give up", table.rows.len());
    }

    #[test]
    fn the_kernels_own_pages_have_rules() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("there are mappings");
        let vdso = maps.lines().find(|line| line.ends_with("[vdso]"));
        let Some(range) = vdso.and_then(|line| line.split_once(' ')).map(|(range, _)| range) else {
            eprintln!("skipped: the kernel maps no [vdso]");
            return;
        };
        let (start, end) = range.split_once('-').expect("a range");
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).expect("a number"));
        let mut bytes = vec![0; (end - start) as usize];
        let memory = File::open("/proc/self/mem").expect("our own memory");
        std::os::unix::fs::FileExt::read_exact_at(&memory, &mut bytes, start).expect("it can be read");
        let table = Table::read(bytes.as_slice()).expect("it has a table");
        assert!(table.rows.iter().any(|row| matches!(row.rule, Rule::Frame(..))));
    }

    /// Every cut of a file is an error or a smaller table, never a panic.
    #[test]
    fn a_cut_file_does_no_harm() {
        let own = std::env::current_exe().expect("the test has a file");
        let bytes = std::fs::read(own).expect("it can be read");
        for length in (0..bytes.len()).step_by(bytes.len() / 50 + 1).chain((0..4096).step_by(97)) {
            let _ = Table::read(&bytes[..length]);
        }
        assert!(matches!(Table::read(&b"#!/bin/sh\n"[..]), Err(UnwindError::Malformed(_))));
        assert!(matches!(Table::open(Path::new("/")), Err(UnwindError::Io(_))));
    }

    /// The path of a library of this process.
    fn loaded(name: &str) -> Option<String> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        maps.lines()
            .filter_map(|line| line.split_whitespace().last())
            .find(|path| path.ends_with(name))
            .map(str::to_owned)
    }
}
