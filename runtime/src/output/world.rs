//! What only the running machine knows of a value: the names of addresses, users and system calls, the time of day.
//!
//! Formatting asks one trait, so that it stays free of files and clocks; the implementation for a machine is
//! [`crate::machine`].

use std::fmt;
use std::rc::Rc;

/// A place in a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Bytes from its beginning.
    pub offset: u64,
    /// The file it is in, where that is not the kernel.
    pub file: Option<String>,
    /// The file of its source and the line there, as `file:line`.
    pub line: Option<String>,
    /// Functions that the compiler has put into it at this place: the one that was called first comes first.
    pub inlined: Vec<Inlined>,
}

/// A function that is part of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inlined {
    /// Its name.
    pub name: String,
    /// As [`Symbol::line`].
    pub line: Option<String>,
}

/// How much is wanted to be known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// The symbol's name and the distance from it.
    Name,
    /// Source and inlined functions as well.
    Frame,
}

/// A machine, as far as showing values goes. Whatever is not known has no name.
pub trait World {
    /// The symbol of the kernel at an address.
    fn kernel_symbol(&self, _address: u64) -> Option<Symbol> {
        None
    }

    /// The symbol of a process at an address. The process is the word that programs hand on.
    fn user_symbol(&self, _process: u64, _address: u64, _detail: Detail) -> Option<Rc<Symbol>> {
        None
    }

    /// The build id of the file at an address of a process, in hexadecimal, and the place in that file.
    fn build_id(&self, _process: u64, _address: u64) -> Option<(String, u64)> {
        None
    }

    /// A time since boot, formed by a format of strftime(3).
    fn time_since_boot(&self, _nanoseconds: u64, _format: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    /// The time of day, formed by a format of strftime(3).
    fn time_of_day(&self, _format: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    /// How many seconds local time is ahead of UTC at a time since 1970.
    fn local_offset(&self, _seconds: i64) -> i64 {
        0
    }

    /// The paths of a control group in the hierarchies whose names the filter matches.
    fn cgroup_path(&self, _id: u64, _filter: &[u8]) -> String {
        String::new()
    }

    /// The name of a user.
    fn user_name(&self, _id: u32) -> Option<String> {
        None
    }

    /// The name of a system call.
    fn system_call(&self, _number: i32) -> Option<String> {
        None
    }
}

/// A machine of which nothing is known.
struct Nowhere;

impl World for Nowhere {}

/// A machine that several share.
#[derive(Clone)]
pub struct Shared(Rc<dyn World>);

impl Shared {
    /// Shares a machine.
    pub fn new(world: impl World + 'static) -> Self {
        Self(Rc::new(world))
    }

    /// A machine that somebody else knows as well.
    pub fn of(world: Rc<impl World + 'static>) -> Self {
        Self(world)
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(Nowhere)
    }
}

impl std::ops::Deref for Shared {
    type Target = dyn World;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shared {}
