//! Attach points: what may follow what is there of one.

use super::lists::List;
use super::{Candidate, Found, Lists, MOST_ALIKE, paths, rank};
use lang::glob;
use lang::probes::net::XdpMode;
use lang::probes::{PROVIDERS, Provider, ProviderId, provider, without_name};

/// What the part `typed` behind `before` may become. `before` ends with a colon, or is empty.
pub fn complete(before: &str, typed: &str, lists: &dyn Lists, found: &mut Found) {
    let Some((word, rest)) = before.split_once(':') else { return found.offer(providers(typed)) };
    let Some(row) = provider(without_name(word)) else { return };
    let parts = parts(rest);
    match (row.id, &parts[..]) {
        (ProviderId::Uprobe | ProviderId::Uretprobe | ProviderId::Usdt, []) => file(typed, lists, found),
        (ProviderId::Uprobe | ProviderId::Uretprobe, [file]) => {
            from_list(List::Functions((*file).to_owned()), "", typed, lists, found);
        }
        (ProviderId::Usdt, [file, ..]) => {
            let rest = if parts.len() > 1 { format!("{}:", parts[1]) } else { String::new() };
            from_list(List::Marks((*file).to_owned()), &rest, typed, lists, found);
        }
        (ProviderId::Uprobe | ProviderId::Uretprobe, _) => {}
        (ProviderId::Watchpoint, [_]) => fixed(["1:", "2:", "4:", "8:"], typed, found),
        (ProviderId::Watchpoint, [_, _]) => fixed(["r", "rw", "w", "x"], typed, found),
        (ProviderId::Watchpoint | ProviderId::Test | ProviderId::Bench, _) => {}
        (ProviderId::Xdp, [_]) => fixed(XdpMode::WRITTEN.map(XdpMode::word), typed, found),
        (ProviderId::Fentry | ProviderId::Fexit, ["bpf", ..]) => {
            from_list(List::Programs, &rest["bpf:".len()..], typed, lists, found);
        }
        (ProviderId::Fentry | ProviderId::Fexit | ProviderId::Kprobe | ProviderId::Kretprobe, []) => {
            if matches!(row.id, ProviderId::Fentry | ProviderId::Fexit) && !typed.is_empty() {
                fixed(["bpf:"], typed, found);
            }
            from_list(List::of_provider(row.id), rest, typed, lists, found);
        }
        // The kernel proper is a module, too, if somebody wants it to be.
        (id, _) => {
            let rest = rest.strip_prefix("vmlinux:").unwrap_or(rest);
            from_list(List::of_provider(id), rest, typed, lists, found);
        }
    }
}

/// Whether there is a list of what a provider has that takes a moment to read.
pub fn has_long_list(id: ProviderId) -> bool {
    use ProviderId as P;
    let is_function = matches!(id, P::Kprobe | P::Kretprobe | P::Fentry | P::Fexit);
    is_function || matches!(id, P::Tracepoint | P::RawTracepoint | P::Iter)
}

/// The parts before the last colon, without their quotes.
fn parts(rest: &str) -> Vec<&str> {
    let mut quoted = false;
    let is_colon = |letter: char| {
        quoted ^= letter == '"';
        letter == ':' && !quoted
    };
    let mut parts: Vec<&str> = rest.split(is_colon).map(|part| part.trim_matches('"')).collect();
    // What follows the last colon is not there yet.
    parts.pop();
    parts
}

/// The names of providers, and the aliases that are words or what is typed.
pub fn providers(typed: &str) -> Vec<Candidate> {
    const SHORTEST: usize = 3;
    let named = |name: &str, row: &Provider| {
        let colon = if *row.parts.start() > 0 { ":" } else { "" };
        Candidate::new(format!("{name}{colon}")).noted(row.doc)
    };
    let begins = |alias: &&&str| alias.len() >= SHORTEST && alias.starts_with(typed) && !typed.is_empty();
    // `k` is a kprobe, and `kp` the beginning of one; `k` alone may become either.
    let is_other = |alias: &&&str| **alias == typed && PROVIDERS.iter().all(|row| !row.name.starts_with(typed));
    let all = PROVIDERS.iter().flat_map(|row| {
        let aliases = row.aliases.iter().filter(move |alias| begins(alias) || is_other(alias));
        [row.name].into_iter().chain(aliases.copied()).map(move |name| named(name, row))
    });
    all.collect()
}

/// Words that are the same everywhere.
pub fn fixed<'w>(words: impl IntoIterator<Item = &'w str>, typed: &str, found: &mut Found) {
    words.into_iter().filter(|word| word.starts_with(typed)).for_each(|word| found.push(Candidate::new(word)));
}

/// A program or library: a path, or a name.
fn file(typed: &str, lists: &dyn Lists, found: &mut Found) {
    if typed.contains('/') || typed.starts_with(['.', '~']) {
        return paths::complete(typed, paths::Wanted::Programs, ":", found);
    }
    // All programs would be too many to mean anything.
    if !typed.is_empty() {
        let Some(names) = lists.get(List::Files, typed) else { return };
        let fitting = names.beginning(typed);
        fitting.for_each(|name| found.push(Candidate::new(format!("{name}:"))));
        if found.is_empty() && lists.is_patient() {
            found.alike(rank::best(typed, names.iter(), MOST_ALIKE).into_iter().map(|name| format!("{name}:")));
        }
    }
}

/// The next part of the names in a list that begin with `rest`.
fn from_list(list: List, rest: &str, typed: &str, lists: &dyn Lists, found: &mut Found) {
    let whole = format!("{rest}{typed}");
    let Some(names) = lists.get(list, &whole) else { return };
    let mut last = "";
    for name in names.beginning(&whole) {
        let tail = &name[rest.len()..];
        let part = match tail.get(typed.len()..).and_then(|more| more.find(':')) {
            Some(colon) => &tail[..typed.len() + colon + 1],
            None => tail,
        };
        if part != last {
            found.push(Candidate::new(part));
        }
        last = part;
    }
    if glob::is_pattern(typed) {
        // What it covers may be of interest.
        let behind = names.beginning(rest).map(|name| &name[rest.len()..]);
        return found.alike(behind.filter(|name| glob::matches(typed, name)).map(str::to_owned));
    }
    if found.is_empty() && lists.is_patient() {
        let behind = names.beginning(rest).map(|name| &name[rest.len()..]);
        found.alike(rank::best(typed, behind, MOST_ALIKE).into_iter().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;
    use std::sync::Arc;

    struct Fake;

    impl Lists for Fake {
        fn get(&self, list: List, _: &str) -> Option<Arc<Names>> {
            let names = match list {
                List::Probes(ProviderId::Tracepoint) => {
                    vec!["sched:sched_switch", "syscalls:sys_enter_open", "syscalls:sys_enter_openat", "sock:inet"]
                }
                List::Probes(ProviderId::Kprobe) => vec!["vfs_read", "vfs_readv", "ext4:ext4_sync", "ext4_sync"],
                List::Probes(ProviderId::Tc) => vec!["lo:egress", "lo:ingress"],
                List::Functions(file) if file == "/a:b" => vec!["main", "malloc"],
                List::Marks(file) if file == "libc" => vec!["libc:setjmp", "libc:longjmp", "rtld:map"],
                List::Files => vec!["libc", "libm", "bash", "base64"],
                List::Programs => vec!["12:prog", "prog"],
                _ => return None,
            };
            Some(Arc::new(Names::new(names)))
        }
    }

    /// What is found, in one line; what is only alike behind a tilde.
    fn found(point: &str) -> String {
        let colon = point.rfind(':').map_or(0, |colon| colon + 1);
        let mut found = Found::new(&point[colon..]);
        complete(&point[..colon], &point[colon..], &Fake, &mut found);
        let texts: Vec<&str> = found.candidates().iter().map(|candidate| candidate.text.as_str()).collect();
        format!("{}{}", if found.is_alike() { "~" } else { "" }, texts.join(" "))
    }

    #[test]
    fn providers_and_their_aliases() {
        assert_eq!(found("trace"), "tracepoint:");
        assert_eq!(found("be"), "begin bench:");
        assert_eq!(found("kfu"), "kfunc:");
        assert_eq!(found("rt"), "rt:");
        assert_eq!(found("nosuch"), "");
        assert!(found("").starts_with("begin bench: cgroup_skb:"));
        assert!(!found("").contains("kfunc"));
    }

    #[test]
    fn part_by_part() {
        assert_eq!(found("t:s"), "sched: sock: syscalls:");
        assert_eq!(found("tracepoint:syscalls:sys"), "sys_enter_open sys_enter_openat");
        assert_eq!(found("kprobe:vfs_"), "vfs_read vfs_readv");
        assert_eq!(found("kr:ext"), "ext4: ext4_sync");
        assert_eq!(found("kr:ext4:"), "ext4_sync");
        assert_eq!(found("k:vmlinux:vfs_readv"), "vfs_readv");
        assert_eq!(found("tc:"), "lo:");
        assert_eq!(found("tc:lo:"), "egress ingress");
        assert_eq!(found("xdp:lo:"), "native skb offload");
        assert_eq!(found("w:0x10:"), "1: 2: 4: 8:");
        assert_eq!(found("w:0x10:4:r"), "r rw");
        assert_eq!(found("fentry:bpf:"), "12: prog");
        assert_eq!(found("fentry:bpf:12:"), "prog");
        assert_eq!(found("test:"), "");
    }

    #[test]
    fn files_and_what_is_in_them() {
        assert_eq!(found("uprobe:lib"), "libc: libm:");
        assert_eq!(found("uprobe:"), "");
        assert_eq!(found("u:\"/a:b\":ma"), "main malloc");
        assert_eq!(found("usdt:libc:"), "libc: rtld:");
        assert_eq!(found("usdt:libc:libc:"), "longjmp setjmp");
        assert_eq!(found("u:/nosuchfolder/"), "");
    }

    #[test]
    fn what_is_only_alike() {
        assert_eq!(found("t:openat"), "~syscalls:sys_enter_openat");
        assert_eq!(found("k:vread"), "~vfs_read vfs_readv");
        assert_eq!(found("uprobe:bsh"), "~bash:");
        assert_eq!(found("k:zzz"), "");
        assert_eq!(found("kprb"), "~kprobe:");
        assert_eq!(found("k:vfs_*"), "~vfs_read vfs_readv");
    }
}
