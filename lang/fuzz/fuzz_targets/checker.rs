//! Any bytes as a script: whatever could be understood of it is checked.
#![no_main]

use lang::target::fake::FakeTarget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let parsed = lang::parse(&text);
    let _ = lang::check(&parsed.script, &FakeTarget, &lang::Settings::default());
});
