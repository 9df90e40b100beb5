//! Why a function of the kernel cannot be traced, as far as its symbols and ftrace's list tell.
//!
//! Nothing of this is read unless a function was asked for in vain.

use crate::arch::{self, Arch};
use crate::functions::{self, Traceable};
use crate::kallsyms::Kallsyms;
use crate::syscalls;
use crate::tracefs::Tracefs;
use lang::nearest::{Nearest, nearest};
use lang::target::TargetError;
use std::ops::ControlFlow;

/// Why a function could not be attached to.
///
/// `name` is that of the attach point, such as `kprobe:vmlinux:vfs_read`. If `was_tried`, the kernel has been asked
/// although the function is not known to be there.
pub fn explain_function(name: &str, was_tried: bool) -> TargetError {
    let (provider, written) = name.split_once(':').unwrap_or(("kprobe", name));
    let (module, function) = written.rsplit_once(':').map_or((None, written), |(module, name)| (Some(module), name));
    let function = function.split('+').next().unwrap_or(function);
    let title = match was_tried {
        true => format!(
            "Unable to attach probe: {name}. If this is expected, set the 'missing_probes' config variable to 'warn'."
        ),
        false => format!("No matches for {provider} {written}."),
    };
    let error = TargetError::missing(title, why(provider, module, function));
    match provider {
        "kprobe" | "kretprobe" => error.with_warning(not_traceable(function)),
        _ => error,
    }
}

/// What is said of a function that most likely cannot be attached to.
pub fn not_traceable(function: &str) -> String {
    format!(
        "{function} is not traceable (either non-existing, inlined, or marked as \"notrace\"); attaching to it will \
         likely fail"
    )
}

/// What the kernel's symbols say of a name.
#[derive(Default)]
struct Found {
    /// The modules of functions of this name; none is the kernel proper.
    owners: Vec<Option<String>>,
    /// Something else has this name.
    is_data: bool,
    /// What the compiler made of it: `NAME.constprop.0`.
    variants: Vec<String>,
    near: Vec<String>,
}

impl Found {
    fn read(function: &str) -> Found {
        let mut found = Found::default();
        let mut search = Nearest::new(function, 3);
        let read = Kallsyms::new().for_each(|symbol| {
            if symbol.name == function {
                match symbol.is_function() {
                    true => found.owners.push(symbol.module.map(str::to_owned)),
                    false => found.is_data = true,
                }
            } else if symbol.is_function() {
                if symbol.name.strip_prefix(function).is_some_and(|rest| rest.starts_with('.')) {
                    found.variants.push(symbol.name.to_owned());
                }
                search.offer(symbol.name);
            }
            ControlFlow::Continue(())
        });
        found.near = if read.is_ok() { search.finish() } else { Vec::new() };
        found
    }
}

fn why(provider: &str, module: Option<&str>, function: &str) -> Option<String> {
    let did_you_mean = |near: &[String]| (!near.is_empty()).then(|| format!("did you mean {}?", near.join(", ")));
    if let (Some(name), Some(arch)) = (function.strip_prefix("sys_"), arch::native()) {
        return did_you_mean(&nearest_syscalls(arch, name));
    }
    let found = Found::read(function);
    if found.owners.is_empty() {
        return match (found.variants.as_slice(), found.is_data) {
            (_, true) => Some(format!("{function} is a variable, no function")),
            ([], false) => did_you_mean(&found.near),
            (variants, false) => Some(of_variants(provider, function, variants)),
        };
    }
    let owner = |owner: &Option<String>| owner.as_deref().unwrap_or("vmlinux").to_owned();
    if let Some(module) = module
        && found.owners.iter().all(|of| owner(of) != module)
    {
        let owners: Vec<String> =
            found.owners.iter().map(|of| format!("{provider}:{}:{function}", owner(of))).collect();
        return Some(format!("it is not in {module}; write {}", owners.join(" or ")));
    }
    let by_address = match provider {
        "kprobe" | "kretprobe" => "; its callers can be",
        _ => "; try a kprobe, or a function that calls it",
    };
    Some(if functions::blacklist().contains(function) {
        "the kernel's authors forbid probes there, because the machinery of probes runs through it; try a function \
         that calls it"
            .to_owned()
    } else if is_untraced(function) {
        format!(
            "there is such a function, but it is off limits for tracing (notrace, noinstr, or assembly){by_address}"
        )
    } else if found.owners.len() > 1 {
        format!("{} functions of the kernel have this name, and the kernel does not choose", found.owners.len())
    } else {
        "there is such a function, but the kernel takes no probe there; try a function that calls it".to_owned()
    })
}

/// What is left of a function that the compiler has changed so that it has another name.
fn of_variants(provider: &str, function: &str, variants: &[String]) -> String {
    // What was split off a function runs only sometimes, and cannot be traced.
    let whole = |name: &&String| [".isra.", ".constprop.", ".llvm."].iter().any(|kind| name.contains(kind));
    match variants.iter().find(whole) {
        Some(variant) => format!("the compiler made {variant} of it; write {provider}:{variant}"),
        None => format!("the compiler has inlined {function}, save for {}", variants.join(", ")),
    }
}

/// Whether ftrace's list is there, and does not have a function.
fn is_untraced(function: &str) -> bool {
    let tracefs = Tracefs::open().ok();
    let list = Traceable::read_complete(None, tracefs.as_ref()).ok().flatten();
    list.is_some_and(|list| !list.iter().any(|(_, name)| name == function))
}

/// System calls with names like this one, as kprobes take them.
fn nearest_syscalls(arch: &'static Arch, name: &str) -> Vec<String> {
    let near = nearest(name, syscalls::all(arch).map(|syscall| syscall.event_name), 3);
    near.into_iter().map(|name| format!("sys_{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_compiler_left_is_told() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let told = of_variants("kprobe", "f", &names(&["f.cold", "f.isra.0"]));
        assert_eq!(told, "the compiler made f.isra.0 of it; write kprobe:f.isra.0");
        let told = of_variants("kprobe", "f", &names(&["f.part.0"]));
        assert_eq!(told, "the compiler has inlined f, save for f.part.0");
    }

    #[test]
    fn unknown_names_come_with_near_ones() {
        if !Kallsyms::new().exists("vfs_read").unwrap_or(false) {
            return println!("skipped: there are no symbols");
        }
        let error = explain_function("kprobe:vmlinux:vfs_reed", false);
        assert_eq!(error.title, "No matches for kprobe vmlinux:vfs_reed.");
        assert!(error.help.is_some_and(|help| help.contains("did you mean vfs_read")));
        assert!(error.warning.is_some_and(|warning| warning.starts_with("vfs_reed is not traceable (either non-ex")));
        let error = explain_function("kprobe:sys_exceve", true);
        assert!(error.title.starts_with("Unable to attach probe: kprobe:sys_exceve."), "{}", error.title);
        assert_eq!(error.help.as_deref(), Some("did you mean sys_execve?"));
        let error = explain_function("fentry:ext4:vfs_read", false);
        assert_eq!(error.help.as_deref(), Some("it is not in ext4; write fentry:vmlinux:vfs_read"));
        assert_eq!(error.warning, None);
    }
}
