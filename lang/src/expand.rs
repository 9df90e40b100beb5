//! Macros: from a script with macros to one without.
//!
//! A call becomes a block that holds the macro's body, or its value if it is nothing else, with the call's arguments in place of the parameters. The body
//! is hygienic: it reaches only the maps that were passed to it, and the variables that it makes get names of their own,
//! with a suffix that no script can write ([`plain`] takes it off again). Spans stay those of the text: what comes from
//! a body has the body's spans, however often it is expanded, so a variable is known by its span *and* its name.
//! [`Expanded::explain`] tells, of a diagnostic about a body, from where the macro was called.

mod macros;
mod types;
mod walk;

use crate::ast::{Expr, ExprKind, Macro, Name, Script, ValueBlock};
use crate::builtins;
use crate::diag::Diagnostic;
use crate::functions;
use crate::nearest::nearest;
use crate::span::Span;
use hashbrown::{HashMap, HashSet};
use macros::{Macros, kind_of};
use std::borrow::Cow;

/// Macros may make a script at most this large, in expressions and statements.
const MOST_NODES: usize = 100_000;

/// Stands before and behind the number in the name of a macro's variable.
const MARK: char = '\u{1}';

/// A script without macros.
pub struct Expanded<'a> {
    /// What to check.
    pub script: Cow<'a, Script>,
    /// What is wrong with macros and their calls.
    pub diagnostics: Vec<Diagnostic>,
    /// The bodies, and from where each was called first.
    calls: Vec<(Span, Span)>,
}

impl Expanded<'_> {
    /// Adds to a diagnostic about the body of a macro from where the macro was called.
    pub fn explain(&self, diagnostic: Diagnostic) -> Diagnostic {
        let mut place = diagnostic.span;
        let mut explained = diagnostic;
        // A call may stand in the body of another macro; recursion is an error, but may be what this is about.
        for _ in 0..self.calls.len() {
            let inside = |body: Span| body.start <= place.start && place.end <= body.end;
            let Some((_, call)) = self.calls.iter().find(|(body, _)| inside(*body)) else { break };
            if explained.related.iter().all(|label| label.span != *call) {
                explained = explained.with_related(*call, "expanded from here");
            }
            place = *call;
        }
        explained
    }
}

/// A name as the script has it, given the one that expansion made of it; of a longer text, all names within.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    // Every second piece is a number between two marks.
    Cow::Owned(text.split(MARK).step_by(2).collect())
}

/// Which expansion made this name; 0 if the script has it like this.
pub fn expansion(name: &str) -> u32 {
    name.split(MARK).nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Replaces every call of a macro.
pub fn expand(script: &Script) -> Expanded<'_> {
    let mut expanded = Expanded { script: Cow::Borrowed(script), diagnostics: Vec::new(), calls: Vec::new() };
    if script.macros.is_empty() && !mentions_type_arguments(script) {
        return expanded;
    }
    let mut expander = Expander {
        macros: Macros::default(),
        frames: Vec::new(),
        frozen: false,
        diagnostics: Vec::new(),
        calls: Vec::new(),
        expansions: 0,
        nodes: 0,
        depth: 0,
        gave_up: false,
    };
    for item in &script.macros {
        if let Err(told) = expander.macros.define(item) {
            expander.diagnostics.push(told);
        }
    }
    let mut whole = Script { macros: Vec::new(), ..script.clone() };
    for probe in &mut whole.probes {
        if let Some(predicate) = &mut probe.predicate {
            expander.expr(predicate);
        }
        expander.block(&mut probe.body);
    }
    expanded.script = Cow::Owned(whole);
    expanded.diagnostics = expander.diagnostics;
    expanded.calls = expander.calls;
    expanded
}

/// Whether `typeof` stands as an argument somewhere: without macros nobody takes one.
fn mentions_type_arguments(script: &Script) -> bool {
    let mut found = false;
    let mut look = |expr: &Expr| found |= matches!(expr.kind, ExprKind::TypeOf(_));
    for probe in &script.probes {
        probe.predicate.iter().for_each(|predicate| predicate.visit(&mut look));
        probe.body.visit(&mut look);
    }
    found
}

/// The state of the walk over a script.
struct Expander<'a> {
    macros: Macros<'a>,
    /// The macros whose bodies are being expanded, from the outside in.
    frames: Vec<Frame<'a>>,
    /// An argument is walked over that stands in a body already: it belongs to the caller and is finished.
    frozen: bool,
    diagnostics: Vec<Diagnostic>,
    calls: Vec<(Span, Span)>,
    expansions: u32,
    nodes: usize,
    depth: usize,
    /// The result became too large, which was told.
    gave_up: bool,
}

/// One call of a macro.
struct Frame<'a> {
    item: &'a Macro,
    call: Span,
    /// What the parameters stand for.
    exprs: HashMap<&'a str, Expr>,
    vars: HashMap<&'a str, String>,
    maps: HashMap<&'a str, String>,
    /// Variables that the body has made so far.
    own: HashSet<String>,
    number: u32,
}

impl<'a> Expander<'a> {
    /// Tells of something, and of the calls that led to it.
    fn report(&mut self, diagnostic: Diagnostic) {
        let told = self.frames.iter().rev().fold(diagnostic, |told, frame| {
            // An argument stands in its call: nothing new.
            let inside = frame.call.start <= told.span.start && told.span.end <= frame.call.end;
            if inside { told } else { told.with_related(frame.call, "expanded from here") }
        });
        // A body that is wrong is wrong in each of its calls.
        if self.diagnostics.iter().all(|known| (known.span, &known.title) != (told.span, &told.title)) {
            self.diagnostics.push(told);
        }
    }

    /// The macro whose body is walked over, unless what is walked over was passed to it.
    fn frame(&mut self) -> Option<&mut Frame<'a>> {
        if self.frozen { None } else { self.frames.last_mut() }
    }

    /// Replaces a bare name: by a parameter's argument, or by a macro that takes none.
    fn ident(&mut self, expr: &mut Expr) {
        let ExprKind::Ident(name) = &expr.kind else { return };
        if let Some(argument) = self.frame().and_then(|frame| frame.exprs.get(name.as_str())) {
            *expr = argument.clone();
            let outer = std::mem::replace(&mut self.frozen, true);
            self.children(expr);
            self.frozen = outer;
            return;
        }
        let name = Name { text: name.clone(), span: expr.span };
        self.call(expr, &name, &[]);
    }

    /// Replaces `expr`, which names a macro, by what the macro stands for. False if it names none.
    fn call(&mut self, expr: &mut Expr, name: &Name, args: &[Expr]) -> bool {
        if self.frozen {
            return false;
        }
        let item = match self.macros.find(&name.text, args) {
            Ok(item) => item,
            Err(None) => return false,
            // The language has one of that name too.
            Err(Some(_)) if is_known(&name.text) => return false,
            Err(Some(closest)) => {
                let told = macros::no_match(expr.span, closest, args);
                self.report(told);
                expr.kind = ExprKind::Error;
                return true;
            }
        };
        if let Some(first) = self.frames.iter().position(|frame| std::ptr::eq(frame.item, item)) {
            let names = self.frames[first..].iter().map(|frame| frame.item).chain([item]);
            let chain: Vec<&str> = names.map(|item| item.name.text.as_str()).collect();
            let title = format!("Recursive macro call detected. Call chain: {}", chain.join(" > "));
            self.report(Diagnostic::error(expr.span, title).with_related(item.name.span, "the macro"));
            expr.kind = ExprKind::Error;
            return true;
        }
        self.expansions += 1;
        let mut frame = Frame {
            item,
            call: expr.span,
            exprs: HashMap::new(),
            vars: HashMap::new(),
            maps: HashMap::new(),
            own: HashSet::new(),
            number: self.expansions,
        };
        for (param, arg) in item.params.iter().zip(args) {
            frame.bind(param, arg);
        }
        let body = item.body.block.span;
        if self.calls.iter().all(|(known, _)| *known != body) {
            self.calls.push((body, expr.span));
        }
        let mut block = item.body.clone();
        self.frames.push(frame);
        self.value_block(&mut block);
        self.frames.pop();
        // A body that is only a value needs no block, unless it is a place, which could then be assigned to.
        match block.value {
            Some(value) if block.block.stmts.is_empty() && !is_place(&value) && !is_told(&value) => *expr = *value,
            value => expr.kind = ExprKind::Block(ValueBlock { value, ..block }),
        }
        true
    }

    /// A variable in a body: one that was passed, one of the body's own, or, as it is, the caller's.
    fn variable(&mut self, name: &mut String) {
        let Some(frame) = self.frame() else { return };
        if let Some(passed) = frame.vars.get(name.as_str()) {
            name.clone_from(passed);
        } else if frame.own.contains(name.as_str()) {
            *name = format!("{name}{MARK}{}{MARK}", frame.number);
        }
    }

    /// A variable that is given its first value here, if it has none yet.
    fn made(&mut self, name: &str) {
        if let Some(frame) = self.frame()
            && !frame.vars.contains_key(name)
        {
            frame.own.insert(name.to_owned());
        }
    }

    /// `let $x` in a body, where `$x` may not be a parameter.
    fn declared(&mut self, name: &mut Name) {
        let Some(frame) = self.frame() else { return };
        let param = frame.item.params.iter().find(|param| kind_of(param) == '$' && param.name.text == name.text);
        if let Some(param) = param {
            let title = format!("Variable declaration shadows macro arg ${}", name.text);
            let told = Diagnostic::error(name.span, title).with_related(param.name.span, "the parameter");
            self.report(told);
        }
        self.made(&name.text);
        self.variable(&mut name.text);
    }

    /// A map in a body, which must have been passed.
    fn map(&mut self, name: &mut String, span: Span) {
        let Some(frame) = self.frame() else { return };
        if let Some(passed) = frame.maps.get(name.as_str()) {
            name.clone_from(passed);
            return;
        }
        let params = frame.item.params.iter().filter(|param| kind_of(param) == '@');
        let near = nearest(name, params.map(|param| param.name.text.as_str()), 1);
        let near = near.first().map(|near| format!("did you mean `@{near}`?"));
        let help = format!("add it to the macro's parameters: macro {}(..., @{name})", frame.item.name.text);
        let title = format!("Unhygienic access to map: @{name}. Maps must be passed into the macro as arguments.");
        self.report(Diagnostic::error(span, title).with_help(help).with_maybe_help(near));
    }

    /// `typeof` where a value should stand: at `place`, if it was passed.
    fn stray_type(&mut self, expr: &mut Expr, place: Option<Span>) {
        let title = "When used as a call argument, `typeof` builtin only valid for macro calls that are expecting a type parameter";
        let mut told = Diagnostic::error(expr.span, title);
        if let Some(place) = place {
            told = told.with_related(place, "here it stands for a value");
        }
        self.report(told);
        expr.kind = ExprKind::Error;
    }

    /// Counts one more node of a body; false if there are too many, or they are too deep.
    fn may_grow(&mut self, span: Span) -> bool {
        if self.frames.is_empty() {
            return true;
        }
        self.nodes += 1;
        let fits = self.nodes <= MOST_NODES && self.depth <= crate::parser::MAX_DEPTH;
        if !fits && !self.gave_up {
            self.gave_up = true;
            let place = self.frames.first().map_or(span, |frame| frame.call);
            let title = match self.nodes > MOST_NODES {
                true => "this macro expands to more than rtrace can take",
                false => "macros and what is passed to them nest too deeply here",
            };
            self.diagnostics
                .push(Diagnostic::error(place, title).with_help("keep a value that is passed on in a variable"));
        }
        fits
    }
}

/// Whether the language itself has a builtin or a function of that name.
fn is_known(name: &str) -> bool {
    builtins::builtin(name).is_some() || functions::function(name).is_some()
}

/// Whether it tells the user something, with the place that it comes from.
fn is_told(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { name, .. } if matches!(name.text.as_str(), "errorf" | "warnf"))
}

fn is_place(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Var(_) | ExprKind::Map(_))
}

/// A variable or a map as a value, so that nothing can assign to it.
fn only_value(expr: &Expr) -> Expr {
    let mut value = ValueBlock { value: Some(Box::new(expr.clone())), ..ValueBlock::default() };
    value.block.span = expr.span;
    Expr { kind: ExprKind::Block(value), span: expr.span }
}

#[cfg(test)]
mod tests;
