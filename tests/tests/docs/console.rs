//! What the documents show of a terminal: blocks marked `console`, in which a line that begins with `# ` is a command and
//! what follows is what it printed.
//!
//! The commands are run as they are, in a folder of their own. What they print depends on the machine, so it is compared by
//! its shape: numbers may be others, and most lines must be there. `# cat FILE` with a text below makes that file, and a
//! script that no such text has made is the program that the page has shown last.

use super::{Block, DOCUMENTS, blocks};
use rtrace_tests::net::{self, Pair};
use rtrace_tests::{Need, Scratch, missing, patience, requires, rtrace};
use std::collections::HashSet;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command, and what is shown below it.
struct Step {
    command: String,
    shown: String,
}

/// The steps of a block. A command goes on while a quote is open.
fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.text.lines() {
        let is_open =
            steps.last().is_some_and(|step| step.shown.is_empty() && step.command.matches('\'').count() % 2 == 1);
        match (steps.last_mut(), line.strip_prefix("# ")) {
            (Some(step), _) if is_open => step.command += &format!("\n{line}"),
            (_, Some(command)) => steps.push(Step { command: command.to_owned(), shown: String::new() }),
            (Some(step), None) => step.shown += &format!("{line}\n"),
            (None, None) => panic!("{}: a block begins with a command", block.place),
        }
    }
    steps
}

/// What a line looks like whatever was counted: words with a digit are one, and so are bars and spaces.
fn shape(line: &str) -> String {
    let is_of_word = |letter: char| letter.is_alphanumeric() || "_./+-".contains(letter);
    let mut shape = String::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|letter| is_of_word(letter) != is_of_word(first)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        match is_of_word(first) {
            true if piece.contains(|letter: char| letter.is_ascii_digit()) => shape.push('0'),
            true => shape.push_str(piece),
            // A bar is more or less long.
            false => shape.extend(piece.chars().filter(|letter| !letter.is_whitespace())),
        }
    }
    shape.replace("@@", "").replace("|@|", "||")
}

/// Runs a command until it has ended, or for as long as anybody would look at it; gives all that it printed.
fn printed(command: &str, folder: &Path) -> String {
    const LOOK: Duration = Duration::from_secs(3);
    let path = std::env::var("PATH").unwrap_or_default();
    let tool = rtrace();
    let tools = tool.parent().unwrap_or(Path::new("/"));
    let out = folder.join(".out");
    let file = std::fs::File::create(&out).expect("a file can be made");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", tools.display()))
        .env("NO_COLOR", "1");
    shell
        .stdin(Stdio::null())
        .stderr(file.try_clone().expect("a descriptor can be copied"))
        .stdout(file)
        .process_group(0);
    let mut shell = shell.spawn().expect("there is a shell");
    let group = shell.id() as i32;
    // What runs a command ends with it; other things are looked at from the first words on that they say.
    let is_endless = !command.contains(" -c ");
    let (begun, mut shown, mut is_told) = (Instant::now(), None, false);
    while shell.try_wait().expect("it can be waited for").is_none() {
        if shown.is_none() && out.metadata().is_ok_and(|file| file.len() > 0) {
            shown = Some(Instant::now());
        }
        if is_endless && !is_told && shown.is_some_and(|shown| shown.elapsed() > LOOK) {
            is_told = true;
            // SAFETY: the process group is the one that was made above.
            unsafe { libc::kill(-group, libc::SIGINT) };
        }
        assert!(begun.elapsed() < patience(LOOK * 10), "`{command}` does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    let bytes = std::fs::read(out).expect("it was written");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a command wants what this machine does not have.
fn lacks(command: &str) -> bool {
    let needs = [("kprobe:", Need::Kprobes), ("fentry:", Need::Fentry), ("fexit:", Need::Fentry)];
    needs.into_iter().any(|(word, need)| command.contains(word) && missing(&[need]).is_some())
}

/// Runs the steps of a block and compares; gives what is not as shown.
fn follow(block: &Block, program: &str, folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for Step { command, shown } in steps(block) {
        let file = command.strip_prefix("cat ").filter(|name| !name.contains(['/', ' ']));
        if let Some(name) = file {
            std::fs::write(folder.join(name), shown).expect("a file can be made");
            continue;
        }
        if lacks(&command) {
            continue;
        }
        for name in command.split(' ').filter(|word| word.ends_with(".rt") && !word.contains('/')) {
            if !folder.join(name).exists() {
                std::fs::write(folder.join(name), program).expect("a file can be made");
            }
        }
        let printed = printed(&command, folder);
        let there: HashSet<String> = printed.lines().map(shape).collect();
        let lines: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty() && *line != "...").collect();
        let missing: Vec<&str> = lines.iter().copied().filter(|line| !there.contains(&shape(line))).collect();
        let told = format!("{}: `{command}` prints\n{printed}\nwhere this is shown:\n{shown}", block.place);
        let is_other = missing.len() * 2 > lines.len() || missing.iter().any(|line| line.starts_with("Attached "));
        if is_other {
            wrong.push(format!("{told}\nand so these are missing:\n{}", missing.join("\n")));
        } else if printed.contains("ERROR") && !shown.contains("ERROR") {
            wrong.push(told);
        }
    }
    wrong
}

#[test]
fn what_a_terminal_shows_is_what_happens() {
    requires!(Bpf, Tracefs, Veth, Own, File(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")));
    let (mut count, mut wrong) = (0, Vec::new());
    for (path, document) in DOCUMENTS {
        // What a page has made in one block is there in the next.
        let folder = Scratch::new("console");
        std::fs::create_dir_all(folder.path()).expect("a folder can be made");
        let mut program = String::new();
        for block in blocks(path, document) {
            if block.mark == "rtrace" {
                program.clone_from(&block.text);
            }
            if block.mark != "console" {
                continue;
            }
            count += 1;
            let follow = || follow(&block, &program, folder.path());
            wrong.extend(match ["eth0", ":lo:"].iter().any(|name| block.text.contains(name)) {
                true => net::alone(|| {
                    let _pair = Pair::new("eth0", "eth1");
                    follow()
                }),
                false => follow(),
            });
        }
        let _ = std::fs::remove_dir_all(folder.path());
    }
    assert!(count > 0, "the documents show no terminal");
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

#[test]
fn shapes_forget_numbers_and_bars() {
    assert_eq!(shape("[512, 1K)              1 |@@@@@@@                 |"), shape("[2, 4)  77 |@@ |"));
    assert_eq!(shape("@[sh]: 5"), shape("@[sh]: 17"));
    assert_ne!(shape("@[sh]: 5"), shape("@[cat]: 5"));
    assert_ne!(shape("@a: 5"), shape("@b: 5"));
    assert_eq!(shape("        vfs_read+812"), shape("vfs_open+9"));
}
