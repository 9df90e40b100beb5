//! What the lexer gives, as one line of words.

use super::{Token, lex};
use crate::c::{NoHeaders, Texts};

fn show(text: &str) -> String {
    let texts = Texts::default();
    let lexed = lex(text, &texts, &NoHeaders);
    let tokens: Vec<String> = lexed.tokens.iter().map(|(token, _)| word(*token)).collect();
    tokens.join(" ")
}

fn word(token: Token<'_>) -> String {
    match token {
        Token::Point(text) => format!("<{text}>"),
        Token::Ident(text) => text.to_owned(),
        Token::Var(text) => format!("${text}"),
        Token::Map(text) => format!("@{text}"),
        Token::Param(n) => format!("${n}"),
        Token::Int(n, _) => n.to_string(),
        Token::Str(raw) => format!("\"{raw}\""),
        Token::Sym(sym) => format!("{sym:?}"),
        Token::Address(address) => format!("Address({address})"),
        Token::Bad => "Bad".to_owned(),
    }
}

#[test]
fn attach_points_end_where_something_else_begins() {
    let point = |text: &str| show(text).split(" Open").next().unwrap_or("").to_owned();
    assert_eq!(point("BEGIN{}"), "<BEGIN>");
    assert_eq!(point("interval:s:1/pid/ {}"), "<interval:s:1>");
    assert_eq!(point("kprobe:f /arg0 > 5/ {}"), "<kprobe:f>");
    assert_eq!(point("uprobe:/bin/bash:readline/pid == 1/ {}"), "<uprobe:/bin/bash:readline>");
    assert_eq!(point("uprobe:./a.out:main {}"), "<uprobe:./a.out:main>");
    assert_eq!(point("name=uprobe:bin/a:main/pid/ {}"), "<name=uprobe:bin/a:main>");
    assert_eq!(point("uprobe:bin/a:main/pid/ {}"), "<uprobe:bin/a:main>");
    assert_eq!(point("uprobe:~/a//b:main {}"), "<uprobe:~/a//b:main>");
    assert_eq!(point("usdt:/path/lib.so:prov:name /1/ {}"), "<usdt:/path/lib.so:prov:name>");
    assert_eq!(point("uprobe:\"/a b/{\":\"f(int)\" {}"), "<uprobe:\"/a b/{\":\"f(int)\">");
    assert_eq!(point("kprobe:tcp_[a-z]*?+0x10{}"), "<kprobe:tcp_[a-z]*?+0x10>");
    assert_eq!(point("kprobe:$1<>"), "<kprobe:$1>");
    assert_eq!(point("a:b,\n c:d /* x */ , // y\n begin, {}"), "<a:b> Comma <c:d> Comma <begin> Comma");
    assert_eq!(point("a:b,\n/!$1 || pid == $1/ {}"), "<a:b> Comma");
}

#[test]
fn a_slash_before_the_body_closes_the_predicate_and_no_other() {
    assert_eq!(show("a:b /1 / 2/ /* / */ {}"), "<a:b> OpenPredicate 1 Slash 2 ClosePredicate OpenBrace CloseBrace");
    assert_eq!(show("a:b /1/<>"), "<a:b> OpenPredicate 1 ClosePredicate OpenAngle CloseAngle");
}

#[test]
fn the_first_single_greater_than_closes_an_angle_block() {
    assert_eq!(
        show("a:b < @++ > c:d < @b++ >"),
        "<a:b> OpenAngle @ Increment CloseAngle <c:d> OpenAngle @b Increment CloseAngle"
    );
    assert_eq!(
        show("a:b<$a>=1;$a>>2;$a->b;$a>>=1;(1>2)>"),
        "<a:b> OpenAngle $a GreaterEq 1 Semicolon $a Shr 2 Semicolon $a Arrow b Semicolon $a ShrAssign 1 Semicolon \
         OpenParen 1 Greater 2 CloseParen CloseAngle"
    );
    assert_eq!(show("a:b < { 1 > 2 } >"), "<a:b> OpenAngle OpenBrace 1 Greater 2 CloseBrace CloseAngle");
}

#[test]
fn a_greater_than_that_closed_too_early_is_read_again() {
    assert_eq!(show("a:b < $a > 3 >"), "<a:b> OpenAngle $a Greater 3 CloseAngle");
    assert_eq!(
        show("a:b < if arg0 > limit { @++ } > c:d {}"),
        "<a:b> OpenAngle if arg0 Greater limit OpenBrace @ Increment CloseBrace CloseAngle <c:d> OpenBrace CloseBrace"
    );
}

#[test]
fn tuple_indices_and_ranges_are_no_fractions() {
    assert_eq!(show("a:b { $a.0.1 0..5 }"), "<a:b> OpenBrace $a Dot 0 Dot 1 0 DotDot 5 CloseBrace");
}
