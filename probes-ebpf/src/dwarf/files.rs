//! The files that debug information is in: the program's own, one that was split off from it, one that several share,
//! and one for each unit (`.dwo`) or for all of them (`.dwp`).

use super::{Dwarf, Reader};
use crate::binary::{BinaryError, open_file};
use crate::separate::Separate;
use gimli::{DwoId, RunTimeEndian, SectionId};
use object::{Object, ObjectSection, ReadCache};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What was found for a program.
pub(super) struct Sections {
    pub sections: gimli::Dwarf<Reader>,
    /// What several files share.
    pub shared: Option<gimli::Dwarf<Reader>>,
    pub split: Split,
}

/// Where the units of a program are that have files of their own.
#[derive(Default)]
pub(super) struct Split {
    /// The program, and the one with its debug information.
    programs: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    opened: Mutex<HashMap<DwoId, Option<Arc<Dwarf>>>>,
    package: OnceLock<Option<gimli::DwarfPackage<Reader>>>,
}

/// Finds the debug information of the program at `path`, first in its own file.
pub(super) fn open(path: &Path, folders: &[PathBuf]) -> Result<Option<Sections>, BinaryError> {
    let own = Opened::new(path)?;
    let found = match own.has_debug_info {
        true => Some((path.to_owned(), own)),
        false => own.other_half(path, folders).filter(|(_, found)| found.has_debug_info),
    };
    let Some((place, found)) = found else { return Ok(None) };
    let sections = found.sections(|id| is_needed(id).then(|| id.name()))?;
    let shared = found.shared_file(&place).and_then(|path| {
        let shared = Opened::new(&path).ok()?;
        shared.sections(|id| is_needed(id).then(|| id.name())).ok()
    });
    let programs = if place == path { vec![place] } else { vec![place, path.to_owned()] };
    let split = Split { programs, folders: folders.to_vec(), ..Split::default() };
    Ok(Some(Sections { sections, shared, split }))
}

/// The file with the debug information, and the symbols, of the stripped program at `path`.
pub(crate) fn separate_file(path: &Path, folders: &[PathBuf]) -> Option<PathBuf> {
    Opened::new(path).ok()?.other_half(path, folders).map(|(found, _)| found)
}

/// Whether a section says something of functions or types.
fn is_needed(id: SectionId) -> bool {
    use SectionId::*;
    !matches!(id, DebugMacinfo | DebugMacro | DebugNames | DebugPubNames | DebugPubTypes | DebugFrame | EhFrame)
}

struct Opened {
    file: File,
    cache: ReadCache<File>,
    has_debug_info: bool,
    separate: Separate,
    /// The name of the file with what several share.
    shared: Option<Vec<u8>>,
}

impl Opened {
    fn new(path: &Path) -> Result<Self, BinaryError> {
        let file = open_file(path)?;
        let cache = ReadCache::new(file.try_clone()?);
        let object = object::File::parse(&cache)?;
        let has = |name| object.section_by_name(name).is_some_and(|section| section.size() > 0);
        let has_debug_info = has(".debug_info") || has(".debug_info.dwo");
        let separate = Separate::of(&object);
        let shared = object.gnu_debugaltlink()?.map(|(name, _)| name.to_vec());
        Ok(Self { file, cache, has_debug_info, separate, shared })
    }

    /// The file of the same build that has what was stripped from the program at `path`. Relative folders count from
    /// the program's own.
    fn other_half(&self, path: &Path, folders: &[PathBuf]) -> Option<(PathBuf, Opened)> {
        let beside = path.parent().unwrap_or(Path::new("."));
        let folders: Vec<PathBuf> = folders.iter().map(|folder| beside.join(folder)).collect();
        // The system mirrors full paths.
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // In a folder that was named on purpose a file need not have the name that the program gives.
        let named = path.file_name().map(|name| Path::new(name).with_added_extension("debug"));
        let named = named.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let candidates =
            self.separate.by_build_id(&folders).into_iter().chain(named).chain(self.separate.by_name(&full, &folders));
        candidates.into_iter().find_map(|candidate| {
            let found = Opened::new(&candidate).ok()?;
            self.separate.is(&found.file, found.separate.build_id.as_deref()).then_some((candidate, found))
        })
    }

    fn shared_file(&self, of: &Path) -> Option<PathBuf> {
        let name = Path::new(std::ffi::OsStr::from_bytes(self.shared.as_deref()?));
        Some(of.parent()?.join(name))
    }

    /// The sections by the names that `name` gives them; one without a name, or that is not there, is empty.
    fn sections(&self, name: impl Fn(SectionId) -> Option<&'static str>) -> Result<gimli::Dwarf<Reader>, BinaryError> {
        gimli::Dwarf::load(|id| self.section(name(id)))
    }

    fn section(&self, name: Option<&str>) -> Result<Reader, BinaryError> {
        let object = object::File::parse(&self.cache)?;
        let endian = if object.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
        let data = match name.and_then(|name| object.section_by_name(name)) {
            Some(section) => section.uncompressed_data()?.into(),
            None => Arc::from([]),
        };
        Ok(Reader::new(data, endian))
    }
}

impl Split {
    /// What `open` gives for the unit `id`, asked once.
    pub(super) fn remember(&self, id: DwoId, open: impl FnOnce() -> Option<Arc<Dwarf>>) -> Option<Arc<Dwarf>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.entry(id).or_insert_with(open).clone()
    }

    /// The sections of a unit of `parent` whose file has this name, given for this folder.
    pub(super) fn open(
        &self,
        parent: &gimli::Dwarf<Reader>,
        id: DwoId,
        name: &str,
        folder: Option<&str>,
    ) -> Option<gimli::Dwarf<Reader>> {
        if let Some(package) = self.package()
            && let Ok(Some(sections)) = package.find_cu(id, parent)
        {
            return Some(sections);
        }
        let beside = self.programs.iter().filter_map(|program| program.parent());
        let file_name = Path::new(name).file_name().map(Path::new);
        let named = [Some(Path::new(folder.unwrap_or(".")).join(name))].into_iter().flatten();
        let moved = self.folders.iter().map(PathBuf::as_path).chain(beside);
        let candidates = named.chain(moved.flat_map(|folder| {
            [Some(folder.join(name)), file_name.map(|name| folder.join(name))].into_iter().flatten()
        }));
        candidates.into_iter().find_map(|path| {
            let opened = Opened::new(&path).ok().filter(|opened| opened.has_debug_info)?;
            let mut sections = opened.sections(SectionId::dwo_name).ok()?;
            sections.make_dwo(parent);
            let header = gimli::DebugInfoUnitHeadersIter::next(&mut sections.units()).ok()??;
            // The file of another build has another number.
            (sections.unit(header).ok()?.dwo_id == Some(id)).then_some(sections)
        })
    }

    fn package(&self) -> Option<&gimli::DwarfPackage<Reader>> {
        let open = |program: &PathBuf| {
            let mut name = program.clone().into_os_string();
            name.push(".dwp");
            let opened = Opened::new(Path::new(&name)).ok()?;
            let empty = Reader::new(Arc::from([]), RunTimeEndian::default());
            gimli::DwarfPackage::load::<_, BinaryError>(|id| opened.section(id.dwo_name()), empty).ok()
        };
        self.package.get_or_init(|| self.programs.iter().find_map(open)).as_ref()
    }
}
