//! Names of files.

use super::{Candidate, Found};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Which files are meant; folders lead to all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    Any,
    /// Programs and libraries.
    Programs,
}

/// No more entries of a folder are looked at.
const MOST: usize = 20_000;

/// What a path may become. `end` follows that of a file.
pub fn complete(typed: &str, wanted: Wanted, end: &str, found: &mut Found) {
    let (folder, name) = typed.rsplit_once('/').map_or(("", typed), |(folder, name)| (&typed[..=folder.len()], name));
    let Ok(entries) = fs::read_dir(if folder.is_empty() { "." } else { folder }) else { return };
    let entries = entries.take(MOST).flatten().filter_map(|entry| entry.file_name().into_string().ok());
    // What a terminal would obey is not shown to it, and not typed either.
    let entries = entries.filter(|other| !other.chars().any(char::is_control));
    // Hidden ones are there for those who know of them.
    let mut names: Vec<String> =
        entries.filter(|other| other.starts_with(name) && (!other.starts_with('.') || name.starts_with('.'))).collect();
    names.sort_unstable();
    for other in names {
        let path = format!("{folder}{other}");
        let Ok(about) = fs::metadata(&path) else { continue };
        let is_wanted = about.is_file() && (wanted == Wanted::Any || is_program(&other, about.permissions().mode()));
        match about.is_dir() {
            true => found.push(Candidate::labelled(format!("{path}/"), format!("{other}/"))),
            false if is_wanted => found.push(Candidate::labelled(format!("{path}{end}"), other)),
            false => {}
        }
    }
}

fn is_program(name: &str, mode: u32) -> bool {
    mode & 0o111 != 0 || Path::new(name).extension().is_some_and(|end| end == "so") || name.contains(".so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(typed: &str, wanted: Wanted) -> Vec<String> {
        let mut found = Found::new(typed);
        complete(typed, wanted, ":", &mut found);
        found.candidates().iter().map(|candidate| candidate.text.clone()).collect()
    }

    #[test]
    fn files_and_folders() {
        let folder = std::env::temp_dir().join(format!("rt_paths_{}", std::process::id()));
        fs::create_dir_all(folder.join("inner")).expect("a folder can be made");
        for name in ["a.txt", ".hidden", "lib.so.6"] {
            fs::write(folder.join(name), "").expect("a file can be written");
        }
        let at = |name: &str| format!("{}/{name}", folder.display());
        assert_eq!(found(&at(""), Wanted::Any), [at("a.txt:"), at("inner/"), at("lib.so.6:")]);
        assert_eq!(found(&at(""), Wanted::Programs), [at("inner/"), at("lib.so.6:")]);
        assert_eq!(found(&at(".h"), Wanted::Any), [at(".hidden:")]);
        assert_eq!(found(&at("nosuch/"), Wanted::Any), [""; 0]);
        fs::remove_dir_all(&folder).expect("the folder can be removed");
    }
}
