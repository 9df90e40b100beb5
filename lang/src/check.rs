//! The checker: from a syntax tree to a typed program.
//!
//! Types of maps and variables follow from what is assigned to them, wherever that stands: a map may be printed in the
//! first probe and assigned in the last. So the script is walked until nothing new is learnt, which is once for most
//! scripts; only the last walk's diagnostics and tree are kept.

mod addresses;
mod arguments;
mod assigned;
mod call;
mod casts;
mod declarations;
mod expr;
mod gathered;
mod known;
mod loops;
mod members;
mod names;
mod operators;
mod options;
mod packets;
mod places;
mod stmt;
mod type_names;
mod unfit;
mod verdict;
mod words;

use crate::ast;
use crate::builtins::{Builtin, BuiltinId, builtin};
use crate::c::Definitions;
use crate::config::{Config, Environment, MissingProbes};
use crate::diag::Diagnostic;
use crate::expand::{expand, plain};
use crate::packets::PacketItem;
use crate::params::{OptionDecl, Param};
use crate::probes::{ProviderId, parse_attach_point};
use crate::span::Span;
use crate::target::{Attach, Target, TargetError, Wants};
use crate::typed::{Point, Probe, Program, Var, VarId};
use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;
pub use known::{CheckedEntry, Known, check_entry};
use names::{Declared, Maps, Scopes};
use std::borrow::Cow;
pub use type_names::plain_types;

/// What the command line decides about a script's meaning.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A command is run by `-c`, so there is a `cpid`.
    pub has_child: bool,
    /// What the environment sets, which beats the script's `config` block. Both together are [`Program::config`].
    pub environment: Environment,
    /// What `$1`, `$2` and so on stand for.
    pub params: Vec<String>,
    /// The named parameters for `getopt()`, without their dashes: `name=value`, or a name alone.
    pub options: Vec<String>,
    /// Functions that change what they trace, or run commands, may be used.
    pub allow_unsafe: bool,
}

/// A checked script: a program to compile, unless a diagnostic is an error.
#[derive(Debug)]
pub struct Checked {
    /// Complete only without errors.
    pub program: Program,
    /// Errors and warnings, in source order.
    pub diagnostics: Vec<Diagnostic>,
    /// The named parameters that it asks for; [`crate::params::refusal`] compares them with what was given.
    pub options: Vec<OptionDecl>,
}

impl Checked {
    /// Whether the program may be compiled.
    pub fn is_ok(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Gives every name its meaning and every value its type, macros expanded.
pub fn check(script: &ast::Script, target: &dyn Target, settings: &Settings) -> Checked {
    check_known(script, target, settings, None).0
}

/// The same for an entry of a session, with what is known there; and what is known of the maps now.
fn check_known(
    script: &ast::Script,
    target: &dyn Target,
    settings: &Settings,
    known: Option<&Known>,
) -> (Checked, Maps) {
    let expanded = expand(script);
    let (mut checked, maps) = check_expanded(&expanded.script, target, settings, known);
    // What is said of a macro's variables says their names as the script has them.
    for var in checked.program.probes.iter_mut().flat_map(|probe| &mut probe.vars) {
        var.name = plain(&var.name).into_owned();
    }
    let found = std::mem::take(&mut checked.diagnostics).into_iter();
    let explained = found.map(|diagnostic| expanded.explain(diagnostic.map_text(|text| plain(text).into_owned())));
    checked.diagnostics = expanded.diagnostics.iter().cloned().chain(explained).collect();
    if script.probes.is_empty() && checked.is_ok() && known.is_none() {
        let title = "no probes: there is nothing to attach";
        let help = "a macro does something where a probe calls it: begin { name(); }";
        checked.diagnostics.push(Diagnostic::error(Default::default(), title).with_help(help));
    }
    checked.diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    checked.diagnostics.dedup();
    (checked, maps)
}

/// Checks a script without macros.
fn check_expanded(
    script: &ast::Script,
    target: &dyn Target,
    settings: &Settings,
    known: Option<&Known>,
) -> (Checked, Maps) {
    let (definitions, mut told) = Definitions::new(&script.c, target);
    let mut checker = Checker {
        settings,
        target,
        definitions,
        config: Config::of_script(&script.config, &settings.environment, &mut told),
        maps: known.map(|known| known.maps.clone().going_on()).unwrap_or_default(),
        variable_types: HashMap::new(),
        broken_variables: HashSet::new(),
        walk: Walk::default(),
        last_walk: false,
    };
    let headers: Vec<Header> =
        script.probes.iter().map(|probe| resolve_points(probe, target, settings, &checker.config)).collect();
    loop {
        let program = known.map(|known| known.tables.clone()).unwrap_or_default();
        checker.walk = Walk { program, ..Walk::default() };
        checker.maps.start_walk();
        for (probe, header) in script.probes.iter().zip(&headers).filter(|(_, header)| !header.is_left_out()) {
            checker.probe(probe, header);
        }
        if checker.walk.learnt || checker.maps.learnt() {
            continue;
        }
        if checker.last_walk || !checker.walk.saw_unknown {
            break;
        }
        // Nothing learnt, yet something unknown was used: walk once more to say what.
        checker.last_walk = true;
    }
    let Walk { mut diagnostics, consequences, mut program, options, .. } = checker.walk;
    diagnostics.extend(told);
    diagnostics.extend(named_twice(&headers));
    diagnostics.extend(headers.into_iter().flat_map(|header| header.diagnostics));
    if !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.extend(consequences);
        diagnostics.extend(script.probes.iter().flat_map(assigned::unassigned));
    }
    program.maps = checker.maps.typed();
    declarations::declare(&script.maps, &mut program.maps, known.is_some(), &mut diagnostics);
    diagnostics.extend(known.into_iter().flat_map(|known| known.declared_too_late(&script.maps)));
    program.config = checker.config;
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    diagnostics.dedup();
    (Checked { program, diagnostics, options }, checker.maps)
}

/// What one walk over the script gathers.
#[derive(Default)]
struct Walk {
    program: Program,
    diagnostics: Vec<Diagnostic>,
    /// What is only worth telling if nothing else is wrong.
    consequences: Vec<Diagnostic>,
    /// A variable's type became known or wider.
    learnt: bool,
    /// A map or variable was read before its type was known.
    saw_unknown: bool,
    /// What `getopt()` asks for.
    options: Vec<OptionDecl>,
}

struct Checker<'a> {
    settings: &'a Settings,
    target: &'a dyn Target,
    /// What the script defines in C.
    definitions: Definitions,
    config: Config,
    maps: Maps,
    /// By the place of the variable's first assignment, which stays the same from walk to walk.
    variable_types: HashMap<Declared, crate::types::Type>,
    /// Variables, by the same place, that were given something without a type; most likely an error was told there.
    broken_variables: HashSet<Declared>,
    walk: Walk,
    /// Unknown types are now errors.
    last_walk: bool,
}

/// A probe's attach points, resolved once for all walks.
struct Header {
    points: Vec<Point>,
    provider: Option<ProviderId>,
    diagnostics: Vec<Diagnostic>,
}

impl Header {
    /// None of its attach points is there, and the script is to run all the same.
    fn is_left_out(&self) -> bool {
        self.points.is_empty() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Asks the target for each attach point of a probe. What becomes of those that are not there is for the config to say.
fn resolve_points(probe: &ast::Probe, target: &dyn Target, settings: &Settings, config: &Config) -> Header {
    let wants = Wants {
        named_args: mentions(probe, "args"),
        args: positional(probe),
        by_perf: mentions(probe, "kstack") || mentions(probe, "write_user") || names_tasks(probe),
        typed_args: mentions(probe, "skboutput") || mentions(probe, "socket_cookie") || names_tasks(probe),
        may_be_missing: config.missing_probes != MissingProbes::Error,
    };
    let mut header = Header { points: Vec::new(), provider: None, diagnostics: Vec::new() };
    // Patterns that cover nothing.
    let mut empty = Vec::new();
    for point in &probe.points {
        let parsed = with_params(point, &settings.params).and_then(|point| parse_attach_point(&point));
        let (spec, written) = match parsed {
            Ok(parsed) => parsed,
            Err(diagnostic) => {
                header.diagnostics.push(diagnostic);
                continue;
            }
        };
        header.provider.get_or_insert(spec.provider());
        match target.resolve(&spec, wants) {
            Ok(resolved) if resolved.is_empty() => empty.push(spec),
            Ok(resolved) => header.points.extend(resolved.into_iter().map(|resolved| Point {
                name: resolved.name.unwrap_or_else(|| written.clone()),
                attach: shown(resolved.attach, config),
                context: resolved.context,
                span: point.span,
            })),
            Err(error) => header.diagnostics.extend(missing(point.span, error, config.missing_probes)),
        }
    }
    let span = probe.points.iter().fold(probe.points[0].span, |span, point| span.to(point.span));
    if config.missing_probes == MissingProbes::Warn && header.is_left_out() {
        header.diagnostics.push(Diagnostic::warning(
            span,
            "Probe has no valid attach points. It is being removed which may cause issues with program behavior.",
        ));
    }
    // A pattern that covers nothing is only told if there is nothing else.
    if config.missing_probes == MissingProbes::Error && header.points.is_empty() && header.diagnostics.is_empty() {
        let title = "Probe has no valid attach points. If this is expected, set the 'missing_probes' config variable to \
                     'warn'.";
        let near: Vec<String> = empty.iter().flat_map(|spec| target.like(spec)).collect();
        let help = match near.as_slice() {
            [] => "no name fits the pattern".to_owned(),
            near => format!("did you mean {}?", near.join(", ")),
        };
        header.diagnostics.push(Diagnostic::error(span, title).with_help(help));
    }
    header
}

/// Leaves out a name that the script does not want to see.
fn shown(mut attach: Attach, config: &Config) -> Attach {
    if let Attach::Uprobe { demangled, .. } = &mut attach
        && !config.cpp_demangle
    {
        *demangled = None;
    }
    attach
}

/// Tests and benchmarks that have the name of another.
fn named_twice(headers: &[Header]) -> Vec<Diagnostic> {
    let mut first: HashMap<&str, Span> = HashMap::new();
    let mut found = Vec::new();
    for point in headers.iter().flat_map(|header| &header.points) {
        let kind = match point.attach {
            Attach::Test => "TEST",
            Attach::Bench => "BENCH",
            _ => continue,
        };
        match first.entry(&point.name) {
            Entry::Vacant(entry) => drop(entry.insert(point.span)),
            Entry::Occupied(other) => {
                let name = point.name.split_once(':').map_or("", |(_, name)| name);
                let title = format!("\"{name}\" was used as the name for more than one {kind} probe");
                found.push(
                    Diagnostic::error(point.span, title).with_related(*other.get(), "this is the other instance"),
                );
            }
        }
    }
    found
}

/// What is told of an attach point that is not there.
pub fn missing(span: Span, error: TargetError, policy: MissingProbes) -> Vec<Diagnostic> {
    let warning = error.warning.map(|title| Diagnostic::warning(span, title));
    match policy {
        MissingProbes::Ignore => Vec::new(),
        MissingProbes::Warn => {
            let title = format!("{}. Skipping.", error.title.trim_end_matches('.'));
            let skipped = Diagnostic::warning(span, title).with_maybe_help(error.help);
            warning.into_iter().chain([skipped]).collect()
        }
        MissingProbes::Error => {
            let refused = Diagnostic::error(span, error.title).with_maybe_help(error.help);
            std::iter::once(refused).chain(warning).collect()
        }
    }
}

/// An attach point with `$1` and so on replaced by the parameters' texts.
fn with_params<'a>(point: &'a ast::AttachPoint, params: &[String]) -> Result<Cow<'a, ast::AttachPoint>, Diagnostic> {
    if !point.text.contains('$') {
        return Ok(Cow::Borrowed(point));
    }
    let mut pieces = point.text.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        match number.parse::<usize>().ok().and_then(|number| params.get(number.checked_sub(1)?)) {
            Some(param) => match Param::read(Some(param)) {
                // As a number is written here, whatever way the argument was.
                Param::Number(value) => text += &value.to_string(),
                _ => text += param,
            },
            None if number.is_empty() => text.push('$'),
            None => {
                let title = format!("Positional parameter ${number} is empty or not provided.");
                return Err(Diagnostic::error(point.span, title));
            }
        }
        text += rest;
    }
    Ok(Cow::Owned(ast::AttachPoint { text, span: point.span }))
}

/// Whether a probe uses a name that may need a costlier way to attach.
fn mentions(probe: &ast::Probe, wanted: &str) -> bool {
    any_expr(probe, |expr| match &expr.kind {
        ast::ExprKind::Ident(name) => name == wanted,
        ast::ExprKind::Call { name, .. } => name.text == wanted,
        _ => false,
    })
}

/// Whether a probe asks for the name of another task, by a function of the kernel that not every program may call.
fn names_tasks(probe: &ast::Probe) -> bool {
    any_expr(
        probe,
        |expr| matches!(&expr.kind, ast::ExprKind::Call { name, args } if name.text == "comm" && !args.is_empty()),
    )
}

/// Which of `arg0` and so on a probe uses: a bit for each.
fn positional(probe: &ast::Probe) -> u16 {
    let mut found = 0;
    any_expr(probe, |expr| {
        if let ast::ExprKind::Ident(name) = &expr.kind
            && let Some(Builtin { id: BuiltinId::Arg(number), .. }) = builtin(name)
        {
            found |= 1 << number;
        }
        false
    });
    found
}

fn any_expr(probe: &ast::Probe, mut holds: impl FnMut(&ast::Expr) -> bool) -> bool {
    let mut found = false;
    let mut look = |expr: &ast::Expr| found |= holds(expr);
    if let Some(predicate) = &probe.predicate {
        predicate.visit(&mut look);
    }
    probe.body.visit(&mut look);
    found
}

/// The probe that is being checked.
struct ProbeState<'a> {
    header: &'a Header,
    scopes: Scopes,
    vars: Vec<Var>,
    /// The variables that hold what is read of a packet.
    packet: IndexMap<PacketItem, VarId>,
    uses_name: bool,
    /// The calls of macros around what is being checked, outermost first.
    calls: Vec<Span>,
    /// How many loops are open that `break` can leave.
    loops: u32,
    /// How many constructs are open that run their body again; with `unroll`.
    repeats: u32,
    /// How often the statements at hand are written out.
    unrolled: u64,
}

impl ProbeState<'_> {
    /// Whether it is an iterator that runs after rtrace has ended.
    fn is_pinned(&self) -> bool {
        self.header.points.iter().any(|point| point.attach.pin().is_some())
    }

    /// Notes that a body is checked for a place. What stands elsewhere than where it is put is the body of a macro;
    /// tells whether it is, and then the caller takes the call away again.
    fn enter_body(&mut self, body: Span, place: Span) -> bool {
        let is_expanded = body.start < place.start || place.end < body.end;
        if is_expanded {
            self.calls.push(place);
        }
        is_expanded
    }
}

impl Checker<'_> {
    fn probe(&mut self, probe: &ast::Probe, header: &Header) {
        let mut state = ProbeState {
            header,
            scopes: Scopes::default(),
            vars: Vec::new(),
            packet: IndexMap::new(),
            uses_name: false,
            calls: Vec::new(),
            loops: 0,
            repeats: 0,
            unrolled: 1,
        };
        let predicate = probe.predicate.as_ref().map(|predicate| self.condition(&mut state, predicate));
        let body = self.block(&mut state, &probe.body);
        let packet = packets::used(&state, predicate.as_ref(), &body);
        self.walk.program.probes.push(Probe {
            points: header.points.clone(),
            packet,
            vars: state.vars,
            predicate,
            body,
            uses_name: state.uses_name,
            span: probe.span,
        });
    }

    fn report(&mut self, mut diagnostic: Diagnostic) {
        /// Longer than any name of a type that helps.
        const MOST: usize = 600;
        if let Some((end, _)) = diagnostic.title.char_indices().nth(MOST) {
            diagnostic.title.truncate(end);
            diagnostic.title += "...";
        }
        self.walk.diagnostics.push(diagnostic);
    }

    /// Tells that a type is not known, which follows from another error if what was assigned is `broken`.
    fn report_unknown(&mut self, broken: bool, diagnostic: Diagnostic) {
        match broken {
            true => self.walk.consequences.push(diagnostic),
            false => self.report(diagnostic),
        }
    }
}

#[cfg(test)]
mod tests;
