//! usdt probes: places that the authors of programs and libraries marked.
//!
//! Each place has a note that says where the values are that are passed there. Places of one probe whose values are
//! found in the same way share an attach point; others get one each, which continue the first one. What nobody asks for
//! makes no difference.

use super::uprobe::no_file;
use super::{KernelTarget, symbol};
use crate::arch::{self, Arch};
use crate::binary::BinaryError;
use crate::files::{Files, Found, as_text};
use crate::kernel;
use crate::usdt::operand::{self, Argument, Operand};
use crate::usdt::{Note, Notes};
use lang::glob;
use lang::nearest::nearest;
use lang::target::{
    Access, Attach, Base, Context, ProgramType, Resolved, Slot, TargetError, UsdtPlace, UserAddress, Wants,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// A probe as a script names it. Both names may be patterns.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub provider: Option<&'a str>,
    pub name: &'a str,
    pub wants: Wants,
}

impl Asked<'_> {
    fn covers(&self, note: &Note) -> bool {
        self.provider.is_none_or(|provider| glob::matches(provider, &note.provider))
            && glob::matches(self.name, &note.name)
    }

    fn is_pattern(&self) -> bool {
        glob::is_pattern(self.name) || self.provider.is_some_and(glob::is_pattern)
    }
}

impl KernelTarget {
    pub(super) fn usdts(&self, binary: Option<&str>, asked: Asked<'_>) -> Result<Vec<Resolved>, TargetError> {
        if !kernel::has_uprobes() {
            let title = "usdt: this kernel has no uprobes (it was built without CONFIG_UPROBES)";
            return Err(TargetError::other(title, None));
        }
        let files = Files::new(self.process);
        let found = match (binary, self.process) {
            (None | Some("" | "*"), Some(_)) => files.mapped(),
            (Some("*"), None) => files.everywhere(),
            (None, None) => {
                let title = "usdt probe type requires 2 or 3 arguments, found 1";
                let help = "write usdt:BINARY:NAME or usdt:BINARY:PROVIDER:NAME, or use -p PID";
                return Err(TargetError::other(title, Some(help.into())));
            }
            (Some(""), None) => {
                let title = "usdt probe must specify at least path or pid to probe. To target all paths/pids set the path to '*'.";
                return Err(TargetError::other(title, None));
            }
            (Some(name), _) => files.find(name),
        };
        let one = binary.filter(|name| !name.is_empty() && !glob::is_pattern(name));
        if let (Some(name), true) = (one, found.is_empty()) {
            return Err(no_file("usdt", name));
        }
        let mut all = Vec::new();
        let mut others: Vec<Rc<Notes>> = Vec::new();
        for file in &found {
            match self.notes(&file.path) {
                Ok(notes) => {
                    let resolved = self.in_file(file, &notes, asked)?;
                    if resolved.is_empty() {
                        others.push(notes);
                    }
                    all.extend(resolved);
                }
                // A pattern may cover what is no program.
                Err(_) if one.is_none() => {}
                Err(error) => return Err(TargetError::missing(format!("{}: {error}", file.name), None)),
            }
        }
        match all.is_empty() && !asked.is_pattern() {
            true => Err(no_match(binary, asked, one.is_some(), &others)),
            false => Ok(all),
        }
    }

    /// A file's notes, read once however many probes are in it.
    pub(super) fn notes(&self, path: &Path) -> Result<Rc<Notes>, BinaryError> {
        if let Some(known) = self.notes.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let notes = Rc::new(Notes::read(path)?);
        self.notes.borrow_mut().insert(path.to_owned(), Rc::clone(&notes));
        Ok(notes)
    }

    fn in_file(&self, file: &Found, notes: &Notes, asked: Asked<'_>) -> Result<Vec<Resolved>, TargetError> {
        let mut probes: BTreeMap<(&str, &str), Vec<&Note>> = BTreeMap::new();
        for note in notes.all.iter().filter(|note| asked.covers(note)) {
            probes.entry((&note.provider, &note.name)).or_default().push(note);
        }
        if probes.is_empty() {
            return Ok(Vec::new());
        }
        let Some(path) = as_text(&file.path) else {
            return Err(TargetError::other(format!("{}: the path is no text", file.path.display()), None));
        };
        let Some(arch) = arch::native() else {
            return Err(TargetError::other("usdt probes are not known on this architecture", None));
        };
        let program = if self.has_uprobe_multi() { ProgramType::UprobeMulti } else { ProgramType::Kprobe };
        let mut all = Vec::new();
        for ((provider, name), probe) in probes {
            let probe_name = format!("{provider}:{name}");
            let full_name = format!("usdt:{}:{probe_name}", file.name);
            let refused = |why: String| TargetError::other(format!("{full_name}: {why}"), None);
            let mut ways: Vec<(Vec<Access>, Vec<UsdtPlace>)> = Vec::new();
            for note in probe {
                let place = place(note).map_err(refused)?;
                let args = passed(arch, path, notes, note, asked.wants.args).map_err(refused)?;
                match ways.iter_mut().find(|(known, _)| *known == args) {
                    Some((_, places)) if places.contains(&place) => {}
                    Some((_, places)) => places.push(place),
                    None => ways.push((args, vec![place])),
                }
            }
            all.extend(ways.into_iter().enumerate().map(|(index, (args, places))| Resolved {
                attach: Attach::Usdt { path: path.into(), probe: probe_name.clone(), places, continues: index > 0 },
                context: Context { args: args.into(), ..Context::bare(program) },
                name: Some(full_name.clone()),
            }));
        }
        Ok(all)
    }
}

/// Where in the file a note's instruction and semaphore are.
fn place(note: &Note) -> Result<UsdtPlace, String> {
    let Some(offset) = note.offset else {
        return Err(format!("there is no code at {:#x}, where its note says it is", note.address));
    };
    if let (Some(semaphore), None) = (note.semaphore, note.semaphore_offset) {
        return Err(format!(
            "its semaphore at {semaphore:#x} is in no part of the file, so the kernel cannot count it up"
        ));
    }
    Ok(UsdtPlace { offset, semaphore: note.semaphore_offset })
}

/// How the arguments are read that are wanted; those after the last of them are left out.
fn passed(arch: &Arch, path: &str, notes: &Notes, note: &Note, wanted: u16) -> Result<Vec<Access>, String> {
    if wanted == 0 {
        return Ok(Vec::new());
    }
    if notes.machine != arch.elf_machine {
        return Err("the file is for another processor, which keeps its arguments elsewhere".into());
    }
    let count = (u16::BITS - wanted.leading_zeros()) as usize;
    let found = operand::arguments(&note.arguments, arch.operand).take(count).enumerate();
    let read = found.map(|(index, argument)| match wanted >> index & 1 {
        0 => Ok(number(0)),
        _ => argument
            .and_then(|argument| access(arch, path, notes, note, argument))
            .map_err(|why| format!("arg{index} cannot be read: {why} ({})", note.arguments)),
    });
    read.collect()
}

fn number(number: i64) -> Access {
    Access { base: Base::Number(number), offset: 0, bytes: 8, signed: true }
}

fn access(arch: &Arch, path: &str, notes: &Notes, note: &Note, argument: Argument) -> Result<Access, String> {
    let Argument { bytes, signed, operand } = argument;
    let address = |address| in_process(arch, path, notes, note, address);
    let from = |base| Access { base, offset: 0, bytes, signed };
    Ok(match operand {
        Operand::Number(value) => number(cut(value, bytes, signed)),
        // A part that is not the register's lowest has one byte; of any other, as much is meant as the size says.
        Operand::Register(Slot { offset, bytes: 1, .. }) if offset % 8 != 0 => {
            Access { base: Base::Context, offset, bytes: 1, signed }
        }
        Operand::Register(Slot { offset, .. }) => Access { base: Base::Context, offset, bytes, signed },
        Operand::Memory(place) => from(Base::User(address(place)?)),
        Operand::Address(place) => from(Base::Address(address(place)?)),
    })
}

/// A number as a value of so many bytes holds it.
fn cut(value: i64, bytes: u32, signed: bool) -> i64 {
    let above = 64 - bytes * 8;
    match signed {
        true => value << above >> above,
        false => ((value as u64) << above >> above) as i64,
    }
}

/// An address with its symbol resolved: seen from the traced instruction, if the file may be loaded anywhere.
fn in_process(
    arch: &Arch,
    path: &str,
    notes: &Notes,
    note: &Note,
    address: operand::Address,
) -> Result<UserAddress, String> {
    let operand::Address { base, index, distance, symbol } = address;
    let Some(symbol) = symbol else { return Ok(UserAddress { base, index, distance }) };
    let lies = symbol::address(path, &symbol.name).map_err(|why| format!("{}: {why}", symbol.name))?;
    let further = |by: u64| distance.wrapping_add(by as i64);
    if symbol.in_page {
        return Ok(UserAddress { base, index, distance: further(lies & 0xfff) });
    }
    if notes.is_fixed {
        return Ok(UserAddress { base, index, distance: further(lies) });
    }
    match (base, arch.register(arch.instruction_pointer)) {
        (None, Some(here)) => {
            let base = Slot { offset: u32::from(here.offset), bytes: u32::from(here.size), signed: false };
            Ok(UserAddress { base: Some(base), index, distance: further(lies.wrapping_sub(note.address)) })
        }
        _ => Err(format!("{} has no fixed address", symbol.name)),
    }
}

fn no_match(binary: Option<&str>, asked: Asked<'_>, is_one_file: bool, files: &[Rc<Notes>]) -> TargetError {
    let parts = ["usdt", binary.unwrap_or("*"), asked.provider.unwrap_or_default(), asked.name];
    let place = parts.iter().skip(1).filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(":");
    let notes = || files.iter().flat_map(|notes| &notes.all);
    let mut owners: Vec<&str> = notes().filter(|note| note.name == asked.name).map(|note| &*note.provider).collect();
    owners.sort_unstable();
    owners.dedup();
    let near = || {
        let mut names: Vec<&str> = notes().map(|note| &*note.name).collect();
        names.sort_unstable();
        names.dedup();
        nearest(asked.name, names, 3)
    };
    let help = match (&owners[..], asked.provider) {
        ([_, ..], Some(_)) => Some(format!("{} has the provider {}", asked.name, owners.join(", "))),
        _ if is_one_file && notes().next().is_none() => Some("there are no usdt probes in this file".into()),
        _ => Some(near()).filter(|near| !near.is_empty()).map(|near| format!("did you mean {}?", near.join(", "))),
    };
    TargetError::missing(format!("No matches for usdt {place}."), help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usdt::operand::{Address, Symbol};

    #[test]
    fn numbers_have_the_width_and_sign_that_their_size_says() {
        let value = -579_005_069_656_919_568;
        let cases = [(1, 240, -16), (2, 61_936, -3600), (4, 4_092_785_136, -202_182_160), (8, value, value)];
        for (bytes, unsigned, signed) in cases {
            assert_eq!(cut(value, bytes, false), unsigned, "{bytes}");
            assert_eq!(cut(value, bytes, true), signed, "{bytes}");
        }
    }

    fn note(arguments: &str) -> Note {
        Note {
            provider: "shop".into(),
            name: "order".into(),
            address: 0x1000,
            offset: Some(0x1000),
            semaphore: None,
            semaphore_offset: None,
            arguments: arguments.into(),
        }
    }

    #[test]
    fn what_nobody_asks_for_makes_no_difference() {
        let arch = &arch::x86_64::ARCH;
        let notes = Notes { machine: arch.elf_machine, ..Notes::default() };
        let read = |text: &str, wanted| passed(arch, "/none", &notes, &note(text), wanted);
        assert_eq!(read("8@%xmm0 -4@%ax", 0), Ok(Vec::new()));
        let second = Access { base: Base::Context, offset: 80, bytes: 4, signed: true };
        assert_eq!(read("8f@%xmm0 -4@%ax 1@junk!", 0b10), Ok(vec![number(0), second]));
        assert_eq!(read("1@$3", 0b10), Ok(vec![number(0)]));
        assert_eq!(read("8f@%xmm0", 1), Err("arg0 cannot be read: it is a floating-point number (8f@%xmm0)".into()));
        let high = Access { base: Base::Context, offset: 81, bytes: 1, signed: true };
        assert_eq!(read("-4@%ah", 1), Ok(vec![high]));
        let other = Notes { machine: 3, ..Notes::default() };
        assert!(passed(arch, "/none", &other, &note("1@$3"), 1).is_err_and(|why| why.contains("another processor")));
    }

    #[test]
    fn symbols_are_found_from_the_instruction() {
        let arch = arch::native().expect("a known processor");
        let own = std::env::current_exe().expect("the test has a file");
        let path = own.to_str().expect("a plain path");
        let lies = symbol::address(path, "main").expect("a program has a main function");
        let symbol = |in_page| Some(Symbol { name: "main".into(), in_page });
        let at =
            |is_fixed, address| in_process(arch, path, &Notes { is_fixed, ..Notes::default() }, &note(""), address);
        let plain = || Address { distance: 8, symbol: symbol(false), ..Address::default() };
        let moving = at(false, plain()).expect("it is found");
        assert_eq!((moving.base.is_some(), moving.distance), (true, lies as i64 - 0x1000 + 8));
        let fixed = at(true, plain()).expect("it is found");
        assert_eq!((fixed.base.is_some(), fixed.distance), (false, lies as i64 + 8));
        let register = Some(Slot { offset: 0, bytes: 8, signed: false });
        assert!(at(false, Address { base: register, ..plain() }).is_err());
        let low = at(false, Address { base: register, symbol: symbol(true), ..plain() }).expect("it is found");
        assert_eq!(low.distance, (lies & 0xfff) as i64 + 8);
        let missing = Some(Symbol { name: "no_such_symbol".into(), in_page: false });
        assert!(at(true, Address { symbol: missing, ..plain() }).is_err_and(|why| why.starts_with("no_such_symbol: ")));
    }
}
