//! One XDP program for all probes of an interface.
//!
//! An interface runs one XDP program, and a script may have several probes for it. Their programs are compiled as ever and
//! put one behind the other here, in the order of the script: the next one runs if the one before lets the packet pass.
//! What another one decides is final, as it is where the kernel runs programs one after the other.

use crate::encode::Code;
use crate::insn::{Insn, class, jmp, mode};
use crate::object::Program;
use crate::session::{append, moved};
use cranelift_codegen::ir::SourceLoc;
use lang::diag::Diagnostic;
use lang::probes::net::XdpMode;
use lang::target::{Attach, ProgramType};

/// The frame pointer, the register with the context at the start, and that of the result.
const FRAME: u8 = 10;
const CONTEXT: u8 = 1;
const RESULT: u8 = 0;

/// The size of a load or store, beside its mode.
const DOUBLE_WORD: u8 = 0x18;

/// A program's stack.
const MOST_FRAME: u32 = 512;

/// Puts the programs of each interface together.
///
/// Fails if they do not go into one, or ask for different modes.
pub fn join(programs: Vec<Program>) -> Result<Vec<Program>, Diagnostic> {
    let mut joined: Vec<Program> = Vec::new();
    for program in programs {
        match joined.iter_mut().find(|other| interface(other).is_some() && interface(other) == interface(&program)) {
            Some(other) => *other = both(other, &program)?,
            None => joined.push(program),
        }
    }
    Ok(joined)
}

/// The interface that a program is for, if it is for one only.
fn interface(program: &Program) -> Option<u32> {
    let mut points = program.points.iter().map(|point| index(&point.attach));
    let first = points.next()??;
    points.all(|other| other == Some(first)).then_some(first)
}

/// The number of the interface of an XDP program.
pub fn index(attach: &Attach) -> Option<u32> {
    match attach {
        Attach::Xdp { index, .. } => Some(*index),
        _ => None,
    }
}

fn both(first: &Program, second: &Program) -> Result<Program, Diagnostic> {
    let span = second.points[0].span;
    let other = first.points[0].span;
    let too_much = || {
        let title = "this probe and another one of the same interface do not go into one XDP program";
        let help = "make one probe of them, or trace at tc, which runs many programs";
        Diagnostic::error(span, title).with_help(help).with_related(other, "this is the other one")
    };
    // Both find the context where it is put first.
    let frame = first.code.frame.max(second.code.frame).next_multiple_of(8) + 8;
    let place = i16::try_from(frame).ok().filter(|_| frame <= MOST_FRAME).ok_or_else(too_much)?;
    let pass = ProgramType::Xdp.packet().map_or(0, |packet| packet.pass as i32);
    let keep = Insn { code: class::STX | DOUBLE_WORD | mode::MEM, dst: FRAME, src: CONTEXT, off: -place, imm: 0 };
    let between = [
        Insn { code: class::JMP | jmp::JEQ, dst: RESULT, off: 1, imm: pass, ..Insn::default() },
        Insn { code: EXIT, ..Insn::default() },
        Insn { code: class::LDX | DOUBLE_WORD | mode::MEM, dst: CONTEXT, src: FRAME, off: -place, imm: 0 },
    ];
    let mut code = Code {
        relocs: Vec::new(),
        lines: vec![(0, SourceLoc::default())],
        frame,
        params: first.code.params,
        insns: vec![keep],
    };
    append(&mut code, &onward(&first.code).ok_or_else(too_much)?);
    code.lines.push((code.insns.len() as u32, SourceLoc::default()));
    code.insns.extend(between);
    let first_span = first.spans.len() as u32;
    append(&mut code, &moved(&second.code, first_span));
    let functions = second
        .functions
        .iter()
        .map(|function| crate::object::Function { code: moved(&function.code, first_span), ..function.clone() });
    let mut points = first.points.clone();
    points.extend(second.points.iter().cloned());
    let mode = mode_of(&points).ok_or_else(|| {
        let title = "an interface runs one XDP program, in one mode";
        Diagnostic::error(span, title).with_related(other, "here another mode is asked for")
    })?;
    for point in &mut points {
        if let Attach::Xdp { mode: asked, .. } = &mut point.attach {
            *asked = mode;
        }
    }
    let clif = first.clif.as_ref().zip(second.clif.as_ref());
    Ok(Program {
        points,
        code,
        functions: first.functions.iter().cloned().chain(functions).collect(),
        spans: first.spans.iter().chain(&second.spans).copied().collect(),
        clif: clif.map(|(a, b)| (format!("{}\n{}", a.0, b.0), format!("{}\n{}", a.1, b.1))),
        ..first.clone()
    })
}

/// The one mode that is asked for.
fn mode_of(points: &[crate::object::Point]) -> Option<XdpMode> {
    let modes = points.iter().filter_map(|point| match point.attach {
        Attach::Xdp { mode, .. } => Some(mode),
        _ => None,
    });
    let mut asked = modes.filter(|mode| *mode != XdpMode::Any);
    let first = asked.next().unwrap_or(XdpMode::Any);
    asked.all(|other| other == first).then_some(first)
}

const EXIT: u8 = class::JMP | jmp::EXIT;

/// The same code, which goes on behind its end where it left; none if that is too far away for a short jump.
fn onward(code: &Code) -> Option<Code> {
    let end = code.insns.len();
    let mut onward = code.clone();
    for (at, insn) in onward.insns.iter_mut().enumerate().filter(|(_, insn)| insn.code == EXIT) {
        let off = i16::try_from(end - at - 1).ok()?;
        *insn = Insn { code: class::JMP | jmp::JA, off, ..Insn::default() };
    }
    Some(onward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Options, compile};
    use lang::target::fake::FakeTarget;
    use lang::{Settings, check, parse};

    fn joined(script: &str) -> Result<Vec<Program>, Diagnostic> {
        let settings = Settings { allow_unsafe: true, ..Settings::default() };
        let checked = check(&parse(script).script, &FakeTarget, &settings);
        assert!(checked.is_ok(), "{:?}", checked.diagnostics);
        compile(&checked.program, &FakeTarget, &Options::default()).map(|object| object.programs)
    }

    #[test]
    fn probes_of_one_interface_are_one_program_with_one_way_out_for_each() {
        let script = "xdp:eth0 { @a = count(); return XDP_DROP; } xdp:eth0 { @b = count(); } begin { @c = 1; }";
        let programs = joined(script).expect("they are short");
        assert_eq!(programs.iter().map(|program| program.points.len()).collect::<Vec<_>>(), [2, 1]);
        let exits = |program: &Program| program.code.insns.iter().filter(|insn| insn.code == EXIT).count();
        let alone = joined("xdp:eth0 { @b = count(); }").expect("it is short");
        assert_eq!(exits(&programs[0]), exits(&alone[0]) + 1);
        // Where an instruction comes from is still known.
        let last = programs[0].code.insns.len() as u32 - 1;
        let span = programs[0].span_at(last).expect("it comes from the second probe");
        assert!(span.start > script.find("@b").expect("it is there") as u32 - 20, "{span:?}");
    }

    #[test]
    fn modes_must_agree() {
        let programs = joined("xdp:eth0 { @a = 1; } xdp:eth0:skb { @b = 1; }").expect("one says nothing");
        let modes: Vec<_> = programs[0].points.iter().map(|point| &point.attach).collect();
        assert!(modes.iter().all(|attach| matches!(attach, Attach::Xdp { mode: XdpMode::Skb, .. })), "{modes:?}");
        let refused = joined("xdp:eth0:native { @a = 1; } xdp:eth0:skb { @b = 1; }").expect_err("they differ");
        assert!(refused.title.contains("in one mode"), "{}", refused.title);
    }
}
