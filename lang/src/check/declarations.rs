//! `let @name = kind(entries)`: what is declared of a map, and whether it is what the map is used for.

use crate::ast::MapDecl;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::typed::{Declared, MAP_KINDS, Map};
use crate::types::Type;

/// More entries the kernel would hardly have room for.
const MOST_ENTRIES: u64 = 1 << 30;

/// Hands each declaration to its map, and tells of those that do not fit. In a session (`goes_on`) the use of a map may
/// yet come, but not before its declaration; of each declaration was told when it was new.
pub fn declare(declarations: &[MapDecl], maps: &mut [Map], goes_on: bool, report: &mut Vec<Diagnostic>) {
    for (index, declaration) in declarations.iter().enumerate() {
        if declarations[..index].iter().any(|earlier| earlier.name.text == declaration.name.text) {
            let title = format!("@{} is declared already; this declaration has no effect", declaration.name.text);
            report.push(Diagnostic::warning(declaration.span, title));
            continue;
        }
        match declared(declaration) {
            Ok(declared) => match maps.iter_mut().find(|map| map.name == declaration.name.text) {
                Some(map) => report.extend(give(map, declared)),
                None if goes_on => {}
                None => {
                    let title = format!("Unused map: @{}", declaration.name.text);
                    report.push(Diagnostic::warning(declaration.span, title));
                }
            },
            Err(diagnostic) => report.push(diagnostic),
        }
    }
}

fn declared(declaration: &MapDecl) -> Result<Declared, Diagnostic> {
    let name = declaration.kind.text.as_str();
    let Some(kind) = MAP_KINDS.iter().find(|kind| kind.name == name) else {
        let valid: Vec<&str> = MAP_KINDS.iter().map(|kind| kind.name).collect();
        let mut help = format!("Valid map types: {}", valid.join(", "));
        if let Some(near) = nearest(name, valid, 1).first() {
            help = format!("did you mean {near}? {help}");
        }
        return Err(Diagnostic::error(declaration.span, format!("Invalid bpf map type: {name}")).with_help(help));
    };
    if !(1..=MOST_ENTRIES).contains(&declaration.entries) {
        let title = format!("a map has 1 to {MOST_ENTRIES} entries");
        return Err(Diagnostic::error(declaration.span, title));
    }
    Ok(Declared { kind, entries: declaration.entries as u32 })
}

/// Sets what is declared, unless the map holds what such a map cannot hold.
fn give(map: &mut Map, declared: Declared) -> Option<Diagnostic> {
    let per_cpu = matches!(map.value, Type::Aggregate(_));
    if per_cpu == declared.kind.per_cpu {
        map.declared = Some(declared);
        return None;
    }
    let found = if per_cpu { "percpuhash" } else { "hash" };
    let title = format!(
        "Incompatible map types. Type from declaration: {}. Type from value/key type: {found}",
        declared.kind.name
    );
    let help = match per_cpu {
        true => "count(), sum(), hist() and the like gather on each CPU: declare a percpuhash or percpulruhash",
        false => "a plain value is one for all CPUs: declare a hash or lruhash",
    };
    Some(Diagnostic::error(map.span, title).with_help(help))
}
