//! The command that watches maps.

use super::super::Next;
use super::super::session::Session;
use crate::live::{INTERVAL, interval};
use runtime::session::RunError;
use std::time::Duration;

/// Redraws maps until a key is pressed.
pub fn watch(session: &mut Session<'_>, what: &str) -> Result<Next, RunError> {
    match asked(what) {
        Ok((maps, interval)) => session.watch(&maps, interval),
        Err(title) => {
            session.reporter().plain(&title, Some("for example :watch @reads @bytes every 500ms"));
            Ok(Next::Go)
        }
    }
}

/// The names of maps, none for all, and how often.
fn asked(text: &str) -> Result<(Vec<&str>, Duration), String> {
    let mut words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    let mut maps = Vec::new();
    let mut each = INTERVAL;
    while let Some(word) = words.next() {
        match word.strip_prefix('@') {
            Some(name) if name.contains('[') => {
                return Err(format!("{word} is an entry, and maps are watched as a whole"));
            }
            Some(name) => maps.push(name),
            None if word == "every" => {
                // In two words, too.
                let given: String = words.by_ref().collect();
                if given.is_empty() {
                    return Err("every what?".to_owned());
                }
                each = interval(&given)?;
            }
            None => return Err(format!("`{word}` is neither a map nor `every`")),
        }
    }
    Ok((maps, each))
}

#[cfg(test)]
mod tests {
    use super::asked;
    use std::time::Duration;

    #[test]
    fn maps_and_an_interval_are_understood() {
        let second = Duration::from_secs(1);
        assert_eq!(asked(""), Ok((vec![], second)));
        assert_eq!(asked("@ @a,@b"), Ok((vec!["", "a", "b"], second)));
        assert_eq!(asked("@a every 500ms"), Ok((vec!["a"], Duration::from_millis(500))));
        assert_eq!(asked("every 2 s"), Ok((vec![], Duration::from_secs(2))));
        for (wrong, title) in [
            ("a", "`a` is neither a map nor `every`"),
            ("@a[1]", "@a[1] is an entry, and maps are watched as a whole"),
            ("@a every", "every what?"),
            ("@a every 1x", "1x is no interval such as 1s, 500ms or 2m"),
            ("@a every 1ms", "1ms is not between 50ms and a day"),
        ] {
            assert_eq!(asked(wrong), Err(title.to_owned()));
        }
    }
}
