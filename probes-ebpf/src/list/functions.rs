//! Functions of the kernel: kprobe, kretprobe, fentry, fexit.

use super::events::{parameter, spelled};
use super::{Asked, Lister};
use crate::btf::{Btf, Kind, Param, Type, TypeId};
use crate::functions::Traceable;
use crate::kernel;
use crate::programs::{self, Function};
use lang::glob;
use lang::probes::{Provider, ProviderId};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Most parameters of a function that fentry may see (`MAX_BPF_FUNC_ARGS`, include/linux/bpf.h).
const MOST_ARGS: usize = 12;

impl Lister<'_> {
    pub(super) fn kprobes(&mut self, row: &Provider, asked: Asked<'_>, named: bool) -> io::Result<()> {
        if !self.names_all && !kernel::has_kprobes() {
            if named {
                self.warn(format!("this kernel has no {}s (it was built without CONFIG_KPROBES)", row.name));
            }
            return Ok(());
        }
        let Some(list) = self.take_traceable(true) else { return Ok(()) };
        let result = self.kprobes_of(&list, row, asked, named);
        let _ = self.traceable.set(Some(list));
        result
    }

    /// Lists the functions of the kernel that can be traced, with their modules, in the kernel's order: those whose names
    /// begin so.
    ///
    /// # Errors
    /// As [`Lister::list`].
    pub fn functions(&mut self, beginning: &str) -> io::Result<()> {
        let Some(list) = self.take_traceable(true) else { return Ok(()) };
        let mut wanted = list.iter().filter(|(_, function)| function.starts_with(beginning));
        let result = wanted.try_for_each(|(module, function)| writeln!(self.out, "{module}:{function}"));
        drop(wanted);
        let _ = self.traceable.set(Some(list));
        result
    }

    fn kprobes_of(&mut self, list: &Traceable, row: &Provider, asked: Asked<'_>, named: bool) -> io::Result<()> {
        let mut found: Vec<(&str, &str)> = list
            .iter()
            .filter(|(module, function)| asked.covers_place(module) && asked.covers_name(function))
            .map(|(module, function)| (if asked.place.is_some() { module } else { "" }, function))
            .collect();
        found.sort_unstable_by(|a, b| {
            a.0.bytes().chain([b':']).cmp(b.0.bytes().chain([b':'])).then_with(|| a.1.cmp(b.1))
        });
        found.dedup();
        if found.is_empty() && named {
            self.hint("traceable function", asked.name, list.iter().map(|(_, function)| function));
        }
        let signatures = match self.options.arguments {
            true => Signatures::of(self.all_btf(|owner| asked.covers_place(owner))),
            false => Signatures::default(),
        };
        for (module, function) in found {
            match module {
                "" => writeln!(self.out, "{}:{function}", row.name)?,
                _ => writeln!(self.out, "{}:{module}:{function}", row.name)?,
            }
            if let Some((btf, id)) = signatures.find(module, function) {
                self.arguments(&arguments(btf, id, row.id))?;
            }
        }
        Ok(())
    }

    /// Functions of loaded BPF programs, by number and name: `fentry:bpf:12:NAME`.
    fn program_functions(&mut self, row: &Provider, asked: Asked<'_>) -> io::Result<()> {
        let (program, name) = asked.name.split_once(':').unwrap_or(("*", asked.name));
        let fits =
            |found: &Function| glob::matches(program, &found.program.to_string()) && glob::matches(name, &found.name);
        let found = programs::functions().into_iter().filter(fits);
        let mut lines: Vec<String> = found.map(|found| format!("{}:{}", found.program, found.name)).collect();
        lines.sort_unstable();
        lines.iter().try_for_each(|line| writeln!(self.out, "{}:bpf:{line}", row.name))
    }

    pub(super) fn fentries(&mut self, row: &Provider, asked: Asked<'_>, named: bool) -> io::Result<()> {
        if asked.place == Some("bpf") {
            return self.program_functions(row, asked);
        }
        if self.btf().is_none() {
            return Ok(());
        }
        // Without ftrace's list all functions stand, and the symbols would say no more than BTF does.
        let list = self.take_traceable(false);
        let mut by_module: HashMap<&str, Vec<&str>> = HashMap::new();
        let complete = list.as_ref().filter(|list| list.complete);
        for (module, function) in complete.into_iter().flat_map(Traceable::iter) {
            if asked.covers_place(module) && asked.covers_name(function) {
                by_module.entry(module).or_default().push(function);
            }
        }
        by_module.values_mut().for_each(|functions| functions.sort_unstable());
        let mut any = false;
        let mut result = Ok(());
        'all: for (owner, btf) in self.all_btf(|owner| asked.covers_place(owner)) {
            let mut found: Vec<(&str, TypeId)> = functions(&btf).filter(|(name, _)| asked.covers_name(name)).collect();
            found.sort_unstable();
            found.dedup_by_key(|(name, _)| *name);
            let traceable = by_module.get(owner.as_str()).map_or(&[][..], Vec::as_slice);
            for (function, id) in found {
                let listed = complete.is_none() || traceable.binary_search(&function).is_ok();
                if !listed || !proto(&btf, id).is_some_and(|proto| is_passed_on(&proto)) {
                    continue;
                }
                any = true;
                result = writeln!(self.out, "{}:{owner}:{function}", row.name);
                if result.is_ok() && self.options.arguments {
                    result = self.arguments(&arguments(&btf, id, row.id));
                }
                if result.is_err() {
                    break 'all;
                }
            }
        }
        if named && !any && !glob::is_pattern(asked.name) {
            let all: Vec<String> = self
                .all_btf(|owner| asked.covers_place(owner))
                .flat_map(|(_, btf)| functions(&btf).map(|(name, _)| name.to_owned()).collect::<Vec<_>>())
                .collect();
            self.hint("function with typed arguments", asked.name, all);
        }
        if list.is_some() {
            let _ = self.traceable.set(list);
        }
        result
    }

    /// Lists one function that is known to be there.
    pub(super) fn one_function(&mut self, row: &Provider, asked: Asked<'_>) -> io::Result<()> {
        let name = asked.name.split('+').next().unwrap_or(asked.name);
        match asked.place {
            Some(module) => writeln!(self.out, "{}:{module}:{name}", row.name)?,
            None => writeln!(self.out, "{}:{name}", row.name)?,
        }
        if !self.options.arguments {
            return Ok(());
        }
        let found = self
            .all_btf(|owner| asked.covers_place(owner))
            .find_map(|(_, btf)| Some((btf.find(Kind::Func, name).ok()??, btf)));
        match found {
            Some((id, btf)) => self.arguments(&arguments(&btf, id, row.id)),
            None => Ok(()),
        }
    }

    /// The functions that can be traced, which are read once and given back afterwards; a complete list, or what there
    /// is.
    fn take_traceable(&mut self, any: bool) -> Option<Traceable> {
        if let Some(list) = self.traceable.take() {
            return list.filter(|list| any || list.complete);
        }
        let file = self.options.functions.clone();
        let read = match any {
            true => Traceable::read(file.as_deref(), self.tracefs()).map(Some),
            false => Traceable::read_complete(file.as_deref(), self.tracefs()),
        };
        read.unwrap_or_else(|error| {
            let name = file.map_or("the kernel's functions".to_owned(), |file| file.display().to_string());
            self.warn(format!("cannot read {name}: {error}"));
            None
        })
    }
}

/// The functions of all files by name, for looking up many.
#[derive(Default)]
pub(super) struct Signatures {
    files: Vec<(String, Arc<Btf>)>,
    /// File and id by the function's name, sorted by name and in the order of the files.
    functions: Vec<(String, usize, TypeId)>,
}

impl Signatures {
    pub(super) fn of(files: impl Iterator<Item = (String, Arc<Btf>)>) -> Self {
        let files: Vec<(String, Arc<Btf>)> = files.collect();
        let mut functions: Vec<(String, usize, TypeId)> = files
            .iter()
            .enumerate()
            .flat_map(|(index, (_, btf))| self::functions(btf).map(move |(name, id)| (name.to_owned(), index, id)))
            .collect();
        functions.sort_unstable();
        Self { files, functions }
    }

    /// The function of this name, in this module if one is given.
    pub(super) fn find(&self, module: &str, function: &str) -> Option<(&Btf, TypeId)> {
        let first = self.functions.partition_point(|(name, _, _)| name.as_str() < function);
        let same = self.functions[first..].iter().take_while(|(name, _, _)| name == function);
        let mut fitting = same.filter(|(_, file, _)| module.is_empty() || self.files[*file].0 == module);
        fitting.next().map(|(_, file, id)| (&*self.files[*file].1, *id))
    }
}

/// The functions that a file describes.
fn functions(btf: &Btf) -> impl Iterator<Item = (&str, TypeId)> {
    const FUNCTIONS: &[Kind] = &[Kind::Func];
    btf.types_of(FUNCTIONS).into_iter().flatten().map(|ty| (ty.name(), ty.id))
}

pub(super) fn proto(btf: &Btf, function: TypeId) -> Option<Type<'_>> {
    let proto = btf.resolve(btf.type_at(function).ok()?.target()?).ok()?;
    (proto.kind == Kind::FuncProto).then_some(proto)
}

/// Whether the kernel passes such a function's arguments on to programs.
fn is_passed_on(proto: &Type<'_>) -> bool {
    let mut count = 0;
    let mut last = None;
    for param in proto.params() {
        (count, last) = (count + 1, Some(param));
    }
    let variadic = last.is_some_and(|param| param.name.is_empty() && param.type_id == TypeId::VOID);
    !variadic && count <= MOST_ARGS
}

/// What a probe's body can use: parameters by name where there is `args`, by number in a kprobe, and what is returned.
fn arguments(btf: &Btf, function: TypeId, provider: ProviderId) -> Vec<String> {
    let Some(proto) = proto(btf, function) else { return Vec::new() };
    let returned = proto.target().filter(|id| *id != TypeId::VOID).and_then(|id| spelled(btf, id, "retval"));
    match provider {
        ProviderId::Kprobe => {
            // Floating-point numbers come in other registers and are not counted.
            let is_float = |param: &Param<'_>| btf.type_at(param.type_id).is_ok_and(|ty| ty.kind == Kind::Float);
            let counted = proto.params().filter(|param| !is_float(param)).enumerate();
            counted.filter_map(|(index, param)| spelled(btf, param.type_id, &format!("arg{index}"))).collect()
        }
        ProviderId::Kretprobe => vec![returned.unwrap_or_else(|| "void".to_owned())],
        ProviderId::Fexit => proto.params().filter_map(|param| parameter(btf, &param)).chain(returned).collect(),
        _ => proto.params().filter_map(|param| parameter(btf, &param)).collect(),
    }
}
