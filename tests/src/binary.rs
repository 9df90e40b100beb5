//! Where the programs under test are: beside the test executable, or where the environment says.
//!
//! Nothing is built here. `./test` builds `rtrace` before it runs a case; whoever calls `cargo test` by hand calls
//! `cargo build` first. A missing program is an error that says so.

use std::env;
use std::path::PathBuf;

/// The `rtrace` under test: `RTRACE_BIN`, else the one cargo put into this build's directory.
#[track_caller]
pub fn rtrace() -> PathBuf {
    match env::var_os("RTRACE_BIN") {
        Some(path) => found(PathBuf::from(path), "RTRACE_BIN names no file"),
        None => sibling("rtrace"),
    }
}

/// Another program of this workspace, built into the same directory as the running test.
#[track_caller]
pub fn sibling(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let folder = test.parent().expect("a program lies in a folder");
    // Test executables lie in `<profile>/deps`, the programs one folder up.
    let build = if folder.ends_with("deps") { folder.parent().expect("deps lies in a folder") } else { folder };
    found(build.join(name), "run ./test, or `cargo build --workspace` before `cargo test`")
}

#[track_caller]
fn found(path: PathBuf, remedy: &str) -> PathBuf {
    assert!(path.is_file(), "there is no program {}: {remedy}", path.display());
    path
}
