//! `--info`: what this kernel can do for tracing.

use crate::report::Reporter;
use crate::run::Failed;
use probes_ebpf::btf::{Btf, Kind};
use probes_ebpf::kernel::{self, capabilities};
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Prints it.
pub fn print(reporter: &Reporter) -> Result<u8, Failed> {
    match io::stdout().write_all(text().as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            reporter.plain(&format!("cannot write: {error}"), None);
            Err(Failed)
        }
        _ => Ok(0),
    }
}

fn text() -> String {
    let btf = Btf::vmlinux().ok();
    let has = |name: &str| btf.as_ref().is_some_and(|btf| matches!(btf.find_enumerator(name), Ok(Some(_))));
    let has_struct = |name: &str| btf.as_ref().is_some_and(|btf| matches!(btf.find(Kind::Struct, name), Ok(Some(_))));
    let system = rustix::system::uname();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "System\n  OS: {} {} {}\n  Arch: {}\n",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        system.version().to_string_lossy(),
        system.machine().to_string_lossy(),
    );
    let _ = writeln!(text, "Build\n  version: rtrace {}\n", env!("CARGO_PKG_VERSION"));
    let helpers = [
        ("dpath", has("BPF_FUNC_d_path")),
        ("get_tai_ns", has("BPF_FUNC_ktime_get_tai_ns")),
        ("get_func_ip", has("BPF_FUNC_get_func_ip")),
        ("lookup_percpu_elem", has("BPF_FUNC_map_lookup_percpu_elem")),
        ("loop", has("BPF_FUNC_loop")),
        ("for_each_map_elem", has("BPF_FUNC_for_each_map_elem")),
        ("get_current_task_btf", has("BPF_FUNC_get_current_task_btf")),
        ("ringbuf", has("BPF_FUNC_ringbuf_reserve")),
    ];
    text += "Kernel helpers\n";
    rows(&mut text, &helpers);
    let at_least = |major, minor| kernel::release().is_some_and(|release| release.at_least(major, minor));
    text += "\nKernel features\n";
    let _ = writeln!(text, "  Instruction limit: {}", if at_least(5, 2) { 1_000_000 } else { 4096 });
    let features = [
        ("btf", btf.is_some()),
        ("module btf", !Btf::modules().is_empty()),
        ("may_goto", at_least(6, 9)),
        ("instructions v4", at_least(6, 6)),
    ];
    rows(&mut text, &features);
    let (kprobes, uprobes) = (kernel::has_kprobes(), kernel::has_uprobes());
    let types = [
        ("kprobe", kprobes),
        ("uprobe", uprobes),
        ("kprobe_multi", kprobes && has_struct("bpf_kprobe_multi_link")),
        ("uprobe_multi", uprobes && has_struct("bpf_uprobe_multi_link")),
        ("kprobe_session", kprobes && has("BPF_TRACE_KPROBE_SESSION")),
        ("iter", has("BPF_TRACE_ITER")),
        ("fentry", has("BPF_TRACE_FENTRY")),
        ("hardware", kernel::event_source_type("cpu").is_some()),
    ];
    text += "\nProbe types\n";
    rows(&mut text, &types);
    if let Some(held) = capabilities() {
        text += "\nThis process\n";
        let held: Vec<(&str, bool)> =
            kernel::Capability::ALL.iter().map(|capability| (capability.name(), held.allows(*capability))).collect();
        rows(&mut text, &held);
    }
    text
}

/// Writes answers in two columns.
fn rows(text: &mut String, rows: &[(&str, bool)]) {
    const WIDTH: usize = 33;
    for pair in rows.chunks(2) {
        let line: String = pair
            .iter()
            .map(|(name, yes)| format!("{:WIDTH$}", format!("{name}: {}", if *yes { "yes" } else { "no" })))
            .collect();
        let _ = writeln!(text, "  {}", line.trim_end());
    }
}
