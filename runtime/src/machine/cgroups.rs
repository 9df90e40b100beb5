//! Paths of control groups by their numbers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep groups are looked for, and how many directories at most.
const DEPTH: usize = 32;
const MOST: usize = 100_000;

/// A mounted hierarchy.
struct Hierarchy {
    name: String,
    root: PathBuf,
}

/// `name:/path` of the group in each hierarchy whose name matches the filter, with commas between.
pub fn paths(id: u64, filter: &str) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let wanted = |hierarchy: &Hierarchy| filter.is_empty() || matches(filter.as_bytes(), hierarchy.name.as_bytes());
    let found = hierarchies(&mounts).into_iter().filter(wanted).filter_map(|hierarchy| {
        let path = find(&hierarchy.root, id)?;
        let path = path.strip_prefix(&hierarchy.root).ok()?;
        Some(format!("{}:/{}", hierarchy.name, path.display()))
    });
    found.collect::<Vec<_>>().join(",")
}

/// The unified hierarchy first, then the others by name.
fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(root), Some(kind)) = (words.next(), words.next()) else { continue };
        let root = PathBuf::from(root);
        let name = match kind {
            "cgroup2" => "unified".to_owned(),
            "cgroup" => root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            _ => continue,
        };
        if !found.iter().any(|known| known.name == name) {
            found.push(Hierarchy { name, root });
        }
    }
    found.sort_by(|a, b| (a.name != "unified", &a.name).cmp(&(b.name != "unified", &b.name)));
    found
}

/// The directory with this number, nearest to the root first.
fn find(root: &Path, id: u64) -> Option<PathBuf> {
    let mut level = vec![root.to_owned()];
    let mut seen = 0;
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for path in level {
            seen += 1;
            if seen > MOST {
                return None;
            }
            if fs::metadata(&path).is_ok_and(|found| found.ino() == id) {
                return Some(path);
            }
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            next.extend(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
        }
        level = next;
    }
    None
}

/// Whether a name matches a pattern with `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // The last star may take one byte more whenever the rest does not fit.
    let (mut at, mut in_name, mut star) = (0, 0, None);
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    in_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_wildcards() {
        for (pattern, name, expected) in [
            ("unified", "unified", true),
            ("uni*", "unified", true),
            ("*f?ed", "unified", true),
            ("*", "", true),
            ("c*u", "cpuset", false),
            ("cpu", "cpuset", false),
            ("*a*b*c", "xaybzcc", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_unified_hierarchy_comes_first() {
        let mounts =
            "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let names: Vec<String> = hierarchies(mounts).into_iter().map(|hierarchy| hierarchy.name).collect();
        assert_eq!(names, ["unified", "cpu"]);
    }
}
