//! JSON lines.

use super::*;

fn check_map(map: &Map, entries: &Entries, top: u64, div: u64, expected: &str) {
    let printed = in_format("json", |output| output.map(map, entries, top, div));
    assert_eq!(printed, format!("{expected}\n"));
}

fn check_value(ty: Type, value: impl Into<Val>, expected: &str) {
    let text = Conversion { verb: Verb::Text, bits: 64, ..Conversion::PLAIN };
    let format = Format {
        origin: Origin::Print,
        pieces: vec![Piece::Value(text), Piece::Text(b"\n".to_vec())],
        args: vec![ty.clone()],
    };
    let record = lay_out(&ty, &value.into());
    let printed = in_format("json", |output| output.record(&format, &record));
    assert_eq!(printed, format!("{{\"type\": \"value\", \"data\": {expected}}}\n"));
}

#[test]
fn values_keep_their_kind() {
    check_value(I8, -5, "-5");
    check_value(U16, 65535, "65535");
    check_value(Type::Bool, 1, "true");
    check_value(pointer(), 16, "16");
    check_value(Type::Str(8), "", "\"\"");
    let nested = Type::Tuple(vec![I8, Type::Str(8), Type::Tuple(vec![Type::Bool, Type::U64])]);
    let value = vec![1.into(), "x".into(), Val::from(vec![1.into(), (-1).into()])];
    check_value(nested, value, r#"[1,"x",[true,"18446744073709551615"]]"#);
    check_value(Type::Tuple(vec![I8]), vec![1.into()], "[1]");
}

#[test]
fn numbers_beyond_a_double_are_strings() {
    check_value(Type::U64, 9007199254740992, "9007199254740992");
    check_value(Type::I64, 9007199254740993, "\"9007199254740993\"");
    check_value(Type::I64, -9007199254740993, "\"-9007199254740993\"");
    check_value(Type::U64, 1 << 62, "4611686018427387904");
    check_value(pointer(), -1, "\"18446744073709551615\"");
}

#[test]
fn text_is_escaped() {
    let printf = |text: &'static [u8]| {
        let format =
            Format { origin: Origin::Printf, pieces: format::parse(b"%s|").unwrap().pieces, args: vec![Type::Str(64)] };
        let record = lay_out(&Type::Str(64), &Val::Str(text));
        in_format("json", |output| output.record(&format, &record))
    };
    let expected = "{\"type\": \"printf\", \"data\": \"a\\n\\\"x\\\"\\\\ \\t\\r\\u0001\\u001f\x7f/|\"}\n";
    assert_eq!(printf(b"a\n\"x\"\\ \t\r\x01\x1f\x7f/"), expected);
    // Not as bpftrace, which breaks what is not ASCII.
    assert_eq!(printf("é".as_bytes()), "{\"type\": \"printf\", \"data\": \"é|\"}\n");
    assert_eq!(printf(b"a\xffb\xe2\x82"), "{\"type\": \"printf\", \"data\": \"a\\ufffdb\\ufffd|\"}\n");
}

#[test]
fn maps_are_objects() {
    let map = map_of("a", None, I8);
    check_map(&map, &entries_of(&map, &[(&[], 1.into())]), 0, 1, r#"{"type": "map", "data": {"@a": 1}}"#);
    let map = map_of("x", Some(vec![Type::I64]), Type::I64);
    let entries = entries_of(&map, &[(&[1.into()], 4.into()), (&[2.into()], 3.into())]);
    check_map(&map, &entries, 0, 2, r#"{"type": "map", "data": {"@x": {"2": 1, "1": 2}}}"#);
    check_map(&map, &entries, 1, 1, r#"{"type": "map", "data": {"@x": {"1": 4}}}"#);
    let map = map_of("c", Some(vec![Type::Tuple(vec![I8, Type::Str(8)]), I8]), Type::Tuple(vec![I8, Type::Bool]));
    let key = [Val::from(vec![1.into(), "y\"".into()]), 2.into()];
    let value = Val::from(vec![1.into(), 1.into()]);
    let expected = r#"{"type": "map", "data": {"@c": {"(1,y\"),2": [1,true]}}}"#;
    check_map(&map, &entries_of(&map, &[(&key, value)]), 0, 1, expected);
    let map = map_of("e", Some(vec![pointer()]), pointer());
    let entries = entries_of(&map, &[(&[16.into()], 32.into())]);
    check_map(&map, &entries, 0, 2, r#"{"type": "map", "data": {"@e": {"0x10": 32}}}"#);
    let empty = in_format("json", |output| output.map(&map, &Entries::new(&map), 0, 1));
    assert_eq!(empty, "");
}

#[test]
fn averages_are_statistics() {
    let map = map_of("v", Some(vec![Type::Str(8)]), Type::Aggregate(Aggregate::Avg { signed: true }));
    let entries = gathered(&map, &[(&["r".into()], &[&[4, 1]]), (&["q".into()], &[&[3, 1]])]);
    check_map(&map, &entries, 0, 1, r#"{"type": "stats", "data": {"@v": {"q": 3, "r": 4}}}"#);
    let map = map_of("s", None, Type::Aggregate(Aggregate::Stats { signed: false }));
    let expected = concat!(
        r#"{"type": "stats", "data": {"@s": {"count": 1, "average": "18446744073709551615", "#,
        r#""total": "18446744073709551615"}}}"#
    );
    check_map(&map, &gathered(&map, &[(&[], &[&[-1, 1]])]), 0, 1, expected);
}

#[test]
fn histograms_are_lists_of_inclusive_ranges() {
    let scalar = |aggregate, values: &[i64], div: u64, rows: &str| {
        let map = map_of("h", None, Type::Aggregate(aggregate));
        let entries = gathered(&map, &[(&[], &[&histogram(aggregate, values)])]);
        check_map(&map, &entries, 0, div, &format!("{{\"type\": \"hist\", \"data\": {{\"@h\": [{rows}]}}}}"));
    };
    let hist = Aggregate::Hist { bits: 0 };
    let rows = concat!(
        r#"{"max": -1, "count": 1},{"min": 0, "max": 0, "count": 1},{"min": 1, "max": 1, "count": 0},"#,
        r#"{"min": 2, "max": 3, "count": 0},{"min": 4, "max": 7, "count": 1}"#
    );
    scalar(hist, &[-1, 0, 4], 1, rows);
    scalar(hist, &[i64::MAX], 1, r#"{"min": 4611686018427387904, "max": "9223372036854775807", "count": 1}"#);
    scalar(hist, &[1, 1, 1, 2], 2, r#"{"min": 1, "max": 1, "count": 1},{"min": 2, "max": 3, "count": 0}"#);
    scalar(hist, &[], 1, "");
    let lhist = Aggregate::LHist { min: 5, max: 10, step: 3 };
    let rows = r#"{"max": 4, "count": 1},{"min": 5, "max": 7, "count": 1},{"min": 8, "count": 1}"#;
    scalar(lhist, &[4, 5, 9], 1, rows);

    let map = map_of("k", Some(vec![Type::Str(8), I8]), Type::Aggregate(hist));
    let words = histogram(hist, &[1]);
    let entries = gathered(&map, &[(&["a".into(), 1.into()], &[&words]), (&["a".into(), 0.into()], &[&words])]);
    let rows = r#"[{"min": 1, "max": 1, "count": 1}]"#;
    let expected = format!(r#"{{"type": "hist", "data": {{"@k": {{"a,0": {rows}, "a,1": {rows}}}}}}}"#);
    check_map(&map, &entries, 0, 1, &expected);
}

#[test]
fn troubles_have_a_place_and_a_number_if_they_are_many() {
    let place = Place { file: "a \"b\".rt".into(), line: 2, column: 7 };
    let told = |trouble: Trouble, times| {
        in_format("json", |output| {
            assert!(output.trouble(&trouble, times, &place)?);
            Ok(())
        })
    };
    let at = r#""filename": "a \"b\".rt", "line": 2, "col": 7"#;
    let lost = format!("{{\"type\": \"lost_events\", \"count\": 5, \"data\": {{\"events\": 5}}, {at}}}\n");
    assert_eq!(told(Trouble::Lost, 5), lost);
    let helper = Trouble::Helper { name: "probe_read_user", code: -14, reason: "Bad address".into() };
    let begun = r#"{"type": "helper_error", "msg": "Bad address", "helper": "probe_read_user", "retcode": -14"#;
    assert_eq!(told(helper.clone(), 1), format!("{begun}, {at}}}\n"));
    assert_eq!(told(helper, 3), format!("{begun}, {at}, \"count\": 3}}\n"));
    let other = format!("{{\"type\": \"runtime_error\", \"msg\": \"no\", {at}}}\n");
    assert_eq!(told(Trouble::Other("no"), 1), other);
}
