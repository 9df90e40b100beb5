//! Lines of source: where the code of one begins.

use super::{Dwarf, Reader, Unit};
use gimli::{ColumnType, LineProgramHeader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a line of source has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLine {
    /// The program was not made from such a file.
    File,
    /// No statement begins on that line, and if there is one further down, it is on this one.
    Code {
        /// Counted from 1.
        next: Option<u64>,
    },
}

impl Dwarf {
    /// The address of the first statement on a line of a file, or at a column of it if that is not 0. The file may be
    /// named by the end of its path.
    ///
    /// # Errors
    /// If there is no such file or no such statement.
    pub fn line(self: &Arc<Self>, file: &str, line: u64, column: u64) -> Result<u64, NoLine> {
        let mut failed = NoLine::File;
        for unit in self.units().iter().filter_map(|header| self.unit(header)) {
            match self.line_in(&unit, Path::new(file), line, column) {
                Ok(address) => return Ok(address),
                Err(NoLine::File) => {}
                Err(NoLine::Code { next }) => {
                    let before = if let NoLine::Code { next } = failed { next } else { None };
                    failed = NoLine::Code { next: before.into_iter().chain(next).min() };
                }
            }
        }
        Err(failed)
    }

    fn line_in(&self, unit: &Unit, file: &Path, line: u64, column: u64) -> Result<u64, NoLine> {
        let Some(program) = unit.line_program.clone() else { return Err(NoLine::File) };
        // Before DWARF 5 they count from 1, where a 0 stands for the unit's own; both have one that is too many here.
        let files: Vec<u64> = (0..=program.header().file_names().len() as u64)
            .filter(|index| self.source(unit, program.header(), *index).is_some_and(|path| path.ends_with(file)))
            .collect();
        if files.is_empty() {
            return Err(NoLine::File);
        }
        let mut next: Option<u64> = None;
        let mut rows = program.rows();
        while let Ok(Some((_, row))) = rows.next_row() {
            let Some(found) = row.line() else { continue };
            if row.end_sequence() || !row.is_stmt() || !files.contains(&row.file_index()) {
                continue;
            }
            let at_column = match row.column() {
                ColumnType::LeftEdge => column == 0,
                ColumnType::Column(number) => column == 0 || number.get() == column,
            };
            match found.get() {
                found if found == line && at_column => return Ok(row.address()),
                found if found > line => next = next.into_iter().chain([found]).min(),
                _ => {}
            }
        }
        Err(NoLine::Code { next })
    }

    /// The path of a file of source.
    fn source(&self, unit: &Unit, header: &LineProgramHeader<Reader>, index: u64) -> Option<PathBuf> {
        let file = header.file(index)?;
        let text = |value| self.text(unit, value);
        let folder = file.directory(header).and_then(text).unwrap_or_default();
        let base = unit.comp_dir.as_ref().and_then(|base| gimli::Reader::to_string_lossy(base).ok());
        let base = base.map_or(PathBuf::new(), |base| PathBuf::from(base.into_owned()));
        Some(base.join(folder).join(text(file.path_name())?))
    }
}
