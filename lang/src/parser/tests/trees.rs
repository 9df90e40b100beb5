//! What trees come out, on one line each.

use crate::dump::dump;
use crate::parse;

/// A script that must parse, as one line of nested parentheses.
#[track_caller]
fn tree(text: &str) -> String {
    let parsed = parse(text);
    assert_eq!(parsed.diagnostics, [], "{text}");
    nest(&dump(&parsed.script))
}

/// The statements of a probe's body.
#[track_caller]
fn body(text: &str) -> String {
    let tree = tree(&format!("begin {{ {text} }}"));
    let inside = tree.strip_prefix("(probe (point begin) (body ").and_then(|rest| rest.strip_suffix("))"));
    inside.expect("the script above has one probe with a body").to_owned()
}

/// An indented tree as nested parentheses; a lone node is in parentheses only if it has several words.
fn nest(indented: &str) -> String {
    let lines: Vec<(usize, &str)> =
        indented.lines().map(|line| (line.len() - line.trim_start().len(), line.trim_start())).collect();
    let mut out = String::new();
    let mut open: Vec<usize> = Vec::new();
    for (i, (indent, label)) in lines.iter().enumerate() {
        while open.last().is_some_and(|outer| outer >= indent) {
            open.pop();
            out.push(')');
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let has_children = lines.get(i + 1).is_some_and(|(next, _)| next > indent);
        let is_word = !label.contains(' ');
        if has_children || !is_word || matches!(*label, "body" | "probe" | "then" | "else" | "block") {
            out.push('(');
            open.push(*indent);
        }
        out.push_str(label);
    }
    out + &")".repeat(open.len())
}

#[test]
fn show() {
    for text in ["$a = 1 + 2 * 3;", "@x[1, 2]++"] {
        println!("{}", tree(&format!("begin {{ {text} }}")));
        println!("{}", body(text));
    }
}
