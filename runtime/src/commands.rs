//! What a script asks user space to do in the order of its output: print the time, a file or a command's output, tell an
//! error of its own.

use crate::output::value::{Slots, text};
use crate::output::{Output, Said, Settings, printf};
use crate::session::{Host, RunError, output_error};
use lang::diag::Diagnostic;
use lang::printf::{Format, Origin, Piece};
use lang::span::Span;
use lang::types::Type;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

/// Does what a record of this format asks for; of a file at most so many bytes are printed. What is told comes from these
/// calls of macros.
pub fn perform(
    (format, calls): (&Format, &[Span]),
    record: &[u8],
    (settings, most_of_file): (&Settings, u64),
    output: &mut dyn Output,
    host: &mut dyn Host,
) -> Result<(), RunError> {
    let mut formed = Vec::new();
    if !matches!(format.origin, Origin::Join) && printf::write_record(&mut formed, format, record, settings).is_err() {
        return Ok(());
    }
    let done = match format.origin {
        Origin::Printf | Origin::Print | Origin::Entry(_) => output.record(format, record),
        Origin::Time => output.said(Said("time"), &settings.world.time_of_day(&formed)),
        Origin::Cat => {
            let path = String::from_utf8_lossy(&formed).into_owned();
            match read(&path, most_of_file) {
                Ok(bytes) => output.said(Said("cat"), &bytes),
                Err(error) => {
                    output.flush().map_err(output_error)?;
                    host.complain(&format!("failed to open file '{path}' ({})", reason(&error)));
                    Ok(())
                }
            }
        }
        Origin::System => {
            // What has been printed so far belongs before what the command writes to the terminal by itself.
            output.flush().map_err(output_error)?;
            let command = String::from_utf8_lossy(&formed).into_owned();
            match shell(&command) {
                Ok((bytes, status)) => {
                    // What a command that failed has said all the same is worth seeing.
                    let said = match status.success() || !bytes.is_empty() {
                        true => output.said(Said::SYSTEM, &bytes).and_then(|()| output.flush()),
                        false => Ok(()),
                    };
                    match (status.code(), status.signal()) {
                        (Some(0), _) => {}
                        (Some(code), _) => host.complain(&format!("command exited with code {code}")),
                        (None, Some(signal)) => host.complain(&format!("command was ended by signal {signal}")),
                        (None, None) => {}
                    }
                    said
                }
                Err(error) => {
                    host.complain(&format!("failed to run command '{command}' ({})", reason(&error)));
                    Ok(())
                }
            }
        }
        Origin::Join => output.said(Said::JOIN, &joined(format, record, settings)),
        Origin::Errorf(span) | Origin::Warnf(span) => {
            let title = String::from_utf8_lossy(&formed);
            let (kind, diagnostic) = match format.origin {
                Origin::Errorf(_) => (Said("errorf"), Diagnostic::error(span, title)),
                _ => (Said("warnf"), Diagnostic::warning(span, title)),
            };
            let diagnostic = calls.iter().fold(diagnostic, |told, call| told.with_related(*call, "expanded from"));
            if !host.wants(&diagnostic) {
                return Ok(());
            }
            match output.message(kind, &formed, &host.place(span)) {
                Ok(false) => {
                    output.flush().map_err(output_error)?;
                    host.message(&diagnostic);
                    Ok(())
                }
                told => told.map(drop),
            }
        }
    };
    done.map_err(output_error)
}

fn read(path: &str, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the system said, without the number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

/// Runs a command by the shell and gives what it writes, its errors among it, and how it ended.
fn shell(command: &str) -> io::Result<(Vec<u8>, ExitStatus)> {
    let (mut reader, writer) = io::pipe()?;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    // SAFETY: between fork and exec only the signal mask of the new process is set, by a call that is safe there.
    unsafe {
        shell.pre_exec(|| {
            // A run has signals blocked, which the command must not inherit.
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            match libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        })
    };
    let mut child = shell.spawn()?;
    // Its own end of the pipe, which would keep it open.
    drop(shell);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok((bytes, child.wait()?))
}

/// The texts of `join()`, up to the first pointer that is none: its record has all pointers, then all texts.
fn joined(format: &Format, record: &[u8], settings: &Settings) -> Vec<u8> {
    let separator = match format.pieces.first() {
        Some(Piece::Text(text)) => &text[..],
        _ => b" ",
    };
    let (pointers, texts) = format.args.split_at(format.args.len() / 2);
    let mut slots = Slots::new(record);
    let count = pointers
        .iter()
        .map(|ty| slots.take(ty).is_some_and(|word| word.iter().any(|byte| *byte != 0)))
        .collect::<Vec<_>>();
    let count = count.iter().take_while(|is_there| **is_there).count();
    let mut line = Vec::new();
    for (i, ty) in texts.iter().take(count).enumerate() {
        if let (Type::Str(size), Some(bytes)) = (ty, slots.take(ty)) {
            if i > 0 {
                line.extend_from_slice(separator);
            }
            let text = text(*size, bytes);
            line.extend_from_slice(text.get(..settings.max_strlen).unwrap_or(text));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_ends_at_the_first_null() {
        let text = Type::Str(8);
        let format = Format {
            origin: Origin::Join,
            pieces: vec![Piece::Text(b",".to_vec())],
            args: vec![Type::U64, Type::U64, Type::U64, text.clone(), text.clone(), text],
        };
        let record = |pointers: [u64; 3]| {
            let mut record: Vec<u8> = pointers.iter().flat_map(|word| word.to_ne_bytes()).collect();
            record.extend(b"a\0xxxxxx\0\0\0\0\0\0\0\0bc\0yyyyy");
            record
        };
        let settings = Settings::default();
        assert_eq!(joined(&format, &record([1, 1, 1]), &settings), b"a,,bc");
        assert_eq!(joined(&format, &record([1, 1, 0]), &settings), b"a,");
        assert_eq!(joined(&format, &record([0, 1, 1]), &settings), b"");
        assert_eq!(joined(&format, &[], &settings), b"");
    }

    #[test]
    fn commands_and_files_give_their_bytes() {
        let (said, status) = shell("printf 'a b'; echo c >&2; exit 3").expect("a shell");
        assert_eq!((&said[..], status.code()), (&b"a bc\n"[..], Some(3)));
        assert_eq!(reason(&read("/nowhere/at/all", 1).expect_err("no such file")), "No such file or directory");
    }
}
