//! What can be asked about: every builtin, function, aggregation, probe provider, word, config variable and protocol, as a
//! topic with its usage, what it does and an example.
//!
//! Topics are made of the rows that parser, checker and listing read, so that help at the prompt, `rtrace --doc` and the
//! reference pages of the manual say the same.

use crate::builtins::{BUILTINS, Builtin, BuiltinId};
use crate::config::{self, VARIABLES, Variable};
use crate::functions::{FUNCTIONS, Function};
use crate::nearest::nearest;
use crate::packets::{PROTOCOLS, Protocol, ProtocolId};
use crate::probes::{PROVIDERS, Provider};
use crate::words::{WORDS, Word};

/// The kinds of topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names that have a value.
    Builtins,
    /// What is called.
    Functions,
    /// What gathers in a map.
    Aggregations,
    /// Kinds of probes.
    Providers,
    /// Statements and definitions.
    Statements,
    /// Config variables.
    Config,
    /// Protocols of packets and their fields.
    Packets,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Providers,
        Self::Builtins,
        Self::Functions,
        Self::Aggregations,
        Self::Statements,
        Self::Config,
        Self::Packets,
    ];

    /// What asks for all topics of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtins => "builtins",
            Self::Functions => "functions",
            Self::Aggregations => "aggregations",
            Self::Providers => "providers",
            Self::Statements => "statements",
            Self::Config => "config",
            Self::Packets => "packets",
        }
    }

    /// What one of them is.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Builtins => "builtin",
            Self::Functions => "function",
            Self::Aggregations => "aggregation",
            Self::Providers => "probe provider",
            Self::Statements => "statement",
            Self::Config => "config variable",
            Self::Packets => "protocol",
        }
    }

    /// What they are, in a line.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Builtins => "names that have a value: pid, comm, nsecs",
            Self::Functions => "what is called: printf(), str(), kstack()",
            Self::Aggregations => "what gathers in a map: count(), hist()",
            Self::Providers => "kinds of probes: tracepoint, kprobe, uprobe",
            Self::Statements => "if, for, let, macro, struct and other words",
            Self::Config => "variables of config = { ... } and :set",
            Self::Packets => "protocols and their fields: tcp.dport",
        }
    }

    /// The kind of this name, also if one of them is named: `function`.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| {
            kind.name() == name || kind.singular() == name || matches!((kind, name), (Self::Providers, "probes"))
        })
    }
}

/// Something to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What kind of thing it is.
    pub kind: Kind,
    /// What it is called.
    pub name: &'static str,
    /// What else it goes by.
    pub also: Vec<&'static str>,
    /// How it is written.
    pub usage: String,
    /// What it is or does.
    pub doc: String,
    /// What it has: a protocol's fields with types and meanings.
    pub parts: Vec<[String; 3]>,
    /// A script that uses it and compiles; empty for what no script can show.
    pub example: String,
}

impl From<&'static Builtin> for Topic {
    fn from(row: &'static Builtin) -> Self {
        let ty = match row.id {
            // As long as the name.
            BuiltinId::Probe | BuiltinId::Func => "string".to_owned(),
            // The kernel's type information says so.
            BuiltinId::Curtask => "struct task_struct *".to_owned(),
            BuiltinId::Context => "of the probe".to_owned(),
            _ => row.ty.to_string(),
        };
        Self {
            kind: Kind::Builtins,
            name: row.name,
            also: Vec::new(),
            usage: format!("{} : {ty}", row.name),
            doc: row.doc.to_owned(),
            parts: Vec::new(),
            example: row.example.to_owned(),
        }
    }
}

impl From<&'static Function> for Topic {
    fn from(row: &'static Function) -> Self {
        let result = row.signature.map(|signature| format!(" : {}", (signature.result)())).unwrap_or_default();
        let permission = if row.is_unsafe { " Needs --unsafe." } else { "" };
        Self {
            kind: if row.aggregation { Kind::Aggregations } else { Kind::Functions },
            name: row.name,
            also: Vec::new(),
            usage: format!("{}{result}", row.usage),
            doc: format!("{}{permission}", row.doc),
            parts: Vec::new(),
            example: row.example.to_owned(),
        }
    }
}

impl From<&'static Provider> for Topic {
    fn from(row: &'static Provider) -> Self {
        Self {
            kind: Kind::Providers,
            name: row.name,
            also: row.aliases.to_vec(),
            usage: row.usage.to_owned(),
            doc: row.doc.to_owned(),
            parts: Vec::new(),
            example: row.example.to_owned(),
        }
    }
}

impl From<&'static Word> for Topic {
    fn from(row: &'static Word) -> Self {
        Self {
            kind: Kind::Statements,
            name: row.name,
            also: row.also.to_vec(),
            usage: row.usage.to_owned(),
            doc: row.doc.to_owned(),
            parts: Vec::new(),
            example: row.example.to_owned(),
        }
    }
}

impl From<&'static Variable> for Topic {
    fn from(row: &'static Variable) -> Self {
        let named = row.name.to_uppercase();
        let (usage, doc) = match row.kind {
            config::Kind::Environment => {
                (format!("RTRACE_{named}=..."), format!("{}. Only the environment has it.", row.help))
            }
            _ => {
                let value = if row.default.is_empty() { "..." } else { row.default };
                let when = row.holds.describe();
                (
                    format!("{} = {value}", row.name),
                    format!("{}. In a session it counts {when}; RTRACE_{named} in the environment beats it.", row.help),
                )
            }
        };
        let doc = match row.holds {
            config::Holds::Never => format!("{}.", row.help),
            _ => doc,
        };
        Self {
            kind: Kind::Config,
            name: row.name,
            also: row.older_names.to_vec(),
            usage,
            doc,
            parts: Vec::new(),
            example: row.example.to_owned(),
        }
    }
}

impl From<&'static Protocol> for Topic {
    fn from(row: &'static Protocol) -> Self {
        let parts = row
            .fields
            .iter()
            .map(|field| [format!("{}.{}", row.name, field.name), field.ty().to_string(), field.doc.to_owned()]);
        let example = match row.id {
            ProtocolId::Pkt => "xdp:lo:skb { @bytes = hist(pkt.len); }".to_owned(),
            _ => {
                let field = row.fields.first().map_or("", |field| field.name);
                format!("xdp:lo:skb /{0}/ {{ @[{0}.{field}] = count(); }}", row.name)
            }
        };
        Self {
            kind: Kind::Packets,
            name: row.name,
            also: Vec::new(),
            usage: format!("{0}, {0}.FIELD", row.name),
            doc: format!("{} In probes of packets; alone it asks whether the packet has it.", row.doc).replace(
                "alone it asks whether the packet has it.",
                match row.id {
                    ProtocolId::Pkt => "every packet has it.",
                    _ => "alone it asks whether the packet has it.",
                },
            ),
            parts: parts.collect(),
            example,
        }
    }
}

/// All topics of a kind, by name as far as their tables are not in an order of their own.
pub fn of_kind(kind: Kind) -> Vec<Topic> {
    match kind {
        Kind::Builtins => {
            // What is numbered is one thing.
            let is_more = |row: &&Builtin| matches!(row.id, BuiltinId::Arg(number) if number > 0);
            let numbered: Vec<&str> = BUILTINS.iter().filter(is_more).map(|row| row.name).collect();
            let rows = BUILTINS.iter().filter(|row| !is_more(row)).map(|row| match row.id {
                BuiltinId::Arg(_) => {
                    let last = numbered.last().copied().unwrap_or_default();
                    let usage = format!("{} to {last} : {}", row.name, row.ty);
                    Topic { also: numbered.clone(), usage, ..Topic::from(row) }
                }
                _ => Topic::from(row),
            });
            sorted(rows.collect())
        }
        Kind::Functions => sorted(FUNCTIONS.iter().filter(|row| !row.aggregation).map(Topic::from).collect()),
        Kind::Aggregations => FUNCTIONS.iter().filter(|row| row.aggregation).map(Topic::from).collect(),
        Kind::Providers => PROVIDERS.iter().map(Topic::from).collect(),
        Kind::Statements => WORDS.iter().map(Topic::from).collect(),
        Kind::Config => {
            let rows = VARIABLES.iter().filter(|row| !matches!(row.kind, config::Kind::Gone));
            rows.map(Topic::from).collect()
        }
        Kind::Packets => PROTOCOLS.iter().map(Topic::from).collect(),
    }
}

fn sorted(mut topics: Vec<Topic>) -> Vec<Topic> {
    topics.sort_by_key(|topic| topic.name);
    topics
}

/// All topics.
pub fn all() -> impl Iterator<Item = Topic> {
    Kind::ALL.into_iter().flat_map(of_kind)
}

/// What goes by this name: several things may, such as a builtin that can also be called. Written as in a script is right,
/// too: `count()`, `kprobe:`, `tcp.dport`.
pub fn find(name: &str) -> Vec<Topic> {
    let name = name.trim();
    let called = |name: &str| {
        let is_it = |topic: &Topic| topic.name == name || topic.also.contains(&name);
        all().filter(is_it).collect::<Vec<_>>()
    };
    let found = called(name);
    if !found.is_empty() {
        return found;
    }
    let bare = name.split(['(', ':', ' ', '=']).next().unwrap_or(name);
    let found = called(bare);
    if !found.is_empty() {
        return found;
    }
    if let Some((protocol, field)) = bare.split_once('.') {
        let is_field = |topic: &Topic| topic.kind == Kind::Packets || topic.name == "args" || topic.name == "config";
        return called(protocol)
            .into_iter()
            .filter(is_field)
            .filter_map(|topic| with_part(topic, bare, field))
            .collect();
    }
    // As in the environment, or by a name of a provider in capitals.
    match config::variable(bare) {
        Some(row) if !matches!(row.kind, config::Kind::Gone) => vec![Topic::from(row)],
        _ => called(&bare.to_lowercase()),
    }
}

/// A topic with only the part that is asked for; `config.NAME` is about the variable.
fn with_part(topic: Topic, name: &str, part: &str) -> Option<Topic> {
    match topic.kind {
        Kind::Packets => {
            let parts: Vec<_> = topic.parts.iter().filter(|known| known[0] == name).cloned().collect();
            (!parts.is_empty()).then_some(Topic { parts, ..topic })
        }
        Kind::Functions => config::variable(part).map(Topic::from),
        _ => (topic.name == "args").then_some(topic),
    }
}

/// The names most like one that is none of a topic, or of what else there is.
pub fn like(name: &str, others: impl Iterator<Item = &'static str>) -> Option<String> {
    let kinds = Kind::ALL.into_iter().map(Kind::name);
    let names = all().flat_map(|topic| std::iter::once(topic.name).chain(topic.also));
    nearest(name, kinds.chain(names).chain(others), 1).pop()
}

impl Topic {
    /// What is to be read about it, in lines of at most so many columns where they can be broken.
    pub fn text(&self, width: usize) -> String {
        let mut text = String::new();
        for line in wrap(&format!("{}: {}", self.kind.singular(), self.usage), width, "    ") {
            text += &format!("{line}\n");
        }
        if !self.also.is_empty() {
            for line in wrap(&format!("    also: {}", self.also.join(", ")), width, "    ") {
                text += &format!("{line}\n");
            }
        }
        for line in wrap(&format!("    {}", self.doc), width, "    ") {
            text += &format!("{line}\n");
        }
        let widest = |column: usize| self.parts.iter().map(|part| part[column].len()).max().unwrap_or(0);
        let (first, second) = (widest(0), widest(1));
        for [name, ty, doc] in &self.parts {
            text += &format!("    {name:<first$}  {ty:<second$}  {doc}\n");
        }
        if !self.example.is_empty() {
            text.push('\n');
            self.example.lines().for_each(|line| text += &format!("    {line}\n"));
        }
        text
    }
}

/// Topics in a list, a line each if they are short.
pub fn list(topics: &[Topic], width: usize) -> String {
    let rows: Vec<(&str, &str)> = topics.iter().map(|topic| (topic.name, first_sentence(&topic.doc))).collect();
    table(&rows, width)
}

/// Names and what is said of them, beside each other.
pub fn table(rows: &[(&str, &str)], width: usize) -> String {
    let first = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    // Where the terminal is too narrow for two columns, what is said stands below.
    let (between, indent) = if first + 24 > width { ("\n    ".to_owned(), 4) } else { ("  ".to_owned(), first + 2) };
    let mut text = String::new();
    for (name, said) in rows {
        let said = wrap(said, width.saturating_sub(indent).max(16), "").join(&format!("\n{}", " ".repeat(indent)));
        match indent {
            4 => text += &format!("{name}{between}{said}\n"),
            _ => text += &format!("{name:<first$}{between}{said}\n"),
        }
    }
    text
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| &text[..=first.len()])
}

/// Lines of at most so many columns; those after the first begin with `indent`.
fn wrap(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let start = text.len() - text.trim_start().len();
    let mut line = text[..start].to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
            is_empty = true;
        }
        if !std::mem::replace(&mut is_empty, false) {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Vec<(Kind, &'static str)> {
        find(name).iter().map(|topic| (topic.kind, topic.name)).collect()
    }

    #[test]
    fn topics_go_by_what_people_write() {
        assert_eq!(names("count"), [(Kind::Aggregations, "count")]);
        assert_eq!(names("count()"), [(Kind::Aggregations, "count")]);
        assert_eq!(names("pid"), [(Kind::Builtins, "pid"), (Kind::Functions, "pid")]);
        assert_eq!(names("k"), [(Kind::Providers, "kprobe")]);
        assert_eq!(names("kprobe:vfs_read"), [(Kind::Providers, "kprobe")]);
        assert_eq!(names("BEGIN"), [(Kind::Providers, "begin")]);
        assert_eq!(names("arg7"), [(Kind::Builtins, "arg0")]);
        assert_eq!(names("else"), [(Kind::Statements, "if")]);
        assert_eq!(names("#include"), [(Kind::Statements, "#define")]);
        assert_eq!(names("RTRACE_MAX_STRLEN"), [(Kind::Config, "max_strlen")]);
        assert_eq!(names("strlen"), [(Kind::Functions, "strlen"), (Kind::Config, "max_strlen")]);
        assert_eq!(names("config.max_strlen"), [(Kind::Config, "max_strlen")]);
        assert_eq!(names("args.filename"), [(Kind::Statements, "args")]);
        assert_eq!(names("tcp.nosuch"), []);
        assert_eq!(find("tcp.dport")[0].parts.len(), 1);
        assert_eq!(names(""), []);
        assert_eq!(names("nosuch"), []);
        assert_eq!(like("cuont", std::iter::empty()), Some("count".to_owned()));
        assert_eq!(like("wacth", ["watch"].into_iter()), Some("watch".to_owned()));
    }

    #[test]
    fn every_topic_says_how_what_and_shows_it() {
        for topic in all() {
            let text = &topic.doc;
            assert!(!topic.usage.is_empty() && text.ends_with('.') && text.len() > 2, "{topic:?}");
            let needs_none = topic.name == "import" || topic.usage.starts_with("RTRACE_");
            assert!(!topic.example.is_empty() || needs_none, "{topic:?}");
            // A part of the line of another is no reason to have none of its own.
            let shown = topic.also.iter().chain([&topic.name]).any(|name| topic.example.contains(name));
            assert!(shown || needs_none || topic.example.is_empty(), "{}: {}", topic.name, topic.example);
        }
    }

    #[test]
    fn texts_fit_into_their_width() {
        for topic in all() {
            for width in [40, 78] {
                // What cannot be broken is the example, a table, or one word.
                let text = topic.text(width);
                let said = text.split("\n\n").next().unwrap_or_default();
                let wide = |line: &&str| line.chars().count() > width && line.trim_start().contains(' ');
                let found = said.lines().find(wide).filter(|_| topic.parts.is_empty());
                assert_eq!(found, None, "{text}");
            }
        }
        assert_eq!(table(&[("a", "b c d"), ("long", "e")], 40), "a     b c d\nlong  e\n");
        assert_eq!(table(&[("a-very-long-name", "b c d e f g h")], 20), "a-very-long-name\n    b c d e f g h\n");
        assert_eq!(first_sentence("One. Two."), "One.");
    }
}
