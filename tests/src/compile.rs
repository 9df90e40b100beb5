//! Programs that a case needs compiled: in C, C++ and Rust, by the compilers of the machine.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::Scratch;

/// The program that `compiler` makes of a source, with `flags` before it. The source lies beside the program, under
/// its name and `extension`, as long as the case runs.
#[track_caller]
pub fn compiled(name: &str, compiler: &str, extension: &str, flags: &[&str], source: &str) -> (Scratch, Scratch) {
    let source = Scratch::file(&format!("{name}.{extension}"), source);
    let program = Scratch::new(name);
    let arguments = flags.iter().map(OsStr::new);
    let files = [OsStr::new("-o"), program.path().as_os_str(), source.path().as_os_str()];
    tool(compiler, arguments.chain(files));
    (program, source)
}

/// Runs a tool, which must succeed.
#[track_caller]
pub fn tool<'a>(name: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
    let out = Command::new(name).args(arguments).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Moves the symbols of a program to another file.
#[track_caller]
pub fn split(program: &Path, symbols: &Path, with_link: bool) {
    tool("objcopy", [OsStr::new("--only-keep-debug"), program.as_os_str(), symbols.as_os_str()]);
    tool("objcopy", [OsStr::new("--strip-all"), program.as_os_str()]);
    if with_link {
        let link = format!("--add-gnu-debuglink={}", symbols.display());
        tool("objcopy", [OsStr::new(&link), program.as_os_str()]);
    }
}
