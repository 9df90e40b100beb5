//! Statements are run once, and the value of a lone expression is shown.

use super::Session;
use super::journal::Entry;
use crate::prompt::Next;
use lang::ast::{self, ExprKind, Name, Script, Stmt, StmtKind};
use lang::printf::Origin as PrintedBy;
use lang::typed::FormatId;
use lang::{CheckedEntry, check_entry};
use runtime::output::{Output, Text};
use runtime::session::{Evaluated, RunError};

impl Session<'_> {
    /// Runs statements once, or shows the value of an expression. Nothing if they are faulty.
    pub(super) fn run(&mut self, text: &str, script: Script) -> Result<Option<Next>, RunError> {
        if script.probes.iter().all(|probe| probe.body.stmts.is_empty()) {
            return Ok(Some(Next::Go));
        }
        let check = |script: &Script| check_entry(&self.known, script, &self.target, &self.settings);
        let shown = as_question(&script).map(|question| check(&question)).filter(|entry| entry.checked.is_ok());
        let is_question = shown.is_some();
        let CheckedEntry { checked, known, .. } = shown.unwrap_or_else(|| check(&script));
        self.clock.lap("check");
        if !self.shows_no_error(&checked.diagnostics) {
            return Ok(None);
        }
        let program = checked.program;
        let last = program.formats.len().saturating_sub(1) as u32;
        // JSON says the type of a value by its form.
        let asked = (is_question && self.args.format == "text")
            .then_some(FormatId(last))
            .filter(|id| program.formats.get(id.index()).is_some_and(|format| format.origin == PrintedBy::Print));
        let number = u32::MAX;
        let evaluated =
            self.load(number, &program, |live, job, output, host| live.evaluate(number, job, asked, output, host))?;
        let Some(Evaluated { answer, is_kept }) = evaluated else { return Ok(None) };
        self.statements += 1;
        if is_kept {
            self.known = known;
        }
        if changes_maps(&script) {
            self.journal.add(Entry::statements(text));
        }
        if let (Some(answer), Some(format)) = (answer, asked.and_then(|id| program.formats.get(id.index()))) {
            let mut text = Vec::new();
            self.shown.texts.set(&program.texts);
            let mut output = Text::new(&mut text, self.shown.clone());
            let formed = output.record(format, &answer).and_then(|()| output.flush());
            formed.map_err(|error| RunError::System("showing a value", error))?;
            drop(output);
            let value = String::from_utf8_lossy(&text);
            let value = value.trim_end_matches('\n');
            let ty = format.args.first().map(ToString::to_string).unwrap_or_default();
            let between = if value.contains('\n') { "\n" } else { " " };
            self.say(&format!("{value}{between}: {ty}\n"));
        }
        Ok(Some(match self.note_exits(Some(number)) {
            Some(code) => Next::Leave { code, shows_maps: true },
            None => Next::Go,
        }))
    }
}

/// A script that prints what a lone expression is worth, if that is why it was entered.
fn as_question(script: &Script) -> Option<Script> {
    let is_step =
        |stmt: &ast::Stmt| matches!(&stmt.kind, StmtKind::Expr(expr) if matches!(expr.kind, ExprKind::IncDec { .. }));
    let is_act = script.probes.iter().flat_map(|probe| &probe.body.stmts).any(is_step);
    if is_act { None } else { printing(script) }
}

/// A script that prints what a lone expression is worth.
pub(super) fn printing(script: &Script) -> Option<Script> {
    let mut question = script.clone();
    let [probe] = &mut question.probes[..] else { return None };
    let [stmt] = &mut probe.body.stmts[..] else { return None };
    let StmtKind::Expr(expr) = &mut stmt.kind else { return None };
    let span = expr.span;
    let name = Name { text: "print".to_owned(), span };
    let kind = ExprKind::Call { name, args: vec![expr.clone()] };
    *expr = ast::Expr { kind, span };
    Some(question)
}

/// Whether statements change a map, and do not end the session.
fn changes_maps(script: &Script) -> bool {
    let mut finds = Finds::default();
    script.probes.iter().for_each(|probe| finds.statements(&probe.body.stmts));
    finds.change && !finds.exit
}

/// What statements do.
#[derive(Default)]
struct Finds {
    change: bool,
    exit: bool,
}

impl Finds {
    fn statements(&mut self, statements: &[Stmt]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Stmt) {
        if let StmtKind::Assign { place, .. } = &statement.kind {
            self.change |= is_map(place);
        }
        statement.parts(&mut |part| self.part(&part));
    }

    fn part(&mut self, part: &ast::Part<'_>) {
        match part {
            ast::Part::Expr(expr) => self.expression(expr),
            ast::Part::Block(block) => self.statements(&block.stmts),
            ast::Part::Values(block) => {
                self.statements(&block.block.stmts);
                block.value.iter().for_each(|value| self.expression(value));
            }
            ast::Part::Type(_) | ast::Part::TypeOf(_) => {}
        }
    }

    fn expression(&mut self, expr: &ast::Expr) {
        match &expr.kind {
            ExprKind::IncDec { place, .. } => self.change |= is_map(place),
            ExprKind::Call { name, args } => {
                self.exit |= name.text == "exit";
                let is_known =
                    lang::functions::function(&name.text).is_some() || lang::builtins::builtin(&name.text).is_some();
                let names_map = args.iter().any(is_map);
                // What a macro does with a map that it is given is its own matter.
                self.change |= names_map && (!is_known || matches!(name.text.as_str(), "clear" | "zero" | "delete"));
                self.change |= args.is_empty() && !is_known;
            }
            _ => {}
        }
        expr.parts(&mut |part| self.part(&part));
    }
}

fn is_map(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Map(_) | ExprKind::MapKey { .. } => true,
        ExprKind::Field { base, .. } | ExprKind::Index { base, .. } => is_map(base),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_map_is_known_from_a_look_at_one() {
        let changes = |text: &str| changes_maps(&lang::parse(&format!("begin {{ {text} }}")).script);
        for text in ["@x = 5", "@[1]++", "@a += 1", "if (1) { @x = 5 }", "clear(@x)", "delete(@x, 1)", "@x = count()"] {
            assert!(changes(text), "{text}");
        }
        for text in ["print(@x)", "$a = @x", "@x + 1", "len(@x)", "@x = 1; exit()", "printf(\"%d\", @a)"] {
            assert!(!changes(text), "{text}");
        }
    }
}
