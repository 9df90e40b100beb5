//! What is drawn, as a whole.

use std::time::Duration;

use lang::span::Span;
use lang::typed::Map;
use lang::types::{Aggregate, SeriesOf, Stack, StackMode, Type};

use super::super::map::Entries;
use super::super::paint::Paint;
use super::super::tally::Tally;
use super::*;

const COUNT: Type = Type::Aggregate(Aggregate::Count);
const TEXT: Type = Type::Str(16);
const NO_KEY: [u8; 4] = [0; 4];

fn map(name: &str, key: Option<Type>, value: Type) -> Map {
    let key = key.map(|key| vec![key]);
    Map { name: name.into(), key, value, declared: None, span: Span::new(0, 0) }
}

fn bytes(words: &[i64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

fn entries(map: &Map, of: &[(Vec<u8>, Vec<u8>)]) -> Entries {
    let mut entries = Entries::new(map);
    of.iter().for_each(|(key, value)| entries.push(key, value));
    entries
}

/// Looked at twice, two seconds apart.
fn tally(map: &Map, first: &[(Vec<u8>, Vec<u8>)], second: &[(Vec<u8>, Vec<u8>)]) -> Tally {
    let mut tally = Tally::new(entries(map, first));
    tally.look(entries(map, second), Duration::from_secs(2));
    tally
}

fn names(of: &[(&str, &[i64])]) -> Vec<(Vec<u8>, Vec<u8>)> {
    of.iter().map(|(name, words)| (text(name), bytes(words))).collect()
}

/// What is seen, between bars that show where lines end.
fn seen(maps: &[(&Map, &Tally)], columns: usize, rows: usize, offset: usize) -> String {
    seen_as(maps, Paint { color: false, blocks: Some(columns) }, columns, rows, offset)
}

fn seen_as(maps: &[(&Map, &Tally)], paint: Paint, columns: usize, rows: usize, offset: usize) -> String {
    let settings = Settings { paint, ..Settings::default() };
    let drawn = draw(maps, &settings, Window { columns, rows, offset });
    assert!(drawn.lines.len() <= rows, "{} lines in {rows}", drawn.lines.len());
    for line in &drawn.lines {
        assert!(columns_of(line) <= columns, "{line}");
    }
    drawn.lines.iter().map(|line| format!("{line}|\n")).collect()
}

/// Many keys that count up.
fn many(map: &Map, count: i64) -> Tally {
    let of = |add: i64| -> Vec<(Vec<u8>, Vec<u8>)> {
        (0..count).map(|number| (text(&format!("key{number}")), bytes(&[number * 10 + add * number]))).collect()
    };
    tally(map, &of(0), &of(4))
}

#[test]
fn a_table_has_the_largest_first_and_its_rates() {
    let map = map("opens", Some(TEXT), COUNT);
    let first = names(&[("bash", &[5]), ("cron", &[100])]);
    let second = names(&[("bash", &[6]), ("cron", &[20100]), ("new", &[3]), ("a", &[3])]);
    let looked = tally(&map, &first, &second);
    insta::assert_snapshot!(seen(&[(&map, &looked)], 80, 10, 0));
    let at_first = Tally::new(entries(&map, &second));
    insta::assert_snapshot!(seen(&[(&map, &at_first)], 40, 10, 0));
    let empty = Tally::new(entries(&map, &[]));
    assert_eq!(seen(&[(&map, &empty)], 40, 10, 0), "@opens: nothing yet|\n");
}

#[test]
fn more_keys_than_rows_are_counted_and_scrolled() {
    let map = map("m", Some(TEXT), COUNT);
    let looked = many(&map, 100);
    insta::assert_snapshot!(seen(&[(&map, &looked)], 60, 6, 0));
    insta::assert_snapshot!(seen(&[(&map, &looked)], 60, 6, 30));
    insta::assert_snapshot!(seen(&[(&map, &looked)], 60, 6, 5000));
    let drawn = draw(&[(&map, &looked)], &Settings::default(), Window { columns: 60, rows: 6, offset: 0 });
    assert_eq!((drawn.last_offset, drawn.page), (96, 4));
    for rows in 0..5 {
        seen(&[(&map, &looked)], 60, rows, 0);
    }
}

#[test]
fn each_aggregation_has_its_columns() {
    let of = |name: &str, aggregate| map(name, Some(TEXT), Type::Aggregate(aggregate));
    let maps = [
        of("avg", Aggregate::Avg { signed: true }),
        of("max", Aggregate::Max { signed: false }),
        of("stats", Aggregate::Stats { signed: true }),
        of("sum", Aggregate::Sum { signed: true }),
        map("text", Some(Type::U64), TEXT),
    ];
    let two = |a: i64, b: i64| (names(&[("x", &[10, 2])]), names(&[("x", &[a, b])]));
    let mut looked: Vec<Tally> = maps[..4]
        .iter()
        .map(|map| {
            let (first, second) = two(-70, 22);
            tally(map, &first, &second)
        })
        .collect();
    let rows = [(bytes(&[7]), text("a\x1b[2Jb")), (bytes(&[-1]), text("漢字"))];
    looked.push(tally(&maps[4], &[], &rows));
    let all: Vec<(&Map, &Tally)> = maps.iter().zip(&looked).collect();
    insta::assert_snapshot!(seen(&all, 80, 24, 0));
    insta::assert_snapshot!(seen(&all, 40, 24, 0));
    insta::assert_snapshot!(seen(&all, 20, 24, 0));
}

#[test]
fn single_values_share_a_table() {
    let maps = [
        map("a", None, COUNT),
        map("average", None, Type::Aggregate(Aggregate::Avg { signed: true })),
        map("never", None, COUNT),
        map("s", None, Type::Str(16)),
        map("stats", None, Type::Aggregate(Aggregate::Stats { signed: true })),
        map("x", None, Type::I64),
    ];
    let looked = [
        tally(&maps[0], &[(NO_KEY.to_vec(), bytes(&[7]))], &[(NO_KEY.to_vec(), bytes(&[207]))]),
        tally(&maps[1], &[(NO_KEY.to_vec(), bytes(&[7, 2]))], &[(NO_KEY.to_vec(), bytes(&[90, 3]))]),
        tally(&maps[2], &[], &[]),
        tally(&maps[3], &[], &[(NO_KEY.to_vec(), text("some\ntext"))]),
        tally(&maps[4], &[(NO_KEY.to_vec(), bytes(&[7, 2]))], &[(NO_KEY.to_vec(), bytes(&[90, 3]))]),
        tally(&maps[5], &[(NO_KEY.to_vec(), bytes(&[7]))], &[(NO_KEY.to_vec(), bytes(&[-3]))]),
    ];
    let all: Vec<(&Map, &Tally)> = maps.iter().zip(&looked).collect();
    insta::assert_snapshot!(seen(&all, 80, 24, 0));
    insta::assert_snapshot!(seen(&all, 40, 4, 0));
}

fn histogram(map: &Map, counts: &[i64]) -> Vec<u8> {
    let Type::Aggregate(aggregate) = map.value else { panic!("{} is no aggregate", map.value) };
    let mut words = vec![0; aggregate.words() as usize];
    words[3..3 + counts.len()].copy_from_slice(counts);
    bytes(&words)
}

#[test]
fn a_histogram_says_what_is_new_in_each_row() {
    let map = map("h", None, Type::Aggregate(Aggregate::Hist { bits: 0 }));
    let of = |counts: &[i64]| vec![(NO_KEY.to_vec(), histogram(&map, counts))];
    let looked = tally(&map, &of(&[3, 0, 5]), &of(&[3, 2, 1005, 1]));
    let all = [(&map, &looked)];
    insta::assert_snapshot!(seen(&all, 80, 10, 0));
    insta::assert_snapshot!(seen(&all, 40, 10, 0));
    insta::assert_snapshot!(seen(&all, 40, 4, 1));
    let plain = Paint { color: false, blocks: None };
    insta::assert_snapshot!(seen_as(&all, plain, 50, 10, 0));
    let color = Paint { color: true, blocks: Some(40) };
    insta::assert_snapshot!(seen_as(&all, color, 40, 10, 0));
}

#[test]
fn many_histograms_are_scrolled_through() {
    let map = map("h", Some(TEXT), Type::Aggregate(Aggregate::LHist { min: 0, max: 10, step: 1 }));
    let of: Vec<(Vec<u8>, Vec<u8>)> =
        (0..6).map(|number| (text(&format!("k{number}")), histogram(&map, &[number + 1, 2]))).collect();
    let looked = tally(&map, &[], &of);
    insta::assert_snapshot!(seen(&[(&map, &looked)], 60, 8, 0));
    insta::assert_snapshot!(seen(&[(&map, &looked)], 60, 8, 4));
    insta::assert_snapshot!(seen(&[(&map, &looked)], 60, 8, 999));
}

#[test]
fn a_series_is_as_wide_as_there_is_room() {
    let series = Aggregate::TSeries { interval: 1_000_000_000, intervals: 4, of: SeriesOf::Sum, signed: true };
    let map = map("t", Some(TEXT), Type::Aggregate(series));
    let state = bytes(&[8, 1, 8, 9, 1, 9, 0, 0, 0, -7, 1, 7]);
    let looked = tally(&map, &[], &[(text("x"), state)]);
    insta::assert_snapshot!(seen(&[(&map, &looked)], 80, 10, 0));
    insta::assert_snapshot!(seen(&[(&map, &looked)], 40, 10, 0));
}

#[test]
fn maps_share_the_window() {
    let maps = ["a", "b", "c", "d"].map(|name| map(name, Some(TEXT), COUNT));
    let counts = [2, 50, 60, 3];
    let looked: Vec<Tally> = maps.iter().zip(counts).map(|(map, count)| many(map, count)).collect();
    let all: Vec<(&Map, &Tally)> = maps.iter().zip(&looked).collect();
    insta::assert_snapshot!(seen(&all, 60, 24, 0));
    insta::assert_snapshot!(seen(&all, 60, 24, 10));
    insta::assert_snapshot!(seen(&all, 60, 8, 0));
    for rows in 0..40 {
        seen(&all, 30, rows, rows);
    }
}

#[test]
fn stacks_are_keys_of_one_line() {
    let stack = Stack { user: true, mode: StackMode::Raw, depth: 3 };
    let key = Type::Tuple(vec![Type::Stack(stack), TEXT]);
    let map = map("s", Some(key.clone()), COUNT);
    let mut of = bytes(&[2, 0, 0x401000, 0x402000]);
    of.resize(Type::Stack(stack).slot_size() as usize, 0);
    of.extend(text("a\nb"));
    let looked = tally(&map, &[], &[(of, bytes(&[4]))]);
    let seen = seen(&[(&map, &looked)], 60, 3, 0);
    let row = seen.lines().nth(1).unwrap_or_default();
    assert!(row.starts_with("401000 < 402000, a\\nb  "), "{row}");
}

#[test]
fn rates_are_short() {
    let texts = [0.0, 0.001, 0.04, 0.5, 1.0, -3.25, 42.0, 99.46, 100.0, 12345.6].map(rate);
    assert_eq!(texts, ["0", "0", "0.04", "0.50", "1.0", "-3.2", "42.0", "99.5", "100", "12346"]);
}
