use super::*;
use std::collections::BTreeMap;

/// What a line of the header must begin with, in this order.
const PARTS: &[&str] = &["Theme: ", "Usage: rtrace ", "Options:", "Example:", "Oldest kernel: ", "Capabilities: "];

/// Names and descriptions of the named parameters in a script's program.
fn parameters(text: &str) -> BTreeMap<&str, &str> {
    let program = text.split("getopt(\"").skip(1);
    let mut found = BTreeMap::new();
    for call in program {
        let Some((name, rest)) = call.split_once('"') else { continue };
        let inside = rest.split_once(')').map_or(rest, |(inside, _)| inside);
        let description = inside.rsplit_once(", \"").map_or("", |(_, text)| text.trim_end_matches('"'));
        let known = found.entry(name).or_insert(description);
        if known.is_empty() {
            *known = description;
        }
    }
    found
}

#[test]
fn every_header_has_the_form() {
    for script in SCRIPTS {
        let name = script.name;
        let header = Header::of(script.text).unwrap_or_else(|| panic!("{name} begins with no header"));
        assert_eq!(header.name, name, "{name} says that it is called otherwise");
        assert!(!header.about.is_empty() && !header.about.ends_with('.'), "{name}: {}", header.about);
        assert!(THEMES.contains(&header.theme), "{name}: there is no theme {:?}", header.theme);
        let lines: Vec<&str> = header.text.lines().collect();
        let at = |part: &str| lines.iter().position(|line| line.starts_with(part));
        let places: Vec<_> = PARTS.iter().filter_map(|part| at(part).map(|place| (place, part))).collect();
        assert!(places.is_sorted(), "{name}: the parts of its header are in another order: {places:?}");
        for part in PARTS.iter().filter(|part| !["Options:", "Example:"].contains(part)) {
            assert!(at(part).is_some(), "{name}: its header has no {part:?}");
        }
        let version = header.oldest_kernel.split(['.', ',', ' ']).next().unwrap_or_default();
        assert!(version.parse::<u32>().is_ok(), "{name}: {:?} is no kernel", header.oldest_kernel);
        assert!(script.text.lines().all(|line| line.chars().count() <= 120), "{name} has a line that is too long");
        let usage = lines.iter().filter(|line| line.contains("rtrace ") && !line.starts_with("    "));
        assert!(usage.clone().any(|line| line.contains(name)), "{name}: its usage does not name it");
    }
}

#[test]
fn every_option_is_described_once_and_in_the_same_words() {
    for script in SCRIPTS {
        let header = Header::of(script.text).expect("checked by another test");
        let options = header.text.split_once("\nOptions:\n").map_or("", |(_, rest)| rest);
        let options = options.split_once("\n\n").map_or(options, |(options, _)| options);
        let described: BTreeMap<&str, &str> = options
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--")?.split_once("  "))
            .map(|(name, text)| (name.split('=').next().unwrap_or(name), text.trim()))
            .collect();
        assert_eq!(described, parameters(script.text), "{}: options and getopt() differ", script.name);
    }
}

/// What an option is when nobody gives it, is said unless it is nothing: 0, an empty text, false.
#[test]
fn every_option_tells_its_default() {
    for script in SCRIPTS {
        for call in script.text.split("getopt(\"").skip(1) {
            let (name, rest) = call.split_once('"').expect("a name ends with a quote");
            let default = rest.trim_start_matches([',', ' ']).split([',', ')']).next().unwrap_or_default().trim();
            if !["", "0", "\"\"", "false"].contains(&default) {
                let described = parameters(script.text)[name];
                let says = format!("; {default} unless given");
                assert!(described.ends_with(&says), "{}: --{name} is {default}, {described:?}", script.name);
            }
        }
    }
}

#[test]
fn a_script_that_lacks_a_parameter_says_how_it_is_used() {
    let lacks = |name: &str, given| {
        let (title, help) = find(name).expect("it is a script").lacks(given)?;
        Some(format!("{title}; {help}"))
    };
    let told = "xdptop needs a parameter; for example rtrace xdptop eth0; rtrace xdptop --help says more";
    assert_eq!(lacks("xdptop", 0).as_deref(), Some(told));
    let told = "dropcount needs 2 parameters; for example rtrace --unsafe dropcount eth0 10.0.0.9; \
                rtrace dropcount --help says more";
    assert_eq!(lacks("dropcount", 1).as_deref(), Some(told));
    assert_eq!((lacks("xdptop", 1), lacks("dropcount", 3), lacks("opensnoop", 0)), (None, None, None));
}

#[test]
fn the_list_has_every_script_under_its_theme() {
    let list = list();
    for script in SCRIPTS {
        assert_eq!(list.matches(&format!("\n  {:width$}  ", script.name, width = 14)).count(), 1, "{}", script.name);
    }
    assert!(list.starts_with("first steps\n  hello "), "{list}");
}

#[test]
fn a_script_is_found_by_its_name_and_by_that_of_its_file() {
    let found = |name: &str| find(name).map(|script| script.name);
    assert_eq!(["opensnoop", "opensnoop.rt"].map(found), [Some("opensnoop"); 2]);
    assert_eq!(["opensnoop.bt", "./opensnoop", ".rt", ""].map(found), [None; 4]);
}

#[test]
fn a_near_name_is_suggested() {
    let meant = |name: &str| meant(name).unwrap_or_default();
    assert_eq!(meant("opensnop"), "did you mean opensnoop? rtrace --scripts lists the scripts");
    assert_eq!(meant("opensnoop.bt"), "did you mean opensnoop?");
    assert_eq!(meant("qqqqqqqq"), "");
}

#[test]
fn other_comments_are_no_header() {
    assert_eq!(Header::of("// a comment\nbegin { }"), None);
    assert_eq!(Header::of("begin { }"), None);
    let header = Header::of("#!/usr/bin/rtrace\n// a  b\n//\n// Theme: files\nbegin { }").expect("a header");
    assert_eq!(
        (header.name, header.about, header.theme, header.text.as_str()),
        ("a", "b", "files", "a  b\n\nTheme: files")
    );
}

/// `RTRACE_BLESS=1` writes the page anew.
#[test]
fn the_page_of_the_manual_is_made_of_the_headers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scripts.md");
    let page = page();
    if std::env::var_os("RTRACE_BLESS").is_some() {
        std::fs::write(path, &page).expect("the page can be written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == page, "docs/scripts.md is not what the headers say: RTRACE_BLESS=1 cargo test -p rtrace page");
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for theme in THEMES {
        let mut letters = theme.chars();
        let title: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
        let _ = write!(page, "\n## {title}\n\n| Script | What it shows | Oldest kernel |\n|---|---|---|\n");
        for header in of_theme(theme) {
            let cells = [header.about, header.oldest_kernel].map(|text| text.replace('|', "\\|"));
            let _ = writeln!(page, "| [`{0}`](../scripts/{0}.rt) | {1} | {2} |", header.name, cells[0], cells[1]);
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Scripts

These scripts are in rtrace itself. They are short, and made to be read: for many questions one of them is the answer, for
others it is the beginning of one's own.

| | |
|---|---|
| `rtrace opensnoop` | runs one |
| `rtrace opensnoop --help` | says what it shows and how it is used, with an example |
| `rtrace opensnoop -- --failed` | runs it with an option of its own, which stands after `--` |
| `rtrace --scripts` | lists them |
| `rtrace --scripts opensnoop` | prints one: `rtrace --scripts opensnoop > mine.rt` is how one's own begins |

All options of rtrace work with them: `rtrace -f json execsnoop`, `rtrace -c 'make' syscount`, `rtrace -o log opensnoop`. A
file of this name in the current folder, or given by its path, comes before a script of rtrace's. They run until Ctrl-C
unless their usage says otherwise.

A script uses the most stable events that tell what it shows: tracepoints, then `fentry`, then kprobes. The oldest kernel
is the one from which on it shows all of it; each is loaded by the tests on Linux 6.1, 6.12 and 7.
";
