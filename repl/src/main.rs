//! The `rtrace` command: arguments, diagnostics, and everything else that a person sees. The one crate that prints and
//! exits.

mod args;
mod compiler_bench;
mod dump;
mod explain;
mod files;
mod headers;
mod info;
mod list;
mod live;
mod look;
mod narrow;
#[cfg(any(test, feature = "pages"))]
mod pages;
mod preferences;
mod progress;
mod prompt;
mod report;
mod run;
mod scripts;
mod select;
mod underline;
mod usage;
mod wrap;

use args::{Args, Mode};
use clap::Parser;
use clap::error::ErrorKind;
use lang::Source;
use lang::config::environment_text;
use preferences::{Preferences, Refused};
use report::Reporter;
use rustix::termios::isatty;
use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "pages")]
    if let Some(code) = pages::write_if_asked() {
        return code;
    }
    let mut args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too, and are no failure.
            if !error.use_stderr() {
                if let Some(usage) = (error.kind() == ErrorKind::DisplayHelp).then(usage_of_script).flatten() {
                    return code(run::print(&usage, &Reporter::new(None, true)));
                }
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            let reporter = Reporter::new(None, true);
            let (title, hint) = usage::explain(&error);
            reporter.plain(&title, Some(&hint));
            // On a line of its own, as those expect it who read bpftrace's.
            reporter.words(usage::SYNOPSIS);
            return ExitCode::FAILURE;
        }
    };
    if !args.no_config {
        args.preferences = match Preferences::read(&Reporter::new(args.color, false), run::environment) {
            Ok(preferences) => preferences,
            Err(Refused) => return ExitCode::FAILURE,
        };
        if args.color.is_none() && environment_text("color", run::environment).is_none() {
            args.color = args.preferences.color;
        }
    }
    let reporter = Reporter::new(args.color, !args.no_warnings);
    if args.warnings > 1 {
        reporter.plain(
            "USAGE: -kk has been deprecated. Use a single -k for runtime warnings for errors in map lookups and probe \
             reads.",
            None,
        );
        return ExitCode::FAILURE;
    }
    let mode = match args.mode() {
        Ok(mode) => mode,
        Err([one, other]) => {
            reporter.plain(&format!("USAGE: {one} conflicts with {other}"), Some("a run has one mode"));
            return ExitCode::FAILURE;
        }
    };
    let conflict = match () {
        () if args.command.is_some() && args.pid.is_some() => Some("Cannot use both -c and -p."),
        () if args.warnings > 0 && args.no_warnings => Some("-k, --warnings conflicts with --no-warnings"),
        () => None,
    };
    if let Some(conflict) = conflict {
        reporter.plain(&format!("USAGE: {conflict}"), None);
        return ExitCode::FAILURE;
    }
    if args.scripts {
        return code(scripts::show(&args.words, &reporter));
    }
    if let Some(beginning) = &args.complete_probe {
        return code(list::complete(&args, beginning, &reporter));
    }
    if let Some(topic) = &args.doc {
        return code(prompt::explain(topic, &reporter));
    }
    if args.info {
        return code(info::print(args.format == "json", &reporter));
    }
    if args.list && !args.has_program() {
        match list::asked(&args, &reporter) {
            // What names a file is listed as the program in it.
            Ok(list::Asked::Program) => {}
            Ok(list::Asked::Pattern(pattern)) => return code(list::pattern(&args, &pattern, &reporter)),
            Err(failed) => return code(Err(failed)),
        }
    }
    if args.script().is_none() && !args.has_program() && prompt::is_wanted(&args) {
        return code(prompt::run(&args, reporter));
    }
    if args.script_out.is_some() {
        reporter.plain("--script-out is for a session, which a terminal gets without a program", None);
        return ExitCode::FAILURE;
    }
    let source = match source(&args, &reporter) {
        Ok(source) => source,
        Err((title, help)) => {
            reporter.plain(&title, help.as_deref());
            return ExitCode::FAILURE;
        }
    };
    let own = scripts::find(source.name()).filter(|own| own.text == source.text());
    if let Some((title, help)) = own.and_then(|own| own.lacks(args.params().len()))
        && mode != Some(Mode::Format)
        && args.debug.is_empty()
    {
        reporter.plain(&title, Some(&help));
        return ExitCode::FAILURE;
    }
    code(match mode {
        Some(Mode::Format) => run::format(&args, &source, &reporter),
        _ => run::script(&args, mode, source, &reporter),
    })
}

fn code(result: Result<u8, run::Failed>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(run::Failed) => ExitCode::FAILURE,
    }
}

/// The script, from wherever it is given, or why there is none.
fn source(args: &Args, reporter: &Reporter) -> Result<Source, (String, Option<String>)> {
    if let [others @ .., program] = &args.programs[..] {
        if !others.is_empty() {
            reporter.warning("-e is given more than once; only the last program is run");
        }
        return Ok(Source::new("stdin", program));
    }
    let nothing_given = || {
        let help = match () {
            () if args.command.is_some() => {
                "-c wants a program; a session traces a command that runs in another terminal, with -p or by its name"
            }
            () if args.probe_filter.is_some() => "--probe-filter picks from a program; a session has what is entered",
            () => "try rtrace 'begin { printf(\"hello\\n\"); }', or rtrace --help",
        };
        ("no program given".to_owned(), Some(help.to_owned()))
    };
    let script = match args.script() {
        Some(script) => script,
        None if isatty(std::io::stdin()) => return Err(nothing_given()),
        // What is piped in.
        None => "-",
    };
    if script == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| (format!("cannot read standard input: {error}"), None))?;
        if bytes.is_empty() && args.script().is_none() {
            return Err(nothing_given());
        }
        return files::source("stdin", bytes.into());
    }
    if script.trim().is_empty() {
        return Ok(Source::new("stdin", script));
    }
    match files::script(script) {
        Ok(bytes) => files::source(script, bytes),
        // A program has blanks or brackets; a name without any can only be a file or a script.
        Err(error) if !script.contains(['{', '<', ' ', '\n', '(']) => Err(no_such_script(script, &error)),
        Err(_) => Ok(Source::new("stdin", script)),
    }
}

/// What is wrong with a word that names nothing and has nothing of a program, and what may be meant by it.
fn no_such_script(word: &str, error: &std::io::Error) -> (String, Option<String>) {
    let cannot_open = format!("failed to open file '{word}': {error}");
    let provider = word.split(':').next().unwrap_or(word);
    if lang::probes::provider(provider).is_some() {
        let help = format!("a probe needs a block: rtrace '{word} {{ ... }}'; rtrace -l '{word}' lists it");
        return (cannot_open, Some(help));
    }
    let meant = scripts::meant(word);
    // What looks like a path is meant as one.
    if word.contains('/') || word.ends_with(".bt") || word.ends_with(".rt") {
        return (cannot_open, meant.filter(|_| !word.contains('/')));
    }
    let help = || format!("{}; a program is given in quotes: rtrace 'begin {{ ... }}'", scripts::LISTED);
    (format!("there is no file or script {word}"), Some(meant.unwrap_or_else(help)))
}

/// What the comment of the script on the command line says of its use.
fn usage_of_script() -> Option<String> {
    let is_help = |word: &std::ffi::OsString| word == "--help" || word == "-h";
    let args = Args::try_parse_from(std::env::args_os().filter(|word| !is_help(word))).ok()?;
    let source = match args.script()? {
        "-" => None,
        _ => source(&args, &Reporter::new(None, false)).ok(),
    };
    scripts::usage(source?.text())
}
