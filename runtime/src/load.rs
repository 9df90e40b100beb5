//! From an ELF object to maps and programs in the kernel.
//!
//! aya reads the object, creates the maps and relocates; the programs are loaded here, because an attach target has to
//! be given that aya's loader has no place for, and because its loader parses all of the kernel's BTF each time.

use crate::sys::{self, BPF_TRACE_KPROBE_SESSION, LoadRequest, MapRequest};
use aya::maps::MapData;
use aya_obj::generated::{bpf_attach_type, bpf_func_info, bpf_insn, bpf_prog_type};
use codegen::btf::{Btf, Linkage};
use codegen::layout::{KernelMap, Layout};
use codegen::object::{Object, Program};
use hashbrown::HashMap;
use lang::probes::net::{Direction, XdpMode};
use lang::target::{Attach, ProgramType};
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use thiserror::Error;

/// `BPF_F_MMAPABLE` (include/uapi/linux/bpf.h)
const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Why loading failed.
#[derive(Debug, Error)]
pub enum LoadError {
    /// rtrace's own object is not what aya understands.
    #[error("the compiled object cannot be read back: {0}")]
    Object(String),
    /// A map could not be created.
    #[error("cannot create the map {name}: {error}")]
    Map {
        /// Its symbol in the object.
        name: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The types of a program's functions were refused.
    #[error("the kernel refused the function types of the program {program}: {error}")]
    Types {
        /// Its name.
        program: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The verifier or the kernel refused a program.
    #[error("the kernel refused the program {}: {error}", .refusal.program)]
    Refused {
        /// What the verifier said.
        refusal: Box<Refusal>,
        /// The error number.
        error: io::Error,
    },
}

/// A program that the kernel would not load.
#[derive(Debug)]
pub struct Refusal {
    /// Its name.
    pub program: String,
    /// Its place among the object's programs.
    pub index: usize,
    /// The instruction the verifier stopped at.
    pub slot: Option<u32>,
    /// The last line of the log that gives a reason.
    pub reason: String,
    /// The whole log.
    pub log: String,
}

impl Refusal {
    /// Whether it is about the function that the program is for, and not about what it does: no instruction was looked at.
    pub fn is_of_function(&self, program: &Program) -> bool {
        let is_function = matches!(program.points[0].attach, Attach::Fentry { .. } | Attach::ProgramFentry { .. });
        is_function && self.slot.is_none()
    }
}

/// A loaded script.
pub struct Loaded {
    /// The maps that were created for it, by their symbol in the object.
    maps: HashMap<String, MapData>,
    /// Programs, in the object's order, without those that were refused.
    pub programs: Vec<OwnedFd>,
    /// What the kernel would not have, and can be done without.
    pub refused: Vec<(Box<Refusal>, io::Error)>,
}

/// The maps that the entries of a session have in common, by their symbol.
#[derive(Default)]
pub struct LiveMaps {
    maps: HashMap<String, OwnedFd>,
}

impl LiveMaps {
    /// Takes in what was created for an entry.
    pub fn adopt(&mut self, loaded: &Loaded, layout: &Layout) -> io::Result<()> {
        let scratch = layout.scratch.map(|map| layout.kernel_maps[map as usize].name.as_str());
        for (name, map) in loaded.maps.iter().filter(|(name, _)| Some(name.as_str()) != scratch) {
            self.maps.insert(name.clone(), map.fd().as_fd().try_clone_to_owned()?);
        }
        Ok(())
    }

    /// Lets go of what a layout does not know.
    pub fn keep(&mut self, layout: &Layout) {
        self.maps.retain(|name, _| name == ".bss" || layout.kernel_maps.iter().any(|map| map.name == *name));
    }

    /// The descriptor of a map, by its symbol.
    pub fn map(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.get(name).map(AsFd::as_fd)
    }
}

/// Less than this is too little for the log of a script that anybody has written.
const LEAST_LOG: usize = 4 << 20;
/// The same for everything that the verifier can say. What is not written to takes no memory.
const FULL_LOG: usize = 256 << 20;
/// The kernel takes no more (`UINT_MAX >> 2`).
const MOST_LOG: usize = (u32::MAX >> 2) as usize;

/// Creates the maps of an object that are not there yet, and loads its programs. The verifier's log has room for
/// `log_bytes`.
pub fn load(object: &Object, elf: &[u8], log_bytes: usize, live: &LiveMaps) -> Result<Loaded, LoadError> {
    load_possible(object, elf, log_bytes, live, &|_| false)
}

/// The same without programs that `is_dispensable` and that the kernel will not have because of the function that they
/// are for.
pub fn load_possible(
    object: &Object,
    elf: &[u8],
    log_bytes: usize,
    live: &LiveMaps,
    is_dispensable: &dyn Fn(&Program) -> bool,
) -> Result<Loaded, LoadError> {
    let mut refused = Vec::new();
    let mut loaded = load_with(object, elf, live, &mut |index, program, insns, license| match load_program(
        index,
        program,
        insns,
        Log::OfFailure(log_bytes),
        license,
    ) {
        Ok(fd) => Ok(Some(fd)),
        Err(LoadError::Refused { refusal, error }) if refusal.is_of_function(program) && is_dispensable(program) => {
            refused.push((refusal, error));
            Ok(None)
        }
        Err(error) => Err(error),
    })?;
    loaded.refused = refused;
    Ok(loaded)
}

/// Loads the programs of an object only to have the verifier's log of each, under its name.
pub fn verify(object: &Object, elf: &[u8], log_bytes: usize) -> Result<Vec<(String, String)>, LoadError> {
    let mut logs = Vec::new();
    load_with(object, elf, &LiveMaps::default(), &mut |index, program, insns, license| {
        let mut text = Vec::new();
        let loaded = load_program(index, program, insns, Log::Full(log_bytes, &mut text), license)?;
        logs.push((program.name.clone(), String::from_utf8_lossy(&text).into_owned()));
        Ok(Some(loaded))
    })?;
    Ok(logs)
}

/// What is wanted of the verifier's log. Its room is the number.
enum Log<'l> {
    /// Why it refuses a program.
    OfFailure(usize),
    /// All that it looks at.
    Full(usize, &'l mut Vec<u8>),
}

/// Loads one program, given its place among the others and its instructions; nothing if it is to be left out.
type LoadOne<'f> = dyn FnMut(usize, &Program, &[bpf_insn], &CStr) -> Result<Option<OwnedFd>, LoadError> + 'f;

fn load_with(object: &Object, elf: &[u8], live: &LiveMaps, load_one: &mut LoadOne<'_>) -> Result<Loaded, LoadError> {
    let mut parsed = aya_obj::Object::parse(elf).map_err(|error| LoadError::Object(error.to_string()))?;
    let mut maps = HashMap::new();
    for (name, map) in &mut parsed.maps {
        if let aya_obj::Map::Legacy(data) = &mut *map {
            // `.bss`: user space reads and writes it through a shared mapping.
            data.def.map_flags |= BPF_F_MMAPABLE;
        }
        let known = object.layout.kernel_maps.iter().find(|known| known.name == *name);
        if live.maps.contains_key(name) || known.is_some_and(KernelMap::is_vacant) {
            continue;
        }
        let created = match known.and_then(|known| Some((known, known.inner_size?))) {
            Some((known, inner_size)) => create_outer(known, inner_size)?,
            None => create(map.clone(), name)?,
        };
        maps.insert(name.clone(), created);
    }
    let descriptions = parsed.maps.clone();
    let text_sections: HashSet<usize> = parsed.functions.keys().map(|(section, _)| *section).collect();
    let bound = descriptions.iter().filter_map(|(name, map)| {
        let created = maps.get(name.as_str()).map(|created| created.fd().as_fd());
        let fd = created.or_else(|| Some(live.maps.get(name.as_str())?.as_fd()))?;
        Some((name.as_str(), fd.as_raw_fd(), map))
    });
    parsed.relocate_maps(bound, &text_sections).map_err(|error| LoadError::Object(error.to_string()))?;
    parsed.relocate_calls(&text_sections).map_err(|error| LoadError::Object(error.to_string()))?;

    let license = CString::new(object.license).map_err(|error| LoadError::Object(error.to_string()))?;
    let mut loaded = Loaded { maps, programs: Vec::new(), refused: Vec::new() };
    for (index, program) in object.programs.iter().enumerate() {
        let function = parsed.functions.values().find(|function| function.name == program.name);
        let function = function.ok_or_else(|| LoadError::Object(format!("{} is missing", program.name)))?;
        loaded.programs.extend(load_one(index, program, &function.instructions, &license)?);
    }
    Ok(loaded)
}

fn create(map: aya_obj::Map, name: &str) -> Result<MapData, LoadError> {
    // The kernel takes 15 bytes of letters, digits, `_` and `.`.
    let short: String = name.chars().take(15).collect();
    MapData::create(map, &short, None).map_err(|error| {
        let error = match error {
            aya::maps::MapError::CreateError { io_error, .. } => io_error,
            other => io::Error::other(other),
        };
        LoadError::Map { name: name.to_owned(), error }
    })
}

/// Creates a map of arrays, for which the kernel wants to see one.
fn create_outer(map: &KernelMap, inner_size: u32) -> Result<MapData, LoadError> {
    let failed = |error| LoadError::Map { name: map.name.clone(), error };
    let inner = sys::inner_array(inner_size, 1).map_err(failed)?;
    let created = sys::map_create(&MapRequest {
        name: &map.name,
        kind: map.kind as u32,
        value_size: map.value_size,
        entries: map.max_entries,
        inner: Some(inner.as_fd()),
    });
    MapData::from_fd(created.map_err(failed)?).map_err(|error| failed(io::Error::other(error)))
}

fn load_program(
    index: usize,
    program: &Program,
    insns: &[bpf_insn],
    log: Log<'_>,
    license: &CStr,
) -> Result<OwnedFd, LoadError> {
    use bpf_attach_type::*;
    use bpf_prog_type::*;
    let (kind, attach) = match program.kind {
        ProgramType::RawTracepoint => (BPF_PROG_TYPE_RAW_TRACEPOINT, None),
        ProgramType::BtfTracepoint => (BPF_PROG_TYPE_TRACING, Some(BPF_TRACE_RAW_TP as u32)),
        ProgramType::Tracepoint => (BPF_PROG_TYPE_TRACEPOINT, None),
        ProgramType::Kprobe => (BPF_PROG_TYPE_KPROBE, None),
        ProgramType::KprobeMulti => (BPF_PROG_TYPE_KPROBE, Some(BPF_TRACE_KPROBE_MULTI as u32)),
        ProgramType::KprobeSession => (BPF_PROG_TYPE_KPROBE, Some(BPF_TRACE_KPROBE_SESSION)),
        ProgramType::UprobeMulti => (BPF_PROG_TYPE_KPROBE, Some(BPF_TRACE_UPROBE_MULTI as u32)),
        ProgramType::PerfEvent => (BPF_PROG_TYPE_PERF_EVENT, None),
        ProgramType::Fentry => (BPF_PROG_TYPE_TRACING, Some(BPF_TRACE_FENTRY as u32)),
        ProgramType::Fexit => (BPF_PROG_TYPE_TRACING, Some(BPF_TRACE_FEXIT as u32)),
        ProgramType::Iter => (BPF_PROG_TYPE_TRACING, Some(BPF_TRACE_ITER as u32)),
        ProgramType::Xdp => (BPF_PROG_TYPE_XDP, Some(BPF_XDP as u32)),
        // Not said, so that one program can be attached in both directions.
        ProgramType::Tc => (BPF_PROG_TYPE_SCHED_CLS, None),
        ProgramType::CgroupSkb => (BPF_PROG_TYPE_CGROUP_SKB, Some(cgroup_direction(&program.points[0].attach) as u32)),
        ProgramType::SocketFilter => (BPF_PROG_TYPE_SOCKET_FILTER, None),
    };
    let (attach_btf_id, owner) = match &program.points[0].attach {
        Attach::BtfTracepoint { btf_id, .. } | Attach::Iter { btf_id, .. } => (*btf_id, None),
        Attach::Fentry { btf_id, module, .. } => (*btf_id, module.as_deref().map(sys::module_btf)),
        Attach::ProgramFentry { btf_id, program, .. } => (*btf_id, Some(sys::program_by_id(*program))),
        _ => (0, None),
    };
    let (btf, infos) = function_types(program, index)?.unzip();
    let functions = btf.as_ref().zip(infos.as_ref()).map(|(btf, infos)| sys::Functions { btf: btf.as_fd(), infos });
    let owner = owner.transpose().map_err(|error| refused(index, program, error, String::new()))?;
    let attach_btf = owner.as_ref().map(AsFd::as_fd);
    let interface = match &program.points[0].attach {
        Attach::Xdp { index, mode: XdpMode::Offload, .. } => *index,
        _ => 0,
    };
    let name = &program.name;
    let request = LoadRequest { name, kind, attach, attach_btf_id, attach_btf, interface, insns, license, functions };
    let log_bytes = match log {
        Log::OfFailure(bytes) => bytes,
        Log::Full(bytes, text) => {
            *text = vec![0; bytes.clamp(FULL_LOG, MOST_LOG)];
            return sys::load(&request, Some((sys::LogLevel::Full, &mut *text)))
                .map_err(|error| refused(index, program, error, String::from_utf8_lossy(text).into_owned()));
        }
    };
    // What is measured is best run by the kernel itself, again and again, which it does for network programs. The event is
    // of no interest to a benchmark, and most of what a program may call is the same.
    if matches!(program.points[0].attach, Attach::Bench)
        && let Ok(fd) = sys::load(&LoadRequest { kind: BPF_PROG_TYPE_XDP, ..request }, None)
    {
        return Ok(fd);
    }
    // First without a log: it costs time, and one too small fails a program that is fine.
    match sys::load(&request, None) {
        Ok(fd) => return Ok(fd),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            return Err(refused(index, program, error, String::new()));
        }
        Err(_) => {}
    }
    let mut log = vec![0; log_bytes.clamp(LEAST_LOG, MOST_LOG)];
    match sys::load(&request, Some((sys::LogLevel::OfFailure, &mut log))) {
        Ok(fd) => Ok(fd),
        Err(error) => Err(refused(index, program, error, String::from_utf8_lossy(&log).into_owned())),
    }
}

/// Which packets of a control group a program is for.
pub fn cgroup_direction(attach: &Attach) -> bpf_attach_type {
    match attach {
        Attach::CgroupSkb { direction: Direction::Egress, .. } => bpf_attach_type::BPF_CGROUP_INET_EGRESS,
        _ => bpf_attach_type::BPF_CGROUP_INET_INGRESS,
    }
}

/// Types for the functions of a program: the kernel wants them if it has more than one, and others can trace it by them.
fn function_types(program: &Program, index: usize) -> Result<Option<(OwnedFd, Vec<bpf_func_info>)>, LoadError> {
    let mut btf = Btf::new();
    let word = btf.int("unsigned long long", 8, false);
    let mut infos = Vec::new();
    let mut start = 0;
    let name = btf_name(program, index);
    let first = (&name, &program.code, Linkage::Global);
    let others = program.linked().into_iter().map(|function| {
        let linkage = if function.is_global { Linkage::Global } else { Linkage::Static };
        (&function.name, &function.code, linkage)
    });
    for (name, code, linkage) in std::iter::once(first).chain(others) {
        let params = ["a", "b", "c", "d", "e"].into_iter().take(code.params as usize);
        let ty = btf.function_type(word, &params.map(|name| (name, word)).collect::<Vec<_>>());
        // A dot is fine in a symbol, but not in a name of a type before Linux 6.7.
        let type_id = btf.function(&name.replace('.', "_"), linkage, ty).0;
        infos.push(bpf_func_info { insn_off: start, type_id });
        start += code.insns.len() as u32;
    }
    match sys::btf_load(&btf.finish()) {
        Ok(loaded) => Ok(Some((loaded, infos))),
        Err(_) if program.functions.is_empty() => Ok(None),
        Err(error) => Err(LoadError::Types { program: program.name.clone(), error }),
    }
}

/// What a program is called among the types: by its first attach point, and its number where the short name had to have
/// one. The kernel keeps 15 bytes of the program's own name.
fn btf_name(program: &Program, index: usize) -> String {
    /// The kernel takes no longer names (`KSYM_NAME_LEN` before Linux 6.1).
    const MOST: usize = 127;
    let clean = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let number = format!("_{}", index + 1);
    let name = program.points[0].name.chars().map(clean);
    name.take(MOST - number.len()).chain(number.chars()).collect()
}

fn refused(index: usize, program: &Program, error: io::Error, log: String) -> LoadError {
    let (slot, reason) = last_instruction(&log);
    let refusal = Refusal { program: program.name.clone(), index, slot, reason, log };
    LoadError::Refused { refusal: Box::new(refusal), error }
}

/// The instruction a verifier log ends at, and the reason it gives.
fn last_instruction(log: &str) -> (Option<u32>, String) {
    let mut slot = None;
    let mut reason = String::new();
    for line in log.lines() {
        let number = line.split_once(": (").and_then(|(number, _)| number.trim().parse().ok());
        match number {
            Some(number) => slot = Some(number),
            None if line.starts_with("processed ") || line.trim().is_empty() => {}
            None => reason = line.to_owned(),
        }
    }
    (slot, reason)
}

impl Loaded {
    /// The descriptor of a map, by its symbol.
    pub fn map(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.get(name).map(|map| map.fd().as_fd())
    }

    /// How many events the kernel did not run these programs for.
    pub fn missed(&self) -> u64 {
        self.programs.iter().filter_map(|program| sys::missed_runs(program.as_fd()).ok()).sum()
    }

    /// Takes a map out, for those who need to own it.
    pub fn take_map(&mut self, name: &str) -> Option<MapData> {
        self.maps.remove(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_log_names_the_last_instruction_and_its_reason() {
        let log = "func#0 @0\n0: R1=ctx() R10=fp0\n0: (b7) r0 = 0\n7: (79) r1 = *(u64 *)(r0 +0)\nR0 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000)\n";
        assert_eq!(last_instruction(log), (Some(7), "R0 invalid mem access 'scalar'".to_owned()));
    }
}
