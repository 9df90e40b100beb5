//! Headers of C that scripts include: the user's own, the system's, the kernel's.

use lang::c::{Header, Headers};
use std::fs;
use std::path::{Path, PathBuf};

/// Finds headers in the directories where a compiler of C would.
pub struct Folders {
    /// The folder of the script; empty for the current one.
    script: PathBuf,
    /// Of `-I`.
    named: Vec<PathBuf>,
    /// Of `--include`.
    included: Vec<String>,
    /// Of the system and the kernel.
    machine: Vec<PathBuf>,
    has_btf: bool,
}

/// No header is longer.
const MOST_BYTES: u64 = 4 << 20;

impl Folders {
    /// For the script of this name, with what the command line names, and whether the kernel has BTF.
    pub fn new(script: &str, named: &[PathBuf], included: &[PathBuf], has_btf: bool) -> Self {
        let script = Path::new(script).parent().map(Path::to_owned).unwrap_or_default();
        let included = included.iter().map(|path| path.display().to_string()).collect();
        Self { script, named: named.to_vec(), included, machine: machine(), has_btf }
    }
}

/// Where the system and the kernel have their headers.
fn machine() -> Vec<PathBuf> {
    let arch = std::env::consts::ARCH;
    let mut folders = vec![
        PathBuf::from("/usr/local/include"),
        PathBuf::from(format!("/usr/include/{arch}-linux-gnu")),
        PathBuf::from("/usr/include"),
    ];
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let own = |names: [&str; 2]| names.into_iter().find_map(std::env::var_os).map(PathBuf::from);
    let source = own(["RTRACE_KERNEL_SOURCE", "BPFTRACE_KERNEL_SOURCE"]);
    let build = own(["RTRACE_KERNEL_BUILD", "BPFTRACE_KERNEL_BUILD"]);
    let installed = Path::new("/lib/modules").join(release);
    let kernel_arch = if arch == "x86_64" { "x86" } else { "arm64" };
    let roots = [source, build, Some(installed.join("source")), Some(installed.join("build"))];
    for root in roots.into_iter().flatten() {
        for folder in [
            "include",
            "include/uapi",
            &format!("arch/{kernel_arch}/include"),
            &format!("arch/{kernel_arch}/include/uapi"),
            "include/generated/uapi",
            &format!("arch/{kernel_arch}/include/generated"),
            &format!("arch/{kernel_arch}/include/generated/uapi"),
        ] {
            folders.push(root.join(folder));
        }
    }
    folders
}

/// The first of `folders` that has the header.
fn find(name: &str, folders: impl Iterator<Item = PathBuf>) -> Option<Header> {
    folders.map(|folder| folder.join(name)).find_map(|path| read(&path))
}

fn read(path: &Path) -> Option<Header> {
    let about = fs::metadata(path).ok()?;
    // A device or pipe might never end.
    if !about.is_file() || about.len() > MOST_BYTES {
        return None;
    }
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Some(Header { path: path.display().to_string(), text })
}

impl Headers for Folders {
    fn has_btf(&self) -> bool {
        self.has_btf
    }

    fn user_header(&self, name: &str, quoted: bool, from: Option<&str>) -> Option<Header> {
        let beside = match from {
            Some(from) => Path::new(from).parent().map(Path::to_owned).unwrap_or_default(),
            None => self.script.clone(),
        };
        let beside = quoted.then_some(beside).into_iter();
        // What the command line names is found from where it was typed.
        let here = (quoted && from.is_none()).then(PathBuf::new);
        find(name, beside.chain(here).chain(self.named.iter().cloned()))
    }

    fn machine_header(&self, name: &str) -> Option<Header> {
        find(name, self.machine.iter().cloned())
    }

    fn included(&self) -> &[String] {
        &self.included
    }
}
