//! Kprobes and kretprobes: a function by name, a place in it, or all functions that a pattern covers.

use super::untraceable::{explain_function, not_traceable};
use super::{KernelTarget, access};
use crate::arch::{self, Arch};
use crate::functions::Traceable;
use crate::kallsyms::Kallsyms;
use crate::kernel;
use crate::syscalls;
use lang::glob;
use lang::target::{Attach, Base, Context, ProgramType, Resolved, TargetError, Wants};
use lang::types::Type;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::ops::ControlFlow;

/// What is asked of a kprobe.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub module: Option<&'a str>,
    pub function: &'a str,
    pub offset: u64,
    pub on_return: bool,
    pub wants: Wants,
}

impl Asked<'_> {
    fn provider(&self) -> &'static str {
        if self.on_return { "kretprobe" } else { "kprobe" }
    }

    /// As it is written.
    fn name(&self) -> String {
        let module = self.module.map(|module| format!("{module}:")).unwrap_or_default();
        format!("{}:{module}{}", self.provider(), self.function)
    }
}

impl KernelTarget {
    pub(super) fn kprobes(&self, asked: Asked<'_>) -> Result<Vec<Resolved>, TargetError> {
        let (word, function) = (asked.provider(), asked.function);
        if let Some(module) = asked.module
            && !glob::is_pattern(module)
            && !is_loaded(module)
        {
            let title = format!("specified module {module} in probe {word}:{module}:{function} is not loaded.");
            return Err(TargetError::missing(title, None));
        }
        let Some(arch) = arch::native() else {
            return Err(TargetError::other("kprobes are not known on this architecture", None));
        };
        if glob::is_pattern(function) || asked.module.is_some_and(glob::is_pattern) {
            let found = self.traceable(asked.module.unwrap_or("*"), function)?;
            if !found.is_empty() {
                self.has_kprobes(asked)?;
            }
            let module_asked = asked.module.is_some();
            let each = found.into_iter().map(|(module, function)| {
                let one = Asked { module: module_asked.then_some(module.as_str()), function: &function, ..asked };
                let name = match one.module {
                    Some(module) => format!("{word}:{module}:{function}"),
                    None => format!("{word}:{function}"),
                };
                Resolved { name: Some(name), ..self.one_kprobe(arch, one) }
            });
            return Ok(each.collect());
        }
        if function.starts_with(|letter: char| letter.is_ascii_digit()) {
            return self.kprobe_by_address(arch, asked).map(|resolved| vec![resolved]);
        }
        let resolved = self.one_kprobe(arch, asked);
        // What the kernel can trace it says when it is asked to, which costs nothing.
        if !self.trusts_names && self.is_unlisted(&resolved.attach)? {
            let error = TargetError::missing(format!("No matches for {word} {function}."), None);
            return Err(error.with_warning(not_traceable(function)));
        }
        self.has_kprobes(asked)?;
        // A link for many functions does not care about their modules.
        let must_be_known = asked.wants.may_be_missing || asked.module.is_some();
        if must_be_known && !self.trusts_names && self.is_missing(asked.module, &resolved.attach)? {
            return Err(explain_function(&asked.name(), false));
        }
        Ok(vec![resolved])
    }

    /// An instruction of the kernel by its address, which nobody checks before the kernel does.
    fn kprobe_by_address(&self, arch: &'static Arch, asked: Asked<'_>) -> Result<Resolved, TargetError> {
        let word = asked.provider();
        let Ok(address) = asked.function.parse::<u64>() else {
            return Err(TargetError::other(format!("Invalid address: {}", asked.function), None));
        };
        if !self.trusts_names {
            let help = "a wrong address may bring the machine down; write FUNCTION+OFFSET";
            return Err(TargetError::other("Probing by address requires --unsafe", Some(help.into())));
        }
        let name = format!("{word}:{address}");
        if !kernel::has_kprobes() {
            return Err(TargetError::missing(format!("Unable to attach probe: {name}"), Some(NO_KPROBES.into())));
        }
        let (function, offset) = function_at(address).unwrap_or_else(|| (format!("{address:#x}"), 0));
        let mut resolved = self.one_kprobe(arch, Asked { module: None, function: &function, offset, ..asked });
        // Links for many functions take their beginnings only.
        resolved.context.program = ProgramType::Kprobe;
        if let Attach::Kprobe { address: to, .. } = &mut resolved.attach {
            *to = NonZeroU64::new(address);
        }
        Ok(Resolved { name: Some(name), ..resolved })
    }

    /// Whether there is no such function, or none that can be traced.
    fn is_missing(&self, module: Option<&str>, attach: &Attach) -> Result<bool, TargetError> {
        let Some(function) = attach.function() else { return Ok(false) };
        // A place in a function is not ftrace's business.
        match (attach, self.complete_list()?) {
            (Attach::Kprobe { offset: 0, .. }, Some(list)) => {
                let is_meant = |(of, name): (&str, &str)| name == function && module.is_none_or(|module| module == of);
                Ok(!list.iter().any(is_meant))
            }
            _ => Ok(matches!(Kallsyms::new().exists(function), Ok(false))),
        }
    }

    /// Refuses what the kernel cannot do; a function that no such kernel would have is told first.
    fn has_kprobes(&self, asked: Asked<'_>) -> Result<(), TargetError> {
        let (word, function) = (asked.provider(), asked.function);
        if kernel::has_kprobes() {
            return Ok(());
        }
        let is_name = !glob::is_pattern(function) && !function.starts_with("sys_");
        if is_name && matches!(Kallsyms::new().exists(function), Ok(false)) {
            return Err(explain_function(&asked.name(), self.trusts_names));
        }
        let title = format!("{word}:{function}: {NO_KPROBES}");
        Err(TargetError::other(title, Some(instead_of_kprobe(function))))
    }

    fn one_kprobe(&self, arch: &'static Arch, asked: Asked<'_>) -> Resolved {
        let Asked { function, offset, on_return, .. } = asked;
        let wrapper = function
            .strip_prefix("sys_")
            .filter(|name| {
                syscalls::by_event_name(arch, name).or_else(|| syscalls::by_table_name(arch, name)).is_some()
            })
            .zip(arch.argument(0));
        let (function, args) = match wrapper {
            // The wrapper's one argument points to the registers that hold the system call's own.
            Some((name, first)) => {
                let name = syscalls::by_event_name(arch, name)
                    .or_else(|| syscalls::by_table_name(arch, name))
                    .map_or(name, |syscall| syscall.event_name);
                let base = Base::Kernel { word: u32::from(first.offset) };
                let args = (0..6).map_while(|index| access(base, arch.syscall_argument(index))).collect();
                (format!("{}sys_{name}", arch.syscall_prefix), args)
            }
            None => {
                let args = (0..10).map_while(|index| access(Base::Context, arch.argument(index))).collect();
                (function.to_owned(), args)
            }
        };
        let function = match asked.module {
            None | Some("vmlinux") => function,
            Some(module) => format!("{module}:{function}"),
        };
        let multi = offset == 0 && self.has_kprobe_multi();
        let bare = Context::bare(if multi { ProgramType::KprobeMulti } else { ProgramType::Kprobe });
        let context = match on_return {
            true => {
                let value = access(Base::Context, arch.register(arch.return_value));
                Context { retval: value.map(|access| (Type::U64, access)), ..bare }
            }
            // In the middle of a function the registers hold what they hold.
            false => Context { args, ..bare },
        };
        Resolved::as_written(Attach::Kprobe { function, offset, on_return, address: None }, context)
    }

    /// Modules and functions that the patterns cover and ftrace can trace, each name once. Without ftrace's list, which
    /// needs a right to read it, any function of the kernel.
    fn traceable(&self, module: &str, function: &str) -> Result<BTreeSet<(String, String)>, TargetError> {
        let mut found = BTreeSet::new();
        let mut names = BTreeSet::new();
        let list = self.list_of_functions()?;
        for (of, name) in list.iter() {
            let fits = glob::matches(module, of) && glob::matches(function, name);
            if fits && names.insert(name.to_owned()) {
                found.insert((of.to_owned(), name.to_owned()));
            }
        }
        Ok(found)
    }

    /// Whether it is a function that the user's file of functions that can be traced does not have.
    pub fn is_unlisted(&self, attach: &Attach) -> Result<bool, TargetError> {
        match (attach, attach.function()) {
            (Attach::Kprobe { .. }, Some(function)) if self.functions.is_some() => {
                Ok(!self.list_of_functions()?.iter().any(|(_, name)| name == function))
            }
            _ => Ok(false),
        }
    }

    /// The functions that can be traced, if that is known of all.
    pub(super) fn complete_list(&self) -> Result<Option<Traceable>, TargetError> {
        Traceable::read_complete(self.functions.as_deref(), self.tracefs().ok())
            .map_err(|error| self.unread_list(&error))
    }

    pub(super) fn list_of_functions(&self) -> Result<Traceable, TargetError> {
        Traceable::read(self.functions.as_deref(), self.tracefs().ok()).map_err(|error| self.unread_list(&error))
    }

    fn unread_list(&self, error: &io::Error) -> TargetError {
        let file = self.functions.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default();
        TargetError::other(format!("Failed to open kernel function info: {file}{error}"), None)
    }
}

const NO_KPROBES: &str = "this kernel has no kprobes (it was built without CONFIG_KPROBES)";

/// The function that an address of the kernel is in, and how far.
fn function_at(address: u64) -> Option<(String, u64)> {
    let mut nearest: Option<(u64, String)> = None;
    let read = Kallsyms::new().for_each(|symbol| {
        let is_nearer = nearest.as_ref().is_none_or(|(found, _)| *found < symbol.address);
        if symbol.is_function() && symbol.address <= address && symbol.address != 0 && is_nearer {
            nearest = Some((symbol.address, symbol.name.to_owned()));
        }
        ControlFlow::Continue(())
    });
    read.ok()?;
    let (start, name) = nearest?;
    Some((name, address - start))
}

/// Whether the kernel has this module, or is it.
fn is_loaded(module: &str) -> bool {
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    module == "vmlinux" || modules.lines().any(|line| line.split(' ').next() == Some(module))
}

/// The stable event that stands in best for a function.
fn instead_of_kprobe(function: &str) -> String {
    let arch = arch::native();
    let prefix = arch.map_or("", |arch| arch.syscall_prefix);
    let name = function.strip_prefix(prefix).unwrap_or(function).strip_prefix("sys_");
    let syscall = name
        .zip(arch)
        .and_then(|(name, arch)| syscalls::by_event_name(arch, name).or_else(|| syscalls::by_table_name(arch, name)));
    match syscall {
        Some(syscall) => format!("use tracepoint:syscalls:sys_enter_{}", syscall.event_name),
        None => "use a tracepoint; those of system calls are tracepoint:syscalls:sys_enter_NAME".into(),
    }
}
