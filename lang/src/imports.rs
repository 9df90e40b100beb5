//! A script and what it imports, as one tree.
//!
//! Files are the business of a [`Loader`]. What is imported comes before what imports it, each file once, however often
//! and from wherever it is imported; so a circle of imports does no harm.

use crate::ast::{Import, Script};
use crate::c::{Header, Headers, declarations_of_header};
use crate::diag::Diagnostic;
use crate::parser::entry::{Kind, parse_statements};
use crate::parser::{Parse, parse_at};
use crate::span::{Source, SourceMap};
use hashbrown::HashSet;

/// Finds and reads files.
pub trait Loader {
    /// The files that `path` stands for in the source called `from`: one, or all in a folder.
    fn load(&mut self, path: &str, from: &str) -> Result<Vec<File>, LoadError>;
}

/// A file to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What tells it from every other file.
    pub id: String,
    /// What it is called in diagnostics; imports in it are found by that name.
    pub name: String,
    /// What it holds.
    pub kind: FileKind,
    /// All of it.
    pub text: String,
}

/// What an imported file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A script.
    Script,
    /// Type definitions in C.
    Header,
    /// Functions in C.
    C,
}

/// Why there is nothing to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// One line.
    pub title: String,
    /// What would work.
    pub help: Option<String>,
}

/// Imports within imports within imports end here.
const MOST_NESTED: usize = 100;

/// Reads a script and all that it imports. Positions in what comes out are those of the map.
pub fn parse_with_imports(root: Source, loader: &mut dyn Loader, headers: &dyn Headers) -> (Parse, SourceMap) {
    let Parse { script, diagnostics, c } = parse_at(root.text(), 0, headers);
    let mut sources = SourceMap::new(root);
    let name = sources.root().name().to_owned();
    let parsed = follow_imports(Parse { script, diagnostics, c }, &name, &mut sources, loader, headers);
    (parsed, sources)
}

/// Reads an entry of a session and all that it imports; its source, and theirs, are put behind the others.
pub fn parse_entry(
    entry: Source,
    kind: Kind,
    sources: &mut SourceMap,
    loader: &mut dyn Loader,
    headers: &dyn Headers,
) -> Parse {
    let name = entry.name().to_owned();
    let Some(source) = sources.add(entry) else {
        let told = Diagnostic::error(Default::default(), "this session has become too long");
        return Parse { diagnostics: vec![told], ..Parse::default() };
    };
    let parsed = match kind {
        Kind::Script => parse_at(source.text(), source.base(), headers),
        Kind::Statements => parse_statements(source.text(), source.base(), headers),
    };
    follow_imports(parsed, &name, sources, loader, headers)
}

fn follow_imports(
    parsed: Parse,
    name: &str,
    sources: &mut SourceMap,
    loader: &mut dyn Loader,
    headers: &dyn Headers,
) -> Parse {
    let Parse { script, diagnostics, c } = parsed;
    let mut importer = Importer { loader, headers, sources, seen: HashSet::new(), diagnostics, c, nested: 0 };
    let script = importer.follow(script, name);
    Parse { script, diagnostics: importer.diagnostics, c: importer.c }
}

struct Importer<'a> {
    loader: &'a mut dyn Loader,
    headers: &'a dyn Headers,
    sources: &'a mut SourceMap,
    seen: HashSet<String>,
    diagnostics: Vec<Diagnostic>,
    /// See [`Parse::c`].
    c: String,
    nested: usize,
}

impl Importer<'_> {
    /// Adds to a script what it imports.
    fn follow(&mut self, mut script: Script, name: &str) -> Script {
        let mut imported = Script::default();
        for import in std::mem::take(&mut script.imports) {
            match self.loader.load(&import.path, name) {
                Ok(files) => {
                    for file in files {
                        let earlier = std::mem::replace(&mut imported, self.file(file, &import));
                        imported.import(earlier);
                    }
                }
                Err(error) => {
                    self.diagnostics.push(Diagnostic::error(import.span, error.title).with_maybe_help(error.help));
                }
            }
        }
        script.import(imported);
        script
    }

    /// What a file holds, unless it has been imported before.
    fn file(&mut self, file: File, import: &Import) -> Script {
        if !self.seen.insert(file.id.clone()) {
            return Script::default();
        }
        if file.kind == FileKind::Header {
            let header = Header { path: file.id, text: file.text };
            return Script { c: declarations_of_header(header, self.headers), ..Script::default() };
        }
        if file.kind != FileKind::Script {
            let title = format!("importing C is not supported yet: {}", file.name);
            self.diagnostics.push(Diagnostic::error(import.span, title));
            return Script::default();
        }
        if self.nested == MOST_NESTED {
            let title = format!("imports are nested more than {MOST_NESTED} deep");
            self.diagnostics.push(Diagnostic::error(import.span, title));
            return Script::default();
        }
        let Some(source) = self.sources.add(Source::new(file.name.as_str(), file.text)) else {
            self.diagnostics.push(Diagnostic::error(import.span, "the imported files are too long"));
            return Script::default();
        };
        let Parse { mut script, diagnostics, c } = parse_at(source.text(), source.base(), self.headers);
        self.diagnostics.extend(diagnostics);
        self.c.insert_str(0, &c);
        if let [first, ..] = &script.config[..] {
            self.diagnostics.push(
                Diagnostic::error(first.span, "invalid `config` within import")
                    .with_help("only the script that is run can have one"),
            );
            script.config.clear();
        }
        self.nested += 1;
        let script = self.follow(script, &file.name);
        self.nested -= 1;
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c::NoHeaders;

    /// Files by their names, which are also how they are imported.
    struct Files(&'static [(&'static str, &'static str)]);

    impl Loader for Files {
        fn load(&mut self, path: &str, _from: &str) -> Result<Vec<File>, LoadError> {
            let kind = if path.ends_with(".c") { FileKind::C } else { FileKind::Script };
            let file = self.0.iter().find(|(name, _)| *name == path);
            let file =
                file.map(|(name, text)| File { id: (*name).into(), name: (*name).into(), kind, text: (*text).into() });
            file.map(|file| vec![file]).ok_or_else(|| LoadError { title: format!("no {path}"), help: None })
        }
    }

    /// The probes that come out, and what is told.
    fn read(text: &str, files: &'static [(&'static str, &'static str)]) -> String {
        let (parsed, sources) = parse_with_imports(Source::new("main", text), &mut Files(files), &NoHeaders);
        let points = parsed.script.probes.iter().flat_map(|probe| &probe.points);
        let points = points.map(|point| {
            // The tree's positions are those of the map.
            assert_eq!(sources.of(point.span).slice(point.span), point.text);
            point.text.clone()
        });
        let told = parsed.diagnostics.iter().map(|diagnostic| {
            let source = sources.of(diagnostic.span);
            let place = source.locate(diagnostic.span.start);
            format!("{}:{}:{} {}", source.name(), place.line, place.column, diagnostic.title)
        });
        points.chain(told).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_is_imported_comes_first_and_once() {
        let files = &[
            ("a", "import \"b\"; kprobe:a1 { } kprobe:a2 { }"),
            ("b", "import \"a\"; import \"main\"; kprobe:b { }"),
            ("c", "import \"b\"; kprobe:c { }"),
            ("empty", "// nothing\n"),
            ("main", ""),
        ];
        assert_eq!(
            read("import \"a\"; import \"c\"; import \"a\"; import \"empty\"; begin { }", files),
            "kprobe:b; kprobe:a1; kprobe:a2; kprobe:c; begin"
        );
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        let files = &[
            ("bad", "kprobe:b {\n  $x = ;\n}"),
            ("set", "config = { max_strlen=5 } kprobe:s { }"),
            ("x.bpf.c", "int f() { }"),
        ];
        assert_eq!(
            read("import \"bad\"; import \"set\"; import \"x.bpf.c\"; import \"none\"; begin { }", files),
            "kprobe:b; kprobe:s; begin; bad:2:8 expected an expression, found `;`; set:1:12 invalid `config` within \
             import; main:1:29 importing C is not supported yet: x.bpf.c; main:1:47 no none"
        );
    }

    #[test]
    fn a_long_chain_is_refused() {
        struct Endless;
        impl Loader for Endless {
            fn load(&mut self, path: &str, _from: &str) -> Result<Vec<File>, LoadError> {
                let text = format!("import \"{path}x\";");
                Ok(vec![File { id: path.into(), name: path.into(), kind: FileKind::Script, text }])
            }
        }
        let (parsed, _) = parse_with_imports(Source::new("main", "import \"x\"; begin { }"), &mut Endless, &NoHeaders);
        let titles: Vec<&str> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.title.as_str()).collect();
        assert_eq!(titles, ["imports are nested more than 100 deep"]);
    }
}
