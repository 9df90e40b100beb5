//! The programs that go into the guest: linked statically, since the guest has no libraries.
//!
//! They are built in a target folder of their own, because the flag for static linking would throw the usual one
//! away at each change between the two.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What was built.
pub struct Programs {
    /// Each program by its name.
    pub binaries: Vec<(String, PathBuf)>,
    /// Each test executable by its name.
    pub tests: Vec<(String, PathBuf)>,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What rtrace is made of, and how much it is optimised for the guest, where an emulator repeats each instruction many
/// times over: the compiler takes half a minute longer, each guest minutes less. Nine tenths of a start are spent where
/// the kernel's types are looked up.
const OPTIMISED: &[(&str, u8)] =
    &[("rtrace-lang", 1), ("rtrace-codegen", 1), ("rtrace-runtime", 1), ("rtrace-probes-ebpf", 3), ("rtrace", 1)];

/// Builds everything for the guest under `target`: rtrace, and the tests of `packages`.
pub fn build(workspace: &Path, target: &Path, packages: &[String]) -> Result<Programs, String> {
    let mut args = vec!["test", "--no-run"];
    packages.iter().for_each(|package| args.extend(["-p", package]));
    let tests = cargo(workspace, target, &args)?;
    let rtrace = cargo(workspace, target, &["build", "-p", "rtrace"])?;
    let artifacts: Vec<Artifact> = tests.lines().chain(rtrace.lines()).filter_map(Artifact::read).collect();
    let chosen = |is_test: bool| {
        // The unit tests of the programs are about the host: kernels, archives, consoles.
        let fits = move |artifact: &&Artifact| artifact.is_test == is_test && !(is_test && artifact.kind == "bin");
        let fitting = artifacts.iter().filter(fits).map(|artifact| (artifact.name.clone(), artifact.path.clone()));
        fitting.collect::<Vec<_>>()
    };
    let programs = Programs { binaries: chosen(false), tests: chosen(true) };
    let mut names: Vec<&str> = programs.tests.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        // One would take the other's place in the guest.
        Some(pair) => Err(format!("two files of tests are called {}", pair[0])),
        None => Ok(programs),
    }
}

impl Programs {
    /// The path of one program.
    pub fn binary(&self, name: &str) -> Result<&Path, String> {
        let found = self.binaries.iter().find(|(found, _)| found == name);
        found.map(|(_, path)| path.as_path()).ok_or_else(|| format!("cargo built no {name}"))
    }
}

fn cargo(workspace: &Path, target: &Path, args: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(args);
    // With --target the flag reaches our programs only, and procedural macros stay dynamic, as they must.
    command.args(["--target", TARGET, "--message-format=json-render-diagnostics"]);
    command.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", "-C target-feature=+crt-static");
    // Without debug information the archive is a fraction of the size; symbols stay, for probes and stacks.
    for (package, level) in OPTIMISED {
        command.args(["--config", &format!("profile.dev.package.\"{package}\".opt-level={level}")]);
    }
    command.env("CARGO_PROFILE_DEV_DEBUG", "none").env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    command.env_remove("CARGO_BUILD_TARGET").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("the static build failed: cargo {}", args.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One line of cargo's report that names an executable.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    kind: String,
    name: String,
    path: PathBuf,
    is_test: bool,
}

impl Artifact {
    /// Reads the few fields wanted from cargo's JSON, which has one object a line and no blanks between its tokens.
    fn read(line: &str) -> Option<Artifact> {
        let text_after = |line: &str, key: &str| {
            let (_, rest) = line.split_once(key)?;
            rest.split_once('"').map(|(text, _)| text.to_owned())
        };
        let path = text_after(line, "\"executable\":\"")?;
        let (_, target) = line.split_once("\"target\":{")?;
        Some(Artifact {
            kind: text_after(target, "\"kind\":[\"")?,
            name: text_after(target, "\"name\":\"")?,
            path: PathBuf::from(path),
            is_test: line.contains("\"test\":true},\"features\""),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_found_in_the_report_of_cargo() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///x#rtrace-tests@0.1.0","manifest_path":"/x/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"first_light","src_path":"/x/tests/first_light.rs","edition":"2024","doc":false,"doctest":false,"test":true},"profile":{"opt_level":"0","debuginfo":0,"debug_assertions":true,"overflow_checks":true,"test":true},"features":[],"filenames":["/t/first_light-1"],"executable":"/t/first_light-1","fresh":true}"#;
        let found = Artifact::read(line).expect("it names an executable");
        assert_eq!((found.kind.as_str(), found.name.as_str(), found.is_test), ("test", "first_light", true));
        assert_eq!(found.path, PathBuf::from("/t/first_light-1"));
        let plain = line.replace("\"test\":true},\"features\"", "\"test\":false},\"features\"");
        assert!(!Artifact::read(&plain).expect("still an executable").is_test);
        let library = line.replace("\"executable\":\"/t/first_light-1\"", "\"executable\":null");
        assert_eq!(Artifact::read(&library), None);
    }
}
