//! Where everything of a program lies in the kernel: its maps, and the one data section `.bss`.
//!
//! A keyless plain map is a word in `.bss`, reached without a lookup; a keyless aggregation is a per-CPU array of one
//! element, keyed maps are hashes. `.bss` also holds what user space tells the program (when tracing started, the
//! child's pid) and what the program tells user space without an event: one counter for each place where something can
//! be lost. User space reads and writes all of it by the offsets given here.

use crate::helpers::Helper;
use crate::unwind;
use hashbrown::HashMap;
use lang::span::Span;
use lang::target::Target;
use lang::typed::{Map, MapId, Program};
use lang::types::{Aggregate, Names, SERIES_PAGE, SERIES_WORDS, Type};
use std::ops::Range;

/// How the kernel keeps a map (`enum bpf_map_type`, include/uapi/linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_HASH`
    Hash = 1,
    /// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`
    PerfEventArray = 4,
    /// `BPF_MAP_TYPE_PERCPU_HASH`
    PerCpuHash = 5,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`
    PerCpuArray = 6,
    /// `BPF_MAP_TYPE_LRU_HASH`
    LruHash = 9,
    /// `BPF_MAP_TYPE_LRU_PERCPU_HASH`
    LruPerCpuHash = 10,
    /// `BPF_MAP_TYPE_ARRAY_OF_MAPS`
    ArrayOfMaps = 12,
    /// `BPF_MAP_TYPE_HASH_OF_MAPS`
    HashOfMaps = 13,
    /// `BPF_MAP_TYPE_RINGBUF`
    RingBuf = 27,
}

/// A map to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelMap {
    /// Its symbol in the object.
    pub name: String,
    /// How it is kept.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value (of each CPU's value, for per-CPU kinds).
    pub value_size: u32,
    /// Most entries; bytes for a ring buffer.
    pub max_entries: u32,
    /// Bytes of an element of the arrays that a map of maps has.
    pub inner_size: Option<u32>,
}

impl KernelMap {
    /// Whether nothing uses its place any more, so that there is no map to create.
    pub fn is_vacant(&self) -> bool {
        self.max_entries == 0
    }
}

/// Where a map of the script lives. Indices are into [`Layout::kernel_maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapPlace {
    /// In `.bss`: at this offset one word that says whether it has been set, then the value.
    Global(u32),
    /// The only element of a per-CPU array: the state, then one word that says whether it has been set. A long time
    /// series is in several elements, each with such a word: see [`Pages`].
    PerCpuArray(u32),
    /// One element a key.
    Hash(u32),
    /// One element a key and CPU.
    PerCpuHash(u32),
}

/// What a program needs to walk stacks by tables; see [`crate::unwind`]. The maps are indices into
/// [`Layout::kernel_maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwinding {
    /// The mappings of each process.
    pub processes: u32,
    /// The rows of each table.
    pub tables: u32,
    /// Offset in `.bss` of the times user space was asked for a process the last time: [`ASKED_SLOTS`] words, which
    /// processes share by the lowest bits of their numbers.
    pub asked: u32,
}

/// How the state of a keyless aggregation is spread over the elements of its array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// How many elements.
    pub count: u32,
    /// Bytes of the state in each; the last one may have some to spare.
    pub bytes: u32,
}

impl Pages {
    /// One, unless it is a series of more intervals than a value of a kernel map has room for.
    pub fn of(aggregate: Aggregate) -> Self {
        match aggregate {
            Aggregate::TSeries { intervals, .. } if intervals > SERIES_PAGE => {
                Self { count: intervals.div_ceil(SERIES_PAGE), bytes: SERIES_PAGE * SERIES_WORDS * 8 }
            }
            _ => Self { count: 1, bytes: aggregate.words() * 8 },
        }
    }
}

/// So many processes may ask at a time; a power of two.
pub const ASKED_SLOTS: u32 = 64;

/// What can go wrong while a probe runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// An event found no room in its ring buffer.
    LostEvent,
    /// A packet found no room in the buffer of its processor.
    LostPacket,
    /// A new key found no room in its map.
    MapFull,
    /// A divisor was zero.
    DivisionByZero,
    /// An index was not within its array.
    OutOfBounds,
    /// A loop took more turns than the kernel allows.
    LoopStopped,
    /// A map was read where it has no element.
    MissingElement,
    /// Nothing is known of the stack of the process.
    NoUnwinding,
    /// Memory could not be read by this helper.
    FailedRead(Helper),
    /// This helper could not do what it was asked to.
    Failed(Helper),
    /// There was no stack to be taken, of the process or of the kernel.
    NoStack {
        /// The process's.
        user: bool,
    },
    /// There is no task of that id.
    NoSuchTask,
}

impl SiteKind {
    /// Whether it is told only if asked for: it happens in programs that are right, and gives zeros.
    pub fn is_quiet(self) -> bool {
        matches!(self, Self::MissingElement | Self::FailedRead(_) | Self::NoStack { .. })
    }

    /// Whether a helper said why.
    fn has_code(self) -> bool {
        matches!(self, Self::MapFull | Self::FailedRead(_) | Self::Failed(_))
    }
}

/// A place in the script where something can go wrong, with its counter in `.bss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// What.
    pub kind: SiteKind,
    /// Where in the script.
    pub span: Span,
    /// Offset of its 64-bit counter in `.bss`.
    pub counter: u32,
    /// Offset in `.bss` of what the helper gave the last time, a negative error number.
    pub code: Option<u32>,
    /// Which entry it belongs to: [`Layout::owner`].
    pub owner: u32,
}

/// Offset in `.bss` of the time tracing started: nanoseconds since boot (`CLOCK_BOOTTIME`), written by user space.
pub const START_TIME: u32 = 0;
/// Offset in `.bss` of the child's process id, written by user space.
pub const CHILD_PID: u32 = 8;
/// Offset in `.bss` of the first `exit()`: 0, or [`EXIT_ASKED`] and the exit code. So that an exit reaches user space
/// even when its control record finds no room.
pub const EXIT: u32 = 16;
/// Set in the word at [`EXIT`] once `exit()` was called; the exit code is in the low 8 bits.
pub const EXIT_ASKED: u64 = 1 << 32;
/// Offset in `.bss` of a word that nobody writes: the counter of sites that are no more.
const NOTHING: u32 = 24;
/// Who has sites that are no more.
const NOBODY: u32 = u32::MAX;
const FIRST_FREE: u32 = 32;

/// Where user space finds what a test or benchmark has returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultPlace {
    /// Offset in `.bss` of two words: what it returned, and the number of the statement, 0 if that has no value.
    pub offset: u32,
    /// The statements, of which the first has the number 1.
    pub statements: Vec<Span>,
}

/// Sizes that depend on the machine.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of the ring buffer for printed records; a power of two, at least a page.
    pub data_ring: u32,
    /// Bytes of `.bss`; if they are not given, those that the script needs. The entries of a session share one, which
    /// cannot grow.
    pub bss: Option<u32>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { data_ring: 2 << 20, bss: None }
    }
}

/// Bytes of the ring buffer for control events, which are few and small. `print(@map)` may fill half of it; the rest is
/// for what must not be lost.
pub const CONTROL_RING: u32 = 512 << 10;

/// Bytes of the ring buffer for news of processes, a word each, which are read at once.
pub const PROCESS_RING: u32 = 64 << 10;

/// Bytes on each CPU that the time series of a map with keys may take, all keys together, unless its entries are
/// declared. The kernel reserves the memory of all entries at once, and a series can be long.
const SERIES_BYTES: u32 = 16 << 20;

/// Whether two maps can have the same place.
fn lie_alike(a: &Map, b: &Map) -> bool {
    let keys = match (&a.key, &b.key) {
        (None, None) => true,
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.lies_like(b)),
        _ => false,
    };
    keys && a.value.lies_like(&b.value) && a.declared == b.declared
}

/// Where everything of one program lies.
#[derive(Clone, Debug)]
pub struct Layout {
    /// A place for each map of the script, by [`MapId`].
    pub places: Vec<MapPlace>,
    /// The maps to create.
    pub kernel_maps: Vec<KernelMap>,
    /// Bytes of `.bss`.
    pub bss_size: u32,
    /// Where something can go wrong.
    pub sites: Vec<Site>,
    /// The ring buffer of printed records.
    pub data_ring: Option<u32>,
    /// The ring buffer of control events.
    pub control_ring: Option<u32>,
    /// The processes that user space has been told of, and the ring buffer by which it is.
    pub processes: Option<(u32, u32)>,
    /// The buffers of captured packets, one for each CPU.
    pub packets: Option<u32>,
    /// A per-CPU array with one element a program, for values too large for the stack.
    pub scratch: Option<u32>,
    /// What it takes to walk stacks by tables, if that is done.
    pub unwinding: Option<Unwinding>,
    /// BTF ids of the kernel's functions that are called.
    pub kfuncs: Vec<u32>,
    /// Offset in `.bss` of the nanoseconds that `CLOCK_TAI` is ahead of `CLOCK_BOOTTIME`, written by user space.
    pub tai_offset: Option<u32>,
    /// How a test or benchmark tells what it returns.
    pub result: Option<ResultPlace>,
    /// What is [quiet](SiteKind::is_quiet) is told as well.
    pub tells_reads: bool,
    /// Which entry of a session the programs belong to; requests that end something say it.
    pub entry: u32,
    /// The maps as they were placed.
    placed: Vec<Map>,
    /// The layout of an entry that is not the first goes on with that of the one before.
    goes_on: bool,
    sizes: Sizes,
    site_numbers: HashMap<(SiteKind, Span), u32>,
    /// Offset and size of a stretch of `.bss` that nobody writes.
    zeros: Option<(u32, u32)>,
    /// Tables of names: where they begin, and how many rows they have.
    names: HashMap<Names, (u32, u32)>,
    /// What user space writes to `.bss` before anything of this entry runs: offsets, and bytes in whole words.
    pub tables: Vec<(u32, Vec<u8>)>,
    /// Who of those that take something now: each layout that goes on with another has a number of its own.
    pub owner: u32,
    /// What of `.bss` belongs to whom, if it is not for all.
    owned: Vec<(u32, Range<u32>)>,
    /// What of `.bss` has been given back.
    free: Vec<Range<u32>>,
    /// The same, but of late: a program that was running while it was detached may still write there.
    cooling: Vec<Range<u32>>,
}

impl Layout {
    /// Places the maps of a program.
    pub fn new(program: &Program, sizes: Sizes) -> Self {
        let mut layout = Self {
            places: Vec::new(),
            kernel_maps: Vec::new(),
            bss_size: FIRST_FREE,
            sites: Vec::new(),
            data_ring: None,
            control_ring: None,
            processes: None,
            packets: None,
            scratch: None,
            unwinding: None,
            kfuncs: Vec::new(),
            tai_offset: None,
            result: None,
            tells_reads: false,
            entry: 0,
            placed: Vec::new(),
            goes_on: false,
            sizes,
            site_numbers: HashMap::new(),
            zeros: None,
            names: HashMap::new(),
            tables: Vec::new(),
            owner: 0,
            owned: Vec::new(),
            free: Vec::new(),
            cooling: Vec::new(),
        };
        layout.place_all(program);
        layout
    }

    /// The layout of a session's next entry. What has its place keeps it: programs are running that use it. Only a map
    /// that turns out to be something else than was thought while nothing was assigned to it gets a new one. Scratch
    /// memory and what a test returns are each entry's own.
    pub fn continued(&self, program: &Program) -> Self {
        let mut layout = Self {
            kfuncs: Vec::new(),
            result: None,
            goes_on: true,
            // Others may be gone when these programs still run.
            site_numbers: HashMap::new(),
            tables: Vec::new(),
            owner: self.owner + 1,
            ..self.clone()
        };
        if let Some(scratch) = layout.scratch {
            layout.vacate(scratch);
        }
        layout.place_all(program);
        layout
    }

    fn place_all(&mut self, program: &Program) {
        for (index, map) in program.maps.iter().enumerate() {
            match (self.places.get(index).copied(), self.placed.get(index)) {
                (Some(_), Some(placed)) if lie_alike(placed, map) => self.placed[index].clone_from(map),
                (Some(old), _) => {
                    if let MapPlace::PerCpuArray(old) | MapPlace::Hash(old) | MapPlace::PerCpuHash(old) = old {
                        self.vacate(old);
                    }
                    self.places[index] = self.place(map, program.config.max_map_keys);
                    self.placed[index].clone_from(map);
                }
                (None, _) => {
                    let place = self.place(map, program.config.max_map_keys);
                    self.places.push(place);
                    self.placed.push(map.clone());
                }
            }
        }
    }

    /// An entry is gone: what it had of `.bss` and its sites can be had by others. Gives the stretches that are free from
    /// now on, which have to be set to zero; they may be those of one that went before.
    pub fn release(&mut self, owner: u32) -> Vec<Range<u32>> {
        let (its, others) = std::mem::take(&mut self.owned).into_iter().partition(|(known, _)| *known == owner);
        self.owned = others;
        let its: Vec<(u32, Range<u32>)> = its;
        for site in self.sites.iter_mut().filter(|site| site.owner == owner) {
            (site.owner, site.counter, site.code) = (NOBODY, NOTHING, None);
        }
        let cooled = std::mem::replace(&mut self.cooling, its.into_iter().map(|(_, stretch)| stretch).collect());
        self.free.extend(cooled.iter().cloned());
        self.free = joined(std::mem::take(&mut self.free));
        cooled
    }

    /// The numbers of sites that are no more.
    pub fn vacant_sites(&self) -> impl Iterator<Item = usize> {
        self.sites.iter().enumerate().filter(|(_, site)| site.owner == NOBODY).map(|(number, _)| number)
    }

    /// What of `.bss` has been taken since this layout was `before`.
    pub fn taken_since(&self, before: &Self) -> impl Iterator<Item = Range<u32>> {
        let own = self.owned.iter().filter(|(owner, _)| *owner > before.owner).map(|(_, stretch)| stretch.clone());
        own.chain(std::iter::once(before.bss_size..self.bss_size))
    }

    fn vacate(&mut self, kernel_map: u32) {
        let map = &mut self.kernel_maps[kernel_map as usize];
        (map.value_size, map.max_entries) = (0, 0);
    }

    /// Bytes of `.bss` as it is created.
    pub fn bss_bytes(&self) -> u32 {
        self.sizes.bss.unwrap_or(self.bss_size)
    }

    /// Whether more has been reserved than there is.
    pub fn is_full(&self) -> bool {
        self.bss_size > self.bss_bytes()
    }

    /// Whether an entry has taken nothing but words of `.bss` beyond what `before` has, which can be given back.
    pub fn is_alike(&self, before: &Self) -> bool {
        let maps = |layout: &Self| {
            let scratch = layout.scratch.map(|map| map as usize);
            let all = layout.kernel_maps.iter().cloned().enumerate();
            all.filter(|(index, _)| Some(*index) != scratch).collect::<Vec<_>>()
        };
        self.places == before.places && maps(self) == maps(before)
    }

    /// Whether it goes on with that of another entry.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    fn place(&mut self, map: &Map, max_map_keys: u32) -> MapPlace {
        let value_size = map.value.slot_size();
        let aggregate = match map.value {
            Type::Aggregate(aggregate) => Some(aggregate),
            _ => None,
        };
        let mut name = format!("AT_{}", map.name);
        if self.kernel_maps.iter().any(|other| other.name == name) {
            // No map of a script has a dot in its name.
            name += &format!(".{}", self.kernel_maps.len());
        }
        match (&map.key, aggregate) {
            (None, None) => MapPlace::Global(self.reserve_bss(8 + value_size)),
            (None, Some(aggregate)) => {
                let (kind, pages) = (MapKind::PerCpuArray, Pages::of(aggregate));
                MapPlace::PerCpuArray(self.add_map(name, kind, 4, pages.bytes + 8, pages.count))
            }
            (Some(_), aggregate) => {
                let per_cpu = aggregate.is_some();
                let kind = match (per_cpu, map.declared.is_some_and(|declared| declared.kind.evicts)) {
                    (false, false) => MapKind::Hash,
                    (false, true) => MapKind::LruHash,
                    (true, false) => MapKind::PerCpuHash,
                    (true, true) => MapKind::LruPerCpuHash,
                };
                let usual = match aggregate {
                    Some(Aggregate::TSeries { .. }) => max_map_keys.min(SERIES_BYTES / value_size.max(1)),
                    _ => max_map_keys,
                };
                let entries = map.declared.map_or(usual, |declared| declared.entries);
                let index = self.add_map(name, kind, map.key_size(), value_size, entries);
                if per_cpu { MapPlace::PerCpuHash(index) } else { MapPlace::Hash(index) }
            }
        }
    }

    fn add_map(&mut self, name: String, kind: MapKind, key_size: u32, value_size: u32, max_entries: u32) -> u32 {
        self.kernel_maps.push(KernelMap { name, kind, key_size, value_size, max_entries, inner_size: None });
        self.kernel_maps.len() as u32 - 1
    }

    fn reserve_bss(&mut self, bytes: u32) -> u32 {
        let offset = self.bss_size;
        self.bss_size += bytes.next_multiple_of(8);
        offset
    }

    /// Bytes of `.bss` that go back when the entry goes.
    fn reserve_own(&mut self, bytes: u32) -> u32 {
        let bytes = bytes.next_multiple_of(8);
        let fits = self.free.iter_mut().find(|stretch| stretch.end - stretch.start >= bytes);
        let offset = match fits {
            Some(stretch) => {
                let offset = stretch.start;
                stretch.start += bytes;
                offset
            }
            None => self.reserve_bss(bytes),
        };
        self.free.retain(|stretch| !stretch.is_empty());
        match self.owned.last_mut() {
            Some((owner, last)) if *owner == self.owner && last.end == offset => last.end += bytes,
            _ => self.owned.push((self.owner, offset..offset + bytes)),
        }
        offset
    }

    /// The place of a map of the script.
    pub fn of(&self, map: MapId) -> MapPlace {
        self.places[map.index()]
    }

    /// The ring buffer of printed records, which a first use creates.
    pub fn use_data_ring(&mut self) -> u32 {
        match self.data_ring {
            Some(ring) => ring,
            None => {
                let ring = self.add_ring("ring_data", self.sizes.data_ring);
                self.data_ring = Some(ring);
                ring
            }
        }
    }

    /// The ring buffer of control events, which a first use creates.
    pub fn use_control_ring(&mut self) -> u32 {
        match self.control_ring {
            Some(ring) => ring,
            None => {
                let ring = self.add_ring("ring_control", CONTROL_RING);
                self.control_ring = Some(ring);
                ring
            }
        }
    }

    /// The map of the processes that user space has been told of, and the ring buffer by which it is; a first use
    /// creates them.
    pub fn use_processes(&mut self) -> (u32, u32) {
        *self.processes.get_or_insert_with(|| {
            // A process that is forgotten is told of again.
            self.kernel_maps.push(KernelMap {
                name: "processes".to_owned(),
                kind: MapKind::LruHash,
                key_size: 16,
                value_size: 8,
                inner_size: None,
                max_entries: 4096,
            });
            let seen = self.kernel_maps.len() as u32 - 1;
            self.kernel_maps.push(KernelMap {
                name: "ring_processes".to_owned(),
                kind: MapKind::RingBuf,
                key_size: 0,
                value_size: 0,
                inner_size: None,
                max_entries: PROCESS_RING,
            });
            (seen, seen + 1)
        })
    }

    /// The buffers of captured packets, which a first use creates.
    pub fn use_packets(&mut self, cpus: u32) -> u32 {
        match self.packets {
            Some(map) => map,
            None => {
                let map = self.add_map("packets".to_owned(), MapKind::PerfEventArray, 4, 4, cpus);
                self.packets = Some(map);
                map
            }
        }
    }

    fn add_ring(&mut self, name: &str, bytes: u32) -> u32 {
        self.add_map(name.to_owned(), MapKind::RingBuf, 0, 0, bytes)
    }

    /// The scratch map, grown to `bytes` a program.
    pub fn use_scratch(&mut self, programs: u32, bytes: u32) -> u32 {
        let index = match self.scratch {
            Some(index) => index,
            None => {
                let index = self.add_map("scratch".to_owned(), MapKind::PerCpuArray, 4, 0, programs);
                self.scratch = Some(index);
                index
            }
        };
        let map = &mut self.kernel_maps[index as usize];
        map.value_size = map.value_size.max(bytes);
        map.max_entries = map.max_entries.max(programs);
        index
    }

    /// The maps for walking stacks by tables, which a first use creates.
    pub fn use_unwinding(&mut self) -> Unwinding {
        if let Some(unwinding) = self.unwinding {
            return unwinding;
        }
        let mut add = |name: &str, kind, entries, inner_size| {
            let index = self.add_map(name.to_owned(), kind, 4, 4, entries);
            self.kernel_maps[index as usize].inner_size = Some(inner_size);
            index
        };
        let processes = add("unwind_procs", MapKind::HashOfMaps, unwind::MOST_PROCESSES, unwind::MAPPING_SIZE);
        let tables = add("unwind_tables", MapKind::ArrayOfMaps, unwind::MOST_ARRAYS, unwind::ROW_SIZE);
        let unwinding = Unwinding { processes, tables, asked: self.reserve_bss(ASKED_SLOTS * 8) };
        self.unwinding = Some(unwinding);
        unwinding
    }

    /// The offset in `.bss` of a table that user space fills.
    pub fn add_table(&mut self, bytes: Vec<u8>) -> u32 {
        let offset = self.reserve_own(bytes.len() as u32);
        self.fill(offset, bytes)
    }

    fn fill(&mut self, offset: u32, mut bytes: Vec<u8>) -> u32 {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        self.tables.push((offset, bytes));
        offset
    }

    /// The offset in `.bss` of a table of names, and how many rows it has.
    pub fn use_names(&mut self, names: Names, target: &dyn Target) -> (u32, u32) {
        if let Some(known) = self.names.get(&names) {
            return *known;
        }
        let rows = lang::names::table(names, target);
        let mut bytes = Vec::new();
        for row in &rows {
            let room = lang::names::ROOM as usize;
            let end = bytes.len() + room;
            bytes.extend(row.bytes().take(room - 1));
            bytes.resize(end, 0);
        }
        let offset = self.reserve_bss(bytes.len() as u32);
        let table = (self.fill(offset, bytes), rows.len() as u32);
        self.names.insert(names, table);
        table
    }

    /// The number in `kfuncs` of a function of the kernel.
    pub fn use_kfunc(&mut self, id: u32) -> u32 {
        let index = self.kfuncs.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.kfuncs.push(id);
            self.kfuncs.len() - 1
        });
        index as u32
    }

    /// The offset in `.bss` of the difference between two clocks, which a first use reserves.
    pub fn use_tai_offset(&mut self) -> u32 {
        match self.tai_offset {
            Some(offset) => offset,
            None => {
                let offset = self.reserve_bss(8);
                self.tai_offset = Some(offset);
                offset
            }
        }
    }

    /// The offset in `.bss` of what a test or benchmark returns, which a first use reserves, and the number of the
    /// statement at `span`.
    pub fn use_result(&mut self, span: Span) -> (u32, u32) {
        let mut result = self.result.take().unwrap_or_default();
        if result.statements.is_empty() {
            result.offset = self.reserve_own(16);
        }
        result.statements.push(span);
        let numbers = (result.offset, result.statements.len() as u32);
        self.result = Some(result);
        numbers
    }

    /// The offset in `.bss` of `bytes` zeros.
    pub fn use_zeros(&mut self, bytes: u32) -> u32 {
        match self.zeros {
            Some((offset, size)) if size >= bytes => offset,
            _ => {
                let offset = self.reserve_bss(bytes);
                self.zeros = Some((offset, bytes));
                offset
            }
        }
    }

    /// The number of the site at `span`, which a first use creates.
    pub fn use_site(&mut self, kind: SiteKind, span: Span) -> u32 {
        if let Some(number) = self.site_numbers.get(&(kind, span)) {
            return *number;
        }
        let counter = self.reserve_own(8);
        let code = kind.has_code().then(|| self.reserve_own(8));
        let site = Site { kind, span, counter, code, owner: self.owner };
        let vacant = self.vacant_sites().next();
        let number = vacant.unwrap_or(self.sites.len());
        match vacant {
            Some(number) => self.sites[number] = site,
            None => self.sites.push(site),
        }
        self.site_numbers.insert((kind, span), number as u32);
        number as u32
    }
}

/// Stretches in order, those that touch as one.
fn joined(mut stretches: Vec<Range<u32>>) -> Vec<Range<u32>> {
    stretches.sort_by_key(|stretch| stretch.start);
    let mut joined: Vec<Range<u32>> = Vec::new();
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if last.end == stretch.start => last.end = stretch.end,
            _ => joined.push(stretch),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_had_is_for_others_when_it_has_gone() {
        let program = Program::default();
        let first = Layout::new(&program, Sizes { bss: Some(1 << 20), ..Sizes::default() });
        let mut size = 0;
        let mut layout = first.continued(&program);
        for round in 0..1000 {
            let owner = layout.owner;
            let number = layout.use_site(SiteKind::MapFull, Span::new(5, 6));
            let other = layout.use_site(SiteKind::LostEvent, Span::new(5, 6));
            let table = layout.add_table(vec![1; 100]);
            let [site, lost] = [number, other].map(|number| layout.sites[number as usize]);
            let mut words =
                [Some(site.counter), site.code, Some(lost.counter), Some(table)].map(Option::unwrap_or_default);
            words.sort();
            assert!(words[0] >= FIRST_FREE && words.is_sorted_by(|a, b| a + 8 <= *b), "{words:?}");
            layout.release(owner);
            assert!(layout.sites.iter().all(|site| site.counter == NOTHING));
            layout = layout.continued(&program);
            assert!(layout.tables.is_empty());
            if round == 3 {
                size = layout.bss_size;
            }
        }
        assert_eq!((layout.bss_size, layout.sites.len()), (size, 2));
    }

    #[test]
    fn what_was_taken_is_known() {
        let program = Program::default();
        let before = Layout::new(&program, Sizes { bss: Some(1 << 20), ..Sizes::default() }).continued(&program);
        let mut layout = before.continued(&program);
        layout.use_site(SiteKind::LostEvent, Span::new(1, 2));
        let taken: Vec<Range<u32>> = layout.taken_since(&before).collect();
        assert!(taken.iter().all(|stretch| *stretch == (FIRST_FREE..FIRST_FREE + 8)), "{taken:?}");
    }

    #[test]
    fn stretches_that_touch_are_one() {
        assert_eq!(joined(vec![16..24, 0..8, 8..16, 32..40]), [0..24, 32..40]);
    }
}
