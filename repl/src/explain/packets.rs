//! Why packets cannot be traced where a script wants to.

use crate::report::in_words;
use lang::Diagnostic;
use lang::probes::net::XdpMode;
use lang::target::Attach;
use runtime::attach::AttachError;
use runtime::attach::net::occupant;

/// A point of packets that could not be attached.
pub fn unattached(failed: &AttachError) -> Diagnostic {
    let point = &failed.point;
    let number = failed.error.raw_os_error();
    let error = |title: String| Diagnostic::error(point.span, title);
    let said = match &failed.reason {
        Some(reason) => reason.clone(),
        None => in_words(&failed.error.to_string()),
    };
    match &point.attach {
        Attach::Xdp { interface, index, .. } if matches!(number, Some(libc::EBUSY | libc::EEXIST)) => {
            taken(error, interface, *index)
        }
        Attach::Xdp { interface, mode: XdpMode::Native, .. } => {
            error(format!("the driver of {interface} does not run this XDP program: {said}"))
                .with_help(format!("leave :native out, or write xdp:{interface}:skb: the kernel runs it, more slowly"))
        }
        Attach::Xdp { interface, mode: XdpMode::Offload, .. } => {
            error(format!("{interface} does not run this XDP program itself: {said}")).with_help(format!(
                "few network cards can, and none has maps in memory that it shares with rtrace; leave :offload out: \
                 xdp:{interface}"
            ))
        }
        Attach::Xdp { interface, .. } | Attach::Tc { interface, .. } | Attach::Socket { interface, .. }
            if number == Some(libc::ENODEV) =>
        {
            error(format!("the network interface {interface} has gone"))
        }
        Attach::CgroupSkb { path, .. } if number == Some(libc::EINVAL) => {
            error(format!("the kernel does not let programs see the packets of {path}")).with_help(
                "it takes links to control groups (kernel 5.7) and CONFIG_CGROUP_BPF; tc sees all packets of an \
                 interface",
            )
        }
        Attach::CgroupSkb { path, .. } if number == Some(libc::EPERM) => {
            error(format!("the packets of {path} cannot be seen: {said}"))
                .with_help("another program may have been attached there, or above, to be the only one")
        }
        _ => error(format!("cannot attach {}: {said}", point.name)),
    }
}

/// An interface that has a program already.
fn taken(error: impl Fn(String) -> Diagnostic, interface: &str, index: u32) -> Diagnostic {
    let only_one = "an interface runs one XDP program at a time";
    let Some(found) = occupant(index) else {
        return error(format!("{interface} has another XDP program already"))
            .with_help(format!("{only_one}; tc:{interface}:ingress and socket:{interface} see its packets as well"));
    };
    let name = if found.name.is_empty() { String::new() } else { format!(" {}", found.name) };
    let whose = match &found.process {
        Some((pid, comm)) => format!(" of process {pid} ({comm})"),
        None => String::new(),
    };
    let remove = match &found.process {
        Some(_) => "end that process".to_owned(),
        None => format!("remove it (ip link set dev {interface} xdp off)"),
    };
    error(format!("{interface} has another XDP program already:{name} (number {}){whose}", found.program))
        .with_help(format!("{only_one}: {remove}, or trace at tc:{interface}:ingress or socket:{interface}, behind it"))
}
