//! "Did you mean": the names nearest to one that does not exist.
//!
//! Candidates are streamed, so a list of a hundred thousand kernel functions costs no memory.

/// At most `max` of `candidates` that `name` could be a slip of, nearest first.
pub fn nearest<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>, max: usize) -> Vec<String> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let mut found: Vec<(usize, String)> = Vec::new();
    let wanted = Pattern::new(name);
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let Some(distance) = wanted.distance(candidate, limit) else { continue };
        if found.len() == max && found.last().is_some_and(|(worst, _)| *worst <= distance) {
            continue;
        }
        if found.iter().any(|(_, known)| known == candidate) {
            continue;
        }
        let at = found.partition_point(|(known, _)| *known <= distance);
        found.insert(at, (distance, candidate.to_owned()));
        found.truncate(max);
    }
    found.into_iter().map(|(_, name)| name).collect()
}

/// A name prepared for many comparisons.
struct Pattern {
    chars: Vec<char>,
}

impl Pattern {
    fn new(name: &str) -> Self {
        Self { chars: name.to_lowercase().chars().collect() }
    }

    /// How many letters must be changed, added, dropped or swapped with their neighbour, if at most `limit`.
    fn distance(&self, other: &str, limit: usize) -> Option<usize> {
        // Cheap refusal first: most candidates differ too much in length.
        if other.len().abs_diff(self.chars.len()) > limit {
            return None;
        }
        let other: Vec<char> = other.to_lowercase().chars().collect();
        let mut before: Vec<usize> = Vec::new();
        let mut last: Vec<usize> = (0..=other.len()).collect();
        for (i, a) in self.chars.iter().enumerate() {
            let mut row = vec![i + 1];
            for (j, b) in other.iter().enumerate() {
                let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
                if i > 0 && j > 0 && *a == other[j - 1] && self.chars[i - 1] == *b {
                    best = best.min(before[j - 1] + 1);
                }
                row.push(best);
            }
            if row.iter().min().is_some_and(|best| *best > limit) {
                return None;
            }
            before = std::mem::replace(&mut last, row);
        }
        last.last().copied().filter(|distance| *distance <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["nsecs", "comm", "count", "vfs_read", "vfs_readv"];
        assert_eq!(nearest("nsec", names, 1), ["nsecs"]);
        assert_eq!(nearest("vfs_reed", names, 2), ["vfs_read", "vfs_readv"]);
        assert_eq!(nearest("cmom", names, 3), ["comm"]);
        assert!(nearest("elephant", names, 3).is_empty());
    }
}
