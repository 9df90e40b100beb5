//! The scripts that come with rtrace: found, listed, printed, explained, and loaded on this kernel; what they show is
//! the business of `scripts_system.rs`, `scripts_network.rs` and `packet_scripts.rs`. And those of others: all of a folder
//! load, for those who bring theirs.
//!
//! `RTRACE_SCRIPTS=/tools vm --kernel 6.12 --overlay FOLDER --env RTRACE_SCRIPTS=/tools every_script` takes the folder
//! `tools` of `FOLDER` into a guest and tries every `.bt` and `.rt` file there.

use rtrace_tests::net::{self, Group, Pair};
use rtrace_tests::{Need, Run, Scratch, missing, requires, rtrace, sibling, skip};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a script wants that not every machine has, and what rtrace says where it is missing. Where nothing is named, only
/// the words tell.
const WANTS: &[(&str, Option<Need>, &str)] = &[
    ("bashreadline", None, "readline"),
    ("dcsnoop", Some(Need::Kprobes), "this kernel has no kprobes"),
    ("gethostlatency", None, "libc"),
    ("llcstat", None, "the processor does not count this here"),
    ("sslsnoop", None, "libssl"),
    ("swapin", Some(Need::Kprobes), "this kernel has no kprobes"),
    ("udpsnoop", Some(Need::Kernel(6, 3)), "sock:sock_send_length"),
    ("vfscount", Some(Need::Kprobes), "this kernel has no kprobes"),
];

/// Names by theme, as rtrace lists them.
fn listed() -> Vec<(String, Vec<String>)> {
    let list = Run::bare().arg("--scripts").to_end();
    list.code(0);
    let mut themes: Vec<(String, Vec<String>)> = Vec::new();
    for line in list.stdout.lines() {
        match (line.strip_prefix("  "), themes.last_mut()) {
            (Some(entry), Some((_, names))) => {
                names.push(entry.split(' ').next().expect("a line has a first word").to_owned());
            }
            _ if !line.is_empty() && !line.starts_with("rtrace ") => themes.push((line.to_owned(), Vec::new())),
            _ => {}
        }
    }
    themes
}

/// Loads and attaches the scripts of a theme.
fn load(theme: &str) {
    let (_, names) = listed().into_iter().find(|(name, _)| name == theme).expect("there is such a theme");
    assert!(!names.is_empty(), "there are no scripts about {theme}");
    for name in names {
        let run = Run::file(&name).arg("--dry-run");
        let out = match name.as_str() {
            "podnet" => {
                if missing(&[Need::CgroupPrograms]).is_some() {
                    continue;
                }
                run.parameter(&Group::new("scripts_podnet").path).to_end()
            }
            "dropcount" => run.arg("--unsafe").parameter("rt_a").parameter("10.0.0.9").to_end(),
            "denyexec" => run.arg("--unsafe").parameter("rt_nothing").to_end(),
            "usdt-top" => run.parameter(sibling("work")).to_end(),
            _ if theme == "packets" => run.parameter("rt_a").to_end(),
            _ => run.to_end(),
        };
        match WANTS.iter().find(|(wants, ..)| *wants == name) {
            Some((_, need, said)) if out.code != Some(0) => {
                let reason = need.as_ref().map_or(Some(String::new()), |need| missing(std::slice::from_ref(need)));
                assert!(reason.is_some(), "{name} has what it wants, and does not load\n{out}");
                out.stderr_has(said);
            }
            _ => {
                assert!(out.code == Some(0) && out.attached, "{name} does not load\n{out}");
                assert!(!out.stderr.contains("WARNING"), "{name} is warned about\n{out}");
            }
        }
    }
}

macro_rules! load {
    ($($name:ident: $theme:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            requires!(Bpf, Tracefs, Btf);
            load($theme);
        })+

        #[test]
        fn every_theme_is_looked_at() {
            let themes: Vec<String> = listed().into_iter().map(|(theme, _)| theme).filter(|theme| theme != "packets").collect();
            assert_eq!(themes, [$($theme),+]);
        }
    };
}

load! {
    first_steps_load: "first steps",
    those_of_processes_load: "processes",
    those_of_files_load: "files",
    those_of_system_calls_load: "system calls",
    those_of_disks_load: "disks",
    those_of_processors_load: "processors",
    those_of_memory_load: "memory",
    those_of_the_network_load: "network",
    those_of_programs_load: "programs and libraries",
    those_of_security_load: "security",
}

#[test]
fn those_of_packets_load() {
    requires!(Bpf, Tracefs, Veth);
    net::alone(|| {
        let _pair = Pair::new("rt_a", "rt_b");
        load("packets");
    });
}

#[test]
fn a_script_is_run_by_its_name() {
    requires!(Bpf);
    let out = Run::file("hello").to_end();
    out.code(0).stdout_has(", process ").stderr_begins("Attached 1 probe");
    assert!(out.stdout.starts_with("hello from rtrace"), "{out}");
}

#[test]
fn a_file_comes_before_a_script() {
    requires!(Bpf);
    let folder = Scratch::folder("names");
    std::fs::write(folder.path().join("hello"), "begin { printf(\"mine\\n\"); }").expect("the folder can be written");
    std::fs::create_dir(folder.path().join("opensnoop")).expect("the folder can be written");
    let run = |word: &str| {
        let out = Command::new(rtrace()).args(["--dry-run", "-q", word]).current_dir(folder.path()).output();
        out.expect("rtrace can be run")
    };
    let out = Command::new(rtrace()).args(["-q", "hello"]).current_dir(folder.path()).output();
    let out = out.expect("rtrace can be run");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "mine\n\n\n");
    // A folder is no file.
    assert!(run("opensnoop").status.success());
    assert!(!run("./opensnoop").status.success());
}

#[test]
fn a_script_is_printed_and_explained() {
    let text = Run::bare().arg("--scripts").arg("opensnoop").to_end();
    text.code(0).stdout_has("\ntracepoint:syscalls:sys_enter_openat,\n");
    assert!(text.stdout.starts_with("// opensnoop  "), "{text}");
    for option in ["--help", "-h"] {
        let help = Run::file("opensnoop").parameter(option).to_end();
        help.code(0).stdout_has("\nUsage: rtrace opensnoop ").stdout_has("\nOptions:\n    --pid=N ");
        assert!(help.stdout.starts_with("opensnoop  ") && !help.stdout.contains("tracepoint:"), "{help}");
    }
    let file = Scratch::file("own.rt", &text.stdout);
    Run::file(file.path()).parameter("--help").to_end().code(0).stdout_has("\nUsage: rtrace opensnoop ");
    Run::file("begin { }").parameter("--help").to_end().code(0).stdout_has("\nUSAGE:\n");
    Run::bare().arg("--scripts").arg("hello").arg("syscount").to_end().code(0).stdout_has("// syscount  ");
    Run::bare().arg("-l").arg("hello").to_end().code(0).stdout_is("");
}

#[test]
fn a_name_that_is_wrong_is_told_with_the_nearest() {
    let wrong = |word: &str, said: &str| {
        Run::file(word).to_end().code(1).stderr_has(said);
    };
    wrong("opensnop", "ERROR: there is no file or script opensnop\nHINT: did you mean opensnoop?");
    wrong("./opensnoop", "ERROR: failed to open file './opensnoop': No such file");
    wrong("opensnoop.bt", "No such file or directory\nHINT: did you mean opensnoop?\n");
    wrong(
        "qqqqqqqq",
        "HINT: rtrace --scripts lists the scripts; a program is given in quotes: rtrace 'begin { ... }'\n",
    );
    let out = Run::bare().arg("--scripts").arg("opensnop").to_end();
    out.code(1).stderr_has("ERROR: there is no script opensnop\nHINT: did you mean opensnoop?");
}

#[test]
fn an_option_that_a_script_does_not_have_is_told() {
    requires!(Bpf);
    let out = Run::file("opensnoop").parameter("--").parameter("--faild").to_end();
    out.code(1).stderr_has("--failed");
}

/// The scripts in a folder and the folders within, sorted.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|extension| extension == "bt" || extension == "rt") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_script_of_a_folder_loads() {
    fn here() {}
    let Some(folder) = std::env::var_os("RTRACE_SCRIPTS") else {
        return skip(std::any::type_name_of_val(&here), "RTRACE_SCRIPTS names no folder");
    };
    let scripts = scripts(Path::new(&folder));
    assert!(!scripts.is_empty(), "no scripts in {folder:?}");
    let mut refused = Vec::new();
    for script in &scripts {
        let out = Run::file(script).arg("--dry-run").to_end();
        if out.code != Some(0) {
            refused.push(format!("{}:\n{}", script.display(), out.stderr));
        }
    }
    assert!(refused.is_empty(), "{} of {} scripts:\n{}", refused.len(), scripts.len(), refused.join("\n"));
}
