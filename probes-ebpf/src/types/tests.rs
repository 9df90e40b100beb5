use super::*;
use crate::btf::{FLAG, Writer};
use std::time::Instant;

fn types_of(writer: &Writer) -> Arc<Types> {
    Types::new(Arc::new(writer.btf()))
}

fn structure(ty: Option<Type>) -> Arc<Struct> {
    match ty {
        Some(Type::Struct(of)) => of,
        other => panic!("no structure: {other:?}"),
    }
}

/// A member as text: its type, its offset and its bits.
fn shown(of: &Struct, name: &str) -> String {
    let Some(member) = of.member(name) else { return "none".into() };
    let bits = member.bits.map_or(String::new(), |bits| format!(" bits {}+{}", bits.shift, bits.width));
    format!("{} at {}{bits}", member.ty, member.offset)
}

#[test]
fn every_kind_becomes_a_type() {
    let mut w = Writer::new();
    let int = w.int("int", 4);
    let char = w.add(Kind::Int, "char", 0, 1, &[8]);
    let byte = w.add(Kind::Int, "unsigned char", 0, 1, &[8]);
    let bool = w.add(Kind::Int, "_Bool", 0, 1, &[4 << 24 | 8]);
    let wide = w.add(Kind::Int, "__int128", 0, 16, &[128]);
    let double = w.add(Kind::Float, "double", 0, 8, &[]);
    let alias = w.add(Kind::Typedef, "letter", 0, char, &[]);
    let constant = w.add(Kind::Const, "", 0, alias, &[]);
    let text = w.add(Kind::Array, "", 0, 0, &[constant, int, 16]);
    let mac = w.add(Kind::Array, "", 0, 0, &[byte, int, 6]);
    let row = w.add(Kind::Array, "", 0, 0, &[int, int, 3]);
    let rows = w.add(Kind::Array, "", 0, 0, &[row, int, 2]);
    let rest = w.add(Kind::Array, "", 0, 0, &[char, int, 0]);
    let pointer = w.add(Kind::Ptr, "", 0, constant, &[]);
    let tag = w.add(Kind::TypeTag, "user", 0, int, &[]);
    let user = w.add(Kind::Ptr, "", 0, tag, &[]);
    let proto = w.add(Kind::FuncProto, "", 0, int, &[]);
    let function = w.add(Kind::Ptr, "", 0, proto, &[]);
    let (a, b) = (w.name("A"), w.name("B"));
    let state = w.add(Kind::Enum, "state", 2 | FLAG, 4, &[a, 7, b, -2_i32 as u32]);
    let big = w.name("BIG");
    let large = w.add(Kind::Enum64, "", 1, 8, &[big, 1, 2]);
    let opaque = w.add(Kind::Fwd, "opaque", FLAG, 0, &[]);
    let hidden = w.add(Kind::Ptr, "", 0, opaque, &[]);
    let later = w.add(Kind::Fwd, "later", 0, 0, &[]);
    let later_pointer = w.add(Kind::Ptr, "", 0, later, &[]);
    let inner = w.aggregate(Kind::Union, "", 8, 0, &[("x", int, 0), ("y", pointer, 0)]);
    let members = [
        ("text", text),
        ("mac", mac),
        ("rows", rows),
        ("pointer", pointer),
        ("user", user),
        ("function", function),
        ("state", state),
        ("large", large),
        ("hidden", hidden),
        ("later", later_pointer),
        ("bool", bool),
        ("wide", wide),
        ("double", double),
        ("", inner),
        ("rest", rest),
    ];
    let placed: Vec<_> = members.iter().zip(0..).map(|((name, ty), at)| (*name, *ty, at * 32 * 8)).collect();
    w.aggregate(Kind::Struct, "all", 32 * 15, 0, &placed);
    w.aggregate(Kind::Struct, "later", 4, 0, &[("value", int, 0)]);
    let types = types_of(&w);
    let all = structure(types.named(Some(TypeTag::Struct), "all"));
    assert_eq!((all.name.as_str(), all.size, all.members().len()), ("struct all", 480, 15));
    let type_of = |name| shown(&all, name).split(" at ").next().unwrap_or_default().to_owned();
    for (name, expected) in [
        ("text", "string[16]"),
        ("mac", "uint8[6]"),
        ("rows", "int32[3][2]"),
        ("pointer", "uint8 *"),
        ("user", "int32 *"),
        ("function", "void *"),
        ("state", "enum state"),
        ("large", "enum"),
        ("hidden", "union opaque *"),
        ("later", "struct later *"),
        ("bool", "bool"),
        ("wide", "uint64[2]"),
        ("double", "void"),
        ("x", "int32"),
        ("rest", "uint8[0]"),
    ] {
        assert_eq!(type_of(name), expected, "{name}");
    }
    assert_eq!(all.member("x").map(|member| member.offset), Some(32 * 13));
    let space = |name| match all.member(name).map(|member| member.ty) {
        Some(Type::Pointer(_, space)) => Some(space),
        _ => None,
    };
    assert_eq!((space("pointer"), space("user")), (Some(AddressSpace::Kernel), Some(AddressSpace::User)));
    let Some(Type::Pointer(later, _)) = all.member("later").map(|member| member.ty) else { panic!("no pointer") };
    assert_eq!(shown(&structure(Some(*later)), "value"), "int32 at 0");

    let (value, of) = types.constant("B").expect("a constant");
    assert_eq!(
        (value, of.to_string(), of.as_int()),
        (-2, "enum state".into(), Some(IntType { bits: 32, signed: true }))
    );
    assert_eq!(types.constant("BIG").map(|(value, _)| value), Some(0x2_0000_0001));
    assert_eq!(types.constant("all"), None);
    assert_eq!(types.constant("C"), None);
    let named = |tag, name| types.named(tag, name).map(|ty| ty.to_string());
    assert_eq!(named(None, "letter").as_deref(), Some("uint8"));
    assert_eq!(named(None, "int").as_deref(), Some("int32"));
    assert_eq!(named(Some(TypeTag::Enum), "state").as_deref(), Some("enum state"));
    assert_eq!(named(None, "all"), None);
    assert_eq!(named(Some(TypeTag::Union), "all"), None);
    assert_eq!(types.of(TypeId(9999)), Type::Void);
}

#[test]
fn the_same_id_gives_the_same_structure() {
    let mut w = Writer::new();
    let node = w.next;
    w.aggregate(Kind::Struct, "node", 8, 0, &[("next", node + 1, 0)]);
    w.add(Kind::Ptr, "", 0, node, &[]);
    let base = types_of(&w);
    let mut module = Writer::split(base.btf());
    module.aggregate(Kind::Struct, "owner", 8, 0, &[("head", node, 0)]);
    let alias = module.add(Kind::Typedef, "node_t", 0, node, &[]);
    let module =
        Types::of_module(Arc::new(Btf::from_bytes_with_base(module.bytes(), base.btf()).expect("a good file")), &base);
    let node = structure(base.named(Some(TypeTag::Struct), "node"));
    let Some(Type::Pointer(next, _)) = node.member("next").map(|member| member.ty) else { panic!("no pointer") };
    assert!(Arc::ptr_eq(&structure(Some(*next)), &node));
    let owner = structure(module.named(Some(TypeTag::Struct), "owner"));
    assert!(Arc::ptr_eq(&structure(owner.member("head").map(|member| member.ty)), &node));
    assert!(Arc::ptr_eq(&structure(Some(module.of(TypeId(alias)))), &node));
}

#[test]
fn bit_fields_of_both_encodings() {
    let mut w = Writer::new();
    let int = w.int("int", 4);
    let long = w.int("long", 8);
    let old = w.add(Kind::Int, "unsigned int", 0, 4, &[3 << 16 | 5]);
    let bits = |width: u32, at: u32| width << 24 | at;
    w.aggregate(
        Kind::Struct,
        "new",
        16,
        FLAG,
        &[("a", int, bits(3, 0)), ("b", int, bits(9, 35)), ("c", long, bits(40, 70)), ("d", int, bits(0, 32))],
    );
    w.aggregate(Kind::Struct, "old", 4, 0, &[("bits", old, 8)]);
    // Packed: the natural integer would end behind the structure, or does not hold all bits.
    w.aggregate(
        Kind::Struct,
        "packed",
        5,
        FLAG,
        &[("a", int, bits(30, 0)), ("b", int, bits(6, 30)), ("c", int, bits(3, 36))],
    );
    w.aggregate(
        Kind::Struct,
        "three",
        3,
        FLAG,
        &[("a", int, bits(12, 0)), ("b", int, bits(12, 12)), ("c", int, bits(20, 2))],
    );
    let types = types_of(&w);
    let check = |of: &str, member: &str, expected: &str| {
        let found = shown(&structure(types.named(Some(TypeTag::Struct), of)), member);
        assert_eq!(found, expected, "{of}.{member}");
    };
    check("new", "a", "int32 at 0 bits 0+3");
    check("new", "b", "int32 at 4 bits 3+9");
    check("new", "c", "int64 at 8 bits 6+40");
    check("new", "d", "int32 at 4");
    check("old", "bits", "uint32 at 0 bits 11+5");
    check("packed", "a", "int32 at 0 bits 0+30");
    check("packed", "b", "int32 at 1 bits 22+6");
    check("packed", "c", "int32 at 1 bits 28+3");
    check("three", "a", "int16 at 0 bits 0+12");
    check("three", "b", "int16 at 1 bits 4+12");
    // Nothing that can be read at once holds it.
    check("three", "c", "none");
}

#[test]
fn structures_that_cannot_be_lose_what_makes_them_so() {
    let mut w = Writer::new();
    let int = w.int("int", 4);
    let own = w.next;
    w.aggregate(Kind::Struct, "self", 8, 0, &[("again", own, 0), ("x", int, 0), ("far", int, 48)]);
    w.aggregate(Kind::Struct, "left", 8, 0, &[("other", own + 3, 0), ("x", int, 0)]);
    w.add(Kind::Array, "", 0, 0, &[own + 1, int, 1]);
    w.aggregate(Kind::Struct, "right", 8, 0, &[("", own + 2, 0), ("y", int, 32)]);
    w.aggregate(Kind::Struct, "huge", u32::MAX, 0, &[("x", int, 0)]);
    let many = w.add(Kind::Array, "", 0, 0, &[int, int, u32::MAX]);
    w.add(Kind::Array, "", 0, 0, &[many, int, u32::MAX]);
    let types = types_of(&w);
    let named = |name| structure(types.named(Some(TypeTag::Struct), name));
    assert_eq!(named("self").member_names(), ["x"]);
    assert_eq!(named("left").member_names(), ["x"]);
    assert_eq!(named("right").member_names(), ["y"]);
    assert_eq!(types.named(Some(TypeTag::Struct), "huge"), Some(Type::Void));
    assert_eq!((types.of(TypeId(many)), types.of(TypeId(many + 1))), (Type::Void, Type::Void));
}

/// The running kernel's types; `None`, with a word about it, where it tells none.
fn running() -> Option<Arc<Types>> {
    match Btf::vmlinux() {
        Ok(btf) => Some(Types::new(Arc::new(btf))),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

#[test]
fn every_structure_of_the_running_kernel() {
    let Some(types) = running() else { return };
    let btf = types.btf().clone();
    let mut seen = 0;
    for ty in btf.types_of(&[Kind::Struct, Kind::Union]).expect("good BTF") {
        let of = structure(Some(types.of(ty.id)));
        assert_eq!((Some(of.size), of.members().len()), (ty.byte_size(), ty.members().count()), "{}", of.name);
        assert_eq!(of.size % of.align, 0, "{}", of.name);
        for (member, raw) in of.members().iter().zip(ty.members()) {
            let place = format!("{}.{}", of.name, member.name);
            let size = member.ty.size_of();
            assert!(u64::from(member.offset) + size <= u64::from(of.size), "{place}: {member:?}");
            let raw_size = btf.size_of(raw.type_id).expect("good BTF").unwrap_or(0);
            match member.bits {
                // Unions and structures with the field's name in an anonymous member too are not told apart here.
                Some(bits) => {
                    let bit = u64::from(member.offset) * 8 + u64::from(bits.shift);
                    let width = raw.bit_size.or_else(|| btf.type_at(raw.type_id).ok()?.integer().map(|int| int.bits));
                    assert_eq!((bit, Some(bits.width)), (u64::from(raw.bit_offset), width), "{place}");
                    assert!(u64::from(bits.shift + bits.width) <= size * 8, "{place}: {member:?}");
                }
                None => {
                    assert_eq!(member.offset * 8, raw.bit_offset, "{place}");
                    assert!(size == raw_size || member.ty == Type::Void, "{place}: {size}, {raw_size}");
                }
            }
        }
        seen += 1;
    }
    println!("{seen} structures");
    assert!(seen > 1000);
}

#[test]
fn well_known_types_of_the_running_kernel() {
    let Some(types) = running() else { return };
    let task = structure(types.named(Some(TypeTag::Struct), "task_struct"));
    let comm = task.member("comm").expect("a member");
    let at = types.btf().member_offset("task_struct", "comm").expect("good BTF").expect("a member");
    assert_eq!((comm.ty, comm.offset), (Type::Str(16), at.offset_bytes));
    for (name, expected) in [
        ("u8", "uint8"),
        ("u32", "uint32"),
        ("__u16", "uint16"),
        ("uint64_t", "uint64"),
        ("pid_t", "int32"),
        ("size_t", "uint64"),
        ("bool", "bool"),
        ("atomic_t", "struct"),
    ] {
        assert_eq!(types.named(None, name).map(|ty| ty.to_string()).as_deref(), Some(expected), "{name}");
    }
    let (value, of) = types.constant("PIDTYPE_TGID").expect("a constant");
    let Type::Enum(pid_type) = &of else { panic!("{of}") };
    assert_eq!((value, pid_type.name.as_str(), pid_type.name_of(1)), (1, "enum pid_type", Some("PIDTYPE_TGID")));
    assert_eq!(types.named(Some(TypeTag::Enum), "pid_type"), Some(of));
}

#[test]
fn opening_a_structure_does_not_make_the_others() {
    let Some(types) = running() else { return };
    let made = || types.made.lock().expect("no panic before").len();
    let _ = types.btf().end_id();
    let start = Instant::now();
    let task = structure(types.named(Some(TypeTag::Struct), "task_struct"));
    let opened = start.elapsed();
    assert_eq!(made(), 1);
    let start = Instant::now();
    assert!(task.member("comm").is_some());
    println!("opened in {opened:?}, one member in {:?}, {} types made", start.elapsed(), made());
    assert!(made() < 400, "{}", made());
}

#[test]
fn types_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Types>();
    check::<Type>();
}
