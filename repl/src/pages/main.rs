//! Writes what comes with the `rtrace` command: its manual page, and the completions of bash, zsh and fish. All of it is
//! made from the command line's definition.
//!
//! Usage: `cargo run --features pages --bin pages -- FOLDER`

#[allow(dead_code)]
#[path = "../args.rs"]
mod args;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: pages FOLDER");
        return ExitCode::FAILURE;
    };
    let written = std::fs::create_dir_all(&folder).and_then(|()| {
        text::all()?
            .into_iter()
            .try_for_each(|(name, text)| std::fs::write(std::path::Path::new(&folder).join(name), text))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
