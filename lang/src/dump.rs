//! The syntax tree as text for people: one node a line, children indented. It is what `rtrace -d ast` prints.

use crate::ast::*;
use std::fmt::{Display, Write as _};

/// The whole tree.
pub fn dump(script: &Script) -> String {
    let mut out = Dump { text: String::new(), depth: 0 };
    for item in &script.macros {
        let params: Vec<String> = item.params.iter().map(param).collect();
        out.value_block(&format!("macro {}({})", item.name.text, params.join(", ")), &item.body);
    }
    for item in &script.config {
        let value = match &item.value {
            ConfigValue::Number(number) => number.to_string(),
            ConfigValue::Text(text) => format!("{text:?}"),
        };
        out.leaf(format_args!("config {} = {value}", item.name.text));
    }
    for import in &script.imports {
        out.leaf(format_args!("import {:?}", import.path));
    }
    for map in &script.maps {
        out.leaf(format_args!("map @{}: {}({})", map.name.text, map.kind.text, map.entries));
    }
    for probe in &script.probes {
        out.node("probe", |out| {
            for point in &probe.points {
                out.leaf(format_args!("point {}", point.text));
            }
            if let Some(predicate) = &probe.predicate {
                out.node("predicate", |out| out.expr(predicate));
            }
            out.block("body", &probe.body);
        });
    }
    out.text
}

struct Dump {
    text: String,
    depth: usize,
}

impl Dump {
    fn leaf(&mut self, label: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{label}", "", indent = self.depth * 2);
    }

    fn node(&mut self, label: impl Display, children: impl FnOnce(&mut Self)) {
        self.leaf(label);
        self.depth += 1;
        children(self);
        self.depth -= 1;
    }

    fn block(&mut self, label: &str, block: &Block) {
        self.node(label, |out| block.stmts.iter().for_each(|stmt| out.stmt(stmt)));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            // An expression says by itself what it is.
            StmtKind::Expr(value) => self.expr(value),
            StmtKind::Let { name, ty, value } => {
                let ty = ty.as_ref().map(|ty| format!(": {}", type_name(ty))).unwrap_or_default();
                self.node(format_args!("let ${}{ty}", name.text), |out| value.iter().for_each(|value| out.expr(value)));
            }
            StmtKind::Assign { place, op, value } => {
                let op = op.map_or("", BinaryOp::symbol);
                self.node(format_args!("{op}="), |out| {
                    out.expr(place);
                    out.expr(value);
                });
            }
            StmtKind::If { cond, then, otherwise } => self.node("if", |out| {
                out.expr(cond);
                out.block("then", then);
                if let Some(otherwise) = otherwise {
                    out.block("else", otherwise);
                }
            }),
            StmtKind::Block(block) => self.block("block", block),
            StmtKind::Return(value) => self.node("return", |out| value.iter().for_each(|value| out.expr(value))),
            StmtKind::While { cond, body } => self.node("while", |out| {
                out.expr(cond);
                out.block("body", body);
            }),
            StmtKind::For { var, over, body } => self.node(format_args!("for ${}", var.text), |out| {
                match over {
                    ForOver::Range(from, to) => out.node("..", |out| {
                        out.expr(from);
                        out.expr(to);
                    }),
                    ForOver::Entries(of) => out.expr(of),
                }
                out.block("body", body);
            }),
            StmtKind::Unroll { count, body } => self.node("unroll", |out| {
                out.expr(count);
                out.block("body", body);
            }),
            StmtKind::Break => self.leaf("break"),
            StmtKind::Continue => self.leaf("continue"),
            StmtKind::Discard(value) => self.node("_ =", |out| out.expr(value)),
            StmtKind::Error => self.leaf("error"),
        }
    }

    fn value_block(&mut self, label: &str, block: &ValueBlock) {
        self.node(label, |out| {
            block.block.stmts.iter().for_each(|stmt| out.stmt(stmt));
            if let Some(value) = &block.value {
                out.node("value", |out| out.expr(value));
            }
        });
    }

    fn type_of(&mut self, label: &str, of: &TypeOf) {
        match of {
            TypeOf::Type(ty) => self.leaf(format_args!("{label} ({})", type_name(ty))),
            TypeOf::Expr(expr) => self.node(label, |out| out.expr(expr)),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Int(value, suffix) => self.leaf(format_args!("int {value}{}", suffix_text(*suffix))),
            ExprKind::Address(address) => self.leaf(address),
            ExprKind::Str(bytes) => self.leaf(format_args!("string \"{}\"", bytes.escape_ascii())),
            ExprKind::Bool(value) => self.leaf(value),
            ExprKind::Ident(name) => self.leaf(format_args!("name {name}")),
            ExprKind::Var(name) => self.leaf(format_args!("${name}")),
            ExprKind::Map(name) => self.leaf(format_args!("@{name}")),
            ExprKind::MapKey { map, keys } => self.node(format_args!("@{}[]", map.text), |out| out.exprs(keys)),
            ExprKind::Param(0) => self.leaf("$#"),
            ExprKind::Param(number) => self.leaf(format_args!("${number}")),
            ExprKind::Call { name, args } => self.node(format_args!("call {}", name.text), |out| out.exprs(args)),
            ExprKind::Field { base, name, arrow } => {
                let dot = if *arrow { "->" } else { "." };
                self.node(format_args!("{dot}{}", name.text), |out| out.expr(base));
            }
            ExprKind::Index { base, index } => self.node("[]", |out| {
                out.expr(base);
                out.expr(index);
            }),
            ExprKind::Unary(op, value) => self.node(unary_symbol(*op), |out| out.expr(value)),
            ExprKind::Binary { op, left, right } => self.node(op.symbol(), |out| {
                out.expr(left);
                out.expr(right);
            }),
            ExprKind::Ternary { cond, yes, no } => self.node("?:", |out| {
                out.expr(cond);
                yes.iter().for_each(|yes| out.expr(yes));
                out.expr(no);
            }),
            ExprKind::Cast { ty, value } => self.node(format_args!("cast ({})", type_name(ty)), |out| out.expr(value)),
            ExprKind::Tuple(parts) => self.node("tuple", |out| out.exprs(parts)),
            ExprKind::IncDec { place, increment, postfix } => {
                let sign = if *increment { "++" } else { "--" };
                let when = if *postfix { "after" } else { "before" };
                self.node(format_args!("{sign} {when}"), |out| out.expr(place));
            }
            ExprKind::Record(parts) => self.node("record", |out| {
                parts.iter().for_each(|(name, part)| out.node(format_args!("{}=", name.text), |out| out.expr(part)));
            }),
            ExprKind::Block(block) => self.value_block("block", block),
            ExprKind::If { cond, then, otherwise } => self.node("if", |out| {
                out.expr(cond);
                out.value_block("then", then);
                otherwise.iter().for_each(|block| out.value_block("else", block));
            }),
            ExprKind::Comptime(value) => self.node("comptime", |out| out.expr(value)),
            ExprKind::SizeOf(of) => self.type_of("sizeof", of),
            ExprKind::OffsetOf { of, path } => {
                let path: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
                self.type_of(&format!("offsetof .{}", path.join(".")), of);
            }
            ExprKind::TypeOf(of) => self.type_of("typeof", of),
            ExprKind::TypeInfo(of) => self.type_of("typeinfo", of),
            ExprKind::Error => self.leaf("error"),
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }
}

fn suffix_text(suffix: IntSuffix) -> &'static str {
    match suffix {
        IntSuffix::None => "",
        IntSuffix::U => "u",
        IntSuffix::Ul => "ul",
        IntSuffix::L => "l",
        IntSuffix::Duration => "ns",
    }
}

fn unary_symbol(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "-",
        UnaryOp::Not => "!",
        UnaryOp::BitNot => "~",
        UnaryOp::Deref => "*",
        UnaryOp::AddressOf => "&",
    }
}

/// A type as a script would write it.
pub(crate) fn type_name(ty: &TypeName) -> String {
    let mut text = match &ty.base {
        TypeBase::Named { tag, name } => format!("{}{name}", tag.map_or("", TypeTag::prefix)),
        TypeBase::TypeOf(of) => match &**of {
            TypeOf::Type(ty) => format!("typeof({})", type_name(ty)),
            TypeOf::Expr(expr) => format!("typeof({})", short(expr)),
        },
    };
    for suffix in &ty.suffixes {
        let _ = match suffix {
            TypeSuffix::Pointer => write!(text, "{}*", if text.ends_with('*') { "" } else { " " }),
            TypeSuffix::Array(None) => write!(text, "[]"),
            TypeSuffix::Array(Some(length)) => write!(text, "[{length}]"),
        };
    }
    text
}

/// A parameter of a macro with its sigil.
fn param(param: &MacroParam) -> String {
    let sigil = match param.kind {
        MacroParamKind::Expr => "",
        MacroParamKind::Var => "$",
        MacroParamKind::Map => "@",
    };
    format!("{sigil}{}", param.name.text)
}

/// An expression within a type, on one line: whole if it is a name.
fn short(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Ident(name) => name.clone(),
        ExprKind::Var(name) => format!("${name}"),
        ExprKind::Map(name) => format!("@{name}"),
        ExprKind::Block(_) => "{ ... }".to_owned(),
        _ => "...".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_reads_from_the_outside_in() {
        let parsed =
            crate::parse("kprobe:f /pid == 1/ { @x[comm, 1] += (uint8)$a->b; if !$c { exit(); } else { return } }");
        let expected = "\
probe
  point kprobe:f
  predicate
    ==
      name pid
      int 1
  body
    +=
      @x[]
        name comm
        int 1
      cast (uint8)
        ->b
          $a
    if
      !
        $c
      then
        call exit
      else
        return
";
        assert_eq!(dump(&parsed.script), expected);
    }
}
