//! The checked program as text for people: maps and variables with their types, then each probe's tree, every value with
//! the type that the checker found for it. It is what `rtrace -d types` prints.

use crate::ast::UnaryOp;
use crate::builtins::BUILTINS;
use crate::functions::FUNCTIONS;
use crate::typed::*;
use std::fmt::{Display, Write as _};

/// The whole program.
pub fn dump(program: &Program) -> String {
    let mut out = Dump { program, vars: &[], text: String::new(), depth: 0 };
    for map in &program.maps {
        let declared = map.declared.map_or_else(String::new, |declared| {
            format!(" in a {} of {} entries", declared.kind.name, declared.entries)
        });
        out.leaf(format_args!("{}: {}{declared}", map.title(), map.value));
    }
    for probe in &program.probes {
        out.vars = &probe.vars;
        for point in &probe.points {
            out.leaf(format_args!("{}: {:?}", point.name, point.context.program));
        }
        out.indented(|out| {
            for field in probe.points.first().map(|point| &point.context.fields[..]).unwrap_or_default() {
                out.leaf(format_args!("args.{}: {}", field.name, field.ty));
            }
            for var in &probe.vars {
                out.leaf(format_args!("${}: {}", var.name, var.ty));
            }
            if let Some(predicate) = &probe.predicate {
                out.node("predicate", |out| out.expr(predicate));
            }
            out.list("body", &probe.body);
        });
    }
    out.text
}

struct Dump<'p> {
    program: &'p Program,
    vars: &'p [Var],
    text: String,
    depth: usize,
}

impl<'p> Dump<'p> {
    fn leaf(&mut self, label: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{label}", "", indent = self.depth * 2);
    }

    fn indented(&mut self, children: impl FnOnce(&mut Self)) {
        self.depth += 1;
        children(self);
        self.depth -= 1;
    }

    fn node(&mut self, label: impl Display, children: impl FnOnce(&mut Self)) {
        self.leaf(label);
        self.indented(children);
    }

    fn map(&self, map: MapId) -> String {
        format!("@{}", self.program.maps.get(map.index()).map_or("?", |map| &map.name))
    }

    fn var(&self, var: VarId) -> String {
        format!("${}", self.vars.get(var.index()).map_or("?", |var| &var.name))
    }

    fn list(&mut self, label: &str, stmts: &[Stmt]) {
        self.node(label, |out| stmts.iter().for_each(|stmt| out.stmt(stmt)));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Expr(expr) => self.expr(expr),
            StmtKind::SetVar(var, value) => {
                let var = self.var(*var);
                self.node(format_args!("{var} ="), |out| out.expr(value));
            }
            StmtKind::SetMap(map, keys, value) => self.update(*map, "=", keys, Some(value)),
            StmtKind::AddMap { map, keys, delta } => self.update(*map, "+=", keys, Some(delta)),
            StmtKind::Gather { map, keys, value, .. } => self.update(*map, "gathers", keys, value.as_ref()),
            StmtKind::If(cond, then, otherwise) => self.node("if", |out| {
                out.expr(cond);
                out.list("then", then);
                if !otherwise.is_empty() {
                    out.list("else", otherwise);
                }
            }),
            StmtKind::While(cond, body) => self.node("while", |out| {
                out.expr(cond);
                out.list("body", body);
            }),
            StmtKind::ForRange { var, from, to, body } => {
                let var = self.var(*var);
                self.node(format_args!("for {var}"), |out| {
                    out.expr(from);
                    out.expr(to);
                    out.list("body", body);
                });
            }
            StmtKind::ForMap { var, map, body } => {
                let label = format!("for {} : {}", self.var(*var), self.map(*map));
                self.list(&label, body);
            }
            StmtKind::Unroll(count, body) => self.list(&format!("unroll {count}"), body),
            StmtKind::Break => self.leaf("break"),
            StmtKind::Continue => self.leaf("continue"),
            StmtKind::Print(_, args) => self.node("print", |out| out.exprs(args)),
            StmtKind::PrintMap { map, top, shares: true, .. } => {
                let map = self.map(*map);
                self.leaf(format_args!("print {map} top {top} shares"));
            }
            StmtKind::PrintMap { map, top, div, shares: false } => {
                let map = self.map(*map);
                self.leaf(format_args!("print {map} top {top} div {div}"));
            }
            StmtKind::Clear(map) => {
                let map = self.map(*map);
                self.leaf(format_args!("clear {map}"));
            }
            StmtKind::Zero(map) => {
                let map = self.map(*map);
                self.leaf(format_args!("zero {map}"));
            }
            StmtKind::Exit(code) => self.node("exit", |out| out.expr(code)),
            StmtKind::Return(None) => self.leaf("return"),
            StmtKind::Return(Some(value)) => self.node("return", |out| out.expr(value)),
        }
    }

    fn update(&mut self, map: MapId, how: &str, keys: &[Expr], value: Option<&Expr>) {
        let map = self.map(map);
        self.node(format_args!("{map} {how}"), |out| {
            if !keys.is_empty() {
                out.node("key", |out| out.exprs(keys));
            }
            value.into_iter().for_each(|value| out.expr(value));
        });
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &Expr) {
        let ty = &expr.ty;
        match &expr.kind {
            ExprKind::Int(value) => self.leaf(format_args!("{value}: {ty}")),
            ExprKind::Str(text) => self.leaf(format_args!("\"{}\": {ty}", text.escape_ascii())),
            ExprKind::Var(var) => {
                let var = self.var(*var);
                self.leaf(format_args!("{var}: {ty}"));
            }
            ExprKind::Address(words) => self.node(format_args!("address: {ty}"), |out| out.exprs(words)),
            ExprKind::PacketByte(at) => self.node(format_args!("pkt.data[]: {ty}"), |out| out.expr(at)),
            ExprKind::InSubnet { address, subnet } => {
                self.node(format_args!("in {subnet}: {ty}"), |out| out.expr(address));
            }
            ExprKind::Builtin(id) => {
                let name = BUILTINS.iter().find(|row| row.id == *id).map_or("builtin", |row| row.name);
                self.leaf(format_args!("{name}: {ty}"));
            }
            ExprKind::EventField(index) => self.leaf(format_args!("args field {index}: {ty}")),
            ExprKind::EventArg(number) => self.leaf(format_args!("arg{number}: {ty}")),
            ExprKind::MapGet(map, keys) | ExprKind::ReadAggregate(map, keys) => {
                let map = self.map(*map);
                self.node(format_args!("{map}: {ty}"), |out| out.exprs(keys));
            }
            ExprKind::Delete(map, keys) => {
                let map = self.map(*map);
                self.node(format_args!("delete {map}: {ty}"), |out| out.exprs(keys));
            }
            ExprKind::HasKey(map, keys) => {
                let map = self.map(*map);
                self.node(format_args!("has_key {map}: {ty}"), |out| out.exprs(keys));
            }
            ExprKind::Find { map, keys, var } => {
                let (map, var) = (self.map(*map), self.var(*var));
                self.node(format_args!("find {map} as {var}: {ty}"), |out| out.exprs(keys));
            }
            ExprKind::MapLen(map) => {
                let map = self.map(*map);
                self.leaf(format_args!("len {map}: {ty}"));
            }
            ExprKind::Call(id, args) => {
                let name = FUNCTIONS.iter().find(|row| row.id == *id).map_or("function", |row| row.name);
                self.node(format_args!("{name}: {ty}"), |out| out.exprs(args));
            }
            ExprKind::Unary(op, operand) => {
                let sign = match op {
                    UnaryOp::Neg => "-",
                    UnaryOp::Not => "!",
                    UnaryOp::BitNot => "~",
                    UnaryOp::Deref => "*",
                    UnaryOp::AddressOf => "&",
                };
                self.node(format_args!("{sign}: {ty}"), |out| out.expr(operand));
            }
            ExprKind::Binary(op, left, right) => self.node(format_args!("{}: {ty}", op.symbol()), |out| {
                out.expr(left);
                out.expr(right);
            }),
            ExprKind::Ternary(cond, yes, no) => self.node(format_args!("?: {ty}"), |out| {
                [cond, yes, no].into_iter().for_each(|part| out.expr(part));
            }),
            ExprKind::OrElse(value, other) => self.node(format_args!("?:: {ty}"), |out| {
                out.expr(value);
                out.expr(other);
            }),
            ExprKind::Item(tuple, index) => self.node(format_args!("item {index}: {ty}"), |out| out.expr(tuple)),
            ExprKind::Cast(value) => self.node(format_args!("cast: {ty}"), |out| out.expr(value)),
            ExprKind::Tuple(items) => self.node(format_args!("tuple: {ty}"), |out| out.exprs(items)),
            ExprKind::Deref(pointer) => self.node(format_args!("*: {ty}"), |out| out.expr(pointer)),
            ExprKind::Member { base, offset, .. } => {
                self.node(format_args!("member at {offset}: {ty}"), |out| out.expr(base));
            }
            ExprKind::Element { base, index } => self.node(format_args!("[]: {ty}"), |out| {
                out.expr(base);
                out.expr(index);
            }),
            ExprKind::AddressOf(place) => self.node(format_args!("&: {ty}"), |out| out.expr(place)),
            ExprKind::Block(stmts, value) => self.node(format_args!("block: {ty}"), |out| {
                stmts.iter().for_each(|stmt| out.stmt(stmt));
                out.node("value", |out| out.expr(value));
            }),
            ExprKind::StepVar { var, step, .. } => {
                let var = self.var(*var);
                self.leaf(format_args!("{var} += {step}: {ty}"));
            }
            ExprKind::StepMap { map, keys, step, .. } => {
                let map = self.map(*map);
                self.node(format_args!("{map} += {step}: {ty}"), |out| out.exprs(keys));
            }
            ExprKind::ReadStr { pointer, length } => self.node(format_args!("str: {ty}"), |out| {
                out.expr(pointer);
                length.iter().for_each(|length| out.expr(length));
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_shows_its_type() {
        let parsed = crate::parse("begin { $x = (uint8)1; @[comm] = sum($x + 1); if $x { print(&$x); } }");
        let checked = crate::check(&parsed.script, &crate::target::fake::FakeTarget, &crate::Settings::default());
        let expected = "\
@[string[16]]: sum_t
begin: RawTracepoint
  $x: uint8
  body
    $x =
      cast: uint8
        1: int8
    @ gathers
      key
        comm: string[16]
      +: uint64
        $x: uint8
        1: int8
    if
      $x: uint8
      then
        print
          &: uint8 *
            $x: uint8
";
        assert_eq!(dump(&checked.program).replace("usum_t", "sum_t"), expected);
    }
}
