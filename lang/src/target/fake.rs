//! A made-up machine, the same everywhere: for tests of the compiler.

use super::{
    Access, Attach, Base, Context, Features, Field, PerCpuSymbol, ProgramType, Resolved, Slot, Target, TargetError,
    UsdtPlace, UserAddress, UserSymbol, Wants,
};
use crate::ast::TypeTag;
use crate::ctypes::{Member, Struct};
use crate::probes::{Place, Spec};
use crate::types::{AddressSpace, IntType, Type};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A machine with the tracepoints `syscalls:sys_enter_write` and `syscalls:sys_enter_openat`, any function to probe,
/// and all features.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeTarget;

fn field(name: &str, ty: Type, offset: u32) -> Field {
    Field { name: name.into(), ty, access: Access { base: Base::Context, offset, bytes: 8, signed: false } }
}

fn word(offset: u32) -> Access {
    Access { base: Base::Context, offset, bytes: 8, signed: false }
}

fn words(count: u32) -> Arc<[Access]> {
    (0..count).map(|index| word(index * 8)).collect()
}

/// The registers of x86-64 at a function's entry or return.
fn registers(on_return: bool) -> Context {
    match on_return {
        true => Context { retval: Some((Type::U64, word(80))), ..Context::bare(ProgramType::Kprobe) },
        false => Context { args: [112, 104, 96, 88, 72, 64].map(word).into(), ..Context::bare(ProgramType::Kprobe) },
    }
}

/// Twelve values in each of the ways that there are.
fn passed() -> Arc<[Access]> {
    let register = |offset, bytes, signed| Slot { offset, bytes, signed };
    let [rax, rbp, ah] = [register(80, 8, false), register(32, 8, false), register(81, 1, true)];
    let place = UserAddress { base: Some(rbp), index: Some((rax, 3)), distance: -16 };
    let near = UserAddress { index: None, ..place };
    let access = |base, bytes, signed| Access { base, offset: 0, bytes, signed };
    let few = [
        Access::from(rax),
        Access::from(ah),
        access(Base::Number(-5), 8, true),
        access(Base::User(place), 4, true),
        access(Base::User(near), 8, false),
        access(Base::Address(near), 8, false),
    ];
    [few, few].concat().into()
}

fn text_pointer() -> Type {
    Type::Pointer(Box::new(Type::Int(IntType { bits: 8, signed: true })), AddressSpace::User)
}

impl Target for FakeTarget {
    fn resolve(&self, spec: &Spec, _wants: Wants) -> Result<Vec<Resolved>, TargetError> {
        let (attach, context) = match spec {
            Spec::Begin => (Attach::Begin, Context::bare(ProgramType::RawTracepoint)),
            Spec::End => (Attach::End, Context::bare(ProgramType::RawTracepoint)),
            Spec::Interval { period_ns } => {
                (Attach::Interval { period_ns: *period_ns }, Context::bare(ProgramType::RawTracepoint))
            }
            Spec::SelfSignal => (Attach::Signal, Context::bare(ProgramType::RawTracepoint)),
            Spec::Test { .. } => (Attach::Test, Context::bare(ProgramType::RawTracepoint)),
            Spec::Bench { .. } => (Attach::Bench, Context::bare(ProgramType::RawTracepoint)),
            Spec::Profile { rate } => (Attach::Profile { rate: *rate }, Context::bare(ProgramType::PerfEvent)),
            Spec::PerfEvent { source, event, count } => (
                Attach::PerfEvent { source: *source, config: event.config, count: *count },
                Context::bare(ProgramType::PerfEvent),
            ),
            Spec::Tracepoint { category, event } => {
                let fields = match (category.as_str(), event.as_str()) {
                    ("syscalls", "sys_enter_write") => {
                        vec![
                            field("fd", Type::U64, 16),
                            field("buf", text_pointer(), 24),
                            field("count", Type::U64, 32),
                        ]
                    }
                    ("syscalls", "sys_enter_openat") => vec![field("filename", text_pointer(), 24)],
                    _ => {
                        let title = format!("No matches for tracepoint {category}:{event}.");
                        return Err(TargetError::missing(title, None));
                    }
                };
                (
                    Attach::Tracepoint { category: category.clone(), event: event.clone(), id: 1 },
                    Context { fields, ..Context::bare(ProgramType::Tracepoint) },
                )
            }
            Spec::RawTracepoint { event, .. } => (
                Attach::RawTracepoint { name: event.clone() },
                Context { args: words(10), ..Context::bare(ProgramType::RawTracepoint) },
            ),
            Spec::Kprobe { function, offset, on_return, .. } => (
                Attach::Kprobe { function: function.clone(), offset: *offset, on_return: *on_return, address: None },
                registers(*on_return),
            ),
            Spec::Uprobe { binary, place, on_return } => {
                let (symbol, offset) = match place {
                    Place::Symbol { name, offset } | Place::Cpp { name, offset } => (name.clone(), 0x1000 + offset),
                    Place::Address(address) => (String::new(), *address),
                    Place::Line { line, .. } => ("work".to_owned(), 0x1000 + line),
                };
                let path = format!("/fake/{}", binary.as_deref().unwrap_or("program"));
                let attach =
                    Attach::Uprobe { path: path.into(), symbol, demangled: None, offset, on_return: *on_return };
                (attach, registers(*on_return))
            }
            Spec::Usdt { binary, provider, name } => {
                let path = format!("/fake/{}", binary.as_deref().unwrap_or("program"));
                let probe = format!("{}:{name}", provider.as_deref().unwrap_or("any"));
                let places = vec![UsdtPlace { offset: 0x1000, semaphore: NonZeroU64::new(0x2000) }];
                let attach = Attach::Usdt { path: path.into(), probe, places, continues: false };
                (attach, Context { args: passed(), ..Context::bare(ProgramType::Kprobe) })
            }
            Spec::Fentry { function, on_return, .. } => (
                Attach::Fentry { function: function.clone(), module: None, btf_id: 1, on_return: *on_return },
                Context {
                    fields: vec![field("file", Type::U64, 0), field("count", Type::U64, 16)],
                    retval: on_return.then(|| (Type::I64, word(32))),
                    ..Context::bare(if *on_return { ProgramType::Fexit } else { ProgramType::Fentry })
                },
            ),
            Spec::ProgramFentry { program, function, on_return } => (
                Attach::ProgramFentry {
                    function: function.clone(),
                    program: program.unwrap_or(1),
                    btf_id: 1,
                    on_return: *on_return,
                },
                Context::bare(if *on_return { ProgramType::Fexit } else { ProgramType::Fentry }),
            ),
            Spec::Watchpoint(watch) => (Attach::Watchpoint(*watch), Context::bare(ProgramType::PerfEvent)),
            Spec::Xdp { interface, mode } => {
                (Attach::Xdp { interface: interface.clone(), index: 1, mode: *mode }, Context::bare(ProgramType::Xdp))
            }
            Spec::Tc { interface, direction } => (
                Attach::Tc { interface: interface.clone(), index: 1, direction: *direction },
                Context::bare(ProgramType::Tc),
            ),
            Spec::CgroupSkb { path, direction } => {
                (Attach::CgroupSkb { path: path.clone(), direction: *direction }, Context::bare(ProgramType::CgroupSkb))
            }
            Spec::Socket { interface } => {
                (Attach::Socket { interface: interface.clone(), index: 1 }, Context::bare(ProgramType::SocketFilter))
            }
            Spec::Iter { over, pin } => {
                (Attach::Iter { over: over.clone(), btf_id: 1, pin: pin.clone() }, Context::bare(ProgramType::Iter))
            }
        };
        Ok(vec![Resolved::as_written(attach, context)])
    }

    fn task_member(&self, name: &str) -> Option<u32> {
        [("pid", 1000), ("tgid", 1004), ("real_parent", 1008), ("group_leader", 1016), ("comm", 3008)]
            .into_iter()
            .find_map(|(known, offset)| (known == name).then_some(offset))
    }

    fn kernel_type(&self, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        match (tag, name) {
            (Some(TypeTag::Struct), "task_struct") => Some(Type::Struct(task_struct())),
            (Some(TypeTag::Struct), "bpf_iter__task") => Some(Type::Struct(iterated_task())),
            (Some(TypeTag::Struct), "bpf_iter__task_file") => Some(Type::Struct(iterated_file())),
            (Some(TypeTag::Struct), "pt_regs") => Some(Type::Struct(pt_regs())),
            (Some(TypeTag::Struct), "sk_buff") => Some(Type::Struct(Struct::new("struct sk_buff", 232, 8, Vec::new))),
            _ => None,
        }
    }

    fn kernel_types_like(&self, tag: TypeTag, name: &str) -> Vec<String> {
        crate::nearest::nearest(name, (tag == TypeTag::Struct).then_some("task_struct"), 1)
    }

    fn kernel_constant(&self, name: &str) -> Option<(i64, Type)> {
        (name == "PIDTYPE_TGID").then_some((1, Type::U32))
    }

    fn cpus(&self) -> u32 {
        4
    }

    fn kfunc(&self, name: &str) -> Option<u32> {
        let names = [super::MAP_LENGTH, super::TASK_FROM_ID, super::TASK_RELEASE];
        names.iter().position(|known| *known == name).map(|index| 1234 + index as u32)
    }

    fn may_call(&self, name: &str, program: ProgramType) -> bool {
        let is_any = name == super::MAP_LENGTH;
        self.kfunc(name).is_some() && (is_any || matches!(program, ProgramType::Iter | ProgramType::Fentry))
    }

    fn per_cpu_symbol(&self, name: &str) -> Result<PerCpuSymbol, TargetError> {
        match name {
            "runqueues" => Ok(PerCpuSymbol { address: 0x1000, offsets: 0xffff_ffff_8200_0000 }),
            _ => Err(TargetError::other(format!("Could not resolve variable \"{name}\" from BTF"), None)),
        }
    }

    fn kernel_symbol(&self, name: &str) -> Result<u64, TargetError> {
        match name {
            "_text" => Ok(0xffff_ffff_8100_0000),
            _ => Err(TargetError::other(format!("Failed to resolve kernel symbol: {name}"), None)),
        }
    }

    fn register(&self, name: &str) -> Result<Access, TargetError> {
        match name {
            "bp" => Ok(Access { base: Base::Context, offset: 32, bytes: 8, signed: false }),
            "ip" => Ok(Access { base: Base::Context, offset: 128, bytes: 8, signed: false }),
            "sp" => Ok(Access { base: Base::Context, offset: 152, bytes: 8, signed: false }),
            "cs" => Ok(Access { base: Base::Context, offset: 136, bytes: 8, signed: false }),
            _ => Err(TargetError::other(format!("'{name}' is not a valid register on this architecture (fake)"), None)),
        }
    }

    fn user_symbol(&self, path: &str, _offset: u64, name: &str) -> Result<UserSymbol, TargetError> {
        match name {
            "counter" => Ok(UserSymbol { distance: 0x2000, size: 4 }),
            _ => Err(TargetError::other(format!("Could not resolve symbol: {path}:{name}"), None)),
        }
    }

    fn cgroup(&self, path: &str) -> Result<u64, String> {
        if path == "/sys/fs/cgroup" { Ok(1) } else { Err("No such file or directory".into()) }
    }

    fn interface(&self, name: &str) -> Result<u32, TargetError> {
        match name {
            "eth1" => Ok(7),
            _ => Err(TargetError::missing(format!("there is no network interface {name}"), None)),
        }
    }

    fn features(&self) -> Features {
        Features {
            instructions_v4: true,
            current_task_btf: true,
            may_goto: true,
            bpf_loop: true,
            for_each_map_elem: true,
            lookup_percpu_elem: true,
            cpus: 4,
            cookies: true,
            raw_tracepoint_cookies: true,
            user_function_address: true,
        }
    }
}

/// A `struct task_struct` with a few of its members.
fn task_struct() -> Arc<Struct> {
    Struct::new("struct task_struct", 4096, 8, || {
        let task = Type::Pointer(Box::new(Type::Struct(task_struct())), AddressSpace::Kernel);
        let int = Type::Int(IntType { bits: 32, signed: true });
        vec![member("pid", int, 1000), member("real_parent", task, 1008), member("comm", Type::Str(16), 3008)]
    })
}

/// What an iterator over tasks is given.
fn iterated_task() -> Arc<Struct> {
    Struct::new("struct bpf_iter__task", 16, 8, || {
        vec![member("task", Type::Pointer(Box::new(Type::Struct(task_struct())), AddressSpace::Kernel), 8)]
    })
}

/// What an iterator over the files of tasks is given.
fn iterated_file() -> Arc<Struct> {
    Struct::new("struct bpf_iter__task_file", 32, 8, || {
        let path = || Type::Struct(Struct::new("struct path", 16, 8, Vec::new));
        let file = Struct::new("struct file", 192, 8, move || vec![member("f_path", path(), 64)]);
        vec![member("file", Type::Pointer(Box::new(Type::Struct(file)), AddressSpace::Kernel), 24)]
    })
}

/// The registers of a traced place, by one of them.
fn pt_regs() -> Arc<Struct> {
    Struct::new("struct pt_regs", 168, 8, || vec![member("ip", Type::U64, 128)])
}

fn member(name: &str, ty: Type, offset: u32) -> Member {
    Member { name: name.into(), ty, offset, bits: None }
}
