//! Debug information of programs and libraries (DWARF): which arguments a function takes, of which types, and where
//! they are when it is entered.
//!
//! A program may carry more debug information than code, so little of it is read: the sections that describe functions
//! and types, when somebody asks for an argument by its name; of those the headers of all units, and of the units only
//! the one with the function. What is found there is rewritten as BTF, so that a program's types are read, spelled and
//! shown by the code that does it for the kernel's.
//!
//! Every input is doubted, as elsewhere: what is malformed is not there. Kept out: variables, inlined calls, macros.

mod convert;
mod files;
mod function;
mod lines;

pub(crate) use files::separate_file;
pub use function::{Function, Home};
pub use lines::NoLine;

use crate::binary::BinaryError;
use crate::types::Types;
use files::Sections;
use lang::ast::TypeTag;
use lang::types::Type;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Reader = gimli::EndianArcSlice<gimli::RunTimeEndian>;
type Unit = gimli::Unit<Reader>;
type Entry = gimli::DebuggingInformationEntry<Reader>;
type Value = gimli::AttributeValue<Reader>;

/// The debug information of one file.
pub struct Dwarf {
    sections: gimli::Dwarf<Reader>,
    /// The file that holds what several files share.
    shared: Option<Arc<Dwarf>>,
    /// In a file of its own is one unit of a program: the unit there that stands for it.
    skeleton: Option<Arc<Unit>>,
    /// Where such files are.
    split: files::Split,
    units: OnceLock<Vec<gimli::UnitHeader<Reader>>>,
    /// By their offsets.
    parsed: Mutex<HashMap<usize, Arc<Unit>>>,
    named: Mutex<HashMap<(TypeTag, String), Option<Type>>>,
}

/// An entry that another one refers to.
#[derive(Clone)]
struct Place {
    file: Arc<Dwarf>,
    unit: Arc<Unit>,
    at: gimli::UnitOffset,
}

impl Place {
    fn entry(&self) -> Option<Entry> {
        self.unit.entry(self.at).ok()
    }

    /// The same for the same entry, however it was reached.
    fn key(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.unit) as usize, self.at.0)
    }
}

impl Dwarf {
    /// Opens the debug information of a program or library, which may be in a file of its own: in one of `folders`, which
    /// count from the program's own, or where distributions keep it. `None` if there is none.
    ///
    /// # Errors
    /// If the program itself cannot be read.
    pub fn open(path: &Path, folders: &[PathBuf]) -> Result<Option<Arc<Self>>, BinaryError> {
        let Some(Sections { sections, shared, split }) = files::open(path, folders)? else { return Ok(None) };
        let shared = shared.map(|shared| Arc::new(Self::new(shared, None, None, files::Split::default())));
        Ok(Some(Arc::new(Self::new(sections, shared, None, split))))
    }

    fn new(
        sections: gimli::Dwarf<Reader>,
        shared: Option<Arc<Dwarf>>,
        skeleton: Option<Arc<Unit>>,
        split: files::Split,
    ) -> Self {
        Self {
            sections,
            shared,
            skeleton,
            split,
            units: OnceLock::new(),
            parsed: Mutex::default(),
            named: Mutex::default(),
        }
    }

    /// The headers of all units by their offsets, as far as they are well-formed.
    fn units(&self) -> &[gimli::UnitHeader<Reader>] {
        self.units.get_or_init(|| {
            let mut units = self.sections.units();
            std::iter::from_fn(|| gimli::DebugInfoUnitHeadersIter::next(&mut units).ok().flatten()).collect()
        })
    }

    fn unit(&self, header: &gimli::UnitHeader<Reader>) -> Option<Arc<Unit>> {
        let offset = header.debug_info_offset()?.0;
        let known = |parsed: &Mutex<HashMap<usize, Arc<Unit>>>| {
            parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&offset).cloned()
        };
        if let Some(unit) = known(&self.parsed) {
            return Some(unit);
        }
        let mut unit = self.sections.unit(header.clone()).ok()?;
        if let Some(skeleton) = &self.skeleton {
            unit.copy_relocated_attributes(skeleton);
        }
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(parsed.entry(offset).or_insert_with(|| Arc::new(unit))))
    }

    /// The entry at an offset of the whole section.
    fn place(self: &Arc<Self>, offset: gimli::DebugInfoOffset) -> Option<Place> {
        let units = self.units();
        let before = units.partition_point(|unit| unit.debug_info_offset().is_some_and(|at| at <= offset));
        let header = units.get(before.checked_sub(1)?)?;
        let at = offset.to_unit_offset(header)?;
        Some(Place { file: Arc::clone(self), unit: self.unit(header)?, at })
    }

    /// The entry that an attribute of an entry in `unit` refers to.
    fn referred(self: &Arc<Self>, unit: &Arc<Unit>, value: &Value) -> Option<Place> {
        match value {
            Value::UnitRef(at) => Some(Place { file: Arc::clone(self), unit: Arc::clone(unit), at: *at }),
            Value::DebugInfoRef(offset) => self.place(*offset),
            Value::DebugInfoRefSup(offset) => self.shared.as_ref()?.place(*offset),
            _ => None,
        }
    }

    fn name(&self, unit: &Unit, entry: &Entry) -> Option<String> {
        self.text(unit, entry.attr_value(gimli::DW_AT_name)?)
    }

    fn text(&self, unit: &Unit, value: Value) -> Option<String> {
        let text = match value {
            Value::DebugStrRefSup(offset) => self.shared.as_ref()?.sections.string(offset),
            value => self.sections.attr_string(unit, value),
        };
        Some(gimli::Reader::to_string_lossy(&text.ok()?).ok()?.into_owned())
    }

    /// The structure, union or enum of this name that some part of the program defines.
    ///
    /// All of the program's debug information is looked through, once for each name.
    pub fn named(self: &Arc<Self>, tag: TypeTag, name: &str) -> Option<Type> {
        let key = (tag, name.to_owned());
        if let Some(known) = self.named.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let found = self.search(tag, name);
        self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    fn search(self: &Arc<Self>, tag: TypeTag, name: &str) -> Option<Type> {
        let wanted: &[gimli::DwTag] = match tag {
            TypeTag::Struct => &[gimli::DW_TAG_structure_type, gimli::DW_TAG_class_type],
            TypeTag::Union => &[gimli::DW_TAG_union_type],
            TypeTag::Enum => &[gimli::DW_TAG_enumeration_type],
        };
        self.units().iter().find_map(|header| {
            let unit = self.unit(header)?;
            if let Some(split) = self.split_unit(&unit) {
                return split.named(tag, name);
            }
            let mut entries = unit.entries();
            while let Ok(Some(entry)) = entries.next_dfs() {
                if wanted.contains(&entry.tag())
                    && !entry.has_attr(gimli::DW_AT_declaration)
                    && self.name(&unit, entry).as_deref() == Some(name)
                {
                    let place = Place { file: Arc::clone(self), unit: Arc::clone(&unit), at: entry.offset() };
                    return convert::type_at(&place);
                }
            }
            None
        })
    }

    /// The file that has what `unit` only stands for.
    fn split_unit(self: &Arc<Self>, unit: &Arc<Unit>) -> Option<Arc<Dwarf>> {
        let id = unit.dwo_id?;
        let name = self.text(unit, unit.dwo_name().ok()??)?;
        let folder = unit.comp_dir.as_ref().and_then(|folder| gimli::Reader::to_string_lossy(folder).ok());
        let open = || {
            let sections = self.split.open(&self.sections, id, &name, folder.as_deref())?;
            Some(Arc::new(Dwarf::new(sections, None, Some(Arc::clone(unit)), files::Split::default())))
        };
        self.split.remember(id, open)
    }
}

/// The types of BTF that was made from a program's debug information: its pointers point to the program's memory.
fn types_of(btf: crate::btf::Btf) -> Arc<Types> {
    Types::of_program(Arc::new(btf))
}

#[cfg(test)]
mod tests;
