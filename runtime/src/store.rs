//! The maps of a running script, as user space sees them: read, cleared, zeroed.
//!
//! Maps are read through the kernel in batches, `.bss` through a shared mapping, because the programs change it at the
//! same time and a write of the whole would lose what they do.

use crate::load::LiveMaps;
use crate::output::Entries;
use crate::sys;
use codegen::layout::{EXIT, EXIT_ASKED, Layout, MapPlace, Pages, Site};
use lang::typed::{Map, MapId};
use lang::types::Type;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What stands for the key of a keyless map.
const NO_KEY: [u8; 4] = [0; 4];

/// Access to all maps of a session.
pub struct Store {
    places: Vec<Place>,
    /// The same as the layout has them.
    placed: Vec<MapPlace>,
    bss: Arc<Bss>,
    sites: Vec<Site>,
    cpus: usize,
}

/// Where a map is, with what is needed to reach it.
enum Place {
    Global {
        offset: u32,
        size: u32,
    },
    /// Its elements hold a state one after the other, each with a word behind its part.
    Array {
        map: OwnedFd,
        state_size: usize,
        pages: Pages,
    },
    Hash {
        map: OwnedFd,
        key_size: usize,
        value_size: usize,
        per_cpu: bool,
    },
}

impl Store {
    /// Opens the maps of a loaded script.
    pub fn new(live: &LiveMaps, layout: &Layout, maps: &[Map]) -> io::Result<Self> {
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        let bss = live.map(".bss").ok_or(io::ErrorKind::NotFound)?;
        let bss = Arc::new(Bss::open(bss, layout.bss_bytes())?);
        let mut store = Self { places: Vec::new(), placed: Vec::new(), bss, sites: Vec::new(), cpus };
        store.follow(live, layout, maps)?;
        Ok(store)
    }

    /// Opens the maps that have a place in this layout and had none, or another, in the one before.
    pub fn follow(&mut self, live: &LiveMaps, layout: &Layout, maps: &[Map]) -> io::Result<()> {
        let fd = |index: u32| -> io::Result<OwnedFd> {
            let name = &layout.kernel_maps[index as usize].name;
            live.map(name).ok_or(io::ErrorKind::NotFound)?.try_clone_to_owned()
        };
        self.places.truncate(layout.places.len());
        self.placed.truncate(layout.places.len());
        for (index, (map, place)) in maps.iter().zip(&layout.places).enumerate() {
            if self.placed.get(index) == Some(place) {
                continue;
            }
            let value_size = map.value.slot_size();
            let key_size = map.key_size() as usize;
            let opened = match *place {
                MapPlace::Global(offset) => Place::Global { offset, size: value_size },
                MapPlace::PerCpuArray(index) => {
                    let Type::Aggregate(aggregate) = map.value else { return Err(io::ErrorKind::InvalidData.into()) };
                    Place::Array { map: fd(index)?, state_size: value_size as usize, pages: Pages::of(aggregate) }
                }
                MapPlace::Hash(index) => {
                    Place::Hash { map: fd(index)?, key_size, value_size: value_size as usize, per_cpu: false }
                }
                MapPlace::PerCpuHash(index) => {
                    Place::Hash { map: fd(index)?, key_size, value_size: value_size as usize, per_cpu: true }
                }
            };
            match self.places.get_mut(index) {
                Some(known) => (*known, self.placed[index]) = (opened, *place),
                None => {
                    self.places.push(opened);
                    self.placed.push(*place);
                }
            }
        }
        self.follow_sites(layout);
        Ok(())
    }

    /// Knows the sites of this layout from now on.
    pub fn follow_sites(&mut self, layout: &Layout) {
        self.sites.clone_from(&layout.sites);
    }

    /// Sets a stretch of `.bss` back to zero.
    pub fn clear_bss(&self, stretch: Range<u32>) {
        for offset in stretch.step_by(8) {
            self.word(offset).store(0, Ordering::Relaxed);
        }
    }

    /// A word of `.bss`, by its offset.
    pub fn word(&self, offset: u32) -> &AtomicU64 {
        self.bss.word(offset)
    }

    /// A question for any thread: has the script called `exit()`?
    pub fn exit_question(&self) -> impl Fn() -> bool + Send + 'static {
        let bss = Arc::clone(&self.bss);
        move || bss.word(EXIT).load(Ordering::Acquire) & EXIT_ASKED != 0
    }

    /// Where things can go wrong.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The site with this number.
    pub fn site(&self, number: usize) -> Option<&Site> {
        self.sites.get(number)
    }

    /// How often something has gone wrong at a site.
    pub fn count(&self, site: &Site) -> u64 {
        self.word(site.counter).load(Ordering::Relaxed)
    }

    /// All entries of a map, in no order, what the CPUs have gathered merged. A keyless map has one, or none if it has
    /// not been set.
    pub fn read(&self, map: MapId, info: &Map) -> io::Result<Entries> {
        let mut entries = Entries::new(info);
        match (&self.places[map.index()], &info.value) {
            (Place::Global { offset, size }, _) => {
                if self.word(*offset).load(Ordering::Acquire) != 0 {
                    let words = (0..*size).step_by(8).map(|at| self.word(offset + 8 + at).load(Ordering::Relaxed));
                    entries.push(&NO_KEY, &words.flat_map(u64::to_ne_bytes).collect::<Vec<u8>>());
                }
            }
            (Place::Array { map, state_size, pages }, Type::Aggregate(aggregate)) => {
                if let Some(states) = self.read_array(map.as_fd(), *state_size, *pages)? {
                    entries.push_per_cpu(&NO_KEY, *aggregate, &states);
                }
            }
            (Place::Hash { map, key_size, value_size, per_cpu: true }, Type::Aggregate(aggregate)) => {
                let (key_size, value_size) = (*key_size, value_size * self.cpus);
                walk_hash(map.as_fd(), key_size, value_size, |keys, values| {
                    for (key, value) in keys.chunks_exact(key_size).zip(values.chunks_exact(value_size)) {
                        entries.push_per_cpu(key, *aggregate, value);
                    }
                })?;
            }
            (Place::Hash { map, key_size, value_size, .. }, _) => {
                walk_hash(map.as_fd(), *key_size, *value_size, |keys, values| entries.push_all(keys, values))?;
            }
            (Place::Array { .. }, _) => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(entries)
    }

    /// The entry of one key of a keyed aggregation, if there is one.
    pub fn read_entry(&self, map: MapId, info: &Map, key: &[u8]) -> io::Result<Entries> {
        let mut entries = Entries::new(info);
        if let (Place::Hash { map, key_size, value_size, per_cpu: true }, Type::Aggregate(aggregate)) =
            (&self.places[map.index()], &info.value)
            && let Some(key) = key.get(..*key_size)
        {
            let mut states = vec![0; value_size * self.cpus];
            if sys::map_lookup(map.as_fd(), key, &mut states)? {
                entries.push_per_cpu(key, *aggregate, &states);
            }
        }
        Ok(entries)
    }

    /// The states of all CPUs one after the other, unless nothing has been gathered.
    fn read_array(&self, map: BorrowedFd<'_>, state_size: usize, pages: Pages) -> io::Result<Option<Vec<u8>>> {
        let part_size = pages.bytes as usize;
        let mut part = vec![0; (part_size + 8) * self.cpus];
        let mut states = vec![0; state_size * self.cpus];
        let mut is_set = false;
        for page in 0..pages.count {
            sys::map_lookup(map, &page.to_ne_bytes(), &mut part)?;
            let start = part_size * page as usize;
            let end = (start + part_size).min(state_size);
            for (state, part) in states.chunks_exact_mut(state_size).zip(part.chunks_exact(part_size + 8)) {
                let (part, set) = part.split_at(part_size);
                is_set |= set.iter().any(|byte| *byte != 0);
                state[start..end].copy_from_slice(&part[..end - start]);
            }
        }
        Ok(is_set.then_some(states))
    }

    /// Removes all entries.
    pub fn clear(&self, map: MapId) -> io::Result<()> {
        match &self.places[map.index()] {
            Place::Global { offset, size } => {
                self.fill_global(*offset, *size);
                self.word(*offset).store(0, Ordering::Release);
                Ok(())
            }
            Place::Array { map, pages, .. } => self.fill_array(map.as_fd(), *pages, false),
            Place::Hash { map, key_size, value_size, per_cpu } => {
                let keys = self.keys(map.as_fd(), *key_size, *value_size, *per_cpu)?;
                keys.chunks_exact(*key_size).try_for_each(|key| sys::map_delete(map.as_fd(), key).map(drop))
            }
        }
    }

    /// Sets all values to zero and keeps the keys.
    pub fn zero(&self, map: MapId) -> io::Result<()> {
        match &self.places[map.index()] {
            Place::Global { offset, size } => {
                self.fill_global(*offset, *size);
                Ok(())
            }
            Place::Array { map, state_size, pages } => match self.read_array(map.as_fd(), *state_size, *pages)? {
                Some(_) => self.fill_array(map.as_fd(), *pages, true),
                None => Ok(()),
            },
            Place::Hash { map, key_size, value_size, per_cpu } => {
                let zeros = vec![0; value_size * if *per_cpu { self.cpus } else { 1 }];
                let keys = self.keys(map.as_fd(), *key_size, *value_size, *per_cpu)?;
                keys.chunks_exact(*key_size).try_for_each(|key| sys::map_update(map.as_fd(), key, &zeros))
            }
        }
    }

    /// The keys of a hash, one after the other.
    fn keys(&self, map: BorrowedFd<'_>, key_size: usize, value_size: usize, per_cpu: bool) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let value_size = value_size * if per_cpu { self.cpus } else { 1 };
        walk_hash(map, key_size, value_size, |keys, _| all.extend_from_slice(keys))?;
        Ok(all)
    }

    /// Writes zeros over an array; it may stay set, if only on the first page of the first CPU.
    fn fill_array(&self, map: BorrowedFd<'_>, pages: Pages, is_set: bool) -> io::Result<()> {
        let part_size = pages.bytes as usize;
        let mut part = vec![0; (part_size + 8) * self.cpus];
        for page in 0..pages.count {
            part[part_size] = u8::from(is_set && page == 0);
            sys::map_update(map, &page.to_ne_bytes(), &part)?;
        }
        Ok(())
    }

    fn fill_global(&self, offset: u32, size: u32) {
        for at in (0..size).step_by(8) {
            self.word(offset + 8 + at).store(0, Ordering::Relaxed);
        }
    }
}

/// Hands over all entries of a hash, many at once: their keys, and their values in the same order. In batches, or one by
/// one where the kernel has no batches.
fn walk_hash(
    map: BorrowedFd<'_>,
    key_size: usize,
    value_size: usize,
    mut hand: impl FnMut(&[u8], &[u8]),
) -> io::Result<()> {
    /// Bytes of keys and values that are read at once.
    const BYTES: usize = 1 << 20;
    let mut batch = (BYTES / (key_size + value_size).max(1)).clamp(64, 16384);
    let (mut keys, mut values) = (vec![0; key_size * batch], vec![0; value_size * batch]);
    let mut cursor = None;
    loop {
        let read = match sys::map_lookup_batch(map, &mut cursor, &mut keys, &mut values, batch) {
            Ok(read) => read,
            // One bucket holds more than fits.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                batch *= 2;
                keys.resize(key_size * batch, 0);
                values.resize(value_size * batch, 0);
                continue;
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                return walk_one_by_one(map, key_size, value_size, hand);
            }
            Err(error) => return Err(error),
        };
        hand(&keys[..key_size * read.count], &values[..value_size * read.count]);
        if !read.more {
            return Ok(());
        }
    }
}

fn walk_one_by_one(
    map: BorrowedFd<'_>,
    key_size: usize,
    value_size: usize,
    mut hand: impl FnMut(&[u8], &[u8]),
) -> io::Result<()> {
    let (mut key, mut next, mut value) = (None, vec![0; key_size], vec![0; value_size]);
    while sys::map_next_key(map, key.as_deref(), &mut next)? {
        if sys::map_lookup(map, &next, &mut value)? {
            hand(&next, &value);
        }
        key.get_or_insert_with(Vec::new).clone_from(&next);
    }
    Ok(())
}

/// The data section, shared with the running programs.
struct Bss {
    start: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: the mapping is only accessed through atomics, and stays valid wherever its owner goes.
unsafe impl Send for Bss {}
// SAFETY: as above.
unsafe impl Sync for Bss {}

impl Bss {
    fn open(map: BorrowedFd<'_>, size: u32) -> io::Result<Self> {
        let bytes = (size as usize).next_multiple_of(8);
        // SAFETY: a fresh shared mapping at an address of the kernel's choice; nothing else is changed.
        let start =
            unsafe { mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, map, 0)? };
        Ok(Self { start, bytes })
    }

    fn word(&self, offset: u32) -> &AtomicU64 {
        let offset = offset as usize;
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.bytes, "offsets come from the layout");
        // SAFETY: inside the mapping and aligned, as just checked; the mapping lives as long as self, and both the
        // programs and we access it by whole words only.
        unsafe { AtomicU64::from_ptr(self.start.cast::<u64>().add(offset / 8)) }
    }
}

impl Drop for Bss {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `open`, to which no reference is left.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}
