//! What the later stages of the compiler make of a script, for `-d`. `lang` shows its own trees.

use codegen::encode::Code;
use codegen::insn::listing;
use codegen::object::{self, Object};
use codegen::symbol::Symbol;
use lang::SourceMap;
use std::fmt::Write;

/// Cranelift IR of every program, before or after the mid-end.
pub fn clif(object: &Object, optimised: bool) -> String {
    let texts = object.programs.iter().flat_map(|program| {
        program.clif.iter().chain(program.functions.iter().filter_map(|function| function.clif.as_ref()))
    });
    texts.map(|(before, after)| if optimised { after.clone() } else { before.clone() }).collect::<Vec<_>>().join("\n")
}

/// The instructions of every program under the source lines they come from.
pub fn bpf(object: &Object, sources: &SourceMap) -> String {
    let mut text = String::new();
    for program in &object.programs {
        let points: Vec<&str> = program.points.iter().map(|point| point.name.as_str()).collect();
        let _ = writeln!(text, "{}: {} ({} bytes of stack)", program.section(), points.join(", "), program.code.frame);
        instructions(&mut text, object, program, &program.code, sources);
        for function in &program.functions {
            let _ = writeln!(text, "{} ({} bytes of stack)", function.name, function.code.frame);
            instructions(&mut text, object, program, &function.code, sources);
        }
        text.push('\n');
    }
    text
}

fn instructions(text: &mut String, object: &Object, program: &object::Program, code: &Code, sources: &SourceMap) {
    let mut shown = None;
    for line in listing(&code.insns).lines() {
        let slot = line.trim_start().split(':').next().and_then(|slot| slot.parse::<u32>().ok());
        let span = slot.and_then(|slot| program.span_in(code, slot));
        if span.is_some() && span != shown {
            shown = span;
            let place = span.map(|span| sources.of(span).slice(span).split('\n').next().unwrap_or("").to_owned());
            let _ = writeln!(text, "; {}", place.unwrap_or_default());
        }
        let symbol = code.relocs.iter().find(|reloc| Some(reloc.at) == slot);
        let named = symbol.and_then(|reloc| symbol_name(object, reloc.symbol).map(|name| (name, reloc.addend)));
        match named {
            Some((name, 0)) => writeln!(text, "{line}    ; {name}"),
            Some((name, addend)) => writeln!(text, "{line}    ; {name} +{addend}"),
            None => writeln!(text, "{line}"),
        }
        .unwrap_or_default();
    }
}

/// What a reference stands for, where the instruction itself shows only a number.
fn symbol_name(object: &Object, symbol: Symbol) -> Option<String> {
    match symbol {
        Symbol::Map(index) => object.layout.kernel_maps.get(index as usize).map(|map| map.name.clone()),
        Symbol::Data(section) => Some(section.name().to_owned()),
        Symbol::Subprogram(number) => {
            let functions = object.programs.iter().flat_map(|program| &program.functions);
            functions.filter(|function| function.number == number).map(|function| function.name.clone()).next()
        }
        Symbol::Helper(_) | Symbol::Kfunc(_) | Symbol::MayGoto => None,
    }
}
