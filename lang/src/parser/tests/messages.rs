//! Each mistake has one message, at its place.

use super::check;

#[test]
fn a_greater_than_in_an_angle_block() {
    check(
        r#"
kprobe:f < if arg0 > 5 { @++ } >
                 //^ error: this `>` closes the `<` block | write a greater-than inside < > in parentheses: (arg0 > 5)
"#,
    );
    check(
        r#"
kprobe:f < @x = $a > 3 >
                 //^ error: this `>` closes the `<` block
"#,
    );
    check(
        r#"
kprobe:f < if arg0 > limit { @++ } > kprobe:g < @b++ >
                 //^ error: this `>` closes the `<` block
"#,
    );
    check(
        r#"
kprobe:f < if arg0 > 5 && arg1 > 6 { @++ } > kprobe:g { @x = ; }
                 //^ error: this `>` closes the `<` block
                                                           //^ error: expected an expression, found `;`
"#,
    );
    check(
        r#"
kprobe:f < @x = $a + > kprobe:g { }
                   //^ error: this `>` closes the `<` block
"#,
    );
    check(
        r#"
kprobe:f < @x = $a > 5
                 //^ error: this `>` closes the `<` block
"#,
    );
    let parsed = check(
        r#"
kprobe:f < return arg0 > $x >
                     //^ error: this `>` closes the `<` block
"#,
    );
    let related = &parsed.diagnostics[0].related[0];
    assert_eq!((related.span.start, related.text.as_str()), (9, "the block opens here"));
}

#[test]
fn blocks_closed_by_the_other_bracket() {
    check(
        r#"
kprobe:f < @++ } kprobe:g { @++ }
             //^ error: this block was opened by `<`, so `>` closes it
"#,
    );
    check(
        r#"
kprobe:f { @++ > kprobe:g { @++ }
             //^ error: this block was opened by `{`, so `}` closes it
"#,
    );
    check(
        r#"
kprobe:f < @++ > > kprobe:g { @++ }
               //^ error: this `>` closes nothing
"#,
    );
    check(
        r#"
kprobe:f < if (1) { @++ } } >
                        //^ error: this `}` closes nothing
"#,
    );
}

#[test]
fn brackets_that_are_not_closed() {
    let parsed = check(
        r#"
begin { printf("a" ; @x++; }
                 //^ error: expected `)` to close this parenthesis
"#,
    );
    assert_eq!(parsed.diagnostics[0].related[0].span.start, 14);
    check(
        r#"
begin { if (arg0 > 5 { @++ } }
                   //^ error: expected `)` to close this parenthesis
"#,
    );
    check(
        r#"
begin { @x[1 = 2; }
              //^ error: expected `]` to close this bracket
"#,
    );
    check(
        r#"
begin { f(a)); @x++ }
          //^ error: this `)` closes nothing
"#,
    );
    check(
        r#"
kprobe:f { if (1) { @x++; } kprobe:g { @y++ }
                          //^^^^^^ error: expected `}` before the next probe
"#,
    );
    check(
        r#"
kprobe:f {
    @x++
  begin {
//^^^^^ error: expected `}` before the next probe
}
"#,
    );
    check(
        r#"
kprobe:f { @x++; } }
                 //^ error: this `}` closes nothing
"#,
    );
}

#[test]
fn predicates() {
    check(
        r#"
kprobe:f /pid == 1 { @x++ }
                 //^ error: expected `/` to close this predicate
"#,
    );
    check(
        r#"
kprobe:f /(pid == 1/ { @x++ }
                 //^ error: expected `)` to close this parenthesis
"#,
    );
    check(
        r#"
kprobe:f /pid = 1/ { @x++ }
            //^ error: `=` assigns, and nothing can be assigned here | write == to compare
"#,
    );
    check(
        r#"
kprobe:f /pid == / { @x++ }
               //^ error: expected an expression, found `/`
"#,
    );
    check(
        r#"
kprobe:f /pid/ @x++ }
                  //^ error: expected `{` before this `}`
"#,
    );
    check(
        r#"
  /pid == 1/ { @x++ }
//^ error: expected a probe before the predicate
"#,
    );
}

#[test]
fn several_mistakes_are_told_in_one_run() {
    check(
        r#"
begin {
    @a = ;
       //^ error: expected an expression, found `;`
    if (1) { @b = 1 + } else { f(1 2) }
                    //^ error: expected an expression, found `}`
                                 //^ error: expected `)` or `,`, found a number
    @c = 1;
}
kprobe:f { g(,) }
           //^ error: expected an expression or `)`, found `,`
"#,
    );
}

#[test]
fn semicolons() {
    check(
        r#"
begin { @x = 1 2; }
             //^ error: expected `;`, found a number
"#,
    );
    check(
        r#"
begin {
    @x = 1
       //^ error: expected `;` after this statement
    @y = 2;
}
"#,
    );
    check(
        r#"
begin { @x++;; }
           //^ error: expected a statement, found `;` | leave this `;` out
"#,
    );
    check(
        r#"
begin { @x++; };
             //^ error: unexpected `;` after a probe | leave it out
"#,
    );
    check(
        r#"
begin { $a = $b = 1; }
              //^ error: expected `;`, found `=` | a statement assigns once
"#,
    );
}

#[test]
fn close_mistakes_have_their_own_words() {
    check(
        r#"
begin { printf "a"; }
             //^^^ error: expected `(` after `printf`, found a string | the arguments of a function stand in parentheses: printf(...)
"#,
    );
    check(
        r#"
begin { @x{pid} = count(); }
        //^ error: expected `[` after `@x`, found `{` | the key of a map stands in square brackets: @x[pid]
"#,
    );
    check(
        r#"
begin { x = 1; let y = 2; z += 3; }
      //^ error: `x` cannot be assigned to | did you mean `$x`?
                 //^ error: expected a variable after `let`, found `y` | did you mean `$y`?
                        //^ error: `z` cannot be assigned to | did you mean `$z`?
"#,
    );
    check(
        r#"
begin { if (x=3) { } while (pid = 3) { } }
           //^ error: `=` assigns, and nothing can be assigned here | write == to compare
                              //^ error: `=` assigns, and nothing can be assigned here | write == to compare
begin { if ($a = 3) { } if $b = 3 { } }
             //^ error: `=` assigns, and nothing can be assigned here | write == to compare
                            //^ error: `=` assigns, and nothing can be assigned here | write == to compare
"#,
    );
    check(
        r#"
begin { $a == 1 ? f() : g(); }
      //^^^^^^^^^^^^^^^^^^^ error: a `? :` statement cannot begin with a variable or a map
"#,
    );
    check(
        r#"
begin { $a = --5; $b = +5; c++; ++(1); }
           //^^ error: `--` needs a variable or a map | to negate twice, write -(-5)
                     //^ error: expected an expression, found `+` | there is no sign +; leave it out
                          //^^ error: `++` needs a variable or a map | did you mean `$c`?
                              //^^ error: `++` needs a variable or a map
"#,
    );
    check(
        r#"
begin { else { @x++ } if (1) @y++; if { } }
      //^^^^ error: `else` without an `if` before it
                           //^^ error: expected `{`, found `@y` | statements that belong together stand in braces: { ... }
                                    //^ error: expected an expression, found `{`
"#,
    );
}

#[test]
fn branches() {
    check(
        r#"
begin { if (1) { } else @x++; }
                      //^^ error: expected `{` or `if` after `else`, found `@x`
begin { if (1) { } else if (2) @y++; }
                             //^^ error: expected `{`, found `@y`
begin { if (1) { } else { } else { } }
                          //^^^^ error: `else` after the last `else`
"#,
    );
}

#[test]
fn what_is_not_there_yet() {
    check(
        r#"
  fn f($x : int8) : int8 { return $x; }
//^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: `fn` is not supported yet
"#,
    );
}

#[test]
fn loops() {
    check(
        r#"
begin { while ($x > 3) { $x = ; } @ok++ }
                            //^ error: expected an expression, found `;`
begin { for (i = 0; i < 3; i++) { @a = ; } @b = ; }
           //^ error: expected a variable such as `$x`, found `i` | a loop goes through numbers or a map: for ($i : 0..10) { }, for ($kv : @map) { }
                                              //^ error: expected an expression, found `;`
begin { for ($i = 0; $i < 3; $i++) { } @b = ; }
              //^ error: expected `:`, found `=` | a loop goes through numbers or a map: for ($i : 0..10) { }, for ($kv : @map) { }
                                          //^ error: expected an expression, found `;`
begin { for ($i : -2..$n + 1) { @b = ; } }
                //^^ error: an operator before a value needs parentheses here | write it as for ($i : (1 + 2)..(-$n)), or keep it in a variable
                    //^^^^^^ error: an operator between values needs parentheses here
                                   //^ error: expected an expression, found `;`
begin { for ($i, 0..3) { } for ($i : 1..) { } for (@a) { } @b = ; }
             //^ error: expected `:`, found `,`
                                      //^ error: expected an expression, found `)`
                                                 //^^ error: expected a variable such as `$x`, found `@a`
                                                              //^ error: expected an expression, found `;`
begin { while { } unroll { } while ($a = 3) { } break 1; @b = ; }
            //^ error: expected an expression, found `{`
                       //^ error: expected an expression, found `{`
                                     //^ error: `=` assigns, and nothing can be assigned here
                                                    //^ error: expected `;`, found a number
                                                            //^ error: expected an expression, found `;`
"#,
    );
}

#[test]
fn values_in_braces() {
    check(
        r#"
begin { $a = { 1 2 }; $b = { $c = ; 3 }; f({ , }); }
               //^ error: expected `;`, found a number
                                //^ error: expected an expression, found `;`
                                           //^ error: expected a statement or `;`, found `,`
begin { $a = if (1) { 2 } else 3; $b = if { 1 }; @c = ; }
                             //^ error: expected `{` or `if` after `else`, found a number
                                        //^ error: expected an expression, found `{`
                                                    //^ error: expected an expression, found `;`
"#,
    );
}

#[test]
fn records() {
    check(
        r#"
begin { $a = (x=1, 2, x=3); $b = (x=, y=1); $c = (1, $d = 2); $e = (pid = 1); }
                 //^ error: this part of the record has no name | name all parts of a record, (x=1, y=2), or none, (1, 2)
                    //^ error: this record has a `x` already
                                  //^ error: expected an expression, found `,`
                                                      //^ error: `=` assigns, and nothing can be assigned here
                                                                      //^ error: `=` assigns, and nothing can be assigned here
"#,
    );
}

#[test]
fn words_that_take_a_type() {
    check(
        r#"
begin { f(sizeof()); f(offsetof(struct x)); f(offsetof(struct x, 1)); f(sizeof(struct)); f(typeof x); }
               //^ error: expected an expression, found `)`
                                      //^ error: expected `,`, found `)`
                                                               //^ error: expected a name, found a number
                                                                                   //^ error: expected a name, found `)`
                                                                                                //^ error: expected `(`, found `x`
begin { f(offsetof(struct x a)); f(sizeof(uint8_t + 1)); $a = ; }
                          //^ error: expected `,`, found `a`
                                                            //^ error: expected an expression, found `;`
begin { f(&1, &@a[1]); f(comptime); $a = (struct x); let $b: = 1; let $c: int8[$n] = 1; }
        //^^ error: `&` needs a variable or a map
            //^^^^^^ error: `&` needs a variable or a map
                               //^ error: expected an expression, found `)`
                                                 //^ error: expected an expression, found `;`
                                                           //^ error: expected a type, found `=`
                                                                             //^^ error: expected `]`, found `$n`
"#,
    );
}

#[test]
fn macros() {
    check(
        r#"
macro f(a, $b, @c) { $b = ; @c = 1 }
                        //^ error: expected an expression, found `;`
macro g(a, pid, 1) { 1 }
              //^ error: expected a name, found a number
macro h(pid) { pid }
      //^^^ error: `pid` is a builtin, so it cannot be a parameter
macro i { 1 }
      //^ error: expected `(` and the macro's parameters | a macro is written macro name(a, $b, @c) { ... }
macro j(a) $x {
         //^ error: expected `{` and the macro's body
}
macro k(a { a }
        //^ error: expected `)` to close this parenthesis
begin { @b = ; }
           //^ error: expected an expression, found `;`
"#,
    );
}

#[test]
fn tokens() {
    check(
        r#"
begin { @x = 'a'; @y = 089; @z = 0b101; @w = 12e3; @v = 5foo; }
           //^^^ error: single quotes are not known | write its number: 97
                     //^^^ error: `8` is not an octal digit
                               //^^^^^ error: numbers in base 2 are not known | write it in base 16: 0x5
                                           //^^^^ error: `12e3` is not a number
                                                       //^^^ error: `foo` is not a suffix of a number
"#,
    );
    check(
        r#"
begin { printf("a\qb\x"); @x = 18446744073709551616; @y = $0; @z = § + 1; }
               //^^ error: `\q` is not an escape
                  //^^ error: expected hexadecimal digits after `\x`
                             //^^^^^^^^^^^^^^^^^^^^ error: this number is too large for 64 bits
                                                        //^^ error: `$0` is not a parameter
                                                                 //^ error: unexpected character `§`
"#,
    );
    check(
        r#"
  # a comment
//^ error: unexpected `#` | comments begin with //
begin { # another
      //^ error: unexpected `#` | comments begin with //
}
"#,
    );
    check(
        r#"
begin { @x = "abc;
           //^^^^^ error: this string is not closed on its line
@y = 1; }
"#,
    );
}

#[test]
fn outside_of_probes() {
    check(
        r#"
kprobe:f pid == 1 { @x++ }
       //^^^ error: expected `{` to open the probe's body, found `pid` | a condition stands between slashes, / pid == 1 /; several probes are separated by commas
kprobe:f kprobe:g { @x++ }
       //^^^^^^^^ error: expected `{` to open the probe's body, found `kprobe:g` | several probes are separated by commas
"#,
    );
    check(
        r#"
printf("hello");
    //^ error: expected `{` to open the probe's body, found `(` | statements stand inside a probe: begin { ... }
"#,
    );
    check(
        r#"
  @x = count();
//^^^^^^^^^^^^^ error: this stands outside of a probe | statements stand inside a probe: begin { ... }
"#,
    );
    check(
        r#"
  { @x++ }
//^ error: expected a probe before this block
"#,
    );
}

#[test]
fn an_empty_script_has_no_probes() {
    for text in ["", "  \n", "// nothing", "/* nothing */", "#!/usr/bin/rtrace\n"] {
        let parsed = super::parse(text);
        assert_eq!(parsed.diagnostics.len(), 1, "{text:?}");
        assert_eq!(parsed.diagnostics[0].title, "no probes: the script is empty");
        assert!(parsed.diagnostics[0].help.as_ref().is_some_and(|help| help.contains("kprobe:")));
        assert!(!parsed.is_incomplete());
    }
}

#[test]
fn the_end_of_the_input_is_told_from_other_trouble() {
    for text in [
        "kprobe:f",
        "kprobe:f,",
        "kprobe:f /pid",
        "kprobe:f /pid/",
        "kprobe:f {",
        "kprobe:f { @x = ",
        "kprobe:f <",
        "kprobe:f { f(1, ",
        "kprobe:f { @x[",
        "kprobe:f { \"abc",
        "kprobe:f { /* abc",
        "/* abc",
        "kprobe:f { if (1)",
        "kprobe:f { @x = $",
        "kprobe:f { if (1) { } else",
        "uprobe:\"/bin/ba",
        "kprobe:f { 1 ?",
        "kprobe:f { @x >",
        "kprobe:f < @x = (1 >",
    ] {
        let parsed = super::parse(text);
        assert!(parsed.is_incomplete(), "{text}: {:#?}", parsed.diagnostics);
        assert_eq!(parsed.diagnostics.len(), 1, "{text}: {:#?}", parsed.diagnostics);
    }
    for text in
        ["kprobe:f { @x = = 1", "kprobe:f { 089", "kprobe:f { while (1 { ; }", "kprobe:f { }", "kprobe:f { @x ) "]
    {
        assert!(!super::parse(text).is_incomplete(), "{text}");
    }
}

#[test]
fn config_blocks() {
    check("config = { max_strlen=64; license = \"GPL\"; a=raw; b=true; }\nconfig:x { }");
    check(
        r#"
config = { a = 1; b }
                  //^ error: expected `=`, found `}`
begin { }
"#,
    );
    check(
        r#"
config = { a = -1; 5 = 3; c = $1; d = 5 }
             //^^ error: expected string, int, boolean, or ident
                 //^ error: expected the name of a config variable
                            //^^ error: expected string, int, boolean, or ident
    config = { }
  //^^^^^^ error: duplicate config block
begin { }
    config = { a = 1 }
  //^^^^^^ error: config must appear before probes and functions
"#,
    );
    check(
        r#"
config = { a = 1
             //^ error: expected `;` after this statement
  b = 2 }
    config a
         //^ error: expected `=`, found `a`
begin { }
"#,
    );
}

#[test]
fn map_declarations_and_imports() {
    check("import \"a.bt\"; let @a = hash(1e1) let @ = lruhash(0x10);\nbegin { }\nlet @b = percpuhash(5);");
    check(
        r#"
let $a = 5; let @b; let @c = hash(-1); let @d = hash(); let @e = hash(1, 2);
  //^ error: expected a map such as `@name`, found `$`
                //^ error: expected `=`, found `;`
                                //^^ error: expected positive integer for map declaration max entries
                                                   //^ error: expected positive integer for map declaration max entries
                                                                     //^ error: expected `)`, found `,`
let @f = 5; let @g = hash 5; begin { }
       //^ error: expected the kind of the map, such as `hash`, found `5`
                        //^ error: expected `(`, found `5`
    import "a.bt";
  //^^^^^^^^^^^^^ error: root imports must appear before probes and functions
"#,
    );
    check(
        r#"
import "a.bt" import 5; import;
           //^ error: expected `;` after this import
                   //^ error: expected a path in quotes, found `5`
                            //^ error: expected a path in quotes, found `;`
begin { }
"#,
    );
}
