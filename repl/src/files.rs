//! Files of scripts: the one that is run, those that it imports, those that are written.

use crate::report::in_words;
use crate::scripts;
use lang::Source;
use lang::imports::{File, FileKind, LoadError};
use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folders of bpftrace's library of macros and C functions.
const STANDARD: &[&str] = &[
    "stdlib",
    "stdlib/map",
    "stdlib/process",
    "stdlib/stack",
    "stdlib/strings",
    "stdlib/system",
    "stdlib/task",
    "stdlib/usdt",
];

/// Finds imported files beside the script that imports them, or beside the one that is run.
pub struct Files {
    /// The folder of the script that is run; empty for the current one.
    root: PathBuf,
}

impl Files {
    /// For a script known by this name: its path, or a word such as `stdin`.
    pub fn new(root: &str) -> Self {
        Self { root: folder(Path::new(root)) }
    }
}

/// The folder of a file; empty for the current one.
fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

impl lang::Loader for Files {
    fn load(&mut self, path: &str, from: &str) -> Result<Vec<File>, LoadError> {
        let mut places = vec![folder(Path::new(from)).join(path), self.root.join(path)];
        places.dedup();
        let Some(found) = places.iter().find(|place| place.exists()) else {
            // What bpftrace keeps there is part of the language here.
            if STANDARD.contains(&path.trim_end_matches('/')) {
                return Ok(Vec::new());
            }
            let checked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
            return Err(LoadError {
                title: "Unable to find suitable path for import".to_owned(),
                help: Some(format!("checked: {}", checked.join(", "))),
            });
        };
        refuse_open_to_all(found)?;
        if !found.is_dir() {
            let Some(kind) = kind(found) else {
                return Err(LoadError {
                    title: format!("unknown import type: {}", found.display()),
                    help: Some("scripts end in .rt or .bt".to_owned()),
                });
            };
            return Ok(vec![read(found, kind)?]);
        }
        let mut inside: Vec<PathBuf> = fs::read_dir(found)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|error| unreadable(found, &error))?;
        inside.sort();
        let files =
            inside.into_iter().filter_map(|path| kind(&path).filter(|_| path.is_file()).map(|kind| (path, kind)));
        files
            .map(|(path, kind)| {
                refuse_open_to_all(&path)?;
                read(&path, kind)
            })
            .collect()
    }
}

/// What a file of this name holds, if it can be imported.
fn kind(path: &Path) -> Option<FileKind> {
    let name = path.file_name()?.to_str()?;
    let kinds =
        [(".rt", FileKind::Script), (".bt", FileKind::Script), (".h", FileKind::Header), (".bpf.c", FileKind::C)];
    kinds.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| kind)
}

/// A script runs as root most of the time: what anybody could have written there is not imported.
fn refuse_open_to_all(path: &Path) -> Result<(), LoadError> {
    let folder = folder(path);
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    for checked in [path, folder] {
        let mode = fs::metadata(checked).map_err(|error| unreadable(checked, &error))?.permissions().mode();
        if mode & 0o002 != 0 {
            return Err(LoadError {
                title: format!(
                    "cowardly refusing to import from a directory with global write permissions: {}",
                    path.display()
                ),
                help: Some(format!("chmod o-w {}", checked.display())),
            });
        }
    }
    Ok(())
}

fn read(path: &Path, kind: FileKind) -> Result<File, LoadError> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| LoadError { title: format!("{} is not text in UTF-8", path.display()), help: None })?;
    let id = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
    Ok(File { id: id.display().to_string(), name: path.display().to_string(), kind, text })
}

fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    let words = in_words(&error.to_string());
    LoadError { title: format!("error reading import '{}': {words}", path.display()), help: None }
}

/// The bytes of the script of this name: those of the file, or else of the script that comes with rtrace, which a folder does
/// not hide. The error is that of the file.
pub fn script(name: &str) -> io::Result<Cow<'static, [u8]>> {
    match (fs::read(name), scripts::find(name)) {
        (Ok(bytes), _) => Ok(bytes.into()),
        (Err(error), Some(found)) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {
            Ok(found.text.as_bytes().into())
        }
        (Err(error), _) => Err(error),
    }
}

/// A script of this name, or why these bytes are none.
pub fn source(name: &str, bytes: Cow<'_, [u8]>) -> Result<Source, (String, Option<String>)> {
    match String::from_utf8(bytes.into_owned()) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(_) => Err((format!("{name} is not text in UTF-8"), None)),
    }
}

/// Writes a file as a whole or not at all. What is there is only replaced if that is wanted; a link is followed.
pub fn write_whole(path: &Path, text: &str, replaces: bool) -> io::Result<()> {
    let (path, mode) = match fs::canonicalize(path) {
        Ok(_) if !replaces => return Err(io::ErrorKind::AlreadyExists.into()),
        Ok(path) => {
            let about = fs::metadata(&path)?;
            // A device or a pipe cannot be replaced by a file.
            if !about.is_file() {
                return Err(io::Error::other("it is no ordinary file"));
            }
            (path, Some(about.permissions()))
        }
        Err(_) => (path.to_owned(), None),
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Some(mode) = mode {
            file.set_permissions(mode)?;
        }
        file.sync_all()?;
        if replaces {
            return fs::rename(&beside, &path);
        }
        // Unlike renaming, linking does not replace what somebody has put there meanwhile.
        fs::hard_link(&beside, &path).and_then(|()| fs::remove_file(&beside))
    };
    write().inspect_err(|_| {
        // It may not be there at all.
        let _ = fs::remove_file(&beside);
    })
}
