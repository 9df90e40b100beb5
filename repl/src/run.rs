//! From the text of a script to the end of its run.

mod given;
mod terminal;

pub use given::{check_privileges, dwarf_pids, open_output, process, watch};
pub use terminal::Terminal;

use crate::args::{Args, Feature, Mode, Stage};
use crate::compiler_bench;
use crate::dump;
use crate::explain::explain;
use crate::files::{self, Files};
use crate::headers::Folders;
use crate::info;
use crate::list;
use crate::live::{self, Aside};
use crate::look;
use crate::progress::Progress;
use crate::report::Reporter;
use crate::select;
use clap::ValueEnum;
use codegen::layout::Sizes;
use codegen::object::{Object, Options, compile};
use given::{aside, child, flame_graph, packets_output};
use lang::config::{Environment, SymbolCache};
use lang::functions::FunctionId;
use lang::params::refusal;
use lang::target::Target;
use lang::typed::{Expr, ExprKind, Program, any_in};
use lang::{Diagnostic, Settings, Source, SourceMap, Span, check, parse_with_imports};
use probes_ebpf::KernelTarget;
use probes_ebpf::target::not_traceable;
use runtime::flame;
use runtime::load::LoadError;
use runtime::machine::processes::Processes;
use runtime::machine::{Machine, symbols};
use runtime::output::world::Shared;
use runtime::output::{self, Output};
use runtime::session::{self, Config, Job, RunError, Viewer, run};
use rustix::termios::isatty;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

/// An error has been shown; the process ends with this code.
pub struct Failed;

/// Prints a script in the usual layout, or with `--check` its name if it has another; gives the exit code.
pub fn format(args: &Args, source: &Source, reporter: &Reporter) -> Result<u8, Failed> {
    match lang::format::format(source.text()) {
        Ok(formatted) if !args.check => match &args.output {
            None => print(&formatted, reporter),
            Some(path) => replace(path, &formatted, reporter),
        },
        Ok(formatted) if formatted == source.text() => Ok(0),
        Ok(_) => {
            print(&format!("{}\n", source.name()), reporter)?;
            Ok(1)
        }
        Err(diagnostics) => {
            show(reporter, &SourceMap::new(source.clone()), &diagnostics)?;
            Err(Failed)
        }
    }
}

/// Writes a file as a whole or not at all: it may be the script itself.
fn replace(path: &Path, text: &str, reporter: &Reporter) -> Result<u8, Failed> {
    match files::write_whole(path, text, true) {
        Ok(()) => Ok(0),
        Err(error) => fail(reporter, &format!("cannot write to {}: {error}", path.display()), None),
    }
}

/// Compiles a script and runs it; gives the exit code.
pub fn script(args: &Args, mode: Option<Mode>, source: Source, reporter: &Reporter) -> Result<u8, Failed> {
    let started = Instant::now();
    if args.live.is_some()
        && let Some(refusal) = live::refusal()
    {
        let help = "run it without --live: print(@map) in an interval shows maps anywhere";
        return fail(reporter, &format!("--live redraws maps on a terminal, but {refusal}"), Some(help));
    }
    let target = KernelTarget::new();
    let mut files = Files::new(source.name());
    let headers = Folders::new(source.name(), &args.include_dirs, &args.includes, target.has_btf());
    let parse = |source: &Source, files: &mut Files| parse_with_imports(source.clone(), files, &headers);
    let (mut parsed, sources) = parse(&source, &mut files);
    let sources = &sources;
    let read = started.elapsed();
    show(reporter, sources, &parsed.diagnostics)?;
    let stages = args.stages();
    // With its name above it, if it is not the only one.
    let show_stage = |stage: Stage, text: &dyn Fn() -> Result<String, Failed>| {
        if !stages.contains(&stage) {
            return Ok(false);
        }
        let (name, text) = (stage.name(), text()?);
        match stages.len() {
            1 => print(&text, reporter)?,
            _ => print(&format!("{name}\n{}\n{text}\n", "-".repeat(name.len())), reporter)?,
        };
        Ok(stages.last() == Some(&stage))
    };
    if show_stage(Stage::Ast, &|| Ok(lang::dump::dump(&parsed.script)))? {
        return Ok(0);
    }
    let process = process(args, reporter)?;
    let target = as_asked(target, process, args);
    if args.list {
        list::without_bodies(&mut parsed.script);
    }
    let settings = settings(args, reporter)?;
    let checked = check(&parsed.script, &target, &settings);
    show(reporter, sources, &checked.diagnostics)?;
    if let Some(refusal) = refusal(&checked.options, &settings.options) {
        reporter.plain(&refusal.title, refusal.help.as_deref());
        return Err(Failed);
    }
    // Otherwise they are refused. The list is read for each.
    if args.unsafe_mode {
        warn_of_unlisted(&checked.program, &target, reporter, sources);
    }
    let checking = started.elapsed() - read;
    let mut program = checked.program;
    let is_run = stages.is_empty() && args.emit_elf.is_none();
    let trial = match mode {
        Some(Mode::Test) => session::Mode::Test,
        Some(Mode::Bench) => session::Mode::Bench,
        _ => session::Mode::Trace,
    };
    if args.list {
        return list::program(args, process, &program, reporter);
    }
    if let Some(filter) = &args.probe_filter {
        select::by_name(&mut program, filter, reporter)?;
    }
    if is_run && !matches!(mode, Some(Mode::Codegen | Mode::CompilerBench)) {
        select::by_mode(&mut program, trial, args.probe_filter.as_deref(), reporter)?;
        select::check_count(&program, reporter)?;
    }
    if show_stage(Stage::Types, &|| Ok(lang::dump_types::dump(&program)))? {
        return Ok(0);
    }
    let drawn = args.flamegraph.as_ref().map(|_| flame::maps(&program)).transpose();
    let drawn = drawn.map_err(|diagnostic| reporter.show(sources, &diagnostic)).map_err(|()| Failed)?;
    let sizes = sizes(&program.config);
    let options =
        Options { keep_text: !stages.is_empty(), process, sizes, tell_reads: args.warnings > 0, ..Options::default() };
    let mut object = compiled(&program, &target, &options, sources, reporter)?;
    if args.verbose {
        let compiling = started.elapsed() - read - checking;
        reporter.note(&format!("read in {read:.1?}, checked in {checking:.1?}, compiled in {compiling:.1?}"));
    }
    for stage in Stage::value_variants().iter().filter(|stage| !matches!(stage, Stage::Ast | Stage::Types)) {
        if show_stage(*stage, &|| debug(*stage, &program, &object, args, sources, reporter))? {
            return Ok(0);
        }
    }
    match mode {
        Some(Mode::Codegen) if args.emit_elf.is_none() => return Ok(0),
        Some(Mode::CompilerBench) => {
            info::print(false, reporter)?;
            let measured = compiler_bench::run(
                &mut [
                    ("parse", &mut || drop(parse(&source, &mut Files::new(source.name())))),
                    ("check", &mut || drop(check(&parsed.script, &target, &settings))),
                    ("compile", &mut || drop(compile(&program, &target, &options))),
                    ("elf", &mut || drop(object.to_elf(sources))),
                ],
                &mut io::stdout(),
            );
            return printed(measured, reporter);
        }
        _ => {}
    }
    if let Some(path) = &args.emit_elf {
        let elf = elf(&object, sources, reporter)?;
        return match std::fs::write(path, elf) {
            Ok(()) => Ok(0),
            Err(error) => fail(reporter, &format!("cannot write {}: {error}", path.display()), None),
        };
    }
    select::check(&object, &program.config, reporter)?;
    check_privileges(reporter)?;
    let dwarf_pids = dwarf_pids(args, reporter)?;
    let unwinds = object.layout.unwinding.is_some();
    if unwinds && args.command.is_none() && process.is_none() && dwarf_pids.is_empty() {
        let help = "Use -p, -c, or --dwarf-pid to specify one.";
        let diagnostic = Diagnostic::error(unwinding_call(&program), "dw_ustack requires a target process");
        return show(reporter, sources, &[diagnostic.with_help(help)]).map(|()| 0);
    }
    let graph = args.flamegraph.as_ref().map(|path| flame_graph(path, reporter)).transpose()?;
    let packets_output = packets_output(&program, args, reporter)?;
    let processes = Processes::default();
    let symbols = symbols::Options {
        demangle: program.config.cpp_demangle,
        debug_info: program.config.show_debug_info,
        keep: program.config.cache_user_symbols != Some(SymbolCache::None),
        programs: programs(&object),
    };
    let shown = output::Settings {
        max_strlen: program.config.max_strlen as usize,
        hist_summary: program.config.hist_summary,
        str_trunc_trailer: program.config.str_trunc_trailer.clone().into_bytes(),
        texts: output::Texts::new(&program.texts),
        world: Shared::new(Machine::new(symbols, processes.clone())),
        paint: look::paint(args),
    };
    let is_seen = isatty(io::stderr());
    let live = args.live.filter(|_| !args.dry_run);
    let seen = output::Settings { paint: look::screen(args), ..shown.clone() };
    let aside = live.map(|interval| aside(seen, interval, reporter)).transpose()?;
    let kept = aside.as_ref().map(Aside::kept);
    // What goes elsewhere is in nobody's way.
    let beside = kept.clone().filter(|_| is_seen);
    let beside = beside.map(|kept| reporter.beside(move |text| kept.print(text.as_bytes())));
    let reporter = beside.as_ref().unwrap_or(reporter);
    let mut config = Config {
        packets_output,
        child: child(args, unwinds, reporter)?,
        process: process.map(|number| watch(number, reporter)).transpose()?,
        dry_run: args.dry_run,
        quiet: args.quiet,
        pid: process,
        dwarf_pids,
        mode: trial,
        processes,
        flame_graph: graph.zip(drawn),
        interactive: false,
        viewer: aside.map(|aside| -> Box<dyn Viewer> { Box::new(aside) }),
    };
    let shown_on: Box<dyn Write> = match kept {
        Some(kept) => Box::new(kept),
        None => Box::new(io::stdout()),
    };
    let mut output = open_output(args, shown_on, shown.clone(), reporter)?;
    let missing_probes = program.config.missing_probes;
    let mut host = Terminal {
        tells_attached: trial == session::Mode::Trace,
        progress: Progress::on_terminal().filter(|_| !args.quiet),
        ..Terminal::new(args, missing_probes, sources, reporter)
    };
    let mut result = attempt(&program, &object, sources, &shown, &mut config, &mut *output, &mut host);
    // What the verifier refuses may be the mid-end's doing.
    if let Err(RunError::Load(LoadError::Refused { refusal, .. })) = &result
        && refusal.slot.is_some()
    {
        if args.verbose {
            reporter.note(&format!("the verifier refuses {} as optimised; trying without", refusal.program));
        }
        let plain = Options { optimise: false, ..options };
        object = compiled(&program, &target, &plain, sources, reporter)?;
        result = attempt(&program, &object, sources, &shown, &mut config, &mut *output, &mut host);
    }
    drop(host);
    match result {
        Ok(code) => Ok(code),
        Err(RunError::OutputClosed) => Ok(0),
        Err(error) => explain(&error, &object, args, sources, reporter),
    }
}

/// The machine as the command line wants it to be seen.
pub fn as_asked(target: KernelTarget, process: Option<u32>, args: &Args) -> KernelTarget {
    let mut target = target.of_process(process).of_command(args.command.is_some());
    target = target.with_debug_folders(args.debuginfo.clone());
    if let Some(file) = &args.traceable_functions {
        target = target.with_functions(file);
    }
    if args.unsafe_mode {
        target = target.trusting_names();
    }
    if args.no_feature.contains(&Feature::KprobeMulti) {
        target = target.without_kprobe_multi();
    }
    if args.no_feature.contains(&Feature::KprobeSession) {
        target = target.without_kprobe_session();
    }
    if args.no_feature.contains(&Feature::UprobeMulti) {
        target = target.without_uprobe_multi();
    }
    target
}

/// What the command line and the environment decide about a script's meaning.
pub fn settings(args: &Args, reporter: &Reporter) -> Result<Settings, Failed> {
    let mut environment =
        Environment::read(environment).map_err(|title| reporter.plain(&title, None)).map_err(|()| Failed)?;
    args.preferences.put_into(&mut environment);
    let (params, options) = (args.params(), args.options());
    Ok(Settings { has_child: args.command.is_some(), environment, params, options, allow_unsafe: args.unsafe_mode })
}

/// The files whose code is traced.
pub fn programs(object: &Object) -> Vec<String> {
    let points = object.programs.iter().flat_map(|program| &program.points);
    let mut paths: Vec<String> = points.filter_map(|point| point.attach.file().map(str::to_owned)).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn attempt(
    program: &Program,
    object: &Object,
    sources: &SourceMap,
    settings: &output::Settings,
    config: &mut Config,
    output: &mut dyn Output,
    host: &mut Terminal<'_>,
) -> Result<u8, RunError> {
    let elf = object.to_elf(sources).map_err(|error| LoadError::Object(error.to_string()))?;
    run(&Job { program, object, elf: &elf, settings }, config, output, host)
}

fn compiled(
    program: &Program,
    target: &dyn Target,
    options: &Options,
    sources: &SourceMap,
    reporter: &Reporter,
) -> Result<Object, Failed> {
    compile(program, target, options).map_err(|diagnostic| {
        reporter.show(sources, &diagnostic);
        Failed
    })
}

fn elf(object: &Object, sources: &SourceMap, reporter: &Reporter) -> Result<Vec<u8>, Failed> {
    object.to_elf(sources).map_err(|error| {
        reporter.plain(&error.to_string(), None);
        Failed
    })
}

fn debug(
    stage: Stage,
    program: &Program,
    object: &Object,
    args: &Args,
    sources: &SourceMap,
    reporter: &Reporter,
) -> Result<String, Failed> {
    Ok(match stage {
        Stage::Clif => dump::clif(object, false),
        Stage::ClifOpt => dump::clif(object, true),
        Stage::Bpf => dump::bpf(object, sources),
        Stage::Elf => codegen::elf::describe(&elf(object, sources, reporter)?),
        Stage::Verifier => {
            check_privileges(reporter)?;
            let log_bytes = usize::try_from(program.config.log_size).unwrap_or(usize::MAX);
            match runtime::load::verify(object, &elf(object, sources, reporter)?, log_bytes) {
                Ok(logs) => logs.iter().map(|(name, log)| format!("BPF verifier log for {name}:\n{log}\n")).collect(),
                Err(error) => return explain(&RunError::Load(error), object, args, sources, reporter),
            }
        }
        Stage::Ast | Stage::Types | Stage::All => String::new(),
    })
}

pub fn print(text: &str, reporter: &Reporter) -> Result<u8, Failed> {
    printed(io::stdout().write_all(text.as_bytes()), reporter)
}

fn printed(result: io::Result<()>, reporter: &Reporter) -> Result<u8, Failed> {
    match result {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => fail(reporter, &format!("cannot write: {error}"), None),
    }
}

/// Functions that `--unsafe` lets pass although they are not among those that can be traced.
fn warn_of_unlisted(program: &Program, target: &KernelTarget, reporter: &Reporter, sources: &SourceMap) {
    for point in program.probes.iter().flat_map(|probe| &probe.points) {
        if let Some(function) = point.attach.function()
            && target.is_unlisted(&point.attach).is_ok_and(|is_unlisted| is_unlisted)
        {
            reporter.show(sources, &Diagnostic::warning(point.span, not_traceable(function)));
        }
    }
}

/// Shows diagnostics; an error among them ends it.
pub fn show(reporter: &Reporter, sources: &SourceMap, diagnostics: &[Diagnostic]) -> Result<(), Failed> {
    for diagnostic in diagnostics {
        reporter.show(sources, diagnostic);
    }
    match diagnostics.iter().any(Diagnostic::is_error) {
        true => Err(Failed),
        false => Ok(()),
    }
}

pub fn fail<T>(reporter: &Reporter, title: &str, help: Option<&str>) -> Result<T, Failed> {
    reporter.plain(title, help);
    Err(Failed)
}

/// The sizes that the config leaves to the machine.
pub fn sizes(config: &lang::config::Config) -> Sizes {
    /// The kernel takes no larger buffer.
    const MOST: u64 = 1 << 30;
    let mut sizes = Sizes::default();
    if config.perf_rb_pages > 0 {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
        // A page for each processor at least, and a size that the kernel can count in.
        let bytes = config.perf_rb_pages.max(cpus).saturating_mul(rustix::param::page_size() as u64).min(MOST);
        sizes.data_ring = bytes.next_power_of_two() as u32;
    }
    sizes
}

/// What an environment variable holds. What is no text will hardly be a value that is allowed, so it can be shown as it
/// comes.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Where a script first walks a stack by tables.
fn unwinding_call(program: &Program) -> Span {
    let mut found = Span::default();
    let mut is_call = |expr: &Expr| {
        let is_call = matches!(expr.kind, ExprKind::Call(FunctionId::DwUstack, _));
        if is_call {
            found = expr.span;
        }
        is_call
    };
    let _ = program.probes.iter().any(|probe| {
        probe.predicate.as_ref().is_some_and(|predicate| predicate.any(&mut is_call))
            || any_in(&probe.body, &mut is_call)
    });
    found
}
