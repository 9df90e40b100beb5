//! Which types maps and variables are found to have.

use super::checked;
use crate::Settings;
use crate::effort::effort;
use std::time::Duration;

/// The types of a script's maps, and of the variables of its probes.
#[track_caller]
fn infers_with(params: &[&str], script: &str, expected: &str) {
    let params = params.iter().map(|param| param.to_string()).collect();
    let checked = checked(script, &Settings { params, ..Settings::default() });
    assert!(checked.is_ok(), "{script}\n{:?}", checked.diagnostics);
    let maps = checked.program.maps.iter().map(|map| {
        let parts = map.key.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let key = if map.key.is_some() { format!("[{parts}]") } else { String::new() };
        format!("@{}{key}: {}", map.name, map.value)
    });
    let vars = checked.program.probes.iter().flat_map(|probe| &probe.vars);
    let found: Vec<String> = maps.chain(vars.map(|var| format!("${}: {}", var.name, var.ty))).collect();
    assert_eq!(found.join("; "), expected, "{script}");
}

#[track_caller]
fn infers(body: &str, expected: &str) {
    infers_with(&[], &format!("begin {{ {body} }}"), expected);
}

#[test]
fn a_number_takes_the_smallest_type() {
    infers("$a = 127; $b = 128; $c = -129; $d = 2147483648;", "$a: int8; $b: int16; $c: int16; $d: int64");
    infers("$a = 18446744073709551615; $b = 5u; $c = 5ms;", "$a: uint64; $b: int8; $c: int32");
    infers("$a = 100 + 100; $b = 1 << 40; $c = ~5; $d = -(5);", "$a: int16; $b: int64; $c: uint64; $d: int8");
    infers("$a = 1 ? 2 : 300; $b = pid ? 2 : 300; $c = pid ?: 5;", "$a: int8; $b: int16; $c: uint32");
    infers("$a = true; $b = 1 == 2; $c = 1 + true;", "$a: bool; $b: bool; $c: uint64");
}

#[test]
fn arithmetic_has_64_bits() {
    infers("$a = pid + 1; $b = pid - 1; $c = (int8)pid * 2;", "$a: uint64; $b: int64; $c: int64");
    infers("$a = -pid; $b = ~(uint8)pid; $c = !pid;", "$a: uint64; $b: uint64; $c: bool");
    infers("$a = pid < 5; $b = pid && tid;", "$a: bool; $b: bool");
}

#[test]
fn what_is_assigned_widens() {
    infers("$a = 1; $a = 300;", "$a: int16");
    infers("$a = 1; $a = pid;", "$a: uint32");
    infers("$a = 1; $a = nsecs;", "$a: uint64");
    infers("$a = nsecs; $a = -1;", "$a: int64");
    infers("$a = (int8)1; $a = nsecs;", "$a: int64");
    infers("$a = (uint8)1; $a++;", "$a: uint64");
    infers("$a = nsecs; $a++;", "$a: uint64");
    infers("$a = nsecs; $a--;", "$a: int64");
    infers(r#"$a = "x"; $a = comm; @s = ""; @s = $a;"#, "@s: string[16]; $a: string[16]");
    infers(r#"@t = (1, "x"); @t = (pid, "text");"#, "@t: (uint32,string[5])");
}

#[test]
fn a_declared_type_stays() {
    infers("let $a : uint8 = 5; $a++; $a = 7;", "$a: uint8");
    infers("let $a : int64; $a = pid;", "$a: int64");
    infers(r#"let $a : string[20] = "x"; $a = comm;"#, "$a: string[20]");
    infers(r#"let $a : string; $a = "abc";"#, "$a: string[4]");
    infers("let $a; $a = pid;", "$a: uint32");
}

#[test]
fn a_name_has_one_type_in_each_scope() {
    infers(r#"if (pid) { $a = 1; } else { $a = "x"; }"#, "$a: int8; $a: string[2]");
    infers(r#"$a = 1; if (pid) { $a = 300; }"#, "$a: int16");
    infers_with(&[], r#"begin { $a = 1; } end { $a = "x"; }"#, "$a: int8; $a: string[2]");
}

#[test]
fn maps_learn_from_all_of_the_script() {
    infers("@n++; @m--; @k += 5; @l -= 1; @u += nsecs;", "@n: int64; @m: int64; @k: int64; @l: int64; @u: uint64");
    infers("@x = @y / 2; @y = 8;", "@x: int64; @y: int8");
    infers("print(@later); @later = pid;", "@later: uint32");
    infers_with(
        &[],
        "begin { $x = @a; @b = $x; } end { @a = comm; }",
        "@a: string[16]; @b: string[16]; $x: string[16]",
    );
    infers("@a = @never;", "@a: int64; @never: int64");
    infers(r#"@[1, "x"] = 1; @[pid, comm] = 300; @[(2, "y")]++;"#, "@[uint32, string[16]]: int64");
    infers("@[1] = true; $x = @[2]; $d = delete(@, 1);", "@[int8]: bool; $x: bool; $d: bool");
    infers("@[(1, 2), 3] = 1;", "@[(int8,int8), int8]: int8");
    infers("$k = (1, 2); @[$k] = 1; @[3, 4] = 1;", "@[int8, int8]: int8; $k: (int8,int8)");
}

#[test]
fn aggregations_are_types() {
    infers(
        "@c = count(); @s = sum(1); @u = sum(nsecs); @[pid] = avg(pid);",
        "@c: count_t; @s: sum_t; @u: usum_t; @[uint32]: avg_t",
    );
    infers("@s = sum(nsecs); @s = sum(-1);", "@s: sum_t");
    infers("@h = hist(1, 2); @l = lhist(1, 0, 10, 1); @t = stats(nsecs);", "@h: hist_t; @l: lhist_t; @t: ustats_t");
}

#[test]
fn parameters_are_literals() {
    let script = "begin { $a = $1; $b = $2; $c = str($1); $n = $#; $m = str($9); $d = str($2 + 1); }";
    infers_with(
        &["0x10", "foo"],
        script,
        "$a: int8; $b: string[4]; $c: string[5]; $n: int8; $m: string[1]; $d: string[3]",
    );
}

#[test]
fn loop_variables_hold_what_is_gone_through() {
    infers("for ($i : 0..3) { $j = $i; }", "$i: int8; $j: int8");
    infers("for ($i : 0..300) { $j = $i; }", "$i: int16; $j: int16");
    infers("for ($i : 0..pid) { }", "$i: uint32");
    infers("for ($i : (-1)..pid) { }", "$i: int64");
    infers("for ($i : (uint64)0..(uint64)300) { }", "$i: uint64");
    infers("@m[1] = \"x\"; for ($kv : @m) { $k = $kv.0; }", "@m[int8]: string[2]; $kv: (int8,string[2]); $k: int8");
    infers("for ($kv : @m) { } @m[pid, 1] = 5;", "@m[uint32, int8]: int8; $kv: ((uint32,int8),int8)");
    infers(
        "@c[1] = count(); @s[1] = sum((uint64)1); for ($kv : @c) { } for ($kv : @s) { }",
        "@c[int8]: count_t; @s[int8]: usum_t; $kv: (int8,int64); $kv: (int8,uint64)",
    );
    infers(
        "for ($i : 0..3) { $n = 1; } for ($i : 0..3) { $n = \"a\"; }",
        "$i: int8; $n: int8; $i: int8; $n: string[2]",
    );
}

#[test]
fn an_aggregation_that_is_read_is_a_number() {
    infers("@c = count(); $x = @c; $y = @c - 1; $z = (uint8)@c;", "@c: count_t; $x: int64; $y: int64; $z: uint8");
    infers("@s = sum(nsecs); $x = (@s, 1); @k[@s] = 1;", "@s: usum_t; @k[uint64]: int8; $x: (uint64,int8)");
}

#[test]
fn a_type_that_would_hold_itself_ends_in_an_error() {
    for text in [
        "begin { let $a; $a = (1, $a); }",
        "begin { @a = (@a, @b); @b = (@a, 1); }",
        "begin { @d[(1, @d[1])] = (@d[1], 1); }",
        "begin { $x = (x=1, y=2); $x = (x=$x, y=$x); }",
    ] {
        let (checked, took) = effort(|| super::checked(text, &Default::default()));
        assert!(!checked.is_ok() && took < Duration::from_secs(1), "{took:?} for {text}");
    }
}
