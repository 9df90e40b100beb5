//! Each part of a text with a letter below it.

use super::*;

/// A letter for each byte: what it is.
fn letters(text: &str) -> String {
    let mut letters = vec![b' '; text.len()];
    let found = highlight(text);
    let mut end = 0;
    for (range, class) in found.parts {
        assert!(range.start >= end, "{text}: {range:?} begins before {end}");
        end = range.end;
        let letter = match class {
            Class::Comment => b'c',
            Class::Directive => b'd',
            Class::Keyword => b'k',
            Class::Type => b't',
            Class::Function => b'f',
            Class::Builtin => b'b',
            Class::Map => b'm',
            Class::Variable => b'v',
            Class::Number => b'n',
            Class::Text => b's',
            Class::Escape => b'e',
            Class::Provider => b'p',
            Class::Stray => b'!',
        };
        letters[range].fill(letter);
    }
    String::from_utf8(letters).expect("letters").trim_end().to_owned()
}

#[test]
fn parts_are_what_the_lexer_reads() {
    for (text, expected) in [
        ("kprobe:vfs_read { @[comm] = count() }", "pppppp            m bbbb    fffff"),
        ("nosuch:vfs_read { nosuch(pid) }", "                         bbb"),
        ("end { } x=kprobe:f /pid == 1/ { }", "ppp       pppppp    bbb    n"),
        ("begin { $x = 0x1f + 10ms; }", "ppppp   vv   nnnn   nnnn"),
        ("@x = 5 // five", "mm   n ccccccc"),
        ("/* a */ 1 /* b", "ccccccc n cccc"),
        ("if (1) { } else { }", "kk  n      kkkk"),
        ("printf(\"a\\n%5.2d%%\", pid)", "ffffff sseeeeeeeees  bbb"),
        ("print(\"100%d\")", "fffff sssssss"),
        ("strftime(\"%H:%M\", nsecs)", "ffffffff seesees  bbbbb"),
        ("printf(\"open", "ffffff sssss"),
        ("((struct task_struct *)curtask)->pid", "  kkkkkk ttttttttttt   bbbbbbb"),
        ("(uint64)1 + sizeof(int)", " tttttt n   kkkkkk ttt"),
        ("xdp:lo { tcp.dport == 80 }", "ppp      bbb          nn"),
        ("$1 + $# + 10.0.0.1", "vv   vv   nnnnnnnn"),
        ("macro f(a) { a }", "kkkkk f"),
        ("config = { max_strlen=5 }", "kkkkkk                n"),
        ("let @a = lruhash(3)", "kkk mm           n"),
        ("#define N 5\nbegin { @ = N }", "ddddddd   n ppppp   m"),
        ("#!/usr/bin/env rtrace\nbegin { }", "ccccccccccccccccccccc ppppp"),
        ("struct a { int b; } begin { }", "kkkkkk t   ttt      ppppp"),
        ("kprobe:f < @ = 1 >", "pppppp     m   n"),
        ("count", ""),
        ("", ""),
    ] {
        assert_eq!(letters(text), expected.trim_end(), "{text}");
    }
}

#[test]
fn brackets_that_close_nothing_are_marked() {
    for (text, expected) in
        [("1 )", "n !"), ("(1))", " n !"), ("1 }", "n !"), ("begin { } }", "ppppp     !"), ("@a[1]]", "mm n !")]
    {
        assert_eq!(letters(text), expected, "{text}");
    }
}

#[test]
fn brackets_belong_together() {
    let text = "begin { @[pid, \")\"] = f((1)) }";
    let found = highlight(text);
    let at = |bracket| text.find(bracket).expect("it is there");
    assert_eq!(found.partner(at('{')), Some(text.len() - 1));
    assert_eq!(found.partner(at('[')), Some(at(']')));
    assert_eq!(found.partner(at(']')), Some(at('[')));
    assert_eq!(found.partner(at('(')), text.rfind(')'));
    assert_eq!(found.partner(text.find("\")").expect("it is there") + 1), None);
    assert_eq!(highlight("(1").partner(0), None);
    assert_eq!(highlight("1 }").partner(2), None);
    let angles = "kprobe:f < @ = 1 > 2 >";
    assert_eq!(highlight(angles).partner(9), Some(21));
}

#[test]
fn the_call_at_hand_is_known() {
    let call = |text: &str| call_at_end(text).map(|call| (call.name, call.argument));
    let some = |name: &str, argument| Some((name.to_owned(), argument));
    assert_eq!(call("printf("), some("printf", 0));
    assert_eq!(call("printf(\"%d, ("), some("printf", 0));
    assert_eq!(call("printf(\"%d\", "), some("printf", 1));
    assert_eq!(call("kprobe:f { @ = lhist(arg0, (1 + 2), f(x), "), some("lhist", 3));
    assert_eq!(call("kprobe:f { @ = lhist(arg0, max("), some("max", 0));
    assert_eq!(call("print(@x[1, 2"), some("print", 0));
    assert_eq!(call("print(@x[1, 2], (3"), some("print", 1));
    for none in ["", "printf", "printf()", "(1", "if (", "kprobe:f {", "kprobe:f { @[a,", "f(if (1) { ", "\"printf("] {
        assert_eq!(call(none), None, "{none}");
    }
}

#[test]
fn what_is_open_is_counted() {
    for (text, depth) in [("begin {", 1), ("begin { if (1) {", 2), ("begin { }", 0), ("print(1,", 1), ("1 }", 0)] {
        assert_eq!(depth_at_end(text), depth, "{text}");
    }
}

#[test]
fn nothing_makes_it_fail() {
    let text = "#define A(x) x\nconfig = { a=1 } k:f /A(1) > \"é\\/ { ü @x[1] = $y->z; ) } macro m( struct s { int a; ";
    for (from, _) in text.char_indices() {
        for (to, _) in text.char_indices().filter(|(to, _)| *to >= from) {
            let part = &text[from..to];
            letters(part);
            call_at_end(part);
            depth_at_end(part);
        }
    }
    letters(&"(".repeat(5000));
}
