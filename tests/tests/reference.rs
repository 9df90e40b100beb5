//! The reference pages of the manual are made of the tables that the language's own parts read, and are as the tables have
//! it. `RTRACE_BLESS=1` writes them anew.

use lang::topics::{Kind, Topic, of_kind};
use rtrace_tests::generated::compare;
use rtrace_tests::requires;
use std::fmt::Write as _;

/// What is shown as an example, but cannot be loaded on each machine that the manual's programs are tried on (they are
/// marked as programs otherwise): a part of it, and why.
const NOT_EVERYWHERE: &[(&str, &str)] = &[
    ("fentry:", "not on each kernel"),
    ("fexit:", "not on each kernel"),
    ("uprobe:", "takes a certain program"),
    ("uretprobe:", "takes a certain program"),
    ("usdt:", "takes a certain program"),
    ("hardware:", "not in each machine"),
    ("watchpoint:", "not in each machine"),
    ("cgroup_skb:", "takes a file system that is mounted"),
    ("cgroupid(", "takes a file system that is mounted"),
    ("dw_ustack", "wants a process, and warns"),
    ("tseries(", "warns that it may change"),
    ("while (", "warns that it is deprecated"),
    ("debugf(", "warns that it is slow"),
    ("len(@", "takes Linux 6.6"),
    ("comm(ctx", "takes Linux 6.2"),
    ("percpu_kaddr(", "takes a kernel with its variables in kallsyms"),
    ("system(", "takes --unsafe"),
    ("signal(", "takes --unsafe"),
    ("signal_thread(", "takes --unsafe"),
    ("write_user(", "takes --unsafe"),
    ("override(", "takes --unsafe"),
    ("redirect(", "takes --unsafe"),
];

const MADE: &str =
    "<!-- Made of the tables in lang/src: RTRACE_BLESS=1 cargo test -p rtrace-tests --test reference -->\n";

/// An entry with its example.
fn entry(topic: &Topic) -> String {
    let usage = match topic.kind {
        // Prose with forms in it.
        Kind::Providers => format!("Written {}.", topic.usage),
        _ => format!("`{}`", topic.usage),
    };
    let mut text = format!("### {}\n\n{}\n", topic.name, wrapped(&usage));
    if !topic.also.is_empty() && topic.kind != Kind::Builtins {
        let also: Vec<String> = topic.also.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(text, "\nAlso {}.\n", also.join(", "));
    }
    let _ = write!(text, "\n{}\n", wrapped(&topic.doc));
    if !topic.example.is_empty() {
        let is_program = !NOT_EVERYWHERE.iter().any(|(part, _)| topic.example.contains(part));
        let _ = write!(text, "\n```{}\n{}\n```\n", if is_program { "rtrace" } else { "" }, topic.example);
    }
    text
}

/// A chapter; `seen` are the headings so far.
fn chapter(title: &str, about: &str, kind: Kind, seen: &mut Vec<String>) -> String {
    let topics = of_kind(kind);
    // As GitHub makes anchors of headings: what is there already gets a number.
    let mut anchor = |name: &str| {
        let plain = name.replace(['#', '$'], "").to_lowercase();
        let before = seen.iter().filter(|known| **known == plain).count();
        seen.push(plain.clone());
        if before == 0 { plain } else { format!("{plain}-{before}") }
    };
    let links: Vec<String> =
        topics.iter().map(|topic| format!("[{0}](#{1})", topic.name, anchor(topic.name))).collect();
    let entries: Vec<String> = topics.iter().map(entry).collect();
    format!("## {title}\n\n{about}\n\n{}\n\n{}", wrapped(&links.join(", ")), entries.join("\n"))
}

/// In lines of the width that the manual has.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 118;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            *last += if last.is_empty() { "" } else { " " };
            *last += word;
        }
    }
    lines.join("\n")
}

fn library() -> String {
    let seen = &mut Vec::new();
    let chapters = [
        chapter(
            "Builtins",
            "Names that have a value. A builtin may be called, too: `pid()`. In `begin`, `end` and `interval` the current\n\
             task is rtrace itself.",
            Kind::Builtins,
            seen,
        ),
        chapter(
            "Functions",
            "What is called. A function that can do without arguments may be named only: `kstack`. What takes `--unsafe`\n\
             changes what is traced, or runs commands.",
            Kind::Functions,
            seen,
        ),
        chapter(
            "Aggregations",
            "They stand only on the right of `@map =` or `@map[key] =`: [Aggregations](language.md#aggregations).",
            Kind::Aggregations,
            seen,
        ),
        chapter("Statements and other words", "More about them: [Statements](statements.md).", Kind::Statements, seen),
    ];
    format!(
        "{MADE}# Library\n\n\
         Every builtin, function, aggregation and word of the language, with an example. `rtrace --doc NAME` and `:help\n\
         NAME` at the [prompt](repl.md) say the same. What goes together is explained in [Functions](functions.md).\n\n{}",
        chapters.join("\n")
    )
}

fn providers() -> String {
    format!(
        "{MADE}# Providers\n\n\
         Every kind of probe: how its attach points are written, when it runs, and an example. `rtrace --doc NAME` and\n\
         `:help NAME` at the [prompt](repl.md) say the same. What each of them can do is explained in\n\
         [Probes](probes.md).\n\n{}",
        chapter(
            "All of them",
            "Capitals do not matter in full names; short names are as they are.",
            Kind::Providers,
            &mut Vec::new()
        )
    )
}

#[test]
fn the_reference_is_what_the_tables_give() {
    requires!(File(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")));
    compare("library.md", &library());
    compare("providers.md", &providers());
}

#[test]
fn the_manual_has_all_commands_of_the_prompt() {
    // The rows are asked for at the prompt's own help, which needs no kernel.
    let rows = rtrace_tests::Run::bare().arg("--doc").arg("commands").to_end();
    let rows: Vec<(&str, &str)> = rows
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  :"))
        .filter_map(|line| line.split_once("  "))
        .map(|(usage, help)| (usage.trim(), help.trim()))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    const MANUAL: &str = include_str!("../../docs/repl.md");
    let commands = MANUAL.split("## Commands").nth(1).expect("there is a section on commands");
    let shown: Vec<&str> = commands.lines().filter_map(|line| line.strip_prefix("| `:")).collect();
    let names: Vec<&str> = shown.iter().filter_map(|row| row.split(['`', ' ']).next()).collect();
    for (usage, _) in &rows {
        let name = usage.split(' ').next().unwrap_or_default();
        // In a table of Markdown a bar is written with a backslash.
        let row = format!("{}` |", usage.replace('|', "\\|"));
        assert!(shown.iter().any(|shown| shown.starts_with(&row)), ":{usage} is not in docs/repl.md");
        assert!(names.contains(&name));
    }
    let known: Vec<&str> = rows.iter().filter_map(|(usage, _)| usage.split(' ').next()).collect();
    for name in names {
        assert!(known.contains(&name), "docs/repl.md has a command :{name} that there is not");
    }
}
