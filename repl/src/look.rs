//! What a terminal can show, and what its user wants to see there.
//!
//! Decided once, for standard output and standard error each: `--color` comes first, then the environment
//! (`RTRACE_COLOR`, `BPFTRACE_COLOR`), then whether it is a terminal at all, one that knows colours, of a user who did not
//! set `NO_COLOR`.

use crate::args::{Args, When};
use clap::ValueEnum;
use lang::config::environment_text;
use lang::highlight::Class;
use runtime::output::paint::Paint;
use rustix::fd::AsFd;
use rustix::termios::{isatty, tcgetwinsize};

/// What one of the two shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Colours.
    pub color: bool,
    /// Its locale knows more than ASCII.
    pub is_utf8: bool,
    /// Its columns, if it is a terminal.
    pub width: Option<usize>,
}

/// When there are to be colours, and what the environment asks for if that is none of the values allowed.
pub fn asked(given: Option<When>) -> (When, Option<String>) {
    match (given, environment_text("color", crate::run::environment)) {
        (Some(when), _) => (when, None),
        (None, None) => (When::Auto, None),
        (None, Some(text)) => match When::from_str(&text, false) {
            Ok(when) => (when, None),
            Err(_) => (When::Auto, Some(text)),
        },
    }
}

impl Look {
    /// What to show there.
    pub fn of(there: impl AsFd, when: When) -> Self {
        let is_terminal = isatty(&there);
        let color = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !is_dumb() && is_unset("NO_COLOR"),
        };
        Self { color, is_utf8: is_utf8(), width: width(there) }
    }
}

/// The columns of a terminal, if it is one and says so.
pub fn width(there: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(&there).ok().filter(|_| isatty(&there));
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// How the output proper is drawn. What does not go to a terminal is as bpftrace has it, unless something else was asked
/// for.
pub fn paint(args: &Args) -> Paint {
    painted(args, args.output.is_none() && isatty(std::io::stdout()))
}

/// How standard output is drawn on, which is a terminal, wherever the output proper goes.
pub fn screen(args: &Args) -> Paint {
    painted(args, true)
}

fn painted(args: &Args, is_terminal: bool) -> Paint {
    /// Of a terminal that does not say how wide it is.
    const WIDTH: usize = 80;
    let (when, _) = asked(args.color);
    if when == When::Never || when == When::Auto && !is_terminal {
        return Paint::default();
    }
    let look = Look::of(std::io::stdout(), when);
    let blocks = look.is_utf8 && (when == When::Always || !is_dumb());
    Paint { color: look.color, blocks: blocks.then(|| look.width.unwrap_or(WIDTH)) }
}

fn is_unset(name: &str) -> bool {
    std::env::var_os(name).is_none_or(|value| value.is_empty())
}

/// Knows no escape sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the locale is one of UTF-8: what setlocale(3) asks, in its order. That nothing is set tells nothing: most
/// terminals show UTF-8.
fn is_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|text| !text.is_empty());
    locale.is_none_or(|name| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

/// What has a colour on the line that is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A part of the language.
    Class(Class),
    /// A command that there is.
    Command,
    /// A bracket at the cursor, and the one that belongs to it.
    Partner,
    /// What the user need not read.
    Hint,
    /// The part of it that matters now.
    HintNow,
}

/// How a part is shown: parameters of a terminal's `SGR`. Only the sixteen colours are used that users choose for
/// themselves, so that it can be read on any background; maps are as in the output.
pub fn code(part: Part) -> &'static str {
    match part {
        Part::Class(Class::Comment) | Part::Hint => "90",
        Part::Class(Class::Directive | Class::Keyword | Class::Provider) => "35",
        Part::Class(Class::Type) => "34",
        Part::Class(Class::Function | Class::Builtin) => "36",
        Part::Class(Class::Map) => "1",
        Part::Class(Class::Variable) => "94",
        Part::Class(Class::Number) => "33",
        Part::Class(Class::Text) => "32",
        Part::Class(Class::Escape) => "1;32",
        Part::Class(Class::Stray) => "1;31",
        Part::Command => "1;36",
        Part::Partner => "1;4",
        Part::HintNow => "4;90",
    }
}
