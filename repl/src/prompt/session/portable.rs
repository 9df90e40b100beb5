//! A script's text so that it means the same wherever and however it is run: parameters are put in, files are named from
//! the root.

use super::Given;
use lang::ast::{Expr, ExprKind, Script};
use lang::outline::{Kind, outline};
use lang::params::{OptionDecl, Param, Value};
use std::ops::Range;

/// A text into which parameters have been put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub text: String,
    /// The parameters that something else asks for as well, such as what is imported: they are needed still, and an option
    /// among them has not been put in, because it has one default.
    pub needs: Vec<String>,
    /// What its `getopt()` asks for now.
    pub options: Vec<OptionDecl>,
}

/// A text among others, by the place where it begins.
#[derive(Clone, Copy)]
struct Text<'t> {
    text: &'t str,
    base: u32,
}

impl Text<'_> {
    /// Where a span is in this text; nothing if it is of another one.
    fn place(&self, span: lang::Span) -> Option<Range<usize>> {
        let range = span.start.checked_sub(self.base)? as usize..span.end.checked_sub(self.base)? as usize;
        self.text.get(range.clone()).map(|_| range)
    }

    /// The same, if a parameter is written there. What a macro of C stands for is not written where it is used.
    fn place_of_param(&self, span: lang::Span) -> Option<Range<usize>> {
        self.place(span).filter(|range| self.text[range.clone()].contains('$'))
    }

    /// The changes that give a call of `getopt()` this name, and this default if it has another one.
    fn with_name(&self, call: &Expr, args: &[Expr], name: &str, default: Option<&str>) -> Option<Vec<Change>> {
        let whole = self.place(call.span)?;
        let is_written = self.text[whole.clone()].starts_with("getopt") && self.text[whole.clone()].ends_with(')');
        let named = self.place(args.first()?.span)?;
        let mut changes = vec![(named.clone(), quoted(name))];
        if let Some(default) = default {
            changes.push(match args.get(1) {
                Some(arg) => (self.place(arg.span)?, default.to_owned()),
                None => (named.end..named.end, format!(", {default}")),
            });
        }
        let is_inside = |range: &Range<usize>| whole.start < range.start && range.end < whole.end;
        (is_written && changes.iter().all(|(range, _)| is_inside(range))).then_some(changes)
    }
}

/// What stands in the place of a part of a text.
type Change = (Range<usize>, String);

/// A script's text with its parameters put in, so that it needs none: positional ones in their places, named ones as the
/// defaults of `getopt()`, of which the script has declared these. If another text asks for an option of the same name and
/// means something else, as those that are `taken` do, that of this text gets another name.
pub fn with_params(
    (text, base): (&str, u32),
    script: &Script,
    given: &Given,
    declared: &[OptionDecl],
    taken: &[&OptionDecl],
) -> Settled {
    let text = Text { text, base };
    let mut changes = Vec::new();
    let mut settled = Settled::default();
    if !positional(text, script, &given.params, &mut changes) {
        settled.needs.clone_from(&given.params);
    }
    for option in declared {
        // What cannot be understood has been refused.
        let Ok(value) = option.value(&given.options) else { continue };
        let word = given.options.iter().rfind(|given| given.split('=').next() == Some(&option.name));
        let default = word.map(|_| spelled(&value));
        let mut now = OptionDecl { default: value, ..option.clone() };
        rename(&mut now, declared, taken);
        if default.is_some() || now.name != option.name {
            match named(text, script, &option.name, &now.name, default.as_deref()) {
                Some(changed) => changes.extend(changed),
                None => {
                    settled.needs.extend(word.map(|word| format!("--{word}")));
                    now = option.clone();
                }
            }
        }
        settled.options.push(now);
    }
    settled.text = apply(text.text, changes);
    settled
}

/// Gives an option a name that none of those has which mean something else.
fn rename(option: &mut OptionDecl, declared: &[OptionDecl], taken: &[&OptionDecl]) {
    let clashes = |name: &str, option: &OptionDecl| {
        taken.iter().filter(|other| other.name == name).any(|other| {
            let described = other.description.as_ref().zip(option.description.as_ref());
            other.default != option.default || described.is_some_and(|(one, other)| one != other)
        })
    };
    if clashes(&option.name, option) {
        let is_own = |name: &str| declared.iter().any(|own| own.name == name);
        let mut names = (2..).map(|number: u32| format!("{}-{number}", option.name));
        if let Some(name) = names.find(|name| !is_own(name) && !clashes(name, option)) {
            option.name = name;
        }
    }
}

/// Puts in what `$1` and so on stand for. False if there are such that are not written in this text.
fn positional(text: Text<'_>, script: &Script, params: &[String], changes: &mut Vec<Change>) -> bool {
    let given = |number: u32| params.get((number as usize).wrapping_sub(1)).map(String::as_str);
    let mut is_all = true;
    each_expression(script, &mut |expr| {
        let (number, is_text, span) = match &expr.kind {
            ExprKind::Param(number) => (*number, false, expr.span),
            ExprKind::Call { name, args } if name.text == "str" => {
                match args.first().map(|arg| (&arg.kind, arg.span)) {
                    Some((ExprKind::Param(number), span)) => (*number, true, span),
                    _ => return,
                }
            }
            _ => return,
        };
        let Some(range) = text.place_of_param(span) else {
            is_all &= params.is_empty();
            return;
        };
        let written = match (number, Param::read(given(number))) {
            (0, _) => params.len().to_string(),
            (_, Param::Number(value)) if !is_text => value.to_string(),
            (_, Param::Missing) if !is_text => "0".to_owned(),
            _ => quoted(given(number).unwrap_or_default()),
        };
        // The argument of `str` is looked at once more by itself.
        if !changes.iter().any(|(known, _)| *known == range) {
            changes.push((range, written));
        }
    });
    for point in script.probes.iter().flat_map(|probe| &probe.points) {
        let written = point_with(&point.text, params);
        match text.place_of_param(point.span) {
            Some(range) => changes.push((range.clone(), point_with(&text.text[range], params))),
            None => is_all &= written == point.text,
        }
    }
    is_all
}

/// An attach point with its parameters put in.
pub fn point_with(point: &str, params: &[String]) -> String {
    let mut written = point.to_owned();
    // `$12` is not `$1` and a 2.
    for number in (1..=params.len()).rev() {
        let value = match Param::read(params.get(number - 1).map(String::as_str)) {
            Param::Number(value) => value.to_string(),
            _ => params[number - 1].clone(),
        };
        written = written.replace(&format!("${number}"), &value);
    }
    written
}

/// The changes that give an option this name and default wherever it is asked for; nothing if that is not only in this
/// text.
fn named(text: Text<'_>, script: &Script, option: &str, name: &str, default: Option<&str>) -> Option<Vec<Change>> {
    let mut changes = Some(Vec::new());
    each_expression(script, &mut |expr| {
        let ExprKind::Call { name: called, args } = &expr.kind else { return };
        if called.text != "getopt" {
            return;
        }
        match args.first().map(|name| &name.kind) {
            Some(ExprKind::Str(asked)) if asked != option.as_bytes() => {}
            Some(ExprKind::Str(_)) => match (text.with_name(expr, args, name, default), &mut changes) {
                (Some(new), Some(changes)) => changes.extend(new),
                _ => changes = None,
            },
            // Which one that is, is for whoever calls the macro to say.
            _ => changes = None,
        }
    });
    // A macro of another entry may ask for it.
    changes.filter(|changes| !changes.is_empty())
}

/// A value as a literal that `getopt()` takes for one of the same type.
fn spelled(value: &Value) -> String {
    match value {
        Value::Signed(number @ 0..) => format!("(int64){number}"),
        Value::Text(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Calls `look` on every expression of a script.
fn each_expression(script: &Script, look: &mut impl FnMut(&Expr)) {
    for probe in &script.probes {
        probe.predicate.iter().for_each(|predicate| predicate.visit(look));
        probe.body.visit(look);
    }
    script.macros.iter().for_each(|found| found.body.visit(look));
}

fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted += "\\n",
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

/// A script's text in which files are named so that they are found from anywhere. `find` gives the path of one, if it is
/// a file of the script's own.
pub fn with_paths(text: &str, find: &dyn Fn(&str) -> Option<String>) -> String {
    let mut changes = Vec::new();
    for item in outline(text) {
        let written = &text[item.range.clone()];
        let names = item.kind == Kind::Import || written.trim_start_matches('#').trim_start().starts_with("include");
        let quote = |from: usize| written[from..].find('"').map(|at| from + at);
        let Some((open, close)) = quote(0).and_then(|open| Some((open, quote(open + 1)?))) else { continue };
        if let Some(path) = find(&written[open + 1..close]).filter(|_| names) {
            changes.push((item.range.start + open + 1..item.range.start + close, path));
        }
    }
    apply(text, changes)
}

fn apply(text: &str, mut changes: Vec<Change>) -> String {
    changes.sort_by_key(|(range, _)| range.start);
    let (mut changed, mut at) = (String::new(), 0);
    for (range, written) in changes {
        // One within another has been changed with it.
        if range.start >= at {
            changed += &text[at..range.start];
            changed += &written;
            at = range.end;
        }
    }
    changed + &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use lang::target::fake::FakeTarget;

    /// A script with these parameters put in, and what it still needs.
    fn settled(text: &str, params: &[&str], options: &[&str]) -> (String, Vec<String>) {
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
        let given = Given { file: "x.rt".to_owned(), params: words(params), options: words(options) };
        let script = lang::parse(text).script;
        let settings = lang::Settings { options: given.options.clone(), ..lang::Settings::default() };
        let declared = lang::check(&script, &FakeTarget, &settings).options;
        let Settled { text, needs, .. } = with_params((text, 0), &script, &given, &declared, &[]);
        (text, needs)
    }

    #[test]
    fn parameters_are_put_in() {
        let text = "kprobe:$1 / pid == $2 / { print(str($2)); print(str($1)); @ = $#; print($3) }";
        let expected =
            "kprobe:vfs_read / pid == 16 / { print(str(\"0x10\")); print(str(\"vfs_read\")); @ = 2; print(0) }";
        assert_eq!(settled(text, &["vfs_read", "0x10"], &[]), (expected.to_owned(), Vec::new()));
    }

    #[test]
    fn named_parameters_become_defaults() {
        let text = "macro m() { getopt(\"n\", 0, \"how many\") }\nbegin / getopt(\"b\") / { print((getopt(\"n\", 0), \
                    getopt( \"s\", -1 ), getopt(\"t\", \"x\"), getopt(\"c\", true), getopt(\"other\", 5), m())) }";
        let expected = "macro m() { getopt(\"n\", 16, \"how many\") }\nbegin / getopt(\"b\", true) / { print((getopt(\"n\", \
                        16), getopt( \"s\", (int64)7 ), getopt(\"t\", \"a=\\\"b\\\"\"), getopt(\"c\", false), \
                        getopt(\"other\", 5), m())) }";
        let given = ["n=5", "n=0x10", "s=7", "b", "t=a=\"b\"", "c=no"];
        assert_eq!(settled(text, &[], &given), (expected.to_owned(), Vec::new()));
        // It is the same then as it was with them, types included.
        let types = |text: &str, options: &[&str]| {
            let options = options.iter().map(|word| word.to_string()).collect();
            let settings = lang::Settings { options, ..lang::Settings::default() };
            let checked = lang::check(&lang::parse(text).script, &FakeTarget, &settings);
            assert!(checked.is_ok(), "{:?}", checked.diagnostics);
            lang::dump_types::dump(&checked.program)
        };
        assert_eq!(types(expected, &[]), types(text, &given));
    }

    #[test]
    fn options_of_one_name_are_kept_apart() {
        let text =
            "macro m() { getopt(\"n\", 1) }\nbegin { print((getopt(\"n\", 1, \"how many\"), getopt(\"n-2\", 5))) }";
        let script = lang::parse(text).script;
        let declared = lang::check(&script, &FakeTarget, &lang::Settings::default()).options;
        let renamed = |given: &[&str], default: u64, description: Option<&str>| {
            let options = given.iter().map(|word| word.to_string()).collect();
            let given = Given { file: "x.rt".to_owned(), params: Vec::new(), options };
            let description = description.map(str::to_owned);
            let taken = OptionDecl { name: "n".to_owned(), default: Value::Unsigned(default), description };
            let settled = with_params((text, 0), &script, &given, &declared, &[&taken]);
            assert!(settled.needs.is_empty(), "{:?}", settled.needs);
            (settled.text, settled.options[0].name.clone())
        };
        let other = |name: &str, default: u64| {
            let (asked, of) = (format!("\"{name}\", {default}"), "\"n\", 1");
            (text.replace(of, &asked), name.to_owned())
        };
        assert_eq!(renamed(&[], 1, None), other("n", 1));
        assert_eq!(renamed(&["n=7"], 7, None), other("n", 7));
        assert_eq!(renamed(&["n=7"], 1, None), other("n-3", 7));
        assert_eq!(renamed(&[], 2, None), other("n-3", 1));
        assert_eq!(renamed(&[], 1, Some("how often")), other("n-3", 1));
    }

    #[test]
    fn what_is_not_written_where_it_is_used_is_needed_still() {
        let text =
            "#define N getopt(\"n\", 1)\n#define P $1\nbegin { print((N, getopt(\"n\", 1), getopt(\"m\", 1), P)) }";
        let (changed, needs) = settled(text, &["7"], &["n=5", "m=6"]);
        assert_eq!(changed, text.replace("\"m\", 1", "\"m\", 6"));
        assert_eq!(needs, ["7", "--n=5"]);
        let text = "macro m(a) { getopt(a, 1) }\nbegin { print((m(\"n\"), getopt(\"o\", 1))) }";
        assert_eq!(
            settled(text, &[], &["n=5", "o=6"]),
            (text.to_owned(), vec!["--n=5".to_owned(), "--o=6".to_owned()])
        );
    }

    #[test]
    fn files_are_named_from_the_root() {
        let text = "import \"a.rt\";\n#include \"b.h\"\n#include <c.h>\n#define X \"a.rt\"\nbegin { print(\"a.rt\") }";
        let find = |name: &str| (name != "c.h").then(|| format!("/dir/{name}"));
        let expected = "import \"/dir/a.rt\";\n#include \"/dir/b.h\"\n#include <c.h>\n#define X \"a.rt\"\nbegin { print(\"a.rt\") }";
        assert_eq!(with_paths(text, &find), expected);
    }
}
