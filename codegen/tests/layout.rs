//! Which maps a script's declarations and its config ask of the kernel.

use codegen::layout::MapKind;
use codegen::object::{Object, Options, compile};
use lang::target::fake::FakeTarget;
use lang::{Diagnostic, Settings, check, parse};

fn compiled(script: &str) -> Result<Object, Diagnostic> {
    let parsed = parse(script);
    assert_eq!(parsed.diagnostics, [], "{script}");
    let checked = check(&parsed.script, &FakeTarget, &Settings::default());
    assert!(checked.is_ok(), "{script}\n{:?}", checked.diagnostics);
    compile(&checked.program, &FakeTarget, &Options::default())
}

/// The kind and the size of the script's maps, by name.
fn maps(script: &str) -> Vec<(String, MapKind, u32)> {
    let object = compiled(script).expect("the script is short");
    let named = object.layout.kernel_maps.iter().filter(|map| map.name.starts_with("AT_"));
    let mut maps: Vec<_> = named.map(|map| (map.name.clone(), map.kind, map.max_entries)).collect();
    maps.sort_by(|a, b| a.0.cmp(&b.0));
    maps
}

#[test]
fn declared_maps_are_of_their_kind_and_size() {
    let found = maps(
        "config = { max_map_keys=7 } let @a = hash(1); let @b = lruhash(2); let @c = percpuhash(3); \
         let @d = percpulruhash(4); \
         begin { @a[1] = 1; @b[1] = 1; @c[1] = count(); @d[1] = hist(1); @e[1] = 1; @f[1] = sum(1); }",
    );
    let expected = [
        ("AT_a", MapKind::Hash, 1),
        ("AT_b", MapKind::LruHash, 2),
        ("AT_c", MapKind::PerCpuHash, 3),
        ("AT_d", MapKind::LruPerCpuHash, 4),
        ("AT_e", MapKind::Hash, 7),
        ("AT_f", MapKind::PerCpuHash, 7),
    ];
    assert_eq!(found, expected.map(|(name, kind, entries)| (name.to_owned(), kind, entries)));
}

#[test]
fn keyless_maps_are_what_they_are_without_a_declaration() {
    let declared = "let @a = lruhash(9); let @b = percpuhash(9); begin { @a = 1; @b = count(); }";
    assert_eq!(maps(declared), maps("begin { @a = 1; @b = count(); }"));
}

#[test]
fn a_script_has_as_many_programs_as_the_config_allows() {
    assert!(compiled("config = { max_bpf_progs=2 } begin { } end { }").is_ok());
    let refused = compiled("config = { max_bpf_progs=1 } begin { } end { }").map(|_| ()).unwrap_err();
    assert_eq!((refused.span.start, refused.span.end), (39, 42));
    assert!(refused.title.contains("more than 2 BPF programs"), "{}", refused.title);
}
