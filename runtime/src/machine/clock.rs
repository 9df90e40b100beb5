//! The time of day, and names of users: what the C library knows.

use rustix::time::{ClockId, clock_gettime};
use std::ffi::{CStr, CString};

/// How far the time of day is ahead of the time since boot.
pub struct Clock {
    /// In nanoseconds.
    offset: i128,
}

impl Clock {
    /// As the clocks are now.
    pub fn now() -> Self {
        let nanoseconds = |clock| {
            let time = clock_gettime(clock);
            i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
        };
        Self { offset: nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Boottime) }
    }

    /// The time of day at a time since boot, in nanoseconds.
    pub fn of_day_at(&self, nanoseconds: u64) -> i128 {
        i128::from(nanoseconds) + self.offset
    }

    /// A time since boot, formed.
    pub fn since_boot(&self, nanoseconds: u64, format: &[u8]) -> Vec<u8> {
        let time = self.of_day_at(nanoseconds);
        let (seconds, rest) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
        formed(seconds as i64, rest as u32 / 1000, format)
    }
}

/// The time of day, formed.
pub fn of_day(format: &[u8]) -> Vec<u8> {
    let time = clock_gettime(ClockId::Realtime);
    formed(time.tv_sec, time.tv_nsec as u32 / 1000, format)
}

/// How many seconds local time is ahead of UTC at a time since 1970; 0 where that is not known.
pub fn local_offset(seconds: i64) -> i64 {
    // SAFETY: `localtime_r` fills the zeroed structure it is given.
    unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&seconds, &mut parts).is_null() { 0 } else { parts.tm_gmtoff }
    }
}

/// A time formed by strftime(3), where `%f` is the microseconds.
fn formed(seconds: i64, microseconds: u32, format: &[u8]) -> Vec<u8> {
    let Ok(format) = CString::new(with_microseconds(format, microseconds)) else { return b"(?)".to_vec() };
    let mut buffer = vec![0u8; 1024];
    // SAFETY: `localtime_r` fills the zeroed structure it is given, and `strftime` writes no more than the buffer has.
    let length = unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&seconds, &mut parts).is_null() {
            return b"(?)".to_vec();
        }
        libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &parts)
    };
    match length {
        0 => b"(?)".to_vec(),
        length => buffer[..length].to_vec(),
    }
}

/// The format with `%f` replaced.
fn with_microseconds(format: &[u8], microseconds: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'%', Some(b'f')) => {
                bytes.next();
                out.extend(format!("{microseconds:06}").into_bytes());
            }
            (b'%', Some(next)) => {
                bytes.next();
                out.extend([b'%', *next]);
            }
            _ => out.push(*byte),
        }
    }
    out
}

/// The name of a user.
pub fn user_name(id: u32) -> Option<String> {
    let mut buffer = vec![0; 4096];
    // SAFETY: the structure is zeroed and the buffer's size is given; the name points into the buffer and is copied
    // before that goes.
    unsafe {
        let mut entry: libc::passwd = std::mem::zeroed();
        let mut found = std::ptr::null_mut();
        let failed = libc::getpwuid_r(id, &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found);
        if failed != 0 || found.is_null() || entry.pw_name.is_null() {
            return None;
        }
        Some(CStr::from_ptr(entry.pw_name).to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_put_in() {
        assert_eq!(with_microseconds(b"%H.%f%%f%", 42), b"%H.000042%%f%");
        assert_eq!(formed(0, 7, b"%s.%f"), b"0.000007");
        assert_eq!(formed(0, 7, b""), b"(?)");
        assert_eq!(formed(0, 7, b"a\0b"), b"(?)");
    }
}
