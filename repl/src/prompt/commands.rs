//! The commands of the prompt. Each is a row; whoever obeys, helps or completes reads the rows.

mod files;
mod inspect;
mod probes;
mod topics;
mod watch;

use super::Next;
use super::session::Session;
use lang::nearest::nearest;
use runtime::session::RunError;
pub use topics::answer;

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
#[rustfmt::skip]
pub static COMMANDS: &[Command] = &[
    Command { name: "asm", takes: "N...", help: "show the instructions of probes", act: inspect::asm },
    Command { name: "clif", takes: "[-O] N...", help: "show the intermediate code of probes; -O: behind the mid-end", act: inspect::clif },
    Command { name: "edit", takes: "N", help: "edit probes at the prompt; they are replaced at once", act: files::edit },
    Command { name: "edit!", takes: "N", help: "edit them with $VISUAL or $EDITOR", act: files::edit_outside },
    Command { name: "fields", takes: "PROBE | struct NAME", help: "show the arguments of probes, or the members of a type with their places", act: inspect::fields },
    Command { name: "help", takes: "[TOPIC]", help: "say what commands do, or explain anything of the language", act: topics::help },
    Command { name: "list", takes: "[-v] PATTERN", help: "list what can be traced, as rtrace -l; -v: with arguments", act: inspect::list },
    Command { name: "load", takes: "FILE|SCRIPT [PARAMETER...]", help: "take in a script: a file, or one that comes with rtrace", act: files::load },
    Command { name: "maps", takes: "", help: "list the maps with their types and sizes", act: probes::maps },
    Command { name: "off", takes: "N...", help: "detach probes, and keep them", act: probes::off },
    Command { name: "on", takes: "N...", help: "attach them again", act: probes::on },
    Command { name: "probes", takes: "", help: "list the probes", act: probes::probes },
    Command { name: "quit", takes: "", help: "leave, and show the maps", act: quit },
    Command { name: "quit!", takes: "", help: "leave without showing the maps", act: quit_at_once },
    Command { name: "reset", takes: "", help: "remove all probes, maps and definitions", act: inspect::reset },
    Command { name: "rm", takes: "N...", help: "remove probes", act: probes::remove },
    Command { name: "save", takes: "[FILE]", help: "write what was entered as a script", act: files::save },
    Command { name: "save!", takes: "[FILE]", help: "the same, over what is there", act: files::save_over },
    Command { name: "set", takes: "[NAME=VALUE]", help: "set a config variable, or list them all", act: inspect::set },
    Command { name: "stats", takes: "[off]", help: "measure how often and how long probes run", act: inspect::stats },
    Command { name: "time", takes: "[on|off]", help: "tell how long the stages of each entry take", act: inspect::time },
    Command { name: "type", takes: "EXPR", help: "tell the type of an expression, a map or a function, which is not run", act: inspect::type_of },
    Command { name: "watch", takes: "[@MAP...] [every 1s]", help: "redraw maps until a key is pressed", act: watch::watch },
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

/// What commands go by as well.
const ALIASES: &[(&str, &str)] = &[("?", "help"), ("h", "help"), ("q", "quit"), ("q!", "quit!")];

/// The command that is meant by a name or the beginning of one.
fn find(name: &str) -> Result<&'static Command, (String, String)> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(command);
    }
    // What cannot be taken back is only what it is called.
    let is_begun =
        |command: &&Command| command.name.starts_with(name) && !command.name.ends_with('!') && command.name != "reset";
    let begun: Vec<&Command> = COMMANDS.iter().filter(is_begun).collect();
    match &begun[..] {
        [one] => Ok(one),
        _ if name.is_empty() => Err(("a colon begins a command".to_owned(), ":help lists the commands".to_owned())),
        [] => {
            // Nor does anybody mean the other one who does not say so.
            let is_meant = |other: &&str| name.ends_with('!') || !other.ends_with('!');
            let near = nearest(name, COMMANDS.iter().map(|command| command.name).filter(is_meant), 1);
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
        assert_eq!(found("?"), Ok("help"));
        assert_eq!(found("r"), Ok("rm"));
        assert_eq!(found("o"), Err(":o may be several commands; :off, :on".to_owned()));
        assert_eq!(found("probs"), Err("there is no command :probs; did you mean :probes?".to_owned()));
        for (typed, near) in [("quitt", "quit"), ("quiet", "quit"), ("editt", "edit"), ("qiut!", "quit!")] {
            assert_eq!(found(typed), Err(format!("there is no command :{typed}; did you mean :{near}?")));
        }
        assert_eq!(found(""), Err("a colon begins a command; :help lists the commands".to_owned()));
        assert_eq!(found("zzz"), Err("there is no command :zzz; :help lists the commands".to_owned()));
    }
}
