//! What the one who completes lines knows of the session: set by the session after each entry, read while somebody types.

use lang::{Known, Settings};
use probes_ebpf::list::Options;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known. Copies are cheap.
#[derive(Clone, Default)]
pub struct Knowledge {
    /// Another number whenever something has changed.
    pub version: u64,
    /// The maps with their keys, as `@name[key]`, and what they hold.
    pub maps: Arc<[(String, String)]>,
    /// The numbers of the probes, and what was entered.
    pub probes: Arc<[(u32, String)]>,
    /// What entries are checked against.
    pub known: Arc<Known>,
    /// What has been said in C.
    pub c: Arc<str>,
    /// What the command line says of entries.
    pub settings: Arc<Settings>,
    /// And of what is listed.
    pub options: Options,
    /// Where headers are, and which come first.
    pub headers: Arc<[Vec<PathBuf>; 2]>,
}

/// What is known now; all copies are the same.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Knowledge>>);

impl Shared {
    /// As of now.
    pub fn get(&self) -> Knowledge {
        self.lock().clone()
    }

    /// From now on.
    pub fn set(&self, knowledge: Knowledge) {
        let mut old = self.lock();
        *old = Knowledge { version: old.version + 1, ..knowledge };
    }

    fn lock(&self) -> MutexGuard<'_, Knowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
