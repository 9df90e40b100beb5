//! "Did you mean" for patterns: the names that a pattern would cover if a letter or two of it were others.
//!
//! The distance is that of the pattern to the name, in letters to put in, take out, change, or swap with a neighbour,
//! where `*` stands for any letters at no cost and a set for one. A quarter of the pattern's own letters may be wrong.

use super::LONGEST;

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `*`
    Any,
    /// A letter of either case.
    One(u8),
    /// A set: here any letter will do.
    Set,
}

/// Up to `max` of `candidates` that someone who wrote `pattern`, which covers none of them, may have meant, best first.
pub fn nearest_to_pattern<S: AsRef<str>>(
    pattern: &str,
    candidates: impl IntoIterator<Item = S>,
    max: usize,
) -> Vec<String> {
    let steps = steps(pattern.as_bytes());
    let letters = steps.iter().filter(|step| matches!(step, Step::One(_))).count();
    // Of two letters or less, any change makes another word.
    if letters < 3 || steps.len() > LONGEST {
        return Vec::new();
    }
    let limit = (letters / 4).clamp(1, 3) as u16;
    let mut rows = [(); 3].map(|()| vec![0; steps.len() + 1]);
    let mut best: Vec<(u16, usize, String)> = Vec::new();
    for candidate in candidates {
        let name = candidate.as_ref();
        let Some(distance) = distance(&steps, name.as_bytes(), limit, &mut rows) else { continue };
        let found = (distance, name.len(), name.to_owned());
        if let Err(at) = best.binary_search(&found)
            && at < max
        {
            best.insert(at, found);
            best.truncate(max);
        }
    }
    best.into_iter().map(|(_, _, name)| name).collect()
}

fn steps(pattern: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = pattern;
    while let [first, after @ ..] = rest {
        let set = if *first == b'[' { after.iter().position(|byte| *byte == b']') } else { None };
        let step = match (first, set) {
            (b'*', _) => Step::Any,
            (_, Some(_)) => Step::Set,
            (letter, None) => Step::One(letter.to_ascii_lowercase()),
        };
        rest = set.map_or(after, |end| &after[end + 1..]);
        steps.push(step);
    }
    steps.dedup_by(|a, b| *a == Step::Any && *b == Step::Any);
    steps
}

/// How far a name is from being covered, if that is within the limit.
fn distance(steps: &[Step], name: &[u8], limit: u16, rows: &mut [Vec<u16>; 3]) -> Option<u16> {
    if name.len() > LONGEST {
        return None;
    }
    let [before, previous, current] = rows;
    // What it costs to leave out the pattern's beginning.
    previous[0] = 0;
    for (at, step) in steps.iter().enumerate() {
        previous[at + 1] = previous[at] + u16::from(*step != Step::Any);
    }
    let mut last = None;
    for letter in name.iter().map(u8::to_ascii_lowercase) {
        current[0] = previous[0] + 1;
        let mut least = current[0];
        for (at, step) in steps.iter().enumerate() {
            let is_any = *step == Step::Any;
            let fits = match step {
                Step::One(wanted) => *wanted == letter,
                Step::Any | Step::Set => true,
            };
            // The letter is the step's, or one too many, or the step is left out.
            let mut cost = previous[at] + u16::from(!fits);
            cost = cost.min(previous[at + 1] + u16::from(!is_any)).min(current[at] + u16::from(!is_any));
            if at > 0 && last.is_some_and(|last| *step == Step::One(last)) && steps[at - 1] == Step::One(letter) {
                cost = cost.min(before[at - 1] + 1);
            }
            current[at + 1] = cost;
            least = least.min(cost);
        }
        if least > limit {
            return None;
        }
        last = Some(letter);
        std::mem::swap(before, previous);
        std::mem::swap(previous, current);
    }
    Some(previous[steps.len()]).filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, candidates: &[&str], expected: &[&str]) {
        assert_eq!(nearest_to_pattern(pattern, candidates, 3), expected, "{pattern}");
    }

    #[test]
    fn names_that_the_pattern_all_but_covers() {
        let names = ["vfs_read", "vfs_readv", "vfs_write", "do_exit", "ksys_read"];
        check("vfs_raed*", &names, &["vfs_read", "vfs_readv"]);
        check("vsf_*", &names, &["vfs_read", "vfs_readv", "vfs_write"]);
        check("*_raed", &names, &["vfs_read", "ksys_read"]);
        check("k[rs]ys_raed", &names, &["ksys_read"]);
        check("nosuch_*", &names, &[]);
        check("*", &names, &[]);
        check("", &names, &[]);
        check("shced:sched_*", &["sched:sched_switch", "irq:softirq_raise"], &["sched:sched_switch"]);
    }

    #[test]
    fn any_input_ends() {
        check(&"[".repeat(500), &["vfs_read"], &[]);
        check("a[", &["ab"], &[]);
        check("é*ab", &["éxab"], &["éxab"]);
        check("abcd*", &[&"x".repeat(1000)], &[]);
    }

    #[test]
    fn without_stars_it_is_the_distance_of_words() {
        let mut search = super::super::Nearest::new("vfs_read", 1);
        search.offer("vfs_raed");
        assert_eq!(search.finish(), nearest_to_pattern("vfs_read", ["vfs_raed"], 1));
    }
}
