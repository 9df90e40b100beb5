//! `--live`: a script has the screen, and whatever else would be written there steps aside.
//!
//! Standard output and standard error, as far as they are the terminal, become a pipe, so that the command of `-c` and
//! those of `system()` do not write over the maps; what comes out of it is [`kept`](super::kept). Our own output goes
//! there directly.

use super::kept::{Most, Shared};
use super::{Keys, View, all_maps};
use runtime::output;
use runtime::session::{Live, RunError, Viewer};
use rustix::fs::{Mode, OFlags, open};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::isatty;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What is shown of a script's output when its maps have gone: the rest can go to a file.
const MOST: Most = Most { bytes: 1 << 20, lines: 1000 };

/// Whoever looks at a script's maps.
pub struct Aside {
    pipe: Pipe,
    view: Option<View>,
    kept: Shared,
    input: OwnedFd,
    screen: OwnedFd,
    settings: output::Settings,
    interval: Duration,
}

impl Aside {
    /// Sends aside what would be written on the terminal. The maps come when the run begins.
    pub fn open(settings: output::Settings, interval: Duration) -> io::Result<Self> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let input = match isatty(&stdin) {
            true => stdin.as_fd().try_clone_to_owned()?,
            // The script may come from there.
            false => open("/dev/tty", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?,
        };
        let screen = stdout.as_fd().try_clone_to_owned()?;
        let direct = screen.try_clone()?;
        let sink = move |bytes: &[u8]| {
            // A terminal that is gone cannot be told.
            let _ = direct.try_clone().map(|fd| File::from(fd).write_all(bytes));
        };
        let pipe = Pipe::open()?;
        Ok(Self { pipe, view: None, kept: Shared::new(sink, MOST), input, screen, settings, interval })
    }

    /// Where our own output goes.
    pub fn kept(&self) -> Shared {
        self.kept.clone()
    }
}

impl Viewer for Aside {
    fn begin(&mut self, live: &mut Live<'_>) -> Result<(), RunError> {
        let failed = |error| RunError::System("taking the terminal", error);
        live.watch(&all_maps(live))?;
        let copies = self.input.try_clone().and_then(|input| Ok((input, self.screen.try_clone()?)));
        let (input, screen) = copies.map_err(failed)?;
        let (settings, kept) = (self.settings.clone(), self.kept.clone());
        let view = View::open((input, Keys::QuitEnds), screen, settings, kept, self.interval).map_err(failed)?;
        self.view.insert(view).show(live);
        // What the command has written by now belongs beside the maps as well.
        self.pipe.read(self.kept.clone()).map_err(failed)
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.view.as_ref().map_or(self.input.as_fd(), View::wake)
    }

    fn look(&mut self, live: &mut Live<'_>) -> Result<bool, RunError> {
        self.view.as_mut().map_or(Ok(true), |view| view.look(live))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What was written last comes in its place: before all that is printed when the maps have gone.
        self.pipe.close(&self.kept);
    }
}

/// What stands for the terminal among the standard descriptors.
struct Pipe {
    end: Option<OwnedFd>,
    /// What they were.
    before: [Option<OwnedFd>; 3],
    /// Disconnected when nobody writes any more.
    ended: Option<Receiver<()>>,
}

impl Pipe {
    fn open() -> io::Result<Self> {
        let copy = |fd: BorrowedFd<'_>| match isatty(fd) {
            true => fd.try_clone_to_owned().map(Some),
            false => Ok(None),
        };
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let before = [copy(stdin.as_fd())?, copy(stdout.as_fd())?, copy(stderr.as_fd())?];
        let (end, start) = pipe_with(PipeFlags::CLOEXEC)?;
        // Keys are ours.
        if before[0].is_some() {
            dup2_stdin(open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)?;
        }
        let pipe = Self { end: Some(end), before, ended: None };
        if pipe.before[1].is_some() {
            dup2_stdout(&start)?;
        }
        if pipe.before[2].is_some() {
            dup2_stderr(&start)?;
        }
        Ok(pipe)
    }

    /// From now on what is written comes out. Not before signals are blocked, which a thread takes over, and the command of
    /// `-c` is there.
    fn read(&mut self, kept: Shared) -> io::Result<()> {
        let Some(end) = self.end.take() else { return Ok(()) };
        let (writers, ended) = channel();
        self.ended = Some(ended);
        std::thread::Builder::new().name("aside".to_owned()).spawn(move || {
            let mut end = File::from(end);
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count @ 1..) = end.read(&mut bytes) {
                kept.print(&bytes[..count]);
            }
            drop::<std::sync::mpsc::Sender<()>>(writers);
        })?;
        Ok(())
    }

    /// The descriptors are what they were, and what has been written to the others is there.
    fn close(&mut self, kept: &Shared) {
        /// What is left running may write later.
        const PATIENCE: Duration = Duration::from_millis(100);
        let _ = io::stdout().flush();
        let [stdin, stdout, stderr] = std::mem::take(&mut self.before);
        let _ = stdin.map(dup2_stdin);
        let _ = stdout.map(dup2_stdout);
        let _ = stderr.map(dup2_stderr);
        if self.read(kept.clone()).is_ok()
            && let Some(ended) = self.ended.take()
        {
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}
