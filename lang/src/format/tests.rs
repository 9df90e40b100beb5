//! Scripts before and after, and what holds of every script: its tree stays, and a second time changes nothing.

use super::format;
use crate::dump::dump;
use crate::parse;

/// Formats a script that must parse, and checks what holds of all.
#[track_caller]
fn formatted(text: &str) -> String {
    let once = match format(text) {
        Ok(once) => once,
        Err(told) => panic!("{text}\n{told:#?}"),
    };
    let twice = format(&once);
    assert_eq!(twice.as_deref(), Ok(once.as_str()), "the second time changes more:\n{text}");
    assert_eq!(dump(&parse(&once).script), dump(&parse(text).script), "another tree:\n{once}");
    let comments = |text: &str| text.matches("//").count() + text.matches("/*").count();
    assert_eq!(comments(&once), comments(text), "comments were lost:\n{once}");
    once
}

#[track_caller]
fn check(before: &str, after: &str) {
    assert_eq!(formatted(before), after.trim_start_matches('\n'));
}

/// The statements of a body, one a line.
#[track_caller]
fn body(statements: &str) -> String {
    let whole = formatted(&format!("begin {{ {statements} }}"));
    let inside = whole.strip_prefix("begin\n{\n").and_then(|rest| rest.strip_suffix("}\n"));
    inside
        .expect("one probe")
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn one_line_becomes_many() {
    check(
        "#!/usr/bin/env rtrace\n\n\n\n// count\nBEGIN,interval:s:1/pid==1&&  tid>2/{@x[1,2]=count( );print( @x );if($1==2){exit()}else if 3{@++}else{delete(@x)};f()}\n\n\nend{}macro add(x,$y){let $z:uint8=(uint8)x;$y+=$z;$y}",
        r#"
#!/usr/bin/env rtrace

// count
BEGIN,
interval:s:1
/pid == 1 && tid > 2/
{
  @x[1, 2] = count();
  print(@x);
  if ($1 == 2) {
    exit();
  } else if 3 {
    @++;
  } else {
    delete(@x);
  }
  f();
}

end
{
}
macro add(x, $y)
{
  let $z : uint8 = (uint8)x;
  $y += $z;
  $y
}
"#,
    );
}

#[test]
fn blanks_follow_the_meaning() {
    assert_eq!(body("$a=-$b- -1*  *$c&&!$d||~1"), "$a = -$b - -1 * *$c && !$d || ~1;");
    assert_eq!(body("$a= - -5;f( - $x , &@m,& $y );"), "$a = - -5;\nf(-$x, &@m, &$y);");
    assert_eq!(body("$a ++;++ $a;@b [1] --;f($a++ + ++$b);"), "$a++;\n++$a;\n@b[1]--;\nf($a++ + ++$b);");
    assert_eq!(
        body("$p=*( uint8 * )arg0;$q=( struct foo *  [ 4 ] * )$p;"),
        "$p = *(uint8*)arg0;\n$q = (struct foo*[4]*)$p;"
    );
    assert_eq!(body("$p = (pid)*tid; $q = (x)*$a; $r = $a*$b;"), "$p = (pid) * tid;\n$q = (x)*$a;\n$r = $a * $b;");
    assert_eq!(body("$a=$b?1:2;$a=$b ? : 3;"), "$a = $b ? 1 : 2;\n$a = $b ?: 3;");
    assert_eq!(body("$t=(1,(2,),( ));$r=(a = 1,b =(c= 2));"), "$t = (1, (2,), ());\n$r = (a=1, b=(c=2));");
    assert_eq!(body("f($a . b -> c [ 1 ].0, args . x);"), "f($a.b->c[1].0, args.x);");
    assert_eq!(
        body("f(sizeof (uint8 *),offsetof( struct x ,a . b),typeof (1));"),
        "f(sizeof(uint8*), offsetof(struct x, a.b), typeof(1));"
    );
    assert_eq!(body("let $x:unsigned   long *;let $y;_=f()"), "let $x : unsigned long*;\nlet $y;\n_ = f();");
    assert_eq!(body("$a = 0x1F+1_000+5ms; $s = \"a  b\\n\" ;"), "$a = 0x1F + 1_000 + 5ms;\n$s = \"a  b\\n\";");
    assert_eq!(
        body("for($i:0 .. ncpus){f($i)}for $k:@m{break}while(1){continue;}unroll(3){}"),
        "for ($i : 0..ncpus) {\n  f($i);\n}\nfor $k : @m {\n  break;\n}\nwhile (1) {\n  continue;\n}\nunroll (3) {}"
    );
}

#[test]
fn values_in_braces() {
    assert_eq!(body("$a={1};f({2},{$b=3;$b});"), "$a = { 1 };\nf({ 2 }, {\n  $b = 3;\n  $b\n});");
    assert_eq!(body("$a=if $b{1}else if 2{3}else{4}"), "$a = if $b { 1 } else if 2 { 3 } else { 4 };");
    assert_eq!(body("$a = if $b {\n 1 } else { 2 };"), "$a = if $b {\n  1\n} else { 2 };");
    assert_eq!(body("f({ { $a = 1; $a } }); {1} {}"), "f({\n  {\n    $a = 1;\n    $a\n  }\n});\n{\n  1;\n}\n{}");
    assert_eq!(body("$a = { if (1) { 2 } else { 3 }; };"), "$a = {\n  if (1) {\n    2;\n  } else {\n    3;\n  };\n};");
    assert_eq!(body("$a = comptime 1 + { 1 }[0];"), "$a = comptime 1 + { 1 }[0];");
}

#[test]
fn comments_stay_where_they_are() {
    check(
        r#"
// head


/* block
     of two lines */ begin // the probe
{ // opened
   // first
  f(1); // behind


  // before g

  g(/* in */ 2, 3 /* last */); /* tail */ h()
  // at the end
}   // after
// and the last"#,
        r#"
// head

/* block
     of two lines */
begin // the probe
{ // opened
  // first
  f(1); // behind

  // before g

  g(/* in */ 2, 3 /* last */); /* tail */
  h();
  // at the end
} // after
// and the last
"#,
    );
    check(
        "k:f,// one\nk:g// two\n/pid // three\n== 1/ // four\n{ if (1) // five\n{ } // six\nelse { /* seven */ } { // eight\n} }",
        r#"
k:f, // one
k:g // two
/pid // three
 == 1/ // four
{
  if (1) // five
  {} // six
      else { /* seven */ }
  { // eight
  }
}
"#,
    );
}

#[test]
fn line_breaks_within_a_statement_stay() {
    check(
        r#"
kprobe:f /has(@a, 1) &&
   has(@b, 2)/ {
  printf("%d %d",
    $a,
      $b);
  printf(
"%d",
1
);
  $a = 1 +
2;
  @x = f(g(1,
2), 3);
  if ($a &&
$b)
{
 f(1)
}
else
{
}
  $c
 .d = 1
}
"#,
        r#"
kprobe:f
/has(@a, 1) &&
 has(@b, 2)/
{
  printf("%d %d",
         $a,
         $b);
  printf(
    "%d",
    1
  );
  $a = 1 +
      2;
  @x = f(g(1,
           2), 3);
  if ($a &&
      $b) {
    f(1);
  } else {}
  $c.d = 1;
}
"#,
    );
}

#[test]
fn angle_blocks() {
    check(
        "kprobe:f<if(arg0>5){@++}@x=(1>2)>kprobe:g /(1>2)/< >",
        "kprobe:f\n<\n  if (arg0 > 5) {\n    @++;\n  }\n  @x = (1 > 2);\n>\nkprobe:g\n/(1 > 2)/\n<\n>\n",
    );
}

#[test]
fn what_would_become_another_token_is_kept_apart() {
    assert_eq!(formatted("k:f / *$p/ { }"), "k:f\n/ *$p/\n{\n}\n");
    assert_eq!(
        body("$a = 1 / *$p; $b = $c & &$d; $e = 1 - -1 - --$f;"),
        "$a = 1 / *$p;\n$b = $c & &$d;\n$e = 1 - -1 - --$f;"
    );
}

#[test]
fn a_script_with_mistakes_is_not_formatted() {
    assert!(format("begin { $a = ; }").is_err());
    assert!(format("").is_err());
}

#[test]
fn what_is_for_c_is_copied() {
    check(
        "#include \"not/there.h\"\n#define TWO 1+1\nstruct  a {\n\tint x; // c\n};\n\nbegin{f(TWO*3);@x=sizeof(struct a)}",
        r#"
#include "not/there.h"
#define TWO 1+1
struct  a {
	int x; // c
};

begin
{
  f(TWO * 3);
  @x = sizeof(struct a);
}
"#,
    );
}

#[test]
fn formatted_scripts_stay() {
    for text in [
        "begin\n{\n  printf(\"Tracing... Hit Ctrl-C to end.\\n\");\n}\n\n// done\nend\n{\n  clear(@start);\n}\n",
        "tracepoint:a:b,\ntracepoint:c:d\n/@start[tid]/\n{\n  $t = (args.x, 1);\n  if (!$t.0) {\n    return;\n  }\n\n  delete(@start, tid);\n}\n",
    ] {
        assert_eq!(formatted(text), text);
    }
}

#[test]
fn whatever_parses_keeps_its_tree() {
    for text in crate::parser::SCRIPTS {
        formatted(text);
        // Each blank a line break, and each line break a comment.
        if !text.contains('"') && !text.contains("//") {
            formatted(&text.replace(' ', "\n"));
            formatted(&text.replace(' ', " // c\n"));
            formatted(&text.replace(' ', " /* c */ "));
        }
    }
}
