//! What processes have mapped, from the news of them: for those that had ended before anybody could look.

use super::sideband::{Code, News, Told};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// How many processes, and how much of one, is remembered; the oldest is forgotten first.
const MOST: usize = 8192;
const MOST_OF_ONE: usize = 256;
/// How many forks are followed back.
const GENERATIONS: u32 = 8;

/// The news of all processes.
#[derive(Debug, Default)]
pub struct Past {
    logs: HashMap<u32, Vec<(u64, News)>>,
    order: VecDeque<u32>,
}

/// What a process had mapped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Image<'a> {
    /// Sorted by address.
    pub code: Vec<&'a Code>,
    /// What there was before is mapped in this process as well, of which no news has come.
    pub like: Option<u32>,
}

impl Past {
    /// Takes a piece of news, which may come a little late.
    pub fn note(&mut self, told: Told) {
        let log = self.logs.entry(told.process).or_insert_with(|| {
            self.order.push_back(told.process);
            Vec::new()
        });
        if let (News::Map(new), Some((_, News::Map(last)))) = (&told.what, log.last())
            && new == last
        {
            return;
        }
        let at = log.partition_point(|(time, _)| *time <= told.time);
        log.insert(at, (told.time, told.what));
        if log.len() > MOST_OF_ONE {
            log.remove(1);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.logs.remove(&oldest);
        }
    }

    /// What the program that a process ran at a time has mapped in all; nothing if there was no news of it.
    pub fn image(&self, process: u32, time: u64) -> Option<Image<'_>> {
        self.image_until(process, time, None, GENERATIONS)
    }

    /// With an end, only what was mapped by then.
    fn image_until(&self, process: u32, time: u64, end: Option<u64>, generations: u32) -> Option<Image<'_>> {
        let log = self.logs.get(&process)?;
        let begins = |(_, news): &(u64, News)| !matches!(news, News::Map(_));
        let known = log.partition_point(|(at, _)| *at <= time);
        let start = log[..known].iter().rposition(begins);
        let mut image = match start.map(|start| &log[start]) {
            Some((at, News::Fork(parent))) => {
                let inherited =
                    generations.checked_sub(1).and_then(|left| self.image_until(*parent, *at, Some(*at), left));
                inherited.unwrap_or(Image { code: Vec::new(), like: Some(*parent) })
            }
            _ => Image::default(),
        };
        let own = &log[start.map_or(0, |start| start + 1)..];
        let own = own.iter().take_while(|news| !begins(news)).take_while(|(at, _)| end.is_none_or(|end| *at <= end));
        for (_, news) in own {
            let News::Map(code) = news else { continue };
            image.code.retain(|old| old.range.end <= code.range.start || code.range.end <= old.range.start);
            image.code.push(code);
        }
        image.code.sort_by_key(|code| code.range.start);
        Some(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(start: u64, path: &str) -> News {
        let path = path.to_owned();
        News::Map(Code { range: start..start + 0x1000, offset: 0, device: String::new(), inode: 1, path })
    }

    fn past(news: &[(u64, u32, News)]) -> Past {
        let mut past = Past::default();
        for (time, process, what) in news.iter().cloned() {
            past.note(Told { time, process, what });
        }
        past
    }

    fn paths(past: &Past, process: u32, time: u64) -> Option<Vec<&str>> {
        Some(past.image(process, time)?.code.iter().map(|code| code.path.as_str()).collect())
    }

    #[test]
    fn each_program_has_its_own_mappings() {
        let past = past(&[
            (1, 7, News::Exec),
            (5, 7, News::Exec),
            (6, 7, map(0x1000, "new")),
            // Late.
            (2, 7, map(0x1000, "old")),
            (3, 7, map(0x5000, "lib")),
        ]);
        assert_eq!(paths(&past, 7, 2), Some(vec!["old", "lib"]));
        assert_eq!(paths(&past, 7, 5), Some(vec!["new"]));
        assert_eq!(paths(&past, 7, 0), Some(vec![]));
        assert_eq!(paths(&past, 8, 2), None);
    }

    #[test]
    fn a_copy_has_what_the_other_had() {
        let past = past(&[
            (1, 7, News::Exec),
            (2, 7, map(0x1000, "program")),
            (3, 8, News::Fork(7)),
            (4, 7, map(0x5000, "later")),
            (4, 8, map(0x7000, "own")),
            (9, 9, News::Fork(6)),
        ]);
        assert_eq!(paths(&past, 8, 5), Some(vec!["program", "own"]));
        assert_eq!(past.image(9, 9), Some(Image { code: vec![], like: Some(6) }));
    }

    #[test]
    fn what_lies_over_another_takes_its_place() {
        let past =
            past(&[(1, 7, News::Exec), (2, 7, map(0x1000, "a")), (3, 7, map(0x1800, "b")), (4, 7, map(0x3000, "c"))]);
        assert_eq!(paths(&past, 7, 9), Some(vec!["b", "c"]));
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut past = Past::default();
        for process in 0..MOST as u32 + 10 {
            past.note(Told { time: 1, process, what: News::Exec });
        }
        for time in 0..MOST_OF_ONE as u64 * 2 {
            past.note(Told { time, process: MOST as u32, what: map(time << 12, "a") });
        }
        assert_eq!((past.logs.len(), past.order.len()), (MOST, MOST));
        assert_eq!(past.logs[&(MOST as u32)].len(), MOST_OF_ONE);
    }

    #[test]
    fn forks_in_a_circle_come_to_an_end() {
        let past = past(&[(1, 7, News::Fork(7))]);
        assert_eq!(past.image(7, 5).map(|image| image.code.len()), Some(0));
    }
}
