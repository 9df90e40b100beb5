//! Every example of the tables compiles, with and without the mid-end, and gives an object that aya can read.

use codegen::object::{Options, compile};
use lang::builtins::BUILTINS;
use lang::target::fake::FakeTarget;
use lang::topics;
use lang::{Settings, Source, SourceMap, check, parse};

fn compiles(script: &str) {
    let parsed = parse(script);
    assert!(parsed.diagnostics.is_empty(), "{script}\n{:?}", parsed.diagnostics);
    let settings = Settings { has_child: true, allow_unsafe: true, ..Settings::default() };
    let checked = check(&parsed.script, &FakeTarget, &settings);
    assert!(checked.is_ok(), "{script}\n{:?}", checked.diagnostics);
    for optimise in [true, false] {
        let options = Options { optimise, keep_text: true, ..Options::default() };
        let object = match compile(&checked.program, &FakeTarget, &options) {
            Ok(object) => object,
            Err(diagnostic) => panic!("{script}\n{diagnostic:?}"),
        };
        let elf = object.to_elf(&SourceMap::new(Source::new("example", script))).expect("an object is written");
        let read = aya_obj::Object::parse(&elf).expect("aya reads the object");
        assert_eq!(read.programs.len(), object.programs.len());
    }
}

#[test]
fn every_example_of_the_tables_compiles() {
    for topic in topics::all().filter(|topic| !topic.example.is_empty()) {
        compiles(&topic.example);
    }
    // Those with a number are one topic, and not all of them are everywhere.
    for row in BUILTINS {
        compiles(row.example);
    }
}

#[test]
fn the_first_one_liners_compile() {
    for script in [
        "kprobe:sys_execve < @[comm]=count() >",
        "tracepoint:syscalls:sys_enter_write /args.count > 0/ { @bytes[comm] = hist(args.count); @n = count(); }",
        r#"BEGIN { printf("hello %d %s\n", 1+2, comm); } interval:s:1 { print(@n); @s = sum(3); exit(); }"#,
        r#"begin { $s = "abc"; $s = comm; @t[1, "x"] = ($s, 5); print(@t[1, "x"]); if (comm == "dd" && pid > 3 || !uid) { @a[comm, pid] += 2; } else { @b = comm; delete(@a[comm, pid]); } }"#,
        r#"begin { $x = 5; $x++; $y = $x / @z; @z = $y % 3; @h = hist($x, 3); @l[cpu] = lhist($x, 0, 100, 10); print((1, "a", ($x, comm))); }"#,
        r#"tracepoint:syscalls:sys_enter_openat { @[str(args.filename)] = count(); @f[tid] = str(args.filename); print(@f[tid]); }"#,
        r#"begin { $t = pid > 3 ? "long text here" : comm; print($t); let $u : uint8 = 255; $u++; print($u);  }"#,
    ] {
        compiles(script);
    }
}

/// A probe on so many functions, whose body asks for the name.
fn on_functions(count: usize, longest: &str) -> Result<codegen::object::Object, lang::Diagnostic> {
    let names = (1..count).map(|number| format!("f{number}")).chain([longest.to_owned()]);
    let points: Vec<String> = names.map(|name| format!("kprobe:{name}")).collect();
    let script = format!("{} {{ @[probe] = count(); @f[func] = count(); }}", points.join(", "));
    let checked = check(&parse(&script).script, &FakeTarget, &Settings::default());
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    compile(&checked.program, &FakeTarget, &Options::default())
}

#[test]
fn many_attach_points_share_a_program_and_a_table_of_names() {
    let few = on_functions(16, "f16").expect("it compiles");
    assert_eq!((few.programs.len(), few.layout.tables.len()), (16, 0));
    let many = on_functions(17, "f17").expect("it compiles");
    assert_eq!((many.programs.len(), many.layout.tables.len()), (1, 2));
    // `kprobe:f10` takes two words, `f10` one; the last slot is that of the last attach point.
    let sizes: Vec<usize> = many.layout.tables.iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(sizes, [17 * 16, 17 * 8]);
    assert_eq!(&many.layout.tables[0].1[16 * 16..], b"kprobe:f17\0\0\0\0\0\0");
    assert_eq!(&many.layout.tables[1].1[16 * 8..], b"f17\0\0\0\0\0");
}

#[test]
fn names_that_take_too_much_memory_are_refused() {
    let refused = on_functions(100, &"x".repeat(700_000)).expect_err("70 MB of names");
    assert!(refused.title.contains("there are 64 MB for them"), "{}", refused.title);
}
