//! Events whose arguments the kernel's type information describes: fentry, fexit, raw tracepoints, iterators.

use super::KernelTarget;
use super::untraceable::explain_function;
use crate::btf::{Btf, Kind, Param, TypeId};
use crate::programs::{self, Function};
use crate::types::Types;
use lang::glob;
use lang::nearest::nearest;
use lang::target::{Access, Attach, Base, Context, Field, ProgramType, Resolved, TargetError, Wants};
use lang::types::Type;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What raw tracepoints are called in BTF.
pub(super) const RAW_PREFIX: &str = "btf_trace_";
/// Functions that the kernel makes for a tracepoint and whose parameters have names, by kernels from 6.4 on.
const STUBS: &[&str] = &["__probestub_", "__traceiter_", "__bpf_trace_"];
/// What the functions that iterator programs attach to are called.
const ITER_PREFIX: &str = "bpf_iter_";
/// Most arguments that a raw tracepoint or a traced function passes (`MAX_BPF_FUNC_ARGS`, include/linux/bpf.h).
const MOST_ARGS: usize = 12;

/// A raw tracepoint whose program has arguments that the verifier knows the types of.
fn attach_typed(btf: &Btf, event: String) -> Attach {
    match btf.raw_tracepoint(&event) {
        Ok(Some((id, _))) => Attach::BtfTracepoint { name: event, btf_id: id.0 },
        _ => Attach::RawTracepoint { name: event },
    }
}

impl KernelTarget {
    fn needs_types(&self, word: &str) -> Result<&Arc<Types>, TargetError> {
        let title = || format!("{word} needs the kernel's type information, and this kernel has none (no BTF)");
        self.types().ok_or_else(|| TargetError::other(title(), None))
    }

    pub(super) fn raw_tracepoints(
        &self,
        module: Option<&str>,
        event: &str,
        wants: Wants,
    ) -> Result<Vec<Resolved>, TargetError> {
        let base = self.needs_types("rawtracepoint")?;
        let mut found: BTreeMap<String, (String, Context)> = BTreeMap::new();
        let exact = !glob::is_pattern(event);
        for (name, types) in files(base, module) {
            let btf = types.btf();
            let events: Vec<String> = match exact {
                true => vec![event.to_owned()],
                false => names(btf, Kind::Typedef, |name| {
                    name.strip_prefix(RAW_PREFIX).filter(|name| glob::matches(event, name))
                }),
            };
            for event in events {
                // In a module's file those of the kernel proper are found as well, and belong to it.
                if let Ok(Some((id, proto))) = btf.raw_tracepoint(&event)
                    && (name == "vmlinux" || id.0 >= base.btf().end_id().unwrap_or(0))
                {
                    // The first parameter is the tracepoint's own, which programs do not see.
                    let named = STUBS.iter().find_map(|stub| btf.func_proto(&format!("{stub}{event}")).ok().flatten());
                    let params: Vec<Param<'_>> = named.unwrap_or(proto).params().skip(1).collect();
                    // A module's types take a descriptor that its own loading would have to be given.
                    let program = match wants.typed_args && name == "vmlinux" {
                        true => ProgramType::BtfTracepoint,
                        false => ProgramType::RawTracepoint,
                    };
                    let args = (0..params.len().min(MOST_ARGS)).map(word).collect();
                    let context = Context { args, ..Context::bare(program) };
                    // Events that are seen the same way share a program.
                    let fields = if wants.named_args { fields(&types, &params) } else { Vec::new() };
                    let context = Context { fields, ..context };
                    found.entry(event).or_insert((name.clone(), context));
                }
            }
        }
        if exact && found.is_empty() {
            // Without a module it is said in general that there is nothing to attach to.
            let Some(module) = module else { return Ok(Vec::new()) };
            let title = format!("No matches for rawtracepoint {module}:{event}.");
            let all = names(base.btf(), Kind::Typedef, |name| name.strip_prefix(RAW_PREFIX));
            let help = did_you_mean(&nearest(event, &all, 3));
            return Err(TargetError::missing(title, help.or_else(|| Some(format!("there is no event {event}")))));
        }
        let each = found.into_iter().map(|(event, (owner, context))| Resolved {
            name: Some(format!("rawtracepoint:{owner}:{event}")),
            attach: match context.program {
                ProgramType::BtfTracepoint => attach_typed(base.btf(), event),
                _ => Attach::RawTracepoint { name: event },
            },
            context,
        });
        Ok(each.collect())
    }

    pub(super) fn fentries(
        &self,
        module: Option<&str>,
        function: &str,
        on_return: bool,
        wants: Wants,
    ) -> Result<Vec<Resolved>, TargetError> {
        let provider = if on_return { "fexit" } else { "fentry" };
        let base = self.needs_types(provider)?;
        let mut found: BTreeMap<String, (String, Attach, Context)> = BTreeMap::new();
        let exact = !glob::is_pattern(function);
        // A function that is written out the kernel refuses itself, which costs nothing before.
        let traced_functions = match exact && !wants.may_be_missing {
            true => None,
            false => self.complete_list()?,
        };
        let traced_functions: Option<HashSet<(&str, &str)>> =
            traced_functions.as_ref().map(|list| list.iter().collect());
        let is_traced = |owner: &str, function: &str| {
            traced_functions.as_ref().is_none_or(|functions| functions.contains(&(owner, function)))
        };
        for (owner, types) in files(base, module) {
            let btf = types.btf();
            let functions: Vec<String> = match exact {
                true => vec![function.to_owned()],
                false => names(btf, Kind::Func, |name| Some(name).filter(|name| glob::matches(function, name))),
            };
            for function in functions.into_iter().filter(|function| is_traced(&owner, function)) {
                let Ok(Some(id)) = btf.find(Kind::Func, &function) else { continue };
                let own = owner == "vmlinux" || id.0 >= base.btf().end_id().unwrap_or(0);
                let Some(context) = traced(&types, id, on_return).filter(|_| own) else { continue };
                let module = (owner != "vmlinux").then(|| owner.clone());
                let attach = Attach::Fentry { function: function.clone(), module, btf_id: id.0, on_return };
                found.entry(function).or_insert((owner.clone(), attach, context));
            }
            if exact && !found.is_empty() {
                break;
            }
        }
        if exact && found.is_empty() {
            let written = module.map_or(function.to_owned(), |module| format!("{module}:{function}"));
            return Err(explain_function(&format!("{provider}:{written}"), false));
        }
        let each = found.into_iter().map(|(function, (owner, attach, context))| Resolved {
            name: Some(format!("{provider}:{owner}:{function}")),
            attach,
            context,
        });
        Ok(each.collect())
    }

    /// Functions of BPF programs that are loaded now. Nobody knows the types of what is passed to them.
    pub(super) fn program_fentries(
        &self,
        program: Option<u32>,
        function: &str,
        on_return: bool,
    ) -> Result<Vec<Resolved>, TargetError> {
        let provider = if on_return { "fexit" } else { "fentry" };
        let kind = if on_return { ProgramType::Fexit } else { ProgramType::Fentry };
        let all = programs::functions();
        let fits = |found: &&Function| {
            program.is_none_or(|program| found.program == program) && glob::matches(function, &found.name)
        };
        let resolved = |found: &Function| Resolved {
            attach: Attach::ProgramFentry {
                function: found.name.clone(),
                program: found.program,
                btf_id: found.btf_id,
                on_return,
            },
            context: Context::bare(kind),
            name: Some(format!("{provider}:bpf:{}:{}", found.program, found.name)),
        };
        let found: Vec<Resolved> = all.iter().filter(fits).map(resolved).collect();
        if found.is_empty() && !glob::is_pattern(function) {
            let help = match nearest(function, all.iter().map(|found| &found.name), 3).as_slice() {
                [] => format!("rtrace -l '{provider}:bpf:*' lists those that are loaded and have types"),
                near => format!("did you mean {}?", near.join(", ")),
            };
            return Err(TargetError::missing(format!("No matches for {provider} bpf:{function}."), Some(help)));
        }
        Ok(found)
    }

    pub(super) fn iterator(&self, over: &str, pin: Option<&str>) -> Result<Vec<Resolved>, TargetError> {
        let btf = self.needs_types("iter")?.btf();
        if glob::is_pattern(over) {
            return Err(TargetError::other("wildcards are not allowed for iter probe type", None));
        }
        match btf.find(Kind::Func, &format!("{ITER_PREFIX}{over}")) {
            Ok(Some(id)) => {
                let attach = Attach::Iter { over: over.to_owned(), btf_id: id.0, pin: pin.map(str::to_owned) };
                Ok(vec![Resolved::as_written(attach, Context::bare(ProgramType::Iter))])
            }
            _ => {
                // Each kind of object has a structure of this name with two underscores.
                let all = names(btf, Kind::Struct, |name| name.strip_prefix("bpf_iter__"));
                let near = nearest(over, &all, 3);
                let help = did_you_mean(&near).unwrap_or_else(|| format!("there are {}", all.join(", ")));
                Err(TargetError::missing(format!("iter {over} not available for your kernel version."), Some(help)))
            }
        }
    }
}

/// The type information of the kernel proper and of its modules, as far as `module` allows.
fn files(base: &Arc<Types>, module: Option<&str>) -> impl Iterator<Item = (String, Arc<Types>)> {
    let asked = module.unwrap_or("*").to_owned();
    let mut modules = Btf::modules();
    modules.sort_unstable();
    let all = std::iter::once("vmlinux".to_owned()).chain(modules);
    let base = Arc::clone(base);
    all.filter(move |name| glob::matches(&asked, name)).filter_map(move |name| match name.as_str() {
        "vmlinux" => Some((name, Arc::clone(&base))),
        // A module may have gone meanwhile.
        _ => {
            let btf = Btf::module(&name, base.btf()).ok()?;
            Some((name, Types::of_module(Arc::new(btf), &base)))
        }
    })
}

/// What `take` makes of the names of a kind, sorted, each once.
pub(super) fn names(btf: &Btf, kind: Kind, take: impl Fn(&str) -> Option<&str>) -> Vec<String> {
    let kinds = [kind];
    let Ok(types) = btf.types_of(&kinds) else { return Vec::new() };
    let mut all: Vec<String> = types.filter_map(|ty| take(ty.name()).map(str::to_owned)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn did_you_mean(near: &[String]) -> Option<String> {
    (!near.is_empty()).then(|| format!("did you mean {}?", near.join(", ")))
}

/// How a program at a function's entry or return sees it; `None` for what the kernel does not pass on to programs.
fn traced(types: &Arc<Types>, function: TypeId, on_return: bool) -> Option<Context> {
    let btf = types.btf();
    let proto = btf.resolve(btf.type_at(function).ok()?.target()?).ok()?;
    if proto.kind != Kind::FuncProto {
        return None;
    }
    let params: Vec<Param<'_>> = proto.params().collect();
    let variadic = params.last().is_some_and(|param| param.name.is_empty() && param.type_id == TypeId::VOID);
    if variadic || params.len() > MOST_ARGS {
        return None;
    }
    let bare = Context::bare(if on_return { ProgramType::Fexit } else { ProgramType::Fentry });
    let retval = match proto.target() {
        // It follows the arguments, and a structure that is passed by value takes more than one word.
        Some(id) if on_return && id != TypeId::VOID => {
            let before: u64 = params.iter().map(|param| words(btf, param)).sum();
            value(types, id, before as usize)
        }
        _ => None,
    };
    Some(Context { fields: fields(types, &params), retval, ..bare })
}

/// How many words of a program's context a parameter takes.
fn words(btf: &Btf, param: &Param<'_>) -> u64 {
    btf.size_of(param.type_id).ok().flatten().unwrap_or(8).div_ceil(8).max(1)
}

/// The word of the context with this number.
fn word(index: usize) -> Access {
    Access { base: Base::Context, offset: index as u32 * 8, bytes: 8, signed: false }
}

/// The parameters that lie one after the other in the context's words.
fn fields(types: &Arc<Types>, params: &[Param<'_>]) -> Vec<Field> {
    let mut at = 0;
    let mut fields = Vec::new();
    for param in params {
        if let Some((ty, access)) = value(types, param.type_id, at as usize) {
            fields.push(Field { name: param.name.to_owned(), ty, access });
        }
        at += words(types.btf(), param);
    }
    fields
}

/// A value of this type in a word of the context. What does not fit a word has a type that is not known.
fn value(types: &Arc<Types>, id: TypeId, index: usize) -> Option<(Type, Access)> {
    let ty = match types.of(id) {
        ty if ty.is_scalar() => ty,
        _ => Type::Unknown,
    };
    let bytes = if ty == Type::Unknown { 8 } else { ty.size_of() as u32 };
    // The kernel extends nothing: the word above a narrow value is what was left in the register.
    Some((ty.clone(), Access { bytes, signed: ty.is_signed(), ..word(index) }))
}
