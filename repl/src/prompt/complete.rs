//! Completion: what may stand where the cursor is.
//!
//! [`place`] says what kind of thing that is, by the text alone. The language's own words come from its tables
//! ([`words`]), what the session has from [`Knowledge`](super::knowledge::Knowledge), and what the machine has from lists
//! ([`lists`]) and from the checker ([`members`]); those two are read by a thread of their own ([`desk`]), because a key
//! that is pressed must never wait long. [`rank`] finds what letters may mean that no name begins with, [`show`] lays out
//! what is found.

mod desk;
mod lists;
mod members;
mod names;
mod paths;
mod place;
mod points;
mod rank;
mod show;
mod words;

use super::knowledge::{Knowledge, Shared};
use super::screen::Screen;
use crate::scripts::SCRIPTS;
use desk::Desk;
use lang::ast::TypeTag;
use lang::typed::MAP_KINDS;
use lists::List;
use names::Names;
use place::{Place, What};
use probes_ebpf::list::Options;
use show::{Outcome, Size, outcome};
use std::io::{self, Write};
use std::sync::Arc;
use words::Scene;

/// More than these nobody looks through.
const MOST: usize = 150;

/// So many names that are only like what was typed are enough.
const MOST_ALIKE: usize = 30;

/// What may be put in the place of what is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What is put there.
    pub text: String,
    /// What is shown of it, if it is not all.
    pub label: Option<String>,
    /// What is said of it: a type, a signature, a sentence.
    pub note: String,
}

impl Candidate {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), label: None, note: String::new() }
    }

    fn labelled(text: String, label: String) -> Self {
        Self { label: Some(label), ..Self::new(text) }
    }

    fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// What is shown of it.
    fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.text)
    }
}

/// What has been found for what is typed.
#[derive(Debug, Default)]
pub struct Found {
    typed: String,
    candidates: Vec<Candidate>,
    /// So many are left out.
    more: usize,
    /// How all begin, those that are left out as well.
    common: Option<String>,
    /// They do not begin with what is typed.
    is_alike: bool,
    /// No more are kept.
    most: usize,
}

impl Found {
    fn new(typed: &str) -> Self {
        Self { typed: typed.to_owned(), most: MOST, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    fn is_alike(&self) -> bool {
        self.is_alike
    }

    #[cfg(test)]
    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn push(&mut self, candidate: Candidate) {
        let text = &candidate.text;
        match &mut self.common {
            None => self.common = Some(text.clone()),
            Some(common) => {
                let same = common.chars().zip(text.chars()).take_while(|(one, other)| one == other);
                let length = same.map(|(letter, _)| letter.len_utf8()).sum();
                common.truncate(length);
            }
        }
        match self.candidates.len() < self.most {
            true => self.candidates.push(candidate),
            false => self.more += 1,
        }
    }

    /// Takes what only resembles what is typed.
    fn alike(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.is_alike = true;
            self.push(Candidate::new(text));
        }
    }

    /// Finds something for the part of what is typed that begins at a place in it.
    fn within(&mut self, at: usize, find: impl FnOnce(&mut Found)) {
        let (before, part) = self.typed.split_at(at);
        let before = before.to_owned();
        let mut inner = Self::new(part);
        find(&mut inner);
        if inner.is_alike && !self.is_empty() {
            return;
        }
        for candidate in inner.candidates {
            let label = candidate.label().to_owned();
            self.push(Candidate::labelled(format!("{before}{}", candidate.text), label).noted(candidate.note));
        }
        self.more += inner.more;
        self.is_alike |= inner.is_alike;
        if let (Some(common), Some(inner)) = (&mut self.common, inner.common) {
            // Those that are left out count as well.
            let whole = format!("{before}{inner}");
            common.truncate(common.len().min(whole.len()));
        }
    }

    /// Takes those that begin with what is typed, or else those that resemble it.
    fn offer(&mut self, mut candidates: Vec<Candidate>) {
        candidates.sort_by(|one, other| one.text.cmp(&other.text));
        candidates.dedup_by(|one, other| one.text == other.text);
        let typed = self.typed.clone();
        if candidates.iter().any(|candidate| candidate.text.starts_with(&typed)) {
            return candidates.into_iter().filter(|one| one.text.starts_with(&typed)).for_each(|one| self.push(one));
        }
        if !self.is_empty() {
            return;
        }
        for text in rank::best(&typed, candidates.iter().map(|one| one.text.as_str()), MOST_ALIKE) {
            self.is_alike = true;
            candidates.iter().filter(|one| one.text == text).for_each(|one| self.push(one.clone()));
        }
    }
}

/// Where lists of names come from.
trait Lists {
    /// A list. Names that begin otherwise may be left out. Nothing if it is not there yet.
    fn get(&self, list: List, beginning: &str) -> Option<Arc<Names>>;

    /// Whether names that begin otherwise are there, too.
    fn is_patient(&self) -> bool {
        true
    }
}

/// Who completes what somebody types.
pub struct Completer {
    shared: Shared,
    screen: Screen,
    desk: Desk,
}

impl Completer {
    /// For a session of which this is known, with lists on this screen. Nothing is read before it is needed.
    pub fn new(shared: Shared, screen: Screen) -> Self {
        Self { shared, screen, desk: Desk::default() }
    }

    /// What is to stand in a text from a place to a position, instead of what does; nothing if that is not known. If there
    /// is a choice, it is shown.
    pub fn complete(&self, text: &str, at: usize) -> Option<(usize, String)> {
        let knowledge = self.shared.get();
        let place = Place::of(text, at);
        let mut found = Found::new(place.typed);
        self.find(&knowledge, text.get(..at).unwrap_or(text), place, &mut found);
        match outcome(&found, Size::of_terminal()) {
            Outcome::Nothing => None,
            Outcome::Put(new) => Some((place.start, new)),
            Outcome::List(lines) => {
                self.screen.show(lines.as_bytes());
                Some((place.start, place.typed.to_owned()))
            }
        }
    }

    fn find(&self, knowledge: &Knowledge, text: &str, place: Place<'_>, found: &mut Found) {
        let lists = desk::Reader { desk: &self.desk, options: &knowledge.options };
        let scene = || Scene::new(knowledge, text);
        match place.what {
            What::Nothing => {}
            What::Indent => found.push(Candidate::new("  ")),
            What::Entry | What::Item => {
                let outer = points::providers(place.typed).into_iter().chain(words::items()).collect();
                match place.what {
                    What::Entry if !place.typed.is_empty() => words::statements(&scene(), outer, &lists, found),
                    _ => found.offer(outer),
                }
            }
            What::Point(before) => points::complete(before, place.typed, &lists, found),
            What::Statement => words::statements(&scene(), Vec::new(), &lists, found),
            What::Value => words::values(&scene(), &lists, found),
            What::Map => words::maps(&scene(), found),
            What::Variable => {
                let typed = self.desk.variables(knowledge, text).unwrap_or_default();
                words::variables(&scene(), &typed, found);
            }
            What::Member(member) => {
                if let Some(fields) = words::fields_of(member.of, &scene()) {
                    return found.offer(fields);
                }
                let members = self.desk.members(knowledge, member).unwrap_or_default();
                found.offer(members.iter().map(|(name, ty)| Candidate::new(name).noted(ty)).collect());
            }
            What::Tagged(tag) => types(knowledge, tag, &lists, found),
            What::MapKind => {
                found.offer(MAP_KINDS.iter().map(|row| Candidate::new(format!("{}(", row.name))).collect())
            }
            What::ConfigName => words::config_names(found),
            What::ConfigValue(name) => words::config_values(name, found),
            What::Command => words::commands(found),
            What::Argument { command, all } => {
                if let Some(command) = super::commands::meant(command) {
                    self.argument(knowledge, command.takes, all, found);
                }
            }
            What::Import => paths::complete(place.typed, paths::Wanted::Any, "", found),
        }
    }

    /// What follows a command, by what its row says that it takes. `all` is what follows it so far.
    fn argument(&self, knowledge: &Knowledge, takes: &str, all: &str, found: &mut Found) {
        let typed = found.typed.clone();
        let lists = desk::Reader { desk: &self.desk, options: &knowledge.options };
        let names = |kinds: &[&str]| {
            let mut words = takes.split(|letter: char| !letter.is_ascii_alphanumeric());
            words.any(|word| kinds.contains(&word))
        };
        let earlier = all.strip_suffix(&*typed).unwrap_or(all).trim_end();
        let tag =
            [TypeTag::Struct, TypeTag::Union, TypeTag::Enum].into_iter().find(|tag| earlier == tag.prefix().trim_end());
        if let Some(tag) = tag.filter(|_| names(&["struct"])) {
            return types(knowledge, tag, &lists, found);
        }
        // Words that are to be written as they are.
        let is_literal = |word: &&str| {
            word.len() > 1
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || word.starts_with('-'))
        };
        let literals = takes.split([' ', '|', '[', ']']).filter(is_literal);
        points::fixed(literals, &typed, found);
        if names(&["N"]) {
            words::probes(knowledge, found);
        }
        if takes.contains('@') {
            words::maps(&Scene::new(knowledge, ""), found);
        }
        if names(&["FILE"]) && earlier.is_empty() {
            paths::complete(&typed, paths::Wanted::Any, "", found);
        }
        if names(&["SCRIPT"]) && earlier.is_empty() {
            words::scripts(found);
        }
        if names(&["COMMAND", "TOPIC"]) {
            words::topics(found);
        }
        if names(&["PROBE", "GLOB", "PATTERN"]) {
            let at = typed.rfind(':').map_or(0, |colon| colon + 1);
            found.within(at, |parts| points::complete(&typed[..at], &typed[at..], &lists, parts));
        }
        if takes.to_ascii_lowercase().contains("name=value") {
            match typed.split_once('=') {
                None => words::config_names(found),
                Some((name, _)) => found.within(name.len() + 1, |values| words::config_values(name, values)),
            }
        }
        if names(&["EXPR"]) {
            // The expression is a text of its own; of its last word this may only be a part.
            let place = Place::of(all, all.len());
            let is_command = matches!(place.what, What::Command | What::Argument { .. });
            if let Some(at) = typed.len().checked_sub(place.typed.len()).filter(|_| !is_command) {
                found.within(at, |inner| self.find(knowledge, all, place, inner));
            }
        }
    }

    /// Begins to read what the next Tab will want: the list of a provider that has just been typed.
    pub fn foresee(&self, text: &str, at: usize) {
        if at == text.len()
            && text.ends_with(':')
            && let Place { what: What::Point(before), typed: "", .. } = Place::of(text, at)
            && let Some(row) = before.strip_suffix(':').and_then(lang::probes::provider)
            && points::has_long_list(row.id)
        {
            self.desk.order(List::of_provider(row.id), &self.shared.get().options);
        }
    }
}

/// Structures, unions or enums of the session and of the kernel.
fn types(knowledge: &Knowledge, tag: TypeTag, lists: &dyn Lists, found: &mut Found) {
    let typed = found.typed.clone();
    let own = words::own_types(knowledge, tag);
    own.iter().filter(|name| name.starts_with(&typed)).for_each(|name| found.push(Candidate::new(name)));
    let Some(names) = lists.get(List::Types(tag), &typed) else { return };
    let others = names.beginning(&typed).filter(|name| own.iter().all(|own| own != name));
    others.for_each(|name| found.push(Candidate::new(name)));
    if found.is_empty() {
        found.alike(rank::best(&typed, names.iter(), MOST_ALIKE).into_iter().map(str::to_owned));
    }
}

/// Prints what the beginning of an attach point may become, or of a script's name, a line each, for shells.
pub fn print(beginning: &str, options: &Options) -> io::Result<()> {
    /// Reads lists as they are asked for, no more of them than is needed.
    struct Direct<'o>(&'o Options);

    impl Lists for Direct<'_> {
        fn get(&self, list: List, beginning: &str) -> Option<Arc<Names>> {
            Some(Arc::new(list.read(beginning, self.0)))
        }

        fn is_patient(&self) -> bool {
            false
        }
    }

    let Place { start, typed, what } = Place::of(beginning, beginning.len());
    let before = match what {
        What::Point(before) => before,
        What::Item | What::Entry => "",
        _ => return Ok(()),
    };
    // A shell puts in what all of them have in common, so it needs all.
    let mut found = Found { most: usize::MAX, ..Found::new(typed) };
    points::complete(before, typed, &Direct(options), &mut found);
    if found.is_alike {
        found.candidates.clear();
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let named = SCRIPTS.iter().map(|script| script.name).filter(|name| name.starts_with(beginning));
    for name in named.filter(|_| matches!(what, What::Item | What::Entry)) {
        writeln!(out, "{name}")?;
    }
    for candidate in &found.candidates {
        writeln!(out, "{}{}", &beginning[..start], candidate.text)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What may follow a command that takes this.
    fn argument(takes: &str, all: &str) -> Vec<String> {
        let knowledge = Knowledge {
            maps: [("@n".to_owned(), "int64".to_owned())].into(),
            probes: [(1, "begin { }".to_owned()), (2, "end { }".to_owned())].into(),
            ..Knowledge::default()
        };
        let completer = Completer::new(Shared::default(), Screen::default());
        let press = || {
            let mut found = Found::new(all.rsplit(' ').next().unwrap_or_default());
            completer.argument(&knowledge, takes, all, &mut found);
            found
        };
        // A list that takes its time is there when Tab is pressed again.
        let mut found = press();
        for _ in 0..100 {
            if found.is_empty() {
                found = press();
            }
        }
        found.candidates().iter().map(|candidate| candidate.text.clone()).collect()
    }

    #[test]
    fn what_commands_take() {
        assert_eq!(argument("N...", ""), ["1", "2"]);
        assert_eq!(argument("[-O] N...", "-"), ["-O"]);
        assert_eq!(argument("[on|off]", "o"), ["on", "off"]);
        assert_eq!(argument("[@MAP...] [every 1s]", ""), ["every", "@n"]);
        assert_eq!(argument("[@MAP...] [every 1s]", "@n e"), ["every"]);
        assert_eq!(argument("PROBE | struct NAME", "interval:m"), ["interval:ms:"]);
        assert_eq!(argument("PROBE | struct NAME", "str"), ["struct"]);
        assert_eq!(argument("[-v] PATTERN", "-v interval:m"), ["interval:ms:"]);
        assert_eq!(argument("[NAME=VALUE]", "max_strl"), ["max_strlen="]);
        assert_eq!(argument("[NAME=VALUE]", "missing_probes=w"), ["missing_probes=warn"]);
        assert_eq!(argument("EXPR", "1 + strft"), ["strftime("]);
        assert_eq!(argument("EXPR", "len(@"), ["len(@n"]);
        assert_eq!(argument("[TOPIC]", "strft"), ["strftime"]);
        assert_eq!(argument("", "a"), [""; 0]);
        assert_eq!(argument("FILE|SCRIPT [PARAMETER...]", "x y/"), [""; 0]);
        assert_eq!(argument("FILE|SCRIPT [PARAMETER...]", "opensn"), ["opensnoop"]);
        assert_eq!(argument("FILE|SCRIPT [PARAMETER...]", "x opensn"), [""; 0]);
    }

    #[test]
    fn what_all_have_in_common() {
        let mut found = Found::new("a:b");
        found.within(2, |inner| ["bcd1", "bcd2"].map(Candidate::new).into_iter().for_each(|one| inner.push(one)));
        assert_eq!(found.common.as_deref(), Some("a:bcd"));
        let texts: Vec<&str> = found.candidates().iter().map(|one| one.text.as_str()).collect();
        assert_eq!((texts, found.candidates()[0].label()), (vec!["a:bcd1", "a:bcd2"], "bcd1"));
        // Letters are not cut.
        let mut found = Found::new("");
        ["xä", "xö"].map(Candidate::new).into_iter().for_each(|one| found.push(one));
        assert_eq!(found.common.as_deref(), Some("x"));
    }
}
