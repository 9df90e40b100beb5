use super::*;

pub(crate) use super::writer::{FLAG, Writer};

/// A file with every kind in it, and ids by name.
fn sample() -> Writer {
    let mut w = Writer::new();
    let int = w.int("int", 4);
    let char = w.int("char", 1);
    let comm = w.add(Kind::Array, "", 0, 0, &[char, int, 16]);
    let constant = w.add(Kind::Const, "", 0, char, &[]);
    let tag = w.add(Kind::TypeTag, "user", 0, constant, &[]);
    let pointer = w.add(Kind::Ptr, "", 0, tag, &[]);
    let inner = w.aggregate(Kind::Struct, "", 8, 0, &[("left", int, 0), ("right", int, 32)]);
    let either = w.aggregate(Kind::Union, "", 8, 0, &[("", inner, 0), ("name", pointer, 0)]);
    let info = w.aggregate(Kind::Struct, "thread_info", 8, 0, &[("flags", int, 0), ("status", int, 32)]);
    let task = w.aggregate(
        Kind::Struct,
        "task_struct",
        64,
        FLAG,
        &[
            ("thread_info", info, 0),
            ("comm", comm, 64),
            ("", either, 192),
            ("exiting", int, 3 << 24 | 256),
            ("frozen", int, 9 << 24 | 259),
        ],
    );
    let alias = w.add(Kind::Typedef, "task_t", 0, task, &[]);
    let volatile = w.add(Kind::Volatile, "", 0, alias, &[]);
    let restrict = w.add(Kind::Restrict, "", 0, pointer, &[]);
    let minus_two = -2_i32 as u32;
    let (a, b) = (w.name("STATE_A"), w.name("STATE_B"));
    w.add(Kind::Enum, "state", 2 | FLAG, 4, &[a, 7, b, minus_two]);
    let wide = w.name("WIDE");
    w.add(Kind::Enum64, "wide", 1, 8, &[wide, 1, 2]);
    w.add(Kind::Fwd, "opaque", FLAG, 0, &[]);
    let (p, q) = (w.name("task"), w.name("argv"));
    let task_pointer = w.add(Kind::Ptr, "", 0, volatile, &[]);
    let proto = w.add(Kind::FuncProto, "", 3, int, &[p, task_pointer, q, restrict, 0, 0]);
    let function = w.add(Kind::Func, "do_it", 1, proto, &[]);
    let hook = w.add(Kind::Ptr, "", 0, proto, &[]);
    w.add(Kind::Typedef, "btf_trace_it", 0, hook, &[]);
    let variable = w.add(Kind::Var, "counter", 0, int, &[1]);
    w.add(Kind::Datasec, ".data", 1, 4, &[variable, 0, 4]);
    w.add(Kind::Float, "double", 0, 8, &[]);
    w.add(Kind::DeclTag, "bpf_kfunc", 0, function, &[u32::MAX]);
    w
}

fn id(btf: &Btf, kind: Kind, name: &str) -> TypeId {
    btf.find(kind, name).expect("a good file").expect(name)
}

#[test]
fn names_are_found_by_kind() {
    let btf = sample().btf();
    assert_eq!(btf.type_at(id(&btf, Kind::Struct, "task_struct")).expect("a type").byte_size(), Some(64));
    assert_eq!(btf.find(Kind::Union, "task_struct").expect("a good file"), None);
    for absent in ["", "task", "struct", "ask_struct", "task_struct\0", "no_such"] {
        assert_eq!(btf.find(Kind::Struct, absent).expect("a good file"), None, "{absent}");
    }
    let (state, value) = btf.find_enumerator("STATE_B").expect("a good file").expect("an enumerator");
    assert_eq!((state, value.value), (id(&btf, Kind::Enum, "state"), -2));
    let (_, value) = btf.find_enumerator("WIDE").expect("a good file").expect("an enumerator");
    assert_eq!(value.value, 0x2_0000_0001);
    assert!(btf.find_enumerator("task_struct").expect("a good file").is_none());
    let functions: Vec<_> = btf.types_of(&[Kind::Func]).expect("a good file").map(|ty| ty.name()).collect();
    assert_eq!(functions, ["do_it"]);
}

#[test]
fn members_are_found_in_anonymous_ones() {
    let btf = sample().btf();
    let at = |path| {
        let field = btf.member_offset("task_struct", path).expect("a good file");
        field.map(|field| (field.offset_bytes, field.bit_offset, field.bit_size))
    };
    assert_eq!(at("comm"), Some((8, 0, None)));
    assert_eq!(at("left"), Some((24, 0, None)));
    assert_eq!(at("right"), Some((28, 0, None)));
    assert_eq!(at("name"), Some((24, 0, None)));
    assert_eq!(at("exiting"), Some((32, 0, Some(3))));
    assert_eq!(at("frozen"), Some((32, 3, Some(9))));
    assert_eq!(at("thread_info.status"), Some((4, 0, None)));
    assert_eq!(at("thread_info.none"), None);
    assert_eq!(at("comm.x"), None);
    assert_eq!(at(""), None);
    assert_eq!(btf.member_offset("task_t", "comm").expect("a good file").map(|field| field.offset_bytes), Some(8));
    assert_eq!(btf.member_offset("int", "comm").expect("a good file"), None);
}

#[test]
fn bitfields_of_the_old_encoding() {
    let mut w = Writer::new();
    let narrow = w.add(Kind::Int, "unsigned int", 0, 4, &[3 << 16 | 5]);
    w.aggregate(Kind::Struct, "old", 4, 0, &[("bits", narrow, 8)]);
    let field = w.btf().member_offset("old", "bits").expect("a good file").expect("a member");
    assert_eq!((field.offset_bytes, field.bit_offset, field.bit_size), (1, 3, Some(5)));
}

#[test]
fn sizes() {
    let btf = sample().btf();
    let size = |id| btf.size_of(id).expect("a good file");
    assert_eq!(size(id(&btf, Kind::Typedef, "task_t")), Some(64));
    assert_eq!(size(id(&btf, Kind::Int, "int")), Some(4));
    assert_eq!(size(id(&btf, Kind::Enum64, "wide")), Some(8));
    assert_eq!(size(id(&btf, Kind::Typedef, "btf_trace_it")), Some(8));
    assert_eq!(size(id(&btf, Kind::Var, "counter")), Some(4));
    assert_eq!(size(id(&btf, Kind::Fwd, "opaque")), None);
    assert_eq!(size(TypeId::VOID), None);
    let comm = btf.member_offset("task_struct", "comm").expect("a good file").expect("a member");
    assert_eq!(size(comm.type_id), Some(16));
}

#[test]
fn declarations_are_spelt_as_in_c() {
    let btf = sample().btf();
    let spell = |id, name| btf.declaration(id, name).expect("a good file");
    let comm = btf.member_offset("task_struct", "comm").expect("a good file").expect("a member");
    assert_eq!(spell(comm.type_id, "comm"), "char comm[16]");
    assert_eq!(spell(comm.type_id, ""), "char[16]");
    let name = btf.member_offset("task_struct", "name").expect("a good file").expect("a member");
    assert_eq!(spell(name.type_id, "name"), "const char *name");
    let proto = "(volatile task_t *task, const char *restrict argv, ...)";
    assert_eq!(spell(id(&btf, Kind::Func, "do_it"), "do_it"), format!("int do_it{proto}"));
    let hook = btf.type_at(id(&btf, Kind::Typedef, "btf_trace_it")).expect("a type").target().expect("a target");
    assert_eq!(spell(hook, "hook"), format!("int (*hook){proto}"));
    assert_eq!(spell(id(&btf, Kind::Fwd, "opaque"), ""), "union opaque");
    assert_eq!(spell(TypeId::VOID, ""), "void");
    let (_, proto) = btf.raw_tracepoint("it").expect("a good file").expect("a tracepoint");
    assert_eq!(proto.params().count(), 3);
    assert_eq!(btf.func_proto("do_it").expect("a good file").map(|ty| ty.id), Some(proto.id));
}

#[test]
fn definitions_lie_as_the_kernels_compiler_laid_them() {
    let btf = sample().btf();
    let define = |kind, name| btf.c_definition(id(&btf, kind, name)).expect("a good file");
    assert_eq!(define(Kind::Enum, "state"), "enum state {\n\tSTATE_A = 7,\n\tSTATE_B = -2,\n}");
    assert_eq!(define(Kind::Enum64, "wide"), "enum wide {\n\tWIDE = 8589934593ULL,\n}");
    let task = "struct task_struct {\n\tstruct thread_info thread_info;\n\tchar comm[16];\n\tunion {\n\t\tstruct {\n\t\t\t\
                int left;\n\t\t\tint right;\n\t\t};\n\t\tconst char __attribute__((btf_type_tag(\"user\"))) *name;\n\t};\n\t\
                int exiting: 3;\n\tint frozen: 9;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n}";
    assert_eq!(define(Kind::Struct, "task_struct"), task);
    let proto = btf.func_proto("do_it").expect("a good file").expect("do_it");
    assert_eq!(
        btf.c_declaration(proto.id, "f").expect("a good file"),
        "int f(volatile task_t *task, const char __attribute__((btf_type_tag(\"user\"))) * restrict argv, ...)"
    );
}

#[test]
fn holes_are_closed_where_a_compiler_would_not_leave_them() {
    let mut w = Writer::new();
    let [char, short, int, long] = [("char", 1), ("short", 2), ("int", 4), ("long", 8)].map(|(n, b)| w.int(n, b));
    let row = w.add(Kind::Array, "", 0, 0, &[int, int, 3]);
    let table = w.add(Kind::Array, "", 0, 0, &[row, int, 2]);
    let to_table = w.add(Kind::Ptr, "", 0, table, &[]);
    let empty = w.aggregate(Kind::Struct, "empty", 0, 0, &[]);
    let natural = w.aggregate(Kind::Struct, "natural", 16, 0, &[("a", char, 0), ("b", long, 64)]);
    let packed = w.aggregate(Kind::Struct, "packed", 9, 0, &[("a", char, 0), ("b", long, 8)]);
    let aligned = w.aggregate(Kind::Struct, "aligned", 64, 0, &[("a", int, 0), ("b", int, 256)]);
    let tail = w.aggregate(Kind::Struct, "tail", 8, 0, &[("a", int, 0), ("b", short, 32)]);
    let bits =
        w.aggregate(Kind::Struct, "bits", 8, FLAG, &[("a", int, 3 << 24), ("b", int, 5 << 24 | 16), ("c", int, 32)]);
    let arrays = w.aggregate(Kind::Struct, "arrays", 32, 0, &[("t", table, 0), ("p", to_table, 192)]);
    let btf = w.btf();
    let define = |id| btf.c_definition(TypeId(id)).expect("a good file");
    assert_eq!(define(empty), "struct empty {}");
    assert_eq!(define(natural), "struct natural {\n\tchar a;\n\tlong b;\n}");
    assert_eq!(define(packed), "struct packed {\n\tchar a;\n\tlong b;\n} __attribute__((packed))");
    assert_eq!(
        define(aligned),
        "struct aligned {\n\tint a;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n\tint b;\n\tlong: 64;\n\tlong: 64;\n\tlong: 64;\n}"
    );
    assert_eq!(define(tail), "struct tail {\n\tint a;\n\tshort b;\n}");
    assert_eq!(define(bits), "struct bits {\n\tint a: 3;\n\tshort: 13;\n\tint b: 5;\n\tint c;\n}");
    assert_eq!(define(arrays), "struct arrays {\n\tint t[2][3];\n\tint (*p)[2][3];\n}");
}

#[test]
fn split_files_continue_their_base() {
    let base = Arc::new(sample().btf());
    let mut w = Writer::split(&base);
    let task = id(&base, Kind::Struct, "task_struct");
    let own = w.aggregate(Kind::Struct, "mod_state", 72, 0, &[("task", task.0, 0), ("extra", 1, 512)]);
    // A name of the base's, for a type that only the module has.
    let shared = base.string_offset(&Needle::new("counter").expect("a name")).expect("a string");
    w.types.extend([shared, (Kind::Float as u32) << 24, 8].iter().flat_map(|word| word.to_ne_bytes()));
    let split = Btf::from_bytes_with_base(w.bytes(), &base).expect("a good file");
    assert_eq!(id(&split, Kind::Struct, "mod_state"), TypeId(own));
    assert_eq!(id(&split, Kind::Struct, "task_struct"), task);
    assert_eq!(id(&split, Kind::Float, "counter"), TypeId(own + 1));
    assert_eq!(split.type_at(TypeId(own + 1)).expect("a type").name(), "counter");
    assert_eq!(base.find(Kind::Struct, "mod_state").expect("a good file"), None);
    let at = |path| split.member_offset("mod_state", path).expect("a good file").map(|field| field.offset_bytes);
    assert_eq!((at("task.comm"), at("extra")), (Some(8), Some(64)));
    assert!(split.type_at(TypeId(own + 2)).is_err());
}

#[test]
fn circles_are_errors() {
    let mut w = Writer::new();
    w.add(Kind::Typedef, "a", 0, 2, &[]);
    w.add(Kind::Typedef, "b", 0, 1, &[]);
    w.add(Kind::Array, "", 0, 0, &[3, 3, 2]);
    w.aggregate(Kind::Struct, "self", 8, 0, &[("", 4, 0), ("", 4, 0), ("", 4, 0)]);
    w.add(Kind::FuncProto, "", 2, 5, &[0, 6, 0, 6]);
    w.add(Kind::Ptr, "", 0, 5, &[]);
    w.add(Kind::Var, "v", 0, 7, &[0]);
    w.add(Kind::Const, "", 0, 8, &[]);
    w.add(Kind::Ptr, "", 0, 9, &[]);
    let btf = w.btf();
    for id in (1..=9).map(TypeId) {
        assert!(btf.declaration(id, "x").is_err() || id.0 == 4 || id.0 < 3, "{id:?}");
        assert!(btf.size_of(id).is_err() || [4, 5, 6, 9].contains(&id.0), "{id:?}");
        assert!(btf.c_declaration(id, "x").is_err() || [1, 2, 4, 7].contains(&id.0), "{id:?}");
        let _ = btf.c_definition(id);
    }
    assert!(btf.member_offset("a", "x").is_err());
    assert!(btf.member_offset("self", "x").is_err());
}

#[test]
fn bad_headers_are_refused() {
    let good = sample().bytes();
    for len in 0..good.len() {
        assert!(ask_everything(good[..len].to_vec()).is_err(), "{len}");
    }
    let mut foreign = good.clone();
    foreign.swap(0, 1);
    assert!(Btf::from_bytes(foreign).is_err());
}

/// Asks a file all there is to ask; what is answered does not matter, only that it ends.
fn ask_everything(bytes: Vec<u8>) -> Result<(), BtfError> {
    let btf = Btf::from_bytes(bytes)?;
    let end = btf.end_id()?;
    for name in ["task_struct", "task_t", "int", "do_it", "it", "state", "STATE_B"] {
        let _ = btf.find_any(&view_kinds(), name);
        let _ = btf.find_enumerator(name);
        let _ = btf.func_proto(name);
        let _ = btf.raw_tracepoint(name);
        let _ = btf.member_offset(name, "right");
        let _ = btf.member_offset(name, "thread_info.status");
    }
    for ty in btf.types_of(&view_kinds())? {
        let _ = (ty.name(), ty.byte_size(), ty.integer(), ty.array(), ty.tagged_component());
        let _ = (ty.members().count(), ty.params().count(), ty.enumerators().count(), ty.variables().count());
    }
    for id in (0..end.saturating_add(2)).map(TypeId) {
        let _ = btf.resolve(id);
        let _ = btf.size_of(id);
        let _ = btf.declaration(id, "x");
        let _ = btf.c_declaration(id, "x");
        let _ = btf.c_definition(id);
        let _ = btf.field(id, "right");
    }
    Ok(())
}

fn view_kinds() -> [Kind; 8] {
    use Kind::*;
    [Int, Struct, Union, Enum, Enum64, Typedef, Func, Array]
}

#[test]
fn mutated_files_are_answered_or_refused() {
    let good = sample().bytes();
    assert!(ask_everything(good.clone()).is_ok());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..5_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + random(6) {
            let at = random(bytes.len());
            // Small numbers are ids, lengths and kinds that exist: they lead further than noise does.
            bytes[at] = if random(2) == 0 { random(256) as u8 } else { random(32) as u8 };
        }
        if random(8) == 0 {
            bytes.truncate(random(good.len()));
        }
        let _ = ask_everything(bytes);
    }
}

#[test]
fn the_running_kernel_is_described() {
    let btf = match Btf::vmlinux() {
        Ok(btf) => btf,
        Err(error) => return println!("skipped: {error}"),
    };
    let comm = btf.member_offset("task_struct", "comm").expect("good BTF").expect("a member");
    assert_eq!(btf.declaration(comm.type_id, "comm").expect("good BTF"), "char comm[16]");
    assert!(btf.find(Kind::Struct, "no_such_struct_at_all").expect("good BTF").is_none());
    let (_, proto) = btf.raw_tracepoint("sys_enter").expect("good BTF").expect("a tracepoint");
    assert_eq!(proto.params().count(), 3);
    for id in (1..btf.end_id().expect("good BTF")).map(TypeId) {
        btf.type_at(id).expect("good BTF");
        btf.size_of(id).expect("good BTF");
        let spelt = btf.declaration(id, "x").expect("good BTF");
        assert!(!spelt.is_empty());
    }
}

/// The tables of registers are the kernel's.
#[test]
fn registers_lie_where_the_running_kernel_has_them() {
    let Some(arch) = crate::arch::native() else {
        return println!("skipped: no table for this architecture");
    };
    let btf = match Btf::vmlinux() {
        Ok(btf) => btf,
        Err(error) => return println!("skipped: {error}"),
    };
    let field = |path| btf.member_offset("pt_regs", path).expect("good BTF").map(|field| field.offset_bytes);
    let mut checked = 0;
    for register in arch.registers {
        // aarch64 keeps r0 to r30 in one array.
        if let Some(offset) = field(register.name) {
            assert_eq!(offset, u32::from(register.offset), "{}", register.name);
            checked += 1;
        }
    }
    assert!(checked > 3);
    let task = id(&btf, Kind::Struct, "task_struct");
    assert!(btf.field_path(task, arch.compat.field.iter().copied()).expect("good BTF").is_some());
}
