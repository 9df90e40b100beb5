//! One program for the entry and the return of functions.
//!
//! From 6.10 on a kernel has kprobe sessions: one link whose program runs when a function is entered and again when it
//! returns, and asks which of the two it is. That is one trampoline for a call instead of two. What a script writes as a
//! `kprobe` and a `kretprobe` of the same functions is compiled as ever, and the two programs are put behind one question
//! here; nothing before this knows of sessions.

use crate::encode::{Code, Reloc};
use crate::insn::{Insn, REGISTER, alu, class, jmp, pseudo};
use crate::object::{Function, Program};
use crate::symbol::Symbol;
use cranelift_codegen::ir::SourceLoc;
use lang::target::{Attach, ProgramType};
use lang::typed;

/// Puts each pair of programs for the entry and the return of the same functions together. `is_return` gives the
/// question's place among the kernel functions that the object calls; it is asked only if there is a pair.
pub fn join(programs: Vec<Program>, probes: &[typed::Probe], is_return: &mut dyn FnMut() -> u32) -> Vec<Program> {
    let mut slots: Vec<Option<Program>> = programs.into_iter().map(Some).collect();
    for entry in 0..slots.len() {
        let Some(returning) = partner(&slots, entry, probes) else { continue };
        let Some(pair) = slots[entry].as_ref().zip(slots[returning].as_ref()) else { continue };
        if let Some(joined) = both(pair.0, pair.1, is_return) {
            slots[entry] = Some(joined);
            slots[returning] = None;
        }
    }
    slots.into_iter().flatten().collect()
}

/// The one program for the return from the functions whose entry this program is for. Which of several is meant is not
/// ours to say.
fn partner(slots: &[Option<Program>], entry: usize, probes: &[typed::Probe]) -> Option<usize> {
    let entry = slots[entry].as_ref().filter(|program| is_whole(program, false, probes))?;
    let mut found = (0..slots.len()).filter(|&index| {
        slots[index].as_ref().is_some_and(|program| {
            is_whole(program, true, probes)
                && program.points.len() == entry.points.len()
                && program.points.iter().zip(&entry.points).all(|(a, b)| function(&a.attach) == function(&b.attach))
        })
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Whether a program is for all of a probe that has one written attach point, on the side that is asked for. A probe
/// that asks for its name is left alone, for the two names are not the same.
fn is_whole(program: &Program, on_return: bool, probes: &[typed::Probe]) -> bool {
    let probe = &probes[program.probe];
    let span = program.points[0].span;
    program.kind == ProgramType::KprobeMulti
        && !probe.uses_name
        && probe.points.len() == program.points.len()
        && program.points.iter().all(|point| {
            point.span == span && matches!(point.attach, Attach::Kprobe { on_return: side, .. } if side == on_return)
        })
}

fn function(attach: &Attach) -> Option<&str> {
    match attach {
        Attach::Kprobe { function, .. } => Some(function),
        _ => None,
    }
}

/// Both programs behind the question; none if the second is too far away for a short jump.
fn both(entry: &Program, returning: &Program, is_return: &mut dyn FnMut() -> u32) -> Option<Program> {
    /// Of the first four, the kernel's function changes all but r6, and a program wants its context in r1.
    const CONTEXT: u8 = 1;
    const KEPT: u8 = 6;
    const ANSWER: u8 = 0;
    let distance = i16::try_from(entry.code.insns.len()).ok()?;
    let copy = |dst, src| Insn { code: class::ALU64 | REGISTER | alu::MOV, dst, src, ..Insn::default() };
    let question = [
        copy(KEPT, CONTEXT),
        // Later kernels want the context as its argument, and it is there.
        Insn { code: class::JMP | jmp::CALL, src: pseudo::KFUNC_CALL, imm: -1, ..Insn::default() },
        copy(CONTEXT, KEPT),
        // A `bool` is one byte of the register.
        Insn { code: class::ALU64 | alu::AND, dst: ANSWER, imm: 0xff, ..Insn::default() },
        Insn { code: class::JMP | jmp::JNE, dst: ANSWER, off: distance, ..Insn::default() },
    ];
    let mut code = Code {
        relocs: vec![Reloc { at: 1, symbol: Symbol::Kfunc(is_return()), addend: 0 }],
        lines: vec![(0, SourceLoc::default())],
        frame: entry.code.frame.max(returning.code.frame),
        params: entry.code.params,
        insns: question.to_vec(),
    };
    append(&mut code, &entry.code);
    let first_span = entry.spans.len() as u32;
    append(&mut code, &moved(&returning.code, first_span));
    let functions = returning
        .functions
        .iter()
        .map(|function| Function { code: moved(&function.code, first_span), ..function.clone() });
    let clif = entry.clif.as_ref().zip(returning.clif.as_ref());
    Some(Program {
        kind: ProgramType::KprobeSession,
        code,
        functions: entry.functions.iter().cloned().chain(functions).collect(),
        spans: entry.spans.iter().chain(&returning.spans).copied().collect(),
        clif: clif.map(|(a, b)| (format!("{}\n{}", a.0, b.0), format!("{}\n{}", a.1, b.1))),
        ..entry.clone()
    })
}

/// Puts the instructions of one behind those of the other.
pub fn append(code: &mut Code, other: &Code) {
    let start = code.insns.len() as u32;
    code.insns.extend(&other.insns);
    code.relocs.extend(other.relocs.iter().map(|reloc| Reloc { at: reloc.at + start, ..*reloc }));
    code.lines.extend(other.lines.iter().map(|(at, location)| (at + start, *location)));
}

/// Code whose source locations count from this span on.
pub fn moved(code: &Code, first_span: u32) -> Code {
    let lines = code.lines.iter().map(|&(at, location)| match location.is_default() {
        true => (at, location),
        false => (at, SourceLoc::new(location.bits() + first_span)),
    });
    Code { lines: lines.collect(), ..code.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interp::Machine;
    use crate::object::{Object, Options, compile};
    use lang::target::fake::FakeTarget;
    use lang::{Settings, check, parse};

    /// A script's programs as a kernel with links for many functions has them, and its probes.
    fn compiled(script: &str) -> (Object, Vec<typed::Probe>) {
        let parsed = parse(script);
        let mut program = check(&parsed.script, &FakeTarget, &Settings::default()).program;
        let points = program.probes.iter_mut().flat_map(|probe| &mut probe.points);
        points
            .filter(|point| matches!(point.attach, Attach::Kprobe { .. }))
            .for_each(|point| point.context.program = ProgramType::KprobeMulti);
        let object = compile(&program, &FakeTarget, &Options::default()).expect("the script is short");
        (object, program.probes)
    }

    fn joined(script: &str) -> Vec<Program> {
        let (object, probes) = compiled(script);
        join(object.programs, &probes, &mut || 0)
    }

    fn kinds(script: &str) -> Vec<ProgramType> {
        joined(script).iter().map(|program| program.kind).collect()
    }

    #[test]
    fn only_a_clear_pair_is_joined() {
        use ProgramType::{KprobeMulti, KprobeSession, RawTracepoint};
        let pair = "begin { @ = 1; } kprobe:f { @a = 1; } kretprobe:f { @b = 1; }";
        assert_eq!(kinds(pair), [RawTracepoint, KprobeSession]);
        assert_eq!(kinds("kretprobe:f { @b = 1; } kprobe:f { @a = 1; }"), [KprobeSession]);
        let apart = [
            "kprobe:f { @a = 1; } kretprobe:g { @b = 1; }",
            "kprobe:f { @a = 1; } kprobe:f { @b = 1; }",
            "kprobe:f, kretprobe:f { @a = 1; }",
            "kprobe:f { @a[probe] = 1; } kretprobe:f { @b = 1; }",
        ];
        for script in apart {
            assert_eq!(kinds(script), [KprobeMulti; 2], "{script}");
        }
        assert_eq!(kinds("kprobe:f, kprobe:g { @a = 1; } kretprobe:f, kretprobe:g { @b = 1; }"), [KprobeMulti; 2]);
        let three = "kprobe:f { @a = 1; } kretprobe:f { @b = 1; } kretprobe:f { @c = 1; }";
        assert_eq!(kinds(three), [KprobeMulti; 3]);
        let twice = "kprobe:f { @a = 1; } kretprobe:f { @b = 1; } kprobe:f { @c = 1; }";
        assert_eq!(kinds(twice), [KprobeSession, KprobeMulti]);
        let both = "kprobe:f { @a = 1; } kprobe:g { @c = 1; } kretprobe:g { @d = 1; } kretprobe:f { @b = 1; }";
        assert_eq!(kinds(both), [KprobeSession; 2]);
    }

    #[test]
    fn the_answer_picks_the_side_and_the_context_stays() {
        let (mut object, probes) = compiled("kprobe:f { @a = 1; } kretprobe:f { @b = 1; }");
        // r0 = r1; r0 += SIDE; exit
        for (side, program) in (1..).zip(&mut object.programs) {
            program.code.insns = vec![
                Insn { code: class::ALU64 | REGISTER | alu::MOV, dst: 0, src: 1, ..Insn::default() },
                Insn { code: class::ALU64 | alu::ADD, dst: 0, imm: side, ..Insn::default() },
                Insn { code: class::JMP | jmp::EXIT, ..Insn::default() },
            ];
        }
        let programs = join(object.programs, &probes, &mut || 7);
        assert_eq!(programs[0].code.relocs[0].symbol, Symbol::Kfunc(7));
        // What is above the byte of a `bool` is anything.
        for (answer, result) in [(0, 1001), (0xff00, 1001), (1, 1002), (0xff01, 1002)] {
            let mut machine = Machine::new(Vec::new());
            machine.helper = Box::new(move |_, _| answer);
            assert_eq!(machine.run(&programs[0].code.insns, 1000), Ok(result), "{answer:#x}");
        }
    }

    #[test]
    fn places_and_references_move_along() {
        let script =
            "kprobe:f { @a[tid] = arg2; } kretprobe:f { for ($i : 0..retval) { print($i); } @b[tid] = retval; }";
        let (object, probes) = compiled(script);
        let [entry, returning] = [0, 1].map(|index| object.programs[index].clone());
        let programs = join(object.programs, &probes, &mut || 0);
        let [session] = programs.as_slice() else { panic!("one program is left") };
        let texts = |program: &Program, slots: std::ops::Range<usize>| -> Vec<Option<String>> {
            slots
                .map(|slot| {
                    program.span_at(slot as u32).map(|span| script[span.start as usize..span.end as usize].to_owned())
                })
                .collect()
        };
        let (first, second) = (entry.code.insns.len(), returning.code.insns.len());
        assert_eq!(texts(session, 0..5), vec![None; 5]);
        assert_eq!(texts(session, 5..5 + first), texts(&entry, 0..first));
        assert_eq!(texts(session, 5 + first..5 + first + second), texts(&returning, 0..second));
        assert_eq!(session.functions.len(), entry.functions.len() + returning.functions.len());
        assert_eq!(session.code.frame, entry.code.frame.max(returning.code.frame));
        let references = |code: &Code, start: u32| -> Vec<(u32, Symbol)> {
            code.relocs.iter().map(|reloc| (reloc.at + start, reloc.symbol)).collect()
        };
        let mut expected = vec![(1, Symbol::Kfunc(0))];
        expected.extend(references(&entry.code, 5));
        expected.extend(references(&returning.code, 5 + first as u32));
        assert_eq!(references(&session.code, 0), expected);
    }
}
