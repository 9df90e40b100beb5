//! The scripts that come with rtrace: `rtrace NAME` runs one, `--scripts` lists and prints them.
//!
//! They are the files of `scripts/`, compiled in. What is said of one anywhere comes from the comment that it begins
//! with, whose form is fixed and checked by the tests below:
//!
//! ```text
//! // NAME  what it shows, in one line
//! //
//! // Theme: one of THEMES
//! //
//! // Usage: rtrace NAME                    what this does
//! //        rtrace NAME -- --option=5      what that does
//! //
//! // Options:
//! //     --option=N  as the description in getopt() has it
//! //
//! // Example:
//! //     what it prints
//! //
//! // What that means, in one or more paragraphs.
//! //
//! // Oldest kernel: 5.8
//! // Capabilities: CAP_BPF and CAP_PERFMON
//! ```
//!
//! A script without options has no `Options:`, and one whose output needs no example no `Example:`.

use crate::report::Reporter;
use crate::run::{Failed, fail, print};
use lang::nearest::nearest;
use std::fmt::Write;

/// A script, by the name that it goes by.
#[derive(Debug)]
pub struct Script {
    pub name: &'static str,
    pub text: &'static str,
}

impl Script {
    /// What is wrong if it is run with so many parameters, and how it is used.
    pub fn lacks(&self, given: usize) -> Option<(String, String)> {
        let wanted = self.parameters();
        let words = match wanted {
            _ if given >= wanted => return None,
            1 => "a parameter".to_owned(),
            _ => format!("{wanted} parameters"),
        };
        let name = self.name;
        let usage = Header::of(self.text)?.text;
        let usage =
            usage.lines().find_map(|line| line.strip_prefix("Usage: ")?.split("  ").next().map(str::to_owned))?;
        Some((format!("{name} needs {words}"), format!("for example {usage}; rtrace {name} --help says more")))
    }

    /// How many parameters its program asks for: the largest N of all $N.
    fn parameters(&self) -> usize {
        let program = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let numbers = program.flat_map(|line| line.split('$').skip(1)).filter_map(|behind| {
            let digits = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
            behind[..digits].parse().ok()
        });
        numbers.max().unwrap_or(0)
    }
}

/// All of them, by name.
pub static SCRIPTS: &[Script] = include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// What scripts are about, in the order of the list.
const THEMES: &[&str] = &[
    "first steps",
    "processes",
    "files",
    "system calls",
    "disks",
    "processors",
    "memory",
    "network",
    "packets",
    "programs and libraries",
    "security",
];

/// The comment that a script begins with, taken apart. What it does not have is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name in its first line.
    pub name: &'a str,
    /// What it shows.
    pub about: &'a str,
    pub theme: &'a str,
    pub oldest_kernel: &'a str,
    pub capabilities: &'a str,
    /// All of it, without the slashes.
    pub text: String,
}

impl<'a> Header<'a> {
    /// The header of a script; `None` if it has none of this form.
    pub fn of(text: &'a str) -> Option<Header<'a>> {
        let text = match text.strip_prefix("#!") {
            Some(rest) => rest.split_once('\n')?.1,
            None => text,
        };
        let lines = || text.lines().map_while(|line| line.strip_prefix("//")).map(str::trim_end);
        let (name, about) = lines().next()?.trim_start().split_once("  ")?;
        let field = |name: &str| {
            lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
        };
        let text = lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
        Some(Header {
            name,
            about,
            theme: field("Theme"),
            oldest_kernel: field("Oldest kernel"),
            capabilities: field("Capabilities"),
            text,
        })
    }
}

/// The script of this name, which may be that of its file.
pub fn find(name: &str) -> Option<&'static Script> {
    let name = name.strip_suffix(".rt").unwrap_or(name);
    SCRIPTS.iter().find(|script| script.name == name)
}

/// How to see which scripts there are.
pub const LISTED: &str = "rtrace --scripts lists the scripts";

/// The script that may be meant by a name that none has.
pub fn meant(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".bt").unwrap_or(name);
    match find(stem) {
        Some(script) => Some(format!("did you mean {}?", script.name)),
        None => {
            let near = nearest(stem, SCRIPTS.iter().map(|script| script.name), 1);
            near.first().map(|near| format!("did you mean {near}? {LISTED}"))
        }
    }
}

/// What a script's comment says of its use, for `rtrace NAME --help`.
pub fn usage(text: &str) -> Option<String> {
    Header::of(text).map(|header| header.text + "\n")
}

/// `--scripts`: prints the scripts of these names, or lists all.
pub fn show(names: &[String], reporter: &Reporter) -> Result<u8, Failed> {
    let mut texts = String::new();
    for name in names {
        match find(name) {
            Some(script) => texts.push_str(script.text),
            None => {
                let help = meant(name).unwrap_or_else(|| LISTED.to_owned());
                return fail(reporter, &format!("there is no script {name}"), Some(&help));
            }
        }
    }
    print(if names.is_empty() { list() } else { texts }.as_str(), reporter)
}

/// The scripts of a theme with their headers.
fn of_theme(theme: &str) -> impl Iterator<Item = Header<'static>> {
    SCRIPTS.iter().filter_map(|script| Header::of(script.text)).filter(move |header| header.theme == theme)
}

fn list() -> String {
    let width = SCRIPTS.iter().map(|script| script.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for theme in THEMES {
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{gap}{theme}");
        for header in of_theme(theme) {
            let _ = writeln!(text, "  {:width$}  {}", header.name, header.about);
        }
    }
    text + "\nrtrace NAME runs one, rtrace NAME --help says how, rtrace --scripts NAME prints it.\n"
}

#[cfg(test)]
mod tests;
