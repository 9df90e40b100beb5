//! Files that a case needs for a moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A path in the temporary folder that no other case uses, removed at the end of its case.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A path where nothing is yet. `name` is unique in its test file.
    pub fn new(name: &str) -> Scratch {
        let scratch = Scratch(std::env::temp_dir().join(format!("rtrace-{}-{name}", std::process::id())));
        assert!(!scratch.0.exists(), "{} is taken", scratch.0.display());
        scratch
    }

    /// A file with this content.
    pub fn file(name: &str, content: impl AsRef<[u8]>) -> Scratch {
        let scratch = Scratch::new(name);
        fs::write(&scratch.0, content).expect("the temporary folder can be written");
        scratch
    }

    /// A folder, which goes with all that is in it.
    pub fn folder(name: &str) -> Scratch {
        let scratch = Scratch::new(name);
        fs::create_dir(&scratch.0).expect("the temporary folder can be written");
        scratch
    }

    /// A file with this content that can be executed.
    pub fn executable(name: &str, content: impl AsRef<[u8]>) -> Scratch {
        let scratch = Scratch::file(name, content);
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).expect("it is our own file");
        scratch
    }

    /// A program compiled from this C with these options.
    #[track_caller]
    pub fn compiled(name: &str, source: &str, options: &[&str]) -> Scratch {
        let text = Scratch::file(&format!("{name}.c"), source);
        let program = Scratch::new(name);
        let compiler = Command::new("cc").args(options).arg("-o").arg(&program.0).arg(&text.0).output();
        let out = compiler.expect("the case asks for a compiler");
        assert!(out.status.success(), "cc refused {name}: {}", String::from_utf8_lossy(&out.stderr));
        program
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it holds.
    #[track_caller]
    pub fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_else(|error| panic!("{}: {error}", self.0.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = if self.0.is_dir() { fs::remove_dir_all(&self.0) } else { fs::remove_file(&self.0) };
    }
}
