//! `:help`, and `rtrace --doc`: what commands do, and what the tables of the language say of everything else.

use super::super::session::Session;
use super::super::{Next, width};
use super::{COMMANDS, Command, find};
use crate::wrap;
use lang::topics::{self, Kind, list, table};
use runtime::session::RunError;

/// The commands by what they are about. What stands in none of these comes last.
const THEMES: &[(&str, &[&str])] = &[
    ("probes and maps", &["probes", "off", "on", "rm", "edit", "edit!", "maps", "watch", "stats", "asm", "clif"]),
    ("what there is", &["list", "fields", "type", "help"]),
    ("the session", &["set", "time", "save", "save!", "load", "reset", "quit", "quit!"]),
];

/// How help is asked for at the prompt.
const ASK: &str = ":help";

/// Helps.
pub fn help(session: &mut Session<'_>, about: &str) -> Result<Next, RunError> {
    if about.is_empty() {
        session.say_words(
            "A probe is attached when it is entered: tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }\n\
             A statement is run at once, an expression is shown with its type, and a map with what it holds: @\n\n",
        );
        session.say(&commands(width()));
        session.say("\n");
    }
    let macros = session.macro_texts(about);
    if !macros.is_empty() {
        session.say(&macros.iter().map(|text| format!("{text}\n")).collect::<String>());
        return Ok(Next::Go);
    }
    match answer(about, ASK, width()) {
        Ok(text) => session.say(&text),
        Err((title, help)) => session.reporter().plain(&title, Some(&help)),
    }
    Ok(Next::Go)
}

/// What is to be read about a topic or a kind of topic, or what there is to `ask` about; or that there is no such topic,
/// and what is like it.
pub fn answer(about: &str, ask: &str, width: usize) -> Result<String, (String, String)> {
    let about = about.trim();
    if about.is_empty() {
        return Ok(overview(ask, width));
    }
    if about == "commands" {
        return Ok(commands(width));
    }
    if let Some(name) = about.strip_prefix(':') {
        return find(name).map(|command| one(command, width));
    }
    let found = topics::find(about);
    // `config` is a function, a statement and a kind; `print` is nothing but a function.
    let kind = Kind::by_name(about).map(|kind| list(&topics::of_kind(kind), width));
    let command = COMMANDS.iter().find(|command| command.name == about).map(|command| one(command, width));
    let texts: Vec<String> = found.iter().map(|topic| topic.text(width)).chain(kind).chain(command).collect();
    if !texts.is_empty() {
        return Ok(texts.join("\n"));
    }
    // The beginning of a command is as good as the whole.
    if let Ok(command) = find(about) {
        return Ok(one(command, width));
    }
    let near = topics::like(about, COMMANDS.iter().map(|command| command.name));
    let help = near.map_or_else(
        || format!("{ask} alone says what there is help about"),
        |near| match COMMANDS.iter().any(|command| command.name == near) && topics::find(&near).is_empty() {
            true => format!("did you mean :{near}?"),
            false => format!("did you mean {near}?"),
        },
    );
    Err((format!("there is no topic {about}"), help))
}

fn usage(command: &Command) -> String {
    format!(":{} {}", command.name, command.takes).trim_end().to_owned()
}

fn one(command: &Command, width: usize) -> String {
    table(&[(&usage(command), command.help)], width)
}

fn overview(ask: &str, width: usize) -> String {
    let kinds = Kind::ALL.iter().map(|kind| (kind.name(), kind.describe()));
    let kinds = kinds.chain([("commands", "commands of the prompt, as :probes")]);
    let rows: Vec<(String, &str)> = kinds.map(|(kind, said)| (format!("{ask} {kind}"), said)).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(name, said)| (name.as_str(), *said)).collect();
    let last = format!("{ask} NAME explains one of all these: {ask} hist, {ask} kprobe, {ask} :off\n");
    format!("{}\n{}", table(&rows, width), wrap::text(&last, width))
}

/// The commands by themes.
fn commands(width: usize) -> String {
    let others: Vec<&str> = COMMANDS
        .iter()
        .map(|command| command.name)
        .filter(|name| !THEMES.iter().any(|(_, names)| names.contains(name)))
        .collect();
    let mut text = String::new();
    for (theme, names) in THEMES.iter().copied().chain([("more", &others[..])]) {
        let rows: Vec<(String, &str)> = names
            .iter()
            .filter_map(|name| COMMANDS.iter().find(|command| command.name == *name))
            .map(|command| (format!("  {}", usage(command)), command.help))
            .collect();
        if !rows.is_empty() {
            let rows: Vec<(&str, &str)> = rows.iter().map(|(name, said)| (name.as_str(), *said)).collect();
            text += &format!("{theme}\n{}", table(&rows, width));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(about: &str) -> String {
        answer(about, ASK, 78).unwrap_or_else(|(title, help)| format!("ERROR {title}; {help}"))
    }

    #[test]
    fn topics_of_all_kinds_are_explained() {
        for (about, part) in [
            ("", ":help functions"),
            ("", ":help NAME explains"),
            ("commands", "probes and maps"),
            ("commands", "  :quit!"),
            ("functions", "strftime"),
            ("config", "max_map_keys"),
            ("config", "config = { name = value; ... }"),
            ("hist", "aggregation: hist(n), hist(n, k)"),
            ("k", "probe provider: kprobe:FUNCTION"),
            ("tcp.dport", "uint16"),
            (":off", ":off N...  detach"),
            ("off", ":off N...  detach"),
            ("nosuchthing", "ERROR there is no topic nosuchthing; :help alone says what there is help about"),
            ("hits", "ERROR there is no topic hits; did you mean hist?"),
            ("probess", "ERROR there is no topic probess; did you mean"),
            (":nosuch", "ERROR there is no command :nosuch"),
        ] {
            let text = said(about);
            assert!(text.contains(part), "{about}: {text}");
        }
    }

    #[test]
    fn every_command_has_a_theme() {
        let listed = said("commands");
        assert!(!listed.contains("\nmore\n"), "give it a place in THEMES:\n{listed}");
        for command in COMMANDS {
            assert!(listed.contains(&usage(command)), "{}", command.name);
        }
    }
}
