use super::*;
use crate::binary::Binary;
use std::process::Command;

/// A program in C, compiled with these options; `None` where there is no compiler.
fn compiled(name: &str, source: &str, options: &[&str]) -> Option<PathBuf> {
    let folder = std::env::temp_dir().join(format!("rtrace-dwarf-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (text, program) = (folder.join("program.c"), folder.join("program"));
    std::fs::write(&text, source).expect("a file");
    let done = Command::new("gcc").current_dir(&folder).args(options).arg("-o").arg(&program).arg(&text).status();
    match done {
        Ok(status) => assert!(status.success(), "gcc refused {text:?}"),
        Err(_) => {
            eprintln!("skipped: there is no gcc");
            return None;
        }
    }
    Some(program)
}

fn function(program: &Path, name: &str) -> Option<Function> {
    let binary = Binary::open(program, &[]).expect("a program");
    let address = binary.function(name).expect("the function").address;
    Dwarf::open(program, &[]).expect("it can be read")?.function(address)
}

/// The parameters as C and as the language have them.
fn shown(function: &Function) -> Vec<(String, String)> {
    let btf = function.types.btf();
    let prototype = btf.type_at(function.prototype).expect("a prototype");
    let param = |param: crate::btf::Param<'_>| {
        let c = btf.c_declaration(param.type_id, param.name).expect("well-formed");
        (c, function.types.of(param.type_id).to_string())
    };
    prototype.params().map(param).collect()
}

const SOURCE: &str = r#"
#include <stdbool.h>
enum color { RED, GREEN = 7, BLUE = -1 };
typedef unsigned long size;
struct inner { char text[10]; int rows[2][3]; };
union either { float number; const char *name; };
struct node {
    struct node *next;
    struct inner inner;
    unsigned low : 3, high : 9;
    union either either;
    struct { long hidden; };
    int (*call)(struct node *, int);
    struct unknown *opaque;
    char rest[];
};
__attribute__((noinline)) int first(int *n, char c, const struct node *node, enum color color, bool yes, size count) {
  return *n + c + color + yes + (int)count + (node != 0); }
__attribute__((noinline)) void second(double x, int n, struct node *last) { last->low = n; last->either.number = x; }
int main(int argc, char **argv) { int n = argc; struct node node = {0}; second(n, n, &node);
    return first(&n, 'x', &node, GREEN, true, 5); }
"#;

#[test]
fn arguments_have_their_types() {
    for options in [&["-g", "-O0"][..], &["-g", "-O2"], &["-g", "-gdwarf-4"], &["-g", "-gz=zlib", "-O1"]] {
        let Some(program) = compiled("types", SOURCE, options) else { return };
        let first = function(&program, "first").expect("debug information");
        let expected = [
            ("int *n", "int32 *"),
            ("char c", "int8"),
            ("const struct node *node", "struct node *"),
            ("enum color color", "enum color"),
            ("bool yes", "bool"),
            ("size count", "uint64"),
        ];
        let expected: Vec<(String, String)> =
            expected.iter().map(|(c, own)| (c.to_string(), own.to_string())).collect();
        let shown: Vec<(String, String)> =
            shown(&first).into_iter().map(|(c, own)| (c.replace("_Bool", "bool"), own)).collect();
        assert_eq!(shown, expected, "{options:?}");
        let Some(Type::Struct(node)) =
            Dwarf::open(&program, &[]).ok().flatten().and_then(|dwarf| dwarf.named(TypeTag::Struct, "node"))
        else {
            panic!("no struct node with {options:?}");
        };
        let member = |name: &str| {
            let member = node.member(name).unwrap_or_else(|| panic!("no {name}"));
            let bits = member.bits.map_or(String::new(), |bits| format!(" bits {}+{}", bits.shift, bits.width));
            format!("{} at {}{bits}", member.ty, member.offset)
        };
        assert_eq!(node.size, 80);
        assert_eq!(member("next"), "struct node * at 0");
        assert_eq!(member("inner"), "struct inner at 8");
        assert_eq!(member("low"), "uint32 at 44 bits 0+3");
        assert_eq!(member("high"), "uint32 at 44 bits 3+9");
        assert_eq!(member("hidden"), "int64 at 56");
        assert_eq!(member("opaque"), "struct unknown * at 72");
        let Some(Type::Struct(inner)) = node.member("inner").map(|member| member.ty) else { panic!("no inner") };
        let rows: Vec<String> = inner.members().iter().map(|member| format!("{} {}", member.ty, member.name)).collect();
        assert_eq!(rows, ["string[10] text", "int32[3][2] rows"]);
    }
}

#[test]
fn an_optimised_function_says_which_registers() {
    let Some(program) = compiled("registers", SOURCE, &["-g", "-O2"]) else { return };
    if std::env::consts::ARCH != "x86_64" {
        return;
    }
    let second = function(&program, "second").expect("debug information");
    // xmm0, rdi, rsi: what is a floating-point number takes no general register.
    assert_eq!(second.homes, [17, 5, 4].map(|register| Some(Home::Register(register))));
}

#[test]
fn debug_information_in_other_files_is_found() {
    let Some(program) = compiled("split", SOURCE, &["-g", "-gsplit-dwarf", "-O0"]) else { return };
    assert_eq!(shown(&function(&program, "first").expect("a .dwo file"))[0].0, "int *n");
    let Some(program) = compiled("linked", SOURCE, &["-g", "-O0", "-Wl,--build-id"]) else { return };
    let folder = program.parent().expect("its folder");
    let debug = folder.join("program.debug");
    let run = |arguments: &[&str]| {
        let status = Command::new("objcopy").current_dir(folder).args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "objcopy {arguments:?}");
    };
    run(&["--only-keep-debug", "program", "program.debug"]);
    run(&["--strip-debug", "--add-gnu-debuglink=program.debug", "program"]);
    assert!(function(&program, "first").is_some());
    let other = folder.join("elsewhere");
    std::fs::create_dir_all(&other).expect("a folder");
    std::fs::rename(&debug, other.join("program.debug")).expect("it can be moved");
    assert!(function(&program, "first").is_none());
    let found = Dwarf::open(&program, std::slice::from_ref(&other)).expect("it can be read").expect("given the folder");
    let address = Binary::open(&program, &[]).expect("a program").function("first").expect("kept by strip").address;
    assert!(found.function(address).is_some());
    // What belongs to another build is not taken.
    let Some(strange) = compiled("strange", "int main(void) { return 1; }", &["-g", "-Wl,--build-id"]) else { return };
    std::fs::copy(strange, other.join("program.debug")).expect("it can be copied");
    assert!(Dwarf::open(&program, &[other]).expect("it can be read").is_none());
}

#[test]
fn lines_of_source_have_addresses() {
    for options in [&["-g", "-O0"][..], &["-g", "-gdwarf-4"], &["-g", "-gsplit-dwarf"]] {
        let Some(program) = compiled("lines", SOURCE, options) else { return };
        let dwarf = Dwarf::open(&program, &[]).expect("it can be read").expect("debug information");
        let first = Binary::open(&program, &[]).expect("a program").function("first").expect("it is there");
        let start = SOURCE.lines().position(|line| line.contains("int first(")).expect("its text") as u64 + 1;
        assert_eq!(dwarf.line("program.c", start, 0), Ok(first.address), "{options:?}");
        let body = dwarf.line("program.c", start + 1, 0).expect("it has a body");
        assert!((first.address + 1..first.address + first.size).contains(&body), "{options:?}");
        let columns = (1..100).filter(|column| dwarf.line("program.c", start + 1, *column) == Ok(body));
        assert_eq!(columns.count(), 1, "{options:?}");
        assert_eq!(dwarf.line("program.c", 1, 0), Err(NoLine::Code { next: Some(start) }));
        assert_eq!(dwarf.line("program.c", 9999, 0), Err(NoLine::Code { next: None }));
        assert_eq!(dwarf.line("rogram.c", start, 0), Err(NoLine::File));
    }
}

#[test]
fn a_program_without_debug_information_has_none() {
    let Some(program) = compiled("bare", SOURCE, &["-O1"]) else { return };
    assert!(Dwarf::open(&program, &[]).expect("it can be read").is_none());
}

/// A file with each of its bytes in turn changed, or cut, is an error or another answer, never a panic.
#[test]
fn broken_debug_information_does_no_harm() {
    let Some(program) = compiled("broken", SOURCE, &["-g", "-O1"]) else { return };
    let address = Binary::open(&program, &[]).expect("a program").function("first").expect("it is there").address;
    let bytes = std::fs::read(&program).expect("it can be read");
    let changed = program.with_file_name("changed");
    for (turn, at) in (0..bytes.len()).step_by(bytes.len() / 400).enumerate() {
        let mut broken = bytes.clone();
        match turn % 4 {
            0 => broken.truncate(at),
            1 => broken[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
            2 => broken[at..].iter_mut().take(64).for_each(|byte| *byte = byte.wrapping_add(turn as u8)),
            _ => broken[at] ^= 1 << (turn % 8),
        }
        std::fs::write(&changed, &broken).expect("a file");
        if let Ok(Some(dwarf)) = Dwarf::open(&changed, &[]) {
            if let Some(function) = dwarf.function(address) {
                shown(&function);
            }
            if let Some(Type::Struct(node)) = dwarf.named(TypeTag::Struct, "node") {
                node.member_names();
            }
        }
    }
}
