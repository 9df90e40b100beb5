//! Commands about the probes and maps that a session has.

use super::super::Next;
use super::super::session::Session;
use runtime::session::RunError;

/// Lists the probes.
pub fn probes(session: &mut Session<'_>, _: &str) -> Result<Next, RunError> {
    session.list_probes();
    Ok(Next::Go)
}

/// Lists the maps.
pub fn maps(session: &mut Session<'_>, _: &str) -> Result<Next, RunError> {
    session.list_maps()?;
    Ok(Next::Go)
}

/// Takes probes off.
pub fn off(session: &mut Session<'_>, which: &str) -> Result<Next, RunError> {
    for number in numbers(session, "off", which) {
        session.off(number);
    }
    Ok(Next::Go)
}

/// Puts probes on again.
pub fn on(session: &mut Session<'_>, which: &str) -> Result<Next, RunError> {
    for number in numbers(session, "on", which) {
        session.on(number)?;
    }
    Ok(Next::Go)
}

/// Removes probes.
pub fn remove(session: &mut Session<'_>, which: &str) -> Result<Next, RunError> {
    for number in numbers(session, "rm", which) {
        session.remove(number)?;
    }
    Ok(Next::Go)
}

/// The probes that are named, with or without the sign before their number; none, with an error shown, if one of them is
/// not there.
pub(super) fn numbers(session: &Session<'_>, command: &str, text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        match word.trim_start_matches('#').parse() {
            Ok(number) if session.has_probe(number) => found.push(number),
            _ => {
                session.reporter().plain(&format!("there is no probe {word}"), Some(":probes lists them"));
                return Vec::new();
            }
        }
    }
    if found.is_empty() {
        session.reporter().plain(&format!(":{command} needs the number of a probe"), Some(":probes lists them"));
    }
    found
}
