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
    assert_eq!(
        body("f(&@m, *$p++, $p->if.for.struct, $t[0], comptime $a.b)"),
        "(call f (& @m) (* (++ after $p)) (.struct (.for (->if $p))) ([] $t (int 0)) (comptime (.b $a)))"
    );
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
    assert_eq!(
        body("f((x)*$a, (x)*arg0, (pid)*tid, (x), (x)-1, (x[2]), (arg0)&1, (x)[1])"),
        "(call f (cast (x) (* $a)) (cast (x) (* (name arg0))) (* (name pid) (name tid)) (name x) (cast (x) (- (int 1))) \
         ([] (name x) (int 2)) (& (name arg0) (int 1)) ([] (name x) (int 1)))"
    );
    assert_eq!(body("f((enum e)1)"), "(call f (cast (enum e) (int 1)))");
}

#[test]
fn sizeof_takes_types_and_expressions() {
    assert_eq!(
        body("f(sizeof(uint8), sizeof(struct x), sizeof(x *))"),
        "(call f (sizeof (uint8)) (sizeof (struct x)) (sizeof (x *)))"
    );
    assert_eq!(body("f(sizeof($a + 1), sizeof(x))"), "(call f (sizeof (+ $a (int 1))) (sizeof (name x)))");
    assert_eq!(
        body("f(sizeof(x[1]), sizeof((x)[1]), sizeof((x[1])), sizeof(pid[1]))"),
        "(call f (sizeof (x[1])) (sizeof ([] (name x) (int 1))) (sizeof ([] (name x) (int 1))) (sizeof ([] (name pid) (int 1))))"
    );
    assert_eq!(
        body("f(sizeof(x * y), sizeof(typeof($a)[2]), sizeof({ 1 }), sizeof((uint8)1))"),
        "(call f (sizeof (* (name x) (name y))) (sizeof (typeof($a)[2])) (sizeof (block (value (int 1)))) (sizeof (cast (uint8) (int 1))))"
    );
    assert_eq!(
        body("f(offsetof(struct x, a.b), offsetof(*$p, if), typeinfo(int32*[4]*), typeof(typeof(x)))"),
        "(call f (offsetof .a.b (struct x)) (offsetof .if (* $p)) (typeinfo (int32 *[4] *)) (typeof (typeof(x))))"
    );
    assert_eq!(
        body("let $a: string[64]; let $b: typeof({ 1 })* = $c; f((char[])$a, (typeof($a))1, (typeof($a)))"),
        "(let $a: string[64]) (let $b: typeof({ ... }) * $c) (call f (cast (char[]) $a) (cast (typeof($a)) (int 1)) (typeof $a))"
    );
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
fn loops() {
    assert_eq!(body("while ($a < 3) { $a++ } f()"), "(while (< $a (int 3)) (body (++ after $a))) (call f)");
    assert_eq!(
        body("while 1 { break; } while $a { continue }"),
        "(while (int 1) (body break)) (while $a (body continue))"
    );
    assert_eq!(
        body("for ($i : 0..ncpus) { f($i); } for $i : $a..(1 + 2) { }"),
        "(for $i (.. (int 0) (name ncpus)) (body (call f $i))) (for $i (.. $a (+ (int 1) (int 2))) (body))"
    );
    assert_eq!(body("for ($kv : @m) { } for $kv : @ { }"), "(for $kv @m (body)) (for $kv @ (body))");
    assert_eq!(body("for ($kv : @m[1]) { }; f()"), "(for $kv (@m[] (int 1)) (body)) (call f)");
    assert_eq!(body("for ($i : (-2)..$n.0) { }"), "(for $i (.. (- (int 2)) (.0 $n)) (body))");
    assert_eq!(body("unroll(3) { f() } unroll $1 { }"), "(unroll (int 3) (body (call f))) (unroll $1 (body))");
}

#[test]
fn blocks_and_branches_have_values() {
    assert_eq!(
        body("$a = { $b = 1; $b }; { 1 } f()"),
        "(= $a (block (= $b (int 1)) (value $b))) (block (int 1)) (call f)"
    );
    assert_eq!(
        body("f({ 1 }, { 2; }); { { 3 } }"),
        "(call f (block (value (int 1))) (block (int 2))) (block (block (int 3)))"
    );
    assert_eq!(
        body("$a = if $b { 1 } else if $c { 2 } else { 3 } + 4;"),
        "(= $a (+ (if $b (then (value (int 1))) (else (value (if $c (then (value (int 2))) (else (value (int 3))))))) (int 4)))"
    );
    assert_eq!(
        body("f({ if (1) { 2 } else { g(); } }); if (1) { 2 } else { 3 }"),
        "(call f (block (value (if (int 1) (then (value (int 2))) (else (call g)))))) \
         (if (int 1) (then (int 2)) (else (int 3)))"
    );
    assert_eq!(body("f({ if (1) { g(); } })"), "(call f (block (if (int 1) (then (call g)))))");
    assert_eq!(
        body("@a[{ 1 }] = comptime { 2 };"),
        "(= (@a[] (block (value (int 1)))) (comptime (block (value (int 2)))))"
    );
    assert_eq!(
        body("f({ { 1 } + 2 }); { 1 } * 3; if (1) { 2 } else { 3 } == 4; if $a == { 1 } { f() } ++@x; { 1 }.x"),
        "(call f (block (value (+ (block (value (int 1))) (int 2))))) (* (block (value (int 1))) (int 3)) \
         (== (if (int 1) (then (value (int 2))) (else (value (int 3)))) (int 4)) \
         (if (== $a (block (value (int 1)))) (then (call f))) (++ before @x) (.x (block (value (int 1))))"
    );
    assert_eq!(body("{ 1 }; { 2 }; if (1) { 2 };"), "(block (int 1)) (block (int 2)) (if (int 1) (then (int 2)))");
    assert_eq!(
        tree("k:f /{ 1 } == (if (1) { 2 } else { 3 })/ { }"),
        "(probe (point k:f) (predicate (== (block (value (int 1))) \
         (if (int 1) (then (value (int 2))) (else (value (int 3)))))) (body))"
    );
}

#[test]
fn records_have_names() {
    assert_eq!(body("$a = (x=1, y=(z=2));"), "(= $a (record (x= (int 1)) (y= (record (z= (int 2))))))");
    assert_eq!(body("f((a=$b == 1, if=3).if)"), "(call f (.if (record (a= (== $b (int 1))) (if= (int 3)))))");
    assert_eq!(
        body("@a[(x=1), 2] = (x == 1, 2);"),
        "(= (@a[] (record (x= (int 1))) (int 2)) (tuple (== (name x) (int 1)) (int 2)))"
    );
}

#[test]
fn macros_stand_beside_probes() {
    assert_eq!(
        tree("macro f(a, $b, @c) { $b = a; @c[1] } macro g() { } begin { f(1, $x, @y); }"),
        "(macro f(a, $b, @c) (= $b (name a)) (value (@c[] (int 1)))) (macro g()) (probe (point begin) (body (call f (int 1) $x @y)))"
    );
    assert_eq!(
        tree("macro f(x) { let $y: typeof(x); (x*)$y } begin { f(typeof(struct s[2])) }"),
        "(macro f(x) (let $y: typeof(x)) (value (cast (x *) $y))) (probe (point begin) (body (call f (typeof (struct s[2])))))"
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
    assert_eq!(tree("begin, end,\n/1/ { }"), "(probe (point begin) (point end) (predicate (int 1)) (body))");
    assert_eq!(
        tree("kprobe:a /(arg0 > 5)/ < @++ > kprobe:b<@b++>"),
        "(probe (point kprobe:a) (predicate (> (name arg0) (int 5))) (body (++ after @))) \
         (probe (point kprobe:b) (body (++ after @b)))"
    );
    assert_eq!(tree("// zero\n#!/usr/bin/env rtrace\nbegin { }"), "(probe (point begin) (body))");
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
