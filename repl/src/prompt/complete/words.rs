//! Words of the language and of the session.

use super::lists::List;
use super::{Candidate, Found, Lists};
use crate::prompt::commands::COMMANDS;
use crate::prompt::knowledge::Knowledge;
use crate::scripts::{Header, SCRIPTS, Script};
use lang::ast::{Macro, MacroParamKind, TypeTag};
use lang::builtins::BUILTINS;
use lang::check::plain_types;
use lang::config::{Kind, VARIABLES};
use lang::cursor::{Before, PieceKind, before};
use lang::functions::{FUNCTIONS, FunctionId};
use lang::packets::{PROTOCOLS, protocol};
use lang::probes::{PROVIDERS, ProviderId, provider, without_name};
use lang::words::reserved_names;

/// Words that begin what is no probe, with what follows them.
const ITEMS: [(&str, &str); 8] = [
    ("config = {", "set how scripts are compiled and shown"),
    ("enum ", "define names of numbers"),
    ("import \"", "take in another script"),
    ("let @", "say how a map is kept"),
    ("macro ", "define a macro"),
    ("struct ", "define a structure"),
    ("typedef ", "give a type another name"),
    ("union ", "define a union"),
];

/// Keywords that begin statements; the others stand in values.
const STATEMENTS: [&str; 9] = ["break", "continue", "else", "for", "if", "let", "return", "unroll", "while"];

/// What an unfinished text says of the place at its end.
pub struct Scene<'a> {
    knowledge: &'a Knowledge,
    read: Before<'a>,
    /// That of the probe the place is in.
    provider: Option<ProviderId>,
}

impl<'a> Scene<'a> {
    /// Reads the text up to the place.
    pub fn new(knowledge: &'a Knowledge, text: &'a str) -> Self {
        let read = before(text);
        let point = read.pieces.iter().rfind(|piece| piece.kind == PieceKind::Point);
        let word = point.and_then(|point| without_name(point.text).split(':').next());
        let provider = word.and_then(provider).map(|row| row.id);
        Self { knowledge, read, provider }
    }

    /// Whether packets are what happens there.
    fn sees_packets(&self) -> bool {
        let is_packet =
            |id| matches!(id, ProviderId::Xdp | ProviderId::Tc | ProviderId::Socket | ProviderId::CgroupSkb);
        self.provider.is_some_and(is_packet)
    }

    /// The names of a kind in the text, without the one that ends it.
    fn mentioned(&self, kind: PieceKind) -> impl Iterator<Item = &'a str> {
        let count = self.read.pieces.len().saturating_sub(1);
        self.read.pieces[..count].iter().filter(move |piece| piece.kind == kind).map(|piece| piece.text)
    }
}

/// Words that begin a definition.
pub fn items() -> impl Iterator<Item = Candidate> {
    ITEMS.iter().map(|(text, note)| Candidate::new(*text).noted(*note))
}

/// What may begin a statement, or something else instead.
pub fn statements(scene: &Scene<'_>, others: Vec<Candidate>, lists: &dyn Lists, found: &mut Found) {
    let keywords = STATEMENTS.iter().map(|word| Candidate::new(*word));
    found.offer(keywords.chain(operands(scene)).chain(others).collect());
    constants(lists, found);
}

/// What may stand in a value.
pub fn values(scene: &Scene<'_>, lists: &dyn Lists, found: &mut Found) {
    let is_value = |word: &&str| !STATEMENTS.contains(word) && !matches!(*word, "import" | "macro");
    let in_brackets = scene.read.pieces.iter().rev().find(|piece| piece.text != found.typed);
    let keywords = reserved_names().filter(is_value).chain(["if"]).map(|word| match word {
        "sizeof" | "offsetof" | "typeof" | "typeinfo" => Candidate::new(format!("{word}(")),
        "struct" | "union" | "enum" => Candidate::new(format!("{word} ")),
        word => Candidate::new(word),
    });
    // A value may be cast, in brackets only.
    let types = in_brackets.is_some_and(|piece| piece.is("(") || piece.is(","));
    let types = plain_types().filter(|_| types && !found.typed.is_empty()).map(Candidate::new);
    found.offer(keywords.chain(operands(scene)).chain(types).collect());
    constants(lists, found);
}

/// Names of values and functions.
fn operands<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = Candidate> + 'a {
    let functions = FUNCTIONS.iter().map(|row| {
        let bracket = if FunctionId::VALUES.contains(&row.id) { "" } else { "(" };
        Candidate::new(format!("{}{bracket}", row.name)).noted(row.usage)
    });
    // Of those that are both, the value is the plainer.
    let both = |name: &str| FUNCTIONS.iter().any(|row| row.name == name);
    let builtins = BUILTINS.iter().map(move |row| {
        let also = if both(row.name) { ", also a function" } else { "" };
        Candidate::new(row.name).noted(format!("{}{also}", row.ty))
    });
    let macros = scene.knowledge.known.macros().iter().map(|item| {
        let signature = signature(item);
        Candidate::new(format!("{}(", item.name.text)).noted(format!("macro {signature}"))
    });
    let words = scene.mentioned(PieceKind::Word).zip(scene.mentioned(PieceKind::Word).skip(1));
    let own =
        words.filter(|(word, _)| *word == "macro").map(|(_, name)| Candidate::new(format!("{name}(")).noted("macro"));
    let args =
        scene.provider.filter(|id| id.row().named_args).map(|_| Candidate::new("args").noted("arguments by name"));
    let protocols = PROTOCOLS.iter().filter(|_| scene.sees_packets());
    let protocols = protocols.map(|row| Candidate::new(row.name).noted(row.doc));
    functions.chain(builtins).chain(macros).chain(own).chain(args).chain(protocols)
}

/// How a macro is called.
fn signature(item: &Macro) -> String {
    let params = item.params.iter().map(|param| {
        let sigil = match param.kind {
            MacroParamKind::Expr => "",
            MacroParamKind::Var => "$",
            MacroParamKind::Map => "@",
        };
        format!("{sigil}{}", param.name.text)
    });
    format!("{}({})", item.name.text, params.collect::<Vec<_>>().join(", "))
}

/// Names of numbers, which are thousands, and written in capitals.
fn constants(lists: &dyn Lists, found: &mut Found) {
    const FEWEST: usize = 3;
    let typed = found.typed.clone();
    let is_likely = typed.len() >= FEWEST && !typed.bytes().any(|byte| byte.is_ascii_lowercase());
    if !found.is_empty() && !found.is_alike() || !is_likely {
        return;
    }
    let mut all: Vec<String> =
        lang::c::constants::names().filter(|name| name.starts_with(&typed)).map(str::to_owned).collect();
    if let Some(names) = lists.get(List::Constants, &typed) {
        all.extend(names.beginning(&typed).map(str::to_owned));
    }
    if !all.is_empty() {
        *found = Found::new(&typed);
        found.offer(all.into_iter().map(Candidate::new).collect());
    }
}

/// Maps of the session and of the text.
pub fn maps(scene: &Scene<'_>, found: &mut Found) {
    found.offer(map_names(scene));
}

fn map_names(scene: &Scene<'_>) -> Vec<Candidate> {
    let known = scene.knowledge.maps.iter().map(|(name, value)| {
        let (plain, key) = name.split_once('[').map_or((name.as_str(), ""), |(plain, _)| (plain, "["));
        let key = if key.is_empty() { "" } else { &name[plain.len()..] };
        Candidate::new(plain).noted(format!("{key}{}{value}", if key.is_empty() { "" } else { " " }))
    });
    let mut all: Vec<Candidate> = known.collect();
    let is_known = |name: &str, all: &[Candidate]| all.iter().any(|one| one.text == name);
    for name in scene.mentioned(PieceKind::Map) {
        if !is_known(name, &all) {
            all.push(Candidate::new(name));
        }
    }
    all
}

/// Variables of the probe, with the types that are known.
pub fn variables(scene: &Scene<'_>, types: &[(String, String)], found: &mut Found) {
    let pieces = &scene.read.pieces;
    let begins = |text: &str| text == "macro";
    let first = pieces.iter().rposition(|piece| piece.kind == PieceKind::Point || begins(piece.text)).unwrap_or(0);
    let count = pieces.len().saturating_sub(1).max(first);
    let own = pieces[first..count].iter().filter(|piece| piece.kind == PieceKind::Variable);
    let typed = |name: &str| types.iter().find(|(known, _)| known == name.trim_start_matches('$'));
    let all = own.map(|piece| {
        let ty = typed(piece.text).map(|(_, ty)| ty.clone()).unwrap_or_default();
        Candidate::new(piece.text).noted(ty)
    });
    found.offer(all.collect());
}

/// What needs no checker: fields of packets, and config variables.
pub fn fields_of(value: &str, scene: &Scene<'_>) -> Option<Vec<Candidate>> {
    if value == "config" {
        return Some(variables_of_config().map(|row| Candidate::new(row.name).noted(row.help)).collect());
    }
    let row = protocol(value).filter(|_| scene.sees_packets())?;
    Some(row.fields.iter().map(|field| Candidate::new(field.name).noted(field.ty().to_string())).collect())
}

/// Structures, unions or enums of the session.
pub fn own_types(knowledge: &Knowledge, tag: TypeTag) -> Vec<String> {
    let parsed = lang::parser::parse_at(&knowledge.c, 1, &lang::c::Unread);
    let c = parsed.script.c;
    let records = c.records.iter().filter(|record| record.tag == tag).filter_map(|record| record.name.clone());
    let enums = c.enums.iter().filter(|_| tag == TypeTag::Enum).filter_map(|item| item.name.clone());
    records.chain(enums).collect()
}

fn variables_of_config() -> impl Iterator<Item = &'static lang::config::Variable> {
    VARIABLES.iter().filter(|row| !matches!(row.kind, Kind::Gone | Kind::Environment))
}

/// Config variables, to be set.
pub fn config_names(found: &mut Found) {
    found.offer(variables_of_config().map(|row| Candidate::new(format!("{}=", row.name)).noted(row.help)).collect());
}

/// What a config variable may be set to.
pub fn config_values(name: &str, found: &mut Found) {
    let Some(row) = VARIABLES.iter().find(|row| row.name == name) else { return };
    let note = |word: &str| if word == row.default { "default" } else { "" };
    found.offer(row.words().into_iter().map(|word| Candidate::new(word).noted(note(word))).collect());
}

/// Commands, of which the colon is typed already.
pub fn commands(found: &mut Found) {
    let blank = |takes: &str| if takes.is_empty() { "" } else { " " };
    let all = COMMANDS.iter().map(|row| {
        let takes = if row.takes.is_empty() { String::new() } else { format!("{}: ", row.takes) };
        Candidate::labelled(format!("{}{}", row.name, blank(row.takes)), format!(":{}", row.name))
            .noted(format!("{takes}{}", row.help))
    });
    found.offer(all.collect());
}

/// What there is help about.
pub fn topics(found: &mut Found) {
    let commands = COMMANDS.iter().map(|row| Candidate::new(row.name).noted(row.help));
    let functions = FUNCTIONS.iter().map(|row| Candidate::new(row.name).noted(row.usage));
    let builtins = BUILTINS.iter().map(|row| Candidate::new(row.name).noted(row.ty.to_string()));
    let providers = PROVIDERS.iter().map(|row| Candidate::new(row.name).noted(row.doc));
    let config = variables_of_config().map(|row| Candidate::new(row.name).noted(row.help));
    found.offer(commands.chain(functions).chain(builtins).chain(providers).chain(config).collect());
}

/// The scripts that come with rtrace.
pub fn scripts(found: &mut Found) {
    let about = |script: &Script| Header::of(script.text).map_or("", |header| header.about);
    found.offer(SCRIPTS.iter().map(|script| Candidate::new(script.name).noted(about(script))).collect());
}

/// The numbers of the probes.
pub fn probes(knowledge: &Knowledge, found: &mut Found) {
    let typed = found.typed.clone();
    let sign = if typed.starts_with('#') { "#" } else { "" };
    for (number, text) in knowledge.probes.iter() {
        let number = format!("{sign}{number}");
        if number.starts_with(&typed) {
            let line = text.lines().next().unwrap_or_default();
            found.push(Candidate::new(number).noted(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::complete::names::Names;
    use std::sync::Arc;

    struct Fake;

    impl Lists for Fake {
        fn get(&self, list: List, _: &str) -> Option<Arc<Names>> {
            (list == List::Constants).then(|| Arc::new(Names::new(vec!["BPF_MAP_TYPE_HASH", "PIDTYPE_PID"])))
        }
    }

    fn knowledge() -> Knowledge {
        let text = |text: &str| text.to_owned();
        Knowledge {
            maps: [(text("@by[string[16], int64]"), text("count_t")), (text("@n"), text("uint64"))].into(),
            probes: [(1, text("kprobe:f { }")), (12, text("begin {\n}"))].into(),
            c: "struct mine { int a; };\nenum mode { OFF };\n".into(),
            ..Knowledge::default()
        }
    }

    fn found(text: &str, typed: &str, act: impl Fn(&Scene<'_>, &mut Found)) -> Vec<String> {
        let knowledge = knowledge();
        let mut found = Found::new(typed);
        act(&Scene::new(&knowledge, text), &mut found);
        let noted =
            |one: &Candidate| if one.note.is_empty() { one.text.clone() } else { format!("{} {}", one.text, one.note) };
        found.candidates().iter().map(noted).collect()
    }

    #[test]
    fn keywords_are_either_of_statements_or_of_values() {
        assert!(STATEMENTS.iter().all(|word| lang::words::is_reserved(word)));
    }

    #[test]
    fn functions_show_their_signatures() {
        let values = |text: &str, typed: &str| found(text, typed, |scene, found| values(scene, &Fake, found));
        assert_eq!(values("begin { strf", "strf"), ["strftime( strftime(\"format\", nsecs)"]);
        assert_eq!(
            values("begin { com", "com"),
            ["comm string[16], also a function", "comm( comm, comm(pid)", "comptime"]
        );
        assert_eq!(values("begin { (uint6", "uint6"), ["uint64", "uint64_t"]);
        assert_eq!(values("begin { 1 + uint6", "uint6"), [""; 0]);
        assert!(values("tc:lo:egress { tc", "tc")[0].starts_with("tcp TCP"));
        assert_eq!(values("begin { arg", "args"), [""; 0]);
        assert_eq!(values("t:a:b { arg", "args"), ["args arguments by name"]);
        assert_eq!(values("begin { PIDT", "PIDT"), ["PIDTYPE_PID"]);
        assert_eq!(values("begin { AF_INE", "AF_INE"), ["AF_INET", "AF_INET6"]);
        assert_eq!(values("macro twice(a) { a } begin { tw", "tw"), ["twice( macro"]);
        // Letters that no word begins with.
        assert_eq!(values("begin { nctm", "strncm")[0], "strncmp( strncmp(text, text, length)");
        assert_eq!(values("begin { x", "sftime")[0], "strftime( strftime(\"format\", nsecs)");
    }

    #[test]
    fn maps_and_variables() {
        let maps = |text: &str, typed: &str| found(text, typed, maps);
        assert_eq!(maps("begin { @own = 1; @", "@"), ["@by [string[16], int64] count_t", "@n uint64", "@own"]);
        assert_eq!(maps("@b", "@b"), ["@by [string[16], int64] count_t"]);
        let types = [("pid".to_owned(), "int32".to_owned())];
        let vars = |text: &str| found(text, "$p", |scene, found| variables(scene, &types, found));
        assert_eq!(vars("begin { $pother = 1; } end { $pid = 1; $path = 2; print($p"), ["$path", "$pid int32"]);
        assert_eq!(vars("$p"), [""; 0]);
    }

    #[test]
    fn what_needs_no_checker() {
        let fields = |text: &str, value: &str| {
            let knowledge = knowledge();
            fields_of(value, &Scene::new(&knowledge, text)).map(|fields| fields.len())
        };
        assert!(fields("xdp:lo { tcp.", "tcp").is_some_and(|count| count > 5));
        assert_eq!(fields("begin { tcp.", "tcp"), None);
        assert!(fields("begin { config.", "config").is_some_and(|count| count > 10));
        assert_eq!(own_types(&knowledge(), TypeTag::Struct), ["mine"]);
        assert_eq!(own_types(&knowledge(), TypeTag::Enum), ["mode"]);
    }

    #[test]
    fn config_and_commands() {
        let names = found("", "max_st", |_, found| config_names(found));
        assert_eq!(names, ["max_strlen= Most bytes of a text read by str()"]);
        let values = |name: &str| found("", "", |_, found| config_values(name, found));
        assert_eq!(values("missing_probes"), ["error default", "ignore", "warn"]);
        assert_eq!(values("cpp_demangle"), ["false", "true default"]);
        assert_eq!(values("cache_user_symbols"), ["NONE", "PER_PID", "PER_PROGRAM"]);
        assert_eq!(values("max_strlen"), [""; 0]);
        assert_eq!(found("", "pro", |_, found| commands(found)), ["probes list the probes"]);
        assert_eq!(found("", "", |scene, found| probes(scene.knowledge, found)), ["1 kprobe:f { }", "12 begin {"]);
        assert_eq!(found("", "#12", |scene, found| probes(scene.knowledge, found)), ["#12 begin {"]);
    }
}
