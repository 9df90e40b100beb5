//! Draws what rtrace shows on a terminal: `picture FOLDER` writes the pictures of the README, from real output.
//!
//! It wants to be run as root, on a machine that is not busy with something else.

use rtrace_tests::Terminal;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Columns of the terminals.
const COLUMNS: u16 = 88;
/// Places of a letter, in the picture's units.
const WIDE: f32 = 8.4;
const HIGH: f32 = 18.0;
const MARGIN: f32 = 14.0;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "docs/pictures".to_owned());
    std::fs::create_dir_all(&folder)?;
    let write = |name: &str, lines: &[Line]| std::fs::write(Path::new(&folder).join(name), drawing(lines));
    write("histogram.svg", &histogram())?;
    write("session.svg", &session())
}

/// A line in pieces of one look each.
type Line = Vec<(String, String)>;

/// How long the reads of a command take.
fn histogram() -> Vec<Line> {
    let program = "tracepoint:syscalls:sys_enter_read /pid == cpid/ { @start[tid] = nsecs }\n\
                   tracepoint:syscalls:sys_exit_read /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start, tid) }";
    let command = "sh -c 'exec sort -u -o /dev/null /usr/share/doc/*/copyright'";
    let mut terminal = Terminal::with(&["-q", "-c", command, "-e", program], "xterm-256color", (COLUMNS, 50), &[]);
    terminal.left();
    let typed = format!("# rtrace -q -c \"{command}\" '");
    let mut lines = vec![vec![(String::new(), typed)]];
    lines.extend(program.lines().map(|line| vec![(String::new(), format!("    {line}"))]));
    if let Some(last) = lines.last_mut() {
        last.push((String::new(), "'".to_owned()));
    }
    lines.extend(terminal.pieces());
    lines
}

/// A first session.
fn session() -> Vec<Line> {
    let mut terminal = Terminal::with(&[], "xterm-256color", (COLUMNS, 50), &[]);
    terminal.ready();
    terminal.enter("tracepoint:syscalls:sys_enter_openat { @opens[comm] = count() }");
    work("ls", &["-R", "/etc"]);
    work("find", &["/usr/share/doc", "-name", "copyright"]);
    terminal.enter("print(@opens, 3)");
    terminal.enter("tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @bytes = hist(args.ret) }");
    work("sort", &["/etc/services", "/usr/share/common-licenses/GPL-3"]);
    terminal.enter("@bytes");
    terminal.enter("sizeof(struct task_struct)");
    terminal.enter("clear(@open)");
    terminal.enter(":probes");
    let lines = terminal.pieces();
    terminal.press(":quit!\r");
    lines
}

/// Something to be seen.
fn work(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(done.is_ok(), "{program} cannot be run");
}

/// The picture of these lines.
fn drawing(lines: &[Line]) -> String {
    let full = |line: &Line| line.iter().any(|(_, text)| !text.trim().is_empty());
    let first = lines.iter().position(full).unwrap_or(0);
    let last = lines.iter().rposition(full).map_or(first, |last| last + 1);
    let lines = &lines[first..last];
    let width = MARGIN * 2.0 + f32::from(COLUMNS) * WIDE;
    let height = MARGIN * 2.0 + lines.len() as f32 * HIGH;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#16181d\"/>\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = MARGIN + (row as f32 + 0.75) * HIGH;
        let mut column = 0;
        for (colors, text) in line {
            let letters = text.chars().count();
            if !text.trim().is_empty() {
                let x = MARGIN + column as f32 * WIDE;
                let length = letters as f32 * WIDE;
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                // Writing to memory cannot fail.
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\" xml:space=\"preserve\" {}>{text}</text>",
                    look(colors)
                );
            }
            column += letters;
        }
    }
    svg += "</svg>\n";
    svg
}

/// The attributes of a text in these colours.
fn look(colors: &str) -> String {
    let mut fill = "#d6d9e0";
    let mut more = String::new();
    for code in colors.split(';') {
        match code {
            "1" => more += " font-weight=\"bold\"",
            "2" => fill = "#7d8494",
            "3" => more += " font-style=\"italic\"",
            "4" => more += " text-decoration=\"underline\"",
            "30" | "90" => fill = "#7d8494",
            "31" | "91" => fill = "#f07178",
            "32" | "92" => fill = "#a5d678",
            "33" | "93" => fill = "#f0c674",
            "34" | "94" => fill = "#7aa6f5",
            "35" | "95" => fill = "#c792ea",
            "36" | "96" => fill = "#6fd3d8",
            _ => {}
        }
    }
    format!("fill=\"{fill}\"{more}")
}
