//! The maps of a running script, as user space sees them: read, cleared, zeroed.
//!
//! Maps are read through the kernel in batches, `.bss` through a shared mapping, because the programs change it at the
//! same time and a write of the whole would lose what they do.

use crate::load::Loaded;
use crate::output::Entries;
use crate::sys;
use codegen::layout::{Layout, MapPlace, Site};
use lang::typed::{Map, MapId};
use lang::types::Type;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// One entry as the kernel holds it: per-CPU values one after the other. A keyless map's key is four zeros.
struct RawEntry {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Access to all maps of a session.
pub struct Store {
    places: Vec<Place>,
    bss: Bss,
    sites: Vec<Site>,
    cpus: usize,
}

/// Where a map is, with what is needed to reach it.
enum Place {
    Global { offset: u32, size: u32 },
    Array { map: OwnedFd, value_size: usize },
    Hash { map: OwnedFd, key_size: usize, value_size: usize, per_cpu: bool },
}

impl Store {
    /// Opens the maps of a loaded script.
    pub fn new(loaded: &Loaded, layout: &Layout, maps: &[Map]) -> io::Result<Self> {
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        let fd = |index: u32| -> io::Result<OwnedFd> {
            let name = &layout.kernel_maps[index as usize].name;
            loaded.map(name).ok_or(io::ErrorKind::NotFound)?.try_clone_to_owned()
        };
        let mut places = Vec::new();
        for (map, place) in maps.iter().zip(&layout.places) {
            let value_size = map.value.slot_size();
            let key_size = map.key_size() as usize;
            places.push(match *place {
                MapPlace::Global(offset) => Place::Global { offset, size: value_size },
                MapPlace::PerCpuArray(index) => Place::Array { map: fd(index)?, value_size: value_size as usize + 8 },
                MapPlace::Hash(index) => {
                    Place::Hash { map: fd(index)?, key_size, value_size: value_size as usize, per_cpu: false }
                }
                MapPlace::PerCpuHash(index) => {
                    Place::Hash { map: fd(index)?, key_size, value_size: value_size as usize, per_cpu: true }
                }
            });
        }
        let bss = loaded.map(".bss").ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { places, bss: Bss::open(bss, layout.bss_size)?, sites: layout.sites.clone(), cpus })
    }

    /// A word of `.bss`, by its offset.
    pub fn word(&self, offset: u32) -> &AtomicU64 {
        self.bss.word(offset)
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
        for entry in self.read_raw(map)? {
            match info.value {
                Type::Aggregate(aggregate) => entries.push_per_cpu(&entry.key, aggregate, &entry.value),
                _ => entries.push(&entry.key, &entry.value),
            }
        }
        Ok(entries)
    }

    fn read_raw(&self, map: MapId) -> io::Result<Vec<RawEntry>> {
        match &self.places[map.index()] {
            Place::Global { offset, size } => {
                if self.word(*offset).load(Ordering::Acquire) == 0 {
                    return Ok(Vec::new());
                }
                let words = (0..*size).step_by(8).map(|at| self.word(offset + 8 + at).load(Ordering::Relaxed));
                Ok(vec![RawEntry { key: vec![0; 4], value: words.flat_map(u64::to_ne_bytes).collect() }])
            }
            Place::Array { map, value_size } => {
                let mut value = vec![0; value_size * self.cpus];
                sys::map_lookup(map.as_fd(), &[0; 4], &mut value)?;
                let mut is_set = false;
                let mut states = Vec::with_capacity(value.len());
                for state in value.chunks_exact(*value_size) {
                    let (state, set) = state.split_at(value_size - 8);
                    is_set |= set.iter().any(|byte| *byte != 0);
                    states.extend_from_slice(state);
                }
                Ok(if is_set { vec![RawEntry { key: vec![0; 4], value: states }] } else { Vec::new() })
            }
            Place::Hash { map, key_size, value_size, per_cpu } => {
                let value_size = value_size * if *per_cpu { self.cpus } else { 1 };
                read_hash(map.as_fd(), *key_size, value_size)
            }
        }
    }

    /// Removes all entries.
    pub fn clear(&self, map: MapId) -> io::Result<()> {
        match &self.places[map.index()] {
            Place::Global { offset, size } => {
                self.fill_global(*offset, *size);
                self.word(*offset).store(0, Ordering::Release);
                Ok(())
            }
            Place::Array { map, value_size } => sys::map_update(map.as_fd(), &[0; 4], &vec![0; value_size * self.cpus]),
            Place::Hash { map: fd, .. } => {
                for entry in self.read_raw(map)? {
                    sys::map_delete(fd.as_fd(), &entry.key)?;
                }
                Ok(())
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
            Place::Array { map: fd, value_size } => {
                if self.read_raw(map)?.is_empty() {
                    return Ok(());
                }
                let mut value = vec![0; value_size * self.cpus];
                // Still set, if only on the first CPU.
                value[value_size - 8..*value_size].copy_from_slice(&1u64.to_ne_bytes());
                sys::map_update(fd.as_fd(), &[0; 4], &value)
            }
            Place::Hash { map: fd, .. } => {
                for mut entry in self.read_raw(map)? {
                    entry.value.fill(0);
                    sys::map_update(fd.as_fd(), &entry.key, &entry.value)?;
                }
                Ok(())
            }
        }
    }

    fn fill_global(&self, offset: u32, size: u32) {
        for at in (0..size).step_by(8) {
            self.word(offset + 8 + at).store(0, Ordering::Relaxed);
        }
    }
}

/// Reads a hash in batches, or one by one where the kernel has no batches.
fn read_hash(map: BorrowedFd<'_>, key_size: usize, value_size: usize) -> io::Result<Vec<RawEntry>> {
    let mut entries: Vec<RawEntry> = Vec::new();
    let mut cursor = None;
    let mut batch = 4096;
    loop {
        let mut keys = vec![0; key_size * batch];
        let mut values = vec![0; value_size * batch];
        let read = match sys::map_lookup_batch(map, &mut cursor, &mut keys, &mut values, batch) {
            Ok(read) => read,
            // One bucket holds more than fits.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                batch *= 2;
                continue;
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                return read_one_by_one(map, key_size, value_size);
            }
            Err(error) => return Err(error),
        };
        let pairs = keys.chunks_exact(key_size).zip(values.chunks_exact(value_size)).take(read.count);
        entries.extend(pairs.map(|(key, value)| RawEntry { key: key.to_vec(), value: value.to_vec() }));
        if !read.more {
            return Ok(entries);
        }
    }
}

fn read_one_by_one(map: BorrowedFd<'_>, key_size: usize, value_size: usize) -> io::Result<Vec<RawEntry>> {
    let mut entries = Vec::new();
    let mut key: Option<Vec<u8>> = None;
    loop {
        let mut next = vec![0; key_size];
        if !sys::map_next_key(map, key.as_deref(), &mut next)? {
            return Ok(entries);
        }
        let mut value = vec![0; value_size];
        if sys::map_lookup(map, &next, &mut value)? {
            entries.push(RawEntry { key: next.clone(), value });
        }
        key = Some(next);
    }
}

/// The data section, shared with the running programs.
struct Bss {
    start: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: the mapping is only accessed through atomics, and stays valid wherever its owner goes.
unsafe impl Send for Bss {}

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
