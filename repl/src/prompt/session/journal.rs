//! What has been entered and still counts, as it was typed; and the script that says the same.
//!
//! A script has its imports first, then one `config`, and everything else behind; entries come as they come. So each
//! entry is kept with the places of its items, and the script is put together from the items' own texts. What a later
//! entry has taken the place of, and probes that were removed, are left out; those that are off are there as comments.

use lang::ast::MacroParamKind;
use lang::outline::{Kind, outline};
use lang::params::OptionDecl;
use std::ops::Range;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Definitions, and the probes of this number if there are any.
    Script(Option<u32>),
    /// Statements that have changed maps.
    Statements,
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    what: What,
    text: String,
    items: Vec<Item>,
    /// Its directives and definitions of C, with those of what it imports: what each defines, and its text.
    c: Vec<(Option<String>, String)>,
    /// What its `getopt()` asks for.
    options: Vec<OptionDecl>,
    /// Parameters that could not be put into it.
    needs: Vec<String>,
}

/// An item of an entry's text.
#[derive(Clone, Debug)]
struct Item {
    kind: Kind,
    range: Range<usize>,
    /// What it defines; the last one to define it is the one that counts.
    defines: Option<String>,
    is_gone: bool,
}

/// What becomes of an entry's probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are attached.
    On,
    /// They are not.
    Off,
}

/// All entries, in their order.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
}

impl Entry {
    /// Probes and definitions.
    pub fn script(number: Option<u32>, text: &str, c: &str) -> Self {
        let items = outline(text).into_iter().map(|item| {
            let defines = defines(item.kind, &text[item.range.clone()]);
            Item { kind: item.kind, range: item.range, defines, is_gone: false }
        });
        let c =
            outline(c).into_iter().map(|item| (defines(item.kind, &c[item.range.clone()]), c[item.range].to_owned()));
        Self {
            what: What::Script(number),
            items: items.collect(),
            text: text.to_owned(),
            c: c.collect(),
            options: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// It asks for these options, and needs these parameters.
    pub fn asking(self, options: Vec<OptionDecl>, needs: Vec<String>) -> Self {
        Self { options, needs, ..self }
    }

    /// Statements.
    pub fn statements(text: &str) -> Self {
        Self {
            what: What::Statements,
            items: Vec::new(),
            text: text.trim().to_owned(),
            c: Vec::new(),
            options: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// Its items that count, each with the comments before it and the one behind it.
    fn parts(&self) -> Vec<(&Item, &str)> {
        let mut start = 0;
        let mut parts = Vec::new();
        for item in &self.items {
            let end = item.range.end + comment_behind(&self.text[item.range.end..]);
            let text = without_head(without_interpreter(&self.text[start..end])).trim();
            start = end;
            if !item.is_gone {
                parts.push((item, text));
            }
        }
        parts
    }

    /// What stands behind the last item: comments.
    fn rest(&self) -> &str {
        let end = self.items.last().map_or(0, |item| item.range.end);
        let rest = &self.text[end..];
        rest[comment_behind(rest)..].trim()
    }
}

impl Journal {
    /// What all entries have said in C, as a new text finds it: without what it defines itself, and without what the
    /// probes say whose place it takes.
    pub fn c_for(&self, text: &str, replaces: Option<u32>) -> String {
        let own: Vec<String> =
            outline(text).into_iter().filter_map(|item| defines(item.kind, &text[item.range])).collect();
        let is_other = |entry: &&Entry| replaces.is_none() || entry.what != What::Script(replaces);
        let parts = self.entries.iter().filter(is_other).flat_map(|entry| &entry.c);
        let parts = parts.filter(|(defines, _)| defines.as_ref().is_none_or(|name| !own.contains(name)));
        parts.map(|(_, text)| format!("{text}\n")).collect()
    }

    /// What a new entry defines although it is defined already: words such as `macro name` and `struct name`.
    pub fn overtaken(&self, new: &Entry) -> Vec<String> {
        let known = self.entries.iter().flat_map(|entry| &entry.items).filter(|item| !item.is_gone);
        let known: Vec<&String> = known.filter_map(|item| item.defines.as_ref()).collect();
        let defined = new.items.iter().filter(|item| item.kind != Kind::Map).filter_map(|item| item.defines.as_ref());
        let again = defined.filter(|name| known.contains(name));
        again.map(|name| name.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    }

    /// Adds an entry, which takes the place of what defined the same.
    pub fn add(&mut self, entry: Entry) {
        self.give_way(&entry, self.entries.len());
        self.entries.push(entry);
    }

    /// Puts an entry in the place of the probes that have its number; what was defined with them stays. If it defines
    /// nothing it goes to the end: it may use what came later.
    pub fn replace(&mut self, entry: Entry) {
        let at = self.entries.iter().position(|old| old.what == entry.what);
        let count = self.entries.len();
        if let What::Script(Some(number)) = entry.what {
            self.remove(number);
        }
        match at {
            Some(at) if entry.items.iter().any(|item| item.kind != Kind::Probe) => {
                let at = if self.entries.len() == count { at + 1 } else { at };
                self.entries.insert(at, entry.clone());
                self.give_way(&entry, at);
            }
            _ => self.add(entry),
        }
    }

    /// Leaves out what an entry defines as well, of all others.
    fn give_way(&mut self, new: &Entry, at: usize) {
        let defined: Vec<&String> = new.items.iter().filter_map(|item| item.defines.as_ref()).collect();
        let is_defined = |name: &Option<String>| name.as_ref().is_some_and(|name| defined.contains(&name));
        for (_, entry) in self.entries.iter_mut().enumerate().filter(|(index, _)| *index != at) {
            for item in &mut entry.items {
                // The kernel keeps a map as it was declared first.
                item.is_gone |= item.kind != Kind::Map && is_defined(&item.defines);
            }
            entry.c.retain(|(name, _)| !is_defined(name));
        }
    }

    /// Probes have been removed. What was defined with them stays.
    pub fn remove(&mut self, number: u32) {
        for entry in self.entries.iter_mut().filter(|entry| entry.what == What::Script(Some(number))) {
            entry.what = What::Script(None);
            entry.items.iter_mut().filter(|item| item.kind == Kind::Probe).for_each(|item| item.is_gone = true);
        }
        self.entries.retain(|entry| entry.what == What::Statements || entry.items.iter().any(|item| !item.is_gone));
    }

    /// Whether there is nothing to be saved.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The options that all entries ask for, without the probes whose place a text takes.
    pub fn options(&self, replaces: Option<u32>) -> Vec<&OptionDecl> {
        let others = self.entries.iter().filter(|entry| replaces.is_none() || entry.what != What::Script(replaces));
        others.flat_map(|entry| &entry.options).collect()
    }

    /// The parameters that the script needs behind `--`.
    pub fn needs(&self) -> Vec<&str> {
        let mut needs: Vec<&str> = Vec::new();
        for word in self.entries.iter().flat_map(|entry| &entry.needs) {
            if !needs.contains(&word.as_str()) {
                needs.push(word);
            }
        }
        needs
    }

    /// The script, below a comment. `state` says what has become of probes.
    pub fn compose(&self, head: &str, state: impl Fn(u32) -> State) -> String {
        let mut parts = vec![head.trim_end().to_owned()];
        let all = || self.entries.iter().flat_map(|entry| entry.parts());
        let mut imports: Vec<&str> = Vec::new();
        for (_, text) in all().filter(|(item, _)| item.kind == Kind::Import) {
            if !imports.contains(&text) {
                imports.push(text);
            }
        }
        parts.extend((!imports.is_empty()).then(|| imports.join("\n")));
        parts.extend(self.config());
        for entry in &self.entries {
            let off = match entry.what {
                What::Statements => {
                    parts.push(as_probe(&entry.text));
                    continue;
                }
                What::Script(number) => number.filter(|number| state(*number) == State::Off),
            };
            let mut texts: Vec<String> = Vec::new();
            for (item, text) in entry.parts() {
                match (item.kind, off) {
                    (Kind::Config | Kind::Import, _) => {}
                    (Kind::Probe, Some(_)) => texts.push(as_comment(text)),
                    _ => texts.push(text.to_owned()),
                }
            }
            if let Some(number) = off {
                texts.insert(0, format!("// #{number} is off."));
            }
            let rest = entry.rest();
            texts.extend((!rest.is_empty() && !texts.is_empty()).then(|| rest.to_owned()));
            if !texts.is_empty() {
                parts.push(texts.join("\n"));
            }
        }
        parts.join("\n\n") + "\n"
    }

    /// The `config` of all entries, of which a script has one. What is set last counts.
    fn config(&self) -> Option<String> {
        let blocks: Vec<(&Item, &str, &str)> = self
            .entries
            .iter()
            .flat_map(|entry| entry.parts().into_iter().map(|(item, text)| (item, text, entry.text.as_str())))
            .filter(|(item, ..)| item.kind == Kind::Config)
            .collect();
        if let [(_, text, _)] = &blocks[..] {
            return Some((*text).to_owned());
        }
        let mut settings: Vec<(String, String)> = Vec::new();
        for (item, _, text) in &blocks {
            let block = &text[item.range.clone()];
            for setting in lang::parse(block).script.config {
                let written = block[setting.span.range()].to_owned();
                settings.retain(|(name, _)| *name != setting.name.text);
                settings.push((setting.name.text, written));
            }
        }
        let lines: String = settings.iter().map(|(_, written)| format!("  {written};\n")).collect();
        (!blocks.is_empty()).then(|| format!("config = {{\n{lines}}}"))
    }
}

/// How far a comment on the same line goes; an empty line end counts as one.
fn comment_behind(text: &str) -> usize {
    let line = text.split('\n').next().unwrap_or_default();
    let is_comment = line.trim().is_empty() || line.trim_start().starts_with("//");
    if is_comment { line.len() } else { 0 }
}

/// A script's first line may say who runs it.
fn without_interpreter(text: &str) -> &str {
    match text.trim_start().strip_prefix("#!") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, rest)| rest),
        None => text,
    }
}

/// How the comment begins that a script gets when it is saved, and how its other lines do.
const HEAD: &str = "// A session of rtrace ";
const HEAD_BEGUN: &str = "// It was begun as: rtrace ";
const HEAD_NEEDS: &str = "// What it imports asks for parameters itself: rtrace ";

/// The comment that a script gets when it is saved: at what time, in a session begun with which options, and how it is
/// run if it needs parameters.
pub fn head(time: &str, options: &str, run: Option<&str>) -> String {
    let mut head = format!("{HEAD}{}, saved on {time}.\n", env!("CARGO_PKG_VERSION"));
    if !options.is_empty() {
        head += &format!("{HEAD_BEGUN}{options}\n");
    }
    if let Some(run) = run {
        head += &format!("{HEAD_NEEDS}{run}\n");
    }
    head
}

/// A script that has been saved gets a new such comment when it is saved again.
fn without_head(text: &str) -> &str {
    let mut rest = text.trim_start();
    for line in [HEAD, HEAD_BEGUN, HEAD_NEEDS] {
        match (rest.starts_with(line), line) {
            (true, _) => rest = rest.split_once('\n').map_or("", |(_, rest)| rest),
            (false, HEAD) => return text,
            (false, _) => {}
        }
    }
    rest
}

fn as_comment(text: &str) -> String {
    text.lines().map(|line| format!("// {line}")).collect::<Vec<_>>().join("\n")
}

fn as_probe(statements: &str) -> String {
    // What is behind a comment is not seen.
    match statements.contains("//") || statements.contains('\n') {
        true => format!("begin {{\n{statements}\n}}"),
        false => format!("begin {{ {statements} }}"),
    }
}

/// What an item defines: its kind and name, and for a macro the kinds of its parameters.
fn defines(kind: Kind, text: &str) -> Option<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut words = text.split(|letter| !is_word(letter)).filter(|word| !word.is_empty());
    match kind {
        Kind::Macro => {
            let parsed = lang::parse(text).script;
            let found = parsed.macros.first()?;
            let kinds = found.params.iter().map(|param| match param.kind {
                MacroParamKind::Expr => 'e',
                MacroParamKind::Var => '$',
                MacroParamKind::Map => '@',
            });
            Some(format!("macro {} {}", found.name.text, kinds.collect::<String>()))
        }
        Kind::Map => Some(format!("let {}", words.nth(1)?)),
        Kind::C if text.starts_with("typedef") => {
            let name = text.trim_end().trim_end_matches(';').trim_end();
            let start = name.rfind(|letter| !is_word(letter)).map_or(0, |at| at + 1);
            Some(format!("typedef {}", &name[start..]))
        }
        // Directives count from where they stand.
        Kind::C if !text.starts_with('#') => {
            let tag = words.next()?;
            let rest = text[tag.len()..].trim_start();
            // What has no name is not the same as anything.
            rest.starts_with(is_word).then(|| format!("{tag} {}", words.next().unwrap_or_default()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(entries: &[(Option<u32>, &str)]) -> Journal {
        let mut journal = Journal::default();
        for (number, text) in entries {
            journal.add(Entry::script(*number, text, ""));
        }
        journal
    }

    fn composed(entries: &[(Option<u32>, &str)]) -> String {
        journal(entries).compose("// head", |number| if number == 7 { State::Off } else { State::On })
    }

    #[test]
    fn imports_and_config_come_first_and_all_else_is_as_it_was_typed() {
        let text = composed(&[
            (Some(1), "// counts\nkprobe:f   { @a = count() } // so far\n/* end */"),
            (None, "import \"lib.rt\";\nconfig = { max_strlen=5 } macro f(a) { a }"),
            (Some(2), "config = { max_strlen=7; print_maps_on_exit=false } kprobe:g\n{ @b[f(1)] = 1 }"),
            (None, "import \"lib.rt\";"),
        ]);
        let expected = "// head\n\nimport \"lib.rt\";\n\nconfig = {\n  max_strlen=7;\n  print_maps_on_exit=false;\n}\n\n\
                        // counts\nkprobe:f   { @a = count() } // so far\n/* end */\n\nmacro f(a) { a }\n\n\
                        kprobe:g\n{ @b[f(1)] = 1 }\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_last_definition_of_a_thing_counts() {
        let text = composed(&[
            (None, "macro f(a) { a } struct s { int a; };"),
            (None, "macro f($a) { $a } #define X 1\nstruct t { int a; };"),
            (None, "struct s { int b; };\n#define X 2\nmacro f(b) { b + 1 }"),
        ]);
        assert!(!text.contains("macro f(a) { a }") && text.contains("macro f($a) { $a }"), "{text}");
        assert!(text.contains("macro f(b) { b + 1 }") && !text.contains("struct s { int a; }"), "{text}");
        assert!(text.contains("struct s { int b; };") && text.contains("struct t { int a; };"), "{text}");
    }

    #[test]
    fn what_is_off_is_a_comment_and_what_is_removed_is_not_there() {
        let text =
            composed(&[(Some(7), "macro g(a) { a }\nkprobe:f {\n  @a = g(1);\n}"), (Some(2), "kprobe:h { @b = 1 }")]);
        let expected =
            "// head\n\n// #7 is off.\nmacro g(a) { a }\n// kprobe:f {\n//   @a = g(1);\n// }\n\nkprobe:h { @b = 1 }\n";
        assert_eq!(text, expected);
        let mut journal =
            journal(&[(Some(1), "macro g(a) { a } kprobe:f { @a = g(1) }"), (Some(2), "kprobe:h { @b = 1 }")]);
        journal.remove(1);
        journal.remove(2);
        assert_eq!(journal.compose("// head", |_| State::On), "// head\n\nmacro g(a) { a }\n");
    }

    #[test]
    fn statements_become_probes() {
        let mut journal = Journal::default();
        journal.add(Entry::statements("@x = 5; "));
        journal.add(Entry::statements("@y = 1 // why\n"));
        assert_eq!(
            journal.compose("// head", |_| State::On),
            "// head\n\nbegin { @x = 5; }\n\nbegin {\n@y = 1 // why\n}\n"
        );
    }

    #[test]
    fn what_is_saved_again_has_one_head() {
        let first = composed(&[(Some(1), "#!/usr/bin/env rtrace\n// counts\nkprobe:f { @a = count() }")]);
        let saved = first.replace("// head", head("now", "-p 5", Some("x.rt -- --a=1")).trim_end());
        let again = composed(&[(Some(1), &saved), (Some(2), "// A session of mine\nkprobe:g { @b = 1 }")]);
        assert_eq!(again, format!("{first}\n// A session of mine\nkprobe:g {{ @b = 1 }}\n"));
    }
}
