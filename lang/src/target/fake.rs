//! A made-up machine, the same everywhere: for tests of the compiler.

use super::{Access, Attach, Base, Context, Features, Field, ProgramType, Resolved, Target, TargetError, Wants};
use crate::ast::TypeTag;
use crate::ctypes::{Member, Struct};
use crate::probes::Spec;
use crate::types::{AddressSpace, IntType, Type};
use std::sync::Arc;

/// A machine with the tracepoints `syscalls:sys_enter_write` and `syscalls:sys_enter_openat`, any function to probe,
/// and all features.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeTarget;

fn field(name: &str, ty: Type, offset: u32) -> Field {
    Field { name: name.into(), ty, access: Access { base: Base::Context, offset, bytes: 8, signed: false } }
}

fn text_pointer() -> Type {
    Type::Pointer(Box::new(Type::Int(IntType { bits: 8, signed: true })), AddressSpace::User)
}

impl Target for FakeTarget {
    fn resolve(&self, spec: &Spec, _wants: Wants) -> Result<Resolved, TargetError> {
        Ok(match spec {
            Spec::Begin => Resolved { attach: Attach::Begin, context: Context::bare(ProgramType::RawTracepoint) },
            Spec::End => Resolved { attach: Attach::End, context: Context::bare(ProgramType::RawTracepoint) },
            Spec::Interval { period_ns } => Resolved {
                attach: Attach::Interval { period_ns: *period_ns },
                context: Context::bare(ProgramType::RawTracepoint),
            },
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
                        return Err(TargetError {
                            title: format!("No matches for tracepoint {category}:{event}."),
                            help: None,
                        });
                    }
                };
                Resolved {
                    attach: Attach::Tracepoint { category: category.clone(), event: event.clone(), id: 1 },
                    context: Context { fields, ..Context::bare(ProgramType::Tracepoint) },
                }
            }
            Spec::Kprobe { function } => Resolved {
                attach: Attach::Kprobe { function: function.clone() },
                context: Context {
                    args: [112u32, 104, 96, 88, 72, 64]
                        .map(|offset| Access { base: Base::Context, offset, bytes: 8, signed: false })
                        .to_vec(),
                    ..Context::bare(ProgramType::Kprobe)
                },
            },
        })
    }

    fn task_member(&self, name: &str) -> Option<u32> {
        (name == "comm").then_some(3008)
    }

    fn kernel_type(&self, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        (tag == Some(TypeTag::Struct) && name == "task_struct").then(|| Type::Struct(task_struct()))
    }

    fn kernel_constant(&self, name: &str) -> Option<(i64, Type)> {
        (name == "PIDTYPE_TGID").then_some((1, Type::U32))
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
        }
    }
}

/// A `struct task_struct` with a few of its members.
fn task_struct() -> Arc<Struct> {
    Struct::new("struct task_struct", 4096, 8, || {
        let member = |name: &str, ty, offset| Member { name: name.into(), ty, offset, bits: None };
        let task = Type::Pointer(Box::new(Type::Struct(task_struct())), AddressSpace::Kernel);
        let int = Type::Int(IntType { bits: 32, signed: true });
        vec![member("pid", int, 1000), member("real_parent", task, 1008), member("comm", Type::Str(16), 3008)]
    })
}
