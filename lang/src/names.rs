//! What numbers of errors and signals mean, in words; and the same as tables for programs that compare the words.

use crate::target::Target;
use crate::types::Names;

/// What a number is called that no system call has.
pub const UNKNOWN_CALL: &str = "Unknown syscall";

/// Bytes that every name has room in, its closing zero included.
pub const ROOM: u32 = 64;

/// The names of the numbers from 0 on; the last row is for all other numbers.
pub fn table(names: Names, target: &dyn Target) -> Vec<String> {
    /// More than any processor's table has.
    const CALLS: u16 = 1024;
    match names {
        Names::Errors => (0..=ERRORS.len() as i32 + 1).map(|number| error(number).to_owned()).collect(),
        Names::Signals => (0..=65).map(signal).collect(),
        Names::Syscalls => {
            let mut calls: Vec<Option<String>> = (0..CALLS).map(|number| target.system_call(number)).collect();
            calls.truncate(calls.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
            calls.push(None);
            calls.into_iter().map(|name| name.unwrap_or_else(|| UNKNOWN_CALL.to_owned())).collect()
        }
    }
}

/// What an error number means.
pub fn error(number: i32) -> &'static str {
    if number == 0 {
        return "Success";
    }
    // Calls that fail return the number below zero.
    let number = number.checked_abs().unwrap_or(number);
    let row = usize::try_from(number).ok().and_then(|number| ERRORS.get(number.checked_sub(1)?));
    row.filter(|name| !name.is_empty()).unwrap_or(&"Unknown error")
}

/// What a signal means.
pub fn signal(number: i32) -> String {
    match number {
        1..=31 => SIGNALS[number as usize - 1].to_owned(),
        0 | 32 | 33 => format!("Unknown signal {number}"),
        34..=64 => format!("Real-time signal {}", number - 34),
        _ => "N/A".to_owned(),
    }
}

/// From error 1 on (include/uapi/asm-generic/errno.h); those that do not exist are empty.
const ERRORS: [&str; 133] = [
    "Operation not permitted",
    "No such file or directory",
    "No such process",
    "Interrupted system call",
    "I/O error",
    "No such device or address",
    "Argument list too long",
    "Exec format error",
    "Bad file number",
    "No child processes",
    "Try again (operation would block)",
    "Out of memory",
    "Permission denied",
    "Bad address",
    "Block device required",
    "Device or resource busy",
    "File exists",
    "Cross-device link",
    "No such device",
    "Not a directory",
    "Is a directory",
    "Invalid argument",
    "File table overflow",
    "Too many open files",
    "Not a typewriter",
    "Text file busy",
    "File too large",
    "No space left on device",
    "Illegal seek",
    "Read-only file system",
    "Too many links",
    "Broken pipe",
    "Math argument out of domain of func",
    "Math result not representable",
    "Resource deadlock would occur",
    "File name too long",
    "No record locks available",
    "Invalid system call number",
    "Directory not empty",
    "Too many symbolic links encountered",
    "",
    "No message of desired type",
    "Identifier removed",
    "Channel number out of range",
    "Level 2 not synchronized",
    "Level 3 halted",
    "Level 3 reset",
    "Link number out of range",
    "Protocol driver not attached",
    "No CSI structure available",
    "Level 2 halted",
    "Invalid exchange",
    "Invalid request descriptor",
    "Exchange full",
    "No anode",
    "Invalid request code",
    "Invalid slot",
    "",
    "Bad font file format",
    "Device not a stream",
    "No data available",
    "Timer expired",
    "Out of streams resources",
    "Machine is not on the network",
    "Package not installed",
    "Object is remote",
    "Link has been severed",
    "Advertise error",
    "Srmount error",
    "Communication error on send",
    "Protocol error",
    "Multihop attempted",
    "RFS specific error",
    "Not a data message",
    "Value too large for defined data type",
    "Name not unique on network",
    "File descriptor in bad state",
    "Remote address changed",
    "Can not access a needed shared library",
    "Accessing a corrupted shared library",
    ".lib section in a.out corrupted",
    "Attempting to link in too many shared libraries",
    "Cannot exec a shared library directly",
    "Illegal byte sequence",
    "Interrupted system call should be restarted",
    "Streams pipe error",
    "Too many users",
    "Socket operation on non-socket",
    "Destination address required",
    "Message too long",
    "Protocol wrong type for socket",
    "Protocol not available",
    "Protocol not supported",
    "Socket type not supported",
    "Operation not supported on transport endpoint",
    "Protocol family not supported",
    "Address family not supported by protocol",
    "Address already in use",
    "Cannot assign requested address",
    "Network is down",
    "Network is unreachable",
    "Network dropped connection because of reset",
    "Software caused connection abort",
    "Connection reset by peer",
    "No buffer space available",
    "Transport endpoint is already connected",
    "Transport endpoint is not connected",
    "Cannot send after transport endpoint shutdown",
    "Too many references: cannot splice",
    "Connection timed out",
    "Connection refused",
    "Host is down",
    "No route to host",
    "Operation already in progress",
    "Operation now in progress",
    "Stale file handle",
    "Structure needs cleaning",
    "Not a XENIX named type file",
    "No XENIX semaphores available",
    "Is a named type file",
    "Remote I/O error",
    "Quota exceeded",
    "No medium found",
    "Wrong medium type",
    "Operation Canceled",
    "Required key not available",
    "Key has expired",
    "Key has been revoked",
    "Key was rejected by service",
    "Owner died",
    "State not recoverable",
    "Operation not possible due to RF-kill",
    "Memory page has hardware error",
];

/// From signal 1 on.
const SIGNALS: [&str; 31] = [
    "Hangup",
    "Interrupt",
    "Quit",
    "Illegal instruction",
    "Trace/breakpoint trap",
    "Aborted",
    "Bus error",
    "Floating point exception",
    "Killed",
    "User defined signal 1",
    "Segmentation fault",
    "User defined signal 2",
    "Broken pipe",
    "Alarm clock",
    "Terminated",
    "Stack fault",
    "Child exited",
    "Continued",
    "Stopped (signal)",
    "Stopped",
    "Stopped (tty input)",
    "Stopped (tty output)",
    "Urgent I/O condition",
    "CPU time limit exceeded",
    "File size limit exceeded",
    "Virtual timer expired",
    "Profiling timer expired",
    "Window changed",
    "I/O possible",
    "Power failure",
    "Bad system call",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        assert_eq!(error(1), "Operation not permitted");
        assert_eq!(error(133), "Memory page has hardware error");
        for unknown in [41, 58, 134, 9999, -9999, i32::MIN] {
            assert_eq!(error(unknown), "Unknown error");
        }
        assert_eq!((error(0), error(-2)), ("Success", error(2)));
        assert_eq!(signal(9), "Killed");
        assert_eq!(signal(64), "Real-time signal 30");
        assert_eq!((signal(33), signal(65), signal(-1)), ("Unknown signal 33".into(), "N/A".into(), "N/A".into()));
    }

    #[test]
    fn tables_end_with_what_is_not_known() {
        for names in [Names::Errors, Names::Signals, Names::Syscalls] {
            let rows = table(names, &crate::target::fake::FakeTarget);
            assert!(rows.iter().all(|row| row.len() < ROOM as usize), "{rows:?}");
            assert!(["Unknown error", "N/A", UNKNOWN_CALL].contains(&rows[rows.len() - 1].as_str()));
        }
        assert_eq!(table(Names::Errors, &crate::target::fake::FakeTarget)[2], "No such file or directory");
    }
}
