//! The running kernel as the compiler sees it.
//!
//! Each kind of probe is resolved to the way of attaching that costs least: a system call's event to the raw tracepoint
//! that all system calls share, told apart by number, because it attaches and detaches at once and its arguments are
//! read without a helper; an event whose fields nobody asks for to its raw tracepoint; any other event to perf. Nothing
//! of the kernel is read before it is asked for.

mod kprobe;
mod like;
mod packets;
mod symbol;
mod tracepoint;
mod typed;
mod untraceable;
mod uprobe;
mod usdt;

use crate::arch::{self, Register};
use crate::archive::Member;
use crate::binary::Binary;
use crate::btf::{Btf, Kind};
use crate::dwarf::Dwarf;
use crate::kallsyms::Kallsyms;
use crate::kernel;
use crate::kfunc;
use crate::syscalls;
use crate::tracefs::Tracefs;
use crate::types::Types;
use crate::usdt::Notes;
use lang::ast::TypeTag;
use lang::nearest::nearest;
use lang::probes::{Spec, Watch};
use lang::target::{
    Access, Attach, Base, Context, Features, Namespace, PerCpuSymbol, ProgramType, Resolved, SESSION_IS_RETURN, Target,
    TargetError, UserSymbol, Wants,
};
use lang::types::Type;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

pub use untraceable::{explain_function, not_traceable};

/// Programs and libraries by their paths, and by their places in archives.
type Binaries = HashMap<(PathBuf, Option<Member>), Rc<Binary>>;

/// The kernel this process runs on.
#[derive(Default)]
pub struct KernelTarget {
    process: Option<u32>,
    /// Links will be limited to one process.
    limited: bool,
    types: OnceCell<Option<Arc<Types>>>,
    tracefs: OnceCell<Result<Tracefs, TargetError>>,
    /// BTF ids of `sys_enter` and `sys_exit`, and where a task says that its system call is a compat one: asked for
    /// once each however many system calls there are.
    enter_id: OnceCell<Option<u32>>,
    exit_id: OnceCell<Option<u32>>,
    compat: OnceCell<Option<u32>>,
    /// Asked for again and again while compiling.
    features: OnceCell<Features>,
    kprobe_multi: OnceCell<bool>,
    uprobe_multi: OnceCell<bool>,
    /// Which functions of the kernel programs of a type may call.
    may_call: RefCell<HashMap<(String, ProgramType), bool>>,
    binaries: RefCell<Binaries>,
    /// Their usdt probes.
    notes: RefCell<HashMap<PathBuf, Rc<Notes>>>,
    /// Their debug information, as far as somebody asked.
    debug: RefCell<HashMap<PathBuf, Option<Arc<Dwarf>>>>,
    /// Where it may be if not in them.
    debug_folders: Vec<PathBuf>,
    no_kprobe_session: bool,
    /// Functions that are written out need not be among those that can be traced, nor places in files be checked.
    trusts_names: bool,
    /// The kernel functions that can be traced, if not those that the kernel names.
    functions: Option<PathBuf>,
}

impl KernelTarget {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this process is traced: its files are meant by the names of programs and libraries.
    pub fn of_process(self, process: Option<u32>) -> Self {
        Self { process, limited: self.limited || process.is_some(), ..self }
    }

    /// A command is run, and uprobes are limited to it.
    pub fn of_command(self, command: bool) -> Self {
        Self { limited: self.limited || command, ..self }
    }

    /// Only the kernel functions that this file names can be traced.
    pub fn with_functions(self, file: impl Into<PathBuf>) -> Self {
        Self { functions: Some(file.into()), ..self }
    }

    /// Debug information of programs may also be in these folders.
    pub fn with_debug_folders(self, debug_folders: Vec<PathBuf>) -> Self {
        Self { debug_folders, ..self }
    }

    /// A function that is written out may be missing from that file: the kernel has the last word.
    pub fn trusting_names(self) -> Self {
        Self { trusts_names: true, ..self }
    }

    /// As on a kernel that needs a link for each function.
    pub fn without_kprobe_multi(self) -> Self {
        Self { kprobe_multi: OnceCell::from(false), ..self }
    }

    /// As on a kernel that needs a program each for a function's entry and return.
    pub fn without_kprobe_session(self) -> Self {
        Self { no_kprobe_session: true, ..self }
    }

    /// As on a kernel that needs a link for each place in a file.
    pub fn without_uprobe_multi(self) -> Self {
        Self { uprobe_multi: OnceCell::from(false), ..self }
    }

    /// The kernel's types, if it tells (BTF).
    pub fn types(&self) -> Option<&Arc<Types>> {
        self.types.get_or_init(|| Some(Types::new(Arc::new(Btf::vmlinux().ok()?)))).as_ref()
    }

    fn btf(&self) -> Option<&Arc<Btf>> {
        self.types().map(|types| types.btf())
    }

    fn tracefs(&self) -> Result<&Tracefs, TargetError> {
        self.tracefs
            .get_or_init(|| Tracefs::open().map_err(|error| tracepoint::explain(&error)))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Whether the kernel tells its types. They are not read for that.
    pub fn has_btf(&self) -> bool {
        Btf::is_there()
    }

    /// Whether one link can attach a program to many functions (5.18, with `CONFIG_FPROBE`).
    fn has_kprobe_multi(&self) -> bool {
        *self.kprobe_multi.get_or_init(|| self.has_struct("bpf_kprobe_multi_link"))
    }

    /// Whether one link can attach a program to many places of a file (6.6). Before 6.12 such a link is limited to a
    /// thread where a process is meant.
    fn has_uprobe_multi(&self) -> bool {
        *self.uprobe_multi.get_or_init(|| self.has_struct("bpf_uprobe_multi_link"))
            && (!self.limited || kernel::release().is_some_and(|release| release.at_least(6, 12)))
    }

    /// Whether the kernel has a structure of this name, which nothing else is called by.
    fn has_struct(&self, name: &str) -> bool {
        self.btf().is_some_and(|btf| btf.mentions(name))
    }
}

/// Whether the processor can look out for that.
fn watchpoint(watch: &Watch) -> Result<Vec<Resolved>, TargetError> {
    let Some(arch) = arch::native() else {
        return Err(TargetError::other("watchpoints not supported", None));
    };
    let mode = watch.access.mode();
    if !arch.watchpoint_modes.contains(&mode.as_str()) {
        let help = format!("this processor knows {}", arch.watchpoint_modes.join(", "));
        return Err(TargetError::other(format!("invalid watchpoint mode: {mode}"), Some(help)));
    }
    Ok(vec![Resolved::as_written(Attach::Watchpoint(*watch), Context::bare(ProgramType::PerfEvent))])
}

impl Target for KernelTarget {
    fn resolve(&self, spec: &Spec, wants: Wants) -> Result<Vec<Resolved>, TargetError> {
        let one = |attach, program| Ok(vec![Resolved::as_written(attach, Context::bare(program))]);
        match spec {
            Spec::Begin => one(Attach::Begin, ProgramType::RawTracepoint),
            Spec::End => one(Attach::End, ProgramType::RawTracepoint),
            Spec::Interval { period_ns } => one(Attach::Interval { period_ns: *period_ns }, ProgramType::RawTracepoint),
            Spec::SelfSignal => one(Attach::Signal, ProgramType::RawTracepoint),
            Spec::Watchpoint(watch) => watchpoint(watch),
            Spec::Test { .. } => one(Attach::Test, ProgramType::RawTracepoint),
            Spec::Bench { .. } => one(Attach::Bench, ProgramType::RawTracepoint),
            Spec::Profile { rate } => one(Attach::Profile { rate: *rate }, ProgramType::PerfEvent),
            Spec::PerfEvent { source, event, count } => {
                let attach = Attach::PerfEvent { source: *source, config: event.config, count: *count };
                one(attach, ProgramType::PerfEvent)
            }
            Spec::Tracepoint { category, event } => self.tracepoints(category, event, wants),
            Spec::RawTracepoint { module, event } => self.raw_tracepoints(module.as_deref(), event, wants),
            Spec::Kprobe { module, function, offset, on_return } => self.kprobes(kprobe::Asked {
                module: module.as_deref(),
                function,
                offset: *offset,
                on_return: *on_return,
                wants,
            }),
            Spec::Fentry { module, function, on_return } => {
                self.fentries(module.as_deref(), function, *on_return, wants)
            }
            Spec::ProgramFentry { program, function, on_return } => {
                self.program_fentries(*program, function, *on_return)
            }
            Spec::Uprobe { binary, place, on_return } => self.uprobes(binary.as_deref(), place, *on_return, wants),
            Spec::Usdt { binary, provider, name } => {
                self.usdts(binary.as_deref(), usdt::Asked { provider: provider.as_deref(), name, wants })
            }
            Spec::Xdp { interface, mode } => packets::xdp(interface, *mode),
            Spec::Tc { interface, direction } => packets::tc(interface, *direction),
            Spec::CgroupSkb { path, direction } => packets::cgroup(path, *direction),
            Spec::Socket { interface } => packets::socket(interface),
            Spec::Iter { over, pin } => self.iterator(over, pin.as_deref()),
        }
    }

    fn like(&self, spec: &Spec) -> Vec<String> {
        self.names_like(spec)
    }

    fn task_member(&self, name: &str) -> Option<u32> {
        task_offset(self.btf()?, &[name])
    }

    fn memory_member(&self, name: &str) -> Option<u32> {
        member_offset(self.btf()?, "mm_struct", &[name])
    }

    fn kernel_type(&self, tag: Option<TypeTag>, name: &str) -> Option<Type> {
        self.types()?.named(tag, name)
    }

    fn program_type(&self, path: &str, tag: TypeTag, name: &str) -> Option<Type> {
        self.debug_of(Path::new(path))?.named(tag, name)
    }

    fn kernel_types_like(&self, tag: TypeTag, name: &str) -> Vec<String> {
        let kinds: &[Kind] = match tag {
            TypeTag::Struct => &[Kind::Struct],
            TypeTag::Union => &[Kind::Union],
            TypeTag::Enum => &[Kind::Enum, Kind::Enum64],
        };
        let Some(btf) = self.btf() else { return Vec::new() };
        nearest(name, btf.types_of(kinds).into_iter().flatten().map(|ty| ty.name()), 1)
    }

    fn kernel_constant(&self, name: &str) -> Option<(i64, Type)> {
        self.types()?.constant(name)
    }

    fn cpus(&self) -> u32 {
        kernel::possible_cpus().map_or(1, |cpus| cpus.count() as u32)
    }

    fn kfunc(&self, name: &str) -> Option<u32> {
        if self.no_kprobe_session && name == SESSION_IS_RETURN {
            return None;
        }
        self.btf()?.find(Kind::Func, name).ok()?.map(|id| id.0)
    }

    fn may_call(&self, name: &str, program: ProgramType) -> bool {
        let key = (name.to_owned(), program);
        if let Some(known) = self.may_call.borrow().get(&key) {
            return *known;
        }
        let event = self.btf().and_then(|btf| btf.raw_tracepoint("sys_enter").ok().flatten()).map_or(0, |(id, _)| id.0);
        let may = self.kfunc(name).is_some_and(|id| kfunc::may_call(name, id, program, event));
        self.may_call.borrow_mut().insert(key, may);
        may
    }

    fn per_cpu_symbol(&self, name: &str) -> Result<PerCpuSymbol, TargetError> {
        let refused = |title: String, help: &str| TargetError::other(title, Some(help.to_owned()));
        if !self.btf().is_some_and(|btf| matches!(btf.find(Kind::Var, name), Ok(Some(_)))) {
            let help = "the kernel's type information has the variables that each CPU has of its own";
            return Err(refused(format!("Could not resolve variable \"{name}\" from BTF"), help));
        }
        let address = |name: &str| match Kallsyms::new().address_of(name) {
            Ok(address) => Ok(address),
            Err(error) => Err(refused(format!("Failed to resolve kernel symbol: {name}: {error}"), "run it as root")),
        };
        let Some(here) = address(name)? else {
            let help = "kallsyms has no variables: the kernel was built without CONFIG_KALLSYMS_ALL";
            return Err(refused(format!("Failed to resolve kernel symbol: {name}"), help));
        };
        Ok(PerCpuSymbol { address: here, offsets: address("__per_cpu_offset")?.unwrap_or(0) })
    }

    fn process_namespace(&self) -> Option<Namespace> {
        use std::os::unix::fs::MetadataExt;
        /// Of the kernel's first namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
        const FIRST: u64 = 0xeffffffc;
        let file = std::fs::metadata("/proc/self/ns/pid").ok().filter(|file| file.ino() != FIRST)?;
        // As the kernel writes it, where stat(2) has the major number's bits in other places.
        let device = u64::from(rustix::fs::major(file.dev())) << 20 | u64::from(rustix::fs::minor(file.dev()));
        Some(Namespace { device, inode: file.ino() })
    }

    fn kernel_symbol(&self, name: &str) -> Result<u64, TargetError> {
        let symbols = Kallsyms::new();
        match symbols.address_of(name) {
            Ok(Some(address)) => Ok(address),
            Ok(None) => {
                let help = match symbols.nearest(name, 3).unwrap_or_default() {
                    near if near.is_empty() => {
                        "kallsyms has no such symbol; it has variables only with CONFIG_KALLSYMS_ALL".to_owned()
                    }
                    near => format!("did you mean {}?", near.join(", ")),
                };
                Err(TargetError::other(format!("Failed to resolve kernel symbol: {name}"), Some(help)))
            }
            Err(error) => Err(TargetError::other(format!("Failed to resolve kernel symbol: {name}: {error}"), None)),
        }
    }

    fn register(&self, name: &str) -> Result<Access, TargetError> {
        let machine = std::env::consts::ARCH;
        let register = arch::native().and_then(|arch| arch.register(name));
        let register = register.ok_or_else(|| {
            let help = arch::native().map(|arch| {
                let names: Vec<&str> = arch.registers.iter().map(|register| register.name).collect();
                format!("there are {}", names.join(", "))
            });
            TargetError::other(format!("'{name}' is not a valid register on this architecture ({machine})"), help)
        })?;
        let (offset, bytes) = (u32::from(register.offset), u32::from(register.size));
        Ok(Access { base: Base::Context, offset, bytes, signed: false })
    }

    fn user_symbol(&self, path: &str, offset: u64, name: &str) -> Result<UserSymbol, TargetError> {
        symbol::find(path, offset, name)
    }

    fn system_call(&self, number: u16) -> Option<String> {
        Some(syscalls::by_number(arch::native()?, number)?.table_name.to_owned())
    }

    fn cgroup(&self, path: &str) -> Result<u64, String> {
        use std::os::unix::fs::MetadataExt;
        // In the kernel's file system of control groups the number of a directory is the group's.
        std::fs::metadata(path).map(|found| found.ino()).map_err(|error| {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        })
    }

    fn interface(&self, name: &str) -> Result<u32, TargetError> {
        packets::interface(name)
    }

    fn features(&self) -> Features {
        *self.features.get_or_init(|| self.find_features())
    }
}

impl KernelTarget {
    fn find_features(&self) -> Features {
        let release = kernel_to_compile_for();
        let at_least = |major, minor| release.is_some_and(|release| release.at_least(major, minor));
        Features {
            instructions_v4: at_least(6, 6),
            current_task_btf: at_least(5, 11) && self.btf().is_some(),
            // From 6.15 on it measures time, in a word that it looks for on the kernel's stack even if the program has a
            // stack of its own (from 64 bytes on): such loops end after 65535 turns.
            may_goto: at_least(6, 9) && !at_least(6, 15),
            bpf_loop: at_least(5, 17),
            for_each_map_elem: at_least(5, 13),
            lookup_percpu_elem: at_least(5, 19),
            cookies: at_least(5, 15),
            raw_tracepoint_cookies: at_least(6, 10),
            user_function_address: at_least(6, 6),
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

/// Where a member of the current task lies.
fn task_offset(btf: &Btf, path: &[&str]) -> Option<u32> {
    member_offset(btf, "task_struct", path)
}

/// Where a member of a structure lies.
fn member_offset(btf: &Btf, structure: &str, path: &[&str]) -> Option<u32> {
    let structure = btf.find(Kind::Struct, structure).ok()??;
    let field = btf.field_path(structure, path.iter().copied()).ok()??;
    Some(field.offset_bytes)
}

/// A read of a register, unsigned.
fn access(base: Base, register: Option<Register>) -> Option<Access> {
    let register = register?;
    Some(Access { base, offset: u32::from(register.offset), bytes: u32::from(register.size), signed: false })
}
