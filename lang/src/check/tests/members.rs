//! Members, elements, pointers and casts between them: what is said of those that cannot be.

use super::check;

#[test]
fn members() {
    check(
        r#"
begin { $t = (struct task_struct *)0; print(($t.pid, $t->pid, $t.real_parent.real_parent.comm, $t.comm[0])); }
"#,
    );
    check(
        r#"
begin { $t = (struct task_struct *)0; print($t.pidd); }
                                          //^^^^^^^ error: Struct/union of type 'struct task_struct' does not contain a field named 'pidd' | did you mean `pid`?
"#,
    );
    check(
        r#"
begin { $t = (struct task_struct *)0; print($t.zzzzzz); }
                                          //^^^^^^^^^ error: Struct/union of type 'struct task_struct' does not contain a field named 'zzzzzz' | it has pid, real_parent, comm
"#,
    );
    check(
        r#"
begin { $t = (uint64)1; print($t.pid); }
                            //^^^^^^ error: Can not access field 'pid' on expression of type 'uint64' | cast it to what it points to: ((struct NAME *)x).pid
"#,
    );
    check(
        r#"
begin { $t = (void *)1; print($t.pid); print(*$t); }
                            //^^^^^^ error: Can not access field 'pid' on expression of type 'void *' | nothing is known of what it points to: cast it, ((struct NAME *)x).pid
                                           //^^^ error: The * operator can not be used on expressions of type 'void *' | cast it to what it points to: *(int32 *)x
"#,
    );
}

#[test]
fn elements() {
    check(
        r#"
begin { $a = (int8[4])(uint32)5; print($a[4]); print($a[-1]); }
                                     //^^^^^ error: the index 4 is out of bounds for array of size 4
                                                   //^^^^^^ error: the index -1 is out of bounds for array of size 4
"#,
    );
    check(
        r#"
begin { $a = 5; print($a[0]); print(((1, 2))[$a]); print("abc"["a"]); }
                    //^^^^^ error: The array index operator [] can only be used on arrays, pointers, and tuples, found int8.
                                  //^^^^^^^^^^^^ error: Array-style access for tuples only valid for integer literals
                                                             //^^^ error: The array index operator [] only accepts integer indices. Got type: string[2]
"#,
    );
}

#[test]
fn pointers() {
    check(
        r#"
begin { $p = (int32 *)16; print($p | 1); print(1 - $p); print($p - $p); print(-$p); }
                              //^^^^^^ error: The | operator can not be used on expressions of types int32 *, int8 | cast the address to a number first: (uint64)x
                                             //^^^^^^ error: The - operator can not be used on expressions of types int8, int32 * | cast the address to a number first: (uint64)x
                                                            //^^^^^^^ error: The - operator can not be used on expressions of types int32 *, int32 * | cast the address to a number first: (uint64)x
                                                                            //^^^ error: The - operator can not be used on expressions of type 'int32 *'
"#,
    );
}

#[test]
fn casts_of_arrays() {
    check(
        r#"
begin { print((int8[2])70000); print((uint16)(int8[4])5); print((uint8[2])"abc"); }
            //^^^^^^^^^^^^^^ error: Cannot cast from "int32" to "int8[2]"
                                   //^^^^^^^^^^^^^^^^^^ error: Cannot cast from "int8[4]" to "uint16"
                                                              //^^^^^^^^^^^^^^^ error: Cannot cast from "string[4]" to "uint8[2]"
"#,
    );
    check(
        r#"
begin { print((struct task_struct)5); }
            //^^^^^^^^^^^^^^^^^^^^^ error: Cannot cast from "int8" to "struct task_struct"
"#,
    );
}

#[test]
fn what_is_not_taken_at_compile_time_may_be_wrong() {
    check(
        r#"
begin { $a = 1; if comptime (typeinfo($a).base_type == "int") { print(1); } else { print($nope); } }
begin { print(if comptime (2 < 1) { $nope } else { 5 }); }
begin { @c = count(); @n = (int64)@c; @m[(int64)@c] = 1; }
"#,
    );
    check(
        r#"
begin { $a = 1; if comptime ($a == 1) { } }
                 //^^^^^^^^^^^^^^^^^^ error: Unable to resolve comptime expression
"#,
    );
}
