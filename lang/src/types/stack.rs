//! Stacks as values: which frames are kept, and how one is shown.

/// The frames of a stack that are kept, and how they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The process's stack rather than the kernel's.
    pub user: bool,
    /// How a frame is shown.
    pub mode: StackMode,
    /// Most frames.
    pub depth: u32,
}

impl Stack {
    /// Frames kept when the script does not say: as many as the kernel walks (`kernel.perf_event_max_stack`).
    pub const DEPTH: u32 = 127;

    /// What stands for the frames that a walk by tables could not find.
    pub const FAILURE: u64 = u64::MAX;

    /// Bytes before the frames: their number, and for a process's stack the process.
    pub fn header(self) -> u32 {
        if self.user { 16 } else { 8 }
    }

    pub(super) fn size(self) -> u32 {
        self.header() + self.depth * 8
    }
}

/// How a frame of a stack is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StackMode {
    /// `symbol+offset`
    Bpftrace,
    /// As `perf script` does: address, symbol and module.
    Perf,
    /// The address.
    Raw,
    /// The build id of the file, and the place in it.
    BuildId,
}

impl StackMode {
    /// The mode of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Bpftrace, Self::Perf, Self::Raw, Self::BuildId].into_iter().find(|mode| mode.name() == name)
    }

    /// As in the script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bpftrace => "bpftrace",
            Self::Perf => "perf",
            Self::Raw => "raw",
            Self::BuildId => "build_id",
        }
    }
}
