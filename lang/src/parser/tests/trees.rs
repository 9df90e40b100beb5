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
fn precedence_is_that_of_c() {
    assert_eq!(body("$a = 1 + 2 * 3 - 4;"), "(= $a (- (+ (int 1) (* (int 2) (int 3))) (int 4)))");
    assert_eq!(body("$a = 1 | 2 == 2;"), "(= $a (| (int 1) (== (int 2) (int 2))))");
    assert_eq!(body("$a = 1 << 2 + 1;"), "(= $a (<< (int 1) (+ (int 2) (int 1))))");
    assert_eq!(
        body("$a = 1 || 2 && 3 | 4 ^ 5 & 6 == 7 < 8 >> 9 + 10 % 11;"),
        "(= $a (|| (int 1) (&& (int 2) (| (int 3) (^ (int 4) (& (int 5) (== (int 6) (< (int 7) (>> (int 8) \
         (+ (int 9) (% (int 10) (int 11))))))))))))"
    );
    assert_eq!(
        body("f(1 < 2 < 3, 1 - 2 - 3)"),
        "(call f (< (< (int 1) (int 2)) (int 3)) (- (- (int 1) (int 2)) (int 3)))"
    );
    assert_eq!(body("f((1 + 2) * 3)"), "(call f (* (+ (int 1) (int 2)) (int 3)))");
}

#[test]
fn ternaries_lean_to_the_right() {
    assert_eq!(body("1 ? 2 : 3 ? 4 : 5"), "(?: (int 1) (int 2) (?: (int 3) (int 4) (int 5)))");
    assert_eq!(body("1 ? 2 ? 3 : 4 : 5"), "(?: (int 1) (?: (int 2) (int 3) (int 4)) (int 5))");
    assert_eq!(body("1 ?: 2"), "(?: (int 1) (int 2))");
    assert_eq!(body("!1 || 2 ? f() : g()"), "(?: (|| (! (int 1)) (int 2)) (call f) (call g))");
}

#[test]
fn prefix_binds_tighter_than_infix_and_postfix_tighter_than_prefix() {
    assert_eq!(body("f(-$a.b + !$c[1])"), "(call f (+ (- (.b $a)) (! ([] $c (int 1)))))");
    assert_eq!(body("f(*$p->q, &$x, ~1, - -5)"), "(call f (* (->q $p)) (& $x) (~ (int 1)) (- (- (int 5))))");
    assert_eq!(body("$a = ++$b - @c--;"), "(= $a (- (++ before $b) (-- after @c)))");
    assert_eq!(body("f($t.0.1, args.0)"), "(call f (.1 (.0 $t)) (.0 (name args)))");
}

#[test]
fn casts_are_told_from_parentheses() {
    assert_eq!(body("f((uint8)1 + 2)"), "(call f (+ (cast (uint8) (int 1)) (int 2)))");
    assert_eq!(body("f((struct foo *)arg0)"), "(call f (cast (struct foo *) (name arg0)))");
    assert_eq!(body("f(((struct foo *)arg0)->x.y)"), "(call f (.y (->x (cast (struct foo *) (name arg0)))))");
    assert_eq!(body("f((int8 **)$x, (char[16])$x)"), "(call f (cast (int8 **) $x) (cast (char[16]) $x))");
    assert_eq!(body("f((uint8[2][3])$x, (int8[])$x)"), "(call f (cast (uint8[2][3]) $x) (cast (int8[]) $x))");
    assert_eq!(body("f((unsigned long)-1)"), "(call f (cast (unsigned long) (- (int 1))))");
    assert_eq!(
        body("f((foo_t)-1, (foo)$x, (foo *)x)"),
        "(call f (cast (foo_t) (- (int 1))) (cast (foo) $x) (cast (foo *) (name x)))"
    );
    assert_eq!(body("f((pid) - 1, (pid) * x)"), "(call f (- (name pid) (int 1)) (* (name pid) (name x)))");
    assert_eq!(body("f((enum e)1)"), "(call f (cast (enum e) (int 1)))");
}

#[test]
fn sizeof_takes_types_and_expressions() {
    assert_eq!(
        body("f(sizeof(uint8), sizeof(struct x), sizeof(x *))"),
        "(call f (sizeof (uint8)) (sizeof (struct x)) (sizeof (x *)))"
    );
    assert_eq!(body("f(sizeof($a + 1), sizeof(x))"), "(call f (sizeof (+ $a (int 1))) (sizeof (name x)))");
}

#[test]
fn tuples_and_keys() {
    assert_eq!(body("f((1, 2), (1,), (1), ())"), "(call f (tuple (int 1) (int 2)) (tuple (int 1)) (int 1) tuple)");
    assert_eq!(body("@m[1, 2] = 3;"), "(= (@m[] (int 1) (int 2)) (int 3))");
    assert_eq!(body("@m[(1, 2)] = 3;"), "(= (@m[] (tuple (int 1) (int 2))) (int 3))");
    assert_eq!(body("@[pid]++; @++; @x = @;"), "(++ after (@[] (name pid))) (++ after @) (= @x @)");
    assert_eq!(body("f(@m[1][2])"), "(call f ([] (@m[] (int 1)) (int 2)))");
}

#[test]
fn literals() {
    assert_eq!(
        body(r#"f(0x10, 010, 1e3, 1_000, 5ull, 2ms)"#),
        "(call f (int 16) (int 8) (int 1000) (int 1000) (int 5ul) (int 2000000ns))"
    );
    assert_eq!(body(r#"f("a\n\x41\061", true, false, $1, $#)"#), r#"(call f (string "a\nA1") true false $1 $#)"#);
}

#[test]
fn statements() {
    assert_eq!(
        body("let $x; let $y = 1; let $z: struct a * = 0;"),
        "let $x (let $y (int 1)) (let $z: struct a * (int 0))".replace("let $x", "(let $x)")
    );
    assert_eq!(body("$x += 1; $x <<= 2; @a[1] ^= 3"), "(+= $x (int 1)) (<<= $x (int 2)) (^= (@a[] (int 1)) (int 3))");
    assert_eq!(body("$p->x = 1; *$p = 2; _ = f();"), "(= (->x $p) (int 1)) (= (* $p) (int 2)) (_ = (call f))");
    assert_eq!(body("return; return 1"), "return (return (int 1))");
    assert_eq!(body("{ f(); } { } f()"), "(block (call f)) (block) (call f)");
    assert_eq!(body("$a == 1; @a + 1;"), "(== $a (int 1)) (+ @a (int 1))");
    assert_eq!(
        body("$a; $a.b; @a[1]; ($a == 1) ? f() : g()"),
        "$a (.b $a) (@a[] (int 1)) (?: (== $a (int 1)) (call f) (call g))"
    );
}

#[test]
fn conditions_need_no_parentheses() {
    assert_eq!(body("if $a > 2 { f() } g()"), "(if (> $a (int 2)) (then (call f))) (call g)");
    assert_eq!(body("if (1) { }; g()"), "(if (int 1) (then)) (call g)");
    assert_eq!(
        body("if 1 { } else if 2 { f() } else if 3 { } else { g() }"),
        "(if (int 1) (then) (else (if (int 2) (then (call f)) (else (if (int 3) (then) (else (call g)))))))"
    );
}

#[test]
fn probes() {
    assert_eq!(
        tree("kprobe:f,\nkretprobe:f /pid == 1 / 2/ { f() }\nend { }"),
        "(probe (point kprobe:f) (point kretprobe:f) (predicate (== (name pid) (/ (int 1) (int 2)))) (body (call f))) \
         (probe (point end) (body))"
    );
    assert_eq!(tree("begin, { }"), "(probe (point begin) (body))");
    assert_eq!(
        tree("kprobe:a /(arg0 > 5)/ < @++ > kprobe:b<@b++>"),
        "(probe (point kprobe:a) (predicate (> (name arg0) (int 5))) (body (++ after @))) \
         (probe (point kprobe:b) (body (++ after @b)))"
    );
    assert_eq!(tree("#!/usr/bin/env rtrace\n// one\nbegin /* two */ { // three\n}"), "(probe (point begin) (body))");
    assert_eq!(
        tree("k:f < if (arg0 > 5) { @ = arg1 > 3; } @a[1 > 2] = $x->y >= 3 >"),
        "(probe (point k:f) (body (if (> (name arg0) (int 5)) (then (= @ (> (name arg1) (int 3))))) \
         (= (@a[] (> (int 1) (int 2))) (>= (->y $x) (int 3)))))"
    );
}

#[test]
fn spans_are_exact() {
    let text = "kprobe:f /(pid) == 1/ { @x[1] = (2 + 3) * 4; }";
    let parsed = parse(text);
    let probe = &parsed.script.probes[0];
    assert_eq!(&text[probe.span.range()], text);
    assert_eq!(&text[probe.points[0].span.range()], "kprobe:f");
    assert_eq!(&text[probe.body.span.range()], "{ @x[1] = (2 + 3) * 4; }");
    let predicate = probe.predicate.as_ref().map(|p| &text[p.span.range()]);
    assert_eq!(predicate, Some("(pid) == 1"));
    assert_eq!(&text[probe.body.stmts[0].span.range()], "@x[1] = (2 + 3) * 4");
    let crate::ast::StmtKind::Assign { place, value, .. } = &probe.body.stmts[0].kind else { panic!("an assignment") };
    assert_eq!(&text[place.span.range()], "@x[1]");
    assert_eq!(&text[value.span.range()], "(2 + 3) * 4");
    let crate::ast::ExprKind::Binary { left, .. } = &value.kind else { panic!("a product") };
    assert_eq!(&text[left.span.range()], "(2 + 3)");
}
