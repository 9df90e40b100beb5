//! What the names in declarations mean, and from there the layout of each type.
//!
//! Types may be used before they are defined, as long as none contains itself. What the script does not define is asked
//! of the kernel. Errors in a header's declarations are not told: the type is just not there.

use super::layout::{EnumPlan, Layout, Plan, Plans, RecordPlan};
use super::number::{self, Facts, Fault, INT, Names, Num};
use super::tree::{Attributes, Declarations, Expr, TypeRef};
use super::{constants, names};
use crate::ast::TypeTag;
use crate::ctypes::Enum;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::span::Span;
use crate::target::Target;
use crate::types::{IntType, Type};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// Types may contain one another, and names stand for names, this deep.
const MOST_DEPTH: usize = 60;
/// No type has more bytes.
pub(super) const MOST_BYTES: u64 = 1 << 28;

/// Resolves all of `declarations`.
pub(super) fn resolve(declarations: &Declarations, target: &dyn Target) -> (Plans, Vec<Diagnostic>) {
    let mut resolver = Resolver {
        declarations,
        target,
        tags: HashMap::new(),
        typedefs: HashMap::new(),
        enumerators: HashMap::new(),
        incomplete: HashSet::new(),
        constants: HashMap::new(),
        records: declarations.records.iter().map(|_| State::Todo).collect(),
        enums: declarations.enums.iter().map(|_| State::Todo).collect(),
        names: declarations.typedefs.iter().map(|_| State::Todo).collect(),
        depth: 0,
        diagnostics: Vec::new(),
    };
    resolver.collect_names();
    for index in 0..declarations.enums.len() {
        let fault = resolver.enumeration(index).err();
        resolver.tell(fault, declarations.enums[index].of_header);
    }
    for index in 0..declarations.records.len() {
        let fault = resolver.record(index).err();
        resolver.tell(fault, declarations.records[index].of_header);
    }
    for index in 0..declarations.typedefs.len() {
        let fault = resolver.typedef(index).err();
        resolver.tell(fault, declarations.typedefs[index].of_header);
    }
    resolver.finish()
}

/// How far a declaration is resolved.
#[derive(Clone)]
enum State<T> {
    Todo,
    Doing,
    Done(T),
    Failed,
}

impl<T> State<T> {
    fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            _ => None,
        }
    }
}

struct Resolver<'a> {
    declarations: &'a Declarations,
    target: &'a dyn Target,
    /// Indices into `records`, or `enums`.
    tags: HashMap<(TypeTag, &'a str), usize>,
    typedefs: HashMap<&'a str, usize>,
    /// The enum that each enumerator belongs to.
    enumerators: HashMap<&'a str, usize>,
    /// Names with tags that nobody defines.
    incomplete: HashSet<String>,
    constants: HashMap<&'a str, Num>,
    records: Vec<State<RecordPlan>>,
    enums: Vec<State<EnumPlan>>,
    names: Vec<State<Plan>>,
    depth: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Resolver<'a> {
    fn tell(&mut self, fault: Option<Fault>, of_header: bool) {
        if let Some(Some(diagnostic)) = fault
            && !of_header
        {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Finds out which declaration a name means: the script's own before a header's, the first of several.
    fn collect_names(&mut self) {
        let declarations = self.declarations;
        for of_header in [false, true] {
            let records = declarations.records.iter().enumerate().filter(|(_, record)| record.of_header == of_header);
            for (index, record) in records {
                let Some(name) = &record.name else { continue };
                if let Some(first) = self.tags.get(&(record.tag, name.as_str())).copied() {
                    if !of_header {
                        let first = declarations.records[first].span;
                        self.diagnostics.push(redefinition(record.tag.prefix(), name, record.span, first));
                    }
                    continue;
                }
                self.tags.insert((record.tag, name), index);
            }
            let enums = declarations.enums.iter().enumerate().filter(|(_, found)| found.of_header == of_header);
            for (index, found) in enums {
                if let Some(name) = &found.name {
                    match self.tags.get(&(TypeTag::Enum, name.as_str())).copied() {
                        Some(first) if !of_header => {
                            let first = declarations.enums[first].span;
                            self.diagnostics.push(redefinition("enum ", name, found.span, first));
                            continue;
                        }
                        Some(_) => continue,
                        None => self.tags.insert((TypeTag::Enum, name), index),
                    };
                }
                for (name, span, _) in &found.values {
                    if let Some(first) = self.enumerators.get(name.as_str()).copied() {
                        if !of_header {
                            let values = &declarations.enums[first].values;
                            let first = values.iter().find(|(other, ..)| other == name).map_or(*span, |(_, at, _)| *at);
                            self.diagnostics.push(redefinition("", name, *span, first));
                        }
                        continue;
                    }
                    self.enumerators.insert(name, index);
                }
            }
            let typedefs = declarations.typedefs.iter().enumerate().filter(|(_, found)| found.of_header == of_header);
            for (index, found) in typedefs {
                self.typedefs.entry(&found.name).or_insert(index);
            }
        }
    }

    fn finish(mut self) -> (Plans, Vec<Diagnostic>) {
        self.check_typedefs();
        let declarations = self.declarations;
        let tags = self.tags.iter().map(|((tag, name), index)| ((*tag, (*name).to_owned()), *index)).collect();
        let constants = self.constants.keys().filter_map(|name| {
            let index = *self.enumerators.get(name)?;
            let State::Done(plan) = &self.enums[index] else { return None };
            Some(((*name).to_owned(), (self.constants[name].0, Type::Enum(plan.clone()))))
        });
        let constants = constants.collect();
        let typedefs = self
            .typedefs
            .iter()
            .filter_map(|(name, index)| Some(((*name).to_owned(), self.names[*index].clone().done()?)))
            .collect();
        let mut records: Vec<Option<RecordPlan>> = self.records.into_iter().map(State::done).collect();
        // An anonymous structure goes by its first typedef.
        for typedef in &declarations.typedefs {
            if let TypeRef::Record(index) = typedef.ty
                && declarations.records[index].name.is_none()
                && let Some(Some(record)) = records.get_mut(index)
                && !record.named
            {
                record.name.clone_from(&typedef.name);
                record.named = true;
            }
        }
        let enums = self.enums.into_iter().map(State::done).collect();
        (Plans { records, enums, tags, typedefs, incomplete: self.incomplete, constants }, self.diagnostics)
    }

    /// A typedef may be repeated, but not changed.
    fn check_typedefs(&mut self) {
        for (index, typedef) in self.declarations.typedefs.iter().enumerate() {
            let first = self.typedefs[typedef.name.as_str()];
            let (State::Done(a), State::Done(b)) = (&self.names[first], &self.names[index]) else { continue };
            if !typedef.of_header && a != b {
                let first = self.declarations.typedefs[first].span;
                self.diagnostics.push(redefinition("", &typedef.name, typedef.span, first));
            }
        }
    }

    /// Works on one declaration that others may need, too.
    fn step<T: Clone>(
        &mut self,
        of: impl Fn(&mut Self) -> &mut State<T>,
        span: Span,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match of(self) {
            State::Done(value) => return Ok(value.clone()),
            State::Failed => return Err(None),
            State::Doing => return Err(Some(Diagnostic::error(span, "this type would contain itself"))),
            State::Todo => {}
        }
        if self.depth >= MOST_DEPTH {
            return Err(Some(Diagnostic::error(
                span,
                format!("types contain one another more than {MOST_DEPTH} deep"),
            )));
        }
        *of(self) = State::Doing;
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        *of(self) = match &result {
            Ok(value) => State::Done(value.clone()),
            Err(_) => State::Failed,
        };
        result
    }

    fn enumeration(&mut self, index: usize) -> Result<EnumPlan, Fault> {
        let found = &self.declarations.enums[index];
        self.step(
            |resolver| &mut resolver.enums[index],
            found.span,
            |resolver| {
                let mut values = Vec::new();
                let mut next = (0, INT);
                for (name, span, value) in &found.values {
                    if let Some(value) = value {
                        next = number::value(value, resolver)?;
                    }
                    if resolver.enumerators.get(name.as_str()) == Some(&index) {
                        resolver.constants.insert(name, next);
                    }
                    values.push((name.clone(), next.0));
                    let Some(after) = next.0.checked_add(1) else {
                        if values.len() < found.values.len() {
                            return Err(Some(Diagnostic::error(*span, "the value after this one is too large")));
                        }
                        break;
                    };
                    let int = if next.1 == INT && after > i32::MAX.into() { number::LONG } else { next.1 };
                    next = (after, int);
                }
                let name = found.name.as_ref().map_or("enum".to_owned(), |name| format!("enum {name}"));
                Ok(Arc::new(Enum { name, int: storage(&values, found.packed), values }))
            },
        )
    }

    fn typedef(&mut self, index: usize) -> Result<Plan, Fault> {
        let typedef = &self.declarations.typedefs[index];
        self.step(
            |resolver| &mut resolver.names[index],
            typedef.span,
            |resolver| {
                let plan = resolver.plan(&typedef.ty)?;
                Ok(match resolver.alignment(&typedef.attributes)? {
                    Some(align) => Plan::Aligned(Box::new(plan), align),
                    None => plan,
                })
            },
        )
    }

    fn record(&mut self, index: usize) -> Result<RecordPlan, Fault> {
        let record = &self.declarations.records[index];
        self.step(
            |resolver| &mut resolver.records[index],
            record.span,
            |resolver| {
                let align = resolver.alignment(&record.attributes)?;
                let mut layout = Layout::new(record.tag == TypeTag::Union, record.attributes.packed, align);
                for (at, member) in record.members.iter().enumerate() {
                    let seen = || record.members[..at].iter().find(|other| other.name == member.name);
                    if !member.name.is_empty()
                        && at < MOST_NAMES_COMPARED
                        && let Some(first) = seen()
                    {
                        return Err(Some(
                            Diagnostic::error(member.span, format!("there are two members `{}`", member.name))
                                .with_related(first.span, "the first is here"),
                        ));
                    }
                    let plan = resolver.plan(&member.ty)?;
                    let facts = resolver.facts(&plan, member.span)?;
                    let aligned = resolver.alignment(&member.attributes)?;
                    match &member.bits {
                        None => layout.member(&member.name, plan, facts, member.attributes.packed, aligned),
                        Some(bits) => {
                            let width = resolver.bit_width(bits, facts, &member.name)?;
                            layout.bits(&member.name, plan, facts, width, member.attributes.packed, aligned);
                        }
                    }
                    if layout.bytes() > MOST_BYTES {
                        return Err(Some(too_large(member.span)));
                    }
                }
                let name = match &record.name {
                    Some(name) => format!("{}{name}", record.tag.prefix()),
                    None => record.tag.prefix().trim_end().to_owned(),
                };
                Ok(layout.finish(name, record.name.is_some()))
            },
        )
    }

    fn bit_width(&mut self, bits: &Expr, facts: Facts, name: &str) -> Result<u8, Fault> {
        let (width, _) = number::value(bits, self)?;
        let error = |title: &str| Err(Some(Diagnostic::error(bits.span, title)));
        let Some(int) = facts.int else { return error("a bit-field is of an integer type") };
        match width {
            ..0 => error("a bit-field cannot have a negative width"),
            0 if !name.is_empty() => error("a bit-field without bits cannot have a name"),
            _ if width > int.bits.into() => error("this bit-field is wider than its type"),
            _ => Ok(width as u8),
        }
    }

    /// What `aligned` asks for, if it is there.
    fn alignment(&mut self, attributes: &Attributes) -> Result<Option<u32>, Fault> {
        /// Of x86-64 and of aarch64.
        const LARGEST: u32 = 16;
        let mut found = None;
        for aligned in &attributes.aligned {
            let align = match aligned {
                None => LARGEST,
                Some(expr) => match number::value(expr, self)?.0 {
                    0 => continue,
                    align @ 1..=0x1000_0000 if align.count_ones() == 1 => align as u32,
                    _ => return Err(Some(Diagnostic::error(expr.span, "an alignment is a power of two"))),
                },
            };
            found = found.max(Some(align));
        }
        Ok(found)
    }

    /// The type that is written there. What pointers point to is not looked into.
    fn plan(&mut self, ty: &TypeRef) -> Result<Plan, Fault> {
        Ok(match ty {
            TypeRef::Void | TypeRef::Function => Plan::Ready(Type::Void),
            // Shown as a number, as bpftrace shows it.
            TypeRef::Bool => Plan::Ready(Type::Int(IntType { bits: 8, signed: false })),
            TypeRef::Char => Plan::Char,
            TypeRef::Int { bits, signed } => Plan::Ready(Type::Int(IntType { bits: *bits, signed: *signed })),
            TypeRef::Opaque { size } => Plan::Opaque(*size),
            TypeRef::Record(index) => Plan::Record(*index),
            TypeRef::Enum(index) => Plan::Ready(Type::Enum(self.enumeration(*index)?)),
            TypeRef::Pointer(to) => Plan::Pointer(Box::new(self.plan(to)?)),
            TypeRef::Named(name, span) => self.named(name, *span)?,
            TypeRef::Tagged(tag, name, _) => match self.tags.get(&(*tag, name.as_str())).copied() {
                Some(index) if *tag == TypeTag::Enum => Plan::Ready(Type::Enum(self.enumeration(index)?)),
                Some(index) => Plan::Record(index),
                None => match self.target.kernel_type(Some(*tag), name) {
                    Some(ty) => Plan::Ready(ty),
                    None => {
                        let shown = format!("{}{name}", tag.prefix());
                        self.incomplete.insert(shown.clone());
                        Plan::Incomplete(shown)
                    }
                },
            },
            TypeRef::Array(of, length) => {
                let element = self.plan(of)?;
                let length = match length {
                    None => 0,
                    Some(expr) => match number::value(expr, self)?.0 {
                        length @ 0..=0x1000_0000 => length as u32,
                        ..0 => return Err(Some(Diagnostic::error(expr.span, "this array's length is negative"))),
                        _ => return Err(Some(too_large(expr.span))),
                    },
                };
                Plan::Array(Box::new(element), length)
            }
        })
    }

    fn named(&mut self, name: &str, span: Span) -> Result<Plan, Fault> {
        if let Some(index) = self.typedefs.get(name).copied() {
            return self.typedef(index);
        }
        let known = names::standard(name).map(Plan::Ready);
        if let Some(plan) = known.or_else(|| self.target.kernel_type(None, name).map(Plan::Ready)) {
            return Ok(plan);
        }
        let error = Diagnostic::error(span, format!("unknown type name `{name}`"));
        let (script, target) = (&self.tags, self.target);
        let tagged = [TypeTag::Struct, TypeTag::Union, TypeTag::Enum]
            .into_iter()
            .find(|tag| script.contains_key(&(*tag, name)) || target.kernel_type(Some(*tag), name).is_some())
            .map(|tag| format!("{}{name}", tag.prefix()));
        let typedefs = &self.typedefs;
        let known = typedefs.keys().map(|name| (*name).to_owned()).chain(names::all());
        let near = tagged.or_else(|| nearest(name, known, 1).into_iter().next());
        Err(Some(error.with_maybe_help(near.map(|near| format!("did you mean `{near}`?")))))
    }

    /// Size and alignment of a type that a member has, or an error about the place where it is used.
    fn facts(&mut self, plan: &Plan, span: Span) -> Result<Facts, Fault> {
        let incomplete = |name: &str| Err(Some(Diagnostic::error(span, format!("`{name}` is not a complete type"))));
        let facts = match plan {
            Plan::Ready(Type::Void) => return incomplete("void"),
            Plan::Incomplete(name) => return incomplete(name),
            Plan::Ready(ty) => {
                let int = if *ty == Type::Bool { Some(IntType { bits: 1, signed: false }) } else { ty.as_int() };
                Facts { size: ty.size_of(), align: ty.alignment(), int }
            }
            Plan::Char => Facts { size: 1, align: 1, int: Some(IntType { bits: 8, signed: true }) },
            Plan::Opaque(size) => Facts { size: (*size).into(), align: (*size).into(), int: None },
            Plan::Pointer(_) => Facts { size: 8, align: 8, int: None },
            Plan::Aligned(of, align) => Facts { align: (*align).into(), ..self.facts(of, span)? },
            Plan::Record(index) => {
                let record = self.record(*index)?;
                Facts { size: record.size.into(), align: record.align.into(), int: None }
            }
            Plan::Array(element, length) => {
                let element = self.facts(element, span)?;
                Facts { size: element.size.saturating_mul((*length).into()), align: element.align, int: None }
            }
        };
        if facts.size > MOST_BYTES {
            return Err(Some(too_large(span)));
        }
        Ok(facts)
    }
}

/// Looking for two members of one name takes time that grows with the square of their number.
const MOST_NAMES_COMPARED: usize = 2000;

fn too_large(span: Span) -> Diagnostic {
    Diagnostic::error(span, format!("this type has more than {MOST_BYTES} bytes"))
}

fn redefinition(prefix: &str, name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error(span, format!("redefinition of `{prefix}{name}`")).with_related(first, "first defined here")
}

/// The integer that stores an enum of these values.
fn storage(values: &[(String, i64)], packed: bool) -> IntType {
    let low = values.iter().map(|(_, value)| *value).min().unwrap_or(0);
    let high = values.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let smallest: u8 = if packed { 8 } else { 32 };
    let sizes = [8, 16, 32, 64].into_iter().filter(|bits| *bits >= smallest);
    let mut candidates = sizes.map(|bits| IntType { bits, signed: low < 0 });
    let holds = |int: &IntType| int.holds(low.into()) && int.holds(high.into());
    candidates.find(holds).unwrap_or(number::LONG)
}

impl Names for Resolver<'_> {
    fn name(&mut self, name: &str) -> Option<Num> {
        if let Some(found) = self.constants.get(name) {
            return Some(*found);
        }
        if let Some(index) = self.enumerators.get(name).copied() {
            // Its own fault, if it has one, is told in its turn.
            let _ = self.enumeration(index);
            return self.constants.get(name).copied();
        }
        let known = self.target.kernel_constant(name).map(|(value, _)| value).or_else(|| constants::find(name));
        known.map(|value| (value, if INT.holds(value.into()) { INT } else { number::LONG }))
    }

    fn layout(&mut self, ty: &TypeRef) -> Result<Facts, Fault> {
        let plan = self.plan(ty)?;
        let span = match ty {
            TypeRef::Named(_, span) | TypeRef::Tagged(_, _, span) => *span,
            _ => Span::default(),
        };
        self.facts(&plan, span)
    }

    fn offset(&mut self, ty: &TypeRef, path: &[String]) -> Option<u64> {
        let mut plan = self.plan(ty).ok()?;
        let mut offset = 0;
        for name in path {
            while let Plan::Aligned(inner, _) = plan {
                plan = *inner;
            }
            match plan {
                Plan::Record(index) => {
                    let record = self.record(index).ok()?;
                    let member = record.members.into_iter().find(|member| member.name == *name)?;
                    offset += u64::from(member.offset);
                    plan = member.plan;
                }
                Plan::Ready(Type::Struct(of)) => {
                    let member = of.member(name)?;
                    offset += u64::from(member.offset);
                    plan = Plan::Ready(member.ty);
                }
                _ => return None,
            }
        }
        Some(offset)
    }
}
