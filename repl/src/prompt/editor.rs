//! Reads lines with rustyline, on a thread of its own: the session goes on while somebody types.

use super::complete::Completer as Words;
use super::highlight::Looks;
use super::hints::{self, Hint};
use super::history::{self, Entries, Typed};
use super::knowledge::Shared;
use super::reflow::Drawn;
use super::screen::{Screen, print};
use crate::look::{self, Part};
use crate::preferences::{Keys, Preferences};
use lang::c::Unread;
use lang::highlight::depth_at_end;
use lang::parser::entry::needs_more;
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Context, EditMode, Event, EventContext,
    EventHandler, Helper, InputMode, KeyCode, KeyEvent, Modifiers, RepeatCount,
};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, PoisonError};
use unicode_width::UnicodeWidthStr;

const PROMPT: &str = "rtrace> ";

/// Blanks for each bracket that is open.
const INDENT: usize = 2;

/// What comes of reading a line.
pub enum Line {
    /// This was entered; it may be several lines.
    Text(String),
    /// Ctrl-C on an empty line.
    Interrupted,
    /// Ctrl-C on a line with something in it.
    Abandoned,
    /// Ctrl-D, or the terminal is gone.
    End,
    /// Nothing can be read any more.
    Failed(String),
}

/// The thread, as seen from the session.
pub struct Editor {
    lines: Receiver<Line>,
    go: Sender<Start>,
    wake: OwnedFd,
    /// The terminal can move its cursor.
    can_edit: bool,
}

/// How a line begins.
struct Start {
    prompt: String,
    text: String,
}

/// Descriptors with low numbers, which are given back for each line: rustyline opens two then, and what it waits with
/// knows none from 1024 on (`FD_SETSIZE`), however many of them probes have taken meanwhile.
struct Reserve {
    _held: Vec<OwnedFd>,
}

impl Reserve {
    /// Takes them, as copies of a descriptor.
    fn of(fd: &OwnedFd) -> Self {
        /// Some more than a line takes, since others may open something at the same moment.
        const COUNT: usize = 8;
        Self { _held: (0..COUNT).filter_map(|_| fd.try_clone().ok()).collect() }
    }
}

impl Editor {
    /// Starts the thread. What the screen shows from now on appears above the line.
    pub fn start(
        screen: &Screen,
        preferences: &Preferences,
        color: bool,
        knowledge: Shared,
        before: &Saved,
    ) -> io::Result<Self> {
        let (sender, lines) = channel();
        let (go, may_go) = channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let woken = wake.try_clone()?;
        let mut editor = editor(preferences, color, Words::new(knowledge, screen.clone()), screen, before)?;
        // A terminal that cannot move its cursor has none: what appears, appears where it is.
        let printer = editor.create_external_printer().ok();
        let can_edit = printer.is_some();
        screen.start(printer)?;
        if can_edit {
            before.hush();
        }
        let screen = screen.clone();
        std::thread::Builder::new().name("editor".to_owned()).spawn(move || {
            // Goes last: whoever is woken finds that nobody sends any more.
            let woken = Wake(woken);
            let sender = sender;
            take_signals(true);
            let mut reserve = Reserve::of(&woken.0);
            while let Ok(start) = may_go.recv() {
                if can_edit {
                    screen.begin_line();
                }
                drop(reserve);
                let line = read(&mut editor, &start);
                reserve = Reserve::of(&woken.0);
                screen.leave_line();
                // The session has ended if nobody takes it.
                if sender.send(line).is_err() {
                    return;
                }
                woken.wake();
            }
        })?;
        Ok(Self { lines, go, wake, can_edit })
    }

    /// Reads the next line.
    pub fn go(&self) {
        self.begin(PROMPT.to_owned(), String::new());
    }

    /// Reads a text for probes that begins as theirs does.
    pub fn edit(&self, number: u32, text: &str) {
        self.begin(format!("edit #{number}> "), text.to_owned());
    }

    fn begin(&self, prompt: String, text: String) {
        // A thread that has ended wakes us, and is found to have ended.
        let _ = self.go.send(Start { prompt, text });
    }

    /// Whether a text can be edited here: all of it must be seen at once.
    pub fn can_edit(&self, text: &str) -> bool {
        let rows = tcgetwinsize(io::stdout()).map_or(24, |size| usize::from(size.ws_row));
        self.can_edit && text.lines().count() + 2 < rows.max(8)
    }

    /// Readable when there is a line.
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The line that has been entered, if there is one.
    pub fn take(&self) -> Option<Line> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        match self.lines.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Line::Failed("the editor has ended".to_owned())),
        }
    }
}

/// What the session waits for; it is woken at the end as well, whatever ends the thread.
struct Wake(OwnedFd);

impl Wake {
    fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.wake();
    }
}

type Rustyline = rustyline::Editor<Prompt, Entries>;

/// The editor with its keys.
fn editor(
    preferences: &Preferences,
    color: bool,
    words: Words,
    screen: &Screen,
    before: &Saved,
) -> io::Result<Rustyline> {
    // After the escape key, so many milliseconds may pass before the next one is a key by itself. Nothing is shown above
    // the line in that time.
    let (mode, timeout) = match preferences.keys {
        Keys::Emacs => (EditMode::Emacs, 500),
        Keys::Vi => (EditMode::Vi, 100),
    };
    let config = Config::builder()
        .edit_mode(mode)
        .completion_type(CompletionType::List)
        .keyseq_timeout(Some(timeout))
        // The colours are ours, and so is what is shown of a tall text.
        .color_mode(ColorMode::Forced)
        .build();
    let typed = Typed::default();
    // A place that cannot be written leaves a history of this session alone, of which nobody has to be told.
    let (entries, _) =
        Entries::open(history::file(crate::run::environment), preferences.history_size, Arc::clone(&typed));
    let mut editor = Rustyline::with_history(config, entries).map_err(io::Error::other)?;
    let (dedents, is_abandoned) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    editor.set_helper(Some(Prompt {
        has_text: Cell::new(false),
        looks: Looks::new(color),
        color,
        has_hints: preferences.hints,
        hint: RefCell::default(),
        typed,
        is_last: Cell::new(false),
        dedents: Arc::clone(&dedents),
        is_abandoned: Arc::clone(&is_abandoned),
        words,
        screen: screen.clone(),
        width: Cell::new(PROMPT.len()),
        is_redrawn: Cell::new(false),
        was_marked: Cell::new(false),
        drawn: Drawn::new(crate::run::environment),
    }));
    let leave = |always| EventHandler::Conditional(Box::new(Leave { always, screen: screen.clone() }));
    let suspend = || EventHandler::Conditional(Box::new(Suspend { screen: screen.clone(), before: before.clone() }));
    // What the terminal has for this beside the usual keys.
    for (which, key) in before.keys() {
        let act = if which == SpecialCodeIndex::VSUSP { suspend() } else { leave(which != SpecialCodeIndex::VEOF) };
        editor.bind_sequence(key, act);
    }
    let keys: [(KeyEvent, EventHandler); 8] = [
        (KeyEvent::ctrl('D'), leave(false)),
        (KeyEvent::ctrl('\\'), leave(true)),
        (KeyEvent::ctrl('Z'), suspend()),
        (KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(Abandon { is_abandoned, screen: screen.clone() }))),
        (key(KeyCode::Enter), EventHandler::Conditional(Box::new(Enter))),
        (key(KeyCode::Char('}')), EventHandler::Conditional(Box::new(Close { dedents }))),
        (key(KeyCode::Right), EventHandler::Conditional(Box::new(TakeHint))),
        (key(KeyCode::End), EventHandler::Conditional(Box::new(TakeHint))),
    ];
    for (key, act) in keys {
        editor.bind_sequence(key, act);
    }
    editor.set_max_history_size(preferences.history_size).map_err(io::Error::other)?;
    Ok(editor)
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent(code, Modifiers::NONE)
}

fn read(editor: &mut Rustyline, start: &Start) -> Line {
    if let Some(prompt) = editor.helper() {
        prompt.is_last.set(false);
        prompt.width.set(start.prompt.len());
        prompt.was_marked.set(false);
        prompt.drawn.forget();
    }
    let read = match start.text.as_str() {
        "" => editor.readline(&start.prompt),
        text => editor.readline_with_initial(&start.prompt, (text, "")),
    };
    // What was there is there no more; the next line begins empty.
    let had_text = editor.helper().is_some_and(|prompt| prompt.has_text.replace(false));
    let is_abandoned = editor.helper().is_some_and(|prompt| prompt.is_abandoned.swap(false, Ordering::Relaxed));
    match read {
        Ok(_) if is_abandoned => Line::Abandoned,
        Ok(text) => {
            // The history that fails is one that is kept no more.
            let _ = editor.add_history_entry(&text);
            Line::Text(text)
        }
        Err(ReadlineError::Eof) => Line::End,
        Err(ReadlineError::Interrupted) if had_text => Line::Abandoned,
        Err(ReadlineError::Interrupted) => Line::Interrupted,
        Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Line::End,
        Err(error) => Line::Failed(error.to_string()),
    }
}

/// What rustyline asks about a line.
struct Prompt {
    /// Something is on the line.
    has_text: Cell<bool>,
    looks: Looks,
    color: bool,
    has_hints: bool,
    /// What stands behind the line.
    hint: RefCell<Hint>,
    /// What was typed, for the arrow keys.
    typed: Typed,
    /// The line is drawn for the last time.
    is_last: Cell<bool>,
    /// The closing brace that is asked for is to stand under what it closes.
    dedents: Arc<AtomicBool>,
    /// What ends the line is Ctrl-C.
    is_abandoned: Arc<AtomicBool>,
    /// What Tab finds.
    words: Words,
    /// What there is to see above the line.
    screen: Screen,
    /// The columns of the prompt.
    width: Cell<usize>,
    /// The line is about to be drawn because of something that was done to it.
    is_redrawn: Cell<bool>,
    /// What rustyline remembers of the last answer: that the line had to be drawn anew.
    was_marked: Cell<bool>,
    /// What is on the terminal of it.
    drawn: Drawn,
}

impl Helper for Prompt {}

impl Completer for Prompt {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        if self.dedents.swap(false, Ordering::Relaxed) {
            return Ok(closing_brace(line, at));
        }
        // A choice is shown above the line, by the one who knows what there is to say of it.
        Ok(self.words.complete(line, at).map_or((at, Vec::new()), |(start, text)| (start, vec![text])))
    }
}

impl Hinter for Prompt {
    type Hint = Hint;

    fn hint(&self, line: &str, at: usize, context: &Context<'_>) -> Option<Hint> {
        // Keys come and calls are heard from now on.
        self.screen.listen();
        if let Some(order) = self.drawn.order() {
            // A terminal that is gone cannot be told.
            let _ = print(&order);
        }
        self.has_text.set(!line.is_empty());
        self.words.foresee(line, at);
        let is_typed = context.history_index() == context.history().len();
        if is_typed {
            line.clone_into(&mut self.typed.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let may_hint = self.has_hints && at == line.len() && !is_tall(line);
        let hint =
            may_hint.then(|| hints::hint(line, is_typed.then_some(context.history()), self.width.get())).flatten();
        *self.hint.borrow_mut() = hint.clone().unwrap_or_default();
        hint
    }
}

/// Whether a text has so many lines that nothing has room behind it.
fn is_tall(text: &str) -> bool {
    const LINES: usize = 20;
    text.bytes().filter(|byte| *byte == b'\n').nth(LINES).is_some()
}

impl Highlighter for Prompt {
    fn highlight<'l>(&self, line: &'l str, at: usize) -> Cow<'l, str> {
        self.drawn.line(line, at);
        match self.looks.draw(line, at, !self.is_last.get()) {
            Some(drawn) => Cow::Owned(drawn),
            None => Cow::Borrowed(line),
        }
    }

    /// The prompt, and above it what there is to see.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let is_called = !self.is_redrawn.take();
        let above = self.screen.above(is_called);
        self.drawn.prompt(prompt.width());
        let prompt = if self.looks.shows_prompt() { prompt } else { "" };
        match (is_called, above.is_empty()) {
            // rustyline has ended a line that has nothing on it.
            (true, _) => Cow::Owned(format!("\x1b[A{above}{prompt}")),
            (false, false) => Cow::Owned(format!("{above}{prompt}")),
            (false, true) => Cow::Borrowed(prompt),
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        self.drawn.hint(hint);
        if !self.color {
            return Cow::Borrowed(hint);
        }
        let current = self.hint.borrow().current.clone();
        let (grey, now) = (look::code(Part::Hint), look::code(Part::HintNow));
        match (hint.get(..current.start), hint.get(current.clone()), hint.get(current.end..)) {
            (Some(before), Some(at), Some(behind)) if !at.is_empty() => {
                Cow::Owned(format!("\x1b[{grey}m{before}\x1b[0;{now}m{at}\x1b[0;{grey}m{behind}\x1b[0m"))
            }
            _ => Cow::Owned(format!("\x1b[{grey}m{hint}\x1b[0m")),
        }
    }

    fn highlight_char(&self, line: &str, at: usize, kind: CmdKind) -> bool {
        let is_last = kind == CmdKind::ForcedRefresh;
        self.is_last.set(is_last);
        if kind == CmdKind::MoveCursor {
            self.drawn.cursor(at);
        }
        let is_changed = self.looks.update(line, at, self.width.get(), is_last);
        // Whatever may be more than a movement is drawn as a whole, so that it is known when the line is drawn without
        // anything having been done to it: because of a call.
        let is_marked = is_changed || kind != CmdKind::MoveCursor;
        if self.was_marked.replace(is_marked) || is_marked {
            self.is_redrawn.set(true);
        }
        is_marked
    }
}

impl Validator for Prompt {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        if wants_more(context.input()) {
            return Ok(ValidationResult::Incomplete);
        }
        self.screen.stop_listening();
        Ok(ValidationResult::Valid(None))
    }
}

/// Whether a line is asked for after these.
fn wants_more(text: &str) -> bool {
    // An empty line ends what somebody does not know how to end.
    let gives_up = text.trim_end_matches([' ', '\t']).ends_with('\n');
    let is_entry = !text.trim_start().starts_with(':');
    is_entry && !gives_up && needs_more(text, &Unread)
}

/// Whether what is typed is text, and not an order to the editor.
fn inserts(context: &EventContext<'_>) -> bool {
    context.mode() == EditMode::Emacs || context.input_mode() == InputMode::Insert
}

/// Begins the next line where its block has it. Pasted text comes another way, and is taken as it is.
struct Enter;

impl ConditionalEventHandler for Enter {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let line = context.line();
        if !inserts(context) || context.pos() != line.len() || !wants_more(line) {
            return None;
        }
        Some(Cmd::Insert(1, format!("\n{}", " ".repeat(INDENT * depth_at_end(line)))))
    }
}

/// Puts a closing brace that begins a line under the beginning of what it closes.
struct Close {
    dedents: Arc<AtomicBool>,
}

impl ConditionalEventHandler for Close {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, at) = (context.line(), context.pos());
        let before = line.get(..at)?;
        let blank = before.get(before.rfind('\n')? + 1..)?;
        if !inserts(context) || at != line.len() || blank.is_empty() || !blank.trim().is_empty() {
            return None;
        }
        self.dedents.store(true, Ordering::Relaxed);
        // The one way to put something in the place of something else without taking it for what was cut.
        Some(Cmd::Complete)
    }
}

/// What takes the place of the blanks before the cursor: less of them, and a brace.
fn closing_brace(line: &str, at: usize) -> (usize, Vec<String>) {
    let before = line.get(..at).unwrap_or(line);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let depth = depth_at_end(before).saturating_sub(1);
    (start, vec![format!("{}}}", " ".repeat(INDENT * depth))])
}

/// Ends a line that has something on it, as if it were entered: so it is drawn once more, without what stands behind it.
struct Abandon {
    is_abandoned: Arc<AtomicBool>,
    screen: Screen,
}

impl ConditionalEventHandler for Abandon {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        self.screen.stop_listening();
        if context.line().is_empty() {
            return None;
        }
        self.is_abandoned.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

/// A key that ends a line: one with nothing on it, or any.
struct Leave {
    always: bool,
    screen: Screen,
}

impl ConditionalEventHandler for Leave {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        // To vi's ways the end of input is Enter.
        if self.always || context.line().is_empty() || context.mode() == EditMode::Vi {
            self.screen.stop_listening();
        }
        None
    }
}

/// Stops the process, and gives whoever started it the terminal as it was.
struct Suspend {
    screen: Screen,
    before: Saved,
}

impl ConditionalEventHandler for Suspend {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        const NO_BRACKETS: &str = "\x1b[?2004l";
        const BRACKETS: &str = "\x1b[?2004h";
        self.screen.stop_listening();
        let here = Saved::now();
        // A terminal that is gone cannot be told.
        let _ = print(NO_BRACKETS);
        self.before.restore();
        let _ = kill_current_process_group(Signal::TSTP);
        here.restore();
        let _ = print(BRACKETS);
        Some(Cmd::Repaint)
    }
}

/// Takes what stands behind the line, if it can be taken.
struct TakeHint;

impl ConditionalEventHandler for TakeHint {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let is_at_end = context.pos() == context.line().len();
        match context.hint_text() {
            Some(_) if is_at_end => Some(Cmd::CompleteHint),
            // Some are only to be read, which is no reason to beep.
            None if is_at_end && context.has_hint() => Some(Cmd::Noop),
            _ => None,
        }
    }
}

/// Whether Ctrl-Z stops the process in this thread, and it hears of another size of the window; and so those that it
/// starts. It must be the editor's and no other. rustyline asks for the first, and draws the line anew when that call has
/// returned: if another thread took the signal, the call would return before the process has stopped. The second has to be
/// known before a key is, which may be read earlier than another thread gets to run.
pub fn take_signals(here: bool) {
    // SAFETY: an empty set is valid, and both calls only read and write what is passed to them.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTSTP);
        libc::sigaddset(&raw mut set, libc::SIGWINCH);
        let how = if here { libc::SIG_UNBLOCK } else { libc::SIG_BLOCK };
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

/// How the terminal was at some time.
#[derive(Clone)]
pub struct Saved(Option<Termios>);

impl Saved {
    /// As it is now.
    pub fn now() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Puts it back.
    pub fn restore(&self) {
        if let Some(saved) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, saved);
        }
    }

    /// While no line is read, what is typed is for the next one: it is not shown among what is, and stays as it is.
    /// Only keys that are signals are obeyed.
    pub fn hush(&self) {
        let Some(mut modes) = self.0.clone() else { return };
        modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        modes.input_modes.remove(InputModes::ICRNL);
        Self(Some(modes)).restore();
    }

    /// The keys that end a line or stop the process.
    fn keys(&self) -> Vec<(SpecialCodeIndex, KeyEvent)> {
        let all = [SpecialCodeIndex::VEOF, SpecialCodeIndex::VINTR, SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP];
        let codes = self.0.iter().flat_map(|modes| all.map(|which| (which, modes.special_codes[which])));
        // Zero is none.
        codes
            .filter(|(_, code)| *code != 0)
            .map(|(which, code)| (which, KeyEvent::new(code.into(), Modifiers::NONE)))
            .collect()
    }
}
