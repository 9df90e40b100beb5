//! The compiled script: everything the loader, the printer of events and the verifier's interpreter need to know.

use crate::backend;
use crate::chain;
use crate::elf;
use crate::encode::Code;
use crate::error::CodegenError;
use crate::layout::{Layout, Sizes};
use crate::lower::{Unit, lower};
use crate::select;
use crate::session;
use crate::symbol::Symbol;
use crate::which;
use cranelift_codegen::ir;
use lang::diag::Diagnostic;
use lang::probes::net::XdpMode;
use lang::span::{SourceMap, Span};
use lang::target::{Attach, Context, Features, ProgramType, SESSION_IS_RETURN, Target};
use lang::typed;

/// What the caller wants of [`compile`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Run the mid-end. If the kernel's verifier refuses a program, it is worth another try without.
    pub optimise: bool,
    /// Keep the intermediate code as text, for `-d`.
    pub keep_text: bool,
    /// Only events of this process count; `begin`, `end`, `interval` and packets are not events of a process.
    pub process: Option<u32>,
    /// Sizes of ring buffers.
    pub sizes: Sizes,
    /// Tell of memory that could not be read and of elements that are not there, where a script reads zero.
    pub tell_reads: bool,
    /// The number of the entry, in a session.
    pub entry: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { optimise: true, keep_text: false, process: None, sizes: Sizes::default(), tell_reads: false, entry: 0 }
    }
}

/// A compiled script.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its programs, in the order of their probes.
    pub programs: Vec<Program>,
    /// Its maps and `.bss`.
    pub layout: Layout,
    /// What the kernel is told; most helpers that tracing uses are for programs under the GPL only.
    pub license: &'static str,
}

/// One eBPF program and what it is attached to.
#[derive(Clone, Debug)]
pub struct Program {
    /// The function's name: letters, digits and `_`, at most 15, unique in the object.
    pub name: String,
    /// The type to load it as.
    pub kind: ProgramType,
    /// The attach points that share it.
    pub points: Vec<Point>,
    /// Which probe of the script it comes from.
    pub probe: usize,
    /// The instructions.
    pub code: Code,
    /// Functions that the kernel calls for it: the bodies of some loops.
    pub functions: Vec<Function>,
    /// Where they come from: a source location is an index here.
    pub spans: Vec<Span>,
    /// Intermediate code before and after the mid-end, if asked for.
    pub clif: Option<(String, String)>,
}

/// A function beside a program.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name in the object.
    pub name: String,
    /// What `Symbol::Subprogram` calls it.
    pub number: u32,
    /// The verifier looks at it by itself, rather than at each call.
    pub is_global: bool,
    /// The instructions.
    pub code: Code,
    /// Intermediate code before and after the mid-end, if asked for.
    pub clif: Option<(String, String)>,
}

/// An attach point of a program.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its full name.
    pub name: String,
    /// What to attach to.
    pub attach: Attach,
    /// Where it stands in the script.
    pub span: Span,
}

impl Program {
    /// Whether it refers to a map, by its place among those of the layout.
    pub fn uses(&self, map: u32) -> bool {
        let codes = std::iter::once(&self.code).chain(self.functions.iter().map(|function| &function.code));
        codes.flat_map(|code| &code.relocs).any(|reloc| reloc.symbol == Symbol::Map(map))
    }

    /// The functions in the order in which a linker puts them behind the program: each where it is first referred to,
    /// followed by those that itself refers to.
    pub fn linked(&self) -> Vec<&Function> {
        let mut order: Vec<&Function> = Vec::new();
        // References still to be followed, the next one last.
        let mut todo = vec![self.code.functions()];
        while let Some(numbers) = todo.last_mut() {
            let Some(number) = numbers.pop() else {
                todo.pop();
                continue;
            };
            let is_known = order.iter().any(|function| function.number == number);
            if let Some(function) = self.functions.iter().find(|function| function.number == number && !is_known) {
                order.push(function);
                todo.push(function.code.functions());
            }
        }
        order
    }

    /// Where in the script the instruction at this slot of the linked program comes from.
    pub fn span_at(&self, slot: u32) -> Option<Span> {
        let mut start = self.code.insns.len() as u32;
        if slot < start {
            return self.span_in(&self.code, slot);
        }
        for function in self.linked() {
            let length = function.code.insns.len() as u32;
            if slot < start + length {
                return self.span_in(&function.code, slot - start);
            }
            start += length;
        }
        None
    }

    /// Where in the script the instruction at this slot of one of its functions comes from.
    pub fn span_in(&self, code: &Code, slot: u32) -> Option<Span> {
        let row = code.lines.partition_point(|(start, _)| *start <= slot).checked_sub(1)?;
        let (_, location) = code.lines[row];
        match location.is_default() {
            true => None,
            false => self.spans.get(location.bits() as usize).copied(),
        }
    }

    /// The ELF section it goes to, which tells libbpf its type and target.
    pub fn section(&self) -> String {
        match &self.points[0].attach {
            Attach::Begin | Attach::End | Attach::Interval { .. } | Attach::Signal | Attach::Test | Attach::Bench => {
                format!("raw_tp/{}", self.name)
            }
            Attach::Tracepoint { category, event, .. } => format!("tracepoint/{category}/{event}"),
            Attach::RawTracepoint { name } => format!("raw_tp/{name}"),
            Attach::BtfTracepoint { name, .. } => format!("tp_btf/{name}"),
            Attach::Kprobe { function, offset: 0, on_return: false, .. } => format!("kprobe/{function}"),
            Attach::Kprobe { function, offset, on_return: false, .. } => format!("kprobe/{function}+{offset}"),
            Attach::Kprobe { function, on_return: true, .. } => format!("kretprobe/{function}"),
            Attach::Uprobe { path, symbol, on_return: true, .. } => format!("uretprobe/{path}:{symbol}"),
            Attach::Uprobe { path, symbol, .. } => format!("uprobe/{path}:{symbol}"),
            // A loader that knows "usdt" would look for the arguments in its own maps.
            Attach::Usdt { path, places, .. } => {
                format!("uprobe/{path}:{:#x}", places.first().map_or(0, |place| place.offset))
            }
            Attach::Fentry { function, on_return, .. } | Attach::ProgramFentry { function, on_return, .. } => {
                format!("{}/{function}", if *on_return { "fexit" } else { "fentry" })
            }
            Attach::Profile { .. } | Attach::PerfEvent { .. } | Attach::Watchpoint(_) => {
                format!("perf_event/{}", self.name)
            }
            Attach::Iter { over, .. } => format!("iter/{over}"),
            Attach::Xdp { .. } => "xdp".to_owned(),
            // Newer loaders know "tc" as well, the one that we use does not.
            Attach::Tc { .. } => "classifier".to_owned(),
            Attach::CgroupSkb { direction, .. } => format!("cgroup_skb/{}", direction.word()),
            Attach::Socket { .. } => "socket".to_owned(),
        }
    }
}

/// Compiles a checked script.
///
/// Fails only with what an author can cause: a probe too large for the kernel's stack or jumps.
pub fn compile(program: &typed::Program, target: &dyn Target, options: &Options) -> Result<Object, Diagnostic> {
    compile_entry(program, target, options, None)
}

/// Compiles an entry of a session, whose layout goes on with that of the entry before.
pub fn compile_entry(
    program: &typed::Program,
    target: &dyn Target,
    options: &Options,
    before: Option<&Layout>,
) -> Result<Object, Diagnostic> {
    let mut layout = before.map_or_else(|| Layout::new(program, options.sizes), |before| before.continued(program));
    layout.tells_reads = options.tell_reads;
    layout.entry = options.entry;
    let units = units(program, target.features());
    let most = program.config.max_bpf_progs;
    if units.len() as u64 > most {
        let title = format!(
            "Your program is trying to generate more than {} BPF programs, which exceeds the current limit of {most}",
            units.len()
        );
        let over = units.get(most as usize).map_or(Span::default(), |(_, points)| points[0].span);
        return Err(Diagnostic::error(over, title).with_help(
            "You can increase the limit through the BPFTRACE_MAX_BPF_PROGS environment variable or max_bpf_progs in \
             the config.",
        ));
    }
    let features = features(target.features());
    let mut programs: Vec<Program> = Vec::new();
    let mut made = 0;
    for (number, (probe_index, points)) in units.iter().enumerate() {
        let probe = &program.probes[*probe_index];
        let unit = Unit {
            probe,
            context: &points[0].context,
            point: points[0],
            shared: which::share(probe, points, &mut layout)?,
            process: options.process.filter(|_| is_event(&points[0].attach)),
            number: number as u32,
            programs: units.len() as u32,
            first_function: made,
        };
        let lowered = lower(&unit, program, &mut layout, target).map_err(|refusal| *refusal)?;
        check_limits(&layout, probe.span)?;
        let how = backend::Options { optimise: options.optimise, keep_clif: options.keep_text };
        let translate = |func: ir::Function| {
            let before = options.keep_text.then(|| func.display().to_string());
            let compiled =
                backend::compile(func, &features, how).map_err(|error| explain(&error, points[0].span, probe.span))?;
            Ok((compiled.code, before.zip(compiled.clif)))
        };
        let (code, clif) = translate(lowered.func)?;
        let mut functions = Vec::new();
        for func in lowered.functions {
            let (code, clif) = translate(func)?;
            let is_global = lowered.global_functions.contains(&made);
            // No program has a dot in its name.
            let name = format!("{}.{made}", if is_global { "part" } else { "loop" });
            functions.push(Function { name, number: made, is_global, code, clif });
            made += 1;
        }
        programs.push(Program {
            name: unique_name(&points[0].name, &programs),
            kind: points[0].context.program,
            points: points.iter().map(|point| Point::of(point)).collect(),
            probe: *probe_index,
            code,
            functions,
            spans: lowered.spans,
            clif,
        });
    }
    for program in &programs {
        check_maps(program, &layout)?;
    }
    if let Some(id) = target.kfunc(SESSION_IS_RETURN) {
        programs = session::join(programs, &program.probes, &mut || layout.use_kfunc(id));
    }
    programs = chain::join(programs)?;
    Ok(Object { programs, layout, license: program.config.license })
}

impl Point {
    fn of(point: &typed::Point) -> Self {
        Self { name: point.name.clone(), attach: point.attach.clone(), span: point.span }
    }
}

/// Which attach points can share a program: those of one probe that see their event the same way, unless the body asks
/// for the probe's name.
fn units(program: &typed::Program, features: Features) -> Vec<(usize, Vec<&typed::Point>)> {
    let mut units: Vec<(usize, Vec<&typed::Point>)> = Vec::new();
    for (index, probe) in program.probes.iter().enumerate() {
        let first = units.len();
        for point in &probe.points {
            let can_share = which::can_share(probe, point, features);
            let same = |points: &[&typed::Point]| {
                let other = points[0];
                can_share
                    && shareable(&other.attach, &point.attach)
                    && same_view(&other.context, &point.context)
                    // One without a number to tell it by runs for each link of its own.
                    && (point.context.program != ProgramType::BtfTracepoint || point.context.guard.is_some())
                    && !points.iter().any(|other| same_call(other, point))
                    && !(is_contended(program, point) || is_contended(program, other))
            };
            match units[first..].iter_mut().find(|(_, points)| same(points)) {
                Some((_, points)) => points.push(point),
                None => units.push((index, vec![point])),
            }
        }
    }
    units
}

/// Whether it is something that happens to a process, rather than a run of ours or of who reads an iterator, or a
/// packet.
fn is_event(attach: &Attach) -> bool {
    !attach.is_run_by_us() && !attach.is_packet() && !matches!(attach, Attach::Iter { .. })
}

/// Whether a program sees both events the same way. Which system call it is may differ.
fn same_view(a: &Context, b: &Context) -> bool {
    let same_guard = match (&a.guard, &b.guard) {
        (None, None) => true,
        (Some(a), Some(b)) => a.number == b.number && a.compat == b.compat,
        _ => false,
    };
    same_guard && a.program == b.program && a.args == b.args && a.fields == b.fields && a.retval == b.retval
}

/// Whether both are told apart by a number, and it is the same: each is to run then.
fn same_call(a: &typed::Point, b: &typed::Point) -> bool {
    match (&a.context.guard, &b.context.guard) {
        (Some(a), Some(b)) => a.expected == b.expected,
        _ => false,
    }
}

/// Whether another attach point is for the same interface, which runs one XDP program: theirs are put together.
fn is_contended(program: &typed::Program, point: &typed::Point) -> bool {
    let Some(interface) = chain::index(&point.attach) else { return false };
    let points = program.probes.iter().flat_map(|probe| &probe.points);
    points.filter(|other| chain::index(&other.attach) == Some(interface)).count() > 1
}

/// Whether programs for these two are loaded the same way.
fn shareable(a: &Attach, b: &Attach) -> bool {
    match (a, b) {
        (Attach::BtfTracepoint { btf_id: a, .. }, Attach::BtfTracepoint { btf_id: b, .. }) => a == b,
        (Attach::Kprobe { on_return: a, .. }, Attach::Kprobe { on_return: b, .. }) => a == b,
        (Attach::Uprobe { on_return: a, .. }, Attach::Uprobe { on_return: b, .. }) => a == b,
        (Attach::CgroupSkb { direction: a, .. }, Attach::CgroupSkb { direction: b, .. }) => a == b,
        // A captured packet tells which way it went.
        (Attach::Tc { direction: a, .. }, Attach::Tc { direction: b, .. }) => a == b,
        // A card has its own.
        (Attach::Xdp { mode: XdpMode::Offload, .. }, _) | (_, Attach::Xdp { mode: XdpMode::Offload, .. }) => false,
        // These are loaded for one target.
        (Attach::Fentry { .. } | Attach::ProgramFentry { .. } | Attach::Iter { .. }, _) => false,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// Refuses what the kernel would refuse with no more than a number.
fn check_limits(layout: &Layout, probe: Span) -> Result<(), Diagnostic> {
    /// `PCPU_MIN_UNIT_SIZE` (include/linux/percpu.h)
    const PER_CPU_VALUE: u32 = 32 << 10;
    let scratch = layout.scratch.map_or(0, |map| layout.kernel_maps[map as usize].value_size);
    if scratch > PER_CPU_VALUE {
        let title = format!("this probe works on {scratch} bytes of text at once; the kernel allows {PER_CPU_VALUE}");
        return Err(Diagnostic::error(probe, title).with_help("give str() a length: str(pointer, 64)"));
    }
    if layout.is_full() {
        let title = format!("this session has used up the {} bytes for its variables and counters", layout.bss_bytes());
        return Err(Diagnostic::error(probe, title).with_help("begin a new one"));
    }
    // `.bss` is one as well.
    if !layout.goes_on() && layout.kernel_maps.len() + 1 > MOST_MAPS {
        return Err(too_many_maps(probe, "script", layout.kernel_maps.len() + 1));
    }
    Ok(())
}

/// `MAX_USED_MAPS` (include/linux/bpf_verifier.h)
const MOST_MAPS: usize = 64;

/// What a session has may be more than the kernel allows a program to use.
fn check_maps(program: &Program, layout: &Layout) -> Result<(), Diagnostic> {
    if !layout.goes_on() {
        return Ok(());
    }
    let codes = std::iter::once(&program.code).chain(program.functions.iter().map(|function| &function.code));
    let mut used: Vec<Symbol> = codes.flat_map(|code| &code.relocs).map(|reloc| reloc.symbol).collect();
    used.retain(|symbol| matches!(symbol, Symbol::Map(_) | Symbol::Data(_)));
    used.sort_unstable();
    used.dedup();
    if used.len() > MOST_MAPS {
        return Err(too_many_maps(program.points[0].span, "probe", used.len()));
    }
    Ok(())
}

fn too_many_maps(place: Span, whose: &str, count: usize) -> Diagnostic {
    let title = format!("the {whose} has {count} maps; the kernel allows {MOST_MAPS}");
    Diagnostic::error(place, title).with_help("maps without a key that are no aggregation cost nothing")
}

fn features(features: Features) -> select::Features {
    select::Features { alu_v4: features.instructions_v4 }
}

fn explain(error: &CodegenError, point: Span, probe: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(point, format!("this probe cannot be compiled: {error}"));
    match error {
        CodegenError::TooBig { .. } => {
            diagnostic.with_help("split the probe in two, or use fewer or shorter keys and texts at once")
        }
        CodegenError::TooLong { .. } => diagnostic.with_help("split the probe in two"),
        _ => diagnostic.with_related(probe, "rtrace made code for this that it cannot translate: please report it"),
    }
}

/// A kernel object's name made of the last part of a probe's name.
fn unique_name(probe: &str, taken: &[Program]) -> String {
    const MAX: usize = 15;
    let last = probe.rsplit(':').next().unwrap_or(probe);
    let word = if last.starts_with(|c: char| c.is_ascii_digit()) { probe } else { last };
    let clean: String = word.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let name = cut(&clean, MAX);
    let is_taken = |name: &str| taken.iter().any(|program| program.name == name);
    if !is_taken(&name) {
        return name;
    }
    (1..)
        .map(|n: u32| {
            let suffix = format!("_{n}");
            cut(&clean, MAX - suffix.len()) + &suffix
        })
        .find(|name| !is_taken(name))
        .expect("there are more numbers than programs")
}

impl Object {
    /// The object as a relocatable BPF ELF file.
    pub fn to_elf(&self, sources: &SourceMap) -> Result<Vec<u8>, CodegenError> {
        let programs = self.programs.iter().map(|program| elf::Program {
            section: program.section(),
            function: elf::Function {
                name: program.name.clone(),
                is_global: true,
                params: 1,
                code: program.code.clone(),
                lines: line_table(program, &program.code, sources),
            },
        });
        let subprograms = self.programs.iter().flat_map(|program| {
            program.functions.iter().map(|function| elf::Function {
                name: function.name.clone(),
                is_global: function.is_global,
                params: function.code.params as usize,
                code: function.code.clone(),
                lines: line_table(program, &function.code, sources),
            })
        });
        let maps = self.layout.kernel_maps.iter().map(|map| elf::Map {
            name: map.name.clone(),
            kind: map.kind as u32,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            flags: 0,
        });
        elf::write(&elf::Image {
            programs: programs.collect(),
            subprograms: subprograms.collect(),
            maps: maps.collect(),
            bss: self.layout.bss_bytes(),
            rodata: Vec::new(),
            kfuncs: self.layout.kfuncs.clone(),
            license: self.license.to_owned(),
        })
    }
}

fn line_table(program: &Program, code: &Code, sources: &SourceMap) -> Vec<elf::Line> {
    let rows = code.lines.iter().filter(|(_, location)| !location.is_default());
    let mut lines: Vec<elf::Line> = Vec::new();
    for (at, location) in rows {
        let Some(span) = program.spans.get(location.bits() as usize) else { continue };
        let source = sources.of(*span);
        let place = source.locate(span.start);
        // The kernel wants increasing offsets.
        if lines.last().is_some_and(|line| line.at >= *at) {
            continue;
        }
        lines.push(elf::Line {
            at: *at,
            line: place.line,
            column: place.column,
            file: source.name().to_owned(),
            text: source.line(place.line).to_owned(),
        });
    }
    lines
}
