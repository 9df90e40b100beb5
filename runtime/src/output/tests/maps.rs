//! Maps as text: order, keys, aggregates and histograms.

use super::*;

fn check(map: &Map, entries: &Entries, top: u64, div: u64, expected: &str) {
    let printed = in_format("text", |output| output.map(map, entries, top, div));
    assert_eq!(printed, expected);
}

fn check_values(key: Option<Vec<Type>>, value: Type, entries: &[(&[Val], Val)], expected: &str) {
    let map = map_of("a", key, value);
    check(&map, &entries_of(&map, entries), 0, 1, expected);
}

fn keyed(key: Type) -> Option<Vec<Type>> {
    Some(vec![key])
}

fn aggregate_map(key: Option<Vec<Type>>, aggregate: Aggregate) -> Map {
    map_of("a", key, Type::Aggregate(aggregate))
}

#[test]
fn scalars_have_no_brackets() {
    check_values(None, Type::I64, &[(&[], (-7).into())], "@a: -7\n");
    check_values(None, Type::Str(8), &[(&[], "".into())], "@a: \n");
    check_values(None, pointer(), &[(&[], 0.into())], "@a: 0x0\n");
    check_values(None, Type::I64, &[], "");
    let map = map_of("", None, Type::Bool);
    check(&map, &entries_of(&map, &[(&[], 1.into())]), 0, 1, "@: true\n");
}

#[test]
fn keys_show_their_parts() {
    let pair = |a: Val, b: Val| Val::from(vec![a, b]);
    let nested = vec![U8, I8, Type::Bool, Type::Str(8), Type::Tuple(vec![I8, Type::Str(8)])];
    let key = [255.into(), (-1).into(), 1.into(), "x".into(), pair(1.into(), "y".into())];
    check_values(Some(nested), Type::Bool, &[(&key, 1.into())], "@a[255, -1, true, x, (1, y)]: true\n");
    // A tuple alone is the same key as its parts.
    let tuple = Type::Tuple(vec![I8, I8]);
    check_values(keyed(tuple.clone()), I8, &[(&[pair(1.into(), 2.into())], 1.into())], "@a[1, 2]: 1\n");
    let one = Type::Tuple(vec![I8]);
    check_values(keyed(one.clone()), I8, &[(&[vec![1.into()].into()], 3.into())], "@a[1]: 3\n");
    let inner = Val::from(vec![pair(1.into(), 2.into())]);
    check_values(keyed(Type::Tuple(vec![tuple])), I8, &[(&[inner], 1.into())], "@a[(1, 2)]: 1\n");
    let key = [Val::from(vec![1.into()]), 2.into()];
    check_values(Some(vec![one, I8]), I8, &[(&key, 1.into())], "@a[(1), 2]: 1\n");
    check_values(keyed(pointer()), I8, &[(&[16.into()], 1.into())], "@a[0x10]: 1\n");
}

#[test]
fn integers_are_sorted_by_value_then_key() {
    let int = |ty: Type, expected: &str| {
        let map = map_of("a", keyed(Type::I64), ty);
        let entries =
            [(4, 5), (1, -7), (3, 5), (2, 8), (-9, 5)].map(|(key, value): (i64, i64)| ([key.into()], value.into()));
        let entries: Vec<(&[Val], Val)> = entries.iter().map(|(key, value)| (&key[..], Val::clone(value))).collect();
        check(&map, &entries_of(&map, &entries), 0, 1, expected);
    };
    int(Type::I64, "@a[1]: -7\n@a[-9]: 5\n@a[3]: 5\n@a[4]: 5\n@a[2]: 8\n");
    int(I8, "@a[1]: -7\n@a[-9]: 5\n@a[3]: 5\n@a[4]: 5\n@a[2]: 8\n");
    int(Type::U64, "@a[-9]: 5\n@a[3]: 5\n@a[4]: 5\n@a[2]: 8\n@a[1]: 18446744073709551609\n");
    // Addresses and truth values are no integers: by key.
    int(pointer(), "@a[-9]: 0x5\n@a[1]: 0xfffffffffffffff9\n@a[2]: 0x8\n@a[3]: 0x5\n@a[4]: 0x5\n");
    int(Type::Bool, "@a[-9]: true\n@a[1]: true\n@a[2]: true\n@a[3]: true\n@a[4]: true\n");
}

#[test]
fn others_are_sorted_by_key() {
    let names = ["b", "a\u{ff}", "a", "ab", "B", "", "longer than a word", "longer than a wore"];
    let entries: Vec<([Val; 1], Val)> = names.map(|name| ([name.into()], "v".into())).to_vec();
    let entries: Vec<(&[Val], Val)> = entries.iter().map(|(key, value)| (&key[..], value.clone())).collect();
    let expected = "@a[]: v\n@a[B]: v\n@a[a]: v\n@a[ab]: v\n@a[a\u{ff}]: v\n@a[b]: v\n\
        @a[longer than a word]: v\n@a[longer than a wore]: v\n";
    check_values(keyed(Type::Str(32)), Type::Str(8), &entries, expected);

    let pair = |a: i64, b: &'static str| [Val::from(vec![a.into(), b.into()])];
    let keys = [pair(1, "z"), pair(-1, "b"), pair(1, "a"), pair(-1, "a")];
    let entries: Vec<(&[Val], Val)> = keys.iter().map(|key| (&key[..], "q".into())).collect();
    let expected = "@a[-1, a]: q\n@a[-1, b]: q\n@a[1, a]: q\n@a[1, z]: q\n";
    check_values(keyed(Type::Tuple(vec![I8, Type::Str(8)])), Type::Str(8), &entries, expected);
}

/// bpftrace compares unsigned keys as signed ones at 64 bits.
#[test]
fn unsigned_keys_keep_their_order() {
    let entries: [(&[Val], Val); 2] = [(&[(-1).into()], "x".into()), (&[1.into()], "y".into())];
    check_values(keyed(Type::U64), Type::Str(8), &entries, "@a[1]: y\n@a[18446744073709551615]: x\n");
    check_values(keyed(Type::I64), Type::Str(8), &entries, "@a[-1]: x\n@a[1]: y\n");
}

#[test]
fn top_takes_the_last_and_div_divides_all_integers() {
    let map = map_of("x", keyed(Type::I64), Type::I64);
    let entries = entries_of(&map, &[(&[1.into()], (-7).into()), (&[2.into()], 8.into()), (&[3.into()], 0.into())]);
    check(&map, &entries, 0, 2, "@x[1]: -3\n@x[3]: 0\n@x[2]: 4\n");
    check(&map, &entries, 2, 0, "@x[3]: 0\n@x[2]: 8\n");
    check(&map, &entries, 5, 3, "@x[1]: -2\n@x[3]: 0\n@x[2]: 2\n");
    check(&map, &entries, u64::MAX, u64::MAX, "@x[1]: 7\n@x[3]: 0\n@x[2]: -8\n");
    let tuple = Type::Tuple(vec![I8, Type::Str(8), Type::Bool, Type::Tuple(vec![I8, pointer()]), Type::U64]);
    let map = map_of("t", None, tuple);
    let value = vec![1.into(), "x".into(), 1.into(), Val::from(vec![(-7).into(), 16.into()]), (-1).into()];
    check(&map, &entries_of(&map, &[(&[], value.into())]), 0, 2, "@t: (0, x, true, (-3, 0x10), 9223372036854775807)\n");
}

#[test]
fn aggregates_show_one_number() {
    let scalar = |aggregate, cpus: &[&[i64]], div: u64, expected: &str| {
        let map = aggregate_map(None, aggregate);
        check(&map, &gathered(&map, &[(&[], cpus)]), 0, div, &format!("@a: {expected}\n"));
    };
    scalar(Aggregate::Count, &[&[1], &[2]], 1, "3");
    scalar(Aggregate::Count, &[&[0]], 1, "0");
    scalar(Aggregate::Sum { signed: true }, &[&[-5], &[2]], 2, "-1");
    scalar(Aggregate::Sum { signed: false }, &[&[-3]], 2, "9223372036854775806");
    scalar(Aggregate::Min { signed: true }, &[&[0, 0], &[-3, 1], &[4, 1]], 2, "-1");
    scalar(Aggregate::Min { signed: true }, &[&[0, 0]], 1, "0");
    scalar(Aggregate::Max { signed: false }, &[&[-3, 1], &[4, 1]], 1, "18446744073709551613");
    scalar(Aggregate::Avg { signed: true }, &[&[-5, 1], &[2, 1]], 1, "-1");
    scalar(Aggregate::Avg { signed: true }, &[&[-5, 1], &[2, 1]], 2, "0");
    scalar(Aggregate::Avg { signed: false }, &[&[-2, 1]], 2, "9223372036854775807");
    scalar(Aggregate::Avg { signed: true }, &[&[0, 0]], 3, "0");
}

#[test]
fn statistics_show_three() {
    let map = aggregate_map(keyed(I8), Aggregate::Stats { signed: true });
    let all: [(&[Val], &[&[i64]]); 4] = [
        (&[4.into()], &[&[10, 1], &[1, 1]]),
        (&[2.into()], &[&[3, 1]]),
        (&[3.into()], &[&[-2, 1]]),
        (&[1.into()], &[&[5, 1]]),
    ];
    let top = "@a[1]: { .count = 1, .average = 5, .total = 5 }\n@a[4]: { .count = 2, .average = 5, .total = 11 }\n";
    check(&map, &gathered(&map, &all), 2, 1, top);
    let halves = "@a[3]: { .count = 1, .average = -1, .total = -2 }\n@a[2]: { .count = 1, .average = 1, .total = 3 }\n\
        @a[1]: { .count = 1, .average = 2, .total = 5 }\n@a[4]: { .count = 2, .average = 2, .total = 11 }\n";
    check(&map, &gathered(&map, &all), 0, 2, halves);
    let map = aggregate_map(None, Aggregate::Stats { signed: true });
    check(&map, &gathered(&map, &[(&[], &[&[0, 0]])]), 0, 1, "@a: { .count = 0, .average = 0, .total = 0 }\n");
}

/// bpftrace sorts min and max without their sign.
#[test]
fn extremes_are_sorted_by_their_sign() {
    let map = aggregate_map(keyed(I8), Aggregate::Min { signed: true });
    let entries = gathered(&map, &[(&[2.into()], &[&[5, 1]]), (&[1.into()], &[&[-5, 1]])]);
    check(&map, &entries, 0, 1, "@a[1]: -5\n@a[2]: 5\n");
    let map = aggregate_map(keyed(I8), Aggregate::Max { signed: false });
    let entries = gathered(&map, &[(&[2.into()], &[&[-5, 1]]), (&[1.into()], &[&[5, 1]])]);
    check(&map, &entries, 0, 1, "@a[1]: 5\n@a[2]: 18446744073709551611\n");
}

/// A row with its bar of 52 columns.
fn row(label: &str, count: u64, bar: usize) -> String {
    format!("{label:<16}{count:>8} |{:<52}|\n", "@".repeat(bar))
}

fn check_histogram(aggregate: Aggregate, values: &[i64], div: u64, rows: &[(&str, u64, usize)]) {
    let map = aggregate_map(None, aggregate);
    let words = histogram(aggregate, values);
    let rows: String = rows.iter().map(|(label, count, bar)| row(label, *count, *bar)).collect();
    check(&map, &gathered(&map, &[(&[], &[&words])]), 0, div, &format!("@a:\n{rows}\n"));
}

#[test]
fn a_histogram_to_the_byte() {
    let map = aggregate_map(None, Aggregate::Hist { bits: 0 });
    let words = histogram(Aggregate::Hist { bits: 0 }, &[-5, 2, 3]);
    let expected = "@a:\n\
        (..., 0)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n\
        [0]                    0 |                                                    |\n\
        [1]                    0 |                                                    |\n\
        [2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n\n";
    check(&map, &gathered(&map, &[(&[], &[&words])]), 0, 1, expected);
}

#[test]
fn labels_take_a_unit() {
    let hist = |bits| Aggregate::Hist { bits };
    check_histogram(hist(0), &[1023, 1024, 2048], 1, &[("[512, 1K)", 1, 52), ("[1K, 2K)", 1, 52), ("[2K, 4K)", 1, 52)]);
    check_histogram(hist(0), &[1 << 19, 1 << 20], 1, &[("[512K, 1M)", 1, 52), ("[1M, 2M)", 1, 52)]);
    check_histogram(hist(0), &[i64::MAX], 1, &[("[4E, 8E)", 1, 52)]);
    check_histogram(hist(1), &[3, 4, 6], 1, &[("[3]", 1, 52), ("[4, 6)", 1, 52), ("[6, 8)", 1, 52)]);
    let rows = [("[768, 1024)", 1, 52), ("[1024, 1536)", 1, 52), ("[1536, 2K)", 1, 52), ("[2K, 3K)", 1, 52)];
    check_histogram(hist(1), &[1000, 1024, 2000, 2048], 1, &rows);
    check_histogram(hist(2), &[4095, 4096], 1, &[("[3584, 4K)", 1, 52), ("[4K, 5K)", 1, 52)]);
    check_histogram(hist(3), &[1 << 20], 1, &[("[1024K, 1152K)", 1, 52)]);
    check_histogram(hist(3), &[i64::MAX], 1, &[("[7680P, 8E)", 1, 52)]);
    check_histogram(hist(4), &[15900, 16384], 1, &[("[15872, 16K)", 1, 52), ("[16K, 17K)", 1, 52)]);
    check_histogram(hist(5), &[i64::MAX], 1, &[("[8064P, 8192P)", 1, 52)]);
}

#[test]
fn bars_follow_the_largest_count() {
    let values = [1, 1, 1, 1, 1, 1, 1, 2, 4, 4, 4, 9, 9, 9, 9, 9, 9];
    let bits = Aggregate::Hist { bits: 0 };
    check_histogram(bits, &values, 1, &[("[1]", 7, 52), ("[2, 4)", 1, 7), ("[4, 8)", 3, 22), ("[8, 16)", 6, 44)]);
    check_histogram(bits, &values, 2, &[("[1]", 3, 52), ("[2, 4)", 0, 0), ("[4, 8)", 1, 17), ("[8, 16)", 3, 52)]);
    check_histogram(bits, &[1, 2], 2, &[("[1]", 0, 0), ("[2, 4)", 0, 0)]);
    check_histogram(bits, &[], 1, &[]);
}

#[test]
fn counts_of_any_size_are_drawn() {
    let map = aggregate_map(None, Aggregate::LHist { min: 0, max: 1, step: 1 });
    let entries = gathered(&map, &[(&[], &[&[-1, 1, i64::MAX]])]);
    let expected = "@a:\n\
        (..., 0)        18446744073709551615 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n\
        [0]                    1 |                                                    |\n\
        [1, ...)        9223372036854775807 |@@@@@@@@@@@@@@@@@@@@@@@@@                           |\n\n";
    check(&map, &entries, 0, 1, expected);
}

#[test]
fn linear_labels() {
    let lhist = |min, max, step| Aggregate::LHist { min, max, step };
    let ends = |min: u64, max: u64| [min as i64 - 1, max as i64];
    check_histogram(lhist(2, 3, 1), &[1, 2, 3], 1, &[("(..., 2)", 1, 52), ("[2]", 1, 52), ("[3, ...)", 1, 52)]);
    check_histogram(lhist(0, 10, 3), &[9, 10], 1, &[("[9, ...)", 2, 52)]);
    check_histogram(lhist(1000, 9192, 1024), &[2000], 1, &[("[1000, 2024)", 1, 52)]);
    check_histogram(lhist(0, 10240, 1024), &[2000], 1, &[("[1K, 2K)", 1, 52)]);
    check_histogram(lhist(0, 8000, 1000), &[5000], 1, &[("[5000, 6000)", 1, 52)]);
    let rows = [("(..., 1024)", 1, 52), ("[1024, 1536)", 0, 0), ("[1536, 2048)", 0, 0), ("[2048, ...)", 1, 52)];
    check_histogram(lhist(1024, 2048, 512), &ends(1024, 2048), 1, &rows);
    let rows = [("(..., 1M)", 1, 52), ("[1M, 1025K)", 0, 0), ("[1025K, 1026K)", 0, 0), ("[1026K, ...)", 1, 52)];
    check_histogram(lhist(1048576, 1050624, 1024), &ends(1048576, 1050624), 1, &rows);
    let rows = [("[0, 1536K)", 1, 52), ("[1536K, 3M)", 0, 0), ("[3M, 4608K)", 1, 52)];
    check_histogram(lhist(0, 8388608, 1572864), &[0, 4000000], 1, &rows);
    // A label may be wider than its column.
    check_histogram(lhist(100000000, 200000000, 50000000), &[150000000], 1, &[("[150000000, 200000000)", 1, 52)]);
    // bpftrace computes bounds in 32 bits and shows negative ones here.
    check_histogram(lhist(1 << 40, (1 << 40) + 4096, 4096), &[1 << 40], 1, &[("[1T, 1073741828K)", 1, 52)]);
}

/// bpftrace does not divide linear histograms.
#[test]
fn linear_histograms_are_divided_too() {
    let lhist = Aggregate::LHist { min: 0, max: 20, step: 10 };
    check_histogram(lhist, &[1, 2, 3, 4, 15], 2, &[("[0, 10)", 2, 52), ("[10, 20)", 0, 0)]);
}

#[test]
fn keyed_histograms_are_sorted_by_their_totals() {
    let hist = Aggregate::Hist { bits: 0 };
    let map = aggregate_map(Some(vec![I8, Type::Str(8)]), hist);
    let (one, two) = (histogram(hist, &[1]), histogram(hist, &[1, 2]));
    let entries = gathered(
        &map,
        &[(&[2.into(), "x".into()], &[&two]), (&[1.into(), "y".into()], &[&one]), (&[0.into(), "z".into()], &[&one])],
    );
    let first = row("[1]", 1, 52);
    let second = row("[2, 4)", 1, 52);
    let last = format!("@a[2, x]:\n{first}{second}\n");
    check(&map, &entries, 1, 1, &last);
    check(&map, &entries, 0, 1, &format!("@a[0, z]:\n{first}\n@a[1, y]:\n{first}\n{last}"));
}

#[test]
fn whoever_sees_the_first_few_sees_the_largest() {
    let map = map_of("a", keyed(Type::I64), Type::I64);
    let mut entries = Entries::new(&map);
    // In no order, with equal values, and some below zero.
    for key in 0..1000i64 {
        let key = key * 7919 % 1000;
        entries.push(&key.to_ne_bytes(), &((key % 97) - 20).to_ne_bytes());
    }
    let all = map::ranked(&map, &entries, usize::MAX);
    let pair = |index: &usize| {
        let word = |bytes: &[u8]| i64::from_ne_bytes(bytes.try_into().unwrap());
        (-word(entries.value(*index)), word(entries.key(*index)))
    };
    assert!(all.len() == 1000 && all.is_sorted_by_key(pair));
    for most in [0, 1, 10, 999, 1000, 5000] {
        assert_eq!(map::ranked(&map, &entries, most), all[..most.min(1000)], "{most}");
    }
    // By key where the values have no order.
    let map = map_of("a", keyed(Type::I64), Type::Str(8));
    let mut entries = Entries::new(&map);
    [3i64, -1, 2].iter().for_each(|key| entries.push(&key.to_ne_bytes(), b"abcdefgh"));
    assert_eq!(map::ranked(&map, &entries, 2), [1, 2]);
}
