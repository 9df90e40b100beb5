//! What is wrong with a command line, in the form that all other errors have: clap finds it, and says it here in our
//! words.

use crate::args::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, Error};
use lang::nearest::nearest;
use std::error::Error as _;

/// How a command line is made.
pub const SYNOPSIS: &str = "\
USAGE:
    rtrace [OPTIONS] PROGRAM|FILE|NAME [PARAMETER...] [-- --NAME=VALUE...]
    rtrace [OPTIONS] -e PROGRAM [PARAMETER...] [-- --NAME=VALUE...]";

/// Options of bpftrace's that are not here, and what to do instead.
const MISSING: &[(&str, &str)] = &[
    ("--aot", "programs that run without rtrace are not supported yet; --emit-elf writes the compiled object"),
    (
        "--emit-llvm",
        "there is no LLVM here: -d clif,clif-opt shows the intermediate form, --emit-elf writes the object",
    ),
    ("--verify-llvm-ir", "there is no LLVM here: -d verifier shows what the kernel says of the programs"),
];

/// The title of the error and what would work.
pub fn explain(error: &Error) -> (String, String) {
    let argument = text(error, ContextKind::InvalidArg);
    // clap names an option with what follows it: `--mode <MODE>`, `--live[=<INTERVAL>]`.
    let bare = |argument: &str| argument.split([' ', '=', '[']).next().unwrap_or_default().to_owned();
    let option = argument.as_deref().map(bare);
    let option = option.as_deref();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let suggested = text(error, ContextKind::SuggestedValue).map(|near| format!("did you mean {near}?"));
    let (title, help) = match (error.kind(), option) {
        (ErrorKind::UnknownArgument, Some(option)) => (format!("there is no option {option}"), instead(option)),
        (ErrorKind::InvalidValue, Some(option)) if value.is_empty() => (
            format!("{} needs a value", both_names(option)),
            values(error).map(|values| format!("it is one of {values}")),
        ),
        (ErrorKind::InvalidValue, Some(option)) => {
            let known = values(error).unwrap_or_default();
            (format!("{option} can only be {known}, not '{value}'"), suggested)
        }
        (ErrorKind::ArgumentConflict, Some(option)) => match text(error, ContextKind::PriorArg) {
            Some(other) if bare(&other) != option => (format!("{option} conflicts with {}", bare(&other)), None),
            _ => (format!("{option} is given more than once"), None),
        },
        (ErrorKind::MissingRequiredArgument, Some(option)) => (format!("{option} is missing"), None),
        (ErrorKind::ValueValidation, Some(option)) => {
            let reason = error.source().map_or(value, ToString::to_string);
            (format!("{option}: {reason}"), None)
        }
        (ErrorKind::TooManyValues, Some(option)) => (format!("{option} takes no value"), None),
        (ErrorKind::InvalidUtf8, _) => ("an argument is not text in UTF-8".into(), None),
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            (first.trim_start_matches("error: ").to_owned(), None)
        }
    };
    (title, help.unwrap_or_else(|| "rtrace --help lists the options".into()))
}

/// What may be meant by an option that there is not.
fn instead(option: &str) -> Option<String> {
    if let Some((_, help)) = MISSING.iter().find(|(name, _)| *name == option) {
        return Some((*help).to_owned());
    }
    let name = option.strip_prefix("--")?;
    let command = Args::command();
    let known = command.get_arguments().filter(|known| !known.is_hide_set()).filter_map(|known| known.get_long());
    Some(match nearest(name, known, 1).first() {
        Some(near) => format!("did you mean --{near}?"),
        None => format!("rtrace --help lists the options; a parameter of the script comes after --: -- {option}"),
    })
}

/// An option with its short name, which may be the one that was given: `-e, --execute`.
fn both_names(option: &str) -> String {
    let command = Args::command();
    let is_meant = |long: &str| option.strip_prefix("--") == Some(long);
    let short = command.get_arguments().find(|known| known.get_long().is_some_and(is_meant)).and_then(Arg::get_short);
    match short {
        Some(short) => format!("-{short}, {option}"),
        None => option.to_owned(),
    }
}

/// What clap tells of one thing, in words.
fn text(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

/// The values that are allowed, if they are few: `a, b or c`.
fn values(error: &Error) -> Option<String> {
    let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) else { return None };
    let (last, others) = values.split_last()?;
    match others {
        [] => Some(last.clone()),
        others => Some(format!("{} or {last}", others.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::explain;
    use crate::args::Args;
    use clap::Parser;

    fn wrong(words: &[&str]) -> String {
        let given = ["rtrace"].into_iter().chain(words.iter().copied());
        let (title, help) = explain(&Args::try_parse_from(given).expect_err("this is wrong"));
        format!("{title}; {help}")
    }

    #[test]
    fn each_mistake_is_named_with_what_would_work() {
        let lists = "rtrace --help lists the options";
        assert_eq!(wrong(&["--dry-rum"]), "there is no option --dry-rum; did you mean --dry-run?");
        assert_eq!(wrong(&["-Z"]), format!("there is no option -Z; {lists}"));
        assert_eq!(
            wrong(&["-e", "begin {}", "--zz=20"]),
            format!("there is no option --zz; {lists}; a parameter of the script comes after --: -- --zz")
        );
        assert_eq!(
            wrong(&["--mode", "benhc"]),
            "--mode can only be codegen, compiler-bench, bench, test or format, not 'benhc'; did you mean bench?"
        );
        assert_eq!(
            wrong(&["--no-feature", "x"]),
            format!("--no-feature can only be kprobe_multi, uprobe_multi or kprobe_session, not 'x'; {lists}")
        );
        assert_eq!(wrong(&["-e"]), format!("-e, --execute needs a value; {lists}"));
        assert_eq!(wrong(&["--color"]), "--color needs a value; it is one of auto, always or never");
        assert_eq!(wrong(&["--test=5"]), format!("--test takes no value; {lists}"));
        assert_eq!(wrong(&["--live", "--test"]), format!("--live conflicts with --test; {lists}"));
        assert_eq!(wrong(&["--live=5x"]), format!("--live: 5x is no interval such as 1s, 500ms or 2m; {lists}"));
        assert!(wrong(&["--emit-llvm", "x"]).ends_with("--emit-elf writes the object"));
        assert_eq!(wrong(&["--check"]), format!("--fmt is missing; {lists}"));
    }
}
