//! Kernel functions that can be traced: what kprobes and fentry may be attached to by pattern, and what a listing shows.
//!
//! ftrace keeps the list; where it may not be read, the kernel's symbols stand in, which know more functions than can
//! be traced. Functions whose tracing has brought machines down are left out of both.

use crate::kallsyms::Kallsyms;
use crate::tracefs::Tracefs;
use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// The list, as text: `NAME` or `NAME [MODULE]` on each line.
#[derive(Debug)]
pub struct Traceable {
    text: String,
    forbidden: HashSet<String>,
    /// It is ftrace's own, or a file that the user vouches for, so that what is missing from it cannot be traced.
    pub complete: bool,
}

/// Functions that must not be traced although the kernel offers them: tools/testing/selftests/bpf keeps the same list
/// (`prog_tests/kprobe_multi_test.c`).
const DANGEROUS: &[&str] = &["arch_cpu_idle", "default_idle", "bpf_dispatcher_xdp_func"];

/// The same by how they begin; the first is a placeholder for functions that are gone.
const DANGEROUS_BEGINNINGS: &[&str] = &["__ftrace_invalid_address__", "rcu_"];

impl Traceable {
    /// Reads the list from `file`, or else from the kernel.
    ///
    /// # Errors
    /// If the file cannot be read, or neither ftrace's list nor the symbols can.
    pub fn read(file: Option<&Path>, tracefs: Option<&Tracefs>) -> io::Result<Traceable> {
        match Traceable::read_complete(file, tracefs)? {
            Some(list) => Ok(list),
            None => Traceable::of_symbols(),
        }
    }

    /// Reads a list that is complete; `None` if the kernel does not show its own.
    ///
    /// # Errors
    /// If what can be opened cannot be read.
    pub fn read_complete(file: Option<&Path>, tracefs: Option<&Tracefs>) -> io::Result<Option<Traceable>> {
        let text = match (file, tracefs.map(|tracefs| tracefs.open_file("available_filter_functions"))) {
            (Some(file), _) => std::fs::read_to_string(file)?,
            (None, Some(Ok(mut list))) => {
                // The kernel makes the text up as it is read and says no size: some 60,000 lines.
                let mut bytes = Vec::with_capacity(4 << 20);
                list.read_to_end(&mut bytes)?;
                String::from_utf8(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
            }
            _ => return Ok(None),
        };
        Ok(Some(Traceable { text, forbidden: blacklist(), complete: true }))
    }

    fn of_symbols() -> io::Result<Traceable> {
        let mut text = String::with_capacity(8 << 20);
        let read = Kallsyms::new().for_each(|symbol| {
            if symbol.is_function() {
                text.push_str(symbol.name);
                if let Some(module) = symbol.module {
                    text.push_str(" [");
                    text.push_str(module);
                    text.push(']');
                }
                text.push('\n');
            }
            ControlFlow::Continue(())
        });
        read.map_err(io::Error::other)?;
        Ok(Traceable { text, forbidden: blacklist(), complete: false })
    }

    /// Module and name of each function, in the list's order; the kernel proper is `vmlinux`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let split = self.text.lines().filter(|line| !line.is_empty()).map(|line| match line.split_once(' ') {
            Some((name, module)) => (module.trim().trim_matches(['[', ']']), name),
            None => ("vmlinux", line),
        });
        split.filter(|(_, name)| {
            let dangerous = DANGEROUS.contains(name)
                || DANGEROUS_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
                // What the compiler split off cannot be traced where it has no name of its own.
                || name.contains(".part.");
            !dangerous && !self.forbidden.contains(*name)
        })
    }
}

/// The functions that the kernel's authors marked as off limits for kprobes; empty where debugfs does not tell.
pub fn blacklist() -> HashSet<String> {
    let text = std::fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    // 0xffffffff81000000-0xffffffff81000010	name
    text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_list() {
        let text = "vfs_read\nrcu_note\nfoo.part.0\nsecret\next4_sync [ext4]\ndefault_idle\n".to_owned();
        let forbidden = HashSet::from(["secret".to_owned()]);
        let list = Traceable { text, forbidden, complete: true };
        assert_eq!(list.iter().collect::<Vec<_>>(), [("vmlinux", "vfs_read"), ("ext4", "ext4_sync")]);
    }

    #[test]
    fn a_file_in_place_of_the_kernels() {
        let empty = Traceable::read(Some(Path::new("/dev/null")), None).expect("it can be read");
        assert!(empty.complete && empty.iter().next().is_none());
        assert!(Traceable::read(Some(Path::new("/nonexistent")), None).is_err());
    }
}
