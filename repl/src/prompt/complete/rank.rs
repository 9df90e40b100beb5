//! Which names are meant by the letters that are there, and which of them first.
//!
//! Letters that a name begins with are enough. If no name does, the letters may be anywhere in it, in their order: better
//! where they begin words or follow one another.

/// How well letters fit a name: more is better.
pub type Score = i32;

/// Fewer letters than these could be in any name.
const FEWEST: usize = 2;

/// What letters are looked for in many names.
pub struct Letters {
    /// In lower case.
    letters: Vec<u8>,
    /// For the best score up to each letter of a name: one that ends there, and one anywhere before.
    rows: [Vec<(Score, Score)>; 2],
}

/// No way to fit.
const NEVER: Score = Score::MIN / 4;

impl Letters {
    /// Looks for these; nothing if they are too few.
    pub fn new(typed: &str) -> Option<Self> {
        let letters = typed.to_ascii_lowercase().into_bytes();
        (letters.len() >= FEWEST).then(|| Self { letters, rows: [Vec::new(), Vec::new()] })
    }

    /// How well they fit a name; nothing if they are not in it.
    pub fn score(&mut self, name: &str) -> Option<Score> {
        const FOLLOWS: Score = 8;
        const BEGINS_WORD: Score = 8;
        const BEGINS: Score = 4;
        const SKIPS: Score = 3;
        let name = name.as_bytes();
        let mut rest = name.iter().map(u8::to_ascii_lowercase);
        // Most names fail here.
        if !self.letters.iter().all(|letter| rest.any(|other| other == *letter)) {
            return None;
        }
        let [before, now] = &mut self.rows;
        // Before the first letter nothing is skipped.
        before.clear();
        before.resize(name.len() + 1, (NEVER, SKIPS));
        for letter in &self.letters {
            now.clear();
            now.resize(name.len() + 1, (NEVER, NEVER));
            for (at, other) in name.iter().enumerate() {
                let mut ends_here = NEVER;
                if other.to_ascii_lowercase() == *letter {
                    let is_first = at == 0 || !name[at - 1].is_ascii_alphanumeric() && other.is_ascii_alphanumeric();
                    let own = 1 + if is_first { BEGINS_WORD } else { 0 } + if at == 0 { BEGINS } else { 0 };
                    ends_here = own + (before[at].1 - SKIPS).max(before[at].0 + FOLLOWS);
                }
                now[at + 1] = (ends_here.max(NEVER), ends_here.max(now[at].1));
            }
            std::mem::swap(before, now);
        }
        before.last().map(|(_, best)| *best).filter(|best| *best > 0)
    }
}

/// The names that fit best, at most so many; the shorter one of two that fit alike.
pub fn best<'n>(typed: &str, names: impl Iterator<Item = &'n str>, most: usize) -> Vec<&'n str> {
    let Some(mut letters) = Letters::new(typed) else { return Vec::new() };
    let mut found: Vec<(Score, &str)> = names.filter_map(|name| Some((letters.score(name)?, name))).collect();
    let order = |(score, name): &(Score, &'n str)| (-score, name.len(), *name);
    found.sort_unstable_by_key(order);
    // What fits much worse than the best is not meant.
    let least = found.first().map_or(0, |(best, _)| best * 2 / 3);
    found.retain(|(score, _)| *score >= least);
    found.truncate(most);
    found.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 9] = [
        "vfs_read",
        "vfs_readv",
        "do_vfs_read_old",
        "kernel_read_file",
        "tcp_sendmsg",
        "syscalls:sys_enter_openat",
        "syscalls:sys_enter_open",
        "syscalls:sys_exit_openat",
        "VFS_READ",
    ];

    fn found(typed: &str) -> Vec<&'static str> {
        best(typed, NAMES.into_iter(), 10)
    }

    #[test]
    fn letters_in_their_order() {
        assert_eq!(found("openat"), ["syscalls:sys_exit_openat", "syscalls:sys_enter_openat"]);
        assert_eq!(found("sendm"), ["tcp_sendmsg"]);
        assert_eq!(found("dr"), ["do_vfs_read_old"]);
        assert_eq!(found("zzz"), [""; 0]);
        // One letter is in nearly everything.
        assert_eq!(found("v"), [""; 0]);
        assert_eq!(found(""), [""; 0]);
    }

    #[test]
    fn beginnings_of_words_and_neighbours_come_first() {
        assert_eq!(found("vr")[..2], ["VFS_READ", "vfs_read"]);
        assert_eq!(found("vfsread")[..3], ["VFS_READ", "vfs_read", "vfs_readv"]);
        assert_eq!(found("seop")[0], "syscalls:sys_enter_open");
        assert_eq!(found("rf"), ["kernel_read_file"]);
        // Letters together come before letters that begin words.
        let names = ["sys_enter_open_tree_attr", "sys_enter_openat"];
        assert_eq!(best("enteropenat", names.into_iter(), 5), ["sys_enter_openat", "sys_enter_open_tree_attr"]);
    }

    #[test]
    fn letters_beyond_ascii_do_no_harm() {
        assert_eq!(best("äö", ["xäyöz", "ab"].into_iter(), 5), ["xäyöz"]);
    }
}
