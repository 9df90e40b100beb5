//! Tracepoints: system calls by the raw tracepoint that all of them share, others raw or by way of perf.

use super::{KernelTarget, task_offset};
use crate::arch::{self, Arch};
use crate::btf::Btf;
use crate::fields;
use crate::syscalls::{self, Edge};
use crate::tracefs::{Names, TracefsError};
use lang::glob;
use lang::target::{Access, Attach, Base, Context, Field, Guard, ProgramType, Resolved, TargetError, Wants};
use lang::types::{AddressSpace, IntType, Type};

/// The field of a system call's records that has its number.
const SYSCALL_NUMBER: &str = "__syscall_nr";

impl KernelTarget {
    pub(super) fn tracepoints(&self, category: &str, event: &str, wants: Wants) -> Result<Vec<Resolved>, TargetError> {
        if !glob::is_pattern(category) && !glob::is_pattern(event) {
            return Ok(vec![self.tracepoint(category, event, wants, false)?]);
        }
        let tracefs = self.tracefs()?;
        let categories = match glob::is_pattern(category) {
            true => covered(tracefs.categories().map_err(|error| explain(&error))?, category),
            false => vec![category.to_owned()],
        };
        let mut all = Vec::new();
        for category in categories.iter().filter(|category| *category != "ftrace") {
            // A category that went away, with its module, has no events.
            let Ok(events) = tracefs.events(category) else { continue };
            for event in covered(events, event) {
                let name = Some(format!("tracepoint:{category}:{event}"));
                all.push(Resolved { name, ..self.tracepoint(category, &event, wants, true)? });
            }
        }
        Ok(all)
    }

    /// One event; `exists` if that was seen already.
    fn tracepoint(&self, category: &str, event: &str, wants: Wants, exists: bool) -> Result<Resolved, TargetError> {
        if category == "syscalls"
            && !wants.by_perf
            && let Some(resolved) = self.syscall(event, wants)?
        {
            return Ok(resolved);
        }
        if category == "syscalls"
            && let Some(known_as) = event_of_table_name(event)
        {
            let title = format!("No matches for tracepoint {category}:{event}.");
            return Err(TargetError::missing(title, Some(format!("did you mean {category}:{known_as}?"))));
        }
        let tracefs = self.tracefs()?;
        if !wants.named_args && !wants.by_perf && category != "syscalls" && category != "ftrace" {
            // The error names what is nearest, so the event's own file is asked for first.
            if !exists {
                tracefs.event_id(category, event).map_err(|error| explain_event(event, &error))?;
            }
            let attach = Attach::RawTracepoint { name: event.to_owned() };
            return Ok(Resolved::as_written(attach, Context::bare(ProgramType::RawTracepoint)));
        }
        let format = tracefs.format(category, event).map_err(|error| explain_event(event, &error))?;
        let space = if category == "syscalls" { AddressSpace::User } else { AddressSpace::Kernel };
        let fields = format.own_fields().map(|field| fields::of_record(field, space, || self.types())).collect();
        let (category, event) = (category.to_owned(), event.to_owned());
        Ok(Resolved::as_written(
            Attach::Tracepoint { category, event, id: u64::from(format.id) },
            Context { fields, ..Context::bare(ProgramType::Tracepoint) },
        ))
    }

    /// A system call's event by way of the raw tracepoint of all system calls; `None` if this kernel or architecture
    /// does not tell enough.
    fn syscall(&self, event: &str, wants: Wants) -> Result<Option<Resolved>, TargetError> {
        let (Some(arch), Some((edge, name)), Some(btf)) = (arch::native(), syscalls::split_event(event), self.btf())
        else {
            return Ok(None);
        };
        let Some(syscall) = syscalls::by_event_name(arch, name) else { return Ok(None) };
        let (tracepoint, id) = match edge {
            Edge::Enter => ("sys_enter", self.enter_id.get_or_init(|| raw_id(btf, "sys_enter"))),
            Edge::Exit => ("sys_exit", self.exit_id.get_or_init(|| raw_id(btf, "sys_exit"))),
        };
        let Some(btf_id) = *id else { return Ok(None) };
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
        let compat = *self.compat.get_or_init(|| task_offset(btf, arch.compat.field));
        let compat = compat.map(|offset| (offset, arch.compat.mask as u32));
        // What the record has first; read, not known, so that the events of many system calls can share a program.
        let own_number =
            Field { name: SYSCALL_NUMBER.into(), ty: Type::Int(IntType { bits: 32, signed: true }), access: number };
        let fields = match (wants.named_args, edge) {
            (false, _) => Vec::new(),
            (true, Edge::Enter) => std::iter::once(own_number).chain(self.syscall_fields(arch, event)?).collect(),
            (true, Edge::Exit) => vec![
                own_number,
                Field {
                    name: "ret".into(),
                    ty: Type::I64,
                    access: Access { base: Base::Context, offset: 8, bytes: 8, signed: true },
                },
            ],
        };
        let guard = Some(Guard { number, expected: u32::from(syscall.number), compat });
        Ok(Some(Resolved::as_written(
            Attach::BtfTracepoint { name: tracepoint.to_owned(), btf_id },
            Context { guard, fields, ..Context::bare(ProgramType::BtfTracepoint) },
        )))
    }

    /// The arguments of a system call, read from the registers it was entered with.
    fn syscall_fields(&self, arch: &Arch, event: &str) -> Result<Vec<Field>, TargetError> {
        let format = self.tracefs()?.format("syscalls", event).map_err(|error| explain(&error))?;
        let arguments = format.own_fields().filter(|field| field.name != SYSCALL_NUMBER);
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
}

/// The names that a pattern covers, sorted.
fn covered(names: Names, pattern: &str) -> Vec<String> {
    let mut all: Vec<String> = names.flatten().filter(|name| glob::matches(pattern, name)).collect();
    all.sort_unstable();
    all
}

/// The BTF id that a program on a raw tracepoint is loaded with.
fn raw_id(btf: &Btf, name: &str) -> Option<u32> {
    btf.raw_tracepoint(name).ok().flatten().map(|(id, _)| id.0)
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

/// Why an event cannot be had; the message names it also where its category is unknown.
fn explain_event(event: &str, error: &TracefsError) -> TargetError {
    match error {
        TracefsError::UnknownCategory { category, nearest } => {
            let near: Vec<String> = nearest.iter().map(|category| format!("{category}:{event}")).collect();
            let help = match near.as_slice() {
                [] => format!("there is no category {category}"),
                near => format!("there is no category {category}; did you mean {}?", near.join(", ")),
            };
            TargetError::missing(format!("No matches for tracepoint {category}:{event}."), Some(help))
        }
        other => explain(other),
    }
}

pub(super) fn explain(error: &TracefsError) -> TargetError {
    let near = |nearest: &[String]| (!nearest.is_empty()).then(|| format!("did you mean {}?", nearest.join(", ")));
    match error {
        TracefsError::UnknownCategory { category, nearest } => {
            TargetError::missing(format!("No matches for tracepoint category {category}."), near(nearest))
        }
        TracefsError::UnknownEvent { category, event, nearest } => {
            TargetError::missing(format!("No matches for tracepoint {category}:{event}."), near(nearest))
        }
        other => TargetError::other(other.to_string(), None),
    }
}
