//! Programs that many attach points share, and how such a program knows for which of them it runs.
//!
//! A body that asks for `probe` or `func` needs to know, and so does a program that picks some system calls out of all.
//! The answer is an index: given with the link as its cookie, or found by the system call's number in a table. Texts
//! are then read from a table of slots. Tables lie in `.bss`, where user space writes them before anything runs.

use crate::layout::Layout;
use lang::diag::Diagnostic;
use lang::target::{Features, ProgramType};
use lang::typed;

/// Up to so many attach points have a program each if the body asks for their names: a name that is known is a few
/// stores of constants, and the kernel takes about a millisecond to load a program.
const SEPARATE: usize = 16;

/// How a program finds out for which of its attach points it runs.
#[derive(Clone, Copy, Debug)]
pub enum Selector {
    /// Its link's cookie is the index.
    Cookie,
    /// The system call's number leads to a word of a table: the index and one, or 0 for calls that are not meant.
    Number {
        /// Offset of the table in `.bss`.
        table: u32,
        /// How many words it has.
        length: u32,
    },
}

/// Texts in `.bss`, one for each attach point.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    /// Offset of the first.
    pub offset: u32,
    /// Bytes from one to the next.
    pub stride: u32,
}

/// What a program that attach points share knows of them.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// How the index is found.
    pub selector: Selector,
    /// How many attach points there are.
    pub count: u32,
    /// What `probe` says, if it is asked for.
    pub names: Option<Texts>,
    /// What `func` says, if it is asked for.
    pub functions: Option<Texts>,
}

/// Whether two attach points of a probe can have one program, as far as telling them apart goes.
pub fn can_share(probe: &typed::Probe, point: &typed::Point, features: Features) -> bool {
    let context = &point.context;
    let cookies = match context.program {
        ProgramType::RawTracepoint | ProgramType::BtfTracepoint => features.raw_tracepoint_cookies,
        ProgramType::Iter => false,
        program if program.packet().is_some() => false,
        _ => features.cookies,
    };
    !probe.uses_name || context.guard.is_some() || (cookies && probe.points.len() > SEPARATE)
}

/// Makes the tables of a program for these attach points; `None` if it needs none.
///
/// Fails if the names would take more memory than a script may have for this.
pub fn share(
    probe: &typed::Probe,
    points: &[&typed::Point],
    layout: &mut Layout,
) -> Result<Option<Shared>, Diagnostic> {
    let by_number = points.iter().any(|point| point.context.guard.is_some());
    if points.len() < 2 || !(by_number || probe.uses_name) {
        return Ok(None);
    }
    if probe.uses_name {
        check_size(probe, points)?;
    }
    let selector = match by_number {
        true => by_system_call(points, layout),
        false => Selector::Cookie,
    };
    let longest = |text: fn(&typed::Point) -> Option<&str>| {
        // Slots of all the probe's programs are of one size, that of the value.
        probe.points.iter().filter_map(text).map(str::len).max().map(|length| (length as u32 + 1).next_multiple_of(8))
    };
    let mut texts = |text: fn(&typed::Point) -> Option<&str>| {
        let stride = longest(text).filter(|_| probe.uses_name)?;
        let mut bytes = vec![0; stride as usize * points.len()];
        for (slot, point) in bytes.chunks_exact_mut(stride as usize).zip(points) {
            let text = text(point).unwrap_or_default();
            slot[..text.len()].copy_from_slice(text.as_bytes());
        }
        Some(Texts { offset: layout.add_table(bytes), stride })
    };
    let names = texts(|point| Some(&point.name));
    let functions = texts(|point| point.attach.function());
    Ok(Some(Shared { selector, count: points.len() as u32, names, functions }))
}

/// A name takes as much memory as the longest one, for any of them may become a key.
fn check_size(probe: &typed::Probe, points: &[&typed::Point]) -> Result<(), Diagnostic> {
    const MOST: usize = 64 << 20;
    let longest = probe.points.iter().map(|point| point.name.len() + 1).max().unwrap_or(0);
    let bytes = longest.saturating_mul(points.len());
    if bytes <= MOST {
        return Ok(());
    }
    let title = format!(
        "the names of {} attach points take {} MB, the longest having {longest} bytes; there are {} MB for them",
        points.len(),
        bytes >> 20,
        MOST >> 20
    );
    let help = "narrow the pattern, or do without `probe` and `func`";
    Err(Diagnostic::error(points[0].span, title).with_help(help))
}

fn by_system_call(points: &[&typed::Point], layout: &mut Layout) -> Selector {
    let numbers = || points.iter().map(|point| point.context.guard.as_ref().map_or(0, |guard| guard.expected));
    let length = numbers().max().unwrap_or(0) + 1;
    let mut words = vec![0u64; length as usize];
    for (index, number) in numbers().enumerate() {
        words[number as usize] = index as u64 + 1;
    }
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    Selector::Number { table: layout.add_table(bytes), length }
}
