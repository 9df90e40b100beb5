//! Uprobes and uretprobes: functions of programs and libraries.

use super::{KernelTarget, access};
use crate::arch;
use crate::archive;
use crate::binary::{Binary, BinaryError, Function};
use crate::btf::{Kind, Param};
use crate::demangle::{self, Wanted};
use crate::dwarf::{self, Dwarf, Home, NoLine};
use crate::files::{Files, Found, as_text};
use crate::go;
use crate::kernel;
use lang::glob;
use lang::nearest::nearest;
use lang::probes::Place;
use lang::target::{Access, Attach, Base, Context, Field, ProgramType, Resolved, TargetError, Wants};
use lang::types::Type;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

impl KernelTarget {
    pub(super) fn uprobes(
        &self,
        binary: Option<&str>,
        place: &Place,
        on_return: bool,
        wants: Wants,
    ) -> Result<Vec<Resolved>, TargetError> {
        let word = if on_return { "uretprobe" } else { "uprobe" };
        if !kernel::has_uprobes() {
            let title = format!("{word}: this kernel has no uprobes (it was built without CONFIG_UPROBES)");
            return Err(TargetError::other(title, None));
        }
        // With a process the file may be left out; there is also a program that is called cpp.
        if let (Some(_), Some("cpp" | "rust"), Place::Symbol { name, offset }) = (self.process, binary, place) {
            return self.uprobes(None, &Place::Cpp { name: name.clone(), offset: *offset }, on_return, wants);
        }
        let files = Files::new(self.process);
        let found = match binary {
            Some(name) => files.find(name),
            None => files.of_process().into_iter().collect(),
        };
        let many = binary.is_some_and(glob::is_pattern);
        match (binary, found.is_empty()) {
            (None, true) => {
                let title = format!("{word} probe type requires 2 or 3 arguments, found 1");
                return Err(TargetError::other(title, Some(format!("write {word}:BINARY:FUNCTION, or use -p PID"))));
            }
            (Some("*"), true) if self.process.is_none() => {
                return Err(TargetError::other(format!("{word} cannot look in all files"), Some("use -p PID".into())));
            }
            (Some(name), true) if !many => return Err(no_file(word, name)),
            _ => {}
        }
        let mut all = Vec::new();
        for file in &found {
            match self.binary(file) {
                Ok(binary) => all.extend(self.in_binary(word, file, &binary, place, on_return, many, wants)?),
                // A pattern may cover what is no program.
                Err(_) if many => {}
                // Code without headers lies where the file has it.
                Err(BinaryError::Malformed(_)) if self.trusts_names && matches!(place, Place::Address(_)) => {
                    all.extend(self.in_flat_file(word, file, place, on_return)?);
                }
                Err(error) => return Err(TargetError::missing(format!("{}: {error}", file.name), None)),
            }
        }
        let may_be_none =
            matches!(place, Place::Symbol { name, .. } | Place::Cpp { name, .. } if glob::is_pattern(name));
        if all.is_empty() && many && !may_be_none {
            return Err(no_match(word, binary.unwrap_or_default(), place, None));
        }
        Ok(all)
    }

    /// A file's functions, read once however many probes are in it.
    pub(super) fn binary(&self, file: &Found) -> Result<Rc<Binary>, BinaryError> {
        let key = (file.path.clone(), file.member);
        if let Some(known) = self.binaries.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let binary = Rc::new(match file.member {
            Some(member) => Binary::in_archive(&file.path, member)?,
            None => Binary::open(&file.path, &self.debug_folders)?,
        });
        self.binaries.borrow_mut().insert(key, Rc::clone(&binary));
        Ok(binary)
    }

    /// A file's debug information, if it has any that can be read.
    pub(super) fn debug_of(&self, path: &Path) -> Option<Arc<Dwarf>> {
        if let Some(known) = self.debug.borrow().get(path) {
            return known.clone();
        }
        let found = Dwarf::open(path, &self.debug_folders).ok().flatten();
        self.debug.borrow_mut().insert(path.to_owned(), found.clone());
        found
    }

    #[expect(clippy::too_many_arguments, reason = "what was asked, as it was asked")]
    fn in_binary(
        &self,
        word: &str,
        file: &Found,
        binary: &Binary,
        place: &Place,
        on_return: bool,
        many: bool,
        wants: Wants,
    ) -> Result<Vec<Resolved>, TargetError> {
        let Some(path) = as_text(&file.path).map(Arc::<str>::from) else {
            return Err(TargetError::other(format!("{}: the path is no text", file.path.display()), None));
        };
        let context = self.uprobe_context(on_return)?;
        let debug = if wants.named_args && !on_return { self.debug_of(&file.path) } else { None };
        let resolved = |symbol: &str, offset: u64, end: String| Resolved {
            attach: Attach::Uprobe {
                path: Arc::clone(&path),
                symbol: symbol.to_owned(),
                demangled: demangle::demangled(symbol),
                offset,
                on_return,
            },
            context: context.clone(),
            name: Some(format!("{word}:{}:{end}", file.name)),
        };
        let entered = |resolved: Resolved, symbol: &str, address: u64| {
            let is_go = binary.is_go(address);
            let function = debug.as_ref().and_then(|debug| debug.function(address));
            let fields = function.map(|function| arguments(&function, is_go)).unwrap_or_default();
            let args = match arch::native() {
                Some(arch) if is_go && !on_return => go::arguments(arch, symbol),
                _ => resolved.context.args,
            };
            Resolved { context: Context { fields, args, ..resolved.context }, ..resolved }
        };
        // What Go does with its stacks is no matter to code in C.
        let crashes = |address: u64| on_return && !self.trusts_names && binary.is_go(address);
        let at = |address: u64| match binary.file_offset(address) {
            Some(offset) => {
                let symbol = at_address(binary, address).unwrap_or_default();
                Ok(vec![entered(resolved(symbol, offset, address.to_string()), symbol, address)])
            }
            None if many => Ok(Vec::new()),
            None => Err(TargetError::missing(format!("Could not resolve address: {}:{address:#x}", file.name), None)),
        };
        match place {
            Place::Address(address) => at(*address),
            Place::Line { file: source, line, column } => match self.debug_of(&file.path) {
                Some(debug) => match debug.line(source, *line, *column) {
                    Ok(address) => at(address),
                    Err(_) if many => Ok(Vec::new()),
                    Err(why) => Err(no_line(why, source, *line, *column)),
                },
                None if many => Ok(Vec::new()),
                None => {
                    let title = format!("there is no debug information for {}", file.name);
                    Err(TargetError::missing(title, Some("compile it with -g, or say --debuginfo DIR".into())))
                }
            },
            Place::Cpp { name, offset } => {
                let found = cpp_functions(binary, name);
                if found.is_empty() && !many && !glob::is_pattern(name) {
                    return Err(no_match(word, &file.name, place, Some(binary)));
                }
                let mut all = Vec::new();
                for (symbol, function) in found {
                    if crashes(function.address) {
                        return Err(go_return(file, symbol));
                    }
                    within(symbol, function, *offset, self.trusts_names)?;
                    let Some(start) = binary.file_offset(function.address) else { continue };
                    let language = format!("{}:", demangle::language(symbol));
                    let end =
                        if *offset == 0 { language.clone() + symbol } else { format!("{language}{symbol}+{offset}") };
                    let found = resolved(symbol, start + offset, end);
                    all.push(if *offset == 0 { entered(found, symbol, function.address) } else { found });
                }
                Ok(all)
            }
            // Go's names may have brackets: `main.pick[int]`.
            Place::Symbol { name, .. } if glob::is_pattern(name) && binary.function(name).is_none() => {
                let mut names: Vec<(&str, Function)> = binary
                    .functions()
                    .filter(|(found, function)| {
                        !function.is_indirect && function.size > 0 && glob::matches(name, found)
                    })
                    .collect();
                names.sort_unstable_by_key(|(name, _)| *name);
                names.dedup_by_key(|(name, _)| *name);
                if let Some((first, _)) = names.first()
                    && names.iter().all(|(_, function)| crashes(function.address))
                {
                    return if many { Ok(Vec::new()) } else { Err(go_return(file, first)) };
                }
                names.retain(|(_, function)| !crashes(function.address));
                let mut all = Vec::with_capacity(names.len());
                all.extend(names.into_iter().filter_map(|(name, function)| {
                    let offset = binary.file_offset(function.address)?;
                    Some(entered(resolved(name, offset, name.to_owned()), name, function.address))
                }));
                Ok(all)
            }
            Place::Symbol { name, offset } => {
                let Some(function) = binary.function(name) else {
                    return match many {
                        true => Ok(Vec::new()),
                        false => Err(no_match(word, &file.name, place, Some(binary))),
                    };
                };
                if crashes(function.address) {
                    return Err(go_return(file, name));
                }
                within(name, function, *offset, self.trusts_names)?;
                let Some(start) = binary.file_offset(function.address) else {
                    return Err(TargetError::missing(format!("{name} has no code in {}", file.name), None));
                };
                let end = if *offset == 0 { name.clone() } else { format!("{name}+{offset}") };
                let found = resolved(name, start + offset, end);
                // Further on arguments are no longer where they were.
                Ok(vec![if *offset == 0 { entered(found, name, function.address) } else { found }])
            }
        }
    }

    /// An address in a file that is no program, but has code: its place in the file.
    fn in_flat_file(
        &self,
        word: &str,
        file: &Found,
        place: &Place,
        on_return: bool,
    ) -> Result<Option<Resolved>, TargetError> {
        let (Some(path), Place::Address(offset)) = (as_text(&file.path), place) else { return Ok(None) };
        let (path, symbol) = (path.into(), String::new());
        let attach = Attach::Uprobe { path, symbol, demangled: None, offset: *offset, on_return };
        let name = Some(format!("{word}:{}:{offset}", file.name));
        Ok(Some(Resolved { attach, context: self.uprobe_context(on_return)?, name }))
    }

    fn uprobe_context(&self, on_return: bool) -> Result<Context, TargetError> {
        let Some(arch) = arch::native() else {
            return Err(TargetError::other("uprobes are not known on this architecture", None));
        };
        let multi = self.has_uprobe_multi();
        let bare = Context::bare(if multi { ProgramType::UprobeMulti } else { ProgramType::Kprobe });
        Ok(match on_return {
            true => {
                let value = access(Base::Context, arch.register(arch.return_value));
                Context { retval: value.map(|access| (Type::U64, access)), ..bare }
            }
            false => {
                let args = (0..10).map_while(|index| access(Base::Context, arch.argument(index))).collect();
                Context { args, ..bare }
            }
        })
    }
}

/// The functions that a name or pattern of C++ means. A constructor and the like have two names if nothing is derived
/// from their class in a way that takes two functions: one is enough to see each call once.
fn cpp_functions<'b>(binary: &'b Binary, name: &str) -> Vec<(&'b str, Function)> {
    let wanted = Wanted::new(name);
    let mut found: Vec<(&str, Function)> = binary
        .functions()
        .filter(|(symbol, function)| !function.is_indirect && function.size > 0 && wanted.covers(symbol))
        .collect();
    found.sort_unstable_by_key(|(symbol, function)| (function.address, *symbol));
    found.dedup_by(|(later, a), (earlier, b)| {
        a.address == b.address && (later == earlier || demangle::demangled(later) == demangle::demangled(earlier))
    });
    found.sort_unstable_by_key(|(symbol, _)| *symbol);
    found
}

/// A function's arguments, as far as they are in general registers when it is entered.
fn arguments(function: &dwarf::Function, is_go: bool) -> Vec<Field> {
    let btf = function.types.btf();
    let Some(arch) = arch::native() else { return Vec::new() };
    let Ok(prototype) = btf.type_at(function.prototype) else { return Vec::new() };
    let mut taken = 0;
    let params = prototype.params().zip(&function.homes);
    let field = |(param, home): (Param<'_>, &Option<Home>)| {
        let ty = function.types.of(param.type_id);
        let size = btf.size_of(param.type_id).ok().flatten().unwrap_or(8);
        let first = taken;
        // Floating-point numbers have registers of their own, and what is large is on the stack.
        let is_float = btf.resolve(param.type_id).is_ok_and(|ty| ty.kind == Kind::Float);
        let takes = match is_go {
            true => go::registers(btf, param.type_id).filter(|more| first + more <= arch.go_arguments.len()),
            false if !is_float && size <= 16 => Some(size.div_ceil(8).max(1) as usize),
            false => None,
        };
        taken += takes.unwrap_or(0);
        let in_register = |register| access(Base::Context, register);
        let access = match home {
            Some(Home::Register(number)) => in_register(arch.dwarf_register(*number)),
            Some(Home::Number(number)) => {
                Some(Access { base: Base::Number(*number), offset: 0, bytes: 8, signed: true })
            }
            None if is_float || is_go && takes.is_none() => None,
            None if is_go => in_register(arch.go_arguments.get(first).and_then(|name| arch.register(name))),
            None => in_register(arch.argument(first)),
        };
        let (ty, access) = match access {
            Some(access) if ty.is_scalar() => {
                let bytes = ty.size_of() as u32;
                let base = match access.base {
                    Base::Number(number) if !ty.is_signed() => Base::Number(cut(number, bytes)),
                    base => base,
                };
                let access = Access { base, bytes, signed: ty.is_signed(), ..access };
                (ty, access)
            }
            _ => (Type::Unknown, Access { base: Base::Context, offset: 0, bytes: 8, signed: false }),
        };
        Field { name: param.name.to_owned(), ty, access }
    };
    params.map(field).filter(|field| !field.name.is_empty()).collect()
}

/// A number as so many bytes of it say, without a sign.
fn cut(number: i64, bytes: u32) -> i64 {
    match bytes {
        1..8 => number & ((1 << (bytes * 8)) - 1),
        _ => number,
    }
}

/// Why a function written in Go cannot be followed to its end.
fn go_return(file: &Found, name: &str) -> TargetError {
    let title = format!(
        "{}:{name} is written in Go, which moves its stacks and would crash on the return address that a uretprobe puts \
         there",
        file.name
    );
    let result = arch::native().and_then(|arch| arch.go_arguments.first()).unwrap_or(&"");
    let help = format!(
        "attach a uprobe to the places where the function returns (FUNCTION+OFFSET): there reg(\"{result}\") is its \
         first result"
    );
    TargetError::other(title, Some(help))
}

/// Refuses a place that is not in the function, or may not be.
fn within(name: &str, function: Function, offset: u64, forced: bool) -> Result<(), TargetError> {
    if forced {
        return Ok(());
    }
    if function.size == 0 {
        let title = format!("Could not determine boundary for {name} (symbol has size 0).");
        let help = "--unsafe attaches all the same: where no instruction begins, that corrupts the program";
        return Err(TargetError::missing(title, Some(help.into())));
    }
    if offset >= function.size {
        let title = format!("Offset outside the function bounds ('{name}' size is {})", function.size);
        return Err(TargetError::missing(title, None));
    }
    Ok(())
}

/// The function that an address is in.
fn at_address(binary: &Binary, address: u64) -> Option<&str> {
    let mut functions = binary.functions();
    let inside = |function: Function| address.checked_sub(function.address).is_some_and(|at| at < function.size);
    functions.find(|(_, function)| inside(*function)).map(|(name, _)| name)
}

fn no_line(why: NoLine, file: &str, line: u64, column: u64) -> TargetError {
    let place = if column == 0 { format!("{file}:{line}") } else { format!("{file}:{line}:{column}") };
    match why {
        NoLine::File => TargetError::missing(format!("No compilation unit matches {file}"), None),
        NoLine::Code { next } => {
            let help = next.map(|next| format!("the next line with code is {next}")).filter(|_| column == 0);
            TargetError::missing(format!("Unable to map '{place}' to address"), help)
        }
    }
}

pub(super) fn no_file(word: &str, name: &str) -> TargetError {
    let help =
        "of an archive only files can be probed that are stored without compression, and by their full names in it";
    let help = name.contains(archive::SEPARATOR).then(|| help.to_owned());
    TargetError::missing(format!("{word} target file '{name}' does not exist or is not executable"), help)
}

fn no_match(word: &str, file: &str, place: &Place, binary: Option<&Binary>) -> TargetError {
    let name = match place {
        Place::Symbol { name, .. } | Place::Cpp { name, .. } => name.clone(),
        Place::Address(address) => format!("{address:#x}"),
        Place::Line { file, line, .. } => format!("{file}:{line}"),
    };
    let near = match (binary, place) {
        (Some(binary), Place::Cpp { .. }) => cpp_names_like(binary, &name),
        (Some(binary), _) => nearest(&name, binary.functions().map(|(name, _)| name), 3),
        (None, _) => Vec::new(),
    };
    let help = (!near.is_empty()).then(|| format!("did you mean {}?", near.join(", ")));
    TargetError::missing(format!("No matches for {word} {file}:{name}."), help)
}

/// Names of C++ like this one, as they are written.
fn cpp_names_like(binary: &Binary, name: &str) -> Vec<String> {
    let with_parameters = name.contains('(');
    let all: BTreeSet<String> = binary
        .functions()
        .filter_map(|(symbol, _)| demangle::demangled(symbol))
        .map(|full| {
            let full = demangle::compact(&full);
            if with_parameters { full } else { demangle::without_parameters(&full).to_owned() }
        })
        .collect();
    let near = nearest(name, all.iter().map(String::as_str), 3);
    near.into_iter().map(|name| format!("\"{name}\"")).collect()
}
