//! What may stand at a place in an unfinished entry.
//!
//! Pure: a text and a position give a [`Place`]. Only what stands before the position counts, and it is the language's
//! lexer that reads it (`lang::cursor`); what is broken further to the left does not matter.

use lang::ast::TypeTag;
use lang::cursor::{Before, Bracket, Piece, PieceKind, Within, before};
use lang::words::is_reserved;

/// A place, and what has been typed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where what is to be completed begins.
    pub start: usize,
    /// The beginning of it that is there.
    pub typed: &'a str,
    /// What it may become.
    pub what: What<'a>,
}

/// What may stand at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// Nothing that is known.
    Nothing,
    /// Anything with which an entry begins.
    Entry,
    /// A probe or a definition.
    Item,
    /// A part of an attach point, behind these.
    Point(&'a str),
    /// A line that has not begun.
    Indent,
    /// A statement.
    Statement,
    /// A value.
    Value,
    /// A variable, whose dollar is typed.
    Variable,
    /// A map, whose at sign is typed.
    Map,
    /// A member of a value.
    Member(Member<'a>),
    /// The name of a type with this tag.
    Tagged(TypeTag),
    /// The name of a config variable.
    ConfigName,
    /// The value of this config variable.
    ConfigValue(&'a str),
    /// The name of a command, whose colon is typed.
    Command,
    /// What follows a command of this name.
    Argument {
        /// The command, as it is written.
        command: &'a str,
        /// The whole of what follows it, up to the place.
        all: &'a str,
    },
    /// A kind of map, in its declaration.
    MapKind,
    /// A file to import.
    Import,
}

/// A member of a value, `VALUE.` or `VALUE->`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The value.
    pub of: &'a str,
    /// What comes before the statement or condition that it stands in.
    pub before: &'a str,
    /// What comes before is the head of a probe, without a body.
    pub needs_body: bool,
}

impl<'a> Place<'a> {
    /// The place at a position of a text.
    pub fn of(text: &'a str, at: usize) -> Self {
        let text = text.get(..at).unwrap_or(text);
        if let Some(line) = text.trim_start().strip_prefix(':') {
            return command(text, line);
        }
        let word = text.len() - word_length(text);
        let mut read = before(text);
        match read.within {
            Within::Comment => return nothing(text),
            Within::Text(_) => return nothing(text),
            Within::Other(start) if start < word => return other(text, start),
            Within::Code | Within::Other(_) => {}
        }
        let ends_here = |piece: &Piece<'_>| piece.end() == text.len();
        if let Some(last) = read.pieces.last().copied().filter(ends_here) {
            match last.kind {
                PieceKind::Point => return point(text, last, &read),
                PieceKind::Variable => return Place { start: last.start, typed: last.text, what: What::Variable },
                PieceKind::Map => return Place { start: last.start, typed: last.text, what: What::Map },
                PieceKind::Wrong if last.is("$") => {
                    return Place { start: last.start, typed: last.text, what: What::Variable };
                }
                // The word that is being typed.
                PieceKind::Word if last.start == word => drop(read.pieces.pop()),
                PieceKind::Literal | PieceKind::Wrong => return nothing(text),
                _ => {}
            }
        }
        let what = at_word(text, &text[..word], &read);
        Place { start: word, typed: &text[word..], what }
    }
}

fn nothing(text: &str) -> Place<'_> {
    Place { start: text.len(), typed: "", what: What::Nothing }
}

/// How many bytes at the end of a text are the beginning of a word.
fn word_length(text: &str) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = text.bytes().rev().take_while(is_word).count();
    // What begins with a digit is a number.
    match text.as_bytes().get(text.len() - length) {
        Some(first) if first.is_ascii_digit() => 0,
        _ => length,
    }
}

/// `:name argument`
fn command<'a>(text: &'a str, line: &'a str) -> Place<'a> {
    let line = line.trim_start();
    match line.split_once(char::is_whitespace) {
        None => Place { start: text.len() - line.len(), typed: line, what: What::Command },
        Some((command, all)) => {
            let all = all.trim_start();
            let typed = all.rsplit(char::is_whitespace).next().unwrap_or_default();
            Place { start: text.len() - typed.len(), typed, what: What::Argument { command, all } }
        }
    }
}

/// What is no code, and begins at `start`.
fn other(text: &str, start: usize) -> Place<'_> {
    let rest = &text[start..];
    let kind = rest.strip_prefix("let").and_then(|rest| rest.split_once('=')).map(|(_, kind)| kind.trim_start());
    if let Some(typed) = kind.filter(|kind| kind.len() == word_length(kind)) {
        return Place { start: text.len() - typed.len(), typed, what: What::MapKind };
    }
    let file = rest.strip_prefix("import").and_then(|rest| rest.trim_start().strip_prefix('"'));
    match file.filter(|file| !file.contains('"')) {
        Some(typed) => Place { start: text.len() - typed.len(), typed, what: What::Import },
        None => nothing(text),
    }
}

/// A part of the attach point that ends the text.
fn point<'a>(text: &'a str, last: Piece<'a>, read: &Before<'a>) -> Place<'a> {
    let inner = last.text;
    // A colon in quotes is no end of a part.
    let mut quoted = false;
    let colon = inner.bytes().enumerate().fold(None, |found, (at, byte)| {
        quoted ^= byte == b'"';
        if byte == b':' && !quoted { Some(at) } else { found }
    });
    let Some(colon) = colon else {
        // Where a list of attach points goes on, no definition can stand.
        let goes_on = read.pieces.len() > 1 && read.pieces[read.pieces.len() - 2].is(",");
        let what = if goes_on { What::Point("") } else { What::Item };
        return Place { start: last.start, typed: inner, what };
    };
    let typed = &inner[colon + 1..];
    let typed = typed.strip_prefix('"').unwrap_or(typed);
    let start = text.len() - typed.len();
    Place { start, typed, what: What::Point(&inner[..=colon]) }
}

/// What a word may be behind `left`.
fn at_word<'a>(text: &'a str, left: &'a str, read: &Before<'a>) -> What<'a> {
    let is_typed = left.len() < text.len();
    let Some(last) = read.pieces.last() else {
        return match (read.is_statements, read.within) {
            (true, _) | (_, Within::Code) => What::Entry,
            _ => What::Item,
        };
    };
    let Some(innermost) = read.open.last() else {
        return match last.kind {
            // Behind the head of a probe comes its body.
            PieceKind::Point | PieceKind::Close(Bracket::Predicate) => What::Nothing,
            PieceKind::Sign if last.is(",") => What::Point(""),
            _ => What::Item,
        };
    };
    if is_config(read) {
        return match read.pieces.get(read.pieces.len().wrapping_sub(2)) {
            Some(name) if last.is("=") => What::ConfigValue(name.text),
            _ if matches!(last.kind, PieceKind::Open(_)) || last.is(";") || last.is(",") => What::ConfigName,
            _ => What::Nothing,
        };
    }
    match last.kind {
        PieceKind::Word => match last.text {
            "struct" => What::Tagged(TypeTag::Struct),
            "union" => What::Tagged(TypeTag::Union),
            "enum" => What::Tagged(TypeTag::Enum),
            "else" => What::Statement,
            // What it names is new.
            "let" | "macro" => What::Nothing,
            word if is_reserved(word) => What::Value,
            _ => after_operand(left, last, innermost.bracket),
        },
        PieceKind::Sign if last.is(".") || last.is("->") => match member(read, left) {
            Some(member) => What::Member(member),
            None => What::Nothing,
        },
        PieceKind::Sign if last.is(";") => statement(left, is_typed),
        PieceKind::Sign => What::Value,
        PieceKind::Open(Bracket::Block) | PieceKind::Close(Bracket::Block) => statement(left, is_typed),
        PieceKind::Open(_) => What::Value,
        // What is in them may be a type, and this be cast to it.
        PieceKind::Close(Bracket::Round) => What::Value,
        PieceKind::Point | PieceKind::Wrong => What::Nothing,
        _ => after_operand(left, last, innermost.bracket),
    }
}

/// Behind a value there is an operator, or on a new line another statement.
fn after_operand<'a>(left: &str, last: &Piece<'_>, innermost: Bracket) -> What<'a> {
    let is_next_line = innermost == Bracket::Block && left[last.end()..].contains('\n');
    if is_next_line { What::Statement } else { What::Nothing }
}

fn statement<'a>(left: &str, is_typed: bool) -> What<'a> {
    let line = left.rsplit_once('\n').map(|(_, line)| line);
    match line {
        Some(line) if !is_typed && line.trim().is_empty() => What::Indent,
        _ => What::Statement,
    }
}

/// Whether the only bracket that is open is that of a `config` block.
fn is_config(read: &Before<'_>) -> bool {
    let [open] = &read.open[..] else { return false };
    let Some(at) = open.piece.and_then(|piece| piece.checked_sub(2)) else { return false };
    read.pieces[at].kind == PieceKind::Word && read.pieces[at].is("config") && read.pieces[at + 1].is("=")
}

/// The value before the dot or arrow that is the last piece.
fn member<'a>(read: &Before<'a>, left: &'a str) -> Option<Member<'a>> {
    let pieces = &read.pieces;
    let dot = pieces.len().checked_sub(1)?;
    let first = operand(pieces, dot)?;
    let of = left.get(pieces[first].start..pieces[dot].start)?;
    let begins = |piece: &Piece<'_>| {
        piece.is(";")
            || matches!(
                piece.kind,
                PieceKind::Open(Bracket::Block | Bracket::Predicate) | PieceKind::Close(Bracket::Block)
            )
    };
    let (before, needs_body) = match pieces[..first].iter().rposition(begins) {
        Some(at) if pieces[at].kind == PieceKind::Open(Bracket::Predicate) => (&left[..pieces[at].start], true),
        Some(at) => (&left[..pieces[at].end()], false),
        None => ("", false),
    };
    Some(Member { of, before, needs_body })
}

/// Where the operand begins that ends before the piece `end`.
fn operand(pieces: &[Piece<'_>], end: usize) -> Option<usize> {
    let mut at = end.checked_sub(1)?;
    loop {
        let is_name = |piece: &Piece<'_>| piece.kind == PieceKind::Word && !is_reserved(piece.text);
        match pieces[at].kind {
            PieceKind::Close(bracket @ (Bracket::Round | Bracket::Square)) => {
                let open = opening(pieces, at)?;
                let before = open.checked_sub(1);
                match before.map(|before| pieces[before]) {
                    Some(piece) if bracket == Bracket::Round => {
                        // A call, or brackets around a value.
                        at = if is_name(&piece) { open - 1 } else { open };
                    }
                    // What is indexed.
                    Some(_) if bracket == Bracket::Square => {
                        at = open - 1;
                        continue;
                    }
                    _ => at = open,
                }
            }
            PieceKind::Word if is_name(&pieces[at]) => {}
            PieceKind::Variable | PieceKind::Map | PieceKind::Literal => {}
            _ => return None,
        }
        // A member of something in its turn.
        match at.checked_sub(1).map(|before| pieces[before]) {
            Some(sign) if sign.kind == PieceKind::Sign && (sign.is(".") || sign.is("->")) => at = at.checked_sub(2)?,
            _ => return Some(at),
        }
    }
}

/// The bracket that is closed by the piece `close`.
fn opening(pieces: &[Piece<'_>], close: usize) -> Option<usize> {
    let mut depth = 0usize;
    for at in (0..=close).rev() {
        match pieces[at].kind {
            PieceKind::Close(_) => depth += 1,
            PieceKind::Open(_) => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What may stand where the bar is.
    fn at(marked: &str) -> (String, String) {
        let at = marked.find('|').expect("a text with a bar");
        let text = marked.replacen('|', "", 1);
        let place = Place::of(&text, at);
        assert_eq!(&text[place.start..at], place.typed, "{marked}");
        (format!("{:?}", place.what), place.typed.to_owned())
    }

    #[track_caller]
    fn check(marked: &str, what: &str, typed: &str) {
        assert_eq!(at(marked), (what.to_owned(), typed.to_owned()), "{marked}");
    }

    #[test]
    fn entries_and_items() {
        check("|", "Entry", "");
        check("  kpr|", "Entry", "kpr");
        check("// why\nkp|", "Entry", "kp");
        check("kprobe:f { } kpr|", "Item", "kpr");
        check("kprobe:f { } |", "Item", "");
        check("kprobe:f { @x = ; foo } tr|", "Item", "tr");
        check("kprobe:f, kr|", "Point(\"\")", "kr");
        check("kprobe:f, |", "Point(\"\")", "");
        check("kprobe:f |", "Nothing", "");
        check("config = { } mac|", "Item", "mac");
        check("import \"ab|", "Import", "ab");
        check("let @m = lru|", "MapKind", "lru");
        check("let @m = |", "MapKind", "");
        check("import \"ab\"|", "Nothing", "");
        check("struct x { in|", "Nothing", "");
        check("#define X|", "Nothing", "");
    }

    #[test]
    fn attach_points() {
        check("kprobe:vfs_|", "Point(\"kprobe:\")", "vfs_");
        check("t:syscalls:sys_|enter { }", "Point(\"t:syscalls:\")", "sys_");
        check("uprobe:/bin/ba|", "Point(\"uprobe:\")", "/bin/ba");
        check("uprobe:/bin/bash:read|", "Point(\"uprobe:/bin/bash:\")", "read");
        check("uprobe:\"/a:b/c|", "Point(\"uprobe:\")", "/a:b/c");
        check("begin { } kprobe:|", "Point(\"kprobe:\")", "");
        check("begin { @x = ) } kprobe:v|", "Point(\"kprobe:\")", "v");
        check("begin {\n}\nkprobe:v|", "Point(\"kprobe:\")", "v");
        check("iter:ta|", "Point(\"iter:\")", "ta");
    }

    #[test]
    fn statements_and_values() {
        check("kprobe:f { pri|", "Statement", "pri");
        check("kprobe:f { @x = 1; |", "Statement", "");
        check("kprobe:f {\n  |", "Indent", "");
        check("kprobe:f {\n  a|", "Statement", "a");
        check("kprobe:f { if (1) { } el|", "Statement", "el");
        check("kprobe:f { @x = 1\n pri|", "Statement", "pri");
        check("kprobe:f { @x = pi|", "Value", "pi");
        check("kprobe:f { print(co|", "Value", "co");
        check("kprobe:f { @[co|", "Value", "co");
        check("kprobe:f / pi|", "Value", "pi");
        check("kprobe:f < print(co|", "Value", "co");
        check("kprobe:f { print((uint64)ar|", "Value", "ar");
        check("kprobe:f { return ar|", "Value", "ar");
        check("1 + ns|", "Value", "ns");
        check("print(ns|", "Value", "ns");
        check("@x = 1; pri|", "Statement", "pri");
        check("@x fo|", "Nothing", "fo");
        check("let $x|", "Variable", "$x");
        check("@x[$|", "Variable", "$");
        check("print(@|", "Map", "@");
        check("print(@by|", "Map", "@by");
        check("12|", "Nothing", "");
        check("print(\"a b|", "Nothing", "");
        check("print(\"a b\", co|", "Value", "co");
        check("print(1) // co|", "Nothing", "");
        // What comes behind the place does not matter.
        check("kprobe:f { print(co|mm); }", "Value", "co");
    }

    #[test]
    fn types_and_config() {
        check("((struct ta|", "Tagged(Struct)", "ta");
        check("sizeof(union |", "Tagged(Union)", "");
        check("(enum pi|", "Tagged(Enum)", "pi");
        check("config = { max|", "ConfigName", "max");
        check("config = { max_strlen=5; mi|", "ConfigName", "mi");
        check("config = { missing_probes=|", "ConfigValue(\"missing_probes\")", "");
        check("config = { missing_probes = wa|", "ConfigValue(\"missing_probes\")", "wa");
        check("config = { max_strlen = 5 |", "Nothing", "");
    }

    #[test]
    fn members() {
        let member = |marked: &str| {
            let at = marked.find('|').expect("a text with a bar");
            let text = marked.replacen('|', "", 1);
            match Place::of(&text, at) {
                Place { what: What::Member(Member { of, before, needs_body }), typed, .. } => {
                    format!("{before} [{of}] {typed}{}", if needs_body { " {" } else { "" })
                }
                place => format!("{place:?}"),
            }
        };
        assert_eq!(member("curtask->pi|"), " [curtask] pi");
        assert_eq!(member("@x = 1 + curtask->mm->|"), " [curtask->mm] ");
        assert_eq!(member("kprobe:f { @a = 1; print(args.fi|"), "kprobe:f { @a = 1; [args] fi");
        assert_eq!(member("kprobe:f { if (a) { $x = ((struct a *)b)->c|"), "kprobe:f { if (a) { [((struct a *)b)] c");
        assert_eq!(member("t:a:b / args.|"), "t:a:b  [args]  {");
        assert_eq!(member("kprobe:f < @x[1, $p->q[2].|"), "kprobe:f < [$p->q[2]] ");
        assert_eq!(member("@m[1].|"), " [@m[1]] ");
        assert_eq!(member("f(1, 2).|"), " [f(1, 2)] ");
        assert_eq!(member("- (a)->b|"), " [(a)] b");
        assert_eq!(member("(struct a *)b->|"), " [b] ");
        assert!(member("+ ->|").contains("Nothing"));
    }

    #[test]
    fn commands() {
        check(":|", "Command", "");
        check("  :pr|", "Command", "pr");
        check(":off |", "Argument { command: \"off\", all: \"\" }", "");
        check(":off 1 2|", "Argument { command: \"off\", all: \"1 2\" }", "2");
        check(":type curtask->p|", "Argument { command: \"type\", all: \"curtask->p\" }", "curtask->p");
    }

    #[test]
    fn any_place_in_any_text() {
        let text = "#define A 1\nstruct a { int b; }; config = { max_strlen=5 } import \"a\"; macro f(a, $b) { a } \
                    u:\"/x y\":m / pid == 1 && @a[1, \"ä\"] > 2 / { $ü->x; ((struct a *)0)->b; (1, 2).0; f(1).x[2].y } \
                    i:s:1 < @ = 5 > :a b";
        for (at, _) in text.char_indices() {
            for start in [0, text.len() / 2] {
                if let Some(part) = text.get(start..).filter(|_| start <= at) {
                    let place = Place::of(part, at - start);
                    assert!(part[..at - start].ends_with(place.typed));
                }
            }
        }
    }
}
