//! Numbers that have names: errors, signals, system calls.

use super::Settings;
use lang::names::{UNKNOWN_CALL, error, signal};
use lang::types::Names;

/// Appends the name of a number.
pub fn write(out: &mut Vec<u8>, names: Names, number: u64, settings: &Settings) {
    let number = number as i32;
    match names {
        Names::Errors => out.extend_from_slice(error(number).as_bytes()),
        Names::Signals => out.extend_from_slice(signal(number).as_bytes()),
        Names::Syscalls => match settings.world.system_call(number) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => out.extend_from_slice(UNKNOWN_CALL.as_bytes()),
        },
    }
}
