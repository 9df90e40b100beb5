//! Any bytes as text: the lexer gives tokens whose spans lie in the text and in order.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut end = 0;
    for span in lang::lexer::spans(&text) {
        assert!(span.start <= span.end && span.end as usize <= text.len());
        assert!(span.start >= end || span.start == span.end);
        end = span.start;
    }
});
