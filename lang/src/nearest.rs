//! "Did you mean": the names most like one that was not found.
//!
//! Candidates stream through (a kernel has over 100,000 symbols), and only the best few are kept. Likeness is the
//! Damerau-Levenshtein distance in its restricted form, where two neighbours may change places once; a name that
//! contains the one asked for counts as like it too (`read` for `vfs_read`), and a common beginning decides ties.

mod pattern;

pub use pattern::nearest_to_pattern;

/// Names longer than this are not compared letter by letter: no symbol or event comes near it.
const LONGEST: usize = 128;

/// Up to `max` of `candidates` that someone who wrote `name` may have meant, best first.
///
/// Names too unlike are left out, so the answer is often empty; `name` itself never is in it.
pub fn nearest<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>, max: usize) -> Vec<String> {
    let mut search = Nearest::new(name, max);
    for candidate in candidates {
        search.offer(candidate.as_ref());
    }
    search.finish()
}

/// The search as a sink, for sources that lend each name only for a moment.
#[derive(Debug)]
pub struct Nearest {
    asked: String,
    /// What was asked, in lower case and no longer than what is compared.
    name: Vec<u8>,
    letters: u64,
    limit: usize,
    max: usize,
    /// Sorted by rank, best first, at most `max` long.
    best: Vec<(Rank, String)>,
    rows: [Vec<u16>; 3],
}

/// Lower is better. Compared field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Edits, or what containment counts as.
    distance: usize,
    /// Letters by which the lengths differ.
    excess: usize,
    /// Letters until the first difference, counted down from the longest possible.
    prefix: usize,
}

impl Nearest {
    /// Starts a search for up to `max` names like `asked`.
    pub fn new(asked: &str, max: usize) -> Nearest {
        let name = asked.as_bytes()[..asked.len().min(LONGEST)].to_ascii_lowercase();
        let row = vec![0; name.len() + 1];
        Nearest {
            letters: letters_of(&name),
            // A third of the letters may be wrong: `nsec`/`nsecs` yes, `pid`/`cpu` no.
            limit: (name.len() / 3).clamp(1, 5),
            rows: [row.clone(), row.clone(), row],
            best: Vec::with_capacity(max.min(64) + 1),
            asked: asked.to_owned(),
            name,
            max,
        }
    }

    /// Considers one candidate.
    pub fn offer(&mut self, candidate: &str) {
        let Some(rank) = self.rank(candidate.as_bytes()) else {
            return;
        };
        let at = self.best.partition_point(|(known, text)| (*known, text.as_str()) < (rank, candidate));
        if at >= self.max || self.best.get(at).is_some_and(|(_, text)| text == candidate) {
            return;
        }
        self.best.insert(at, (rank, candidate.to_owned()));
        self.best.truncate(self.max);
    }

    /// The names found, best first.
    pub fn finish(self) -> Vec<String> {
        self.best.into_iter().map(|(_, text)| text).collect()
    }

    fn rank(&mut self, candidate: &[u8]) -> Option<Rank> {
        if candidate.len() > LONGEST || self.name.is_empty() || candidate.is_empty() {
            return None;
        }
        let excess = candidate.len().abs_diff(self.name.len());
        let edits = if excess <= self.limit { self.edits(candidate) } else { None };
        let contained = (excess <= 24 && self.contains_the_name(candidate)).then_some(1 + excess / 4);
        let distance = match (edits, contained) {
            (Some(edits), Some(contained)) => edits.min(contained),
            (edits, contained) => edits.or(contained)?,
        };
        if candidate == self.asked.as_bytes() {
            return None;
        }
        let common = self.name.iter().zip(candidate).take_while(|(a, b)| **a == b.to_ascii_lowercase()).count();
        Some(Rank { distance, excess, prefix: LONGEST - common })
    }

    /// Whether one name is a part of the other that is long enough to mean something.
    fn contains_the_name(&self, candidate: &[u8]) -> bool {
        let (long, short) =
            if candidate.len() >= self.name.len() { (candidate, &self.name[..]) } else { (&self.name[..], candidate) };
        // A short part of a long name says little: half of it must be there, when it is the candidate that is short.
        let meaningful = short.len() >= 3 && (short.len() == self.name.len() || short.len() * 2 >= long.len());
        let first = short.first().copied().unwrap_or(0).to_ascii_lowercase();
        meaningful
            && long
                .windows(short.len())
                .any(|window| window[0].to_ascii_lowercase() == first && window.eq_ignore_ascii_case(short))
    }

    /// The restricted Damerau-Levenshtein distance, if it is within the limit.
    fn edits(&mut self, candidate: &[u8]) -> Option<usize> {
        // Each edit changes at most two letters of the set of letters used, so most names fall out here.
        if (letters_of(candidate) ^ self.letters).count_ones() as usize > 2 * self.limit {
            return None;
        }
        let columns = self.name.len();
        let [before, previous, current] = &mut self.rows;
        for (column, cell) in previous.iter_mut().enumerate() {
            *cell = column as u16;
        }
        let mut last = 0;
        for (row, letter) in candidate.iter().map(u8::to_ascii_lowercase).enumerate() {
            // Cells further from the diagonal than the limit are over it, and stand as such.
            let (from, to) = (row.saturating_sub(self.limit), (row + self.limit + 1).min(columns));
            let over = self.limit as u16 + 1;
            current[from] = if from == 0 { row as u16 + 1 } else { over };
            let mut least = current[from];
            for column in from..to {
                let same = self.name[column] == letter;
                let mut cost = previous[column] + u16::from(!same);
                cost = cost.min(current[column] + 1);
                if column < row + self.limit {
                    cost = cost.min(previous[column + 1] + 1);
                }
                if row > 0 && column > 0 && self.name[column] == last && self.name[column - 1] == letter {
                    cost = cost.min(before[column - 1] + 1);
                }
                current[column + 1] = cost.min(over);
                least = least.min(cost);
            }
            if least > self.limit as u16 {
                return None;
            }
            last = letter;
            std::mem::swap(before, previous);
            std::mem::swap(previous, current);
        }
        let edits = usize::from(previous[columns]);
        (edits <= self.limit).then_some(edits)
    }
}

/// Which letters occur, one bit each; letters of either case share a bit.
fn letters_of(name: &[u8]) -> u64 {
    name.iter().fold(0, |set, byte| set | 1 << (byte.to_ascii_lowercase() & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, candidates: &[&str], expected: &[&str]) {
        assert_eq!(nearest(name, candidates, 3), expected, "{name}");
    }

    #[test]
    fn near_names_come_first() {
        check("vfs_reed", &["vfs_write", "vfs_read", "vfs_readv", "do_exit"], &["vfs_read", "vfs_readv"]);
        check("nsec", &["nsecs", "usecs", "pid", "sec"], &["nsecs", "sec"]);
        check("sched_swicth", &["sched_wakeup", "sched_switch"], &["sched_switch"]);
        check(
            "openat",
            &["sys_enter_openat", "sys_enter_openat2", "close"],
            &["sys_enter_openat", "sys_enter_openat2"],
        );
        check("xyzzy", &["vfs_read", "open"], &[]);
        check("PID", &["pid", "tid"], &["pid", "tid"]);
        check("", &["pid"], &[]);
        check("pid", &["pid"], &[]);
    }

    #[test]
    fn a_name_offered_twice_is_kept_once() {
        check("reed", &["read", "read", "reads"], &["read"]);
    }

    /// The band and the filters leave the distance what the textbook's table says it is.
    #[test]
    fn edits_agree_with_the_plain_algorithm() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut word = |longest: u64| {
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let length = 1 + next() % longest;
            (0..length).map(|_| b'a' + (next() % 4) as u8).collect::<Vec<u8>>()
        };
        for _ in 0..20_000 {
            let (a, b) = (word(14), word(14));
            let mut search = Nearest::new(std::str::from_utf8(&a).expect("letters"), 1);
            let expected = Some(plain_distance(&a, &b)).filter(|distance| *distance <= search.limit);
            let found = if a.len().abs_diff(b.len()) <= search.limit { search.edits(&b) } else { None };
            assert_eq!(found, expected, "{a:?} {b:?}");
        }
    }

    fn plain_distance(a: &[u8], b: &[u8]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let replace = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut cost = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        cost = cost.min(table[i - 2][j - 2] + 1);
                    }
                    cost
                };
            }
        }
        table[a.len()][b.len()]
    }
}
