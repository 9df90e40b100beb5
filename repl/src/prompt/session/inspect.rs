//! What a session can be asked about: types, arguments, members, what there is to trace, and what the compiler makes of a
//! probe.

use super::Session;
use super::entering::lone_map;
use super::members::{members, values};
use super::running::options;
use super::statements::printing;
use crate::dump;
use crate::files::Files;
use codegen::object::{Object, Options, compile_entry};
use lang::ast::Script;
use lang::c::Continued;
use lang::functions::{FunctionId, function};
use lang::imports::parse_entry;
use lang::nearest::nearest;
use lang::parser::entry::Kind;
use lang::probes::provider;
use lang::types::Type;
use lang::{CheckedEntry, Diagnostic, Source, check_entry};
use probes_ebpf::list::{Lister, Options as ListOptions};
use std::fmt::Write as _;
use std::io::{self, Write};

/// An error without a place, and what would work.
pub(super) type Told = (String, Option<String>);

/// Takes lines up to a limit and counts the entries among them, which are those that are not indented.
struct Bounded {
    text: Vec<u8>,
    entries: usize,
    most: usize,
    /// So many are enough: what comes behind them need not be found.
    stops: bool,
    /// What comes goes on with a line.
    is_within: bool,
}

impl Bounded {
    fn new(most: usize, stops: bool) -> Self {
        Self { text: Vec::new(), entries: 0, most, stops, is_within: false }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let is_within = std::mem::replace(&mut self.is_within, !line.ends_with(b"\n"));
            let is_entry = !is_within && !matches!(line.first(), Some(b' ' | b'\t' | b'}' | b'\n'));
            self.entries += usize::from(is_entry);
            if self.entries <= self.most {
                self.text.extend_from_slice(line);
            } else if self.stops {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Session<'_> {
    /// Shows the type of an expression, of a map's keys and values, or how a function is called.
    pub fn show_type(&mut self, text: &str) {
        if let Some(name) = lone_map(text) {
            let map = self.live.program().maps.iter().find(|map| map.name == name);
            match map {
                Some(map) => self.say(&format!("{} : {}\n", map.title(), map.value)),
                None => self.tell(Err(self.no_map(name))),
            }
            return;
        }
        let called = text.strip_suffix("()").unwrap_or(text);
        // One that takes nothing and is a value has the type of that.
        let macros = self.macro_texts(called);
        if macros
            .iter()
            .any(|text| text.split('{').next().is_some_and(|head| head.contains('(') && !head.contains("()")))
        {
            let heads = macros.iter().map(|text| format!("{}\n", text.split('{').next().unwrap_or(text).trim_end()));
            return self.say(&heads.collect::<String>());
        }
        let is_value = |id: FunctionId| FunctionId::VALUES.contains(&id);
        if let Some(row) = function(called).filter(|row| !is_value(row.id) && lang::builtins::builtin(called).is_none())
        {
            let topic = lang::topics::Topic::from(row);
            self.say(&format!("{} : {}\n", topic.usage, topic.kind.singular()));
            return;
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        if let [tag @ ("struct" | "union" | "enum"), _] = words[..] {
            let found = self.structure(text).map(|(ty, _)| {
                format!(
                    "{ty} : {} bytes; :fields {ty} shows its {}\n",
                    ty.size_of(),
                    if tag == "enum" { "values" } else { "members" }
                )
            });
            return self.tell(found);
        }
        match self.type_of(":type", text) {
            Ok(Some(ty)) => self.say(&format!("{ty}\n")),
            Ok(None) => self.tell(Err(("this has no value, and so no type".to_owned(), None))),
            Err(found) => {
                // What else is odd is no matter of what is wrong.
                let errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
                self.shows_no_error(&errors);
            }
        }
    }

    /// Whether a macro of this name can be called.
    pub fn has_macro(&self, name: &str) -> bool {
        self.known.macros().iter().any(|item| item.name.text == name)
    }

    /// The macros of this name as they were entered.
    pub fn macro_texts(&self, name: &str) -> Vec<&str> {
        let named = self.known.macros().iter().filter(|item| item.name.text == name);
        named.map(|item| self.sources.of(item.span).slice(item.span)).collect()
    }

    /// What can be shown, or what is wrong.
    pub(super) fn tell(&self, found: Result<String, Told>) {
        match found {
            Ok(text) => self.say(&text),
            Err((title, help)) => self.reporter.plain(&title, help.as_deref()),
        }
    }

    /// The type of an expression that stands alone, or as the only thing in a probe. Nothing if it has none.
    fn type_of(&mut self, name: &str, text: &str) -> Result<Option<Type>, Vec<Diagnostic>> {
        let kind = Kind::of(text);
        let parsed = {
            let earlier = self.journal.c_for(text, None);
            let headers = Continued::new(&earlier, &self.headers);
            parse_entry(Source::new(name, text), kind, &mut self.sources, &mut Files::new(""), &headers)
        };
        if parsed.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(parsed.diagnostics);
        }
        let check = |script: &Script| check_entry(&self.known, script, &self.target, &self.settings).checked;
        if let Some(question) = printing(&parsed.script) {
            let checked = check(&question);
            if checked.is_ok() {
                let last = checked.program.formats.last();
                return Ok(last.and_then(|format| format.args.first()).cloned());
            }
        }
        let checked = check(&parsed.script);
        if checked.is_ok() { Ok(None) } else { Err(checked.diagnostics) }
    }

    /// A structure, union or enum by its name with the tag, followed by members that lead to another; and what that is
    /// called.
    fn structure(&mut self, text: &str) -> Result<(Type, String), Told> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (name, path) = text.split_once('.').map_or((text.as_str(), ""), |(name, path)| (name, path));
        let question = if name.starts_with("enum ") { format!("({name})0") } else { format!("({name} *)0") };
        let found = self.type_of(":fields", &question).map_err(|found| {
            let first = found.into_iter().find(Diagnostic::is_error);
            first.map_or_else(|| (format!("there is no {name}"), None), |told| (told.title, told.help))
        })?;
        let mut ty = match found {
            Some(Type::Pointer(inner, _)) => *inner,
            Some(ty) => ty,
            None => return Err((format!("there is no {name}"), None)),
        };
        let mut called = name.to_owned();
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let Type::Struct(of) = &ty else { return Err((format!("{called} has no members"), None)) };
            let Some(member) = of.member(step) else {
                let near = nearest(step, of.member_names(), 1);
                let help = near.first().map(|near| format!("did you mean {near}?"));
                return Err((format!("{called} has no member '{step}'"), help));
            };
            called = format!("{called}.{step}");
            ty = member.ty;
            while let Type::Pointer(inner, _) | Type::Array(inner, _) = ty {
                ty = *inner;
            }
        }
        Ok((ty, called))
    }

    /// Shows the members of a structure with their places, or the values of an enum.
    pub fn show_members(&mut self, text: &str, is_whole: bool) {
        let found = self.structure(text).and_then(|(ty, called)| match &ty {
            Type::Struct(of) => Ok(members(of, &called, is_whole)),
            Type::Enum(of) => Ok(values(of)),
            other => Err((format!("{called} is of the type {other}, which has no members"), None)),
        });
        self.tell(found);
    }

    /// Lists what a pattern covers, the first `most` of it.
    pub fn list(&self, pattern: &str, arguments: bool, most: usize) {
        let (mut text, count, warnings) = self.bounded(pattern, arguments, most);
        if count > most {
            let option = if arguments { "-lv" } else { "-l" };
            let _ = writeln!(text, "... and {} more; rtrace {option} '{pattern}' lists all", count - most);
        }
        self.show_listed(&text, count, &warnings, &format!("nothing here is covered by {pattern}"));
    }

    /// Shows the arguments of probes.
    pub fn show_arguments(&mut self, pattern: &str, most: usize) {
        // What has no parts is listed by its name and a colon.
        let pattern = if provider(pattern).is_some() { &format!("{pattern}:") } else { pattern };
        let (mut listed, mut count, warnings) = self.bounded(pattern, true, most);
        // Nobody can list all that has a number of the user's, such as `interval:s:5`.
        if count == 0 && warnings.is_empty() && self.type_of(":fields", &format!("{pattern} {{ }}")).is_ok() {
            (listed, count) = (format!("{pattern}\n"), 1);
        }
        let mut text = String::new();
        let mut lines = listed.lines().peekable();
        while let Some(line) = lines.next() {
            let _ = writeln!(text, "{line}");
            let has_none = lines.peek().is_none_or(|next| !next.starts_with(' '));
            if has_none && !line.starts_with(' ') {
                text += "    no arguments, as far as is known\n";
            }
        }
        if count > most {
            let _ = writeln!(text, "... and {} more; rtrace -lv '{pattern}' lists all", count - most);
        }
        self.show_listed(&text, count, &warnings, &format!("there is no probe {pattern}"));
    }

    fn show_listed(&self, text: &str, count: usize, warnings: &[String], nothing: &str) {
        self.say(text);
        warnings.iter().for_each(|warning| self.reporter.warning(warning));
        if count == 0 && warnings.is_empty() {
            let help = ":list PROVIDER:PATTERN lists what there is, as in :list tracepoint:sched:*";
            self.reporter.plain(nothing, Some(help));
        }
    }

    /// The first of what a pattern covers, how much it is altogether, and what is to be told beside it.
    fn bounded(&self, pattern: &str, arguments: bool, most: usize) -> (String, usize, Vec<String>) {
        let mut shown = Bounded::new(most, arguments);
        let warnings = self.listed(pattern, arguments, &mut shown);
        let mut count = shown.entries;
        if arguments && count > most {
            // To count them nobody has to look at their arguments.
            let mut rest = Bounded::new(0, false);
            self.listed(pattern, false, &mut rest);
            count = rest.entries;
        }
        (String::from_utf8_lossy(&shown.text).into_owned(), count, warnings)
    }

    /// Runs a listing; gives what is to be told beside it.
    fn listed(&self, pattern: &str, arguments: bool, out: &mut dyn Write) -> Vec<String> {
        let options = ListOptions {
            process: self.process,
            arguments,
            functions: self.args.traceable_functions.clone(),
            debug_folders: self.args.debuginfo.clone(),
        };
        let mut lister = Lister::new(options, out);
        // It ends early when enough is found.
        let _ = lister.list(pattern);
        lister.into_warnings()
    }

    /// Shows the instructions of a probe.
    pub fn show_instructions(&mut self, number: u32) {
        if let Some(object) = self.compiled_anew(number) {
            self.say(dump::bpf(&object, &self.sources).trim_end());
            self.say("\n");
        }
    }

    /// Shows the intermediate code of a probe, as it is after the mid-end if that is wanted.
    pub fn show_clif(&mut self, number: u32, optimised: bool) {
        if let Some(object) = self.compiled_anew(number) {
            self.say(&dump::clif(&object, optimised));
        }
    }

    /// What the compiler makes of a probe. It is made again: nobody else needs it once it is loaded.
    fn compiled_anew(&self, number: u32) -> Option<Object> {
        let probe = self.probes.iter().find(|probe| probe.number == number)?;
        let settings = self.settings(&probe.given);
        let CheckedEntry { checked, .. } = check_entry(&self.known, &probe.script, &self.target, &settings);
        // What it uses may have been defined anew since.
        let errors: Vec<Diagnostic> = checked.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
        if !self.shows_no_error(&errors) {
            return None;
        }
        let options = Options { keep_text: true, ..options(self.args, &checked.program, self.process, number) };
        match compile_entry(&checked.program, &self.target, &options, Some(self.live.layout())) {
            Ok(object) => Some(object),
            Err(diagnostic) => {
                self.reporter.show(&self.sources, &diagnostic);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_bounded_and_counted() {
        let mut shown = Bounded::new(2, false);
        write!(shown, "a:{}\n    int x\nb\nc\nd\n", 1).expect("there is room");
        assert_eq!((String::from_utf8_lossy(&shown.text).as_ref(), shown.entries), ("a:1\n    int x\nb\n", 4));
        let mut shown = Bounded::new(1, true);
        assert!(write!(shown, "a\nb\nc\n").is_err());
        assert_eq!((String::from_utf8_lossy(&shown.text).as_ref(), shown.entries), ("a\n", 2));
    }
}
