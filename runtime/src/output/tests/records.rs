//! `printf` and `print`.

use super::*;

/// What `printf` prints for a format and its values.
fn check_printf(text: &str, values: &[(Type, Val)], expected: &str) {
    let pieces = format::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}")).pieces;
    let format = Format { origin: Origin::Printf, pieces, args: values.iter().map(|(ty, _)| ty.clone()).collect() };
    let record: Vec<u8> = values.iter().flat_map(|(ty, value)| lay_out(ty, value)).collect();
    let printed = in_format("text", |output| output.record(&format, &record));
    assert_eq!(printed, expected, "{text}");
}

/// The same value through each conversion of the text; they are split at blanks or where `|` stands.
fn check_each(text: &str, ty: Type, value: i64, expected: &str) {
    let count = text.matches('%').count();
    check_printf(text, &vec![(ty, value.into()); count], expected);
}

#[test]
fn integers_show_their_low_bits() {
    check_each("%d|%i|%u|%x|%X|%o", I8, 42, "42|42|42|2a|2A|52");
    check_each("%d|%u|%x|%X|%o", I8, -1, "-1|4294967295|ffffffff|FFFFFFFF|37777777777");
    check_each("%d|%u|%x", Type::I64, 4294967297, "1|1|1");
    check_each("%ld|%lld|%lu|%lx", Type::I64, 4294967297, "4294967297|4294967297|4294967297|100000001");
    check_each("%ld|%lu|%llx|%lo", I8, -1, "-1|18446744073709551615|ffffffffffffffff|1777777777777777777777");
    check_each("%hd|%hu|%hhd|%hhx", I32, 70000, "4464|4464|112|70");
    check_each("%hhd|%hhx|%d", U8, 200, "-56|c8|200");
    check_each("%hu|%jd|%zd|%td", I8, -5, "65531|-5|-5|-5");
    check_each("%ld|%lu|%d", Type::U64, -1, "-1|18446744073709551615|-1");
    check_each("%d|%5d|%u|%s|%5s", Type::Bool, 1, "1|    1|1|true| true");
}

#[test]
fn fields_are_filled() {
    check_each("[%5d][%-5d][%05d][%+d]", I8, 42, "[   42][42   ][00042][+42]");
    check_each("[%5d][%-5d][%+d]", I8, -42, "[  -42][-42  ][-42]");
    check_each("[%+5d][%-+5d][%+-5d][%+5u][%+x]", I8, 7, "[   +7][+7   ][+7   ][    7][7]");
    check_each("%#x|%#X|%#o|%#lx|%#hhx", I8, -1, "0xffffffff|0XFFFFFFFF|037777777777|0xffffffffffffffff|0xff");
    check_each("%#x|%#o|%#X|%+d", I8, 0, "0|0|0|+0");
    check_each("[%#8x][%-#8x][%010x]", I8, 42, "[    0x2a][0x2a    ][000000002a]");
}

/// Around numbers as in C, around text as bpftrace does.
#[test]
fn zeros_fill_as_blanks_do() {
    check_each("[%05d]", I8, -42, "[-0042]");
    check_each("[%+05d][%-05d][%-+08d][%#08x]", I8, 42, "[+0042][42   ][+42     ][0x00002a]");
    check_printf("[%05s][%-05s]", &[(Type::Str(8), "abc".into()), (Type::Str(8), "abc".into())], "[00abc][abc00]");
}

#[test]
fn letters_and_addresses() {
    check_each("[%c][%5c][%-5c][%05c]", I8, 65, "[A][    A][A    ][0000A]");
    check_each("%c|%lc", I8, 0, "\0|\0");
    check_each("[%p][%20p][%-20p]", Type::U64, 0x10, "[0x10][                0x10][0x10                ]");
    check_each("[%020p][%#p][%hhp]", Type::U64, 0x1ff, "[0x0000000000000001ff][0x1ff][0x1ff]");
    check_each("[%p][%5p][%-5p]", Type::U64, 0, "[0][    0][0    ]");
    check_each("%p", I8, -1, "0xffffffffffffffff");
    check_each("%s|%p|%d|%05x|%5s", pointer(), 16, "0x10|0x10|16|00010| 0x10");
    check_each("%s|%p|%d", pointer(), 0, "0x0|0|0");
}

#[test]
fn text_shows_any_value() {
    let pair = || Type::Tuple(vec![I8, Type::Tuple(vec![I8, Type::Str(4)])]);
    let value = || Val::from(vec![1.into(), Val::from(vec![(-2).into(), "ab".into()])]);
    check_printf("[%s]", &[(pair(), value())], "[(1, (-2, ab))]");
    check_printf("[%15s]", &[(pair(), value())], "[  (1, (-2, ab))]");
    check_printf("[%+s]", &[(pair(), value())], "[(+1, (-2, ab))]");
    check_each("%s|%+s|%010s", I8, 7, "7|+7|0000000007");
    check_each("%s|%+s|%ls", Type::U64, -1, "18446744073709551615|18446744073709551615|18446744073709551615");
    check_each("%s", Type::I64, -4294967297, "-4294967297");
    check_each("%s|%-7s|%+s|%+s", Type::Bool, 0, "false|false  |false|false");
    check_printf("[%5s][%s]%%|", &[(Type::Str(8), "".into()), (Type::Str(8), "".into())], "[     ][]%|");
    check_printf("[%2s]", &[(Type::Str(8), "abc".into())], "[abc]");
    let items = || Type::Tuple(vec![I8, Type::Bool, Type::Str(8), pointer(), Type::Tuple(vec![I8]), U8]);
    let values = || Val::from(vec![1.into(), 1.into(), "x".into(), 16.into(), Val::from(vec![2.into()]), 255.into()]);
    check_printf("%s", &[(items(), values())], "(1, true, x, 0x10, (2), 255)");
}

/// bpftrace ignores a precision and the blank flag; these are C's forms.
#[test]
fn precision_and_blank_are_as_in_c() {
    check_each("[%.3d][%8.3d][%-8.3d][%08.3d]", I8, 5, "[005][     005][005     ][     005]");
    check_each("[%.3d][%+.3d][% d]", I8, -5, "[-005][-005][-5]");
    check_each("[% d][%+ d][% 5d]", I8, 42, "[ 42][+42][   42]");
    check_each("[%.0d][%.d][%5.0d][%#.0o]", I8, 0, "[][][     ][0]");
    check_each("[%#.4x][%#.4o][%#.2o][%.1d]", I8, 42, "[0x002a][0052][052][42]");
    check_printf("[%.2s]", &[(Type::Str(8), "abc".into())], "[ab]");
    check_printf("[%5.2s]", &[(Type::Str(8), "abc".into())], "[   ab]");
    check_printf("[%-5.9s]", &[(Type::Str(8), "abc".into())], "[abc  ]");
}

#[test]
fn text_that_fills_max_strlen_was_cut_off() {
    let settings = Settings { max_strlen: 8, ..Settings::default() };
    let shown = |size: u32, text: &'static [u8]| {
        let mut out = Vec::new();
        let ty = Type::Str(size);
        value::write(&mut out, &ty, &lay_out(&ty, &Val::Str(text)), value::Style::plain(&settings));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(shown(8, b"1234567"), "1234567");
    assert_eq!(shown(8, b"12345678"), "12345678..");
    assert_eq!(shown(9, b"12345678"), "12345678..");
    assert_eq!(shown(12, b"123456789"), "12345678..");
    // A shorter buffer was asked for, so nothing is missing; what pads it is not shown.
    assert_eq!(shown(3, b"abcdefgh"), "abc");
    // The trailer counts for the width.
    let format =
        Format { origin: Origin::Printf, pieces: format::parse(b"[%12s]").unwrap().pieces, args: vec![Type::Str(8)] };
    let mut out = Vec::new();
    printf::write_record(&mut out, &format, b"12345678", &settings).unwrap();
    assert_eq!(out, b"[  12345678..]");
}

#[test]
fn short_and_odd_records_do_no_harm() {
    let pieces = format::parse(b"a %d %s %s").unwrap().pieces;
    let args = vec![Type::I64, Type::Str(16), Type::Tuple(vec![I8, Type::Bool])];
    let format = Format { origin: Origin::Printf, pieces, args };
    let settings = Settings::default();
    for length in 0..40 {
        let mut out = Vec::new();
        let short = printf::write_record(&mut out, &format, &vec![0xff; length], &settings).unwrap_err();
        assert_eq!(short, ShortRecord { have: length, need: 40 });
        assert!(out.is_empty());
    }
    // Bytes beyond the values are the record's padding.
    let mut out = Vec::new();
    printf::write_record(&mut out, &format, &[0xff; 48], &settings).unwrap();
    let full = [b"a -1 ".as_slice(), &[0xff; 16], b" (-1, true)"].concat();
    assert_eq!(out, full);
    // As few types as conversions is the checker's promise; without it the rest is left out.
    let mut out = Vec::new();
    let format = Format { args: vec![Type::I64], ..format };
    printf::write_record(&mut out, &format, &[1, 0, 0, 0, 0, 0, 0, 0], &settings).unwrap();
    assert_eq!(out, b"a 1  ");
}

#[test]
fn print_shows_the_value_and_ends_the_line() {
    let text = Conversion { verb: Verb::Text, bits: 64, ..Conversion::PLAIN };
    let print =
        Format { origin: Origin::Print, pieces: vec![Piece::Value(text), Piece::Text(b"\n".to_vec())], args: vec![I8] };
    let printed = in_format("text", |output| output.record(&print, &(-3i64).to_ne_bytes()));
    assert_eq!(printed, "-3\n");
}

#[test]
fn any_bytes_make_some_text() {
    let tuple = Type::Tuple(vec![Type::Str(12), Type::Tuple(vec![]), Type::Bool, Type::Tuple(vec![I8, pointer()])]);
    let settings = Settings { max_strlen: 5, ..Settings::default() };
    for ty in [Type::I64, U8, Type::Bool, pointer(), Type::Str(0), Type::Str(9), Type::Void, Type::Unknown, tuple] {
        for length in 0..50 {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + length) as u8).collect();
            for style in
                [value::Style::plain(&settings), value::Style { div: u64::MAX, ..value::Style::plain(&settings) }]
            {
                value::write(&mut Vec::new(), &ty, &bytes, style);
                value::write_key(&mut Vec::new(), std::slice::from_ref(&ty), &bytes, style);
            }
        }
    }
}
