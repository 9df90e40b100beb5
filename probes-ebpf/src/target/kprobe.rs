//! Kprobes and kretprobes: a function by name, a place in it, or all functions that a pattern covers.

use super::{KernelTarget, access};
use crate::arch::{self, Arch};
use crate::functions::Traceable;
use crate::kallsyms::Kallsyms;
use crate::kernel;
use crate::syscalls;
use lang::glob;
use lang::nearest::nearest;
use lang::target::{Attach, Base, Context, ProgramType, Resolved, TargetError};
use lang::types::Type;
use std::collections::BTreeSet;
use std::fs;

/// What is asked of a kprobe.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub module: Option<&'a str>,
    pub function: &'a str,
    pub offset: u64,
    pub on_return: bool,
}

impl Asked<'_> {
    fn provider(&self) -> &'static str {
        if self.on_return { "kretprobe" } else { "kprobe" }
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
            let module_asked = asked.module.is_some();
            let each = found.into_iter().map(|(module, function)| {
                let one = Asked { module: module_asked.then_some(module.as_str()), function: &function, ..asked };
                let name = match one.module {
                    Some(module) => format!("{word}:{module}:{function}"),
                    None => format!("{word}:{function}"),
                };
                Resolved { name: Some(name), ..self.one_kprobe(arch, one) }
            });
            let all: Vec<Resolved> = each.collect();
            return if all.is_empty() { Ok(all) } else { has_kprobes(asked).map(|()| all) };
        }
        let resolved = self.one_kprobe(arch, asked);
        // What the kernel can trace it says when it is asked to, which costs nothing.
        if !self.trusts_names && self.is_unlisted(&resolved.attach)? {
            return Err(TargetError::missing(format!("No matches for {word} {function}."), None));
        }
        has_kprobes(asked)?;
        Ok(vec![resolved])
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
        Resolved::as_written(Attach::Kprobe { function, offset, on_return }, context)
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

    fn list_of_functions(&self) -> Result<Traceable, TargetError> {
        Traceable::read(self.functions.as_deref(), self.tracefs().ok()).map_err(|error| {
            let file = self.functions.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default();
            TargetError::other(format!("Failed to open kernel function info: {file}{error}"), None)
        })
    }
}

/// Refuses what the kernel cannot do; a function that no such kernel would have is told first.
fn has_kprobes(asked: Asked<'_>) -> Result<(), TargetError> {
    let (word, function) = (asked.provider(), asked.function);
    if kernel::has_kprobes() {
        return Ok(());
    }
    let is_name = !glob::is_pattern(function) && !function.starts_with("sys_");
    if is_name && matches!(Kallsyms::new().exists(function), Ok(false)) {
        let module = asked.module.map(|module| format!("{module}:")).unwrap_or_default();
        return Err(explain_function(&format!("{word}:{module}{function}")));
    }
    let title = format!("{word}:{function}: this kernel has no kprobes (it was built without CONFIG_KPROBES)");
    Err(TargetError::other(title, Some(instead_of_kprobe(function))))
}

/// Whether the kernel has this module, or is it.
fn is_loaded(module: &str) -> bool {
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    module == "vmlinux" || modules.lines().any(|line| line.split(' ').next() == Some(module))
}

/// Why a function could not be attached to, as far as the kernel's symbols tell.
///
/// `name` is that of the attach point, such as `kprobe:vmlinux:vfs_read`.
pub fn explain_function(name: &str) -> TargetError {
    let (provider, written) = name.split_once(':').unwrap_or(("kprobe", name));
    let function = written.rsplit(':').next().unwrap_or(written);
    let symbols = Kallsyms::new();
    match symbols.exists(function) {
        Ok(true) => {
            let help = "the kernel marks it as off limits (notrace), or has inlined it; try a function that calls it";
            TargetError::missing(format!("{written} cannot be traced"), Some(help.into()))
        }
        _ => {
            let near = match function.strip_prefix("sys_").zip(arch::native()) {
                Some((name, arch)) => nearest_syscalls(arch, name),
                None => symbols.nearest(function, 3).unwrap_or_default(),
            };
            let help = (!near.is_empty()).then(|| format!("did you mean {}?", near.join(", ")));
            TargetError::missing(format!("No matches for {provider} {written}."), help)
        }
    }
}

/// System calls with names like this one, as kprobes take them.
fn nearest_syscalls(arch: &'static Arch, name: &str) -> Vec<String> {
    let near = nearest(name, syscalls::all(arch).map(|syscall| syscall.event_name), 3);
    near.into_iter().map(|name| format!("sys_{name}")).collect()
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
