//! Entries of a session share one layout, which goes on from entry to entry.

use codegen::layout::{Layout, MapPlace, Sizes};
use codegen::object::{Object, Options, compile_entry};
use lang::target::fake::FakeTarget;
use lang::{Diagnostic, Known, Settings, check_entry, parse};

/// Compiles scripts one after the other, each as an entry.
fn compiled(scripts: &[&str], bss: u32) -> Result<Vec<Object>, Diagnostic> {
    let (mut known, mut objects) = (Known::default(), Vec::<Object>::new());
    for script in scripts {
        let parsed = parse(script);
        assert_eq!(parsed.diagnostics, [], "{script}");
        let entry = check_entry(&known, &parsed.script, &FakeTarget, &Settings::default());
        assert!(entry.checked.is_ok(), "{script}\n{:?}", entry.checked.diagnostics);
        let sizes = Sizes { bss: Some(bss), ..Sizes::default() };
        let options = Options { sizes, entry: objects.len() as u32, ..Options::default() };
        let before: Option<&Layout> = objects.last().map(|object| &object.layout);
        let object = compile_entry(&entry.checked.program, &FakeTarget, &options, before)?;
        known = entry.known;
        objects.push(object);
    }
    Ok(objects)
}

const MUCH: u32 = 1 << 20;

#[test]
fn what_has_its_place_keeps_it() {
    let scripts = [
        "kprobe:f { @a = 1; @h[pid] = count(); printf(\"%d\\n\", 1 / pid); }",
        "kprobe:f { @h[tid] = count(); @b = @a; printf(\"%d\\n\", 2 / pid); exit(); }",
    ];
    let objects = compiled(&scripts, MUCH).expect("they fit");
    let [first, second] = [0, 1].map(|index: usize| &objects[index].layout);
    assert_eq!(second.places[..2], first.places[..]);
    assert_eq!(second.kernel_maps[..first.kernel_maps.len()], first.kernel_maps[..]);
    assert_eq!(second.sites[..first.sites.len()], first.sites[..]);
    assert!(second.sites.len() > first.sites.len());
    assert_eq!((first.data_ring, first.control_ring.is_some()), (second.data_ring, first.control_ring.is_some()));
    let new = second.sites[first.sites.len()..].iter().all(|site| site.counter >= first.bss_size);
    assert!(new, "counters of the second entry lie behind what the first has");
    assert_eq!((first.bss_bytes(), second.bss_bytes()), (MUCH, MUCH));
}

#[test]
fn a_map_gets_its_place_when_it_is_known() {
    let scripts = ["kprobe:f { if (@later) { exit(); } }", "kprobe:f { @later[pid] = count(); }"];
    let objects = compiled(&scripts, MUCH).expect("they fit");
    assert!(matches!(objects[0].layout.places[..], [MapPlace::Global(_)]));
    assert!(matches!(objects[1].layout.places[..], [MapPlace::PerCpuHash(_)]));
    // A number is what was thought of it.
    let same = compiled(&["kprobe:f { if (@on) { exit(); } }", "kprobe:f { @on = 1; }"], MUCH).expect("they fit");
    assert_eq!(same[0].layout.places, same[1].layout.places);
}

#[test]
fn scratch_memory_is_each_entrys_own() {
    let long = "kprobe:f { @a[str(arg0, 600)] = 1; }";
    let objects = compiled(&[long, "kprobe:f { @n = 1; }", long], MUCH).expect("they fit");
    let scratch = objects.iter().map(|object| {
        let map = &object.layout.kernel_maps[object.layout.scratch.expect("the first has some") as usize];
        (map.name.as_str(), map.is_vacant())
    });
    assert_eq!(scratch.collect::<Vec<_>>(), [("scratch", false), ("scratch", true), ("scratch", false)]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let scripts: Vec<String> = (0..20).map(|number| format!("kprobe:f {{ @a{number} = 1 / pid; }}")).collect();
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    assert!(compiled(&scripts[..5], 256).is_ok());
    let refused = compiled(&scripts, 256).map(|_| ()).expect_err("there is no room for all");
    assert!(refused.title.contains("has used up the 256 bytes"), "{}", refused.title);
}

#[test]
fn a_session_may_have_more_maps_than_a_program() {
    let scripts: Vec<String> = (0..80).map(|number| format!("kprobe:f {{ @a{number}[pid] = 1; }}")).collect();
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    assert!(compiled(&scripts, MUCH).is_ok());
    let all = (0..80).map(|number| format!("@a{number}[pid] = 2; ")).collect::<String>();
    let refused = compiled(&[&scripts[..], &[&format!("kprobe:f {{ {all} }}")]].concat(), MUCH).map(|_| ());
    assert!(refused.expect_err("no program may").title.contains("the probe has"));
}
