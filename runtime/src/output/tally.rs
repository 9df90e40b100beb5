//! What has come of a map since it was looked at last: the rates of those who watch it.
//!
//! Whatever counts up is compared with what it was. What `clear()` and `zero()` take away in between is noted by whoever
//! does it, just before, so that a map which a script empties each second still has its true rate; and it is shown as it
//! was then, because whoever looks each second as well might never see it but empty. Only the entries that are shown are
//! compared, so a look at a hundred thousand entries costs little more than reading them.

use std::time::Duration;

use hashbrown::HashMap;
use lang::typed::Map;
use lang::types::{Aggregate, Type};

use super::map::Entries;
use super::number::words;

/// A map as it was at the last two looks.
#[derive(Clone, Debug)]
pub struct Tally {
    now: Entries,
    /// None after the first look: nothing is known of what was before.
    before: Option<Entries>,
    /// What has been taken away between the two.
    taken: Vec<Entries>,
    /// What has been taken away since.
    pending: Vec<Entries>,
    elapsed: Duration,
}

impl Tally {
    /// More entries than this that were taken away are not remembered between two looks: rates are too small then.
    const MOST: usize = 1 << 18;

    /// The first look.
    pub fn new(now: Entries) -> Self {
        Self { now, before: None, taken: Vec::new(), pending: Vec::new(), elapsed: Duration::ZERO }
    }

    /// Another look, so much later than the one before.
    pub fn look(&mut self, now: Entries, elapsed: Duration) {
        self.before = Some(std::mem::replace(&mut self.now, now));
        self.taken = std::mem::take(&mut self.pending);
        self.elapsed = elapsed;
    }

    /// These entries are about to be removed, or set to zero.
    pub fn take_away(&mut self, entries: Entries) {
        let known: usize = self.pending.iter().map(Entries::len).sum();
        if !entries.is_empty() && known + entries.len() <= Self::MOST {
            self.pending.push(entries);
        }
    }

    /// What the map held at the last look, or when it was emptied since the one before.
    pub fn entries(&self) -> &Entries {
        self.taken.last().unwrap_or(&self.now)
    }

    /// For some of [`Self::entries`], by their indices: what has come since the look before, as a value or state of its
    /// own. None if there was none before, or for a map that does not count anything.
    pub fn news(&self, map: &Map, indices: &[usize]) -> Option<Vec<Vec<u8>>> {
        let before = self.before.as_ref().filter(|_| counts(&map.value) && !self.elapsed.is_zero())?;
        let shown = self.entries();
        let mut sums: Vec<Vec<u8>> = indices.iter().map(|index| shown.value(*index).to_vec()).collect();
        let mut olds: Vec<Option<&[u8]>> = vec![None; indices.len()];
        let rows: HashMap<&[u8], usize> =
            indices.iter().enumerate().map(|(row, index)| (shown.key(*index), row)).collect();
        let found = |entries: &Entries, index: usize| rows.get(entries.key(index)).copied();
        // All that was there beside what is shown.
        if let Some((_, taken)) = self.taken.split_last() {
            for others in taken.iter().chain([&self.now]) {
                for (index, row) in (0..others.len()).filter_map(|index| Some((index, found(others, index)?))) {
                    combine(&mut sums[row], others.value(index), u64::wrapping_add);
                }
            }
        }
        for (index, row) in (0..before.len()).filter_map(|index| Some((index, found(before, index)?))) {
            olds[row] = Some(before.value(index));
        }
        for ((sum, old), index) in sums.iter_mut().zip(olds).zip(indices) {
            match old {
                // It has begun anew without our knowing: all that is there is new.
                Some(old) if has_fallen(&map.value, old, sum) => *sum = shown.value(*index).to_vec(),
                Some(old) => combine(sum, old, u64::wrapping_sub),
                None => {}
            }
        }
        Some(sums)
    }

    /// So much in the time between the two looks, for each second.
    pub fn per_second(&self, amount: i128) -> f64 {
        amount as f64 / self.elapsed.as_secs_f64()
    }
}

/// Whether a value is a number, or numbers, to which something is added.
fn counts(value: &Type) -> bool {
    match value {
        Type::Int(_) => true,
        Type::Aggregate(aggregate) => {
            !matches!(aggregate, Aggregate::Min { .. } | Aggregate::Max { .. } | Aggregate::TSeries { .. })
        }
        _ => false,
    }
}

fn combine(words_of: &mut [u8], other: &[u8], how: impl Fn(u64, u64) -> u64) {
    for (word, other) in words_of.as_chunks_mut().0.iter_mut().zip(words(other)) {
        *word = how(u64::from_ne_bytes(*word), other).to_ne_bytes();
    }
}

/// Whether something that only grows is less than before.
fn has_fallen(value: &Type, before: &[u8], now: &[u8]) -> bool {
    let mut pairs = words(before).zip(words(now));
    let mut any = |skipped: usize| pairs.by_ref().skip(skipped).any(|(before, now)| now < before);
    match value {
        Type::Aggregate(Aggregate::Count | Aggregate::Sum { signed: false }) => any(0),
        Type::Aggregate(Aggregate::Hist { .. } | Aggregate::LHist { .. }) => any(0),
        // Behind the sum stands how many there were.
        Type::Aggregate(Aggregate::Avg { .. } | Aggregate::Stats { .. }) => any(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lang::span::Span;

    fn map(value: Type) -> Map {
        Map { name: "m".into(), key: Some(vec![Type::U64]), value, declared: None, span: Span::new(0, 0) }
    }

    fn entries<const WORDS: usize>(map: &Map, of: &[(u64, [i64; WORDS])]) -> Entries {
        let mut entries = Entries::new(map);
        for (key, words) in of {
            let value: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            entries.push(&key.to_ne_bytes(), &value);
        }
        entries
    }

    /// What has come for each key of the second look, or of what was taken away last.
    fn news<const WORDS: usize>(
        value: Type,
        first: &[(u64, [i64; WORDS])],
        taken: &[&[(u64, [i64; WORDS])]],
        second: &[(u64, [i64; WORDS])],
    ) -> Vec<(u64, Vec<i64>)> {
        let map = map(value);
        let mut tally = Tally::new(entries(&map, first));
        assert_eq!(tally.news(&map, &[]), None, "nothing is known of what was before");
        taken.iter().for_each(|taken| tally.take_away(entries(&map, taken)));
        tally.look(entries(&map, second), Duration::from_secs(2));
        let shown = taken.last().copied().unwrap_or(second);
        let all: Vec<usize> = (0..shown.len()).collect();
        assert_eq!(tally.entries().len(), shown.len());
        let news = tally.news(&map, &all).unwrap();
        let news = news.iter().map(|state| words(state).map(|word| word as i64).collect());
        shown.iter().map(|(key, _)| *key).zip(news).collect()
    }

    const COUNT: Type = Type::Aggregate(Aggregate::Count);

    #[test]
    fn what_is_new_is_the_difference() {
        let second = [(3, [7]), (1, [15]), (2, [4])];
        assert_eq!(
            news(COUNT, &[(1, [10]), (2, [4]), (9, [5])], &[], &second),
            [(3, vec![7]), (1, vec![5]), (2, vec![0])]
        );
        assert_eq!(news(Type::I64, &[(1, [10])], &[], &[(1, [4])]), [(1, vec![-6])], "it may fall");
        let avg = Type::Aggregate(Aggregate::Avg { signed: true });
        assert_eq!(news(avg, &[(1, [10, 2])], &[], &[(1, [-20, 5])]), [(1, vec![-30, 3])]);
    }

    #[test]
    fn what_was_cleared_counts_as_well() {
        // 10, then up to 25 and cleared, then up to 3 and cleared, then 4.
        assert_eq!(
            news(COUNT, &[(1, [10])], &[&[(1, [25]), (2, [6])], &[(1, [3]), (2, [0])]], &[(1, [4]), (2, [1])]),
            [(1, vec![22]), (2, vec![7])]
        );
        assert_eq!(news(COUNT, &[], &[&[(1, [10])]], &[]), [(1, vec![10])], "emptied whenever somebody looks");
        // zero() keeps the keys.
        assert_eq!(news(COUNT, &[(1, [10])], &[&[(1, [12])]], &[(1, [0])]), [(1, vec![2])]);
        let map = map(COUNT);
        let mut tally = Tally::new(entries(&map, &[(1, [1])]));
        tally.take_away(entries(&map, &[(1, [5])]));
        tally.look(entries(&map, &[(1, [2])]), Duration::from_secs(1));
        tally.look(entries(&map, &[(1, [9])]), Duration::from_secs(1));
        assert_eq!(tally.news(&map, &[0]), Some(vec![7u64.to_ne_bytes().to_vec()]), "once only");
    }

    #[test]
    fn what_has_begun_anew_unseen_is_all_new() {
        assert_eq!(news(COUNT, &[(1, [10])], &[], &[(1, [4])]), [(1, vec![4])]);
        let stats = Type::Aggregate(Aggregate::Stats { signed: true });
        assert_eq!(news(stats, &[(1, [100, 9])], &[], &[(1, [500, 2])]), [(1, vec![500, 2])]);
        let lhist = Type::Aggregate(Aggregate::LHist { min: 0, max: 2, step: 2 });
        assert_eq!(news(lhist.clone(), &[(1, [1, 5, 0])], &[], &[(1, [9, 2, 0])]), [(1, vec![9, 2, 0])]);
        assert_eq!(news(lhist, &[(1, [1, 5, 0])], &[], &[(1, [9, 6, 0])]), [(1, vec![8, 1, 0])]);
    }

    #[test]
    fn what_does_not_count_has_no_news() {
        for value in [Type::Aggregate(Aggregate::Min { signed: true }), Type::Str(16), Type::Bool] {
            let map = map(value);
            let mut tally = Tally::new(Entries::new(&map));
            tally.look(Entries::new(&map), Duration::from_secs(1));
            assert_eq!(tally.news(&map, &[]), None);
        }
    }
}
