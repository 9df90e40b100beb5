//! An object that we write is read by the loaders that others use: aya's parser, and libbpf by way of bpftool.

mod common;

use codegen::backend::{Options, compile};
use codegen::elf::{Function, Image, Line, Map, Program, write};
use codegen::encode::Code;
use codegen::select::Features;
use codegen::symbol::{Section, Symbol};
use common::generate::{build, function, symbol_address};
use cranelift_codegen::ir::{
    self, InstBuilder, MemFlagsData, SourceLoc, StackSlotData, StackSlotKind, condcodes::IntCC, types,
};
use std::collections::HashSet;
use std::process::Command;

const HASH: u32 = 1;
const ARRAY: u32 = 2;
const RINGBUF: u32 = 27;

fn code(func: ir::Function) -> Code {
    compile(func, &Features { alu_v4: true }, Options::default()).expect("the function is well formed").code
}

/// Counts in a map, in `.bss`, reads `.rodata`.
fn counting() -> ir::Function {
    build(|builder, _| {
        builder.set_srcloc(SourceLoc::new(1));
        let slot = builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3));
        let key = builder.ins().stack_addr(types::I64, slot, 0);
        let zero = builder.ins().iconst(types::I64, 0);
        builder.ins().store(MemFlagsData::trusted(), zero, key, 0);
        let map = symbol_address(builder, Symbol::Map(1));
        let lookup = function(builder, Symbol::Helper(1), 2);
        let call = builder.ins().call(lookup, &[map, key]);
        let raw = builder.inst_results(call)[0];
        let found = builder.ins().uadd_overflow(raw, zero).0;
        let [hit, miss] = [(); 2].map(|()| builder.create_block());
        let is_found = builder.ins().icmp(IntCC::NotEqual, found, zero);
        builder.ins().brif(is_found, hit, &[], miss, &[]);
        builder.switch_to_block(hit);
        builder.set_srcloc(SourceLoc::new(2));
        let one = builder.ins().iconst(types::I64, 1);
        builder.ins().atomic_rmw(types::I64, MemFlagsData::trusted(), ir::AtomicRmwOp::Add, found, one);
        builder.ins().jump(miss, &[]);
        builder.switch_to_block(miss);
        builder.set_srcloc(SourceLoc::new(3));
        let bss = symbol_address(builder, Symbol::Data(Section::Bss));
        let eight = builder.ins().iconst(types::I64, 8);
        let counter = builder.ins().iadd(bss, eight);
        let one = builder.ins().iconst(types::I64, 1);
        builder.ins().atomic_rmw(types::I64, MemFlagsData::trusted(), ir::AtomicRmwOp::Add, counter, one);
        let rodata = symbol_address(builder, Symbol::Data(Section::Rodata));
        let constant = builder.ins().load(types::I64, MemFlagsData::trusted(), rodata, 8);
        let old = builder.ins().load(types::I64, MemFlagsData::trusted(), counter, 0);
        builder.ins().iadd(constant, old)
    })
}

/// Calls a subprogram, directly and by `bpf_loop`.
fn calling() -> ir::Function {
    build(|builder, _| {
        let double = function(builder, Symbol::Subprogram(0), 2);
        let n = builder.ins().iconst(types::I64, 21);
        let zero = builder.ins().iconst(types::I64, 0);
        let call = builder.ins().call(double, &[n, zero]);
        let result = builder.inst_results(call)[0];
        let bpf_loop = function(builder, Symbol::Helper(181), 4);
        let address = builder.ins().func_addr(types::I64, double);
        let rounds = builder.ins().iconst(types::I64, 3);
        let call = builder.ins().call(bpf_loop, &[rounds, address, zero, zero]);
        let count = builder.inst_results(call)[0];
        builder.ins().iadd(result, count)
    })
}

/// A subprogram that is a fine callback as well: it returns 0 or 1.
fn callback() -> ir::Function {
    let mut func = build(|builder, n| {
        let one = builder.ins().iconst(types::I64, 1);
        builder.ins().band(n, one)
    });
    func.signature.params.push(ir::AbiParam::new(types::I64));
    let entry = func.layout.entry_block().expect("the function has an entry");
    func.dfg.append_block_param(entry, types::I64);
    func
}

fn lines(code: &Code) -> Vec<Line> {
    let line = |(at, loc): &(u32, SourceLoc)| Line {
        at: *at,
        line: loc.bits(),
        column: 3,
        file: "script.bt".into(),
        text: format!("line {} of the script", loc.bits()),
    };
    code.lines.iter().map(line).collect()
}

fn program(section: &str, name: &str, func: ir::Function) -> Program {
    let code = code(func);
    Program {
        section: section.into(),
        function: Function { name: name.into(), is_global: true, params: 1, lines: lines(&code), code },
    }
}

fn image() -> Image {
    let callback = code(callback());
    let map = |name: &str, kind, key_size, value_size, max_entries| Map {
        name: name.into(),
        kind,
        key_size,
        value_size,
        max_entries,
        flags: 0,
    };
    Image {
        programs: vec![
            program("raw_tp/sys_enter", "first", counting()),
            program("raw_tp/sys_enter", "second", calling()),
            program("tracepoint/syscalls/sys_enter_write", "third", counting()),
            program("kprobe/vfs_read", "fourth", calling()),
        ],
        subprograms: vec![Function {
            name: "double".into(),
            is_global: false,
            params: 2,
            lines: Vec::new(),
            code: callback,
        }],
        maps: vec![map("counts", HASH, 8, 8, 64), map("total", ARRAY, 4, 8, 1), map("events", RINGBUF, 0, 0, 4096)],
        bss: 32,
        rodata: (0..16).collect(),
        kfuncs: Vec::new(),
        license: "GPL".into(),
    }
}

#[test]
fn aya_reads_and_relocates_it() {
    let bytes = write(&image()).expect("the image is complete");
    let mut object = aya_obj::Object::parse(&bytes).expect("aya reads the object");
    let mut maps: Vec<_> = object.maps.keys().cloned().collect();
    maps.sort();
    assert_eq!(maps, [".bss", ".rodata", "counts", "events", "total"]);
    assert_eq!(object.programs.len(), 4);
    let text: HashSet<usize> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .filter(|section| !object.programs.values().any(|program| program.section_index == *section))
        .collect();
    let maps: Vec<_> = (10..).zip(&object.maps).map(|(fd, (name, map))| (name.clone(), fd, map.clone())).collect();
    object
        .relocate_maps(maps.iter().map(|(name, fd, map)| (name.as_str(), *fd, map)), &text)
        .expect("aya finds every map");
    object.relocate_calls(&text).expect("aya finds every function");
    let fd = |wanted: &str| maps.iter().find(|(name, _, _)| name == wanted).expect("the map is there").1;
    let first = &object.functions[&object.programs["first"].function_key()];
    let wide: Vec<_> = first
        .instructions
        .windows(2)
        .filter(|pair| pair[0].code == 0x18)
        .map(|pair| (pair[0].src_reg(), pair[0].imm, pair[1].imm))
        .collect();
    assert!(wide.contains(&(1, fd("total"), 0)), "{wide:?}");
    assert!(wide.contains(&(2, fd(".bss"), 8)), "{wide:?}");
    assert!(wide.contains(&(2, fd(".rodata"), 8)), "{wide:?}");
}

#[test]
fn bpftool_loads_it() {
    let bytes = write(&image()).expect("the image is complete");
    let has_bpftool = Command::new("bpftool").arg("version").output().is_ok_and(|output| output.status.success());
    if !has_bpftool || !common::kernel::is_available() {
        eprintln!("skipped: bpftool or the privilege to load programs is missing");
        return;
    }
    let path = std::env::temp_dir().join(format!("rtrace-object-{}.o", std::process::id()));
    std::fs::write(&path, bytes).expect("the temporary directory can be written");
    // Pins go to a file system of our own, which vanishes with its namespace.
    let script = "mount -t bpf bpf /sys/fs/bpf && bpftool prog loadall \"$1\" /sys/fs/bpf/rtrace_test && \
        bpftool prog dump xlated pinned /sys/fs/bpf/rtrace_test/first linum && \
        bpftool prog dump xlated pinned /sys/fs/bpf/rtrace_test/second";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(&path)
        .output()
        .expect("unshare is part of every system");
    std::fs::remove_file(&path).expect("the file is ours");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("line 2 of the script"), "{text}");
    assert!(text.contains("double"), "{text}");
}
