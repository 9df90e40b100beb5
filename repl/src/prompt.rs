//! `rtrace` without a program, on a terminal: probes are added, looked at, taken off and removed while others run.
//!
//! One thread reads lines ([`editor`]), one writes what is to be seen ([`screen`]), and this one does everything else: it
//! waits for events and for lines at once, and a line is either a command ([`commands`]) or an entry ([`session`]).

mod commands;
pub mod complete;
mod editor;
mod highlight;
mod hints;
mod history;
mod knowledge;
mod outside;
mod reflow;
mod screen;
mod session;

use crate::args::Args;
use crate::look::{self, Look};
use crate::report::Reporter;
use crate::run::{self, Failed};
use editor::{Editor, Line, Saved};
use knowledge::Shared;
use lang::c::Unread;
use lang::parser::entry::split;
use outside::Edited;
use runtime::session::forget_interrupt;
use rustix::termios::isatty;
use screen::Screen;
use session::Session;

/// How a line was taken.
pub enum Next {
    /// The next one, please.
    Go,
    /// The text of probes is to be edited.
    Edit {
        /// Their number.
        number: u32,
        /// What to begin with.
        text: String,
        /// With the user's own editor.
        outside: bool,
    },
    /// That was all.
    Leave {
        /// The exit code.
        code: u8,
        /// The maps are shown, as at the end of a script.
        shows_maps: bool,
    },
}

/// Whether there is somebody to talk to. What is only good for scripts needs one.
pub fn is_wanted(args: &Args) -> bool {
    let is_for_scripts = args.list
        || args.fmt
        || args.test
        || args.bench
        || args.dry_run
        || args.mode.is_some()
        || args.emit_elf.is_some()
        || args.flamegraph.is_some()
        || args.command.is_some()
        || args.probe_filter.is_some()
        || args.live.is_some()
        || !args.debug.is_empty();
    !is_for_scripts && isatty(std::io::stdin()) && isatty(std::io::stdout())
}

/// Talks until the user leaves; gives the exit code.
pub fn run(args: &Args, reporter: Reporter) -> Result<u8, Failed> {
    run::check_privileges(&reporter)?;
    if let Some(path) = args.script_out.as_ref().filter(|path| path.exists()) {
        let help = "a session writes a new file; :save! replaces one";
        return run::fail(&reporter, &format!("{} is there already", path.display()), Some(help));
    }
    editor::take_signals(false);
    let mut config = session::config(args, &reporter)?;
    // Before anybody else sees the terminal.
    let before = Saved::now();
    let _end = PutBack(&before);
    let screen = Screen::default();
    let reporter = {
        let screen = screen.clone();
        reporter.on_stdout(args.color, move |text| screen.show(text.as_bytes()))
    };
    let failed = |failed: Failed| {
        screen.finish();
        failed
    };
    let mut session = Session::begin(args, &reporter, &mut config, screen.clone()).map_err(failed)?;
    let color = Look::of(std::io::stdout(), look::asked(args.color).0).color;
    // Threads take over that signals are blocked, which `begin` has seen to.
    let knowledge = Shared::default();
    let editor = match Editor::start(&screen, &args.preferences, color, knowledge.clone(), &before) {
        Ok(editor) => editor,
        Err(error) => {
            let told = format!("cannot read from the terminal: {error}");
            return run::fail(&reporter, &told, None).map_err(failed);
        }
    };
    let result = talk(&mut session, &editor, &knowledge, &screen, &before);
    let is_saved = args.script_out.as_ref().is_none_or(|path| session.save_at_end(path));
    screen.settle();
    before.restore();
    match result {
        Ok(_) if !is_saved => Err(Failed),
        Ok(code) => Ok(code),
        Err(runtime::session::RunError::OutputClosed) => Ok(0),
        Err(error) => run::fail(&reporter, &error.to_string(), None).map_err(failed),
    }
}

/// Puts the terminal back when this goes, which is while the other thread may still be reading.
struct PutBack<'a>(&'a Saved);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        self.0.restore();
    }
}

fn talk(
    session: &mut Session<'_>,
    editor: &Editor,
    knowledge: &Shared,
    screen: &Screen,
    before: &Saved,
) -> Result<u8, runtime::session::RunError> {
    /// As of a script that a signal has ended.
    const INTERRUPTED: u8 = 0;
    let mut interrupts = 0;
    // The probes that the next line is about.
    let mut edited = None;
    session.inform(knowledge);
    editor.go();
    loop {
        let is_line = session.poll(editor.wake())?;
        if session.is_interrupted() {
            // A line is being read, by somebody who does not know that it is over.
            before.restore();
            screen.leave();
            return session.close(INTERRUPTED, true);
        }
        if !is_line {
            continue;
        }
        let Some(line) = editor.take() else { continue };
        let next = match &line {
            Line::Text(text) if text.trim().is_empty() && edited.is_none() => Next::Go,
            Line::Text(text) => match edited.take() {
                Some(number) if !text.trim_start().starts_with(':') => {
                    let next = session.change(number, text)?;
                    screen.end_line();
                    next
                }
                _ => take(session, screen, text)?,
            },
            Line::Interrupted | Line::Abandoned | Line::End if edited.is_some() => {
                edited.take().iter().for_each(|number| session.say(&format!("#{number} is as it was\n")));
                editor.go();
                continue;
            }
            // The first one may only have been meant for the line.
            Line::Interrupted if interrupts == 0 => {
                screen.show(b"Ctrl-C again, Ctrl-D or :quit leaves\n");
                Next::Go
            }
            Line::Interrupted | Line::End => Next::Leave { code: 0, shows_maps: true },
            Line::Abandoned => Next::Go,
            Line::Failed(error) => {
                session.reporter().plain(&format!("cannot read from the terminal: {error}"), None);
                Next::Leave { code: 1, shows_maps: true }
            }
        };
        interrupts = u32::from(matches!(line, Line::Interrupted));
        // A Ctrl-C that came while this went on was about this, and not about the session.
        forget_interrupt();
        match next {
            Next::Leave { code, shows_maps } => return session.close(code, shows_maps),
            Next::Edit { number, text, outside } if outside || !editor.can_edit(&text) => {
                match outside::edit(session, screen, before, &format!("probe{number}"), &text)? {
                    Edited::Text(text) => drop(session.change(number, &text)?),
                    Edited::Left(why, help) => session.reporter().plain(&why, help),
                }
                screen.end_line();
            }
            Next::Edit { number, text, .. } => {
                screen.settle();
                edited = Some(number);
                editor.edit(number, &text);
                continue;
            }
            Next::Go => {}
        }
        // What the line has to say stands above the next prompt.
        screen.settle();
        session.inform(knowledge);
        editor.go();
    }
}

/// Takes what was entered at once, which may be several entries if it was pasted.
fn take(session: &mut Session<'_>, screen: &Screen, text: &str) -> Result<Next, runtime::session::RunError> {
    let entries = match text.trim_end().contains('\n') {
        true => split(text, &Unread),
        false => vec![text],
    };
    for entry in entries {
        let next = match entry.trim().strip_prefix(':').or_else(|| bare(session, entry.trim())) {
            Some(command) => commands::obey(session, command)?,
            None if entry.trim() == "exit" && !session.has_macro("exit") => {
                session.reporter().plain("exit is a function", Some("type exit() or :quit to leave"));
                Next::Go
            }
            None => session.enter(entry)?,
        };
        screen.end_line();
        match next {
            Next::Go => {}
            // What follows would be about something else.
            Next::Leave { .. } | Next::Edit { .. } => return Ok(next),
        }
    }
    Ok(Next::Go)
}

/// What people type who do not know yet that commands begin with a colon.
fn bare<'t>(session: &Session<'_>, text: &'t str) -> Option<&'t str> {
    let word = text.split_whitespace().next()?;
    let is_command = match word {
        "quit" => text == word,
        // `help` and what it is about, which are words.
        "help" => !text.contains(['(', '=', ';', '{']),
        "?" => true,
        _ => false,
    };
    (is_command && !session.has_macro(word)).then_some(text)
}

/// The columns of the terminal, as many as are good to read.
fn width() -> usize {
    const MOST: usize = 100;
    look::width(std::io::stdout()).unwrap_or(80).clamp(20, MOST)
}

/// Prints what is to be read about a topic; gives the exit code.
pub fn explain(topic: &str, reporter: &Reporter) -> Result<u8, Failed> {
    match commands::answer(topic, "rtrace --doc", width()) {
        Ok(text) => run::print(&text, reporter),
        Err((title, help)) => run::fail(reporter, &title, Some(&help)),
    }
}
