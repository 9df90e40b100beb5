//! The command line.

use crate::preferences::Preferences;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What `rtrace` was asked to do.
#[derive(Debug, Parser)]
#[command(
    name = "rtrace",
    version = concat!(env!("CARGO_PKG_VERSION"), "\nbpftrace v0.27 is the language it speaks"),
    help_template = "{about}\n\nUSAGE:\n    {usage}\n\n{all-args}{after-help}",
    about = "Trace Linux with one-liners and scripts, compiled to eBPF",
    after_help = EXAMPLES,
    max_term_width = 100,
    args_override_self = true
)]
pub struct Args {
    /// A script file, a program, the name of a script that comes with rtrace, or - for standard input (what names an
    /// existing file is a file), and the parameters that are $1, $2 and so on in it; all of them are parameters after
    /// -e PROGRAM. Without any, a terminal gets a prompt, and what is piped in is the script
    #[arg(value_name = "FILE|PROGRAM|NAME|PARAMETER", allow_negative_numbers = true)]
    pub words: Vec<String>,

    /// Parameters of the script: --name=value for getopt("name"), anything else is one more of $1, $2 and so on
    #[arg(value_name = "--NAME=VALUE|PARAMETER", last = true)]
    pub after_dashes: Vec<String>,

    /// Run this program
    #[arg(short = 'e', long = "execute", value_name = "PROGRAM", help_heading = RUN)]
    pub programs: Vec<String>,

    /// Start this command, traced from its first instruction, and end with it; `cpid` is its process id
    #[arg(short, long = "cmd", value_name = "COMMAND", help_heading = RUN)]
    pub command: Option<String>,

    /// Trace this process only, and end with it
    #[arg(short, long, value_name = "PID", help_heading = RUN)]
    pub pid: Option<String>,

    /// Permit what changes the system, such as running commands
    #[arg(long = "unsafe", help_heading = RUN)]
    pub unsafe_mode: bool,

    /// Load and attach everything, then end
    #[arg(long, help_heading = RUN)]
    pub dry_run: bool,

    /// Write the output to this file
    #[arg(short, long, value_name = "FILE", help_heading = OUTPUT)]
    pub output: Option<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_name = "text|json", default_value = "text", help_heading = OUTPUT)]
    pub format: String,

    /// How much output may wait before it is written: full, line or none
    #[arg(short = 'B', value_name = "MODE", help_heading = OUTPUT)]
    pub buffering: Option<String>,

    /// Do not say how many probes were attached
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,

    /// Tell of reads that find nothing: elements that are not in their map, memory that cannot be read
    #[arg(short = 'k', long = "warnings", action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub warnings: u8,

    /// Print no warnings
    #[arg(long, help_heading = OUTPUT)]
    pub no_warnings: bool,

    /// Say more when something fails, such as the verifier's log
    #[arg(short, long, help_heading = OUTPUT)]
    pub verbose: bool,

    /// Colours and block characters: if the output is a terminal, always, or never
    #[arg(long, value_enum, value_name = "auto|always|never", hide_possible_values = true, help_heading = OUTPUT)]
    pub color: Option<When>,

    /// Redraw all maps in place while the script runs, each second or so often (such as 500ms), until q or exit()
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "1s")]
    #[arg(value_parser = crate::live::interval, conflicts_with_all = ["test", "bench", "fmt", "mode", "list", "debug"])]
    #[arg(help_heading = OUTPUT)]
    pub live: Option<Duration>,

    /// At the end, draw the maps whose keys have stacks as a flame graph (SVG) into this file
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub flamegraph: Option<PathBuf>,

    /// At the end of a session, write what was entered to this file, as a script
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub script_out: Option<PathBuf>,

    /// Print what these stages make of the script, and end: ast, types, clif, clif-opt, bpf, elf, verifier, or all
    #[arg(short, long = "debug", value_enum, hide_possible_values = true, value_name = "STAGE,...", value_delimiter = ',', help_heading = INSTEAD)]
    pub debug: Vec<Stage>,

    /// Print the script in the usual layout, and end
    #[arg(long, help_heading = INSTEAD)]
    pub fmt: bool,

    /// With --fmt: print only the script's name, and fail, if its layout is another
    #[arg(long, requires = "fmt", help_heading = INSTEAD)]
    pub check: bool,

    /// List probes: all, those that a pattern covers, those of a script file or of -e PROGRAM; with -v, also what
    /// their bodies can use. 'struct NAME' and 'enum NAME' list types
    #[arg(short, long, help_heading = INSTEAD)]
    pub list: bool,

    /// List the scripts that come with rtrace, or print those that are named, and end
    #[arg(long, help_heading = INSTEAD)]
    pub scripts: bool,

    /// Explain a builtin, function, provider, statement or config variable, or list all: functions, providers, ...
    #[arg(long, value_name = "TOPIC", num_args = 0..=1, default_missing_value = "", help_heading = INSTEAD)]
    pub doc: Option<String>,

    /// Print what the beginning of an attach point or of a script's name may become, a line each, for the completion of
    /// shells
    #[arg(long, value_name = "BEGINNING", hide = true, allow_hyphen_values = true)]
    pub complete_probe: Option<String>,

    /// Print what the kernel can do for tracing, and end
    #[arg(long, help_heading = INSTEAD)]
    pub info: bool,

    /// Run the test: probes, each once, and say which fail
    #[arg(long, help_heading = INSTEAD)]
    pub test: bool,

    /// Run the bench: probes and say how long each takes
    #[arg(long, help_heading = INSTEAD)]
    pub bench: bool,

    /// What to do with the script instead of tracing: codegen (only compile it), compiler-bench (say how long each
    /// stage of the compiler takes), or what --bench, --test and --fmt do
    #[arg(long, value_enum, value_name = "MODE", hide_possible_values = true, help_heading = INSTEAD)]
    pub mode: Option<Mode>,

    /// Write the compiled programs to this file as a BPF ELF object, and end
    #[arg(long, value_name = "FILE", help_heading = INSTEAD)]
    pub emit_elf: Option<PathBuf>,

    /// dw_ustack() is to work for these processes, too
    #[arg(long = "dwarf-pid", value_name = "PID,...", value_delimiter = ',', help_heading = SELDOM)]
    pub dwarf_pids: Vec<String>,

    /// Look for C headers in this folder, too
    #[arg(short = 'I', value_name = "DIR", help_heading = SELDOM)]
    pub include_dirs: Vec<PathBuf>,

    /// Include this C header before the script
    #[arg(long = "include", value_name = "FILE", help_heading = SELDOM)]
    pub includes: Vec<PathBuf>,

    /// Attach only probes whose name this regular expression matches; begin and end stay
    #[arg(long, value_name = "REGEX", help_heading = SELDOM)]
    pub probe_filter: Option<String>,

    /// Take the kernel functions that can be traced from this file, one on a line
    #[arg(long, value_name = "FILE", help_heading = SELDOM)]
    pub traceable_functions: Option<PathBuf>,

    /// Look for debug information of programs in these folders, too; relative ones count from the program's
    #[arg(long, value_name = "DIR:...", value_delimiter = ':', help_heading = SELDOM)]
    pub debuginfo: Vec<PathBuf>,

    /// Leave the user's preferences out
    #[arg(long, help_heading = SELDOM)]
    pub no_config: bool,

    /// What the user prefers.
    #[arg(skip)]
    pub preferences: Preferences,

    /// Do without these abilities of the kernel: kprobe_multi, uprobe_multi, kprobe_session
    #[arg(long, hide_possible_values = true, value_name = "FEATURE,...", value_delimiter = ',', help_heading = SELDOM)]
    pub no_feature: Vec<Feature>,

    /// Nothing: the kernel's type information is read anyway
    #[arg(short = 'b', long, hide = true)]
    pub btf: bool,

    /// Nothing: the kernel counts up semaphores of usdt probes in all processes, later ones too
    #[arg(long, hide = true)]
    pub usdt_file_activation: bool,
}

impl Args {
    /// The stages to be shown, each once, in their order.
    pub fn stages(&self) -> Vec<Stage> {
        let asked = |stage: &Stage| self.debug.iter().any(|asked| asked == stage || *asked == Stage::All);
        Stage::value_variants().iter().filter(|stage| **stage != Stage::All && asked(stage)).copied().collect()
    }

    /// What to run unless `-e` says it.
    pub fn script(&self) -> Option<&str> {
        match self.has_program() {
            false => self.words.iter().chain(&self.after_dashes).next().map(String::as_str),
            true => None,
        }
    }

    /// What to do instead of tracing, or the two options that say different things.
    pub fn mode(&self) -> Result<Option<Mode>, [&'static str; 2]> {
        let mode = self.mode.map(|mode| ("--mode", mode));
        let flags = [
            ("--test", self.test, Mode::Test),
            ("--bench", self.bench, Mode::Bench),
            ("--fmt", self.fmt, Mode::Format),
        ];
        let flags = flags.into_iter().filter(|(_, is_given, _)| *is_given).map(|(name, _, mode)| (name, mode));
        let mut said = mode.into_iter().chain(flags);
        let first = said.next();
        match (first, said.next()) {
            (Some((one, _)), Some((other, _))) => Err([other, one]),
            (first, _) => Ok(first.map(|(_, mode)| mode)),
        }
    }

    /// Whether `-e` gives the program.
    pub fn has_program(&self) -> bool {
        !self.programs.is_empty()
    }

    /// The script's positional parameters.
    pub fn params(&self) -> Vec<String> {
        let after = self.after_dashes.iter().filter(|word| !word.starts_with("--"));
        self.words.iter().chain(after).skip(usize::from(!self.has_program())).cloned().collect()
    }

    /// The script's named parameters, without their dashes.
    pub fn options(&self) -> Vec<String> {
        self.after_dashes.iter().filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect()
    }
}

/// What is done with a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// It is compiled
    Codegen,
    /// Compiling is measured
    CompilerBench,
    /// Its benchmarks are run
    Bench,
    /// Its tests are run
    Test,
    /// It is printed in the usual layout
    Format,
}

/// When the output has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// For a terminal
    #[default]
    Auto,
    /// Wherever it goes
    Always,
    /// Not even for a terminal
    Never,
}

/// An ability of the kernel that rtrace can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Feature {
    /// One link for many kernel functions
    KprobeMulti,
    /// One link for many places of a file
    UprobeMulti,
    /// One program for a function's entry and return
    KprobeSession,
}

/// A stage of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The syntax tree
    Ast,
    /// Maps, variables and probes with their types
    Types,
    /// Cranelift IR as lowered
    #[value(alias = "codegen")]
    Clif,
    /// Cranelift IR after the mid-end
    #[value(alias = "codegen-opt")]
    ClifOpt,
    /// The eBPF instructions with their source lines
    #[value(alias = "dis")]
    Bpf,
    /// The object file's sections and symbols
    Elf,
    /// What the kernel's verifier says of each program
    Verifier,
    /// All of these
    All,
}

impl Stage {
    /// As it is written.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The groups of options in the help.
const RUN: &str = "What is run";
const OUTPUT: &str = "What is shown";
const INSTEAD: &str = "Instead of tracing";
const SELDOM: &str = "Seldom needed";

const EXAMPLES: &str = "\
Examples:
  rtrace 'kprobe:sys_execve < @[comm]=count() >'
      count started programs by name of the starter
  rtrace 'tracepoint:syscalls:sys_enter_write { @bytes[comm] = hist(args.count); }'
      sizes of writes by program, as histograms
  rtrace -c 'ls /tmp' 'tracepoint:syscalls:sys_enter_openat /pid == cpid/ { print(str(args.filename)); }'
      files that a command opens
  rtrace hello.rt 5 foo
      run a script file; in it $1 is 5 and $2 is foo
  rtrace opensnoop -- --failed
      run a script that comes with rtrace, with an option of its own; rtrace opensnoop --help tells of it";
