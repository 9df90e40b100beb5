//! Records, arrays, structures and enums. What is expected is what bpftrace printed for the same memory, but for the
//! order of keys, which it has none for, and for the sign of bit-fields.

use std::sync::Arc;

use lang::ctypes::{Bits, Enum, Member, Struct};

use super::*;

fn member(name: &str, ty: Type, offset: u32) -> Member {
    Member { name: name.into(), ty, offset, bits: None }
}

fn bits(name: &str, ty: Type, offset: u32, shift: u8, width: u8) -> Member {
    Member { bits: Some(Bits { shift, width }), ..member(name, ty, offset) }
}

fn structure(name: &str, size: u32, members: Vec<Member>) -> Type {
    Type::Struct(Struct::new(name, size, 4, move || members.clone()))
}

fn array(element: Type, length: u32) -> Type {
    Type::Array(Box::new(element), length)
}

fn number() -> Type {
    let values = vec![("ONE".into(), 1), ("TWO".into(), 2), ("ALSO_TWO".into(), 2), ("LESS".into(), -1)];
    Type::Enum(Arc::new(Enum { name: "enum number".into(), int: IntType { bits: 32, signed: true }, values }))
}

fn point() -> Type {
    structure("struct point", 8, vec![member("x", I32, 0), member("y", I8, 4)])
}

fn point_at(x: i32, y: i8) -> Vec<u8> {
    let mut bytes = x.to_ne_bytes().to_vec();
    // What is between and behind members is anything.
    bytes.extend([y as u8, 0x55, 0xaa, 0xff]);
    bytes
}

/// `print` of a value in text and in JSON.
fn check(ty: Type, value: impl Into<Val>, text: &str, json: &str) {
    let conversion = Conversion { verb: Verb::Text, bits: 64, ..Conversion::PLAIN };
    let pieces = vec![Piece::Value(conversion), Piece::Text(b"\n".to_vec())];
    let format = Format { origin: Origin::Print, pieces, args: vec![ty.clone()] };
    let record = lay_out(&ty, &value.into());
    assert_eq!(in_format("text", |output| output.record(&format, &record)), format!("{text}\n"));
    let expected = format!("{{\"type\": \"value\", \"data\": {json}}}\n");
    assert_eq!(in_format("json", |output| output.record(&format, &record)), expected);
}

/// A value of C.
fn c(bytes: impl Into<Vec<u8>>) -> Val {
    Val::Bytes(bytes.into())
}

#[test]
fn structures_and_arrays() {
    check(point(), c(point_at(3, -4)), "{ .x = 3, .y = -4 }", r#"{"x": 3, "y": -4}"#);
    let points = array(point(), 2);
    let bytes = [point_at(3, -4), point_at(1, 2)].concat();
    let json = r#"[{"x": 3, "y": -4},{"x": 1, "y": 2}]"#;
    check(points, c(bytes), "[{ .x = 3, .y = -4 },{ .x = 1, .y = 2 }]", json);
    check(array(array(I8, 2), 2), c([1, 0xfe, 3, 4]), "[[1,-2],[3,4]]", "[[1,-2],[3,4]]");
    check(array(U8, 3), c([1, 0, 255]), "[1,0,255]", "[1,0,255]");
    check(array(U8, 0), c([]), "[]", "[]");
    check(array(Type::Str(4), 2), c(b"abcdef\0g"), "[abcd,ef]", r#"["abcd","ef"]"#);
    let pointers = [0_u64, 0x30].iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    check(array(pointer(), 2), c(pointers), "[0x0,0x30]", "[0,48]");
    check(array(Type::Bool, 2), c([1, 0]), "[true,false]", "[true,false]");
    check(array(Type::U64, 1), c([0xff; 8]), "[18446744073709551615]", r#"["18446744073709551615"]"#);
    check(structure("struct none", 0, vec![]), c([]), "{}", "{}");
}

#[test]
fn members_of_every_kind() {
    let inner = structure("struct", 4, vec![member("y", I8, 0)]);
    let either = structure("union", 4, vec![member("u1", I32, 0), member("u2", I8, 0)]);
    let anonymous = structure("struct", 8, vec![member("in", inner, 0), member("", either, 4)]);
    let all = structure(
        "struct all",
        48,
        vec![
            bits("a", I32, 0, 0, 3),
            bits("b", Type::U32, 0, 3, 5),
            bits("c", Type::I64, 0, 8, 56),
            member("", anonymous, 8),
            member("e", number(), 16),
            member("bad", number(), 20),
            member("name", Type::Str(8), 24),
            member("real", Type::Void, 32),
            member("p", pointer(), 32),
            member("w", U16, 40),
            member("rest", array(I8, 0), 48),
        ],
    );
    let mut bytes = Vec::new();
    bytes.extend((7_u64 | 21 << 3 | (!1 << 8)).to_ne_bytes());
    bytes.extend([0xfe, 0, 0, 0, 2, 1, 0, 0]);
    bytes.extend([2, 0, 0, 0, 7, 0, 0, 0]);
    bytes.extend(b"hel\"o\0xy");
    bytes.extend(0x20_u64.to_ne_bytes());
    bytes.extend([0xff, 0xff, 1, 1, 1, 1, 1, 1]);
    let text = "{ .a = -1, .b = 21, .c = -2, .in = { .y = -2 }, .u1 = 258, .u2 = 2, .e = TWO, .bad = 7, .name = hel\"o, \
        .real = null, .p = 0x20, .w = 65535, .rest = [] }";
    let json = r#"{"a": -1, "b": 21, "c": -2, "in": {"y": -2}, "u1": 258, "u2": 2, "e": 2, "bad": 7, "name": "hel\"o", "real": null, "p": 32, "w": 65535, "rest": []}"#;
    check(all, c(bytes), text, json);
}

#[test]
fn records_and_enums() {
    let record = Type::Record(vec![("x".into(), I8), ("y".into(), Type::Str(2))]);
    let value = || Val::from(vec![1.into(), "z".into()]);
    check(record.clone(), value(), "{ .x = 1, .y = z }", r#"{"x": 1, "y": "z"}"#);
    let nested = Type::Record(vec![
        ("a".into(), record),
        ("c".into(), Type::Tuple(vec![I8, number()])),
        ("d".into(), array(U8, 2)),
    ]);
    let value = Val::from(vec![value(), Val::from(vec![2.into(), 2.into()]), c([8, 9])]);
    let text = "{ .a = { .x = 1, .y = z }, .c = (2, TWO), .d = [8,9] }";
    check(nested, value, text, r#"{"a": {"x": 1, "y": "z"}, "c": [2,2], "d": [8,9]}"#);
    check(number(), 2, "TWO", "2");
    check(number(), 7, "7", "7");
    check(number(), -1, "LESS", "-1");
    check(number(), -5, "-5", "-5");
    check(
        Type::Tuple(vec![I8, point()]),
        vec![1.into(), c(point_at(3, -4))],
        "(1, { .x = 3, .y = -4 })",
        r#"[1,{"x": 3, "y": -4}]"#,
    );
}

#[test]
fn printf_shows_numbers_of_enums_and_texts_of_all() {
    let printf = |text: &str, ty: Type, value: Val| {
        let pieces = format::parse(text.as_bytes()).expect("a format").pieces;
        let count = pieces.iter().filter(|piece| piece.as_value().is_some()).count();
        let format = Format { origin: Origin::Printf, pieces, args: vec![ty.clone(); count] };
        let record = lay_out(&ty, &value).repeat(count);
        in_format("text", |output| output.record(&format, &record))
    };
    assert_eq!(printf("%d|%s|%x|%5d|%-6s|%p", number(), 2.into()), "2|TWO|2|    2|TWO   |0x2");
    assert_eq!(printf("%d|%s", number(), 7.into()), "7|7");
    let record = Type::Record(vec![("a".into(), I8), ("b".into(), I8)]);
    assert_eq!(printf("%+s", record, vec![5.into(), (-6).into()].into()), "{ .a = +5, .b = -6 }");
    assert_eq!(printf("%6s|%-6s|", array(U8, 2), c([1, 2])), " [1,2]|[1,2] |");
}

#[test]
fn keys_and_values_of_maps() {
    let check = |key: Option<Vec<Type>>, value: Type, all: &[(&[Val], Val)], div: u64, text: &str, json: &str| {
        let map = map_of("m", key, value);
        let entries = entries_of(&map, all);
        assert_eq!(in_format("text", |output| output.map(&map, &entries, 0, div)), text);
        let expected = format!("{{\"type\": \"map\", \"data\": {{\"@m\": {json}}}}}\n");
        assert_eq!(in_format("json", |output| output.map(&map, &entries, 0, div)), expected);
    };
    let points = || c([point_at(3, -4), point_at(1, 2)].concat());
    let key = Some(vec![array(point(), 2), I8]);
    let text = "@m[[{ .x = 3, .y = -4 },{ .x = 1, .y = 2 }], 42]: [8,9]\n";
    let json = r#"{"[{.x=3,.y=-4},{.x=1,.y=2}],42": [8,9]}"#;
    check(key, array(U8, 2), &[(&[points(), 42.into()], c([8, 9]))], 1, text, json);
    let record = Type::Record(vec![("x".into(), I8), ("y".into(), Type::Tuple(vec![I8, I8]))]);
    let value = || Val::from(vec![1.into(), vec![7.into(), 8.into()].into()]);
    let text = "@m[{ .x = 1, .y = (7, 8) }]: { .x = 0, .y = (3, 4) }\n";
    let json = r#"{"{.x=1,.y=(7,8)}": {"x": 0, "y": [3,4]}}"#;
    check(Some(vec![record.clone()]), record, &[(&[value()], value())], 2, text, json);
    // An enum is sorted by its number, and not divided.
    let text = "@m[LESS]: ONE\n@m[TWO]: TWO\n@m[7]: 7\n";
    let json = r#"{"LESS": 1, "TWO": 2, "7": 7}"#;
    let all: [(&[Val], Val); 3] = [(&[7.into()], 7.into()), (&[2.into()], 2.into()), (&[(-1).into()], 1.into())];
    check(Some(vec![number()]), number(), &all, 2, text, json);
}

#[test]
fn keys_are_sorted_part_by_part() {
    let check = |ty: Type, keys: Vec<Val>, expected: &[&str]| {
        let map = map_of("m", Some(vec![ty]), Type::Str(8));
        let all: Vec<([Val; 1], Val)> = keys.into_iter().map(|key| ([key], "v".into())).collect();
        let all: Vec<(&[Val], Val)> = all.iter().map(|(key, value)| (&key[..], value.clone())).collect();
        let expected: String = expected.iter().map(|key| format!("@m[{key}]: v\n")).collect();
        for turn in 0..all.len() {
            let mut all = all.clone();
            all.rotate_left(turn);
            let entries = entries_of(&map, &all);
            assert_eq!(in_format("text", |output| output.map(&map, &entries, 0, 1)), expected);
        }
    };
    let points = [(256, 9), (-5, 1), (-5, -1), (3, 0)].map(|(x, y)| c(point_at(x, y)));
    let sorted = ["{ .x = -5, .y = -1 }", "{ .x = -5, .y = 1 }", "{ .x = 3, .y = 0 }", "{ .x = 256, .y = 9 }"];
    check(point(), points.to_vec(), &sorted);
    let arrays = [[1, 255], [200, 1], [1, 2]].map(c);
    check(array(U8, 2), arrays.to_vec(), &["[1,2]", "[1,255]", "[200,1]"]);
    let record = Type::Record(vec![("a".into(), I8), ("b".into(), Type::Str(8))]);
    let values = [(5, "a"), (-1, "b"), (-1, "a")].map(|(a, b)| Val::from(vec![a.into(), b.into()]));
    check(record, values.to_vec(), &["{ .a = -1, .b = a }", "{ .a = -1, .b = b }", "{ .a = 5, .b = a }"]);
}

#[test]
fn what_cannot_be_is_shown_as_far_as_it_goes() {
    // A structure that says it contains itself, and members behind its end.
    fn endless() -> Type {
        Type::Struct(Struct::new("struct endless", 8, 8, || vec![member("again", endless(), 0)]))
    }
    let shown = |ty: &Type, bytes: &[u8]| {
        let mut out = Vec::new();
        value::write(&mut out, ty, bytes, value::Style::plain(&Settings::default()));
        String::from_utf8_lossy(&out).into_owned()
    };
    assert!(shown(&endless(), &[0; 8]).starts_with("{ .again = { .again = "));
    fn nameless() -> Type {
        Type::Struct(Struct::new("struct nameless", 8, 8, || vec![member("", nameless(), 0)]))
    }
    assert_eq!(shown(&nameless(), &[0; 8]), "{}");
    let far =
        structure("struct far", 4, vec![member("a", I32, 0), member("b", I32, 100), member("t", Type::Str(9), 2)]);
    assert_eq!(shown(&far, &[1, 0, b'x', 0]), format!("{{ .a = {}, .b = , .t = x }}", 1 + (b'x' as u32) * 65536));
    assert_eq!(shown(&point(), &[]), "{ .x = , .y =  }");
    assert_eq!(shown(&array(I32, 3), &[1, 0, 0, 0, 2, 0]), "[1]");
    assert_eq!(shown(&array(structure("struct none", 0, vec![]), u32::MAX), &[]), "[]");
    let wild = structure("struct wild", 1, vec![bits("a", U8, 0, 200, 3), bits("b", U8, 0, 7, 64)]);
    assert_eq!(shown(&wild, &[0x80]), "{ .a = , .b = 1 }");
}
