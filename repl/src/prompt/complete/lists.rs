//! Lists of names that the machine has: probes, functions of the kernel and of programs, types.
//!
//! They are what `-l` lists, without what all lines of a list have in common.

use super::names::Names;
use lang::ast::TypeTag;
use lang::glob;
use lang::probes::ProviderId;
use probes_ebpf::btf::Btf;
use probes_ebpf::files::Files;
use probes_ebpf::list::{Lister, Options};
use probes_ebpf::tracefs::Tracefs;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// What may follow the name of a provider, with its colons.
    Probes(ProviderId),
    /// The functions of a program or library.
    Functions(String),
    /// The marked places of a program or library, `PROVIDER:NAME`.
    Marks(String),
    /// The functions of BPF programs, with and without the numbers of their programs.
    Programs,
    /// Programs and libraries that can be named without their paths.
    Files,
    /// The kernel's types with a tag.
    Types(TypeTag),
    /// The names that the kernel's enums give to numbers.
    Constants,
}

impl List {
    /// The list for a provider; several share one.
    pub fn of_provider(id: ProviderId) -> Self {
        Self::Probes(match id {
            ProviderId::Kretprobe => ProviderId::Kprobe,
            ProviderId::Fexit => ProviderId::Fentry,
            ProviderId::Profile => ProviderId::Interval,
            other => other,
        })
    }

    /// Whether it stays the same while the machine runs, as far as matters here. Others are read each time, which is
    /// quick.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Probes(id) => {
                !matches!(id, ProviderId::Xdp | ProviderId::Tc | ProviderId::Socket | ProviderId::CgroupSkb)
            }
            Self::Programs => false,
            _ => true,
        }
    }

    /// Reads it; the names that begin so are enough.
    pub fn read(&self, beginning: &str, options: &Options) -> Names {
        // What a pattern would mean is not meant here.
        let beginning = if glob::is_pattern(beginning) { "" } else { beginning };
        match self {
            Self::Probes(id) => of_provider(*id, beginning, options),
            Self::Functions(file) => of_file(&format!("uprobe:{file}:{beginning}*"), 1, options),
            Self::Marks(file) => of_file(&format!("usdt:{file}:*"), 2, options),
            Self::Programs => {
                let text = listed(options, |lister| lister.list("fentry:bpf:*"));
                let lines = || text.lines().filter_map(|line| line.strip_prefix("fentry:bpf:"));
                Names::new(lines().chain(lines().filter_map(|line| Some(line.split_once(':')?.1))).collect())
            }
            Self::Files => {
                let names = Files::new(options.process).names();
                Names::new(names.iter().map(String::as_str).collect())
            }
            Self::Types(tag) => {
                let text = listed(options, |lister| lister.list(&format!("{}{beginning}*", tag.prefix())));
                Names::new(text.lines().filter_map(|line| line.strip_prefix(tag.prefix())).collect())
            }
            Self::Constants => Names::new(listed(options, |lister| lister.constants()).lines().collect()),
        }
    }
}

fn listed(options: &Options, list: impl FnOnce(&mut Lister<'_>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    let mut lister = Lister::new(options.clone(), &mut bytes).naming();
    // Memory takes all that is written.
    let _ = list(&mut lister);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn of_provider(id: ProviderId, beginning: &str, options: &Options) -> Names {
    /// What the kernel proper is called where a module could stand.
    const KERNEL: &str = "vmlinux";
    let name = id.row().name;
    let in_modules = matches!(id, ProviderId::Kprobe | ProviderId::Fentry | ProviderId::RawTracepoint);
    let pattern = match (in_modules, beginning.contains(':')) {
        // The module may be left out, and is not known then.
        (true, false) => format!("{name}:*:{beginning}*"),
        _ => format!("{name}:{beginning}*"),
    };
    let is_plain = id == ProviderId::Kprobe && !beginning.contains(':');
    let (text, prefix) = match is_plain {
        true => functions(beginning, options),
        false => (listed(options, |lister| lister.list(&pattern)), format!("{name}:")),
    };
    let lines = text.lines().filter_map(|line| line.strip_prefix(&*prefix));
    if !in_modules {
        return Names::new(lines.collect());
    }
    let names = lines.flat_map(|line| match line.split_once(':') {
        Some((KERNEL, name)) => [Some(name), None],
        Some((_, name)) => [Some(line), Some(name)],
        None => [Some(line), None],
    });
    Names::new(names.flatten().collect())
}

/// Functions of the kernel, `MODULE:NAME` behind what is given, too: the list of those that can be traced if the kernel
/// shows it, else those with types. All symbols would be twice as many and take five times as long.
fn functions(beginning: &str, options: &Options) -> (String, String) {
    let shows = |tracefs: Tracefs| tracefs.open_file("available_filter_functions").is_ok();
    let is_complete = options.functions.is_some() || Tracefs::open().is_ok_and(shows);
    if is_complete || !Btf::is_there() {
        return (listed(options, |lister| lister.functions(beginning)), String::new());
    }
    (listed(options, |lister| lister.list(&format!("fentry:*:{beginning}*"))), "fentry:".to_owned())
}

/// The last parts of probes in a file.
fn of_file(pattern: &str, parts: usize, options: &Options) -> Names {
    let text = listed(options, |lister| lister.list(pattern));
    let last = |line: &'_ str| {
        let colons = line.rmatch_indices(':').nth(parts - 1);
        colons.map(|(at, _)| at + 1)
    };
    Names::new(text.lines().filter_map(|line| line.get(last(line)?..)).collect())
}

/// The lists that have been read.
#[derive(Default)]
pub struct Shelf {
    lists: HashMap<List, Arc<Names>>,
    /// Programs and libraries whose functions are kept, the oldest first.
    files: Vec<List>,
}

impl Shelf {
    /// The functions of no more programs and libraries are kept.
    const MOST_FILES: usize = 4;

    /// A list that has been read.
    pub fn get(&self, list: &List) -> Option<Arc<Names>> {
        self.lists.get(list).cloned()
    }

    /// Keeps a list, if it is one to be kept.
    pub fn put(&mut self, list: List, names: &Arc<Names>) {
        if !list.is_lasting() {
            return;
        }
        if matches!(list, List::Functions(_) | List::Marks(_)) {
            self.files.retain(|other| *other != list);
            self.files.push(list.clone());
            if self.files.len() > Self::MOST_FILES {
                self.lists.remove(&self.files.remove(0));
            }
        }
        self.lists.insert(list, Arc::clone(names));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_what_they_have_in_common() {
        let names = |id: ProviderId, beginning: &str| List::of_provider(id).read(beginning, &Options::default());
        assert_eq!(names(ProviderId::Profile, "").iter().collect::<Vec<_>>(), ["hz:", "ms:", "s:", "us:"]);
        assert_eq!(names(ProviderId::SelfSignal, "").iter().collect::<Vec<_>>(), ["signal:SIGUSR1"]);
        let software = names(ProviderId::Software, "");
        assert!(software.iter().any(|name| name == "faults:") && software.iter().all(|name| name.ends_with(':')));
        assert_eq!(names(ProviderId::Software, "fau").iter().collect::<Vec<_>>(), ["faults:"]);
        let kernel = names(ProviderId::Fentry, "vfs_rea");
        if probes_ebpf::btf::Btf::is_there() {
            assert!(kernel.iter().any(|name| name == "vfs_read"), "{kernel:?}");
            let types = List::Types(TypeTag::Struct).read("task_s", &Options::default());
            assert!(types.iter().any(|name| name == "task_struct"), "{types:?}");
        }
    }

    #[test]
    fn functions_of_a_file() {
        let own = std::env::current_exe().expect("the test has a file");
        let own = own.to_str().expect("its name is text").to_owned();
        let names = List::Functions(own).read("mai", &Options::default());
        assert!(names.iter().any(|name| name == "main"), "{names:?}");
    }

    #[test]
    fn few_files_are_kept() {
        let mut shelf = Shelf::default();
        let list = |number: usize| List::Functions(number.to_string());
        for number in 0..10 {
            shelf.put(list(number), &Arc::default());
        }
        shelf.put(List::Files, &Arc::default());
        let kept = (0..10).filter(|number| shelf.get(&list(*number)).is_some()).collect::<Vec<_>>();
        assert_eq!(kept, [6, 7, 8, 9]);
        assert!(shelf.get(&List::Files).is_some());
        shelf.put(List::Probes(ProviderId::Xdp), &Arc::default());
        assert!(shelf.get(&List::Probes(ProviderId::Xdp)).is_none());
    }
}
