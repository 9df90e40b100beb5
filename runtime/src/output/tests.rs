//! Whole outputs, byte for byte. What is expected is what bpftrace 0.27.1 printed for the same values, except where a test
//! says that rtrace differs.

use lang::printf::{self as format, Conversion, Format, Origin, Piece, Verb};
use lang::span::Span;
use lang::typed::Map;
use lang::types::{AddressSpace, Aggregate, IntType, Type};

use super::*;

mod composite;
mod json;
mod maps;
mod records;
mod speed;

/// A value of a test, to be laid out by its type.
#[derive(Clone, Debug)]
enum Val {
    Int(i64),
    Str(&'static [u8]),
    Tuple(Vec<Val>),
    /// What C has in memory.
    Bytes(Vec<u8>),
}

impl From<i64> for Val {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&'static str> for Val {
    fn from(text: &'static str) -> Self {
        Self::Str(text.as_bytes())
    }
}

impl From<Vec<Val>> for Val {
    fn from(items: Vec<Val>) -> Self {
        Self::Tuple(items)
    }
}

const I8: Type = int(8, true);
const I32: Type = int(32, true);
const U8: Type = int(8, false);
const U16: Type = int(16, false);

const fn int(bits: u8, signed: bool) -> Type {
    Type::Int(IntType { bits, signed })
}

fn pointer() -> Type {
    Type::Pointer(Box::new(I8), AddressSpace::Kernel)
}

/// A value's bytes, as the program in the kernel would leave them.
fn lay_out(ty: &Type, value: &Val) -> Vec<u8> {
    match (ty, value) {
        (Type::Tuple(types), Val::Tuple(values)) => {
            assert_eq!(types.len(), values.len());
            types.iter().zip(values).flat_map(|(ty, value)| lay_out(ty, value)).collect()
        }
        (Type::Record(types), Val::Tuple(values)) => {
            assert_eq!(types.len(), values.len());
            types.iter().zip(values).flat_map(|((_, ty), value)| lay_out(ty, value)).collect()
        }
        (Type::Struct(_) | Type::Array(..), Val::Bytes(bytes)) => {
            let mut bytes = bytes.clone();
            assert_eq!(bytes.len() as u64, ty.size_of(), "{ty}");
            bytes.resize(ty.slot_size() as usize, 0);
            bytes
        }
        (Type::Str(_), Val::Str(text)) => {
            let mut bytes = text.to_vec();
            bytes.resize(ty.slot_size() as usize, 0);
            bytes
        }
        (_, Val::Int(value)) => value.to_ne_bytes().to_vec(),
        _ => panic!("{value:?} is no {ty}"),
    }
}

fn map_of(name: &str, key: Option<Vec<Type>>, value: Type) -> Map {
    Map { name: name.into(), key, value, declared: None, span: Span::new(0, 0) }
}

/// What the formats make of something, `text` and `json`.
fn in_format(name: &str, write: impl FnOnce(&mut dyn Output) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    let row = FORMATS.iter().find(|row| row.name == name).expect("a format");
    let mut output = (row.open)(Box::new(&mut bytes), Settings::default());
    write(&mut *output).expect("memory takes all");
    drop(output);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A map with entries of plain values; the key of a keyless map is no value.
fn entries_of(map: &Map, entries: &[(&[Val], Val)]) -> Entries {
    let mut all = Entries::new(map);
    for (key, value) in entries {
        all.push(&key_bytes(map, key), &lay_out(&map.value, value));
    }
    all
}

/// A map with entries of aggregates, of which each CPU has the given words.
fn gathered(map: &Map, entries: &[(&[Val], &[&[i64]])]) -> Entries {
    let Type::Aggregate(aggregate) = map.value else { panic!("{} is no aggregate", map.value) };
    let mut all = Entries::new(map);
    for (key, cpus) in entries {
        let bytes: Vec<u8> = cpus.iter().flat_map(|words| words.iter()).flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(bytes.len(), cpus.len() * aggregate.words() as usize * 8);
        all.push_per_cpu(&key_bytes(map, key), aggregate, &bytes);
    }
    all
}

fn key_bytes(map: &Map, key: &[Val]) -> Vec<u8> {
    match &map.key {
        None => vec![0; 4],
        Some(parts) => parts.iter().zip(key).flat_map(|(ty, value)| lay_out(ty, value)).collect(),
    }
}

/// The words of a histogram of these values on one CPU.
fn histogram(aggregate: Aggregate, values: &[i64]) -> Vec<i64> {
    let mut words = vec![0; aggregate.words() as usize];
    for &value in values {
        let index = match aggregate {
            Aggregate::Hist { bits } => buckets::hist_index(value as u64, bits),
            Aggregate::LHist { min, max, step } => buckets::lhist_index(value as u64, min, max, step),
            other => panic!("{other:?} has no buckets"),
        };
        words[index as usize] += 1;
    }
    words
}

#[test]
fn a_sample_of_each_event_goes_through_each_format() {
    let format =
        Format { origin: Origin::Printf, pieces: format::parse(b"n %d\n").unwrap().pieces, args: vec![Type::I64] };
    let map = map_of("m", Some(vec![Type::I64]), Type::Aggregate(Aggregate::Stats { signed: true }));
    let sample = |output: &mut dyn Output| {
        output.attached(2)?;
        output.record(&format, &5i64.to_ne_bytes())?;
        output.end_of_records()?;
        output.map(&map, &gathered(&map, &[(&[1.into()], &[&[7, 2], &[4, 1]])]), 0, 1)?;
        output.flush()
    };
    assert_eq!(in_format("text", sample), "n 5\n\n\n@m[1]: { .count = 3, .average = 3, .total = 11 }\n");
    let json = concat!(
        r#"{"type": "attached_probes", "count": 2, "data": {"probes": 2}}"#,
        "\n",
        r#"{"type": "printf", "data": "n 5\n"}"#,
        "\n",
        r#"{"type": "stats", "data": {"@m": {"1": {"count": 3, "average": 3, "total": 11}}}}"#,
        "\n",
    );
    assert_eq!(in_format("json", sample), json);
    assert_eq!(attached_line(1), "Attached 1 probe\n");
    assert_eq!(attached_line(0), "Attached 0 probes\n");
}
