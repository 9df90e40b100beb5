//! What the checker knows of an unfinished text: the members of a value, the types of variables.
//!
//! The value is assigned to a variable where the statement stands that it is in, the rest of the text is left out, and
//! the lexer closes the brackets. The checker then says what the variable is.

use super::place::Member;
use crate::files::Files;
use crate::headers::Folders;
use crate::prompt::knowledge::Knowledge;
use lang::ast::{Block, ExprKind, IntSuffix, PartMut, TypeSuffix};
use lang::c::Continued;
use lang::imports::parse_entry;
use lang::parser::entry::{FRAME_ROOM, Kind as Entry};
use lang::typed::{Point, Probe};
use lang::types::Type;
use lang::{Source, SourceMap, check_entry};
use probes_ebpf::KernelTarget;

/// What is asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The arguments of the probe.
    Arguments,
    /// The members of the value that is assigned last.
    Members,
    /// The variables.
    Variables,
}

/// No script has a variable of this name.
const NAME: &str = "completion_of_a_member";

/// More probes before the one at hand would only take time.
const MOST_PROBES: usize = 4;

/// How to ask for the members of a value.
pub fn question(member: Member<'_>) -> (Kind, String) {
    let Member { of, before, needs_body } = member;
    let bracket = if needs_body { "{" } else { "" };
    // On a line of its own, so that no comment hides it.
    let text = format!("{before}{bracket}\n${NAME} = ({of});");
    (if of == "args" { Kind::Arguments } else { Kind::Members }, text)
}

/// An unfinished text without the statement at its end.
pub fn finished(text: &str) -> String {
    let read = lang::cursor::before(text);
    let ends = |piece: &&lang::cursor::Piece<'_>| piece.is(";") || piece.is("{") || piece.is("}") || piece.is("<");
    let end = read.pieces.iter().rev().find(ends).map_or(0, lang::cursor::Piece::end);
    text[..end].to_owned()
}

/// Answers from what the kernel and programs tell of their types.
pub struct Checker {
    target: KernelTarget,
    headers: Folders,
}

impl Checker {
    /// Nothing is read yet.
    pub fn new(knowledge: &Knowledge) -> Self {
        let options = &knowledge.options;
        let mut target =
            KernelTarget::new().of_process(options.process).with_debug_folders(options.debug_folders.clone());
        if let Some(file) = &options.functions {
            target = target.with_functions(file);
        }
        let [folders, included] = &*knowledge.headers;
        let headers = Folders::new("", folders, included, target.has_btf());
        Self { target, headers }
    }

    /// Names and types; none for what is not known.
    pub fn answer(&self, knowledge: &Knowledge, kind: Kind, text: &str) -> Vec<(String, String)> {
        let Some(probe) = self.last_probe(knowledge, text) else { return Vec::new() };
        let spelled =
            |(name, ty): (String, Type)| (name, if ty == Type::Unknown { String::new() } else { ty.to_string() });
        match kind {
            Kind::Arguments => {
                let fields = probe.points.first().map(|point| point.context.fields.clone()).unwrap_or_default();
                // What only some of the events have cannot be read.
                let others = probe.points.get(1..).unwrap_or_default();
                let has = |point: &Point, name: &str| point.context.fields.iter().any(|field| field.name == name);
                let common = fields.into_iter().filter(|field| others.iter().all(|point| has(point, &field.name)));
                common.map(|field| spelled((field.name, field.ty))).collect()
            }
            Kind::Variables => probe.vars.into_iter().map(|var| spelled((var.name, var.ty))).collect(),
            Kind::Members => {
                let found = probe.vars.into_iter().find(|var| var.name == NAME);
                members(&found.map_or(Type::Unknown, |var| var.ty)).into_iter().map(spelled).collect()
            }
        }
    }

    /// The probe that the text ends in, with what could be found out of it.
    fn last_probe(&self, knowledge: &Knowledge, text: &str) -> Option<Probe> {
        let mut sources = SourceMap::new(Source::new("rtrace", " ".repeat(FRAME_ROOM as usize)));
        let headers = Continued::new(&knowledge.c, &self.headers);
        let entry = Source::new("completion", text);
        let mut parsed = parse_entry(entry, Entry::of(text), &mut sources, &mut Files::new(""), &headers).script;
        let others = parsed.probes.len().saturating_sub(1);
        if others > MOST_PROBES {
            parsed.probes.drain(..others);
        }
        parsed.probes.iter_mut().for_each(|probe| block_with_plain_casts(&mut probe.body));
        let mut entry = check_entry(&knowledge.known, &parsed, &self.target, &knowledge.settings);
        entry.checked.program.probes.pop()
    }
}

/// Takes away what is cast to a pointer, whose type does not depend on it: this kernel may not have the probe whose
/// argument it is.
fn block_with_plain_casts(block: &mut Block) {
    block.stmts.iter_mut().for_each(|stmt| stmt.parts_mut(&mut |part| with_plain_casts(part)));
}

fn with_plain_casts(part: PartMut<'_>) {
    match part {
        PartMut::Expr(expr) => {
            if let ExprKind::Cast { ty, value } = &mut expr.kind
                && ty.suffixes.contains(&TypeSuffix::Pointer)
            {
                value.kind = ExprKind::Int(0, IntSuffix::None);
            }
            expr.parts_mut(&mut |part| with_plain_casts(part));
        }
        PartMut::Values(values) => {
            block_with_plain_casts(&mut values.block);
            values.value.iter_mut().for_each(|value| with_plain_casts(PartMut::Expr(value)));
        }
        PartMut::Block(block) => block_with_plain_casts(block),
        PartMut::Type(_) | PartMut::TypeOf(_) => {}
    }
}

/// The members of a value of this type, and of what it points to.
fn members(ty: &Type) -> Vec<(String, Type)> {
    match ty {
        Type::Pointer(to, _) if !matches!(**to, Type::Pointer(..)) => members(to),
        Type::Struct(of) => {
            let names = of.member_names().into_iter();
            names.filter_map(|name| of.member(&name).map(|member| (name, member.ty))).collect()
        }
        Type::Record(items) => items.clone(),
        Type::Tuple(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item.clone())).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::complete::place::{Place, What};

    /// Names with types at the end of a text.
    fn found(text: &str, c: &str) -> Vec<String> {
        let knowledge = Knowledge { c: c.into(), ..Knowledge::default() };
        let Place { what: What::Member(member), .. } = Place::of(text, text.len()) else { panic!("{text}") };
        let (kind, text) = question(member);
        let found = Checker::new(&knowledge).answer(&knowledge, kind, &text);
        found.into_iter().map(|(name, ty)| format!("{name} {ty}")).collect()
    }

    #[test]
    fn members_of_what_a_session_defines() {
        let c = "struct inner { int x; char name[4]; };\nstruct mine { struct inner in; struct inner *to; long n; };\n";
        let mine = ["in struct inner", "to struct inner *", "n int64"];
        assert_eq!(found("((struct mine *)arg0)->", c), mine);
        assert_eq!(found("$m = (struct mine *)0; print($m->", c), mine);
        assert_eq!(found("$m = (struct mine *)0; print($m->to->", c), ["x int32", "name string[4]"]);
        assert_eq!(found("$m = (struct mine *)0; print($m->in.", c), ["x int32", "name string[4]"]);
        assert_eq!(found("interval:s:1 / ((struct mine *)0)->", c), mine);
        assert_eq!(found("begin { if (1) { $m = (struct mine *)0; @x = $m.", c), mine);
        // What is faulty before it does not matter.
        assert_eq!(found("begin { foo bar ; @x = ) ; nosuch(1); ((struct mine *)arg0)->", c), mine);
        assert_eq!(found("nosuch->", c), [""; 0]);
        assert_eq!(found("(1, \"ab\").", ""), ["0 int8", "1 string[3]"]);
    }

    #[test]
    fn members_of_what_the_kernel_defines() {
        if !probes_ebpf::btf::Btf::is_there() {
            return println!("skipped: no BTF");
        }
        let has = |text: &str, member: &str| {
            let found = found(text, "");
            assert!(found.iter().any(|one| one == member), "{text}: {found:?}");
        };
        has("curtask->", "real_parent struct task_struct *");
        has("@x = 5; if (curtask->real_parent->", "pid int32");
        has("((struct task_struct *)arg0)->se.", "vruntime uint64");
        let all = found("tracepoint:syscalls:sys_enter_read, tracepoint:syscalls:sys_enter_openat { args.", "");
        assert!(all.iter().all(|one| !one.starts_with("filename")), "{all:?}");
        has("iter:task { print(ctx.", "task struct task_struct *");
        has("iter:task { print(ctx.task->", "pid int32");
        has("begin { $t = curtask; for ($i : 0..5) { while (1) { @[$t->mm.", "map_count int32");
        has("fentry:vfs_read { $f = args.file; printf(\"%p\", $f->", "f_flags uint32");
        has("@f[1] = curtask; @f[1]->", "pid int32");
        has("@f[pid] = curtask; for ($kv : @f) { print($kv.", "0 uint64");
        has("@f[pid] = curtask; for ($kv : @f) { print($kv.1->", "pid int32");
    }

    #[test]
    fn variables_of_a_probe() {
        let knowledge = Knowledge::default();
        let text = finished("begin { $a = 1; $b = (comm, 2); print($");
        let found = Checker::new(&knowledge).answer(&knowledge, Kind::Variables, &text);
        let spelled: Vec<String> = found.into_iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        assert_eq!(spelled, ["a int8", "b (string[16],int8)"]);
    }
}
