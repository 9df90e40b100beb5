//! Joins, settled types, and layouts.

use super::*;

fn ty(bits: u8, signed: bool) -> IntType {
    IntType { bits, signed }
}

#[test]
fn literals_take_the_smallest_signed_type() {
    for (value, name) in [
        (1, "int8"),
        (127, "int8"),
        (128, "int16"),
        (-128, "int8"),
        (-129, "int16"),
        (2147483648, "int64"),
        (i64::MAX as i128, "int64"),
        (u64::MAX as i128, "uint64"),
        (i64::MIN as i128, "int64"),
    ] {
        let smallest = IntType::smallest(value);
        assert_eq!(Type::Int(smallest).to_string(), name, "{value}");
        assert!(smallest.holds(value) && smallest.settled().holds(value), "{value}");
    }
}

#[test]
fn a_join_holds_both_sides() {
    assert_eq!(ty(8, true).join(ty(8, false)), ty(16, true));
    assert_eq!(ty(64, false).join(ty(8, true)), ty(64, true));
    assert_eq!(ty(32, false).join(ty(8, false)), ty(32, false));
    assert_eq!(ty(8, true).join(ty(32, false)), ty(64, true));
    assert_eq!(ty(32, true).join(ty(8, false)), ty(32, true));
}

#[test]
fn numbers_of_the_script_suit_both_signs() {
    let one = IntType::smallest(1);
    assert_eq!(one.join(ty(64, false)), ty(64, false));
    assert_eq!(one.join(ty(8, false)), ty(8, false));
    assert_eq!(one.join(ty(8, true)), ty(8, true));
    assert_eq!(IntType::smallest(300).join(ty(8, true)), ty(16, true));
    assert_eq!(IntType::smallest(300).join(ty(8, false)).settled(), ty(16, true));
    assert_eq!(one.join(one), one);
    assert_eq!(one.settled(), ty(8, true));
}

#[test]
fn tuples_are_laid_out_as_in_c() {
    let int = |bits| Type::Int(ty(bits, true));
    assert_eq!(Type::Tuple(vec![int(8), int(16)]).size_of(), 4);
    assert_eq!(Type::Tuple(vec![int(8), Type::Tuple(vec![int(8), int(16)])]).size_of(), 6);
    assert_eq!(Type::Tuple(vec![int(16), Type::Str(7)]).size_of(), 10);
    assert_eq!(Type::Tuple(vec![int(8), Type::Str(7)]).item_offset(1), Some(8));
}

#[test]
fn histograms_cover_all_of_63_bits() {
    assert_eq!(hist_buckets(0), 65);
    assert_eq!(Aggregate::LHist { min: 0, max: 10, step: 3 }.words(), 6);
}
