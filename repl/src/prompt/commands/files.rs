//! Commands about texts: scripts that are loaded and saved, probes that are edited.

use super::super::Next;
use super::super::session::Session;
use runtime::session::RunError;

/// Takes in a script.
pub fn load(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    let mut words = words(text);
    if words.is_empty() {
        session
            .reporter()
            .plain(":load needs the name of a file or a script", Some(":load FILE|SCRIPT [PARAMETER...]"));
        return Ok(Next::Go);
    }
    let file = super::super::session::home(&words.remove(0)).display().to_string();
    let is_option = |word: &String| word.starts_with("--");
    let options = words.iter().filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect();
    let params = words.iter().filter(|word| !is_option(word)).cloned().collect();
    session.load_file(&file, params, options)?;
    Ok(Next::Go)
}

/// Writes what was entered as a script.
pub fn save(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    save_to(session, text, false);
    Ok(Next::Go)
}

/// The same, over what is there.
pub fn save_over(session: &mut Session<'_>, text: &str) -> Result<Next, RunError> {
    save_to(session, text, true);
    Ok(Next::Go)
}

fn save_to(session: &mut Session<'_>, text: &str, is_forced: bool) {
    match &words(text)[..] {
        [] => drop(session.save_file(None, is_forced)),
        [file] => drop(session.save_file(Some(file), is_forced)),
        [_, more, ..] => {
            let title = format!("`{more}` is one too many");
            session.reporter().plain(&title, Some(":save FILE; a name with blanks is put in quotes"));
        }
    }
}

/// Edits a probe at the prompt.
pub fn edit(session: &mut Session<'_>, which: &str) -> Result<Next, RunError> {
    begin(session, which, false)
}

/// Edits a probe with the editor that the environment names.
pub fn edit_outside(session: &mut Session<'_>, which: &str) -> Result<Next, RunError> {
    begin(session, which, true)
}

fn begin(session: &mut Session<'_>, which: &str, outside: bool) -> Result<Next, RunError> {
    let number = which.trim().trim_start_matches('#').parse().ok();
    match number.and_then(|number| Some((number, session.text_of(number)?))) {
        Some((number, text)) => Ok(Next::Edit { number, text, outside }),
        None if which.is_empty() => {
            session.reporter().plain(":edit needs the number of a probe", Some(":probes lists them"));
            Ok(Next::Go)
        }
        None => {
            session.reporter().plain(&format!("there is no probe {which}"), Some(":probes lists them"));
            Ok(Next::Go)
        }
    }
}

/// The words of a line; what is in quotes is one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_begun, mut quote) = (String::new(), false, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                word.extend(letters.next());
                is_begun = true;
            }
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => (quote, is_begun) = (Some(letter), true),
            (letter, None) if letter.is_whitespace() => {
                if std::mem::take(&mut is_begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => {
                word.push(letter);
                is_begun = true;
            }
        }
    }
    words.extend(is_begun.then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        assert_eq!(words("a.rt  b 'c d' \"e \\\" f\" g\\ h ''"), ["a.rt", "b", "c d", "e \" f", "g h", ""]);
        assert!(words("  ").is_empty());
    }
}
