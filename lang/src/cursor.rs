//! An unfinished text up to a place in it: the tokens so far, the brackets that are open, and what the place is within.
//!
//! For those who say what may follow there. The tokens are the lexer's own, without those that it adds to balance
//! brackets; what macros of C stand for is one token with the place of its use. Nothing is told of mistakes.

use crate::c::{Texts, Unread};
use crate::lexer::{self, Sym, Token};
use crate::parser::entry::{FRAME, Kind};

/// What stands before a place.
#[derive(Clone, Debug, Default)]
pub struct Before<'a> {
    /// The tokens.
    pub pieces: Vec<Piece<'a>>,
    /// The brackets that are open at the place, outermost first.
    pub open: Vec<Open>,
    /// What the place is within.
    pub within: Within,
    /// The text is statements, as in the body of a probe around them.
    pub is_statements: bool,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: PieceKind,
    /// As it is written.
    pub text: &'a str,
    /// Where it begins in the text.
    pub start: usize,
}

impl Piece<'_> {
    /// Where it ends.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this sign or word.
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

/// Kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// An attach point.
    Point,
    /// A bare word.
    Word,
    /// `$name`
    Variable,
    /// `@name`
    Map,
    /// `$1`, a number, an address, a text.
    Literal,
    /// An opening bracket.
    Open(Bracket),
    /// A closing bracket.
    Close(Bracket),
    /// Other punctuation.
    Sign,
    /// No token.
    Wrong,
}

/// Kinds of bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bracket {
    /// `(`
    Round,
    /// `[`
    Square,
    /// `{`, or `<` where it opens a body.
    Block,
    /// `/` around a condition.
    Predicate,
}

/// A bracket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which one.
    pub bracket: Bracket,
    /// Its number among the pieces; none for what is around statements.
    pub piece: Option<usize>,
}

/// What a place may be within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Within {
    /// Nothing else.
    #[default]
    Code,
    /// A comment.
    Comment,
    /// A text, whose opening quote is here.
    Text(usize),
    /// Something that is no token, and begins here: a definition or directive of C, an item without its frame.
    Other(usize),
}

/// Reads a text up to its end.
pub fn before(text: &str) -> Before<'_> {
    let is_statements = Kind::of(text) == Kind::Statements;
    let framed;
    let (whole, frame) = match is_statements {
        true => {
            framed = format!("{FRAME}{text}");
            (framed.as_str(), FRAME.len())
        }
        false => (text, 0),
    };
    let texts = Texts::default();
    let lexed = lexer::lex(whole, &texts, &Unread);
    let mut before = Before { is_statements, ..Before::default() };
    if lexed.too_deep {
        before.within = Within::Other(0);
        return before;
    }
    // Behind the last token that is written there are only those that close what is open.
    let count = lexed.tokens.iter().rposition(|(_, span)| span.start < span.end).map_or(0, |last| last + 1);
    let mut last = None;
    for (token, span) in &lexed.tokens[..count] {
        let (start, end) = (span.start as usize, span.end as usize);
        let kind = kind_of(*token);
        let is_written = start < end && start >= frame;
        if is_written && last == Some((start, end)) {
            // More of what a macro stands for.
            if let Some(piece) = before.pieces.last_mut() {
                piece.kind = PieceKind::Word;
            }
            continue;
        }
        match kind {
            PieceKind::Open(bracket) => {
                let piece = is_written.then_some(before.pieces.len());
                before.open.push(Open { bracket, piece });
            }
            PieceKind::Close(_) => drop(before.open.pop()),
            _ => {}
        }
        if is_written && let Some(text) = text.get(start - frame..end - frame) {
            before.pieces.push(Piece { kind, text, start: start - frame });
            last = Some((start, end));
        }
    }
    before.within = within(text, &before.pieces);
    before
}

fn kind_of(token: Token<'_>) -> PieceKind {
    use PieceKind::{Close, Open};
    match token {
        Token::Point(_) => PieceKind::Point,
        Token::Ident(_) => PieceKind::Word,
        Token::Var(_) => PieceKind::Variable,
        Token::Map(_) => PieceKind::Map,
        Token::Param(_) | Token::Int(..) | Token::Address(_) | Token::Str(_) => PieceKind::Literal,
        Token::Bad => PieceKind::Wrong,
        Token::Sym(sym) => match sym {
            Sym::OpenParen => Open(Bracket::Round),
            Sym::OpenSquare => Open(Bracket::Square),
            Sym::OpenBrace | Sym::OpenAngle => Open(Bracket::Block),
            Sym::OpenPredicate => Open(Bracket::Predicate),
            Sym::CloseParen => Close(Bracket::Round),
            Sym::CloseSquare => Close(Bracket::Square),
            Sym::CloseBrace | Sym::CloseAngle => Close(Bracket::Block),
            Sym::ClosePredicate => Close(Bracket::Predicate),
            _ => PieceKind::Sign,
        },
    }
}

fn within(text: &str, pieces: &[Piece<'_>]) -> Within {
    if let Some(last) = pieces.last()
        && last.kind == PieceKind::Wrong
        && last.text.starts_with('"')
        && last.end() == text.len()
    {
        return Within::Text(last.start);
    }
    let mut rest = text.get(pieces.last().map_or(0, Piece::end)..).unwrap_or_default();
    loop {
        rest = rest.trim_start();
        let after = match rest {
            "" => return Within::Code,
            _ if rest.starts_with("//") => rest.split_once('\n').map(|(_, after)| after),
            _ if rest.starts_with("/*") => {
                rest.get(2..).and_then(|inner| inner.split_once("*/")).map(|(_, after)| after)
            }
            _ => return Within::Other(text.len() - rest.len()),
        };
        match after {
            Some(after) => rest = after,
            None => return Within::Comment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Vec<Bracket> {
        before(text).open.iter().map(|open| open.bracket).collect()
    }

    #[test]
    fn brackets_that_are_open() {
        use Bracket::*;
        assert_eq!(open("kprobe:f { @[comm"), [Block, Square]);
        assert_eq!(open("kprobe:f < @[comm"), [Block, Square]);
        assert_eq!(open("kprobe:f / pid == (1 +"), [Predicate, Round]);
        assert_eq!(open("kprobe:f / pid == 1 / { if (a) { print(b); } "), [Block]);
        assert_eq!(open("kprobe:f { } kprobe:g"), []);
        assert_eq!(open("print((1"), [Block, Round, Round]);
        assert_eq!(open("print(1)"), [Block]);
        assert_eq!(open("config = { max_strlen ="), [Block]);
        assert_eq!(open("macro f(a) { a +"), [Block]);
        // What is broken before the place does not matter.
        assert_eq!(open("kprobe:f { @x = ; foo bar) ; print("), [Block, Round]);
    }

    #[test]
    fn what_the_place_is_within() {
        assert_eq!(before("kprobe:f { // foo").within, Within::Comment);
        assert_eq!(before("kprobe:f { // foo\n").within, Within::Code);
        assert_eq!(before("kprobe:f { /* foo").within, Within::Comment);
        assert_eq!(before("kprobe:f { /* foo */ ").within, Within::Code);
        assert_eq!(before("print(\"a b").within, Within::Text(6));
        assert_eq!(before("print(\"a b\"").within, Within::Code);
        assert_eq!(before("struct a { int b").within, Within::Other(0));
        assert_eq!(before("kprobe:f { } #define X 1").within, Within::Other(13));
        assert_eq!(before("import \"a").within, Within::Other(0));
    }

    #[test]
    fn pieces_are_those_of_the_text() {
        let text = "#define X (1+2)\nkprobe:vfs_read { $a = X; @b";
        let read = before(text);
        let pieces: Vec<&str> = read.pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(pieces, ["kprobe:vfs_read", "{", "$a", "=", "X", ";", "@b"]);
        assert!(read.pieces.iter().all(|piece| &text[piece.start..piece.end()] == piece.text));
        let statements = before("$x = curtask->");
        assert!(statements.is_statements && statements.pieces.len() == 4, "{statements:?}");
        assert_eq!(statements.pieces[3], Piece { kind: PieceKind::Sign, text: "->", start: 12 });
    }

    #[test]
    fn any_beginning_of_a_text_can_be_read() {
        let text = "#define A 1\nstruct a { int b; }; config = { max_strlen=5 } let @m = hash(3); import \"a\";\n\
                    macro f(a, $b) { a } u:\"/x y\":m, kprobe:vfs_* / pid == 1 && @a[1, \"ä\"] > 2 / \
                    { if (a < b) { (1, 2).0 } for ($i : 0..5) { @x[A] = ((struct a *)0)->b ? 1 : 2; } } i:s:1 < @ = 5 >";
        for (at, _) in text.char_indices() {
            let read = before(&text[..at]);
            assert!(read.pieces.iter().all(|piece| text[piece.start..].starts_with(piece.text)), "{}", &text[..at]);
        }
    }
}
