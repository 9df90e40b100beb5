//! Writes the table of ready-made scripts, so that a file in `scripts/` is all that a new one takes.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../scripts");
    let folder = folder.canonicalize()?;
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut paths =
        fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rt"));
    paths.sort();
    let mut table = String::from("&[\n");
    for path in &paths {
        let name = path.file_stem().unwrap_or_default();
        writeln!(table, "    Script {{ name: {name:?}, text: include_str!({path:?}) }},").map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("scripts.rs"), table)
}
