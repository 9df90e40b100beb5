//! Texts that come up while a script is read (headers, what macros become) and that tokens borrow like the script's own.

use std::cell::{Cell, OnceCell};

const CHUNK: usize = 64;
const MOST_CHUNKS: usize = 1024;

type Chunk = Box<[OnceCell<Box<str>>]>;

/// A store that only grows, so that what it gave stays borrowed while more is added.
pub(crate) struct Texts {
    chunks: Vec<OnceCell<Chunk>>,
    length: Cell<usize>,
    bytes: Cell<usize>,
}

/// More bytes than all headers and expansions of a sane script have together.
const MOST_BYTES: usize = 32 << 20;

impl Texts {
    /// Keeps `text`; `None` if there are too many, which is for the caller to tell.
    pub(crate) fn keep(&self, text: String) -> Option<&str> {
        let at = self.length.get();
        let bytes = self.bytes.get() + text.len();
        if bytes > MOST_BYTES {
            return None;
        }
        let chunk = self.chunks.get(at / CHUNK)?.get_or_init(|| (0..CHUNK).map(|_| OnceCell::new()).collect());
        self.length.set(at + 1);
        self.bytes.set(bytes);
        Some(chunk[at % CHUNK].get_or_init(|| text.into_boxed_str()))
    }
}

impl Default for Texts {
    fn default() -> Self {
        let chunks = (0..MOST_CHUNKS).map(|_| OnceCell::new()).collect();
        Self { chunks, length: Cell::new(0), bytes: Cell::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_where_they_are_and_have_an_end() {
        let texts = Texts::default();
        let first = texts.keep("first".to_owned());
        let kept = (0..1_000_000).take_while(|i| texts.keep(i.to_string()).is_some()).count();
        assert_eq!(first, Some("first"));
        assert_eq!(kept, CHUNK * MOST_CHUNKS - 1);
        assert_eq!(Texts::default().keep("x".repeat(MOST_BYTES + 1)), None);
    }
}
