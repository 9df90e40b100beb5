//! Patterns in attach points: `*` stands for any letters, `[abc]` and `[a-z]` for one of a set.

/// Whether `text` has anything in it that makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains('*') || text.find('[').is_some_and(|open| text[open..].contains(']'))
}

/// Whether the pattern covers all of `name`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, which then takes one letter more. Earlier ones need no
    // second thought, so this takes at most pattern times name steps.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), name.get(n)) {
            (Some(b'*'), _) => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(_), Some(letter)) => {
                if let Some(length) = covers(&pattern[p..], *letter) {
                    (p, n) = (p + length, n + 1);
                    continue;
                }
            }
            _ => {}
        }
        match retry {
            Some((behind, from)) if from < name.len() => {
                retry = Some((behind, from + 1));
                (p, n) = (behind, from + 1);
            }
            _ => return false,
        }
    }
}

/// How much of the pattern's beginning stands for `letter`, if it does.
fn covers(pattern: &[u8], letter: u8) -> Option<usize> {
    let end = match pattern {
        [b'[', rest @ ..] => rest.iter().position(|byte| *byte == b']'),
        _ => None,
    };
    let Some(end) = end else { return (pattern[0] == letter).then_some(1) };
    let (negated, set) = match &pattern[1..=end] {
        [b'!' | b'^', set @ ..] => (true, set),
        set => (false, set),
    };
    let mut rest = set;
    let mut found = false;
    while let [first, after @ ..] = rest {
        (found, rest) = match after {
            [b'-', last, after @ ..] => (found || (*first..=*last).contains(&letter), after),
            after => (found || *first == letter, after),
        };
    }
    (found != negated).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_names() {
        for (pattern, name) in [
            ("vfs_*", "vfs_read"),
            ("vfs_*", "vfs_"),
            ("*read*", "vfs_readv"),
            ("*", ""),
            ("*a*b*c", "aabbabc"),
            ("uprobeFunction[12]", "uprobeFunction2"),
            ("x[a-c]y", "xby"),
            ("x[!a-c]y", "xdy"),
            ("a[", "a["),
            ("**", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("vfs_*", "xvfs_read"),
            ("vfs_*d", "vfs_reads"),
            ("", "x"),
            ("x", ""),
            ("uprobeFunction[12]", "uprobeFunction3"),
            ("x[!a-c]y", "xby"),
            ("[ab]", "[ab]"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(2000), &"a".repeat(1999)));
        assert!(is_pattern("a*") && is_pattern("[ab]") && !is_pattern("a[") && !is_pattern("]a["));
    }
}
