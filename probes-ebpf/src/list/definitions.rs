//! Types of the kernel: `struct NAME`, `union NAME`, `enum NAME`.

use super::Lister;
use crate::btf::{Kind, TypeId};
use lang::glob;
use lang::nearest::nearest;
use std::collections::HashSet;
use std::io;

/// Words that begin the name of a type, and what they name.
const WORDS: &[(&str, &[Kind])] =
    &[("struct", &[Kind::Struct]), ("union", &[Kind::Union]), ("enum", &[Kind::Enum, Kind::Enum64])];

/// Whether a pattern is for types.
pub(super) fn is_type(pattern: &str) -> bool {
    split(pattern).is_some()
}

fn split(pattern: &str) -> Option<(&'static str, &'static [Kind], &str)> {
    let (word, name) = pattern.split_once(' ')?;
    let (word, kinds) = WORDS.iter().find(|(known, _)| *known == word)?;
    Some((word, kinds, name))
}

impl Lister<'_> {
    /// Lists the names that the kernel's enums give to numbers, in no order.
    ///
    /// # Errors
    /// As [`Lister::list`].
    pub fn constants(&mut self) -> io::Result<()> {
        let Some(btf) = self.btf() else { return Ok(()) };
        let enums = btf.types_of(&[Kind::Enum, Kind::Enum64]).into_iter().flatten();
        enums.flat_map(|ty| ty.enumerators()).try_for_each(|constant| writeln!(self.out, "{}", constant.name))?;
        self.out.flush()
    }

    /// Lists types by name or with their definitions. One that several files have is listed once, from the kernel proper
    /// if it has it.
    pub(super) fn definitions(&mut self, pattern: &str) -> io::Result<()> {
        let Some((word, kinds, pattern)) = split(pattern) else { return Ok(()) };
        if self.btf().is_none() {
            self.warn("this kernel does not tell its types (no BTF)".to_owned());
            return Ok(());
        }
        let mut files: Vec<_> = self.all_btf(|_| true).collect();
        // A stable sort: the modules stay in order.
        files.sort_by_key(|(owner, _)| owner != "vmlinux");
        let mut seen: HashSet<&str> = HashSet::new();
        let mut found: Vec<(&str, usize, TypeId)> = Vec::new();
        for (index, (_, btf)) in files.iter().enumerate() {
            for ty in btf.types_of(kinds).into_iter().flatten() {
                let name = ty.name();
                if !name.is_empty() && glob::matches(pattern, name) && seen.insert(name) {
                    found.push((name, index, ty.id));
                }
            }
        }
        if found.is_empty() && !glob::is_pattern(pattern) {
            let all = files.iter().flat_map(|(_, btf)| btf.types_of(kinds).into_iter().flatten());
            let near = nearest(pattern, all.map(|ty| ty.name()), 3);
            let help = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) };
            self.warn(format!("the kernel has no type '{word} {pattern}'{help}"));
        }
        found.sort_unstable();
        for (name, index, id) in found {
            let (owner, btf) = &files[index];
            match self.options.arguments.then(|| btf.c_definition(id)) {
                None => writeln!(self.out, "{word} {name}")?,
                Some(Ok(text)) => writeln!(self.out, "{owner}: {text};\n")?,
                Some(Err(error)) => self.warn(format!("{word} {name}: {error}")),
            }
        }
        Ok(())
    }
}
