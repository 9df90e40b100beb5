//! Scripts that are not ours: all of a folder load, for those who bring theirs.
//!
//! `RTRACE_SCRIPTS=/tools vm --kernel 6.12 --overlay FOLDER --env RTRACE_SCRIPTS=/tools every_script` takes the folder
//! `tools` of `FOLDER` into a guest and tries every `.bt` and `.rt` file there.

use rtrace_tests::{Run, skip};
use std::path::{Path, PathBuf};

/// The scripts in a folder and the folders within, sorted.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|extension| extension == "bt" || extension == "rt") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_script_of_a_folder_loads() {
    fn here() {}
    let Some(folder) = std::env::var_os("RTRACE_SCRIPTS") else {
        return skip(std::any::type_name_of_val(&here), "RTRACE_SCRIPTS names no folder");
    };
    let scripts = scripts(Path::new(&folder));
    assert!(!scripts.is_empty(), "no scripts in {folder:?}");
    let mut refused = Vec::new();
    for script in &scripts {
        let out = Run::file(script).arg("--dry-run").to_end();
        if out.code != Some(0) {
            refused.push(format!("{}:\n{}", script.display(), out.stderr));
        }
    }
    assert!(refused.is_empty(), "{} of {} scripts:\n{}", refused.len(), scripts.len(), refused.join("\n"));
}
