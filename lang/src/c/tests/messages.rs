//! What is wrong with a declaration, and where.

use super::{define, defined, record};
use crate::ast::TypeTag;
use crate::carets;
use crate::types::{IntType, Type};

#[track_caller]
fn check(marked: &str) {
    carets::check(marked, define);
}

#[test]
fn names_that_are_not_there() {
    check(
        r#"
struct a { foo_t x; };
         //^^^^^ error: unknown type name `foo_t`
"#,
    );
    check(
        r#"
struct a { size_tt x; };
         //^^^^^^^ error: unknown type name `size_tt` | did you mean `size_t`?
"#,
    );
    check(
        r#"
struct a { task_struct *x; };
         //^^^^^^^^^^^ error: unknown type name `task_struct` | did you mean `struct task_struct`?
"#,
    );
    check(
        r#"
struct a { struct nope x; };
                     //^ error: `struct nope` is not a complete type
"#,
    );
    check(
        r#"
struct a { int x[N]; };
               //^ error: `N` is not a known constant
"#,
    );
}

#[test]
fn types_that_cannot_be() {
    check(
        r#"
struct a { struct a x; };
     //^ error: this type would contain itself
"#,
    );
    check(
        r#"
struct a { int x : 33; };
                 //^^ error: this bit-field is wider than its type
"#,
    );
    check(
        r#"
struct a { int x : 0; };
                 //^ error: a bit-field without bits cannot have a name
"#,
    );
    check(
        r#"
struct a { int x[-1]; };
               //^^ error: this array's length is negative
"#,
    );
    check(
        r#"
struct a { int x[1 / 0]; };
               //^^^^^ error: division by zero
"#,
    );
    check(
        r#"
struct a { long x[0x10000000][0x10000000]; };
              //^ error: this type has more than 268435456 bytes
"#,
    );
    check(
        r#"
struct a { void x; int *p; };
              //^ error: `void` is not a complete type
"#,
    );
    check(
        r#"
struct a { int x; char x; };
                     //^ error: there are two members `x`
"#,
    );
    check(
        r#"
struct a { int x __attribute__((aligned(3))); };
                                      //^ error: an alignment is a power of two
"#,
    );
    check(
        r#"
struct a { long short x; };
         //^^^^^^^^^^ error: these words do not make a type
"#,
    );
}

#[test]
fn what_is_defined_twice() {
    check(
        r#"
struct a { int x; }; struct a { int y; };
                          //^ error: redefinition of `struct a`
"#,
    );
    check(
        r#"
enum { A, B }; enum { B, C };
                    //^ error: redefinition of `B`
"#,
    );
    check(
        r#"
typedef int t; typedef int t; typedef long t;
                                         //^ error: redefinition of `t`
"#,
    );
}

#[test]
fn grammar() {
    check(
        r#"
struct a { int x y; };
               //^ error: expected `;` after this member, found `y`
"#,
    );
    check(
        r#"
struct a { int; = };
              //^ error: expected a type, found `=`
"#,
    );
    check(
        r#"
struct a { int x[2; };
                //^ error: expected `]`, found `;`
"#,
    );
    check(
        r#"
int x;
  //^ error: only types are declared here
"#,
    );
    check(
        r#"
enum e { A = , B };
           //^ error: expected an expression, found `,`
"#,
    );
    check(
        r#"
struct { int x : 1.5; } a;
               //^^^ error: `1.5` is not an integer
"#,
    );
}

#[test]
fn enums_have_values() {
    let definitions = defined(
        "enum e { A, B = 5, C, D = -1, E = B << 2 | 1, F = sizeof(struct s), G = 'a' }; struct s { char c[C]; };
         enum { BIG = 0x80000000, BIGGER }; enum { HUGE = 1ull << 40 }; enum { TOP = 1 << 31 };",
    );
    let value = |name: &str| definitions.constant(name).map(|(value, _)| value);
    let values: Vec<_> = ["A", "B", "C", "D", "E", "F", "G"].map(value).into_iter().flatten().collect();
    assert_eq!(values, [0, 5, 6, -1, 21, 6, 97]);
    assert_eq!(value("BIGGER"), Some(0x8000_0001));
    assert_eq!(value("TOP"), Some(i32::MIN.into()));
    let int = |name: &str| definitions.constant(name).and_then(|(_, ty)| ty.as_int());
    assert_eq!(int("A"), Some(IntType { bits: 32, signed: true }));
    assert_eq!(int("BIG"), Some(IntType { bits: 32, signed: false }));
    assert_eq!(int("HUGE"), Some(IntType { bits: 64, signed: false }));
    let Some(Type::Enum(e)) = definitions.find(Some(TypeTag::Enum), "e") else { panic!("e") };
    assert_eq!((e.name.as_str(), e.name_of(5)), ("enum e", Some("B")));
    assert_eq!(definitions.constant("X"), None);
}

#[test]
fn a_structure_may_point_to_itself() {
    let definitions = defined("struct list { struct list *next; int x[3]; };");
    let list = record(&definitions, TypeTag::Struct, "list");
    let Some(Type::Pointer(to, _)) = list.member("next").map(|member| member.ty) else { panic!("no pointer") };
    let Type::Struct(next) = *to else { panic!("no structure") };
    assert_eq!((next.name.as_str(), next.size), ("struct list", 24));
    assert_eq!(next.member("x").map(|member| member.offset), Some(8));
    assert_eq!(*next, *list);
}

#[test]
fn types_of_members() {
    let definitions = defined(
        "typedef struct { char c[16]; unsigned char b[4]; char m[2][8]; _Bool f; enum { X } e; void *p; char **s;
         int (*call)(int, char *); int *(*a[2])[3]; double d; char tail[]; } t; struct u { t in; struct task_struct *k; };",
    );
    let Some(Type::Struct(t)) = definitions.find(None, "t") else { panic!("t") };
    let shown: Vec<String> = t.members().iter().map(|member| format!("{} {}", member.ty, member.name)).collect();
    assert_eq!(
        shown,
        [
            "string[16] c",
            "uint8[4] b",
            "string[8][2] m",
            "uint8 f",
            "enum e",
            "void * p",
            "int8 * * s",
            "void * call",
            "int32 *[3] *[2] a",
            "void d",
            "int8[0] tail",
        ]
    );
    assert_eq!(t.name, "t");
    let u = record(&definitions, TypeTag::Struct, "u");
    let Some(Type::Pointer(task, _)) = u.member("k").map(|member| member.ty) else { panic!("k") };
    assert_eq!(task.to_string(), "struct task_struct");
}

#[test]
fn deep_and_long_declarations_end() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(5000), close.repeat(5000));
    for text in [
        deep("struct { ", "int x; } a;"),
        format!("struct a {{ int {}x; }};", "*".repeat(5000)),
        format!("struct a {{ int {}x{}; }};", "(*".repeat(5000), ")".repeat(5000)),
        format!("struct a {{ int x{}; }};", "[1]".repeat(5000)),
        format!("enum {{ A = {}1{} }};", "(".repeat(5000), ")".repeat(5000)),
        format!("enum {{ A = {}1 }};", "- ".repeat(5000)),
        format!("enum {{ A = 1{} }};", " + 1".repeat(5000)),
        format!("enum {{ A = {}1{} }};", "1 ? ".repeat(5000), ": 1".repeat(5000)),
        format!("struct a {{ int x[{}1{}]; }};", "sizeof(char[".repeat(5000), "])".repeat(5000)),
        (0..5000).map(|i| format!("struct s{i} {{ struct s{} x; }};\n", i + 1)).collect(),
        (0..5000).map(|i| format!("typedef t{} t{i};\n", i + 1)).collect(),
        "struct a { int x".to_owned(),
        "struct".to_owned(),
        "enum e { A".to_owned(),
        "struct a { int x __attribute__((".to_owned(),
    ] {
        let (_, diagnostics) = define(&text);
        assert!(!diagnostics.is_empty(), "{}", &text[..40.min(text.len())]);
    }
}
