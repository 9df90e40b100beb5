//! Commands that look closer: types, arguments, code, what programs cost; and those that set something of the session.

use super::super::Next;
use super::super::session::Session;
use runtime::session::RunError;

/// So many entries of a listing are shown.
const LISTED: usize = 50;
/// So many probes are shown with their arguments.
const DETAILED: usize = 10;

/// Says that something is missing.
fn wants(session: &Session<'_>, what: &str, example: &str) -> Result<Next, RunError> {
    session.reporter().plain(what, Some(example));
    Ok(Next::Go)
}

/// Takes the option `-v` from the beginning.
fn verbose(text: &str) -> (bool, &str) {
    match text.strip_prefix("-v") {
        Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => (true, rest.trim()),
        _ => (false, text),
    }
}

/// Tells a type.
pub fn type_of(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    if text.is_empty() {
        return wants(session, ":type needs an expression, a map or a function", ":type nsecs / 2");
    }
    session.show_type(text);
    Ok(Next::Go)
}

/// Shows arguments or members.
pub fn fields(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    let (is_whole, text) = verbose(text);
    match text.split_whitespace().next() {
        None => {
            let help = ":fields tracepoint:sched:sched_switch, :fields struct task_struct";
            return wants(session, ":fields needs a probe or a structure", help);
        }
        Some("struct" | "union" | "enum") if text.contains(char::is_whitespace) => session.show_members(text, is_whole),
        Some(_) => session.show_arguments(text, DETAILED),
    }
    Ok(Next::Go)
}

/// Lists what can be traced.
pub fn list(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    let (arguments, pattern) = verbose(text);
    if pattern.is_empty() {
        return wants(session, ":list needs a pattern", ":list 'tracepoint:sched:*', without the quotes");
    }
    let pattern = pattern.trim_matches('\'');
    session.list(pattern, arguments, if arguments { DETAILED } else { LISTED });
    Ok(Next::Go)
}

/// Shows instructions.
pub fn asm(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    for number in super::probes::numbers(session, "asm", text) {
        session.show_instructions(number);
    }
    Ok(Next::Go)
}

/// Shows intermediate code.
pub fn clif(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    let (optimised, text) = match text.strip_prefix("-O") {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    };
    for number in super::probes::numbers(session, "clif", text) {
        session.show_clif(number, optimised);
    }
    Ok(Next::Go)
}

/// Measures programs.
pub fn stats(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    match text {
        "" | "on" => session.show_stats(),
        "off" => session.end_stats(),
        other => return wants(session, &format!(":stats takes nothing or off, not `{other}`"), ":stats, :stats off"),
    }
    Ok(Next::Go)
}

/// Sets a config variable, or lists them.
pub fn set(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    match text {
        "" => session.list_config(),
        text => session.set(text)?,
    }
    Ok(Next::Go)
}

/// Begins anew.
pub fn reset(session: &mut Session<'_>, _: &str) -> Result<Next, RunError> {
    session.reset()?;
    Ok(Next::Go)
}

/// Tells how long entries take.
pub fn time(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    let is_wanted = match text {
        "on" => true,
        "off" => false,
        "" => !session.is_timed(),
        other => return wants(session, &format!(":time is on or off, not `{other}`"), ":time on, :time off"),
    };
    session.time(is_wanted);
    Ok(Next::Go)
}
