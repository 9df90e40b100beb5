//! Entries of a session: what the ones before have left counts, and what a faulty one says does not.

use crate::c::{Continued, NoHeaders};
use crate::imports::{File, LoadError, Loader, parse_entry};
use crate::parser::entry::Kind;
use crate::span::{Source, SourceMap};
use crate::target::fake::FakeTarget;
use crate::{CheckedEntry, Known, Settings, check_entry};

struct Session {
    sources: SourceMap,
    known: Known,
    c: String,
    count: usize,
}

struct NoFiles;

impl Loader for NoFiles {
    fn load(&mut self, path: &str, _from: &str) -> Result<Vec<File>, LoadError> {
        Err(LoadError { title: format!("no {path}"), help: None })
    }
}

impl Session {
    fn new() -> Self {
        let sources = SourceMap::new(Source::new("session", "          "));
        Self { sources, known: Known::default(), c: String::new(), count: 0 }
    }

    /// What is told of an entry: a line each, with the text that is marked and its source; empty if it is fine, and then
    /// it counts from now on.
    fn enter(&mut self, text: &str) -> (String, CheckedEntry) {
        self.count += 1;
        let source = Source::new(format!("#{}", self.count), text);
        let headers = Continued::new(&self.c, &NoHeaders);
        let parsed = parse_entry(source, Kind::of(text), &mut self.sources, &mut NoFiles, &headers);
        let entry = check_entry(&self.known, &parsed.script, &FakeTarget, &Settings::default());
        let all = parsed.diagnostics.iter().chain(&entry.checked.diagnostics);
        let marked = |span| format!("{} `{}`", self.sources.of(span).name(), self.sources.of(span).slice(span));
        let told = all.clone().map(|told| {
            let related = told.related.iter().map(|label| format!("; {}: {}", marked(label.span), label.text));
            format!("{}: {}{}", marked(told.span), told.title, related.collect::<String>())
        });
        let told = told.collect::<Vec<_>>().join("\n");
        if !all.into_iter().any(|told| told.is_error()) {
            self.known = entry.known.clone();
            self.c += &parsed.c;
        }
        (told, entry)
    }

    /// Enters what is fine.
    #[track_caller]
    fn good(&mut self, text: &str) -> CheckedEntry {
        let (told, entry) = self.enter(text);
        assert_eq!(told, "", "{text}");
        entry
    }

    /// Enters what is not.
    #[track_caller]
    fn bad(&mut self, text: &str, expected: &str) {
        let (told, entry) = self.enter(text);
        assert_eq!(told, expected, "{text}");
        assert!(!entry.checked.is_ok() || told.contains("#"), "{text}");
    }
}

#[test]
fn maps_keep_their_numbers_and_types() {
    let mut session = Session::new();
    session.good("kprobe:f { @a = 1; @b[pid] = count(); }");
    let entry = session.good("kprobe:f { @c[comm] = 1; @b[tid] = count(); @a += nsecs; }");
    let maps = entry.checked.program.maps.iter().map(|map| (map.name.as_str(), map.value.to_string()));
    let expected = [("a", "int64"), ("b", "count_t"), ("c", "int64")];
    assert_eq!(maps.collect::<Vec<_>>(), expected.map(|(name, ty)| (name, ty.to_owned())));
    assert_eq!(entry.checked.program.probes.len(), 1);
}

#[test]
fn a_clash_names_the_entry_that_fixed_the_type() {
    let mut session = Session::new();
    session.good("kprobe:f { @a = count(); @b[pid] = 1 }");
    session.bad(
        "@a = 1",
        "#2 `@a = 1`: Type mismatch for @a: trying to assign value of type 'int8' when map already has a type \
         'count_t'; #1 `count()`: its type was fixed here",
    );
    session.bad(
        "@b = 1",
        "#3 `@b`: @b used as a map without an explicit key (scalar map), previously used with an explicit key \
         (non-scalar map); #1 `@b`: first used here",
    );
    session.bad(
        "@b[comm] = 1",
        "#4 `@b[comm]`: Argument mismatch for @b: trying to access with arguments: 'string[16]' when map expects \
         arguments: 'uint64'; #1 `@b`: its key was fixed here",
    );
    session.good("@b[1] = 2");
}

#[test]
fn a_faulty_entry_changes_nothing() {
    let mut session = Session::new();
    session.bad("kprobe:f { @a = count(); @b = nonsense }", "#1 `nonsense`: Unknown identifier: 'nonsense'");
    session.good("@a = 5; @b = comm");
    session.bad("config = { max_map_keys=10 } begin { print($a) }", "#3 `$a`: Undefined or undeclared variable: $a");
    assert_eq!(session.good("print(@a)").checked.program.config.max_map_keys, 4096);
}

#[test]
fn definitions_last() {
    let mut session = Session::new();
    session.good("macro twice(a) { a * 2 }");
    session.good("struct pair { int a; int b; };\n#define SEVEN 7\nenum e { FIRST = 3 };");
    session.good("config = { max_map_keys=10 }");
    session.good("let @kept = lruhash(5);");
    let entry = session.good("@kept[twice(SEVEN)] = sizeof(struct pair) + FIRST");
    assert_eq!(entry.checked.program.config.max_map_keys, 10);
    assert_eq!(entry.checked.program.maps[0].declared.map(|declared| declared.entries), Some(5));
    session.good("macro twice(a) { a + a }");
    session.good("print(twice(4))");
    session.bad("let @late = lruhash(5); begin { @kept[1] = nope }", "#8 `nope`: Unknown identifier: 'nope'");
    session.good("@late[1] = 1");
    session.bad(
        "let @late = lruhash(5);",
        "#10 `let @late = lruhash(5);`: @late is in use already, and how it is kept cannot be changed any more; #9 \
         `@late`: it was first used here",
    );
}

#[test]
fn formats_are_numbered_on() {
    let mut session = Session::new();
    session.good("kprobe:f { printf(\"%d\\n\", pid); }");
    let entry = session.good("print(5)");
    assert_eq!(entry.checked.program.formats.len(), 2);
}

#[test]
fn texts_have_room_for_longer_ones() {
    let mut session = Session::new();
    session.good("kprobe:f { @what = \"a\"; @[\"read\", 1] = count() }");
    session.good("@what = \"something longer\"");
    session.good("@[\"getdents\", 300] = count()");
    session.good("kprobe:f { @by[comm] = 1 }");
    session.good("@by[\"name\"] = 2");
}

#[test]
fn an_entry_may_wait_for_a_map() {
    let mut session = Session::new();
    let (told, entry) = session.enter("interval:s:1 { print(@later); if (@on) { clear(@later) } }");
    assert!(told.contains("Undefined map: @later"), "{told}");
    assert_eq!(entry.waits_for, ["later", "on"]);
    assert!(!session.known.has_map("later"));
    let (told, entry) = session.enter("interval:s:1 { for ($kv : @later) { @seen[$kv.0] = 1 } }");
    assert!(told.contains("Undefined map: @later") && entry.checked.is_ok(), "{told}");
    assert_eq!(entry.waits_for, ["later"]);
    session.good("kprobe:f { @later[comm] = count() }");
    assert!(session.known.has_map("later"));
    let entry = session.good("interval:s:1 { for ($kv : @later) { @seen[$kv.0] = 1 } }");
    assert!(entry.waits_for.is_empty());
}
