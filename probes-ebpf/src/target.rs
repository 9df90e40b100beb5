//! The running kernel as the compiler sees it.
//!
//! Each kind of probe is resolved to the way of attaching that costs least: a system call's event to the raw tracepoint
//! that all system calls share, told apart by number, because it attaches and detaches at once and its arguments are
//! read without a helper; an event whose fields nobody asks for to its raw tracepoint; any other event to perf. Nothing
//! of the kernel is read before it is asked for.

use crate::arch::{self, Arch};
use crate::btf::{Btf, Kind};
use crate::fields;
use crate::kallsyms::Kallsyms;
use crate::kernel;
use crate::syscalls::{self, Edge};
use crate::tracefs::{Tracefs, TracefsError};
use crate::types::Types;
use lang::ast::TypeTag;
use lang::nearest::nearest;
use lang::probes::Spec;
use lang::target::{
    Access, Attach, Base, Context, Features, Field, Guard, ProgramType, Resolved, Target, TargetError, Wants,
};
use lang::types::{AddressSpace, Type};
use std::cell::OnceCell;
use std::sync::Arc;

/// The kernel this process runs on.
#[derive(Default)]
pub struct KernelTarget {
    types: OnceCell<Option<Arc<Types>>>,
    tracefs: OnceCell<Result<Tracefs, TargetError>>,
}

impl KernelTarget {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The kernel's types, if it tells (BTF).
    pub fn types(&self) -> Option<&Arc<Types>> {
        self.types.get_or_init(|| Some(Types::new(Arc::new(Btf::vmlinux().ok()?)))).as_ref()
    }

    fn btf(&self) -> Option<&Btf> {
        self.types().map(|types| &**types.btf())
    }

    fn tracefs(&self) -> Result<&Tracefs, TargetError> {
        self.tracefs.get_or_init(|| Tracefs::open().map_err(|error| explain(&error))).as_ref().map_err(Clone::clone)
    }

    /// Whether one link can attach a program to many functions (5.18, with `CONFIG_FPROBE`).
    pub fn has_kprobe_multi(&self) -> bool {
        self.btf().is_some_and(|btf| matches!(btf.find(Kind::Struct, "bpf_kprobe_multi_link"), Ok(Some(_))))
    }

    fn tracepoint(&self, category: &str, event: &str, wants: Wants) -> Result<Resolved, TargetError> {
        if category == "syscalls"
            && let Some(resolved) = self.syscall(event, wants)?
        {
            return Ok(resolved);
        }
        if category == "syscalls"
            && let Some(known_as) = event_of_table_name(event)
        {
            return Err(TargetError {
                title: format!("No matches for tracepoint {category}:{event}."),
                help: Some(format!("did you mean {category}:{known_as}?")),
            });
        }
        let tracefs = self.tracefs()?;
        if !wants.named_args && category != "syscalls" && category != "ftrace" {
            // The error names what is nearest, so the event's own file is asked for first.
            tracefs.event_id(category, event).map_err(|error| explain(&error))?;
            return Ok(Resolved {
                attach: Attach::RawTracepoint { name: event.to_owned() },
                context: Context::bare(ProgramType::RawTracepoint),
            });
        }
        let format = tracefs.format(category, event).map_err(|error| explain(&error))?;
        let space = if category == "syscalls" { AddressSpace::User } else { AddressSpace::Kernel };
        let fields = format.own_fields().map(|field| fields::of_record(field, space, || self.types())).collect();
        Ok(Resolved {
            attach: Attach::Tracepoint {
                category: category.to_owned(),
                event: event.to_owned(),
                id: u64::from(format.id),
            },
            context: Context { fields, ..Context::bare(ProgramType::Tracepoint) },
        })
    }

    /// A system call's event by way of the raw tracepoint of all system calls; `None` if this kernel or architecture
    /// does not tell enough.
    fn syscall(&self, event: &str, wants: Wants) -> Result<Option<Resolved>, TargetError> {
        let (Some(arch), Some((edge, name)), Some(btf)) = (arch::native(), syscalls::split_event(event), self.btf())
        else {
            return Ok(None);
        };
        let Some(syscall) = syscalls::by_event_name(arch, name) else { return Ok(None) };
        let tracepoint = match edge {
            Edge::Enter => "sys_enter",
            Edge::Exit => "sys_exit",
        };
        let Ok(Some((btf_id, _))) = btf.raw_tracepoint(tracepoint) else { return Ok(None) };
        let number = match edge {
            // sys_enter(struct pt_regs *regs, long id)
            Edge::Enter => Access { base: Base::Context, offset: 8, bytes: 8, signed: true },
            // sys_exit(struct pt_regs *regs, long ret)
            Edge::Exit => Access {
                base: Base::Btf { word: 0 },
                offset: u32::from(arch.syscall_number.offset),
                bytes: u32::from(arch.syscall_number.size),
                signed: true,
            },
        };
        let compat = task_offset(btf, arch.compat.field).map(|offset| (offset, arch.compat.mask as u32));
        let fields = match (wants.named_args, edge) {
            (false, _) => Vec::new(),
            (true, Edge::Enter) => self.syscall_fields(arch, event)?,
            (true, Edge::Exit) => vec![Field {
                name: "ret".into(),
                ty: Type::I64,
                access: Access { base: Base::Context, offset: 8, bytes: 8, signed: true },
            }],
        };
        Ok(Some(Resolved {
            attach: Attach::BtfTracepoint { name: tracepoint.to_owned(), btf_id: btf_id.0 },
            context: Context {
                program: ProgramType::BtfTracepoint,
                guard: Some(Guard { number, expected: u32::from(syscall.number), compat }),
                fields,
                args: Vec::new(),
            },
        }))
    }

    /// The arguments of a system call, read from the registers it was entered with.
    fn syscall_fields(&self, arch: &Arch, event: &str) -> Result<Vec<Field>, TargetError> {
        let format = self.tracefs()?.format("syscalls", event).map_err(|error| explain(&error))?;
        let arguments = format.own_fields().filter(|field| field.name != "__syscall_nr");
        let fields = arguments.enumerate().filter_map(|(index, field)| {
            let register = arch.syscall_argument(index)?;
            let (ty, bytes) = fields::of_argument(field, || self.types());
            let signed = ty.is_signed();
            let offset = u32::from(register.offset);
            let access = Access { base: Base::Btf { word: 0 }, offset, bytes, signed };
            Some(Field { name: field.name.clone(), ty, access })
        });
        Ok(fields.collect())
    }

    fn kprobe(&self, function: &str) -> Result<Resolved, TargetError> {
        if !kernel::has_kprobes() {
            return Err(TargetError {
                title: format!("kprobe:{function}: this kernel has no kprobes (it was built without CONFIG_KPROBES)"),
                help: Some(instead_of_kprobe(function)),
            });
        }
        let Some(arch) = arch::native() else {
            return Err(TargetError { title: "kprobes are not known on this architecture".into(), help: None });
        };
        let read = |base, register: Option<arch::Register>| {
            register.map(|register| Access {
                base,
                offset: u32::from(register.offset),
                bytes: u32::from(register.size),
                signed: false,
            })
        };
        let wrapper = function
            .strip_prefix("sys_")
            .filter(|name| {
                syscalls::by_event_name(arch, name).or_else(|| syscalls::by_table_name(arch, name)).is_some()
            })
            .zip(arch.argument(0));
        let (function, args) = match wrapper {
            // The wrapper's one argument points to the registers that hold the system call's own.
            Some((name, first)) => {
                let name = syscalls::by_event_name(arch, name)
                    .or_else(|| syscalls::by_table_name(arch, name))
                    .map_or(name, |syscall| syscall.event_name);
                let base = Base::Kernel { word: u32::from(first.offset) };
                let args = (0..6).map_while(|index| read(base, arch.syscall_argument(index))).collect();
                (format!("{}sys_{name}", arch.syscall_prefix), args)
            }
            None => {
                let args = (0..6).map_while(|index| read(Base::Context, arch.argument(index))).collect();
                (function.to_owned(), args)
            }
        };
        Ok(Resolved {
            attach: Attach::Kprobe { function },
            context: Context { args, ..Context::bare(ProgramType::Kprobe) },
        })
    }
}

impl Target for KernelTarget {
    fn resolve(&self, spec: &Spec, wants: Wants) -> Result<Resolved, TargetError> {
        let run_by_us = |attach| Resolved { attach, context: Context::bare(ProgramType::RawTracepoint) };
        match spec {
            Spec::Begin => Ok(run_by_us(Attach::Begin)),
            Spec::End => Ok(run_by_us(Attach::End)),
            Spec::Interval { period_ns } => Ok(run_by_us(Attach::Interval { period_ns: *period_ns })),
            Spec::Tracepoint { category, event } => self.tracepoint(category, event, wants),
            Spec::Kprobe { function } => self.kprobe(function),
        }
    }

    fn task_member(&self, name: &str) -> Option<u32> {
        task_offset(self.btf()?, &[name])
    }

    fn kernel_type(&self, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        self.types()?.named(tag, name)
    }

    fn kernel_constant(&self, name: &str) -> Option<(i64, Type)> {
        self.types()?.constant(name)
    }

    fn features(&self) -> Features {
        let release = kernel_to_compile_for();
        let at_least = |major, minor| release.is_some_and(|release| release.at_least(major, minor));
        Features {
            instructions_v4: at_least(6, 6),
            current_task_btf: at_least(5, 11) && self.btf().is_some(),
            may_goto: at_least(6, 9),
            bpf_loop: at_least(5, 17),
            for_each_map_elem: at_least(5, 13),
            lookup_percpu_elem: at_least(5, 19),
            cpus: kernel::possible_cpus().and_then(|cpus| cpus.iter().last()).map_or(1, |last| last + 1),
        }
    }
}

/// The running kernel, or an older one that `RTRACE_AS_KERNEL` names: what is compiled for that one also runs here,
/// which is how the ways around what old kernels lack are tested.
fn kernel_to_compile_for() -> Option<kernel::Release> {
    let running = kernel::release();
    let older = std::env::var("RTRACE_AS_KERNEL").ok().and_then(|text| kernel::Release::parse(&text));
    older.into_iter().chain(running).min()
}

/// The event of a system call whose function in the kernel has another name than manual pages give it: `newfstat` for
/// `fstat`.
fn event_of_table_name(event: &str) -> Option<String> {
    let (edge, name) = syscalls::split_event(event)?;
    let syscall = syscalls::by_table_name(arch::native()?, name).filter(|syscall| syscall.event_name != name)?;
    Some(match edge {
        Edge::Enter => format!("sys_enter_{}", syscall.event_name),
        Edge::Exit => format!("sys_exit_{}", syscall.event_name),
    })
}

/// Where a member of the current task lies.
fn task_offset(btf: &Btf, path: &[&str]) -> Option<u32> {
    let task = btf.find(Kind::Struct, "task_struct").ok()??;
    let field = btf.field_path(task, path.iter().copied()).ok()??;
    Some(field.offset_bytes)
}

/// Why a function could not be attached to, as far as the kernel's symbols tell.
pub fn explain_function(function: &str) -> TargetError {
    let symbols = Kallsyms::new();
    match symbols.exists(function) {
        Ok(true) => TargetError {
            title: format!("{function} cannot be traced"),
            help: Some(
                "the kernel marks it as off limits (notrace), or has inlined it; try a function that calls it".into(),
            ),
        },
        _ => {
            let near = match function.strip_prefix("sys_").zip(arch::native()) {
                Some((name, arch)) => nearest_syscalls(arch, name),
                None => symbols.nearest(function, 3).unwrap_or_default(),
            };
            TargetError {
                title: format!("No matches for kprobe {function}."),
                help: (!near.is_empty()).then(|| format!("did you mean {}?", near.join(", "))),
            }
        }
    }
}

/// System calls with names like this one, as kprobes take them.
fn nearest_syscalls(arch: &'static Arch, name: &str) -> Vec<String> {
    let near = nearest(name, syscalls::all(arch).map(|syscall| syscall.event_name), 3);
    near.into_iter().map(|name| format!("sys_{name}")).collect()
}

/// The stable event that stands in best for a function.
fn instead_of_kprobe(function: &str) -> String {
    let arch = arch::native();
    let prefix = arch.map_or("", |arch| arch.syscall_prefix);
    let name = function.strip_prefix(prefix).unwrap_or(function).strip_prefix("sys_");
    let syscall = name
        .zip(arch)
        .and_then(|(name, arch)| syscalls::by_event_name(arch, name).or_else(|| syscalls::by_table_name(arch, name)));
    match syscall {
        Some(syscall) => format!("use tracepoint:syscalls:sys_enter_{}", syscall.event_name),
        None => "use a tracepoint; those of system calls are tracepoint:syscalls:sys_enter_NAME".into(),
    }
}

fn explain(error: &TracefsError) -> TargetError {
    let near = |nearest: &[String]| (!nearest.is_empty()).then(|| format!("did you mean {}?", nearest.join(", ")));
    match error {
        TracefsError::UnknownCategory { category, nearest } => {
            TargetError { title: format!("No matches for tracepoint category {category}."), help: near(nearest) }
        }
        TracefsError::UnknownEvent { category, event, nearest } => {
            TargetError { title: format!("No matches for tracepoint {category}:{event}."), help: near(nearest) }
        }
        other => TargetError { title: other.to_string(), help: None },
    }
}
