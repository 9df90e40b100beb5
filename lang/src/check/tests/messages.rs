//! Each mistake has one message, at its place.

use super::{check, check_with};

#[test]
fn names_that_do_not_exist() {
    check(
        r#"
begin { print(nsec); }
            //^^^^ error: Unknown identifier: 'nsec' | did you mean `nsecs`?
"#,
    );
    check(
        r#"
begin { $start = 1; print($stat); }
                        //^^^^^ error: Undefined or undeclared variable: $stat | did you mean `$start`?
"#,
    );
    check(
        r#"
begin { print($other); }
            //^^^^^^ error: Undefined or undeclared variable: $other
"#,
    );
    check(
        r#"
begin { prinf("x"); }
      //^^^^^^^^^^ error: Unknown function: 'prinf' | did you mean `print`?
"#,
    );
    check(
        r#"
begin { let $a : unit8; }
               //^^^^^ error: Cannot resolve unknown type "unit8" | did you mean `uint8`?
"#,
    );
    check(
        r#"
begin { let $a : struct no_such_struct; print($a); }
               //^^^^^^^^^^^^^^^^^^^^^ error: Cannot resolve unknown type "struct no_such_struct"
"#,
    );
    // A pointer to it is refused as well, and what follows from that is not told.
    check(
        r#"
begin { $t = (struct taskstruct *)curtask; print($t.pid); }
            //^^^^^^^^^^^^^^^^^^^ error: Cannot resolve unknown type "struct taskstruct" | did you mean `struct task_struct`?
"#,
    );
    check(
        r#"
struct packet { int size; struct other *next; };
begin { print((struct other *)1); }
begin { print(((struct paket *)1).size); }
              //^^^^^^^^^^^^^^ error: Cannot resolve unknown type "struct paket" | did you mean `struct packet`?
"#,
    );
    check(
        r#"
begin { print(@nope); }
            //^^^^^ warning: Undefined map: @nope | no probe assigns it, so it stays empty
"#,
    );
    check(
        r#"
begin { clear(@nope); zero(@nope); delete(@nope); }
            //^^^^^ warning: Undefined map: @nope | no probe assigns it, so it stays empty
                         //^^^^^ warning: Undefined map: @nope | no probe assigns it, so it stays empty
                                        //^^^^^ error: Undefined map: @nope
"#,
    );
    check(
        r#"
begin { print(has_key(@nope, 1)); if (has_key(@late, 1)) { print(1); } @late[1] = 2; }
                    //^^^^^ warning: Undefined map: @nope | no probe assigns it, so it has no keys
"#,
    );
    check(
        r#"
begin { $x = @nope + 1; print($x); }
           //^^^^^ warning: Undefined map: @nope | no probe assigns it, so this is always 0
"#,
    );
    check(
        r#"
begin { let $x; print($x); }
                    //^^ error: Could not resolve the type of this variable
"#,
    );
}

#[test]
fn probes_that_do_not_exist() {
    check(
        r#"
  tracepoint:syscalls:sys_enter_nope { @ = 1; }
//^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: No matches for tracepoint syscalls:sys_enter_nope.
"#,
    );
    check(
        r#"
  tracepont:a:b { @ = 1; }
//^^^^^^^^^^^^^ error: Invalid probe type: tracepont | did you mean `tracepoint`?
"#,
    );
    check(
        r#"
  interval:s:$1 { @ = 1; }
//^^^^^^^^^^^^^ error: Positional parameter $1 is empty or not provided.
"#,
    );
}

#[test]
fn arguments_of_the_event() {
    check(
        r#"
begin { print(arg0); }
            //^^^^ error: The arg0 builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes
"#,
    );
    check(
        r#"
  tracepoint:syscalls:sys_enter_write { print(arg0); }
                                            //^^^^ error: The arg0 builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes | here arguments go by name: args.NAME
"#,
    );
    check(
        r#"
begin { print(args.count); }
            //^^^^ error: The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and uprobe probes (special used here)
"#,
    );
    check(
        r#"
  tracepoint:syscalls:sys_enter_write { print(args.cuont); }
                                            //^^^^^^^^^^ error: Struct/union of type 'struct tracepoint:syscalls:sys_enter_write_args' does not contain a field named 'cuont' | did you mean `count`?
"#,
    );
    check(
        r#"
  tracepoint:syscalls:sys_enter_write { print(args); }
                                            //^^^^ error: `args` stands for all arguments: name one, such as args.count
"#,
    );
    check(
        r#"
begin { print(args); }
            //^^^^ error: The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and uprobe probes (special used here)
"#,
    );
    check(
        r#"
  tracepoint:syscalls:sys_enter_write, tracepoint:syscalls:sys_enter_openat { print(args.fd); }
                                                                                  //^^^^^^^ error: Struct/union of type 'struct tracepoint:syscalls:sys_enter_openat_args' does not contain a field named 'fd' | it has filename
"#,
    );
    check(
        r#"
begin { print(cpid); }
            //^^^^ warning: No child command (`-c`); cpid is zero | start one with -c COMMAND; has_cpid tells whether there is one
"#,
    );
}

#[test]
fn a_return_value_elsewhere() {
    check(
        r#"
  tracepoint:syscalls:sys_enter_write { print(retval); }
                                            //^^^^^^ error: The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'fentry' probes | at the exit of a system call it is args.ret
"#,
    );
}

#[test]
fn one_mistake_is_told_once() {
    check(
        r#"
  tracepoint:syscalls:sys_enter_nope { $x = retval; print($x); }
//^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: No matches for tracepoint syscalls:sys_enter_nope.
"#,
    );
    check(
        r#"
begin { $x = nope; print($x + 1); @a = $x; print(@a); @h = hist($x); print(@h); }
           //^^^^ error: Unknown identifier: 'nope'
"#,
    );
    check(
        r#"
begin { let $a : nope = 5; print($a); $a = 6; }
               //^^^^ error: Cannot resolve unknown type "nope"
"#,
    );
    check(
        r#"
begin { @a = count(1); print(@a); }
           //^^^^^^^^ error: count() requires no arguments (1 provided) | usage: count()
"#,
    );
}

#[test]
fn types_that_do_not_agree() {
    check(
        r#"
begin { $a = 1; $a = "x"; }
              //^^^^^^^^ error: Type mismatch for $a: trying to assign value of type 'string[2]' when variable already has a type 'int8'
"#,
    );
    check(
        r#"
begin { $a = true; $a = 1; }
                 //^^^^^^ error: Type mismatch for $a: trying to assign value of type 'int8' when variable already has a type 'bool'
"#,
    );
    check(
        r#"
begin { @a = 1; @a = "x"; }
              //^^^^^^^^ error: Type mismatch for @a: trying to assign value of type 'string[2]' when map already has a type 'int8'
"#,
    );
    check(
        r#"
begin { @a = count(); @a = sum(1); }
                         //^^^^^^ error: Type mismatch for @a: trying to assign value of type 'sum_t' when map already has a type 'count_t'
"#,
    );
    check(
        r#"
begin { @a = 1; @a = count(); }
                   //^^^^^^^ error: Type mismatch for @a: trying to assign value of type 'count_t' when map already has a type 'int8'
"#,
    );
    check(
        r#"
begin { @a[1] = 1; @a["x"] = 2; }
                 //^^^^^^^ error: Argument mismatch for @a: trying to access with arguments: 'string[2]' when map expects arguments: 'int8'
"#,
    );
    check(
        r#"
begin { @a[1] = 1; @a[1, 2] = 2; }
                 //^^^^^^^^ error: Argument mismatch for @a: trying to access with arguments: '(int8,int8)' when map expects arguments: 'int8'
"#,
    );
    check(
        r#"
begin { @a[1] = 1; @a = 2; }
                 //^^ error: @a used as a map without an explicit key (scalar map), previously used with an explicit key (non-scalar map)
"#,
    );
    check(
        r#"
begin { @a = 1; @a[1] = 2; }
              //^^^^^ error: @a used as a map with an explicit key (non-scalar map), previously used without an explicit key (scalar map)
"#,
    );
    check(
        r#"
begin { @a = (1, 2); @a = (1, 2, 3); }
                   //^^^^^^^^^^^^^^ error: Type mismatch for @a: trying to assign value of type '(int8,int8,int8)' when map already has a type '(int8,int8)'
"#,
    );
    check(
        r#"
begin { @a = "x"; @a += 1; }
                //^^^^^^^ error: Type mismatch for @a: trying to assign value of type 'int64' when map already has a type 'string[2]'
"#,
    );
    check(
        r#"
begin { @a = 1; @a += "x"; }
              //^^^^^^^^^ error: Type mismatch for '+': comparing int64 with string[2]
"#,
    );
    check(
        r#"
begin { $a = "x"; $a++; }
                //^^^^ error: Type mismatch for $a: trying to assign value of type 'int64' when variable already has a type 'string[2]'
"#,
    );
    check(
        r#"
begin { @a = "x"; @a++; }
                //^^^^ error: Type mismatch for @a: trying to assign value of type 'int64' when map already has a type 'string[2]'
"#,
    );
    check(
        r#"
begin { $a = pid ? 1 : "x"; }
           //^^^^^^^^^^^^^ error: Branches must return the same type or compatible types: have 'int8' and 'string[2]'
"#,
    );
}

#[test]
fn declared_variables() {
    check(
        r#"
begin { let $a : uint8 = 256; }
      //^^^^^^^^^^^^^^^^^^^^ error: Type mismatch for $a: trying to assign value of type 'int16' when variable already has a type 'uint8'
"#,
    );
    check(
        r#"
begin { let $a : uint8 = 1; $a = -1; }
                          //^^^^^^^ error: Type mismatch for $a: trying to assign value of type 'int8' when variable already has a type 'uint8'
"#,
    );
    check(
        r#"
begin { let $a : string[3] = "abc"; }
      //^^^^^^^^^^^^^^^^^^^^^^^^^^ error: Type mismatch for $a: trying to assign value of type 'string[4]' when variable already has a type 'string[3]'
"#,
    );
    check(
        r#"
begin { let $a : void; }
               //^^^^ error: Invalid variable declaration type: void
"#,
    );
    check(
        r#"
begin { let $a : string[0]; }
               //^^^^^^^^^ error: a string has 1 to 1024 bytes
"#,
    );
    check(
        r#"
begin { let $a = 1; let $a = 2; }
                  //^^^^^^ error: Variable $a was already declared. Variable shadowing is not allowed.
"#,
    );
    check(
        r#"
begin { let $a = 1; if (pid) { let $a = 2; } }
                             //^^^^^^ error: Variable $a was already declared. Variable shadowing is not allowed.
"#,
    );
    check(
        r#"
begin { if (pid) { $a = 1; } print($a); }
                                 //^^ error: Undefined or undeclared variable: $a
"#,
    );
}

#[test]
fn operators() {
    check(
        r#"
begin { $s = "x"; print($s + "y"); }
                      //^^^^^^^^ error: The + operator can not be used on expressions of types string[2], string[2]
"#,
    );
    check(
        r#"
begin { $s = "x"; print($s + 1); }
                      //^^^^^^ error: Type mismatch for '+': comparing string[2] with int8
"#,
    );
    check(
        r#"
begin { $s = "x"; print($s < "y"); }
                      //^^^^^^^^ error: The < operator can not be used on expressions of types string[2], string[2]
"#,
    );
    check(
        r#"
begin { print((1, 2) < (1, 3)); }
            //^^^^^^^^^^^^^^^ error: The < operator can not be used on expressions of types (int8,int8), (int8,int8)
"#,
    );
    check(
        r#"
begin { print((1, 2) == (1, "x")); }
            //^^^^^^^^^^^^^^^^^^ error: Type mismatch for '==': comparing (int8,int8) with (int8,string[2])
"#,
    );
    check(
        r#"
begin { print(-true); }
            //^^^^^ error: The - operator can not be used on expressions of type 'bool'
"#,
    );
    check(
        r#"
begin { print(~"x"); }
            //^^^^ error: The ~ operator can not be used on expressions of type 'string[2]'
"#,
    );
    check(
        r#"
begin { print(!"x"); }
            //^^^^ error: The ! operator can not be used on expressions of type 'string[2]'
"#,
    );
    check(
        r#"
begin { print(*comm); }
            //^^^^^ error: The * operator can not be used on expressions of type 'string[16]'
"#,
    );
    check(
        r#"
begin { $t = (1, 2); print($t.2); }
                         //^^^^ error: Invalid tuple index: 2. Found 2 elements in tuple.
"#,
    );
    check(
        r#"
begin { $t = (1, 2); print($t.x); }
                         //^^^^ error: Can not access field 'x' on expression of type '(int8,int8)'
"#,
    );
    check(
        r#"
begin { $t = 5; print($t.0); }
                    //^^^^ error: Can not access index '0' on expression of type 'int8'
"#,
    );
    check(
        r#"
begin { $t = 5; print($t[0]); }
                    //^^^^^ error: The array index operator [] can only be used on arrays, pointers, and tuples, found int8.
"#,
    );
    check(
        r#"
begin { print((string)5); }
            //^^^^^^^^^ error: Cannot cast from "int8" to "string"
"#,
    );
    check(
        r#"
begin { print((int8)"x"); }
            //^^^^^^^^^ error: Cannot cast from "string[2]" to "int8"
"#,
    );
    check(
        r#"
begin { print(()); }
            //^^ error: an empty tuple is no value
"#,
    );
}

#[test]
fn numbers_of_the_script() {
    check(
        r#"
begin { print(1 / 0); }
            //^^^^^ error: unable to fold literals due to overflow or underflow | the divisor is 0
"#,
    );
    check(
        r#"
begin { print(1 << 64); }
            //^^^^^^^ error: unable to fold literals due to overflow or underflow | the result does not fit 64 bits
"#,
    );
    check(
        r#"
begin { print(9223372036854775807 * 3); }
            //^^^^^^^^^^^^^^^^^^^^^^^ error: unable to fold literals due to overflow or underflow
"#,
    );
    check(
        r#"
begin { print(-1 < 18446744073709551615); }
            //^^^^^^^^^^^^^^^^^^^^^^^^^ error: unable to fold literals due to overflow or underflow | no type holds both numbers
"#,
    );
    check(
        r#"
begin { print("abc" + 5); }
            //^^^^^^^^^ warning: literal string will always be empty
"#,
    );
}

#[test]
fn conditions() {
    check(
        r#"
begin { if (comm) { @++; } }
         //^^^^^^ error: Invalid condition: string | compare it: a condition is a number or a bool
"#,
    );
    check(
        r#"
begin /(1, 2)/ { @++; }
     //^^^^^^ error: Invalid condition: tuple | compare it: a condition is a number or a bool
"#,
    );
    check(
        r#"
begin { print(comm ? 1 : 2); }
            //^^^^ error: Invalid condition: string | compare it: a condition is a number or a bool
"#,
    );
}

#[test]
fn assignments() {
    check(
        r#"
begin { (1, 2) = 1; }
      //^^^^^^ error: only a variable or a map can be assigned to
begin { $a = (1, (x=2)); $a.0 = 3; $a.1.x += 4; *curtask = 5; }
                       //^^^^ error: only a variable or a map can be assigned to | what has parts stays as it was made: make a new one and assign that
                                 //^^^^^^ error: only a variable or a map can be assigned to | what has parts stays as it was made: make a new one and assign that
                                              //^^^^^^^^ error: only a variable or a map can be assigned to | memory of others is only read, but see write_user()
"#,
    );
}

#[test]
fn calls() {
    check(
        r#"
begin { printf(); }
      //^^^^^^^^ error: printf() requires at least one argument (0 provided) | usage: printf("format", args...)
"#,
    );
    check(
        r#"
begin { clear(); }
      //^^^^^^^ error: clear() requires one argument (0 provided) | usage: clear(@map)
"#,
    );
    check(
        r#"
begin { clear(@a, @b); }
      //^^^^^^^^^^^^^ error: clear() requires one argument (2 provided) | usage: clear(@map)
"#,
    );
    check(
        r#"
begin { exit(1, 2); }
      //^^^^^^^^^^ error: exit() takes up to one argument (2 provided) | usage: exit(), exit(code)
"#,
    );
    check(
        r#"
begin { exit("x"); }
      //^^^^^^^^^ error: exit() only supports int arguments (string provided)
"#,
    );
    check(
        r#"
begin { clear(1); }
            //^ error: clear() expects a map argument | usage: clear(@map)
"#,
    );
    check(
        r#"
begin { delete(1); }
             //^ error: delete() expects a map argument | write delete(@map, key)
"#,
    );
    check(
        r#"
begin { $x = print(1); }
           //^^^^^^^^ error: print() gives no value and can only stand alone
"#,
    );
    check(
        r#"
begin { $x = count(); }
           //^^^^^^^ error: count() must be assigned directly to a map | write @name = count()
"#,
    );
    check(
        r#"
begin { count(); }
      //^^^^^^^ error: count() must be assigned directly to a map | write @name = count()
"#,
    );
    check(
        r#"
begin { @a = count(); $x = delete(@a); }
                         //^^^^^^^^^^ error: deleting a whole aggregation gives no value
"#,
    );
    check(
        r#"
begin { print(1, 2); }
      //^^^^^^^^^^^ error: Non-map print() only takes 1 argument, 2 found | only a whole map is printed with top and div
"#,
    );
    check(
        r#"
begin { @a = 1; print(@a, -1); }
                        //^^ error: print() takes no negative number here
"#,
    );
    check(
        r#"
begin { @a = 1; $n = 1; print(@a, $n); }
                      //^^^^^^^^^^^^^ error: print() expects a int literal (int provided)
"#,
    );
    check(
        r#"
begin { print(str((1, 2))); }
                //^^^^^^ error: str() expects a string, integer or a pointer type as first argument ((int8,int8) provided)
"#,
    );
    check(
        r#"
begin { print(str(pid, -1)); }
                     //^^ error: str() cannot use negative length (-1)
"#,
    );
    check(
        r#"
begin { $x = 1; $y = 1; print(str($x, "a")); }
                            //^^^^^^^^^^^^ error: str() only supports integer arguments (string provided)
"#,
    );
    check(
        r#"
begin { @ = sum(true); }
          //^^^^^^^^^ error: sum() only supports integer arguments (bool provided)
"#,
    );
    check(
        r#"
begin { @ = hist("x"); }
          //^^^^^^^^^ error: hist() only supports int arguments (string provided)
"#,
    );
}

#[test]
fn formats() {
    check(
        r#"
begin { printf(5); }
      //^^^^^^^^^ error: printf() expects a string literal (int provided) | write printf("%s\n", value)
"#,
    );
    check(
        r#"
begin { $f = "x"; printf($f); }
                //^^^^^^^^^^ error: printf() expects a string literal (string provided) | write printf("%s\n", value)
"#,
    );
    check(
        r#"
begin { printf("a %d %x\n", 1); }
                   //^^ error: not enough arguments for format string (1 supplied, 2 expected) | there is no value for this
"#,
    );
    check(
        r#"
begin { printf("x", 1); printf("%d", 1, 2, (3, 4)); }
                  //^ error: too many arguments for format string (1 supplied, 0 expected) | nothing shows this
                                      //^^^^^^^^^ error: too many arguments for format string (3 supplied, 1 expected) | nothing shows these
"#,
    );
    check(
        r#"
begin { printf("ab %y", 1); }
                 //^^ error: unknown conversion `%y` in the format | there are %d %i %u %x %X %o %c %s %p, %r %rx %rh for buffers and %gr; a percent sign is written %%
"#,
    );
    check(
        r#"
begin { printf("\t\"%-*d", 1); }
                  //^^^ error: unknown conversion `%-*` in the format | the width is written in the format: %8d
"#,
    );
    // What other escapes stand for may be written in several ways.
    check(
        r#"
begin { printf("\x41%y", 1); }
             //^^^^^^^^ error: unknown conversion `%y` in the format | there are %d %i %u %x %X %o %c %s %p, %r %rx %rh for buffers and %gr; a percent sign is written %%
"#,
    );
    check(
        r#"
begin { printf("100%"); }
                 //^ error: the format ends within a conversion | a percent sign is written %%
"#,
    );
    check(
        r#"
begin { printf("%d%gr", "x", true); }
              //^^ error: unsupported format specifier for type 'string[2]': d | use %s
                //^^^ error: unsupported format specifier for type 'bool': gr | use %s
"#,
    );
    check(
        r#"
begin { debugf("%d %r", 1, buf("a", 1)); debugf("%s", 1); debugf("%.2s", "a"); debugf("%hd", 1); debugf("%d"); debugf(comm); }
                 //^^ error: Invalid format specifier for `debugf`: r | the kernel shows %d %i %u %x %X %p %c of numbers and %s of texts, with l or ll and a width
                                               //^^ error: unsupported format specifier for type 'int8': s | the kernel shows %d %i %u %x %X %p %c of numbers and %s of texts, with l or ll and a width
                                                                //^^^^ error: Invalid format specifier for `debugf`: s | the kernel shows %d %i %u %x %X %p %c of numbers and %s of texts, with l or ll and a width
                                                                                     //^^^ error: Invalid format specifier for `debugf`: d | the kernel shows %d %i %u %x %X %p %c of numbers and %s of texts, with l or ll and a width
                                                                                                       //^^ error: not enough arguments for format string (0 supplied, 1 expected) | there is no value for this
                                                                                                             //^^^^^^^^^^^^ error: debugf() expects a string literal (string provided) | write debugf("%s\n", value)
"#,
    );
}

#[test]
fn histograms() {
    check(
        r#"
begin { @ = hist(1, 6); }
          //^^^^^^^^^^ error: hist: bits 6 must be 0..5
"#,
    );
    check(
        r#"
begin { @ = hist(1); @ = hist(1, 2); }
                       //^^^^^^^^^^ error: Different bits in a single hist unsupported
"#,
    );
    check(
        r#"
begin { $k = 1; @ = hist(1, $k); }
                  //^^^^^^^^^^^ error: hist() expects a int literal (int provided)
"#,
    );
    check(
        r#"
begin { @ = lhist(1, 10, 0, 1); }
          //^^^^^^^^^^^^^^^^^^ error: lhist() min must be less than max (provided min 10 and max 0)
"#,
    );
    check(
        r#"
begin { @ = lhist(1, 0, 10, 0); }
          //^^^^^^^^^^^^^^^^^^ error: lhist() step must be >= 1 (0 provided)
"#,
    );
    check(
        r#"
begin { @ = lhist(1, 0, 10, 11); }
          //^^^^^^^^^^^^^^^^^^^ error: lhist() step is too large for the given range (provided step 11 for range 10)
"#,
    );
    check(
        r#"
begin { @ = lhist(1, 0, 1001, 1); }
          //^^^^^^^^^^^^^^^^^^^^ error: lhist() too many buckets, must be <= 1000 (would need 1001)
"#,
    );
    check(
        r#"
begin { @ = lhist(1, -5, 10, 1); }
          //^^^^^^^^^^^^^^^^^^^ error: lhist: invalid min value (must be non-negative literal)
"#,
    );
}

#[test]
fn time_series_have_bounds() {
    check(
        r#"
config = { unstable_tseries = enable }
begin { @ = tseries(1, 0, 5); }
          //^^^^^^^^^^^^^^^^ error: tseries() interval_ns must be >= 1 (0 provided)
begin { @a = tseries(1, 1s, 0); }
           //^^^^^^^^^^^^^^^^^ error: tseries() num_intervals must be >= 1 (0 provided)
begin { @b = tseries(1, pid, 5); }
           //^^^^^^^^^^^^^^^^^^ error: tseries: invalid interval_ns value (must be non-negative literal)
begin { @c = tseries(1, 1s, "5"); }
           //^^^^^^^^^^^^^^^^^^^ error: tseries: invalid num_intervals value (must be non-negative literal)
begin { @d = tseries(1, 1s, 1000001); }
           //^^^^^^^^^^^^^^^^^^^^^^^ error: tseries() num_intervals must be < 1000000 (1000001 provided)
begin { @e = tseries(1, 1s); }
           //^^^^^^^^^^^^^^ error: tseries() requires at least 3 arguments (2 provided) | usage: tseries(n, interval, intervals), tseries(n, interval, intervals, "avg"|"max"|"min"|"sum")
begin { @f = tseries("a", 1s, 5); }
           //^^^^^^^^^^^^^^^^^^^ error: tseries() only supports int arguments (string provided)
begin { @g[1] = tseries(1, 1s, 1366); }
              //^^^^^^^^^^^^^^^^^^^^ error: tseries() of a map with keys has room for 1365 intervals at most | 1366 were asked for; take longer intervals, or a map without keys, which may have them
begin { @h[1] = tseries(1, 1s, 1365); @i = tseries(1, 1s, 1000000); }
"#,
    );
}

#[test]
fn time_series_know_what_stands_for_an_interval() {
    check(
        r#"
config = { unstable_tseries = enable }
begin { @ = tseries(1, 1s, 5, "mix"); }
          //^^^^^^^^^^^^^^^^^^^^^^^^ error: tseries() expects one of the following aggregation functions: avg, max, min, sum ("mix" provided) | did you mean "min"?
begin { @a = tseries(1, 1s, 5, comm); }
           //^^^^^^^^^^^^^^^^^^^^^^^ error: tseries() expects a string literal (string provided)
begin { @b = tseries(1, 1s, 5); @b = tseries(1, 2s, 5); }
                                   //^^^^^^^^^^^^^^^^^ error: Different tseries bounds in a single map unsupported
begin { @c = tseries(1, 1s, 5); @c = tseries(pid, 1s, 5); @c = tseries(300, 1s, 5); }
begin { $x = tseries(1, 1s, 5); }
           //^^^^^^^^^^^^^^^^^ error: tseries() must be assigned directly to a map | write @name = tseries(n, interval, intervals)
"#,
    );
}

#[test]
fn time_series_are_unstable() {
    check(
        "config = { unstable_tseries = error }\nbegin { @ = tseries(1, 1s, 5); }\n          //^^^^^^^^^^^^^^^^^ error: tseries feature is not enabled by default. To enable this unstable feature, set the config flag to enable. unstable_tseries=enable\n",
    );
    let warnings =
        super::checked("begin { @ = tseries(1, 1s, 5); @b = tseries(1, 1s, 5); }", &super::Settings::default())
            .diagnostics;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(!warnings[0].is_error() && warnings[0].title.contains("unstable_tseries=enable"), "{warnings:?}");
}

#[test]
fn a_map_stands_in_for_the_clock() {
    check(
        r#"
config = { unstable_tseries = enable; dummy_ts_map = "@ts" }
begin { @ts = (uint64)5; @ = tseries(1, 1s, 5); }
"#,
    );
    check(
        r#"
config = { unstable_tseries = enable; dummy_ts_map = "@ts" }
begin { @ = tseries(1, 1s, 5); }
          //^^^^^^^^^^^^^^^^^ error: dummy_ts_map: @ts cannot stand in for the clock: no probe assigns it
"#,
    );
    check(
        r#"
config = { unstable_tseries = enable; dummy_ts_map = "@ts" }
begin { @ts[1] = 5; @ = tseries(1, 1s, 5); }
                      //^^^^^^^^^^^^^^^^^ error: dummy_ts_map: @ts cannot stand in for the clock: it must hold one integer, without a key
"#,
    );
}

#[test]
fn what_is_never_run() {
    check(
        r#"
begin { exit(); print(1); }
              //^^^^^^^^ warning: Unreachable statement.
"#,
    );
    check(
        r#"
begin { return; print(1); print(2); }
              //^^^^^^^^ warning: Unreachable statement.
"#,
    );
    check(
        r#"
begin { return "x"; }
      //^^^^^^^^^^ error: Probe return values can only be integers. Found string[2]
"#,
    );
}

#[test]
fn parameters() {
    check_with(
        &["foo", "5"],
        r#"
begin { print($1 + $2); print($2 + 1); print($3); }
            //^^^^^^^ warning: literal string will always be empty
                                           //^^ warning: Positional parameter $3 is empty or not provided.
"#,
    );
    check_with(
        &["foo", "-1"],
        r#"
begin { printf("%d", $1); print(str("abc", $2)); }
              //^^ error: unsupported format specifier for type 'string[4]': d | use %s
                                         //^^ error: str() cannot use negative length (-1)
"#,
    );
    check_with(
        &["zero", "0"],
        r#"
  interval:s:$1 { @ = 1; }
//^^^^^^^^^^^^^ error: Invalid rate of interval probe: invalid integer: zero
  interval:s:$2 { @ = 1; }
//^^^^^^^^^^^^^ error: interval frequency should be a positive integer
"#,
    );
}

#[test]
fn loops() {
    check(
        r#"
begin { break; }
      //^^^^^ error: 'break' statement is not allowed in a probe | it belongs in the body of a for or while loop; `return` leaves the probe
begin { unroll(3) { continue; } }
                  //^^^^^^^^ error: 'continue' statement is not allowed in a probe | it belongs in the body of a for or while loop; `return` leaves the probe
begin { for ($i : 0..3) { continue; print(1); } for ($i : 0..3) { return 5; print($i); } }
                                  //^^^^^^^^ warning: Unreachable statement.
                                                                          //^^^^^^^^^ warning: Unreachable statement.
begin { for ($i : "a"..true) { } }
                //^^^ error: Loop range requires an integer for the start value
                     //^^^^ error: Loop range requires an integer for the end value
begin { $i = 1; for ($i : 0..3) { } }
                   //^^ error: Loop declaration shadows existing variable: $i | give the loop variable another name
begin { for ($i : 0..3) { let $i = 5; } }
                        //^^^^^^ error: Variable $i was already declared. Variable shadowing is not allowed.
begin { for ($i : 0..3) { $j = $i; } print($j); print($i); }
                                         //^^ error: Undefined or undeclared variable: $j
                                                    //^^ error: Undefined or undeclared variable: $i
begin { for ($i : 0..3) { $i = "a"; } }
                        //^^^^^^^^ error: Type mismatch for $i: trying to assign value of type 'string[2]' when variable already has a type 'int8'
"#,
    );
    check(
        r#"
begin { @a = 1; for ($kv : @a) { } }
                         //^^ error: @a has no explicit keys (scalar map), and cannot be used for iteration
begin { @h[1] = hist(5); for ($kv : @h) { print($kv); } }
                                  //^^ error: Loop expression does not support type: hist_t
"#,
    );
    check(
        r#"
begin { for ($kv : @nope) { print($kv); } }
                 //^^^^^ error: Undefined map: @nope
"#,
    );
    check(
        r#"
begin { unroll(0) { } unroll(101) { } unroll("a") { } $n = 3; unroll($n) { } }
            //^^^ error: unroll minimum value is 1 | a number from 1 to 100 that is known when compiling; for others, for ($i : 0..$n) { ... }
                          //^^^^^ error: unroll maximum value is 100 | a number from 1 to 100 that is known when compiling; for others, for ($i : 0..$n) { ... }
                                          //^^^^^ error: invalid unroll value | a number from 1 to 100 that is known when compiling; for others, for ($i : 0..$n) { ... }
                                                                  //^^^^ error: invalid unroll value | a number from 1 to 100 that is known when compiling; for others, for ($i : 0..$n) { ... }
"#,
    );
    check(
        r#"
begin { unroll(100) { unroll(100) { unroll(2) { print(1); } } } }
                                        //^^^ error: this would be written out 20000 times; 10000 is the most | write for ($i : 0..$n) { ... }
"#,
    );
    check(
        r#"
begin { while (1) { break; } }
      //^^^^^^^^^^^^^^^^^^^^ warning: While loops are deprecated and may be removed in the future. | For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and can be used in place of while. These are more easily proven to be bounded by the verifier.
"#,
    );
}

#[test]
fn aggregations_that_are_read() {
    check(
        r#"
begin { @c = count(); @d = @c; }
                    //^^^^^^^ error: Map value 'count_t' cannot be assigned from one map to another. The function that returns this type must be called directly e.g. `@d = count();`. | add a cast to integer if you want the value of the aggregate: @d = (int64)...
begin { if (@c) { } print(-@c); print(!@c); printf("%d", @c); }
         //^^^^ error: Invalid condition: count_t | compare it: a condition is a number or a bool
                        //^^^ error: The - operator can not be used on expressions of type 'count_t'
                                    //^^^ error: The ! operator can not be used on expressions of type 'count_t'
                                                  //^^ error: unsupported format specifier for type 'count_t': d | cast it: (int64)@map
begin { @h = hist(5); @s = stats(5); print((int64)@h); print(@s > 5); }
                                         //^^^^^^^^^ error: Cannot cast from "hist_t" to "int64"
                                                           //^^^^^^ error: Type mismatch for '>': comparing stats_t with int8
"#,
    );
}

#[test]
fn declared_maps() {
    check(
        r#"
let @a = hash(2); let @b = lruhash(2); let @c = percpuhash(2); let @d = percpulruhash(2); let @e = hash(1);
begin { @a[1] = 1; @b = 1; @c[1] = count(); @d = hist(1); @e[1] = "x"; }
"#,
    );
    check(
        r#"
  let @a = percpuhas(2); begin { @a[1] = count(); }
//^^^^^^^^^^^^^^^^^^^^^^ error: Invalid bpf map type: percpuhas | did you mean percpuhash? Valid map types: percpulruhash, percpuhash, lruhash, hash
"#,
    );
    check(
        r#"
  let @a = hash(0); let @b = hash(2000000000); begin { @a[1] = 1; @b[1] = 1; }
//^^^^^^^^^^^^^^^^^ error: a map has 1 to 1073741824 entries
                  //^^^^^^^^^^^^^^^^^^^^^^^^^^ error: a map has 1 to 1073741824 entries
"#,
    );
    check(
        r#"
let @a = hash(2); let @b = percpuhash(2); let @c = lruhash(2);
begin { @a[1] = count(); @b[1] = 1; @c = sum(1); }
      //^^ error: Incompatible map types. Type from declaration: hash. Type from value/key type: percpuhash
                       //^^ error: Incompatible map types. Type from declaration: percpuhash. Type from value/key type: hash
                                  //^^ error: Incompatible map types. Type from declaration: lruhash. Type from value/key type: percpuhash
"#,
    );
    check(
        r#"
  let @a = hash(2); let @b = hash(2); let @b = hash(3); begin { @b[1] = 1; }
//^^^^^^^^^^^^^^^^^ warning: Unused map: @a
                                    //^^^^^^^^^^^^^^^^^ warning: @b is declared already; this declaration has no effect
"#,
    );
}

#[test]
fn named_parameters() {
    check(
        r#"
begin { print(getopt("a", 5, "x")); print(getopt("a", 5)); print(getopt("b") == getopt("b", false)); }
"#,
    );
    check(
        r#"
begin { print(getopt(5)); print(getopt("a", cpu)); print(getopt("b", 1, 5)); print(getopt()); }
                   //^ error: First argument to 'getopt' must be a string literal.
                                          //^^^ error: Second argument to 'getopt' must be a string literal, integer literal, or a boolean literal.
                                                                      //^ error: Function 'getopt' requires the third parameter to be a string literal.
                                                                                 //^^^^^^^^ error: getopt() requires at least one argument (0 provided)
"#,
    );
    check(
        r#"
begin { print(getopt("a", (int64)5)); print(getopt("a", (int64)5) - 10); print(getopt("b", (int64)cpu)); }
                                                                                         //^^^^^^^^^^ error: Second argument to 'getopt' must be a string literal, integer literal, or a boolean literal.
"#,
    );
    check(
        r#"
begin { print(getopt("a", 5)); print(getopt("a", 6)); }
                                   //^^^^^^^^^^^^^^ error: Command line option 'a' needs to have the same default value in all places it is used. Previous default value: 5
"#,
    );
    check(
        r#"
begin { print(getopt("a", 5, "x")); print(getopt("a", 5, "y")); }
                                        //^^^^^^^^^^^^^^^^^^^ error: Command line option 'a' must have the same description in all places it's used.
"#,
    );
}

#[test]
fn attach_points_that_are_not_there() {
    check(
        r#"
  t:none:one, kprobe:f { } t:none:two { print(args.x) }
//^^^^^^^^^^ error: No matches for tracepoint none:one.
                         //^^^^^^^^^^ error: No matches for tracepoint none:two.
"#,
    );
    check(
        r#"
config = { missing_probes=warn }
  t:none:one, kprobe:f { } t:none:two { print(args.x) }
//^^^^^^^^^^ warning: No matches for tracepoint none:one. Skipping.
                         //^^^^^^^^^^ warning: No matches for tracepoint none:two. Skipping.
                         //^^^^^^^^^^ warning: Probe has no valid attach points. It is being removed which may cause issues with program behavior.
"#,
    );
    check(
        r#"
config = { missing_probes=ignore }
t:none:one, kprobe:f { } t:none:two { print(args.x) } kprob:f { }
                                                    //^^^^^^^ error: Invalid probe type: kprob | did you mean `kprobe`?
"#,
    );
}

#[test]
fn macros() {
    let alone = super::checked("macro never() { 1 }", &Default::default());
    let titles: Vec<&str> = alone.diagnostics.iter().map(|told| told.title.as_str()).collect();
    assert_eq!(titles, ["no probes: there is nothing to attach"]);
    check(
        r#"
macro m($x) { $y = $x; $y = $nope; }
                          //^^^^^ error: Undefined or undeclared variable: $nope
begin { $x = 1; m($x); m($x); $y = "a"; }
"#,
    );
}

#[test]
fn tests_and_benchmarks_have_names_of_their_own() {
    check(
        r#"
test:a { return 1; } bench:a { } test:b { return nsecs; }
  test:a { }
//^^^^^^ error: "a" was used as the name for more than one TEST probe
bench:b { } bench:b { }
          //^^^^^^^ error: "b" was used as the name for more than one BENCH probe
  test: { }
//^^^^^ error: test probes must have a name | write test:NAME
  bench:a:b { }
//^^^^^^^^^ error: bench probe type requires 1 arguments, found 2 | write bench:NAME
test:c { return "x"; }
       //^^^^^^^^^^ error: Probe return values can only be integers. Found string[2]
"#,
    );
}

#[test]
fn a_text_is_true_unless_it_is_empty() {
    check(
        r#"
begin { static_assert((bool)"x", "a text"); static_assert(!(bool)"", "an empty one"); print((bool)comm); }
begin { print((int64)comm); }
            //^^^^^^^^^^^ error: Cannot cast from "string[16]" to "int64"
"#,
    );
}

#[test]
fn histograms_are_no_values() {
    check(
        r#"
begin { @h = hist(1); @x = (1, @h); }
                             //^^ error: Map type hist_t cannot exist inside a tuple.
begin { @l = lhist(1, 0, 2, 1); print((a=@l)); }
                                       //^^ error: Map type lhist_t cannot exist inside a record.
begin { @y[@h] = 1; }
         //^^ error: Value 'hist_t' cannot be used as a map key.
begin { @s = stats(1); @z[@s, 1] = 1; }
                        //^^ error: Value 'stats_t' cannot be used as a map key.
begin { $x = @h; }
           //^^ error: Value 'hist_t' cannot be assigned to a scratch variable. | print() shows the map, or one of its entries
begin { @b = { @h }; }
      //^^^^^^^^^^^ error: Map value 'hist_t' cannot be assigned from one map to another. The function that returns this type must be called directly e.g. `@b = hist();`. | add a cast to integer if you want the value of the aggregate: @b = (int64)...
begin { print(pid ? @h : @h); }
      //^^^^^^^^^^^^^^^^^^^^ error: a hist_t is printed by the name of its map | print(@map) or print(@map[key])
begin { printf("%s", @h); }
              //^^ error: unsupported format specifier for type 'hist_t': s | print() shows the map, or one of its entries
begin { @c = count(); printf("%d", @c); }
                            //^^ error: unsupported format specifier for type 'count_t': d | cast it: (int64)@map
"#,
    );
}

#[test]
fn shares_are_of_maps_that_have_a_total() {
    check(
        r#"
begin { @c[1] = count(); @s["a"] = sum(1); @i[1, 2] = 5; print(@c, "pct"); print(@s, 5, "pct"); print(@i, "pct"); }
begin { @x = 1; print(@x, "pct"); }
              //^^^^^^^^^^^^^^^^ error: no shares can be printed: @x has only one value | it takes a map with keys that counts, sums or holds integers
begin { @h[1] = hist(1); print(@h, "pct"); }
                       //^^^^^^^^^^^^^^^^ error: no shares can be printed: the values of @h are of type 'hist_t', which have no total | it takes a map with keys that counts, sums or holds integers
begin { @t[1] = "a"; print(@t, 3, "pct"); }
                   //^^^^^^^^^^^^^^^^^^^ error: no shares can be printed: the values of @t are of type 'string[2]', which have no total | it takes a map with keys that counts, sums or holds integers
begin { @a[1] = avg(1); print(@a, "pct"); }
                      //^^^^^^^^^^^^^^^^ error: no shares can be printed: the values of @a are of type 'avg_t', which have no total | it takes a map with keys that counts, sums or holds integers
begin { print(@c, "percent"); }
                //^^^^^^^^^ error: print() knows no "percent" of a map | "pct" shows each value's share of the total
begin { print(@c, pid, "pct"); }
      //^^^^^^^^^^^^^^^^^^^^^ error: print() expects a int literal (int provided)
"#,
    );
}

#[test]
fn a_map_printed_in_a_loop_is_one_that_has_changed_since() {
    check(
        r#"
begin { for ($i : 0..3) { @x++; print(@x); } unroll(2) { print(@x); } print(@x); $x = @x; for ($i : 0..3) { print($x); } }
                              //^^^^^^^^^ warning: Due to it's asynchronous nature using 'print()' in a loop can lead to unexpected behavior. The map will likely be updated before the runtime can 'print' it. | a value that the program holds is printed as it is: $x = @x; print($x)
"#,
    );
}

#[test]
fn variables_without_a_value_are_told() {
    check(
        r#"
begin { let $x; print($x); $x = 1; print($x); let $y; let $z; if (pid) { $z = 1 } print($z); let $w : int64; }
                    //^^ warning: Variable used before it was assigned: $x
                                            //^^^^^^ warning: Variable $y was never assigned to.
                                                                                           //^^^^^^ warning: Variable $w was never assigned to.
begin { let $n : int64; $n += 1; print($n); let $m : int64; $m++; let $o : int64; $o = 1; $o++; print($o); }
                      //^^ warning: Variable used before it was assigned: $n
                                                          //^^ warning: Variable used before it was assigned: $m
begin { let $v; @m[1] = 1; if (find(@m, 1, $v)) { print($v); } let $s : uint8; print(sizeof($s)); $s = 1; }
macro set($x) { $x = 1; }
begin { let $a; set($a); print($a); { let $b; } { let $b = 2; print($b); } }
                                    //^^^^^^ warning: Variable $b was never assigned to.
"#,
    );
}

#[test]
fn values_that_nobody_sees_are_told() {
    check(
        r#"
begin { $a = 1; $a + 1; }
              //^^^^^^ warning: Return value discarded. | this does nothing; `_ = ...` says that it is meant
begin { strlen(comm); }
      //^^^^^^^^^^^^ warning: Return value discarded. | this does nothing; `_ = ...` says that it is meant
begin { @m[1] = 1; @m[1]; }
                 //^^^^^ warning: Return value discarded. | this does nothing; `_ = ...` says that it is meant
begin { @m[1] = 1; delete(@m[1]); delete(@m, 1); @m[1]++; _ = @m[1]; $b = 1; $b++; pid ? print(1) : print(2); }
begin { getopt("x", 1); let $v; find(@m, 1, $v); @m[1] += 1; }
begin { nosuch; }
      //^^^^^^ error: Unknown identifier: 'nosuch'
macro one() { 1 }
            //^ warning: Return value discarded.
begin { one(); }
"#,
    );
}

#[test]
fn pointers_to_different_things_are_hardly_equal() {
    check(
        r#"
begin { $a = (uint8 *)pid; $b = (int64 *)pid; if ($a == $b) { print(1); } if ($a == (void *)1 && $a != 0) { print(2); } }
                                               //^^^^^^^^^^ warning: comparison of distinct pointer types: uint8, int64
begin { $a = (uint8 *)pid; $b = (uint8 *)tid; if ($a < $b || $a == (uint8 *)(int8 *)1) { print(1); } }
"#,
    );
}

#[test]
fn values_that_may_not_fit_are_told() {
    check(
        r#"
begin { let $x : uint8 = nsecs; print($x); let $y : int64 = 5; $y = nsecs - 1; $y = (int64)nsecs; print($y); }
                       //^^^^^ warning: Expression of type: uint64 being cast to type: uint8. This may cause unexpected results. Use an explicit cast to suppress this warning.
begin { let $x : uint64 = nsecs - 1; let $y : uint32 = 7; $y = (uint8)3; print(($x, $y)); }
                        //^^^^^^^^^ warning: Expression of type: int64 being cast to type: uint64. This may cause unexpected results. Use an explicit cast to suppress this warning.
begin { print(str(nsecs, 2000)); print(str(nsecs, 1024)); print(str("text", 10)); }
            //^^^^^^^^^^^^^^^^ warning: length param (2000) is too long and will be shortened to 1024 bytes (see BPFTRACE_MAX_STRLEN) | config = { max_strlen = 2000 } makes room
begin { debugf("%d", pid); }
      //^^^^^^^^^^^^^^^^^ warning: The debugf() builtin is not recommended for production use. For more information see bpf_trace_printk in bpf-helpers(7). | printf() is faster and loses nothing unsaid
"#,
    );
}
