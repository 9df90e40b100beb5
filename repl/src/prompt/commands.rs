//! The commands of the prompt. Each is a row; whoever obeys, helps or completes reads the rows.

mod probes;
mod watch;

use super::Next;
use super::session::Session;
use lang::nearest::nearest;
use runtime::session::RunError;

/// A command.
pub struct Command {
    /// Without the colon.
    pub name: &'static str,
    /// What follows the name.
    pub takes: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    act: Act,
}

/// What a command does, given what follows its name.
type Act = fn(&mut Session<'_>, &str) -> Result<Next, RunError>;

/// All commands.
pub static COMMANDS: &[Command] = &[
    Command { name: "help", takes: "[COMMAND]", help: "say what the commands do", act: help },
    Command { name: "maps", takes: "", help: "list the maps with their types and sizes", act: probes::maps },
    Command { name: "off", takes: "N...", help: "detach probes, and keep them", act: probes::off },
    Command { name: "on", takes: "N...", help: "attach them again", act: probes::on },
    Command { name: "probes", takes: "", help: "list the probes", act: probes::probes },
    Command { name: "quit", takes: "", help: "leave, and show the maps", act: quit },
    Command { name: "quit!", takes: "", help: "leave without showing the maps", act: quit_at_once },
    Command { name: "rm", takes: "N...", help: "remove probes", act: probes::remove },
    Command {
        name: "watch",
        takes: "[@MAP...] [every 1s]",
        help: "redraw maps until a key is pressed",
        act: watch::watch,
    },
];

/// Does what a line asks for, which comes without its colon.
pub fn obey(session: &mut Session<'_>, line: &str) -> Result<Next, RunError> {
    let (name, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    match find(name) {
        Ok(command) if command.takes.is_empty() && !rest.trim().is_empty() => {
            let help = format!(":{} takes nothing", command.name);
            session.reporter().plain(&format!("`{}` is one too many", rest.trim()), Some(&help));
            Ok(Next::Go)
        }
        Ok(command) => (command.act)(session, rest.trim()),
        Err((title, help)) => {
            session.reporter().plain(&title, Some(&help));
            Ok(Next::Go)
        }
    }
}

/// The command that is meant by a name or the beginning of one.
fn find(name: &str) -> Result<&'static Command, (String, String)> {
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command);
    }
    let begun: Vec<&Command> = COMMANDS.iter().filter(|command| command.name.starts_with(name)).collect();
    // `quit!` is only what it is called.
    let begun: Vec<&Command> = begun.into_iter().filter(|command| !command.name.ends_with('!')).collect();
    match &begun[..] {
        [one] => Ok(one),
        [] => {
            let near = nearest(name, COMMANDS.iter().map(|command| command.name), 1);
            let help = near.first().map(|near| format!("did you mean :{near}?"));
            Err((format!("there is no command :{name}"), help.unwrap_or_else(|| ":help lists the commands".to_owned())))
        }
        several => {
            let names: Vec<String> = several.iter().map(|command| format!(":{}", command.name)).collect();
            Err((format!(":{name} may be several commands"), names.join(", ")))
        }
    }
}

/// Whether a name, or the beginning of one, is a command.
pub fn is_known(name: &str) -> bool {
    find(name).is_ok()
}

/// The command that the beginning of a name can only mean.
pub fn meant(name: &str) -> Option<&'static Command> {
    find(name).ok()
}

fn help(session: &mut Session<'_>, about: &str) -> Result<Next, RunError> {
    let rows: Vec<&Command> = match about.trim_start_matches(':') {
        "" => COMMANDS.iter().collect(),
        name => match find(name) {
            Ok(command) => vec![command],
            Err((title, help)) => {
                session.reporter().plain(&title, Some(&help));
                return Ok(Next::Go);
            }
        },
    };
    let usage = |command: &Command| format!(":{} {}", command.name, command.takes);
    let width = rows.iter().map(|command| usage(command).len()).max().unwrap_or(0);
    let mut text = String::new();
    if about.is_empty() {
        text += "A probe is attached when it is entered: tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }\n\
                 A statement is run at once, an expression is shown with its type, and a map with what it holds: @\n\n";
    }
    for command in rows {
        text += &format!("{:<width$}  {}\n", usage(command), command.help);
    }
    session.say(&text);
    Ok(Next::Go)
}

fn quit(_: &mut Session<'_>, _: &str) -> Result<Next, RunError> {
    Ok(Next::Leave { code: 0, shows_maps: true })
}

fn quit_at_once(_: &mut Session<'_>, _: &str) -> Result<Next, RunError> {
    Ok(Next::Leave { code: 0, shows_maps: false })
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, find};

    #[test]
    fn rows_are_in_order() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
    }

    #[test]
    fn what_is_unambiguous_is_enough() {
        let found = |name| find(name).map(|command| command.name).map_err(|(title, help)| format!("{title}; {help}"));
        assert_eq!(found("p"), Ok("probes"));
        assert_eq!(found("q"), Ok("quit"));
        assert_eq!(found("quit!"), Ok("quit!"));
        assert_eq!(found("of"), Ok("off"));
        assert_eq!(found("o"), Err(":o may be several commands; :off, :on".to_owned()));
        assert_eq!(found("probs"), Err("there is no command :probs; did you mean :probes?".to_owned()));
        assert_eq!(found("zzz"), Err("there is no command :zzz; :help lists the commands".to_owned()));
    }
}
