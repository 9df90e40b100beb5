//! What the compiler must know of the machine that a script is compiled for.
//!
//! `lang` and `codegen` touch no file and no kernel; they ask one trait. The real implementation stands in
//! `probes-ebpf`, a fake for tests in [`fake`].

use crate::ast::TypeTag;
use crate::probes::net::{Direction, XdpMode};
use crate::probes::perf::{Rate, Source};
use crate::probes::{Spec, Watch};
use crate::types::Type;
use std::num::NonZeroU64;
use std::sync::Arc;

pub mod fake;
mod packet;

pub use packet::{PacketContext, PacketRead, PacketStart, Verdict};

/// The function of the kernel that counts the entries of a map: kernel 6.6.
pub const MAP_LENGTH: &str = "bpf_map_sum_elem_count";

/// The function of the kernel that says whether a program of a kprobe session runs for a return: kernel 6.10.
pub const SESSION_IS_RETURN: &str = "bpf_session_is_return";

/// The function of the kernel that finds a task by its id, and keeps it: kernel 6.2.
pub const TASK_FROM_ID: &str = "bpf_task_from_pid";

/// The function of the kernel that lets go of a task: kernel 6.1.
pub const TASK_RELEASE: &str = "bpf_task_release";

/// A machine, as far as compiling for it goes.
pub trait Target {
    /// Finds what `spec` names: how to attach to it and how its program sees its arguments. A pattern may name many
    /// things, or none.
    fn resolve(&self, spec: &Spec, wants: Wants) -> Result<Vec<Resolved>, TargetError>;

    /// Names like the one or the pattern in `spec`, which names nothing here; best first.
    fn like(&self, spec: &Spec) -> Vec<String> {
        let _ = spec;
        Vec::new()
    }

    /// Byte offset of a member of the kernel's `struct task_struct`, if the kernel tells (BTF).
    fn task_member(&self, name: &str) -> Option<u32>;

    /// Byte offset of a member of the kernel's `struct mm_struct`, the memory of a process.
    fn memory_member(&self, name: &str) -> Option<u32> {
        let _ = name;
        None
    }

    /// The kernel's type of this name, with its tag if it has one (`struct task_struct`, `enum pid_type`, the typedef
    /// `pid_t`).
    fn kernel_type(&self, tag: Option<TypeTag>, name: &str) -> Option<Type>;

    /// The structure, union or enum of this name that a program or library defines, if its debug information tells.
    fn program_type(&self, path: &str, tag: TypeTag, name: &str) -> Option<Type> {
        let _ = (path, tag, name);
        None
    }

    /// Names of the kernel's types like this one, best first, for a mistake: structures, unions or enums, as `tag` says.
    fn kernel_types_like(&self, tag: TypeTag, name: &str) -> Vec<String> {
        let _ = (tag, name);
        Vec::new()
    }

    /// A number that the kernel's types give a name: the value of an enum, with that enum.
    fn kernel_constant(&self, name: &str) -> Option<(i64, Type)>;

    /// How many CPUs it may have.
    fn cpus(&self) -> u32;

    /// The BTF id of a function of the kernel that programs may call, if it has it.
    fn kfunc(&self, name: &str) -> Option<u32>;

    /// Whether programs of a type may call a function of the kernel.
    fn may_call(&self, name: &str, program: ProgramType) -> bool {
        let _ = program;
        self.kfunc(name).is_some()
    }

    /// Where each CPU has what a symbol of the kernel stands for.
    fn per_cpu_symbol(&self, name: &str) -> Result<PerCpuSymbol, TargetError>;

    /// The namespace of process ids that rtrace runs in; none for the kernel's first.
    fn process_namespace(&self) -> Option<Namespace> {
        None
    }

    /// The address of a symbol of the kernel.
    fn kernel_symbol(&self, name: &str) -> Result<u64, TargetError>;

    /// Where `struct pt_regs` has a register.
    fn register(&self, name: &str) -> Result<Access, TargetError>;

    /// Where a symbol of a program's file lies, seen from the instruction at an offset in the file.
    fn user_symbol(&self, path: &str, offset: u64, name: &str) -> Result<UserSymbol, TargetError>;

    /// The name of the system call with this number.
    fn system_call(&self, number: u16) -> Option<String> {
        let _ = number;
        None
    }

    /// The number of the control group at a path.
    fn cgroup(&self, path: &str) -> Result<u64, String>;

    /// The number of the network interface with this name.
    fn interface(&self, name: &str) -> Result<u32, TargetError>;

    /// What the kernel's BPF machine can do.
    fn features(&self) -> Features;
}

/// What a probe's body makes use of; an event may be had more cheaply without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// `args.NAME`
    pub named_args: bool,
    /// `arg0` and so on: a bit for each.
    pub args: u16,
    /// What only a program run by perf has right: `kstack`, which at a raw tracepoint begins with the machinery that ran
    /// the program, and `write_user` and `comm(pid)`, which the kernel permits to no other.
    pub by_perf: bool,
    /// What only a program may do whose arguments the verifier knows from BTF: `skboutput`, `socket_cookie`, `comm(pid)`.
    pub typed_args: bool,
    /// The script runs without what is not there. What else the kernel would find out when it is asked to attach must be
    /// known before.
    pub may_be_missing: bool,
}

/// Abilities of a kernel's BPF machine that change the generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Signed division, sign-extending loads and moves, byte swap, far jumps: kernel 6.6.
    pub instructions_v4: bool,
    /// `bpf_get_current_task_btf`, whose result can be read without a helper: kernel 5.11 with BTF.
    pub current_task_btf: bool,
    /// The instruction `may_goto`, which ends a loop that takes too many turns: kernels 6.9 to 6.14.
    pub may_goto: bool,
    /// `bpf_loop`, which calls a function so many times: kernel 5.17.
    pub bpf_loop: bool,
    /// `bpf_for_each_map_elem`: kernel 5.13.
    pub for_each_map_elem: bool,
    /// `bpf_map_lookup_percpu_elem`: kernel 5.19.
    pub lookup_percpu_elem: bool,
    /// One more than the highest number that a processor may have.
    pub cpus: u32,
    /// A number given with a link, by which a program knows which link it runs for: kernel 5.15.
    pub cookies: bool,
    /// The same for raw tracepoints: kernel 6.10.
    pub raw_tracepoint_cookies: bool,
    /// `bpf_get_func_ip` in uprobes and uretprobes: kernel 6.6.
    pub user_function_address: bool,
}

/// An attach point found on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// What to attach to.
    pub attach: Attach,
    /// How the program sees its event.
    pub context: Context,
    /// What `probe` says, if it is not what was written.
    pub name: Option<String>,
}

impl Resolved {
    /// Found under the name that was written.
    pub fn as_written(attach: Attach, context: Context) -> Self {
        Self { attach, context, name: None }
    }
}

/// What a loaded program is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attach {
    /// Run once before attaching.
    Begin,
    /// Run once after detaching.
    End,
    /// Run by a timer.
    Interval {
        /// Nanoseconds between two runs.
        period_ns: u64,
    },
    /// A trace event, through perf.
    Tracepoint {
        /// Such as `sched`.
        category: String,
        /// Such as `sched_switch`.
        event: String,
        /// Its number in tracefs.
        id: u64,
    },
    /// A kernel tracepoint without perf, by the name of the tracepoint.
    RawTracepoint {
        /// Such as `sched_switch`.
        name: String,
    },
    /// A kernel tracepoint whose arguments the verifier knows from BTF.
    BtfTracepoint {
        /// Such as `sys_enter`.
        name: String,
        /// BTF id of `btf_trace_NAME` in the kernel's BTF.
        btf_id: u32,
    },
    /// A kernel function's entry, another place in it, or its return.
    Kprobe {
        /// The symbol, with its module before a colon if it was asked for.
        function: String,
        /// Bytes from its beginning.
        offset: u64,
        /// On return.
        on_return: bool,
        /// Where that is, if it was asked for by its address: then the symbol is only what is nearest.
        address: Option<NonZeroU64>,
    },
    /// The entry or return of a kernel function, by its type information.
    Fentry {
        /// The symbol.
        function: String,
        /// The module that has it; none for the kernel proper.
        module: Option<String>,
        /// Its BTF id, in the module's BTF if it has one.
        btf_id: u32,
        /// On return.
        on_return: bool,
    },
    /// The entry or return of a function of a BPF program.
    ProgramFentry {
        /// The function.
        function: String,
        /// The number of the program.
        program: u32,
        /// Its id in the program's BTF.
        btf_id: u32,
        /// On return.
        on_return: bool,
    },
    /// An instruction of a program or library.
    Uprobe {
        /// Path of the file, as rtrace opens it. A pattern may find thousands of functions in one.
        path: Arc<str>,
        /// The symbol, or nothing where there was an address only.
        symbol: String,
        /// The function as its author wrote it, if the symbol is a mangled name and names are to be shown so.
        demangled: Option<String>,
        /// Offset in the file.
        offset: u64,
        /// On return from the function that begins there.
        on_return: bool,
    },
    /// A place that the authors of a program or library marked: wherever the compiler put it.
    Usdt {
        /// Path of the file, as rtrace opens it.
        path: Arc<str>,
        /// `PROVIDER:NAME`
        probe: String,
        /// The instructions, at all of which the arguments are found in the same way.
        places: Vec<UsdtPlace>,
        /// The same probe as the attach point before it: other places, where arguments are found in other ways.
        continues: bool,
    },
    /// Every so often on each CPU.
    Profile {
        /// By time.
        rate: Rate,
    },
    /// Every so many events that perf counts.
    PerfEvent {
        /// Who counts.
        source: Source,
        /// The event's number.
        config: u64,
        /// So many.
        count: u64,
    },
    /// When memory is used.
    Watchpoint(Watch),
    /// Packets that come in by a network interface, before the kernel looks at them.
    Xdp {
        /// Its name.
        interface: String,
        /// Its number.
        index: u32,
        /// Who runs the program.
        mode: XdpMode,
    },
    /// Packets of a network interface, at its traffic control.
    Tc {
        /// Its name.
        interface: String,
        /// Its number.
        index: u32,
        /// Which packets.
        direction: Direction,
    },
    /// Packets of the sockets of a control group.
    CgroupSkb {
        /// Its directory.
        path: String,
        /// Which packets.
        direction: Direction,
    },
    /// Copies of the packets of a network interface.
    Socket {
        /// Its name.
        interface: String,
        /// Its number.
        index: u32,
    },
    /// Run when rtrace gets SIGUSR1.
    Signal,
    /// Run once, to see whether it passes.
    Test,
    /// Run again and again, to see how long it takes.
    Bench,
    /// Run over all objects of a kind, once.
    Iter {
        /// Such as `task`.
        over: String,
        /// BTF id of `bpf_iter_OVER` in the kernel's BTF.
        btf_id: u32,
        /// The file that runs it when somebody reads it, instead of running at once.
        pin: Option<String>,
    },
}

/// One place of a usdt probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UsdtPlace {
    /// Offset in the file.
    pub offset: u64,
    /// Offset in the file of the counter that says how many are attached; none where the program does not ask.
    pub semaphore: Option<NonZeroU64>,
}

impl Attach {
    /// Whether it counts as a probe, rather than as more of the one before it.
    pub fn is_a_probe(&self) -> bool {
        !matches!(self, Self::Usdt { continues: true, .. })
    }

    /// At how many places the kernel stops for it.
    pub fn places(&self) -> usize {
        match self {
            Self::Usdt { places, .. } => places.len(),
            _ => 1,
        }
    }

    /// The file whose code is traced.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Uprobe { path, .. } | Self::Usdt { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The file by which it is run after rtrace has ended.
    pub fn pin(&self) -> Option<&str> {
        match self {
            Self::Iter { pin, .. } => pin.as_deref(),
            _ => None,
        }
    }

    /// Whether rtrace runs it itself: nothing in the kernel is attached to.
    pub fn is_run_by_us(&self) -> bool {
        matches!(self, Self::Begin | Self::End | Self::Interval { .. } | Self::Signal | Self::Test | Self::Bench)
    }

    /// Whether a packet is what happens. It belongs to no process.
    pub fn is_packet(&self) -> bool {
        matches!(self, Self::Xdp { .. } | Self::Tc { .. } | Self::CgroupSkb { .. } | Self::Socket { .. })
    }

    /// What `func` says.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Kprobe { function, .. } => Some(function.rsplit(':').next().unwrap_or(function)),
            Self::Fentry { function, .. } | Self::ProgramFentry { function, .. } => Some(function),
            Self::Uprobe { symbol, demangled, .. } => Some(demangled.as_ref().unwrap_or(symbol)),
            _ => None,
        }
    }
}

/// The program type an event needs, as libbpf names its ELF section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProgramType {
    /// `raw_tp`
    RawTracepoint,
    /// `tp_btf`
    BtfTracepoint,
    /// `tracepoint`
    Tracepoint,
    /// `kprobe`, for uprobes as well.
    Kprobe,
    /// `kprobe.multi`: one link for many functions.
    KprobeMulti,
    /// `kprobe.session`: the same, and it runs at their entry and at their return.
    KprobeSession,
    /// `uprobe.multi`: one link for many places of a file.
    UprobeMulti,
    /// `perf_event`
    PerfEvent,
    /// `fentry`
    Fentry,
    /// `fexit`
    Fexit,
    /// `iter`
    Iter,
    /// `xdp`
    Xdp,
    /// `tc`
    Tc,
    /// `cgroup_skb`
    CgroupSkb,
    /// `socket`
    SocketFilter,
}

/// How a program sees its event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The type to load it as.
    pub program: ProgramType,
    /// A test the event must pass before anything else, when the program also runs for other events.
    pub guard: Option<Guard>,
    /// `args.NAME`
    pub fields: Vec<Field>,
    /// Where `arg0` and so on are read; empty where there are none. Often the same for thousands of attach points.
    pub args: Arc<[Access]>,
    /// `retval`
    pub retval: Option<(Type, Access)>,
    /// The packets come from an interface that has no link layer, such as a tunnel's.
    pub without_link: bool,
}

impl Context {
    /// Whether the program is given the registers of the traced place (`struct pt_regs`).
    pub fn has_registers(&self) -> bool {
        use ProgramType::{Kprobe, KprobeMulti, KprobeSession, PerfEvent, UprobeMulti};
        // What perf hands over begins with them.
        matches!(self.program, Kprobe | KprobeMulti | KprobeSession | UprobeMulti | PerfEvent)
    }

    /// How the program sees a packet, if that is its event.
    pub fn packet(&self) -> Option<&'static PacketContext> {
        match self.without_link {
            true => self.program.packet_without_link(),
            false => self.program.packet(),
        }
    }

    /// A context without arguments.
    pub fn bare(program: ProgramType) -> Self {
        Self { program, guard: None, fields: Vec::new(), args: Arc::default(), retval: None, without_link: false }
    }
}

/// A test on the event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Where the system call's number is.
    pub number: Access,
    /// The number it must have.
    pub expected: u32,
    /// Offset in `struct task_struct` of the 32-bit flags that say whether the current system call came through a
    /// 32-bit entry, and their mask: such a call counts by another table and is passed over.
    pub compat: Option<(u32, u32)>,
}

/// One field of `args`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Where it is.
    pub access: Access,
}

/// Where a value of the event is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// What `offset` counts from.
    pub base: Base,
    /// In bytes.
    pub offset: u32,
    /// 1, 2, 4 or 8; for arrays the size of the whole.
    pub bytes: u32,
    /// Widened by its sign.
    pub signed: bool,
}

/// What an access starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// The program's context.
    Context,
    /// A pointer in the context's word at this offset whose target the verifier knows: read directly.
    Btf {
        /// Byte offset of the pointer in the context.
        word: u32,
    },
    /// A pointer in the context's word at this offset, read by `bpf_probe_read_kernel`.
    Kernel {
        /// Byte offset of the pointer in the context.
        word: u32,
    },
    /// Not a read: the address of a text in the record, whose distance from `from` is in the low 16 bits of the field.
    DataLoc {
        /// Offset in the context that the distance counts from.
        from: u32,
    },
    /// Not a read: this number.
    Number(i64),
    /// The memory of the process that the probe is in, read by `bpf_probe_read_user`.
    User(UserAddress),
    /// Not a read: that address.
    Address(UserAddress),
}

/// An address in a process, made of what its registers hold: their sum, the second one times a power of two, and a
/// distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserAddress {
    /// A register.
    pub base: Option<Slot>,
    /// Another one, and by how many bits it is shifted to the left.
    pub index: Option<(Slot, u8)>,
    /// In bytes.
    pub distance: i64,
}

/// What every CPU has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerCpuSymbol {
    /// What a CPU's offset is added to.
    pub address: u64,
    /// The address of the array of the CPUs' offsets; 0 where there is only one CPU.
    pub offsets: u64,
}

/// A namespace, by the file that stands for it in proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The number of the file's device, as the kernel writes it.
    pub device: u64,
    /// The file's number.
    pub inode: u64,
}

/// A register or a part of one, in the context of a program that is given the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// In bytes.
    pub offset: u32,
    /// 1, 2, 4 or 8.
    pub bytes: u32,
    /// Widened by its sign.
    pub signed: bool,
}

impl From<Slot> for Access {
    fn from(slot: Slot) -> Self {
        Access { base: Base::Context, offset: slot.offset, bytes: slot.bytes, signed: slot.signed }
    }
}

/// A symbol of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSymbol {
    /// Bytes from the traced instruction to the symbol, wherever the file is loaded.
    pub distance: i64,
    /// Bytes of it.
    pub size: u64,
}

/// Why an attach point could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    /// One line, no full stop.
    pub title: String,
    /// What would work.
    pub help: Option<String>,
    /// What is said beside it, as a warning.
    pub warning: Option<String>,
    /// There is no such event here, on a machine that has others of its kind: the script may have said that it does
    /// not mind.
    pub missing: bool,
}

impl TargetError {
    /// The machine has no such thing.
    pub fn missing(title: impl Into<String>, help: Option<String>) -> Self {
        Self { title: title.into(), help, warning: None, missing: true }
    }

    /// Something else is in the way.
    pub fn other(title: impl Into<String>, help: Option<String>) -> Self {
        Self { title: title.into(), help, warning: None, missing: false }
    }

    /// With something to say beside it.
    pub fn with_warning(self, warning: impl Into<String>) -> Self {
        Self { warning: Some(warning.into()), ..self }
    }
}
