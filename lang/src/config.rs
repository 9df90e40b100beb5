//! Config variables: what a script's `config` block and the environment may set about how it is compiled and run.
//!
//! [`VARIABLES`] has a row for each. The block is read by [`Config::of_script`]; the environment, whose values come in as
//! text, by [`Environment::read`], and it beats the block; what the user prefers ([`Environment::prefer`]) is beaten by both. Both end in the fields of [`Config`]. What a value may be is
//! told in bpftrace's words, as scripts and their authors know them.

use crate::ast::{ConfigItem, ConfigValue};
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::params::Param;
pub use crate::types::StackMode;

/// The value of each variable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each field is described by its row in `VARIABLES`
pub struct Config {
    /// None: as fits the run.
    pub cache_user_symbols: Option<SymbolCache>,
    pub cpp_demangle: bool,
    /// Empty: none.
    pub dummy_ts_map: String,
    pub hist_summary: bool,
    pub lazy_symbolication: bool,
    pub license: &'static str,
    pub log_size: u64,
    pub max_bpf_progs: u64,
    pub max_cat_bytes: u64,
    pub max_map_keys: u32,
    pub max_probes: u64,
    pub max_strlen: u32,
    pub missing_probes: MissingProbes,
    pub on_stack_limit: u64,
    /// 0: as fits the machine.
    pub perf_rb_pages: u64,
    pub print_maps_on_exit: bool,
    pub show_debug_info: bool,
    pub stack_mode: StackMode,
    pub str_trunc_trailer: String,
    pub unstable_dw_ustack: Unstable,
    pub unstable_import_statement: Unstable,
    pub unstable_tseries: Unstable,
    pub unstable_typeinfo: Unstable,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_user_symbols: None,
            cpp_demangle: true,
            dummy_ts_map: String::new(),
            hist_summary: false,
            lazy_symbolication: true,
            license: LICENSES[0],
            log_size: 1_000_000,
            max_bpf_progs: 1024,
            max_cat_bytes: 10240,
            max_map_keys: 4096,
            max_probes: 1024,
            max_strlen: 1024,
            missing_probes: MissingProbes::Error,
            on_stack_limit: 32,
            perf_rb_pages: 0,
            print_maps_on_exit: true,
            show_debug_info: true,
            stack_mode: StackMode::Bpftrace,
            str_trunc_trailer: "..".to_owned(),
            unstable_dw_ustack: Unstable::Warn,
            unstable_import_statement: Unstable::Error,
            unstable_tseries: Unstable::Warn,
            unstable_typeinfo: Unstable::Error,
        }
    }
}

/// Whose symbols are kept once they have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolCache {
    /// Each process has its own.
    PerPid,
    /// All processes that run one program share them.
    PerProgram,
    /// Nobody's.
    None,
}

/// What becomes of attach points that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingProbes {
    /// They are passed over in silence.
    Ignore,
    /// They are passed over, and told of.
    Warn,
    /// The script is refused.
    Error,
}

impl MissingProbes {
    /// As in the script.
    fn name(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Whether a feature that may still change can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstable {
    /// Yes.
    Enable,
    /// Yes, with a warning.
    Warn,
    /// No.
    Error,
}

impl Unstable {
    /// As in the script.
    fn name(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// What is told of a script that uses `feature`, which `variable` allows or forbids. A warning belongs to no place
    /// in particular and is worth telling once.
    pub fn told(self, feature: &str, variable: &str) -> Option<String> {
        match self {
            Self::Enable => None,
            Self::Warn => Some(format!(
                "Script is using an unstable feature: {feature}. To prevent this warning you must explicitly enable it \
                 in the config e.g. {variable}=enable"
            )),
            Self::Error => Some(format!(
                "{feature} feature is not enabled by default. To enable this unstable feature, set the config flag to \
                 enable. {variable}=enable"
            )),
        }
    }
}

/// The licenses that the kernel takes for compatible with its own.
const LICENSES: [&str; 6] =
    ["GPL", "GPL v2", "GPL and additional rights", "Dual MPL/GPL", "Dual BSD/GPL", "Dual MIT/GPL"];

/// A config variable.
pub struct Variable {
    /// In lower case.
    pub name: &'static str,
    /// What it was called in older versions of bpftrace.
    pub older_names: &'static [&'static str],
    /// What it may be set to.
    pub kind: Kind,
    /// Its value unless it is set, as the documentation has it.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
    /// From when on a new value counts in a session.
    pub holds: Holds,
    /// A script that sets it and compiles; empty for what a script cannot set.
    pub example: &'static str,
}

/// From when on a value that is set in a session counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// At once, for what is running as well.
    AtOnce,
    /// For what is entered from then on: programs that are running have been compiled with the old one.
    Later,
    /// From the beginning of the session: buffers are made then.
    Start,
    /// Never: it has no effect, or only the environment has it.
    Never,
}

impl Holds {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::Later => "for what is entered from now on",
            Self::Start => "from the start of a session",
            Self::Never => "no effect",
        }
    }
}

impl Variable {
    /// The words that it may be set to; none if it takes numbers or any text.
    pub fn words(&self) -> Vec<&'static str> {
        const LIST: &str = "valid values are ";
        match &self.kind {
            Kind::Bool(_) => vec!["true", "false"],
            Kind::Unstable(_) => [Unstable::Enable, Unstable::Warn, Unstable::Error].map(Unstable::name).to_vec(),
            Kind::Word(_, told) => {
                let list = told.split_once(LIST).map_or("", |(_, list)| list).trim_end_matches('.');
                list.split(", ").map(|word| word.trim_start_matches("and ")).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What a variable may be set to, with its place in [`Config`].
pub enum Kind {
    /// Yes or no.
    Bool(fn(&mut Config) -> &mut bool),
    /// A number.
    Number(fn(&mut Config) -> &mut u64),
    /// A number within the limits that the kernel sets.
    Limited {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
        /// Its place.
        place: fn(&mut Config) -> &mut u32,
    },
    /// Any text.
    Text(fn(&mut Config) -> &mut String),
    /// One of some words; what the words are, told when it is another, and what to do when it is one of them.
    Word(fn(&mut Config, &str) -> bool, &'static str),
    /// A license.
    License,
    /// One of the unstable features.
    Unstable(fn(&mut Config) -> &mut Unstable),
    /// Nothing to rtrace.
    Ignored,
    /// Nothing is left of it but the name, which is accepted with a warning.
    Gone,
    /// Read from the environment where it is needed; a script cannot set it.
    Environment,
}

const fn row(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Variable {
    Variable { name, older_names: &[], kind, default, help, holds: Holds::Never, example: "" }
}

impl Variable {
    /// Counts from then on, and is set like this.
    const fn set_by(self, holds: Holds, example: &'static str) -> Self {
        Self { holds, example, ..self }
    }
}

/// The value of a variable, as `config.NAME` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A text, or the word that was chosen.
    Text(String),
}

impl Config {
    /// The value of a variable of this name, if it has one that a script can use.
    pub fn value(&self, name: &str) -> Option<Value> {
        let mut config = self.clone();
        let variable = VARIABLES.iter().find(|variable| variable.name == name)?;
        Some(match &variable.kind {
            Kind::Bool(place) => Value::Bool(*place(&mut config)),
            Kind::Number(place) => Value::Number(*place(&mut config)),
            Kind::Limited { place, .. } => Value::Number(u64::from(*place(&mut config))),
            Kind::Text(place) => Value::Text(place(&mut config).clone()),
            Kind::Word(..) if name == "stack_mode" => Value::Text(self.stack_mode.name().to_owned()),
            Kind::License => Value::Text(self.license.to_owned()),
            Kind::Word(..) if name == "missing_probes" => Value::Text(self.missing_probes.name().to_owned()),
            Kind::Unstable(place) => Value::Text(place(&mut config).name().to_owned()),
            Kind::Ignored => Value::Bool(false),
            _ => return None,
        })
    }

    /// All variables that a script can use, in the order in which `config` shows them.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Value)> {
        SHOWN.iter().filter_map(|name| Some((*name, self.value(name)?)))
    }
}

/// The variables that the record `config` has, in its order.
const SHOWN: [&str; 21] = [
    "cpp_demangle",
    "lazy_symbolication",
    "print_maps_on_exit",
    "use_blazesym",
    "show_debug_info",
    "log_size",
    "max_bpf_progs",
    "max_cat_bytes",
    "max_map_keys",
    "max_probes",
    "max_strlen",
    "on_stack_limit",
    "perf_rb_pages",
    "str_trunc_trailer",
    "unstable_import_statement",
    "unstable_tseries",
    "unstable_typeinfo",
    "unstable_dw_ustack",
    "missing_probes",
    "stack_mode",
    "license",
];

/// All config variables, by name.
#[rustfmt::skip]
pub static VARIABLES: &[Variable] = &[
    row("btf", Kind::Environment, "", "A BTF file to use instead of the running kernel's"),
    row("cache_user_symbols", Kind::Word(set_symbol_cache, "Invalid value for cache_user_symbols: valid values are PER_PID, PER_PROGRAM, and NONE."), "", "Whose symbols are kept: PER_PID, PER_PROGRAM or NONE").set_by(Holds::AtOnce, "config = { cache_user_symbols = NONE } profile:hz:99 { @[ustack] = count(); }"),
    row("color", Kind::Environment, "auto", "Colours in messages: auto, always or never"),
    Variable { older_names: &["no_cpp_demangle"], ..row("cpp_demangle", Kind::Bool(|c| &mut c.cpp_demangle), "true", "Show C++ names as they are written").set_by(Holds::AtOnce, "config = { cpp_demangle = false } profile:hz:99 { @[ustack] = count(); }") },
    row("dummy_ts_map", Kind::Text(|c| &mut c.dummy_ts_map), "", "A map without key that tseries() reads in place of the clock, for tests").set_by(Holds::Later, r#"config = { dummy_ts_map = "clock"; unstable_tseries = enable } begin { @clock = 5; @ = tseries(1, 1s, 3); }"#),
    row("hist_summary", Kind::Bool(|c| &mut c.hist_summary), "false", "Print count, mean and percentiles after each histogram").set_by(Holds::AtOnce, "config = { hist_summary = true } tracepoint:syscalls:sys_enter_write { @ = hist(args.count); }"),
    row("kernel_build", Kind::Environment, "", "The build folder of the kernel's headers"),
    row("kernel_source", Kind::Environment, "", "The source folder of the kernel's headers"),
    row("lazy_symbolication", Kind::Bool(|c| &mut c.lazy_symbolication), "true", "Look symbols up when they are printed, not before").set_by(Holds::Never, "config = { lazy_symbolication = true } begin { }"),
    row("license", Kind::License, "GPL", "The license that the kernel is told").set_by(Holds::Later, r#"config = { license = "Dual BSD/GPL" } begin { }"#),
    row("log_size", Kind::Number(|c| &mut c.log_size), "1000000", "Bytes of the verifier's log").set_by(Holds::Later, "config = { log_size = 8000000 } begin { }"),
    row("max_bpf_progs", Kind::Number(|c| &mut c.max_bpf_progs), "1024", "Most programs that a script may be compiled to").set_by(Holds::Later, "config = { max_bpf_progs = 4096 } kprobe:vfs_* { @[probe] = count(); }"),
    Variable { older_names: &["cat_bytes_max"], ..row("max_cat_bytes", Kind::Number(|c| &mut c.max_cat_bytes), "10240", "Most bytes that cat() prints").set_by(Holds::AtOnce, r#"config = { max_cat_bytes = 100 } begin { cat("/proc/self/maps"); }"#) },
    Variable { older_names: &["map_keys_max"], ..row("max_map_keys", Kind::Limited { least: 1, most: 1 << 30, place: |c| &mut c.max_map_keys }, "4096", "Most entries of a map").set_by(Holds::Later, "config = { max_map_keys = 100000 } tracepoint:syscalls:sys_enter_write { @[tid, args.count] = count(); }") },
    row("max_probes", Kind::Number(|c| &mut c.max_probes), "1024", "Most attach points of a script").set_by(Holds::Later, "config = { max_probes = 4096 } kprobe:tcp_* { @[func] = count(); }"),
    Variable { older_names: &["strlen"], ..row("max_strlen", Kind::Limited { least: 1, most: 1 << 20, place: |c| &mut c.max_strlen }, "1024", "Most bytes of a text read by str()").set_by(Holds::Later, "config = { max_strlen = 4096 } tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }") },
    row("max_type_res_iterations", Kind::Gone, "", ""),
    row("missing_probes", Kind::Word(set_missing_probes, "Invalid value for missing_probes: valid values are ignore, warn, and error."), "error", "Attach points that are not there: ignore, warn or error").set_by(Holds::Later, "config = { missing_probes = warn } tracepoint:syscalls:sys_enter_open, tracepoint:syscalls:sys_enter_openat { @ = count(); }"),
    row("on_stack_limit", Kind::Number(|c| &mut c.on_stack_limit), "32", "Accepted for bpftrace's sake; rtrace finds room by itself").set_by(Holds::Never, "config = { on_stack_limit = 64 } begin { }"),
    row("perf_rb_pages", Kind::Number(|c| &mut c.perf_rb_pages), "0", "Pages of the buffer for printed records, and of each processor's for packets").set_by(Holds::Start, r#"config = { perf_rb_pages = 1024 } tracepoint:syscalls:sys_enter_write { printf("%s %d\n", comm, args.count); }"#),
    row("print_maps_on_exit", Kind::Bool(|c| &mut c.print_maps_on_exit), "true", "Print all maps at the end").set_by(Holds::AtOnce, "config = { print_maps_on_exit = false } tracepoint:syscalls:sys_enter_write { @ = count(); } end { print(@); }"),
    row("show_debug_info", Kind::Bool(|c| &mut c.show_debug_info), "true", "Show file and line in stacks where they are known").set_by(Holds::AtOnce, "config = { show_debug_info = false } profile:hz:99 { @[ustack] = count(); }"),
    row("stack_mode", Kind::Word(set_stack_mode, "Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id."), "bpftrace", "How stacks are printed: bpftrace, perf, raw or build_id").set_by(Holds::Later, "config = { stack_mode = perf } profile:hz:99 { @[kstack] = count(); }"),
    row("str_trunc_trailer", Kind::Text(|c| &mut c.str_trunc_trailer), "..", "Follows text that was cut off").set_by(Holds::AtOnce, r#"config = { str_trunc_trailer = "..." } begin { print(str(0)); }"#),
    row("symbol_source", Kind::Gone, "", ""),
    row("unstable_addr", Kind::Gone, "", ""),
    row("unstable_dw_ustack", Kind::Unstable(|c| &mut c.unstable_dw_ustack), "warn", "dw_ustack(): enable, warn or error").set_by(Holds::Later, "config = { unstable_dw_ustack = enable } profile:hz:99 /pid == cpid/ { @[dw_ustack] = count(); }"),
    row("unstable_import", Kind::Gone, "", ""),
    row("unstable_import_statement", Kind::Unstable(|c| &mut c.unstable_import_statement), "error", "import within a probe: enable, warn or error").set_by(Holds::Later, "config = { unstable_import_statement = warn } begin { }"),
    row("unstable_macro", Kind::Gone, "", ""),
    row("unstable_map_decl", Kind::Gone, "", ""),
    row("unstable_tseries", Kind::Unstable(|c| &mut c.unstable_tseries), "warn", "tseries(): enable, warn or error").set_by(Holds::Later, "config = { unstable_tseries = enable } interval:ms:100 { @ = tseries(rand % 10, 1s, 10); }"),
    row("unstable_typeinfo", Kind::Unstable(|c| &mut c.unstable_typeinfo), "error", "typeinfo(): enable, warn or error").set_by(Holds::Later, "config = { unstable_typeinfo = enable } begin { print(typeinfo(pid)); }"),
    row("use_blazesym", Kind::Ignored, "", "Accepted for bpftrace's sake").set_by(Holds::Never, "config = { use_blazesym = true } begin { }"),
    row("vmlinux", Kind::Environment, "", "The kernel image to take symbols from"),
];

fn set_symbol_cache(config: &mut Config, word: &str) -> bool {
    config.cache_user_symbols = match word {
        // As it would be anyway.
        "1" => config.cache_user_symbols,
        "per_pid" => Some(SymbolCache::PerPid),
        "per_program" => Some(SymbolCache::PerProgram),
        "none" | "0" => Some(SymbolCache::None),
        _ => return false,
    };
    true
}

fn set_missing_probes(config: &mut Config, word: &str) -> bool {
    config.missing_probes = match word {
        "ignore" => MissingProbes::Ignore,
        "warn" => MissingProbes::Warn,
        "error" => MissingProbes::Error,
        _ => return false,
    };
    true
}

fn set_stack_mode(config: &mut Config, word: &str) -> bool {
    config.stack_mode = match word {
        "bpftrace" => StackMode::Bpftrace,
        "perf" => StackMode::Perf,
        "raw" => StackMode::Raw,
        "build_id" => StackMode::BuildId,
        _ => return false,
    };
    true
}

/// Whether a word means yes; none if it means neither.
pub fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Some(true),
        "0" | "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

impl Variable {
    /// Sets it; says what is wrong if it cannot be set to this. `called` is what the user called it.
    fn set(&self, config: &mut Config, value: &ConfigValue, called: &str) -> Result<(), String> {
        let text = match value {
            ConfigValue::Number(number) => number.to_string(),
            ConfigValue::Text(text) => text.clone(),
        };
        let number = || match (value, Param::read(Some(&text))) {
            (ConfigValue::Number(number), _) => Ok(*number),
            (_, Param::Number(number)) if u64::try_from(number).is_ok() => Ok(number as u64),
            _ => Err(format!("{called}: expecting a number, got {text}")),
        };
        match &self.kind {
            Kind::Bool(place) => match value {
                ConfigValue::Number(number) => *place(config) = *number != 0,
                ConfigValue::Text(word) => {
                    let title = || format!("{called}: Invalid bool value: valid values are true, false, 1 or 0.");
                    *place(config) = truth(word).ok_or_else(title)?;
                }
            },
            Kind::Number(place) => *place(config) = number()?,
            Kind::Limited { least, most, place } => {
                let number = number()?;
                let fits = u32::try_from(number).ok().filter(|number| (*least..=*most).contains(number));
                let title = || format!("{called}: {number} is out of range: {least} to {most}");
                *place(config) = fits.ok_or_else(title)?;
            }
            Kind::Text(place) => *place(config) = text,
            Kind::Word(set, title) => {
                if !set(config, &text.to_ascii_lowercase()) {
                    return Err(format!("{called}: {title}"));
                }
            }
            Kind::License => {
                let known = LICENSES.into_iter().find(|license| *license == text);
                config.license = known.ok_or_else(|| {
                    let valid = LICENSES.iter().rev().copied().collect::<Vec<_>>().join(", ");
                    format!("Invalid value for license. Found: {text}. Valid values: {valid}.")
                })?;
            }
            Kind::Unstable(place) => {
                let word = text.to_ascii_lowercase();
                *place(config) = match (word.as_str(), value, truth(&word)) {
                    ("enable", ..) | (.., Some(true)) => Unstable::Enable,
                    ("warn", ..) => Unstable::Warn,
                    ("error", ..) | (.., Some(false)) => Unstable::Error,
                    (_, ConfigValue::Number(_), _) => Unstable::Enable,
                    _ => {
                        return Err(format!(
                            "{called}: Invalid value for unstable config: valid values are enable, warn, and error."
                        ));
                    }
                };
            }
            Kind::Ignored | Kind::Gone => {}
            Kind::Environment => return Err(format!("{called}: can only be set as an environment variable")),
        }
        Ok(())
    }
}

/// The variable that goes by this name: with a prefix or without, in capitals or not, an older name or today's.
pub fn variable(name: &str) -> Option<&'static Variable> {
    let name = plain_name(name);
    let by_older_name = || VARIABLES.iter().find(|variable| variable.older_names.contains(&name.as_str()));
    VARIABLES.iter().find(|variable| variable.name == name).or_else(by_older_name)
}

/// The name without prefix, in lower case.
fn plain_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    ["bpftrace_", "rtrace_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_owned()
}

impl Config {
    /// The values that a script is compiled and run with: those of its block unless the environment has others.
    pub fn of_script(block: &[ConfigItem], environment: &Environment, report: &mut Vec<Diagnostic>) -> Self {
        let mut config = Self::default();
        for (variable, value) in &environment.preferred {
            // It has been set once already, in `Environment::prefer`.
            let _ = variable.set(&mut config, value, variable.name);
        }
        for item in block {
            // The parser has told of it.
            if item.name.text.is_empty() {
                continue;
            }
            match config.set_from_block(item) {
                Ok(None) => {}
                Ok(Some(warning)) => report.push(Diagnostic::warning(item.span, warning)),
                Err(diagnostic) => report.push(diagnostic),
            }
        }
        for (variable, value) in &environment.values {
            // It has been set once already, in `Environment::read`.
            let _ = variable.set(&mut config, value, variable.name);
        }
        config
    }

    /// Sets one variable; gives a warning if there is a reason for one.
    fn set_from_block(&mut self, item: &ConfigItem) -> Result<Option<String>, Diagnostic> {
        let written = &item.name.text;
        let name = plain_name(written);
        let Some(variable) = variable(written) else {
            let title = format!("{written}: not a known configuration option");
            let candidates = VARIABLES.iter().filter(|variable| !matches!(variable.kind, Kind::Gone));
            let near = nearest(&name, candidates.map(|variable| variable.name), 1);
            let help = near.first().map(|near| format!("did you mean {near}?"));
            return Err(Diagnostic::error(item.span, title).with_maybe_help(help));
        };
        let renamed = variable.name != name;
        let called = if renamed { variable.name } else { written };
        variable.set(self, &item.value, called).map_err(|title| {
            let found = Diagnostic::error(item.span, title);
            match variable.kind {
                Kind::License => found.with_help(
                    "see https://docs.kernel.org/bpf/bpf_licensing.html#using-bpf-programs-in-the-linux-kernel",
                ),
                _ => found,
            }
        })?;
        Ok(match variable.kind {
            Kind::Gone => Some(format!("{written} is deprecated and has no effect")),
            _ if renamed => Some(format!("{written} has been renamed, please use {}", variable.name)),
            _ => None,
        })
    }
}

/// What the environment says of a variable: `RTRACE_NAME` if that is set, or else `BPFTRACE_NAME`.
pub fn environment_text(name: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    let name = name.to_ascii_uppercase();
    lookup(&format!("RTRACE_{name}")).or_else(|| lookup(&format!("BPFTRACE_{name}")))
}

/// What the environment sets.
#[derive(Clone, Default)]
pub struct Environment {
    values: Vec<(&'static Variable, ConfigValue)>,
    /// What holds unless the script or the environment says otherwise.
    preferred: Vec<(&'static Variable, ConfigValue)>,
}

/// The variables that somebody may prefer to be set for all scripts.
pub fn preferable() -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(|variable| !matches!(variable.kind, Kind::Gone | Kind::Environment))
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.preferred.iter().chain(&self.values);
        f.debug_map().entries(all.map(|(variable, value)| (variable.name, value))).finish()
    }
}

impl Environment {
    /// Whether it says something of this variable, and so has the last word.
    pub fn sets(&self, name: &str) -> bool {
        self.values.iter().any(|(variable, _)| variable.name == name)
    }

    /// Asks `lookup` for the environment variable of each config variable. The error says what is wrong with a value.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut values = Vec::new();
        for variable in VARIABLES.iter().filter(|variable| !matches!(variable.kind, Kind::Gone | Kind::Environment)) {
            if let Some(text) = environment_text(variable.name, &lookup) {
                let value = ConfigValue::Text(text);
                variable.set(&mut Config::default(), &value, variable.name)?;
                values.push((variable, value));
            }
        }
        Ok(Self { values, preferred: Vec::new() })
    }

    /// Has a variable set where neither the script nor the environment does. The error says what is wrong with the value.
    pub fn prefer(&mut self, variable: &'static Variable, text: &str) -> Result<(), String> {
        let value = ConfigValue::Text(text.to_owned());
        variable.set(&mut Config::default(), &value, variable.name)?;
        self.preferred.push((variable, value));
        Ok(())
    }

    /// Takes over what another one prefers.
    pub fn prefer_as(&mut self, other: &Self) {
        self.preferred.extend(other.preferred.iter().cloned());
    }
}

#[cfg(test)]
mod tests;
