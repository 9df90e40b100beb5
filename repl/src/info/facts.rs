//! What is found out, section by section.

use super::{Row, Section, Value};
use codegen::helpers::Helper;
use codegen::layout::MapKind;
use lang::target::{MAP_LENGTH, SESSION_IS_RETURN, TASK_FROM_ID, TASK_RELEASE, Target};
use probes_ebpf::KernelTarget;
use probes_ebpf::asking::{self, Answer, Call, Multi, Sort};
use probes_ebpf::btf::{Btf, Kind};
use probes_ebpf::kernel::{self, Capability, Lockdown};
use std::fs;

/// Asks everything.
pub fn find() -> Vec<Section> {
    let btf = Btf::vmlinux().ok();
    let asked = Asked::new(btf.as_ref());
    vec![
        Section { key: "system", title: "System", rows: system() },
        Section { key: "build", title: "Build", rows: vec![build()] },
        Section { key: "helpers", title: "Kernel helpers", rows: asked.helpers() },
        Section { key: "functions", title: "Kernel functions (kfuncs)", rows: asked.functions() },
        Section { key: "maps", title: "Map types", rows: maps() },
        Section { key: "programs", title: "Program types", rows: asked.programs() },
        Section { key: "features", title: "Kernel features", rows: features(btf.as_ref()) },
        Section { key: "probes", title: "Probe types", rows: asked.probes() },
        Section { key: "settings", title: "Settings", rows: settings() },
        Section { key: "mounts", title: "Mounts", rows: mounts() },
        Section { key: "process", title: "This process", rows: process() },
    ]
}

fn system() -> Vec<Row> {
    let system = rustix::system::uname();
    let words = [system.sysname(), system.release(), system.version()];
    let os = words.map(|word| word.to_string_lossy().into_owned()).join(" ");
    let count = |cpus: Option<kernel::Cpus>| cpus.map_or(Value::Unknown, |cpus| Value::Number(cpus.count() as u64));
    vec![
        Row::new("os", Value::Text(os)).labelled("OS"),
        Row::new("arch", Value::Text(kernel::machine())).labelled("Arch"),
        Row::new("cpus_online", count(kernel::online_cpus())).labelled("processors online"),
        Row::new("cpus_possible", count(kernel::possible_cpus())).labelled("processors possible"),
    ]
}

fn build() -> Row {
    Row::new("version", Value::Text(concat!("rtrace ", env!("CARGO_PKG_VERSION")).to_owned()))
}

/// Helpers that not all kernels have, or not for all programs; some by the names that bpftrace gives them.
const HELPERS: &[(&str, Helper)] = &[
    ("dpath", Helper::DPath),
    ("for_each_map_elem", Helper::ForEachMapElem),
    ("get_attach_cookie", Helper::GetAttachCookie),
    ("get_current_cgroup_id", Helper::GetCurrentCgroupId),
    ("get_current_task_btf", Helper::GetCurrentTaskBtf),
    ("get_func_ip", Helper::GetFuncIp),
    ("get_ns_current_pid_tgid", Helper::GetNsCurrentPidTgid),
    ("get_socket_cookie", Helper::GetSocketCookie),
    ("get_stack", Helper::GetStack),
    ("get_tai_ns", Helper::KtimeGetTaiNs),
    ("jiffies64", Helper::Jiffies64),
    ("ktime_get_boot_ns", Helper::KtimeGetBootNs),
    ("lookup_percpu_elem", Helper::MapLookupPercpuElem),
    ("loop", Helper::Loop),
    ("override_return", Helper::OverrideReturn),
    ("probe_read_kernel", Helper::ProbeReadKernel),
    ("probe_read_user", Helper::ProbeReadUser),
    ("probe_write_user", Helper::ProbeWriteUser),
    ("ringbuf_output", Helper::RingbufOutput),
    ("ringbuf_reserve", Helper::RingbufReserve),
    ("send_signal", Helper::SendSignal),
    ("send_signal_thread", Helper::SendSignalThread),
    ("skb_output", Helper::SkbOutput),
    ("task_pt_regs", Helper::TaskPtRegs),
    ("trace_vprintk", Helper::TraceVprintk),
];

/// Functions of the kernel that rtrace calls where there are.
const FUNCTIONS: &[&str] = &[MAP_LENGTH, SESSION_IS_RETURN, TASK_FROM_ID, TASK_RELEASE];

/// The kinds of maps that rtrace makes.
const MAPS: &[(&str, MapKind)] = &[
    ("hash", MapKind::Hash),
    ("percpu_hash", MapKind::PerCpuHash),
    ("percpu_array", MapKind::PerCpuArray),
    ("lru_hash", MapKind::LruHash),
    ("lru_percpu_hash", MapKind::LruPerCpuHash),
    ("array_of_maps", MapKind::ArrayOfMaps),
    ("hash_of_maps", MapKind::HashOfMaps),
    ("perf_event_array", MapKind::PerfEventArray),
    ("ringbuf", MapKind::RingBuf),
];

fn known(answer: Answer) -> Value {
    match answer {
        Answer::Yes => Value::YesNo(true),
        Answer::No => Value::YesNo(false),
        Answer::Refused => Value::Unknown,
    }
}

fn maps() -> Vec<Row> {
    MAPS.iter().map(|(name, kind)| Row::new(name, known(asking::has_map(*kind as u32)))).collect()
}

/// What is asked about programs, with what the kernel takes.
struct Asked<'a> {
    btf: Option<&'a Btf>,
    /// All kinds of program, and whether the kernel takes them.
    sorts: Vec<(&'static str, Sort, Answer)>,
}

impl<'a> Asked<'a> {
    fn new(btf: Option<&'a Btf>) -> Self {
        let mut sorts: Vec<(&'static str, Sort, Answer)> =
            asking::sorts(btf).into_iter().map(|(name, sort)| (name, sort, asking::takes(sort))).collect();
        // Who may load one kind and not another meets a kernel that is hardened against it.
        if sorts.iter().any(|(.., answer)| *answer == Answer::Yes) {
            sorts.iter_mut().filter(|(.., answer)| *answer == Answer::Refused).for_each(|sort| sort.2 = Answer::No);
        }
        Self { btf, sorts }
    }

    fn taken(&self, name: &str) -> Answer {
        let found = self.sorts.iter().find(|(sort, ..)| *sort == name);
        found.map_or(Answer::No, |(.., answer)| *answer)
    }

    fn programs(&self) -> Vec<Row> {
        self.sorts.iter().map(|(name, _, answer)| Row::new(name, known(*answer))).collect()
    }

    /// The kinds of program that may call something; `None` if none may be loaded to find out.
    fn callers(&self, call: Call<'_>) -> Option<Value> {
        let taken = || self.sorts.iter().filter(|(.., taken)| *taken == Answer::Yes);
        let may = taken().filter(|(_, sort, _)| asking::may_call(*sort, call) == Answer::Yes);
        let asked = taken().count();
        (asked > 0).then(|| Value::Kinds(may.map(|(name, ..)| *name).collect(), asked))
    }

    /// What can be said without asking: BTF is open to all, and what it does not have is not there.
    fn unasked(is_there: bool) -> Value {
        if is_there { Value::Unknown } else { Value::Kinds(Vec::new(), 1) }
    }

    fn helpers(&self) -> Vec<Row> {
        let row = |(name, helper): &(&'static str, Helper)| {
            let value = self.callers(Call::Helper(helper.number())).unwrap_or_else(|| {
                let constant = format!("BPF_FUNC_{}", helper.name());
                let found = self.btf.map(|btf| btf.find_enumerator(&constant));
                Self::unasked(!matches!(found, Some(Ok(None))))
            });
            Row::new(name, value)
        };
        HELPERS.iter().map(row).collect()
    }

    fn functions(&self) -> Vec<Row> {
        let row = |name: &&'static str| {
            let id = self.btf.and_then(|btf| btf.find(Kind::Func, name).ok()?);
            let value = id.map(|id| self.callers(Call::Function(id.0, name)).unwrap_or(Value::Unknown));
            Row::new(name, value.unwrap_or_else(|| Self::unasked(self.btf.is_none())))
        };
        FUNCTIONS.iter().map(row).collect()
    }

    fn probes(&self) -> Vec<Row> {
        let (kprobes, uprobes) = (kernel::has_kprobes(), kernel::has_uprobes());
        // Where the kernel may not be asked, its types tell what it was built with.
        let multi = |built: bool, which: Multi, structure: &str| match built.then(|| asking::has_multi(which)) {
            None => Value::YesNo(false),
            Some(Answer::Refused) if structure.is_empty() => Value::Unknown,
            Some(Answer::Refused) => {
                self.btf.map(|btf| matches!(btf.find(Kind::Struct, structure), Ok(Some(_)))).into()
            }
            Some(answer) => known(answer),
        };
        let perf = |source: &str| Value::YesNo(kernel::event_source_type(source).is_some());
        vec![
            Row::new("kprobe", Value::YesNo(kprobes)),
            Row::new("uprobe", Value::YesNo(uprobes)),
            Row::new("kprobe_multi", multi(kprobes, Multi::Kprobe, "bpf_kprobe_multi_link")),
            Row::new("uprobe_multi", multi(uprobes, Multi::Uprobe, "bpf_uprobe_multi_link")),
            Row::new("kprobe_session", multi(kprobes, Multi::KprobeSession, "")),
            Row::new("uprobe_session", multi(uprobes, Multi::UprobeSession, "")),
            Row::new("iter", known(self.taken("iter"))),
            Row::new("fentry", known(self.taken("fentry"))),
            Row::new("hardware", perf("cpu")),
            Row::new("watchpoint", perf("breakpoint")),
        ]
    }
}

fn features(btf: Option<&Btf>) -> Vec<Row> {
    let features = KernelTarget::new().features();
    let limit = kernel::release().map(|release| if release.at_least(5, 2) { 1_000_000 } else { 4096 });
    let modules = Btf::modules().len();
    vec![
        Row::new("instruction_limit", limit.map_or(Value::Unknown, Value::Number)).labelled("Instruction limit"),
        Row::new("btf", Value::YesNo(btf.is_some())),
        Row::new("module_btf", Value::YesNo(modules > 0)).labelled("module btf"),
        Row::new("instructions_v4", Value::YesNo(features.instructions_v4)).labelled("instructions v4"),
        Row::new("may_goto", Value::YesNo(features.may_goto)),
        Row::new("cookies", Value::YesNo(features.cookies)),
        Row::new("raw_tracepoint_cookies", Value::YesNo(features.raw_tracepoint_cookies))
            .labelled("raw tracepoint cookies"),
        Row::new("modules_with_btf", Value::Number(modules as u64)).labelled("modules with btf"),
    ]
}

fn settings() -> Vec<Row> {
    let lockdown = kernel::lockdown().map(|lockdown| match lockdown {
        Lockdown::None => "none",
        Lockdown::Integrity => "integrity",
        Lockdown::Confidentiality => "confidentiality",
    });
    let locked = match kernel::lockdown() {
        Some(Lockdown::Confidentiality) => "kernel memory cannot be read, and tracefs is closed",
        _ => "",
    };
    let number = |key, path: &str| {
        let read = fs::read_to_string(path);
        let value = match read.map(|text| text.trim().parse::<i64>()) {
            Ok(Ok(number)) => Value::Text(number.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Absent("none"),
            _ => Value::Unknown,
        };
        Row::new(key, value)
    };
    let lockdown = lockdown.map_or(Value::Absent("not told"), |text| Value::Text(text.to_owned()));
    vec![
        Row::new("lockdown", lockdown).noted(locked),
        number("unprivileged_bpf_disabled", "/proc/sys/kernel/unprivileged_bpf_disabled"),
        number("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid"),
        number("kptr_restrict", "/proc/sys/kernel/kptr_restrict"),
        number("ftrace_enabled", "/proc/sys/kernel/ftrace_enabled"),
        number("bpf_jit_enable", "/proc/sys/net/core/bpf_jit_enable"),
        number("bpf_stats_enabled", "/proc/sys/kernel/bpf_stats_enabled"),
    ]
}

/// File systems by the names that the kernel has for them.
fn mounts() -> Vec<Row> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok();
    let row = |key, kind: &str| {
        let Some(mounts) = &mounts else { return Row::new(key, Value::Unknown) };
        let place = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (place, found) = (words.next()?, words.next()?);
            (found == kind).then(|| place.to_owned())
        });
        Row::new(key, place.map_or(Value::Absent("not mounted"), Value::Text))
    };
    let tracefs = row("tracefs", "tracefs");
    let tracefs = match tracefs.value {
        Value::Absent(_) => tracefs.noted("rtrace opens it unmounted, with CAP_SYS_ADMIN"),
        _ => tracefs,
    };
    vec![
        tracefs,
        row("debugfs", "debugfs"),
        row("bpffs", "bpf"),
        row("securityfs", "securityfs"),
        row("cgroup2", "cgroup2"),
    ]
}

fn process() -> Vec<Row> {
    let held = kernel::capabilities();
    let user = Row::new("uid", Value::Number(u64::from(rustix::process::geteuid().as_raw())));
    let rows = Capability::ALL.iter().map(|capability| {
        let has = held.map(|held| held.allows(*capability));
        let row = Row::new(capability.name(), has.into());
        if has == Some(false) { row.noted(capability.purpose()) } else { row }
    });
    [user].into_iter().chain(rows).collect()
}
