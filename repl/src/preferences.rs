//! The user's preferences: one file, `~/.config/rtrace/config`, with lines `name = value`.
//!
//! Names are those of the language's config variables, which then hold for all scripts and sessions that do not say
//! otherwise themselves, and those of [`OWN`], which are about rtrace itself. Nothing else is read, and nothing at all if
//! the file is not there; a file that is wrong is an error, so that nobody believes in what does not hold.

use crate::args::When;
use crate::report::Reporter;
use clap::ValueEnum;
use lang::config::{Environment, preferable};
use lang::nearest::nearest;
use lang::{Diagnostic, Source, SourceMap, Span};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Names another file; nothing is read if it is empty.
const VARIABLE: &str = "RTRACE_CONFIG";

/// What the user prefers.
#[derive(Clone, Debug)]
pub struct Preferences {
    /// Colours, unless the command line or the environment says something of them.
    pub color: Option<When>,
    /// Something in grey stands behind the line that is being typed.
    pub hints: bool,
    /// Most entries that a history has.
    pub history_size: usize,
    /// What the keys of the prompt do.
    pub keys: Keys,
    /// Variables of the language.
    variables: Environment,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { color: None, hints: true, history_size: 5000, keys: Keys::Emacs, variables: Environment::default() }
    }
}

/// What the keys of the prompt do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As in Emacs and most shells.
    Emacs,
    /// As in vi.
    Vi,
}

/// A preference about rtrace itself.
pub struct Own {
    /// As it is written.
    pub name: &'static str,
    /// What it may be, in words.
    pub values: &'static str,
    /// What it is unless it is set; what the manual says.
    pub default: &'static str,
    set: fn(&mut Preferences, &str) -> Option<()>,
}

/// All of them, by name.
pub static OWN: &[Own] = &[
    Own { name: "color", values: "auto, always or never", default: "auto", set: set_color },
    Own { name: "hints", values: "true or false", default: "true", set: set_hints },
    Own { name: "history_size", values: "a number from 0 to 1000000", default: "5000", set: set_history_size },
    Own { name: "keys", values: "emacs or vi", default: "emacs", set: set_keys },
];

fn set_color(preferences: &mut Preferences, text: &str) -> Option<()> {
    preferences.color = Some(When::from_str(text, true).ok()?);
    Some(())
}

fn set_hints(preferences: &mut Preferences, text: &str) -> Option<()> {
    preferences.hints = lang::config::truth(text)?;
    Some(())
}

fn set_history_size(preferences: &mut Preferences, text: &str) -> Option<()> {
    preferences.history_size = text.parse().ok().filter(|size| *size <= 1_000_000)?;
    Some(())
}

fn set_keys(preferences: &mut Preferences, text: &str) -> Option<()> {
    preferences.keys = match text.to_ascii_lowercase().as_str() {
        "emacs" => Keys::Emacs,
        "vi" => Keys::Vi,
        _ => return None,
    };
    Some(())
}

/// Why there are none: has been told.
pub struct Refused;

impl Preferences {
    /// Reads the user's file.
    pub fn read(reporter: &Reporter, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Refused> {
        const HELP: &str = "--no-config, or RTRACE_CONFIG= in the environment, leaves the user's preferences out";
        let Some((path, is_named)) = place(environment) else { return Ok(Self::default()) };
        let name = path.display().to_string();
        let text = match std::fs::read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                reporter.plain(&format!("{name} is not text in UTF-8"), Some(HELP));
                return Err(Refused);
            }
            Err(error) if !is_named && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => {
                reporter.plain(&format!("cannot read the preferences in {name}: {error}"), Some(HELP));
                return Err(Refused);
            }
        };
        let (preferences, told) = Self::parse(&text);
        if told.is_empty() {
            return Ok(preferences);
        }
        let sources = SourceMap::new(Source::new(name, text));
        told.iter().for_each(|told| reporter.show(&sources, told));
        reporter.plain("", Some(HELP));
        Err(Refused)
    }

    /// Reads the text of a file, and says what is wrong with it.
    fn parse(text: &str) -> (Self, Vec<Diagnostic>) {
        let mut preferences = Self::default();
        let mut told = Vec::new();
        let mut seen: Vec<(&str, Span)> = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            match pair(line, start) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    let (word, place) = name;
                    match seen.iter().find(|(known, _)| *known == word) {
                        Some((_, first)) => told.push(
                            Diagnostic::error(place, format!("{word} is set a second time"))
                                .with_related(*first, "it was set here"),
                        ),
                        None => told.extend(preferences.set(name, value)),
                    }
                    seen.push(name);
                }
                Err(diagnostic) => told.push(diagnostic),
            }
            start += line.len();
        }
        (preferences, told)
    }

    /// Sets one; gives what is wrong with it.
    fn set(&mut self, (name, place): (&str, Span), (value, at): (&str, Span)) -> Option<Diagnostic> {
        if let Some(own) = OWN.iter().find(|own| own.name == name) {
            let title = || format!("{name} is {}, not {value}", own.values);
            let help = || format!("without this line it is {}", own.default);
            return (own.set)(self, value).is_none().then(|| Diagnostic::error(at, title()).with_help(help()));
        }
        if let Some(variable) = preferable().find(|variable| variable.name == name) {
            return self.variables.prefer(variable, value).err().map(|title| Diagnostic::error(at, title));
        }
        let names = OWN.iter().map(|own| own.name).chain(preferable().map(|variable| variable.name));
        let near = nearest(name, names, 1);
        let help = near.first().map(|near| format!("did you mean {near}?"));
        Some(Diagnostic::error(place, format!("there is no preference {name}")).with_maybe_help(help))
    }

    /// Has the language's variables hold where nothing else is said.
    pub fn put_into(&self, environment: &mut Environment) {
        environment.prefer_as(&self.variables);
    }
}

/// Where the file is, and whether somebody has named it.
fn place(environment: impl Fn(&str) -> Option<String>) -> Option<(PathBuf, bool)> {
    if let Some(named) = environment(VARIABLE) {
        return (!named.is_empty()).then(|| (named.into(), true));
    }
    // What is no whole path counts as not set: XDG Base Directory Specification.
    let whole = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = whole("XDG_CONFIG_HOME").or_else(|| Some(whole("HOME")?.join(".config")))?;
    Some((folder.join("rtrace/config"), false))
}

/// A word and its place.
type Word<'a> = (&'a str, Span);

/// Name and value of a line that begins at `start`; nothing if it is blank or a comment.
fn pair(line: &str, start: usize) -> Result<Option<(Word<'_>, Word<'_>)>, Diagnostic> {
    let word = |text: &'_ str| {
        let at = start + (text.as_ptr() as usize - line.as_ptr() as usize);
        Span::new(at as u32, (at + text.len()) as u32)
    };
    let content = line.trim();
    if content.is_empty() || content.starts_with('#') {
        return Ok(None);
    }
    let help = "a preference is written name = value";
    let Some((name, value)) = content.split_once('=') else {
        return Err(Diagnostic::error(word(content), "expected `=` and a value").with_help(help));
    };
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return Err(Diagnostic::error(word(content), "expected a name before `=`").with_help(help));
    }
    let value = match value.strip_prefix('"') {
        Some(quoted) => {
            let Some(end) = quoted.find('"') else {
                return Err(Diagnostic::error(word(value), "this quote is not closed on its line"));
            };
            let behind = quoted[end + 1..].trim();
            if !behind.is_empty() && !behind.starts_with('#') {
                return Err(Diagnostic::error(word(behind), "expected nothing behind the value"));
            }
            &quoted[..end]
        }
        None => {
            let comment = value.match_indices('#').find(|(at, _)| value[..*at].ends_with([' ', '\t']) || *at == 0);
            let value = comment.map_or(value, |(at, _)| value[..at].trim());
            if value.is_empty() {
                return Err(Diagnostic::error(word(name), format!("expected a value for {name}")).with_help(help));
            }
            value
        }
    };
    Ok(Some(((name, word(name)), (value, word(value)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, String, Option<String>)> {
        let (_, told) = Preferences::parse(text);
        told.into_iter().map(|told| (text[told.span.range()].to_owned(), told.title, told.help)).collect()
    }

    #[test]
    fn rows_are_in_order_and_in_the_manual() {
        const MANUAL: &str = include_str!("../../docs/config.md");
        assert!(OWN.is_sorted_by_key(|own| own.name));
        for own in OWN {
            let row = format!("| `{}` | `{}` | {}", own.name, own.default, own.values);
            assert!(MANUAL.contains(&row), "docs/config.md has no row {row}");
            assert!((own.set)(&mut Preferences::default(), own.default).is_some(), "{}", own.name);
        }
    }

    #[test]
    fn names_and_values_are_read() {
        let text = "# mine\n\nkeys = vi   # as always\nhistory_size=10\n  color = Never\nhints = no\n\
                    max_map_keys = 10\nstr_trunc_trailer = \" # \" # cut\nmax_strlen = 5";
        let (preferences, told) = Preferences::parse(text);
        assert!(told.is_empty(), "{told:?}");
        assert_eq!((preferences.keys, preferences.history_size, preferences.hints), (Keys::Vi, 10, false));
        assert_eq!(preferences.color, Some(When::Never));
        let variables = format!("{:?}", preferences.variables);
        for part in ["max_map_keys", "\" # \"", "max_strlen"] {
            assert!(variables.contains(part), "{variables}");
        }
        assert!(Preferences::parse("").1.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let one = |text: &str| {
            let mut told = told(text);
            assert_eq!(told.len(), 1, "{text}: {told:?}");
            let (place, title, help) = told.remove(0);
            format!("{place}: {title}; {}", help.unwrap_or_default())
        };
        assert_eq!(one("\nkey = vi\n"), "key: there is no preference key; did you mean keys?");
        assert_eq!(
            one("max_map_kes = 1"),
            "max_map_kes: there is no preference max_map_kes; did you mean max_map_keys?"
        );
        assert_eq!(one("keys = nano"), "nano: keys is emacs or vi, not nano; without this line it is emacs");
        assert_eq!(
            one("history_size = -1"),
            "-1: history_size is a number from 0 to 1000000, not -1; without this line it is 5000"
        );
        assert!(one("max_strlen = 0").starts_with("0: max_strlen: 0 is out of range"));
        assert!(one("stack_mode = x").starts_with("x: stack_mode: Invalid value"));
        assert_eq!(one("keys vi"), "keys vi: expected `=` and a value; a preference is written name = value");
        assert_eq!(one("= vi"), "= vi: expected a name before `=`; a preference is written name = value");
        assert_eq!(one("keys ="), "keys: expected a value for keys; a preference is written name = value");
        assert_eq!(one("keys = # vi"), "keys: expected a value for keys; a preference is written name = value");
        assert_eq!(one("str_trunc_trailer = \"x"), "\"x: this quote is not closed on its line; ");
        assert_eq!(one("str_trunc_trailer = \"x\" y"), "y: expected nothing behind the value; ");
        assert_eq!(one("keys = vi\nkeys = emacs"), "keys: keys is set a second time; ");
        assert!(one("vmlinux = /x").contains("there is no preference vmlinux"));
        assert_eq!(told("a\nb\n").len(), 2);
    }

    #[test]
    fn the_place_is_as_xdg_has_it() {
        let at = |set: &[(&str, &str)]| {
            place(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(at(&[("HOME", "/h")]), Some(("/h/.config/rtrace/config".into(), false)));
        assert_eq!(at(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]), Some(("/c/rtrace/config".into(), false)));
        assert_eq!(at(&[("HOME", "/h"), ("RTRACE_CONFIG", "x")]), Some(("x".into(), true)));
        assert_eq!(at(&[("HOME", "/h"), ("RTRACE_CONFIG", "")]), None);
        assert_eq!(at(&[]), None);
    }
}
