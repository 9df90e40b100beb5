//! Members lie where the C compiler of this machine puts them.

use super::{defined, record};
use crate::ast::TypeTag;
use crate::ctypes::Struct;
use crate::types::Type;
use std::fmt::Write as _;
use std::process::Command;

/// Structures `s0`, `s1` and so on, and unions `u0` and so on.
const TEXT: &str = r#"
enum e { E_A = 3, E_B };
enum neg { NEG = -1 };
enum big { BIG = 0x100000000 };
enum __attribute__((packed)) small { SMALL = 1 };
typedef int aligned_int __attribute__((aligned(16)));
typedef struct { char a; long b; } inner;
struct s0 { char a; int b; char c; long d; short e; };
struct s1 { char a; struct { short x; char y; } b; union { int i; long long l; char t[3]; } c; char d; };
struct s2 { int a; char b; int c; } __attribute__((packed));
struct __attribute__((packed)) s3 { char a; long b; short c; };
struct s4 { char a; int b __attribute__((packed)); char c; long d __attribute__((aligned(32))); };
struct s5 { char a; } __attribute__((aligned(64)));
struct s6 { char a; short b; } __attribute__((packed)) __attribute__((aligned(4)));
struct s7 { unsigned a : 3; unsigned b : 7; unsigned c : 25; char d; };
struct s8 { char a; int b : 8; int c : 17; int d : 8; };
struct s9 { char a : 3; short b : 9; int c : 20; long d : 40; char e : 7; };
struct s10 { int a : 3; int : 0; int b : 4; };
struct s11 { char a; int : 4; char b; };
struct s12 { char a : 4; char : 0; char b; };
struct s13 { unsigned long long a : 1, b : 1, c : 2, d : 60; };
struct s14 { int a : 20; int b : 20; int c : 24; } __attribute__((packed));
struct s15 { char a; long long b : 60; int c : 3; } __attribute__((packed));
struct s16 { _Bool a : 1; _Bool b; enum e c : 4; enum e d; enum neg n; enum big g; enum small m; };
struct s17 { char a; aligned_int b; char c; };
struct s18 { inner a; char b; inner c[3]; char d[E_B * 2 + sizeof(inner)]; };
struct s19 { int a; char tail[]; };
struct s20 { char a; void *p; char b; int (*call)(int); char *n[3]; };
struct s21 { char a; struct { char x; long y; }; union { char u; short v; }; char z; };
struct s22 { char a; float b; double c; char d; long double e; };
struct s23 { short m[2][3]; char n[2][3]; struct s0 *p; const volatile unsigned char q; };
struct s24 { long unsigned int long a; signed char b; unsigned short int c; long d; long signed e; };
struct s25 { char a; unsigned b : 31; unsigned c : 2; } __attribute__((packed));
struct s26 { unsigned char a : 4, b : 4; unsigned short c; unsigned d : 1; };
struct s27 { char a; struct { int x : 3; } b; char c; };
struct s28 { char a; int b : 3 __attribute__((aligned(4))); int c : 3; };
struct s29 { };
struct s30 { char a; struct s29 b; int c[0]; char d; };
struct s31 { char a; __attribute__((aligned(8))) char b; char c; };
struct s32 { short a : 5; int b : 11; long c : 20; int d : 28; short e : 16; char f : 8; };
struct s33 { int a : 5; int b : 5 __attribute__((packed)); int c : 25; char d __attribute__((packed)); };
struct s34 { struct s2 a; struct s3 b[2]; char c; int d; };
struct s35 { char a; _Alignas(16) int b; _Alignas(long) char c; };
struct s36 { int a : 5; int : 0; char b; } __attribute__((packed));
union u0 { char a; int b; long c; char d[13]; };
union u1 { int a : 5; char b; long long c : 33; };
union u2 { char a[5]; short b; } __attribute__((packed));
union u3 { struct s0 a; struct { char x; }; int y; };
"#;

/// What a structure looks like: size, alignment, and for each member its offset, or the bits it has.
fn ours(of: &Struct, name: &str, out: &mut String) {
    let _ = writeln!(out, "{name} {} {}", of.size, of.align);
    for member in of.member_names() {
        let Some(found) = of.member(&member) else { panic!("{member}") };
        let _ = match found.bits {
            None => writeln!(out, "{name}.{member} {} {}", found.offset, found.ty.size_of()),
            Some(bits) => {
                let first = u64::from(found.offset) * 8 + u64::from(bits.shift);
                writeln!(out, "{name}.{member} bits {first} {}", bits.width)
            }
        };
    }
}

/// A program that prints the same.
fn program(records: &[(String, std::sync::Arc<Struct>)]) -> String {
    let mut text =
        format!("#include <stdio.h>\n#include <stddef.h>\n#include <string.h>\n{TEXT}\n{BITS}int main(void) {{\n");
    for (name, of) in records {
        let _ = writeln!(text, "printf(\"{name} %zu %zu\\n\", sizeof({0}), _Alignof({0}));", of.name);
        for member in of.member_names() {
            let bits = of.member(&member).and_then(|member| member.bits);
            let _ = match bits {
                None => {
                    let flexible = of.member(&member).is_some_and(|member| member.ty.size_of() == 0);
                    let size =
                        if flexible { "(size_t)0".to_owned() } else { format!("sizeof((({} *)0)->{member})", of.name) };
                    writeln!(text, "printf(\"{name}.{member} %zu %zu\\n\", offsetof({}, {member}), {size});", of.name)
                }
                Some(_) => writeln!(
                    text,
                    "{{ {} v; memset(&v, 0, sizeof v); v.{member} = -1; bits(\"{name}.{member}\", &v, sizeof v); }}",
                    of.name
                ),
            };
        }
    }
    text + "}\n"
}

const BITS: &str = r#"
static void bits(const char *name, const void *at, size_t size) {
    long first = -1, count = 0;
    for (size_t i = 0; i < size * 8; i++)
        if (((const unsigned char *)at)[i / 8] >> i % 8 & 1) { if (first < 0) first = i; count++; }
    printf("%s bits %ld %ld\n", name, first, count);
}
"#;

#[test]
fn as_the_compiler_does() {
    let definitions = defined(TEXT);
    let structs = (0..=36).map(|i| (TypeTag::Struct, format!("s{i}")));
    let unions = (0..=3).map(|i| (TypeTag::Union, format!("u{i}")));
    let records: Vec<_> =
        structs.chain(unions).map(|(tag, name)| (name.clone(), record(&definitions, tag, &name))).collect();
    let mut expected = String::new();
    records.iter().for_each(|(name, of)| ours(of, name, &mut expected));

    let directory = std::env::temp_dir().join(format!("rtrace-c-layout-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the compiler");
    let (source, binary) = (directory.join("layout.c"), directory.join("layout"));
    std::fs::write(&source, program(&records)).expect("the program can be written");
    let compiled = Command::new("cc").arg("-w").arg("-o").arg(&binary).arg(&source).output();
    let output = match compiled {
        Err(error) => {
            eprintln!("SKIPPED: no C compiler here to compare with ({error})");
            return;
        }
        Ok(compiled) => {
            assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
            Command::new(&binary).output().expect("the program runs")
        }
    };
    let _ = std::fs::remove_dir_all(&directory);
    let theirs = String::from_utf8(output.stdout).expect("plain text");
    let wrong: Vec<String> = expected
        .lines()
        .zip(theirs.lines())
        .filter(|(ours, theirs)| ours != theirs)
        .map(|(ours, theirs)| format!("ours {ours}, theirs {theirs}"))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(expected.lines().count(), theirs.lines().count());
}

#[test]
fn known_offsets() {
    let definitions = defined(TEXT);
    let offset = |name: &str, member: &str| {
        record(&definitions, TypeTag::Struct, name).member(member).map(|member| (member.offset, member.bits))
    };
    assert_eq!(offset("s0", "d"), Some((16, None)));
    assert_eq!(offset("s2", "c"), Some((5, None)));
    assert_eq!(offset("s21", "v"), Some((24, None)));
    let Some((4, Some(bits))) = offset("s7", "c") else { panic!("{:?}", offset("s7", "c")) };
    assert_eq!((bits.shift, bits.width), (0, 25));
    // Across the boundary of its type: 31 bits from bit 8 on.
    let s25 = record(&definitions, TypeTag::Struct, "s25").member("c").map(|member| (member.ty, member.offset));
    assert_eq!(s25, Some((Type::U32, 4)));
}
