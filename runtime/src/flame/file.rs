//! The file of a flame graph: made before tracing starts, so that a folder that cannot be written to is told at once,
//! and given its name when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file to be written. Dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub struct GraphFile {
    file: File,
    /// Where it is until it is complete; none if it is written in place.
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl GraphFile {
    /// Makes room for a file of this name.
    pub fn create(path: &Path) -> io::Result<Self> {
        // A link stays a link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            // A device or pipe is not replaced.
            Ok(about) if !about.is_file() => {
                let file = OpenOptions::new().write(true).open(&path)?;
                return Ok(Self { file, temporary: None, path });
            }
            _ => {}
        }
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        // A name may have 255 bytes.
        hidden.push(std::ffi::OsStr::from_bytes(&name.as_bytes()[..name.len().min(200)]));
        hidden.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        Ok(Self { file, temporary: Some(temporary), path })
    }

    /// Writes it and gives it its name.
    pub fn finish(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        match &self.temporary {
            None => Ok(()),
            Some(temporary) => {
                fs::rename(temporary, &self.path)?;
                self.temporary = None;
                Ok(())
            }
        }
    }
}

impl Drop for GraphFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rtrace-flame-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
        folder
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = folder("whole");
        let path = folder.join("a.svg");
        fs::write(&path, "old").expect("the folder is ours");
        let file = GraphFile::create(&path).expect("it can be made");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("old"));
        file.finish("new").expect("it can be written");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("new"));
        drop(GraphFile::create(&path));
        let left: Vec<_> =
            fs::read_dir(&folder).expect("it is there").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["a.svg"]);
        fs::remove_dir_all(folder).expect("it is ours");
    }

    #[test]
    fn what_cannot_be_a_file_is_told_at_once() {
        let folder = folder("bad");
        for bad in [folder.clone(), folder.join("missing/a.svg"), PathBuf::from("/proc/a.svg"), PathBuf::from("")] {
            assert!(GraphFile::create(&bad).is_err(), "{}", bad.display());
        }
        let null = GraphFile::create(Path::new("/dev/null")).expect("it can be written to");
        assert!(null.finish("text").is_ok() && fs::metadata("/dev/null").is_ok_and(|about| !about.is_file()));
        fs::remove_dir_all(folder).expect("it is ours");
    }
}
